//! Who uses most, by whole months: what is kept of a customer is the sum of a month at a site.
//!
//! Of each month the heaviest of each site are looked at ([`OF_A_SITE`]), and of these the heaviest altogether ([`LOOKED_AT`]) are summed up over
//! all months and sites that were asked for. Somebody who is nowhere and in no month among the heaviest of a site is not found, however much it
//! comes to; that would need half a site's heaviest places at once.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::{Db, Result};

/// How many of a month and a site are looked at.
const OF_A_SITE: i64 = 25;
/// How many of these are summed up.
const LOOKED_AT: i64 = 200;

/// The months that are asked about, at which sites.
#[derive(Clone, Debug)]
pub struct Months<'a> {
    /// The first days of them.
    pub months: &'a [Date],
    /// At this site; else at all.
    pub site: Option<Uuid>,
    /// At these.
    pub sites: &'a SiteScope,
}

/// Somebody who uses much.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heavy {
    /// The customer.
    pub user: Uuid,
    /// The number in E.164.
    pub phone: String,
    /// Their name.
    pub name: String,
    /// Octets from them.
    pub up: i64,
    /// Octets to them.
    pub down: i64,
    /// Seconds that their sessions were open.
    pub seconds: i64,
    /// At how many sites.
    pub places: i64,
    /// Their devices, as they are known now.
    pub devices: i64,
    /// Where they use most; nil: at a router without a site.
    pub site: Uuid,
    /// Its name.
    pub site_name: String,
    /// Octets both ways there.
    pub there: i64,
}

/// The heaviest, from so many octets on.
pub async fn users(db: &Db, months: &Months<'_>, least: i64, limit: i64) -> Result<Vec<Heavy>> {
    Ok(sqlx::query_as!(
        Heavy,
        r#"WITH places AS (
               SELECT id FROM sites WHERE ($2::uuid IS NULL OR id = $2) AND ($3::uuid[] IS NULL OR id = ANY ($3))
               UNION ALL SELECT '00000000-0000-0000-0000-000000000000'::uuid WHERE $2::uuid IS NULL AND $3::uuid[] IS NULL),
           heaviest AS (
               SELECT c.user_id FROM unnest($1::date[]) AS m (month) CROSS JOIN places p CROSS JOIN LATERAL (
                   SELECT c.user_id, c.input_octets + c.output_octets AS octets FROM customer_monthly c
                   WHERE c.month = m.month AND c.site_id = p.id ORDER BY c.input_octets + c.output_octets DESC LIMIT $4) c
               GROUP BY c.user_id ORDER BY sum(c.octets) DESC LIMIT $5),
           used AS (
               SELECT c.user_id, c.site_id, sum(c.input_octets)::bigint AS up, sum(c.output_octets)::bigint AS down,
                      sum(c.session_seconds)::bigint AS seconds
               FROM heaviest JOIN customer_monthly c USING (user_id)
               WHERE c.month = ANY ($1) AND ($2::uuid IS NULL OR c.site_id = $2) AND ($3::uuid[] IS NULL OR c.site_id = ANY ($3))
               GROUP BY c.user_id, c.site_id),
           totals AS (
               SELECT user_id, sum(up)::bigint AS up, sum(down)::bigint AS down, sum(seconds)::bigint AS seconds, count(*) AS places,
                      (array_agg(site_id ORDER BY up + down DESC, site_id))[1] AS site, max(up + down) AS there
               FROM used GROUP BY user_id HAVING sum(up + down) >= $6::bigint AND sum(up + down) > 0
               ORDER BY sum(up + down) DESC, user_id LIMIT $7)
           SELECT t.user_id AS "user!", u.phone AS "phone!", u.name AS "name!", t.up AS "up!", t.down AS "down!", t.seconds AS "seconds!", t.places AS "places!",
                  (SELECT count(*) FROM devices d WHERE d.user_id = t.user_id) AS "devices!", t.site AS "site!",
                  coalesce(s.name, 'no site') AS "site_name!", t.there AS "there!"
           FROM totals t JOIN users u ON u.id = t.user_id LEFT JOIN sites s ON s.id = t.site
           ORDER BY t.up + t.down DESC, t.user_id"#,
        months.months,
        months.site,
        months.sites.filter() as Option<&[Uuid]>,
        OF_A_SITE,
        LOOKED_AT,
        least,
        limit
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What all customers together used at a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Total {
    /// The site.
    pub site: Uuid,
    /// Octets both ways.
    pub octets: i64,
}

/// What was used at these sites from one moment to another.
pub async fn totals(db: &Db, sites: &[Uuid], from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Total>> {
    Ok(sqlx::query_as!(
        Total,
        r#"SELECT site_id AS site, sum(input_octets + output_octets)::bigint AS "octets!"
           FROM site_hourly WHERE site_id = ANY ($1) AND hour >= $2 AND hour < $3 GROUP BY site_id"#,
        sites,
        from,
        until
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
