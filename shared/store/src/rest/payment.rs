//! Payments, and refunds to cards, as programs read them.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::money::money;
use crate::payment::Listed;
use crate::{Db, Result, StoreError};

struct Row {
    id: Uuid,
    order_code: String,
    order_state: String,
    phone: String,
    package: String,
    amount_minor: i64,
    currency: String,
    state: String,
    provider: String,
    receipt: Option<String>,
    result: Option<String>,
    told_minor: Option<i64>,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Listed> {
        let told = row.told_minor.map(|minor| money("payments", row.id, minor, &row.currency)).transpose()?;
        Ok(Listed {
            amount: money("payments", row.id, row.amount_minor, &row.currency)?,
            told,
            provider: row.provider,
            phone: row.phone.parse().ok(),
            id: row.id,
            order_code: row.order_code,
            order_state: row.order_state,
            package: row.package,
            state: row.state,
            receipt: row.receipt,
            result: row.result,
            created_at: row.created_at,
        })
    }
}

/// Payments, by what follows the tables' names.
macro_rules! payments {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT y.id, o.code AS order_code, o.state AS order_state, o.phone, o.package->>'name' AS "package!", y.amount_minor,
                      y.currency, y.state, y.provider, y.receipt, y.result_text AS result, y.told_minor, y.created_at
               FROM payments y JOIN orders o ON o.id = y.order_id "# + $rest,
            $($argument),+
        )
    };
}

/// A page of payments, or of those in a state.
pub async fn list(db: &Db, state: Option<&str>, after: After, limit: u32) -> Result<Vec<Listed>> {
    payments!(
        "WHERE y.created_at <= $1 AND (y.created_at < $1 OR y.id > $2) AND ($3::text IS NULL OR y.state = $3)
         ORDER BY y.created_at DESC, y.id LIMIT $4",
        after.at,
        after.id,
        state,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Listed::try_from)
    .collect()
}

/// One payment.
pub async fn get(db: &Db, id: Uuid) -> Result<Listed> {
    payments!("WHERE y.id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("payment", id))?
        .try_into()
}

/// Money that goes back to a card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refund {
    /// Its identity.
    pub id: Uuid,
    /// What it gives back.
    pub payment: Uuid,
    /// How much.
    pub amount: Money,
    /// `created`, `unknown`, `pending`, `done`, `failed` or `refused`.
    pub state: String,
    /// The provider's name of it.
    pub reference: Option<String>,
    /// Why it was not done, or is not known; empty otherwise.
    pub reason: String,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub created_at: OffsetDateTime,
}

struct RefundRow {
    id: Uuid,
    payment: Uuid,
    amount_minor: i64,
    currency: String,
    state: String,
    reference: Option<String>,
    reason: String,
    asked_by: String,
    created_at: OffsetDateTime,
}

impl TryFrom<RefundRow> for Refund {
    type Error = StoreError;
    fn try_from(row: RefundRow) -> Result<Refund> {
        Ok(Refund {
            amount: money("refunds", row.id, row.amount_minor, &row.currency)?,
            id: row.id,
            payment: row.payment,
            state: row.state,
            reference: row.reference,
            reason: row.reason,
            asked_by: row.asked_by,
            created_at: row.created_at,
        })
    }
}

/// A page of refunds.
pub async fn refunds(db: &Db, after: After, limit: u32) -> Result<Vec<Refund>> {
    sqlx::query_as!(
        RefundRow,
        "SELECT id, payment_id AS payment, amount_minor, currency, state, reference, reason, asked_by, created_at FROM refunds
         WHERE id < $1 ORDER BY id DESC LIMIT $2",
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Refund::try_from)
    .collect()
}

/// One refund.
pub async fn refund(db: &Db, id: Uuid) -> Result<Refund> {
    sqlx::query_as!(
        RefundRow,
        "SELECT id, payment_id AS payment, amount_minor, currency, state, reference, reason, asked_by, created_at FROM refunds
         WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("refund", id))?
    .try_into()
}
