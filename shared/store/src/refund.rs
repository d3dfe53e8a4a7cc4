//! Refunds: money of an order that goes back to where it came from, once, whoever asks for it and however often.
//!
//! [`ask`] decides in one transaction: what the money bought is taken back, the ledger owes it to the customer, and a row waits
//! here to be sent. A job [`claim`]s it and asks the provider with the row's identity, which gives back once for each; what
//! it answers is [`done`], [`pending`], [`over`] or [`again`]. What the provider says of a payment's refunds later is [`heard`]: what
//! was given back elsewhere is booked by it too, so that the ledger has what the provider has. What it says of one of them is
//! [`told()`]: a card may not take the money that was on its way, and then it is owed as before.
//!
//! Money of M-Pesa has its own steps, in [`mpesa`]: a reversal is answered minutes later and has no key that could be repeated, and a person
//! can give it back by hand. What there is of a payment, and which orders are owed money, is told by [`balance()`] and [`owed`].

use std::time::Duration;

use shared::money::Money;
use shared::request::RequestId;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ledger::{self, Account};
use crate::package::unsigned;
use crate::{Db, Result, StoreError, dispute, fee, unmatched};

mod balance;
mod list;
pub mod mpesa;
mod told;

pub use self::balance::{Balance, Given, Owed, balance, count_owed, owed};
pub use self::list::{Listed, count_stuck, list};
pub use self::told::{Followed, Stands, Told, told};

/// Whose payments are given back by itself, with a key for each.
const PROVIDER: &str = "stripe";
/// Who asked for what was given back on the provider's own pages.
const ELSEWHERE: &str = "the provider's dashboard";

/// The payment by card that people mean by a receipt or by an order's code. Of two of one order it is the one that bought
/// nothing. `None`: there is none.
pub async fn find(db: &Db, named: &str) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE p.provider = $1 AND p.state = 'succeeded' AND (p.receipt = $2 OR o.code = upper($2))
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

/// What became of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The refund.
    pub id: Uuid,
    /// How much goes back.
    pub amount: Money,
    /// Whether it was asked for only now.
    pub is_new: bool,
}

/// Has a payment go back, or what is left of it. What it bought ends now. Asking again finds the first refund.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: it is no payment by card that came, or it made something longer that
/// was there before.
pub async fn ask(db: &Db, payment: Uuid, by: &str, now: OffsetDateTime) -> Result<Asked> {
    let mut tx = db.begin().await?;
    let asked = ask_in(&mut tx, payment, by, now).await?;
    tx.commit().await?;
    Ok(asked)
}

/// The same within a transaction.
pub(crate) async fn ask_in(tx: &mut PgConnection, payment: Uuid, by: &str, now: OffsetDateTime) -> Result<Asked> {
    let order = sqlx::query!(
        "SELECT id, code FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    let row = sqlx::query!("SELECT provider, state, receipt FROM payments WHERE id = $1 FOR UPDATE", payment)
        .fetch_one(&mut *tx)
        .await?;
    if row.provider != PROVIDER || row.state != "succeeded" || row.receipt.is_none() {
        return Err(StoreError::Conflict(format!("order {} has no payment by card that could go back", order.code)));
    }
    if let Some(receipt) = &row.receipt
        && unmatched::stated_account(&mut *tx, receipt).await?.is_some()
    {
        return Err(StoreError::Conflict(format!(
            "only a statement told of the money of order {}: give it back in Stripe's dashboard, and say so on the payment's page",
            order.code
        )));
    }
    if let Some(asked) = asked_before(tx, payment).await? {
        return Ok(asked);
    }
    if dispute::holds(tx, payment).await? {
        return Err(StoreError::Conflict(format!(
            "the customer's bank has taken the money of order {} back: it is decided in Stripe's dashboard who gets it",
            order.code
        )));
    }
    let (came, bought) = booked(tx, payment).await?;
    let amount = Money { minor: came.minor - given(tx, payment).await?, ..came };
    if amount.minor <= 0 {
        return Err(StoreError::Conflict(format!("the money of order {} has gone back already", order.code)));
    }
    if bought {
        take_back(tx, (order.id, &order.code), by, now).await?;
        owe(tx, &due_key(payment), (order.id, &order.code), amount, now).await?;
        sqlx::query!(
            "UPDATE orders SET state = 'refund_due', updated_at = $2 WHERE id = $1 AND state = 'paid'",
            order.id,
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO refunds (id, payment_id, amount_minor, currency, asked_by, next_attempt_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $6)",
        id,
        payment,
        amount.minor,
        amount.currency.as_str(),
        by,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(Asked { id, amount, is_new: true })
}

fn due_key(payment: Uuid) -> String {
    format!("refund_due:{payment}")
}

async fn asked_before(tx: &mut PgConnection, payment: Uuid) -> Result<Option<Asked>> {
    let row = sqlx::query!(
        "SELECT id, amount_minor, currency FROM refunds WHERE payment_id = $1 AND is_ours AND state NOT IN ('failed', 'refused')",
        payment
    )
    .fetch_optional(tx)
    .await?;
    row.map(|row| Ok(Asked { amount: money(row.id, row.amount_minor, &row.currency)?, id: row.id, is_new: false }))
        .transpose()
}

/// From now on a sale's money is owed to the customer.
async fn owe(
    tx: &mut PgConnection,
    key: &str,
    (order, code): (Uuid, &str),
    amount: Money,
    now: OffsetDateTime,
) -> Result<()> {
    let what = format!("order {code} is given back");
    ledger::book(tx, key, Some(order), &what, (Account::Sales, Account::RefundsDue), amount, now).await
}

/// How much of a payment has gone back, minor units.
pub(crate) async fn given(tx: &mut PgConnection, payment: Uuid) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(sum(amount_minor), 0)::bigint AS "given!" FROM refunds WHERE payment_id = $1 AND state = 'done'"#,
        payment
    )
    .fetch_one(tx)
    .await?)
}

/// What came with a payment, and whether it is still booked as a sale.
pub(crate) async fn booked(tx: &mut PgConnection, payment: Uuid) -> Result<(Money, bool)> {
    let row = sqlx::query!(
        r#"SELECT -l.amount_minor AS "minor!", l.currency, a.code = 'sales' AS "bought!",
                  EXISTS (SELECT FROM ledger_transactions WHERE key = $2) AS "due!"
           FROM ledger_transactions t JOIN ledger_entries l ON l.transaction_id = t.id JOIN ledger_accounts a ON a.id = l.account_id
           WHERE t.key = $1 AND l.amount_minor < 0"#,
        format!("payment:{payment}"),
        due_key(payment)
    )
    .fetch_optional(tx)
    .await?
    .ok_or_else(|| StoreError::corrupt("payments", payment, "it succeeded, and is not in the ledger"))?;
    Ok((money(payment, row.minor, &row.currency)?, row.bought && !row.due))
}

/// Takes back what an order gave: its own entitlement, the grace that became it, or the voucher for another.
///
/// # Errors
/// [`StoreError::Conflict`]: it is one with what other orders bought, and nothing was changed.
pub(crate) async fn take_back(
    tx: &mut PgConnection,
    (order, code): (Uuid, &str),
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let row = sqlx::query!(
        r#"SELECT e.id, e.order_id IS NOT DISTINCT FROM $1::uuid OR c.before->>'package_id' IS NULL AS "is_its_own!",
                  EXISTS (SELECT FROM entitlement_changes later WHERE later.entitlement_id = e.id AND later.order_id <> $1) AS "is_changed!"
           FROM entitlements e LEFT JOIN entitlement_changes c ON c.entitlement_id = e.id AND c.order_id = $1
           WHERE e.order_id = $1 OR c.order_id = $1 OR e.id IN (SELECT v.entitlement_id FROM vouchers v WHERE v.order_id = $1)"#,
        order
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    if !row.is_its_own || row.is_changed {
        return Err(StoreError::Conflict(format!(
            "what order {code} bought is one with what other orders bought: give it back in Stripe's dashboard, and take back what you can"
        )));
    }
    // What the desk gave again of it ends too.
    sqlx::query!(
        "UPDATE entitlements SET state = 'revoked' WHERE state <> 'revoked' AND (id = $1 OR id IN (
             SELECT a.entitlement_id FROM support_actions a WHERE a.order_id = $2 AND a.kind = 'grant'))",
        row.id,
        order
    )
    .execute(&mut *tx)
    .await?;
    // One that is redeemed stays so: it was used, and ends with its entitlement.
    sqlx::query!(
        "UPDATE vouchers SET state = 'void', voided_at = $2, voided_by = $3, void_reason = 'its money goes back'
         WHERE order_id = $1 AND state = 'sold'",
        order,
        now,
        by
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A refund that is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Its identity, and the key under which it is done once.
    pub id: Uuid,
    /// What is given back from: the provider's receipt.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// How often it was taken up.
    pub attempts: u32,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// The request that asked for it, if one did.
    pub trace: Option<RequestId>,
}

/// Takes up refunds that wait. One that nothing is said of comes back after `lease`.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"UPDATE refunds r SET next_attempt_at = $2, attempts = r.attempts + 1, updated_at = $1 FROM payments p
           WHERE p.id = r.payment_id AND r.id IN (
               SELECT id FROM refunds WHERE next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
           RETURNING r.id, p.receipt AS "receipt!", r.amount_minor, r.currency, r.attempts, r.created_at, r.trace"#,
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Due {
                amount: money(row.id, row.amount_minor, &row.currency)?,
                id: row.id,
                receipt: row.receipt,
                attempts: u32::try_from(row.attempts).unwrap_or(0),
                created_at: row.created_at,
                trace: row.trace.map(RequestId::from),
            })
        })
        .collect()
}

/// The money is on its way to the card, under the provider's name of it. Returns whether that is new.
pub async fn done(db: &Db, id: Uuid, reference: Option<&str>, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    // The order first, as whoever works on a report of the same refund holds it: so nobody waits in a circle.
    sqlx::query!(
        "SELECT o.id FROM orders o WHERE o.id = (
             SELECT p.order_id FROM payments p JOIN refunds r ON r.payment_id = p.id WHERE r.id = $1) FOR UPDATE",
        id
    )
    .fetch_optional(&mut *tx)
    .await?;
    let is_new = finish(&mut tx, id, reference, now).await?;
    tx.commit().await?;
    Ok(is_new)
}

async fn finish(tx: &mut PgConnection, id: Uuid, reference: Option<&str>, now: OffsetDateTime) -> Result<bool> {
    let row = sqlx::query!(
        r#"UPDATE refunds r SET state = 'done', reference = coalesce($2, r.reference), reason = '', next_attempt_at = NULL, updated_at = $3
         FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE r.id = $1 AND p.id = r.payment_id AND r.state NOT IN ('done', 'failed')
         RETURNING r.amount_minor, r.currency, r.payment_id, o.id AS "order_id!", o.code AS "code!""#,
        id,
        reference,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let amount = money(id, row.amount_minor, &row.currency)?;
    let what = format!("the money of order {} has gone back", row.code);
    let accounts = (Account::RefundsDue, Account::Stripe);
    ledger::book(&mut *tx, &format!("refund:{id}"), Some(row.order_id), &what, accounts, amount, now).await?;
    // The provider may keep something of this too.
    fee::ask_again(tx, row.payment_id).await?;
    Ok(true)
}

/// The provider has taken it, and reports later whether it could be done.
pub async fn pending(db: &Db, id: Uuid, reference: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = 'pending', reference = $2, next_attempt_at = NULL, updated_at = $3
         WHERE id = $1 AND state IN ('created', 'unknown')",
        id,
        reference,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It was not done: the money is with us as before and is still owed. A person asks anew, or gives it back otherwise.
/// `taken`: the provider had taken it, under this name.
pub async fn over(db: &Db, id: Uuid, taken: Option<&str>, reason: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = CASE WHEN $2::text IS NULL THEN 'refused' ELSE 'failed' END, reference = coalesce($2, reference),
             reason = $3, next_attempt_at = NULL, updated_at = $4
         WHERE id = $1 AND state IN ('created', 'unknown', 'pending')",
        id,
        taken,
        reason,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It is not known whether it was done, or certainly was not yet. `at`: when it is asked for again, under the same key;
/// `None`: a person must look.
pub async fn again(
    db: &Db,
    id: Uuid,
    is_unknown: bool,
    reason: &str,
    at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = CASE WHEN $2 THEN 'unknown' ELSE state END, reason = $3, next_attempt_at = $4, updated_at = $5
         WHERE id = $1 AND state IN ('created', 'unknown')",
        id,
        is_unknown,
        reason,
        at,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Whose refund a provider has told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// One of ours, which is done now.
    Ours,
    /// It was known before.
    Known,
    /// Somebody gave this much back elsewhere; it is booked now. What was bought goes on.
    Elsewhere(Money),
    /// Somebody gave something back elsewhere while one of ours is under way: a person must look.
    Unclear,
}

/// The provider tells that so much of a payment has gone back in all.
pub async fn heard(db: &Db, payment: Uuid, total: Option<Money>, now: OffsetDateTime) -> Result<Heard> {
    let mut tx = db.begin().await?;
    let order = sqlx::query!(
        "SELECT id, code FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    let open = sqlx::query!(
        "SELECT id, amount_minor FROM refunds
         WHERE payment_id = $1 AND is_ours AND state IN ('created', 'unknown', 'pending') FOR UPDATE",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?;
    let (came, bought) = booked(&mut tx, payment).await?;
    let new = total.map(|total| total.minor).unwrap_or(came.minor) - given(&mut tx, payment).await?;
    match open {
        _ if total.is_some_and(|total| total.currency != came.currency) => return Ok(Heard::Unclear),
        _ if new <= 0 => return Ok(Heard::Known),
        Some(open) if open.amount_minor == new => {
            finish(&mut tx, open.id, None, now).await?;
            tx.commit().await?;
            return Ok(Heard::Ours);
        }
        Some(_) => return Ok(Heard::Unclear),
        None => {}
    }
    let (id, amount) = (rng::id(now), Money { minor: new, ..came });
    if bought {
        owe(&mut tx, &due_key(id), (order.id, &order.code), amount, now).await?;
    }
    sqlx::query!(
        "INSERT INTO refunds (id, payment_id, amount_minor, currency, state, asked_by, is_ours, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'pending', $5, false, $6, $6)",
        id,
        payment,
        amount.minor,
        amount.currency.as_str(),
        ELSEWHERE,
        now
    )
    .execute(&mut *tx)
    .await?;
    finish(&mut tx, id, None, now).await?;
    tx.commit().await?;
    Ok(Heard::Elsewhere(amount))
}

/// How many have not come to an end, and since when the oldest waits.
pub async fn waiting(db: &Db) -> Result<(u64, Option<OffsetDateTime>)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(created_at) AS oldest FROM refunds WHERE state IN ('created', 'unknown', 'pending')"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok((unsigned(row.count), row.oldest))
}

fn money(of: Uuid, minor: i64, currency: &str) -> Result<Money> {
    crate::money::money("refunds", of, minor, currency)
}
