//! The list of devices that use, or used, a package: the one that was bound last first.

use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window};
use crate::{Db, Result};

/// What devices can be sorted by. A device is bound to a package once, so the two together are its identity here.
pub const SORTS: [Sort; 1] = [Sort {
    name: "bound",
    descending: true,
    column: ("d.bound_at", "timestamptz"),
    tie: ("(d.entitlement_id::text || d.mac::text)", "text"),
}];

/// Which devices.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The one with this address.
    pub mac: Option<Mac>,
    /// Those of this customer.
    pub customer: Option<Uuid>,
}

/// A device and what it uses.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Its address.
    pub mac: String,
    /// What its owner calls it.
    pub label: String,
    /// The package that it uses.
    pub package: String,
    /// How that stands: `active`, `exhausted`, `expired` or `revoked`.
    pub state: String,
    /// Whose it is; nobody's is a voucher's.
    pub customer: Option<Uuid>,
    /// The owner's number in E.164.
    pub phone: Option<String>,
    /// Since when it uses that.
    pub bound_at: OffsetDateTime,
}

/// The devices of a window.
pub async fn page(db: &Db, filter: &Filter, window: &Window) -> Result<Slice<Listed>> {
    let mut statement = Statement::new(
        "d.mac::text AS mac, coalesce((SELECT v.label FROM devices v WHERE v.user_id = e.user_id AND v.mac = d.mac), '') AS label,
         e.package_name AS package, e.state, e.user_id AS customer, u.phone, d.bound_at",
        "entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id LEFT JOIN users u ON u.id = e.user_id",
        window.sort,
    );
    statement.when("d.mac = ?::text::macaddr", filter.mac.map(|mac| mac.to_string()));
    statement.when("d.entitlement_id = ANY (ARRAY(SELECT id FROM entitlements WHERE user_id = ?))", filter.customer);
    statement.page(db, window).await
}
