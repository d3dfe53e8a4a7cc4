//! Are we growing? What was sold by the day, the week or the month, before and after what went back, beside another time of the same length; and
//! what one buyer brings in a month.
//!
//! Amounts of different currencies have no sum: each stands by itself, and figures are of the one that brought most. Of one package, or of one way
//! of paying, it is known what was sold and not what discounts took off or what went back.

use shared::money::Money;
use shared::staff::{Permission, SiteScope};
use shared::time::OffsetDateTime;
use store::report::revenue::{self, Buyers, By, Sum};
use store::rollup::Span;
use store::{Db, StoreError};

use super::chart::{Chart, Series, Shape};
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "revenue",
    title: "Revenue",
    question: "Are we growing?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: true, comparison: true, package: true, provider: true },
};

/// What was sold in a time, in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Total {
    sales: i64,
    gross: i64,
    discounts: i64,
    refunds: i64,
}

impl Total {
    fn net(self) -> i64 {
        self.gross.saturating_sub(self.refunds)
    }

    fn of(sums: &[Sum], currency: &str) -> Total {
        sums.iter().filter(|sum| sum.currency == currency).fold(Total::default(), |total, sum| Total {
            sales: total.sales.saturating_add(sum.sales),
            gross: total.gross.saturating_add(sum.gross),
            discounts: total.discounts.saturating_add(sum.discounts),
            refunds: total.refunds.saturating_add(sum.refunds),
        })
    }
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = By::ALL.map(|by| (by.as_str().to_owned(), format!("By the {}", by.as_str())));
    let chosen = question.asked.one_of("group", "Put together", &options);
    let by = By::ALL.into_iter().find(|by| Some(by.as_str()) == chosen.as_deref()).unwrap_or(By::Day);
    let (db, common) = (&question.app.db, &question.common);
    let sums = read(db, by, common, (common.from, common.until)).await?;
    let before = match common.before {
        Some(span) => Some(read(db, by, common, span).await?),
        None => None,
    };
    let is_part = is_part(common);
    let buyers = match is_part {
        true => Vec::new(),
        false => revenue::buyers(db, &span(common, (common.from, common.until)), &common.sites).await?,
    };
    Ok(told(by, &sums, before.as_deref(), &buyers, is_part))
}

/// Whether it is about a part of what was sold, of which less is known.
fn is_part(common: &Common) -> bool {
    common.package.is_some() || common.provider.is_some()
}

fn span(common: &Common, (from, until): (OffsetDateTime, OffsetDateTime)) -> Span {
    Span { from, until, site: common.site, time_zone: common.time_zone.clone() }
}

async fn read(
    db: &Db,
    by: By,
    common: &Common,
    time: (OffsetDateTime, OffsetDateTime),
) -> Result<Vec<Sum>, StoreError> {
    let (span, sites): (Span, &SiteScope) = (span(common, time), &common.sites);
    match is_part(common) {
        true => revenue::sums_of(db, by, &span, sites, common.package, common.provider.as_deref()).await,
        false => revenue::sums(db, by, &span, sites).await,
    }
}

/// The currencies in which something was sold, the one that brought most first.
fn currencies(sums: &[Sum]) -> Vec<&str> {
    let mut found: Vec<(&str, i64)> = Vec::new();
    for sum in sums.iter().filter(|sum| sum.sales != 0 || sum.gross != 0 || sum.refunds != 0) {
        match found.iter_mut().find(|(currency, _)| *currency == sum.currency) {
            Some((_, gross)) => *gross = gross.saturating_add(sum.gross),
            None => found.push((sum.currency.as_str(), sum.gross)),
        }
    }
    found.sort_by_key(|(_, gross)| std::cmp::Reverse(*gross));
    found.into_iter().map(|(currency, _)| currency).collect()
}

fn told(by: By, sums: &[Sum], before: Option<&[Sum]>, buyers: &[Buyers], is_part: bool) -> Answer {
    let mut currencies = currencies(sums);
    // Where nothing was sold there is still the time in which nothing was.
    if currencies.is_empty() {
        currencies.extend(sums.first().map(|sum| sum.currency.as_str()));
    }
    let mut notes = vec![
        "Gross is what customers paid, discounts taken off already; net is gross without what was given back in that time, for whatever it had been paid.".to_owned(),
    ];
    if is_part {
        notes.push("Of one package or one way of paying it is not known what discounts took off, what went back, and who bought.".to_owned());
    }
    let unseen: i64 = sums.iter().map(|sum| sum.unseen).sum();
    if unseen > 0 {
        notes.push(format!("{unseen} hours at sites were not seen by anybody: what was sold then may be missing."));
    }
    if let Some((main, others)) = currencies.split_first().filter(|(_, others)| !others.is_empty()) {
        notes.push(format!("The figures are of {main}; {} stand in the table.", others.join(", ")));
    }
    let mut sections = vec![trend(by, sums, before, &currencies, is_part)];
    if !is_part {
        sections.push(per_buyer(buyers));
    }
    let figures = currencies.first().map(|main| figures(main, sums, before, buyers, is_part)).unwrap_or_default();
    Answer { figures, notes, sections, ..Answer::default() }
}

fn figures(currency: &str, sums: &[Sum], before: Option<&[Sum]>, buyers: &[Buyers], is_part: bool) -> Vec<Figure> {
    let now = Total::of(sums, currency);
    let was = before.map(|before| Total::of(before, currency));
    let money = |minor: i64| amount(minor, currency);
    let mut figures = vec![
        figure("net revenue", money(now.net()), now.net(), was.map(Total::net), &money, true),
        figure(
            "sales",
            now.sales.to_string(),
            now.sales,
            was.map(|was| was.sales),
            &|sales: i64| sales.to_string(),
            true,
        ),
    ];
    if !is_part {
        figures.push(figure("gross", money(now.gross), now.gross, was.map(|was| was.gross), &money, true));
        figures.push(figure(
            "discounts",
            money(now.discounts),
            now.discounts,
            was.map(|was| was.discounts),
            &money,
            false,
        ));
        figures.push(figure("given back", money(now.refunds), now.refunds, was.map(|was| was.refunds), &money, false));
    }
    let newest = buyers.iter().rev().find(|one| one.currency == currency && one.buyers > 0);
    figures.extend(newest.map(|one| Figure {
        label: format!("per buyer in {}", one.month),
        value: money(one.amount / one.buyers),
        beside: format!("{} bought", one.buyers),
        tone: "",
    }));
    figures
}

/// A number beside what it was. `is_judged`: more of it is good.
fn figure(
    label: &str,
    value: String,
    now: i64,
    was: Option<i64>,
    words: &impl Fn(i64) -> String,
    is_judged: bool,
) -> Figure {
    let tone = match was {
        Some(was) if is_judged && was > 0 && now > was => "good",
        Some(was) if is_judged && was > 0 && now < was => "bad",
        _ => "",
    };
    let beside = match was {
        Some(was) => [change(now, was), format!("before {}", words(was))]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", "),
        None => String::new(),
    };
    Figure { label: label.to_owned(), value, beside, tone }
}

/// `+12 %`; of nothing there is no share.
fn change(now: i64, was: i64) -> String {
    share(now, was).map_or_else(String::new, |share| format!("{share:+.0} %"))
}

/// The same as a file has it: `12`.
fn percent(now: i64, was: i64) -> String {
    share(now, was).map_or_else(String::new, |share| format!("{share:.0}"))
}

fn share(now: i64, was: i64) -> Option<f64> {
    (was > 0).then(|| (to_float(now) / to_float(was) - 1.0) * 100.0)
}

fn trend(by: By, sums: &[Sum], before: Option<&[Sum]>, currencies: &[&str], is_part: bool) -> Section {
    let mut heads = vec![(label(by), "first_day", false), ("Currency", "currency", false), ("Net", "net", true)];
    if !is_part {
        heads.extend([("Gross", "gross", true), ("Discounts", "discounts", true), ("Given back", "given_back", true)]);
    }
    heads.push(("Sales", "sales", true));
    if before.is_some() {
        heads.extend([("Net before", "net_before", true), ("Change", "change", true)]);
    }
    let shown: Vec<&Sum> = sums.iter().filter(|sum| currencies.contains(&sum.currency.as_str())).collect();
    let (days_now, days_before) = (days(sums), days(before.unwrap_or_default()));
    let row = |sum: &&Sum| {
        let was = before.map(|before| {
            let at = days_now.iter().position(|day| *day == sum.day)?;
            let day = days_before.get(at)?;
            before.iter().find(|one| one.day == *day && one.currency == sum.currency)
        });
        row(sum, was, is_part)
    };
    Section {
        id: "trend",
        title: format!("Net revenue by the {}", by.as_str()),
        notes: Vec::new(),
        chart: Some(chart(sums, before, currencies)),
        heads: heads.into_iter().map(|(label, key, number)| (label.to_owned(), key.to_owned(), number)).collect(),
        rows: shown.iter().map(row).collect(),
        nothing: "Nothing was sold, or the facts of this time are not put together yet.",
    }
}

fn label(by: By) -> &'static str {
    match by {
        By::Day => "Day",
        By::Week => "Week from",
        By::Month => "Month from",
    }
}

/// The days of these sums, each once.
fn days(sums: &[Sum]) -> Vec<&str> {
    let mut days: Vec<&str> = sums.iter().map(|sum| sum.day.as_str()).collect();
    days.dedup();
    days
}

fn row(sum: &Sum, was: Option<Option<&Sum>>, is_part: bool) -> Vec<Cell> {
    let money = |minor: i64| Cell::text(amount(minor, &sum.currency)).value(decimal(minor));
    let net = |sum: &Sum| sum.gross.saturating_sub(sum.refunds);
    let day = Cell::text(sum.day.clone());
    let day = if sum.unseen > 0 { day.small(format!("{} hours not seen", sum.unseen)) } else { day };
    let mut cells = vec![day, Cell::text(sum.currency.clone()), money(net(sum))];
    if !is_part {
        cells.extend([money(sum.gross), money(sum.discounts), money(sum.refunds)]);
    }
    cells.push(Cell::text(sum.sales.to_string()));
    match was {
        Some(Some(was)) => {
            cells.extend([money(net(was)), Cell::text(change(net(sum), net(was))).value(percent(net(sum), net(was)))])
        }
        Some(None) => cells.extend([Cell::text(""), Cell::text("")]),
        None => {}
    }
    cells
}

/// Bars of each currency, and of the first one what stands beside it, day for day.
fn chart(sums: &[Sum], before: Option<&[Sum]>, currencies: &[&str]) -> Chart {
    let x = days(sums);
    let values = |sums: &[Sum], days: &[&str], currency: &str| -> Vec<Option<f64>> {
        let of = |day: &&str| {
            let all: Vec<&Sum> = sums.iter().filter(|sum| sum.day == **day).collect();
            // Nobody looked, and nothing is known to have been sold: that is no zero.
            let is_known = all.iter().any(|sum| sum.seen > 0 || sum.gross != 0);
            let net = all.iter().filter(|sum| sum.currency == currency).map(|sum| sum.gross - sum.refunds).sum::<i64>();
            is_known.then(|| to_float(net) / 100.0)
        };
        days.iter().map(of).collect()
    };
    let mut series: Vec<Series> = currencies
        .iter()
        .map(|currency| Series { name: (*currency).to_owned(), values: values(sums, &x, currency), counts: Vec::new() })
        .collect();
    if let (Some(before), Some(main)) = (before, currencies.first()) {
        let mut beside = values(before, &days(before), main);
        beside.resize(x.len(), None);
        series.push(Series { name: format!("{main}, the time beside"), values: beside, counts: Vec::new() });
    }
    Chart {
        shape: Shape::Bars,
        unit: "net revenue".into(),
        x: x.into_iter().map(str::to_owned).collect(),
        series,
        cap: None,
    }
}

fn per_buyer(buyers: &[Buyers]) -> Section {
    let heads = [
        ("Month", "month", false),
        ("Currency", "currency", false),
        ("Buyers", "buyers", true),
        ("Purchases", "purchases", true),
        ("Revenue", "revenue", true),
        ("Per buyer", "per_buyer", true),
    ];
    let row = |one: &Buyers| {
        let money = |minor: i64| Cell::text(amount(minor, &one.currency)).value(decimal(minor));
        let each = if one.buyers > 0 { money(one.amount / one.buyers) } else { Cell::text("") };
        vec![
            Cell::text(one.month.clone()),
            Cell::text(one.currency.clone()),
            Cell::text(one.buyers.to_string()),
            Cell::text(one.purchases.to_string()),
            money(one.amount),
            each,
        ]
    };
    Section {
        id: "buyers",
        title: "What a buyer brings in a month".into(),
        notes: vec![
            "Whole months, also where the time begins or ends within one. Who bought at two sites counts at both."
                .into(),
        ],
        chart: None,
        heads: heads.into_iter().map(|(label, key, number)| (label.to_owned(), key.to_owned(), number)).collect(),
        rows: buyers.iter().map(row).collect(),
        nothing: "No customer who is known by a number has bought in these months, or they are not put together yet.",
    }
}

fn amount(minor: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => Money { minor, currency }.to_string(),
        Err(_) => format!("{currency} {}", decimal(minor)),
    }
}

fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.unsigned_abs() / 100, minor.unsigned_abs() % 100)
}

fn to_float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(day: &str, currency: &str, gross: i64, seen: i64) -> Sum {
        Sum {
            day: day.into(),
            currency: currency.into(),
            sales: i64::from(gross > 0),
            gross,
            discounts: 0,
            refunds: if gross > 0 { 100 } else { 0 },
            seen,
            unseen: 24 - seen,
        }
    }

    #[test]
    fn a_day_without_sales_is_a_zero_and_one_that_nobody_saw_is_none() {
        let sums =
            [sum("2026-11-01", "KES", 5_100, 24), sum("2026-11-02", "KES", 0, 24), sum("2026-11-03", "KES", 0, 0)];
        let before = [sum("2026-10-29", "KES", 10_100, 24)];
        let chart = chart(&sums, Some(&before), &currencies(&sums));
        assert_eq!(chart.series[0].values, [Some(50.0), Some(0.0), None]);
        assert_eq!(chart.series[1].values, [Some(100.0), None, None]);
    }

    #[test]
    fn currencies_are_not_added_up_and_an_empty_one_is_not_shown() {
        let sums =
            [sum("2026-11-01", "KES", 1_100, 24), sum("2026-11-01", "USD", 9_100, 24), sum("2026-11-02", "TZS", 0, 24)];
        assert_eq!(currencies(&sums), ["USD", "KES"]);
        let answer = told(By::Day, &sums, None, &[], false);
        assert_eq!(answer.figures[0].value, "USD 90");
        assert_eq!(answer.sections[0].rows.len(), 2);
        let none = told(By::Day, &[sum("2026-11-02", "KES", 0, 24)], None, &[], false);
        assert_eq!((none.figures[0].value.as_str(), none.sections[0].rows.len()), ("KSh 0", 1));
    }

    #[test]
    fn rows_have_a_cell_for_each_heading() {
        let sums = [sum("2026-11-01", "KES", 1_100, 24), sum("2026-11-02", "KES", 0, 20)];
        let before = [sum("2026-10-30", "KES", 2_100, 24)];
        let buyers = [Buyers { month: "2026-11".into(), currency: "KES".into(), buyers: 2, purchases: 3, amount: 900 }];
        for is_part in [false, true] {
            for before in [None, Some(&before[..])] {
                for section in told(By::Week, &sums, before, &buyers, is_part).sections {
                    assert!(section.rows.iter().all(|row| row.len() == section.heads.len()), "{}", section.id);
                }
            }
        }
        let answer = told(By::Day, &sums, Some(&before), &buyers, false);
        assert_eq!((answer.figures[0].beside.as_str(), answer.figures[0].tone), ("-50 %, before KSh 20", "bad"));
        assert_eq!(answer.figures.last().map(|figure| figure.value.as_str()), Some("KSh 4.50"));
    }

    #[test]
    fn a_change_is_a_share_of_what_was() {
        assert_eq!([change(112, 100), change(88, 100), change(5, 0)], ["+12 %", "-12 %", ""]);
    }
}
