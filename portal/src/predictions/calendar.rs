//! What the calendar says of hours: that they are not like others, and what is known of those to come. And Kenya's public holidays, so that
//! nobody has to type them in.

use forecast::demand::Hour;
use shared::rng;
use shared::time::{OffsetDateTime, Zone};
use store::Db;
use store::admin::Author;
use store::prediction::calendar::{self, Kind, Span};
use store::prediction::demand::Curves;
use time::{Date, Duration, Month, PrimitiveDateTime};
use uuid::Uuid;

use super::hours::hour_of_week;

/// Characters of a name at most.
pub(crate) const LONGEST_NAME: usize = 100;
/// The longest time, in days: what is longer is no exception any more.
pub(crate) const LONGEST_DAYS: i64 = 92;
const LONGEST: Duration = Duration::days(LONGEST_DAYS);
/// Hundredths of the usual at most.
pub(crate) const MOST_PERCENT: u32 = 1_000;
/// The first hour of Sunday within a week.
const SUNDAY: usize = 6 * 24;

/// The times of one place that are not like others.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Calendar(Vec<Span>);

impl Calendar {
    pub(crate) fn new(spans: Vec<Span>) -> Calendar {
        Calendar(spans)
    }

    /// What there is in the hour that begins at that moment.
    pub(crate) fn at(&self, hour: OffsetDateTime) -> Option<&Span> {
        self.0.iter().find(|span| covers(span, hour))
    }

    /// The entry of this name that begins between two moments.
    pub(super) fn named(&self, name: &str, (since, until): (OffsetDateTime, OffsetDateTime)) -> Option<&Span> {
        self.0.iter().find(|span| (since..until).contains(&span.from) && span.name.eq_ignore_ascii_case(name))
    }

    /// Makes of what is usual what is known to come: so much of it as the operator has said; nothing where the place is closed; the share that
    /// such a day had a year ago ([`super::last_year`]); else a holiday like the Sunday beside it. Of an event nobody knows then how much
    /// it changes. "As last week" stays as it is.
    pub(super) fn apply(&self, curves: &mut Curves, origin: OffsetDateTime, zone: &Zone, shares: &[Option<f64>]) {
        if self.0.is_empty() {
            return;
        }
        let usual = curves.clone();
        let of_week: Vec<usize> =
            (0..).take(usual.expected.len()).map(|hour| hour_of_week(zone, origin + Duration::hours(hour))).collect();
        for (at, hour) in (0..usual.expected.len()).zip(0_i64..) {
            let Some(span) = self.at(origin + Duration::hours(hour)) else { continue };
            if let Some(share) = shares.get(at).copied().flatten() {
                mark(curves, at, share);
                continue;
            }
            let sunday = of_week.get(at).map(|hour| SUNDAY + hour % 24);
            let (like, factor) = match (span.factor, span.kind) {
                (Some(factor), _) => (Some(at), factor),
                (None, Kind::Closed) => (Some(at), 0.0),
                (None, Kind::Holiday) => (of_week.iter().position(|hour| Some(*hour) == sunday), 1.0),
                (None, Kind::Event) => (None, 1.0),
            };
            let Some(like) = like else { continue };
            for (curve, usual) in [
                (&mut curves.expected, &usual.expected),
                (&mut curves.typical, &usual.typical),
                (&mut curves.low80, &usual.low80),
                (&mut curves.high80, &usual.high80),
                (&mut curves.low95, &usual.low95),
                (&mut curves.high95, &usual.high95),
            ] {
                if let (Some(value), Some(usual)) = (curve.get_mut(at), usual.get(like)) {
                    *value = usual * factor;
                }
            }
        }
    }
}

/// Whether an entry has something of the hour that begins at that moment.
pub(super) fn covers(span: &Span, hour: OffsetDateTime) -> bool {
    span.from < hour + Duration::HOUR && span.until > hour
}

/// Whether a time is longer than [`LONGEST`] by the clocks of the place: where these are changed within it, its days stay days.
pub(crate) fn is_too_long(from: OffsetDateTime, until: OffsetDateTime, zone: &Zone) -> bool {
    let reading = |moment| {
        let here = zone.at(moment);
        PrimitiveDateTime::new(here.date(), here.time())
    };
    reading(until) - reading(from) > LONGEST
}

/// Gives an hour its share of what is usual.
fn mark(curves: &mut Curves, at: usize, share: f64) {
    let value = |curve: &[f64]| curve.get(at).copied().unwrap_or_default();
    let usual = Hour {
        expected: value(&curves.expected),
        typical: value(&curves.typical),
        low80: value(&curves.low80),
        high80: value(&curves.high80),
        low95: value(&curves.low95),
        high95: value(&curves.high95),
        naive: value(&curves.naive),
    };
    let marked = usual.marked(share);
    for (curve, value) in [
        (&mut curves.expected, marked.expected),
        (&mut curves.typical, marked.typical),
        (&mut curves.low80, marked.low80),
        (&mut curves.high80, marked.high80),
        (&mut curves.low95, marked.low95),
        (&mut curves.high95, marked.high95),
    ] {
        if let Some(place) = curve.get_mut(at) {
            *place = value;
        }
    }
}

/// Kenya's public holidays of a year that have a date of their own or go by Easter. One that falls on a Sunday is kept on the next day that is
/// none too (Public Holidays Act, section 4). Idd-ul-Fitr and Idd-ul-Azha are gazetted by the sight of the moon, and are not among them.
fn kenya(year: i32) -> Vec<(Date, String)> {
    const FIXED: [(Month, u8, &str); 8] = [
        (Month::January, 1, "New Year's Day"),
        (Month::May, 1, "Labour Day"),
        (Month::June, 1, "Madaraka Day"),
        (Month::October, 10, "Mazingira Day"),
        (Month::October, 20, "Mashujaa Day"),
        (Month::December, 12, "Jamhuri Day"),
        (Month::December, 25, "Christmas Day"),
        (Month::December, 26, "Boxing Day"),
    ];
    let fixed = FIXED.into_iter().filter_map(|(month, day, name)| Some((date(year, month, day)?, name.to_owned())));
    let mut days: Vec<(Date, String)> = fixed.collect();
    for (date, name) in days.clone().into_iter().filter(|(date, _)| date.weekday() == time::Weekday::Sunday) {
        let mut kept = date.next_day();
        while let Some(taken) = kept.filter(|day| days.iter().any(|(other, _)| other == day)) {
            kept = taken.next_day();
        }
        days.extend(kept.map(|day| (day, format!("{name} (kept)"))));
    }
    if let Some(easter) = easter(year) {
        days.push((easter - Duration::days(2), "Good Friday".to_owned()));
        days.push((easter + Duration::DAY, "Easter Monday".to_owned()));
    }
    days.sort();
    days
}

/// The years whose holidays can be written down: this one and the next.
pub(crate) fn years(now: OffsetDateTime) -> [i32; 2] {
    let year = Zone::default().at(now).year();
    [year, year + 1]
}

/// Writes Kenya's public holidays of a year down, at every site. What is there already stays. Returns how many were not.
pub(crate) async fn write_holidays(
    db: &Db,
    year: i32,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> store::Result<u32> {
    let zone = Zone::default();
    let span = |(day, name): (Date, String)| {
        let (from, until) = (zone.midnight(day), zone.midnight(day.saturating_add(Duration::DAY)));
        (rng::id(now), Span { site: None, kind: Kind::Holiday, name, from, until, factor: None })
    };
    let spans: Vec<(Uuid, Span)> = kenya(year).into_iter().map(span).collect();
    calendar::add_all(db, &spans, by, now).await
}

fn date(year: i32, month: Month, day: u8) -> Option<Date> {
    Date::from_calendar_date(year, month, day).ok()
}

/// Easter Sunday by the Gregorian calendar, as Meeus has it after Butcher.
fn easter(year: i32) -> Option<Date> {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let sum = h + l - 7 * m + 114;
    let month = Month::try_from(u8::try_from(sum / 31).ok()?).ok()?;
    date(year, month, u8::try_from(sum % 31 + 1).ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::hours::tests::at;
    use super::*;

    fn span(kind: Kind, from: i64, until: i64, factor: Option<f64>) -> Span {
        Span { site: None, kind, name: "x".into(), from: at(from), until: at(until), factor }
    }

    /// A week and a day from a Monday's midnight on, in which each hour expects its number.
    fn curves() -> Curves {
        let values: Vec<f64> = (0..192_u8).map(f64::from).collect();
        Curves {
            expected: values.clone(),
            typical: values.clone(),
            low80: values.clone(),
            high80: values.clone(),
            low95: values.clone(),
            high95: values.clone(),
            naive: values,
        }
    }

    #[test]
    fn what_is_known_to_come_changes_what_is_usual() {
        let calendar = Calendar::new(vec![
            span(Kind::Holiday, 24, 26, None),
            span(Kind::Closed, 30, 31, None),
            span(Kind::Event, 40, 42, Some(1.5)),
            span(Kind::Event, 50, 52, None),
        ]);
        let mut known = curves();
        calendar.apply(&mut known, at(0), &Zone::default(), &[]);
        assert_eq!(known.expected[23..27], [23.0, 144.0, 145.0, 26.0], "a holiday is a Sunday");
        assert_eq!(known.high95[29..32], [29.0, 0.0, 31.0], "closed");
        assert_eq!(known.low80[39..43], [39.0, 60.0, 61.5, 42.0], "half as much again");
        assert_eq!(known.typical[49..53], [49.0, 50.0, 51.0, 52.0], "nobody has said how much");
        assert_eq!(known.naive, curves().naive);
        let mut same = curves();
        Calendar::default().apply(&mut same, at(0), &Zone::default(), &[]);
        assert_eq!(same, curves());
        let mut ago = curves();
        let shares: Vec<Option<f64>> = (0..192).map(|hour| (hour == 25 || hour == 40).then_some(0.5)).collect();
        calendar.apply(&mut ago, at(0), &Zone::default(), &shares);
        assert_eq!(ago.expected[24..27], [144.0, 12.5, 26.0], "a year ago says it of one hour of the holiday");
        assert_eq!(ago.expected[40], 20.0, "and what a year ago says is believed");
        assert_eq!(ago.naive, curves().naive);
    }

    #[test]
    fn a_part_of_an_hour_is_that_hour() {
        let mut part = span(Kind::Event, 10, 12, None);
        part.from += Duration::minutes(59);
        let calendar = Calendar::new(vec![part]);
        assert_eq!((9..13).map(|hour| calendar.at(at(hour)).is_some()).collect::<Vec<_>>(), [false, true, true, false]);
    }

    #[test]
    fn the_longest_time_goes_by_the_clocks_of_the_place() {
        let (nairobi, berlin) = (Zone::default(), Zone::named("Europe/Berlin").expect("known"));
        // The first of September 2027 in Berlin, where clocks go back within the 92 days.
        let from = at(233 * 24 + 1);
        for (zone, longest) in [(&nairobi, LONGEST), (&berlin, LONGEST + Duration::HOUR)] {
            assert!(!is_too_long(from, from + longest, zone));
            assert!(is_too_long(from, from + longest + Duration::SECOND, zone));
            assert!(is_too_long(from, from + longest + Duration::hours(23), zone));
        }
    }

    #[test]
    fn easter_is_when_it_was() {
        for (year, month, day) in [
            (2000, Month::April, 23),
            (2024, Month::March, 31),
            (2026, Month::April, 5),
            (2027, Month::March, 28),
            (2038, Month::April, 25),
        ] {
            assert_eq!(easter(year), date(year, month, day), "{year}");
        }
    }

    #[test]
    fn a_holiday_on_a_sunday_is_kept_on_the_next_day_that_is_none() {
        let names = |year: i32| {
            let days = kenya(year).into_iter();
            days.map(|(day, name)| format!("{day} {name}")).collect::<Vec<_>>()
        };
        assert_eq!(names(2026).len(), 10, "{:?}", names(2026));
        assert!(names(2026).contains(&"2026-04-03 Good Friday".to_owned()), "{:?}", names(2026));
        // 10 October and 12 December 2027 are Sundays; 25 December 2033 is one, before a holiday.
        for day in ["2027-10-11 Mazingira Day (kept)", "2027-12-13 Jamhuri Day (kept)"] {
            assert!(names(2027).contains(&day.to_owned()), "{:?}", names(2027));
        }
        assert!(names(2033).contains(&"2033-12-27 Christmas Day (kept)".to_owned()), "{:?}", names(2033));
    }
}
