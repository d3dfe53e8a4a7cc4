//! Stripe's reports. All come to one address and are signed, so what is stored here is Stripe's word. It is still
//! stored before it is looked at, once for each of Stripe's names of events, and answered before anything follows from
//! it: Stripe sends a report again for three days until it is answered with 2xx, and gives up an address that never
//! does.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use store::payment::{self, RawEvent};
use store::security::{self, Kind};

use super::{STORE_WITHIN, kept};
use crate::App;
use crate::middleware::client::ClientAddress;
use crate::payments::STRIPE;
use crate::payments::stripe::webhook::{self, SIGNATURE, TOLERANCE, WebhookError};
use crate::trace::carried;

/// Takes one report.
pub(super) async fn receive(
    State(app): State<App>,
    ClientAddress(source): ClientAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(settings) = &app.config.stripe else { return StatusCode::NOT_FOUND.into_response() };
    let count = |result: &str| app.metrics.callbacks.with_label_values(&[STRIPE, result]).inc();
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let now = app.clock.now();
    let event = match webhook::verify(&body, signature, &settings.webhook_secret, now, TOLERANCE) {
        Ok(event) => event,
        Err(error) => {
            count(error.label());
            tracing::warn!(%source, octets = body.len(), %error, "a report for Stripe is not believed");
            note(&app, error, source);
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    let headers = kept(&headers);
    let raw = RawEvent {
        provider: STRIPE,
        payment: event.payment(),
        external_id: event.id.as_deref(),
        request: None,
        is_work: true,
        source: Some(source),
        headers: &headers,
        body: &body,
    };
    let stored = tokio::time::timeout(STORE_WITHIN, payment::store_event(&app.db, &raw, now)).await;
    let problem = match stored {
        Ok(Ok(Some(event_id))) => {
            count("accepted");
            tracing::info!(provider = STRIPE, event = %event_id, payment = ?raw.payment, "a payment report came");
            app.card_events_wait.notify_one();
            return StatusCode::OK.into_response();
        }
        Ok(Ok(None)) => {
            count("duplicate");
            return StatusCode::OK.into_response();
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "PostgreSQL took too long".to_owned(),
    };
    count("not_stored");
    tracing::error!(event = ?event.id, kind = %event.kind, %problem, "a report could not be stored; it will come again");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Writes into the security log that a report is somebody else's or a copy. Nobody waits for it.
fn note(app: &App, error: WebhookError, source: IpAddr) {
    if error == WebhookError::NotAnEvent {
        return;
    }
    let task_app = app.clone();
    app.background.spawn(carried(async move {
        let detail = format!("{} from {source}", error.label());
        if let Err(error) =
            security::record_seldom(&task_app.db, Kind::ForgedReport, &detail, task_app.clock.now()).await
        {
            tracing::warn!(%error, "the security log could not be written");
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::extract::connect_info::MockConnectInfo;
    use axum::http::Request;
    use serde_json::{Value, json};
    use shared::time::{Clock, OffsetDateTime};
    use tower::ServiceExt as _;

    use super::*;
    use crate::payments::stripe::webhook::sign;
    use crate::routes;

    const NOW: i64 = 1_795_523_400;
    const BODY: &[u8] = br#"{"id":"evt_1","type":"checkout.session.expired","data":{"object":{"id":"cs_1"}}}"#;

    /// A portal whose PostgreSQL is nowhere.
    fn app(stripe: Value) -> App {
        let config = json!({
            "database": { "write": "postgres:///mlango?host=/nonexistent" },
            "redis": { "url": "redis+unix:///nonexistent/redis.sock" },
            "secrets": { "seal_key": "5a".repeat(32) },
            "stripe": stripe,
        });
        let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(NOW).expect("in range"));
        App::open_with_clock(serde_json::from_value(config).expect("a valid configuration"), clock).expect("opens")
    }

    fn configured() -> App {
        app(json!({ "secret_key": "sk_test_1", "webhook_secret": ["whsec_new", "whsec_old"] }))
    }

    async fn report(app: &App, signature: Option<&str>, body: &'static [u8]) -> StatusCode {
        let request = Request::post("/webhooks/stripe");
        let request = match signature {
            Some(signature) => request.header(SIGNATURE, signature),
            None => request,
        };
        let router = routes::public(app.clone()).layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        router.oneshot(request.body(Body::from(body)).expect("a request")).await.expect("infallible").status()
    }

    fn counted(app: &App, result: &str) -> u64 {
        app.metrics.callbacks.with_label_values(&[STRIPE, result]).get()
    }

    #[tokio::test]
    async fn without_cards_there_is_no_such_address() {
        let app = app(Value::Null);
        assert_eq!(report(&app, Some(&sign("whsec_new", NOW, BODY)), BODY).await, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_is_not_signed_for_us_is_refused_and_counted() {
        let app = configured();
        for signature in [None, Some("garbage".to_owned()), Some(sign("whsec_other", NOW, BODY))] {
            assert_eq!(report(&app, signature.as_deref(), BODY).await, StatusCode::BAD_REQUEST, "{signature:?}");
        }
        assert_eq!(report(&app, Some(&sign("whsec_new", NOW, b"{}")), BODY).await, StatusCode::BAD_REQUEST);
        assert_eq!(counted(&app, "bad_signature"), 4);
        assert_eq!(report(&app, Some(&sign("whsec_new", NOW - 301, BODY)), BODY).await, StatusCode::BAD_REQUEST);
        assert_eq!(report(&app, Some(&sign("whsec_new", NOW, b"[]")), b"[]").await, StatusCode::BAD_REQUEST);
        assert_eq!((counted(&app, "stale"), counted(&app, "unreadable")), (1, 1));
    }

    #[tokio::test]
    async fn a_report_that_cannot_be_stored_is_asked_for_again() {
        let app = configured();
        for secret in ["whsec_new", "whsec_old"] {
            assert_eq!(report(&app, Some(&sign(secret, NOW, BODY)), BODY).await, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!((counted(&app, "not_stored"), counted(&app, "accepted")), (2, 0));
    }
}
