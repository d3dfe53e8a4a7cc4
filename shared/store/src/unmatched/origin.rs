//! Where the money of a receipt is, asked by whoever is about to book it: new, waiting in the queue, or used already.
//!
//! Used by [`crate::settlement`], so that the report of a prompt and the paybill's confirmation of the same payment, in
//! whatever order they come, are one booking; and Stripe's report and what a person wrote down from its statement.

use shared::money::Money;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{PROVIDER, book_waiting, decide, money};
use crate::ledger::{self, Account};
use crate::settlement::{Received, Settled, settle_in};
use crate::{Result, payment};

/// Where the money of a receipt is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// It is not booked yet.
    New,
    /// It is booked, and waits for somebody to say what it is for.
    Waiting(Money),
    /// It pays for something, or goes back, or has been booked with another attempt to pay the same order.
    Spent,
}

/// Holds a receipt until the end of the transaction. Whoever holds one takes its lock first, before an order's: so nobody
/// waits in a circle. The receipt need not be known yet.
pub(crate) async fn hold(tx: &mut PgConnection, receipt: &str) -> Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('received_money'), hashtext($1))", receipt)
        .fetch_all(tx)
        .await?;
    Ok(())
}

/// Where the money of a held receipt is, seen from a payment of that provider's that a report with this receipt speaks of.
pub(crate) async fn origin(tx: &mut PgConnection, provider: &str, receipt: &str, payment: Uuid) -> Result<Origin> {
    let known = sqlx::query!(
        "SELECT state, amount_minor, currency FROM received_money WHERE provider = $1 AND receipt = $2",
        provider,
        receipt
    )
    .fetch_optional(&mut *tx)
    .await?;
    match known {
        Some(row) if row.state == "unmatched" => {
            return Ok(Origin::Waiting(money(receipt, row.amount_minor, &row.currency)?));
        }
        Some(_) => return Ok(Origin::Spent),
        None => {}
    }
    let is_booked = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payments other JOIN payments own ON own.order_id = other.order_id
             WHERE other.provider = $1 AND other.receipt = $2 AND own.id = $3 AND other.id <> own.id) AS "exists!""#,
        provider,
        receipt,
        payment
    )
    .fetch_one(tx)
    .await?;
    Ok(if is_booked { Origin::Spent } else { Origin::New })
}

/// Settles a payment with money that waits: a report says that it is this payment's.
pub(crate) async fn claim(
    tx: &mut PgConnection,
    payment: Uuid,
    receipt: &str,
    amount: Money,
    now: OffsetDateTime,
) -> Result<Settled> {
    let received =
        Received { receipt: Some(receipt), amount: Some(amount), from: Account::Unmatched, by_the_phone: true };
    let settled = settle_in(&mut *tx, payment, &received, now).await?;
    // Whatever it is booked as, it is booked from what waits.
    if settled != Settled::Already {
        book_waiting(&mut *tx, receipt, now).await?;
    }
    let own = sqlx::query!("SELECT order_id, receipt FROM payments WHERE id = $1", payment).fetch_one(&mut *tx).await?;
    let state = match settled {
        Settled::Granted { .. } => "matched",
        Settled::RefundDue => "refunded",
        // The payment is settled with another receipt: this is other money, and goes on waiting.
        Settled::Already | Settled::Another if own.receipt.as_deref() != Some(receipt) => return Ok(settled),
        Settled::Already | Settled::Another => {
            // It was settled before anyone knew its receipt, so the same money is booked twice: once of that is taken back.
            book_waiting(&mut *tx, receipt, now).await?;
            let key = format!("received:{PROVIDER}:{receipt}:known");
            let what = format!("receipt {receipt} is booked with its payment");
            let accounts = (Account::Unmatched, Account::Mpesa);
            ledger::book(&mut *tx, &key, Some(own.order_id), &what, accounts, amount, now).await?;
            "matched"
        }
    };
    decide(tx, receipt, state, Some(own.order_id), "report", now).await?;
    Ok(settled)
}

/// Whether a settled payment has this receipt.
pub(crate) async fn is_own(tx: &mut PgConnection, payment: Uuid, receipt: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT receipt IS NOT DISTINCT FROM $2 AS "is_own!" FROM payments WHERE id = $1"#,
        payment,
        receipt
    )
    .fetch_one(tx)
    .await?)
}

/// Ends a payment whose money has been used under this receipt: nothing is booked, and it is not asked about again.
pub(crate) async fn spent(tx: &mut PgConnection, payment: Uuid, receipt: &str, now: OffsetDateTime) -> Result<Settled> {
    let order = sqlx::query_scalar!(
        "SELECT id FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?;
    let ended = sqlx::query!(
        "UPDATE payments SET state = 'failed', result_code = 'used', result_text = $3, next_check_at = NULL, updated_at = $2
         WHERE id = $1 AND state <> 'succeeded'",
        payment,
        now,
        format!("its money is booked already, as {receipt}")
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if let (Some(order), true) = (order, ended > 0) {
        payment::move_order_on(tx, order, "failed", "used", now).await?;
    }
    Ok(Settled::Already)
}
