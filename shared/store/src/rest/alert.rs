//! Alerts, a page at a time, the last that began first. One by its identity is [`crate::alert::get`].

use super::After;
use crate::alert::{Alert, Row, State, known};
use crate::{Db, Result};

/// A page of alerts; of those that stand there, if that is said. A kind that this program does not know is left out.
pub async fn list(db: &Db, state: Option<State>, after: After, limit: u32) -> Result<Vec<Alert>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, subject, site_id, title, detail, severity, state, count, first_seen_at, last_seen_at, opened_at, told_at,
                clear_since, acknowledged_at, acknowledged_by, note, escalated_at, resolved_at
         FROM alerts
         WHERE first_seen_at <= $1 AND (first_seen_at < $1 OR id > $2) AND ($3::text IS NULL OR state = $3)
         ORDER BY first_seen_at DESC, id LIMIT $4",
        after.at,
        after.id,
        state.map(State::as_str),
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    known(rows)
}
