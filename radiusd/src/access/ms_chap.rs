//! MS-CHAP in a login (RFC 2433, RFC 2759, RFC 2548): how PPPoE and VPN clients prove a password.
//!
//! The peer does not believe an Access-Accept alone: version 2 wants our own proof that we know the password, and an
//! encrypted tunnel wants its keys. Both come out of the check itself, so a proof that fits is kept here until the
//! answer is written. A refusal carries an MS-CHAP-Error, so that the peer says "wrong password" and not "no answer".

use std::cell::RefCell;

use radius_proto::attribute::microsoft::{self, ms_mppe_encryption_policy, ms_mppe_encryption_types};
use radius_proto::password::mschap::{self, ErrorCode, Failure, V1Proof, V2Proof};
use radius_proto::{Attr, BuildError, Builder, Packet, Secret, attribute};

/// A response to a challenge, of either version.
#[derive(Debug)]
pub(super) struct MsChap<'a> {
    version: Version,
    challenge: &'a [u8],
    response: &'a [u8],
    /// The proof that fitted, once one did.
    proof: RefCell<Option<Proof>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    One,
    Two,
}

#[derive(Debug)]
enum Proof {
    One(V1Proof),
    Two(V2Proof),
}

impl<'a> MsChap<'a> {
    /// The response in a packet. `Err`: more than one, or no challenge to it.
    pub(super) fn read(packet: &Packet<'a>) -> Result<Option<MsChap<'a>>, ()> {
        let one = only(packet, microsoft::MS_CHAP_RESPONSE)?;
        let two = only(packet, microsoft::MS_CHAP2_RESPONSE)?;
        let (version, response) = match (one, two) {
            (None, None) => return Ok(None),
            (Some(response), None) => (Version::One, response),
            (None, Some(response)) => (Version::Two, response),
            (Some(_), Some(_)) => return Err(()),
        };
        let challenge = only(packet, microsoft::MS_CHAP_CHALLENGE)?.ok_or(())?;
        Ok(Some(MsChap { version, challenge, response, proof: RefCell::new(None) }))
    }

    pub(super) fn method(&self) -> &'static str {
        match self.version {
            Version::One => "mschap",
            Version::Two => "mschapv2",
        }
    }

    /// Whether the response was made with this password. The proof is kept for the answer.
    pub(super) fn proves(&self, user_name: &[u8], password: &[u8]) -> bool {
        let proof = match self.version {
            Version::One => mschap::verify_v1(self.challenge, self.response, password).map(Proof::One),
            Version::Two => mschap::verify_v2(self.challenge, self.response, user_name, password).map(Proof::Two),
        };
        let proved = proof.is_some();
        if proved {
            self.proof.replace(proof);
        }
        proved
    }

    /// Writes what the peer waits for into an Access-Accept: our proof, and the keys of its tunnel.
    pub(super) fn put_accept(
        &self,
        reply: &mut Builder<'_>,
        request_authenticator: &[u8; 16],
        secret: &Secret,
    ) -> Result<(), BuildError> {
        let policy = ms_mppe_encryption_policy::ALLOWED;
        match &*self.proof.borrow() {
            None => {}
            Some(Proof::One(proof)) => {
                reply.put_ms_chap_mppe_keys(proof, request_authenticator, secret)?;
                reply.put_mppe_policy(policy, ms_mppe_encryption_types::RC4_128)?;
            }
            Some(Proof::Two(proof)) => {
                reply.put_ms_chap2_success(proof)?;
                let salt = u16::from_be_bytes(shared::rng::bytes());
                reply.put_mppe_keys(&proof.session_keys(), salt, request_authenticator, secret)?;
                let types = ms_mppe_encryption_types::RC4_40_OR_128;
                reply.put_mppe_policy(policy, types)?;
            }
        }
        Ok(())
    }
}

/// Writes MS-CHAP-Error into an Access-Reject, if the request was made with MS-CHAP.
pub(crate) fn put_refusal(reply: &mut Builder<'_>, request: &Packet<'_>) -> Result<(), BuildError> {
    let Ok(Some(login)) = MsChap::read(request) else { return Ok(()) };
    let (Some(&ident), code) = (login.response.first(), ErrorCode::AuthenticationFailure) else { return Ok(()) };
    let failure = match login.version {
        Version::One => Failure::v1(ident, code),
        Version::Two => Failure::v2(ident, code, &shared::rng::bytes()),
    };
    reply.put_ms_chap_error(&failure)?;
    Ok(())
}

/// The value of an attribute that may stand once.
fn only<'a>(packet: &Packet<'a>, attr: Attr<attribute::Octets>) -> Result<Option<&'a [u8]>, ()> {
    let mut values = packet.all(attr);
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use radius_proto::attribute::rfc2865;
    use radius_proto::password::mppe;
    use radius_proto::{Code, MAX_PACKET};

    use super::*;
    use crate::access::{Login, Unreadable};
    use crate::policy::Denial;

    const CHALLENGE: [u8; 16] = [9; 16];

    fn secret() -> Secret {
        Secret::new(b"testing123").expect("not empty")
    }

    /// An Access-Request of `amina` with these attributes of Microsoft.
    fn request(attributes: &[(Attr<attribute::Octets>, &[u8])]) -> Vec<u8> {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        request.put(rfc2865::USER_NAME, b"CAFE\\amina").expect("fits");
        for (attribute, value) in attributes {
            request.put(*attribute, value).expect("fits");
        }
        request.finish_access_request(&secret(), [7; 16]).to_vec()
    }

    #[test]
    fn version_2_is_proved_both_ways_and_gives_the_keys() {
        let response = mschap::response_v2(4, &CHALLENGE, &[5; 16], b"amina", b"siri").expect("text");
        let octets = request(&[(microsoft::MS_CHAP_CHALLENGE, &CHALLENGE), (microsoft::MS_CHAP2_RESPONSE, &response)]);
        let packet = Packet::parse(&octets).expect("our own packet");
        let mut scratch = [0; 128];
        let login = Login::read(&packet, &secret(), true, &mut scratch).expect("readable");
        assert_eq!(login.method(), "mschapv2");
        assert!(!login.proves(b"other") && login.proves(b"siri"));

        let mut buffer = [0; MAX_PACKET];
        let mut reply = radius_proto::reply(&mut buffer, Code::AccessAccept, &packet).expect("fits");
        login.put_accept(&mut reply, packet.authenticator(), &secret()).expect("fits");
        let answer = reply.finish_reply(&secret(), packet.authenticator()).to_vec();
        let answer = Packet::parse(&answer).expect("our own packet");
        let expected = mschap::verify_v2(&CHALLENGE, &response, b"amina", b"siri").expect("it fits");
        assert_eq!(answer.get(microsoft::MS_CHAP2_SUCCESS), Some(&expected.success[..]));
        let send = answer.get(microsoft::MS_MPPE_SEND_KEY).expect("a key");
        let send = mppe::reveal_key(send, packet.authenticator(), &secret()).expect("hidden with our secret");
        assert_eq!(send[..], expected.session_keys().send[..]);
    }

    #[test]
    fn version_1_is_proved_and_a_refusal_says_so_in_its_own_words() {
        let response = mschap::response_v1(4, &[9; 8], b"siri").expect("text");
        let octets = request(&[(microsoft::MS_CHAP_CHALLENGE, &[9; 8]), (microsoft::MS_CHAP_RESPONSE, &response)]);
        let packet = Packet::parse(&octets).expect("our own packet");
        let mut scratch = [0; 128];
        let login = Login::read(&packet, &secret(), true, &mut scratch).expect("readable");
        assert!(login.proves(b"siri") && !login.proves(b""));
        let mut buffer = [0; MAX_PACKET];
        let mut reply = radius_proto::reply(&mut buffer, Code::AccessReject, &packet).expect("fits");
        put_refusal(&mut reply, &packet).expect("fits");
        let answer = reply.finish_reply(&secret(), packet.authenticator()).to_vec();
        let answer = Packet::parse(&answer).expect("our own packet");
        assert_eq!(answer.get(microsoft::MS_CHAP_ERROR), Some(&b"\x04E=691 R=0 V=3"[..]));
    }

    #[test]
    fn a_response_without_a_challenge_or_two_of_them_are_no_login() {
        let one = mschap::response_v1(4, &[9; 8], b"siri").expect("text");
        for attributes in [
            &[(microsoft::MS_CHAP_RESPONSE, &one[..])][..],
            &[
                (microsoft::MS_CHAP_CHALLENGE, &[9; 8][..]),
                (microsoft::MS_CHAP_RESPONSE, &one),
                (microsoft::MS_CHAP_RESPONSE, &one),
            ],
            &[
                (microsoft::MS_CHAP_CHALLENGE, &[9; 8][..]),
                (microsoft::MS_CHAP_RESPONSE, &one),
                (microsoft::MS_CHAP2_RESPONSE, &one),
            ],
        ] {
            let octets = request(attributes);
            let packet = Packet::parse(&octets).expect("our own packet");
            let read = Login::read(&packet, &secret(), true, &mut [0; 128]).map(|login| login.method());
            assert_eq!(read, Err(Unreadable::Denied(Denial::BadRequest)));
        }
    }
}
