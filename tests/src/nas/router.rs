//! The router without its sockets: hosts, sessions, limits and counters, as a function of events and `now`.
//!
//! The shell calls a method for each event (a phone joins, a login is answered, traffic flows, a CoA comes)
//! and [`Router::poll`] when [`Router::next_deadline`] has passed; reports to be sent come out of
//! `take_reports`. `now` is time since the router's clock was made, and only grows.
//!
//! What it refuses to do: read a clock, open a socket, or know a password.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;

use super::config::NasConfig;
use super::journal::{Delivery, Entry, Journal, ReportKind};
use super::mac::Mac;
use super::session::{Attempt, LoginMethod, Reached, Session, Usage};
use super::stats::Stats;
use super::terms::Terms;
use crate::dice::Dice;

/// `idle-timeout` of the hotspot server: how long a host that is not logged in keeps its address once
/// addresses run short.
const HOST_IDLE: Duration = Duration::from_secs(300);

/// How long a challenge of the login page is good for when nothing happens.
const CHALLENGE_LIFE: Duration = Duration::from_secs(3600);

/// A phone in the Wi-Fi, logged in or not.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its address.
    pub ip: Ipv4Addr,
    /// When it was last heard of.
    pub last_seen: Duration,
    challenge: Option<Challenge>,
}

/// The challenge that a login page shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// `$(chap-id)`.
    pub id: u8,
    /// `$(chap-challenge)`.
    pub octets: [u8; 16],
    made: Duration,
}

/// Why the router itself turns a login away. The texts are what RouterOS shows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Every address of the pool is taken.
    #[error("cannot assign ip address - no more free addresses from pool")]
    PoolEmpty,
    /// A login of this phone has not been answered yet.
    #[error("already authorizing, retry later")]
    InProgress,
    /// The name looks like a MAC address, and not like this phone's.
    #[error("invalid username ({0}): this MAC address is not yours")]
    WrongMacUsername(String),
    /// No name, or one that no packet can hold.
    #[error("invalid username or password")]
    InvalidUsername,
    /// The password is not the answer to a challenge, and the router takes no clear one; or the challenge
    /// is gone.
    #[error("web browser did not send challenge response (try again, enable JavaScript)")]
    ChallengeMissing,
    /// Port-Limit or shared-users.
    #[error("no more sessions are allowed for user {0}")]
    TooManySessions(String),
    /// The router was restarted while it waited for the answer.
    #[error("hotspot service is shutting down")]
    ShuttingDown,
}

/// A report that must be sent.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) journal_index: Option<usize>,
    pub(crate) kind: ReportKind,
    pub(crate) at: Duration,
    /// Whose it is; `None` for Accounting-On.
    pub(crate) subject: Option<Subject>,
    pub(crate) usage: Usage,
}

/// Whose report it is.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) attempt: Attempt,
    pub(crate) class: Vec<Vec<u8>>,
}

/// The whole state of a simulated router.
#[derive(Debug)]
pub struct Router {
    config: NasConfig,
    hosts: BTreeMap<Mac, Host>,
    taken: BTreeSet<Ipv4Addr>,
    cursor: u32,
    attempts: BTreeMap<Mac, u32>,
    sessions: BTreeMap<Mac, Session>,
    boot: u8,
    counter: u32,
    reports: Vec<Report>,
    journal: Journal,
    dice: Dice,
    pub(crate) stats: Stats,
}

impl Router {
    /// A router that has just been switched on; its first report is Accounting-On.
    pub(crate) fn new(config: NasConfig) -> Router {
        let mut router = Router {
            boot: config.boot % 16,
            dice: config.seed.map_or_else(Dice::shaken, Dice::seeded),
            config,
            hosts: BTreeMap::new(),
            taken: BTreeSet::new(),
            cursor: 0,
            attempts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            counter: 0,
            reports: Vec::new(),
            journal: Journal::default(),
            stats: Stats::default(),
        };
        router.report(Duration::ZERO, ReportKind::AccountingOn, None, Usage::default());
        router
    }

    /// The active session of a phone.
    #[must_use]
    pub fn session(&self, mac: Mac) -> Option<&Session> {
        self.sessions.get(&mac)
    }

    /// Every active session.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Every phone in the Wi-Fi.
    pub fn hosts(&self) -> impl Iterator<Item = (Mac, &Host)> {
        self.hosts.iter().map(|(mac, host)| (*mac, host))
    }

    /// What was reported.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Boot nibble of the session ids that are given out now.
    #[must_use]
    pub fn boot(&self) -> u8 {
        self.boot
    }

    /// A phone joins the Wi-Fi, or shows that it is still there. True if it is new.
    pub(crate) fn join(&mut self, now: Duration, mac: Mac) -> Result<bool, Refusal> {
        if let Some(host) = self.hosts.get_mut(&mac) {
            host.last_seen = now;
            return Ok(false);
        }
        let ip = self.free_address(now).ok_or(Refusal::PoolEmpty)?;
        self.taken.insert(ip);
        self.hosts.insert(mac, Host { ip, last_seen: now, challenge: None });
        Ok(true)
    }

    /// A phone goes out of reach.
    pub(crate) fn leave(&mut self, now: Duration, mac: Mac) {
        self.end(now, mac, cause::LOST_SERVICE);
        if let Some(host) = self.hosts.remove(&mac) {
            self.taken.remove(&host.ip);
        }
    }

    /// The challenge for this phone's login page: the one that it was shown, while that is fresh.
    pub(crate) fn challenge(&mut self, now: Duration, mac: Mac) -> Option<Challenge> {
        let fresh = Challenge { id: self.dice.octets::<1>()[0], octets: self.dice.octets(), made: now };
        let host = self.hosts.get_mut(&mac)?;
        let shown = host.challenge.filter(|shown| now.saturating_sub(shown.made) < CHALLENGE_LIFE);
        host.challenge = Some(shown.unwrap_or(fresh));
        host.challenge
    }

    /// Takes the challenge that this phone was shown: it is good for one login.
    pub(crate) fn take_challenge(&mut self, now: Duration, mac: Mac) -> Option<Challenge> {
        let shown = self.hosts.get_mut(&mac)?.challenge.take()?;
        (now.saturating_sub(shown.made) < CHALLENGE_LIFE).then_some(shown)
    }

    /// A challenge that no page has shown, for a login by MAC address.
    pub(crate) fn own_challenge(&mut self, now: Duration) -> Challenge {
        Challenge { id: self.dice.octets::<1>()[0], octets: self.dice.octets(), made: now }
    }

    /// 16 random octets, for a Request Authenticator.
    pub(crate) fn authenticator(&mut self) -> [u8; 16] {
        self.dice.octets()
    }

    /// A login starts. The caller asks the server and then calls [`Router::finish_login`].
    pub(crate) fn begin_login(
        &mut self,
        now: Duration,
        mac: Mac,
        user: &str,
        method: LoginMethod,
    ) -> Result<Attempt, Refusal> {
        self.join(now, mac)?;
        if user.is_empty() || user.len() > radius_proto::limits::MAX_VALUE {
            return Err(Refusal::InvalidUsername);
        }
        // Only the spelling with separators: twelve digits may be someone's telephone number.
        let looks_like_mac = user.contains([':', '-']);
        if looks_like_mac && user.parse::<Mac>().is_ok_and(|named| named != mac) {
            return Err(Refusal::WrongMacUsername(user.to_owned()));
        }
        if self.attempts.contains_key(&mac) {
            return Err(Refusal::InProgress);
        }
        let number = self.next_number();
        self.attempts.insert(mac, number);
        let ip = self.hosts.get(&mac).map(|host| host.ip).expect("the phone has joined above");
        Ok(Attempt { number, user: user.to_owned(), mac, ip, method })
    }

    /// The server has answered (`granted` is `None` for a Reject or silence). A phone that was logged in
    /// changes over to the new session.
    pub(crate) fn finish_login(
        &mut self,
        now: Duration,
        attempt: Attempt,
        granted: Option<Terms>,
    ) -> Result<(), Refusal> {
        // After a power cut the router has forgotten what it asked.
        if self.attempts.get(&attempt.mac) != Some(&attempt.number) {
            return Err(Refusal::ShuttingDown);
        }
        self.attempts.remove(&attempt.mac);
        let Some(terms) = granted else { return Ok(()) };
        let others = self.sessions().filter(|other| other.user == attempt.user && other.mac != attempt.mac).count();
        let allowed = terms.port_limit.or(self.config.shared_users);
        if allowed.is_some_and(|limit| others >= limit as usize) {
            return Err(Refusal::TooManySessions(attempt.user));
        }
        self.end(now, attempt.mac, cause::USER_REQUEST);
        let session = Session::new(attempt, now, terms, self.config.interim_floor);
        self.report(now, ReportKind::Start, Some(&session), Usage::default());
        self.sessions.insert(session.mac, session);
        Ok(())
    }

    /// Traffic of a phone: what was let through, or `None` when it is not logged in. Traffic that reaches a
    /// limit ends the session.
    pub(crate) fn traffic(&mut self, now: Duration, mac: Mac, up: u64, down: u64) -> Option<(u64, u64)> {
        if let Some(host) = self.hosts.get_mut(&mac) {
            host.last_seen = now;
        }
        let counted = self.sessions.get_mut(&mac)?.count(now, up, down);
        self.enforce(now, mac);
        Some(counted)
    }

    /// Ends a session. False if there is none.
    pub(crate) fn end(&mut self, now: Duration, mac: Mac, cause: u32) -> bool {
        let Some(session) = self.sessions.remove(&mac) else {
            return false;
        };
        self.report(now, ReportKind::Stop(cause), Some(&session), session.usage(now));
        true
    }

    /// A session is gone and nobody is told, as when each transmission of its Stop is lost. False if there is none.
    pub(crate) fn forget(&mut self, mac: Mac) -> bool {
        self.sessions.remove(&mac).is_some()
    }

    /// Sends an Interim-Update out of turn. False if there is no session.
    pub(crate) fn interim_now(&mut self, now: Duration, mac: Mac) -> bool {
        let Some(session) = self.sessions.get(&mac).cloned() else {
            return false;
        };
        self.report(now, ReportKind::InterimUpdate, Some(&session), session.usage(now));
        true
    }

    /// Applies a CoA to a session. A limit that is already passed ends it.
    pub(crate) fn amend(&mut self, now: Duration, mac: Mac, change: Terms) {
        let (from_now, total_limit_too) = (self.config.coa_timeout_from_now, self.config.coa_total_limit);
        if let Some(session) = self.sessions.get_mut(&mac) {
            session.amend(now, change, from_now, total_limit_too);
        }
        self.enforce(now, mac);
    }

    /// The active session with this name and address, and id where one is given.
    #[must_use]
    pub fn find(&self, user: &[u8], ip: Ipv4Addr, session_id: Option<&[u8]>) -> Option<&Session> {
        self.sessions().find(|session| {
            session.user.as_bytes() == user
                && session.ip == ip
                && session_id.is_none_or(|id| id == session.session_id().as_bytes())
        })
    }

    /// Does what is due: ends sessions that reached a limit, and makes Interim-Updates.
    pub(crate) fn poll(&mut self, now: Duration) {
        let due: Vec<Mac> = self
            .sessions()
            .filter(|session| session.next_deadline().is_some_and(|at| at <= now))
            .map(|session| session.mac)
            .collect();
        for mac in due {
            self.enforce(now, mac);
            if self.sessions.get_mut(&mac).is_some_and(|session| session.interim_due(now)) {
                self.interim_now(now, mac);
            }
        }
    }

    /// When [`Router::poll`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.sessions().filter_map(Session::next_deadline).min()
    }

    /// Power is cut and comes back: sessions and hosts are gone without a word, session ids get the next
    /// boot nibble, and Accounting-On is sent.
    pub(crate) fn power_cycle(&mut self, now: Duration) {
        self.hosts.clear();
        self.taken.clear();
        self.attempts.clear();
        self.sessions.clear();
        for unsent in self.reports.drain(..) {
            self.journal.settle(unsent.journal_index, 0, 0, Delivery::Dropped);
        }
        self.boot = (self.boot + 1) % 16;
        self.counter = 0;
        self.report(now, ReportKind::AccountingOn, None, Usage::default());
    }

    /// The reports that have come up since the last call, to be sent now.
    pub(crate) fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Records how a report went.
    pub(crate) fn settle(&mut self, report: &Report, identifier: u8, transmissions: u8, delivery: Delivery) {
        self.journal.settle(report.journal_index, identifier, transmissions, delivery);
    }

    fn enforce(&mut self, now: Duration, mac: Mac) {
        let cause = match self.sessions.get(&mac).and_then(|session| session.reached(now)) {
            None => return,
            Some(Reached::SessionTimeout) => cause::SESSION_TIMEOUT,
            Some(Reached::IdleTimeout) => cause::IDLE_TIMEOUT,
            Some(Reached::TrafficLimit) => cause::NAS_REQUEST,
        };
        self.end(now, mac, cause);
    }

    /// Acct-Session-Id of RouterOS: `80`, the boot nibble, and 20 bits that count sessions.
    fn next_number(&mut self) -> u32 {
        self.counter = (self.counter + 1) & 0x000f_ffff;
        0x8000_0000 | u32::from(self.boot) << 20 | self.counter
    }

    /// A free address: each in turn, so that one is not given to the next phone at once. When all are taken,
    /// a host that has been idle and not logged in for long gives its address up.
    fn free_address(&mut self, now: Duration) -> Option<Ipv4Addr> {
        let first = u32::from(self.config.pool.network()) + 2;
        let last = u32::from(self.config.pool.broadcast()).saturating_sub(1);
        let size = (last + 1).checked_sub(first).filter(|&size| size > 0)?;
        for step in 0..size {
            let offset = (self.cursor + step) % size;
            let address = Ipv4Addr::from(first + offset);
            if !self.taken.contains(&address) {
                self.cursor = offset + 1;
                return Some(address);
            }
        }
        let stale = self
            .hosts()
            .filter(|(mac, host)| !self.sessions.contains_key(mac) && now.saturating_sub(host.last_seen) > HOST_IDLE)
            .min_by_key(|(_, host)| host.last_seen)
            .map(|(mac, host)| (mac, host.ip));
        let (mac, ip) = stale?;
        self.hosts.remove(&mac);
        Some(ip)
    }

    fn report(&mut self, now: Duration, kind: ReportKind, session: Option<&Session>, usage: Usage) {
        let entry = Entry {
            index: 0,
            at: now,
            kind,
            session_id: session.map(Session::session_id).unwrap_or_default(),
            user: session.map(|session| session.user.clone()).unwrap_or_default(),
            mac: session.map(|session| session.mac),
            usage,
            identifier: 0,
            transmissions: 0,
            delivery: Delivery::Pending,
        };
        let journal_index = self.journal.add(entry);
        let subject = session.map(Session::subject);
        self.reports.push(Report { journal_index, kind, at: now, subject, usage });
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
