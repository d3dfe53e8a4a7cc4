//! Is today normal? Each site's day so far beside what was expected of the same hours: the forecast with its band of 80 %, or, where there is
//! none, the same hours a week ago. Hours that nobody saw are left out on both sides, and said.
//!
//! The band of a part of a day is not the sum of the bands of its hours, which would be far too wide, nor what it would be if each hour went
//! astray by itself, which would be far too narrow: a bad day is bad in most of its hours. [`TOGETHER`] stands between the two.

use shared::money::Money;
use shared::staff::Permission;
use store::report::today::{self, Expected, Place};
use uuid::Uuid;

use super::amounts::decimal;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::to_float;
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "today",
    title: "Today",
    question: "Is today normal?",
    needs: Permission::See,
    heeds: Heeds { period: false, comparison: false, package: false, provider: false },
};

/// How far the hours of a day go astray together: 0 is each by itself, 1 all as one. Assumed, not measured.
const TOGETHER: f64 = 0.3;
/// Where there is only last week to compare with, less than half and more than double of it stand out, of this much at least.
const LEAST: f64 = 10.0;
/// Tenths of today's hours that must have been seen a week ago too: beside fewer, today would seem more than it is.
const SEEN_BEFORE: i64 = 9;

/// What was expected of something, and how far from it is still usual.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Beside {
    /// A forecast, with its band.
    Band {
        low: f64,
        high: f64,
    },
    /// So much a week ago.
    LastWeek(f64),
    Nothing,
}

impl Beside {
    /// `too little` or `too much`; empty: it is as expected, or nobody knows.
    fn judge(self, actual: f64) -> &'static str {
        let (low, high) = match self {
            Beside::Band { low, high } => (low, high),
            Beside::LastWeek(before) if before >= LEAST => (before / 2.0, before * 2.0),
            _ => return "",
        };
        if actual < low {
            "less than expected"
        } else if actual > high {
            "more than expected"
        } else {
            ""
        }
    }

    fn words(self, number: impl Fn(f64) -> String) -> String {
        match self {
            Beside::Band { low, high } => format!("expected {} to {}", number(low), number(high)),
            Beside::LastWeek(before) => format!("a week ago {}", number(before)),
            Beside::Nothing => String::new(),
        }
    }
}

/// The band of these sums of hours, of one place or of several that go astray each by itself.
fn band(expected: &[&Expected]) -> Option<Beside> {
    if expected.is_empty() {
        return None;
    }
    let reach = |sum: fn(&Expected) -> (f64, f64)| {
        let squares = expected
            .iter()
            .map(|one| sum(one))
            .map(|(width, squares)| (1.0 - TOGETHER) * squares + TOGETHER * width * width);
        squares.sum::<f64>().max(0.0).sqrt()
    };
    let middle: f64 = expected.iter().map(|one| one.expected).sum();
    let low = (middle - reach(|one| (one.below, one.below_squares))).max(0.0);
    Some(Beside::Band { low, high: middle + reach(|one| (one.above, one.above_squares)) })
}

/// Whether a place was seen a week ago in nearly all hours in which it was seen today.
fn is_comparable(place: &Place) -> bool {
    place.seen > 0 && place.seen_before.saturating_mul(10) >= place.seen.saturating_mul(SEEN_BEFORE)
}

/// What a place, or all of them, are held against: the forecast if each place has one that reaches so far, else last week.
fn beside(places: &[&Place], expected: &[Expected], measure: &str, before: impl Fn(&Place) -> f64) -> Beside {
    let of = |place: &Place| {
        expected.iter().find(|one| one.site == place.site && one.measure == measure && one.hours >= place.seen)
    };
    let seen: Vec<&&Place> = places.iter().filter(|place| place.seen > 0).collect();
    let all: Vec<&Expected> = seen.iter().filter_map(|place| of(place)).collect();
    if all.len() == seen.len()
        && let Some(band) = band(&all)
    {
        return band;
    }
    match seen.iter().all(|place| is_comparable(place)) && !seen.is_empty() {
        true => Beside::LastWeek(seen.iter().map(|place| before(place)).sum()),
        false => Beside::Nothing,
    }
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let (db, common) = (&question.app.db, &question.common);
    let mut places = today::places(db, common.site, &common.sites, common.now).await?;
    places.retain(says_something);
    let expected = today::expected(db, common.site, &common.sites, common.now).await?;
    Ok(told(&places, &expected, question.staff.may(Permission::SeeMoney)))
}

/// Whether there is anything to say of a place: of what is at no site, which nobody forecasts, there is often nothing, and that would keep all
/// sites together from being held against their forecasts.
fn says_something(place: &Place) -> bool {
    let is_quiet = place.purchases == 0
        && place.revenue == 0
        && place.purchases_before <= 0.0
        && place.refused == 0
        && place.unpaid == 0
        && place.online.is_none_or(|online| online == 0);
    place.site != Uuid::nil() || !is_quiet
}

fn told(places: &[Place], expected: &[Expected], sees_money: bool) -> Answer {
    if places.is_empty() {
        return Answer::default();
    }
    let mut notes = vec![
        "A day begins at midnight by each site's own clock. The hour that is under way counts for as much of it as is over. Of ten usual days eight are within what is expected.".to_owned(),
    ];
    let unseen: i64 = places.iter().map(|place| place.unseen).sum();
    if unseen > 0 {
        notes.push(format!("{unseen} hours of today were not seen by anybody, and are left out on both sides."));
    }
    let section = Section {
        id: "sites",
        title: "Each site so far".into(),
        notes: Vec::new(),
        chart: None,
        heads: heads(sees_money),
        rows: places.iter().map(|place| row(place, expected, sees_money)).collect(),
        nothing: "There is no site yet.",
    };
    Answer { figures: figures(places, expected, sees_money), notes, sections: vec![section], ..Answer::default() }
}

fn heads(sees_money: bool) -> Vec<(String, String, bool)> {
    let all = [
        ("Site", "site", false, true),
        ("Revenue", "revenue", true, sees_money),
        ("Sales", "sales", true, sees_money),
        ("Most online, this hour", "online", true, true),
        ("Refused logins", "refused_logins", true, true),
        ("Failed payments", "failed_payments", true, sees_money),
        ("Silent routers", "silent_routers", true, true),
    ];
    let shown = all.into_iter().filter(|(.., is_shown)| *is_shown);
    shown.map(|(label, key, is_number, _)| (label.to_owned(), key.to_owned(), is_number)).collect()
}

fn row(place: &Place, expected: &[Expected], sees_money: bool) -> Vec<Cell> {
    let one = [place];
    let of = |measure: &str, before: fn(&Place) -> f64| beside(&one, expected, measure, before);
    let mut cells = vec![Cell::text(place.name.clone())];
    if sees_money {
        let money = |minor: f64| amount(minor, &place.currency);
        let revenue = of("revenue", |place| place.revenue_before);
        cells.push(
            judged(money(to_float(place.revenue)), to_float(place.revenue), revenue, money)
                .value(decimal(place.revenue)),
        );
        let sales = of("purchases", |place| place.purchases_before);
        cells.push(judged(place.purchases.to_string(), to_float(place.purchases), sales, whole));
    }
    cells.push(match place.online {
        Some(online) => judged(online.to_string(), f64::from(online), online_beside(place, expected), whole),
        None => Cell::text("not seen").value(""),
    });
    cells.push(failing(place.refused, place.refused_before, place));
    if sees_money {
        cells.push(failing(place.unpaid, place.unpaid_before, place));
    }
    let silent = Cell::text(format!("{} of {}", place.silent, place.routers)).value(place.silent.to_string());
    cells.push(if place.silent > 0 { silent.alarm("not heard of") } else { silent });
    cells
}

fn online_beside(place: &Place, expected: &[Expected]) -> Beside {
    let forecast = expected.iter().find(|one| one.site == place.site && one.measure == "sessions");
    let before = || place.online_before.map_or(Beside::Nothing, |before| Beside::LastWeek(f64::from(before)));
    forecast.and_then(|one| band(&[one])).unwrap_or_else(before)
}

/// A number beside what was expected of it.
fn judged(text: String, actual: f64, beside: Beside, number: impl Fn(f64) -> String) -> Cell {
    Cell::text(text).small(beside.words(number)).alarm(beside.judge(actual))
}

/// What should not be there at all: less of it is nothing to look at.
fn failing(count: i64, before: f64, place: &Place) -> Cell {
    let beside = if is_comparable(place) { Beside::LastWeek(before) } else { Beside::Nothing };
    let cell = Cell::text(count.to_string()).small(beside.words(whole));
    if is_more(count, beside) { cell.alarm("more than expected") } else { cell }
}

fn figures(places: &[Place], expected: &[Expected], sees_money: bool) -> Vec<Figure> {
    let all: Vec<&Place> = places.iter().collect();
    let mut figures = Vec::new();
    if sees_money {
        figures.extend(money_figures(&all, expected));
        let sold: i64 = all.iter().map(|place| place.purchases).sum();
        let sales = beside(&all, expected, "purchases", |place| place.purchases_before);
        figures.push(figure("sold so far today", sold.to_string(), to_float(sold), sales, whole));
    }
    figures.extend(online_figure(&all));
    let is_known =
        all.iter().any(|place| place.seen > 0) && all.iter().all(|place| place.seen == 0 || is_comparable(place));
    let before = |sum: f64| if is_known { Beside::LastWeek(sum) } else { Beside::Nothing };
    let refused: i64 = all.iter().map(|place| place.refused).sum();
    let refused_before = before(all.iter().map(|place| place.refused_before).sum());
    figures.push(failures("logins refused today", refused, refused_before));
    if sees_money {
        let unpaid: i64 = all.iter().map(|place| place.unpaid).sum();
        let unpaid_before = before(all.iter().map(|place| place.unpaid_before).sum());
        figures.push(failures("payments failed today", unpaid, unpaid_before));
    }
    let silent: i64 = all.iter().map(|place| place.silent).sum();
    let routers: i64 = all.iter().map(|place| place.routers).sum();
    figures.push(Figure {
        label: "routers silent".into(),
        value: silent.to_string(),
        beside: format!("of {routers}"),
        tone: if silent > 0 { "bad" } else { "" },
    });
    figures
}

/// How many are online, where that is counted in this hour.
fn online_figure(all: &[&Place]) -> Option<Figure> {
    let seen: Vec<&&Place> = all.iter().filter(|place| place.online.is_some()).collect();
    if seen.is_empty() {
        return None;
    }
    let online: i64 = seen.iter().filter_map(|place| place.online).map(i64::from).sum();
    let before: Option<f64> = seen.iter().map(|place| place.online_before.map(f64::from)).sum();
    let beside = before.map_or(Beside::Nothing, Beside::LastWeek);
    Some(figure("online at most, this hour", online.to_string(), to_float(online), beside, whole))
}

/// What was taken, a figure for each currency.
fn money_figures(all: &[&Place], expected: &[Expected]) -> Vec<Figure> {
    let mut currencies: Vec<&str> =
        all.iter().filter(|place| place.seen > 0).map(|place| place.currency.as_str()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let of = |currency: &str| {
        let places: Vec<&Place> = all.iter().copied().filter(|place| place.currency == currency).collect();
        let minor: i64 = places.iter().map(|place| place.revenue).sum();
        let beside = beside(&places, expected, "revenue", |place| place.revenue_before);
        let money = |minor: f64| amount(minor, currency);
        figure("taken so far today", money(to_float(minor)), to_float(minor), beside, money)
    };
    currencies.into_iter().map(of).collect()
}

fn figure(label: &str, value: String, actual: f64, beside: Beside, number: impl Fn(f64) -> String) -> Figure {
    let judged = beside.judge(actual);
    let words = beside.words(number);
    Figure {
        label: label.to_owned(),
        value,
        beside: if judged.is_empty() { words } else { format!("{judged}: {words}") },
        tone: match judged {
            "less than expected" => "bad",
            "" => "",
            _ => "good",
        },
    }
}

fn failures(label: &str, count: i64, beside: Beside) -> Figure {
    Figure {
        label: label.to_owned(),
        value: count.to_string(),
        beside: beside.words(whole),
        tone: if is_more(count, beside) { "bad" } else { "" },
    }
}

/// Whether of what should not be there at all there is more than double of what was.
fn is_more(count: i64, beside: Beside) -> bool {
    matches!(beside, Beside::LastWeek(before) if to_float(count) > (before * 2.0).max(LEAST))
}

fn whole(number: f64) -> String {
    format!("{:.0}", number.round())
}

/// Minor units as people read them, without cents: what was expected is not known to the cent.
fn amount(minor: f64, currency: &str) -> String {
    let units = (minor / 100.0).round() as i64;
    match currency.parse() {
        Ok(currency) => Money { minor: units.saturating_mul(100), currency }.to_string(),
        Err(_) => format!("{currency} {units}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u128) -> Place {
        Place {
            site: Uuid::from_u128(number),
            name: format!("Site {number}"),
            seen: 10,
            unseen: 0,
            seen_before: 10,
            purchases: 12,
            purchases_before: 20.0,
            revenue: 24_000,
            revenue_before: 40_000.0,
            currency: "KES".into(),
            refused: 1,
            refused_before: 2.0,
            unpaid: 0,
            unpaid_before: 0.0,
            online: Some(5),
            online_before: Some(4),
            routers: 2,
            silent: 1,
        }
    }

    fn expected(number: u128, measure: &str) -> Expected {
        Expected {
            site: Uuid::from_u128(number),
            measure: measure.into(),
            hours: 10,
            expected: 40.0,
            below: 20.0,
            below_squares: 100.0,
            above: 20.0,
            above_squares: 100.0,
        }
    }

    #[test]
    fn the_band_of_hours_is_between_apart_and_together() {
        let one = expected(1, "purchases");
        let Some(Beside::Band { low, high }) = band(&[&one]) else { panic!("a band") };
        // Apart it would be 10 on each side, together 20.
        assert!(low > 20.0 && low < 30.0 && high > 50.0 && high < 60.0, "{low} {high}");
        let Some(Beside::Band { low: both, .. }) = band(&[&one, &one]) else { panic!("a band") };
        assert!(both > 2.0 * low, "two places are surer than one twice as large");
        assert_eq!(band(&[]), None);
    }

    #[test]
    fn a_forecast_goes_before_last_week_and_only_if_all_places_have_one() {
        let (one, two) = (place(1), place(2));
        let forecasts = [expected(1, "purchases")];
        let of = |places: &[&Place], forecasts: &[Expected]| {
            beside(places, forecasts, "purchases", |place| place.purchases_before)
        };
        assert!(matches!(of(&[&one], &forecasts), Beside::Band { .. }));
        assert_eq!(of(&[&one, &two], &forecasts), Beside::LastWeek(40.0));
        let new = Place { seen_before: 0, ..place(3) };
        assert_eq!(of(&[&new], &[]), Beside::Nothing);
        let short = [Expected { hours: 9, ..expected(1, "purchases") }];
        assert_eq!(of(&[&one], &short), Beside::LastWeek(20.0), "it ended before the day did");
        let halfway = Place { seen_before: 5, ..place(3) };
        assert_eq!(of(&[&halfway], &[]), Beside::Nothing, "ten hours are not held against five");
        let dark = Place { seen: 0, ..place(2) };
        assert!(matches!(of(&[&one, &dark], &forecasts), Beside::Band { .. }), "what was not seen is not expected");
    }

    #[test]
    fn of_no_site_there_is_only_something_to_say_where_something_was() {
        let sold = Place { site: Uuid::nil(), ..place(1) };
        let quiet =
            Place { purchases: 0, purchases_before: 0.0, revenue: 0, refused: 0, online: Some(0), ..sold.clone() };
        assert!(says_something(&sold) && !says_something(&quiet));
        assert!(says_something(&Place { site: Uuid::from_u128(1), ..quiet }), "a site is always there");
    }

    #[test]
    fn what_is_out_of_the_band_is_said() {
        let band = Beside::Band { low: 10.0, high: 20.0 };
        assert_eq!(
            [band.judge(9.0), band.judge(15.0), band.judge(21.0)],
            ["less than expected", "", "more than expected"]
        );
        assert_eq!(Beside::LastWeek(4.0).judge(0.0), "", "too few to judge by");
        assert_eq!(Beside::LastWeek(20.0).judge(9.0), "less than expected");
        assert_eq!(Beside::Nothing.judge(1e9), "");
    }

    #[test]
    fn who_may_not_see_money_sees_no_sales() {
        let answer = told(&[place(1)], &[], false);
        let shown = format!("{answer:?}");
        assert!(!shown.contains("KSh") && !shown.contains("sold") && shown.contains("routers silent"), "{shown}");
        let section = answer.sections.first().expect("a section");
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
        let all = told(&[place(1)], &[expected(1, "revenue")], true);
        assert!(format!("{all:?}").contains("KSh 240"), "{all:?}");
        let section = all.sections.first().expect("a section");
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
        assert!(told(&[], &[], true).sections.is_empty());
    }
}
