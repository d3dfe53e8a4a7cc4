//! Visits that are remembered for whoever helps a customer: that the device was here, how far its guest came, what the router said.
//!
//! It is written beside the answer and never before it; few are written at once, and what finds no room is counted and left out.

use std::time::Duration;

use store::visit::{Step, Visited, record};
use tokio::sync::Semaphore;

use super::visit::Visit;
use crate::App;

/// Visits that are written at once by this process.
static AT_ONCE: Semaphore = Semaphore::const_new(8);
/// Longest wait for one of them.
const PATIENCE: Duration = Duration::from_secs(3);

/// Remembers how far the guest of a visit came.
pub(crate) fn note(app: &App, visit: &Visit, step: Step) {
    let lost = |app: &App, reason: &str| app.metrics.visits_lost.with_label_values(&[reason]).inc();
    let Ok(permit) = AT_ONCE.try_acquire() else { return lost(app, "busy") };
    let visited = Visited { nas: visit.nas, mac: visit.mac, step, said: visit.error.clone() };
    let inner = app.clone();
    app.background.spawn(async move {
        let writing = record(&inner.db, &visited, inner.clock.now());
        match tokio::time::timeout(PATIENCE, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "a visit is not remembered");
                lost(&inner, "failed");
            }
            Err(_) => lost(&inner, "failed"),
        }
        drop(permit);
    });
}
