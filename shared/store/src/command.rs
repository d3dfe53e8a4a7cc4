//! Commands to routers: the outbox from which Disconnect- and CoA-Requests are sent, and what became of them.
//!
//! A *cut* ends a session, for a reason: its deadline has passed (`expired`, `quota`, `revoked`), and then it is needless
//! once the session has more time; or somebody wants it whatever the deadline says (`operator`, `moved`, `change`).
//! A *change* tells the router what a session may from now on. What that is, is asked when the change is sent, so
//! there is one for a session however often things change meanwhile; each wish for one makes a new *generation* of it, and
//! an answer counts only for the generation that was sent. An acknowledgement is all the proof that a change has.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use shared::mac::Mac;
use shared::rate::RateText;
use shared::request::RequestId;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result, session};

/// A command to send.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its identity.
    pub id: Uuid,
    /// The router.
    pub nas: Uuid,
    /// What the router is asked for.
    pub kind: Kind,
    /// Which wish for it this is.
    pub generation: i32,
    /// The session.
    pub session: Uuid,
    /// What it uses, if it is known.
    pub entitlement: Option<Uuid>,
    /// What its router last reported.
    pub reported: Reported,
    /// What it may from now on, in a change: whoever sends it decides that.
    pub limits: Option<Box<Limits>>,
    /// The address that its router last reported it from.
    pub nas_address: Option<IpAddr>,
    /// User-Name.
    pub user_name: String,
    /// The device, if the session names one.
    pub mac: Option<Mac>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// Why, in a word.
    pub reason: String,
    /// How often it was sent before.
    pub attempts: u32,
    /// Error-Cause of the router's last refusal.
    pub error_cause: Option<u32>,
    /// Whether the router has acknowledged it, and nothing proves that it was done.
    pub acknowledged: bool,
    /// When the cut was due.
    pub due_at: OffsetDateTime,
    /// The request that wanted it, if one did.
    pub trace: Option<RequestId>,
}

/// What a router is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// To end a session.
    Disconnect,
    /// To let it go on with other limits.
    Change,
}

impl Kind {
    /// The word in the database and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Disconnect => "disconnect",
            Kind::Change => "coa",
        }
    }
}

/// What a router has reported of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reported {
    /// When it began.
    pub started_at: OffsetDateTime,
    /// Octets from the customer.
    pub up: u64,
    /// Octets to the customer.
    pub down: u64,
}

/// What a session may, counted from its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long.
    pub session_timeout: Option<Duration>,
    /// Without traffic.
    pub idle_timeout: Option<Duration>,
    /// How fast.
    pub rate: RateText,
    /// How much, up and down together.
    pub total: Option<u64>,
    /// How much up.
    pub up: Option<u64>,
    /// How much down.
    pub down: Option<u64>,
}

/// What a router answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Disconnect-ACK.
    Acknowledged,
    /// Disconnect-NAK.
    Refused {
        /// Error-Cause (RFC 5176 §3.5).
        error_cause: Option<u32>,
    },
    /// Nothing, to the last transmission.
    Unanswered,
}

/// When a command that did not reach its goal comes up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// Then.
    At(OffsetDateTime),
    /// Not before then, and only if the router is heard from after its answer. It is counted as refused meanwhile.
    IfHeard(OffsetDateTime),
}

/// Takes commands that are due, the longest waiting first, but none of what routers of `busy` have reported from there; each is handed to one
/// server and comes back after `lease` unless answered. So does one that was acknowledged and whose Stop has not come by its
/// time. One whose session has been given more time is abandoned instead. Returns those to send.
pub async fn claim(
    db: &Db,
    now: OffsetDateTime,
    lease: Duration,
    limit: u32,
    busy: &[(Uuid, Option<IpAddr>)],
) -> Result<Vec<Command>> {
    let busy_routers: Vec<Uuid> = busy.iter().map(|(nas, _)| *nas).collect();
    let busy_addresses: Vec<Option<String>> = busy.iter().map(|(_, from)| from.map(|ip| ip.to_string())).collect();
    let mut tx = db.begin_by_key().await?;
    let due = sqlx::query!(
        r#"SELECT c.id, c.kind = 'coa' AS "is_change!", c.generation, c.nas_id, c.session_id, host(s.nas_address) AS "nas_address?",
                  s.mac::text AS "mac?", c.error_cause, c.user_name, host(c.framed_ip) AS framed_ip, c.acct_session_id, c.reason,
                  c.attempts, c.due_at, c.trace, c.state = 'acknowledged' AS "acknowledged!", s.entitlement_id AS "entitlement?", s.started_at AS "started_at?", s.input_octets AS "up?",
                  s.output_octets AS "down?",
                  CASE WHEN c.kind = 'coa' THEN s.id IS NULL
                       ELSE s.id IS NOT NULL AND c.reason IN ('expired', 'quota', 'revoked') AND (s.cutoff_at IS NULL OR s.cutoff_at > $1)
                  END AS "needless!"
           FROM nas_commands c LEFT JOIN sessions s ON s.id = c.session_id
           WHERE c.state IN ('pending', 'refused', 'unanswered', 'acknowledged') AND greatest(c.due_at, c.lease_until) <= $1
             AND NOT EXISTS (SELECT FROM unnest($3::uuid[], $4::text[]) AS b (nas, address)
                             WHERE b.nas = c.nas_id AND b.address::inet IS NOT DISTINCT FROM s.nas_address)
             AND (NOT c.waits_for_router OR EXISTS (
                 SELECT FROM nas n WHERE n.id = c.nas_id AND n.last_seen_at > c.answered_at))
           ORDER BY greatest(c.due_at, c.lease_until) LIMIT $2 FOR UPDATE OF c SKIP LOCKED"#,
        now,
        i64::from(limit),
        &busy_routers,
        &busy_addresses as &[Option<String>]
    )
    .fetch_all(&mut *tx)
    .await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let needless: Vec<Uuid> = due.iter().filter(|row| row.needless).map(|row| row.id).collect();
    let to_send: Vec<Uuid> = due.iter().filter(|row| !row.needless).map(|row| row.id).collect();
    if !needless.is_empty() {
        sqlx::query!("UPDATE nas_commands SET state = 'abandoned', lease_until = NULL WHERE id = ANY ($1)", &needless)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query!(
        "UPDATE nas_commands SET state = CASE state WHEN 'acknowledged' THEN 'pending' ELSE state END, lease_until = $3,
             attempts = attempts + 1, sent_at = coalesce(sent_at, $2) WHERE id = ANY ($1)",
        &to_send,
        now,
        now + lease
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(due
        .into_iter()
        .filter(|row| !row.needless)
        .map(|row| Command {
            id: row.id,
            nas: row.nas_id,
            kind: if row.is_change { Kind::Change } else { Kind::Disconnect },
            generation: row.generation,
            session: row.session_id,
            entitlement: row.entitlement,
            reported: Reported {
                started_at: row.started_at.unwrap_or(row.due_at),
                up: row.up.map_or(0, unsigned),
                down: row.down.map_or(0, unsigned),
            },
            limits: None,
            nas_address: row.nas_address.and_then(|ip| ip.parse().ok()),
            user_name: row.user_name,
            mac: row.mac.and_then(|mac| mac.parse().ok()),
            framed_ip: row.framed_ip.and_then(|ip| ip.parse().ok()),
            acct_session_id: row.acct_session_id,
            reason: row.reason,
            attempts: u32::try_from(row.attempts).unwrap_or(0) + 1,
            error_cause: row.error_cause.and_then(|cause| u32::try_from(cause).ok()),
            acknowledged: row.acknowledged,
            due_at: row.due_at,
            trace: row.trace.map(RequestId::from),
        })
        .collect())
}

/// What became of a command that was sent, and when it comes up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// The command.
    pub command: Uuid,
    /// What it asked for.
    pub kind: Kind,
    /// Which wish for it was answered.
    pub generation: i32,
    /// The router's answer.
    pub answer: Answer,
    /// When it comes up again unless it is proved.
    pub again: Again,
}

impl Answered {
    /// The state that the command is in now, if its kind calls an acknowledgement so, and the Error-Cause.
    fn state(&self, acknowledged: &'static str) -> (&'static str, Option<i32>) {
        match self.answer {
            Answer::Acknowledged => (acknowledged, None),
            Answer::Refused { error_cause } => ("refused", error_cause.map(stored)),
            Answer::Unanswered => ("unanswered", None),
        }
    }

    /// When it comes up again, and whether only if its router is heard of.
    fn again(&self) -> (OffsetDateTime, bool) {
        match self.again {
            Again::At(time) => (time, false),
            Again::IfHeard(time) => (time, true),
        }
    }
}

/// An Error-Cause as it stands in the database.
fn stored(error_cause: u32) -> i32 {
    i32::try_from(error_cause).unwrap_or(i32::MAX)
}

/// Records answers. A cut that is acknowledged waits for its Stop, and comes up again if none comes; a change is proved, and one
/// that was wished for anew meanwhile comes up at once.
///
/// Cuts are recorded together and nothing is waited for: one whose session is just being ended or given another deadline is left
/// alone, and its lease brings it back if need be. Changes are wished for by every report that finds one, so each is
/// recorded by itself, when its row is free: who holds one row can wait for no other.
pub async fn answered(db: &Db, answers: &[Answered], now: OffsetDateTime) -> Result<()> {
    let (cuts, changes): (Vec<&Answered>, Vec<&Answered>) =
        answers.iter().partition(|answered| answered.kind == Kind::Disconnect);
    if !cuts.is_empty() {
        cuts_answered(db, &cuts, now).await?;
    }
    for change in changes {
        change_answered(db, change, now).await?;
    }
    Ok(())
}

/// Records the answers to cuts. Of one whose Stop came first, only when it was answered.
async fn cuts_answered(db: &Db, cuts: &[&Answered], now: OffsetDateTime) -> Result<()> {
    let (mut ids, mut states, mut causes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut times, mut wait_for_router) = (Vec::new(), Vec::new());
    for cut in cuts {
        let ((state, cause), (time, waits)) = (cut.state("acknowledged"), cut.again());
        ids.push(cut.command);
        states.push(state.to_owned());
        causes.push(cause);
        times.push(time);
        wait_for_router.push(waits);
    }
    let mut tx = db.begin_by_key().await?;
    sqlx::query!(
        "WITH free AS (SELECT id, state = 'proved' AS is_proved FROM nas_commands
                       WHERE id = ANY ($1) AND (state NOT IN ('proved', 'abandoned') OR state = 'proved' AND answered_at IS NULL)
                       FOR UPDATE SKIP LOCKED)
         UPDATE nas_commands c SET
             state = CASE WHEN free.is_proved THEN c.state ELSE a.state END,
             error_cause = CASE WHEN free.is_proved THEN c.error_cause ELSE a.error_cause END,
             lease_until = CASE WHEN free.is_proved THEN c.lease_until ELSE a.again_at END,
             answered_at = CASE WHEN a.state = 'unanswered' THEN c.answered_at ELSE $6 END,
             waits_for_router = CASE WHEN free.is_proved THEN c.waits_for_router ELSE a.waits END
         FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[], $5::boolean[])
                  AS a (id, state, error_cause, again_at, waits)
              JOIN free ON free.id = a.id
         WHERE c.id = a.id",
        &ids,
        &states,
        &causes as &[Option<i32>],
        &times,
        &wait_for_router,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Records the answer to a change.
async fn change_answered(db: &Db, answered: &Answered, now: OffsetDateTime) -> Result<()> {
    let ((state, cause), (again, waits)) = (answered.state("proved"), answered.again());
    sqlx::query!(
        "UPDATE nas_commands SET
             state = CASE WHEN generation = $2 THEN $3 ELSE 'pending' END, error_cause = $4, answered_at = $5,
             lease_until = CASE WHEN generation = $2 AND $3 <> 'proved' THEN $6::timestamptz END,
             proved_at = CASE WHEN generation = $2 AND $3 = 'proved' THEN $5::timestamptz END,
             waits_for_router = $7 AND generation = $2
         WHERE id = $1 AND state NOT IN ('proved', 'abandoned')",
        answered.command,
        answered.generation,
        state,
        cause,
        now,
        again,
        waits
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Asks the routers of all open sessions that use these entitlements to allow what they may now.
pub(crate) async fn ask_for_change(tx: &mut PgConnection, entitlements: &[Uuid], now: OffsetDateTime) -> Result<()> {
    sqlx::query!("SELECT ask_for_change($1, $2)", entitlements, now).fetch_all(tx).await?;
    Ok(())
}

/// Gives changes up: there is nothing to tell any more. One that was wished for anew meanwhile comes up at once.
pub async fn abandon_changes(db: &Db, changes: &[(Uuid, i32)]) -> Result<()> {
    for (id, generation) in changes {
        sqlx::query!(
            "UPDATE nas_commands SET state = CASE WHEN generation = $2 THEN 'abandoned' ELSE 'pending' END, lease_until = NULL
             WHERE id = $1 AND kind = 'coa' AND state NOT IN ('proved', 'abandoned')",
            id,
            generation
        )
        .execute(&db.pool)
        .await?;
    }
    Ok(())
}

/// Sends a device off whose router refuses to change its session, with this Error-Cause, so that it logs in again with what it
/// may now.
pub async fn reconnect(
    db: &Db,
    change: Uuid,
    session: Uuid,
    error_cause: Option<u32>,
    now: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.begin_by_key().await?;
    sqlx::query!(
        "UPDATE nas_commands SET state = 'abandoned', lease_until = NULL, error_cause = $2, answered_at = $3
         WHERE id = $1 AND kind = 'coa' AND state NOT IN ('proved', 'abandoned')",
        change,
        error_cause.map(stored),
        now
    )
    .execute(&mut *tx)
    .await?;
    let open = sqlx::query_scalar!("SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL", session)
        .fetch_all(&mut *tx)
        .await?;
    session::request_cuts(&mut tx, &open, Some("change"), now).await?;
    Ok(tx.commit().await?)
}

/// Whether a cut is still to be made: its session is open, and has not been given more time.
pub async fn is_wanted(db: &Db, cut: Uuid, now: OffsetDateTime) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM nas_commands c JOIN sessions s ON s.id = c.session_id
               WHERE c.id = $1 AND c.kind = 'disconnect' AND c.state NOT IN ('proved', 'abandoned')
                 AND (c.reason NOT IN ('expired', 'quota', 'revoked') OR s.cutoff_at <= $2)) AS "wanted!""#,
        cut,
        now
    )
    .fetch_one(&db.pool)
    .await?)
}

/// Gives claimed commands back unsent, to be claimed again at `until`.
pub async fn give_back(db: &Db, commands: &[Uuid], until: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin_by_key().await?;
    sqlx::query!(
        "UPDATE nas_commands SET lease_until = $2, attempts = greatest(attempts - 1, 0),
             sent_at = CASE WHEN attempts <= 1 THEN NULL ELSE sent_at END
         WHERE id IN (SELECT id FROM nas_commands WHERE id = ANY ($1) AND state NOT IN ('proved', 'abandoned')
                      FOR UPDATE SKIP LOCKED)",
        commands,
        until
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Abandons cuts that wait for their router to be heard of and are not needed any more, since their session was given
/// more time. Those that come up by themselves are looked at then, by [`claim`].
pub async fn abandon_needless(db: &Db, now: OffsetDateTime) -> Result<u64> {
    Ok(sqlx::query!(
        "UPDATE nas_commands c SET state = 'abandoned', lease_until = NULL
         WHERE c.id IN (
             SELECT w.id FROM nas_commands w JOIN sessions s ON s.id = w.session_id
             WHERE w.state = 'refused' AND w.waits_for_router AND w.kind = 'disconnect' AND w.reason IN ('expired', 'quota', 'revoked')
               AND (s.cutoff_at IS NULL OR s.cutoff_at > $1) FOR UPDATE OF w SKIP LOCKED)",
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// Commands that wait to be sent or proved, for the metrics.
pub async fn count_open(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM nas_commands WHERE state NOT IN ('proved', 'abandoned')"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Commands that a router has refused for a reason that will not change, for the metrics: router name and count.
pub async fn count_refused(db: &Db) -> Result<Vec<(String, u64)>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(n.name, '(removed router)') AS "nas!", count(*) AS "count!" FROM nas_commands c
           LEFT JOIN nas n ON n.id = c.nas_id WHERE c.waits_for_router AND c.state = 'refused' GROUP BY 1"#
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.nas, u64::try_from(row.count).unwrap_or(0))).collect())
}

/// Where a router takes commands: its CoA port, at its own address if it is registered by one, else at the address that
/// the session was reported from. That must still belong to the router's network: a session may be older than a
/// change of it.
pub fn destination(registered: IpNet, reported_from: Option<IpAddr>, port: u16) -> Option<SocketAddr> {
    let address = match registered.prefix_len() == registered.max_prefix_len() {
        true => registered.addr(),
        false => reported_from.map(|ip| ip.to_canonical()).filter(|ip| registered.contains(ip))?,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_goes_to_the_router_that_has_the_session() {
        let at = |registered: &str, reported: Option<&str>| {
            let reported = reported.map(|ip| ip.parse().expect("an address"));
            destination(registered.parse().expect("a network"), reported, 3799).map(|to| to.to_string())
        };
        assert_eq!(at("10.0.0.9/32", None).as_deref(), Some("10.0.0.9:3799"));
        assert_eq!(at("10.0.0.9/32", Some("10.0.0.1")).as_deref(), Some("10.0.0.9:3799"), "its own address is better");
        assert_eq!(at("10.0.0.0/24", Some("10.0.0.1")).as_deref(), Some("10.0.0.1:3799"));
        assert_eq!(at("10.0.0.0/24", Some("::ffff:10.0.0.1")).as_deref(), Some("10.0.0.1:3799"));
        assert_eq!(at("2001:db8::/64", Some("2001:db8::1")).as_deref(), Some("[2001:db8::1]:3799"));
        assert_eq!(at("10.0.0.0/24", Some("10.9.9.9")), None, "it has moved out of the network");
        assert_eq!(at("10.0.0.0/24", None), None);
    }
}
