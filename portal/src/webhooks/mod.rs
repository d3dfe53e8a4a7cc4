//! Where providers of payments and of messages report, a file a provider.
//!
//! A report is stored as it came and answered; it is worked on afterwards, by [`crate::jobs`]. Nothing here decides.

mod mpesa;
mod sms;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;

use crate::App;

/// Largest report that is stored, in octets. Real ones have about six hundred.
const BODY_LIMIT: usize = 64 * 1024;

/// The routes of all providers.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/webhooks/mpesa/{token}", post(mpesa::receive))
        .route("/webhooks/sms/twilio", post(sms::twilio))
        .route("/webhooks/sms/africastalking/{token}", post(sms::africastalking))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}
