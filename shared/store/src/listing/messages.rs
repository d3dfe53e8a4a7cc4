//! The list of what customers were told: the newest first.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window};
use crate::money::money;
use crate::{Db, Result};

/// What messages can be sorted by.
pub const SORTS: [Sort; 1] =
    [Sort { name: "made", descending: true, column: ("m.created_at", "timestamptz"), tie: ("m.id", "uuid") }];
/// The states of a message.
pub const STATES: [&str; 7] = ["pending", "sent", "delivered", "undelivered", "failed", "expired", "skipped"];

/// Which messages.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Those to this number, in E.164.
    pub phone: Option<String>,
    /// Those to this customer.
    pub customer: Option<Uuid>,
    /// Those in this state, one of [`STATES`].
    pub state: Option<String>,
    /// Those that were made then or later, and before.
    pub from: Option<OffsetDateTime>,
    /// The end of that time.
    pub until: Option<OffsetDateTime>,
}

/// A message.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    id: Uuid,
    /// What kind of news it is.
    pub name: String,
    /// To whom.
    pub customer: Uuid,
    /// The number in E.164.
    pub phone: String,
    /// How far it has come, one of [`STATES`].
    pub state: String,
    /// Why it was not sent, or not delivered; empty: nothing to say.
    pub detail: String,
    /// By whom it was sent.
    pub provider: Option<String>,
    /// Messages that the provider made of it.
    pub segments: Option<i32>,
    cost_minor: Option<i64>,
    currency: Option<String>,
    /// When it became news.
    pub created_at: OffsetDateTime,
    /// When it was sent.
    pub sent_at: Option<OffsetDateTime>,
}

impl Listed {
    /// What it cost, as far as the provider tells.
    ///
    /// # Errors
    /// If its currency is none.
    pub fn cost(&self) -> Result<Option<Money>> {
        let cost = self.cost_minor.zip(self.currency.as_deref());
        cost.map(|(minor, currency)| money("notifications", self.id, minor, currency)).transpose()
    }
}

/// The messages of a window.
pub async fn page(db: &Db, filter: &Filter, window: &Window) -> Result<Slice<Listed>> {
    let mut statement = Statement::new(
        "m.id, m.template AS name, m.user_id AS customer, u.phone, m.state, m.detail, m.provider, m.segments, m.cost_minor,
         m.currency::text AS currency, m.created_at, m.sent_at",
        "notifications m JOIN users u ON u.id = m.user_id",
        window.sort,
    );
    statement.when("m.user_id = (SELECT id FROM users WHERE phone = ?)", filter.phone.clone());
    statement.when("m.user_id = ?", filter.customer);
    statement.when("m.state = ?", filter.state.clone());
    statement.when("m.created_at >= ?", filter.from);
    statement.when("m.created_at < ?", filter.until);
    statement.page(db, window).await
}
