//! `/admin/calendar`: what the operator knows and no series can: public holidays, events, closures, of one site or of all. Those hours are
//! not learnt from, and what is known of the ones to come goes into the forecasts of the next night.
//!
//! Whoever is limited to sites writes down, and takes out, what is at one of these; what is at every site is for the others.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::rng;
use shared::staff::{Permission, SiteScope};
use shared::time::{OffsetDateTime, Zone};
use store::prediction::calendar::{self, Entry, Kind, Span};
use store::site::desk::{self, Site};
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, Time};
use uuid::Uuid;

use super::form::{Fields, Filled, Form, Problems, number};
use super::page::{After, Page, Tab, answer, style};
use super::{Refusal, audit, words};
use crate::App;
use crate::predictions::calendar::{LONGEST_DAYS, LONGEST_NAME, MOST_PERCENT, is_too_long, write_holidays, years};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

const LIST: &str = "/admin/calendar";
/// How long what is over is still shown.
const SHOWN: Duration = Duration::days(60);
/// The field by which the whole list of a year is asked for.
const YEAR: &str = "year";
const NO_DAY: &str = "write a day such as 2026-12-25";

#[derive(Debug, Template)]
#[template(path = "admin/calendar.html")]
pub(super) struct Calendar {
    page: Page,
    style: String,
    rows: Vec<Row>,
    forms: Vec<Form>,
    problem: String,
    done: &'static str,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    kind: &'static str,
    when: String,
    place: String,
    expected: String,
    by: String,
    is_over: bool,
    can_remove: bool,
}

/// `GET /admin/calendar`.
pub(super) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let done = match after.done.as_str() {
        "added" => "It stands in the calendar. The next forecasts, which are made at night, heed it.",
        "holidays" => "The holidays of that year stand in the calendar. Idd-ul-Fitr and Idd-ul-Azha must be typed in.",
        "removed" => "It is taken out.",
        _ => "",
    };
    page(&app, &staff, &Fields::default(), &Problems::default(), done).await
}

/// `POST /admin/calendar`: a new time, or Kenya's public holidays of a year.
pub(super) async fn add(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    if sent.is_on(YEAR) {
        return add_holidays(&app, &posted).await;
    }
    let sites = desk::list(&app.db, staff.sites()).await?;
    let mut problems = Problems::default();
    let Some(span) = read(sent, &sites, staff.sites(), &mut problems) else {
        return page(&app, staff, sent, &problems, "").await;
    };
    let line = audit::line(staff, "calendar.add", "");
    if !calendar::add(&app.db, rng::id(now), &span, &line, now).await? {
        problems.note("name", "this stands in the calendar already");
        return page(&app, staff, sent, &problems, "").await;
    }
    Ok(Redirect::to("/admin/calendar?done=added").into_response())
}

/// The whole list of a year. What is there already stays.
async fn add_holidays(app: &App, posted: &Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, now) = (&posted.staff, app.clock.now());
    if *staff.sites() != SiteScope::All {
        return Err(Refusal::NotYours(Permission::EditOffers));
    }
    let year = posted.form.text(YEAR).parse::<i32>().ok().filter(|year| years(now).contains(year));
    let year = year.ok_or(Refusal::NotFound)?;
    let object = format!("public holidays of Kenya {year}");
    write_holidays(&app.db, year, &audit::line(staff, "calendar.add", &object), now).await?;
    Ok(Redirect::to("/admin/calendar?done=holidays").into_response())
}

/// `POST /admin/calendar/{id}/remove`.
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let line = audit::line(&posted.staff, "calendar.remove", "");
    calendar::remove(&app.db, posted.staff.sites(), id, &line, app.clock.now()).await?;
    Ok(Redirect::to("/admin/calendar?done=removed").into_response())
}

async fn page(
    app: &App,
    staff: &Staff,
    sent: &Fields,
    problems: &Problems,
    done: &'static str,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let sites = desk::list(&app.db, staff.sites()).await?;
    let entries = calendar::list(&app.db, staff.sites(), now - SHOWN).await?;
    let can_edit = staff.may(Permission::EditOffers);
    let is_theirs = |entry: &Entry| can_edit && (*staff.sites() == SiteScope::All || entry.span.site.is_some());
    let rows = entries.iter().map(|entry| row(entry, &sites, is_theirs(entry), now)).collect();
    let page = Calendar {
        page: Page::new(app, staff, Tab::Reports),
        style: style(),
        rows,
        forms: if can_edit { forms(sent, problems, &sites, staff.sites(), now) } else { Vec::new() },
        problem: if problems.is_empty() {
            String::new()
        } else {
            "Nothing was saved: look at what is marked below.".into()
        },
        done,
    };
    answer(if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &page)
}

fn forms(sent: &Fields, problems: &Problems, sites: &[Site], scope: &SiteScope, now: OffsetDateTime) -> Vec<Form> {
    let filled = Filled { sent, problems };
    let is_limited = *scope != SiteScope::All;
    let every = if is_limited { "Choose one" } else { "Every site" };
    let places: Vec<(String, String)> = std::iter::once((String::new(), every.to_owned()))
        .chain(sites.iter().map(|site| (site.id.to_string(), site.name.clone())))
        .collect();
    let kinds = Kind::ALL.map(|kind| (kind.as_str().to_owned(), label(kind).to_owned()));
    let percent = "Hundredths of the usual, such as 150 for half as much again. Empty: a holiday is like a Sunday, a closed \
                   place sells nothing, an event is not learnt from and changes nothing.";
    let one = Form::new("day", LIST, "Add")
        .titled("Something is not as usual", "Those hours are not learnt from; what is said of the ones to come goes into the forecasts of the next night.")
        .field(filled.choice("kind", "What", &kinds))
        .field(filled.text("name", "Name").required())
        .field(filled.choice("site", "Where", &places))
        .field(filled.day("from", "From the day").required())
        .field(filled.day("until", "Until the day").hint("This day included. Empty: the same day."))
        .field(filled.number("from_hour", "From the hour").hint("0 to 23, by the clock of the place. Empty: from midnight on."))
        .field(filled.number("until_hour", "Until the hour").hint("1 to 24 on the last day. Empty: until it is over."))
        .field(filled.number("percent", "Expected, in percent").hint(percent));
    if is_limited {
        return vec![one];
    }
    let options = years(now).map(|year| (year.to_string(), year.to_string()));
    let all = Form::new("holidays", LIST, "Add the public holidays")
        .titled("Kenya's public holidays", "Those with a date of their own, and Good Friday and Easter Monday; one on a Sunday is kept on the next day as well. Idd-ul-Fitr and Idd-ul-Azha go by the moon: type them in when they are gazetted.")
        .field(filled.choice(YEAR, "Year", &options));
    vec![one, all]
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Holiday => "public holiday",
        Kind::Event => "event",
        Kind::Closed => "closed",
    }
}

fn read(sent: &Fields, sites: &[Site], scope: &SiteScope, problems: &mut Problems) -> Option<Span> {
    let kind = problems.keep("kind", Kind::parse(sent.text("kind")).ok_or("choose one of these"));
    let name = sent.text("name");
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        problems.note("name", format!("write a name of at most {LONGEST_NAME} characters"));
    }
    let site = problems.optional(sent, "site", |text| {
        sites.iter().find(|site| site.id.to_string() == text).ok_or("choose one of these")
    });
    if site.is_none() && *scope != SiteScope::All {
        problems.note("site", "choose one of your sites");
    }
    let zone = site.and_then(|site| Zone::named(&site.time_zone)).unwrap_or_default();
    let from = problems.keep("from", day(sent.text("from")));
    let until = problems.optional(sent, "until", day).or(from);
    let from_hour = problems.optional(sent, "from_hour", |text| number(text, 0, 23)).unwrap_or(0);
    let until_hour = problems.optional(sent, "until_hour", |text| number(text, 1, 24)).unwrap_or(24);
    let percent = problems.optional(sent, "percent", |text| number(text, 0, MOST_PERCENT));
    let (first, last) = from.zip(until)?;
    let begins = moment(&zone, first, from_hour);
    let ends = moment(&zone, last, until_hour);
    if ends <= begins {
        problems.note("until", "choose an end that is after the beginning");
    } else if is_too_long(begins, ends, &zone) {
        problems.note("until", format!("choose at most {LONGEST_DAYS} days"));
    }
    let span = Span {
        site: site.map(|site| site.id),
        kind: kind?,
        name: name.to_owned(),
        from: begins,
        until: ends,
        factor: percent.map(|percent| f64::from(percent) / 100.0),
    };
    problems.is_empty().then_some(span)
}

fn day(text: &str) -> Result<Date, &'static str> {
    let read = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).map(OffsetDateTime::date);
    read.ok().filter(|day| (2000..=2100).contains(&day.year())).ok_or(NO_DAY)
}

/// So many hours after a day has begun; 24: when the next one begins.
fn moment(zone: &Zone, day: Date, hour: u32) -> OffsetDateTime {
    match hour {
        24 => zone.midnight(day.saturating_add(Duration::DAY)),
        hour => zone.midnight(day) + Duration::hours(hour.into()),
    }
}

fn row(entry: &Entry, sites: &[Site], can_remove: bool, now: OffsetDateTime) -> Row {
    let span = &entry.span;
    let site = sites.iter().find(|site| Some(site.id) == span.site);
    let zone = site.and_then(|site| Zone::named(&site.time_zone)).unwrap_or_default();
    Row {
        id: entry.id,
        name: span.name.clone(),
        kind: label(span.kind),
        when: when(span, &zone, now),
        place: match (span.site, &entry.site_name) {
            (None, _) => "every site".into(),
            (Some(_), Some(name)) => name.clone(),
            (Some(_), None) => "a site that is gone".into(),
        },
        expected: match (span.factor, span.kind) {
            (Some(factor), _) => format!("{:.0} % of the usual", factor * 100.0),
            (None, Kind::Holiday) => "as on a Sunday".into(),
            (None, Kind::Closed) => "nothing".into(),
            (None, Kind::Event) => "as usual".into(),
        },
        by: entry.created_by.clone(),
        is_over: span.until <= now,
        can_remove,
    }
}

/// `25 December 2026`, `25 December 2026 to 2 January 2027`; with hours, where it is no whole days.
fn when(span: &Span, zone: &Zone, now: OffsetDateTime) -> String {
    let (from, until) = (zone.at(span.from), zone.at(span.until));
    if from.time() != Time::MIDNIGHT || until.time() != Time::MIDNIGHT {
        return format!("{} to {}", words::moment(span.from, now), words::moment(span.until, now));
    }
    let say = |day: Date| format!("{} {} {}", day.day(), day.month(), day.year());
    let (first, last) = (from.date(), until.date().saturating_sub(Duration::DAY));
    if first == last { say(first) } else { format!("{} to {}", say(first), say(last)) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn site() -> Site {
        Site {
            id: Uuid::from_u128(7),
            name: HOSTILE.into(),
            position: None,
            time_zone: "Africa/Nairobi".into(),
            session_limit: None,
            routers: 1,
        }
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    pub(in crate::admin) fn sample(page: Page) -> Calendar {
        let entry = |kind, factor, site: Option<Uuid>| Entry {
            id: Uuid::from_u128(9),
            span: Span { site, kind, name: HOSTILE.into(), from: at(75_600), until: at(162_000), factor },
            site_name: site.map(|_| HOSTILE.into()),
            created_by: HOSTILE.into(),
        };
        let sites = [site()];
        let entries = [
            entry(Kind::Holiday, None, None),
            entry(Kind::Closed, None, Some(Uuid::from_u128(7))),
            entry(Kind::Event, Some(1.5), None),
        ];
        let rows = entries.iter().map(|entry| row(entry, &sites, true, at(100_000))).collect();
        let mut problems = Problems::default();
        problems.note("name", HOSTILE);
        let forms = forms(&Fields::default(), &problems, &sites, &SiteScope::All, at(100_000));
        Calendar { page, style: style(), rows, forms, problem: HOSTILE.into(), done: "It is taken out." }
    }

    fn sent(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value))
    }

    #[test]
    fn a_time_is_whole_days_or_hours_of_the_place() {
        let id = Uuid::from_u128(7).to_string();
        let good = [("kind", "event"), ("name", "Match"), ("from", "2026-12-25")];
        for (more, hours) in [
            (&[][..], Some(24)),
            (&[("until", "2026-12-26")], Some(48)),
            (&[("from_hour", "18"), ("until_hour", "23")], Some(5)),
            (&[("from_hour", "20"), ("until", "2026-12-26"), ("until_hour", "2")], Some(6)),
            (&[("site", id.as_str())], Some(24)),
            (&[("until", "2026-12-24")], None),
            (&[("from_hour", "18"), ("until_hour", "18")], None),
            (&[("from_hour", "24")], None),
            (&[("until", "2027-03-26")], Some(92 * 24)),
            (&[("until", "2027-03-27"), ("until_hour", "1")], None),
            (&[("until", "2027-03-27"), ("until_hour", "23")], None),
            (&[("until", "2027-12-24")], None),
            (&[("site", "elsewhere")], None),
            (&[("percent", "-1")], None),
            (&[("name", "")], None),
            (&[("kind", "birthday")], None),
            (&[("from", "")], None),
        ] {
            let mut problems = Problems::default();
            let read = read(&sent(&[&good[..], more].concat()), &[site()], &SiteScope::All, &mut problems);
            assert_eq!(read.map(|span| (span.until - span.from).whole_hours()), hours, "{more:?}");
            assert_eq!(problems.is_empty(), hours.is_some(), "{more:?}");
        }
        let limited = SiteScope::Only(vec![Uuid::from_u128(7)]);
        let mut problems = Problems::default();
        assert_eq!(read(&sent(&good), &[site()], &limited, &mut problems), None);
        assert!(problems.has("site"));
    }

    #[test]
    fn days_are_said_as_days() {
        let span = |from, until| Span {
            site: None,
            kind: Kind::Event,
            name: "x".into(),
            from: at(from),
            until: at(until),
            factor: None,
        };
        let (zone, now) = (Zone::default(), at(0));
        // 21:00 UTC is midnight in Nairobi.
        assert_eq!(when(&span(75_600, 162_000), &zone, now), "2 January 1970");
        assert_eq!(when(&span(75_600, 248_400), &zone, now), "2 January 1970 to 3 January 1970");
        assert_eq!(when(&span(75_600, 79_200), &zone, now), "00:00 on 2 January to 01:00 on 2 January");
    }
}
