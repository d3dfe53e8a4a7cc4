//! What a confirmation's money is for: a receipt that is known, an order that waits for it, or nobody knows.
//!
//! Tried in this order: the receipt; the code of an order that is not paid; a prompt that was found to be paid before anyone
//! knew its receipt; the number of a customer whose order of just this price is not paid. A prompt goes before a customer's
//! other orders, or its own confirmation would pay for one of those. The amount must be the price each time. What is not
//! certain is left to a person.

use std::time::Duration;

use shared::money::Money;
use shared::phone::Phone;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::second::told_again;
use super::{PROVIDER, Payer, Reference, Told, Trust, attempt, hold};
use crate::ledger::{self, Account};
use crate::money::money;
use crate::settlement::{Received, Settled, settle_in};
use crate::{Db, Result};

/// An order is found by its customer's number for so long.
const RECENT: Duration = Duration::from_secs(24 * 3600);
/// The same by a masked number, which others may share.
const JUST_NOW: Duration = Duration::from_secs(30 * 60);
/// Most orders of one price that are looked at for a number.
const LOOKED_AT: i64 = 1000;
/// Clocks may differ by this, and a query may tell of a payment so much later than it was made.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);

/// What became of a confirmation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matched {
    /// Its receipt is known: nothing was booked.
    Known,
    /// It pays for an order, which is settled now.
    Paid {
        /// The payment that it settled.
        payment: Uuid,
        /// What became of that.
        settled: Settled,
    },
    /// It waits for a person.
    Unmatched,
}

/// Writes money down that a provider tells of, and settles the order that it is for. The same receipt again, from however
/// many at once, changes nothing.
pub async fn match_confirmation(
    db: &Db,
    told: &Told,
    trust: Trust,
    event: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<Matched> {
    let mut tx = db.begin().await?;
    let matched = Confirmation { told, trust, event, now }.follow(&mut tx).await?;
    tx.commit().await?;
    Ok(matched)
}

/// Whether money with this receipt is booked, or written down here.
pub async fn is_known(db: &Db, receipt: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM received_money WHERE provider = $1 AND receipt = $2)
               OR EXISTS (SELECT FROM payments WHERE provider = $1 AND receipt = $2) AS "is_known!""#,
        PROVIDER,
        receipt
    )
    .fetch_one(&db.pool)
    .await?)
}

/// Whether money with this receipt is booked, so that nothing follows from it any more.
pub async fn is_booked(db: &Db, receipt: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM received_money WHERE provider = $1 AND receipt = $2 AND is_booked)
               OR EXISTS (SELECT FROM payments WHERE provider = $1 AND receipt = $2) AS "is_booked!""#,
        PROVIDER,
        receipt
    )
    .fetch_one(&db.pool)
    .await?)
}

/// Whether the customer's phone asks for the PIN for the order with that code, or is about to.
pub async fn has_prompt(db: &Db, code: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payments p JOIN orders o ON o.id = p.order_id
             WHERE o.code = $1 AND p.provider = $2 AND p.state IN ('created', 'prompted', 'unknown', 'confirming')) AS "has!""#,
        code,
        PROVIDER
    )
    .fetch_one(&db.pool)
    .await?)
}

/// What an account number stands for before the money moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// No order that anyone could pay for.
    Nothing,
    /// An order that is not paid, of this price.
    Open(Money),
    /// An order that is paid.
    Settled,
}

/// What an account number stands for, to which somebody is about to pay so much.
pub async fn expected(db: &Db, reference: &Reference, amount: Money, now: OffsetDateTime) -> Result<Found> {
    let row = match reference {
        Reference::Other => return Ok(Found::Nothing),
        Reference::OrderCode(code) => {
            let code = code.as_str();
            sqlx::query_as!(Expected, "SELECT code, state, amount_minor, currency FROM orders WHERE code = $1", code)
                .fetch_optional(&db.pool)
                .await?
        }
        Reference::Phone(phone) => {
            sqlx::query_as!(
                Expected,
                "SELECT code, state, amount_minor, currency FROM orders
                 WHERE user_id = (SELECT id FROM users WHERE phone = $1) AND created_at > $2 AND amount_minor = $3
                   AND currency = $4 AND state NOT IN ('paid', 'refund_due')
                 ORDER BY created_at DESC LIMIT 1",
                phone.as_str(),
                now - RECENT,
                amount.minor,
                amount.currency.as_str()
            )
            .fetch_optional(&db.pool)
            .await?
        }
    };
    let Some(row) = row else { return Ok(Found::Nothing) };
    if matches!(row.state.as_str(), "paid" | "refund_due") {
        return Ok(Found::Settled);
    }
    Ok(Found::Open(money("orders", &row.code, row.amount_minor, &row.currency)?))
}

struct Expected {
    code: String,
    state: String,
    amount_minor: i64,
    currency: String,
}

/// A confirmation that is followed.
struct Confirmation<'a> {
    told: &'a Told,
    trust: Trust,
    event: Option<Uuid>,
    now: OffsetDateTime,
}

/// An order that is held and not paid, of just the price that came.
struct Waiting {
    id: Uuid,
    phone: String,
}

impl Confirmation<'_> {
    async fn follow(&self, tx: &mut PgConnection) -> Result<Matched> {
        let receipt = self.told.receipt.as_str();
        hold(&mut *tx, receipt).await?;
        let is_written = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM received_money WHERE provider = $1 AND receipt = $2) AS "exists!""#,
            PROVIDER,
            receipt
        )
        .fetch_one(&mut *tx)
        .await?;
        if is_written {
            told_again(tx, self.told, self.trust, self.now).await?;
            return Ok(Matched::Known);
        }
        if let Some((order, state)) = self.booked_before(&mut *tx).await? {
            self.write(tx, state, Some(order)).await?;
            return Ok(Matched::Known);
        }
        if self.trust != Trust::Unconfirmed {
            if let Some(order) = self.named_order(&mut *tx).await? {
                return self.pay(tx, &order).await;
            }
            if let Some(order) = self.paid_without_receipt(&mut *tx).await? {
                self.write(tx, "matched", Some(order)).await?;
                return Ok(Matched::Known);
            }
            if let Some(order) = self.customers_order(&mut *tx).await? {
                return self.pay(tx, &order).await;
            }
        }
        self.write(&mut *tx, "unmatched", None).await?;
        let key = format!("received:{PROVIDER}:{receipt}");
        let what = format!("receipt {receipt}, for which no order is known");
        let accounts = (Account::Mpesa, Account::Unmatched);
        ledger::book(tx, &key, None, &what, accounts, self.told.amount, self.now).await?;
        Ok(Matched::Unmatched)
    }

    /// Settles an order with it.
    async fn pay(&self, tx: &mut PgConnection, order: &Waiting) -> Result<Matched> {
        let payment = attempt(&mut *tx, order.id, self.now).await?;
        let by_the_phone = order.phone.parse().is_ok_and(|phone: Phone| self.told.payer.is(&phone));
        let receipt = Some(self.told.receipt.as_str());
        let received = Received { receipt, amount: Some(self.told.amount), from: Account::Mpesa, by_the_phone };
        let settled = settle_in(&mut *tx, payment, &received, self.now).await?;
        self.write(tx, "matched", Some(order.id)).await?;
        Ok(Matched::Paid { payment, settled })
    }

    /// The order whose payment has this receipt, and whether its money is owed to the customer and goes back by the receipt: a report came
    /// first. What goes back with its payment already ([`crate::refund::mpesa`]) does not go back here as well.
    async fn booked_before(&self, tx: &mut PgConnection) -> Result<Option<(Uuid, &'static str)>> {
        let row = sqlx::query!(
            r#"SELECT p.order_id,
                      EXISTS (SELECT FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                                  JOIN ledger_accounts a ON a.id = e.account_id
                              WHERE t.key = 'payment:' || p.id AND a.code = 'refunds_due')
                      AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id) AS "is_owed!"
               FROM payments p WHERE p.provider = $1 AND p.receipt = $2"#,
            PROVIDER,
            self.told.receipt
        )
        .fetch_optional(tx)
        .await?;
        Ok(row.map(|row| (row.order_id, if row.is_owed { "refunded" } else { "matched" })))
    }

    /// The order that was named, held.
    async fn named_order(&self, tx: &mut PgConnection) -> Result<Option<Waiting>> {
        let Reference::OrderCode(code) = &self.told.reference else { return Ok(None) };
        Ok(sqlx::query_as!(
            Waiting,
            "SELECT id, phone FROM orders
             WHERE code = $1 AND amount_minor = $2 AND currency = $3 AND state NOT IN ('paid', 'refund_due') FOR UPDATE",
            code.as_str(),
            self.told.amount.minor,
            self.told.amount.currency.as_str()
        )
        .fetch_optional(tx)
        .await?)
    }

    /// The order of the customer whose number was typed, or of the payer, held.
    async fn customers_order(&self, tx: &mut PgConnection) -> Result<Option<Waiting>> {
        let typed = match &self.told.reference {
            Reference::Phone(phone) => Payer::Phone(phone.clone()),
            Reference::OrderCode(_) | Reference::Other => Payer::Hidden,
        };
        for payer in [&typed, &self.told.payer] {
            if let Some(id) = self.order_of(&mut *tx, payer).await? {
                return self.held(tx, id).await;
            }
        }
        Ok(None)
    }

    /// The newest order of this customer that is not paid and costs just this; one that waits goes before one that failed.
    /// `None` also if two customers can be meant.
    async fn order_of(&self, tx: &mut PgConnection, payer: &Payer) -> Result<Option<Uuid>> {
        let (whole, since) = match payer {
            Payer::Hidden => return Ok(None),
            Payer::Phone(phone) => (Some(phone.as_str()), RECENT),
            Payer::Hashed(_) => (None, RECENT),
            Payer::Masked { .. } => (None, JUST_NOW),
        };
        let rows = sqlx::query!(
            "SELECT id, phone FROM orders
             WHERE created_at > $1 AND amount_minor = $2 AND currency = $3 AND state NOT IN ('paid', 'refund_due')
               AND ($4::text IS NULL OR phone = $4)
             ORDER BY state = 'failed', created_at DESC LIMIT $5",
            self.now - since,
            self.told.amount.minor,
            self.told.amount.currency.as_str(),
            whole,
            LOOKED_AT
        )
        .fetch_all(tx)
        .await?;
        let of_payer = rows.into_iter().map(|row| (row.id, row.phone));
        Ok(only_customer(payer, of_payer))
    }

    /// Holds an order, unless it was paid meanwhile.
    async fn held(&self, tx: &mut PgConnection, id: Uuid) -> Result<Option<Waiting>> {
        Ok(sqlx::query_as!(
            Waiting,
            "SELECT id, phone FROM orders WHERE id = $1 AND state NOT IN ('paid', 'refund_due') FOR UPDATE",
            id
        )
        .fetch_optional(tx)
        .await?)
    }

    /// A prompt that a query found to be paid has no receipt until somebody tells it: this is it, if the order and the amount
    /// fit, and the time. Notes the receipt and returns the order.
    async fn paid_without_receipt(&self, tx: &mut PgConnection) -> Result<Option<Uuid>> {
        let code = match &self.told.reference {
            Reference::OrderCode(code) => Some(code.as_str()),
            Reference::Phone(_) | Reference::Other => None,
        };
        let paid_at = self.told.paid_at.unwrap_or(self.now);
        let rows = sqlx::query!(
            r#"SELECT p.id, p.order_id, o.phone, (o.code = $1) AS is_named FROM payments p JOIN orders o ON o.id = p.order_id
               WHERE p.provider = $2 AND p.state = 'succeeded' AND p.receipt IS NULL AND p.amount_minor = $3 AND p.currency = $4
                 AND p.created_at <= $5::timestamptz + $7::bigint * interval '1 second'
                 AND o.paid_at >= $5::timestamptz - $7::bigint * interval '1 second'
                 AND p.created_at > $6
               ORDER BY p.created_at DESC LIMIT $8"#,
            code,
            PROVIDER,
            self.told.amount.minor,
            self.told.amount.currency.as_str(),
            paid_at,
            paid_at - RECENT,
            i64::try_from(CLOCKS_DIFFER.as_secs()).unwrap_or(i64::MAX),
            LOOKED_AT
        )
        .fetch_all(&mut *tx)
        .await?;
        let named = rows.iter().find(|row| row.is_named == Some(true)).map(|row| row.id);
        let found =
            named.or_else(|| only_customer(&self.told.payer, rows.iter().map(|row| (row.id, row.phone.clone()))));
        let Some(payment) = rows.iter().find(|row| Some(row.id) == found) else { return Ok(None) };
        sqlx::query!("SELECT id FROM orders WHERE id = $1 FOR UPDATE", payment.order_id).fetch_one(&mut *tx).await?;
        let noted = sqlx::query!(
            "UPDATE payments SET receipt = $2, updated_at = $3 WHERE id = $1 AND receipt IS NULL",
            payment.id,
            self.told.receipt,
            self.now
        )
        .execute(tx)
        .await?
        .rows_affected();
        Ok((noted == 1).then_some(payment.order_id))
    }

    /// Writes the receipt down.
    async fn write(&self, tx: &mut PgConnection, state: &str, order: Option<Uuid>) -> Result<()> {
        let told = self.told;
        let is_decided = state != "unmatched";
        sqlx::query!(
            "INSERT INTO received_money (id, provider, receipt, amount_minor, currency, payer_name, payer_number, reference, paid_at,
                 received_at, confirmed_at, state, order_id, decided_at, decided_by, event_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            rng::id(self.now),
            PROVIDER,
            told.receipt,
            told.amount.minor,
            told.amount.currency.as_str(),
            told.payer_name,
            told.payer_number,
            told.typed,
            told.paid_at,
            self.now,
            (self.trust == Trust::Confirmed).then_some(self.now),
            state,
            order,
            is_decided.then_some(self.now),
            is_decided.then_some("match"),
            self.event
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// The first of these, newest first, that can be the payer's, if all of them that can be are one customer's.
fn only_customer(payer: &Payer, candidates: impl Iterator<Item = (Uuid, String)>) -> Option<Uuid> {
    let mut found: Option<(Uuid, String)> = None;
    for (id, phone) in candidates.filter(|(_, phone)| phone.parse().is_ok_and(|phone: Phone| payer.may_be(&phone))) {
        match &found {
            None => found = Some((id, phone)),
            Some((_, first)) if *first == phone => {}
            Some(_) => return None,
        }
    }
    found.map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_finds_an_order_only_where_one_customer_can_be_meant() {
        let id = Uuid::from_u128;
        let orders = |numbers: &[&str]| -> Vec<(Uuid, String)> {
            numbers.iter().zip(1..).map(|(number, at)| (id(at), (*number).to_owned())).collect()
        };
        let masked = Payer::Masked { begins: "2547".into(), ends: "678".into() };
        let whole = Payer::Phone("0712345678".parse().expect("a phone"));
        for (payer, numbers, found) in [
            (&masked, &["+254712345678"][..], Some(1)),
            (&masked, &["+254712345999", "+254712345678"], Some(2)),
            (&masked, &["+254712345678", "+254712345678"], Some(1)),
            (&masked, &["+254712345678", "+254722345678"], None),
            (&whole, &["+254722345678", "+254712345678", "+254712345678"], Some(2)),
            (&Payer::Hidden, &["+254712345678"], None),
            (&masked, &[], None),
        ] {
            assert_eq!(only_customer(payer, orders(numbers).into_iter()), found.map(id), "{payer:?} {numbers:?}");
        }
    }
}
