//! What a packet proves that came by RadSec.
//!
//! The connection has proved who asks, so nothing more is asked of a packet than that it be whole: the flags against
//! CVE-2024-3596 do not apply, and a login may come unsigned. What is signed must be signed rightly, with the secret
//! `radsec` (RFC 6614 §2.3).

use std::sync::Arc;

use radius_proto::attribute::rfc2869;
use radius_proto::message_authenticator::{self, Check};
use radius_proto::{Code, Packet, Secret, authenticator};

use super::Proof;

/// Checks a request, or says why it gets no answer.
pub(super) fn prove(packet: &Packet<'_>, secret: &Arc<Secret>) -> Result<Proof, &'static str> {
    if packet.code() == Code::AccountingRequest && !authenticator::verify_request(packet, secret) {
        return Err("bad_authenticator");
    }
    match message_authenticator::check_request(packet, secret) {
        Check::Valid => {}
        Check::Absent => may_be_unsigned(packet)?,
        Check::Repeated => return Err("repeated_message_authenticator"),
        Check::Invalid | Check::BadLength => return Err("bad_message_authenticator"),
    }
    Ok(Proof { secret: Arc::clone(secret), proved: true })
}

/// Two kinds of request are always signed: Status-Server (RFC 5997 §2) and whatever carries EAP (RFC 3579 §3.2).
fn may_be_unsigned(packet: &Packet<'_>) -> Result<(), &'static str> {
    if packet.code() == Code::StatusServer {
        return Err("no_message_authenticator");
    }
    if packet.count(rfc2869::EAP_MESSAGE) > 0 {
        return Err("eap_unsigned_or_with_password");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use radius_proto::attribute::rfc2865;
    use radius_proto::{Builder, MAX_PACKET};

    use super::*;

    fn secret(octets: &[u8]) -> Arc<Secret> {
        Arc::new(Secret::new(octets).expect("not empty"))
    }

    /// The verdict on a packet that was made with `made_with`.
    fn verdict(code: Code, signed: bool, made_with: &[u8], add: &[(u8, &[u8])]) -> Result<(), &'static str> {
        let mut buffer = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buffer, code, 1);
        builder.put(rfc2865::USER_NAME, b"amina").expect("room");
        if signed {
            builder.reserve_message_authenticator().expect("room");
        }
        for (kind, value) in add {
            builder.put_raw(*kind, value).expect("room");
        }
        let secret_used = secret(made_with);
        let octets = if code.is_hashed_request() {
            builder.finish_hashed_request(&secret_used)
        } else {
            builder.finish_access_request(&secret_used, [5; 16])
        };
        prove(&Packet::parse(octets).expect("our own"), &secret(b"radsec")).map(|proof| assert!(proof.proved))
    }

    #[test]
    fn an_unsigned_login_is_taken_and_a_signature_must_be_right() {
        assert_eq!(verdict(Code::AccessRequest, false, b"radsec", &[]), Ok(()));
        assert_eq!(verdict(Code::AccessRequest, false, b"radsec", &[(33, b"state")]), Ok(()), "B4 is of UDP");
        assert_eq!(verdict(Code::AccessRequest, true, b"radsec", &[]), Ok(()));
        assert_eq!(verdict(Code::AccessRequest, true, b"other", &[]), Err("bad_message_authenticator"));
        assert_eq!(verdict(Code::AccountingRequest, false, b"radsec", &[]), Ok(()));
        assert_eq!(verdict(Code::AccountingRequest, false, b"other", &[]), Err("bad_authenticator"));
    }

    #[test]
    fn status_server_and_eap_are_always_signed() {
        assert_eq!(verdict(Code::StatusServer, true, b"radsec", &[]), Ok(()));
        assert_eq!(verdict(Code::StatusServer, false, b"radsec", &[]), Err("no_message_authenticator"));
        assert_eq!(verdict(Code::AccessRequest, true, b"radsec", &[(79, b"eap")]), Ok(()));
        let unsigned = verdict(Code::AccessRequest, false, b"radsec", &[(79, b"eap")]);
        assert_eq!(unsigned, Err("eap_unsigned_or_with_password"));
    }
}
