//! The REST interface, version 1: what an operator's programs may ask and do.
//!
//! [`routes`] lists every operation, and [`OPERATIONS`] what each asks for; a test holds both against the description (`openapi.json`,
//! built by `portal/openapi/build.py` from the files beside it, and served). A request comes through one [`door`], which looks at its
//! bearer token ([`auth`]), its scope and how often it asks, and does what moves money or access once under its key
//! ([`idempotency`]). Things have opaque identifiers ([`id`]) and one JSON spelling ([`json`]), which the command line shares; bodies are
//! read field by field ([`input`]), lists come in pages ([`list`]), single things with an ETag ([`single`]), and every answer that is
//! not a success is a problem document ([`problem`]). A file a noun says what can be done with it, by the functions of `store` that the
//! desk calls too.
//!
//! Refused here: sessions of the desk (cookies are not looked at, so no foreign page can use them), and
//! details of our insides in an answer.

mod alerts;
pub mod auth;
mod books;
mod calendar_days;
mod campaigns;
mod customers;
mod discounts;
mod door;
mod entitlements;
pub mod id;
mod idempotency;
mod input;
pub mod json;
mod ledger;
pub mod list;
mod logs;
mod nas;
mod notifications;
pub mod operations;
mod orders;
mod outages;
mod packages;
mod payments;
pub mod problem;
mod received_money;
mod sessions;
mod single;
mod sites;
mod texts;
mod voucher_batches;
mod webhooks;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::App;
pub use operations::OPERATIONS;
use problem::{Kind, Problem};

/// The description of this interface, OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// The routes of this part.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/openapi.json", get(openapi))
        .route("/problems/{code}", get(problem::explain))
        .merge(offers())
        .merge(foresight())
        .merge(people())
        .merge(money())
        .merge(network())
        .merge(telling())
        .route_layer(from_fn_with_state(app.clone(), door::door))
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .fallback(async || Problem::new(Kind::NotFound))
        .layer(from_fn(problem::finish))
}

/// What is sold.
fn offers() -> Router<App> {
    Router::new()
        .route("/packages", get(packages::list).post(packages::add))
        .route("/packages/{id}", get(packages::get).patch(packages::change))
        .route("/packages/{id}/versions", get(packages::versions))
        .route("/discounts", get(discounts::list).post(discounts::add))
        .route("/discounts/{id}", get(discounts::get).patch(discounts::change))
        .route("/discounts/{id}/endings", post(discounts::end))
        .route("/voucher-batches", get(voucher_batches::list).post(voucher_batches::add))
        .route("/voucher-batches/{id}", get(voucher_batches::get).patch(voucher_batches::change))
        .route("/voucher-batches/{id}/vouchers", get(voucher_batches::vouchers))
        .route("/voucher-batches/{id}/codes", get(voucher_batches::codes))
        .route("/voucher-batches/{id}/sales", post(voucher_batches::sell))
        .route("/voucher-batches/{id}/voids", post(voucher_batches::void))
}

/// What is expected, and who is told an offer.
fn foresight() -> Router<App> {
    Router::new()
        .route("/calendar-days", get(calendar_days::list).post(calendar_days::add))
        .route("/calendar-days/holidays", post(calendar_days::holidays))
        .route("/calendar-days/{id}", get(calendar_days::get).delete(calendar_days::remove))
        .route("/campaigns", get(campaigns::list).post(campaigns::begin))
        .route("/campaigns/reaches", post(campaigns::reach))
        .route("/campaigns/{id}", get(campaigns::get))
        .route("/campaigns/{id}/outcome", get(campaigns::outcome))
        .route("/campaigns/{id}/stops", post(campaigns::stop))
}

/// Who buys it, and what they have.
fn people() -> Router<App> {
    Router::new()
        .route("/customers", get(customers::list).post(customers::add))
        .route("/customers/{id}", get(customers::get).patch(customers::change))
        .route("/customers/{id}/devices", get(customers::devices))
        .route("/customers/{id}/entitlements", get(customers::entitlements))
        .route("/customers/{id}/orders", get(customers::orders))
        .route("/customers/{id}/notifications", get(customers::notifications))
        .route("/entitlements", get(entitlements::list).post(entitlements::grant))
        .route("/entitlements/{id}", get(entitlements::get))
        .route("/entitlements/{id}/devices", get(entitlements::devices))
        .route("/entitlements/{id}/endings", post(entitlements::end))
}

/// What is paid for it.
fn money() -> Router<App> {
    Router::new()
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(orders::get))
        .route("/payments", get(payments::list))
        .route("/payments/{id}", get(payments::get))
        .route("/payments/{id}/refunds", post(payments::refund))
        .route("/refunds", get(payments::refunds))
        .route("/refunds/{id}", get(payments::get_refund))
        .route("/received-money", get(received_money::list))
        .route("/received-money/{receipt}", get(received_money::get))
        .route("/received-money/{receipt}/assignments", post(received_money::assign))
        .route("/received-money/{receipt}/refunds", post(received_money::refund))
        .route("/received-money/{receipt}/reversals", post(received_money::reverse))
        .route("/received-money/{receipt}/returns", post(received_money::given_back))
        .route("/received-money/{receipt}/ignores", post(received_money::ignore))
        .route("/received-money/{receipt}/heeds", post(received_money::heed))
        .route("/ledger/accounts", get(ledger::accounts))
        .route("/ledger/transactions", get(ledger::transactions))
        .route("/ledger/transactions/{id}", get(ledger::transaction))
        .route("/books/days", get(books::days))
        .route("/books/days/close", post(books::close))
        .route("/books/documents/{number}", get(books::document))
}

/// Where it is used.
fn network() -> Router<App> {
    Router::new()
        .route("/sites", get(sites::list).post(sites::add))
        .route("/sites/{id}", get(sites::get).patch(sites::change))
        .route("/nas", get(nas::list).post(nas::add))
        .route("/nas/{id}", get(nas::get).patch(nas::change).delete(nas::remove))
        .route("/nas/{id}/secrets", post(nas::rotate))
        .route("/sessions", get(sessions::list))
        .route("/sessions/ended", get(sessions::list_ended))
        .route("/sessions/{id}", get(sessions::get))
        .route("/sessions/{id}/disconnects", post(sessions::disconnect))
        .route("/outages", get(outages::list))
        .route("/outages/{id}", get(outages::get))
        .route("/outages/{id}/give-backs", post(outages::give_back))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}", get(alerts::get))
        .route("/alerts/{id}/acknowledgements", post(alerts::acknowledge))
}

/// Who is told of it.
fn telling() -> Router<App> {
    Router::new()
        .route("/notifications", get(notifications::list))
        .route("/notifications/{id}", get(notifications::get))
        .route("/texts", get(texts::list))
        .route("/texts/{name}/{language}", get(texts::get).patch(texts::change))
        .route("/security-events", get(logs::security))
        .route("/audit-log", get(logs::audit))
        .route("/webhook-endpoints", get(webhooks::list).post(webhooks::add))
        .route("/webhook-endpoints/{id}", get(webhooks::get).patch(webhooks::change).delete(webhooks::remove))
        .route("/webhook-endpoints/{id}/secrets", post(webhooks::rotate))
        .route("/webhook-endpoints/{id}/deliveries", get(webhooks::deliveries))
        .route("/webhook-endpoints/{id}/replays", post(webhooks::replay))
        .route("/webhook-events", get(webhooks::list_events))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

#[cfg(test)]
mod tests;
