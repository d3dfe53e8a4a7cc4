//! Devices that opened the portal's page: when, behind which router, how far their guest came, and what the router said.
//!
//! The redirect that brings a guest is unsigned, so whoever knows a router's login address can invent devices. What they cost is
//! bounded: an hour of a device at a router is one row, and a router has no more than [`AN_HOUR`] of them in an hour. It proves
//! nothing, and nothing is decided by it; whoever helps a customer reads it in [`crate::timeline`].

use std::time::Duration;

use shared::mac::Mac;
use shared::time::{OffsetDateTime, hour_of};
use uuid::Uuid;

use crate::{Db, Result};

/// How long they are kept, as refused logins are.
pub const KEPT: Duration = crate::refusal::KEPT;
/// Most devices that are remembered of one router in one hour: far more than a hotspot holds.
const AN_HOUR: i64 = 5000;
/// Characters of what a router said that are kept.
const SAID: usize = 200;
/// Most rows that are forgotten at once.
const FORGOTTEN_AT_ONCE: i64 = 5000;

/// How far a guest came at the portal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// The packages were shown, or the order that is under way.
    Shown,
    /// A package was chosen.
    Chosen,
    /// The payment was begun.
    Paying,
}

impl Step {
    /// The number in the database.
    fn number(self) -> i16 {
        match self {
            Step::Shown => 1,
            Step::Chosen => 2,
            Step::Paying => 3,
        }
    }

    /// Reads that number.
    pub(crate) fn of(number: i16) -> Step {
        match number {
            3.. => Step::Paying,
            2 => Step::Chosen,
            _ => Step::Shown,
        }
    }
}

/// A device at the portal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visited {
    /// The router that sent it.
    pub nas: Uuid,
    /// The device, as the redirect says.
    pub mac: Mac,
    /// How far its guest came.
    pub step: Step,
    /// What the router said, if it said something.
    pub said: String,
}

/// Remembers that a device was here.
pub async fn record(db: &Db, visited: &Visited, now: OffsetDateTime) -> Result<()> {
    let said: String = visited.said.chars().filter(|c| !c.is_control()).take(SAID).collect();
    sqlx::query!(
        "INSERT INTO device_visits AS v (nas_id, hour, mac, step, said, first_at, last_at, times)
         SELECT $1::uuid, $2::timestamptz, $3::text::macaddr, $4::smallint, $5::text, $6::timestamptz, $6, 1
         WHERE (SELECT count(*) FROM device_visits WHERE nas_id = $1 AND hour = $2) < $7
            OR EXISTS (SELECT FROM device_visits WHERE nas_id = $1 AND hour = $2 AND mac = $3::text::macaddr)
         ON CONFLICT (nas_id, hour, mac) DO UPDATE SET step = greatest(v.step, EXCLUDED.step), times = least(v.times, 1000000) + 1,
             said = CASE WHEN EXCLUDED.said = '' THEN v.said ELSE EXCLUDED.said END,
             first_at = least(v.first_at, EXCLUDED.first_at), last_at = greatest(v.last_at, EXCLUDED.last_at)",
        visited.nas,
        hour_of(now),
        visited.mac.to_string(),
        visited.step.number(),
        said,
        now,
        AN_HOUR
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// A device that was at the portal and has no access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stranger {
    /// Its address, as the redirect said.
    pub mac: Mac,
    /// When it was last there.
    pub at: OffsetDateTime,
}

/// The devices that a router has sent to the portal since then and that have no access, the newest first: one of them may be a phone
/// that has made itself a new address.
pub async fn strangers(
    db: &Db,
    nas: Uuid,
    since: OffsetDateTime,
    limit: u32,
    now: OffsetDateTime,
) -> Result<Vec<Stranger>> {
    let rows = sqlx::query!(
        r#"SELECT v.mac::text AS "mac!", max(v.last_at) AS "at!" FROM device_visits v
           WHERE v.nas_id = $1 AND v.hour >= $2 AND v.last_at >= $3
             AND NOT EXISTS (SELECT FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
                             WHERE d.mac = v.mac AND e.state = 'active' AND (e.expires_at IS NULL OR e.expires_at > $4))
           GROUP BY v.mac ORDER BY max(v.last_at) DESC LIMIT $5"#,
        nas,
        hour_of(since),
        since,
        now,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some(Stranger { mac: row.mac.parse().ok()?, at: row.at })).collect())
}

/// Forgets what has been kept long enough, some thousands at a time. Returns whether there is more.
pub async fn forget(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let gone = sqlx::query!(
        "DELETE FROM device_visits WHERE ctid = ANY (ARRAY(SELECT ctid FROM device_visits WHERE hour < $1 ORDER BY hour LIMIT $2))",
        now - KEPT,
        FORGOTTEN_AT_ONCE
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(i64::try_from(gone).unwrap_or(i64::MAX) >= FORGOTTEN_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_what_they_write_and_go_forward() {
        for step in [Step::Shown, Step::Chosen, Step::Paying] {
            assert_eq!(Step::of(step.number()), step);
        }
        assert!(Step::Shown < Step::Chosen && Step::Chosen < Step::Paying);
    }
}
