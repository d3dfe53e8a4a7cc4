//! A person, across all tables: what is known of one ([`export()`]), and taking that out ([`erase()`]).
//!
//! A person is a customer, known by a phone number. What stays after an erasure is what the law asks for and tells of nobody: orders,
//! payments and the ledger, under a number that nobody can have, and the audit log. Refused: to erase somebody who is online, who can
//! go online with what was paid, whose payment is under way, or to whom money is owed.
//!
//! [`quiet`] finds customers of whom nothing was heard for long, for the rule that erases them.

mod erase;
mod export;

use shared::phone::Phone;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

pub use erase::{Erased, erase, erase_quietly};
pub use export::export;

/// The customer with that number.
pub async fn find(db: &Db, phone: &Phone) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone.as_str()).fetch_optional(&db.pool).await?)
}

/// A person's devices, as they stand anywhere: what is remembered of one by its address alone is the person's too.
async fn devices_of(tx: &mut PgConnection, user: Uuid) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT mac::text AS "mac!" FROM (
               SELECT mac FROM devices WHERE user_id = $1
               UNION SELECT d.mac FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id WHERE e.user_id = $1
               UNION SELECT v.redeemed_mac FROM vouchers v JOIN entitlements e ON e.id = v.entitlement_id WHERE e.user_id = $1
               UNION SELECT s.mac FROM sessions s JOIN entitlements e ON e.id = s.entitlement_id WHERE e.user_id = $1
               UNION SELECT s.mac FROM sessions_ended s JOIN entitlements e ON e.id = s.entitlement_id WHERE e.user_id = $1
               UNION SELECT mac FROM orders WHERE user_id = $1) AS known
           WHERE mac IS NOT NULL ORDER BY mac"#,
        user
    )
    .fetch_all(tx)
    .await?)
}

/// A customer who wants to hear of offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The number.
    pub phone: Phone,
    /// The name, if one was given.
    pub name: String,
    /// When that was said.
    pub said_at: OffsetDateTime,
}

/// Everybody who wants to hear of offers. Nobody else may be sent any.
pub async fn listeners(db: &Db) -> Result<Vec<Listener>> {
    let rows = sqlx::query!(
        r#"SELECT id, phone, name, offers_said_at AS "said_at!" FROM users
           WHERE offers AND status = 'active' AND erased_at IS NULL AND offers_said_at IS NOT NULL ORDER BY offers_said_at, id"#
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let phone = row.phone.parse().map_err(|error| StoreError::corrupt("users", row.id, error))?;
            Ok(Listener { phone, name: row.name, said_at: row.said_at })
        })
        .collect()
}

/// Whether a customer wants to hear of offers.
pub async fn wants_offers(db: &Db, user: Uuid) -> Result<bool> {
    sqlx::query_scalar!("SELECT offers FROM users WHERE id = $1", user)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("customer", user))
}

/// A customer says whether to hear of offers.
pub async fn choose_offers(db: &Db, user: Uuid, wants: bool, now: OffsetDateTime) -> Result<()> {
    let said = sqlx::query!(
        "UPDATE users SET offers = $2, offers_said_at = $3 WHERE id = $1 AND erased_at IS NULL",
        user,
        wants,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if said == 1 { Ok(()) } else { Err(StoreError::missing("customer", user)) }
}

/// Customers of whom nothing was heard since then: no order, no proof of the number, no access.
pub async fn quiet(db: &Db, since: OffsetDateTime, limit: u32) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT u.id FROM users u
         WHERE u.erased_at IS NULL AND u.created_at < $1 AND (u.otp_verified_at IS NULL OR u.otp_verified_at < $1)
           AND NOT EXISTS (SELECT FROM orders o WHERE o.user_id = u.id AND o.created_at >= $1)
           AND NOT EXISTS (SELECT FROM entitlements e WHERE e.user_id = u.id
                           AND (e.created_at >= $1 OR e.expires_at >= $1 OR (e.state = 'active' AND e.expires_at IS NULL)))
         ORDER BY u.created_at, u.id LIMIT $2",
        since,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}
