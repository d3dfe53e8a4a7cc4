//! Sessions as people see them, and the deadlines at which they must end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use shared::mac::Mac;
use shared::money::Money;
use shared::phone::Phone;
use shared::rng;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result, StoreError, command};

/// An open session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its identity.
    pub id: Uuid,
    /// The router's name.
    pub nas: String,
    /// The customer's number, if known.
    pub phone: Option<Phone>,
    /// The package in use.
    pub package: Option<String>,
    /// The entitlement in use.
    pub entitlement: Option<Uuid>,
    /// The name that logged in.
    pub user_name: String,
    /// The device.
    pub mac: Option<Mac>,
    /// Its address.
    pub framed_ip: Option<IpAddr>,
    /// The router's name for the session.
    pub acct_session_id: String,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// When the router last spoke of it.
    pub last_heard_at: OffsetDateTime,
    /// Octets from the customer.
    pub input_octets: u64,
    /// Octets to the customer.
    pub output_octets: u64,
    /// When access must end.
    pub cutoff_at: Option<OffsetDateTime>,
    /// When it ended, and why.
    pub ended_at: Option<OffsetDateTime>,
    /// Acct-Terminate-Cause in words.
    pub terminate_cause: Option<String>,
    /// How far a cut has come: `pending`, `acknowledged`, `refused`, `unanswered` or `proved`.
    pub cut: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) nas: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) package: Option<String>,
    pub(crate) entitlement: Option<Uuid>,
    pub(crate) user_name: String,
    pub(crate) mac: Option<String>,
    pub(crate) framed_ip: Option<String>,
    pub(crate) acct_session_id: String,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) last_heard_at: OffsetDateTime,
    pub(crate) input_octets: i64,
    pub(crate) output_octets: i64,
    pub(crate) cutoff_at: Option<OffsetDateTime>,
    pub(crate) ended_at: Option<OffsetDateTime>,
    pub(crate) terminate_cause: Option<String>,
    pub(crate) cut: Option<String>,
}

impl From<Row> for Session {
    fn from(row: Row) -> Session {
        Session {
            id: row.id,
            nas: row.nas.unwrap_or_else(|| "(removed router)".into()),
            phone: row.phone.and_then(|phone| phone.parse().ok()),
            package: row.package,
            entitlement: row.entitlement,
            user_name: row.user_name,
            mac: row.mac.and_then(|mac| mac.parse().ok()),
            framed_ip: row.framed_ip.and_then(|ip| ip.parse().ok()),
            acct_session_id: row.acct_session_id,
            started_at: row.started_at,
            last_heard_at: row.last_heard_at,
            input_octets: unsigned(row.input_octets),
            output_octets: unsigned(row.output_octets),
            cutoff_at: row.cutoff_at,
            ended_at: row.ended_at,
            terminate_cause: row.terminate_cause,
            cut: row.cut,
        }
    }
}

/// Sessions with the names that belong to them: of what stands after `FROM`, which is called `s`, and as the words after it say.
macro_rules! sessions {
    ($of:literal, $rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            $crate::session::Row,
            r#"SELECT s.id AS "id!", n.name AS "nas?", u.phone AS "phone?", e.package_name AS "package?", s.entitlement_id AS entitlement,
                      s.user_name AS "user_name!", s.mac::text AS mac, host(s.framed_ip) AS framed_ip,
                      s.acct_session_id AS "acct_session_id!", s.started_at AS "started_at!", s.last_heard_at AS "last_heard_at!",
                      s.input_octets AS "input_octets!", s.output_octets AS "output_octets!", s.cutoff_at, s.ended_at, s.terminate_cause,
                      (SELECT c.state FROM nas_commands c WHERE c.session_id = s.id AND c.kind = 'disconnect'
                       ORDER BY c.created_at DESC LIMIT 1) AS cut
               FROM "# + $of + " s LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN entitlements e ON e.id = s.entitlement_id
                    LEFT JOIN users u ON u.id = e.user_id " + $rest,
            $($argument),+
        )
    };
}
pub(crate) use sessions;

/// The open sessions, newest first.
pub async fn open(db: &Db, limit: u32) -> Result<Vec<Session>> {
    Ok(sessions!("sessions", "WHERE s.ended_at IS NULL ORDER BY s.started_at DESC, s.id LIMIT $1", i64::from(limit))
        .fetch_all(&db.pool)
        .await?
        .into_iter()
        .map(Session::from)
        .collect())
}

/// A router that was asked to end a session has so long to show that it did; after that the session *leaks*.
pub const PROOF_WITHIN: Duration = Duration::from_secs(30);

/// A session that goes on although its router was asked to end it.
#[derive(Clone, Debug)]
pub struct Leak {
    /// The session.
    pub session: Session,
    /// Since when access was over.
    pub since: OffsetDateTime,
    /// What was used without being paid for, at the package's price: of its data if that was used up, else of its time.
    /// `None` where no package says what it is worth.
    pub value: Option<Money>,
}

/// The leaking sessions, the longest leaking first.
pub async fn leaking(db: &Db, now: OffsetDateTime, limit: u32) -> Result<Vec<Leak>> {
    leaking_at(db, &SiteScope::All, now, limit).await
}

/// The same at some sites.
pub async fn leaking_at(db: &Db, sites: &SiteScope, now: OffsetDateTime, limit: u32) -> Result<Vec<Leak>> {
    let sessions = sqlx::query_as!(
        Row,
        r#"SELECT s.id, n.name AS "nas?", u.phone AS "phone?", e.package_name AS "package?", s.entitlement_id AS entitlement,
                  s.user_name, s.mac::text AS mac, host(s.framed_ip) AS framed_ip, s.acct_session_id, s.started_at,
                  s.last_heard_at, s.input_octets, s.output_octets, s.cutoff_at, s.ended_at, s.terminate_cause,
                  c.state AS "cut?"
           FROM nas_commands c JOIN sessions s ON s.id = c.session_id LEFT JOIN nas n ON n.id = s.nas_id
                LEFT JOIN entitlements e ON e.id = s.entitlement_id LEFT JOIN users u ON u.id = e.user_id
           WHERE c.state NOT IN ('proved', 'abandoned') AND c.kind = 'disconnect' AND s.ended_at IS NULL AND c.created_at <= $1
             AND (c.reason IN ('operator', 'moved') OR s.cutoff_at <= $3) AND ($4::uuid[] IS NULL OR n.site_id = ANY ($4))
           ORDER BY c.created_at, s.id LIMIT $2"#,
        now - PROOF_WITHIN,
        i64::from(limit),
        now,
        sites.filter()
    )
    .fetch_all(&db.pool)
    .await?;
    let ids: Vec<Uuid> = sessions.iter().map(|row| row.id).collect();
    let worth = sqlx::query!(
        r#"SELECT s.id, least(c.created_at, s.cutoff_at) AS "since!", p.currency AS "currency?",
                  round(coalesce(e.paid_minor, b.price_minor, p.price_minor) * CASE
                      WHEN c.reason = 'quota' AND e.used_seconds + g.seconds >= e.quota_seconds
                          THEN extract(epoch FROM $2 - least(c.created_at, s.cutoff_at)) / e.quota_seconds
                      -- Sessions that share a quota share what was used beyond it.
                      WHEN c.reason = 'quota' AND e.quota_octets IS NOT NULL THEN greatest(e.used_input_octets + e.used_output_octets + g.input_octets
                          + g.output_octets - e.quota_octets, 0) / e.quota_octets::numeric
                          / (SELECT count(*) FROM sessions o WHERE o.entitlement_id = e.id)
                      ELSE extract(epoch FROM $2 - least(c.created_at, s.cutoff_at)) / coalesce(e.duration_seconds, e.quota_seconds) END)::bigint AS minor
           FROM nas_commands c JOIN sessions s ON s.id = c.session_id
                LEFT JOIN entitlements e ON e.id = s.entitlement_id LEFT JOIN packages p ON p.id = e.package_id
                LEFT JOIN vouchers v ON v.entitlement_id = e.id LEFT JOIN voucher_batches b ON b.id = v.batch_id
                LEFT JOIN entitlement_usage g ON g.entitlement_id = e.id
           WHERE c.session_id = ANY ($1) AND c.kind = 'disconnect' AND c.state NOT IN ('proved', 'abandoned')"#,
        &ids,
        now
    )
    .fetch_all(&db.pool)
    .await?;
    let worth: HashMap<Uuid, _> = worth.into_iter().map(|row| (row.id, row)).collect();
    let leak = |row: Row| {
        let worth = worth.get(&row.id)?;
        let money = |minor| Some(Money { minor, currency: worth.currency.as_ref()?.parse().ok()? });
        Some(Leak { since: worth.since, value: worth.minor.and_then(money), session: Session::from(row) })
    };
    // What was proved between the two questions leaks no more.
    Ok(sessions.into_iter().filter_map(leak).collect())
}

/// How many sessions leak.
pub async fn count_leaking(db: &Db, now: OffsetDateTime) -> Result<u64> {
    count_leaking_at(db, &SiteScope::All, now).await
}

/// The same at some sites.
pub async fn count_leaking_at(db: &Db, sites: &SiteScope, now: OffsetDateTime) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM nas_commands c JOIN sessions s ON s.id = c.session_id
           WHERE c.state NOT IN ('proved', 'abandoned') AND c.kind = 'disconnect' AND s.ended_at IS NULL AND c.created_at <= $1
             AND (c.reason IN ('operator', 'moved') OR s.cutoff_at <= $2)
             AND ($3::uuid[] IS NULL OR s.nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($3)))"#,
        now - PROOF_WITHIN,
        now,
        sites.filter()
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}

/// The sessions that ended last, newest first, with whether a cut was proved.
pub async fn ended(db: &Db, limit: u32) -> Result<Vec<Session>> {
    Ok(sessions!(
        "(SELECT * FROM sessions_ended ORDER BY started_at DESC, id LIMIT $1)",
        "ORDER BY s.started_at DESC, s.id",
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Session::from)
    .collect())
}

/// How many sessions are open, for the metrics: router name and count.
pub async fn count_open(db: &Db) -> Result<Vec<(String, u64)>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(n.name, '(removed router)') AS "nas!", count(*) AS "count!" FROM sessions s
           LEFT JOIN nas n ON n.id = s.nas_id WHERE s.ended_at IS NULL GROUP BY 1"#
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.nas, unsigned(row.count))).collect())
}

/// Asks for the end of sessions whose deadline has passed, at most `limit`; each is taken by one server.
/// Returns how many.
pub async fn cut_due(db: &Db, now: OffsetDateTime, limit: u32) -> Result<u64> {
    let mut tx = db.begin_by_key().await?;
    let due = sqlx::query_scalar!(
        "UPDATE sessions SET cut_requested_at = $1 WHERE id IN (
             SELECT id FROM sessions WHERE cutoff_at <= $1 AND cut_requested_at IS NULL AND ended_at IS NULL
             ORDER BY cutoff_at LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING id",
        now,
        i64::from(limit)
    )
    .fetch_all(&mut *tx)
    .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let asked = request_cuts(&mut tx, &due, None, now).await?;
    tx.commit().await?;
    Ok(asked)
}

/// A device that is online, found by its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Online {
    /// The device, if its session names one.
    pub mac: Option<Mac>,
    /// What it uses.
    pub entitlement: Option<Uuid>,
    /// When its session ends.
    pub cutoff_at: Option<OffsetDateTime>,
}

/// The open session at a router with that address.
pub async fn of_address(db: &Db, nas: Uuid, address: IpAddr) -> Result<Option<Online>> {
    let row = sqlx::query!(
        r#"SELECT mac::text AS mac, entitlement_id, cutoff_at FROM sessions
           WHERE nas_id = $1 AND framed_ip = $2::text::inet AND ended_at IS NULL ORDER BY started_at DESC LIMIT 1"#,
        nas,
        address.to_string()
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.map(|row| Online {
        mac: row.mac.and_then(|mac| mac.parse().ok()),
        entitlement: row.entitlement_id,
        cutoff_at: row.cutoff_at,
    }))
}

/// Asks for changes of sessions whose happy hours have begun or ended, at most of `limit`; each is taken by one server.
/// Returns how many.
pub async fn change_speeds(db: &Db, now: OffsetDateTime, limit: u32) -> Result<u64> {
    let mut tx = db.begin_by_key().await?;
    let due = sqlx::query_scalar!(
        r#"UPDATE sessions s SET speed_changes_at = next_speed_change(e, s.nas_id, $1) FROM entitlements e
           WHERE e.id = s.entitlement_id AND s.id IN (
               SELECT id FROM sessions WHERE speed_changes_at <= $1 AND ended_at IS NULL
               ORDER BY speed_changes_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING e.id AS "id!""#,
        now,
        i64::from(limit)
    )
    .fetch_all(&mut *tx)
    .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let count = unsigned(i64::try_from(due.len()).unwrap_or(i64::MAX));
    command::ask_for_change(&mut tx, &due, now).await?;
    tx.commit().await?;
    Ok(count)
}

/// Asks for the end of one open session, for an operator's reason.
pub async fn disconnect(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    let open = sqlx::query_scalar!("SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL FOR UPDATE", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("open session", id))?;
    request_cuts(&mut tx, &[open], Some("operator"), now).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes a Disconnect to the outbox for each session. One that is under way goes on; one that waits to be tried
/// again is tried now. Without a reason given, the entitlement's state tells it; what was asked for whatever the deadline
/// says ([`crate::command`]) stays so.
pub(crate) async fn request_cuts(
    tx: &mut sqlx::PgConnection,
    sessions: &[Uuid],
    reason: Option<&str>,
    now: OffsetDateTime,
) -> Result<u64> {
    if sessions.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = sessions.iter().map(|_| rng::id(now)).collect();
    Ok(sqlx::query!(
        "INSERT INTO nas_commands (id, kind, nas_id, session_id, user_name, framed_ip, acct_session_id, reason, due_at, created_at)
         SELECT c.id, 'disconnect', s.nas_id, s.id, s.user_name, s.framed_ip, s.acct_session_id,
                coalesce($3, CASE e.state WHEN 'exhausted' THEN 'quota' WHEN 'revoked' THEN 'revoked' ELSE 'expired' END), $4, $4
         FROM unnest($1::uuid[], $2::uuid[]) AS c (id, session) JOIN sessions s ON s.id = c.session
              LEFT JOIN entitlements e ON e.id = s.entitlement_id
         ON CONFLICT (session_id, kind) WHERE state NOT IN ('proved', 'abandoned') DO UPDATE SET
             reason = CASE WHEN nas_commands.reason IN ('operator', 'moved', 'change') THEN nas_commands.reason ELSE EXCLUDED.reason END,
             due_at = CASE WHEN nas_commands.state IN ('refused', 'unanswered') THEN EXCLUDED.due_at ELSE nas_commands.due_at END,
             attempts = CASE WHEN nas_commands.state IN ('refused', 'unanswered') THEN 0 ELSE nas_commands.attempts END,
             lease_until = CASE WHEN nas_commands.state IN ('refused', 'unanswered') THEN NULL ELSE nas_commands.lease_until END,
             waits_for_router = false, trace = coalesce(EXCLUDED.trace, nas_commands.trace)",
        &ids,
        sessions,
        reason,
        now
    )
    .execute(tx)
    .await?
    .rows_affected())
}
