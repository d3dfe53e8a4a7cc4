//! A customer's e-mail address: named on the customer's page, proved by a link that is mailed to it.
//!
//! The link leads to a question, and only its button proves: mail programs open links by themselves. Whoever answers need not be
//! signed in, since the mail is often read elsewhere. A link is good for a day, and only until another one was asked for.
//!
//! Every mail costs somebody's patience: they are counted by customer, by address and by where they are asked from.

use std::time::Duration;

use axum::Form as Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shared::email::EmailAddress;
use shared::rng;
use shared::token::{self, Purpose};
use store::user;
use store::user::email::Claimed;
use uuid::Uuid;

use super::{Here, account};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::middleware::language::Wanted;
use crate::session::customer::{Customer, Presented};
use crate::throttle::Limit;
use crate::urls;
use crate::views::customer::{EmailCard, EmailProofPage};
use crate::views::{Site, page};

/// How long a link is good.
const GOOD_FOR: Duration = DAY;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The form of a button about the address.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    #[serde(default)]
    visit: String,
    #[serde(default)]
    email: String,
    /// `yes`: e-mail comes first.
    #[serde(default)]
    first: String,
}

/// `POST /account/email`: the customer names an address.
pub(crate) async fn name(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    ClientAddress(from): ClientAddress,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    let user = here.customer()?.user.id;
    if app.email.is_none() {
        return Err(AppError::BadRequest("problem-email-is-off"));
    }
    let Ok(address) = pressed.email.parse::<EmailAddress>() else {
        return account(&app, &here, Some("email-is-wrong")).await;
    };
    let is_first = pressed.first == "yes";
    let known = user::email::contact(&app.db, user).await?;
    if known.is_proved && known.address.as_ref() == Some(&address) {
        user::email::choose(&app.db, user, is_first).await?;
        return account(&app, &here, Some("email-is-yours")).await;
    }
    let limits = [
        Limit::new("email_of_customer", user, 5, DAY),
        Limit::new("email_to_address", &address, 3, DAY),
        Limit::new("email_from_address", from, 60, HOUR),
    ];
    app.throttle.admit(&app, &limits).await?;
    let now = app.clock.now();
    user::email::name(&app.db, user, rng::id(now), &address, is_first, now).await?;
    account(&app, &here, Some("email-link-comes")).await
}

/// `POST /account/email/first`: the customer chooses what comes first.
pub(crate) async fn choose(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    user::email::choose(&app.db, here.customer()?.user.id, pressed.first == "yes").await?;
    account(&app, &here, None).await
}

/// `POST /account/email/remove`
pub(crate) async fn forget(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    user::email::forget(&app.db, here.customer()?.user.id).await?;
    account(&app, &here, Some("email-removed")).await
}

/// `GET /e/{token}`: the question.
pub(crate) async fn ask(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
) -> Result<Response, AppError> {
    let claim = claim(&app, &token)?;
    let claimed = user::email::claimed(&app.db, claim).await?.ok_or_else(old)?;
    proof_page(&app, wanted, claim, &claimed)
}

/// `POST /e/{token}`: yes.
pub(crate) async fn prove(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
) -> Result<Response, AppError> {
    let claim = claim(&app, &token)?;
    if !user::email::prove(&app.db, claim, app.clock.now()).await? {
        return Err(old());
    }
    let claimed = user::email::claimed(&app.db, claim).await?.ok_or_else(old)?;
    proof_page(&app, wanted, claim, &claimed)
}

/// What a link is about, while it is good.
fn claim(app: &App, token: &str) -> Result<Uuid, AppError> {
    let claim = token::verify(app.db.seal(), Purpose::EmailAddress, token).ok_or(AppError::NotFound)?;
    let made_at = rng::made_at(claim).ok_or(AppError::NotFound)?;
    if app.clock.now() - made_at < GOOD_FOR { Ok(claim) } else { Err(old()) }
}

/// What a link leads to that does not count any more.
fn old() -> AppError {
    AppError::BadRequest("problem-link-is-old")
}

/// In the language of the e-mail that leads here, unless the reader chooses another.
fn proof_page(app: &App, wanted: Wanted, claim: Uuid, claimed: &Claimed) -> Result<Response, AppError> {
    let speech = wanted.speech(None, Some(claimed.language));
    let address = urls::email_proof(app.db.seal(), claim);
    let view = EmailProofPage {
        site: Site::of(app, speech).at(&address),
        address: claimed.address.to_string(),
        phone: claimed.phone.masked(),
        yes: (!claimed.is_proved).then(|| speech.to(&address)),
    };
    page(StatusCode::OK, &view)
}

/// What the customer's page shows of it; `None`: no e-mail is sent here.
pub(super) async fn card(app: &App, customer: &Customer) -> Result<Option<EmailCard>, AppError> {
    if app.email.is_none() {
        return Ok(None);
    }
    let contact = user::email::contact(&app.db, customer.user.id).await?;
    Ok(Some(EmailCard {
        address: contact.address.map(|address| address.masked()),
        is_proved: contact.is_proved,
        is_first: contact.is_first,
        has_sms: app.sms.is_some(),
        is_refused: contact.is_refused,
    }))
}
