//! The queue of money that waits for a person, as the desk lists it, and what a person leaves out of it.
//!
//! Money that is ignored is not for the Wi-Fi: another business has the same till. It stays booked as owed to somebody, is neither
//! listed nor counted among what waits, and can be assigned, given back or taken up again all the same.

use shared::money::Money;
use shared::time::OffsetDateTime;

use super::{money, waiting};
use crate::admin::Author;
use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// Characters of a reason at most: a sentence or two.
pub const MAX_REASON: usize = 300;

/// Who can have it.
pub const HOLDERS: [&str; 3] = ["mpesa", "stripe", "bank"];

/// Money that waits for a person, or did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Who has it: `mpesa`; of what only a statement tells, `stripe` or `bank`.
    pub provider: String,
    /// The provider's receipt; of what only a statement tells, a name of ours.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// The payer's name, as told.
    pub payer_name: String,
    /// The payer's number, as told.
    pub payer_number: String,
    /// What was typed as account number.
    pub typed: String,
    /// When it was paid, or told of.
    pub at: OffsetDateTime,
    /// Whether the provider, asked by us, said the same.
    pub is_confirmed: bool,
    /// Whether it is in the ledger. What is told beside the receipt of a prompt, and not confirmed, is not.
    pub is_booked: bool,
    /// `unmatched`, `matched`, `assigned` or `refunded`.
    pub state: String,
    /// Code of the order that it pays for.
    pub order: Option<String>,
    /// What it was more than that order's price, where a person assigned it.
    pub rest: Option<Money>,
    /// Who decided what it is for.
    pub decided_by: Option<String>,
    /// When it had gone back to the payer.
    pub given_back_at: Option<OffsetDateTime>,
    /// What proves that.
    pub given_back_proof: Option<String>,
    /// That it is not to be looked at.
    pub ignored: Option<Ignored>,
}

/// That money is not to be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ignored {
    /// Since when.
    pub at: OffsetDateTime,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
}

struct Row {
    provider: String,
    receipt: String,
    amount_minor: i64,
    currency: String,
    payer_name: String,
    payer_number: String,
    reference: String,
    at: OffsetDateTime,
    confirmed_at: Option<OffsetDateTime>,
    is_booked: bool,
    state: String,
    order: Option<String>,
    price_minor: Option<i64>,
    decided_by: Option<String>,
    given_back_at: Option<OffsetDateTime>,
    given_back_proof: Option<String>,
    ignored_at: Option<OffsetDateTime>,
    ignored_by: Option<String>,
    ignored_reason: Option<String>,
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Listed> {
        let amount = money(&row.receipt, row.amount_minor, &row.currency)?;
        let price = row.price_minor.filter(|_| row.state == "assigned");
        let rest = price.map(|price| Money { minor: amount.minor - price, ..amount });
        let ignored = row.ignored_at.zip(row.ignored_by).zip(row.ignored_reason);
        Ok(Listed {
            amount,
            provider: row.provider,
            receipt: row.receipt,
            payer_name: row.payer_name,
            payer_number: row.payer_number,
            typed: row.reference,
            at: row.at,
            is_confirmed: row.confirmed_at.is_some(),
            is_booked: row.is_booked,
            state: row.state,
            order: row.order,
            rest: rest.filter(|rest| rest.minor > 0),
            decided_by: row.decided_by,
            given_back_at: row.given_back_at,
            given_back_proof: row.given_back_proof,
            ignored: ignored.map(|((at, by), reason)| Ignored { at, by, reason }),
        })
    }
}

/// Receipts, by what follows the tables.
macro_rules! receipts {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT m.provider, m.receipt, m.amount_minor, m.currency, m.payer_name, m.payer_number, m.reference,
                      coalesce(m.paid_at, m.received_at) AS "at!", m.confirmed_at, m.is_booked, m.state, o.code AS "order?",
                      o.amount_minor AS "price_minor?", m.decided_by, m.given_back_at, m.given_back_proof,
                      m.ignored_at, m.ignored_by, m.ignored_reason
               FROM received_money m LEFT JOIN orders o ON o.id = m.order_id "# + $rest,
            $($argument),+
        )
    };
}

/// The newest money: what waits for a person, to be assigned or to be given back, or all.
pub async fn list(db: &Db, all: bool, limit: u32) -> Result<Vec<Listed>> {
    receipts!(
        "WHERE $1 OR (m.state = 'unmatched' AND m.ignored_at IS NULL) OR (m.state = 'refunded' AND m.given_back_at IS NULL)
         ORDER BY m.received_at DESC, m.id LIMIT $2",
        all,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Listed::try_from)
    .collect()
}

/// The money of one receipt.
pub async fn get(db: &Db, receipt: &str) -> Result<Listed> {
    receipts!("WHERE m.receipt = $1", receipt)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("receipt", receipt))?
        .try_into()
}

/// How many receipts wait for a person to say whose they are.
pub async fn count_waiting(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM received_money WHERE state = 'unmatched' AND ignored_at IS NULL"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}

/// The same by who has the money: each of [`HOLDERS`], also where nothing waits.
pub async fn count_waiting_at(db: &Db) -> Result<[(&'static str, u64); 3]> {
    let rows = sqlx::query!(
        r#"SELECT provider, count(*) AS "count!" FROM received_money WHERE state = 'unmatched' AND ignored_at IS NULL GROUP BY provider"#
    )
    .fetch_all(&db.pool)
    .await?;
    let of = |holder: &str| rows.iter().find(|row| row.provider == holder).map_or(0, |row| unsigned(row.count));
    Ok(HOLDERS.map(|holder| (holder, of(holder))))
}

/// Leaves money that waits out of the queue.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: it does not wait, or no reason is given.
pub async fn ignore(
    db: &Db,
    receipt: &str,
    reason: &str,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<()> {
    let by: Author<'_> = by.into();
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON {
        return Err(StoreError::Conflict(format!("say in at most {MAX_REASON} characters why this money is ignored")));
    }
    let mut tx = db.begin().await?;
    waiting(&mut tx, receipt).await?;
    sqlx::query!(
        "UPDATE received_money SET ignored_at = $2, ignored_by = $3, ignored_reason = $4 WHERE receipt = $1",
        receipt,
        now,
        by.name,
        reason
    )
    .execute(&mut *tx)
    .await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes money that was ignored up again.
///
/// # Errors
/// [`StoreError::Conflict`]: it does not wait.
pub async fn heed(db: &Db, receipt: &str, by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<()> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    waiting(&mut tx, receipt).await?;
    sqlx::query!(
        "UPDATE received_money SET ignored_at = NULL, ignored_by = NULL, ignored_reason = NULL WHERE receipt = $1",
        receipt
    )
    .execute(&mut *tx)
    .await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(())
}
