//! `/admin/books/programs`: the operator's companies in accountants' programs, how each of them stands, and ending one. How one is connected
//! stands in [`connect`].
//!
//! They are of the whole installation: those who are limited to some sites see them and change nothing.
//!
//! Refused here: showing a token, or where one could be read.

pub(in crate::admin) mod connect;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use books::connector::{Connector as _, Provider, Trouble};
use shared::staff::{Permission, SiteScope};
use shared::time::{OffsetDateTime, Zone};
use store::books::connection::{self, By, Connection, State as Stands, Tokens};
use time::Date;
use url::Url;
use uuid::Uuid;

use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, Filled, Form, Problems, confirmation};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::words::{self, Said, Tone, said};
use crate::books::access;
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};
use crate::trace::carried;

/// Where they are.
const LIST: &str = "/admin/books/programs";
/// The field with the first day that is told.
const SINCE: &str = "posts_since";

#[derive(Debug, Template)]
#[template(path = "admin/books/programs.html")]
pub(in crate::admin) struct Programs {
    page: Page,
    style: String,
    done: &'static str,
    problem: String,
    rows: Vec<Row>,
    /// One for each program that can be connected.
    forms: Vec<Form>,
    /// Those that cannot, since their section is missing.
    missing: Vec<Provider>,
    can_keep: bool,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    provider: &'static str,
    program: &'static str,
    name: String,
    state: Said,
    /// More of it, in a sentence.
    more: String,
    posts_since: Date,
    calls: String,
    connected: String,
    by: String,
    is_on: bool,
    /// Whether it is configured here, and whoever looks may change it.
    can_connect: bool,
    can_check: bool,
}

/// `GET /admin/books/programs`.
pub(in crate::admin) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let done = match after.done.as_str() {
        "connected" => "It is connected. Choose next what its documents are made of.",
        "checked" => "We are let in there.",
        "disconnected" => "It is disconnected. Nothing is told there any more; what was told stays.",
        _ => "",
    };
    let page = programs(&app, &staff, None, done, String::new()).await?;
    answer(StatusCode::OK, &page)
}

/// `POST /admin/books/programs/{id}/check`: whether we are let in, by asking there for something.
pub(in crate::admin) async fn check(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    unlimited(&posted.staff)?;
    let known = connection::find(&app.db, id, app.clock.now()).await?.ok_or(Refusal::NotFound)?;
    let provider = Provider::named(&known.provider).ok_or(Refusal::NotFound)?;
    match access::check(&app, id).await {
        Ok(()) => Ok(Redirect::to(&format!("{LIST}?done=checked")).into_response()),
        Err(trouble) => {
            let problem = in_words(provider, trouble);
            answer(StatusCode::CONFLICT, &programs(&app, &posted.staff, None, "", problem).await?)
        }
    }
}

fn in_words(provider: Provider, trouble: Trouble) -> String {
    let name = provider.name();
    match trouble {
        Trouble::Refused(why) | Trouble::Away(why) | Trouble::Unknown(why) | Trouble::Reconnect(why) => why,
        Trouble::TooMany { .. } => format!("{name} is asked too often just now. Try again in some minutes."),
        Trouble::Expired | Trouble::Duplicate => format!("{name} does not take what it gave out. Connect it again."),
    }
}

/// `POST /admin/books/programs/{id}/disconnect`: nothing is told there any more.
pub(in crate::admin) async fn disconnect(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, now) = (&posted.staff, app.clock.now());
    unlimited(staff)?;
    let known = connection::find(&app.db, id, now).await?.ok_or(Refusal::NotFound)?;
    let provider = Provider::named(&known.provider).ok_or(Refusal::NotFound)?;
    if !posted.form.is_confirmed() {
        let form = Form::new("sure", format!("{LIST}/{id}/disconnect"), "Yes, disconnect it").danger();
        let lines = vec![
            format!("Nothing more is told to {} in {}.", known.name, provider.name()),
            "What was told stays there. Connected again, it goes on where it stopped.".to_owned(),
        ];
        let title = format!("Disconnect {}?", known.name);
        let page = Page::new(&app, staff, Tab::Books);
        let back = (LIST, "Back, and change nothing");
        return answer(StatusCode::OK, &confirmation(page, &title, back, lines, form, &posted.form));
    }
    let by = By { actor: &staff.admin.email, address: Some(staff.from) };
    if let Some(tokens) = connection::disconnect(&app.db, id, by, now).await? {
        give_back(&app, provider, id, tokens).await?;
    }
    Ok(Redirect::to(&format!("{LIST}?done=disconnected")).into_response())
}

/// Tells the program that its tokens are not needed any more. That it cannot be told is no reason to keep them.
async fn give_back(app: &App, provider: Provider, id: Uuid, tokens: Tokens) -> Result<(), Refusal> {
    // Xero ends with a token everything that the same person has connected.
    let others = connection::list(&app.db, app.clock.now()).await?;
    let is_shared = |other: &Connection| {
        provider == Provider::Xero
            && other.provider == provider.as_str()
            && other.id != id
            && other.state == Stands::Connected
    };
    if others.iter().any(is_shared) {
        return Ok(());
    }
    let working = app.clone();
    app.background.spawn(carried(async move {
        let Some(configured) = working.books.of(provider) else { return };
        let server = tokens.server.as_deref().and_then(|text| Url::parse(text).ok());
        if let Err(trouble) = configured.issuer.revoke(&tokens.refresh, server.as_ref()).await {
            tracing::warn!(connection = %id, trouble = trouble.label(), "an accountant's program keeps a token that is not used");
        }
    }));
    Ok(())
}

/// What is of the whole installation is not for those who are limited to some sites.
fn unlimited(staff: &Staff) -> Result<(), Refusal> {
    match *staff.sites() == SiteScope::All {
        true => Ok(()),
        false => Err(Refusal::NotYours(Permission::KeepBooks)),
    }
}

/// What was sent to connect one of them, and what is wrong with it.
struct Sent<'a> {
    provider: Provider,
    fields: &'a Fields,
    problems: &'a Problems,
}

async fn programs(
    app: &App,
    staff: &Staff,
    sent: Option<Sent<'_>>,
    done: &'static str,
    problem: String,
) -> Result<Programs, Refusal> {
    let now = app.clock.now();
    let can_keep = staff.may(Permission::KeepBooks) && *staff.sites() == SiteScope::All;
    let connections = connection::list(&app.db, now).await?;
    let limit = |provider: Provider| app.books.of(provider).map(|known| known.program.limits().day);
    let rows = connections.into_iter().filter_map(|one| {
        let provider = Provider::named(&one.provider)?;
        Some(row(one, provider, limit(provider), can_keep, now))
    });
    let forms = app.books.providers().map(|provider| form(provider, sent.as_ref(), now));
    Ok(Programs {
        page: Page::new(app, staff, Tab::Books),
        style: style(),
        done,
        problem,
        rows: rows.collect(),
        forms: if can_keep { forms.collect() } else { Vec::new() },
        missing: Provider::ALL.into_iter().filter(|provider| app.books.of(*provider).is_none()).collect(),
        can_keep,
    })
}

/// `limit`: how often it may be asked in a day, if it is configured and has such a limit.
fn row(one: Connection, provider: Provider, limit: Option<Option<u32>>, can_keep: bool, now: OffsetDateTime) -> Row {
    let (state, more) = stands(&one, limit.is_some(), now);
    Row {
        id: one.id,
        provider: provider.as_str(),
        program: provider.name(),
        state,
        more,
        posts_since: one.posts_since,
        calls: match limit.flatten() {
            Some(limit) => format!("{} of {limit}", one.calls_today),
            None => one.calls_today.to_string(),
        },
        connected: words::moment(one.connected_at, now),
        by: one.connected_by,
        is_on: one.state != Stands::Off,
        can_connect: can_keep && limit.is_some(),
        can_check: can_keep && limit.is_some() && one.state == Stands::Connected,
        name: one.name,
    }
}

/// How it stands, and more of it in a sentence.
fn stands(one: &Connection, is_configured: bool, now: OffsetDateTime) -> (Said, String) {
    match (one.state, one.paused_until.filter(|until| *until > now)) {
        (Stands::Off, _) => (said(Tone::Plain, "disconnected"), String::new()),
        (Stands::Reconnect, _) => (said(Tone::Bad, "not let in any more"), one.reason.clone()),
        (Stands::Connected, _) if !is_configured => {
            (said(Tone::Bad, "not configured here"), format!("The section [{}] is missing.", one.provider))
        }
        (Stands::Connected, Some(until)) => {
            (said(Tone::Busy, "waits"), format!("It asked us to wait until {}.", words::moment(until, now)))
        }
        (Stands::Connected, None) => (said(Tone::Good, "connected"), String::new()),
    }
}

/// The form that connects a company: from which day on it is told.
fn form(provider: Provider, sent: Option<&Sent<'_>>, now: OffsetDateTime) -> Form {
    let (fresh, none) = (Fields::default().with(SINCE, first_of_month(now).to_string()), Problems::default());
    let (sent, problems) = match sent.filter(|sent| sent.provider == provider) {
        Some(sent) => (sent.fields, sent.problems),
        None => (&fresh, &none),
    };
    let filled = Filled { sent, problems };
    Form::new(
        provider.as_str(),
        format!("{LIST}/{}/connect", provider.as_str()),
        format!("Connect {}", provider.name()),
    )
    .titled(provider.name(), "")
    .field(
        filled
            .day(SINCE, "Documents from this day on")
            .hint("Earlier days are not told there, and can be later: connect it again with an earlier day.")
            .required(),
    )
}

fn first_of_month(now: OffsetDateTime) -> Date {
    let today = Zone::default().at(now).date();
    today.replace_day(1).expect("every month has a first day")
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn one(state: Stands, paused: Option<i64>) -> Connection {
        Connection {
            id: Uuid::from_u128(7),
            provider: "xero".into(),
            organisation: "t1".into(),
            name: HOSTILE.into(),
            state,
            reason: if state == Stands::Reconnect { HOSTILE.into() } else { String::new() },
            posts_since: time::macros::date!(2026 - 11 - 01),
            paused_until: paused.map(|seconds| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds)),
            refresh_until: None,
            connected_at: OffsetDateTime::UNIX_EPOCH,
            connected_by: HOSTILE.into(),
            calls_today: 12,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Programs {
        let now = OffsetDateTime::UNIX_EPOCH;
        let states = [Stands::Connected, Stands::Reconnect, Stands::Off];
        let rows = states.map(|state| row(one(state, None), Provider::Xero, Some(Some(5000)), true, now));
        Programs {
            page,
            style: style(),
            done: "It is connected.",
            problem: HOSTILE.into(),
            rows: rows.into(),
            forms: vec![form(Provider::Xero, None, now)],
            missing: vec![Provider::Zoho],
            can_keep: true,
        }
    }

    #[test]
    fn a_state_is_said_in_words() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60);
        for (one, is_configured, expected) in [
            (one(Stands::Connected, None), true, "connected"),
            (one(Stands::Connected, Some(0)), true, "connected"),
            (one(Stands::Connected, Some(3600)), true, "waits"),
            (one(Stands::Connected, None), false, "not configured here"),
            (one(Stands::Reconnect, Some(3600)), true, "not let in any more"),
            (one(Stands::Off, None), false, "disconnected"),
        ] {
            assert_eq!(stands(&one, is_configured, now).0.text, expected, "{one:?}");
        }
    }

    #[test]
    fn documents_are_told_from_the_first_of_this_month_on_by_our_clock() {
        // Midnight in Nairobi, where it is the first already.
        let at = OffsetDateTime::from_unix_timestamp(1_793_480_400).unwrap();
        assert_eq!(at.date(), time::macros::date!(2026 - 10 - 31));
        assert_eq!(first_of_month(at), time::macros::date!(2026 - 11 - 01));
    }

    #[test]
    fn a_row_counts_todays_questions_against_the_limit() {
        let calls =
            |limit| row(one(Stands::Connected, None), Provider::Xero, limit, true, OffsetDateTime::UNIX_EPOCH).calls;
        assert_eq!(
            (calls(Some(Some(5000))), calls(Some(None)), calls(None)),
            ("12 of 5000".into(), "12".into(), "12".into())
        );
    }
}
