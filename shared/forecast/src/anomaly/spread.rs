//! How far hours usually lie from what was expected of them, so that what is unusual can be told from what is merely noisy.
//!
//! Counts spread more the higher they are; roots of counts spread alike: `2 (√observed - √expected)` has a spread of 1 where customers come
//! independently of each other ([`distance`]). They do not quite (weather, paydays, a bus that arrives), so the distances of a series are
//! measured in its own usual distance, by the hour of the day, robustly: by the median, of which a few outages change nothing.
//!
//! Refused here: a spread below that of independent customers, since no series of counts is calmer than that.

/// Hours of a day.
const DAY: usize = 24;
/// Distances of an hour of the day (with the hours beside it) below which a spread is not its own: two weeks.
const OWN_MIN: usize = 14 * 3;
/// Where nothing is known, the share by which an expectation is off, in most hours.
const UNKNOWN: f64 = 0.3;
/// From the median distance to the standard deviation of what is normally distributed.
const MEDIAN_TO_SPREAD: f64 = 1.4826;

/// How far a count lies from its expectation, in spreads of independent customers; below zero: too few came.
pub(super) fn distance(observed: f64, expected: f64) -> f64 {
    // With 3/8 small counts spread like large ones (Anscombe 1948).
    2.0 * ((observed.max(0.0) + 0.375).sqrt() - (expected.max(0.0) + 0.375).sqrt())
}

/// The usual distances of a series, by the hour of its day (counted from the first value).
pub(super) struct Spread([Option<f64>; DAY]);

impl Spread {
    /// From the distances of windows, each with the hour at which it ends.
    pub(super) fn of(distances: &[(usize, f64)]) -> Spread {
        let mut by_hour: [Vec<f64>; DAY] = std::array::from_fn(|_| Vec::new());
        for (hour, distance) in distances {
            // An hour has too few of its own, and its neighbours are like it.
            for near in [hour + DAY - 1, *hour, hour + 1] {
                by_hour[near % DAY].push(distance.abs());
            }
        }
        Spread(by_hour.map(|mut distances| {
            (distances.len() >= OWN_MIN).then(|| (MEDIAN_TO_SPREAD * median(&mut distances)).max(1.0))
        }))
    }

    /// The usual distance of a window that ends with this hour and of which so much is expected.
    pub(super) fn at(&self, hour: usize, expected: f64) -> f64 {
        self.0[hour % DAY].unwrap_or_else(|| (UNKNOWN * expected.max(0.0).sqrt()).max(1.0))
    }
}

/// The upper median; 0 for nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_spreads_of_independent_customers() {
        // The spread of 100 independent customers is 10.
        assert!((distance(110.0, 100.0) - 1.0).abs() < 0.05);
        assert!((distance(90.0, 100.0) + 1.0).abs() < 0.05);
        assert_eq!(distance(7.0, 7.0), 0.0);
    }

    #[test]
    fn a_few_outages_change_no_spread() {
        let calm: Vec<(usize, f64)> = (0..480).map(|at| (at, if at % 2 == 0 { 3.0 } else { -3.0 })).collect();
        let mut shaken = calm.clone();
        shaken.iter_mut().step_by(10).for_each(|(_, distance)| *distance = -40.0);
        assert!((Spread::of(&calm).at(5, 100.0) - 3.0 * MEDIAN_TO_SPREAD).abs() < 1e-9);
        assert!((Spread::of(&shaken).at(5, 100.0) - 3.0 * MEDIAN_TO_SPREAD).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_known_is_taken_to_be_noisy() {
        let unknown = Spread::of(&[(1, 0.0)]);
        assert_eq!((unknown.at(0, 400.0), unknown.at(0, 1.0)), (6.0, 1.0));
    }
}
