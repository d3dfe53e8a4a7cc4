//! `/admin/charts`: revenue by the day, sessions and throughput by the hour, when customers are there and when they buy, and which packages and ways
//! of paying they choose. What each chart shows stands below it as a table, which is all that there is without scripts.
//!
//! Charts come out of the sums by the hour ([`store::rollup`]), in the clock of the site that was chosen, else in East Africa's. They are drawn by
//! Plotly.js, which this program serves itself, on this page alone; `charts.js` asks for each chart's data as JSON, at an address that asks for
//! the same permission as the page shows it for.

use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::staff::Permission;
use store::StoreError;
use store::rollup::{self, Heat, Share, ShareBy, Span};
use uuid::Uuid;

use super::Refusal;
use super::form::{Fields, Filled, Form, Problems};
use super::page::{Page, Tab, answer, style};
use super::words;
use crate::App;
use crate::session::Staff;
use crate::views::assets;

/// Days that can be looked back on; the second is the usual one.
const DAYS: [u32; 4] = [7, 30, 90, 365];
const USUAL: u32 = DAYS[1];
/// Beyond so many days hours are too many to be drawn one by one.
const HOURS_UNTIL: u32 = 30;
const HOME: &str = "Africa/Nairobi";
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The charts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Revenue,
    Sessions,
    Throughput,
    Use,
    Sales,
    Packages,
    Methods,
}

impl Which {
    const ALL: [Which; 7] =
        [Which::Revenue, Which::Sessions, Which::Throughput, Which::Use, Which::Sales, Which::Packages, Which::Methods];

    /// Its name in addresses, and its title.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Which::Revenue => ("revenue", "Revenue by the day"),
            Which::Sessions => ("sessions", "Sessions online, on average"),
            Which::Throughput => ("throughput", "Throughput, on average"),
            Which::Use => ("use", "When customers are online"),
            Which::Sales => ("sales", "When customers buy"),
            Which::Packages => ("packages", "Packages, by what they brought"),
            Which::Methods => ("methods", "Ways of paying, by what they brought"),
        }
    }

    /// What one must be allowed to see it.
    fn needs(self) -> Permission {
        match self {
            Which::Sessions | Which::Throughput | Which::Use => Permission::See,
            Which::Revenue | Which::Sales | Which::Packages | Which::Methods => Permission::SeeMoney,
        }
    }
}

/// How a chart is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Bars,
    Line,
    Heat,
    Parts,
}

/// What a chart shows, whoever draws it.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Chart {
    shape: Shape,
    /// What the numbers are.
    unit: String,
    /// What stands along it: days, hours, or names.
    x: Vec<String>,
    /// A line, a colour or a weekday each, with a number for each of `x`.
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct Series {
    name: String,
    values: Vec<f64>,
}

#[derive(Debug, Template)]
#[template(path = "admin/charts.html")]
pub(super) struct Charts {
    page: Page,
    style: String,
    /// The addresses of Plotly.js, of what draws with it, and of the sheet for both.
    plotly: String,
    script: String,
    sheet: String,
    filters: Vec<Form>,
    drawings: Vec<Drawing>,
}

/// A chart on the page.
#[derive(Debug)]
struct Drawing {
    id: &'static str,
    title: &'static str,
    /// Where its data is.
    data: String,
    heads: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

/// What was asked for.
struct Wanted {
    span: Span,
    days: u32,
    query: String,
    form: Form,
    is_fine: bool,
}

/// `GET /admin/charts`.
pub(super) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let wanted = wanted(&app, &staff, &sent).await?;
    let mut drawings = Vec::new();
    if wanted.is_fine {
        for which in Which::ALL.into_iter().filter(|which| staff.may(which.needs())) {
            drawings.push(drawing(which, &wanted.query, &chart(&app, &staff, which, &wanted).await?));
        }
    }
    let status = if wanted.is_fine { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, &framed(Page::new(&app, &staff, Tab::Charts), wanted.form, drawings))
}

fn framed(page: Page, form: Form, drawings: Vec<Drawing>) -> Charts {
    Charts {
        page,
        style: style(),
        plotly: assets::url("plotly.js"),
        script: assets::url("charts.js"),
        sheet: assets::url("charts.css"),
        filters: vec![form],
        drawings,
    }
}

/// `GET /admin/charts/data/{chart}`: one chart, for whoever may see all of them.
pub(super) async fn money_data(
    State(app): State<App>,
    staff: Staff,
    Path(name): Path<String>,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    data(&app, &staff, &name, &sent, Permission::SeeMoney).await
}

/// `GET /admin/charts/use/{chart}`: one of those that tell nothing of money.
pub(super) async fn use_data(
    State(app): State<App>,
    staff: Staff,
    Path(name): Path<String>,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    data(&app, &staff, &name, &sent, Permission::See).await
}

async fn data(app: &App, staff: &Staff, name: &str, sent: &Fields, asked: Permission) -> Result<Response, Refusal> {
    let which = Which::ALL.into_iter().find(|which| which.names().0 == name && which.needs() == asked);
    let which = which.ok_or(Refusal::NotFound)?;
    let wanted = wanted(app, staff, sent).await?;
    if !wanted.is_fine {
        return Err(Refusal::NotFound);
    }
    Ok(Json(chart(app, staff, which, &wanted).await?).into_response())
}

async fn wanted(app: &App, staff: &Staff, sent: &Fields) -> Result<Wanted, Refusal> {
    let mut problems = Problems::default();
    let sites = store::site::desk::list(&app.db, staff.sites()).await?;
    let days = problems.optional(sent, "days", |text| {
        text.parse::<u32>().ok().filter(|days| DAYS.contains(days)).ok_or("choose one of these")
    });
    let site = problems.optional(sent, "site", |text| {
        let site = sites.iter().find(|site| site.id.to_string() == text);
        site.map(|site| (site.id, site.time_zone.clone())).ok_or("choose one of these")
    });
    let days = days.unwrap_or(USUAL);
    let now = app.clock.now();
    let whole_days = Duration::from_secs(86_400) * (days - 1);
    let (site, time_zone): (Option<Uuid>, String) = match site {
        Some((site, zone)) => (Some(site), zone),
        None => (None, HOME.to_owned()),
    };
    let span = Span { from: words::start_of_day(now) - whole_days, until: now, site, time_zone };
    let chosen = sent.clone().with("days", days.to_string());
    let filled = Filled { sent: &chosen, problems: &problems };
    let options = DAYS.map(|days| (days.to_string(), format!("the last {days} days")));
    let places: Vec<(String, String)> = std::iter::once((String::new(), "All".to_owned()))
        .chain(sites.iter().map(|site| (site.id.to_string(), site.name.clone())))
        .collect();
    let form = Form::new("charts", "/admin/charts", "Show")
        .field(filled.choice("days", "Time", &options))
        .field(filled.choice("site", "Site", &places));
    let query = match site {
        Some(site) => format!("days={days}&site={site}"),
        None => format!("days={days}"),
    };
    Ok(Wanted { span, days, query, is_fine: problems.is_empty(), form })
}

async fn chart(app: &App, staff: &Staff, which: Which, wanted: &Wanted) -> Result<Chart, StoreError> {
    let (db, span, sites) = (&app.db, &wanted.span, staff.sites());
    Ok(match which {
        Which::Revenue => revenue(&rollup::sales_by_day(db, span, sites).await?),
        Which::Sessions => {
            let used = rollup::traffic_by_hour(db, span, sites).await?;
            let hours = used.iter().map(|used| (used.hour.as_str(), [seconds_online(used.seconds)]));
            line("sessions", ["sessions"], hours, wanted.days)
        }
        Which::Throughput => {
            let used = rollup::traffic_by_hour(db, span, sites).await?;
            let hours = used.iter().map(|used| (used.hour.as_str(), [megabits(used.down), megabits(used.up)]));
            line("Mbit/s", ["down", "up"], hours, wanted.days)
        }
        Which::Use => {
            let weeks = f64::from(wanted.days) / 7.0;
            heat("sessions", &rollup::heat_of_use(db, span, sites).await?, |seconds| {
                rounded(seconds_online(seconds) / weeks)
            })
        }
        Which::Sales => heat("orders", &rollup::heat_of_sales(db, span, sites).await?, to_float),
        Which::Packages => parts(&rollup::shares(db, ShareBy::Package, span, sites).await?),
        Which::Methods => parts(&rollup::shares(db, ShareBy::Provider, span, sites).await?),
    })
}

/// A line for each currency. A day without sales is a day with nothing.
fn revenue(days: &[rollup::DaySales]) -> Chart {
    let mut x: Vec<String> = days.iter().map(|day| day.day.clone()).collect();
    x.dedup();
    let mut series: Vec<Series> = Vec::new();
    for day in days {
        let name = day.amount.currency.as_str();
        let at = x.iter().position(|known| *known == day.day);
        if !series.iter().any(|series| series.name == name) {
            series.push(Series { name: name.to_owned(), values: vec![0.0; x.len()] });
        }
        let of_currency = series.iter_mut().find(|series| series.name == name);
        if let Some(value) = of_currency.zip(at).and_then(|(series, at)| series.values.get_mut(at)) {
            *value = to_float(day.amount.minor) / 100.0;
        }
    }
    Chart { shape: Shape::Bars, unit: "revenue".into(), x, series }
}

/// A line by the hour; by the day, where the hours are too many.
fn line<'a, const N: usize>(
    unit: &str,
    names: [&str; N],
    hours: impl Iterator<Item = (&'a str, [f64; N])>,
    days: u32,
) -> Chart {
    let mut x: Vec<String> = Vec::new();
    let mut sums: Vec<([f64; N], f64)> = Vec::new();
    for (hour, values) in hours {
        let key = if days > HOURS_UNTIL { hour.split(' ').next().unwrap_or(hour) } else { hour };
        if x.last().is_none_or(|last| last != key) {
            x.push(key.to_owned());
            sums.push(([0.0; N], 0.0));
        }
        if let Some((sum, count)) = sums.last_mut() {
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            *count += 1.0;
        }
    }
    let series = names.iter().enumerate().map(|(at, name)| Series {
        name: (*name).to_owned(),
        values: sums.iter().map(|(sum, count)| rounded(sum.get(at).copied().unwrap_or(0.0) / count)).collect(),
    });
    Chart { shape: Shape::Line, unit: unit.into(), x, series: series.collect() }
}

/// A weekday a row, an hour a column.
fn heat(unit: &str, hours: &[Heat], value: impl Fn(i64) -> f64) -> Chart {
    let amount = |weekday: i32, hour: i32| {
        let found = hours.iter().find(|heat| heat.weekday == weekday && heat.hour == hour);
        found.map_or(0.0, |heat| value(heat.amount))
    };
    let series = (1..).zip(WEEKDAYS).map(|(weekday, name)| Series {
        name: name.to_owned(),
        values: (0..24).map(|hour| amount(weekday, hour)).collect(),
    });
    let x = (0..24).map(|hour| format!("{hour:02}")).collect();
    Chart { shape: Shape::Heat, unit: unit.into(), x, series: series.collect() }
}

/// Parts of a whole, of the currency that brought most: amounts of different ones have no sum.
fn parts(shares: &[Share]) -> Chart {
    let currency = shares.first().map(|share| share.amount.currency);
    let same: Vec<&Share> = shares.iter().filter(|share| Some(share.amount.currency) == currency).collect();
    let unit = currency.map(|currency| currency.as_str().to_owned()).unwrap_or_default();
    let values = same.iter().map(|share| to_float(share.amount.minor) / 100.0).collect();
    let x = same.iter().map(|share| share.name.clone()).collect();
    Chart { shape: Shape::Parts, x, series: vec![Series { name: unit.clone(), values }], unit }
}

/// Sessions that are open all through an hour.
fn seconds_online(seconds: i64) -> f64 {
    rounded(to_float(seconds) / 3600.0)
}

/// Octets of an hour as a speed.
fn megabits(octets: i64) -> f64 {
    to_float(octets) * 8.0 / 3600.0 / 1_000_000.0
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn to_float(number: i64) -> f64 {
    number as f64
}

fn drawing(which: Which, query: &str, chart: &Chart) -> Drawing {
    let (id, title) = which.names();
    let kind = if which.needs() == Permission::SeeMoney { "data" } else { "use" };
    let heads = chart.series.iter().map(|series| series.name.clone()).collect();
    let row = |(at, x): (usize, &String)| {
        let number = |series: &Series| series.values.get(at).map(f64::to_string).unwrap_or_default();
        let values: Vec<String> = chart.series.iter().map(number).collect();
        (x.clone(), values)
    };
    let rows = chart.x.iter().enumerate().map(row).collect();
    Drawing { id, title, data: format!("/admin/charts/{kind}/{id}?{query}"), heads, rows }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::{Currency, Money};
    use store::rollup::DaySales;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn share(name: &str, minor: i64, currency: Currency) -> Share {
        Share { name: name.into(), orders: 1, amount: Money { minor, currency } }
    }

    pub(in crate::admin) fn sample(page: Page) -> Charts {
        let problems = Problems::default();
        let sent = Fields::default();
        let options = [(String::new(), HOSTILE.to_owned())];
        let filled = Filled { sent: &sent, problems: &problems };
        let form = Form::new("charts", "/admin/charts", "Show").field(filled.choice("site", "Site", &options));
        let chart = parts(&[share(HOSTILE, 2000, Currency::KES)]);
        framed(page, form, vec![drawing(Which::Packages, "days=30", &chart)])
    }

    #[test]
    fn a_day_and_a_currency_without_sales_are_nothing() {
        let usd: Currency = "USD".parse().expect("a currency");
        let day =
            |day: &str, minor, currency| DaySales { day: day.into(), orders: 1, amount: Money { minor, currency } };
        let chart = revenue(&[
            day("2026-11-01", 2050, Currency::KES),
            day("2026-11-01", 100, usd),
            day("2026-11-03", 400, usd),
        ]);
        assert_eq!(chart.x, ["2026-11-01", "2026-11-03"]);
        assert_eq!(chart.series[0], Series { name: "KES".into(), values: vec![20.5, 0.0] });
        assert_eq!(chart.series[1].values, [1.0, 4.0]);
    }

    #[test]
    fn many_hours_become_days() {
        let hours = [("2026-11-01 00:00", [2.0]), ("2026-11-01 01:00", [4.0]), ("2026-11-02 00:00", [8.0])];
        assert_eq!(line("sessions", ["sessions"], hours.into_iter(), 7).x.len(), 3);
        let by_day = line("sessions", ["sessions"], hours.into_iter(), 90);
        assert_eq!((by_day.x.len(), by_day.series[0].values.as_slice()), (2, &[3.0, 8.0][..]));
    }

    #[test]
    fn a_week_has_all_its_hours() {
        let chart = heat("orders", &[Heat { weekday: 7, hour: 23, amount: 5 }], to_float);
        assert_eq!((chart.series.len(), chart.x.len()), (7, 24));
        assert_eq!((chart.series[6].name.as_str(), chart.series[6].values[23]), ("Sunday", 5.0));
        assert!(chart.series.iter().all(|series| series.values.len() == 24));
    }

    #[test]
    fn different_currencies_have_no_sum() {
        let usd: Currency = "USD".parse().expect("a currency");
        let chart = parts(&[share("a", 2000, Currency::KES), share("b", 1900, usd), share("c", 100, Currency::KES)]);
        assert_eq!((chart.x, chart.unit.as_str()), (vec!["a".to_owned(), "c".to_owned()], "KES"));
    }

    #[test]
    fn money_is_asked_for_where_money_may_be_seen() {
        for which in Which::ALL {
            let told = drawing(which, "days=7", &parts(&[]));
            assert_eq!(told.data.contains("/charts/data/"), which.needs() == Permission::SeeMoney, "{which:?}");
        }
    }
}
