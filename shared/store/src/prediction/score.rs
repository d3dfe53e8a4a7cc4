//! What became of forecasts once their week was over, who lost for how long, and what the scorecard shows of both.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::Measure;
use super::demand::{Forecast, Row};
use crate::package::unsigned;
use crate::{Db, Result};

/// Lines of the scorecard at most.
const MOST_LINES: i64 = 1_000;
/// What a kind of prediction begins with in `prediction_states`, if it is a forecast.
const DEMAND: &str = "demand_";
/// Weeks in which a forecast is compared with its baseline.
pub const WEEKS: u32 = 4;

/// Forecasts whose first hour is between these moments and which have no score yet, the oldest first.
pub async fn due(db: &Db, from: OffsetDateTime, until: OffsetDateTime, limit: u32) -> Result<Vec<Forecast>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT f.id, f.measure, f.site_id, f.package_id, f.origin, f.made_at, f.rule, f.basis, f.mase, f.naive_mase, f.is_shown, f.expected,
                f.typical, f.low80, f.high80, f.low95, f.high95, f.naive
         FROM forecasts f
         WHERE f.origin >= $1 AND f.origin <= $2 AND cardinality(f.expected) > 0
           AND NOT EXISTS (SELECT FROM forecast_scores s WHERE s.forecast_id = f.id)
         ORDER BY f.origin, f.site_id, f.package_id, f.measure LIMIT $3",
        from,
        until,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Row::forecast).collect()
}

/// How a forecast has fared.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Score {
    /// Hours that somebody saw.
    pub hours: u32,
    /// Its error, in units of what "as last week" was wrong by before.
    pub mase: Option<f64>,
    /// The error of "as last week" in the same hours.
    pub naive_mase: Option<f64>,
    /// Its error as a share of what there was.
    pub wape: Option<f64>,
    /// The share of hours within the narrow band.
    pub covered80: Option<f64>,
    /// The same of the wide one.
    pub covered95: Option<f64>,
    /// What was said of the hours that somebody saw.
    pub forecast_total: f64,
    /// What there was in them.
    pub actual_total: f64,
}

/// Writes a score down; one that is there stays.
pub async fn save(db: &Db, forecast: &Forecast, score: &Score, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO forecast_scores (forecast_id, measure, site_id, package_id, origin, scored_at, hours, mase, naive_mase, wape, covered80,
             covered95, forecast_total, actual_total)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (forecast_id) DO NOTHING",
        forecast.id,
        forecast.measure.as_str(),
        forecast.site,
        forecast.package,
        forecast.origin,
        now,
        i32::try_from(score.hours).unwrap_or(i32::MAX),
        score.mase,
        score.naive_mase,
        score.wape,
        score.covered80,
        score.covered95,
        score.forecast_total,
        score.actual_total
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// How a measure at a site fared in a week, beside its baseline.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Week {
    /// Of what.
    pub measure: Measure,
    /// Where.
    pub site: Uuid,
    /// How many weeks before the newest that was scored; 0 is that one.
    pub ago: u32,
    /// The mean error.
    pub mase: f64,
    /// That of "as last week".
    pub naive_mase: f64,
}

/// The last [`WEEKS`] weeks that were scored, each counted back from the newest score.
pub async fn weeks(db: &Db) -> Result<Vec<Week>> {
    let rows = sqlx::query!(
        r#"SELECT s.measure, s.site_id, floor(extract(epoch FROM n.at - s.origin) / 604800)::integer AS "ago!", avg(s.mase) AS "mase!",
                  avg(s.naive_mase) AS "naive_mase!"
           FROM (SELECT max(origin) AS at FROM forecast_scores) n
           JOIN forecast_scores s ON s.origin > n.at - make_interval(weeks => $1)
           WHERE s.mase IS NOT NULL AND s.naive_mase IS NOT NULL
           GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"#,
        i32::try_from(WEEKS).unwrap_or(4)
    )
    .fetch_all(&db.pool)
    .await?;
    let week = |measure: &str, site, ago: i32, mase, naive_mase| {
        Some(Week { measure: Measure::parse(measure)?, site, ago: u32::try_from(ago).ok()?, mase, naive_mase })
    };
    Ok(rows.into_iter().filter_map(|row| week(&row.measure, row.site_id, row.ago, row.mase, row.naive_mase)).collect())
}

/// Whether a forecast is shown, since when and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Of what.
    pub measure: Measure,
    /// Where; [`super::NOWHERE`]: of all sites together, and of packages.
    pub site: Uuid,
    /// The site's name.
    pub site_name: Option<String>,
    /// Whether it is.
    pub is_on: bool,
    /// Why, in a sentence.
    pub why: String,
    /// Since when.
    pub changed_at: OffsetDateTime,
}

/// What has switched itself off, or on again, at the sites that somebody is not kept from.
pub async fn states(db: &Db, sites: &SiteScope) -> Result<Vec<State>> {
    let rows = sqlx::query!(
        r#"SELECT p.kind, p.site_id, s.name AS "site_name?", p.is_on, p.why, p.changed_at
           FROM prediction_states p LEFT JOIN sites s ON s.id = p.site_id
           WHERE starts_with(p.kind, $1) AND ($2::uuid[] IS NULL OR p.site_id = ANY ($2)) ORDER BY p.changed_at DESC, p.kind, p.site_id"#,
        DEMAND,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let measure = row.kind.strip_prefix(DEMAND).and_then(Measure::parse)?;
            let (site, site_name, is_on, why) = (row.site_id, row.site_name, row.is_on, row.why);
            Some(State { measure, site, site_name, is_on, why, changed_at: row.changed_at })
        })
        .collect())
}

/// Switches the forecasts of a measure at a site off, or on again. Returns whether that changed anything.
pub async fn switch(
    db: &Db,
    (measure, site): (Measure, Uuid),
    is_on: bool,
    why: &str,
    now: OffsetDateTime,
) -> Result<bool> {
    let changed = sqlx::query!(
        "INSERT INTO prediction_states (kind, site_id, is_on, why, changed_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (kind, site_id) DO UPDATE SET is_on = EXCLUDED.is_on, why = EXCLUDED.why, changed_at = EXCLUDED.changed_at
         WHERE prediction_states.is_on <> EXCLUDED.is_on",
        format!("{DEMAND}{}", measure.as_str()),
        site,
        is_on,
        why,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(changed == 1)
}

/// How forecasts have fared since a moment, on average.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Skill {
    /// How many were scored.
    pub forecasts: u64,
    /// Their error.
    pub mase: Option<f64>,
    /// That of "as last week".
    pub naive_mase: Option<f64>,
    /// The share of hours within the narrow band.
    pub covered80: Option<f64>,
    /// The same of the wide one.
    pub covered95: Option<f64>,
}

/// The same of one series.
pub async fn skill(db: &Db, measure: Measure, site: Uuid, package: Uuid, since: OffsetDateTime) -> Result<Skill> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "forecasts!", avg(mase) AS mase, avg(naive_mase) AS naive_mase, avg(covered80) AS covered80,
                  avg(covered95) AS covered95
           FROM forecast_scores
           WHERE origin >= $4 AND measure = $1 AND site_id = $2 AND package_id = $3 AND mase IS NOT NULL AND naive_mase IS NOT NULL"#,
        measure.as_str(),
        site,
        package,
        since
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(Skill {
        forecasts: unsigned(row.forecasts),
        mase: row.mase,
        naive_mase: row.naive_mase,
        covered80: row.covered80,
        covered95: row.covered95,
    })
}

/// Which lines of the scorecard are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Forecasts whose first hour is not before this,
    pub from: OffsetDateTime,
    /// and before that.
    pub until: OffsetDateTime,
    /// At this site; else at all.
    pub site: Option<Uuid>,
    /// Of what; else of all.
    pub measure: Option<Measure>,
    /// Whether what was sold may be told.
    pub with_money: bool,
    /// The clock by which weeks begin.
    pub time_zone: String,
}

/// How the forecasts of a series fared that began in a week.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// The Monday of the week, such as `2026-11-23`.
    pub week: String,
    /// Of what.
    pub measure: Measure,
    /// Where; `None`: at all sites together.
    pub site: Option<String>,
    /// Of which package; `None`: of all.
    pub package: Option<String>,
    /// How many there were: one a night.
    pub forecasts: u64,
    /// What was said of a week, on average.
    pub forecast_total: f64,
    /// What there was.
    pub actual_total: f64,
    /// The error.
    pub mase: Option<f64>,
    /// That of "as last week".
    pub naive_mase: Option<f64>,
    /// The error as a share of what there was.
    pub wape: Option<f64>,
    /// The share of hours within the narrow band.
    pub covered80: Option<f64>,
    /// The same of the wide one.
    pub covered95: Option<f64>,
}

/// Those lines, the newest week first.
pub async fn lines(db: &Db, asked: &Asked, sites: &SiteScope) -> Result<Vec<Line>> {
    let rows = sqlx::query!(
        r#"SELECT to_char(date_trunc('week', s.origin AT TIME ZONE $5), 'YYYY-MM-DD') AS "week!", s.measure, t.name AS "site?",
                  p.name AS "package?", count(*) AS "forecasts!", avg(s.forecast_total) AS "forecast_total!",
                  avg(s.actual_total) AS "actual_total!", avg(s.mase) AS mase, avg(s.naive_mase) AS naive_mase, avg(s.wape) AS wape,
                  avg(s.covered80) AS covered80, avg(s.covered95) AS covered95
           FROM forecast_scores s LEFT JOIN sites t ON t.id = s.site_id LEFT JOIN packages p ON p.id = s.package_id
           WHERE s.origin >= $1 AND s.origin < $2 AND s.hours > 0 AND ($3::uuid IS NULL OR s.site_id = $3)
             AND ($4::uuid[] IS NULL OR s.site_id = ANY ($4)) AND ($6::text IS NULL OR s.measure = $6)
             AND ($7 OR s.measure IN ('sessions', 'octets'))
           GROUP BY 1, s.measure, s.site_id, t.name, s.package_id, p.name
           ORDER BY 1 DESC, t.name NULLS FIRST, p.name NULLS FIRST, s.measure LIMIT $8"#,
        asked.from,
        asked.until,
        asked.site,
        sites.filter() as Option<&[Uuid]>,
        asked.time_zone,
        asked.measure.map(Measure::as_str),
        asked.with_money,
        MOST_LINES
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Line {
                measure: Measure::parse(&row.measure)?,
                week: row.week,
                site: row.site,
                package: row.package,
                forecasts: unsigned(row.forecasts),
                forecast_total: row.forecast_total,
                actual_total: row.actual_total,
                mase: row.mase,
                naive_mase: row.naive_mase,
                wape: row.wape,
                covered80: row.covered80,
                covered95: row.covered95,
            })
        })
        .collect())
}

/// How the newest model of who will buy fared whose window is over.
#[derive(Clone, PartialEq, Debug)]
pub struct Calibration {
    /// Days of its window.
    pub window_days: u32,
    /// The end of the past that it learnt from.
    pub cut: OffsetDateTime,
    /// Of each tenth of the people: the mean chance that was said, the share that bought, and how many they are.
    pub tenths: Vec<(f64, f64, u64)>,
}

/// The same of each window.
pub async fn calibrations(db: &Db) -> Result<Vec<Calibration>> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (window_days) window_days, cut, said AS "said!", did AS "did!", people AS "people!"
           FROM purchase_models WHERE scored_at IS NOT NULL AND said IS NOT NULL AND did IS NOT NULL AND people IS NOT NULL
           ORDER BY window_days, made_at DESC"#
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Calibration {
            window_days: u32::try_from(row.window_days).unwrap_or(0),
            cut: row.cut,
            tenths: row.said.into_iter().zip(row.did).zip(row.people).map(|((s, d), n)| (s, d, unsigned(n))).collect(),
        })
        .collect())
}
