//! Outages: routers that went dark while customers were online, and giving these the time back, once.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::time::rfc3339;
use store::outage::{GivenBack, Outage};
use store::rest::outage;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    nas: String,
    site: Option<String>,
    cause: &'static str,
    started_at: String,
    ended_at: Option<String>,
    customers: u64,
    given_back: Option<Given>,
}

#[derive(Debug, Serialize)]
struct Given {
    at: String,
    by: String,
    customers: u64,
    seconds: u64,
}

fn given(given: &GivenBack) -> Given {
    Given { at: rfc3339(given.at), by: given.by.clone(), customers: given.customers, seconds: given.time.as_secs() }
}

fn spelt(outage: &Outage) -> Spelt {
    Spelt {
        id: spell(Thing::Outage, outage.id),
        nas: outage.nas.clone(),
        site: outage.site.as_ref().map(|(_, name)| name.clone()),
        cause: outage.cause.as_str(),
        started_at: rfc3339(outage.started_at),
        ended_at: outage.ended_at.map(rfc3339),
        customers: outage.customers,
        given_back: outage.given_back.as_ref().map(given),
    }
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let outages = outage::list(&app.db, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, outages, |outage| (outage.started_at, outage.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let outage = outage::get(&app.db, in_path(Thing::Outage, &id)?).await?;
    Ok(Single::new(spelt(&outage)).read(&headers))
}

/// `POST /outages/{id}/give-backs`.
pub(super) async fn give_back(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let outage = in_path(Thing::Outage, &id)?;
    let object = outage.to_string();
    let line = token.line("outage.give_back", &object);
    let back = store::outage::give_back(&app.db, outage, &line, app.clock.now()).await?;
    Ok((StatusCode::OK, Json(given(&back))).into_response())
}
