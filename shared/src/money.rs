//! Money as integer minor units with a currency. Never a float, never without its currency.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in minor units (cents) of one currency (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; KES 20.00 is 2000.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

/// A three-letter currency code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Not three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a currency: write three capital letters, such as KES")]
pub struct NotACurrency;

impl Currency {
    /// The Kenyan shilling.
    pub const KES: Currency = Currency(*b"KES");

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters, checked when made")
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;
    fn try_from(code: String) -> Result<Currency, NotACurrency> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl std::str::FromStr for Currency {
    type Err = NotACurrency;
    fn from_str(code: &str) -> Result<Currency, NotACurrency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if bytes.iter().all(u8::is_ascii_uppercase) { Ok(Currency(bytes)) } else { Err(NotACurrency) }
    }
}

impl Money {
    /// An amount in Kenyan shillings, from cents.
    pub fn kes(minor: i64) -> Money {
        Money { minor, currency: Currency::KES }
    }

    /// The amount in whole major units, if it has no cents: what M-Pesa can charge.
    pub fn whole_units(self) -> Option<i64> {
        (self.minor % 100 == 0).then_some(self.minor / 100)
    }
}

/// `KSh 20` or `KSh 20.50`; other currencies by their code.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let name = if self.currency == Currency::KES { "KSh" } else { self.currency.as_str() };
        let (units, cents) = (self.minor.unsigned_abs() / 100, self.minor.unsigned_abs() % 100);
        if cents == 0 { write!(f, "{sign}{name} {units}") } else { write!(f, "{sign}{name} {units}.{cents:02}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_print_as_people_write_them() {
        assert_eq!(Money::kes(2_000).to_string(), "KSh 20");
        assert_eq!(Money::kes(2_050).to_string(), "KSh 20.50");
        assert_eq!(Money::kes(-5).to_string(), "-KSh 0.05");
    }

    #[test]
    fn only_whole_shillings_can_be_charged() {
        assert_eq!(Money::kes(2_000).whole_units(), Some(20));
        assert_eq!(Money::kes(2_050).whole_units(), None);
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert!("KES".parse::<Currency>().is_ok());
        for code in ["kes", "KE", "KESH", "K1S"] {
            assert_eq!(code.parse::<Currency>(), Err(NotACurrency));
        }
    }
}
