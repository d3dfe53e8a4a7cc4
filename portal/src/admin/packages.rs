//! `/admin/packages`: what is sold, at what price and with which limits.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::rules::{Rules, Until};

use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

#[derive(Debug, Template)]
#[template(path = "admin/packages.html")]
pub(super) struct Packages {
    page: Page,
    style: String,
    packages: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    slug: String,
    price: String,
    time: String,
    data: String,
    speed: String,
    devices: u32,
    offered: bool,
}

/// `GET /admin/packages`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let packages = store::package::all(&app.db).await?;
    let page = Packages {
        page: Page::new(&app, &staff, Tab::Packages),
        style: style(),
        packages: packages.iter().map(Row::from).collect(),
    };
    answer(StatusCode::OK, &page)
}

impl From<&store::package::Package> for Row {
    fn from(package: &store::package::Package) -> Row {
        Row {
            name: package.name.clone(),
            slug: package.slug.clone(),
            price: package.price.to_string(),
            time: time(package),
            data: data(&package.rules),
            speed: speed(&package.rules),
            devices: package.rules.device_limit,
            offered: package.active,
        }
    }
}

/// `1 day`, `2 hours online within 1 day`, or `1 day, Mon–Fri 08:00–17:00`.
fn time(package: &store::package::Package) -> String {
    let rules = &package.rules;
    let within = rules.duration.map(words::span).or_else(|| {
        rules.until.map(|until| match until {
            Until::EndOfDay => "the day".to_owned(),
            Until::EndOfWeek => "the week".to_owned(),
        })
    });
    let time = match (rules.quota_time.map(words::span), within) {
        (Some(online), Some(within)) => format!("{online} online within {within}"),
        (Some(online), None) => format!("{online} online"),
        (None, Some(within)) => within,
        (None, None) => "no limit".into(),
    };
    match &package.rules.hours {
        Some(hours) => format!("{time}, {hours}"),
        None => time,
    }
}

/// `2 GB`, or `1 GB up, 5 GB down`.
fn data(rules: &Rules) -> String {
    let parts = [
        rules.quota_octets.map(words::data),
        rules.quota_up.map(|up| format!("{} up", words::data(up))),
        rules.quota_down.map(|down| format!("{} down", words::data(down))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no limit".into() } else { parts.join(", ") }
}

/// `2M/5M`, with its burst, slower after so much data, and other at certain hours.
fn speed(rules: &Rules) -> String {
    let usual = match (rules.rate, rules.burst) {
        (Some(rate), Some(burst)) => format!("{rate} {burst}"),
        (Some(rate), None) => rate.to_string(),
        (None, _) => "no limit".into(),
    };
    let fair_use = (!rules.fair_use.stages().is_empty()).then(|| format!("after {}", rules.fair_use));
    let happy_hours = rules.happy_hours.as_ref().map(ToString::to_string);
    [Some(usual), fair_use, happy_hours].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Packages {
        let row = |offered| Row {
            name: HOSTILE.into(),
            slug: "1-hour".into(),
            price: "KSh 20".into(),
            time: "1 hour".into(),
            data: "no limit".into(),
            speed: "3M/5M".into(),
            devices: 1,
            offered,
        };
        Packages { page, style: style(), packages: vec![row(true), row(false)] }
    }
}
