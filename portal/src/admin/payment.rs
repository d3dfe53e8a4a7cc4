//! `/admin/payments/{id}`: one payment, what is owed of it, what has gone back or is on its way, and what can be done: have the provider
//! give it back, or say that a person has ([`changes`]). Its customer's receipt as a file is [`receipt`]'s.

pub(super) mod changes;
pub(super) mod receipt;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::mpesa_request::{self, Kind as Asking, Request, State as Asked};
use store::refund::mpesa::Extent;
use store::refund::{self, Balance, Given};
use uuid::Uuid;

use super::Refusal;
use super::form::{Fields, Filled, Form, Problems};
use super::page::{After, Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use crate::App;
use crate::api::id::{self, Kind};
use crate::payments::{MPESA, STRIPE};
use crate::session::Staff;

#[derive(Debug, Template)]
#[template(path = "admin/payment.html")]
pub(super) struct Payment {
    page: Page,
    style: String,
    order: String,
    state: Said,
    facts: Vec<(&'static str, String)>,
    /// The receipt by which the money goes back, if it does; empty: it goes back here.
    by_receipt: String,
    given: Vec<Row>,
    /// Where the customer's receipt is as a file; empty: there is none.
    receipt: String,
    forms: Vec<Form>,
    /// What was done just now.
    done: &'static str,
    problem: String,
}

/// A refund.
#[derive(Debug)]
struct Row {
    when: String,
    amount: String,
    state: Said,
    /// How it stands, and what to do.
    why: String,
    by: String,
}

/// The address of a payment.
pub(super) fn path(payment: Uuid) -> String {
    format!("/admin/payments/{}", id::spell(Kind::Payment, payment))
}

/// `GET /admin/payments/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(payment): Path<String>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let balance = find(&app, &staff, &payment).await?;
    let mut page = page(&app, &staff, &balance, &Fields::default(), &Problems::default()).await?;
    page.done = match after.done.as_str() {
        "asked" => "It goes back: the provider is asked within seconds. What it answers is booked by itself.",
        "before" => "That was asked before; it is not done twice.",
        "again" => "M-Pesa is asked once more.",
        "back" => "It is noted that the money has gone back.",
        _ => "",
    };
    answer(StatusCode::OK, &page)
}

/// The payment in an address, if it was made where this member of staff looks.
async fn find(app: &App, staff: &Staff, payment: &str) -> Result<Balance, Refusal> {
    let payment = id::read(Kind::Payment, payment).ok_or(Refusal::NotFound)?;
    Ok(refund::balance(&app.db, payment, staff.sites()).await?)
}

/// The page once more, with what is wrong with a form.
async fn again(
    app: &App,
    staff: &Staff,
    balance: &Balance,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    answer(StatusCode::UNPROCESSABLE_ENTITY, &page(app, staff, balance, sent, problems).await?)
}

/// The page once more, with why nothing was done.
async fn refused(app: &App, staff: &Staff, payment: Uuid, sent: &Fields, problem: String) -> Result<Response, Refusal> {
    // What is there now, which may be what somebody else has done meanwhile.
    let balance = refund::balance(&app.db, payment, staff.sites()).await?;
    let page = page(app, staff, &balance, sent, &Problems::default()).await?;
    answer(StatusCode::CONFLICT, &Payment { problem, ..page })
}

/// Whether the provider of a payment can be asked to give it back.
fn can_be_asked(app: &App, balance: &Balance) -> bool {
    match balance.provider.as_str() {
        _ if balance.is_by_hand => false,
        MPESA => balance.receipt.is_some() && app.mpesa.as_ref().is_some_and(|mpesa| mpesa.operator().is_some()),
        STRIPE => balance.receipt.is_some() && app.stripe.is_some(),
        _ => false,
    }
}

async fn page(
    app: &App,
    staff: &Staff,
    balance: &Balance,
    sent: &Fields,
    problems: &Problems,
) -> Result<Payment, Refusal> {
    let (now, role) = (app.clock.now(), staff.admin.role);
    let mut facts = facts(balance, role, now);
    if let Some(receipt) = balance.receipt.as_ref().filter(|_| balance.provider == MPESA) {
        for (kind, what) in [(Asking::Reversal, "Asked to give it back"), (Asking::Returned, "Asked whether it did")] {
            let requests = mpesa_request::about(&app.db, kind, receipt).await?;
            facts.extend(requests.iter().map(|request| (what, asked(request, now))));
        }
    }
    let forms = match role.may(Permission::MoveMoney) {
        true => forms(balance, Filled { sent, problems }, can_be_asked(app, balance)),
        false => Vec::new(),
    };
    Ok(drawn(Page::new(app, staff, Tab::Payments), balance, facts, forms, now))
}

fn drawn(
    page: Page,
    balance: &Balance,
    facts: Vec<(&'static str, String)>,
    forms: Vec<Form>,
    now: OffsetDateTime,
) -> Payment {
    Payment {
        page,
        style: style(),
        order: balance.order.clone(),
        state: state(balance),
        facts,
        by_receipt: balance.receipt.clone().filter(|_| balance.goes_by_receipt).unwrap_or_default(),
        given: balance.given.iter().map(|given| row(given, now)).collect(),
        receipt: match balance.order_state.as_str() {
            "paid" | "refund_due" => format!("{}/receipt.pdf", path(balance.payment)),
            _ => String::new(),
        },
        forms,
        done: "",
        problem: String::new(),
    }
}

/// Where the payment itself stands: another one of its order may stand otherwise.
fn state(balance: &Balance) -> Said {
    let is_paid = balance.state == "succeeded";
    match balance.under_way() {
        Some(_) => said(Tone::Busy, "paid, on its way back"),
        None if is_paid && balance.owed.minor > 0 => said(Tone::Bad, "paid, a refund is due"),
        None if is_paid && balance.all.minor == 0 => said(Tone::Plain, "given back"),
        None => words::payment(&balance.provider, &balance.state, ""),
    }
}

fn facts(balance: &Balance, role: Role, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Price", balance.price.to_string()),
        ("Made", words::moment(balance.made_at, now)),
        ("Customer", balance.phone.as_ref().map(|phone| words::phone(role, phone)).unwrap_or_default()),
        ("Package", balance.package.clone()),
        ("Paid by", words::method(&balance.provider).to_owned()),
        ("Receipt", balance.receipt.clone().unwrap_or_default()),
    ];
    if balance.state == "succeeded" {
        let booked =
            if balance.is_sale { "a sale" } else { "money of the customer, for which nothing was given, or no more" };
        facts.push(("Booked as", booked.to_owned()));
        facts.push(("Owed to the customer", balance.owed.to_string()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// What became of asking M-Pesa.
fn asked(request: &Request, now: OffsetDateTime) -> String {
    let state = match (request.kind, request.state) {
        (_, Asked::Created | Asked::Unknown) => "it is not known whether M-Pesa took the request",
        (_, Asked::Accepted) => "M-Pesa took the request; its answer has not come",
        (_, Asked::TimedOut) => "M-Pesa did not come to it in time",
        (_, Asked::Refused) => "M-Pesa did not take the request",
        (Asking::Returned, Asked::Denied) => "no, it was not done",
        (Asking::Returned, Asked::Failed) => "M-Pesa could not say that it was done",
        (Asking::Returned, Asked::Succeeded) => "yes, it has gone back",
        (_, Asked::Denied | Asked::Failed) => "it was not done",
        (_, Asked::Succeeded) => "done",
    };
    let result = request.result.as_ref().map(|result| format!(" ({result})")).unwrap_or_default();
    format!("{}: {state}{result}", words::moment(request.created_at, now))
}

fn row(given: &Given, now: OffsetDateTime) -> Row {
    let reason = match given.reason.replace('_', " ") {
        reason if reason.is_empty() => String::new(),
        reason => format!(" ({reason})"),
    };
    let proof = given.proof.as_ref().map(|proof| format!(": {proof}")).unwrap_or_default();
    let (state, why) = match (given.state.as_str(), given.way.as_str()) {
        ("done", "hand") => (said(Tone::Good, "given back"), format!("By hand{proof}.")),
        ("done", _) => (said(Tone::Good, "given back"), format!("By the provider{proof}.")),
        ("failed" | "refused", _) => (
            said(Tone::Bad, "could not go back"),
            format!("It was not done{reason}. The money is still owed: try again, or give it back by hand and say so."),
        ),
        ("unknown", _) if given.is_tried_again => (
            said(Tone::Busy, "not known"),
            format!("The provider is asked whether it was done{reason}. Nothing is sent twice meanwhile."),
        ),
        ("unknown", _) => (
            said(Tone::Bad, "not known"),
            format!("Look at the provider’s statement{reason}: if it is there, say that it has gone back."),
        ),
        _ => {
            (said(Tone::Busy, "on its way"), format!("The provider is asked, and says later that it is done{reason}."))
        }
    };
    Row { when: words::moment(given.asked_at, now), amount: given.amount.to_string(), state, why, by: given.by.clone() }
}

/// What can be done with it now.
fn forms(balance: &Balance, filled: Filled<'_>, can_be_asked: bool) -> Vec<Form> {
    let is_mpesa = balance.provider == MPESA;
    let is_by_hand = is_mpesa || balance.is_by_hand;
    let under_way = balance.under_way();
    let is_left = balance.all.minor > 0;
    if balance.state != "succeeded" || balance.goes_by_receipt || !(is_left || under_way.is_some()) {
        return Vec::new();
    }
    let mut forms = Vec::new();
    match under_way {
        None if can_be_asked => forms.push(refund_form(balance, filled)),
        Some(given) if is_mpesa && given.may_try_again && can_be_asked => forms.push(again_form(balance, filled)),
        _ => {}
    }
    // What M-Pesa is doing just now is not done by hand as well.
    if is_by_hand && under_way.is_none_or(|given| given.state == "unknown") {
        forms.push(by_hand(balance, filled, under_way.is_some()));
    }
    forms
}

/// Has the provider give it back.
fn refund_form(balance: &Balance, filled: Filled<'_>) -> Form {
    let action = format!("{}/refund", path(balance.payment));
    let (button, title, hint) = match balance.provider.as_str() {
        MPESA => (
            "Give it back by M-Pesa",
            "Let M-Pesa give it back",
            "M-Pesa reverses the payment. What it answers later is booked by itself.",
        ),
        _ => ("Give it back to the card", "Give it back to the card", "It is done by itself, once."),
    };
    let form = Form::new("refund", action, button).titled(title, hint).danger();
    with_extent(form, balance, filled)
}

/// Asks M-Pesa to do it once more.
fn again_form(balance: &Balance, filled: Filled<'_>) -> Form {
    let hint = "M-Pesa was asked whether it gave the money back, and could not say so. Look at its statement: if it is there, say below that it \
                has gone back.";
    let seen = filled.tick("seen", "Ask once more", "I have seen in M-Pesa’s statement that it was not done");
    let form = Form::new("again", format!("{}/again", path(balance.payment)), "Ask M-Pesa to give it back once more");
    form.titled("Let M-Pesa give it back once more", hint).field(seen).danger()
}

/// Says that a person gave it back.
fn by_hand(balance: &Balance, filled: Filled<'_>, is_unknown: bool) -> Form {
    let hint = match is_unknown {
        true => "When you have seen it in M-Pesa’s statement, or have given the money back by hand.",
        false => "When you have given the money back by hand. The ledger then owes it no more.",
    };
    let proof =
        filled.text("proof", "What proves it").hint("Who gave it, how, and the receipt of the transfer.").required();
    let form = Form::new("back", format!("{}/given-back", path(balance.payment)), "It has gone back");
    let form = form.titled("Given back by hand", hint).danger();
    // What is under way has its amount already.
    let form = if is_unknown { form } else { with_extent(form, balance, filled) };
    form.field(proof)
}

/// The same with how much goes back, where that can be chosen.
fn with_extent(form: Form, balance: &Balance, filled: Filled<'_>) -> Form {
    if !balance.is_sale || (balance.provider != MPESA && !balance.is_by_hand) {
        return form;
    }
    let option = |extent: Extent, words: String| (extent.as_str().to_owned(), words);
    let mut options = vec![
        option(Extent::All, format!("{}, and what it bought ends", balance.all)),
        option(Extent::Kept, format!("{}, and what it bought goes on", balance.all)),
    ];
    if balance.owed.minor > 0 {
        options.push(option(Extent::Owed, format!("{}, which is owed of it: the sale stays", balance.owed)));
    }
    form.field(filled.choice("extent", "What goes back", &options).required())
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn given(state: &str, way: &str) -> Given {
        Given {
            id: Uuid::nil(),
            amount: Money::kes(2_000),
            state: state.into(),
            way: way.into(),
            reason: HOSTILE.into(),
            proof: Some(HOSTILE.into()),
            is_tried_again: false,
            may_try_again: state == "unknown",
            by: HOSTILE.into(),
            asked_at: OffsetDateTime::UNIX_EPOCH,
            changed_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn sale() -> Balance {
        Balance {
            payment: Uuid::from_u128(7),
            order: "AB2CD3EF".into(),
            order_state: "paid".into(),
            phone: "0712345678".parse().ok(),
            package: HOSTILE.into(),
            provider: MPESA.into(),
            state: "succeeded".into(),
            receipt: Some("RKTQDM7W6S".into()),
            price: Money::kes(2_000),
            is_sale: true,
            owed: Money::kes(0),
            all: Money::kes(2_000),
            goes_by_receipt: false,
            is_by_hand: false,
            made_at: OffsetDateTime::UNIX_EPOCH,
            given: Vec::new(),
        }
    }

    fn with(state: &str, way: &str) -> Balance {
        Balance { given: vec![given(state, way)], ..sale() }
    }

    fn forms_of(balance: &Balance, can_be_asked: bool) -> Vec<Form> {
        let (sent, problems) = (Fields::default(), Problems::default());
        forms(balance, Filled { sent: &sent, problems: &problems }, can_be_asked)
    }

    pub(in crate::admin) fn sample(page: Page) -> Payment {
        let now = OffsetDateTime::UNIX_EPOCH;
        let rest = Balance { owed: Money::kes(500), goes_by_receipt: true, ..sale() };
        let states = ["done", "failed", "refused", "unknown", "pending", "created"];
        let given = states.into_iter().map(|state| given(state, "reversal")).chain([given("done", "hand")]).collect();
        let balance = Balance { given, ..rest.clone() };
        let mut all = forms_of(&with("unknown", "reversal"), true);
        all.extend(forms_of(&Balance { goes_by_receipt: false, ..rest }, true).into_iter().take(1));
        let page = drawn(page, &balance, facts(&balance, Role::Owner, now), all, now);
        Payment { done: "It is noted that the money has gone back.", problem: HOSTILE.into(), ..page }
    }

    /// What can be done, by what the addresses end with.
    fn actions(balance: &Balance, can_be_asked: bool) -> Vec<String> {
        let forms = forms_of(balance, can_be_asked);
        forms.iter().map(|form| form.action.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn only_what_can_be_done_is_offered() {
        let nothing: [&str; 0] = [];
        let card = |balance| Balance { provider: STRIPE.into(), ..balance };
        let stuck = with("unknown", "reversal");
        let asking = Given { is_tried_again: true, may_try_again: false, ..given("unknown", "reversal") };
        let gone = Balance { all: Money::kes(0), ..with("done", "reversal") };
        for (balance, can_be_asked, expected) in [
            (sale(), true, &["refund", "given-back"][..]),
            (sale(), false, &["given-back"]),
            (card(sale()), true, &["refund"]),
            (card(sale()), false, &nothing),
            (card(with("pending", "card")), true, &nothing),
            (with("created", "reversal"), true, &nothing),
            (with("pending", "reversal"), true, &nothing),
            (stuck.clone(), true, &["again", "given-back"]),
            (stuck, false, &["given-back"]),
            (Balance { given: vec![asking], ..sale() }, true, &["given-back"]),
            (with("failed", "reversal"), true, &["refund", "given-back"]),
            (gone, true, &nothing),
            (Balance { goes_by_receipt: true, ..sale() }, true, &nothing),
            (Balance { is_by_hand: true, ..card(sale()) }, false, &["given-back"]),
            (Balance { state: "failed".into(), ..sale() }, true, &nothing),
        ] {
            assert_eq!(actions(&balance, can_be_asked), expected, "{balance:?}");
        }
    }

    #[test]
    fn what_a_sale_bought_ends_or_goes_on_and_what_is_owed_is_not_asked_about() {
        let choices = |balance: &Balance| {
            let forms = forms_of(balance, true);
            let fields = forms.first().map(|form| form.fields.clone()).unwrap_or_default();
            let choices = fields.iter().flat_map(|field| field.choices().to_vec());
            choices.map(|choice| choice.value).collect::<Vec<_>>()
        };
        assert_eq!(choices(&sale()), ["all", "kept"]);
        assert_eq!(choices(&Balance { owed: Money::kes(500), ..sale() }), ["all", "kept", "owed"]);
        assert!(choices(&Balance { is_sale: false, owed: Money::kes(2_000), ..sale() }).is_empty());
    }

    #[test]
    fn what_a_person_must_look_at_stands_out() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for (state, tone) in
            [("done", Tone::Good), ("failed", Tone::Bad), ("unknown", Tone::Bad), ("pending", Tone::Busy)]
        {
            assert_eq!(row(&given(state, "reversal"), now).state.tone, tone, "{state}");
        }
        let asked = Given { is_tried_again: true, ..given("unknown", "reversal") };
        assert_eq!(row(&asked, now).state.tone, Tone::Busy);
    }
}
