//! Commands to routers: the outbox from which Disconnect-Requests are sent, and what became of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
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
    /// User-Name.
    pub user_name: String,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// Why, in a word.
    pub reason: String,
    /// How often it was sent before.
    pub attempts: u32,
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

/// Takes commands that are due; each is handed to one server and comes back after `lease` unless answered.
/// A command whose session has been given more time is abandoned on the way; that of an ended one was proved by its end.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Command>> {
    let mut tx = db.pool.begin().await?;
    sqlx::query!(
        "UPDATE nas_commands c SET state = 'abandoned', lease_until = NULL
         FROM sessions s WHERE s.id = c.session_id AND c.state IN ('pending', 'refused', 'unanswered')
           AND c.due_at <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $1)
           AND c.reason <> 'operator' AND (s.cutoff_at IS NULL OR s.cutoff_at > $1)",
        now
    )
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        "UPDATE nas_commands SET lease_until = $2, attempts = attempts + 1, sent_at = coalesce(sent_at, $1) WHERE id IN (
             SELECT id FROM nas_commands WHERE state IN ('pending', 'refused', 'unanswered') AND due_at <= $1
               AND (lease_until IS NULL OR lease_until <= $1)
             ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, nas_id, session_id, user_name, host(framed_ip) AS framed_ip, acct_session_id, reason, attempts, due_at",
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
            user_name: row.user_name,
            framed_ip: row.framed_ip.and_then(|ip| ip.parse().ok()),
            acct_session_id: row.acct_session_id,
            reason: row.reason,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            due_at: row.due_at,
        })
        .collect())
}

/// Records an answer. What is refused or unanswered comes up again at `retry_at`; what is acknowledged waits
/// for its Stop, and is asked again at `retry_at` if none comes.
pub async fn answered(db: &Db, id: Uuid, answer: Answer, now: OffsetDateTime, retry_at: OffsetDateTime) -> Result<()> {
    let (state, error_cause) = match answer {
        Answer::Acknowledged => ("acknowledged", None),
        Answer::Refused { error_cause } => ("refused", error_cause),
        Answer::Unanswered => ("unanswered", None),
    };
    sqlx::query!(
        "UPDATE nas_commands SET state = $2, error_cause = $3, answered_at = CASE WHEN $2 = 'unanswered' THEN answered_at ELSE $4 END,
             lease_until = $5 WHERE id = $1 AND state NOT IN ('proved', 'abandoned')",
        id,
        state,
        error_cause.map(|cause| i32::try_from(cause).unwrap_or(i32::MAX)),
        now,
        retry_at
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

/// Where a router takes commands: its CoA port at `address`, if that names one host.
pub fn destination(address: IpNet, port: u16) -> Option<SocketAddr> {
    (address.prefix_len() == address.max_prefix_len()).then(|| SocketAddr::new(address.addr(), port))
}
