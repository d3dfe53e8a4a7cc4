//! `/admin/ledger`: what was booked, each transaction with its entries, the newest first; and what every account got and gave in the days
//! that were asked for.

use shared::money::Money;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::listing::ledger::{self, Filter, Listed, SORTS, Total};
use store::listing::{Slice, Window};

use crate::App;
use crate::admin::listing::{Asked, Cell, List, Listing, Row, column};
use crate::admin::page::Tab;
use crate::admin::words;
use crate::session::Staff;

/// What is looked for in the book.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Ledger {
    filter: Filter,
}

impl Listing for Ledger {
    const LIST: List = List {
        path: "/admin/ledger",
        title: "Ledger",
        tab: Tab::Payments,
        columns: &[
            column("Booked", "booked").sorted("booked"),
            column("What", "what"),
            column("Order", "order"),
            column("Debit", "debit"),
            column("Credit", "credit"),
            column("Amount", "amount").number(),
            column("Currency", "currency").only_in_file(),
            column("Identity", "transaction").only_in_file(),
        ],
        sorts: &SORTS,
        views: super::payments::VIEWS,
        nothing: "Nothing of that kind was booked.",
        has_phones: false,
        refresh: None,
    };

    async fn read(app: &App, _: &Staff, asked: &mut Asked) -> Result<Ledger, StoreError> {
        let accounts = ledger::accounts(&app.db).await?;
        let accounts: Vec<(String, String)> = accounts.into_iter().map(|one| (one.id.to_string(), one.name)).collect();
        let account = asked.choice("account", "Account", "All", &accounts).and_then(|id| id.parse().ok());
        let (from, until) = asked.days();
        Ok(Ledger { filter: Filter { account, from, until } })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let now = app.clock.now();
        Ok(ledger::page(&app.db, &self.filter, window).await?.map(|booked| row(&booked, now)))
    }

    async fn notes(&self, app: &App) -> Result<Vec<String>, StoreError> {
        let now = app.clock.now();
        let from = self.filter.from.unwrap_or_else(|| words::start_of_day(now));
        let until = self.filter.until.unwrap_or(now).min(now);
        let days = match (self.filter.from, self.filter.until) {
            (None, None) => "Today",
            _ => "In these days",
        };
        let totals = ledger::totals(&app.db, from, until).await?;
        Ok(totals.iter().map(|total| sentence(days, total)).collect())
    }
}

/// What an account got and gave, in a sentence.
fn sentence(days: &str, total: &Total) -> String {
    let Total { name, debit, credit, entries } = total;
    let balance = Money { minor: debit.minor.saturating_sub(credit.minor), currency: debit.currency };
    format!("{days}, {name}: {debit} debit, {credit} credit, {balance} together, in {entries} entries.")
}

fn row(booked: &Listed, now: OffsetDateTime) -> Row {
    let side = |is_debit: bool| {
        let of_side = booked.entries.iter().filter(|(_, amount)| (amount.minor > 0) == is_debit);
        let named: Vec<String> = of_side
            .map(|(name, amount)| format!("{name} {}", Money { minor: amount.minor.saturating_abs(), ..*amount }))
            .collect();
        Cell::text(named.join("; "))
    };
    let debits = booked.entries.iter().filter(|(_, amount)| amount.minor > 0);
    let amount = debits
        .map(|(_, amount)| *amount)
        .reduce(|sum, next| Money { minor: sum.minor.saturating_add(next.minor), ..sum });
    let order = booked.order_code.clone().unwrap_or_default();
    let order_cell = match order.as_str() {
        "" => Cell::text(""),
        code => Cell::text(code).link(format!("/admin/orders?order={code}")),
    };
    Row::new(vec![
        Cell::moment(Some(booked.posted_at), now),
        Cell::text(booked.description.clone()),
        order_cell,
        side(true),
        side(false),
        Cell::money(amount),
        Cell::text(amount.map(|amount| amount.currency.as_str().to_owned()).unwrap_or_default()),
        Cell::text(booked.id.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_says_who_got_and_who_gave_and_how_much() {
        let booked = Listed {
            id: uuid::Uuid::from_u128(7),
            order_code: Some("ABCD2345".into()),
            description: "sale".into(),
            posted_at: OffsetDateTime::UNIX_EPOCH,
            entries: vec![
                ("Stripe account".into(), Money::kes(1900)),
                ("Fees".into(), Money::kes(100)),
                ("Sales".into(), Money::kes(-2000)),
            ],
        };
        let row = row(&booked, OffsetDateTime::UNIX_EPOCH);
        let texts: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts.len(), Ledger::LIST.columns.len());
        assert_eq!(texts[3..6], ["Stripe account KSh 19; Fees KSh 1", "Sales KSh 20", "KSh 20"]);
        assert_eq!(row.cells[5].value, "20.00");
    }
}
