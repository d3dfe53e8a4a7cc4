//! Changing a router's secret while the router goes on working.
//!
//! The new secret and the one before count side by side until the overlap is over, so that the router can be changed
//! at any moment within it. Secrets are numbered; radiusd notes the number that a router's packets prove. A second
//! change within the overlap keeps the secret that the router was last heard to use: whoever has lost the new secret
//! can make another without cutting off a router that never got it.

use std::time::Duration;

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::secret_context;
use crate::{Db, Result, StoreError};

/// How long the secret before is honoured unless the operator says otherwise: a working day on site.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// The longest overlap: a secret that may have leaked must not count for ever.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// What became of a router's secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretChange {
    /// It was that already.
    Same,
    /// It is new. The one before is honoured until then, if at all.
    Replaced {
        /// Until when.
        old_until: Option<OffsetDateTime>,
    },
}

/// Gives the router of that name a new secret; the one before is honoured for `overlap`.
pub async fn rotate_secret(
    db: &Db,
    name: &str,
    secret: &[u8],
    overlap: Duration,
    now: OffsetDateTime,
) -> Result<SecretChange> {
    check(secret)?;
    let mut tx = db.pool.begin().await?;
    let id = sqlx::query_scalar!("SELECT id FROM nas WHERE name = $1 FOR UPDATE", name)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("router", name))?;
    let change = replace(db, &mut tx, id, secret, overlap, now).await?;
    tx.commit().await?;
    Ok(change)
}

/// Forgets secrets whose overlap is over. Returns how many.
pub async fn forget_old_secrets(db: &Db, now: OffsetDateTime) -> Result<u64> {
    Ok(sqlx::query!(
        "UPDATE nas SET old_secret_sealed = NULL, old_secret_until = NULL, old_secret_generation = NULL
         WHERE old_secret_until <= $1",
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// Refuses what cannot be a secret (RFC 2865 §3).
pub(super) fn check(secret: &[u8]) -> Result<()> {
    match secret {
        [] => Err(StoreError::Conflict(
            "an empty RADIUS secret is not allowed: give the router and us the same one".into(),
        )),
        _ => Ok(()),
    }
}

/// Puts a secret in place of the present one. The caller holds the router's row.
pub(super) async fn replace(
    db: &Db,
    tx: &mut PgConnection,
    id: Uuid,
    secret: &[u8],
    overlap: Duration,
    now: OffsetDateTime,
) -> Result<SecretChange> {
    let row = sqlx::query!(
        "SELECT secret_sealed, secret_generation, old_secret_sealed, old_secret_generation, old_secret_until,
             proved_generation FROM nas WHERE id = $1",
        id
    )
    .fetch_one(&mut *tx)
    .await?;
    // One that does not open is damaged, or sealed with another key: it is not kept, and a new secret mends the row.
    let open = |sealed: &[u8]| db.seal.open(&secret_context(id), sealed).ok();
    let present = open(&row.secret_sealed);
    if present.as_ref().is_some_and(|known| known[..] == *secret) {
        if overlap.is_zero() {
            keep(tx, id, None).await?;
        }
        return Ok(SecretChange::Same);
    }
    let last_proved = row.old_secret_sealed.zip(row.old_secret_generation).filter(|(sealed, generation)| {
        row.proved_generation == Some(*generation)
            && row.old_secret_until > Some(now)
            && open(sealed).is_some_and(|known| known[..] != *secret)
    });
    let before = last_proved.or_else(|| present.map(|_| (row.secret_sealed, row.secret_generation)));
    let until = now + overlap.min(MAX_OVERLAP);
    let kept = before.filter(|_| !overlap.is_zero()).map(|(sealed, generation)| Kept { sealed, generation, until });
    let old_until = kept.as_ref().map(|kept| kept.until);
    sqlx::query!(
        "UPDATE nas SET secret_sealed = $2, secret_generation = secret_generation + 1 WHERE id = $1",
        id,
        db.seal.seal(&secret_context(id), secret)
    )
    .execute(&mut *tx)
    .await?;
    keep(tx, id, kept).await?;
    Ok(SecretChange::Replaced { old_until })
}

/// A sealed secret that is honoured for a while.
struct Kept {
    sealed: Vec<u8>,
    generation: i32,
    until: OffsetDateTime,
}

async fn keep(tx: &mut PgConnection, id: Uuid, kept: Option<Kept>) -> Result<()> {
    let (generation, until) = (kept.as_ref().map(|kept| kept.generation), kept.as_ref().map(|kept| kept.until));
    sqlx::query!(
        "UPDATE nas SET old_secret_sealed = $2, old_secret_generation = $3, old_secret_until = $4 WHERE id = $1",
        id,
        kept.map(|kept| kept.sealed),
        generation,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}
