//! Webhooks: where other programs want to be told of what happens, what happened, and what became of telling them.
//!
//! Triggers write an event and its deliveries in the transaction in which it happens, for those endpoints that want to know
//! (`tell_webhooks` in the migrations; `webhooks_after_sessions` for sessions, which are written in sets). A job [`claim`]s
//! deliveries and says what they came to. An endpoint's secret is sealed to its row; after [`rotate`] the one before signs too
//! for a while.

use std::time::Duration;

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::unsigned;
use crate::rest::After;
use crate::{Db, Result, StoreError};

/// Of what other programs can be told.
pub const TYPES: [&str; 11] = [
    "payment.succeeded",
    "payment.failed",
    "order.paid",
    "order.refund_due",
    "refund.succeeded",
    "refund.failed",
    "voucher.redeemed",
    "nas.silent",
    "nas.heard",
    "session.started",
    "session.stopped",
];
/// How long the secret before signs too after a rotation.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// How long events, and what became of telling of them, are kept.
pub const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most endpoints.
const MOST: i64 = 100;
/// Octets of a secret.
const SECRET: usize = 32;

/// Where another program is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Its identity.
    pub id: Uuid,
    /// Its address.
    pub url: String,
    /// What it is for, in somebody's words.
    pub description: String,
    /// Of what it is told.
    pub events: Vec<String>,
    /// Since when it is told of nothing, and why.
    pub disabled: Option<(OffsetDateTime, String)>,
    /// Until when the secret before a rotation signs too.
    pub old_secret_until: Option<OffsetDateTime>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: OffsetDateTime,
}

struct Row {
    id: Uuid,
    url: String,
    description: String,
    events: Vec<String>,
    disabled_at: Option<OffsetDateTime>,
    disabled_reason: Option<String>,
    old_secret_until: Option<OffsetDateTime>,
    created_by: String,
    created_at: OffsetDateTime,
}

impl From<Row> for Endpoint {
    fn from(row: Row) -> Endpoint {
        Endpoint {
            disabled: row.disabled_at.zip(row.disabled_reason),
            id: row.id,
            url: row.url,
            description: row.description,
            events: row.events,
            old_secret_until: row.old_secret_until,
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

/// All endpoints.
pub async fn all(db: &Db) -> Result<Vec<Endpoint>> {
    Ok(sqlx::query_as!(
        Row,
        "SELECT id, url, description, events, disabled_at, disabled_reason, old_secret_until, created_by, created_at
         FROM webhook_endpoints ORDER BY id DESC LIMIT $1",
        MOST
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Endpoint::from)
    .collect())
}

/// One endpoint.
pub async fn get(db: &Db, id: Uuid) -> Result<Endpoint> {
    sqlx::query_as!(
        Row,
        "SELECT id, url, description, events, disabled_at, disabled_reason, old_secret_until, created_by, created_at
         FROM webhook_endpoints WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .map(Endpoint::from)
    .ok_or_else(|| StoreError::missing("webhook endpoint", id))
}

/// Adds an endpoint. Returns its secret, which is shown this once.
///
/// # Errors
/// [`StoreError::Conflict`]: there are too many.
pub async fn add(db: &Db, endpoint: &Endpoint) -> Result<[u8; SECRET]> {
    let secret = rng::bytes::<SECRET>();
    let added = sqlx::query!(
        "INSERT INTO webhook_endpoints (id, url, description, events, secret_sealed, created_by, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM webhook_endpoints) < $8",
        endpoint.id,
        endpoint.url,
        endpoint.description,
        &endpoint.events,
        db.seal.seal(&context(endpoint.id), &secret),
        endpoint.created_by,
        endpoint.created_at,
        MOST
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if added == 1 {
        Ok(secret)
    } else {
        Err(StoreError::Conflict(format!("there are {MOST} webhook endpoints already")))
    }
}

/// Changes an endpoint: where it is, what it is for, of what it is told. One that `is_on` is told again from now on.
pub async fn change(db: &Db, endpoint: &Endpoint, is_on: bool, now: OffsetDateTime) -> Result<()> {
    let changed = sqlx::query!(
        "UPDATE webhook_endpoints SET url = $2, description = $3, events = $4,
             disabled_at = CASE WHEN $5 THEN NULL ELSE coalesce(disabled_at, $6) END,
             disabled_reason = CASE WHEN $5 THEN NULL ELSE coalesce(disabled_reason, 'an operator has said so') END
         WHERE id = $1",
        endpoint.id,
        endpoint.url,
        endpoint.description,
        &endpoint.events,
        is_on,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(StoreError::missing("webhook endpoint", endpoint.id)) }
}

/// Forgets an endpoint, and what became of telling it.
pub async fn remove(db: &Db, id: Uuid) -> Result<()> {
    let gone = sqlx::query!("DELETE FROM webhook_endpoints WHERE id = $1", id).execute(&db.pool).await?.rows_affected();
    if gone == 1 { Ok(()) } else { Err(StoreError::missing("webhook endpoint", id)) }
}

/// Gives an endpoint a new secret, which is shown this once; the one before signs too for [`OVERLAP`].
pub async fn rotate(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<[u8; SECRET]> {
    let secret = rng::bytes::<SECRET>();
    let changed = sqlx::query!(
        "UPDATE webhook_endpoints SET old_secret_sealed = secret_sealed, old_secret_until = $3, secret_sealed = $2 WHERE id = $1",
        id,
        db.seal.seal(&context(id), &secret),
        now + OVERLAP
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if changed == 1 { Ok(secret) } else { Err(StoreError::missing("webhook endpoint", id)) }
}

/// Tells an endpoint again of what happened since then, of what it wants to be told. Returns how many events.
pub async fn replay(db: &Db, id: Uuid, since: OffsetDateTime, now: OffsetDateTime) -> Result<u64> {
    let mut tx = db.pool.begin().await?;
    // It stays meanwhile. A stronger lock would keep those waiting who write down what happens: payments, too.
    let known = sqlx::query_scalar!("SELECT id FROM webhook_endpoints WHERE id = $1 FOR KEY SHARE", id)
        .fetch_optional(&mut *tx)
        .await?;
    if known.is_none() {
        return Err(StoreError::missing("webhook endpoint", id));
    }
    let replayed = sqlx::query!(
        "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, next_attempt_at, created_at, updated_at)
         SELECT gen_random_uuid(), w.id, e.id, $3, $3, $3 FROM webhook_endpoints w JOIN webhook_events e ON e.type = ANY (w.events)
         WHERE w.id = $1 AND e.at >= $2
         ON CONFLICT (endpoint_id, event_id) DO UPDATE SET state = 'pending', attempts = 0, next_attempt_at = EXCLUDED.next_attempt_at,
             status = NULL, detail = '', updated_at = EXCLUDED.updated_at
             WHERE webhook_deliveries.state <> 'pending'",
        id,
        since,
        now
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(replayed)
}

/// Something to be told.
#[derive(Clone)]
pub struct Due {
    /// The delivery.
    pub id: Uuid,
    /// The endpoint.
    pub endpoint: Uuid,
    /// Its address.
    pub url: String,
    /// The secrets that sign, the present one first.
    pub secrets: Vec<Vec<u8>>,
    /// The event.
    pub event: Uuid,
    /// What happened, by its name.
    pub kind: String,
    /// What is told of it.
    pub data: serde_json::Value,
    /// When it happened.
    pub at: OffsetDateTime,
    /// How often it was tried before.
    pub attempts: u32,
}

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Due").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Takes what is due, each for one sender, to come back after `lease` unless something is said of it. The endpoints take
/// turns: payments that wait for one of them do not wait for the many sessions that wait for another.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"WITH due AS (
               SELECT d.id, d.next_attempt_at, row_number() OVER (PARTITION BY w.id ORDER BY d.next_attempt_at) AS turn
               FROM webhook_endpoints w CROSS JOIN LATERAL (
                   SELECT id, next_attempt_at FROM webhook_deliveries WHERE endpoint_id = w.id AND next_attempt_at <= $1
                   ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) d
               WHERE w.disabled_at IS NULL),
           taken AS (
               UPDATE webhook_deliveries SET next_attempt_at = $2, attempts = attempts + 1
               WHERE id IN (SELECT id FROM due ORDER BY turn, next_attempt_at LIMIT $3)
               RETURNING id, endpoint_id, event_id, attempts)
           SELECT t.id, t.endpoint_id, t.event_id, t.attempts, w.url, w.secret_sealed, w.old_secret_sealed, w.old_secret_until,
                  e.type AS kind, e.data, e.at
           FROM taken t JOIN webhook_endpoints w ON w.id = t.endpoint_id JOIN webhook_events e ON e.id = t.event_id ORDER BY e.at"#,
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let open = |sealed: &[u8]| {
                let opened = db.seal.open(&context(row.endpoint_id), sealed);
                opened
                    .map(|secret| secret.to_vec())
                    .map_err(|error| StoreError::corrupt("webhook_endpoints", row.endpoint_id, error))
            };
            let mut secrets = vec![open(&row.secret_sealed)?];
            let old =
                row.old_secret_sealed.as_deref().filter(|_| row.old_secret_until.is_some_and(|until| until > now));
            secrets.extend(old.map(open).transpose()?);
            Ok(Due {
                secrets,
                id: row.id,
                endpoint: row.endpoint_id,
                url: row.url,
                event: row.event_id,
                kind: row.kind,
                data: row.data,
                at: row.at,
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_sub(1),
            })
        })
        .collect()
}

/// What a try came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome<'a> {
    /// The status that was answered; `None`: no answer came.
    pub status: Option<u16>,
    /// Why it is not delivered; empty otherwise.
    pub detail: &'a str,
}

/// It was taken.
pub async fn delivered(db: &Db, id: Uuid, status: u16, now: OffsetDateTime) -> Result<()> {
    let outcome = Outcome { status: Some(status), detail: "" };
    let mut connection = db.pool.acquire().await?;
    over(&mut connection, id, "delivered", &outcome, now).await
}

/// It is tried again then.
pub async fn again(db: &Db, id: Uuid, outcome: &Outcome<'_>, at: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE webhook_deliveries SET next_attempt_at = $2, status = $3, detail = $4, updated_at = $5
         WHERE id = $1 AND state = 'pending'",
        id,
        at,
        outcome.status.map(i32::from),
        outcome.detail,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It is not tried again, and its endpoint is told of nothing more until somebody says otherwise.
pub async fn failed(db: &Db, due: &Due, outcome: &Outcome<'_>, why: &str, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    over(&mut tx, due.id, "failed", outcome, now).await?;
    sqlx::query!(
        "UPDATE webhook_endpoints SET disabled_at = $2, disabled_reason = $3 WHERE id = $1 AND disabled_at IS NULL",
        due.endpoint,
        now,
        why
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn over(
    connection: &mut PgConnection,
    id: Uuid,
    state: &str,
    outcome: &Outcome<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE webhook_deliveries SET state = $2, next_attempt_at = NULL, status = $3, detail = $4, updated_at = $5
         WHERE id = $1 AND state = 'pending'",
        id,
        state,
        outcome.status.map(i32::from),
        outcome.detail,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What became of telling an endpoint of something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its identity.
    pub id: Uuid,
    /// The event.
    pub event: Uuid,
    /// What happened, by its name.
    pub kind: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried again.
    pub next_attempt_at: Option<OffsetDateTime>,
    /// The status that was answered last.
    pub status: Option<i32>,
    /// Why it is not delivered.
    pub detail: String,
    /// When it was written.
    pub created_at: OffsetDateTime,
    /// When it was last tried.
    pub updated_at: OffsetDateTime,
}

/// A page of what became of telling an endpoint.
pub async fn deliveries(db: &Db, endpoint: Uuid, after: After, limit: u32) -> Result<Vec<Delivery>> {
    Ok(sqlx::query_as!(
        Delivery,
        "SELECT d.id, d.event_id AS event, e.type AS kind, d.state, d.attempts, d.next_attempt_at, d.status, d.detail,
                d.created_at, d.updated_at
         FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
         WHERE d.endpoint_id = $1 AND d.created_at <= $2 AND (d.created_at < $2 OR d.id > $3)
         ORDER BY d.created_at DESC, d.id LIMIT $4",
        endpoint,
        after.at,
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Its identity.
    pub id: Uuid,
    /// What, by its name.
    pub kind: String,
    /// What is told of it.
    pub data: serde_json::Value,
    /// When.
    pub at: OffsetDateTime,
}

/// A page of what happened and somebody wanted to be told of.
pub async fn events(db: &Db, after: After, limit: u32) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        "SELECT id, type AS kind, data, at FROM webhook_events
         WHERE at <= $1 AND (at < $1 OR id > $2) ORDER BY at DESC, id LIMIT $3",
        after.at,
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// What waits to be told: how much, and since when the oldest.
pub async fn waiting(db: &Db) -> Result<(u64, Option<OffsetDateTime>)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(d.created_at) AS oldest
           FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
           WHERE d.next_attempt_at IS NOT NULL AND w.disabled_at IS NULL"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok((unsigned(row.count), row.oldest))
}

/// Forgets what happened longer ago than is kept, at most so many events. Returns how many.
pub async fn forget(db: &Db, now: OffsetDateTime, limit: u32) -> Result<u64> {
    Ok(sqlx::query!(
        "DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events WHERE at <= $1 ORDER BY at LIMIT $2)",
        now - KEEP,
        i64::from(limit)
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

fn context(id: Uuid) -> String {
    format!("webhook.secret:{id}")
}
