//! Tokens of the REST interface: what each may do, until when, and from where. Only their SHA-256 is stored, and how they begin: 256
//! random bits need no slow hash.

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use shared::rng;
use shared::scope::Scopes;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// Letters of a token that are kept in clear, `mlt_` included.
const PREFIX: usize = 8;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// What it is for; names it in the audit log.
    pub name: &'a str,
    /// The token itself.
    pub token: &'a str,
    /// What it may do.
    pub scopes: &'a Scopes,
    /// Until when; `None`: until it is revoked.
    pub expires_at: Option<OffsetDateTime>,
    /// From where; empty: from everywhere.
    pub allowed_from: &'a [IpNet],
}

/// Makes a token good, and any earlier one of that name worthless.
pub async fn replace(db: &Db, new: &New<'_>, now: OffsetDateTime) -> Result<()> {
    let networks: Vec<String> = new.allowed_from.iter().map(|network| network.trunc().to_string()).collect();
    sqlx::query!(
        "INSERT INTO api_tokens (id, name, token_hash, prefix, scopes, allowed_from, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6::text[]::cidr[], $7, $8)
         ON CONFLICT (name) DO UPDATE SET token_hash = EXCLUDED.token_hash, prefix = EXCLUDED.prefix, scopes = EXCLUDED.scopes,
             allowed_from = EXCLUDED.allowed_from, expires_at = EXCLUDED.expires_at, created_at = EXCLUDED.created_at,
             revoked_at = NULL",
        rng::id(now),
        new.name,
        &digest(new.token)[..],
        new.token.get(..PREFIX),
        new.scopes.words(),
        &networks,
        new.expires_at,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// A token that is good now.
#[derive(Clone, Debug)]
pub struct Good {
    /// Its identity, which stays when it is replaced.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// From where; empty: from everywhere.
    pub allowed_from: Vec<IpNet>,
}

/// The token with that digest, if it is good now. Its last use is noted, at most once a minute.
pub async fn check(db: &Db, hash: &[u8; 32], now: OffsetDateTime) -> Result<Option<Good>> {
    let found = sqlx::query!(
        r#"SELECT id, name, scopes, allowed_from::text[] AS "allowed_from!", last_used_at FROM api_tokens
           WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)"#,
        &hash[..],
        now
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(token) = found else { return Ok(None) };
    if token.last_used_at.is_none_or(|at| now - at > time::Duration::minutes(1)) {
        sqlx::query!("UPDATE api_tokens SET last_used_at = $2 WHERE token_hash = $1", &hash[..], now)
            .execute(&db.pool)
            .await?;
    }
    Ok(Some(Good {
        allowed_from: networks(&token.name, &token.allowed_from)?,
        id: token.id,
        name: token.name,
        scopes: Scopes::stored(token.scopes),
    }))
}

/// A token as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How it begins; `None`: a program from before has made it.
    pub prefix: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// From where; empty: from everywhere.
    pub allowed_from: Vec<IpNet>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last used, to the minute.
    pub last_used_at: Option<OffsetDateTime>,
    /// Until when it is good.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

/// All tokens, by name.
pub async fn list(db: &Db) -> Result<Vec<Listed>> {
    sqlx::query!(
        r#"SELECT name, prefix, scopes, allowed_from::text[] AS "allowed_from!", created_at, last_used_at, expires_at, revoked_at
           FROM api_tokens ORDER BY name LIMIT 1000"#
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Listed {
            allowed_from: networks(&row.name, &row.allowed_from)?,
            name: row.name,
            prefix: row.prefix,
            scopes: Scopes::stored(row.scopes),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
    })
    .collect()
}

/// Makes the token of that name worthless. One that is already stays so.
pub async fn revoke(db: &Db, name: &str, now: OffsetDateTime) -> Result<()> {
    let revoked =
        sqlx::query!("UPDATE api_tokens SET revoked_at = coalesce(revoked_at, $2) WHERE name = $1", name, now)
            .execute(&db.pool)
            .await?
            .rows_affected();
    if revoked == 1 { Ok(()) } else { Err(StoreError::missing("token", name)) }
}

/// What is stored of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn networks(name: &str, texts: &[String]) -> Result<Vec<IpNet>> {
    texts.iter().map(|text| text.parse().map_err(|error| StoreError::corrupt("api_tokens", name, error))).collect()
}
