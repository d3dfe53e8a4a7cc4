//! Sessions, a page at a time: open ones and ended ones, and one of either by its identity.

use std::time::Duration;

use shared::rng;
use uuid::Uuid;

use super::After;
use crate::session::{Session, sessions};
use crate::{Db, Result, StoreError};

/// A session's identity is made when its login is accepted; the day that it is filed under may be another one near it.
const ABOUT: Duration = Duration::from_secs(2 * 86_400);

/// A page of the open sessions.
pub async fn open(db: &Db, after: After, limit: u32) -> Result<Vec<Session>> {
    Ok(sessions!(
        "sessions",
        "WHERE s.ended_at IS NULL AND s.started_at <= $1 AND (s.started_at < $1 OR s.id > $2)
         ORDER BY s.started_at DESC, s.id LIMIT $3",
        after.at,
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Session::from)
    .collect())
}

/// A page of the ended sessions.
pub async fn ended(db: &Db, after: After, limit: u32) -> Result<Vec<Session>> {
    Ok(sessions!(
        "(SELECT * FROM sessions_ended WHERE started_at <= $1 AND (started_at < $1 OR id > $2) ORDER BY started_at DESC, id LIMIT $3)",
        "ORDER BY s.started_at DESC, s.id",
        after.at,
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Session::from)
    .collect())
}

/// One session, open or ended.
pub async fn get(db: &Db, id: Uuid) -> Result<Session> {
    let open = sessions!("sessions", "WHERE s.id = $1", id).fetch_optional(&db.pool).await?;
    if let Some(open) = open {
        return Ok(open.into());
    }
    // Identities have their time in them, which says in which month to look.
    let missing = || StoreError::missing("session", id);
    let made = rng::made_at(id).ok_or_else(missing)?;
    let from = made.checked_sub(time::Duration::try_from(ABOUT).unwrap_or_default()).ok_or_else(missing)?;
    let until = made.checked_add(time::Duration::try_from(ABOUT).unwrap_or_default()).ok_or_else(missing)?;
    sessions!("sessions_ended", "WHERE s.opened_on BETWEEN $2 AND $3 AND s.id = $1", id, from.date(), until.date())
        .fetch_optional(&db.pool)
        .await?
        .map(Session::from)
        .ok_or_else(missing)
}
