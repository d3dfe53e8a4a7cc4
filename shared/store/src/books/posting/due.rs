//! Which rows are told now, each for one portal, and what that came to.
//!
//! At no time are more rows of a connection under way than its program takes at once, whichever portals are at them: who takes some holds
//! the connection's row for that moment and counts what is leased. What a killed portal had taken comes back when its lease is over, with
//! one more try on it, and is therefore looked for before it is told.

use std::time::Duration;

use shared::request::RequestId;
use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use super::parts::Part;
use crate::package::whole_seconds;
use crate::{Db, Result, StoreError};

/// A row that is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Its identity.
    pub id: Uuid,
    /// The connection.
    pub connection: Uuid,
    /// What it tells.
    pub part: Part,
    /// Its number.
    pub number: String,
    /// Its day.
    pub day: Date,
    /// What it comes to, in minor units.
    pub amount: i64,
    /// How often a person has let it be told anew, the first time included.
    pub round: i32,
    /// Whether it may be there already.
    pub may_be_there: bool,
    /// How often it was tried before.
    pub attempts: u32,
    /// The request that has left it behind.
    pub trace: Option<RequestId>,
}

/// A connection of which something can be told now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// The connection.
    pub connection: Uuid,
    /// Its program.
    pub provider: String,
}

/// Connections that are in order, not asked to wait, and have something due.
pub async fn ready(db: &Db, now: OffsetDateTime) -> Result<Vec<Ready>> {
    Ok(sqlx::query_as!(
        Ready,
        "SELECT c.id AS connection, c.provider FROM book_connections c
         WHERE c.state = 'connected' AND (c.paused_until IS NULL OR c.paused_until <= $1)
           AND EXISTS (SELECT FROM book_postings p WHERE p.connection_id = c.id AND p.state IN ('pending', 'unknown')
                         AND (p.next_attempt_at IS NULL OR p.next_attempt_at <= $1) AND (p.lease_until IS NULL OR p.lease_until <= $1))
         ORDER BY c.id",
        now
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Takes the oldest rows of a connection, so many that no more than `together` are under way.
pub async fn claim(db: &Db, connection: Uuid, now: OffsetDateTime, lease: Duration, together: u32) -> Result<Vec<Due>> {
    let mut tx = db.pool.begin().await?;
    // Whoever finds it held leaves it to the other one.
    let held = sqlx::query_scalar!(
        "SELECT id FROM book_connections
         WHERE id = $1 AND state = 'connected' AND (paused_until IS NULL OR paused_until <= $2) FOR NO KEY UPDATE SKIP LOCKED",
        connection,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    if held.is_none() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"WITH under_way AS (SELECT count(*) AS rows FROM book_postings WHERE connection_id = $1 AND lease_until > $2),
                next AS (SELECT id FROM book_postings WHERE connection_id = $1 AND state IN ('pending', 'unknown')
                           AND (next_attempt_at IS NULL OR next_attempt_at <= $2) AND (lease_until IS NULL OR lease_until <= $2)
                         ORDER BY day, number LIMIT greatest($4::bigint - (SELECT rows FROM under_way), 0)
                         FOR NO KEY UPDATE SKIP LOCKED)
           UPDATE book_postings p SET lease_until = $2 + $3::bigint * interval '1 second', attempts = p.attempts + 1
           FROM next WHERE p.id = next.id
           RETURNING p.id, p.part, p.number, p.day, p.amount_minor, (p.state = 'unknown' OR p.attempts > 1) AS "may_be_there!",
                     p.attempts, p.round, p.trace"#,
        connection,
        now,
        whole_seconds(lease),
        i64::from(together)
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let mut due = rows
        .into_iter()
        .map(|row| {
            let part = Part::parse(&row.part);
            Ok(Due {
                part: part.ok_or_else(|| StoreError::corrupt("book_postings", row.id, "an unknown part"))?,
                id: row.id,
                connection,
                number: row.number,
                day: row.day,
                amount: row.amount_minor,
                round: row.round,
                may_be_there: row.may_be_there,
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_sub(1),
                trace: row.trace.map(RequestId::from),
            })
        })
        .collect::<Result<Vec<Due>>>()?;
    due.sort_by(|one, other| (one.day, &one.number).cmp(&(other.day, &other.number)));
    Ok(due)
}

/// The program has it.
pub async fn posted(db: &Db, due: &Due, external: &str, now: OffsetDateTime) -> Result<()> {
    // Whatever was said of it meanwhile: it is there.
    sqlx::query!(
        "UPDATE book_postings SET state = 'posted', external_id = $2, posted_at = $3, reason = '', next_attempt_at = NULL, lease_until = NULL
         WHERE id = $1",
        due.id,
        external,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The program does not take it as it is: a person must act.
pub async fn rejected(db: &Db, due: &Due, reason: &str) -> Result<()> {
    over(db, due, "rejected", reason, None).await
}

/// It may be there or not: it is looked for then.
pub async fn unknown(db: &Db, due: &Due, reason: &str, next: OffsetDateTime) -> Result<()> {
    over(db, due, "unknown", reason, Some(next)).await
}

/// It is certainly not there: it is told then.
pub async fn later(db: &Db, due: &Due, reason: &str, next: OffsetDateTime) -> Result<()> {
    let state = if due.may_be_there { "unknown" } else { "pending" };
    over(db, due, state, reason, Some(next)).await
}

/// Nothing was sent, so it does not count as a try.
pub async fn put_back(db: &Db, due: &Due) -> Result<()> {
    sqlx::query!(
        "UPDATE book_postings SET lease_until = NULL, attempts = greatest(attempts - 1, 0) WHERE id = $1 AND lease_until IS NOT NULL",
        due.id
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

async fn over(db: &Db, due: &Due, state: &str, reason: &str, next: Option<OffsetDateTime>) -> Result<()> {
    sqlx::query!(
        "UPDATE book_postings SET state = $2, reason = $3, next_attempt_at = $4, lease_until = NULL
         WHERE id = $1 AND state IN ('pending', 'unknown')",
        due.id,
        state,
        reason,
        next
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Nothing is told to a program until then; a longer wait that it has asked for stays.
pub async fn pause(db: &Db, connection: Uuid, until: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE book_connections SET paused_until = greatest(coalesce(paused_until, $2), $2) WHERE id = $1",
        connection,
        until
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}
