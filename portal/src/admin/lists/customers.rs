//! `/admin/customers`: who has bought, the newest first, looked for by number, name or device. One of them with all that there is:
//! [`super::super::customer`].

use store::StoreError;
use store::listing::customers::{self, Filter, Listed, SORTS, Search};
use store::listing::{Slice, Window};

use crate::App;
use crate::admin::listing::{Asked, Cell, List, Listing, Row, column, phone};
use crate::admin::page::Tab;
use crate::admin::words::{Said, Tone, said};
use crate::api::id::{self, Kind};
use crate::session::Staff;
use shared::staff::{Permission, Role};

/// Characters of a name that is looked for.
const LONGEST_NAME: usize = 100;
const ACTIVE: &str = "active";
const SUSPENDED: &str = "suspended";

/// Who is looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Customers {
    filter: Filter,
    role: Role,
}

impl Listing for Customers {
    const LIST: List = List {
        path: "/admin/customers",
        title: "Customers",
        tab: Tab::Customers,
        columns: &[
            column("Number", "phone").sorted("phone"),
            column("Name", "name"),
            column("Has now", "package"),
            column("Language", "language"),
            column("May sign in", "status"),
            column("Since", "since").sorted("since"),
            column("Identity", "id").only_in_file(),
        ],
        sorts: &SORTS,
        views: &[("/admin/customers", "Customers"), ("/admin/devices", "Devices")],
        nothing: "There is no such customer.",
        has_phones: true,
        refresh: None,
    };

    async fn read(_: &App, staff: &Staff, asked: &mut Asked) -> Result<Customers, StoreError> {
        let role = staff.admin.role;
        let mut searches = Vec::new();
        // Whoever sees no numbers must not find them out by looking for more and more of one. The same for names.
        if role.may(Permission::SeePeople) {
            searches.extend(asked.phone_begin("phone", "Number, or its beginning").map(Search::PhoneBegins));
            searches.extend(asked.phone_end("end", "Last digits of the number").map(Search::PhoneEnds));
            searches.extend(asked.text("name", "Beginning of the name", LONGEST_NAME).map(Search::Name));
        } else if asked.has("phone") || asked.has("end") || asked.has("name") {
            asked.refuse(Permission::SeePeople.sentence());
        }
        searches.extend(asked.mac("mac", "Device").map(Search::Device));
        if searches.len() > 1 {
            asked.refuse("Look for one of these at a time: a number, its end, a name or a device.".into());
        }
        let states = super::words(&[ACTIVE, SUSPENDED]);
        let is_active = asked.choice("status", "May sign in", "All", &states).map(|status| status == ACTIVE);
        Ok(Customers { filter: Filter { search: searches.pop(), is_active }, role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        let slice = customers::page(&app.db, &self.filter, window).await?;
        Ok(slice.map(|customer| row(&customer, role, now)))
    }
}

fn row(customer: &Listed, role: Role, now: shared::time::OffsetDateTime) -> Row {
    let spelt = id::spell(Kind::Customer, customer.id);
    Row::new(vec![
        Cell::text(phone(role, &customer.phone)).link(format!("/admin/customers/{spelt}")),
        Cell::text(name(role, &customer.name)),
        Cell::text(customer.package.clone().unwrap_or_default()),
        Cell::text(customer.locale.clone()),
        Cell::state(&status(customer.is_active)).value(if customer.is_active { ACTIVE } else { SUSPENDED }),
        Cell::moment(Some(customer.created_at), now),
        Cell::text(spelt),
    ])
}

/// A name as that role may see it.
pub(in crate::admin) fn name(role: Role, name: &str) -> String {
    match name.chars().next() {
        Some(first) if !role.may(Permission::SeePeople) => format!("{first}…"),
        _ => name.to_owned(),
    }
}

/// Whether somebody may sign in, in words.
pub(in crate::admin) fn status(is_active: bool) -> Said {
    if is_active { said(Tone::Plain, "yes") } else { said(Tone::Bad, "suspended") }
}

#[cfg(test)]
mod tests {
    use shared::time::OffsetDateTime;

    use super::*;

    fn customer() -> Listed {
        Listed {
            id: uuid::Uuid::from_u128(7),
            phone: "+254712345678".into(),
            name: "Asha".into(),
            locale: "sw".into(),
            is_active: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            package: None,
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column_and_hides_people_from_some() {
        for (role, number, name) in [(Role::Support, "+254712345678", "Asha"), (Role::Cashier, "07xx xxx 678", "A…")]
        {
            let row = row(&customer(), role, OffsetDateTime::UNIX_EPOCH);
            assert_eq!(row.cells.len(), Customers::LIST.columns.len());
            assert_eq!((row.cells[0].value.as_str(), row.cells[1].value.as_str()), (number, name), "{role}");
            assert!(row.cells.iter().all(|cell| role.may(Permission::SeePeople) || !cell.value.contains("712345678")));
        }
    }
}
