//! Both sides held against each other: what was told of a period, and what the accountant's program has of it.
//!
//! A comparison is asked for ([`ask`]), worked on by one portal under a lease ([`claim`]) and keeps what it found ([`done`]); what somebody did
//! about a finding is written beside it ([`mark`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::rng;
use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::package::whole_seconds;
use crate::{Db, Result, StoreError};

/// How far back is compared every day.
const DAILY: time::Duration = time::Duration::days(7);

/// What is not the same on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// We have told it, and it is not there.
    Missing,
    /// It is there, and we have not told it, or not twice.
    Extra,
    /// It comes to something else there.
    Amount,
    /// It is there, but counts no more.
    Void,
    /// It is there on another day.
    Day,
}

/// A finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What is not the same.
    pub kind: Kind,
    /// Its number.
    pub number: String,
    /// `sale`, `refund` or `fees`.
    pub part: String,
    /// Its day: ours, or theirs where we have none.
    pub day: String,
    /// Its currency.
    pub currency: String,
    /// What ours comes to, in minor units.
    pub ours: Option<i64>,
    /// What theirs comes to.
    pub theirs: Option<i64>,
    /// The program's name of theirs.
    pub external: Option<String>,
    /// What the program needs to change it.
    pub version: String,
    /// What somebody did about it; empty: nothing.
    #[serde(default)]
    pub settled: String,
}

/// A comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Its identity.
    pub id: Uuid,
    /// The connection.
    pub connection: Uuid,
    /// Its first day.
    pub since: Date,
    /// Its last one.
    pub until: Date,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub asked_at: OffsetDateTime,
    /// When it was done.
    pub done_at: Option<OffsetDateTime>,
    /// Why it could not be done; empty otherwise.
    pub reason: String,
    /// How many are the same on both sides.
    pub same: i64,
    /// How many of ours are still to be told.
    pub waiting: i64,
    /// What is not the same.
    pub findings: Vec<Finding>,
}

/// Asks for a comparison of these days, the last one included. One that waits already is not asked for twice.
pub async fn ask(db: &Db, connection: Uuid, (since, until): (Date, Date), by: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO book_comparisons (id, connection_id, since, until, asked_by, asked_at)
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (
             SELECT FROM book_comparisons WHERE connection_id = $2 AND since = $3 AND until = $4 AND done_at IS NULL)",
        rng::id(now),
        connection,
        since,
        until,
        by,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Asks for a comparison of the last days of each connection once a day, from an hour after something was told.
pub async fn ask_daily(db: &Db, now: OffsetDateTime) -> Result<u64> {
    let today = now.date();
    Ok(sqlx::query!(
        "INSERT INTO book_comparisons (id, connection_id, since, until, asked_by, asked_at)
         SELECT gen_random_uuid(), c.id, $2::date, $3::date, 'every day', $1::timestamptz FROM book_connections c
         WHERE c.state = 'connected'
           AND NOT EXISTS (SELECT FROM book_comparisons b WHERE b.connection_id = c.id AND b.asked_at > $1::timestamptz - interval '1 day')
           AND EXISTS (SELECT FROM book_postings p WHERE p.connection_id = c.id AND p.day >= $2 AND p.posted_at <= $1::timestamptz - interval '1 hour')",
        now,
        today.saturating_sub(DAILY),
        today
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// What is to be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// The comparison.
    pub id: Uuid,
    /// The connection.
    pub connection: Uuid,
    /// Its program.
    pub provider: String,
    /// Its first day.
    pub since: Date,
    /// Its last one.
    pub until: Date,
}

/// Takes the oldest comparison that nobody is at.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration) -> Result<Option<Due>> {
    Ok(sqlx::query_as!(
        Due,
        "UPDATE book_comparisons b SET lease_until = $1 + $2::bigint * interval '1 second'
         FROM book_connections c
         WHERE c.id = b.connection_id AND b.id = (
             SELECT id FROM book_comparisons WHERE done_at IS NULL AND (lease_until IS NULL OR lease_until <= $1)
             ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING b.id, b.connection_id AS connection, c.provider, b.since, b.until",
        now,
        whole_seconds(lease)
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// It is taken up again then.
pub async fn later(db: &Db, id: Uuid, at: OffsetDateTime, reason: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE book_comparisons SET lease_until = $2, reason = $3 WHERE id = $1 AND done_at IS NULL",
        id,
        at,
        reason
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Found {
    /// How many are the same on both sides.
    pub same: i64,
    /// How many of ours are still to be told.
    pub waiting: i64,
    /// What is not the same.
    pub findings: Vec<Finding>,
}

/// It is done. `reason`: why it could not be; empty otherwise.
pub async fn done(db: &Db, id: Uuid, found: &Found, reason: &str, now: OffsetDateTime) -> Result<()> {
    let findings =
        serde_json::to_value(&found.findings).map_err(|error| StoreError::corrupt("book_comparisons", id, error))?;
    sqlx::query!(
        "UPDATE book_comparisons SET done_at = $2, lease_until = NULL, reason = $3, same = $4, waiting = $5, findings = $6
         WHERE id = $1 AND done_at IS NULL",
        id,
        now,
        reason,
        found.same,
        found.waiting,
        findings
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The newest comparisons of a connection.
pub async fn latest(db: &Db, connection: Uuid, limit: u32) -> Result<Vec<Comparison>> {
    let rows = sqlx::query!(
        r#"SELECT id, since, until, asked_by, asked_at, done_at, reason, coalesce(same, 0) AS "same!", coalesce(waiting, 0) AS "waiting!",
                  findings
           FROM book_comparisons WHERE connection_id = $1 ORDER BY asked_at DESC, id DESC LIMIT $2"#,
        connection,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let findings = serde_json::from_value(row.findings)
                .map_err(|error| StoreError::corrupt("book_comparisons", row.id, error))?;
            Ok(Comparison {
                id: row.id,
                connection,
                since: row.since,
                until: row.until,
                asked_by: row.asked_by,
                asked_at: row.asked_at,
                done_at: row.done_at,
                reason: row.reason,
                same: row.same,
                waiting: row.waiting,
                findings,
            })
        })
        .collect()
}

/// Writes down beside a finding what was done about it.
pub async fn mark(db: &Db, id: Uuid, number: &str, external: Option<&str>, settled: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE book_comparisons SET findings = (
             SELECT coalesce(jsonb_agg(CASE WHEN f ->> 'number' = $2 AND f ->> 'external' IS NOT DISTINCT FROM $3
                                            THEN f || jsonb_build_object('settled', $4::text) ELSE f END ORDER BY place), '[]')
             FROM jsonb_array_elements(findings) WITH ORDINALITY AS t (f, place))
         WHERE id = $1",
        id,
        number,
        external,
        settled
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// A row of ours, as it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ours {
    /// Its number.
    pub number: String,
    /// `sale`, `refund` or `fees`.
    pub part: String,
    /// Its day.
    pub day: Date,
    /// What it comes to, in minor units.
    pub amount: i64,
    /// Its currency.
    pub currency: String,
    /// How it stands.
    pub state: String,
    /// The program's name of it.
    pub external: Option<String>,
}

/// Our rows of these days, the last one included.
pub async fn ours(db: &Db, connection: Uuid, (since, until): (Date, Date)) -> Result<Vec<Ours>> {
    Ok(sqlx::query_as!(
        Ours,
        r#"SELECT number, part, day, amount_minor AS amount, currency AS "currency!", state, external_id AS external
           FROM book_postings WHERE connection_id = $1 AND day >= $2 AND day <= $3 ORDER BY day, number"#,
        connection,
        since,
        until
    )
    .fetch_all(&db.pool)
    .await?)
}

/// The row of a number.
pub async fn ours_numbered(db: &Db, connection: Uuid, number: &str) -> Result<Option<Ours>> {
    Ok(sqlx::query_as!(
        Ours,
        r#"SELECT number, part, day, amount_minor AS amount, currency AS "currency!", state, external_id AS external
           FROM book_postings WHERE connection_id = $1 AND number = $2"#,
        connection,
        number
    )
    .fetch_optional(&db.pool)
    .await?)
}
