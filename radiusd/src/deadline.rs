//! Access ends on time: sessions whose deadline has passed are claimed in PostgreSQL and get a Disconnect in the
//! outbox, which [`crate::dynauth`] sends. Deadlines live in the database, so a crash forgets none and several
//! servers share the work. Nothing else is done here, so that nothing else can be waited for.

use std::time::Duration;

use shared::time::Clock;
use store::{Db, StoreError};
use tokio_util::sync::CancellationToken;

/// How often deadlines are looked at. Together with the outbox's hint this keeps a cut within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Deadlines claimed in one go.
const AT_ONCE: u32 = 500;
/// Longest wait for one look: a connection that died in silence must not stop the clock.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(db: Db, clock: Clock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let looked = tokio::time::timeout(PATIENCE, store::session::cut_due(&db, clock.now(), AT_ONCE)).await;
        let too_slow = StoreError::TooSlow { operation: "deadlines", patience: PATIENCE };
        match looked.unwrap_or(Err(too_slow)) {
            // There may be more.
            Ok(cut) if cut == u64::from(AT_ONCE) => continue,
            Ok(_) => {}
            Err(error) if error.is_unavailable() => tracing::debug!(%error, "deadlines wait for PostgreSQL"),
            Err(error) => tracing::error!(%error, "deadlines"),
        }
        if tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
