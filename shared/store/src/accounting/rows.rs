//! The tables of sessions, read and written in sets.
//!
//! A session stands in `sessions` while it is open and in `sessions_ended` afterwards, never in both. What guards
//! that is a lock: on its row while it is open, on its identity while it is not. Locks are taken in
//! the order of the identities, so that two transactions cannot wait for each other in a circle.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use super::curve::{Counters, Point};
use super::session::{Account, Change, End, Standing, Stored};
use super::{SessionKey, hold};
use crate::Result;

struct Row {
    id: Uuid,
    opened_on: Date,
    nas: Uuid,
    nas_address: Option<String>,
    entitlement: Option<Uuid>,
    user_name: String,
    mac: Option<String>,
    framed_ip: Option<String>,
    acct_session_id: String,
    started_at: OffsetDateTime,
    /// Null where a program from before wrote it: the first report is not known, and the last stands for it.
    first_at: Option<OffsetDateTime>,
    first_seconds: i64,
    first_input: i64,
    first_output: i64,
    last_heard_at: OffsetDateTime,
    seconds: i64,
    input: i64,
    output: i64,
    cutoff_at: Option<OffsetDateTime>,
    cut_requested_at: Option<OffsetDateTime>,
    ended_at: Option<OffsetDateTime>,
    cause: Option<String>,
    lost: bool,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Stored {
        let address = |text: Option<String>| text.and_then(|text| text.parse::<IpAddr>().ok());
        let last = Counters { seconds: row.seconds, input: row.input, output: row.output };
        let last = Point { at: row.last_heard_at, counters: last };
        let first = Counters { seconds: row.first_seconds, input: row.first_input, output: row.first_output };
        let first = row.first_at.map_or(last, |at| Point { at, counters: first });
        Stored {
            key: SessionKey { id: row.id, opened_on: row.opened_on },
            nas: row.nas,
            user_name: row.user_name,
            acct_session_id: row.acct_session_id,
            entitlement: row.entitlement,
            mac: row.mac.and_then(|mac| mac.parse().ok()),
            nas_address: address(row.nas_address),
            framed_ip: address(row.framed_ip),
            started_at: row.started_at,
            first,
            last,
            standing: match row.ended_at {
                None => Standing::Open,
                Some(at) if row.lost => Standing::Lost(End { at, cause: row.cause }),
                Some(at) => Standing::Stopped(End { at, cause: row.cause }),
            },
            cutoff_at: row.cutoff_at,
            cut_requested_at: row.cut_requested_at,
        }
    }
}

/// Sessions `s`, from a clause that may end with a lock. (`!`: of a union PostgreSQL does not know that nothing is null.)
macro_rules! sessions_from {
    ($from:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT s.id AS "id!", s.opened_on AS "opened_on!", s.nas_id AS "nas!", host(s.nas_address) AS nas_address,
                      s.entitlement_id AS entitlement, s.user_name AS "user_name!", s.mac::text AS mac,
                      host(s.framed_ip) AS framed_ip, s.acct_session_id AS "acct_session_id!",
                      s.started_at AS "started_at!", s.first_at, s.first_seconds AS "first_seconds!",
                      s.first_input AS "first_input!", s.first_output AS "first_output!",
                      s.last_heard_at AS "last_heard_at!", s.session_seconds AS "seconds!", s.input_octets AS "input!",
                      s.output_octets AS "output!", s.cutoff_at, s.cut_requested_at, s.ended_at, s.terminate_cause AS cause,
                      s.lost AS "lost!" FROM "# + $from,
            $($argument),+
        )
    };
}

/// Reads open sessions and holds them until the transaction ends.
pub(super) async fn lock_open(tx: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Stored>> {
    let rows =
        sessions_from!("sessions s WHERE s.id = ANY ($1) ORDER BY s.id FOR NO KEY UPDATE", ids).fetch_all(tx).await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// Reads ended sessions and holds them until the transaction ends.
async fn lock_ended(tx: &mut PgConnection, keys: &[SessionKey]) -> Result<Vec<Stored>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (days, ids) = columns(keys);
    let rows = sessions_from!(
        "unnest($1::date[], $2::uuid[]) AS k (opened_on, id)
         JOIN sessions_ended s ON s.opened_on = k.opened_on AND s.id = k.id FOR NO KEY UPDATE OF s",
        &days,
        &ids
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// Reads a session wherever it stands, without holding it.
pub(super) async fn read(tx: &mut PgConnection, key: SessionKey) -> Result<Option<Stored>> {
    let open = sessions_from!("sessions s WHERE s.id = $1", key.id).fetch_optional(&mut *tx).await?;
    let row = match open {
        Some(row) => Some(row),
        None => {
            sessions_from!("sessions_ended s WHERE s.opened_on = $1 AND s.id = $2", key.opened_on, key.id)
                .fetch_optional(tx)
                .await?
        }
    };
    Ok(row.map(Stored::from))
}

/// Reads the sessions that are spoken of, wherever they stand, and holds them and the identities of those that are new.
///
/// Who holds the identity of a session that is not open is alone in making it, ending it or opening it again. So identities that
/// are likely to be new are held first; the others when they turn out to be.
pub(super) async fn lock(tx: &mut PgConnection, accounts: &[Account]) -> Result<HashMap<Uuid, Stored>> {
    let mut found = HashMap::with_capacity(accounts.len());
    let mut wanted: Vec<&Account> = accounts.iter().collect();
    let mut held: HashSet<Uuid> = accounts.iter().filter(|told| told.starts).map(|told| told.key.id).collect();
    hold::identities(tx, held.iter().copied()).await?;
    loop {
        let ids: Vec<Uuid> = wanted.iter().map(|told| told.key.id).collect();
        found.extend(lock_open(tx, &ids).await?.into_iter().map(|session| (session.key.id, session)));
        wanted.retain(|told| !found.contains_key(&told.key.id));
        let loose: HashSet<Uuid> = wanted.iter().map(|told| told.key.id).filter(|id| !held.contains(id)).collect();
        if loose.is_empty() {
            break;
        }
        hold::identities(tx, loose.iter().copied()).await?;
        held.extend(loose);
    }
    let keys: Vec<SessionKey> = wanted.iter().map(|told| told.key).collect();
    found.extend(lock_ended(tx, &keys).await?.into_iter().map(|session| (session.key.id, session)));
    Ok(found)
}

/// Sessions, turned from rows to columns for `unnest`.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    opened_on: Vec<Date>,
    nas: Vec<Uuid>,
    nas_address: Vec<Option<String>>,
    entitlement: Vec<Option<Uuid>>,
    user_name: Vec<String>,
    mac: Vec<Option<String>>,
    framed_ip: Vec<Option<String>>,
    acct_session_id: Vec<String>,
    started_at: Vec<OffsetDateTime>,
    first: Points,
    last: Points,
    cutoff_at: Vec<Option<OffsetDateTime>>,
    cut_requested_at: Vec<Option<OffsetDateTime>>,
    ended_at: Vec<Option<OffsetDateTime>>,
    cause: Vec<Option<String>>,
    lost: Vec<bool>,
}

/// Reports, turned from rows to columns for `unnest`.
#[derive(Default)]
pub(super) struct Points {
    pub(super) at: Vec<OffsetDateTime>,
    pub(super) seconds: Vec<i64>,
    pub(super) input: Vec<i64>,
    pub(super) output: Vec<i64>,
}

impl Points {
    pub(super) fn push(&mut self, point: Point) {
        self.at.push(point.at);
        self.seconds.push(point.counters.seconds);
        self.input.push(point.counters.input);
        self.output.push(point.counters.output);
    }
}

impl Columns {
    fn of(sessions: &[&Stored]) -> Columns {
        let mut columns = Columns::default();
        for session in sessions {
            let (end, lost) = match &session.standing {
                Standing::Open => (None, false),
                Standing::Stopped(end) => (Some(end), false),
                Standing::Lost(end) => (Some(end), true),
            };
            columns.id.push(session.key.id);
            columns.opened_on.push(session.key.opened_on);
            columns.nas.push(session.nas);
            columns.nas_address.push(session.nas_address.map(|ip| ip.to_string()));
            columns.entitlement.push(session.entitlement);
            columns.user_name.push(session.user_name.clone());
            columns.mac.push(session.mac.map(|mac| mac.to_string()));
            columns.framed_ip.push(session.framed_ip.map(|ip| ip.to_string()));
            columns.acct_session_id.push(session.acct_session_id.clone());
            columns.started_at.push(session.started_at);
            columns.first.push(session.first);
            columns.last.push(session.last);
            columns.cutoff_at.push(session.cutoff_at);
            columns.cut_requested_at.push(session.cut_requested_at);
            columns.ended_at.push(end.map(|end| end.at));
            columns.cause.push(end.and_then(|end| end.cause.clone()));
            columns.lost.push(lost);
        }
        columns
    }
}

/// Writes sessions that are open now and were not; their deadline is their entitlement's. Returns the entitlements of which their
/// routers do not know what holds: whoever changed them saw no session to tell.
///
/// That is found here and not where their usage was locked: a statement that waits for a lock goes on to see everything else as it was
/// before it waited. This one begins while the lock is held, so a change that it does not see will see these sessions.
pub(super) async fn insert_open(tx: &mut PgConnection, changes: &[&Change]) -> Result<Vec<Uuid>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let column = Columns::of(&changes.iter().map(|change| &change.session).collect::<Vec<_>>());
    let told_at: Vec<OffsetDateTime> = changes.iter().map(|change| change.told_at()).collect();
    // Without our ticket nothing tells the revision, so dates are compared. Of an entitlement that never changed everybody knows all:
    // tickets of a program from before carry any number.
    let revisions: Vec<Option<i16>> =
        changes.iter().map(|change| change.revision.and_then(|revision| i16::try_from(revision).ok())).collect();
    Ok(sqlx::query_scalar!(
        r#"WITH opened AS (
             SELECT r.*, e.id AS entitled, session_deadline(e, r.nas, r.at) AS cutoff_at,
                 next_speed_change(e, r.nas, r.told_at) AS speed_changes_at,
                 CASE WHEN r.revision IS NULL THEN e.changed_at > r.told_at
                      ELSE e.revision > 0 AND e.revision % $21::integer <> r.revision END AS is_told_too_late
             FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::bigint[], $14::bigint[],
                         $15::timestamptz[], $16::bigint[], $17::bigint[], $18::bigint[], $19::timestamptz[], $20::smallint[])
                  AS r (id, opened_on, nas, nas_address, entitlement, user_name, mac, framed_ip, acct_session_id,
                        started_at, first_at, first_seconds, first_input, first_output, at, seconds, input, output,
                        told_at, revision)
                  LEFT JOIN entitlements e ON e.id = r.entitlement),
         put AS (
             INSERT INTO sessions (id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip, acct_session_id,
                 started_at, first_at, first_seconds, first_input, first_output, last_heard_at, session_seconds, input_octets,
                 output_octets, cutoff_at, speed_changes_at)
             SELECT o.id, o.opened_on, o.nas, o.nas_address::inet, o.entitled, o.user_name, o.mac::macaddr, o.framed_ip::inet,
                 o.acct_session_id, o.started_at, o.first_at, o.first_seconds, o.first_input, o.first_output, o.at, o.seconds,
                 o.input, o.output, o.cutoff_at, o.speed_changes_at
             FROM opened o)
         SELECT entitled AS "id!" FROM opened WHERE is_told_too_late"#,
        &column.id,
        &column.opened_on,
        &column.nas,
        &column.nas_address as &[Option<String>],
        &column.entitlement as &[Option<Uuid>],
        &column.user_name,
        &column.mac as &[Option<String>],
        &column.framed_ip as &[Option<String>],
        &column.acct_session_id,
        &column.started_at,
        &column.first.at,
        &column.first.seconds,
        &column.first.input,
        &column.first.output,
        &column.last.at,
        &column.last.seconds,
        &column.last.input,
        &column.last.output,
        &told_at,
        &revisions as &[Option<i16>],
        i32::from(rng::MARKS)
    )
    .fetch_all(tx)
    .await?)
}

/// Writes the last counters of sessions that stay open and of which nothing else has changed.
pub(super) async fn advance_open(tx: &mut PgConnection, sessions: &[&Stored]) -> Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = sessions.iter().map(|session| session.key.id).collect();
    let mut last = Points::default();
    sessions.iter().for_each(|session| last.push(session.last));
    sqlx::query!(
        "UPDATE sessions s SET last_heard_at = r.at, session_seconds = r.seconds, input_octets = r.input, output_octets = r.output
         FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[]) AS r (id, at, seconds, input, output)
         WHERE s.id = r.id",
        &ids,
        &last.at,
        &last.seconds,
        &last.input,
        &last.output
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes what has changed of sessions that stay open.
pub(super) async fn update_open(tx: &mut PgConnection, sessions: &[&Stored]) -> Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    let column = Columns::of(sessions);
    sqlx::query!(
        "UPDATE sessions s SET nas_address = r.nas_address::inet, entitlement_id = r.entitlement, mac = r.mac::macaddr,
             framed_ip = r.framed_ip::inet, started_at = r.started_at, first_at = r.first_at,
             first_seconds = r.first_seconds, first_input = r.first_input, first_output = r.first_output,
             last_heard_at = r.at, session_seconds = r.seconds, input_octets = r.input, output_octets = r.output
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                     $8::bigint[], $9::bigint[], $10::bigint[], $11::timestamptz[], $12::bigint[], $13::bigint[], $14::bigint[])
              AS r (id, nas_address, entitlement, mac, framed_ip, started_at, first_at,
                    first_seconds, first_input, first_output, at, seconds, input, output)
         WHERE s.id = r.id",
        &column.id,
        &column.nas_address as &[Option<String>],
        &column.entitlement as &[Option<Uuid>],
        &column.mac as &[Option<String>],
        &column.framed_ip as &[Option<String>],
        &column.started_at,
        &column.first.at,
        &column.first.seconds,
        &column.first.input,
        &column.first.output,
        &column.last.at,
        &column.last.seconds,
        &column.last.input,
        &column.last.output
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives open sessions whose entitlement became known only now its deadline.
pub(super) async fn take_deadlines(tx: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    if !ids.is_empty() {
        sqlx::query!(
            "UPDATE sessions s SET cutoff_at = session_deadline(e, s.nas_id, s.last_heard_at),
                 speed_changes_at = next_speed_change(e, s.nas_id, s.last_heard_at)
             FROM entitlements e WHERE s.id = ANY ($1) AND e.id = s.entitlement_id",
            ids
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Takes sessions out of the ended ones.
pub(super) async fn delete_ended(tx: &mut PgConnection, keys: &[SessionKey]) -> Result<()> {
    if !keys.is_empty() {
        let (days, ids) = columns(keys);
        sqlx::query!(
            "DELETE FROM sessions_ended s USING unnest($1::date[], $2::uuid[]) AS k (opened_on, id)
             WHERE s.opened_on = k.opened_on AND s.id = k.id",
            &days,
            &ids
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Writes sessions that have ended, whether they stand among the ended ones already or not, and takes those that were open out of
/// the open ones.
pub(super) async fn put_ended(tx: &mut PgConnection, sessions: &[&Stored], open: &[Uuid]) -> Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    let column = Columns::of(sessions);
    sqlx::query!(
        "WITH gone AS (DELETE FROM sessions WHERE id = ANY ($24))
         INSERT INTO sessions_ended AS s (id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip,
             acct_session_id, started_at, first_at, first_seconds, first_input, first_output, last_heard_at,
             session_seconds, input_octets, output_octets, cutoff_at, cut_requested_at, ended_at, terminate_cause, lost)
         SELECT r.id, r.opened_on, r.nas, r.nas_address::inet, r.entitlement, r.user_name, r.mac::macaddr, r.framed_ip::inet,
             r.acct_session_id, r.started_at, r.first_at, r.first_seconds, r.first_input, r.first_output, r.at,
             r.seconds, r.input, r.output, r.cutoff_at, r.cut_requested_at, r.ended_at, r.cause, r.lost
         FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
                     $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::bigint[], $14::bigint[],
                     $15::timestamptz[], $16::bigint[], $17::bigint[], $18::bigint[], $19::timestamptz[],
                     $20::timestamptz[], $21::timestamptz[], $22::text[], $23::boolean[])
              AS r (id, opened_on, nas, nas_address, entitlement, user_name, mac, framed_ip, acct_session_id,
                    started_at, first_at, first_seconds, first_input, first_output, at, seconds, input, output,
                    cutoff_at, cut_requested_at, ended_at, cause, lost)
         ON CONFLICT (opened_on, id) DO UPDATE SET
             nas_address = EXCLUDED.nas_address, entitlement_id = EXCLUDED.entitlement_id, mac = EXCLUDED.mac,
             framed_ip = EXCLUDED.framed_ip, started_at = EXCLUDED.started_at, first_at = EXCLUDED.first_at,
             first_seconds = EXCLUDED.first_seconds, first_input = EXCLUDED.first_input,
             first_output = EXCLUDED.first_output, last_heard_at = EXCLUDED.last_heard_at,
             session_seconds = EXCLUDED.session_seconds, input_octets = EXCLUDED.input_octets,
             output_octets = EXCLUDED.output_octets, ended_at = EXCLUDED.ended_at,
             terminate_cause = EXCLUDED.terminate_cause, lost = EXCLUDED.lost",
        &column.id,
        &column.opened_on,
        &column.nas,
        &column.nas_address as &[Option<String>],
        &column.entitlement as &[Option<Uuid>],
        &column.user_name,
        &column.mac as &[Option<String>],
        &column.framed_ip as &[Option<String>],
        &column.acct_session_id,
        &column.started_at,
        &column.first.at,
        &column.first.seconds,
        &column.first.input,
        &column.first.output,
        &column.last.at,
        &column.last.seconds,
        &column.last.input,
        &column.last.output,
        &column.cutoff_at as &[Option<OffsetDateTime>],
        &column.cut_requested_at as &[Option<OffsetDateTime>],
        &column.ended_at as &[Option<OffsetDateTime>],
        &column.cause as &[Option<String>],
        &column.lost,
        open
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keys, turned from rows to columns for `unnest`.
pub(super) fn columns(keys: &[SessionKey]) -> (Vec<Date>, Vec<Uuid>) {
    keys.iter().map(|key| (key.opened_on, key.id)).unzip()
}
