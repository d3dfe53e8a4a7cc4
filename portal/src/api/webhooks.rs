//! Webhook endpoints: where other programs are told of what happens, of what, with which secret, and what became of it. A secret is
//! shown once, when it is made.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Value, json};
use shared::rng;
use shared::time::rfc3339;
use store::webhook::{self, Delivery, Endpoint, Event, OVERLAP, TYPES};

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{Input, Read, flag, got, line_or_empty, list as list_of, moment};
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;
use crate::hooks::{self, target};

/// Longest description, in letters.
const MAX_TEXT: usize = 200;

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    url: String,
    description: String,
    events: Vec<String>,
    enabled: bool,
    disabled_at: Option<String>,
    disabled_reason: Option<String>,
    old_secret_until: Option<String>,
    created_by: String,
    created_at: String,
}

fn spelt(endpoint: &Endpoint) -> Spelt {
    Spelt {
        id: spell(Thing::Endpoint, endpoint.id),
        url: endpoint.url.clone(),
        description: endpoint.description.clone(),
        events: endpoint.events.clone(),
        enabled: endpoint.disabled.is_none(),
        disabled_at: endpoint.disabled.as_ref().map(|(at, _)| rfc3339(*at)),
        disabled_reason: endpoint.disabled.as_ref().map(|(_, why)| why.clone()),
        old_secret_until: endpoint.old_secret_until.map(rfc3339),
        created_by: endpoint.created_by.clone(),
        created_at: rfc3339(endpoint.created_at),
    }
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let endpoints = webhook::all(&app.db).await?;
    asked.page_of_all(&app, endpoints, |endpoint| endpoint.id, spelt)
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let endpoint = webhook::get(&app.db, in_path(Thing::Endpoint, &id)?).await?;
    Ok(Single::new(spelt(&endpoint)).read(&headers))
}

#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    endpoint: Spelt,
    /// Shown this once.
    secret: String,
}

pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let url = input.required("url", address(&app));
    let events = input.required("events", events);
    let description = input.optional("description", line_or_empty(MAX_TEXT)).unwrap_or_default();
    input.done()?;
    let now = app.clock.now();
    let endpoint = Endpoint {
        id: rng::id(now),
        url: got(url)?,
        description,
        events: got(events)?,
        disabled: None,
        old_secret_until: None,
        created_by: token.actor.clone(),
        created_at: now,
    };
    let secret = hooks::spelled(&webhook::add(&app.db, &endpoint).await?);
    let path = format!("/webhook-endpoints/{}", spell(Thing::Endpoint, endpoint.id));
    token.audit(&app, "webhook.add", &endpoint.url).await?;
    let endpoint = webhook::get(&app.db, endpoint.id).await?;
    // The ETag of the next reading, which has no secret in it.
    Ok(Single::decided_by(Made { endpoint: spelt(&endpoint), secret }, &spelt(&endpoint)).created(&path))
}

pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let mut endpoint = webhook::get(&app.db, in_path(Thing::Endpoint, &id)?).await?;
    Single::new(spelt(&endpoint)).unchanged(&headers)?;
    endpoint.url = input.change("url", address(&app)).unwrap_or(endpoint.url);
    endpoint.events = input.change("events", events).unwrap_or(endpoint.events);
    endpoint.description = input.change("description", line_or_empty(MAX_TEXT)).unwrap_or(endpoint.description);
    let enabled = input.change("enabled", flag).unwrap_or(endpoint.disabled.is_none());
    input.done()?;
    webhook::change(&app.db, &endpoint, enabled, app.clock.now()).await?;
    token.audit(&app, "webhook.update", &endpoint.url).await?;
    Ok(Single::new(spelt(&webhook::get(&app.db, endpoint.id).await?)).answer(StatusCode::OK))
}

pub(super) async fn remove(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let endpoint = webhook::get(&app.db, in_path(Thing::Endpoint, &id)?).await?;
    Single::new(spelt(&endpoint)).unchanged(&headers)?;
    webhook::remove(&app.db, endpoint.id).await?;
    token.audit(&app, "webhook.remove", &endpoint.url).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /webhook-endpoints/{id}/secrets`: a new secret; the one before signs too for a day.
pub(super) async fn rotate(State(app): State<App>, token: Token, Path(id): Path<String>) -> Result<Response, Problem> {
    let endpoint = in_path(Thing::Endpoint, &id)?;
    let now = app.clock.now();
    let secret = hooks::spelled(&webhook::rotate(&app.db, endpoint, now).await?);
    token.audit(&app, "webhook.rotate", &id).await?;
    let answer = json!({ "endpoint": id, "secret": secret, "old_secret_until": rfc3339(now + OVERLAP) });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

#[derive(Debug, Serialize)]
struct Told {
    id: String,
    event: String,
    r#type: String,
    state: String,
    attempts: i32,
    next_attempt_at: Option<String>,
    status: Option<i32>,
    detail: String,
    created_at: String,
    updated_at: String,
}

fn told(delivery: &Delivery) -> Told {
    Told {
        id: spell(Thing::Delivery, delivery.id),
        event: spell(Thing::Event, delivery.event),
        r#type: delivery.kind.clone(),
        state: delivery.state.clone(),
        attempts: delivery.attempts,
        next_attempt_at: delivery.next_attempt_at.map(rfc3339),
        status: delivery.status,
        detail: delivery.detail.clone(),
        created_at: rfc3339(delivery.created_at),
        updated_at: rfc3339(delivery.updated_at),
    }
}

pub(super) async fn deliveries(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let endpoint = webhook::get(&app.db, in_path(Thing::Endpoint, &id)?).await?;
    let found = webhook::deliveries(&app.db, endpoint.id, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, found, |one| (one.created_at, one.id), told))
}

/// `POST /webhook-endpoints/{id}/replays`: it is told again of what happened since then.
pub(super) async fn replay(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let since = input.required("since", moment);
    input.done()?;
    let (endpoint, since) = (in_path(Thing::Endpoint, &id)?, got(since)?);
    let events = webhook::replay(&app.db, endpoint, since, app.clock.now()).await?;
    token.audit(&app, "webhook.replay", &format!("{id} since {}", rfc3339(since))).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "endpoint": id, "events": events }))).into_response())
}

#[derive(Debug, Serialize)]
struct Happened {
    id: String,
    r#type: String,
    at: String,
    data: Value,
}

fn happened(event: &Event) -> Happened {
    Happened {
        id: spell(Thing::Event, event.id),
        r#type: event.kind.clone(),
        at: rfc3339(event.at),
        data: event.data.clone(),
    }
}

pub(super) async fn list_events(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let events = webhook::events(&app.db, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, events, |event| (event.at, event.id), happened))
}

/// An address to which webhooks may go.
fn address(app: &App) -> impl Fn(&Value) -> Read<String> + use<> {
    let networks = app.config.api.webhook_networks.clone();
    move |value| {
        let text = value.as_str().ok_or("write text")?;
        target::read(text, &networks).map(|_| text.to_owned()).map_err(|refused| refused.to_string())
    }
}

/// Of what an endpoint is told: something, of what there is.
fn events(value: &Value) -> Read<Vec<String>> {
    let one = |value: &Value| {
        let known = TYPES.into_iter().find(|known| value.as_str() == Some(*known));
        known.map(str::to_owned).ok_or_else(|| format!("write events such as {}", TYPES.join(", ")))
    };
    let events = list_of(TYPES.len(), one)(value)?;
    if events.is_empty() { Err("name one event at least".into()) } else { Ok(events) }
}
