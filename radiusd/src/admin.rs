//! The admin HTTP port, on loopback by default: `/metrics`, `/healthz`, `/readyz`.
//!
//! Healthy means that the process runs. Ready means that logins are answered; that PostgreSQL is away is told, but
//! does not make a server that answers from memory unready.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use store::Db;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Health;
use crate::metrics::Metrics;

#[derive(Clone)]
struct Admin {
    health: Arc<Health>,
    metrics: Metrics,
    db: Db,
}

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}/tcp (radius.admin_listen)"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(crate) async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Metrics,
    db: Db,
    stop: CancellationToken,
) {
    let routes = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Admin { health, metrics, db });
    if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the admin port stopped");
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let ready = admin.health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let postgresql = if admin.health.is_following() { "followed" } else { "away: answering from memory" };
    (status, Json(json!({ "ready": ready, "postgresql": postgresql }))).into_response()
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    let pool = admin.db.pool_state();
    for (state, count) in [("idle", pool.idle), ("used", pool.used), ("max", pool.max)] {
        admin.metrics.pool.with_label_values(&["postgresql", state]).set(i64::from(count));
    }
    match admin.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
