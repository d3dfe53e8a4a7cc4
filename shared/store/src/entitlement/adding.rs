//! A device is given a place by its owner's hand: by the code on its screen, or by its address.
//!
//! Who adds the same device at the same moment waits for the other one, so that one of them has it. What is decided: whether the
//! package may be used and is the customer's, whether the device has access already, whether there is a place. That the
//! customer may have this device is the caller's to know.

use std::net::IpAddr;

use shared::mac::Mac;
use shared::notice::Notice;
use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{lock, place};
use crate::admin::{self, Audit};
use crate::{Db, Result, notification};

/// A device that its owner adds.
#[derive(Clone, Debug)]
pub struct NewDevice<'a> {
    /// Who adds it.
    pub user: Uuid,
    /// Its address.
    pub mac: Mac,
    /// What its owner calls it; empty: nothing.
    pub label: &'a str,
    /// How it was added, for the audit log, such as `by its code`.
    pub how: &'a str,
    /// From where.
    pub address: Option<IpAddr>,
}

/// What became of adding a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// It has a place.
    Yes,
    /// It had one in this package before.
    Before,
    /// It has access with another package, of this customer or of somebody else.
    Elsewhere,
    /// All places are taken.
    Full,
    /// The package cannot be used (any more), or is somebody else's.
    Over,
}

/// Gives a device a place in a package of its owner's, with a name; the owner is told, and the audit log has it.
pub async fn add_device(db: &Db, id: Uuid, device: &NewDevice<'_>, now: OffsetDateTime) -> Result<Added> {
    let mut tx = db.begin().await?;
    let mac = device.mac.to_string();
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('device'), hashtext($1))", mac).fetch_all(&mut *tx).await?;
    lock(&mut tx, &[id]).await?;
    let is_good = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM entitlements WHERE id = $1 AND user_id = $2 AND state = 'active'
                          AND (expires_at IS NULL OR expires_at > $3)) AS "is_good!""#,
        id,
        device.user,
        now
    )
    .fetch_one(&mut *tx)
    .await?;
    if !is_good {
        return Ok(Added::Over);
    }
    // What has ended holds no device: whoever bought a used TV may add it.
    let has_access = sqlx::query_scalar!(
        "SELECT d.entitlement_id FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
         WHERE d.mac = $1::text::macaddr AND e.state = 'active' AND (e.expires_at IS NULL OR e.expires_at > $2)",
        mac,
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    if has_access.contains(&id) {
        return Ok(Added::Before);
    }
    if !has_access.is_empty() {
        return Ok(Added::Elsewhere);
    }
    if !place(&mut tx, id, device.mac, now).await? {
        return Ok(Added::Full);
    }
    sqlx::query!(
        "INSERT INTO devices (id, user_id, mac, label, bound_at) VALUES ($1, $2, $3::text::macaddr, $4, $5)
         ON CONFLICT (user_id, mac) DO UPDATE SET label = EXCLUDED.label",
        rng::id(now),
        device.user,
        mac,
        device.label,
        now
    )
    .execute(&mut *tx)
    .await?;
    notification::tell_owners(&mut tx, Notice::NewDevice, &format!("{mac} {}", now.unix_timestamp()), &[id], now)
        .await?;
    let (actor, object) = (format!("customer {}", device.user), format!("{mac} to {id}, {}", device.how));
    let line = Audit { actor: &actor, action: "device.add", object: &object, address: device.address };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(Added::Yes)
}
