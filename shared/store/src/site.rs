//! Sites: the places where routers stand, with their name, position and time zone.

pub mod desk;

use std::collections::HashSet;

use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, Zone};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::accounting::SessionKey;
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

/// The routers at some sites. `None`: all routers.
pub async fn routers(db: &Db, sites: &SiteScope) -> Result<Option<HashSet<Uuid>>> {
    let Some(sites) = sites.filter() else { return Ok(None) };
    let ids = sqlx::query_scalar!("SELECT id FROM nas WHERE site_id = ANY ($1)", sites).fetch_all(&db.pool).await?;
    Ok(Some(ids.into_iter().collect()))
}

/// Refuses a session that is or was at none of these sites, as if it were not there.
pub async fn reaches_session(db: &Db, sites: &SiteScope, key: SessionKey) -> Result<()> {
    let Some(sites) = sites.filter() else { return Ok(()) };
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM (SELECT nas_id FROM sessions WHERE id = $2
                            UNION ALL SELECT nas_id FROM sessions_ended WHERE opened_on = $1 AND id = $2) s
               JOIN nas n ON n.id = s.nas_id WHERE n.site_id = ANY ($3)) AS "is_there!""#,
        key.opened_on,
        key.id,
        sites
    )
    .fetch_one(&db.pool)
    .await?;
    if is_there { Ok(()) } else { Err(StoreError::missing("session", key.id)) }
}

/// Refuses an outage that is at none of these sites, as if it were not there.
pub async fn reaches_outage(db: &Db, sites: &SiteScope, id: Uuid) -> Result<()> {
    let Some(sites) = sites.filter() else { return Ok(()) };
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM outages o JOIN nas n ON n.id = o.nas_id
                          WHERE o.id = $1 AND n.site_id = ANY ($2)) AS "is_there!""#,
        id,
        sites
    )
    .fetch_one(&db.pool)
    .await?;
    if is_there { Ok(()) } else { Err(StoreError::missing("outage", id)) }
}
