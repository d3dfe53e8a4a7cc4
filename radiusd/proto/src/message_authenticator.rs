//! Message-Authenticator (RFC 2869 §5.14): HMAC-MD5 under the secret over the whole packet, with its own
//! sixteen octets as zeros.
//!
//! ```text
//! |  80  |  18  |  HMAC-MD5 (16 octets)
//! ```
//!
//! What stands in the Authenticator field while the HMAC is computed depends on the packet: its own random
//! octets in an Access-Request or Status-Server; zeros in an Accounting-, CoA- or Disconnect-Request
//! (RFC 5176 §3.4); the Authenticator of the request in a reply. Where the attribute stands does not matter
//! when a packet is read. Whether a packet may come without one is the caller's policy; a packet for which
//! the answer is [`Check::Invalid`], [`Check::Repeated`] or [`Check::BadLength`] must be discarded silently.

use hmac::Mac;

use crate::attribute::rfc2869;
use crate::constant_time;
use crate::limits::{AUTHENTICATOR, HEADER};
use crate::packet::Packet;
use crate::secret::Secret;

/// What a packet's Message-Authenticator says about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Check {
    /// There is none.
    Absent,
    /// There is one, and the sender knows the secret.
    Valid,
    /// There is one, and it is wrong.
    Invalid,
    /// There are several; RFC 2869 §5.19 allows one.
    Repeated,
    /// Its value is not sixteen octets.
    BadLength,
}

impl Check {
    /// Whether the packet must be discarded whatever the policy on a missing attribute is.
    #[must_use]
    pub const fn must_discard(self) -> bool {
        matches!(self, Check::Invalid | Check::Repeated | Check::BadLength)
    }
}

/// Checks a request of any kind.
#[must_use]
pub fn check_request(packet: &Packet<'_>, secret: &Secret) -> Check {
    let seed = if packet.code().is_hashed_request() { &[0; AUTHENTICATOR] } else { packet.authenticator() };
    check(packet, seed, secret)
}

/// Checks a reply to the request that had this Authenticator.
#[must_use]
pub fn check_reply(packet: &Packet<'_>, request_authenticator: &[u8; AUTHENTICATOR], secret: &Secret) -> Check {
    check(packet, request_authenticator, secret)
}

fn check(packet: &Packet<'_>, seed: &[u8; AUTHENTICATOR], secret: &Secret) -> Check {
    let mut found = packet.attributes().filter(|attribute| attribute.kind == rfc2869::MESSAGE_AUTHENTICATOR.kind);
    let Some(attribute) = found.next() else {
        return Check::Absent;
    };
    if found.next().is_some() {
        return Check::Repeated;
    }
    let Ok(received) = <&[u8; AUTHENTICATOR]>::try_from(attribute.value) else {
        return Check::BadLength;
    };
    let bytes = packet.as_bytes();
    let start = attribute.offset + 2;
    let mut mac = secret.hmac();
    mac.update(&bytes[..4]);
    mac.update(seed);
    mac.update(&bytes[HEADER..start]);
    mac.update(&[0; AUTHENTICATOR]);
    mac.update(&bytes[start + AUTHENTICATOR..]);
    let expected: [u8; AUTHENTICATOR] = mac.finalize().into_bytes().into();
    if constant_time::equal(&expected, received) { Check::Valid } else { Check::Invalid }
}
