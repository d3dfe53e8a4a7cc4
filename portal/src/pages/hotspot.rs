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
use shared::language::Language;
use shared::mac::Mac;
use shared::rules::{Rules, Until};
use shared::time::OffsetDateTime;
use store::discount::{self, Asked, Facts};
use store::entitlement::{self, Usage};
use store::nas::{self, Hotspot};
use store::order::{self, Order, OrderState};
use store::package::{self, Package};
use store::visit::Step;
use url::Url;

use super::visit::{self, Arrival, Chap, Form, Visit};
use super::{login, refused, remember, scanned, trouble};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::{Speech, Wanted};
use crate::payments::collect::Way;
use crate::urls;
use crate::views::amount::{self, Base};
use crate::views::customer::{Card, CardChoice, Greeting, PackagesPage, ProblemPage, RefusedLogin, Renew};
use crate::views::text::say;
use crate::views::{Site, page, time, words};

/// An order is gone on with when its guest comes back within this.
const RESUME: Duration = Duration::from_secs(30 * 60);
/// How far back a device's last purchase is offered again.
const REMEMBER: Duration = Duration::from_secs(365 * 24 * 3600);

/// `GET /h`
pub(crate) async fn arrive(
    State(app): State<App>,
    wanted: Wanted,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let arrival = Arrival::parse(&query.unwrap_or_default());
    let Some(mac) = Mac::from_bytes(&arrival.mac) else { return not_through_a_router(&app, wanted) };
    let Some(login) = visit::login_target(&arrival.login) else { return not_registered(&app, wanted) };
    let hotspot = registered(&app, &login, &arrival.identity()).await?;
    let Some(hotspot) = hotspot else { return not_registered(&app, wanted) };
    let visit = Visit {
        nas: hotspot.nas_id,
        site: hotspot.site_id,
        site_name: hotspot.site,
        mac,
        login,
        destination: visit::destination(&arrival.destination),
        chap: Chap::read(&arrival.chap_id, &arrival.chap_challenge),
        error: arrival.error(),
        language: wanted.chosen(None),
    };
    app.metrics.step("shown", visit.site_name.as_deref());
    remember::note(&app, &visit, Step::Shown);
    let now = app.clock.now();
    if let Some(order) = under_way(&app, mac, now).await? {
        let language = visit.language.or_else(|| visit::language_of(&order.visit));
        let remembered = serde_json::to_value(Visit { language, ..visit.clone() }).expect("a visit serialises");
        order::revisit(&app.db, order.id, Some(visit.nas), &remembered, now).await?;
        let page = wanted.speech(language, None).to(&urls::order(app.db.seal(), order.id));
        return Ok(Redirect::to(&page).into_response());
    }
    let code = scanned::code(&app.config.portal.public_url, &headers).unwrap_or_default();
    show(&app, wanted, visit, Typed { code, ..Typed::default() }).await
}

/// The query of `/packages`.
#[derive(Debug, Deserialize)]
pub(crate) struct Carried {
    #[serde(default)]
    visit: String,
}

/// `GET /packages`: the same page for a visit that we carry, whatever order is under way.
pub(crate) async fn packages(
    State(app): State<App>,
    wanted: Wanted,
    axum::extract::Query(carried): axum::extract::Query<Carried>,
) -> Result<Response, AppError> {
    let form = open(&app, wanted, &carried.visit)?;
    show(&app, wanted, form.visit, Typed::default()).await
}

/// `GET /`: somebody typed our address.
pub(crate) async fn home(State(app): State<App>, wanted: Wanted) -> Result<Response, AppError> {
    not_through_a_router(&app, wanted)
}

/// Any other address.
pub(crate) async fn nowhere() -> AppError {
    AppError::NotFound
}

/// Opens the token of a form of ours. A language that was chosen since then goes on with it.
pub(crate) fn open(app: &App, wanted: Wanted, token: &str) -> Result<Form, AppError> {
    let mut form =
        Form::open(app.db.seal(), token, app.clock.now()).ok_or(AppError::BadRequest("problem-open-too-long"))?;
    form.visit.language = wanted.chosen(form.visit.language);
    Ok(form)
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
pub(crate) async fn show(app: &App, wanted: Wanted, visit: Visit, typed: Typed) -> Result<Response, AppError> {
    let now = app.clock.now();
    let offered = package::offered(&app.db, visit.site, now).await?;
    let usage = entitlement::latest_of_device(&app.db, visit.mac).await?;
    let last = order::latest_of_device(&app.db, visit.mac, now - REMEMBER).await?;
    // A captive browser has forgotten what was chosen; the last order has not.
    let remembered = last.as_ref().and_then(|order| visit::language_of(&order.visit));
    let visit = Visit { language: visit.language.or(remembered), ..visit };
    let speech = wanted.speech(visit.language, None);
    let language = speech.language;
    let greeting = match &usage {
        Some(usage) if usage.is_usable(now) => Some(greet(app, speech, &visit, usage, last.as_ref(), now).await?),
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
    let prices = Prices::of(language, &facts, &offered, &typed.package);
    let discount_error = typed.discount_error.or(prices.problem);
    let card_choice = card_choice(app, &prices.priced, typed.by_card);
    let has_menu = app.config.mpesa.as_ref().is_some_and(|mpesa| mpesa.menu);
    let menu = if has_menu { trouble::Menu::AfterChoice } else { trouble::Menu::No };
    let problems = [&typed.phone_error, &typed.code_error, &typed.recipient_error, &discount_error];
    let wrong = problems.iter().any(|problem| problem.is_some());
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let token = Form::new(visit.clone(), now).seal(app.db.seal());
    let account = speech.to(&urls::account(&token));
    let site = Site::of(app, speech).at(&urls::packages(&token));
    // What was typed here is newer than what the router said.
    let refused = if typed.notice.is_some() { None } else { refused_card(&site, &visit, &account) };
    let renewal = || renew(language, &offered, &prices.priced, usage.as_ref(), last.as_ref(), now);
    let view = PackagesPage {
        site,
        notice: typed.notice,
        refused,
        trouble: trouble::card(app, language, menu, card_choice.is_some()),
        greeting,
        present,
        renew: app.mpesa.as_ref().and_then(|_| renewal()),
        cards: offered
            .iter()
            .zip(&prices.priced)
            .map(|(package, priced)| card(language, package, priced, &typed.package))
            .collect(),
        pay: app.mpesa.is_some() || card_choice.is_some(),
        card_choice,
        account,
        privacy: speech.to(&urls::privacy(&token)),
        phone: typed.phone,
        phone_error: typed.phone_error,
        code: typed.code,
        code_error: typed.code_error,
        discount: typed.discount,
        discount_error,
        recipient: typed.recipient,
        recipient_error: typed.recipient_error,
        visit: token,
    };
    Ok(login::allow(page(status, &view)?, &visit, &app.config.portal.public_url))
}

/// Why the router let the guest not in, with a button to what is on this page, or elsewhere.
fn refused_card(site: &Site, visit: &Visit, account: &str) -> Option<RefusedLogin> {
    let ways = refused::Ways {
        packages: "#offers".to_owned(),
        voucher: "#code".to_owned(),
        account: account.to_owned(),
        again: visit.login.to_string(),
    };
    refused::card(site, &visit.error, ways)
}

/// What each package costs here and now, and what is wrong with the code that was typed.
struct Prices {
    priced: Vec<Priced>,
    problem: Option<String>,
}

impl Prices {
    /// A code that counts for one of the packages is right; what is told of one that counts for none is told of the chosen one.
    fn of(language: Language, facts: &Facts<'_>, offered: &[Package], chosen: &str) -> Prices {
        let plain = facts.without_code();
        let (mut priced, mut problem, mut counts) = (Vec::new(), None, false);
        for package in offered {
            let price = facts.price(package, WHOLE_UNIT).inspect_err(|found| {
                if problem.is_none() || package.slug == chosen {
                    problem = Some(words::code_problem(language, found));
                }
            });
            counts |= price.is_ok();
            let price = price.or_else(|_| plain.price(package, WHOLE_UNIT));
            priced.push(price.unwrap_or_else(|_| undiscounted(package)));
        }
        Prices { priced, problem: problem.filter(|_| !counts) }
    }
}

/// What a package costs where nothing lowers its price.
pub(crate) fn undiscounted(package: &Package) -> Priced {
    Priced { full: package.price, pays: package.price, applied: Vec::new(), code_is_idle: false }
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
    speech: Speech,
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
        Some(order) => {
            let page = urls::order_after_login(&app.config.portal.public_url, app.db.seal(), order.id);
            Some(speech.to(&page))
        }
        None => visit.destination.as_ref().map(Url::to_string),
    };
    Ok(Greeting {
        package: usage.package.clone(),
        left: left(speech.language, usage, now),
        // Who is online needs no login.
        login: (usage.online == 0).then(|| login::form(visit, &username, &password, then, false)),
    })
}

pub(crate) fn device_login(app: &App, usage: &Usage, mac: Mac) -> String {
    let digest = app.db.seal().lookup(format!("device-login:{}:{mac}", usage.id).as_bytes());
    format!("D{}", hex::encode_upper(&digest[..8]))
}

/// What is left of an entitlement: time, data, or both.
pub(crate) fn left(language: Language, usage: &Usage, now: OffsetDateTime) -> String {
    let (rules, used) = (&usage.rules, usage.used);
    let rest = |quota: u64, used: u64| amount::data(quota.saturating_sub(used), Base::of(Some(quota)));
    let data = rules.quota_octets.map(|quota| say(language, "left-data").with("data", rest(quota, used.octets())));
    let up = rules.quota_up.map(|quota| say(language, "left-up").with("data", rest(quota, used.up)));
    let down = rules.quota_down.map(|quota| say(language, "left-down").with("data", rest(quota, used.down)));
    let online =
        rules.time_left(used).map(|rest| say(language, "left-online").with("time", amount::span(language, rest)));
    let until = usage.expires_at.map(|end| say(language, "left-until").with("until", time::clock(language, end, now)));
    let limits: Vec<String> =
        [data, up, down, online, until].into_iter().flatten().map(|said| said.to_string()).collect();
    match limits.as_slice() {
        [] if usage.starts_at.is_none() => say(language, "left-not-begun").to_string(),
        [] => say(language, "left-no-limit").to_string(),
        some => some.join(", "),
    }
}

/// The last package again, if it is still on sale and it is known who paid.
fn renew(
    language: Language,
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
        Access::Exhausted | Access::Active if usage.time_is_used() => Some("packages-hours-are-used"),
        Access::Exhausted => Some("packages-data-is-used"),
        Access::Expired => Some("packages-time-is-over"),
        Access::Active if usage.expires_at.is_some_and(|end| end <= now) => Some("packages-time-is-over"),
        Access::Active => Some("packages-data-is-used"),
        Access::Revoked => None,
    });
    Some(Renew {
        ended: ended.map(|key| say(language, key).to_string()),
        choice: choice(package, priced),
        package: name(language, package).to_owned(),
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

/// The name of a package for who reads that language.
pub(crate) fn name(language: Language, package: &Package) -> &str {
    package.sale.texts.name(language, &package.name)
}

/// A package as the guest sees it: the desk shows it so too.
pub(crate) fn card(language: Language, package: &Package, priced: &Priced, chosen: &str) -> Card {
    let name = name(language, package);
    let action = match priced.pays.minor {
        0 => say(language, "packages-get-free"),
        _ => say(language, "packages-pay").with("price", priced.pays),
    };
    // A package named for its time or data needs no second word on it, in whatever language it was named.
    let said = facts(language, &package.rules).into_iter().zip(facts(Language::English, &package.rules));
    let news = said.filter_map(|(fact, english)| fact.filter(|_| english.as_deref() != Some(name)));
    Card {
        choice: choice(package, priced),
        name: name.to_owned(),
        description: package.sale.texts.description(language).map(str::to_owned),
        action: action.to_string(),
        price: priced.pays.to_string(),
        before: (!priced.applied.is_empty()).then(|| priced.full.to_string()),
        saving: saving(language, priced),
        facts: news.filter(|fact| fact != name).collect(),
        chosen: package.slug == chosen,
    }
}

/// Time, data, speed and devices of a package, a line each.
fn facts(language: Language, rules: &Rules) -> [Option<String>; 9] {
    let span = |time| amount::span(language, time);
    let octets = |quota| amount::data(quota, Base::of(Some(quota)));
    let data = match (rules.quota_octets, rules.quota_up, rules.quota_down) {
        (Some(quota), ..) => octets(quota),
        (None, None, Some(down)) => say(language, "card-down").with("data", octets(down)).to_string(),
        (None, Some(up), None) => say(language, "card-up").with("data", octets(up)).to_string(),
        (None, Some(up), Some(down)) => {
            say(language, "card-up-and-down").with("up", octets(up)).with("down", octets(down)).to_string()
        }
        (None, None, None) => say(language, "card-unlimited").to_string(),
    };
    let devices = Some(rules.device_limit).filter(|devices| *devices != 1);
    [
        rules.quota_time.map(|time| say(language, "card-online").with("time", span(time)).to_string()),
        rules.duration.map(|time| match rules.quota_time {
            Some(_) => say(language, "card-within").with("time", span(time)).to_string(),
            None => span(time),
        }),
        rules.until.map(|until| match until {
            Until::EndOfDay => say(language, "card-until-midnight").to_string(),
            Until::EndOfWeek => say(language, "card-until-sunday").to_string(),
        }),
        rules.hours.as_ref().map(|hours| words::hours(language, hours)),
        Some(data),
        rules.rate.and_then(amount::speed),
        rules
            .fair_use
            .stages()
            .first()
            .map(|stage| say(language, "card-slower-after").with("data", octets(stage.after)).to_string()),
        rules.happy_hours.as_ref().map(|happy| {
            let speed = amount::speed(happy.rate).unwrap_or_else(|| say(language, "card-full-speed").to_string());
            format!("{}: {speed}", words::hours(language, &happy.hours))
        }),
        devices.map(|devices| say(language, "card-devices").count("count", devices.into()).to_string()),
    ]
}

/// `Happy hour: you save KSh 4`.
fn saving(language: Language, priced: &Priced) -> Option<String> {
    if priced.code_is_idle {
        return Some(say(language, "card-code-is-idle").to_string());
    }
    let names: Vec<&str> = priced.applied.iter().map(|applied| applied.name.as_str()).collect();
    let save = || say(language, "card-you-save").with("discounts", names.join(", ")).with("amount", priced.saving());
    (!names.is_empty()).then(|| save().to_string())
}

/// Without a link to the other language: it would have to hold what a stranger wrote into the address.
fn not_registered(app: &App, wanted: Wanted) -> Result<Response, AppError> {
    let site = Site::of(app, wanted.speech(None, None));
    let view = ProblemPage {
        title: site.say("problem-not-registered").to_string(),
        text: site.say("problem-not-registered-advice").to_string(),
        site,
        try_again: false,
    };
    page(StatusCode::NOT_FOUND, &view)
}

fn not_through_a_router(app: &App, wanted: Wanted) -> Result<Response, AppError> {
    let site = Site::of(app, wanted.speech(None, None)).at("/");
    let view = ProblemPage {
        title: site.say("problem-join-first").to_string(),
        text: site.say("problem-join-first-advice").to_string(),
        site,
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
    use shared::sale::Sale;
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
        assert_eq!(left(Language::English, &usage, at(60)), "488 MB of data, until 04:00");
        usage.rules.quota_time = Some(Duration::from_secs(7800));
        assert_eq!(left(Language::English, &usage, at(60)), "488 MB of data, 2 hours online, until 04:00");
        usage.rules.quota_octets = None;
        usage.rules.quota_time = None;
        assert_eq!(left(Language::English, &usage, at(60)), "until 04:00");
        usage.rules.quota_up = Some(100_000_000);
        usage.rules.quota_down = Some(400_000_000);
        assert_eq!(left(Language::English, &usage, at(60)), "98 MB up, 390 MB down, until 04:00");
        usage.rules = Rules::default();
        usage.expires_at = None;
        assert_eq!(left(Language::English, &usage, at(60)), "without limit");
        usage.starts_at = None;
        assert_eq!(left(Language::English, &usage, at(60)), "its time begins when you go online");
        let swahili = Usage { rules: self::usage().rules, expires_at: Some(at(3600)), ..usage };
        assert_eq!(left(Language::Swahili, &swahili, at(60)), "data 488 MB, hadi saa 04:00");
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
            sale: Sale::default(),
            version: 1,
        };
        let full = undiscounted;
        let card = super::card(Language::English, &package, &full(&package), "day");
        assert_eq!(card.facts, ["1 day", "2 GB", "5 Mbit/s", "2 devices"]);
        let one_day = Package { name: "1 day".into(), ..package.clone() };
        let named = super::card(Language::English, &one_day, &full(&package), "");
        assert_eq!(named.facts, ["2 GB", "5 Mbit/s", "2 devices"]);
        let named = super::card(Language::Swahili, &one_day, &full(&package), "");
        assert_eq!(
            (named.facts.join(", ").as_str(), named.action.as_str()),
            ("2 GB, 5 Mbit/s, vifaa 2", "Lipa KSh 50")
        );
        assert_eq!((card.price.as_str(), card.chosen), ("KSh 50", true));
        assert_eq!((card.choice.as_str(), card.before, card.saving), ("day:5000", None, None));
        let applied = vec![Applied { id: Uuid::from_u128(1), name: "Happy hour".into(), saving: Money::kes(1000) }];
        let lowered = Priced { pays: Money::kes(4000), applied, ..full(&package) };
        let card = super::card(Language::English, &package, &lowered, "");
        assert_eq!((card.choice.as_str(), card.action.as_str()), ("day:4000", "Pay KSh 40"));
        assert_eq!(card.before.as_deref(), Some("KSh 50"));
        assert_eq!(card.saving.as_deref(), Some("Happy hour: you save KSh 10"));
        let mut worded = package;
        worded.sale.texts.english.description = Some("For the whole family".into());
        worded.sale.texts.swahili.name = Some("Siku nzima".into());
        for (language, name) in [(Language::English, "Day"), (Language::Swahili, "Siku nzima")] {
            let card = super::card(language, &worded, &full(&worded), "");
            assert_eq!((card.name.as_str(), card.description.as_deref()), (name, Some("For the whole family")));
        }
        let swahili = super::card(Language::Swahili, &worded, &full(&worded), "");
        assert_eq!(swahili.facts, ["siku 1", "2 GB", "5 Mbit/s", "vifaa 2"], "a name of the operator's hides no fact");
    }
}
