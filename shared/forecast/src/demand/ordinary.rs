//! Days that were unlike themselves are not learnt from: a holiday, a fair, half a day without power that nobody noted.
//!
//! ```text
//!  day       its mean hour, against the median of the same day in the eight weeks nearest to it
//!  week      the median of its days so compared: what all days share is the level, and nothing unusual
//!  unlike    what is left is four times what is usual, and a tenth at least
//! ```
//!
//! It must stand alone. If the week before or after was unlike the others in the same way, it is a new habit ("closed on Mondays now"),
//! and if more than three days of a week are unlike, or the whole week is, the level is another: both are learnt from. So a change is held
//! back for one week at most. What is left out here is none for whoever learns; it is still there for whoever is judged.

use super::weeks::{DAY, Row, mean};
use crate::series::WEEK;

const DAYS: usize = WEEK / DAY;
/// Weeks below which nothing is known to be usual.
const WEEKS_MIN: usize = 4;
/// Weeks on either side that a day is compared with; at an end of the history, as many on one side.
const NEAR: usize = 4;
/// How far off a day may be, in usual distances, and in logarithms at least. Chosen on origins before those that the goals are measured on.
const FAR: f64 = 4.0;
const FAR_MIN: f64 = 0.1;
/// Days of a week that may be unlike themselves.
const DAYS_MAX: usize = 3;
/// The standard deviation of a normal in medians of its size.
const DEVIATION: f64 = 1.4826;
/// A day on which nothing happened is a hundredth of a usual one: its logarithm has an end.
const LEAST: f64 = 0.01;

/// How far a week was off, and each of its days beyond that; nothing where it was not seen. Logarithms.
struct Off {
    level: f64,
    days: [f64; DAYS],
}

/// The weeks, newest first, without the days that were unlike themselves.
pub(crate) fn ordinary(weeks: &[Row]) -> Vec<Row> {
    let mut kept = weeks.to_vec();
    if weeks.len() < WEEKS_MIN {
        return kept;
    }
    let off = distances(weeks);
    let usual = median(off.iter().flat_map(|off| off.days).map(f64::abs).filter(|off| *off > 0.0)).unwrap_or(0.0);
    let far = (FAR * DEVIATION * usual).max(FAR_MIN);
    for (at, week) in kept.iter_mut().enumerate() {
        let alone = |day: usize| {
            let here = off[at].days[day];
            let same = |other: Option<&Off>| other.is_some_and(|other| other.days[day] * here.signum() > far / 2.0);
            here.abs() > far && !same(off.get(at + 1)) && !same(at.checked_sub(1).and_then(|newer| off.get(newer)))
        };
        let unlike: Vec<usize> = (0..DAYS).filter(|&day| alone(day)).collect();
        if unlike.len() <= DAYS_MAX && off[at].level.abs() <= far {
            unlike.into_iter().for_each(|day| week[day * DAY..(day + 1) * DAY].fill(None));
        }
    }
    kept
}

/// The logarithm of each day against the same day nearby, less what its whole week has of that.
fn distances(weeks: &[Row]) -> Vec<Off> {
    let days: Vec<[Option<f64>; DAYS]> = weeks
        .iter()
        .map(|week| std::array::from_fn(|day| mean(week[day * DAY..(day + 1) * DAY].iter().flatten().copied())))
        .collect();
    let span = 2 * NEAR + 1;
    let off = |at: usize| {
        let from = at.saturating_sub(NEAR).min(days.len().saturating_sub(span));
        let nearby = || days.iter().enumerate().skip(from).take(span).filter(|(near, _)| *near != at);
        let off: [Option<f64>; DAYS] = std::array::from_fn(|day| {
            let usual = median(nearby().filter_map(|(_, days)| days[day])).filter(|usual| *usual > 0.0)?;
            Some((days[at][day]? / usual).max(LEAST).ln())
        });
        let level = median(off.iter().flatten().copied()).unwrap_or(0.0);
        Off { level, days: off.map(|off| off.map_or(0.0, |off| off - level)) }
    };
    (0..days.len()).map(off).collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten weeks in which days differ a little, as days do; those that are asked for have this much of it.
    fn weeks(changed: impl Fn(usize, usize) -> f64) -> Vec<Row> {
        (0..10)
            .map(|week| {
                std::array::from_fn(|hour| {
                    let day = hour / DAY;
                    let differs = [0.0, 0.6, -0.4, 0.2, -0.6, 0.4][(week * 5 + day * 3) % 6];
                    Some((20.0 + differs) * changed(week, day))
                })
            })
            .collect()
    }

    fn missing(weeks: &[Row]) -> Vec<(usize, usize)> {
        let days = |(at, week): (usize, &Row)| {
            (0..DAYS).filter(|day| week[day * DAY].is_none()).map(|day| (at, day)).collect::<Vec<_>>()
        };
        weeks.iter().enumerate().flat_map(days).collect()
    }

    #[test]
    fn a_holiday_is_left_out() {
        let kept = ordinary(&weeks(|week, day| if (week, day) == (3, 2) || (week, day) == (0, 4) { 0.5 } else { 1.0 }));
        assert_eq!(missing(&kept), [(0, 4), (3, 2)]);
    }

    #[test]
    fn a_new_habit_and_a_new_level_are_learnt_from() {
        let closed = ordinary(&weeks(|week, day| if week < 2 && day == 0 { 0.3 } else { 1.0 }));
        assert!(missing(&closed).is_empty(), "two Mondays are a habit: {:?}", missing(&closed));
        let level = ordinary(&weeks(|week, _| if week < 1 { 2.0 } else { 1.0 }));
        assert!(missing(&level).is_empty());
        let many = ordinary(&weeks(|week, day| if week == 2 && day < 4 { 0.2 } else { 1.0 }));
        assert!(missing(&many).is_empty(), "four days of one week: {:?}", missing(&many));
    }

    #[test]
    fn without_a_past_nothing_is_unusual() {
        assert_eq!(missing(&ordinary(&weeks(|week, day| if (week, day) == (0, 0) { 0.1 } else { 1.0 })[..3])), []);
        assert!(ordinary(&[]).is_empty());
    }
}
