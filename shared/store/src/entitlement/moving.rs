//! A package is moved to another device by the desk: a phone has made itself a new address, and its owner cannot sign in.
//!
//! What is decided: whether the package may be used, whether the new device has access already, and whose place it takes. The move
//! counts as a change of devices, and is not refused for being one too many: that is what the desk is asked for.

use shared::entitlement::State;
use shared::mac::Mac;
use shared::notice::Notice;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{lock, place, unbind};
use crate::{Result, StoreError, notification};

/// Gives a device a place in a package, in the place of `from` if that is named; the sessions of that one end.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: the package is over, the device has access already, or has no place.
pub(crate) async fn move_device(
    tx: &mut PgConnection,
    id: Uuid,
    from: Option<Mac>,
    to: Mac,
    now: OffsetDateTime,
) -> Result<()> {
    let conflict = |text: &str| Err(StoreError::Conflict(text.to_owned()));
    if !to.is_unicast() {
        return conflict("that is the address of a group of devices, and of no single one");
    }
    // Who adds the same device at the same moment waits.
    let held = to.to_string();
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('device'), hashtext($1))", held).fetch_all(&mut *tx).await?;
    lock(tx, &[id]).await?;
    let row = sqlx::query!("SELECT user_id, state, expires_at FROM entitlements WHERE id = $1", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("entitlement", id))?;
    if row.state != State::Active.as_str() || row.expires_at.is_some_and(|end| end <= now) {
        return conflict("this package is over, so there is nothing to move");
    }
    let has_access = sqlx::query_scalar!(
        "SELECT d.entitlement_id FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
         WHERE d.mac = $1::text::macaddr AND e.state = 'active' AND (e.expires_at IS NULL OR e.expires_at > $2)",
        held,
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    if has_access.contains(&id) {
        return conflict("that device has its place already");
    }
    if !has_access.is_empty() {
        return conflict("that device has access with another package already");
    }
    if let Some(from) = from {
        unbind(tx, id, from, now).await?;
    }
    if !place(tx, id, to, now).await? {
        return conflict("all devices of this package are taken: say which one shall go");
    }
    note_owner(tx, id, row.user_id, to, now).await
}

/// The device is its owner's from now on, who is told.
async fn note_owner(tx: &mut PgConnection, id: Uuid, user: Option<Uuid>, mac: Mac, now: OffsetDateTime) -> Result<()> {
    if let Some(user) = user {
        sqlx::query!(
            "INSERT INTO devices (id, user_id, mac, bound_at) VALUES ($1, $2, $3::text::macaddr, $4)
             ON CONFLICT (user_id, mac) DO NOTHING",
            rng::id(now),
            user,
            mac.to_string(),
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    let of = format!("{mac} {}", now.unix_timestamp());
    notification::tell_owners(tx, Notice::NewDevice, &of, &[id], now).await
}
