//! `/admin/alerts/rules`: what is noticed, from what on, and how people are told; each rule can be changed, or put back as the program has
//! it. A kind can be muted for some hours: it is seen here all the same, and nobody is told.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::alert::{Dial, ESCALATE_MOST, Kind, Rule, Severity};
use store::alert::rules;

use super::{Asked, severity};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, Form, FormPage, Problems, number};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::proof::Proved;
use crate::admin::words::{self, Said};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// Where the list is.
const HERE: &str = "/admin/alerts/rules";
/// Hours for which a kind can be muted.
const MUTE_HOURS: [u32; 5] = [1, 4, 8, 24, 72];

#[derive(Debug, Template)]
#[template(path = "admin/alert_rules.html")]
pub(in crate::admin) struct Rules {
    page: Page,
    style: String,
    rules: Vec<Row>,
    done: &'static str,
}

#[derive(Debug)]
struct Row {
    kind: &'static str,
    label: &'static str,
    is_on: bool,
    /// Whether it is as the program has it.
    is_own: bool,
    when: String,
    severity: Said,
    told: String,
    /// Until when nobody is told, and who wanted it; empty: people are told.
    muted: String,
}

/// `GET /admin/alerts/rules`.
pub(in crate::admin) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let (all, mutes) = (rules::all(&app.db).await?, rules::mutes(&app.db, now).await?);
    let row = |kind: Kind| {
        let rule = all.get(&kind).copied().unwrap_or_else(|| Rule::of(kind));
        let muted = mutes.get(&kind);
        row(kind, &rule, muted.map(|mute| format!("until {}, by {}", words::moment(mute.until, now), mute.by)))
    };
    let page = Rules {
        page: Page::new(&app, &staff, Tab::Alerts),
        style: style(),
        rules: Kind::ALL.map(row).into(),
        done: match asked.done.as_str() {
            "saved" => "The rule is saved. It counts from the next look on, within half a minute.",
            "muted" => "Nobody is told of it for now. It is listed here all the same.",
            "unmuted" => "People are told of it again.",
            _ => "",
        },
    };
    answer(StatusCode::OK, &page)
}

/// `GET /admin/alerts/rules/{kind}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(kind): Path<String>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(&kind).ok_or(Refusal::NotFound)?;
    let rule = rules::all(&app.db).await?.remove(&kind).unwrap_or_else(|| Rule::of(kind));
    let page = Page::new(&app, &staff, Tab::Alerts);
    answer(StatusCode::OK, &form_page(page, kind, &fields(&rule), &Problems::default()))
}

/// `POST /admin/alerts/rules/{kind}`. Whoever has stolen a session shall not switch off what would tell of it.
pub(in crate::admin) async fn save(
    State(app): State<App>,
    Path(kind): Path<String>,
    posted: Proved<Fields>,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(&kind).ok_or(Refusal::NotFound)?;
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let rule = if sent.is_on("reset") { Some(Rule::of(kind)) } else { read(kind, sent, &mut problems) };
    let Some(rule) = rule.filter(|rule| rule.check(kind)) else {
        let page = Page::new(&app, staff, Tab::Alerts);
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &form_page(page, kind, sent, &problems));
    };
    rules::save(&app.db, kind, &rule, &staff.admin.email, app.clock.now()).await?;
    audit(&app, staff, "alert.rule", kind.as_str()).await?;
    Ok(Redirect::to(&format!("{HERE}?done=saved")).into_response())
}

/// `GET /admin/alerts/rules/{kind}/mute`.
pub(in crate::admin) async fn ask_mute(
    State(app): State<App>,
    Path(kind): Path<String>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(&kind).ok_or(Refusal::NotFound)?;
    let page = Page::new(&app, &staff, Tab::Alerts);
    let sent = Fields::default().with("hours", "1");
    answer(StatusCode::OK, &mute_page(page, kind, &sent, &Problems::default()))
}

/// `POST /admin/alerts/rules/{kind}/mute`. It is asked for a proof as [`save`] is, and for the same reason.
pub(in crate::admin) async fn mute(
    State(app): State<App>,
    Path(kind): Path<String>,
    posted: Proved<Fields>,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(&kind).ok_or(Refusal::NotFound)?;
    let (staff, sent) = (&posted.staff, &posted.form);
    let hours = sent.text("hours").parse::<u32>().ok().filter(|hours| MUTE_HOURS.contains(hours));
    let Some(hours) = hours else {
        let mut problems = Problems::default();
        problems.note("hours", "choose one of these");
        let page = Page::new(&app, staff, Tab::Alerts);
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &mute_page(page, kind, sent, &problems));
    };
    let until = app.clock.now() + Duration::from_secs(u64::from(hours) * 3600);
    rules::mute(&app.db, kind, Some(until), &staff.admin.email).await?;
    audit(&app, staff, "alert.mute", &format!("{} for {hours} h", kind.as_str())).await?;
    Ok(Redirect::to(&format!("{HERE}?done=muted")).into_response())
}

/// `POST /admin/alerts/rules/{kind}/unmute`.
pub(in crate::admin) async fn unmute(
    State(app): State<App>,
    Path(kind): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(&kind).ok_or(Refusal::NotFound)?;
    rules::mute(&app.db, kind, None, &posted.staff.admin.email).await?;
    audit(&app, &posted.staff, "alert.unmute", kind.as_str()).await?;
    Ok(Redirect::to(&format!("{HERE}?done=unmuted")).into_response())
}

fn row(kind: Kind, rule: &Rule, muted: Option<String>) -> Row {
    let terms = kind.terms();
    let number = |dial: Option<Dial>, value: u32| dial.map(|dial| format!("{}: {value}", dial.words));
    let when = [number(terms.threshold, rule.threshold), number(terms.window, rule.window_minutes)];
    let when = when.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Row {
        kind: kind.as_str(),
        label: kind.label(),
        is_on: rule.is_on,
        is_own: *rule != Rule::of(kind),
        when: if when.is_empty() { "at once".into() } else { when },
        severity: severity(rule.severity),
        told: told(rule),
        muted: muted.unwrap_or_default(),
    }
}

/// How people are told, in words.
fn told(rule: &Rule) -> String {
    let ways = match (rule.by_sms, rule.by_email) {
        (true, true) if rule.wakes => "SMS, at night too, and e-mail",
        (true, true) => "SMS by day, and e-mail",
        (true, false) if rule.wakes => "SMS, at night too",
        (true, false) => "SMS by day",
        (false, true) => "e-mail",
        (false, false) => "only here",
    };
    match rule.escalate_minutes {
        Some(minutes) => format!("{ways}; owners after {minutes} minutes"),
        None => ways.to_owned(),
    }
}

fn fields(rule: &Rule) -> Fields {
    let tick = |fields: Fields, group: &str, option: &str, is_on: bool| {
        if is_on { fields.with_tick(group, option) } else { fields }
    };
    let fields = Fields::default()
        .with("threshold", rule.threshold.to_string())
        .with("window", rule.window_minutes.to_string())
        .with("severity", rule.severity.as_str())
        .with("escalate", rule.escalate_minutes.map(|minutes| minutes.to_string()).unwrap_or_default());
    let fields = if rule.is_on { fields.with("is_on", "on") } else { fields };
    let fields = tick(fields, "way", "sms", rule.by_sms);
    let fields = tick(fields, "way", "email", rule.by_email);
    tick(fields, "way", "wakes", rule.wakes)
}

/// What a form says; what is wrong with it stands at its fields.
fn read(kind: Kind, sent: &Fields, problems: &mut Problems) -> Option<Rule> {
    let terms = kind.terms();
    let mut dialled = |name: &str, dial: Option<Dial>| match dial {
        Some(dial) => problems.keep(name, number(sent.text(name), dial.least, dial.most)),
        None => Some(0),
    };
    let (threshold, window_minutes) = (dialled("threshold", terms.threshold), dialled("window", terms.window));
    let severity = problems.keep("severity", Severity::parse(sent.text("severity")).ok_or("choose one of these"));
    let escalate_minutes = problems.optional(sent, "escalate", |text| number(text, 1, ESCALATE_MOST));
    let ways = sent.ticked("way");
    let rule = Rule {
        is_on: sent.is_on("is_on"),
        threshold: threshold?,
        window_minutes: window_minutes?,
        severity: severity?,
        by_sms: ways.contains(&"sms"),
        by_email: ways.contains(&"email"),
        escalate_minutes,
        wakes: ways.contains(&"wakes"),
    };
    problems.is_empty().then_some(rule)
}

fn form_page(page: Page, kind: Kind, sent: &Fields, problems: &Problems) -> FormPage {
    let (filled, terms, usual) = (Filled { sent, problems }, kind.terms(), Rule::of(kind));
    let action = format!("{HERE}/{}", kind.as_str());
    let dial = |name: &str, label: &str, dial: Dial, usual: u32| {
        let hint = format!("{} to {}; usually {usual}.", dial.least, dial.most);
        filled.number(name, &format!("{label}: {}", dial.words)).hint(hint).required()
    };
    let severities = Severity::ALL.map(|severity| (severity.as_str().to_owned(), severity.as_str().to_owned()));
    let ways = [("sms", "By SMS"), ("email", "By e-mail"), ("wakes", "By SMS in quiet hours too")]
        .map(|(value, label)| (value.to_owned(), label.to_owned()));
    let mut form = Form::new("rule", action.clone(), "Save").field(filled.tick("is_on", "Noticed", "Look for it"));
    form.fields.extend(terms.threshold.map(|of| dial("threshold", "From", of, usual.threshold)));
    form.fields.extend(terms.window.map(|of| dial("window", "Time", of, usual.window_minutes)));
    let form = form
        .field(filled.choice("severity", "Severity", &severities))
        .field(filled.ticks("way", "People are told", &ways).hint("Each of them chooses from which severity on."))
        .field(
            filled
                .number("escalate", "Minutes until the owners are told that nobody minds it")
                .hint(format!("1 to {ESCALATE_MOST}; empty: never.")),
        );
    let mut reset = Form::new("reset", action, "Put it back").titled("As the program has it", "");
    reset.fields.push(crate::admin::form::Field::hidden("reset", "yes"));
    let problem = if problems.is_empty() { "" } else { "Nothing was saved: look at what is marked below." };
    let mut page = FormPage::new(page, format!("Rule: {}", kind.label()), (HERE, "Rules"), form);
    page.problem = problem.into();
    page.forms.push(reset);
    page
}

fn mute_page(page: Page, kind: Kind, sent: &Fields, problems: &Problems) -> FormPage {
    let filled = Filled { sent, problems };
    let options = MUTE_HOURS.map(|hours| {
        let label = if hours == 1 { "1 hour".to_owned() } else { format!("{hours} hours") };
        (hours.to_string(), label)
    });
    let form = Form::new("mute", format!("{HERE}/{}/mute", kind.as_str()), "Mute").field(filled.choice(
        "hours",
        "For how long",
        &options,
    ));
    let lines = vec!["It is noticed and listed all the same; what is still open afterwards is told then.".to_owned()];
    FormPage { lines, ..FormPage::new(page, format!("Mute: {}", kind.label()), (HERE, "Rules"), form) }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Rules {
        let muted = || Some(format!("until then, by {HOSTILE}"));
        let off = Rule { is_on: false, ..Rule::of(Kind::DiskSpace) };
        let rules = vec![
            row(Kind::RouterSilent, &Rule::of(Kind::RouterSilent), None),
            row(Kind::DiskSpace, &off, muted()),
            row(Kind::LedgerProof, &Rule::of(Kind::LedgerProof), None),
        ];
        Rules { page, style: style(), rules, done: "Done." }
    }

    pub(in crate::admin) fn form(page: Page) -> FormPage {
        let mut problems = Problems::default();
        problems.note("threshold", HOSTILE);
        form_page(page, Kind::DiskSpace, &fields(&Rule::of(Kind::DiskSpace)), &problems)
    }

    pub(in crate::admin) fn muting(page: Page) -> FormPage {
        mute_page(page, Kind::DiskSpace, &Fields::default().with("hours", HOSTILE), &Problems::default())
    }

    #[test]
    fn every_rule_is_read_as_it_is_shown() {
        for kind in Kind::ALL {
            let rule = Rule { by_sms: true, wakes: false, escalate_minutes: Some(7), ..Rule::of(kind) };
            let mut problems = Problems::default();
            assert_eq!(read(kind, &fields(&rule), &mut problems), Some(rule), "{kind:?} {problems:?}");
        }
    }

    #[test]
    fn numbers_out_of_their_range_are_marked() {
        for (name, value) in
            [("threshold", "0"), ("threshold", "51"), ("threshold", "many"), ("severity", "fatal"), ("escalate", "0")]
        {
            let sent = fields(&Rule::of(Kind::DiskSpace)).with(name, value);
            let mut problems = Problems::default();
            assert_eq!(read(Kind::DiskSpace, &sent, &mut problems), None, "{name} {value}");
            assert!(problems.has(name), "{name} {value}");
        }
    }

    #[test]
    fn how_people_are_told_is_said() {
        let rule = Rule::of(Kind::RouterSilent);
        assert_eq!(told(&rule), "SMS, at night too, and e-mail; owners after 30 minutes");
        assert_eq!(told(&Rule::of(Kind::RestoreDrill)), "e-mail");
        assert_eq!(told(&Rule { by_sms: false, by_email: false, escalate_minutes: None, ..rule }), "only here");
    }
}
