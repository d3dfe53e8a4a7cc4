//! `[books]`: how days are closed.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, range};

/// `[books]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Books {
    /// How long after its midnight a day is closed by itself, minutes: what is told late by then is still of that day if it was booked on
    /// it. Default 180, 0–1440.
    pub close_after_minutes: u32,
}

impl Default for Books {
    fn default() -> Books {
        Books { close_after_minutes: 180 }
    }
}

impl Books {
    /// How long after its midnight a day is closed by itself.
    pub fn close_after(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.close_after_minutes))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("books.close_after_minutes", u64::from(self.close_after_minutes), 0, 1440)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_closed_before_the_next_one_is_over() {
        assert!(Books::default().check().is_ok());
        assert_eq!(Books::default().close_after(), Duration::from_secs(3 * 3600));
        assert!(Books { close_after_minutes: 1440 }.check().is_ok());
        assert!(Books { close_after_minutes: 1441 }.check().is_err());
    }
}
