//! Facts: what happened in an hour at a router and at a site, with money, logins, traffic and the steps at the portal; how payments went; how
//! sessions ended; what each customer bought and used in a month. Reports, heat maps and predictions read these and never orders and sessions.
//!
//! ```text
//!  sessions, usage, refusals, visits, outages ─► nas_hourly, refusals_hourly ─┐
//!  orders, vouchers, sales in the ledger ──────► site_hourly ◄────────────────┘    each minute the last hours, each hour the last two days
//!  payments ───────────────────────────────────► payments_hourly, payment_results_hourly
//!  ended sessions ─► endings_daily    sales ─► package_daily    sales, usage ─► customer_monthly, cohorts_monthly    each hour
//!  open sessions, once a minute ([`sample`]) ──► the most that were open in the hour, and that we were there to count them
//! ```
//!
//! Each family has its row in `facts_mark`, until when it is made. One portal at a time holds it and does a round; the past is gone through
//! from its beginning, some days a round. Rounds sum anew from the sources, so that doing one twice changes nothing.
//!
//! Nothing is a zero: every router and every site has a row for each hour since it is there. An hour that we have not seen is not `observed`:
//! the router's line was cut for half of it, or nothing of ours ran. What comes later than a round goes back ([`correct`], and triggers on
//! orders, payments and vouchers) writes its hour into `facts_dirty`, in the transaction that changes it, and that hour is summed once more.
//!
//! Refused: to forget what the sources have let go of. Refused logins and visits are kept for two weeks and are summed up within them; later
//! rounds leave their sums as they are. A router that is removed keeps its facts.

mod days;
mod endings;
mod hours;
mod months;
mod packages;
mod payments;
mod read;
mod sampling;

use std::time::Duration;

use shared::time::{OffsetDateTime, hour_of};
use sqlx::PgConnection;
use time::{Date, UtcOffset};

use crate::{Db, Result, rollup};

pub use read::{Measure, SiteFacts, hours, package_hours, sites_with_facts};
pub use sampling::sample;

/// How far back each round of the hours goes: a transaction that was open at the turn of the hour has ended since, and whoever has paid
/// has an hour to be online.
const SHALLOW: Duration = Duration::from_secs(2 * 3600);
/// How far back the first round of an hour goes. What changes older hours must say so.
const DEEP: Duration = Duration::from_secs(48 * 3600);
/// What one round sums up at most, months apart.
const ROUND: Duration = Duration::from_secs(7 * DAY.as_secs());
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);
/// Corrected hours that one round sums up again.
const CORRECTED_AT_ONCE: i64 = 24;
/// The mark of the first month that is to be summed again.
const MONTHS_AGAIN: &str = "months_again";

/// A family of tables that is made together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    /// By the hour.
    Hours,
    /// How sessions ended, by the day.
    Endings,
    /// Packages, by the day.
    Packages,
    /// Customers and cohorts, by the month.
    Months,
}

/// What a round sums up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Round {
    from: OffsetDateTime,
    until: OffsetDateTime,
    /// Where the mark is afterwards.
    through: OffsetDateTime,
    /// Whether that is now.
    is_last: bool,
    /// Whether it is to be added to what is there.
    adds: bool,
}

impl Family {
    const ALL: [Family; 4] = [Family::Hours, Family::Endings, Family::Packages, Family::Months];

    /// Its mark.
    fn name(self) -> &'static str {
        match self {
            Family::Hours => "hours",
            Family::Endings => "endings",
            Family::Packages => "packages",
            Family::Months => "months",
        }
    }

    /// The next round of what is made until `through`. `None`: there is nothing to do before the next hour.
    fn round(self, through: OffsetDateTime, now: OffsetDateTime) -> Option<Round> {
        let head = hour_of(now);
        // Of a month, hours of the same day are only added.
        let adds = self == Family::Months && day(through) == day(head) && months::begin(through) == months::begin(head);
        let (from, end, until) = match self {
            Family::Hours => {
                let back = if through < head { DEEP } else { SHALLOW };
                (through - back, head + HOUR, through + ROUND)
            }
            _ if through >= head => return None,
            Family::Endings | Family::Packages => {
                (midnight(through - DEEP), midnight(head) + DAY, midnight(through) + ROUND)
            }
            Family::Months if adds => (through, head, head),
            Family::Months => {
                // Whoever is months behind need not look back.
                let back = if through + ROUND < head { Duration::ZERO } else { DEEP };
                (months::begin(through - back), months::end(head), months::end(through))
            }
        };
        let is_last = until >= end;
        let until = until.min(end);
        Some(Round { from, until, through: if is_last { head } else { until }, is_last, adds })
    }

    async fn sum_up(self, tx: &mut PgConnection, round: Round, now: OffsetDateTime) -> Result<()> {
        let Round { from, until, .. } = round;
        match self {
            Family::Hours => hours::sum_up(tx, from, until, now).await,
            Family::Endings => endings::sum_up(tx, from, until).await,
            Family::Packages => {
                packages::sum_up(tx, from, until, now).await?;
                if round.is_last { packages::look_again(tx, from + DEEP, now).await } else { Ok(()) }
            }
            Family::Months if round.adds => months::add(tx, from, until).await,
            Family::Months => {
                let mut month = from;
                while month < until {
                    months::sum_up(tx, month, hour_of(now)).await?;
                    month = months::end(month);
                }
                Ok(())
            }
        }
    }
}

/// Brings the facts up to now, or one round of each family nearer. Returns whether there is more to do.
pub async fn advance(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let mut more = false;
    for family in Family::ALL {
        more |= step(db, family, now).await?;
    }
    Ok(sum_corrected(db, now).await? || more)
}

/// Makes the facts anew from the beginning of the past, in rounds: much of the past was written just now.
pub async fn begin_anew(db: &Db) -> Result<()> {
    let families: Vec<String> = Family::ALL.map(|family| family.name().to_owned()).into();
    sqlx::query!("DELETE FROM facts_mark WHERE name = ANY ($1)", &families).execute(&db.pool).await?;
    Ok(())
}

/// Says of hours that something in them was changed. Costs nothing for those that are summed anyway. To be called last in its transaction.
pub(crate) async fn correct(
    tx: &mut PgConnection,
    at: impl IntoIterator<Item = OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<()> {
    let late = late_hours(at, now);
    if !late.is_empty() {
        sqlx::query!("INSERT INTO facts_dirty (hour) SELECT * FROM unnest($1::timestamptz[])", &late)
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// The hours of these moments that no round sums any more, each once.
fn late_hours(at: impl IntoIterator<Item = OffsetDateTime>, now: OffsetDateTime) -> Vec<OffsetDateTime> {
    let before = hour_of(now) - DEEP;
    let mut late: Vec<OffsetDateTime> = at.into_iter().map(hour_of).filter(|hour| *hour < before).collect();
    late.sort_unstable();
    late.dedup();
    late
}

async fn step(db: &Db, family: Family, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.pool.begin().await?;
    let mark =
        sqlx::query_scalar!("SELECT through FROM facts_mark WHERE name = $1 FOR UPDATE SKIP LOCKED", family.name())
            .fetch_optional(&mut *tx)
            .await?;
    let Some(mut through) = mark else {
        // Nobody has begun, or another portal is at it.
        let begun = begin(&mut tx, family, now).await?;
        tx.commit().await?;
        return Ok(begun);
    };
    if family == Family::Months && through < hour_of(now) {
        let again = sqlx::query_scalar!("DELETE FROM facts_mark WHERE name = $1 RETURNING through", MONTHS_AGAIN)
            .fetch_optional(&mut *tx)
            .await?;
        through = again.map_or(through, |again| again.min(through));
    }
    let Some(round) = family.round(through, now) else { return Ok(false) };
    family.sum_up(&mut tx, round, now).await?;
    sqlx::query!("UPDATE facts_mark SET through = $2 WHERE name = $1", family.name(), round.through)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(!round.is_last)
}

/// Marks where the past begins. Returns whether this made the mark. How long a session has lasted its router says, whom nobody has to
/// believe that it was a century.
async fn begin(tx: &mut PgConnection, family: Family, now: OffsetDateTime) -> Result<bool> {
    Ok(sqlx::query!(
        "INSERT INTO facts_mark (name, through)
         SELECT $1, date_trunc('hour', least((SELECT min(hour) FROM usage_hourly),
             (SELECT greatest(min(started_at), (min(opened_on) - interval '35 days') AT TIME ZONE 'UTC') FROM sessions_ended),
             (SELECT min(paid_at) FROM orders), (SELECT min(created_at) FROM payments), (SELECT min(sold_at) FROM vouchers),
             (SELECT min(created_at) FROM nas), (SELECT min(created_at) FROM sites), $2), 'UTC')
         ON CONFLICT DO NOTHING",
        family.name(),
        now
    )
    .execute(tx)
    .await?
    .rows_affected()
        == 1)
}

/// Sums some of the hours up again of which something was changed, and the days they are in. Returns whether there are more of them.
async fn sum_corrected(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.pool.begin().await?;
    // Whoever has the hours sums them alone; without a mark the whole past is still to be summed.
    let mark = sqlx::query_scalar!("SELECT through FROM facts_mark WHERE name = 'hours' FOR UPDATE SKIP LOCKED")
        .fetch_optional(&mut *tx)
        .await?;
    if mark.is_none() {
        return Ok(false);
    }
    // What is written down after this statement comes with the next round; what it found is seen by those that follow.
    let hours = sqlx::query_scalar!(
        r#"WITH late AS (SELECT DISTINCT hour FROM facts_dirty ORDER BY hour LIMIT $1),
              gone AS (DELETE FROM facts_dirty d USING late WHERE d.hour = late.hour)
         SELECT hour AS "hour!" FROM late ORDER BY hour"#,
        CORRECTED_AT_ONCE
    )
    .fetch_all(&mut *tx)
    .await?;
    let Some(first) = hours.first().copied() else { return Ok(false) };
    for hour in &hours {
        if !rollup::sum_again(&mut tx, *hour, *hour + HOUR).await? {
            // Its sums are being made: the next round will do.
            return Ok(false);
        }
        hours::sum_up(&mut tx, *hour, *hour + HOUR, now).await?;
    }
    let mut days: Vec<OffsetDateTime> = hours.iter().map(|hour| midnight(*hour)).collect();
    days.dedup();
    for day in days {
        endings::sum_up(&mut tx, day, day + DAY).await?;
        packages::sum_up(&mut tx, day, day + DAY, now).await?;
    }
    sqlx::query!(
        "INSERT INTO facts_mark AS m (name, through) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET through = least(m.through, EXCLUDED.through)",
        MONTHS_AGAIN,
        first
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(i64::try_from(hours.len()).unwrap_or(0) >= CORRECTED_AT_ONCE)
}

/// Where the day of a moment begins, by UTC.
fn midnight(at: OffsetDateTime) -> OffsetDateTime {
    day(at).midnight().assume_utc()
}

/// The day of a moment, by UTC.
fn day(at: OffsetDateTime) -> Date {
    at.to_offset(UtcOffset::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    /// All hours that are summed on the way from `through` to now, and how many rounds that takes.
    fn walk(family: Family, mut through: OffsetDateTime, now: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime, u32) {
        let (mut first, mut last, mut rounds) = (through, through, 0);
        while let Some(round) = family.round(through, now) {
            assert!(round.from <= through && round.from < round.until, "{family:?}: no gap: {round:?}");
            assert!(round.is_last || round.through > through, "{family:?}: it goes on: {round:?}");
            (first, last, rounds) = (first.min(round.from), last.max(round.until), rounds + 1);
            through = round.through;
            if round.is_last {
                break;
            }
        }
        (first, last, rounds)
    }

    #[test]
    fn rounds_leave_no_gap_and_end_at_now() {
        // Thirty moments over a year, at odd times of the day and the month.
        for step in 0..30 {
            let now = at(1_790_000_000 + step * 1_058_417);
            for family in Family::ALL {
                for behind in [1, 30, 3_600, 90_000, 86_400 * 8, 86_400 * 400] {
                    let through = hour_of(now - Duration::from_secs(behind));
                    let (first, last, rounds) = walk(family, through, now);
                    if rounds > 0 {
                        assert!(first <= through && last + HOUR > now, "{family:?} {behind}: {first} to {last}");
                    }
                    assert!(rounds <= 60, "{family:?} {behind}: {rounds} rounds");
                    assert!(rounds > 0 || through == hour_of(now), "{family:?} {behind}");
                }
            }
        }
    }

    #[test]
    fn the_first_round_of_an_hour_goes_two_days_back_and_the_next_ones_two_hours() {
        let head = at(1_800_000_000 / 3600 * 3600);
        let now = head + Duration::from_secs(90);
        let round = |through| Family::Hours.round(through, now).map(|round| (round.from, round.until, round.through));
        assert_eq!(round(head - HOUR), Some((head - HOUR - DEEP, head + HOUR, head)));
        assert_eq!(round(head), Some((head - SHALLOW, head + HOUR, head)));
        assert_eq!(Family::Endings.round(head, now), None);
    }

    #[test]
    fn a_month_is_summed_two_days_into_the_next_one() {
        // 2026-12-02 00:30 UTC, after the turn of the day.
        let now = at(1_796_171_400);
        let before = |now| hour_of(now) - HOUR;
        let round = Family::Months.round(before(now), now).expect("a round");
        assert_eq!((round.from, round.until), (months::begin(at(1_794_000_000)), months::end(now)));
        let later = now + DAY * 2;
        let round = Family::Months.round(before(later), later).expect("a round");
        assert_eq!((round.from, round.adds), (months::begin(now), false));
        // Within a day, hours are added.
        let evening = later + HOUR * 18;
        let round = Family::Months.round(before(evening), evening).expect("a round");
        assert_eq!((round.from, round.until, round.adds), (before(evening), hour_of(evening), true));
    }

    #[test]
    fn only_what_no_round_sums_any_more_is_corrected() {
        let now = at(1_800_000_000);
        let head = hour_of(now);
        let moments = [now, head - DEEP, head - DEEP - HOUR, head - DEEP - Duration::from_secs(1), head - DAY * 30];
        assert_eq!(late_hours(moments, now), [head - DAY * 30, head - DEEP - HOUR]);
        // The first round of this hour went from the last hour's begin two days back.
        let round = Family::Hours.round(head - HOUR, now).expect("a round");
        assert!(round.from < head - DEEP);
    }
}
