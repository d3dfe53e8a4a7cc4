//! `/admin/payments/{id}/receipt.pdf`: the receipt of a payment's order, as its customer has it, for a customer who asks at the desk.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use shared::language::Language;

use super::find;
use crate::App;
use crate::admin::Refusal;
use crate::books::receipt;
use crate::session::Staff;

/// `GET /admin/payments/{id}/receipt.pdf`.
pub(in crate::admin) async fn file(
    State(app): State<App>,
    Path(payment): Path<String>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let balance = find(&app, &staff, &payment).await?;
    let order = store::books::receipt::order_of(&app.db, balance.payment).await?;
    let order = store::order::get(&app.db, order).await?;
    let receipt = receipt::of(&app, Language::English, &order).await?.ok_or(Refusal::NotFound)?;
    let name = format!("attachment; filename=\"{}.pdf\"", order.code);
    let headers = [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, receipt::render(&receipt, &order.code)).into_response())
}
