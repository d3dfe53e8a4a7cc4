//! Telling routers to end sessions (RFC 5176): commands are claimed from the outbox, sent with the timers of
//! RFC 5080, and their answers recorded.
//!
//! A timeout is not success, and an acknowledgement is not proof: the command stays on its list until the session's
//! Stop arrives. Each transaction is a state machine of [`radius_proto::dynauth`]; this module is its socket, its
//! clock and its dice. One slow router delays no other.
//!
//! A router may be reached in several [`ways`]: over its RadSec connection, and by UDP with each of the secrets that it may
//! have while its secret is being changed. One that gets no answer is followed by the next.

mod request;
mod verdict;
mod ways;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use radius_proto::dynauth::{Action, Identifiers, Ignored, Outcome, ReplyPolicy, Transaction};
use radius_proto::{MAX_PACKET, Packet};
use shared::time::Clock;
use store::command::{self, Again, Answer, Command};
use store::{Channel, Db, Listener, StoreError};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::verdict::{Gone, is_gone};
use self::ways::{Place, Way};
use crate::client::{Client, Registry};
use crate::ghosts::SILENT_INTERVALS;
use crate::metrics::Metrics;
use crate::radsec::{Live, Reason, Reply};

/// Without a hint, look for commands this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Commands claimed at once.
const AT_ONCE: u32 = 256;
/// Commands under way at most.
const MAX_IN_FLIGHT: usize = 4096;
/// A claimed command belongs to this server for longer than all ways to its router take (39 s).
const LEASE: Duration = Duration::from_secs(45);
/// Longest wait for PostgreSQL between two looks at the socket.
const PATIENCE: Duration = Duration::from_secs(3);
/// A command that finds no free identifier, 256 being under way to its router, is tried again this soon.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// A router that did not answer on its RadSec connection is asked there last for so long.
const DEAF_FOR: Duration = Duration::from_secs(3600);

/// A command that waits for its answer.
struct InFlight {
    command: Command,
    client: Arc<Client>,
    way: Way,
    /// The ways to try if there is no answer.
    others: VecDeque<Way>,
    transaction: Transaction,
    started: Duration,
}

/// The client side of dynamic authorization.
pub(crate) struct Sender {
    db: Db,
    clock: Clock,
    clients: Arc<ArcSwap<Registry>>,
    metrics: Metrics,
    /// A session that was not heard of for so long may well be gone.
    silence: Duration,
    socket: UdpSocket,
    /// The RadSec connections, and what answers come on them.
    live: Arc<Live>,
    replies: mpsc::Receiver<Reply>,
    /// Routers that did not answer on their connection: until when they are asked there last.
    deaf: HashMap<Uuid, Duration>,
    in_flight: HashMap<(Place, u8), InFlight>,
    identifiers: HashMap<Place, Identifiers>,
    listener: Option<Listener>,
}

impl Sender {
    pub(crate) async fn start(
        db: Db,
        clock: Clock,
        clients: Arc<ArcSwap<Registry>>,
        metrics: Metrics,
        interim: Duration,
        (live, replies): (Arc<Live>, mpsc::Receiver<Reply>),
    ) -> anyhow::Result<Sender> {
        // One dual-stack socket speaks to IPv4 and IPv6 routers; where IPv6 is off, an IPv4 one.
        let socket = match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await {
            Ok(socket) => socket,
            Err(_) => UdpSocket::bind(("0.0.0.0", 0)).await?,
        };
        let (in_flight, identifiers, deaf) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (silence, listener) = (interim.mul_f32(SILENT_INTERVALS), None);
        Ok(Sender {
            db,
            clock,
            clients,
            metrics,
            silence,
            socket,
            live,
            replies,
            deaf,
            in_flight,
            identifiers,
            listener,
        })
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut buffer = [0; MAX_PACKET];
        let mut look_at = Duration::ZERO;
        while !stop.is_cancelled() {
            let now = self.clock.monotonic();
            if now >= look_at {
                let too_slow = StoreError::TooSlow { operation: "claiming commands", patience: PATIENCE };
                let taken = tokio::time::timeout(PATIENCE, self.take_commands()).await.unwrap_or(Err(too_slow));
                if let Err(error) = taken {
                    tracing::debug!(%error, "commands to routers wait for PostgreSQL");
                    self.listener = None;
                }
                look_at = self.clock.monotonic() + LOOK_EVERY;
            }
            let wait = self.transmit().await.min(look_at.saturating_sub(self.clock.monotonic()));
            tokio::select! {
                () = stop.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok((length, source)) => {
                        let source = canonical(source);
                        self.receive(Place::Udp(source), source, &buffer[..length]).await;
                    }
                    Err(error) => tracing::debug!(%error, "a router's CoA port is closed"),
                },
                Some(reply) = self.replies.recv() => {
                    self.receive(Place::Tls(reply.connection), reply.peer, &reply.octets).await;
                }
                () = hint(&mut self.listener) => look_at = Duration::ZERO,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn take_commands(&mut self) -> Result<(), StoreError> {
        if self.listener.is_none() {
            self.listener = Some(self.db.listen(&[Channel::Commands]).await?);
        }
        command::doubt_acknowledged(&self.db, self.clock.now()).await?;
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return Ok(());
        }
        for command in command::claim(&self.db, self.clock.now(), LEASE, AT_ONCE).await? {
            // One that cannot be begun comes back with its lease; the others were claimed too and must not wait for it.
            let session = command.session;
            if let Err(error) = self.begin(command).await {
                tracing::warn!(%error, %session, "a command could not be begun; its lease brings it back");
            }
        }
        Ok(())
    }

    async fn begin(&mut self, command: Command) -> Result<(), StoreError> {
        let client = self.clients.load().by_id(command.nas).cloned();
        let ways = client.as_deref().map(|client| self.ways(client, command.nas_address)).unwrap_or_default();
        let (Some(client), false) = (client, ways.is_empty()) else {
            tracing::warn!(session = %command.session, "neither an address nor a connection is known of this session's router: it cannot be told to disconnect");
            self.metrics.commands.with_label_values(&["disconnect", "no_address"]).inc();
            return self.record(&command, Answer::Unanswered).await;
        };
        if command.attempts <= 1 {
            let lag = self.clock.now() - command.due_at;
            self.metrics.cut_lag.observe(lag.as_seconds_f64().max(0.0));
        }
        self.ask(command, client, ways).await
    }

    /// How this router, which has reported the session from there, can be asked at the moment.
    fn ways(&self, client: &Client, reported_from: Option<IpAddr>) -> VecDeque<Way> {
        let deaf = self.deaf.get(&client.id).is_some_and(|until| *until > self.clock.monotonic());
        let mut ways = ways::by_udp(client, reported_from, self.clock.now());
        ways::add_tls(&mut ways, self.live.of(client.id, reported_from), deaf);
        ways
    }

    /// Begins a transaction the first of these ways.
    async fn ask(
        &mut self,
        command: Command,
        client: Arc<Client>,
        mut others: VecDeque<Way>,
    ) -> Result<(), StoreError> {
        let Some(way) = others.pop_front() else { return self.record(&command, Answer::Unanswered).await };
        let Some(identifier) = self.identifiers.entry(way.place).or_default().take() else {
            return command::give_back(&self.db, command.id, self.clock.now() + BUSY_PAUSE).await;
        };
        let mut buffer = [0; MAX_PACKET];
        let built = request::disconnect(&mut buffer, &command, identifier, &way.secret, self.clock.now())
            .map_err(|error| error.to_string())
            .and_then(|octets| Transaction::new(octets, way.peer, way.timers).map_err(|error| error.to_string()));
        match built {
            Ok(transaction) => {
                let (key, started) = ((way.place, identifier), self.clock.monotonic());
                self.in_flight.insert(key, InFlight { command, client, way, others, transaction, started });
                Ok(())
            }
            Err(error) => {
                tracing::error!(session = %command.session, %error, "a Disconnect-Request could not be built");
                self.give_back(way.place, identifier);
                self.record(&command, Answer::Unanswered).await
            }
        }
    }

    /// Sends what is due and gives up what is over. Returns how long nothing needs to be done.
    async fn transmit(&mut self) -> Duration {
        let now = self.clock.monotonic();
        let mut wait = LOOK_EVERY;
        let mut over = Vec::new();
        for (key, InFlight { client, way, transaction, .. }) in &mut self.in_flight {
            if !way.is_open() {
                over.push(*key);
                continue;
            }
            loop {
                match transaction.poll(now, jitter_permille()) {
                    Action::Send(octets) => match &way.connection {
                        Some(connection) => connection.send(octets),
                        None => {
                            if let Err(error) = self.socket.send_to(octets, on_socket(&self.socket, way.peer)).await {
                                tracing::debug!(nas = %client.name, %error, "a command could not be sent");
                            }
                        }
                    },
                    Action::WaitUntil(at) => {
                        wait = wait.min(at.saturating_sub(now));
                        break;
                    }
                    Action::TimedOut | Action::Answered => {
                        over.push(*key);
                        break;
                    }
                }
            }
        }
        for key in over {
            if let Some(in_flight) = self.in_flight.remove(&key) {
                self.give_back(key.0, key.1);
                self.unanswered(in_flight).await;
            }
        }
        wait
    }

    /// No answer came: the next way is tried, or the command waits for another time.
    async fn unanswered(&mut self, in_flight: InFlight) {
        let InFlight { command, client, way, others, .. } = in_flight;
        if way.connection.is_some() && way.is_open() {
            let now = self.clock.monotonic();
            self.deaf.retain(|_, until| *until > now);
            self.deaf.insert(client.id, now + DEAF_FOR);
        }
        if let Some(next) = others.front() {
            tracing::info!(nas = %client.name, session = %command.session, place = ?way.place, next = ?next.place, "no answer this way; the router is asked another way");
            let session = command.session;
            if let Err(error) = self.ask(command, client, others).await {
                tracing::warn!(%error, %session, "a command could not be begun again; its lease brings it back");
            }
            return;
        }
        self.metrics.commands.with_label_values(&["disconnect", "timeout"]).inc();
        tracing::warn!(nas = %client.name, session = %command.session, "the router did not answer a Disconnect-Request");
        self.record_or_log(&command, Answer::Unanswered).await;
    }

    async fn receive(&mut self, place: Place, source: SocketAddr, octets: &[u8]) {
        let Ok(packet) = Packet::parse(octets) else { return };
        let key = (place, packet.identifier());
        let Some(in_flight) = self.in_flight.get_mut(&key) else { return };
        let wall_clock = u32::try_from(self.clock.now().unix_timestamp()).unwrap_or(u32::MAX);
        let secret = &in_flight.way.secret;
        let policy = ReplyPolicy {
            require_message_authenticator: matches!(place, Place::Udp(_)) && in_flight.client.requires_signed_answers(),
            ..ReplyPolicy::default()
        };
        let outcome = in_flight.transaction.handle_reply(source, &packet, secret, policy, wall_clock);
        if let Some(error_cause) = outcome.violation() {
            tracing::warn!(nas = %in_flight.client.name, code = %packet.code(), error_cause, "the router's answer and its Error-Cause contradict each other");
        }
        let answer = match outcome {
            Outcome::Ignored(reason) => {
                tracing::debug!(nas = %in_flight.client.name, ?reason, "an answer to a command was ignored");
                // What is forged ends a stream (RFC 6613 §2.6.4).
                if let (Some(connection), Ignored::BadAuthenticator | Ignored::BadMessageAuthenticator) =
                    (&in_flight.way.connection, reason)
                {
                    connection.close(Reason::BadPacket);
                }
                return;
            }
            Outcome::Ack { .. } => Answer::Acknowledged,
            Outcome::Nak { error_cause } => Answer::Refused { error_cause },
        };
        let Some(in_flight) = self.in_flight.remove(&key) else { return };
        self.give_back(key.0, key.1);
        match in_flight.way.place {
            Place::Udp(_) => in_flight.client.proved_with(&in_flight.way.secret, self.clock.now()),
            Place::Tls(_) => {
                self.deaf.remove(&in_flight.client.id);
            }
        }
        let took = self.clock.monotonic().saturating_sub(in_flight.started);
        self.metrics.command_duration.with_label_values(&["disconnect"]).observe(took.as_secs_f64());
        self.settle(&in_flight, answer).await;
    }

    async fn settle(&self, in_flight: &InFlight, answer: Answer) {
        let InFlight { command, client, .. } = in_flight;
        match answer {
            Answer::Acknowledged => {
                client.acknowledges(true);
                self.metrics.commands.with_label_values(&["disconnect", "ack"]).inc();
                tracing::info!(nas = %client.name, session = %command.session, reason = %command.reason, "the router acknowledged the disconnect");
            }
            Answer::Refused { error_cause } => {
                if self.close_if_gone(command, is_gone(error_cause, client.acknowledges(false))).await {
                    self.metrics.commands.with_label_values(&["disconnect", "gone"]).inc();
                    self.metrics.stale_closed.with_label_values(&["router_has_no_such_session"]).inc();
                    tracing::info!(nas = %client.name, session = %command.session, "the router has no such session: closed at its last report");
                    return;
                }
                self.metrics.commands.with_label_values(&["disconnect", "nak"]).inc();
                tracing::warn!(nas = %client.name, session = %command.session, ?error_cause, "the router refused the disconnect");
            }
            Answer::Unanswered => {}
        }
        self.record_or_log(command, answer).await;
    }

    /// Closes a session that its router does not have. Returns whether it did.
    async fn close_if_gone(&self, command: &Command, gone: Gone) -> bool {
        let now = self.clock.now();
        let silent_since = match gone {
            Gone::Surely => None,
            Gone::IfSilent => Some(now - self.silence),
            Gone::No => return false,
        };
        let closing = store::accounting::end_lost(&self.db, command.session, silent_since, now);
        match tokio::time::timeout(PATIENCE, closing).await {
            Ok(Ok(closed)) => closed,
            Ok(Err(error)) => {
                tracing::warn!(%error, session = %command.session, "a session that is gone could not be closed");
                false
            }
            Err(_) => false,
        }
    }

    async fn record_or_log(&self, command: &Command, answer: Answer) {
        if let Err(error) = self.record(command, answer).await {
            // The lease brings the command back, so nothing is lost but time.
            tracing::warn!(%error, session = %command.session, "the answer to a command could not be recorded");
        }
    }

    async fn record(&self, command: &Command, answer: Answer) -> Result<(), StoreError> {
        let too_slow = StoreError::TooSlow { operation: "recording an answer", patience: PATIENCE };
        tokio::time::timeout(PATIENCE, self.write_answer(command, answer)).await.unwrap_or(Err(too_slow))
    }

    async fn write_answer(&self, command: &Command, answer: Answer) -> Result<(), StoreError> {
        let now = self.clock.now();
        let acknowledges = self.clients.load().by_id(command.nas).is_some_and(|client| client.acknowledges(false));
        let again = verdict::again(answer, acknowledges, command.attempts, self.silence, now);
        if let (Answer::Refused { error_cause }, Again::IfHeard(_)) = (answer, again) {
            tracing::warn!(session = %command.session, ?error_cause, "this refusal will not change: the cut waits for the operator");
        }
        command::answered(&self.db, command.id, answer, now, again).await
    }

    fn give_back(&mut self, place: Place, identifier: u8) {
        if let Some(identifiers) = self.identifiers.get_mut(&place) {
            identifiers.give_back(identifier);
            if identifiers.in_use() == 0 && self.identifiers.len() > MAX_IN_FLIGHT {
                self.identifiers.remove(&place);
            }
        }
    }
}

/// Waits for the next hint, for ever if there is no listener.
async fn hint(listener: &mut Option<Listener>) {
    match listener {
        Some(open) => {
            if open.next().await.is_err() {
                *listener = None;
            }
        }
        None => std::future::pending().await,
    }
}

/// A uniform number from -100 to 100.
fn jitter_permille() -> i32 {
    i32::from(u16::from_be_bytes(shared::rng::bytes()) % 201) - 100
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The spelling of an address that the socket takes: a dual-stack socket wants IPv4 mapped into IPv6.
fn on_socket(socket: &UdpSocket, peer: SocketAddr) -> SocketAddr {
    match (socket.local_addr(), peer.ip()) {
        (Ok(SocketAddr::V6(_)), IpAddr::V4(ip)) => SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), peer.port()),
        _ => peer,
    }
}
