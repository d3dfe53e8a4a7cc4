//! Which session a report is about that does not bring our ticket: one that is known, or a new one.
//!
//! A router calls its sessions by names that it uses again: after sixteen reboots on RouterOS, and every router has the
//! same ones. So names and device must agree, and the start must be near. What a router calls its session is held
//! until the transaction ends, so that two servers that hear of it at once agree on one.

use std::collections::HashMap;
use std::time::Duration;

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use super::{Report, SessionKey};
use crate::Result;

/// Two reports without a ticket are about one session if their starts differ by less than this. Routers send a
/// report up to three times over a few seconds and count whole seconds; sixteen reboots take longer.
pub const START_WINDOW_SECONDS: i64 = 120;

/// What a router calls a session.
type Called = (Uuid, String, String, Option<String>);

fn called(report: &Report) -> Called {
    let mac = report.mac.map(|mac| mac.to_string());
    (report.nas, report.acct_session_id.clone(), report.user_name.clone(), mac)
}

/// Gives every report its session's key. A key that is not nil is kept.
pub(super) async fn settle(tx: &mut PgConnection, reports: &mut [Report]) -> Result<()> {
    let open: Vec<usize> = (0..reports.len()).filter(|place| reports[*place].session.id.is_nil()).collect();
    if open.is_empty() {
        return Ok(());
    }
    hold(tx, open.iter().map(|place| called(&reports[*place]))).await?;
    let known = find(tx, &open.iter().map(|place| &reports[*place]).collect::<Vec<_>>()).await?;
    let mut new: HashMap<Called, Vec<(OffsetDateTime, SessionKey)>> = HashMap::new();
    for (number, place) in open.into_iter().enumerate() {
        let report = &mut reports[place];
        report.session = match known.get(&number) {
            Some(key) => *key,
            None => {
                let begun = new.entry(called(report)).or_default();
                let started = report.started_at();
                let near = |(other, _): &&(OffsetDateTime, SessionKey)| are_near(*other, started);
                match begun.iter().find(near) {
                    Some((_, key)) => *key,
                    None => {
                        let key = SessionKey { id: rng::id(started), opened_on: started.date() };
                        begun.push((started, key));
                        key
                    }
                }
            }
        };
    }
    Ok(())
}

fn are_near(one: OffsetDateTime, other: OffsetDateTime) -> bool {
    (one - other).abs() < Duration::from_secs(START_WINDOW_SECONDS.unsigned_abs())
}

/// Holds what routers call their sessions, in one order, until the transaction ends.
async fn hold(tx: &mut PgConnection, names: impl Iterator<Item = Called>) -> Result<()> {
    let names: Vec<String> = names.map(|(nas, id, user, mac)| format!("{nas} {id} {user} {mac:?}")).collect();
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(h) FROM (
             SELECT DISTINCT hashtextextended(n, 0) AS h FROM unnest($1::text[]) AS n ORDER BY h) AS held",
        &names
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Of the sessions in `$from`, a table and a condition, those that agree with reports in names and device and began
/// nearest to them.
macro_rules! nearest_in {
    ($from:literal, $column:expr) => {
        sqlx::query_as!(
            Near,
            r#"SELECT r.place AS "place!", s.id, s.opened_on
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
                    WITH ORDINALITY AS r (nas, called, user_name, mac, started_at, place)
                    CROSS JOIN LATERAL (
                        SELECT s.id, s.opened_on FROM "#
                + $from
                + r#"
                          AND s.nas_id = r.nas AND s.acct_session_id = r.called AND s.user_name = r.user_name
                          AND s.mac IS NOT DISTINCT FROM r.mac::macaddr
                          AND abs(extract(epoch FROM s.started_at - r.started_at)) < $6
                        ORDER BY abs(extract(epoch FROM s.started_at - r.started_at)), s.id LIMIT 1) s"#,
            &$column.nas,
            &$column.called,
            &$column.user_name,
            &$column.mac as &[Option<String>],
            &$column.started_at,
            START_WINDOW_SECONDS as _
        )
    };
}

struct Near {
    place: i64,
    id: Uuid,
    opened_on: Date,
}

/// The known sessions that these reports are about, by the report's place: open ones, else ended ones.
async fn find(tx: &mut PgConnection, reports: &[&Report]) -> Result<HashMap<usize, SessionKey>> {
    let places: Vec<usize> = (0..reports.len()).collect();
    let column = Columns::of(reports, &places);
    let open = nearest_in!("sessions s WHERE true", column).fetch_all(&mut *tx).await?;
    let mut found: HashMap<usize, SessionKey> = open.into_iter().map(|near| near.of(&places)).collect();
    let missing: Vec<usize> = places.into_iter().filter(|place| !found.contains_key(place)).collect();
    if !missing.is_empty() {
        let column = Columns::of(reports, &missing);
        let ended = nearest_in!(
            "sessions_ended s WHERE s.opened_on BETWEEN (r.started_at AT TIME ZONE 'UTC')::date - 1
                                                    AND (r.started_at AT TIME ZONE 'UTC')::date + 1",
            column
        );
        found.extend(ended.fetch_all(tx).await?.into_iter().map(|near| near.of(&missing)));
    }
    Ok(found)
}

impl Near {
    fn of(self, places: &[usize]) -> (usize, SessionKey) {
        (places[at(self.place)], SessionKey { id: self.id, opened_on: self.opened_on })
    }
}

/// The index of what PostgreSQL counts from 1.
fn at(place: i64) -> usize {
    usize::try_from(place - 1).unwrap_or_default()
}

/// Reports, turned from rows to columns for `unnest`.
#[derive(Default)]
struct Columns {
    nas: Vec<Uuid>,
    called: Vec<String>,
    user_name: Vec<String>,
    mac: Vec<Option<String>>,
    started_at: Vec<OffsetDateTime>,
}

impl Columns {
    fn of(reports: &[&Report], places: &[usize]) -> Columns {
        let mut columns = Columns::default();
        for report in places.iter().map(|place| reports[*place]) {
            let (nas, id, user, mac) = called(report);
            columns.nas.push(nas);
            columns.called.push(id);
            columns.user_name.push(user);
            columns.mac.push(mac);
            columns.started_at.push(report.started_at());
        }
        columns
    }
}
