//! The vectors of our own making, each field of which is checked.

use radius_proto::attribute::{microsoft, rfc2865};
use radius_proto::message_authenticator::Check;
use radius_proto::password::mschap::{self, ErrorCode, Failure};
use radius_proto::password::{chap, mppe, pap};
use radius_proto::{Packet, Secret};
use serde_json::Value;

use crate::support;

fn records(file: &str) -> Vec<Value> {
    let path = support::workspace().join("tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_examples_of_rfc2865_section_7() {
    assert_eq!(check_all("rfc2865.json"), 7);
}

#[test]
fn packets_in_the_shape_of_routeros() {
    assert_eq!(check_all("routeros.json"), 16);
}

#[test]
fn logins_by_mschap_and_their_keys() {
    assert_eq!(check_all("mschap.json"), 5);
}

#[test]
fn malformed_datagrams_are_refused_for_the_right_reason() {
    assert_eq!(check_all("malformed.json"), 15);
}

#[test]
fn a_bad_message_authenticator_is_told_from_a_missing_one() {
    assert_eq!(check_all("unsigned.json"), 6);
}

/// Checks every record of a file and returns how many there were.
fn check_all(file: &str) -> usize {
    let dictionary = support::dictionary();
    let records = records(file);
    for record in &records {
        let name = support::text(record, "name");
        let datagram = support::octets(support::text(record, "hex"));
        let parsed = Packet::parse(&datagram);
        if let Some(reason) = record["discard"].as_str() {
            assert_eq!(parsed.err().map(|error| error.reason()), Some(reason), "{name}");
            continue;
        }
        let packet = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(packet.code().name(), support::text(record, "code"), "{name}");
        assert_eq!(Some(u64::from(packet.identifier())), record["identifier"].as_u64(), "{name}");
        if let Some(lines) = record["text"].as_array() {
            let shown = dictionary.show(&packet).to_string();
            let shown: Vec<&str> = shown.lines().skip(1).map(str::trim_start).collect();
            assert_eq!(shown, lines.iter().filter_map(Value::as_str).collect::<Vec<_>>(), "{name}");
        }
        let secret = support::secret(support::text(record, "secret"));
        check_proofs(name, record, &packet, &secret);
        check_passwords(name, record, &packet, &secret);
        check_mschap(name, record, &packet);
        check_keys(name, record, &packet, &secret);
    }
    records.len()
}

fn check_proofs(name: &str, record: &Value, packet: &Packet<'_>, secret: &Secret) {
    let other = support::secret("not the secret of any vector");
    let request = support::request_authenticator(record);
    if record["authenticator"] == "valid" {
        assert!(support::authenticator_is_valid(packet, request, secret), "{name}");
        assert!(!support::authenticator_is_valid(packet, request, &other), "{name}");
    }
    let expected = match support::text(record, "message_authenticator") {
        "valid" => Check::Valid,
        "absent" => Check::Absent,
        "invalid" => Check::Invalid,
        "repeated" => Check::Repeated,
        "bad_length" => Check::BadLength,
        unknown => panic!("{name}: {unknown}"),
    };
    assert_eq!(support::check(packet, request, secret), expected, "{name}");
    if expected == Check::Valid {
        assert_eq!(support::check(packet, request, &other), Check::Invalid, "{name}");
    }
}

fn check_passwords(name: &str, record: &Value, packet: &Packet<'_>, secret: &Secret) {
    if let Some(password) = record["pap"].as_str() {
        let hidden = packet.get(rfc2865::USER_PASSWORD).unwrap_or_else(|| panic!("{name}: no User-Password"));
        let mut out = [0; 128];
        let revealed = pap::reveal(hidden, packet.authenticator(), secret, &mut out);
        assert_eq!(revealed, Some(password.as_bytes()), "{name}");
        assert!(pap::verify(hidden, packet.authenticator(), secret, password.as_bytes()), "{name}");
        assert!(!pap::verify(hidden, packet.authenticator(), secret, b"another"), "{name}");
    }
    if let Some(password) = record["chap"].as_str() {
        let response = packet.get(rfc2865::CHAP_PASSWORD).unwrap_or_else(|| panic!("{name}: no CHAP-Password"));
        assert!(chap::verify(response, chap::challenge(packet), password.as_bytes()), "{name}");
        assert!(!chap::verify(response, chap::challenge(packet), b"another"), "{name}");
    }
}

fn check_mschap(name: &str, record: &Value, packet: &Packet<'_>) {
    let challenge = packet.get(microsoft::MS_CHAP_CHALLENGE).unwrap_or_default();
    if let Some(password) = record["mschap"].as_str() {
        let response = packet.get(microsoft::MS_CHAP_RESPONSE).unwrap_or_else(|| panic!("{name}: no response"));
        assert!(mschap::verify_v1(challenge, response, password.as_bytes()).is_some(), "{name}");
        assert!(mschap::verify_v1(challenge, response, b"another").is_none(), "{name}");
    }
    if let Some(password) = record["mschap2"].as_str() {
        let response = packet.get(microsoft::MS_CHAP2_RESPONSE).unwrap_or_else(|| panic!("{name}: no response"));
        let user = packet.get(rfc2865::USER_NAME).unwrap_or_else(|| panic!("{name}: no User-Name"));
        let proof = mschap::verify_v2(challenge, response, user, password.as_bytes());
        let proof = proof.unwrap_or_else(|| panic!("{name}: not verified"));
        assert!(mschap::verify_v2(challenge, response, user, b"another").is_none(), "{name}");
        // The answer to it is another record, in which the script wrote what it computed itself.
        let answers = records("mschap.json");
        let keys = answers.iter().map(|answer| &answer["mschap2_keys"]).find(|keys| keys.is_object());
        let keys = keys.unwrap_or_else(|| panic!("{name}: no answer has keys"));
        assert_eq!(hex::encode(proof.success), support::text(keys, "success"), "{name}");
        assert_eq!(hex::encode(*proof.session_keys().send), support::text(keys, "send"), "{name}");
        assert_eq!(hex::encode(*proof.session_keys().receive), support::text(keys, "receive"), "{name}");
    }
    if let Some(challenge) = record["mschap2_error"].as_str() {
        let challenge = support::octets(challenge).try_into().expect("sixteen octets");
        let failure = Failure::v2(7, ErrorCode::AuthenticationFailure, &challenge);
        assert_eq!(packet.get(microsoft::MS_CHAP_ERROR), Some(failure.as_bytes()), "{name}");
    }
}

fn check_keys(name: &str, record: &Value, packet: &Packet<'_>, secret: &Secret) {
    let Some(request) = support::request_authenticator(record) else { return };
    if record["mschap2_keys"].is_object() {
        let keys = &record["mschap2_keys"];
        for (attr, field) in [(microsoft::MS_MPPE_SEND_KEY, "send"), (microsoft::MS_MPPE_RECV_KEY, "receive")] {
            let hidden = packet.get(attr).unwrap_or_else(|| panic!("{name}: no {field} key"));
            let key = mppe::reveal_key(hidden, &request, secret).unwrap_or_else(|| panic!("{name}: {field}"));
            assert_eq!(hex::encode(*key), support::text(keys, field), "{name}");
            let salt = u16::from_be_bytes([hidden[0], hidden[1]]);
            assert_eq!(mppe::hide_key(&key, salt, &request, secret)[..], *hidden, "{name}");
        }
    }
    if let Some(keys) = record["mschap_keys"].as_str() {
        let hidden = packet.get(microsoft::MS_CHAP_MPPE_KEYS).unwrap_or_else(|| panic!("{name}: no keys"));
        let revealed = mppe::reveal_v1_keys(hidden, &request, secret).unwrap_or_else(|| panic!("{name}: not revealed"));
        assert_eq!(hex::encode(*revealed), keys, "{name}");
        assert_eq!(mppe::hide_v1_keys(&revealed, &request, secret)[..], *hidden, "{name}");
    }
}
