//! The security log and the audit log, to be read.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::time::rfc3339;
use store::rest::log::{self, Line, SecurityEvent};

use super::id::{Kind as Thing, spell};
use super::input::line;
use super::list::Asked;
use super::problem::Problem;
use crate::App;

#[derive(Debug, Serialize)]
struct Event {
    id: String,
    at: String,
    kind: String,
    nas: Option<String>,
    mac: Option<String>,
    user_name: Option<String>,
    detail: String,
}

fn event(event: &SecurityEvent) -> Event {
    Event {
        id: spell(Thing::SecurityEvent, event.id),
        at: rfc3339(event.at),
        kind: event.kind.clone(),
        nas: event.nas.clone(),
        mac: event.mac.clone(),
        user_name: event.user_name.clone(),
        detail: event.detail.clone(),
    }
}

pub(super) async fn security(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let events = log::security(&app.db, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, events, |one| (one.at, one.id), event))
}

#[derive(Debug, Serialize)]
struct Spelt {
    number: i64,
    at: String,
    actor: String,
    action: String,
    object: String,
    address: Option<String>,
    /// SHA-256, in hexadecimal digits, of the line and of the hash of the line before.
    hash: String,
}

fn spelt(line: &Line) -> Spelt {
    Spelt {
        number: line.id,
        at: rfc3339(line.at),
        actor: line.actor.clone(),
        action: line.action.clone(),
        object: line.object.clone(),
        address: line.address.clone(),
        hash: hex::encode(&line.hash),
    }
}

pub(super) async fn audit(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let actor = asked.filter("actor", |text| line(200)(&text.into()))?;
    let lines = log::audit(&app.db, actor.as_deref(), asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, lines, Line::place, spelt))
}
