//! How good a prediction was, and how good saying "as last time" would have been.
//!
//! A series is judged in its own currency: [`scale`] is what "as last week" was wrong by in the weeks before, and [`mase`] is how many of
//! those a forecast was wrong by. Below 1 it did better than that habit did in the past; whether it did better in the same week is told by
//! scoring the habit beside it, which every caller does. [`wape`] is the error as a share of what there was, [`covered`] the share of hours
//! that fell into a band. A chance is judged by [`auc`] (does it put buyers before others?), [`brier`] (how far from what happened?)
//! and [`tenths`] (do those of whom "30 %" was said buy in 30 of 100 cases?).
//!
//! Refused here: an answer where there is nothing to judge. That is `None`, and never 0 or 1.

use crate::series::{Series, WEEK};

/// What the scale looks at: the weeks at the end of a history.
const SCALE_WEEKS: usize = 8;
/// Hours that were seen a week before as well, below which a scale means nothing: a day.
const SCALE_HOURS_MIN: u32 = 24;

/// By how much "as in the same hour last week" was wrong, on average, in the last 8 weeks of a history: what [`mase`] divides by.
/// `None` for a history of less than a week and a day, and where that habit was never wrong.
pub fn scale(history: &Series) -> Option<f64> {
    let values = &history.values;
    let from = values.len().saturating_sub(SCALE_WEEKS * WEEK).max(WEEK);
    let pairs = values.iter().skip(from).zip(values.iter().skip(from - WEEK));
    let (sum, hours) = absolute_errors(pairs.filter_map(|(now, before)| Some(((*now)?, (*before)?))));
    (hours >= SCALE_HOURS_MIN && sum > 0.0).then(|| sum / f64::from(hours))
}

/// The mean absolute error in units of `scale`; `None` where nothing was seen.
pub fn mase(actual: &[Option<f64>], said: &[f64], scale: f64) -> Option<f64> {
    let (sum, hours) = absolute_errors(seen(actual, said));
    (hours > 0 && scale > 0.0).then(|| sum / f64::from(hours) / scale)
}

/// The absolute errors together, as a share of what there was; `None` where there was nothing.
pub fn wape(actual: &[Option<f64>], said: &[f64]) -> Option<f64> {
    let (sum, _) = absolute_errors(seen(actual, said));
    let there_was: f64 = seen(actual, said).map(|(actual, _)| actual.abs()).sum();
    (there_was > 0.0).then(|| sum / there_was)
}

/// The share of hours within a band, its ends included; `None` where nothing was seen.
pub fn covered(actual: &[Option<f64>], low: &[f64], high: &[f64]) -> Option<f64> {
    let (mut inside, mut hours) = (0_u32, 0_u32);
    for ((actual, low), high) in actual.iter().zip(low).zip(high) {
        let Some(actual) = actual else { continue };
        hours += 1;
        inside += u32::from((*low..=*high).contains(actual));
    }
    (hours > 0).then(|| f64::from(inside) / f64::from(hours))
}

/// The chance that somebody who did it was given a higher one than somebody who did not; equal ones count half. One half is guessing, 1 is
/// perfect. `None` unless there are both.
pub fn auc(said: &[(f64, bool)]) -> Option<f64> {
    let (mut below, mut pairs, mut did_all) = (0.0, 0.0, 0.0);
    for tied in ties(&sorted(said)) {
        let did = to_float(tied.iter().filter(|(_, did)| *did).count());
        let did_not = to_float(tied.len()) - did;
        pairs += did * (below + did_not / 2.0);
        below += did_not;
        did_all += did;
    }
    (did_all > 0.0 && below > 0.0).then(|| pairs / (did_all * below))
}

/// The mean squared distance between a chance and what happened (1 or 0); `None` for nobody.
pub fn brier(said: &[(f64, bool)]) -> Option<f64> {
    let sum: f64 = said.iter().map(|(chance, did)| (chance - f64::from(u8::from(*did))).powi(2)).sum();
    (!said.is_empty()).then(|| sum / to_float(said.len()))
}

/// A tenth of the people.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tenth {
    /// The chance that was said, on average.
    pub said: f64,
    /// The share that did it.
    pub did: f64,
    /// How many they are.
    pub people: u64,
}

/// The people in tenths of equal size, those with the lowest chance first: what was said of them, and what they did. Of fewer than ten
/// people some tenths are empty.
pub fn tenths(said: &[(f64, bool)]) -> [Tenth; 10] {
    let sorted = sorted(said);
    // Where a tenth ends among people of whom the same was said, nobody knows who belongs where: each counts as their average did.
    let did: Vec<f64> = ties(&sorted)
        .flat_map(|tied| {
            let did = to_float(tied.iter().filter(|(_, did)| *did).count()) / to_float(tied.len());
            std::iter::repeat_n(did, tied.len())
        })
        .collect();
    std::array::from_fn(|tenth| {
        let range = tenth * sorted.len() / 10..(tenth + 1) * sorted.len() / 10;
        let people = range.len();
        if people == 0 {
            return Tenth::default();
        }
        let said: f64 = sorted[range.clone()].iter().map(|(chance, _)| chance).sum();
        let did: f64 = did[range].iter().sum();
        Tenth { said: said / to_float(people), did: did / to_float(people), people: u64::try_from(people).unwrap_or(0) }
    })
}

/// What was seen, with what was said of it.
fn seen<'a>(actual: &'a [Option<f64>], said: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    actual.iter().zip(said).filter_map(|(actual, said)| Some(((*actual)?, *said)))
}

fn absolute_errors(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, u32) {
    pairs.fold((0.0, 0), |(sum, hours), (actual, said)| (sum + (actual - said).abs(), hours + 1))
}

fn sorted(said: &[(f64, bool)]) -> Vec<(f64, bool)> {
    let mut sorted = said.to_vec();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    sorted
}

/// The groups of those of whom the same was said.
fn ties(sorted: &[(f64, bool)]) -> impl Iterator<Item = &[(f64, bool)]> {
    sorted.chunk_by(|a, b| a.0 == b.0)
}

/// A count as a float. Exact below 2^53, and there are not so many hours or people.
pub(crate) fn to_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(weeks: usize, value: impl Fn(usize) -> Option<f64>) -> Series {
        Series { begins: 0, values: (0..weeks * WEEK).map(value).collect() }
    }

    #[test]
    fn the_scale_is_what_last_week_was_wrong_by() {
        // Each week is 3 above the one before.
        let rising = history(10, |at| Some(3.0 * to_float(at / WEEK)));
        assert_eq!(scale(&rising), Some(3.0));
        // What lies more than eight weeks back does not count.
        let calm_lately =
            history(20, |at| Some(if at < 8 * WEEK { to_float(at / WEEK) * 50.0 } else { to_float(at / WEEK) }));
        assert_eq!(scale(&calm_lately), Some(1.0));
        // Hours that nobody saw are left out, on both sides.
        let holes = history(3, |at| (at % 7 != 0).then(|| 3.0 * to_float(at / WEEK)));
        assert_eq!(scale(&holes), Some(3.0));
    }

    #[test]
    fn a_history_that_says_nothing_has_no_scale() {
        assert_eq!(scale(&history(1, |_| Some(1.0))), None);
        assert_eq!(scale(&history(0, |_| Some(1.0))), None);
        assert_eq!(scale(&history(4, |_| Some(1.0))), None, "never wrong");
        assert_eq!(scale(&history(4, |_| None)), None);
    }

    #[test]
    fn errors_count_where_something_was_seen() {
        let actual = [Some(10.0), None, Some(20.0), Some(0.0)];
        let said = [12.0, 99.0, 17.0, 1.0];
        assert_eq!(mase(&actual, &said, 2.0), Some(1.0));
        assert_eq!(wape(&actual, &said), Some(0.2));
        assert_eq!(covered(&actual, &[10.0, 0.0, 18.0, 0.0], &[11.0, 0.0, 19.0, 0.0]), Some(2.0 / 3.0));
        assert_eq!(mase(&actual, &said, 0.0), None);
        assert_eq!(mase(&[None], &[1.0], 1.0), None);
        assert_eq!(wape(&[Some(0.0)], &[1.0]), None);
        assert_eq!(covered(&[None], &[0.0], &[1.0]), None);
    }

    #[test]
    fn auc_counts_pairs_in_the_right_order() {
        assert_eq!(auc(&[(0.9, true), (0.8, true), (0.2, false)]), Some(1.0));
        assert_eq!(auc(&[(0.9, false), (0.2, true)]), Some(0.0));
        assert_eq!(auc(&[(0.5, true), (0.5, false), (0.5, false)]), Some(0.5));
        // Pairs: 0.7 > 0.6, 0.7 > 0.1, 0.3 < 0.6, 0.3 > 0.1.
        assert_eq!(auc(&[(0.7, true), (0.3, true), (0.6, false), (0.1, false)]), Some(0.75));
        assert_eq!(auc(&[(0.5, true)]), None);
        assert_eq!(auc(&[]), None);
    }

    #[test]
    fn brier_is_the_squared_distance() {
        assert_eq!(brier(&[(1.0, true), (0.5, false)]), Some(0.125));
        assert_eq!(brier(&[]), None);
    }

    #[test]
    fn tenths_are_equal_and_in_order() {
        // A chance of n/100 for the n-th, and whoever has 50 or more does it.
        let said: Vec<(f64, bool)> = (0..100).rev().map(|n| (f64::from(n) / 100.0, n >= 50)).collect();
        let tenths = tenths(&said);
        assert!(tenths.iter().all(|tenth| tenth.people == 10));
        assert!((tenths[0].said - 0.045).abs() < 1e-9 && (tenths[9].said - 0.945).abs() < 1e-9);
        assert_eq!(tenths.map(|tenth| tenth.did), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn people_of_whom_the_same_was_said_are_not_told_apart() {
        // In the order in which they come, the first half would be perfect and the second hopeless.
        let said: Vec<(f64, bool)> = (0..100).map(|n| (0.3, n < 30)).collect();
        for tenth in tenths(&said) {
            assert!((tenth.did - 0.3).abs() < 1e-9 && (tenth.said - 0.3).abs() < 1e-9);
        }
    }

    #[test]
    fn few_people_leave_tenths_empty() {
        let tenths = tenths(&[(0.1, false), (0.2, true), (0.3, true)]);
        assert_eq!(tenths.iter().map(|tenth| tenth.people).sum::<u64>(), 3);
        assert!(tenths.iter().all(|tenth| tenth.people <= 1));
    }
}
