//! The client side of Disconnect and CoA (RFC 5176): one [`Transaction`] is one request to one NAS, from the
//! first transmission to its answer or to giving up.
//!
//! The caller builds and signs the request, owns the socket and the clock, and repeats: [`Transaction::poll`]
//! says what to do now; a packet that arrives goes to [`Transaction::handle_reply`]. Retransmissions are the
//! same octets, so Identifier, Authenticator and Event-Timestamp stay (RFC 5176 §2.3, §6.3); the caller must
//! keep the source port too. A changed request is a new transaction with a new Identifier, which
//! [`Identifiers`] hands out.
//!
//! Timers are those of RFC 5080 §2.2.1: RT is IRT at first and doubles, up to MRT, each time varied by a
//! random tenth that the caller passes in. The transaction ends after MRC transmissions or MRD, whichever is
//! first. **Giving up is not success**: the session may still be alive.
//!
//! A packet that is not the answer (other sender, other Identifier, wrong Authenticator, …) changes nothing,
//! the timers included, and is reported as [`Outcome::Ignored`] with the reason.

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::attribute::{rfc2869, rfc5176, rfc5176::error_cause};
use crate::authenticator;
use crate::code::Code;
use crate::error::ParseError;
use crate::message_authenticator::{self, Check};
use crate::packet::Packet;
use crate::secret::Secret;

/// The parameters of RFC 5080 §2.2.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// IRT: wait after the first transmission.
    pub initial: Duration,
    /// MRT: longest wait between two transmissions, before the random variation.
    pub max_interval: Duration,
    /// MRC: most transmissions, the first included; at least 1.
    pub max_transmissions: u32,
    /// MRD: longest time from the first transmission to giving up.
    pub max_duration: Duration,
}

impl Default for Timers {
    /// IRT 2 s, MRT 16 s, MRC 5, MRD 30 s, the values that RFC 5080 §2.2.1 gives.
    fn default() -> Timers {
        Timers {
            initial: Duration::from_secs(2),
            max_interval: Duration::from_secs(16),
            max_transmissions: 5,
            max_duration: Duration::from_secs(30),
        }
    }
}

/// Largest random variation of a wait, in thousandths (RFC 5080 §2.2.1: "between -0.1 and +0.1").
pub const MAX_JITTER_PERMILLE: i32 = 100;

/// Default distance, in seconds, at which the Event-Timestamp of a reply is stale (RFC 5176 §6.3: 300 s).
pub const EVENT_TIMESTAMP_WINDOW_SECONDS: u32 = 300;

/// What a reply must have, beyond a right Authenticator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyPolicy {
    /// Whether a reply without Message-Authenticator is ignored. One that is present must be right in any case.
    pub require_message_authenticator: bool,
    /// Seconds between the Event-Timestamp of a reply, if it has one, and the caller's clock, beyond which it is
    /// ignored. `None` for a router whose clock is known to be wrong.
    pub event_timestamp_window_seconds: Option<u32>,
}

impl Default for ReplyPolicy {
    /// No Message-Authenticator is asked for, since not every NAS sends one; stale replies are ignored.
    fn default() -> ReplyPolicy {
        ReplyPolicy {
            require_message_authenticator: false,
            event_timestamp_window_seconds: Some(EVENT_TIMESTAMP_WINDOW_SECONDS),
        }
    }
}

/// What to do now.
#[derive(PartialEq, Eq, Debug)]
pub enum Action<'t> {
    /// Send these octets to the peer, then poll again.
    Send(&'t [u8]),
    /// Nothing until this time, unless a packet arrives.
    WaitUntil(Duration),
    /// No answer came. Said at every poll from then on.
    TimedOut,
    /// The transaction was answered. Said at every poll from then on.
    Answered,
}

/// What a packet meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The NAS did it.
    Ack {
        /// The Error-Cause, if the NAS gave one. None is wanted: see [`Outcome::violation`].
        error_cause: Option<u32>,
    },
    /// The NAS did not do it; [`classify`] says what to make of the cause.
    Nak {
        /// The Error-Cause, if the NAS gave one.
        error_cause: Option<u32>,
    },
    /// Not an answer to this request; nothing has changed.
    Ignored(Ignored),
}

impl Outcome {
    /// The Error-Cause that may not stand in such an answer: one of success (2xx) in a NAK, one of failure (4xx and
    /// 5xx) in an ACK (RFC 5176 §3.5). It is worth a log line that names the router; the answer counts all the same.
    #[must_use]
    pub fn violation(&self) -> Option<u32> {
        match self {
            Outcome::Ack { error_cause } => error_cause.filter(|cause| FAILURES.contains(cause)),
            Outcome::Nak { error_cause } => error_cause.filter(|cause| SUCCESSES.contains(cause)),
            Outcome::Ignored(_) => None,
        }
    }
}

/// Error-Causes that only an ACK may carry (RFC 5176 §3.5).
const SUCCESSES: core::ops::RangeInclusive<u32> = 200..=299;

/// Error-Causes that only a NAK may carry (RFC 5176 §3.5).
const FAILURES: core::ops::RangeInclusive<u32> = 400..=599;

/// Why a packet was not an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ignored {
    /// It came after the answer or after giving up.
    Late,
    /// It came before anything was sent.
    Early,
    /// It came from another address or port.
    WrongSource,
    /// Its Identifier is another.
    WrongIdentifier,
    /// Its Code is not an ACK or NAK of this request.
    WrongCode,
    /// Its Response Authenticator is wrong.
    BadAuthenticator,
    /// Its Message-Authenticator is wrong, repeated or of the wrong length.
    BadMessageAuthenticator,
    /// It has no Message-Authenticator, and the policy wants one.
    NoMessageAuthenticator,
    /// Its Event-Timestamp is too far from the caller's clock.
    StaleEventTimestamp,
}

/// Why octets cannot start a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotARequest {
    /// They are not a packet.
    Malformed(ParseError),
    /// They are a packet of another kind than CoA- or Disconnect-Request.
    WrongCode(Code),
}

impl fmt::Display for NotARequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotARequest::Malformed(error) => error.fmt(f),
            NotARequest::WrongCode(code) => {
                write!(f, "{code} is neither CoA-Request nor Disconnect-Request")
            }
        }
    }
}

impl core::error::Error for NotARequest {}

/// One request to one NAS.
#[derive(Debug)]
pub struct Transaction {
    request: Box<[u8]>,
    code: Code,
    identifier: u8,
    authenticator: [u8; 16],
    peer: SocketAddr,
    timers: Timers,
    sent: u32,
    interval: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing has been sent.
    Fresh,
    /// Waiting for an answer: when to act next, and when to give up.
    Waiting {
        next: Duration,
        give_up: Duration,
    },
    TimedOut,
    Answered,
}

impl Transaction {
    /// Takes a signed CoA- or Disconnect-Request, as [`crate::Builder::finish_hashed_request`] returns it.
    ///
    /// # Errors
    /// If the octets are not a packet, or one of another Code.
    pub fn new(request: &[u8], peer: SocketAddr, timers: Timers) -> Result<Transaction, NotARequest> {
        let packet = Packet::parse(request).map_err(NotARequest::Malformed)?;
        if !matches!(packet.code(), Code::DisconnectRequest | Code::CoaRequest) {
            return Err(NotARequest::WrongCode(packet.code()));
        }
        Ok(Transaction {
            request: packet.as_bytes().into(),
            code: packet.code(),
            identifier: packet.identifier(),
            authenticator: *packet.authenticator(),
            peer,
            timers,
            sent: 0,
            interval: Duration::ZERO,
            state: State::Fresh,
        })
    }

    /// Where the request goes.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The Identifier of the request.
    #[must_use]
    pub fn identifier(&self) -> u8 {
        self.identifier
    }

    /// Transmissions so far.
    #[must_use]
    pub fn transmissions(&self) -> u32 {
        self.sent
    }

    /// Says what to do now. `jitter_permille` is a fresh uniform number from -100 to 100; it is used only
    /// when the answer is [`Action::Send`].
    pub fn poll(&mut self, now: Duration, jitter_permille: i32) -> Action<'_> {
        let give_up = match self.state {
            State::Answered => return Action::Answered,
            State::TimedOut => return Action::TimedOut,
            State::Fresh => now + self.timers.max_duration,
            State::Waiting { next, give_up } => {
                if now < next && now < give_up {
                    return Action::WaitUntil(next.min(give_up));
                }
                if now >= give_up || self.sent >= self.timers.max_transmissions {
                    self.state = State::TimedOut;
                    return Action::TimedOut;
                }
                give_up
            }
        };
        self.interval = self.next_interval(jitter_permille);
        self.sent += 1;
        self.state = State::Waiting { next: now + self.interval, give_up };
        Action::Send(&self.request)
    }

    /// RT = IRT(1+R) at first, then RT = RTprev(2+R), and MRT(1+R) once that is longer (RFC 5080 §2.2.1).
    fn next_interval(&self, jitter_permille: i32) -> Duration {
        let jitter = jitter_permille.clamp(-MAX_JITTER_PERMILLE, MAX_JITTER_PERMILLE);
        if self.sent == 0 {
            return scale(self.timers.initial, 1000 + jitter);
        }
        let doubled = scale(self.interval, 2000 + jitter);
        if doubled > self.timers.max_interval {
            return scale(self.timers.max_interval, 1000 + jitter);
        }
        doubled
    }

    /// Judges a packet that arrived. Only the first right answer counts; all others are ignored (RFC 5080
    /// §2.2.2, RFC 5176 §3.4). `wall_clock_seconds` is the time now, in seconds since 1970.
    pub fn handle_reply(
        &mut self,
        source: SocketAddr,
        reply: &Packet<'_>,
        secret: &Secret,
        policy: ReplyPolicy,
        wall_clock_seconds: u32,
    ) -> Outcome {
        let objection = self.stranger(source, reply).or_else(|| self.forgery(reply, secret, policy));
        if let Some(reason) = objection.or_else(|| stale(reply, policy, wall_clock_seconds)) {
            return Outcome::Ignored(reason);
        }
        self.state = State::Answered;
        let error_cause = reply.get(rfc5176::ERROR_CAUSE);
        match reply.code() {
            Code::DisconnectAck | Code::CoaAck => Outcome::Ack { error_cause },
            _ => Outcome::Nak { error_cause },
        }
    }

    /// Why a packet cannot be an answer to this request, by what anyone may read.
    fn stranger(&self, source: SocketAddr, reply: &Packet<'_>) -> Option<Ignored> {
        match self.state {
            State::Waiting { .. } => {}
            State::Fresh => return Some(Ignored::Early),
            State::TimedOut | State::Answered => return Some(Ignored::Late),
        }
        if source != self.peer {
            return Some(Ignored::WrongSource);
        }
        if reply.identifier() != self.identifier {
            return Some(Ignored::WrongIdentifier);
        }
        let answers = match self.code {
            Code::DisconnectRequest => [Code::DisconnectAck, Code::DisconnectNak],
            _ => [Code::CoaAck, Code::CoaNak],
        };
        (!answers.contains(&reply.code())).then_some(Ignored::WrongCode)
    }

    /// Why a packet does not come from who shares the secret.
    fn forgery(&self, reply: &Packet<'_>, secret: &Secret, policy: ReplyPolicy) -> Option<Ignored> {
        if !authenticator::verify_reply(reply, &self.authenticator, secret) {
            return Some(Ignored::BadAuthenticator);
        }
        match message_authenticator::check_reply(reply, &self.authenticator, secret) {
            Check::Absent if policy.require_message_authenticator => Some(Ignored::NoMessageAuthenticator),
            Check::Valid | Check::Absent => None,
            Check::Invalid | Check::Repeated | Check::BadLength => Some(Ignored::BadMessageAuthenticator),
        }
    }
}

/// Whether the Event-Timestamp of a reply is too old or too new (RFC 5176 §6.3). A reply without one is not.
fn stale(reply: &Packet<'_>, policy: ReplyPolicy, wall_clock_seconds: u32) -> Option<Ignored> {
    let window = policy.event_timestamp_window_seconds?;
    let distance = reply.get(rfc2869::EVENT_TIMESTAMP)?.abs_diff(wall_clock_seconds);
    (distance > window).then_some(Ignored::StaleEventTimestamp)
}

fn scale(duration: Duration, permille: i32) -> Duration {
    let permille = u32::try_from(permille).expect("jitter is clamped to a tenth");
    duration * permille / 1000
}

/// What a NAK asks of the one who wanted the session gone or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NakMeaning {
    /// The NAS has no such session: for a Disconnect the goal is reached, and the session can be closed.
    SessionGone,
    /// It will never work like this: tell the operator, do not try again. RouterOS also answers 406 for a
    /// hotspot session that it does not know, so a caller that has had an ACK from this NAS may take 406 for
    /// [`NakMeaning::SessionGone`].
    Permanent,
    /// It may work later: try again as a new transaction with a new Identifier, a bounded number of times.
    RetryLater,
    /// The request matched several sessions: send more that tells them apart.
    AddAttributes,
    /// The NAS breaks the protocol (a success cause in a NAK); log it and treat as permanent.
    Violation,
    /// No cause, or one that we do not know: treat as permanent.
    Unknown,
}

/// What to make of the Error-Cause of a NAK (RFC 5176 §3.5). That section calls every 4xx an error of the one who
/// asked, so those without a name here are permanent too.
#[must_use]
pub fn classify(cause: Option<u32>) -> NakMeaning {
    match cause {
        Some(error_cause::SESSION_CONTEXT_NOT_FOUND) => NakMeaning::SessionGone,
        Some(400..=499 | error_cause::ADMINISTRATIVELY_PROHIBITED | error_cause::SESSION_CONTEXT_NOT_REMOVABLE) => {
            NakMeaning::Permanent
        }
        Some(
            error_cause::REQUEST_NOT_ROUTABLE
            | error_cause::OTHER_PROXY_PROCESSING_ERROR
            | error_cause::RESOURCES_UNAVAILABLE,
        ) => NakMeaning::RetryLater,
        Some(error_cause::MULTIPLE_SESSION_SELECTION_UNSUPPORTED) => NakMeaning::AddAttributes,
        Some(cause) if SUCCESSES.contains(&cause) => NakMeaning::Violation,
        // Among them 507, Request-Initiated: it answers a request to authorize again, which is never sent.
        _ => NakMeaning::Unknown,
    }
}

/// The Identifiers of one source port towards one NAS: none is in use twice, and a returned one rests as long
/// as possible before it is handed out again (RFC 5080 §2.2.2).
#[derive(Clone, Debug)]
pub struct Identifiers {
    /// A ring of the free ones, the longest rested at `head`.
    ring: [u8; 256],
    head: usize,
    free: usize,
    in_use: [bool; 256],
}

impl Identifiers {
    /// All 256 free; `first` is handed out first.
    #[must_use]
    pub fn new(first: u8) -> Identifiers {
        let mut ring = [first; 256];
        for (step, identifier) in (0..=u8::MAX).zip(&mut ring) {
            *identifier = first.wrapping_add(step);
        }
        Identifiers { ring, head: 0, free: 256, in_use: [false; 256] }
    }

    /// Takes an Identifier; `None` while all 256 are in use.
    pub fn take(&mut self) -> Option<u8> {
        if self.free == 0 {
            return None;
        }
        let identifier = self.ring[self.head];
        self.head = (self.head + 1) % 256;
        self.free -= 1;
        self.in_use[usize::from(identifier)] = true;
        Some(identifier)
    }

    /// Gives an Identifier back once its request is answered or has timed out. Giving back what is not in use
    /// does nothing.
    pub fn give_back(&mut self, identifier: u8) {
        let in_use = &mut self.in_use[usize::from(identifier)];
        if *in_use {
            *in_use = false;
            self.ring[(self.head + self.free) % 256] = identifier;
            self.free += 1;
        }
    }

    /// Identifiers in use now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        256 - self.free
    }
}

impl Default for Identifiers {
    fn default() -> Identifiers {
        Identifiers::new(0)
    }
}

#[cfg(test)]
mod tests;
