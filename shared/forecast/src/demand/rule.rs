//! The rules: how the next week is said from the weeks before it, each in its own way.
//!
//! ```text
//!  weeks ─► levels     how much each week had, against the mean week
//!        ─► shape      the middle of each hour of the week, of the weeks or of the weeks by their level
//!             └─► neighbours    an hour shares with the hours beside it, and with the same hour of similar days
//!                   └─► × the level of next week, smoothed over the levels
//! ```
//!
//! A [`Rule`] is one choice at each step, and [`rules`] is all of them, two hundred and more. They are made in one sweep ([`said`]), because
//! a shape is shared by all levels that it is combined with. A rule never fails and never looks at its own success: `trial` does that.

use std::fmt;

use super::pool::Pool;
use super::weeks::{DAY, Row, Shape, filled, mean, seen};
use crate::series::WEEK;

/// Weeks that a rule looks back, at most.
pub(crate) const WINDOW_MAX: usize = 16;

const WINDOWS: [usize; 2] = [8, WINDOW_MAX];
/// What a week counts of what the week after it counts.
const KEEPS: [f64; 3] = [1.0, 0.85, 0.7];
const MIDDLES: [Middle; 2] = [Middle::Mean, Middle::Median];
/// How much of a new week's level is believed.
const LEVELS: [Level; 4] = [Level::Left, Level::Followed(0.3), Level::Followed(0.6), Level::Followed(1.0)];
const NEIGHBOURS: [Neighbours; 4] = [Neighbours::None, Neighbours::Hours, Neighbours::Days, Neighbours::HoursAndDays];

/// What the two hours beside an hour count of it, each.
const BESIDE: f64 = 0.5;
/// How much of an hour comes from the same hour of similar days.
const OF_SIMILAR_DAYS: f64 = 0.5;
/// Days that are taken for similar.
const SIMILAR: [&[usize]; 2] = [&[0, 1, 2, 3, 4], &[5, 6]];

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Middle {
    Mean,
    Median,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Level {
    /// The shape is of what was counted, and stays as it is.
    Left,
    /// The shape is of weeks by their level, and next week's level follows with this share of each new one.
    Followed(f64),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Neighbours {
    None,
    Hours,
    Days,
    HoursAndDays,
}

/// One way to say the next week.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Rule {
    /// One choice at each step.
    Own(Own),
    /// The shape of many series at the level of this one.
    Pooled,
}

/// The choices of a rule that looks at its own series only.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Own {
    window: usize,
    keep: f64,
    middle: Middle,
    level: Level,
    neighbours: Neighbours,
}

impl Rule {
    /// Whether it says a mean, of which totals may be made.
    pub(crate) fn is_mean(&self) -> bool {
        match self {
            Rule::Own(own) => own.middle == Middle::Mean,
            Rule::Pooled => true,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule::Own(own) = self else {
            return f.write_str("the shape of other sites at this one's level");
        };
        let middle = if own.middle == Middle::Mean { "mean" } else { "median" };
        write!(f, "{middle} of {} weeks", own.window)?;
        if own.keep < 1.0 {
            f.write_str(", newer ones count more")?;
        }
        match own.level {
            Level::Left => {}
            Level::Followed(share) if share < 0.5 => f.write_str(", follows the level slowly")?,
            Level::Followed(share) if share < 1.0 => f.write_str(", follows the level")?,
            Level::Followed(_) => f.write_str(", at the level of the last week")?,
        }
        match own.neighbours {
            Neighbours::None => Ok(()),
            Neighbours::Hours => f.write_str(", smoothed over neighbouring hours"),
            Neighbours::Days => f.write_str(", shared between similar days"),
            Neighbours::HoursAndDays => f.write_str(", shared between similar days and neighbouring hours"),
        }
    }
}

/// All rules, in the order in which [`said`] answers.
pub(crate) fn rules(pooled: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    for window in WINDOWS {
        for (keep, middle) in pairs() {
            for neighbours in NEIGHBOURS {
                rules.extend(LEVELS.map(|level| Rule::Own(Own { window, keep, middle, level, neighbours })));
            }
        }
    }
    rules.extend(pooled.then_some(Rule::Pooled));
    rules
}

/// What every rule says of the week after these, newest first; the pool's, too, where there is one. None where nothing was seen.
pub(crate) fn said(weeks: &[Row], pool: Option<&Pool>) -> Option<Vec<Shape>> {
    let mut said = Vec::new();
    for window in WINDOWS {
        let memory = Memory::of(&weeks[..weeks.len().min(window)])?;
        for (keep, middle) in pairs() {
            let left = memory.shape(memory.weeks, middle, keep);
            let followed = memory.shape(&memory.by_level, middle, keep);
            for neighbours in NEIGHBOURS {
                let left = neighbours.joined(&left, &memory.known);
                let followed = neighbours.joined(&followed, &memory.known);
                said.extend(LEVELS.map(|level| match level {
                    Level::Left => left,
                    Level::Followed(share) => at_level(&followed, next_level(&memory.levels, share)),
                }));
            }
        }
    }
    said.extend(pool.map(|pool| pool.at_level_of(&weeks[..weeks.len().min(WINDOWS[0])])));
    Some(said)
}

fn pairs() -> impl Iterator<Item = (f64, Middle)> {
    KEEPS.into_iter().flat_map(|keep| MIDDLES.map(|middle| (keep, middle)))
}

fn at_level(shape: &Shape, level: f64) -> Shape {
    shape.map(|value| value * level)
}

/// Some weeks, and what all rules that look back so far have in common.
struct Memory<'a> {
    weeks: &'a [Row],
    /// The mean of each hour.
    mean: Shape,
    /// Hours of the week that were seen at all.
    known: [bool; WEEK],
    levels: Vec<Option<WeekLevel>>,
    /// The weeks, each divided by its level.
    by_level: Vec<Row>,
}

/// How much a week had against the mean one, and how much of it was seen.
#[derive(Clone, Copy)]
struct WeekLevel {
    level: f64,
    seen: f64,
}

impl<'a> Memory<'a> {
    fn of(weeks: &'a [Row]) -> Option<Memory<'a>> {
        let means: Row = std::array::from_fn(|hour| mean(weeks.iter().filter_map(|week| week[hour])));
        let mean = filled(&means)?;
        let levels = levels(weeks, &mean);
        let by_level = weeks.iter().zip(&levels).map(|(week, level)| divided(week, *level)).collect();
        Some(Memory { weeks, mean, known: means.map(|mean| mean.is_some()), levels, by_level })
    }

    /// The middle of each hour. Where no week has a level there is nothing to divide by, and the mean stands.
    fn shape(&self, weeks: &[Row], middle: Middle, keep: f64) -> Shape {
        let row = std::array::from_fn(|hour| {
            let values = weeks.iter().scan(1.0, |weight, week| {
                let now = *weight;
                *weight *= keep;
                Some(week[hour].map(|value| (value, now)))
            });
            match middle {
                Middle::Mean => weighted_mean(values.flatten()),
                Middle::Median => weighted_median(values.flatten().collect()),
            }
        });
        filled(&row).unwrap_or(self.mean)
    }
}

/// A week whose hours add up to nothing has no level: nothing can be divided by it.
fn levels(weeks: &[Row], usual: &Shape) -> Vec<Option<WeekLevel>> {
    let fullest = weeks.iter().map(seen).fold(1.0, f64::max);
    let level = |week: &Row| {
        let pairs = || week.iter().zip(usual).filter_map(|(value, usual)| value.map(|value| (value, usual)));
        let (had, usual) = pairs().fold((0.0, 0.0), |(had, sum), (value, usual)| (had + value, sum + usual));
        (had > 0.0 && usual > 0.0).then(|| WeekLevel { level: had / usual, seen: seen(week) / fullest })
    };
    weeks.iter().map(level).collect()
}

fn divided(week: &Row, by: Option<WeekLevel>) -> Row {
    by.map_or([None; WEEK], |by| week.map(|value| value.map(|value| value / by.level)))
}

/// Exponential smoothing from the oldest week; half a week is believed half as much.
fn next_level(levels: &[Option<WeekLevel>], share: f64) -> f64 {
    let follow = |level: Option<f64>, week: &WeekLevel| match level {
        Some(level) => Some(level + share * week.seen * (week.level - level)),
        None => Some(week.level),
    };
    levels.iter().rev().flatten().fold(None, follow).unwrap_or(1.0)
}

fn weighted_mean(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (sum, weights) = values.fold((0.0, 0.0), |(sum, all), (value, weight)| (sum + value * weight, all + weight));
    (weights > 0.0).then(|| sum / weights)
}

/// The value with half of the weight on either side; the middle of two, if the half falls between them.
fn weighted_median(mut values: Vec<(f64, f64)>) -> Option<f64> {
    const ALMOST: f64 = 1e-9;
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (at, (value, weight)) in values.iter().enumerate() {
        below += weight;
        if (below - half).abs() < ALMOST {
            return Some(values.get(at + 1).map_or(*value, |(next, _)| f64::midpoint(*value, *next)));
        }
        if below > half {
            return Some(*value);
        }
    }
    None
}

impl Neighbours {
    /// The shape with what each hour takes from others. Hours that were never seen neither give nor take.
    fn joined(self, shape: &Shape, known: &[bool; WEEK]) -> Shape {
        match self {
            Neighbours::None => *shape,
            Neighbours::Hours => beside(shape, known),
            Neighbours::Days => similar_days(shape, known),
            Neighbours::HoursAndDays => beside(&similar_days(shape, known), known),
        }
    }
}

fn beside(shape: &Shape, known: &[bool; WEEK]) -> Shape {
    std::array::from_fn(|hour| {
        if !known[hour] {
            return shape[hour];
        }
        let others = [(hour + 1) % WEEK, (hour + WEEK - 1) % WEEK].into_iter().filter(|&other| known[other]);
        let all =
            others.fold((shape[hour], 1.0), |(sum, weights), other| (sum + BESIDE * shape[other], weights + BESIDE));
        all.0 / all.1
    })
}

/// An hour becomes its own share of its day mixed with the share that it has on similar days; a day's total stays.
fn similar_days(shape: &Shape, known: &[bool; WEEK]) -> Shape {
    let mut joined = *shape;
    let at = |day: usize, hour: usize| Some(day * DAY + hour).filter(|&at| known[at]);
    let total = |day: usize| (0..DAY).filter_map(|hour| at(day, hour)).map(|at| shape[at]).sum::<f64>();
    let totals: [f64; WEEK / DAY] = std::array::from_fn(total);
    for days in SIMILAR {
        for hour in 0..DAY {
            let here = || days.iter().filter_map(|&day| at(day, hour).map(|at| (at, totals[day])));
            let (value, of) = here().fold((0.0, 0.0), |(value, of), (at, total)| (value + shape[at], of + total));
            if of > 0.0 {
                here().for_each(|(at, total)| {
                    joined[at] += OF_SIMILAR_DAYS * (total * value / of - shape[at]);
                });
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_something() {
        let weeks = vec![[Some(2.0); WEEK]; 3];
        for pooled in [false, true] {
            let pool = Pool::flat();
            let said = said(&weeks, pooled.then_some(&pool)).expect("something was seen");
            assert_eq!(said.len(), rules(pooled).len());
            assert!(said.iter().flatten().all(|value| (value - 2.0).abs() < 1e-9));
        }
        assert!(said(&[], None).is_none());
        assert!(said(&[[None; WEEK]], None).is_none());
    }

    #[test]
    fn a_median_has_half_of_the_weight_on_either_side() {
        assert_eq!(weighted_median(vec![(9.0, 1.0), (1.0, 1.0), (2.0, 1.0)]), Some(2.0));
        assert_eq!(weighted_median(vec![(1.0, 1.0), (2.0, 1.0)]), Some(1.5));
        assert_eq!(weighted_median(vec![(1.0, 1.0), (2.0, 0.5)]), Some(1.0));
        assert_eq!(weighted_median(Vec::new()), None);
    }

    #[test]
    fn half_a_week_is_believed_half_as_much() {
        let week = |level, seen| Some(WeekLevel { level, seen });
        assert_eq!(next_level(&[week(2.0, 1.0), None, week(1.0, 1.0)], 0.5), 1.5);
        assert_eq!(next_level(&[week(2.0, 0.5), week(1.0, 1.0)], 1.0), 1.5);
        assert_eq!(next_level(&[], 0.5), 1.0);
    }

    #[test]
    fn similar_days_keep_their_totals() {
        let shape: Shape = std::array::from_fn(|hour| if hour % 7 == 0 { 9.0 } else { 1.0 });
        let joined = similar_days(&shape, &[true; WEEK]);
        for (before, after) in shape.chunks(DAY).zip(joined.chunks(DAY)) {
            assert!((before.iter().sum::<f64>() - after.iter().sum::<f64>()).abs() < 1e-9);
        }
        // Where a day has no value at all there is nothing to share.
        assert_eq!(similar_days(&[0.0; WEEK], &[true; WEEK]), [0.0; WEEK]);
    }
}
