//! Asks M-Pesa about a payment that has had no news for a while. This alone makes lost reports harmless.

use std::time::Duration;

use store::StoreError;
use store::payment::{self, Payment};
use store::settlement::Evidence;
use uuid::Uuid;

use super::mpesa::Mpesa;
use super::reason::Reason;
use super::settle::{fail, settle};
use super::{MPESA, Query};
use crate::App;

/// Without a reference M-Pesa cannot be asked; such a payment is looked at again after this.
pub(crate) const RETHINK: Duration = Duration::from_secs(60);
/// A payment that M-Pesa cannot be asked about, or answers with a code that we do not know, is given up after this: no
/// prompt lives so long. A late report still settles it.
const GIVE_UP: Duration = Duration::from_secs(10 * 60);
/// A payment that M-Pesa knows is asked about for a day; after that M-Pesa no longer answers.
const ASKED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Looks at one payment.
pub(crate) async fn check(app: &App, mpesa: &Mpesa, id: Uuid) -> Result<(), StoreError> {
    let payment = payment::get(&app.db, id).await?;
    // What a report has called failed is asked about until M-Pesa itself has said something.
    let is_failed = payment.state == "failed";
    if payment.state == "succeeded" || (is_failed && payment.checkout_request_id.is_none()) {
        return payment::check_again(&app.db, id, None).await;
    }
    let now = app.clock.now();
    let age = now - payment.created_at;
    let Some(reference) = &payment.checkout_request_id else {
        return without_reference(app, &payment, age > GIVE_UP).await;
    };
    match ask(app, mpesa, reference).await {
        Query::Paid => settle(app, &payment, &Evidence::default()).await.map(drop),
        Query::Ended { .. } if is_failed => payment::check_again(&app.db, id, None).await,
        Query::Ended { code, text } if Reason::of(&code).is_final() || age > GIVE_UP => {
            fail(app, &payment, &code, &text).await
        }
        _ if is_failed && age > GIVE_UP => payment::check_again(&app.db, id, None).await,
        _ if age > ASKED_FOR => fail(app, &payment, "no_news", "M-Pesa did not tell within a day").await,
        _ => {
            let next = mpesa.next_query(payment.created_at, payment.checks, now);
            payment::check_again(&app.db, id, Some(next)).await
        }
    }
}

/// The process that sent the prompt died before it heard, or M-Pesa did not answer it.
async fn without_reference(app: &App, payment: &Payment, give_up: bool) -> Result<(), StoreError> {
    let next = app.clock.now() + RETHINK;
    if give_up {
        fail(app, payment, "no_news", "M-Pesa never told whether it heard of the prompt").await
    } else if payment.state == "created" {
        app.metrics.payments.with_label_values(&[MPESA, "unknown"]).inc();
        payment::unknown(&app.db, payment.id, "the prompt was interrupted", app.clock.now(), next).await
    } else {
        payment::check_again(&app.db, payment.id, Some(next)).await
    }
}

/// Asks M-Pesa, and counts the answer.
pub(crate) async fn ask(app: &App, mpesa: &Mpesa, reference: &str) -> Query {
    let answer = mpesa.query(reference).await;
    let result = match &answer {
        Query::Paid => "paid",
        Query::Pending => "pending",
        Query::Ended { .. } => "ended",
        Query::Unknown(why) => {
            tracing::warn!(%why, "M-Pesa gave no usable answer to a query");
            "unknown"
        }
    };
    app.metrics.mpesa_requests.with_label_values(&["query", result]).inc();
    answer
}
