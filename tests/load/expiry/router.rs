//! One router: it answers Disconnect-Requests for the sessions that it has, ends them, and reports that; or it answers
//! CoA-Requests, and they go on.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use radius_proto::attribute::rfc2866;
use radius_proto::message_authenticator::check_request;
use radius_proto::{Builder, Code, MAX_PACKET, Packet, authenticator};
use shared::time::{Clock, OffsetDateTime};
use tokio::net::UdpSocket;
use uuid::Uuid;

use super::{COA_PORT, QUOTA};
use crate::accounting::record::{Counters, Event, Record};
use crate::request::{Recipe, hexadecimal};

/// Reports under way at once.
const UNDER_WAY: usize = 200;
/// A report without an answer is sent again after so long, as often as it takes.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Longest time without a look at what is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a router has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    /// End sessions when it is asked to.
    Obey,
    /// The same, after having reported that a quota is used up.
    Report,
    /// Change sessions when it is asked to.
    Change,
}

/// A session that is open here.
#[derive(Debug)]
pub(super) struct Session {
    id: Uuid,
    /// The router's number of it.
    number: u32,
    class: Vec<u8>,
    /// When it must end, or when a report uses up its quota.
    pub(super) due: OffsetDateTime,
    spoken: bool,
    /// The Authenticators of the commands that asked for its end: a retransmission has the same.
    commands: HashSet<[u8; 16]>,
    asked: Option<OffsetDateTime>,
    over: bool,
}

impl Session {
    pub(super) fn new(number: u32, id: Uuid, entitlement: Uuid, due: OffsetDateTime) -> Session {
        // The ticket, as a login would have given it (decision 0008).
        let class = [b"M1", id.as_bytes().as_slice(), entitlement.as_bytes()].concat();
        Session { id, number, class, due, spoken: false, commands: HashSet::new(), asked: None, over: false }
    }

    fn record(&self, event: Event, now: OffsetDateTime, quota: bool) -> Record<'_> {
        let octets = if quota { QUOTA } else { 1_000_000 };
        Record {
            event,
            customer: self.number & 0x0fff_ffff,
            session: self.number,
            class: &self.class,
            counters: Counters { input: octets / 10, output: octets, seconds: 60 },
            unix_time: u32::try_from(now.unix_timestamp()).unwrap_or(0),
        }
    }
}

/// What came of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Which.
    pub(super) session: Uuid,
    /// When it was due, as far as the router knows.
    pub(super) due: OffsetDateTime,
    /// When the router was first asked; nothing if it was not.
    pub(super) asked: Option<OffsetDateTime>,
    /// By how many commands it was asked.
    pub(super) commands: usize,
}

/// A report that waits for its answer.
struct Report {
    octets: Vec<u8>,
    authenticator: [u8; 16],
    session: usize,
    event: Event,
    sent: Duration,
}

pub(super) struct Router {
    clock: Clock,
    recipe: Recipe,
    commands: UdpSocket,
    reports: UdpSocket,
    task: Task,
    sessions: Vec<Session>,
    by_name: HashMap<[u8; 8], usize>,
    waiting: VecDeque<(usize, Event)>,
    under_way: HashMap<u8, Report>,
    /// The next session, in the order of their time, that has not reported yet.
    next: usize,
    identifier: u8,
}

impl Router {
    pub(super) async fn open(
        address: Ipv4Addr,
        server: SocketAddr,
        recipe: Recipe,
        clock: Clock,
        mut sessions: Vec<Session>,
        task: Task,
    ) -> anyhow::Result<Router> {
        let commands = UdpSocket::bind((address, COA_PORT))
            .await
            .with_context(|| format!("cannot take commands at {address}:{COA_PORT}"))?;
        let reports = UdpSocket::bind((address, 0)).await?;
        reports.connect(server).await?;
        sessions.sort_by_key(|session| session.due);
        let by_name =
            sessions.iter().enumerate().map(|(index, session)| (hexadecimal(session.number), index)).collect();
        let (waiting, under_way) = (VecDeque::new(), HashMap::new());
        Ok(Router {
            clock,
            recipe,
            commands,
            reports,
            task,
            sessions,
            by_name,
            waiting,
            under_way,
            next: 0,
            identifier: 0,
        })
    }

    /// Plays until all sessions are over, or until `end`.
    pub(super) async fn play(mut self, end: OffsetDateTime) -> anyhow::Result<Vec<Outcome>> {
        let (mut command, mut answer) = ([0; MAX_PACKET], [0; MAX_PACKET]);
        while self.sessions.iter().any(|session| !session.over) && self.clock.now() < end {
            let wait = self.report().await?;
            tokio::select! {
                received = self.commands.recv_from(&mut command) => {
                    let (length, from) = received?;
                    self.obey(&command[..length], from).await?;
                }
                received = self.reports.recv(&mut answer) => self.confirm(&answer[..received?])?,
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(self.sessions.iter().map(outcome).collect())
    }

    /// Sends the reports that are due. Returns how long there is nothing to send.
    async fn report(&mut self) -> anyhow::Result<Duration> {
        let (now, mut wait) = (self.clock.now(), LOOK_EVERY);
        while self.task == Task::Report && self.next < self.sessions.len() {
            let until = self.sessions[self.next].due - now;
            if until.is_positive() {
                wait = wait.min(until.unsigned_abs());
                break;
            }
            self.waiting.push_back((self.next, Event::Interim));
            self.next += 1;
        }
        let monotonic = self.clock.monotonic();
        for report in self.under_way.values_mut() {
            if monotonic.saturating_sub(report.sent) >= AGAIN_AFTER {
                report.sent = monotonic;
                self.reports.send(&report.octets).await?;
            }
        }
        while self.under_way.len() < UNDER_WAY
            && let Some((index, event)) = self.waiting.pop_front()
        {
            while self.under_way.contains_key(&self.identifier) {
                self.identifier = self.identifier.wrapping_add(1);
            }
            let mut buffer = [0; MAX_PACKET];
            let session = &mut self.sessions[index];
            if event == Event::Interim && !session.spoken {
                // Late is what comes after the report, not after the plan.
                session.spoken = true;
                session.due = self.clock.now();
            }
            let record = session.record(event, now, self.task == Task::Report);
            let (octets, authenticator) = record.write(&self.recipe, self.identifier, &mut buffer)?;
            self.reports.send(octets).await?;
            let octets = octets.to_vec();
            self.under_way
                .insert(self.identifier, Report { octets, authenticator, session: index, event, sent: monotonic });
        }
        Ok(wait)
    }

    /// Answers a command.
    async fn obey(&mut self, datagram: &[u8], from: SocketAddr) -> anyhow::Result<()> {
        let now = self.clock.now();
        let request = Packet::parse(datagram).context("a command is malformed")?;
        let (wanted, yes) = match self.task {
            Task::Obey | Task::Report => (Code::DisconnectRequest, Code::DisconnectAck),
            Task::Change => (Code::CoaRequest, Code::CoaAck),
        };
        ensure!(request.code() == wanted, "{} is no command for these sessions", request.code());
        let genuine = authenticator::verify_request(&request, &self.recipe.secret)
            && !check_request(&request, &self.recipe.secret).must_discard();
        ensure!(genuine, "a command is not signed with our secret");
        let name = request.get(rfc2866::ACCT_SESSION_ID).context("a command names no session")?;
        let found = <[u8; 8]>::try_from(name).ok().and_then(|name| self.by_name.get(&name).copied());
        let index = found.context("a command is for a session of another router")?;
        let session = &mut self.sessions[index];
        session.commands.insert(*request.authenticator());
        if session.asked.is_none() {
            session.asked = Some(now);
            match self.task {
                Task::Obey | Task::Report => self.waiting.push_back((index, Event::Stop)),
                Task::Change => session.over = true,
            }
        }
        let mut buffer = [0; MAX_PACKET];
        let mut answer = Builder::new(&mut buffer, yes, request.identifier());
        answer.reserve_message_authenticator()?;
        let answer = answer.finish_reply(&self.recipe.secret, request.authenticator());
        self.commands.send_to(answer, from).await?;
        Ok(())
    }

    /// Takes the answer to a report.
    fn confirm(&mut self, answer: &[u8]) -> anyhow::Result<()> {
        let Some(identifier) = answer.get(1) else { return Ok(()) };
        let Some(report) = self.under_way.get(identifier) else { return Ok(()) };
        // Another's answer: of a report that was sent twice, and whose Identifier has been given to the next.
        if self.recipe.check_record(answer, &report.authenticator).is_err() {
            return Ok(());
        }
        self.sessions[report.session].over |= report.event == Event::Stop;
        self.under_way.remove(identifier);
        Ok(())
    }
}

fn outcome(session: &Session) -> Outcome {
    Outcome { session: session.id, due: session.due, asked: session.asked, commands: session.commands.len() }
}
