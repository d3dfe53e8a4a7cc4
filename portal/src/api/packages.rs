//! `GET /packages`: what is sold, also what is no longer offered.

use axum::extract::State;
use axum::response::Response;

use super::auth::Token;
use super::json;
use super::list::{Limit, page};
use super::problem::Problem;
use crate::App;

pub(super) async fn list(State(app): State<App>, _: Token, Limit(limit): Limit) -> Result<Response, Problem> {
    let packages = store::package::all(&app.db).await?;
    Ok(page(packages.iter().take(limit as usize).map(json::Package::from).collect()))
}
