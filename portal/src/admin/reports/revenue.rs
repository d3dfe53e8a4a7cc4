//! Are we growing? What was sold by the day, the week or the month, before and after what went back, beside another time of the same length; and
//! what one buyer brings in a month.
//!
//! Amounts of different currencies have no sum: each stands by itself, and figures are of the one that brought most. Of one package, or of one way
//! of paying, it is known what was sold and not what discounts took off or what went back.

use shared::staff::{Permission, SiteScope};
use shared::time::{OffsetDateTime, Zone};
use store::report::revenue::{self, Buyers, By, Sum};
use store::rollup::Span;
use store::{Db, StoreError};
use time::Duration;

use super::amounts::{amount, decimal};
use super::chart::{Chart, Series, Shape};
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use super::usage::to_float;
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
    Ok(told(by, &pairs(by, common), &sums, before.as_deref(), &buyers, is_part))
}

/// Whether it is about a part of what was sold, of which less is known.
fn is_part(common: &Common) -> bool {
    common.package.is_some() || common.provider.is_some()
}

/// The first day of a day, a week or a month, and that of the one beside it: the first beside the first, whatever was sold in them.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Pair {
    day: String,
    beside: Option<String>,
}

/// Each day, week or month until now.
fn pairs(by: By, common: &Common) -> Vec<Pair> {
    let zone = Zone::named(&common.time_zone).unwrap_or_default();
    let days = first_days(by, (common.from, common.until.min(common.now)), &zone);
    let mut beside = common.before.map(|time| first_days(by, time, &zone)).unwrap_or_default().into_iter();
    days.into_iter().map(|day| Pair { day, beside: beside.next() }).collect()
}

fn first_days(by: By, (from, until): (OffsetDateTime, OffsetDateTime), zone: &Zone) -> Vec<String> {
    let last = zone.at(until - Duration::SECOND).date();
    let mut day = Some(zone.at(from).date());
    let mut firsts: Vec<String> = Vec::new();
    while let Some(this) = day.filter(|day| *day <= last) {
        let back = match by {
            By::Day => 0,
            By::Week => this.weekday().number_days_from_monday(),
            By::Month => this.day() - 1,
        };
        firsts.push(this.saturating_sub(Duration::days(back.into())).to_string());
        day = this.next_day();
    }
    firsts.dedup();
    firsts
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

fn told(by: By, pairs: &[Pair], sums: &[Sum], before: Option<&[Sum]>, buyers: &[Buyers], is_part: bool) -> Answer {
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
    let mut sections = vec![trend(by, pairs, sums, before, &currencies, is_part)];
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

fn trend(by: By, pairs: &[Pair], sums: &[Sum], before: Option<&[Sum]>, currencies: &[&str], is_part: bool) -> Section {
    let mut heads = vec![(label(by), "first_day", false), ("Currency", "currency", false), ("Net", "net", true)];
    if !is_part {
        heads.extend([("Gross", "gross", true), ("Discounts", "discounts", true), ("Given back", "given_back", true)]);
    }
    heads.push(("Sales", "sales", true));
    if before.is_some() {
        heads.extend([("Net before", "net_before", true), ("Change", "change", true)]);
    }
    let shown: Vec<&Sum> = sums.iter().filter(|sum| currencies.contains(&sum.currency.as_str())).collect();
    let row = |sum: &&Sum| {
        let was = before.map(|before| {
            let day = pairs.iter().find(|pair| pair.day == sum.day)?.beside.as_deref()?;
            before.iter().find(|one| one.day == day && one.currency == sum.currency)
        });
        row(sum, was, is_part)
    };
    Section {
        id: "trend",
        title: format!("Net revenue by the {}", by.as_str()),
        notes: Vec::new(),
        chart: Some(chart(pairs, sums, before, currencies, is_part)),
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
fn chart(pairs: &[Pair], sums: &[Sum], before: Option<&[Sum]>, currencies: &[&str], is_part: bool) -> Chart {
    // Days before anything was there are none of the chart. Of a part only what was sold has a row, and no row is a zero.
    let is_there = |pair: &&Pair| is_part || sums.iter().any(|sum| sum.day == pair.day);
    let pairs: Vec<&Pair> = pairs.iter().filter(is_there).collect();
    let value = |sums: &[Sum], day: &str, currency: &str| {
        let all: Vec<&Sum> = sums.iter().filter(|sum| sum.day == day).collect();
        // Nobody looked, and nothing is known to have been sold: that is no zero.
        let is_known = is_part || all.iter().any(|sum| sum.seen > 0 || sum.gross != 0);
        let net = all.iter().filter(|sum| sum.currency == currency).map(|sum| sum.gross - sum.refunds).sum::<i64>();
        is_known.then(|| to_float(net) / 100.0)
    };
    let mut series: Vec<Series> = currencies
        .iter()
        .map(|currency| Series {
            name: (*currency).to_owned(),
            values: pairs.iter().map(|pair| value(sums, &pair.day, currency)).collect(),
            counts: Vec::new(),
        })
        .collect();
    if let (Some(before), Some(main)) = (before, currencies.first()) {
        series.push(Series {
            name: format!("{main}, the time beside"),
            values: pairs.iter().map(|pair| value(before, pair.beside.as_deref()?, main)).collect(),
            counts: Vec::new(),
        });
    }
    Chart {
        shape: Shape::Bars,
        unit: "net revenue".into(),
        x: pairs.into_iter().map(|pair| pair.day.clone()).collect(),
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
            "Whole months, also where the time begins or ends within one. Of a site these are the buyers whose first purchase was there, \
             wherever they have bought since."
                .into(),
        ],
        chart: None,
        heads: heads.into_iter().map(|(label, key, number)| (label.to_owned(), key.to_owned(), number)).collect(),
        rows: buyers.iter().map(row).collect(),
        nothing: "No customer who is known by a number has bought in these months, or they are not put together yet.",
    }
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

    fn beside(days: &[(&str, &str)]) -> Vec<Pair> {
        days.iter().map(|(day, beside)| Pair { day: (*day).into(), beside: Some((*beside).into()) }).collect()
    }

    #[test]
    fn a_day_without_sales_is_a_zero_and_one_that_nobody_saw_is_none() {
        let sums =
            [sum("2026-11-01", "KES", 5_100, 24), sum("2026-11-02", "KES", 0, 24), sum("2026-11-03", "KES", 0, 0)];
        let before = [sum("2026-10-29", "KES", 10_100, 24)];
        let pairs = beside(&[("2026-11-01", "2026-10-29"), ("2026-11-02", "2026-10-30"), ("2026-11-03", "2026-10-31")]);
        let chart = chart(&pairs, &sums, Some(&before), &currencies(&sums), false);
        assert_eq!(chart.series[0].values, [Some(50.0), Some(0.0), None]);
        assert_eq!(chart.series[1].values, [Some(100.0), None, None]);
    }

    #[test]
    fn a_day_stands_beside_the_day_of_its_place_also_where_others_sold_nothing() {
        let (sums, before) = ([sum("2026-11-02", "KES", 5_100, 1)], [sum("2026-10-30", "KES", 10_100, 1)]);
        let pairs = beside(&[("2026-11-01", "2026-10-29"), ("2026-11-02", "2026-10-30"), ("2026-11-03", "2026-10-31")]);
        let part = trend(By::Day, &pairs, &sums, Some(&before), &["KES"], true);
        let chart = part.chart.expect("a chart");
        assert_eq!(chart.x.len(), 3);
        assert_eq!(chart.series[0].values, [Some(0.0), Some(50.0), Some(0.0)]);
        assert_eq!(chart.series[1].values, [Some(0.0), Some(100.0), Some(0.0)]);
        assert_eq!(part.rows[0][4].text, "KSh 100");
        let other = beside(&[("2026-11-02", "2026-10-29")]);
        let other = trend(By::Day, &other, &sums, Some(&before), &["KES"], true);
        assert_eq!(other.rows[0][4].text, "", "nothing was sold on the day that stands beside it");
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let at =
            |text: &str| OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a moment");
        // In Nairobi from Saturday the 28th of November until Tuesday the 1st of December is over.
        let time = (at("2026-11-27T21:00:00Z"), at("2026-12-01T21:00:00Z"));
        let of = |by| first_days(by, time, &Zone::default());
        assert_eq!(of(By::Day), ["2026-11-28", "2026-11-29", "2026-11-30", "2026-12-01"]);
        assert_eq!(of(By::Week), ["2026-11-23", "2026-11-30"]);
        assert_eq!(of(By::Month), ["2026-11-01", "2026-12-01"]);
    }

    #[test]
    fn currencies_are_not_added_up_and_an_empty_one_is_not_shown() {
        let sums =
            [sum("2026-11-01", "KES", 1_100, 24), sum("2026-11-01", "USD", 9_100, 24), sum("2026-11-02", "TZS", 0, 24)];
        assert_eq!(currencies(&sums), ["USD", "KES"]);
        let answer = told(By::Day, &[], &sums, None, &[], false);
        assert_eq!(answer.figures[0].value, "USD 90");
        assert_eq!(answer.sections[0].rows.len(), 2);
        let none = told(By::Day, &[], &[sum("2026-11-02", "KES", 0, 24)], None, &[], false);
        assert_eq!((none.figures[0].value.as_str(), none.sections[0].rows.len()), ("KSh 0", 1));
    }

    #[test]
    fn rows_have_a_cell_for_each_heading() {
        let sums = [sum("2026-11-01", "KES", 1_100, 24), sum("2026-11-02", "KES", 0, 20)];
        let before = [sum("2026-10-30", "KES", 2_100, 24)];
        let buyers = [Buyers { month: "2026-11".into(), currency: "KES".into(), buyers: 2, purchases: 3, amount: 900 }];
        let pairs = beside(&[("2026-11-01", "2026-10-30"), ("2026-11-02", "2026-10-31")]);
        for is_part in [false, true] {
            for before in [None, Some(&before[..])] {
                for section in told(By::Week, &pairs, &sums, before, &buyers, is_part).sections {
                    assert!(section.rows.iter().all(|row| row.len() == section.heads.len()), "{}", section.id);
                }
            }
        }
        let answer = told(By::Day, &pairs, &sums, Some(&before), &buyers, false);
        assert_eq!((answer.figures[0].beside.as_str(), answer.figures[0].tone), ("-50 %, before KSh 20", "bad"));
        assert_eq!(answer.figures.last().map(|figure| figure.value.as_str()), Some("KSh 4.50"));
    }

    #[test]
    fn a_change_is_a_share_of_what_was() {
        assert_eq!([change(112, 100), change(88, 100), change(5, 0)], ["+12 %", "-12 %", ""]);
    }
}
