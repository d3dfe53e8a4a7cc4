//! M-Pesa's reports of prompts. Each payment has a secret address of its own; there is no other proof of who is calling, so a
//! report is only a hint to ask M-Pesa (see [`crate::payments::report`]).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use shared::token::{self, Purpose};

use super::intake::{self, Report};
use crate::App;
use crate::middleware::client::ClientAddress;
use crate::payments::MPESA;

/// Takes one report.
pub(super) async fn receive(
    State(app): State<App>,
    ClientAddress(source): ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(payment) = token::verify(app.db.seal(), Purpose::PaymentCallback, &token) else {
        return intake::bad_token(&app, MPESA, source, body.len()).into_response();
    };
    let report = Report {
        provider: MPESA,
        payment: Some(payment),
        request: None,
        is_work: true,
        source,
        headers: &headers,
        body: &body,
    };
    match intake::keep(&app, report).await {
        Ok(_) => Json(json!({ "ResultCode": 0, "ResultDesc": "Accepted" })).into_response(),
        Err(status) => status.into_response(),
    }
}
