//! M-Pesa's reports. Each payment has a secret address of its own; there is no other proof of who is calling, so a
//! report is only a hint to ask M-Pesa (see [`crate::payments::report`]).

use std::net::SocketAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use shared::token::{self, Purpose};
use store::payment::{self, RawEvent};

use super::{STORE_WITHIN, kept};
use crate::App;
use crate::payments::MPESA;

/// Takes one report.
pub(super) async fn receive(
    State(app): State<App>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let count = |result| app.metrics.callbacks.with_label_values(&[MPESA, result]).inc();
    let Some(payment) = token::verify(app.db.seal(), Purpose::PaymentCallback, &token) else {
        count("bad_token");
        tracing::warn!(source = %source.ip(), octets = body.len(), "a payment report came to an address that we did not give out");
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = kept(&headers);
    let event = RawEvent {
        provider: MPESA,
        payment: Some(payment),
        // M-Pesa gives its reports no names: one that comes twice is stored twice, and found out when it is worked on.
        external_id: None,
        source: Some(source.ip()),
        headers: &headers,
        body: &body,
    };
    let stored = tokio::time::timeout(STORE_WITHIN, payment::store_event(&app.db, &event, app.clock.now())).await;
    match stored {
        Ok(Ok(_)) => {
            count("accepted");
            app.events_wait.notify_one();
            Json(json!({ "ResultCode": 0, "ResultDesc": "Accepted" })).into_response()
        }
        Ok(Err(error)) => {
            count("not_stored");
            tracing::error!(%payment, %error, "a payment report could not be stored; the payment will be asked about");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => {
            count("not_stored");
            tracing::error!(%payment, "a payment report could not be stored in time; the payment will be asked about");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
