//! The security log: what somebody should look at who minds the place.

use std::time::Duration;

use shared::mac::Mac;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::whole_seconds;
use crate::{Db, Result};

/// What kind of thing happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A device guessed too often and is locked.
    DeviceLocked,
    /// A device tried one name too often, and may not try it for a while.
    LoginLocked,
    /// So many codes are guessed at a router that new logins wait.
    RouterGuessing,
    /// A device is online at two routers at once.
    MacCloned,
    /// A customer's session was used from another device than the one that it began on.
    SessionStolen,
    /// Codes by SMS are asked for, or they or those of screens typed, so often that it looks like somebody who wants another one's
    /// account or device, or our money.
    CodeGuessing,
    /// A report in the name of a provider of payments was signed by somebody else, or is a copy.
    ForgedReport,
    /// The owner of a card says to the bank that a payment was not theirs.
    CardDisputed,
    /// A payment that is settled was told of with another receipt, or another amount.
    MoneyDiffers,
    /// An account of the desk rests after too many wrong passwords or codes.
    StaffLocked,
    /// So many passwords or codes of the desk were tried from one address that it rests.
    StaffGuessing,
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::DeviceLocked,
        Kind::LoginLocked,
        Kind::RouterGuessing,
        Kind::MacCloned,
        Kind::SessionStolen,
        Kind::CodeGuessing,
        Kind::ForgedReport,
        Kind::CardDisputed,
        Kind::MoneyDiffers,
        Kind::StaffLocked,
        Kind::StaffGuessing,
    ];

    /// The word in the database and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::DeviceLocked => "device_locked",
            Kind::LoginLocked => "login_locked",
            Kind::RouterGuessing => "router_guessing",
            Kind::MacCloned => "mac_cloned",
            Kind::SessionStolen => "session_stolen",
            Kind::CodeGuessing => "code_guessing",
            Kind::ForgedReport => "forged_report",
            Kind::CardDisputed => "card_disputed",
            Kind::MoneyDiffers => "money_differs",
            Kind::StaffLocked => "staff_locked",
            Kind::StaffGuessing => "staff_guessing",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// At which router.
    pub nas: Option<Uuid>,
    /// Which device.
    pub mac: Option<Mac>,
    /// The beginning of the name that was typed.
    pub user_name: Option<String>,
    /// More, in words.
    pub detail: String,
}

impl Event {
    /// Something that has to do with no router and no device.
    pub fn of(kind: Kind, detail: String) -> Event {
        Event { kind, nas: None, mac: None, user_name: None, detail }
    }
}

/// The beginning of a name that was typed: it may be somebody's code.
pub fn masked(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let shown: String = text.chars().filter(|c| !c.is_control()).take(2).collect();
    format!("{shown}…")
}

/// Writes something down.
pub async fn record(db: &Db, event: &Event, now: OffsetDateTime) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    record_in(&mut connection, event, now).await
}

/// The same together with what it tells of.
pub(crate) async fn record_in(tx: &mut PgConnection, event: &Event, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO security_events (id, at, kind, nas_id, mac, user_name, detail) VALUES ($1, $2, $3, $4, $5::text::macaddr, $6, $7)",
        rng::id(now),
        now,
        event.kind.as_str(),
        event.nas,
        event.mac.map(|mac| mac.to_string()),
        event.user_name,
        event.detail
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Most events of one kind that anybody can cause from afar, an hour: the log must not be filled by them.
const SELDOM_AN_HOUR: i64 = 20;

/// Writes down what anybody can cause from afar: once an hour for the same words, and not too often for all of them.
pub async fn record_seldom(db: &Db, kind: Kind, detail: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO security_events (id, at, kind, detail) SELECT $1, $2, $3, $4
         FROM (SELECT count(*) AS all_of_it, count(*) FILTER (WHERE detail = $4) AS the_same FROM security_events
               WHERE kind = $3 AND at > $2::timestamptz - interval '1 hour') AS lately
         WHERE the_same = 0 AND all_of_it < $5",
        rng::id(now),
        now,
        kind.as_str(),
        detail,
        SELDOM_AN_HOUR
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Looks for devices that are online at several routers at once, each of which has reported them for `overlap` after the last of
/// these sessions began: longer than it takes a router to notice that a device has gone on to the next. Writes each down,
/// once an hour. Returns how many.
pub async fn find_clones(db: &Db, overlap: Duration, now: OffsetDateTime) -> Result<u64> {
    Ok(sqlx::query!(
        "INSERT INTO security_events (id, at, kind, nas_id, mac, detail)
         SELECT gen_random_uuid(), $1, 'mac_cloned', t.newest, t.mac, t.routers
         FROM (SELECT s.mac, (array_agg(s.nas_id ORDER BY s.started_at DESC))[1] AS newest,
                      string_agg(DISTINCT coalesce(n.name, '(removed router)'), ', ') AS routers
               FROM sessions s LEFT JOIN nas n ON n.id = s.nas_id
               WHERE s.mac IS NOT NULL AND s.ended_at IS NULL GROUP BY s.mac
               HAVING count(DISTINCT s.nas_id) > 1 AND min(s.last_heard_at) > max(s.started_at) + $2::bigint * interval '1 second') AS t
         WHERE NOT EXISTS (SELECT FROM security_events e
                           WHERE e.mac = t.mac AND e.kind = 'mac_cloned' AND e.at > $1::timestamptz - interval '1 hour')",
        now,
        whole_seconds(overlap)
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// An event as the desk shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// When.
    pub at: OffsetDateTime,
    /// What.
    pub event: Event,
    /// The router's name.
    pub nas: Option<String>,
}

/// The last events, newest first.
pub async fn latest(db: &Db, limit: u32) -> Result<Vec<Logged>> {
    let rows = sqlx::query!(
        r#"SELECT e.at, e.kind, e.nas_id, n.name AS "nas?", e.mac::text AS mac, e.user_name, e.detail
           FROM security_events e LEFT JOIN nas n ON n.id = e.nas_id ORDER BY e.at DESC, e.id LIMIT $1"#,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    let logged = rows.into_iter().filter_map(|row| {
        let event = Event {
            kind: Kind::parse(&row.kind)?,
            nas: row.nas_id,
            mac: row.mac.and_then(|mac| mac.parse().ok()),
            user_name: row.user_name,
            detail: row.detail,
        };
        Some(Logged { at: row.at, event, nas: row.nas })
    });
    Ok(logged.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_written_down() {
        assert_eq!(masked(b"ABCDE23456"), "AB…");
        assert_eq!(masked(b"\n\x1b[31m"), "[3…");
        assert_eq!(masked(b""), "…");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Kind::ALL.iter().all(|kind| Kind::parse(kind.as_str()) == Some(*kind)));
    }
}
