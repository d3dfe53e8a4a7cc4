//! The ledger, as programs read it: accounts with their balances, and what was booked.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::money::money;
use crate::{Db, Result, StoreError};

/// An account in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its short name.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// `asset`, `liability`, `income` or `expense`.
    pub kind: String,
    /// Debits less credits; `None`: nothing was booked to it.
    pub balance: Option<Money>,
}

/// The accounts, each once for each currency that was booked to it.
pub async fn accounts(db: &Db) -> Result<Vec<Account>> {
    sqlx::query!(
        r#"SELECT a.code, a.name, a.kind, e.currency AS "currency?", e.minor AS "minor?"
           FROM ledger_accounts a LEFT JOIN (
               SELECT account_id, currency, sum(amount_minor)::bigint AS minor FROM ledger_entries GROUP BY account_id, currency) e
               ON e.account_id = a.id
           ORDER BY a.code, e.currency"#
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(|row| {
        let balance = row.minor.zip(row.currency);
        let balance = balance.map(|(minor, currency)| money("ledger_entries", &row.code, minor, &currency));
        Ok(Account { balance: balance.transpose()?, code: row.code, name: row.name, kind: row.kind })
    })
    .collect()
}

/// What was booked for one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Its identity.
    pub id: Uuid,
    /// The event, which is booked once.
    pub key: String,
    /// The order that it is about.
    pub order: Option<Uuid>,
    /// In words.
    pub description: String,
    /// When.
    pub posted_at: OffsetDateTime,
    /// Accounts and amounts, debits positive; they add up to nothing.
    pub entries: Vec<(String, Money)>,
}

/// A page of what was booked.
pub async fn transactions(db: &Db, after: After, limit: u32) -> Result<Vec<Transaction>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM ledger_transactions WHERE id < $1 ORDER BY id DESC LIMIT $2",
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    of(db, &ids).await
}

/// What was booked for one event.
pub async fn transaction(db: &Db, id: Uuid) -> Result<Transaction> {
    of(db, &[id]).await?.pop().ok_or_else(|| StoreError::missing("transaction", id))
}

/// Those, the newest first.
async fn of(db: &Db, ids: &[Uuid]) -> Result<Vec<Transaction>> {
    let rows = sqlx::query!(
        r#"SELECT t.id, t.key, t.order_id, t.description, t.posted_at, a.code, e.amount_minor, e.currency
           FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
           WHERE t.id = ANY ($1) ORDER BY t.id DESC, e.amount_minor DESC, a.code"#,
        ids
    )
    .fetch_all(&db.pool)
    .await?;
    let mut all: Vec<Transaction> = Vec::with_capacity(ids.len());
    for row in rows {
        let entry = (row.code, money("ledger_entries", row.id, row.amount_minor, &row.currency)?);
        match all.last_mut().filter(|last| last.id == row.id) {
            Some(last) => last.entries.push(entry),
            None => all.push(Transaction {
                id: row.id,
                key: row.key,
                order: row.order_id,
                description: row.description,
                posted_at: row.posted_at,
                entries: vec![entry],
            }),
        }
    }
    Ok(all)
}
