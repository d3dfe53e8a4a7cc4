//! Who uses what of the network: octets, the busiest hour, sessions at once and how long they last, by router, by site and by the hour of the day.
//!
//! Sums and peaks are of the whole days in the span, and of the hours before the first and behind the last of them. What 95 of 100 hours do not
//! exceed is [`super::p95`].

use shared::staff::SiteScope;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// What was used at a router, or at all of a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The router, or the site.
    pub id: Uuid,
    /// Its site.
    pub site: Uuid,
    /// Its name.
    pub name: String,
    /// The name of its site.
    pub site_name: String,
    /// Octets from customers.
    pub up: i64,
    /// Octets to customers.
    pub down: i64,
    /// Octets to customers in the busiest hour.
    pub busiest: i64,
    /// Most sessions at once.
    pub peak_sessions: i32,
    /// Hours of which nothing is known.
    pub missing: i64,
}

/// What was used at each router, the most first.
pub async fn routers(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Place>> {
    let (first, last) = span.whole_days();
    Ok(sqlx::query_as!(
        Place,
        r#"SELECT u.nas_id AS "id!", u.site_id AS "site!", coalesce(n.name, 'a router that is gone') AS "name!",
                  coalesce(s.name, 'no site') AS "site_name!", u.up AS "up!", u.down AS "down!", u.busiest AS "busiest!",
                  u.peak AS "peak_sessions!", u.missing AS "missing!"
           FROM (SELECT nas_id, site_id, sum(input_octets)::bigint AS up, sum(output_octets)::bigint AS down, max(busiest_octets) AS busiest,
                        max(peak_sessions) AS peak, sum(missing)::bigint AS missing
                 FROM (SELECT nas_id, site_id, input_octets, output_octets, busiest_octets, peak_sessions, missing::integer AS missing
                       FROM use_daily
                       WHERE nas_id <> '00000000-0000-0000-0000-000000000000'
                         AND day >= ($5::timestamptz AT TIME ZONE 'UTC')::date AND day < ($6::timestamptz AT TIME ZONE 'UTC')::date
                       UNION ALL
                       SELECT nas_id, site_id, input_octets, output_octets, output_octets, peak_sessions, (NOT observed)::integer
                       FROM nas_hourly WHERE hour >= $1 AND hour < $5 OR hour >= $6 AND hour < $2) used
                 WHERE ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
                 GROUP BY nas_id, site_id) u
           LEFT JOIN nas n ON n.id = u.nas_id LEFT JOIN sites s ON s.id = u.site_id
           ORDER BY u.up + u.down DESC, u.nas_id, u.site_id LIMIT 1000"#,
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

/// What was used at each site, the most first.
pub async fn sites(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Place>> {
    let (first, last) = span.whole_days();
    Ok(sqlx::query_as!(
        Place,
        r#"SELECT u.site_id AS "id!", u.site_id AS "site!", coalesce(s.name, 'no site') AS "name!", coalesce(s.name, 'no site') AS "site_name!",
                  u.up AS "up!", u.down AS "down!", u.busiest AS "busiest!", u.peak AS "peak_sessions!", u.missing AS "missing!"
           FROM (SELECT site_id, sum(input_octets)::bigint AS up, sum(output_octets)::bigint AS down, max(busiest_octets) AS busiest,
                        max(peak_sessions) AS peak, sum(missing)::bigint AS missing
                 FROM (SELECT site_id, input_octets, output_octets, busiest_octets, peak_sessions, missing::integer AS missing
                       FROM use_daily
                       WHERE nas_id = '00000000-0000-0000-0000-000000000000'
                         AND day >= ($5::timestamptz AT TIME ZONE 'UTC')::date AND day < ($6::timestamptz AT TIME ZONE 'UTC')::date
                       UNION ALL
                       SELECT site_id, input_octets, output_octets, output_octets, peak_sessions, (NOT observed)::integer
                       FROM site_hourly WHERE hour >= $1 AND hour < $5 OR hour >= $6 AND hour < $2) used
                 WHERE ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
                 GROUP BY site_id) u
           LEFT JOIN sites s ON s.id = u.site_id
           ORDER BY u.up + u.down DESC, u.site_id LIMIT 1000"#,
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

/// How long sessions at a router lasted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lasted {
    /// The router.
    pub nas: Uuid,
    /// Its site then.
    pub site: Uuid,
    /// How many lasted up to 1, 5, 15, 30, 60, 120, 240, 480, 1440 minutes, and longer.
    pub lasted: Vec<i64>,
}

/// How long sessions lasted at each router.
pub async fn lasted(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Lasted>> {
    Ok(sqlx::query_as!(
        Lasted,
        r#"SELECT nas_id AS nas, site_id AS site,
                  ARRAY[sum(lasted_until[1])::bigint, sum(lasted_until[2])::bigint, sum(lasted_until[3])::bigint, sum(lasted_until[4])::bigint,
                        sum(lasted_until[5])::bigint, sum(lasted_until[6])::bigint, sum(lasted_until[7])::bigint, sum(lasted_until[8])::bigint,
                        sum(lasted_until[9])::bigint, sum(lasted_until[10])::bigint] AS "lasted!"
           FROM endings_daily
           WHERE day >= ($1::timestamptz AT TIME ZONE $4::text)::date AND day <= (($2::timestamptz AT TIME ZONE $4::text) - interval '1 second')::date
             AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           GROUP BY nas_id, site_id"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What an hour of the day is like, over all places together.
#[derive(Clone, PartialEq, Debug)]
pub struct HourOfDay {
    /// 0 to 23, by the clock of the place.
    pub hour: i32,
    /// Octets from customers in such an hour, on average.
    pub up: f64,
    /// Octets to customers in such an hour, on average.
    pub down: f64,
    /// Octets to customers in the one that 95 of 100 such hours do not exceed.
    pub p95: i64,
    /// Most sessions at once at all places together, if each had its most in the same minute.
    pub peak_sessions: i64,
}

/// What each hour of the day is like.
pub async fn hours(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<HourOfDay>> {
    Ok(sqlx::query_as!(
        HourOfDay,
        r#"SELECT extract(hour FROM h.hour AT TIME ZONE $4::text)::int AS "hour!", avg(h.up)::float8 AS "up!", avg(h.down)::float8 AS "down!",
                  percentile_disc(0.95) WITHIN GROUP (ORDER BY h.down) AS "p95!", max(h.peak) AS "peak_sessions!"
           FROM (SELECT hour, sum(input_octets)::bigint AS up, sum(output_octets)::bigint AS down, sum(peak_sessions)::bigint AS peak
                 FROM site_hourly
                 WHERE hour >= $1 AND hour < $2 AND observed AND ($3::uuid IS NULL OR site_id = $3)
                   AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                 GROUP BY hour) h
           GROUP BY 1 ORDER BY 1"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
