//! What one login costs in this crate: reading a RouterOS-shaped Access-Request, checking its proof and its
//! password, and writing a signed Access-Accept with the limits that a package has. And what the duplicate
//! cache costs in the steady state, when it is full and every request is new.
//!
//! `cargo bench -p radius-proto`

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use radius_proto::attribute::{mikrotik, rfc2865, rfc2866, rfc2869, wispr};
use radius_proto::duplicate::{Begin, DuplicateCache, Key};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::password::{chap, mschap, pap};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, reply};

const AUTHENTICATOR: [u8; 16] = [0x42; 16];

fn access_request(secret: &Secret) -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessRequest, 7);
    let response = chap::response(9, b"otp-483920", &[3; 16]);
    let mut write = || {
        builder.put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::WIRELESS_802_11)?;
        builder.put(rfc2865::CALLING_STATION_ID, b"02:4D:4C:00:00:01")?;
        builder.put(rfc2865::CALLED_STATION_ID, b"hs-lobby")?;
        builder.put(rfc2869::NAS_PORT_ID, b"bridge-guests")?;
        builder.put(rfc2865::USER_NAME, b"guest-0001")?;
        builder.put(rfc2865::NAS_PORT, 0x8030_0017)?;
        builder.put(rfc2866::ACCT_SESSION_ID, b"80300017")?;
        builder.put(rfc2865::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 77, 0, 21))?;
        builder.put(mikrotik::HOST_IP, Ipv4Addr::new(10, 77, 0, 21))?;
        builder.put_user_password(b"otp-483920", &AUTHENTICATOR, secret)?;
        builder.put(rfc2865::CHAP_CHALLENGE, &[3; 16])?;
        builder.put(rfc2865::CHAP_PASSWORD, &response)?;
        builder.put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)?;
        builder.put(wispr::LOGOFF_URL, b"http://10.77.0.1/logout")?;
        builder.put(rfc2865::NAS_IDENTIFIER, b"lobby")?;
        builder.put(rfc2865::NAS_IP_ADDRESS, Ipv4Addr::new(10, 9, 0, 2))?;
        builder.reserve_message_authenticator()
    };
    write().expect("a login fits in a packet");
    builder.finish_access_request(secret, AUTHENTICATOR).to_vec()
}

fn login(c: &mut Criterion) {
    let secret = Secret::new(b"sixteen octets..").expect("not empty");
    let datagram = access_request(&secret);
    let packet = Packet::parse(&datagram).expect("well formed");
    let hidden = packet.get(rfc2865::USER_PASSWORD).expect("present");
    let response = packet.get(rfc2865::CHAP_PASSWORD).expect("present");

    c.bench_function("parse", |b| b.iter(|| Packet::parse(black_box(&datagram)).is_ok()));
    c.bench_function("get twelve attributes", |b| b.iter(|| read(black_box(&packet))));
    c.bench_function("look for six attributes that are not there", |b| b.iter(|| look_in_vain(black_box(&packet))));
    c.bench_function("check Message-Authenticator", |b| {
        b.iter(|| assert_eq!(message_authenticator::check_request(black_box(&packet), &secret), Check::Valid));
    });
    c.bench_function("verify PAP", |b| {
        b.iter(|| assert!(pap::verify(black_box(hidden), packet.authenticator(), &secret, b"otp-483920")));
    });
    c.bench_function("reveal PAP", |b| {
        let mut out = [0; 128];
        b.iter(|| pap::reveal(black_box(hidden), packet.authenticator(), &secret, &mut out).is_some());
    });
    c.bench_function("verify CHAP", |b| {
        b.iter(|| assert!(chap::verify(black_box(response), &[3; 16], b"otp-483920")));
    });
    mschap_login(c, &secret);
    let mut buf = [0; MAX_PACKET];
    c.bench_function("build and sign Access-Accept of eight attributes", |b| {
        b.iter(|| accept(&mut buf, &packet, &secret))
    });
}

/// What a server must look for in every login, and seldom finds.
fn look_in_vain(packet: &Packet<'_>) -> usize {
    let counts = [rfc2869::EAP_MESSAGE, rfc2865::STATE, rfc2865::PROXY_STATE, rfc2865::CLASS];
    let numbers = [rfc2865::FRAMED_PROTOCOL, rfc2865::PORT_LIMIT];
    counts.map(|attr| packet.count(attr)).iter().sum::<usize>()
        + numbers.map(|attr| packet.count(attr)).iter().sum::<usize>()
}

/// A VPN login, whose password is hashed with MD4, encrypted with DES and answered with SHA-1.
fn mschap_login(c: &mut Criterion, secret: &Secret) {
    let response = mschap::response_v2(7, &[1; 16], &[2; 16], b"guest-0001", b"otp-483920").expect("short text");
    let verify = || mschap::verify_v2(&[1; 16], black_box(&response), b"guest-0001", b"otp-483920");
    c.bench_function("verify MS-CHAPv2", |b| b.iter(|| verify().is_some()));
    let proof = verify().expect("right");
    let mut buf = [0; MAX_PACKET];
    c.bench_function("derive and hide MPPE keys", |b| {
        b.iter(|| {
            let mut builder = Builder::new(&mut buf, Code::AccessAccept, 7);
            builder.put_mppe_keys(&proof.session_keys(), 7, &AUTHENTICATOR, secret).is_ok()
        });
    });
}

fn read(packet: &Packet<'_>) -> usize {
    let text = [
        packet.get(rfc2865::USER_NAME),
        packet.get(rfc2865::CALLING_STATION_ID),
        packet.get(rfc2865::CALLED_STATION_ID),
        packet.get(rfc2869::NAS_PORT_ID),
        packet.get(rfc2866::ACCT_SESSION_ID),
        packet.get(rfc2865::NAS_IDENTIFIER),
        packet.get(rfc2865::CHAP_PASSWORD),
        packet.get(wispr::LOGOFF_URL),
        packet.get(wispr::LOCATION_NAME),
    ];
    let numbers = [packet.get(rfc2865::NAS_PORT), packet.get(rfc2865::SERVICE_TYPE)];
    let address = packet.get(mikrotik::HOST_IP);
    text.iter().flatten().count() + numbers.iter().flatten().count() + usize::from(address.is_some())
}

fn accept(buf: &mut [u8; MAX_PACKET], request: &Packet<'_>, secret: &Secret) -> usize {
    let mut builder = reply(buf, Code::AccessAccept, request).expect("fits");
    let mut write = || {
        builder.put(rfc2865::SESSION_TIMEOUT, 3600)?;
        builder.put(mikrotik::TOTAL_LIMIT, 1 << 30)?;
        builder.put(mikrotik::TOTAL_LIMIT_GIGAWORDS, 1)?;
        builder.put(mikrotik::RATE_LIMIT, b"2M/5M")?;
        builder.put(rfc2869::ACCT_INTERIM_INTERVAL, 300)?;
        builder.put(rfc2865::IDLE_TIMEOUT, 600)?;
        builder.put(rfc2865::CLASS, &[5; 16])?;
        builder.copy_proxy_state(request).map(|_| ())
    };
    write().expect("an accept fits in a packet");
    builder.finish_reply(secret, request.authenticator()).len()
}

fn duplicates(c: &mut Criterion) {
    let mut cache = DuplicateCache::new(1 << 16, Duration::from_secs(10), 7);
    let mut number = 0_u64;
    c.bench_function("duplicate cache, full, all new", |b| {
        b.iter(|| {
            number += 1;
            let [.., high, low, identifier] = number.to_be_bytes();
            let source = SocketAddr::from((Ipv4Addr::new(10, 9, 0, 2), u16::from_be_bytes([high, low])));
            let key = Key { source, identifier, listener: 0 };
            let mut authenticator = [0; 16];
            authenticator[..8].copy_from_slice(&number.to_be_bytes());
            assert_eq!(cache.begin(key, &authenticator, Duration::ZERO), Begin::New);
            cache.finish(&key, &authenticator, &[1; 120])
        });
    });
}

criterion_group!(benches, login, duplicates);
criterion_main!(benches);
