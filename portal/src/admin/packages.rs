//! `/admin/packages`: what is sold, at what price and with which limits, when and where. One is made or changed in [`edit`], whose form
//! [`rule`] reads; [`changes`] moves one in the list, and takes it off sale.

pub(super) mod changes;
pub(super) mod edit;
mod rule;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::hours::Hours;
use shared::money::Money;
use shared::rules::{Rules, Until};
use shared::sale::{AtSite, NotOffered};
use shared::time::{OffsetDateTime, Zone};
use store::package::Package;
use uuid::Uuid;

use super::page::{After, Page, Tab, answer, style};
use super::words::{Said, Tone, said};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

/// Where the list is.
const LIST: &str = "/admin/packages";

#[derive(Debug, Template)]
#[template(path = "admin/packages.html")]
pub(super) struct Packages {
    page: Page,
    style: String,
    packages: Vec<Row>,
    done: &'static str,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    slug: String,
    price: String,
    time: String,
    data: String,
    speed: String,
    devices: u32,
    state: Said,
    /// When and where, if not always and everywhere.
    sale: String,
    is_sold: bool,
}

/// Identity and name of each site.
type Sites = [(Uuid, String)];

/// `GET /admin/packages`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let packages = store::package::all(&app.db).await?;
    let (sites, now) = (store::site::all(&app.db).await?, app.clock.now());
    let page = Packages {
        page: Page::new(&app, &staff, Tab::Packages),
        style: style(),
        packages: packages.iter().map(|package| row(package, &sites, now)).collect(),
        done: match after.done.as_str() {
            "moved" => "Customers see the packages in this order now.",
            "retired" => "It is not sold any more. Whoever has bought it keeps it.",
            "sold" => "It is sold again.",
            _ => "",
        },
    };
    answer(StatusCode::OK, &page)
}

fn row(package: &Package, sites: &Sites, now: OffsetDateTime) -> Row {
    Row {
        id: package.id,
        name: package.name.clone(),
        slug: package.slug.clone(),
        price: package.price.to_string(),
        time: time(package),
        data: data(&package.rules),
        speed: speed(&package.rules),
        devices: package.rules.device_limit,
        state: state(package, now),
        sale: sale(package, sites, now),
        is_sold: package.active,
    }
}

/// Whether it can be bought now, by the clock of East Africa.
fn state(package: &Package, now: OffsetDateTime) -> Said {
    if !package.active {
        return said(Tone::Plain, "not sold");
    }
    match package.sale.offered(now, Zone::default().minute_of_week(now), None) {
        Ok(()) | Err(NotOffered::NotHere) => said(Tone::Good, "on sale"),
        Err(NotOffered::NotYet) => said(Tone::Busy, "later"),
        Err(NotOffered::Over) => said(Tone::Plain, "over"),
        Err(NotOffered::OtherHours(_)) => said(Tone::Busy, "not at this hour"),
    }
}

/// `from 14:00, Mon–Fri 08:00–17:00, Market KSh 15, not at Beach`.
fn sale(package: &Package, sites: &Sites, now: OffsetDateTime) -> String {
    let sale = &package.sale;
    let at = |(id, at): (&Uuid, &AtSite)| {
        let name = sites.iter().find(|(known, _)| known == id).map_or("(removed)", |(_, name)| name.as_str());
        match at {
            AtSite::Costs(minor) => format!("{name} {}", Money { minor: *minor, ..package.price }),
            AtSite::NotSold => format!("not at {name}"),
        }
    };
    let times = [
        sale.from.map(|from| format!("from {}", words::moment(from, now))),
        sale.until.map(|until| format!("until {}", words::moment(until, now))),
        sale.hours.as_ref().map(Hours::to_string),
    ];
    times.into_iter().flatten().chain(sale.sites.iter().map(at)).collect::<Vec<_>>().join(", ")
}

/// `1 day`, `2 hours online within 1 day`, or `1 day, Mon–Fri 08:00–17:00`.
fn time(package: &Package) -> String {
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
    use std::collections::BTreeMap;
    use std::time::Duration;

    use shared::rate::Rate;
    use shared::rules::{DevicePolicy, HappyHours};
    use shared::sale::{Sale, Text, Texts};
    use store::package::{Purchases, Starts};

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(super) const MARKET: Uuid = Uuid::from_u128(7);
    const BEACH: Uuid = Uuid::from_u128(8);

    pub(super) fn sites() -> Vec<(Uuid, String)> {
        vec![(MARKET, "Market".into()), (BEACH, HOSTILE.into())]
    }

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A package with all that it can have.
    pub(super) fn full() -> Package {
        let text = |name: &str| Text { name: Some(name.into()), description: Some(HOSTILE.into()) };
        let rate = Rate { up_bps: 512_000, down_bps: 5_000_000 };
        Package {
            id: Uuid::from_u128(1),
            slug: "1-hour".into(),
            name: HOSTILE.into(),
            price: Money::kes(2_050),
            starts: Starts::FirstLogin,
            rules: Rules {
                duration: Some(Duration::from_secs(5400)),
                until: None,
                quota_octets: Some(2_500_000_000),
                quota_up: Some(700_000),
                quota_down: Some(1_234),
                quota_time: Some(Duration::from_secs(7 * 86_400)),
                hours: Some("mon 08:00-09:00, wed 08:00-09:00".parse().expect("hours")),
                rate: Some(rate),
                burst: Some("4M/8M 1M/3M 10/10".parse().expect("a burst")),
                fair_use: "5GB 1M/2M, 10GB 512k/1M".parse().expect("stages"),
                happy_hours: Some(HappyHours { hours: "daily 22:00-06:00".parse().expect("hours"), rate }),
                device_limit: 3,
                devices: DevicePolicy::Ask,
                idle_timeout: Some(Duration::from_secs(600)),
            },
            purchases: Purchases { ever: Some(5), a_day: Some(1) },
            active: true,
            position: 4,
            sale: Sale {
                from: Some(at(0)),
                until: Some(at(3600)),
                hours: Some("daily 00:00-12:00".parse().expect("hours")),
                sites: BTreeMap::from([(MARKET, AtSite::Costs(1_500)), (BEACH, AtSite::NotSold)]),
                texts: Texts { english: text("One hour"), swahili: text("Saa moja") },
            },
            version: 2,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Packages {
        let retired = Package { active: false, sale: Sale::default(), ..full() };
        let packages = [full(), retired].iter().map(|package| row(package, &sites(), at(60))).collect();
        Packages { page, style: style(), packages, done: "It is sold again." }
    }

    #[test]
    fn a_line_says_when_and_where_it_is_sold() {
        assert_eq!(
            sale(&full(), &[(MARKET, "Market".into())], at(60)),
            "from 03:00, until 04:00, daily 00:00–12:00, Market KSh 15, not at (removed)"
        );
        let always = Package { sale: Sale::default(), ..full() };
        assert_eq!(sale(&always, &[], at(60)), "");
        // Three in the morning in East Africa, an hour later, and at noon of a package for the night.
        let late = |package: &Package, seconds| state(package, at(seconds)).text;
        assert_eq!((late(&full(), 60), late(&full(), 3600)), ("on sale", "over"));
        let mut noon = always.clone();
        noon.sale.hours = full().sale.hours;
        assert_eq!((late(&noon, 60), late(&noon, 10 * 3600)), ("on sale", "not at this hour"));
        noon.sale.from = Some(at(100));
        assert_eq!((late(&noon, 60), late(&Package { active: false, ..always }, 60)), ("later", "not sold"));
    }
}
