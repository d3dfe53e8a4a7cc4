//! Routers that are set up by one line: what their script is made of, the token by which it is fetched, the address within the tunnel,
//! and what the router has reported back.
//!
//! [`enrol`] registers the router with all of it, [`renew`] makes another line for it. A token is good until its day is over or the router
//! has reported that everything was done, and from the first [`fetch`] on for whoever fetched it: a line that was read by somebody else
//! is worth nothing once it was pasted, and pasting it twice does no harm. A [`report`] is taken from the same sender alone.
//!
//! The plan is the portal's own; here it is a value without secrets.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;
use shared::routeros::RestUrl;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{NewNas, RestChange, Settings};
use crate::{Db, Result, StoreError};

/// How long a line is good.
pub const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// A router to be set up. It is not printed: there is a password in it.
#[derive(Clone)]
pub struct NewEnrolment<'a> {
    /// What is said of it. Its name must be new.
    pub nas: NewNas<'a>,
    /// What its script is made of.
    pub plan: &'a Value,
    /// The network of the tunnel, if the router comes through it: it gets an address there, which is then its own.
    pub tunnel: Option<Ipv4Net>,
    /// User and password for its REST API, at the address that it has.
    pub rest: Option<(&'a str, &'a str)>,
    /// SHA-256 of the token of its line.
    pub token_hash: &'a [u8; 32],
    /// Who does it.
    pub by: &'a str,
}

/// How a router stands that is set up by one line.
#[derive(Clone, PartialEq, Debug)]
pub struct Enrolment {
    /// The router.
    pub nas: Uuid,
    /// What its script is made of.
    pub plan: Value,
    /// Until when its line is good.
    pub token_until: OffsetDateTime,
    /// When the script was fetched first.
    pub fetched_at: Option<OffsetDateTime>,
    /// When everything was done.
    pub finished_at: Option<OffsetDateTime>,
    /// Its address within the tunnel.
    pub tunnel_address: Option<Ipv4Addr>,
    /// The key that it made.
    pub public_key: Option<String>,
    /// When it reported.
    pub reported_at: Option<OffsetDateTime>,
    /// What it reported.
    pub report: Report,
}

/// What a router says of itself. What it does not say is empty.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// Of RouterOS.
    pub version: Option<String>,
    /// The board.
    pub model: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
    /// Whether device-mode lets it be a hotspot.
    pub device_mode: Option<bool>,
    /// Seconds that its clock is ahead of ours.
    pub clock_ahead_seconds: Option<i64>,
    /// Rules that let packets pass by the hotspot's counters.
    pub fasttrack: Option<i32>,
    /// Its public key for WireGuard.
    pub public_key: Option<String>,
    /// The steps that were not done; empty: all were.
    pub not_done: String,
}

/// Who comes through the tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The router's name.
    pub name: String,
    /// Its address there.
    pub address: Ipv4Addr,
    /// Its public key.
    pub public_key: String,
}

/// What is found for a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fetched {
    /// The script of this router may be given.
    By(Uuid),
    /// It was fetched before, by somebody else.
    BySomebodyElse(Uuid),
    /// No such line is good.
    Nothing,
}

/// Registers a router that is set up by one line.
pub async fn enrol(db: &Db, new: &NewEnrolment<'_>, now: OffsetDateTime) -> Result<()> {
    super::secret::check(new.nas.secret)?;
    let mut tx = db.pool.begin().await?;
    let is_taken = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM nas WHERE name = $1) AS "taken!""#, new.nas.name)
        .fetch_one(&mut *tx)
        .await?;
    if is_taken {
        return Err(StoreError::Conflict(format!("another router is called {}", new.nas.name)));
    }
    let tunnel_address = match new.tunnel {
        Some(network) => Some(free_address(&mut tx, network).await?),
        None => None,
    };
    let address = tunnel_address.map(|ip| IpNet::from(IpAddr::V4(ip))).or(new.nas.settings.address);
    let rest_url = match (new.rest, address) {
        (Some(_), Some(net)) => Some(rest_url(net)?),
        _ => None,
    };
    let rest = rest_url.as_ref().zip(new.rest).map(|(url, (user, password))| RestChange::Set { url, user, password });
    let settings = Settings { address, rest, ..new.nas.settings.clone() };
    let nas = NewNas { id: new.nas.id, name: new.nas.name, secret: new.nas.secret, settings };
    super::insert(db, &mut tx, &nas, now).await?;
    super::apply(db, &mut tx, nas.id, &nas.settings).await?;
    sqlx::query!(
        "INSERT INTO router_enrolments (nas_id, plan, token_hash, token_until, tunnel_address, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5::text::inet, $6, $7)",
        nas.id,
        new.plan,
        &new.token_hash[..],
        now + GOOD_FOR,
        tunnel_address.map(|ip| ip.to_string()),
        now,
        new.by
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The lowest address of the tunnel that nobody has; the first one is ours. Whoever looks for one holds the others up until its
/// transaction ends, so that no two find the same.
async fn free_address(tx: &mut PgConnection, network: Ipv4Net) -> Result<Ipv4Addr> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('router_tunnel'), hashtext(current_schema()))")
        .fetch_all(&mut *tx)
        .await?;
    let taken = sqlx::query_scalar!(
        r#"SELECT address::text AS "address!" FROM nas WHERE address::inet << $1::text::inet
           UNION SELECT tunnel_address::text AS "address!" FROM router_enrolments WHERE tunnel_address << $1::text::inet"#,
        network.to_string()
    )
    .fetch_all(&mut *tx)
    .await?;
    let (mut hosts, mut networks) = (HashSet::new(), Vec::new());
    for text in taken {
        let Ok(net) = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) else { continue };
        if net.prefix_len() == net.max_prefix_len() {
            hosts.insert(net.addr());
        } else {
            networks.push(net);
        }
    }
    let is_free = |ip: &Ipv4Addr| {
        let ip = IpAddr::V4(*ip);
        !hosts.contains(&ip) && !networks.iter().any(|net| net.contains(&ip))
    };
    network
        .hosts()
        .skip(1)
        .find(is_free)
        .ok_or_else(|| StoreError::Conflict("the tunnel has no free address left: widen routers.tunnel.network".into()))
}

fn rest_url(address: IpNet) -> Result<RestUrl> {
    let text = match address.addr() {
        IpAddr::V4(ip) => format!("http://{ip}"),
        IpAddr::V6(ip) => format!("http://[{ip}]"),
    };
    text.parse::<RestUrl>().map_err(|error| StoreError::Conflict(format!("the REST API cannot be used: {error}")))
}

/// Makes another line for a router; the one before is worth nothing from now on.
pub async fn renew(db: &Db, nas: Uuid, token_hash: &[u8; 32], now: OffsetDateTime) -> Result<()> {
    let changed = sqlx::query!(
        "UPDATE router_enrolments SET token_hash = $2, token_until = $3, fetched_at = NULL, fetched_from = NULL, finished_at = NULL
         WHERE nas_id = $1",
        nas,
        &token_hash[..],
        now + GOOD_FOR
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(StoreError::missing("line for the router", nas)) }
}

/// Notes that the script of this token is fetched from there, if it may be.
pub async fn fetch(db: &Db, token_hash: &[u8; 32], from: IpAddr, now: OffsetDateTime) -> Result<Fetched> {
    let fetched = sqlx::query_scalar!(
        "UPDATE router_enrolments SET fetched_at = coalesce(fetched_at, $2), fetched_from = coalesce(fetched_from, $3::text::inet)
         WHERE token_hash = $1 AND token_until > $2 AND finished_at IS NULL
           AND (fetched_from IS NULL OR fetched_from = $3::text::inet)
         RETURNING nas_id",
        &token_hash[..],
        now,
        from.to_string()
    )
    .fetch_optional(&db.pool)
    .await?;
    if let Some(nas) = fetched {
        return Ok(Fetched::By(nas));
    }
    let elsewhere = sqlx::query_scalar!(
        "SELECT nas_id FROM router_enrolments WHERE token_hash = $1 AND token_until > $2 AND finished_at IS NULL",
        &token_hash[..],
        now
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(elsewhere.map_or(Fetched::Nothing, Fetched::BySomebodyElse))
}

/// Keeps what a router reports that fetched its script from there. Once everything is done its line is worth nothing any more.
/// `None`: no such line is good, or somebody else fetched it.
pub async fn report(
    db: &Db,
    token_hash: &[u8; 32],
    from: IpAddr,
    report: &Report,
    now: OffsetDateTime,
) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "UPDATE router_enrolments SET reported_at = $2, version = $4, model = $5, serial = $6, device_mode = $7,
             clock_ahead_seconds = $8, fasttrack = $9, public_key = coalesce($10, public_key), not_done = $11,
             finished_at = CASE WHEN $11::text = '' THEN $2::timestamptz END
         WHERE token_hash = $1 AND token_until > $2 AND finished_at IS NULL AND fetched_from = $3::text::inet
         RETURNING nas_id",
        &token_hash[..],
        now,
        from.to_string(),
        report.version,
        report.model,
        report.serial,
        report.device_mode,
        report.clock_ahead_seconds,
        report.fasttrack,
        report.public_key,
        report.not_done
    )
    .fetch_optional(&db.pool)
    .await
    .map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
        Some("router_enrolments_public_key_key") => {
            StoreError::Conflict("another router has this key: it must make one of its own".into())
        }
        _ => error.into(),
    })
}

/// How the routers stand that were set up by a line.
pub async fn enrolments(db: &Db) -> Result<Vec<Enrolment>> {
    read(db, None).await
}

/// How this one stands.
pub async fn enrolment(db: &Db, nas: Uuid) -> Result<Option<Enrolment>> {
    Ok(read(db, Some(nas)).await?.pop())
}

async fn read(db: &Db, nas: Option<Uuid>) -> Result<Vec<Enrolment>> {
    let rows = sqlx::query!(
        r#"SELECT nas_id, plan, token_until, fetched_at, finished_at, host(tunnel_address) AS tunnel_address, public_key, reported_at,
                  version, model, serial, device_mode, clock_ahead_seconds, fasttrack, not_done
           FROM router_enrolments WHERE $1::uuid IS NULL OR nas_id = $1 ORDER BY nas_id"#,
        nas as Option<Uuid>
    )
    .fetch_all(&db.pool)
    .await?;
    let enrolments = rows.into_iter().map(|row| Enrolment {
        nas: row.nas_id,
        plan: row.plan,
        token_until: row.token_until,
        fetched_at: row.fetched_at,
        finished_at: row.finished_at,
        tunnel_address: row.tunnel_address.and_then(|text| text.parse().ok()),
        public_key: row.public_key.clone(),
        reported_at: row.reported_at,
        report: Report {
            version: row.version,
            model: row.model,
            serial: row.serial,
            device_mode: row.device_mode,
            clock_ahead_seconds: row.clock_ahead_seconds,
            fasttrack: row.fasttrack,
            public_key: row.public_key,
            not_done: row.not_done,
        },
    });
    Ok(enrolments.collect())
}

/// Who comes through the tunnel, by address.
pub async fn peers(db: &Db) -> Result<Vec<Peer>> {
    let rows = sqlx::query!(
        r#"SELECT n.name, host(e.tunnel_address) AS "address!", e.public_key AS "public_key!"
           FROM router_enrolments e JOIN nas n ON n.id = e.nas_id
           WHERE e.tunnel_address IS NOT NULL AND e.public_key IS NOT NULL ORDER BY e.tunnel_address"#
    )
    .fetch_all(&db.pool)
    .await?;
    let peer = |name: String, address: &str, public_key: String| {
        let address = address.parse().map_err(|error| StoreError::corrupt("router_enrolments", &name, error))?;
        Ok(Peer { name, address, public_key })
    };
    rows.into_iter().map(|row| peer(row.name, &row.address, row.public_key)).collect()
}
