//! `/admin/money`: money that came and of which nobody knows what it is for, and money that goes back. What waits is here with why
//! it waits; what can be done about it stands on the receipt's own page ([`receipt`]), and is done in [`changes`]. Below it are the orders
//! of which money is owed to customers ([`owed`]), and what of payments by card somebody should look at ([`cards`]).

mod cards;
pub(super) mod changes;
mod owed;
pub(super) mod receipt;
mod why;
mod wish;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::unmatched::{self, Listed, Payer};

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use crate::App;
use crate::payments::c2b;
use crate::session::Staff;

/// How many are shown: why each waits is a look-up of its own.
const SHOWN: u32 = 100;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;

#[derive(Debug, Template)]
#[template(path = "admin/money.html")]
pub(super) struct Money {
    page: Page,
    style: String,
    /// Whether what is done with is shown as well.
    all: bool,
    waiting: u64,
    rows: Vec<Row>,
    /// Whether there may be more than are shown.
    is_cut: bool,
    owed: Vec<owed::Row>,
    cards: Vec<cards::Row>,
}

#[derive(Debug)]
struct Row {
    receipt: String,
    age: String,
    amount: String,
    name: String,
    number: String,
    typed: String,
    state: Said,
    why: String,
}

/// `GET /admin/money`: what waits.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    answer(StatusCode::OK, &page(&app, &staff, false).await?)
}

/// `GET /admin/money/all`: also what is done with.
pub(super) async fn list_all(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    answer(StatusCode::OK, &page(&app, &staff, true).await?)
}

async fn page(app: &App, staff: &Staff, all: bool) -> Result<Money, Refusal> {
    let now = app.clock.now();
    let mut rows = Vec::new();
    for money in unmatched::list(&app.db, all, SHOWN).await? {
        let why = if is_waiting(&money) { why::of(app, &money, now).await? } else { String::new() };
        rows.push(row(&money, why, staff.admin.role, now));
    }
    Ok(Money {
        page: Page::new(app, staff, Tab::Payments).refreshed(REFRESH),
        style: style(),
        all,
        waiting: unmatched::count_waiting(&app.db).await?,
        is_cut: rows.len() as u64 >= u64::from(SHOWN),
        rows,
        owed: owed::rows(app, staff, now).await?,
        cards: cards::rows(app, now).await?,
    })
}

fn row(money: &Listed, why: String, role: Role, now: OffsetDateTime) -> Row {
    Row {
        receipt: money.receipt.clone(),
        age: words::ago(money.at, now),
        amount: money.amount.to_string(),
        name: money.payer_name.clone(),
        number: number(role, &money.payer_number),
        typed: money.typed.clone(),
        state: state(money),
        why,
    }
}

/// Whether a person has still to say what it is for.
fn is_waiting(money: &Listed) -> bool {
    money.state == "unmatched"
}

/// Whether it is owed to its payer.
fn is_owed(money: &Listed) -> bool {
    money.state == "refunded" && money.given_back_at.is_none()
}

/// Where it stands.
fn state(money: &Listed) -> Said {
    match (money.state.as_str(), money.given_back_at) {
        ("unmatched", _) if money.ignored.is_some() => said(Tone::Plain, "ignored"),
        ("unmatched", _) if !money.is_booked => said(Tone::Bad, "told once more, not confirmed by M-Pesa, not booked"),
        ("unmatched", _) if money.is_confirmed => said(Tone::Busy, "waits for you"),
        ("unmatched", _) => said(Tone::Bad, "waits for you, not confirmed by M-Pesa"),
        ("refunded", None) => said(Tone::Busy, "to be given back"),
        ("refunded", Some(_)) => said(Tone::Good, "given back"),
        ("assigned", _) => said(Tone::Good, "assigned to an order"),
        ("matched", _) => said(Tone::Good, "paid for an order"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

/// The payer's number as far as the provider shows it. A hash says nothing to people.
fn number(role: Role, told: &str) -> String {
    match c2b::payer(told) {
        Payer::Phone(phone) if !role.may(Permission::SeePeople) => phone.masked(),
        Payer::Hashed(_) => "number hidden by M-Pesa".into(),
        _ => told.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money as Amount;
    use store::unmatched::Ignored;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    /// Money in this state.
    pub(super) fn money(state: &str) -> Listed {
        Listed {
            provider: "mpesa".into(),
            receipt: "RKTQDM7W6S".into(),
            amount: Amount::kes(5_000),
            payer_name: HOSTILE.into(),
            payer_number: HOSTILE.into(),
            typed: HOSTILE.into(),
            at: OffsetDateTime::UNIX_EPOCH,
            is_confirmed: false,
            is_booked: true,
            state: state.into(),
            order: Some("AB2CD3EF".into()),
            rest: Some(Amount::kes(3_000)),
            decided_by: Some(HOSTILE.into()),
            given_back_at: None,
            given_back_proof: None,
            ignored: None,
        }
    }

    pub(super) fn ignored() -> Listed {
        let why = Ignored { at: OffsetDateTime::UNIX_EPOCH, by: HOSTILE.into(), reason: HOSTILE.into() };
        Listed { ignored: Some(why), ..money("unmatched") }
    }

    pub(in crate::admin) fn sample(page: Page) -> Money {
        let now = OffsetDateTime::UNIX_EPOCH;
        let all = [money("unmatched"), ignored(), money("refunded"), money("assigned"), money("matched")];
        let rows = all.iter().map(|money| row(money, HOSTILE.into(), Role::Owner, now)).collect();
        let (owed, cards) = (super::owed::tests::samples(), super::cards::tests::samples());
        Money { page, style: style(), all: true, waiting: 1, rows, is_cut: true, owed, cards }
    }

    #[test]
    fn what_waits_stands_out_and_what_is_ignored_does_not() {
        assert_eq!(state(&money("unmatched")).tone, Tone::Bad);
        assert_eq!(state(&Listed { is_confirmed: true, ..money("unmatched") }).tone, Tone::Busy);
        assert_eq!(state(&ignored()).tone, Tone::Plain);
        let back = Listed { given_back_at: Some(OffsetDateTime::UNIX_EPOCH), ..money("refunded") };
        assert_eq!((state(&back).tone, is_owed(&back), is_owed(&money("refunded"))), (Tone::Good, false, true));
    }

    #[test]
    fn a_number_is_shown_as_far_as_it_says_something() {
        assert_eq!(number(Role::Owner, "2547 ***** 678"), "2547 ***** 678");
        assert_eq!(number(Role::ReadOnly, "254712345678"), "07xx xxx 678");
        assert_eq!(number(Role::Owner, &"7a".repeat(32)), "number hidden by M-Pesa");
    }
}
