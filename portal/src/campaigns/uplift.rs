//! What a message did: how many more of a hundred bought of those who were told than of those who were held out, and between which numbers that
//! lies in 95 of 100 such campaigns.
//!
//! The interval is Newcombe's for the difference of two shares (Statistics in Medicine 17, 1998, method 10): Wilson's for each of them, put
//! together. It holds for few people and for shares near nothing, where the usual one promises too much.

/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A difference of two shares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Uplift {
    pub(crate) difference: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Uplift {
    /// Of how many bought of how many people: the told, and the held out. `None`: there is nobody on one side.
    pub(crate) fn of(told: (u64, u64), held_out: (u64, u64)) -> Option<Uplift> {
        let (a, a_low, a_high) = wilson(told)?;
        let (b, b_low, b_high) = wilson(held_out)?;
        let difference = a - b;
        Some(Uplift {
            difference,
            low: difference - (a - a_low).hypot(b_high - b),
            high: difference + (a_high - a).hypot(b - b_low),
        })
    }

    /// Whether it could as well be nothing.
    pub(crate) fn is_too_few_to_tell(self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

/// A share, and Wilson's interval of it.
pub(crate) fn wilson((bought, people): (u64, u64)) -> Option<(f64, f64, f64)> {
    if people == 0 {
        return None;
    }
    let n = float(people);
    let share = float(bought.min(people)) / n;
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    Some((share, ((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)))
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_published_one() {
        for (told, held_out, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
        ] {
            let uplift = Uplift::of(told, held_out).expect("people on both sides");
            assert!((uplift.low - low).abs() < 1e-4 && (uplift.high - high).abs() < 1e-4, "{told:?}: {uplift:?}");
            assert_eq!(uplift.is_too_few_to_tell(), low <= 0.0);
        }
    }

    #[test]
    fn without_people_nothing_is_said() {
        assert_eq!(Uplift::of((0, 0), (1, 2)), None);
        assert_eq!(Uplift::of((1, 2), (0, 0)), None);
        assert_eq!(wilson((5, 2)).map(|(share, ..)| share), Some(1.0));
    }
}
