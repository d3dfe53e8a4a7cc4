//! `/admin/books/programs/{id}/drift`: both sides held against each other, to the cent; and what somebody does about what is not the same:
//! *Post missing* tells a document again, *Reverse extra* lets the program undo one. Reversing is asked twice.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::admin::Audit;
use store::books::comparison::{self, Comparison, Finding, Kind};
use store::books::posting;
use uuid::Uuid;

use super::company::{Company, Head, Place};
use super::told::{days, part_words};
use super::{in_words, read_day};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit_with;
use crate::admin::form::{Fields, Filled, Form, Problems, Question};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::words;
use crate::books::compare;
use crate::books::deliver::amount;
use crate::session::Staff;
use crate::session::csrf::Posted;

/// Comparisons that are shown.
const SHOWN: u32 = 5;
/// Days that are compared at most at a time.
const DAYS_MAX: i64 = 92;
/// Findings that a page shows of a comparison.
const FINDINGS: usize = 200;
/// Seconds after which the page is read again while a comparison is under way.
const REFRESH: u32 = 5;

#[derive(Debug, Template)]
#[template(path = "admin/books/drift.html")]
pub(in crate::admin) struct Drift {
    page: Page,
    style: String,
    head: Head,
    done: &'static str,
    problem: String,
    comparisons: Vec<Shown>,
    forms: Vec<Form>,
}

#[derive(Debug)]
struct Shown {
    id: Uuid,
    days: String,
    asked: String,
    /// How it stands, in a sentence.
    state: String,
    is_done: bool,
    is_same: bool,
    rows: Vec<Line>,
    more: usize,
}

#[derive(Debug)]
struct Line {
    number: String,
    external: String,
    what: &'static str,
    part: &'static str,
    day: String,
    ours: String,
    theirs: String,
    settled: String,
    can_post: bool,
    can_reverse: bool,
}

/// `GET /admin/books/programs/{id}/drift`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let company = Company::of(&app, &staff, id).await?;
    let said = match after.done.as_str() {
        "asked" => "Both sides are compared; this page shows it in a moment.",
        "posted" => "It is told again.",
        "reversed" => "It is reversed there.",
        _ => "",
    };
    page(&app, &staff, &company, Said { done: said, ..Said::default() }).await
}

/// What a page says besides.
#[derive(Default)]
struct Said {
    done: &'static str,
    problem: String,
    sent: Fields,
    problems: Problems,
}

/// `POST …/drift`: asks for a comparison.
pub(in crate::admin) async fn ask(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let company = Company::of(&app, staff, id).await?;
    let mut problems = Problems::default();
    let Some(days) = days(&posted.form, DAYS_MAX, &mut problems) else {
        let problem = "Look at what is marked below.".to_owned();
        let said = Said { problem, sent: posted.form.clone(), problems, ..Said::default() };
        return page(&app, staff, &company, said).await;
    };
    comparison::ask(&app.db, id, days, &staff.admin.email, app.clock.now()).await?;
    Ok(company.back(Place::Drift, "asked"))
}

/// `POST …/drift/{comparison}/post`: tells a document again that is missing.
pub(in crate::admin) async fn post(
    State(app): State<App>,
    Path((id, of)): Path<(Uuid, Uuid)>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let company = Company::of(&app, staff, id).await?;
    let finding = finding(&app, id, of, &posted.form).await?;
    if !can_post(&finding) {
        return Err(Refusal::Conflict);
    }
    let audit =
        Audit { actor: &staff.admin.email, action: "books.post_missing", object: "", address: Some(staff.from) };
    if !posting::again_numbered(&app.db, id, &finding.number, &audit, app.clock.now()).await? {
        return Err(Refusal::NotFound);
    }
    let words = format!("told again by {}", staff.admin.email);
    comparison::mark(&app.db, of, &finding.number, finding.external.as_deref(), &words).await?;
    Ok(company.back(Place::Drift, "posted"))
}

/// `POST …/drift/{comparison}/reverse`: lets the program undo a document.
pub(in crate::admin) async fn reverse(
    State(app): State<App>,
    Path((id, of)): Path<(Uuid, Uuid)>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let company = Company::of(&app, staff, id).await?;
    let finding = finding(&app, id, of, &posted.form).await?;
    if !can_reverse(&finding) {
        return Err(Refusal::Conflict);
    }
    if !posted.form.is_confirmed() {
        let theirs = finding.theirs.map(|theirs| amount(theirs, &finding.currency)).unwrap_or_default();
        let lines = vec![
            format!("{} of {theirs} is made not to count any more in {}.", finding.number, company.program),
            "It is not told again by itself. Where it was told from here, the page Documents can tell it again."
                .to_owned(),
        ];
        let action = format!("{of}/reverse");
        let question = Question::new(&action, "Reverse this document?", lines, "Yes, reverse it").danger();
        return question.ask((&app, staff, Tab::Books), &company.address(Place::Drift), &posted.form);
    }
    if let Err(problem) = compare::reverse(&app, id, of, &finding, &staff.admin.email).await? {
        return page(&app, staff, &company, Said { problem, ..Said::default() }).await;
    }
    let detail = json!({ "program": company.title(), "id": finding.external, "amount": finding.theirs, "currency": finding.currency });
    audit_with(&app, staff, "books.reverse_extra", &finding.number, &detail).await?;
    Ok(company.back(Place::Drift, "reversed"))
}

/// The finding that a form names, of a comparison of this connection, if nobody has done anything about it.
async fn finding(app: &App, connection: Uuid, of: Uuid, sent: &Fields) -> Result<Finding, Refusal> {
    let all = comparison::latest(&app.db, connection, SHOWN).await?;
    let comparison = all.into_iter().find(|one| one.id == of).ok_or(Refusal::NotFound)?;
    let (number, external) = (sent.text("number"), sent.text("external"));
    let is_it = |one: &Finding| {
        one.number == number && one.external.as_deref().unwrap_or_default() == external && one.settled.is_empty()
    };
    comparison.findings.into_iter().find(is_it).ok_or(Refusal::Conflict)
}

fn can_post(finding: &Finding) -> bool {
    finding.settled.is_empty() && matches!(finding.kind, Kind::Missing | Kind::Void)
}

fn can_reverse(finding: &Finding) -> bool {
    finding.settled.is_empty() && finding.external.is_some() && matches!(finding.kind, Kind::Extra | Kind::Amount)
}

async fn page(app: &App, staff: &Staff, company: &Company, said: Said) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let head = company.head(Place::Drift, now);
    let can_edit = staff.may(Permission::KeepBooks);
    let comparisons = comparison::latest(&app.db, company.connection.id, SHOWN).await?;
    let mut page = Page::new(app, staff, Tab::Books);
    if comparisons.iter().any(|one| one.done_at.is_none()) {
        page = page.refreshed(REFRESH);
    }
    let is_fine = said.problem.is_empty();
    let page = Drift {
        page,
        style: style(),
        done: said.done,
        problem: said.problem,
        comparisons: comparisons.into_iter().map(|one| shown(one, can_edit, now)).collect(),
        forms: if can_edit { vec![form(&head.address, &said.sent, &said.problems)] } else { Vec::new() },
        head,
    };
    answer(if is_fine { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &page)
}

fn form(address: &str, sent: &Fields, problems: &Problems) -> Form {
    let filled = Filled { sent, problems };
    Form::new("days", address, "Compare")
        .titled("Compare both sides", "Each day the last seven are compared by themselves.")
        .field(filled.day("since", "From the day").required())
        .field(filled.day("until", "Until the day").required())
}

fn shown(comparison: Comparison, can_edit: bool, now: OffsetDateTime) -> Shown {
    let is_done = comparison.done_at.is_some();
    let state = match (is_done, comparison.reason.as_str(), comparison.findings.len()) {
        (false, "", _) => "It is compared now.".to_owned(),
        (false, why, _) => format!("It is tried again. {why}"),
        (true, "", 0) => format!("{} documents are the same on both sides, to the cent.", comparison.same),
        (true, "", count) => {
            format!("{} documents are the same on both sides, and {count} are not.", comparison.same)
        }
        (true, why, _) => format!("It could not be compared. {why}"),
    };
    let waiting = match comparison.waiting {
        0 => String::new(),
        waiting => format!(" {waiting} of ours are still to be told."),
    };
    let more = comparison.findings.len().saturating_sub(FINDINGS);
    Shown {
        id: comparison.id,
        days: format!("{} to {}", in_words(comparison.since), in_words(comparison.until)),
        asked: format!("{}, {}", words::moment(comparison.asked_at, now), comparison.asked_by),
        is_same: is_done && comparison.reason.is_empty() && comparison.findings.is_empty(),
        is_done,
        state: format!("{state}{waiting}"),
        rows: comparison.findings.into_iter().take(FINDINGS).map(|one| line(one, can_edit)).collect(),
        more,
    }
}

fn line(finding: Finding, can_edit: bool) -> Line {
    let said = |minor: Option<i64>| minor.map(|minor| amount(minor, &finding.currency)).unwrap_or_default();
    Line {
        what: match finding.kind {
            Kind::Missing => "missing there",
            Kind::Extra => "there, and not told from here",
            Kind::Amount => "another amount there",
            Kind::Void => "there, but counts no more",
            Kind::Day => "on another day there",
        },
        part: part_words(&finding.part),
        day: read_day(&finding.day).map(in_words).unwrap_or_default(),
        ours: said(finding.ours),
        theirs: said(finding.theirs),
        can_post: can_edit && can_post(&finding),
        can_reverse: can_edit && can_reverse(&finding),
        external: finding.external.clone().unwrap_or_default(),
        settled: finding.settled.clone(),
        number: finding.number,
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use time::macros::date;

    use super::super::company::tests::company;
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn finding(kind: Kind, settled: &str) -> Finding {
        Finding {
            kind,
            number: HOSTILE.into(),
            part: "sale".into(),
            day: "2026-11-22".into(),
            currency: "KES".into(),
            ours: Some(5_000),
            theirs: Some(5_100),
            external: Some(HOSTILE.into()),
            version: String::new(),
            settled: settled.into(),
        }
    }

    fn comparison(findings: Vec<Finding>, reason: &str, is_done: bool) -> Comparison {
        Comparison {
            id: Uuid::from_u128(3),
            connection: Uuid::from_u128(5),
            since: date!(2026 - 11 - 01),
            until: date!(2026 - 11 - 30),
            asked_by: HOSTILE.into(),
            asked_at: OffsetDateTime::UNIX_EPOCH,
            done_at: is_done.then_some(OffsetDateTime::UNIX_EPOCH),
            reason: reason.into(),
            same: 12,
            waiting: 1,
            findings,
        }
    }

    const KINDS: [Kind; 5] = [Kind::Missing, Kind::Extra, Kind::Amount, Kind::Void, Kind::Day];

    pub(in crate::admin) fn sample(page: Page) -> Drift {
        let (company, now) = (company(), OffsetDateTime::UNIX_EPOCH);
        let all = KINDS.map(|kind| finding(kind, "")).into_iter().chain([finding(Kind::Extra, HOSTILE)]);
        let comparisons = [
            comparison(all.collect(), "", true),
            comparison(Vec::new(), "", true),
            comparison(Vec::new(), HOSTILE, false),
        ];
        let head = company.head(Place::Drift, now);
        Drift {
            page,
            style: style(),
            done: "It is told again.",
            problem: HOSTILE.into(),
            comparisons: comparisons.into_iter().map(|one| shown(one, true, now)).collect(),
            forms: vec![form(&head.address, &Fields::default(), &Problems::default())],
            head,
        }
    }

    #[test]
    fn what_is_missing_can_be_posted_and_what_is_extra_reversed_once() {
        let can = |settled| KINDS.map(|kind| (can_post(&finding(kind, settled)), can_reverse(&finding(kind, settled))));
        assert_eq!(can(""), [(true, false), (false, true), (false, true), (true, false), (false, false)]);
        assert_eq!(can("reversed by asha"), [(false, false); 5]);
        assert!(!line(finding(Kind::Extra, ""), false).can_reverse, "whoever only reads");
    }

    #[test]
    fn a_comparison_says_how_it_came_out() {
        let said = |comparison| shown(comparison, true, OffsetDateTime::UNIX_EPOCH);
        let same = said(comparison(Vec::new(), "", true));
        assert!(same.is_same);
        assert_eq!(same.state, "12 documents are the same on both sides, to the cent. 1 of ours are still to be told.");
        let not = said(comparison(vec![finding(Kind::Missing, "")], "", true));
        assert!(!not.is_same && not.state.contains("and 1 are not"), "{}", not.state);
        assert!(said(comparison(Vec::new(), "No.", true)).state.contains("could not be compared. No."));
        assert!(!said(comparison(Vec::new(), "", false)).is_done);
    }
}
