//! What 95 of 100 hours of a place do not exceed.
//!
//! That must look at every hour of every place. Over a long span it looks at every 5th, 7th … hour instead (`step`, which shares no divisor with
//! 24, so that no hour of the day is left out). An hour that was not observed is none.

use shared::staff::SiteScope;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// Of what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// Octets to customers in an hour, of each router.
    RouterOctets,
    /// The same of each site.
    SiteOctets,
    /// The most sessions at once in an hour, of each site.
    SiteSessions,
}

impl Of {
    /// The word for it in the statement.
    fn as_str(self) -> &'static str {
        match self {
            Of::RouterOctets => "router_octets",
            Of::SiteOctets => "site_octets",
            Of::SiteSessions => "site_sessions",
        }
    }
}

/// The 95th percentile of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct P95 {
    /// The router, or the site.
    pub id: Uuid,
    /// Octets, or sessions.
    pub value: i64,
}

/// That of each place, by every `step`th hour.
pub async fn p95(db: &Db, of: Of, span: &Span, sites: &SiteScope, step: i32) -> Result<Vec<P95>> {
    Ok(sqlx::query_as!(
        P95,
        r#"WITH looked_at AS (
               SELECT ARRAY(SELECT generate_series(date_trunc('hour', $1::timestamptz, 'UTC'), $2::timestamptz - interval '1 second',
                                                   make_interval(hours => $5::int))) AS hours)
           SELECT id AS "id!", percentile_disc(0.95) WITHIN GROUP (ORDER BY value) AS "value!"
           FROM (SELECT nas_id AS id, output_octets AS value FROM nas_hourly
                 WHERE $6::text = 'router_octets' AND hour = ANY ((SELECT hours FROM looked_at)::timestamptz[])
                   AND observed AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
                 UNION ALL
                 SELECT site_id, CASE $6::text WHEN 'site_sessions' THEN peak_sessions::bigint ELSE output_octets END FROM site_hourly
                 WHERE $6::text <> 'router_octets' AND hour = ANY ((SELECT hours FROM looked_at)::timestamptz[])
                   AND observed AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))) found
           GROUP BY id"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        step,
        of.as_str()
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
