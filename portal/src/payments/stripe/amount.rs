//! Amounts as Stripe writes them. Ours are hundredths of every currency; Stripe's are the currency's own smallest unit,
//! with exceptions (<https://docs.stripe.com/currencies>).
//!
//! An amount that cannot be said exactly is not rounded: it is refused here, or not read.

use shared::money::Money;

/// The largest amount that Stripe takes: eight digits.
const LARGEST: i64 = 99_999_999;
/// Currencies without a smaller unit: 500 is five hundred yen.
const ZERO_DECIMAL: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Currencies that have lost their smaller unit but are still written with it: 500 is five Ugandan shillings. (Stripe's
/// list of currencies without decimals names the Ugandan shilling too; its special cases, which say this, are newer.)
const WHOLE_IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Currencies in thousandths, of which Stripe takes the last digit as zero only.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// What Stripe is told to charge or to give back; `None` if it cannot be that amount.
pub(super) fn told(amount: Money) -> Option<i64> {
    let (minor, currency) = (amount.minor, amount.currency.as_str());
    let whole = (minor % 100 == 0).then_some(minor / 100);
    let told = if ZERO_DECIMAL.contains(&currency) {
        whole?
    } else if WHOLE_IN_HUNDREDTHS.contains(&currency) {
        whole.map(|_| minor)?
    } else if THREE_DECIMAL.contains(&currency) {
        minor.checked_mul(10)?
    } else {
        minor
    };
    (1..=LARGEST).contains(&told).then_some(told)
}

/// What Stripe says that it has charged or given back; `currency` in its small letters.
pub(super) fn heard(amount: i64, currency: &str) -> Option<Money> {
    let currency: shared::money::Currency = currency.to_ascii_uppercase().parse().ok()?;
    let minor = if ZERO_DECIMAL.contains(&currency.as_str()) {
        amount.checked_mul(100)?
    } else if THREE_DECIMAL.contains(&currency.as_str()) {
        (amount % 10 == 0).then_some(amount / 10)?
    } else {
        amount
    };
    (minor >= 0).then_some(Money { minor, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, currency: &str) -> Money {
        Money { minor, currency: currency.parse().expect("a currency") }
    }

    #[test]
    fn each_kind_of_currency_is_written_in_its_own_way_and_read_back() {
        for (ours, currency, theirs) in [
            (7_000, "KES", 7_000),
            (7_050, "KES", 7_050),
            (150, "USD", 150),
            (50_000, "JPY", 500),
            (120_000, "RWF", 1_200),
            (500, "UGX", 500),
            (500, "ISK", 500),
            (150, "KWD", 1_500),
            (1_045, "HUF", 1_045),
            (99_999_999, "USD", 99_999_999),
        ] {
            assert_eq!(told(money(ours, currency)), Some(theirs), "{currency}");
            assert_eq!(heard(theirs, &currency.to_ascii_lowercase()), Some(money(ours, currency)), "{currency}");
        }
    }

    #[test]
    fn what_cannot_be_said_exactly_is_not_said() {
        for (ours, currency) in [
            (50_050, "JPY"),
            (50, "RWF"),
            (550, "UGX"),
            (0, "KES"),
            (-100, "KES"),
            (100_000_000, "USD"),
            (10_000_000, "KWD"),
            (i64::MAX, "KWD"),
        ] {
            assert_eq!(told(money(ours, currency)), None, "{ours} {currency}");
        }
        for (theirs, currency) in [(1_505, "kwd"), (i64::MAX, "jpy"), (-1, "kes"), (1, ""), (1, "shilling")] {
            assert_eq!(heard(theirs, currency), None, "{theirs} {currency}");
        }
    }
}
