//! What a person says of a difference. One click does it, once: a line that is settled is not settled again.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::time::{OffsetDateTime, Zone};
use store::books::statement::{self, By, Open, Resolution};
use store::unmatched::{self, Matched, Purpose, Told, Trust};
use uuid::Uuid;

use super::account::{date, show_with};
use super::{LIST, everywhere};
use crate::App;
use crate::admin::form::{Fields, told};
use crate::admin::{Refusal, audit};
use crate::payments::c2b;
use crate::session::Staff;
use crate::session::csrf::Posted;

/// The longest reason, in characters.
const REASON_MAX: usize = 200;

/// `POST /admin/books/statements/lines/{id}/resolve`.
pub(in crate::admin) async fn resolve(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    everywhere(staff)?;
    let line = statement::line(&app.db, id).await?;
    let reason = reason(sent);
    let resolution = match sent.text("as") {
        "assign" => Resolution::Assign,
        "fee" => Resolution::Fee,
        "refund" => Resolution::Refund,
        "transfer" => Resolution::Transfer(None),
        "transfer:mpesa" => Resolution::Transfer(Some("mpesa")),
        "transfer:stripe" => Resolution::Transfer(Some("stripe")),
        "ignore" => Resolution::Ignore(&reason),
        _ => return Err(Refusal::NotFound),
    };
    if resolution == Resolution::Assign
        && line.account == "mpesa"
        && let Err(problem) = receive(&app, staff, &line, sent.text("order"), now).await?
    {
        return show_with(&app, staff, &line.account, sent, problem).await;
    }
    if let Err(problem) = told(statement::resolve(&app.db, id, resolution, by(staff), now).await)? {
        // The job may have been faster: then what was written down just now is the line's already.
        let is_done = resolution == Resolution::Assign && is_matched(&app, id).await?;
        if !is_done {
            return show_with(&app, staff, &line.account, sent, problem).await;
        }
    }
    Ok(back(&line.account, resolution.as_str(), sent))
}

async fn is_matched(app: &App, id: Uuid) -> Result<bool, Refusal> {
    Ok(statement::line(&app.db, id).await?.state == "matched")
}

/// `POST /admin/books/statements/{account}/fees`: all open fees of the days that are shown.
pub(in crate::admin) async fn fees(
    State(app): State<App>,
    Path(account): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    everywhere(staff)?;
    let day = |name: &str| date(sent.text(name)).ok_or(Refusal::NotFound);
    let (since, until, zone) = (day("since")?, day("until")?, Zone::default());
    let span = (zone.midnight(since), zone.midnight(until.next_day().unwrap_or(until)));
    match told(statement::book_fees(&app.db, &account, span, by(staff), app.clock.now()).await)? {
        Ok(_) => Ok(back(&account, "fees", sent)),
        Err(problem) => show_with(&app, staff, &account, sent, problem).await,
    }
}

/// `POST /admin/books/statements/{account}/missing/{transaction}/explain`.
pub(in crate::admin) async fn explain(
    State(app): State<App>,
    Path((account, transaction)): Path<(String, Uuid)>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    everywhere(staff)?;
    let explained = statement::explain(&app.db, transaction, &account, &reason(sent), by(staff), app.clock.now()).await;
    match told(explained)? {
        Ok(()) => Ok(back(&account, "explain", sent)),
        Err(problem) => show_with(&app, staff, &account, sent, problem).await,
    }
}

/// Writes money down that M-Pesa has and we never heard of, as if the paybill had told of it: so a report that comes late finds it. It pays
/// for the order that its payer named, or for the one that is named here; else it waits among unmatched money.
async fn receive(
    app: &App,
    staff: &Staff,
    line: &Open,
    order: &str,
    now: OffsetDateTime,
) -> Result<Result<(), String>, Refusal> {
    if line.state != "open" || line.amount.minor <= 0 {
        // The store says what is wrong with it.
        return Ok(Ok(()));
    }
    let told_of = as_told(line);
    let matched = unmatched::match_confirmation(&app.db, &told_of, Trust::Confirmed, None, now).await?;
    if order.is_empty() || matched != Matched::Unmatched {
        return Ok(Ok(()));
    }
    let code = order.to_uppercase();
    let purpose = Purpose::Order(&code);
    let by = audit::line(staff, "money.assign", &line.reference);
    match told(unmatched::assign(&app.db, &line.reference, &purpose, &by, now).await)? {
        Ok(_) => Ok(Ok(())),
        Err(problem) => Ok(Err(format!("It is written down and waits among unmatched money. {problem}"))),
    }
}

/// A line as the paybill would have told of it: `25472****108 - JANE DOE` is a number and a name.
fn as_told(line: &Open) -> Told {
    let (number, name) = line.party.split_once(" - ").unwrap_or(("", line.party.as_str()));
    Told {
        receipt: line.reference.clone(),
        amount: line.amount,
        payer_name: name.trim().to_owned(),
        payer: c2b::payer(number.trim()),
        payer_number: number.trim().to_owned(),
        reference: c2b::reference(&line.related),
        typed: line.related.clone(),
        paid_at: Some(line.at),
    }
}

fn by(staff: &Staff) -> By<'_> {
    By { actor: &staff.admin.email, from: Some(staff.from) }
}

fn reason(sent: &Fields) -> String {
    sent.text("reason").chars().take(REASON_MAX).collect()
}

/// The account's page again, with the days that were shown.
fn back(account: &str, done: &str, sent: &Fields) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("done", done);
    for name in ["since", "until"] {
        query.append_pair(name, sent.text(name));
    }
    Redirect::to(&format!("{LIST}/{account}?{}", query.finish())).into_response()
}

#[cfg(test)]
mod tests {
    use shared::money::Money;
    use store::unmatched::{Payer, Reference};

    use super::*;

    #[test]
    fn a_line_is_told_as_the_paybill_would() {
        let line = Open {
            id: Uuid::nil(),
            account: "mpesa".into(),
            reference: "RKTQDM7W6S".into(),
            kind: "payment".into(),
            state: "open".into(),
            at: OffsetDateTime::UNIX_EPOCH,
            amount: Money::kes(2000),
            details: "Pay Bill".into(),
            party: "25472****108 - JANE DOE".into(),
            related: "ab2cd3ef".into(),
            booked: None,
        };
        let told = as_told(&line);
        assert_eq!((told.payer_number.as_str(), told.payer_name.as_str()), ("25472****108", "JANE DOE"));
        assert_eq!(told.payer, Payer::Masked { begins: "25472".into(), ends: "108".into() });
        assert_eq!(told.reference, Reference::OrderCode("AB2CD3EF".into()));
        let told = as_told(&Open { party: "SAFARICOM".into(), related: String::new(), ..line });
        assert_eq!((told.payer_name.as_str(), &told.payer), ("SAFARICOM", &Payer::Hidden));
    }
}
