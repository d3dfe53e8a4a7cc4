//! Where providers of payments and of messages report, a file for each kind of report.
//!
//! A report is stored as it came and answered; it is worked on afterwards, by [`crate::jobs`]. Nothing here decides, but for
//! the question whether money may move that has not moved yet. [`intake`] stores, [`source`] looks at where it comes from.

mod c2b;
mod intake;
mod mpesa;
mod mpesa_result;
mod sms;
mod source;
mod stripe;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use serde_json::Value;

use crate::{App, urls};

/// Largest report that is stored, in octets. M-Pesa's have about six hundred, Stripe's about six thousand.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest wait for a report to be stored: M-Pesa gives up after a few seconds.
const STORE_WITHIN: Duration = Duration::from_secs(4);
/// Headers that may carry credentials are not stored.
const LEFT_OUT: [header::HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// The routes of all providers. Addresses that are registered with M-Pesa must not name it: it refuses some words.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/webhooks/mpesa/{token}", post(mpesa::receive))
        .route("/webhooks/c2b/{token}/validation", post(c2b::validation))
        .route("/webhooks/c2b/{token}/confirmation", post(c2b::confirmation))
        .route("/webhooks/results/{token}", post(mpesa_result::result))
        .route("/webhooks/results/{token}/timeout", post(mpesa_result::timeout))
        .route("/webhooks/sms/twilio", post(sms::twilio))
        .route("/webhooks/sms/africastalking/{token}", post(sms::africastalking))
        .route(urls::STRIPE_REPORTS, post(stripe::receive))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// The headers that are stored with a report.
fn kept(headers: &HeaderMap) -> Value {
    let kept = headers.iter().filter(|(name, _)| !LEFT_OUT.contains(name));
    kept.map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))).collect()
}
