//! Messages to customers: what was written, sent and delivered. What they say is not told: some hold codes.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use shared::time::rfc3339;
use store::rest::notification::{self, Notification};
use uuid::Uuid;

use super::id::{Kind as Thing, in_path, spell};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

const STATES: [&str; 7] = ["pending", "sent", "delivered", "undelivered", "failed", "expired", "skipped"];

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    customer: String,
    name: String,
    state: String,
    detail: String,
    channel: Option<String>,
    provider: Option<String>,
    segments: Option<i32>,
    cost: Option<json::Money>,
    created_at: String,
    sent_at: Option<String>,
}

fn spelt(message: &Notification) -> Spelt {
    Spelt {
        id: spell(Thing::Notification, message.id),
        customer: spell(Thing::Customer, message.user),
        name: message.name.clone(),
        state: message.state.clone(),
        detail: message.detail.clone(),
        channel: message.channel.clone(),
        provider: message.provider.clone(),
        segments: message.segments,
        cost: message.cost.map(json::Money::from),
        created_at: rfc3339(message.created_at),
        sent_at: message.sent_at.map(rfc3339),
    }
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    page(&app, asked, None).await
}

/// A page of messages, or of those to a customer.
pub(super) async fn page(app: &App, mut asked: Asked, customer: Option<Uuid>) -> Result<Response, Problem> {
    let state = asked.word("state", &STATES)?;
    let after = asked.after(app)?;
    let messages = notification::list(&app.db, customer, state, after, asked.rows()).await?;
    Ok(asked.page(app, messages, |message| (message.created_at, message.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let message = notification::get(&app.db, in_path(Thing::Notification, &id)?).await?;
    Ok(Single::new(spelt(&message)).read(&headers))
}
