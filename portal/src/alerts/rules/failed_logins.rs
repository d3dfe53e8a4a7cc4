//! Many more wrong passwords and codes at a site than usual: somebody tries out what others have, or the login page is broken.
//!
//! radiusd counts wrong guesses by router; what they come to within the window is compared with what is usual there, by the days that
//! are known. It raises from the threshold on if so many would come by chance in one of ten thousand windows (the tail of Poisson's
//! distribution), and ends below half the threshold. A fixed number alone would be silent at small sites or noisy at large ones.

use shared::alert::Rule;

use super::{Finding, at_site, counted, subject};
use crate::alerts::observe::Observed;

/// How seldom a window that raises an alert comes by chance.
const CHANCE: f64 = 1e-4;
/// Minutes of the days of which samples are kept.
const KNOWN_MINUTES: f64 = 8.0 * 24.0 * 60.0;
/// The least that counts as usual: where nothing ever happened, something may.
const LEAST_USUAL: f64 = 0.5;
/// From here on the distribution is as good as normal, and sums of its parts are not.
const MANY: f64 = 200.0;
/// Standard deviations above the mean beyond which a normal distribution has [`CHANCE`].
const FAR: f64 = 3.72;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    let guesses = observed.guesses.as_ref()?;
    let least = u64::from(rule.threshold);
    let finding = |site: &Option<store::alert::facts::Site>, lately: u64, before: u64| {
        let usual = before as f64 * f64::from(rule.window_minutes) / KNOWN_MINUTES;
        let raises = lately >= least && is_unusual(lately, usual);
        (raises || lately.saturating_mul(2) >= least).then(|| Finding {
            subject: subject(site.as_ref()),
            site: site.clone(),
            title: format!(
                "{}{} within {} minutes",
                counted(lately, "wrong password or code", "wrong passwords and codes"),
                at_site(site.as_ref()),
                rule.window_minutes
            ),
            lines: vec![format!("usual is {usual:.1}")],
            raises,
        })
    };
    Some(guesses.iter().filter_map(|(site, lately, before)| finding(site, *lately, *before)).collect())
}

/// Whether at least so many come by chance as seldom as [`CHANCE`], where so many are usual.
fn is_unusual(count: u64, usual: f64) -> bool {
    let usual = usual.max(LEAST_USUAL);
    let count = count as f64;
    if usual > MANY {
        return (count - 0.5 - usual) / usual.sqrt() > FAR;
    }
    if count <= usual {
        return false;
    }
    // P(X < count), a term after the other: exp(-usual) * usual^k / k!
    let (mut term, mut below, mut k) = ((-usual).exp(), 0.0, 0.0);
    while k < count && below < 1.0 - CHANCE / 2.0 {
        below += term;
        k += 1.0;
        term *= usual / k;
    }
    1.0 - below < CHANCE
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{place, quiet};

    #[test]
    fn a_burst_is_what_is_unusual_there() {
        let rule = Rule::of(Kind::FailedLogins);
        // Lately, and in 8 days, which are 768 windows.
        for (lately, before, expected) in [
            (19, 0, Some(false)),
            (9, 0, None),
            (20, 0, Some(true)),
            (20, 768, Some(true)),
            (20, 768 * 15, Some(false)),
            (40, 768 * 15, Some(true)),
            (500, 768 * 450, Some(false)),
            (540, 768 * 450, Some(true)),
        ] {
            let observed = Observed { guesses: Some(vec![(place(1), lately, before)]), ..quiet() };
            let findings = judge(&observed, &rule).expect("known");
            let raises = found(&findings).first().map(|(_, raises)| *raises);
            assert_eq!(raises, expected, "{lately} where {before}");
        }
    }

    #[test]
    fn the_tail_is_poissons() {
        // P(X >= 6 | 1) is 5.9e-4, 7: 8.3e-5; P(X >= 23 | 10) is 3.0e-4, 25: 4.7e-5.
        assert!(!is_unusual(6, 1.0) && is_unusual(7, 1.0));
        assert!(!is_unusual(23, 10.0) && is_unusual(25, 10.0));
        assert!(!is_unusual(0, 0.0) && !is_unusual(1, 0.0));
    }
}
