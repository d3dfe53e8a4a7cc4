//! The way from the spool to PostgreSQL: in order, many records at a time, each forgotten only after the commit. New
//! records go on being taken meanwhile, and in a wave of them that comes first: while it lasts, and as long as no record has
//! waited for long, the replay rests between its transactions. A crash between commit and forgetting repeats records, which changes nothing:
//! accounting is a join.

use std::sync::Arc;
use std::time::Duration;

use shared::time::Clock;
use store::{Db, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::keeper::{Keeper, Kept};
use super::spool::SpoolError;
use super::{RETRY_AFTER, Standing, store_records};
use crate::directory::Directory;
use crate::lines::Lines;
use crate::metrics::Metrics;

/// Records in one transaction, at most. The more there are of one session, the less it costs PostgreSQL.
const AT_ONCE: usize = 65_536;
/// As few as it comes down to while transactions take too long.
const AT_LEAST: usize = 256;
/// Longest wait for one transaction.
const PATIENCE: Duration = Duration::from_secs(10);
/// A transaction of so many means that records come in a wave.
const WAVE: usize = 8_192;
/// How many shares of a wave's time are theirs who answer routers, for each that is the replay's.
const SHARES: u32 = 3;
/// Longest that a wave may keep a record from PostgreSQL.
const PUT_OFF: Duration = Duration::from_secs(10);
/// The wave is over when fewer than [`CALM`] records have come within this time.
const A_LOOK: Duration = Duration::from_millis(100);
const CALM: i64 = 500;
/// Without anything to do, the gauges are kept true this often.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Replay {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) lines: Arc<Lines>,
    pub(super) metrics: Metrics,
    pub(super) standing: Arc<Standing>,
    pub(super) keeper: Option<Keeper>,
    /// Rung when something was spooled, or PostgreSQL did not take a batch.
    pub(super) bell: Arc<Notify>,
}

impl Replay {
    /// Works until told to stop; what is still in the spool then is replayed by the next server that opens it.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut at_once = AT_ONCE;
        while !stop.is_cancelled() {
            let step = self.step(at_once).await;
            at_once = match step {
                Step::Failed => (at_once / 2).max(AT_LEAST),
                Step::Worked { .. } | Step::Idle => (at_once * 2).min(AT_ONCE),
            };
            let pause = match step {
                Step::Worked { rest: Duration::ZERO } => continue,
                Step::Worked { rest } => rest,
                Step::Idle => IDLE,
                Step::Failed => RETRY_AFTER,
            };
            let hurried = async {
                match step {
                    // Nobody takes any out of the spool meanwhile.
                    Step::Worked { .. } => calm(|| self.metrics.spool_records.get()).await,
                    Step::Idle => self.bell.notified().await,
                    Step::Failed => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = hurried => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn step(&self, at_once: usize) -> Step {
        let Some(keeper) = &self.keeper else { return self.probe().await };
        match keeper.front(at_once).await {
            Ok(front) if !front.is_empty() => self.replay(keeper, &front).await,
            Ok(_) => {
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
                Step::Worked { rest: Duration::ZERO }
            }
            _ => Step::Failed,
        }
    }

    fn is_back(&self) {
        if self.standing.set_database_away(false) {
            tracing::info!("PostgreSQL takes accounting records again");
        }
    }

    /// One record that PostgreSQL refuses must not hold up the others: what is refused is tried in halves, down to that one.
    async fn replay(&self, keeper: &Keeper, front: &[Kept]) -> Step {
        let (began, mut parts) = (self.clock.monotonic(), vec![front]);
        while let Some(part) = parts.pop() {
            let refused = match self.store(part).await {
                Ok(()) => None,
                Err(error) if error.is_unavailable() => {
                    if self.standing.set_database_away(true) {
                        tracing::warn!(%error, "the spool waits for PostgreSQL");
                    }
                    keeper.observe_now();
                    return Step::Failed;
                }
                Err(error) if part.len() > 1 => {
                    tracing::warn!(%error, records = part.len(), "PostgreSQL refuses spooled records; they are tried in halves");
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                    continue;
                }
                Err(error) => Some(error),
            };
            self.is_back();
            if let Err(error) = self.done_with(keeper, part, refused).await {
                // What is safe will be again: repeating it changes nothing.
                tracing::error!(%error, "the spool waits: replayed records cannot be forgotten, or one that is no use set aside");
                return Step::Failed;
            }
        }
        let took = self.clock.monotonic().saturating_sub(began);
        Step::Worked { rest: rest(front.len(), took, self.waited(front)) }
    }

    /// How long the first of them has been in the spool.
    fn waited(&self, front: &[Kept]) -> Duration {
        let now = self.clock.now().unix_timestamp_nanos() / 1_000_000;
        let since = front.first().map_or(now, |kept| i128::from(kept.entry.appended_at_ms));
        Duration::from_millis(u64::try_from(now - since).unwrap_or(0))
    }

    /// Puts aside what was no use, for people to look at, and forgets all.
    async fn done_with(&self, keeper: &Keeper, part: &[Kept], refused: Option<StoreError>) -> Result<(), SpoolError> {
        let mut failed = 0;
        for kept in part {
            let why = match (&kept.record, &refused) {
                (Err(unreadable), _) => unreadable.to_string(),
                (Ok(_), Some(refused)) => refused.to_string(),
                (Ok(_), None) => continue,
            };
            tracing::error!(error = %why, record = ?kept.record, "a record that was acknowledged cannot be stored; it is set aside");
            self.metrics.accounting_records.with_label_values(&["unknown", "failed"]).inc();
            keeper.set_aside(kept.entry.clone(), why).await?;
            failed += 1;
        }
        self.metrics.accounting_replayed.inc_by((part.len() - failed) as u64);
        match part.last() {
            Some(last) => keeper.forget(last.entry.position + 1).await,
            None => Ok(()),
        }
    }

    async fn store(&self, part: &[Kept]) -> Result<(), StoreError> {
        let records = part.iter().filter_map(|kept| kept.record.as_ref().ok());
        let started = self.clock.monotonic();
        let result = match tokio::time::timeout(PATIENCE, store_records(&self.db, records, &self.clock)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::TooSlow { operation: "replaying accounting", patience: PATIENCE }),
        };
        let took = self.clock.monotonic().saturating_sub(started).as_secs_f64();
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.metrics.database.with_label_values(&["postgresql", "replay_accounting", outcome]).observe(took);
        let merged = result?;
        self.directory.set_used(&merged.used);
        self.lines.note(&merged.traffic, self.clock.now());
        Ok(())
    }
}

/// What came of a look at the spool.
#[derive(Clone, Copy)]
enum Step {
    Worked { rest: Duration },
    Idle,
    Failed,
}

/// How long at most the processors are left to those who answer routers, after a transaction of so many records which took so long:
/// in a wave [`SHARES`] times as long, until a record has waited for [`PUT_OFF`].
fn rest(records: usize, took: Duration, waited: Duration) -> Duration {
    match records {
        WAVE.. => (took * SHARES).min(PUT_OFF.saturating_sub(waited)),
        _ => Duration::ZERO,
    }
}

/// Returns when records come in a wave no longer, by how many there are at each look.
async fn calm(mut records: impl FnMut() -> i64) {
    let mut before = records();
    loop {
        tokio::time::sleep(A_LOOK).await;
        let now = records();
        if now - before < CALM {
            return;
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replay_rests_in_a_wave_until_records_have_waited_long() {
        let (second, seconds) = (Duration::from_secs(1), Duration::from_secs);
        assert_eq!(rest(WAVE - 1, second, second), Duration::ZERO);
        assert_eq!(rest(WAVE, second, second), seconds(3));
        assert_eq!(rest(AT_ONCE, seconds(4), seconds(5)), seconds(5));
        for waited in [seconds(10), seconds(11)] {
            assert_eq!(rest(AT_ONCE, second, waited), Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn a_rest_ends_when_few_records_come() {
        for (seen, looks) in [(vec![7, 8], 2), (vec![0, CALM - 1], 2), (vec![0, CALM, 2 * CALM, 3 * CALM - 1], 4)] {
            let mut left = seen.iter().copied();
            calm(|| left.next().expect("it does not look once more")).await;
            assert_eq!(seen.len() - left.len(), looks, "{seen:?}");
        }
    }
}
