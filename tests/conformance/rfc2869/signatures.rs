//! Section 5.14 and the mitigations of CVE-2024-3596, the packet alone: Message-Authenticator.

use radius_proto::attribute::rfc2865;
use radius_proto::message_authenticator::{self, Check};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, reply};

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

/// An Access-Request whose Message-Authenticator comes after `before` other attributes of five.
fn request(before: usize) -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessRequest, 8);
    for place in 0..5 {
        if place == before {
            builder.reserve_message_authenticator().expect("fits");
        }
        builder.put(rfc2865::CLASS, &[7; 3]).expect("fits");
    }
    if before == 5 {
        builder.reserve_message_authenticator().expect("fits");
    }
    builder.finish_access_request(&secret(), [0xc3; 16]).to_vec()
}

#[test]
fn b1_it_is_the_first_attribute_of_every_answer_to_an_access_request() {
    let octets = request(5);
    let request = Packet::parse(&octets).expect("well formed");
    for code in [Code::AccessAccept, Code::AccessReject, Code::AccessChallenge, Code::ProtocolError] {
        let mut buf = [0xff; MAX_PACKET];
        let mut builder = reply(&mut buf, code, &request).expect("fits");
        builder.put(rfc2865::REPLY_MESSAGE, b"hello").expect("fits");
        let octets = builder.finish_reply(&secret(), request.authenticator());
        assert_eq!(octets[20..22], [80, 18], "{code}");
        let answer = Packet::parse(octets).expect("well formed");
        let check = message_authenticator::check_reply(&answer, request.authenticator(), &secret());
        assert_eq!(check, Check::Valid, "{code}");
        let wrong = message_authenticator::check_reply(&answer, &[0; 16], &secret());
        assert_eq!(wrong, Check::Invalid, "{code}: it covers the Authenticator of the request");
    }
}

#[test]
fn b5_its_place_in_a_request_does_not_matter() {
    for before in 0..=5 {
        let octets = request(before);
        let packet = Packet::parse(&octets).expect("well formed");
        assert_eq!(message_authenticator::check_request(&packet, &secret()), Check::Valid, "{before}");
    }
}

#[test]
fn c6_every_octet_of_a_request_is_covered() {
    let good = request(2);
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        if let Ok(packet) = Packet::parse(&changed) {
            let check = message_authenticator::check_request(&packet, &secret());
            assert_ne!(check, Check::Valid, "octet {place}");
        }
    }
}

#[test]
fn c6_wrong_repeated_and_short_ones_must_be_discarded_and_a_missing_one_is_policy() {
    assert!(Check::Invalid.must_discard());
    assert!(Check::Repeated.must_discard());
    assert!(Check::BadLength.must_discard());
    assert!(!Check::Valid.must_discard());
    assert!(!Check::Absent.must_discard());
}

#[test]
fn section_5_14_a_secret_longer_than_a_block_is_hashed_first() {
    let long = Secret::new(&[b'k'; 100]).expect("not empty");
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::StatusServer, 1);
    builder.reserve_message_authenticator().expect("fits");
    let octets = builder.finish_access_request(&long, [0; 16]);
    // HMAC-MD5 under 100 octets "k", computed with Python's hmac module.
    assert_eq!(hex::encode(&octets[22..38]), "38b0f1fddc7e922a95df185a5435b51b");
}
