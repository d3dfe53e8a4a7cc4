//! Routers that went dark while customers were online, and the time that these are given back.
//!
//! A router with open sessions speaks at least once in every interval of their reports. One of which nothing was heard for
//! longer had an outage, which began when it was last heard and ends when it is heard again. Time that counts only online
//! stops by itself, since the sessions are closed at their last report; time by the clock runs on, and that is what is given back.
//!
//! A line that is cut behind a router which still speaks is an outage too ([`Cause::NoTraffic`]). There hours online run on, and
//! are given back as well. What two outages took at the same time is given back once.

use std::time::Duration;

use shared::notice::Notice;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::admin::Author;
use crate::package::unsigned;
use crate::{Db, Result, StoreError, entitlement, notification};

/// What has begun and ended since the last look: routers' names.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Noted {
    /// Routers that went dark.
    pub began: Vec<String>,
    /// Routers that are back.
    pub ended: Vec<String>,
}

/// A router to whose customers nothing comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quiet {
    /// The router.
    pub nas: Uuid,
    /// Since when.
    pub since: OffsetDateTime,
    /// When it came again, if it does.
    pub over: Option<OffsetDateTime>,
}

/// Why customers were without the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Nothing was heard of the router.
    Silent,
    /// The router spoke, and nothing came to its customers.
    NoTraffic,
}

impl Cause {
    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Silent => "silent",
            Cause::NoTraffic => "no_traffic",
        }
    }

    fn parse(text: &str) -> Option<Cause> {
        [Cause::Silent, Cause::NoTraffic].into_iter().find(|cause| cause.as_str() == text)
    }
}

/// Writes down to which routers' customers nothing comes any more, and where it comes again. What is known already changes nothing.
pub async fn note_quiet(db: &Db, lines: &[Quiet], now: OffsetDateTime) -> Result<Noted> {
    let mut noted = Noted::default();
    let mut tx = db.begin().await?;
    for line in lines {
        match line.over {
            None => {
                let began = sqlx::query!(
                    r#"WITH quiet AS (
                           INSERT INTO outages (id, nas_id, started_at, noticed_at, cause)
                           SELECT gen_random_uuid(), n.id, $2, $3, 'no_traffic' FROM nas n WHERE n.id = $1
                           ON CONFLICT (nas_id) WHERE ended_at IS NULL DO NOTHING
                           RETURNING id, nas_id)
                       SELECT quiet.id AS "id!", n.name FROM quiet JOIN nas n ON n.id = quiet.nas_id"#,
                    line.nas,
                    line.since,
                    now
                )
                .fetch_optional(&mut *tx)
                .await?;
                if let Some(outage) = began {
                    note_customers(&mut tx, outage.id, line.nas, now).await?;
                    noted.began.push(outage.name);
                }
            }
            Some(over) => {
                let ended = sqlx::query!(
                    r#"UPDATE outages o SET ended_at = greatest($2, o.started_at + interval '1 second') FROM nas n
                       WHERE o.nas_id = $1 AND o.ended_at IS NULL AND o.cause = 'no_traffic' AND n.id = o.nas_id
                       RETURNING o.id, n.name"#,
                    line.nas,
                    over
                )
                .fetch_optional(&mut *tx)
                .await?;
                if let Some(outage) = ended {
                    tell_customers(&mut tx, outage.id, Notice::TroubleOver, now).await?;
                    noted.ended.push(outage.name);
                }
            }
        }
    }
    tx.commit().await?;
    Ok(noted)
}

/// Tells those who were online at a router.
async fn tell_customers(tx: &mut PgConnection, outage: Uuid, notice: Notice, now: OffsetDateTime) -> Result<()> {
    let ids = sqlx::query_scalar!(
        "SELECT entitlement_id FROM outage_entitlements WHERE outage_id = $1 ORDER BY entitlement_id",
        outage
    )
    .fetch_all(&mut *tx)
    .await?;
    notification::tell_owners(tx, notice, &outage.to_string(), &ids, now).await
}

/// Writes down what is in use at a router, and tells its owners.
async fn note_customers(tx: &mut PgConnection, outage: Uuid, nas: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO outage_entitlements (outage_id, entitlement_id, sessions)
         SELECT $1, e.id, count(*) FROM sessions s JOIN entitlements e ON e.id = s.entitlement_id
         WHERE s.nas_id = $2 AND s.ended_at IS NULL GROUP BY e.id ORDER BY e.id",
        outage,
        nas
    )
    .execute(&mut *tx)
    .await?;
    tell_customers(tx, outage, Notice::Trouble, now).await
}

/// Writes down which routers with open sessions have been silent for so long, and which are heard again. Several servers may
/// look at the same time.
pub async fn note(db: &Db, silence: Duration, now: OffsetDateTime) -> Result<Noted> {
    let mut tx = db.begin().await?;
    let ended = sqlx::query!(
        r#"WITH over AS (
               UPDATE outages o SET ended_at = coalesce(heard.last_seen_at, $1)
               FROM (SELECT i.id, n.name, n.last_seen_at FROM outages i LEFT JOIN nas n ON n.id = i.nas_id
                     WHERE i.ended_at IS NULL AND (i.cause = 'silent' OR n.id IS NULL)) AS heard
               WHERE heard.id = o.id AND (heard.last_seen_at > o.started_at OR heard.name IS NULL)
               RETURNING o.id, heard.name)
           SELECT id, coalesce(name, '(removed router)') AS "name!" FROM over"#,
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
        note_customers(&mut tx, outage.id, outage.nas, now).await?;
    }
    for outage in &ended {
        tell_customers(&mut tx, outage.id, Notice::TroubleOver, now).await?;
    }
    tx.commit().await?;
    Ok(Noted {
        began: began.into_iter().map(|outage| outage.name).collect(),
        ended: ended.into_iter().map(|outage| outage.name).collect(),
    })
}

/// How many routers are dark now.
pub async fn count_open(db: &Db) -> Result<u64> {
    count_open_at(db, &SiteScope::All).await
}

/// The same at some sites.
pub async fn count_open_at(db: &Db, sites: &SiteScope) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM outages WHERE ended_at IS NULL
           AND ($1::uuid[] IS NULL OR nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($1)))"#,
        sites.filter()
    )
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
    /// Its site, and that one's name.
    pub site: Option<(Uuid, String)>,
    /// Why.
    pub cause: Cause,
    /// When the router was last heard, or traffic last came.
    pub started_at: OffsetDateTime,
    /// When it was heard again, or traffic came.
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
    list_at(db, &SiteScope::All, limit).await
}

/// The same at some sites.
pub async fn list_at(db: &Db, sites: &SiteScope, limit: u32) -> Result<Vec<Outage>> {
    let rows = sqlx::query!(
        r#"SELECT o.id, coalesce(n.name, '(removed router)') AS "nas!", t.id AS "site_id?", t.name AS "site?", o.cause, o.started_at, o.ended_at,
                  o.given_back_at, o.given_back_by, a.customers AS "customers!", a.credited AS "credited!", a.seconds AS "seconds!"
           FROM (SELECT * FROM outages
                 WHERE $2::uuid[] IS NULL OR nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($2))
                 ORDER BY started_at DESC, id LIMIT $1) o
                LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites t ON t.id = n.site_id,
                LATERAL (SELECT count(*) AS customers, count(*) FILTER (WHERE seconds > 0 OR online_seconds > 0) AS credited,
                                coalesce(sum(seconds + coalesce(online_seconds, 0)), 0)::bigint AS seconds
                         FROM outage_entitlements WHERE outage_id = o.id) a
           ORDER BY o.started_at DESC, o.id"#,
        i64::from(limit),
        sites.filter()
    )
    .fetch_all(&db.pool)
    .await?;
    let given_back = |at, by| Some((at?, by?));
    rows.into_iter()
        .map(|row| {
            Ok(Outage {
                cause: Cause::parse(&row.cause)
                    .ok_or_else(|| StoreError::corrupt("outages", row.id, "unknown cause"))?,
                given_back: given_back(row.given_back_at, row.given_back_by).map(|(at, by)| GivenBack {
                    at,
                    by,
                    customers: unsigned(row.credited),
                    time: Duration::from_secs(unsigned(row.seconds)),
                }),
                id: row.id,
                nas: row.nas,
                site: row.site_id.zip(row.site),
                started_at: row.started_at,
                ended_at: row.ended_at,
                customers: unsigned(row.customers),
            })
        })
        .collect()
}

/// The outages of a site that are over and whose time was not given back, the oldest first.
pub async fn to_give_back(db: &Db, site: Uuid) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT o.id FROM outages o JOIN nas n ON n.id = o.nas_id
         WHERE n.site_id = $1 AND o.ended_at IS NOT NULL AND o.given_back_at IS NULL ORDER BY o.started_at, o.id",
        site
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Gives everybody who was online the time back that passed while the router was dark: their access ends so much later. Who has
/// expired meanwhile has it from now on. Once for an outage, however often it is asked for.
///
/// # Errors
/// [`StoreError::Conflict`]: it goes on, or the time was given back.
pub async fn give_back(db: &Db, id: Uuid, by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<GivenBack> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let outage =
        sqlx::query!("SELECT started_at, ended_at, given_back_by, cause FROM outages WHERE id = $1 FOR UPDATE", id)
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
    // The part of the outage in which its time ran, less what another outage has given back of it; of what may still be used or
    // has just run out.
    let credits = sqlx::query!(
        r#"UPDATE outage_entitlements o SET
               seconds = CASE WHEN e.state IN ('active', 'expired') AND e.expires_at IS NOT NULL THEN lost.seconds ELSE 0 END,
               online_seconds = CASE WHEN $4 = 'no_traffic' AND e.quota_seconds IS NOT NULL
                   -- What is used up and has no other quota has used up its hours.
                   AND (e.state = 'active' OR e.state = 'exhausted' AND num_nonnulls(e.quota_octets, e.quota_up_octets, e.quota_down_octets) = 0)
                   THEN lost.seconds * o.sessions ELSE 0 END
           FROM entitlements e, LATERAL (
               SELECT coalesce(sum(extract(epoch FROM upper(part) - lower(part))), 0)::bigint AS seconds
               FROM unnest(
                   tstzmultirange(tstzrange(greatest(e.starts_at, $2), greatest(e.starts_at, $2, least(e.expires_at, $3))))
                   - coalesce((SELECT range_agg(tstzrange(other.started_at, other.ended_at))
                               FROM outage_entitlements given JOIN outages other ON other.id = given.outage_id
                               WHERE given.entitlement_id = e.id AND other.given_back_at IS NOT NULL), '{}')) AS part) AS lost
           WHERE o.outage_id = $1 AND e.id = o.entitlement_id
           RETURNING o.entitlement_id, o.seconds AS "seconds!", o.online_seconds AS "online!""#,
        id,
        outage.started_at,
        ended_at,
        outage.cause
    )
    .fetch_all(&mut *tx)
    .await?;
    let credits: Vec<_> = credits.into_iter().filter(|row| row.seconds > 0 || row.online > 0).collect();
    let ids: Vec<Uuid> = credits.iter().map(|row| row.entitlement_id).collect();
    let seconds: Vec<i64> = credits.iter().map(|row| row.seconds).collect();
    let online: Vec<i64> = credits.iter().map(|row| row.online).collect();
    sqlx::query!(
        "UPDATE entitlements e SET state = 'active', quota_seconds = e.quota_seconds + c.online,
             expires_at = CASE WHEN c.seconds > 0 THEN greatest(e.expires_at, $4) + c.seconds * interval '1 second' ELSE e.expires_at END
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS c (id, seconds, online) WHERE e.id = c.id",
        &ids,
        &seconds,
        &online,
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("UPDATE outages SET given_back_at = $2, given_back_by = $3 WHERE id = $1", id, now, by.name)
        .execute(&mut *tx)
        .await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    let time = Duration::from_secs(unsigned(seconds.iter().chain(&online).sum()));
    Ok(GivenBack { at: now, by: by.name.to_owned(), customers: ids.len() as u64, time })
}
