//! Sites with all that is known of them: name, position, time zone, how many sessions they can carry.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// A site.
#[derive(Clone, PartialEq, Debug)]
pub struct Site {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Its clock, a name of the IANA database.
    pub time_zone: String,
    /// How many sessions it can carry at once; `None`: nobody said.
    pub session_limit: Option<i32>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// All sites.
pub async fn all(db: &Db) -> Result<Vec<Site>> {
    Ok(sqlx::query_as!(
        Site,
        "SELECT id, name, latitude, longitude, time_zone, session_limit, created_at FROM sites ORDER BY id DESC LIMIT 1000"
    )
    .fetch_all(&db.pool)
    .await?)
}

/// One site.
pub async fn get(db: &Db, id: Uuid) -> Result<Site> {
    sqlx::query_as!(
        Site,
        "SELECT id, name, latitude, longitude, time_zone, session_limit, created_at FROM sites WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("site", id))
}

/// Adds a site.
///
/// # Errors
/// [`StoreError::Conflict`]: another one has its name.
pub async fn add(db: &Db, site: &Site) -> Result<()> {
    sqlx::query!(
        "INSERT INTO sites (id, name, latitude, longitude, time_zone, created_at, session_limit) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        site.id,
        site.name,
        site.latitude,
        site.longitude,
        site.time_zone,
        site.created_at,
        site.session_limit
    )
    .execute(&db.pool)
    .await
    .map_err(|error| taken(error, site))?;
    Ok(())
}

/// Changes a site.
///
/// # Errors
/// [`StoreError::Conflict`]: another one has its name.
pub async fn change(db: &Db, site: &Site) -> Result<()> {
    let changed = sqlx::query!(
        "UPDATE sites SET name = $2, latitude = $3, longitude = $4, time_zone = $5, session_limit = $6 WHERE id = $1",
        site.id,
        site.name,
        site.latitude,
        site.longitude,
        site.time_zone,
        site.session_limit
    )
    .execute(&db.pool)
    .await
    .map_err(|error| taken(error, site))?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(StoreError::missing("site", site.id)) }
}

fn taken(error: sqlx::Error, site: &Site) -> StoreError {
    match StoreError::from(error) {
        StoreError::Conflict(_) => StoreError::Conflict(format!("another site is called {}", site.name)),
        other => other,
    }
}
