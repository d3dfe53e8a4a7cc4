//! The admin HTTP port, on loopback by default: `/metrics`, `/healthz`, `/readyz`, `/accounting`, how records fare,
//! `/routers`, what was counted of each, and `/strangers`, the senders that nobody has registered.
//!
//! Healthy means that the process runs. Ready means that logins are answered; that PostgreSQL is away is told, but
//! does not make a server that answers from memory unready.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use store::Db;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::Registry;
use crate::lifecycle::Health;
use crate::metrics::Metrics;
use crate::strangers::Strangers;

/// What is shown.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
    pub(crate) db: Db,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) clients: Arc<ArcSwap<Registry>>,
}

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}/tcp (radius.admin_listen)"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(crate) async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) {
    let routes = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/accounting", get(accounting))
        .route("/routers", get(routers))
        .route("/strangers", get(strangers))
        .with_state(admin);
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

/// The sample of unknown senders, the last heard first, without those that are registered by now.
async fn strangers(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let registry = admin.clients.load_full();
    let strangers = admin.strangers.list(|address| registry.find(address).is_some());
    Json(json!({ "strangers": strangers }))
}

/// What was counted of each router since this server started.
async fn routers(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let registry = admin.clients.load_full();
    let routers: Vec<serde_json::Value> = registry
        .all()
        .map(|client| json!({ "id": client.id, "name": client.name, "figures": client.figures().shown() }))
        .collect();
    Json(json!({ "routers": routers }))
}

/// How accounting stands, from the same gauges as the metrics.
async fn accounting(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let metrics = &admin.metrics;
    let records = |result: &str| -> u64 {
        let statuses = ["Start", "Interim-Update", "Stop", "Accounting-On", "Accounting-Off", "unknown"];
        statuses.iter().map(|status| metrics.accounting_records.with_label_values(&[status, result]).get()).sum()
    };
    let is_degraded = metrics.degraded.with_label_values(&["accounting"]).get() > 0;
    Json(json!({
        "acknowledges": metrics.cannot_store.get() == 0,
        "postgresql_takes_records": !is_degraded,
        "queue": {
            "records": metrics.queue_length.with_label_values(&["accounting"]).get(),
            "capacity": metrics.queue_capacity.with_label_values(&["accounting"]).get(),
        },
        "spool": {
            "records": metrics.spool_records.get(),
            "octets": metrics.spool_octets.get(),
            "oldest_age_seconds": metrics.spool_oldest_age.get(),
        },
        "stored": records("stored"),
        "spooled": records("spooled"),
        "replayed": metrics.accounting_replayed.get(),
        "failed": records("failed"),
    }))
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
