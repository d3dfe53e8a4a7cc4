//! RFC 2433, MS-CHAP version 1: the example of appendix B, and the text of a failure.

use radius_proto::password::mschap::{self, ErrorCode, Failure};

use crate::support::octets;

/// The challenge of appendix B.2.
const CHALLENGE: &str = "102db5df085d3041";

#[test]
fn appendix_b_2_the_response_to_the_printed_challenge() {
    let challenge: [u8; 8] = octets(CHALLENGE).try_into().expect("eight octets");
    let response = mschap::response_v1(9, &challenge, b"MyPw").expect("short text");
    assert_eq!(response[0], 9);
    assert_eq!(hex::encode(&response[26..]), "4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61");
    assert!(mschap::verify_v1(&challenge, &response, b"MyPw").is_some());
    assert!(mschap::verify_v1(&challenge, &response, b"mypw").is_none());
}

#[test]
fn section_8_a_failure_names_the_code_and_offers_no_retry() {
    for (code, text) in [
        (ErrorCode::RestrictedLogonHours, "E=646 R=0 V=3"),
        (ErrorCode::AccountDisabled, "E=647 R=0 V=3"),
        (ErrorCode::PasswordExpired, "E=648 R=0 V=3"),
        (ErrorCode::NoDialinPermission, "E=649 R=0 V=3"),
        (ErrorCode::AuthenticationFailure, "E=691 R=0 V=3"),
    ] {
        let failure = Failure::v1(0x5a, code);
        assert_eq!(failure.as_bytes(), [b"\x5a", text.as_bytes()].concat());
    }
}
