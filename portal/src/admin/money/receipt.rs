//! `/admin/money/{receipt}`: one payment, why it waits, the orders that it may be for, and what can be done about it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::mpesa_request::{self, Kind, Request, State as Asked};
use store::unmatched::{self, Because, Listed, Payer, Reference, Suggestion};
use uuid::Uuid;

use super::{is_owed, is_waiting, number, state, why};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Field, Fields, Filled, Form, Problems};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::words::{self, Said};
use crate::cli::values;
use crate::payments::{MPESA, c2b};
use crate::session::Staff;

/// The field that says which request without an answer somebody has looked at.
pub(super) const SEEN: &str = "seen";

#[derive(Debug, Template)]
#[template(path = "admin/money_receipt.html")]
pub(in crate::admin) struct Receipt {
    page: Page,
    style: String,
    receipt: String,
    state: Said,
    facts: Vec<(&'static str, String)>,
    suggestions: Vec<Suggested>,
    forms: Vec<Form>,
    /// What was done just now.
    done: &'static str,
    problem: String,
}

/// An order that the money may be for.
#[derive(Debug)]
struct Suggested {
    order: String,
    phone: String,
    package: String,
    price: String,
    at: String,
    because: &'static str,
}

/// `GET /admin/money/{receipt}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(receipt): Path<String>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let money = unmatched::get(&app.db, &spelt(&receipt)?).await?;
    let mut page = page(&app, &staff, &money, &Fields::default(), &Problems::default()).await?;
    page.done = match after.done.as_str() {
        "assigned" => "It is assigned, and the customer has access.",
        "owed" => "It goes back: from now on it is owed to its payer.",
        "asked" => "M-Pesa has been asked to give it back. Its answer comes later and is booked by itself.",
        "back" => "It is noted that the money has gone back.",
        "ignored" => "It is not listed among what waits any more.",
        "heeded" => "It waits again.",
        _ => "",
    };
    answer(StatusCode::OK, &page)
}

/// The receipt in an address, in its one spelling.
pub(super) fn spelt(receipt: &str) -> Result<String, Refusal> {
    values::receipt(receipt).map_err(|_| Refusal::NotFound)
}

/// The page once more, with what is wrong with a form.
pub(super) async fn again(
    app: &App,
    staff: &Staff,
    money: &Listed,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    answer(StatusCode::UNPROCESSABLE_ENTITY, &page(app, staff, money, sent, problems).await?)
}

/// The page once more, with why nothing was done, or what is not known.
pub(super) async fn refused(app: &App, staff: &Staff, receipt: &str, problem: String) -> Result<Response, Refusal> {
    // What is there now, which may be what somebody else has done meanwhile.
    let money = unmatched::get(&app.db, receipt).await?;
    let page = page(app, staff, &money, &Fields::default(), &Problems::default()).await?;
    answer(StatusCode::CONFLICT, &Receipt { problem, ..page })
}

/// Whether M-Pesa can be asked to give this money back.
pub(super) fn can_reverse(app: &App, money: &Listed) -> bool {
    money.provider == MPESA && app.mpesa.as_ref().is_some_and(|mpesa| mpesa.operator().is_some())
}

async fn page(
    app: &App,
    staff: &Staff,
    money: &Listed,
    sent: &Fields,
    problems: &Problems,
) -> Result<Receipt, Refusal> {
    let (now, role) = (app.clock.now(), staff.admin.role);
    let reversals = mpesa_request::about(&app.db, Kind::Reversal, &money.receipt).await?;
    let (reference, payer) = (c2b::reference(&money.typed), c2b::payer(&money.payer_number));
    let mut facts = facts(money, role, now);
    facts.extend(reversals.iter().map(|request| ("Asked to give it back", reversal(request, now))));
    let mut suggestions = Vec::new();
    let mut offered = Vec::new();
    if is_waiting(money) {
        facts.push(("Why it waits", why::of(app, money, now).await?));
        let found = unmatched::suggestions(&app.db, money, &reference, &payer).await?;
        suggestions.extend(found.into_iter().map(|suggestion| suggested(suggestion, role, now)));
        for package in store::package::all(&app.db).await? {
            let fits = package.price.currency == money.amount.currency && package.price.minor <= money.amount.minor;
            if fits && package.price.minor > 0 {
                let label = format!("{}, {}", package.name, package.price);
                offered.push((package.price.minor, (package.slug, label)));
            }
        }
        // The dearest that it pays for is the likeliest.
        offered.sort_by_key(|(price, _)| std::cmp::Reverse(*price));
    }
    let offered: Vec<(String, String)> = offered.into_iter().map(|(_, option)| option).collect();
    let likely = likely(sent, &reference, &payer);
    let filled = Filled { sent: &likely, problems };
    let can_reverse = can_reverse(app, money);
    let unanswered = reversals.first().filter(|request| request.state.is_open()).map(|request| request.id);
    Ok(Receipt {
        page: Page::new(app, staff, Tab::Payments),
        style: style(),
        receipt: money.receipt.clone(),
        state: state(money),
        facts,
        suggestions,
        forms: match role.may(Permission::MoveMoney) {
            true => forms(money, &offered, filled, can_reverse, unanswered),
            false => Vec::new(),
        },
        done: "",
        problem: String::new(),
    })
}

/// What the form of a package begins with: the number that is known, unless another was typed.
fn likely(sent: &Fields, reference: &Reference, payer: &Payer) -> Fields {
    let known = match (reference, payer) {
        (Reference::Phone(phone), _) | (_, Payer::Phone(phone)) => Some(phone),
        _ => None,
    };
    match known {
        Some(phone) if !sent.is_on("phone") && !sent.is_on("order") => sent.clone().with("phone", phone.as_str()),
        _ => sent.clone(),
    }
}

fn facts(money: &Listed, role: Role, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Amount", money.amount.to_string()),
        ("Paid", words::moment(money.at, now)),
        ("Payer", money.payer_name.clone()),
        ("Payer’s number", number(role, &money.payer_number)),
        (if money.provider == MPESA { "Typed as account number" } else { "On the statement" }, money.typed.clone()),
    ];
    facts.extend(money.order.as_ref().map(|order| ("Order", order.clone())));
    facts.extend(money.rest.map(|rest| ("More than its price", format!("{rest}, owed to the customer"))));
    facts.extend(money.decided_by.as_ref().map(|by| ("Decided by", by.clone())));
    if let Some(at) = money.given_back_at {
        let proof = money.given_back_proof.clone().unwrap_or_default();
        facts.push(("Given back", format!("{}, {proof}", words::moment(at, now))));
    }
    if let Some(ignored) = &money.ignored {
        facts.push(("Ignored", format!("{}, by {}: {}", words::moment(ignored.at, now), ignored.by, ignored.reason)));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// What became of asking M-Pesa.
fn reversal(request: &Request, now: OffsetDateTime) -> String {
    let state = match request.state {
        Asked::Created | Asked::Unknown => "it is not known whether M-Pesa took the request",
        Asked::Accepted => "M-Pesa took the request; its answer has not come",
        Asked::TimedOut => "M-Pesa did not come to it in time",
        Asked::Refused => "M-Pesa did not take the request",
        Asked::Denied | Asked::Failed => "it was not done",
        Asked::Succeeded => "done",
    };
    let result = request.result.as_ref().map(|result| format!(" ({result})")).unwrap_or_default();
    format!("{}: {state}{result}", words::moment(request.created_at, now))
}

fn suggested(suggestion: Suggestion, role: Role, now: OffsetDateTime) -> Suggested {
    Suggested {
        order: suggestion.order,
        phone: words::phone(role, &suggestion.phone),
        package: suggestion.package,
        price: suggestion.price.to_string(),
        at: words::moment(suggestion.at, now),
        because: match suggestion.because {
            Because::Code => "its code was typed",
            Because::Number => "its customer’s number was typed",
            Because::Payer => "its customer may be the payer",
            Because::Price => "only the price and the time fit",
        },
    }
}

/// What can be done with it now.
fn forms(
    money: &Listed,
    packages: &[(String, String)],
    filled: Filled<'_>,
    can_reverse: bool,
    unanswered: Option<Uuid>,
) -> Vec<Form> {
    let action = |what: &str| format!("/admin/money/{}/{what}", money.receipt);
    let mut forms = Vec::new();
    if is_waiting(money) {
        let code =
            filled.text("order", "Code of the order").hint("Eight letters and digits, as the order’s page shows it.");
        forms.push(
            Form::new("order", action("assign"), "Pay for this order")
                .titled("Pay for an order", "")
                .field(code.required()),
        );
        if !packages.is_empty() {
            let hint = "What the customer has of that package gets longer. A new customer is added.";
            forms.push(
                Form::new("package", action("assign"), "Give this package")
                    .titled("Give a package", hint)
                    .field(filled.phone("phone", "Number of the customer").required())
                    .field(filled.choice("package", "Package", packages).required()),
            );
        }
        let hint =
            "From now on it is owed to its payer. Then M-Pesa is asked to do it, or you do it by hand and say so here.";
        forms.push(Form::new("refund", action("refund"), "It goes back").titled("Give it back", hint).danger());
        forms.push(match &money.ignored {
            Some(_) => Form::new("heed", action("heed"), "Let it wait again").titled("Look at it again", ""),
            None => {
                let hint = "For money that is not for the Wi-Fi. It stays booked as owed to somebody, and is not listed any more.";
                let reason = filled.text("reason", "Why").required();
                Form::new("ignore", action("ignore"), "Ignore it").titled("Ignore it", hint).field(reason)
            }
        });
    }
    if is_owed(money) {
        if can_reverse {
            forms.push(reverse(action("reverse"), filled, unanswered));
        }
        let hint = "When you have sent the money by hand. The ledger then owes it no more.";
        let proof = filled.text("proof", "Receipt of the transfer").required();
        let form = Form::new("back", action("given-back"), "It has gone back").titled("Given back by hand", hint);
        forms.push(form.field(proof).danger());
    }
    forms
}

fn reverse(action: String, filled: Filled<'_>, unanswered: Option<Uuid>) -> Form {
    let form = Form::new("reverse", action, "Ask M-Pesa to give it back").danger();
    let Some(unanswered) = unanswered else {
        return form.titled("Let M-Pesa give it back", "What M-Pesa answers later is booked by itself.");
    };
    let hint = "M-Pesa was asked already, and it is not known whether it was done. Look at its statement: if it is there, say below \
                that it has gone back.";
    let seen: Field = filled.tick("again", "Ask once more", "I have seen in M-Pesa’s statement that it was not done");
    form.titled("Let M-Pesa give it back", hint).field(Field::hidden(SEEN, &unanswered.to_string())).field(seen)
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::money::Money;

    use super::*;
    use crate::admin::money::tests::{ignored, money};
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Receipt {
        let now = OffsetDateTime::UNIX_EPOCH;
        let (sent, problems) = (Fields::default(), Problems::default());
        let filled = Filled { sent: &sent, problems: &problems };
        let suggestion = Suggestion {
            order: "AB2CD3EF".into(),
            phone: "0712345678".parse().expect("a phone"),
            package: HOSTILE.into(),
            price: Money::kes(2_000),
            at: now,
            because: Because::Code,
        };
        let packages = [("1-hour".to_owned(), HOSTILE.to_owned())];
        let mut forms = forms(&money("unmatched"), &packages, filled, true, None);
        forms.extend(super::forms(&money("refunded"), &[], filled, true, Some(Uuid::nil())));
        Receipt {
            page,
            style: style(),
            receipt: "RKTQDM7W6S".into(),
            state: state(&ignored()),
            facts: facts(&ignored(), Role::Owner, now),
            suggestions: vec![suggested(suggestion, Role::Owner, now)],
            forms,
            done: "It waits again.",
            problem: HOSTILE.into(),
        }
    }

    /// What can be done with this money, by what the addresses end with.
    fn actions(money: &Listed, can_reverse: bool) -> Vec<String> {
        let (sent, problems) = (Fields::default(), Problems::default());
        let filled = Filled { sent: &sent, problems: &problems };
        let forms = forms(money, &[("1-hour".into(), "1 hour".into())], filled, can_reverse, None);
        forms.iter().map(|form| form.action.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn only_what_can_be_done_is_offered() {
        assert_eq!(actions(&money("unmatched"), true), ["assign", "assign", "refund", "ignore"]);
        assert_eq!(actions(&ignored(), true), ["assign", "assign", "refund", "heed"]);
        assert_eq!(actions(&money("refunded"), true), ["reverse", "given-back"]);
        assert_eq!(actions(&money("refunded"), false), ["given-back"]);
        let back = Listed { given_back_at: Some(OffsetDateTime::UNIX_EPOCH), ..money("refunded") };
        for over in [&back, &money("assigned"), &money("matched")] {
            assert!(actions(over, true).is_empty(), "{over:?}");
        }
    }

    #[test]
    fn a_reversal_of_which_nothing_is_known_is_said_to_be_so() {
        let request = |state, result: Option<&str>| Request {
            id: Uuid::from_u128(7),
            kind: Kind::Reversal,
            receipt: "RKTQDM7W6S".into(),
            amount: Money::kes(2_000),
            event: None,
            refund: None,
            state,
            conversation_id: None,
            originator: None,
            result: result.map(str::to_owned),
            created_at: OffsetDateTime::UNIX_EPOCH,
        };
        let said = |request: &Request| reversal(request, OffsetDateTime::UNIX_EPOCH);
        assert!(said(&request(Asked::Unknown, None)).ends_with("it is not known whether M-Pesa took the request"));
        assert!(said(&request(Asked::Failed, Some("no"))).ends_with("it was not done (no)"));
    }

    #[test]
    fn the_number_that_is_known_stands_in_the_form_already() {
        let phone = "0712345678".parse().expect("a phone");
        let likely = |sent: &Fields| likely(sent, &Reference::Other, &Payer::Phone(phone)).text("phone").to_owned();
        assert_eq!(likely(&Fields::default()), "+254712345678");
    }
}
