//! The way from the spool to PostgreSQL: in order, many records at a time, each forgotten only after the commit. New
//! records go on being taken meanwhile. A crash between commit and forgetting repeats records, which changes nothing:
//! accounting is a join.

use std::sync::Arc;
use std::time::Duration;

use shared::time::Clock;
use store::{Db, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::keeper::{Front, Keeper};
use super::spool::{Entry, SpoolError};
use super::{RETRY_AFTER, Record, Standing, store_records};
use crate::directory::Directory;
use crate::metrics::Metrics;

/// Records in one transaction. The more there are of one session, the less it costs PostgreSQL.
const AT_ONCE: usize = 2048;
/// Longest wait for one transaction.
const PATIENCE: Duration = Duration::from_secs(10);
/// Without anything to do, the gauges are kept true this often.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Replay {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) metrics: Metrics,
    pub(super) standing: Arc<Standing>,
    pub(super) keeper: Option<Keeper>,
    /// Rung when something was spooled, or PostgreSQL did not take a batch.
    pub(super) bell: Arc<Notify>,
}

impl Replay {
    /// Works until told to stop; what is still in the spool then is replayed by the next server that opens it.
    pub(super) async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.step().await {
                Step::Worked => continue,
                Step::Idle => IDLE,
                Step::Failed => RETRY_AFTER,
            };
            let hurried = async {
                match pause == IDLE {
                    true => self.bell.notified().await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = hurried => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn step(&self) -> Step {
        let Some(keeper) = &self.keeper else { return self.probe().await };
        match keeper.front(AT_ONCE).await {
            Ok(Some(front)) => self.replay(keeper, front).await,
            Ok(None) => {
                keeper.observe_now();
                self.probe().await
            }
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read");
                Step::Failed
            }
        }
    }

    /// With nothing to replay, a word to PostgreSQL tells whether it is back.
    async fn probe(&self) -> Step {
        if !self.standing.database_is_away() {
            return Step::Idle;
        }
        match tokio::time::timeout(PATIENCE, self.db.ping()).await {
            Ok(Ok(())) => {
                self.is_back();
                Step::Worked
            }
            _ => Step::Failed,
        }
    }

    fn is_back(&self) {
        if self.standing.set_database_away(false) {
            tracing::info!("PostgreSQL takes accounting records again");
        }
    }

    async fn replay(&self, keeper: &Keeper, front: Front) -> Step {
        for (entry, error) in front.unreadable {
            tracing::error!(%error, "a record in the spool cannot be read; it is set aside");
            self.metrics.accounting_records.with_label_values(&["unknown", "failed"]).inc();
            if let Err(error) = keeper.set_aside(entry, error.to_string()).await {
                tracing::error!(%error, "it cannot be set aside either; it stays where it is");
                return Step::Failed;
            }
        }
        let records: Vec<&Record> = front.records.iter().map(|(_, record)| record).collect();
        match self.store(&records).await {
            Ok(()) => {}
            Err(error) if error.is_unavailable() => {
                if self.standing.set_database_away(true) {
                    tracing::warn!(%error, "the spool waits for PostgreSQL");
                }
                keeper.observe_now();
                return Step::Failed;
            }
            Err(error) => {
                tracing::error!(%error, records = front.records.len(), "PostgreSQL refuses spooled records; they are tried one by one");
                if let Err(error) = self.one_by_one(keeper, &front.records).await {
                    tracing::error!(%error, "a refused record cannot be set aside; the spool waits");
                    return Step::Failed;
                }
            }
        }
        self.metrics.accounting_replayed.inc_by(front.records.len() as u64);
        self.is_back();
        match keeper.forget(front.before).await {
            Ok(()) => Step::Worked,
            Err(error) => {
                // They are safe, and will be again: repeating them changes nothing.
                tracing::error!(%error, "replayed records cannot be forgotten");
                Step::Failed
            }
        }
    }

    async fn store(&self, records: &[&Record]) -> Result<(), StoreError> {
        let started = self.clock.monotonic();
        let result =
            match tokio::time::timeout(PATIENCE, store_records(&self.db, records.iter().copied(), &self.clock)).await {
                Ok(result) => result,
                Err(_) => Err(StoreError::TooSlow { operation: "replaying accounting", patience: PATIENCE }),
            };
        let took = self.clock.monotonic().saturating_sub(started).as_secs_f64();
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.metrics.database.with_label_values(&["postgresql", "replay_accounting", outcome]).observe(took);
        self.directory.set_used(&result?.used);
        Ok(())
    }

    /// One record that PostgreSQL refuses must not hold up the others; it was acknowledged, so it is kept aside.
    async fn one_by_one(&self, keeper: &Keeper, records: &[(Entry, Record)]) -> Result<(), SpoolError> {
        for (entry, record) in records {
            let mut result = self.store(&[record]).await;
            while result.as_ref().is_err_and(StoreError::is_unavailable) {
                tokio::time::sleep(RETRY_AFTER).await;
                result = self.store(&[record]).await;
            }
            if let Err(error) = result {
                tracing::error!(%error, ?record, "PostgreSQL refuses a record that was acknowledged; it is set aside");
                self.metrics.accounting_records.with_label_values(&["unknown", "failed"]).inc();
                keeper.set_aside(entry.clone(), error.to_string()).await?;
            }
        }
        Ok(())
    }
}

/// What came of a look at the spool.
enum Step {
    Worked,
    Idle,
    Failed,
}
