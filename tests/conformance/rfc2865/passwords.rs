//! Sections 2.2, 5.2 and 5.3: which challenge a CHAP-Password answers, and what a broken password does.

use radius_proto::attribute::rfc2865;
use radius_proto::password::{chap, pap};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret};

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

#[test]
fn c7_a_user_password_of_wrong_length_reveals_nothing() {
    for length in [1, 15, 17, 129, 144] {
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::AccessRequest, 1);
        builder.put_raw(2, &vec![7; length]).expect("fits");
        let packet = Packet::parse(builder.finish_access_request(&secret(), [1; 16])).expect("well formed");
        let hidden = packet.get(rfc2865::USER_PASSWORD).expect("present");
        let mut out = [0; 128];
        assert_eq!(pap::reveal(hidden, packet.authenticator(), &secret(), &mut out), None, "{length}");
        assert!(!pap::verify(hidden, packet.authenticator(), &secret(), b""), "{length}");
    }
}

#[test]
fn c8_the_challenge_is_chap_challenge_if_present() {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessRequest, 1);
    builder.put(rfc2865::CHAP_CHALLENGE, b"an explicit challenge").expect("fits");
    let response = chap::response(7, b"pass", b"an explicit challenge");
    builder.put(rfc2865::CHAP_PASSWORD, &response).expect("fits");
    let packet = Packet::parse(builder.finish_access_request(&secret(), [1; 16])).expect("well formed");
    assert_eq!(chap::challenge(&packet), b"an explicit challenge");
    assert!(chap::verify(&response, chap::challenge(&packet), b"pass"));
    assert!(!chap::verify(&response, packet.authenticator(), b"pass"));
}

#[test]
fn c8_else_the_challenge_is_the_request_authenticator() {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessRequest, 1);
    let response = chap::response(7, b"pass", &[1; 16]);
    builder.put(rfc2865::CHAP_PASSWORD, &response).expect("fits");
    let packet = Packet::parse(builder.finish_access_request(&secret(), [1; 16])).expect("well formed");
    assert!(chap::verify(&response, chap::challenge(&packet), b"pass"));
}

#[test]
fn c3_an_empty_secret_is_no_secret() {
    assert!(Secret::new(b"").is_err());
}
