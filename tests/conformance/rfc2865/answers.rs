//! Sections 3 and 5.33 against the running server: where an answer goes, what it brings back, and that a refusal takes
//! its time without holding anyone else up.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use radius_proto::Code;
use radius_proto::attribute::rfc2866;
use tests::world::at;
use tests::world::lab::{Answer, Lab, LabSettings, NAME, Port, SECRET, Wire, free_port};

#[tokio::test]
async fn d5_an_answer_goes_to_where_the_request_came_from_with_its_identifier() {
    let lab = Lab::new().await;
    let (one, other) = (Wire::at(Ipv4Addr::LOCALHOST).await, Wire::at(Ipv4Addr::LOCALHOST).await);
    let mut requests = Vec::new();
    for identifier in [0, 1, 127, 255] {
        let login = lab.good_login().identifier(identifier).finish();
        let wrong = lab.login(NAME, "not the password").identifier(identifier).finish();
        one.send(lab.address(Port::Auth), &login).await;
        other.send(lab.address(Port::Auth), &wrong).await;
        requests.push((identifier, login, wrong));
    }
    for (wire, expected) in [(&one, Code::AccessAccept), (&other, Code::AccessReject)] {
        for _ in &requests {
            let datagram = wire.receive().await;
            assert_eq!(datagram.from, lab.address(Port::Auth));
            let (_, login, wrong) = requests.iter().find(|(id, ..)| *id == datagram.octets[1]).expect("one of ours");
            let request = if expected == Code::AccessAccept { login } else { wrong };
            assert_eq!(Answer::check(datagram, request, SECRET).code(), expected);
        }
        assert_eq!(wire.waiting(), None);
    }
}

#[tokio::test]
async fn d5_listeners_of_both_families_answer_from_the_address_that_was_asked() {
    let mut settings = LabSettings::default();
    let places: [IpAddr; 3] =
        [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 2).into(), Ipv6Addr::LOCALHOST.into()];
    let auth = places.map(|place| SocketAddr::new(place, free_port(place)));
    let acct = places.map(|place| SocketAddr::new(place, free_port(place)));
    settings.world.auth_listen = auth.map(|address| address.to_string()).to_vec();
    settings.world.acct_listen = acct.map(|address| address.to_string()).to_vec();
    let mut lab = Lab::prepare(settings).await;
    lab.world.register("six", SECRET, at(Ipv6Addr::LOCALHOST)).await;
    lab.start().await;
    let six = Wire::at(Ipv6Addr::LOCALHOST).await;
    for (auth, acct) in auth.into_iter().zip(acct) {
        let wire = if auth.is_ipv6() { &six } else { &lab.wire };
        // `ask` wants the answer from where the question went.
        assert!(wire.ask(auth, &lab.good_login().finish(), SECRET).await.is_accept(), "{auth}");
        let refused = lab.login(NAME, "not the password").finish();
        assert_eq!(wire.ask(auth, &refused, SECRET).await.code(), Code::AccessReject, "{auth}");
        let report = lab.report(rfc2866::acct_status_type::START, "80100001").finish();
        assert_eq!(wire.ask(acct, &report, SECRET).await.code(), Code::AccountingResponse, "{acct}");
    }
}

#[tokio::test]
async fn d5_a_listener_on_every_address_answers_from_the_one_that_was_asked() {
    let everywhere = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
    let auth = everywhere.map(|place| SocketAddr::new(place, free_port(place)));
    let acct = everywhere.map(|place| SocketAddr::new(place, free_port(place)));
    let mut settings = LabSettings::default();
    settings.world.auth_listen = auth.map(|address| address.to_string()).to_vec();
    settings.world.acct_listen = acct.map(|address| address.to_string()).to_vec();
    // Held back, so that it leaves by another way than an accept.
    settings.world.reject_delay_ms = 50;
    let mut lab = Lab::prepare(settings).await;
    lab.world.register("six", SECRET, at(Ipv6Addr::LOCALHOST)).await;
    lab.start().await;
    let six = Wire::at(Ipv6Addr::LOCALHOST).await;
    let local = |last: u8| IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
    for (place, wire, family) in [
        (local(1), &lab.wire, 0),
        (local(2), &lab.wire, 0),
        (local(200), &lab.wire, 0),
        (Ipv6Addr::LOCALHOST.into(), &six, 1),
    ] {
        let (auth, acct) = (SocketAddr::new(place, auth[family].port()), SocketAddr::new(place, acct[family].port()));
        // `ask` wants the answer from where the question went; the system's own choice would be 127.0.0.1.
        assert!(wire.ask(auth, &lab.good_login().finish(), SECRET).await.is_accept(), "{auth}");
        let refused = lab.login(NAME, "not the password").finish();
        assert_eq!(wire.ask(auth, &refused, SECRET).await.code(), Code::AccessReject, "{auth}");
        assert_eq!(wire.ask(auth, &refused, SECRET).await.code(), Code::AccessReject, "{auth}: a replay");
        let unknown = lab.login("nobody", "x").finish();
        assert_eq!(wire.ask(auth, &unknown, SECRET).await.code(), Code::AccessReject, "{auth}: after a look-up");
        assert!(wire.ask(auth, &lab.status().finish(), SECRET).await.is_accept(), "{auth}");
        // Sent by the journal, long after it was received.
        let report = lab.report(rfc2866::acct_status_type::START, "80100001").finish();
        assert_eq!(wire.ask(acct, &report, SECRET).await.code(), Code::AccountingResponse, "{acct}");
    }
}

#[tokio::test]
async fn d6_every_proxy_state_goes_back_unmodified_and_in_order() {
    let lab = Lab::new().await;
    let states: Vec<Vec<u8>> = [&b"first"[..], b"\0\0", b"first", &[0xff; 253], b"last"].map(<[u8]>::to_vec).into();
    let with = |draft: tests::world::lab::Draft| states.iter().fold(draft, |draft, state| draft.raw(33, state));
    let start = rfc2866::acct_status_type::START;
    for (port, request, code) in [
        (Port::Auth, with(lab.good_login()), Code::AccessAccept),
        (Port::Auth, with(lab.login(NAME, "not the password")), Code::AccessReject),
        (Port::Auth, with(lab.login("nobody", "x")), Code::AccessReject),
        (Port::Acct, with(lab.report(start, "80100001")), Code::AccountingResponse),
        (Port::Acct, with(lab.report(rfc2866::acct_status_type::ACCOUNTING_ON, "x")), Code::AccountingResponse),
        (Port::Auth, with(lab.status()), Code::AccessAccept),
        (Port::Acct, with(lab.status()), Code::AccountingResponse),
    ] {
        let answer = lab.answered(port, &request).await;
        assert_eq!((answer.code(), answer.proxy_states()), (code, states.clone()));
    }
}

/// Refusals that are held back at the same time.
const REFUSALS: u8 = 200;

#[tokio::test]
async fn d7_a_refusal_waits_for_a_second_and_an_accept_overtakes_it() {
    let mut settings = LabSettings::default();
    settings.world.reject_delay_ms = 1000;
    // All of them come from one device.
    settings.world.lock_after = 0;
    let lab = Lab::with(settings).await;
    let mut sent = HashMap::new();
    for identifier in 0..REFUSALS {
        // One in ten is a name that memory does not know, which is looked up before it is refused.
        let name = if identifier % 10 == 0 { "nobody" } else { NAME };
        let wrong = lab.login(name, "not the password").identifier(identifier).finish();
        sent.insert(identifier, (Instant::now(), wrong.clone()));
        lab.wire.send(lab.address(Port::Auth), &wrong).await;
    }
    let last_refusal = Instant::now();
    // From a socket of its own, so that what it hears is only its own.
    let guest = Wire::at(Ipv4Addr::LOCALHOST).await;
    for _ in 0..20 {
        let asked = Instant::now();
        assert!(guest.ask(lab.address(Port::Auth), &lab.good_login().finish(), SECRET).await.is_accept());
        assert!(asked.elapsed() < Duration::from_millis(500), "an accept took {:?}", asked.elapsed());
    }
    assert!(last_refusal.elapsed() < Duration::from_secs(1), "the accepts came while all refusals were held back");
    assert_eq!(lab.wire.waiting(), None, "no refusal came before its time");
    for _ in 0..REFUSALS {
        let datagram = lab.wire.receive().await;
        let (asked, wrong) = &sent[&datagram.octets[1]];
        let waited = datagram.at - *asked;
        assert_eq!(Answer::check(datagram, wrong, SECRET).code(), Code::AccessReject);
        assert!(waited >= Duration::from_secs(1), "refused after {waited:?}");
        assert!(waited < Duration::from_secs(5), "refused after {waited:?}");
    }
    // What is set is what is waited: none at all, in the other tests.
}
