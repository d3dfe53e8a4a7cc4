//! Who is signed in at the desk.
//!
//! A session exists from a successful sign-in to the sign-out, or to twelve hours without a page: a record in
//! Redis ([`store`]) under an identifier that only the browser's cookie holds ([`cookie`]). Signing in always
//! makes a new identifier and forgets the one that the browser brought. Nobody who has not signed in leaves
//! anything in Redis.
//!
//! The desk's door (`admin::access`) asks [`Staff::signed_in`], which reads the member of staff afresh, so one who is removed or
//! gets another password is out at once. Pages take [`Staff`] as an extractor: what the door has handed on. [`csrf::Posted`]
//! adds what a change needs: a request from our own page, with the session's secret in it.
//!
//! Refused here: going on without Redis. When it is away nobody is signed in, and the answer says so.

pub mod cookie;
pub mod csrf;
pub(crate) mod customer;
mod store;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::store::admin::{self, Admin};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use shared::rng;
use shared::staff::{Permission, SiteScope};
use shared::time::OffsetDateTime;
use tower_sessions::session::Id;
use tower_sessions::{Expiry, Session};

use crate::admin::Refusal;
use crate::state::App;
use store::RedisStore;

/// A session ends after this long without a page.
pub const INACTIVITY: Duration = Duration::from_secs(12 * 3600);
/// A page moves the end on at most this often, so that a list that reloads itself writes little.
const REFRESH: Duration = Duration::from_secs(300);
/// The record's only key.
const STAFF: &str = "staff";

/// What a session's record holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// The member of staff.
    admin: uuid::Uuid,
    /// A fingerprint of the password's hash: another password ends the sessions of the old one.
    password: String,
    /// The secret that forms carry.
    csrf: String,
    /// When the end was moved on last, seconds of the Unix epoch.
    refreshed_at: i64,
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
    session: Session,
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

    /// Whoever the request's cookie is of, read afresh.
    ///
    /// # Errors
    /// [`Refusal::SignIn`]: nobody.
    pub(crate) async fn signed_in(app: &App, headers: &HeaderMap, from: IpAddr) -> Result<Staff, Refusal> {
        let jar = CookieJar::from_headers(headers);
        let id = presented(app, &jar).ok_or(Refusal::SignIn)?;
        let session = open(app, Some(id));
        let record: Option<Record> = session.get(STAFF).await.map_err(Refusal::sessions_away)?;
        let mut record = record.ok_or(Refusal::SignIn)?;
        let admin = admin::by_id(&app.db, record.admin).await?.ok_or(Refusal::SignIn)?;
        if record.password != fingerprint(app, &admin) {
            return Err(Refusal::SignIn);
        }
        let now = app.clock.now().unix_timestamp();
        if now.saturating_sub(record.refreshed_at) >= i64::try_from(REFRESH.as_secs()).unwrap_or(i64::MAX) {
            record.refreshed_at = now;
            session.insert(STAFF, &record).await.map_err(Refusal::sessions_away)?;
            session.save().await.map_err(Refusal::sessions_away)?;
        }
        Ok(Staff { admin, csrf: record.csrf, from, session })
    }

    /// Signs out: the record is gone, so a copy of the cookie is worth nothing.
    pub async fn sign_out(&self) -> Result<(), Refusal> {
        self.session.flush().await.map_err(Refusal::sessions_away)
    }
}

/// Begins a session for a member of staff who has proved the password. Returns the cookie's value.
///
/// An identifier that the browser brought is forgotten, never used again: whoever planted it holds nothing.
pub async fn begin(app: &App, jar: &CookieJar, admin: &Admin, now: OffsetDateTime) -> Result<String, Refusal> {
    if let Some(earlier) = presented(app, jar) {
        open(app, Some(earlier)).flush().await.map_err(Refusal::sessions_away)?;
    }
    let session = open(app, None);
    let record = Record {
        admin: admin.id,
        password: fingerprint(app, admin),
        csrf: rng::secret(),
        refreshed_at: now.unix_timestamp(),
    };
    session.insert(STAFF, record).await.map_err(Refusal::sessions_away)?;
    session.save().await.map_err(Refusal::sessions_away)?;
    session.id().map(|id| id.to_string()).ok_or_else(|| Refusal::sessions_away("the new session has no identifier"))
}

impl<S: Send + Sync> FromRequestParts<S> for Staff {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Staff, Refusal> {
        let staff = parts.extensions.get::<Staff>().cloned();
        staff.ok_or_else(|| Refusal::broken("a handler asks for staff, and its route is in no group of admin::routes"))
    }
}

/// The identifier in the browser's cookie, if it is one.
fn presented(app: &App, jar: &CookieJar) -> Option<Id> {
    jar.get(cookie::session_name(&app.config.portal.public_url))?.value().parse().ok()
}

fn open(app: &App, id: Option<Id>) -> Session {
    let inactivity = time::Duration::seconds(i64::try_from(INACTIVITY.as_secs()).unwrap_or(i64::MAX));
    Session::new(id, Arc::new(RedisStore(app.redis.clone())), Some(Expiry::OnInactivity(inactivity)))
}

fn fingerprint(app: &App, admin: &Admin) -> String {
    hex::encode(app.db.seal().lookup(admin.password_hash.as_bytes()))
}
