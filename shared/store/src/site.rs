//! Sites: the places where routers stand, with their name, position and time zone.

use shared::time::{OffsetDateTime, Zone};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// The site of that name, made if it is not there.
pub async fn ensure(db: &Db, id: Uuid, name: &str, now: OffsetDateTime) -> Result<Uuid> {
    let id = sqlx::query_scalar!(
        "INSERT INTO sites (id, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id",
        id,
        name,
        now
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(id)
}

/// All sites with their names, by name.
pub async fn all(db: &Db) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!("SELECT id, name FROM sites ORDER BY name, id LIMIT 1000").fetch_all(&db.pool).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// The site of that name.
pub async fn by_name(db: &Db, name: &str) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT id FROM sites WHERE name = $1", name)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("site", name))
}

/// The clock of a site; where none is said, that of East Africa.
pub(crate) async fn zone(connection: &mut PgConnection, site: Option<Uuid>) -> Result<Zone> {
    let name = match site {
        Some(site) => {
            sqlx::query_scalar!("SELECT time_zone FROM sites WHERE id = $1", site).fetch_optional(connection).await?
        }
        None => None,
    };
    Ok(name.and_then(|name| Zone::named(&name)).unwrap_or_default())
}
