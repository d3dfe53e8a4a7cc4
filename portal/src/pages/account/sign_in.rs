//! Signing in as a customer: the number, then a code that is sent to it.
//!
//! A code has six digits and is good for five minutes, for the request that it was sent for, and for five tries; of several
//! who type it at the same moment one gets in. The answers are the same whether the number is known or not. What a request
//! is about (the number, the visit, what comes afterwards) stands in a sealed token in its form.
//!
//! Every SMS costs the operator money, so they are counted by phone, device, address and site before one is sent.

use std::time::Duration;

use axum::Form as Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::{Deserialize, Serialize};
use shared::phone::{NotAPhone, Phone};
use shared::{rng, token};
use store::redis::Tried;
use store::security::{Event, Kind};
use store::{security, user};

use super::{Here, signed_in};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::middleware::language::{Speech, Wanted};
use crate::notify;
use crate::pages::buy;
use crate::pages::visit::Form;
use crate::session::customer::Presented;
use crate::throttle::Limit;
use crate::urls;
use crate::views::customer::{CodePage, SignInPage};
use crate::views::text::{Said, say};
use crate::views::{Site, page};

/// Digits of a code.
const DIGITS: usize = 6;
/// How long a code is good.
const GOOD_FOR: Duration = Duration::from_secs(300);
/// Wrong tries that end it.
const TRIES: u32 = 5;
/// What the token of a request is sealed for.
const CONTEXT: &str = "sign-in";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What comes after the sign-in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Then {
    /// The customer's page.
    Account,
    /// A package that costs nothing, which is for those who prove to hold their number.
    Take {
        /// Its slug.
        package: String,
        /// When it shall begin.
        when: String,
    },
}

/// What a code was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Challenge {
    /// The request: what Redis knows the code under.
    request: String,
    phone: String,
    form: Option<Form>,
    then: Then,
}

/// The page that asks for the number. `notice` is a sentence's key.
pub(crate) fn ask_for_phone(app: &App, here: &Here, notice: Option<&'static str>) -> Result<Response, AppError> {
    phone_page(app, here, notice, String::new(), None)
}

fn phone_page(
    app: &App,
    here: &Here,
    notice: Option<&'static str>,
    phone: String,
    phone_error: Option<&'static str>,
) -> Result<Response, AppError> {
    let status = if phone_error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let speech = here.speech();
    let sentence = |key| say(speech.language, key).to_string();
    let token = here.form.as_ref().map(|form| fresh(app, form));
    let address = token.as_ref().map_or_else(|| urls::ACCOUNT.to_owned(), |token| urls::account(token));
    let view = SignInPage {
        site: Site::of(app, speech).at(&address),
        back: token.as_ref().map(|token| speech.to(&urls::packages(token))),
        privacy: speech.to(&urls::privacy(token.as_deref().unwrap_or_default())),
        visit: token.unwrap_or_default(),
        can_send: app.sms.is_some(),
        notice: notice.map(sentence),
        phone,
        phone_error: phone_error.map(sentence),
    };
    page(status, &view)
}

/// The form's token for another page, without a session: the one that it may have carried is over.
fn fresh(app: &App, form: &Form) -> String {
    Form::new(form.visit.clone(), app.clock.now()).seal(app.db.seal())
}

/// The number that was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    visit: String,
    #[serde(default)]
    phone: String,
}

/// `POST /account/code`
pub(crate) async fn send_code(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(asked): Body<Asked>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &asked.visit).await?;
    let phone = match asked.phone.parse::<Phone>() {
        Ok(phone) => phone,
        Err(NotAPhone) => return phone_page(&app, &here, None, asked.phone, Some("packages-phone-is-wrong")),
    };
    challenge(&app, wanted, here.form, &phone, Then::Account, address).await
}

/// Sends a code, and shows the page that asks for it.
pub(crate) async fn challenge(
    app: &App,
    wanted: Wanted,
    form: Option<Form>,
    phone: &Phone,
    then: Then,
    address: std::net::IpAddr,
) -> Result<Response, AppError> {
    if app.sms.is_none() {
        return Err(AppError::BadRequest("problem-codes-are-off"));
    }
    let mut limits = vec![
        Limit::new("code_again", phone, 1, Duration::from_secs(30)),
        Limit::new("code_to_phone", phone, 5, HOUR),
        Limit::new("code_to_phone_daily", phone, 10, DAY),
        Limit::new("code_from_address", address, 60, HOUR),
    ];
    if let Some(form) = &form {
        limits.push(Limit::new("code_from_device", form.visit.mac, 5, HOUR));
        limits.push(Limit::new("code_from_site", form.visit.nas, 200, HOUR));
    }
    if let Err(refused) = app.throttle.admit(app, &limits).await {
        if limits.len() > 4 || matches!(refused, AppError::TooOften(wait) if wait > MINUTE) {
            suspicious(app, form.as_ref(), "codes by SMS are asked for too often").await;
        }
        return Err(refused);
    }
    let challenge =
        Challenge { request: hex::encode(rng::bytes::<16>()), phone: phone.as_str().to_owned(), form, then };
    let code = rng::digits(DIGITS);
    let digest = digest(app, &challenge, &code);
    let speech = challenge.speech(wanted);
    app.redis.put_code(&challenge.request, &digest, GOOD_FOR.as_secs()).await?;
    notify::code(app, speech.language, phone, &code, GOOD_FOR);
    code_page(app, speech, &challenge, None)
}

impl Challenge {
    /// The language of the answer: nobody is signed in yet.
    fn speech(&self, wanted: Wanted) -> Speech {
        wanted.speech(self.form.as_ref().and_then(|form| form.visit.language), None)
    }
}

fn code_page(
    app: &App,
    speech: Speech,
    challenge: &Challenge,
    code_error: Option<String>,
) -> Result<Response, AppError> {
    let status = if code_error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let phone: Phone = challenge.phone.parse().map_err(|_| AppError::NotFound)?;
    let token = token::carry(app.db.seal(), CONTEXT, challenge);
    let again = vec![("challenge", token.clone()), ("read_again", "1".to_owned())];
    let view = CodePage {
        site: Site::of(app, speech).by("/account/verify", again),
        challenge: token,
        phone: phone.masked(),
        code_error,
    };
    page(status, &view)
}

/// The code that was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    challenge: String,
    #[serde(default)]
    code: String,
    /// Present: another code is wanted.
    again: Option<String>,
    /// Present: the page is wanted in another language.
    read_again: Option<String>,
}

/// `POST /account/verify`
pub(crate) async fn verify(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let mut challenge: Challenge = token::uncarry(app.db.seal(), CONTEXT, &typed.challenge)
        .ok_or(AppError::BadRequest("problem-code-open-too-long"))?;
    if let Some(form) = &mut challenge.form {
        form.visit.language = wanted.chosen(form.visit.language);
    }
    let speech = challenge.speech(wanted);
    let phone: Phone = challenge.phone.parse().map_err(|_| AppError::NotFound)?;
    if typed.read_again.is_some() {
        return code_page(&app, speech, &challenge, None);
    }
    if typed.again.is_some() {
        return self::challenge(&app, wanted, challenge.form, &phone, challenge.then, address).await;
    }
    let wrong = |said: Said| code_page(&app, speech, &challenge, Some(said.to_string()));
    let code: String = typed.code.chars().filter(char::is_ascii_digit).collect();
    if code.len() != DIGITS {
        return wrong(say(speech.language, "sign-in-six-digits"));
    }
    let limits =
        [Limit::new("code_typed", &phone, 20, HOUR), Limit::new("code_typed_from_address", address, 300, HOUR)];
    if let Err(refused) = app.throttle.admit(&app, &limits).await {
        suspicious(&app, challenge.form.as_ref(), "codes by SMS are guessed").await;
        return Err(refused);
    }
    match app.redis.try_code(&challenge.request, &digest(&app, &challenge, &code), TRIES).await? {
        Tried::Right => {}
        Tried::Wrong(left) => return wrong(say(speech.language, "sign-in-wrong-code").count("count", left.into())),
        Tried::Over => return wrong(say(speech.language, "sign-in-code-is-over")),
    }
    let now = app.clock.now();
    let holder = user::proved(&app.db, rng::id(now), &phone, speech.language, now).await?;
    let here = Here { form: challenge.form, wanted, presented, customer: None };
    match (challenge.then, &here.form) {
        (Then::Take { package, when }, Some(form)) => {
            let order = buy::take_free(&app, speech, form, &package, &phone, &when).await?;
            Ok(Redirect::to(&speech.to(&urls::order(app.db.seal(), order))).into_response())
        }
        _ => signed_in(&app, here, &holder).await,
    }
}

fn digest(app: &App, challenge: &Challenge, code: &str) -> store::redis::Digest {
    app.db.seal().lookup(format!("code:{}:{}:{code}", challenge.request, challenge.phone).as_bytes())
}

/// Somebody wants another one's account, or our money for SMS: the security log has it, once in a while.
pub(super) async fn suspicious(app: &App, form: Option<&Form>, what: &str) {
    let whose = form.map_or_else(|| "elsewhere".to_owned(), |form| form.visit.mac.to_string());
    if app.throttle.admit(app, &[Limit::new("code_event", whose, 1, HOUR)]).await.is_err() {
        return;
    }
    let event = Event {
        kind: Kind::CodeGuessing,
        nas: form.map(|form| form.visit.nas),
        mac: form.map(|form| form.visit.mac),
        user_name: None,
        detail: what.to_owned(),
    };
    if let Err(error) = security::record(&app.db, &event, app.clock.now()).await {
        tracing::warn!(%error, "what looks like an attack could not be written into the security log");
    }
}
