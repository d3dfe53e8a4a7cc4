//! Any octets are an error or a packet, and a packet that is written again reads the same.
//!
//! What the builder refuses by design is left out before the comparison: empty values, and a Message-Authenticator
//! that is not the one of sixteen octets which it computes itself. Every reader of a value runs over every packet:
//! typed look-ups, both proofs, passwords of all four kinds, and printing.

use std::sync::OnceLock;

use radius_proto::attribute::{Attr, Ipv6Prefix, Octets, TABLES, microsoft, rfc2865};
use radius_proto::dictionary::Dictionary;
use radius_proto::dynauth::{Action, Outcome, ReplyPolicy, Timers, Transaction};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::password::{chap, mppe, mschap, pap};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};

const MESSAGE_AUTHENTICATOR: u8 = 80;

/// Fails where reading panics, or where what is written reads differently.
pub(crate) fn run(data: &[u8]) {
    let packet = match Packet::parse(data) {
        Ok(packet) => packet,
        Err(error) => {
            assert!(!error.reason().is_empty() && !error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(packet.as_bytes(), &data[..packet.as_bytes().len()]);
    assert_eq!(Packet::parse(packet.as_bytes()), Ok(packet), "padding says nothing");
    let secret = Secret::new(b"between us two").expect("not empty");
    write_again(&packet, &secret);
    vendors_again(&packet, &secret);
    typed(&packet);
    passwords(&packet, &secret);
    printed(&packet);
    exchange(&packet, &secret);
}

/// Every attribute, in order, but those that the builder refuses.
fn writable<'a>(packet: &Packet<'a>) -> Vec<(u8, &'a [u8])> {
    let mut signed = false;
    let mut out = Vec::new();
    for attribute in packet.attributes() {
        let refused = match attribute.kind {
            MESSAGE_AUTHENTICATOR => std::mem::replace(&mut signed, true) || attribute.value.len() != 16,
            _ => attribute.value.is_empty(),
        };
        if !refused {
            out.push((attribute.kind, attribute.value));
        }
    }
    out
}

fn write_again(packet: &Packet<'_>, secret: &Secret) {
    let expected = writable(packet);
    let mut buf = [0xee; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, packet.code(), packet.identifier());
    for (kind, value) in &expected {
        match *kind {
            MESSAGE_AUTHENTICATOR => builder.reserve_message_authenticator().expect("it was in a packet"),
            kind => drop(builder.put_raw(kind, value).expect("it was in a packet")),
        }
    }
    let (code, seed) = (packet.code(), packet.authenticator());
    let octets = match code {
        Code::AccessRequest | Code::StatusServer => builder.finish_access_request(secret, *seed),
        _ if code.is_hashed_request() => builder.finish_hashed_request(secret),
        _ => builder.finish_reply(secret, seed),
    };
    let again = Packet::parse(octets).expect("what the builder writes is well formed");
    assert_eq!((again.code(), again.identifier()), (code, packet.identifier()));
    let (mut read, mut wanted) = (writable(&again), expected);
    for (kind, value) in read.iter_mut().chain(&mut wanted) {
        if *kind == MESSAGE_AUTHENTICATOR {
            *value = &[];
        }
    }
    assert_eq!(read, wanted);
    let signed = wanted.iter().any(|(kind, _)| *kind == MESSAGE_AUTHENTICATOR);
    let check = if code.is_request() {
        assert_eq!(authenticator::verify_request(&again, secret), code.is_hashed_request());
        message_authenticator::check_request(&again, secret)
    } else {
        assert!(authenticator::verify_reply(&again, seed, secret));
        message_authenticator::check_reply(&again, seed, secret)
    };
    assert_eq!(check, if signed { Check::Valid } else { Check::Absent });
}

/// What stands inside each Vendor-Specific, each in one of its own.
fn vendors_again(packet: &Packet<'_>, secret: &Secret) {
    for outer in packet.all(rfc2865::VENDOR_SPECIFIC) {
        let Some((vendor, &[kind, ..])) = outer.split_first_chunk::<4>() else { continue };
        let attr = Attr::<Octets>::vendor(u32::from_be_bytes(*vendor), kind, "any");
        // An enterprise number of 0 would name the standard space.
        if attr.vendor == 0 {
            continue;
        }
        let values: Vec<&[u8]> = packet.all(attr).collect();
        assert!(values.len() <= packet.count(attr));
        assert_eq!(packet.get(attr), values.first().copied());
        let mut buf = [0xee; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::AccessAccept, 1);
        let written: Vec<&[u8]> = values.into_iter().take_while(|value| builder.put(attr, value).is_ok()).collect();
        let again = Packet::parse(builder.finish_reply(secret, &[0; 16])).expect("well formed");
        assert_eq!(again.all(attr).collect::<Vec<_>>(), written);
    }
}

/// Every attribute that has a name, by every reader of a value.
fn typed(packet: &Packet<'_>) {
    use radius_proto::attribute::{Date, Integer, InterfaceId, Ipv4, Ipv6, Text};
    for table in TABLES {
        for entry in table.attributes {
            let (vendor, kind, name) = (table.vendor, entry.kind, entry.name);
            let count = packet.count(Attr::<Octets>::vendor(vendor, kind, name));
            if count == 0 {
                continue;
            }
            let texts = packet.all(Attr::<Text>::vendor(vendor, kind, name)).count();
            let integers = packet.all(Attr::<Integer>::vendor(vendor, kind, name)).count();
            let dates = packet.all(Attr::<Date>::vendor(vendor, kind, name)).count();
            let short = packet.all(Attr::<Ipv4>::vendor(vendor, kind, name)).count();
            let long = packet.all(Attr::<Ipv6>::vendor(vendor, kind, name)).count();
            let interfaces = packet.all(Attr::<InterfaceId>::vendor(vendor, kind, name)).count();
            let prefixes = packet.all(Attr::<Ipv6Prefix>::vendor(vendor, kind, name)).count();
            assert!(texts <= count && integers + long + interfaces <= texts && prefixes <= texts, "{name}");
            assert_eq!((integers, integers), (dates, short), "{name}");
        }
    }
}

/// Whatever a guest or a router sends as a password is wrong, not a panic.
fn passwords(packet: &Packet<'_>, secret: &Secret) {
    let mut out = [0; 128];
    for hidden in packet.all(rfc2865::USER_PASSWORD) {
        let revealed = pap::reveal(hidden, packet.authenticator(), secret, &mut out).map(<[u8]>::to_vec);
        let verified = revealed.as_ref().map(|it| pap::verify(hidden, packet.authenticator(), secret, it));
        assert_ne!(verified, Some(false), "what is revealed is what is hidden");
    }
    for response in packet.all(rfc2865::CHAP_PASSWORD) {
        assert!(!chap::verify(response, chap::challenge(packet), b"nobody's password"));
    }
    let challenge = packet.get(microsoft::MS_CHAP_CHALLENGE).unwrap_or_default();
    let user = packet.get(rfc2865::USER_NAME).unwrap_or_default();
    for response in packet.all(microsoft::MS_CHAP_RESPONSE) {
        assert!(mschap::verify_v1(challenge, response, b"nobody's password").is_none());
    }
    for response in packet.all(microsoft::MS_CHAP2_RESPONSE) {
        assert!(mschap::verify_v2(challenge, response, user, user).is_none_or(|proof| proof.success[1..3] == *b"S="));
    }
    for hidden in packet.all(microsoft::MS_MPPE_SEND_KEY).chain(packet.all(microsoft::MS_MPPE_RECV_KEY)) {
        let _ = mppe::reveal_key(hidden, packet.authenticator(), secret);
    }
    for hidden in packet.all(microsoft::MS_CHAP_MPPE_KEYS) {
        if let Some(keys) = mppe::reveal_v1_keys(hidden, packet.authenticator(), secret) {
            assert_eq!(mppe::hide_v1_keys(&keys, packet.authenticator(), secret)[..], *hidden);
        }
    }
}

/// A packet in a log is printable ASCII, and at least a line for each attribute.
fn printed(packet: &Packet<'_>) {
    static DICTIONARY: OnceLock<Dictionary> = OnceLock::new();
    let dictionary = DICTIONARY.get_or_init(|| Dictionary::load("dictionary", &mut file).expect("our own"));
    let text = dictionary.show(packet).to_string();
    assert!(text.chars().all(|letter| letter == '\n' || letter == ' ' || letter.is_ascii_graphic()), "{text:?}");
    assert!(text.lines().count() > packet.attributes().count(), "{text}");
}

fn file(name: &str) -> Option<String> {
    let text = match name {
        "dictionary" => include_str!("../../../../dictionaries/dictionary"),
        "dictionary.ascend" => include_str!("../../../../dictionaries/dictionary.ascend"),
        "dictionary.microsoft" => include_str!("../../../../dictionaries/dictionary.microsoft"),
        "dictionary.mikrotik" => include_str!("../../../../dictionaries/dictionary.mikrotik"),
        "dictionary.rfc2865" => include_str!("../../../../dictionaries/dictionary.rfc2865"),
        "dictionary.rfc2866" => include_str!("../../../../dictionaries/dictionary.rfc2866"),
        "dictionary.rfc2869" => include_str!("../../../../dictionaries/dictionary.rfc2869"),
        "dictionary.rfc3162" => include_str!("../../../../dictionaries/dictionary.rfc3162"),
        "dictionary.rfc5176" => include_str!("../../../../dictionaries/dictionary.rfc5176"),
        "dictionary.wispr" => include_str!("../../../../dictionaries/dictionary.wispr"),
        _ => return None,
    };
    Some(text.to_owned())
}

/// A request is answered with its Proxy-States, and a command's answer is taken for what it is.
fn exchange(packet: &Packet<'_>, secret: &Secret) {
    let answer = match packet.code() {
        Code::AccessRequest => Code::AccessReject,
        Code::AccountingRequest => Code::AccountingResponse,
        Code::DisconnectRequest => Code::DisconnectNak,
        Code::CoaRequest => Code::CoaAck,
        _ => return,
    };
    let mut buf = [0xee; MAX_PACKET];
    let mut builder = reply(&mut buf, answer, packet).expect("fits");
    let copied = builder.copy_proxy_state(packet).is_ok();
    let octets = builder.finish_reply(secret, packet.authenticator());
    let answer = Packet::parse(octets).expect("well formed");
    if copied {
        assert!(answer.all(rfc2865::PROXY_STATE).eq(packet.all(rfc2865::PROXY_STATE)));
    }
    let router = ([192, 0, 2, 1], 3799).into();
    if let Ok(mut transaction) = Transaction::new(packet.as_bytes(), router, Timers::default()) {
        assert_eq!(transaction.poll(std::time::Duration::ZERO, 0), Action::Send(packet.as_bytes()));
        let outcome = transaction.handle_reply(router, &answer, secret, ReplyPolicy::default(), 0);
        assert!(matches!(outcome, Outcome::Ack { .. } | Outcome::Nak { .. }), "{outcome:?}");
    }
}
