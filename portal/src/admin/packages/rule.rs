//! A package as its form has it: what the fields are, how one that is there fills them, and how they are read. Values are spelt as on the
//! command line; moments are in East African time, as the whole desk shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::hours::Hours;
use shared::money::{Currency, Money};
use shared::rate::{Burst, Rate};
use shared::rules::{DevicePolicy, FairUse, HappyHours, Rules, Until};
use shared::sale::{AtSite, NotASale, Sale, Text, Texts};
use shared::time::OffsetDateTime;
use store::package::{Package, Purchases, Starts};
use uuid::Uuid;

use super::Sites;
use crate::admin::discounts::rule::{moment, typed};
use crate::admin::form::{Field, Fields, Filled, Form, Problems, number};
use crate::cli::values;

/// Most devices, and most purchases by one person.
const MOST_DEVICES: u32 = 100;
const MOST_TIMES: u32 = 1_000_000;
/// Shortest idle time, which routers can keep.
const SHORTEST_IDLE: Duration = Duration::from_secs(60);

/// What a form does not say of a package: which one it is, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) id: Uuid,
    /// Its short name, which stays; `None`: it is new, and the form says it.
    pub(super) slug: Option<String>,
    pub(super) active: bool,
    pub(super) position: i32,
}

/// The form, filled in. A new package gets its short name here, once.
pub(super) fn form(action: &str, is_new: bool, filled: Filled<'_>) -> Form {
    let mut form = Form::new("package", action, "Save").field(Field::hidden("version", filled.sent.text("version")));
    if is_new {
        let hint = "Small letters, digits and dashes, such as 1-hour. It stays as it is.";
        form = form.field(filled.text("slug", "Short name").hint(hint).required());
    }
    let form = words_and_price(form, filled);
    let form = offered(form, filled);
    limits(form, filled)
}

fn words_and_price(form: Form, filled: Filled<'_>) -> Form {
    form.field(filled.text("name", "Name").hint("What customers read, such as 1 hour.").required())
        .field(filled.text("name_sw", "Name in Swahili").hint("Empty: the English name, or the name above."))
        .field(filled.text("name_en", "Name in English").hint("Empty: the name above."))
        .field(filled.text("description_sw", "Sentence in Swahili").hint("Empty: the English one."))
        .field(
            filled.text("description_en", "Sentence in English").hint("Such as “For the whole family”. Empty: none."),
        )
        .field(filled.text("price", "Price").hint("Such as 20 or 20.50; 0 for a free trial.").required())
        .field(filled.text("currency", "Currency").hint("Empty: KES."))
        .field(filled.long("sites", "Other prices by site").hint(
            "One line a site: “Market: 15”, or “Beach: no” where it is not sold. Elsewhere it costs the price above.",
        ))
}

fn offered(form: Form, filled: Filled<'_>) -> Form {
    form.field(filled.moment("offered_from", "Offered from").hint("Empty: from now on."))
        .field(filled.moment("offered_until", "Offered until").hint("Empty: until you end it."))
        .field(
            filled
                .text("offered_hours", "Offered at these hours")
                .hint("In the time of the place, such as mon-fri 06:00-18:00. Empty: always."),
        )
}

fn limits(form: Form, filled: Filled<'_>) -> Form {
    let option = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    let calendar =
        [option("", "no end by the calendar"), option("day", "midnight"), option("week", "Sunday at midnight")];
    let starts = [option("first_login", "at the first login"), option("purchase", "when it is paid")];
    let policy = [
        option("strict", "it is refused"),
        option("replace", "it takes the place of the first one"),
        option("ask", "the customer is asked"),
    ];
    form.field(
        filled.text("duration", "Lasts").hint("Such as 30m, 1h, 1d or 1w; or an end by the calendar, or by data."),
    )
    .field(filled.choice("calendar", "Lasts until", &calendar))
    .field(filled.choice("starts", "Its clock starts", &starts))
    .field(filled.text("online", "Time online").hint("Such as 2h: it counts only while somebody is online."))
    .field(filled.text("data", "Data").hint("Up and down together, such as 500MB or 2GB. Empty: without limit."))
    .field(filled.text("data_up", "Data up").hint("From the customer."))
    .field(filled.text("data_down", "Data down").hint("To the customer."))
    .field(filled.text("hours", "Can be used at these hours").hint("Such as daily 22:00-06:00. Empty: always."))
    .field(filled.text("speed", "Speed").hint("Up and down, such as 3M/5M or 512k/1M. Empty: without limit."))
    .field(filled.text("burst", "Burst").hint("Speed, threshold and seconds, such as 4M/8M 1M/3M 10/10."))
    .field(filled.text("fair_use", "Slower after").hint("Such as 5GB 1M/2M, 10GB 512k/1M."))
    .field(filled.text("happy_hours", "Another speed at certain hours").hint("Such as daily 22:00-06:00 at 4M/8M."))
    .field(filled.number("devices", "Devices").hint("1 to 100.").required())
    .field(filled.choice("device_policy", "One device too many", &policy))
    .field(
        filled
            .number("per_person", "Purchases by one person, or one device")
            .hint("1 for a free trial. Empty: without limit."),
    )
    .field(filled.number("per_day", "Purchases on one day").hint("Empty: without limit."))
    .field(filled.text("idle", "Ends after silence of").hint("At least 1m. Empty: as the router is set."))
}

/// The fields of a new package.
pub(super) fn blank() -> Fields {
    Fields::default().with("devices", "1")
}

/// The fields of one that is there.
pub(super) fn fields(package: &Package, sites: &Sites) -> Fields {
    let (rules, sale) = (&package.rules, &package.sale);
    let time = |time: Option<Duration>| time.map(span).unwrap_or_default();
    let data = |octets: Option<u64>| octets.map(octets_typed).unwrap_or_default();
    let count = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let at = |moment: Option<OffsetDateTime>| moment.map(typed).unwrap_or_default();
    let hours = |hours: &Option<Hours>| hours.as_ref().map(Hours::typed).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let happy = rules.happy_hours.as_ref().map(|happy| format!("{} at {}", happy.hours.typed(), happy.rate));
    Fields::default()
        .with("version", package.version.to_string())
        .with("name", package.name.as_str())
        .with("name_en", text(&sale.texts.english.name))
        .with("name_sw", text(&sale.texts.swahili.name))
        .with("description_en", text(&sale.texts.english.description))
        .with("description_sw", text(&sale.texts.swahili.description))
        .with("price", price(package.price.minor))
        .with("currency", package.price.currency.as_str())
        .with("sites", lines(&sale.sites, sites))
        .with("offered_from", at(sale.from))
        .with("offered_until", at(sale.until))
        .with("offered_hours", hours(&sale.hours))
        .with("duration", time(rules.duration))
        .with("calendar", rules.until.map(Until::as_str).unwrap_or_default())
        .with("starts", package.starts.as_str())
        .with("online", time(rules.quota_time))
        .with("data", data(rules.quota_octets))
        .with("data_up", data(rules.quota_up))
        .with("data_down", data(rules.quota_down))
        .with("hours", hours(&rules.hours))
        .with("speed", rules.rate.map(|rate| rate.to_string()).unwrap_or_default())
        .with("burst", rules.burst.map(|burst| burst.to_string()).unwrap_or_default())
        .with("fair_use", rules.fair_use.to_string())
        .with("happy_hours", happy.unwrap_or_default())
        .with("devices", rules.device_limit.to_string())
        .with("device_policy", rules.devices.as_str())
        .with("per_person", count(package.purchases.ever))
        .with("per_day", count(package.purchases.a_day))
        .with("idle", time(rules.idle_timeout))
}

/// Reads the fields. `None`: what is wrong stands in `problems`.
pub(super) fn read(known: Known, sent: &Fields, sites: &Sites, problems: &mut Problems) -> Option<Package> {
    let slug = known.slug.or_else(|| problems.keep("slug", values::slug(sent.text("slug"))));
    let name = problems.keep("name", values::name(sent.text("name")));
    let minor = problems.keep("price", values::price(sent.text("price")));
    let currency = problems.optional(sent, "currency", |text| text.to_ascii_uppercase().parse::<Currency>());
    let sale = sale(sent, sites, problems);
    let rules = rules(sent, problems);
    let purchases = Purchases {
        ever: problems.optional(sent, "per_person", |text| number(text, 1, MOST_TIMES)),
        a_day: problems.optional(sent, "per_day", |text| number(text, 1, MOST_TIMES)),
    };
    let (Some(slug), Some(name), Some(minor), true) = (slug, name, minor, problems.is_empty()) else { return None };
    Some(Package {
        id: known.id,
        slug,
        name,
        price: Money { minor, currency: currency.unwrap_or(Currency::KES) },
        starts: if sent.text("starts") == Starts::Purchase.as_str() { Starts::Purchase } else { Starts::FirstLogin },
        rules,
        purchases,
        active: known.active,
        position: known.position,
        sale,
        version: sent.text("version").parse().unwrap_or(0),
    })
}

fn sale(sent: &Fields, sites: &Sites, problems: &mut Problems) -> Sale {
    let mut text = |name: &str| problems.optional(sent, name, values::name);
    let texts = Texts {
        english: Text { name: text("name_en"), description: text("description_en") },
        swahili: Text { name: text("name_sw"), description: text("description_sw") },
    };
    let sale = Sale {
        from: problems.optional(sent, "offered_from", moment),
        until: problems.optional(sent, "offered_until", moment),
        hours: problems.optional(sent, "offered_hours", |text| text.parse::<Hours>()),
        sites: problems.keep("sites", site_prices(sent.text("sites"), sites)).unwrap_or_default(),
        texts,
    };
    match sale.check() {
        Ok(()) => {}
        Err(problem @ NotASale::Window) => problems.note("offered_until", problem),
        Err(problem @ NotASale::Price) => problems.note("sites", problem),
        Err(problem @ NotASale::Text) => problems.note("name_en", problem),
    }
    sale
}

fn rules(sent: &Fields, problems: &mut Problems) -> Rules {
    let rules = Rules {
        duration: problems.optional(sent, "duration", values::duration),
        until: Until::parse(sent.text("calendar")),
        quota_octets: problems.optional(sent, "data", values::octets),
        quota_up: problems.optional(sent, "data_up", values::octets),
        quota_down: problems.optional(sent, "data_down", values::octets),
        quota_time: problems.optional(sent, "online", values::duration),
        hours: problems.optional(sent, "hours", |text| text.parse::<Hours>()),
        rate: problems.optional(sent, "speed", |text| text.parse::<Rate>()),
        burst: problems.optional(sent, "burst", |text| text.parse::<Burst>()),
        fair_use: problems.optional(sent, "fair_use", |text| text.parse::<FairUse>()).unwrap_or_default(),
        happy_hours: problems.optional(sent, "happy_hours", |text| text.parse::<HappyHours>()),
        device_limit: problems.keep("devices", number(sent.text("devices"), 1, MOST_DEVICES)).unwrap_or(1),
        devices: DevicePolicy::parse(sent.text("device_policy")).unwrap_or_default(),
        idle_timeout: problems.optional(sent, "idle", values::duration),
    };
    fit_each_other(&rules, problems);
    rules
}

/// Notes what is wrong with rules of which each by itself is right. One that could not be read is said to be wrong already.
fn fit_each_other(rules: &Rules, problems: &mut Problems) {
    if rules.duration.is_some() && rules.until.is_some() {
        problems.note("calendar", "choose a time or an end by the calendar, not both");
    }
    let is_unread = ["duration", "data", "data_up", "data_down", "online"].iter().any(|name| problems.has(name));
    if !rules.is_limited() && !is_unread {
        problems
            .note("duration", "say when it ends: after a time, by the calendar, after some data or some time online");
    }
    match (rules.burst, rules.rate) {
        (Some(burst), Some(rate)) => {
            problems.keep("burst", burst.fits(rate));
        }
        (Some(_), None) => problems.note("burst", "a burst needs a speed"),
        (None, _) => {}
    }
    if rules.idle_timeout.is_some_and(|idle| idle < SHORTEST_IDLE) {
        problems.note("idle", "write at least 1m");
    }
}

/// Reads a line a site.
fn site_prices(text: &str, sites: &Sites) -> Result<BTreeMap<Uuid, AtSite>, String> {
    let mut prices = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, at) = values::at_site(line).map_err(|problem| format!("{line}: {problem}"))?;
        let Some((site, _)) = sites.iter().find(|(_, known)| *known == name) else {
            let known: Vec<&str> = sites.iter().map(|(_, name)| name.as_str()).take(10).collect();
            return Err(format!("there is no site {name}; there are: {}", known.join(", ")));
        };
        if let Some(at) = at
            && prices.insert(*site, at).is_some()
        {
            return Err(format!("{name} stands there twice"));
        }
    }
    Ok(prices)
}

/// Writes them. A site that is not there any more needs no price.
fn lines(prices: &BTreeMap<Uuid, AtSite>, sites: &Sites) -> String {
    let line = |(id, at): (&Uuid, &AtSite)| {
        let (_, name) = sites.iter().find(|(known, _)| known == id)?;
        Some(match at {
            AtSite::Costs(minor) => format!("{name}: {}", price(*minor)),
            AtSite::NotSold => format!("{name}: no"),
        })
    };
    prices.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// `20` or `20.50`.
fn price(minor: i64) -> String {
    match minor % 100 {
        0 => (minor / 100).to_string(),
        cents => format!("{}.{cents:02}", minor / 100),
    }
}

/// `90m` or `1w`: in the largest unit that needs no fraction.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds.is_multiple_of(*length));
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / length)
}

/// `500MB`, in the largest unit that needs no fraction.
fn octets_typed(octets: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let unit = units.into_iter().find(|(size, _)| octets.is_multiple_of(*size));
    let (size, name) = unit.unwrap_or((1, "B"));
    format!("{}{name}", octets / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::packages::tests::{MARKET, full, sites};

    fn known(package: &Package) -> Known {
        let slug = Some(package.slug.clone());
        Known { id: package.id, slug, active: package.active, position: package.position }
    }

    #[test]
    fn what_is_there_fills_the_form_and_is_read_again() {
        let mut other = full();
        other.rules = Rules { until: Some(Until::EndOfWeek), ..Rules::default() };
        other.starts = Starts::Purchase;
        other.sale = Sale::default();
        other.purchases = Purchases::default();
        let mut plain = full();
        plain.name = "One hour".into();
        for package in [full(), other, plain] {
            let mut problems = Problems::default();
            let read = read(known(&package), &fields(&package, &sites()), &sites(), &mut problems);
            assert_eq!(read, Some(package), "{problems:?}");
        }
    }

    #[test]
    fn every_problem_stands_at_its_field() {
        let good = || blank().with("slug", "1-hour").with("name", "1 hour").with("price", "20").with("duration", "1h");
        let new = || Known { id: Uuid::nil(), slug: None, active: true, position: 1 };
        let mut problems = Problems::default();
        assert!(read(new(), &good(), &sites(), &mut problems).is_some(), "{problems:?}");
        for (sent, field) in [
            (good().with("slug", "One Hour"), "slug"),
            (good().with("name", ""), "name"),
            (good().with("name_sw", "a\tb"), "name_sw"),
            (good().with("description_en", "x".repeat(201)), "description_en"),
            (good().with("price", "free"), "price"),
            (good().with("currency", "shillings"), "currency"),
            (good().with("sites", "Market"), "sites"),
            (good().with("sites", "Nowhere: 15"), "sites"),
            (good().with("sites", "Market: 15\r\nMarket: no"), "sites"),
            (good().with("offered_from", "tomorrow"), "offered_from"),
            (
                good().with("offered_from", "2026-12-02T00:00").with("offered_until", "2026-12-01T00:00"),
                "offered_until",
            ),
            (good().with("offered_hours", "mon 8-17"), "offered_hours"),
            (good().with("duration", ""), "duration"),
            (good().with("duration", "1"), "duration"),
            (good().with("calendar", "day"), "calendar"),
            (good().with("online", "x"), "online"),
            (good().with("data", "5"), "data"),
            (good().with("data_up", "5"), "data_up"),
            (good().with("data_down", "5"), "data_down"),
            (good().with("hours", "never"), "hours"),
            (good().with("speed", "fast"), "speed"),
            (good().with("burst", "4M/8M 1M/3M 10/10"), "burst"),
            (good().with("speed", "9M/9M").with("burst", "4M/8M 1M/3M 10/10"), "burst"),
            (good().with("fair_use", "5GB"), "fair_use"),
            (good().with("happy_hours", "at night"), "happy_hours"),
            (good().with("devices", "0"), "devices"),
            (good().with("per_person", "0"), "per_person"),
            (good().with("per_day", "x"), "per_day"),
            (good().with("idle", "10s"), "idle"),
        ] {
            let mut problems = Problems::default();
            assert_eq!(read(new(), &sent, &sites(), &mut problems), None, "{sent:?}");
            assert!(problems.has(field), "{field}: {problems:?}");
        }
    }

    #[test]
    fn a_line_a_site_is_read_as_it_is_written() {
        let prices = site_prices("\r\n Market: 15.50\r\n", &sites()).expect("prices");
        assert_eq!(prices, BTreeMap::from([(MARKET, AtSite::Costs(1550))]));
        assert_eq!(lines(&prices, &sites()), "Market: 15.50");
        assert_eq!(site_prices("Market: usual", &sites()), Ok(BTreeMap::new()));
        assert_eq!((span(Duration::from_secs(90)), span(Duration::from_secs(86_400))), ("90s".into(), "1d".into()));
        assert_eq!((octets_typed(500_000_000), octets_typed(1_234)), ("500MB".into(), "1234B".into()));
    }
}
