//! The pipeline by itself, with no socket and no database behind it: what benches, fuzzing and the test that counts
//! allocations hand packets to.
//!
//! Whatever would go to PostgreSQL goes nowhere: a name that memory does not know is refused as "cannot check", by a task
//! of the runtime that the caller has entered, and accounting records pile up in a bounded queue until the caller calls
//! them stored. Nothing in the running server uses this module.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use radius_proto::Code;
use shared::config;
use shared::seal::SealKey;
use shared::time::Clock;
use store::Db;
use store::directory::Entry;
use store::entitlement::Activation;
use store::nas::Nas;
use store::refusal::Refused;
use tokio::sync::mpsc;

use crate::client::Registry;
use crate::directory::Directory;
use crate::guard::Guard;
use crate::journal::{Entrance, Job};
use crate::listen::Endpoint;
use crate::logins::Logins;
use crate::metrics::Metrics;
use crate::pipeline::{self, Arrival, Duplicates, Pipeline, Port};
use crate::refusals::Refusals;
use crate::road::{Road, Sink};
use crate::strangers::Strangers;
use crate::throttle::Throttle;

/// A pipeline in hand.
pub struct Harness {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) endpoints: [Arc<Endpoint>; 2],
    records: mpsc::Receiver<Job>,
    /// Held so that the queue stays open.
    _activations: mpsc::Receiver<Activation>,
    _refused: mpsc::Receiver<Refused>,
}

/// The last answer, in room that is made once.
struct Last {
    octets: Vec<u8>,
    answers: usize,
}

impl Sink for Last {
    fn push(&mut self, _road: &Road, packet: &[u8]) {
        self.octets.clear();
        self.octets.extend_from_slice(packet);
        self.answers += 1;
    }
}

/// What takes the answers of a [`Harness`], one at a time.
pub struct Answers(Last);

impl Default for Answers {
    fn default() -> Answers {
        Answers(Last { octets: Vec::with_capacity(radius_proto::MAX_PACKET), answers: 0 })
    }
}

impl Harness {
    /// A pipeline that serves these routers and knows these entitlements.
    ///
    /// # Errors
    /// If a metric is registered twice, or no port is free on loopback.
    pub fn new(routers: &[Nas], entries: Vec<Entry>) -> anyhow::Result<Harness> {
        let clock = Clock::system();
        let metrics = Metrics::new()?;
        let seal = Arc::new(SealKey::from_hex(&"0".repeat(64))?);
        let nowhere =
            config::Database { write: "postgres://nobody@127.0.0.1:1/none".into(), listen: None, max_connections: 2 };
        let directory = Arc::new(Directory::new());
        for entry in entries {
            directory.put(entry, clock.now());
        }
        let (journal, records) = Entrance::detached(metrics.clone());
        let (logins, activations) = Logins::detached(metrics.clone());
        let (refusals, refused) = Refusals::detached(metrics.clone());
        let settings = config::Radius { reject_delay_ms: 0, ..config::Radius::default() };
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = |port, number| Endpoint::bind(loopback, port, number).map(Arc::new);
        let endpoints = [endpoint(Port::Auth, 0)?, endpoint(Port::Acct, 1)?];
        // Nobody is told what it has to tell.
        let (guard, _news) = Guard::new(settings.lock_after, Arc::clone(&seal));
        let pipeline = Arc::new(Pipeline {
            db: Db::open(&nowhere, Arc::clone(&seal))?,
            clients: Arc::new(ArcSwap::from_pointee(Registry::new(routers, &Registry::default()))),
            administrators: Arc::default(),
            directory,
            logins,
            refusals,
            journal,
            metrics,
            // A fuzzer makes a harness for every input: room that nobody fills would be most of its work.
            duplicates: Duplicates::with_capacity(256),
            throttle: Throttle::default(),
            guard: Arc::new(guard),
            strangers: Arc::new(Strangers::new()),
            // There is no database to ask.
            lookups: tokio::sync::Semaphore::new(0),
            delayed: Arc::new(tokio::sync::Semaphore::new(pipeline::MAX_DELAYED_REJECTS)),
            settings,
            clock,
        });
        Ok(Harness { pipeline, endpoints, records, _activations: activations, _refused: refused })
    }

    /// Hands a datagram to the authentication port, or to the accounting port. Returns the answer, if there is one at
    /// once.
    pub fn take<'a>(
        &self,
        accounting: bool,
        peer: SocketAddr,
        datagram: &[u8],
        answers: &'a mut Answers,
    ) -> Option<&'a [u8]> {
        let endpoint = &self.endpoints[usize::from(accounting)];
        let before = answers.0.answers;
        let clock = &self.pipeline.clock;
        let arrival = Arrival {
            port: endpoint.port,
            listener: endpoint.number,
            road: Road::Udp { endpoint: Arc::clone(endpoint), peer, local: None },
            received: clock.monotonic(),
            now: clock.now(),
        };
        // Not `take`, which survives a panic: whoever tests or fuzzes wants to see it.
        self.pipeline.handle(&mut answers.0, arrival, datagram);
        (answers.0.answers > before).then_some(&answers.0.octets[..])
    }

    /// Empties the queue of accounting records, as if all of them had been stored. Returns the acknowledgements that leave
    /// then.
    pub fn store(&mut self) -> Vec<Vec<u8>> {
        let (mut last, mut all) = (Answers::default().0, Vec::new());
        while let Ok(Job { reply, exchange, .. }) = self.records.try_recv() {
            let (before, Pipeline { duplicates, metrics, clock, .. }) = (last.answers, &*self.pipeline);
            pipeline::answer(&mut last, duplicates, metrics, clock, &exchange, &reply, Code::AccountingResponse);
            if last.answers > before {
                all.push(last.octets.clone());
            }
        }
        all
    }
}
