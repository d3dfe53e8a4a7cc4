//! `/admin/devices`: which device uses, or used, which package, the one that came last first.

use shared::staff::Role;
use store::StoreError;
use store::listing::devices::{self, Filter, Listed, SORTS};
use store::listing::{Slice, Window};
use uuid::Uuid;

use crate::App;
use crate::admin::listing::{Asked, Cell, Column, List, Listing, Row, column, phone};
use crate::admin::page::Tab;
use crate::admin::words::{Said, Tone, said};
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// Which devices are looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Devices {
    filter: Filter,
    role: Role,
}

impl Devices {
    /// Those of a customer.
    pub(in crate::admin) fn of(customer: Uuid, role: Role) -> Devices {
        Devices { filter: Filter { customer: Some(customer), ..Filter::default() }, role }
    }
}

const COLUMNS: &[Column] = &[
    column("Device", "device"),
    column("Called", "label"),
    column("Customer", "phone"),
    column("Package", "package"),
    column("State", "state"),
    column("Since", "since").sorted("bound"),
];

impl Listing for Devices {
    const LIST: List = List {
        path: "/admin/devices",
        title: "Devices",
        tab: Tab::Customers,
        columns: COLUMNS,
        sorts: &SORTS,
        views: &[("/admin/customers", "Customers"), ("/admin/devices", "Devices")],
        nothing: "There is no such device.",
        has_phones: true,
        refresh: None,
    };

    async fn read(_: &App, staff: &Staff, asked: &mut Asked) -> Result<Devices, StoreError> {
        let mac = asked.mac("mac", "Device");
        Ok(Devices { filter: Filter { mac, customer: None }, role: staff.admin.role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        Ok(devices::page(&app.db, &self.filter, window).await?.map(|device| row(&device, role, now)))
    }
}

fn row(device: &Listed, role: Role, now: shared::time::OffsetDateTime) -> Row {
    let owner = match (&device.phone, device.customer) {
        (Some(number), Some(customer)) => {
            let address = format!("/admin/customers/{}", id::spell(Kind::Customer, customer));
            Cell::text(phone(role, number)).link(address)
        }
        _ => Cell::text("").small("a voucher's"),
    };
    Row::new(vec![
        Cell::code(device.mac.to_uppercase()).story(role, "device", &device.mac),
        Cell::text(device.label.clone()),
        owner,
        Cell::text(device.package.clone()),
        Cell::state(&state(&device.state)).value(device.state.clone()),
        Cell::moment(Some(device.bound_at), now),
    ])
}

/// How what somebody has bought stands.
pub(in crate::admin) fn state(state: &str) -> Said {
    match state {
        "active" => said(Tone::Good, "can be used"),
        "exhausted" => said(Tone::Plain, "used up"),
        "expired" => said(Tone::Plain, "over"),
        "revoked" => said(Tone::Bad, "taken back"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

#[cfg(test)]
mod tests {
    use shared::time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_row_has_a_cell_for_each_column_and_a_voucher_no_owner() {
        let mut device = Listed {
            mac: "02:00:00:00:00:01".into(),
            label: "TV".into(),
            package: "1 hour".into(),
            state: "active".into(),
            customer: Some(Uuid::from_u128(7)),
            phone: Some("+254712345678".into()),
            bound_at: OffsetDateTime::UNIX_EPOCH,
        };
        let told = row(&device, Role::Cashier, OffsetDateTime::UNIX_EPOCH);
        assert_eq!((told.cells.len(), told.cells[2].text.as_str()), (COLUMNS.len(), "07xx xxx 678"));
        (device.customer, device.phone) = (None, None);
        assert_eq!(row(&device, Role::Owner, OffsetDateTime::UNIX_EPOCH).cells[2].small, "a voucher's");
    }
}
