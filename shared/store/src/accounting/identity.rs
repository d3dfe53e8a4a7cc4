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

use super::{Report, SessionKey, hold};
use crate::Result;

/// Two reports without a ticket are about one session if their starts differ by less than this. Routers send a
/// report up to three times over a few seconds and count whole seconds; sixteen reboots take longer.
pub const START_WINDOW_SECONDS: i64 = 120;

/// What a router calls a session: itself, Acct-Session-Id, User-Name, Calling-Station-Id.
type Called = (Uuid, String, String, Option<String>);

/// Reports without a ticket that are about one session.
struct Nameless {
    called: Called,
    /// When it began, by the first of them.
    started_at: OffsetDateTime,
    places: Vec<usize>,
}

/// The keys of these reports' sessions. A key that is not nil is kept.
pub(super) async fn settle(tx: &mut PgConnection, reports: &[&Report]) -> Result<Vec<SessionKey>> {
    let mut keys: Vec<SessionKey> = reports.iter().map(|report| report.session).collect();
    let sessions = without_ticket(reports);
    if sessions.is_empty() {
        return Ok(keys);
    }
    let name = |session: &Nameless| {
        let (nas, id, user, mac) = &session.called;
        format!("{nas} {id} {user} {mac:?}")
    };
    hold::names(tx, &sessions.iter().map(name).collect::<Vec<_>>()).await?;
    let known = find(tx, &sessions).await?;
    for (session, known) in sessions.iter().zip(known) {
        let begun = session.started_at;
        let key = known.unwrap_or_else(|| SessionKey { id: rng::id(begun), opened_on: begun.to_utc().date() });
        session.places.iter().for_each(|place| keys[*place] = key);
    }
    Ok(keys)
}

/// Gathers the reports without a ticket by the session that they are about.
fn without_ticket(reports: &[&Report]) -> Vec<Nameless> {
    let mut sessions: Vec<Nameless> = Vec::new();
    let mut by_name: HashMap<Called, Vec<usize>> = HashMap::new();
    for (place, report) in reports.iter().enumerate().filter(|(_, report)| report.session.id.is_nil()) {
        let mac = report.mac.map(|mac| mac.to_string());
        let called = (report.nas, report.acct_session_id.clone(), report.user_name.clone(), mac);
        let started_at = report.started_at();
        let same_name = by_name.entry(called.clone()).or_default();
        match same_name.iter().find(|session| are_near(sessions[**session].started_at, started_at)) {
            Some(session) => sessions[*session].places.push(place),
            None => {
                same_name.push(sessions.len());
                sessions.push(Nameless { called, started_at, places: vec![place] });
            }
        }
    }
    sessions
}

fn are_near(one: OffsetDateTime, other: OffsetDateTime) -> bool {
    (one - other).abs() < Duration::from_secs(START_WINDOW_SECONDS.unsigned_abs())
}

/// Of the sessions in `$from`, a table and a condition, those that agree in names and device and began
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

/// Which known session each of these is: an open one, else an ended one.
async fn find(tx: &mut PgConnection, sessions: &[Nameless]) -> Result<Vec<Option<SessionKey>>> {
    let mut found = vec![None; sessions.len()];
    let column = Columns::of(sessions.iter());
    for near in nearest_in!("sessions s WHERE true", column).fetch_all(&mut *tx).await? {
        found[at(near.place)] = Some(SessionKey { id: near.id, opened_on: near.opened_on });
    }
    let missing: Vec<usize> = (0..sessions.len()).filter(|place| found[*place].is_none()).collect();
    if !missing.is_empty() {
        let column = Columns::of(missing.iter().map(|place| &sessions[*place]));
        let ended = nearest_in!(
            "sessions_ended s WHERE s.opened_on BETWEEN (r.started_at AT TIME ZONE 'UTC')::date - 1
                                                    AND (r.started_at AT TIME ZONE 'UTC')::date + 1",
            column
        );
        for near in ended.fetch_all(tx).await? {
            found[missing[at(near.place)]] = Some(SessionKey { id: near.id, opened_on: near.opened_on });
        }
    }
    Ok(found)
}

/// The index of what PostgreSQL counts from 1.
fn at(place: i64) -> usize {
    usize::try_from(place - 1).unwrap_or_default()
}

/// Sessions, turned from rows to columns for `unnest`.
#[derive(Default)]
struct Columns {
    nas: Vec<Uuid>,
    called: Vec<String>,
    user_name: Vec<String>,
    mac: Vec<Option<String>>,
    started_at: Vec<OffsetDateTime>,
}

impl Columns {
    fn of<'s>(sessions: impl Iterator<Item = &'s Nameless>) -> Columns {
        let mut columns = Columns::default();
        for session in sessions {
            let (nas, id, user, mac) = session.called.clone();
            columns.nas.push(nas);
            columns.called.push(id);
            columns.user_name.push(user);
            columns.mac.push(mac);
            columns.started_at.push(session.started_at);
        }
        columns
    }
}
