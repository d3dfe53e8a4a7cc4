//! A writer: takes what has gathered, makes it durable in one go, and answers it.
//!
//! "Durable" is a commit of PostgreSQL or an fsync of the spool, whichever the configuration prefers and the moment
//! allows. When neither can be had nothing is answered: the batch waits, the queue fills, and routers keep what they
//! have or turn to another server.

use std::sync::Arc;
use std::time::Duration;

use radius_proto::Code;
use shared::config::{Accounting, Commit};
use shared::time::Clock;
use store::{Db, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::keeper::Keeper;
use super::{Job, MAX_BATCH, RETRY_AFTER, Standing, record, store_records};
use crate::directory::Directory;
use crate::lines::Lines;
use crate::listen::send_together;
use crate::metrics::Metrics;
use crate::pipeline::{self, Duplicates};

/// How often a writer lets others go on before a batch that is short.
const YIELDS: usize = 2;

/// Everything that writers share.
pub(super) struct Writer {
    pub(super) settings: Accounting,
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) lines: Arc<Lines>,
    pub(super) metrics: Metrics,
    pub(super) duplicates: Arc<Duplicates>,
    pub(super) standing: Arc<Standing>,
    pub(super) keeper: Option<Keeper>,
    pub(super) bell: Arc<Notify>,
    pub(super) hurry: CancellationToken,
}

impl Writer {
    /// Works until nobody can hand anything over any more. It has a thread of its own, which waits for the disk itself: two
    /// threads that wake each other for each batch cost more than what they do.
    pub(super) fn start(self: Arc<Self>, number: usize, queue: mpsc::Receiver<Job>) -> JoinHandle<()> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(self.run(number, queue)))
    }

    async fn run(&self, number: usize, mut queue: mpsc::Receiver<Job>) {
        let (mut batch, mut before) = (Vec::with_capacity(MAX_BATCH), 0);
        while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
            gather(&mut batch, &mut queue, before / 2);
            before = batch.len();
            let taken = i64::try_from(batch.len()).unwrap_or(0);
            self.metrics.queue_length.with_label_values(&["accounting"]).sub(taken);
            self.metrics.batch_size.observe(batch.len() as f64);
            let now = self.clock.monotonic();
            let since = |moment: fn(&Job) -> Duration| now.saturating_sub(batch.first().map_or(now, moment));
            self.standing.set_waited(number, since(|job| job.exchange.received), since(|job| job.entered));
            if !self.make_durable(&batch).await {
                return;
            }
            batch.clear();
            if queue.is_empty() {
                self.standing.set_waited(number, Duration::ZERO, Duration::ZERO);
            }
        }
    }

    /// Makes a batch durable and answers it, however long that takes. `false`: told to hurry, and given up.
    async fn make_durable(&self, batch: &[Job]) -> bool {
        loop {
            if self.goes_to_database(batch) && self.to_database(batch).await || self.to_spool(batch) {
                self.note_storing(true);
                return true;
            }
            self.note_storing(false);
            if tokio::time::timeout(RETRY_AFTER, self.hurry.cancelled()).await.is_ok() {
                return false;
            }
        }
    }

    /// Without a spool there is nothing else to do than to ask PostgreSQL again. A full batch means that reports come faster
    /// than PostgreSQL commits them: many batches at once, from the spool, cost it less.
    fn goes_to_database(&self, batch: &[Job]) -> bool {
        match &self.keeper {
            None => true,
            Some(_) if self.standing.cannot_store() => true,
            Some(_) => {
                let keeps_up = batch.len() < MAX_BATCH && !self.standing.database_is_away();
                self.settings.commit() == Commit::Database && keeps_up
            }
        }
    }

    fn note_storing(&self, stores: bool) {
        let is_news = self.standing.set_cannot_store(!stores);
        self.metrics.cannot_store.set(i64::from(!stores));
        if is_news && !stores {
            tracing::error!("accounting records can be stored nowhere: nothing is acknowledged");
        } else if is_news {
            tracing::info!("accounting records can be stored again");
        }
    }

    /// `true`: every record of the batch is answered, or refused for good.
    async fn to_database(&self, batch: &[Job]) -> bool {
        match self.commit(batch).await {
            Ok(()) => {
                self.standing.set_database_away(false);
                true
            }
            Err(error) if error.is_unavailable() => {
                if self.standing.set_database_away(true) {
                    tracing::warn!(%error, records = batch.len(), "PostgreSQL does not take accounting records in time");
                }
                self.bell.notify_one();
                false
            }
            Err(error) => {
                tracing::error!(%error, records = batch.len(), "PostgreSQL refuses this batch; its records are tried one by one");
                self.one_by_one(batch).await
            }
        }
    }

    async fn commit(&self, batch: &[Job]) -> Result<(), StoreError> {
        let started = self.clock.monotonic();
        let patience = Duration::from_millis(self.settings.patience_ms);
        let work = store_records(&self.db, batch.iter().map(|job| &job.record), &self.clock);
        let result = match tokio::time::timeout(patience, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::TooSlow { operation: "accounting", patience }),
        };
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        let took = self.clock.monotonic().saturating_sub(started).as_secs_f64();
        self.metrics.database.with_label_values(&["postgresql", "record_accounting", outcome]).observe(took);
        let merged = result?;
        self.directory.set_used(&merged.used);
        self.lines.note(&merged.traffic, self.clock.now());
        self.acknowledge(batch, "stored");
        Ok(())
    }

    /// One record that PostgreSQL refuses must not hold up the others; it is not acknowledged. `false`: PostgreSQL went
    /// away meanwhile, and the batch is to be tried as a whole again, which repeats nothing.
    async fn one_by_one(&self, batch: &[Job]) -> bool {
        for job in batch {
            match self.commit(std::slice::from_ref(job)).await {
                Ok(()) => {}
                Err(error) if error.is_unavailable() => return false,
                Err(error) => {
                    self.metrics.accounting_records.with_label_values(&[job.status, "failed"]).inc();
                    tracing::error!(nas = %job.exchange.client.name, record = ?job.record, %error,
                        "an accounting record could not be stored and was not acknowledged");
                    self.duplicates.forget(&job.exchange);
                }
            }
        }
        true
    }

    fn to_spool(&self, batch: &[Job]) -> bool {
        let Some(keeper) = &self.keeper else { return false };
        let started = self.clock.monotonic();
        let records: Vec<_> = batch.iter().map(|job| record::encode(&job.record)).collect();
        let result = keeper.append(&records);
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        let took = self.clock.monotonic().saturating_sub(started).as_secs_f64();
        self.metrics.database.with_label_values(&["spool", "append", outcome]).observe(took);
        match result {
            Ok(()) => {
                self.acknowledge(batch, "spooled");
                self.bell.notify_one();
                true
            }
            Err(error) => {
                if !self.standing.cannot_store() {
                    tracing::error!(%error, records = batch.len(), "the spool does not take accounting records");
                }
                false
            }
        }
    }

    fn acknowledge(&self, batch: &[Job], result: &'static str) {
        send_together(|out| {
            for job in batch {
                self.metrics.accounting_records.with_label_values(&[job.status, result]).inc();
                let code = Code::AccountingResponse;
                let Job { exchange, reply, .. } = job;
                pipeline::answer(out, &self.duplicates, &self.metrics, &self.clock, exchange, reply, code);
            }
        });
    }
}

/// Lets others go on while a batch is shorter than that, a few times at most: those who read are mostly about to hand over more, which would
/// wait for a whole flush otherwise. That takes no time where nobody else wants the processor.
fn gather(batch: &mut Vec<Job>, queue: &mut mpsc::Receiver<Job>, enough: usize) {
    for _ in 0..YIELDS {
        if batch.len() >= enough {
            return;
        }
        std::thread::yield_now();
        while batch.len() < MAX_BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
    }
}
