//! The Authenticator field as a proof: which packets carry a hash over themselves and the secret, and whether
//! it is right. An Access-Request and a Status-Server carry random octets there and prove nothing by them;
//! their proof is [`crate::message_authenticator`]. Comparisons take constant time.

use crate::constant_time;
use crate::limits::{AUTHENTICATOR, HEADER};
use crate::packet::Packet;
use crate::secret::Secret;

/// Whether an Accounting-, CoA- or Disconnect-Request comes from someone who knows the secret: its
/// Authenticator is MD5(Code + Identifier + Length + 16 zero octets + attributes + secret) (RFC 2866 §3,
/// RFC 5176 §2.3). False for every other code.
#[must_use]
pub fn verify_request(packet: &Packet<'_>, secret: &Secret) -> bool {
    packet.code().is_hashed_request() && matches(packet, &[0; AUTHENTICATOR], secret)
}

/// Whether a reply comes from someone who knows the secret and saw the request: its Authenticator is
/// MD5(Code + Identifier + Length + Request Authenticator + attributes + secret) (RFC 2865 §3). False for a
/// request.
#[must_use]
pub fn verify_reply(packet: &Packet<'_>, request_authenticator: &[u8; AUTHENTICATOR], secret: &Secret) -> bool {
    !packet.code().is_request() && matches(packet, request_authenticator, secret)
}

fn matches(packet: &Packet<'_>, seed: &[u8; AUTHENTICATOR], secret: &Secret) -> bool {
    let bytes = packet.as_bytes();
    let expected = secret.md5_after(&[&bytes[..4], seed, &bytes[HEADER..]]);
    constant_time::equal(&expected, packet.authenticator())
}
