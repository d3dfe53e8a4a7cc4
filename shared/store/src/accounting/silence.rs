//! Sessions of which nobody speaks any more, and what a router tells about itself.
//!
//! A session that is closed here is *lost*: it ends at its last known counters, and goes on if its router speaks of it
//! again. RouterOS has been seen to send Accounting-On in the middle of a session that went on, so a restart by itself
//! closes only what cannot be one of its sessions; the others follow when something confirms it.

use std::net::IpAddr;
use std::time::Duration;

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows;
use super::session::{End, Standing, Stored};
use crate::{Db, Result, facts};

/// Acct-Terminate-Cause of a session that fell silent (RFC 2866 §5.10).
const LOST_SERVICE: &str = "Lost-Service";
/// Of one that an administrator took off.
const ADMIN_RESET: &str = "Admin-Reset";
/// Of one whose router has restarted.
const NAS_REBOOT: &str = "NAS-Reboot";
/// Sessions closed in one transaction.
const AT_ONCE: i64 = 500;

/// What a router tells about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restart {
    /// The router.
    pub nas: Uuid,
    /// Its address, if several routers share the entry.
    pub address: Option<IpAddr>,
    /// When, by our clock.
    pub at: OffsetDateTime,
}

/// How many sessions were closed for which reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// Nothing was heard of them.
    pub silent: usize,
    /// Their router has restarted.
    pub restarted: usize,
}

/// Accounting-Off: its sessions of before are over. Returns how many were closed.
pub async fn router_stopped(db: &Db, restart: &Restart, now: OffsetDateTime) -> Result<usize> {
    close_all(db, &Over::Stopped(restart), now).await
}

/// Accounting-On: it is noted, and confirmed or forgotten by [`close_silent`].
pub async fn router_restarted(db: &Db, restart: &Restart) -> Result<()> {
    sqlx::query!(
        "INSERT INTO router_restarts (nas_id, address, at) VALUES ($1, $2::text::inet, $3) ON CONFLICT DO NOTHING",
        restart.nas,
        restart.address.map(|address| address.to_string()),
        restart.at
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Closes sessions of which nothing was heard for `silence`, and those of restarted routers: at once if the router does
/// not name its sessions as RouterOS does, or names a newer one with another boot number; else once nothing was heard
/// of them for `patience` since the restart.
pub async fn close_silent(db: &Db, silence: Duration, patience: Duration, now: OffsetDateTime) -> Result<Closed> {
    let silent = close_all(db, &Over::Silent { since: now - silence }, now).await?;
    let restarted = close_all(db, &Over::Restarted { confirmed_by: now - patience }, now).await?;
    sqlx::query!("DELETE FROM router_restarts WHERE at < $1", now - patience - silence).execute(&db.pool).await?;
    Ok(Closed { silent, restarted })
}

/// Why sessions are over.
enum Over<'a> {
    /// Nothing was heard of them.
    Silent { since: OffsetDateTime },
    /// Their router has said that it stops.
    Stopped(&'a Restart),
    /// Their router has said that it started, and that was confirmed, or is old enough.
    Restarted { confirmed_by: OffsetDateTime },
}

impl Over<'_> {
    fn cause(&self) -> &'static str {
        match self {
            Over::Silent { .. } => LOST_SERVICE,
            Over::Stopped(_) | Over::Restarted { .. } => NAS_REBOOT,
        }
    }

    /// Some of the open sessions that are over, held until the transaction ends.
    async fn some(&self, tx: &mut PgConnection) -> Result<Vec<Uuid>> {
        Ok(match self {
            Over::Silent { since } => {
                sqlx::query_scalar!(
                    "SELECT id FROM sessions WHERE last_heard_at < $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
                    since,
                    AT_ONCE
                )
                .fetch_all(tx)
                .await?
            }
            Over::Stopped(restart) => {
                sqlx::query_scalar!(
                    "SELECT id FROM sessions
                     WHERE nas_id = $1 AND ($2::text IS NULL OR nas_address = $2::text::inet) AND last_heard_at <= $3
                     ORDER BY id LIMIT $4 FOR NO KEY UPDATE",
                    restart.nas,
                    restart.address.map(|address| address.to_string()),
                    restart.at,
                    AT_ONCE
                )
                .fetch_all(tx)
                .await?
            }
            // A session's name on RouterOS: two digits of the service, one of the boot, five of the session, all hexadecimal.
            Over::Restarted { confirmed_by } => {
                sqlx::query_scalar!(
                    "SELECT s.id FROM sessions s WHERE s.id IN (
                         SELECT s.id FROM router_restarts r
                         JOIN sessions s ON s.nas_id = r.nas_id AND (r.address IS NULL OR s.nas_address = r.address) AND s.last_heard_at < r.at
                         WHERE r.at < $1 OR s.acct_session_id !~ '^8[0-9a-f]{7}$' OR EXISTS (
                             SELECT FROM sessions n WHERE n.nas_id = r.nas_id AND (r.address IS NULL OR n.nas_address = r.address)
                               AND n.started_at >= r.at AND n.acct_session_id ~ '^8[0-9a-f]{7}$'
                               AND substr(n.acct_session_id, 3, 1) <> substr(s.acct_session_id, 3, 1)))
                     ORDER BY s.id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
                    confirmed_by,
                    AT_ONCE
                )
                .fetch_all(tx)
                .await?
            }
        })
    }
}

/// Closes all sessions that are over, some in a transaction. Returns how many.
async fn close_all(db: &Db, over: &Over<'_>, now: OffsetDateTime) -> Result<usize> {
    let mut closed = 0;
    loop {
        let mut tx = db.pool.begin().await?;
        let ids = over.some(&mut tx).await?;
        let count = close(&mut tx, &ids, over.cause(), now).await?;
        tx.commit().await?;
        closed += count;
        if count == 0 {
            return Ok(closed);
        }
    }
}

/// Closes open sessions as lost. A cut that waits is given up: there is nobody to be cut, and if there is, the session
/// comes back with its deadline.
async fn close(tx: &mut PgConnection, ids: &[Uuid], cause: &str, now: OffsetDateTime) -> Result<usize> {
    let lost = end(tx, ids, cause, now).await?;
    if lost > 0 {
        sqlx::query!(
            "UPDATE nas_commands SET state = 'abandoned', lease_until = NULL, answered_at = coalesce(answered_at, $2)
             WHERE session_id = ANY ($1) AND state NOT IN ('proved', 'abandoned')",
            ids,
            now
        )
        .execute(tx)
        .await?;
    }
    Ok(lost)
}

/// Moves open sessions to the ended ones, at what was last reported of them.
async fn end(tx: &mut PgConnection, ids: &[Uuid], cause: &str, now: OffsetDateTime) -> Result<usize> {
    let open = rows::lock_open(tx, ids).await?;
    let lost: Vec<Stored> = open
        .into_iter()
        .map(|session| {
            let end = End { at: session.last.at, cause: Some(cause.to_owned()) };
            Stored { standing: Standing::Lost(end), ..session }
        })
        .collect();
    let gone: Vec<Uuid> = lost.iter().map(|session| session.key.id).collect();
    rows::put_ended(tx, &lost.iter().collect::<Vec<_>>(), &gone).await?;
    // Nobody may have been there to close them for days.
    let ended: Vec<OffsetDateTime> = lost.iter().map(|session| session.last.at).collect();
    facts::correct(tx, ended, now).await?;
    Ok(lost.len())
}

/// Closes sessions that their routers do not have any more, at what was last reported of them; that proves their cuts. Where
/// a time is given, only if nothing was heard of the session since then. Returns those that it closed.
pub async fn end_lost(db: &Db, gone: &[(Uuid, Option<OffsetDateTime>)], now: OffsetDateTime) -> Result<Vec<Uuid>> {
    end_proved(db, gone, LOST_SERVICE, now).await
}

/// Closes sessions that were taken off their routers, as was seen there; that proves their cuts. The Stop that the router sends
/// for it is joined when it comes. Returns those that were open.
pub async fn end_removed(db: &Db, removed: &[Uuid], now: OffsetDateTime) -> Result<Vec<Uuid>> {
    let removed: Vec<_> = removed.iter().map(|id| (*id, None)).collect();
    end_proved(db, &removed, ADMIN_RESET, now).await
}

async fn end_proved(
    db: &Db,
    gone: &[(Uuid, Option<OffsetDateTime>)],
    cause: &str,
    now: OffsetDateTime,
) -> Result<Vec<Uuid>> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = gone.iter().map(|(id, _)| *id).collect();
    let silent: Vec<Option<OffsetDateTime>> = gone.iter().map(|(_, since)| *since).collect();
    let mut tx = db.begin_by_key().await?;
    let gone = sqlx::query_scalar!(
        "SELECT s.id FROM unnest($1::uuid[], $2::timestamptz[]) AS g (id, silent_since) JOIN sessions s ON s.id = g.id
         WHERE g.silent_since IS NULL OR s.last_heard_at < g.silent_since ORDER BY s.id FOR NO KEY UPDATE OF s",
        &ids,
        &silent as &[Option<OffsetDateTime>]
    )
    .fetch_all(&mut *tx)
    .await?;
    end(&mut tx, &gone, cause, now).await?;
    super::prove_cuts(&mut tx, &gone, now).await?;
    tx.commit().await?;
    Ok(gone)
}
