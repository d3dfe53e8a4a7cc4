//! `[quickbooks]`, `[xero]` and `[zoho]`: as which app we ask for entrance to the accountant's program, and where each program is.
//!
//! What is checked here is the shape: whether a program knows the app shows only when somebody connects it. An address without TLS is
//! taken on this machine alone, where simulators are: everything that is sent there lets somebody in.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use super::{ConfigError, Secret, fetch, range, text};

/// Longest name of an app, in octets. Zoho's have fifty.
const CLIENT_ID_MAX: usize = 255;

/// `[quickbooks]`: QuickBooks Online.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuickBooks {
    /// The app's *Client ID*.
    #[serde(deserialize_with = "text")]
    pub client_id: String,
    /// The app's *Client Secret*.
    #[serde(default)]
    pub client_secret: Secret,
    /// A file that holds it.
    pub client_secret_file: Option<PathBuf>,
    /// Where documents are told. Default `https://quickbooks.api.intuit.com`; for companies of Intuit's sandbox
    /// `https://sandbox-quickbooks.api.intuit.com`.
    #[serde(default = "quickbooks_url")]
    pub base_url: Url,
    /// Where the operator says yes. Default `https://appcenter.intuit.com/connect/oauth2`.
    #[serde(default = "quickbooks_authorize_url")]
    pub authorize_url: Url,
    /// Where tokens are given out. Default `https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer`.
    #[serde(default = "quickbooks_token_url")]
    pub token_url: Url,
    /// Where they are taken back. Default `https://developer.api.intuit.com/v2/oauth2/tokens/revoke`.
    #[serde(default = "quickbooks_revoke_url")]
    pub revoke_url: Url,
    /// Longest wait for one answer, milliseconds. Default 30000, 100–120000 (Intuit itself gives up after 120 seconds).
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
}

/// `[xero]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xero {
    /// The app's *Client id*.
    #[serde(deserialize_with = "text")]
    pub client_id: String,
    /// The app's *Client secret*.
    #[serde(default)]
    pub client_secret: Secret,
    /// A file that holds it.
    pub client_secret_file: Option<PathBuf>,
    /// Where documents are told. Default `https://api.xero.com`.
    #[serde(default = "xero_url")]
    pub base_url: Url,
    /// Where the operator says yes. Default `https://login.xero.com/identity/connect/authorize`.
    #[serde(default = "xero_authorize_url")]
    pub authorize_url: Url,
    /// Where tokens are given out. Default `https://identity.xero.com/connect/token`.
    #[serde(default = "xero_token_url")]
    pub token_url: Url,
    /// Where they are taken back. Default `https://identity.xero.com/connect/revocation`.
    #[serde(default = "xero_revoke_url")]
    pub revoke_url: Url,
    /// Where it says which organisations we are let into. Default `https://api.xero.com/connections`.
    #[serde(default = "xero_connections_url")]
    pub connections_url: Url,
    /// Longest wait for one answer, milliseconds. Default 30000, 100–120000.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
}

/// `[zoho]`: Zoho Books.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zoho {
    /// The app's *Client ID*.
    #[serde(deserialize_with = "text")]
    pub client_id: String,
    /// The app's *Client Secret*.
    #[serde(default)]
    pub client_secret: Secret,
    /// A file that holds it.
    pub client_secret_file: Option<PathBuf>,
    /// Where documents are told, unless the grant says otherwise, as it always does. Default `https://www.zohoapis.com`.
    #[serde(default = "zoho_url")]
    pub base_url: Url,
    /// Where the operator says yes, and where tokens are given out and taken back: of the data centre in which the app was made.
    /// Default `https://accounts.zoho.com`.
    #[serde(default = "zoho_accounts_url")]
    pub accounts_url: Url,
    /// Longest wait for one answer, milliseconds. Default 30000, 100–120000.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("a valid URL")
}
fn quickbooks_url() -> Url {
    url("https://quickbooks.api.intuit.com")
}
fn quickbooks_authorize_url() -> Url {
    url("https://appcenter.intuit.com/connect/oauth2")
}
fn quickbooks_token_url() -> Url {
    url("https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer")
}
fn quickbooks_revoke_url() -> Url {
    url("https://developer.api.intuit.com/v2/oauth2/tokens/revoke")
}
fn xero_url() -> Url {
    url("https://api.xero.com")
}
fn xero_authorize_url() -> Url {
    url("https://login.xero.com/identity/connect/authorize")
}
fn xero_token_url() -> Url {
    url("https://identity.xero.com/connect/token")
}
fn xero_revoke_url() -> Url {
    url("https://identity.xero.com/connect/revocation")
}
fn xero_connections_url() -> Url {
    url("https://api.xero.com/connections")
}
fn zoho_url() -> Url {
    url("https://www.zohoapis.com")
}
fn zoho_accounts_url() -> Url {
    url("https://accounts.zoho.com")
}
fn default_timeout() -> u64 {
    30_000
}

/// What all three have in common. They cannot be one type: serde knows no part of a section that refuses unknown keys.
macro_rules! program {
    ($program:ident, $section:literal, $($url:ident),+) => {
        impl $program {
            /// The longest wait for an answer.
            pub fn timeout(&self) -> Duration {
                Duration::from_millis(self.timeout_ms)
            }

            pub(super) fn fetch_secrets(&mut self) -> Result<(), ConfigError> {
                let name = concat!($section, ".client_secret");
                fetch(name, &mut self.client_secret, self.client_secret_file.as_deref())
            }

            pub(super) fn check(&self) -> Result<(), ConfigError> {
                let urls = [$((stringify!($url), &self.$url)),+];
                check($section, &self.client_id, &self.client_secret, &urls, self.timeout_ms)
            }
        }
    };
}

program!(QuickBooks, "quickbooks", base_url, authorize_url, token_url, revoke_url);
program!(Xero, "xero", base_url, authorize_url, token_url, revoke_url, connections_url);
program!(Zoho, "zoho", base_url, accounts_url);

/// Refuses what cannot be right.
fn check(
    section: &str,
    client_id: &str,
    secret: &Secret,
    urls: &[(&str, &Url)],
    timeout_ms: u64,
) -> Result<(), ConfigError> {
    range(&format!("{section}.timeout_ms"), timeout_ms, 100, 120_000)?;
    if !is_plain(client_id) || client_id.len() > CLIENT_ID_MAX {
        return refused(format!("{section}.client_id must be the app's client ID, without blanks"));
    }
    if !is_plain(secret.expose()) {
        return refused(format!("{section}.client_secret must be the app's secret, without blanks"));
    }
    for (key, url) in urls {
        if !is_safe(url) {
            return refused(format!("{section}.{key} must begin with https:// (http:// is for this machine alone)"));
        }
    }
    Ok(())
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Whether what is sent there is read by nobody else: by TLS, or since it does not leave this machine.
pub fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => false,
        },
        _ => false,
    }
}

fn refused(what: String) -> Result<(), ConfigError> {
    Err(ConfigError::Range(what))
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
    const KEYS: &str = "client_id = \"app\"\nclient_secret = \"hunter2\"\n";

    fn load(sections: &str) -> Result<Config, ConfigError> {
        Config::from(Figment::from(Toml::string(&format!("{REST}\n{sections}"))))
    }

    #[test]
    fn without_the_sections_no_program_can_be_connected() {
        let config = load("").expect("valid");
        assert!(config.quickbooks.is_none() && config.xero.is_none() && config.zoho.is_none());
    }

    #[test]
    fn the_real_programs_are_where_it_goes_unless_said_otherwise() {
        let config = load(&format!("[quickbooks]\n{KEYS}\n[xero]\n{KEYS}\n[zoho]\n{KEYS}")).expect("valid");
        let (quickbooks, xero, zoho) =
            (config.quickbooks.expect("there"), config.xero.expect("there"), config.zoho.expect("there"));
        assert_eq!(quickbooks.base_url.as_str(), "https://quickbooks.api.intuit.com/");
        assert_eq!(quickbooks.token_url.as_str(), "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer");
        assert_eq!(xero.base_url.as_str(), "https://api.xero.com/");
        assert_eq!(xero.connections_url.as_str(), "https://api.xero.com/connections");
        assert_eq!(zoho.accounts_url.as_str(), "https://accounts.zoho.com/");
        let thirty = Duration::from_secs(30);
        assert_eq!((quickbooks.timeout(), xero.timeout(), zoho.timeout()), (thirty, thirty, thirty));
    }

    #[test]
    fn a_secret_can_be_a_file_and_is_never_printed() {
        let file = std::env::temp_dir().join(format!("mlango-books-{}", std::process::id()));
        std::fs::write(&file, "hunter2\n").expect("written");
        let section = format!("[zoho]\nclient_id = 1000\nclient_secret_file = {:?}\n", file.display().to_string());
        let config = load(&section);
        std::fs::remove_file(&file).expect("removed");
        let zoho = config.expect("valid").zoho.expect("there");
        assert_eq!((zoho.client_id.as_str(), zoho.client_secret.expose()), ("1000", "hunter2"));
        assert!(!format!("{zoho:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_right_is_refused_without_showing_a_secret() {
        for section in ["quickbooks", "xero", "zoho"] {
            for (lines, expected) in [
                ("client_id = \"app\"\n", "client_secret is missing"),
                ("client_secret = \"hunter2\"\n", "client_id"),
                ("client_id = \"\"\nclient_secret = \"hunter2\"\n", "client_id must be"),
                ("client_id = \"a b\"\nclient_secret = \"hunter2\"\n", "client_id must be"),
                ("client_id = \"app\"\nclient_secret = \"hunter2 \"\n", "client_secret must be"),
                (&*format!("{KEYS}timeout_ms = 99\n"), "between 100 and 120000"),
                (&*format!("{KEYS}base_url = \"http://books.example.org\"\n"), "base_url must begin with https://"),
                (&*format!("{KEYS}base_url = \"ftp://127.0.0.1\"\n"), "base_url must begin with https://"),
                (&*format!("{KEYS}is_sandbox = true\n"), "is_sandbox"),
            ] {
                let said = load(&format!("[{section}]\n{lines}")).expect_err("refused").to_string();
                assert!(said.contains(expected), "{section} {expected}: {said}");
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_spoken_to() {
        for (text, expected) in [
            ("https://api.xero.com", true),
            ("http://127.0.0.1:18501/api.xro/2.0", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_safe(&url(text)), expected, "{text}");
        }
    }
}
