//! One packet's whole path.
//!
//! ```text
//! parse → who is asking → is it authentic → seen before? → Access-Request:     read, judge, answer   (login)
//!                                                          Accounting-Request: read, to the journal  (report)
//!                                                          Status-Server:      answer                (report)
//! ```
//!
//! Everything here runs on a reader and does not wait. Three things continue elsewhere, each bounded: a look-up of a
//! name that memory does not know, an Access-Reject that is held back, and an accounting record on its way to
//! PostgreSQL. A packet without an answer is counted under its reason; "silent" means just that.

mod duplicates;
mod login;
mod over_tls;
mod report;
mod silence;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use radius_proto::attribute::rfc2865;
use radius_proto::duplicate::{Finish, Key};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::{Builder, Code, Packet, Secret, authenticator};
use shared::config;
use shared::time::{Clock, OffsetDateTime};
use store::Db;
use tokio::sync::Semaphore;

pub(crate) use duplicates::Duplicates;

use crate::administrators::Administrators;
use crate::client::{Client, Registry};
use crate::directory::Directory;
use crate::guard::Guard;
use crate::journal::Entrance;
use crate::logins::Logins;
use crate::metrics::Metrics;
use crate::refusals::Refusals;
use crate::road::{Road, Sink};
use crate::strangers::Strangers;
use crate::throttle::Throttle;

/// Access-Rejects that may be held back at the same time; beyond that they are sent at once.
pub(crate) const MAX_DELAYED_REJECTS: usize = 4096;

/// The listener's number of every RadSec connection; UDP sockets count from 0.
pub(crate) const LISTENER_RADSEC: u8 = u8::MAX;

/// Which service a packet came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    /// 1812.
    Auth,
    /// 1813.
    Acct,
    /// 2083, over TLS: one port for everything (RFC 6614 §2.1).
    RadSec,
}

impl Port {
    pub(crate) const ALL: [Port; 3] = [Port::Auth, Port::Acct, Port::RadSec];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Port::Auth => "auth",
            Port::Acct => "acct",
            Port::RadSec => "radsec",
        }
    }

    /// Whether this kind of packet belongs here. Status-Server belongs everywhere (RFC 5997 §3).
    fn takes(self, code: Code) -> bool {
        match code {
            Code::AccessRequest => self != Port::Acct,
            Code::AccountingRequest => self != Port::Auth,
            Code::StatusServer => true,
            _ => false,
        }
    }
}

/// Everything that a packet may need.
pub(crate) struct Pipeline {
    pub(crate) settings: config::Radius,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) clients: Arc<ArcSwap<Registry>>,
    pub(crate) administrators: Arc<ArcSwap<Administrators>>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) logins: Logins,
    pub(crate) refusals: Refusals,
    pub(crate) journal: Entrance,
    pub(crate) metrics: Metrics,
    pub(crate) duplicates: Arc<Duplicates>,
    pub(crate) throttle: Throttle,
    pub(crate) guard: Arc<Guard>,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) lookups: Semaphore,
    pub(crate) delayed: Arc<Semaphore>,
}

/// How a packet came.
pub(crate) struct Arrival {
    /// Which service.
    pub(crate) port: Port,
    /// The listener's number, for the duplicate cache.
    pub(crate) listener: u8,
    /// Where its answer goes.
    pub(crate) road: Road,
    /// When it came, monotonic.
    pub(crate) received: Duration,
    /// The moment as of which it is handled.
    pub(crate) now: OffsetDateTime,
}

/// What became of a packet, for who reads a stream: after [`Reception::Broken`] a stream must end (RFC 6613 §2.6.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reception {
    /// It is being answered, or has been.
    Taken,
    /// It gets no answer, and the next packet may.
    Discarded,
    /// It is malformed, forged, or from nobody we know.
    Broken,
}

/// Where an answer goes, and what it answers.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) road: Road,
    pub(crate) port: Port,
    pub(crate) client: Arc<Client>,
    /// The secret that the request was made with.
    pub(crate) secret: Arc<Secret>,
    pub(crate) key: Key,
    pub(crate) authenticator: [u8; 16],
    /// When it came, monotonic.
    pub(crate) received: Duration,
}

/// What is known of the secret that a request was made with.
struct Proof {
    /// The secret that it proved, or the router's present one.
    secret: Arc<Secret>,
    /// Whether the request proved it. An unsigned Access-Request proves nothing by itself.
    proved: bool,
}

impl Pipeline {
    /// Takes one packet. Never waits, never fails: the worst that happens is silence, counted. A defect of ours that one
    /// packet brings to light costs that packet its answer, and not the others their reader.
    pub(crate) fn take(self: &Arc<Self>, out: &mut dyn Sink, arrival: Arrival, datagram: &[u8]) -> Reception {
        let (source, port, received) = (arrival.road.peer(), arrival.port, arrival.received);
        // What a panic leaves half done is this packet's own: its answer, its place among the duplicates. All that is
        // shared is behind locks that are held for one step, or is swapped whole.
        let handled = panic::catch_unwind(AssertUnwindSafe(|| self.handle(out, arrival, datagram)));
        handled.unwrap_or_else(|_| self.survive(source, port, received))
    }

    /// The work on one packet.
    pub(crate) fn handle(self: &Arc<Self>, out: &mut dyn Sink, arrival: Arrival, datagram: &[u8]) -> Reception {
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(error) => return self.drop_packet(&arrival, error.reason()),
        };
        let Some(client) = self.asker(&arrival.road) else {
            let (source, port) = (arrival.road.peer(), arrival.port.label());
            self.strangers.note(source, port, Some(&packet), arrival.received, arrival.now);
            return self.drop_packet(&arrival, "unknown_client");
        };
        self.metrics.note_received(arrival.port, packet.code());
        let age = || self.clock.monotonic().saturating_sub(arrival.received);
        if packet.code() == Code::AccountingRequest && self.journal.is_crowded(age()) {
            return self.drop_packet(&arrival, "queue_full");
        }
        let proved = match &arrival.road {
            _ if !arrival.port.takes(packet.code()) => Err("wrong_port"),
            Road::Udp { .. } => self.authenticate(&packet, &client, arrival.now),
            Road::Tls(connection) => over_tls::prove(&packet, &connection.secret),
        };
        let proof = match proved {
            Ok(proof) => proof,
            Err(reason) => return self.drop_packet(&arrival, reason),
        };
        client.hear(arrival.now);
        if proof.proved && arrival.port != Port::RadSec {
            client.proved_with(&proof.secret, arrival.now);
        }
        let exchange = Exchange {
            port: arrival.port,
            secret: proof.secret,
            client,
            key: Key { source: arrival.road.peer(), identifier: packet.identifier(), listener: arrival.listener },
            authenticator: *packet.authenticator(),
            received: arrival.received,
            road: arrival.road,
        };
        if self.is_duplicate(out, &exchange) {
            return Reception::Taken;
        }
        match packet.code() {
            Code::AccessRequest => {
                let here = exchange.client.here(arrival.now);
                self.access(out, exchange, &packet, proof.proved, here);
            }
            Code::AccountingRequest => self.accounting(exchange, &packet, arrival.now),
            _ => self.status(out, &exchange, &packet),
        }
        Reception::Taken
    }

    /// Who asks: over UDP whoever has the source address (RFC 2865 §5.4), over TLS whom the certificate named, as long as
    /// that router is registered.
    fn asker(&self, road: &Road) -> Option<Arc<Client>> {
        let clients = self.clients.load();
        match road {
            Road::Udp { peer, .. } => clients.find(peer.ip()).cloned(),
            Road::Tls(connection) => clients.by_id(connection.owner.nas).cloned(),
        }
    }

    /// Checks that a datagram was made with a secret of this router.
    fn authenticate(&self, packet: &Packet<'_>, client: &Client, now: OffsetDateTime) -> Result<Proof, &'static str> {
        if packet.code() == Code::AccountingRequest {
            let fits = |secret: &&Arc<Secret>| {
                authenticator::verify_request(packet, secret)
                    && !message_authenticator::check_request(packet, secret).must_discard()
            };
            let secret = client.secrets(now).find(fits).ok_or("bad_authenticator")?;
            return Ok(Proof { secret: Arc::clone(secret), proved: true });
        }
        let mut verdict = "bad_message_authenticator";
        for secret in client.secrets(now) {
            match message_authenticator::check_request(packet, secret) {
                Check::Valid => {
                    // A Status-Server is always signed, whatever else its sender does.
                    if packet.code() == Code::AccessRequest {
                        self.note_signature(client);
                    }
                    return Ok(Proof { secret: Arc::clone(secret), proved: true });
                }
                Check::Absent => {
                    may_be_unsigned(packet, client)?;
                    return Ok(Proof { secret: Arc::clone(secret), proved: false });
                }
                Check::Repeated => verdict = "repeated_message_authenticator",
                Check::Invalid | Check::BadLength => {}
            }
        }
        Err(verdict)
    }

    /// A router that signs once must go on doing so, also after our restart.
    fn note_signature(&self, client: &Client) {
        if client.learn_that_it_signs() {
            let (db, id, name) = (self.db.clone(), client.id, client.name.clone());
            tokio::spawn(async move {
                if let Err(error) = store::nas::sends_message_authenticator(&db, id).await {
                    tracing::warn!(nas = %name, %error, "that this router signs its requests could not be written down");
                }
            });
        }
    }

    /// Signs an answer, remembers it and sends it.
    fn finish(
        &self,
        out: &mut dyn Sink,
        exchange: &Exchange,
        built: Result<Builder<'_>, radius_proto::BuildError>,
        code: Code,
    ) {
        match built {
            Ok(builder) => {
                let reply = builder.finish_reply(&exchange.secret, &exchange.authenticator);
                answer(out, &self.duplicates, &self.metrics, &self.clock, exchange, reply, code);
            }
            Err(error) => {
                tracing::error!(nas = %exchange.client.name, %error, "an answer could not be built");
                self.give_up(exchange, "reply_too_long");
            }
        }
    }
}

/// Whether this Access-Request may come without a Message-Authenticator (CVE-2024-3596). A router that must sign is
/// not excused; and where none must, one with a Proxy-State, which the attack needs, is refused unless the router is
/// known to be a proxy.
fn may_be_unsigned(packet: &Packet<'_>, client: &Client) -> Result<(), &'static str> {
    if packet.code() == Code::StatusServer || client.requires_message_authenticator() {
        return Err("no_message_authenticator");
    }
    if client.limits_proxy_state() && packet.count(rfc2865::PROXY_STATE) > 0 {
        return Err("unsigned_proxy_state");
    }
    Ok(())
}

/// Remembers an answer and sends it, unless the router has moved on to another request.
pub(crate) fn answer(
    out: &mut dyn Sink,
    duplicates: &Duplicates,
    metrics: &Metrics,
    clock: &Clock,
    exchange: &Exchange,
    reply: &[u8],
    code: Code,
) {
    let finish = duplicates.with(&exchange.key, |cache| cache.finish(&exchange.key, &exchange.authenticator, reply));
    if finish == Finish::Replaced {
        metrics.note_dropped(exchange.port, "superseded");
        return;
    }
    out.push(&exchange.road, reply);
    metrics.note_answer(code, &exchange.client, clock.monotonic().saturating_sub(exchange.received));
}
