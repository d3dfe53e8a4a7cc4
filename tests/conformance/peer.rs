//! The `radius` crate (0.4) as a peer that shares no code with us: what we encode it decodes, with equal
//! attributes and accepted Authenticators, and the other way round.
//!
//! Its known faults, and how these tests step around them:
//! * it computes and checks no Message-Authenticator; it carries ours as octets, and `vectors` checks the value;
//! * it opens no Vendor-Specific; that is compared as octets;
//! * its checks of an Authenticator hash the whole datagram, padding after Length included, so nothing is padded;
//! * it reads a revealed User-Password up to the first NUL, so the passwords here hold none;
//! * it takes any Code that it does not know, attribute type 0 and an empty value, so those are not generated.

use proptest::collection::vec;
use proptest::prelude::*;
use radius::core::avp::AVP;
use radius::core::code::Code as PeerCode;
use radius::core::packet::Packet as PeerPacket;
use radius::core::rfc2865 as peer_rfc2865;
use radius_proto::attribute::{mikrotik, rfc2865};
use radius_proto::password::pap;
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};

/// Every code that both sides speak.
const CODES: [(Code, PeerCode); 13] = [
    (Code::AccessRequest, PeerCode::AccessRequest),
    (Code::AccessAccept, PeerCode::AccessAccept),
    (Code::AccessReject, PeerCode::AccessReject),
    (Code::AccountingRequest, PeerCode::AccountingRequest),
    (Code::AccountingResponse, PeerCode::AccountingResponse),
    (Code::AccessChallenge, PeerCode::AccessChallenge),
    (Code::StatusServer, PeerCode::StatusServer),
    (Code::DisconnectRequest, PeerCode::DisconnectRequest),
    (Code::DisconnectAck, PeerCode::DisconnectACK),
    (Code::DisconnectNak, PeerCode::DisconnectNAK),
    (Code::CoaRequest, PeerCode::CoARequest),
    (Code::CoaAck, PeerCode::CoAACK),
    (Code::CoaNak, PeerCode::CoANAK),
];

/// A request with each of the codes that answer it.
const REQUESTS: [(usize, &[usize]); 4] = [(0, &[1, 2, 5]), (3, &[4]), (7, &[8, 9]), (10, &[11, 12])];

type Pairs = Vec<(u8, Vec<u8>)>;

/// Attributes that fit in one packet together. Not 80, which the builder makes itself.
fn pairs() -> impl Strategy<Value = Pairs> {
    let kind = (1..=255_u8).prop_filter("made by the builder", |kind| *kind != 80);
    vec((kind, vec(any::<u8>(), 1..=100)), 0..30)
}

fn secret_octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..80)
}

fn secret(octets: &[u8]) -> Secret {
    Secret::new(octets).expect("at least one octet")
}

fn build(builder: &mut Builder<'_>, pairs: &Pairs) {
    for (kind, value) in pairs {
        builder.put_raw(*kind, value).expect("thirty attributes of a hundred octets fit");
    }
}

/// Our own request with these attributes.
fn our_request(code: Code, identifier: u8, pairs: &Pairs, secret: &Secret, random: [u8; 16]) -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, code, identifier);
    build(&mut builder, pairs);
    match code {
        Code::AccessRequest | Code::StatusServer => builder.finish_access_request(secret, random).to_vec(),
        _ => builder.finish_hashed_request(secret).to_vec(),
    }
}

/// The peer keeps each type's order but offers no list of all, so types are compared one by one.
fn same_attributes(peer: &PeerPacket, pairs: &Pairs) {
    for kind in 1..=u8::MAX {
        let theirs: Vec<Vec<u8>> = peer.lookup_all(kind).iter().map(|avp| avp.encode_bytes()).collect();
        let ours: Vec<&Vec<u8>> = pairs.iter().filter(|pair| pair.0 == kind).map(|pair| &pair.1).collect();
        assert_eq!(theirs.iter().collect::<Vec<_>>(), ours, "type {kind}");
    }
}

fn read_pairs(packet: &Packet<'_>) -> Pairs {
    packet.attributes().map(|attribute| (attribute.kind, attribute.value.to_vec())).collect()
}

proptest! {
    #[test]
    fn the_peer_decodes_our_requests(
        which in proptest::sample::select(vec![0_usize, 3, 6, 7, 10]),
        identifier: u8,
        pairs in pairs(),
        octets in secret_octets(),
        random: [u8; 16],
    ) {
        let (ours, theirs) = CODES[which];
        let datagram = our_request(ours, identifier, &pairs, &secret(&octets), random);
        let peer = PeerPacket::decode(&datagram, &octets).expect("the peer decodes what we encode");
        prop_assert_eq!((peer.get_code(), peer.get_identifier()), (theirs, identifier));
        prop_assert_eq!(peer.get_authenticator().as_slice(), &datagram[4..20]);
        prop_assert!(PeerPacket::is_authentic_request(&datagram, &octets));
        same_attributes(&peer, &pairs);
    }

    #[test]
    fn the_peer_accepts_our_replies(
        which in proptest::sample::select(&REQUESTS[..]),
        choice: prop::sample::Index,
        asked in pairs(),
        answered in pairs(),
        octets in secret_octets(),
        other in secret_octets(),
        random: [u8; 16],
    ) {
        let (ours, theirs) = CODES[which.1[choice.index(which.1.len())]];
        let request = our_request(CODES[which.0].0, 42, &asked, &secret(&octets), random);
        let parsed = Packet::parse(&request).expect("well formed");
        let mut buf = [0; MAX_PACKET];
        let mut builder = reply(&mut buf, ours, &parsed).expect("an empty packet has room");
        build(&mut builder, &answered);
        let datagram = builder.finish_reply(&secret(&octets), parsed.authenticator());
        prop_assert!(PeerPacket::is_authentic_response(datagram, &request, &octets));
        if other != octets {
            prop_assert!(!PeerPacket::is_authentic_response(datagram, &request, &other));
        }
        let peer = PeerPacket::decode(datagram, &octets).expect("the peer decodes what we encode");
        prop_assert_eq!((peer.get_code(), peer.get_identifier()), (theirs, 42));
        let mut expected = answered;
        if datagram.get(20) == Some(&80) {
            expected.insert(0, (80, datagram[22..38].to_vec()));
        }
        same_attributes(&peer, &expected);
    }

    #[test]
    fn we_decode_the_peers_requests(
        which in proptest::sample::select(vec![0_usize, 3, 6, 7, 10]),
        identifier: u8,
        pairs in pairs(),
        octets in secret_octets(),
        other in secret_octets(),
    ) {
        let (ours, theirs) = CODES[which];
        let mut peer = PeerPacket::new_with_identifier(theirs, &octets, identifier);
        peer.extend(pairs.iter().map(|(kind, value)| AVP::from_bytes(*kind, value)).collect());
        let datagram = peer.encode().expect("the peer encodes");
        let packet = Packet::parse(&datagram).expect("we decode what the peer encodes");
        prop_assert_eq!((packet.code(), packet.identifier()), (ours, identifier));
        prop_assert_eq!(read_pairs(&packet), pairs);
        prop_assert_eq!(authenticator::verify_request(&packet, &secret(&octets)), ours.is_hashed_request());
        prop_assert!(other == octets || !authenticator::verify_request(&packet, &secret(&other)));
    }

    #[test]
    fn we_accept_the_peers_replies(
        which in proptest::sample::select(&REQUESTS[..]),
        choice: prop::sample::Index,
        asked in pairs(),
        answered in pairs(),
        octets in secret_octets(),
        random: [u8; 16],
    ) {
        let (ours, theirs) = CODES[which.1[choice.index(which.1.len())]];
        let request = our_request(CODES[which.0].0, 7, &asked, &secret(&octets), random);
        let mut peer =
            PeerPacket::decode(&request, &octets).expect("the peer decodes").make_response_packet(theirs);
        peer.extend(answered.iter().map(|(kind, value)| AVP::from_bytes(*kind, value)).collect());
        let datagram = peer.encode().expect("the peer encodes");
        let packet = Packet::parse(&datagram).expect("we decode what the peer encodes");
        let asked_with = Packet::parse(&request).expect("well formed");
        prop_assert_eq!((packet.code(), packet.identifier()), (ours, 7));
        prop_assert_eq!(read_pairs(&packet), answered);
        prop_assert!(authenticator::verify_reply(&packet, asked_with.authenticator(), &secret(&octets)));
        prop_assert!(!authenticator::verify_reply(&packet, &[0xa5; 16], &secret(&octets)));
    }

    #[test]
    fn both_hide_and_reveal_the_same_passwords(
        password in vec(1..=u8::MAX, 0..=128),
        octets in secret_octets(),
        random: [u8; 16],
    ) {
        let ours = secret(&octets);
        let mut out = [0; 128];
        let hidden = pap::hide(&password, &random, &ours, &mut out).expect("at most 128");
        let theirs = AVP::from_user_password(2, &password, &octets, &random).expect("at most 128");
        prop_assert_eq!(theirs.encode_bytes(), hidden);
        let revealed = theirs.encode_user_password(&octets, &random).expect("a hidden password");
        prop_assert_eq!(&revealed, &password);
        let mut plain = [0; 128];
        prop_assert_eq!(pap::reveal(hidden, &random, &ours, &mut plain), Some(&password[..]));
    }
}

#[test]
fn typed_attributes_mean_the_same_to_both() {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessAccept, 3);
    builder.put(rfc2865::USER_NAME, b"guest").expect("fits");
    builder.put(rfc2865::SESSION_TIMEOUT, 3600).expect("fits");
    builder.put(rfc2865::FRAMED_IP_ADDRESS, [10, 1, 2, 3].into()).expect("fits");
    builder.put(mikrotik::RATE_LIMIT, b"1M/2M").expect("fits");
    let octets = builder.finish_reply(&secret(b"s"), &[1; 16]);
    let peer = PeerPacket::decode(octets, b"s").expect("the peer decodes what we encode");
    let name = peer_rfc2865::lookup_user_name(&peer).expect("is there").expect("is text");
    assert_eq!(name, "guest");
    let timeout = peer_rfc2865::lookup_session_timeout(&peer).expect("is there").expect("is a number");
    assert_eq!(timeout, 3600);
    let address = peer_rfc2865::lookup_framed_ip_address(&peer).expect("is there").expect("is an address");
    assert_eq!(address.octets(), [10, 1, 2, 3]);
    let vendor = peer.lookup(26).expect("is there").encode_bytes();
    assert_eq!(vendor, [&14988_u32.to_be_bytes()[..], &[8, 7], b"1M/2M"].concat());

    let mut peer = PeerPacket::new_with_identifier(PeerCode::AccessRequest, b"s", 9);
    peer_rfc2865::add_user_name(&mut peer, "guest");
    peer_rfc2865::add_nas_port(&mut peer, 7);
    peer_rfc2865::add_nas_ip_address(&mut peer, &[192, 0, 2, 1].into());
    let datagram = peer.encode().expect("the peer encodes");
    let packet = Packet::parse(&datagram).expect("we decode what the peer encodes");
    assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"guest"[..]));
    assert_eq!(packet.get(rfc2865::NAS_PORT), Some(7));
    assert_eq!(packet.get(rfc2865::NAS_IP_ADDRESS), Some([192, 0, 2, 1].into()));
}
