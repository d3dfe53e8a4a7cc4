//! `/admin/security`: what somebody should look at who minds the place.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::time::OffsetDateTime;
use store::security::{Kind, Logged};

use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

/// How many are shown.
const SHOWN: u32 = 200;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;

#[derive(Debug, Template)]
#[template(path = "admin/security.html")]
pub(super) struct Security {
    page: Page,
    style: String,
    events: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    when: String,
    what: &'static str,
    nas: String,
    mac: String,
    name: String,
    detail: String,
}

/// `GET /admin/security`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let events = store::security::latest(&app.db, SHOWN).await?;
    let page = Security {
        page: Page::new(&app, &staff, Tab::Security).refreshed(REFRESH),
        style: style(),
        events: events.iter().map(|logged| row(logged, now)).collect(),
    };
    answer(StatusCode::OK, &page)
}

fn row(logged: &Logged, now: OffsetDateTime) -> Row {
    let event = &logged.event;
    Row {
        when: words::moment(logged.at, now),
        what: what(event.kind),
        nas: logged.nas.clone().unwrap_or_default(),
        mac: event.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        name: event.user_name.as_deref().map(words::login).unwrap_or_default(),
        detail: event.detail.clone(),
    }
}

/// What happened.
pub(super) fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::DeviceLocked => "A device guessed too often and is locked",
        Kind::LoginLocked => "A device tried one name too often and is locked out of it",
        Kind::RouterGuessing => "So many codes are guessed here that new logins wait",
        Kind::MacCloned => "A device is online at several routers at once",
        Kind::SessionStolen => "A customer's sign-in was used from another device",
        Kind::CodeGuessing => "Codes by SMS or of screens are asked for or tried too often",
        Kind::ForgedReport => "Somebody reports payments in Stripe's name",
        Kind::CardDisputed => "A customer's bank takes back a payment by card",
        Kind::MoneyDiffers => "A payment was told of once more, and otherwise",
        Kind::StaffLocked => "Somebody tries to sign in at the desk as one of you",
        Kind::StaffGuessing => "Many passwords or codes of the desk are tried from one address",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use store::security::Event;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Security {
        let at = OffsetDateTime::UNIX_EPOCH;
        let logged = |kind| Logged {
            at,
            event: Event {
                kind,
                nas: None,
                mac: Some(shared::mac::Mac([2, 0, 0, 0, 0, 1])),
                user_name: Some(HOSTILE.into()),
                detail: HOSTILE.into(),
            },
            nas: Some(HOSTILE.into()),
        };
        let kinds = [
            Kind::DeviceLocked,
            Kind::LoginLocked,
            Kind::RouterGuessing,
            Kind::MacCloned,
            Kind::SessionStolen,
            Kind::CodeGuessing,
            Kind::ForgedReport,
            Kind::CardDisputed,
            Kind::MoneyDiffers,
        ];
        Security { page, style: style(), events: kinds.map(|kind| row(&logged(kind), at)).into() }
    }

    #[test]
    fn each_kind_has_words_of_its_own() {
        let sample = sample(crate::admin::page::tests::page());
        let words: std::collections::HashSet<_> = sample.events.iter().map(|event| event.what).collect();
        assert_eq!(words.len(), sample.events.len());
    }
}
