//! How full sites are, against how many sessions they can carry: in the span, by the weeks before now, and in what is foreseen.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// How full a site was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Used {
    /// Identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// How many sessions it can carry at once; `None`: nobody said.
    pub limit: Option<i32>,
    /// Most sessions at once.
    pub peak: i32,
    /// Hours that were observed.
    pub hours: i64,
    /// Hours of them with at least that share of the limit.
    pub full: i64,
}

/// How full each site was. An hour counts as full from `share` of the limit on.
pub async fn used(db: &Db, span: &Span, share: f64, sites: &SiteScope) -> Result<Vec<Used>> {
    Ok(sqlx::query_as!(
        Used,
        r#"SELECT s.id AS "id!", s.name AS "name!", s.session_limit AS "limit?", coalesce(u.peak, 0) AS "peak!",
                  coalesce(u.hours, 0) AS "hours!", coalesce(u.full_hours, 0) AS "full!"
           FROM sites s LEFT JOIN (
               SELECT h.site_id, max(h.peak_sessions) AS peak, count(*) AS hours,
                      count(*) FILTER (WHERE h.peak_sessions >= $3::float8 * l.session_limit) AS full_hours
               FROM site_hourly h JOIN sites l ON l.id = h.site_id
               WHERE h.hour >= $1 AND h.hour < $2 AND h.observed
                 AND ($4::uuid IS NULL OR h.site_id = $4) AND ($5::uuid[] IS NULL OR h.site_id = ANY ($5))
               GROUP BY h.site_id) u ON u.site_id = s.id
           WHERE ($4::uuid IS NULL OR s.id = $4) AND ($5::uuid[] IS NULL OR s.id = ANY ($5))
           ORDER BY s.name, s.id LIMIT 1000"#,
        span.from,
        span.until,
        share,
        span.site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// How full a site with a limit was in one of the last twelve weeks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Week {
    /// The site.
    pub site: Uuid,
    /// How many weeks ago it ended: 11 to 0.
    pub ago: i32,
    /// Sessions at once that 95 of 100 hours did not exceed.
    pub p95: i32,
}

/// The last twelve weeks of each site with a limit, the oldest first. A week in which less than half of the hours were observed is none.
pub async fn weeks(db: &Db, now: OffsetDateTime, site: Option<Uuid>, sites: &SiteScope) -> Result<Vec<Week>> {
    Ok(sqlx::query_as!(
        Week,
        r#"SELECT h.site_id AS site, (floor(extract(epoch FROM $1::timestamptz - h.hour) / 604800))::int AS "ago!",
                  percentile_disc(0.95) WITHIN GROUP (ORDER BY h.peak_sessions) AS "p95!"
           FROM site_hourly h JOIN sites s ON s.id = h.site_id
           WHERE h.hour > $1::timestamptz - interval '84 days' AND h.hour < $1 AND h.observed AND s.session_limit IS NOT NULL
             AND ($2::uuid IS NULL OR h.site_id = $2) AND ($3::uuid[] IS NULL OR h.site_id = ANY ($3))
           GROUP BY 1, 2 HAVING count(*) >= 84 ORDER BY 1, 2 DESC"#,
        now,
        site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What is foreseen of the sessions at a site.
#[derive(Clone, PartialEq, Debug)]
pub struct Foreseen {
    /// The site.
    pub site: Uuid,
    /// The first hour.
    pub origin: OffsetDateTime,
    /// Whether the forecast may be shown: one that is worse than last week is not.
    pub is_shown: bool,
    /// From whose past it is: `own`, `borrowed` or `short`.
    pub basis: String,
    /// What is expected of each hour.
    pub expected: Vec<f64>,
    /// The middle of what may be.
    pub typical: Vec<f64>,
    /// The band in which four of five hours end.
    pub low80: Vec<f64>,
    /// Its upper end.
    pub high80: Vec<f64>,
    /// The band in which nineteen of twenty hours end.
    pub low95: Vec<f64>,
    /// Its upper end.
    pub high95: Vec<f64>,
    /// As last week.
    pub naive: Vec<f64>,
}

/// The newest forecast of sessions of each site with a limit, unless it is older than a week.
pub async fn foreseen(db: &Db, now: OffsetDateTime, site: Option<Uuid>, sites: &SiteScope) -> Result<Vec<Foreseen>> {
    Ok(sqlx::query_as!(
        Foreseen,
        r#"SELECT DISTINCT ON (f.site_id) f.site_id AS site, f.origin, f.is_shown, f.basis, f.expected, f.typical, f.low80, f.high80, f.low95,
                  f.high95, f.naive
           FROM forecasts f JOIN sites s ON s.id = f.site_id
           WHERE f.measure = 'sessions' AND f.package_id = '00000000-0000-0000-0000-000000000000' AND s.session_limit IS NOT NULL
             AND f.origin > $1::timestamptz - interval '7 days' AND f.origin <= $1::timestamptz + interval '1 hour'
             AND ($2::uuid IS NULL OR f.site_id = $2) AND ($3::uuid[] IS NULL OR f.site_id = ANY ($3))
           ORDER BY f.site_id, f.origin DESC"#,
        now,
        site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
