//! `[retention]`: how long what tells something about people is kept, by table; and `[privacy]`: what the page `/privacy` says.
//!
//! Money is not among it. Orders, payments and the ledger, and the audit log, are deleted by nothing, since the law asks for books
//! to be kept for years (in Kenya seven is what to reckon with); a person's part of them is taken out when that person is erased.
//! How long the history of sessions is kept as a whole is `accounting.keep_months`.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, range};

/// The longest time in days: ten years.
const DAYS_MAX: u64 = 3650;

/// `[retention]`. A 0 keeps for ever.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// At which hour of the night, in East African time. Default 3, 0–23.
    pub at_hour: u8,
    /// Days after which a provider's report that was worked on loses its words: body, headers and source. What it was found to
    /// be stays. Default 180; 0, 30–3650.
    pub payment_reports_days: u32,
    /// Days after which an order loses its device's address and the visit that led to it. Default 400; 0, 30–3650. With less than
    /// a year, returning devices are offered their last package for a shorter time.
    pub visits_days: u32,
    /// Months after which ended sessions lose device, address and login name, also in months that were archived. Default 13;
    /// 0, 2–1200.
    pub session_people_months: u32,
    /// Days after which messages that were sent, or never will be, are deleted. Default 180; 0, 30–3650.
    pub messages_days: u32,
    /// Days after which the security log forgets. Default 365; 0, 30–3650.
    pub security_days: u32,
    /// Days after which commands to routers that are over are deleted. Default 90; 0, 7–3650.
    pub commands_days: u32,
    /// Months after which the sums by the hour, the day and the month that reports and predictions read are deleted. Default 36; 0,
    /// 14–1200. What was sold, used and booked in an hour is kept for ever.
    pub facts_months: u32,
    /// Months after which customers of whom nothing was heard are erased, as if they had asked for it. Default 0; 0, 12–1200.
    pub customers_months: u32,
}

/// `[privacy]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Who is responsible for the data, with an address: `Café Market, P.O. Box 1, Nairobi`. Default: `portal.brand`.
    pub responsible: String,
    /// Whom to ask: a number or an address. Default: `portal.support_phone`.
    pub contact: String,
    /// More in English, plain text; an empty line begins a paragraph. At most 16 KiB. Only the portal opens the file.
    pub english_file: Option<PathBuf>,
    /// The same in Swahili.
    pub swahili_file: Option<PathBuf>,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            at_hour: 3,
            payment_reports_days: 180,
            visits_days: 400,
            session_people_months: 13,
            messages_days: 180,
            security_days: 365,
            commands_days: 90,
            facts_months: 36,
            customers_months: 0,
        }
    }
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("retention.at_hour", u64::from(self.at_hour), 0, 23)?;
        let days = [
            ("retention.payment_reports_days", self.payment_reports_days, 30, DAYS_MAX),
            ("retention.visits_days", self.visits_days, 30, DAYS_MAX),
            ("retention.session_people_months", self.session_people_months, 2, 1200),
            ("retention.messages_days", self.messages_days, 30, DAYS_MAX),
            ("retention.security_days", self.security_days, 30, DAYS_MAX),
            ("retention.commands_days", self.commands_days, 7, DAYS_MAX),
            ("retention.facts_months", self.facts_months, 14, 1200),
            ("retention.customers_months", self.customers_months, 12, 1200),
        ];
        let mut set = days.into_iter().filter(|(_, value, ..)| *value > 0);
        set.try_for_each(|(name, value, min, max)| range(name, u64::from(value), min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_keeps_for_ever_and_little_is_refused() {
        assert!(Retention::default().check().is_ok());
        let for_ever = Retention {
            at_hour: 0,
            payment_reports_days: 0,
            visits_days: 0,
            session_people_months: 0,
            messages_days: 0,
            security_days: 0,
            commands_days: 0,
            facts_months: 0,
            customers_months: 0,
        };
        assert!(for_ever.check().is_ok());
        for wrong in [
            Retention { at_hour: 24, ..Retention::default() },
            Retention { payment_reports_days: 7, ..Retention::default() },
            Retention { session_people_months: 1, ..Retention::default() },
            Retention { customers_months: 6, ..Retention::default() },
            Retention { facts_months: 6, ..Retention::default() },
            Retention { security_days: 4000, ..Retention::default() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
