//! The one configuration file of both programs: TOML, a section a topic.
//!
//! Every key can be overridden by `MLANGO__SECTION__KEY` in the environment, and every secret can be
//! given as a file (`KEY_file`), as service managers hand them out. Unknown keys are refused, values
//! are checked at start, and printing a configuration shows no secret.
//!
//! The meaning of each key, with default, range and unit, is documented on its field.

mod accounting;
mod api;
mod books;
mod email;
mod etims;
mod map;
mod mpesa;
mod programs;
mod retention;
mod routers;
mod sms;
mod stripe;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use crate::language::Language;
use crate::seal::{SealError, SealKey};

pub use self::accounting::{Accounting, After, Commit};
pub use self::api::Api;
pub use self::books::Books;
pub use self::email::{Email, Encryption, Sender};
pub use self::etims::{Branch, Etims, Per};
pub use self::mpesa::{Initiator, SourceCheck, Validation};
pub use self::programs::{QuickBooks, Xero, Zoho, is_safe};
pub use self::retention::{Privacy, Retention};
pub use self::routers::{Routers, Tunnel};
pub use self::sms::{AfricasTalking, QuietHours, Sms, SmsProvider, Twilio};
pub use self::stripe::Stripe;

/// Why a configuration cannot be used; each in a sentence for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or a variable does not parse, or has a key that is not known.
    #[error("configuration: {0}")]
    Invalid(Box<figment::Error>),
    /// A secret's file cannot be read.
    #[error("configuration: cannot read the secret file {path}: {source}")]
    SecretFile {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither the secret nor its file is given.
    #[error("configuration: {0} is missing; set it or {0}_file")]
    Missing(&'static str),
    /// A value is out of its range.
    #[error("configuration: {0}")]
    Range(String),
    /// The file is not there.
    #[error("configuration: there is no file {0}")]
    NoFile(PathBuf),
}

/// All sections.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// PostgreSQL.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// Keys that seal secrets at rest.
    pub secrets: Secrets,
    /// Logging.
    #[serde(default)]
    pub log: Log,
    /// The RADIUS server.
    #[serde(default)]
    pub radius: Radius,
    /// Where usage reports become durable.
    #[serde(default)]
    pub accounting: Accounting,
    /// RADIUS over TLS; without the section nothing listens for it.
    pub radsec: Option<RadSec>,
    /// What routers are told that are set up by one line.
    #[serde(default)]
    pub routers: Routers,
    /// The web side.
    #[serde(default)]
    pub portal: Portal,
    /// M-Pesa; without the section it is not offered.
    pub mpesa: Option<Mpesa>,
    /// Text messages; without the section none are sent.
    pub sms: Option<Sms>,
    /// Cards, by Stripe; without the section they are not offered.
    pub stripe: Option<Stripe>,
    /// QuickBooks Online; without the section it cannot be connected.
    pub quickbooks: Option<QuickBooks>,
    /// Xero; without the section it cannot be connected.
    pub xero: Option<Xero>,
    /// Zoho Books; without the section it cannot be connected.
    pub zoho: Option<Zoho>,
    /// E-mail; without the section none is sent.
    pub email: Option<Email>,
    /// How long what tells something about people is kept.
    #[serde(default)]
    pub retention: Retention,
    /// What the page about people's data says.
    #[serde(default)]
    pub privacy: Privacy,
    /// The REST interface and webhooks.
    #[serde(default)]
    pub api: Api,
    /// How days are closed, and who the operator is, for receipts and documents.
    #[serde(default)]
    pub books: Books,
    /// The Kenya Revenue Authority's signatures; without the section nothing is told it.
    pub etims: Option<Etims>,
}

/// `[database]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Where statements go; may be a pooler.
    pub write: String,
    /// A direct connection for LISTEN; default: the same as `write`.
    pub listen: Option<String>,
    /// Most connections a program keeps open. Default 10, 2–200.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
}

/// `[redis]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://…` or `redis+unix:///path`.
    pub url: String,
    /// Put before every key, so that several systems can share a server. Default `mlango`.
    #[serde(default = "default_prefix")]
    pub prefix: String,
}

/// `[secrets]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// 64 hexadecimal digits. It seals and signs; changing it takes the steps of docs/operations/security.md.
    #[serde(default)]
    pub seal_key: Secret,
    /// A file that holds the key.
    pub seal_key_file: Option<PathBuf>,
    /// Keys that open and verify, and seal nothing: the one before, while the key is changed, or the one that comes next.
    #[serde(default)]
    pub old_seal_keys: Vec<Secret>,
    /// Files that hold one such key each.
    #[serde(default)]
    pub old_seal_key_files: Vec<PathBuf>,
    /// By what names and codes are found, 64 hexadecimal digits, as `portal secrets lookup-key` prints it. Default: derived from
    /// the seal key, which is right as long as that was never changed.
    #[serde(default)]
    pub lookup_key: Secret,
    /// A file that holds it.
    pub lookup_key_file: Option<PathBuf>,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `readable` (default) or `json`.
    pub format: LogFormat,
    /// A level or a filter such as `info,radiusd=debug`. Default `info`.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Readable,
    /// For machines.
    Json,
}

/// `[radius]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Radius {
    /// Where Access-Requests arrive. Default `0.0.0.0:1812`.
    pub auth_listen: Vec<SocketAddr>,
    /// Where Accounting-Requests arrive. Default `0.0.0.0:1813`.
    pub acct_listen: Vec<SocketAddr>,
    /// `/metrics /healthz /readyz /accounting /routers /strangers`. Default `127.0.0.1:9812`.
    pub admin_listen: SocketAddr,
    /// How often routers report usage, seconds. Default 60, 10–3600 (RouterOS takes no less than 10).
    pub interim_seconds: u32,
    /// How long a rejected login waits for its answer, milliseconds, so that guessing is slow.
    /// Default 1000, 0–5000.
    pub reject_delay_ms: u64,
    /// Wrong guesses within a quarter of an hour with which a device is locked; 0: never. Default 10, 0–1000.
    pub lock_after: u32,
    /// Readers per socket, each a thread. Default 2, 1–64.
    pub workers: usize,
    /// A request that waited longer than this in the socket's buffer is shed unseen, milliseconds: its router has given
    /// up or has asked again. Default 1000, 100–10000.
    pub stale_after_ms: u64,
    /// Longest look-up of an unknown name in PostgreSQL, milliseconds. Default 200, 10–2000.
    pub lookup_timeout_ms: u64,
    /// In which language guests are told why they are not let in. Default `en`.
    pub language: Language,
    /// The authorities, PEM, that sign the certificates of routers' REST APIs. Default: those that this machine trusts.
    pub routeros_ca_file: Option<PathBuf>,
}

/// `[radsec]`: RADIUS over TLS. Only radiusd opens the files, so only it must be able to read them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadSec {
    /// Where routers connect. Default `0.0.0.0:2083`.
    #[serde(default = "default_radsec_listen")]
    pub listen: Vec<SocketAddr>,
    /// Our certificate and those between it and its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities that sign routers' certificates, PEM.
    pub client_ca: PathBuf,
    /// A connection on which nothing was said for so long is closed, seconds. Default 600, 60–86400. Longer than
    /// `radius.interim_seconds`, or a router whose guests are quiet cannot be told to disconnect one.
    #[serde(default = "default_radsec_idle")]
    pub idle_seconds: u64,
    /// Most connections at the same time, those in their handshake included. Default 1024, 1–65536.
    #[serde(default = "default_radsec_connections")]
    pub max_connections: usize,
    /// Longest TLS handshake, seconds. Default 10, 1–60.
    #[serde(default = "default_radsec_handshake")]
    pub handshake_seconds: u64,
}

/// `[portal]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Portal {
    /// Where pages are served. Default `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// `/metrics /healthz /readyz`. Default `127.0.0.1:9813`.
    pub metrics_listen: SocketAddr,
    /// How browsers reach the portal, without a trailing slash. Default `http://127.0.0.1:8080`.
    pub public_url: Url,
    /// Where the portal reaches radiusd's admin port, if not at `radius.admin_listen` of the same machine.
    pub radiusd_url: Option<Url>,
    /// Name that customers see. Default `Mlango Wi-Fi`.
    pub brand: String,
    /// Number that customers may call; empty: none is shown.
    pub support_phone: String,
    /// Colour of what is pressed, such as `#0b6b43`; the text on it is chosen. Default: Mlango's green.
    pub accent: Option<String>,
    /// The same on dark devices. Default: `accent`, or Mlango's.
    pub accent_dark: Option<String>,
    /// A picture above the name: SVG up to 8 KiB, or PNG, JPEG or WebP up to 4 KiB.
    pub logo: Option<PathBuf>,
    /// A page about the place, for the captive-portal API; default: none.
    pub venue_url: Option<Url>,
    /// The key with which the desk's map is Google's; it goes to the browsers of staff. Default: none, and nothing is asked of Google.
    #[serde(deserialize_with = "optional_text")]
    pub google_maps_key: Option<String>,
    /// The map ID that belongs to it: then the map is Google's vector map, with advanced markers. Default: none.
    #[serde(deserialize_with = "optional_text")]
    pub google_map_id: Option<String>,
    /// Where Google's maps come from. Default `https://maps.googleapis.com`.
    pub google_maps_url: Url,
    /// Tiles of our own below the map where it is not Google's: a path of this server with `{z}`, `{x}` and `{y}`, such as
    /// `/tiles/{z}/{x}/{y}.png`. Default: none, and sites stand on an empty ground.
    pub map_tiles: Option<String>,
    /// Whom to name for the tiles, such as `© OpenStreetMap contributors`. Default: nobody.
    pub map_credit: String,
    /// A session of the desk ends after this long without a page, minutes. Default 30, 5–1440.
    pub desk_idle_minutes: u32,
    /// A session of the desk ends this long after the sign-in, hours. Default 12, 1–168.
    pub desk_hours: u32,
    /// Proxies whose `X-Forwarded-For` is believed. Default: those on this machine, `127.0.0.0/8` and `::1/128`.
    pub trusted_proxies: Vec<IpNet>,
}

/// `[mpesa]`: Safaricom Daraja.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mpesa {
    /// `https://api.safaricom.co.ke`, the sandbox, or a simulator.
    pub base_url: Url,
    /// The application's key.
    #[serde(default)]
    pub consumer_key: Secret,
    /// A file that holds it.
    pub consumer_key_file: Option<PathBuf>,
    /// The application's secret.
    #[serde(default)]
    pub consumer_secret: Secret,
    /// A file that holds it.
    pub consumer_secret_file: Option<PathBuf>,
    /// Paybill, or a till's store number.
    #[serde(deserialize_with = "text")]
    pub shortcode: String,
    /// Till number, where it differs from the shortcode.
    #[serde(default, deserialize_with = "optional_text")]
    pub party_b: Option<String>,
    /// Lipa na M-Pesa passkey.
    #[serde(default)]
    pub passkey: Secret,
    /// A file that holds it.
    pub passkey_file: Option<PathBuf>,
    /// `CustomerPayBillOnline` (default) or `CustomerBuyGoodsOnline`.
    #[serde(default = "default_transaction_type")]
    pub transaction_type: String,
    /// Where M-Pesa reaches us; default: the portal's public URL.
    pub callback_base_url: Option<Url>,
    /// Longest wait for one answer of M-Pesa, milliseconds. Default 10000, 100–60000.
    #[serde(default = "default_mpesa_timeout")]
    pub timeout_ms: u64,
    /// Seconds after the prompt at which an order without news is asked about, in turn; the last one
    /// repeats. Default 8, 15, 30, 60, 120, 300, 3600.
    #[serde(default = "default_query_after")]
    pub query_after_seconds: Vec<u32>,
    /// Where M-Pesa's reports come from: addresses and networks. Default: Safaricom's.
    #[serde(default = "mpesa::default_sources", deserialize_with = "mpesa::networks")]
    pub allowed_sources: Vec<IpNet>,
    /// What becomes of a report from elsewhere: `off`, `log` (default) or `enforce`.
    #[serde(default)]
    pub source_check: SourceCheck,
    /// What a payment from the M-Pesa menu is checked for before its money moves: `lenient` (default) or `strict`.
    #[serde(default)]
    pub c2b_validation: Validation,
    /// Whether a payment from the M-Pesa menu is believed only after M-Pesa, asked by us, says the same. Default true. It
    /// needs `[mpesa.initiator]`; without that the report is believed as it comes.
    #[serde(default = "mpesa::default_confirm")]
    pub confirm_c2b: bool,
    /// Whether customers whose phone does not ask for the PIN are told how to pay from the M-Pesa menu. Default false: such payments
    /// are heard of only after `portal money register`.
    #[serde(default)]
    pub menu: bool,
    /// Who looks payments up and gives them back; without the section neither can be done from here.
    pub initiator: Option<Initiator>,
}

/// A string that prints as `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        text(from).map(Secret)
    }
}

/// Text, also where the environment made a number of it. The error names no value: it may be a secret.
fn text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Text(String),
        Whole(u64),
    }
    match Spelling::deserialize(from) {
        Ok(Spelling::Text(text)) => Ok(text),
        Ok(Spelling::Whole(number)) => Ok(number.to_string()),
        Err(_) => Err(serde::de::Error::custom("this must be text; in the environment, put it in double quotes")),
    }
}

fn optional_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    text(from).map(Some)
}

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

fn default_connections() -> u32 {
    10
}
fn default_prefix() -> String {
    "mlango".into()
}
fn default_radsec_listen() -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0, 0, 0, 0], 2083))]
}
fn default_radsec_idle() -> u64 {
    600
}
fn default_radsec_connections() -> usize {
    1024
}
fn default_radsec_handshake() -> u64 {
    10
}
fn default_transaction_type() -> String {
    "CustomerPayBillOnline".into()
}
fn default_mpesa_timeout() -> u64 {
    10_000
}
fn default_query_after() -> Vec<u32> {
    vec![8, 15, 30, 60, 120, 300, 3600]
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Readable, level: "info".into() }
    }
}

impl Default for Radius {
    fn default() -> Radius {
        Radius {
            auth_listen: vec![SocketAddr::from(([0, 0, 0, 0], 1812))],
            acct_listen: vec![SocketAddr::from(([0, 0, 0, 0], 1813))],
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9812)),
            interim_seconds: 60,
            reject_delay_ms: 1000,
            lock_after: 10,
            workers: 2,
            stale_after_ms: 1000,
            lookup_timeout_ms: 200,
            language: Language::default(),
            routeros_ca_file: None,
        }
    }
}

impl Default for Portal {
    fn default() -> Portal {
        Portal {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9813)),
            public_url: Url::parse("http://127.0.0.1:8080").expect("a valid URL"),
            radiusd_url: None,
            brand: "Mlango Wi-Fi".into(),
            support_phone: String::new(),
            accent: None,
            accent_dark: None,
            logo: None,
            venue_url: None,
            google_maps_key: None,
            google_map_id: None,
            google_maps_url: Url::parse("https://maps.googleapis.com").expect("a valid URL"),
            map_tiles: None,
            map_credit: String::new(),
            desk_idle_minutes: 30,
            desk_hours: 12,
            trusted_proxies: ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network")).into(),
        }
    }
}

impl Config {
    /// Reads the file and the environment, fetches secrets from their files, checks every value.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        if !path.is_file() {
            return Err(ConfigError::NoFile(path.to_owned()));
        }
        let mut config =
            Config::from(Figment::from(Toml::file_exact(path)).merge(Env::prefixed("MLANGO__").split("__")))?;
        if config.accounting.spool.is_none() {
            config.accounting.spool =
                std::env::var_os("STATE_DIRECTORY").map(|state| PathBuf::from(state).join("spool"));
        }
        Ok(config)
    }

    fn from(figment: Figment) -> Result<Config, ConfigError> {
        let mut config: Config = figment.extract().map_err(|e| ConfigError::Invalid(Box::new(e)))?;
        config.secrets.fetch_secrets()?;
        if let Some(mpesa) = &mut config.mpesa {
            fetch("mpesa.consumer_key", &mut mpesa.consumer_key, mpesa.consumer_key_file.as_deref())?;
            fetch("mpesa.consumer_secret", &mut mpesa.consumer_secret, mpesa.consumer_secret_file.as_deref())?;
            fetch("mpesa.passkey", &mut mpesa.passkey, mpesa.passkey_file.as_deref())?;
            mpesa.initiator.as_mut().map_or(Ok(()), Initiator::fetch_secrets)?;
        }
        if let Some(sms) = &mut config.sms {
            sms.fetch_secrets()?;
        }
        if let Some(stripe) = &mut config.stripe {
            stripe.fetch_secrets()?;
        }
        config.quickbooks.as_mut().map_or(Ok(()), QuickBooks::fetch_secrets)?;
        config.xero.as_mut().map_or(Ok(()), Xero::fetch_secrets)?;
        config.zoho.as_mut().map_or(Ok(()), Zoho::fetch_secrets)?;
        if let Some(email) = &mut config.email {
            email.fetch_secrets()?;
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let radius = &self.radius;
        range("database.max_connections", u64::from(self.database.max_connections), 2, 200)?;
        range("radius.interim_seconds", u64::from(radius.interim_seconds), 10, 3600)?;
        range("radius.reject_delay_ms", radius.reject_delay_ms, 0, 5000)?;
        range("radius.lock_after", u64::from(radius.lock_after), 0, 1000)?;
        range("radius.stale_after_ms", radius.stale_after_ms, 100, 10_000)?;
        range("radius.workers", radius.workers as u64, 1, 64)?;
        self.accounting.check()?;
        self.retention.check()?;
        range("portal.desk_idle_minutes", u64::from(self.portal.desk_idle_minutes), 5, 1440)?;
        range("portal.desk_hours", u64::from(self.portal.desk_hours), 1, 168)?;
        self.portal.check_map()?;
        range("radius.lookup_timeout_ms", radius.lookup_timeout_ms, 10, 2000)?;
        if let Some(radsec) = &self.radsec {
            range("radsec.idle_seconds", radsec.idle_seconds, 60, 86_400)?;
            range("radsec.max_connections", radsec.max_connections as u64, 1, 65_536)?;
            range("radsec.handshake_seconds", radsec.handshake_seconds, 1, 60)?;
            if radsec.listen.is_empty() {
                return Err(ConfigError::Range("radsec.listen must name at least one address".into()));
            }
        }
        if let Some(mpesa) = &self.mpesa {
            range("mpesa.timeout_ms", mpesa.timeout_ms, 100, 60_000)?;
            if mpesa.query_after_seconds.is_empty() {
                return Err(ConfigError::Range("mpesa.query_after_seconds must name at least one delay".into()));
            }
            if !["CustomerPayBillOnline", "CustomerBuyGoodsOnline"].contains(&mpesa.transaction_type.as_str()) {
                return Err(ConfigError::Range(
                    "mpesa.transaction_type must be CustomerPayBillOnline or CustomerBuyGoodsOnline".into(),
                ));
            }
        }
        self.routers.check()?;
        self.api.check()?;
        self.books.check()?;
        self.sms.as_ref().map_or(Ok(()), Sms::check)?;
        self.stripe.as_ref().map_or(Ok(()), Stripe::check)?;
        self.quickbooks.as_ref().map_or(Ok(()), QuickBooks::check)?;
        self.xero.as_ref().map_or(Ok(()), Xero::check)?;
        self.zoho.as_ref().map_or(Ok(()), Zoho::check)?;
        self.etims.as_ref().map_or(Ok(()), Etims::check)?;
        self.email.as_ref().map_or(Ok(()), Email::check)
    }
}

impl Database {
    /// The direct connection for LISTEN.
    pub fn listen_url(&self) -> &str {
        self.listen.as_deref().unwrap_or(&self.write)
    }
}

/// Most keys that stand beside the one that seals: two changes that were begun and not ended.
const MAX_OLD_KEYS: u64 = 4;

impl Secrets {
    fn fetch_secrets(&mut self) -> Result<(), ConfigError> {
        fetch("secrets.seal_key", &mut self.seal_key, self.seal_key_file.as_deref())?;
        for path in &self.old_seal_key_files {
            let mut key = Secret::default();
            fetch("secrets.old_seal_keys", &mut key, Some(path))?;
            self.old_seal_keys.push(key);
        }
        range("the number of secrets.old_seal_keys", self.old_seal_keys.len() as u64, 0, MAX_OLD_KEYS)?;
        match self.lookup_key_file.is_some() {
            true => fetch("secrets.lookup_key", &mut self.lookup_key, self.lookup_key_file.as_deref()),
            false => Ok(()),
        }
    }

    /// The keys as they are used.
    ///
    /// # Errors
    /// One is no key, or it is not said by which one names are found.
    pub fn seal(&self) -> Result<SealKey, SealError> {
        let others: Vec<&str> = self.old_seal_keys.iter().map(Secret::expose).collect();
        let lookup = Some(self.lookup_key.expose()).filter(|key| !key.is_empty());
        SealKey::ring(self.seal_key.expose(), &others, lookup)
    }
}

impl Mpesa {
    /// The longest wait for an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn fetch(name: &'static str, secret: &mut Secret, file: Option<&Path>) -> Result<(), ConfigError> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::SecretFile { path: path.to_owned(), source })?;
        secret.0 = text.trim_end_matches(['\r', '\n']).to_owned();
    }
    if secret.0.is_empty() { Err(ConfigError::Missing(name)) } else { Ok(()) }
}

fn range(name: &str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::Range(format!("{name} is {value}; it must be between {min} and {max}")))
    }
}

// The URLs hold passwords, so these sections print without them.

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("max_connections", &self.max_connections).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Mpesa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mpesa")
            .field("base_url", &self.base_url.as_str())
            .field("shortcode", &self.shortcode)
            .field("transaction_type", &self.transaction_type)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        [database]
        write = "postgres://u:hunter2@h/d"
        [redis]
        url = "redis://h"
        [secrets]
        seal_key = "5a5a"
    "#;

    fn load(text: &str) -> Result<Config, ConfigError> {
        Config::from(Figment::from(Toml::string(text)))
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config = load(SMALL).expect("valid");
        assert_eq!(config.radius.interim_seconds, 60);
        assert_eq!(config.database.listen_url(), config.database.write);
        assert!(config.mpesa.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = load(&format!("{SMALL}\n[radius]\nintrim_seconds = 5")).expect_err("a typing error");
        assert!(error.to_string().contains("intrim_seconds"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_range() {
        let error = load(&format!("{SMALL}\n[radius]\ninterim_seconds = 5")).expect_err("too short");
        assert_eq!(error.to_string(), "configuration: radius.interim_seconds is 5; it must be between 10 and 3600");
    }

    #[test]
    fn a_language_is_one_that_we_speak() {
        let swahili = load(&format!("{SMALL}\n[radius]\nlanguage = \"sw\"")).expect("valid");
        assert_eq!(
            (swahili.radius.language, load(SMALL).expect("valid").radius.language),
            (Language::Swahili, Language::English)
        );
        let error = load(&format!("{SMALL}\n[radius]\nlanguage = \"fr\"")).expect_err("not yet");
        assert!(error.to_string().contains("fr") && error.to_string().contains("sw"), "{error}");
    }

    #[test]
    fn radsec_is_off_without_its_section_and_has_defaults_with_it() {
        assert!(load(SMALL).expect("valid").radsec.is_none());
        let files = "certificate = \"/c\"\nkey = \"/k\"\nclient_ca = \"/a\"";
        let radsec = load(&format!("{SMALL}\n[radsec]\n{files}")).expect("valid").radsec.expect("there");
        assert_eq!(radsec.listen, ["0.0.0.0:2083".parse().expect("an address")]);
        assert_eq!((radsec.idle_seconds, radsec.max_connections, radsec.handshake_seconds), (600, 1024, 10));
        let error = load(&format!("{SMALL}\n[radsec]\nkey = \"/k\"")).expect_err("two files are not named");
        assert!(error.to_string().contains("certificate"), "{error}");
        let error = load(&format!("{SMALL}\n[radsec]\n{files}\nidle_seconds = 5")).expect_err("too short");
        assert_eq!(error.to_string(), "configuration: radsec.idle_seconds is 5; it must be between 60 and 86400");
    }

    #[test]
    fn programs_may_ask_so_often_and_webhooks_stay_away_from_our_own_networks() {
        let api = load(SMALL).expect("valid").api;
        assert_eq!((api.requests_per_minute, api.webhook_networks.len()), (600, 0));
        let own = load(&format!("{SMALL}\n[api]\nwebhook_networks = [\"10.1.0.0/16\"]")).expect("valid").api;
        assert_eq!(own.webhook_networks, ["10.1.0.0/16".parse().expect("a network")]);
        let error = load(&format!("{SMALL}\n[api]\nrequests_per_minute = 0")).expect_err("nobody could ask");
        assert_eq!(error.to_string(), "configuration: api.requests_per_minute is 0; it must be between 1 and 100000");
    }

    #[test]
    fn a_missing_secret_is_named() {
        let error = load(&SMALL.replace("seal_key = \"5a5a\"", "")).expect_err("no key");
        assert_eq!(error.to_string(), "configuration: secrets.seal_key is missing; set it or secrets.seal_key_file");
    }

    #[test]
    fn a_key_that_is_changed_stands_beside_the_new_one() {
        let (first, second) = ("8f".repeat(32), "3a".repeat(32));
        let with = |more: &str| {
            let key = format!("seal_key = \"{second}\"\n{more}");
            load(&SMALL.replace("seal_key = \"5a5a\"", &key)).map(|config| config.secrets.seal())
        };
        let lookup = SealKey::from_hex(&first).expect("a key").lookup_key();
        let both = with(&format!("old_seal_keys = [\"{first}\"]\nlookup_key = \"{}\"", *lookup));
        let both = both.expect("valid").expect("keys");
        assert_eq!((both.known().len(), both.lookup_key() == lookup), (2, true));
        let without = with(&format!("old_seal_keys = [\"{first}\"]")).expect("valid");
        assert_eq!(without.err(), Some(SealError::NoLookupKey));
        let many = with(&format!("old_seal_keys = {:?}", vec![first; 5])).expect_err("too many").to_string();
        assert!(many.contains("between 0 and 4"), "{many}");
        let error = with("old_seal_key_files = [\"/nonexistent/key\"]").expect_err("no file").to_string();
        assert!(error.contains("/nonexistent/key"), "{error}");
    }

    #[test]
    fn a_number_is_text_where_text_is_wanted_and_an_error_shows_no_secret() {
        let mpesa = |passkey: &str| {
            load(&format!(
                "{SMALL}\n[mpesa]\nbase_url = \"http://h\"\nconsumer_key = \"k\"\nconsumer_secret = \"s\"\nshortcode = 174379\npasskey = {passkey}"
            ))
        };
        let config = mpesa("123456").expect("valid").mpesa.expect("there");
        assert_eq!((config.shortcode.as_str(), config.passkey.expose()), ("174379", "123456"));
        let error = mpesa("[123456]").expect_err("not text").to_string();
        assert!(!error.contains("123456") && error.contains("passkey"), "{error}");
    }

    #[test]
    fn mpesa_may_call_from_safaricoms_addresses_unless_others_are_named() {
        let mpesa = |more: &str| {
            load(&format!(
                "{SMALL}\n[mpesa]\nbase_url = \"http://h\"\nconsumer_key = \"k\"\nconsumer_secret = \"s\"\nshortcode = \"1\"\n\
                 passkey = \"p\"\n{more}"
            ))
            .map(|config| config.mpesa.expect("there"))
        };
        let usual = mpesa("").expect("valid");
        assert_eq!((usual.allowed_sources.len(), usual.source_check, usual.confirm_c2b), (14, SourceCheck::Log, true));
        assert!(usual.initiator.is_none() && usual.c2b_validation == Validation::Lenient);
        let own =
            mpesa("allowed_sources = [\"127.0.0.1\", \"10.0.0.0/8\"]\nsource_check = \"enforce\"").expect("valid");
        let spelt: Vec<String> = own.allowed_sources.iter().map(ToString::to_string).collect();
        assert_eq!((spelt, own.source_check), (vec!["127.0.0.1/32".into(), "10.0.0.0/8".into()], SourceCheck::Enforce));
        let error = mpesa("allowed_sources = [\"safaricom\"]").expect_err("a name").to_string();
        assert!(error.contains("safaricom"), "{error}");
        let initiator = "[mpesa.initiator]\nname = \"api\"\ncertificate = \"/c\"";
        let error = mpesa(initiator).expect_err("no password").to_string();
        assert_eq!(
            error,
            "configuration: mpesa.initiator.password is missing; set it or mpesa.initiator.password_file"
        );
        let whole = mpesa(&format!("{initiator}\npassword = \"hunter2\"")).expect("valid");
        assert!(!format!("{:?}", whole.initiator).contains("hunter2"));
    }

    #[test]
    fn printing_shows_no_secret() {
        let config = load(&format!(
            "{SMALL}\n[mpesa]\nbase_url = \"http://h\"\nconsumer_key = \"ck\"\nconsumer_secret = \"hunter2\"\nshortcode = \"1\"\npasskey = \"hunter2\""
        ))
        .expect("valid");
        let printed = format!("{config:?}");
        assert!(!printed.contains("hunter2") && !printed.contains("5a5a"), "{printed}");
    }
}
