//! Hours of the week: what an hour of a weekday brings on average, between which amounts it mostly is, and in how many such hours that was seen.
//!
//! Hours are those of a clock on the wall. An hour that was not observed is none with nothing in it, and does not count. Of several sites the
//! hour is their sum, and it counts where nearly all of them were observed ([`MOST`]): a sum without some of them would be too little.
//!
//! Refused here: sums of different currencies. Revenue is that in one of them; which, [`currency`] says.

use shared::money::Currency;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// Tenths of the sites that an hour must have been observed at, so that the sum over sites counts.
const MOST: i64 = 9;

/// What is counted in an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Packages that were sold.
    Purchases,
    /// What they brought, less what went back, in minor units.
    Revenue,
    /// The most sessions that were open at once.
    Sessions,
    /// Octets in both directions.
    Octets,
    /// Attempts to pay that failed.
    FailedPayments,
    /// Logins that were refused.
    FailedLogins,
}

impl Measure {
    /// The word for it in a statement.
    fn as_str(self) -> &'static str {
        match self {
            Measure::Purchases => "purchases",
            Measure::Revenue => "revenue",
            Measure::Sessions => "sessions",
            Measure::Octets => "octets",
            Measure::FailedPayments => "failed_payments",
            Measure::FailedLogins => "failed_logins",
        }
    }
}

/// Which hours, where, and by which clock.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// From this hour on.
    pub from: OffsetDateTime,
    /// Until before this one.
    pub until: OffsetDateTime,
    /// At this site; else at all.
    pub site: Option<Uuid>,
    /// The clock, by its name in the IANA database.
    pub time_zone: &'a str,
}

/// An hour of the week.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct HourOfWeek {
    /// 1 is Monday.
    pub weekday: i32,
    /// 0 to 23.
    pub hour: i32,
    /// The mean over the hours that were seen.
    pub mean: f64,
    /// A tenth of them had less than this.
    pub low: f64,
    /// A tenth of them had more than this.
    pub high: f64,
    /// How many were seen.
    pub times: i64,
}

/// The hours of the week that were seen at least once, Monday first.
pub async fn hours(
    db: &Db,
    measure: Measure,
    currency: Currency,
    span: Span<'_>,
    sites: &SiteScope,
) -> Result<Vec<HourOfWeek>> {
    Ok(sqlx::query_as!(
        HourOfWeek,
        r#"WITH hours AS (
               SELECT hour, coalesce(sum(CASE $6::text
                          WHEN 'purchases' THEN purchases::double precision
                          WHEN 'revenue' THEN CASE WHEN currency::text = $7::text THEN (gross_minor - refunded_minor)::double precision ELSE 0 END
                          WHEN 'sessions' THEN peak_sessions::double precision
                          WHEN 'octets' THEN (input_octets + output_octets)::double precision
                          WHEN 'failed_payments' THEN payment_failures::double precision
                          WHEN 'failed_logins' THEN failed_logins::double precision END) FILTER (WHERE observed), 0) AS value
               FROM site_hourly
               WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
               GROUP BY hour HAVING count(*) FILTER (WHERE observed) * 10 >= count(*) * $8::bigint)
           SELECT extract(isodow FROM hour AT TIME ZONE $4)::integer AS "weekday!",
                  extract(hour FROM hour AT TIME ZONE $4)::integer AS "hour!", avg(value) AS "mean!",
                  percentile_cont(0.1) WITHIN GROUP (ORDER BY value) AS "low!",
                  percentile_cont(0.9) WITHIN GROUP (ORDER BY value) AS "high!", count(*) AS "times!"
           FROM hours GROUP BY 1, 2 ORDER BY 1, 2"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        measure.as_str(),
        currency.as_str(),
        MOST
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// The currency in which most was sold, and whether anything was sold in another; `None`: nothing was sold.
pub async fn currency(db: &Db, span: Span<'_>, sites: &SiteScope) -> Result<Option<(Currency, bool)>> {
    let rows = sqlx::query_scalar!(
        r#"SELECT currency AS "currency!" FROM site_hourly
           WHERE hour >= $1 AND hour < $2 AND gross_minor <> 0 AND ($3::uuid IS NULL OR site_id = $3)
             AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
           GROUP BY currency ORDER BY sum(gross_minor) DESC, currency LIMIT 2"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let currency = first.parse().map_err(|error| StoreError::corrupt("site_hourly", first, error))?;
    Ok(Some((currency, rows.len() > 1)))
}
