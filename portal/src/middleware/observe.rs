//! A request id in the log and the answer; duration, size and number in the metrics.
//!
//! The log and the metrics name a route by its pattern: paths carry tokens and are never written down.

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use shared::rng;
use tracing::Instrument as _;

use crate::App;

/// What the log calls a request, and `X-Request-Id` says.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Observes one request.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "HEAD" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let id = rng::id(app.clock.now()).simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", id = %id, method = %method, route = %route);
    let started = app.clock.monotonic();
    app.metrics.http_in_flight.inc();
    // Decremented also when the client goes away and this future is dropped.
    let _in_flight = InFlight(&app);
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = app.clock.monotonic().saturating_sub(started);
    let status = response.status().as_u16().to_string();
    app.metrics.http_duration.with_label_values(&[&method, &route, &status]).observe(took.as_secs_f64());
    if let Some(octets) = response.body().size_hint().exact() {
        app.metrics.http_size.with_label_values(&[&route]).observe(octets as f64);
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    span.in_scope(|| tracing::debug!(%status, took_ms = took.as_millis(), "answered"));
    response
}

struct InFlight<'a>(&'a App);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.http_in_flight.dec();
    }
}
