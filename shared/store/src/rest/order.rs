//! Orders, as programs read them: each with its package as it was sold, its amount and its state. Programs make none: customers do.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::money::money;
use crate::{Db, Result, StoreError};

/// An order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Its identity.
    pub id: Uuid,
    /// Its code for people.
    pub code: String,
    /// Where it stands.
    pub state: String,
    /// Why it failed, as the provider's code; empty otherwise.
    pub reason: String,
    /// Whose it is.
    pub user: Uuid,
    /// Who pays.
    pub phone: String,
    /// The package.
    pub package: Uuid,
    /// That one's name, as it was.
    pub package_name: String,
    /// Which version of it was bought; `None`: it had none.
    pub package_version: Option<i32>,
    /// What is paid.
    pub amount: Money,
    /// The price before discounts, where there were some.
    pub full: Option<Money>,
    /// The device that goes online.
    pub mac: Option<String>,
    /// The router at which it was made.
    pub nas: Option<Uuid>,
    /// What was granted for it.
    pub entitlement: Option<Uuid>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was paid.
    pub paid_at: Option<OffsetDateTime>,
}

struct Row {
    id: Uuid,
    code: String,
    state: String,
    reason: String,
    user: Uuid,
    phone: String,
    package: Uuid,
    package_name: String,
    package_version: Option<i32>,
    amount_minor: i64,
    full_minor: Option<i64>,
    currency: String,
    mac: Option<String>,
    nas: Option<Uuid>,
    entitlement: Option<Uuid>,
    created_at: OffsetDateTime,
    paid_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Order {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Order> {
        let amount = money("orders", row.id, row.amount_minor, &row.currency)?;
        Ok(Order {
            full: row.full_minor.map(|minor| Money { minor, ..amount }),
            amount,
            id: row.id,
            code: row.code,
            state: row.state,
            reason: row.reason,
            user: row.user,
            phone: row.phone,
            package: row.package,
            package_name: row.package_name,
            package_version: row.package_version,
            mac: row.mac,
            nas: row.nas,
            entitlement: row.entitlement,
            created_at: row.created_at,
            paid_at: row.paid_at,
        })
    }
}

/// Orders, by what follows the table's name.
macro_rules! orders {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT o.id, o.code, o.state, o.reason, o.user_id AS "user", o.phone, o.package_id AS package,
                      o.package->>'name' AS "package_name!", o.package_version, o.amount_minor, o.full_minor, o.currency,
                      upper(o.mac::text) AS mac, o.nas_id AS nas,
                      coalesce((SELECT e.id FROM entitlements e WHERE e.order_id = o.id),
                               (SELECT c.entitlement_id FROM entitlement_changes c WHERE c.order_id = o.id LIMIT 1)) AS entitlement,
                      o.created_at, o.paid_at
               FROM orders o "# + $rest,
            $($argument),+
        )
    };
}

/// A page of orders, or of those of a customer, or in a state.
pub async fn list(db: &Db, user: Option<Uuid>, state: Option<&str>, after: After, limit: u32) -> Result<Vec<Order>> {
    orders!(
        "WHERE o.created_at <= $1 AND (o.created_at < $1 OR o.id > $2)
           AND ($3::uuid IS NULL OR o.user_id = $3) AND ($4::text IS NULL OR o.state = $4)
         ORDER BY o.created_at DESC, o.id LIMIT $5",
        after.at,
        after.id,
        user as Option<Uuid>,
        state,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Order::try_from)
    .collect()
}

/// One order.
pub async fn get(db: &Db, id: Uuid) -> Result<Order> {
    orders!("WHERE o.id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("order", id))?
        .try_into()
}
