//! How often an accountant's program is asked, so that it is asked less than it allows: in a day of UTC, and in any minute.
//!
//! What is about to be asked is counted first ([`reserve`]) and put right afterwards ([`settle`]), in one row that all portals share. A
//! moment in it moves ahead by the pace with each request; while it is further ahead of now than [`AHEAD`], nothing more is asked (the
//! generic cell rate algorithm of ITU-T I.371). The pace is nine tenths of what the program allows, and the rest is what may come at once:
//! so no minute whatsoever holds more than is allowed.
//!
//! What comes of it if a portal is killed between the two: a few requests are counted that were never made.

use std::time::Duration;

use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::package::{signed, unsigned};
use crate::{Db, Result};

/// How far ahead of the pace may be asked: a tenth of a minute.
const AHEAD: Duration = Duration::from_secs(6);
/// Microseconds of a minute, at nine tenths of what is allowed in it.
const PACED_MICROSECONDS: i64 = 60_000_000 * 10 / 9;

/// Why nothing may be asked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// The minute's number is used up.
    Minute,
    /// The day's is.
    Day,
}

/// How often a program may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// In a minute.
    pub minute: u32,
    /// In a day, where there is a limit.
    pub day: Option<u32>,
}

impl Limit {
    /// Between one request and the next, in microseconds.
    fn apart(self) -> i64 {
        PACED_MICROSECONDS / i64::from(self.minute.max(1))
    }
}

/// Counts so many requests that are about to be made, if that many are left.
pub async fn reserve(
    db: &Db,
    connection: Uuid,
    requests: u32,
    limit: Limit,
    now: OffsetDateTime,
) -> Result<std::result::Result<(), Full>> {
    let today = now.date();
    // A day begins with nothing ahead: the day before may have asked until its end.
    sqlx::query!(
        "INSERT INTO book_calls (connection_id, day, paced_until) VALUES ($1, $2, $3) ON CONFLICT (connection_id, day) DO NOTHING",
        connection,
        today,
        now + AHEAD
    )
    .execute(&db.pool)
    .await?;
    let (requests, most) = (i64::from(requests), limit.day.map(i64::from));
    // What is more than may ever come at once goes when nothing is ahead.
    let taken = sqlx::query!(
        "UPDATE book_calls SET calls = calls + $3, paced_until = greatest(paced_until, $4) + $3::bigint * $5::bigint * interval '1 microsecond'
         WHERE connection_id = $1 AND day = $2 AND ($7::bigint IS NULL OR calls + $3 <= $7)
           AND (paced_until <= $4 OR paced_until + $3::bigint * $5::bigint * interval '1 microsecond' <= $6)",
        connection,
        today,
        requests,
        now,
        limit.apart(),
        now + AHEAD,
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
pub async fn settle(
    db: &Db,
    connection: Uuid,
    (reserved, made): (u32, u64),
    limit: Limit,
    now: OffsetDateTime,
) -> Result<()> {
    let difference = signed(made).saturating_sub(i64::from(reserved));
    if difference == 0 {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE book_calls SET calls = greatest(calls + $3, 0), paced_until = paced_until + $3::bigint * $4::bigint * interval '1 microsecond'
         WHERE connection_id = $1 AND day = $2",
        connection,
        now.date(),
        difference,
        limit.apart()
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
