//! What providers of SMS report of messages: that they arrived, or did not.
//!
//! Twilio signs its reports. Africa's Talking does not: its address has a secret in it, which the operator enters in their
//! dashboard (`portal message address` prints it). A report changes how a message is shown; one that says that it was given up has an
//! e-mail sent in its place, once, where there is a proved address.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use shared::config::SmsProvider;
use shared::token::{self, Purpose};
use store::notification::{self, Delivered, Reported};
use uuid::Uuid;

use crate::App;
use crate::notify::sms::{Delivery, Form, africastalking, twilio};

/// `POST /webhooks/sms/twilio`
pub(super) async fn twilio(State(app): State<App>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(client) = app.sms.as_ref().and_then(|sms| sms.twilio()) else { return StatusCode::NOT_FOUND };
    let Ok(form) = Form::read(&body) else { return StatusCode::BAD_REQUEST };
    let signature = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !client.has_signed(&form, signature) {
        tracing::warn!("a report about a message is not signed by Twilio");
        return StatusCode::FORBIDDEN;
    }
    match twilio::Report::parse(&form) {
        Ok(report) => note(&app, SmsProvider::Twilio, &report.reference, &report.delivery).await,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// `POST /webhooks/sms/africastalking/{token}`
pub(super) async fn africastalking(State(app): State<App>, Path(token): Path<String>, body: Bytes) -> StatusCode {
    if token::verify(app.db.seal(), Purpose::SmsReports, &token) != Some(Uuid::nil()) {
        return StatusCode::NOT_FOUND;
    }
    let report = Form::read(&body).and_then(|form| africastalking::Report::parse(&form));
    match report {
        Ok(report) => note(&app, SmsProvider::AfricasTalking, &report.reference, &report.delivery).await,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

async fn note(app: &App, provider: SmsProvider, reference: &str, delivery: &Delivery) -> StatusCode {
    let (delivered, detail, result) = match delivery {
        // That it is on its way is no news.
        Delivery::Sent => return StatusCode::OK,
        Delivery::Delivered => (Delivered::Yes, "", "delivered"),
        Delivery::Failed { permanent: false, code } => (Delivered::NotYet, code.as_str(), "undelivered"),
        Delivery::Failed { permanent: true, code } => (Delivered::Never, code.as_str(), "undelivered"),
    };
    let (now, has_email) = (app.clock.now(), app.email.is_some());
    let what = (delivered, detail);
    match notification::delivery(&app.db, provider.as_str(), reference, what, has_email, now).await {
        Ok(reported) => {
            if reported == Reported::Replaced {
                tracing::info!(reference, "a message was not delivered; an e-mail takes its place");
            }
            app.metrics.sms.with_label_values(&["report", result]).inc();
            StatusCode::OK
        }
        Err(error) => {
            tracing::warn!(%error, "a report about a message could not be written down");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
