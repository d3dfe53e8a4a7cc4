//! The loop that asks and listens: one thread, some source ports, every login in a slot of its own.
//!
//! ```text
//!   due? ──▶ slot (port, identifier) ──▶ outbox ──▶ server
//!              ▲        │ after each gap: the same octets again, or given up
//!              └────────┴── inbox ◀── answer: checked against the slot, then counted
//! ```
//!
//! A port has 256 identifiers, so 256 logins can be under way on it; a RouterOS router uses one port. A slot is
//! used again only after all the others, which leaves time to tell a late answer (right for what was asked there
//! before) from a wrong one.
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

use crate::pace::{Arrivals, Customers, Pace, Patience};
use crate::request::{Fault, REQUEST_OCTETS, Recipe};
use crate::tally::{Count, Tally};
use crate::wire::{self, BATCH, Inbox, Outbox};

/// Identifiers of a port (RFC 2865 §3: one octet).
const IDENTIFIERS: usize = 256;
/// With more ports than this the kernel is asked which have something; with fewer it is cheaper to try each.
const TRY_EACH: usize = 8;
/// Logins begun in one turn of the loop, so that listening is never forgotten.
const BURST: usize = 512;
/// Longest sleep, so that the end is not missed.
const NAP: Duration = Duration::from_millis(20);

/// What a thread shall do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) from: Ipv4Addr,
    pub(crate) ports: usize,
    pub(crate) recipe: Recipe,
    pub(crate) pace: Pace,
    pub(crate) patience: Patience,
    pub(crate) customers: Customers,
    /// Logins of this first while are made and not counted.
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

/// One login, or the memory of the one before.
struct Slot {
    octets: [u8; REQUEST_OCTETS],
    length: usize,
    authenticator: [u8; 16],
    /// Of the login that had this slot before.
    before: [u8; 16],
    state: State,
    customer: u32,
    /// When the login was due, nanoseconds from the start.
    due: u64,
    tries: u8,
    /// Tells an alarm for this login from one for another that had the slot.
    serial: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    Waiting,
    Answered,
    GivenUp,
}

struct Line {
    socket: UdpSocket,
    slots: Vec<Slot>,
    /// Identifiers whose octets shall leave now.
    leaving: Vec<u8>,
}

impl Line {
    fn open(plan: &Plan) -> anyhow::Result<Line> {
        let unused = || Slot {
            octets: [0; REQUEST_OCTETS],
            length: 0,
            authenticator: [0; 16],
            before: [0; 16],
            state: State::Unused,
            customer: 0,
            due: 0,
            tries: 0,
            serial: 0,
        };
        Ok(Line {
            socket: wire::connect(plan.from, plan.server)?,
            slots: std::iter::repeat_with(unused).take(IDENTIFIERS).collect(),
            leaving: Vec::with_capacity(IDENTIFIERS),
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
pub(crate) struct Engine {
    plan: Plan,
    start: Instant,
    dice: Dice,
    lines: Vec<Line>,
    free: VecDeque<(usize, u8)>,
    /// In order of time, since every gap is equally long.
    alarms: VecDeque<Alarm>,
    arrivals: Option<Arrivals>,
    waiting: usize,
    buffer: Box<[u8; MAX_PACKET]>,
    outside: Tally,
    count: Count,
}

impl Engine {
    /// Opens the ports.
    pub(crate) fn new(plan: Plan, mut dice: Dice, start: Instant) -> anyhow::Result<Engine> {
        let lines =
            (0..plan.ports).map(|_| Line::open(&plan)).collect::<anyhow::Result<Vec<_>>>().with_context(|| {
                format!("{} ports are needed; is the limit of open files (ulimit -n) lower?", plan.ports)
            })?;
        let free = (0..=u8::MAX).flat_map(|id| (0..plan.ports).map(move |line| (line, id))).collect();
        let arrivals = match &plan.pace {
            Pace::Closed { .. } => None,
            Pace::Open { phases } => Some(Arrivals::new(phases.clone(), &mut dice)),
        };
        let count = Count { rounds: vec![Tally::default(); plan.rounds], seconds: Vec::new() };
        Ok(Engine {
            plan,
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

    /// Asks until the time is over, or each customer has had an answer.
    ///
    /// # Errors
    /// If the kernel refuses to send or receive.
    pub(crate) fn run(mut self) -> anyhow::Result<Count> {
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        let mut ready: Vec<usize> = (0..self.lines.len()).collect();
        while !self.is_over() {
            let mut heard = 0;
            for line in ready.drain(..) {
                heard += self.listen(line, &mut inbox)?;
            }
            self.ring();
            self.begin()?;
            self.flush(&mut outbox)?;
            if heard > 0 && self.lines.len() <= TRY_EACH {
                ready.extend(0..self.lines.len());
            } else {
                let pause = if heard > 0 { Duration::ZERO } else { self.pause() };
                wire::wait(self.lines.iter().map(|line| &line.socket), pause, |line| ready.push(line))?;
            }
        }
        Ok(self.count)
    }

    fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    fn is_over(&self) -> bool {
        let nothing_waits = self.waiting == 0;
        match &self.arrivals {
            _ if self.plan.customers.is_over() => nothing_waits,
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

    /// Takes what has come to one port. Returns how many.
    fn listen(&mut self, line: usize, inbox: &mut Inbox) -> anyhow::Result<usize> {
        match inbox.receive(&self.lines[line].socket) {
            Ok(count) => {
                let now = self.now();
                for index in 0..count {
                    self.hear(line, inbox.datagram(index), now);
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

    /// Checks one answer against the login that it is for.
    fn hear(&mut self, line: usize, reply: &[u8], now: u64) {
        let &[_, identifier, ..] = reply else { return self.tally(now).wrong(Fault::Malformed) };
        let slot = &mut self.lines[line].slots[usize::from(identifier)];
        let (state, due) = (slot.state, slot.due);
        let checked = self.plan.recipe.check(reply, &slot.authenticator);
        let fault = match (checked, state) {
            (Ok(answer), State::Waiting) => {
                slot.state = State::Answered;
                self.waiting -= 1;
                self.free.push_back((line, identifier));
                self.tally(now).answered(answer, reply.len(), now.saturating_sub(due));
                if answer == crate::request::Answer::Accept {
                    self.count.second(due).useful += 1;
                }
                return;
            }
            (Ok(_), State::Answered) => return self.tally(now).repeated += 1,
            (Ok(_), State::GivenUp) => return self.tally(now).late += 1,
            (_, State::Unused) => Fault::Unasked,
            (Err(fault), _) => fault,
        };
        // Right for what was asked here before?
        if self.plan.recipe.check(reply, &slot.before).is_ok() {
            return self.tally(now).late += 1;
        }
        self.tally(now).wrong(fault);
    }

    /// Looks after the logins that have waited long enough.
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
                self.lines[line].leaving.push(identifier);
                self.set_alarm(line, identifier, now);
                self.tally(now).retried += 1;
            } else {
                slot.state = State::GivenUp;
                let customer = slot.customer;
                self.waiting -= 1;
                self.free.push_back((line, identifier));
                self.plan.customers.give_back(customer);
                self.tally(now).lost += 1;
            }
        }
    }

    fn set_alarm(&mut self, line: usize, identifier: u8, now: u64) {
        let serial = self.lines[line].slots[usize::from(identifier)].serial;
        self.alarms.push_back(Alarm { at: now + self.plan.patience.gap, line, identifier, serial });
    }

    /// Begins the logins that are due.
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
            let Some(customer) = self.plan.customers.draw(&mut self.dice) else {
                self.free.push_front((line, identifier));
                break;
            };
            self.ask(line, identifier, customer, due, now)?;
        }
        Ok(())
    }

    fn ask(&mut self, line: usize, identifier: u8, customer: u32, due: u64, now: u64) -> anyhow::Result<()> {
        let (octets, authenticator) =
            self.plan.recipe.write(customer, identifier, &mut self.dice, &mut self.buffer).context("a request")?;
        let slot = &mut self.lines[line].slots[usize::from(identifier)];
        slot.octets[..octets.len()].copy_from_slice(octets);
        slot.length = octets.len();
        slot.before = std::mem::replace(&mut slot.authenticator, authenticator);
        slot.state = State::Waiting;
        (slot.customer, slot.due, slot.tries) = (customer, due, 1);
        slot.serial = slot.serial.wrapping_add(1);
        self.lines[line].leaving.push(identifier);
        self.waiting += 1;
        self.set_alarm(line, identifier, now);
        self.tally(now).asked += 1;
        self.count.second(due).asked += 1;
        Ok(())
    }

    /// Sends what shall leave.
    fn flush(&mut self, outbox: &mut Outbox) -> anyhow::Result<()> {
        let mut refused = 0;
        for line in &mut self.lines {
            let mut from = 0;
            while from < line.leaving.len() {
                let batch = &line.leaving[from..line.leaving.len().min(from + BATCH)];
                let slots = &line.slots;
                let datagram = |index: usize| {
                    let slot = &slots[usize::from(batch[index])];
                    &slot.octets[..slot.length]
                };
                match outbox.send(&line.socket, batch.len(), datagram) {
                    // No room: the kernel is given a moment.
                    Ok(0) => std::thread::yield_now(),
                    Ok(sent) => from += sent,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => refused += 1,
                    Err(error) => return Err(error).context("cannot send"),
                }
            }
            line.leaving.clear();
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
