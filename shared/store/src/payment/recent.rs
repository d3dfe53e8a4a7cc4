//! How payments ended, as a page needs it: the last prompts of a provider, whichever portal sent them, which are the evidence for
//! whether it is in trouble; and how often one order was paid.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result};

/// An attempt to collect money, and how it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recent {
    /// Who was to pay.
    pub customer: Uuid,
    /// Its state, as [`super::Payment`] has it.
    pub state: String,
    /// The provider's code, or ours, if it failed; empty: there is none.
    pub code: String,
    /// When it began.
    pub began_at: OffsetDateTime,
}

/// The newest attempts at a provider since then, the newest first, `limit` at most.
pub async fn recent(db: &Db, provider: &str, since: OffsetDateTime, limit: u32) -> Result<Vec<Recent>> {
    let rows = sqlx::query!(
        "SELECT o.user_id, p.state, p.result_code, p.created_at FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE p.provider = $1 AND p.created_at > $2 ORDER BY p.created_at DESC, p.id LIMIT $3",
        provider,
        since,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Recent {
            customer: row.user_id,
            state: row.state,
            code: row.result_code.unwrap_or_default(),
            began_at: row.created_at,
        })
        .collect())
}

/// How often an order was paid, without what has gone back or is on its way.
pub async fn times_paid(db: &Db, order: Uuid) -> Result<u64> {
    let times = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM payments p WHERE p.order_id = $1 AND p.state = 'succeeded'
             AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.state NOT IN ('failed', 'refused'))"#,
        order
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(times))
}
