//! What became of the money of an order that buys nothing any more, as its customer is told.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// Where money goes back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// The card that it came from.
    Card,
    /// The phone, by M-Pesa.
    Phone,
    /// The customer, by somebody's hand.
    Hand,
}

impl To {
    /// Reads the word in the database.
    pub(crate) fn of(way: &str) -> To {
        match way {
            "reversal" => To::Phone,
            "hand" => To::Hand,
            _ => To::Card,
        }
    }
}

/// Where the money is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returned {
    /// It has gone back.
    Gone {
        /// How much.
        amount: Money,
        /// When the last of it went.
        at: OffsetDateTime,
        /// Where to.
        to: To,
    },
    /// It is on its way.
    OnItsWay {
        /// How much.
        amount: Money,
        /// Where to.
        to: To,
    },
    /// The customer's bank has taken it back.
    TakenBack {
        /// How much.
        amount: Money,
        /// When.
        at: OffsetDateTime,
    },
}

/// What became of the money of an order; `None`: we have it.
pub async fn of_order(db: &Db, order: Uuid) -> Result<Option<Returned>> {
    if let Some(taken) = taken_back(db, order).await? {
        return Ok(Some(taken));
    }
    if let Some(refunded) = refunded(db, order).await? {
        return Ok(Some(refunded));
    }
    let row = sqlx::query!(
        r#"SELECT amount_minor, currency, given_back_at AS "given_back_at!" FROM received_money
           WHERE order_id = $1 AND given_back_at IS NOT NULL ORDER BY given_back_at DESC LIMIT 1"#,
        order
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(|row| {
        let amount = money(order, row.amount_minor, &row.currency)?;
        Ok(Returned::Gone { amount, at: row.given_back_at, to: To::Phone })
    })
    .transpose()
}

async fn taken_back(db: &Db, order: Uuid) -> Result<Option<Returned>> {
    let row = sqlx::query!(
        r#"SELECT d.amount_minor, d.currency, d.withdrawn_at AS "withdrawn_at!" FROM disputes d JOIN payments p ON p.id = d.payment_id
           WHERE p.order_id = $1 AND d.withdrawn_at IS NOT NULL AND d.reinstated_at IS NULL ORDER BY d.created_at DESC LIMIT 1"#,
        order
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(|row| {
        let amount = money(order, row.amount_minor, &row.currency)?;
        Ok(Returned::TakenBack { amount, at: row.withdrawn_at })
    })
    .transpose()
}

/// What is on its way is told before what went earlier.
async fn refunded(db: &Db, order: Uuid) -> Result<Option<Returned>> {
    let row = sqlx::query!(
        r#"SELECT min(r.currency)::text AS currency,
                  coalesce(sum(r.amount_minor) FILTER (WHERE r.state = 'done'), 0)::bigint AS "gone!",
                  coalesce(sum(r.amount_minor) FILTER (WHERE r.state IN ('created', 'unknown', 'pending')), 0)::bigint AS "going!",
                  max(r.updated_at) FILTER (WHERE r.state = 'done') AS at,
                  (array_agg(r.way ORDER BY r.created_at DESC) FILTER (WHERE r.state = 'done'))[1] AS gone_way,
                  (array_agg(r.way ORDER BY r.created_at DESC) FILTER (WHERE r.state IN ('created', 'unknown', 'pending')))[1] AS going_way
           FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.order_id = $1"#,
        order
    )
    .fetch_one(&db.pool)
    .await?;
    let Some(currency) = row.currency else { return Ok(None) };
    let to = |way: Option<String>| To::of(way.as_deref().unwrap_or_default());
    if row.going > 0 {
        return Ok(Some(Returned::OnItsWay { amount: money(order, row.going, &currency)?, to: to(row.going_way) }));
    }
    let (amount, to) = (money(order, row.gone, &currency)?, to(row.gone_way));
    Ok(row.at.map(|at| Returned::Gone { amount, at, to }))
}

fn money(order: Uuid, minor: i64, currency: &str) -> Result<Money> {
    crate::money::money("refunds", order, minor, currency)
}
