//! Looking back: a session's own story, a customer's sessions, and what was used where. Everything here reads one
//! partition, or as many as its answer needs.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::accounting::{Counters, Hours, SessionKey, hours_of};
use crate::session::{Row, Session};
use crate::{Db, Result, StoreError};

/// A session and all that is known of how it went.
#[derive(Clone, Debug)]
pub struct Story {
    /// The session.
    pub session: Session,
    /// Whether it was closed without a Stop.
    pub is_lost: bool,
    /// What it used in which hour, as far as that is still kept.
    pub hours: Hours,
    /// What was asked of the router about it, the first first.
    pub commands: Vec<Asked>,
}

/// Something that was asked of a router about a session.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `disconnect` or `coa`.
    pub kind: String,
    /// Why, in a word.
    pub reason: String,
    /// How far it has come.
    pub state: String,
    /// Error-Cause of the last refusal.
    pub error_cause: Option<i32>,
    /// Transmissions begun.
    pub attempts: i32,
    /// When it was wanted.
    pub asked_at: OffsetDateTime,
    /// When the router last answered.
    pub answered_at: Option<OffsetDateTime>,
    /// When the session's end proved it.
    pub proved_at: Option<OffsetDateTime>,
}

/// The story of the session with that key, open or ended.
pub async fn story(db: &Db, key: SessionKey) -> Result<Story> {
    let found = sqlx::query!(
        r#"SELECT s.id AS "id!", n.name AS "nas?", u.phone AS "phone?", e.package_name AS "package?",
                  s.entitlement_id AS entitlement, s.user_name AS "user_name!", s.mac::text AS mac,
                  host(s.framed_ip) AS framed_ip, s.acct_session_id AS "acct_session_id!", s.started_at AS "started_at!",
                  s.last_heard_at AS "last_heard_at!", s.input_octets AS "input_octets!", s.output_octets AS "output_octets!",
                  s.cutoff_at, s.ended_at, s.terminate_cause, s.lost AS "lost!"
           FROM (SELECT id, nas_id, entitlement_id, user_name, mac, framed_ip, acct_session_id, started_at, last_heard_at,
                        input_octets, output_octets, cutoff_at, ended_at, terminate_cause, lost
                 FROM sessions WHERE id = $2
                 UNION ALL
                 SELECT id, nas_id, entitlement_id, user_name, mac, framed_ip, acct_session_id, started_at, last_heard_at,
                        input_octets, output_octets, cutoff_at, ended_at, terminate_cause, lost
                 FROM sessions_ended WHERE opened_on = $1 AND id = $2) s
                LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN entitlements e ON e.id = s.entitlement_id
                LEFT JOIN users u ON u.id = e.user_id
           LIMIT 1"#,
        key.opened_on,
        key.id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("session", key.id))?;
    let commands = sqlx::query_as!(
        Asked,
        "SELECT kind, reason, state, error_cause, attempts, created_at AS asked_at, answered_at, proved_at
         FROM nas_commands WHERE session_id = $1 ORDER BY created_at, id",
        key.id
    )
    .fetch_all(&db.pool)
    .await?;
    let row = Row {
        id: found.id,
        nas: found.nas,
        phone: found.phone,
        package: found.package,
        entitlement: found.entitlement,
        user_name: found.user_name,
        mac: found.mac,
        framed_ip: found.framed_ip,
        acct_session_id: found.acct_session_id,
        started_at: found.started_at,
        last_heard_at: found.last_heard_at,
        input_octets: found.input_octets,
        output_octets: found.output_octets,
        cutoff_at: found.cutoff_at,
        ended_at: found.ended_at,
        terminate_cause: found.terminate_cause,
        cut: commands.iter().rfind(|asked| asked.kind == "disconnect").map(|asked| asked.state.clone()),
    };
    let hours = hours_of(db, key).await?;
    Ok(Story { session: Session::from(row), is_lost: found.lost, hours, commands })
}

/// The ended sessions of a customer, newest first, from `before` on.
pub async fn of_customer(db: &Db, user: Uuid, before: OffsetDateTime, limit: u32) -> Result<Vec<Session>> {
    Ok(sqlx::query_as!(
        Row,
        r#"SELECT s.id, n.name AS "nas?", u.phone AS "phone?", e.package_name AS "package?", s.entitlement_id AS entitlement,
                  s.user_name, s.mac::text AS mac, host(s.framed_ip) AS framed_ip, s.acct_session_id, s.started_at,
                  s.last_heard_at, s.input_octets, s.output_octets, s.cutoff_at, s.ended_at, s.terminate_cause,
                  (SELECT c.state FROM nas_commands c WHERE c.session_id = s.id AND c.kind = 'disconnect'
                   ORDER BY c.created_at DESC LIMIT 1) AS cut
           FROM entitlements e JOIN sessions_ended s ON s.entitlement_id = e.id
                LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN users u ON u.id = e.user_id
           WHERE e.user_id = $1 AND s.started_at < $2 ORDER BY s.started_at DESC, s.id LIMIT $3"#,
        user,
        before,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Session::from)
    .collect())
}

/// What was used in a time, of one kind of thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Used {
    /// Its name; `None`: it has none, or is not there any more.
    pub name: Option<String>,
    /// Octets and seconds.
    pub used: Counters,
}

/// By what usage is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The router's site.
    Site,
    /// The router.
    Nas,
    /// The package that was used.
    Package,
    /// The customer, by phone number.
    User,
}

/// Usage of the hours from `from` until before `until`, the most first, at most `limit` names.
pub async fn usage(db: &Db, by: By, from: OffsetDateTime, until: OffsetDateTime, limit: u32) -> Result<Vec<Used>> {
    // First the sums of what stands in the hours, then the names of those few.
    let (kind, limit) = (by as i32, i64::from(limit));
    let rows = sqlx::query!(
        r#"SELECT name, sum(input)::bigint AS "input!", sum(output)::bigint AS "output!", sum(seconds)::bigint AS "seconds!"
           FROM (
               SELECT (SELECT CASE $1::integer WHEN 0 THEN t.name ELSE n.name END
                       FROM nas n LEFT JOIN sites t ON t.id = n.site_id WHERE n.id = h.nas_id) AS name,
                      h.input, h.output, h.seconds
               FROM (SELECT nas_id, sum(input_octets) AS input, sum(output_octets) AS output, sum(seconds) AS seconds
                     FROM usage_hourly WHERE hour >= $2 AND hour < $3 AND $1 IN (0, 1) GROUP BY nas_id) h
               UNION ALL
               SELECT (SELECT CASE $1::integer WHEN 2 THEN e.package_name ELSE u.phone END
                       FROM entitlements e LEFT JOIN users u ON u.id = e.user_id WHERE e.id = h.entitlement_id) AS name,
                      h.input, h.output, h.seconds
               FROM (SELECT entitlement_id, sum(input_octets) AS input, sum(output_octets) AS output, sum(seconds) AS seconds
                     FROM usage_hourly WHERE hour >= $2 AND hour < $3 AND $1 IN (2, 3) GROUP BY entitlement_id) h) named
           GROUP BY name ORDER BY sum(input) + sum(output) DESC, name LIMIT $4"#,
        kind,
        from,
        until,
        limit
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Used {
            name: row.name,
            used: Counters { seconds: row.seconds, input: row.input, output: row.output },
        })
        .collect())
}
