//! What a person decides about money that waits, or goes back. What cannot be undone is asked twice, and what gives money
//! back of whoever has proved lately to be who they are.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::money::Money;
use store::mpesa_request;
use store::unmatched;
use uuid::Uuid;

use super::receipt::{SEEN, again, can_reverse, refused, spelt};
use super::wish::Wish;
use super::{is_owed, is_waiting};
use crate::App;
use crate::admin::form::{Fields, Problems, Question, told};
use crate::admin::page::Tab;
use crate::admin::proof::Proved;
use crate::admin::{Refusal, audit};
use crate::cli::values;
use crate::payments::asked::Asking;
use crate::payments::mpesa::operations::Asked;
use crate::payments::reached_at;
use crate::session::csrf::{Nothing, Posted};
use crate::trace::carried;

/// What is said to M-Pesa about money that goes back.
const REMARKS: &str = "Refund";

/// `POST /admin/money/{receipt}/assign`.
pub(in crate::admin) async fn assign(
    State(app): State<App>,
    Path(receipt): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let (receipt, now) = (spelt(&receipt)?, app.clock.now());
    let money = unmatched::get(&app.db, &receipt).await?;
    if !is_waiting(&money) {
        return refused(&app, staff, &receipt, "It does not wait any more.".into()).await;
    }
    let mut problems = Problems::default();
    let Some(wish) = Wish::read(&app, &money, sent, &mut problems, now).await? else {
        return again(&app, staff, &money, sent, &problems).await;
    };
    if !sent.is_confirmed() {
        let question = Question::new("assign", "Is this right?", wish.in_words(&money), "Yes, assign it");
        return question.ask((&app, staff, Tab::Payments), &address(&money.receipt), sent);
    }
    let line = audit::line(staff, "money.assign", &receipt);
    match told(unmatched::assign(&app.db, &receipt, &wish.purpose(), &line, now).await)? {
        Ok(_) => Ok(done(&receipt, "assigned")),
        Err(problem) => refused(&app, staff, &receipt, problem).await,
    }
}

/// `POST /admin/money/{receipt}/refund`: it goes back.
pub(in crate::admin) async fn refund(
    State(app): State<App>,
    Path(receipt): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let receipt = spelt(&receipt)?;
    let money = unmatched::get(&app.db, &receipt).await?;
    if !sent.is_confirmed() {
        let line =
            format!("{} of receipt {receipt} goes back. It cannot be assigned to an order any more.", money.amount);
        let question = Question::new("refund", "Does it go back?", vec![line], "Yes, it goes back");
        return question.ask((&app, staff, Tab::Payments), &address(&money.receipt), sent);
    }
    let line = audit::line(staff, "money.refund", &receipt);
    match told(unmatched::refund_due(&app.db, &receipt, &line, app.clock.now()).await)? {
        Ok(_) => Ok(done(&receipt, "owed")),
        Err(problem) => refused(&app, staff, &receipt, problem).await,
    }
}

/// `POST /admin/money/{receipt}/reverse`: M-Pesa is asked to give back what is owed.
pub(in crate::admin) async fn reverse(
    State(app): State<App>,
    Path(receipt): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let receipt = spelt(&receipt)?;
    let money = unmatched::get(&app.db, &receipt).await?;
    if !can_reverse(&app, &money) {
        let problem = "M-Pesa cannot be asked: it does not have this money, or there is no [mpesa.initiator] in the configuration.";
        return refused(&app, staff, &receipt, problem.into()).await;
    }
    if !is_owed(&money) {
        return refused(&app, staff, &receipt, "Nothing of it is owed: say first that it goes back.".into()).await;
    }
    if !sent.is_confirmed() {
        let line = format!("M-Pesa is asked to give {} of receipt {receipt} back to its payer.", money.amount);
        let question = Question::new("reverse", "Shall M-Pesa give it back?", vec![line], "Yes, ask M-Pesa");
        return question.ask((&app, staff, Tab::Payments), &address(&money.receipt), sent);
    }
    let by = &staff.admin.email;
    if sent.is_on("again") {
        // The one that was on the page: the form sent twice must not set aside what its first sending began.
        let seen = sent.text(SEEN).parse::<Uuid>().unwrap_or_default();
        if let Err(problem) = told(mpesa_request::set_aside(&app.db, &receipt, seen, by, app.clock.now()).await)? {
            return refused(&app, staff, &receipt, problem).await;
        }
    }
    audit::audit(&app, staff, "money.reverse", &receipt).await?;
    let problem = match ask_mpesa(&app, &receipt, money.amount, by).await? {
        Ok(Asked::Accepted { .. }) => return Ok(done(&receipt, "asked")),
        Ok(Asked::Refused(refusal)) => format!("M-Pesa does not give it back: {}", refusal.code_and_text().1),
        Ok(Asked::Unknown(why)) => format!(
            "It is not known whether M-Pesa gives it back ({why}). Look at its statement before you ask once more."
        ),
        Err(problem) => problem,
    };
    refused(&app, staff, &receipt, problem).await
}

/// Asks M-Pesa. A browser that leaves meanwhile does not end that: what M-Pesa answers is written down.
async fn ask_mpesa(app: &App, receipt: &str, amount: Money, by: &str) -> Result<Result<Asked, String>, Refusal> {
    let (inner, receipt, by) = (app.clone(), receipt.to_owned(), by.to_owned());
    let asking = app.background.spawn(carried(async move {
        let operator = inner.mpesa.as_ref()?.operator()?;
        let (base, now) = (reached_at(&inner.config), inner.clock.now());
        let asking = Asking { db: &inner.db, base, operator, by: &by, now };
        Some(asking.reversal(&receipt, amount, None, REMARKS).await)
    }));
    let asked = asking.await.map_err(Refusal::broken)?.ok_or(Refusal::NotFound)?;
    told(asked)
}

/// `POST /admin/money/{receipt}/given-back`: a person gave it back.
pub(in crate::admin) async fn given_back(
    State(app): State<App>,
    Path(receipt): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let receipt = spelt(&receipt)?;
    let money = unmatched::get(&app.db, &receipt).await?;
    let mut problems = Problems::default();
    let Some(proof) = problems.keep("proof", values::name(sent.text("proof"))) else {
        return again(&app, staff, &money, sent, &problems).await;
    };
    if !sent.is_confirmed() {
        let line = format!("{} of receipt {receipt} has gone back to its payer, which {proof} proves.", money.amount);
        let question = Question::new("given-back", "Has it gone back?", vec![line], "Yes, it has");
        return question.ask((&app, staff, Tab::Payments), &address(&money.receipt), sent);
    }
    let object = format!("{receipt} by {proof}");
    let line = audit::line(staff, "money.given_back", &object);
    match told(unmatched::given_back(&app.db, &receipt, &proof, &line, app.clock.now()).await)? {
        Ok(_) => Ok(done(&receipt, "back")),
        Err(problem) => refused(&app, staff, &receipt, problem).await,
    }
}

/// `POST /admin/money/{receipt}/ignore`.
pub(in crate::admin) async fn ignore(
    State(app): State<App>,
    Path(receipt): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let receipt = spelt(&receipt)?;
    let money = unmatched::get(&app.db, &receipt).await?;
    let mut problems = Problems::default();
    let reason = sent.text("reason");
    if reason.is_empty() || reason.chars().count() > unmatched::MAX_REASON {
        problems.note("reason", format!("say why, in at most {} characters", unmatched::MAX_REASON));
        return again(&app, staff, &money, sent, &problems).await;
    }
    let object = format!("{receipt} ({reason})");
    let line = audit::line(staff, "money.ignore", &object);
    match told(unmatched::ignore(&app.db, &receipt, reason, &line, app.clock.now()).await)? {
        Ok(()) => Ok(done(&receipt, "ignored")),
        Err(problem) => refused(&app, staff, &receipt, problem).await,
    }
}

/// `POST /admin/money/{receipt}/heed`: what was ignored waits again.
pub(in crate::admin) async fn heed(
    State(app): State<App>,
    Path(receipt): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let receipt = spelt(&receipt)?;
    let line = audit::line(&posted.staff, "money.heed", &receipt);
    match told(unmatched::heed(&app.db, &receipt, &line, app.clock.now()).await)? {
        Ok(()) => Ok(done(&receipt, "heeded")),
        Err(problem) => refused(&app, &posted.staff, &receipt, problem).await,
    }
}

fn address(receipt: &str) -> String {
    format!("/admin/money/{receipt}")
}

fn done(receipt: &str, what: &str) -> Response {
    Redirect::to(&format!("{}?done={what}", address(receipt))).into_response()
}
