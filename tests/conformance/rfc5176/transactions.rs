//! The packet and the transaction alone: what is sent to a NAS, and what is made of its answer. The timers and the
//! handling of replies are tested beside the transaction itself, in `radius-proto`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use radius_proto::attribute::{rfc2865, rfc2866, rfc2869, rfc5176};
use radius_proto::dynauth::{Action, NakMeaning, Outcome, ReplyPolicy, Timers, Transaction, classify};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};

fn secret() -> Secret {
    Secret::new(b"between us two").expect("not empty")
}

fn disconnect() -> Vec<u8> {
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::DisconnectRequest, 31);
    builder.put(rfc2865::USER_NAME, b"guest").expect("fits");
    builder.put(rfc2865::FRAMED_IP_ADDRESS, [10, 5, 50, 7].into()).expect("fits");
    builder.put(rfc2866::ACCT_SESSION_ID, b"80100014").expect("fits");
    builder.put(rfc2869::EVENT_TIMESTAMP, 1_790_000_000).expect("fits");
    builder.reserve_message_authenticator().expect("fits");
    builder.finish_hashed_request(&secret()).to_vec()
}

#[test]
fn o1_message_authenticator_is_computed_before_the_authenticator_and_over_zeros() {
    let octets = disconnect();
    let packet = Packet::parse(&octets).expect("well formed");
    assert!(authenticator::verify_request(&packet, &secret()));
    assert_eq!(message_authenticator::check_request(&packet, &secret()), Check::Valid);
    // The Authenticator covers the Message-Authenticator: a change there breaks it.
    let mut changed = octets.clone();
    *changed.last_mut().expect("not empty") ^= 1;
    let packet = Packet::parse(&changed).expect("well formed");
    assert!(!authenticator::verify_request(&packet, &secret()));
}

#[test]
fn a_router_that_answers_after_a_retransmission_is_understood() {
    let octets = disconnect();
    let router = SocketAddr::from((Ipv4Addr::new(10, 5, 50, 1), 3799));
    let mut transaction = Transaction::new(&octets, router, Timers::default()).expect("a request");
    assert_eq!(transaction.poll(Duration::ZERO, 0), Action::Send(&octets));
    let Action::WaitUntil(next) = transaction.poll(Duration::ZERO, 0) else { panic!("nothing to wait for") };
    assert_eq!(transaction.poll(next, 0), Action::Send(&octets));

    let request = Packet::parse(&octets).expect("well formed");
    let mut buf = [0; MAX_PACKET];
    let mut builder = reply(&mut buf, Code::DisconnectNak, &request).expect("fits");
    builder.put(rfc5176::ERROR_CAUSE, rfc5176::error_cause::SESSION_CONTEXT_NOT_FOUND).expect("fits");
    let answer = builder.finish_reply(&secret(), request.authenticator());
    let answer = Packet::parse(answer).expect("well formed");
    let outcome = transaction.handle_reply(router, &answer, &secret(), ReplyPolicy::default(), 1_790_000_000);
    assert_eq!(outcome, Outcome::Nak { error_cause: Some(503) });
    assert_eq!(classify(Some(503)), NakMeaning::SessionGone);
    assert_eq!(transaction.poll(next, 0), Action::Answered);
}
