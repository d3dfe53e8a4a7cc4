//! A request id in the log and the answer, and on what the request causes; duration, size and number in the metrics.
//!
//! The id is ours, unless a proxy that the configuration trusts (`portal.trusted_proxies`) has given one: so its log and ours have the same.
//! A request that may have changed something leaves a line in the log; one that only reads does at the level `debug`.
//!
//! The log and the metrics name a route by its pattern: paths carry tokens and are never written down.

use std::net::IpAddr;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use shared::request::RequestId;
use tracing::Instrument as _;

use super::client;
use crate::App;

/// The header that names a request.
const HEADER: &str = "x-request-id";

/// Observes one request.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "HEAD" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let peer = client::peer(request.extensions());
    let id = given(peer, request.headers(), &app.config.portal.trusted_proxies)
        .unwrap_or_else(|| RequestId::new(app.clock.now()));
    request.extensions_mut().insert(id);
    let span = tracing::info_span!("request", request = %id, method = %method, route = %route);
    let started = app.clock.monotonic();
    app.metrics.http_in_flight.inc();
    // Decremented also when the client goes away and this future is dropped.
    let _in_flight = InFlight(&app);
    let mut response = store::trace::scope(Some(id), next.run(request)).instrument(span.clone()).await;
    let took = app.clock.monotonic().saturating_sub(started);
    let status = response.status().as_u16().to_string();
    app.metrics.http_duration.with_label_values(&[&method, &route, &status]).observe(took.as_secs_f64());
    if let Some(octets) = response.body().size_hint().exact() {
        app.metrics.http_size.with_label_values(&[&route]).observe(octets as f64);
    }
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(HEADER, id);
    }
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| match is_reading {
        true => tracing::debug!(%status, took_ms, "answered"),
        false => tracing::info!(%status, took_ms, "answered"),
    });
    response
}

/// The name that a trusted proxy has given to a request. What anybody else says, or is no such name, is not listened to.
fn given(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<RequestId> {
    if !trusted.iter().any(|network| network.contains(&peer)) {
        return None;
    }
    headers.get(HEADER)?.to_str().ok()?.parse().ok()
}

struct InFlight<'a>(&'a App);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.http_in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_a_request() {
        let trusted: Vec<IpNet> =
            ["127.0.0.0/8", "10.0.0.0/24"].iter().map(|net| net.parse().expect("a net")).collect();
        let named = |peer: &str, name: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(name) = name {
                headers.insert(HEADER, HeaderValue::from_static(name));
            }
            given(peer.parse().expect("an address"), &headers, &trusted).map(|id| id.to_string())
        };
        let name = "0192e4a0000070008000254712345678";
        assert_eq!(named("10.0.0.7", Some(name)).as_deref(), Some(name));
        assert_eq!(named("127.0.0.1", Some("0192e4a0-0000-7000-8000-254712345678")).as_deref(), Some(name));
        assert_eq!(named("203.0.113.9", Some(name)), None, "a stranger says anything");
        assert_eq!(named("10.0.0.7", None), None);
        for other in ["", "7", "0712345678", "<script>", "0192e4a00000700080002547123456780"] {
            assert_eq!(named("10.0.0.7", Some(other)), None, "{other}");
        }
    }
}
