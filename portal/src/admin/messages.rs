//! `/admin/messages`: what customers were told by SMS, by whom it was sent, what it cost and what became of it. How it is worded, and what is
//! not sent at all, is on a page of its own ([`texts`]).

pub(super) mod texts;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::money::Money;
use shared::notice::Notice;
use shared::time::OffsetDateTime;
use store::notification::{self, Listed};

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use crate::App;
use crate::session::Staff;

/// How many are shown.
const SHOWN: u32 = 200;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;

#[derive(Debug, Template)]
#[template(path = "admin/messages.html")]
pub(super) struct Messages {
    page: Page,
    style: String,
    waiting: u64,
    /// What messages have cost today, as far as providers tell.
    cost: String,
    /// Whether a provider is configured.
    can_send: bool,
    messages: Vec<Row>,
    is_cut: bool,
}

#[derive(Debug)]
struct Row {
    when: String,
    phone: String,
    what: &'static str,
    state: Said,
    detail: String,
    provider: String,
    segments: String,
    cost: String,
}

/// `GET /admin/messages`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let messages = notification::latest(&app.db, SHOWN).await?;
    let cost = notification::cost_since(&app.db, words::start_of_day(now)).await?;
    let (waiting, _) = notification::waiting(&app.db).await?;
    let page = Messages {
        page: Page::new(&app, &staff, Tab::Messages).refreshed(REFRESH),
        style: style(),
        waiting,
        cost: Money::kes(cost).to_string(),
        can_send: app.sms.is_some(),
        is_cut: messages.len() as u64 >= u64::from(SHOWN),
        messages: messages.iter().map(|message| row(message, now)).collect(),
    };
    answer(StatusCode::OK, &page)
}

fn row(message: &Listed, now: OffsetDateTime) -> Row {
    Row {
        when: words::moment(message.sent_at.unwrap_or(message.created_at), now),
        phone: message.phone.masked(),
        what: Notice::parse(&message.name).map_or("another kind of news", name),
        state: state(&message.state),
        detail: message.detail.clone(),
        provider: message.provider.clone().unwrap_or_default(),
        segments: message.segments.map(|count| count.to_string()).unwrap_or_default(),
        cost: message.cost.map(|cost| cost.to_string()).unwrap_or_default(),
    }
}

/// What kind of news it is.
pub(super) fn name(notice: Notice) -> &'static str {
    match notice {
        Notice::PaymentReceived => "payment received",
        Notice::EndsSoon => "time ends soon",
        Notice::DataLow => "most data is used",
        Notice::DataNearlyUsed => "data is nearly used up",
        Notice::Ended => "package has ended",
        Notice::NewDevice => "new device",
        Notice::Trouble => "trouble with the network",
        Notice::TroubleOver => "trouble is over",
        Notice::Given => "paid for by another",
        Notice::AddressProof => "proof of an e-mail address",
    }
}

/// What became of it.
pub(super) fn state(state: &str) -> Said {
    match state {
        "pending" => said(Tone::Busy, "waits"),
        "sent" => said(Tone::Good, "sent"),
        "delivered" => said(Tone::Good, "on the phone"),
        "undelivered" => said(Tone::Busy, "not on the phone yet"),
        "failed" => said(Tone::Bad, "not delivered"),
        "expired" => said(Tone::Bad, "too late to be sent"),
        "skipped" => said(Tone::Plain, "not wanted"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn message(state: &str) -> Listed {
        Listed {
            created_at: OffsetDateTime::UNIX_EPOCH,
            name: "ended".into(),
            phone: "0712345678".parse().expect("a phone"),
            state: state.into(),
            detail: HOSTILE.into(),
            provider: Some(HOSTILE.into()),
            segments: Some(1),
            cost: Some(Money::kes(80)),
            sent_at: None,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Messages {
        let states = ["pending", "sent", "delivered", "undelivered", "failed", "expired", "skipped"];
        let row = |state| row(&message(state), OffsetDateTime::UNIX_EPOCH);
        Messages {
            page,
            style: style(),
            waiting: 1,
            cost: "KSh 12.80".into(),
            can_send: false,
            messages: states.into_iter().map(row).collect(),
            is_cut: true,
        }
    }

    #[test]
    fn a_number_is_not_shown_whole() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert!(html.contains("07xx xxx 678") && !html.contains("712345678"), "{html}");
    }

    #[test]
    fn what_did_not_arrive_stands_out() {
        assert_eq!(
            (state("failed").tone, state("expired").tone, state("skipped").tone),
            (Tone::Bad, Tone::Bad, Tone::Plain)
        );
        let names: std::collections::HashSet<_> = Notice::ALL.map(name).into();
        assert_eq!(names.len(), Notice::ALL.len());
    }
}
