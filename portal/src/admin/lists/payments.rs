//! `/admin/payments`: attempts to collect money, what became of them, and their receipts, the newest first. Each leads to its own page, from
//! which its money is given back.

use shared::staff::{Role, SiteScope};
use shared::time::OffsetDateTime;
use store::StoreError;
use store::listing::payments::{self, Filter, Listed, PROVIDERS, SORTS, STATES};
use store::listing::{Slice, Window};

use super::orders::number;
use crate::App;
use crate::admin::listing::{Asked, Cell, List, Listing, Row, column, phone};
use crate::admin::page::Tab;
use crate::admin::payment as payment_page;
use crate::admin::words::{self, Tone, said};
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// Seconds after which the page loads itself again.
const REFRESH: u32 = 15;
/// Characters of an order's code, and of a receipt.
const LONGEST: (usize, usize) = (12, 64);

/// What stands beside each other under payments.
pub(in crate::admin) const VIEWS: &[(&str, &str)] = &[
    ("/admin/payments", "Payments"),
    ("/admin/orders", "Orders"),
    ("/admin/money", "Unmatched"),
    ("/admin/money/all", "All receipts"),
    ("/admin/ledger", "Ledger"),
];

/// Which payments are looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Payments {
    filter: Filter,
    sites: SiteScope,
    role: Role,
}

impl Listing for Payments {
    const LIST: List = List {
        path: "/admin/payments",
        title: "Payments",
        tab: Tab::Payments,
        columns: &[
            column("When", "began").sorted("began"),
            column("Customer", "phone"),
            column("Package", "package"),
            column("Amount", "amount").number(),
            column("Currency", "currency").only_in_file(),
            column("By", "provider"),
            column("State", "state"),
            column("Receipt", "receipt"),
            column("Order", "order"),
        ],
        sorts: &SORTS,
        views: VIEWS,
        nothing: "There is no such payment.",
        has_phones: true,
        refresh: Some(REFRESH),
    };

    async fn read(_: &App, staff: &Staff, asked: &mut Asked) -> Result<Payments, StoreError> {
        let role = staff.admin.role;
        let receipt = asked.text("receipt", "Receipt", LONGEST.1);
        let order = asked.text("order", "Order", LONGEST.0).map(|code| code.to_uppercase());
        let phone = number(role, asked);
        let state = asked.choice("state", "State", "All", &super::words(&STATES));
        let provider = asked.choice("provider", "By", "All", &super::words(&PROVIDERS));
        let (from, until) = asked.days();
        let filter = Filter { receipt, order, phone, state, provider, from, until };
        Ok(Payments { filter, sites: staff.sites().clone(), role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        let slice = payments::page(&app.db, &self.filter, &self.sites, window).await?;
        Ok(slice.map(|payment| row(&payment, role, now)))
    }

    async fn notes(&self, app: &App) -> Result<Vec<String>, StoreError> {
        let waiting = store::unmatched::count_waiting(&app.db).await?;
        Ok(match waiting {
            0 => Vec::new(),
            1 => vec!["1 receipt waits under Unmatched: nobody knows what it is for.".into()],
            more => vec![format!("{more} receipts wait under Unmatched: nobody knows what they are for.")],
        })
    }
}

fn row(payment: &Listed, role: Role, now: OffsetDateTime) -> Row {
    let customer = format!("/admin/customers/{}", id::spell(Kind::Customer, payment.customer));
    let amount = payment.amount().ok();
    let state = match payment.is_given_back {
        true => said(Tone::Plain, "given back"),
        false => words::payment(&payment.provider, &payment.state, &payment.order_state),
    };
    let told = payment.told().ok().flatten();
    let told = told.map(|told| format!("M-Pesa told {told} later: look at its statement")).unwrap_or_default();
    Row::new(vec![
        Cell::moment(Some(payment.created_at), now),
        Cell::text(phone(role, &payment.phone)).link(customer),
        Cell::text(payment.package.clone()),
        Cell::money(amount).link(payment_page::path(payment.id)),
        Cell::text(amount.map(|amount| amount.currency.as_str().to_owned()).unwrap_or_default()),
        Cell::text(method(&payment.provider)).value(payment.provider.clone()),
        Cell::state(&state).small(payment.result.clone().unwrap_or_default()).alarm(told).value(payment.state.clone()),
        Cell::code(payment.receipt.clone().unwrap_or_default()),
        Cell::text(payment.order_code.clone()).link(format!("/admin/orders?order={}", payment.order_code)).story(
            role,
            "order",
            &payment.order_code,
        ),
    ])
}

/// Who collects it, in words; the others are words already.
fn method(provider: &str) -> &str {
    match words::method(provider) {
        "" => provider,
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_its_word() {
        assert_eq!(PROVIDERS.map(method), ["M-Pesa", "Card", "voucher", "cash"]);
    }
}
