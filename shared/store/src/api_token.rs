//! Tokens of the REST interface. Only their SHA-256 is stored: 256 random bits need no slow hash.

use sha2::{Digest as _, Sha256};
use shared::rng;
use shared::time::OffsetDateTime;

use crate::{Db, Result};

/// Makes the token of that name good, and any earlier one of that name worthless.
pub async fn replace(db: &Db, name: &str, hash: &[u8; 32], now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO api_tokens (id, name, token_hash, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET token_hash = EXCLUDED.token_hash, created_at = EXCLUDED.created_at, expires_at = NULL",
        rng::id(now),
        name,
        &hash[..],
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The name of a token that is good now. Its last use is noted, at most once a minute.
pub async fn check(db: &Db, hash: &[u8; 32], now: OffsetDateTime) -> Result<Option<String>> {
    let found = sqlx::query!(
        "SELECT name, last_used_at FROM api_tokens WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
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
    Ok(Some(token.name))
}

/// What is stored of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
