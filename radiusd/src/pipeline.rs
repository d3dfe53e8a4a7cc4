//! One datagram's whole path.
//!
//! ```text
//! parse → who is asking → is it authentic → seen before? → Access-Request:     read, judge, answer
//!                                                          Accounting-Request: read, hand to the journal
//!                                                          Status-Server:      answer
//! ```
//!
//! Everything here runs on a reader task and does not wait. Three things continue elsewhere, each bounded: a
//! look-up of a name that memory does not know, an Access-Reject that is held back, and an accounting record on
//! its way to PostgreSQL. A datagram without an answer is counted under its reason; "silent" means just that.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use radius_proto::duplicate::{Begin, DEFAULT_LIFETIME, DuplicateCache, Finish, Key};
use radius_proto::message_authenticator::{self, Check};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator};
use shared::config;
use shared::time::{Clock, OffsetDateTime};
use store::Db;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use crate::access::{self, Granted, Login, Memory, Unreadable, Verdict};
use crate::accounting::{self, Reading};
use crate::client::{Client, Registry};
use crate::directory::Directory;
use crate::journal::{Entrance, Job};
use crate::logins::Logins;
use crate::metrics::Metrics;
use crate::policy::{self, Denial};
use crate::throttle::Throttle;
use crate::ticket::Ticket;

/// Access-Rejects that may be held back at the same time; beyond that they are sent at once.
pub(crate) const MAX_DELAYED_REJECTS: usize = 4096;

/// Which port a datagram came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    /// 1812.
    Auth,
    /// 1813.
    Acct,
}

impl Port {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Port::Auth => "auth",
            Port::Acct => "acct",
        }
    }
}

/// Everything that a datagram may need.
pub(crate) struct Pipeline {
    pub(crate) settings: config::Radius,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) clients: Arc<ArcSwap<Registry>>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) logins: Logins,
    pub(crate) journal: Entrance,
    pub(crate) metrics: Metrics,
    pub(crate) duplicates: Arc<Duplicates>,
    pub(crate) throttle: Throttle,
    pub(crate) lookups: Semaphore,
    pub(crate) delayed: Arc<Semaphore>,
}

/// Where an answer goes, and what it answers.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) port: Port,
    pub(crate) client: Arc<Client>,
    pub(crate) secret: Secret,
    pub(crate) key: Key,
    pub(crate) authenticator: [u8; 16],
    /// When it came, monotonic.
    pub(crate) received: Duration,
}

impl Pipeline {
    /// Takes one datagram. Never waits, never fails: the worst that happens is silence, counted.
    pub(crate) fn take(
        self: &Arc<Self>,
        socket: &Arc<UdpSocket>,
        port: Port,
        number: u8,
        source: SocketAddr,
        datagram: &[u8],
    ) {
        let received = self.clock.monotonic();
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(error) => return self.drop_packet(port, error.reason(), source, received),
        };
        let Some(client) = self.clients.load().find(source.ip()).cloned() else {
            return self.drop_packet(port, "unknown_client", source, received);
        };
        self.metrics.received.with_label_values(&[port.label(), packet.code().name()]).inc();
        let now = self.clock.now();
        let (secret, signed) = match self.authenticate(&packet, port, &client, now) {
            Ok(proved) => proved,
            Err(reason) => return self.drop_packet(port, reason, source, received),
        };
        client.hear(now);
        let exchange = Exchange {
            socket: Arc::clone(socket),
            port,
            secret,
            client,
            key: Key { source, identifier: packet.identifier(), listener: number },
            authenticator: *packet.authenticator(),
            received,
        };
        if self.is_duplicate(&exchange) {
            return;
        }
        match packet.code() {
            Code::AccessRequest => self.access(exchange, &packet, signed, now),
            Code::AccountingRequest => self.accounting(exchange, &packet, now),
            _ => self.status(&exchange, &packet),
        }
    }

    /// Checks that the packet belongs on this port and was made with a secret of this router. Returns the secret
    /// and whether a Message-Authenticator proved it.
    fn authenticate(
        &self,
        packet: &Packet<'_>,
        port: Port,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<(Secret, bool), &'static str> {
        match (port, packet.code()) {
            (Port::Auth, Code::AccessRequest) | (_, Code::StatusServer) => {}
            (Port::Acct, Code::AccountingRequest) => {
                let fits = |secret: &&Secret| {
                    authenticator::verify_request(packet, secret)
                        && !message_authenticator::check_request(packet, secret).must_discard()
                };
                let secret = client.secrets(now).find(fits).ok_or("bad_authenticator")?;
                return Ok((secret.clone(), true));
            }
            _ => return Err("wrong_port"),
        }
        let mut verdict = "bad_message_authenticator";
        for secret in client.secrets(now) {
            match message_authenticator::check_request(packet, secret) {
                Check::Valid => {
                    // A Status-Server is always signed, whatever else its sender does.
                    if packet.code() == Code::AccessRequest {
                        self.note_signature(client);
                    }
                    return Ok((secret.clone(), true));
                }
                Check::Absent if packet.code() == Code::StatusServer => return Err("no_message_authenticator"),
                Check::Absent if client.requires_message_authenticator() => return Err("no_message_authenticator"),
                Check::Absent => return Ok((secret.clone(), false)),
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

    /// Answers a retransmission from the cache (RFC 5080 §2.2.2), or notes a new request.
    fn is_duplicate(&self, exchange: &Exchange) -> bool {
        let replayed = self.duplicates.with(&exchange.key, |cache| {
            match cache.begin(exchange.key, &exchange.authenticator, exchange.received) {
                Begin::New => None,
                Begin::InFlight => Some(None),
                Begin::Replay(reply) => Some(Some(reply.to_vec())),
            }
        });
        let Some(reply) = replayed else { return false };
        let kind = if reply.is_some() { "replayed_from_cache" } else { "in_flight" };
        self.metrics.duplicates.with_label_values(&[exchange.port.label(), kind]).inc();
        if let Some(reply) = reply {
            send(exchange, &reply);
        }
        true
    }

    fn access(self: &Arc<Self>, exchange: Exchange, packet: &Packet<'_>, signed: bool, now: OffsetDateTime) {
        let mut scratch = [0; 128];
        let login = match Login::read(packet, &exchange.secret, signed, &mut scratch) {
            Ok(login) => login,
            Err(Unreadable::Denied(denial)) => return self.reject(exchange, packet, denial),
            Err(Unreadable::Silent(reason)) => {
                self.duplicates.forget(&exchange);
                return self.drop_packet(exchange.port, reason, exchange.key.source, exchange.received);
            }
        };
        match access::judge(&login, &self.directory, Memory::Usual, now) {
            Verdict::Granted(granted) => {
                self.metrics.directory_lookups.with_label_values(&["hit"]).inc();
                self.accept(&exchange, packet, &login, granted, now);
            }
            Verdict::Denied(denial) => {
                self.metrics.directory_lookups.with_label_values(&["hit"]).inc();
                self.reject(exchange, packet, denial);
            }
            Verdict::NotInMemory => {
                self.metrics.directory_lookups.with_label_values(&["miss"]).inc();
                self.look_up(exchange, packet, signed);
            }
        }
    }

    /// Asks PostgreSQL once, off the reader, then judges again.
    fn look_up(self: &Arc<Self>, exchange: Exchange, packet: &Packet<'_>, signed: bool) {
        let pipeline = Arc::clone(self);
        let octets = packet.as_bytes().to_vec();
        tokio::spawn(async move {
            let packet = Packet::parse(&octets).expect("it parsed before");
            let mut scratch = [0; 128];
            let login = Login::read(&packet, &exchange.secret, signed, &mut scratch).expect("it was readable before");
            let device = login.mac.filter(|_| login.is_mac_login());
            let unknown = if device.is_some() { Denial::UnknownDevice } else { Denial::UnknownUser };
            if !pipeline.ask_database(&login, device).await {
                return pipeline.reject(exchange, &packet, Denial::CannotCheck);
            }
            let now = pipeline.clock.now();
            match access::judge(&login, &pipeline.directory, Memory::Fresh, now) {
                Verdict::Granted(granted) => pipeline.accept(&exchange, &packet, &login, granted, now),
                Verdict::Denied(denial) => pipeline.reject(exchange, &packet, denial),
                Verdict::NotInMemory => pipeline.reject(exchange, &packet, unknown),
            }
        });
    }

    /// `false`: PostgreSQL could not be asked in time.
    async fn ask_database(&self, login: &Login<'_>, device: Option<shared::mac::Mac>) -> bool {
        let Ok(_permit) = self.lookups.try_acquire() else { return false };
        let patience = Duration::from_millis(self.settings.lookup_timeout_ms);
        let asked = access::look_up(&self.db, &self.directory, login.name, device, self.clock.now());
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                if let Some(more) = self.throttle.permit("lookup", self.clock.monotonic()) {
                    tracing::warn!(%error, more, "an unknown name could not be looked up");
                }
                false
            }
            Err(_) => false,
        }
    }

    fn accept(
        &self,
        exchange: &Exchange,
        packet: &Packet<'_>,
        login: &Login<'_>,
        granted: Granted,
        now: OffsetDateTime,
    ) {
        let ticket = Ticket { session: shared::rng::id(now), entitlement: granted.entitlement };
        let mut buffer = [0; MAX_PACKET];
        let built = radius_proto::reply(&mut buffer, Code::AccessAccept, packet).and_then(|mut reply| {
            policy::put_accept(&mut reply, &granted.grant, &ticket.encode(), self.settings.interim_seconds)?;
            reply.copy_proxy_state(packet)?;
            Ok(reply)
        });
        self.metrics.methods.with_label_values(&[login.method()]).inc();
        tracing::debug!(nas = %exchange.client.name, method = login.method(), session = %ticket.session, "login accepted");
        self.finish(exchange, built, Code::AccessAccept);
        if let Some(record) = granted.record {
            self.logins.write(record);
        }
    }

    /// Answers with a reason, held back for a moment so that guessing is slow; no worker waits for it.
    fn reject(self: &Arc<Self>, exchange: Exchange, packet: &Packet<'_>, denial: Denial) {
        self.metrics.rejects.with_label_values(&[denial.label()]).inc();
        tracing::debug!(nas = %exchange.client.name, reason = denial.label(), "login refused");
        let delay = Duration::from_millis(self.settings.reject_delay_ms);
        // A device that knocks by itself guesses nothing, and its guest is waiting for the page.
        let permit = match denial {
            Denial::UnknownDevice => None,
            _ if delay.is_zero() => None,
            _ => Arc::clone(&self.delayed).try_acquire_owned().ok(),
        };
        let Some(permit) = permit else { return self.send_reject(&exchange, packet, denial) };
        let pipeline = Arc::clone(self);
        let octets = packet.as_bytes().to_vec();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let packet = Packet::parse(&octets).expect("it parsed before");
            pipeline.send_reject(&exchange, &packet, denial);
            drop(permit);
        });
    }

    fn send_reject(&self, exchange: &Exchange, packet: &Packet<'_>, denial: Denial) {
        let mut buffer = [0; MAX_PACKET];
        let built = radius_proto::reply(&mut buffer, Code::AccessReject, packet).and_then(|mut reply| {
            policy::put_reject(&mut reply, denial)?;
            reply.copy_proxy_state(packet)?;
            Ok(reply)
        });
        self.finish(exchange, built, Code::AccessReject);
    }

    fn accounting(&self, exchange: Exchange, packet: &Packet<'_>, now: OffsetDateTime) {
        let (report, ticket, status) = match accounting::read(packet, exchange.client.id, &self.directory, now) {
            Reading::Session { report, ticket, status } => (report, ticket, status),
            Reading::Router { status } => {
                tracing::info!(nas = %exchange.client.name, status, "the router reports its own state");
                self.metrics.accounting_records.with_label_values(&[status, "noted"]).inc();
                return self.acknowledge(&exchange, packet);
            }
            Reading::Unusable(reason) => {
                self.duplicates.forget(&exchange);
                return self.drop_packet(exchange.port, reason, exchange.key.source, exchange.received);
            }
        };
        // The answer is made now and sent by the journal once the record is durable.
        let mut buffer = [0; MAX_PACKET];
        let Ok(reply) = acknowledgement(&mut buffer, &exchange, packet) else {
            self.duplicates.forget(&exchange);
            return self.drop_packet(exchange.port, "reply_too_long", exchange.key.source, exchange.received);
        };
        let job = Job { report: *report, ticket, status, reply: reply.into(), exchange };
        if let Err(job) = self.journal.enter(job) {
            // Left for the router to send again, when there may be room.
            self.duplicates.forget(&job.exchange);
            self.drop_packet(Port::Acct, "queue_full", job.exchange.key.source, job.exchange.received);
        }
    }

    fn acknowledge(&self, exchange: &Exchange, packet: &Packet<'_>) {
        let mut buffer = [0; MAX_PACKET];
        match acknowledgement(&mut buffer, exchange, packet) {
            Ok(reply) => {
                answer(&self.duplicates, &self.metrics, &self.clock, exchange, reply, Code::AccountingResponse)
            }
            Err(_) => self.drop_packet(exchange.port, "reply_too_long", exchange.key.source, exchange.received),
        }
    }

    /// Status-Server (RFC 5997): alive, and nothing else is looked at.
    fn status(&self, exchange: &Exchange, packet: &Packet<'_>) {
        match exchange.port {
            Port::Acct => self.acknowledge(exchange, packet),
            Port::Auth => {
                let mut buffer = [0; MAX_PACKET];
                let built = radius_proto::reply(&mut buffer, Code::AccessAccept, packet)
                    .and_then(|mut reply| reply.copy_proxy_state(packet).map(|_| ()).map(|()| reply));
                self.finish(exchange, built, Code::AccessAccept);
            }
        }
    }

    fn finish(&self, exchange: &Exchange, built: Result<Builder<'_>, radius_proto::BuildError>, code: Code) {
        match built {
            Ok(builder) => {
                let reply = builder.finish_reply(&exchange.secret, &exchange.authenticator);
                answer(&self.duplicates, &self.metrics, &self.clock, exchange, reply, code);
            }
            Err(error) => {
                tracing::error!(nas = %exchange.client.name, %error, "an answer could not be built");
                self.drop_packet(exchange.port, "reply_too_long", exchange.key.source, exchange.received);
            }
        }
    }

    /// Silence: counted, and logged once in a while.
    fn drop_packet(&self, port: Port, reason: &'static str, source: SocketAddr, now: Duration) {
        self.metrics.dropped.with_label_values(&[port.label(), reason]).inc();
        if let Some(more) = self.throttle.permit(reason, now) {
            tracing::warn!(%source, port = port.label(), reason, more, "no answer: {}", explain(reason));
        }
    }
}

fn acknowledgement<'b>(
    buffer: &'b mut [u8; MAX_PACKET],
    exchange: &Exchange,
    packet: &Packet<'_>,
) -> Result<&'b [u8], radius_proto::BuildError> {
    let mut reply = radius_proto::reply(buffer, Code::AccountingResponse, packet)?;
    reply.copy_proxy_state(packet)?;
    // Status-Server on the accounting port is answered by a signed packet too (RFC 5997 §3).
    if packet.code() == Code::StatusServer {
        reply.reserve_message_authenticator()?;
    }
    Ok(reply.finish_reply(&exchange.secret, &exchange.authenticator))
}

/// Remembers an answer and sends it, unless the router has moved on to another request.
pub(crate) fn answer(
    duplicates: &Duplicates,
    metrics: &Metrics,
    clock: &Clock,
    exchange: &Exchange,
    reply: &[u8],
    code: Code,
) {
    let finish = duplicates.with(&exchange.key, |cache| cache.finish(&exchange.key, &exchange.authenticator, reply));
    if finish == Finish::Replaced {
        metrics.dropped.with_label_values(&[exchange.port.label(), "superseded"]).inc();
        return;
    }
    send(exchange, reply);
    metrics.responses.with_label_values(&[code.name(), &exchange.client.name]).inc();
    let took = clock.monotonic().saturating_sub(exchange.received);
    metrics.duration.with_label_values(&[code.name()]).observe(took.as_secs_f64());
}

/// Sends without waiting. A full socket buffer loses the answer, as the network may; the router asks again and
/// is answered from the cache.
fn send(exchange: &Exchange, reply: &[u8]) {
    if let Err(error) = exchange.socket.try_send_to(reply, exchange.key.source) {
        tracing::debug!(to = %exchange.key.source, %error, "an answer could not be sent");
    }
}

/// What a person should make of a reason.
fn explain(reason: &str) -> &'static str {
    match reason {
        "unknown_client" => "this address is not a registered router (portal nas add)",
        "bad_authenticator" | "bad_message_authenticator" | "bad_secret" => {
            "the router's secret is not the one we have"
        }
        "no_message_authenticator" => "the request is not signed, and this router must sign (require-message-auth)",
        "wrong_port" => "this kind of packet does not belong on this port",
        "queue_full" => "accounting comes faster than PostgreSQL takes it; the router will try again",
        "no_session_id" | "no_status_type" | "unknown_status_type" => {
            "this accounting report says too little to be recorded"
        }
        _ => "the packet is malformed",
    }
}

/// The duplicate cache, in shards so that workers seldom meet. Cloned octets leave the lock before they are sent.
#[derive(Debug)]
pub(crate) struct Duplicates {
    shards: Vec<Mutex<DuplicateCache>>,
}

/// Number of shards; a request and its retransmissions share one.
const SHARDS: usize = 16;
/// Requests remembered in each.
const SHARD_CAPACITY: usize = 8192;

impl Duplicates {
    pub(crate) fn new() -> Arc<Duplicates> {
        let seed = u64::from_be_bytes(shared::rng::bytes());
        let shard = |_| Mutex::new(DuplicateCache::new(SHARD_CAPACITY, DEFAULT_LIFETIME, seed));
        Arc::new(Duplicates { shards: (0..SHARDS).map(shard).collect() })
    }

    pub(crate) fn with<T>(&self, key: &Key, work: impl FnOnce(&mut DuplicateCache) -> T) -> T {
        let shard = (usize::from(key.source.port()) ^ usize::from(key.identifier)) % SHARDS;
        work(&mut self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets a request that gets no answer, so that its retransmission is processed afresh.
    pub(crate) fn forget(&self, exchange: &Exchange) {
        self.with(&exchange.key, |cache| cache.abandon(&exchange.key, &exchange.authenticator));
    }
}
