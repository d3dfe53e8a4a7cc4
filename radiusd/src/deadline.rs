//! Access ends on time: sessions whose deadline has passed are claimed in PostgreSQL and get a Disconnect in the
//! outbox, which [`crate::dynauth`] sends. Deadlines live in the database, so a crash forgets none and several
//! servers share the work.

use std::time::Duration;

use shared::config;
use shared::time::Clock;
use store::{Db, StoreError};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How often deadlines are looked at. Together with the outbox's hint this keeps a cut within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Deadlines claimed in one go.
const AT_ONCE: u32 = 500;
/// Longest wait for one look: a connection that died in silence must not stop the clock.
const PATIENCE: Duration = Duration::from_secs(5);
/// Every so many looks, the slower upkeep.
const UPKEEP_EVERY: u64 = 40;
/// Every so many upkeeps, the daily work.
const DAILY_EVERY: u64 = 8640;

/// How long history is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    /// Months; 0: for ever.
    keep_months: u32,
    archives: bool,
}

impl From<&config::Accounting> for History {
    fn from(settings: &config::Accounting) -> History {
        History { keep_months: settings.keep_months, archives: settings.after == config::After::Archive }
    }
}

pub(crate) async fn run(db: Db, clock: Clock, metrics: Metrics, history: History, stop: CancellationToken) {
    let mut turn: u64 = 0;
    loop {
        let looked = tokio::time::timeout(PATIENCE, look(&db, &clock, &metrics, history, turn)).await;
        let too_slow = StoreError::TooSlow { operation: "deadlines", patience: PATIENCE };
        match looked.unwrap_or(Err(too_slow)) {
            Ok(()) => {}
            Err(error) if error.is_unavailable() => tracing::debug!(%error, "deadlines wait for PostgreSQL"),
            Err(error) => tracing::error!(%error, "deadlines"),
        }
        turn += 1;
        if tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

async fn look(db: &Db, clock: &Clock, metrics: &Metrics, history: History, turn: u64) -> Result<(), StoreError> {
    while store::session::cut_due(db, clock.now(), AT_ONCE).await? == u64::from(AT_ONCE) {}
    if turn.is_multiple_of(UPKEEP_EVERY) {
        store::entitlement::expire_due(db, clock.now()).await?;
        store::directory::forget_old_changes(db, clock.now()).await?;
        observe(db, metrics).await?;
        if (turn / UPKEEP_EVERY).is_multiple_of(DAILY_EVERY) {
            db.make_partitions().await?;
            for name in db.retire_partitions(history.keep_months, history.archives).await? {
                tracing::info!(
                    table = name,
                    archived = history.archives,
                    "a month of history has been kept long enough"
                );
            }
        }
    }
    Ok(())
}

async fn observe(db: &Db, metrics: &Metrics) -> Result<(), StoreError> {
    metrics.sessions.reset();
    for (nas, count) in store::session::count_open(db).await? {
        metrics.sessions.with_label_values(&[&nas]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    let pending = store::command::count_open(db).await?;
    metrics.commands_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
    metrics.commands_refused.reset();
    for (nas, count) in store::command::count_refused(db).await? {
        metrics.commands_refused.with_label_values(&[&nas]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    Ok(())
}
