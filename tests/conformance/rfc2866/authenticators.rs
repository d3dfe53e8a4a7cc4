//! Section 3, the packet alone: the Authenticator of an Accounting-Request is a proof, and of its answer too.

use radius_proto::attribute::rfc2866::{self, acct_status_type};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

fn start() -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccountingRequest, 5);
    builder.put(rfc2866::ACCT_STATUS_TYPE, acct_status_type::START).expect("fits");
    builder.put(rfc2866::ACCT_SESSION_ID, b"80100014").expect("fits");
    builder.finish_hashed_request(&secret()).to_vec()
}

#[test]
fn a1_a_wrong_or_zero_authenticator_proves_nothing() {
    let good = start();
    assert!(authenticator::verify_request(&Packet::parse(&good).expect("well formed"), &secret()));
    let mut zero = good.clone();
    zero[4..20].fill(0);
    assert!(!authenticator::verify_request(&Packet::parse(&zero).expect("well formed"), &secret()));
    for place in (0..good.len()).filter(|place| ![0, 2, 3].contains(place)) {
        let mut changed = good.clone();
        changed[place] ^= 0x10;
        if let Ok(packet) = Packet::parse(&changed) {
            assert!(!authenticator::verify_request(&packet, &secret()), "octet {place}");
        }
    }
}

#[test]
fn a1_a_hash_proves_nothing_in_a_packet_whose_authenticator_is_none() {
    for code in Code::ALL {
        let mut buf = [0; MAX_PACKET];
        let octets = Builder::new(&mut buf, code, 5).finish_hashed_request(&secret());
        let packet = Packet::parse(octets).expect("well formed");
        let proved = authenticator::verify_request(&packet, &secret());
        assert_eq!(proved, code.is_hashed_request(), "{code}");

        let mut buf = [0; MAX_PACKET];
        let octets = Builder::new(&mut buf, code, 5).finish_reply(&secret(), &[6; 16]);
        let packet = Packet::parse(octets).expect("well formed");
        let proved = authenticator::verify_reply(&packet, &[6; 16], &secret());
        assert_eq!(proved, !code.is_request(), "{code}");
    }
}

#[test]
fn section_3_an_empty_response_answers_with_the_right_hash() {
    let request = start();
    let request = Packet::parse(&request).expect("well formed");
    let mut buf = [0; MAX_PACKET];
    let builder = reply(&mut buf, Code::AccountingResponse, &request).expect("fits");
    let octets = builder.finish_reply(&secret(), request.authenticator());
    assert_eq!((octets.len(), octets[1]), (20, 5));
    let response = Packet::parse(octets).expect("well formed");
    assert!(authenticator::verify_reply(&response, request.authenticator(), &secret()));
    assert!(!authenticator::verify_reply(&response, &[0; 16], &secret()));
    assert!(!authenticator::verify_request(&response, &secret()), "a response is no request");
}
