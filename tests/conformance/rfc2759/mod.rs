//! RFC 2759, MS-CHAP version 2: the example of section 9.2, the name that is hashed, and the texts of success and
//! failure.

use radius_proto::password::mschap::{self, ErrorCode, Failure};

use crate::support::octets;

fn sixteen(digits: &str) -> [u8; 16] {
    octets(digits).try_into().expect("sixteen octets")
}

fn challenge() -> [u8; 16] {
    sixteen("5b5d7c7d7b3f2f3e3c2c602132262628")
}

fn peer_challenge() -> [u8; 16] {
    sixteen("21402324255e262a28295f2b3a337c7e")
}

#[test]
fn section_9_2_the_response_and_the_success_that_are_printed() {
    let response = mschap::response_v2(3, &challenge(), &peer_challenge(), b"User", b"clientPass").expect("short text");
    assert_eq!(hex::encode(&response[26..]), "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df");
    assert_eq!(response[18..26], [0; 8]);
    let proof = mschap::verify_v2(&challenge(), &response, b"User", b"clientPass").expect("right");
    assert_eq!(proof.success[..], *b"\x03S=407A5589115FD0D6209F510FE9C04566932CDA56");
}

#[test]
fn section_8_2_a_domain_before_the_name_is_not_hashed() {
    let plain = mschap::response_v2(3, &challenge(), &peer_challenge(), b"johndoe", b"pass").expect("short text");
    let with_domain = mschap::response_v2(3, &challenge(), &peer_challenge(), br"BIGCO\johndoe", b"pass");
    assert_eq!(with_domain, Some(plain));
    assert!(mschap::verify_v2(&challenge(), &plain, br"BIGCO\johndoe", b"pass").is_some());
    assert!(mschap::verify_v2(&challenge(), &plain, br"johndoe\BIGCO", b"pass").is_none());
    // What follows the first backslash is the account, whatever stands in it.
    let odd = mschap::response_v2(3, &challenge(), &peer_challenge(), br"A\b\c", b"pass").expect("short text");
    assert!(mschap::verify_v2(&challenge(), &odd, br"Z\b\c", b"pass").is_some());
    assert!(mschap::verify_v2(&challenge(), &odd, b"c", b"pass").is_none());
}

#[test]
fn section_6_a_failure_carries_a_challenge_of_32_digits() {
    let failure = Failure::v2(1, ErrorCode::AuthenticationFailure, &challenge());
    let text = b"\x01E=691 R=0 C=5B5D7C7D7B3F2F3E3C2C602132262628 V=3 M=Access denied";
    assert_eq!(failure.as_bytes(), text);
    let longest = Failure::v2(255, ErrorCode::RestrictedLogonHours, &[0xff; 16]);
    assert_eq!(longest.as_bytes().len(), text.len());
}
