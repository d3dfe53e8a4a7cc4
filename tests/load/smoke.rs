//! The generator against the responder, in one process and for a moment: that a bench counts what happens, and
//! that it notices a server that answers wrongly or not at all.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use radius_proto::Secret;

use crate::engine::{Engine, Plan};
use crate::pace::{Customers, Pace, Patience, Phase};
use crate::request::Recipe;
use crate::responder::Responder;
use crate::tally::{Count, Tally};

fn plan(server: SocketAddr, secret: &[u8]) -> Plan {
    let secret = Secret::new(secret).expect("not empty");
    Plan {
        server,
        from: Ipv4Addr::LOCALHOST,
        ports: 2,
        recipe: Recipe { secret, chap: false, signed: true, must_be_signed: true, nas: Ipv4Addr::LOCALHOST },
        pace: Pace::Closed { outstanding: 32 },
        patience: Patience::ONCE,
        customers: Customers::Each { next: 1, last: 2000, again: Vec::new() },
        warm: Duration::ZERO,
        round: Duration::from_secs(3600),
        rounds: 1,
    }
}

/// Runs a plan, made for the address of a responder that knows "right".
fn against_responder(make: impl FnOnce(SocketAddr) -> Plan) -> Count {
    let secret = Secret::new(b"right").expect("not empty");
    let responder = Responder::open(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), secret).expect("a free port");
    let engine = Engine::new(make(responder.address().expect("bound")), Dice::seeded(1), Instant::now());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| responder.answer_until(&stop));
        let count = engine.expect("free ports").run();
        stop.store(true, Ordering::Relaxed);
        server.join().expect("no panic").expect("it answers");
        count.expect("it asks")
    })
}

#[test]
fn each_customer_is_asked_for_and_let_in_once() {
    for chap in [false, true] {
        let count = against_responder(|server| {
            let plan = plan(server, b"right");
            Plan { recipe: Recipe { chap, ..plan.recipe.clone() }, ..plan }
        });
        let Tally { accepted, rejected, octets, ref latencies, .. } = count.rounds[0];
        assert_eq!((accepted, rejected), (2000, 0));
        assert_eq!(count.rounds[0].faults(), "");
        assert_eq!(octets / accepted, 20 + 18 + 6 + 6 + 6 + 36 + 12 + 12 + 14);
        assert!(latencies.quantile(0.5) > Duration::ZERO && latencies.longest() < Duration::from_secs(1));
        assert_eq!(count.seconds.iter().map(|second| second.useful).sum::<u64>(), 2000);
    }
}

#[test]
fn a_server_with_another_secret_is_found_out() {
    let count = against_responder(|server| Plan {
        pace: Pace::Open { phases: vec![Phase { per_second: 2000.0, lasts: Duration::from_millis(100) }] },
        patience: Patience { gap: 50_000_000, tries: 2 },
        customers: Customers::Uniform { count: 10 },
        ..plan(server, b"wrong")
    });
    let tally = &count.rounds[0];
    assert_eq!((tally.accepted, tally.lost), (0, tally.asked));
    assert_eq!(tally.retried, tally.asked, "each is tried twice");
    assert_eq!(tally.faults(), format!("{} response authenticator", tally.asked + tally.retried));
}

#[test]
fn where_nobody_listens_nobody_is_let_in() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let mut plan = plan(silent.local_addr().expect("bound"), b"right");
    plan.pace = Pace::Open { phases: vec![Phase { per_second: 1000.0, lasts: Duration::from_millis(100) }] };
    plan.patience = Patience { gap: 20_000_000, tries: 3 };
    plan.customers = Customers::Uniform { count: 10 };
    let count = Engine::new(plan, Dice::seeded(2), Instant::now()).expect("free ports").run().expect("it asks");
    let tally = &count.rounds[0];
    assert!(tally.asked > 0 && tally.accepted == 0, "{tally:?}");
    assert_eq!((tally.lost, tally.retried), (tally.asked, 2 * tally.asked));
}
