//! Sections 3 and 5: what is a packet, and what happens to an attribute that makes no sense. The datagrams
//! that must not parse at all are in `tests/vectors/malformed.json`.

use radius_proto::attribute::{Attr, Octets, mikrotik, rfc2865};
use radius_proto::limits::MAX_ATTRIBUTES;
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, reply};

/// A datagram with these attributes, given as they stand on the wire.
fn datagram(attributes: &[&[u8]]) -> Vec<u8> {
    let body = attributes.concat();
    let length = u16::try_from(20 + body.len()).expect("at most 4096").to_be_bytes();
    [&[1, 9], &length[..], &[0xab; 16], &body].concat()
}

fn vendor_specific(vendor: u32, inner: &[u8]) -> Vec<u8> {
    let length = u8::try_from(6 + inner.len()).expect("at most 255");
    [&[26, length], &vendor.to_be_bytes()[..], inner].concat()
}

#[test]
fn p3_padding_changes_nothing_and_the_reply_is_the_same() {
    let plain = datagram(&[&[1, 4, b'm', b'e'], &[33, 3, 1]]);
    let padded = [&plain[..], &[0xff; 40]].concat();
    let secret = Secret::new(b"s").expect("not empty");
    let answers: Vec<Vec<u8>> = [&plain, &padded]
        .into_iter()
        .map(|octets| {
            let request = Packet::parse(octets).expect("well formed");
            let mut buf = [0; MAX_PACKET];
            let mut builder = reply(&mut buf, Code::AccessReject, &request).expect("fits");
            builder.copy_proxy_state(&request).expect("fits");
            builder.finish_reply(&secret, request.authenticator()).to_vec()
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(Packet::parse(&padded).expect("well formed").as_bytes(), plain);
}

#[test]
fn p8_a_value_of_wrong_width_is_passed_over_and_the_next_is_found() {
    let octets = datagram(&[&[27, 3, 1], &[27, 7, 0, 0, 0, 0, 9], &[27, 2], &[27, 6, 0, 0, 0, 60], &[8, 5, 1, 2, 3]]);
    let packet = Packet::parse(&octets).expect("an invalid attribute does not make the packet malformed");
    assert_eq!(packet.get(rfc2865::SESSION_TIMEOUT), Some(60));
    assert_eq!(packet.all(rfc2865::SESSION_TIMEOUT).count(), 1);
    assert_eq!(packet.count(rfc2865::SESSION_TIMEOUT), 4);
    assert_eq!(packet.get(rfc2865::FRAMED_IP_ADDRESS), None);
}

#[test]
fn section_5_an_empty_value_is_no_value() {
    let octets = datagram(&[&[1, 2], &[25, 2], &[1, 4, b'm', b'e']]);
    let packet = Packet::parse(&octets).expect("an empty attribute does not make the packet malformed");
    assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"me"[..]));
    assert_eq!((packet.get(rfc2865::CLASS), packet.count(rfc2865::CLASS)), (None, 1));
}

#[test]
fn p8_a_vendor_specific_with_bad_inner_lengths_is_passed_over() {
    let good = vendor_specific(14988, &[8, 4, b'1', b'M']);
    for inner in [
        &[][..],
        &[8],
        &[8, 0],
        &[8, 1],
        &[8, 1, 2],
        &[8, 5, b'1', b'M'],
        &[8, 4, b'1', b'M', 8],
        &[8, 4, b'1', b'M', 8, 0],
        &[8, 4, b'1', b'M', 8, 9],
    ] {
        let octets = datagram(&[&vendor_specific(14988, inner), &[26, 5, 0, 0, 0], &[26, 2], &good]);
        let packet = Packet::parse(&octets).expect("an invalid attribute does not make the packet malformed");
        assert_eq!(packet.all(mikrotik::RATE_LIMIT).collect::<Vec<_>>(), [b"1M"], "{inner:?}");
    }
}

#[test]
fn section_5_26_several_vendor_attributes_may_share_one_vendor_specific() {
    let octets = datagram(&[
        &vendor_specific(14988, &[8, 4, b'1', b'M', 1, 6, 0, 0, 0, 5, 8, 4, b'2', b'M']),
        &vendor_specific(14122, &[8, 4, b'3', b'M']),
        &vendor_specific(14988, &[8, 4, b'4', b'M']),
    ]);
    let packet = Packet::parse(&octets).expect("well formed");
    assert_eq!(packet.all(mikrotik::RATE_LIMIT).collect::<Vec<_>>(), [b"1M", b"2M", b"4M"]);
    assert_eq!(packet.get(mikrotik::RECV_LIMIT), Some(5));
    assert_eq!(packet.count(mikrotik::RATE_LIMIT), 3);
    assert_eq!(packet.get(Attr::<Octets>::vendor(14122, 8, "any")), Some(&b"3M"[..]));
}

#[test]
fn section_5_26_a_vendor_is_not_the_standard_space() {
    let octets = datagram(&[&vendor_specific(14988, &[1, 6, 0, 0, 0, 5])]);
    let packet = Packet::parse(&octets).expect("well formed");
    assert_eq!(packet.get(rfc2865::USER_NAME), None);
    let octets = datagram(&[&[8, 6, 10, 0, 0, 1]]);
    let packet = Packet::parse(&octets).expect("well formed");
    assert_eq!(packet.count(mikrotik::RATE_LIMIT), 0);
}

#[test]
fn p9_unknown_attributes_stay_out_of_the_way_and_order_is_kept() {
    let octets = datagram(&[
        &[222, 5, 1, 2, 3],
        &[25, 3, 1],
        &vendor_specific(0x00ff_ffff, &[1, 3, 0]),
        &[25, 3, 2],
        &[1, 4, b'm', b'e'],
        &[25, 3, 3],
    ]);
    let packet = Packet::parse(&octets).expect("well formed");
    assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"me"[..]));
    assert_eq!(packet.all(rfc2865::CLASS).collect::<Vec<_>>(), [[1], [2], [3]]);
    let kinds: Vec<u8> = packet.attributes().map(|attribute| attribute.kind).collect();
    assert_eq!(kinds, [222, 25, 26, 25, 1, 25]);
}

#[test]
fn p10_strings_hold_any_octet() {
    let octets = datagram(&[&[1, 8, b'a', b'l', b'i', b'v', b'e', 0], &[32, 4, 0xff, 0xfe]]);
    let packet = Packet::parse(&octets).expect("well formed");
    assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"alive\0"[..]));
    assert_ne!(packet.get(rfc2865::USER_NAME), Some(&b"alive"[..]));
    assert_eq!(packet.get(rfc2865::NAS_IDENTIFIER), Some(&[0xff, 0xfe][..]));
}

#[test]
fn p12_the_bound_itself_is_allowed() {
    let octets = datagram(&vec![&[25, 3, 1][..]; MAX_ATTRIBUTES]);
    assert_eq!(Packet::parse(&octets).expect("at the bound").attributes().count(), MAX_ATTRIBUTES);
}

#[test]
fn section_3_the_largest_packet_is_4096_octets() {
    let largest = datagram(&[&[&[25, 255][..], &[1; 253]].concat()[..]; 15]);
    let largest = [&largest[..], &[25, 251], &[1; 249]].concat();
    let mut octets = largest;
    octets[2..4].copy_from_slice(&4096_u16.to_be_bytes());
    assert_eq!(octets.len(), 4096);
    assert!(Packet::parse(&octets).is_ok());
}

#[test]
fn section_5_33_a_full_reply_refuses_what_does_not_fit() {
    let states: Vec<Vec<u8>> = (0..16).map(|number| [&[33, 255][..], &[number; 253]].concat()).collect();
    let octets = datagram(&states.iter().map(Vec::as_slice).collect::<Vec<_>>()[..15]);
    let request = Packet::parse(&octets).expect("well formed");
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessAccept, 1);
    builder.put_raw(25, &[1; 253]).expect("fits");
    assert!(builder.copy_proxy_state(&request).is_err());
}
