//! The whole path of a packet through the pipeline, from its octets to the octets of the answer: what it answers, and
//! that a login which memory answers allocates nothing on the way, once the duplicate cache has warmed up.
//!
//! The counting allocator (`allocation-counter`) is this test program's alone; it counts for the thread that measures.

use std::net::SocketAddr;

use radius_proto::attribute::{mikrotik, rfc2865};
use radius_proto::message_authenticator::{Check, check_reply};
use radius_proto::password::chap;
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator};
use radiusd::harness::{Answers, Harness};
use shared::time::Clock;

#[path = "../fuzz/bodies/known.rs"]
mod known;

use known::{DEVICE, NAME, PASSWORD, SECRET, entry, router};

const ROUNDS: u32 = 500;

/// The `number`th login of a hotspot, signed; by PAP, by CHAP, or by the device's MAC.
fn login(number: u32, way: &str) -> Vec<u8> {
    let secret = Secret::new(SECRET).expect("not empty");
    let mut seed = [7; 16];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let mut buffer = [0; MAX_PACKET];
    let mut request = Builder::new(&mut buffer, Code::AccessRequest, number.to_be_bytes()[3]);
    request.put(rfc2865::CALLING_STATION_ID, DEVICE.to_string().as_bytes()).expect("fits");
    let device = DEVICE.to_string();
    let name = if way == "mac" { device.as_bytes() } else { NAME };
    request.put(rfc2865::USER_NAME, name).expect("fits");
    request.put(mikrotik::HOST_IP, [10, 5, 50, 7].into()).expect("fits");
    if way == "pap" {
        request.put_user_password(PASSWORD, &seed, &secret).expect("fits");
    } else {
        let password = if way == "mac" { &b""[..] } else { PASSWORD };
        request.put(rfc2865::CHAP_CHALLENGE, &[9; 16]).expect("fits");
        request.put(rfc2865::CHAP_PASSWORD, &chap::response(5, password, &[9; 16])).expect("fits");
    }
    request.reserve_message_authenticator().expect("fits");
    request.finish_access_request(&secret, seed).to_vec()
}

/// Whether the answer is an Access-Accept that proves the secret twice.
fn is_accept(answer: Option<&[u8]>, request: &[u8]) -> bool {
    let secret = Secret::new(SECRET).expect("not empty");
    let request = Packet::parse(request).expect("our own packet");
    let Some(answer) = answer.and_then(|octets| Packet::parse(octets).ok()) else { return false };
    answer.code() == Code::AccessAccept
        && authenticator::verify_reply(&answer, request.authenticator(), &secret)
        && check_reply(&answer, request.authenticator(), &secret) == Check::Valid
}

#[test]
fn a_login_that_memory_answers_allocates_nothing_on_its_whole_path() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let harness = Harness::new(&[router()], vec![entry(Clock::system().now())]).expect("a pipeline");
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    let mut answers = Answers::default();
    for (round, way) in (0..).zip(["pap", "chap", "mac"]) {
        // One round to warm the cache up: every identifier has its slot and its slot the room for an answer.
        let requests: Vec<Vec<u8>> = (0..256 + ROUNDS).map(|number| login(round << 16 | number, way)).collect();
        let (warm, measured) = requests.split_at(256);
        for request in warm {
            assert!(is_accept(harness.take(false, peer, request, &mut answers), request), "{way}");
        }
        let mut accepted = 0;
        let counted = allocation_counter::measure(|| {
            for request in measured {
                accepted += u32::from(harness.take(false, peer, request, &mut answers).is_some_and(|a| a[0] == 2));
            }
        });
        assert_eq!(accepted, ROUNDS, "{way}");
        assert_eq!(counted.count_total, 0, "{way}: {counted:?}");
    }
}

#[test]
fn a_retransmission_is_answered_with_the_same_octets_and_without_allocating() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let harness = Harness::new(&[router()], vec![entry(Clock::system().now())]).expect("a pipeline");
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    let mut answers = Answers::default();
    let request = login(1, "pap");
    let first = harness.take(false, peer, &request, &mut answers).expect("an answer").to_vec();
    assert!(is_accept(Some(&first), &request));
    let mut second = Vec::with_capacity(MAX_PACKET);
    let counted = allocation_counter::measure(|| {
        second.extend_from_slice(harness.take(false, peer, &request, &mut answers).expect("the answer again"));
    });
    assert_eq!(first, second);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn a_stranger_is_met_with_silence() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let harness = Harness::new(&[router()], vec![entry(Clock::system().now())]).expect("a pipeline");
    let stranger = SocketAddr::from(([127, 0, 0, 9], 40_000));
    assert_eq!(harness.take(false, stranger, &login(1, "pap"), &mut Answers::default()), None);
}

/// A small generator of its own, so that a failure is repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.roll(256).to_be_bytes()[7]).collect()
    }
}

/// A signed request of random attributes, some of them with the right name and device.
fn any_request(dice: &mut Dice, identifier: u8) -> (bool, Vec<u8>) {
    let secret = Secret::new(SECRET).expect("not empty");
    let codes = [Code::AccessRequest, Code::AccountingRequest, Code::StatusServer];
    let code = codes[dice.roll(codes.len())];
    let mut buffer = [0; MAX_PACKET];
    let mut request = Builder::new(&mut buffer, code, identifier);
    // What does not fit or is not allowed is left out.
    for _ in 0..dice.roll(24) {
        let kind = [1, 2, 3, 6, 8, 24, 25, 26, 31, 33, 40, 44, 60, 61, 79, 87][dice.roll(16)];
        let length = 1 + dice.roll(40);
        let value = match dice.roll(4) {
            0 => NAME.to_vec(),
            1 => DEVICE.to_string().into_bytes(),
            2 => [&14_988_u32.to_be_bytes()[..], &dice.octets(length)].concat(),
            _ => dice.octets(length),
        };
        let _ = request.put_raw(kind, &value).is_ok();
    }
    let accounting = code == Code::AccountingRequest || (code == Code::StatusServer && dice.roll(2) == 0);
    if code == Code::AccountingRequest {
        return (accounting, request.finish_hashed_request(&secret).to_vec());
    }
    request.reserve_message_authenticator().expect("fits");
    let seed = dice.octets(16).try_into().expect("sixteen");
    (accounting, request.finish_access_request(&secret, seed).to_vec())
}

#[test]
fn whatever_comes_is_answered_rightly_or_not_at_all() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let harness = Harness::new(&[router()], vec![entry(Clock::system().now())]).expect("a pipeline");
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    let (mut answers, mut dice, mut answered) = (Answers::default(), Dice(2026), 0);
    for round in 0..30_000_u32 {
        let (accounting, mut octets) = any_request(&mut dice, round.to_be_bytes()[3]);
        // One in three is damaged on its way.
        for _ in 0..dice.roll(3) * usize::from(dice.roll(3) == 0) {
            let place = dice.roll(octets.len());
            octets[place] ^= 1 << dice.roll(8);
        }
        if dice.roll(20) == 0 {
            octets.truncate(dice.roll(octets.len()));
        }
        let Some(answer) = harness.take(accounting, peer, &octets, &mut answers) else { continue };
        assert_eq!(known::check(accounting, &octets, answer, &[SECRET]), Ok(()), "round {round}");
        answered += 1;
    }
    assert!(answered > 5_000, "{answered} of 30,000 were answered: the test hardly asks anything");
}
