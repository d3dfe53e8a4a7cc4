//! The generator against the responder, in one process and for a moment: that a bench counts what happens, and
//! that it notices a server that answers wrongly or not at all.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use radius_proto::Secret;

use crate::accounting::{Entry, Sessions, Wish};
use crate::engine::{Engine, Plan};
use crate::login::Logins;
use crate::pace::{Customers, Pace, Patience, Phase};
use crate::report::number;
use crate::request::Recipe;
use crate::responder::Responder;
use crate::tally::{Count, Tally};
use crate::work::Work;

fn plan(server: SocketAddr) -> Plan {
    Plan {
        servers: vec![server],
        from: Ipv4Addr::LOCALHOST,
        ports: 2,
        pace: Pace::Closed { outstanding: 32 },
        patience: Patience::ONCE,
        warm: Duration::ZERO,
        round: Duration::from_secs(3600),
        rounds: 1,
    }
}

fn recipe(secret: &[u8]) -> Recipe {
    let secret = Secret::new(secret).expect("not empty");
    Recipe { secret, chap: false, signed: true, must_be_signed: true, nas: Ipv4Addr::LOCALHOST }
}

fn logins(secret: &[u8]) -> Logins {
    Logins { recipe: recipe(secret), customers: Customers::Each { next: 1, last: 2000, again: Vec::new() } }
}

/// Runs a plan, made for the address of a responder that knows "right".
fn against_responder<W: Work + Send>(make: impl FnOnce(SocketAddr) -> (Plan, W)) -> (Count, W) {
    let secret = Secret::new(b"right").expect("not empty");
    let responder = Responder::open(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), secret).expect("a free port");
    let (plan, work) = make(responder.address().expect("bound"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| responder.answer_until(&stop));
        let done = Engine::new(plan, work, Dice::seeded(1), Instant::now()).and_then(Engine::run);
        stop.store(true, Ordering::Relaxed);
        server.join().expect("no panic").expect("it answers");
        done.expect("it asks")
    })
}

#[test]
fn each_customer_is_asked_for_and_let_in_once() {
    for chap in [false, true] {
        let (count, _) = against_responder(|server| {
            let logins = logins(b"right");
            (plan(server), Logins { recipe: Recipe { chap, ..logins.recipe.clone() }, ..logins })
        });
        let Tally { accepted, rejected, octets, ref latencies, .. } = count.rounds[0];
        assert_eq!((accepted, rejected), (2000, 0));
        assert_eq!(count.rounds[0].faults(), "");
        assert_eq!(octets / accepted, 20 + 18 + 6 + 6 + 6 + 36 + 12 + 12 + 14);
        assert!(latencies.quantile(0.5) > Duration::ZERO && latencies.longest() < Duration::from_secs(1));
        assert_eq!(count.seconds.iter().map(|second| second.useful).sum::<u64>(), 2000);
    }
}

/// A tenth of a second of requests at a rate, each tried twice.
fn for_a_moment(server: SocketAddr, per_second: f64) -> Plan {
    Plan {
        pace: Pace::Open { phases: vec![Phase { per_second, lasts: Duration::from_millis(100) }] },
        patience: Patience { gap: 50_000_000, tries: 2 },
        ..plan(server)
    }
}

#[test]
fn a_server_with_another_secret_is_found_out() {
    let (count, _) = against_responder(|server| {
        (for_a_moment(server, 2000.0), Logins { customers: Customers::Uniform { count: 10 }, ..logins(b"wrong") })
    });
    let tally = &count.rounds[0];
    assert_eq!((tally.accepted, tally.lost), (0, tally.asked));
    assert_eq!(tally.retried, tally.asked, "each is tried twice");
    assert_eq!(tally.faults(), format!("{} response authenticator", tally.asked + tally.retried));
}

#[test]
fn where_nobody_listens_nobody_is_let_in() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let plan = for_a_moment(silent.local_addr().expect("bound"), 1000.0);
    let work = Logins { customers: Customers::Uniform { count: 10 }, ..logins(b"right") };
    let (count, _) = Engine::new(plan, work, Dice::seeded(2), Instant::now()).and_then(Engine::run).expect("it asks");
    let tally = &count.rounds[0];
    assert!(tally.asked > 0 && tally.accepted == 0, "{tally:?}");
    assert_eq!((tally.lost, tally.retried), (tally.asked, tally.asked));
}

/// Sessions of which the responder knows "right", at one address for logins and records.
fn sessions(server: SocketAddr, secret: &[u8], wish: impl FnOnce(Wish) -> Wish) -> (Plan, Sessions) {
    let plain = Wish { recipe: recipe(secret), places: 100, users: 1000, first: 1, with_logins: false, tickets: 0 };
    (Plan { servers: vec![server; 2], ..plan(server) }, Sessions::new(wish(plain), &mut Dice::seeded(3)))
}

/// Opens sessions, asks at a rate for a moment, ends them. Returns what was counted in the moment.
fn a_life(wish: impl FnOnce(Wish) -> Wish) -> (Tally, Sessions) {
    let (opened, mut work) = against_responder(|server| {
        let (plan, mut work) = sessions(server, b"right", wish);
        work.open();
        (plan, work)
    });
    assert!(work.is_open());
    assert_eq!((opened.rounds[0].faults().as_str(), opened.rounds[0].rejected), ("", 0));
    work.run();
    let (count, mut work) =
        against_responder(|server| (Plan { servers: vec![server; 2], ..for_a_moment(server, 20_000.0) }, work));
    work.close();
    let (_, work) = against_responder(|server| (Plan { servers: vec![server; 2], ..plan(server) }, work));
    (count.rounds[0].clone(), work)
}

#[test]
fn sessions_report_in_the_mix_and_all_of_them_end() {
    for (with_logins, tickets, life) in [(false, 0, 10.0), (false, 150, 10.0), (true, 0, 11.0)] {
        let (tally, work) = a_life(|wish| Wish { with_logins, tickets, ..wish });
        assert_eq!((tally.faults().as_str(), tally.lost), ("", 0));
        assert!(tally.accepted > 500, "{tally:?}");
        let journal: Vec<Entry> = work.journal().collect();
        assert!(journal.iter().all(|entry| entry.stopped && entry.input > 0 && entry.output > 0));
        // Ninety were opened beforehand; one in so many requests begins another.
        let begun = number(journal.len() as u64 - 90);
        let wanted = number(tally.accepted - work.without_ticket) / life;
        // Those that began before the moment count among them, however long that took.
        let is_enough = begun >= wanted * 0.95 - 1.0 && begun < number(tally.accepted);
        assert!(is_enough, "{begun} sessions of {} requests", tally.accepted);
        let different: HashSet<u32> = journal.iter().map(|entry| entry.session).collect();
        assert_eq!(different.len(), journal.len());
        assert_eq!(work.without_ticket > 0, tickets > 0, "tickets for sixty more are not enough");
    }
}

#[test]
fn an_acknowledgement_by_another_secret_is_found_out() {
    let (count, _) = against_responder(|server| {
        let (plan, work) = sessions(server, b"wrong", |wish| wish);
        (Plan { servers: plan.servers, ..for_a_moment(server, 2000.0) }, work)
    });
    let tally = &count.rounds[0];
    assert!(tally.asked > 0 && tally.accepted == 0, "{tally:?}");
    assert_eq!(tally.faults(), format!("{} response authenticator", tally.asked + tally.retried));
}
