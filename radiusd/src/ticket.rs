//! The session ticket that travels in `Class` (RFC 2865 §5.25): the router returns it unchanged in every
//! accounting packet of the session, so that session and entitlement are known without asking anyone.
//!
//! ```text
//!  0  1  2               18              34
//! +--+--+---------------+---------------+
//! |M |1 | session UUIDv7| entitlement   |
//! +--+--+---------------+---------------+
//! ```
//!
//! The session's identity is a UUIDv7: its time part names the day in whose partition the history stands, and its `rand_a` (RFC 9562
//! §5.7) the revision of the entitlement that the login was answered from ([`shared::rng::marked_id`]), so that a router which was told
//! of an older one is told of the present one when the session is opened. Programs from before read it as a ticket like theirs.

use shared::rng;
use shared::time::OffsetDateTime;
use store::accounting::SessionKey;
use uuid::Uuid;

/// Octets of a ticket.
pub const LENGTH: usize = 34;
const MARK: [u8; 2] = *b"M1";

/// A session's identity and what it uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The session.
    pub session: Uuid,
    /// The entitlement it uses.
    pub entitlement: Uuid,
}

impl Ticket {
    /// For a session that begins now with what that revision of the entitlement grants.
    pub fn new(entitlement: Uuid, revision: u16, now: OffsetDateTime) -> Ticket {
        Ticket { session: rng::marked_id(now, revision), entitlement }
    }

    /// Writes the ticket.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut octets = [0; LENGTH];
        octets[..2].copy_from_slice(&MARK);
        octets[2..18].copy_from_slice(self.session.as_bytes());
        octets[18..].copy_from_slice(self.entitlement.as_bytes());
        octets
    }

    /// Reads a ticket of ours; `None` for any other Class.
    pub fn decode(class: &[u8]) -> Option<Ticket> {
        let octets: &[u8; LENGTH] = class.try_into().ok()?;
        if octets[..2] != MARK {
            return None;
        }
        let session = Uuid::from_slice(&octets[2..18]).ok()?;
        let entitlement = Uuid::from_slice(&octets[18..]).ok()?;
        (session.get_version_num() == 7).then_some(Ticket { session, entitlement })
    }

    /// The session's key in the store: its identity and the day in its time part.
    pub fn key(&self) -> Option<SessionKey> {
        SessionKey::of(self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        let at = OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("in range");
        Ticket::new(Uuid::from_u128(9), 7, at)
    }

    #[test]
    fn reads_what_it_writes() {
        let ticket = ticket();
        assert_eq!(Ticket::decode(&ticket.encode()), Some(ticket));
        assert_eq!((ticket.entitlement, rng::mark_of(ticket.session)), (Uuid::from_u128(9), 7));
        let key = ticket.key().expect("a version 7 identity");
        assert_eq!(key.opened_on.to_string(), "2026-11-18");
    }

    #[test]
    fn any_other_class_is_not_a_ticket() {
        let mut octets = ticket().encode();
        assert_eq!(Ticket::decode(&octets[..33]), None);
        assert_eq!(Ticket::decode(b""), None);
        octets[0] = b'X';
        assert_eq!(Ticket::decode(&octets), None);
        let mut wrong_version = ticket().encode();
        wrong_version[2 + 6] = 0x40;
        assert_eq!(Ticket::decode(&wrong_version), None);
    }
}
