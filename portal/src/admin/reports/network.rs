//! What is used of the network: how much, how fast, by how many at once and for how long, by site, by router and by the hour of the day.

use std::collections::HashMap;

use shared::staff::Permission;
use store::report::network::{self, HourOfDay, Lasted, Place};
use store::report::p95::{self, Of, P95};
use uuid::Uuid;

use super::chart::Shape;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::{
    add, address, change, chart, charted, count, data, data_in_words, figure, median_minutes, megabits, minutes_cell,
    section, series, span, span_before, speed, step, step_in_words, to_float,
};
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "network",
    title: "Network use",
    question: "Who uses what of the network, and when is it fullest?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: true, package: false, provider: false },
};

/// Where the heaviest users are.
const HEAVY: &str = "/admin/reports/use/heavy";
/// Places that a chart has room for.
const DRAWN: usize = 20;

/// What stands beside a place in its row.
struct Beside {
    p95: HashMap<Uuid, i64>,
    lasted: HashMap<Uuid, Vec<i64>>,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let (db, common) = (&question.app.db, &question.common);
    let (asked, sites) = (span(common), &common.sites);
    let every = step(&asked);
    let by_site = network::sites(db, &asked, sites).await?;
    let by_router = network::routers(db, &asked, sites).await?;
    let lasted = network::lasted(db, &asked, sites).await?;
    let hours = network::hours(db, &asked, sites).await?;
    let of_sites = Beside {
        p95: found(&p95::p95(db, Of::SiteOctets, &asked, sites, every).await?),
        lasted: put_together(&lasted, |lasted| lasted.site),
    };
    let of_routers = Beside {
        p95: found(&p95::p95(db, Of::RouterOctets, &asked, sites, every).await?),
        lasted: put_together(&lasted, |lasted| lasted.nas),
    };
    let before = match span_before(common) {
        Some(before) => Some(network::sites(db, &before, sites).await?),
        None => None,
    };
    let mut notes = vec![
        "Mbit/s are means of whole hours, towards customers: within an hour it was faster for a while.".to_owned(),
    ];
    notes.extend(step_in_words(every));
    notes.extend(missing(&by_site));
    let link = |place: &Place| (place.site != Uuid::nil()).then(|| address(HEAVY, common, Some(place.site)));
    let router = |place: &Place| Some(format!("/admin/routers/{}", place.id));
    Ok(Answer {
        figures: figures(&by_site, before.as_deref()),
        notes,
        sections: vec![
            hours_of_day(&hours),
            places("sites", "By site", ("Site", "site"), &by_site, &of_sites, link),
            places("routers", "By router", ("Router", "router"), &by_router, &of_routers, router),
        ],
        extra: Vec::new(),
    })
}

fn found(p95: &[P95]) -> HashMap<Uuid, i64> {
    p95.iter().map(|p95| (p95.id, p95.value)).collect()
}

fn put_together(lasted: &[Lasted], by: impl Fn(&Lasted) -> Uuid) -> HashMap<Uuid, Vec<i64>> {
    let mut sums: HashMap<Uuid, Vec<i64>> = HashMap::new();
    for one in lasted {
        add(sums.entry(by(one)).or_default(), &one.lasted);
    }
    sums
}

fn missing(sites: &[Place]) -> Option<String> {
    let hours: i64 = sites.iter().map(|site| site.missing).sum();
    let places = sites.iter().filter(|site| site.missing > 0).count();
    (hours > 0).then(|| {
        format!("Not seen: {hours} hours at {places} of {} sites. What was used then is in no sum.", sites.len())
    })
}

fn figures(sites: &[Place], before: Option<&[Place]>) -> Vec<Figure> {
    let sum = |sites: &[Place], of: fn(&Place) -> i64| to_float(sites.iter().map(of).sum());
    let total = |label: &str, of: fn(&Place) -> i64| {
        let now = sum(sites, of);
        figure(label, data_in_words(now), change(now, before.map(|before| sum(before, of)), data_in_words))
    };
    let fastest = sites.iter().max_by_key(|site| site.busiest).filter(|site| site.busiest > 0);
    let fullest = sites.iter().max_by_key(|site| site.peak_sessions).filter(|site| site.peak_sessions > 0);
    let mut figures = vec![total("to customers", |site| site.down), total("from customers", |site| site.up)];
    figures.extend(fastest.map(|site| {
        let value = format!("{:.1} Mbit/s", megabits(to_float(site.busiest)));
        figure("in the busiest hour of a site", value, site.name.clone())
    }));
    figures.extend(
        fullest
            .map(|site| figure("most sessions at once at a site", site.peak_sessions.to_string(), site.name.clone())),
    );
    figures
}

fn hours_of_day(hours: &[HourOfDay]) -> Section {
    let name = |hour: &HourOfDay| format!("{:02}:00", hour.hour);
    let mbits = |octets: f64| Cell::text(format!("{:.1}", megabits(octets)));
    let rows = hours.iter().map(|hour| {
        vec![Cell::text(name(hour)), mbits(hour.down), mbits(hour.up), speed(hour.p95), count(hour.peak_sessions)]
    });
    let heads = [
        ("Hour", "hour", false),
        ("Down Mbit/s, mean", "down_mbits", true),
        ("Up Mbit/s, mean", "up_mbits", true),
        ("Down Mbit/s, P95", "down_p95_mbits", true),
        ("Most sessions", "peak_sessions", true),
    ];
    let table = section("hours", "By the hour of the day", &heads, rows.collect(), "Nothing was seen in this time.");
    let lines = vec![
        series("down, mean", hours.iter().map(|hour| Some(megabits(hour.down)))),
        series("down, P95", hours.iter().map(|hour| Some(megabits(to_float(hour.p95))))),
        series("up, mean", hours.iter().map(|hour| Some(megabits(hour.up)))),
    ];
    charted(table, chart(Shape::Line, "Mbit/s", hours.iter().map(name).collect(), lines))
}

fn places(
    id: &'static str,
    title: &str,
    (label, key): (&str, &str),
    places: &[Place],
    beside: &Beside,
    link: impl Fn(&Place) -> Option<String>,
) -> Section {
    let rows = places.iter().map(|place| {
        let name = Cell::text(place.name.clone()).link(link(place).unwrap_or_default());
        let median = beside.lasted.get(&place.id).and_then(|lasted| median_minutes(lasted));
        let seen = if place.missing > 0 { format!("{} hours not seen", place.missing) } else { String::new() };
        vec![
            if place.name == place.site_name { name } else { name.small(place.site_name.clone()) },
            data(place.down).small(seen),
            data(place.up),
            speed(place.busiest),
            beside.p95.get(&place.id).map(|octets| speed(*octets)).unwrap_or_default(),
            count(place.peak_sessions.into()),
            minutes_cell(median),
        ]
    });
    let heads = [
        (label, key, false),
        ("Down", "down_octets", true),
        ("Up", "up_octets", true),
        ("Mbit/s, busiest hour", "peak_mbits", true),
        ("Mbit/s, P95", "p95_mbits", true),
        ("Most sessions", "peak_sessions", true),
        ("Half of the sessions lasted at most", "median_minutes", true),
    ];
    let table = section(id, title, &heads, rows.collect(), "Nothing was used in this time.");
    let drawn = places.iter().take(DRAWN);
    let gigabytes = |octets: i64| Some(to_float(octets) / 1e9);
    let lines = vec![
        series("down", drawn.clone().map(|place| gigabytes(place.down))),
        series("up", drawn.clone().map(|place| gigabytes(place.up))),
    ];
    charted(table, chart(Shape::Stacked, "GB", drawn.map(|place| place.name.clone()).collect(), lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u128, down: i64, missing: i64) -> Place {
        Place {
            id: Uuid::from_u128(number),
            site: Uuid::from_u128(9),
            name: format!("router {number}"),
            site_name: "Market".into(),
            up: down / 10,
            down,
            busiest: 900_000_000,
            peak_sessions: 12,
            missing,
        }
    }

    #[test]
    fn a_row_has_what_was_used_and_what_stands_beside_it() {
        let lasted = |nas: u128, lasted: [i64; 10]| Lasted {
            nas: Uuid::from_u128(nas),
            site: Uuid::from_u128(9),
            lasted: lasted.into(),
        };
        let sessions = [lasted(1, [0, 0, 8, 0, 0, 0, 0, 0, 0, 0]), lasted(2, [0, 0, 8, 0, 0, 0, 0, 0, 0, 0])];
        let beside = Beside {
            p95: found(&[P95 { id: Uuid::from_u128(1), value: 450_000_000 }]),
            lasted: put_together(&sessions, |lasted| lasted.nas),
        };
        let rows = places("routers", "", ("Router", "router"), &[place(1, 5_000_000_000, 2)], &beside, |_| None).rows;
        let row: Vec<&str> = rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(row, ["router 1", "5 GB", "500 MB", "2.0", "1.0", "12", "10 minutes"]);
        assert_eq!((rows[0][0].small.as_str(), rows[0][1].small.as_str()), ("Market", "2 hours not seen"));
        let together = put_together(&sessions, |lasted| lasted.site);
        assert_eq!(together[&Uuid::from_u128(9)][2], 16, "both routers of a site");
    }

    #[test]
    fn hours_that_nobody_saw_are_said() {
        assert_eq!(missing(&[place(1, 1, 0)]), None);
        let told = missing(&[place(1, 1, 0), place(2, 1, 3)]).expect("something is missing");
        assert!(told.starts_with("Not seen: 3 hours at 1 of 2 sites."), "{told}");
    }

    #[test]
    fn sums_stand_beside_those_of_before() {
        let figures = figures(&[place(1, 3_000_000_000, 0)], Some(&[place(1, 2_000_000_000, 0)]));
        assert_eq!((figures[0].value.as_str(), figures[0].beside.as_str()), ("3 GB", "50 % more than 2 GB"));
        assert_eq!(figures[2].value, "2.0 Mbit/s");
    }
}
