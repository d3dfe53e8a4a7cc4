//! The intermediate values that RFC 2433 and RFC 2759 print, and what each function refuses. The exchanges as a
//! whole are tested from outside, under `tests/conformance`.

use super::*;
use alloc::string::String;
use alloc::vec::Vec;

const CHALLENGE: [u8; 16] = *b"\x5b\x5d\x7c\x7d\x7b\x3f\x2f\x3e\x3c\x2c\x60\x21\x32\x26\x26\x28";
const PEER: [u8; 16] = *b"\x21\x40\x23\x24\x25\x5e\x26\x2a\x28\x29\x5f\x2b\x3a\x33\x7c\x7e";

fn hash(password: &str) -> String {
    hex::encode_upper(*password_hash(password.as_bytes()).expect("short text"))
}

fn v1() -> [u8; RESPONSE] {
    response_v1(7, b"12345678", b"clientPass").expect("short text")
}

fn v2() -> [u8; RESPONSE] {
    response_v2(7, &CHALLENGE, &PEER, b"User", b"clientPass").expect("short text")
}

#[test]
fn rfc2759_section_9_2_hashes() {
    assert_eq!(hash("clientPass"), "44EBBA8D5312B8D611474411F56989AE");
    let hashed = password_hash(b"clientPass").expect("short text");
    assert_eq!(hex::encode_upper(*hash_hash(&hashed)), "41C00C584BD2D91C4017A2A12FA59F3F");
    assert_eq!(hex::encode_upper(challenge_hash(&PEER, &CHALLENGE, b"User")), "D02E4386BCE91226");
}

#[test]
fn rfc2433_appendix_b_hash_and_keys() {
    assert_eq!(hash("MyPw"), "FC156AF7EDCD6C0EDDE3337D427F4EAC");
    // The RFC prints the keys with their parity bits, which are ignored.
    for (raw, printed) in [("fc156af7edcd6c", "fd0b5b5e7f6e34d9"), ("0edde3337d427f", "0e6e796737ea08fe")] {
        let raw: [u8; 7] = hex::decode(raw).expect("digits").try_into().expect("seven");
        let printed: Vec<u8> = hex::decode(printed).expect("digits").iter().map(|octet| octet & 0xfe).collect();
        assert_eq!(des_key(&raw).as_slice(), printed);
    }
}

#[test]
fn a_password_is_hashed_in_utf16_and_must_be_utf8() {
    // "é" is one unit, "𝄞" two; computed with Python's UTF-16 and OpenSSL's MD4.
    assert_eq!(hash("Zoé𝄞"), "2376F8A60BC32798E5FA58E5E7459A36");
    assert!(password_hash(b"Zo\xe9").is_none());
    assert!(verify_v1(b"12345678", &v1(), b"client\xffPass").is_none());
    assert!(verify_v2(&CHALLENGE, &v2(), b"User", b"client\xffPass").is_none());
}

#[test]
fn the_longest_password_has_256_units() {
    assert!(password_hash("x".repeat(256).as_bytes()).is_some());
    assert!(password_hash("x".repeat(257).as_bytes()).is_none());
    assert!(password_hash("𝄞".repeat(128).as_bytes()).is_some());
    assert!(password_hash("𝄞".repeat(129).as_bytes()).is_none());
    assert!(response_v1(1, b"12345678", "x".repeat(257).as_bytes()).is_none());
    assert!(response_v2(1, &CHALLENGE, &PEER, b"User", "x".repeat(257).as_bytes()).is_none());
}

#[test]
fn the_empty_password_is_one_like_any_other() {
    let response = response_v2(1, &CHALLENGE, &PEER, b"User", b"").expect("short text");
    assert!(verify_v2(&CHALLENGE, &response, b"User", b"").is_some());
    assert!(verify_v2(&CHALLENGE, &response, b"User", b"x").is_none());
}

#[test]
fn v1_tells_a_wrong_password_challenge_or_octet() {
    assert!(verify_v1(b"12345678", &v1(), b"clientPass").is_some());
    assert!(verify_v1(b"12345678", &v1(), b"clientpass").is_none());
    assert!(verify_v1(b"12345679", &v1(), b"clientPass").is_none());
    for place in 26..RESPONSE {
        let mut changed = v1();
        changed[place] ^= 1;
        assert!(verify_v1(b"12345678", &changed, b"clientPass").is_none(), "octet {place}");
    }
}

#[test]
fn v1_takes_no_lm_response() {
    let mut only_lm = v1();
    only_lm[1] = 0;
    // The flag decides, whatever stands in either field (RFC 2548 §2.1.3).
    assert!(verify_v1(b"12345678", &only_lm, b"clientPass").is_none());
    let mut both = v1();
    both[2..26].fill(0x5a);
    assert!(verify_v1(b"12345678", &both, b"clientPass").is_some(), "LM is not looked at");
}

#[test]
fn v2_tells_a_wrong_password_user_challenge_or_octet() {
    assert!(verify_v2(&CHALLENGE, &v2(), b"User", b"clientPass").is_some());
    assert!(verify_v2(&CHALLENGE, &v2(), b"User", b"ClientPass").is_none());
    assert!(verify_v2(&CHALLENGE, &v2(), b"user", b"clientPass").is_none());
    assert!(verify_v2(&PEER, &v2(), b"User", b"clientPass").is_none());
    for place in (2..18).chain(26..RESPONSE) {
        let mut changed = v2();
        changed[place] ^= 1;
        assert!(verify_v2(&CHALLENGE, &changed, b"User", b"clientPass").is_none(), "octet {place}");
    }
}

#[test]
fn v2_success_repeats_the_ident_and_covers_the_response() {
    let proof = verify_v2(&CHALLENGE, &v2(), b"User", b"clientPass").expect("right");
    assert_eq!(proof.success[..3], *b"\x07S=");
    let other = response_v2(7, &CHALLENGE, &CHALLENGE, b"User", b"clientPass").expect("short text");
    let other = verify_v2(&CHALLENGE, &other, b"User", b"clientPass").expect("right");
    assert_ne!(proof.success, other.success);
}

#[test]
fn a_wrong_width_is_never_right() {
    assert!(verify_v1(b"1234567", &v1(), b"clientPass").is_none());
    assert!(verify_v1(b"123456789", &v1(), b"clientPass").is_none());
    assert!(verify_v1(b"12345678", &v1()[..49], b"clientPass").is_none());
    assert!(verify_v1(b"12345678", &[], b"clientPass").is_none());
    assert!(verify_v2(&CHALLENGE[..8], &v2(), b"User", b"clientPass").is_none());
    assert!(verify_v2(&CHALLENGE, &[&v2()[..], &[0]].concat(), b"User", b"clientPass").is_none());
}
