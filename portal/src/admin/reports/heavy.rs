//! Who uses most: how much, on how many devices, at how many sites, and which part of all that is used where they use most.
//!
//! It counts by whole months: a month that the time touches counts from its beginning to its end, or to now. Numbers and names stand here as
//! whoever asks may see them.

use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::report::heavy::{self, Heavy, Months, Total};
use time::{Date, Time};
use uuid::Uuid;

use super::chart::Shape;
use super::report::{About, Answer, Common, Heeds, Question, Section, Told};
use super::usage::{chart, charted, count, data, section, series, share, to_float};
use crate::admin::listing::{Cell, phone};
use crate::admin::lists::customers;
use crate::admin::words::{self, EAST_AFRICA};
use crate::api::id::{self, Kind};

pub(super) const ABOUT: About = About {
    slug: "heavy",
    title: "Heavy use",
    question: "Who uses most, and what does it leave to the others?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: false, package: false, provider: false },
};

/// How many are shown.
const SHOWN: i64 = 50;
/// Of these a chart has room for.
const DRAWN: usize = 20;
/// From how many gigabytes on somebody is looked for.
const LEAST: [(&str, &str, i64); 4] = [
    ("10", "10 GB or more", 10_000_000_000),
    ("50", "50 GB or more", 50_000_000_000),
    ("100", "100 GB or more", 100_000_000_000),
    ("500", "500 GB or more", 500_000_000_000),
];

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = LEAST.map(|(value, label, _)| (value.to_owned(), label.to_owned()));
    let chosen = question.asked.choice("least", "Used", "However much", &options);
    let least =
        LEAST.iter().find(|(value, _, _)| chosen.as_deref() == Some(*value)).map_or(0, |(_, _, octets)| *octets);
    let (db, common, role) = (&question.app.db, &question.common, question.staff.admin.role);
    let months = months(common);
    let asked = Months { months: &months, site: common.site, sites: &common.sites };
    let users = heavy::users(db, &asked, least, SHOWN).await?;
    let mut places: Vec<Uuid> = users.iter().map(|user| user.site).collect();
    places.sort_unstable();
    places.dedup();
    let totals = match (months.first(), months.last()) {
        (Some(first), Some(last)) => heavy::totals(db, &places, begin(*first), begin(next(*last))).await?,
        _ => Vec::new(),
    };
    let mut notes = vec![in_words(&months)];
    if !role.may(Permission::SeePeople) {
        notes.push(Permission::SeePeople.sentence());
    }
    Ok(Answer { figures: Vec::new(), notes, sections: vec![table(&users, &totals, role)], extra: Vec::new() })
}

/// The months that the time touches, by the clock of East Africa, by which they are summed up.
fn months(common: &Common) -> Vec<Date> {
    let first_of = |at: OffsetDateTime| first(at.to_offset(EAST_AFRICA).date());
    let end = first_of(common.until - time::Duration::SECOND);
    let mut months = vec![first_of(common.from)];
    while let Some(last) = months.last().copied().filter(|last| *last < end) {
        months.push(next(last));
    }
    months
}

/// The first day of its month.
fn first(day: Date) -> Date {
    day.saturating_sub(time::Duration::days(i64::from(day.day()) - 1))
}

/// The first day of the month after the one that this day begins.
fn next(month: Date) -> Date {
    first(month.saturating_add(time::Duration::days(31)))
}

fn begin(month: Date) -> OffsetDateTime {
    month.with_time(Time::MIDNIGHT).assume_offset(EAST_AFRICA)
}

fn in_words(months: &[Date]) -> String {
    let word = |month: &Date| format!("{} {}", month.month(), month.year());
    match months {
        [] => String::new(),
        [one] => format!("This counts by whole months: here {}.", word(one)),
        [first, .., last] => format!("This counts by whole months: here {} to {}.", word(first), word(last)),
    }
}

fn table(users: &[Heavy], totals: &[Total], role: Role) -> Section {
    let rows = users.iter().map(|user| row(user, totals, role));
    let heads = [
        ("Customer", "phone", false),
        ("Name", "name", false),
        ("Down", "down_octets", true),
        ("Up", "up_octets", true),
        ("Online", "online_seconds", true),
        ("Devices", "devices", true),
        ("Sites", "sites", true),
        ("Uses most at", "site", false),
        ("Of all that is used there", "share_percent", true),
        ("Identity", "id", false),
    ];
    let section = section("users", "Who uses most", &heads, rows.collect(), "Nobody used so much in this time.");
    let drawn = users.iter().take(DRAWN);
    let bars = series("GB", drawn.clone().map(|user| Some(to_float(user.down.saturating_add(user.up)) / 1e9)));
    let names = drawn.map(|user| phone(role, &user.phone)).collect();
    charted(section, chart(Shape::Bars, "GB", names, vec![bars]))
}

fn row(user: &Heavy, totals: &[Total], role: Role) -> Vec<Cell> {
    let spelt = id::spell(Kind::Customer, user.user);
    let there = totals.iter().find(|total| total.site == user.site).map_or(0, |total| total.octets);
    let online = std::time::Duration::from_secs(u64::try_from(user.seconds).unwrap_or(0));
    vec![
        Cell::text(phone(role, &user.phone)).link(format!("/admin/customers/{spelt}")).story(role, "customer", &spelt),
        Cell::text(customers::name(role, &user.name)),
        data(user.down),
        data(user.up),
        Cell::text(words::span(online)).value(user.seconds.to_string()),
        count(user.devices),
        count(user.places),
        Cell::text(user.site_name.clone()),
        share(user.there.min(there), there),
        Cell::code(spelt),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::usage::tests::asked;
    use super::*;

    fn user() -> Heavy {
        Heavy {
            user: Uuid::from_u128(7),
            phone: "+254712345678".into(),
            name: "Asha".into(),
            up: 2_000_000_000,
            down: 38_000_000_000,
            seconds: 7200,
            places: 2,
            devices: 3,
            site: Uuid::from_u128(9),
            site_name: "Market".into(),
            there: 30_000_000_000,
        }
    }

    #[test]
    fn months_are_those_that_the_time_touches() {
        let word = |months: &[Date]| months.iter().map(Date::to_string).collect::<Vec<_>>();
        // Until the 29th of November is over.
        assert_eq!(word(&months(&asked(24))), ["2026-11-01"]);
        assert_eq!(word(&months(&asked(40 * 24))), ["2026-10-01", "2026-11-01"]);
        let year = months(&asked(365 * 24));
        assert_eq!((year.len(), year[1].to_string()), (13, "2025-12-01".to_owned()));
        assert_eq!(
            begin(next(year[12])).unix_timestamp(),
            1_796_072_400,
            "the first of December begins at nine in the evening of UTC"
        );
        assert!(in_words(&year).contains("November 2025 to November 2026"), "{}", in_words(&year));
    }

    #[test]
    fn a_row_says_the_share_of_the_site_and_hides_people_from_some() {
        let totals = [Total { site: Uuid::from_u128(9), octets: 120_000_000_000 }];
        for (role, number, name) in [(Role::Support, "+254712345678", "Asha"), (Role::ReadOnly, "07xx xxx 678", "A…")]
        {
            let row = row(&user(), &totals, role);
            assert_eq!((row[0].text.as_str(), row[1].text.as_str(), row[8].text.as_str()), (number, name, "25.0 %"));
            assert!(row[0].link.starts_with("/admin/customers/cus_"));
            assert_eq!(row[0].story.is_empty(), !role.may(Permission::Support));
            assert_eq!(table(&[user()], &totals, role).heads.len(), row.len());
            let drawn = table(&[user()], &totals, role).chart.expect("a chart");
            assert_eq!(drawn.x, [number], "a chart tells no more than its table");
        }
        assert_eq!(row(&user(), &[], Role::Owner)[8], Cell::default(), "nothing is known of the site");
    }
}
