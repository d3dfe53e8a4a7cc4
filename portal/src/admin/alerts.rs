//! `/admin/alerts`: what is wrong now, who minds it, and what was. One alert has a page of its own, to which messages lead, with what to
//! do; [`rules`] says what is noticed and told, [`mine`] what oneself is told.
//!
//! A reader sees what their role and their sites allow: a cashier no money, nobody another one's site.

pub(super) mod advice;
pub(super) mod mine;
pub(super) mod rules;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::alert::{Kind, Severity};
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::alert::outbox::Told;
use store::alert::{self, Alert};
use uuid::Uuid;

use super::form::{Fields, Filled, Form, Problems, sentence, told};
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use super::{Refusal, audit};
use crate::App;
use crate::alerts::standing::may_see;
use crate::predictions::anomalies;
use crate::session::Staff;
use crate::session::csrf::Posted;

/// How many are shown.
const SHOWN: u32 = 200;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 15;
/// Longest note, in characters.
const NOTE_LIMIT: usize = 500;
/// The box by which somebody says that it was expected.
const EXPECTED: &str = "expected";
/// Where the list is.
pub(super) const LIST: &str = "/admin/alerts";

#[derive(Debug, Template)]
#[template(path = "admin/alerts.html")]
pub(super) struct Alerts {
    page: Page,
    style: String,
    views: Vec<View>,
    /// Which of the views this is, in the word of its address.
    state: &'static str,
    kinds: Vec<Choice>,
    alerts: Vec<Row>,
    can_acknowledge: bool,
    done: &'static str,
}

/// A part of the list.
#[derive(Debug)]
struct View {
    address: String,
    label: &'static str,
    here: bool,
}

/// A kind that can be chosen.
#[derive(Debug)]
struct Choice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    title: String,
    kind: &'static str,
    severity: Said,
    state: Said,
    /// Who minds it; empty: nobody.
    by: String,
    since: String,
    count: u32,
    is_open: bool,
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    state: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    done: String,
}

/// `GET /admin/alerts`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let state = state_of(&asked.state);
    let kind = Kind::parse(&asked.kind);
    let alerts = alert::list(&app.db, state, SHOWN).await?;
    let shown = alerts.iter().filter(|alert| is_for(&staff, alert) && kind.is_none_or(|kind| alert.kind == kind));
    let page = Alerts {
        page: Page::new(&app, &staff, Tab::Alerts).refreshed(REFRESH),
        style: style(),
        views: views(state),
        state: word_of(state),
        kinds: choices(&staff, kind),
        alerts: shown.map(|alert| row(alert, now)).collect(),
        can_acknowledge: staff.may(Permission::Support),
        done: done(&asked.done),
    };
    answer(StatusCode::OK, &page)
}

#[derive(Debug, Template)]
#[template(path = "admin/alert.html")]
pub(super) struct One {
    page: Page,
    style: String,
    title: String,
    severity: Said,
    state: Said,
    facts: Vec<(&'static str, String)>,
    lines: Vec<String>,
    advice: &'static str,
    /// Where to look: address and label.
    look: (&'static str, &'static str),
    told: Vec<(String, String)>,
    forms: Vec<Form>,
    problem: String,
    done: &'static str,
}

/// `GET /admin/alerts/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    one(&app, &staff, id, String::new(), &asked, StatusCode::OK).await
}

/// `POST /admin/alerts/{id}/acknowledge`.
pub(super) async fn acknowledge(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let alert = alert::get(&app.db, id).await?;
    if !is_for(staff, &alert) {
        return Err(Refusal::NotFound);
    }
    let note: String = posted.form.text("note").chars().take(NOTE_LIMIT).collect();
    let object = format!("{} {id}", alert.kind.as_str());
    let line = audit::line(staff, "alert.acknowledge", &object);
    let done = alert::acknowledge(&app.db, id, &line, &note, app.clock.now()).await;
    if let Err(problem) = told(done)? {
        return one(&app, staff, id, problem, &Asked::default(), StatusCode::CONFLICT).await;
    }
    if posted.form.is_on(EXPECTED) && alert.kind == Kind::DemandUnusual {
        let line = audit::line(staff, "calendar.add", "");
        anomalies::expected(&app, &alert, (&line).into(), &note, app.clock.now()).await?;
    }
    crate::alerts::refresh(&app).await?;
    Ok(Redirect::to(&format!("{LIST}/{id}?done=acknowledged")).into_response())
}

async fn one(
    app: &App,
    staff: &Staff,
    id: Uuid,
    problem: String,
    asked: &Asked,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let alert = alert::get(&app.db, id).await?;
    if !is_for(staff, &alert) {
        return Err(Refusal::NotFound);
    }
    let page = One {
        page: Page::new(app, staff, Tab::Alerts),
        style: style(),
        severity: severity(alert.severity),
        state: state(&alert),
        facts: facts(&alert, now),
        advice: advice::of(alert.kind),
        look: advice::look(alert.kind),
        told: alert::outbox::told(&app.db, id).await?.iter().map(|told| line(told, now)).collect(),
        forms: forms(staff, &alert),
        title: sentence(&alert.title),
        lines: alert.lines,
        problem,
        done: done(&asked.done),
    };
    answer(status, &page)
}

/// Whether somebody may know of an alert.
fn is_for(staff: &Staff, alert: &Alert) -> bool {
    staff.may(alert.kind.needs()) && may_see(staff.sites(), alert.kind, alert.site)
}

fn state_of(word: &str) -> alert::State {
    match word {
        "acknowledged" => alert::State::Acknowledged,
        "ended" => alert::State::Resolved,
        _ => alert::State::Open,
    }
}

fn word_of(state: alert::State) -> &'static str {
    match state {
        alert::State::Open => "open",
        alert::State::Acknowledged => "acknowledged",
        alert::State::Resolved => "ended",
    }
}

fn views(here: alert::State) -> Vec<View> {
    let label = |state| match state {
        alert::State::Open => "Open",
        alert::State::Acknowledged => "Acknowledged",
        alert::State::Resolved => "Ended",
    };
    let view =
        |state| View { address: format!("{LIST}?state={}", word_of(state)), label: label(state), here: state == here };
    alert::State::ALL.map(view).into()
}

fn choices(staff: &Staff, chosen: Option<Kind>) -> Vec<Choice> {
    let kinds = Kind::ALL.into_iter().filter(|kind| staff.may(kind.needs()));
    let choice = |kind: Kind| Choice { value: kind.as_str(), label: kind.label(), is_chosen: chosen == Some(kind) };
    kinds.map(choice).collect()
}

fn done(word: &str) -> &'static str {
    match word {
        "acknowledged" => "It is yours now: nobody else is told that it goes on.",
        _ => "",
    }
}

fn severity(severity: Severity) -> Said {
    match severity {
        Severity::Critical => said(Tone::Bad, "critical"),
        Severity::Warning => said(Tone::Busy, "warning"),
        Severity::Info => said(Tone::Plain, "info"),
    }
}

fn state(alert: &Alert) -> Said {
    match alert.state {
        alert::State::Open if alert.clear_since.is_some() => said(Tone::Busy, "open, and going away"),
        alert::State::Open => said(Tone::Bad, "open"),
        alert::State::Acknowledged if alert.clear_since.is_some() => said(Tone::Busy, "acknowledged, and going away"),
        alert::State::Acknowledged => said(Tone::Busy, "acknowledged"),
        alert::State::Resolved => said(Tone::Good, "over"),
    }
}

fn row(alert: &Alert, now: OffsetDateTime) -> Row {
    let since = words::moment(alert.opened_at, now);
    Row {
        id: alert.id,
        title: sentence(&alert.title),
        kind: alert.kind.label(),
        severity: severity(alert.severity),
        state: state(alert),
        by: alert.acknowledged.as_ref().map(|(by, _)| by.clone()).unwrap_or_default(),
        since: match alert.resolved_at {
            Some(over) => format!("{since} to {}", words::moment(over, now)),
            None => since,
        },
        count: alert.count,
        is_open: alert.state == alert::State::Open,
    }
}

/// What is known of it, a line each.
fn facts(alert: &Alert, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let moment = |at| words::moment(at, now);
    let by = alert.acknowledged.as_ref().map(|(by, at)| format!("{by}, {}", moment(*at)));
    let facts = [
        ("Kind", Some(alert.kind.label().to_owned())),
        ("Raised", Some(moment(alert.opened_at))),
        ("Seen first", Some(moment(alert.first_seen_at)).filter(|_| alert.count > 1)),
        ("How often", Some(format!("{} times", alert.count)).filter(|_| alert.count > 1)),
        ("Seen last", Some(moment(alert.last_seen_at))),
        ("Cause gone since", alert.clear_since.map(moment)),
        ("Acknowledged by", by),
        ("Note", Some(alert.note.clone()).filter(|note| !note.is_empty())),
        ("Owners told", alert.escalated_at.map(moment)),
        ("Over", alert.resolved_at.map(moment)),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What was told, to whom, and what became of it.
fn line(told: &Told, now: OffsetDateTime) -> (String, String) {
    let what = match told.what.as_str() {
        "raised" => "that it was raised",
        "escalated" => "that nobody minds it",
        _ => "that it is over",
    };
    let way = if told.channel == "sms" { "SMS" } else { "e-mail" };
    let state = match told.state.as_str() {
        "sent" => format!("sent {}", words::moment(told.at, now)),
        "pending" => "waits".to_owned(),
        "skipped" => "not needed any more".to_owned(),
        "expired" => "too late to be sent".to_owned(),
        _ => "refused".to_owned(),
    };
    let detail = if told.detail.is_empty() { String::new() } else { format!(" ({})", told.detail) };
    (format!("{}, by {way}: {what}", told.person), format!("{state}{detail}"))
}

fn forms(staff: &Staff, alert: &Alert) -> Vec<Form> {
    if alert.state != alert::State::Open || !staff.may(Permission::Support) {
        return Vec::new();
    }
    let (sent, problems) = (Fields::default(), Problems::default());
    let filled = Filled { sent: &sent, problems: &problems };
    let hint = "You say that you look after it. Nobody is told any more that it goes on; when it is over, those who were told are.";
    let mut form = Form::new("acknowledge", format!("{LIST}/{}/acknowledge", alert.id), "Acknowledge")
        .titled("Acknowledge", hint)
        .field(filled.long("note", "Note").hint("May stay empty. Others read it here."));
    if alert.kind == Kind::DemandUnusual && alert.site.is_some() {
        let words = "It was an event or a closure: write these hours into the calendar, and do not learn from them";
        form = form.field(filled.tick(EXPECTED, "Expected", words));
    }
    vec![form]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn alert(state: alert::State) -> Alert {
        Alert {
            id: Uuid::from_u128(7),
            kind: Kind::RouterSilent,
            subject: "-".into(),
            site: None,
            title: HOSTILE.into(),
            lines: vec![HOSTILE.into()],
            severity: Severity::Critical,
            state,
            count: 3,
            first_seen_at: at(0),
            last_seen_at: at(600),
            opened_at: at(300),
            told_at: Some(at(300)),
            clear_since: None,
            acknowledged: (state == alert::State::Acknowledged).then(|| (HOSTILE.into(), at(400))),
            note: HOSTILE.into(),
            escalated_at: Some(at(500)),
            resolved_at: (state == alert::State::Resolved).then(|| at(900)),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Alerts {
        let rows = alert::State::ALL.map(|state| row(&alert(state), at(1000)));
        Alerts {
            page,
            style: style(),
            views: views(alert::State::Open),
            state: "open",
            kinds: vec![Choice { value: "disk_space", label: "disk space", is_chosen: true }],
            alerts: rows.into(),
            can_acknowledge: true,
            done: "Done.",
        }
    }

    pub(in crate::admin) fn single(page: Page) -> One {
        let alert = alert(alert::State::Acknowledged);
        let told = Told {
            what: "raised".into(),
            person: HOSTILE.into(),
            channel: "sms".into(),
            state: "failed".into(),
            detail: HOSTILE.into(),
            at: at(300),
        };
        let form = Form::new("acknowledge", "/admin/alerts/7/acknowledge", "Acknowledge").titled(HOSTILE, HOSTILE);
        One {
            page,
            style: style(),
            title: alert.title.clone(),
            severity: severity(alert.severity),
            state: state(&alert),
            facts: facts(&alert, at(1000)),
            lines: alert.lines.clone(),
            advice: advice::of(alert.kind),
            look: advice::look(alert.kind),
            told: vec![line(&told, at(1000))],
            forms: vec![form],
            problem: HOSTILE.into(),
            done: "Done.",
        }
    }

    #[test]
    fn only_what_is_open_can_be_acknowledged_from_the_list() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("/acknowledge\"").count(), 1, "{html}");
    }

    #[test]
    fn states_are_read_as_they_are_linked() {
        assert!(alert::State::ALL.into_iter().all(|state| state_of(word_of(state)) == state));
        assert_eq!(state_of("weather"), alert::State::Open);
    }
}
