//! Packages: what is sold, also what is no longer offered. Each change is a version, and what was sold before keeps its rules. None is
//! deleted: it is taken off sale (`active`).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use shared::money::Money;
use shared::rate::Rate;
use shared::rng;
use shared::rules::{DevicePolicy, Rules, Until};
use shared::sale::{AtSite, LONGEST_TEXT, Sale, Text, Texts};
use shared::time::rfc3339;
use store::StoreError;
use store::package::{self, Package, Purchases, Starts, version};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{
    self, Input, MAX_MINOR, Read, count, exactly, flag, got, line, list as list_of, moment, money, object, parsed,
    size, whole, word,
};
use super::json;
use super::list::{Asked, whole as whole_list};
use super::problem::Problem;
use super::single::Single;
use crate::App;
use crate::cli::values;

/// Longest time that a package may last, seconds: ten years.
const MAX_SECONDS: i64 = 315_360_000;
/// Most purchases that a limit allows.
const MOST_TIMES: u32 = 1_000_000;
/// Most sites with a price of their own.
const MOST_SITES: usize = 1_000;

fn spelt(package: &Package) -> json::Package {
    package.into()
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let packages = package::all(&app.db).await?;
    asked.page_of_all(&app, packages, |package| package.id, spelt)
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let package = package::by_id(&app.db, in_path(Thing::Package, &id)?).await?;
    Ok(Single::new(spelt(&package)).read(&headers))
}

pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let slug = input.required("slug", exactly(values::slug));
    let name = input.required("name", line(200));
    let price = input.required("price", money);
    let package = Package {
        id: rng::id(app.clock.now()),
        slug: String::new(),
        name: String::new(),
        price: Money::kes(0),
        starts: Starts::FirstLogin,
        rules: Rules::default(),
        purchases: Purchases::default(),
        active: true,
        position: 0,
        sale: Sale::default(),
        version: 0,
    };
    let package = changed(package, &mut input);
    input.done()?;
    let package = Package { slug: got(slug)?, name: got(name)?, price: got(price)?, ..package };
    check(&package)?;
    let package = package::add(&app.db, &package, &token.actor, app.clock.now()).await?;
    token.audit(&app, "package.save", &package.slug).await?;
    Ok(Single::new(spelt(&package)).created(&format!("/packages/{}", spell(Thing::Package, package.id))))
}

pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let package = package::by_id(&app.db, in_path(Thing::Package, &id)?).await?;
    Single::new(spelt(&package)).unchanged(&headers)?;
    let name = input.change("name", line(200)).unwrap_or_else(|| package.name.clone());
    let price = input.change("price", money).unwrap_or(package.price);
    let package = Package { name, price, ..changed(package, &mut input) };
    input.done()?;
    check(&package)?;
    // Whoever changes it in the same moment is told: it knows the version that was read.
    let package = package::change(&app.db, &package, &token.actor, app.clock.now()).await?;
    token.audit(&app, "package.save", &package.slug).await?;
    Ok(Single::new(spelt(&package)).answer(StatusCode::OK))
}

#[derive(Debug, Serialize)]
struct Version {
    version: u32,
    at: String,
    by: String,
    /// What is other than before; null: there is none before that is kept.
    changed: Option<Vec<&'static str>>,
    package: json::Package,
}

/// `GET /packages/{id}/versions`: what it was before, the newest first.
pub(super) async fn versions(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let package = package::by_id(&app.db, in_path(Thing::Package, &id)?).await?;
    let versions = version::all(&app.db, package.id).await?;
    let told = versions.iter().enumerate().map(|(place, version)| Version {
        version: version.number,
        at: rfc3339(version.at),
        by: version.by.clone(),
        changed: versions.get(place + 1).map(|before| version.package.differences(&before.package)),
        package: spelt(&version.package),
    });
    Ok(whole_list(told.collect()))
}

/// A package with what a body says otherwise.
fn changed(package: Package, input: &mut Input) -> Package {
    let starts = word(&[("purchase", Starts::Purchase), ("first_login", Starts::FirstLogin)]);
    let times = || count(1..=MOST_TIMES);
    Package {
        starts: input.change("starts", starts).unwrap_or(package.starts),
        active: input.change("active", flag).unwrap_or(package.active),
        position: input.change("position", position).unwrap_or(package.position),
        purchases: Purchases {
            ever: input.nullable("purchases_per_person", times()).unwrap_or(package.purchases.ever),
            a_day: input.nullable("purchases_per_day", times()).unwrap_or(package.purchases.a_day),
        },
        rules: changed_rules(package.rules, input),
        sale: changed_sale(package.sale, input),
        ..package
    }
}

fn changed_rules(rules: Rules, input: &mut Input) -> Rules {
    let octets = || size(1..=MAX_MINOR);
    let seconds = |from: i64| {
        let read = size(from..=MAX_SECONDS);
        move |value: &Value| read(value).map(Duration::from_secs)
    };
    let until = word(&[("day", Until::EndOfDay), ("week", Until::EndOfWeek)]);
    let policy =
        word(&[("strict", DevicePolicy::Strict), ("replace", DevicePolicy::Replace), ("ask", DevicePolicy::Ask)]);
    let rate = speed(rules.rate, input);
    Rules {
        rate,
        duration: input.nullable("duration_seconds", seconds(1)).unwrap_or(rules.duration),
        until: input.nullable("until", until).unwrap_or(rules.until),
        quota_octets: input.nullable("quota_bytes", octets()).unwrap_or(rules.quota_octets),
        quota_up: input.nullable("quota_up_bytes", octets()).unwrap_or(rules.quota_up),
        quota_down: input.nullable("quota_down_bytes", octets()).unwrap_or(rules.quota_down),
        quota_time: input.nullable("quota_seconds", seconds(1)).unwrap_or(rules.quota_time),
        hours: input.nullable("hours", parsed).unwrap_or(rules.hours),
        burst: input.nullable("burst", parsed).unwrap_or(rules.burst),
        fair_use: input.nullable("fair_use", parsed).map_or(rules.fair_use, Option::unwrap_or_default),
        happy_hours: input.nullable("happy_hours", parsed).unwrap_or(rules.happy_hours),
        device_limit: input.change("device_limit", count(1..=100)).unwrap_or(rules.device_limit),
        devices: input.change("device_policy", policy).unwrap_or(rules.devices),
        idle_timeout: input.nullable("idle_timeout_seconds", seconds(60)).unwrap_or(rules.idle_timeout),
    }
}

/// Both speeds, or none.
fn speed(before: Option<Rate>, input: &mut Input) -> Option<Rate> {
    let bits = || size(0..=MAX_MINOR);
    let up = input.nullable("up_bits_per_second", bits()).unwrap_or(before.map(|rate| rate.up_bps));
    let down = input.nullable("down_bits_per_second", bits()).unwrap_or(before.map(|rate| rate.down_bps));
    if up.is_some() != down.is_some() {
        input.note("up_bits_per_second", "incomplete", "say both speeds, or neither".into());
    }
    up.zip(down).map(|(up_bps, down_bps)| Rate { up_bps, down_bps })
}

fn changed_sale(sale: Sale, input: &mut Input) -> Sale {
    Sale {
        from: input.nullable("offered_from", moment).unwrap_or(sale.from),
        until: input.nullable("offered_until", moment).unwrap_or(sale.until),
        hours: input.nullable("offered_hours", parsed).unwrap_or(sale.hours),
        sites: input.change("site_prices", sites).unwrap_or(sale.sites),
        texts: input.change("texts", texts).unwrap_or(sale.texts),
    }
}

fn position(value: &Value) -> Read<i32> {
    i32::try_from(whole(0..=1_000_000)(value)?).map_err(|error| error.to_string())
}

fn sites(value: &Value) -> Read<BTreeMap<Uuid, AtSite>> {
    let one = |value: &Value| {
        object(value, |input| {
            let site = input.required("site", |value| {
                let read = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
                read.ok_or_else(|| "write the identity of a site".to_owned())
            });
            let price = input.nullable("price", money)?;
            Some((site?, price.map_or(AtSite::NotSold, |price| AtSite::Costs(price.minor))))
        })
    };
    list_of(MOST_SITES, one)(value).map(BTreeMap::from_iter)
}

fn texts(value: &Value) -> Read<Texts> {
    object(value, |input| {
        let english = input.optional("en", text);
        let swahili = input.optional("sw", text);
        Some(Texts { english: english.unwrap_or_default(), swahili: swahili.unwrap_or_default() })
    })
}

fn text(value: &Value) -> Read<Text> {
    object(value, |input| {
        let name = input.optional("name", input::line(LONGEST_TEXT));
        let description = input.optional("description", input::line(LONGEST_TEXT));
        Some(Text { name, description })
    })
}

/// Whether the parts of a package fit each other.
fn check(package: &Package) -> Result<(), Problem> {
    let rules = &package.rules;
    if !rules.is_limited() {
        let sentence = "a package needs an end: a duration, an end by the calendar, data, or time online";
        return Err(StoreError::Conflict(sentence.into()).into());
    }
    if rules.duration.is_some() && rules.until.is_some() {
        return Err(
            StoreError::Conflict("a package lasts for a duration or until the end of a day or week".into()).into()
        );
    }
    match (rules.burst, rules.rate) {
        (Some(_), None) => Err(StoreError::Conflict("a burst needs a speed".into()).into()),
        (Some(burst), Some(rate)) => {
            burst.fits(rate).map_err(|problem| StoreError::Conflict(problem.to_string()).into())
        }
        (None, _) => Ok(()),
    }
}
