//! When a site is full: the chance that a limit is reached in an hour to come, and the weeks until a trend reaches it.
//!
//! [`chances`] reads each hour's forecast as a distribution: its median and the ends of its bands are five points of it, between which it runs
//! as a normal one would, and beyond which it goes on as steeply as between the last two. [`weeks_until`] draws a line through the weekly peaks
//! by the median of all slopes between them (Theil 1950, Sen 1968), which a few odd weeks do not move, and gives a range for it, since nobody
//! knows the week.
//!
//! Refused here: a date from a trend that does not rise, from fewer than six weeks, or further away than two years.

use crate::demand::Hour;
use crate::score::to_float;

/// Where the five points lie, in standard deviations of a normal distribution: 2.5 %, 10 %, 50 %, 90 % and 97.5 %.
const POINTS: [f64; 5] = [-1.959_964, -1.281_552, 0.0, 1.281_552, 1.959_964];

/// The chance that the value of each hour is at least the limit.
pub fn chances(hours: &[Hour], limit: f64) -> Vec<f64> {
    hours.iter().map(|hour| chance(hour, limit)).collect()
}

fn chance(hour: &Hour, limit: f64) -> f64 {
    let mut values = [hour.low95, hour.low80, hour.typical, hour.high80, hour.high95];
    if values.iter().any(|value| !value.is_finite()) {
        return if hour.expected >= limit { 1.0 } else { 0.0 };
    }
    // Bands that cross are of a forecast that is unsure of itself; sorted they are a distribution at least.
    values.sort_by(f64::total_cmp);
    above(standard(&values, limit))
}

/// Where a limit lies among the points, in standard deviations: the chance to be above falls with it.
fn standard(values: &[f64; 5], limit: f64) -> f64 {
    let known = values.iter().zip(POINTS);
    if let Some((_, point)) = known.clone().find(|(value, _)| **value == limit) {
        // At least the limit: what lies on it counts, so the lowest of the points on it.
        return if values[0] == values[4] { f64::NEG_INFINITY } else { point };
    }
    let above = known.clone().find(|(value, _)| **value > limit);
    let below = known.rev().find(|(value, _)| **value < limit);
    match (below, above) {
        (Some((low, from)), Some((high, to))) => from + (to - from) * (limit - low) / (high - low),
        (Some((last, point)), None) => point + beyond(limit - last, [values[4] - values[3], values[4] - values[2]]),
        (None, Some((first, point))) => point - beyond(first - limit, [values[1] - values[0], values[2] - values[0]]),
        (None, None) => 0.0,
    }
}

/// How many standard deviations a distance beyond the last point is: as many as it would be between the last two; where those are one, between
/// the last and the middle.
fn beyond(distance: f64, [last, middle]: [f64; 2]) -> f64 {
    let scale = if last > 0.0 { last / (POINTS[4] - POINTS[3]) } else { middle / POINTS[4] };
    if scale > 0.0 { distance / scale } else { f64::INFINITY }
}

/// The chance that something normally distributed is so many standard deviations above its mean or more (Abramowitz and Stegun 26.2.17; wrong by
/// 7.5e-8 at most).
fn above(standard: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * standard.abs());
    let sum = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_53]
        .iter()
        .fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let tail = sum * (-standard * standard / 2.0).exp() / std::f64::consts::TAU.sqrt();
    if standard >= 0.0 { tail } else { 1.0 - tail }
}

/// Weeks below which there is no trend.
const WEEKS_MIN: usize = 6;
/// Weeks beyond which no trend of some months is believed.
const FARTHEST: f64 = 104.0;
/// Of ten trends that are like this one, eight lie within the range: so many standard deviations of Kendall's statistic.
const RANGE: f64 = 1.281_552;

/// The earliest and the latest number of weeks, from the last one given, until the trend of a weekly figure (as the 95th percentile of use)
/// reaches a limit; no latest one: perhaps never, or later than two years from now. `None` if it does not rise. Zeros if it is reached.
pub fn weeks_until(weekly_p95: &[f64], limit: f64) -> Option<(f64, Option<f64>)> {
    let weeks = weekly_p95.len();
    if weeks < WEEKS_MIN || weekly_p95.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut slopes = slopes(weekly_p95);
    slopes.sort_by(f64::total_cmp);
    let slope = slopes[slopes.len() / 2];
    if level(weekly_p95, slope) >= limit {
        return Some((0.0, Some(0.0)));
    }
    if slope <= 0.0 {
        return None;
    }
    // Sen's range: the ranks that lie as far from the middle as Kendall's statistic varies by chance.
    let count = to_float(weeks);
    let varies = (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt() * RANGE;
    let rank = |share: f64| slopes[(share.max(0.0) as usize).min(slopes.len() - 1)];
    let (slow, fast) = (rank((to_float(slopes.len()) - varies) / 2.0), rank((to_float(slopes.len()) + varies) / 2.0));
    let until = |slope: f64| {
        let weeks = (limit - level(weekly_p95, slope)).max(0.0) / slope;
        (slope > 0.0 && weeks <= FARTHEST).then_some(weeks)
    };
    let earliest = until(fast)?;
    Some((earliest, until(slow).map(|latest| latest.max(earliest))))
}

/// The slopes between all pairs of weeks.
fn slopes(values: &[f64]) -> Vec<f64> {
    let pairs = values.iter().enumerate().flat_map(|(at, first)| {
        values.iter().skip(at + 1).enumerate().map(move |(apart, second)| (second - first) / to_float(apart + 1))
    });
    pairs.collect()
}

/// Where a line of this slope that halves the weeks is in the last one.
fn level(values: &[f64], slope: f64) -> f64 {
    let last = values.len() - 1;
    let mut now: Vec<f64> = values.iter().enumerate().map(|(at, value)| value + slope * to_float(last - at)).collect();
    now.sort_by(f64::total_cmp);
    let (low, high) = (now[last / 2], now[values.len() / 2]);
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(bands: [f64; 5]) -> Hour {
        let [low95, low80, typical, high80, high95] = bands;
        Hour { expected: typical, typical, low80, high80, low95, high95, naive: typical }
    }

    #[test]
    fn the_points_of_the_bands_are_met() {
        let hour = hour([10.0, 20.0, 50.0, 90.0, 120.0]);
        for (limit, expected) in [(10.0, 0.975), (20.0, 0.9), (50.0, 0.5), (90.0, 0.1), (120.0, 0.025)] {
            let [chance] = chances(&[hour], limit)[..] else { panic!("one hour") };
            assert!((chance - expected).abs() < 1e-5, "{limit}: {chance}");
        }
    }

    #[test]
    fn a_higher_limit_is_never_likelier() {
        let all = [
            hour([10.0, 20.0, 50.0, 90.0, 120.0]),
            hour([0.0, 0.0, 0.0, 2.0, 5.0]),
            hour([5.0, 5.0, 5.0, 5.0, 5.0]),
            hour([5.0, 5.0, 6.0, 7.0, 7.0]),
            // Bands that cross.
            hour([9.0, 4.0, 6.0, 5.0, 7.0]),
        ];
        for hour in all {
            let mut last = 1.0;
            for limit in -40..400 {
                let [chance] = chances(&[hour], f64::from(limit) / 2.0)[..] else { panic!("one hour") };
                assert!((0.0..=last + 1e-9).contains(&chance), "{hour:?} {limit}: {chance} after {last}");
                last = chance;
            }
            assert!(last < 1e-3, "{hour:?}: far above everything it is {last}");
        }
    }

    #[test]
    fn what_is_certain_is_certain() {
        let full = hour([5.0; 5]);
        assert_eq!([4.0, 5.0, 6.0].map(|limit| chances(&[full], limit)[0].round()), [1.0, 1.0, 0.0]);
        let unknown = Hour { expected: 7.0, ..hour([f64::NAN; 5]) };
        assert_eq!([6.0, 8.0].map(|limit| chances(&[unknown], limit)[0]), [1.0, 0.0]);
    }

    #[test]
    fn a_straight_line_reaches_its_limit_when_it_does() {
        let rising: Vec<f64> = (0..10).map(|week| 10.0 + 2.0 * f64::from(week)).collect();
        // 28 now, 2 a week.
        assert_eq!(weeks_until(&rising, 40.0), Some((6.0, Some(6.0))));
        assert_eq!(weeks_until(&rising, 28.0), Some((0.0, Some(0.0))));
        assert_eq!(weeks_until(&rising, 1000.0), None, "too far away to be believed");
    }

    #[test]
    fn odd_weeks_do_not_move_it() {
        let mut rising: Vec<f64> = (0..20).map(|week| 10.0 + 2.0 * f64::from(week)).collect();
        (rising[4], rising[11]) = (500.0, 0.0);
        let (earliest, latest) = weeks_until(&rising, 60.0).expect("it rises");
        assert!(
            (5.9..=6.1).contains(&earliest) && (5.9..=6.1).contains(&latest.expect("surely")),
            "{earliest} {latest:?}"
        );
    }

    #[test]
    fn noise_makes_the_range_wide() {
        // Half a unit a week, and up to 4 beside the line.
        let beside = [0.0, 3.0, -4.0, 1.0, -2.0, 4.0, -1.0, 2.0, -3.0, 0.0, 4.0, -4.0];
        let noisy: Vec<f64> =
            beside.iter().zip(0..).map(|(beside, week)| 50.0 + 0.5 * f64::from(week) + beside).collect();
        let (earliest, latest) = weeks_until(&noisy, 62.0).expect("it rises");
        // Without the noise it would be 13.
        assert!(earliest < 13.0 && latest.is_none_or(|latest| latest > 13.0), "{earliest} {latest:?}");
    }

    #[test]
    fn what_does_not_rise_reaches_nothing() {
        assert_eq!(weeks_until(&[10.0; 12], 20.0), None);
        let falling: Vec<f64> = (0..12).map(|week| 30.0 - f64::from(week)).collect();
        assert_eq!(weeks_until(&falling, 40.0), None);
        assert_eq!(weeks_until(&[1.0, 2.0, 3.0, 4.0, 5.0], 6.0), None, "five weeks are no trend");
        assert_eq!(weeks_until(&[1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0], 7.0), None);
    }
}
