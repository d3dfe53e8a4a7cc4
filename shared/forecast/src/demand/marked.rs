//! Days that somebody has marked in a calendar, as the end of the year: what they have of a usual day, as far as a year ago can tell.
//!
//! Only of days that are marked. To look for such days in the last year without being told was tried, and costs more over a year than it
//! brings at its end: a flood and a football cup are repeated then as if they were Christmas (decision 0024).
//!
//! Whoever marks a day takes it out of the history that is learnt from, says the week from the rest, and passes the hours of that day
//! through [`Hour::marked`].

use super::Hour;
use super::weeks::mean;

/// How much of what a year ago was unusual is believed, as a power of the share.
const BELIEVED: f64 = 0.85;
/// A share is not less than this: a day on which nothing was counted may have been one that nobody saw.
const LEAST: f64 = 0.02;
/// Bands of a marked day are so many times as wide: nobody has seen more than one of its kind.
const WIDER: f64 = 2.0;

/// The share that a day had, a year ago, of the same day in the usual weeks before it, drawn a little towards 1. The hours of that day and
/// those of up to some four days before; none where one or the other was not seen, or nothing was counted in the weeks before.
pub fn share_a_year_ago(day: &[Option<f64>], before: &[&[Option<f64>]]) -> Option<f64> {
    let mut usual: Vec<f64> = before.iter().filter_map(|day| mean(day.iter().flatten().copied())).collect();
    usual.sort_by(f64::total_cmp);
    let (low, high) = (usual.get(usual.len().saturating_sub(1) / 2)?, usual.get(usual.len() / 2)?);
    let usual = f64::midpoint(*low, *high);
    let had = mean(day.iter().flatten().copied())?;
    (usual > 0.0).then(|| (had / usual).max(LEAST).powf(BELIEVED))
}

impl Hour {
    /// The hour on a marked day that has this share of a usual one; 1 if nobody knows. "As last week" stays as it is.
    #[must_use]
    pub fn marked(self, share: f64) -> Hour {
        let expected = self.expected * share;
        // What was never negative will not be.
        let floor = if self.low95 >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        let edge = |edge: f64| (expected + WIDER * (edge * share - expected)).max(floor);
        Hour {
            expected,
            typical: self.typical * share,
            low80: edge(self.low80),
            high80: edge(self.high80),
            low95: edge(self.low95),
            high95: edge(self.high95),
            naive: self.naive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_share_that_it_had_a_year_ago() {
        let [four, eight, ten, forty] = [4.0, 8.0, 10.0, 40.0].map(|value| vec![Some(value); 24]);
        let unseen = vec![None; 24];
        let share = share_a_year_ago(&four, &[&eight, &forty, &ten, &eight]).expect("all were seen");
        assert!((share - (4.0_f64 / 9.0).powf(BELIEVED)).abs() < 1e-9, "against the middle of the weeks before");
        assert_eq!(share_a_year_ago(&eight, &[&eight, &unseen]), Some(1.0));
        assert_eq!(share_a_year_ago(&unseen, &[&eight]), None);
        assert_eq!(share_a_year_ago(&eight, &[]), None);
        assert_eq!(share_a_year_ago(&eight, &[&[Some(0.0)]]), None);
        assert!(share_a_year_ago(&[Some(0.0)], &[&eight]).is_some_and(|share| share > 0.0));
    }

    #[test]
    fn a_marked_hour_has_its_share_and_wide_bands() {
        let hour =
            Hour { expected: 10.0, typical: 9.0, low80: 6.0, high80: 14.0, low95: 2.0, high95: 20.0, naive: 11.0 };
        let half = hour.marked(0.5);
        assert_eq!((half.expected, half.typical, half.naive), (5.0, 4.5, 11.0));
        assert_eq!((half.low80, half.high80, half.low95, half.high95), (1.0, 9.0, 0.0, 15.0));
        let refunded = Hour { low95: -1.0, ..hour }.marked(1.0);
        assert_eq!((refunded.low95, refunded.expected), (-12.0, 10.0));
    }
}
