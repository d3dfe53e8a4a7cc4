//! Stories and sites: whoever is limited to some sites is told what happened there, and nothing of a subject that was elsewhere alone.
//!
//! An order, a receipt and a session are where they were made. Everything else is within reach if anything of it was seen there, or
//! nothing of it was seen anywhere yet, as of a voucher that nobody has used. Orders that were made at no router are for those who
//! are not limited, as in the lists; what has no place of its own (packages, messages, what the desk did) is told.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::scope::{self, Scope, first_day};
use super::{Subject, Window};
use crate::{Db, Result, StoreError, site};

/// Refuses a story that is of none of these sites, as if there were none.
pub async fn reaches(db: &Db, subject: &Subject, sites: &SiteScope, now: OffsetDateTime) -> Result<()> {
    if sites.filter().is_some() {
        scope::of(db, subject, sites, Window::until(None, now)).await?;
    }
    Ok(())
}

/// The customer to whom a message goes.
pub async fn addressee_of(db: &Db, message: Uuid) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT user_id FROM notifications WHERE id = $1", message)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("message", message))
}

/// The order that a payment pays for.
pub async fn order_of_payment(db: &Db, payment: Uuid) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT order_id FROM payments WHERE id = $1", payment)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("payment", payment))
}

/// Takes out of a scope what is of other sites. `asked`: the orders that the subject itself names.
pub(super) async fn limit(
    db: &Db,
    subject: &Subject,
    sites: &SiteScope,
    asked: &[Uuid],
    window: Window,
    scope: &mut Scope,
) -> Result<()> {
    let Some(routers) = site::routers(db, sites).await? else { return Ok(()) };
    let routers: Vec<Uuid> = routers.into_iter().collect();
    let here =
        sqlx::query_scalar!("SELECT id FROM orders WHERE id = ANY ($1) AND nas_id = ANY ($2)", &scope.orders, &routers)
            .fetch_all(&db.pool)
            .await?;
    if let Subject::Session(key) = subject {
        site::reaches_session(db, sites, *key).await?;
    } else if !asked.is_empty() {
        if !asked.iter().any(|order| here.contains(order)) {
            return Err(StoreError::missing("story", "of other sites"));
        }
    } else if !was_seen(db, scope, &routers, window).await? {
        return Err(StoreError::missing("story", "of other sites"));
    }
    scope.orders.retain(|order| here.contains(order));
    scope.routers = Some(routers);
    Ok(())
}

/// Whether anything of it was seen at these routers, or nothing at any.
async fn was_seen(db: &Db, scope: &Scope, routers: &[Uuid], window: Window) -> Result<bool> {
    let macs = scope.devices();
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(bool_or(seen.nas_id = ANY ($1)), true) AS "was_seen!" FROM (
               SELECT nas_id FROM orders WHERE id = ANY ($2) AND nas_id IS NOT NULL
               UNION ALL SELECT nas_id FROM sessions WHERE mac = ANY ($3::text[]::macaddr[]) OR entitlement_id = ANY ($4)
               UNION ALL SELECT nas_id FROM sessions_ended
                         WHERE opened_on >= $5 AND (mac = ANY ($3::text[]::macaddr[]) OR entitlement_id = ANY ($4))
               UNION ALL SELECT nas_id FROM login_refusals WHERE mac = ANY ($3::text[]::macaddr[]) AND hour >= $6
               UNION ALL SELECT nas_id FROM login_refusals WHERE lookup = ANY ($7) AND hour >= $6
               UNION ALL SELECT nas_id FROM device_visits WHERE mac = ANY ($3::text[]::macaddr[]) AND hour >= $6) seen"#,
        routers,
        &scope.orders,
        &macs,
        &scope.entitlements,
        first_day(window),
        window.since,
        &scope.names
    )
    .fetch_one(&db.pool)
    .await?)
}
