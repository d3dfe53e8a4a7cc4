//! People who may sign in to the routers themselves (RouterOS service `login`), each with the group whose rights they
//! get there. They are no customers and share no table with them.

use shared::time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Db, Result, StoreError};

/// An administrator of routers.
#[derive(Clone)]
pub struct RouterLogin {
    /// Its identity.
    pub id: Uuid,
    /// The name that is typed.
    pub name: String,
    /// The password in clear, because CHAP and MS-CHAP need it.
    pub password: Zeroizing<Vec<u8>>,
    /// The router's group (Mikrotik-Group).
    pub group: String,
    /// The only router that it opens; `None`: every router.
    pub nas: Option<Uuid>,
}

impl std::fmt::Debug for RouterLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouterLogin").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

/// Makes a router login, or gives the one of that name another password, group and router. Returns whether it is new.
pub async fn save(db: &Db, login: &RouterLogin, now: OffsetDateTime) -> Result<bool> {
    if login.password.is_empty() {
        return Err(StoreError::Conflict("an empty password does not protect a router".into()));
    }
    let mut tx = db.pool.begin().await?;
    let known = sqlx::query_scalar!("SELECT id FROM router_logins WHERE name = $1 FOR UPDATE", login.name)
        .fetch_optional(&mut *tx)
        .await?;
    let id = known.unwrap_or(login.id);
    sqlx::query!(
        "INSERT INTO router_logins (id, name, password_sealed, mikrotik_group, nas_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET password_sealed = EXCLUDED.password_sealed,
             mikrotik_group = EXCLUDED.mikrotik_group, nas_id = EXCLUDED.nas_id",
        id,
        login.name,
        db.seal.seal(&context(id), &login.password),
        login.group,
        login.nas,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(known.is_none())
}

/// Forgets the router login of that name.
pub async fn remove(db: &Db, name: &str) -> Result<()> {
    let gone = sqlx::query!("DELETE FROM router_logins WHERE name = $1", name).execute(&db.pool).await?.rows_affected();
    if gone == 1 { Ok(()) } else { Err(StoreError::missing("router login", name)) }
}

/// All of them, by name. One whose password does not open is left out, so that it does not take the others with it.
pub async fn all(db: &Db) -> Result<Vec<RouterLogin>> {
    let rows =
        sqlx::query!("SELECT id, name, password_sealed, mikrotik_group, nas_id FROM router_logins ORDER BY name")
            .fetch_all(&db.pool)
            .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let password = db
                .seal
                .open(&context(row.id), &row.password_sealed)
                .inspect_err(|error| tracing::error!(name = %row.name, %error, "a router login is left out"))
                .ok()?;
            Some(RouterLogin { id: row.id, name: row.name, password, group: row.mikrotik_group, nas: row.nas_id })
        })
        .collect())
}

fn context(id: Uuid) -> String {
    format!("router_login.password:{id}")
}
