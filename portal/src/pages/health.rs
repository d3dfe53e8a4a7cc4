//! Checks and metrics: `/healthz` says that the process answers, `/readyz` that it can serve, `/metrics` how it goes.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use store::MigrationState;

use crate::App;

/// The process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether pages can be served: PostgreSQL answers and its schema is this program's. Redis is reported only: without
/// it the desk cannot sign in, but guests can buy and go online.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let (database, current) = match app.db.migration_state().await {
        Ok(MigrationState::Current) => ("ok".to_owned(), true),
        Ok(MigrationState::Newer) => ("ok: migrated by a newer version".to_owned(), true),
        Ok(MigrationState::Behind { pending }) => (format!("{pending} migration(s) are missing"), false),
        Ok(MigrationState::Ahead) => ("migrated by a newer version".to_owned(), false),
        Err(error) => (error.to_string(), false),
    };
    let redis = app.redis.ping().await.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
    let status = if current { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": current, "postgresql": database, "redis": redis }))).into_response()
}

/// The metrics in Prometheus' text format.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    match app.metrics.text(app.db.pool_state()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
