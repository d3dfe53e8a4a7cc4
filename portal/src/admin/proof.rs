//! "Is it you?" before what a stolen session must not do: money that goes back, secrets, staff.
//!
//! A handler takes [`Proved`] in place of [`Posted`] and is done. Whoever has proved to be who they are within ten minutes, by
//! signing in or here, goes on at once. Everybody else is asked for the password or a code, on a page that carries all
//! that was typed and sends it to the same address once more: nothing is lost, and the handler sees the form as it
//! was meant, without the proof.
//!
//! Wrong proofs count like wrong passwords at the sign-in.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, OriginalUri, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use shared::time::OffsetDateTime;
use shared::totp;
use store::admin::{Admin, LOCK};
use url::form_urlencoded;

use super::Refusal;
use super::form::{Field, Fields, Filled, Form, FormPage, Problems};
use super::page::{Page, Tab, answer};
use super::second_step::{self, Used};
use super::sign_in::{rested, resting_words};
use super::throttle::Throttle;
use super::tries::{Try, Wrong};
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::{App, password};

/// The field with the proof. No other form has one of that name.
const FIELD: &str = "is-it-you";
const WRONG: &str = "That is not right, or the code was used before. Nothing was changed.";

/// A form that a member of staff sent from a page of this session, who has proved lately to be who they are.
#[derive(Debug)]
pub(super) struct Proved<T> {
    /// Who.
    pub(super) staff: Staff,
    /// The form's own fields.
    pub(super) form: T,
}

impl<T: DeserializeOwned + Send> FromRequest<App> for Proved<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Proved<T>, Response> {
        let (mut parts, body) = request.into_parts();
        let throttle = parts.extensions.get::<Arc<Throttle>>().cloned().unwrap_or_default();
        let address = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0).path().to_owned();
        let sent = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await;
        let (proof, fields) = without_proof(&sent.map_err(|_| Refusal::Forged.into_response())?);
        parts.headers.remove(header::CONTENT_LENGTH);
        let request = Request::from_parts(parts, Body::from(encoded(&fields)));
        let posted = Posted::<T>::from_request(request, app).await.map_err(Refusal::into_response)?;
        let Posted { staff, form } = posted;
        let question = Question { app, address, fields, throttle };
        match question.settle(staff, proof.as_deref()).await.map_err(Refusal::into_response)? {
            Ok(staff) => Ok(Proved { staff: *staff, form }),
            Err(asked) => Err(asked),
        }
    }
}

/// What was sent, and where to.
struct Question<'a> {
    app: &'a App,
    address: String,
    fields: Vec<(String, String)>,
    throttle: Arc<Throttle>,
}

impl Question<'_> {
    /// Whoever has proved it; else the page that asks.
    async fn settle(self, mut staff: Staff, proof: Option<&str>) -> Result<Result<Box<Staff>, Response>, Refusal> {
        let (app, now) = (self.app, self.app.clock.now());
        if staff.is_proved(now) {
            return Ok(Ok(Box::new(staff)));
        }
        let Some(proof) = proof else { return Ok(Err(self.page(&staff, StatusCode::OK, "")?)) };
        let someone = Try::new(&staff.admin.email, staff.from, Arc::clone(&self.throttle));
        let rests = someone.rests(Some(&staff.admin), now, app.clock.monotonic());
        let rests = rests.or_else(|| (!someone.takes_code(&staff.admin, app.clock.monotonic())).then_some(LOCK));
        if let Some(rest) = rests {
            let page = self.page(&staff, StatusCode::TOO_MANY_REQUESTS, &resting_words(rest))?;
            return Ok(Err(rested(page, rest)));
        }
        if !is_right(app, &staff.admin, proof, now).await? {
            someone.failed(app, Some(&staff.admin), Wrong::Proof, now).await?;
            return Ok(Err(self.page(&staff, StatusCode::FORBIDDEN, WRONG)?));
        }
        someone.succeeded(&staff.admin);
        staff.proved(app, now).await?;
        Ok(Ok(Box::new(staff)))
    }

    fn page(&self, staff: &Staff, status: StatusCode, problem: &str) -> Result<Response, Refusal> {
        answer(status, &ask(Page::new(self.app, staff, Tab::Me), &self.address, &self.fields, problem))
    }
}

/// The page that asks. It carries what was sent.
fn ask(page: Page, address: &str, fields: &[(String, String)], problem: &str) -> FormPage {
    let (empty, problems) = (Fields::default(), Problems::default());
    let filled = Filled { sent: &empty, problems: &problems };
    let hint = "It is asked again before money goes back, and before secrets or staff are changed, ten minutes after you last proved it.";
    let mut form = Form::new("proof", address, "It is me: go on").titled("", hint);
    for (name, value) in fields.iter().filter(|(name, _)| name != "csrf") {
        form = form.field(Field::hidden(name, value));
    }
    let form = form.field(filled.password(FIELD, "Your password, or a code of your authenticator app").required());
    FormPage {
        problem: problem.to_owned(),
        ..FormPage::new(page, "Is it you?", ("/admin", "Back to the desk, and change nothing"), form)
    }
}

/// Whether it is their password, or a code that was not used before.
async fn is_right(app: &App, admin: &Admin, proof: &str, now: OffsetDateTime) -> Result<bool, Refusal> {
    if admin.has_second_factor && totp::typed(proof).is_some() {
        return Ok(second_step::check(app, admin, proof, now).await? == Some(Used::Code));
    }
    Ok(password::verify(proof, Some(&admin.password_hash)).await)
}

/// The proof that was typed, and all else that was sent.
fn without_proof(sent: &[u8]) -> (Option<String>, Vec<(String, String)>) {
    let (proof, fields): (Vec<_>, Vec<_>) =
        form_urlencoded::parse(sent).into_owned().partition(|(name, _)| name == FIELD);
    (proof.into_iter().next().map(|(_, value)| value), fields)
}

fn encoded(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[cfg(test)]
pub(super) mod tests {
    use askama::Template as _;

    use super::*;
    use crate::admin::page::tests::{HOSTILE, page};

    pub(in crate::admin) fn sample(page: Page) -> FormPage {
        ask(page, "/admin/money/RKTQDM7W6S/refund", &[("reason".into(), HOSTILE.into())], WRONG)
    }

    #[test]
    fn what_was_typed_travels_and_the_proof_does_not() {
        let sent = b"csrf=s&site%3Aa=on&site%3Ab=on&note=a+b%26c&is-it-you=hunter2+2";
        let (proof, fields) = without_proof(sent);
        assert_eq!(proof.as_deref(), Some("hunter2 2"));
        assert_eq!(fields.len(), 4);
        assert_eq!(without_proof(encoded(&fields).as_bytes()), (None, fields.clone()), "the same once more");
        let html = ask(page(), "/admin/staff", &fields, "").render().expect("renders");
        assert!(html.contains("name=\"note\" value=\"a b&#38;c\"") && html.contains("name=\"site:b\""), "{html}");
        assert!(!html.contains("hunter2") && html.contains("type=\"password\""), "{html}");
        assert_eq!(html.matches("name=\"csrf\"").count(), 2, "that of the form, and that of signing out");
    }
}
