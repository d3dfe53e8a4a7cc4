//! What radiusd must know to answer from memory: entitlements with their credentials and devices, read whole
//! at the start and row by row when `directory_changes` says so.
//!
//! Reading the changes is by transaction id, not by sequence: a transaction that began early and commits late
//! writes a low number after a higher one was read. Each reading goes back to the horizon of the one before
//! (the oldest transaction that was then still open), so nothing is missed; what is read twice is harmless.

use std::collections::HashMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use shared::entitlement::{Credential, CredentialKind, Entitlement, State};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::{rate, seconds, unsigned};
use crate::{Db, Result, StoreError, entitlement};

/// Entitlements that ended longer ago are not kept in memory; they are still found when asked for by name.
const KEEP_ENDED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Changes are kept this long; a server that was away longer reads everything again.
const KEEP_CHANGES: Duration = Duration::from_secs(3600);

/// An entitlement with what opens it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// Its credentials.
    pub credentials: Vec<Credential>,
}

/// A place in the stream of changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Horizon(i64);

/// What changed since a horizon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// Entitlements to read again; some may be gone.
    pub entitlements: Vec<Uuid>,
    /// The list of routers changed.
    pub nas: bool,
    /// Read everything again.
    pub everything: bool,
    /// Where to go on.
    pub next: Horizon,
}

/// The present horizon: changes committed from now on are read from here.
pub async fn horizon(db: &Db) -> Result<Horizon> {
    let xmin = sqlx::query_scalar!(r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "xmin!""#)
        .fetch_one(&db.pool)
        .await?;
    Ok(Horizon(xmin))
}

/// What changed since `since`. Changes whose numbers are in `seen` were applied before and are left out. With it come the
/// numbers of all changes that were read: the next reading's `seen`.
pub async fn changes(db: &Db, since: Horizon, seen: &std::collections::HashSet<i64>) -> Result<(Changes, Vec<i64>)> {
    let rows = sqlx::query!(
        r#"SELECT c.id, c.what, c.entitlement_id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "xmin!"
           FROM (SELECT 1) one LEFT JOIN directory_changes c ON c.xid >= $1::bigint::text::xid8"#,
        since.0
    )
    .fetch_all(&db.pool)
    .await?;
    let mut changes = Changes { entitlements: Vec::new(), nas: false, everything: false, next: since };
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        changes.next = Horizon(row.xmin);
        let Some(id) = row.id else { continue };
        read.push(id);
        if seen.contains(&id) {
            continue;
        }
        match (row.what.as_deref(), row.entitlement_id) {
            (Some("entitlement"), Some(entitlement)) => changes.entitlements.push(entitlement),
            (Some("nas"), _) => changes.nas = true,
            _ => changes.everything = true,
        }
    }
    changes.entitlements.sort_unstable();
    changes.entitlements.dedup();
    Ok((changes, read))
}

/// Forgets changes that every server has long read. Returns how many.
pub async fn forget_old_changes(db: &Db, now: OffsetDateTime) -> Result<u64> {
    Ok(sqlx::query!("DELETE FROM directory_changes WHERE at < $1", now - KEEP_CHANGES)
        .execute(&db.pool)
        .await?
        .rows_affected())
}

/// Whether a server that last read at `last` may have missed changes that are forgotten by now.
pub fn too_long_away(last: OffsetDateTime, now: OffsetDateTime) -> bool {
    now - last > KEEP_CHANGES / 2
}

struct EntitlementRow {
    id: Uuid,
    package: String,
    state: String,
    starts_at: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
    duration_seconds: Option<i64>,
    quota_octets: Option<i64>,
    used_octets: i64,
    up_bps: Option<i64>,
    down_bps: Option<i64>,
    device_limit: i32,
    idle_timeout_seconds: Option<i32>,
    macs: Vec<String>,
}

impl TryFrom<EntitlementRow> for Entitlement {
    type Error = StoreError;
    fn try_from(row: EntitlementRow) -> Result<Entitlement> {
        let state =
            State::parse(&row.state).ok_or_else(|| StoreError::corrupt("entitlements", row.id, "unknown state"))?;
        let devices = row
            .macs
            .iter()
            .map(|mac| mac.parse::<Mac>())
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| StoreError::corrupt("entitlement_devices", row.id, error))?;
        Ok(Entitlement {
            id: row.id,
            package: row.package,
            state,
            starts_at: row.starts_at,
            expires_at: row.expires_at,
            duration: seconds(row.duration_seconds),
            quota_octets: row.quota_octets.map(unsigned),
            used_octets: unsigned(row.used_octets),
            rate: rate(row.up_bps, row.down_bps),
            device_limit: u32::try_from(row.device_limit).unwrap_or(1),
            idle_timeout: seconds(row.idle_timeout_seconds.map(i64::from)),
            devices,
        })
    }
}

struct CredentialRow {
    id: Uuid,
    entitlement_id: Uuid,
    kind: String,
    login_sealed: Vec<u8>,
    password_sealed: Vec<u8>,
    mac: Option<String>,
    valid_until: Option<OffsetDateTime>,
}

impl CredentialRow {
    fn open(self, db: &Db) -> Result<Credential> {
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("credentials", self.id, problem);
        let login = db.seal.open(&entitlement::login_context(self.id), &self.login_sealed).map_err(|e| corrupt(&e))?;
        let password =
            db.seal.open(&entitlement::password_context(self.id), &self.password_sealed).map_err(|e| corrupt(&e))?;
        Ok(Credential {
            kind: CredentialKind::parse(&self.kind).ok_or_else(|| corrupt(&"unknown kind"))?,
            mac: self.mac.as_deref().map(str::parse).transpose().map_err(|e: shared::mac::NotAMac| corrupt(&e))?,
            login: login.to_vec(),
            password: password.to_vec(),
            id: self.id,
            entitlement: self.entitlement_id,
            valid_until: self.valid_until,
        })
    }
}

/// A credential that does not open is left out, so that one damaged row does not keep all the others from being read.
fn readable(row: CredentialRow, db: &Db) -> Option<Credential> {
    row.open(db).inspect_err(|error| tracing::error!(%error, "a credential is left out")).ok()
}

/// Reads these entitlements with their credentials. Those that are gone are left out.
pub async fn read(db: &Db, ids: &[Uuid]) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        EntitlementRow,
        r#"SELECT e.id, e.package_name AS package, e.state, e.starts_at, e.expires_at, e.duration_seconds, e.quota_octets,
                  e.used_input_octets + e.used_output_octets AS "used_octets!", e.up_bps, e.down_bps, e.device_limit,
                  e.idle_timeout_seconds,
                  ARRAY(SELECT d.mac::text FROM entitlement_devices d WHERE d.entitlement_id = e.id ORDER BY d.bound_at) AS "macs!"
           FROM entitlements e WHERE e.id = ANY ($1)"#,
        ids
    )
    .fetch_all(&db.pool)
    .await?;
    let credentials = sqlx::query_as!(
        CredentialRow,
        "SELECT id, entitlement_id, kind, login_sealed, password_sealed, mac::text AS mac, valid_until
         FROM credentials WHERE entitlement_id = ANY ($1)",
        ids
    )
    .fetch_all(&db.pool)
    .await?;
    let mut by_entitlement: HashMap<Uuid, Vec<Credential>> = HashMap::with_capacity(rows.len());
    for row in credentials {
        if let Some(credential) = readable(row, db) {
            by_entitlement.entry(credential.entitlement).or_default().push(credential);
        }
    }
    rows.into_iter()
        .map(|row| {
            let credentials = by_entitlement.remove(&row.id).unwrap_or_default();
            Ok(Entry { entitlement: row.try_into()?, credentials })
        })
        .collect()
}

/// Reads everything that memory should hold, handing each entry to `each` as it comes.
pub async fn read_all(
    db: &Db,
    now: OffsetDateTime,
    mut each: impl FnMut(Entitlement),
    mut opens: impl FnMut(Credential),
) -> Result<()> {
    let since = now - KEEP_ENDED;
    let mut entitlements = sqlx::query_as!(
        EntitlementRow,
        r#"SELECT e.id, e.package_name AS package, e.state, e.starts_at, e.expires_at, e.duration_seconds, e.quota_octets,
                  e.used_input_octets + e.used_output_octets AS "used_octets!", e.up_bps, e.down_bps, e.device_limit,
                  e.idle_timeout_seconds,
                  ARRAY(SELECT d.mac::text FROM entitlement_devices d WHERE d.entitlement_id = e.id ORDER BY d.bound_at) AS "macs!"
           FROM entitlements e WHERE e.state = 'active' OR coalesce(e.expires_at, e.created_at) > $1"#,
        since
    )
    .fetch(&db.pool);
    while let Some(row) = entitlements.try_next().await? {
        each(row.try_into()?);
    }
    let mut credentials = sqlx::query_as!(
        CredentialRow,
        "SELECT c.id, c.entitlement_id, c.kind, c.login_sealed, c.password_sealed, c.mac::text AS mac, c.valid_until
         FROM credentials c JOIN entitlements e ON e.id = c.entitlement_id
         WHERE e.state = 'active' OR coalesce(e.expires_at, e.created_at) > $1",
        since
    )
    .fetch(&db.pool);
    while let Some(row) = credentials.try_next().await? {
        if let Some(credential) = readable(row, db) {
            opens(credential);
        }
    }
    Ok(())
}

/// The entitlement that a typed name opens.
pub async fn find_login(db: &Db, login: &[u8]) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT entitlement_id FROM credentials WHERE lookup = $1", &db.seal.lookup(login)[..])
        .fetch_optional(&db.pool)
        .await?)
}

/// The entitlements that a device is bound to, newest first.
pub async fn find_device(db: &Db, mac: Mac) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT entitlement_id FROM entitlement_devices WHERE mac = $1::text::macaddr ORDER BY bound_at DESC LIMIT 8",
        mac.to_string()
    )
    .fetch_all(&db.pool)
    .await?)
}
