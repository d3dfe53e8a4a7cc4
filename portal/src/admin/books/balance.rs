//! `/admin/books/balance`: what every account comes to in all documents up to a day. Each currency's balances are zero together, since each
//! document's entries are.
//!
//! It is of all places together and of what is at none, so it is for those who are not limited to sites.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::SiteScope;
use store::books::document::{self, Balance};

use super::csv_file;
use super::sheet::{Drawn, Head, Sheet, Sums, cells};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, Form};
use crate::admin::listing::{Asked, Cell};
use crate::admin::page::{Page, Tab, answer, style};
use crate::session::Staff;
use crate::views::assets;

const PATH: &str = "/admin/books/balance";
const FILE: &str = "/admin/books/balance.csv";

const HEADS: [Head; 7] = [
    ("Account", "account", false),
    ("Name", "name", false),
    ("Kind", "kind", false),
    ("Currency", "currency", false),
    ("Debit", "debit", true),
    ("Credit", "credit", true),
    ("Balance", "balance", true),
];

#[derive(Debug, Template)]
#[template(path = "admin/books/balance.html")]
pub(in crate::admin) struct BalancePage {
    page: Page,
    style: String,
    wide: String,
    /// Why there is no answer; empty: there is one.
    problem: &'static str,
    filters: Vec<Form>,
    sheets: Vec<Drawn>,
}

const LIMITED: &str =
    "The trial balance is of all sites together, and you are limited to some. Days and documents are those of yours.";

/// The balances up to the day that is asked for; `None`: it could not be read.
async fn read(app: &App, sent: Fields) -> Result<(Asked, Option<Vec<Balance>>), Refusal> {
    let mut asked = Asked::new(sent);
    let until = asked.date("until", "Up to the day, this day included");
    if !asked.is_fine() {
        return Ok((asked, None));
    }
    let balances = document::trial_balance(&app.db, until).await?;
    Ok((asked, Some(balances)))
}

/// `GET /admin/books/balance`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let page = Page::new(&app, &staff, Tab::Books);
    if *staff.sites() != SiteScope::All {
        return answer(StatusCode::FORBIDDEN, &framed(page, LIMITED, Vec::new()));
    }
    let (asked, balances) = read(&app, sent).await?;
    let page = framed(page, "", vec![asked.form(PATH, None)]);
    let Some(balances) = balances else { return answer(StatusCode::UNPROCESSABLE_ENTITY, &page) };
    answer(StatusCode::OK, &BalancePage { sheets: vec![sheet(&balances).drawn(asked.address(FILE, &[]))], ..page })
}

/// `GET /admin/books/balance.csv`.
pub(in crate::admin) async fn file(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    if *staff.sites() != SiteScope::All {
        let page = Page::new(&app, &staff, Tab::Books);
        return answer(StatusCode::FORBIDDEN, &framed(page, LIMITED, Vec::new()));
    }
    let until = sent.text("until").to_owned();
    let (asked, balances) = read(&app, sent).await?;
    let Some(balances) = balances else {
        let page = framed(Page::new(&app, &staff, Tab::Books), "", vec![asked.form(PATH, None)]);
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let name = if until.is_empty() { "balance".to_owned() } else { format!("balance-{until}") };
    Ok(csv_file(&name, sheet(&balances).csv()))
}

fn framed(page: Page, problem: &'static str, filters: Vec<Form>) -> BalancePage {
    BalancePage { page, style: style(), wide: assets::url("charts.css"), problem, filters, sheets: Vec::new() }
}

/// A row an account and currency, and the sums of each currency. A balance above zero is one of debit.
fn sheet(balances: &[Balance]) -> Sheet {
    let mut sheet = Sheet::new("balance", "Trial balance", &HEADS, "No day is closed yet.").note(
        "Of all documents of closed days. A balance above zero is debit, one below is credit; together they are zero.",
    );
    let mut sums: Sums<String, 3> = Sums::new();
    for balance in balances {
        let figures = [balance.debit, balance.credit, balance.debit.saturating_sub(balance.credit)];
        sums.add(balance.currency.clone(), figures);
        let [debit, credit, rest] = cells(figures, &balance.currency);
        sheet.row(vec![
            Cell::text(balance.account.as_str()),
            Cell::text(balance.name.as_str()),
            Cell::text(balance.kind.as_str()),
            Cell::text(balance.currency.as_str()),
            debit,
            credit,
            rest,
        ]);
    }
    for (currency, sum) in sums.iter() {
        let [debit, credit, rest] = cells(sum, currency);
        let empty = || Cell::text("");
        sheet.total(vec![Cell::text("Together"), empty(), empty(), Cell::text(currency.as_str()), debit, credit, rest]);
    }
    sheet
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::{HOSTILE, page};

    fn balance(account: &str, currency: &str, debit: i64, credit: i64) -> Balance {
        Balance {
            account: account.into(),
            name: HOSTILE.into(),
            kind: "asset".into(),
            currency: currency.into(),
            debit,
            credit,
        }
    }

    fn balances() -> [Balance; 3] {
        [balance("mpesa", "KES", 6_000, 1_000), balance("sales", "KES", 0, 5_000), balance("stripe", "USD", 0, 0)]
    }

    pub(in crate::admin) fn sample(page: Page) -> BalancePage {
        let mut asked = Asked::new(Fields::default().with("until", "2026-11-22"));
        asked.date("until", "Up to the day");
        let framed = framed(page, LIMITED, vec![asked.form(PATH, None)]);
        BalancePage { sheets: vec![sheet(&balances()).drawn(FILE)], ..framed }
    }

    #[test]
    fn each_currency_is_zero_together() {
        let paper = sheet(&balances()).on_paper();
        let values = |at: usize| paper.rows[at].iter().map(|cell| cell.value.as_str()).collect::<Vec<_>>();
        assert_eq!(values(3)[3..], ["KES", "60.00", "60.00", "0.00"]);
        assert_eq!(values(4)[3..], ["USD", "0.00", "0.00", "0.00"]);
        assert_eq!(values(1)[4..], ["0.00", "50.00", "-50.00"]);
    }

    #[test]
    fn who_is_limited_reads_why_there_is_none() {
        let html = framed(page(), LIMITED, Vec::new()).render().expect("renders");
        assert!(html.contains("of all sites together") && !html.contains("<table"), "{html}");
    }
}
