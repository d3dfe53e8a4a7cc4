//! RFC 2548, what Microsoft's attributes must hold: MS-CHAP-Response and -Error, MS-CHAP2-Success, and the keys of
//! MPPE. Their values are computed in `rfc2433`, `rfc2759` and `rfc3079`, and by another program in
//! `tests/vectors/mschap.json`; what the running server makes of them is in [`server`].

mod server;

use radius_proto::attribute::microsoft;
use radius_proto::password::mschap::{self, ErrorCode, Failure, V2Proof};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, reply};

const CHALLENGE: [u8; 16] = [0xc3; 16];

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

fn proof(ident: u8) -> V2Proof {
    let response = mschap::response_v2(ident, &CHALLENGE, &[9; 16], b"User", b"pass").expect("short text");
    mschap::verify_v2(&CHALLENGE, &response, b"User", b"pass").expect("right")
}

/// An Access-Request, and an answer of this code which `fill` writes.
fn exchange(code: Code, fill: impl FnOnce(&mut Builder<'_>, &[u8; 16])) -> (Vec<u8>, Vec<u8>) {
    let mut buf = [0; MAX_PACKET];
    let request = Builder::new(&mut buf, Code::AccessRequest, 8).finish_access_request(&secret(), [0xa5; 16]).to_vec();
    let parsed = Packet::parse(&request).expect("well formed");
    let mut buf = [0; MAX_PACKET];
    let mut builder = reply(&mut buf, code, &parsed).expect("fits");
    fill(&mut builder, parsed.authenticator());
    let answer = builder.finish_reply(&secret(), parsed.authenticator()).to_vec();
    (request, answer)
}

#[test]
fn section_2_1_3_a_zero_flag_asks_for_lm_and_is_never_accepted() {
    let response = mschap::response_v1(1, &[7; 8], b"pass").expect("short text");
    assert_eq!((response.len(), response[1]), (50, 1));
    let mut lm = response;
    lm[1] = 0;
    assert!(mschap::verify_v1(&[7; 8], &lm, b"pass").is_none());
    assert!(mschap::verify_v1(&[7; 8], &response, b"pass").is_some());
}

#[test]
fn section_2_1_5_an_error_repeats_the_ident_of_the_response() {
    let (_, answer) = exchange(Code::AccessReject, |builder, _| {
        let failure = Failure::v2(0xee, ErrorCode::AuthenticationFailure, &CHALLENGE);
        builder.put_ms_chap_error(&failure).expect("fits");
    });
    let packet = Packet::parse(&answer).expect("well formed");
    let error = packet.get(microsoft::MS_CHAP_ERROR).expect("written");
    assert_eq!((error[0], &error[1..6]), (0xee, &b"E=691"[..]));
}

#[test]
fn section_2_3_3_success_is_an_ident_and_42_octets_of_text() {
    let proof = proof(0x2a);
    let (_, answer) = exchange(Code::AccessAccept, |builder, _| {
        builder.put_ms_chap2_success(&proof).expect("fits");
    });
    let packet = Packet::parse(&answer).expect("well formed");
    let success = packet.get(microsoft::MS_CHAP2_SUCCESS).expect("written");
    assert_eq!((success.len(), success[0], &success[1..3]), (43, 0x2a, &b"S="[..]));
    assert!(success[3..].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
}

#[test]
fn section_2_4_1_the_keys_of_version_1_are_34_octets_with_their_header() {
    let response = mschap::response_v1(1, &[7; 8], b"pass").expect("short text");
    let proof = mschap::verify_v1(&[7; 8], &response, b"pass").expect("right");
    let (_, answer) = exchange(Code::AccessAccept, |builder, authenticator| {
        builder.put_ms_chap_mppe_keys(&proof, authenticator, &secret()).expect("fits");
    });
    let packet = Packet::parse(&answer).expect("well formed");
    let hidden = packet.get(microsoft::MS_CHAP_MPPE_KEYS).expect("written");
    assert_eq!(hidden.len() + 2, 34);
    assert!(!hidden.windows(16).any(|window| window == &proof.mppe_keys()[8..]), "hidden");
}

#[test]
fn section_2_4_2_every_salt_has_its_highest_bit_and_is_another() {
    for salt in [0, 0x7fff, 0x8000, 0xffff] {
        let keys = proof(1).session_keys();
        let (_, answer) = exchange(Code::AccessAccept, |builder, authenticator| {
            builder.put_mppe_keys(&keys, salt, authenticator, &secret()).expect("fits");
        });
        let packet = Packet::parse(&answer).expect("well formed");
        let send = packet.get(microsoft::MS_MPPE_SEND_KEY).expect("written");
        let receive = packet.get(microsoft::MS_MPPE_RECV_KEY).expect("written");
        assert_eq!((send[0] & 0x80, receive[0] & 0x80), (0x80, 0x80), "{salt:#x}");
        assert_ne!(send[..2], receive[..2], "{salt:#x}");
        assert_eq!((send.len(), receive.len()), (34, 34));
    }
}

#[test]
fn section_2_4_2_keys_are_hidden_under_the_authenticator_of_the_request() {
    use radius_proto::password::mppe::reveal_key;
    let keys = proof(1).session_keys();
    let (request, answer) = exchange(Code::AccessAccept, |builder, authenticator| {
        builder.put_mppe_keys(&keys, 77, authenticator, &secret()).expect("fits");
    });
    let request = Packet::parse(&request).expect("well formed");
    let answer = Packet::parse(&answer).expect("well formed");
    let send = answer.get(microsoft::MS_MPPE_SEND_KEY).expect("written");
    assert_eq!(reveal_key(send, request.authenticator(), &secret()), Some(keys.send.clone()));
    assert_ne!(reveal_key(send, answer.authenticator(), &secret()), Some(keys.send));
}
