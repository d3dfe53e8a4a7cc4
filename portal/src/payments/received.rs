//! Works on the report of a payment from M-Pesa's menu: the third way in which a payment becomes access, after the report of a
//! prompt and our query of it.
//!
//! The report carries no signature. Where there is an initiator, it is believed when M-Pesa, asked by us, says the same;
//! what M-Pesa cannot tell waits for a person, and what it denies is not followed. A paybill also reports every prompt that
//! was paid: there the prompt's own report is given a moment, so that M-Pesa is not asked twice about one payment.

use std::time::Duration;

use store::StoreError;
use store::mpesa_request::{self, Kind, State};
use store::payment::{self, Event};
use store::settlement::Settled;
use store::unmatched::{self, Matched, Reference, Told, Trust};

use super::asked::Asking;
use super::c2b::Confirmation;
use super::mpesa::Mpesa;
use super::report::Outcome;
use super::settle::note;
use crate::App;

/// Who asks, in the store.
const PORTAL: &str = "portal";
/// A prompt that is out tells of the same payment itself; so long is waited for that.
const PROMPT_TELLS: Duration = Duration::from_secs(5);
/// M-Pesa answers a question within seconds, if it does.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// How often one payment is asked about: just after it was made, M-Pesa may not know of it yet.
const ASKED_AT_MOST: usize = 3;
/// A report that waits is looked at again after this, even if nobody wakes it.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// What we know of a report's truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// It is followed, as far as it is believed.
    Follow(Trust),
    /// M-Pesa says something else.
    Denied,
    /// Not known yet: the report is taken up again.
    Wait,
}

/// Works on one stored report.
pub(crate) async fn judge(app: &App, mpesa: &Mpesa, event: &Event) -> Result<Outcome, StoreError> {
    let Ok(confirmation) = Confirmation::parse(&event.body) else { return Ok(Outcome::Unreadable) };
    let told = &confirmation.told;
    let trust = match word(app, mpesa, event, told).await? {
        Word::Follow(trust) => trust,
        Word::Denied => {
            tracing::error!(receipt = %told.receipt, amount = %told.amount, "M-Pesa does not know of a payment that was reported as its own");
            return Ok(Outcome::Refuted);
        }
        Word::Wait => return Ok(Outcome::Later),
    };
    let section = app.config.mpesa.as_ref();
    let is_ours = |code: &String| {
        section.is_some_and(|section| *code == section.shortcode || section.party_b.as_ref() == Some(code))
    };
    if !confirmation.shortcode.as_ref().is_none_or(is_ours) {
        // The address is ours alone, and so is the money that is reported there: it is not dropped.
        tracing::warn!(receipt = %told.receipt, shortcode = ?confirmation.shortcode, "a payment was made to a shortcode that the configuration does not name");
    }
    match unmatched::match_confirmation(&app.db, told, trust, Some(event.id), app.clock.now()).await? {
        Matched::Known => Ok(Outcome::Duplicate),
        Matched::Paid { payment, settled } => {
            note(app, &payment::get(&app.db, payment).await?, settled).await;
            Ok(if settled == Settled::Already { Outcome::Duplicate } else { Outcome::Settled })
        }
        Matched::Unmatched => {
            tracing::warn!(receipt = %told.receipt, amount = %told.amount, "money came, and nobody knows what it is for");
            Ok(Outcome::Queued)
        }
    }
}

/// Whether a report is true, as far as M-Pesa says so; it is asked where it was not.
pub(super) async fn word(app: &App, mpesa: &Mpesa, event: &Event, told: &Told) -> Result<Word, StoreError> {
    if unmatched::is_booked(&app.db, &told.receipt).await? {
        // Nothing is given for it any more, and nothing is booked.
        return Ok(Word::Follow(Trust::Reported));
    }
    let now = app.clock.now();
    if let (Reference::OrderCode(code), 0..=1) = (&told.reference, event.attempts)
        && unmatched::has_prompt(&app.db, code).await?
    {
        payment::event_again(&app.db, event.id, now + PROMPT_TELLS).await?;
        return Ok(Word::Wait);
    }
    let is_asked = app.config.mpesa.as_ref().is_some_and(|section| section.confirm_c2b);
    let Some(operator) = mpesa.operator().filter(|_| is_asked) else { return Ok(Word::Follow(Trust::Reported)) };
    // Before the requests are read, and before M-Pesa is asked: its answer sets the time to now, and must be the last word.
    payment::event_again(&app.db, event.id, now + LOOK_AGAIN).await?;
    let mut requests = mpesa_request::about(&app.db, Kind::Status, &told.receipt).await?;
    // What was said of another amount, which somebody made up, says nothing of this one.
    requests.retain(|request| request.amount == told.amount);
    match requests.first().map(|newest| (newest.state, newest.created_at)) {
        Some((State::Succeeded, _)) => Ok(Word::Follow(Trust::Confirmed)),
        Some((State::Denied, _)) => Ok(Word::Denied),
        Some((state, asked_at)) if state.is_open() && now - asked_at < ANSWERED_WITHIN => Ok(Word::Wait),
        _ if requests.len() >= ASKED_AT_MOST => Ok(Word::Follow(Trust::Unconfirmed)),
        _ => {
            let base = super::reached_at(&app.config);
            let asking = Asking { db: &app.db, base, operator, by: PORTAL, now };
            let asked = asking.status(&told.receipt, told.amount, event.id).await?;
            app.metrics.mpesa_requests.with_label_values(&["status", asked.as_str()]).inc();
            Ok(Word::Wait)
        }
    }
}
