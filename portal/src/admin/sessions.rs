//! Sessions that leak, and ending a session. Who is online and who was are lists ([`super::lists::sessions`]).
//!
//! A cut is a question to the router. Its state is shown as far as it has come – asked, acknowledged, proved – and
//! stands out where the router has not confirmed it. Pressing the button twice asks once. Where a router has not proved in
//! time that it did, the session is on the board of those that leak, with what that costs.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
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
/// Seconds after which the board loads itself again.
const REFRESH: u32 = 10;

#[derive(Debug, Template)]
#[template(path = "admin/leaking.html")]
pub(super) struct Leaking {
    page: Page,
    style: String,
    sessions: Vec<OpenRow>,
    /// Sessions that leak, those that are not shown included.
    leaking: u64,
    /// What those that are shown have cost.
    lost: String,
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

/// `GET /admin/sessions/leaking`: the open sessions that a router was asked to end and has not proved to have ended in time.
pub(super) async fn list_leaking(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let (now, role) = (app.clock.now(), staff.admin.role);
    let leaks = store::session::leaking_at(&app.db, staff.sites(), now, SHOWN).await?;
    let page = Leaking {
        page: Page::new(&app, &staff, Tab::Sessions).refreshed(REFRESH),
        style: style(),
        sessions: leaks.iter().map(|leak| leaking_row(leak, role, now)).collect(),
        leaking: store::session::count_leaking_at(&app.db, staff.sites(), now).await?,
        lost: words::sum(leaks.iter().filter_map(|leak| leak.value)),
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

fn who(session: &Session, role: Role) -> Who {
    Who {
        name: session
            .phone
            .as_ref()
            .map_or_else(|| words::login(&session.user_name), |phone| words::phone(role, phone)),
        login: if session.phone.is_some() { words::login(&session.user_name) } else { String::new() },
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

    pub(in crate::admin) fn session(cut: Option<&str>, phone: Option<&str>) -> Session {
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

    pub(in crate::admin) fn leaking(page: Page) -> Leaking {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(660);
        let leak = |value| Leak {
            session: session(Some("refused"), None),
            since: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60),
            value,
        };
        let leaks = [leak(Some(Money::kes(350))), leak(None), leak(Some(Money::kes(1000)))];
        Leaking {
            page,
            style: style(),
            sessions: leaks.iter().map(|leak| leaking_row(leak, Role::Owner, now)).collect(),
            leaking: 4,
            lost: words::sum(leaks.iter().filter_map(|leak| leak.value)),
        }
    }

    #[test]
    fn the_board_says_how_long_a_session_leaks_and_what_that_costs() {
        let html = leaking(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("for 10 minutes").count(), 3);
        for text in ["KSh 3.50", "value unknown", "KSh 10", "KSh 13.50"] {
            assert!(html.contains(text), "{text}");
        }
    }
}
