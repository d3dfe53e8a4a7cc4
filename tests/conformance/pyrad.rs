//! The Python package pyrad as a second peer that shares no code with us: what we encode it decodes, with equal
//! attributes, accepted proofs and the same passwords and keys, and the other way round. Both sides take their names
//! from our dictionary. `pyrad_peer.py` is the other half; the interpreter that runs it is named by `MLANGO_PYRAD`,
//! and where that is not set these tests say so and pass.
//!
//! Its known faults and habits, and how these tests step around them:
//! * it holds values by attribute, so the order across attributes is not compared;
//! * it computes the Message-Authenticator of an Accounting-Response over sixteen zeros, as FreeRADIUS does and no
//!   RFC says; ours carry none there;
//! * it reads a revealed User-Password as UTF-8 and drops what is not, so the passwords here are text;
//! * it takes attribute type 0 and an empty value, so those are not generated.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use radius_proto::attribute::{microsoft, mikrotik, rfc2865, rfc2869, rfc3162};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::password::{chap, mppe, mschap, pap};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};
use serde_json::{Value, json};

use crate::support::{octets, text, workspace};

/// Requests and answers of each test.
const CASES: usize = 200;

/// Kinds of request: the name that the script uses, our Code, and the Codes that answer it.
const KINDS: [(&str, Code, &[Code]); 5] = [
    ("access", Code::AccessRequest, &[Code::AccessAccept, Code::AccessReject, Code::AccessChallenge]),
    ("status", Code::StatusServer, &[Code::AccessAccept]),
    ("accounting", Code::AccountingRequest, &[Code::AccountingResponse]),
    ("disconnect", Code::DisconnectRequest, &[Code::DisconnectAck, Code::DisconnectNak]),
    ("coa", Code::CoaRequest, &[Code::CoaAck, Code::CoaNak]),
];

/// Vendor (0 for none), number, value.
type Attributes = Vec<(u32, u8, Vec<u8>)>;

/// What both sides are asked to say.
#[derive(Clone, Debug)]
struct Case {
    kind: usize,
    identifier: u8,
    secret: Vec<u8>,
    random: [u8; 16],
    /// Only an Access-Request has it.
    password: Password,
    attributes: Attributes,
    signed: bool,
}

#[derive(Clone, Debug)]
enum Password {
    Pap(String),
    /// Identifier, password, and the challenge, which is the Request Authenticator if it is empty.
    Chap(u8, Vec<u8>, Vec<u8>),
}

impl Case {
    fn name(&self) -> &'static str {
        KINDS[self.kind].0
    }

    fn code(&self) -> Code {
        KINDS[self.kind].1
    }

    fn secret(&self) -> Secret {
        Secret::new(&self.secret).expect("at least one octet")
    }
}

fn attributes() -> impl Strategy<Value = Attributes> {
    // Written by other means: passwords, Vendor-Specific, Proxy-State, CHAP-Challenge, Message-Authenticator.
    let kind = (1..=255_u8).prop_filter("made apart", |kind| ![2, 3, 26, 33, 60, 80].contains(kind));
    let standard = (Just(0), kind, vec(any::<u8>(), 1..=253));
    let vendor = (prop_oneof![Just(14988), Just(311), Just(14122), 1..=0x00ff_ffff_u32], 1..=255_u8);
    let vendor = (vendor, vec(any::<u8>(), 1..=247)).prop_map(|((vendor, kind), value)| (vendor, kind, value));
    vec(prop_oneof![3 => standard.boxed(), 1 => vendor.boxed()], 0..12)
}

fn case() -> impl Strategy<Value = Case> {
    let password = prop_oneof![
        "[ -~é€𝄞]{0,30}".prop_map(Password::Pap),
        (any::<u8>(), vec(any::<u8>(), 0..40), prop_oneof![Just(vec![]), vec(any::<u8>(), 1..=64)])
            .prop_map(|(id, password, challenge)| Password::Chap(id, password, challenge)),
    ];
    let head = (0..KINDS.len(), any::<u8>(), vec(any::<u8>(), 1..80), any::<[u8; 16]>());
    (head, password, attributes(), any::<bool>()).prop_map(
        |((kind, identifier, secret, random), password, attributes, signed)| {
            // Status-Server must be signed (RFC 5997 section 3).
            let signed = signed || KINDS[kind].0 == "status";
            Case { kind, identifier, secret, random, password, attributes, signed }
        },
    )
}

/// Random cases from a seed, which is printed: `MLANGO_SEED` repeats a run.
fn cases<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let given = std::env::var("MLANGO_SEED").ok().map(|seed| seed.parse().expect("MLANGO_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("MLANGO_SEED={seed}");
    let mut octets = [0; 32];
    octets[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &octets);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut draw = || strategy.new_tree(&mut runner).expect("a value can be made").current();
    (0..CASES).map(|_| draw()).collect()
}

/// Has pyrad carry out the tasks; `None`, said aloud, where there is no pyrad.
fn pyrad(tasks: Vec<Value>) -> Option<Vec<Value>> {
    let Some(python) = std::env::var_os("MLANGO_PYRAD") else {
        println!("skipped: pyrad is not installed (MLANGO_PYRAD is not set)");
        return None;
    };
    let mut child = Command::new(python)
        .arg(workspace().join("tests/conformance/pyrad_peer.py"))
        .arg(workspace().join("dictionaries/dictionary"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter that MLANGO_PYRAD names starts");
    let mut input = child.stdin.take().expect("piped");
    // Written beside reading, so that neither side waits for the other with a full pipe.
    let writer = std::thread::spawn(move || input.write_all(Value::from(tasks).to_string().as_bytes()));
    let output = child.wait_with_output().expect("its own child");
    assert!(output.status.success(), "pyrad_peer.py failed: {}", String::from_utf8_lossy(&output.stderr));
    writer.join().expect("the writer does not panic").expect("the script reads its tasks");
    let answers: Value = serde_json::from_slice(&output.stdout).expect("the script writes JSON");
    Some(answers.as_array().expect("a list").clone())
}

fn written(attributes: &Attributes) -> Value {
    attributes.iter().map(|(vendor, kind, value)| json!([vendor, kind, hex::encode(value)])).collect()
}

/// Values by vendor and number, in the order of the wire.
type ByName = BTreeMap<(u32, u8), Vec<Vec<u8>>>;

fn by_name(attributes: impl IntoIterator<Item = (u32, u8, Vec<u8>)>) -> ByName {
    let mut out = ByName::new();
    for (vendor, kind, value) in attributes {
        out.entry((vendor, kind)).or_default().push(value);
    }
    out
}

/// The attributes of our own reading, Vendor-Specific opened; those that are made apart are left out.
fn ours(packet: &Packet<'_>) -> ByName {
    by_name(packet.attributes().filter(|attribute| ![2, 3, 33, 60, 80].contains(&attribute.kind)).map(
        |attribute| match (attribute.kind, attribute.value.split_first_chunk::<4>()) {
            (26, Some((vendor, inner))) => (u32::from_be_bytes(*vendor), inner[0], inner[2..].to_vec()),
            _ => (0, attribute.kind, attribute.value.to_vec()),
        },
    ))
}

/// The attributes that pyrad read, likewise.
fn theirs(answer: &Value) -> ByName {
    let number = |value: &Value| value.as_u64().expect("a number");
    by_name(answer["attributes"].as_array().expect("a list").iter().filter_map(|triple| {
        let vendor = u32::try_from(number(&triple[0])).expect("32 bits");
        let kind = u8::try_from(number(&triple[1])).expect("one octet");
        let made_apart = vendor == 0 && [2, 3, 33, 60, 80].contains(&kind);
        (!made_apart).then(|| (vendor, kind, octets(triple[2].as_str().expect("digits"))))
    }))
}

/// Our own request.
fn request(case: &Case) -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, case.code(), case.identifier);
    if case.code() == Code::AccessRequest {
        match &case.password {
            Password::Pap(password) => {
                builder.put_user_password(password.as_bytes(), &case.random, &case.secret()).expect("fits");
            }
            Password::Chap(id, password, challenge) => {
                let asked = if challenge.is_empty() { &case.random[..] } else { challenge };
                builder.put(rfc2865::CHAP_PASSWORD, &chap::response(*id, password, asked)).expect("fits");
                if !challenge.is_empty() {
                    builder.put(rfc2865::CHAP_CHALLENGE, challenge).expect("fits");
                }
            }
        }
    }
    put(&mut builder, &case.attributes);
    if case.signed {
        builder.reserve_message_authenticator().expect("fits");
    }
    builder.put(rfc2865::PROXY_STATE, b"one").expect("fits").put(rfc2865::PROXY_STATE, b"two").expect("fits");
    match case.code() {
        Code::AccessRequest | Code::StatusServer => builder.finish_access_request(&case.secret(), case.random).to_vec(),
        _ => builder.finish_hashed_request(&case.secret()).to_vec(),
    }
}

fn put(builder: &mut Builder<'_>, attributes: &Attributes) {
    for (vendor, kind, value) in attributes {
        match vendor {
            0 => builder.put_raw(*kind, value).expect("twelve attributes fit"),
            _ => builder.put_vendor_raw(*vendor, *kind, value).expect("twelve attributes fit"),
        };
    }
}

#[test]
fn we_read_what_pyrad_asks() {
    let cases = cases(&case());
    let task = |case: &Case| {
        let mut task = json!({
            "do": "encode_request", "kind": case.name(), "identifier": case.identifier,
            "secret": hex::encode(&case.secret), "authenticator": hex::encode(case.random),
            "attributes": written(&case.attributes), "signed": case.signed,
        });
        match &case.password {
            _ if case.code() != Code::AccessRequest => {}
            Password::Pap(password) => task["pap"] = hex::encode(password).into(),
            Password::Chap(id, password, challenge) => {
                task["chap_id"] = (*id).into();
                task["chap"] = hex::encode(password).into();
                task["challenge"] = hex::encode(challenge).into();
            }
        }
        task
    };
    let Some(answers) = pyrad(cases.iter().map(task).collect()) else { return };
    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(&answers) {
        let datagram = octets(text(answer, "packet"));
        let packet = Packet::parse(&datagram).unwrap_or_else(|error| panic!("{case:?}: {error}"));
        assert_eq!((packet.code(), packet.identifier()), (case.code(), case.identifier), "{case:?}");
        assert_eq!(ours(&packet), by_name(case.attributes.clone()), "{case:?}");
        check_request(case, &packet);
    }
}

/// Proofs and password of a request that pyrad made.
fn check_request(case: &Case, packet: &Packet<'_>) {
    let (secret, wrong) = (case.secret(), Secret::new(b"the secret of nobody").expect("not empty"));
    assert_eq!(authenticator::verify_request(packet, &secret), case.code().is_hashed_request(), "{case:?}");
    assert!(!authenticator::verify_request(packet, &wrong), "{case:?}");
    let (right, other) = if case.signed { (Check::Valid, Check::Invalid) } else { (Check::Absent, Check::Absent) };
    assert_eq!(message_authenticator::check_request(packet, &secret), right, "{case:?}");
    assert_eq!(message_authenticator::check_request(packet, &wrong), other, "{case:?}");
    if case.code() != Code::AccessRequest {
        return;
    }
    assert_eq!(*packet.authenticator(), case.random, "{case:?}");
    match &case.password {
        Password::Pap(password) => {
            let hidden = packet.get(rfc2865::USER_PASSWORD).unwrap_or_else(|| panic!("{case:?}"));
            let mut plain = [0; 128];
            let revealed = pap::reveal(hidden, packet.authenticator(), &secret, &mut plain);
            assert_eq!(revealed, Some(password.as_bytes()), "{case:?}");
            assert!(pap::verify(hidden, packet.authenticator(), &secret, password.as_bytes()), "{case:?}");
            assert!(!pap::verify(hidden, packet.authenticator(), &wrong, password.as_bytes()), "{case:?}");
        }
        Password::Chap(_, password, _) => {
            let response = packet.get(rfc2865::CHAP_PASSWORD).unwrap_or_else(|| panic!("{case:?}"));
            assert!(chap::verify(response, chap::challenge(packet), password), "{case:?}");
            assert!(!chap::verify(response, chap::challenge(packet), b"nobody's password of thirty-nine letters"));
        }
    }
}

#[test]
fn pyrad_reads_what_we_ask() {
    let cases = cases(&case());
    let task = |case: &Case| {
        let mut task = json!({
            "do": "decode_request", "kind": case.name(), "packet": hex::encode(request(case)),
            "secret": hex::encode(&case.secret),
        });
        if let (Code::AccessRequest, Password::Chap(_, password, _)) = (case.code(), &case.password) {
            task["chap"] = hex::encode(password).into();
        }
        task
    };
    let Some(answers) = pyrad(cases.iter().map(task).collect()) else { return };
    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(&answers) {
        assert_eq!(answer["code"], case.code().as_u8(), "{case:?}");
        assert_eq!(answer["identifier"], case.identifier, "{case:?}");
        assert_eq!(theirs(answer), by_name(case.attributes.clone()), "{case:?}");
        let hashed = if case.code().is_hashed_request() { json!(true) } else { Value::Null };
        assert_eq!(answer["authenticator"], hashed, "{case:?}");
        let signed = if case.signed { json!(true) } else { Value::Null };
        assert_eq!(answer["message_authenticator"], signed, "{case:?}");
        match &case.password {
            _ if case.code() != Code::AccessRequest => {}
            Password::Pap(password) => assert_eq!(answer["pap"], hex::encode(password), "{case:?}"),
            Password::Chap(..) => assert_eq!(answer["chap"], true, "{case:?}"),
        }
    }
}

/// An answer: the Code by its place in the list, values for attributes that have names, and a password for keys.
#[derive(Clone, Debug)]
struct Answer {
    case: Case,
    code: Code,
    attributes: Attributes,
    seconds: u32,
    address: [u8; 4],
    rate: String,
    prefix: ([u8; 16], u8),
    keys: ([u8; 16], String),
    signed: bool,
}

fn answer() -> impl Strategy<Value = Answer> {
    let values = (any::<u32>(), any::<[u8; 4]>(), "[0-9]{1,3}[kM]/[0-9]{1,3}[kM]", (any::<[u8; 16]>(), 0..=128_u8));
    let rest = (any::<prop::sample::Index>(), any::<[u8; 16]>(), "[a-zé€𝄞]{0,40}", any::<bool>());
    (case(), attributes(), values, rest).prop_map(
        |(case, attributes, values, (choice, challenge, password, signed))| {
            let codes = KINDS[case.kind].2;
            let code = codes[choice.index(codes.len())];
            // An answer to an Access-Request or Status-Server is always signed; an Accounting-Response here never.
            let signed = matches!(code, Code::AccessAccept | Code::AccessReject | Code::AccessChallenge)
                || (signed && code != Code::AccountingResponse);
            let (seconds, address, rate, prefix) = values;
            // These have values of their own below, or belong to the other tests.
            let attributes = attributes
                .into_iter()
                .filter(|(vendor, kind, _)| match vendor {
                    0 => ![6, 8, 25, 27, 55, 96, 97].contains(kind),
                    14988 => *kind != 8,
                    311 => ![12, 16, 17, 26].contains(kind),
                    _ => true,
                })
                .collect();
            Answer { case, code, attributes, seconds, address, rate, prefix, keys: (challenge, password), signed }
        },
    )
}

impl Answer {
    fn prefix(&self) -> radius_proto::attribute::Prefix {
        radius_proto::attribute::Prefix::new(self.prefix.0.into(), self.prefix.1).expect("at most 128")
    }

    /// Proofs of both versions of MS-CHAP, from which keys come.
    fn proofs(&self) -> (mschap::V1Proof, mschap::V2Proof) {
        let (challenge, password) = (&self.keys.0, self.keys.1.as_bytes());
        let first = challenge.first_chunk().expect("eight of sixteen");
        let v1 = mschap::response_v1(9, first, password).expect("short text");
        let v2 = mschap::response_v2(9, challenge, &self.case.random, b"User", password).expect("short text");
        (
            mschap::verify_v1(first, &v1, password).expect("right"),
            mschap::verify_v2(challenge, &v2, b"User", password).expect("right"),
        )
    }

    /// Attributes by their names in our dictionary, with values as pyrad writes and reads them.
    fn named(&self) -> Vec<(&'static str, Value)> {
        let keys = self.proofs().1.session_keys();
        let address = std::net::Ipv4Addr::from(self.address);
        vec![
            ("Session-Timeout", self.seconds.into()),
            ("Service-Type", "Login-User".into()),
            ("Event-Timestamp", self.seconds.into()),
            ("Framed-IP-Address", address.to_string().into()),
            ("Framed-IPv6-Prefix", self.prefix().to_string().into()),
            ("Framed-Interface-Id", "1:2:3:ffff".into()),
            ("Mikrotik-Rate-Limit", self.rate.clone().into()),
            ("Class", format!("0x{}", hex::encode(self.case.random)).into()),
            ("MS-CHAP2-Success", format!("0x{}", hex::encode(self.proofs().1.success)).into()),
            ("MS-MPPE-Send-Key", format!("0x{}", hex::encode(*keys.send)).into()),
            ("MS-MPPE-Recv-Key", format!("0x{}", hex::encode(*keys.receive)).into()),
        ]
    }

    /// Our own answer to a request of ours.
    fn build(&self, request: &Packet<'_>) -> Vec<u8> {
        let secret = self.case.secret();
        let (v1, v2) = self.proofs();
        let mut buf = [0; MAX_PACKET];
        let mut builder = reply(&mut buf, self.code, request).expect("fits");
        let mut write = || {
            put(&mut builder, &self.attributes);
            builder.copy_proxy_state(request)?;
            builder.put(rfc2865::SESSION_TIMEOUT, self.seconds)?;
            builder.put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)?;
            builder.put(rfc2869::EVENT_TIMESTAMP, self.seconds)?;
            builder.put(rfc2865::FRAMED_IP_ADDRESS, self.address.into())?;
            builder.put(rfc3162::FRAMED_IPV6_PREFIX, self.prefix())?;
            builder.put(rfc3162::FRAMED_INTERFACE_ID, [0, 1, 0, 2, 0, 3, 0xff, 0xff])?;
            builder.put(mikrotik::RATE_LIMIT, self.rate.as_bytes())?;
            builder.put(rfc2865::CLASS, &self.case.random)?;
            builder.put_ms_chap2_success(&v2)?;
            builder.put_mppe_keys(&v2.session_keys(), 0x1234, request.authenticator(), &secret)?;
            builder.put_ms_chap_mppe_keys(&v1, request.authenticator(), &secret).map(|_| ())
        };
        write().expect("an answer fits in a packet");
        if self.signed && !self.code_signs_itself() {
            builder.reserve_message_authenticator().expect("fits");
        }
        builder.finish_reply(&secret, request.authenticator()).to_vec()
    }

    fn code_signs_itself(&self) -> bool {
        matches!(self.code, Code::AccessAccept | Code::AccessReject | Code::AccessChallenge)
    }
}

#[test]
fn pyrad_accepts_our_answers() {
    let answers = cases(&answer());
    let task = |answer: &Answer, secret: &[u8]| {
        let request = request(&answer.case);
        let packet = Packet::parse(&request).expect("our own request");
        let names: Vec<&str> = answer.named().iter().map(|(name, _)| *name).collect();
        json!({
            "do": "decode_reply", "kind": answer.case.name(), "request": hex::encode(&request),
            "secret": hex::encode(secret), "packet": hex::encode(answer.build(&packet)), "signed": answer.signed,
            "names": names,
        })
    };
    let tasks = answers.iter().map(|answer| task(answer, &answer.case.secret)).collect();
    let Some(read) = pyrad(tasks) else { return };
    assert_eq!(read.len(), answers.len());
    for (answer, read) in answers.iter().zip(&read) {
        assert_eq!(read["verified"], true, "{answer:?}");
        assert_eq!(read["code"], answer.code.as_u8(), "{answer:?}");
        assert_eq!(read["identifier"], answer.case.identifier, "{answer:?}");
        for (name, value) in answer.named() {
            let value = value.as_str().map_or(value.clone(), |text| text.trim_start_matches("0x").into());
            assert_eq!(read["named"][name], json!([value]), "{name}: {answer:?}");
        }
        let raw = theirs(read);
        for (key, values) in by_name(answer.attributes.clone()) {
            assert_eq!(raw[&key], values, "{answer:?}");
        }
    }
    let other = |answer: &Answer| task(answer, b"the secret of nobody");
    let refused = pyrad(
        answers
            .iter()
            .take(20)
            .map(|answer| {
                let mut task = other(answer);
                task["names"] = json!([]);
                task
            })
            .collect(),
    );
    for read in refused.expect("it was there before") {
        assert_eq!(read["verified"], false, "under another secret");
    }
}

#[test]
fn we_accept_pyrads_answers() {
    let answers = cases(&answer());
    let task = |answer: &Answer| {
        let named: Vec<Value> = answer.named().into_iter().map(|(name, value)| json!([name, value])).collect();
        json!({
            "do": "encode_reply", "kind": answer.case.name(), "request": hex::encode(request(&answer.case)),
            "secret": hex::encode(&answer.case.secret), "code": answer.code.as_u8(), "signed": answer.signed,
            "attributes": written(&answer.attributes), "named": named,
            "v1_keys": hex::encode(*answer.proofs().0.mppe_keys()),
        })
    };
    let Some(made) = pyrad(answers.iter().map(task).collect()) else { return };
    assert_eq!(made.len(), answers.len());
    for (answer, made) in answers.iter().zip(&made) {
        let datagram = octets(text(made, "packet"));
        let packet = Packet::parse(&datagram).unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert_eq!((packet.code(), packet.identifier()), (answer.code, answer.case.identifier), "{answer:?}");
        check_answer(answer, &packet);
        let raw = ours(&packet);
        for (key, values) in by_name(answer.attributes.clone()) {
            assert_eq!(raw[&key], values, "{answer:?}");
        }
    }
}

/// Proofs, values and keys of an answer that pyrad made.
fn check_answer(answer: &Answer, packet: &Packet<'_>) {
    let request = request(&answer.case);
    let request = Packet::parse(&request).expect("our own request");
    let (secret, asked) = (answer.case.secret(), request.authenticator());
    let wrong = Secret::new(b"the secret of nobody").expect("not empty");
    assert!(authenticator::verify_reply(packet, asked, &secret), "{answer:?}");
    assert!(!authenticator::verify_reply(packet, asked, &wrong), "{answer:?}");
    let check = if answer.signed { Check::Valid } else { Check::Absent };
    assert_eq!(message_authenticator::check_reply(packet, asked, &secret), check, "{answer:?}");
    let states: Vec<&[u8]> = packet.all(rfc2865::PROXY_STATE).collect();
    assert_eq!(states, [b"one", b"two"], "{answer:?}");
    assert_eq!(packet.get(rfc2865::SESSION_TIMEOUT), Some(answer.seconds), "{answer:?}");
    assert_eq!(packet.get(rfc2865::SERVICE_TYPE), Some(rfc2865::service_type::LOGIN_USER), "{answer:?}");
    assert_eq!(packet.get(rfc2869::EVENT_TIMESTAMP), Some(answer.seconds), "{answer:?}");
    assert_eq!(packet.get(rfc2865::FRAMED_IP_ADDRESS), Some(answer.address.into()), "{answer:?}");
    assert_eq!(packet.get(rfc3162::FRAMED_IPV6_PREFIX), Some(answer.prefix()), "{answer:?}");
    assert_eq!(packet.get(rfc3162::FRAMED_INTERFACE_ID), Some([0, 1, 0, 2, 0, 3, 0xff, 0xff]), "{answer:?}");
    assert_eq!(packet.get(mikrotik::RATE_LIMIT), Some(answer.rate.as_bytes()), "{answer:?}");
    assert_eq!(packet.get(rfc2865::CLASS), Some(&answer.case.random[..]), "{answer:?}");
    let (v1, v2) = answer.proofs();
    let keys = v2.session_keys();
    let hidden = |attr| packet.get(attr).unwrap_or_else(|| panic!("{answer:?}"));
    let send = mppe::reveal_key(hidden(microsoft::MS_MPPE_SEND_KEY), asked, &secret);
    assert_eq!(send, Some(keys.send), "{answer:?}");
    let receive = mppe::reveal_key(hidden(microsoft::MS_MPPE_RECV_KEY), asked, &secret);
    assert_eq!(receive, Some(keys.receive), "{answer:?}");
    let v1_keys = mppe::reveal_v1_keys(hidden(microsoft::MS_CHAP_MPPE_KEYS), asked, &secret);
    assert_eq!(v1_keys, Some(v1.mppe_keys()), "{answer:?}");
}
