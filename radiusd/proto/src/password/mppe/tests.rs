//! Hiding and revealing of keys, and what the readers refuse. The derivations are tested from outside, under
//! `tests/conformance`, with the values that RFC 3079 prints.

use super::*;
use crate::code::Code;
use crate::limits::MAX_PACKET;
use crate::packet::Packet;
use crate::password::mschap;

const REQUEST: [u8; 16] = [0x42; 16];

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

fn v2_proof() -> V2Proof {
    let response = mschap::response_v2(1, &[1; 16], &[2; 16], b"User", b"clientPass").expect("short text");
    mschap::verify_v2(&[1; 16], &response, b"User", b"clientPass").expect("right")
}

fn v1_proof() -> V1Proof {
    let response = mschap::response_v1(1, &[1; 8], b"clientPass").expect("short text");
    mschap::verify_v1(&[1; 8], &response, b"clientPass").expect("right")
}

#[test]
fn a_hidden_key_is_revealed_only_with_its_own_inputs() {
    let key = *b"sixteen octets..";
    let other = Secret::new(b"another").expect("not empty");
    for salt in [0, 1, 0x7fff, 0x8000, 0xffff] {
        let hidden = hide_key(&key, salt, &REQUEST, &secret());
        assert_eq!(u16::from_be_bytes([hidden[0], hidden[1]]), salt | 0x8000);
        assert_eq!(reveal_key(&hidden, &REQUEST, &secret()).as_deref(), Some(&key));
        assert_ne!(reveal_key(&hidden, &[0x43; 16], &secret()).as_deref(), Some(&key));
        assert_ne!(reveal_key(&hidden, &REQUEST, &other).as_deref(), Some(&key));
    }
}

#[test]
fn a_hidden_key_of_another_shape_is_refused() {
    let hidden = hide_key(&[7; 16], 9, &REQUEST, &secret());
    assert!(reveal_key(&hidden[..18], &REQUEST, &secret()).is_none());
    assert!(reveal_key(&[&hidden[..], &[0; 16]].concat(), &REQUEST, &secret()).is_none());
    let mut no_salt_bit = hidden;
    no_salt_bit[0] &= 0x7f;
    assert!(reveal_key(&no_salt_bit, &REQUEST, &secret()).is_none());
    let mut other_length = hidden;
    other_length[2] ^= 1;
    assert!(reveal_key(&other_length, &REQUEST, &secret()).is_none());
}

#[test]
fn hidden_v1_keys_are_revealed_only_with_their_own_inputs() {
    let mut keys = [0; V1_KEYS];
    keys[8..].copy_from_slice(b"sixteen octets\0\0");
    let hidden = hide_v1_keys(&keys, &REQUEST, &secret());
    assert_eq!(reveal_v1_keys(&hidden, &REQUEST, &secret()).as_deref(), Some(&keys));
    let other = Secret::new(b"another").expect("not empty");
    assert!(reveal_v1_keys(&hidden, &REQUEST, &other).is_none(), "the padding would not be zeros");
    // The second block depends on the first only, so the first key alone is noise.
    assert_ne!(reveal_v1_keys(&hidden, &[0; 16], &secret()).as_deref(), Some(&keys));
    assert!(reveal_v1_keys(&hidden[..16], &REQUEST, &secret()).is_none());
    assert!(reveal_v1_keys(&[0; 48], &REQUEST, &secret()).is_none());
}

#[test]
fn the_lm_key_is_zeros() {
    assert_eq!(v1_proof().mppe_keys()[..8], [0; 8]);
    assert_ne!(v1_proof().mppe_keys()[8..], [0; 16]);
}

#[test]
fn an_accept_carries_keys_that_the_nas_reads_under_different_salts() {
    let (proof, secret) = (v2_proof(), secret());
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessAccept, 5);
    builder.put_ms_chap2_success(&proof).expect("fits");
    builder.put_mppe_keys(&proof.session_keys(), 0x1234, &REQUEST, &secret).expect("fits");
    builder.put_ms_chap_mppe_keys(&v1_proof(), &REQUEST, &secret).expect("fits");
    let (allowed, types) =
        (microsoft::ms_mppe_encryption_policy::ALLOWED, microsoft::ms_mppe_encryption_types::RC4_40_OR_128);
    builder.put_mppe_policy(allowed, types).expect("fits");
    let packet = Packet::parse(builder.finish_reply(&secret, &REQUEST)).expect("well formed");
    assert_eq!(packet.get(microsoft::MS_CHAP2_SUCCESS), Some(&proof.success[..]));
    let send = packet.get(microsoft::MS_MPPE_SEND_KEY).expect("written");
    let receive = packet.get(microsoft::MS_MPPE_RECV_KEY).expect("written");
    assert_ne!(send[..2], receive[..2], "each salt of a packet is another");
    let keys = proof.session_keys();
    assert_eq!(reveal_key(send, &REQUEST, &secret), Some(keys.send.clone()));
    assert_eq!(reveal_key(receive, &REQUEST, &secret), Some(keys.receive.clone()));
    assert_ne!(keys.send, keys.receive);
    let v1 = packet.get(microsoft::MS_CHAP_MPPE_KEYS).expect("written");
    assert_eq!(reveal_v1_keys(v1, &REQUEST, &secret), Some(v1_proof().mppe_keys()));
    assert_eq!(packet.get(microsoft::MS_MPPE_ENCRYPTION_POLICY), Some(1));
    assert_eq!(packet.get(microsoft::MS_MPPE_ENCRYPTION_TYPES), Some(6));
}
