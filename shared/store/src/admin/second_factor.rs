//! The second factor of staff: the sealed secret of the codes, which step was used last, and the codes that are typed by who
//! has lost the phone.
//!
//! Using up a code and finding it good are one statement, so of several who type the same one at the same moment one is let in.
//! Each change ends the sessions that were begun before: a trigger sees to that.

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Db, Result, StoreError};

/// How many recovery codes are made at once.
pub const RECOVERY_CODES: usize = 10;

/// A keyed hash of a recovery code.
pub type CodeHash = [u8; 16];

/// What codes are made from.
pub struct Secret {
    /// The octets.
    pub octets: Zeroizing<Vec<u8>>,
    /// The time step whose code was used last.
    pub last_step: Option<i64>,
}

fn context(id: Uuid) -> String {
    format!("admin.totp:{id}")
}

/// The keyed hash of a recovery code, however it was typed. It belongs to its owner: the same code of another has another hash.
pub fn hash(db: &Db, id: Uuid, code: &str) -> CodeHash {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    db.seal.lookup(format!("admin-recovery:{id}:{}", letters.to_ascii_uppercase()).as_bytes())
}

/// The secret of somebody who has one.
pub async fn secret(db: &Db, id: Uuid) -> Result<Option<Secret>> {
    let row = sqlx::query!("SELECT totp_sealed, totp_last_step FROM admin_users WHERE id = $1", id)
        .fetch_optional(&db.pool)
        .await?;
    let Some((sealed, last_step)) = row.and_then(|row| Some((row.totp_sealed?, row.totp_last_step))) else {
        return Ok(None);
    };
    let octets = db.seal.open(&context(id), &sealed).map_err(|error| StoreError::corrupt("admin_users", id, error))?;
    Ok(Some(Secret { octets, last_step }))
}

/// From now on codes of this secret are asked for; `step` is the one that has just been proved. Earlier recovery codes are worth
/// nothing, these are good.
pub async fn enrol(db: &Db, id: Uuid, secret: &[u8], step: i64, codes: &[CodeHash], now: OffsetDateTime) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    let changed = sqlx::query!(
        "UPDATE admin_users SET totp_sealed = $2, totp_since = $3, totp_last_step = $4 WHERE id = $1",
        id,
        db.seal.seal(&context(id), secret),
        now,
        step
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::missing("member of staff", id));
    }
    replace(&mut tx, id, codes).await?;
    tx.commit().await?;
    Ok(())
}

/// New recovery codes in place of all earlier ones.
pub async fn replace_recovery_codes(db: &Db, id: Uuid, codes: &[CodeHash]) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    replace(&mut tx, id, codes).await?;
    tx.commit().await?;
    Ok(())
}

async fn replace(tx: &mut PgConnection, id: Uuid, codes: &[CodeHash]) -> Result<()> {
    sqlx::query!("DELETE FROM admin_recovery_codes WHERE admin_id = $1", id).execute(&mut *tx).await?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| code.to_vec()).collect();
    sqlx::query!("INSERT INTO admin_recovery_codes (admin_id, code_hash) SELECT $1, unnest($2::bytea[])", id, &hashes)
        .execute(tx)
        .await?;
    Ok(())
}

/// Uses up the code of a step. `false`: that one, or a later one, was used before.
pub async fn use_step(db: &Db, id: Uuid, step: i64) -> Result<bool> {
    let used = sqlx::query!(
        "UPDATE admin_users SET totp_last_step = $2
         WHERE id = $1 AND totp_since IS NOT NULL AND coalesce(totp_last_step < $2, true)",
        id,
        step
    )
    .execute(&db.pool)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Uses up a recovery code. `false`: it is none, or was used before.
pub async fn use_recovery_code(db: &Db, id: Uuid, code: &CodeHash, now: OffsetDateTime) -> Result<bool> {
    let used = sqlx::query!(
        "UPDATE admin_recovery_codes SET used_at = $3 WHERE admin_id = $1 AND code_hash = $2 AND used_at IS NULL",
        id,
        &code[..],
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// How many recovery codes are left.
pub async fn recovery_codes_left(db: &Db, id: Uuid) -> Result<u64> {
    let left = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM admin_recovery_codes WHERE admin_id = $1 AND used_at IS NULL"#,
        id
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(u64::try_from(left).unwrap_or(0))
}

/// Codes are asked for no more: the phone is lost, or the role needs none. Where one is compulsory, it is made anew at the next
/// sign-in.
pub async fn reset(db: &Db, id: Uuid) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    let changed = sqlx::query!(
        "UPDATE admin_users SET totp_sealed = NULL, totp_since = NULL, totp_last_step = NULL WHERE id = $1",
        id
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::missing("member of staff", id));
    }
    replace(&mut tx, id, &[]).await?;
    tx.commit().await?;
    Ok(())
}
