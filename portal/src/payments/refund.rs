//! Gives money back to cards: asks Stripe for what waits in the outbox, under the refund's own name, until it is known what
//! became of it. And works on what Stripe reports of refunds later, which is asked about as every report is: how much of a payment has
//! gone back in all ([`of_payment`]), and whether a card has taken it ([`of_refund`]).

use std::time::Duration;

use shared::money::Money;
use store::StoreError;
use store::payment::Payment;
use store::refund::{self, Due, Followed, Heard, Stands, Told};

use super::report::Outcome;
use super::stripe::books::Status;
use super::stripe::{Refunded, Stripe};
use super::{Refusal, Unheard};
use crate::App;

/// Stripe keeps what it answered to a key for a day at least. Later the same question could give the money back twice.
const SAFE_FOR: Duration = Duration::from_secs(23 * 3600);
/// Pauses between two tries double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Works on one refund.
pub(crate) async fn work(app: &App, stripe: &Stripe, due: &Due) -> Result<(), StoreError> {
    let (id, now) = (due.id, app.clock.now());
    if now - due.created_at > SAFE_FOR {
        tracing::error!(refund = %id, receipt = %due.receipt, "it is not known whether money has gone back: look in Stripe's dashboard");
        count(app, "given_up");
        return refund::again(&app.db, id, true, "not known after a day", None, now).await;
    }
    let answer = stripe.refund(&due.receipt, due.amount, &id.to_string()).await;
    count(app, label(&answer));
    match answer {
        Refunded::Done { id: reference, amount } => {
            if amount != due.amount {
                tracing::error!(refund = %id, %amount, "Stripe gave another amount back than was asked for");
            }
            if refund::done(&app.db, id, Some(&reference), app.clock.now()).await? {
                tracing::info!(refund = %id, receipt = %due.receipt, amount = %due.amount, "money has gone back");
            }
            Ok(())
        }
        Refunded::Pending { id: reference, .. } => refund::pending(&app.db, id, &reference, app.clock.now()).await,
        Refunded::Failed { id: reference, reason } => {
            tracing::error!(refund = %id, receipt = %due.receipt, reason, "money could not go back");
            refund::over(&app.db, id, Some(&reference), &reason, app.clock.now()).await
        }
        Refunded::Refused(Refusal::Unreachable | Refusal::Throttled) => {
            refund::again(&app.db, id, false, "not reached", Some(now + pause(due.attempts)), app.clock.now()).await
        }
        Refunded::Refused(refusal) => {
            let (code, text) = refusal.code_and_text();
            tracing::error!(refund = %id, receipt = %due.receipt, code, text, "Stripe does not give money back");
            refund::over(&app.db, id, None, &text, app.clock.now()).await
        }
        Refunded::Unknown(why) => {
            tracing::warn!(refund = %id, %why, "it is not known whether money has gone back; it is asked again");
            let text = why.to_string();
            refund::again(&app.db, id, true, &text, Some(now + pause(due.attempts)), app.clock.now()).await
        }
    }
}

/// Works on the report that money of a payment, which has succeeded, has gone back. How much in all is what Stripe says now: a
/// report that comes late tells of refunds that have failed since.
pub(super) async fn of_payment(
    app: &App,
    stripe: &Stripe,
    payment: &Payment,
    payment_intent: &str,
) -> Result<Outcome, StoreError> {
    let Some(all) = asked(app, payment, stripe.given(payment_intent, false).await) else { return Ok(Outcome::Later) };
    let total = all.iter().filter(|given| !matches!(given.status, Status::Failed(_))).map(|given| given.amount);
    let Some(total) = total.reduce(|sum, one| Money { minor: sum.minor + one.minor, ..sum }) else {
        return Ok(Outcome::Duplicate);
    };
    match refund::heard(&app.db, payment.id, Some(total), app.clock.now()).await? {
        Heard::Ours => Ok(Outcome::Noted),
        Heard::Known => Ok(Outcome::Duplicate),
        Heard::Elsewhere(amount) => {
            tracing::warn!(payment = %payment.id, %amount, "money was given back in Stripe's dashboard; it is booked, and what it bought goes on");
            Ok(Outcome::Noted)
        }
        Heard::Unclear => {
            tracing::error!(payment = %payment.id, %total, "money was given back in Stripe's dashboard, and is not in the ledger");
            Ok(Outcome::Queued)
        }
    }
}

/// Works on the report that something became of one refund of a payment.
pub(super) async fn of_refund(
    app: &App,
    stripe: &Stripe,
    payment: &Payment,
    payment_intent: &str,
    id: &str,
) -> Result<Outcome, StoreError> {
    let Some(given) = asked(app, payment, stripe.given_by_name(id).await) else { return Ok(Outcome::Later) };
    if given.payment_intent.as_deref().is_some_and(|other| other != payment_intent) {
        return Ok(Outcome::Unmatched);
    }
    let stands = match &given.status {
        Status::Done => Stands::Done,
        Status::Pending => Stands::Pending,
        Status::Failed(reason) => Stands::Failed(reason),
    };
    let told = Told { reference: &given.id, ours: given.ours, amount: given.amount, stands };
    match refund::told(&app.db, payment.id, &told, app.clock.now()).await? {
        Followed::Known => Ok(Outcome::Duplicate),
        Followed::Done => Ok(Outcome::Noted),
        Followed::Failed => {
            let amount = given.amount;
            tracing::error!(payment = %payment.id, refund = %given.id, %amount, ?stands, "a card did not take money that went back: it is owed to the customer as before");
            Ok(Outcome::Noted)
        }
    }
}

/// What Stripe has answered, if that is of use; counted.
fn asked<T>(app: &App, payment: &Payment, answer: Result<T, Unheard>) -> Option<T> {
    let result = if answer.is_ok() { "ok" } else { "unknown" };
    app.metrics.stripe_requests.with_label_values(&["refund_status", result]).inc();
    answer
        .inspect_err(|why| {
            tracing::warn!(payment = %payment.id, %why, "it is not known what went back of a payment; it is asked again");
        })
        .ok()
}

fn count(app: &App, result: &str) {
    app.metrics.stripe_requests.with_label_values(&["refund", result]).inc();
}

fn label(answer: &Refunded) -> &'static str {
    match answer {
        Refunded::Done { .. } => "ok",
        Refunded::Pending { .. } => "pending",
        Refunded::Failed { .. } => "failed",
        Refunded::Refused(_) => "refused",
        Refunded::Unknown(_) => "unknown",
    }
}

fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// Counts and says what waits, for the outbox's gauges.
pub(crate) async fn measure(app: &App) -> Result<(), StoreError> {
    let (waiting, oldest) = refund::waiting(&app.db).await?;
    let age = oldest.map_or(0, |oldest| (app.clock.now() - oldest).whole_seconds().max(0));
    app.metrics.outbox_pending.with_label_values(&["refunds"]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    app.metrics.outbox_age.with_label_values(&["refunds"]).set(age);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        assert_eq!((pause(0), pause(1), pause(2)), (FIRST_PAUSE, FIRST_PAUSE, FIRST_PAUSE * 2));
        assert_eq!((pause(10), pause(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
