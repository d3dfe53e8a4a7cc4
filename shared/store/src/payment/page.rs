//! Payments that are made on a page of the provider's: its address and its end, which a reopened browser must find again, that it
//! is closed when the order was paid elsewhere, and the attempt to pay an order that its page shows.

use std::time::Duration;

use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::lock_order;
use crate::{Db, Result, StoreError, grace};

/// A page that was made for a payment.
#[derive(Clone, Copy, Debug)]
pub struct NewPage<'a> {
    /// The provider's reference of it.
    pub reference: &'a str,
    /// Its address. Whoever has it can pay.
    pub url: &'a str,
    /// Until when it is good.
    pub until: OffsetDateTime,
    /// For how long the guest is let out to reach it and what is behind it; `None`: not at all.
    pub grace: Option<Duration>,
}

/// The provider has made a page, and waits for the customer there. Returns whether a grace was given with it.
pub async fn page_made(
    db: &Db,
    id: Uuid,
    page: &NewPage<'_>,
    now: OffsetDateTime,
    next_check: OffsetDateTime,
) -> Result<bool> {
    let mut tx = db.begin().await?;
    lock_order(&mut tx, id).await?;
    let row = sqlx::query!(
        "UPDATE payments SET checkout_request_id = $2, pay_url = $3, pay_until = $4, updated_at = $5,
             state = CASE WHEN state IN ('created', 'unknown') THEN 'prompted' ELSE state END,
             next_check_at = CASE WHEN state IN ('created', 'unknown', 'prompted') THEN $6 ELSE next_check_at END
         WHERE id = $1 RETURNING order_id, state",
        id,
        page.reference,
        page.url,
        page.until,
        now,
        next_check
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", id))?;
    sqlx::query!(
        "UPDATE orders SET state = 'prompted', updated_at = $2 WHERE id = $1 AND state IN ('created', 'unknown')",
        row.order_id,
        now
    )
    .execute(&mut *tx)
    .await?;
    let given = match page.grace.filter(|_| row.state == "prompted") {
        Some(grace) => grace::give(&mut tx, id, page.until.min(now + grace), now).await?,
        None => None,
    };
    tx.commit().await?;
    Ok(given.is_some())
}

/// An attempt to pay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The payment.
    pub id: Uuid,
    /// Who is asked about it.
    pub provider: String,
    /// Its state, as [`super::Payment`] has it.
    pub state: String,
    /// When it began.
    pub began_at: OffsetDateTime,
    /// The address of its page, if it has one.
    pub url: Option<String>,
    /// What lets its guest out before it is paid.
    pub grace: Option<Uuid>,
}

impl Attempt {
    /// Whether money may still come of it by itself.
    pub fn is_open(&self) -> bool {
        !matches!(self.state.as_str(), "succeeded" | "failed")
    }
}

/// The attempt to pay an order that matters: one that succeeded, else one that is open, else the newest. `None`: there was none.
pub async fn latest(db: &Db, order: Uuid) -> Result<Option<Attempt>> {
    let row = sqlx::query!(
        "SELECT id, provider, state, created_at, pay_url, grace_id FROM payments WHERE order_id = $1
         ORDER BY state = 'succeeded' DESC, state <> 'failed' DESC, created_at DESC, id DESC LIMIT 1",
        order
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.map(|row| Attempt {
        id: row.id,
        provider: row.provider,
        state: row.state,
        began_at: row.created_at,
        url: row.pay_url,
        grace: row.grace_id,
    }))
}

/// The payment that a provider knows by this name: of the page, or of what was paid there.
pub async fn by_reference(db: &Db, provider: &str, reference: &str) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM payments WHERE provider = $1 AND (checkout_request_id = $2 OR receipt = $2)",
        provider,
        reference
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Whether a payment can still be made though its order is paid, so that somebody could pay twice.
pub async fn is_over(db: &Db, payment: Uuid) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payments p JOIN orders o ON o.id = p.order_id
             WHERE p.id = $1 AND p.state IN ('created', 'prompted', 'unknown') AND o.state IN ('paid', 'refund_due')) AS "is_over!""#,
        payment
    )
    .fetch_one(&db.pool)
    .await?)
}

/// Has the pages closed on which an order could be paid that is paid now: whoever checks payments finds them due. The caller
/// holds the order.
pub(crate) async fn close_others(
    tx: &mut sqlx::PgConnection,
    order: Uuid,
    paid: Uuid,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE payments SET next_check_at = $3
         WHERE order_id = $1 AND id <> $2 AND pay_until > $3 AND state IN ('created', 'prompted', 'unknown')",
        order,
        paid,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}
