//! Sites on a map, as they are at a moment: what was sold and used today by the site's own clock, the routers there, and what was to be
//! expected by this hour.
//!
//! ```text
//!  site_hourly ──────────── hours of today that are over ─┐
//!  orders, usage_hourly ─── what is not summed up yet ────┴─► sites     each some seconds
//!  forecasts, else the same weekday of the last weeks ──────► expected  each some minutes
//! ```
//!
//! Only the last two hours are read from orders and usage themselves, by their indexes. Nothing here says who bought or is online.

use std::collections::HashMap;

use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::money::money;
use crate::package::unsigned;
use crate::{Db, Result};

/// Sites on the map at most: beyond that a map is no place to look for one.
const MANY: i64 = 2_000;
/// The same of routers.
const MANY_ROUTERS: i64 = 10_000;
/// So many of the last weeks must be known, so that they say between which amounts a day is.
const WEEKS: i64 = 4;

/// A site as it is now.
#[derive(Clone, PartialEq, Debug)]
pub struct Site {
    /// Identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where it is, in degrees: latitude and longitude.
    pub position: Option<(f64, f64)>,
    /// Packages that were sold today.
    pub purchases: u64,
    /// What they brought, in the currency of the most.
    pub sold: Money,
    /// Octets that went to customers today.
    pub octets: u64,
    /// Alerts there that are not over.
    pub alerts: u64,
    /// Its routers, by name.
    pub routers: Vec<Router>,
}

/// A router as it is now.
#[derive(Clone, PartialEq, Debug)]
pub struct Router {
    /// Its name.
    pub name: String,
    /// When a valid packet last came.
    pub last_seen_at: Option<OffsetDateTime>,
    /// Open sessions.
    pub online: u64,
}

/// The sites that somebody is not kept from, by name. Alerts are counted that are of these kinds.
pub async fn sites(db: &Db, sites: &SiteScope, kinds: &[String], now: OffsetDateTime) -> Result<Vec<Site>> {
    let mut at_site = routers(db, sites).await?;
    let rows = sqlx::query!(
        r#"WITH place AS (
               SELECT id, name, latitude, longitude,
                      date_trunc('day', $2::timestamptz AT TIME ZONE time_zone) AT TIME ZONE time_zone AS day
               FROM sites WHERE $1::uuid[] IS NULL OR id = ANY ($1) ORDER BY name, id LIMIT $3),
           -- Facts of an hour follow within the next: from the last but one on, what happened itself is read.
           live AS MATERIALIZED (
               SELECT greatest((SELECT min(day) FROM place),
                               coalesce((SELECT max(hour) FROM site_hourly WHERE hour > $2 - interval '2 days' AND hour <= $2)
                                        - interval '1 hour', '-infinity')) AS since),
           known AS (
               SELECT h.site_id, sum(h.purchases)::bigint AS purchases, sum(h.gross_minor - h.refunded_minor)::bigint AS minor,
                      sum(h.output_octets)::bigint AS octets, max(h.currency::text) FILTER (WHERE h.gross_minor <> 0) AS currency
               FROM site_hourly h JOIN place p ON p.id = h.site_id
               WHERE h.hour >= p.day AND h.hour >= (SELECT min(day) FROM place) AND h.hour < (SELECT since FROM live)
               GROUP BY h.site_id),
           sold AS (
               SELECT n.site_id, count(*) AS purchases, sum(o.amount_minor)::bigint AS minor, max(o.currency::text) AS currency
               FROM orders o JOIN nas n ON n.id = o.nas_id JOIN place p ON p.id = n.site_id
               WHERE o.paid_at >= (SELECT since FROM live) AND o.paid_at >= p.day AND o.paid_at <= $2 AND o.state = 'paid'
                 AND o.amount_minor > 0
               GROUP BY n.site_id),
           used AS (
               SELECT n.site_id, sum(u.output_octets)::bigint AS octets
               FROM usage_hourly u JOIN nas n ON n.id = u.nas_id JOIN place p ON p.id = n.site_id
               WHERE u.hour >= (SELECT since FROM live) AND u.hour >= p.day AND u.hour <= $2 GROUP BY n.site_id),
           alarm AS (
               SELECT site_id, count(*) AS alerts FROM alerts WHERE state <> 'resolved' AND kind = ANY ($4::text[]) GROUP BY site_id)
           SELECT p.id AS "id!", p.name AS "name!", p.latitude AS "latitude?", p.longitude AS "longitude?",
                  coalesce(k.purchases, 0) + coalesce(s.purchases, 0) AS "purchases!",
                  coalesce(k.minor, 0) + CASE WHEN s.currency = coalesce(k.currency, s.currency) THEN s.minor ELSE 0 END AS "minor!",
                  coalesce(k.currency, s.currency, 'KES') AS "currency!", coalesce(k.octets, 0) + coalesce(u.octets, 0) AS "octets!",
                  coalesce(a.alerts, 0) AS "alerts!"
           FROM place p LEFT JOIN known k ON k.site_id = p.id LEFT JOIN sold s ON s.site_id = p.id LEFT JOIN used u ON u.site_id = p.id
                LEFT JOIN alarm a ON a.site_id = p.id
           ORDER BY p.name, p.id"#,
        sites.filter() as Option<&[Uuid]>,
        now,
        MANY,
        kinds
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Site {
                id: row.id,
                position: row.latitude.zip(row.longitude),
                purchases: unsigned(row.purchases),
                sold: money("site_hourly", &row.name, row.minor, &row.currency)?,
                octets: unsigned(row.octets),
                alerts: unsigned(row.alerts),
                routers: at_site.remove(&row.id).unwrap_or_default(),
                name: row.name,
            })
        })
        .collect()
}

async fn routers(db: &Db, sites: &SiteScope) -> Result<HashMap<Uuid, Vec<Router>>> {
    let rows = sqlx::query!(
        r#"SELECT n.site_id AS "site_id!", n.name, n.last_seen_at, coalesce(s.online, 0) AS "online!"
           FROM nas n
                LEFT JOIN (SELECT nas_id, count(*) AS online FROM sessions WHERE ended_at IS NULL GROUP BY nas_id) s ON s.nas_id = n.id
           WHERE n.site_id IS NOT NULL AND ($1::uuid[] IS NULL OR n.site_id = ANY ($1)) ORDER BY n.name, n.id LIMIT $2"#,
        sites.filter() as Option<&[Uuid]>,
        MANY_ROUTERS
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    let mut at_site: HashMap<Uuid, Vec<Router>> = HashMap::new();
    for row in rows {
        let router = Router { name: row.name, last_seen_at: row.last_seen_at, online: unsigned(row.online) };
        at_site.entry(row.site_id).or_default().push(router);
    }
    Ok(at_site)
}

/// What is expected of a site.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Measure {
    /// Packages sold today, until now.
    Purchases,
    /// What they brought until now, in minor units.
    Revenue,
    /// Octets that went to customers today, until now.
    Octets,
    /// The most sessions in the present hour.
    Sessions,
}

impl Measure {
    const ALL: [Measure; 4] = [Measure::Purchases, Measure::Revenue, Measure::Octets, Measure::Sessions];

    /// The word for it in `forecasts`.
    fn as_str(self) -> &'static str {
        match self {
            Measure::Purchases => "purchases",
            Measure::Revenue => "revenue",
            Measure::Octets => "octets",
            Measure::Sessions => "sessions",
        }
    }

    fn parse(text: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.as_str() == text)
    }
}

/// By what something is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// By a forecast that was made before the day began.
    Forecast,
    /// By the same weekday a week ago; where that was not seen, by the middle one of the last weeks.
    LastWeek,
}

/// What a site was to have by now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Expected {
    /// So much.
    pub value: f64,
    /// Between these in eight of ten cases; `None`: too few days are known to say.
    pub band: Option<(f64, f64)>,
    /// By what.
    pub basis: Basis,
}

/// What each site was to have by now; of what nothing is known, nothing is there.
pub async fn expected(db: &Db, sites: &SiteScope, now: OffsetDateTime) -> Result<HashMap<(Uuid, Measure), Expected>> {
    let mut expected = by_forecast(db, sites, now).await?;
    let mut known: HashMap<Uuid, usize> = HashMap::new();
    for (site, _) in expected.keys() {
        *known.entry(*site).or_default() += 1;
    }
    let full: Vec<Uuid> =
        known.into_iter().filter(|(_, count)| *count == Measure::ALL.len()).map(|(site, _)| site).collect();
    for (key, by_weeks) in by_weeks(db, sites, &full, now).await? {
        expected.entry(key).or_insert(by_weeks);
    }
    Ok(expected)
}

/// Forecasts from before the day began, summed up until now; of the present hour, the part that has passed. Hours err by themselves: bands
/// of the sum are the root of the sum of their squares.
async fn by_forecast(db: &Db, sites: &SiteScope, now: OffsetDateTime) -> Result<HashMap<(Uuid, Measure), Expected>> {
    let rows = sqlx::query!(
        r#"WITH place AS (
               SELECT id, date_trunc('day', $2::timestamptz AT TIME ZONE time_zone) AT TIME ZONE time_zone AS day
               FROM sites WHERE $1::uuid[] IS NULL OR id = ANY ($1) ORDER BY name, id LIMIT $3)
           SELECT p.id AS "site_id!", m.measure AS "measure!", e.expected AS "expected!", e.below AS "below!", e.above AS "above!"
           FROM place p CROSS JOIN unnest(ARRAY['purchases', 'revenue', 'sessions', 'octets']) AS m (measure)
                JOIN LATERAL (
                    SELECT f.expected, f.low80, f.high80, (extract(epoch FROM p.day - f.origin) / 3600)::integer AS begun,
                           extract(epoch FROM $2 - p.day)::double precision / 3600 AS passed
                    FROM forecasts f
                    WHERE f.measure = m.measure AND f.site_id = p.id AND f.package_id = '00000000-0000-0000-0000-000000000000' AND f.is_shown
                      AND f.origin <= p.day AND f.origin > $2 - interval '7 days'
                    ORDER BY f.origin DESC LIMIT 1) f ON true
                JOIN LATERAL (
                    SELECT sum(h.expected * h.part) AS expected, sqrt(sum(((h.expected - h.low) * h.part) ^ 2)) AS below,
                           sqrt(sum(((h.high - h.expected) * h.part) ^ 2)) AS above, count(*) AS hours
                    FROM (SELECT u.expected, u.low, u.high,
                                 CASE WHEN m.measure = 'sessions' THEN CASE WHEN u.at > f.passed THEN 1 ELSE 0 END
                                      ELSE least(1, f.passed - (u.at - 1)) END AS part
                          FROM unnest(f.expected[f.begun + 1 : f.begun + 1 + floor(f.passed)::integer],
                                      f.low80[f.begun + 1 : f.begun + 1 + floor(f.passed)::integer],
                                      f.high80[f.begun + 1 : f.begun + 1 + floor(f.passed)::integer])
                               WITH ORDINALITY AS u (expected, low, high, at)) h) e
                ON e.hours = 1 + floor(f.passed)"#,
        sites.filter() as Option<&[Uuid]>,
        now,
        MANY
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    let expected = |value: f64, below: f64, above: f64| Expected {
        value,
        band: Some(((value - below).max(0.0), value + above)),
        basis: Basis::Forecast,
    };
    let told = rows.into_iter().filter_map(|row| {
        Some(((row.site_id, Measure::parse(&row.measure)?), expected(row.expected, row.below, row.above)))
    });
    Ok(told.collect())
}

/// The same weekday of the last eight weeks until this hour, of all sites but these. A day of which an hour was not observed does not count.
async fn by_weeks(
    db: &Db,
    sites: &SiteScope,
    but: &[Uuid],
    now: OffsetDateTime,
) -> Result<HashMap<(Uuid, Measure), Expected>> {
    let rows = sqlx::query!(
        r#"WITH place AS (
               SELECT id, time_zone, $2::timestamptz AT TIME ZONE time_zone AS clock FROM sites
               WHERE ($1::uuid[] IS NULL OR id = ANY ($1)) AND NOT id = ANY ($4::uuid[]) ORDER BY name, id LIMIT $3),
           weeks AS (
               SELECT p.id, w.ago, date_trunc('day', p.clock - w.ago * interval '7 days') AT TIME ZONE p.time_zone AS day,
                      (p.clock - w.ago * interval '7 days') AT TIME ZONE p.time_zone AS until
               FROM place p CROSS JOIN generate_series(1, 8) AS w (ago)),
           past AS (
               SELECT w.id, w.ago, h.purchases, h.revenue, h.octets, h.sessions
               FROM weeks w CROSS JOIN LATERAL (
                   SELECT sum(h.purchases * x.part) AS purchases, sum((h.gross_minor - h.refunded_minor) * x.part) AS revenue,
                          sum(h.output_octets * x.part) AS octets,
                          max(h.peak_sessions) FILTER (WHERE h.hour + interval '1 hour' > w.until)::double precision AS sessions,
                          bool_and(h.observed) AS is_observed, count(*) AS hours
                   FROM site_hourly h
                        CROSS JOIN LATERAL (SELECT least(1, extract(epoch FROM w.until - h.hour)::double precision / 3600) AS part) x
                   WHERE h.site_id = w.id AND h.hour >= w.day AND h.hour < w.until) h
               WHERE h.is_observed AND h.hours = ceil(extract(epoch FROM w.until - w.day)::double precision / 3600))
           SELECT past.id AS "site_id!", m.measure AS "measure!",
                  coalesce(max(m.value) FILTER (WHERE past.ago = 1), percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value)) AS "expected!",
                  percentile_cont(0.1) WITHIN GROUP (ORDER BY m.value) AS "low!",
                  percentile_cont(0.9) WITHIN GROUP (ORDER BY m.value) AS "high!", count(*) AS "weeks!"
           FROM past CROSS JOIN LATERAL (VALUES ('purchases', past.purchases), ('revenue', past.revenue), ('octets', past.octets),
                                                ('sessions', past.sessions)) AS m (measure, value)
           WHERE m.value IS NOT NULL
           GROUP BY 1, 2"#,
        sites.filter() as Option<&[Uuid]>,
        now,
        MANY,
        but
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    let told = rows.into_iter().filter_map(|row| {
        // Last week itself is within what is usual, or it would be no measure of it.
        let band = (row.low.min(row.expected), row.high.max(row.expected));
        let band = (row.weeks >= WEEKS).then_some(band);
        let expected = Expected { value: row.expected, band, basis: Basis::LastWeek };
        Some(((row.site_id, Measure::parse(&row.measure)?), expected))
    });
    Ok(told.collect())
}
