//! Packages: what is sold, with the rules that an entitlement freezes at the sale.
//!
//! [`offered`] gives what can be bought at a site at a moment, each at its price there: the page shows these, and an order is made of
//! one of them. Whatever changes what is sold goes through [`save`], [`add`] or [`change`], which keep each [`version`] of it; an order
//! has the package as it was, and says which version that is.

pub mod version;
mod writing;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::hours::Hours;
use shared::money::Money;
use shared::rate::Rate;
use shared::rules::{DevicePolicy, FairUse, HappyHours, Rules, Until};
use shared::sale::{NotOffered, Sale};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::writing::{add, change, save, shift};
use crate::money::money;
use crate::{Db, Result, StoreError, site};

/// Most packages that are shown to a customer, and of which there are any.
const MOST_OFFERED: usize = 100;

/// A package on sale.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Package {
    /// Its identity.
    pub id: Uuid,
    /// Its short name in commands and URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The price: the usual one, or in what [`offered`] gives, the one at the site.
    pub price: Money,
    /// When the clock starts.
    pub starts: Starts,
    /// What it allows.
    #[serde(flatten)]
    pub rules: Rules,
    /// How often one person, or one device, may buy it.
    #[serde(default)]
    pub purchases: Purchases,
    /// Whether it is sold at all.
    pub active: bool,
    /// Place in lists, low first.
    pub position: i32,
    /// When, where, for how much and under what words it is sold.
    #[serde(default)]
    pub sale: Sale,
    /// Which of its versions this is; 0: none that is kept.
    #[serde(default)]
    pub version: u32,
}

impl Package {
    /// The same at its price at a site.
    ///
    /// # Errors
    /// Why it cannot be bought there at this moment.
    fn at(self, site: Option<Uuid>, now: OffsetDateTime, minute: u16) -> std::result::Result<Package, NotOffered> {
        self.sale.offered(now, minute, site)?;
        let price = self.sale.price_at(self.price, site).ok_or(NotOffered::NotHere)?;
        Ok(Package { price, ..self })
    }

    /// Whether the same is sold as before. The place in lists is nothing that is sold.
    fn is_sold_as(&self, before: &Package) -> bool {
        let same = Package { id: before.id, position: before.position, version: before.version, ..self.clone() };
        same == *before
    }
}

/// How often one person, or one device, may buy a package; `None` is without limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Purchases {
    /// Ever.
    pub ever: Option<u32>,
    /// On one day of the place.
    pub a_day: Option<u32>,
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

    /// Reads the database's spelling.
    pub(crate) fn parse(text: &str) -> Starts {
        if text == "purchase" { Starts::Purchase } else { Starts::FirstLogin }
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
    until: Option<String>,
    quota_up_octets: Option<i64>,
    quota_down_octets: Option<i64>,
    burst: Option<String>,
    fair_use: Vec<i64>,
    happy_hours: Option<String>,
    happy_up_bps: Option<i64>,
    happy_down_bps: Option<i64>,
    device_policy: String,
    per_person: Option<i32>,
    per_person_daily: Option<i32>,
    active: bool,
    position: i32,
    offered_from: Option<OffsetDateTime>,
    offered_until: Option<OffsetDateTime>,
    offered_hours: Option<String>,
    site_prices: serde_json::Value,
    texts: serde_json::Value,
    version: i32,
}

/// The rules' columns of a row that has them all.
macro_rules! rule_columns {
    ($row:ident) => {
        $crate::package::RuleColumns {
            duration_seconds: $row.duration_seconds,
            until: $row.until,
            quota_octets: $row.quota_octets,
            quota_up_octets: $row.quota_up_octets,
            quota_down_octets: $row.quota_down_octets,
            quota_seconds: $row.quota_seconds,
            hours: $row.hours,
            up_bps: $row.up_bps,
            down_bps: $row.down_bps,
            burst: $row.burst,
            fair_use: $row.fair_use,
            happy_hours: $row.happy_hours,
            happy_up_bps: $row.happy_up_bps,
            happy_down_bps: $row.happy_down_bps,
            device_limit: $row.device_limit,
            device_policy: $row.device_policy,
            idle_timeout_seconds: $row.idle_timeout_seconds,
        }
    };
}
pub(crate) use rule_columns;

impl TryFrom<Row> for Package {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Package> {
        let slug = row.slug.clone();
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("packages", &slug, problem);
        let hours = |text: String| Hours::from_multirange(&text).ok_or_else(|| corrupt(&"unknown hours of sale"));
        let count = |limit: Option<i32>| limit.and_then(|limit| u32::try_from(limit).ok());
        Ok(Package {
            price: money("packages", &slug, row.price_minor, &row.currency)?,
            starts: Starts::parse(&row.starts),
            rules: rule_columns!(row).rules().map_err(|problem| corrupt(&problem))?,
            sale: Sale {
                from: row.offered_from,
                until: row.offered_until,
                hours: row.offered_hours.map(hours).transpose()?,
                sites: serde_json::from_value(row.site_prices).map_err(|error| corrupt(&error))?,
                texts: serde_json::from_value(row.texts).map_err(|error| corrupt(&error))?,
            },
            version: u32::try_from(row.version).unwrap_or(0),
            purchases: Purchases { ever: count(row.per_person), a_day: count(row.per_person_daily) },
            id: row.id,
            slug: row.slug,
            name: row.name,
            active: row.active,
            position: row.position,
        })
    }
}

/// Packages, by what follows the table's name.
macro_rules! packages {
    ($rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            "SELECT id, slug, name, price_minor, currency, starts, duration_seconds, quota_octets, quota_seconds, hours::text AS hours,
                    up_bps, down_bps, device_limit, idle_timeout_seconds, until, quota_up_octets, quota_down_octets, burst, fair_use,
                    happy_hours::text AS happy_hours, happy_up_bps, happy_down_bps, device_policy, per_person, per_person_daily, active, position,
                    offered_from, offered_until, offered_hours::text AS offered_hours, site_prices, texts, version
             FROM packages " + $rest,
            $($argument),*
        )
    };
}

/// What can be bought at a site (`None`: at a router without one) at this moment, in order, each at its price there.
pub async fn offered(db: &Db, site: Option<Uuid>, now: OffsetDateTime) -> Result<Vec<Package>> {
    let mut connection = db.pool.acquire().await?;
    let minute = site::zone(&mut connection, site).await?.minute_of_week(now);
    let rows = packages!(
        "WHERE active AND (site_id IS NULL OR site_id = $1) ORDER BY position, price_minor, slug LIMIT 1000",
        site
    )
    .fetch_all(&mut *connection)
    .await?;
    let sold = rows.into_iter().map(Package::try_from).collect::<Result<Vec<Package>>>()?;
    Ok(sold.into_iter().filter_map(|package| package.at(site, now, minute).ok()).take(MOST_OFFERED).collect())
}

/// A package that is sold, but not at this site at this moment, and why not. `None`: it is not sold at all, or can be bought.
pub async fn not_offered(
    db: &Db,
    slug: &str,
    site: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<Option<(Package, NotOffered)>> {
    let mut connection = db.pool.acquire().await?;
    let minute = site::zone(&mut connection, site).await?.minute_of_week(now);
    let Some(row) = packages!("WHERE slug = $1 AND active", slug).fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let package = Package::try_from(row)?;
    let why = package.clone().at(site, now, minute).err();
    Ok(why.map(|why| (package, why)))
}

/// All packages, also those no longer offered.
pub async fn all(db: &Db) -> Result<Vec<Package>> {
    packages!("ORDER BY active DESC, position, price_minor, slug LIMIT 1000")
        .fetch_all(&db.pool)
        .await?
        .into_iter()
        .map(Package::try_from)
        .collect()
}

/// The package of that short name.
pub async fn by_slug(db: &Db, slug: &str) -> Result<Package> {
    packages!("WHERE slug = $1", slug)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("package", slug))?
        .try_into()
}

/// The package with that identity.
pub async fn by_id(db: &Db, id: Uuid) -> Result<Package> {
    packages!("WHERE id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("package", id))?
        .try_into()
}

/// The package of that short name, held until the transaction ends, if it is there.
async fn hold(tx: &mut PgConnection, slug: &str) -> Result<Option<Package>> {
    packages!("WHERE slug = $1 FOR UPDATE", slug).fetch_optional(tx).await?.map(Package::try_from).transpose()
}

/// Rules as the tables keep them: packages, and what was sold of them.
pub(crate) struct RuleColumns {
    pub(crate) duration_seconds: Option<i64>,
    pub(crate) until: Option<String>,
    pub(crate) quota_octets: Option<i64>,
    pub(crate) quota_up_octets: Option<i64>,
    pub(crate) quota_down_octets: Option<i64>,
    pub(crate) quota_seconds: Option<i64>,
    pub(crate) hours: Option<String>,
    pub(crate) up_bps: Option<i64>,
    pub(crate) down_bps: Option<i64>,
    pub(crate) burst: Option<String>,
    pub(crate) fair_use: Vec<i64>,
    pub(crate) happy_hours: Option<String>,
    pub(crate) happy_up_bps: Option<i64>,
    pub(crate) happy_down_bps: Option<i64>,
    pub(crate) device_limit: i32,
    pub(crate) device_policy: String,
    pub(crate) idle_timeout_seconds: Option<i32>,
}

impl RuleColumns {
    pub(crate) fn of(rules: &Rules) -> RuleColumns {
        RuleColumns {
            duration_seconds: rules.duration.map(whole_seconds),
            until: rules.until.map(|until| until.as_str().to_owned()),
            quota_octets: rules.quota_octets.map(signed),
            quota_up_octets: rules.quota_up.map(signed),
            quota_down_octets: rules.quota_down.map(signed),
            quota_seconds: rules.quota_time.map(whole_seconds),
            hours: rules.hours.as_ref().map(Hours::to_multirange),
            up_bps: rules.rate.map(|rate| signed(rate.up_bps)),
            down_bps: rules.rate.map(|rate| signed(rate.down_bps)),
            burst: rules.burst.map(|burst| burst.to_string()),
            fair_use: rules.fair_use.to_numbers(),
            happy_hours: rules.happy_hours.as_ref().map(|happy| happy.hours.to_multirange()),
            happy_up_bps: rules.happy_hours.as_ref().map(|happy| signed(happy.rate.up_bps)),
            happy_down_bps: rules.happy_hours.as_ref().map(|happy| signed(happy.rate.down_bps)),
            device_limit: i32::try_from(rules.device_limit).unwrap_or(i32::MAX),
            device_policy: rules.devices.as_str().to_owned(),
            idle_timeout_seconds: rules.idle_timeout.map(|time| i32::try_from(time.as_secs()).unwrap_or(i32::MAX)),
        }
    }

    /// What they say, or what is wrong with them.
    pub(crate) fn rules(self) -> std::result::Result<Rules, &'static str> {
        let rate = |(up, down): (i64, i64)| Rate { up_bps: unsigned(up), down_bps: unsigned(down) };
        let hours = |text: String| Hours::from_multirange(&text).ok_or("unknown hours");
        let happy_rate = self.happy_up_bps.zip(self.happy_down_bps).map(rate);
        Ok(Rules {
            duration: seconds(self.duration_seconds),
            until: self.until.map(|text| Until::parse(&text).ok_or("unknown end")).transpose()?,
            quota_octets: self.quota_octets.map(unsigned),
            quota_up: self.quota_up_octets.map(unsigned),
            quota_down: self.quota_down_octets.map(unsigned),
            quota_time: seconds(self.quota_seconds),
            hours: self.hours.map(hours).transpose()?,
            rate: self.up_bps.zip(self.down_bps).map(rate),
            burst: self.burst.map(|text| text.parse().map_err(|_| "unknown burst")).transpose()?,
            fair_use: FairUse::from_numbers(&self.fair_use).ok_or("unknown stages of fair use")?,
            happy_hours: match self.happy_hours.zip(happy_rate) {
                Some((text, rate)) => Some(HappyHours { hours: hours(text)?, rate }),
                None => None,
            },
            device_limit: u32::try_from(self.device_limit).unwrap_or(1),
            devices: DevicePolicy::parse(&self.device_policy).ok_or("unknown policy of devices")?,
            idle_timeout: seconds(self.idle_timeout_seconds.map(i64::from)),
        })
    }
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
