//! Giving back money of M-Pesa that is booked with a payment: of a prompt, or of the menu where it pays for an order.
//!
//! [`give_back`] decides in one transaction, as for cards: what the money bought ends, the ledger owes it to the customer, and either a
//! row waits here for M-Pesa to be asked, or a person has given it back, which a proof says. A job [`claim`]s what waits. A reversal has
//! no key that could be repeated: one of which it is not known whether M-Pesa heard it is [`unsure`], is asked about and never sent
//! again by itself; [`try_again`] is for a person, after M-Pesa was asked in vain. What M-Pesa answers comes by
//! [`crate::mpesa_request::ended`], in whose transaction it is booked.
//!
//! Money that came by itself and goes back ([`crate::unmatched::refund_due`]) has its own way, by its receipt, and is refused here. Where money of
//! Stripe or of the bank came by itself and paid for an order, nobody can be asked: that a person gave it back is noted here as well.

mod due;

use std::net::IpAddr;

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::due::{Due, Stage, catch_up, claim, later, refused, sent, unsure};
pub(crate) use self::due::{gone, heard, not_done, unsure_in};
use super::balance::{Amounts, amounts};
use super::{Asked, due_key, money, owe, take_back};
use crate::admin::{self, Audit};
use crate::ledger::{self, Account};
use crate::unmatched::PROVIDER;
use crate::{Db, Result, StoreError, unmatched};

/// How money goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way<'a> {
    /// M-Pesa is asked to reverse the payment.
    Reversal,
    /// A person has given it back.
    Hand {
        /// What proves that: who, how, and under which receipt.
        proof: &'a str,
    },
}

/// How much goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All of it, and what it bought ends.
    All,
    /// All of it, and what it bought goes on.
    Kept,
    /// What is owed of it already; a sale stays one.
    Owed,
}

impl Extent {
    const ALL: [Extent; 3] = [Extent::All, Extent::Kept, Extent::Owed];

    /// Its word in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Extent::All => "all",
            Extent::Kept => "kept",
            Extent::Owed => "owed",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Extent> {
        Extent::ALL.into_iter().find(|extent| extent.as_str() == text)
    }
}

/// What somebody wants to go back, and who.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// How.
    pub way: Way<'a>,
    /// How much.
    pub extent: Extent,
    /// Who says so.
    pub by: &'a str,
    /// From where.
    pub from: Option<IpAddr>,
}

/// The payment by M-Pesa that people mean by a receipt or by an order's code. Of two of one order it is the one that bought
/// nothing. `None`: there is none, or the money of that receipt goes back by itself.
pub async fn find(db: &Db, named: &str) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE p.state = 'succeeded'
           AND (p.provider = $1 OR EXISTS (SELECT FROM received_money s WHERE s.receipt = p.receipt AND s.provider <> $1))
           AND (o.code = upper($2)
                OR (p.receipt = $2 AND NOT EXISTS (SELECT FROM received_money m
                                                   WHERE m.provider = $1 AND m.receipt = $2 AND m.state = 'refunded')))
         ORDER BY EXISTS (SELECT FROM ledger_transactions t JOIN ledger_entries l ON l.transaction_id = t.id
                          JOIN ledger_accounts a ON a.id = l.account_id
                          WHERE t.key = 'payment:' || p.id AND a.code = 'refunds_due') DESC, p.created_at DESC
         LIMIT 1",
        PROVIDER,
        named
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// A payment that is held, with its order.
struct Held {
    order: Uuid,
    code: String,
    receipt: Option<String>,
    /// Whether M-Pesa has its money.
    is_mpesa: bool,
}

/// Holds the receipt, the order and the payment, in this order, as everybody does.
async fn hold(tx: &mut PgConnection, payment: Uuid) -> Result<Held> {
    let known = sqlx::query!("SELECT receipt FROM payments WHERE id = $1", payment)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("payment", payment))?;
    if let Some(receipt) = &known.receipt {
        unmatched::hold(&mut *tx, receipt).await?;
    }
    let order = sqlx::query!(
        "SELECT id, code FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_one(&mut *tx)
    .await?;
    let row = sqlx::query!("SELECT provider, state, receipt FROM payments WHERE id = $1 FOR UPDATE", payment)
        .fetch_one(&mut *tx)
        .await?;
    let is_mpesa = row.provider == PROVIDER;
    let is_by_hand = match row.receipt.as_deref().filter(|_| !is_mpesa) {
        Some(receipt) => unmatched::stated_account(&mut *tx, receipt).await?.is_some(),
        None => false,
    };
    if !(is_mpesa || is_by_hand) || row.state != "succeeded" {
        return Err(StoreError::Conflict(format!("order {} has no payment by M-Pesa that could go back", order.code)));
    }
    if row.receipt != known.receipt {
        return Err(StoreError::Conflict(format!("M-Pesa tells of order {} just now: try once more", order.code)));
    }
    Ok(Held { order: order.id, code: order.code, receipt: row.receipt, is_mpesa })
}

/// A refund that is under way.
struct Open {
    id: Uuid,
    state: String,
    amount: Money,
}

async fn open(tx: &mut PgConnection, payment: Uuid) -> Result<Option<Open>> {
    let row = sqlx::query!(
        "SELECT id, state, amount_minor, currency FROM refunds
         WHERE payment_id = $1 AND is_ours AND state IN ('created', 'unknown', 'pending') FOR UPDATE",
        payment
    )
    .fetch_optional(tx)
    .await?;
    row.map(|row| Ok(Open { amount: money(row.id, row.amount_minor, &row.currency)?, id: row.id, state: row.state }))
        .transpose()
}

/// Has a payment by M-Pesa go back, or notes that it has. Asking M-Pesa again finds the first refund; saying again that money went back
/// finds that nothing is left of it.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: it is no such payment, nothing of it is left, its receipt is not known, it goes
/// back in another way already, or what it bought is one with what other orders bought.
pub async fn give_back(db: &Db, payment: Uuid, wish: &Wish<'_>, now: OffsetDateTime) -> Result<Asked> {
    let mut tx = db.begin().await?;
    let held = hold(&mut tx, payment).await?;
    let asked = match (open(&mut tx, payment).await?, wish.way) {
        (Some(open), Way::Reversal) => return Ok(Asked { id: open.id, amount: open.amount, is_new: false }),
        (Some(open), Way::Hand { proof }) => settle_by_hand(&mut tx, &open, &held.code, proof, now).await?,
        (None, _) => begin(&mut tx, payment, &held, wish, now).await?,
    };
    let (action, object) = match wish.way {
        Way::Reversal => ("money.refund", format!("{} of order {}", asked.amount, held.code)),
        Way::Hand { proof } => ("money.given_back", format!("{} of order {} by {proof}", asked.amount, held.code)),
    };
    let line = Audit { actor: wish.by, action, object: &object, address: wish.from };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(asked)
}

/// A person has seen that it went back, or has given it back, where M-Pesa could not say.
async fn settle_by_hand(
    tx: &mut PgConnection,
    open: &Open,
    code: &str,
    proof: &str,
    now: OffsetDateTime,
) -> Result<Asked> {
    if open.state != "unknown" {
        return Err(StoreError::Conflict(format!(
            "M-Pesa is being asked to give the money of order {code} back: wait until it has answered"
        )));
    }
    sqlx::query!("UPDATE refunds SET way = 'hand', proof = $2, mpesa_next_at = NULL WHERE id = $1", open.id, proof)
        .execute(&mut *tx)
        .await?;
    finish(tx, open.id, None, now).await?;
    Ok(Asked { id: open.id, amount: open.amount, is_new: true })
}

async fn begin(
    tx: &mut PgConnection,
    payment: Uuid,
    held: &Held,
    wish: &Wish<'_>,
    now: OffsetDateTime,
) -> Result<Asked> {
    let code = &held.code;
    refuse_elsewhere(&mut *tx, held).await?;
    let amounts = amounts(&mut *tx, payment, held.receipt.as_deref()).await?;
    let amount = amounts.of(wish.extent);
    if amount.minor <= 0 {
        return Err(StoreError::Conflict(match wish.extent {
            Extent::Owed => format!("nothing of order {code} is owed"),
            Extent::All | Extent::Kept => format!("the money of order {code} has gone back already"),
        }));
    }
    let (way, proof, next) = match wish.way {
        Way::Reversal => {
            refuse_reversal(&mut *tx, payment, held).await?;
            ("reversal", None, Some(now))
        }
        Way::Hand { proof } => ("hand", Some(proof), None),
    };
    if amounts.is_sale && wish.extent != Extent::Owed {
        take_out(&mut *tx, payment, held, &amounts, wish, now).await?;
    }
    let id = rng::id(now);
    // What a person did is only booked here: it stands in nobody's way.
    sqlx::query!(
        "INSERT INTO refunds (id, payment_id, amount_minor, currency, way, proof, asked_by, is_ours, mpesa_next_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        id,
        payment,
        amount.minor,
        amount.currency.as_str(),
        way,
        proof,
        wish.by,
        wish.way == Way::Reversal,
        next,
        now
    )
    .execute(&mut *tx)
    .await?;
    if wish.way != Way::Reversal {
        finish(tx, id, None, now).await?;
    }
    Ok(Asked { id, amount, is_new: true })
}

/// The sale is none any more: its money is owed to the customer.
async fn take_out(
    tx: &mut PgConnection,
    payment: Uuid,
    held: &Held,
    amounts: &Amounts,
    wish: &Wish<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    let order = (held.order, held.code.as_str());
    owe(&mut *tx, &due_key(payment), order, amounts.came, now).await?;
    if wish.extent == Extent::Kept {
        return Ok(());
    }
    take_back(&mut *tx, order, wish.by, now).await.map_err(|error| match error {
        StoreError::Conflict(_) => StoreError::Conflict(format!(
            "what order {} bought is one with what other orders bought: let it go on, and take back what you can",
            held.code
        )),
        other => other,
    })?;
    sqlx::query!(
        "UPDATE orders SET state = 'refund_due', updated_at = $2 WHERE id = $1 AND state = 'paid'",
        held.order,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Money that goes back by its receipt goes back once.
async fn refuse_elsewhere(tx: &mut PgConnection, held: &Held) -> Result<()> {
    let Some(receipt) = &held.receipt else { return Ok(()) };
    if goes_by_receipt(tx, receipt).await? {
        return Err(StoreError::Conflict(format!(
            "the money of order {} goes back by its receipt {receipt}: look at that under Unmatched money",
            held.code
        )));
    }
    Ok(())
}

/// Whether the money of a receipt goes back, or has gone, as [`crate::unmatched`] has it.
pub(super) async fn goes_by_receipt(tx: &mut PgConnection, receipt: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM received_money WHERE provider = $1 AND receipt = $2 AND state = 'refunded') AS "does!""#,
        PROVIDER,
        receipt
    )
    .fetch_one(tx)
    .await?)
}

/// M-Pesa reverses what has a receipt, and once.
async fn refuse_reversal(tx: &mut PgConnection, payment: Uuid, held: &Held) -> Result<()> {
    let code = &held.code;
    if !held.is_mpesa {
        return Err(StoreError::Conflict(format!(
            "M-Pesa does not have the money of order {code}: give it back by hand, and say so"
        )));
    }
    if held.receipt.is_none() {
        return Err(StoreError::Conflict(format!(
            "M-Pesa has not told the receipt of order {code}: give the money back by hand, and say so"
        )));
    }
    let is_done = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM refunds WHERE payment_id = $1 AND is_ours AND state = 'done') AS "is_done!""#,
        payment
    )
    .fetch_one(tx)
    .await?;
    if is_done {
        return Err(StoreError::Conflict(format!(
            "M-Pesa has given a part of order {code} back already: give the rest back by hand, and say so"
        )));
    }
    Ok(())
}

/// It has gone back. `None`: that was known, or the refund was over.
async fn finish(
    tx: &mut PgConnection,
    id: Uuid,
    reference: Option<&str>,
    now: OffsetDateTime,
) -> Result<Option<Money>> {
    let row = sqlx::query!(
        r#"UPDATE refunds r SET state = 'done', reference = coalesce($2, r.reference), reason = '', mpesa_next_at = NULL, updated_at = $3
         FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE r.id = $1 AND p.id = r.payment_id AND r.way <> 'card' AND r.state IN ('created', 'unknown', 'pending')
         RETURNING r.amount_minor, r.currency, p.receipt, o.id AS "order_id!", o.code AS "code!""#,
        id,
        reference,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let amount = money(id, row.amount_minor, &row.currency)?;
    let what = format!("the money of order {} has gone back", row.code);
    let stated = match &row.receipt {
        Some(receipt) => unmatched::stated_account(&mut *tx, receipt).await?,
        None => None,
    };
    let accounts = (Account::RefundsDue, stated.unwrap_or(Account::Mpesa));
    ledger::book(tx, &format!("refund:{id}"), Some(row.order_id), &what, accounts, amount, now).await?;
    Ok(Some(amount))
}

/// A person has seen in M-Pesa's statement that a reversal of which nothing is known was not done: M-Pesa is asked to do it once more.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: there is none, or M-Pesa was not asked about it yet.
pub async fn try_again(db: &Db, payment: Uuid, wish: &Wish<'_>, now: OffsetDateTime) -> Result<Asked> {
    let mut tx = db.begin().await?;
    let held = hold(&mut tx, payment).await?;
    let code = &held.code;
    let Some(open) = open(&mut tx, payment).await?.filter(|open| open.state == "unknown") else {
        return Err(StoreError::Conflict(format!("no reversal of order {code} is without an answer")));
    };
    if !may_try_again(&mut tx, open.id).await? {
        return Err(StoreError::Conflict(format!(
            "M-Pesa is being asked whether the money of order {code} went back: wait for its answer"
        )));
    }
    sqlx::query!(
        "UPDATE mpesa_requests SET state = 'failed', result_text = 'set aside by ' || $2::text, updated_at = $3
         WHERE refund_id = $1 AND state IN ('created', 'accepted', 'unknown', 'timed_out')",
        open.id,
        wish.by,
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE refunds SET state = 'created', reason = '', attempts = 0, mpesa_next_at = $2, created_at = $2, updated_at = $2 WHERE id = $1",
        open.id,
        now
    )
    .execute(&mut *tx)
    .await?;
    let object = format!("{} of order {code}, once more", open.amount);
    let line = Audit { actor: wish.by, action: "money.reverse", object: &object, address: wish.from };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(Asked { id: open.id, amount: open.amount, is_new: true })
}

/// Whether M-Pesa was asked about a reversal, and could not say that it was done.
pub(super) async fn may_try_again(tx: &mut PgConnection, id: Uuid) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT r.state = 'unknown' AND (r.mpesa_next_at IS NULL
               OR EXISTS (SELECT FROM mpesa_requests q WHERE q.refund_id = r.id AND q.kind = 'returned' AND q.state = 'failed'
                          AND q.created_at >= r.created_at)) AS "may!"
           FROM refunds r WHERE r.id = $1"#,
        id
    )
    .fetch_one(tx)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_read_what_they_write() {
        for extent in Extent::ALL {
            assert_eq!(Extent::parse(extent.as_str()), Some(extent));
        }
        assert_eq!(Extent::parse(""), None);
    }
}
