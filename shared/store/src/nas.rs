//! Network access servers: the routers that ask us. A packet's NAS is chosen by its source address alone
//! (RFC 2865 §5.4), so the address is the key; the secret is sealed to the row.

use ipnet::IpNet;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// A registered router.
#[derive(Clone)]
pub struct Nas {
    /// Its identity.
    pub id: Uuid,
    /// Its short name.
    pub name: String,
    /// Name of its site.
    pub site: Option<String>,
    /// Where its packets come from.
    pub address: IpNet,
    /// Its NAS-Identifier (`/system identity`), if fixed.
    pub identifier: Option<String>,
    /// The shared secret.
    pub secret: Vec<u8>,
    /// The secret before a rotation, and until when it is honoured.
    pub old_secret: Option<(Vec<u8>, OffsetDateTime)>,
    /// Where it takes CoA and Disconnect.
    pub coa_port: u16,
    /// Whether Access-Requests must carry Message-Authenticator.
    pub require_message_authenticator: MessageAuthenticatorPolicy,
    /// Where its login page may send a guest back to: `host` or `host:port`.
    pub hotspot_hosts: Vec<String>,
    /// When a valid packet last came.
    pub last_seen_at: Option<OffsetDateTime>,
}

impl std::fmt::Debug for Nas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nas").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether a NAS's Access-Requests must carry Message-Authenticator (Blast-RADIUS).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageAuthenticatorPolicy {
    /// Once it has sent a valid one, it must go on doing so; `seen` says whether it has.
    Auto {
        /// A valid one has been seen.
        seen: bool,
    },
    /// Always.
    Yes,
    /// Never (RouterOS before 7.15).
    No,
}

/// What is told about a router when it is registered.
#[derive(Clone, Debug)]
pub struct NewNas<'a> {
    /// Identity, used only if it is new.
    pub id: Uuid,
    /// Short name; the same name again changes that router.
    pub name: &'a str,
    /// Site.
    pub site_id: Option<Uuid>,
    /// Source address or network.
    pub address: IpNet,
    /// NAS-Identifier.
    pub identifier: Option<&'a str>,
    /// Shared secret; must not be empty (RFC 2865 §3).
    pub secret: &'a [u8],
    /// CoA port.
    pub coa_port: u16,
    /// Hosts that its login page names.
    pub hotspot_hosts: &'a [String],
}

/// What [`save`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    /// A new router.
    Added,
    /// A known one, changed.
    Updated,
}

/// Registers a router, or changes the one of that name.
pub async fn save(db: &Db, nas: &NewNas<'_>, now: OffsetDateTime) -> Result<Saved> {
    if nas.secret.is_empty() {
        return Err(StoreError::Conflict(
            "an empty RADIUS secret is not allowed: give the router and us the same one".into(),
        ));
    }
    let mut tx = db.pool.begin().await?;
    let known =
        sqlx::query_scalar!("SELECT id FROM nas WHERE name = $1 FOR UPDATE", nas.name).fetch_optional(&mut *tx).await?;
    let id = known.unwrap_or(nas.id);
    let sealed = db.seal.seal(&secret_context(id), nas.secret);
    let saved = sqlx::query!(
        "INSERT INTO nas (id, name, site_id, address, identifier, secret_sealed, coa_port, hotspot_hosts, created_at)
         VALUES ($1, $2, $3, $4::inet::cidr, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET site_id = EXCLUDED.site_id, address = EXCLUDED.address,
             identifier = EXCLUDED.identifier, secret_sealed = EXCLUDED.secret_sealed,
             coa_port = EXCLUDED.coa_port, hotspot_hosts = EXCLUDED.hotspot_hosts",
        id,
        nas.name,
        nas.site_id,
        nas.address.trunc() as IpNet,
        nas.identifier,
        sealed,
        i32::from(nas.coa_port),
        nas.hotspot_hosts,
        now
    )
    .execute(&mut *tx)
    .await
    .map_err(StoreError::from);
    match saved {
        Err(StoreError::Conflict(_)) => {
            return Err(StoreError::Conflict(format!(
                "another router already has the address {} or that identifier",
                nas.address
            )));
        }
        other => other?,
    };
    tx.commit().await?;
    Ok(if known.is_some() { Saved::Updated } else { Saved::Added })
}

/// Forgets the router of that name.
pub async fn remove(db: &Db, name: &str) -> Result<()> {
    let gone = sqlx::query!("DELETE FROM nas WHERE name = $1", name)
        .execute(&db.pool)
        .await
        .map_err(|error| match error.as_database_error().and_then(|e| e.code()).as_deref() {
            Some("23503") => StoreError::Conflict(format!("router {name} has sold packages: it cannot be forgotten")),
            _ => StoreError::from(error),
        })?
        .rows_affected();
    if gone == 1 { Ok(()) } else { Err(StoreError::missing("router", name)) }
}

/// All routers, by name.
pub async fn all(db: &Db) -> Result<Vec<Nas>> {
    let rows = sqlx::query!(
        r#"SELECT n.id, n.name, s.name AS "site?", n.address::inet AS "address!: IpNet", n.identifier, n.secret_sealed,
                  n.old_secret_sealed, n.old_secret_until, n.coa_port, n.require_message_authenticator AS policy,
                  n.sends_message_authenticator AS seen, n.hotspot_hosts, n.last_seen_at
           FROM nas n LEFT JOIN sites s ON s.id = n.site_id ORDER BY n.name"#
    )
    .fetch_all(&db.pool)
    .await?;
    let known = rows.len();
    let routers: Vec<Result<Nas>> = rows
        .into_iter()
        .map(|row| {
            let open = |sealed: &[u8]| {
                db.seal
                    .open(&secret_context(row.id), sealed)
                    .map(|secret| secret.to_vec())
                    .map_err(|error| StoreError::corrupt("nas", &row.name, error))
            };
            let old_secret = match (&row.old_secret_sealed, row.old_secret_until) {
                (Some(sealed), Some(until)) => Some((open(sealed)?, until)),
                _ => None,
            };
            Ok(Nas {
                secret: open(&row.secret_sealed)?,
                old_secret,
                id: row.id,
                name: row.name,
                site: row.site,
                address: row.address,
                identifier: row.identifier,
                coa_port: u16::try_from(row.coa_port).unwrap_or(3799),
                require_message_authenticator: match row.policy.as_str() {
                    "yes" => MessageAuthenticatorPolicy::Yes,
                    "no" => MessageAuthenticatorPolicy::No,
                    _ => MessageAuthenticatorPolicy::Auto { seen: row.seen },
                },
                hotspot_hosts: row.hotspot_hosts,
                last_seen_at: row.last_seen_at,
            })
        })
        .collect();
    if known > 0 && routers.iter().all(Result::is_err) {
        // Not one damaged row but another key: nothing could be served.
        return routers.into_iter().collect();
    }
    Ok(routers
        .into_iter()
        .filter_map(|nas| nas.inspect_err(|error| tracing::error!(%error, "a router is left out")).ok())
        .collect())
}

/// What the portal must know of the router that a guest stands behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hotspot {
    /// The router.
    pub nas_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its site.
    pub site_id: Option<Uuid>,
    /// The site's name.
    pub site: Option<String>,
}

/// The registered router whose login page may name `host` (`host` or `host:port`). Several may share a
/// private address; then the identifier decides. `None`: nobody registered that host.
pub async fn hotspot(db: &Db, host: &str, identifier: &str) -> Result<Option<Hotspot>> {
    Ok(sqlx::query_as!(
        Hotspot,
        r#"SELECT n.id AS nas_id, n.name, n.site_id, s.name AS "site?"
           FROM nas n LEFT JOIN sites s ON s.id = n.site_id
           WHERE $1 = ANY (n.hotspot_hosts)
           ORDER BY (n.identifier IS NOT DISTINCT FROM $2) DESC, n.name LIMIT 1"#,
        host,
        identifier
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Notes when routers were last heard. Each pair is a router and a moment.
pub async fn seen(db: &Db, heard: &[(Uuid, OffsetDateTime)]) -> Result<()> {
    let (ids, times): (Vec<Uuid>, Vec<OffsetDateTime>) = heard.iter().copied().unzip();
    sqlx::query!(
        "UPDATE nas SET last_seen_at = greatest(nas.last_seen_at, h.at)
         FROM unnest($1::uuid[], $2::timestamptz[]) AS h (id, at) WHERE nas.id = h.id",
        &ids,
        &times
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Learns that a router signs its requests with Message-Authenticator.
pub async fn sends_message_authenticator(db: &Db, id: Uuid) -> Result<()> {
    sqlx::query!("UPDATE nas SET sends_message_authenticator = true WHERE id = $1", id).execute(&db.pool).await?;
    Ok(())
}

fn secret_context(id: Uuid) -> String {
    format!("nas.secret:{id}")
}
