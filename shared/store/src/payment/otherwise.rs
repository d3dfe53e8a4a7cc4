//! What a report tells of a payment that is settled already, and that is not what the ledger has.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::security::{self, Event, Kind};
use crate::{Db, Result};

/// A report tells another amount of a settled payment than is booked. Nothing is booked by that: it is noted with the payment
/// and in the security log, once for each amount. Returns whether it was noted only now; `false` also if it is what is booked.
pub async fn told_otherwise(db: &Db, payment: Uuid, amount: Money, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let row = sqlx::query!(
        r#"UPDATE payments p SET told_minor = $2, updated_at = $4 FROM orders o
           WHERE p.id = $1 AND o.id = p.order_id AND p.state = 'succeeded' AND p.told_minor IS DISTINCT FROM $2
             AND EXISTS (SELECT FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                         WHERE t.key = 'payment:' || p.id AND e.amount_minor > 0
                           AND (e.amount_minor <> $2 OR e.currency <> $3))
           RETURNING o.code AS "code!", p.receipt"#,
        payment,
        amount.minor,
        amount.currency.as_str(),
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let receipt = row.receipt.map(|receipt| format!(" ({receipt})")).unwrap_or_default();
    let detail = format!("order {}{receipt}: {amount} was told, and another amount is booked", row.code);
    security::record_in(&mut tx, &Event::of(Kind::MoneyDiffers, detail), now).await?;
    tx.commit().await?;
    Ok(true)
}
