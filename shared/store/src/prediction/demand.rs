//! What forecasts of demand are made of, and the forecasts: hours of a site, of all sites together and of a package; and what was said of the
//! hours to come, as arrays that begin with the forecast's origin.
//!
//! Each statement reads the hours of one series by an index, whatever the history beside them. What is not `observed` is missing, and no
//! zero. The hours of all sites together count where nine tenths of the sites were seen.

use std::collections::BTreeSet;

use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Measure, NOWHERE};
use crate::{Db, Result, StoreError};

/// Sites whose demand is predicted at most.
const MOST_SITES: i64 = 10_000;
/// Packages whose demand is predicted at most: the most sold.
const MOST_PACKAGES: i64 = 50;

/// A site, with its clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The site.
    pub site: Uuid,
    /// Its clock, by its name in the IANA database.
    pub time_zone: String,
}

/// What was counted in an hour.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counted {
    /// When it began.
    pub at: OffsetDateTime,
    /// Whether somebody saw it.
    pub is_observed: bool,
    /// What of each of [`Measure::ALL`].
    pub values: [i64; 4],
}

/// Whether the hours before that one are summed up, all of them: a row alone says nothing, as counting sessions makes one for the hour under way
/// while the past is still gone through.
pub async fn facts_reach(db: &Db, until: OffsetDateTime) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM facts_mark WHERE name = 'hours' AND through >= $1) AS "reach!""#,
        until
    )
    .fetch_one(&db.pool)
    .await?)
}

/// The sites of which there are facts.
pub async fn places(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Place>> {
    Ok(sqlx::query_as!(
        Place,
        "SELECT s.id AS site, s.time_zone FROM sites s
         WHERE EXISTS (SELECT FROM site_hourly h WHERE h.site_id = s.id AND h.hour >= $1 AND h.hour < $2)
         ORDER BY s.id LIMIT $3",
        from,
        until,
        MOST_SITES
    )
    .fetch_all(&db.pool)
    .await?)
}

/// The hours of a site, the oldest first.
pub async fn hours(db: &Db, site: Uuid, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Counted>> {
    let rows = sqlx::query!(
        r#"SELECT hour, observed, purchases, gross_minor - refunded_minor AS "revenue!", peak_sessions, output_octets FROM site_hourly
           WHERE site_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour"#,
        site,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Counted {
            at: row.hour,
            is_observed: row.observed,
            values: [row.purchases, row.revenue, row.peak_sessions.into(), row.output_octets],
        })
        .collect())
}

/// The hours of all sites together, the oldest first. Money is that of one currency. A site that nobody saw for a whole week is not missed in it.
pub async fn everywhere(db: &Db, currency: &str, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Counted>> {
    let rows = sqlx::query!(
        r#"WITH there AS (SELECT site_id, date_trunc('week', hour, 'UTC') AS week FROM site_hourly
                          WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2 HAVING bool_or(observed))
           SELECT hour, count(t.week) > 0 AND count(*) FILTER (WHERE observed) * 10 >= count(t.week) * 9 AS "observed!",
                  sum(purchases)::bigint AS "purchases!",
                  coalesce(sum(gross_minor - refunded_minor) FILTER (WHERE currency = $3), 0)::bigint AS "revenue!",
                  sum(peak_sessions)::bigint AS "peak_sessions!", sum(output_octets)::bigint AS "output_octets!"
           FROM site_hourly h LEFT JOIN there t ON t.site_id = h.site_id AND t.week = date_trunc('week', h.hour, 'UTC')
           WHERE hour >= $1 AND hour < $2 GROUP BY hour ORDER BY hour"#,
        from,
        until,
        currency
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Counted {
            at: row.hour,
            is_observed: row.observed,
            values: [row.purchases, row.revenue, row.peak_sessions, row.output_octets],
        })
        .collect())
}

/// The currency of the most that was sold since then, at a site or everywhere; where nothing was, the shilling.
pub async fn currency(db: &Db, site: Option<Uuid>, since: OffsetDateTime) -> Result<String> {
    let most = sqlx::query_scalar!(
        "SELECT currency FROM site_hourly WHERE hour >= $1 AND ($2::uuid IS NULL OR site_id = $2) AND purchases > 0
         GROUP BY currency ORDER BY sum(gross_minor) DESC, currency LIMIT 1",
        since,
        site
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(most.unwrap_or_else(|| "KES".to_owned()))
}

/// The packages that were sold, the most sold first.
pub async fn packages(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT package_id FROM sales_hourly WHERE hour >= $1 AND hour < $2
         GROUP BY package_id ORDER BY sum(orders) DESC, package_id LIMIT $3",
        from,
        until,
        MOST_PACKAGES
    )
    .fetch_all(&db.pool)
    .await?)
}

/// The hours in which a package was sold, at all sites together, and how often; the oldest first.
pub async fn sold(
    db: &Db,
    package: Uuid,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<(OffsetDateTime, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT hour, sum(orders)::bigint AS "orders!" FROM sales_hourly
           WHERE package_id = $1 AND hour >= $2 AND hour < $3 GROUP BY hour ORDER BY hour"#,
        package,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hour, row.orders)).collect())
}

/// The hours in which more than a tenth of the sites was not seen, of those that were seen at all in their week.
pub async fn blind(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<BTreeSet<OffsetDateTime>> {
    let hours = sqlx::query_scalar!(
        "WITH there AS (SELECT site_id, date_trunc('week', hour, 'UTC') AS week FROM site_hourly
                        WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2 HAVING bool_or(observed))
         SELECT hour FROM site_hourly h LEFT JOIN there t ON t.site_id = h.site_id AND t.week = date_trunc('week', h.hour, 'UTC')
         WHERE hour >= $1 AND hour < $2
         GROUP BY hour HAVING count(t.week) = 0 OR count(*) FILTER (WHERE observed) * 10 < count(t.week) * 9",
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(hours.into_iter().collect())
}

/// From whose past a forecast was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// Its own, of four weeks or more.
    Own,
    /// Its own, which is too short for saying how good it is.
    Short,
    /// The week of all others, at its own level.
    Borrowed,
}

impl Basis {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Own => "own",
            Basis::Short => "short",
            Basis::Borrowed => "borrowed",
        }
    }

    fn parse(text: &str) -> Option<Basis> {
        [Basis::Own, Basis::Short, Basis::Borrowed].into_iter().find(|basis| basis.as_str() == text)
    }
}

/// What is said of each hour: arrays of the same length.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Curves {
    /// The mean: what sums are made of.
    pub expected: Vec<f64>,
    /// The median: what a typical hour has.
    pub typical: Vec<f64>,
    /// Four hours in five are above this,
    pub low80: Vec<f64>,
    /// and below that.
    pub high80: Vec<f64>,
    /// The same of nineteen in twenty.
    pub low95: Vec<f64>,
    /// And its upper end.
    pub high95: Vec<f64>,
    /// As in the same hour of the week before.
    pub naive: Vec<f64>,
}

/// A forecast.
#[derive(Clone, PartialEq, Debug)]
pub struct Forecast {
    /// Identity.
    pub id: Uuid,
    /// Of what.
    pub measure: Measure,
    /// Where; [`NOWHERE`]: at all sites together.
    pub site: Uuid,
    /// Of which package; [`NOWHERE`]: of all.
    pub package: Uuid,
    /// Its first hour.
    pub origin: OffsetDateTime,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// How, in words.
    pub rule: String,
    /// From whose past.
    pub basis: Basis,
    /// How good it was within the past that it was chosen on, beside [`Forecast::naive_mase`].
    pub mase: Option<f64>,
    /// How good "as last week" was there.
    pub naive_mase: Option<f64>,
    /// Whether it is shown: one that lost for long is not.
    pub is_shown: bool,
    /// What it says.
    pub curves: Curves,
}

/// Which forecasts of an origin are there: measure, site and package.
pub async fn made(db: &Db, origin: OffsetDateTime) -> Result<BTreeSet<(Measure, Uuid, Uuid)>> {
    let rows = sqlx::query!("SELECT measure, site_id, package_id FROM forecasts WHERE origin = $1", origin)
        .fetch_all(&db.pool)
        .await?;
    let key = |measure: &str, site, package| Some((Measure::parse(measure)?, site, package));
    Ok(rows.into_iter().filter_map(|row| key(&row.measure, row.site_id, row.package_id)).collect())
}

/// Writes forecasts down, all or none; one that is there already stays. Returns how many are new.
pub async fn save(db: &Db, forecasts: &[Forecast]) -> Result<u64> {
    let mut tx = db.pool.begin().await?;
    let mut new = 0;
    for forecast in forecasts {
        let curves = &forecast.curves;
        new += sqlx::query!(
            "INSERT INTO forecasts (id, measure, site_id, package_id, origin, made_at, rule, basis, mase, naive_mase, is_shown, expected,
                 typical, low80, high80, low95, high95, naive)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             ON CONFLICT (measure, site_id, package_id, origin) DO NOTHING",
            forecast.id,
            forecast.measure.as_str(),
            forecast.site,
            forecast.package,
            forecast.origin,
            forecast.made_at,
            forecast.rule,
            forecast.basis.as_str(),
            forecast.mase,
            forecast.naive_mase,
            forecast.is_shown,
            &curves.expected,
            &curves.typical,
            &curves.low80,
            &curves.high80,
            &curves.low95,
            &curves.high95,
            &curves.naive
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
    }
    tx.commit().await?;
    Ok(new)
}

/// A forecast as its row has it.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) measure: String,
    pub(super) site_id: Uuid,
    pub(super) package_id: Uuid,
    pub(super) origin: OffsetDateTime,
    pub(super) made_at: OffsetDateTime,
    pub(super) rule: String,
    pub(super) basis: String,
    pub(super) mase: Option<f64>,
    pub(super) naive_mase: Option<f64>,
    pub(super) is_shown: bool,
    pub(super) expected: Vec<f64>,
    pub(super) typical: Vec<f64>,
    pub(super) low80: Vec<f64>,
    pub(super) high80: Vec<f64>,
    pub(super) low95: Vec<f64>,
    pub(super) high95: Vec<f64>,
    pub(super) naive: Vec<f64>,
}

impl Row {
    pub(super) fn forecast(self) -> Result<Forecast> {
        let corrupt = |problem: &str| StoreError::corrupt("forecasts", self.id, problem);
        Ok(Forecast {
            measure: Measure::parse(&self.measure).ok_or_else(|| corrupt("unknown measure"))?,
            basis: Basis::parse(&self.basis).ok_or_else(|| corrupt("unknown basis"))?,
            id: self.id,
            site: self.site_id,
            package: self.package_id,
            origin: self.origin,
            made_at: self.made_at,
            rule: self.rule,
            mase: self.mase,
            naive_mase: self.naive_mase,
            is_shown: self.is_shown,
            curves: Curves {
                expected: self.expected,
                typical: self.typical,
                low80: self.low80,
                high80: self.high80,
                low95: self.low95,
                high95: self.high95,
                naive: self.naive,
            },
        })
    }
}

/// The newest forecast whose first hour is not after that moment; `None`: there is none.
pub async fn newest(
    db: &Db,
    measure: Measure,
    site: Option<Uuid>,
    package: Option<Uuid>,
    until: OffsetDateTime,
) -> Result<Option<Forecast>> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, measure, site_id, package_id, origin, made_at, rule, basis, mase, naive_mase, is_shown, expected, typical, low80, high80,
                low95, high95, naive
         FROM forecasts
         WHERE measure = $1 AND site_id = $2 AND package_id = $3 AND origin <= $4 AND cardinality(expected) > 0
         ORDER BY origin DESC LIMIT 1",
        measure.as_str(),
        site.unwrap_or(NOWHERE),
        package.unwrap_or(NOWHERE),
        until
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(Row::forecast).transpose()
}

/// Lets go of the hours of forecasts that began within `time` before that moment: they were scored long ago, and their scores stay.
pub async fn let_go(db: &Db, before: OffsetDateTime, time: std::time::Duration) -> Result<u64> {
    let done = sqlx::query!(
        "UPDATE forecasts SET expected = '{}', typical = '{}', low80 = '{}', high80 = '{}', low95 = '{}', high95 = '{}', naive = '{}'
         WHERE origin < $1 AND origin >= $2 AND cardinality(expected) > 0",
        before,
        before - time
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_read_as_they_are_written() {
        for basis in [Basis::Own, Basis::Short, Basis::Borrowed] {
            assert_eq!(Basis::parse(basis.as_str()), Some(basis));
        }
        assert_eq!(Basis::parse(""), None);
    }
}
