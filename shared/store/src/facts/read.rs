//! What predictions and others read of the facts: a value for each hour of a span, `None` where nobody saw what happened.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// What is asked of an hour.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Measure {
    /// Orders and vouchers that were sold and not given back.
    Purchases,
    /// What sales brought less what was given back in the hour, in minor units.
    Revenue,
    /// The most sessions that were open at one time.
    Sessions,
    /// Octets to customers.
    Octets,
    /// Logins that were refused.
    FailedLogins,
    /// Payments that were begun in the hour and came to nothing.
    PaymentFailures,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 6] = [
        Measure::Purchases,
        Measure::Revenue,
        Measure::Sessions,
        Measure::Octets,
        Measure::FailedLogins,
        Measure::PaymentFailures,
    ];

    /// Its name, in addresses and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Purchases => "purchases",
            Measure::Revenue => "revenue",
            Measure::Sessions => "sessions",
            Measure::Octets => "octets",
            Measure::FailedLogins => "failed_logins",
            Measure::PaymentFailures => "payment_failures",
        }
    }

    /// Reads that name.
    pub fn parse(text: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.as_str() == text)
    }
}

/// Every hour from the first to before the last, with its value at a site, or at all of them together. `None`: it was not observed, or is not
/// summed yet, or the site was not there. Of all sites together, sessions are the sum of the most at each.
pub async fn hours(
    db: &Db,
    measure: Measure,
    site: Option<Uuid>,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<(OffsetDateTime, Option<f64>)>> {
    let rows = sqlx::query!(
        r#"SELECT g.hour AS "hour!", CASE WHEN s.observed THEN s.value END AS value
           FROM generate_series(date_trunc('hour', $1::timestamptz, 'UTC'), $2::timestamptz - interval '1 microsecond', interval '1 hour') AS g (hour)
                LEFT JOIN (
                    SELECT hour, CASE WHEN $3::uuid IS NULL
                               THEN coalesce(bool_or(observed) FILTER (WHERE site_id <> '00000000-0000-0000-0000-000000000000'), true)
                               ELSE bool_or(observed) END AS observed,
                           sum(CASE $4 WHEN 'purchases' THEN purchases WHEN 'revenue' THEN gross_minor - refunded_minor
                                   WHEN 'sessions' THEN peak_sessions WHEN 'octets' THEN output_octets WHEN 'failed_logins' THEN failed_logins
                                   ELSE payment_failures END)::double precision AS value
                    FROM site_hourly
                    WHERE hour >= date_trunc('hour', $1, 'UTC') AND hour < $2 AND ($3 IS NULL OR site_id = $3)
                    GROUP BY hour) s ON s.hour = g.hour
           ORDER BY g.hour"#,
        from,
        until,
        site as Option<Uuid>,
        measure.as_str()
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hour, row.value)).collect())
}

/// Every hour with how many of a package were sold at a site, or at all of them together. `None` as for [`hours`].
pub async fn package_hours(
    db: &Db,
    package: Uuid,
    site: Option<Uuid>,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<(OffsetDateTime, Option<f64>)>> {
    let rows = sqlx::query!(
        r#"SELECT g.hour AS "hour!", CASE WHEN s.observed THEN coalesce(h.sold, 0) END AS value
           FROM generate_series(date_trunc('hour', $1::timestamptz, 'UTC'), $2::timestamptz - interval '1 microsecond', interval '1 hour') AS g (hour)
                LEFT JOIN (
                    SELECT hour, CASE WHEN $3::uuid IS NULL
                               THEN coalesce(bool_or(observed) FILTER (WHERE site_id <> '00000000-0000-0000-0000-000000000000'), true)
                               ELSE bool_or(observed) END AS observed
                    FROM site_hourly
                    WHERE hour >= date_trunc('hour', $1, 'UTC') AND hour < $2 AND ($3 IS NULL OR site_id = $3)
                    GROUP BY hour) s ON s.hour = g.hour
                LEFT JOIN (
                    SELECT hour, sum(orders)::double precision AS sold FROM sales_hourly
                    WHERE hour >= date_trunc('hour', $1, 'UTC') AND hour < $2 AND ($3 IS NULL OR site_id = $3) AND package_id = $4
                    GROUP BY hour) h ON h.hour = g.hour
           ORDER BY g.hour"#,
        from,
        until,
        site as Option<Uuid>,
        package
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hour, row.value)).collect())
}

/// A site and its facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteFacts {
    /// The site.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Its clock.
    pub time_zone: String,
    /// Its first hour.
    pub since: OffsetDateTime,
    /// Its last one.
    pub last: OffsetDateTime,
}

/// The sites of which there are facts, by name.
pub async fn sites_with_facts(db: &Db) -> Result<Vec<SiteFacts>> {
    Ok(sqlx::query_as!(
        SiteFacts,
        r#"SELECT s.id, s.name, s.time_zone, f.hour AS "since!", l.hour AS "last!"
           FROM sites s
                CROSS JOIN LATERAL (SELECT hour FROM site_hourly WHERE site_id = s.id ORDER BY hour LIMIT 1) f
                CROSS JOIN LATERAL (SELECT hour FROM site_hourly WHERE site_id = s.id ORDER BY hour DESC LIMIT 1) l
           ORDER BY s.name"#
    )
    .fetch_all(&db.pool)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_read_what_they_write() {
        for measure in Measure::ALL {
            assert_eq!(Measure::parse(measure.as_str()), Some(measure));
        }
        assert_eq!(Measure::parse("luck"), None);
    }
}
