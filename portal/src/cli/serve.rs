//! `portal serve`: the web side, until SIGTERM or Ctrl-C.

use anyhow::Context as _;
use shared::config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves until the process is told to stop; what is under way is finished.
pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    shared::log::init(&config.log);
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be watched")?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let watch = tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    let result = crate::run(config, shutdown).await;
    watch.abort();
    result
}
