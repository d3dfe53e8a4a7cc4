//! Where M-Pesa answers what it does not answer at once (Transaction Status, reversal), each request at a secret address of its
//! own, and where it says that it did not come to one in time. Worked on by [`crate::payments::asked`].

use std::net::IpAddr;

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
use crate::payments::{RESULT, RESULT_TIMEOUT};

/// Takes an answer.
pub(super) async fn result(
    State(app): State<App>,
    ClientAddress(source): ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    keep(&app, RESULT, source, &token, &headers, &body).await
}

/// Takes the news that there will be none.
pub(super) async fn timeout(
    State(app): State<App>,
    ClientAddress(source): ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    keep(&app, RESULT_TIMEOUT, source, &token, &headers, &body).await
}

async fn keep(app: &App, provider: &str, source: IpAddr, token: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let Some(request) = token::verify_hex(app.db.seal(), Purpose::RequestResult, token) else {
        return intake::bad_token(app, provider, source, body.len()).into_response();
    };
    let report = Report { provider, payment: None, request: Some(request), is_work: true, source, headers, body };
    match intake::keep(app, report).await {
        Ok(_) => Json(json!({ "ResultCode": 0, "ResultDesc": "Accepted" })).into_response(),
        Err(status) => status.into_response(),
    }
}
