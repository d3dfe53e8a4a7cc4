//! All URLs on one screen: what browsers, providers and programs reach, and through which layers.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;

use crate::middleware::{headers, language, observe, problem};
use crate::pages::{
    account, assets, brand, buy, capport, health, hotspot, order, privacy, refusal, scanned, screen, voucher,
};
use crate::{App, admin, api, onboarding, urls, webhooks};

/// Largest form that a guest sends, in octets: a sealed visit, a package, a phone number.
const FORM_LIMIT: usize = 16 * 1024;

/// What browsers, providers and programs reach.
pub fn public(app: App) -> Router {
    let guests = Router::new()
        .route("/", get(hotspot::home))
        .route(urls::HOTSPOT, get(hotspot::arrive))
        .route(urls::PACKAGES, get(hotspot::packages))
        .route(urls::BUY, post(buy::buy))
        .route(urls::VOUCHER, post(voucher::redeem))
        .route(urls::SCREEN, get(screen::show).post(screen::begin))
        .route("/capport/{router}", get(capport::show))
        .route("/v/{code}", get(scanned::show))
        .route("/o/{token}", get(order::show))
        .route("/o/{token}/state", get(order::state))
        .route("/o/{token}/events", get(order::events))
        .route("/o/{token}/again", post(order::again))
        .route("/o/{token}/devices", post(order::remove_device))
        .route("/o/{token}/account", post(account::after_payment))
        .route("/o/{token}/receipt", get(account::receipt))
        .route("/o/{token}/receipt.pdf", get(account::receipt_file))
        .route(urls::ACCOUNT, get(account::show).post(account::again))
        .route("/account/code", post(account::sign_in::send_code))
        .route("/account/verify", post(account::sign_in::verify))
        .route("/account/use", post(account::use_here))
        .route("/account/device", post(account::name_device))
        .route("/account/remove", post(account::remove_device))
        .route("/account/add", get(account::adding::show).post(account::adding::ask))
        .route("/account/add/code", post(account::adding::by_code))
        .route("/account/add/address", post(account::adding::by_address))
        .route("/account/sessions", post(account::end_session))
        .route("/account/language", post(account::choose_language))
        .route("/account/messages", post(account::choose_messages))
        .route("/account/offers", post(account::offers::choose))
        .route("/account/sign-out", post(account::sign_out))
        .route("/brand/{version}/portal.css", get(brand::sheet))
        .route("/account/email", post(account::email::name))
        .route("/account/email/first", post(account::email::choose))
        .route("/account/email/remove", post(account::email::forget))
        .route("/e/{token}", get(account::email::ask).post(account::email::prove))
        .route(urls::PRIVACY, get(privacy::show))
        .route("/static/{version}/{file}", get(assets::file))
        .route("/healthz", get(health::alive))
        .layer(from_fn_with_state(app.clone(), language::remember))
        .layer(from_fn_with_state(app.clone(), headers::own_forms_only))
        .layer(DefaultBodyLimit::max(FORM_LIMIT));
    Router::new()
        .merge(guests)
        .merge(onboarding::serve::routes())
        .merge(webhooks::routes())
        // A mail program may send it from anywhere: its token is all that it needs (RFC 8058).
        .route("/u/{token}", get(refusal::ask).post(refusal::refuse))
        .route("/admin/", get(|| async { Redirect::permanent("/admin") }))
        .nest("/admin", admin::routes(&app))
        .nest("/api/v1", api::routes(&app))
        .fallback(hotspot::nowhere)
        .layer(from_fn_with_state(app.clone(), problem::render))
        .layer(from_fn_with_state(app.clone(), headers::secure))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(app)
}

/// What only the operator's machines reach.
pub fn operational(app: App) -> Router {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(app)
}
