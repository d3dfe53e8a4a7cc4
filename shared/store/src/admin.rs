//! Staff who sign in at the desk, and the audit log of what they do, and of devices that customers add.
//!
//! [`people`] is what is decided about them: invited, given a role and sites, suspended. [`second_factor`] is how they prove
//! themselves twice. Reading the audit log, and proving that it is whole, is [`crate::audit`].

pub mod people;
pub mod second_factor;

use std::net::IpAddr;
use std::time::Duration;

use shared::rng;
use shared::staff::{Role, SiteScope};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Db, Result, StoreError, trace};

/// Wrong passwords and codes in a row before an account rests.
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
    /// Whether they may not come to the desk at the moment.
    pub is_suspended: bool,
    /// Whether they prove themselves by a code as well.
    pub has_second_factor: bool,
    /// Sessions of another number are over.
    pub session_epoch: i32,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Adds a member of staff with this role, or sets the password of the one with that address, whose role stays.
pub async fn save(db: &Db, email: &str, password_hash: &str, role: Role, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO admin_users (id, email, password_hash, role, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email) DO UPDATE SET password_hash = EXCLUDED.password_hash, failed_logins = 0, locked_until = NULL,
             invited = false, invite_hash = NULL, invite_until = NULL",
        rng::id(now),
        email.to_lowercase(),
        password_hash,
        role.as_str(),
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
    sites: Vec<Uuid>,
    locked_until: Option<OffsetDateTime>,
    is_suspended: bool,
    has_second_factor: bool,
    session_epoch: i32,
}

impl Row {
    fn admin(self) -> Result<Admin> {
        Ok(Admin {
            role: role(self.id, &self.role)?,
            id: self.id,
            email: self.email,
            password_hash: self.password_hash,
            sites: SiteScope::of(self.sites),
            locked_until: self.locked_until,
            is_suspended: self.is_suspended,
            has_second_factor: self.has_second_factor,
            session_epoch: self.session_epoch,
        })
    }
}

/// Reads the word of a role. One that is not known may nothing: it is an error.
fn role(id: Uuid, word: &str) -> Result<Role> {
    Role::parse(word).ok_or_else(|| StoreError::corrupt("admin_users", id, format!("unknown role {word}")))
}

/// The member of staff with that address.
pub async fn by_email(db: &Db, email: &str) -> Result<Option<Admin>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT a.id, a.email, a.password_hash, a.role, a.locked_until, a.session_epoch,
                  ARRAY(SELECT s.site_id FROM admin_sites s WHERE s.admin_id = a.id ORDER BY s.site_id) AS "sites!",
                  a.suspended_at IS NOT NULL AS "is_suspended!", a.totp_since IS NOT NULL AS "has_second_factor!"
           FROM admin_users a WHERE a.email = $1"#,
        email.to_lowercase()
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(Row::admin).transpose()
}

/// The member of staff with that identity.
pub async fn by_id(db: &Db, id: Uuid) -> Result<Option<Admin>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT a.id, a.email, a.password_hash, a.role, a.locked_until, a.session_epoch,
                  ARRAY(SELECT s.site_id FROM admin_sites s WHERE s.admin_id = a.id ORDER BY s.site_id) AS "sites!",
                  a.suspended_at IS NOT NULL AS "is_suspended!", a.totp_since IS NOT NULL AS "has_second_factor!"
           FROM admin_users a WHERE a.id = $1"#,
        id
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(Row::admin).transpose()
}

/// Notes a proof that succeeded or failed; too many failures in a row lock the account for a while. Returns whether this one
/// did.
pub async fn signed_in(db: &Db, id: Uuid, success: bool, now: OffsetDateTime) -> Result<bool> {
    let failures = sqlx::query_scalar!(
        "UPDATE admin_users SET
             failed_logins = CASE WHEN $2 OR failed_logins + 1 >= $3 THEN 0 ELSE failed_logins + 1 END,
             locked_until = CASE WHEN $2 THEN NULL WHEN failed_logins + 1 >= $3 THEN $4 ELSE locked_until END,
             signed_in_at = CASE WHEN $2 THEN $5 ELSE signed_in_at END
         WHERE id = $1 RETURNING failed_logins",
        id,
        success,
        MAX_FAILED_LOGINS,
        now + LOCK,
        now
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(!success && failures == Some(0))
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

/// Who does something. With a line of the audit log: it is written in the transaction of what is done, so that neither is there without
/// the other. With a name alone none is: the caller writes one of more than this, or there is none.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The name that stands with what is changed.
    pub(crate) name: &'a str,
    line: Option<&'a Audit<'a>>,
}

impl<'a> From<&'a Audit<'_>> for Author<'a> {
    fn from(line: &'a Audit<'_>) -> Author<'a> {
        Author { name: line.actor, line: Some(line) }
    }
}

impl<'a> From<&'a str> for Author<'a> {
    fn from(name: &'a str) -> Author<'a> {
        Author { name, line: None }
    }
}

impl Author<'_> {
    /// What the line is about; without a line nothing.
    pub(crate) fn object(&self) -> &str {
        self.line.map_or("", |line| line.object)
    }

    /// Writes the line, if there is one. Last in its transaction: whoever else writes a line waits until it ends.
    pub(crate) async fn note(&self, tx: &mut PgConnection, now: OffsetDateTime) -> Result<()> {
        self.note_of(tx, self.object(), now).await
    }

    /// The same of an object that is known only now.
    pub(crate) async fn note_of(&self, tx: &mut PgConnection, object: &str, now: OffsetDateTime) -> Result<()> {
        match self.line {
            Some(line) => audit_in(tx, &Audit { object, ..*line }, now).await,
            None => Ok(()),
        }
    }

    /// The same with more to say.
    pub(crate) async fn note_with(
        &self,
        tx: &mut PgConnection,
        detail: &serde_json::Value,
        now: OffsetDateTime,
    ) -> Result<()> {
        match self.line {
            Some(line) => audit_with_in(tx, line, detail, now).await,
            None => Ok(()),
        }
    }
}

/// Appends to the audit log; the database chains it to the line before.
pub async fn audit(db: &Db, line: &Audit<'_>, now: OffsetDateTime) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    audit_in(&mut connection, line, now).await
}

/// The same with more to say, such as what was before. It must hold no secret.
pub async fn audit_with(db: &Db, line: &Audit<'_>, detail: &serde_json::Value, now: OffsetDateTime) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    write(&mut connection, line, detail, now).await
}

/// The same in the transaction of what was done.
pub(crate) async fn audit_in(connection: &mut PgConnection, line: &Audit<'_>, now: OffsetDateTime) -> Result<()> {
    write(connection, line, &serde_json::json!({}), now).await
}

/// The same with more to say.
pub(crate) async fn audit_with_in(
    connection: &mut PgConnection,
    line: &Audit<'_>,
    detail: &serde_json::Value,
    now: OffsetDateTime,
) -> Result<()> {
    write(connection, line, detail, now).await
}

async fn write(
    connection: &mut PgConnection,
    line: &Audit<'_>,
    detail: &serde_json::Value,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO admin_logs (at, actor, action, object, address, detail, hash, trace)
         VALUES ($1, $2, $3, $4, $5::text::inet, $6, '', $7)",
        now,
        line.actor,
        line.action,
        line.object,
        line.address.map(|ip| ip.to_string()),
        detail,
        trace::column()
    )
    .execute(connection)
    .await?;
    Ok(())
}
