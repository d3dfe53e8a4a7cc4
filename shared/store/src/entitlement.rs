//! Entitlements: granting them, opening them with credentials, starting their clock, showing their use.
//!
//! `state`, deadlines and bindings reach radiusd through the triggers of `directory_changes`, and the
//! deadlines of open sessions follow in the same transaction.

mod adding;
mod moving;

use std::time::Duration;

use shared::entitlement::{CredentialKind, State, Used};
use shared::mac::Mac;
use shared::notice::Notice;
use shared::rng;
use shared::rules::{Rules, Swaps};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::adding::{Added, NewDevice, add_device};
pub(crate) use self::moving::move_device;
use crate::package::{Package, RuleColumns, Starts, rule_columns, unsigned, whole_seconds};
use crate::{Db, Result, StoreError, notification, session, voucher};

/// How long a one-time password may wait for its login.
pub const ONE_TIME_VALID: Duration = Duration::from_secs(600);
/// A one-time password that is good for at least this long is shown again instead of a new one, so that
/// a page that is reloaded does not spoil the login under way.
const ONE_TIME_REUSE: Duration = Duration::from_secs(120);
/// After its login a one-time password stays good this long: a form sent twice is one login.
const ONE_TIME_GRACE: Duration = Duration::from_secs(30);

/// Gives a customer a package outside of a sale. Returns the entitlement.
pub async fn grant(
    db: &Db,
    user: Option<Uuid>,
    package: &Package,
    login: &[u8],
    password: &[u8],
    now: OffsetDateTime,
) -> Result<Uuid> {
    grant_as(db, rng::id(now), user, package, (login, password), now).await
}

/// The same under an identity of the caller's, once: the same identity again finds what was given and changes nothing.
pub async fn grant_as(
    db: &Db,
    id: Uuid,
    user: Option<Uuid>,
    package: &Package,
    (login, password): (&[u8], &[u8]),
    now: OffsetDateTime,
) -> Result<Uuid> {
    let mut tx = db.begin().await?;
    let is_there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM entitlements WHERE id = $1) AS "exists!""#, id)
        .fetch_one(&mut *tx)
        .await?;
    if is_there {
        return Ok(id);
    }
    insert(&mut tx, id, package, Sale { user, ..Sale::default() }, now).await?;
    insert_credential(db, &mut tx, id, CredentialKind::Password, login, password, now).await?;
    tx.commit().await?;
    Ok(id)
}

/// What an entitlement comes from.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Sale {
    /// Whose it is.
    pub(crate) user: Option<Uuid>,
    /// The order that it was bought with.
    pub(crate) order: Option<Uuid>,
    /// What was paid for it, minor units; `None`: the package's price counts.
    pub(crate) paid: Option<i64>,
    /// The router at which it was bought: its place has the clock.
    pub(crate) nas: Option<Uuid>,
}

/// Inserts an entitlement with the package's rules frozen into it.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    package: &Package,
    sale: Sale,
    now: OffsetDateTime,
) -> Result<()> {
    let starts_at = (package.starts == Starts::Purchase).then_some(now);
    let rules = RuleColumns::of(&package.rules);
    sqlx::query!(
        "INSERT INTO entitlements (id, user_id, package_id, order_id, package_name, starts, duration_seconds,
             quota_octets, up_bps, down_bps, device_limit, idle_timeout_seconds, starts_at, expires_at, created_at,
             quota_seconds, hours, until, quota_up_octets, quota_down_octets, burst, fair_use, device_policy, paid_minor,
             happy_hours, happy_up_bps, happy_down_bps)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, access_end($14, $7, router_zone($15), $13), $16, $17,
             $18::text::int4multirange, $14, $19, $20, $21, $22, $23, $24, $25::text::int4multirange, $26, $27)",
        id,
        sale.user,
        package.id,
        sale.order,
        package.name,
        package.starts.as_str(),
        rules.duration_seconds,
        rules.quota_octets,
        rules.up_bps,
        rules.down_bps,
        rules.device_limit,
        rules.idle_timeout_seconds,
        starts_at,
        rules.until,
        sale.nas,
        now,
        rules.quota_seconds,
        rules.hours,
        rules.quota_up_octets,
        rules.quota_down_octets,
        rules.burst,
        &rules.fair_use,
        rules.device_policy,
        sale.paid,
        rules.happy_hours,
        rules.happy_up_bps,
        rules.happy_down_bps
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Inserts entitlements that wait for their first login, whatever the package says: paper may lie for months before somebody
/// pays for it. What was paid for each is the price of now, which stands on the paper.
pub(crate) async fn insert_waiting(
    connection: &mut PgConnection,
    ids: &[Uuid],
    package: &Package,
    now: OffsetDateTime,
) -> Result<()> {
    let rules = RuleColumns::of(&package.rules);
    sqlx::query!(
        "INSERT INTO entitlements (id, package_id, package_name, starts, duration_seconds, quota_octets, up_bps, down_bps,
             device_limit, idle_timeout_seconds, created_at, quota_seconds, hours, until, quota_up_octets, quota_down_octets,
             burst, fair_use, device_policy, paid_minor, happy_hours, happy_up_bps, happy_down_bps)
         SELECT w.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::int4multirange, $14, $15, $16, $17, $18, $19, $20,
                $21::text::int4multirange, $22, $23
         FROM unnest($1::uuid[]) AS w (id)",
        ids,
        package.id,
        package.name,
        Starts::FirstLogin.as_str(),
        rules.duration_seconds,
        rules.quota_octets,
        rules.up_bps,
        rules.down_bps,
        rules.device_limit,
        rules.idle_timeout_seconds,
        now,
        rules.quota_seconds,
        rules.hours,
        rules.until,
        rules.quota_up_octets,
        rules.quota_down_octets,
        rules.burst,
        &rules.fair_use,
        rules.device_policy,
        package.price.minor,
        rules.happy_hours,
        rules.happy_up_bps,
        rules.happy_down_bps
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_credential(
    db: &Db,
    connection: &mut PgConnection,
    entitlement: Uuid,
    kind: CredentialKind,
    login: &[u8],
    password: &[u8],
    now: OffsetDateTime,
) -> Result<()> {
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO credentials (id, entitlement_id, kind, lookup, login_sealed, password_sealed, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        entitlement,
        kind.as_str(),
        &db.seal.lookup(login)[..],
        db.seal.seal(&login_context(id), login),
        db.seal.seal(&password_context(id), password),
        now
    )
    .execute(connection)
    .await
    .map_err(|error| match StoreError::from(error) {
        StoreError::Conflict(_) => StoreError::Conflict("that login name is taken: choose another one".into()),
        other => other,
    })?;
    Ok(())
}

/// The one-time password with which `mac` can log in as `login`: the present one while it is good for long
/// enough, else a new one.
pub async fn one_time_password(
    db: &Db,
    entitlement: Uuid,
    login: &str,
    mac: Mac,
    now: OffsetDateTime,
) -> Result<String> {
    let mut tx = db.begin().await?;
    let lookup = db.seal.lookup(login.as_bytes());
    let present = sqlx::query!(
        r#"SELECT id, entitlement_id, password_sealed, mac::text AS "mac?", valid_until FROM credentials
           WHERE lookup = $1 FOR UPDATE"#,
        &lookup[..]
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(row) = &present {
        if row.entitlement_id != entitlement {
            return Err(StoreError::Conflict("that login name belongs to another entitlement".into()));
        }
        let same_device = row.mac.as_deref().and_then(|text| text.parse::<Mac>().ok()) == Some(mac);
        if same_device && row.valid_until.is_some_and(|until| until > now + ONE_TIME_REUSE) {
            let opened = db
                .seal
                .open(&password_context(row.id), &row.password_sealed)
                .map_err(|error| StoreError::corrupt("credentials", row.id, error))?;
            return String::from_utf8(opened.to_vec())
                .map_err(|error| StoreError::corrupt("credentials", row.id, error));
        }
    }
    let password = rng::one_time_password();
    let id = present.as_ref().map_or_else(|| rng::id(now), |row| row.id);
    let (login_sealed, password_sealed) =
        (db.seal.seal(&login_context(id), login.as_bytes()), db.seal.seal(&password_context(id), password.as_bytes()));
    let written = if present.is_some() {
        sqlx::query!(
            "UPDATE credentials SET password_sealed = $2, mac = $3::text::macaddr, valid_until = $4 WHERE id = $1",
            id,
            password_sealed,
            mac.to_string(),
            now + ONE_TIME_VALID
        )
        .execute(&mut *tx)
        .await?
    } else {
        sqlx::query!(
            "INSERT INTO credentials (id, entitlement_id, kind, lookup, login_sealed, password_sealed, mac, valid_until, created_at)
             VALUES ($1, $2, 'one_time', $3, $4, $5, $6::text::macaddr, $7, $8)
             ON CONFLICT (lookup) DO NOTHING",
            id,
            entitlement,
            &lookup[..],
            login_sealed,
            password_sealed,
            mac.to_string(),
            now + ONE_TIME_VALID,
            now
        )
        .execute(&mut *tx)
        .await?
    };
    tx.commit().await?;
    match written.rows_affected() {
        // The same page, open twice, was first: there is one now.
        0 => Box::pin(one_time_password(db, entitlement, login, mac, now)).await,
        _ => Ok(password),
    }
}

/// What a successful login changes: the clock starts, the device is bound, perhaps in another one's place, a one-time
/// password is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activation {
    /// The entitlement that was used.
    pub entitlement: Uuid,
    /// The router at which it was: its place has the clock.
    pub nas: Option<Uuid>,
    /// The device, if it said which.
    pub mac: Option<Mac>,
    /// The device whose place it has taken.
    pub replaces: Option<Mac>,
    /// The one-time credential that was used.
    pub spent: Option<Uuid>,
    /// When the login was accepted.
    pub at: OffsetDateTime,
}

/// Records logins. Each part is idempotent: a repeated record, or one from two servers, changes nothing.
pub async fn activate(db: &Db, logins: &[Activation]) -> Result<()> {
    let mut tx = db.begin().await?;
    let ids: Vec<Uuid> = logins.iter().map(|l| l.entitlement).collect();
    let at: Vec<OffsetDateTime> = logins.iter().map(|l| l.at).collect();
    lock(&mut tx, &ids).await?;
    let routers: Vec<Option<Uuid>> = logins.iter().map(|l| l.nas).collect();
    start_clocks(&mut tx, &ids, &routers, &at).await?;
    for login in logins {
        bind(&mut tx, login).await?;
    }
    let spent: Vec<Uuid> = logins.iter().filter_map(|l| l.spent).collect();
    if let (false, Some(last)) = (spent.is_empty(), at.iter().max()) {
        sqlx::query!(
            "UPDATE credentials SET valid_until = $2 WHERE id = ANY ($1) AND kind = 'one_time' AND valid_until > $2",
            &spent,
            *last + ONE_TIME_GRACE
        )
        .execute(&mut *tx)
        .await?;
    }
    let macs: Vec<Option<Mac>> = logins.iter().map(|l| l.mac).collect();
    if let Some(last) = at.iter().max() {
        voucher::redeem(&mut tx, &ids, &macs, &at, *last).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Locks entitlements, always in one order, so that two transactions that change several of them never wait for
/// each other in a circle.
pub(crate) async fn lock(tx: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    sqlx::query!("SELECT id FROM entitlements WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", ids)
        .fetch_all(tx)
        .await?;
    Ok(())
}

/// Starts the clock of entitlements that begin at the first login, which was at that router then, and have not begun.
pub(crate) async fn start_clocks(
    tx: &mut PgConnection,
    ids: &[Uuid],
    routers: &[Option<Uuid>],
    at: &[OffsetDateTime],
) -> Result<()> {
    sqlx::query!(
        "UPDATE entitlements e
         SET starts_at = f.at, expires_at = access_end(e.until, e.duration_seconds, router_zone(f.router), f.at)
         FROM (SELECT DISTINCT ON (id) id, router, at FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS l (id, router, at)
               ORDER BY id, at) f
         WHERE e.id = f.id AND e.starts_at IS NULL",
        ids,
        routers as &[Option<Uuid>],
        at
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Binds a device that is not bound yet, as far as the entitlement's limit goes. The one whose place it takes goes first,
/// and its sessions are ended.
async fn bind(tx: &mut PgConnection, login: &Activation) -> Result<()> {
    let Some(mac) = login.mac else { return Ok(()) };
    if let Some(old) = login.replaces {
        unbind(tx, login.entitlement, old, login.at).await?;
    }
    if place(tx, login.entitlement, mac, login.at).await? {
        let devices = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM entitlement_devices WHERE entitlement_id = $1"#,
            login.entitlement
        )
        .fetch_one(&mut *tx)
        .await?;
        // The first device is its buyer's.
        if devices > 1 || login.replaces.is_some() {
            let of = format!("{mac} {}", login.at.unix_timestamp());
            notification::tell_owners(tx, Notice::NewDevice, &of, &[login.entitlement], login.at).await?;
        }
    }
    Ok(())
}

/// Gives a device a place, if it has none and there is one. Returns whether it has one only now.
pub(crate) async fn place(tx: &mut PgConnection, entitlement: Uuid, mac: Mac, now: OffsetDateTime) -> Result<bool> {
    let placed = sqlx::query!(
        "INSERT INTO entitlement_devices (entitlement_id, mac, bound_at)
         SELECT e.id, $2::text::macaddr, $3 FROM entitlements e
         WHERE e.id = $1 AND (SELECT count(*) FROM entitlement_devices d WHERE d.entitlement_id = e.id) < e.device_limit
         ON CONFLICT DO NOTHING",
        entitlement,
        mac.to_string(),
        now
    )
    .execute(tx)
    .await?;
    Ok(placed.rows_affected() == 1)
}

/// Takes a device's place away, ends its sessions and counts a change of devices. `false`: it had none.
async fn unbind(tx: &mut PgConnection, entitlement: Uuid, mac: Mac, now: OffsetDateTime) -> Result<bool> {
    let gone = sqlx::query!(
        "DELETE FROM entitlement_devices WHERE entitlement_id = $1 AND mac = $2::text::macaddr",
        entitlement,
        mac.to_string()
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if gone == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE entitlements SET swaps_free_at = greatest(coalesce(swaps_free_at, $2), $2) + $3::bigint * interval '1 second' WHERE id = $1",
        entitlement,
        now,
        whole_seconds(Swaps::EVERY)
    )
    .execute(&mut *tx)
    .await?;
    let sessions = sqlx::query_scalar!(
        "SELECT id FROM sessions WHERE entitlement_id = $1 AND mac = $2::text::macaddr AND ended_at IS NULL ORDER BY id",
        entitlement,
        mac.to_string()
    )
    .fetch_all(&mut *tx)
    .await?;
    session::request_cuts(tx, &sessions, Some("moved"), now).await?;
    Ok(true)
}

/// A device with a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its address.
    pub mac: Mac,
    /// Since when.
    pub bound_at: OffsetDateTime,
    /// Whether it is online.
    pub online: bool,
}

/// The devices of an entitlement, the first one first.
pub async fn devices(db: &Db, id: Uuid) -> Result<Vec<Device>> {
    let rows = sqlx::query!(
        r#"SELECT d.mac::text AS "mac!", d.bound_at,
                  EXISTS (SELECT FROM sessions s WHERE s.entitlement_id = d.entitlement_id AND s.mac = d.mac AND s.ended_at IS NULL) AS "online!"
           FROM entitlement_devices d WHERE d.entitlement_id = $1 ORDER BY d.bound_at, d.mac"#,
        id
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let mac = row.mac.parse().map_err(|error| StoreError::corrupt("entitlement_devices", id, error))?;
            Ok(Device { mac, bound_at: row.bound_at, online: row.online })
        })
        .collect()
}

/// Takes a device's place away at its owner's wish, so that another one can have it. `false`: it has none.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the owner: devices were changed too often.
pub async fn remove_device(db: &Db, id: Uuid, mac: Mac, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let free_at = sqlx::query_scalar!("SELECT swaps_free_at FROM entitlements WHERE id = $1 FOR NO KEY UPDATE", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("entitlement", id))?;
    if free_at.is_some_and(|free_at| free_at > now + Swaps::AHEAD) {
        return Err(StoreError::Conflict("Devices were changed too often today. Please try again tomorrow.".into()));
    }
    let removed = unbind(&mut tx, id, mac, now).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Marks entitlements whose time is over; the reason that the desk and the portal show.
pub async fn expire_due(db: &Db, now: OffsetDateTime) -> Result<u64> {
    let mut tx = db.begin().await?;
    let expired = sqlx::query_scalar!(
        "UPDATE entitlements SET state = 'expired' WHERE id IN (
             SELECT id FROM entitlements WHERE state = 'active' AND expires_at <= $1
             ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
         RETURNING id",
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    notification::tell_owners(&mut tx, Notice::Ended, &now.unix_timestamp().to_string(), &expired, now).await?;
    tx.commit().await?;
    Ok(unsigned(i64::try_from(expired.len()).unwrap_or(i64::MAX)))
}

/// An entitlement as pages show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Its identity.
    pub id: Uuid,
    /// The package's name.
    pub package: String,
    /// The package it came from, to offer it again.
    pub package_id: Option<Uuid>,
    /// Whether it may be used.
    pub state: State,
    /// When the clock started.
    pub starts_at: Option<OffsetDateTime>,
    /// When access ends.
    pub expires_at: Option<OffsetDateTime>,
    /// What it allows.
    pub rules: Rules,
    /// What has been used.
    pub used: Used,
    /// Sessions that are open now.
    pub online: u64,
}

struct UsageRow {
    id: Uuid,
    package: String,
    package_id: Option<Uuid>,
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
    up_bps: Option<i64>,
    down_bps: Option<i64>,
    burst: Option<String>,
    fair_use: Vec<i64>,
    happy_hours: Option<String>,
    happy_up_bps: Option<i64>,
    happy_down_bps: Option<i64>,
    device_limit: i32,
    device_policy: String,
    idle_timeout_seconds: Option<i32>,
    used_up: i64,
    used_down: i64,
    used_seconds: i64,
    online: i64,
}

impl TryFrom<UsageRow> for Usage {
    type Error = StoreError;
    fn try_from(row: UsageRow) -> Result<Usage> {
        let corrupt = |problem| StoreError::corrupt("entitlements", row.id, problem);
        Ok(Usage {
            state: State::parse(&row.state).ok_or_else(|| corrupt("unknown state"))?,
            rules: rule_columns!(row).rules().map_err(corrupt)?,
            id: row.id,
            package: row.package,
            package_id: row.package_id,
            starts_at: row.starts_at,
            expires_at: row.expires_at,
            used: Used {
                up: unsigned(row.used_up),
                down: unsigned(row.used_down),
                seconds: unsigned(row.used_seconds),
            },
            online: unsigned(row.online),
        })
    }
}

impl Usage {
    /// Whether it lets anyone in at `now`.
    pub fn is_usable(&self, now: OffsetDateTime) -> bool {
        self.state == State::Active && self.expires_at.is_none_or(|end| end > now) && !self.rules.is_used_up(self.used)
    }

    /// Whether the time that may be spent online is used up.
    pub fn time_is_used(&self) -> bool {
        self.rules.time_left(self.used) == Some(Duration::ZERO)
    }
}

/// Entitlements with their use, by what follows the tables' names.
macro_rules! usage {
    ($rest:literal, $argument:expr) => {
        sqlx::query_as!(
            UsageRow,
            r#"SELECT e.id, e.package_name AS package, e.package_id, e.state, e.starts_at, e.expires_at, e.duration_seconds,
                      e.until, e.quota_octets, e.quota_up_octets, e.quota_down_octets, e.quota_seconds, e.hours::text AS hours,
                      e.up_bps, e.down_bps, e.burst, e.fair_use, e.happy_hours::text AS happy_hours,
                      e.happy_up_bps, e.happy_down_bps, e.device_limit, e.device_policy, e.idle_timeout_seconds,
                      e.used_input_octets + u.input_octets AS "used_up!",
                      e.used_output_octets + u.output_octets AS "used_down!", e.used_seconds + u.seconds AS "used_seconds!",
                      (SELECT count(*) FROM sessions s WHERE s.entitlement_id = e.id AND s.ended_at IS NULL) AS "online!"
               FROM entitlements e JOIN entitlement_usage u ON u.entitlement_id = e.id "# + $rest,
            $argument
        )
    };
}

/// One entitlement with its use.
pub async fn usage(db: &Db, id: Uuid) -> Result<Usage> {
    usage!("WHERE e.id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("entitlement", id))?
        .try_into()
}

/// The entitlement that a device used last, usable or not. What lets a guest out to pay has no package, and is not meant.
pub async fn latest_of_device(db: &Db, mac: Mac) -> Result<Option<Usage>> {
    usage!(
        "JOIN entitlement_devices d ON d.entitlement_id = e.id WHERE d.mac = $1::text::macaddr
           AND e.package_id IS NOT NULL ORDER BY (e.state = 'active') DESC, d.bound_at DESC LIMIT 1",
        mac.to_string()
    )
    .fetch_optional(&db.pool)
    .await?
    .map(Usage::try_from)
    .transpose()
}

/// A lasting login, with its password in clear.
#[derive(Clone)]
pub struct Login {
    /// What it opens.
    pub entitlement: Uuid,
    /// The password.
    pub password: String,
    /// Whether the entitlement may be used.
    pub state: State,
    /// When access ends.
    pub expires_at: Option<OffsetDateTime>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("entitlement", &self.entitlement)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The lasting login of that name.
pub async fn login(db: &Db, name: &str) -> Result<Option<Login>> {
    let lookup = db.seal.lookup(name.as_bytes());
    let Some(row) = sqlx::query!(
        "SELECT c.id, c.entitlement_id, c.password_sealed, e.state, e.expires_at
         FROM credentials c JOIN entitlements e ON e.id = c.entitlement_id
         WHERE c.lookup = $1 AND c.kind = 'password'",
        &lookup[..]
    )
    .fetch_optional(&db.pool)
    .await?
    else {
        return Ok(None);
    };
    let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("credentials", row.id, problem);
    let opened = db.seal.open(&password_context(row.id), &row.password_sealed).map_err(|error| corrupt(&error))?;
    Ok(Some(Login {
        entitlement: row.entitlement_id,
        password: String::from_utf8(opened.to_vec()).map_err(|error| corrupt(&error))?,
        state: State::parse(&row.state).ok_or_else(|| corrupt(&"unknown state of its entitlement"))?,
        expires_at: row.expires_at,
    }))
}

/// Makes an entitlement usable until a moment, whatever became of it before, and forgets its devices.
pub async fn renew(db: &Db, id: Uuid, until: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    let renewed = sqlx::query!(
        "UPDATE entitlements SET state = 'active', starts_at = least(starts_at, $3), expires_at = $2 WHERE id = $1",
        id,
        until,
        now
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if renewed != 1 {
        return Err(StoreError::missing("entitlement", id));
    }
    sqlx::query!("DELETE FROM entitlement_devices WHERE entitlement_id = $1", id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Says which place a sealed value belongs to, for example `credential.login:` and an id; made on the stack, since
/// the reading of everything makes two for each customer. It reads as a `str`.
pub(crate) struct SealContext {
    octets: [u8; 64],
    length: usize,
}

impl SealContext {
    fn new(place: &str, id: Uuid) -> SealContext {
        let mut octets = [0; 64];
        let (front, back) = octets.split_at_mut(place.len());
        front.copy_from_slice(place.as_bytes());
        let length = place.len() + id.hyphenated().encode_lower(back).len();
        SealContext { octets, length }
    }
}

impl std::ops::Deref for SealContext {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.octets[..self.length]).expect("a place and an id are text")
    }
}

pub(crate) fn login_context(id: Uuid) -> SealContext {
    SealContext::new("credential.login:", id)
}

pub(crate) fn password_context(id: Uuid) -> SealContext {
    SealContext::new("credential.password:", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_always_was() {
        let id = Uuid::from_u128(0x0193_5fd0_0000_7000_8000_0000_0000_00ff);
        assert_eq!(&*login_context(id), format!("credential.login:{id}"));
        assert_eq!(&*password_context(id), format!("credential.password:{id}"));
    }
}
