//! Begins a payment of an order and has the phone asked for the PIN.
//!
//! The payment's row is committed before M-Pesa is called, with a time at which it is looked at even if this process
//! dies now. The call itself outlives the request that began it: a guest whose browser goes away still gets the prompt,
//! and what M-Pesa answered is still written down.

use std::time::Duration;

use store::order::Order;
use store::{StoreError, payment};
use uuid::Uuid;

use super::mpesa::{Mpesa, Prompt};
use super::{MPESA, Push};
use crate::App;

/// How long a page waits for M-Pesa's first answer, so that it usually shows the right thing at once.
const PATIENCE: Duration = Duration::from_secs(3);
/// Added to the longest call before a payment without an answer is looked at.
const MARGIN: Duration = Duration::from_secs(10);
/// How often an answer of M-Pesa is written again when PostgreSQL is away, two seconds apart: with it the payment can
/// be asked about, without it only a report can tell.
const WRITE_TRIES: u32 = 15;
const WRITE_PAUSE: Duration = Duration::from_secs(2);

/// What became of the wish to collect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begun {
    /// The phone is being asked.
    Now,
    /// Another attempt is under way, or the order is paid.
    Before,
}

/// Begins a payment, unless one is under way. Returns once M-Pesa has answered or patience ends.
pub(crate) async fn begin(app: &App, mpesa: &Mpesa, order: &Order) -> Result<Begun, StoreError> {
    let now = app.clock.now();
    let payment = match payment::begin(&app.db, order.id, MPESA, now, now + mpesa.longest() + MARGIN).await {
        Ok(payment) => payment,
        Err(StoreError::Conflict(_)) => return Ok(Begun::Before),
        Err(error) => return Err(error),
    };
    app.metrics.payments.with_label_values(&[MPESA, "initiated"]).inc();
    let (task_app, order) = (app.clone(), order.clone());
    let task = app.background.spawn(async move { ask_phone(&task_app, &order, payment).await });
    // The task goes on if this wait ends first.
    drop(tokio::time::timeout(PATIENCE, task).await);
    Ok(Begun::Now)
}

async fn ask_phone(app: &App, order: &Order, payment: Uuid) {
    let Some(mpesa) = &app.mpesa else { return };
    let callback = callback_url(app, payment);
    let prompt = Prompt {
        phone: &order.phone,
        amount: order.amount,
        reference: &order.code,
        description: &order.package,
        callback: &callback,
    };
    let push = mpesa.push(&prompt).await;
    let result = match &push {
        Push::Prompted { .. } => "ok",
        Push::Refused(_) => "refused",
        Push::Unknown(_) => "unknown",
    };
    app.metrics.mpesa_requests.with_label_values(&["push", result]).inc();
    for attempt in 1..=WRITE_TRIES {
        match record(app, mpesa, payment, &push).await {
            Ok(()) => return,
            Err(error) if error.is_unavailable() && attempt < WRITE_TRIES => tokio::time::sleep(WRITE_PAUSE).await,
            Err(error) => {
                tracing::error!(%payment, %error, "M-Pesa's answer to a prompt could not be written down");
                return;
            }
        }
    }
}

async fn record(app: &App, mpesa: &Mpesa, id: Uuid, push: &Push) -> Result<(), StoreError> {
    let now = app.clock.now();
    match push {
        Push::Prompted { merchant_request_id, checkout_request_id } => {
            let next = mpesa.next_query(now, 0, now);
            payment::prompted(&app.db, id, merchant_request_id, checkout_request_id, now, next).await
        }
        Push::Refused(refusal) => {
            let (code, text) = refusal.code_and_text();
            tracing::warn!(payment = %id, reason = code, %text, "M-Pesa refused a prompt");
            app.metrics.payments.with_label_values(&[MPESA, "failed"]).inc();
            payment::failed(&app.db, id, code, &text, now).await
        }
        Push::Unknown(why) => {
            tracing::warn!(payment = %id, %why, "it is not known whether M-Pesa heard of a prompt");
            app.metrics.payments.with_label_values(&[MPESA, "unknown"]).inc();
            payment::unknown(&app.db, id, &why.to_string(), now, now + super::check::RETHINK).await
        }
    }
}

/// The secret address to which M-Pesa reports this payment.
fn callback_url(app: &App, payment: Uuid) -> String {
    crate::urls::mpesa_callback(super::reached_at(&app.config), app.db.seal(), payment)
}
