//! What was asked under a key, and what was answered: the same request, sent again, finds the first one's answer.
//!
//! A row is written before the work begins, with a lease, so that two that come at once do not both work. The work gets an identity
//! ([`Claim::Ours`]) that stays when it is taken up again after a crash: what it makes under that identity is made once. The answer is
//! kept with the row, octet for octet.

use std::time::Duration;

use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// A request with a key.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The token that asks.
    pub token: Uuid,
    /// Method and path's pattern.
    pub route: String,
    /// The key.
    pub key: String,
    /// Of path and body: another request under the same key has another one.
    pub fingerprint: [u8; 16],
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names and values of the headers that belong to it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is to be done with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is new, or whoever worked on it has gone: work on it.
    Ours {
        /// The identity of what the work makes.
        work: Uuid,
    },
    /// It was answered.
    Answered(Answer),
    /// Somebody works on it.
    Busy,
    /// The key belongs to another request.
    Other,
}

/// Claims a request for `lease`. `keep`: how long its answer is kept; `None`: for ever.
pub async fn claim(
    db: &Db,
    asked: &Asked,
    lease: Duration,
    keep: Option<Duration>,
    now: OffsetDateTime,
) -> Result<Claim> {
    let work = sqlx::query_scalar!(
        "INSERT INTO idempotency_keys (token_id, route, key, fingerprint, work_id, lease_until, keep_until, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (token_id, route, key) DO UPDATE SET lease_until = EXCLUDED.lease_until
             WHERE idempotency_keys.status IS NULL AND idempotency_keys.lease_until <= $8
               AND idempotency_keys.fingerprint = EXCLUDED.fingerprint
         RETURNING work_id",
        asked.token,
        asked.route,
        asked.key,
        &asked.fingerprint[..],
        rng::id(now),
        now + lease,
        keep.map(|keep| now + keep),
        now
    )
    .fetch_optional(&db.pool)
    .await?;
    if let Some(work) = work {
        return Ok(Claim::Ours { work });
    }
    let row = sqlx::query!(
        "SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE token_id = $1 AND route = $2 AND key = $3",
        asked.token,
        asked.route,
        asked.key
    )
    .fetch_optional(&db.pool)
    .await?;
    // It was given up a moment ago: whoever asks again begins anew.
    let Some(row) = row else { return Ok(Claim::Busy) };
    if row.fingerprint != asked.fingerprint {
        return Ok(Claim::Other);
    }
    let Some((status, body)) = row.status.zip(row.body) else { return Ok(Claim::Busy) };
    Ok(Claim::Answered(Answer {
        status: u16::try_from(status).unwrap_or(500),
        headers: serde_json::from_value(row.headers).unwrap_or_default(),
        body,
    }))
}

/// Keeps an answer.
pub async fn finish(db: &Db, asked: &Asked, work: Uuid, answer: &Answer) -> Result<()> {
    sqlx::query!(
        "UPDATE idempotency_keys SET status = $5, headers = $6, body = $7
         WHERE token_id = $1 AND route = $2 AND key = $3 AND work_id = $4 AND status IS NULL",
        asked.token,
        asked.route,
        asked.key,
        work,
        i32::from(answer.status),
        serde_json::Value::from_iter(answer.headers.iter().map(|(name, value)| vec![name.as_str(), value.as_str()])),
        answer.body
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Nothing was done: the key is free for a request that is put right.
pub async fn release(db: &Db, asked: &Asked, work: Uuid) -> Result<()> {
    sqlx::query!(
        "DELETE FROM idempotency_keys WHERE token_id = $1 AND route = $2 AND key = $3 AND work_id = $4 AND status IS NULL",
        asked.token,
        asked.route,
        asked.key,
        work
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It is not known what was done: whoever sends the same request again takes it up, under the same identity.
pub async fn give_up(db: &Db, asked: &Asked, work: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE idempotency_keys SET lease_until = $5
         WHERE token_id = $1 AND route = $2 AND key = $3 AND work_id = $4 AND status IS NULL",
        asked.token,
        asked.route,
        asked.key,
        work,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Forgets keys that need not be kept any more, at most so many. Returns how many.
pub async fn forget(db: &Db, now: OffsetDateTime, limit: u32) -> Result<u64> {
    Ok(sqlx::query!(
        "DELETE FROM idempotency_keys WHERE (token_id, route, key) IN (
             SELECT token_id, route, key FROM idempotency_keys WHERE keep_until <= $1 ORDER BY keep_until LIMIT $2)",
        now,
        i64::from(limit)
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}
