//! How customers behave: how long they stay, when and why they leave, what they prefer, whether they come back, on how many devices they are.
//!
//! What was bought is shown to those alone who may see money; the rest is for everybody at the desk.

use shared::staff::Permission;
use shared::time::Zone;
use store::report::behaviour::{self, Devices, Ending, Preferred};

use super::chart::{Series, Shape};
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use super::usage::{
    add, change, chart, charted, count, figure, median_minutes, minutes, minutes_cell, noted, percent,
    percent_in_words, section, series, share, span, span_before, to_float,
};
use crate::admin::listing::Cell;
use crate::admin::words;

pub(super) const ABOUT: About = About {
    slug: "behaviour",
    title: "Behaviour",
    question: "How long do customers stay, when and why do they leave, what do they prefer, and do they come back?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: true, package: false, provider: false },
};

/// The parts by which lengths are counted.
const LENGTHS: [&str; 10] = [
    "up to 1 minute",
    "up to 5 minutes",
    "up to 15 minutes",
    "up to 30 minutes",
    "up to 1 hour",
    "up to 2 hours",
    "up to 4 hours",
    "up to 8 hours",
    "up to 1 day",
    "longer",
];

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let (db, common) = (&question.app.db, &question.common);
    let asked = span(common);
    let endings = behaviour::endings(db, &asked, &common.sites).await?;
    let hours = behaviour::hours(db, &asked, &common.sites).await?;
    let before = match span_before(common) {
        Some(before) => Some(behaviour::endings(db, &before, &common.sites).await?),
        None => None,
    };
    let devices = behaviour::devices(db, &asked, &common.sites).await?;
    let mut answer = Answer {
        figures: figures(&endings, before.as_deref()),
        notes: notes(before.is_some() && common.until > common.now),
        sections: vec![lengths(&endings, before.as_deref()), hours_of_day(&local(&hours, common)), causes(&endings)],
        extra: Vec::new(),
    };
    if question.staff.may(Permission::SeeMoney) {
        let packages = behaviour::packages(db, &asked, &common.sites).await?;
        let earlier = match span_before(common) {
            Some(before) => Some(behaviour::packages(db, &before, &common.sites).await?),
            None => None,
        };
        answer.figures.push(returning(&packages, earlier.as_deref()));
        answer.sections.push(preferred(&packages));
    }
    answer.sections.push(owned(&devices));
    Ok(answer)
}

fn notes(is_beside_more: bool) -> Vec<String> {
    let mut notes = vec!["A session counts on the day, by UTC, on which it ended.".to_owned()];
    if is_beside_more {
        notes.push("Today is not over, and stands beside a whole day.".to_owned());
    }
    notes
}

fn lasted(endings: &[Ending]) -> Vec<i64> {
    let mut sum = Vec::new();
    endings.iter().for_each(|ending| add(&mut sum, &ending.lasted));
    sum
}

fn figures(endings: &[Ending], before: Option<&[Ending]>) -> Vec<Figure> {
    let ended = |endings: &[Ending]| to_float(endings.iter().map(|ending| ending.sessions).sum());
    let whole = |number: f64| format!("{number:.0}");
    let median = |endings: &[Ending]| median_minutes(&lasted(endings));
    let middle = median(endings);
    let beside = match (middle, before.and_then(median)) {
        (Some(now), Some(was)) => change(now, Some(was), minutes),
        _ => String::new(),
    };
    vec![
        figure("sessions ended", whole(ended(endings)), change(ended(endings), before.map(ended), whole)),
        figure("half of them lasted at most", middle.map(minutes).unwrap_or_else(|| "not known".into()), beside),
    ]
}

fn lengths(endings: &[Ending], before: Option<&[Ending]>) -> Section {
    let now = lasted(endings);
    let was = before.map(lasted);
    let total: i64 = now.iter().sum();
    let at = |counts: &[i64], part: usize| counts.get(part).copied().unwrap_or(0);
    let rows = LENGTHS.iter().enumerate().map(|(part, label)| {
        vec![
            Cell::text(*label),
            count(at(&now, part)),
            share(at(&now, part), total),
            was.as_deref().map(|was| count(at(was, part))).unwrap_or_default(),
        ]
    });
    let heads = [
        ("Lasted", "lasted", false),
        ("Sessions", "sessions", true),
        ("Share", "share_percent", true),
        ("Before", "sessions_before", true),
    ];
    let bars =
        |name: &str, counts: &[i64]| series(name, (0..LENGTHS.len()).map(|part| Some(to_float(at(counts, part)))));
    let mut lines: Vec<Series> = vec![bars("sessions", &now)];
    lines.extend(was.as_deref().map(|was| bars("before", was)));
    let rows = if total > 0 { rows.collect() } else { Vec::new() };
    let x: Vec<String> = if total > 0 { LENGTHS.map(str::to_owned).into() } else { Vec::new() };
    let table = section("lengths", "How long they stay", &heads, rows, "No session has ended in this time.");
    charted(table, chart(Shape::Bars, "sessions", x, lines))
}

/// What was counted by the hours of UTC, by those of the place. A clock that is half an hour off is taken for the hour that it begins in.
fn local(hours: &[i64], common: &Common) -> Vec<i64> {
    let zone = Zone::named(&common.time_zone).unwrap_or_default();
    let shift = zone.at(common.from).offset().whole_hours();
    let mut turned = hours.to_vec();
    if turned.len() == 24 {
        turned.rotate_right(usize::from(shift.rem_euclid(24).unsigned_abs()));
    }
    turned
}

fn hours_of_day(hours: &[i64]) -> Section {
    let total: i64 = hours.iter().sum();
    let names: Vec<String> = (0..hours.len()).map(|hour| format!("{hour:02}:00")).collect();
    let rows = names
        .iter()
        .zip(hours)
        .map(|(name, ended)| vec![Cell::text(name.clone()), count(*ended), share(*ended, total)]);
    let heads = [("Hour", "hour", false), ("Sessions ended", "sessions", true), ("Share", "share_percent", true)];
    let table = section("hours", "When they leave", &heads, rows.collect(), "No session has ended in this time.");
    let bars = series("sessions ended", hours.iter().map(|ended| Some(to_float(*ended))));
    charted(table, chart(Shape::Bars, "sessions", names, vec![bars]))
}

fn causes(endings: &[Ending]) -> Section {
    let total: i64 = endings.iter().map(|ending| ending.sessions).sum();
    let rows = endings.iter().map(|ending| {
        let median = median_minutes(&ending.lasted);
        vec![
            Cell::text(words::cause(Some(&ending.cause))).small(meaning(&ending.cause)).value(ending.cause.clone()),
            count(ending.sessions),
            share(ending.sessions, total),
            minutes_cell(median),
        ]
    });
    let heads = [
        ("Why", "cause", false),
        ("Sessions", "sessions", true),
        ("Share", "share_percent", true),
        ("Half lasted at most", "median_minutes", true),
    ];
    let table = section("causes", "Why they leave", &heads, rows.collect(), "No session has ended in this time.");
    let x = endings.iter().map(|ending| words::cause(Some(&ending.cause))).collect();
    let parts = series("sessions", endings.iter().map(|ending| Some(to_float(ending.sessions))));
    let told = "The word is the router's (RFC 2866 §5.10); what it usually means stands below it.";
    noted(charted(table, chart(Shape::Parts, "sessions", x, vec![parts])), told)
}

/// What a router usually means by its word.
fn meaning(cause: &str) -> &'static str {
    match cause {
        "User-Request" => "the customer signed out",
        "Lost-Carrier" => "the device went out of reach, or was switched off",
        "Lost-Service" => "the router lost its line",
        "Idle-Timeout" => "nothing was sent or asked for a while",
        "Session-Timeout" => "the time that was bought was used up",
        "Admin-Reset" => "cut by us, or by somebody at the router",
        "Admin-Reboot" | "NAS-Reboot" => "the router started anew",
        "NAS-Error" | "Port-Error" => "something went wrong at the router",
        "NAS-Request" => "the router ended it by itself",
        "" => "the router did not say, or was not heard any more",
        _ => "",
    }
}

fn of_returning(packages: &[Preferred]) -> Option<f64> {
    let bought = packages.iter().map(|package| package.purchases).sum();
    percent(packages.iter().map(|package| package.again).sum(), bought)
}

fn returning(packages: &[Preferred], before: Option<&[Preferred]>) -> Figure {
    let now = of_returning(packages);
    let beside = before.and_then(of_returning).map(|was| format!("{} before", percent_in_words(was)));
    let value = now.map(percent_in_words).unwrap_or_else(|| "not known".into());
    figure("of purchases by who had bought before", value, beside.unwrap_or_default())
}

fn preferred(packages: &[Preferred]) -> Section {
    let total: i64 = packages.iter().map(|package| package.purchases).sum();
    let rows = packages.iter().map(|package| {
        vec![
            Cell::text(package.name.clone()),
            count(package.purchases),
            share(package.purchases, total),
            count(package.again),
            share(package.again, package.purchases),
        ]
    });
    let heads = [
        ("Package", "package", false),
        ("Bought", "purchases", true),
        ("Share", "share_percent", true),
        ("By who had bought before", "again", true),
        ("Share of it", "again_percent", true),
    ];
    let table = section("packages", "What they prefer", &heads, rows.collect(), "Nothing was bought in this time.");
    let x = packages.iter().map(|package| package.name.clone()).collect();
    let first = packages.iter().map(|package| Some(to_float(package.purchases - package.again)));
    let again = packages.iter().map(|package| Some(to_float(package.again)));
    let lines = vec![series("for the first time", first), series("had bought before", again)];
    charted(table, chart(Shape::Stacked, "purchases", x, lines))
}

fn owned(devices: &[Devices]) -> Section {
    let total: i64 = devices.iter().map(|owned| owned.customers).sum();
    let label = |owned: &Devices| match owned.devices {
        0 => "none known".to_owned(),
        1 => "1 device".to_owned(),
        5.. => "5 devices or more".to_owned(),
        some => format!("{some} devices"),
    };
    let rows = devices.iter().map(|owned| {
        vec![
            Cell::text(label(owned)).value(owned.devices.to_string()),
            count(owned.customers),
            share(owned.customers, total),
        ]
    });
    let heads = [("Devices", "devices", false), ("Customers", "customers", true), ("Share", "share_percent", true)];
    let rows = rows.collect();
    let table =
        section("devices", "Devices of a customer", &heads, rows, "Nobody was there in the last month of this time.");
    let x = devices.iter().map(label).collect();
    let bars = series("share of the customers", devices.iter().map(|owned| percent(owned.customers, total)));
    let told = "Of those who bought or were online in the last month of this time, as their devices are known now. Of very many customers a part is counted.";
    noted(charted(table, chart(Shape::Bars, "% of the customers", x, vec![bars])), told)
}

#[cfg(test)]
mod tests {
    use super::super::usage::tests::asked;
    use super::*;

    fn ending(cause: &str, lasted: [i64; 10]) -> Ending {
        Ending { cause: cause.into(), sessions: lasted.iter().sum(), seconds: 0, lasted: lasted.into() }
    }

    #[test]
    fn lengths_of_all_causes_come_together() {
        let endings =
            [ending("Idle-Timeout", [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]), ending("", [2, 1, 0, 0, 0, 0, 0, 0, 0, 0])];
        let section = lengths(&endings, Some(&endings[..1]));
        assert_eq!(section.rows.len(), 10);
        let row: Vec<&str> = section.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(row, ["up to 1 minute", "3", "50.0 %", "1"]);
        let chart = section.chart.expect("a chart");
        assert_eq!((chart.series.len(), chart.series[0].values[9]), (2, Some(2.0)));
        let nothing = lengths(&[], None);
        assert!(nothing.rows.is_empty() && nothing.chart.is_none());
    }

    #[test]
    fn hours_are_those_of_the_place() {
        let mut hours = vec![0; 24];
        hours[20] = 7;
        hours[22] = 1;
        let local = local(&hours, &asked(24));
        assert_eq!((local[23], local[1]), (7, 1), "three hours ahead, over midnight");
        assert!(super::local(&[], &asked(24)).is_empty());
    }

    #[test]
    fn a_cause_has_the_words_of_the_lists_and_what_it_means() {
        let section = causes(&[ending("Session-Timeout", [0, 0, 0, 0, 3, 0, 0, 0, 0, 0]), ending("", [1; 10])]);
        assert_eq!(
            (section.rows[0][0].text.as_str(), section.rows[1][0].text.as_str()),
            ("session timeout", "not told")
        );
        assert_eq!(section.rows[0][0].small, "the time that was bought was used up");
        assert_eq!(section.rows[0][3].text, "45 minutes");
    }

    #[test]
    fn those_who_return_are_a_share_of_what_was_bought() {
        let package = |purchases, again| Preferred { name: "hour".into(), purchases, again };
        assert_eq!(of_returning(&[package(6, 1), package(4, 3)]), Some(40.0));
        assert_eq!(of_returning(&[]), None);
        assert_eq!(preferred(&[package(6, 1)]).rows[0][4].text, "16.7 %");
    }
}
