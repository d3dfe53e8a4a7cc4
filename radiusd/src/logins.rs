//! What logins change, written down after the answer was sent: the clock that started, the device that was bound,
//! the one-time password that was spent.
//!
//! The answer does not wait for this. If it is lost in a crash, the session's first accounting report starts the
//! clock in PostgreSQL all the same.

use std::time::Duration;

use store::Db;
use store::entitlement::{self, Activation};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Logins that may wait for PostgreSQL.
const QUEUE: usize = 16_384;
/// Logins written in one transaction.
const MAX_BATCH: usize = 256;
/// Longest wait for one transaction.
const PATIENCE: Duration = Duration::from_secs(5);
/// Wait after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Where logins are handed in.
#[derive(Clone)]
pub(crate) struct Logins {
    queue: mpsc::Sender<Activation>,
    metrics: Metrics,
}

impl Logins {
    /// A queue without a writer, and its other end.
    pub(crate) fn detached(metrics: Metrics) -> (Logins, mpsc::Receiver<Activation>) {
        let (queue, unread) = mpsc::channel(MAX_BATCH);
        (Logins { queue, metrics }, unread)
    }

    /// Hands a login in; without room it is counted as lost.
    pub(crate) fn write(&self, login: Activation) {
        if self.queue.try_send(login).is_err() {
            self.metrics.logins_lost.inc();
        }
    }
}

/// The queue and the writer that empties it.
pub(crate) fn start(db: Db, metrics: Metrics, stop: CancellationToken) -> (Logins, impl Future<Output = ()>) {
    let (sender, queue) = mpsc::channel(QUEUE);
    (Logins { queue: sender, metrics }, write(db, queue, stop))
}

async fn write(db: Db, mut queue: mpsc::Receiver<Activation>, stop: CancellationToken) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    // The queue closes when the pipeline is gone; only then, and with the queue empty, is the work done.
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        loop {
            let attempt = tokio::time::timeout(PATIENCE, entitlement::activate(&db, &batch));
            match attempt.await {
                Ok(Ok(())) => break,
                Ok(Err(error)) if !error.is_unavailable() => {
                    tracing::error!(%error, logins = batch.len(), "PostgreSQL refuses these logins; they are tried one by one");
                    one_by_one(&db, &batch).await;
                    break;
                }
                Ok(Err(error)) => tracing::warn!(%error, logins = batch.len(), "logins wait for PostgreSQL"),
                Err(_) => tracing::warn!(logins = batch.len(), "logins wait for PostgreSQL, which is slow"),
            }
            if tokio::time::timeout(RETRY_AFTER, stop.cancelled()).await.is_ok() {
                return;
            }
        }
        batch.clear();
    }
}

/// One login that PostgreSQL refuses must not take the others with it.
async fn one_by_one(db: &Db, batch: &[Activation]) {
    for login in batch {
        let attempt = tokio::time::timeout(PATIENCE, entitlement::activate(db, std::slice::from_ref(login)));
        if let Ok(Err(error)) = attempt.await {
            tracing::error!(%error, entitlement = %login.entitlement, "a login could not be written down");
        }
    }
}
