//! What the provider says of one refund after it took it: that the card has it, or that it has not.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{finish, money};
use crate::ledger::{self, Account};
use crate::{Db, Result, StoreError};

/// What a provider says of one refund now.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The provider's name of it.
    pub reference: &'a str,
    /// Our own identity of it, where the provider names that.
    pub ours: Option<Uuid>,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub stands: Stands<'a>,
}

/// Where a refund stands at its provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stands<'a> {
    /// The card has it.
    Done,
    /// It is on its way.
    Pending,
    /// The card did not take it, for this reason: the money is with us again.
    Failed(&'a str),
}

/// What became of being told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followed {
    /// It is done now.
    Done,
    /// It has failed, and is owed to the customer as before.
    Failed,
    /// It was known before, or is none that we know of.
    Known,
}

/// The provider says this of one refund of a payment now. Being told again changes nothing.
pub async fn told(db: &Db, payment: Uuid, told: &Told<'_>, now: OffsetDateTime) -> Result<Followed> {
    let mut tx = db.begin().await?;
    let order = sqlx::query!(
        "SELECT id, code FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    // What was given back elsewhere was told of as a sum: it has no name here, and is known by its amount.
    let row = sqlx::query!(
        "SELECT id, state, amount_minor, currency FROM refunds
         WHERE payment_id = $1
           AND (reference = $2 OR id = $3 OR (NOT is_ours AND reference IS NULL AND amount_minor = $4 AND state = 'done'))
         ORDER BY (reference IS NOT DISTINCT FROM $2) DESC, (id IS NOT DISTINCT FROM $3) DESC, created_at DESC LIMIT 1 FOR UPDATE",
        payment,
        told.reference,
        told.ours,
        told.amount.minor
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(Followed::Known) };
    let followed = match (told.stands, row.state.as_str()) {
        (Stands::Pending, _) | (_, "failed") => Followed::Known,
        (Stands::Done, _) => {
            let is_new = finish(&mut tx, row.id, Some(told.reference), now).await?;
            if is_new { Followed::Done } else { Followed::Known }
        }
        (Stands::Failed(reason), state) => {
            sqlx::query!(
                "UPDATE refunds SET state = 'failed', reference = $2, reason = $3, next_attempt_at = NULL, updated_at = $4 WHERE id = $1",
                row.id,
                told.reference,
                reason,
                now
            )
            .execute(&mut *tx)
            .await?;
            if state == "done" {
                let amount = money(row.id, row.amount_minor, &row.currency)?;
                let what = format!("a card did not take the money of order {}", order.code);
                let (key, accounts) = (format!("refund_failed:{}", row.id), (Account::Stripe, Account::RefundsDue));
                ledger::book(&mut tx, &key, Some(order.id), &what, accounts, amount, now).await?;
            }
            Followed::Failed
        }
    };
    tx.commit().await?;
    Ok(followed)
}
