//! How much may be under way to one router, so that a wave of deadlines neither floods a router nor waits for another one.
//!
//! A window opens with [`FIRST`] and grows by one with each answer, up to the 256 Identifiers of a port. Where requests must be
//! sent again it is halved, once for all that were under way: the router, or the line to it, drops some. A router that answered none of a request's
//! transmissions is *silent*: one request at a time finds out whether it is back, and nothing is kept here for it.

use std::collections::VecDeque;
use std::time::Duration;

use store::command::Command;

/// Requests under way to a router of which nothing is known yet.
const FIRST: usize = 32;
/// As many as there are Identifiers on one port (RFC 2865 §3).
const MOST: usize = 256;
/// What could not be begun by then goes back, so that its lease, which another server waits for, is not outlived by
/// its transmissions.
const HELD_FOR: Duration = Duration::from_secs(5);

/// What is to be done with a command that has been claimed.
#[derive(Debug)]
pub(super) enum Turn {
    /// Send it.
    Now(Box<Command>),
    /// It waits here for another's answer.
    Held,
    /// Give it back: its router does not answer.
    Silent(Box<Command>),
}

/// The window of one router.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    under_way: usize,
    silent: bool,
    /// When it was halved last: what was sent before that says nothing new.
    halved: Option<Duration>,
    held: VecDeque<(Duration, Box<Command>)>,
}

impl Default for Window {
    fn default() -> Window {
        Window { limit: FIRST, under_way: 0, silent: false, halved: None, held: VecDeque::new() }
    }
}

impl Window {
    /// Takes a command that was claimed at `now`.
    pub(super) fn offer(&mut self, command: Box<Command>, now: Duration) -> Turn {
        if self.under_way < self.limit {
            self.under_way += 1;
            Turn::Now(command)
        } else if self.silent {
            Turn::Silent(command)
        } else {
            self.held.push_back((now, command));
            Turn::Held
        }
    }

    /// The next that may be sent. Take them all whenever one has ended.
    pub(super) fn next(&mut self) -> Option<Box<Command>> {
        if self.under_way >= self.limit {
            return None;
        }
        let (_, command) = self.held.pop_front()?;
        self.under_way += 1;
        Some(command)
    }

    /// A request was answered.
    pub(super) fn answered(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.limit = (self.limit + 1).min(MOST);
        self.silent = false;
    }

    /// A request that was begun at `begun` must be sent again.
    pub(super) fn repeated(&mut self, begun: Duration, now: Duration) {
        if self.halved.is_none_or(|halved| begun >= halved) {
            self.limit = (self.limit / 2).max(1);
            self.halved = Some(now);
        }
    }

    /// A request was given up without a word of the router.
    pub(super) fn unanswered(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.limit = 1;
        self.silent = true;
    }

    /// A request was not sent after all, for a reason that says nothing about the router.
    pub(super) fn not_sent(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Those that have been held for too long, or for a router that has fallen silent.
    pub(super) fn give_up(&mut self, now: Duration) -> Vec<Command> {
        let over = |since: Duration| self.silent || now.saturating_sub(since) >= HELD_FOR;
        let count = self.held.iter().take_while(|(since, _)| over(*since)).count();
        self.held.drain(..count).map(|(_, command)| *command).collect()
    }

    /// All that are held.
    pub(super) fn give_up_all(&mut self) -> Vec<Command> {
        self.held.drain(..).map(|(_, command)| *command).collect()
    }

    /// Whether its router answers nothing at the moment.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether it would be of no use to claim more for this router.
    pub(super) fn is_busy(&self) -> bool {
        !self.held.is_empty() || (self.silent && self.under_way >= self.limit)
    }

    /// Whether there is nothing in it, and nothing to remember.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.held.is_empty() && !self.silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::OffsetDateTime;
    use store::command::{Kind, Reported};
    use uuid::Uuid;

    fn command(number: u128) -> Box<Command> {
        Box::new(Command {
            id: Uuid::from_u128(number),
            nas: Uuid::from_u128(1),
            kind: Kind::Disconnect,
            generation: 0,
            session: Uuid::from_u128(number),
            entitlement: None,
            reported: Reported { started_at: OffsetDateTime::UNIX_EPOCH, up: 0, down: 0 },
            limits: None,
            nas_address: None,
            user_name: String::new(),
            mac: None,
            framed_ip: None,
            acct_session_id: number.to_string(),
            reason: "expired".into(),
            attempts: 1,
            error_cause: None,
            acknowledged: false,
            due_at: OffsetDateTime::UNIX_EPOCH,
            trace: None,
        })
    }

    /// Offers so many; returns how many may be sent, are held, and go back.
    fn offer(window: &mut Window, count: u128) -> (usize, usize, usize) {
        let mut turns = (0, 0, 0);
        for number in 0..count {
            match window.offer(command(number), Duration::ZERO) {
                Turn::Now(_) => turns.0 += 1,
                Turn::Held => turns.1 += 1,
                Turn::Silent(_) => turns.2 += 1,
            }
        }
        turns
    }

    #[test]
    fn a_window_grows_with_answers_up_to_the_identifiers_of_a_port() {
        let mut window = Window::default();
        assert_eq!(offer(&mut window, 1000), (FIRST, 1000 - FIRST, 0));
        let mut under_way = FIRST;
        let mut most = under_way;
        for _ in 0..1000 {
            window.answered();
            under_way -= 1;
            while window.next().is_some() {
                under_way += 1;
            }
            most = most.max(under_way);
        }
        assert_eq!((most, under_way), (MOST, 0), "all of them were sent, in their turn");
        assert!(window.is_idle());
    }

    #[test]
    fn a_router_that_drops_requests_gets_fewer_at_a_time() {
        let mut window = Window::default();
        let at = Duration::from_secs;
        for _ in 0..FIRST {
            window.repeated(at(0), at(2));
        }
        window.repeated(at(1), at(2));
        assert_eq!(window.limit, FIRST / 2, "all that were under way count once");
        window.repeated(at(2), at(4));
        assert_eq!(offer(&mut window, 100), (FIRST / 4, 100 - FIRST / 4, 0));
        for later in 2..20 {
            window.repeated(at(2 * later), at(2 * later + 2));
        }
        assert_eq!(offer(&mut Window { under_way: 0, held: VecDeque::new(), ..window }, 9).0, 1, "never none");
    }

    #[test]
    fn one_request_finds_out_whether_a_silent_router_is_back() {
        let mut window = Window::default();
        assert_eq!(offer(&mut window, 100), (FIRST, 100 - FIRST, 0));
        for _ in 0..FIRST {
            window.unanswered();
        }
        assert_eq!(window.give_up(Duration::ZERO).len(), 100 - FIRST, "nothing is held for it");
        assert_eq!(offer(&mut window, 10), (1, 0, 9));
        assert!(window.is_busy());
        window.answered();
        assert!(!window.is_busy());
        assert_eq!(offer(&mut window, 10), (2, 8, 0), "it is back");
    }

    #[test]
    fn what_is_held_for_too_long_goes_back() {
        let mut window = Window { limit: 1, ..Window::default() };
        let _ = window.offer(command(1), Duration::ZERO);
        let _ = window.offer(command(2), Duration::ZERO);
        let _ = window.offer(command(3), Duration::from_secs(4));
        assert!(window.give_up(Duration::from_millis(4_999)).is_empty());
        let given_up = window.give_up(HELD_FOR);
        assert_eq!(given_up.iter().map(|c| c.id.as_u128()).collect::<Vec<_>>(), [2]);
    }
}
