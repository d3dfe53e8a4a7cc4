//! How today goes at each site, hour by hour, and what was expected of those hours: by the forecast where there is one, else by the same hours a
//! week ago. A day is one of the site's own clock. The hour that is under way counts for as much as of it is over; hours that nobody saw are left
//! out on both sides. The spans of hours that stand beside the joins say no more than those do: by them the few hours of a day are found among those
//! of all years.

use std::time::Duration;

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// A router that has not spoken for so long is silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(300);

/// How today goes at a site, and how the same hours went a week ago.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// The site; nil: sold at none.
    pub site: Uuid,
    /// Its name.
    pub name: String,
    /// Hours of today that were seen, the one under way among them, and that were not.
    pub seen: i64,
    /// See `seen`.
    pub unseen: i64,
    /// Hours of those seen that were seen a week ago too; none: nothing to compare with.
    pub seen_before: i64,
    /// Sales, and those by this time a week ago.
    pub purchases: i64,
    /// See `purchases`.
    pub purchases_before: f64,
    /// What they brought without what was given back, in minor units.
    pub revenue: i64,
    /// See `revenue`.
    pub revenue_before: f64,
    /// The currency of both.
    pub currency: String,
    /// Logins that were refused.
    pub refused: i64,
    /// See `refused`.
    pub refused_before: f64,
    /// Payments that failed.
    pub unpaid: i64,
    /// See `unpaid`.
    pub unpaid_before: f64,
    /// The most that were online at once in the hour under way; none: not seen.
    pub online: Option<i32>,
    /// The same a week ago.
    pub online_before: Option<i32>,
    /// Routers that stand there, and those of them that do not speak.
    pub routers: i64,
    /// See `routers`.
    pub silent: i64,
}

/// How today goes at each site.
pub async fn places(db: &Db, site: Option<Uuid>, sites: &SiteScope, now: OffsetDateTime) -> Result<Vec<Place>> {
    Ok(sqlx::query_as!(
        Place,
        r#"WITH places AS (
               SELECT s.id, s.name, date_trunc('day', $1::timestamptz AT TIME ZONE s.time_zone) AT TIME ZONE s.time_zone AS begins FROM sites s
               UNION ALL
               SELECT '00000000-0000-0000-0000-000000000000', 'At no site',
                      date_trunc('day', $1::timestamptz AT TIME ZONE 'Africa/Nairobi') AT TIME ZONE 'Africa/Nairobi'),
           hours AS (
               SELECT p.id, h.hour, h.observed, h.purchases, h.gross_minor - h.refunded_minor AS revenue, h.failed_logins, h.payment_failures,
                      h.peak_sessions, h.currency, least(1.0, extract(epoch FROM $1::timestamptz - h.hour) / 3600)::double precision AS part,
                      h.observed AND b.observed IS TRUE AS both_seen, b.purchases AS purchases_before,
                      b.gross_minor - b.refunded_minor AS revenue_before, b.failed_logins AS refused_before,
                      b.payment_failures AS unpaid_before, b.peak_sessions AS online_before
               FROM places p JOIN site_hourly h ON h.site_id = p.id AND h.hour >= p.begins AND h.hour < $1
                         AND h.hour > $1::timestamptz - interval '26 hours'
                    LEFT JOIN site_hourly b ON b.site_id = p.id AND b.hour = h.hour - interval '7 days' AND b.observed
                         AND b.hour > $1::timestamptz - interval '194 hours' AND b.hour < $1::timestamptz - interval '168 hours'
               WHERE ($2::uuid IS NULL OR p.id = $2) AND ($3::uuid[] IS NULL OR p.id = ANY ($3))),
           sums AS (
               SELECT id, count(*) FILTER (WHERE observed) AS seen, count(*) FILTER (WHERE NOT observed) AS unseen,
                      count(*) FILTER (WHERE both_seen) AS seen_before,
                      sum(purchases) FILTER (WHERE observed) AS purchases, sum(purchases_before * part) FILTER (WHERE both_seen) AS purchases_before,
                      sum(revenue) FILTER (WHERE observed) AS revenue, sum(revenue_before * part) FILTER (WHERE both_seen) AS revenue_before,
                      sum(failed_logins) FILTER (WHERE observed) AS refused, sum(refused_before * part) FILTER (WHERE both_seen) AS refused_before,
                      sum(payment_failures) FILTER (WHERE observed) AS unpaid, sum(unpaid_before * part) FILTER (WHERE both_seen) AS unpaid_before,
                      max(peak_sessions) FILTER (WHERE observed AND hour = date_trunc('hour', $1::timestamptz, 'UTC')) AS online,
                      max(online_before) FILTER (WHERE both_seen AND hour = date_trunc('hour', $1::timestamptz, 'UTC')) AS online_before,
                      (array_agg(currency ORDER BY purchases DESC, hour DESC))[1] AS currency
               FROM hours GROUP BY id)
           SELECT p.id AS "site!", p.name AS "name!", coalesce(s.seen, 0) AS "seen!", coalesce(s.unseen, 0) AS "unseen!",
                  coalesce(s.seen_before, 0) AS "seen_before!", coalesce(s.purchases, 0)::bigint AS "purchases!",
                  coalesce(s.purchases_before, 0) AS "purchases_before!", coalesce(s.revenue, 0)::bigint AS "revenue!",
                  coalesce(s.revenue_before, 0) AS "revenue_before!", coalesce(s.currency, 'KES') AS "currency!",
                  coalesce(s.refused, 0)::bigint AS "refused!", coalesce(s.refused_before, 0) AS "refused_before!",
                  coalesce(s.unpaid, 0)::bigint AS "unpaid!", coalesce(s.unpaid_before, 0) AS "unpaid_before!",
                  s.online AS "online?", s.online_before AS "online_before?",
                  (SELECT count(*) FROM nas n WHERE n.site_id = p.id) AS "routers!",
                  (SELECT count(*) FROM nas n WHERE n.site_id = p.id AND (n.last_seen_at IS NULL OR n.last_seen_at < $4)) AS "silent!"
           FROM places p LEFT JOIN sums s ON s.id = p.id
           WHERE ($2::uuid IS NULL OR p.id = $2) AND ($3::uuid[] IS NULL OR p.id = ANY ($3))
             AND (s.id IS NOT NULL OR p.id <> '00000000-0000-0000-0000-000000000000')
           ORDER BY p.name, p.id LIMIT 1001"#,
        now,
        site,
        sites.filter() as Option<&[Uuid]>,
        now - SILENT_AFTER
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What a forecast expected of the hours of today that were seen, at a site. Below and above are how far its band of 80 % reaches in an hour:
/// summed up, and their squares.
#[derive(Clone, PartialEq, Debug)]
pub struct Expected {
    /// The site.
    pub site: Uuid,
    /// `purchases`, `revenue` (minor units), or `sessions` in the hour under way.
    pub measure: String,
    /// Hours that were expected of.
    pub hours: i64,
    /// What was expected.
    pub expected: f64,
    /// See above.
    pub below: f64,
    /// See above.
    pub below_squares: f64,
    /// See above.
    pub above: f64,
    /// See above.
    pub above_squares: f64,
}

/// What was expected, where a forecast is shown that was made before the day began.
pub async fn expected(db: &Db, site: Option<Uuid>, sites: &SiteScope, now: OffsetDateTime) -> Result<Vec<Expected>> {
    Ok(sqlx::query_as!(
        Expected,
        r#"WITH places AS (
               SELECT s.id, date_trunc('day', $1::timestamptz AT TIME ZONE s.time_zone) AT TIME ZONE s.time_zone AS begins FROM sites s
               WHERE ($2::uuid IS NULL OR s.id = $2) AND ($3::uuid[] IS NULL OR s.id = ANY ($3))),
           hours AS (
               SELECT p.id, m.measure, f.expected[i.at] AS expected, f.low80[i.at] AS low, f.high80[i.at] AS high,
                      CASE WHEN m.measure = 'sessions' THEN 1.0
                           ELSE least(1.0, extract(epoch FROM $1::timestamptz - h.hour) / 3600) END::double precision AS part
               FROM places p CROSS JOIN (VALUES ('purchases'), ('revenue'), ('sessions')) m (measure)
                    CROSS JOIN LATERAL (
                        SELECT origin, expected, low80, high80 FROM forecasts
                        WHERE measure = m.measure AND site_id = p.id AND package_id = '00000000-0000-0000-0000-000000000000' AND is_shown
                          AND origin <= p.begins AND origin > p.begins - interval '8 days'
                        ORDER BY origin DESC LIMIT 1) f
                    JOIN site_hourly h ON h.site_id = p.id AND h.hour >= p.begins AND h.hour < $1 AND h.observed
                         AND h.hour > $1::timestamptz - interval '26 hours'
                         AND (m.measure <> 'sessions' OR h.hour = date_trunc('hour', $1::timestamptz, 'UTC'))
                    CROSS JOIN LATERAL (SELECT 1 + (extract(epoch FROM h.hour - f.origin) / 3600)::integer AS at) i)
           SELECT id AS "site!", measure AS "measure!", count(*) AS "hours!", sum(expected * part) AS "expected!",
                  sum((expected - low) * part) AS "below!", sum(power((expected - low) * part, 2)) AS "below_squares!",
                  sum((high - expected) * part) AS "above!", sum(power((high - expected) * part, 2)) AS "above_squares!"
           FROM hours WHERE expected IS NOT NULL AND low IS NOT NULL AND high IS NOT NULL GROUP BY id, measure"#,
        now,
        site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
