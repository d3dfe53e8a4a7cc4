//! `[etims]`: the Kenya Revenue Authority's signatures on invoices. Without the section nothing is told and nothing is noted.
//!
//! What is checked here is the shape: whether the authority has approved a device shows only when it begins.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{ConfigError, optional_text, range, text};

/// Most branches: a name of two digits has no more.
const BRANCHES_MAX: usize = 100;
/// Most characters of a device's serial number.
const SERIAL_MAX: usize = 100;

/// `[etims]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Etims {
    /// Where the authority is reached: `https://etims-api.kra.go.ke/etims-api` (default), its sandbox
    /// `https://etims-api-sbx.kra.go.ke/etims-api`, or a simulator.
    #[serde(default = "default_base_url")]
    pub base_url: Url,
    /// The operator's KRA PIN: a letter, nine digits, a letter.
    #[serde(deserialize_with = "text")]
    pub tin: String,
    /// The branches and their devices. One of them has no `site`: it signs for all sites that have none of their own.
    pub branches: Vec<Branch>,
    /// What an invoice is of: each `order` (default), or all of a `day` by place and way of payment. Ask the accountant.
    #[serde(default)]
    pub per: Per,
    /// The class of access to the internet in the authority's list of items, ten digits.
    #[serde(deserialize_with = "text")]
    pub item_class: String,
    /// Longest wait for one answer, milliseconds. Default 30000, 1000–120000.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
}

/// A branch of the operator, as the authority knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// Two digits; `"00"` is the head office.
    #[serde(deserialize_with = "text")]
    pub branch: String,
    /// The serial number of the device, as the authority has approved it.
    #[serde(deserialize_with = "text")]
    pub serial: String,
    /// The site whose sales it signs, by its name.
    #[serde(default, deserialize_with = "optional_text")]
    pub site: Option<String>,
    /// The number of its first invoice: one more than the last that another program has had signed there. Default 1.
    #[serde(default = "default_first")]
    pub first_number: u32,
}

/// What an invoice is of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each order.
    #[default]
    Order,
    /// A day's document.
    Day,
}

fn default_base_url() -> Url {
    Url::parse("https://etims-api.kra.go.ke/etims-api").expect("a valid URL")
}
fn default_timeout() -> u64 {
    30_000
}
fn default_first() -> u32 {
    1
}

impl Etims {
    /// The longest wait for an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Whether each order is signed as it is sold, and not when its day is closed.
    pub fn signs_orders(&self) -> bool {
        self.per == Per::Order
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("etims.timeout_ms", self.timeout_ms, 1_000, 120_000)?;
        if !matches!(self.base_url.scheme(), "https" | "http") || self.base_url.cannot_be_a_base() {
            return refused("etims.base_url must be an address such as https://etims-api.kra.go.ke/etims-api");
        }
        if !is_pin(&self.tin) {
            return refused("etims.tin must be a KRA PIN: a letter, nine digits and a letter, such as P051234567A");
        }
        if !are_digits(&self.item_class, 10) {
            return refused("etims.item_class must be ten digits, from the authority's list of items");
        }
        if self.branches.is_empty() || self.branches.len() > BRANCHES_MAX {
            return refused("etims.branches must name at least one branch, and at most 100");
        }
        for branch in &self.branches {
            if !are_digits(&branch.branch, 2) {
                return refused("etims.branches: a branch must be two digits, in double quotes, such as \"00\"");
            }
            let serial = &branch.serial;
            if serial.is_empty() || serial.len() > SERIAL_MAX || serial.chars().any(char::is_control) {
                return refused("etims.branches: a serial must have at least one character, and at most 100");
            }
            if branch.first_number == 0 {
                return refused("etims.branches: a first_number must be 1 or more");
            }
        }
        let names: BTreeSet<&str> = self.branches.iter().map(|branch| branch.branch.as_str()).collect();
        let sites: BTreeSet<Option<&str>> = self.branches.iter().map(|branch| branch.site.as_deref()).collect();
        if names.len() < self.branches.len() || sites.len() < self.branches.len() {
            return refused(
                "etims.branches: no branch and no site may stand there twice, and one branch only has no site",
            );
        }
        match sites.contains(&None) {
            true => Ok(()),
            false => refused("etims.branches: one branch must have no site, and signs for all other sites"),
        }
    }
}

fn are_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn is_pin(text: &str) -> bool {
    let is_letter = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_uppercase);
    let octets = text.as_bytes();
    octets.len() == 11
        && is_letter(octets.first())
        && is_letter(octets.last())
        && octets[1..10].iter().all(u8::is_ascii_digit)
}

fn refused(what: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Range(what.into()))
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::super::Config;
    use super::*;

    const REST: &str =
        "[database]\nwrite = \"postgres://h/d\"\n[redis]\nurl = \"redis://h\"\n[secrets]\nseal_key = \"5a5a\"\n";
    const SMALL: &str = "[etims]\ntin = \"P051234567A\"\nitem_class = \"8111210000\"\nbranches = [{ branch = \"00\", serial = \"S1\" }]\n";

    fn load(etims: &str) -> Result<Etims, ConfigError> {
        let config = Config::from(Figment::from(Toml::string(&format!("{REST}{etims}"))))?;
        Ok(config.etims.expect("the section is there"))
    }

    #[test]
    fn without_the_section_nothing_is_signed() {
        assert!(Config::from(Figment::from(Toml::string(REST))).expect("valid").etims.is_none());
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let etims = load(SMALL).expect("valid");
        assert_eq!(etims.base_url.as_str(), "https://etims-api.kra.go.ke/etims-api");
        assert_eq!((etims.per, etims.timeout()), (Per::Order, Duration::from_secs(30)));
        let [head] = &etims.branches[..] else { panic!("one branch") };
        assert_eq!((head.branch.as_str(), head.first_number, head.site.as_deref()), ("00", 1, None));
        assert!(etims.signs_orders());
        let daily = load(&format!("{SMALL}per = \"day\"")).expect("valid");
        assert_eq!((daily.per, daily.signs_orders()), (Per::Day, false));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let branches = |list: &str| SMALL.replace("{ branch = \"00\", serial = \"S1\" }", list);
        for (etims, expected) in [
            (SMALL.replace("P051234567A", "P05123456A"), "etims.tin"),
            (SMALL.replace("8111210000", "81112100"), "etims.item_class"),
            (branches(""), "at least one branch"),
            (branches("{ branch = \"0\", serial = \"S1\" }"), "two digits"),
            (branches("{ branch = \"00\", serial = \"\" }"), "a serial"),
            (branches("{ branch = \"00\", serial = \"S1\", site = \"Kiambu\" }"), "must have no site"),
            (
                branches("{ branch = \"00\", serial = \"S1\" }, { branch = \"00\", serial = \"S2\", site = \"K\" }"),
                "twice",
            ),
            (branches("{ branch = \"00\", serial = \"S1\" }, { branch = \"01\", serial = \"S2\" }"), "twice"),
            (branches("{ branch = \"00\", serial = \"S1\", first_number = 0 }"), "first_number"),
            (format!("{SMALL}timeout_ms = 10"), "between 1000 and 120000"),
            (format!("{SMALL}base_url = \"data:x\""), "etims.base_url"),
            (format!("{SMALL}key = \"x\""), "key"),
        ] {
            let error = load(&etims).expect_err(&etims).to_string();
            assert!(error.contains(expected), "{etims}: {error}");
        }
    }
}
