//! The `radius` crate (0.4) as a peer that shares no code with us: what we encode it decodes, with equal
//! attributes and accepted Authenticators, and the other way round.
//!
//! Its known faults, and how these tests step around them:
//! * it computes and checks no Message-Authenticator; it carries ours as octets, and `vectors` checks the value;
//! * it opens no Vendor-Specific; that is compared as octets, which it writes for text;
//! * its checks of an Authenticator hash the whole datagram, padding after Length included, so nothing is padded;
//! * it reads a revealed User-Password or Tunnel-Password up to the first NUL, so those here hold none;
//! * it takes any Code that it does not know, attribute type 0 and an empty value, so those are not generated.

use proptest::collection::vec;
use proptest::prelude::*;
use radius::core::avp::AVP;
use radius::core::code::Code as PeerCode;
use radius::core::packet::Packet as PeerPacket;
use radius::core::vsa::{StringVSA, VSA as _};
use radius::core::{
    rfc2865 as peer_rfc2865, rfc2866 as peer_rfc2866, rfc2869 as peer_rfc2869, rfc3576 as peer_rfc3576,
};
use radius_proto::attribute::{microsoft, mikrotik, rfc2865, rfc2866, rfc2869, rfc5176};
use radius_proto::password::{mppe, mschap, pap};
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

    /// A Tunnel-Password (RFC 2868 section 3.5) is a tag and then what MS-MPPE-Send-Key is.
    #[test]
    fn both_hide_and_reveal_the_same_keys(
        key in proptest::array::uniform16(1..=u8::MAX),
        salt: u16,
        octets in secret_octets(),
        random: [u8; 16],
    ) {
        let ours = secret(&octets);
        let hidden = mppe::hide_key(&key, salt, &random, &ours);
        let carried = AVP::from_bytes(69, &[&[0], &hidden[..]].concat());
        let (plain, _) = carried.encode_tunnel_password(&octets, &random).expect("a hidden value");
        prop_assert_eq!(&plain, &[&[16], &key[..]].concat());
        let theirs = AVP::from_tunnel_password(69, None, &plain, &octets, &random).expect("short").encode_bytes();
        let revealed = mppe::reveal_key(&theirs[1..], &random, &ours);
        prop_assert_eq!(revealed.as_deref(), Some(&key));
    }

    #[test]
    fn a_session_report_means_the_same_to_both(
        status in proptest::sample::select(vec![1_u32, 2, 3, 7, 8]),
        cause in 1..=18_u32,
        counters: [u64; 2],
        times: [u32; 2],
        session in "[0-9a-f]{8}",
        octets in secret_octets(),
    ) {
        let [received, sent] = counters.map(|counter| [(counter >> 32) as u32, counter as u32]);
        let [delay, duration] = times;
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::AccountingRequest, 4);
        let mut write = || {
            builder.put(rfc2866::ACCT_STATUS_TYPE, status)?;
            builder.put(rfc2866::ACCT_SESSION_ID, session.as_bytes())?;
            builder.put(rfc2866::ACCT_INPUT_OCTETS, received[1])?;
            builder.put(rfc2869::ACCT_INPUT_GIGAWORDS, received[0])?;
            builder.put(rfc2866::ACCT_OUTPUT_OCTETS, sent[1])?;
            builder.put(rfc2869::ACCT_OUTPUT_GIGAWORDS, sent[0])?;
            builder.put(rfc2866::ACCT_SESSION_TIME, duration)?;
            builder.put(rfc2866::ACCT_DELAY_TIME, delay)?;
            builder.put(rfc2866::ACCT_TERMINATE_CAUSE, cause).map(|_| ())
        };
        write().expect("fits");
        let ours = builder.finish_hashed_request(&secret(&octets)).to_vec();
        prop_assert!(PeerPacket::is_authentic_request(&ours, &octets));
        let read = PeerPacket::decode(&ours, &octets).expect("the peer decodes what we encode");

        let mut made = PeerPacket::new_with_identifier(PeerCode::AccountingRequest, &octets, 4);
        peer_rfc2866::add_acct_status_type(&mut made, status);
        peer_rfc2866::add_acct_session_id(&mut made, &session);
        peer_rfc2866::add_acct_input_octets(&mut made, received[1]);
        peer_rfc2869::add_acct_input_gigawords(&mut made, received[0]);
        peer_rfc2866::add_acct_output_octets(&mut made, sent[1]);
        peer_rfc2869::add_acct_output_gigawords(&mut made, sent[0]);
        peer_rfc2866::add_acct_session_time(&mut made, duration);
        peer_rfc2866::add_acct_delay_time(&mut made, delay);
        peer_rfc2866::add_acct_terminate_cause(&mut made, cause);
        prop_assert_eq!(made.encode().expect("the peer encodes"), ours, "octet by octet, in the same order");

        let theirs = (
            peer_rfc2866::lookup_acct_status_type(&read),
            peer_rfc2869::lookup_acct_input_gigawords(&read),
            peer_rfc2869::lookup_acct_output_gigawords(&read),
            peer_rfc2866::lookup_acct_terminate_cause(&read),
        );
        let number = |value: Option<Result<u32, _>>| value.expect("is there").expect("is a number");
        prop_assert_eq!(number(theirs.0), status);
        prop_assert_eq!((number(theirs.1), number(theirs.2)), (received[0], sent[0]));
        prop_assert_eq!(number(theirs.3), cause);
    }

    #[test]
    fn both_write_and_read_the_same_vendor_attributes(
        vendor in 1..=0x00ff_ffff_u32,
        kind: u8,
        value in "[ -~]{1,200}",
        others in vec((any::<u8>(), vec(any::<u8>(), 1..20)), 0..4),
        octets in secret_octets(),
    ) {
        let theirs = StringVSA::new(i32::try_from(vendor).expect("24 bits"), kind, &value).message();
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, Code::CoaRequest, 3);
        builder.put_vendor_raw(vendor, kind, value.as_bytes()).expect("fits");
        let ours = builder.finish_hashed_request(&secret(&octets)).to_vec();
        let read = PeerPacket::decode(&ours, &octets).expect("the peer decodes what we encode");
        prop_assert_eq!(read.lookup(26).map(AVP::encode_bytes), Some(theirs.clone()));

        // Several attributes of one vendor may share a Vendor-Specific (RFC 2865 section 5.26).
        let mut shared = theirs;
        for (kind, value) in &others {
            shared.extend([*kind, u8::try_from(value.len() + 2).expect("at most 22")]);
            shared.extend(value);
        }
        prop_assume!(shared.len() <= 253);
        let mut made = PeerPacket::new_with_identifier(PeerCode::CoARequest, &octets, 3);
        made.add(AVP::from_bytes(26, &shared));
        let datagram = made.encode().expect("the peer encodes");
        let packet = Packet::parse(&datagram).expect("we decode what the peer encodes");
        prop_assert!(authenticator::verify_request(&packet, &secret(&octets)));
        let attr = radius_proto::Attr::<radius_proto::attribute::Octets>::vendor(vendor, kind, "any");
        let same_kind = others.iter().filter(|other| other.0 == kind).map(|other| &other.1[..]);
        let expected: Vec<&[u8]> = std::iter::once(value.as_bytes()).chain(same_kind).collect();
        prop_assert_eq!(packet.all(attr).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_login_by_mschap_passes_through_the_peer(
        password in "[ -~é€𝄞]{0,40}",
        user in "[a-z]{1,20}",
        challenge: [u8; 16],
        peer_challenge: [u8; 16],
        octets in secret_octets(),
    ) {
        let response = mschap::response_v2(1, &challenge, &peer_challenge, user.as_bytes(), password.as_bytes());
        let vendor = |kind: u8, value: &[u8]| {
            let length = u8::try_from(value.len() + 2).expect("short");
            AVP::from_bytes(26, &[&311_u32.to_be_bytes()[..], &[kind, length], value].concat())
        };
        let mut made = PeerPacket::new_with_identifier(PeerCode::AccessRequest, &octets, 3);
        peer_rfc2865::add_user_name(&mut made, &user);
        made.extend(vec![vendor(11, &challenge), vendor(25, &response.expect("short text"))]);
        let datagram = made.encode().expect("the peer encodes");
        let packet = Packet::parse(&datagram).expect("we decode what the peer encodes");
        let read = packet.get(microsoft::MS_CHAP_CHALLENGE).zip(packet.get(microsoft::MS_CHAP2_RESPONSE));
        let (challenge, response) = read.expect("both are there");
        let name = packet.get(rfc2865::USER_NAME).expect("is there");
        prop_assert!(mschap::verify_v2(challenge, response, name, password.as_bytes()).is_some());
        prop_assert!(mschap::verify_v2(challenge, response, name, b"nobody's password, in forty-one letters..").is_none());
    }
}

#[test]
fn error_causes_mean_the_same_to_both() {
    let named = rfc5176::TABLE.values.iter().find(|values| values.attribute == "Error-Cause").expect("declared");
    assert!(named.values.len() > 15);
    for &(cause, name) in named.values {
        for code in [Code::DisconnectNak, Code::CoaNak, Code::DisconnectAck, Code::CoaAck] {
            let mut buf = [0; MAX_PACKET];
            let mut builder = Builder::new(&mut buf, code, 3);
            builder.put(rfc5176::ERROR_CAUSE, cause).expect("fits");
            let ours = builder.finish_reply(&secret(b"s"), &[1; 16]);
            let read = PeerPacket::decode(ours, b"s").expect("the peer decodes what we encode");
            let theirs = peer_rfc3576::lookup_error_cause(&read).expect("is there").expect("is a number");
            assert_eq!(theirs, cause, "{name}");
        }
    }
    // Numbers that the peer has names for.
    assert_eq!(peer_rfc3576::ERROR_CAUSE_SESSION_CONTEXT_NOT_FOUND, rfc5176::error_cause::SESSION_CONTEXT_NOT_FOUND);
    assert_eq!(peer_rfc3576::ERROR_CAUSE_UNSUPPORTED_EXTENSION, rfc5176::error_cause::UNSUPPORTED_EXTENSION);
    assert_eq!(peer_rfc3576::ERROR_CAUSE_RESOURCES_UNAVAILABLE, rfc5176::error_cause::RESOURCES_UNAVAILABLE);
    assert_eq!(peer_rfc3576::ERROR_CAUSE_PROXY_REQUEST_NOT_ROUTABLE, rfc5176::error_cause::REQUEST_NOT_ROUTABLE);
    assert_eq!(peer_rfc3576::SERVICE_TYPE_AUTHORIZE_ONLY, rfc5176::service_type::AUTHORIZE_ONLY);
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
