//! Packages: what is sold, with the rules that an entitlement freezes at the sale.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::hours::Hours;
use shared::money::Money;
use shared::rate::Rate;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// A package on sale.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Package {
    /// Its identity.
    pub id: Uuid,
    /// Its short name in commands and URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The price.
    pub price: Money,
    /// When the clock starts.
    pub starts: Starts,
    /// How long access lasts.
    pub duration: Option<Duration>,
    /// Octets allowed, up and down together.
    pub quota_octets: Option<u64>,
    /// Time that may be spent online, on all devices together; it counts only while somebody is online.
    pub quota_time: Option<Duration>,
    /// When in the week it may be used, in the time of the place; `None` is always.
    pub hours: Option<Hours>,
    /// Speed limit.
    pub rate: Option<Rate>,
    /// Devices that may share it.
    pub device_limit: u32,
    /// Idle time after which the router ends a session.
    pub idle_timeout: Option<Duration>,
    /// Whether it is offered.
    pub active: bool,
    /// Place in lists, low first.
    pub position: i32,
}

/// When the clock of an entitlement starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// When it is paid.
    Purchase,
    /// At the first Access-Accept.
    FirstLogin,
}

impl Starts {
    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Starts::Purchase => "purchase",
            Starts::FirstLogin => "first_login",
        }
    }
}

struct Row {
    id: Uuid,
    slug: String,
    name: String,
    price_minor: i64,
    currency: String,
    starts: String,
    duration_seconds: Option<i64>,
    quota_octets: Option<i64>,
    quota_seconds: Option<i64>,
    hours: Option<String>,
    up_bps: Option<i64>,
    down_bps: Option<i64>,
    device_limit: i32,
    idle_timeout_seconds: Option<i32>,
    active: bool,
    position: i32,
}

impl TryFrom<Row> for Package {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Package> {
        let currency = row.currency.parse().map_err(|e| StoreError::corrupt("packages", &row.slug, e))?;
        Ok(Package {
            price: Money { minor: row.price_minor, currency },
            starts: if row.starts == "purchase" { Starts::Purchase } else { Starts::FirstLogin },
            duration: seconds(row.duration_seconds),
            quota_octets: row.quota_octets.map(unsigned),
            quota_time: seconds(row.quota_seconds),
            hours: hours(row.hours, "packages", &row.slug)?,
            rate: rate(row.up_bps, row.down_bps),
            device_limit: u32::try_from(row.device_limit).unwrap_or(1),
            idle_timeout: seconds(row.idle_timeout_seconds.map(i64::from)),
            id: row.id,
            slug: row.slug,
            name: row.name,
            active: row.active,
            position: row.position,
        })
    }
}

/// What is offered at a site (`None`: everywhere), in order.
pub async fn offered(db: &Db, site: Option<Uuid>) -> Result<Vec<Package>> {
    sqlx::query_as!(
        Row,
        "SELECT id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets, quota_seconds, hours::text AS hours, up_bps, down_bps,
                device_limit, idle_timeout_seconds, active, position
         FROM packages WHERE active AND (site_id IS NULL OR site_id = $1) ORDER BY position, price_minor, slug LIMIT 100",
        site
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Package::try_from)
    .collect()
}

/// All packages, also those no longer offered.
pub async fn all(db: &Db) -> Result<Vec<Package>> {
    sqlx::query_as!(
        Row,
        "SELECT id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets, quota_seconds, hours::text AS hours, up_bps, down_bps,
                device_limit, idle_timeout_seconds, active, position
         FROM packages ORDER BY active DESC, position, price_minor, slug LIMIT 1000"
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Package::try_from)
    .collect()
}

/// The package of that short name.
pub async fn by_slug(db: &Db, slug: &str) -> Result<Package> {
    sqlx::query_as!(
        Row,
        "SELECT id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets, quota_seconds, hours::text AS hours, up_bps, down_bps,
                device_limit, idle_timeout_seconds, active, position
         FROM packages WHERE slug = $1",
        slug
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("package", slug))?
    .try_into()
}

/// The package with that identity.
pub async fn by_id(db: &Db, id: Uuid) -> Result<Package> {
    sqlx::query_as!(
        Row,
        "SELECT id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets, quota_seconds, hours::text AS hours, up_bps, down_bps,
                device_limit, idle_timeout_seconds, active, position
         FROM packages WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("package", id))?
    .try_into()
}

/// Adds a package, or changes the one with that slug. What was sold before keeps its rules.
pub async fn save(db: &Db, package: &Package, now: OffsetDateTime) -> Result<Uuid> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO packages (id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets,
                               up_bps, down_bps, device_limit, idle_timeout_seconds, active, position, created_at, quota_seconds, hours)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::text::int4multirange)
         ON CONFLICT (slug) DO UPDATE SET name = EXCLUDED.name, price_minor = EXCLUDED.price_minor,
             currency = EXCLUDED.currency, starts = EXCLUDED.starts, duration_seconds = EXCLUDED.duration_seconds,
             quota_octets = EXCLUDED.quota_octets, up_bps = EXCLUDED.up_bps, down_bps = EXCLUDED.down_bps,
             device_limit = EXCLUDED.device_limit, idle_timeout_seconds = EXCLUDED.idle_timeout_seconds,
             active = EXCLUDED.active, position = EXCLUDED.position, quota_seconds = EXCLUDED.quota_seconds,
             hours = EXCLUDED.hours
         RETURNING id",
        package.id,
        package.slug,
        package.name,
        package.price.minor,
        package.price.currency.as_str(),
        package.starts.as_str(),
        package.duration.map(whole_seconds),
        package.quota_octets.map(signed),
        package.rate.map(|rate| signed(rate.up_bps)),
        package.rate.map(|rate| signed(rate.down_bps)),
        i32::try_from(package.device_limit).unwrap_or(i32::MAX),
        package.idle_timeout.map(|t| i32::try_from(t.as_secs()).unwrap_or(i32::MAX)),
        package.active,
        package.position,
        now,
        package.quota_time.map(whole_seconds),
        package.hours.as_ref().map(Hours::to_multirange)
    )
    .fetch_one(&db.pool)
    .await?)
}

/// Reads hours as PostgreSQL writes them.
pub(crate) fn hours(text: Option<String>, table: &'static str, key: impl std::fmt::Display) -> Result<Option<Hours>> {
    let read =
        |text: String| Hours::from_multirange(&text).ok_or_else(|| StoreError::corrupt(table, key, "unknown hours"));
    text.map(read).transpose()
}

// Numbers cross between Rust's unsigned and PostgreSQL's signed here; CHECKs keep the columns non-negative.

pub(crate) fn seconds(value: Option<i64>) -> Option<Duration> {
    value.map(|s| Duration::from_secs(unsigned(s)))
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn whole_seconds(value: Duration) -> i64 {
    signed(value.as_secs())
}

pub(crate) fn rate(up: Option<i64>, down: Option<i64>) -> Option<Rate> {
    Some(Rate { up_bps: unsigned(up?), down_bps: unsigned(down?) })
}
