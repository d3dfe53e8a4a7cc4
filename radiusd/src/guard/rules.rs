//! How often somebody may guess: counted in windows, then locked, for longer each time. Pure: time is given.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// How often one of a kind may guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// Guesses are added up for so long.
    pub(super) window: Duration,
    /// With so many it is locked.
    pub(super) limit: u32,
    /// For how long, the first, second, … time within a day; the last one goes on.
    locks: &'static [Duration],
}

/// A device, and a device with one name: people mistype, and then ask the staff.
const DEVICE: Rule = Rule {
    window: MINUTE.saturating_mul(15),
    limit: 10,
    locks: &[MINUTE, MINUTE.saturating_mul(5), MINUTE.saturating_mul(15), MINUTE.saturating_mul(60)],
};

/// All guesses at a router. A device can make itself a new address for each guess, so this is what bounds them: 36 in six minutes
/// are 8,640 a day. Of 32^10 voucher codes, with 100,000 of them unused, one of these is hit with a chance below
/// one in a million.
const ROUTER: Rule = Rule { window: MINUTE.saturating_mul(6), limit: 36, locks: &[MINUTE.saturating_mul(6)] };

/// Locks are forgotten after so long without another one.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);
/// From this guess on an answer takes twice as long.
const SLOWER_FROM: u32 = 4;

impl Rule {
    /// With the operator's number of guesses that a device has.
    pub(super) fn device(limit: u32) -> Rule {
        Rule { limit, ..DEVICE }
    }

    pub(super) fn router() -> Rule {
        ROUTER
    }
}

/// What is known of one who guesses.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Record {
    guesses: u32,
    window_ends: Duration,
    locked_until: Duration,
    locks: u8,
}

/// What a guess has led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Noted {
    /// It is counted; the answer may take so many times as long as usual.
    Counted(u32),
    /// From now on it is locked, for so long.
    Locked(Duration),
}

impl Record {
    pub(super) fn is_locked(&self, now: Duration) -> bool {
        now < self.locked_until
    }

    /// Whether nothing needs to be remembered of it.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.window_ends && now >= self.locked_until + if self.locks > 0 { FORGET_AFTER } else { Duration::ZERO }
    }

    /// Counts a guess. `in_all`: how many there were in this window at all servers, if that is known.
    pub(super) fn note(&mut self, rule: Rule, in_all: Option<u32>, now: Duration) -> Noted {
        if now >= self.window_ends {
            (self.guesses, self.window_ends) = (0, now + rule.window);
        }
        self.guesses = match in_all {
            // Counted here when it was made.
            Some(in_all) => self.guesses.max(in_all),
            None => self.guesses.saturating_add(1),
        };
        if self.guesses < rule.limit || self.is_locked(now) {
            return Noted::Counted(if self.guesses < SLOWER_FROM { 1 } else { 2 });
        }
        if now >= self.locked_until + FORGET_AFTER {
            self.locks = 0;
        }
        let lock = rule.locks[usize::from(self.locks).min(rule.locks.len() - 1)];
        self.locks = self.locks.saturating_add(1);
        (self.guesses, self.window_ends, self.locked_until) = (0, now, now + lock);
        Noted::Locked(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
    }

    /// Guesses once a second until it is locked; returns after how many, and for how long.
    fn guess(record: &mut Record, rule: Rule, now: &mut u64) -> (u32, u64) {
        for count in 1.. {
            *now += 1;
            if let Noted::Locked(lock) = record.note(rule, None, at(*now)) {
                return (count, lock.as_secs());
            }
        }
        unreachable!("it is locked some time")
    }

    #[test]
    fn it_gets_slower_and_then_locked_for_longer_each_time() {
        let (mut record, rule, mut now) = (Record::default(), Rule::device(10), 0);
        for count in 1..10 {
            let times = if count < 4 { 1 } else { 2 };
            assert_eq!(record.note(rule, None, at(count)), Noted::Counted(times));
        }
        assert_eq!(record.note(rule, None, at(10)), Noted::Locked(Duration::from_secs(60)));
        now += 10;
        assert!(record.is_locked(at(69)) && !record.is_locked(at(70)));
        for expected in [300, 900, 3600, 3600] {
            now += 3600;
            assert_eq!(guess(&mut record, rule, &mut now), (10, expected));
        }
        now += 3600 + 24 * 3600;
        assert_eq!(guess(&mut record, rule, &mut now), (10, 60), "after a quiet day it begins anew");
    }

    #[test]
    fn guesses_of_long_ago_do_not_count() {
        let (mut record, rule) = (Record::default(), Rule::device(10));
        for count in 0..1000 {
            assert!(
                matches!(record.note(rule, None, at(count * 101)), Noted::Counted(_)),
                "nine in a quarter of an hour"
            );
        }
        assert!(!record.is_over(at(999 * 101)) && record.is_over(at(999 * 101 + 900)));
    }

    #[test]
    fn guesses_at_other_servers_count_too() {
        let (mut record, rule) = (Record::default(), Rule::device(10));
        assert_eq!(record.note(rule, None, at(0)), Noted::Counted(1));
        assert_eq!(record.note(rule, Some(5), at(0)), Noted::Counted(2));
        assert_eq!(record.note(rule, None, at(1)), Noted::Counted(2));
        assert_eq!(record.note(rule, Some(10), at(1)), Noted::Locked(Duration::from_secs(60)));
    }

    #[test]
    fn a_code_is_hardly_ever_hit_in_a_day() {
        let (mut record, mut now, mut guesses) = (Record::default(), 0, 0);
        while now < 86_400 {
            let (made, _) = guess(&mut record, Rule::router(), &mut now);
            guesses += made;
            now += Rule::router().window.as_secs();
        }
        let codes =
            (shared::voucher::ALPHABET.len() as f64).powi(i32::try_from(shared::voucher::CODE_LENGTH).expect("small"));
        let unused = 100_000.0;
        let chance = f64::from(guesses) * unused / codes;
        assert!(guesses <= 8_640 && chance < 1e-6, "{guesses} guesses hit with {chance}");
    }
}
