//! What to keep, to price anew, to drop? Each package as it was sold, who came back for it, and how much of what it allows was used.
//!
//! Days are those of UTC and of the sale, and whole ones. A sale that was given back counts on the day on which it was made. What was used is known
//! of what has ended.

use shared::staff::Permission;
use store::report::packages::{self, Sold, Wanted};

use super::amounts::{amount, cell, currencies, several};
use super::chart::Shape;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::{
    change, chart, charted, count, figure, percent, percent_in_words, section, series, share, span, span_before,
    to_float,
};
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "packages",
    title: "Packages",
    question: "Which packages should we keep, price anew, or drop?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: true, comparison: true, package: true, provider: false },
};

/// Bands of prices: from so many minor units on, below so many.
const BANDS: [(&str, &str, Option<i64>, Option<i64>); 5] = [
    ("20", "Below 20", None, Some(2_000)),
    ("50", "20 to below 50", Some(2_000), Some(5_000)),
    ("100", "50 to below 100", Some(5_000), Some(10_000)),
    ("500", "100 to below 500", Some(10_000), Some(50_000)),
    ("more", "500 and more", Some(50_000), None),
];

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = BANDS.map(|(value, label, _, _)| (value.to_owned(), label.to_owned()));
    let chosen = question.asked.choice("price", "Price", "Any", &options);
    let band = BANDS.iter().find(|(value, ..)| chosen.as_deref() == Some(*value));
    let (db, common) = (&question.app.db, &question.common);
    let wanted = Wanted {
        package: common.package,
        from: band.and_then(|(_, _, from, _)| *from),
        below: band.and_then(|(_, _, _, below)| *below),
    };
    let sold = packages::sold(db, &span(common), &common.sites, wanted).await?;
    let before = match span_before(common) {
        Some(before) => Some(packages::sold(db, &before, &common.sites, wanted).await?),
        None => None,
    };
    Ok(told(&sold, before.as_deref(), common.until > common.now))
}

fn net(sold: &Sold) -> i64 {
    sold.gross.saturating_sub(sold.refunded)
}

fn told(sold: &[Sold], before: Option<&[Sold]>, is_under_way: bool) -> Answer {
    let currencies = currencies(sold.iter().map(|sold| (sold.currency.as_str(), net(sold))));
    let mut notes = vec![
        "Net is what was paid without what was given back later, on the day of the sale. Days are those of UTC, whole ones.".to_owned(),
        "What was used is known when what was bought has ended, so that it lags behind the sales by as long as a package lasts.".to_owned(),
    ];
    if before.is_some() && is_under_way {
        notes.push("Today is not over, and stands beside a whole day.".to_owned());
    }
    notes.extend(several(&currencies));
    let main = currencies.first().copied();
    let figures = main.map(|main| figures(sold, before, main)).unwrap_or_default();
    Answer { figures, notes, sections: vec![table(sold, before, main)], ..Answer::default() }
}

/// A sum over what was sold in one currency.
fn sum(sold: &[Sold], currency: &str, read: fn(&Sold) -> i64) -> i64 {
    sold.iter().filter(|sold| sold.currency == currency).map(read).sum()
}

/// A number of what was sold.
type Of = fn(&Sold) -> i64;

fn figures(sold: &[Sold], before: Option<&[Sold]>, currency: &str) -> Vec<Figure> {
    let was = |read: fn(&Sold) -> i64| before.map(|before| to_float(sum(before, currency, read)));
    let (brought, sales) = (sum(sold, currency, net), sum(sold, currency, |sold| sold.purchases));
    let money = |minor: f64| amount(minor.round() as i64, currency);
    let mut figures = vec![
        figure("net", amount(brought, currency), change(to_float(brought), was(net), money)),
        figure(
            "sales",
            sales.to_string(),
            change(to_float(sales), was(|sold| sold.purchases), |sales| format!("{sales:.0}")),
        ),
    ];
    let parts: [(&str, Of, Of); 2] = [
        ("bought by who had bought before", |sold| sold.returning, |sold| sold.purchases),
        ("of the time allowed was used", |sold| sold.seconds_used, |sold| sold.seconds_allowed),
    ];
    for (label, part, whole) in parts {
        let share = |sold: &[Sold]| percent(sum(sold, currency, part), sum(sold, currency, whole));
        let Some(now) = share(sold) else { continue };
        let beside = before.and_then(share).map(|then| format!("{} before", percent_in_words(then)));
        figures.push(figure(label, percent_in_words(now), beside.unwrap_or_default()));
    }
    figures
}

fn table(sold: &[Sold], before: Option<&[Sold]>, main: Option<&str>) -> Section {
    let mut heads = vec![
        ("Package", "package", false),
        ("Price now", "price", true),
        ("Currency", "currency", false),
        ("Sales", "sales", true),
        ("Net", "net", true),
        ("Of all net", "share_percent", true),
        ("Given back", "given_back", true),
        ("Bought again", "returning_percent", true),
        ("Time used", "time_used_percent", true),
        ("Data used", "data_used_percent", true),
        ("A sale brings", "per_sale", true),
    ];
    if before.is_some() {
        heads.extend([("Sales before", "sales_before", true), ("Net before", "net_before", true)]);
    }
    let rows = sold.iter().map(|one| row(one, sold, before)).collect();
    let nothing = "No such package was sold in this time, or the days are not put together yet.";
    let section = section("packages", "Packages", &heads, rows, nothing);
    let drawn: Vec<&Sold> = sold.iter().filter(|sold| Some(sold.currency.as_str()) == main && net(sold) > 0).collect();
    let parts = series("net", drawn.iter().map(|sold| Some(to_float(net(sold)) / 100.0)));
    charted(section, chart(Shape::Parts, "net", drawn.iter().map(|sold| sold.name.clone()).collect(), vec![parts]))
}

fn row(sold: &Sold, all: &[Sold], before: Option<&[Sold]>) -> Vec<Cell> {
    let money = |minor: i64| cell(minor, &sold.currency);
    let whole: i64 = all.iter().filter(|one| one.currency == sold.currency).map(net).sum();
    let mut cells = vec![
        Cell::text(sold.name.clone()),
        sold.price.map(money).unwrap_or_default(),
        Cell::text(sold.currency.clone()),
        count(sold.purchases),
        money(net(sold)),
        share(net(sold), whole),
        money(sold.refunded),
        share(sold.returning, sold.purchases),
        share(sold.seconds_used, sold.seconds_allowed),
        share(sold.octets_used, sold.octets_allowed),
        net(sold).checked_div(sold.purchases).map(money).unwrap_or_default(),
    ];
    if let Some(before) = before {
        let was = before.iter().find(|was| (was.package, &was.currency) == (sold.package, &sold.currency));
        cells.push(count(was.map_or(0, |was| was.purchases)));
        cells.push(money(was.map_or(0, net)));
    }
    cells
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn sold(package: u128, currency: &str, gross: i64) -> Sold {
        Sold {
            package: Uuid::from_u128(package),
            name: format!("package {package}"),
            price: Some(2_000),
            currency: currency.into(),
            purchases: 4,
            returning: 1,
            gross,
            refunded: 1_000,
            seconds_allowed: 7_200,
            seconds_used: 1_800,
            octets_allowed: 0,
            octets_used: 0,
        }
    }

    #[test]
    fn a_package_stands_with_its_share_of_its_currency() {
        let (now, before) =
            ([sold(1, "KES", 7_000), sold(2, "KES", 3_000), sold(2, "USD", 900)], [sold(2, "KES", 5_000)]);
        let answer = told(&now, Some(&before), false);
        let section = &answer.sections[0];
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
        let row: Vec<&str> = section.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(
            row,
            [
                "package 1",
                "KSh 20",
                "KES",
                "4",
                "KSh 60",
                "75.0 %",
                "KSh 10",
                "25.0 %",
                "25.0 %",
                "",
                "KSh 15",
                "0",
                "KSh 0"
            ]
        );
        assert_eq!(section.rows[1][12].text, "KSh 40");
        let drawn = section.chart.as_ref().expect("a chart");
        assert_eq!((drawn.x.len(), drawn.series[0].values[0]), (2, Some(60.0)), "of one currency");
        assert_eq!(
            (answer.figures[0].value.as_str(), answer.figures[0].beside.as_str()),
            ("KSh 80", "100 % more than KSh 40")
        );
    }

    #[test]
    fn a_package_whose_sales_all_went_back_brings_nothing_a_sale() {
        let gone = Sold { purchases: 0, returning: 0, gross: 1_000, price: None, ..sold(1, "KES", 0) };
        let answer = told(&[gone], None, false);
        let row = &answer.sections[0].rows[0];
        assert_eq!((row[1].text.as_str(), row[7].text.as_str(), row[10].text.as_str()), ("", "", ""));
        assert_eq!(answer.sections[0].chart, None, "there is nothing to share");
    }

    #[test]
    fn bands_of_prices_leave_no_gap() {
        assert!(BANDS.windows(2).all(|pair| pair[0].3 == pair[1].2));
        assert_eq!((BANDS[0].2, BANDS[4].3), (None, None));
    }
}
