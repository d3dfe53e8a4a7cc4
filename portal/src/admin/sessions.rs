//! Sessions at the routers: who is online, who was, and ending a session.
//!
//! A cut is a question to the router. Its state is shown as far as it has come – asked, acknowledged, proved – and
//! stands out where the router has not confirmed it. Pressing the button twice asks once. Where a router has not proved in
//! time that it did, the session is on the board of those that leak, with what that costs.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use store::accounting::SessionKey;
use store::session::{Leak, Session};

use super::Refusal;
use super::audit::audit;
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said};
use crate::App;
use crate::api::id::{self, Kind};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// How many are shown.
const SHOWN: u32 = 300;
/// Seconds after which the list of open sessions loads itself again.
const REFRESH: u32 = 10;

#[derive(Debug, Template)]
#[template(path = "admin/sessions.html")]
pub(super) struct Open {
    page: Page,
    style: String,
    sessions: Vec<OpenRow>,
    total: u64,
    /// Sessions that leak.
    leaking: u64,
    /// Whether only those are shown.
    leaking_only: bool,
    /// What all of them have cost, where that is shown.
    lost: String,
    asked: bool,
}

#[derive(Debug)]
struct OpenRow {
    id: String,
    who: Who,
    started: String,
    lasted: String,
    heard: String,
    down: String,
    up: String,
    until: String,
    cut: Said,
    /// For how long it has leaked, and what that is worth.
    leak: Option<(String, String)>,
    can_ask: bool,
}

#[derive(Debug, Template)]
#[template(path = "admin/sessions_ended.html")]
pub(super) struct Ended {
    page: Page,
    style: String,
    sessions: Vec<EndedRow>,
}

#[derive(Debug)]
struct EndedRow {
    id: String,
    who: Who,
    started: String,
    ended: String,
    lasted: String,
    down: String,
    up: String,
    cause: String,
    cut: Said,
}

/// Whose session it is, and where.
#[derive(Debug)]
struct Who {
    name: String,
    login: String,
    package: String,
    nas: String,
    mac: String,
    ip: String,
}

/// What the redirect after a cut carries.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    asked: Option<String>,
}

/// `GET /admin/sessions`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let (now, role) = (app.clock.now(), staff.admin.role);
    let sessions = store::session::open_at(&app.db, staff.sites(), SHOWN).await?;
    let page = Open {
        sessions: sessions.iter().map(|session| open_row(session, role, now)).collect(),
        asked: after.asked.is_some(),
        ..empty_page(&app, &staff).await?
    };
    answer(StatusCode::OK, &page)
}

/// `GET /admin/sessions/leaking`: the open sessions that a router was asked to end and has not proved to have ended in time.
pub(super) async fn list_leaking(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let (now, role) = (app.clock.now(), staff.admin.role);
    let leaks = store::session::leaking_at(&app.db, staff.sites(), now, SHOWN).await?;
    let page = Open {
        sessions: leaks.iter().map(|leak| leaking_row(leak, role, now)).collect(),
        leaking_only: true,
        lost: words::sum(leaks.iter().filter_map(|leak| leak.value)),
        ..empty_page(&app, &staff).await?
    };
    answer(StatusCode::OK, &page)
}

async fn empty_page(app: &App, staff: &Staff) -> Result<Open, Refusal> {
    Ok(Open {
        page: Page::new(app, staff, Tab::Sessions).refreshed(REFRESH),
        style: style(),
        sessions: Vec::new(),
        total: store::session::count_open_at(&app.db, staff.sites()).await?.iter().map(|(_, count)| count).sum(),
        leaking: store::session::count_leaking_at(&app.db, staff.sites(), app.clock.now()).await?,
        leaking_only: false,
        lost: String::new(),
        asked: false,
    })
}

/// `GET /admin/sessions/ended`.
pub(super) async fn list_ended(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let (now, role) = (app.clock.now(), staff.admin.role);
    let sessions = store::session::ended_at(&app.db, staff.sites(), SHOWN).await?;
    let page = Ended {
        page: Page::new(&app, &staff, Tab::Sessions),
        style: style(),
        sessions: sessions.iter().map(|session| ended_row(session, role, now)).collect(),
    };
    answer(StatusCode::OK, &page)
}

/// `POST /admin/sessions/{id}/disconnect`.
pub(super) async fn disconnect(
    State(app): State<App>,
    Path(session): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let session = id::read(Kind::Session, &session).ok_or(Refusal::NotFound)?;
    let key = SessionKey::of(session).ok_or(Refusal::NotFound)?;
    store::site::reaches_session(&app.db, posted.staff.sites(), key).await?;
    store::session::disconnect(&app.db, session, app.clock.now()).await?;
    let spelt = id::spell(Kind::Session, session);
    audit(&app, &posted.staff, "session.disconnect", &spelt).await?;
    Ok(Redirect::to("/admin/sessions?asked=1").into_response())
}

fn open_row(session: &Session, role: Role, now: OffsetDateTime) -> OpenRow {
    let cut = session.cut.as_deref();
    OpenRow {
        id: id::spell(Kind::Session, session.id),
        who: who(session, role),
        started: words::moment(session.started_at, now),
        lasted: lasted(session.started_at, now),
        heard: words::ago(session.last_heard_at, now),
        down: words::data(session.output_octets),
        up: words::data(session.input_octets),
        until: session.cutoff_at.map(|at| words::moment(at, now)).unwrap_or_default(),
        cut: words::cut_of_open(cut, session.cutoff_at.is_some_and(|at| at <= now)),
        leak: None,
        can_ask: words::can_ask(cut),
    }
}

fn leaking_row(leak: &Leak, role: Role, now: OffsetDateTime) -> OpenRow {
    let value = leak.value.map_or_else(|| "value unknown".into(), |value| value.to_string());
    OpenRow { leak: Some((lasted(leak.since, now), value)), ..open_row(&leak.session, role, now) }
}

fn ended_row(session: &Session, role: Role, now: OffsetDateTime) -> EndedRow {
    let ended = session.ended_at.unwrap_or(session.last_heard_at);
    EndedRow {
        id: id::spell(Kind::Session, session.id),
        who: who(session, role),
        started: words::moment(session.started_at, now),
        ended: words::moment(ended, now),
        lasted: lasted(session.started_at, ended),
        down: words::data(session.output_octets),
        up: words::data(session.input_octets),
        cause: words::cause(session.terminate_cause.as_deref()),
        cut: words::cut_of_ended(session.cut.as_deref()),
    }
}

fn who(session: &Session, role: Role) -> Who {
    Who {
        name: session.phone.as_ref().map_or_else(|| session.user_name.clone(), |phone| words::phone(role, phone)),
        login: if session.phone.is_some() { session.user_name.clone() } else { String::new() },
        package: session.package.clone().unwrap_or_default(),
        nas: session.nas.clone(),
        mac: session.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        ip: session.framed_ip.map(|ip| ip.to_string()).unwrap_or_default(),
    }
}

fn lasted(from: OffsetDateTime, to: OffsetDateTime) -> String {
    words::span(Duration::try_from(to - from).unwrap_or_default())
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn session(cut: Option<&str>, phone: Option<&str>) -> Session {
        let at = OffsetDateTime::UNIX_EPOCH;
        Session {
            id: uuid::Uuid::from_u128(7),
            nas: HOSTILE.into(),
            phone: phone.map(|text| text.parse().expect("a number")),
            package: Some(HOSTILE.into()),
            entitlement: None,
            user_name: HOSTILE.into(),
            mac: Some(shared::mac::Mac([2, 0, 0, 0, 0, 1])),
            framed_ip: "10.5.50.2".parse().ok(),
            acct_session_id: "80000001".into(),
            started_at: at,
            last_heard_at: at,
            input_octets: 1_500_000,
            output_octets: 22_000_000,
            cutoff_at: Some(at + Duration::from_secs(60)),
            ended_at: Some(at + Duration::from_secs(1500)),
            terminate_cause: Some("Admin-Reset".into()),
            cut: cut.map(str::to_owned),
        }
    }

    const CUTS: [Option<&str>; 7] = [
        None,
        Some("pending"),
        Some("acknowledged"),
        Some("proved"),
        Some("refused"),
        Some("unanswered"),
        Some("abandoned"),
    ];

    pub(in crate::admin) fn open(page: Page) -> Open {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(90);
        let sessions = CUTS.iter().map(|cut| open_row(&session(*cut, Some("0712345678")), Role::Owner, now)).collect();
        let lost = String::new();
        Open { page, style: style(), sessions, total: 500, leaking: 4, leaking_only: false, lost, asked: true }
    }

    pub(in crate::admin) fn leaking(page: Page) -> Open {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(660);
        let leak = |value| Leak {
            session: session(Some("refused"), None),
            since: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60),
            value,
        };
        let leaks = [leak(Some(Money::kes(350))), leak(None), leak(Some(Money::kes(1000)))];
        Open {
            sessions: leaks.iter().map(|leak| leaking_row(leak, Role::Owner, now)).collect(),
            leaking_only: true,
            lost: words::sum(leaks.iter().filter_map(|leak| leak.value)),
            ..open(page)
        }
    }

    pub(in crate::admin) fn ended(page: Page) -> Ended {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(2000);
        let sessions = CUTS.iter().map(|cut| ended_row(&session(*cut, None), Role::Owner, now)).collect();
        Ended { page, style: style(), sessions }
    }

    #[test]
    fn the_board_says_how_long_a_session_leaks_and_what_that_costs() {
        let html = leaking(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("for 10 minutes").count(), 3);
        for text in ["KSh 3.50", "value unknown", "KSh 10", "KSh 13.50"] {
            assert!(html.contains(text), "{text}");
        }
    }

    #[test]
    fn only_a_session_without_a_cut_under_way_has_a_button() {
        let html = open(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("/disconnect\"").count(), 5, "all but pending and acknowledged");
        assert_eq!(html.matches("not confirmed by the router").count(), 2);
    }
}
