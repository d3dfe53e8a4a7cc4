//! The list of customers: the newest first, or by number.

use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window, beginning};
use crate::{Db, Result, StoreError};

/// What customers can be sorted by.
pub const SORTS: [Sort; 2] = [
    Sort { name: "since", descending: true, column: ("u.created_at", "timestamptz"), tie: ("u.id", "uuid") },
    Sort { name: "phone", descending: false, column: ("u.phone", "text"), tie: ("u.id", "uuid") },
];

/// By what a customer is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Search {
    /// The number in E.164 begins so.
    PhoneBegins(String),
    /// The number ends in these digits.
    PhoneEnds(String),
    /// The name begins so, in any case.
    Name(String),
    /// Has, or had, this device.
    Device(Mac),
}

/// Which customers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Who is looked for.
    pub search: Option<Search>,
    /// Those who may sign in, or those who may not.
    pub is_active: Option<bool>,
}

/// A customer.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Identity.
    pub id: Uuid,
    /// The number in E.164.
    pub phone: String,
    /// The name, if one was given.
    pub name: String,
    /// The language of messages.
    pub locale: String,
    /// Whether the customer may sign in.
    pub is_active: bool,
    /// When the customer first came.
    pub created_at: OffsetDateTime,
    /// The newest package that may be used.
    pub package: Option<String>,
}

/// The customers of a window.
pub async fn page(db: &Db, filter: &Filter, window: &Window) -> Result<Slice<Listed>> {
    let mut statement = Statement::new(
        "u.id, u.phone, u.name, u.locale, u.status = 'active' AS is_active, u.created_at,
         (SELECT e.package_name FROM entitlements e WHERE e.user_id = u.id AND e.state = 'active'
          ORDER BY e.created_at DESC LIMIT 1) AS package",
        "users u",
        window.sort,
    );
    match &filter.search {
        None => {}
        Some(Search::PhoneBegins(digits)) => statement.when("u.phone LIKE ?", Some(beginning(digits))),
        Some(Search::PhoneEnds(digits)) => {
            let backwards: String = digits.chars().rev().collect();
            statement.when("reverse(u.phone) LIKE ?", Some(beginning(&backwards)));
        }
        Some(Search::Name(name)) => {
            statement.when("u.name <> '' AND lower(u.name) LIKE ?", Some(beginning(&name.to_lowercase())));
        }
        Some(Search::Device(mac)) => statement.when(
            "u.id = ANY (ARRAY(
                 SELECT o.user_id FROM (SELECT ?::text::macaddr AS mac) m, LATERAL (
                     SELECT d.user_id FROM devices d WHERE d.mac = m.mac
                     UNION SELECT e.user_id FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
                           WHERE d.mac = m.mac AND e.user_id IS NOT NULL) o))",
            Some(mac.to_string()),
        ),
    }
    match filter.is_active {
        None => {}
        Some(true) => statement.and("u.status = 'active'"),
        Some(false) => statement.and("u.status <> 'active'"),
    }
    statement.page(db, window).await
}

/// The customer with that number in E.164.
pub async fn by_phone(db: &Db, phone: &str) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone).fetch_optional(&db.pool).await?)
}

/// What a customer has bought, or was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bought {
    /// The package's name.
    pub package: String,
    /// How it stands: `active`, `exhausted`, `expired` or `revoked`.
    pub state: String,
    /// When its time began.
    pub starts_at: Option<OffsetDateTime>,
    /// When it is over.
    pub expires_at: Option<OffsetDateTime>,
    /// Octets that were used, both ways.
    pub octets: i64,
    /// Octets that may be used.
    pub quota: Option<i64>,
    /// When it was bought.
    pub created_at: OffsetDateTime,
}

/// What a customer has bought, the newest first.
pub async fn bought(db: &Db, customer: Uuid, limit: u32) -> Result<Vec<Bought>> {
    Ok(sqlx::query_as!(
        Bought,
        r#"SELECT e.package_name AS package, e.state, e.starts_at, e.expires_at,
                  e.used_input_octets + e.used_output_octets + coalesce(g.input_octets + g.output_octets, 0) AS "octets!",
                  e.quota_octets AS quota, e.created_at
           FROM entitlements e LEFT JOIN entitlement_usage g ON g.entitlement_id = e.id
           WHERE e.user_id = $1 ORDER BY e.created_at DESC LIMIT $2"#,
        customer,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// When a customer first came.
pub async fn since(db: &Db, customer: Uuid) -> Result<OffsetDateTime> {
    sqlx::query_scalar!("SELECT created_at FROM users WHERE id = $1", customer)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("customer", customer))
}
