//! One logged-in phone: its terms, its counters, and the moments at which the router must act on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::mac::Mac;
use super::router::Subject;
use super::terms::Terms;

/// Octets that a packet carries when traffic is given in octets only.
const OCTETS_PER_PACKET: u64 = 1400;

/// How a session logged in; RouterOS' `login-by`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginMethod {
    /// A clear password.
    HttpPap,
    /// The answer to a challenge.
    HttpChap,
    /// The device's address.
    Mac,
}

impl LoginMethod {
    /// The word that RouterOS prints.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            LoginMethod::HttpPap => "http-pap",
            LoginMethod::HttpChap => "http-chap",
            LoginMethod::Mac => "mac",
        }
    }
}

/// What a session has used. "Up" is from the client: Input in accounting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Usage {
    /// Octets from the client.
    pub up: u64,
    /// Octets to the client.
    pub down: u64,
    /// Packets from the client.
    pub up_packets: u64,
    /// Packets to the client.
    pub down_packets: u64,
    /// Whole seconds since the login.
    pub seconds: u32,
}

/// A login under way: what its Access-Request says and its session will have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) user: String,
    pub(crate) mac: Mac,
    pub(crate) ip: Ipv4Addr,
    pub(crate) method: LoginMethod,
}

impl Attempt {
    /// Acct-Session-Id.
    pub(crate) fn session_id(&self) -> String {
        format!("{:08x}", self.number)
    }
}

/// A session of the hotspot's active table. Moments are time since the router's clock was made.
#[derive(Clone, Debug)]
pub struct Session {
    /// Acct-Session-Id and NAS-Port as a number.
    pub number: u32,
    /// User-Name.
    pub user: String,
    /// The phone.
    pub mac: Mac,
    /// Its address.
    pub ip: Ipv4Addr,
    /// How it logged in.
    pub method: LoginMethod,
    /// When it logged in.
    pub started: Duration,
    /// Terms, as granted and changed since.
    pub terms: Terms,
    pub(crate) ends_at: Option<Duration>,
    pub(crate) last_traffic: Duration,
    pub(crate) next_interim: Option<Duration>,
    interim_every: Option<Duration>,
    used: Usage,
}

/// Why the router ends a session by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reached {
    SessionTimeout,
    IdleTimeout,
    TrafficLimit,
}

impl Session {
    pub(crate) fn new(attempt: Attempt, now: Duration, terms: Terms, interim_floor: Duration) -> Session {
        let Attempt { number, user, mac, ip, method } = attempt;
        let interim_every = terms.interim(interim_floor);
        Session {
            number,
            user,
            mac,
            ip,
            method,
            started: now,
            ends_at: terms.session_timeout.map(|limit| now + seconds(limit)),
            last_traffic: now,
            next_interim: interim_every.map(|every| now + every),
            interim_every,
            used: Usage::default(),
            terms,
        }
    }

    /// Acct-Session-Id.
    #[must_use]
    pub fn session_id(&self) -> String {
        format!("{:08x}", self.number)
    }

    /// Whose reports are those of this session.
    pub(crate) fn subject(&self) -> Subject {
        let Session { number, user, mac, ip, method, .. } = self;
        let attempt = Attempt { number: *number, user: user.clone(), mac: *mac, ip: *ip, method: *method };
        Subject { attempt, class: self.terms.class.clone() }
    }

    /// Octets from and to the client so far.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.used.up, self.used.down)
    }

    /// The counters as accounting reports them.
    #[must_use]
    pub fn usage(&self, now: Duration) -> Usage {
        let whole = now.saturating_sub(self.started).as_secs();
        Usage { seconds: u32::try_from(whole).unwrap_or(u32::MAX), ..self.used }
    }

    /// Time left, if the session has an end.
    #[must_use]
    pub fn time_left(&self, now: Duration) -> Option<Duration> {
        self.ends_at.map(|end| end.saturating_sub(now))
    }

    /// Octets left, if there is a limit for both ways together.
    #[must_use]
    pub fn bytes_left(&self) -> Option<u64> {
        self.terms.total_limit.map(|limit| limit.saturating_sub(self.used.up.saturating_add(self.used.down)))
    }

    /// Counts traffic, at most up to the limits: the router cuts at the packet that reaches one. Returns
    /// what was let through.
    pub(crate) fn count(&mut self, now: Duration, up: u64, down: u64) -> (u64, u64) {
        let up = up.min(self.room_up());
        self.used.up = self.used.up.saturating_add(up);
        let down = down.min(self.room_down());
        self.used.down = self.used.down.saturating_add(down);
        self.used.up_packets += up.div_ceil(OCTETS_PER_PACKET);
        self.used.down_packets += down.div_ceil(OCTETS_PER_PACKET);
        if up + down > 0 {
            self.last_traffic = now;
        }
        (up, down)
    }

    fn room_up(&self) -> u64 {
        let own = self.terms.recv_limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.used.up));
        own.min(self.bytes_left().unwrap_or(u64::MAX))
    }

    fn room_down(&self) -> u64 {
        let own = self.terms.xmit_limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.used.down));
        own.min(self.bytes_left().unwrap_or(u64::MAX))
    }

    /// The limit that the session has reached by `now`, if any.
    pub(crate) fn reached(&self, now: Duration) -> Option<Reached> {
        if self.room_up() == 0 || self.room_down() == 0 {
            return Some(Reached::TrafficLimit);
        }
        if self.ends_at.is_some_and(|end| end <= now) {
            return Some(Reached::SessionTimeout);
        }
        self.idle_at().is_some_and(|end| end <= now).then_some(Reached::IdleTimeout)
    }

    fn idle_at(&self) -> Option<Duration> {
        self.terms.idle_timeout.map(|limit| self.last_traffic + seconds(limit))
    }

    /// The next moment at which the router must look at this session.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        [self.ends_at, self.idle_at(), self.next_interim].into_iter().flatten().min()
    }

    /// Whether an Interim-Update is due; sets the next one.
    pub(crate) fn interim_due(&mut self, now: Duration) -> bool {
        let due = self.next_interim.is_some_and(|at| at <= now);
        if due {
            // Missed ones are not made up for: the next is a whole interval away.
            self.next_interim = self.interim_every.map(|every| now + every);
        }
        due
    }

    /// Applies a CoA. `from_now` says what a new Session-Timeout counts from.
    pub(crate) fn amend(&mut self, now: Duration, change: Terms, from_now: bool, total_limit_too: bool) {
        if let Some(limit) = change.session_timeout {
            let base = if from_now { now } else { self.started };
            self.ends_at = Some(base + seconds(limit));
        }
        self.terms.amend(change, total_limit_too);
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}
