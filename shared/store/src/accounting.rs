//! A batch of accounting reports becomes sessions, usage and consequences in one transaction.
//!
//! Accounting is a join: counters merge by maximum, the start is the earliest, a Stop is final. Any order, any
//! repetition and any split over servers gives the same rows. The steps, all set-based:
//!
//! 1. lock the entitlements in one order;
//! 2. merge into the open sessions; each row keeps what this merge added (`delta_*`), which is what counts; a new
//!    session starts the clock of an entitlement that begins at its first use;
//! 3. a row that was *inserted* may belong to a session that has ended already (a late report): such rows are
//!    merged into the history instead. Looking after the insert, and not before, is what makes it safe against
//!    another server that ends the session at the same moment: our insert waits for its commit;
//! 4. move ended sessions to the history, and take their Stop as proof of a pending cut;
//! 5. add the deltas to the entitlements (a crossed quota changes their state, and by trigger the deadlines of
//!    all their open sessions) and to the hourly usage.
//!
//! Nothing is decided here about what a customer may do, and nothing is refused: a report about an unknown
//! router or entitlement is recorded too.

use std::collections::HashMap;
use std::net::IpAddr;

use shared::mac::Mac;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use crate::package::{signed, unsigned};
use crate::{Db, Result, entitlement};

/// What a report says has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Acct-Status-Type Start.
    Start,
    /// Interim-Update.
    Interim,
    /// Stop: final.
    Stop,
}

/// One accounting report about one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The session.
    pub session: SessionKey,
    /// The router that reports.
    pub nas: Uuid,
    /// The address that its report came from.
    pub nas_address: Option<IpAddr>,
    /// The entitlement in use, if known.
    pub entitlement: Option<Uuid>,
    /// User-Name.
    pub user_name: String,
    /// Calling-Station-Id.
    pub mac: Option<Mac>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// What happened.
    pub event: Event,
    /// Acct-Session-Time.
    pub seconds: u64,
    /// Octets from the customer.
    pub input_octets: u64,
    /// Octets to the customer.
    pub output_octets: u64,
    /// Acct-Terminate-Cause, in words.
    pub terminate_cause: Option<String>,
    /// When it happened, by our clock.
    pub at: OffsetDateTime,
}

/// Which session a report is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionKey {
    /// The ticket we gave out in `Class`, or an identity derived from what the router says.
    pub id: Uuid,
    /// The day it was opened: the partition in which its history stands.
    pub opened_on: Date,
}

/// What a batch changed that memory must know: octets per entitlement, after the merge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Merged {
    /// Entitlement and the octets it has used in all.
    pub used: Vec<(Uuid, u64)>,
    /// Sessions that ended in this batch.
    pub ended: usize,
    /// Reports that changed nothing: repetitions.
    pub repeated: usize,
}

/// Records a batch. When it returns `Ok`, every report is durable.
pub async fn record(db: &Db, reports: &[Report], now: OffsetDateTime) -> Result<Merged> {
    let batch = collapse(reports);
    let mut tx = db.pool.begin().await?;
    let mut ids: Vec<Uuid> = batch.iter().filter_map(|report| report.entitlement).collect();
    ids.dedup();
    // A change of an entitlement moves the deadlines of its open sessions by trigger. Without the lock it could commit
    // between our reading of the deadline and our inserting of the session, which would keep the old one.
    entitlement::lock(&mut tx, &ids).await?;
    let mut merged = merge_open(&mut tx, &batch).await?;
    let inserted: Vec<Uuid> = merged.iter().filter(|m| m.inserted).map(|m| m.id).collect();
    let late = merge_history(&mut tx, &inserted).await?;
    merged.retain(|m| !late.iter().any(|l| l.id == m.id));
    start_clocks(&mut tx, &batch, &merged).await?;
    let ended: Vec<Uuid> = merged.iter().filter(|m| m.ended).map(|m| m.id).collect();
    end(&mut tx, &ended, now).await?;
    merged.extend(late);
    let repeated = merged.iter().filter(|m| !m.inserted && !m.ended && m.adds_nothing()).count();
    let used = add_usage(&mut tx, &merged, now).await?;
    tx.commit().await?;
    Ok(Merged { used, ended: ended.len(), repeated })
}

/// A new session starts the clock of the entitlement it uses, if that has not begun; the deadline follows by trigger.
/// A running session starts nothing: what its device bought meanwhile is for later.
async fn start_clocks(tx: &mut PgConnection, batch: &[Report], merged: &[Delta]) -> Result<()> {
    let started: HashMap<Uuid, OffsetDateTime> = batch.iter().map(|r| (r.session.id, r.started_at())).collect();
    let new = merged.iter().filter(|m| m.inserted).filter_map(|m| Some((m.entitlement?, *started.get(&m.id)?)));
    let (ids, at): (Vec<Uuid>, Vec<OffsetDateTime>) = new.unzip();
    if ids.is_empty() { Ok(()) } else { entitlement::start_clocks(tx, &ids, &at).await }
}

/// Several reports about one session in a batch become one: the join, done in memory.
fn collapse(reports: &[Report]) -> Vec<Report> {
    let mut by_session: HashMap<Uuid, Report> = HashMap::with_capacity(reports.len());
    for report in reports {
        by_session.entry(report.session.id).and_modify(|known| join(known, report)).or_insert_with(|| report.clone());
    }
    let mut batch: Vec<Report> = by_session.into_values().collect();
    // Two writers that lock rows in one order cannot wait for each other in a circle.
    batch.sort_by_key(|report| report.session);
    batch
}

fn join(known: &mut Report, other: &Report) {
    // The last report says where the router is now.
    known.nas_address = match other.at > known.at {
        true => other.nas_address.or(known.nas_address),
        false => known.nas_address.or(other.nas_address),
    };
    let started = known.started_at().min(other.started_at());
    known.input_octets = known.input_octets.max(other.input_octets);
    known.output_octets = known.output_octets.max(other.output_octets);
    known.seconds = known.seconds.max(other.seconds);
    known.at = known.at.max(other.at);
    known.entitlement = known.entitlement.or(other.entitlement);
    known.mac = known.mac.or(other.mac);
    known.framed_ip = known.framed_ip.or(other.framed_ip);
    if other.event == Event::Stop {
        known.event = Event::Stop;
        known.terminate_cause = known.terminate_cause.take().or_else(|| other.terminate_cause.clone());
    }
    // The start is told by "when it happened minus how long it lasted": keep the earliest.
    let told = known.started_at();
    if told > started {
        known.seconds += u64::try_from((told - started).whole_seconds()).unwrap_or(0);
    }
}

impl Report {
    fn started_at(&self) -> OffsetDateTime {
        self.at - std::time::Duration::from_secs(self.seconds)
    }
}

/// What one merge did to one session.
struct Delta {
    id: Uuid,
    nas: Uuid,
    entitlement: Option<Uuid>,
    input: i64,
    output: i64,
    seconds: i64,
    inserted: bool,
    ended: bool,
}

impl Delta {
    fn adds_nothing(&self) -> bool {
        self.input == 0 && self.output == 0 && self.seconds == 0
    }
}

async fn merge_open(tx: &mut PgConnection, batch: &[Report]) -> Result<Vec<Delta>> {
    let column = Columns::of(batch);
    Ok(sqlx::query_as!(
        Delta,
        r#"INSERT INTO sessions AS s (id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip, acct_session_id,
               started_at, last_heard_at, session_seconds, input_octets, output_octets,
               delta_seconds, delta_input, delta_output, cutoff_at, ended_at, terminate_cause)
           SELECT r.id, r.opened_on, r.nas, r.nas_address::inet, e.id, r.user_name, r.mac::macaddr, r.framed_ip::inet, r.acct_session_id,
               r.started_at, r.at, r.seconds, r.input, r.output, r.seconds, r.input, r.output,
               CASE WHEN e.state IN ('active', 'expired') THEN e.expires_at ELSE least(e.expires_at, r.at) END,
               CASE WHEN r.stop THEN r.at END, r.cause
           FROM unnest($1::uuid[], $2::date[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::timestamptz[], $10::timestamptz[], $11::bigint[], $12::bigint[], $13::bigint[],
                       $14::boolean[], $15::text[], $16::text[])
                AS r (id, opened_on, nas, entitlement, user_name, mac, framed_ip, acct_session_id,
                      started_at, at, seconds, input, output, stop, cause, nas_address)
           LEFT JOIN entitlements e ON e.id = r.entitlement
           ORDER BY r.id
           ON CONFLICT (id) DO UPDATE SET
               entitlement_id = coalesce(s.entitlement_id, EXCLUDED.entitlement_id),
               cutoff_at      = coalesce(s.cutoff_at, EXCLUDED.cutoff_at),
               mac            = coalesce(s.mac, EXCLUDED.mac),
               framed_ip      = coalesce(EXCLUDED.framed_ip, s.framed_ip),
               nas_address    = CASE WHEN EXCLUDED.last_heard_at >= s.last_heard_at
                                     THEN coalesce(EXCLUDED.nas_address, s.nas_address)
                                     ELSE coalesce(s.nas_address, EXCLUDED.nas_address) END,
               started_at     = least(s.started_at, EXCLUDED.started_at),
               last_heard_at  = greatest(s.last_heard_at, EXCLUDED.last_heard_at),
               delta_seconds  = greatest(EXCLUDED.session_seconds - s.session_seconds, 0),
               delta_input    = greatest(EXCLUDED.input_octets - s.input_octets, 0),
               delta_output   = greatest(EXCLUDED.output_octets - s.output_octets, 0),
               session_seconds = greatest(s.session_seconds, EXCLUDED.session_seconds),
               input_octets   = greatest(s.input_octets, EXCLUDED.input_octets),
               output_octets  = greatest(s.output_octets, EXCLUDED.output_octets),
               ended_at       = coalesce(s.ended_at, EXCLUDED.ended_at),
               terminate_cause = coalesce(s.terminate_cause, EXCLUDED.terminate_cause)
           RETURNING s.id, s.nas_id AS nas, s.entitlement_id AS entitlement, s.delta_input AS input,
               s.delta_output AS output, s.delta_seconds AS seconds, (s.xmax = 0) AS "inserted!", (s.ended_at IS NOT NULL) AS "ended!""#,
        &column.id,
        &column.opened_on,
        &column.nas,
        &column.entitlement as &[Option<Uuid>],
        &column.user_name,
        &column.mac as &[Option<String>],
        &column.framed_ip as &[Option<String>],
        &column.acct_session_id,
        &column.started_at,
        &column.at,
        &column.seconds,
        &column.input,
        &column.output,
        &column.stop,
        &column.cause as &[Option<String>],
        &column.nas_address as &[Option<String>]
    )
    .fetch_all(tx)
    .await?)
}

/// The batch, turned from rows to columns for `unnest`.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    opened_on: Vec<Date>,
    nas: Vec<Uuid>,
    entitlement: Vec<Option<Uuid>>,
    user_name: Vec<String>,
    mac: Vec<Option<String>>,
    framed_ip: Vec<Option<String>>,
    acct_session_id: Vec<String>,
    started_at: Vec<OffsetDateTime>,
    at: Vec<OffsetDateTime>,
    seconds: Vec<i64>,
    input: Vec<i64>,
    output: Vec<i64>,
    stop: Vec<bool>,
    cause: Vec<Option<String>>,
    nas_address: Vec<Option<String>>,
}

impl Columns {
    fn of(batch: &[Report]) -> Columns {
        let mut columns = Columns::default();
        for report in batch {
            columns.id.push(report.session.id);
            columns.opened_on.push(report.session.opened_on);
            columns.nas.push(report.nas);
            columns.entitlement.push(report.entitlement);
            columns.user_name.push(report.user_name.clone());
            columns.mac.push(report.mac.map(|mac| mac.to_string()));
            columns.framed_ip.push(report.framed_ip.map(|ip| ip.to_string()));
            columns.acct_session_id.push(report.acct_session_id.clone());
            columns.started_at.push(report.started_at());
            columns.at.push(report.at);
            columns.seconds.push(signed(report.seconds));
            columns.input.push(signed(report.input_octets));
            columns.output.push(signed(report.output_octets));
            columns.stop.push(report.event == Event::Stop);
            columns.cause.push(report.terminate_cause.clone());
            columns.nas_address.push(report.nas_address.map(|ip| ip.to_string()));
        }
        columns
    }
}

/// Merges rows that were just inserted into the history of sessions that had ended, and takes them back out.
async fn merge_history(tx: &mut PgConnection, inserted: &[Uuid]) -> Result<Vec<Delta>> {
    if inserted.is_empty() {
        return Ok(Vec::new());
    }
    let late = sqlx::query_as!(
        Delta,
        r#"UPDATE sessions_ended h SET
               started_at    = least(h.started_at, s.started_at),
               last_heard_at = greatest(h.last_heard_at, s.last_heard_at),
               delta_seconds = greatest(s.session_seconds - h.session_seconds, 0),
               delta_input   = greatest(s.input_octets - h.input_octets, 0),
               delta_output  = greatest(s.output_octets - h.output_octets, 0),
               session_seconds = greatest(h.session_seconds, s.session_seconds),
               input_octets  = greatest(h.input_octets, s.input_octets),
               output_octets = greatest(h.output_octets, s.output_octets)
           FROM sessions s WHERE s.id = ANY ($1) AND h.id = s.id AND h.opened_on = s.opened_on
           RETURNING h.id, h.nas_id AS nas, h.entitlement_id AS entitlement, h.delta_input AS input,
               h.delta_output AS output, h.delta_seconds AS seconds, false AS "inserted!", false AS "ended!""#,
        inserted
    )
    .fetch_all(&mut *tx)
    .await?;
    let ids: Vec<Uuid> = late.iter().map(|delta| delta.id).collect();
    if !ids.is_empty() {
        sqlx::query!("DELETE FROM sessions WHERE id = ANY ($1)", &ids).execute(tx).await?;
    }
    Ok(late)
}

/// Moves ended sessions to the history; their end proves any cut that was asked for.
pub(crate) async fn end(tx: &mut PgConnection, ended: &[Uuid], now: OffsetDateTime) -> Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "WITH gone AS (DELETE FROM sessions WHERE id = ANY ($1) RETURNING *)
         INSERT INTO sessions_ended (id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip, acct_session_id,
             started_at, last_heard_at, session_seconds, input_octets, output_octets, delta_seconds, delta_input,
             delta_output, cutoff_at, cut_requested_at, ended_at, terminate_cause)
         SELECT id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip, acct_session_id,
             started_at, last_heard_at, session_seconds, input_octets, output_octets, delta_seconds, delta_input,
             delta_output, cutoff_at, cut_requested_at, ended_at, terminate_cause FROM gone",
        ended
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE nas_commands SET state = 'proved', proved_at = $2, lease_until = NULL
         WHERE session_id = ANY ($1) AND kind = 'disconnect' AND state NOT IN ('proved', 'abandoned')",
        ended,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds the deltas to entitlements and hours; returns what each entitlement has used in all.
async fn add_usage(tx: &mut PgConnection, merged: &[Delta], now: OffsetDateTime) -> Result<Vec<(Uuid, u64)>> {
    let mut by_pair: HashMap<(Uuid, Uuid), (i64, i64, i64)> = HashMap::new();
    for delta in merged.iter().filter(|delta| !delta.adds_nothing()) {
        let Some(entitlement) = delta.entitlement else { continue };
        let sum = by_pair.entry((entitlement, delta.nas)).or_default();
        *sum = (
            sum.0.saturating_add(delta.input),
            sum.1.saturating_add(delta.output),
            sum.2.saturating_add(delta.seconds),
        );
    }
    if by_pair.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<_> = by_pair.into_iter().collect();
    rows.sort_unstable_by_key(|(pair, _)| *pair);
    let entitlements: Vec<Uuid> = rows.iter().map(|((entitlement, _), _)| *entitlement).collect();
    let routers: Vec<Uuid> = rows.iter().map(|((_, nas), _)| *nas).collect();
    let input: Vec<i64> = rows.iter().map(|(_, sum)| sum.0).collect();
    let output: Vec<i64> = rows.iter().map(|(_, sum)| sum.1).collect();
    let seconds: Vec<i64> = rows.iter().map(|(_, sum)| sum.2).collect();
    let used = sqlx::query!(
        r#"UPDATE entitlements e SET
               used_input_octets = e.used_input_octets + d.input,
               used_output_octets = e.used_output_octets + d.output,
               used_seconds = e.used_seconds + d.seconds,
               state = CASE WHEN e.state = 'active'
                             AND e.used_input_octets + e.used_output_octets + d.input + d.output >= e.quota_octets
                            THEN 'exhausted' ELSE e.state END
           FROM (SELECT id, sum(input)::bigint AS input, sum(output)::bigint AS output, sum(seconds)::bigint AS seconds
                 FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (id, input, output, seconds)
                 GROUP BY id) d
           WHERE e.id = d.id
           RETURNING e.id, e.used_input_octets + e.used_output_octets AS "used!""#,
        &entitlements,
        &input,
        &output,
        &seconds
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO usage_hourly AS u (hour, nas_id, entitlement_id, input_octets, output_octets, seconds)
         SELECT date_trunc('hour', $6::timestamptz, 'UTC'), d.nas, d.id, d.input, d.output, d.seconds
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) AS d (id, nas, input, output, seconds)
         ORDER BY d.nas, d.id
         ON CONFLICT (hour, nas_id, entitlement_id) DO UPDATE SET
             input_octets = u.input_octets + EXCLUDED.input_octets,
             output_octets = u.output_octets + EXCLUDED.output_octets,
             seconds = u.seconds + EXCLUDED.seconds",
        &entitlements,
        &routers,
        &input,
        &output,
        &seconds,
        now
    )
    .execute(tx)
    .await?;
    Ok(used.into_iter().map(|row| (row.id, unsigned(row.used))).collect())
}

/// The identity of a session that a router reports without our ticket: an open or ended one with the same names
/// whose start is near, else `None`.
///
/// RouterOS reuses Acct-Session-Ids after sixteen reboots and between routers, so the start must agree.
pub async fn find_session(db: &Db, report: &Report) -> Result<Option<SessionKey>> {
    let started = report.started_at();
    let mac = report.mac.map(|mac| mac.to_string());
    Ok(sqlx::query!(
        r#"SELECT id AS "id!", opened_on AS "opened_on!" FROM (
               SELECT id, opened_on, started_at FROM sessions
               WHERE nas_id = $1 AND acct_session_id = $2 AND user_name = $3
                 AND mac IS NOT DISTINCT FROM $4::text::macaddr
               UNION ALL
               SELECT id, opened_on, started_at FROM sessions_ended
               WHERE nas_id = $1 AND acct_session_id = $2 AND user_name = $3
                 AND mac IS NOT DISTINCT FROM $4::text::macaddr
                 AND opened_on BETWEEN ($5::timestamptz AT TIME ZONE 'UTC')::date - 1
                                   AND ($5::timestamptz AT TIME ZONE 'UTC')::date + 1) s
           WHERE abs(extract(epoch FROM s.started_at - $5::timestamptz)) < $6
           ORDER BY abs(extract(epoch FROM s.started_at - $5::timestamptz)) LIMIT 1"#,
        report.nas,
        report.acct_session_id,
        report.user_name,
        mac,
        started,
        START_WINDOW_SECONDS as _
    )
    .fetch_optional(&db.pool)
    .await?
    .map(|row| SessionKey { id: row.id, opened_on: row.opened_on }))
}

/// Two reports without a ticket are about one session if their starts differ by less than this. Routers send a
/// report up to three times over a few seconds and count whole seconds; sixteen reboots take longer.
pub const START_WINDOW_SECONDS: f64 = 120.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(event: Event, at: i64, seconds: u64, input: u64) -> Report {
        Report {
            session: SessionKey { id: Uuid::from_u128(1), opened_on: Date::MIN },
            nas: Uuid::from_u128(2),
            nas_address: Some(IpAddr::from([10, 0, 0, u8::try_from(at % 100).expect("small")])),
            entitlement: Some(Uuid::from_u128(3)),
            user_name: "u".into(),
            mac: None,
            framed_ip: None,
            acct_session_id: "80100001".into(),
            event,
            seconds,
            input_octets: input,
            output_octets: 0,
            terminate_cause: (event == Event::Stop).then(|| "User-Request".into()),
            at: OffsetDateTime::from_unix_timestamp(at).expect("in range"),
        }
    }

    #[test]
    fn any_order_of_a_batch_gives_the_same_report() {
        let reports = [
            report(Event::Start, 1000, 0, 0),
            report(Event::Interim, 1060, 60, 500),
            report(Event::Stop, 1100, 100, 900),
        ];
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            let batch = collapse(&order.map(|i| reports[i].clone()));
            assert_eq!(batch, [reports[2].clone()], "{order:?}");
        }
    }

    #[test]
    fn lower_counters_after_higher_ones_change_nothing() {
        let batch = collapse(&[report(Event::Interim, 1060, 60, 500), report(Event::Interim, 1070, 60, 20)]);
        assert_eq!(batch[0].input_octets, 500);
    }
}
