//! The trial: every rule says weeks of the history that it was not shown, and those that were best say the week to come.
//!
//! ```text
//!  newest ┌─ week 0 ◄─ said from weeks 1, 2, 3 …
//!         ├─ week 1 ◄─ said from weeks 2, 3 …           eight of them are judged; older ones only teach the bands
//!         └─ …
//! ```
//!
//! Every week is said from [ordinary](super::ordinary) days. *As last week* stands until something else is better by a margin and in most
//! weeks: two good weeks may be luck. It then means the last ordinary week, unless the last one as it was did better. Otherwise the ten
//! best rules are blended, because the best of two hundred is partly the luckiest. Where hours are small whole numbers, a blend of means is
//! also tried as the number that half of such hours stay under: nobody sells 1.4.
//!
//! Where last week stands, it is what is expected and what is typical. A blend is made twice: of rules of means, judged by squares, for
//! what is expected, so that hours add up to weeks; and judged by distance for what is typical.

use super::ordinary::ordinary;
use super::pool::Pool;
use super::rule::{self, Rule};
use super::weeks::{Row, Shape, filled, last, misses, seen};

/// Weeks by which rules are judged.
const JUDGED: usize = 8;
/// Weeks that are said in all: the older half only teaches how far off a week may be.
const TRIED_MAX: usize = 16;
/// Weeks of a history that can be of use: the oldest that is said, and what a rule looks back from there.
pub(crate) const HISTORY_MAX: usize = TRIED_MAX + rule::WINDOW_MAX;
/// Weeks that stand behind the oldest that is said, if the history is long enough.
const BEHIND: usize = 4;
/// Rules that are blended.
const BLENDED: usize = 10;
/// What a blend's error may be of the baseline's, and the share of weeks in which it must be smaller.
const MARGIN: f64 = 0.97;
const BETTER_IN: f64 = 0.6;

/// How a week is said.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Way {
    /// As last week: the baseline.
    AsLast,
    /// As last week, with days that were unlike themselves from the week before.
    AsOrdinary,
    /// The mean of these rules.
    Blend(Vec<usize>),
    /// The whole number in the middle of counts with the mean of these rules.
    Counted(Vec<usize>),
}

/// What was said of one week, from the weeks before.
pub(crate) struct Said {
    as_last: Shape,
    as_ordinary: Shape,
    rules: Vec<Shape>,
}

/// What the trial came to.
pub(crate) struct Choice {
    pub(crate) typical: Way,
    pub(crate) expected: Way,
    /// The typical way in words.
    pub(crate) rule: String,
    pub(crate) mase: Option<f64>,
    pub(crate) naive_mase: Option<f64>,
    /// What was said of each week of the trial, newest first.
    pub(crate) said: Vec<Said>,
}

impl Said {
    /// None where the weeks before have nothing.
    pub(crate) fn of(weeks: &[Row], pool: Option<&Pool>) -> Option<Said> {
        let ordinary = ordinary(weeks);
        Some(Said {
            as_last: filled(&last(weeks))?,
            as_ordinary: filled(&last(&ordinary))?,
            rules: rule::said(&ordinary, pool)?,
        })
    }
}

impl Way {
    pub(crate) fn say(&self, said: &Said) -> Shape {
        match self {
            Way::AsLast => said.as_last,
            Way::AsOrdinary => said.as_ordinary,
            Way::Blend(rules) => blend(rules, said),
            Way::Counted(rules) => blend(rules, said).map(middle_count),
        }
    }
}

/// Tries all rules on the weeks, newest first. None where there are not two weeks with something in them.
pub(crate) fn choose(weeks: &[Row], pool: Option<&Pool>) -> Option<Choice> {
    let tried = weeks.len().saturating_sub(BEHIND).max(weeks.len() / 2).min(TRIED_MAX);
    let said: Vec<Said> = (1..=tried).map_while(|age| Said::of(&weeks[age..], pool)).collect();
    if said.is_empty() {
        return None;
    }
    let rules = rule::rules(pool.is_some());
    let judged = &said[..said.len().min(JUDGED)];
    let best = Best { weeks, judged, rules: &rules };
    let squares = |seen: &Row, said: &Shape| misses(seen, said, |miss| miss * miss);
    let typical = best.typical();
    let expected = match typical {
        Way::AsLast | Way::AsOrdinary => typical.clone(),
        Way::Blend(_) | Way::Counted(_) => Way::Blend(best.ten(Rule::is_mean, squares)),
    };
    let rule = in_words(&typical, &rules);
    let (mase, naive_mase) = (scaled(weeks, judged, &typical), scaled(weeks, judged, &Way::AsLast));
    Some(Choice { typical, expected, rule, mase, naive_mase, said })
}

struct Best<'a> {
    weeks: &'a [Row],
    judged: &'a [Said],
    rules: &'a [Rule],
}

impl Best<'_> {
    /// The best ten of the rules that are asked for, the best first.
    fn ten(&self, which: impl Fn(&Rule) -> bool, miss: impl Fn(&Row, &Shape) -> f64) -> Vec<usize> {
        let total = |rule: usize| self.pairs().map(|(seen, said)| miss(seen, &said.rules[rule])).sum::<f64>();
        let asked = self.rules.iter().enumerate().filter(|(_, rule)| which(rule));
        let mut all: Vec<(f64, usize)> = asked.map(|(at, _)| (total(at), at)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.into_iter().take(BLENDED).map(|(_, rule)| rule).collect()
    }

    fn typical(&self) -> Way {
        let mut ways = vec![Way::Blend(self.ten(|_| true, distance))];
        if self.weeks.iter().flatten().flatten().all(|value| *value >= 0.0 && value.fract() == 0.0) {
            let counted = |seen: &Row, said: &Shape| distance(seen, &said.map(middle_count));
            ways.push(Way::Counted(self.ten(Rule::is_mean, counted)));
        }
        let total = |way: &Way| self.distances(way).iter().sum::<f64>();
        let last = if total(&Way::AsOrdinary) <= total(&Way::AsLast) { Way::AsOrdinary } else { Way::AsLast };
        let best = ways.into_iter().min_by(|a, b| total(a).total_cmp(&total(b)));
        best.filter(|way| is_better(&self.distances(way), &self.distances(&last))).unwrap_or(last)
    }

    /// How far off a way was in each week that was seen.
    fn distances(&self, way: &Way) -> Vec<f64> {
        self.pairs().filter(|(week, _)| seen(week) > 0.0).map(|(week, said)| distance(week, &way.say(said))).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (&Row, &Said)> {
        self.weeks.iter().zip(self.judged)
    }
}

fn is_better(ours: &[f64], baseline: &[f64]) -> bool {
    let weeks: f64 = ours.iter().map(|_| 1.0).sum();
    let better: f64 = ours.iter().zip(baseline).filter(|(ours, baseline)| ours < baseline).map(|_| 1.0).sum();
    ours.iter().sum::<f64>() < MARGIN * baseline.iter().sum::<f64>() && better >= BETTER_IN * weeks
}

fn distance(seen: &Row, said: &Shape) -> f64 {
    misses(seen, said, f64::abs)
}

fn blend(rules: &[usize], said: &Said) -> Shape {
    let mut sum = [0.0; crate::series::WEEK];
    let mut count: f64 = 0.0;
    for rule in rules {
        count += 1.0;
        sum.iter_mut().zip(said.rules[*rule]).for_each(|(sum, value)| *sum += value);
    }
    sum.map(|sum| sum / count.max(1.0))
}

/// The number that half of all counts with this mean stay under, if they are Poisson (K. P. Choi, 1994: it lies between the mean less
/// ln 2 and the mean plus a third).
fn middle_count(mean: f64) -> f64 {
    if mean > 0.0 { (mean + 1.0 / 3.0 - 0.02 / mean).floor().max(0.0) } else { 0.0 }
}

/// The error of the weeks that were judged, each as a multiple of what "as last week" is off by in the eight weeks before it.
fn scaled(weeks: &[Row], judged: &[Said], way: &Way) -> Option<f64> {
    let week = |(age, said): (usize, &Said)| {
        let hours = seen(&weeks[age]);
        let scale = usual_change(&weeks[age + 1..])?;
        (hours > 0.0).then(|| distance(&weeks[age], &way.say(said)) / hours / scale)
    };
    super::weeks::mean(judged.iter().enumerate().filter_map(week))
}

/// What an hour of the last eight weeks differs from the same hour of the week before, in the mean. None, if nothing ever changed.
fn usual_change(weeks: &[Row]) -> Option<f64> {
    let changes = weeks.iter().zip(weeks.iter().skip(1)).take(JUDGED).flat_map(|(week, before)| {
        week.iter().zip(before).filter_map(|(now, before)| Some((now.as_ref()? - before.as_ref()?).abs()))
    });
    super::weeks::mean(changes).filter(|change| *change > 0.0)
}

fn in_words(way: &Way, rules: &[Rule]) -> String {
    let first =
        |of: &[usize]| of.first().and_then(|&best| rules.get(best)).map(ToString::to_string).unwrap_or_default();
    match way {
        Way::AsLast => "as last week".to_owned(),
        Way::AsOrdinary => "as last week, without days that were unlike themselves".to_owned(),
        Way::Blend(of) => format!("the mean of the {} best rules, of which the best is: {}", of.len(), first(of)),
        Way::Counted(of) => {
            format!("in whole numbers, the mean of the {} best rules, of which the best is: {}", of.len(), first(of))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middle_count_is_the_median_of_poisson() {
        for tenths in 1..400_u32 {
            let mean = f64::from(tenths) / 10.0;
            let (mut term, mut count) = ((-mean).exp(), 0.0);
            let mut sum = term;
            while sum < 0.5 {
                count += 1.0;
                term *= mean / count;
                sum += term;
            }
            assert_eq!(middle_count(mean), count, "of {mean}");
        }
        assert_eq!(middle_count(0.0), 0.0);
        assert_eq!(middle_count(-3.0), 0.0);
    }

    #[test]
    fn luck_in_two_weeks_is_not_better() {
        assert!(is_better(&[1.0, 1.0, 1.0], &[2.0, 2.0, 2.0]));
        assert!(!is_better(&[0.0, 2.1, 2.1, 2.1], &[9.0, 2.0, 2.0, 2.0]), "better in one week of four");
        assert!(!is_better(&[1.99, 1.99], &[2.0, 2.0]), "by less than the margin");
        assert!(!is_better(&[], &[]));
    }
}
