//! `/admin/orders`: what customers wanted to buy, and what became of it, the newest first.

use shared::staff::{Permission, Role, SiteScope};
use shared::time::OffsetDateTime;
use store::StoreError;
use store::listing::orders::{self, Filter, Listed, SORTS, STATES};
use store::listing::{Slice, Window};
use uuid::Uuid;

use crate::App;
use crate::admin::listing::{Asked, Cell, Column, List, Listing, Row, column, phone};
use crate::admin::page::Tab;
use crate::admin::words::{Said, Tone, said};
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// Characters of an order's code at most.
const LONGEST_CODE: usize = 12;

/// Which orders are looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Orders {
    filter: Filter,
    sites: SiteScope,
    role: Role,
}

impl Orders {
    /// Those of a customer.
    pub(in crate::admin) fn of(customer: Uuid, role: Role, sites: SiteScope) -> Orders {
        Orders { filter: Filter { customer: Some(customer), ..Filter::default() }, sites, role }
    }
}

const COLUMNS: &[Column] = &[
    column("When", "made").sorted("made"),
    column("Order", "order"),
    column("Customer", "phone"),
    column("Package", "package"),
    column("Amount", "amount").number(),
    column("Currency", "currency").only_in_file(),
    column("State", "state"),
    column("Router", "router"),
    column("Paid", "paid").only_in_file(),
];

impl Listing for Orders {
    const LIST: List = List {
        path: "/admin/orders",
        title: "Orders",
        tab: Tab::Payments,
        columns: COLUMNS,
        sorts: &SORTS,
        views: super::payments::VIEWS,
        nothing: "There is no such order.",
        has_phones: true,
        refresh: None,
    };

    async fn read(app: &App, staff: &Staff, asked: &mut Asked) -> Result<Orders, StoreError> {
        let role = staff.admin.role;
        let code = asked.text("order", "Order", LONGEST_CODE).map(|code| code.to_uppercase());
        let phone = number(role, asked);
        let state = asked.choice("state", "State", "All", &super::words(&STATES));
        let packages = store::package::all(&app.db).await?;
        let packages: Vec<(String, String)> = packages.into_iter().map(|p| (p.id.to_string(), p.name)).collect();
        let package = asked.choice("package", "Package", "All", &packages).and_then(|id| id.parse().ok());
        let (from, until) = asked.days();
        let filter = Filter { code, phone, customer: None, state, package, from, until };
        Ok(Orders { filter, sites: staff.sites().clone(), role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        let slice = orders::page(&app.db, &self.filter, &self.sites, window).await?;
        Ok(slice.map(|order| row(&order, role, now)))
    }
}

/// The customer's number that is looked for. Whoever does not see numbers looks for none.
pub(super) fn number(role: Role, asked: &mut Asked) -> Option<String> {
    if role.may(Permission::SeePeople) {
        return asked.phone("phone", "Customer's number");
    }
    if asked.has("phone") {
        asked.refuse(Permission::SeePeople.sentence());
    }
    None
}

fn row(order: &Listed, role: Role, now: OffsetDateTime) -> Row {
    let customer = format!("/admin/customers/{}", id::spell(Kind::Customer, order.customer));
    // A currency that is none is a fault of the row, not of the list.
    let amount = order.amount().ok();
    Row::new(vec![
        Cell::moment(Some(order.created_at), now),
        Cell::text(order.code.clone()).link(format!("/admin/payments?order={}", order.code)).story(
            role,
            "order",
            &order.code,
        ),
        Cell::text(phone(role, &order.phone)).link(customer),
        Cell::text(order.package.clone()),
        Cell::money(amount),
        Cell::text(amount.map(|amount| amount.currency.as_str().to_owned()).unwrap_or_default()),
        Cell::state(&state(&order.state)).small(order.reason.replace('_', " ")).value(order.state.clone()),
        Cell::text(order.nas.clone().unwrap_or_default()),
        Cell::moment(order.paid_at, now),
    ])
}

/// Where an order stands.
fn state(state: &str) -> Said {
    match state {
        "paid" => said(Tone::Good, "paid"),
        "refund_due" => said(Tone::Bad, "paid, a refund is due"),
        "created" => said(Tone::Busy, "begun"),
        "prompted" => said(Tone::Busy, "waiting for the customer"),
        "unknown" => said(Tone::Busy, "not known yet: we are asking"),
        "confirming" => said(Tone::Busy, "said to be paid: we are checking"),
        "failed" => said(Tone::Plain, "not paid"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_words() {
        for known in STATES {
            assert_ne!(state(known).text, "unknown state", "{known}");
        }
        assert_eq!(state("refund_due").tone, Tone::Bad);
    }
}
