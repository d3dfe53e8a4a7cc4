//! Telling routers to end sessions, or to go on with other limits (RFC 5176): commands are claimed from the outbox, sent with the timers of
//! RFC 5080, and their answers recorded.
//!
//! A timeout is not success, and an acknowledgement is not proof: the command stays on its list until the session's
//! Stop arrives. Each transaction is a state machine of [`radius_proto::dynauth`]; this module is its socket, its
//! clock and its dice. The [`clerk`] is the one who waits for PostgreSQL. One slow router delays no other: each has a
//! window ([`windows`]) of its own.
//!
//! A router may be reached in several [`ways`]: over its RadSec connection, and by UDP with each of the secrets that it may
//! have while its secret is being changed. One that gets no answer is followed by the next. What becomes of a cut that a router
//! acknowledges and does not make, refuses, or does not answer, is looked for [`by_rest`] where the router can be asked there.
//!
//! What somebody has asked for, and no deadline, stands in the log with the name of that request ([`asked_by`]).

mod by_rest;
mod clerk;
mod request;
mod verdict;
mod ways;
mod windows;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use radius_proto::dynauth::{Action, Identifiers, Ignored, Outcome, ReplyPolicy, Transaction};
use radius_proto::{MAX_PACKET, Packet};
use shared::request::RequestId;
use shared::time::Clock;
use store::Db;
use store::command::{Answer, Command, Kind};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::field::DisplayValue;
use uuid::Uuid;

use self::by_rest::ByRest;
pub(crate) use self::clerk::Clerk;
use self::clerk::{MAX_HELD, Note, Room};
use self::ways::{Place, Way};
use self::windows::{Turn, Window};
use crate::client::{Client, Registry};
use crate::ghosts::SILENT_INTERVALS;
use crate::metrics::Metrics;
use crate::radsec::{Live, Reason, Reply};
use crate::routeros::RouterOs;

/// Longest time in which nothing is looked at: a connection may have been closed, a command held for too long.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Transmissions that are due within so long are one pass over all transactions.
const TOGETHER: Duration = Duration::from_millis(5);
/// Datagrams that are taken before anything else gets its turn.
const DATAGRAMS_AT_ONCE: usize = 64;
/// Batches of commands that may wait for the sender.
const BATCHES: usize = 16;
/// A command that finds no free identifier, 256 being under way to its router, is tried again this soon.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// A command whose router answers nothing at the moment is tried again this soon.
const SILENT_PAUSE: Duration = Duration::from_secs(15);
/// A router that did not answer on its RadSec connection is asked there last for so long.
const DEAF_FOR: Duration = Duration::from_secs(3600);

/// Whose window a command is in: a router, or one of those that are registered as one network.
type Target = (Uuid, Option<IpAddr>);

/// A command that waits for its answer.
struct InFlight {
    command: Box<Command>,
    client: Arc<Client>,
    way: Way,
    /// The ways to try if there is no answer.
    others: VecDeque<Way>,
    transaction: Transaction,
    started: Duration,
}

/// The client side of dynamic authorization.
pub(crate) struct Sender {
    clock: Clock,
    clients: Arc<ArcSwap<Registry>>,
    metrics: Metrics,
    socket: UdpSocket,
    /// The RadSec connections, and what answers come on them.
    live: Arc<Live>,
    replies: mpsc::Receiver<Reply>,
    /// Routers that did not answer on their connection: until when they are asked there last.
    deaf: HashMap<Uuid, Duration>,
    in_flight: HashMap<(Place, u8), InFlight>,
    identifiers: HashMap<Place, Identifiers>,
    windows: HashMap<Target, Window>,
    /// Commands in hand: under way, and held in windows.
    held: usize,
    /// When a transaction has something to do next.
    next_due: Duration,
    room: Arc<Room>,
    commands: mpsc::Receiver<Vec<Command>>,
    notes: mpsc::Sender<Note>,
}

/// The sender of commands, and its clerk.
pub(crate) async fn start(
    db: Db,
    clock: Clock,
    clients: Arc<ArcSwap<Registry>>,
    metrics: Metrics,
    interim: Duration,
    (live, replies): (Arc<Live>, mpsc::Receiver<Reply>),
    routeros: Arc<RouterOs>,
) -> anyhow::Result<(Sender, Clerk)> {
    // One dual-stack socket speaks to IPv4 and IPv6 routers; where IPv6 is off, an IPv4 one.
    let socket = match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await {
        Ok(socket) => socket,
        Err(_) => UdpSocket::bind(("0.0.0.0", 0)).await?,
    };
    let room = Arc::new(Room::default());
    let (give, commands) = mpsc::channel(BATCHES);
    let (notes, read) = mpsc::channel(2 * MAX_HELD);
    let clerk = Clerk {
        by_rest: ByRest::new(routeros, db.clone(), clock.clone()),
        db,
        clock: clock.clone(),
        clients: Arc::clone(&clients),
        metrics: metrics.clone(),
        silence: interim.mul_f32(SILENT_INTERVALS),
        room: Arc::clone(&room),
        commands: give,
        notes: read,
    };
    let sender = Sender {
        clock,
        clients,
        metrics,
        socket,
        live,
        replies,
        deaf: HashMap::new(),
        in_flight: HashMap::new(),
        identifiers: HashMap::new(),
        windows: HashMap::new(),
        held: 0,
        next_due: Duration::ZERO,
        room,
        commands,
        notes,
    };
    Ok((sender, clerk))
}

impl Sender {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut buffer = [0; MAX_PACKET];
        while !stop.is_cancelled() {
            let wait = self.transmit().await;
            tokio::select! {
                () = stop.cancelled() => break,
                received = self.socket.recv_from(&mut buffer) => self.receive_batch(received, &mut buffer).await,
                Some(reply) = self.replies.recv() => {
                    self.receive(Place::Tls(reply.connection), reply.peer, &reply.octets).await;
                }
                Some(commands) = self.commands.recv() => {
                    for command in commands {
                        self.take(Box::new(command)).await;
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            self.room.set_held(self.held);
        }
        // What was not sent is given back, so that others need not wait for its lease.
        while let Ok(commands) = self.commands.try_recv() {
            commands.iter().for_each(|command| self.not_sent(command, Duration::ZERO));
        }
        let held: Vec<_> = self.windows.values_mut().flat_map(Window::give_up_all).collect();
        held.iter().for_each(|command| self.not_sent(command, Duration::ZERO));
    }

    /// Takes a datagram and those behind it.
    async fn receive_batch(&mut self, first: std::io::Result<(usize, SocketAddr)>, buffer: &mut [u8; MAX_PACKET]) {
        let mut received = first;
        for _ in 0..DATAGRAMS_AT_ONCE {
            match received {
                Ok((length, source)) => {
                    let source = canonical(source);
                    self.receive(Place::Udp(source), source, &buffer[..length]).await;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => tracing::debug!(%error, "a router's CoA port is closed"),
            }
            received = self.socket.try_recv_from(buffer);
        }
    }

    /// Takes a command that was claimed, into its router's window.
    async fn take(&mut self, command: Box<Command>) {
        self.held += 1;
        let target = (command.nas, command.nas_address);
        let window = self.windows.entry(target).or_default();
        let is_silent = window.is_silent();
        match window.offer(command, self.clock.monotonic()) {
            Turn::Now(command) => {
                // All its transmissions may be in vain, as the last ones were.
                if is_silent && self.notes.try_send(Note::Doubtful(command.clone())).is_err() {
                    tracing::debug!("nobody looks otherwise for what is sent to a silent router");
                }
                self.begin(command).await;
            }
            Turn::Held => {}
            Turn::Silent(command) => self.done(Note::Silent(command)),
        }
        self.show(target);
    }

    async fn begin(&mut self, command: Box<Command>) {
        let client = self.clients.load().by_id(command.nas).cloned();
        let ways = client.as_deref().map(|client| self.ways(client, command.nas_address)).unwrap_or_default();
        let (Some(client), false) = (client, ways.is_empty()) else {
            self.window(&command, Window::not_sent);
            return self.done(Note::NoWay(command));
        };
        if command.attempts <= 1 && command.kind == Kind::Disconnect {
            let lag = self.clock.now() - command.due_at;
            self.metrics.cut_lag.observe(lag.as_seconds_f64().max(0.0));
        }
        tell_sending(&command, &client);
        self.ask(command, client, ways).await;
    }

    /// How this router, which has reported the session from there, can be asked at the moment.
    fn ways(&self, client: &Client, reported_from: Option<IpAddr>) -> VecDeque<Way> {
        let deaf = self.deaf.get(&client.id).is_some_and(|until| *until > self.clock.monotonic());
        let mut ways = ways::by_udp(client, reported_from, self.clock.now());
        ways::add_tls(&mut ways, self.live.of(client.id, reported_from), deaf);
        ways
    }

    /// Begins a transaction the first of these ways.
    async fn ask(&mut self, command: Box<Command>, client: Arc<Client>, mut others: VecDeque<Way>) {
        let Some(way) = others.pop_front() else {
            self.window(&command, Window::unanswered);
            return self.done(Note::Answered(command, Answer::Unanswered));
        };
        let Some(identifier) = self.identifiers.entry(way.place).or_default().take() else {
            self.window(&command, Window::not_sent);
            return self.not_sent(&command, BUSY_PAUSE);
        };
        let mut buffer = [0; MAX_PACKET];
        let built = request::build(&mut buffer, &command, identifier, &way.secret, self.clock.now())
            .map_err(|error| error.to_string())
            .and_then(|octets| Transaction::new(octets, way.peer, way.timers).map_err(|error| error.to_string()));
        match built {
            Ok(transaction) => {
                let (key, started) = ((way.place, identifier), self.clock.monotonic());
                self.in_flight.insert(key, InFlight { command, client, way, others, transaction, started });
                if let Some(at) = self.drive(key).await {
                    self.next_due = self.next_due.min(at);
                }
            }
            Err(error) => {
                tracing::error!(session = %command.session, request = asked_by(&command), %error, "a command could not be built");
                self.give_back(way.place, identifier);
                self.window(&command, Window::not_sent);
                self.done(Note::NoWay(command));
            }
        }
    }

    /// Sends what is due and gives up what is over. Returns how long nothing needs to be done.
    async fn transmit(&mut self) -> Duration {
        let now = self.clock.monotonic();
        if now < self.next_due {
            return self.next_due - now;
        }
        self.next_due = now + LOOK_EVERY;
        // Waits have a jitter of their own: those that end within a moment are looked at together.
        let soonest = now + TOGETHER;
        let keys: Vec<_> = self.in_flight.keys().copied().collect();
        for key in keys {
            match self.drive(key).await {
                Some(at) => self.next_due = self.next_due.min(at.max(soonest)),
                None => {
                    if let Some(in_flight) = self.in_flight.remove(&key) {
                        self.give_back(key.0, key.1);
                        self.unanswered(in_flight).await;
                    }
                }
            }
        }
        self.let_go(now);
        self.next_due.saturating_sub(self.clock.monotonic())
    }

    /// Sends what is due of one transaction. Returns when there is something to do again; `None`: it is over.
    async fn drive(&mut self, key: (Place, u8)) -> Option<Duration> {
        let InFlight { command, client, way, transaction, started, .. } = self.in_flight.get_mut(&key)?;
        if !way.is_open() {
            return None;
        }
        let now = self.clock.monotonic();
        loop {
            let is_first = transaction.transmissions() == 0;
            match transaction.poll(now, jitter_permille()) {
                Action::Send(octets) => {
                    match &way.connection {
                        Some(connection) => connection.send(octets),
                        None => {
                            if let Err(error) = self.socket.send_to(octets, on_socket(&self.socket, way.peer)).await {
                                tracing::debug!(nas = %client.name, %error, "a command could not be sent");
                            }
                        }
                    }
                    if !is_first && let Some(window) = self.windows.get_mut(&target(command)) {
                        window.repeated(*started, now);
                    }
                }
                Action::WaitUntil(at) => return Some(at),
                Action::TimedOut | Action::Answered => return None,
            }
        }
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
            tracing::info!(nas = %client.name, session = %command.session, request = asked_by(&command), place = ?way.place, next = ?next.place, "no answer this way; the router is asked another way");
        }
        self.ask(command, client, others).await;
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
        let Some(InFlight { command, client, way, started, .. }) = self.in_flight.remove(&key) else { return };
        self.give_back(key.0, key.1);
        match way.place {
            Place::Udp(_) => client.proved_with(&way.secret, self.clock.now()),
            Place::Tls(_) => {
                self.deaf.remove(&client.id);
            }
        }
        let took = self.clock.monotonic().saturating_sub(started);
        self.metrics.command_duration.with_label_values(&[command.kind.as_str()]).observe(took.as_secs_f64());
        if command.kind == Kind::Change && answer == Answer::Acknowledged {
            let lag = self.clock.now() - command.due_at;
            self.metrics.change_lag.observe(lag.as_seconds_f64().max(0.0));
        }
        let target = target(&command);
        self.window(&command, Window::answered);
        self.done(Note::Answered(command, answer));
        while let Some(next) = self.windows.get_mut(&target).and_then(Window::next) {
            self.begin(next).await;
        }
        self.show(target);
    }

    /// Gives back what windows have held for too long, and forgets windows in which there is nothing.
    fn let_go(&mut self, now: Duration) {
        let (mut given_up, clients) = (Vec::new(), self.clients.load_full());
        self.windows.retain(|target, window| {
            let silent = window.is_silent();
            given_up.extend(window.give_up(now).into_iter().map(|command| (command, silent)));
            self.room.set_busy(*target, is_busy(&clients, target, window));
            !window.is_idle()
        });
        for (command, silent) in given_up {
            match silent {
                true => self.done(Note::Silent(Box::new(command))),
                false => self.not_sent(&command, Duration::ZERO),
            }
        }
    }

    fn window(&mut self, command: &Command, what: impl FnOnce(&mut Window)) {
        if let Some(window) = self.windows.get_mut(&target(command)) {
            what(window);
        }
    }

    /// Tells the clerk whether more can be taken for a router.
    fn show(&self, target: Target) {
        let is_busy = |window| is_busy(&self.clients.load(), &target, window);
        self.room.set_busy(target, self.windows.get(&target).is_some_and(is_busy));
    }

    fn not_sent(&mut self, command: &Command, pause: Duration) {
        self.done(Note::NotSent(command.id, pause));
    }

    /// A command leaves our hands. If the clerk cannot take more notes, its lease brings it back.
    fn done(&mut self, note: Note) {
        self.held = self.held.saturating_sub(1);
        if self.notes.try_send(note).is_err() {
            tracing::debug!("what became of a command is forgotten; its lease brings it back");
        }
    }

    fn give_back(&mut self, place: Place, identifier: u8) {
        if let Some(identifiers) = self.identifiers.get_mut(&place) {
            identifiers.give_back(identifier);
            if identifiers.in_use() == 0 && self.identifiers.len() > MAX_HELD {
                self.identifiers.remove(&place);
            }
        }
    }
}

/// Whether it would be of no use to claim more for a router. One that answers nothing may be told by REST meanwhile.
fn is_busy(clients: &Registry, (nas, _): &Target, window: &Window) -> bool {
    let by_rest = || window.is_silent() && clients.by_id(*nas).is_some_and(|client| client.rest().is_some());
    window.is_busy() && !by_rest()
}

/// The name of the request that wanted a command, for the log.
fn asked_by(command: &Command) -> Option<DisplayValue<RequestId>> {
    command.trace.map(tracing::field::display)
}

/// A wave of deadlines is told by its answers alone.
fn tell_sending(command: &Command, client: &Client) {
    let (nas, session, kind, reason) = (&client.name, command.session, command.kind.as_str(), &command.reason);
    match asked_by(command) {
        Some(request) => tracing::info!(%nas, %session, kind, %reason, request, "a command is sent to the router"),
        None => tracing::debug!(%nas, %session, kind, %reason, "a command is sent to the router"),
    }
}

fn target(command: &Command) -> Target {
    (command.nas, command.nas_address)
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
