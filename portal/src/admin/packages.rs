//! `/admin/packages`: what is sold, at what price and with which limits.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;
use crate::views::amount;

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
            data: package.quota_octets.map_or_else(|| "no limit".into(), words::data),
            speed: package.rate.map_or_else(|| "no limit".into(), |rate| format!("{rate}")),
            devices: package.device_limit,
            offered: package.active,
        }
    }
}

/// `1 day`, `2 hours online within 1 day`, or `1 day, Mon–Fri 08:00–17:00`.
fn time(package: &store::package::Package) -> String {
    let within = package.duration.map(amount::span);
    let time = match (package.quota_time.map(amount::span), within) {
        (Some(online), Some(within)) => format!("{online} online within {within}"),
        (Some(online), None) => format!("{online} online"),
        (None, Some(within)) => within,
        (None, None) => "no limit".into(),
    };
    match &package.hours {
        Some(hours) => format!("{time}, {hours}"),
        None => time,
    }
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
