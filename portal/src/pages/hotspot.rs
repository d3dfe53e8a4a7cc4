//! `/h`: where a router's login page sends a guest, and the packages that it leads to.
//!
//! A guest whose order is under way, or paid and not online yet, goes on where the page was closed. Everyone else sees
//! what the device still has, what it had last, and what is on sale here.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::discount::{Priced, WHOLE_UNIT};
use shared::entitlement::State as Access;
use shared::mac::Mac;
use shared::rules::Until;
use shared::time::OffsetDateTime;
use store::discount::{self, Asked, Facts};
use store::entitlement::{self, Usage};
use store::nas::{self, Hotspot};
use store::order::{self, Order, OrderState};
use store::package::{self, Package};
use url::Url;

use super::visit::{self, Arrival, Chap, Form, Visit};
use super::{login, scanned};
use crate::App;
use crate::error::AppError;
use crate::payments::collect::Way;
use crate::urls;
use crate::views::amount::{self, Base};
use crate::views::customer::{Card, CardChoice, Greeting, PackagesPage, ProblemPage, Renew};
use crate::views::{Site, page, time, words};

/// An order is gone on with when its guest comes back within this.
const RESUME: Duration = Duration::from_secs(30 * 60);
/// How far back a device's last purchase is offered again.
const REMEMBER: Duration = Duration::from_secs(365 * 24 * 3600);

/// `GET /h`
pub(crate) async fn arrive(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let arrival = Arrival::parse(&query.unwrap_or_default());
    let Some(mac) = Mac::from_bytes(&arrival.mac) else { return not_through_a_router(&app) };
    let Some(login) = visit::login_target(&arrival.login) else { return not_registered(&app) };
    let Some(hotspot) = registered(&app, &login, &arrival.identity()).await? else { return not_registered(&app) };
    let visit = Visit {
        nas: hotspot.nas_id,
        site: hotspot.site_id,
        site_name: hotspot.site,
        mac,
        login,
        destination: visit::destination(&arrival.destination),
        chap: Chap::read(&arrival.chap_id, &arrival.chap_challenge),
        error: arrival.error(),
    };
    app.metrics.step("shown", visit.site_name.as_deref());
    let now = app.clock.now();
    if let Some(order) = under_way(&app, mac, now).await? {
        let remembered = serde_json::to_value(&visit).expect("a visit serialises");
        order::revisit(&app.db, order.id, Some(visit.nas), &remembered, now).await?;
        return Ok(Redirect::to(&urls::order(app.db.seal(), order.id)).into_response());
    }
    let code = scanned::code(&headers).unwrap_or_default();
    show(&app, visit, Typed { code, ..Typed::default() }).await
}

/// The query of `/packages`.
#[derive(Debug, Deserialize)]
pub(crate) struct Carried {
    visit: String,
}

/// `GET /packages`: the same page for a visit that we carry, whatever order is under way.
pub(crate) async fn packages(
    State(app): State<App>,
    axum::extract::Query(carried): axum::extract::Query<Carried>,
) -> Result<Response, AppError> {
    let form = open(&app, &carried.visit)?;
    show(&app, form.visit, Typed::default()).await
}

/// `GET /`: somebody typed our address.
pub(crate) async fn home(State(app): State<App>) -> Result<Response, AppError> {
    not_through_a_router(&app)
}

/// Any other address.
pub(crate) async fn nowhere() -> AppError {
    AppError::NotFound
}

/// Opens the token of a form of ours.
pub(crate) fn open(app: &App, token: &str) -> Result<Form, AppError> {
    Form::open(app.db.seal(), token, app.clock.now())
        .ok_or(AppError::BadRequest("This page was open for too long. Join the Wi-Fi again and open its sign-in page."))
}

/// What a guest typed, to be shown again with what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    pub(crate) notice: Option<String>,
    pub(crate) phone: String,
    pub(crate) phone_error: Option<String>,
    pub(crate) package: String,
    pub(crate) code: String,
    pub(crate) code_error: Option<String>,
    pub(crate) discount: String,
    pub(crate) discount_error: Option<String>,
    pub(crate) recipient: String,
    pub(crate) recipient_error: Option<String>,
    /// A card was chosen.
    pub(crate) by_card: bool,
}

/// The packages of a visit, with a new form.
pub(crate) async fn show(app: &App, visit: Visit, typed: Typed) -> Result<Response, AppError> {
    let now = app.clock.now();
    let offered = package::offered(&app.db, visit.site).await?;
    let usage = entitlement::latest_of_device(&app.db, visit.mac).await?;
    let last = order::latest_of_device(&app.db, visit.mac, now - REMEMBER).await?;
    let greeting = match &usage {
        Some(usage) if usage.is_usable(now) => Some(greet(app, &visit, usage, last.as_ref(), now).await?),
        _ => None,
    };
    // More of what the device has is added to it; for anything else it is asked when it shall begin.
    let present = usage.as_ref().filter(|usage| usage.is_usable(now)).map(|usage| usage.package.clone());
    let asked = Asked {
        user: last.as_ref().map(|order| order.user_id),
        mac: Some(visit.mac),
        site: visit.site,
        code: Some(typed.discount.as_str()),
    };
    let mut facts = discount::candidates(&app.db, asked, now).await?;
    // Whoever has never bought on this device is taken for new; the order knows better, and then the price is shown again.
    facts.buyer.get_or_insert_default();
    let prices = Prices::of(&facts, &offered, &typed.package);
    let discount_error = typed.discount_error.or(prices.problem);
    let card_choice = card_choice(app, &prices.priced, typed.by_card);
    let problems = [&typed.phone_error, &typed.code_error, &typed.recipient_error, &discount_error];
    let wrong = problems.iter().any(|problem| problem.is_some());
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = PackagesPage {
        site: Site::of(app),
        notice: typed.notice.or_else(|| words::router_error(&visit.error)),
        greeting,
        present,
        renew: app.mpesa.as_ref().and_then(|_| renew(&offered, &prices.priced, usage.as_ref(), last.as_ref(), now)),
        cards: offered
            .iter()
            .zip(&prices.priced)
            .map(|(package, priced)| card(package, priced, &typed.package))
            .collect(),
        pay: app.mpesa.is_some() || card_choice.is_some(),
        card_choice,
        account: urls::account(&Form::new(visit.clone(), now).seal(app.db.seal())),
        phone: typed.phone,
        phone_error: typed.phone_error,
        code: typed.code,
        code_error: typed.code_error,
        discount: typed.discount,
        discount_error,
        recipient: typed.recipient,
        recipient_error: typed.recipient_error,
        visit: Form::new(visit.clone(), now).seal(app.db.seal()),
    };
    Ok(login::allow(page(status, &view)?, &visit, &app.config.portal.public_url))
}

/// What each package costs here and now, and what is wrong with the code that was typed.
struct Prices {
    priced: Vec<Priced>,
    problem: Option<String>,
}

impl Prices {
    /// A code that counts for one of the packages is right; what is told of one that counts for none is told of the chosen one.
    fn of(facts: &Facts<'_>, offered: &[Package], chosen: &str) -> Prices {
        let plain = facts.without_code();
        let (mut priced, mut problem, mut counts) = (Vec::new(), None, false);
        for package in offered {
            let price = facts.price(package, WHOLE_UNIT).inspect_err(|found| {
                if problem.is_none() || package.slug == chosen {
                    problem = Some(found.to_string());
                }
            });
            counts |= price.is_ok();
            let undiscounted =
                || Priced { full: package.price, pays: package.price, applied: Vec::new(), code_is_idle: false };
            priced.push(price.or_else(|_| plain.price(package, WHOLE_UNIT)).unwrap_or_else(|_| undiscounted()));
        }
        Prices { priced, problem: problem.filter(|_| !counts) }
    }
}

async fn registered(app: &App, login: &Url, identity: &str) -> Result<Option<Hotspot>, AppError> {
    for host in visit::host_names(login) {
        if let Some(hotspot) = nas::hotspot(&app.db, &host, identity).await? {
            return Ok(Some(hotspot));
        }
    }
    Ok(None)
}

/// The device's order that waits for money, or is paid and has not been used yet.
async fn under_way(app: &App, mac: Mac, now: OffsetDateTime) -> Result<Option<Order>, AppError> {
    let Some(order) = order::latest_of_device(&app.db, mac, now - RESUME).await? else { return Ok(None) };
    if order.state.is_waiting() {
        return Ok(Some(order));
    }
    let Some(id) = order.entitlement.filter(|_| order.state == OrderState::Paid) else { return Ok(None) };
    let usage = entitlement::usage(&app.db, id).await?;
    Ok((usage.is_usable(now) && usage.online == 0).then_some(order))
}

async fn greet(
    app: &App,
    visit: &Visit,
    usage: &Usage,
    last: Option<&Order>,
    now: OffsetDateTime,
) -> Result<Greeting, AppError> {
    let order = last.filter(|order| order.entitlement == Some(usage.id));
    // What was not bought here has no order code; its login is a name of its own for this device.
    let username = order.map_or_else(|| device_login(app, usage, visit.mac), |order| order.code.clone());
    let password = entitlement::one_time_password(&app.db, usage.id, &username, visit.mac, now).await?;
    let then = match order {
        Some(order) => Some(urls::order_after_login(&app.config.portal.public_url, app.db.seal(), order.id)),
        None => visit.destination.as_ref().map(Url::to_string),
    };
    Ok(Greeting {
        package: usage.package.clone(),
        left: left(usage, now),
        // Who is online needs no login.
        login: (usage.online == 0).then(|| login::form(visit, &username, &password, then, false)),
    })
}

pub(crate) fn device_login(app: &App, usage: &Usage, mac: Mac) -> String {
    let digest = app.db.seal().lookup(format!("device-login:{}:{mac}", usage.id).as_bytes());
    format!("D{}", hex::encode_upper(&digest[..8]))
}

/// What is left of an entitlement: time, data, or both.
pub(crate) fn left(usage: &Usage, now: OffsetDateTime) -> String {
    let until = usage.expires_at.map(|end| format!("until {}", time::clock(end, now)));
    let (rules, used) = (&usage.rules, usage.used);
    let data = |quota: Option<u64>, used: u64, of: &str| {
        quota.map(|quota| format!("{} {of}", amount::data(quota.saturating_sub(used), Base::of(Some(quota)))))
    };
    let limits = [
        data(rules.quota_octets, used.octets(), "of data"),
        data(rules.quota_up, used.up, "up"),
        data(rules.quota_down, used.down, "down"),
        rules.time_left(used).map(|rest| format!("{} online", amount::span(rest))),
        until,
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    match limits.as_slice() {
        [] if usage.starts_at.is_none() => "its time begins when you go online".into(),
        [] => "without limit".into(),
        some => some.join(", "),
    }
}

/// The last package again, if it is still on sale and it is known who paid.
fn renew(
    offered: &[Package],
    prices: &[Priced],
    usage: Option<&Usage>,
    last: Option<&Order>,
    now: OffsetDateTime,
) -> Option<Renew> {
    let usable = usage.is_some_and(|usage| usage.is_usable(now));
    let last = last.filter(|order| order.state == OrderState::Paid && !usable)?;
    let (package, priced) = offered.iter().zip(prices).find(|(package, _)| package.id == last.package_id)?;
    let ended = usage.and_then(|usage| match usage.state {
        Access::Exhausted | Access::Active if usage.time_is_used() => Some("Your hours online are used up."),
        Access::Exhausted => Some("Your data is used up."),
        Access::Expired => Some("Your time is over."),
        Access::Active if usage.expires_at.is_some_and(|end| end <= now) => Some("Your time is over."),
        Access::Active => Some("Your data is used up."),
        Access::Revoked => None,
    });
    Some(Renew {
        ended,
        choice: choice(package, priced),
        package: package.name.clone(),
        price: priced.pays.to_string(),
        phone: last.phone.masked(),
    })
}

/// A package with the price that is shown for it, as the button sends it.
fn choice(package: &Package, priced: &Priced) -> String {
    format!("{}:{}", package.slug, priced.pays.minor)
}

/// The choice of a card, where one of these prices can be paid so.
fn card_choice(app: &App, prices: &[Priced], chosen: bool) -> Option<CardChoice> {
    let takes = |priced: &&Priced| Way::Card.takes(app, priced.pays);
    let lowest = prices.iter().filter(takes).map(|priced| priced.pays).min_by_key(|price| price.minor)?;
    let is_for_all = prices.iter().all(|priced| priced.pays.minor == 0 || takes(&priced));
    let from = (!is_for_all).then(|| lowest.to_string());
    Some(CardChoice { from, only: app.mpesa.is_none(), chosen })
}

fn card(package: &Package, priced: &Priced, chosen: &str) -> Card {
    let rules = &package.rules;
    let devices = match rules.device_limit {
        1 => None,
        devices => Some(format!("{devices} devices")),
    };
    let octets = |quota| amount::data(quota, Base::of(Some(quota)));
    let data = match (rules.quota_octets, rules.quota_up, rules.quota_down) {
        (Some(quota), ..) => octets(quota),
        (None, None, Some(down)) => format!("{} down", octets(down)),
        (None, Some(up), None) => format!("{} up", octets(up)),
        (None, Some(up), Some(down)) => format!("{} up, {} down", octets(up), octets(down)),
        (None, None, None) => "unlimited data".into(),
    };
    let until = rules.until.map(|until| match until {
        Until::EndOfDay => "until midnight".to_owned(),
        Until::EndOfWeek => "until Sunday midnight".to_owned(),
    });
    let facts = [
        rules.quota_time.map(|time| format!("{} online", amount::span(time))),
        rules.duration.map(|time| match rules.quota_time {
            Some(_) => format!("within {}", amount::span(time)),
            None => amount::span(time),
        }),
        until,
        rules.hours.as_ref().map(ToString::to_string),
        Some(data),
        rules.rate.and_then(amount::speed),
        rules.fair_use.stages().first().map(|stage| format!("slower after {}", octets(stage.after))),
        rules.happy_hours.as_ref().map(|happy| {
            let speed = amount::speed(happy.rate).unwrap_or_else(|| "as fast as it goes".into());
            format!("{}: {speed}", happy.hours)
        }),
        devices,
    ];
    Card {
        choice: choice(package, priced),
        name: package.name.clone(),
        action: if priced.pays.minor == 0 { "Get it free".into() } else { format!("Pay {}", priced.pays) },
        price: priced.pays.to_string(),
        before: (!priced.applied.is_empty()).then(|| priced.full.to_string()),
        saving: saving(priced),
        // A package named for its time or data needs no second word on it.
        facts: facts.into_iter().flatten().filter(|fact| *fact != package.name).collect(),
        chosen: package.slug == chosen,
    }
}

/// `Happy hour: you save KSh 4`.
fn saving(priced: &Priced) -> Option<String> {
    if priced.code_is_idle {
        return Some("This price is as low without your code. Keep it for another time.".into());
    }
    let names: Vec<&str> = priced.applied.iter().map(|applied| applied.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("{}: you save {}", names.join(", "), priced.saving()))
}

fn not_registered(app: &App) -> Result<Response, AppError> {
    let view = ProblemPage {
        site: Site::of(app),
        title: "This hotspot is not registered yet",
        text: "If you are a guest, please tell the staff. If you run this hotspot, register its login address: \
               portal nas add, with the host of the router's login page as --hotspot-host.",
        try_again: false,
    };
    page(StatusCode::NOT_FOUND, &view)
}

fn not_through_a_router(app: &App) -> Result<Response, AppError> {
    let view = ProblemPage {
        site: Site::of(app),
        title: "Join the Wi-Fi first",
        text: "This page opens by itself when you join the Wi-Fi. If it does not, turn the Wi-Fi off and on again, and \
               tap “Sign in to network”.",
        try_again: false,
    };
    page(StatusCode::OK, &view)
}

#[cfg(test)]
mod tests {
    use shared::discount::Applied;
    use shared::entitlement::Used;
    use shared::money::Money;
    use shared::rate::Rate;
    use shared::rules::Rules;
    use store::package::{Purchases, Starts};
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn usage() -> Usage {
        Usage {
            id: Uuid::from_u128(2),
            package: "Hour".into(),
            package_id: Some(Uuid::from_u128(3)),
            state: Access::Active,
            starts_at: Some(at(0)),
            expires_at: Some(at(3600)),
            rules: Rules { quota_octets: Some(500_000_000), ..Rules::default() },
            used: Used { up: 2_000_000, down: 10_000_000, seconds: 600 },
            online: 0,
        }
    }

    #[test]
    fn what_is_left_is_said_in_time_and_data() {
        let mut usage = usage();
        assert_eq!(left(&usage, at(60)), "488 MB of data, until 04:00");
        usage.rules.quota_time = Some(Duration::from_secs(7800));
        assert_eq!(left(&usage, at(60)), "488 MB of data, 2 hours online, until 04:00");
        usage.rules.quota_octets = None;
        usage.rules.quota_time = None;
        assert_eq!(left(&usage, at(60)), "until 04:00");
        usage.rules.quota_up = Some(100_000_000);
        usage.rules.quota_down = Some(400_000_000);
        assert_eq!(left(&usage, at(60)), "98 MB up, 390 MB down, until 04:00");
        usage.rules = Rules::default();
        usage.expires_at = None;
        assert_eq!(left(&usage, at(60)), "without limit");
        usage.starts_at = None;
        assert_eq!(left(&usage, at(60)), "its time begins when you go online");
    }

    #[test]
    fn a_card_says_time_data_speed_and_devices() {
        let package = Package {
            id: Uuid::from_u128(3),
            slug: "day".into(),
            name: "Day".into(),
            price: Money::kes(5000),
            starts: Starts::FirstLogin,
            rules: Rules {
                duration: Some(Duration::from_secs(86_400)),
                quota_octets: Some(2_000_000_000),
                rate: Some(Rate { up_bps: 2_000_000, down_bps: 5_000_000 }),
                device_limit: 2,
                ..Rules::default()
            },
            purchases: Purchases::default(),
            active: true,
            position: 1,
        };
        let full = |package: &Package| Priced {
            full: package.price,
            pays: package.price,
            applied: Vec::new(),
            code_is_idle: false,
        };
        let card = super::card(&package, &full(&package), "day");
        assert_eq!(card.facts, ["1 day", "2 GB", "5 Mbit/s", "2 devices"]);
        let named = super::card(&Package { name: "1 day".into(), ..package.clone() }, &full(&package), "");
        assert_eq!(named.facts, ["2 GB", "5 Mbit/s", "2 devices"]);
        assert_eq!((card.price.as_str(), card.chosen), ("KSh 50", true));
        assert_eq!((card.choice.as_str(), card.before, card.saving), ("day:5000", None, None));
        let applied = vec![Applied { id: Uuid::from_u128(1), name: "Happy hour".into(), saving: Money::kes(1000) }];
        let lowered = Priced { pays: Money::kes(4000), applied, ..full(&package) };
        let card = super::card(&package, &lowered, "");
        assert_eq!((card.choice.as_str(), card.action.as_str()), ("day:4000", "Pay KSh 40"));
        assert_eq!(card.before.as_deref(), Some("KSh 50"));
        assert_eq!(card.saving.as_deref(), Some("Happy hour: you save KSh 10"));
    }
}
