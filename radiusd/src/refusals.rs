//! Refused logins, written down after the answer was sent, so that whoever helps a customer can say why.
//!
//! No answer waits for this: a refusal goes into a bounded queue, or is counted as not remembered. A writer takes what is there,
//! makes one of those that are the same but for their time, and writes them in one statement, with a pause between two. Whoever
//! knocks without end, or from forged addresses, or with a new name each time, makes so many rows a second and, at one router,
//! so many an hour ([`Hour`]). What PostgreSQL does not take in time is given up; a login is never refused or accepted for the sake of it.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::time::Duration;

use shared::mac::Mac;
use shared::time::{Clock, OffsetDateTime, hour_of};
use shared::voucher;
use store::Db;
use store::refusal::{self, Refused};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::policy::Denial;

/// Refusals that may wait to be written.
const QUEUE: usize = 4096;
/// Refusals that are taken at once, and so the most rows in one statement.
const MAX_BATCH: usize = 256;
/// Pause between two statements: at most 512 rows a second.
const PAUSE: Duration = Duration::from_millis(500);
/// Most rows of one router in an hour: far more than its guests leave, and for all the days that they are kept no more than a disk holds.
const AN_HOUR: usize = 5000;
/// Longest wait for one statement.
const PATIENCE: Duration = Duration::from_secs(5);
/// Every so often, what has been kept long enough is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// Octets of a name that are looked at, as many as an attribute holds.
const MAX_NAME: usize = 253;

/// Where refusals are handed in.
#[derive(Clone)]
pub(crate) struct Refusals {
    queue: mpsc::Sender<Refused>,
    metrics: Metrics,
}

impl Refusals {
    /// A queue without a writer, and its other end.
    pub(crate) fn detached(metrics: Metrics) -> (Refusals, mpsc::Receiver<Refused>) {
        let (queue, unread) = mpsc::channel(MAX_BATCH);
        (Refusals { queue, metrics }, unread)
    }

    /// Hands a refusal in; without room it is counted as not remembered.
    pub(crate) fn write(&self, nas: Uuid, mac: Option<Mac>, name: &[u8], denial: Denial, now: OffsetDateTime) {
        // Full is known before anything is copied: a flood costs no memory.
        let Ok(place) = self.queue.try_reserve() else {
            self.metrics.refusals_lost.inc();
            return;
        };
        let name = &name[..name.len().min(MAX_NAME)];
        let name = match voucher::normalise(name) {
            Ok(code) => code.as_bytes().into(),
            Err(_) => name.into(),
        };
        place.send(Refused { nas, mac, name, reason: denial.label(), first_at: now, last_at: now, times: 1 });
    }
}

/// The queue and the writer that empties it.
pub(crate) fn start(
    db: Db,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
) -> (Refusals, impl Future<Output = ()>) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let writing = write(db, clock, metrics.clone(), queue, stop);
    (Refusals { queue: sender, metrics }, writing)
}

async fn write(db: Db, clock: Clock, metrics: Metrics, mut queue: mpsc::Receiver<Refused>, stop: CancellationToken) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let (mut forget_at, mut known) = (Duration::ZERO, Hour::default());
    // The queue closes when the pipeline is gone; only then, and with the queue empty, is the work done.
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let mut refusals = together(batch.drain(..));
        let all = refusals.len();
        refusals.retain(|refused| known.has_room(refused, AN_HOUR));
        metrics.refusals_lost.inc_by((all - refusals.len()) as u64);
        match tokio::time::timeout(PATIENCE, refusal::record(&db, &refusals)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                metrics.refusals_lost.inc_by(refusals.len() as u64);
                tracing::debug!(%error, refusals = refusals.len(), "refused logins are not remembered");
            }
            Err(_) => metrics.refusals_lost.inc_by(refusals.len() as u64),
        }
        if clock.monotonic() >= forget_at {
            forget_at = clock.monotonic() + FORGET_EVERY;
            forget(&db, &clock).await;
        }
        // Once the server stops, what is left is written without a pause.
        if !stop.is_cancelled() {
            drop(tokio::time::timeout(PAUSE, stop.cancelled()).await);
        }
    }
}

async fn forget(db: &Db, clock: &Clock) {
    loop {
        match tokio::time::timeout(PATIENCE, refusal::forget(db, clock.now())).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "old refusals are forgotten later");
                return;
            }
        }
    }
}

/// What makes two refusals the same: router, device, name, reason and hour.
type Key = (Uuid, Option<Mac>, Box<[u8]>, &'static str, OffsetDateTime);

fn key(refused: &Refused) -> Key {
    (refused.nas, refused.mac, refused.name.clone(), refused.reason, hour_of(refused.last_at))
}

/// The rows of the present hour, by router and as hashes: no more are known than there may be.
#[derive(Default)]
struct Hour {
    begins: Option<OffsetDateTime>,
    rows: HashMap<Uuid, HashSet<u64>>,
}

impl Hour {
    /// Whether a refusal has its row already, or may have one more.
    fn has_room(&mut self, refused: &Refused, most: usize) -> bool {
        let hour = hour_of(refused.last_at);
        if self.begins.is_none_or(|begins| hour > begins) {
            self.begins = Some(hour);
            self.rows.clear();
        }
        let hash = self.rows.hasher().hash_one(key(refused));
        let rows = self.rows.entry(refused.nas).or_default();
        if rows.contains(&hash) {
            return true;
        }
        rows.len() < most && rows.insert(hash)
    }
}

/// One of those that are the same but for their time, within the hour that is a row.
fn together(refusals: impl Iterator<Item = Refused>) -> Vec<Refused> {
    let mut found: HashMap<Key, Refused> = HashMap::new();
    for refused in refusals {
        found
            .entry(key(&refused))
            .and_modify(|same| {
                same.first_at = same.first_at.min(refused.first_at);
                same.last_at = same.last_at.max(refused.last_at);
                same.times = same.times.saturating_add(refused.times);
            })
            .or_insert(refused);
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAFE: Uuid = Uuid::from_u128(1);
    const PHONE: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_same_refusal_again_is_one_row_an_hour() {
        let (refusals, mut queue) = Refusals::detached(Metrics::new().expect("metrics"));
        refusals.write(CAFE, Some(PHONE), b"abcde-fghjk", Denial::DataUsed, at(20));
        refusals.write(CAFE, Some(PHONE), b"ABCDEFGHJK", Denial::DataUsed, at(10));
        refusals.write(CAFE, Some(PHONE), b"ABCDEFGHJK", Denial::TimeOver, at(30));
        refusals.write(CAFE, None, b"ABCDEFGHJK", Denial::DataUsed, at(30));
        refusals.write(CAFE, Some(PHONE), b"ABCDEFGHJK", Denial::DataUsed, at(3601));
        let taken = std::iter::from_fn(|| queue.try_recv().ok());
        let mut rows = together(taken);
        rows.sort_by_key(|row| std::cmp::Reverse(row.times));
        assert_eq!(rows.len(), 4);
        let first = &rows[0];
        assert_eq!((first.times, first.first_at, first.last_at), (2, at(10), at(20)));
        assert_eq!((&*first.name, first.reason), (&b"ABCDEFGHJK"[..], "quota"));
    }

    #[test]
    fn a_router_makes_so_many_rows_an_hour_and_those_that_are_there_count_on() {
        let named = |nas, name: &str, seconds| Refused {
            nas,
            mac: Some(PHONE),
            name: name.as_bytes().into(),
            reason: Denial::UnknownUser.label(),
            first_at: at(seconds),
            last_at: at(seconds),
            times: 1,
        };
        let mut hour = Hour::default();
        for (nas, name, seconds, has_room) in [
            (CAFE, "a", 0, true),
            (CAFE, "b", 1, true),
            (CAFE, "c", 2, false),
            (CAFE, "a", 3, true),
            (Uuid::from_u128(2), "c", 4, true),
            (CAFE, "c", 3600, true),
        ] {
            assert_eq!(hour.has_room(&named(nas, name, seconds), 2), has_room, "{name} {seconds}");
        }
    }

    #[test]
    fn without_room_a_refusal_is_counted_and_nothing_waits() {
        let metrics = Metrics::new().expect("metrics");
        let (refusals, queue) = Refusals::detached(metrics.clone());
        for second in 0..300 {
            refusals.write(CAFE, Some(PHONE), &[b'x'; 300], Denial::UnknownUser, at(second));
        }
        assert_eq!(queue.len(), MAX_BATCH);
        assert_eq!(metrics.refusals_lost.get(), 300 - MAX_BATCH as u64);
    }
}
