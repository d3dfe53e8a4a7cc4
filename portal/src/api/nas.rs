//! `GET /nas`: the routers, without their secrets.

use axum::extract::State;
use axum::response::Response;

use super::auth::Token;
use super::json;
use super::list::{Limit, page};
use super::problem::Problem;
use crate::App;

pub(super) async fn list(State(app): State<App>, _: Token, Limit(limit): Limit) -> Result<Response, Problem> {
    let routers = store::nas::all(&app.db).await?;
    Ok(page(routers.iter().take(limit as usize).map(json::Nas::from).collect()))
}
