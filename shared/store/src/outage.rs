//! Routers that went dark while customers were online, and the time that these are given back.
//!
//! A router with open sessions speaks at least once in every interval of their reports. One of which nothing was heard for
//! longer had an outage, which began when it was last heard and ends when it is heard again. Time that counts only online
//! stops by itself, since the sessions are closed at their last report; time by the clock runs on, and that is what is given back.

use std::time::Duration;

use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result, StoreError, entitlement};

/// What has begun and ended since the last look: routers' names.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Noted {
    /// Routers that went dark.
    pub began: Vec<String>,
    /// Routers that are back.
    pub ended: Vec<String>,
}

/// Writes down which routers with open sessions have been silent for so long, and which are heard again. Several servers may
/// look at the same time.
pub async fn note(db: &Db, silence: Duration, now: OffsetDateTime) -> Result<Noted> {
    let mut tx = db.pool.begin().await?;
    let ended = sqlx::query_scalar!(
        r#"WITH over AS (
               UPDATE outages o SET ended_at = coalesce(heard.last_seen_at, $1)
               FROM (SELECT i.id, n.name, n.last_seen_at FROM outages i LEFT JOIN nas n ON n.id = i.nas_id
                     WHERE i.ended_at IS NULL) AS heard
               WHERE heard.id = o.id AND (heard.last_seen_at > o.started_at OR heard.name IS NULL)
               RETURNING heard.name)
           SELECT coalesce(name, '(removed router)') AS "name!" FROM over"#,
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    let began = sqlx::query!(
        r#"WITH dark AS (
               INSERT INTO outages (id, nas_id, started_at, noticed_at)
               SELECT gen_random_uuid(), n.id, n.last_seen_at, $1 FROM nas n
               WHERE n.last_seen_at < $2 AND EXISTS (SELECT FROM sessions s WHERE s.nas_id = n.id AND s.ended_at IS NULL)
               ON CONFLICT (nas_id) WHERE ended_at IS NULL DO NOTHING
               RETURNING id, nas_id)
           SELECT dark.id AS "id!", dark.nas_id AS "nas!", n.name FROM dark JOIN nas n ON n.id = dark.nas_id"#,
        now,
        now - silence
    )
    .fetch_all(&mut *tx)
    .await?;
    for outage in &began {
        sqlx::query!(
            "INSERT INTO outage_entitlements (outage_id, entitlement_id, sessions)
             SELECT $1, e.id, count(*) FROM sessions s JOIN entitlements e ON e.id = s.entitlement_id
             WHERE s.nas_id = $2 AND s.ended_at IS NULL GROUP BY e.id ORDER BY e.id",
            outage.id,
            outage.nas
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(Noted { began: began.into_iter().map(|outage| outage.name).collect(), ended })
}

/// How many routers are dark now.
pub async fn count_open(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM outages WHERE ended_at IS NULL"#)
        .fetch_one(&db.pool)
        .await?;
    Ok(unsigned(count))
}

/// An outage of a router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outage {
    /// Its identity.
    pub id: Uuid,
    /// The router's name.
    pub nas: String,
    /// Its site's name.
    pub site: Option<String>,
    /// When the router was last heard.
    pub started_at: OffsetDateTime,
    /// When it was heard again.
    pub ended_at: Option<OffsetDateTime>,
    /// Customers who were online: packages in use.
    pub customers: u64,
    /// What was given back.
    pub given_back: Option<GivenBack>,
}

/// Time that was given back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenBack {
    /// When.
    pub at: OffsetDateTime,
    /// By whom.
    pub by: String,
    /// To so many customers.
    pub customers: u64,
    /// Of all of them together.
    pub time: Duration,
}

/// The outages, the newest first.
pub async fn list(db: &Db, limit: u32) -> Result<Vec<Outage>> {
    let rows = sqlx::query!(
        r#"SELECT o.id, coalesce(n.name, '(removed router)') AS "nas!", t.name AS "site?", o.started_at, o.ended_at,
                  o.given_back_at, o.given_back_by, a.customers AS "customers!", a.credited AS "credited!", a.seconds AS "seconds!"
           FROM (SELECT * FROM outages ORDER BY started_at DESC, id LIMIT $1) o
                LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites t ON t.id = n.site_id,
                LATERAL (SELECT count(*) AS customers, count(*) FILTER (WHERE seconds > 0) AS credited,
                                coalesce(sum(seconds), 0)::bigint AS seconds
                         FROM outage_entitlements WHERE outage_id = o.id) a
           ORDER BY o.started_at DESC, o.id"#,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    let given_back = |at, by| Some((at?, by?));
    Ok(rows
        .into_iter()
        .map(|row| Outage {
            given_back: given_back(row.given_back_at, row.given_back_by).map(|(at, by)| GivenBack {
                at,
                by,
                customers: unsigned(row.credited),
                time: Duration::from_secs(unsigned(row.seconds)),
            }),
            id: row.id,
            nas: row.nas,
            site: row.site,
            started_at: row.started_at,
            ended_at: row.ended_at,
            customers: unsigned(row.customers),
        })
        .collect())
}

/// Gives everybody who was online the time back that passed while the router was dark: their access ends so much later. Who has
/// expired meanwhile has it from now on. Once for an outage, however often it is asked for.
///
/// # Errors
/// [`StoreError::Conflict`]: it goes on, or the time was given back.
pub async fn give_back(db: &Db, id: Uuid, by: &str, now: OffsetDateTime) -> Result<GivenBack> {
    let mut tx = db.pool.begin().await?;
    let outage = sqlx::query!("SELECT started_at, ended_at, given_back_by FROM outages WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("outage", id))?;
    if let Some(other) = outage.given_back_by {
        return Err(StoreError::Conflict(format!("the time of this outage was given back by {other}")));
    }
    let Some(ended_at) = outage.ended_at else {
        return Err(StoreError::Conflict(
            "this outage goes on: give its time back when the router is heard again".into(),
        ));
    };
    let ids = sqlx::query_scalar!("SELECT entitlement_id FROM outage_entitlements WHERE outage_id = $1", id)
        .fetch_all(&mut *tx)
        .await?;
    entitlement::lock(&mut tx, &ids).await?;
    // The part of the outage in which its time ran, of what may still be used or has just run out.
    let credits = sqlx::query!(
        r#"UPDATE outage_entitlements o SET seconds = CASE WHEN e.state IN ('active', 'expired') THEN coalesce(greatest(
               extract(epoch FROM least(e.expires_at, $3) - greatest(e.starts_at, $2))::bigint, 0), 0) ELSE 0 END
           FROM entitlements e WHERE o.outage_id = $1 AND e.id = o.entitlement_id
           RETURNING o.entitlement_id, o.seconds AS "seconds!""#,
        id,
        outage.started_at,
        ended_at
    )
    .fetch_all(&mut *tx)
    .await?;
    let (ids, seconds): (Vec<Uuid>, Vec<i64>) =
        credits.into_iter().filter(|row| row.seconds > 0).map(|row| (row.entitlement_id, row.seconds)).unzip();
    sqlx::query!(
        "UPDATE entitlements e SET expires_at = greatest(e.expires_at, $3) + c.seconds * interval '1 second', state = 'active'
         FROM unnest($1::uuid[], $2::bigint[]) AS c (id, seconds) WHERE e.id = c.id",
        &ids,
        &seconds,
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("UPDATE outages SET given_back_at = $2, given_back_by = $3 WHERE id = $1", id, now, by)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    let time = Duration::from_secs(unsigned(seconds.iter().sum()));
    Ok(GivenBack { at: now, by: by.to_owned(), customers: ids.len() as u64, time })
}
