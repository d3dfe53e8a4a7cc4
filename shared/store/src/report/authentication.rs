//! Logins and refused logins: at which router, why, and hour by hour for whoever looks for bursts.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// Logins at a router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logins {
    /// The router.
    pub nas: Uuid,
    /// Its name.
    pub name: String,
    /// The name of the site where it stands now.
    pub site_name: String,
    /// How many got in.
    pub logins: i64,
}

/// How many got in at each router, by the routers' names.
pub async fn logins(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Logins>> {
    let (first, last) = span.whole_days();
    Ok(sqlx::query_as!(
        Logins,
        r#"SELECT u.nas_id AS "nas!", coalesce(n.name, 'a router that is gone') AS "name!", coalesce(s.name, 'no site') AS "site_name!",
                  u.logins AS "logins!"
           FROM (SELECT nas_id, sum(logins)::bigint AS logins
                 FROM (SELECT nas_id, site_id, logins FROM use_daily
                       WHERE nas_id <> '00000000-0000-0000-0000-000000000000'
                         AND day >= ($5::timestamptz AT TIME ZONE 'UTC')::date AND day < ($6::timestamptz AT TIME ZONE 'UTC')::date
                       UNION ALL
                       SELECT nas_id, site_id, logins FROM nas_hourly WHERE hour >= $1 AND hour < $5 OR hour >= $6 AND hour < $2) counted
                 WHERE ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
                 GROUP BY nas_id) u
           LEFT JOIN nas n ON n.id = u.nas_id LEFT JOIN sites s ON s.id = n.site_id
           ORDER BY 2, 1 LIMIT 2000"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        first,
        last
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Refused logins at a router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The router.
    pub nas: Uuid,
    /// Why, in the word of [`shared::denial`].
    pub reason: String,
    /// How often.
    pub times: i64,
    /// On how many devices, each counted once an hour.
    pub devices: i64,
}

/// How often logins were refused at each router, by their reason. An hour has fewer than two thousand million of them: sums of small numbers are
/// made in half of the time.
pub async fn refused(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Refused>> {
    Ok(sqlx::query_as!(
        Refused,
        r#"SELECT nas_id AS nas, reason, sum(times::integer) AS "times!", sum(devices::integer) AS "devices!"
           FROM refusals_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
           GROUP BY nas_id, reason"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Refused logins of an hour at a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusedHour {
    /// The router.
    pub nas: Uuid,
    /// The hour.
    pub hour: OffsetDateTime,
    /// How often.
    pub times: i64,
}

/// Each hour and router with refused logins, those for the reason `without` left out; only for `reason`, if there is one.
pub async fn hours(
    db: &Db,
    span: &Span,
    sites: &SiteScope,
    without: &str,
    reason: Option<&str>,
) -> Result<Vec<RefusedHour>> {
    Ok(sqlx::query_as!(
        RefusedHour,
        r#"SELECT nas_id AS nas, hour, sum(times::integer) AS "times!"
           FROM refusals_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
             AND reason <> $5 AND ($6::text IS NULL OR reason = $6)
           GROUP BY nas_id, hour ORDER BY nas_id, hour"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        without,
        reason
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
