//! `/admin/books/etims`: what the Kenya Revenue Authority has signed, branch by branch, what waits and why; trying again what was refused; and
//! noting the signature of an invoice whose answer was lost, which stands on the authority's own pages only.
//!
//! Refused here: leaving an invoice out. There is no form for it: the authority takes no number after a gap.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::money::Money;
use shared::time::OffsetDateTime;
use store::admin::Audit;
use store::books::etims::{self, Overview, Waiting};
use uuid::Uuid;

use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, told};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::words::{self, Said, Tone, said};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

const LIST: &str = "/admin/books/etims";
/// Characters of a signature at most; the authority's have sixteen.
const LONGEST_SIGNATURE: usize = 64;

#[derive(Debug, Template)]
#[template(path = "admin/books/etims.html")]
pub(in crate::admin) struct EtimsPage {
    page: Page,
    style: String,
    is_on: bool,
    branches: Vec<BranchRow>,
    waiting: Vec<InvoiceRow>,
    done: &'static str,
    problem: String,
}

#[derive(Debug)]
struct BranchRow {
    id: Uuid,
    name: String,
    site: String,
    device: String,
    state: Said,
    reason: String,
    last_number: String,
    waiting: u64,
    oldest: String,
    lost: u64,
    can_try: bool,
}

#[derive(Debug)]
struct InvoiceRow {
    id: Uuid,
    branch: String,
    what: &'static str,
    reference: String,
    number: String,
    amount: String,
    state: Said,
    reason: String,
    attempts: i32,
    since: String,
    is_refused: bool,
    is_lost: bool,
}

/// `GET /admin/books/etims`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let done = match sent.text("done") {
        "again" => "It is sent again, under its number.",
        "branch" => "The branch tries at once.",
        "signature" => "The signature is noted, and stands on the receipt.",
        _ => "",
    };
    page(&app, &staff, StatusCode::OK, done, String::new()).await
}

/// `POST /admin/books/etims/invoices/{id}/again`.
pub(in crate::admin) async fn again(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let (staff, object) = (&posted.staff, id.to_string());
    let line = audited(staff, "etims.again", &object);
    let tried = etims::try_again(&app.db, id, staff.sites(), &line, app.clock.now()).await;
    over(&app, staff, told(tried)?, "again").await
}

/// `POST /admin/books/etims/branches/{id}/try`.
pub(in crate::admin) async fn try_branch(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let (staff, object) = (&posted.staff, id.to_string());
    let line = audited(staff, "etims.try", &object);
    let tried = etims::try_branch(&app.db, id, staff.sites(), &line, app.clock.now()).await;
    over(&app, staff, told(tried)?, "branch").await
}

/// `POST /admin/books/etims/invoices/{id}/signature`.
pub(in crate::admin) async fn note_signature(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent, object) = (&posted.staff, &posted.form, id.to_string());
    let read = read_signature(sent.text("signature"), sent.text("receipt_number"));
    let (signature, receipt_number) = match read {
        Ok(read) => read,
        Err(problem) => return over(&app, staff, Err(problem), "").await,
    };
    let line = audited(staff, "etims.signature", &object);
    let now = app.clock.now();
    let noted = etims::find_signature(&app.db, id, (&signature, receipt_number), staff.sites(), &line, now).await;
    over(&app, staff, told(noted)?, "signature").await
}

fn audited<'a>(staff: &'a Staff, action: &'a str, object: &'a str) -> Audit<'a> {
    Audit { actor: &staff.admin.email, action, object, address: Some(staff.from) }
}

/// Signature and number of a receipt, as the authority's page shows them: the signature in groups with dashes between.
fn read_signature(signature: &str, number: &str) -> Result<(String, Option<i64>), String> {
    let signature: String = signature.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
    let is_one = (1..=LONGEST_SIGNATURE).contains(&signature.len())
        && signature.bytes().all(|octet| octet.is_ascii_alphanumeric());
    if !is_one {
        return Err("Write the signature as the authority's page shows it: letters and digits.".into());
    }
    let number = match number {
        "" => None,
        number => {
            Some(number.parse().ok().filter(|number: &i64| *number > 0).ok_or("The number must be a whole number.")?)
        }
    };
    Ok((signature, number))
}

async fn over(app: &App, staff: &Staff, result: Result<(), String>, done: &str) -> Result<Response, Refusal> {
    match result {
        Ok(()) => Ok(Redirect::to(&format!("{LIST}?done={done}")).into_response()),
        Err(problem) => page(app, staff, StatusCode::UNPROCESSABLE_ENTITY, "", problem).await,
    }
}

async fn page(
    app: &App,
    staff: &Staff,
    status: StatusCode,
    done: &'static str,
    problem: String,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let branches = etims::branches(&app.db, staff.sites()).await?;
    let waiting = etims::waiting(&app.db, staff.sites()).await?;
    let page = EtimsPage {
        page: Page::new(app, staff, Tab::Books),
        style: style(),
        is_on: app.config.etims.is_some(),
        branches: branches.into_iter().map(|branch| branch_row(branch, now)).collect(),
        waiting: waiting.into_iter().map(|invoice| invoice_row(invoice, now)).collect(),
        done,
        problem,
    };
    answer(status, &page)
}

fn branch_row(branch: Overview, now: OffsetDateTime) -> BranchRow {
    let state = if !branch.is_used {
        said(Tone::Plain, "not used any more")
    } else if branch.rejected > 0 {
        said(Tone::Bad, "an invoice is refused")
    } else if branch.is_barred {
        said(Tone::Bad, "not let in")
    } else if !branch.has_key {
        said(Tone::Busy, "asks for its key")
    } else if branch.waiting > 0 && !branch.reason.is_empty() {
        said(Tone::Busy, "tries again by itself")
    } else {
        said(Tone::Good, "signs")
    };
    BranchRow {
        id: branch.id,
        name: branch.branch,
        site: branch.site.unwrap_or_else(|| "all others".into()),
        device: if branch.device.is_empty() { branch.serial } else { branch.device },
        state,
        last_number: if branch.last_number > 0 { branch.last_number.to_string() } else { String::new() },
        waiting: branch.waiting,
        oldest: branch.oldest_at.map(|at| words::moment(at, now)).unwrap_or_default(),
        lost: branch.lost,
        can_try: branch.is_used && branch.rejected == 0 && branch.next_attempt_at.is_some_and(|at| at > now),
        reason: branch.reason,
    }
}

fn invoice_row(invoice: Waiting, now: OffsetDateTime) -> InvoiceRow {
    let state = match invoice.state.as_str() {
        "rejected" => said(Tone::Bad, "refused"),
        "unknown" => said(Tone::Busy, "perhaps signed"),
        "signed" => said(Tone::Plain, "signed, signature lost"),
        _ => said(Tone::Busy, "waits"),
    };
    InvoiceRow {
        id: invoice.id,
        branch: invoice.branch,
        what: if invoice.kind == "credit" { "credit note" } else { "invoice" },
        reference: invoice.reference,
        number: invoice.number.map(|number| number.to_string()).unwrap_or_default(),
        amount: Money::kes(invoice.amount).to_string(),
        state,
        is_refused: invoice.state == "rejected",
        is_lost: invoice.state == "signed",
        reason: invoice.reason,
        attempts: invoice.attempts,
        since: words::moment(invoice.since, now),
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn overview() -> Overview {
        Overview {
            id: Uuid::from_u128(7),
            tin: "P051234567A".into(),
            branch: "00".into(),
            site: None,
            serial: HOSTILE.into(),
            device: String::new(),
            is_used: true,
            has_key: true,
            is_barred: false,
            reason: HOSTILE.into(),
            next_attempt_at: Some(OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(60)),
            last_number: 41,
            waiting: 3,
            unknown: 1,
            rejected: 0,
            lost: 1,
            oldest_at: Some(OffsetDateTime::UNIX_EPOCH),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> EtimsPage {
        let now = OffsetDateTime::UNIX_EPOCH;
        let invoice = |kind: &str, state: &str| Waiting {
            id: Uuid::from_u128(8),
            branch: "00".into(),
            kind: kind.into(),
            reference: HOSTILE.into(),
            number: Some(42),
            amount: 2_000,
            state: state.into(),
            reason: HOSTILE.into(),
            attempts: 2,
            since: now,
        };
        let states = ["pending", "unknown", "rejected", "signed"];
        EtimsPage {
            page,
            style: style(),
            is_on: true,
            branches: vec![branch_row(overview(), now)],
            waiting: states.into_iter().map(|state| invoice_row(invoice("sale", state), now)).collect(),
            done: "The branch tries at once.",
            problem: HOSTILE.into(),
        }
    }

    #[test]
    fn a_branch_says_what_is_in_its_way() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let state = |branch: Overview| branch_row(branch, now).state.text;
        assert_eq!(state(overview()), "tries again by itself");
        assert_eq!(state(Overview { rejected: 1, ..overview() }), "an invoice is refused");
        assert_eq!(state(Overview { is_barred: true, ..overview() }), "not let in");
        assert_eq!(state(Overview { has_key: false, ..overview() }), "asks for its key");
        assert_eq!(state(Overview { is_used: false, ..overview() }), "not used any more");
        assert_eq!(state(Overview { waiting: 0, ..overview() }), "signs");
        assert!(branch_row(overview(), now).can_try);
        assert!(!branch_row(Overview { rejected: 1, ..overview() }, now).can_try, "the invoice has its own button");
    }

    #[test]
    fn a_signature_is_read_as_it_is_printed() {
        assert_eq!(read_signature("V249-J39C FJ48-HE2W", ""), Ok(("V249J39CFJ48HE2W".into(), None)));
        assert_eq!(read_signature("V249", "17"), Ok(("V249".into(), Some(17))));
        for (signature, number) in [("", ""), ("V2<9", ""), ("V249", "x"), ("V249", "0")] {
            assert!(read_signature(signature, number).is_err(), "{signature} {number}");
        }
    }
}
