//! Packets that other projects and the RFCs publish as tests, and real RouterOS packets. They belong to their
//! authors and are not part of this project: they are read in place from the folder that `MLANGO_SHARED`
//! names, or `../shared` beside the workspace. Where it is not there, these tests say so and pass; the vectors
//! of our own cover the same ground.

use std::path::PathBuf;

use radius_proto::attribute::{ValueType, mikrotik, rfc2865};
use radius_proto::dictionary::{AttributeDef, Dictionary};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::password::{chap, mschap, pap};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, ParseError, Secret, authenticator};
use serde_json::Value;

use crate::support;

/// The text of a file of the shared folder; `None`, said aloud, if the folder is not there.
fn shared(file: &str) -> Option<String> {
    let folder = std::env::var_os("MLANGO_SHARED")
        .map_or_else(|| support::workspace().join("../shared"), PathBuf::from)
        .join("data");
    if !folder.is_dir() {
        println!("{} is not there: going on with the project's own vectors only", folder.display());
        return None;
    }
    let path = folder.join(file);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn lines(file: &str) -> Vec<Value> {
    let Some(text) = shared(file) else {
        return Vec::new();
    };
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let records: Vec<Value> = text.lines().map(parse).collect();
    assert!(!records.is_empty(), "{file} is empty");
    records
}

/// Whether the server would throw the packet away before it looks at who is asking: the rules that need no
/// secret. The published verdicts include these.
fn must_discard(packet: &Packet<'_>) -> bool {
    let any = Secret::new(b"any").expect("not empty");
    match message_authenticator::check_request(packet, &any) {
        Check::BadLength | Check::Repeated => true,
        Check::Absent => packet.code() == Code::StatusServer,
        Check::Valid | Check::Invalid => false,
    }
}

/// Attributes as `[type, "hex"]`, the form of the records.
fn attributes(packet: &Packet<'_>) -> Value {
    let pair =
        |attribute: radius_proto::Attribute<'_>| serde_json::json!([attribute.kind, hex::encode(attribute.value)]);
    packet.attributes().map(pair).collect()
}

#[test]
fn published_packets() {
    for record in lines("packets/packets.jsonl") {
        let name = support::text(&record, "name");
        let mut datagram = support::octets(support::text(&record, "hex"));
        let expect = &record["expect"];
        let accepted = expect["verdict"] == "accept";
        // Some sources send codes that are assigned but that we do not speak, and so refuse (RFC 2865 section
        // 3). The rest of such a packet is checked under another code.
        let code = expect["code"].as_u64().and_then(|code| u8::try_from(code).ok());
        let foreign = code.filter(|&code| accepted && Code::from_u8(code).is_none());
        if let Some(code) = foreign {
            assert_eq!(Packet::parse(&datagram), Err(ParseError::UnknownCode(code)), "{name}");
            datagram[0] = Code::AccessRequest.as_u8();
        }
        let packet = match Packet::parse(&datagram) {
            Err(error) => {
                assert!(!accepted, "{name}: {error}");
                continue;
            }
            Ok(packet) => packet,
        };
        assert_eq!(!must_discard(&packet), accepted, "{name}");
        if accepted {
            check_packet(name, &record, &packet, code);
        }
    }
}

fn check_packet(name: &str, record: &Value, packet: &Packet<'_>, code: Option<u8>) {
    let expect = &record["expect"];
    if let Some(known) = code.and_then(Code::from_u8) {
        assert_eq!(packet.code(), known, "{name}");
    }
    assert_eq!(Some(u64::from(packet.identifier())), expect["id"].as_u64(), "{name}");
    assert_eq!(u64::try_from(packet.as_bytes().len()).ok(), expect["length"].as_u64(), "{name}");
    assert_eq!(hex::encode(packet.authenticator()), support::text(expect, "authenticator"), "{name}");
    assert_eq!(attributes(packet), expect["attrs"], "{name}");
    let Some(secret) = record["secret"].as_str().map(support::secret) else {
        return;
    };
    let request = support::request_authenticator(record);
    if let Some(valid) = expect["authenticator_valid"].as_bool() {
        assert_eq!(support::authenticator_is_valid(packet, request, &secret), valid, "{name}");
    }
    if let Some(valid) = expect["message_authenticator_valid"].as_bool() {
        assert_eq!(support::check(packet, request, &secret) == Check::Valid, valid, "{name}");
    }
    if let Some(password) = expect["user_password"].as_str() {
        let hidden = packet.get(rfc2865::USER_PASSWORD).unwrap_or_else(|| panic!("{name}: no User-Password"));
        assert!(pap::verify(hidden, packet.authenticator(), &secret, password.as_bytes()), "{name}");
    }
}

/// Attributes that other projects decode much deeper than we do; for us each must pass or fail as a packet,
/// keep its octets, and never stop the rest from being read.
#[test]
fn published_attributes() {
    for record in lines("packets/attributes.jsonl") {
        let name = support::text(&record, "name");
        let datagram = support::octets(support::text(&record, "as_access_request_hex"));
        let accepted = record["expect"]["packet_verdict"] == "accept";
        let parsed = Packet::parse(&datagram);
        assert_eq!(parsed.is_ok(), accepted, "{name}: {parsed:?}");
        let Ok(packet) = parsed else { continue };
        assert!(!must_discard(&packet), "{name}");
        let mut rebuilt = Vec::new();
        for attribute in packet.attributes() {
            rebuilt.extend([attribute.kind, u8::try_from(attribute.value.len() + 2).expect("parsed from one octet")]);
            rebuilt.extend(attribute.value);
        }
        assert_eq!(hex::encode(rebuilt), support::text(&record, "hex"), "{name}");
    }
}

#[test]
fn published_computations() {
    for record in lines("packets/crypto.jsonl") {
        let name = support::text(&record, "name");
        match support::text(&record, "alg") {
            "chap" => {
                let id = record["chap_id"].as_u64().and_then(|id| u8::try_from(id).ok()).expect("one octet");
                let challenge = support::octets(support::text(&record, "challenge"));
                let made = chap::response(id, support::text(&record, "password").as_bytes(), &challenge);
                assert_eq!(hex::encode(&made[1..]), support::text(&record, "response"), "{name}");
            }
            "user-password" => {
                // This source hashes an Authenticator of seventeen octets, which no packet can carry, so the
                // shape is all that can be compared here.
                assert_eq!(support::octets(support::text(&record, "authenticator")).len(), 17, "{name}");
                assert_eq!(support::octets(support::text(&record, "cipher")).len(), 16, "{name}");
            }
            "mschapv2" => {
                let field = |field| support::octets(support::text(&record, field));
                let challenge: [u8; 16] = field("auth_challenge").try_into().expect("sixteen octets");
                let peer: [u8; 16] = field("peer_challenge").try_into().expect("sixteen octets");
                let (user, password) = (support::text(&record, "username"), support::text(&record, "password"));
                let response = mschap::response_v2(1, &challenge, &peer, user.as_bytes(), password.as_bytes());
                let response = response.unwrap_or_else(|| panic!("{name}: no response"));
                assert_eq!(response[26..], field("nt_response"), "{name}");
                let proof = mschap::verify_v2(&challenge, &response, user.as_bytes(), password.as_bytes());
                let proof = proof.unwrap_or_else(|| panic!("{name}: not verified"));
                assert_eq!(proof.success[1..], *support::text(&record, "authenticator_response").as_bytes(), "{name}");
            }
            // Its Authenticator has eight octets, which no packet can carry; `vectors` has one of sixteen.
            "salt-encrypt (RFC 2868 3.5)" => {
                assert_eq!(support::octets(support::text(&record, "authenticator")).len(), 8, "{name}");
            }
            unknown => panic!("{name}: no test for {unknown}"),
        }
    }
}

/// The real packets are published as names and values. Each is written from those by our dictionary, in their
/// order, and must read back and print the same.
#[test]
fn routeros_packets() {
    let Some(text) = shared("routeros/packets.json") else {
        return;
    };
    let dictionary = support::dictionary();
    let records: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(!records.is_empty());
    let secret = support::secret("a secret of our making");
    for record in &records {
        let name = support::text(record, "name");
        let code = Code::ALL.into_iter().find(|code| code.name() == support::text(record, "code"));
        let code = code.unwrap_or_else(|| panic!("{name}: unknown code"));
        let pairs: Vec<(&str, &str)> = record["attributes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value")))
            .collect();
        let mut buf = [0; MAX_PACKET];
        let octets = write_by_name(&dictionary, &mut buf, code, &pairs, &secret);
        let packet = Packet::parse(octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = dictionary.show(&packet).to_string();
        let shown: Vec<&str> = shown.lines().skip(1).map(str::trim_start).collect();
        assert_eq!(shown.len(), pairs.len(), "{name}: {shown:?}");
        for (line, (attribute, value)) in shown.iter().zip(&pairs) {
            check_line(name, line, attribute, value);
        }
        if code.is_hashed_request() {
            assert!(authenticator::verify_request(&packet, &secret), "{name}");
        }
    }
}

/// The Authenticator under which [`write_by_name`] signs and hides.
const AUTHENTICATOR: [u8; 16] = [0x5a; 16];

fn write_by_name<'b>(
    dictionary: &Dictionary,
    buf: &'b mut [u8; MAX_PACKET],
    code: Code,
    pairs: &[(&str, &str)],
    secret: &Secret,
) -> &'b [u8] {
    let mut builder = Builder::new(buf, code, 1);
    for (name, value) in pairs {
        let def = dictionary.attribute(name).unwrap_or_else(|| panic!("{name} is in no dictionary"));
        let kind = u8::try_from(def.number).expect("one octet");
        let octets = encode(def, value);
        match (def.vendor, kind) {
            (0, 80) => builder.reserve_message_authenticator().expect("fits"),
            (0, 2) => drop(builder.put_user_password(&octets, &AUTHENTICATOR, secret).expect("fits")),
            (0, _) => drop(builder.put_raw(kind, &octets).expect("fits")),
            _ => drop(builder.put_vendor_raw(def.vendor, kind, &octets).expect("fits")),
        }
    }
    match code {
        Code::AccessRequest => builder.finish_access_request(secret, AUTHENTICATOR),
        _ if code.is_hashed_request() => builder.finish_hashed_request(secret),
        _ => builder.finish_reply(secret, &AUTHENTICATOR),
    }
}

fn encode(def: &AttributeDef, value: &str) -> Vec<u8> {
    match def.value_type.unwrap_or_else(|| panic!("{} has no type", def.name)) {
        ValueType::Text => value.as_bytes().to_vec(),
        ValueType::Octets => support::octets(value.trim_start_matches("0x")),
        ValueType::Ipv4 => value.parse::<std::net::Ipv4Addr>().expect("an address").octets().to_vec(),
        ValueType::Integer => {
            let number = value.parse().ok().or_else(|| def.value_number(value));
            number.unwrap_or_else(|| panic!("{} has no value {value}", def.name)).to_be_bytes().to_vec()
        }
        // The sources print dates in three ways; which instant it was is not what is tested here.
        ValueType::Date => 1_790_000_000_u32.to_be_bytes().to_vec(),
        other => panic!("{}: no test for {other:?}", def.name),
    }
}

fn check_line(name: &str, line: &str, attribute: &str, value: &str) {
    let (shown_name, shown) = line.split_once(" = ").unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(shown_name.eq_ignore_ascii_case(attribute), "{name}: {line}");
    match attribute {
        "User-Password" | "CHAP-Password" => assert_eq!(shown, "<masked>", "{name}"),
        "Event-Timestamp" => assert_eq!(shown, "2026-09-21T14:13:20Z", "{name}"),
        "Message-Authenticator" => assert_eq!(shown.len(), value.len(), "{name}"),
        _ => assert_eq!(shown.trim_matches('"'), value, "{name}: {attribute}"),
    }
}

#[test]
fn routeros_passwords_and_session_ids() {
    let Some(text) = shared("routeros/vectors.json") else {
        return;
    };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let list = |field: &str| vectors[field].as_array().unwrap_or_else(|| panic!("no list {field}")).clone();

    let form = &vectors["http_chap_web_form"];
    let id = support::octets(support::text(form, "chap_id_hex"))[0];
    let challenge = support::octets(support::text(form, "chap_challenge_hex"));
    for vector in form["vectors"].as_array().expect("a list") {
        let made = chap::response(id, support::text(vector, "password").as_bytes(), &challenge);
        assert_eq!(hex::encode(&made[1..]), support::text(vector, "password_field"), "{vector}");
    }
    for vector in list("radius_chap") {
        let mut response = vec![u8::try_from(vector["id"].as_u64().expect("a number")).expect("one octet")];
        response.extend(support::octets(support::text(&vector, "response")));
        let challenge = support::octets(support::text(&vector, "challenge"));
        assert!(chap::verify(&response, &challenge, support::text(&vector, "password").as_bytes()), "{vector}");
        assert!(!chap::verify(&response, &challenge, b"another"), "{vector}");
    }
    for vector in list("radius_pap") {
        let hidden = support::octets(support::text(&vector, "cipher"));
        let authenticator = support::request_authenticator(&vector).expect("sixteen octets");
        let secret = support::secret(support::text(&vector, "secret"));
        assert!(
            pap::verify(&hidden, &authenticator, &secret, support::text(&vector, "password").as_bytes()),
            "{vector}"
        );
    }
    for vector in list("acct_session_id_layout") {
        let id = mikrotik::SessionId::parse(support::text(&vector, "id").as_bytes()).expect("eight digits");
        assert_eq!(format!("{:02x}", id.service), support::text(&vector, "service_byte"), "{vector}");
        assert_eq!(Some(u64::from(id.boot)), vector["boot_nibble"].as_u64(), "{vector}");
        assert_eq!(Some(u64::from(id.counter)), vector["counter"].as_u64(), "{vector}");
    }
}
