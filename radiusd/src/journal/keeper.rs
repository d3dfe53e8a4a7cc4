//! The spool as the rest of the server uses it: shared, off the runtime's threads, with its gauges kept.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::config;
use shared::time::Clock;

use super::record::{self, Unreadable};
use super::spool::{Entry, Position, Spool, SpoolError};
use super::{Record, Standing};
use crate::metrics::Metrics;

/// Records read while nothing can be appended.
const READ_AT_ONCE: usize = 1024;

/// Keeps records on disk until PostgreSQL has them.
#[derive(Clone)]
pub(super) struct Keeper {
    /// Nothing while it cannot be opened.
    spool: Arc<Mutex<Option<Spool>>>,
    directory: PathBuf,
    cap: u64,
    standing: Arc<Standing>,
    metrics: Metrics,
    clock: Clock,
}

/// A record in the spool.
pub(super) struct Kept {
    pub(super) entry: Entry,
    /// What it says, if that can be read.
    pub(super) record: Result<Record, Unreadable>,
}

impl Keeper {
    /// Opens the spool and takes up what a server before has left there.
    pub(super) fn open(
        settings: &config::Accounting,
        standing: Arc<Standing>,
        metrics: Metrics,
        clock: Clock,
    ) -> anyhow::Result<Option<Keeper>> {
        let Some(directory) = &settings.spool else {
            tracing::warn!("accounting.spool is not configured: while PostgreSQL is away nothing is acknowledged");
            return Ok(None);
        };
        let (directory, cap) = (directory.clone(), settings.spool_max_octets);
        let (spool, found) = Spool::open(&directory, cap)?;
        if found.records > 0 {
            tracing::info!(records = found.records, octets = found.octets, "records of before wait in the spool");
        }
        if found.torn_octets > 0 {
            tracing::warn!(
                octets = found.torn_octets,
                "the end of the spool was torn: what was being written when the server stopped, and was not acknowledged, is gone"
            );
        }
        for lost in &found.lost {
            tracing::error!(
                from = lost.start,
                until = lost.end,
                "records in the spool are damaged and lost; their file is set aside"
            );
        }
        let keeper = Keeper { spool: Arc::new(Mutex::new(Some(spool))), directory, cap, standing, metrics, clock };
        keeper.observe_now();
        Ok(Some(keeper))
    }

    /// Makes records durable on disk. Blocks until they are: for a thread of its own.
    pub(super) fn append(&self, records: &[Vec<u8>]) -> Result<(), SpoolError> {
        let now = self.clock.now();
        self.work(|spool| spool.append(records, now)).map(|_| ())
    }

    /// The records that have waited longest, in order.
    pub(super) async fn front(&self, max: usize) -> Result<Vec<Kept>, SpoolError> {
        let (mut front, mut next) = (Vec::new(), None);
        while front.len() < max {
            // Few at a time, since nothing can be appended meanwhile.
            let some = READ_AT_ONCE.min(max - front.len());
            let read = self.with(move |spool| spool.read(next.unwrap_or(spool.start()), some)).await?;
            let Some(last) = read.last() else { break };
            next = Some(last.position + 1);
            front.extend(
                read.into_iter().map(|entry| Kept { record: record::decode(entry.position, &entry.octets), entry }),
            );
        }
        Ok(front)
    }

    /// Forgets the records before here: they are safe in PostgreSQL.
    pub(super) async fn forget(&self, before: Position) -> Result<(), SpoolError> {
        self.with(move |spool| spool.forget(before)).await
    }

    /// Puts a record aside that nothing can be done with, for people to look at.
    pub(super) async fn set_aside(&self, entry: Entry, why: String) -> Result<(), SpoolError> {
        self.with(move |spool| spool.set_aside(&entry, &why)).await
    }

    /// Keeps the gauges true while nothing else happens.
    pub(super) fn observe_now(&self) {
        if let Some(spool) = &*self.lock() {
            self.observe(spool);
        }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let keeper = self.clone();
        tokio::task::spawn_blocking(move || keeper.work(work)).await.unwrap_or_else(|error| {
            let (dir, source) = (self.directory.clone(), std::io::Error::other(error));
            Err(SpoolError::Io { dir, doing: "working", source })
        })
    }

    fn work<T>(&self, work: impl FnOnce(&mut Spool) -> Result<T, SpoolError>) -> Result<T, SpoolError> {
        let mut held = self.lock();
        let spool = self.sound(&mut held)?;
        let result = work(spool);
        self.observe(spool);
        result
    }

    /// The spool; after an fsync that failed it is opened anew first, from what the disk really has.
    fn sound<'s>(&self, held: &'s mut Option<Spool>) -> Result<&'s mut Spool, SpoolError> {
        if held.as_ref().is_none_or(Spool::is_broken) {
            // The old one goes first: it holds the folder.
            *held = None;
            let (spool, found) = Spool::open(&self.directory, self.cap)?;
            tracing::warn!(
                records = found.records,
                torn = found.torn_octets,
                "the spool was opened anew after a failure"
            );
            *held = Some(spool);
        }
        Ok(held.as_mut().unwrap_or_else(|| unreachable!("it is there")))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Spool>> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, spool: &Spool) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let now = self.clock.now().unix_timestamp();
        let age_seconds = spool.oldest_ms().map_or(0, |at| (now - at / 1000).max(0));
        self.standing.set_spool(!spool.has_room(), age_seconds);
        self.metrics.spool_oldest_age.set(age_seconds);
        self.metrics.spool_capacity.set(number(spool.cap()));
        self.metrics.spool_records.set(number(spool.len()));
        self.metrics.spool_octets.set(number(spool.octets()));
    }
}
