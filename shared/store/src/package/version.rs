//! What a package was, whole, at each change: written in the transaction that changes it, never changed, and pointed at by the orders that
//! bought it. So it can be told in a year what was sold for that money, since when, and who had said so.

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Package;
use crate::{Db, Result, StoreError};

/// Versions that are looked back at: the newest.
const MOST: i64 = 200;

/// A version of a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// What was sold from then on.
    pub package: Package,
    /// Who made it: somebody's address at the desk, or the command line. Empty: a program from before versions.
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
}

/// The versions of a package, the newest first.
pub async fn all(db: &Db, package: Uuid) -> Result<Vec<Version>> {
    sqlx::query!(
        "SELECT number, what, changed_by, at FROM package_versions WHERE package_id = $1 ORDER BY number DESC LIMIT $2",
        package,
        MOST
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(|row| {
        let corrupt = |error: serde_json::Error| {
            StoreError::corrupt("package_versions", format!("{package} {}", row.number), error)
        };
        Ok(Version {
            number: u32::try_from(row.number).unwrap_or(0),
            package: serde_json::from_value(row.what).map_err(corrupt)?,
            by: row.changed_by,
            at: row.at,
        })
    })
    .collect()
}

/// Keeps a package that was just written as the version that it says it is.
pub(super) async fn keep(tx: &mut PgConnection, package: &Package, by: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO package_versions (package_id, number, what, changed_by, at) VALUES ($1, $2, $3, $4, $5)",
        package.id,
        i32::try_from(package.version).unwrap_or(i32::MAX),
        whole(package)?,
        by,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what a program from before versions left as the first version, before it is changed.
pub(super) async fn keep_first(tx: &mut PgConnection, package: &Package) -> Result<()> {
    let first = Package { version: 1, ..package.clone() };
    sqlx::query!("UPDATE packages SET version = 1 WHERE id = $1", package.id).execute(&mut *tx).await?;
    sqlx::query!(
        "INSERT INTO package_versions (package_id, number, what, changed_by, at)
         SELECT id, 1, $2, '', created_at FROM packages WHERE id = $1",
        package.id,
        whole(&first)?
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn whole(package: &Package) -> Result<serde_json::Value> {
    serde_json::to_value(package).map_err(|error| StoreError::corrupt("packages", &package.slug, error))
}

impl Package {
    /// What is other than before, in words for the operator.
    pub fn differences(&self, before: &Package) -> Vec<&'static str> {
        let (rules, was) = (&self.rules, &before.rules);
        let (sale, had) = (&self.sale, &before.sale);
        let table = [
            (self.name != before.name, "name"),
            (self.price != before.price, "price"),
            (sale.sites != had.sites, "prices by site"),
            (self.active != before.active, if self.active { "sold again" } else { "not sold any more" }),
            ((sale.from, sale.until, &sale.hours) != (had.from, had.until, &had.hours), "when it is offered"),
            (sale.texts != had.texts, "words for customers"),
            ((rules.duration, rules.until, self.starts) != (was.duration, was.until, before.starts), "time"),
            (rules.quota_time != was.quota_time, "time online"),
            (
                (rules.quota_octets, rules.quota_up, rules.quota_down)
                    != (was.quota_octets, was.quota_up, was.quota_down),
                "data",
            ),
            (rules.hours != was.hours, "hours of use"),
            (
                (rules.rate, rules.burst, &rules.fair_use, &rules.happy_hours)
                    != (was.rate, was.burst, &was.fair_use, &was.happy_hours),
                "speed",
            ),
            ((rules.device_limit, rules.devices) != (was.device_limit, was.devices), "devices"),
            (rules.idle_timeout != was.idle_timeout, "idle time"),
            (self.purchases != before.purchases, "how often it can be bought"),
        ];
        table.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::money::Money;
    use shared::rules::{DevicePolicy, Rules, Until};
    use shared::sale::{AtSite, Sale};

    use super::*;
    use crate::package::{Purchases, Starts};

    fn package() -> Package {
        Package {
            id: Uuid::from_u128(1),
            slug: "1-hour".into(),
            name: "1 hour".into(),
            price: Money::kes(2000),
            starts: Starts::FirstLogin,
            rules: Rules { duration: Some(Duration::from_secs(3600)), ..Rules::default() },
            purchases: Purchases::default(),
            active: true,
            position: 3,
            sale: Sale::default(),
            version: 2,
        }
    }

    #[test]
    fn whatever_is_sold_otherwise_is_a_new_version_and_is_named() {
        type Change = fn(&mut Package);
        let table: &[(Change, &str)] = &[
            (|p| p.name = "One hour".into(), "name"),
            (|p| p.price = Money::kes(2500), "price"),
            (
                |p| {
                    p.sale.sites.insert(Uuid::from_u128(9), AtSite::NotSold);
                },
                "prices by site",
            ),
            (|p| p.active = false, "not sold any more"),
            (|p| p.sale.from = Some(OffsetDateTime::UNIX_EPOCH), "when it is offered"),
            (|p| p.sale.until = Some(OffsetDateTime::UNIX_EPOCH), "when it is offered"),
            (|p| p.sale.hours = Some("daily 08:00-10:00".parse().expect("hours")), "when it is offered"),
            (|p| p.sale.texts.swahili.name = Some("Saa moja".into()), "words for customers"),
            (|p| p.rules.duration = None, "time"),
            (|p| p.rules.until = Some(Until::EndOfDay), "time"),
            (|p| p.starts = Starts::Purchase, "time"),
            (|p| p.rules.quota_time = Some(Duration::from_secs(60)), "time online"),
            (|p| p.rules.quota_octets = Some(1), "data"),
            (|p| p.rules.quota_up = Some(1), "data"),
            (|p| p.rules.quota_down = Some(1), "data"),
            (|p| p.rules.hours = Some("daily 08:00-10:00".parse().expect("hours")), "hours of use"),
            (|p| p.rules.rate = Some("1M/2M".parse().expect("a rate")), "speed"),
            (|p| p.rules.burst = Some("4M/8M 1M/3M 10/10".parse().expect("a burst")), "speed"),
            (|p| p.rules.fair_use = "5GB 1M/2M".parse().expect("stages"), "speed"),
            (|p| p.rules.happy_hours = Some("daily 22:00-06:00 at 4M/8M".parse().expect("happy hours")), "speed"),
            (|p| p.rules.device_limit = 2, "devices"),
            (|p| p.rules.devices = DevicePolicy::Ask, "devices"),
            (|p| p.rules.idle_timeout = Some(Duration::from_secs(60)), "idle time"),
            (|p| p.purchases.ever = Some(1), "how often it can be bought"),
        ];
        for (change, name) in table {
            let mut changed = package();
            change(&mut changed);
            assert_eq!(changed.differences(&package()), [*name]);
            assert!(!changed.is_sold_as(&package()), "{name}");
        }
        let retired = Package { active: false, ..package() };
        assert_eq!(package().differences(&retired), ["sold again"]);
    }

    #[test]
    fn its_place_in_the_list_is_no_new_version() {
        let moved = Package { id: Uuid::from_u128(2), position: 9, version: 0, ..package() };
        assert!(moved.is_sold_as(&package()) && moved.differences(&package()).is_empty());
    }

    #[test]
    fn a_snapshot_from_before_there_were_versions_is_read() {
        let mut json = serde_json::to_value(package()).expect("JSON");
        let fields = json.as_object_mut().expect("an object");
        fields.remove("sale");
        fields.remove("version");
        let read: Package = serde_json::from_value(json).expect("a package");
        assert_eq!(read, Package { version: 0, ..package() });
    }
}
