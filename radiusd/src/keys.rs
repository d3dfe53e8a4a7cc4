//! Which keys this server has, said now and then, so that nothing is sealed with one that it lacks (`store::sealed`). Nothing waits
//! for it: when PostgreSQL is away it is said later.

use std::time::Duration;

use shared::rng;
use shared::time::Clock;
use store::{Db, sealed};
use tokio_util::sync::CancellationToken;

/// Longest wait for one statement.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn say(db: Db, clock: Clock, stop: CancellationToken) {
    let id = rng::id(clock.now());
    loop {
        match tokio::time::timeout(PATIENCE, sealed::hold(&db, id, "radiusd")).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "which keys there are is said later"),
            Err(_) => tracing::debug!("which keys there are is said later: PostgreSQL is slow"),
        }
        if tokio::time::timeout(sealed::HOLDS_EVERY, stop.cancelled()).await.is_ok() {
            break;
        }
    }
    // Who was not heard for a while is forgotten by itself.
    drop(tokio::time::timeout(Duration::from_secs(1), sealed::let_go(&db, id)).await);
}
