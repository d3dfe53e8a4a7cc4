//! Sites as the desk lists and changes them. Deadlines and happy hours of open sessions follow the clock of their site by a trigger.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// Sites that are shown at most.
const MANY: i64 = 1_000;

/// A site.
#[derive(Clone, PartialEq, Debug)]
pub struct Site {
    /// Identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where it is, in degrees: latitude and longitude.
    pub position: Option<(f64, f64)>,
    /// Its clock, by its name in the IANA database.
    pub time_zone: String,
    /// How many sessions it can carry at once; `None`: nobody said.
    pub session_limit: Option<u32>,
    /// How many routers stand there.
    pub routers: u64,
}

/// What can be changed of a site.
#[derive(Clone, PartialEq, Debug)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// Where it is, in degrees: latitude and longitude.
    pub position: Option<(f64, f64)>,
    /// Its clock, by its name in the IANA database.
    pub time_zone: String,
    /// How many sessions it can carry at once; `None`: nobody said.
    pub session_limit: Option<u32>,
}

/// The sites that somebody is not kept from, by name.
pub async fn list(db: &Db, sites: &SiteScope) -> Result<Vec<Site>> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.name, s.latitude, s.longitude, s.time_zone, s.session_limit,
                  (SELECT count(*) FROM nas n WHERE n.site_id = s.id) AS "routers!"
           FROM sites s WHERE $1::uuid[] IS NULL OR s.id = ANY ($1) ORDER BY s.name, s.id LIMIT $2"#,
        sites.filter() as Option<&[Uuid]>,
        MANY
    )
    .fetch_all(&db.pool)
    .await?;
    let rows = rows.into_iter().map(|row| Site {
        id: row.id,
        name: row.name,
        position: row.latitude.zip(row.longitude),
        time_zone: row.time_zone,
        session_limit: row.session_limit.and_then(|limit| u32::try_from(limit).ok()),
        routers: u64::try_from(row.routers).unwrap_or(0),
    });
    Ok(rows.collect())
}

/// One site.
pub async fn get(db: &Db, sites: &SiteScope, id: Uuid) -> Result<Site> {
    let found = list(db, sites).await?.into_iter().find(|site| site.id == id);
    found.ok_or_else(|| StoreError::missing("site", id))
}

/// Adds a site.
///
/// # Errors
/// [`StoreError::Conflict`]: there is one of that name.
pub async fn add(db: &Db, id: Uuid, wish: &Wish, now: OffsetDateTime) -> Result<()> {
    let added = sqlx::query!(
        "INSERT INTO sites (id, name, latitude, longitude, time_zone, created_at, session_limit) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (name) DO NOTHING",
        id,
        wish.name,
        wish.position.map(|(latitude, _)| latitude),
        wish.position.map(|(_, longitude)| longitude),
        wish.time_zone,
        now,
        column(wish.session_limit)
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if added == 1 { Ok(()) } else { Err(StoreError::Conflict(taken(&wish.name))) }
}

/// Changes a site.
///
/// # Errors
/// [`StoreError::Conflict`]: another one has that name.
pub async fn change(db: &Db, id: Uuid, wish: &Wish) -> Result<()> {
    let changed = sqlx::query!(
        "UPDATE sites SET name = $2, latitude = $3, longitude = $4, time_zone = $5, session_limit = $6
         WHERE id = $1 AND NOT EXISTS (SELECT FROM sites o WHERE o.name = $2 AND o.id <> $1)",
        id,
        wish.name,
        wish.position.map(|(latitude, _)| latitude),
        wish.position.map(|(_, longitude)| longitude),
        wish.time_zone,
        column(wish.session_limit)
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if changed == 1 {
        return Ok(());
    }
    get(db, &SiteScope::All, id).await?;
    Err(StoreError::Conflict(taken(&wish.name)))
}

/// A limit as its column has it. What no column holds is none: forms take no such number.
fn column(limit: Option<u32>) -> Option<i32> {
    limit.and_then(|limit| i32::try_from(limit).ok())
}

fn taken(name: &str) -> String {
    format!("there is a site {name} already")
}

/// The names of all clocks, as PostgreSQL knows them: regions and places, none of the old short names.
pub async fn clocks(db: &Db) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT name AS "name!" FROM pg_timezone_names
           WHERE name ~ '^(Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/' ORDER BY name"#
    )
    .fetch_all(&db.pool)
    .await?)
}

/// The routers at the sites that somebody is not kept from, by name: identity and name.
pub async fn routers(db: &Db, sites: &SiteScope) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        "SELECT id, name FROM nas WHERE $1::uuid[] IS NULL OR site_id = ANY ($1) ORDER BY name, id LIMIT 2000",
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// The routers of one site.
pub async fn routers_of(db: &Db, site: Uuid) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT id FROM nas WHERE site_id = $1 ORDER BY id", site).fetch_all(&db.pool).await?)
}
