//! `/admin/customers/{id}`: one customer, and all that there is: what was bought, on which devices it is used, what was ordered, who was online
//! when, what was told. Of each the newest; the lists have the rest.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::listing::customers::{self, Bought};
use store::listing::{Slice, Sort, Window};
use store::user::User;

use super::Refusal;
use super::listing::{Cell, Column, Listing, Row, Table, column, phone};
use super::lists::customers::{name, status};
use super::lists::devices::{Devices, state};
use super::lists::messages::Messages;
use super::lists::orders::Orders;
use super::lists::sessions::{Ended, Online};
use super::page::{Page, Tab, answer, style};
use super::words;
use crate::App;
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// How many of each are shown.
const SHOWN: u32 = 10;
const BOUGHT: &[Column] = &[
    column("Package", "package"),
    column("State", "state"),
    column("Bought", "bought"),
    column("Began", "began"),
    column("Ends", "ends"),
    column("Used", "octets").number(),
];

#[derive(Debug, Template)]
#[template(path = "admin/customer.html")]
pub(super) struct Customer {
    page: Page,
    style: String,
    title: String,
    /// The identity, as addresses have it.
    id: String,
    facts: Vec<(&'static str, String)>,
    parts: Vec<Part>,
}

/// A part of what there is.
#[derive(Debug)]
struct Part {
    title: &'static str,
    /// Said where there is nothing.
    nothing: &'static str,
    /// Where all of them are: address and words; empty: these are all.
    all: (String, &'static str),
    /// One, or none.
    tables: Vec<Table>,
}

/// `GET /admin/customers/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(customer): Path<String>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let customer = id::read(Kind::Customer, &customer).ok_or(Refusal::NotFound)?;
    let (role, sites, now) = (staff.admin.role, staff.sites(), app.clock.now());
    let user = store::user::get(&app.db, customer).await?;
    let since = customers::since(&app.db, customer).await?;
    let bought = customers::bought(&app.db, customer, SHOWN).await?;
    let mut parts = vec![
        bought_part(&bought, now),
        part(&app, &Online::of(customer, role, sites.clone()), "Online now", "Not online.").await?,
        part(&app, &Devices::of(customer, role), "Devices", "No device has used anything.").await?,
    ];
    if staff.may(Permission::SeeMoney) {
        let orders = Orders::of(customer, role, sites.clone());
        let orders = part(&app, &orders, "Orders", "Nothing was ordered.").await?;
        parts.push(Part { all: of_number(&user, role, "/admin/orders", "All orders"), ..orders });
    }
    let ended =
        part(&app, &Ended::of(customer, role, sites.clone()), "Ended sessions", "No session has ended.").await?;
    parts.push(Part { all: of_number(&user, role, "/admin/sessions/ended", "All ended sessions"), ..ended });
    let messages = part(&app, &Messages::to(customer, role), "Messages", "Nothing was told.").await?;
    parts.push(Part { all: of_number(&user, role, "/admin/messages", "All messages"), ..messages });
    let page = Customer {
        title: format!("Customer {}", phone(role, user.phone.as_str())),
        id: id::spell(Kind::Customer, user.id),
        facts: facts(&user, since, role, now),
        page: Page::new(&app, &staff, Tab::Customers),
        style: style(),
        parts,
    };
    answer(StatusCode::OK, &page)
}

fn facts(user: &User, since: OffsetDateTime, role: Role, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let proved = user.proved_at.map_or_else(|| "never".into(), |at| words::moment(at, now));
    vec![
        ("Number", phone(role, user.phone.as_str())),
        ("Name", name(role, &user.name)),
        ("Language", user.language.as_str().to_owned()),
        ("May sign in", status(user.is_active).text.to_owned()),
        ("Since", words::moment(since, now)),
        ("Proved to hold the phone", proved),
        ("Identity", id::spell(Kind::Customer, user.id)),
    ]
}

/// The address of a list that is asked for the customer's number; only for those who see it.
fn of_number(user: &User, role: Role, path: &str, label: &'static str) -> (String, &'static str) {
    let number: String = url::form_urlencoded::byte_serialize(user.phone.as_str().as_bytes()).collect();
    let address = if role.may(Permission::SeePeople) { format!("{path}?phone={number}") } else { String::new() };
    (address, label)
}

fn bought_part(bought: &[Bought], now: OffsetDateTime) -> Part {
    let octets = |octets: i64| words::data(u64::try_from(octets).unwrap_or(0));
    let row = |one: &Bought| {
        let used = Cell::text(octets(one.octets));
        Row::new(vec![
            Cell::text(one.package.clone()),
            Cell::state(&state(&one.state)),
            Cell::moment(Some(one.created_at), now),
            Cell::moment(one.starts_at, now),
            Cell::moment(one.expires_at, now),
            match one.quota {
                Some(quota) => used.small(format!("of {}", octets(quota))),
                None => used,
            },
        ])
    };
    Part {
        title: "Bought",
        nothing: "Nothing was bought.",
        all: (String::new(), ""),
        tables: some(Table::of(BOUGHT, bought.iter().map(row))),
    }
}

/// The first rows of a list.
async fn part<L: Listing>(app: &App, list: &L, title: &'static str, nothing: &'static str) -> Result<Part, Refusal> {
    let sort: Sort = *L::LIST.sorts.first().expect("a list has an order");
    let Slice { rows, .. } = list.rows(app, &Window::first(sort, SHOWN)).await?;
    let table = Table::of(L::LIST.columns, rows.into_iter().map(|(_, row)| row));
    Ok(Part { title, nothing, all: (String::new(), ""), tables: some(table) })
}

fn some(table: Table) -> Vec<Table> {
    if table.is_empty() { Vec::new() } else { vec![table] }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::language::Language;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Customer {
        let user = User {
            id: uuid::Uuid::from_u128(7),
            phone: "0712345678".parse().expect("a number"),
            name: HOSTILE.into(),
            language: Language::English,
            has_chosen_language: false,
            is_active: false,
            proved_at: None,
        };
        let bought = Bought {
            package: HOSTILE.into(),
            state: "active".into(),
            starts_at: None,
            expires_at: None,
            octets: 5,
            quota: Some(500_000_000),
            created_at: OffsetDateTime::UNIX_EPOCH,
        };
        let part = bought_part(&[bought], OffsetDateTime::UNIX_EPOCH);
        let all = of_number(&user, Role::Owner, "/admin/orders", "All orders");
        Customer {
            facts: facts(&user, OffsetDateTime::UNIX_EPOCH, Role::Owner, OffsetDateTime::UNIX_EPOCH),
            page,
            style: style(),
            title: HOSTILE.into(),
            id: id::spell(Kind::Customer, user.id),
            parts: vec![Part { all, ..part }, bought_part(&[], OffsetDateTime::UNIX_EPOCH)],
        }
    }

    #[test]
    fn a_number_is_in_no_address_for_those_who_do_not_see_it() {
        let page = sample(crate::admin::page::tests::page());
        assert_eq!(page.parts[0].all.0, "/admin/orders?phone=%2B254712345678");
        let html = page.render().expect("renders");
        assert!(html.contains("Nothing was bought.") && html.contains("of 500 MB"), "{html}");
    }
}
