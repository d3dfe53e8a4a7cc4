//! Payments: what was asked for and what became of it, and money that goes back, to a card or by M-Pesa, once.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use shared::time::rfc3339;
use store::payment::Listed;
use store::refund::mpesa::{Extent, Way, Wish, give_back};
use store::rest::payment::{self, Refund};
use store::{StoreError, refund};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;
use crate::payments::MPESA;

const STATES: [&str; 6] = ["created", "prompted", "unknown", "confirming", "succeeded", "failed"];

fn spelt(payment: &Listed) -> json::Payment {
    payment.into()
}

pub(super) async fn list(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let state = asked.word("state", &STATES)?;
    let after = asked.after(&app)?;
    let payments = payment::list(&app.db, state, after, asked.rows()).await?;
    Ok(asked.page(&app, payments, |payment| (payment.created_at, payment.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let payment = payment::get(&app.db, in_path(Thing::Payment, &id)?).await?;
    Ok(Single::new(spelt(&payment)).read(&headers))
}

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    payment: String,
    amount: json::Money,
    state: String,
    reference: Option<String>,
    reason: String,
    asked_by: String,
    created_at: String,
}

fn spelt_refund(refund: &Refund) -> Spelt {
    Spelt {
        id: spell(Thing::Refund, refund.id),
        payment: spell(Thing::Payment, refund.payment),
        amount: refund.amount.into(),
        state: refund.state.clone(),
        reference: refund.reference.clone(),
        reason: refund.reason.clone(),
        asked_by: refund.asked_by.clone(),
        created_at: rfc3339(refund.created_at),
    }
}

pub(super) async fn refunds(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let after = asked.after(&app)?;
    let refunds = payment::refunds(&app.db, after, asked.rows()).await?;
    Ok(asked.page(&app, refunds, |refund| (refund.created_at, refund.id), spelt_refund))
}

pub(super) async fn get_refund(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let refund = payment::refund(&app.db, in_path(Thing::Refund, &id)?).await?;
    Ok(Single::new(spelt_refund(&refund)).read(&headers))
}

/// `POST /payments/{id}/refunds`: a payment goes back, and what it bought ends. Asked twice, it goes back once.
pub(super) async fn refund(State(app): State<App>, token: Token, Path(id): Path<String>) -> Result<Response, Problem> {
    let payment = in_path(Thing::Payment, &id)?;
    let asked = match payment::get(&app.db, payment).await?.provider.as_str() {
        MPESA => by_mpesa(&app, &token, payment).await?,
        _ => to_card(&app, &token, payment, &id).await?,
    };
    let refund = Single::new(spelt_refund(&payment::refund(&app.db, asked.id).await?));
    Ok(match asked.is_new {
        true => refund.created(&format!("/refunds/{}", spell(Thing::Refund, asked.id))),
        false => refund.answer(StatusCode::OK),
    })
}

async fn to_card(app: &App, token: &Token, payment: Uuid, id: &str) -> Result<refund::Asked, Problem> {
    if app.stripe.is_none() {
        return Err(StoreError::Conflict(
            "no card can get its money back: there is no [stripe] in the configuration".into(),
        )
        .into());
    }
    let asked = refund::ask(&app.db, payment, &token.actor, app.clock.now()).await?;
    if asked.is_new {
        token.audit(app, "money.refund", id).await?;
    }
    Ok(asked)
}

/// The store writes it into the audit log.
async fn by_mpesa(app: &App, token: &Token, payment: Uuid) -> Result<refund::Asked, Problem> {
    if app.mpesa.as_ref().is_none_or(|mpesa| mpesa.operator().is_none()) {
        return Err(StoreError::Conflict(
            "M-Pesa cannot be asked to give money back: there is no [mpesa.initiator] in the configuration".into(),
        )
        .into());
    }
    let wish = Wish { way: Way::Reversal, extent: Extent::All, by: &token.actor, from: Some(token.from) };
    Ok(give_back(&app.db, payment, &wish, app.clock.now()).await?)
}
