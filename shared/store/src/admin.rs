//! Staff who sign in at the desk, and the audit log of what they do, and of devices that customers add.

use std::net::IpAddr;
use std::time::Duration;

use shared::rng;
use shared::staff::{Role, SiteScope};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// Wrong passwords in a row before an account rests.
pub const MAX_FAILED_LOGINS: i32 = 10;
/// How long it rests.
pub const LOCK: Duration = Duration::from_secs(900);

/// A member of staff.
#[derive(Clone)]
pub struct Admin {
    /// Identity.
    pub id: Uuid,
    /// Address to sign in with, in lower case.
    pub email: String,
    /// Argon2id hash of the password.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// The sites that they are limited to.
    pub sites: SiteScope,
    /// Until when the account rests after too many wrong passwords.
    pub locked_until: Option<OffsetDateTime>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Adds a member of staff, or sets the password of the one with that address.
pub async fn save(db: &Db, email: &str, password_hash: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO admin_users (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (email) DO UPDATE SET password_hash = EXCLUDED.password_hash, failed_logins = 0, locked_until = NULL",
        rng::id(now),
        email.to_lowercase(),
        password_hash,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

struct Row {
    id: Uuid,
    email: String,
    password_hash: String,
    role: String,
    locked_until: Option<OffsetDateTime>,
}

impl Row {
    fn admin(self) -> Result<Admin> {
        let role =
            Role::parse(&self.role).ok_or_else(|| StoreError::corrupt("admin_users", self.id, "unknown role"))?;
        Ok(Admin {
            id: self.id,
            email: self.email,
            password_hash: self.password_hash,
            role,
            sites: SiteScope::All,
            locked_until: self.locked_until,
        })
    }
}

/// The member of staff with that address.
pub async fn by_email(db: &Db, email: &str) -> Result<Option<Admin>> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, email, password_hash, role, locked_until FROM admin_users WHERE email = $1",
        email.to_lowercase()
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(Row::admin).transpose()
}

/// The member of staff with that identity.
pub async fn by_id(db: &Db, id: Uuid) -> Result<Option<Admin>> {
    let row =
        sqlx::query_as!(Row, "SELECT id, email, password_hash, role, locked_until FROM admin_users WHERE id = $1", id)
            .fetch_optional(&db.pool)
            .await?;
    row.map(Row::admin).transpose()
}

/// Notes a sign-in that succeeded or failed; too many failures in a row lock the account for a while.
pub async fn signed_in(db: &Db, id: Uuid, success: bool, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE admin_users SET
             failed_logins = CASE WHEN $2 OR failed_logins + 1 >= $3 THEN 0 ELSE failed_logins + 1 END,
             locked_until = CASE WHEN $2 THEN NULL WHEN failed_logins + 1 >= $3 THEN $4 ELSE locked_until END
         WHERE id = $1",
        id,
        success,
        MAX_FAILED_LOGINS,
        now + LOCK
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// One line of the audit log.
#[derive(Clone, Debug)]
pub struct Audit<'a> {
    /// Who: an address, a token's name, `command line`, or a customer.
    pub actor: &'a str,
    /// What, such as `session.disconnect`.
    pub action: &'a str,
    /// To which thing.
    pub object: &'a str,
    /// From where.
    pub address: Option<IpAddr>,
}

/// Appends to the audit log; the database chains it to the line before.
pub async fn audit(db: &Db, line: &Audit<'_>, now: OffsetDateTime) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    audit_in(&mut connection, line, now).await
}

/// The same in the transaction of what was done.
pub(crate) async fn audit_in(connection: &mut PgConnection, line: &Audit<'_>, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO admin_logs (at, actor, action, object, address, hash) VALUES ($1, $2, $3, $4, $5::text::inet, '')",
        now,
        line.actor,
        line.action,
        line.object,
        line.address.map(|ip| ip.to_string())
    )
    .execute(connection)
    .await?;
    Ok(())
}
