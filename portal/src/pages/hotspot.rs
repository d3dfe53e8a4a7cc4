//! `/h`: where a router's login page sends a guest, and the packages that it leads to.
//!
//! A guest whose order is under way, or paid and not online yet, goes on where the page was closed. Everyone else sees
//! what the device still has, what it had last, and what is on sale here.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::entitlement::State as Access;
use shared::mac::Mac;
use shared::rules::Until;
use shared::time::OffsetDateTime;
use store::entitlement::{self, Usage};
use store::nas::{self, Hotspot};
use store::order::{self, Order, OrderState};
use store::package::{self, Package};
use url::Url;

use super::login;
use super::visit::{self, Arrival, Chap, Form, Visit};
use crate::App;
use crate::error::AppError;
use crate::urls;
use crate::views::amount::{self, Base};
use crate::views::customer::{Card, Greeting, PackagesPage, ProblemPage, Renew};
use crate::views::{Site, page, time, words};

/// An order is gone on with when its guest comes back within this.
const RESUME: Duration = Duration::from_secs(30 * 60);
/// How far back a device's last purchase is offered again.
const REMEMBER: Duration = Duration::from_secs(365 * 24 * 3600);

/// `GET /h`
pub(crate) async fn arrive(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, AppError> {
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
    show(&app, visit, Typed::default()).await
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
    let wrong = typed.phone_error.is_some() || typed.code_error.is_some();
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = PackagesPage {
        site: Site::of(&app.config.portal),
        notice: typed.notice.or_else(|| words::router_error(&visit.error)),
        greeting,
        present,
        renew: app.mpesa.as_ref().and_then(|_| renew(&offered, usage.as_ref(), last.as_ref(), now)),
        cards: offered.iter().map(|package| card(package, &typed.package)).collect(),
        pay: app.mpesa.is_some(),
        phone: typed.phone,
        phone_error: typed.phone_error,
        code: typed.code,
        code_error: typed.code_error,
        visit: Form::new(visit.clone(), now).seal(app.db.seal()),
    };
    Ok(login::allow(page(status, &view)?, &visit, &app.config.portal.public_url))
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

fn device_login(app: &App, usage: &Usage, mac: Mac) -> String {
    let digest = app.db.seal().lookup(format!("device-login:{}:{mac}", usage.id).as_bytes());
    format!("D{}", hex::encode_upper(&digest[..8]))
}

/// What is left of an entitlement: time, data, or both.
pub(crate) fn left(usage: &Usage, now: OffsetDateTime) -> String {
    let until = usage.expires_at.map(|end| format!("until {}", time::clock(end, now)));
    let data = usage.quota_octets.map(|quota| {
        let rest = quota.saturating_sub(usage.used.octets());
        format!("{} of data", amount::data(rest, Base::of(Some(quota))))
    });
    let online = usage.quota_time.map(|quota| {
        let rest = quota.saturating_sub(Duration::from_secs(usage.used.seconds));
        format!("{} online", amount::span(rest))
    });
    let limits: Vec<String> = [data, online, until].into_iter().flatten().collect();
    match limits.as_slice() {
        [] if usage.starts_at.is_none() => "its time begins when you go online".into(),
        [] => "without limit".into(),
        some => some.join(", "),
    }
}

/// The last package again, if it is still on sale and it is known who paid.
fn renew(offered: &[Package], usage: Option<&Usage>, last: Option<&Order>, now: OffsetDateTime) -> Option<Renew> {
    let usable = usage.is_some_and(|usage| usage.is_usable(now));
    let last = last.filter(|order| order.state == OrderState::Paid && !usable)?;
    let package = offered.iter().find(|package| package.id == last.package_id)?;
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
        slug: package.slug.clone(),
        package: package.name.clone(),
        price: package.price.to_string(),
        phone: last.phone.masked(),
    })
}

fn card(package: &Package, chosen: &str) -> Card {
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
        devices,
    ];
    Card {
        slug: package.slug.clone(),
        name: package.name.clone(),
        action: if package.price.minor == 0 { "Get it free".into() } else { format!("Pay {}", package.price) },
        price: package.price.to_string(),
        // A package named for its time or data needs no second word on it.
        facts: facts.into_iter().flatten().filter(|fact| *fact != package.name).collect(),
        chosen: package.slug == chosen,
    }
}

fn not_registered(app: &App) -> Result<Response, AppError> {
    let view = ProblemPage {
        site: Site::of(&app.config.portal),
        title: "This hotspot is not registered yet",
        text: "If you are a guest, please tell the staff. If you run this hotspot, register its login address: \
               portal nas add, with the host of the router's login page as --hotspot-host.",
        try_again: false,
    };
    page(StatusCode::NOT_FOUND, &view)
}

fn not_through_a_router(app: &App) -> Result<Response, AppError> {
    let view = ProblemPage {
        site: Site::of(&app.config.portal),
        title: "Join the Wi-Fi first",
        text: "This page opens by itself when you join the Wi-Fi. If it does not, turn the Wi-Fi off and on again, and \
               tap “Sign in to network”.",
        try_again: false,
    };
    page(StatusCode::OK, &view)
}

#[cfg(test)]
mod tests {
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
            quota_octets: Some(500_000_000),
            quota_time: None,
            rate: None,
            used: Used { up: 2_000_000, down: 10_000_000, seconds: 600 },
            online: 0,
        }
    }

    #[test]
    fn what_is_left_is_said_in_time_and_data() {
        let mut usage = usage();
        assert_eq!(left(&usage, at(60)), "488 MB of data, until 04:00");
        usage.quota_time = Some(Duration::from_secs(7800));
        assert_eq!(left(&usage, at(60)), "488 MB of data, 2 hours online, until 04:00");
        usage.quota_octets = None;
        usage.quota_time = None;
        assert_eq!(left(&usage, at(60)), "until 04:00");
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
        let card = super::card(&package, "day");
        assert_eq!(card.facts, ["1 day", "2 GB", "5 Mbit/s", "2 devices"]);
        let named = super::card(&Package { name: "1 day".into(), ..package.clone() }, "");
        assert_eq!(named.facts, ["2 GB", "5 Mbit/s", "2 devices"]);
        assert_eq!((card.price.as_str(), card.chosen), ("KSh 50", true));
    }
}
