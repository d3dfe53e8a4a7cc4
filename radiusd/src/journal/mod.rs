//! The promise: an accounting record that was acknowledged is durable.
//!
//! Records wait in a bounded queue. A writer takes what is there, up to [`MAX_BATCH`], merges it in one
//! transaction, and only after the commit are the answers sent. There is no timer: under light load a batch is one
//! record, under heavy load it fills while the one before commits. Records of one session go to one writer.
//!
//! While PostgreSQL is away the writer holds its batch and tries again; nothing is acknowledged, the queue fills,
//! and what finds no room is left for the router to send again.

mod resolve;

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use radius_proto::Code;
use shared::config;
use shared::time::Clock;
use store::accounting::{self, Report};
use store::{Db, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::pipeline::{self, Duplicates, Exchange};

/// Records in one transaction, at most. Larger batches gain little and make answers late.
const MAX_BATCH: usize = 256;
/// Writers. Two keep a small machine's PostgreSQL busy while one of them waits for its fsync.
const WRITERS: usize = 2;
/// Longest wait for one transaction; then the connection is given up and the batch is tried again.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// Wait after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// At shutdown, how long a batch may still wait for PostgreSQL.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

/// A record on its way, with the answer that is sent when it is durable.
pub(crate) struct Job {
    pub(crate) report: Report,
    /// Whether the session's identity is our ticket; else it must be found.
    pub(crate) ticket: bool,
    pub(crate) status: &'static str,
    pub(crate) reply: Box<[u8]>,
    pub(crate) exchange: Exchange,
}

/// Where records enter.
#[derive(Clone)]
pub(crate) struct Entrance {
    queues: Vec<mpsc::Sender<Job>>,
    metrics: Metrics,
}

/// The writers.
pub(crate) struct Journal {
    entrance: Option<Entrance>,
    tasks: TaskTracker,
    hurry: CancellationToken,
    failed: CancellationToken,
}

impl Journal {
    pub(crate) fn start(
        settings: &config::Radius,
        db: Db,
        clock: Clock,
        directory: Arc<Directory>,
        metrics: Metrics,
        duplicates: Arc<Duplicates>,
    ) -> Journal {
        let (tasks, hurry, failed) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let mut queues = Vec::new();
        for _ in 0..WRITERS {
            let (sender, queue) = mpsc::channel(settings.accounting_queue / WRITERS);
            queues.push(sender);
            let writer = Writer {
                db: db.clone(),
                clock: clock.clone(),
                directory: Arc::clone(&directory),
                metrics: metrics.clone(),
                duplicates: Arc::clone(&duplicates),
                hurry: hurry.clone(),
            };
            let (work, failed) = (tokio::spawn(writer.run(queue)), failed.clone());
            tasks.spawn(async move {
                if let Err(error) = work.await {
                    tracing::error!(%error, "a journal writer has failed");
                    failed.cancel();
                }
            });
        }
        tasks.close();
        let capacity = i64::try_from(settings.accounting_queue).unwrap_or(i64::MAX);
        metrics.queue_capacity.with_label_values(&["accounting"]).set(capacity);
        Journal { entrance: Some(Entrance { queues, metrics }), tasks, hurry, failed }
    }

    pub(crate) fn entrance(&self) -> Entrance {
        self.entrance.clone().expect("it is there until the drain")
    }

    /// Waits until a writer fails, for ever if none does.
    pub(crate) async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Waits until everything that entered is durable and answered, or PostgreSQL stays away for too long.
    pub(crate) async fn drain(mut self) {
        self.entrance = None;
        if tokio::time::timeout(DRAIN_PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("PostgreSQL did not take the last accounting records; they were not acknowledged");
            self.hurry.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Entrance {
    /// An entrance to a queue without a writer, and the queue's other end.
    pub(crate) fn detached(metrics: Metrics) -> (Entrance, mpsc::Receiver<Job>) {
        let (queue, unread) = mpsc::channel(MAX_BATCH);
        (Entrance { queues: vec![queue], metrics }, unread)
    }

    /// Whether every writer can take another record.
    pub(crate) fn has_room(&self) -> bool {
        self.queues.iter().all(|queue| queue.capacity() > 0)
    }

    /// Hands a record over, or gives it back if there is no room.
    pub(crate) fn enter(&self, job: Job) -> Result<(), Box<Job>> {
        let writer = partition(&job) % self.queues.len();
        match self.queues[writer].try_send(job) {
            Ok(()) => {
                self.metrics.queue_length.with_label_values(&["accounting"]).inc();
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) => Err(Box::new(job)),
        }
    }
}

/// All records of a session get the same number.
fn partition(job: &Job) -> usize {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let hash = if job.ticket {
        hasher.hash_one(job.report.session.id)
    } else {
        hasher.hash_one((job.report.nas, &job.report.acct_session_id))
    };
    usize::try_from(hash >> 32).unwrap_or(0)
}

struct Writer {
    db: Db,
    clock: Clock,
    directory: Arc<Directory>,
    metrics: Metrics,
    duplicates: Arc<Duplicates>,
    hurry: CancellationToken,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let taken = i64::try_from(batch.len()).unwrap_or(0);
            self.metrics.queue_length.with_label_values(&["accounting"]).sub(taken);
            self.metrics.batch_size.observe(batch.len() as f64);
            if !self.commit(&mut batch).await {
                return;
            }
            batch.clear();
        }
    }

    /// Makes a batch durable and answers it, however long that takes. `false`: told to hurry, and given up.
    async fn commit(&self, batch: &mut [Job]) -> bool {
        loop {
            match self.attempt(batch).await {
                Ok(()) => {
                    self.metrics.degraded.with_label_values(&["accounting"]).set(0);
                    return true;
                }
                Err(error) if error.is_unavailable() => {
                    self.metrics.degraded.with_label_values(&["accounting"]).set(1);
                    tracing::warn!(%error, records = batch.len(), "accounting waits for PostgreSQL, nothing is acknowledged");
                    if tokio::time::timeout(RETRY_AFTER, self.hurry.cancelled()).await.is_ok() {
                        return false;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, records = batch.len(), "PostgreSQL refuses this batch; its records are tried one by one");
                    self.one_by_one(batch).await;
                    return true;
                }
            }
        }
    }

    async fn attempt(&self, batch: &mut [Job]) -> Result<(), StoreError> {
        let started = self.clock.monotonic();
        let work = async {
            resolve::identities(&self.db, batch).await?;
            let reports: Vec<Report> = batch.iter().map(|job| job.report.clone()).collect();
            accounting::record(&self.db, &reports, self.clock.now()).await
        };
        let result = match tokio::time::timeout(COMMIT_PATIENCE, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::TooSlow { operation: "accounting", patience: COMMIT_PATIENCE }),
        };
        let took = self.clock.monotonic().saturating_sub(started).as_secs_f64();
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.metrics.database.with_label_values(&["postgresql", "record_accounting", outcome]).observe(took);
        let merged = result?;
        self.directory.set_used(&merged.used);
        for job in batch.iter() {
            self.metrics.accounting_records.with_label_values(&[job.status, "stored"]).inc();
            pipeline::answer_directly(
                &self.duplicates,
                &self.metrics,
                &self.clock,
                &job.exchange,
                &job.reply,
                Code::AccountingResponse,
            );
        }
        Ok(())
    }

    /// One record that PostgreSQL refuses must not hold up the others; it is not acknowledged.
    async fn one_by_one(&self, batch: &mut [Job]) {
        for job in batch.chunks_mut(1) {
            if let Err(error) = self.attempt(job).await {
                let job = &job[0];
                self.metrics.accounting_records.with_label_values(&[job.status, "failed"]).inc();
                tracing::error!(nas = %job.exchange.client.name, session = %job.report.acct_session_id, %error,
                    "an accounting record could not be stored and was not acknowledged");
                self.duplicates.forget(&job.exchange);
            }
        }
    }
}
