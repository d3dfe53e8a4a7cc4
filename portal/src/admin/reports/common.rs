//! The filters that all reports share, as they stand in addresses.
//!
//! ```text
//!  ?site=…                    whose clock counts the days; none: East Africa's
//!  ?period=last_month         a time that moves on with the days: what a report that is sent by e-mail has
//!  ?from=…&until=…            days of the calendar, both of them in it
//!  ?compare=before|year|none  the time beside it
//!  ?package=…&provider=…
//! ```
//!
//! A report shows the fields that it heeds and no others. The time beside a period that is not over yet ends as early as the period has come:
//! half a day is not held against a whole one. A year ago is 52 weeks ago, so that a Saturday stands beside a Saturday.
//!
//! Refused here: guessing. What cannot be read is said at its field.

use shared::time::{OffsetDateTime, Zone};
use store::StoreError;
use time::{Date, Duration};

use super::report::{Common, Heeds};
use crate::App;
use crate::admin::listing::Asked;
use crate::session::Staff;

/// The clock where no site was chosen.
const HOME: &str = "Africa/Nairobi";
/// The usual time, in days, today among them.
const USUAL: i64 = 30;
/// The longest time, in days: what is kept of three years is a thousand rows a site and measure.
const MOST: i64 = 1_100;
/// The fields that say which time: what is sent by e-mail brings its own.
pub(super) const TIME: [&str; 3] = ["period", "from", "until"];
/// The fields that [`words`] and [`words_beside`] put into words.
pub(super) const SAID: [&str; 4] = ["period", "from", "until", "compare"];

/// Times that move on with the days.
const PERIODS: [(&str, &str); 8] = [
    ("today", "Today"),
    ("yesterday", "Yesterday"),
    ("7", "The last 7 days"),
    ("30", "The last 30 days"),
    ("90", "The last 90 days"),
    ("last_week", "The week before this one"),
    ("month", "This month"),
    ("last_month", "The month before this one"),
];
/// What can stand beside it; the first is the usual one.
const BESIDE: [(&str, &str); 3] =
    [("before", "The time just before"), ("year", "The same, 52 weeks before"), ("none", "Nothing")];
/// Ways of paying, as facts name them.
const PROVIDERS: [(&str, &str); 5] =
    [("mpesa", "M-Pesa"), ("stripe", "Card"), ("voucher", "Voucher"), ("cash", "Cash"), ("other", "Another way")];

/// Days of the calendar, both of them in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Days {
    first: Date,
    last: Date,
}

impl Days {
    fn until(last: Date, count: i64) -> Days {
        Days { first: last.saturating_sub(Duration::days(count - 1)), last }
    }

    fn count(self) -> i64 {
        (self.last - self.first).whole_days() + 1
    }

    fn earlier(self, days: i64) -> Days {
        let back = Duration::days(days);
        Days { first: self.first.saturating_sub(back), last: self.last.saturating_sub(back) }
    }

    /// From the beginning of the first until the last is over.
    fn by(self, zone: &Zone) -> (OffsetDateTime, OffsetDateTime) {
        (zone.midnight(self.first), zone.midnight(self.last.saturating_add(Duration::days(1))))
    }
}

/// Reads the filters that this report heeds.
pub(super) async fn read(app: &App, staff: &Staff, heeds: Heeds, asked: &mut Asked) -> Result<Common, StoreError> {
    let now = app.clock.now();
    let sites = store::site::desk::list(&app.db, staff.sites()).await?;
    let options: Vec<(String, String)> = sites.iter().map(|site| (site.id.to_string(), site.name.clone())).collect();
    let chosen = asked.choice("site", "Site", "All", &options);
    let site = chosen.and_then(|id| sites.iter().find(|site| site.id.to_string() == id));
    let time_zone = site.map_or_else(|| HOME.to_owned(), |site| site.time_zone.clone());
    let zone = Zone::named(&time_zone).unwrap_or_default();
    let today = zone.at(now).date();
    let days = if heeds.period { period(asked, today) } else { Days::until(today, USUAL) };
    let (from, until) = days.by(&zone);
    let before = if heeds.comparison { beside(asked, days, &zone, now) } else { None };
    let package = if heeds.package { package(app, asked).await? } else { None };
    let provider = heeds.provider.then(|| asked.choice("provider", "Paid by", "Any", &owned(&PROVIDERS))).flatten();
    Ok(Common {
        now,
        from,
        until,
        before,
        site: site.map(|site| site.id),
        sites: staff.sites().clone(),
        time_zone,
        package,
        provider,
    })
}

fn owned(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect()
}

async fn package(app: &App, asked: &mut Asked) -> Result<Option<uuid::Uuid>, StoreError> {
    let packages = store::package::all(&app.db).await?;
    let options: Vec<(String, String)> =
        packages.iter().map(|package| (package.id.to_string(), package.name.clone())).collect();
    let chosen = asked.choice("package", "Package", "All", &options);
    Ok(chosen.and_then(|id| id.parse().ok()))
}

fn period(asked: &mut Asked, today: Date) -> Days {
    let usual = Days::until(today, USUAL);
    let period = asked.choice("period", "Time", "The days beside, else the last 30", &owned(&PERIODS));
    let from = asked.date("from", "From the day");
    let until = asked.date("until", "Until the day");
    let days = match (from, until) {
        (None, None) => return period.and_then(|name| preset(&name, today)).unwrap_or(usual),
        (Some(first), Some(last)) => Days { first, last },
        (Some(first), None) => Days { first, last: today },
        (None, Some(last)) => Days::until(last, USUAL),
    };
    if period.is_some() {
        asked.wrong("period", "choose the days beside, or leave those empty");
    }
    if days.first > today {
        asked.wrong("from", "choose a day that has come");
    } else if days.first > days.last {
        asked.wrong("until", "choose a day that is not before the first");
    } else if days.count() > MOST {
        asked.wrong("from", &format!("choose at most {MOST} days"));
    } else {
        return days;
    }
    usual
}

fn preset(name: &str, today: Date) -> Option<Days> {
    let first_of_month = today.saturating_sub(Duration::days(i64::from(today.day()) - 1));
    let monday = today.saturating_sub(Duration::days(i64::from(today.weekday().number_days_from_monday())));
    let yesterday = today.saturating_sub(Duration::DAY);
    Some(match name {
        "today" => Days { first: today, last: today },
        "yesterday" => Days { first: yesterday, last: yesterday },
        "7" => Days::until(today, 7),
        "30" => Days::until(today, 30),
        "90" => Days::until(today, 90),
        "last_week" => Days::until(monday.saturating_sub(Duration::DAY), 7),
        "month" => Days { first: first_of_month, last: today },
        "last_month" => {
            let last = first_of_month.saturating_sub(Duration::DAY);
            Days::until(last, i64::from(last.day()))
        }
        _ => return None,
    })
}

fn beside(asked: &mut Asked, days: Days, zone: &Zone, now: OffsetDateTime) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let days_back = match asked.one_of("compare", "Beside it", &owned(&BESIDE)).as_deref() {
        Some("none") => return None,
        Some("year") => 52 * 7,
        _ => days.count(),
    };
    let (from, until) = days.earlier(days_back).by(zone);
    // What has not come yet of the one is left out of the other.
    let to_come = (days.by(zone).1 - now).max(Duration::ZERO);
    Some((from, (until - to_come).max(from)))
}

/// The time and the clock in words: `1 November to 30 November 2026, by the clock of Africa/Nairobi`.
pub(super) fn words(common: &Common) -> String {
    format!("{}, by the clock of {}", span(common, common.from, common.until), common.time_zone)
}

/// The time beside it in words.
pub(super) fn words_beside(common: &Common) -> Option<String> {
    common.before.map(|(from, until)| format!("Beside it: {}", span(common, from, until)))
}

fn span(common: &Common, from: OffsetDateTime, until: OffsetDateTime) -> String {
    let zone = Zone::named(&common.time_zone).unwrap_or_default();
    let first = zone.at(from).date();
    let end = zone.at(until);
    let last = zone.at((until - Duration::SECOND).max(from)).date();
    let is_whole = end.time() == time::Time::MIDNIGHT;
    let hour = if is_whole { String::new() } else { format!(" until {:02}:{:02}", end.hour(), end.minute()) };
    match first == last {
        true => format!("{}{hour}", day(first)),
        false => format!("{} to {}{hour}", day(first), day(last)),
    }
}

fn day(date: Date) -> String {
    format!("{} {} {}", date.day(), date.month(), date.year())
}

/// A moment by the clock of the report: `29 November 2026 21:40`.
pub(super) fn moment(common: &Common, at: OffsetDateTime) -> String {
    let here = Zone::named(&common.time_zone).unwrap_or_default().at(at);
    format!("{} {:02}:{:02}", day(here.date()), here.hour(), here.minute())
}

#[cfg(test)]
mod tests {
    use shared::time::rfc3339;
    use time::Month;

    use super::*;
    use crate::admin::form::Fields;

    fn date(month: Month, day: u8) -> Date {
        Date::from_calendar_date(2026, month, day).expect("a day")
    }

    /// A Wednesday.
    fn today() -> Date {
        date(Month::December, 2)
    }

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked::new(pairs.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value)))
    }

    #[test]
    fn times_move_on_with_the_days() {
        for (name, first, last) in [
            ("today", today(), today()),
            ("yesterday", date(Month::December, 1), date(Month::December, 1)),
            ("7", date(Month::November, 26), today()),
            ("last_week", date(Month::November, 23), date(Month::November, 29)),
            ("month", date(Month::December, 1), today()),
            ("last_month", date(Month::November, 1), date(Month::November, 30)),
        ] {
            assert_eq!(preset(name, today()), Some(Days { first, last }), "{name}");
        }
        assert!(PERIODS.iter().all(|(name, _)| preset(name, today()).is_some()));
        assert_eq!(preset("tomorrow", today()), None);
    }

    #[test]
    fn what_is_no_time_is_said_and_none_is_guessed() {
        for pairs in [
            &[("from", "2026-12-03")][..],
            &[("from", "2026-12-01"), ("until", "2026-11-01")],
            &[("from", "2022-01-01"), ("until", "2026-11-01")],
            &[("from", "yesterday")],
            &[("period", "fortnight")],
            &[("period", "7"), ("from", "2026-11-01")],
        ] {
            let mut one = asked(pairs);
            period(&mut one, today());
            assert!(!one.is_fine(), "{pairs:?}");
        }
        let mut usual = asked(&[]);
        assert_eq!(period(&mut usual, today()), Days { first: date(Month::November, 3), last: today() });
        let mut until = asked(&[("until", "2026-11-30")]);
        assert_eq!(period(&mut until, today()).count(), 30);
        assert!(usual.is_fine() && until.is_fine());
    }

    #[test]
    fn half_a_day_stands_beside_half_a_day_and_a_saturday_beside_a_saturday() {
        let zone = Zone::default();
        // Noon in Nairobi.
        let now = zone.midnight(today()) + Duration::hours(12);
        let one = Days { first: today(), last: today() };
        let (from, until) = beside(&mut asked(&[]), one, &zone, now).expect("the usual");
        assert_eq!((rfc3339(from).as_str(), (until - from).whole_hours()), ("2026-11-30T21:00:00Z", 12));
        let (from, _) = beside(&mut asked(&[("compare", "year")]), one, &zone, now).expect("asked for");
        assert_eq!(zone.at(from).date().weekday(), today().weekday());
        assert_eq!(beside(&mut asked(&[("compare", "none")]), one, &zone, now), None);
        let over = one.earlier(1);
        let (from, until) = beside(&mut asked(&[]), over, &zone, now).expect("the usual");
        assert_eq!((until - from).whole_hours(), 24);
    }

    #[test]
    fn a_time_is_said_by_its_days_and_its_clock() {
        let zone = Zone::default();
        let (from, until) = Days { first: date(Month::November, 1), last: date(Month::November, 30) }.by(&zone);
        let common = super::super::report::tests::common(from, until);
        assert_eq!(words(&common), "1 November 2026 to 30 November 2026, by the clock of Africa/Nairobi");
        let one = Common { before: Some((from, from + Duration::hours(5))), ..common };
        assert_eq!(words_beside(&one).as_deref(), Some("Beside it: 1 November 2026 until 05:00"));
    }
}
