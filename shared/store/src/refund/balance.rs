//! What there is of a payment: what came, what is owed of it, and what has gone back or is on its way; and all orders of which money is
//! owed, so that nobody is forgotten.

use shared::money::Money;
use shared::phone::Phone;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::mpesa::{Extent, goes_by_receipt, may_try_again};
use super::{booked, given, money};
use crate::package::unsigned;
use crate::unmatched::{self, PROVIDER};
use crate::{Db, Result, StoreError};

/// What came with a payment, and what has gone back of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Amounts {
    /// What is booked with the payment.
    pub(super) came: Money,
    /// Whether that is still a sale.
    pub(super) is_sale: bool,
    /// What was more than the price, where a person assigned it, in minor units.
    pub(super) rest_minor: i64,
    /// What has gone back, in minor units.
    pub(super) gone_minor: i64,
}

impl Amounts {
    /// How much would go back now.
    pub(super) fn of(&self, extent: Extent) -> Money {
        let came = match extent {
            Extent::Owed if self.is_sale => 0,
            _ => self.came.minor,
        };
        Money { minor: (came + self.rest_minor - self.gone_minor).max(0), ..self.came }
    }
}

/// Reads them.
pub(super) async fn amounts(tx: &mut PgConnection, payment: Uuid, receipt: Option<&str>) -> Result<Amounts> {
    let (came, is_sale) = booked(&mut *tx, payment).await?;
    let gone_minor = given(&mut *tx, payment).await?;
    let rest_minor = match receipt {
        None => 0,
        Some(receipt) => {
            let keys = unmatched::HOLDERS.map(|provider| format!("received:{provider}:{receipt}:rest"));
            sqlx::query_scalar!(
                r#"SELECT coalesce(-sum(l.amount_minor), 0)::bigint AS "rest!"
                   FROM ledger_transactions t JOIN ledger_entries l ON l.transaction_id = t.id
                        JOIN ledger_accounts a ON a.id = l.account_id
                   WHERE t.key = ANY ($1) AND a.code = 'refunds_due'"#,
                &keys[..]
            )
            .fetch_one(tx)
            .await?
        }
    };
    Ok(Amounts { came, is_sale, rest_minor, gone_minor })
}

/// A payment, as far as its money goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// The payment.
    pub payment: Uuid,
    /// Code of its order.
    pub order: String,
    /// Where that stands.
    pub order_state: String,
    /// Who pays.
    pub phone: Option<Phone>,
    /// What for.
    pub package: String,
    /// Who was asked for it.
    pub provider: String,
    /// Its state.
    pub state: String,
    /// The provider's receipt.
    pub receipt: Option<String>,
    /// What was to be paid.
    pub price: Money,
    /// Whether it is booked as a sale, and not owed to the customer.
    pub is_sale: bool,
    /// What is owed of it.
    pub owed: Money,
    /// What would go back if all of it did.
    pub all: Money,
    /// Whether its money goes back, or has gone, by its receipt alone.
    pub goes_by_receipt: bool,
    /// Whether only a statement told of its money: then nobody can be asked to give it back, and a person does.
    pub is_by_hand: bool,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// What has gone back or was to, the newest first.
    pub given: Vec<Given>,
}

impl Balance {
    /// The refund that is under way.
    pub fn under_way(&self) -> Option<&Given> {
        self.given.iter().find(|given| matches!(given.state.as_str(), "created" | "unknown" | "pending"))
    }
}

/// A refund of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Its identity.
    pub id: Uuid,
    /// How much.
    pub amount: Money,
    /// `created`, `unknown`, `pending`, `done`, `failed` or `refused`.
    pub state: String,
    /// `card`, `reversal` or `hand`.
    pub way: String,
    /// Why it was not done, or is not known.
    pub reason: String,
    /// The provider's name of it, or what proves that a person did it.
    pub proof: Option<String>,
    /// Whether the provider is asked by itself.
    pub is_tried_again: bool,
    /// Whether a person may have it done once more.
    pub may_try_again: bool,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub asked_at: OffsetDateTime,
    /// When something last became of it.
    pub changed_at: OffsetDateTime,
}

/// What there is of a payment whose order was made at one of these sites.
///
/// # Errors
/// [`StoreError::Missing`]: there is none there.
pub async fn balance(db: &Db, payment: Uuid, sites: &SiteScope) -> Result<Balance> {
    let mut tx = db.pool.begin().await?;
    let row = sqlx::query!(
        r#"SELECT o.code, o.state AS order_state, o.phone, o.package->>'name' AS "package!", p.provider, p.state, p.receipt,
                  p.amount_minor, p.currency, p.created_at
           FROM payments p JOIN orders o ON o.id = p.order_id
           WHERE p.id = $1 AND ($2::uuid[] IS NULL OR o.nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($2)))"#,
        payment,
        sites.filter()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    let price = money(payment, row.amount_minor, &row.currency)?;
    let nothing = Money { minor: 0, ..price };
    let amounts = match row.state.as_str() {
        "succeeded" => Some(amounts(&mut tx, payment, row.receipt.as_deref()).await?),
        _ => None,
    };
    let goes_by_receipt = match row.receipt.as_deref().filter(|_| row.provider == PROVIDER) {
        Some(receipt) => goes_by_receipt(&mut tx, receipt).await?,
        None => false,
    };
    let is_by_hand = match row.receipt.as_deref().filter(|_| row.provider != PROVIDER) {
        Some(receipt) => unmatched::stated_account(&mut tx, receipt).await?.is_some(),
        None => false,
    };
    Ok(Balance {
        payment,
        price,
        is_sale: amounts.is_some_and(|amounts| amounts.is_sale),
        owed: amounts.map_or(nothing, |amounts| amounts.of(Extent::Owed)),
        all: amounts.map_or(nothing, |amounts| amounts.of(Extent::All)),
        goes_by_receipt,
        is_by_hand,
        given: all_given(&mut tx, payment).await?,
        order: row.code,
        order_state: row.order_state,
        phone: row.phone.parse().ok(),
        package: row.package,
        provider: row.provider,
        state: row.state,
        receipt: row.receipt,
        made_at: row.created_at,
    })
}

async fn all_given(tx: &mut PgConnection, payment: Uuid) -> Result<Vec<Given>> {
    let rows = sqlx::query!(
        r#"SELECT id, amount_minor, currency, state, way, reason, coalesce(reference, proof) AS proof, asked_by, created_at, updated_at,
                  (next_attempt_at IS NOT NULL OR mpesa_next_at IS NOT NULL) AS "is_tried_again!"
           FROM refunds WHERE payment_id = $1 ORDER BY created_at DESC, id DESC LIMIT 50"#,
        payment
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut all = Vec::new();
    for row in rows {
        let is_unknown = row.way == "reversal" && row.state == "unknown";
        all.push(Given {
            amount: money(row.id, row.amount_minor, &row.currency)?,
            may_try_again: is_unknown && may_try_again(&mut *tx, row.id).await?,
            id: row.id,
            state: row.state,
            way: row.way,
            reason: row.reason,
            proof: row.proof,
            is_tried_again: row.is_tried_again,
            by: row.asked_by,
            asked_at: row.created_at,
            changed_at: row.updated_at,
        });
    }
    Ok(all)
}

/// Money of an order that is owed to its customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owed {
    /// Code of the order.
    pub order: String,
    /// Whose it is.
    pub phone: Option<Phone>,
    /// How much.
    pub amount: Money,
    /// Since when.
    pub since: OffsetDateTime,
    /// The payment that it came with.
    pub payment: Uuid,
    /// Where its newest refund stands; `None`: nobody has begun to give it back.
    pub state: Option<String>,
    /// Why that was not done, or is not known.
    pub reason: String,
}

/// Orders made at these sites of which money is owed, those first that have waited longest.
pub async fn owed(db: &Db, sites: &SiteScope, limit: u32) -> Result<Vec<Owed>> {
    let rows = sqlx::query!(
        r#"SELECT o.code AS "code!", o.phone AS "phone!", due.owed AS "owed!", due.currency AS "currency!", due.since AS "since!", p.id AS "payment!",
                  r.state AS "state?", r.reason AS "reason?"
           FROM (SELECT t.order_id, l.currency::text AS currency, (-sum(l.amount_minor))::bigint AS owed, min(t.posted_at) AS since
                 FROM ledger_entries l JOIN ledger_accounts a ON a.id = l.account_id
                      JOIN ledger_transactions t ON t.id = l.transaction_id
                 WHERE a.code = 'refunds_due' AND t.order_id IS NOT NULL
                 GROUP BY t.order_id, l.currency HAVING sum(l.amount_minor) < 0) due
                JOIN orders o ON o.id = due.order_id
                JOIN LATERAL (
                    SELECT y.id FROM payments y WHERE y.order_id = o.id AND y.state = 'succeeded'
                    ORDER BY EXISTS (SELECT FROM refunds g WHERE g.payment_id = y.id AND g.state = 'done'),
                             EXISTS (SELECT FROM ledger_transactions t JOIN ledger_entries l ON l.transaction_id = t.id
                                     JOIN ledger_accounts a ON a.id = l.account_id
                                     WHERE t.key IN ('payment:' || y.id, 'refund_due:' || y.id) AND a.code = 'refunds_due') DESC,
                             y.created_at DESC LIMIT 1) p ON true
                LEFT JOIN LATERAL (
                    SELECT g.state, g.reason FROM refunds g WHERE g.payment_id = p.id
                    ORDER BY g.created_at DESC, g.id DESC LIMIT 1) r ON true
           WHERE $2::uuid[] IS NULL OR o.nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($2))
           ORDER BY due.since, o.id LIMIT $1"#,
        i64::from(limit),
        sites.filter()
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Owed {
                amount: money(row.payment, row.owed, &row.currency)?,
                phone: row.phone.parse().ok(),
                order: row.code,
                since: row.since,
                payment: row.payment,
                state: row.state,
                reason: row.reason.unwrap_or_default(),
            })
        })
        .collect()
}

/// How many of them there are.
pub async fn count_owed(db: &Db, sites: &SiteScope) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM ledger_entries l JOIN ledger_accounts a ON a.id = l.account_id
                    JOIN ledger_transactions t ON t.id = l.transaction_id JOIN orders o ON o.id = t.order_id
               WHERE a.code = 'refunds_due' AND ($1::uuid[] IS NULL OR o.nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($1)))
               GROUP BY t.order_id, l.currency HAVING sum(l.amount_minor) < 0) AS due"#,
        sites.filter()
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_back_is_what_came_and_has_not_gone() {
        let sale = Amounts { came: Money::kes(2_000), is_sale: true, rest_minor: 0, gone_minor: 0 };
        let due = Amounts { is_sale: false, ..sale };
        let with_rest = Amounts { rest_minor: 3_000, ..sale };
        for (amounts, all, owed) in [
            (sale, 2_000, 0),
            (due, 2_000, 2_000),
            (with_rest, 5_000, 3_000),
            (Amounts { gone_minor: 3_000, ..with_rest }, 2_000, 0),
            (Amounts { gone_minor: 2_000, ..due }, 0, 0),
            (Amounts { gone_minor: 500, ..sale }, 1_500, 0),
        ] {
            let minor = |extent| amounts.of(extent).minor;
            assert_eq!((minor(Extent::All), minor(Extent::Kept), minor(Extent::Owed)), (all, all, owed), "{amounts:?}");
        }
    }
}
