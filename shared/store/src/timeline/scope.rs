//! What belongs to a subject: the customers, devices, orders, packages and receipts whose rows make its story.
//!
//! A customer has all that they bought and all their devices; everything else has what hangs together with it and no more, so that the
//! story of one order is not that of a year. Each list is bounded, and its newest are taken.

use shared::mac::Mac;
use shared::phone::Phone;
use shared::staff::SiteScope;
use uuid::Uuid;

use super::{Person, Subject, Window, reach, spelt};
use crate::accounting::SessionKey;
use crate::{Db, Result, StoreError};

/// Most orders, and most packages, of one story.
const MOST_BOUGHT: i64 = 100;
/// Most devices of one story.
const MOST_DEVICES: usize = 20;

/// What belongs to a subject.
#[derive(Default, Debug)]
pub(super) struct Scope {
    /// The customers all of whose messages belong to it.
    pub(super) users: Vec<Uuid>,
    /// The customers that it is about.
    pub(super) owners: Vec<Uuid>,
    /// The orders.
    pub(super) orders: Vec<Uuid>,
    /// The packages.
    pub(super) entitlements: Vec<Uuid>,
    /// The devices.
    pub(super) macs: Vec<Mac>,
    /// Receipts of money.
    pub(super) receipts: Vec<String>,
    /// The session that was asked for.
    pub(super) session: Option<SessionKey>,
    /// The number of the customer, by which money may be found that waits.
    pub(super) phone: Option<Phone>,
    /// Keyed hashes of the names that open the packages.
    pub(super) names: Vec<Vec<u8>>,
    /// The routers of which it may tell; `None`: of all.
    pub(super) routers: Option<Vec<Uuid>>,
}

/// What belongs to a subject at these sites within that time.
pub(super) async fn of(db: &Db, subject: &Subject, sites: &SiteScope, window: Window) -> Result<Scope> {
    let mut scope = Scope::default();
    match subject {
        Subject::Customer(user) => customer(db, *user, window, &mut scope).await?,
        Subject::Device(mac) => device(db, *mac, window, &mut scope).await?,
        Subject::Order(order) => scope.orders.push(*order),
        Subject::Receipt(receipt) => receipt_of(db, receipt, &mut scope).await?,
        Subject::Voucher(entitlement) => scope.entitlements.push(*entitlement),
        Subject::Session(key) => session(db, *key, &mut scope).await?,
    }
    let asked = match subject {
        Subject::Order(_) | Subject::Receipt(_) => scope.orders.clone(),
        _ => Vec::new(),
    };
    bought(db, &mut scope).await?;
    if !matches!(subject, Subject::Device(_)) {
        devices(db, &mut scope).await?;
    }
    owners(db, &mut scope).await?;
    scope.names = sqlx::query_scalar!(
        "SELECT lookup FROM credentials WHERE entitlement_id = ANY ($1) AND kind <> 'one_time'",
        &scope.entitlements
    )
    .fetch_all(&db.pool)
    .await?;
    reach::limit(db, subject, sites, &asked, window, &mut scope).await?;
    Ok(scope)
}

async fn customer(db: &Db, user: Uuid, window: Window, scope: &mut Scope) -> Result<()> {
    let phone = sqlx::query_scalar!("SELECT phone FROM users WHERE id = $1", user)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("customer", user))?;
    scope.phone = Some(phone.parse().map_err(|error| StoreError::corrupt("users", user, error))?);
    scope.users.push(user);
    scope.owners.push(user);
    scope.orders = sqlx::query_scalar!(
        "SELECT id FROM orders WHERE user_id = $1 AND created_at >= $2 AND created_at < $3
         ORDER BY created_at DESC LIMIT $4",
        user,
        window.since,
        window.before,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    scope.entitlements = sqlx::query_scalar!(
        "SELECT id FROM entitlements
         WHERE user_id = $1 AND created_at < $3 AND (state = 'active' OR created_at >= $2 OR expires_at >= $2)
         ORDER BY created_at DESC LIMIT $4",
        user,
        window.since,
        window.before,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    let known = sqlx::query_scalar!(
        r#"SELECT mac::text AS "mac!" FROM devices WHERE user_id = $1 ORDER BY bound_at DESC LIMIT $2"#,
        user,
        i64::try_from(MOST_DEVICES).unwrap_or(i64::MAX)
    )
    .fetch_all(&db.pool)
    .await?;
    add_devices(scope, known);
    Ok(())
}

async fn device(db: &Db, mac: Mac, window: Window, scope: &mut Scope) -> Result<()> {
    scope.macs.push(mac);
    let mac = mac.to_string();
    scope.orders = sqlx::query_scalar!(
        "SELECT id FROM orders WHERE mac = $1::text::macaddr AND created_at >= $2 AND created_at < $3
         ORDER BY created_at DESC LIMIT $4",
        mac,
        window.since,
        window.before,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    scope.entitlements = sqlx::query_scalar!(
        "SELECT entitlement_id FROM entitlement_devices WHERE mac = $1::text::macaddr AND bound_at < $2
         ORDER BY bound_at DESC LIMIT $3",
        mac,
        window.before,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(())
}

async fn receipt_of(db: &Db, receipt: &str, scope: &mut Scope) -> Result<()> {
    scope.receipts.push(receipt.to_owned());
    let orders = sqlx::query_scalar!(
        r#"SELECT order_id AS "order!" FROM payments
           WHERE provider IN ('mpesa', 'stripe') AND (receipt = $1 OR checkout_request_id = $1)
           UNION SELECT order_id FROM received_money WHERE receipt = $1 AND order_id IS NOT NULL"#,
        receipt
    )
    .fetch_all(&db.pool)
    .await?;
    scope.orders.extend(orders);
    Ok(())
}

async fn session(db: &Db, key: SessionKey, scope: &mut Scope) -> Result<()> {
    let row = sqlx::query!(
        r#"SELECT entitlement_id, mac::text AS mac FROM sessions WHERE id = $1
           UNION ALL SELECT entitlement_id, mac::text FROM sessions_ended WHERE opened_on = $2 AND id = $1 LIMIT 1"#,
        key.id,
        key.opened_on
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("session", key.id))?;
    scope.session = Some(key);
    scope.entitlements.extend(row.entitlement_id);
    add_devices(scope, row.mac);
    Ok(())
}

/// What the orders bought, and which orders bought the packages.
async fn bought(db: &Db, scope: &mut Scope) -> Result<()> {
    let packages = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM entitlements WHERE order_id = ANY ($1)
           UNION SELECT entitlement_id FROM entitlement_changes WHERE order_id = ANY ($1)
           UNION SELECT entitlement_id FROM vouchers WHERE order_id = ANY ($1)
           UNION SELECT entitlement_id FROM support_actions WHERE order_id = ANY ($1) AND kind = 'grant' AND entitlement_id IS NOT NULL
           LIMIT $2"#,
        &scope.orders,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    scope.entitlements.extend(packages);
    once(&mut scope.entitlements);
    let orders = sqlx::query_scalar!(
        r#"SELECT order_id AS "id!" FROM entitlements WHERE id = ANY ($1) AND order_id IS NOT NULL
           UNION SELECT order_id FROM entitlement_changes WHERE entitlement_id = ANY ($1)
           UNION SELECT order_id FROM vouchers WHERE entitlement_id = ANY ($1) AND order_id IS NOT NULL
           LIMIT $2"#,
        &scope.entitlements,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    scope.orders.extend(orders);
    once(&mut scope.orders);
    Ok(())
}

/// The devices of the orders and the packages.
async fn devices(db: &Db, scope: &mut Scope) -> Result<()> {
    let found = sqlx::query_scalar!(
        r#"SELECT d.mac::text AS "mac!" FROM (
               SELECT mac, max(created_at) AS at FROM orders WHERE id = ANY ($1) AND mac IS NOT NULL GROUP BY mac
               UNION ALL SELECT mac, max(bound_at) FROM entitlement_devices WHERE entitlement_id = ANY ($2) GROUP BY mac
               UNION ALL SELECT redeemed_mac, max(redeemed_at) FROM vouchers
                         WHERE entitlement_id = ANY ($2) AND redeemed_mac IS NOT NULL GROUP BY redeemed_mac) d
           GROUP BY d.mac ORDER BY max(d.at) DESC LIMIT $3"#,
        &scope.orders,
        &scope.entitlements,
        i64::try_from(MOST_DEVICES).unwrap_or(i64::MAX)
    )
    .fetch_all(&db.pool)
    .await?;
    add_devices(scope, found);
    Ok(())
}

/// Whose the orders and the packages are.
async fn owners(db: &Db, scope: &mut Scope) -> Result<()> {
    let found = sqlx::query_scalar!(
        r#"SELECT user_id AS "user!" FROM orders WHERE id = ANY ($1)
           UNION SELECT user_id FROM entitlements WHERE id = ANY ($2) AND user_id IS NOT NULL LIMIT $3"#,
        &scope.orders,
        &scope.entitlements,
        MOST_BOUGHT
    )
    .fetch_all(&db.pool)
    .await?;
    scope.owners.extend(found);
    once(&mut scope.owners);
    Ok(())
}

/// The customers with these identities.
pub(super) async fn people(db: &Db, owners: &[Uuid]) -> Result<Vec<Person>> {
    let rows = sqlx::query!("SELECT id, phone, name FROM users WHERE id = ANY ($1) ORDER BY created_at, id", owners)
        .fetch_all(&db.pool)
        .await?;
    rows.into_iter()
        .map(|row| {
            let phone = row.phone.parse().map_err(|error| StoreError::corrupt("users", row.id, error))?;
            Ok(Person { id: row.id, phone, name: row.name })
        })
        .collect()
}

fn add_devices(scope: &mut Scope, found: impl IntoIterator<Item = String>) {
    for mac in found.into_iter().filter_map(|text| text.parse::<Mac>().ok()) {
        if !scope.macs.contains(&mac) && scope.macs.len() < MOST_DEVICES {
            scope.macs.push(mac);
        }
    }
}

/// Each one once, in the order of its first place.
fn once(ids: &mut Vec<Uuid>) {
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
}

impl Scope {
    /// The devices, as statements take them.
    pub(super) fn devices(&self) -> Vec<String> {
        spelt(&self.macs)
    }

    /// The routers of which it may tell, as statements take them.
    pub(super) fn routers(&self) -> Option<&[Uuid]> {
        self.routers.as_deref()
    }

    /// The orders as texts: messages name them so.
    pub(super) fn order_texts(&self) -> Vec<String> {
        self.orders.iter().map(Uuid::to_string).collect()
    }

    /// The same of the packages.
    pub(super) fn entitlement_texts(&self) -> Vec<String> {
        self.entitlements.iter().map(Uuid::to_string).collect()
    }
}

/// The day before which no session of a window began.
pub(super) fn first_day(window: Window) -> time::Date {
    // A session that began in the window may have been named a day before, where clocks differ.
    (window.since - std::time::Duration::from_secs(2 * 24 * 3600)).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_each_thing_once_and_no_more_than_their_bound() {
        let id = Uuid::from_u128;
        let mut ids = vec![id(3), id(1), id(3), id(2), id(1)];
        once(&mut ids);
        assert_eq!(ids, [id(3), id(1), id(2)]);
        let mut scope = Scope::default();
        add_devices(&mut scope, (0..40).map(|number| format!("02:00:00:00:00:{:02X}", number % 30)));
        assert_eq!((scope.macs.len(), scope.devices()[0].as_str()), (MOST_DEVICES, "02:00:00:00:00:00"));
    }
}
