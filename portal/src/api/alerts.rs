//! Alerts: what is wrong, and saying that somebody minds it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::time::rfc3339;
use store::alert::{self, Alert, State as Stands};

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{Input, line};
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

/// The words of [`Stands`].
const STATES: [&str; 3] = ["open", "acknowledged", "resolved"];
/// Characters of a note.
const MAX_NOTE: usize = 300;

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    kind: &'static str,
    subject: String,
    site: Option<String>,
    severity: &'static str,
    state: &'static str,
    title: String,
    lines: Vec<String>,
    count: u32,
    first_seen_at: String,
    last_seen_at: String,
    acknowledged_at: Option<String>,
    acknowledged_by: Option<String>,
    note: String,
    resolved_at: Option<String>,
}

fn spelt(alert: &Alert) -> Spelt {
    let (by, at) = alert.acknowledged.clone().unzip();
    Spelt {
        id: spell(Thing::Alert, alert.id),
        kind: alert.kind.as_str(),
        subject: alert.subject.clone(),
        site: alert.site.map(|site| spell(Thing::Site, site)),
        severity: alert.severity.as_str(),
        state: alert.state.as_str(),
        title: alert.title.clone(),
        lines: alert.lines.clone(),
        count: alert.count,
        first_seen_at: rfc3339(alert.first_seen_at),
        last_seen_at: rfc3339(alert.last_seen_at),
        acknowledged_at: at.map(rfc3339),
        acknowledged_by: by,
        note: alert.note.clone(),
        resolved_at: alert.resolved_at.map(rfc3339),
    }
}

pub(super) async fn list(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let state = asked.word("state", &STATES)?.and_then(Stands::parse);
    let alerts = store::rest::alert::list(&app.db, state, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, alerts, |alert| (alert.first_seen_at, alert.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let alert = alert::get(&app.db, in_path(Thing::Alert, &id)?).await?;
    Ok(Single::new(spelt(&alert)).read(&headers))
}

/// `POST /alerts/{id}/acknowledgements`.
pub(super) async fn acknowledge(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let note = input.optional("note", line(MAX_NOTE));
    input.done()?;
    let id = in_path(Thing::Alert, &id)?;
    let note = note.unwrap_or_default();
    let object = format!("{} {id}", alert::get(&app.db, id).await?.kind.as_str());
    let line = token.line("alert.acknowledge", &object);
    alert::acknowledge(&app.db, id, &line, &note, app.clock.now()).await?;
    let alert = alert::get(&app.db, id).await?;
    crate::alerts::refresh(&app).await?;
    Ok((StatusCode::OK, axum::Json(spelt(&alert))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_asked_for() {
        assert_eq!(STATES, Stands::ALL.map(Stands::as_str));
    }
}
