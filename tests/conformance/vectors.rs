//! The vectors of our own making, each field of which is checked.

use radius_proto::attribute::rfc2865;
use radius_proto::message_authenticator::Check;
use radius_proto::password::{chap, pap};
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
