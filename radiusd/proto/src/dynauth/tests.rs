//! The transaction on a clock that jumps, and the statements O1 to O9 that it answers for.

use super::*;
use crate::attribute::{rfc2865, rfc2866};
use crate::builder::{Builder, reply};
use crate::limits::MAX_PACKET;
use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

const NOW_SECONDS: u32 = 1_800_000_000;

/// An ACK as it should be: without an Error-Cause.
const ACK: Outcome = Outcome::Ack { error_cause: None };

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

fn peer() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 5, 50, 1), 3799))
}

fn request(code: Code) -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, code, 77);
    builder.put(rfc2865::USER_NAME, b"guest").expect("fits");
    builder.put(rfc2866::ACCT_SESSION_ID, b"80100014").expect("fits");
    builder.put(rfc2869::EVENT_TIMESTAMP, NOW_SECONDS).expect("fits");
    builder.reserve_message_authenticator().expect("fits");
    builder.finish_hashed_request(&secret()).to_vec()
}

/// An answer of the NAS, with what `fill` adds.
fn answer(to: &[u8], code: Code, fill: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
    let request = Packet::parse(to).expect("well formed");
    let mut buf = [0; MAX_PACKET];
    let mut builder = reply(&mut buf, code, &request).expect("fits");
    fill(&mut builder);
    builder.finish_reply(&secret(), request.authenticator()).to_vec()
}

fn sent(code: Code) -> (Vec<u8>, Transaction) {
    let request = request(code);
    let mut transaction = Transaction::new(&request, peer(), Timers::default()).expect("a request");
    assert_eq!(transaction.poll(Duration::ZERO, 0), Action::Send(&request));
    (request, transaction)
}

fn hand(transaction: &mut Transaction, octets: &[u8]) -> Outcome {
    hand_with(transaction, octets, ReplyPolicy::default())
}

fn hand_with(transaction: &mut Transaction, octets: &[u8], policy: ReplyPolicy) -> Outcome {
    let packet = Packet::parse(octets).expect("well formed");
    transaction.handle_reply(peer(), &packet, &secret(), policy, NOW_SECONDS)
}

/// When each transmission happens and when it gives up, with one jitter throughout.
fn schedule(timers: Timers, jitter_permille: i32) -> (Vec<Duration>, Duration) {
    let mut transaction = Transaction::new(&request(Code::DisconnectRequest), peer(), timers).expect("a request");
    let (mut now, mut sends) = (Duration::ZERO, vec![]);
    for _ in 0..100 {
        match transaction.poll(now, jitter_permille) {
            Action::Send(_) => sends.push(now),
            Action::WaitUntil(next) => now = next,
            Action::TimedOut => return (sends, now),
            Action::Answered => panic!("no one answered"),
        }
    }
    panic!("the schedule does not end")
}

fn seconds(list: &[f64]) -> Vec<Duration> {
    list.iter().map(|&seconds| Duration::from_secs_f64(seconds)).collect()
}

#[test]
fn o1_the_request_verifies_under_both_proofs() {
    for code in [Code::DisconnectRequest, Code::CoaRequest] {
        let octets = request(code);
        let packet = Packet::parse(&octets).expect("well formed");
        assert!(authenticator::verify_request(&packet, &secret()));
        assert_eq!(message_authenticator::check_request(&packet, &secret()), Check::Valid);
    }
}

#[test]
fn o2_a_retransmission_is_the_same_octets() {
    let (request, mut transaction) = sent(Code::DisconnectRequest);
    assert_eq!(transaction.poll(Duration::from_millis(1999), 0), Action::WaitUntil(Duration::from_secs(2)));
    assert_eq!(transaction.poll(Duration::from_secs(2), 0), Action::Send(&request));
    assert_eq!(transaction.transmissions(), 2);
}

#[test]
fn o2_every_transmission_until_the_end_is_the_same_octets_to_the_same_peer() {
    let request = request(Code::CoaRequest);
    let mut transaction = Transaction::new(&request, peer(), Timers::default()).expect("a request");
    let mut now = Duration::ZERO;
    let end = loop {
        match transaction.poll(now, 37) {
            Action::Send(octets) => assert_eq!(octets, request),
            Action::WaitUntil(next) => now = next,
            end => break end == Action::TimedOut,
        }
    };
    assert!(end && transaction.transmissions() > 1);
    assert_eq!((transaction.peer(), transaction.identifier()), (peer(), 77));
}

#[test]
fn o3_a_refreshed_event_timestamp_is_another_request() {
    let mut identifiers = Identifiers::new(77);
    let made: Vec<Vec<u8>> = [NOW_SECONDS, NOW_SECONDS + 30]
        .map(|stamp| {
            let mut buf = [0; MAX_PACKET];
            let identifier = identifiers.take().expect("free");
            let mut builder = Builder::new(&mut buf, Code::DisconnectRequest, identifier);
            builder.put(rfc2866::ACCT_SESSION_ID, b"80100014").expect("fits");
            builder.put(rfc2869::EVENT_TIMESTAMP, stamp).expect("fits");
            builder.finish_hashed_request(&secret()).to_vec()
        })
        .into();
    let [first, second] = [&made[0], &made[1]].map(|octets| Packet::parse(octets).expect("well formed"));
    assert_ne!(first.identifier(), second.identifier());
    assert_ne!(first.authenticator(), second.authenticator());
    // The answer to the one is no answer to the other.
    let mut transaction = Transaction::new(&made[1], peer(), Timers::default()).expect("a request");
    assert_eq!(transaction.poll(Duration::ZERO, 0), Action::Send(&made[1]));
    let ack = answer(&made[0], Code::DisconnectAck, |_| {});
    assert_eq!(hand(&mut transaction, &ack), Outcome::Ignored(Ignored::WrongIdentifier));
}

#[test]
fn o4_intervals_double_up_to_mrt_and_end_at_mrd() {
    let (sends, end) = schedule(Timers::default(), 0);
    assert_eq!(sends, seconds(&[0.0, 2.0, 6.0, 14.0]));
    assert_eq!(end, Duration::from_secs(30));

    let long = Timers { max_duration: Duration::from_secs(1000), max_transmissions: 6, ..Timers::default() };
    let (sends, end) = schedule(long, 0);
    assert_eq!(sends, seconds(&[0.0, 2.0, 6.0, 14.0, 30.0, 46.0]));
    assert_eq!(end, Duration::from_secs(62));
}

#[test]
fn o4_mrd_ends_it_even_while_the_next_transmission_is_far() {
    let short = Timers { max_duration: Duration::from_secs(20), ..Timers::default() };
    let (sends, end) = schedule(short, 0);
    assert_eq!(sends, seconds(&[0.0, 2.0, 6.0, 14.0]));
    assert_eq!(end, Duration::from_secs(20));
}

#[test]
fn o4_ends_after_mrc_transmissions() {
    let three = Timers { max_transmissions: 3, ..Timers::default() };
    let (sends, end) = schedule(three, 0);
    assert_eq!(sends, seconds(&[0.0, 2.0, 6.0]));
    assert_eq!(end, Duration::from_secs(14));
}

#[test]
fn o4_jitter_varies_every_wait_and_is_clamped_to_a_tenth() {
    let long = Timers { max_duration: Duration::from_secs(1000), ..Timers::default() };
    // 2(1+0.1), times 2.1 twice, then 16(1+0.1).
    let (sends, _) = schedule(long, 100);
    assert_eq!(sends, seconds(&[0.0, 2.2, 6.82, 16.522, 34.122]));
    assert_eq!(schedule(long, 5000), schedule(long, 100));
    let (sends, _) = schedule(long, -100);
    assert_eq!(sends, seconds(&[0.0, 1.8, 5.22, 11.718, 24.0642]));
}

#[test]
fn o5_an_identifier_is_never_out_twice_and_rests_longest() {
    let mut identifiers = Identifiers::new(250);
    let first = identifiers.take();
    assert_eq!(first, Some(250));
    identifiers.give_back(250);
    identifiers.give_back(250);
    assert_eq!(identifiers.in_use(), 0);
    let mut taken: Vec<u8> = core::iter::from_fn(|| identifiers.take()).collect();
    assert_eq!(taken.last(), Some(&250), "the one just given back comes last");
    taken.sort_unstable();
    assert_eq!(taken, (0..=255).collect::<Vec<u8>>());
    assert_eq!((identifiers.take(), identifiers.in_use()), (None, 256));
    identifiers.give_back(9);
    assert_eq!(identifiers.take(), Some(9));
}

#[test]
fn o6_ack_and_nak_end_it_and_later_ones_are_late() {
    let (request, mut transaction) = sent(Code::DisconnectRequest);
    let ack = answer(&request, Code::DisconnectAck, |_| {});
    assert_eq!(hand(&mut transaction, &ack), ACK);
    assert_eq!(hand(&mut transaction, &ack), Outcome::Ignored(Ignored::Late));
    assert_eq!(transaction.poll(Duration::from_secs(2), 0), Action::Answered);

    let (request, mut transaction) = sent(Code::CoaRequest);
    let nak = answer(&request, Code::CoaNak, |builder| {
        builder.put(rfc5176::ERROR_CAUSE, 503).expect("fits");
    });
    assert_eq!(hand(&mut transaction, &nak), Outcome::Nak { error_cause: Some(503) });
}

#[test]
fn o6_what_is_not_the_answer_changes_nothing() {
    let (request, mut transaction) = sent(Code::DisconnectRequest);
    let ack = answer(&request, Code::DisconnectAck, |_| {});
    let packet = Packet::parse(&ack).expect("well formed");
    let stranger = SocketAddr::from((Ipv4Addr::new(10, 5, 50, 2), 3799));
    assert_eq!(
        transaction.handle_reply(stranger, &packet, &secret(), ReplyPolicy::default(), NOW_SECONDS),
        Outcome::Ignored(Ignored::WrongSource)
    );
    let other = Secret::new(b"another").expect("not empty");
    assert_eq!(
        transaction.handle_reply(peer(), &packet, &other, ReplyPolicy::default(), NOW_SECONDS),
        Outcome::Ignored(Ignored::BadAuthenticator)
    );
    let mut wrong_id = ack.clone();
    wrong_id[1] ^= 1;
    assert_eq!(hand(&mut transaction, &wrong_id), Outcome::Ignored(Ignored::WrongIdentifier));
    let coa = answer(&request, Code::CoaAck, |_| {});
    assert_eq!(hand(&mut transaction, &coa), Outcome::Ignored(Ignored::WrongCode));
    assert_eq!(transaction.poll(Duration::from_secs(1), 0), Action::WaitUntil(Duration::from_secs(2)));
    assert_eq!(hand(&mut transaction, &ack), ACK);
}

#[test]
fn o6_a_reply_before_or_after_the_time_is_ignored() {
    let request = request(Code::DisconnectRequest);
    let ack = answer(&request, Code::DisconnectAck, |_| {});
    let mut transaction = Transaction::new(&request, peer(), Timers::default()).expect("a request");
    assert_eq!(hand(&mut transaction, &ack), Outcome::Ignored(Ignored::Early));
    assert_eq!(transaction.poll(Duration::ZERO, 0), Action::Send(&request));
    assert_eq!(transaction.poll(Duration::from_secs(30), 0), Action::TimedOut);
    assert_eq!(hand(&mut transaction, &ack), Outcome::Ignored(Ignored::Late));
    assert_eq!(transaction.poll(Duration::from_secs(31), 0), Action::TimedOut);
}

#[test]
fn b7_message_authenticator_of_a_reply_is_checked_when_there_and_wanted_when_asked() {
    let strict = ReplyPolicy { require_message_authenticator: true, ..ReplyPolicy::default() };
    let (request, mut transaction) = sent(Code::DisconnectRequest);
    let plain = answer(&request, Code::DisconnectAck, |_| {});
    assert_eq!(hand_with(&mut transaction, &plain, strict), Outcome::Ignored(Ignored::NoMessageAuthenticator));
    // A Message-Authenticator of zeros under a right Response Authenticator.
    let seed = Packet::parse(&request).expect("well formed").authenticator();
    let mut forged = answer(&request, Code::DisconnectAck, |builder| {
        builder.put_raw(81, &[0; 16]).expect("fits");
    });
    forged[20] = 80;
    let signature = secret().md5_after(&[&forged[..4], seed, &forged[20..]]);
    forged[4..20].copy_from_slice(&signature);
    assert_eq!(hand(&mut transaction, &forged), Outcome::Ignored(Ignored::BadMessageAuthenticator));
    let signed = answer(&request, Code::DisconnectAck, |builder| {
        builder.reserve_message_authenticator().expect("fits");
    });
    assert_eq!(hand_with(&mut transaction, &signed, strict), ACK);
}

#[test]
fn o7_a_stale_event_timestamp_is_ignored_unless_the_caller_does_not_mind() {
    let (request, mut transaction) = sent(Code::DisconnectRequest);
    let stamped = |stamp| {
        answer(&request, Code::DisconnectAck, |builder| {
            builder.put(rfc2869::EVENT_TIMESTAMP, stamp).expect("fits");
        })
    };
    let stale = Outcome::Ignored(Ignored::StaleEventTimestamp);
    for stamp in [0, NOW_SECONDS - 301, NOW_SECONDS + 301, u32::MAX] {
        assert_eq!(hand(&mut transaction, &stamped(stamp)), stale, "{stamp}");
        assert_eq!(transaction.poll(Duration::from_secs(1), 0), Action::WaitUntil(Duration::from_secs(2)));
    }
    let narrow = ReplyPolicy { event_timestamp_window_seconds: Some(299), ..ReplyPolicy::default() };
    assert_eq!(hand_with(&mut transaction, &stamped(NOW_SECONDS - 300), narrow), stale);
    assert_eq!(hand(&mut transaction, &stamped(NOW_SECONDS - 300)), ACK);

    let (request, mut transaction) = sent(Code::DisconnectRequest);
    let old = answer(&request, Code::DisconnectAck, |builder| {
        builder.put(rfc2869::EVENT_TIMESTAMP, 0).expect("fits");
    });
    let any = ReplyPolicy { event_timestamp_window_seconds: None, ..ReplyPolicy::default() };
    assert_eq!(hand_with(&mut transaction, &old, any), ACK);
}

#[test]
fn o7_a_reply_without_event_timestamp_is_never_stale() {
    let (request, mut transaction) = sent(Code::CoaRequest);
    let at_once = ReplyPolicy { event_timestamp_window_seconds: Some(0), ..ReplyPolicy::default() };
    assert_eq!(hand_with(&mut transaction, &answer(&request, Code::CoaAck, |_| {}), at_once), ACK);
}

#[test]
fn o9_error_causes_are_classified() {
    for cause in [401, 402, 403, 404, 405, 406, 407, 499, 501, 504] {
        assert_eq!(classify(Some(cause)), NakMeaning::Permanent, "{cause}");
    }
    for cause in [502, 505, 506] {
        assert_eq!(classify(Some(cause)), NakMeaning::RetryLater, "{cause}");
    }
    assert_eq!(classify(Some(503)), NakMeaning::SessionGone);
    assert_eq!(classify(Some(508)), NakMeaning::AddAttributes);
    for cause in [200, 201, 202, 299] {
        assert_eq!(classify(Some(cause)), NakMeaning::Violation, "{cause}");
    }
    for cause in [None, Some(0), Some(199), Some(300), Some(507), Some(510), Some(599), Some(600), Some(u32::MAX)] {
        assert_eq!(classify(cause), NakMeaning::Unknown, "{cause:?}");
    }
}

#[test]
fn o9_every_named_error_cause_has_a_meaning_or_is_never_asked_for() {
    let named = rfc5176::TABLE.values.iter().find(|values| values.attribute == "Error-Cause").expect("declared");
    for &(cause, name) in named.values {
        let unknown = classify(Some(cause)) == NakMeaning::Unknown;
        assert_eq!(unknown, cause == error_cause::REQUEST_INITIATED, "{name}");
    }
}

#[test]
fn o9_a_cause_that_contradicts_its_answer_is_surfaced_and_the_answer_counts() {
    use Code::{CoaAck, CoaNak, DisconnectAck, DisconnectNak};
    for (asked, code, cause, violation) in [
        (Code::DisconnectRequest, DisconnectAck, 503, true),
        (Code::DisconnectRequest, DisconnectAck, 201, false),
        (Code::DisconnectRequest, DisconnectNak, 201, true),
        (Code::DisconnectRequest, DisconnectNak, 503, false),
        (Code::CoaRequest, CoaAck, 401, true),
        (Code::CoaRequest, CoaAck, 599, true),
        (Code::CoaRequest, CoaAck, 600, false),
        (Code::CoaRequest, CoaNak, 202, true),
        (Code::CoaRequest, CoaNak, 401, false),
    ] {
        let (request, mut transaction) = sent(asked);
        let octets = answer(&request, code, |builder| {
            builder.put(rfc5176::ERROR_CAUSE, cause).expect("fits");
        });
        let outcome = hand(&mut transaction, &octets);
        let error_cause = Some(cause);
        let expected = match code {
            DisconnectAck | CoaAck => Outcome::Ack { error_cause },
            _ => Outcome::Nak { error_cause },
        };
        assert_eq!(outcome, expected, "{code} {cause}");
        assert_eq!(outcome.violation(), violation.then_some(cause), "{code} {cause}");
        assert_eq!(transaction.poll(Duration::from_secs(2), 0), Action::Answered);
    }
    assert_eq!(ACK.violation(), None);
    assert_eq!(Outcome::Ignored(Ignored::Late).violation(), None);
}

#[test]
fn only_disconnect_and_coa_requests_make_a_transaction() {
    let mut buf = [0; MAX_PACKET];
    let octets = Builder::new(&mut buf, Code::AccountingRequest, 1).finish_hashed_request(&secret());
    let refused = |octets| Transaction::new(octets, peer(), Timers::default()).err();
    assert_eq!(refused(octets), Some(NotARequest::WrongCode(Code::AccountingRequest)));
    assert_eq!(refused(&octets[..19]), Some(NotARequest::Malformed(ParseError::TooShort { received: 19 })));
}
