//! Gives money back to cards: asks Stripe for what waits in the outbox, under the refund's own name, until it is known what
//! became of it.

use std::time::Duration;

use store::StoreError;
use store::refund::{self, Due};

use super::Refusal;
use super::stripe::{Refunded, Stripe};
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
