//! `[books]`: how days are closed, and who the operator is, for receipts and documents.
//!
//! `[etims]` stands in [`super::etims`].

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, optional_text, range};

/// Most characters of a name, a number, a telephone, an address: a line of a receipt, or a few.
const LINE_MAX: usize = 100;
const ADDRESS_MAX: usize = 200;

/// `[books]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Books {
    /// How long after its midnight a day is closed by itself, minutes: what is told late by then is still of that day if it was booked on
    /// it. Default 180, 0–1440.
    pub close_after_minutes: u32,
    /// The operator's name, as it is registered. Default: none, and receipts have `portal.brand`.
    #[serde(deserialize_with = "optional_text")]
    pub legal_name: Option<String>,
    /// The number by which the tax authority knows the operator, in Kenya the PIN. Default: none, and receipts show none.
    #[serde(deserialize_with = "optional_text")]
    pub tax_number: Option<String>,
    /// Where the operator is, as receipts show it. Default: none.
    #[serde(deserialize_with = "optional_text")]
    pub address: Option<String>,
    /// The telephone on receipts. Default: none, and receipts show none.
    #[serde(deserialize_with = "optional_text")]
    pub phone: Option<String>,
}

impl Default for Books {
    fn default() -> Books {
        Books { close_after_minutes: 180, legal_name: None, tax_number: None, address: None, phone: None }
    }
}

impl Books {
    /// How long after its midnight a day is closed by itself.
    pub fn close_after(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.close_after_minutes))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (name, value, most) in [
            ("legal_name", &self.legal_name, LINE_MAX),
            ("tax_number", &self.tax_number, LINE_MAX),
            ("address", &self.address, ADDRESS_MAX),
            ("phone", &self.phone, LINE_MAX),
        ] {
            let is_line = |text: &str| {
                !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
            };
            if value.as_deref().is_some_and(|text| !is_line(text)) {
                return Err(ConfigError::Range(format!("books.{name} must be one line of at most {most} characters")));
            }
        }
        range("books.close_after_minutes", u64::from(self.close_after_minutes), 0, 1440)
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::super::Config;
    use super::*;

    const REST: &str =
        "[database]\nwrite = \"postgres://h/d\"\n[redis]\nurl = \"redis://h\"\n[secrets]\nseal_key = \"5a5a\"\n";

    fn load(books: &str) -> Result<Books, ConfigError> {
        Config::from(Figment::from(Toml::string(&format!("{REST}[books]\n{books}")))).map(|config| config.books)
    }

    #[test]
    fn a_day_is_closed_before_the_next_one_is_over() {
        assert_eq!(load("").expect("valid").close_after(), Duration::from_secs(3 * 3600));
        assert!(load("close_after_minutes = 1440").is_ok());
        assert!(load("close_after_minutes = 1441").is_err());
    }

    #[test]
    fn what_is_not_said_is_not_on_receipts() {
        let books = load("").expect("valid");
        assert_eq!((books.legal_name, books.tax_number, books.address, books.phone), (None, None, None, None));
        let books = load("tax_number = \"P051234567A\"\nphone = 254700000000").expect("valid");
        assert_eq!(books.tax_number.as_deref(), Some("P051234567A"));
        assert_eq!(books.phone.as_deref(), Some("254700000000"));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let long = format!("address = \"{}\"", "x".repeat(ADDRESS_MAX + 1));
        for (lines, expected) in [
            ("legal_name = \"\"", "books.legal_name"),
            ("legal_name = \"a\\nb\"", "books.legal_name"),
            (long.as_str(), "books.address"),
            ("name = \"x\"", "name"),
        ] {
            let error = load(lines).expect_err(lines).to_string();
            assert!(error.contains(expected), "{lines}: {error}");
        }
    }
}
