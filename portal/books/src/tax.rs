//! What of a price is value added tax. Prices hold the tax; it is rounded once, half up, and what is left is the net: so the two always
//! make the price.

/// A rate in hundredths of a percent: 1600 is 16 %.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate(u16);

/// Not a rate: below zero or above a hundred percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a rate lies between 0 and 100 percent")]
pub struct NotARate;

impl Rate {
    /// None at all.
    pub const ZERO: Rate = Rate(0);

    /// From hundredths of a percent.
    ///
    /// # Errors
    /// Above a hundred percent.
    pub fn from_basis_points(points: i32) -> Result<Rate, NotARate> {
        u16::try_from(points).ok().filter(|points| *points <= 10_000).map(Rate).ok_or(NotARate)
    }

    /// In hundredths of a percent.
    pub fn basis_points(self) -> u16 {
        self.0
    }

    /// The tax that a gross amount holds, in its minor units; of what goes back (below zero) as much as of what came.
    pub fn of_gross(self, gross: i64) -> i64 {
        let (rate, amount) = (i128::from(self.0), i128::from(gross.unsigned_abs()));
        let whole = 10_000 + rate;
        // Half up, without fractions: twice the numerator and the denominator added, over twice the denominator.
        let tax = (2 * amount * rate + whole) / (2 * whole);
        let tax = i64::try_from(tax).unwrap_or(i64::MAX);
        if gross < 0 { -tax } else { tax }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vat() -> Rate {
        Rate::from_basis_points(1600).unwrap()
    }

    #[test]
    fn the_tax_in_a_price_is_rounded_half_up_once() {
        // 16/116 of each; the last two lie on either side of a half.
        for (gross, tax) in
            [(11_600, 1600), (5000, 690), (2000, 276), (1000, 138), (29, 4), (0, 0), (-5000, -690), (3, 0), (4, 1)]
        {
            assert_eq!(vat().of_gross(gross), tax, "of {gross}");
        }
        assert_eq!(Rate::ZERO.of_gross(5000), 0);
        assert_eq!(Rate::from_basis_points(800).unwrap().of_gross(10_800), 800);
    }

    #[test]
    fn a_thousand_sales_are_rounded_a_thousand_times_and_a_line_of_them_once() {
        // As docs/finance.md tells accountants, who see both.
        assert_eq!((1000 * vat().of_gross(2000), vat().of_gross(1000 * 2000)), (276_000, 275_862));
        for gross in 1..3000 {
            let apart = 1000 * vat().of_gross(gross) - vat().of_gross(1000 * gross);
            assert!(apart.abs() <= 500, "half a cent a sale at most: {gross}");
        }
        // Sold at 16 % and given back at 18 %.
        let later = Rate::from_basis_points(1800).unwrap();
        assert_eq!((vat().of_gross(116_000), later.of_gross(116_000)), (16_000, 17_695));
    }

    #[test]
    fn a_rate_is_a_part_of_a_whole() {
        assert!(Rate::from_basis_points(-1).is_err());
        assert!(Rate::from_basis_points(10_001).is_err());
        assert_eq!(vat().basis_points(), 1600);
    }
}
