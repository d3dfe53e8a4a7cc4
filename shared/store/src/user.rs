//! Customers, known by their phone number in E.164: one number, one customer. [`email`] is the address that one may name.

pub mod email;

use shared::language::Language;
use shared::mac::Mac;
use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::money::money;
use crate::{Db, Result, StoreError};

/// A customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Its identity.
    pub id: Uuid,
    /// The number.
    pub phone: Phone,
    /// The name, if one was given.
    pub name: String,
    /// The language of the customer's messages, and of pages on which nobody has chosen another one.
    pub language: Language,
    /// Whether the customer has chosen it; otherwise it is that of the first page, or of whoever paid.
    pub has_chosen_language: bool,
    /// Whether the customer may sign in.
    pub is_active: bool,
    /// When the customer last proved to hold the phone: by a code, or by a payment from it.
    pub proved_at: Option<OffsetDateTime>,
}

/// One customer.
pub async fn get(db: &Db, id: Uuid) -> Result<User> {
    let row =
        sqlx::query!("SELECT phone, name, locale, locale_chosen, status, otp_verified_at FROM users WHERE id = $1", id)
            .fetch_optional(&db.pool)
            .await?
            .ok_or_else(|| StoreError::missing("customer", id))?;
    Ok(User {
        id,
        phone: row.phone.parse().map_err(|error| StoreError::corrupt("users", id, error))?,
        name: row.name,
        // Another language than ours may have been written by hand: who has it reads English, as in messages.
        language: Language::parse(&row.locale).unwrap_or_default(),
        has_chosen_language: row.locale_chosen,
        is_active: row.status == "active",
        proved_at: row.otp_verified_at,
    })
}

/// Somebody has proved to hold this phone. Returns the customer, made with this language if new.
pub async fn proved(db: &Db, id: Uuid, phone: &Phone, language: Language, now: OffsetDateTime) -> Result<User> {
    let id = sqlx::query_scalar!(
        "INSERT INTO users (id, phone, locale, otp_verified_at, created_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (phone) DO UPDATE SET otp_verified_at = $4 RETURNING id",
        id,
        phone.as_str(),
        language.as_str(),
        now
    )
    .fetch_one(&db.pool)
    .await?;
    get(db, id).await
}

/// A customer has chosen a language.
pub async fn speak(db: &Db, id: Uuid, language: Language) -> Result<()> {
    let changed =
        sqlx::query!("UPDATE users SET locale = $2, locale_chosen = true WHERE id = $1", id, language.as_str())
            .execute(&db.pool)
            .await?
            .rows_affected();
    if changed == 1 { Ok(()) } else { Err(StoreError::missing("customer", id)) }
}

/// Something that a customer has bought and may use, or has used up lately.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owned {
    /// The entitlement.
    pub id: Uuid,
    /// When it was bought.
    pub created_at: OffsetDateTime,
}

/// The entitlements of a customer that may be used, and those that ended within the last days, the newest first.
pub async fn entitlements(db: &Db, user: Uuid, since: OffsetDateTime, limit: u32) -> Result<Vec<Owned>> {
    Ok(sqlx::query_as!(
        Owned,
        "SELECT id, created_at FROM entitlements
         WHERE user_id = $1 AND (state = 'active' OR created_at > $2 OR expires_at > $2)
         ORDER BY (state = 'active') DESC, created_at DESC LIMIT $3",
        user,
        since,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Whether an entitlement belongs to a customer.
pub async fn owns(db: &Db, user: Uuid, entitlement: Uuid) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM entitlements WHERE id = $1 AND user_id = $2) AS "owns!""#,
        entitlement,
        user
    )
    .fetch_one(&db.pool)
    .await?)
}

/// What a customer calls a device.
pub async fn device_labels(db: &Db, user: Uuid) -> Result<Vec<(Mac, String)>> {
    let rows =
        sqlx::query!(r#"SELECT mac::text AS "mac!", label FROM devices WHERE user_id = $1 AND label <> ''"#, user)
            .fetch_all(&db.pool)
            .await?;
    let read = |text: &str| text.parse().map_err(|error| StoreError::corrupt("devices", text, error));
    rows.into_iter().map(|row| Ok((read(&row.mac)?, row.label))).collect()
}

/// Gives a device of a customer a name.
pub async fn label_device(db: &Db, id: Uuid, user: Uuid, mac: Mac, label: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO devices (id, user_id, mac, label, bound_at) VALUES ($1, $2, $3::text::macaddr, $4, $5)
         ON CONFLICT (user_id, mac) DO UPDATE SET label = EXCLUDED.label",
        id,
        user,
        mac.to_string(),
        label,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Something that a customer has paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paid {
    /// The order.
    pub order: Uuid,
    /// The package's name.
    pub package: String,
    /// What was paid.
    pub amount: Money,
    /// When.
    pub at: OffsetDateTime,
}

/// What a customer has paid, the newest first.
pub async fn paid(db: &Db, user: Uuid, limit: u32) -> Result<Vec<Paid>> {
    let rows = sqlx::query!(
        r#"SELECT id, package->>'name' AS "package!", amount_minor, currency, paid_at AS "paid_at!" FROM orders
           WHERE user_id = $1 AND paid_at IS NOT NULL AND amount_minor > 0 ORDER BY paid_at DESC LIMIT $2"#,
        user,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = money("orders", row.id, row.amount_minor, &row.currency)?;
            Ok(Paid { order: row.id, package: row.package, amount, at: row.paid_at })
        })
        .collect()
}

/// The customer with that number, made if new. A name that is given replaces an empty one.
pub async fn ensure(db: &Db, id: Uuid, phone: &Phone, name: &str, now: OffsetDateTime) -> Result<Uuid> {
    let mut connection = db.pool.acquire().await?;
    ensure_in(&mut connection, id, phone, name, Language::default(), false, now).await
}

/// The same with a language for somebody new, and whether it was chosen; whoever is known keeps what there is.
pub(crate) async fn ensure_in(
    connection: &mut sqlx::PgConnection,
    id: Uuid,
    phone: &Phone,
    name: &str,
    language: Language,
    is_chosen: bool,
    now: OffsetDateTime,
) -> Result<Uuid> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO users (id, phone, name, locale, locale_chosen, created_at) VALUES ($1, $2, $3, $4, $6, $5)
         ON CONFLICT (phone) DO UPDATE SET name = CASE WHEN $3 <> '' THEN $3 ELSE users.name END
         RETURNING id",
        id,
        phone.as_str(),
        name,
        language.as_str(),
        now,
        is_chosen
    )
    .fetch_one(connection)
    .await?)
}
