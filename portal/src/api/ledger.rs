//! The ledger, to be read: accounts with their balances, and what was booked. Nothing is booked from here.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use shared::time::rfc3339;
use store::rest::ledger::{self, Transaction};

use super::id::{Kind as Thing, in_path, spell};
use super::json;
use super::list::{Asked, whole};
use super::problem::Problem;
use super::single::Single;
use crate::App;

#[derive(Debug, Serialize)]
struct Account {
    code: String,
    name: String,
    kind: String,
    balance: Option<json::Money>,
}

pub(super) async fn accounts(State(app): State<App>) -> Result<Response, Problem> {
    let accounts = ledger::accounts(&app.db).await?;
    let told = accounts.into_iter().map(|account| Account {
        code: account.code,
        name: account.name,
        kind: account.kind,
        balance: account.balance.map(json::Money::from),
    });
    Ok(whole(told.collect()))
}

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    key: String,
    order: Option<String>,
    description: String,
    posted_at: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    account: String,
    amount: json::Money,
}

fn spelt(transaction: &Transaction) -> Spelt {
    let entry = |(account, amount): &(String, shared::money::Money)| Entry {
        account: account.clone(),
        amount: (*amount).into(),
    };
    Spelt {
        id: spell(Thing::Transaction, transaction.id),
        key: transaction.key.clone(),
        order: transaction.order.map(|order| spell(Thing::Order, order)),
        description: transaction.description.clone(),
        posted_at: rfc3339(transaction.posted_at),
        entries: transaction.entries.iter().map(entry).collect(),
    }
}

pub(super) async fn transactions(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let booked = ledger::transactions(&app.db, asked.after(&app)?, asked.rows()).await?;
    Ok(asked.page(&app, booked, |one| (one.posted_at, one.id), spelt))
}

pub(super) async fn transaction(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let transaction = ledger::transaction(&app.db, in_path(Thing::Transaction, &id)?).await?;
    Ok(Single::new(spelt(&transaction)).read(&headers))
}
