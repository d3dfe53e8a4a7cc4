//! Closing days: what was posted before the end of a day at a place becomes its documents, once and for ever.
//!
//! ```text
//!  ledger_transactions ─► unclosed_transactions ─► book_days ─► book_documents (a method and currency) ─► book_lines, book_entries
//!                         by trigger               [`close`]    what it takes stands in book_items
//! ```
//!
//! A day takes all of its place that no earlier day took: so what is booked late, or while the day is being closed, goes to the next open
//! day. It is closed in one transaction, under a lock of the place: whoever closes it again, or at the same moment, gets the same documents.
//! A day on which nothing happened is closed too, and has no documents.
//!
//! Refused here: a day that is not over, and a day before which another one is open: [`due`] tells them in their order.

use std::time::Duration;

use shared::rng;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, Zone};
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use super::closing::{self, Begins, Place};
use super::document::{self, Summary};
use crate::{Db, Result, StoreError};

/// Days of one place that are told at once: one that was not closed for long is caught up with in rounds.
const ROUND: usize = 31;
/// How far back a place of which nothing was ever booked may begin.
const MONTH: time::Duration = time::Duration::days(31);
/// Seconds after which another part of what waits is gone through for where places begin: about a round of the job that closes days.
const PART_EVERY: i64 = 120;
/// Days that are listed at most.
const LISTED: i64 = 2000;

/// A day that is closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// Its identity.
    pub day: Uuid,
    /// The names of its documents, in their order.
    pub documents: Vec<String>,
    /// Whether it was closed only now.
    pub is_new: bool,
}

/// A day that is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// The place; `None`: what belongs to none.
    pub site: Option<Uuid>,
    /// The day there.
    pub day: Date,
}

/// A closed day, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Day {
    /// Its identity.
    pub id: Uuid,
    /// The day.
    pub day: Date,
    /// The place; `None`: what belongs to none.
    pub site: Option<Uuid>,
    /// What that is called.
    pub site_name: Option<String>,
    /// When it was closed.
    pub closed_at: OffsetDateTime,
    /// By whom.
    pub closed_by: String,
    /// Its documents, by their names.
    pub documents: Vec<Summary>,
}

/// Closes a day at a place. `site`: `None` for what belongs to none. Closing it again finds what was made.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: the day is not over there, an earlier one is open, or the books of the place
/// begin after it. [`StoreError::Missing`]: there is no such site.
pub async fn close(db: &Db, site: Option<Uuid>, day: Date, by: &str, now: OffsetDateTime) -> Result<Closed> {
    // A day is little of the whole ledger: each statement finds its own by an index.
    let mut tx = db.begin_by_key().await?;
    let key = site.unwrap_or_default().to_string();
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('book_days'), hashtext($1))", key).fetch_all(&mut *tx).await?;
    if let Some(closed) = closed_before(&mut tx, site, day).await? {
        return Ok(closed);
    }
    let place = closing::place(&mut tx, site).await?;
    let ends_at = end_of(&place.zone, day);
    if now < ends_at {
        return Err(StoreError::Conflict(format!("{day} is not over yet at {}", place.name)));
    }
    in_order(&mut tx, site, &place, day, now).await?;
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO book_days (id, day, site_id, time_zone, ends_at, closed_at, closed_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        day,
        site,
        place.zone_name,
        ends_at,
        now,
        by
    )
    .execute(&mut *tx)
    .await?;
    let documents = closing::write(&mut tx, &place, (id, day, ends_at), now).await?;
    tx.commit().await?;
    Ok(Closed { day: id, documents, is_new: true })
}

async fn closed_before(tx: &mut PgConnection, site: Option<Uuid>, day: Date) -> Result<Option<Closed>> {
    let row = sqlx::query!(
        r#"SELECT y.id, ARRAY(SELECT d.number FROM book_documents d WHERE d.day_id = y.id ORDER BY d.number) AS "documents!"
           FROM book_days y WHERE y.site_id IS NOT DISTINCT FROM $1 AND y.day = $2"#,
        site,
        day
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| Closed { day: row.id, documents: row.documents, is_new: false }))
}

/// Refuses a day that is not the next one of its place.
async fn in_order(
    tx: &mut PgConnection,
    site: Option<Uuid>,
    place: &Place,
    day: Date,
    now: OffsetDateTime,
) -> Result<()> {
    let last =
        sqlx::query_scalar!(r#"SELECT max(day) AS "last?" FROM book_days WHERE site_id IS NOT DISTINCT FROM $1"#, site)
            .fetch_one(&mut *tx)
            .await?;
    let next = match last {
        Some(last) => last.next_day(),
        None => closing::first(tx, site).await?.map(|at| place.zone.at(at).date()),
    };
    match next {
        Some(next) if day > next => Err(StoreError::Conflict(format!(
            "days are closed in their order: close {next} at {} before {day}",
            place.name
        ))),
        Some(next) if day < next => Err(StoreError::Conflict(format!(
            "the books of {} begin after {day}: what happened before stands in their first day",
            place.name
        ))),
        // Where nothing was ever booked there is nothing to be in order with; a day of long ago would only be followed by all that came since.
        None if now - end_of(&place.zone, day) > MONTH => Err(StoreError::Conflict(format!(
            "nothing was ever booked at {}: there is nothing to close on {day}",
            place.name
        ))),
        _ => Ok(()),
    }
}

/// The days that ended at least `margin` ago and are not closed, by place, and those of a place in their order: from the day after the last
/// one that is closed on, or else from that of the first transaction. A place of which nothing was ever booked has none.
pub async fn due(db: &Db, now: OffsetDateTime, margin: Duration) -> Result<Vec<Due>> {
    let places = sqlx::query!(
        r#"SELECT p.id AS "site?", p.time_zone AS "time_zone?", d.last AS "last?"
           FROM (SELECT id, time_zone FROM sites UNION ALL SELECT NULL, NULL) p
                LEFT JOIN (SELECT site_id, max(day) AS last FROM book_days GROUP BY site_id) d ON d.site_id IS NOT DISTINCT FROM p.id
           ORDER BY p.id"#
    )
    .fetch_all(&db.pool)
    .await?;
    let zone_of = |name: Option<&str>| name.and_then(Zone::named).unwrap_or_default();
    // Of a place without a day what has happened since its last midnight does not matter yet, and what happened before is mostly taken.
    let unbegun = || places.iter().filter(|place| place.last.is_none());
    let before = unbegun().map(|place| last_midnight(&zone_of(place.time_zone.as_deref()), now, margin)).max();
    let begins = match before {
        None => Vec::new(),
        Some(before) => beginnings(db, unbegun().map(|place| place.site).collect(), before, now).await?,
    };
    let mut due = Vec::new();
    for place in places {
        let zone = zone_of(place.time_zone.as_deref());
        let first = match place.last {
            Some(last) => last.next_day(),
            None => begins.iter().find(|(site, _)| *site == place.site).map(|(_, at)| zone.at(*at).date()),
        };
        let Some(first) = first else { continue };
        due.extend(over(&zone, first, now, margin).map(|day| Due { site: place.site, day }));
    }
    Ok(due)
}

/// Where places without a day begin. The oldest transactions are looked at each time, and mostly these are all that wait. Where there are more,
/// they may all be of places whose days cannot be closed, which must not keep another place from beginning: so one of the other parts is gone
/// through as well, at each time another one. A place that is found there may have older ones in a part between: its first is looked up.
async fn beginnings(
    db: &Db,
    mut missing: Vec<Option<Uuid>>,
    before: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Begins> {
    let (mut begins, is_full) = closing::beginnings(&mut *db.pool.acquire().await?, before, 0).await?;
    missing.retain(|site| begins.iter().all(|(known, _)| known != site));
    if !is_full || missing.is_empty() {
        return Ok(begins);
    }
    let mut tx = db.begin_by_key().await?;
    let others = (closing::count_unclosed(&mut tx, before).await? - 1) / closing::LOOKED_AT;
    if others < 1 {
        return Ok(begins);
    }
    let part = 1 + now.unix_timestamp().div_euclid(PART_EVERY).rem_euclid(others);
    let (found, _) = closing::beginnings(&mut tx, before, part).await?;
    for (site, _) in found.into_iter().filter(|(site, _)| missing.contains(site)) {
        if let Some(at) = closing::first(&mut tx, site).await? {
            begins.push((site, at));
        }
    }
    Ok(begins)
}

/// The days from `first` on that ended at least `margin` ago.
fn over(zone: &Zone, first: Date, now: OffsetDateTime, margin: Duration) -> impl Iterator<Item = Date> + '_ {
    std::iter::successors(Some(first), |day| day.next_day())
        .take_while(move |day| end_of(zone, *day) + margin <= now)
        .take(ROUND)
}

/// The beginning of the first day at a place that did not end at least `margin` ago.
fn last_midnight(zone: &Zone, now: OffsetDateTime, margin: Duration) -> OffsetDateTime {
    zone.midnight(zone.at(now - margin).date())
}

/// The end of a day at a place. The last day of the calendar never ends.
fn end_of(zone: &Zone, day: Date) -> OffsetDateTime {
    zone.midnight(day.next_day().unwrap_or(Date::MAX))
}

/// The closed days from `since` to `until`, both included, at these sites; the newest first, with what their documents come to.
pub async fn list(db: &Db, sites: &SiteScope, since: Date, until: Date) -> Result<Vec<Day>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT y.id, y.day, y.site_id, s.name AS "site_name?", y.closed_at, y.closed_by
           FROM book_days y LEFT JOIN sites s ON s.id = y.site_id
           WHERE y.day BETWEEN $1 AND $2 AND ($3::uuid[] IS NULL OR y.site_id = ANY ($3))
           ORDER BY y.day DESC, s.name NULLS LAST, y.id LIMIT $4"#,
        since,
        until,
        sites.filter(),
        LISTED
    )
    .fetch_all(&db.pool)
    .await?;
    with_documents(db, rows).await
}

/// A page of the closed days from `since` to `until`, both included, at all sites: those closed last first, of those before the one of the
/// identity `before`.
pub async fn page(db: &Db, (since, until): (Date, Date), before: Uuid, limit: u32) -> Result<Vec<Day>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT y.id, y.day, y.site_id, s.name AS "site_name?", y.closed_at, y.closed_by
           FROM book_days y LEFT JOIN sites s ON s.id = y.site_id
           WHERE y.id < $3 AND y.day BETWEEN $1 AND $2 ORDER BY y.id DESC LIMIT $4"#,
        since,
        until,
        before,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    with_documents(db, rows).await
}

struct Row {
    id: Uuid,
    day: Date,
    site_id: Option<Uuid>,
    site_name: Option<String>,
    closed_at: OffsetDateTime,
    closed_by: String,
}

async fn with_documents(db: &Db, rows: Vec<Row>) -> Result<Vec<Day>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut days: Vec<Day> = rows
        .into_iter()
        .map(|row| Day {
            id: row.id,
            day: row.day,
            site: row.site_id,
            site_name: row.site_name,
            closed_at: row.closed_at,
            closed_by: row.closed_by,
            documents: Vec::new(),
        })
        .collect();
    let places: std::collections::HashMap<Uuid, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    for (id, summary) in document::summaries(db, &ids).await? {
        if let Some(day) = places.get(&id).and_then(|at| days.get_mut(*at)) {
            day.documents.push(summary);
        }
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn a_day_is_due_when_it_is_over_where_it_was_and_some_time_has_passed() {
        let (zone, margin) = (Zone::default(), Duration::from_secs(3 * 3600));
        let days = |now| over(&zone, date!(2026 - 11 - 21), now, margin).collect::<Vec<Date>>();
        // Midnight of Nairobi is at nine in the evening.
        assert!(days(datetime!(2026-11-21 23:59:59 UTC)).is_empty());
        assert_eq!(days(datetime!(2026-11-22 00:00 UTC)), [date!(2026 - 11 - 21)]);
        assert_eq!(days(datetime!(2026-11-23 12:00 UTC)), [date!(2026 - 11 - 21), date!(2026 - 11 - 22)]);
        assert_eq!(days(datetime!(2027-11-23 12:00 UTC)).len(), ROUND);
    }

    #[test]
    fn what_is_looked_at_for_a_beginning_ends_where_the_days_that_are_due_do() {
        let (zone, margin) = (Zone::default(), Duration::from_secs(3 * 3600));
        for now in
            [datetime!(2026-11-21 23:59:59 UTC), datetime!(2026-11-22 00:00 UTC), datetime!(2026-11-22 21:00 UTC)]
        {
            let before = last_midnight(&zone, now, margin);
            let is_due = |at: OffsetDateTime| over(&zone, zone.at(at).date(), now, margin).next().is_some();
            assert!(is_due(before - Duration::from_secs(1)) && !is_due(before), "{now}");
        }
    }

    #[test]
    fn a_day_ends_where_the_next_one_begins() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        assert_eq!(end_of(&berlin, date!(2026 - 10 - 25)), datetime!(2026-10-25 23:00 UTC));
        assert_eq!(end_of(&Zone::default(), date!(2026 - 11 - 22)), datetime!(2026-11-22 21:00 UTC));
    }
}
