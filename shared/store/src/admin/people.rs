//! What is decided about staff: who is invited, what they are, where they are limited to, who is suspended.
//!
//! There is always an owner who can sign in: whoever would take the last one away is refused, however many try at the same
//! moment. What somebody may no longer do ends at once, since a change of role, sites or password ends their sessions.
//!
//! Nobody is removed: what they did stands in the audit log under their address. Who has left is suspended.

use shared::rng;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::role;
use crate::{Db, Result, StoreError};

/// A keyed hash of the secret in a one-time link.
pub type LinkHash = [u8; 16];

/// A member of staff, as others see them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Identity.
    pub id: Uuid,
    /// Address to sign in with.
    pub email: String,
    /// What they are.
    pub role: Role,
    /// The names of the sites that they are limited to, with their identities; none: all.
    pub sites: Vec<(Uuid, String)>,
    /// Whether they have not chosen a password yet.
    pub is_invited: bool,
    /// Until when the link is good with which they choose one.
    pub invite_until: Option<OffsetDateTime>,
    /// Since when they may not come to the desk.
    pub suspended_at: Option<OffsetDateTime>,
    /// Until when the account rests after too many wrong passwords.
    pub locked_until: Option<OffsetDateTime>,
    /// Since when codes are asked for.
    pub second_factor_since: Option<OffsetDateTime>,
    /// When they last signed in.
    pub signed_in_at: Option<OffsetDateTime>,
    /// When the account was made.
    pub created_at: OffsetDateTime,
}

/// Most that are listed.
const LISTED: i64 = 1000;

/// All of them by address, or the one with this identity.
async fn read(db: &Db, id: Option<Uuid>) -> Result<Vec<Member>> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.email, a.role, a.invited, a.invite_until, a.suspended_at, a.locked_until, a.totp_since,
                  a.signed_in_at, a.created_at,
                  ARRAY(SELECT t.id FROM admin_sites s JOIN sites t ON t.id = s.site_id WHERE s.admin_id = a.id
                        ORDER BY t.name, t.id) AS "site_ids!",
                  ARRAY(SELECT t.name FROM admin_sites s JOIN sites t ON t.id = s.site_id WHERE s.admin_id = a.id
                        ORDER BY t.name, t.id) AS "site_names!"
           FROM admin_users a WHERE $1::uuid IS NULL OR a.id = $1 ORDER BY a.email LIMIT $2"#,
        id as Option<Uuid>,
        LISTED
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                role: role(row.id, &row.role)?,
                sites: row.site_ids.into_iter().zip(row.site_names).collect(),
                id: row.id,
                email: row.email,
                is_invited: row.invited,
                invite_until: row.invite_until,
                suspended_at: row.suspended_at,
                locked_until: row.locked_until,
                second_factor_since: row.totp_since,
                signed_in_at: row.signed_in_at,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// All of them, by address.
pub async fn list(db: &Db) -> Result<Vec<Member>> {
    read(db, None).await
}

/// The one with this identity.
pub async fn get(db: &Db, id: Uuid) -> Result<Member> {
    read(db, Some(id)).await?.pop().ok_or_else(|| StoreError::missing("member of staff", id))
}

/// The identity of the one with this address.
pub async fn id_of(db: &Db, email: &str) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT id FROM admin_users WHERE email = $1", email.to_lowercase())
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("member of staff", email))
}

/// Somebody who is asked to come to the desk.
#[derive(Clone, Debug)]
pub struct Invitation<'a> {
    /// Address to sign in with.
    pub email: &'a str,
    /// What they will be.
    pub role: Role,
    /// The sites that they are limited to; none: all.
    pub sites: &'a [Uuid],
    /// The hash of a password that nobody knows.
    pub password_hash: &'a str,
    /// The keyed hash of the link's secret.
    pub link: LinkHash,
    /// Until when the link is good.
    pub until: OffsetDateTime,
}

/// Makes an account whose owner has still to choose a password.
///
/// # Errors
/// [`StoreError::Conflict`]: somebody has that address.
pub async fn invite(db: &Db, invitation: &Invitation<'_>, now: OffsetDateTime) -> Result<Uuid> {
    if invitation.role == Role::Owner && !invitation.sites.is_empty() {
        return Err(limited_owner());
    }
    let mut tx = db.pool.begin().await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO admin_users (id, email, password_hash, role, invited, invite_hash, invite_until, created_at)
         VALUES ($1, $2, $3, $4, true, $5, $6, $7) ON CONFLICT (email) DO NOTHING RETURNING id",
        rng::id(now),
        invitation.email.to_lowercase(),
        invitation.password_hash,
        invitation.role.as_str(),
        &invitation.link[..],
        invitation.until,
        now
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::Conflict(format!("{} is at the desk already", invitation.email)))?;
    set_sites(&mut tx, id, invitation.sites).await?;
    tx.commit().await?;
    Ok(id)
}

/// A new link for somebody who has lost the first one, or the password. An earlier one is worth nothing.
pub async fn renew_link(db: &Db, id: Uuid, link: &LinkHash, until: OffsetDateTime) -> Result<()> {
    let renewed = sqlx::query!(
        "UPDATE admin_users SET invite_hash = $2, invite_until = $3 WHERE id = $1 AND suspended_at IS NULL",
        id,
        &link[..],
        until
    )
    .execute(&db.pool)
    .await?;
    match renewed.rows_affected() {
        0 => Err(StoreError::Conflict("who is suspended gets no link: let them come back first".into())),
        _ => Ok(()),
    }
}

/// The address of whose link this is. `None`: of nobody's, or it is too old.
pub async fn of_link(db: &Db, link: &LinkHash, now: OffsetDateTime) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT email FROM admin_users WHERE invite_hash = $1 AND invite_until > $2 AND suspended_at IS NULL",
        &link[..],
        now
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Sets the password of whose link this is, and uses the link up: of several who send it at the same moment one has set it. Returns
/// the address. `None`: it is nobody's link any more.
pub async fn accept(db: &Db, link: &LinkHash, password_hash: &str, now: OffsetDateTime) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "UPDATE admin_users SET password_hash = $3, invited = false, invite_hash = NULL, invite_until = NULL,
             failed_logins = 0, locked_until = NULL
         WHERE invite_hash = $1 AND invite_until > $2 AND suspended_at IS NULL RETURNING email",
        &link[..],
        now,
        password_hash
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Sets the password of somebody who has proved to be who they are.
pub async fn set_password(db: &Db, id: Uuid, password_hash: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE admin_users SET password_hash = $2, failed_logins = 0, locked_until = NULL WHERE id = $1",
        id,
        password_hash
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Says what somebody is, and where.
///
/// # Errors
/// [`StoreError::Conflict`]: it would leave no owner, or an owner with limits.
pub async fn set_access(db: &Db, id: Uuid, role: Role, sites: &[Uuid]) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    match role {
        Role::Owner if !sites.is_empty() => return Err(limited_owner()),
        Role::Owner => {}
        _ => keep_an_owner(&mut tx, id).await?,
    }
    let changed =
        sqlx::query!("UPDATE admin_users SET role = $2 WHERE id = $1", id, role.as_str()).execute(&mut *tx).await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::missing("member of staff", id));
    }
    set_sites(&mut tx, id, sites).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps somebody from the desk until [`restore`]. The link that they may have is worth nothing.
///
/// # Errors
/// [`StoreError::Conflict`]: it would leave no owner.
pub async fn suspend(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    keep_an_owner(&mut tx, id).await?;
    let changed = sqlx::query!(
        "UPDATE admin_users SET suspended_at = coalesce(suspended_at, $2), invite_hash = NULL, invite_until = NULL WHERE id = $1",
        id,
        now
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::missing("member of staff", id));
    }
    tx.commit().await?;
    Ok(())
}

/// Lets somebody come back.
pub async fn restore(db: &Db, id: Uuid) -> Result<()> {
    let changed =
        sqlx::query!("UPDATE admin_users SET suspended_at = NULL WHERE id = $1", id).execute(&db.pool).await?;
    if changed.rows_affected() == 0 { Err(StoreError::missing("member of staff", id)) } else { Ok(()) }
}

/// An account that rests after too many wrong passwords rests no more.
pub async fn unlock(db: &Db, id: Uuid) -> Result<()> {
    sqlx::query!("UPDATE admin_users SET failed_logins = 0, locked_until = NULL WHERE id = $1", id)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Ends all sessions of somebody, also of those that Redis cannot be asked about now.
pub async fn end_sessions(db: &Db, id: Uuid) -> Result<()> {
    sqlx::query!("UPDATE admin_users SET session_epoch = session_epoch + 1 WHERE id = $1", id)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// An owner decides about all of it, and so about the own limits.
fn limited_owner() -> StoreError {
    StoreError::Conflict("an owner is not limited to sites: choose another role, or no sites".into())
}

/// Refuses if this is the only owner who can sign in. All of these are held until the end of the transaction, in one order, so
/// two owners who make each other something else at the same moment come one after the other.
async fn keep_an_owner(tx: &mut PgConnection, id: Uuid) -> Result<()> {
    let owners = sqlx::query_scalar!(
        "SELECT id FROM admin_users WHERE role = 'owner' AND suspended_at IS NULL AND NOT invited ORDER BY id FOR UPDATE"
    )
    .fetch_all(tx)
    .await?;
    match owners.as_slice() {
        [only] if *only == id => Err(StoreError::Conflict(
            "this is the last owner who can sign in: make somebody else an owner first".into(),
        )),
        _ => Ok(()),
    }
}

/// Limits somebody to these sites; none: to no sites at all, which is everywhere.
async fn set_sites(tx: &mut PgConnection, id: Uuid, sites: &[Uuid]) -> Result<()> {
    let known = sqlx::query_scalar!("SELECT id FROM sites WHERE id = ANY ($1)", sites).fetch_all(&mut *tx).await?;
    // A limit to sites that are not there would be none.
    if sites.iter().any(|site| !known.contains(site)) {
        return Err(StoreError::Conflict("one of the sites is not there any more: choose again".into()));
    }
    sqlx::query!("DELETE FROM admin_sites WHERE admin_id = $1 AND site_id <> ALL ($2)", id, sites)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "INSERT INTO admin_sites (admin_id, site_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        id,
        sites
    )
    .execute(tx)
    .await?;
    Ok(())
}
