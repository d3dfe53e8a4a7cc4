//! How often an accountant's program is asked, so that it is asked less than it allows: in a day of UTC, and in a minute.
//!
//! What is about to be asked is counted first ([`reserve`]) and put right afterwards ([`settle`]), in one row that all portals share. Minutes
//! are counted from one full minute to the next, and each has half of what the program allows in one: so no sixty seconds whatsoever hold
//! more than that.
//!
//! What comes of it if a portal is killed between the two: a few requests are counted that were never made.

use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::package::{signed, unsigned};
use crate::{Db, Result};

/// Why nothing may be asked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// The minute's number is used up.
    Minute,
    /// The day's is.
    Day,
}

/// Counts so many requests that are about to be made, if that many are left.
pub async fn reserve(
    db: &Db,
    connection: Uuid,
    requests: u32,
    (minute, day): (u32, Option<u32>),
    now: OffsetDateTime,
) -> Result<std::result::Result<(), Full>> {
    let today = now.date();
    sqlx::query!(
        "INSERT INTO book_calls (connection_id, day) VALUES ($1, $2) ON CONFLICT (connection_id, day) DO NOTHING",
        connection,
        today
    )
    .execute(&db.pool)
    .await?;
    let (requests, half) = (i64::from(requests), i64::from(minute / 2).max(1));
    let most = day.map(i64::from);
    let taken = sqlx::query!(
        "UPDATE book_calls SET calls = calls + $3, minute = date_trunc('minute', $4::timestamptz),
             minute_calls = CASE WHEN minute = date_trunc('minute', $4::timestamptz) THEN minute_calls + $3 ELSE $3 END
         WHERE connection_id = $1 AND day = $2 AND ($6::bigint IS NULL OR calls + $3 <= $6)
           AND (minute < date_trunc('minute', $4::timestamptz) OR minute_calls + $3 <= $5 OR minute_calls = 0)",
        connection,
        today,
        requests,
        now,
        half,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if taken == 1 {
        return Ok(Ok(()));
    }
    let calls = of_day(db, connection, today).await?;
    let is_day_full = most.is_some_and(|most| signed(calls).saturating_add(requests) > most);
    Ok(Err(if is_day_full { Full::Day } else { Full::Minute }))
}

/// Puts right what was reserved: so many were made.
pub async fn settle(db: &Db, connection: Uuid, reserved: u32, made: u64, now: OffsetDateTime) -> Result<()> {
    let difference = signed(made).saturating_sub(i64::from(reserved));
    if difference == 0 {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE book_calls SET calls = greatest(calls + $3, 0), minute_calls = greatest(minute_calls + $3, 0)
         WHERE connection_id = $1 AND day = $2",
        connection,
        now.date(),
        difference
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// How many were made on a day of UTC.
pub async fn of_day(db: &Db, connection: Uuid, day: Date) -> Result<u64> {
    let calls =
        sqlx::query_scalar!("SELECT calls FROM book_calls WHERE connection_id = $1 AND day = $2", connection, day)
            .fetch_optional(&db.pool)
            .await?;
    Ok(unsigned(calls.unwrap_or(0)))
}

/// The last days with how often the program was asked on each, the newest first.
pub async fn lately(db: &Db, connection: Uuid, days: u32) -> Result<Vec<(Date, u64)>> {
    let rows = sqlx::query!(
        "SELECT day, calls FROM book_calls WHERE connection_id = $1 ORDER BY day DESC LIMIT $2",
        connection,
        i64::from(days)
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.day, unsigned(row.calls))).collect())
}
