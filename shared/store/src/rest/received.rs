//! Money that came by itself, a page at a time; what one receipt's is, [`crate::unmatched::get`] tells.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::unmatched::{self, Listed};
use crate::{Db, Result};

/// A page of receipts' money, each with its place in the list: what waits for a person, or all.
pub async fn list(db: &Db, waiting: bool, after: After, limit: u32) -> Result<Vec<(OffsetDateTime, Uuid, Listed)>> {
    let rows = sqlx::query!(
        "SELECT m.id, m.received_at, m.receipt FROM received_money m
         WHERE m.received_at <= $1 AND (m.received_at < $1 OR m.id > $2)
           AND (NOT $3 OR (m.state = 'unmatched' AND m.ignored_at IS NULL) OR (m.state = 'refunded' AND m.given_back_at IS NULL))
         ORDER BY m.received_at DESC, m.id LIMIT $4",
        after.at,
        after.id,
        waiting,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    let mut page = Vec::with_capacity(rows.len());
    // A page has a hundred at most, each found by its key.
    for row in rows {
        page.push((row.received_at, row.id, unmatched::get(db, &row.receipt).await?));
    }
    Ok(page)
}
