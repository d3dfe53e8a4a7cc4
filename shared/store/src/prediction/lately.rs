//! What alerts judge by: the last hours of some sites beside what was expected of them, logins that failed, how near its limit a site will
//! come; and what was found in them, until the next look. Nothing is judged here.

use serde_json::Value;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::demand::Curves;
use super::{Measure, NOWHERE};
use crate::alert::facts::Site;
use crate::{Db, Result};

/// How old a forecast may be whose hours are still used.
const OLDEST: time::Duration = time::Duration::hours(48);

/// What was counted at a site in an hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hour {
    /// Where.
    pub site: Uuid,
    /// When it began.
    pub at: OffsetDateTime,
    /// Whether somebody saw it.
    pub is_observed: bool,
    /// What was sold.
    pub purchases: i64,
    /// Octets to customers.
    pub octets: i64,
}

/// The hours of these sites; site by site, the oldest first. A site that no router stands at any more was given up: it has none.
pub async fn hours(db: &Db, sites: &[Uuid], from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Hour>> {
    Ok(sqlx::query_as!(
        Hour,
        "SELECT site_id AS site, hour AS at, observed AS is_observed, purchases, output_octets AS octets
         FROM site_hourly h WHERE site_id = ANY ($3) AND hour >= $1 AND hour < $2 AND EXISTS (SELECT FROM nas n WHERE n.site_id = h.site_id)
         ORDER BY site_id, hour",
        from,
        until,
        sites
    )
    .fetch_all(&db.pool)
    .await?)
}

/// What was expected of a measure at a site.
#[derive(Clone, PartialEq, Debug)]
pub struct Expected {
    /// Where.
    pub site: Uuid,
    /// Of what.
    pub measure: Measure,
    /// The first hour.
    pub origin: OffsetDateTime,
    /// What was expected of each of the first two days; where forecasts have switched themselves off, what there was a week before.
    pub values: Vec<f64>,
}

/// The forecasts that tell of these hours, made from a past that is long enough; the newest first.
pub async fn expected(db: &Db, sites: &[Uuid], from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Expected>> {
    let rows = sqlx::query!(
        r#"SELECT site_id, measure, origin, CASE WHEN is_shown THEN expected[1:48] ELSE naive[1:48] END AS "values!" FROM forecasts
           WHERE measure IN ('purchases', 'octets') AND site_id = ANY ($4) AND package_id = $3 AND origin > $1 AND origin < $2
             AND basis = 'own' ORDER BY origin DESC, id"#,
        from - OLDEST,
        until,
        NOWHERE,
        sites
    )
    .fetch_all(&db.pool)
    .await?;
    let of = |site, measure: &str, origin, values| {
        Some(Expected { site, measure: Measure::parse(measure)?, origin, values })
    };
    Ok(rows.into_iter().filter_map(|row| of(row.site_id, &row.measure, row.origin, row.values)).collect())
}

/// Logins that failed at a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Where.
    pub site: Uuid,
    /// What it is called.
    pub name: String,
    /// In each of the last hours, the oldest first.
    pub lately: Vec<i64>,
    /// In all hours before.
    pub before: i64,
    /// How many hours these are.
    pub hours: i64,
}

/// The same of all sites: `lately` from `since` until before `until`, and before that from `from` on. Refusals for the reason `without` count in
/// neither.
pub async fn failed(
    db: &Db,
    from: OffsetDateTime,
    since: OffsetDateTime,
    until: OffsetDateTime,
    without: &str,
) -> Result<Vec<Failed>> {
    Ok(sqlx::query_as!(
        Failed,
        r#"SELECT s.id AS site, s.name, array_agg(coalesce(r.times, 0)::bigint ORDER BY h.hour) FILTER (WHERE h.hour >= $2) AS "lately!",
                  coalesce(sum(r.times) FILTER (WHERE h.hour < $2 AND h.observed), 0)::bigint AS "before!",
                  count(*) FILTER (WHERE h.hour < $2 AND h.observed) AS "hours!"
           FROM site_hourly h JOIN sites s ON s.id = h.site_id
                LEFT JOIN (SELECT site_id, hour, sum(times) AS times FROM refusals_hourly
                           WHERE hour >= $1 AND hour < $3 AND reason <> $4 GROUP BY site_id, hour) r
                ON r.site_id = h.site_id AND r.hour = h.hour
           WHERE h.hour >= $1 AND h.hour < $3
           GROUP BY s.id, s.name HAVING sum(r.times) FILTER (WHERE h.hour >= $2) > 0 ORDER BY s.id"#,
        from,
        since,
        until,
        without
    )
    .fetch_all(&db.pool)
    .await?)
}

/// A site with a limit, and what is expected of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Limited {
    /// Where.
    pub site: Uuid,
    /// What it is called.
    pub name: String,
    /// So many sessions are possible at the same time.
    pub limit: i32,
    /// The first hour of what follows.
    pub origin: OffsetDateTime,
    /// What is said of sessions.
    pub curves: Curves,
}

/// The sites that have a limit, with the newest forecast of their sessions, if that is shown and made from a past that is long enough.
pub async fn limited(db: &Db, now: OffsetDateTime) -> Result<Vec<Limited>> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.name, s.session_limit AS "session_limit!", f.origin AS "origin!", f.expected AS "expected!", f.typical AS "typical!",
                  f.low80 AS "low80!", f.high80 AS "high80!", f.low95 AS "low95!", f.high95 AS "high95!", f.naive AS "naive!"
           FROM sites s CROSS JOIN LATERAL (
               SELECT * FROM forecasts f
               WHERE f.measure = 'sessions' AND f.site_id = s.id AND f.package_id = $2 AND f.origin <= $1 AND f.origin > $3
               ORDER BY f.origin DESC LIMIT 1) f
           WHERE s.session_limit > 0 AND f.is_shown AND f.basis = 'own' ORDER BY s.id"#,
        now,
        NOWHERE,
        now - OLDEST
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Limited {
            site: row.id,
            name: row.name,
            limit: row.session_limit,
            origin: row.origin,
            curves: Curves {
                expected: row.expected,
                typical: row.typical,
                low80: row.low80,
                high80: row.high80,
                low95: row.low95,
                high95: row.high95,
                naive: row.naive,
            },
        })
        .collect())
}

/// What was found unusual at a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The kind of alert that it is for.
    pub kind: String,
    /// Where.
    pub site: Site,
    /// The hour after the last that was looked at.
    pub hour: OffsetDateTime,
    /// What, as whoever looked has written it.
    pub detail: Value,
}

/// Writes down what a look has found, in the place of what the one before had.
pub async fn replace(db: &Db, found: &[(&str, Uuid, Value)], hour: OffsetDateTime) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    sqlx::query!("DELETE FROM prediction_findings").execute(&mut *tx).await?;
    for (kind, site, detail) in found {
        sqlx::query!(
            "INSERT INTO prediction_findings (kind, site_id, hour, detail) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            *kind,
            *site,
            hour,
            detail
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What the newest look has found.
pub async fn found(db: &Db) -> Result<Vec<Found>> {
    let rows = sqlx::query!(
        "SELECT f.kind, f.hour, f.detail, s.id, s.name FROM prediction_findings f JOIN sites s ON s.id = f.site_id ORDER BY f.kind, s.id"
    )
    .fetch_all(&db.pool)
    .await?;
    let found = |kind, id, name, hour, detail| Found { kind, site: Site { id, name }, hour, detail };
    Ok(rows.into_iter().map(|row| found(row.kind, row.id, row.name, row.hour, row.detail)).collect())
}
