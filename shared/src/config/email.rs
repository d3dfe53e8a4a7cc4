//! `[email]`: the mail server that takes our e-mails, and in whose name they are sent.
//!
//! What is checked here is the shape: whether the server lets us in, and may send in that name, shows only when a
//! message is sent.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, Secret, fetch, optional_text, range, text};
use crate::email::EmailAddress;

/// Most letters of a sender's name: what mail programs show in a list.
const NAME_MAX: usize = 64;
/// Most octets of a host's name.
const HOST_MAX: usize = 253;
/// Where clients hand messages over, with STARTTLS (RFC 6409).
const SUBMISSION: u16 = 587;
/// The same within TLS from the first octet on (RFC 8314).
const SUBMISSIONS: u16 = 465;

/// `[email]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The mail server, by the name that its certificate has.
    #[serde(deserialize_with = "text")]
    pub host: String,
    /// Its port. Default 587; with `encryption = "tls"` 465.
    pub port: Option<u16>,
    /// How the connection is encrypted. Default `starttls`.
    #[serde(default)]
    pub encryption: Encryption,
    /// Authorities that are trusted besides the system's, PEM: for a mail server with a certificate of the house. Only
    /// the portal opens the file.
    pub ca_file: Option<PathBuf>,
    /// The name to sign in with; without it nobody signs in.
    #[serde(default, deserialize_with = "optional_text")]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Secret,
    /// A file that holds it.
    pub password_file: Option<PathBuf>,
    /// In whose name: `Brand <wifi@example.org>`, or an address alone.
    pub from: Sender,
    /// Longest wait for each of the three steps of handing a message over (the connection and the sign-in, the addresses, the
    /// message itself), milliseconds. Default 30000, 100–300000: some servers let strangers wait on purpose.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// `starttls`: asked for before anything is said. A server that does not offer it gets nothing.
    #[default]
    Starttls,
    /// `tls`: from the first octet on.
    Tls,
    /// `none`: for a mail server on the same machine.
    None,
}

/// In whose name messages are sent.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Sender {
    /// The name, if one is shown.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl TryFrom<String> for Sender {
    type Error = String;

    fn try_from(text: String) -> Result<Sender, String> {
        let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim(), address),
            None => ("", text.as_str()),
        };
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).trim();
        let is_shown = |letter: char| !letter.is_control() && !matches!(letter, '"' | '<' | '>' | '\\');
        let address = address.parse::<EmailAddress>().ok().filter(|_| name.chars().all(is_shown));
        match address {
            Some(address) if name.chars().count() <= NAME_MAX => {
                Ok(Sender { name: (!name.is_empty()).then(|| name.to_owned()), address })
            }
            _ => Err(format!(
                "\"{}\" is no sender: write it like Brand <wifi@example.org>, with at most {NAME_MAX} letters of a name",
                text.escape_debug()
            )),
        }
    }
}

fn default_timeout() -> u64 {
    30_000
}

impl Email {
    /// Where the server is reached.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.encryption {
            Encryption::Tls => SUBMISSIONS,
            Encryption::Starttls | Encryption::None => SUBMISSION,
        })
    }

    /// The longest wait for one step.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn fetch_secrets(&mut self) -> Result<(), ConfigError> {
        if self.username.is_some() {
            return fetch("email.password", &mut self.password, self.password_file.as_deref());
        }
        match self.password.expose().is_empty() && self.password_file.is_none() {
            true => Ok(()),
            false => refused("email.password is set, but no email.username"),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("email.timeout_ms", self.timeout_ms, 100, 300_000)?;
        if self.port == Some(0) {
            return refused("email.port is 0; it must be between 1 and 65535");
        }
        if !is_host(&self.host) {
            return refused("email.host must be the name of the mail server, such as mail.example.org");
        }
        if self.encryption == Encryption::None && !is_loopback(&self.host) {
            return refused(
                "email.encryption is none, which is for a mail server on this machine; use starttls or tls",
            );
        }
        match &self.username {
            Some(name) if name.is_empty() => refused("email.username is empty"),
            _ => Ok(()),
        }
    }
}

fn refused(what: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Range(what.into()))
}

/// A name, or an address without brackets.
fn is_host(host: &str) -> bool {
    let is_in_names = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    let is_name = (1..=HOST_MAX).contains(&host.len()) && host.bytes().all(is_in_names);
    is_name || host.parse::<IpAddr>().is_ok()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
    const SMALL: &str = "[email]\nhost = \"mail.example.org\"\nfrom = \"Mlango Wi-Fi <wifi@example.org>\"\n";

    fn load(email: &str) -> Result<Email, ConfigError> {
        let config = Config::from(Figment::from(Toml::string(&format!("{REST}\n{email}"))))?;
        Ok(config.email.expect("the section is there"))
    }

    #[test]
    fn without_the_section_there_is_no_email() {
        assert!(Config::from(Figment::from(Toml::string(REST))).expect("valid").email.is_none());
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let email = load(SMALL).expect("valid");
        assert_eq!((email.port(), email.encryption, email.username.as_deref()), (587, Encryption::Starttls, None));
        assert_eq!(email.timeout(), Duration::from_secs(30));
        assert_eq!(email.from.name.as_deref(), Some("Mlango Wi-Fi"));
        assert_eq!(email.from.address.as_str(), "wifi@example.org");
        assert_eq!(load(&format!("{SMALL}encryption = \"tls\"")).expect("valid").port(), 465);
        assert_eq!(load(&format!("{SMALL}encryption = \"tls\"\nport = 4650")).expect("valid").port(), 4650);
    }

    #[test]
    fn a_sender_has_a_name_or_none() {
        let sender = |text: &str| Sender::try_from(text.to_owned());
        let named = |text: &str| sender(text).expect(text).name;
        assert_eq!(named("wifi@example.org"), None);
        assert_eq!(named(" <wifi@example.org> "), None);
        assert_eq!(named("\"Kahawa, Wi-Fi\" <wifi@example.org>").as_deref(), Some("Kahawa, Wi-Fi"));
        assert_eq!(named("Café ☕ <wifi@example.org>").as_deref(), Some("Café ☕"));
        let long = format!("{} <wifi@example.org>", "x".repeat(NAME_MAX + 1));
        for text in [
            "",
            "Brand",
            "Brand <wifi>",
            "Brand <wifi@example.org",
            "A <b> <wifi@example.org>",
            "A\r\nBcc: b@example.org <wifi@example.org>",
            "A\\ <wifi@example.org>",
            long.as_str(),
        ] {
            assert!(sender(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (email, expected) in [
            (SMALL.replace("mail.example.org", "mail example"), "email.host"),
            (SMALL.replace("mail.example.org", ""), "email.host"),
            (SMALL.replace("<wifi@example.org>", "wifi"), "is no sender"),
            (format!("{SMALL}encryption = \"none\""), "on this machine"),
            (format!("{SMALL}encryption = \"ssl\""), "ssl"),
            (format!("{SMALL}port = 0"), "email.port"),
            (format!("{SMALL}timeout_ms = 1"), "between 100 and 300000"),
            (format!("{SMALL}username = \"wifi\""), "email.password is missing"),
            (format!("{SMALL}username = \"\"\npassword = \"hunter2\""), "email.username is empty"),
            (format!("{SMALL}password = \"hunter2\""), "no email.username"),
            (format!("{SMALL}user = \"wifi\""), "user"),
        ] {
            let said = load(&email).expect_err(&email).to_string();
            assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
        }
        for host in ["127.0.0.1", "::1", "localhost"] {
            let email = format!("{}encryption = \"none\"\nport = 25", SMALL.replace("mail.example.org", host));
            assert!(load(&email).is_ok(), "{host}");
        }
    }

    #[test]
    fn printing_shows_no_secret() {
        let email = load(&format!("{SMALL}username = \"wifi\"\npassword = \"hunter2\"")).expect("valid");
        assert_eq!(email.password.expose(), "hunter2");
        assert!(!format!("{email:?}").contains("hunter2"));
    }
}
