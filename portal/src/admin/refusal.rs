//! When the desk gives no page: why, as a page in plain words.

use std::borrow::Cow;
use std::fmt::Display;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use shared::staff::Permission;
use store::StoreError;

use super::{SECOND_FACTOR, SIGN_IN, page};

/// Why a request to the desk is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nobody is signed in; the sign-in page comes instead.
    SignIn,
    /// The form did not come from a page of this session.
    Forged,
    /// Whoever is signed in has to make a second factor first; the page for that comes instead.
    NoSecondFactor,
    /// Whoever is signed in may not do that.
    NotYours(Permission),
    /// There is no such page or thing.
    NotFound,
    /// Somebody else changed it first.
    Conflict,
    /// Redis is away, so nobody's session can be read.
    SessionsAway,
    /// PostgreSQL is away.
    DatabaseAway,
    /// It is our fault.
    Broken,
}

/// Seconds after which it is worth trying again when a server was away.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

impl Refusal {
    /// Redis did not answer; said once in the log, here.
    pub(crate) fn sessions_away(error: impl Display) -> Refusal {
        tracing::error!(%error, "sessions of the desk cannot be read or written");
        Refusal::SessionsAway
    }

    /// A mistake of ours; said once in the log, here.
    pub(crate) fn broken(error: impl Display) -> Refusal {
        tracing::error!(%error, "a page of the desk could not be made");
        Refusal::Broken
    }

    /// Heading and text.
    pub(super) fn words(self) -> (StatusCode, &'static str, Cow<'static, str>) {
        let (status, title, text) = match self {
            Refusal::NotYours(permission) => {
                let text = format!("{} Ask whoever manages staff.", permission.sentence());
                return (StatusCode::FORBIDDEN, "That is not for your role", text.into());
            }
            Refusal::NoSecondFactor => (StatusCode::SEE_OTHER, "One more step", "Set up your authenticator app first."),
            Refusal::SignIn => (StatusCode::SEE_OTHER, "Sign in", "Sign in first."),
            Refusal::Forged => (
                StatusCode::FORBIDDEN,
                "That form was not ours",
                "It was sent by another site, or from a page of an earlier session. Nothing was changed. Go back to \
                 the desk and try again there.",
            ),
            Refusal::NotFound => (
                StatusCode::NOT_FOUND,
                "It is not here",
                "There is no such page, or the thing is not there any more: a session may have ended meanwhile.",
            ),
            Refusal::Conflict => {
                (StatusCode::CONFLICT, "Somebody was first", "It was changed meanwhile. Look at it again, then decide.")
            }
            Refusal::SessionsAway => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Nobody can sign in at the moment",
                "The desk cannot reach Redis, which keeps its sessions. Customers are not affected: they can pay and \
                 go online. Try again when Redis is back.",
            ),
            Refusal::DatabaseAway => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer",
                "The desk cannot reach PostgreSQL. Customers who are online stay online, and what routers report is \
                 kept. Try again in a moment.",
            ),
            Refusal::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                "It is our fault. The log says more, under the request identifier that this answer's headers carry.",
            ),
        };
        (status, title, text.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match &error {
            StoreError::Missing { .. } => Refusal::NotFound,
            StoreError::Conflict(_) | StoreError::NotPlaced(_) => Refusal::Conflict,
            StoreError::Redis(_) => Refusal::sessions_away(error),
            other if other.is_unavailable() => {
                tracing::error!(%error, "the desk cannot reach PostgreSQL");
                Refusal::DatabaseAway
            }
            _ => Refusal::broken(error),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "admin/notice.html")]
pub(super) struct Notice {
    title: &'static str,
    text: String,
    style: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, title, text) = self.words();
        match self {
            Refusal::SignIn => return Redirect::to(SIGN_IN).into_response(),
            Refusal::NoSecondFactor => return Redirect::to(SECOND_FACTOR).into_response(),
            _ => {}
        }
        let notice = Notice { title, text: text.into_owned(), style: page::style() };
        let html = notice.render().unwrap_or(notice.text);
        let mut response = (status, Html(html)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::admin) fn sample() -> Notice {
        let (_, title, text) = Refusal::Forged.words();
        Notice { title, text: text.into_owned(), style: page::style() }
    }

    #[test]
    fn each_refusal_has_its_status() {
        for (refusal, status) in [
            (Refusal::SignIn, 303),
            (Refusal::NoSecondFactor, 303),
            (Refusal::Forged, 403),
            (Refusal::NotYours(Permission::ManageStaff), 403),
            (Refusal::NotFound, 404),
            (Refusal::Conflict, 409),
            (Refusal::SessionsAway, 503),
            (Refusal::DatabaseAway, 503),
            (Refusal::Broken, 500),
        ] {
            assert_eq!(refusal.into_response().status().as_u16(), status, "{refusal:?}");
        }
    }

    #[test]
    fn a_refused_role_reads_who_may() {
        let (_, _, text) = Refusal::NotYours(Permission::EditOffers).words();
        assert!(text.starts_with("Only owner and manager may change what is on sale"), "{text}");
    }

    #[test]
    fn whoever_is_not_signed_in_is_sent_to_the_sign_in_page() {
        let response = Refusal::SignIn.into_response();
        assert_eq!(response.headers()[header::LOCATION], SIGN_IN);
    }
}
