//! The sessions of a run: which record of which one comes next, and what the server has acknowledged of each.
//!
//! A run has so many *places*, each with a session that is open. They take turns: at its turn a session reports what
//! comes next in its life (Start, eight Interim-Updates, Stop), and after its Stop the place is given to another
//! customer's. So the mix is 1:8:1, or 1:1:8:1 with the logins, and a session lives for ten turns of all places. One
//! record of a session is under way at a time, as at a router.
//!
//! [`Sessions::open`] prepares that: it logs in for the tickets (`Class`) that sessions will need, if logins are no part
//! of the mix, and opens the places at every stage of a session's life, so that the mix is right from the first second.
//! [`Sessions::close`] ends all sessions. What remains is the journal: what the database must hold, no less and no more.
//!
//! Like a router it goes on when a record was given up: the next one carries what that one would have told. Only a
//! Stop is sent again at the next turn, and at the close until it is acknowledged.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use ::tests::dice::Dice;
use radius_proto::attribute::rfc2865;
use radius_proto::{BuildError, MAX_PACKET, Packet};

use super::record::{Counters, Event, Record};
use crate::request::{Answer, Fault, Recipe};
use crate::work::Work;

/// Interim-Updates in a session's life.
const INTERIMS: u8 = 8;
/// Records in a session's life: stages at which places are opened.
const STAGES: u32 = INTERIMS as u32 + 2;
/// Octets that a session uses from one record to the next: from the customer, and to the customer.
const USES: [(u64, u64); 2] = [(10_000, 200_000), (100_000, 2_000_000)];
/// Longest time for opening all places and for closing them.
const PATIENCE: Duration = Duration::from_secs(120);

/// The servers of a plan.
pub(super) const AUTH: usize = 0;
pub(super) const ACCT: usize = 1;

/// What the sessions of a run shall be.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) recipe: Recipe,
    /// Open at the same time.
    pub(crate) places: u32,
    /// Customers, as `portal seed` makes them, and the one that comes first.
    pub(crate) users: u32,
    pub(crate) first: u32,
    /// Whether each session begins with a login.
    pub(crate) with_logins: bool,
    /// Logins made beforehand, for their Class.
    pub(crate) tickets: u32,
}

/// What comes next in a session's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Login,
    Start,
    /// The first is 1.
    Interim(u8),
    Stop,
}

/// What one request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// A login for its Class, to be used later.
    Ticket { customer: u32 },
    /// A step of the session with this index.
    Session { index: u32, step: Step },
}

/// A session.
#[derive(Clone, Debug)]
struct Session {
    customer: u32,
    class: Box<[u8]>,
    next: Step,
    /// The step after Start.
    then: Step,
    /// When its first record was written, since the epoch of the run.
    began: Option<Duration>,
    /// As its last record told them.
    counters: Counters,
    /// Whether a Stop was written, and whether one was acknowledged.
    stopping: bool,
    stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// So many tickets and places are still to be begun.
    Opening {
        tickets: u32,
        places: u32,
    },
    Running,
    Closing,
}

/// The sessions of a run.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    wish: Wish,
    phase: Phase,
    /// When opening or closing is given up.
    until: Duration,
    /// All that were begun, in order: the router's number of one is `base` and its index.
    sessions: Vec<Session>,
    base: u32,
    /// Places in the order of their turns, `None` for one without a session.
    turns: VecDeque<Option<u32>>,
    /// Places that are open, while others are being opened.
    ready: VecDeque<Option<u32>>,
    tickets: VecDeque<(u32, Box<[u8]>)>,
    tickets_under_way: u32,
    next_customer: u32,
    epoch: Instant,
    /// Unix time of the epoch.
    epoch_unix: u64,
    /// Records that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Sessions that had to log in because the tickets had run out.
    pub(crate) without_ticket: u64,
}

/// What the database must hold of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// The router's number.
    pub(crate) session: u32,
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// Whether its Stop was acknowledged, so that these are its last counters.
    pub(crate) stopped: bool,
}

impl Sessions {
    pub(crate) fn new(wish: Wish, dice: &mut Dice) -> Sessions {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Sessions {
            next_customer: wish.first,
            wish,
            phase: Phase::Running,
            until: Duration::ZERO,
            sessions: Vec::new(),
            // Another for each run, so that no run meets the sessions of an earlier one.
            base: u32::try_from(dice.draw() >> 32).unwrap_or(0),
            turns: VecDeque::new(),
            ready: VecDeque::new(),
            tickets: VecDeque::new(),
            tickets_under_way: 0,
            epoch: Instant::now(),
            epoch_unix: unix.as_secs(),
            acknowledged: 0,
            without_ticket: 0,
        }
    }

    /// From now on: tickets, and a session for each place.
    pub(crate) fn open(&mut self) {
        self.phase = Phase::Opening { tickets: self.wish.tickets, places: self.wish.places };
        self.until = self.epoch.elapsed() + PATIENCE;
    }

    /// From now on: the mix.
    pub(crate) fn run(&mut self) {
        self.phase = Phase::Running;
        self.turns.append(&mut self.ready);
    }

    /// From now on: the end of every session of which a record was sent.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closing;
        self.until = self.epoch.elapsed() + PATIENCE;
        self.turns.clear();
        for (index, session) in (0..).zip(&mut self.sessions) {
            if session.began.is_some() && !session.stopped {
                session.next = Step::Stop;
                self.turns.push_back(Some(index));
            }
        }
    }

    /// Whether all that was to be opened is open.
    pub(crate) fn is_open(&self) -> bool {
        self.ready.len() == self.wish.places as usize
    }

    /// What the database must hold.
    pub(crate) fn journal(&self) -> impl Iterator<Item = Entry> + '_ {
        let numbered = self.sessions.iter().zip(0_u32..);
        numbered.filter(|(session, _)| session.began.is_some()).map(|(session, index)| Entry {
            session: self.base.wrapping_add(index),
            input: session.counters.input,
            output: session.counters.output,
            stopped: session.stopped,
        })
    }

    /// A new session: with a ticket if there is one, after a login if it needs one.
    fn begin(&mut self, then: Step) -> u32 {
        let ticket = self.tickets.pop_front();
        let has_ticket = ticket.is_some();
        let (customer, class) = ticket.unwrap_or_else(|| (self.draw_customer(), Box::default()));
        let ran_out = self.wish.tickets > 0 && !has_ticket;
        self.without_ticket += u64::from(ran_out);
        let logs_in = !has_ticket && (self.wish.with_logins || ran_out);
        let next = if logs_in { Step::Login } else { Step::Start };
        self.sessions.push(Session {
            customer,
            class,
            next,
            then,
            began: None,
            counters: Counters::default(),
            stopping: false,
            stopped: false,
        });
        u32::try_from(self.sessions.len() - 1).expect("a run has less than 2^32 sessions")
    }

    fn draw_customer(&mut self) -> u32 {
        let customer = self.next_customer;
        self.next_customer = if customer >= self.wish.users { 1 } else { customer + 1 };
        customer
    }

    /// What to open next: tickets first, then the sessions that have begun, then another place.
    fn choose_to_open(&mut self) -> Option<Ask> {
        let Phase::Opening { tickets, places } = self.phase else { return None };
        if tickets > 0 {
            self.phase = Phase::Opening { tickets: tickets - 1, places };
            self.tickets_under_way += 1;
            return Some(Ask::Ticket { customer: self.draw_customer() });
        }
        if let Some(place) = self.turns.pop_front() {
            return place.map(|index| self.step(index));
        }
        if self.tickets_under_way > 0 {
            return None;
        }
        for left in (0..places).rev() {
            self.phase = Phase::Opening { tickets, places: left };
            let stage = left % STAGES;
            match u8::try_from(stage).unwrap_or(0) {
                // Its session begins in the run.
                0 => self.ready.push_back(None),
                stage => {
                    let then = if stage > INTERIMS { Step::Stop } else { Step::Interim(stage) };
                    let index = self.begin(then);
                    return Some(self.step(index));
                }
            }
        }
        None
    }

    fn step(&self, index: u32) -> Ask {
        Ask::Session { index, step: self.sessions[index as usize].next }
    }

    /// A session goes on after a step that was answered or given up.
    fn go_on(&mut self, index: u32, step: Step, answer: Option<Answer>) {
        let session = &mut self.sessions[index as usize];
        self.acknowledged += u64::from(step != Step::Login && answer == Some(Answer::Accept));
        let place = match (step, answer) {
            (Step::Login, Some(Answer::Accept)) => {
                session.next = Step::Start;
                // A router reports the Start at once.
                self.turns.push_front(Some(index));
                return;
            }
            // Nobody was let in: the place is free.
            (Step::Login, _) => None,
            (Step::Start, _) => {
                session.next = session.then;
                Some(index)
            }
            (Step::Interim(number), _) => {
                session.next = if number < INTERIMS { Step::Interim(number + 1) } else { Step::Stop };
                Some(index)
            }
            (Step::Stop, Some(_)) => {
                session.stopped = true;
                if self.phase == Phase::Closing {
                    return;
                }
                None
            }
            (Step::Stop, None) => Some(index),
        };
        match self.phase {
            Phase::Opening { .. } => self.ready.push_back(place),
            _ => self.turns.push_back(place),
        }
    }

    /// Writes a record; the session uses something until then, but for its Start and for a second Stop.
    fn write_record<'b>(
        &mut self,
        index: u32,
        event: Event,
        identifier: u8,
        dice: &mut Dice,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError> {
        let now = self.epoch.elapsed();
        let session = &mut self.sessions[index as usize];
        let began = *session.began.get_or_insert(now);
        if event != Event::Start && !session.stopping {
            session.counters.input += dice.between(USES[0].0, USES[0].1);
            session.counters.output += dice.between(USES[1].0, USES[1].1);
            session.counters.seconds = u32::try_from((now - began).as_secs()).unwrap_or(u32::MAX);
        }
        session.stopping |= event == Event::Stop;
        let record = Record {
            event,
            customer: session.customer,
            session: self.base.wrapping_add(index),
            class: &session.class,
            counters: session.counters,
            unix_time: u32::try_from(self.epoch_unix + now.as_secs()).unwrap_or(u32::MAX),
        };
        record.write(&self.wish.recipe, identifier, buffer)
    }
}

impl Work for Sessions {
    type Ask = Ask;

    fn choose(&mut self, _: &mut Dice) -> Option<Ask> {
        match self.phase {
            Phase::Opening { .. } | Phase::Closing if self.epoch.elapsed() > self.until => None,
            Phase::Opening { .. } => self.choose_to_open(),
            Phase::Closing => self.turns.pop_front().flatten().map(|index| self.step(index)),
            Phase::Running => {
                // Where more is asked for than all places can give, there are more places.
                let place = self.turns.pop_front().flatten();
                let index = place.unwrap_or_else(|| self.begin(Step::Interim(1)));
                Some(self.step(index))
            }
        }
    }

    fn server(&self, ask: Ask) -> usize {
        match ask {
            Ask::Ticket { .. } | Ask::Session { step: Step::Login, .. } => AUTH,
            Ask::Session { .. } => ACCT,
        }
    }

    fn write<'b>(
        &mut self,
        ask: Ask,
        identifier: u8,
        dice: &mut Dice,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError> {
        let (index, event) = match ask {
            Ask::Ticket { customer } => return self.wish.recipe.write(customer, identifier, dice, buffer),
            Ask::Session { index, step: Step::Login } => {
                let (customer, session) = (self.sessions[index as usize].customer, self.base.wrapping_add(index));
                return self.wish.recipe.write_for(customer, session, identifier, dice, buffer);
            }
            Ask::Session { index, step: Step::Start } => (index, Event::Start),
            Ask::Session { index, step: Step::Interim(_) } => (index, Event::Interim),
            Ask::Session { index, step: Step::Stop } => (index, Event::Stop),
        };
        self.write_record(index, event, identifier, dice, buffer)
    }

    fn check(&self, ask: Ask, reply: &[u8], authenticator: &[u8; 16]) -> Result<Answer, Fault> {
        match self.server(ask) {
            AUTH => self.wish.recipe.check(reply, authenticator),
            _ => self.wish.recipe.check_record(reply, authenticator),
        }
    }

    fn answered(&mut self, ask: Ask, answer: Answer, reply: &[u8]) {
        match ask {
            Ask::Ticket { customer } => {
                self.tickets_under_way -= 1;
                if answer == Answer::Accept {
                    self.tickets.push_back((customer, class(reply)));
                }
            }
            Ask::Session { index, step } => {
                if step == Step::Login && answer == Answer::Accept {
                    self.sessions[index as usize].class = class(reply);
                }
                self.go_on(index, step, Some(answer));
            }
        }
    }

    fn given_up(&mut self, ask: Ask) {
        match ask {
            Ask::Ticket { .. } => self.tickets_under_way -= 1,
            Ask::Session { index, step } => self.go_on(index, step, None),
        }
    }

    fn is_over(&self) -> bool {
        let is_done = match self.phase {
            Phase::Opening { tickets, places } => tickets == 0 && places == 0 && self.turns.is_empty(),
            Phase::Closing => self.turns.is_empty(),
            Phase::Running => return false,
        };
        is_done || self.epoch.elapsed() > self.until
    }
}

/// The Class of an Access-Accept; empty if it has none.
fn class(reply: &[u8]) -> Box<[u8]> {
    let packet = Packet::parse(reply).ok();
    packet.and_then(|packet| packet.get(rfc2865::CLASS).map(Box::from)).unwrap_or_default()
}
