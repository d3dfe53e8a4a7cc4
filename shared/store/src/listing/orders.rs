//! The list of orders, the newest first: what was bought, by whom, where, and how it ended. It is read from page to page by an index, and
//! changes nothing.

use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window};
use crate::money::money;
use crate::{Db, Result};

/// What orders can be sorted by.
pub const SORTS: [Sort; 1] =
    [Sort { name: "made", descending: true, column: ("o.created_at", "timestamptz"), tie: ("o.id", "uuid") }];
/// The states of an order.
pub const STATES: [&str; 7] = ["created", "prompted", "unknown", "confirming", "paid", "failed", "refund_due"];

/// Which orders.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The one with this code.
    pub code: Option<String>,
    /// Those from this number, in E.164.
    pub phone: Option<String>,
    /// Those of this customer.
    pub customer: Option<Uuid>,
    /// Those in this state, one of [`STATES`].
    pub state: Option<String>,
    /// Those of this package.
    pub package: Option<Uuid>,
    /// Those that were made then or later, and before.
    pub from: Option<OffsetDateTime>,
    /// The end of that time.
    pub until: Option<OffsetDateTime>,
}

/// An order.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Identity.
    pub id: Uuid,
    /// The code that its customer knows.
    pub code: String,
    /// Who pays.
    pub customer: Uuid,
    /// The number in E.164.
    pub phone: String,
    /// The package's name.
    pub package: String,
    amount_minor: i64,
    currency: String,
    /// Its state, one of [`STATES`].
    pub state: String,
    /// Why it is so, in a word; empty: there is no more to say.
    pub reason: String,
    /// The router's name.
    pub nas: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was paid.
    pub paid_at: Option<OffsetDateTime>,
}

impl Listed {
    /// What it costs.
    ///
    /// # Errors
    /// If its currency is none.
    pub fn amount(&self) -> Result<Money> {
        money("orders", self.id, self.amount_minor, &self.currency)
    }
}

/// The orders of a window.
pub async fn page(db: &Db, filter: &Filter, sites: &SiteScope, window: &Window) -> Result<Slice<Listed>> {
    let mut statement = Statement::new(
        "o.id, o.code, o.user_id AS customer, o.phone, o.package->>'name' AS package, o.amount_minor, o.currency::text AS currency, o.state,
         o.reason, n.name AS nas, o.created_at, o.paid_at",
        "orders o LEFT JOIN nas n ON n.id = o.nas_id",
        window.sort,
    );
    statement.at("o.nas_id", sites);
    statement.when("o.code = ?", filter.code.clone());
    statement.when("o.user_id = (SELECT id FROM users WHERE phone = ?)", filter.phone.clone());
    statement.when("o.user_id = ?", filter.customer);
    statement.when("o.state = ?", filter.state.clone());
    statement.when("o.package_id = ?", filter.package);
    statement.when("o.created_at >= ?", filter.from);
    statement.when("o.created_at < ?", filter.until);
    statement.page(db, window).await
}
