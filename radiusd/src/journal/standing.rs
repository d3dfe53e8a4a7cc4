//! How accounting stands at the moment, for all who must know: the writers, the replay, Status-Server, the health
//! pages, and what closes ghosts.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus::IntGauge;

use super::WRITERS;
use crate::metrics::Metrics;

/// Age of the oldest record in the spool, in seconds, up to which PostgreSQL is taken to know what routers have reported.
const A_MOMENT: i64 = 5;

/// How long a record may wait, in the socket's buffer and for its writer, before no more are let in. A router waits for about a
/// second in all; what is let in until the queue is found to be slow waits longer than this.
const CROWDED: Duration = Duration::from_millis(250);

/// How long one may wait for its writer alone before readers leave the processor to the writers.
const SLOW: Duration = Duration::from_millis(50);

/// Where records go, and whether they can.
#[derive(Debug)]
pub(crate) struct Standing {
    database_is_away: AtomicBool,
    cannot_store: AtomicBool,
    spool_is_full: AtomicBool,
    spool_age_seconds: AtomicI64,
    /// How long the first record of each writer's batch had waited, in milliseconds.
    waited: [AtomicU64; WRITERS],
    /// The same without the time in the socket's buffer.
    queued: [AtomicU64; WRITERS],
    degraded: IntGauge,
}

impl Standing {
    pub(crate) fn new(metrics: &Metrics) -> Standing {
        Standing {
            database_is_away: AtomicBool::new(false),
            cannot_store: AtomicBool::new(false),
            spool_is_full: AtomicBool::new(false),
            spool_age_seconds: AtomicI64::new(0),
            waited: Default::default(),
            queued: Default::default(),
            degraded: metrics.degraded.with_label_values(&["accounting"]),
        }
    }

    /// Whether PostgreSQL did not take the last batch in time.
    pub(crate) fn database_is_away(&self) -> bool {
        self.database_is_away.load(Ordering::Relaxed)
    }

    /// Notes that it did, or did not. Returns whether that is news.
    pub(super) fn set_database_away(&self, away: bool) -> bool {
        let before = self.database_is_away.swap(away, Ordering::Relaxed);
        self.tell();
        before != away
    }

    /// Whether neither PostgreSQL nor the spool takes records.
    pub(crate) fn cannot_store(&self) -> bool {
        self.cannot_store.load(Ordering::Relaxed)
    }

    pub(super) fn set_cannot_store(&self, cannot: bool) -> bool {
        let before = self.cannot_store.swap(cannot, Ordering::Relaxed);
        self.tell();
        before != cannot
    }

    fn tell(&self) {
        self.degraded.set(i64::from(self.database_is_away() || self.cannot_store()));
    }

    /// Whether records wait long for their writer.
    pub(super) fn is_slow(&self) -> bool {
        self.queued.iter().any(|queued| Duration::from_millis(queued.load(Ordering::Relaxed)) > SLOW)
    }

    /// Whether records wait so long for their writer that one which has this age would not be answered in time.
    pub(super) fn is_crowded(&self, age: Duration) -> bool {
        self.waited.iter().any(|waited| age + Duration::from_millis(waited.load(Ordering::Relaxed)) > CROWDED)
    }

    /// Notes how long a writer's records have waited, since they came and since they were handed over.
    pub(super) fn set_waited(&self, writer: usize, waited: Duration, queued: Duration) {
        for (noted, time) in [(&self.waited[writer], waited), (&self.queued[writer], queued)] {
            noted.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Notes whether the spool can take another batch, and how long its oldest record has waited.
    pub(super) fn set_spool(&self, is_full: bool, age_seconds: i64) {
        self.spool_is_full.store(is_full, Ordering::Relaxed);
        self.spool_age_seconds.store(age_seconds, Ordering::Relaxed);
    }

    /// Whether the next record could be made durable, as far as is known before it is tried.
    pub(crate) fn can_store(&self) -> bool {
        let has_nowhere_to_go = self.database_is_away() && self.spool_is_full.load(Ordering::Relaxed);
        !(self.cannot_store() || has_nowhere_to_go)
    }

    /// Whether PostgreSQL lags behind what routers have reported for more than a moment.
    pub(crate) fn is_behind(&self) -> bool {
        let waits = self.spool_age_seconds.load(Ordering::Relaxed) > A_MOMENT;
        waits || self.database_is_away() || self.cannot_store()
    }
}
