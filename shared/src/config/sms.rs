//! `[sms]`: who carries our text messages, who is asked first, and what a day may cost.
//!
//! A provider is set up by its own section, `[sms.africastalking]` or `[sms.twilio]`; with both, one takes over where
//! the other cannot. What is checked here is the shape: whether a provider accepts a key or a sender shows only when a
//! message is sent.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{ConfigError, Secret, fetch, optional_text, range, text};
use crate::money::Money;

/// Most letters of a sender that is a name: what a network shows.
const SENDER_NAME_MAX: usize = 11;
/// Octets of Twilio's identifiers: two letters that tell the kind, and 32 hexadecimal digits.
const SID_LENGTH: usize = 34;

/// `[sms]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    /// Who is asked, in this order. One that has a section and is not named is not asked. Default: those that have a
    /// section, Africa's Talking before Twilio.
    #[serde(default)]
    pub providers: Vec<SmsProvider>,
    /// Africa's Talking; without the section it is not asked.
    pub africastalking: Option<AfricasTalking>,
    /// Twilio; without the section it is not asked.
    pub twilio: Option<Twilio>,
    /// Longest wait for one answer of a provider, milliseconds. Default 10000, 100–60000.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Most that the messages of a day may cost together, in cents of a Kenyan shilling. Default: no limit; else
    /// 1–1000000000. A message whose price the provider does not tell at once counts for nothing.
    pub cost_limit_per_day: Option<u32>,
    /// When news that can wait does, such as `21:00-07:00` in East African time. Default: never.
    pub quiet_hours: Option<QuietHours>,
}

/// A part of the day, by minutes from midnight on; it may go over midnight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct QuietHours {
    from: u16,
    to: u16,
}

impl QuietHours {
    /// How many minutes it lasts from this minute of the day on; `None`: it is not that part.
    pub fn lasts(self, minute: u16) -> Option<u16> {
        let inside = match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        };
        inside.then(|| (self.to + 1440 - minute) % 1440)
    }
}

impl TryFrom<String> for QuietHours {
    type Error = String;

    fn try_from(text: String) -> Result<QuietHours, String> {
        let minute = |text: &str| {
            let (hours, minutes) = text.trim().split_once(':')?;
            let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let read = text.split_once('-').and_then(|(from, to)| minute(from).zip(minute(to)));
        match read {
            Some((from, to)) if from != to => Ok(QuietHours { from, to }),
            _ => Err(format!("\"{text}\" is no part of a day: write it like 21:00-07:00")),
        }
    }
}

/// A provider of text messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsProvider {
    /// `africastalking`
    AfricasTalking,
    /// `twilio`
    Twilio,
}

/// `[sms.africastalking]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfricasTalking {
    /// The application's user name; `sandbox` in their sandbox.
    #[serde(deserialize_with = "text")]
    pub username: String,
    /// The application's key.
    #[serde(default)]
    pub api_key: Secret,
    /// A file that holds it.
    pub api_key_file: Option<PathBuf>,
    /// What phones show as sender: a registered name of at most 11 letters, or a short code. Default: Africa's
    /// Talking's own.
    #[serde(default, deserialize_with = "optional_text")]
    pub sender_id: Option<String>,
    /// Where it is reached. Default `https://api.africastalking.com`; the sandbox is
    /// `https://api.sandbox.africastalking.com`.
    #[serde(default = "africastalking_url")]
    pub base_url: Url,
}

/// `[sms.twilio]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twilio {
    /// The account: `AC` and 32 hexadecimal digits.
    #[serde(deserialize_with = "text")]
    pub account_sid: String,
    /// The account's token. It also proves that a delivery report comes from Twilio.
    #[serde(default)]
    pub auth_token: Secret,
    /// A file that holds it.
    pub auth_token_file: Option<PathBuf>,
    /// The sender: a number with its `+`, a short code, or a registered name of at most 11 letters. Either this or
    /// `messaging_service_sid`. (In the environment a number stands in double quotes, or it loses its `+`.)
    #[serde(default, deserialize_with = "optional_text")]
    pub from: Option<String>,
    /// A messaging service, which chooses the sender: `MG` and 32 hexadecimal digits.
    #[serde(default, deserialize_with = "optional_text")]
    pub messaging_service_sid: Option<String>,
    /// Where it is reached. Default `https://api.twilio.com`.
    #[serde(default = "twilio_url")]
    pub base_url: Url,
}

fn default_timeout() -> u64 {
    10_000
}
fn africastalking_url() -> Url {
    Url::parse("https://api.africastalking.com").expect("a valid URL")
}
fn twilio_url() -> Url {
    Url::parse("https://api.twilio.com").expect("a valid URL")
}

impl SmsProvider {
    /// Its name, in the configuration, the store and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            SmsProvider::AfricasTalking => "africastalking",
            SmsProvider::Twilio => "twilio",
        }
    }
}

impl Sms {
    /// Who is asked, in this order.
    pub fn order(&self) -> Vec<SmsProvider> {
        if !self.providers.is_empty() {
            return self.providers.clone();
        }
        let all = [SmsProvider::AfricasTalking, SmsProvider::Twilio];
        all.into_iter().filter(|&provider| self.has(provider)).collect()
    }

    /// The longest wait for an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Most that the messages of a day may cost together.
    pub fn cost_limit(&self) -> Option<Money> {
        self.cost_limit_per_day.map(|cents| Money::kes(i64::from(cents)))
    }

    fn has(&self, provider: SmsProvider) -> bool {
        match provider {
            SmsProvider::AfricasTalking => self.africastalking.is_some(),
            SmsProvider::Twilio => self.twilio.is_some(),
        }
    }

    pub(super) fn fetch_secrets(&mut self) -> Result<(), ConfigError> {
        if let Some(africastalking) = &mut self.africastalking {
            let file = africastalking.api_key_file.as_deref();
            fetch("sms.africastalking.api_key", &mut africastalking.api_key, file)?;
        }
        if let Some(twilio) = &mut self.twilio {
            fetch("sms.twilio.auth_token", &mut twilio.auth_token, twilio.auth_token_file.as_deref())?;
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("sms.timeout_ms", self.timeout_ms, 100, 60_000)?;
        if let Some(limit) = self.cost_limit_per_day {
            range("sms.cost_limit_per_day", u64::from(limit), 1, 1_000_000_000)?;
        }
        let order = self.order();
        if order.is_empty() {
            return refused("[sms] needs a provider: write [sms.africastalking] or [sms.twilio]");
        }
        for (at, provider) in order.iter().enumerate() {
            let name = provider.as_str();
            if order[..at].contains(provider) {
                return refused(format!("sms.providers names {name} twice"));
            }
            if !self.has(*provider) {
                return refused(format!("sms.providers names {name}, but there is no section [sms.{name}]"));
            }
        }
        self.africastalking.as_ref().map_or(Ok(()), AfricasTalking::check)?;
        self.twilio.as_ref().map_or(Ok(()), Twilio::check)
    }
}

impl AfricasTalking {
    fn check(&self) -> Result<(), ConfigError> {
        if self.username.is_empty() {
            return refused("sms.africastalking.username is empty");
        }
        // The live host does not know the sandbox's user, and says no more than that the key is wrong.
        if self.username == "sandbox" && self.base_url.host_str() == Some("api.africastalking.com") {
            return refused(
                "sms.africastalking.username is sandbox, which needs base_url https://api.sandbox.africastalking.com",
            );
        }
        match &self.sender_id {
            Some(sender) if !is_name(sender) => {
                refused("sms.africastalking.sender_id must have 1 to 11 letters or digits")
            }
            _ => Ok(()),
        }
    }
}

impl Twilio {
    fn check(&self) -> Result<(), ConfigError> {
        if !is_sid(&self.account_sid, "AC") {
            return refused("sms.twilio.account_sid must be AC and 32 hexadecimal digits");
        }
        match (&self.from, &self.messaging_service_sid) {
            (Some(from), None) if is_sender(from) => Ok(()),
            (Some(_), None) => refused(
                "sms.twilio.from must be a number with its + (in the environment, in double quotes), a short code, or a name \
                 of at most 11 letters",
            ),
            (None, Some(service)) if is_sid(service, "MG") => Ok(()),
            (None, Some(_)) => refused("sms.twilio.messaging_service_sid must be MG and 32 hexadecimal digits"),
            (None, None) => refused("sms.twilio needs a sender: set from or messaging_service_sid"),
            (Some(_), Some(_)) => refused("sms.twilio has two senders: set from or messaging_service_sid, not both"),
        }
    }
}

fn refused(what: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Range(what.into()))
}

fn is_sid(text: &str, kind: &str) -> bool {
    let digits = text.strip_prefix(kind).unwrap_or_default();
    text.len() == SID_LENGTH && !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// A number in E.164, a short code, or a name.
fn is_sender(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    match text.strip_prefix('+') {
        Some(number) => (8..=15).contains(&number.len()) && is_digits(number),
        None if is_digits(text) => (3..=6).contains(&text.len()),
        None => is_name(text),
    }
}

fn is_name(text: &str) -> bool {
    let is_shown = |octet: u8| octet.is_ascii_alphanumeric() || b" -_&+.".contains(&octet);
    (1..=SENDER_NAME_MAX).contains(&text.len()) && text.bytes().all(is_shown)
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::super::{Config, ConfigError};
    use super::*;

    const REST: &str = r#"
        [database]
        write = "postgres://h/d"
        [redis]
        url = "redis://h"
        [secrets]
        seal_key = "5a5a"
    "#;
    const AFRICASTALKING: &str = "[sms.africastalking]\nusername = \"mlango\"\napi_key = \"hunter2\"\n";
    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

    fn load(sms: &str) -> Result<Sms, ConfigError> {
        let config = Config::from(Figment::from(Toml::string(&format!("{REST}\n{sms}"))))?;
        Ok(config.sms.expect("the section is there"))
    }

    fn twilio(lines: &str) -> String {
        format!("[sms.twilio]\naccount_sid = \"{ACCOUNT}\"\nauth_token = \"hunter2\"\n{lines}\n")
    }

    fn complaint(sms: &str) -> String {
        load(sms).expect_err(sms).to_string()
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let night = QuietHours::try_from("21:00-07:00".to_owned()).expect("hours");
        assert_eq!(
            [20 * 60 + 59, 21 * 60, 0, 6 * 60 + 59, 7 * 60].map(|minute| night.lasts(minute)),
            [None, Some(600), Some(420), Some(1), None]
        );
        let noon = QuietHours::try_from("12:00-13:30".to_owned()).expect("hours");
        assert_eq!([719, 720, 809, 810].map(|minute| noon.lasts(minute)), [None, Some(90), Some(1), None]);
        for text in ["", "21:00", "25:00-07:00", "21:60-07:00", "21:00-21:00"] {
            assert!(QuietHours::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn without_the_section_there_is_no_sms() {
        assert!(Config::from(Figment::from(Toml::string(REST))).expect("valid").sms.is_none());
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let sms = load(&format!("{AFRICASTALKING}{}", twilio("from = \"+15005550006\""))).expect("valid");
        assert_eq!(sms.order(), [SmsProvider::AfricasTalking, SmsProvider::Twilio]);
        assert_eq!((sms.timeout(), sms.cost_limit()), (Duration::from_secs(10), None));
        let hosts = (sms.africastalking.map(|one| one.base_url), sms.twilio.map(|one| one.base_url));
        assert_eq!(hosts, (Some(africastalking_url()), Some(twilio_url())));
    }

    #[test]
    fn the_order_can_be_said() {
        let order = "[sms]\nproviders = [\"twilio\", \"africastalking\"]\ncost_limit_per_day = 50000\n";
        let both = format!("{order}{AFRICASTALKING}{}", twilio("from = \"MLANGO\""));
        let sms = load(&both).expect("valid");
        assert_eq!(sms.order(), [SmsProvider::Twilio, SmsProvider::AfricasTalking]);
        assert_eq!(sms.cost_limit(), Some(Money::kes(50_000)));
        let one = load(&both.replace(", \"africastalking\"", "")).expect("a section may rest");
        assert_eq!(one.order(), [SmsProvider::Twilio]);
    }

    #[test]
    fn an_order_that_cannot_be_kept_is_refused() {
        for (sms, expected) in [
            ("[sms]\n".to_owned(), "needs a provider"),
            (format!("[sms]\nproviders = [\"twilio\"]\n{AFRICASTALKING}"), "no section [sms.twilio]"),
            (
                format!("[sms]\nproviders = [\"africastalking\", \"africastalking\"]\n{AFRICASTALKING}"),
                "names africastalking twice",
            ),
            (format!("[sms]\nproviders = [\"nexmo\"]\n{AFRICASTALKING}"), "nexmo"),
            (format!("[sms]\ntimeout_ms = 1\n{AFRICASTALKING}"), "between 100 and 60000"),
            (format!("[sms]\ncost_limit_per_day = 0\n{AFRICASTALKING}"), "between 1 and 1000000000"),
            (format!("{AFRICASTALKING}apikey = 1\n"), "apikey"),
        ] {
            let said = complaint(&sms);
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn each_provider_is_checked() {
        for (sms, expected) in [
            (twilio(""), "needs a sender"),
            (twilio(&format!("from = \"MLANGO\"\nmessaging_service_sid = \"{ACCOUNT}\"")), "two senders"),
            (twilio(&format!("messaging_service_sid = \"{ACCOUNT}\"")), "must be MG"),
            (twilio("from = 15005550006"), "with its +"),
            (twilio("from = \"TWELVELETTER\""), "at most 11 letters"),
            (twilio("from = \"MLANGO\"").replace(ACCOUNT, "AC0123/../x"), "must be AC"),
            (twilio("from = \"MLANGO\"").replace("auth_token = \"hunter2\"", ""), "sms.twilio.auth_token is missing"),
            (AFRICASTALKING.replace("api_key = \"hunter2\"", ""), "sms.africastalking.api_key is missing"),
            (AFRICASTALKING.replace("\"mlango\"", "\"sandbox\""), "api.sandbox.africastalking.com"),
            (format!("{AFRICASTALKING}sender_id = \"TWELVELETTER\""), "1 to 11"),
        ] {
            let said = complaint(&sms);
            assert!(said.contains(expected), "{said}");
        }
        for from in ["\"+254711082000\"", "22384", "\"22384\"", "\"MLANGO WIFI\""] {
            assert!(load(&twilio(&format!("from = {from}"))).is_ok(), "{from}");
        }
        let service = twilio(&format!("messaging_service_sid = \"{}\"", ACCOUNT.replace("AC", "MG")));
        assert!(load(&service).is_ok());
    }

    #[test]
    fn printing_shows_no_secret() {
        let sms = load(&format!("{AFRICASTALKING}{}", twilio("from = \"MLANGO\""))).expect("valid");
        assert!(!format!("{sms:?}").contains("hunter2"));
    }
}
