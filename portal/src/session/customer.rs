//! Who is signed in as a customer.
//!
//! A session begins with a proof that somebody holds a phone: a code by SMS, or a payment from it. Its identifier is 128 random bits,
//! new at each sign-in; Redis knows a keyed hash of it. The browser keeps it in a cookie, and where captive browsers
//! keep none it rides along, sealed, in the forms of the pages ([`crate::pages::visit::Form`]).
//!
//! A session is good on the device that it began on: for another device's visit, or another browser, it is refused, and that is
//! written into the security log. Customers see where they are signed in, and end what they do not know.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use serde::{Deserialize, Serialize};
use shared::mac::Mac;
use shared::rng;
use shared::time::OffsetDateTime;
use store::redis::Digest;
use store::security::{self, Event, Kind};
use store::user::{self, User};
use uuid::Uuid;

use super::cookie;
use crate::App;
use crate::error::AppError;
use crate::pages::visit::Visit;

/// A session ends after this long without a page.
pub(crate) const RESTS: Duration = Duration::from_secs(30 * 24 * 3600);
/// A page moves the end on at most this often.
const REFRESH: Duration = Duration::from_secs(3600);

/// What Redis keeps of a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record {
    user: Uuid,
    /// The device, if it began behind a router.
    mac: Option<Mac>,
    /// A keyed hash of what the browser calls itself.
    agent: String,
    /// The site where it began, if it has a name.
    #[serde(default)]
    site: Option<String>,
    /// Seconds of the Unix epoch.
    began_at: i64,
    seen_at: i64,
}

/// What a request presents itself with.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    /// The identifier from the cookie.
    cookie: Option<String>,
    /// What the browser calls itself.
    agent: String,
}

impl FromRequestParts<App> for Presented {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Presented, Infallible> {
        let jar = CookieJar::from_headers(&parts.headers);
        let cookie =
            jar.get(cookie::customer_name(&app.config.portal.public_url)).map(|cookie| cookie.value().to_owned());
        let agent =
            parts.headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Presented { cookie, agent: agent.unwrap_or_default() })
    }
}

/// A customer who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    /// Who.
    pub(crate) user: User,
    /// The session's identifier: for the forms of the page, never for its address.
    pub(crate) session: String,
}

/// A session, as its customer sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    /// What it is ended by.
    pub(crate) handle: String,
    /// The device that it began on, if that was behind a router.
    pub(crate) mac: Option<Mac>,
    /// The site's name.
    pub(crate) site: Option<String>,
    pub(crate) began_at: OffsetDateTime,
    pub(crate) seen_at: OffsetDateTime,
    /// Whether it is the one of this page.
    pub(crate) is_this: bool,
}

/// Whoever is signed in: by the identifier that the form carried, else by the cookie's. `visit`: the device of the page.
pub(crate) async fn find(
    app: &App,
    presented: &Presented,
    carried: Option<&str>,
    visit: Option<&Visit>,
) -> Result<Option<Customer>, AppError> {
    let Some(session) = carried.or(presented.cookie.as_deref()) else { return Ok(None) };
    let digest = digest(app, session);
    let Some(json) = app.redis.load_customer_session(&digest).await? else { return Ok(None) };
    let Ok(mut record) = serde_json::from_slice::<Record>(&json) else { return Ok(None) };
    let other_device = matches!((record.mac, visit), (Some(mac), Some(visit)) if mac != visit.mac);
    if other_device || record.agent != fingerprint(app, &presented.agent) {
        refused(app, &record, visit).await;
        return Ok(None);
    }
    let user = user::get(&app.db, record.user).await?;
    if !user.is_active {
        return Ok(None);
    }
    let now = app.clock.now().unix_timestamp();
    if now.saturating_sub(record.seen_at) >= i64::try_from(REFRESH.as_secs()).unwrap_or(i64::MAX) {
        record.seen_at = now;
        app.redis.save_customer_session(user.id, &digest, &encode(&record), RESTS.as_secs()).await?;
    }
    Ok(Some(Customer { user, session: session.to_owned() }))
}

/// Begins a session of somebody who has proved to hold the phone. One that the browser brought is ended: whoever planted its
/// identifier holds nothing.
pub(crate) async fn begin(
    app: &App,
    presented: &Presented,
    user: &User,
    visit: Option<&Visit>,
) -> Result<Customer, AppError> {
    if let Some(earlier) = &presented.cookie {
        let digest = digest(app, earlier);
        if let Some(json) = app.redis.load_customer_session(&digest).await?
            && let Ok(record) = serde_json::from_slice::<Record>(&json)
        {
            app.redis.end_customer_session(record.user, &digest).await?;
        }
    }
    let session = hex::encode(rng::bytes::<16>());
    let now = app.clock.now().unix_timestamp();
    let record = Record {
        user: user.id,
        mac: visit.map(|visit| visit.mac),
        agent: fingerprint(app, &presented.agent),
        site: visit.and_then(|visit| visit.site_name.clone()),
        began_at: now,
        seen_at: now,
    };
    app.redis.save_customer_session(user.id, &digest(app, &session), &encode(&record), RESTS.as_secs()).await?;
    Ok(Customer { user: user.clone(), session })
}

/// The open sessions of a customer, the one of this page first, then those used last.
pub(crate) async fn all(app: &App, customer: &Customer) -> Result<Vec<Shown>, AppError> {
    let this = digest(app, &customer.session);
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut shown: Vec<Shown> = app
        .redis
        .customer_sessions(customer.user.id)
        .await?
        .into_iter()
        .filter_map(|(digest, json)| {
            let record: Record = serde_json::from_slice(&json).ok()?;
            Some(Shown {
                handle: hex::encode(digest),
                mac: record.mac,
                site: record.site,
                began_at: at(record.began_at),
                seen_at: at(record.seen_at),
                is_this: digest == this,
            })
        })
        .collect();
    shown.sort_by_key(|session| (!session.is_this, std::cmp::Reverse(session.seen_at)));
    Ok(shown)
}

/// Ends a session of this customer by its handle; somebody else's has no such handle here.
pub(crate) async fn end(app: &App, user: Uuid, handle: &str) -> Result<(), AppError> {
    let digest = hex::decode(handle).ok().and_then(|octets| Digest::try_from(octets).ok()).ok_or(AppError::NotFound)?;
    let open = app.redis.customer_sessions(user).await?;
    if !open.iter().any(|(known, _)| *known == digest) {
        return Err(AppError::NotFound);
    }
    Ok(app.redis.end_customer_session(user, &digest).await?)
}

/// Ends the session of this page. Returns the cookie that takes its own away.
pub(crate) async fn sign_out(app: &App, customer: &Customer) -> Result<Cookie<'static>, AppError> {
    app.redis.end_customer_session(customer.user.id, &digest(app, &customer.session)).await?;
    let public = &app.config.portal.public_url;
    Ok(cookie::gone_customer(public))
}

/// The cookie of a session.
pub(crate) fn keep(app: &App, customer: &Customer) -> Cookie<'static> {
    let lifetime = time::Duration::seconds(i64::try_from(RESTS.as_secs()).unwrap_or(i64::MAX));
    cookie::customer(&app.config.portal.public_url, customer.session.clone(), lifetime)
}

/// A session that was used where it did not begin is refused, and somebody should know of it.
async fn refused(app: &App, record: &Record, visit: Option<&Visit>) {
    tracing::warn!(customer = %record.user, "a customer's session was used from another device and is refused");
    let event = Event {
        kind: Kind::SessionStolen,
        nas: visit.map(|visit| visit.nas),
        mac: visit.map(|visit| visit.mac),
        user_name: None,
        detail: format!("a sign-in that began {} was used from another device or browser", place(record)),
    };
    if let Err(error) = security::record(&app.db, &event, app.clock.now()).await {
        tracing::warn!(%error, "a refused session could not be written into the security log");
    }
}

/// Where a session began, in words for the security log.
fn place(record: &Record) -> String {
    match (record.mac, &record.site) {
        (Some(mac), Some(site)) => format!("at {site}, on {mac}"),
        (Some(mac), None) => format!("on {mac}"),
        (None, _) => "outside of our Wi-Fi".into(),
    }
}

fn digest(app: &App, session: &str) -> Digest {
    app.db.seal().lookup(format!("customer-session:{session}").as_bytes())
}

fn fingerprint(app: &App, agent: &str) -> String {
    hex::encode(app.db.seal().lookup(format!("browser:{agent}").as_bytes()))
}

fn encode(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).expect("our own values serialise")
}
