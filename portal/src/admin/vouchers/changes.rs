//! What is done with a batch: it is given to an agent, noted as sold, or made worth nothing. The last is asked twice.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::voucher::{paper_number, serials};
use store::voucher::{self, Which};
use uuid::Uuid;

use super::batch::{again, is_good, read, refused};
use crate::App;
use crate::admin::form::{Fields, Problems, Question, told};
use crate::admin::page::Tab;
use crate::admin::{Refusal, audit};
use crate::session::csrf::Posted;

/// Characters of a reason at most.
const MAX_REASON: usize = 200;
const NOT_SERIALS: &str = "write one number or two, such as 7 or 1-40";

/// `POST /admin/vouchers/{number}/give`.
pub(in crate::admin) async fn give(
    State(app): State<App>,
    Path(number): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let agent = super::agent(sent, &mut problems);
    if !problems.is_empty() {
        return again(&app, staff, &number, sent, &problems).await;
    }
    let (batch, _) = read(&app, &number).await?;
    let object = format!("batch {} to {}", batch.number, agent.as_deref().unwrap_or("the operator"));
    let line = audit::line(staff, "voucher.give", &object);
    voucher::hand_over(&app.db, batch.id, agent.as_deref(), &line, app.clock.now()).await?;
    Ok(done(batch.number, "given"))
}

/// `POST /admin/vouchers/{number}/sell`.
pub(in crate::admin) async fn sell(
    State(app): State<App>,
    Path(number): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let Some((first, last)) = problems.keep("serials", serials(sent.text("serials")).ok_or(NOT_SERIALS)) else {
        return again(&app, staff, &number, sent, &problems).await;
    };
    let (batch, _) = read(&app, &number).await?;
    let which = Which::Serials { batch: batch.id, first, last };
    let object = format!("batch {}: {first}-{last}", batch.number);
    let line = audit::line(staff, "voucher.sell", &object);
    match told(voucher::sell(&app.db, which, &line, app.clock.now()).await)? {
        Ok(_) => Ok(done(batch.number, "sold")),
        Err(problem) => refused(&app, staff, &number, problem).await,
    }
}

/// `POST /admin/vouchers/{number}/void`: these, or all that nobody uses.
pub(in crate::admin) async fn void(
    State(app): State<App>,
    Path(number): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let range = problems.optional(sent, "serials", |text| serials(text).ok_or(NOT_SERIALS));
    let reason = sent.text("reason");
    if reason.is_empty() || reason.chars().count() > MAX_REASON {
        problems.note("reason", format!("say why, in at most {MAX_REASON} characters"));
    }
    if !problems.is_empty() {
        return again(&app, staff, &number, sent, &problems).await;
    }
    let (batch, vouchers) = read(&app, &number).await?;
    let good: Vec<Uuid> = vouchers.iter().filter(|voucher| is_good(voucher)).map(|voucher| voucher.id).collect();
    let (which, name, what) = match range {
        Some((first, last)) => {
            let (from, to) = (paper_number(batch.number, first), paper_number(batch.number, last));
            let what = if first == last { format!("Voucher {from}") } else { format!("Vouchers {from} to {to}") };
            (Which::Serials { batch: batch.id, first, last }, format!("{first}-{last}"), what)
        }
        None => {
            let what = format!("All {} vouchers of batch {} that nobody uses", good.len(), batch.number);
            (Which::Ids(&good), "all".to_owned(), what)
        }
    };
    if !sent.is_confirmed() {
        let lines = vec![format!("{what}: worth nothing from now on. This cannot be taken back.")];
        let question = Question::new("void", "Are you sure?", lines, "Yes, make worth nothing").danger();
        return question.ask((&app, staff, Tab::Vouchers), &address(batch.number), sent);
    }
    let object = format!("batch {}: {name} ({reason})", batch.number);
    let line = audit::line(staff, "voucher.void", &object);
    match told(voucher::void(&app.db, which, reason, &line, app.clock.now()).await)? {
        Ok(_) => Ok(done(batch.number, "void")),
        Err(problem) => refused(&app, staff, &number, problem).await,
    }
}

fn address(batch: u32) -> String {
    format!("/admin/vouchers/{batch}")
}

fn done(batch: u32, what: &str) -> Response {
    Redirect::to(&format!("{}?done={what}", address(batch))).into_response()
}
