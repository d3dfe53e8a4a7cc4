//! Logistic regression: the weights with which features make a chance, found by Newton's method (iteratively re-weighted least squares).
//!
//! Features are standardised first, so that the small ridge means the same to each of them; the standardisation is then folded into the
//! weights, which take features as they are: `chance = 1 / (1 + exp(-(weights[0] + Σ weights[n + 1] · features[n])))`. The ridge keeps the
//! weights finite where a feature tells buyers and others apart without exception, a column that never changes gets weight 0, and a step
//! that would make things worse is halved: it always ends, after [`STEPS_MAX`] steps at the latest.
//!
//! Refused here: learning from too few cases, or from cases that all ended alike.

/// Cases below which nothing is learnt, and of each outcome.
const CASES_MIN: usize = 50;
const OUTCOMES_MIN: usize = 5;
/// Cases above which more of them make no difference that anybody could see; then every second, third … is taken.
const CASES_MAX: usize = 400_000;
/// How strongly weights (of standardised features) are pulled towards zero: as if by one case each.
const RIDGE: f64 = 1.0;
/// Newton needs six to eight.
const STEPS_MAX: usize = 50;
/// Halvings of one step.
const HALVINGS_MAX: usize = 20;
/// The gain, as a share of the loss, below which it is done.
const GAIN_MIN: f64 = 1e-9;
/// A column that spreads less than this is a constant.
const SPREAD_MIN: f64 = 1e-9;

/// The weights, the constant first; `None` if there is too little to learn from or a feature is not a number.
pub(super) fn fit<const N: usize>(cases: &[([f64; N], bool)]) -> Option<Vec<f64>> {
    let every = cases.len().div_ceil(CASES_MAX).max(1);
    let taken = || cases.iter().step_by(every);
    let (count, did) = (taken().count(), taken().filter(|(_, did)| *did).count());
    if count < CASES_MIN || did < OUTCOMES_MIN || count - did < OUTCOMES_MIN {
        return None;
    }
    let scaling = Scaling::of(taken().map(|(features, _)| features))?;
    let rows: Vec<(Vec<f64>, f64)> =
        taken().map(|(features, did)| (scaling.row(features), f64::from(u8::from(*did)))).collect();
    let mut weights = vec![0.0; N + 1];
    // The constant alone already says how many do it.
    weights[0] = (crate::score::to_float(did) / super::to_float(count - did)).ln();
    let mut loss = loss_of(&rows, &weights);
    for _ in 0..STEPS_MAX {
        let step = newton(&rows, &weights)?;
        let Some((better, lower)) = shortened(&rows, &weights, &step, loss) else { break };
        let gain = loss - lower;
        (weights, loss) = (better, lower);
        if gain < GAIN_MIN * loss {
            break;
        }
    }
    let folded = scaling.fold(&weights);
    folded.iter().all(|weight| weight.is_finite()).then_some(folded)
}

/// The chance that a sum of weighted features stands for.
pub(super) fn chance(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// Mean and spread of each column.
struct Scaling<const N: usize> {
    means: [f64; N],
    /// Zero for a constant.
    factors: [f64; N],
}

impl<const N: usize> Scaling<N> {
    fn of<'a>(rows: impl Iterator<Item = &'a [f64; N]> + Clone) -> Option<Scaling<N>> {
        let count = crate::score::to_float(rows.clone().count());
        let mut means = [0.0; N];
        for row in rows.clone() {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / count);
        }
        let mut spreads = [0.0; N];
        for row in rows {
            for ((spread, value), mean) in spreads.iter_mut().zip(row).zip(&means) {
                *spread += (value - mean).powi(2) / count;
            }
        }
        let factors = spreads.map(|spread| if spread.sqrt() > SPREAD_MIN { 1.0 / spread.sqrt() } else { 0.0 });
        let is_fine = means.iter().chain(&spreads).all(|number| number.is_finite());
        is_fine.then_some(Scaling { means, factors })
    }

    /// A row of the equations: 1 for the constant, then the standardised features.
    fn row(&self, features: &[f64; N]) -> Vec<f64> {
        let standard = features.iter().zip(&self.means).zip(&self.factors);
        std::iter::once(1.0).chain(standard.map(|((value, mean), factor)| (value - mean) * factor)).collect()
    }

    /// Weights that take features as they are.
    fn fold(&self, weights: &[f64]) -> Vec<f64> {
        let plain: Vec<f64> = weights[1..].iter().zip(&self.factors).map(|(weight, factor)| weight * factor).collect();
        let constant = weights[0] - plain.iter().zip(&self.means).map(|(weight, mean)| weight * mean).sum::<f64>();
        std::iter::once(constant).chain(plain).collect()
    }
}

/// How badly weights fit, the ridge included.
fn loss_of(rows: &[(Vec<f64>, f64)], weights: &[f64]) -> f64 {
    let ridge: f64 = weights[1..].iter().map(|weight| weight * weight).sum::<f64>() * RIDGE / 2.0;
    // log(1 + e^x) without overflow.
    let softened = |sum: f64| sum.max(0.0) + (-sum.abs()).exp().ln_1p();
    ridge
        + rows
            .iter()
            .map(|(row, did)| (dot(row, weights), did))
            .map(|(sum, did)| softened(sum) - did * sum)
            .sum::<f64>()
}

/// The step of Newton's method; `None` if its equations cannot be solved, which the ridge prevents.
fn newton(rows: &[(Vec<f64>, f64)], weights: &[f64]) -> Option<Vec<f64>> {
    let size = weights.len();
    let mut slope: Vec<f64> = weights.iter().map(|weight| -RIDGE * weight).collect();
    let mut bend = vec![vec![0.0; size]; size];
    for (at, line) in bend.iter_mut().enumerate() {
        line[at] = RIDGE;
    }
    // The constant is free of the ridge; the little that is left keeps the equations solvable where all chances are 0 or 1.
    (slope[0], bend[0][0]) = (0.0, 1e-9);
    for (row, did) in rows {
        let chance = chance(dot(row, weights));
        let weight = chance * (1.0 - chance);
        for (at, value) in row.iter().enumerate() {
            slope[at] += (did - chance) * value;
            for (cell, other) in bend[at][..=at].iter_mut().zip(row) {
                *cell += weight * value * other;
            }
        }
    }
    solve(&mut bend, &slope)
}

/// The step, or the longest of its halves, quarters … that makes the fit better; `None` where none does.
fn shortened(rows: &[(Vec<f64>, f64)], weights: &[f64], step: &[f64], loss: f64) -> Option<(Vec<f64>, f64)> {
    let mut share = 1.0;
    for _ in 0..HALVINGS_MAX {
        let tried: Vec<f64> = weights.iter().zip(step).map(|(weight, step)| weight + share * step).collect();
        let lower = loss_of(rows, &tried);
        if lower < loss {
            return Some((tried, lower));
        }
        share /= 2.0;
    }
    None
}

/// Solves a symmetric positive system by Cholesky's method; of `matrix` the lower half is read, and overwritten.
fn solve(matrix: &mut [Vec<f64>], right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    let mut solved = right.to_vec();
    for row in 0..size {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| matrix[row][k] * matrix[column][k]).sum();
            let rest = matrix[row][column] - known;
            matrix[row][column] = if row > column {
                rest / matrix[column][column]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
        let known: f64 = (0..row).map(|k| matrix[row][k] * solved[k]).sum();
        solved[row] = (solved[row] - known) / matrix[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| matrix[k][row] * solved[k]).sum();
        solved[row] = (solved[row] - known) / matrix[row][row];
    }
    Some(solved)
}

fn dot(row: &[f64], weights: &[f64]) -> f64 {
    row.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<const N: usize>(weights: &[f64], features: [f64; N]) -> f64 {
        chance(weights[0] + dot(&features, &weights[1..]))
    }

    #[test]
    fn it_finds_the_weights_that_made_the_cases() {
        // Of 100 people with the same feature as many do it as these weights say, so there is an exact answer.
        let (constant, slope) = (-1.0, 0.8);
        let mut cases = Vec::new();
        for value in -3..=3 {
            let share = chance(constant + slope * f64::from(value)) * 2000.0;
            cases.extend((0..2000).map(|n| ([f64::from(value)], f64::from(n) + 0.5 < share)));
        }
        let weights = fit(&cases).expect("enough cases");
        assert!((weights[0] - constant).abs() < 0.01 && (weights[1] - slope).abs() < 0.01, "{weights:?}");
    }

    #[test]
    fn what_can_be_told_apart_without_exception_keeps_weights_finite() {
        let cases: Vec<([f64; 2], bool)> = (0..400).map(|n| ([f64::from(n) * 1e6, 7.0], n >= 200)).collect();
        let weights = fit(&cases).expect("enough cases");
        assert!(weights.iter().all(|weight| weight.is_finite()));
        assert!(said(&weights, [0.0, 7.0]) < 0.05 && said(&weights, [399e6, 7.0]) > 0.95, "{weights:?}");
    }

    #[test]
    fn a_column_that_never_changes_weighs_nothing() {
        let cases: Vec<([f64; 2], bool)> = (0..400).map(|n| ([f64::from(n % 10), 3.0], n % 10 + n % 3 > 6)).collect();
        let weights = fit(&cases).expect("enough cases");
        assert_eq!(weights[2], 0.0);
        let alone: Vec<([f64; 1], bool)> = cases.iter().map(|(features, did)| ([features[0]], *did)).collect();
        let expected = fit(&alone).expect("enough cases");
        assert!((weights[0] - expected[0]).abs() < 1e-6 && (weights[1] - expected[1]).abs() < 1e-6);
    }

    #[test]
    fn the_same_column_twice_shares_the_weight() {
        let cases: Vec<([f64; 2], bool)> =
            (0..400).map(|n| ([f64::from(n % 10), f64::from(n % 10)], n % 10 + n % 3 > 6)).collect();
        let weights = fit(&cases).expect("enough cases");
        assert!((weights[1] - weights[2]).abs() < 1e-6 && weights[1] > 0.0);
    }

    #[test]
    fn too_little_teaches_nothing() {
        let alike: Vec<([f64; 1], bool)> = (0..400).map(|n| ([f64::from(n)], false)).collect();
        assert_eq!(fit(&alike), None);
        let few: Vec<([f64; 1], bool)> = (0..40).map(|n| ([f64::from(n)], n % 2 == 0)).collect();
        assert_eq!(fit(&few), None);
        let senseless: Vec<([f64; 1], bool)> = (0..400).map(|n| ([f64::NAN], n % 2 == 0)).collect();
        assert_eq!(fit(&senseless), None);
    }
}
