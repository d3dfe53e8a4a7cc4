//! Orders, as customers have made them. Programs make none: an order begins on a customer's page, with a phone in the hand.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use shared::time::rfc3339;
use store::rest::order::{self, Order};
use uuid::Uuid;

use super::id::{Kind as Thing, in_path, spell};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

const STATES: [&str; 7] = ["created", "prompted", "unknown", "confirming", "paid", "failed", "refund_due"];

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    code: String,
    state: String,
    reason: String,
    customer: String,
    phone: String,
    package: String,
    package_name: String,
    package_version: Option<i32>,
    amount: json::Money,
    /// The price before discounts.
    full_amount: Option<json::Money>,
    mac: Option<String>,
    nas: Option<String>,
    entitlement: Option<String>,
    created_at: String,
    paid_at: Option<String>,
}

fn spelt(order: &Order) -> Spelt {
    Spelt {
        id: spell(Thing::Order, order.id),
        code: order.code.clone(),
        state: order.state.clone(),
        reason: order.reason.clone(),
        customer: spell(Thing::Customer, order.user),
        phone: order.phone.clone(),
        package: spell(Thing::Package, order.package),
        package_name: order.package_name.clone(),
        package_version: order.package_version,
        amount: order.amount.into(),
        full_amount: order.full.map(json::Money::from),
        mac: order.mac.clone(),
        nas: order.nas.map(|nas| spell(Thing::Nas, nas)),
        entitlement: order.entitlement.map(|id| spell(Thing::Entitlement, id)),
        created_at: rfc3339(order.created_at),
        paid_at: order.paid_at.map(rfc3339),
    }
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    page(&app, asked, None).await
}

/// A page of orders, or of a customer's.
pub(super) async fn page(app: &App, mut asked: Asked, customer: Option<Uuid>) -> Result<Response, Problem> {
    let state = asked.word("state", &STATES)?;
    let after = asked.after(app)?;
    let orders = order::list(&app.db, customer, state, after, asked.rows()).await?;
    Ok(asked.page(app, orders, |order| (order.created_at, order.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = order::get(&app.db, in_path(Thing::Order, &id)?).await?;
    Ok(Single::new(spelt(&order)).read(&headers))
}
