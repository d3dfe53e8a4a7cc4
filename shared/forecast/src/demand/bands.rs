//! How far from what is expected an hour may be, learnt from how far it was.
//!
//! ```text
//!  residual   (seen - said) / √(said + 1)       so that busy and quiet hours may be compared
//!  spread     its mean size at an hour, over all weeks of the trial and the two hours beside it
//!  edges      quantiles of residual / spread over all hours; each week is measured by the spread of the others
//! ```
//!
//! Edges are taken a little outside of what the bands promise ([`AIM_80`]), because the rules were chosen for the very weeks by which they are
//! measured; and they are the wider of those of all weeks and those of the last eight, so that the bands follow when a site becomes
//! less regular. A day that is like none before (the first Christmas) is outside, and should be: that is what alerts are for.

use super::weeks::{Row, Shape};
use crate::series::WEEK;

/// What shall lie inside, so that of the weeks to come 80 and 95 in a hundred do: found on weeks older than those that the goals are measured on.
const AIM_80: f64 = 0.82;
const AIM_95: f64 = 0.96;
/// Weeks for which the aims were found. With fewer, chance has more room, and less may lie outside.
const AIMED_WITH: f64 = 8.0;
/// The weeks that must be covered by themselves.
const LAST: usize = 8;
/// So many residuals of an hour count as much as all other hours together.
const SHRINK: f64 = 4.0;
/// A spread of nothing cannot be divided by.
const LEAST: f64 = 1e-9;
/// How much wider with each week after the first. Measured: the error of busy sites grows by 5 in a hundred at first, and that of series
/// that are said as last week by 30.
const WIDER_A_WEEK: f64 = 0.1;
/// Edges of a site that has no residuals yet, in spreads of one: the normal's, and half as wide again for a level that is a guess.
const GUESSED: [f64; 4] = [-2.94, -1.92, 1.92, 2.94];

/// Where the bands end, in order: 95 below, 80 below, 80 above, 95 above.
pub(crate) type Edges = [f64; 4];

/// What is needed to draw the bands around an hour.
pub(crate) struct Bands {
    spread: Shape,
    edges: Edges,
    /// Nothing is under it: what was never negative will not be.
    floor: f64,
}

impl Bands {
    /// Learnt from weeks, newest first, and what was said of each.
    pub(crate) fn learnt(weeks: &[Row], said: &[Shape]) -> Bands {
        let residuals: Vec<Row> = weeks.iter().zip(said).map(|(seen, said)| residuals(seen, said)).collect();
        let measured: Vec<Vec<f64>> = (0..residuals.len())
            .map(|week| {
                // The only week there is must measure itself.
                let spread = spread(&residuals, Some(week).filter(|_| residuals.len() > 1));
                residuals[week]
                    .iter()
                    .zip(spread)
                    .filter_map(|(value, spread)| value.map(|value| value / spread))
                    .collect()
            })
            .collect();
        let all = edges(&measured, residuals.len());
        let last = edges(&measured[..measured.len().min(LAST)], residuals.len());
        let edges = [all[0].min(last[0]), all[1].min(last[1]), all[2].max(last[2]), all[3].max(last[3])];
        Bands { spread: spread(&residuals, None), edges, floor: floor(weeks) }
    }

    /// A guess for a site with too few weeks: as chance alone would have it, or wider if what was seen says so.
    pub(crate) fn guessed(weeks: &[Row], said: &Shape) -> Bands {
        let residuals: Vec<Row> = weeks.iter().map(|seen| residuals(seen, said)).collect();
        let spread = spread(&residuals, None).iter().copied().fold(1.0, f64::max);
        Bands { spread: [spread; WEEK], edges: GUESSED, floor: floor(weeks) }
    }

    /// The ends of the bands around what is expected at an hour of the week, so many weeks after the first.
    pub(crate) fn around(&self, hour: usize, expected: f64, weeks_later: f64) -> Edges {
        let reach = self.spread[hour] * root(expected) * (1.0 + WIDER_A_WEEK * weeks_later);
        self.edges.map(|edge| (expected + edge * reach).max(self.floor))
    }
}

fn root(said: f64) -> f64 {
    (said.abs() + 1.0).sqrt()
}

fn residuals(seen: &Row, said: &Shape) -> Row {
    std::array::from_fn(|hour| seen[hour].map(|seen| (seen - said[hour]) / root(said[hour])))
}

fn floor(weeks: &[Row]) -> f64 {
    if weeks.iter().flatten().flatten().any(|value| *value < 0.0) { f64::NEG_INFINITY } else { 0.0 }
}

/// The mean size of residuals at each hour and the two beside it; of all weeks, or of all but one.
fn spread(residuals: &[Row], without: Option<usize>) -> Shape {
    let mut sums = [(0.0, 0.0); WEEK];
    for (_, week) in residuals.iter().enumerate().filter(|(at, _)| Some(*at) != without) {
        for (sum, value) in sums.iter_mut().zip(week) {
            if let Some(value) = value {
                *sum = (sum.0 + value.abs(), sum.1 + 1.0);
            }
        }
    }
    let all = sums.iter().fold((0.0, 0.0), |all, sum| (all.0 + sum.0, all.1 + sum.1));
    let usual = if all.1 > 0.0 { all.0 / all.1 } else { 0.0 };
    std::array::from_fn(|hour| {
        let near = [hour, (hour + 1) % WEEK, (hour + WEEK - 1) % WEEK].map(|near| sums[near]);
        let (sum, count) = near.iter().fold((SHRINK * usual, SHRINK), |all, sum| (all.0 + sum.0, all.1 + sum.1));
        (sum / count).max(LEAST)
    })
}

fn edges(measured: &[Vec<f64>], weeks: usize) -> Edges {
    let mut all: Vec<f64> = measured.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    // With w weeks, one of w + 1 may be unlike all others.
    let weeks = (0..weeks).map(|_| 1.0).sum::<f64>();
    let room = (weeks / (weeks + 1.0) * (AIMED_WITH + 1.0) / AIMED_WITH).min(1.0);
    let (outside_80, outside_95) = ((1.0 - AIM_80) * room, (1.0 - AIM_95) * room);
    [outside_95 / 2.0, outside_80 / 2.0, 1.0 - outside_80 / 2.0, 1.0 - outside_95 / 2.0].map(|at| quantile(&all, at))
}

/// Between the two values that stand around it.
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = (at * sorted.len() as f64 - 0.5).clamp(0.0, last as f64);
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_stand_between_values() {
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 1.0), 4.0);
    }

    #[test]
    fn a_noisy_hour_has_a_wide_band_and_a_calm_one_a_narrow_one() {
        let said = [[10.0; WEEK]; 8];
        let weeks: Vec<Row> = (0..8_u32)
            .map(|week| {
                let sign = if week % 2 == 0 { 1.0 } else { -1.0 };
                std::array::from_fn(|hour| Some(10.0 + sign * if hour < 84 { 6.0 } else { 0.5 }))
            })
            .collect();
        let bands = Bands::learnt(&weeks, &said);
        let (noisy, calm) = (bands.around(40, 10.0, 0.0), bands.around(120, 10.0, 0.0));
        assert!(noisy[2] >= 16.0 - 1.0 && noisy[1] <= 4.0 + 1.0, "{noisy:?}");
        assert!(calm[2] < 13.0 && calm[1] > 7.0, "{calm:?}");
        let later = bands.around(40, 10.0, 3.0);
        assert!(later[3] > noisy[3] && later[0] < noisy[0] && later[0] >= 0.0);
    }

    #[test]
    fn the_last_weeks_widen_the_bands() {
        let said = [[10.0; WEEK]; 16];
        let noise = |week: usize| if week < 8 { 8.0 } else { 1.0 };
        let weeks: Vec<Row> = (0..16)
            .map(|week| std::array::from_fn(|hour| Some(10.0 + noise(week) * if hour % 2 == 0 { 1.0 } else { -1.0 })))
            .collect();
        let edges = Bands::learnt(&weeks, &said).around(8, 10.0, 0.0);
        assert!(edges[1] <= 2.0 && edges[2] >= 18.0, "{edges:?}");
    }
}
