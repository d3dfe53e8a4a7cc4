//! `POST /buy`: a guest wants a package.
//!
//! The order is written down under an identity that follows from the form, so a form sent twice, even to two servers,
//! is one order; the payment is begun, by phone or by card; the guest goes to the order's page. The price is the
//! package's in the store, never the form's.

use std::time::Duration;

use axum::Form as Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::language::Language;
use shared::phone::{NotAPhone, Phone};
use store::entitlement::{self, Usage};
use store::order::{self, NewOrder, OrderState};
use store::package::{self, Package};
use store::visit::Step;
use store::{StoreError, for_another, settlement};

use super::account::sign_in::{self, Then};
use super::hotspot::{Typed, name, open, show};
use super::remember;
use super::visit::{Form, Visit};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::middleware::language::{Speech, Wanted};
use crate::payments::collect::{self, Way};
use crate::session::customer::{self, Presented};
use crate::throttle::Limit;
use crate::urls;
use crate::views::text::{Said, say};
use crate::views::words;

/// A waiting order of the same device, package and number is gone on with instead of a new one: a page that was
/// reloaded has a new form, but not a new wish.
const SAME_WISH: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);
/// How far back the number of the device's last purchase is taken.
const REMEMBER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the form says.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    visit: String,
    /// The package, and after a colon the price that the page has shown, minor units. Empty: only the prices are wanted.
    #[serde(default)]
    package: String,
    #[serde(default)]
    phone: String,
    /// A code for a discount.
    #[serde(default)]
    discount: String,
    /// Present: the number of the device's last purchase pays, which the page showed masked.
    same_phone: Option<String>,
    /// `now` or `after`: when it shall begin, of somebody who has another package.
    #[serde(default)]
    when: String,
    /// The number of whoever gets it; blank: it is for this device.
    #[serde(default)]
    recipient: String,
    /// `phone` or `card`: by what it is paid.
    #[serde(default)]
    pay: String,
}

/// `POST /buy`
pub(crate) async fn buy(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    ClientAddress(address): ClientAddress,
    Body(wish): Body<Wish>,
) -> Result<Response, AppError> {
    let form = open(&app, wanted, &wish.visit)?;
    let way = Way::of(&wish.pay);
    if !way.is_there(&app) {
        return Err(AppError::BadRequest("problem-pay-is-off"));
    }
    let visit = &form.visit;
    let speech = wanted.speech(visit.language, None);
    let language = speech.language;
    let limits = [
        Limit::new("buy_from_device", visit.mac, 20, HOUR),
        Limit::new("buy_from_address", address, 300, HOUR),
        Limit::new("buy_at_router", visit.nas, 3000, HOUR),
    ];
    app.throttle.admit(&app, &limits).await?;
    if !wish.discount.trim().is_empty() {
        let limits = [
            Limit::new("discount_from_device", visit.mac, 20, HOUR),
            Limit::new("discount_at_router", visit.nas, 600, HOUR),
        ];
        app.throttle.admit(&app, &limits).await?;
    }
    let by_card = way == Way::Card;
    let typed = || Typed {
        phone: wish.phone.clone(),
        discount: wish.discount.clone(),
        recipient: wish.recipient.clone(),
        by_card,
        ..Typed::default()
    };
    if wish.package.is_empty() {
        return show(&app, wanted, form.visit, typed()).await;
    }
    let (slug, shown) = wish.package.split_once(':').unwrap_or((&wish.package, ""));
    let offered = package::offered(&app.db, visit.site, app.clock.now()).await?;
    let Some(package) = offered.iter().find(|package| package.slug == slug) else {
        let notice = Some(not_on_sale(&app, language, slug, visit, &offered).await?);
        return show(&app, wanted, form.visit, Typed { notice, ..typed() }).await;
    };
    app.metrics.step("package_chosen", visit.site_name.as_deref());
    remember::note(&app, visit, Step::Chosen);
    let phone = match payer(&app, visit, &wish).await? {
        Ok(phone) => phone,
        Err(problem) => {
            let phone_error = Some(say(language, problem).to_string());
            let typed = Typed { phone_error, package: slug.to_owned(), ..typed() };
            return show(&app, wanted, form.visit, typed).await;
        }
    };
    let recipient = match recipient(language, &wish, package) {
        Ok(recipient) => recipient,
        Err(problem) => {
            let recipient_error = Some(problem.to_string());
            let typed = Typed { recipient_error, package: slug.to_owned(), ..typed() };
            return show(&app, wanted, form.visit, typed).await;
        }
    };
    // What costs nothing is for those who prove to hold the number, where that can be proved.
    if package.price.minor == 0 && app.sms.is_some() && !is_signed_in(&app, &presented, &form, &phone).await? {
        let then = Then::Take { package: slug.to_owned(), when: wish.when };
        return sign_in::challenge(&app, wanted, Some(form), &phone, then, address).await;
    }
    let choice = (wish.when.as_str(), wish.discount.as_str());
    let order = match place(&app, speech, &form, package, (&phone, recipient.as_ref()), choice).await {
        Ok(order) => order,
        // It may not be bought so often, or a discount was used up just now.
        Err(AppError::Store(StoreError::NotPlaced(problem))) => {
            let notice = Some(words::not_placed(language, &problem));
            return show(&app, wanted, form.visit, Typed { notice, ..typed() }).await;
        }
        Err(AppError::Store(StoreError::Code(problem))) => {
            let discount_error = Some(words::code_problem(language, &problem));
            let typed = Typed { discount_error, package: slug.to_owned(), ..typed() };
            return show(&app, wanted, form.visit, typed).await;
        }
        Err(error) => return Err(error),
    };
    // Nobody is charged more than the page has said.
    if order.state == OrderState::Created && shown.parse().is_ok_and(|shown: i64| order.amount.minor > shown) {
        let title = name(language, package);
        let costs = say(language, "packages-costs-now").with("package", title).with("price", order.amount);
        let notice = Some(costs.to_string());
        return show(&app, wanted, form.visit, Typed { notice, ..typed() }).await;
    }
    if order.state == OrderState::Created && order.amount.minor == 0 {
        settlement::give_free(&app.db, order.id, app.clock.now()).await?;
    } else if matches!(order.state, OrderState::Created | OrderState::Prompted) {
        if !way.takes(&app, order.amount) {
            let too_little = say(language, "packages-too-little-for-card").with("price", order.amount);
            let notice = Some(too_little.to_string());
            return show(&app, wanted, form.visit, Typed { notice, by_card: false, ..typed() }).await;
        }
        match collect::pay(&app, &order, way).await? {
            collect::Begun::Now => {
                app.metrics.step("pay_started", visit.site_name.as_deref());
                remember::note(&app, visit, Step::Paying);
            }
            collect::Begun::Before => {}
        }
    }
    Ok(Redirect::to(&speech.to(&urls::order(app.db.seal(), order.id))).into_response())
}

/// Why a package cannot be bought at this place now, and what can.
async fn not_on_sale(
    app: &App,
    language: Language,
    slug: &str,
    visit: &Visit,
    offered: &[Package],
) -> Result<String, AppError> {
    let why = match package::not_offered(&app.db, slug, visit.site, app.clock.now()).await? {
        Some((package, why)) => words::not_offered(language, name(language, &package), &why),
        None => say(language, "packages-no-longer-on-sale").to_string(),
    };
    if offered.is_empty() {
        return Ok(why);
    }
    let names: Vec<&str> = offered.iter().map(|package| name(language, package)).collect();
    Ok(format!("{why} {}", say(language, "packages-on-sale-now").with("packages", names.join(", "))))
}

/// Whether the holder of this number is signed in here.
async fn is_signed_in(app: &App, presented: &Presented, form: &Form, phone: &Phone) -> Result<bool, AppError> {
    let found = customer::find(app, presented, form.session.as_deref(), Some(&form.visit)).await?;
    Ok(found.is_some_and(|customer| customer.user.phone == *phone))
}

/// Gives a package that costs nothing to somebody who has proved to hold the number. Returns the order.
///
/// # Errors
/// Also when it is no longer on sale for nothing, or may not be had so often.
pub(crate) async fn take_free(
    app: &App,
    speech: Speech,
    form: &Form,
    slug: &str,
    phone: &Phone,
    when: &str,
) -> Result<uuid::Uuid, AppError> {
    let offered = package::offered(&app.db, form.visit.site, app.clock.now()).await?;
    let package = offered
        .iter()
        .find(|package| package.slug == slug && package.price.minor == 0)
        .ok_or(AppError::BadRequest("packages-no-longer-on-sale"))?;
    let order = match place(app, speech, form, package, (phone, None), (when, "")).await {
        Err(AppError::Store(StoreError::NotPlaced(_))) => return Err(AppError::BadRequest("problem-had-too-often")),
        other => other?,
    };
    settlement::give_free(&app.db, order.id, app.clock.now()).await?;
    Ok(order.id)
}

/// Who pays, or the key of what is wrong with the number.
async fn payer(app: &App, visit: &Visit, wish: &Wish) -> Result<Result<Phone, &'static str>, AppError> {
    if wish.same_phone.is_none() {
        return Ok(wish.phone.parse::<Phone>().map_err(|NotAPhone| "packages-phone-is-wrong"));
    }
    let last = order::latest_of_device(&app.db, visit.mac, app.clock.now() - REMEMBER).await?;
    Ok(last.map(|order| order.phone).ok_or("packages-who-pays"))
}

/// Whose number gets it, if not this device, or what is wrong with that.
fn recipient(language: Language, wish: &Wish, package: &Package) -> Result<Option<Phone>, Said> {
    if wish.recipient.trim().is_empty() {
        return Ok(None);
    }
    if package.price.minor == 0 {
        return Err(say(language, "another-costs-nothing").with("package", name(language, package)));
    }
    wish.recipient.parse().map(Some).map_err(|NotAPhone| say(language, "packages-phone-is-wrong"))
}

/// What shall become of the package beside what the device has: one more of the same is added; another one begins now or
/// afterwards, as its buyer says.
fn destiny(present: Option<&Usage>, package: &Package, when: &str) -> order::Wish {
    match present {
        Some(present) if present.package_id == Some(package.id) => order::Wish::Extend(present.id),
        Some(present) if when == "now" => order::Wish::Upgrade(present.id),
        Some(_) if when == "after" => order::Wish::Queue,
        _ => order::Wish::New,
    }
}

/// The order of this wish: a new one, the one that this form made before, or, unless a code was typed, the one that is under way.
async fn place(
    app: &App,
    speech: Speech,
    form: &Form,
    package: &Package,
    (phone, recipient): (&Phone, Option<&Phone>),
    (when, code): (&str, &str),
) -> Result<order::Order, AppError> {
    let (visit, now) = (&form.visit, app.clock.now());
    let code = code.trim();
    let waiting = order::latest_of_device(&app.db, visit.mac, now - SAME_WISH).await?;
    let same =
        |order: &order::Order| order.state.is_waiting() && order.package_id == package.id && order.phone == *phone;
    if let Some(order) = waiting.filter(same).filter(|_| code.is_empty()) {
        let of = for_another::of_order(&app.db, order.id).await?;
        if of.as_ref().map(|of| &of.recipient) == recipient {
            return Ok(order);
        }
    }
    // One form makes an order for each recipient.
    let choice = recipient.map_or_else(|| code.to_uppercase(), |to| format!("{}>{to}", code.to_uppercase()));
    let id = form.order_id(app.db.seal(), &package.slug, phone.as_str(), &choice);
    let remembered = serde_json::to_value(Visit { error: String::new(), ..visit.clone() }).expect("a visit serialises");
    let present = entitlement::latest_of_device(&app.db, visit.mac).await?.filter(|usage| usage.is_usable(now));
    let wish = destiny(present.as_ref(), package, when);
    let new = NewOrder {
        phone,
        package,
        nas_id: Some(visit.nas),
        mac: Some(visit.mac),
        visit: &remembered,
        wish,
        site: visit.site,
        code: Some(code),
        language: speech.language,
    };
    let is_new = match recipient {
        Some(recipient) => for_another::place(&app.db, id, &new, recipient, now).await?,
        None => order::place_once(&app.db, id, &new, now).await?,
    };
    if !is_new {
        tracing::debug!(order = %id, "a form was sent twice");
    }
    Ok(order::get(&app.db, id).await?)
}
