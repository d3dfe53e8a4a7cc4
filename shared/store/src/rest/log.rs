//! The security log and the audit log, a page at a time.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::{Db, Result};

/// Something that somebody should look at who minds the place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityEvent {
    /// Its identity.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// What kind, by its name.
    pub kind: String,
    /// At which router, by its name.
    pub nas: Option<String>,
    /// Which device.
    pub mac: Option<String>,
    /// The beginning of the name that was typed.
    pub user_name: Option<String>,
    /// More, in words.
    pub detail: String,
}

/// A page of the security log.
pub async fn security(db: &Db, after: After, limit: u32) -> Result<Vec<SecurityEvent>> {
    Ok(sqlx::query_as!(
        SecurityEvent,
        r#"SELECT e.id, e.at, e.kind, n.name AS "nas?", upper(e.mac::text) AS mac, e.user_name, e.detail
           FROM security_events e LEFT JOIN nas n ON n.id = e.nas_id
           WHERE e.at <= $1 AND (e.at < $1 OR e.id > $2) ORDER BY e.at DESC, e.id LIMIT $3"#,
        after.at,
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// A line of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To which thing.
    pub object: String,
    /// From where.
    pub address: Option<String>,
    /// What chains it to the line before.
    pub hash: Vec<u8>,
}

impl Line {
    /// Its place in the list.
    pub fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.at, Uuid::from_u128(u128::try_from(self.id).unwrap_or(0)))
    }
}

/// A page of the audit log, or of what somebody did.
pub async fn audit(db: &Db, actor: Option<&str>, after: After, limit: u32) -> Result<Vec<Line>> {
    Ok(sqlx::query_as!(
        Line,
        "SELECT id, at, actor, action, object, host(address) AS address, hash FROM admin_logs
         WHERE id < $1 AND ($2::text IS NULL OR actor = $2) ORDER BY id DESC LIMIT $3",
        i64::try_from(after.id.as_u128()).unwrap_or(i64::MAX),
        actor,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}
