//! The loop that asks and listens: one thread, some source ports, every request in a slot of its own.
//!
//! ```text
//!   due? ──▶ slot (port, identifier) ──▶ outbox ──▶ server
//!              ▲        │ after each gap: the same octets again, or given up
//!              └────────┴── inbox ◀── answer: checked against the slot, then counted
//! ```
//!
//! A port has 256 identifiers, so 256 requests can be under way on it; a RouterOS router uses one port for each server.
//! A slot is used again only after all the others, which leaves time to tell a late answer (right for what was asked
//! there before) from a wrong one. What is asked for is not known here: that is the [`Work`].
//!
//! What it refuses: to count an answer that it has not proved, and to hide that it fell behind: [`Tally::behind`]
//! and [`Tally::skipped`] say so.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::Context as _;
use radius_proto::MAX_PACKET;

use crate::pace::{Arrivals, Pace, Patience};
use crate::request::{Answer, Fault, REQUEST_OCTETS};
use crate::tally::{Count, Tally};
use crate::wire::{self, BATCH, Inbox, Outbox};
use crate::work::Work;

/// Identifiers of a port (RFC 2865 §3: one octet).
const IDENTIFIERS: usize = 256;
/// With more sockets than this the kernel is asked which have something; with fewer it is cheaper to try each.
const TRY_EACH: usize = 8;
/// Requests begun in one turn of the loop, so that listening is never forgotten.
const BURST: usize = 512;
/// Longest sleep, so that the end is not missed.
const NAP: Duration = Duration::from_millis(20);

/// What a thread shall do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What [`Work::server`] counts.
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) from: Ipv4Addr,
    pub(crate) ports: usize,
    pub(crate) pace: Pace,
    pub(crate) patience: Patience,
    /// Requests of this first while are made and not counted.
    pub(crate) warm: Duration,
    /// Length of a round.
    pub(crate) round: Duration,
    /// Number of rounds.
    pub(crate) rounds: usize,
}

impl Plan {
    /// From the start to the end of the last round, nanoseconds.
    fn ends(&self) -> u64 {
        nanoseconds(self.warm) + nanoseconds(self.round) * self.rounds as u64
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One request, or the memory of the one before.
struct Slot<A> {
    octets: [u8; REQUEST_OCTETS],
    length: usize,
    /// What is asked for, and the Request Authenticator; `None` until the slot is used for the first time.
    asked: Option<(A, [u8; 16])>,
    /// Of the request that had this slot before.
    before: Option<(A, [u8; 16])>,
    state: State,
    /// When the request was due, nanoseconds from the start.
    due: u64,
    tries: u8,
    /// Tells an alarm for this request from one for another that had the slot.
    serial: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Answered,
    GivenUp,
}

/// 256 identifiers, and a socket towards each server.
struct Line<A> {
    doors: Vec<Door>,
    slots: Vec<Slot<A>>,
}

struct Door {
    socket: UdpSocket,
    /// Identifiers whose octets shall leave now.
    leaving: Vec<u8>,
}

impl<A> Line<A> {
    fn open(plan: &Plan) -> anyhow::Result<Line<A>> {
        let unused = || Slot {
            octets: [0; REQUEST_OCTETS],
            length: 0,
            asked: None,
            before: None,
            state: State::GivenUp,
            due: 0,
            tries: 0,
            serial: 0,
        };
        let door = |server: &SocketAddr| {
            let socket = wire::connect(plan.from, *server)?;
            anyhow::Ok(Door { socket, leaving: Vec::with_capacity(IDENTIFIERS) })
        };
        Ok(Line {
            doors: plan.servers.iter().map(door).collect::<anyhow::Result<_>>()?,
            slots: std::iter::repeat_with(unused).take(IDENTIFIERS).collect(),
        })
    }
}

/// When a slot is to be looked at again.
struct Alarm {
    at: u64,
    line: usize,
    identifier: u8,
    serial: u32,
}

/// A thread's whole state.
pub(crate) struct Engine<W: Work> {
    plan: Plan,
    work: W,
    start: Instant,
    dice: Dice,
    lines: Vec<Line<W::Ask>>,
    free: VecDeque<(usize, u8)>,
    /// In order of time, since every gap is equally long.
    alarms: VecDeque<Alarm>,
    arrivals: Option<Arrivals>,
    waiting: usize,
    buffer: Box<[u8; MAX_PACKET]>,
    outside: Tally,
    count: Count,
}

impl<W: Work> Engine<W> {
    /// Opens the ports.
    ///
    /// # Errors
    /// If there are not enough.
    pub(crate) fn new(plan: Plan, work: W, mut dice: Dice, start: Instant) -> anyhow::Result<Engine<W>> {
        let lines =
            (0..plan.ports).map(|_| Line::open(&plan)).collect::<anyhow::Result<Vec<_>>>().with_context(|| {
                let ports = plan.ports * plan.servers.len();
                format!("{ports} ports are needed; is the limit of open files (ulimit -n) lower?")
            })?;
        let free = (0..=u8::MAX).flat_map(|id| (0..plan.ports).map(move |line| (line, id))).collect();
        let arrivals = match &plan.pace {
            Pace::Closed { .. } => None,
            Pace::Open { phases } => Some(Arrivals::new(phases.clone(), &mut dice)),
        };
        let count = Count { rounds: vec![Tally::default(); plan.rounds], seconds: Vec::new() };
        Ok(Engine {
            plan,
            work,
            start,
            dice,
            lines,
            free,
            alarms: VecDeque::new(),
            arrivals,
            waiting: 0,
            buffer: Box::new([0; MAX_PACKET]),
            outside: Tally::default(),
            count,
        })
    }

    /// Asks until the time is over, or the work. Returns what was counted, and the work as it stands.
    ///
    /// # Errors
    /// If the kernel refuses to send or receive.
    pub(crate) fn run(mut self) -> anyhow::Result<(Count, W)> {
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        // Sockets are counted line by line.
        let (doors, sockets) = (self.plan.servers.len(), self.lines.len() * self.plan.servers.len());
        let mut ready: Vec<usize> = (0..sockets).collect();
        while !self.is_over() {
            let mut heard = 0;
            for socket in ready.drain(..) {
                heard += self.listen(socket / doors, socket % doors, &mut inbox)?;
            }
            self.ring();
            self.begin()?;
            self.flush(&mut outbox)?;
            if heard > 0 && sockets <= TRY_EACH {
                ready.extend(0..sockets);
            } else {
                let pause = if heard > 0 { Duration::ZERO } else { self.pause() };
                let sockets = self.lines.iter().flat_map(|line| &line.doors).map(|door| &door.socket);
                wire::wait(sockets, pause, |socket| ready.push(socket))?;
            }
        }
        Ok((self.count, self.work))
    }

    fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    fn is_over(&self) -> bool {
        let nothing_waits = self.waiting == 0;
        match &self.arrivals {
            _ if self.work.is_over() => nothing_waits,
            Some(arrivals) => arrivals.next_due().is_none() && nothing_waits,
            None => self.now() >= self.plan.ends(),
        }
    }

    /// The tally of the round that a moment belongs to. What happens before the first round or after the last
    /// belongs to none; the seconds of a run have it all.
    fn tally(&mut self, at: u64) -> &mut Tally {
        let since = at.checked_sub(nanoseconds(self.plan.warm));
        let round = since.and_then(|since| usize::try_from(since / nanoseconds(self.plan.round).max(1)).ok());
        round.and_then(|round| self.count.rounds.get_mut(round)).unwrap_or(&mut self.outside)
    }

    /// Takes what has come to one socket. Returns how many.
    fn listen(&mut self, line: usize, door: usize, inbox: &mut Inbox) -> anyhow::Result<usize> {
        match inbox.receive(&self.lines[line].doors[door].socket) {
            Ok(count) => {
                let now = self.now();
                for index in 0..count {
                    self.hear(line, door, inbox.datagram(index), now);
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let now = self.now();
                self.tally(now).refused += 1;
                Ok(0)
            }
            Err(error) => Err(error).context("cannot receive"),
        }
    }

    /// Checks one answer against the request that it is for.
    fn hear(&mut self, line: usize, door: usize, reply: &[u8], now: u64) {
        let &[_, identifier, ..] = reply else { return self.tally(now).wrong(Fault::Malformed) };
        let slot = &mut self.lines[line].slots[usize::from(identifier)];
        let due = slot.due;
        let check = |(ask, authenticator): (W::Ask, [u8; 16])| match self.work.server(ask) == door {
            true => self.work.check(ask, reply, &authenticator),
            false => Err(Fault::Unasked),
        };
        let Some(asked) = slot.asked else { return self.tally(now).wrong(Fault::Unasked) };
        match (check(asked), slot.state) {
            (Ok(answer), State::Waiting) => {
                slot.state = State::Answered;
                self.waiting -= 1;
                self.free.push_back((line, identifier));
                self.work.answered(asked.0, answer, reply);
                self.tally(now).answered(answer, reply.len(), now.saturating_sub(due));
                if answer == Answer::Accept {
                    self.count.second(due).useful += 1;
                }
            }
            (Ok(_), State::Answered) => self.tally(now).repeated += 1,
            (Ok(_), State::GivenUp) => self.tally(now).late += 1,
            // Right for what was asked here before?
            (Err(_), _) if slot.before.is_some_and(|before| check(before).is_ok()) => self.tally(now).late += 1,
            (Err(fault), _) => self.tally(now).wrong(fault),
        }
    }

    /// Looks after the requests that have waited long enough.
    fn ring(&mut self) {
        let now = self.now();
        while self.alarms.front().is_some_and(|alarm| alarm.at <= now) {
            let Some(Alarm { line, identifier, serial, .. }) = self.alarms.pop_front() else { return };
            let slot = &mut self.lines[line].slots[usize::from(identifier)];
            if slot.serial != serial || slot.state != State::Waiting {
                continue;
            }
            if slot.tries < self.plan.patience.tries {
                slot.tries += 1;
                self.leave(line, identifier);
                self.set_alarm(line, identifier, now);
                self.tally(now).retried += 1;
            } else {
                slot.state = State::GivenUp;
                let asked = slot.asked;
                self.waiting -= 1;
                self.free.push_back((line, identifier));
                if let Some((ask, _)) = asked {
                    self.work.given_up(ask);
                }
                self.tally(now).lost += 1;
            }
        }
    }

    /// Puts a slot's octets among those that leave next.
    fn leave(&mut self, line: usize, identifier: u8) {
        let Line { doors, slots } = &mut self.lines[line];
        if let Some((ask, _)) = slots[usize::from(identifier)].asked {
            doors[self.work.server(ask)].leaving.push(identifier);
        }
    }

    fn set_alarm(&mut self, line: usize, identifier: u8, now: u64) {
        let serial = self.lines[line].slots[usize::from(identifier)].serial;
        self.alarms.push_back(Alarm { at: now + self.plan.patience.gap, line, identifier, serial });
    }

    /// Begins the requests that are due.
    fn begin(&mut self) -> anyhow::Result<()> {
        for _ in 0..BURST {
            let now = self.now();
            let due = match (&self.plan.pace, &self.arrivals) {
                (Pace::Closed { outstanding }, _) => (self.waiting < *outstanding).then_some(now),
                (Pace::Open { .. }, Some(arrivals)) => arrivals.next_due().filter(|due| *due <= now),
                (Pace::Open { .. }, None) => None,
            };
            let Some(due) = due else { break };
            if let Some(arrivals) = &mut self.arrivals {
                arrivals.advance(&mut self.dice);
                let tally = self.tally(now);
                tally.behind = tally.behind.max(now - due);
            }
            let Some((line, identifier)) = self.free.pop_front() else {
                self.tally(now).skipped += 1;
                if self.arrivals.is_some() { continue } else { break }
            };
            let Some(ask) = self.work.choose(&mut self.dice) else {
                self.free.push_front((line, identifier));
                break;
            };
            self.ask(line, identifier, ask, due, now)?;
        }
        Ok(())
    }

    fn ask(&mut self, line: usize, identifier: u8, ask: W::Ask, due: u64, now: u64) -> anyhow::Result<()> {
        let (octets, authenticator) =
            self.work.write(ask, identifier, &mut self.dice, &mut self.buffer).context("a request")?;
        let slot = &mut self.lines[line].slots[usize::from(identifier)];
        slot.octets[..octets.len()].copy_from_slice(octets);
        slot.length = octets.len();
        slot.before = slot.asked.replace((ask, authenticator));
        slot.state = State::Waiting;
        (slot.due, slot.tries) = (due, 1);
        slot.serial = slot.serial.wrapping_add(1);
        self.leave(line, identifier);
        self.waiting += 1;
        self.set_alarm(line, identifier, now);
        self.tally(now).asked += 1;
        self.count.second(due).asked += 1;
        Ok(())
    }

    /// Sends what shall leave.
    fn flush(&mut self, outbox: &mut Outbox) -> anyhow::Result<()> {
        let mut refused = 0;
        for Line { doors, slots } in &mut self.lines {
            for Door { socket, leaving } in doors {
                let mut from = 0;
                while from < leaving.len() {
                    let batch = &leaving[from..leaving.len().min(from + BATCH)];
                    let datagram = |index: usize| {
                        let slot = &slots[usize::from(batch[index])];
                        &slot.octets[..slot.length]
                    };
                    match outbox.send(socket, batch.len(), datagram) {
                        // No room: the kernel is given a moment.
                        Ok(0) => std::thread::yield_now(),
                        Ok(sent) => from += sent,
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => refused += 1,
                        Err(error) => return Err(error).context("cannot send"),
                    }
                }
                leaving.clear();
            }
        }
        if refused > 0 {
            let now = self.now();
            self.tally(now).refused += refused;
        }
        Ok(())
    }

    /// How long nothing will have to be done unless an answer comes.
    fn pause(&self) -> Duration {
        let now = self.now();
        let due = self.arrivals.as_ref().and_then(Arrivals::next_due).unwrap_or(u64::MAX);
        let alarm = self.alarms.front().map_or(u64::MAX, |alarm| alarm.at);
        Duration::from_nanos(due.min(alarm).saturating_sub(now)).min(NAP)
    }
}
