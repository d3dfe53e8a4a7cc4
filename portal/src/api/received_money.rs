//! Money that M-Pesa told of by itself, or only a statement of Stripe or the bank: what each receipt is for, and money that goes back. Each
//! decision is made once under its key, by the same functions that the desk and the command line call.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;
use shared::money::Money;
use shared::time::{OffsetDateTime, rfc3339};
use store::StoreError;
use store::mpesa_request::{self, Request, State as Stands};
use store::rest::received;
use store::unmatched::{self, Listed, MAX_REASON, Purpose};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, spell};
use super::idempotency::Work;
use super::input::{Input, flag, got, id_of, line, phone, spelt as read_by};
use super::json;
use super::list::Asked;
use super::problem::{Kind, Problem};
use super::single::Single;
use crate::App;
use crate::cli::values;
use crate::payments::asked::Asking;
use crate::payments::mpesa::operations::Asked as Said;
use crate::payments::reached_at;

/// What is said to M-Pesa about money that goes back.
const REMARKS: &str = "Refund";

#[derive(Debug, Serialize)]
struct Spelt {
    provider: String,
    receipt: String,
    amount: json::Money,
    payer_name: String,
    payer_number: String,
    account: String,
    at: String,
    confirmed: bool,
    state: String,
    order: Option<String>,
    rest: Option<json::Money>,
    decided_by: Option<String>,
    given_back_at: Option<String>,
    given_back_proof: Option<String>,
    ignored: Option<Ignored>,
}

#[derive(Debug, Serialize)]
struct Ignored {
    at: String,
    by: String,
    reason: String,
}

fn spelt(money: &Listed) -> Spelt {
    Spelt {
        provider: money.provider.clone(),
        receipt: money.receipt.clone(),
        amount: money.amount.into(),
        payer_name: money.payer_name.clone(),
        payer_number: money.payer_number.clone(),
        account: money.typed.clone(),
        at: rfc3339(money.at),
        confirmed: money.is_confirmed,
        state: money.state.clone(),
        order: money.order.clone(),
        rest: money.rest.map(json::Money::from),
        decided_by: money.decided_by.clone(),
        given_back_at: money.given_back_at.map(rfc3339),
        given_back_proof: money.given_back_proof.clone(),
        ignored: money.ignored.as_ref().map(|ignored| Ignored {
            at: rfc3339(ignored.at),
            by: ignored.by.clone(),
            reason: ignored.reason.clone(),
        }),
    }
}

/// The receipt in an address, in its one spelling.
fn receipt(text: &str) -> Result<String, Problem> {
    let read = values::receipt(text).ok().filter(|receipt| receipt == text);
    read.ok_or_else(|| Problem::new(Kind::NotFound))
}

async fn now(app: &App, receipt: &str, status: StatusCode) -> Result<Response, Problem> {
    Ok(Single::new(spelt(&unmatched::get(&app.db, receipt).await?)).answer(status))
}

pub(super) async fn list(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let all = asked.word("which", &["waiting", "all"])? == Some("all");
    let after = asked.after(&app)?;
    let rows = received::list(&app.db, !all, after, asked.rows()).await?;
    let place = |row: &(OffsetDateTime, Uuid, Listed)| (row.0, row.1);
    Ok(asked.page(&app, rows, place, |row| spelt(&row.2)))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(Single::new(spelt(&unmatched::get(&app.db, &receipt(&text)?).await?)).read(&headers))
}

/// `POST /received-money/{receipt}/assignments`: it pays for an order, or for a package for somebody, who has access at once.
pub(super) async fn assign(
    State(app): State<App>,
    token: Token,
    Path(text): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let order = input.change("order", read_by(order_code));
    let phone = input.change("phone", phone);
    let package = input.change("package", id_of(Thing::Package));
    if order.is_some() == (phone.is_some() && package.is_some()) || phone.is_some() != package.is_some() {
        input.note("order", "incomplete", "say order, or phone and package".into());
    }
    input.done()?;
    let receipt = receipt(&text)?;
    let package = match package {
        Some(package) => Some(store::package::by_id(&app.db, package).await?),
        None => None,
    };
    let purpose = match (&order, &phone, &package) {
        (Some(code), ..) => Purpose::Order(code),
        (None, Some(phone), Some(package)) => Purpose::Package { phone, package },
        (None, ..) => return Err(Problem::new(Kind::Internal)),
    };
    let line = token.line("money.assign", &receipt);
    let assigned = unmatched::assign(&app.db, &receipt, &purpose, &line, app.clock.now()).await?;
    let answer = json!({
        "receipt": receipt, "order": assigned.order, "rest": assigned.rest.map(json::Money::from),
        "entitlement": spell(Thing::Entitlement, assigned.entitlement),
    });
    Ok((StatusCode::OK, Json(answer)).into_response())
}

fn order_code(text: &str) -> Result<String, &'static str> {
    let is_code = (6..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if is_code { Ok(text.to_owned()) } else { Err("write the code of an order, such as AB2CD3EF") }
}

/// `POST /received-money/{receipt}/refunds`: it goes back, and is owed to its payer from now on.
pub(super) async fn refund(
    State(app): State<App>,
    token: Token,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let receipt = receipt(&text)?;
    unmatched::refund_due(&app.db, &receipt, &token.line("money.refund", &receipt), app.clock.now()).await?;
    now(&app, &receipt, StatusCode::OK).await
}

/// `POST /received-money/{receipt}/reversals`: M-Pesa is asked to give back what is owed. What it answers later is booked by itself.
/// Work that is taken up again, whose answer was lost, does not ask a second time: it tells how the request stands.
pub(super) async fn reverse(
    State(app): State<App>,
    token: Token,
    Work(work): Work,
    Path(text): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let again = input.optional("again", flag).unwrap_or(false);
    input.done()?;
    let (receipt, time) = (receipt(&text)?, app.clock.now());
    let operator = app.mpesa.as_ref().and_then(|mpesa| mpesa.operator()).ok_or_else(|| {
        Problem::from(StoreError::Conflict(
            "M-Pesa cannot be asked: there is no [mpesa.initiator] in the configuration".into(),
        ))
    })?;
    match mpesa_request::get(&app.db, work).await {
        Err(StoreError::Missing { .. }) => {}
        known => return as_it_stands(&known?),
    }
    let amount = unmatched::owed(&app.db, &receipt).await?;
    token.audit(&app, "money.reverse", &receipt).await?;
    let asking = Asking { db: &app.db, base: reached_at(&app.config), operator, by: &token.actor, now: time };
    match asking.reversal_as(work, (&receipt, amount), REMARKS, again).await? {
        Some(Said::Accepted { .. }) => Ok(asked_of(&receipt, amount, "asked", None)),
        Some(Said::Refused(refusal)) => Err(not_given(&refusal.code_and_text().1)),
        // Whoever asks again under the same key is told the same: only a person can look at M-Pesa's statement.
        Some(Said::Unknown(why)) => Ok(asked_of(&receipt, amount, "unknown", Some(&why.to_string()))),
        None => as_it_stands(&mpesa_request::get(&app.db, work).await?),
    }
}

/// The answer about a reversal that was asked for before.
fn as_it_stands(request: &Request) -> Result<Response, Problem> {
    let said = request.result.as_deref();
    match request.state {
        Stands::Accepted | Stands::Succeeded => Ok(asked_of(&request.receipt, request.amount, "asked", None)),
        Stands::Created | Stands::Unknown | Stands::TimedOut => {
            let detail = said.unwrap_or("M-Pesa’s answer was not heard: look at its statement");
            Ok(asked_of(&request.receipt, request.amount, "unknown", Some(detail)))
        }
        Stands::Refused | Stands::Denied | Stands::Failed => Err(not_given(said.unwrap_or("it gave no reason"))),
    }
}

fn asked_of(receipt: &str, amount: Money, state: &str, detail: Option<&str>) -> Response {
    let answer = json!({ "receipt": receipt, "amount": json::Money::from(amount), "state": state, "detail": detail });
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

fn not_given(why: &str) -> Problem {
    StoreError::Conflict(format!("M-Pesa does not give it back: {why}")).into()
}

/// `POST /received-money/{receipt}/returns`: a person has given it back, which this proves.
pub(super) async fn given_back(
    State(app): State<App>,
    token: Token,
    Path(text): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let proof = input.required("proof", line(200));
    input.done()?;
    let (receipt, proof) = (receipt(&text)?, got(proof)?);
    let object = format!("{receipt} by {proof}");
    let line = token.line("money.given_back", &object);
    unmatched::given_back(&app.db, &receipt, &proof, &line, app.clock.now()).await?;
    now(&app, &receipt, StatusCode::OK).await
}

/// `POST /received-money/{receipt}/ignores`: it is not for the Wi-Fi.
pub(super) async fn ignore(
    State(app): State<App>,
    token: Token,
    Path(text): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let reason = input.required("reason", line(MAX_REASON));
    input.done()?;
    let (receipt, reason) = (receipt(&text)?, got(reason)?);
    let object = format!("{receipt} ({reason})");
    let line = token.line("money.ignore", &object);
    unmatched::ignore(&app.db, &receipt, &reason, &line, app.clock.now()).await?;
    now(&app, &receipt, StatusCode::OK).await
}

/// `POST /received-money/{receipt}/heeds`: what was ignored waits again.
pub(super) async fn heed(State(app): State<App>, token: Token, Path(text): Path<String>) -> Result<Response, Problem> {
    let receipt = receipt(&text)?;
    unmatched::heed(&app.db, &receipt, &token.line("money.heed", &receipt), app.clock.now()).await?;
    now(&app, &receipt, StatusCode::OK).await
}
