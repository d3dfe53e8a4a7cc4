//! Where providers of payments and of messages report, a file a provider.
//!
//! A report is stored as it came and answered; it is worked on afterwards, by [`crate::jobs`]. Nothing here decides.

mod mpesa;
mod sms;
mod stripe;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use serde_json::Value;

use crate::App;

/// Largest report that is stored, in octets. M-Pesa's have about six hundred, Stripe's about six thousand.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest wait for a report to be stored: M-Pesa gives up after a few seconds.
const STORE_WITHIN: Duration = Duration::from_secs(4);
/// Headers that may carry credentials are not stored.
const LEFT_OUT: [header::HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// The routes of all providers.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/webhooks/mpesa/{token}", post(mpesa::receive))
        .route("/webhooks/sms/twilio", post(sms::twilio))
        .route("/webhooks/sms/africastalking/{token}", post(sms::africastalking))
        .route("/webhooks/stripe", post(stripe::receive))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// The headers that are stored with a report.
fn kept(headers: &HeaderMap) -> Value {
    let kept = headers.iter().filter(|(name, _)| !LEFT_OUT.contains(name));
    kept.map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))).collect()
}
