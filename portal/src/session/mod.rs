//! Who is signed in at the desk.
//!
//! A session exists from a successful sign-in to the sign-out, to a while without a page (`portal.desk_idle_minutes`), or to its
//! longest time (`portal.desk_hours`): a record in Redis under a keyed hash of an identifier that only the browser's cookie holds
//! ([`cookie`]). Signing in always makes a new identifier and ends the session that the browser brought. Nobody who has not signed
//! in leaves anything in Redis.
//!
//! The desk's door (`admin::access`) asks [`Staff::signed_in`], which reads the member of staff afresh: who is suspended, has
//! another role, other sites, another password or another second factor than at the sign-in is out at once. Pages take
//! [`Staff`] as an extractor: what the door has handed on. [`csrf::Posted`] adds what a change needs: a request from our own page,
//! with the session's secret in it. When somebody last proved to be who they are is kept as well, for what is asked again
//! (`admin::proof`).
//!
//! Staff see their sessions, and end what they do not know ([`list`], [`end`]).
//!
//! Refused here: going on without Redis. When it is away nobody is signed in, and the answer says so.

pub mod cookie;
pub mod csrf;
pub(crate) mod customer;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use shared::rng;
use shared::staff::{Permission, SiteScope};
use shared::time::OffsetDateTime;
use store::admin::{self, Admin};
use store::redis::Digest;
use uuid::Uuid;

use crate::admin::Refusal;
use crate::state::App;

/// A page moves the end on at most this often, so that a list that reloads itself writes little.
const REFRESH: Duration = Duration::from_secs(60);
/// What needs a fresh proof takes one that is no older than this.
const PROOF: Duration = Duration::from_secs(600);
/// Characters of an identifier: a secret of [`rng::secret`].
const ID_LENGTH: usize = 43;
/// Longest name of a browser that is kept, in characters.
const MAX_AGENT: usize = 300;

/// What a session's record holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record {
    /// The member of staff.
    admin: Uuid,
    /// Theirs when it began: with another one it is over.
    epoch: i32,
    /// The secret that forms carry.
    csrf: String,
    /// What the browser calls itself.
    agent: String,
    /// Where the sign-in came from.
    address: IpAddr,
    /// Seconds of the Unix epoch.
    began_at: i64,
    seen_at: i64,
    proved_at: i64,
}

/// A member of staff who is signed in.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Who.
    pub admin: Admin,
    /// The secret that this session's forms carry.
    pub csrf: String,
    /// Where the request comes from.
    pub from: IpAddr,
    digest: Digest,
    record: Record,
}

impl Staff {
    /// Whether they may do that. Routes have asked already; this is for what a page shows.
    pub fn may(&self, permission: Permission) -> bool {
        self.admin.role.may(permission)
    }

    /// The sites that they are limited to.
    pub fn sites(&self) -> &SiteScope {
        &self.admin.sites
    }

    /// Whether they have still to make a second factor, without which their role does nothing.
    pub fn lacks_second_factor(&self) -> bool {
        self.admin.role.must_have_second_factor() && !self.admin.has_second_factor
    }

    /// Whether they have proved lately to be who they are.
    pub(crate) fn is_proved(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp().saturating_sub(self.record.proved_at) < seconds(PROOF)
    }

    /// Somebody for whom something is made while they are not here, such as a report by e-mail. No session stands behind it: no form is
    /// theirs, and nothing is renewed or ended by it.
    pub(crate) fn absent(admin: Admin) -> Staff {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let record = Record {
            admin: admin.id,
            epoch: admin.session_epoch,
            csrf: String::new(),
            agent: String::new(),
            address: nowhere,
            began_at: 0,
            seen_at: 0,
            proved_at: 0,
        };
        Staff { admin, csrf: String::new(), from: nowhere, digest: Digest::default(), record }
    }

    /// Notes that they have just proved it.
    pub(crate) async fn proved(&mut self, app: &App, now: OffsetDateTime) -> Result<(), Refusal> {
        self.record.proved_at = now.unix_timestamp();
        self.renew(app, now).await
    }

    /// Whoever the request's cookie is of, read afresh.
    ///
    /// # Errors
    /// [`Refusal::SignIn`]: nobody.
    pub(crate) async fn signed_in(app: &App, headers: &HeaderMap, from: IpAddr) -> Result<Staff, Refusal> {
        let jar = CookieJar::from_headers(headers);
        let digest = presented(app, &jar).ok_or(Refusal::SignIn)?;
        let json = app.redis.load_staff_session(&digest).await?.ok_or(Refusal::SignIn)?;
        let record: Record = serde_json::from_slice(&json).map_err(|_| Refusal::SignIn)?;
        let now = app.clock.now();
        let admin = admin::by_id(&app.db, record.admin).await?.ok_or(Refusal::SignIn)?;
        if admin.session_epoch != record.epoch || admin.is_suspended || left(app, &record, now).is_none() {
            return Err(Refusal::SignIn);
        }
        let mut staff = Staff { admin, csrf: record.csrf.clone(), from, digest, record };
        if now.unix_timestamp().saturating_sub(staff.record.seen_at) >= seconds(REFRESH) {
            staff.renew(app, now).await?;
        }
        Ok(staff)
    }

    /// Stores the record anew, unless the session was ended meanwhile.
    async fn renew(&mut self, app: &App, now: OffsetDateTime) -> Result<(), Refusal> {
        self.record.seen_at = now.unix_timestamp();
        let lives = left(app, &self.record, now).ok_or(Refusal::SignIn)?;
        match app.redis.renew_staff_session(&self.digest, &encode(&self.record), lives).await? {
            true => Ok(()),
            false => Err(Refusal::SignIn),
        }
    }

    /// Signs out: the record is gone, so a copy of the cookie is worth nothing.
    pub async fn sign_out(&self, app: &App) -> Result<(), Refusal> {
        app.redis.end_staff_session(self.admin.id, &self.digest).await?;
        Ok(())
    }
}

/// Begins a session for a member of staff who has proved to be who they are. Returns the cookie's value, and who is signed in by it.
///
/// An identifier that the browser brought is forgotten, never used again: whoever planted it holds nothing.
pub async fn begin(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
    admin: &Admin,
    now: OffsetDateTime,
) -> Result<(String, Staff), Refusal> {
    if let Ok(earlier) = Staff::signed_in(app, headers, from).await {
        earlier.sign_out(app).await?;
    }
    let at = now.unix_timestamp();
    let record = Record {
        admin: admin.id,
        epoch: admin.session_epoch,
        csrf: rng::secret(),
        agent: agent(headers),
        address: from,
        began_at: at,
        seen_at: at,
        proved_at: at,
    };
    keep(app, admin, from, record, now).await
}

/// A session of another identifier in place of one that a change has just ended. It is no sign-in: it ends when that one would have
/// ended, and who last proved to be who they are did so then.
pub(crate) async fn replace(
    app: &App,
    headers: &HeaderMap,
    earlier: &Staff,
    now: OffsetDateTime,
) -> Result<(String, Staff), Refusal> {
    earlier.sign_out(app).await?;
    let admin = admin::by_id(&app.db, earlier.admin.id).await?.ok_or(Refusal::SignIn)?;
    let record = Record {
        epoch: admin.session_epoch,
        csrf: rng::secret(),
        agent: agent(headers),
        seen_at: now.unix_timestamp(),
        ..earlier.record.clone()
    };
    keep(app, &admin, earlier.from, record, now).await
}

async fn keep(
    app: &App,
    admin: &Admin,
    from: IpAddr,
    record: Record,
    now: OffsetDateTime,
) -> Result<(String, Staff), Refusal> {
    let id = rng::secret();
    let (digest, lives) = (digest(app, &id), left(app, &record, now).unwrap_or(1));
    app.redis.save_staff_session(admin.id, &digest, &encode(&record), lives).await?;
    Ok((id, Staff { admin: admin.clone(), csrf: record.csrf.clone(), from, digest, record }))
}

/// What a browser calls itself, fit to be kept.
fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect()
}

impl<S: Send + Sync> FromRequestParts<S> for Staff {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Staff, Refusal> {
        let staff = parts.extensions.get::<Staff>().cloned();
        staff.ok_or_else(|| Refusal::broken("a handler asks for staff, and its route is in no group of admin::routes"))
    }
}

/// A session, as its owner sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    /// What it is ended by.
    pub(crate) handle: String,
    /// What the browser calls itself.
    pub(crate) agent: String,
    /// Where the sign-in came from.
    pub(crate) address: IpAddr,
    pub(crate) began_at: OffsetDateTime,
    pub(crate) seen_at: OffsetDateTime,
    /// Whether it is the one of this page.
    pub(crate) is_this: bool,
}

/// The sessions of a member of staff, those that were used last first.
pub(crate) async fn list(app: &App, admin: &Admin, viewer: &Staff) -> Result<Vec<Shown>, Refusal> {
    let now = app.clock.now();
    let mut shown = Vec::new();
    for (digest, json) in app.redis.staff_sessions(admin.id).await? {
        let Ok(record) = serde_json::from_slice::<Record>(&json) else { continue };
        if record.epoch != admin.session_epoch || left(app, &record, now).is_none() {
            continue;
        }
        let moment = |at| OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        shown.push(Shown {
            handle: hex::encode(digest),
            agent: record.agent,
            address: record.address,
            began_at: moment(record.began_at),
            seen_at: moment(record.seen_at),
            is_this: digest == viewer.digest,
        });
    }
    shown.sort_by_key(|session| std::cmp::Reverse((session.seen_at, session.began_at)));
    Ok(shown)
}

/// Ends a session of a member of staff by its handle.
///
/// # Errors
/// [`Refusal::NotFound`]: they have none of that handle.
pub(crate) async fn end(app: &App, admin: Uuid, handle: &str) -> Result<(), Refusal> {
    let digest = hex::decode(handle).ok().and_then(|octets| Digest::try_from(octets).ok()).ok_or(Refusal::NotFound)?;
    match app.redis.end_staff_session(admin, &digest).await? {
        true => Ok(()),
        false => Err(Refusal::NotFound),
    }
}

/// Seconds that a session has left. `None`: it is over.
fn left(app: &App, record: &Record, now: OffsetDateTime) -> Option<u64> {
    let (portal, now) = (&app.config.portal, now.unix_timestamp());
    let rests = record.seen_at.saturating_add(i64::from(portal.desk_idle_minutes) * 60);
    let ends = record.began_at.saturating_add(i64::from(portal.desk_hours) * 3600);
    u64::try_from(rests.min(ends).saturating_sub(now)).ok().filter(|left| *left > 0)
}

/// The keyed hash of the identifier in the browser's cookie.
fn presented(app: &App, jar: &CookieJar) -> Option<Digest> {
    let value = jar.get(cookie::session_name(&app.config.portal.public_url))?.value();
    // What cannot be one of ours is nobody's: Redis is not asked.
    (value.len() == ID_LENGTH).then(|| digest(app, value))
}

fn digest(app: &App, id: &str) -> Digest {
    app.db.seal().lookup(format!("staff-session:{id}").as_bytes())
}

fn encode(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).expect("our own values serialise")
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
