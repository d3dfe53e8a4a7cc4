//! What the desk changes about a router, and what it counts: the name, the site and where that is, the hosts of its login page; and how
//! often the router has done lately what it was told.

use std::collections::HashMap;

use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// A place on the map, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Position {
    /// North of the equator; −90 to 90.
    pub latitude: f64,
    /// East of Greenwich; −180 to 180.
    pub longitude: f64,
}

/// What a router is to be from now on.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its site, made if it is new; `None`: it has none.
    pub site: Option<&'a str>,
    /// Hosts that its login page names.
    pub hotspot_hosts: &'a [String],
}

/// Changes a router.
pub async fn edit(db: &Db, id: Uuid, edit: &Edit<'_>, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    let site = match edit.site {
        Some(name) => Some(
            sqlx::query_scalar!(
                "INSERT INTO sites (id, name, created_at) VALUES ($1, $2, $3)
                 ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id",
                rng::id(now),
                name,
                now
            )
            .fetch_one(&mut *tx)
            .await?,
        ),
        None => None,
    };
    let changed = sqlx::query!(
        "UPDATE nas SET name = $2, site_id = $3, hotspot_hosts = $4 WHERE id = $1",
        id,
        edit.name,
        site as Option<Uuid>,
        edit.hotspot_hosts
    )
    .execute(&mut *tx)
    .await
    .map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
        Some("nas_name_key") => StoreError::Conflict(format!("another router is called {}", edit.name)),
        _ => error.into(),
    })?
    .rows_affected();
    if changed != 1 {
        return Err(StoreError::missing("router", id));
    }
    tx.commit().await?;
    Ok(())
}

/// Says where the site of a router is; `None`: nobody knows.
pub async fn set_position(db: &Db, id: Uuid, position: Option<Position>) -> Result<()> {
    let changed = sqlx::query!(
        "UPDATE sites SET latitude = $2, longitude = $3 WHERE id = (SELECT site_id FROM nas WHERE id = $1)",
        id,
        position.map(|position| position.latitude),
        position.map(|position| position.longitude)
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict("the router stands at no site yet: name its site first".into()))
    }
}

/// Where a router's site is.
pub async fn position(db: &Db, id: Uuid) -> Result<Option<Position>> {
    let row =
        sqlx::query!("SELECT s.latitude, s.longitude FROM nas n JOIN sites s ON s.id = n.site_id WHERE n.id = $1", id)
            .fetch_optional(&db.pool)
            .await?;
    Ok(row.and_then(|row| Some(Position { latitude: row.latitude?, longitude: row.longitude? })))
}

/// What became of the commands to a router.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Outcomes {
    /// It acknowledged them, or proved that they were done.
    pub done: u64,
    /// It refused them, or did not answer.
    pub failed: u64,
}

/// The same for each router, of commands since then. A router that was told nothing is not among them.
pub async fn outcomes(db: &Db, since: OffsetDateTime) -> Result<HashMap<Uuid, Outcomes>> {
    let rows = sqlx::query!(
        r#"SELECT nas_id, count(*) FILTER (WHERE state IN ('acknowledged', 'proved')) AS "done!",
                  count(*) FILTER (WHERE state IN ('refused', 'unanswered')) AS "failed!"
           FROM nas_commands WHERE created_at >= $1 GROUP BY nas_id"#,
        since
    )
    .fetch_all(&db.pool)
    .await?;
    let outcomes = |done, failed| Outcomes { done: unsigned(done), failed: unsigned(failed) };
    Ok(rows.into_iter().map(|row| (row.nas_id, outcomes(row.done, row.failed))).collect())
}

/// A command to a router, as the desk lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// When.
    pub at: OffsetDateTime,
    /// `disconnect` or `coa`.
    pub kind: String,
    /// Why, in a word.
    pub reason: String,
    /// What became of it.
    pub state: String,
    /// Whose session.
    pub user_name: String,
    /// Error-Cause of a refusal.
    pub error_cause: Option<i32>,
}

/// The last commands to a router, newest first.
pub async fn told(db: &Db, id: Uuid, since: OffsetDateTime, limit: u32) -> Result<Vec<Told>> {
    Ok(sqlx::query_as!(
        Told,
        "SELECT created_at AS at, kind, reason, state, user_name, error_cause FROM nas_commands
         WHERE nas_id = $1 AND created_at >= $2 ORDER BY created_at DESC, id LIMIT $3",
        id,
        since,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}
