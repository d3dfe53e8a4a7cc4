//! Sessions: the open ones, the ended ones, and the end of one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use store::rest;
use store::session::Session;

use super::auth::Token;
use super::id::{self, Kind as Thing, in_path};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

fn spelt(session: &Session) -> json::Session {
    session.into()
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let sessions = rest::session::open(&app.db, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, sessions, |session| (session.started_at, session.id), spelt))
}

pub(super) async fn list_ended(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let sessions = rest::session::ended(&app.db, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, sessions, |session| (session.started_at, session.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = rest::session::get(&app.db, in_path(Thing::Session, &id)?).await?;
    Ok(Single::new(spelt(&session)).read(&headers))
}

/// `POST /sessions/{id}/disconnects`: asks the router to end an open session. While a command is under way
/// a second request makes no second one, so repeats need no key.
pub(super) async fn disconnect(
    State(app): State<App>,
    token: Token,
    Path(session): Path<String>,
) -> Result<Response, Problem> {
    let session = in_path(Thing::Session, &session)?;
    store::session::disconnect(&app.db, session, app.clock.now()).await?;
    let spelt = id::spell(Thing::Session, session);
    token.audit(&app, "session.disconnect", &spelt).await?;
    let answer = json!({ "data": { "session": spelt, "state": "asked" } });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}
