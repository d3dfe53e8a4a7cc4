//! Packages are written: added, changed, each time as the next version of what is sold, and moved in the list, which changes nothing that is
//! sold. The row is held while it is compared with what it shall be, so that versions have no gaps and two who change a package at once are
//! told.

use shared::hours::Hours;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Package, RuleColumns, hold, version};
use crate::{Db, Result, StoreError};

/// What must be there for a package to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// Whatever there is.
    Anything,
    /// No package of that short name.
    Nothing,
    /// This version of it.
    Version(u32),
}

/// Adds a package, or makes the one of that short name this one. What was sold before keeps its rules. Returns it as it stands now.
///
/// # Errors
/// [`StoreError::Conflict`], as of the next two: how it is sold makes no sense ([`shared::sale::Sale::check`]).
pub async fn save(db: &Db, package: &Package, by: &str, now: OffsetDateTime) -> Result<Package> {
    write(db, package, Expected::Anything, by, now).await
}

/// Adds a package.
///
/// # Errors
/// [`StoreError::Conflict`]: there is one of that short name.
pub async fn add(db: &Db, package: &Package, by: &str, now: OffsetDateTime) -> Result<Package> {
    write(db, package, Expected::Nothing, by, now).await
}

/// Changes a package that was read before. What was sold before keeps its rules.
///
/// # Errors
/// [`StoreError::Conflict`]: somebody has changed it since it was read.
pub async fn change(db: &Db, package: &Package, by: &str, now: OffsetDateTime) -> Result<Package> {
    write(db, package, Expected::Version(package.version), by, now).await
}

async fn write(db: &Db, package: &Package, expected: Expected, by: &str, now: OffsetDateTime) -> Result<Package> {
    package.sale.check().map_err(|problem| StoreError::Conflict(problem.to_string()))?;
    let mut tx = db.pool.begin().await?;
    let before = hold(&mut tx, &package.slug).await?;
    let taken = || StoreError::Conflict(format!("there is a package {} already", package.slug));
    match (expected, &before) {
        (Expected::Nothing, Some(_)) => return Err(taken()),
        (Expected::Version(version), before) if before.as_ref().map(|before| before.version) != Some(version) => {
            return Err(StoreError::Conflict("somebody changed it meanwhile: look at it again, then decide".into()));
        }
        _ => {}
    }
    if let Some(before) = before.as_ref().filter(|before| before.version == 0) {
        version::keep_first(&mut tx, before).await?;
    }
    let is_new = before.as_ref().is_none_or(|before| !package.is_sold_as(before));
    let written = upsert(&mut tx, package, is_new, now).await?;
    // Another one of that name was made in the same moment.
    if expected == Expected::Nothing && written.version != 1 {
        return Err(taken());
    }
    if is_new {
        version::keep(&mut tx, &written, by, now).await?;
    }
    tx.commit().await?;
    Ok(written)
}

/// Writes the row, as its next version if it `is_new`.
async fn upsert(tx: &mut PgConnection, package: &Package, is_new: bool, now: OffsetDateTime) -> Result<Package> {
    let (rules, sale) = (RuleColumns::of(&package.rules), &package.sale);
    let count = |limit: Option<u32>| limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
    let corrupt = |error: serde_json::Error| StoreError::corrupt("packages", &package.slug, error);
    let row = sqlx::query!(
        "INSERT INTO packages (id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets,
                               up_bps, down_bps, device_limit, idle_timeout_seconds, active, position, created_at, quota_seconds, hours,
                               until, quota_up_octets, quota_down_octets, burst, fair_use, device_policy, per_person, per_person_daily,
                               happy_hours, happy_up_bps, happy_down_bps, offered_from, offered_until, offered_hours, site_prices, texts,
                               version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::text::int4multirange,
                 $18, $19, $20, $21, $22, $23, $24, $25, $26::text::int4multirange, $27, $28, $29, $30, $31::text::int4multirange, $32, $33, 1)
         ON CONFLICT (slug) DO UPDATE SET name = EXCLUDED.name, price_minor = EXCLUDED.price_minor,
             currency = EXCLUDED.currency, starts = EXCLUDED.starts, duration_seconds = EXCLUDED.duration_seconds,
             quota_octets = EXCLUDED.quota_octets, up_bps = EXCLUDED.up_bps, down_bps = EXCLUDED.down_bps,
             device_limit = EXCLUDED.device_limit, idle_timeout_seconds = EXCLUDED.idle_timeout_seconds,
             active = EXCLUDED.active, position = EXCLUDED.position, quota_seconds = EXCLUDED.quota_seconds,
             hours = EXCLUDED.hours, until = EXCLUDED.until, quota_up_octets = EXCLUDED.quota_up_octets,
             quota_down_octets = EXCLUDED.quota_down_octets, burst = EXCLUDED.burst, fair_use = EXCLUDED.fair_use,
             device_policy = EXCLUDED.device_policy, per_person = EXCLUDED.per_person,
             per_person_daily = EXCLUDED.per_person_daily, happy_hours = EXCLUDED.happy_hours,
             happy_up_bps = EXCLUDED.happy_up_bps, happy_down_bps = EXCLUDED.happy_down_bps,
             offered_from = EXCLUDED.offered_from, offered_until = EXCLUDED.offered_until, offered_hours = EXCLUDED.offered_hours,
             site_prices = EXCLUDED.site_prices, texts = EXCLUDED.texts, version = packages.version + $34
         RETURNING id, version",
        package.id,
        package.slug,
        package.name,
        package.price.minor,
        package.price.currency.as_str(),
        package.starts.as_str(),
        rules.duration_seconds,
        rules.quota_octets,
        rules.up_bps,
        rules.down_bps,
        rules.device_limit,
        rules.idle_timeout_seconds,
        package.active,
        package.position,
        now,
        rules.quota_seconds,
        rules.hours,
        rules.until,
        rules.quota_up_octets,
        rules.quota_down_octets,
        rules.burst,
        &rules.fair_use,
        rules.device_policy,
        count(package.purchases.ever),
        count(package.purchases.a_day),
        rules.happy_hours,
        rules.happy_up_bps,
        rules.happy_down_bps,
        sale.from,
        sale.until,
        sale.hours.as_ref().map(Hours::to_multirange),
        serde_json::to_value(&sale.sites).map_err(corrupt)?,
        serde_json::to_value(&sale.texts).map_err(corrupt)?,
        i32::from(is_new)
    )
    .fetch_one(tx)
    .await?;
    Ok(Package { id: row.id, version: u32::try_from(row.version).unwrap_or(0), ..package.clone() })
}

/// Moves a package one place up (`earlier`) or down among those that are sold, or among those that are not. Returns whether it
/// moved: the first one stays the first.
pub async fn shift(db: &Db, id: Uuid, earlier: bool) -> Result<bool> {
    let mut tx = db.pool.begin().await?;
    let mut ids = sqlx::query_scalar!(
        "SELECT id FROM packages WHERE active = (SELECT p.active FROM packages p WHERE p.id = $1)
         ORDER BY position, price_minor, slug LIMIT 1000 FOR UPDATE",
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let here = ids.iter().position(|known| *known == id).ok_or_else(|| StoreError::missing("package", id))?;
    let there = if earlier { here.checked_sub(1) } else { Some(here + 1).filter(|there| *there < ids.len()) };
    let Some(there) = there else { return Ok(false) };
    ids.swap(here, there);
    sqlx::query!(
        "UPDATE packages p SET position = n.place::integer FROM unnest($1::uuid[]) WITH ORDINALITY AS n (id, place)
         WHERE p.id = n.id AND p.position <> n.place",
        &ids
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}
