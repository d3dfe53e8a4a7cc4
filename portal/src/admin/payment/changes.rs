//! Money of a payment that goes back, by its provider or by hand. It is asked twice, of whoever has proved lately to be who they are; the
//! store writes it into the audit log in the transaction that does it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::money::Money;
use store::refund::mpesa::{self, Extent, Way, Wish};
use store::refund::{self, Balance};

use super::{again, can_be_asked, find, path, refused};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Problems, Question, told};
use crate::admin::page::Tab;
use crate::admin::proof::Proved;
use crate::cli::values;
use crate::payments::STRIPE;
use crate::session::Staff;

/// `POST /admin/payments/{id}/refund`: its provider gives it back.
pub(in crate::admin) async fn give_back(
    State(app): State<App>,
    Path(payment): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let balance = find(&app, staff, &payment).await?;
    if !can_be_asked(&app, &balance) {
        let problem = match balance.is_by_hand {
            true => {
                "Only a statement told of this money, so nobody can be asked to give it back. Give it back by hand, and say so below."
            }
            false => {
                "Its provider cannot be asked: it needs the payment’s receipt, and in the configuration [mpesa.initiator] for M-Pesa or [stripe] \
                 for a card. Give it back by hand, and say so below."
            }
        };
        return refused(&app, staff, balance.payment, sent, problem.into()).await;
    }
    let extent = extent(sent);
    if !sent.is_confirmed() {
        let who = if balance.provider == STRIPE { "Stripe gives" } else { "M-Pesa is asked to give" };
        let line =
            format!("{who} {} of order {} back. {}", amount(&balance, extent), balance.order, ending(&balance, extent));
        let question = Question::new("refund", "Give it back?", vec![line], "Yes, give it back").danger();
        return question.ask((&app, staff, Tab::Payments), &path(balance.payment), sent);
    }
    let now = app.clock.now();
    let asked = match balance.provider.as_str() {
        STRIPE => refund::ask(&app.db, balance.payment, &staff.admin.email, now).await,
        _ => mpesa::give_back(&app.db, balance.payment, &wish(staff, Way::Reversal, extent), now).await,
    };
    match told(asked)? {
        Ok(asked) if asked.is_new => {
            if balance.provider == STRIPE {
                audit(&app, staff, "money.refund", &format!("{} of order {}", asked.amount, balance.order)).await?;
            }
            Ok(done(&balance, "asked"))
        }
        Ok(_) => Ok(done(&balance, "before")),
        Err(problem) => refused(&app, staff, balance.payment, sent, problem).await,
    }
}

/// `POST /admin/payments/{id}/given-back`: a person gave it back.
pub(in crate::admin) async fn given_back(
    State(app): State<App>,
    Path(payment): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let balance = find(&app, staff, &payment).await?;
    let mut problems = Problems::default();
    let Some(proof) = problems.keep("proof", values::name(sent.text("proof"))) else {
        return again(&app, staff, &balance, sent, &problems).await;
    };
    let extent = extent(sent);
    if !sent.is_confirmed() {
        let amount = balance.under_way().map_or_else(|| amount(&balance, extent), |given| given.amount);
        let line = format!(
            "{amount} of order {} has gone back to the customer, which this proves: {proof}. {}",
            balance.order,
            ending(&balance, extent)
        );
        let question = Question::new("given-back", "Has it gone back?", vec![line], "Yes, it has").danger();
        return question.ask((&app, staff, Tab::Payments), &path(balance.payment), sent);
    }
    let wish = wish(staff, Way::Hand { proof: &proof }, extent);
    match told(mpesa::give_back(&app.db, balance.payment, &wish, app.clock.now()).await)? {
        Ok(_) => Ok(done(&balance, "back")),
        Err(problem) => refused(&app, staff, balance.payment, sent, problem).await,
    }
}

/// `POST /admin/payments/{id}/again`: a person has seen that M-Pesa did not do it, and M-Pesa is asked once more.
pub(in crate::admin) async fn try_again(
    State(app): State<App>,
    Path(payment): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let balance = find(&app, staff, &payment).await?;
    let mut problems = Problems::default();
    if !sent.is_on("seen") {
        problems.note("seen", "look at M-Pesa’s statement first: what was done must not be done twice");
        return again(&app, staff, &balance, sent, &problems).await;
    }
    if !sent.is_confirmed() {
        let line = format!("M-Pesa is asked once more to give the money of order {} back.", balance.order);
        let question = Question::new("again", "Ask once more?", vec![line], "Yes, ask M-Pesa").danger();
        return question.ask((&app, staff, Tab::Payments), &path(balance.payment), sent);
    }
    let wish = wish(staff, Way::Reversal, Extent::All);
    match told(mpesa::try_again(&app.db, balance.payment, &wish, app.clock.now()).await)? {
        Ok(_) => Ok(done(&balance, "again")),
        Err(problem) => refused(&app, staff, balance.payment, sent, problem).await,
    }
}

/// How much goes back, as the form says; without a choice all of it does.
fn extent(sent: &Fields) -> Extent {
    Extent::parse(sent.text("extent")).unwrap_or(Extent::All)
}

fn amount(balance: &Balance, extent: Extent) -> Money {
    if extent == Extent::Owed { balance.owed } else { balance.all }
}

/// What becomes of what was bought.
fn ending(balance: &Balance, extent: Extent) -> &'static str {
    match extent {
        Extent::All if balance.is_sale => "What it bought ends now.",
        Extent::Kept if balance.is_sale => "What it bought goes on.",
        _ => "",
    }
}

fn wish<'a>(staff: &'a Staff, way: Way<'a>, extent: Extent) -> Wish<'a> {
    Wish { way, extent, by: &staff.admin.email, from: Some(staff.from) }
}

fn done(balance: &Balance, what: &str) -> Response {
    Redirect::to(&format!("{}?done={what}", path(balance.payment))).into_response()
}
