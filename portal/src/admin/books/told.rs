//! `/admin/books/programs/{id}/documents`: what is told to the accountant's program, how each of it stands, and telling it again: one of them,
//! or all of some days. Telling again looks for a document first, so that it is there once however often somebody presses the button.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::admin::Audit;
use store::books::call;
use store::books::posting::{self, Filter, Row, STATES, make};
use time::Date;
use uuid::Uuid;

use super::company::{Company, Head, Place};
use super::{in_words, read_day};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, Filled, Form, Problems};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::words::{self, Said, Tone, said};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// Rows of a page.
const ROWS: u32 = 100;
/// Days that are told again at most at a time: each document that was never looked at is read meanwhile.
const DAYS_MAX: i64 = 31;
/// Days of which the page says how often the program was asked.
const CALLS: u32 = 7;

#[derive(Debug, Template)]
#[template(path = "admin/books/told.html")]
pub(in crate::admin) struct Told {
    page: Page,
    style: String,
    head: Head,
    done: &'static str,
    problem: String,
    /// Address, label, how many, and whether these are shown.
    states: Vec<(String, &'static str, u64, bool)>,
    rows: Vec<Shown>,
    next: String,
    calls: Vec<(String, u64)>,
    forms: Vec<Form>,
}

#[derive(Debug)]
struct Shown {
    id: Uuid,
    number: String,
    document: String,
    day: String,
    part: &'static str,
    amount: String,
    state: Said,
    reason: String,
    /// When it was told, or is told again.
    when: String,
    external: String,
    /// What the button says; empty: there is none.
    button: &'static str,
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::admin) struct Asked {
    #[serde(default)]
    state: String,
    #[serde(default)]
    after_day: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    done: String,
}

/// `GET /admin/books/programs/{id}/documents`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let company = Company::of(&app, &staff, id).await?;
    page(&app, &staff, &company, &asked, &Fields::default(), &Problems::default()).await
}

/// `POST …/documents/{posting}/again`: lets one be told again.
pub(in crate::admin) async fn again(
    State(app): State<App>,
    Path((id, row)): Path<(Uuid, Uuid)>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let company = Company::of(&app, staff, id).await?;
    let audit = Audit { actor: &staff.admin.email, action: "books.tell_again", object: "", address: Some(staff.from) };
    posting::again(&app.db, id, row, &audit, app.clock.now()).await?;
    Ok(company.back(Place::Documents, "again"))
}

/// `POST …/documents/tell`: lets all of some days be looked for, and told where they are not there.
pub(in crate::admin) async fn tell(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let company = Company::of(&app, staff, id).await?;
    let mut problems = Problems::default();
    let Some(days) = days(sent, DAYS_MAX, &mut problems) else {
        return page(&app, staff, &company, &Asked::default(), sent, &problems).await;
    };
    make::make_days(&app.db, id, days, now).await?;
    let object = format!("{} to {} in {}", days.0, days.1, company.title());
    let audit =
        Audit { actor: &staff.admin.email, action: "books.tell_days", object: &object, address: Some(staff.from) };
    posting::again_all(&app.db, id, days, &audit, now).await?;
    Ok(company.back(Place::Documents, "days"))
}

/// The days that a form names, the last one included.
pub(super) fn days(sent: &Fields, most: i64, problems: &mut Problems) -> Option<(Date, Date)> {
    let since = problems.keep("since", read_day(sent.text("since")));
    let until = problems.keep("until", read_day(sent.text("until")));
    let (since, until) = since.zip(until)?;
    if until < since {
        problems.note("until", "choose a day that is not before the first one");
    } else if (until - since).whole_days() >= most {
        problems.note("until", format!("choose at most {most} days"));
    }
    problems.is_empty().then_some((since, until))
}

async fn page(
    app: &App,
    staff: &Staff,
    company: &Company,
    asked: &Asked,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    let (id, now) = (company.connection.id, app.clock.now());
    let head = company.head(Place::Documents, now);
    let address = &head.address;
    let state = STATES.into_iter().find(|state| *state == asked.state);
    let after = read_day(&asked.after_day).ok().map(|day| (day, asked.after.clone()));
    let filter = Filter { state: state.map(str::to_owned), after, ..Filter::default() };
    let rows = posting::list(&app.db, id, &filter, ROWS).await?;
    let next = match rows.last() {
        Some(last) if rows.len() == ROWS as usize => {
            format!("{address}?state={}&after_day={}&after={}", state.unwrap_or_default(), last.day, last.number)
        }
        _ => String::new(),
    };
    let counts = posting::count(&app.db, id).await?;
    let can_edit = staff.may(Permission::KeepBooks);
    let calls = call::lately(&app.db, id, CALLS).await?;
    let page = Told {
        page: Page::new(app, staff, Tab::Books),
        style: style(),
        done: match asked.done.as_str() {
            "again" => "It is looked for, and told again if it is not there.",
            "days" => "All of these days are looked for, and what is not there is told.",
            _ => "",
        },
        problem: if problems.is_empty() { String::new() } else { "Look at what is marked below.".into() },
        states: states(address, &counts, state),
        rows: rows.into_iter().map(|row| shown(row, can_edit, now)).collect(),
        next,
        calls: calls.into_iter().map(|(day, calls)| (in_words(day), calls)).collect(),
        forms: if can_edit { vec![form(address, sent, problems)] } else { Vec::new() },
        head,
    };
    answer(if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &page)
}

fn form(address: &str, sent: &Fields, problems: &Problems) -> Form {
    let filled = Filled { sent, problems };
    Form::new("days", format!("{address}/tell"), "Tell this period")
        .titled(
            "Tell a period",
            "Every document of these days is looked for there by its number, and told where it is not. What is there stays once; \
             what was reversed there stays so.",
        )
        .field(filled.day("since", "From the day").required())
        .field(filled.day("until", "Until the day").required())
}

fn states(
    address: &str,
    counts: &[(String, u64)],
    shown: Option<&'static str>,
) -> Vec<(String, &'static str, u64, bool)> {
    let of = |state: &str| counts.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut states = vec![(address.to_owned(), "all", all, shown.is_none())];
    states.extend(
        STATES.into_iter().map(|state| {
            (format!("{address}?state={state}"), state_words(state).text, of(state), shown == Some(state))
        }),
    );
    states
}

fn state_words(state: &str) -> Said {
    match state {
        "pending" => said(Tone::Busy, "to be told"),
        "unknown" => said(Tone::Busy, "not known: it is looked for"),
        "posted" => said(Tone::Good, "told"),
        "rejected" => said(Tone::Bad, "refused"),
        "undone" => said(Tone::Plain, "reversed there"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

pub(super) fn part_words(part: &str) -> &'static str {
    match part {
        "sale" => "sold",
        "refund" => "given back",
        "fees" => "fees",
        _ => "",
    }
}

fn shown(row: Row, can_edit: bool, now: OffsetDateTime) -> Shown {
    let waits = matches!(row.state.as_str(), "pending" | "unknown");
    let when = match (row.posted_at.filter(|_| row.state == "posted"), row.next_attempt_at.filter(|_| waits)) {
        (Some(at), _) => words::moment(at, now),
        (None, Some(at)) if at > now => format!("again {}", words::moment(at, now)),
        _ => String::new(),
    };
    let button = match row.state.as_str() {
        _ if !can_edit => "",
        "pending" => "",
        "unknown" => "Look now",
        _ => "Tell again",
    };
    Shown {
        id: row.id,
        part: if row.is_order { "one sale" } else { part_words(&row.part) },
        number: row.number,
        document: row.document,
        day: in_words(row.day),
        amount: row.amount.to_string(),
        state: state_words(&row.state),
        reason: row.reason,
        when,
        external: row.external.unwrap_or_default(),
        button,
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::money::Money;
    use time::macros::date;

    use super::super::company::tests::company;
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn row(state: &str) -> Row {
        Row {
            id: Uuid::from_u128(1),
            number: HOSTILE.into(),
            document: HOSTILE.into(),
            part: "refund".into(),
            is_order: false,
            day: date!(2026 - 11 - 22),
            amount: Money::kes(5_000),
            state: state.into(),
            external: Some(HOSTILE.into()),
            reason: HOSTILE.into(),
            attempts: 3,
            next_attempt_at: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::HOUR),
            posted_at: Some(OffsetDateTime::UNIX_EPOCH),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Told {
        let (company, now) = (company(), OffsetDateTime::UNIX_EPOCH);
        let head = company.head(Place::Documents, now);
        let mut problems = Problems::default();
        problems.note("since", HOSTILE);
        Told {
            page,
            style: style(),
            done: "It is looked for.",
            problem: HOSTILE.into(),
            states: states(&head.address, &[("rejected".into(), 2)], Some("rejected")),
            rows: STATES.map(|state| shown(row(state), true, now)).into(),
            next: "/admin/books?after=x".into(),
            calls: vec![("22 November 2026".into(), 120)],
            forms: vec![form(&head.address, &Fields::default(), &problems)],
            head,
        }
    }

    #[test]
    fn what_a_person_can_do_depends_on_how_it_stands() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let button = |state, can_edit| shown(row(state), can_edit, now).button;
        assert_eq!(STATES.map(|state| button(state, true)), ["Tell again", "Look now", "", "Tell again", "Tell again"]);
        assert!(STATES.into_iter().all(|state| button(state, false).is_empty()));
        assert_eq!(shown(row("posted"), true, now).when, "03:00");
        assert!(shown(row("unknown"), true, now).when.starts_with("again "));
    }

    #[test]
    fn a_period_has_an_end_and_a_limit() {
        let read = |since: &str, until: &str| {
            let mut problems = Problems::default();
            let sent = Fields::default().with("since", since).with("until", until);
            days(&sent, 92, &mut problems).map(|(since, until)| (until - since).whole_days())
        };
        assert_eq!(read("2026-11-22", "2026-11-22"), Some(0));
        assert_eq!(read("2026-11-01", "2027-01-31"), Some(91));
        for (since, until) in
            [("2026-11-01", "2027-02-01"), ("2026-11-22", "2026-11-21"), ("", "2026-11-22"), ("x", "y")]
        {
            assert_eq!(read(since, until), None, "{since} {until}");
        }
    }
}
