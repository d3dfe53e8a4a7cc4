//! How unlikely a count is: tails of the Poisson distribution.
//!
//! Poisson tails are the regularised incomplete gamma function (DLMF 8.2, 8.4.8), by its series below the mean and its continued fraction above
//! it (DLMF 8.7.1, 8.9.2); counts may be fractions, since an over-dispersed count is divided by its dispersion before it is looked at.
//!
//! Refused here: a mean that is no number, infinite or negative gives 1, which no rule takes for unlikely.

/// Terms after which a series is taken as it is; those of the counts here need hundreds at most.
const TERMS_MAX: usize = 100_000;
/// The share of the sum below which terms are left out.
const PRECISION: f64 = 1e-13;

/// The chance of a count of at most `count`, where `mean` is expected.
pub(super) fn at_most(count: f64, mean: f64) -> f64 {
    if !(mean.is_finite() && mean >= 0.0 && count >= 0.0) {
        return 1.0;
    }
    upper_gamma(count + 1.0, mean)
}

/// The chance of a count of at least `count`, where `mean` is expected.
pub(super) fn at_least(count: f64, mean: f64) -> f64 {
    if !(mean.is_finite() && mean >= 0.0 && count > 0.0) {
        return 1.0;
    }
    lower_gamma(count, mean)
}

/// The regularised lower incomplete gamma function P(a, x).
fn lower_gamma(a: f64, x: f64) -> f64 {
    if x < a + 1.0 { series(a, x) } else { 1.0 - fraction(a, x) }
}

/// Q(a, x) = 1 - P(a, x).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x < a + 1.0 { 1.0 - series(a, x) } else { fraction(a, x) }
}

fn series(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let mut term = 1.0 / a;
    let mut sum = term;
    let mut below = a;
    for _ in 0..TERMS_MAX {
        below += 1.0;
        term *= x / below;
        sum += term;
        if term < sum * PRECISION {
            break;
        }
    }
    (sum * (a * x.ln() - x - ln_gamma(a)).exp()).min(1.0)
}

/// Lentz's method.
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    let mut n = 0.0;
    for _ in 0..TERMS_MAX {
        n += 1.0;
        let an = -n * (n - a);
        b += 2.0;
        d = 1.0 / not_zero(an * d + b, TINY);
        c = not_zero(b + an / c, TINY);
        value *= d * c;
        if (d * c - 1.0).abs() < PRECISION {
            break;
        }
    }
    (value * (a * x.ln() - x - ln_gamma(a)).exp()).min(1.0)
}

fn not_zero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

/// The logarithm of the gamma function of a positive number: Stirling's series (DLMF 5.11.1) above 10, and its recurrence down to there.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let square = x * x;
    let correction = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / x;
    (x - 0.5) * x.ln() - x + std::f64::consts::TAU.ln() / 2.0 + correction - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= 1e-9 * expected.abs().max(1e-12)
    }

    #[test]
    fn the_logarithm_of_gamma_is_that_of_factorials() {
        let mut factorial = 1.0_f64;
        for n in 1..30 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-10, "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-11);
    }

    #[test]
    fn poisson_tails_are_sums_of_their_terms() {
        for mean in [0.5, 2.0, 7.5, 40.0_f64] {
            let mut term = (-mean).exp();
            let mut sum = 0.0;
            for count in 0..80 {
                let above = at_least(f64::from(count), mean);
                // Small tails count by their ratio; near 1 the sum from below is exact.
                assert!((above - (1.0 - sum)).abs() < 1e-12, "{mean} {count}");
                sum += term;
                assert!((at_most(f64::from(count), mean) - sum).abs() < 1e-12, "{mean} {count}");
                term *= mean / f64::from(count + 1);
            }
        }
        // P(X >= 6 | 0.5) and P(X = 0 | 30), where nothing may be lost to rounding.
        assert!(
            is_near(at_least(6.0, 0.5), 1.416_493_732e-5) || (at_least(6.0, 0.5) / 1.416_493_732e-5 - 1.0).abs() < 1e-6
        );
        assert!((at_most(0.0, 30.0) / (-30.0_f64).exp() - 1.0).abs() < 1e-9);
        assert_eq!((at_least(0.0, 3.0), at_least(3.0, 0.0), at_most(0.0, 0.0)), (1.0, 0.0, 1.0));
        assert_eq!((at_least(3.0, f64::NAN), at_most(3.0, -1.0)), (1.0, 1.0));
    }
}
