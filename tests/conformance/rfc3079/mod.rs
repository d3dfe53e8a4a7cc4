//! RFC 3079, keys of MPPE: the values that sections 2.5.3 and 3.5.3 print for 128 bits, and which key is whose.

use radius_proto::password::mschap;

use crate::support::octets;

#[test]
fn section_2_5_3_the_nt_key_of_version_1_is_the_hash_of_the_hash() {
    let challenge: [u8; 8] = octets("102db5df085d3041").try_into().expect("eight octets");
    let response = mschap::response_v1(1, &challenge, b"clientPass").expect("short text");
    let proof = mschap::verify_v1(&challenge, &response, b"clientPass").expect("right");
    assert_eq!(hex::encode(&proof.mppe_keys()[8..]), "41c00c584bd2d91c4017a2a12fa59f3f");
}

#[test]
fn section_3_5_3_the_send_key_of_the_server() {
    let challenge: [u8; 16] = octets("5b5d7c7d7b3f2f3e3c2c602132262628").try_into().expect("sixteen");
    let peer: [u8; 16] = octets("21402324255e262a28295f2b3a337c7e").try_into().expect("sixteen");
    let response = mschap::response_v2(1, &challenge, &peer, b"User", b"clientPass").expect("short text");
    let proof = mschap::verify_v2(&challenge, &response, b"User", b"clientPass").expect("right");
    let keys = proof.session_keys();
    assert_eq!(hex::encode(*keys.send), "8b7cdc149b993a1ba118cb153f56dccb");
    // The other direction is not printed; the vectors of our own script have it (`mschap.json`).
    assert_ne!(keys.send, keys.receive);
}
