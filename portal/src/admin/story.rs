//! `/admin/sessions/{id}`: one session from its beginning, whether it goes on or is over: what it used in which hour, and what was
//! asked of its router.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::time::OffsetDateTime;
use store::accounting::SessionKey;
use store::history::{self, Asked, Story};

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words;
use crate::App;
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// Seconds after which the story of an open session loads itself again.
const REFRESH: u32 = 10;

#[derive(Debug, Template)]
#[template(path = "admin/session.html")]
pub(super) struct SessionStory {
    page: Page,
    style: String,
    id: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    events: Vec<Event>,
}

/// Something that happened, in words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Event {
    at: OffsetDateTime,
    when: String,
    text: String,
}

/// `GET /admin/sessions/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(session): Path<String>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let key = id::read(Kind::Session, &session).and_then(SessionKey::of).ok_or(Refusal::NotFound)?;
    store::site::reaches_session(&app.db, staff.sites(), key).await?;
    let (story, now) = (history::story(&app.db, key).await?, app.clock.now());
    let mut page = Page::new(&app, &staff, Tab::Sessions);
    if story.session.ended_at.is_none() {
        page = page.refreshed(REFRESH);
    }
    answer(StatusCode::OK, &told(page, &story, now))
}

fn told(page: Page, story: &Story, now: OffsetDateTime) -> SessionStory {
    let session = &story.session;
    let login = words::login(&session.user_name);
    let name = session.phone.as_ref().map_or_else(|| login.clone(), |phone| words::phone(page.role, phone));
    let until = session.ended_at.unwrap_or(now);
    let optional = |value: Option<String>| value.unwrap_or_else(|| "not known".into());
    let facts = vec![
        ("Customer", name.clone()),
        ("Login", login),
        ("Package", optional(session.package.clone())),
        ("Router", session.nas.clone()),
        ("Device", optional(session.mac.map(|mac| mac.to_string()))),
        ("Address", optional(session.framed_ip.map(|ip| ip.to_string()))),
        ("The router calls it", session.acct_session_id.clone()),
        ("Lasted", words::span(Duration::try_from(until - session.started_at).unwrap_or_default())),
        ("Down / up", format!("{} / {}", words::data(session.output_octets), words::data(session.input_octets))),
        ("Must end", session.cutoff_at.map_or_else(|| "no limit in time".into(), |at| words::moment(at, now))),
    ];
    SessionStory {
        id: id::spell(Kind::Session, session.id),
        name,
        page,
        style: style(),
        facts,
        events: events(story, now),
    }
}

fn events(story: &Story, now: OffsetDateTime) -> Vec<Event> {
    let session = &story.session;
    let event = |at: OffsetDateTime, text: String| Event { at, when: words::moment(at, now), text };
    let mut events = vec![event(session.started_at, "The session began.".into())];
    for (hour, used) in &story.hours {
        let octets = |counter: i64| words::data(u64::try_from(counter).unwrap_or(0));
        let begin = (*hour).max(session.started_at);
        let text = format!("In this hour {} down and {} up.", octets(used.output), octets(used.input));
        events.push(event(begin, text));
    }
    for asked in &story.commands {
        let what = if asked.kind == "coa" { "to change the session" } else { "to end the session" };
        events.push(event(asked.asked_at, format!("The router was to be asked {what}: {}.", asked.reason)));
        if let Some(at) = asked.answered_at {
            events.push(event(at, answer_in_words(asked)));
        }
    }
    match session.ended_at {
        Some(at) if story.is_lost => events.push(event(
            at,
            format!(
                "The last word of it ({}). No Stop came: it was closed as lost, and goes on if the router speaks of it again.",
                words::cause(session.terminate_cause.as_deref())
            ),
        )),
        Some(at) => {
            events.push(event(at, format!("It ended: {}.", words::cause(session.terminate_cause.as_deref()))));
        }
        None => events.push(event(session.last_heard_at, "The router last reported it.".into())),
    }
    events.sort();
    events
}

fn answer_in_words(asked: &Asked) -> String {
    let tries = match asked.attempts {
        0 | 1 => String::new(),
        many => format!(", asked {many} times"),
    };
    match (asked.state.as_str(), asked.error_cause) {
        ("acknowledged" | "proved", _) => format!("The router said yes{tries}."),
        ("refused", Some(cause)) => format!("The router said no (Error-Cause {cause}){tries}."),
        ("refused", None) => format!("The router said no{tries}."),
        ("unanswered", _) => format!("The router did not answer{tries}."),
        (state, _) => format!("It stands at: {state}{tries}."),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use store::accounting::Counters;
    use store::session::Session;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> SessionStory {
        let at = |seconds: u64| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let session = Session {
            id: uuid::Uuid::from_u128(7),
            nas: HOSTILE.into(),
            phone: None,
            package: Some(HOSTILE.into()),
            entitlement: None,
            user_name: HOSTILE.into(),
            mac: None,
            framed_ip: None,
            acct_session_id: HOSTILE.into(),
            started_at: at(3000),
            last_heard_at: at(4000),
            input_octets: 1_500_000,
            output_octets: 22_000_000,
            cutoff_at: None,
            ended_at: Some(at(4000)),
            terminate_cause: Some("Lost-Service".into()),
            cut: Some("refused".into()),
        };
        let asked = Asked {
            kind: "disconnect".into(),
            reason: "expired".into(),
            state: "refused".into(),
            error_cause: Some(501),
            attempts: 3,
            asked_at: at(3900),
            answered_at: Some(at(3901)),
            proved_at: None,
        };
        let used = Counters { seconds: 600, input: 1_000_000, output: 20_000_000 };
        let hours = [(at(0), used), (at(3600), used)].into();
        told(page, &Story { session, is_lost: true, hours, commands: vec![asked] }, at(5000))
    }

    #[test]
    fn a_story_is_told_in_the_order_in_which_it_happened() {
        let story = sample(crate::admin::page::tests::page());
        let texts: Vec<&str> = story.events.iter().map(|event| event.text.split(' ').next().unwrap_or("")).collect();
        assert_eq!(texts, ["In", "The", "In", "The", "The", "The"]);
        assert!(story.events[4].text.contains("Error-Cause 501"), "{:?}", story.events);
        assert!(story.events[5].text.contains("closed as lost"), "{:?}", story.events);
    }
}
