//! How long sessions last, when and why they end, which packages are bought and by whom again, on how many devices a customer is.
//!
//! Endings are counted by UTC's days, so the first and the last day of a span go by that clock and not by the site's.

use shared::staff::SiteScope;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// Customers that the count of devices looks at. Of a month with more it is one in 64, by the last octet of their identity, which is random.
const MANY: i32 = 16_000;

/// Sessions that ended for one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Acct-Terminate-Cause; empty: the router named none.
    pub cause: String,
    /// How many.
    pub sessions: i64,
    /// How long they lasted together.
    pub seconds: i64,
    /// How many lasted up to 1, 5, 15, 30, 60, 120, 240, 480, 1440 minutes, and longer.
    pub lasted: Vec<i64>,
}

/// How sessions ended, by cause, the most frequent first.
pub async fn endings(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Ending>> {
    Ok(sqlx::query_as!(
        Ending,
        r#"SELECT cause, sum(sessions)::bigint AS "sessions!", sum(seconds)::bigint AS "seconds!",
                  ARRAY[sum(lasted_until[1])::bigint, sum(lasted_until[2])::bigint, sum(lasted_until[3])::bigint, sum(lasted_until[4])::bigint,
                        sum(lasted_until[5])::bigint, sum(lasted_until[6])::bigint, sum(lasted_until[7])::bigint, sum(lasted_until[8])::bigint,
                        sum(lasted_until[9])::bigint, sum(lasted_until[10])::bigint] AS "lasted!"
           FROM endings_daily
           WHERE day >= ($1::timestamptz AT TIME ZONE $4::text)::date AND day <= (($2::timestamptz AT TIME ZONE $4::text) - interval '1 second')::date
             AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           GROUP BY cause ORDER BY 2 DESC, cause"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// How many sessions ended in each of the 24 hours of UTC's day; nothing: none did.
pub async fn hours(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<i64>> {
    let hours = sqlx::query_scalar!(
        r#"SELECT ARRAY[sum(by_hour[1])::bigint, sum(by_hour[2])::bigint, sum(by_hour[3])::bigint, sum(by_hour[4])::bigint,
                        sum(by_hour[5])::bigint, sum(by_hour[6])::bigint, sum(by_hour[7])::bigint, sum(by_hour[8])::bigint,
                        sum(by_hour[9])::bigint, sum(by_hour[10])::bigint, sum(by_hour[11])::bigint, sum(by_hour[12])::bigint,
                        sum(by_hour[13])::bigint, sum(by_hour[14])::bigint, sum(by_hour[15])::bigint, sum(by_hour[16])::bigint,
                        sum(by_hour[17])::bigint, sum(by_hour[18])::bigint, sum(by_hour[19])::bigint, sum(by_hour[20])::bigint,
                        sum(by_hour[21])::bigint, sum(by_hour[22])::bigint, sum(by_hour[23])::bigint, sum(by_hour[24])::bigint] AS "hours!"
           FROM endings_daily
           WHERE day >= ($1::timestamptz AT TIME ZONE $4::text)::date AND day <= (($2::timestamptz AT TIME ZONE $4::text) - interval '1 second')::date
             AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           HAVING count(*) > 0"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_optional(&mut *db.begin_report().await?)
    .await?;
    Ok(hours.unwrap_or_default())
}

/// How often a package was bought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preferred {
    /// Its name.
    pub name: String,
    /// How often.
    pub purchases: i64,
    /// How often of these by somebody who had bought before.
    pub again: i64,
}

/// Which packages were bought, the most frequent first.
pub async fn packages(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Preferred>> {
    Ok(sqlx::query_as!(
        Preferred,
        r#"SELECT coalesce(p.name, 'a package that is gone') AS "name!", sum(d.purchases)::bigint AS "purchases!",
                  sum(d."returning")::bigint AS "again!"
           FROM package_daily d LEFT JOIN packages p ON p.id = d.package_id
           WHERE d.day >= ($1::timestamptz AT TIME ZONE $4::text)::date AND d.day <= (($2::timestamptz AT TIME ZONE $4::text) - interval '1 second')::date
             AND ($3::uuid IS NULL OR d.site_id = $3) AND ($5::uuid[] IS NULL OR d.site_id = ANY ($5))
           GROUP BY d.package_id, p.name ORDER BY 2 DESC, 1 LIMIT 200"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// How many customers have so many devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Devices {
    /// Devices; five stand for five and more.
    pub devices: i32,
    /// Customers.
    pub customers: i64,
}

/// On how many devices those are who were there in the last month of the span. Of very many customers it counts a part, which is as good as all
/// for the shares.
pub async fn devices(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Devices>> {
    Ok(sqlx::query_as!(
        Devices,
        r#"WITH few AS (
               SELECT count(*) <= $4 AS few FROM (
                   SELECT FROM customer_monthly c
                   WHERE c.month = date_trunc('month', ($1::timestamptz - interval '1 second') AT TIME ZONE 'Africa/Nairobi')::date
                     AND ($2::uuid IS NULL OR c.site_id = $2) AND ($3::uuid[] IS NULL OR c.site_id = ANY ($3)) LIMIT $4 + 1) counted),
           there AS (
               SELECT c.user_id FROM customer_monthly c
               WHERE c.month = date_trunc('month', ($1::timestamptz - interval '1 second') AT TIME ZONE 'Africa/Nairobi')::date
                 AND ($2::uuid IS NULL OR c.site_id = $2) AND ($3::uuid[] IS NULL OR c.site_id = ANY ($3))
                 AND (get_byte(uuid_send(c.user_id), 15) < 4 OR (SELECT few FROM few)) LIMIT $4)
           SELECT least(owned.devices, 5)::int AS "devices!", count(*) AS "customers!"
           FROM (SELECT (SELECT count(*) FROM devices d WHERE d.user_id = there.user_id) AS devices
                 FROM (SELECT DISTINCT user_id FROM there) there) owned
           GROUP BY 1 ORDER BY 1"#,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        MANY
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
