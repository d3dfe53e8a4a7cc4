//! Customers, and the devices that they have had.

use shared::language::Language;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::{Db, Result, StoreError};

/// A customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Customer {
    /// The identity.
    pub id: Uuid,
    /// The number.
    pub phone: String,
    /// The name, if one was given.
    pub name: String,
    /// `active` or `suspended`.
    pub status: String,
    /// The language of messages.
    pub language: String,
    /// When the customer last proved to hold the phone.
    pub proved_at: Option<OffsetDateTime>,
    /// Since when the customer is known.
    pub created_at: OffsetDateTime,
}

/// A page of customers, or the one with that number.
pub async fn list(db: &Db, phone: Option<&str>, after: After, limit: u32) -> Result<Vec<Customer>> {
    Ok(sqlx::query_as!(
        Customer,
        "SELECT id, phone, name, status, locale AS language, otp_verified_at AS proved_at, created_at FROM users
         WHERE id < $1 AND ($2::text IS NULL OR phone = $2) ORDER BY id DESC LIMIT $3",
        after.id,
        phone,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// One customer.
pub async fn get(db: &Db, id: Uuid) -> Result<Customer> {
    sqlx::query_as!(
        Customer,
        "SELECT id, phone, name, status, locale AS language, otp_verified_at AS proved_at, created_at FROM users WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("customer", id))
}

/// Adds somebody.
///
/// # Errors
/// [`StoreError::Conflict`]: the number is a customer's already.
pub async fn add(db: &Db, id: Uuid, phone: &str, name: &str, language: Language, now: OffsetDateTime) -> Result<()> {
    let added = sqlx::query!(
        "INSERT INTO users (id, phone, name, locale, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (phone) DO NOTHING",
        id,
        phone,
        name,
        language.as_str(),
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if added == 1 { Ok(()) } else { Err(StoreError::Conflict(format!("{phone} is a customer already"))) }
}

/// Calls a customer otherwise.
pub async fn rename(db: &Db, id: Uuid, name: &str) -> Result<()> {
    let changed =
        sqlx::query!("UPDATE users SET name = $2 WHERE id = $1", id, name).execute(&db.pool).await?.rows_affected();
    if changed == 1 { Ok(()) } else { Err(StoreError::missing("customer", id)) }
}

/// A device that somebody has had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its address.
    pub mac: String,
    /// What its owner calls it; empty: nothing.
    pub label: String,
    /// Since when.
    pub bound_at: OffsetDateTime,
}

/// Most devices that are told.
const MOST_DEVICES: i64 = 100;

/// The devices of a customer, the newest first.
pub async fn devices(db: &Db, user: Uuid) -> Result<Vec<Device>> {
    Ok(sqlx::query_as!(
        Device,
        r#"SELECT upper(mac::text) AS "mac!", label, bound_at FROM devices WHERE user_id = $1 ORDER BY bound_at DESC, id LIMIT $2"#,
        user,
        MOST_DEVICES
    )
    .fetch_all(&db.pool)
    .await?)
}
