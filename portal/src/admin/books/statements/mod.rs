//! `/admin/books/statements`: what M-Pesa, Stripe and the bank say that they did, held against the ledger and the closed days.
//!
//! A statement is brought on the page of [`upload`]. Each account has a page ([`account`]): its days with the three sums, and what differs;
//! what a person says of that is done in [`changes`]. The accounts are the whole operator's: who is limited to sites sees none of it.

pub(in crate::admin) mod account;
pub(in crate::admin) mod changes;
pub(in crate::admin) mod upload;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use books::statement::Format;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::books::statement::{self, Listed};

use crate::App;
use crate::admin::Refusal;
use crate::admin::form::Fields;
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::words;
use crate::session::Staff;

/// Where they are.
pub(super) const LIST: &str = "/admin/books/statements";
/// Statements that are shown.
const SHOWN: u32 = 100;

#[derive(Debug, Template)]
#[template(path = "admin/books/statements.html")]
pub(in crate::admin) struct Statements {
    page: Page,
    style: String,
    done: String,
    may_bring: bool,
    accounts: Vec<Account>,
    rows: Vec<Row>,
}

/// An account that has statements.
#[derive(Debug)]
struct Account {
    word: &'static str,
    name: &'static str,
    open: u64,
}

#[derive(Debug)]
struct Row {
    account: String,
    name: String,
    file: String,
    since: String,
    until: String,
    lines: u64,
    open: u64,
    at: String,
    by: String,
}

/// `GET /admin/books/statements`.
pub(in crate::admin) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    everywhere(&staff)?;
    let now = app.clock.now();
    let open = statement::count_open(&app.db).await?;
    let listed = statement::list(&app.db, SHOWN).await?;
    let page = Page::new(&app, &staff, Tab::Books);
    answer(StatusCode::OK, &statements(page, &listed, &open, &sent, now))
}

/// The ledger's accounts with providers and banks know no site.
fn everywhere(staff: &Staff) -> Result<(), Refusal> {
    match staff.sites().filter() {
        None => Ok(()),
        Some(_) => Err(Refusal::NotFound),
    }
}

fn statements(page: Page, listed: &[Listed], open: &[(String, u64)], sent: &Fields, now: OffsetDateTime) -> Statements {
    let open_of = |word: &str| open.iter().find(|(account, _)| account == word).map_or(0, |(_, count)| *count);
    let accounts = Format::ALL
        .into_iter()
        .map(|format| Account { word: format.as_str(), name: format.name(), open: open_of(format.as_str()) })
        .collect();
    let rows = listed.iter().map(|statement| row(statement, now)).collect();
    let may_bring = page.may(Permission::KeepBooks);
    Statements { page, style: style(), done: done(sent), may_bring, accounts, rows }
}

fn row(statement: &Listed, now: OffsetDateTime) -> Row {
    Row {
        name: name(&statement.account).to_owned(),
        account: statement.account.clone(),
        file: statement.file_name.clone(),
        since: words::moment(statement.since, now),
        until: words::moment(statement.until, now),
        lines: statement.lines,
        open: statement.open,
        at: words::moment(statement.imported_at, now),
        by: statement.imported_by.clone(),
    }
}

/// What an account is called.
fn name(account: &str) -> &str {
    Format::named(account).map_or(account, |format| format.name())
}

/// What was done just now, for whoever did it.
fn done(sent: &Fields) -> String {
    let number = |name: &str| sent.text(name).parse::<u64>().unwrap_or(0);
    match sent.text("done") {
        "known" => "This file is here already: nothing was changed.".to_owned(),
        "imported" => {
            let (new, known, matched, passed) = (number("new"), number("known"), number("matched"), number("passed"));
            format!(
                "The statement is here: {new} new lines, of which {matched} are in the ledger; {known} were here from another file, and {passed} rows \
                 tell of nothing that happened. A large file is compared within some minutes."
            )
        }
        _ => String::new(),
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Statements {
        let at = OffsetDateTime::UNIX_EPOCH;
        let listed = [Listed {
            id: uuid::Uuid::nil(),
            account: "mpesa".into(),
            file_name: HOSTILE.into(),
            since: at,
            until: at,
            imported_at: at,
            imported_by: HOSTILE.into(),
            lines: 10,
            open: 2,
        }];
        let sent = Fields::default().with("done", "imported").with("new", "10");
        statements(page, &listed, &[("mpesa".into(), 2)], &sent, at)
    }

    #[test]
    fn what_was_done_is_said() {
        assert!(done(&Fields::default().with("done", "imported").with("new", "7")).contains("7 new lines"));
        assert!(done(&Fields::default().with("done", "known")).contains("nothing was changed"));
        assert_eq!(done(&Fields::default().with("done", HOSTILE)), "");
    }
}
