//! What a customer may use: the rules of the package as it was sold, what has been used, and the
//! credentials that open it. `store` reads and writes it, `radiusd` decides by it, `portal` shows it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::mac::Mac;
use crate::rules::Rules;
use crate::time::OffsetDateTime;

/// One customer's access, with the package's rules frozen at the sale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entitlement {
    /// Its identity.
    pub id: Uuid,
    /// Name of the package, for people.
    pub package: String,
    /// Whether it may be used at all.
    pub state: State,
    /// When the clock started; `None` until the first login if the package says so.
    pub starts_at: Option<OffsetDateTime>,
    /// When access ends; `None` while the clock has not started or where only data counts.
    pub expires_at: Option<OffsetDateTime>,
    /// What was sold.
    pub rules: Rules,
    /// What has been used so far.
    pub used: Used,
    /// From when on a change of devices would count as the first one ([`crate::rules::Swaps`]).
    pub swaps_free_at: Option<OffsetDateTime>,
    /// How often what routers are told of it has changed, modulo [`crate::rng::MARKS`].
    pub revision: u16,
    /// Devices bound to it, the first one first.
    pub devices: Vec<Mac>,
}

/// What has been used of an entitlement.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Used {
    /// Octets from the customer.
    pub up: u64,
    /// Octets to the customer.
    pub down: u64,
    /// Seconds online, of all devices together.
    pub seconds: u64,
}

impl Used {
    /// Octets, up and down together.
    pub fn octets(self) -> u64 {
        self.up.saturating_add(self.down)
    }
}

/// Whether an entitlement may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// May be used, within its time and data.
    Active,
    /// All data, or all time online, is used.
    Exhausted,
    /// Its time is over.
    Expired,
    /// Taken back by the operator.
    Revoked,
}

impl State {
    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Exhausted => "exhausted",
            State::Expired => "expired",
            State::Revoked => "revoked",
        }
    }

    /// Reads the database's spelling.
    pub fn parse(text: &str) -> Option<State> {
        [State::Active, State::Exhausted, State::Expired, State::Revoked].into_iter().find(|s| s.as_str() == text)
    }
}

/// What proves a right to an entitlement.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its identity.
    pub id: Uuid,
    /// The entitlement it opens.
    pub entitlement: Uuid,
    /// What kind it is.
    pub kind: CredentialKind,
    /// The name that is typed (for a voucher, its code).
    pub login: Vec<u8>,
    /// The password in clear, because CHAP needs it.
    pub password: Vec<u8>,
    /// The only device that may use it, if set.
    pub mac: Option<Mac>,
    /// Until when it is good, if it ends.
    pub valid_until: Option<OffsetDateTime>,
}

/// The kinds of credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialKind {
    /// A lasting name and password.
    Password,
    /// A printed code, typed as name and password or as the name alone.
    Voucher,
    /// Made by the portal for one login of one device.
    OneTime,
}

impl CredentialKind {
    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialKind::Password => "password",
            CredentialKind::Voucher => "voucher",
            CredentialKind::OneTime => "one_time",
        }
    }

    /// Reads the database's spelling.
    pub fn parse(text: &str) -> Option<CredentialKind> {
        [CredentialKind::Password, CredentialKind::Voucher, CredentialKind::OneTime]
            .into_iter()
            .find(|k| k.as_str() == text)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("entitlement", &self.entitlement)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_kinds_read_what_they_write() {
        for state in [State::Active, State::Exhausted, State::Expired, State::Revoked] {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        for kind in [CredentialKind::Password, CredentialKind::Voucher, CredentialKind::OneTime] {
            assert_eq!(CredentialKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(State::parse("open"), None);
    }
}
