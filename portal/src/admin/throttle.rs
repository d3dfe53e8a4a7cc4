//! How often somebody may try to sign in.
//!
//! Failures are counted under two names: the address that they come from, and the account that they try. An
//! account that does not exist is counted like one that does, so a count tells nobody which exist. Counting is
//! in this process alone; the account's own lock in the database holds over all processes and restarts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use store::admin::{LOCK, MAX_FAILED_LOGINS};
use uuid::Uuid;

/// Failures within [`LOCK`] after which an address rests. Several people may share one.
const MAX_FROM_ADDRESS: i32 = 30;
/// Wrong codes within [`LOCK`] after which an account rests, whose password was right: of a million codes three are good.
const MAX_WRONG_CODES: i32 = 5;
/// Most names that are counted at the same time; when full, the oldest half is forgotten.
const CAPACITY: usize = 10_000;

/// What is counted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Name {
    /// Where a try comes from.
    Address(IpAddr),
    /// The account that it tries, in lower case.
    Account(String),
    /// The account whose second factor it tries.
    Code(Uuid),
}

impl Name {
    fn limit(&self) -> i32 {
        match self {
            Name::Address(_) => MAX_FROM_ADDRESS,
            Name::Account(_) => MAX_FAILED_LOGINS,
            Name::Code(_) => MAX_WRONG_CODES,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: i32,
    /// When the count began, or when the limit was reached; on the process's own clock.
    since: Duration,
}

impl Count {
    /// How long that name still rests.
    fn rests(&self, name: &Name, now: Duration) -> Option<Duration> {
        let left = LOCK.checked_sub(now.saturating_sub(self.since)).filter(|left| !left.is_zero());
        left.filter(|_| self.failures >= name.limit())
    }
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<Name, Count>>);

impl Throttle {
    /// How long a name still rests; `None`: it may try.
    pub(super) fn rests(&self, name: &Name, now: Duration) -> Option<Duration> {
        let counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        counts.get(name)?.rests(name, now)
    }

    /// Counts a try before it is known what comes of it, so that of many in the same moment no more are looked at than one after the
    /// other. `false`: the name rests. What was no failure is taken back.
    pub(super) fn takes(&self, name: &Name, now: Duration) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if counts.get(name).is_some_and(|count| count.rests(name, now).is_some()) {
            return false;
        }
        count(&mut counts, name.clone(), now);
        true
    }

    /// A try was no failure.
    pub(super) fn take_back(&self, name: &Name) {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(count) = counts.get_mut(name) {
            count.failures = count.failures.saturating_sub(1);
        }
    }

    /// Counts a failure. Returns whether it is the one with which the name begins to rest.
    pub(super) fn failed(&self, name: Name, now: Duration) -> bool {
        count(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner), name, now)
    }

    /// Forgets a name: it has proved itself.
    pub(super) fn succeeded(&self, name: &Name) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(name);
    }
}

/// Counts one more, and says whether it is the one with which the name begins to rest.
fn count(counts: &mut HashMap<Name, Count>, name: Name, now: Duration) -> bool {
    if counts.len() >= CAPACITY && !counts.contains_key(&name) {
        make_room(counts);
    }
    let limit = name.limit();
    let count = counts.entry(name).or_insert(Count { failures: 0, since: now });
    if now.saturating_sub(count.since) >= LOCK {
        *count = Count { failures: 0, since: now };
    }
    count.failures += 1;
    if count.failures == limit {
        count.since = now;
    }
    count.failures == limit
}

fn make_room(counts: &mut HashMap<Name, Count>) {
    let mut ages: Vec<Duration> = counts.values().map(|count| count.since).collect();
    ages.sort_unstable();
    let median = ages[ages.len() / 2];
    counts.retain(|_, count| count.since > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Name {
        Name::Account("admin@example.org".into())
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_account_rests_after_ten_failures_and_wakes_again() {
        let throttle = Throttle::default();
        for n in 0..10 {
            assert_eq!(throttle.rests(&account(), seconds(n)), None, "after {n}");
            throttle.failed(account(), seconds(n));
        }
        assert_eq!(throttle.rests(&account(), seconds(9)), Some(LOCK));
        assert_eq!(throttle.rests(&account(), seconds(9) + LOCK), None);
        throttle.failed(account(), seconds(9) + LOCK);
        assert_eq!(throttle.rests(&account(), seconds(9) + LOCK), None, "the count began anew");
    }

    #[test]
    fn a_success_forgets_the_failures_of_that_name_only() {
        let throttle = Throttle::default();
        let address = Name::Address("192.0.2.1".parse().expect("an address"));
        for _ in 0..30 {
            throttle.failed(account(), seconds(1));
            throttle.failed(address.clone(), seconds(1));
        }
        throttle.succeeded(&account());
        assert_eq!(throttle.rests(&account(), seconds(1)), None);
        assert!(throttle.rests(&address, seconds(1)).is_some());
    }

    #[test]
    fn of_many_tries_at_once_no_more_are_looked_at_than_one_after_the_other() {
        let throttle = Throttle::default();
        let taken = (0..30).filter(|_| throttle.takes(&account(), seconds(1))).count();
        assert_eq!((taken, throttle.rests(&account(), seconds(1))), (10, Some(LOCK)));
        throttle.take_back(&account());
        assert!(throttle.takes(&account(), seconds(1)), "one of them was no failure");
        assert!(!throttle.takes(&account(), seconds(1)) && throttle.takes(&account(), seconds(1) + LOCK));
    }

    #[test]
    fn the_table_stays_bounded() {
        let throttle = Throttle::default();
        for n in 0..(CAPACITY as u64 * 2) {
            throttle.failed(Name::Account(n.to_string()), Duration::from_millis(n));
        }
        assert!(throttle.0.lock().expect("unpoisoned").len() <= CAPACITY);
    }
}
