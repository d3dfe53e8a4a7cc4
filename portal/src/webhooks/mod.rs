//! Where payment providers report, a file a provider.
//!
//! A report is stored as it came and answered; it is worked on afterwards, by [`crate::jobs`]. Nothing here decides.

mod mpesa;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;

use crate::App;

/// Largest report that is stored, in octets. Real ones have about six hundred.
const BODY_LIMIT: usize = 64 * 1024;

/// The routes of all providers.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/webhooks/mpesa/{token}", post(mpesa::receive)).layer(DefaultBodyLimit::max(BODY_LIMIT))
}
