//! `[stripe]`: cards, paid on Stripe's own pages. Which currencies it may charge, how long a page lives, and how long a
//! guest may reach the bank before anything is paid.
//!
//! What is checked here is the shape: whether Stripe accepts the key shows only when it is used.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::{ConfigError, Secret, fetch, range};
use crate::money::{Currency, Money};

/// Most webhook secrets at a time. A rotation needs two; more than a few are a list that nobody tidies.
const WEBHOOK_SECRETS_MAX: usize = 4;
/// The largest amount that Stripe takes: eight digits.
const AMOUNT_MAX: u64 = 99_999_999;
/// Stripe refuses a page that lives for less than 30 minutes or more than 24 hours, by its own clock and counted from
/// the moment it hears of it. Five minutes are kept from both bounds, for clocks that differ and for a request that is
/// sent once more with the end that it had.
const SESSION_MINUTES: (u64, u64) = (35, 24 * 60 - 5);
/// Longer is access for nothing.
const GRACE_MINUTES_MAX: u64 = 15;

/// `[stripe]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// The secret key (`sk_…`) or, better, a restricted one (`rk_…`) that may write Checkout Sessions and refunds.
    #[serde(default)]
    pub secret_key: Secret,
    /// A file that holds it.
    pub secret_key_file: Option<PathBuf>,
    /// What Stripe signs its reports with (`whsec_…`), as one string or, while one is replaced by another, as a list.
    /// At most 4.
    #[serde(default, deserialize_with = "one_or_several")]
    pub webhook_secret: Vec<Secret>,
    /// A file that holds them, a line each.
    pub webhook_secret_file: Option<PathBuf>,
    /// Where Stripe is reached. Default `https://api.stripe.com`.
    #[serde(default = "default_base_url")]
    pub base_url: Url,
    /// In which currencies a card may be charged (small letters), and the lowest price for which it is offered, in
    /// hundredths of the currency. Stripe refuses what is worth less than half a US dollar, and its fee has a fixed
    /// part. Default `{ kes = 7000 }`; 1–99999999.
    #[serde(default = "default_minimum")]
    pub minimum: BTreeMap<String, u32>,
    /// Longest wait for one answer of Stripe, milliseconds. Default 10000, 100–60000.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// How long a page on which a card can be typed is good, minutes. Default 35, 35–1435.
    #[serde(default = "default_session_minutes")]
    pub session_minutes: u32,
    /// How long a guest who pays by card is let out before anything is paid, so that the page of the guest's bank
    /// loads, minutes. Default 8, 0–15; 0: not at all.
    #[serde(default = "default_grace_minutes")]
    pub grace_minutes: u32,
}

fn default_base_url() -> Url {
    Url::parse("https://api.stripe.com").expect("a valid URL")
}
fn default_minimum() -> BTreeMap<String, u32> {
    BTreeMap::from([("kes".to_owned(), 7000)])
}
fn default_timeout() -> u64 {
    10_000
}
fn default_session_minutes() -> u32 {
    35
}
fn default_grace_minutes() -> u32 {
    8
}

/// One secret or a list of them. The error names no value.
fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Secret>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        One(Secret),
        Several(Vec<Secret>),
    }
    match Spelling::deserialize(from) {
        Ok(Spelling::One(secret)) => Ok(vec![secret]),
        Ok(Spelling::Several(secrets)) => Ok(secrets),
        Err(_) => Err(serde::de::Error::custom("this must be a secret, or a list of secrets")),
    }
}

impl Stripe {
    /// The longest wait for an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How long a page on which a card can be typed is good.
    pub fn session_life(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_minutes) * 60)
    }

    /// How long a guest is let out before anything is paid; `None`: not at all.
    pub fn grace(&self) -> Option<Duration> {
        (self.grace_minutes > 0).then(|| Duration::from_secs(u64::from(self.grace_minutes) * 60))
    }

    /// Whether a price can be paid by card: its currency is named, and it is not below the lowest price.
    pub fn takes(&self, price: Money) -> bool {
        let lowest = self.minimum.get(&price.currency.as_str().to_ascii_lowercase());
        lowest.is_some_and(|&lowest| price.minor >= i64::from(lowest))
    }

    /// Whether real money moves.
    pub fn is_live(&self) -> bool {
        self.secret_key.expose().contains("_live_")
    }

    pub(super) fn fetch_secrets(&mut self) -> Result<(), ConfigError> {
        fetch("stripe.secret_key", &mut self.secret_key, self.secret_key_file.as_deref())?;
        if let Some(path) = &self.webhook_secret_file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::SecretFile { path: path.clone(), source })?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            self.webhook_secret = lines.map(|line| Secret(line.to_owned())).collect();
        }
        if self.webhook_secret.is_empty() { Err(ConfigError::Missing("stripe.webhook_secret")) } else { Ok(()) }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("stripe.timeout_ms", self.timeout_ms, 100, 60_000)?;
        range("stripe.session_minutes", u64::from(self.session_minutes), SESSION_MINUTES.0, SESSION_MINUTES.1)?;
        range("stripe.grace_minutes", u64::from(self.grace_minutes), 0, GRACE_MINUTES_MAX)?;
        // A publishable key (pk_…) is the mistake that is made; Stripe would say so only to the first guest who pays.
        if !["sk_", "rk_"].iter().any(|kind| is_plain(&self.secret_key, kind)) {
            return refused("stripe.secret_key must be a secret key (sk_…) or a restricted one (rk_…)");
        }
        if self.webhook_secret.len() > WEBHOOK_SECRETS_MAX {
            return refused(format!("stripe.webhook_secret names more than {WEBHOOK_SECRETS_MAX} secrets"));
        }
        if !self.webhook_secret.iter().all(|secret| is_plain(secret, "whsec_")) {
            return refused("stripe.webhook_secret must begin with whsec_: it is the signing secret of the endpoint");
        }
        for (code, &lowest) in &self.minimum {
            if code.to_ascii_uppercase().parse::<Currency>().is_err() || code.bytes().any(|c| c.is_ascii_uppercase()) {
                return refused(format!("stripe.minimum names {code}; write three small letters, such as kes"));
            }
            range(&format!("stripe.minimum.{code}"), u64::from(lowest), 1, AMOUNT_MAX)?;
        }
        if self.minimum.is_empty() { refused("stripe.minimum must name at least one currency") } else { Ok(()) }
    }
}

/// Whether a secret is of this kind and can stand in a header.
fn is_plain(secret: &Secret, kind: &str) -> bool {
    let text = secret.expose();
    text.len() > kind.len() && text.starts_with(kind) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

fn refused(what: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Range(what.into()))
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::super::Config;
    use super::*;

    const REST: &str = r#"
        [database]
        write = "postgres://h/d"
        [redis]
        url = "redis://h"
        [secrets]
        seal_key = "5a5a"
    "#;
    const KEYS: &str = "secret_key = \"sk_test_hunter2\"\nwebhook_secret = \"whsec_hunter2\"\n";

    fn load(stripe: &str) -> Result<Stripe, ConfigError> {
        let config = Config::from(Figment::from(Toml::string(&format!("{REST}\n[stripe]\n{stripe}"))))?;
        Ok(config.stripe.expect("the section is there"))
    }

    fn with(lines: &str) -> Result<Stripe, ConfigError> {
        load(&format!("{KEYS}{lines}"))
    }

    fn complaint(result: Result<Stripe, ConfigError>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn without_the_section_there_are_no_cards() {
        assert!(Config::from(Figment::from(Toml::string(REST))).expect("valid").stripe.is_none());
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let stripe = with("").expect("valid");
        assert_eq!(stripe.base_url.as_str(), "https://api.stripe.com/");
        assert_eq!((stripe.timeout(), stripe.session_life()), (Duration::from_secs(10), Duration::from_secs(35 * 60)));
        assert_eq!(stripe.grace(), Some(Duration::from_secs(480)));
        assert!(!stripe.is_live());
        assert_eq!(with("grace_minutes = 0").expect("valid").grace(), None);
    }

    #[test]
    fn a_card_is_offered_in_the_currencies_that_are_named_and_from_their_lowest_price() {
        let usd = |minor| Money { minor, currency: "USD".parse().expect("a currency") };
        let stripe = with("").expect("valid");
        assert!(stripe.takes(Money::kes(7000)) && !stripe.takes(Money::kes(6999)) && !stripe.takes(usd(1_000_000)));
        let stripe = with("minimum = { usd = 50 }").expect("valid");
        assert!(stripe.takes(usd(50)) && !stripe.takes(usd(49)) && !stripe.takes(Money::kes(1_000_000)));
    }

    #[test]
    fn secrets_can_be_a_list_and_a_file() {
        let exposed = |stripe: &Stripe| {
            let all = stripe.webhook_secret.iter().map(|secret| secret.expose().to_owned());
            all.collect::<Vec<String>>()
        };
        let list = "secret_key = \"rk_live_1\"\nwebhook_secret = [\"whsec_new\", \"whsec_old\"]\n";
        let stripe = load(list).expect("valid");
        assert_eq!(exposed(&stripe), ["whsec_new", "whsec_old"]);
        assert!(stripe.is_live());
        let file = std::env::temp_dir().join(format!("mlango-stripe-{}", std::process::id()));
        std::fs::write(&file, "whsec_a\n\n  whsec_b\r\n").expect("written");
        let stripe =
            load(&format!("secret_key = \"sk_test_1\"\nwebhook_secret_file = {:?}\n", file.display().to_string()));
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(exposed(&stripe.expect("valid")), ["whsec_a", "whsec_b"]);
    }

    #[test]
    fn what_cannot_be_right_is_refused_without_showing_a_secret() {
        for (result, expected) in [
            (load("webhook_secret = \"whsec_hunter2\""), "stripe.secret_key is missing"),
            (load("secret_key = \"sk_test_hunter2\""), "stripe.webhook_secret is missing"),
            (load("secret_key = \"pk_hunter2\"\nwebhook_secret = \"whsec_1\""), "must be a secret key"),
            (load("secret_key = \"sk_\"\nwebhook_secret = \"whsec_1\""), "must be a secret key"),
            (load("secret_key = \"sk_hun ter2\"\nwebhook_secret = \"whsec_1\""), "must be a secret key"),
            (load("secret_key = \"sk_1\"\nwebhook_secret = \"hunter2\""), "must begin with whsec_"),
            (load("secret_key = \"sk_1\"\nwebhook_secret = [\"whsec_1\", \"\"]"), "must begin with whsec_"),
            (load("secret_key = \"sk_1\"\nwebhook_secret = { hunter2 = 1 }"), "a secret, or a list of secrets"),
            (load("secret_key = \"sk_1\"\nwebhook_secret = [\"a\", \"b\", \"c\", \"d\", \"e\"]"), "more than 4"),
            (with("session_minutes = 30"), "between 35 and 1435"),
            (with("grace_minutes = 16"), "between 0 and 15"),
            (with("timeout_ms = 1"), "between 100 and 60000"),
            (with("minimum = {}"), "at least one currency"),
            (with("minimum = { KES = 1 }"), "three small letters"),
            (with("minimum = { shilling = 1 }"), "three small letters"),
            (with("minimum = { kes = 0 }"), "stripe.minimum.kes is 0"),
            (with("publishable_key = \"pk_1\""), "publishable_key"),
        ] {
            let said = complaint(result);
            assert!(said.contains(expected), "{expected}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn printing_shows_no_secret() {
        assert!(!format!("{:?}", with("").expect("valid")).contains("hunter2"));
    }
}
