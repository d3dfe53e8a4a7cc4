//! The promise: an accounting record that was acknowledged is durable.
//!
//! Records wait in a bounded queue. A [`writer`] takes what is there, up to [`MAX_BATCH`], makes it durable in one go,
//! and only then are the answers sent. There is no timer: under light load a batch is one record, under heavy load it
//! fills while the one before is being written. Records of one session go to one writer.
//!
//! Where they become durable is the operator's choice. `journal`: in the [`spool`], from which they are brought to
//! PostgreSQL in order ([`replay`]), the more of them at once the more there are. `database`: in PostgreSQL, and in the spool
//! while PostgreSQL is away or slow, or does not keep up. When neither takes a batch nothing is acknowledged, the queue fills,
//! and what finds no room is left for the router to send again.

mod keeper;
mod record;
mod replay;
mod spool;
mod standing;
mod writer;

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use shared::config::{self, Commit};
use shared::time::Clock;
use store::accounting::{self, Merged, Report, Restart};
use store::{Db, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::directory::Directory;
use crate::lines::Lines;
use crate::metrics::Metrics;
use crate::pipeline::{Duplicates, Exchange};

use self::keeper::Keeper;
use self::replay::Replay;
use self::writer::Writer;

pub(crate) use self::standing::Standing;

/// Records in one transaction, at most. Larger batches gain little and make answers late.
const MAX_BATCH: usize = 256;
/// Writers, at most.
const WRITERS: usize = 2;
/// Wait after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// At shutdown, how long a batch may still wait for PostgreSQL.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

/// What is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Record {
    /// About a session.
    Session(Box<Report>),
    /// About a router itself.
    Router {
        restart: Restart,
        /// Whether it stops serving, or has started.
        stops: bool,
    },
}

/// A record on its way, with the answer that is sent when it is durable.
pub(crate) struct Job {
    pub(crate) record: Record,
    pub(crate) status: &'static str,
    pub(crate) reply: Box<[u8]>,
    pub(crate) exchange: Exchange,
    /// When it was handed over, monotonic.
    pub(crate) entered: Duration,
}

/// Where records enter.
#[derive(Clone)]
pub(crate) struct Entrance {
    queues: Vec<mpsc::Sender<Job>>,
    metrics: Metrics,
    standing: Arc<Standing>,
}

/// The writers and the replay.
pub(crate) struct Journal {
    entrance: Option<Entrance>,
    standing: Arc<Standing>,
    tasks: TaskTracker,
    hurry: CancellationToken,
    failed: CancellationToken,
    replaying: JoinHandle<()>,
    stop_replay: CancellationToken,
}

/// An fsync of the journal takes no longer for many records than for few, so one writer gathers all that come meanwhile. A commit
/// takes longer the more there are: two keep PostgreSQL busy while one of them waits for its fsync.
fn writers(commit: Commit) -> usize {
    match commit {
        Commit::Journal => 1,
        Commit::Database => WRITERS,
    }
}

/// Waits for a part of the journal, and tells if it fails.
fn watched(part: &'static str, failed: &CancellationToken, work: JoinHandle<()>) -> JoinHandle<()> {
    let failed = failed.clone();
    tokio::spawn(async move {
        if let Err(error) = work.await {
            tracing::error!(%error, part, "a part of the journal has failed");
            failed.cancel();
        }
    })
}

impl Journal {
    pub(crate) fn start(
        settings: &config::Accounting,
        db: Db,
        clock: Clock,
        directory: Arc<Directory>,
        lines: Arc<Lines>,
        metrics: Metrics,
        duplicates: Arc<Duplicates>,
    ) -> anyhow::Result<Journal> {
        let (tasks, hurry, failed) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let (standing, bell, stop_replay) =
            (Arc::new(Standing::new(&metrics)), Arc::new(Notify::new()), CancellationToken::new());
        let keeper = Keeper::open(settings, Arc::clone(&standing), metrics.clone(), clock.clone())?;
        let replay = Replay {
            db: db.clone(),
            clock: clock.clone(),
            directory: Arc::clone(&directory),
            lines: Arc::clone(&lines),
            metrics: metrics.clone(),
            standing: Arc::clone(&standing),
            keeper: keeper.clone(),
            bell: Arc::clone(&bell),
        };
        let replaying = watched("the spool's replay", &failed, tokio::spawn(replay.run(stop_replay.clone())));
        let writer = Arc::new(Writer {
            settings: settings.clone(),
            db,
            clock,
            directory,
            lines,
            metrics: metrics.clone(),
            duplicates,
            standing: Arc::clone(&standing),
            keeper,
            bell,
            hurry: hurry.clone(),
        });
        let mut queues = Vec::new();
        let writers = writers(settings.commit());
        for number in 0..writers {
            let (sender, queue) = mpsc::channel(settings.queue / writers);
            queues.push(sender);
            tasks.spawn(watched("a journal writer", &failed, Arc::clone(&writer).start(number, queue)));
        }
        tasks.close();
        let capacity = i64::try_from(settings.queue).unwrap_or(i64::MAX);
        metrics.queue_capacity.with_label_values(&["accounting"]).set(capacity);
        let entrance = Some(Entrance { queues, metrics, standing: Arc::clone(&standing) });
        Ok(Journal { entrance, standing, tasks, hurry, failed, replaying, stop_replay })
    }

    /// How accounting stands, now and later.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    pub(crate) fn entrance(&self) -> Entrance {
        self.entrance.clone().expect("it is there until the drain")
    }

    /// Waits until a writer fails, for ever if none does.
    pub(crate) async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Waits until everything that entered is durable and answered, or that takes too long.
    pub(crate) async fn drain(mut self) {
        self.entrance = None;
        if tokio::time::timeout(DRAIN_PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("the last accounting records could not be stored; they were not acknowledged");
            self.hurry.cancel();
            self.tasks.wait().await;
        }
        self.stop_replay.cancel();
        if self.replaying.await.is_err() {
            tracing::error!("the spool's replay has failed");
        }
    }
}

impl Entrance {
    /// An entrance to a queue without a writer, and the queue's other end.
    pub(crate) fn detached(metrics: Metrics) -> (Entrance, mpsc::Receiver<Job>) {
        let (queue, unread) = mpsc::channel(MAX_BATCH);
        let standing = Arc::new(Standing::new(&metrics));
        (Entrance { queues: vec![queue], metrics, standing }, unread)
    }

    /// Whether another record can be taken, and stored.
    pub(crate) fn can_store(&self) -> bool {
        self.standing.can_store() && self.queues.iter().all(|queue| queue.capacity() > 0)
    }

    /// Whether records wait long for being stored, so that it is no use to hand over more.
    pub(crate) fn is_slow(&self) -> bool {
        self.standing.is_slow()
    }

    /// Whether a record that came so long ago would not be answered in time. Under overload that is asked before anything costly is
    /// done for one: it is left for the router to send again, and the work goes to those that were let in.
    pub(crate) fn is_crowded(&self, age: Duration) -> bool {
        self.standing.is_crowded(age) || self.queues.iter().any(|queue| queue.capacity() == 0)
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
    let hash = match &job.record {
        Record::Session(report) if !report.session.id.is_nil() => hasher.hash_one(report.session.id),
        Record::Session(report) => hasher.hash_one((report.nas, &report.acct_session_id)),
        Record::Router { restart, .. } => hasher.hash_one(restart.nas),
    };
    usize::try_from(hash >> 32).unwrap_or(0)
}

/// Makes records durable in PostgreSQL: those about sessions in one transaction, then what routers tell of themselves.
async fn store_records<'r>(
    db: &Db,
    records: impl Iterator<Item = &'r Record>,
    clock: &Clock,
) -> Result<Merged, StoreError> {
    let (mut reports, mut routers) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Session(report) => reports.push(report.as_ref()),
            Record::Router { restart, stops } => routers.push((restart, stops)),
        }
    }
    let merged = match reports.is_empty() {
        true => Merged::default(),
        false => accounting::record(db, &reports, clock.now()).await?,
    };
    for (restart, stops) in routers {
        if *stops {
            let closed = accounting::router_stopped(db, restart, clock.now()).await?;
            tracing::info!(nas = %restart.nas, closed, "a router has said that it stops: its sessions are closed");
        } else {
            accounting::router_restarted(db, restart).await?;
        }
    }
    Ok(merged)
}
