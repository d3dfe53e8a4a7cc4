//! Has M-Pesa give payments back: asks for a reversal once, and where nobody knows what became of it, asks that (Transaction Status)
//! before a person may have it tried again.
//!
//! The request is written down before the call, with one open reversal for each receipt: whoever finds one that is not answered, as after
//! a crash in between, asks and never sends. What M-Pesa answers later is worked on by [`super::asked`], and changes the refund there. A
//! reversal that certainly was not heard is sent again by itself, for a day.

use std::time::Duration;

use store::StoreError;
use store::mpesa_request::{self, Kind};
use store::refund::mpesa::{self as refund, Due, Stage};

use super::Refusal;
use super::asked::Asking;
use super::mpesa::operations::{Asked, Operator};
use crate::App;

/// What is said to M-Pesa about money that goes back.
const REMARKS: &str = "Refund";
/// M-Pesa answers within seconds, if it does; then it is asked.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// Just after a call that broke, M-Pesa may not know of it yet.
const KNOWN_AFTER: Duration = Duration::from_secs(30);
/// Pauses after each question; after the last one a person must look.
const ASK_AGAIN: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1800),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(8 * 3600),
];
/// Pauses between two tries to reach M-Pesa double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// So long is tried; then a person decides.
const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Works on one refund.
pub(crate) async fn work(app: &App, operator: Operator<'_>, due: &Due) -> Result<(), StoreError> {
    if refund::catch_up(&app.db, due, app.clock.now()).await? {
        return Ok(());
    }
    match due.stage {
        Stage::Created => send(app, operator, due).await,
        Stage::Pending | Stage::Unknown => ask(app, operator, due).await,
    }
}

async fn send(app: &App, operator: Operator<'_>, due: &Due) -> Result<(), StoreError> {
    let (id, now) = (due.id, app.clock.now());
    let before = mpesa_request::about(&app.db, Kind::Reversal, &due.receipt).await?;
    if before.first().is_some_and(|request| request.state.is_open()) {
        // Somebody has begun and did not come to write down what M-Pesa said.
        return refund::unsure(&app.db, id, "the call was interrupted", Some(now + KNOWN_AFTER), now).await;
    }
    let base = super::reached_at(&app.config);
    let asking = Asking { db: &app.db, base, operator, by: &due.by, now };
    let asked = match asking.reversal(&due.receipt, due.amount, Some(id), REMARKS).await {
        Ok(asked) => asked,
        // Another process was faster, or M-Pesa has given it back before.
        Err(StoreError::Conflict(why)) => {
            return refund::unsure(&app.db, id, &why, Some(now + KNOWN_AFTER), now).await;
        }
        Err(error) => return Err(error),
    };
    count(app, "reversal", &asked);
    let now = app.clock.now();
    match asked {
        Asked::Accepted { .. } => {
            tracing::info!(refund = %id, receipt = %due.receipt, amount = %due.amount, "M-Pesa was asked to give money back");
            refund::sent(&app.db, id, now + ANSWERED_WITHIN, now).await
        }
        Asked::Refused(Refusal::Unreachable | Refusal::Throttled) if now - due.created_at < TRIED_FOR => {
            refund::later(&app.db, id, "M-Pesa was not reached", now + pause(due.attempts), now).await
        }
        Asked::Refused(refusal) => {
            let (code, text) = refusal.code_and_text();
            tracing::error!(refund = %id, receipt = %due.receipt, code, text, "M-Pesa does not give money back");
            refund::refused(&app.db, id, &text, now).await
        }
        Asked::Unknown(why) => {
            tracing::warn!(refund = %id, %why, "it is not known whether M-Pesa gives money back; it is asked");
            refund::unsure(&app.db, id, &why.to_string(), Some(now + KNOWN_AFTER), now).await
        }
    }
}

/// Asks whether it was done, by turns by the name of its reversal and by the payment's receipt: not every M-Pesa knows the first.
async fn ask(app: &App, operator: Operator<'_>, due: &Due) -> Result<(), StoreError> {
    let (id, now) = (due.id, app.clock.now());
    let asked_before = due.attempts.saturating_sub(1);
    let Some(pause) = ASK_AGAIN.get(asked_before as usize) else {
        tracing::error!(refund = %id, receipt = %due.receipt, "it is not known whether money has gone back: look at M-Pesa's statement");
        return refund::unsure(&app.db, id, "", None, now).await;
    };
    let reason = if due.stage == Stage::Pending { "M-Pesa has not answered in time" } else { "" };
    // Before M-Pesa is asked: its answer may be faster than the call's, and must be the last word.
    refund::unsure(&app.db, id, reason, Some(now + *pause), now).await?;
    let reversals = mpesa_request::about(&app.db, Kind::Reversal, &due.receipt).await?;
    let named = reversals.first().and_then(|request| request.originator.as_deref());
    let originator = named.filter(|_| asked_before.is_multiple_of(2));
    let base = super::reached_at(&app.config);
    let asking = Asking { db: &app.db, base, operator, by: &due.by, now };
    let asked = asking.returned(&due.receipt, due.amount, id, originator).await?;
    count(app, "status", &asked);
    Ok(())
}

fn count(app: &App, operation: &str, asked: &Asked) {
    app.metrics.mpesa_requests.with_label_values(&[operation, asked.as_str()]).inc();
}

fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_questions_have_an_end() {
        assert_eq!((pause(0), pause(1), pause(2)), (FIRST_PAUSE, FIRST_PAUSE, FIRST_PAUSE * 2));
        assert_eq!((pause(10), pause(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
        assert!(ASK_AGAIN.is_sorted() && ASK_AGAIN.iter().all(|pause| *pause >= KNOWN_AFTER));
    }
}
