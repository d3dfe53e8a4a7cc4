//! `/account`: what a customer has, on which devices, and what was paid. It is also the way back in for a phone whose address has
//! changed: who proves to hold the number goes online here with what the number has bought.
//!
//! Whoever is signed in is known from a cookie, or in captive browsers, which keep none, from the sealed token that all forms of
//! the page carry. So every answer to a form is a page, not a redirect: nothing secret stands in an address, and
//! nothing is lost without cookies. [`sign_in`] is the way here; [`adding`] adds a TV or a laptop; [`email`] is the address for
//! news by e-mail; [`offers`] the consent to be told of offers; [`crate::session::customer`] keeps who is in.

pub(crate) mod adding;
pub(crate) mod email;
pub(crate) mod offers;
pub(crate) mod sign_in;

use std::time::Duration;

use axum::Form as Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::cookie::Cookie;
use serde::Deserialize;
use shared::language::Language;
use shared::mac::Mac;
use shared::notice::Notice;
use shared::rng;
use shared::rules::DevicePolicy;
use shared::time::OffsetDateTime;
use shared::token::{self, Purpose};
use store::entitlement::{self, Usage};
use store::order::{self, Order, OrderState};
use store::{StoreError, notification, user};
use uuid::Uuid;

use super::hotspot::{self, open};
use super::visit::{self, Form, Visit};
use super::{login, order as order_page};
use crate::App;
use crate::books::receipt;
use crate::error::AppError;
use crate::middleware::language::{Speech, Wanted};
use crate::session::customer::{self, Customer, Presented};
use crate::urls;
use crate::views::customer::{
    AccountPage, Check, GoingOnlinePage, MessageChoice, OwnedCard, PaidLine, ReceiptPage, SignedInLine,
};
use crate::views::text::say;
use crate::views::{Site, page, qr, time, words};

/// How long what has ended is still shown.
const SHOWN_AFTER_END: Duration = Duration::from_secs(7 * 24 * 3600);
/// Packages and payments shown at most.
const SHOWN: u32 = 20;
/// Longest name of a device, in characters.
const LABEL_LIMIT: usize = 30;
/// A payment from a phone proves that whoever pays here holds it, for so long.
const PAYMENT_PROVES: Duration = Duration::from_secs(15 * 60);

/// The query of `/account`.
#[derive(Debug, Deserialize)]
pub(crate) struct Carried {
    #[serde(default)]
    visit: String,
}

/// Who looks, from where.
pub(crate) struct Here {
    /// The page's own form, if the customer came through a router.
    pub(crate) form: Option<Form>,
    pub(crate) wanted: Wanted,
    pub(crate) presented: Presented,
    pub(crate) customer: Option<Customer>,
}

impl Here {
    /// Reads the token that the page's forms carry; an empty one is none.
    pub(crate) async fn of(app: &App, wanted: Wanted, presented: Presented, token: &str) -> Result<Here, AppError> {
        let form = if token.is_empty() { None } else { Some(open(app, wanted, token)?) };
        let carried = form.as_ref().and_then(|form| form.session.as_deref());
        let visit = form.as_ref().map(|form| &form.visit);
        let customer = customer::find(app, &presented, carried, visit).await?;
        Ok(Here { form, wanted, presented, customer })
    }

    pub(crate) fn visit(&self) -> Option<&Visit> {
        self.form.as_ref().map(|form| &form.visit)
    }

    /// The language that was chosen on the way here.
    fn chosen(&self) -> Option<Language> {
        self.wanted.chosen(self.visit().and_then(|visit| visit.language))
    }

    /// The language of the answer: what was chosen on the way here, or once by the customer; else what the browser likes best; else
    /// that in which the customer is told things.
    pub(crate) fn speech(&self) -> Speech {
        let user = self.customer.as_ref().map(|customer| &customer.user);
        let counts = user.filter(|user| user.has_chosen_language || !self.wanted.has_accepted());
        self.wanted.speech(self.chosen(), counts.map(|user| user.language))
    }

    /// The customer; who is not signed in is asked to.
    fn customer(&self) -> Result<&Customer, AppError> {
        self.customer.as_ref().ok_or(AppError::BadRequest("problem-signed-out"))
    }
}

/// `GET /account`
pub(crate) async fn show(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Query(carried): Query<Carried>,
) -> Result<Response, AppError> {
    account_or_sign_in(&app, &Here::of(&app, wanted, presented, &carried.visit).await?).await
}

async fn account_or_sign_in(app: &App, here: &Here) -> Result<Response, AppError> {
    if here.customer.is_some() { account(app, here, None).await } else { sign_in::ask_for_phone(app, here, None) }
}

/// The form of a button of the page.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    #[serde(default)]
    visit: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    session: String,
}

/// `POST /account`: the page again, for browsers that keep no cookie.
pub(crate) async fn again(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    account_or_sign_in(&app, &Here::of(&app, wanted, presented, &pressed.visit).await?).await
}

/// `POST /account/language`: the page in the language of the address. Whoever is signed in has it from now on, in messages too.
pub(crate) async fn choose_language(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let mut here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    keep_choice(&app, &mut here).await?;
    account_or_sign_in(&app, &here).await
}

/// What was chosen becomes the language of the customer.
async fn keep_choice(app: &App, here: &mut Here) -> Result<(), AppError> {
    let chosen = here.chosen();
    if let (Some(customer), Some(language)) = (&mut here.customer, chosen)
        && (customer.user.language != language || !customer.user.has_chosen_language)
    {
        user::speak(&app.db, customer.user.id, language).await?;
        customer.user.language = language;
        customer.user.has_chosen_language = true;
    }
    Ok(())
}

/// `POST /account/use`: this device goes online with a package of the customer.
pub(crate) async fn use_here(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    let usage = owned(&app, here.customer()?, &pressed.package).await?;
    let Some(visit) = here.visit() else {
        return account(&app, &here, Some("account-join-first")).await;
    };
    let now = app.clock.now();
    if !usage.is_usable(now) {
        return account(&app, &here, Some("account-package-used-up")).await;
    }
    let username = hotspot::device_login(&app, &usage, visit.mac);
    let password = entitlement::one_time_password(&app.db, usage.id, &username, visit.mac, now).await?;
    let then = visit.destination.as_ref().map(ToString::to_string);
    let again = vec![("visit", pressed.visit.clone()), ("package", pressed.package.clone())];
    let view = GoingOnlinePage {
        site: Site::of(&app, here.speech()).by("/account/use", again),
        title: usage.package.clone(),
        login: login::form(visit, &username, &password, then, true),
    };
    Ok(login::allow(page(StatusCode::OK, &view)?, visit, &app.config.portal.public_url))
}

/// `POST /account/device`: a device gets a name, or gives its place up.
pub(crate) async fn name_device(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    let customer = here.customer()?;
    let usage = owned(&app, customer, &pressed.package).await?;
    let mac: Mac = pressed.mac.parse().map_err(|_| AppError::NotFound)?;
    if !entitlement::devices(&app.db, usage.id).await?.iter().any(|device| device.mac == mac) {
        return Err(AppError::NotFound);
    }
    let label: String = pressed.label.chars().filter(|c| !c.is_control()).take(LABEL_LIMIT).collect();
    let now = app.clock.now();
    user::label_device(&app.db, rng::id(now), customer.user.id, mac, label.trim(), now).await?;
    account(&app, &here, None).await
}

/// `POST /account/remove`
pub(crate) async fn remove_device(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    let usage = owned(&app, here.customer()?, &pressed.package).await?;
    let mac: Mac = pressed.mac.parse().map_err(|_| AppError::NotFound)?;
    let notice = match entitlement::remove_device(&app.db, usage.id, mac, app.clock.now()).await {
        Ok(_) => None,
        Err(StoreError::Conflict(_)) => Some("devices-too-often"),
        Err(error) => return Err(error.into()),
    };
    account(&app, &here, notice).await
}

/// `POST /account/sessions`: the customer ends a sign-in.
pub(crate) async fn end_session(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    customer::end(&app, here.customer()?.user.id, &pressed.session).await?;
    account(&app, &here, Some("account-session-ended")).await
}

/// `POST /account/messages`: what the customer wants to be told. The form has a field for each kind that is wanted, so it is read
/// by its names.
pub(crate) async fn choose_messages(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(fields): Body<Vec<(String, String)>>,
) -> Result<Response, AppError> {
    let token = fields.iter().find(|(name, _)| name == "visit").map_or("", |(_, token)| token.as_str());
    let here = Here::of(&app, wanted, presented, token).await?;
    let is_told = |notice: &Notice| fields.iter().any(|(name, value)| name == "tell" && value == notice.as_str());
    let muted: Vec<Notice> = choices().filter(|notice| !is_told(notice)).collect();
    notification::mute(&app.db, here.customer()?.user.id, &muted).await?;
    account(&app, &here, Some("account-messages-chosen")).await
}

/// What customers choose to be told.
fn choices() -> impl Iterator<Item = Notice> {
    Notice::ALL.into_iter().filter(|notice| notice.is_a_choice())
}

/// `POST /account/sign-out`
pub(crate) async fn sign_out(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let mut here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    let gone = match here.customer.take() {
        Some(customer) => Some(customer::sign_out(&app, &customer).await?),
        None => None,
    };
    let response = sign_in::ask_for_phone(&app, &here, Some("sign-in-signed-out"))?;
    Ok(match gone {
        Some(gone) => with_cookie(response, &gone),
        None => response,
    })
}

/// `POST /o/{token}/account`: whoever has just paid from a phone need not prove by a code to hold it.
pub(crate) async fn after_payment(
    State(app): State<App>,
    wanted: Wanted,
    Path(order): Path<String>,
    presented: Presented,
) -> Result<Response, AppError> {
    let id = token::verify(app.db.seal(), Purpose::OrderPage, &order).ok_or(AppError::NotFound)?;
    let order = order::get(&app.db, id).await?;
    let visit = order_page::remembered(&order, wanted);
    let now = app.clock.now();
    let form = visit.map(|visit| Form::new(Visit { error: String::new(), ..visit }, now));
    let mut here = Here { form, wanted, presented, customer: None };
    let proves = order.state == OrderState::Paid
        && order.amount.minor > 0
        && order.paid_at.is_some_and(|at| now - at < PAYMENT_PROVES)
        // A card, or a payment from the menu, can be anybody's: the number was only typed.
        && store::payment::came_from_its_phone(&app.db, order.id).await?;
    if !proves {
        here.customer = customer::find(&app, &here.presented, None, here.visit()).await?;
        return account_or_sign_in(&app, &here).await;
    }
    let holder = user::proved(&app.db, rng::id(now), &order.phone, here.speech().language, now).await?;
    signed_in(&app, here, &holder).await
}

/// `GET /o/{token}/receipt`
pub(crate) async fn receipt(
    State(app): State<App>,
    wanted: Wanted,
    Path(order): Path<String>,
) -> Result<Response, AppError> {
    let order = paid_order(&app, &order).await?;
    let speech = wanted.speech(visit::language_of(&order.visit), None);
    let receipt = receipt::of(&app, speech.language, &order).await?.ok_or(AppError::NotFound)?;
    let page_of_order = urls::order(app.db.seal(), order.id);
    let view = ReceiptPage {
        site: Site::of(&app, speech).at(&urls::receipt(&page_of_order)),
        lines: receipt.lines,
        check: receipt.check.map(|address| {
            let (side, squares) = qr::path(&address);
            Check { address, side, squares }
        }),
        waits: receipt.waits,
        code: order.code.clone(),
        file: speech.to(&urls::receipt_file(&page_of_order)),
        back: speech.to(&page_of_order),
    };
    page(StatusCode::OK, &view)
}

/// `GET /o/{token}/receipt.pdf`
pub(crate) async fn receipt_file(
    State(app): State<App>,
    wanted: Wanted,
    Path(order): Path<String>,
) -> Result<Response, AppError> {
    let order = paid_order(&app, &order).await?;
    let speech = wanted.speech(visit::language_of(&order.visit), None);
    let receipt = receipt::of(&app, speech.language, &order).await?.ok_or(AppError::NotFound)?;
    let name = format!("attachment; filename=\"{}.pdf\"", order.code);
    let headers = [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, receipt::render(&receipt, &order.code)).into_response())
}

/// The order whose page this is, if it is paid.
async fn paid_order(app: &App, token: &str) -> Result<Order, AppError> {
    let id = token::verify(app.db.seal(), Purpose::OrderPage, token).ok_or(AppError::NotFound)?;
    let order = order::get(&app.db, id).await?;
    if order.paid_at.is_some() { Ok(order) } else { Err(AppError::NotFound) }
}

/// Begins a session and shows the page of its customer.
async fn signed_in(app: &App, mut here: Here, holder: &user::User) -> Result<Response, AppError> {
    if !holder.is_active {
        return Err(AppError::Forbidden("problem-number-blocked"));
    }
    let customer = customer::begin(app, &here.presented, holder, here.visit()).await?;
    let kept = customer::keep(app, &customer);
    if let Some(form) = &mut here.form {
        form.session = Some(customer.session.clone());
    }
    here.customer = Some(customer);
    keep_choice(app, &mut here).await?;
    let response = account(app, &here, None).await?;
    Ok(with_cookie(response, &kept))
}

/// The page of whoever is signed in. `notice` is a sentence's key.
async fn account(app: &App, here: &Here, notice: Option<&'static str>) -> Result<Response, AppError> {
    let customer = here.customer()?;
    let speech = here.speech();
    let language = speech.language;
    let now = app.clock.now();
    let labels = user::device_labels(&app.db, customer.user.id).await?;
    let mut packages = Vec::new();
    for owned in user::entitlements(&app.db, customer.user.id, now - SHOWN_AFTER_END, SHOWN).await? {
        let usage = entitlement::usage(&app.db, owned.id).await?;
        packages.push(card(app, language, &usage, here.visit(), &labels, now).await?);
    }
    let paid = user::paid(&app.db, customer.user.id, SHOWN).await?;
    let sessions = customer::all(app, customer).await?;
    let muted = notification::muted(&app.db, customer.user.id).await?;
    let tells = app.sms.is_some() || app.email.is_some();
    let messages = choices().filter(|_| tells).map(|notice| MessageChoice {
        name: notice.as_str(),
        words: words::notice(language, notice),
        wanted: !muted.contains(&notice),
    });
    let email = email::card(app, customer).await?;
    let offers = if tells { Some(store::person::wants_offers(&app.db, customer.user.id).await?) } else { None };
    let token = here.form.as_ref().map_or_else(String::new, |form| {
        let form = Form { session: Some(customer.session.clone()), ..Form::new(form.visit.clone(), now) };
        form.seal(app.db.seal())
    });
    let packages_page = |visit: &Visit| urls::packages(&Form::new(visit.clone(), now).seal(app.db.seal()));
    let view = AccountPage {
        site: Site::of(app, speech).by("/account/language", vec![("visit", token.clone())]),
        notice: notice.map(|key| say(language, key).to_string()),
        buy: here.visit().map(|visit| speech.to(&packages_page(visit))),
        visit: token,
        phone: customer.user.phone.masked(),
        messages: messages.collect(),
        email,
        offers,
        packages,
        paid: paid.into_iter().map(|paid| paid_line(app, speech, paid, now)).collect(),
        sessions: sessions.into_iter().map(|session| signed_in_line(language, session, now)).collect(),
    };
    let mut response = page(StatusCode::OK, &view)?;
    if let Some(visit) = here.visit() {
        response = login::allow(response, visit, &app.config.portal.public_url);
    }
    Ok(response)
}

fn paid_line(app: &App, speech: Speech, paid: user::Paid, now: OffsetDateTime) -> PaidLine {
    let when = time::clock(speech.language, paid.at, now);
    PaidLine {
        package: paid.package,
        amount: paid.amount.to_string(),
        at: say(speech.language, "account-paid-at").with("when", when).to_string(),
        receipt: speech.to(&urls::receipt(&urls::order(app.db.seal(), paid.order))),
    }
}

fn signed_in_line(language: Language, session: customer::Shown, now: OffsetDateTime) -> SignedInLine {
    let place = match (session.mac, &session.site) {
        (Some(mac), Some(site)) => say(language, "account-place-at-site").with("site", site).with("mac", mac),
        (Some(mac), None) => say(language, "account-place-on-device").with("mac", mac),
        (None, _) => say(language, "account-place-outside"),
    };
    SignedInLine {
        handle: session.handle,
        place: place.to_string(),
        seen: time::clock(language, session.seen_at, now),
        is_this: session.is_this,
    }
}

/// A package of the customer, and what can be done with it from this device.
async fn card(
    app: &App,
    language: Language,
    usage: &Usage,
    visit: Option<&Visit>,
    labels: &[(Mac, String)],
    now: OffsetDateTime,
) -> Result<OwnedCard, AppError> {
    let usable = usage.is_usable(now);
    let devices = if usable { entitlement::devices(&app.db, usage.id).await? } else { Vec::new() };
    let here = visit.map(|visit| visit.mac);
    let this = devices.iter().find(|device| Some(device.mac) == here);
    let is_full = devices.len() >= usage.rules.device_limit as usize;
    let changes_places = match usage.rules.devices {
        DevicePolicy::Replace => true,
        DevicePolicy::Strict => here.is_some_and(Mac::is_random) && devices.iter().any(|device| device.mac.is_random()),
        DevicePolicy::Ask => false,
    };
    let place = this.is_some() || !is_full || changes_places;
    let label =
        |mac: Mac| labels.iter().find(|(known, _)| *known == mac).map(|(_, label)| label.clone()).unwrap_or_default();
    let line = |device: &entitlement::Device| order_page::device_line(language, device, here, label(device.mac));
    Ok(OwnedCard {
        id: usage.id.to_string(),
        package: usage.package.clone(),
        left: if usable { hotspot::left(language, usage, now) } else { say(language, "account-used-up").to_string() },
        is_usable: usable,
        is_online: this.is_some_and(|device| device.online),
        can_use: usable && here.is_some() && place && !this.is_some_and(|device| device.online),
        is_full: usable && here.is_some() && !place,
        devices: devices.iter().map(line).collect(),
    })
}

/// A package of this customer.
async fn owned(app: &App, customer: &Customer, id: &str) -> Result<Usage, AppError> {
    let id: Uuid = id.parse().map_err(|_| AppError::NotFound)?;
    if !user::owns(&app.db, customer.user.id, id).await? {
        return Err(AppError::NotFound);
    }
    Ok(entitlement::usage(&app.db, id).await?)
}

fn with_cookie(mut response: Response, cookie: &Cookie<'static>) -> Response {
    if let Ok(value) = cookie.to_string().parse() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
