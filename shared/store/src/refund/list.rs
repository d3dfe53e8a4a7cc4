//! Refunds to cards that are not done, as the desk lists them.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::money;
use crate::package::unsigned;
use crate::{Db, Result};

/// A refund that is not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its identity.
    pub id: Uuid,
    /// The order's code.
    pub order: String,
    /// How much.
    pub amount: Money,
    /// `created`, `unknown`, `pending`, `failed` or `refused`.
    pub state: String,
    /// Why it was not done, or is not known, in the provider's words.
    pub reason: String,
    /// Whether it is tried again by itself.
    pub is_tried_again: bool,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub created_at: OffsetDateTime,
}

/// Refunds that are not done, the newest first. One after which another was asked for is left out.
pub async fn list(db: &Db, limit: u32) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        r#"SELECT r.id, o.code, r.amount_minor, r.currency, r.state, r.reason, r.asked_by, r.created_at,
                  r.next_attempt_at IS NOT NULL AS "is_tried_again!"
           FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = p.order_id
           WHERE r.state <> 'done' AND r.way = 'card'
             AND NOT EXISTS (SELECT FROM refunds later WHERE later.payment_id = r.payment_id AND later.created_at > r.created_at)
           ORDER BY r.created_at DESC, r.id LIMIT $1"#,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Listed {
                id: row.id,
                order: row.code,
                amount: money(row.id, row.amount_minor, &row.currency)?,
                state: row.state,
                reason: row.reason,
                is_tried_again: row.is_tried_again,
                asked_by: row.asked_by,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// How many of them nobody tries again: a person must look.
pub async fn count_stuck(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM refunds r
           WHERE r.state IN ('unknown', 'failed', 'refused') AND r.way = 'card' AND r.next_attempt_at IS NULL
             AND NOT EXISTS (SELECT FROM refunds later WHERE later.payment_id = r.payment_id AND later.created_at > r.created_at)"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}
