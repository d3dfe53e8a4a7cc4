//! How often a public form may be sent: by one device, to one phone, from one address, at one site.
//!
//! All portals count together in Redis. While Redis is away each counts for itself, so that a form is never sent without
//! limit. What is counted stands in Redis under a keyed hash: it does not learn who tried what.
//!
//! Guests of a hotspot often share one address, and a whole site does; limits of addresses and sites are made for that.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use store::redis::Tries;

use crate::App;
use crate::error::AppError;

/// Names that are counted here at most while Redis is away; when full, the older half is forgotten.
const CAPACITY: usize = 20_000;

/// So often, of one name, within such a time.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    what: &'static str,
    whose: String,
    times: u32,
    within: Duration,
}

impl Limit {
    /// `what` is the form, `whose` the device, phone, address or site.
    pub(crate) fn new(what: &'static str, whose: impl Display, times: u32, within: Duration) -> Limit {
        Limit { what, whose: whose.to_string(), times, within }
    }

    fn name(&self, app: &App) -> String {
        hex::encode(app.db.seal().lookup(format!("try:{}:{}", self.what, self.whose).as_bytes()))
    }
}

/// After Redis has not answered, it is not asked again for so long: nobody waits for it with every form.
const REDIS_RESTS: Duration = Duration::from_secs(5);

/// The counts of this process.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    counts: Mutex<HashMap<String, Count>>,
    /// Until when Redis is not asked, milliseconds of the process's own clock.
    redis_rests_until: AtomicU64,
}

/// How often something was tried in the present window, this time included, and in how many seconds the window ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) tries: u32,
    pub(crate) ends_in: u64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    tries: u32,
    since: Duration,
}

impl Throttle {
    /// Counts a try under each limit.
    ///
    /// # Errors
    /// [`AppError::TooOften`]: one of them is reached.
    pub(crate) async fn admit(&self, app: &App, limits: &[Limit]) -> Result<(), AppError> {
        let mut wait = None;
        for limit in limits {
            let name = limit.name(app);
            let left = match self.in_redis(app, &name, limit).await {
                Some(tries) => (tries.count > limit.times).then(|| Duration::from_secs(tries.forgotten_in.max(1))),
                None => self.count(name, limit, app.clock.monotonic()),
            };
            if left.is_some() {
                app.metrics.throttled.with_label_values(&[limit.what]).inc();
                tracing::info!(form = limit.what, "a form is sent too often and refused");
            }
            wait = wait.max(left);
        }
        wait.map_or(Ok(()), |wait| Err(AppError::TooOften(wait)))
    }

    /// Counts a try, and says what that comes to; whoever asks decides.
    pub(crate) async fn tally(&self, app: &App, limit: &Limit) -> Tally {
        let name = limit.name(app);
        match self.in_redis(app, &name, limit).await {
            Some(tries) => Tally { tries: tries.count, ends_in: tries.forgotten_in.max(1) },
            None => self.here(name, limit, app.clock.monotonic()),
        }
    }

    /// Counts a try for all processes; `None`: Redis is away.
    async fn in_redis(&self, app: &App, name: &str, limit: &Limit) -> Option<Tries> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if millis(app.clock.monotonic()) < self.redis_rests_until.load(Ordering::Relaxed) {
            return None;
        }
        match app.redis.count_try(name, limit.within.as_secs()).await {
            Ok(tries) => Some(tries),
            Err(error) => {
                tracing::warn!(%error, "how often forms are sent is counted in this process alone");
                self.redis_rests_until.store(millis(app.clock.monotonic() + REDIS_RESTS), Ordering::Relaxed);
                None
            }
        }
    }

    /// Counts a try. Returns how long there is to wait if it is one too many.
    fn count(&self, name: String, limit: &Limit, now: Duration) -> Option<Duration> {
        let tally = self.here(name, limit, now);
        (tally.tries > limit.times).then(|| Duration::from_secs(tally.ends_in))
    }

    /// Counts a try in this process alone.
    fn here(&self, name: String, limit: &Limit, now: Duration) -> Tally {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= CAPACITY && !counts.contains_key(&name) {
            let mut ages: Vec<Duration> = counts.values().map(|count| count.since).collect();
            let (_, median, _) = ages.select_nth_unstable(CAPACITY / 2);
            let median = *median;
            counts.retain(|_, count| count.since > median);
        }
        let count = counts.entry(name).or_insert(Count { tries: 0, since: now });
        if now.saturating_sub(count.since) >= limit.within {
            *count = Count { tries: 0, since: now };
        }
        count.tries = count.tries.saturating_add(1);
        let left = limit.within.saturating_sub(now.saturating_sub(count.since));
        Tally { tries: count.tries, ends_in: left.as_secs().max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_name_waits_for_the_end_of_its_window() {
        let (throttle, limit) = (Throttle::default(), Limit::new("code", "phone", 2, MINUTE));
        let count = |name: &str, seconds| throttle.count(name.into(), &limit, Duration::from_secs(seconds));
        assert_eq!([count("a", 0), count("a", 10)], [None, None]);
        assert_eq!(count("a", 20), Some(Duration::from_secs(40)));
        assert_eq!(count("b", 20), None, "another one has tries of its own");
        assert_eq!(count("a", 60), None, "a new window");
    }

    #[test]
    fn the_counts_stay_bounded() {
        let (throttle, limit) = (Throttle::default(), Limit::new("code", "phone", 2, MINUTE));
        for number in 0..(2 * CAPACITY as u64) {
            throttle.count(number.to_string(), &limit, Duration::from_millis(number));
        }
        assert!(throttle.counts.lock().expect("unpoisoned").len() <= CAPACITY);
    }
}
