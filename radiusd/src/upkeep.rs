//! What is done now and then, so that tables stay small, words right and gauges true. Nothing here is urgent, and nothing
//! urgent waits for it.

use std::time::Duration;

use shared::config;
use shared::time::{Clock, OffsetDateTime};
use store::{Db, StoreError};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How often.
const EVERY: Duration = Duration::from_secs(10);
/// Longest wait for one round: a connection that died in silence must not stop the next.
const PATIENCE: Duration = Duration::from_secs(60);
/// Sessions whose happy hours begin or end, in one transaction.
const SPEEDS_AT_ONCE: u32 = 1000;
/// Every so many rounds, all open sessions are looked at for devices in two places.
const CLONES_EVERY: u64 = 6;
/// Every so many rounds, the daily work.
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

/// `silence`: a session that was not heard of for so long may well be gone.
pub(crate) async fn run(
    db: Db,
    clock: Clock,
    metrics: Metrics,
    history: History,
    silence: Duration,
    stop: CancellationToken,
) {
    for round in 0_u64.. {
        let done = tokio::time::timeout(PATIENCE, once(&db, &clock, &metrics, (history, silence), round)).await;
        match done.unwrap_or(Err(StoreError::TooSlow { operation: "upkeep", patience: PATIENCE })) {
            Ok(()) => {}
            Err(error) if error.is_unavailable() => tracing::debug!(%error, "upkeep waits for PostgreSQL"),
            Err(error) => tracing::error!(%error, "upkeep"),
        }
        if tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

async fn once(
    db: &Db,
    clock: &Clock,
    metrics: &Metrics,
    (history, silence): (History, Duration),
    round: u64,
) -> Result<(), StoreError> {
    observe(db, metrics, clock.now()).await?;
    store::entitlement::expire_due(db, clock.now()).await?;
    while store::session::change_speeds(db, clock.now(), SPEEDS_AT_ONCE).await? == u64::from(SPEEDS_AT_ONCE) {}
    store::command::abandon_needless(db, clock.now()).await?;
    store::directory::forget_old_changes(db, clock.now()).await?;
    if round.is_multiple_of(CLONES_EVERY) {
        let found = store::security::find_clones(db, silence, clock.now()).await?;
        if found > 0 {
            metrics.clones.inc_by(found);
            tracing::warn!(found, "devices are online at two routers at once: the security log has them");
        }
    }
    if round.is_multiple_of(DAILY_EVERY) {
        db.make_partitions().await?;
        for name in db.retire_partitions(history.keep_months, history.archives).await? {
            tracing::info!(table = name, archived = history.archives, "a month of history has been kept long enough");
        }
    }
    Ok(())
}

async fn observe(db: &Db, metrics: &Metrics, now: OffsetDateTime) -> Result<(), StoreError> {
    metrics.sessions.reset();
    for (nas, count) in store::session::count_open(db).await? {
        metrics.sessions.with_label_values(&[&nas]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    let pending = store::command::count_open(db).await?;
    metrics.commands_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
    let leaking = store::session::count_leaking(db, now).await?;
    metrics.leaking.set(i64::try_from(leaking).unwrap_or(i64::MAX));
    let dark = store::outage::count_open(db).await?;
    metrics.outages.set(i64::try_from(dark).unwrap_or(i64::MAX));
    metrics.commands_refused.reset();
    for (nas, count) in store::command::count_refused(db).await? {
        metrics.commands_refused.with_label_values(&[&nas]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    Ok(())
}
