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
use shared::mac::Mac;
use store::entitlement::{self, Added, NewDevice, Usage};
use store::user;
use uuid::Uuid;

use super::{Carried, Here, LABEL_LIMIT, SHOWN, SHOWN_AFTER_END, account, owned, sign_in};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::pages::hotspot;
use crate::pages::screen::{self, Waiting};
use crate::pages::visit::Form;
use crate::session::customer::{Customer, Presented};
use crate::throttle::Limit;
use crate::urls;
use crate::views::customer::{AddDevicePage, DeviceLine, FullPackage, PackageChoice};
use crate::views::{Site, page};

const HOUR: Duration = Duration::from_secs(3600);
/// What is said of a code that is not known, whether it was ever shown or not.
const UNKNOWN: &str = "No screen shows this code now. Look at it again: a code is good for ten minutes.";

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

/// What is wrong with what was typed.
#[derive(Default, Debug)]
struct Wrong {
    code: Option<String>,
    mac: Option<String>,
    /// What is wrong with the package or the device.
    notice: Option<String>,
    /// The package without a free place.
    full: Option<Uuid>,
}

/// `GET /account/add`
pub(crate) async fn show(
    State(app): State<App>,
    presented: Presented,
    Query(carried): Query<Carried>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, presented, &carried.visit).await?;
    form(&app, &here, Typed::default(), Wrong::default()).await
}

/// `POST /account/add`: the same for browsers that keep no cookie.
pub(crate) async fn ask(
    State(app): State<App>,
    presented: Presented,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, presented, &typed.visit).await?;
    form(&app, &here, Typed::default(), Wrong::default()).await
}

/// `POST /account/add/code`
pub(crate) async fn by_code(
    State(app): State<App>,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, presented, &typed.visit).await?;
    let customer = here.customer()?;
    let Some(code) = screen::normalise(&typed.code) else {
        let advice = "The code has six letters and digits, never 0, 1, I or O.";
        return form(&app, &here, typed, Wrong { code: Some(advice.into()), ..Wrong::default() }).await;
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
        return form(&app, &here, typed, Wrong { code: Some(UNKNOWN.into()), ..Wrong::default() }).await;
    };
    let how = format!("by its code at router {}", waiting.nas);
    let added = add(&app, customer, &usage, (waiting.mac, &typed.label), (&how, address)).await;
    // What was not added can be added in another way, with the code that is still shown.
    if !matches!(added, Ok(Added::Yes | Added::Before)) && left > 0 {
        app.redis.put_screen(&digest, &record, left).await?;
    }
    answer(&app, &here, typed, usage.id, added?, "The device is added. Its screen goes online within a few seconds.")
        .await
}

/// `POST /account/add/address`
pub(crate) async fn by_address(
    State(app): State<App>,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(typed): Body<Typed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, presented, &typed.visit).await?;
    let customer = here.customer()?;
    let Some(mac) = typed.mac.parse::<Mac>().ok().filter(|mac| mac.is_unicast()) else {
        let advice = "An address has twelve digits from 0 to 9 and A to F, such as 4C:5E:0C:12:34:56. It is in the settings of the \
                      device's Wi-Fi, and often on its back.";
        return form(&app, &here, typed, Wrong { mac: Some(advice.into()), ..Wrong::default() }).await;
    };
    let usage = owned(&app, customer, &typed.package).await?;
    let limits = [
        Limit::new("address_typed", customer.user.id, 10, HOUR),
        Limit::new("address_typed_from_address", address, 100, HOUR),
    ];
    app.throttle.admit(&app, &limits).await?;
    let added = add(&app, customer, &usage, (mac, &typed.label), ("by its address", address)).await?;
    let done = "The device is added. Turn its Wi-Fi off and on: it goes online without a sign-in.";
    answer(&app, &here, typed, usage.id, added, done).await
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

/// The customer's page if the device is added, else what is in the way.
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
        Added::Before => return account(app, here, Some("The device has access with this package already.")).await,
        Added::Elsewhere => {
            "This device has access already, with another package. If that is yours, remove the device there first."
        }
        Added::Full => "All devices of this package are taken. Remove one, then add this one.",
        Added::Over => "That package is used up. Choose another one.",
    };
    let full = (added == Added::Full).then_some(package);
    form(app, here, typed, Wrong { notice: Some(notice.into()), full, ..Wrong::default() }).await
}

/// The page that asks for a code or an address.
async fn form(app: &App, here: &Here, typed: Typed, wrong: Wrong) -> Result<Response, AppError> {
    let Some(customer) = &here.customer else { return sign_in::ask_for_phone(app, here, None) };
    let now = app.clock.now();
    let carried = here.visit().map(|visit| {
        let form = Form { session: Some(customer.session.clone()), ..Form::new(visit.clone(), now) };
        form.seal(app.db.seal())
    });
    let is_wrong = wrong.code.is_some() || wrong.mac.is_some() || wrong.notice.is_some();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let full = match wrong.full {
        Some(package) => Some(full_package(app, customer, package).await?),
        None => None,
    };
    let view = AddDevicePage {
        site: Site::of(app),
        packages: packages(app, customer, &typed.package).await?,
        buy: here.visit().map(|visit| urls::packages(&Form::new(visit.clone(), now).seal(app.db.seal()))),
        visit: carried.unwrap_or_default(),
        notice: wrong.notice,
        full,
        code: typed.code,
        code_error: wrong.code,
        mac: typed.mac,
        mac_error: wrong.mac,
        label: typed.label,
    };
    page(status, &view)
}

/// The packages that a device can be added to; the one that was chosen before is chosen again, else the first.
async fn packages(app: &App, customer: &Customer, chosen: &str) -> Result<Vec<PackageChoice>, AppError> {
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
            words: format!("{}, {}", usage.package, hotspot::left(&usage, now)),
            devices: format!("{devices} of {} devices", usage.rules.device_limit),
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
async fn full_package(app: &App, customer: &Customer, id: Uuid) -> Result<FullPackage, AppError> {
    let labels = user::device_labels(&app.db, customer.user.id).await?;
    let line = |device: &entitlement::Device| DeviceLine {
        mac: device.mac.to_string(),
        label: labels.iter().find(|(mac, _)| *mac == device.mac).map(|(_, label)| label.clone()).unwrap_or_default(),
        note: if device.online { "online" } else { "" },
        removable: true,
    };
    let devices = entitlement::devices(&app.db, id).await?.iter().map(line).collect();
    Ok(FullPackage { id: id.to_string(), devices })
}
