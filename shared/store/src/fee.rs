//! What the provider of cards keeps of payments: an expense, and less on its account.
//!
//! The provider says it only some time after the money came, and not with it. So a payment is booked whole when it is settled,
//! and it stands in a queue from then on ([`claim`]) until everything that is kept of it is booked ([`book`]). Each fee is
//! booked under the name of the line in the provider's own books, so that asking again books nothing twice. What is kept when
//! money goes back stands in another line there: a refund puts its payment into the queue again ([`ask_again`]).

use std::time::Duration;

use shared::money::Money;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ledger::{self, Account};
use crate::package::unsigned;
use crate::{Db, Result, StoreError, facts};

/// A payment to ask the provider about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// The payment.
    pub payment: Uuid,
    /// The provider's receipt of it.
    pub receipt: String,
    /// Whether money of it has gone back, or was meant to.
    pub has_refunds: bool,
    /// Whether the provider's name of its charge is known.
    pub has_charge: bool,
    /// How often the provider was asked, this time included.
    pub attempts: u32,
}

/// A line of the provider's books.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    /// The provider's name of it.
    pub line: String,
    /// What was kept; below zero: what was given back of that.
    pub fee: Money,
}

/// Takes up payments of which it is not known what is kept. One that nothing is said of comes back after `lease`.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"UPDATE payments p SET fees_next_at = $2, fees_attempts = p.fees_attempts + 1
           WHERE p.id IN (
               SELECT id FROM payments WHERE provider = 'stripe' AND state = 'succeeded' AND fees_known_at IS NULL
                 AND receipt IS NOT NULL AND (fees_next_at IS NULL OR fees_next_at <= $1)
               ORDER BY fees_next_at NULLS FIRST LIMIT $3 FOR UPDATE SKIP LOCKED)
           RETURNING p.id, p.receipt AS "receipt!", p.fees_attempts, p.charge IS NOT NULL AS "has_charge!",
               EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.state IN ('pending', 'done', 'failed')) AS "has_refunds!""#,
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    let due = rows.into_iter().map(|row| Due {
        payment: row.id,
        receipt: row.receipt,
        has_refunds: row.has_refunds,
        has_charge: row.has_charge,
        attempts: u32::try_from(row.fees_attempts).unwrap_or(0),
    });
    Ok(due.collect())
}

/// Notes the provider's name of a payment's charge, by which a line of its statement may name it: a program from before has noted none.
pub async fn name_charge(db: &Db, due: &Due, charge: &str) -> Result<()> {
    sqlx::query!("UPDATE payments SET charge = $2 WHERE id = $1 AND charge IS NULL", due.payment, charge)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Books what is known of a payment. `is_all`: nothing more is to be asked for. Returns how many lines were not booked before.
pub async fn book(db: &Db, due: &Due, charges: &[Charge], is_all: bool, now: OffsetDateTime) -> Result<u64> {
    let mut tx = db.pool.begin().await?;
    let booked = book_in(&mut tx, due.payment, charges, now).await?;
    if is_all {
        // Unless more has happened to it meanwhile, which counts anew.
        sqlx::query!(
            "UPDATE payments SET fees_known_at = $3, fees_next_at = NULL WHERE id = $1 AND fees_attempts = $2",
            due.payment,
            i32::try_from(due.attempts).unwrap_or(i32::MAX),
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(booked)
}

/// The same within a transaction.
pub(crate) async fn book_in(
    tx: &mut PgConnection,
    payment: Uuid,
    charges: &[Charge],
    now: OffsetDateTime,
) -> Result<u64> {
    let order = sqlx::query!(
        r#"SELECT o.id AS "id!", o.code AS "code!", p.created_at AS "begun_at!"
           FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = $1"#,
        payment
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    let mut booked = 0;
    for charge in charges.iter().filter(|charge| charge.fee.minor != 0) {
        let (accounts, what) = match charge.fee.minor {
            1.. => ((Account::Fees, Account::Stripe), "a fee of"),
            _ => ((Account::Stripe, Account::Fees), "a fee is given back of"),
        };
        let amount = Money { minor: charge.fee.minor.saturating_abs(), ..charge.fee };
        let (key, what) = (format!("fee:{}", charge.line), format!("{what} order {}", order.code));
        let is_new = ledger::book_once(&mut *tx, &key, Some(order.id), &what, accounts, amount, now).await?;
        booked += u64::from(is_new);
    }
    if booked > 0 {
        facts::correct(tx, [order.begun_at], now).await?;
    }
    Ok(booked)
}

/// Says when the provider is asked again; `None`: never, it has been asked often enough.
pub async fn later(db: &Db, due: &Due, at: Option<OffsetDateTime>) -> Result<()> {
    sqlx::query!(
        "UPDATE payments SET fees_next_at = coalesce($3::timestamptz, 'infinity')
         WHERE id = $1 AND fees_attempts = $2 AND fees_known_at IS NULL",
        due.payment,
        i32::try_from(due.attempts).unwrap_or(i32::MAX),
        at
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Something has happened to a payment of which the provider may keep something too.
pub(crate) async fn ask_again(tx: &mut PgConnection, payment: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE payments SET fees_known_at = NULL, fees_next_at = NULL, fees_attempts = 0 WHERE id = $1",
        payment
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How many payments there are of which it is not known what is kept, and that are still asked about.
pub async fn count_waiting(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM payments
           WHERE provider = 'stripe' AND state = 'succeeded' AND fees_known_at IS NULL
             AND (fees_next_at IS NULL OR fees_next_at < 'infinity')"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}
