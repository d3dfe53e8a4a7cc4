//! Asks the provider about a payment that has had no news for a while. This alone makes lost reports harmless. A page whose order was
//! paid meanwhile is closed, so that nobody pays twice.

use std::time::Duration;

use store::StoreError;
use store::payment::{self, Payment};
use store::settlement::Evidence;
use uuid::Uuid;

use super::Query;
use super::collect::close;
use super::gateway::{Gateway, Moments};
use super::reason::Reason;
use super::settle::{fail, settle};
use crate::App;

/// Without a reference the provider cannot be asked; such a payment is looked at again after this.
pub(crate) const RETHINK: Duration = Duration::from_secs(60);
/// A payment that the provider cannot be asked about, or answers with a code that we do not know, is given up after this: no
/// prompt lives so long. A late report still settles it.
const GIVE_UP: Duration = Duration::from_secs(10 * 60);

/// Looks at one payment. One that must not be made any more is closed first, where it can be.
pub(crate) async fn check<G: Gateway>(app: &App, gateway: &G, id: Uuid) -> Result<(), StoreError> {
    let payment = payment::get(&app.db, id).await?;
    if payment.pay_until.is_some()
        && payment::is_over(&app.db, id).await?
        && close(app, gateway, &payment, "the order was paid in another way").await?
    {
        tracing::info!(payment = %id, order = %payment.order_id, "a page is closed, since its order is paid");
        return Ok(());
    }
    look(app, gateway, id).await
}

/// Asks about one payment.
pub(super) async fn look<G: Gateway>(app: &App, gateway: &G, id: Uuid) -> Result<(), StoreError> {
    let payment = payment::get(&app.db, id).await?;
    // What a report has called failed is asked about until M-Pesa itself has said something.
    let is_failed = payment.state == "failed";
    if payment.state == "succeeded" || (is_failed && payment.checkout_request_id.is_none()) {
        return payment::check_again(&app.db, id, None).await;
    }
    let now = app.clock.now();
    let age = now - payment.created_at;
    let Some(reference) = &payment.checkout_request_id else {
        return without_reference::<G>(app, &payment, age > GIVE_UP).await;
    };
    match ask(app, gateway, reference).await {
        Query::Paid { receipt, amount, charge } => {
            settle(app, &payment, &Evidence { receipt, amount, charge }).await.map(drop)
        }
        Query::Ended { .. } if is_failed => payment::check_again(&app.db, id, None).await,
        Query::Ended { code, text } if Reason::of(&code).is_final() || age > GIVE_UP => {
            fail(app, &payment, &code, &text).await
        }
        _ if is_failed && age > GIVE_UP => payment::check_again(&app.db, id, None).await,
        // After that it no longer answers.
        _ if age > G::ASKED_FOR => fail(app, &payment, "no_news", "the provider did not tell in time").await,
        _ => {
            let moments = Moments { begun_at: payment.created_at, until: payment.pay_until };
            let next = gateway.next_query(moments, payment.checks, now);
            payment::check_again(&app.db, id, Some(next)).await
        }
    }
}

/// The process that asked the customer died before it heard, or the provider did not answer it.
async fn without_reference<G: Gateway>(app: &App, payment: &Payment, give_up: bool) -> Result<(), StoreError> {
    let next = app.clock.now() + RETHINK;
    if !G::UNHEARD_MAY_PAY {
        fail(app, payment, "unreachable", "nobody heard where to pay").await
    } else if give_up {
        fail(app, payment, "no_news", "the provider never told whether it heard of the payment").await
    } else if payment.state == "created" {
        app.metrics.payments.with_label_values(&[G::NAME, "unknown"]).inc();
        payment::unknown(&app.db, payment.id, "the prompt was interrupted", app.clock.now(), next).await
    } else {
        payment::check_again(&app.db, payment.id, Some(next)).await
    }
}

/// Asks the provider, and counts the answer.
pub(crate) async fn ask<G: Gateway>(app: &App, gateway: &G, reference: &str) -> Query {
    let answer = gateway.query(reference).await;
    let result = match &answer {
        Query::Paid { .. } => "paid",
        Query::Pending => "pending",
        Query::Ended { .. } => "ended",
        Query::Unknown(why) => {
            tracing::warn!(provider = G::NAME, %why, "there was no usable answer to a query");
            "unknown"
        }
    };
    G::requests(&app.metrics).with_label_values(&["query", result]).inc();
    answer
}
