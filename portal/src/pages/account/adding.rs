//! `/account/add`: a customer adds a TV, a console or a laptop to a package, by the code that it shows ([`crate::pages::screen`]), or by
//! its address, for what has no browser at all.
//!
//! A code proves that somebody has the screen before them, and is taken once. An address proves nothing: one that has access with
//! another package is not taken, and addresses may be typed less often. Whoever adds one that is not theirs gives something away
//! and gains nothing, since the login of a device needs its address on the air.
//!
//! A code that is not known and one that is over are told in one sentence.

use std::net::IpAddr;
use std::time::Duration;

use axum::Form as Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shared::language::Language;
use shared::mac::Mac;
use store::entitlement::{self, Added, NewDevice, Usage};
use store::user;
use uuid::Uuid;

use super::{Carried, Here, LABEL_LIMIT, SHOWN, SHOWN_AFTER_END, account, owned, sign_in};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::middleware::language::Wanted;
use crate::pages::hotspot;
use crate::pages::order::device_line;
use crate::pages::screen::{self, Waiting};
use crate::pages::visit::Form;
use crate::session::customer::{Customer, Presented};
use crate::throttle::Limit;
use crate::urls;
use crate::views::customer::{AddDevicePage, FullPackage, PackageChoice};
use crate::views::text::say;
use crate::views::{Site, page};

const HOUR: Duration = Duration::from_secs(3600);

/// What the page's forms say.
#[derive(Clone, Default, Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    visit: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    label: String,
}

/// The keys of what is wrong with what was typed.
#[derive(Default, Debug)]
struct Wrong {
    code: Option<&'static str>,
    mac: Option<&'static str>,
    /// What is wrong with the package or the device.
    notice: Option<&'static str>,
    /// The package without a free place.
    full: Option<Uuid>,
}

/// `GET /account/add`
pub(crate) async fn show(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Query(carried): Query<Carried>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &carried.visit).await?;
    form(&app, &here, Typed::default(), Wrong::default()).await
}

/// `POST /account/add`: the same for browsers that keep no cookie.
pub(crate) async fn ask(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &typed.visit).await?;
    form(&app, &here, Typed::default(), Wrong::default()).await
}

/// `POST /account/add/code`
pub(crate) async fn by_code(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &typed.visit).await?;
    let customer = here.customer()?;
    let Some(code) = screen::normalise(&typed.code) else {
        return form(&app, &here, typed, Wrong { code: Some("add-code-grammar"), ..Wrong::default() }).await;
    };
    let usage = owned(&app, customer, &typed.package).await?;
    let limits = [
        Limit::new("screen_typed", customer.user.id, 20, HOUR),
        Limit::new("screen_typed_from_address", address, 300, HOUR),
    ];
    if let Err(refused) = app.throttle.admit(&app, &limits).await {
        sign_in::suspicious(&app, here.form.as_ref(), "codes of screens are guessed").await;
        return Err(refused);
    }
    let digest = screen::digest(&app, &code);
    let taken = app.redis.take_screen(&digest).await?;
    let opened = taken.and_then(|(record, left)| Some((Waiting::open(&app, &record)?, record, left)));
    let Some((waiting, record, left)) = opened else {
        // Whether it was ever shown or not.
        return form(&app, &here, typed, Wrong { code: Some("add-code-unknown"), ..Wrong::default() }).await;
    };
    let how = format!("by its code at router {}", waiting.nas);
    let added = add(&app, customer, &usage, (waiting.mac, &typed.label), (&how, address)).await;
    // What was not added can be added in another way, with the code that is still shown.
    if !matches!(added, Ok(Added::Yes | Added::Before)) && left > 0 {
        app.redis.put_screen(&digest, &record, left).await?;
    }
    answer(&app, &here, typed, usage.id, added?, "add-done-by-code").await
}

/// `POST /account/add/address`
pub(crate) async fn by_address(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &typed.visit).await?;
    let customer = here.customer()?;
    let Some(mac) = typed.mac.parse::<Mac>().ok().filter(|mac| mac.is_unicast()) else {
        return form(&app, &here, typed, Wrong { mac: Some("add-address-grammar"), ..Wrong::default() }).await;
    };
    let usage = owned(&app, customer, &typed.package).await?;
    let limits = [
        Limit::new("address_typed", customer.user.id, 10, HOUR),
        Limit::new("address_typed_from_address", address, 100, HOUR),
    ];
    app.throttle.admit(&app, &limits).await?;
    let added = add(&app, customer, &usage, (mac, &typed.label), ("by its address", address)).await?;
    answer(&app, &here, typed, usage.id, added, "add-done-by-address").await
}

/// Gives the device a place, with a name.
async fn add(
    app: &App,
    customer: &Customer,
    usage: &Usage,
    (mac, label): (Mac, &str),
    (how, address): (&str, IpAddr),
) -> Result<Added, AppError> {
    let now = app.clock.now();
    // What its data or hours have ended is noted a moment later.
    if !usage.is_usable(now) {
        return Ok(Added::Over);
    }
    let label: String = label.chars().filter(|c| !c.is_control()).take(LABEL_LIMIT).collect();
    let label = if label.trim().is_empty() { "TV" } else { label.trim() };
    let device = NewDevice { user: customer.user.id, mac, label, how, address: Some(address) };
    Ok(entitlement::add_device(&app.db, usage.id, &device, now).await?)
}

/// The customer's page if the device is added, with the sentence of the key `done`, else what is in the way.
async fn answer(
    app: &App,
    here: &Here,
    typed: Typed,
    package: Uuid,
    added: Added,
    done: &'static str,
) -> Result<Response, AppError> {
    let notice = match added {
        Added::Yes => return account(app, here, Some(done)).await,
        Added::Before => return account(app, here, Some("add-before")).await,
        Added::Elsewhere => "add-elsewhere",
        Added::Full => "add-full",
        Added::Over => "add-over",
    };
    let full = (added == Added::Full).then_some(package);
    form(app, here, typed, Wrong { notice: Some(notice), full, ..Wrong::default() }).await
}

/// The page that asks for a code or an address.
async fn form(app: &App, here: &Here, typed: Typed, wrong: Wrong) -> Result<Response, AppError> {
    let Some(customer) = &here.customer else { return sign_in::ask_for_phone(app, here, None) };
    let (speech, now) = (here.speech(), app.clock.now());
    let language = speech.language;
    let sentence = |key| say(language, key).to_string();
    let carried = here.visit().map(|visit| {
        let form = Form { session: Some(customer.session.clone()), ..Form::new(visit.clone(), now) };
        form.seal(app.db.seal())
    });
    let carried = carried.unwrap_or_default();
    let is_wrong = wrong.code.is_some() || wrong.mac.is_some() || wrong.notice.is_some();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let full = match wrong.full {
        Some(package) => Some(full_package(app, language, customer, package).await?),
        None => None,
    };
    let view = AddDevicePage {
        site: Site::of(app, speech).by("/account/add", vec![("visit", carried.clone())]),
        packages: packages(app, language, customer, &typed.package).await?,
        buy: here.visit().map(|visit| speech.to(&urls::packages(&Form::new(visit.clone(), now).seal(app.db.seal())))),
        visit: carried,
        notice: wrong.notice.map(sentence),
        full,
        code: typed.code,
        code_error: wrong.code.map(sentence),
        mac: typed.mac,
        mac_error: wrong.mac.map(sentence),
        label: typed.label,
    };
    page(status, &view)
}

/// The packages that a device can be added to; the one that was chosen before is chosen again, else the first.
async fn packages(
    app: &App,
    language: Language,
    customer: &Customer,
    chosen: &str,
) -> Result<Vec<PackageChoice>, AppError> {
    let now = app.clock.now();
    let mut choices = Vec::new();
    for owned in user::entitlements(&app.db, customer.user.id, now - SHOWN_AFTER_END, SHOWN).await? {
        let usage = entitlement::usage(&app.db, owned.id).await?;
        if !usage.is_usable(now) {
            continue;
        }
        let devices = entitlement::devices(&app.db, usage.id).await?.len();
        choices.push(PackageChoice {
            id: usage.id.to_string(),
            words: format!("{}, {}", usage.package, hotspot::left(language, &usage, now)),
            devices: say(language, "add-devices")
                .with("taken", devices)
                .with("all", usage.rules.device_limit)
                .to_string(),
            chosen: usage.id.to_string() == chosen,
        });
    }
    if !choices.iter().any(|choice| choice.chosen)
        && let Some(first) = choices.first_mut()
    {
        first.chosen = true;
    }
    Ok(choices)
}

/// Which devices have the places of a package.
async fn full_package(app: &App, language: Language, customer: &Customer, id: Uuid) -> Result<FullPackage, AppError> {
    let labels = user::device_labels(&app.db, customer.user.id).await?;
    let label =
        |mac: Mac| labels.iter().find(|(known, _)| *known == mac).map(|(_, label)| label.clone()).unwrap_or_default();
    let line = |device: &entitlement::Device| device_line(language, device, None, label(device.mac));
    let devices = entitlement::devices(&app.db, id).await?.iter().map(line).collect();
    Ok(FullPackage { id: id.to_string(), devices })
}
