//! Which keys this process has, said now and then, so that nothing is sealed with one that it lacks (`store::sealed`). `portal secrets`
//! looks there before it seals anything anew.

use std::time::Duration;

use shared::rng;
use store::sealed;
use tokio_util::sync::CancellationToken;

use crate::App;

/// Longest wait for one statement.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says it until `shutdown`.
pub(crate) async fn say(app: App, shutdown: CancellationToken) {
    let id = rng::id(app.clock.now());
    loop {
        match tokio::time::timeout(PATIENCE, sealed::hold(&app.db, id, "portal")).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "which keys there are is said later"),
            Err(_) => tracing::debug!("which keys there are is said later: PostgreSQL is slow"),
        }
        if tokio::time::timeout(sealed::HOLDS_EVERY, shutdown.cancelled()).await.is_ok() {
            break;
        }
    }
    // Who was not heard for a while is forgotten by itself.
    drop(tokio::time::timeout(Duration::from_secs(1), sealed::let_go(&app.db, id)).await);
}
