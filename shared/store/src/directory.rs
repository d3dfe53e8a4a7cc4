//! What radiusd must know to answer from memory: entitlements with their credentials and devices, read whole
//! at the start and row by row when `directory_changes` says so.
//!
//! Reading the changes is by snapshot, not by sequence: a transaction that began early and commits late
//! writes a low number after a higher one was read. Each reading keeps the [`Snapshot`] that PostgreSQL took for it, and the
//! next one asks for exactly what that snapshot did not show: what began after it, and what was open then. So nothing is
//! missed, nothing comes twice, and a transaction that stays open for hours costs the others nothing.
//!
//! Snapshots of one database are ordered. Every [`Entry`] carries its own as a [`Version`], so that whoever keeps it can
//! tell which of two readings is the newer one.

use std::str::FromStr;
use std::time::Duration;

use shared::entitlement::{Credential, CredentialKind, Entitlement, State, Used};
use shared::mac::Mac;
use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::{rule_columns, unsigned};
use crate::{Db, Result, StoreError, entitlement};

/// Entitlements that ended longer ago are not kept in memory; they are still found when asked for by name.
pub const KEEP_ENDED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Changes are kept this long; a server that was away longer reads everything again.
const KEEP_CHANGES: Duration = Duration::from_secs(3600);
/// Marks of which transactions had ended are made this often; see [`forget_old_changes`].
const MARK_EVERY: Duration = Duration::from_secs(60);
/// Changes that one call forgets, so that it stays short. Upkeep calls six times a minute, which is more than
/// enough for a thousand changes a second.
const FORGET_AT_ONCE: i64 = 50_000;
/// With fewer entitlements than this on a page, their parts are asked for by name instead of by range.
const FEW: usize = 256;
/// Beyond so many changes at once, reading everything is quicker than reading each.
const MAX_CHANGES: i64 = 100_000;

/// An entitlement with what opens it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// Its credentials.
    pub credentials: Vec<Credential>,
    /// How new this reading is.
    pub version: Version,
}

/// How new a reading is: of two readings, the one with the greater version saw all that the other saw. Equal
/// versions saw the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Version(u64);

impl Version {
    /// Transactions counted apart; more can be open only with more connections than PostgreSQL is ever given.
    const OPEN_MAX: u64 = 0xffff;

    /// Of a reading at which `end` was the first transaction not yet begun, and `open` ones before it were running.
    /// From one snapshot to the next of a database, either `end` grows or, while it stays, running ones end.
    fn new(end: i64, open: i64) -> Version {
        let open = u64::try_from(open).unwrap_or(0).min(Version::OPEN_MAX);
        Version(u64::try_from(end).unwrap_or(0) << 16 | (Version::OPEN_MAX - open))
    }

    /// From a number that [`Version::number`] gave.
    pub const fn from_number(number: u64) -> Version {
        Version(number)
    }

    /// A number in the same order.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a statement could see: PostgreSQL's own snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The first transaction that had not begun.
    end: i64,
    /// Transactions below `end` that were still running.
    open: Vec<i64>,
}

impl Snapshot {
    /// Its place in the order of readings.
    pub fn version(&self) -> Version {
        Version::new(self.end, i64::try_from(self.open.len()).unwrap_or(i64::MAX))
    }
}

impl FromStr for Snapshot {
    type Err = StoreError;

    /// PostgreSQL writes `xmin:xmax:xip,xip…`.
    fn from_str(text: &str) -> Result<Snapshot> {
        let surprising = || StoreError::corrupt("pg_current_snapshot", text, "not xmin:xmax:xip,…");
        let mut parts = text.split(':').skip(1);
        let end = parts.next().and_then(|end| end.parse().ok()).ok_or_else(surprising)?;
        let open = parts.next().ok_or_else(surprising)?.split(',').filter(|xid| !xid.is_empty());
        let open = open.map(|xid| xid.parse().map_err(|_| surprising())).collect::<Result<_>>()?;
        Ok(Snapshot { end, open })
    }
}

/// What changed since a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// Entitlements to read again, in order; some may be gone. None if they are too many to be read one by one.
    pub entitlements: Vec<Uuid>,
    /// The list of routers changed.
    pub nas: bool,
    /// Read everything again.
    pub everything: bool,
    /// The database has gone back in time, as after the restoring of a backup: versions of before mean nothing.
    pub rewound: bool,
    /// Where to go on.
    pub next: Snapshot,
}

/// The present snapshot: changes committed from now on are read from here.
pub async fn snapshot(db: &Db) -> Result<Snapshot> {
    sqlx::query_scalar!(r#"SELECT pg_current_snapshot()::text AS "snapshot!""#).fetch_one(&db.pool).await?.parse()
}

/// What was committed since `since` was taken, each change once.
pub async fn changes(db: &Db, since: &Snapshot) -> Result<Changes> {
    let rows = sqlx::query!(
        r#"SELECT pg_current_snapshot()::text AS snapshot, NULL AS what, NULL::uuid AS entitlement_id
           UNION ALL
           (SELECT NULL, what, entitlement_id FROM directory_changes WHERE xid >= $1::bigint::text::xid8 LIMIT $3)
           UNION ALL
           (SELECT NULL, what, entitlement_id FROM directory_changes WHERE xid = ANY ($2::bigint[]::text[]::xid8[]) LIMIT $3)"#,
        since.end,
        &since.open,
        MAX_CHANGES + 1
    )
    .fetch_all(&db.pool)
    .await?;
    let next: Snapshot = rows.iter().find_map(|row| row.snapshot.as_deref()).unwrap_or_default().parse()?;
    let rewound = next.end < since.end;
    let many = i64::try_from(rows.len()).is_ok_and(|rows| rows > MAX_CHANGES);
    let mut changes = Changes { entitlements: Vec::new(), nas: false, everything: rewound || many, rewound, next };
    for row in rows {
        match (row.what.as_deref(), row.entitlement_id) {
            (None, _) => {}
            (Some("entitlement"), Some(entitlement)) => changes.entitlements.push(entitlement),
            (Some("nas"), _) => changes.nas = true,
            (Some(_), _) => changes.everything = true,
        }
    }
    if many {
        changes.entitlements.clear();
    }
    changes.entitlements.sort_unstable();
    changes.entitlements.dedup();
    Ok(changes)
}

/// Forgets changes that have been readable for [`KEEP_CHANGES`], which every server has long read. Returns how many.
///
/// Which those are is known by marks: once a minute, the oldest transaction that is still open. What is older than the mark
/// of an hour ago had been committed by then.
pub async fn forget_old_changes(db: &Db, now: OffsetDateTime) -> Result<u64> {
    sqlx::query!(
        "INSERT INTO directory_horizons (at, xid)
         SELECT $1, pg_snapshot_xmin(pg_current_snapshot())
         WHERE NOT EXISTS (SELECT FROM directory_horizons WHERE at > $2) ON CONFLICT DO NOTHING",
        now,
        now - MARK_EVERY
    )
    .execute(&db.pool)
    .await?;
    Ok(sqlx::query!(
        "WITH mark AS (SELECT at, xid FROM directory_horizons WHERE at < $1 ORDER BY at DESC LIMIT 1),
         passed AS (DELETE FROM directory_horizons h USING mark WHERE h.at < mark.at)
         DELETE FROM directory_changes WHERE id IN (
             SELECT c.id FROM directory_changes c, mark WHERE c.xid < mark.xid ORDER BY c.xid LIMIT $2)",
        now - KEEP_CHANGES,
        FORGET_AT_ONCE
    )
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
    until: Option<String>,
    quota_octets: Option<i64>,
    quota_up_octets: Option<i64>,
    quota_down_octets: Option<i64>,
    quota_seconds: Option<i64>,
    hours: Option<String>,
    used_up: i64,
    used_down: i64,
    used_seconds: i64,
    up_bps: Option<i64>,
    down_bps: Option<i64>,
    burst: Option<String>,
    fair_use: Vec<i64>,
    happy_hours: Option<String>,
    happy_up_bps: Option<i64>,
    happy_down_bps: Option<i64>,
    device_limit: i32,
    device_policy: String,
    swaps_free_at: Option<OffsetDateTime>,
    idle_timeout_seconds: Option<i32>,
    revision: i32,
    snapshot_end: i64,
    snapshot_open: i64,
}

impl EntitlementRow {
    fn entry(self) -> Result<Entry> {
        let state =
            State::parse(&self.state).ok_or_else(|| StoreError::corrupt("entitlements", self.id, "unknown state"))?;
        let entitlement = Entitlement {
            id: self.id,
            package: self.package,
            state,
            starts_at: self.starts_at,
            expires_at: self.expires_at,
            rules: rule_columns!(self)
                .rules()
                .map_err(|problem| StoreError::corrupt("entitlements", self.id, problem))?,
            used: Used {
                up: unsigned(self.used_up),
                down: unsigned(self.used_down),
                seconds: unsigned(self.used_seconds),
            },
            swaps_free_at: self.swaps_free_at,
            revision: u16::try_from(self.revision.rem_euclid(i32::from(rng::MARKS))).expect("below MARKS"),
            devices: Vec::new(),
        };
        let version = Version::new(self.snapshot_end, self.snapshot_open);
        Ok(Entry { entitlement, credentials: Vec::new(), version })
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
        let open = |context: entitlement::SealContext, sealed: &[u8]| {
            db.seal.open(&context, sealed).map(|mut opened| std::mem::take(&mut *opened)).map_err(|e| corrupt(&e))
        };
        Ok(Credential {
            kind: CredentialKind::parse(&self.kind).ok_or_else(|| corrupt(&"unknown kind"))?,
            mac: self.mac.as_deref().map(str::parse).transpose().map_err(|e: shared::mac::NotAMac| corrupt(&e))?,
            login: open(entitlement::login_context(self.id), &self.login_sealed)?,
            password: open(entitlement::password_context(self.id), &self.password_sealed)?,
            id: self.id,
            entitlement: self.entitlement_id,
            valid_until: self.valid_until,
        })
    }
}

struct DeviceRow {
    entitlement_id: Uuid,
    mac: String,
}

struct UsageRow {
    entitlement_id: Uuid,
    up: i64,
    down: i64,
    seconds: i64,
}

// The four parts of an entry are read by a statement each, entitlements first: a version then promises no more than what
// was read after it. In one statement, what the planner makes of a join of ranges of fresh rows is anything from
// milliseconds to minutes. Each is in the order of entitlements, so that they merge as they come.

macro_rules! entitlements_where {
    ($condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            EntitlementRow,
            r#"SELECT id, package_name AS package, state, starts_at, expires_at, duration_seconds, until, quota_octets,
                   quota_up_octets, quota_down_octets, quota_seconds, hours::text AS hours, used_input_octets AS used_up,
                   used_output_octets AS used_down, used_seconds, up_bps, down_bps, burst, fair_use,
                   happy_hours::text AS happy_hours, happy_up_bps, happy_down_bps, device_limit,
                   device_policy, swaps_free_at, idle_timeout_seconds, revision,
                   (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint) AS "snapshot_end!",
                   (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())) AS "snapshot_open!"
               FROM entitlements WHERE "# + $condition + " ORDER BY id",
            $($argument),+
        )
    };
}

macro_rules! credentials_where {
    ($condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            CredentialRow,
            "SELECT id, entitlement_id, kind, login_sealed, password_sealed, mac::text AS mac, valid_until
             FROM credentials WHERE " + $condition + " ORDER BY entitlement_id",
            $($argument),+
        )
    };
}

macro_rules! usage_where {
    ($condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            UsageRow,
            "SELECT entitlement_id, input_octets AS up, output_octets AS down, seconds FROM entitlement_usage
             WHERE (input_octets, output_octets, seconds) <> (0, 0, 0) AND " + $condition + " ORDER BY entitlement_id",
            $($argument),+
        )
    };
}

macro_rules! devices_where {
    ($condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            DeviceRow,
            r#"SELECT entitlement_id, mac::text AS "mac!" FROM entitlement_devices WHERE "# + $condition
                + " ORDER BY entitlement_id, bound_at",
            $($argument),+
        )
    };
}

/// Puts the parts together. A credential that does not open is left out, so that one damaged row does not keep all the
/// others from being read.
fn merge(
    db: &Db,
    entitlements: Vec<EntitlementRow>,
    usage: Vec<UsageRow>,
    credentials: Vec<CredentialRow>,
    devices: Vec<DeviceRow>,
) -> Result<Vec<Entry>> {
    let mut entries = entitlements.into_iter().map(EntitlementRow::entry).collect::<Result<Vec<_>>>()?;
    let mut at = 0;
    for row in usage {
        if let Some(entry) = belongs(&mut entries, &mut at, row.entitlement_id) {
            let used = &mut entry.entitlement.used;
            used.up += unsigned(row.up);
            used.down += unsigned(row.down);
            used.seconds += unsigned(row.seconds);
        }
    }
    let mut at = 0;
    for row in credentials {
        if let Some(entry) = belongs(&mut entries, &mut at, row.entitlement_id)
            && let Ok(credential) =
                row.open(db).inspect_err(|error| tracing::error!(%error, "a credential is left out"))
        {
            entry.credentials.push(credential);
        }
    }
    let mut at = 0;
    for row in devices {
        if let Some(entry) = belongs(&mut entries, &mut at, row.entitlement_id) {
            let mac = row.mac.parse::<Mac>();
            let mac = mac.map_err(|error| StoreError::corrupt("entitlement_devices", row.entitlement_id, error))?;
            entry.entitlement.devices.push(mac);
        }
    }
    Ok(entries)
}

/// The entry of that entitlement, if it was read; `at` follows along, since both sides are in one order.
fn belongs<'a>(entries: &'a mut [Entry], at: &mut usize, entitlement: Uuid) -> Option<&'a mut Entry> {
    while entries.get(*at).is_some_and(|entry| entry.entitlement.id < entitlement) {
        *at += 1;
    }
    entries.get_mut(*at).filter(|entry| entry.entitlement.id == entitlement)
}

/// Reads these entitlements with their credentials, in the order of their ids. Those that are gone are left out.
pub async fn read(db: &Db, ids: &[Uuid]) -> Result<Vec<Entry>> {
    let entitlements = entitlements_where!("id = ANY ($1)", ids).fetch_all(&db.pool).await?;
    with_parts(db, entitlements).await
}

async fn with_parts(db: &Db, entitlements: Vec<EntitlementRow>) -> Result<Vec<Entry>> {
    if entitlements.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = entitlements.iter().map(|row| row.id).collect();
    let usage = usage_where!("entitlement_id = ANY ($1)", &ids).fetch_all(&db.pool).await?;
    let credentials = credentials_where!("entitlement_id = ANY ($1)", &ids).fetch_all(&db.pool).await?;
    let devices = devices_where!("entitlement_id = ANY ($1)", &ids).fetch_all(&db.pool).await?;
    merge(db, entitlements, usage, credentials, devices)
}

/// The last of the `rows` entitlements that follow `after`, in the order of their ids: the end of a page. `None`: so many
/// do not follow.
pub async fn end_of_page(db: &Db, after: Uuid, rows: u32) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM entitlements WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1",
        after,
        i64::from(rows) - 1
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Reads what memory should hold of the entitlements after `after`, up to and with `until`, or all that follow.
pub async fn read_page(db: &Db, after: Uuid, until: Option<Uuid>, now: OffsetDateTime) -> Result<Vec<Entry>> {
    let until = until.unwrap_or(Uuid::max());
    let entitlements = entitlements_where!(
        "id > $1 AND id <= $2 AND (state = 'active' OR coalesce(expires_at, created_at) > $3)",
        after,
        until,
        now - KEEP_ENDED
    )
    .fetch_all(&db.pool)
    .await?;
    // Where most of a page has ended long ago, the credentials of the rest are sooner read one by one.
    if entitlements.len() < FEW {
        return with_parts(db, entitlements).await;
    }
    let usage = usage_where!("entitlement_id > $1 AND entitlement_id <= $2", after, until);
    let usage = usage.fetch_all(&db.pool).await?;
    let credentials = credentials_where!("entitlement_id > $1 AND entitlement_id <= $2", after, until);
    let credentials = credentials.fetch_all(&db.pool).await?;
    let devices = devices_where!("entitlement_id > $1 AND entitlement_id <= $2", after, until);
    let devices = devices.fetch_all(&db.pool).await?;
    merge(db, entitlements, usage, credentials, devices)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_read_as_postgresql_writes_them() {
        let snapshot = |text: &str| text.parse::<Snapshot>().expect("a snapshot");
        assert_eq!(snapshot("740:740:"), Snapshot { end: 740, open: vec![] });
        assert_eq!(snapshot("738:745:738,742"), Snapshot { end: 745, open: vec![738, 742] });
        for text in ["", "740", "740:741", "740:x:", "740:741:a", "740:741:1,,b"] {
            assert!(text.parse::<Snapshot>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_later_snapshot_has_a_greater_version() {
        // A transaction begins, a second one begins and ends, the first one ends.
        let course = ["740:740:", "740:741:740", "740:742:740", "742:742:"];
        let versions = course.map(|text| text.parse::<Snapshot>().expect("a snapshot").version());
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        // While the end stays, transactions below it end.
        assert!(Version::new(745, 2) < Version::new(745, 1));
        assert!(Version::new(745, 0) < Version::new(746, 70_000));
        assert_eq!(Version::from_number(Version::new(745, 2).number()), Version::new(745, 2));
        assert!(Version::default() < Version::new(3, 0));
    }
}
