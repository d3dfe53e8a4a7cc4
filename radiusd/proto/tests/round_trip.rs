//! Properties over generated packets: what is built parses to the same; what is parsed never panics; what is
//! hidden is revealed; a change of any octet is noticed.

use proptest::collection::vec;
use proptest::prelude::*;
use radius_proto::attribute::{
    Attr, Date, Integer, InterfaceId, Ipv4, Ipv6, Ipv6Prefix, Octets, Prefix, TABLES, ValueType, microsoft, rfc2865,
};
use radius_proto::limits::{MAX_ATTRIBUTES, MAX_PASSWORD, MAX_VALUE, MAX_VENDOR_VALUE};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::password::{chap, mppe, mschap, pap};
use radius_proto::{BuildError, Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};

/// An attribute to write: vendor (0 for none), number, value.
type Wanted = (u32, u8, Vec<u8>);

fn attribute() -> impl Strategy<Value = Wanted> {
    let standard = (1..=255_u8, vec(any::<u8>(), 1..=MAX_VALUE))
        .prop_filter("written by other means", |(kind, _)| ![26, 80].contains(kind))
        .prop_map(|(kind, value)| (0, kind, value));
    let vendor = (1..=0x00ff_ffff_u32, any::<u8>(), vec(any::<u8>(), 1..=MAX_VENDOR_VALUE));
    prop_oneof![3 => standard, 1 => vendor]
}

fn secret() -> impl Strategy<Value = Secret> {
    vec(any::<u8>(), 1..100).prop_map(|octets| Secret::new(&octets).expect("at least one octet"))
}

fn code() -> impl Strategy<Value = Code> {
    proptest::sample::select(&Code::ALL[..])
}

/// Writes as many as fit and returns those.
fn fill(builder: &mut Builder<'_>, wanted: Vec<Wanted>) -> Vec<Wanted> {
    let mut written = Vec::new();
    for (vendor, kind, value) in wanted {
        let result = match vendor {
            0 => builder.put_raw(kind, &value).map(|_| ()),
            _ => builder.put_vendor_raw(vendor, kind, &value).map(|_| ()),
        };
        match result {
            Ok(()) => written.push((vendor, kind, value)),
            Err(error) => assert!(matches!(error, BuildError::PacketFull | BuildError::TooManyAttributes)),
        }
    }
    written
}

/// Reads everything that a packet says, as a caller would.
fn read_all(packet: &Packet<'_>, secret: &Secret) -> usize {
    let mut total = packet.attributes().map(|attribute| attribute.value.len()).sum::<usize>();
    for table in TABLES {
        for entry in table.attributes {
            total += packet.all(Attr::<Octets>::vendor(table.vendor, entry.kind, entry.name)).count();
            total += packet.all(Attr::<Integer>::vendor(table.vendor, entry.kind, entry.name)).count();
            total += packet.all(Attr::<Ipv6Prefix>::vendor(table.vendor, entry.kind, entry.name)).count();
        }
    }
    let _ = message_authenticator::check_request(packet, secret);
    let _ = message_authenticator::check_reply(packet, packet.authenticator(), secret);
    let _ = authenticator::verify_request(packet, secret);
    let _ = authenticator::verify_reply(packet, packet.authenticator(), secret);
    let mut out = [0; MAX_PASSWORD];
    for hidden in packet.all(rfc2865::USER_PASSWORD) {
        let _ = pap::reveal(hidden, packet.authenticator(), secret, &mut out);
    }
    for response in packet.all(rfc2865::CHAP_PASSWORD) {
        let _ = chap::verify(response, chap::challenge(packet), b"x");
    }
    let challenge = packet.get(microsoft::MS_CHAP_CHALLENGE).unwrap_or_default();
    for response in packet.all(microsoft::MS_CHAP_RESPONSE).chain(packet.all(microsoft::MS_CHAP2_RESPONSE)) {
        let _ = mschap::verify_v1(challenge, response, b"x");
        let _ = mschap::verify_v2(challenge, response, b"x", b"x");
    }
    for hidden in packet.all(microsoft::MS_MPPE_SEND_KEY).chain(packet.all(microsoft::MS_CHAP_MPPE_KEYS)) {
        let _ = mppe::reveal_key(hidden, packet.authenticator(), secret);
        let _ = mppe::reveal_v1_keys(hidden, packet.authenticator(), secret);
    }
    total
}

proptest! {
    #[test]
    fn what_is_built_parses_to_the_same(
        wanted in vec(attribute(), 0..40),
        code in code(),
        identifier: u8,
        random: [u8; 16],
        secret in secret(),
        signed: bool,
    ) {
        let mut buf = [0xee; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, code, identifier);
        if signed {
            builder.reserve_message_authenticator().expect("an empty packet has room");
        }
        let mut expected = fill(&mut builder, wanted);
        if signed {
            expected.insert(0, (0, 80, vec![]));
        }
        let length = builder.length();
        let octets = match code {
            Code::AccessRequest | Code::StatusServer => builder.finish_access_request(&secret, random),
            _ if code.is_hashed_request() => builder.finish_hashed_request(&secret),
            _ => builder.finish_reply(&secret, &random),
        };
        let packet = Packet::parse(octets).expect("what the builder writes is well formed");
        prop_assert_eq!(packet.as_bytes().len(), length);
        prop_assert_eq!((packet.code(), packet.identifier()), (code, identifier));

        let check = if code.is_request() {
            prop_assert_eq!(authenticator::verify_request(&packet, &secret), code.is_hashed_request());
            message_authenticator::check_request(&packet, &secret)
        } else {
            prop_assert!(authenticator::verify_reply(&packet, &random, &secret));
            message_authenticator::check_reply(&packet, &random, &secret)
        };
        prop_assert_eq!(check, if signed { Check::Valid } else { Check::Absent });

        let read: Vec<Wanted> = packet
            .attributes()
            .map(|attribute| match attribute.kind {
                26 => {
                    let (vendor, inner) = attribute.value.split_first_chunk::<4>().expect("written so");
                    (u32::from_be_bytes(*vendor), inner[0], inner[2..].to_vec())
                }
                80 => (0, 80, vec![]),
                kind => (0, kind, attribute.value.to_vec()),
            })
            .collect();
        prop_assert_eq!(&read, &expected);
        for (vendor, kind, value) in &expected {
            let found = packet.all(Attr::<Octets>::vendor(*vendor, *kind, "any")).any(|read| read == value);
            prop_assert!(found || *kind == 80);
        }
    }

    #[test]
    fn parsing_any_octets_never_panics(octets in vec(any::<u8>(), 0..300), secret in secret()) {
        if let Ok(packet) = Packet::parse(&octets) {
            read_all(&packet, &secret);
        }
    }

    /// As before, but past the header checks, where random octets rarely get.
    #[test]
    fn parsing_any_attributes_never_panics(
        code in code(),
        body in vec(prop_oneof![Just(26_u8), Just(2), Just(3), Just(6), Just(80), any::<u8>()], 0..200),
        padding in vec(any::<u8>(), 0..5),
        secret in secret(),
    ) {
        let mut octets = vec![code.as_u8(), 1, 0, u8::try_from(20 + body.len()).expect("at most 220")];
        octets.extend([7; 16]);
        octets.extend(&body);
        let without_padding = Packet::parse(&octets).map(|packet| packet.as_bytes().len());
        octets.extend(padding);
        let with_padding = Packet::parse(&octets);
        prop_assert_eq!(with_padding.map(|packet| packet.as_bytes().len()), without_padding, "P3: padding is ignored");
        if let Ok(packet) = with_padding {
            read_all(&packet, &secret);
        }
    }

    #[test]
    fn any_changed_octet_breaks_both_proofs(
        wanted in vec(attribute(), 1..4),
        secret in secret(),
        position: prop::sample::Index,
        bit in 0..8_u32,
    ) {
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::AccountingRequest, 9);
        builder.reserve_message_authenticator().expect("an empty packet has room");
        fill(&mut builder, wanted);
        let mut octets = builder.finish_hashed_request(&secret).to_vec();
        let position = position.index(octets.len());
        octets[position] ^= 1 << bit;
        if let Ok(packet) = Packet::parse(&octets) {
            prop_assert!(!authenticator::verify_request(&packet, &secret));
            // The Authenticator itself is not under the HMAC of a hashed request; everything else is.
            let outside = (4..20).contains(&position);
            prop_assert!(outside || message_authenticator::check_request(&packet, &secret) != Check::Valid);
        }
    }

    #[test]
    fn another_secret_verifies_nothing(
        first in vec(any::<u8>(), 1..64),
        second in vec(any::<u8>(), 1..64),
        random: [u8; 16],
    ) {
        // HMAC pads a short key with NULs, so keys that differ only in NULs at the end are one key.
        let padded = |key: &[u8]| [key, &vec![0; 64 - key.len()]].concat();
        prop_assume!(padded(&first) != padded(&second));
        let [first, second] = [first, second].map(|key| Secret::new(&key).expect("at least one octet"));
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::AccessRequest, 3);
        builder.reserve_message_authenticator().expect("an empty packet has room");
        builder.put(rfc2865::USER_NAME, b"someone").expect("fits");
        let octets = builder.finish_access_request(&first, random);
        let packet = Packet::parse(octets).expect("well formed");
        prop_assert_eq!(message_authenticator::check_request(&packet, &first), Check::Valid);
        prop_assert_eq!(message_authenticator::check_request(&packet, &second), Check::Invalid);
    }

    #[test]
    fn a_hidden_password_is_revealed(
        password in vec(any::<u8>(), 0..=MAX_PASSWORD),
        authenticator: [u8; 16],
        secret in secret(),
    ) {
        let (mut hidden, mut out) = ([0; MAX_PASSWORD], [0; MAX_PASSWORD]);
        let hidden = pap::hide(&password, &authenticator, &secret, &mut hidden).expect("at most 128");
        prop_assert_eq!(hidden.len() % 16, 0);
        let end = password.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        prop_assert_eq!(pap::reveal(hidden, &authenticator, &secret, &mut out), Some(&password[..end]));
        prop_assert!(pap::verify(hidden, &authenticator, &secret, &password));
        prop_assert!(!pap::verify(hidden, &authenticator, &secret, b"certainly not this one"));
    }

    #[test]
    fn typed_values_survive(
        number: u32,
        address: [u8; 4],
        long: [u8; 16],
        id: [u8; 8],
        bits in 0..=128_u8,
    ) {
        let secret = Secret::new(b"s").expect("not empty");
        let prefix = Prefix::new(long.into(), bits).expect("at most 128");
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::AccessAccept, 1);
        let (integer, date) = (Attr::<Integer>::standard(6, "i"), Attr::<Date>::vendor(14988, 55, "d"));
        let (ipv4, ipv6) = (Attr::<Ipv4>::vendor(9, 8, "4"), Attr::<Ipv6>::standard(95, "6"));
        let (interface, network) = (Attr::<InterfaceId>::standard(96, "if"), Attr::<Ipv6Prefix>::standard(97, "p"));
        builder.put(integer, number).expect("fits");
        builder.put(date, number).expect("fits");
        builder.put(ipv4, address.into()).expect("fits");
        builder.put(ipv6, long.into()).expect("fits");
        builder.put(interface, id).expect("fits");
        builder.put(network, prefix).expect("fits");
        let octets = builder.finish_reply(&secret, &[0; 16]);
        let packet = Packet::parse(octets).expect("well formed");
        prop_assert_eq!(packet.get(integer), Some(number));
        prop_assert_eq!(packet.get(date), Some(number));
        prop_assert_eq!(packet.get(ipv4), Some(address.into()));
        prop_assert_eq!(packet.get(ipv6), Some(long.into()));
        prop_assert_eq!(packet.get(interface), Some(id));
        prop_assert_eq!(packet.get(network), Some(prefix));
    }

    #[test]
    fn proxy_states_come_back_in_order(
        states in vec(vec(any::<u8>(), 1..60), 0..8),
        others in vec(attribute(), 0..6),
    ) {
        let secret = Secret::new(b"s").expect("not empty");
        let mut request_buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut request_buf, Code::AccessRequest, 200);
        let mut others = others.into_iter().filter(|(vendor, kind, _)| (*vendor, *kind) != (0, 33));
        for state in &states {
            fill(&mut builder, others.next().into_iter().collect());
            builder.put(rfc2865::PROXY_STATE, state).expect("fits");
        }
        let request = builder.finish_access_request(&secret, [4; 16]);
        let request = Packet::parse(request).expect("well formed");
        let mut reply_buf = [0; MAX_PACKET];
        let mut builder = reply(&mut reply_buf, Code::AccessReject, &request).expect("fits");
        builder.copy_proxy_state(&request).expect("fits");
        let octets = builder.finish_reply(&secret, request.authenticator());
        let answer = Packet::parse(octets).expect("well formed");
        let copied: Vec<&[u8]> = answer.all(rfc2865::PROXY_STATE).collect();
        prop_assert_eq!(copied, states);
        prop_assert_eq!(answer.identifier(), 200);
        prop_assert_eq!(octets[20], 80, "B1: Message-Authenticator is first");
    }
}

#[test]
fn the_builder_refuses_what_no_packet_may_hold() {
    let secret = Secret::new(b"s").expect("not empty");
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessAccept, 1);
    assert_eq!(builder.put(rfc2865::CLASS, b"").err(), Some(BuildError::EmptyValue { kind: 25 }));
    assert_eq!(builder.put_vendor_raw(9, 1, b"").err(), Some(BuildError::EmptyValue { kind: 1 }));
    assert_eq!(builder.put_raw(0, b"x").err(), Some(BuildError::ForbiddenKind { kind: 0 }));
    assert_eq!(builder.put_raw(80, &[0; 16]).err(), Some(BuildError::ForbiddenKind { kind: 80 }));
    assert_eq!(builder.put_raw(25, &[1; 254]).err(), Some(BuildError::ValueTooLong { kind: 25, length: 254 }));
    assert_eq!(builder.put_vendor_raw(9, 1, &[1; 248]).err(), Some(BuildError::ValueTooLong { kind: 1, length: 248 }));
    assert_eq!(
        builder.put_user_password(&[b'x'; 129], &[0; 16], &secret).err(),
        Some(BuildError::PasswordTooLong { length: 129 })
    );
    assert_eq!(builder.length(), 20, "a refused attribute leaves the packet as it was");
    builder.reserve_message_authenticator().expect("fits");
    assert_eq!(builder.reserve_message_authenticator().err(), Some(BuildError::MessageAuthenticatorRepeated));
    // 4096 - 20 - 18 leaves 15 attributes of 255 octets and 233 octets over.
    for _ in 0..15 {
        builder.put_raw(25, &[1; 253]).expect("fits");
    }
    assert_eq!(builder.put_raw(25, &[1; 232]).err(), Some(BuildError::PacketFull));
    builder.put_raw(25, &[1; 231]).expect("fits exactly");
    assert_eq!(builder.length(), MAX_PACKET);
    let octets = builder.finish_reply(&secret, &[0; 16]);
    assert!(Packet::parse(octets).is_ok());
}

#[test]
fn the_builder_and_the_parser_share_the_bound_on_attributes() {
    let secret = Secret::new(b"s").expect("not empty");
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessAccept, 1);
    for _ in 0..MAX_ATTRIBUTES {
        builder.put_raw(25, b"x").expect("fits");
    }
    assert_eq!(builder.put_raw(25, b"x").err(), Some(BuildError::TooManyAttributes));
    let mut octets = builder.finish_reply(&secret, &[0; 16]).to_vec();
    assert_eq!(Packet::parse(&octets).expect("well formed").attributes().count(), MAX_ATTRIBUTES);
    octets.extend([25, 3, b'x']);
    let length = u16::try_from(octets.len()).expect("at most 4096").to_be_bytes();
    octets[2..4].copy_from_slice(&length);
    assert_eq!(Packet::parse(&octets), Err(radius_proto::ParseError::TooManyAttributes));
}

#[test]
fn every_declared_attribute_can_be_written_and_read_by_its_type() {
    let secret = Secret::new(b"s").expect("not empty");
    for table in TABLES {
        for entry in table.attributes {
            let value: &[u8] = match entry.value_type {
                ValueType::Text | ValueType::Octets | ValueType::Vsa => b"octets",
                ValueType::Integer | ValueType::Date | ValueType::Ipv4 => &[1, 2, 3, 4],
                ValueType::Ipv6 => &[9; 16],
                ValueType::Ipv6Prefix => &[0, 16, 0x20, 0x01],
                ValueType::InterfaceId => &[7; 8],
            };
            if [26, 80].contains(&entry.kind) && table.vendor == 0 {
                continue;
            }
            let mut buf = [0; MAX_PACKET];
            let mut builder = Builder::new(&mut buf, Code::AccessAccept, 1);
            let attr = Attr::<Octets>::vendor(table.vendor, entry.kind, entry.name);
            builder.put(attr, value).expect("fits");
            let octets = builder.finish_reply(&secret, &[0; 16]);
            let packet = Packet::parse(octets).expect("well formed");
            assert_eq!(packet.get(attr), Some(value), "{}", entry.name);
        }
    }
}
