//! The REST interface, version 1: what an operator's programs may ask and do.
//!
//! [`routes`] lists every operation; [`OPERATIONS`] names them for the tests, which hold the description
//! (`openapi.json`, kept by hand and served) against it. A request shows a bearer token ([`auth`]); things
//! have opaque identifiers ([`id`]) and one JSON spelling ([`json`]), which the command line shares; every
//! answer that is not a success is a problem document ([`problem`]).
//!
//! Refused here: sessions of the desk (cookies are not looked at, so no foreign page can use them), and
//! details of our insides in an answer.

pub mod auth;
pub mod id;
pub mod json;
pub mod list;
mod nas;
mod packages;
mod payments;
pub mod problem;
mod sessions;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::App;
use problem::{Kind, Problem};

/// The description of this interface, OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// Every operation: its method, and its path below `/api/v1`.
pub const OPERATIONS: [(&str, &str); 8] = [
    ("get", "/packages"),
    ("get", "/nas"),
    ("get", "/sessions"),
    ("get", "/sessions/ended"),
    ("post", "/sessions/{id}/disconnects"),
    ("get", "/payments"),
    ("get", "/openapi.json"),
    ("get", "/problems/{code}"),
];

/// The routes of this part.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/packages", get(packages::list))
        .route("/nas", get(nas::list))
        .route("/sessions", get(sessions::list))
        .route("/sessions/ended", get(sessions::list_ended))
        .route("/sessions/{id}/disconnects", post(sessions::disconnect))
        .route("/payments", get(payments::list))
        .route("/openapi.json", get(openapi))
        .route("/problems/{code}", get(problem::explain))
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .fallback(async || Problem::new(Kind::NotFound))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

#[cfg(test)]
mod tests;
