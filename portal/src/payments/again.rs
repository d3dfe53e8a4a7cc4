//! Works on a report that a prompt was paid which is settled already: by the report that came first, by a query of ours, or by the
//! paybill's confirmation.
//!
//! Mostly only the receipt is new, and is noted. A report carries no signature, so that what does not fit what is booked is not
//! followed: another amount is noted, for people; another receipt is asked about where M-Pesa can be asked (Transaction
//! Status), and waits for a person. It is booked as money that we owe to somebody only if M-Pesa says that it is true.

use store::payment::{self, Event, Payment};
use store::security::{self, Kind};
use store::settlement::{Evidence, Settled};
use store::unmatched::{self, Payer, Reference, Told, Trust};
use store::{StoreError, order};

use super::mpesa::Mpesa;
use super::received::{Word, word};
use super::report::Outcome;
use super::settle::settle;
use crate::App;

/// Works on one stored report.
pub(super) async fn judge(
    app: &App,
    mpesa: &Mpesa,
    event: &Event,
    payment: &Payment,
    evidence: &Evidence,
) -> Result<Outcome, StoreError> {
    let settled = settle(app, payment, evidence).await?;
    let Some(receipt) = evidence.receipt.as_ref().filter(|_| settled == Settled::Another) else {
        note_amount(app, payment, evidence).await?;
        return Ok(Outcome::Duplicate);
    };
    if unmatched::is_known(&app.db, receipt).await? {
        return Ok(Outcome::Duplicate);
    }
    let order = order::get(&app.db, payment.order_id).await?;
    let told = Told {
        receipt: receipt.clone(),
        amount: evidence.amount.unwrap_or(payment.amount),
        payer_name: String::new(),
        payer_number: String::new(),
        payer: Payer::Hidden,
        typed: order.code,
        // It is not for that order any more, which is paid.
        reference: Reference::Other,
        paid_at: None,
    };
    let trust = match word(app, mpesa, event, &told).await? {
        Word::Wait => return Ok(Outcome::Later),
        Word::Follow(Trust::Confirmed) => Trust::Confirmed,
        // Nobody can be asked, or M-Pesa could not tell.
        Word::Follow(Trust::Reported | Trust::Unconfirmed) => Trust::Unconfirmed,
        Word::Denied => {
            let detail = format!("order {}: receipt {receipt} over {} is not M-Pesa’s", told.typed, told.amount);
            tracing::error!(payment = %payment.id, %receipt, amount = %told.amount, "M-Pesa does not know of a second receipt of a prompt");
            security::record_seldom(&app.db, Kind::MoneyDiffers, &detail, app.clock.now()).await?;
            return Ok(Outcome::Refuted);
        }
    };
    if !unmatched::second(&app.db, &told, trust, event.id, app.clock.now()).await? {
        return Ok(Outcome::Duplicate);
    }
    tracing::warn!(payment = %payment.id, %receipt, amount = %told.amount, ?trust, "a prompt was told of with a second receipt; it waits for a person");
    Ok(Outcome::Queued)
}

/// Another amount than is booked is for people to look at.
async fn note_amount(app: &App, payment: &Payment, evidence: &Evidence) -> Result<(), StoreError> {
    let Some(amount) = evidence.amount else { return Ok(()) };
    if payment::told_otherwise(&app.db, payment.id, amount, app.clock.now()).await? {
        tracing::error!(payment = %payment.id, order = %payment.order_id, %amount, "another amount was told than is booked: look at M-Pesa's statement");
    }
    Ok(())
}
