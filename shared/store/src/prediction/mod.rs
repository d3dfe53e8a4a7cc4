//! Predictions as they are kept: each is stored when it is made and scored when the truth arrives, so that the desk can say how far it may be
//! trusted.
//!
//! ```text
//!  site_hourly, sales_hourly ─► [`demand`]  what series are made of ─► forecasts ─► [`score`] ─► forecast_scores, prediction_states
//!  calendar_days ─────────────► [`calendar`] what is not learnt from, and what is known to come
//!  forecasts beside facts ────► [`lately`]  what alerts judge by
//!  orders ────────────────────► [`purchases`] who buys again, and how far that is known
//! ```
//!
//! The nil identity ([`NOWHERE`]) as a site is all sites together, as a package all packages. Refused here: the mathematics, which is
//! `forecast`'s, and judging what a score means.

pub mod calendar;
pub mod demand;
pub mod lately;
pub mod purchases;
pub mod score;

use std::time::Duration;

use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// All sites together, or all packages.
pub const NOWHERE: Uuid = Uuid::nil();

/// What is counted by the hour and predicted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Measure {
    /// Orders that were paid, and vouchers that were sold.
    Purchases,
    /// What these brought less what was given back in the hour, in minor units.
    Revenue,
    /// The most sessions that were open at the same time.
    Sessions,
    /// Octets to customers.
    Octets,
}

impl Measure {
    /// All of them, in the order in which [`demand::Counted`] has them.
    pub const ALL: [Measure; 4] = [Measure::Purchases, Measure::Revenue, Measure::Sessions, Measure::Octets];

    /// The word in the database and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Purchases => "purchases",
            Measure::Revenue => "revenue",
            Measure::Sessions => "sessions",
            Measure::Octets => "octets",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.as_str() == text)
    }

    /// Whether it tells what was sold.
    pub fn is_money(self) -> bool {
        matches!(self, Measure::Purchases | Measure::Revenue)
    }
}

/// How far the predictions of the newest night are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// The first hour that is predicted.
    pub origin: OffsetDateTime,
    /// When it was begun.
    pub begun_at: OffsetDateTime,
    /// How many series there are.
    pub series: u64,
    /// How many of them have been looked at.
    pub made: u64,
    /// When it was finished; `None`: it goes on, or will be gone on with.
    pub finished_at: Option<OffsetDateTime>,
}

/// Takes or keeps the turn to make the predictions of a night. `false`: another portal holds it, or they are all made.
pub async fn take(
    db: &Db,
    name: &str,
    holder: Uuid,
    origin: OffsetDateTime,
    lease: Duration,
    now: OffsetDateTime,
) -> Result<bool> {
    let taken = sqlx::query!(
        "INSERT INTO prediction_runs AS r (name, origin, holder, lease_until, begun_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO UPDATE SET origin = $2, holder = $3, lease_until = $4,
             begun_at = CASE WHEN r.origin = $2 THEN r.begun_at ELSE $5 END,
             series = CASE WHEN r.origin = $2 THEN r.series ELSE 0 END,
             made = CASE WHEN r.origin = $2 THEN r.made ELSE 0 END, finished_at = NULL
         WHERE (r.origin < $2 OR (r.origin = $2 AND r.finished_at IS NULL)) AND (r.lease_until <= $5 OR r.holder = $3)",
        name,
        origin,
        holder,
        now + lease,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(taken == 1)
}

/// Notes how far it is. `is_finished`: nothing is left of that night.
pub async fn note(
    db: &Db,
    name: &str,
    holder: Uuid,
    (made, series): (usize, usize),
    is_finished: bool,
    now: OffsetDateTime,
) -> Result<()> {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    sqlx::query!(
        "UPDATE prediction_runs SET made = $3, series = $4, finished_at = CASE WHEN $5 THEN $6::timestamptz END
         WHERE name = $1 AND holder = $2",
        name,
        holder,
        number(made),
        number(series),
        is_finished,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// How far the newest night is; `None`: there was none yet.
pub async fn run(db: &Db, name: &str) -> Result<Option<Run>> {
    let row =
        sqlx::query!("SELECT origin, begun_at, series, made, finished_at FROM prediction_runs WHERE name = $1", name)
            .fetch_optional(&db.pool)
            .await?;
    let number = |count: i32| u64::try_from(count).unwrap_or(0);
    Ok(row.map(|row| Run {
        origin: row.origin,
        begun_at: row.begun_at,
        series: number(row.series),
        made: number(row.made),
        finished_at: row.finished_at,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_read_as_they_are_written() {
        assert!(Measure::ALL.into_iter().all(|measure| Measure::parse(measure.as_str()) == Some(measure)));
        assert_eq!(Measure::parse("weather"), None);
        assert!(Measure::Revenue.is_money() && !Measure::Octets.is_money());
    }
}
