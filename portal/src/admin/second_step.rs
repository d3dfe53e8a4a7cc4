//! The second step of signing in: a code of the authenticator app, or a recovery code.
//!
//! Between the steps there is no session. What the first step has proved travels sealed in the form: for whom, until when, and for
//! which browser, by the secret of its form's cookie. Nobody who has only the password gets further, and five wrong codes let the
//! account rest.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Form};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use shared::time::OffsetDateTime;
use shared::{token, totp};
use store::admin::{Admin, LOCK, second_factor};
use uuid::Uuid;

use super::page::{answer, style};
use super::sign_in::{enter, from_our_form, rested, resting_words};
use super::throttle::Throttle;
use super::tries::{Try, Wrong};
use super::{Refusal, back};
use crate::App;
use crate::middleware::client::ClientAddress;
use crate::session::cookie;
use crate::session::csrf::Protected;

/// How long somebody may look for the phone.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// What the ticket is sealed for.
const CONTEXT: &str = "desk: second step";
/// Most characters of a code that are looked at.
const MAX_TYPED: usize = 64;

const WRONG: &str =
    "That code is not right, or was used before. Wait for the next one of the app, or type a recovery code.";

/// What the first step has proved.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    admin: Uuid,
    /// What would end a session ends this too.
    epoch: i32,
    /// The secret of the browser's form cookie.
    form: String,
    /// Seconds of the Unix epoch.
    until: i64,
    /// Where it leads then.
    #[serde(default)]
    to: String,
}

#[derive(Debug, Template)]
#[template(path = "admin/sign_in_code.html")]
pub(super) struct SecondStep {
    brand: String,
    style: String,
    csrf: String,
    ticket: String,
    problem: String,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    ticket: String,
    code: String,
}

/// Asks for the code of somebody whose password was right.
pub(super) fn ask(
    app: &App,
    jar: CookieJar,
    admin: &Admin,
    form: String,
    to: String,
    now: OffsetDateTime,
) -> Result<Response, Refusal> {
    let until = (now + GOOD_FOR).unix_timestamp();
    let ticket = Ticket { admin: admin.id, epoch: admin.session_epoch, form: form.clone(), until, to };
    let ticket = token::carry(app.db.seal(), CONTEXT, &ticket);
    page(app, jar, StatusCode::OK, form, ticket, String::new())
}

fn page(
    app: &App,
    jar: CookieJar,
    status: StatusCode,
    form: String,
    ticket: String,
    problem: String,
) -> Result<Response, Refusal> {
    let brand = app.config.portal.brand.clone();
    let page = SecondStep { brand, style: style(), csrf: form.clone(), ticket, problem };
    Ok((jar.add(cookie::form(&app.config.portal.public_url, form)), answer(status, &page)?).into_response())
}

/// `POST /admin/sign-in/code`.
pub(super) async fn prove(
    State(app): State<App>,
    Extension(throttle): Extension<Arc<Throttle>>,
    jar: CookieJar,
    ClientAddress(from): ClientAddress,
    headers: HeaderMap,
    sent: Result<Form<Protected<Sent>>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(sent) = sent.map_err(|_| Refusal::Forged)?;
    let form = from_our_form(&app, &jar, &headers, &sent.csrf)?;
    let now = app.clock.now();
    let ticket: Option<Ticket> = token::uncarry(app.db.seal(), CONTEXT, &sent.form.ticket);
    let to = ticket.as_ref().map(|ticket| ticket.to.clone()).unwrap_or_default();
    let Some(admin) = proved_before(&app, ticket, &form, now).await? else {
        // It took too long, or something has changed meanwhile: once more from the beginning.
        return Ok(back::sign_in_first(&to));
    };
    let someone = Try::new(&admin.email, from, throttle);
    let rests = someone.rests(Some(&admin), now, app.clock.monotonic());
    let rests = rests.or_else(|| (!someone.takes_code(&admin, app.clock.monotonic())).then_some(LOCK));
    if let Some(rest) = rests {
        let problem = resting_words(rest);
        let response = page(&app, jar, StatusCode::TOO_MANY_REQUESTS, form, sent.form.ticket, problem)?;
        return Ok(rested(response, rest));
    }
    match check(&app, &admin, &sent.form.code, now).await? {
        Some(Used::Code) => {}
        Some(Used::Recovery) => someone.audit(&app, "sign-in.recovery_code", now).await?,
        None => {
            someone.failed(&app, Some(&admin), Wrong::Code, now).await?;
            return page(&app, jar, StatusCode::FORBIDDEN, form, sent.form.ticket, WRONG.into());
        }
    }
    enter(&app, jar, &headers, &someone, &admin, &to, now).await
}

/// Whose password was right, if the ticket is of this browser and still good.
async fn proved_before(
    app: &App,
    ticket: Option<Ticket>,
    form: &str,
    now: OffsetDateTime,
) -> Result<Option<Admin>, Refusal> {
    let Some(ticket) = ticket.filter(|ticket| ticket.form == form && ticket.until > now.unix_timestamp()) else {
        return Ok(None);
    };
    let admin = store::admin::by_id(&app.db, ticket.admin).await?;
    Ok(admin.filter(|admin| admin.session_epoch == ticket.epoch && !admin.is_suspended && admin.has_second_factor))
}

/// What somebody has proved the second factor with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Used {
    /// A code of the app.
    Code,
    /// A recovery code.
    Recovery,
}

/// Finds out whether what was typed is a code of theirs, and uses it up.
pub(super) async fn check(app: &App, admin: &Admin, text: &str, now: OffsetDateTime) -> Result<Option<Used>, Refusal> {
    let text: String = text.trim().chars().take(MAX_TYPED).collect();
    let Some(code) = totp::typed(&text) else {
        let hash = second_factor::hash(&app.db, admin.id, &text);
        let is_good = second_factor::use_recovery_code(&app.db, admin.id, &hash, now).await?;
        return Ok(is_good.then_some(Used::Recovery));
    };
    let Some(secret) = second_factor::secret(&app.db, admin.id).await? else { return Ok(None) };
    let Some(step) = totp::step_of(&secret.octets, &code, now, secret.last_step) else { return Ok(None) };
    Ok(second_factor::use_step(&app.db, admin.id, step).await?.then_some(Used::Code))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample() -> SecondStep {
        SecondStep {
            brand: HOSTILE.into(),
            style: style(),
            csrf: "the-secret".into(),
            ticket: HOSTILE.into(),
            problem: WRONG.into(),
        }
    }
}
