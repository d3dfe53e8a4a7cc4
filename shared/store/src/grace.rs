//! Graces: a guest who pays by card is let out for some minutes before anything is paid, since the page of a bank can be
//! anywhere and no router can name it.
//!
//! A grace is an entitlement without a package and without an owner, good for one device, slow and short. It is given with the
//! page of the payment, in one transaction, within bounds that are counted there; it becomes what was bought when that is
//! paid while its guest is online, and it ends, in the transaction that says so, when it is not. Its own end is in it
//! from the beginning: nobody has to come back for it.

use std::time::Duration;

use shared::mac::Mac;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::whole_seconds;
use crate::{Result, entitlement};

/// What sessions of it are listed as.
const NAME: &str = "Card payment";
/// Its speed, either way, bits a second: enough for the page of a bank, and little for anything else.
const RATE_BPS: i64 = 1_000_000;
/// Most that a device has within a day: one, and one more after a card that was declined.
const A_DAY: i64 = 2;
/// Most that are open at a router, so that whoever invents devices does not fill the line.
const AT_A_ROUTER: i64 = 20;

/// One that is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grace {
    /// The entitlement.
    pub(crate) id: Uuid,
    /// Whether its guest is online with it.
    pub(crate) is_online: bool,
}

/// Gives the device of a payment's order a grace until that moment, within the bounds. `None`: it has enough already, or has
/// access. Whoever asks holds the order.
pub(crate) async fn give(
    tx: &mut PgConnection,
    payment: Uuid,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<Uuid>> {
    let order = sqlx::query!(
        "SELECT o.mac::text AS mac, o.nas_id FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = $1",
        payment
    )
    .fetch_one(&mut *tx)
    .await?;
    let Some(mac) = order.mac.and_then(|text| text.parse::<Mac>().ok()).filter(|_| until > now) else {
        return Ok(None);
    };
    if !is_within_bounds(tx, mac, order.nas_id, now).await? {
        return Ok(None);
    }
    let id = rng::id(now);
    let lasts = Duration::try_from(until - now).unwrap_or_default().max(Duration::from_secs(1));
    sqlx::query!(
        "INSERT INTO entitlements (id, package_name, starts, duration_seconds, up_bps, down_bps, device_limit, starts_at, expires_at,
             created_at, paid_minor)
         VALUES ($1, $2, 'purchase', $3, $4, $4, 1, $5, $6, $5, 0)",
        id,
        NAME,
        whole_seconds(lasts),
        RATE_BPS,
        now,
        until
    )
    .execute(&mut *tx)
    .await?;
    entitlement::place(tx, id, mac, now).await?;
    sqlx::query!("UPDATE payments SET grace_id = $2 WHERE id = $1", payment, id).execute(tx).await?;
    Ok(Some(id))
}

/// Whoever counts goes alone, so that the bounds hold at once too.
async fn is_within_bounds(tx: &mut PgConnection, mac: Mac, nas: Option<Uuid>, now: OffsetDateTime) -> Result<bool> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('graces'), 0)").fetch_all(&mut *tx).await?;
    let count = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE o.mac = $1::text::macaddr) AS "today!",
                  count(*) FILTER (WHERE o.mac = $1::text::macaddr AND e.package_id IS NULL AND e.state = 'active' AND e.expires_at > $3) AS "open!",
                  count(*) FILTER (WHERE o.nas_id = $2 AND e.package_id IS NULL AND e.state = 'active' AND e.expires_at > $3) AS "here!"
           FROM payments p JOIN orders o ON o.id = p.order_id JOIN entitlements e ON e.id = p.grace_id
           WHERE p.grace_id IS NOT NULL AND p.created_at > $3::timestamptz - interval '1 day'"#,
        mac.to_string(),
        nas,
        now
    )
    .fetch_one(&mut *tx)
    .await?;
    let has_access = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
             WHERE d.mac = $1::text::macaddr AND e.package_id IS NOT NULL AND e.state = 'active'
               AND (e.expires_at IS NULL OR e.expires_at > $2)) AS "exists!""#,
        mac.to_string(),
        now
    )
    .fetch_one(tx)
    .await?;
    Ok(!has_access && count.today < A_DAY && count.open == 0 && count.here < AT_A_ROUTER)
}

/// The open grace of an order, held. Whoever asks holds the order.
pub(crate) async fn of_order(tx: &mut PgConnection, order: Uuid, now: OffsetDateTime) -> Result<Option<Grace>> {
    let row = sqlx::query!(
        r#"SELECT e.id, EXISTS (SELECT FROM sessions s WHERE s.entitlement_id = e.id AND s.ended_at IS NULL) AS "is_online!"
           FROM payments p JOIN entitlements e ON e.id = p.grace_id
           WHERE p.order_id = $1 AND e.package_id IS NULL AND e.state = 'active' AND e.expires_at > $2
           ORDER BY p.created_at DESC LIMIT 1 FOR NO KEY UPDATE OF e"#,
        order,
        now
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| Grace { id: row.id, is_online: row.is_online }))
}

/// Gives a grace to whoever has paid, to become what was bought.
pub(crate) async fn own(tx: &mut PgConnection, id: Uuid, user: Uuid) -> Result<()> {
    sqlx::query!("UPDATE entitlements SET user_id = $2 WHERE id = $1 AND package_id IS NULL", id, user)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends a grace now; its session is cut by what follows from that.
pub(crate) async fn end(tx: &mut PgConnection, id: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE entitlements SET expires_at = greatest($2, starts_at + interval '1 millisecond')
         WHERE id = $1 AND package_id IS NULL AND state = 'active' AND expires_at > $2",
        id,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The same for a payment that has failed, if it has one.
pub(crate) async fn end_of_payment(tx: &mut PgConnection, payment: Uuid, now: OffsetDateTime) -> Result<()> {
    let id = sqlx::query_scalar!("SELECT grace_id FROM payments WHERE id = $1", payment)
        .fetch_optional(&mut *tx)
        .await?
        .flatten();
    match id {
        Some(id) => end(tx, id, now).await,
        None => Ok(()),
    }
}
