//! The list of payments: the newest attempt to collect money first.

use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window};
use crate::money::money;
use crate::{Db, Result};

/// What payments can be sorted by.
pub const SORTS: [Sort; 1] =
    [Sort { name: "began", descending: true, column: ("y.created_at", "timestamptz"), tie: ("y.id", "uuid") }];
/// The states of a payment.
pub const STATES: [&str; 6] = ["created", "prompted", "unknown", "confirming", "succeeded", "failed"];
/// Who collects money.
pub const PROVIDERS: [&str; 4] = ["mpesa", "stripe", "voucher", "cash"];

/// Which payments.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The one with the provider's receipt.
    pub receipt: Option<String>,
    /// Those of the order with this code.
    pub order: Option<String>,
    /// Those from this number, in E.164.
    pub phone: Option<String>,
    /// Those in this state, one of [`STATES`].
    pub state: Option<String>,
    /// Those by this provider, one of [`PROVIDERS`].
    pub provider: Option<String>,
    /// Those that began then or later, and before.
    pub from: Option<OffsetDateTime>,
    /// The end of that time.
    pub until: Option<OffsetDateTime>,
}

/// A payment and its order.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Identity.
    pub id: Uuid,
    /// The order's code.
    pub order_code: String,
    /// The order's state.
    pub order_state: String,
    /// Who pays.
    pub customer: Uuid,
    /// The number in E.164.
    pub phone: String,
    /// The package's name.
    pub package: String,
    amount_minor: i64,
    currency: String,
    /// Who collects it.
    pub provider: String,
    /// Its state, one of [`STATES`].
    pub state: String,
    /// The provider's receipt.
    pub receipt: Option<String>,
    /// What the provider says, if it failed.
    pub result: Option<String>,
    told_minor: Option<i64>,
    /// Whether money of it has gone back.
    pub is_given_back: bool,
    /// When it began.
    pub created_at: OffsetDateTime,
}

impl Listed {
    /// How much it is.
    ///
    /// # Errors
    /// If its currency is none.
    pub fn amount(&self) -> Result<Money> {
        money("payments", self.id, self.amount_minor, &self.currency)
    }

    /// Another amount than is booked, which a report told later.
    ///
    /// # Errors
    /// If its currency is none.
    pub fn told(&self) -> Result<Option<Money>> {
        self.told_minor.map(|minor| money("payments", self.id, minor, &self.currency)).transpose()
    }
}

/// The payments of a window.
pub async fn page(db: &Db, filter: &Filter, sites: &SiteScope, window: &Window) -> Result<Slice<Listed>> {
    let mut statement = Statement::new(
        "y.id, o.code AS order_code, o.state AS order_state, o.user_id AS customer, o.phone, o.package->>'name' AS package,
         y.amount_minor, y.currency::text AS currency, y.provider, y.state, y.receipt, y.result_text AS result,
         y.told_minor, EXISTS (SELECT FROM refunds r WHERE r.payment_id = y.id AND r.state = 'done') AS is_given_back, y.created_at",
        "payments y JOIN orders o ON o.id = y.order_id",
        window.sort,
    );
    statement.at("o.nas_id", sites);
    // The index begins with the provider.
    statement.when("y.provider = ANY ('{mpesa,stripe,card,voucher,cash}') AND y.receipt = ?", filter.receipt.clone());
    statement.when("y.order_id = (SELECT id FROM orders WHERE code = ?)", filter.order.clone());
    statement.when(
        "y.order_id = ANY (ARRAY(SELECT r.id FROM orders r JOIN users u ON u.id = r.user_id WHERE u.phone = ?))",
        filter.phone.clone(),
    );
    statement.when("y.state = ?", filter.state.clone());
    statement.when("y.provider = ?", filter.provider.clone());
    statement.when("y.created_at >= ?", filter.from);
    statement.when("y.created_at < ?", filter.until);
    statement.page(db, window).await
}
