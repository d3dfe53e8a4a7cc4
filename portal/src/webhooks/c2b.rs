//! Where M-Pesa asks about payments from its menu before their money moves, and reports them after.
//!
//! There is one secret address for each shortcode, registered with Safaricom once (`portal money register`). A question is
//! kept as it came and answered at once, by what its account number stands for; if we cannot look, the money may move: it
//! is matched afterwards. A report is kept and acknowledged whatever it says, since the money has come; it is worked on by
//! [`crate::payments::received`].

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use shared::token::{self, Purpose};
use store::{payment, unmatched};

use super::intake::{self, Report};
use crate::App;
use crate::middleware::client::ClientAddress;
use crate::payments::c2b::{self, Answer, Confirmation, Refused};
use crate::payments::{C2B, C2B_VALIDATION};
use crate::trace::carried;
use crate::urls;

/// Longest look at the orders before a question is answered: M-Pesa waits for some eight seconds, the payer with it.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Answers a question.
pub(super) async fn validation(
    State(app): State<App>,
    ClientAddress(source): ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_ours(&app, &token) {
        return intake::bad_token(&app, C2B_VALIDATION, source, body.len()).into_response();
    }
    let report = Report {
        provider: C2B_VALIDATION,
        payment: None,
        request: None,
        is_work: false,
        source,
        headers: &headers,
        body: &body,
    };
    let kept = intake::keep(&app, report).await;
    if kept == Err(StatusCode::FORBIDDEN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let answer = decide(&app, &body).await;
    if let Answer::Refuse(why) = answer {
        app.metrics.callbacks.with_label_values(&[C2B_VALIDATION, "refused"]).inc();
        tracing::info!(code = why.code(), "a payment from the menu was refused before its money moved");
    }
    if let Ok(event) = kept {
        // Nobody waits for this note.
        let (task_app, now) = (app.clone(), app.clock.now());
        app.background.spawn(carried(async move {
            if let Err(error) = payment::finish_event(&task_app.db, event, answer.as_str(), now).await {
                tracing::warn!(%event, %error, "the answer to a question of M-Pesa could not be noted");
            }
        }));
    }
    Json(answer.body()).into_response()
}

async fn decide(app: &App, body: &[u8]) -> Answer {
    let Ok(Confirmation { told, .. }) = Confirmation::parse(body) else { return Answer::Refuse(Refused::Other) };
    let Some(section) = &app.config.mpesa else { return Answer::Refuse(Refused::Other) };
    let looking = unmatched::expected(&app.db, &told.reference, told.amount, app.clock.now());
    match tokio::time::timeout(LOOK_WITHIN, looking).await {
        Ok(Ok(found)) => c2b::answer(&told, found, section.c2b_validation),
        Ok(Err(error)) => {
            tracing::error!(%error, "a payment from the menu is let through without a look at its order");
            Answer::Accept
        }
        Err(_) => {
            tracing::error!("a payment from the menu is let through: its order was not found in time");
            Answer::Accept
        }
    }
}

/// Takes a report.
pub(super) async fn confirmation(
    State(app): State<App>,
    ClientAddress(source): ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_ours(&app, &token) {
        return intake::bad_token(&app, C2B, source, body.len()).into_response();
    }
    let report =
        Report { provider: C2B, payment: None, request: None, is_work: true, source, headers: &headers, body: &body };
    match intake::keep(&app, report).await {
        Ok(_) => Json(json!({ "ResultCode": 0, "ResultDesc": "Success" })).into_response(),
        Err(status) => status.into_response(),
    }
}

/// Whether this is the secret part of the address of our shortcode.
fn is_ours(app: &App, token: &str) -> bool {
    let Some(section) = &app.config.mpesa else { return false };
    let seal = app.db.seal();
    token::verify_hex(seal, Purpose::C2b, token) == Some(urls::c2b_identity(seal, &section.shortcode))
}
