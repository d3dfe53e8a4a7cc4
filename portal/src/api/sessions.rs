//! Sessions: the open ones, the ended ones, and the end of one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use store::admin::Audit;

use super::auth::Token;
use super::id::{self, Kind as Thing};
use super::list::{Limit, page};
use super::problem::{Kind, Problem};
use crate::App;

pub(super) async fn list(State(app): State<App>, _: Token, Limit(limit): Limit) -> Result<Response, Problem> {
    let sessions = store::session::open(&app.db, limit).await?;
    Ok(page(sessions.iter().map(super::json::Session::from).collect()))
}

pub(super) async fn list_ended(State(app): State<App>, _: Token, Limit(limit): Limit) -> Result<Response, Problem> {
    let sessions = store::session::ended(&app.db, limit).await?;
    Ok(page(sessions.iter().map(super::json::Session::from).collect()))
}

/// `POST /sessions/{id}/disconnects`: asks the router to end an open session. While a command is under way
/// a second request makes no second one, so repeats need no key.
pub(super) async fn disconnect(
    State(app): State<App>,
    token: Token,
    Path(session): Path<String>,
) -> Result<Response, Problem> {
    let session = id::read(Thing::Session, &session).ok_or_else(|| Problem::new(Kind::NotFound))?;
    let now = app.clock.now();
    store::session::disconnect(&app.db, session, now).await?;
    let spelt = id::spell(Thing::Session, session);
    let actor = format!("token {}", token.name);
    let line = Audit { actor: &actor, action: "session.disconnect", object: &spelt, address: None };
    store::admin::audit(&app.db, &line, now).await?;
    let answer = json!({ "data": { "session": spelt, "state": "asked" } });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}
