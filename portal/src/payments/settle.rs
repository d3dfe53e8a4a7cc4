//! Hands confirmed money to the store, which turns it into access exactly once, and counts what became of it.

use shared::time::OffsetDateTime;
use store::payment::{self, Payment};
use store::settlement::{self, Evidence, Settled};
use store::{StoreError, order};

use crate::App;

/// Settles a payment that a query of ours has confirmed.
pub(crate) async fn settle(app: &App, payment: &Payment, evidence: &Evidence) -> Result<Settled, StoreError> {
    let now = app.clock.now();
    let settled = match settlement::settle(&app.db, payment.id, evidence, now).await {
        // A receipt can belong to one payment only; the money of this one is confirmed all the same.
        Err(StoreError::Conflict(problem)) if evidence.receipt.is_some() => {
            tracing::error!(payment = %payment.id, %problem, "a receipt came twice; the payment is settled without it");
            let without = Evidence { receipt: None, ..evidence.clone() };
            settlement::settle(&app.db, payment.id, &without, now).await?
        }
        other => other?,
    };
    note(app, payment, settled).await;
    Ok(settled)
}

/// Counts what became of money, and says it in the log.
pub(crate) async fn note(app: &App, payment: &Payment, settled: Settled) {
    match settled {
        Settled::Granted { .. } => {
            let received = payment.amount;
            let revenue =
                app.metrics.revenue.with_label_values(&[received.currency.as_str(), payment.provider.as_str()]);
            revenue.inc_by(u64::try_from(received.minor).unwrap_or(0));
            let site = order::get(&app.db, payment.order_id).await.ok().and_then(|order| site_name(&order.visit));
            app.metrics.step("paid", site.as_deref());
            ended(app, payment, "paid");
            tracing::info!(payment = %payment.id, order = %payment.order_id, "paid, and access granted");
        }
        Settled::RefundDue => {
            ended(app, payment, "refund_due");
            tracing::warn!(payment = %payment.id, order = %payment.order_id, "money came that buys nothing: a refund is due");
        }
        Settled::Already | Settled::Another => {}
    }
}

/// Notes that a payment ended without money. What ended before, or was settled meanwhile, is not counted.
pub(crate) async fn fail(app: &App, payment: &Payment, code: &str, text: &str) -> Result<(), StoreError> {
    if payment::failed(&app.db, payment.id, code, text, app.clock.now()).await? {
        note_failed(app, payment, code);
    }
    Ok(())
}

/// Notes that a report says so; M-Pesa is asked at `next_check` all the same.
pub(crate) async fn fail_by_report(
    app: &App,
    payment: &Payment,
    code: &str,
    text: &str,
    next_check: OffsetDateTime,
) -> Result<(), StoreError> {
    if payment::reported_failed(&app.db, payment.id, code, text, app.clock.now(), next_check).await? {
        note_failed(app, payment, code);
    }
    Ok(())
}

fn note_failed(app: &App, payment: &Payment, code: &str) {
    ended(app, payment, "failed");
    tracing::info!(payment = %payment.id, order = %payment.order_id, code, "not paid");
}

fn ended(app: &App, payment: &Payment, outcome: &str) {
    let took = app.clock.now() - payment.created_at;
    let labels = [payment.provider.as_str(), outcome];
    app.metrics.payments.with_label_values(&labels).inc();
    app.metrics.payment_duration.with_label_values(&labels).observe(took.as_seconds_f64().max(0.0));
}

fn site_name(visit: &serde_json::Value) -> Option<String> {
    visit.get("site_name").and_then(serde_json::Value::as_str).map(str::to_owned)
}
