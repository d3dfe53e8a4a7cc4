//! The parts of `[mpesa]` that are about M-Pesa calling us, and about asking it for more than a prompt: who may call, what a
//! payment from the M-Pesa menu is checked for, and the initiator in whose name payments are looked up and given back.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use super::{ConfigError, Secret, fetch, text};

/// Where Safaricom's reports come from, as far as is known in public. Safaricom tells a shop of changes.
const SAFARICOM: [[u8; 4]; 14] = [
    [196, 201, 214, 200],
    [196, 201, 214, 206],
    [196, 201, 214, 207],
    [196, 201, 214, 208],
    [196, 201, 213, 114],
    [196, 201, 213, 44],
    [196, 201, 212, 127],
    [196, 201, 212, 128],
    [196, 201, 212, 129],
    [196, 201, 212, 132],
    [196, 201, 212, 136],
    [196, 201, 212, 138],
    [196, 201, 212, 69],
    [196, 201, 212, 74],
];

/// Whether the address of whoever reports is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceCheck {
    /// It is not.
    Off,
    /// A report from elsewhere is logged and counted, and followed.
    #[default]
    Log,
    /// A report from elsewhere is kept, and not followed.
    Enforce,
}

/// What a payment from the M-Pesa menu is checked for before its money moves, where Safaricom has switched that on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// Only what is certainly wrong is refused: another amount than an order's price, an order that is paid.
    #[default]
    Lenient,
    /// Also an account number that is neither an order's code nor the number of a customer who waits.
    Strict,
}

/// `[mpesa.initiator]`: an operator of the shortcode at M-Pesa, with the right to look payments up and to reverse them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initiator {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its password.
    #[serde(default)]
    pub password: Secret,
    /// A file that holds it.
    pub password_file: Option<PathBuf>,
    /// Safaricom's X.509 certificate of the same environment (sandbox or production), PEM or DER: the password is sent
    /// encrypted for it. Only the portal opens the file.
    pub certificate: PathBuf,
}

impl Initiator {
    pub(super) fn fetch_secrets(&mut self) -> Result<(), ConfigError> {
        fetch("mpesa.initiator.password", &mut self.password, self.password_file.as_deref())
    }
}

/// The default of `mpesa.allowed_sources`.
pub(super) fn default_sources() -> Vec<IpNet> {
    SAFARICOM.iter().map(|&octets| IpNet::from(IpAddr::from(octets))).collect()
}

/// The default of `mpesa.confirm_c2b`.
pub(super) fn default_confirm() -> bool {
    true
}

/// Networks, and addresses that stand for themselves.
pub(super) fn networks<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: &String| text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    Vec::<String>::deserialize(from)?
        .iter()
        .map(|text| {
            let wrong = format!("{text:?} is neither an address nor a network such as 196.201.214.0/24");
            read(text).map_err(|_| serde::de::Error::custom(wrong))
        })
        .collect()
}
