//! The life of the web side: open, check, listen, serve, drain.
//!
//! It starts only on a schema that is its own, says where it listens (a log line, and a small file for whoever
//! started it on port 0), and on shutdown finishes the requests, prompts and jobs under way within a bound. What
//! does not finish is taken up again by whoever starts next: nothing is kept only here.

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use shared::config::Config;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::patience::Patient;
use crate::{App, jobs, keys, live, routes};

/// Longest wait, after shutdown is asked for, for what is under way. Longer than one answer of M-Pesa usually
/// takes, shorter than the 30 s after which service managers kill.
const DRAIN: Duration = Duration::from_secs(15);

/// Environment variable that names the file in which the bound addresses are written.
const READY_FILE: &str = "MLANGO_READY_FILE";

/// Serves the web side until `shutdown` is cancelled.
///
/// # Errors
/// When the database's schema is not this program's, or an address cannot be bound.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let app = App::open(config)?;
    app.db.expect_current_schema().await?;
    let (pages, metrics) = (app.config.portal.listen, app.config.portal.metrics_listen);
    let pages = TcpListener::bind(pages).await.with_context(|| format!("portal.listen: cannot listen on {pages}"))?;
    let metrics = TcpListener::bind(metrics)
        .await
        .with_context(|| format!("portal.metrics_listen: cannot listen on {metrics}"))?;
    announce(pages.local_addr()?, metrics.local_addr()?)?;

    let tracker = TaskTracker::new();
    jobs::start(&app, &tracker, &shutdown);
    tracker.spawn(keys::say(app.clone(), shutdown.clone()));
    tracker.spawn(live::listen(app.clone(), shutdown.clone()));
    let (told, stopping) = (shutdown.clone(), app.stopping.clone());
    tracker.spawn(async move {
        told.cancelled().await;
        stopping.cancel();
    });
    let public = routes::public(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    // The tap changes nothing: with it a connection says where it comes from.
    let pages = Patient::new(pages).tap_io(|_| {});
    let public = axum::serve(pages, public).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let operational = axum::serve(metrics, routes::operational(app.clone()))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tracker.spawn(async move {
        if let Err(error) = operational.into_future().await {
            tracing::error!(%error, "the metrics listener stopped");
        }
    });
    let mut serving = tokio::spawn(public.into_future());
    tokio::select! {
        // Looked at first: an idle server ends in the same moment.
        biased;
        () = shutdown.cancelled() => {
            tracing::info!("shutting down: finishing what is under way");
            if tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
                tracing::warn!("some connections were still open and are cut");
                serving.abort();
            }
        }
        result = &mut serving => result.context("the web server stopped")?.context("the web server stopped")?,
    }
    shutdown.cancel();
    tracker.close();
    app.background.close();
    let rest = async {
        app.background.wait().await;
        tracker.wait().await;
    };
    if tokio::time::timeout(DRAIN, rest).await.is_err() {
        tracing::warn!("some background work was still under way; it is taken up again at the next start");
    }
    app.db.close().await;
    Ok(())
}

fn announce(portal: SocketAddr, metrics: SocketAddr) -> anyhow::Result<()> {
    tracing::info!(%portal, %metrics, "listening");
    if let Some(path) = std::env::var_os(READY_FILE) {
        let path = Path::new(&path);
        let text = serde_json::json!({
            "portal": portal.to_string(), "metrics": metrics.to_string(), "pid": std::process::id()
        });
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&temporary, text.to_string())
            .and_then(|()| std::fs::rename(&temporary, path))
            .with_context(|| format!("{READY_FILE}: cannot write {}", path.display()))?;
    }
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "the service manager could not be told that the portal is ready");
    }
    Ok(())
}
