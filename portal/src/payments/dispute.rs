//! Works on reports of disputes: whatever a report says, Stripe is asked how the dispute stands, and that is written down.
//!
//! So reports of one dispute may come in any order, twice, or not at all if a later one comes. What follows from it is in
//! [`store::dispute`]; here it is said in the log, and counted.

use store::StoreError;
use store::dispute::{self, Access, State, Told};
use store::fee::Charge;
use store::payment::Payment;

use super::report::Outcome;
use super::stripe::Stripe;
use super::stripe::books::{Dispute, Stage};
use crate::App;

/// Works on a report of this dispute of a payment, which has succeeded.
pub(super) async fn judge(
    app: &App,
    stripe: &Stripe,
    payment: &Payment,
    payment_intent: &str,
    id: &str,
) -> Result<Outcome, StoreError> {
    let answer = stripe.dispute(id).await;
    let result = if answer.is_ok() { "ok" } else { "unknown" };
    app.metrics.stripe_requests.with_label_values(&["dispute", result]).inc();
    let dispute = match answer {
        Ok(dispute) => dispute,
        Err(why) => {
            tracing::warn!(payment = %payment.id, dispute = id, %why, "it is not known how a dispute stands; it is asked again");
            return Ok(Outcome::Later);
        }
    };
    if dispute.payment_intent.as_deref().is_some_and(|other| other != payment_intent) {
        return Ok(Outcome::Unmatched);
    }
    let noted = dispute::note(&app.db, payment.id, &told(&dispute), app.clock.now()).await?;
    if !noted.is_news() {
        return Ok(Outcome::Duplicate);
    }
    let (amount, reason, stage) = (dispute.amount, dispute.reason.as_str(), dispute.stage);
    if noted.is_new {
        tracing::error!(payment = %payment.id, dispute = id, %amount, reason, ?stage, "a payment by card is disputed: answer in Stripe's dashboard");
    } else {
        tracing::warn!(payment = %payment.id, dispute = id, %amount, ?stage, ?noted, "a dispute has gone on");
    }
    if noted.access == Some(Access::Kept) {
        tracing::error!(payment = %payment.id, order = %payment.order_id, "what a disputed payment bought is one with what other orders bought, and goes on");
    }
    if noted.withdrawn {
        app.metrics.payments.with_label_values(&[payment.provider.as_str(), "disputed"]).inc();
    }
    Ok(Outcome::Noted)
}

/// What Stripe says, in the store's words.
fn told(dispute: &Dispute) -> Told {
    Told {
        reference: dispute.id.clone(),
        amount: dispute.amount,
        reason: dispute.reason.clone(),
        state: match dispute.stage {
            Stage::Inquiry => State::Inquiry,
            Stage::Open => State::Open,
            Stage::Won => State::Won,
            Stage::Lost => State::Lost,
        },
        is_withdrawn: dispute.lines.iter().any(|line| line.is_out),
        is_reinstated: dispute.lines.iter().any(|line| !line.is_out),
        charges: dispute.lines.iter().cloned().map(Charge::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use shared::money::Money;

    use super::*;
    use crate::payments::stripe::books::Line;

    #[test]
    fn the_way_of_the_money_is_read_from_the_lines() {
        let line = |is_out, fee| Line { id: "txn_1".into(), is_out, fee: Money::kes(fee) };
        let dispute = |lines| Dispute {
            id: "dp_1".into(),
            payment_intent: None,
            amount: Money::kes(2_000),
            reason: "fraudulent".into(),
            stage: Stage::Open,
            lines,
        };
        for (lines, expected) in [
            (vec![], (false, false)),
            (vec![line(true, 1_500)], (true, false)),
            (vec![line(true, 1_500), line(false, -1_500)], (true, true)),
        ] {
            let told = told(&dispute(lines));
            assert_eq!((told.is_withdrawn, told.is_reinstated), expected);
        }
    }
}
