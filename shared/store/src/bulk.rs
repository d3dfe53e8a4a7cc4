//! What is done to many, one after the other: sessions of a site that are ended, vouchers of a batch that are made worth nothing.
//!
//! A job is a row. Whoever has a hand free takes it under a lease, does some, notes how far it has come, and goes on; one that died is
//! taken up by another where it was. What is done to one of them is what the desk does to one by hand, and does nothing
//! the second time.
//!
//! Refused here: a job over everything because a filter was left empty.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::unsigned;
use crate::voucher::{self, Which};
use crate::{Db, Result, StoreError, session};

/// How many of them are done with one step.
const STEP: i64 = 200;
/// A job that nobody has gone on with for this long is taken up by another.
const LEASE: Duration = Duration::from_secs(60);
/// Jobs that are listed.
const LISTED: i64 = 100;

/// The word in the database for vouchers that are made worth nothing.
const VOID: &str = "void";

/// What is to be done, and to which.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// End the open sessions at these routers, of those that began before a moment.
    Disconnect {
        /// The routers.
        routers: Vec<Uuid>,
        /// When the job was made: who comes after that stays.
        before: OffsetDateTime,
    },
    /// Make the vouchers of a batch that nobody uses worth nothing.
    Void {
        /// The batch.
        batch: Uuid,
        /// Why.
        reason: String,
    },
}

impl Work {
    fn kind(&self) -> &'static str {
        match self {
            Work::Disconnect { .. } => "disconnect",
            Work::Void { .. } => VOID,
        }
    }
}

/// A job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// Identity.
    pub id: Uuid,
    /// Whether it makes vouchers worth nothing.
    pub is_void: bool,
    /// What it is, in words.
    pub words: String,
    /// How many there were when it was made.
    pub total: u64,
    /// How many are done.
    pub done: u64,
    /// How many could not be.
    pub failed: u64,
    /// `waiting`, `running`, `done` or `cancelled`.
    pub state: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// When it was done or cancelled.
    pub ended_at: Option<OffsetDateTime>,
}

/// To how many it would be done now.
pub async fn count(db: &Db, work: &Work) -> Result<u64> {
    let count = match work {
        Work::Disconnect { routers, before } => {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM sessions WHERE nas_id = ANY ($1) AND started_at <= $2 AND ended_at IS NULL"#,
                routers,
                *before
            )
            .fetch_one(&db.pool)
            .await?
        }
        Work::Void { batch, .. } => {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM vouchers WHERE batch_id = $1 AND state IN ('printed', 'sold')"#,
                *batch
            )
            .fetch_one(&db.pool)
            .await?
        }
    };
    Ok(unsigned(count))
}

/// Makes a job of it.
pub async fn begin(db: &Db, id: Uuid, work: &Work, words: &str, by: &str, now: OffsetDateTime) -> Result<()> {
    let total = i64::try_from(count(db, work).await?).unwrap_or(i64::MAX);
    let filter = serde_json::to_value(work).map_err(|error| StoreError::corrupt("bulk_jobs", id, error))?;
    sqlx::query!(
        "INSERT INTO bulk_jobs (id, kind, filter, words, total, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        work.kind(),
        filter,
        words,
        total,
        by,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The batch of vouchers with that number.
pub async fn batch(db: &Db, number: u32) -> Result<Option<Uuid>> {
    let Ok(number) = i32::try_from(number) else { return Ok(None) };
    Ok(sqlx::query_scalar!("SELECT id FROM voucher_batches WHERE number = $1", number).fetch_optional(&db.pool).await?)
}

/// The newest jobs. Whoever is limited to some sites sees none that is at work elsewhere too.
pub async fn list(db: &Db, sites: &SiteScope) -> Result<Vec<Job>> {
    let rows = sqlx::query_as!(
        Listed,
        "SELECT id, kind, words, total, done, failed, state, created_by, created_at, ended_at FROM bulk_jobs
         WHERE $2::uuid[] IS NULL OR NOT EXISTS (
             SELECT FROM jsonb_array_elements_text(coalesce(filter -> 'routers', '[]')) r (id)
             WHERE r.id::uuid NOT IN (SELECT n.id FROM nas n WHERE n.site_id = ANY ($2)))
         ORDER BY created_at DESC, id LIMIT $1",
        LISTED,
        sites.filter()
    )
    .fetch_all(&db.pool)
    .await?;
    let job = |r: Listed| Job {
        id: r.id,
        is_void: r.kind == VOID,
        words: r.words,
        total: unsigned(r.total),
        done: unsigned(r.done),
        failed: unsigned(r.failed),
        state: r.state,
        created_by: r.created_by,
        created_at: r.created_at,
        ended_at: r.ended_at,
    };
    Ok(rows.into_iter().map(job).collect())
}

/// A job as it stands in the database.
struct Listed {
    id: Uuid,
    kind: String,
    words: String,
    total: i64,
    done: i64,
    failed: i64,
    state: String,
    created_by: String,
    created_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
}

/// Whether a job makes vouchers worth nothing.
pub async fn is_void(db: &Db, id: Uuid) -> Result<bool> {
    let kind = sqlx::query_scalar!("SELECT kind FROM bulk_jobs WHERE id = $1", id).fetch_optional(&db.pool).await?;
    Ok(kind.ok_or_else(|| StoreError::missing("job", id))? == VOID)
}

/// Refuses a job that is not there, or that is at work where somebody sees nothing.
pub async fn reaches(db: &Db, sites: &SiteScope, id: Uuid) -> Result<()> {
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM bulk_jobs WHERE id = $1 AND ($2::uuid[] IS NULL OR NOT EXISTS (
                   SELECT FROM jsonb_array_elements_text(coalesce(filter -> 'routers', '[]')) r (id)
                   WHERE r.id::uuid NOT IN (SELECT n.id FROM nas n WHERE n.site_id = ANY ($2))))) AS "is_there!""#,
        id,
        sites.filter()
    )
    .fetch_one(&db.pool)
    .await?;
    if is_there { Ok(()) } else { Err(StoreError::missing("job", id)) }
}

/// Ends a job before its end. What is done stays done. Returns whether it had not ended yet.
pub async fn cancel(db: &Db, id: Uuid, by: &str, now: OffsetDateTime) -> Result<bool> {
    let changed = sqlx::query!(
        "UPDATE bulk_jobs SET state = 'cancelled', ended_at = $2, ended_by = $3, lease_until = NULL WHERE id = $1 AND ended_at IS NULL",
        id,
        now,
        by
    )
    .execute(&db.pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Goes one step on with the oldest job that nobody is at. Returns whether there was one.
pub async fn step(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let claimed = sqlx::query!(
        "UPDATE bulk_jobs SET state = 'running', lease_until = $2 WHERE id = (
             SELECT id FROM bulk_jobs WHERE ended_at IS NULL AND (lease_until IS NULL OR lease_until < $1)
             ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, filter, place, created_by",
        now,
        now + LEASE
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(job) = claimed else { return Ok(false) };
    let work: Work =
        serde_json::from_value(job.filter).map_err(|error| StoreError::corrupt("bulk_jobs", job.id, error))?;
    let ids = next(db, &work, job.place.unwrap_or(Uuid::nil())).await?;
    let (done, failed) = match &work {
        Work::Disconnect { .. } => disconnect(db, &ids, now).await?,
        Work::Void { reason, .. } => void(db, &ids, reason, &job.created_by, now).await?,
    };
    note(db, job.id, &ids, done, failed, now).await?;
    Ok(true)
}

/// The next of them in the order of their identities.
async fn next(db: &Db, work: &Work, place: Uuid) -> Result<Vec<Uuid>> {
    Ok(match work {
        Work::Disconnect { routers, before } => {
            sqlx::query_scalar!(
                "SELECT id FROM sessions WHERE id > $1 AND nas_id = ANY ($2) AND started_at <= $3 AND ended_at IS NULL ORDER BY id LIMIT $4",
                place,
                routers,
                *before,
                STEP
            )
            .fetch_all(&db.pool)
            .await?
        }
        Work::Void { batch, .. } => {
            sqlx::query_scalar!(
                "SELECT id FROM vouchers WHERE id > $1 AND batch_id = $2 AND state IN ('printed', 'sold') ORDER BY id LIMIT $3",
                place,
                *batch,
                STEP
            )
            .fetch_all(&db.pool)
            .await?
        }
    })
}

async fn disconnect(db: &Db, ids: &[Uuid], now: OffsetDateTime) -> Result<(i64, i64)> {
    let mut tx = db.begin().await?;
    let open = sqlx::query_scalar!(
        "SELECT id FROM sessions WHERE id = ANY ($1) AND ended_at IS NULL ORDER BY id FOR UPDATE",
        ids
    )
    .fetch_all(&mut *tx)
    .await?;
    session::request_cuts(&mut tx, &open, Some("operator"), now).await?;
    tx.commit().await?;
    // What ended by itself meanwhile is as it should be.
    Ok((i64::try_from(ids.len()).unwrap_or(i64::MAX), 0))
}

async fn void(db: &Db, ids: &[Uuid], reason: &str, by: &str, now: OffsetDateTime) -> Result<(i64, i64)> {
    let all = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    if ids.is_empty() || was_done(voucher::void(db, Which::Ids(ids), reason, by, now).await)? {
        return Ok((all, 0));
    }
    // Somebody has begun to use one of them, which holds up the others.
    let mut failed = 0;
    for id in ids {
        if !was_done(voucher::void(db, Which::Ids(std::slice::from_ref(id)), reason, by, now).await)? {
            failed += 1;
        }
    }
    Ok((all - failed, failed))
}

/// Whether it was done; it was not where somebody uses the voucher.
fn was_done(done: Result<u64>) -> Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn note(db: &Db, id: Uuid, ids: &[Uuid], done: i64, failed: i64, now: OffsetDateTime) -> Result<()> {
    let is_over = i64::try_from(ids.len()).unwrap_or(i64::MAX) < STEP;
    sqlx::query!(
        "UPDATE bulk_jobs SET done = done + $2, failed = failed + $3, place = coalesce($4, place), lease_until = NULL,
             state = CASE WHEN $5 THEN 'done' ELSE state END, ended_at = CASE WHEN $5 THEN $6::timestamptz END
         WHERE id = $1 AND ended_at IS NULL",
        id,
        done,
        failed,
        ids.last().copied(),
        is_over,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_is_read_as_it_was_written() {
        for work in [
            Work::Disconnect { routers: vec![Uuid::from_u128(1)], before: OffsetDateTime::UNIX_EPOCH },
            Work::Void { batch: Uuid::from_u128(2), reason: "stolen".into() },
        ] {
            let json = serde_json::to_value(&work).expect("JSON");
            assert_eq!(json["kind"], work.kind());
            assert_eq!(serde_json::from_value::<Work>(json).expect("reads"), work);
        }
    }
}
