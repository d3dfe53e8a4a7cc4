//! How far guests come, from the portal's first page to being online, and what stopped most of them.
//!
//! What happened in an hour is fewer than two thousand million times: its sums are made of small numbers, which takes half of the time.

use shared::money::Money;
use shared::staff::SiteScope;
use uuid::Uuid;

use crate::money::money;
use crate::rollup::Span;
use crate::{Db, Result};

/// How many came how far: each counts in every step that it reached.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Steps {
    /// Devices that opened the portal.
    pub seen: i64,
    /// Those that chose a package.
    pub chosen: i64,
    /// Those that were asked to pay.
    pub paying: i64,
    /// Orders that were paid.
    pub paid: i64,
    /// Those of them whose device was online afterwards.
    pub online: i64,
}

/// How far they came at a site, and what was sold there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The site.
    pub site: Uuid,
    /// Its name.
    pub name: String,
    /// How far.
    pub steps: Steps,
    /// How much was sold, before what was given back.
    pub purchases: i64,
    /// For how much, in the currency of that time.
    pub gross: Money,
}

/// How far they came at each site, by the sites' names; a site that sold in several currencies is there once for each.
pub async fn places(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Place>> {
    let rows = sqlx::query!(
        r#"SELECT u.site_id AS "site!", coalesce(s.name, 'no site') AS "name!", u.currency AS "currency!", u.seen AS "seen!", u.chosen AS "chosen!",
                  u.paying AS "paying!", u.paid AS "paid!", u.online AS "online!", u.purchases AS "purchases!", u.gross AS "gross!"
           FROM (SELECT site_id, currency::text AS currency, sum(seen)::bigint AS seen, sum(chosen)::bigint AS chosen, sum(paying)::bigint AS paying,
                        sum(paid)::bigint AS paid, sum(online)::bigint AS online, sum(purchases)::bigint AS purchases,
                        sum(gross_minor)::bigint AS gross
                 FROM site_hourly
                 WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
                 GROUP BY site_id, currency) u
           LEFT JOIN sites s ON s.id = u.site_id
           ORDER BY 2, 1, 3 LIMIT 1000"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Place {
                site: row.site,
                steps: Steps {
                    seen: row.seen,
                    chosen: row.chosen,
                    paying: row.paying,
                    paid: row.paid,
                    online: row.online,
                },
                purchases: row.purchases,
                gross: money("site_hourly", row.site, row.gross, &row.currency)?,
                name: row.name,
            })
        })
        .collect()
}

/// How far they came in an hour of the day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HourOfDay {
    /// 0 to 23, by the clock of the place.
    pub hour: i32,
    /// How far.
    pub steps: Steps,
}

/// How far they came in each hour of the day.
pub async fn hours(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<HourOfDay>> {
    let rows = sqlx::query!(
        r#"SELECT extract(hour FROM h.hour AT TIME ZONE $4::text)::int AS "hour!", sum(h.seen)::bigint AS "seen!", sum(h.chosen)::bigint AS "chosen!",
                  sum(h.paying)::bigint AS "paying!", sum(h.paid)::bigint AS "paid!", sum(h.online)::bigint AS "online!"
           FROM (SELECT hour, sum(seen) AS seen, sum(chosen) AS chosen, sum(paying) AS paying, sum(paid) AS paid, sum(online) AS online
                 FROM site_hourly
                 WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                 GROUP BY hour) h
           GROUP BY 1 ORDER BY 1"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    let steps = rows.into_iter().map(|row| HourOfDay {
        hour: row.hour,
        steps: Steps { seen: row.seen, chosen: row.chosen, paying: row.paying, paid: row.paid, online: row.online },
    });
    Ok(steps.collect())
}

/// What stopped guests, at a site or in an hour of the day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The site, where it is counted by the site.
    pub site: Option<Uuid>,
    /// The hour of the day by the clock of the place, where it is counted by the hour.
    pub hour: Option<i32>,
    /// What the provider said, or the word of [`shared::denial`].
    pub why: String,
    /// How often.
    pub times: i64,
}

/// Why payments failed, by the site.
pub async fn payments_by_site(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Stopped>> {
    Ok(sqlx::query_as!(
        Stopped,
        r#"SELECT site_id AS "site?", NULL::int AS "hour?", result AS "why!", sum(times::integer) AS "times!"
           FROM payment_results_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
           GROUP BY site_id, result"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Why payments failed, by the hour of the day.
pub async fn payments_by_hour(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Stopped>> {
    Ok(sqlx::query_as!(
        Stopped,
        r#"SELECT NULL::uuid AS "site?", extract(hour FROM h.hour AT TIME ZONE $4::text)::int AS "hour?",
                  h.result AS "why!", sum(h.times)::bigint AS "times!"
           FROM (SELECT hour, result, sum(times::integer) AS times FROM payment_results_hourly
                 WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                 GROUP BY hour, result) h
           GROUP BY 2, h.result"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Why logins were refused, by the site, those for the reason `without` left out.
pub async fn refusals_by_site(db: &Db, span: &Span, sites: &SiteScope, without: &str) -> Result<Vec<Stopped>> {
    Ok(sqlx::query_as!(
        Stopped,
        r#"SELECT site_id AS "site?", NULL::int AS "hour?", reason AS "why!", sum(times::integer) AS "times!"
           FROM refusals_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
             AND reason <> $5
           GROUP BY site_id, reason"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        without
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Why logins were refused, by the hour of the day, those for the reason `without` left out.
pub async fn refusals_by_hour(db: &Db, span: &Span, sites: &SiteScope, without: &str) -> Result<Vec<Stopped>> {
    Ok(sqlx::query_as!(
        Stopped,
        r#"SELECT NULL::uuid AS "site?", extract(hour FROM h.hour AT TIME ZONE $4::text)::int AS "hour?",
                  h.reason AS "why!", sum(h.times)::bigint AS "times!"
           FROM (SELECT hour, reason, sum(times::integer) AS times FROM refusals_hourly
                 WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                   AND reason <> $6
                 GROUP BY hour, reason) h
           GROUP BY 2, h.reason"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        without
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// How many payments were confirmed within 2, 5, 10, 20, 30, 60, 120, 300 seconds, and later; nothing: there were none.
pub async fn confirmed_within(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<i64>> {
    let within = sqlx::query_scalar!(
        r#"SELECT ARRAY[sum(confirmed_within[1]::integer), sum(confirmed_within[2]::integer), sum(confirmed_within[3]::integer),
                        sum(confirmed_within[4]::integer), sum(confirmed_within[5]::integer), sum(confirmed_within[6]::integer),
                        sum(confirmed_within[7]::integer), sum(confirmed_within[8]::integer), sum(confirmed_within[9]::integer)] AS "within!"
           FROM payments_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
           HAVING count(*) > 0"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_optional(&mut *db.begin_report().await?)
    .await?;
    Ok(within.unwrap_or_default())
}
