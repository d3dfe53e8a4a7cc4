//! `/admin/payments`: the newest payments, what became of them, and their receipts.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use store::payment::Listed;

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said};
use crate::App;
use crate::session::Staff;

/// How many are shown.
const SHOWN: u32 = 200;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 15;

#[derive(Debug, Template)]
#[template(path = "admin/payments.html")]
pub(super) struct Payments {
    page: Page,
    style: String,
    /// Payments of which nobody knows what they are for.
    unmatched: u64,
    payments: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    at: String,
    phone: String,
    package: String,
    amount: String,
    state: Said,
    /// Whose the receipt is.
    method: &'static str,
    receipt: String,
    result: String,
    /// What a report told that is not booked; empty: nothing.
    told: String,
    order: String,
}

/// `GET /admin/payments`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let payments = store::payment::list_at(&app.db, staff.sites(), SHOWN).await?;
    let page = Payments {
        page: Page::new(&app, &staff, Tab::Payments).refreshed(REFRESH),
        style: style(),
        unmatched: store::unmatched::count_waiting(&app.db).await?,
        payments: payments.into_iter().map(|payment| row(payment, staff.admin.role, now)).collect(),
    };
    answer(StatusCode::OK, &page)
}

fn row(payment: Listed, role: Role, now: OffsetDateTime) -> Row {
    Row {
        at: words::moment(payment.created_at, now),
        phone: payment.phone.map(|phone| words::phone(role, &phone)).unwrap_or_default(),
        package: payment.package,
        amount: payment.amount.to_string(),
        state: words::payment(&payment.provider, &payment.state, &payment.order_state),
        method: words::method(&payment.provider),
        told: payment.told.map(|told| format!("M-Pesa told {told} later: look at its statement")).unwrap_or_default(),
        receipt: payment.receipt.unwrap_or_default(),
        result: payment.result.unwrap_or_default(),
        order: payment.order_code,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Payments {
        let row = |state, order_state| Row {
            at: "21:40".into(),
            phone: "+254712345678".into(),
            package: HOSTILE.into(),
            amount: "KSh 20".into(),
            state: words::payment("stripe", state, order_state),
            method: words::method("stripe"),
            receipt: HOSTILE.into(),
            result: HOSTILE.into(),
            told: HOSTILE.into(),
            order: "ABCD2345".into(),
        };
        Payments {
            page,
            style: style(),
            unmatched: 3,
            payments: vec![row("succeeded", "paid"), row("succeeded", "refund_due"), row("failed", "failed")],
        }
    }
}
