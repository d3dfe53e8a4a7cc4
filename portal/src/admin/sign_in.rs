//! Signing in and out.
//!
//! Whoever fails learns nothing: a wrong password, an account that does not exist and one that rests after ten
//! failures each have the same answer for every address that can be typed, after the same work. Failures are
//! counted by account and by where they come from ([`super::throttle`]), and stand in the audit log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Extension, Form};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use shared::rng;
use shared::time::OffsetDateTime;
use store::admin::{Admin, Audit};
use uuid::Uuid;

use super::audit::audit;
use super::page::{answer, style};
use super::throttle::{Name, Throttle};
use super::{OVERVIEW, Refusal, SIGN_IN};
use crate::middleware::client::ClientAddress;
use crate::session::csrf::{self, Nothing, Posted, Protected};
use crate::session::{self, Staff, cookie};
use crate::{App, password};

/// Longest address that is looked at or written down, in characters.
const MAX_EMAIL: usize = 200;

const WRONG: &str = "That address and password do not belong together.";

#[derive(Debug, Template)]
#[template(path = "admin/sign_in.html")]
pub(super) struct SignIn {
    brand: String,
    style: String,
    csrf: String,
    email: String,
    problem: String,
    /// Without Redis there is no form.
    possible: bool,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    email: String,
    password: String,
}

/// `GET /admin/sign-in`.
pub(super) async fn show(
    State(app): State<App>,
    jar: CookieJar,
    headers: HeaderMap,
    ClientAddress(from): ClientAddress,
) -> Result<Response, Refusal> {
    if Staff::signed_in(&app, &headers, from).await.is_ok() {
        return Ok(Redirect::to(OVERVIEW).into_response());
    }
    if let Err(error) = app.redis.ping().await {
        return without_sessions(&app, Refusal::sessions_away(error));
    }
    form(&app, jar, StatusCode::OK, "", String::new())
}

/// `POST /admin/sign-in`.
pub(super) async fn sign_in(
    State(app): State<App>,
    Extension(throttle): Extension<Arc<Throttle>>,
    jar: CookieJar,
    ClientAddress(from): ClientAddress,
    headers: HeaderMap,
    sent: Result<Form<Protected<Credentials>>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(sent) = sent.map_err(|_| Refusal::Forged)?;
    let public_url = &app.config.portal.public_url;
    let secret = jar.get(cookie::form_name(public_url)).map_or("", |cookie| cookie.value());
    if !csrf::from_our_pages(&headers, public_url) || !csrf::same(&sent.csrf, secret) {
        return Err(Refusal::Forged);
    }
    if let Err(error) = app.redis.ping().await {
        return without_sessions(&app, Refusal::sessions_away(error));
    }
    let try_of = Try { email: typed(&sent.form.email), from: Some(from) };
    let known = store::admin::by_email(&app.db, &try_of.email).await?;
    let now = app.clock.now();
    if let Some(rest) = try_of.rests(&throttle, known.as_ref(), now, app.clock.monotonic()) {
        return resting(&app, jar, try_of.email, rest);
    }
    let right = password::verify(&sent.form.password, known.as_ref().map(|admin| admin.password_hash.as_str())).await;
    let Some(admin) = known.as_ref().filter(|_| right) else {
        try_of.failed(&app, &throttle, known.as_ref(), now).await?;
        return form(&app, jar, StatusCode::FORBIDDEN, &try_of.email, WRONG.into());
    };
    let value = match session::begin(&app, &jar, admin, now).await {
        Err(refusal @ Refusal::SessionsAway) => return without_sessions(&app, refusal),
        other => other?,
    };
    throttle.succeeded(&Name::Account(try_of.email.clone()));
    store::admin::signed_in(&app.db, admin.id, true, now).await?;
    try_of.audit(&app, "sign-in", now).await?;
    let jar = jar.add(cookie::session(public_url, value)).add(cookie::gone(public_url, cookie::form_name(public_url)));
    Ok((jar, Redirect::to(OVERVIEW)).into_response())
}

/// `POST /admin/sign-out`.
pub(super) async fn sign_out(
    State(app): State<App>,
    jar: CookieJar,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    posted.staff.sign_out().await?;
    audit(&app, &posted.staff, "sign-out", "").await?;
    let public_url = &app.config.portal.public_url;
    Ok((jar.add(cookie::gone(public_url, cookie::session_name(public_url))), Redirect::to(SIGN_IN)).into_response())
}

/// Somebody who tries to sign in.
struct Try {
    email: String,
    from: Option<IpAddr>,
}

impl Try {
    /// How long the account or the address still rests. A lock in the database looks like one in memory.
    fn rests(
        &self,
        throttle: &Throttle,
        known: Option<&Admin>,
        now: OffsetDateTime,
        uptime: Duration,
    ) -> Option<Duration> {
        let locked = known.and_then(|admin| admin.locked_until).and_then(|until| Duration::try_from(until - now).ok());
        let account = throttle.rests(&Name::Account(self.email.clone()), uptime);
        let address = self.from.and_then(|ip| throttle.rests(&Name::Address(ip), uptime));
        [locked, account, address].into_iter().flatten().filter(|rest| !rest.is_zero()).max()
    }

    /// Counts and writes down a failure. For an account that is not there the same statements are run.
    async fn failed(
        &self,
        app: &App,
        throttle: &Throttle,
        known: Option<&Admin>,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        let uptime = app.clock.monotonic();
        throttle.failed(Name::Account(self.email.clone()), uptime);
        if let Some(ip) = self.from {
            throttle.failed(Name::Address(ip), uptime);
        }
        store::admin::signed_in(&app.db, known.map_or(Uuid::nil(), |admin| admin.id), false, now).await?;
        self.audit(app, "sign-in.failed", now).await
    }

    async fn audit(&self, app: &App, action: &str, now: OffsetDateTime) -> Result<(), Refusal> {
        let line = Audit { actor: &self.email, action, object: "", address: self.from };
        Ok(store::admin::audit(&app.db, &line, now).await?)
    }
}

/// The form, with its secret in a cookie and in a field.
fn form(app: &App, jar: CookieJar, status: StatusCode, email: &str, problem: String) -> Result<Response, Refusal> {
    let public_url = &app.config.portal.public_url;
    let present = jar.get(cookie::form_name(public_url)).map(|cookie| cookie.value().to_owned());
    let csrf = present.filter(|value| value.len() >= 40).unwrap_or_else(rng::secret);
    let page = SignIn {
        brand: app.config.portal.brand.clone(),
        style: style(),
        csrf: csrf.clone(),
        email: email.to_owned(),
        problem,
        possible: true,
    };
    Ok((jar.add(cookie::form(public_url, csrf)), answer(status, &page)?).into_response())
}

fn resting(app: &App, jar: CookieJar, email: String, rest: Duration) -> Result<Response, Refusal> {
    let minutes = rest.as_secs().div_ceil(60);
    let problem = format!("There were too many wrong passwords. Signing in rests for {minutes} min; then try again.");
    let mut response = form(app, jar, StatusCode::TOO_MANY_REQUESTS, &email, problem)?;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(rest.as_secs().max(1)));
    Ok(response)
}

fn without_sessions(app: &App, refusal: Refusal) -> Result<Response, Refusal> {
    let (status, title, text) = refusal.words();
    let page = SignIn {
        brand: app.config.portal.brand.clone(),
        style: style(),
        csrf: String::new(),
        email: String::new(),
        problem: format!("{title}. {text}"),
        possible: false,
    };
    answer(status, &page)
}

/// The address as it was typed, fit for a log: one line, small letters, not endless.
fn typed(email: &str) -> String {
    email.trim().chars().filter(|c| !c.is_control()).take(MAX_EMAIL).collect::<String>().to_lowercase()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample() -> SignIn {
        SignIn {
            brand: HOSTILE.into(),
            style: style(),
            csrf: "the-secret".into(),
            email: HOSTILE.into(),
            problem: WRONG.into(),
            possible: true,
        }
    }

    #[test]
    fn without_redis_there_is_no_form_to_fill_in() {
        let html = SignIn { possible: false, ..sample() }.render().expect("renders");
        assert!(!html.contains("<form") && html.contains(WRONG));
    }

    #[test]
    fn typed_addresses_are_fit_for_the_log() {
        assert_eq!(typed(" Me@Example.org\r\n"), "me@example.org");
        assert_eq!(typed("a\nb\u{1b}[31m@c"), "ab[31m@c");
        assert_eq!(typed(&"x".repeat(1000)).len(), MAX_EMAIL);
    }

    #[test]
    fn an_account_that_does_not_exist_rests_like_one_that_does() {
        let throttle = Throttle::default();
        let someone = Try { email: "a@b".into(), from: None };
        let now = OffsetDateTime::UNIX_EPOCH;
        for _ in 0..store::admin::MAX_FAILED_LOGINS {
            assert!(someone.rests(&throttle, None, now, Duration::ZERO).is_none());
            throttle.failed(Name::Account("a@b".into()), Duration::ZERO);
        }
        assert_eq!(someone.rests(&throttle, None, now, Duration::ZERO), Some(store::admin::LOCK));
    }
}
