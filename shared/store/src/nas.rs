//! Network access servers: the routers that ask us. A packet's NAS is chosen by its source address alone
//! (RFC 2865 §5.4), or over TLS by the name in its certificate (RFC 6614 §2.3), so these are the keys; the secret is
//! sealed to the row.
//!
//! [`save`] and [`change`] are what operators say, [`edit`] what the desk changes; [`enrol`] registers a router that is set up by one
//! line; [`secret`] changes the secret with an overlap; [`rest`] is the access to its REST API; [`seen`] and [`sends_message_authenticator`] are what radiusd has learnt. [`all`] is what it needs to know.

mod desk;
mod line;
mod rest;
mod secret;

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use self::rest::Sealed;
use crate::{Db, Result, StoreError};

pub use desk::{Edit, Outcomes, Position, Told, edit, outcomes, position, set_position, told};
pub use line::{
    Enrolment, Fetched, GOOD_FOR, NewEnrolment, Peer, Report, enrol, enrolment, enrolments, fetch, peers, renew, report,
};
pub use rest::{Rest, RestChange};
pub use secret::{DEFAULT_OVERLAP, MAX_OVERLAP, SecretChange, forget_old_secrets, rotate_secret};

/// A registered router.
#[derive(Clone, Default)]
pub struct Nas {
    /// Its identity.
    pub id: Uuid,
    /// Its short name.
    pub name: String,
    /// Name of its site.
    pub site: Option<String>,
    /// Time zone of its site, if it has one.
    pub time_zone: Option<String>,
    /// Where its packets come from; `None`: by RadSec, from anywhere.
    pub address: Option<IpNet>,
    /// The name in its client certificate, as [`radsec_name`] spells it, if it comes by RadSec.
    pub radsec_name: Option<String>,
    /// Its NAS-Identifier (`/system identity`), if fixed.
    pub identifier: Option<String>,
    /// The shared secret.
    pub secret: Vec<u8>,
    /// Its number: counts the secrets that this router has had.
    pub secret_generation: i32,
    /// The secret before a rotation.
    pub old_secret: Option<OldSecret>,
    /// The number of the secret that the router last proved to know.
    pub proved_generation: Option<i32>,
    /// Where it takes CoA and Disconnect.
    pub coa_port: u16,
    /// Whether Access-Requests must carry Message-Authenticator.
    pub require_message_authenticator: MessageAuthenticatorPolicy,
    /// Whether an unsigned Access-Request with Proxy-State is left unanswered.
    pub limit_proxy_state: bool,
    /// Whether an answer to a command that has no Message-Authenticator is ignored.
    pub require_signed_answers: bool,
    /// Whether a device stays as it is when this router refuses to change its session; else it is sent off to log in again.
    pub keep_on_refused_change: bool,
    /// How its REST API is reached, where it may be asked.
    pub rest: Option<Rest>,
    /// How many seconds its clock is ahead of ours (negative: behind); 0 within [`CLOCK_TOLERANCE_SECONDS`], `None` if it
    /// never said. A flag for people: nothing is decided by it.
    pub clock_offset_seconds: Option<i32>,
    /// Where its login page may send a guest back to: `host` or `host:port`.
    pub hotspot_hosts: Vec<String>,
    /// When a valid packet last came.
    pub last_seen_at: Option<OffsetDateTime>,
}

/// A secret that is honoured for a while after it was replaced.
#[derive(Clone)]
pub struct OldSecret {
    /// The octets.
    pub secret: Vec<u8>,
    /// Its number.
    pub generation: i32,
    /// Until when it is honoured.
    pub until: OffsetDateTime,
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

/// What an operator asks of a router's Access-Requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requirement {
    /// Learn: once it has signed one it must sign all.
    Auto,
    /// Each must be signed.
    Yes,
    /// None needs to be.
    No,
}

impl Requirement {
    /// Its word in the database, on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Requirement::Auto => "auto",
            Requirement::Yes => "yes",
            Requirement::No => "no",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Requirement> {
        [Requirement::Auto, Requirement::Yes, Requirement::No].into_iter().find(|known| known.as_str() == text)
    }
}

impl Default for MessageAuthenticatorPolicy {
    /// What a new router has.
    fn default() -> MessageAuthenticatorPolicy {
        MessageAuthenticatorPolicy::Auto { seen: false }
    }
}

impl MessageAuthenticatorPolicy {
    /// What the operator has asked for.
    pub fn requirement(self) -> Requirement {
        match self {
            MessageAuthenticatorPolicy::Auto { .. } => Requirement::Auto,
            MessageAuthenticatorPolicy::Yes => Requirement::Yes,
            MessageAuthenticatorPolicy::No => Requirement::No,
        }
    }

    /// Whether an unsigned Access-Request is to be left unanswered.
    pub fn is_required(self) -> bool {
        matches!(self, MessageAuthenticatorPolicy::Yes | MessageAuthenticatorPolicy::Auto { seen: true })
    }
}

/// What is said about a router. What is not said stays as it is, and has its default in a new router.
#[derive(Clone, Debug, Default)]
pub struct Settings<'a> {
    /// Site.
    pub site_id: Option<Uuid>,
    /// Source address or network. A new router needs this or a name for RadSec.
    pub address: Option<IpNet>,
    /// Takes its address away: from now on it comes by RadSec only, from anywhere.
    pub forget_address: bool,
    /// The name in its client certificate.
    pub radsec_name: Option<&'a str>,
    /// Takes that name away: it comes by UDP only.
    pub forget_radsec_name: bool,
    /// NAS-Identifier.
    pub identifier: Option<&'a str>,
    /// CoA port; default 3799.
    pub coa_port: Option<u16>,
    /// Whether Access-Requests must be signed; default [`Requirement::Auto`].
    pub require_message_authenticator: Option<Requirement>,
    /// Whether an unsigned Access-Request with Proxy-State is left unanswered; default true. Only for a proxy in front
    /// of routers that do not sign should it be false.
    pub limit_proxy_state: Option<bool>,
    /// Whether an answer to a command that has no Message-Authenticator is ignored; default false.
    pub require_signed_answers: Option<bool>,
    /// Whether a device stays as it is when the router refuses to change its session, instead of being sent off to log in
    /// again; default false.
    pub keep_on_refused_change: Option<bool>,
    /// Its REST API; default none.
    pub rest: Option<RestChange<'a>>,
    /// Hosts that its login page names; default none.
    pub hotspot_hosts: Option<&'a [String]>,
}

/// What is told about a router when it is registered.
#[derive(Clone, Debug)]
pub struct NewNas<'a> {
    /// Identity, used only if it is new.
    pub id: Uuid,
    /// Short name; the same name again changes that router.
    pub name: &'a str,
    /// Shared secret; must not be empty (RFC 2865 §3).
    pub secret: &'a [u8],
    /// Everything else.
    pub settings: Settings<'a>,
}

/// What [`save`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    /// A new router.
    Added,
    /// A known one, changed.
    Updated(SecretChange),
}

/// Registers a router, or changes the one of that name; if its secret is another one, the one before is honoured for
/// [`DEFAULT_OVERLAP`].
pub async fn save(db: &Db, nas: &NewNas<'_>, now: OffsetDateTime) -> Result<Saved> {
    save_with_overlap(db, nas, DEFAULT_OVERLAP, now).await
}

/// The same with another overlap.
pub async fn save_with_overlap(db: &Db, nas: &NewNas<'_>, overlap: Duration, now: OffsetDateTime) -> Result<Saved> {
    secret::check(nas.secret)?;
    let mut tx = db.pool.begin().await?;
    let known =
        sqlx::query_scalar!("SELECT id FROM nas WHERE name = $1 FOR UPDATE", nas.name).fetch_optional(&mut *tx).await?;
    let saved = match known {
        Some(id) => {
            let change = secret::replace(db, &mut tx, id, nas.secret, overlap, now).await?;
            apply(db, &mut tx, id, &nas.settings).await?;
            Saved::Updated(change)
        }
        None => {
            insert(db, &mut tx, nas, now).await?;
            apply(db, &mut tx, nas.id, &nas.settings).await?;
            Saved::Added
        }
    };
    tx.commit().await?;
    Ok(saved)
}

/// Changes what is said about the router of that name, and nothing else.
pub async fn change(db: &Db, name: &str, settings: &Settings<'_>) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    let id = sqlx::query_scalar!("SELECT id FROM nas WHERE name = $1 FOR UPDATE", name)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("router", name))?;
    apply(db, &mut tx, id, settings).await?;
    tx.commit().await?;
    Ok(())
}

async fn insert(db: &Db, tx: &mut PgConnection, nas: &NewNas<'_>, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO nas (id, name, address, radsec_name, secret_sealed, created_at)
         VALUES ($1, $2, $3::inet::cidr, $4, $5, $6)",
        nas.id,
        nas.name,
        nas.settings.address.map(|address| address.trunc()) as Option<IpNet>,
        nas.settings.radsec_name.map(radsec_name),
        db.seal.seal(&secret_context(nas.id), nas.secret),
        now
    )
    .execute(tx)
    .await
    .map_err(|error| taken(error, &nas.settings))?;
    Ok(())
}

async fn apply(db: &Db, tx: &mut PgConnection, id: Uuid, settings: &Settings<'_>) -> Result<()> {
    let rest = settings.rest.map(|change| Sealed::of(db, id, change));
    let tells_rest = rest.is_some();
    let rest = rest.unwrap_or_default();
    sqlx::query!(
        "UPDATE nas SET site_id = coalesce($2, site_id),
             address = CASE WHEN NOT $9 THEN coalesce($3::inet::cidr, address) END,
             radsec_name = CASE WHEN NOT $10 THEN coalesce($11, radsec_name) END,
             identifier = coalesce($4, identifier), coa_port = coalesce($5, coa_port),
             require_message_authenticator = coalesce($6, require_message_authenticator),
             limit_proxy_state = coalesce($7, limit_proxy_state), hotspot_hosts = coalesce($8, hotspot_hosts),
             require_signed_answers = coalesce($12, require_signed_answers),
             keep_on_refused_change = coalesce($13, keep_on_refused_change),
             rest_url = CASE WHEN $14 THEN $15 ELSE rest_url END, rest_user = CASE WHEN $14 THEN $16 ELSE rest_user END,
             rest_password_sealed = CASE WHEN $14 THEN $17 ELSE rest_password_sealed END
         WHERE id = $1",
        id,
        settings.site_id,
        settings.address.map(|address| address.trunc()) as Option<IpNet>,
        settings.identifier,
        settings.coa_port.map(i32::from),
        settings.require_message_authenticator.map(Requirement::as_str),
        settings.limit_proxy_state,
        settings.hotspot_hosts,
        settings.forget_address,
        settings.forget_radsec_name,
        settings.radsec_name.map(radsec_name),
        settings.require_signed_answers,
        settings.keep_on_refused_change,
        tells_rest,
        rest.url,
        rest.user,
        rest.password
    )
    .execute(tx)
    .await
    .map_err(|error| taken(error, settings))?;
    Ok(())
}

/// The one spelling of a name in a certificate: lower case, no dot at the end, an address as it is usually written.
pub fn radsec_name(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    text.parse::<IpAddr>().map_or_else(|_| text.to_lowercase(), |address| address.to_string())
}

/// Says which of a router's names another one has, or that it has none.
fn taken(error: sqlx::Error, settings: &Settings<'_>) -> StoreError {
    let constraint = error.as_database_error().and_then(|e| e.constraint()).unwrap_or_default().to_owned();
    let other =
        |what: &str, value: String| StoreError::Conflict(format!("another router already has the {what} {value}"));
    match constraint.as_str() {
        "nas_address_key" => other("address", settings.address.map(|net| net.trunc().to_string()).unwrap_or_default()),
        "nas_identifier_key" => other("identifier", settings.identifier.unwrap_or_default().to_owned()),
        "nas_radsec_name_key" => other("certificate name", settings.radsec_name.map(radsec_name).unwrap_or_default()),
        "nas_is_recognisable" => StoreError::Conflict(
            "a router needs the address that its packets come from, or the name in its certificate for RadSec".into(),
        ),
        "nas_rest_is_one_router" => StoreError::Conflict(
            "several routers share a network, and one REST API cannot tell who is online at the others: register the router by its own address"
                .into(),
        ),
        _ => error.into(),
    }
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
        r#"SELECT n.id, n.name, s.name AS "site?", s.time_zone AS "time_zone?", n.address::inet AS "address: IpNet", n.radsec_name, n.identifier, n.secret_sealed,
                  n.secret_generation, n.old_secret_sealed, n.old_secret_until, n.old_secret_generation,
                  n.proved_generation, n.coa_port, n.require_message_authenticator AS policy,
                  n.sends_message_authenticator AS seen, n.limit_proxy_state, n.require_signed_answers, n.keep_on_refused_change,
                  n.clock_offset_seconds,
                  n.hotspot_hosts, n.last_seen_at, n.rest_url, n.rest_user, n.rest_password_sealed
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
            let old_secret = match (&row.old_secret_sealed, row.old_secret_generation, row.old_secret_until) {
                (Some(sealed), Some(generation), Some(until)) => {
                    Some(OldSecret { secret: open(sealed)?, generation, until })
                }
                _ => None,
            };
            let policy = match Requirement::parse(&row.policy) {
                Some(Requirement::Yes) => MessageAuthenticatorPolicy::Yes,
                Some(Requirement::No) => MessageAuthenticatorPolicy::No,
                Some(Requirement::Auto) => MessageAuthenticatorPolicy::Auto { seen: row.seen },
                None => return Err(StoreError::corrupt("nas", &row.name, "an unknown signing policy")),
            };
            let rest = Sealed { url: row.rest_url, user: row.rest_user, password: row.rest_password_sealed };
            Ok(Nas {
                rest: rest.open(db, row.id, &row.name),
                secret: open(&row.secret_sealed)?,
                secret_generation: row.secret_generation,
                old_secret,
                proved_generation: row.proved_generation,
                id: row.id,
                name: row.name,
                site: row.site,
                time_zone: row.time_zone,
                address: row.address,
                radsec_name: row.radsec_name,
                identifier: row.identifier,
                coa_port: u16::try_from(row.coa_port).unwrap_or(3799),
                require_message_authenticator: policy,
                limit_proxy_state: row.limit_proxy_state,
                require_signed_answers: row.require_signed_answers,
                keep_on_refused_change: row.keep_on_refused_change,
                clock_offset_seconds: row.clock_offset_seconds,
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

/// Where a router stands and how its guests reach its sign-in page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The router.
    pub nas_id: Uuid,
    /// Where its packets come from.
    pub address: IpNet,
    /// Its site.
    pub site_id: Option<Uuid>,
    /// The site's name.
    pub site: Option<String>,
    /// The host of its sign-in page.
    pub hotspot_host: Option<String>,
}

/// The place of the router of that name.
pub async fn place(db: &Db, name: &str) -> Result<Option<Place>> {
    let row = sqlx::query!(
        r#"SELECT n.id, n.address::text AS "address!", n.site_id, s.name AS "site?", n.hotspot_hosts[1] AS hotspot_host
           FROM nas n LEFT JOIN sites s ON s.id = n.site_id WHERE n.name = $1"#,
        name
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Place {
        nas_id: row.id,
        address: row.address.parse().map_err(|error| StoreError::corrupt("nas", row.id, error))?,
        site_id: row.site_id,
        site: row.site,
        hotspot_host: row.hotspot_host,
    }))
}

/// That a router was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The router.
    pub nas: Uuid,
    /// When its last valid packet came.
    pub at: OffsetDateTime,
    /// The number of the secret that it has proved since the last time this was noted.
    pub proved_generation: Option<i32>,
    /// How far its clock was off in its last report, as [`Nas::clock_offset_seconds`]; `None` if it did not say.
    pub clock_offset_seconds: Option<i32>,
}

/// A router's clock that differs from ours by no more than this is right.
pub const CLOCK_TOLERANCE_SECONDS: i64 = 60;

/// Notes when routers were last heard, with which secret, and what time they have.
pub async fn seen(db: &Db, heard: &[Heard]) -> Result<()> {
    let ids: Vec<Uuid> = heard.iter().map(|h| h.nas).collect();
    let times: Vec<OffsetDateTime> = heard.iter().map(|h| h.at).collect();
    let generations: Vec<Option<i32>> = heard.iter().map(|h| h.proved_generation).collect();
    let clocks: Vec<Option<i32>> = heard.iter().map(|h| h.clock_offset_seconds).collect();
    sqlx::query!(
        "UPDATE nas SET last_seen_at = greatest(nas.last_seen_at, h.at),
             proved_generation = coalesce(h.generation, nas.proved_generation),
             clock_offset_seconds = coalesce(h.clock_offset, nas.clock_offset_seconds)
         FROM unnest($1::uuid[], $2::timestamptz[], $3::integer[], $4::integer[]) AS h (id, at, generation, clock_offset)
         WHERE nas.id = h.id",
        &ids,
        &times,
        &generations as &[Option<i32>],
        &clocks as &[Option<i32>]
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

#[cfg(test)]
mod tests {
    use super::radsec_name;

    #[test]
    fn names_of_certificates_have_one_spelling() {
        assert_eq!(radsec_name(" Cafe-1.Routers.Example. "), "cafe-1.routers.example");
        assert_eq!(radsec_name("2001:DB8:0::1"), "2001:db8::1");
        assert_eq!(radsec_name("10.20.0.2"), "10.20.0.2");
    }
}
