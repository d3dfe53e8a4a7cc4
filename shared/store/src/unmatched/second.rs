//! A receipt that is told for a prompt which is settled with another one, or was before anyone knew a receipt.
//!
//! A prompt is paid once, so that this may be anything: other money of the same payer, or words that somebody made up. It is
//! kept for a person whatever it is. It is booked as what we owe to somebody only if the provider, asked by us, says that it is
//! true; otherwise when a person decides what becomes of it, or when the paybill's confirmation tells the same ([`book_waiting`]).

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{PROVIDER, Told, Trust, hold, money};
use crate::ledger::{self, Account};
use crate::security::{self, Event, Kind};
use crate::{Db, Result};

/// Keeps it, and says so in the security log. Returns whether that was done only now: its receipt may be known.
pub async fn second(db: &Db, told: &Told, trust: Trust, event: Uuid, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let receipt = told.receipt.as_str();
    hold(&mut tx, receipt).await?;
    let is_true = trust == Trust::Confirmed;
    let kept = sqlx::query!(
        "INSERT INTO received_money (id, provider, receipt, amount_minor, currency, payer_name, payer_number, reference, paid_at,
             received_at, confirmed_at, state, event_id, is_booked)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'unmatched', $12, false
         WHERE NOT EXISTS (SELECT FROM payments WHERE provider = $2 AND receipt = $3)
         ON CONFLICT (provider, receipt) DO NOTHING",
        rng::id(now),
        PROVIDER,
        receipt,
        told.amount.minor,
        told.amount.currency.as_str(),
        told.payer_name,
        told.payer_number,
        told.typed,
        told.paid_at,
        now,
        is_true.then_some(now),
        event
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if kept == 0 {
        return Ok(false);
    }
    if is_true {
        book_waiting(&mut tx, receipt, now).await?;
    }
    let word = if is_true { "M-Pesa says that it is true" } else { "M-Pesa has not confirmed it" };
    let detail =
        format!("order {}: receipt {receipt} over {} was told beside its own; {word}", told.typed, told.amount);
    security::record_in(&mut tx, &Event::of(Kind::MoneyDiffers, detail), now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Books money that was kept unbooked as what we owe to somebody. What is booked stays as it is. The caller holds the receipt.
pub(crate) async fn book_waiting(tx: &mut PgConnection, receipt: &str, now: OffsetDateTime) -> Result<()> {
    let row = sqlx::query!(
        "UPDATE received_money SET is_booked = true WHERE provider = $1 AND receipt = $2 AND NOT is_booked
         RETURNING amount_minor, currency, reference",
        PROVIDER,
        receipt
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let amount = money(receipt, row.amount_minor, &row.currency)?;
    let key = format!("received:{PROVIDER}:{receipt}");
    let what = format!("receipt {receipt}, told beside that of order {}", row.reference);
    ledger::book(tx, &key, None, &what, (Account::Mpesa, Account::Unmatched), amount, now).await
}

/// The provider tells of it by itself: it is true, or as true as other payments from the menu. How much it is, is what is told now:
/// nobody has confirmed what was told before. The caller holds the receipt.
pub(super) async fn told_again(tx: &mut PgConnection, told: &Told, trust: Trust, now: OffsetDateTime) -> Result<()> {
    if trust == Trust::Unconfirmed {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE received_money SET amount_minor = $3, currency = $4,
             confirmed_at = CASE WHEN $5::boolean THEN $6::timestamptz ELSE confirmed_at END
         WHERE provider = $1 AND receipt = $2 AND NOT is_booked",
        PROVIDER,
        told.receipt,
        told.amount.minor,
        told.amount.currency.as_str(),
        trust == Trust::Confirmed,
        now
    )
    .execute(&mut *tx)
    .await?;
    book_waiting(tx, &told.receipt, now).await
}
