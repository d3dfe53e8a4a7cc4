//! Asks Stripe what it keeps of payments, and has that booked.
//!
//! The question is one of its own, after the payment is settled: a key that may not read Stripe's books still sells, and the
//! ledger is right without the fee, only not whole. It is asked again at growing distances, and given up in the end.

use std::time::Duration;

use store::StoreError;
use store::fee::{self, Charge, Due};

use super::Unheard;
use super::stripe::Stripe;
use super::stripe::books::{Line, Status};
use crate::App;

/// Pauses between two questions double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// How often one payment is asked about: for about ten days.
const ATTEMPTS: u32 = 24;

/// What is known of a payment's lines.
struct Known {
    /// Stripe's name of its charge.
    charge: Option<String>,
    charges: Vec<Charge>,
    /// Whether Stripe has written all of them.
    is_all: bool,
}

/// Works on one payment.
pub(crate) async fn work(app: &App, stripe: &Stripe, due: &Due) -> Result<(), StoreError> {
    let now = app.clock.now();
    let answer = ask(stripe, due).await;
    let result = match &answer {
        Ok(Known { is_all: true, .. }) => "ok",
        Ok(Known { is_all: false, .. }) => "pending",
        Err(_) => "unknown",
    };
    app.metrics.stripe_requests.with_label_values(&["fee", result]).inc();
    match answer {
        Ok(known) => {
            if let Some(charge) = known.charge.as_deref().filter(|_| !due.has_charge) {
                fee::name_charge(&app.db, due, charge).await?;
            }
            let booked = fee::book(&app.db, due, &known.charges, known.is_all, app.clock.now()).await?;
            if booked > 0 {
                tracing::info!(payment = %due.payment, receipt = %due.receipt, booked, "what Stripe keeps is booked");
            }
            if known.is_all {
                return Ok(());
            }
        }
        Err(why) => {
            tracing::warn!(payment = %due.payment, receipt = %due.receipt, %why, "it is not known what Stripe keeps; it is asked again");
        }
    }
    if due.attempts >= ATTEMPTS {
        tracing::error!(payment = %due.payment, receipt = %due.receipt, "what Stripe keeps of a payment is not in the ledger: may its key read balance transactions?");
        return fee::later(&app.db, due, None).await;
    }
    fee::later(&app.db, due, Some(now + pause(due.attempts))).await
}

async fn ask(stripe: &Stripe, due: &Due) -> Result<Known, Unheard> {
    let charged = stripe.charged(&due.receipt).await?;
    let mut known = Known { charge: charged.charge, charges: Vec::new(), is_all: true };
    known.add(charged.line);
    if due.has_refunds {
        for given in stripe.given(&due.receipt, true).await? {
            match given.status {
                // What came back has a line that ends the first one; neither may ever be written.
                Status::Failed(_) => known.charges.extend(given.line.map(Charge::from)),
                Status::Done | Status::Pending => known.add(given.line),
            }
        }
    }
    Ok(known)
}

impl Known {
    fn add(&mut self, line: Option<Line>) {
        self.is_all &= line.is_some();
        self.charges.extend(line.map(Charge::from));
    }
}

impl From<Line> for Charge {
    fn from(line: Line) -> Charge {
        Charge { line: line.id, fee: line.fee }
    }
}

fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// Says how many payments wait for it, for the outbox's gauge.
pub(crate) async fn measure(app: &App) -> Result<(), StoreError> {
    let waiting = fee::count_waiting(&app.db).await?;
    app.metrics.outbox_pending.with_label_values(&["fees"]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    Ok(())
}

#[cfg(test)]
mod tests {
    use shared::money::Money;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_day() {
        assert_eq!((pause(0), pause(1), pause(2)), (FIRST_PAUSE, FIRST_PAUSE, FIRST_PAUSE * 2));
        assert_eq!((pause(20), pause(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }

    #[test]
    fn what_is_not_written_yet_is_asked_for_again() {
        let mut known = Known { charge: None, charges: Vec::new(), is_all: true };
        known.add(Some(Line { id: "txn_1".into(), is_out: false, fee: Money::kes(233) }));
        assert!(known.is_all);
        known.add(None);
        assert!(!known.is_all);
        assert_eq!(known.charges, [Charge { line: "txn_1".into(), fee: Money::kes(233) }]);
    }
}
