//! `/admin/vouchers`: the batches, what became of them and who has them, and a new one. What is done with a batch stands on its own
//! page ([`batch`]), and is done in [`changes`]. Codes are on no page: only the files for the printer have them ([`mod@file`]).

pub(super) mod batch;
pub(super) mod changes;
pub(super) mod file;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::time::OffsetDateTime;
use shared::voucher::{Code, new_code};
use store::voucher::{Batch, MAX_AGENT, MAX_BATCH, Paper};

use super::form::{Fields, Filled, Form, FormPage, Problems, number, told};
use super::page::{Page, Tab, answer, style};
use super::{Refusal, audit, words};
use crate::App;
use crate::cli::values;
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::vouchers::day;

/// How many batches are shown.
const SHOWN: u32 = 200;
/// Characters of a note at most.
const MAX_LABEL: usize = 200;

#[derive(Debug, Template)]
#[template(path = "admin/vouchers.html")]
pub(super) struct Vouchers {
    page: Page,
    style: String,
    /// Whose are shown; empty: all.
    agent: String,
    batches: Vec<Row>,
    is_cut: bool,
}

#[derive(Debug)]
struct Row {
    number: u32,
    package: String,
    price: String,
    agent: String,
    /// The agent's name in an address.
    agent_query: String,
    label: String,
    made: String,
    /// The last day; empty: there is none.
    last_day: String,
    size: u32,
    printed: u64,
    sold: u64,
    redeemed: u64,
    void: u64,
}

/// Whose batches are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Whose {
    #[serde(default)]
    agent: String,
}

/// `GET /admin/vouchers`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(whose): Query<Whose>,
) -> Result<Response, Refusal> {
    let agent = Some(whose.agent.as_str()).filter(|agent| !agent.is_empty());
    let (batches, now) = (store::voucher::batches(&app.db, agent, SHOWN).await?, app.clock.now());
    let page = Vouchers {
        page: Page::new(&app, &staff, Tab::Vouchers),
        style: style(),
        is_cut: batches.len() as u64 >= u64::from(SHOWN),
        batches: batches.into_iter().map(|batch| row(batch, now)).collect(),
        agent: whose.agent,
    };
    answer(StatusCode::OK, &page)
}

fn row(batch: Batch, now: OffsetDateTime) -> Row {
    let agent = batch.agent.unwrap_or_default();
    Row {
        number: batch.number,
        package: batch.package,
        price: batch.price.to_string(),
        agent_query: url::form_urlencoded::byte_serialize(agent.as_bytes()).collect(),
        agent,
        label: batch.label,
        made: words::moment(batch.created_at, now),
        last_day: batch.redeem_before.map(|end| last_day(end, now)).unwrap_or_default(),
        size: batch.size,
        printed: batch.counts.printed,
        sold: batch.counts.sold,
        redeemed: batch.counts.redeemed,
        void: batch.counts.void,
    }
}

/// The last day of a batch in words.
fn last_day(end: OffsetDateTime, now: OffsetDateTime) -> String {
    let day = day::last_before(end);
    if end > now { format!("use by {day}") } else { format!("{day} was the last day") }
}

/// `GET /admin/vouchers/new`.
pub(super) async fn ask(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let sent = Fields::default().with("count", "40");
    new_page(&app, &staff, StatusCode::OK, &sent, &Problems::default()).await
}

async fn new_page(
    app: &App,
    staff: &Staff,
    status: StatusCode,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    let packages = store::package::all(&app.db).await?;
    let packages: Vec<(String, String)> =
        packages.into_iter().map(|package| (package.slug, format!("{}, {}", package.name, package.price))).collect();
    let page = Page::new(app, staff, Tab::Vouchers);
    answer(status, &form(page, &packages, Filled { sent, problems }))
}

fn form(page: Page, packages: &[(String, String)], filled: Filled<'_>) -> FormPage {
    let form = Form::new("batch", "/admin/vouchers", "Make the vouchers")
        .field(filled.choice("package", "Package", packages).required())
        .field(
            filled.number("count", "How many").hint(format!("At most {MAX_BATCH}; forty fill an A4 sheet.")).required(),
        )
        .field(filled.text("agent", "Who gets the paper").hint("An agent’s name. Empty: it stays with you."))
        .field(filled.text("label", "Note").hint("What they are printed for, in your words."))
        .field(filled.day("use_by", "Last day").hint(
            "After it, one that nobody has used is worth nothing; who has begun to use one goes on. Empty: they stay good.",
        ));
    let lines = vec![
        "Each code is good for one package from now on, whether it is sold or not. Its time begins with the first login.".into(),
    ];
    FormPage { lines, ..FormPage::new(page, "New vouchers", ("/admin/vouchers", "Vouchers"), form) }
}

/// `POST /admin/vouchers`.
pub(super) async fn make(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let package = told(store::package::by_slug(&app.db, sent.text("package")).await)?;
    let package = problems.keep("package", package.map_err(|_| "choose a package"));
    let most = u32::try_from(MAX_BATCH).unwrap_or(u32::MAX);
    let count = problems.keep("count", number(sent.text("count"), 1, most));
    let agent = agent(sent, &mut problems);
    let label = sent.text("label");
    if label.chars().count() > MAX_LABEL {
        problems.note("label", format!("write at most {MAX_LABEL} characters"));
    }
    let redeem_before = problems.optional(sent, "use_by", day::end_of);
    let now = app.clock.now();
    if redeem_before.is_some_and(|end| end <= now) {
        problems.note("use_by", "write a day that is not over yet");
    }
    let (Some(package), Some(count), true) = (package, count, problems.is_empty()) else {
        return new_page(&app, staff, StatusCode::UNPROCESSABLE_ENTITY, sent, &problems).await;
    };
    let codes: Vec<Code> = (0..count).map(|_| new_code()).collect();
    let paper = Paper { agent: agent.as_deref(), label, redeem_before };
    let last = redeem_before.map(|end| format!(", until {}", day::typed(end))).unwrap_or_default();
    let object = format!("{count} of {}{last}", package.slug);
    let line = audit::line(staff, "voucher.print", &object);
    match told(store::voucher::print_batch(&app.db, &package, &paper, &codes, &line, now).await)? {
        Ok(batch) => Ok(Redirect::to(&format!("/admin/vouchers/{}?done=made", batch.number)).into_response()),
        Err(problem) => {
            problems.note("count", problem);
            new_page(&app, staff, StatusCode::CONFLICT, sent, &problems).await
        }
    }
}

/// The agent that was typed; `None`: nobody was, or what is wrong stands in `problems`.
fn agent(sent: &Fields, problems: &mut Problems) -> Option<String> {
    let agent = problems.optional(sent, "agent", values::name)?;
    if agent.chars().count() > MAX_AGENT {
        problems.note("agent", format!("write at most {MAX_AGENT} characters"));
        return None;
    }
    Some(agent)
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money;
    use store::voucher::Counts;
    use uuid::Uuid;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(super) fn a_batch() -> Batch {
        Batch {
            id: Uuid::from_u128(7),
            number: 42,
            package: HOSTILE.into(),
            price: Money::kes(2_000),
            label: HOSTILE.into(),
            agent: Some(HOSTILE.into()),
            size: 40,
            counts: Counts { printed: 20, sold: 10, redeemed: 8, void: 2, ever_sold: 18 },
            redeem_before: Some(OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400)),
            created_by: HOSTILE.into(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Vouchers {
        let rows = vec![row(a_batch(), OffsetDateTime::UNIX_EPOCH)];
        Vouchers { page, style: style(), agent: HOSTILE.into(), batches: rows, is_cut: true }
    }

    pub(in crate::admin) fn new(page: Page) -> FormPage {
        let (sent, problems) = (Fields::default().with("label", HOSTILE), Problems::default());
        form(page, &[("1-hour".into(), HOSTILE.into())], Filled { sent: &sent, problems: &problems })
    }

    #[test]
    fn a_last_day_is_said_before_and_after_it() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        // 1970-01-01 21:00 UTC is the end of the day in Nairobi.
        assert_eq!(last_day(at(75_600), at(0)), "use by 1 Jan 1970");
        assert_eq!(last_day(at(75_600), at(75_600)), "1 Jan 1970 was the last day");
    }

    #[test]
    fn an_agent_has_a_name_of_bounded_length_or_is_nobody() {
        let read = |name: &str| {
            let mut problems = Problems::default();
            (agent(&Fields::default().with("agent", name), &mut problems), problems.is_empty())
        };
        assert_eq!(read(" "), (None, true));
        assert_eq!(read(" Mama Njeri "), (Some("Mama Njeri".into()), true));
        assert_eq!(read(&"x".repeat(MAX_AGENT + 1)), (None, false));
    }
}
