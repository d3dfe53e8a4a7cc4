//! CHAP-Password (RFC 2865 §5.3, RFC 1994 §4.1):
//!
//! ```text
//! | CHAP identifier (1 octet) |  MD5(identifier + password + challenge) (16 octets)
//! ```
//!
//! The challenge is CHAP-Challenge where the packet has one, else the Request Authenticator (RFC 2865 §2.2).
//! The web form of a RouterOS hotspot computes the same hash in the browser.

use md5::{Digest, Md5};

use crate::attribute::rfc2865;
use crate::constant_time;
use crate::limits::CHAP_PASSWORD;
use crate::packet::Packet;

/// Whether a CHAP-Password answers this challenge with this password, compared in constant time.
#[must_use]
pub fn verify(chap_password: &[u8], challenge: &[u8], password: &[u8]) -> bool {
    let Ok(received) = <&[u8; CHAP_PASSWORD]>::try_from(chap_password) else {
        return false;
    };
    constant_time::equal(&response(received[0], password, challenge), received)
}

/// The CHAP-Password for a challenge.
#[must_use]
pub fn response(id: u8, password: &[u8], challenge: &[u8]) -> [u8; CHAP_PASSWORD] {
    let mut hash = Md5::new();
    hash.update([id]);
    hash.update(password);
    hash.update(challenge);
    let mut out = [id; CHAP_PASSWORD];
    out[1..].copy_from_slice(&hash.finalize());
    out
}

/// The challenge that an Access-Request answers.
#[must_use]
pub fn challenge<'a>(request: &Packet<'a>) -> &'a [u8] {
    request.get(rfc2865::CHAP_CHALLENGE).unwrap_or(request.authenticator())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_verifies_only_against_its_own_inputs() {
        let made = response(52, b"pass", b"challenge octets");
        assert!(verify(&made, b"challenge octets", b"pass"));
        assert!(!verify(&made, b"challenge octets", b"Pass"));
        assert!(!verify(&made, b"Challenge octets", b"pass"));
        let mut other_id = made;
        other_id[0] ^= 1;
        assert!(!verify(&other_id, b"challenge octets", b"pass"));
    }

    #[test]
    fn a_wrong_width_is_never_right() {
        let made = response(1, b"", b"c");
        assert!(!verify(&made[..16], b"c", b""));
        assert!(!verify(&[], b"c", b""));
        assert!(!verify(&[0; 18], b"c", b""));
    }
}
