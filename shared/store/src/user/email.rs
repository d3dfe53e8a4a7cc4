//! A customer's e-mail address: named by the customer, proved by whoever reads its mail, and used only then.
//!
//! Naming an address makes a claim, whose identity has its time in it, and puts the question into the outbox. Another
//! address takes the place of the one before, and ends its claim: of several links the last one counts.

use shared::email::EmailAddress;
use shared::language::Language;
use shared::notice::Notice;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError, notification};

/// How a customer can be reached besides by phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// The address, if one was named.
    pub address: Option<EmailAddress>,
    /// Whether whoever reads its mail has said that it is theirs.
    pub is_proved: bool,
    /// Whether e-mail comes first, and SMS where that cannot be sent; otherwise it is the other way round.
    pub is_first: bool,
    /// Whether e-mails that can be refused were refused.
    pub is_refused: bool,
}

/// What a link of ours is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// The customer's number.
    pub phone: Phone,
    /// The address.
    pub address: EmailAddress,
    /// Whether it was proved already.
    pub is_proved: bool,
    /// The language in which the customer is told things.
    pub language: Language,
}

/// Whom the link that refuses e-mails is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusing {
    /// The customer's number.
    pub phone: Phone,
    /// The language in which the customer is told things.
    pub language: Language,
    /// Whether they were refused before.
    pub is_refused: bool,
}

/// How a customer can be reached.
pub async fn contact(db: &Db, user: Uuid) -> Result<Contact> {
    let row = sqlx::query!(
        r#"SELECT email, (email_verified_at IS NOT NULL) AS "is_proved!", (news_by = 'email') AS "is_first!",
                  (email_refused_at IS NOT NULL) AS "is_refused!"
           FROM users WHERE id = $1"#,
        user
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("customer", user))?;
    let address = row.email.map(|email| read(&email, user)).transpose()?;
    Ok(Contact { address, is_proved: row.is_proved, is_first: row.is_first, is_refused: row.is_refused })
}

/// A customer names an address. Whoever reads its mail will be asked; until then nothing else goes there.
pub async fn name(
    db: &Db,
    user: Uuid,
    claim: Uuid,
    address: &EmailAddress,
    is_first: bool,
    now: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.begin().await?;
    let named = sqlx::query!(
        "UPDATE users SET email = $2, email_claim = $3, email_verified_at = NULL, email_refused_at = NULL, news_by = $4 WHERE id = $1",
        user,
        address.as_str(),
        claim,
        way(is_first)
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if named == 0 {
        return Err(StoreError::missing("customer", user));
    }
    let about = serde_json::json!({ "claim": claim });
    notification::tell(&mut tx, user, Notice::AddressProof, &claim.to_string(), &about, now).await?;
    tx.commit().await?;
    Ok(())
}

/// What a link is about; `None`: another address was named since, or there is none any more.
pub async fn claimed(db: &Db, claim: Uuid) -> Result<Option<Claimed>> {
    let row = sqlx::query!(
        r#"SELECT id, phone, locale, email AS "email!", (email_verified_at IS NOT NULL) AS "is_proved!"
           FROM users WHERE email_claim = $1"#,
        claim
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(|row| {
        Ok(Claimed {
            phone: row.phone.parse().map_err(|error| StoreError::corrupt("users", row.id, error))?,
            address: read(&row.email, row.id)?,
            is_proved: row.is_proved,
            language: Language::parse(&row.locale).unwrap_or_default(),
        })
    })
    .transpose()
}

/// Whoever reads the mail of an address says that it is theirs. Returns whether the link counts still.
pub async fn prove(db: &Db, claim: Uuid, now: OffsetDateTime) -> Result<bool> {
    let proved = sqlx::query!(
        "UPDATE users SET email_verified_at = coalesce(email_verified_at, $2) WHERE email_claim = $1",
        claim,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(proved == 1)
}

/// A customer chooses whether e-mail comes first. Who wants it first refuses it no more.
pub async fn choose(db: &Db, user: Uuid, is_first: bool) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET news_by = $2, email_refused_at = CASE WHEN $2 = 'email' THEN NULL ELSE email_refused_at END WHERE id = $1",
        user,
        way(is_first)
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Whom a link that refuses e-mails is about; `None`: there is no such customer any more.
pub async fn refusing(db: &Db, user: Uuid) -> Result<Option<Refusing>> {
    let row = sqlx::query!(
        r#"SELECT phone, locale, (email_refused_at IS NOT NULL) AS "is_refused!" FROM users WHERE id = $1"#,
        user
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(|row| {
        Ok(Refusing {
            phone: row.phone.parse().map_err(|error| StoreError::corrupt("users", user, error))?,
            language: Language::parse(&row.locale).unwrap_or_default(),
            is_refused: row.is_refused,
        })
    })
    .transpose()
}

/// A customer, or whoever reads the mail, wants no e-mails that can be refused. Once more it changes nothing. Returns whether there is such
/// a customer.
pub async fn refuse(db: &Db, user: Uuid, now: OffsetDateTime) -> Result<bool> {
    let refused =
        sqlx::query!("UPDATE users SET email_refused_at = coalesce(email_refused_at, $2) WHERE id = $1", user, now)
            .execute(&db.pool)
            .await?
            .rows_affected();
    Ok(refused == 1)
}

/// A customer takes the address back.
pub async fn forget(db: &Db, user: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET email = NULL, email_claim = NULL, email_verified_at = NULL, email_refused_at = NULL, news_by = 'sms'
         WHERE id = $1",
        user
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

fn way(is_first: bool) -> &'static str {
    if is_first { "email" } else { "sms" }
}

fn read(email: &str, user: Uuid) -> Result<EmailAddress> {
    email.parse::<EmailAddress>().map_err(|error| StoreError::corrupt("users", user, error))
}
