//! Commands to routers: the outbox from which Disconnect-Requests are sent, and what became of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// A command to send.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its identity.
    pub id: Uuid,
    /// The router.
    pub nas: Uuid,
    /// The session to end.
    pub session: Uuid,
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
    /// When the cut was due.
    pub due_at: OffsetDateTime,
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

/// Takes commands that are due; each is handed to one server and comes back after `lease` unless answered.
/// A command whose session has been given more time is abandoned on the way; that of an ended one was proved by its end.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Command>> {
    let mut tx = db.pool.begin().await?;
    sqlx::query!(
        "UPDATE nas_commands c SET state = 'abandoned', lease_until = NULL
         FROM sessions s WHERE s.id = c.session_id AND c.state IN ('pending', 'refused', 'unanswered')
           AND c.due_at <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $1 OR c.waits_for_router)
           AND c.reason <> 'operator' AND (s.cutoff_at IS NULL OR s.cutoff_at > $1)",
        now
    )
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        "UPDATE nas_commands SET lease_until = $2, attempts = attempts + 1, sent_at = coalesce(sent_at, $1) WHERE id IN (
             SELECT id FROM nas_commands WHERE state IN ('pending', 'refused', 'unanswered') AND due_at <= $1
               AND (lease_until IS NULL OR lease_until <= $1)
               AND (NOT waits_for_router OR EXISTS (
                   SELECT FROM nas n WHERE n.id = nas_commands.nas_id AND n.last_seen_at > nas_commands.answered_at))
             ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, nas_id, session_id,
             (SELECT host(s.nas_address) FROM sessions s WHERE s.id = nas_commands.session_id) AS nas_address,
             (SELECT s.mac::text FROM sessions s WHERE s.id = nas_commands.session_id) AS mac, error_cause, user_name, host(framed_ip) AS framed_ip, acct_session_id, reason, attempts, due_at",
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|row| Command {
            id: row.id,
            nas: row.nas_id,
            session: row.session_id,
            nas_address: row.nas_address.and_then(|ip| ip.parse().ok()),
            user_name: row.user_name,
            mac: row.mac.and_then(|mac| mac.parse().ok()),
            framed_ip: row.framed_ip.and_then(|ip| ip.parse().ok()),
            acct_session_id: row.acct_session_id,
            reason: row.reason,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            error_cause: row.error_cause.and_then(|cause| u32::try_from(cause).ok()),
            due_at: row.due_at,
        })
        .collect())
}

/// Records an answer. What is acknowledged waits for its Stop, and comes up again if none comes.
pub async fn answered(db: &Db, id: Uuid, answer: Answer, now: OffsetDateTime, again: Again) -> Result<()> {
    let (again_at, waits_for_router) = match again {
        Again::At(time) => (time, false),
        Again::IfHeard(time) => (time, true),
    };
    let (state, error_cause) = match answer {
        Answer::Acknowledged => ("acknowledged", None),
        Answer::Refused { error_cause } => ("refused", error_cause),
        Answer::Unanswered => ("unanswered", None),
    };
    sqlx::query!(
        "UPDATE nas_commands SET state = $2, error_cause = $3, answered_at = CASE WHEN $2 = 'unanswered' THEN answered_at ELSE $4 END,
             lease_until = $5, waits_for_router = $6 WHERE id = $1 AND state NOT IN ('proved', 'abandoned')",
        id,
        state,
        error_cause.map(|cause| i32::try_from(cause).unwrap_or(i32::MAX)),
        now,
        again_at,
        waits_for_router
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Gives a claimed command back unsent, to be claimed again at `until`.
pub async fn give_back(db: &Db, id: Uuid, until: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE nas_commands SET lease_until = $2, attempts = greatest(attempts - 1, 0) WHERE id = $1 AND state NOT IN ('proved', 'abandoned')",
        id,
        until
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Puts acknowledged cuts whose Stop has not come by their time back to be asked again. Returns how many.
pub async fn doubt_acknowledged(db: &Db, now: OffsetDateTime) -> Result<u64> {
    Ok(sqlx::query!(
        "UPDATE nas_commands SET state = 'pending' WHERE state = 'acknowledged' AND lease_until <= $1",
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
