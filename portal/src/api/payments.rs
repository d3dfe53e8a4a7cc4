//! `GET /payments`: the newest payments and what became of them.

use axum::extract::State;
use axum::response::Response;

use super::auth::Token;
use super::json;
use super::list::{Limit, page};
use super::problem::Problem;
use crate::App;

pub(super) async fn list(State(app): State<App>, _: Token, Limit(limit): Limit) -> Result<Response, Problem> {
    let payments = store::payment::list(&app.db, limit).await?;
    Ok(page(payments.iter().map(json::Payment::from).collect()))
}
