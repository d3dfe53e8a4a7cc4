//! Signing in and out.
//!
//! Whoever fails learns nothing: a wrong password, an account that does not exist, one that is suspended and one that rests after
//! ten failures each have the same answer for every address that can be typed, after the same work. Who has a second factor is
//! asked for it next ([`super::second_step`]); without it there is no session. Then one comes to the page that was asked for, or to the
//! overview ([`super::back`]).

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Extension, Form};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use shared::rng;
use shared::time::OffsetDateTime;
use store::admin::{Admin, LOCK};

use super::audit::audit;
use super::page::{answer, style};
use super::throttle::Throttle;
use super::tries::{Try, Wrong};
use super::{Refusal, SIGN_IN, back, second_step};
use crate::middleware::client::ClientAddress;
use crate::session::csrf::{self, Nothing, Posted, Protected};
use crate::session::{self, Staff, cookie};
use crate::{App, password};

const WRONG: &str = "That address and password do not belong together.";

#[derive(Debug, Template)]
#[template(path = "admin/sign_in.html")]
pub(super) struct SignIn {
    brand: String,
    style: String,
    csrf: String,
    email: String,
    problem: String,
    /// Where it leads then; empty: to the overview.
    to: String,
    /// What was done just now.
    done: &'static str,
    /// Without Redis there is no form.
    possible: bool,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    to: String,
}

/// What the redirect to this page carries: after an invitation, or from a page that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    welcome: Option<String>,
    #[serde(default)]
    to: String,
}

/// `GET /admin/sign-in`.
pub(super) async fn show(
    State(app): State<App>,
    jar: CookieJar,
    headers: HeaderMap,
    ClientAddress(from): ClientAddress,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    if Staff::signed_in(&app, &headers, from).await.is_ok() {
        return Ok(Redirect::to(back::or_overview(&after.to)).into_response());
    }
    if let Err(error) = app.redis.ping().await {
        return without_sessions(&app, Refusal::sessions_away(error));
    }
    let done = after.welcome.map_or("", |_| "Your password is set. Sign in with it now.");
    form(&app, jar, StatusCode::OK, SignIn { done, to: back::or_none(&after.to), ..empty(&app) })
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
    let secret = from_our_form(&app, &jar, &headers, &sent.csrf)?;
    if let Err(error) = app.redis.ping().await {
        return without_sessions(&app, Refusal::sessions_away(error));
    }
    let to = back::or_none(&sent.form.to);
    let someone = Try::new(&sent.form.email, from, throttle);
    let known = store::admin::by_email(&app.db, &someone.email).await?;
    let now = app.clock.now();
    if let Some(rest) = someone.rests(known.as_ref(), now, app.clock.monotonic()) {
        return resting(&app, jar, someone.email, to, rest);
    }
    if !someone.takes_password(app.clock.monotonic()) {
        return resting(&app, jar, someone.email, to, LOCK);
    }
    let right = password::verify(&sent.form.password, known.as_ref().map(|admin| admin.password_hash.as_str())).await;
    let Some(admin) = known.as_ref().filter(|admin| right && !admin.is_suspended) else {
        someone.failed(&app, known.as_ref(), Wrong::Password, now).await?;
        let page = SignIn { email: someone.email, problem: WRONG.into(), to, ..empty(&app) };
        return form(&app, jar, StatusCode::FORBIDDEN, page);
    };
    someone.was_right();
    if admin.has_second_factor {
        return second_step::ask(&app, jar, admin, secret, to, now);
    }
    enter(&app, jar, &headers, &someone, admin, &to, now).await
}

/// Lets somebody in who has proved all that is asked for, and leads them there.
pub(super) async fn enter(
    app: &App,
    jar: CookieJar,
    headers: &HeaderMap,
    someone: &Try,
    admin: &Admin,
    to: &str,
    now: OffsetDateTime,
) -> Result<Response, Refusal> {
    let (value, _) = match session::begin(app, headers, someone.from, admin, now).await {
        Err(refusal @ Refusal::SessionsAway) => return without_sessions(app, refusal),
        other => other?,
    };
    someone.succeeded(admin);
    store::admin::signed_in(&app.db, admin.id, true, now).await?;
    someone.audit(app, "sign-in", now).await?;
    let public_url = &app.config.portal.public_url;
    let jar = jar.add(cookie::session(public_url, value)).add(cookie::gone(public_url, cookie::form_name(public_url)));
    Ok((jar, Redirect::to(back::or_overview(to))).into_response())
}

/// `POST /admin/sign-out`.
pub(super) async fn sign_out(
    State(app): State<App>,
    jar: CookieJar,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    posted.staff.sign_out(&app).await?;
    audit(&app, &posted.staff, "sign-out", "").await?;
    let public_url = &app.config.portal.public_url;
    Ok((jar.add(cookie::gone(public_url, cookie::session_name(public_url))), Redirect::to(SIGN_IN)).into_response())
}

/// The secret of the forms before the sign-in, if this form has it.
pub(super) fn from_our_form(app: &App, jar: &CookieJar, headers: &HeaderMap, sent: &str) -> Result<String, Refusal> {
    let public_url = &app.config.portal.public_url;
    let secret = jar.get(cookie::form_name(public_url)).map_or("", |cookie| cookie.value());
    if !csrf::from_our_pages(headers, public_url) || !csrf::same(sent, secret) {
        return Err(Refusal::Forged);
    }
    Ok(secret.to_owned())
}

/// The secret of the forms before the sign-in: the browser's, or a new one.
pub(super) fn form_secret(app: &App, jar: &CookieJar) -> String {
    let present = jar.get(cookie::form_name(&app.config.portal.public_url)).map(|cookie| cookie.value().to_owned());
    present.filter(|value| value.len() >= 40).unwrap_or_else(rng::secret)
}

fn empty(app: &App) -> SignIn {
    SignIn {
        brand: app.config.portal.brand.clone(),
        style: style(),
        csrf: String::new(),
        email: String::new(),
        problem: String::new(),
        to: String::new(),
        done: "",
        possible: true,
    }
}

/// The form, with its secret in a cookie and in a field.
fn form(app: &App, jar: CookieJar, status: StatusCode, page: SignIn) -> Result<Response, Refusal> {
    let csrf = form_secret(app, &jar);
    let page = SignIn { csrf: csrf.clone(), ..page };
    Ok((jar.add(cookie::form(&app.config.portal.public_url, csrf)), answer(status, &page)?).into_response())
}

/// What is said while signing in rests.
pub(super) fn resting_words(rest: Duration) -> String {
    let minutes = rest.as_secs().div_ceil(60);
    format!("There were too many wrong passwords or codes. Signing in rests for {minutes} min; then try again.")
}

/// Says to programs as well how long it rests.
pub(super) fn rested(mut response: Response, rest: Duration) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(rest.as_secs().max(1)));
    response
}

fn resting(app: &App, jar: CookieJar, email: String, to: String, rest: Duration) -> Result<Response, Refusal> {
    let page = SignIn { email, problem: resting_words(rest), to, ..empty(app) };
    Ok(rested(form(app, jar, StatusCode::TOO_MANY_REQUESTS, page)?, rest))
}

fn without_sessions(app: &App, refusal: Refusal) -> Result<Response, Refusal> {
    let (status, title, text) = refusal.words();
    answer(status, &SignIn { problem: format!("{title}. {text}"), possible: false, ..empty(app) })
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
            to: HOSTILE.into(),
            done: "Your password is set.",
            possible: true,
        }
    }

    #[test]
    fn without_redis_there_is_no_form_to_fill_in() {
        let html = SignIn { possible: false, ..sample() }.render().expect("renders");
        assert!(!html.contains("<form") && html.contains(WRONG));
    }

    #[test]
    fn a_rest_is_said_in_minutes() {
        assert!(resting_words(Duration::from_secs(61)).contains("rests for 2 min"));
    }
}
