//! Orders: a customer's wish, written down before any provider is called.

use shared::discount::WHOLE_UNIT;
use shared::language::Language;
use shared::mac::Mac;
use shared::money::Money;
use shared::phone::Phone;
use shared::rng;
use shared::sale::Texts;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::discount::{self, Asked, Gone};
use crate::money::money;
use crate::package::{Package, Purchases};
use crate::{Db, Result, StoreError, user};

/// Letters of an order's code. M-Pesa shows at most twelve, and people type it.
pub const CODE_LENGTH: usize = 8;

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderState {
    /// Written down; the provider has not answered yet.
    Created,
    /// The customer's phone was asked for the PIN.
    Prompted,
    /// We asked the provider and do not know whether it heard.
    Unknown,
    /// The provider says paid; we are checking.
    Confirming,
    /// Paid, and access granted.
    Paid,
    /// Not paid. A late payment can still change that.
    Failed,
    /// Paid, but no access can be given for it: the money belongs to the customer.
    RefundDue,
}

impl OrderState {
    const ALL: [OrderState; 7] = [
        OrderState::Created,
        OrderState::Prompted,
        OrderState::Unknown,
        OrderState::Confirming,
        OrderState::Paid,
        OrderState::Failed,
        OrderState::RefundDue,
    ];

    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderState::Created => "created",
            OrderState::Prompted => "prompted",
            OrderState::Unknown => "unknown",
            OrderState::Confirming => "confirming",
            OrderState::Paid => "paid",
            OrderState::Failed => "failed",
            OrderState::RefundDue => "refund_due",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<OrderState> {
        OrderState::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether news may still come by itself.
    pub fn is_waiting(self) -> bool {
        matches!(self, OrderState::Created | OrderState::Prompted | OrderState::Unknown | OrderState::Confirming)
    }
}

/// An order as its page shows it.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its identity.
    pub id: Uuid,
    /// The short code for people; also the login name of its one-time password.
    pub code: String,
    /// Where it stands.
    pub state: OrderState,
    /// Why it failed, as the provider's code; empty otherwise.
    pub reason: String,
    /// Whose it is.
    pub user_id: Uuid,
    /// Who pays.
    pub phone: Phone,
    /// The package.
    pub package_id: Uuid,
    /// Its name.
    pub package: String,
    /// Which version of it was bought; `None`: it had none.
    pub package_version: Option<u32>,
    /// Its words in the customers' languages, as they were.
    pub texts: Texts,
    /// What is paid.
    pub amount: Money,
    /// The device that will go online.
    pub mac: Option<Mac>,
    /// The router it stands behind.
    pub nas_id: Option<Uuid>,
    /// What the visit carried.
    pub visit: serde_json::Value,
    /// What was granted for it.
    pub entitlement: Option<Uuid>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was paid.
    pub paid_at: Option<OffsetDateTime>,
}

impl Order {
    /// The package's name for who reads that language.
    pub fn package_in(&self, language: Language) -> &str {
        self.texts.name(language, &self.package)
    }
}

/// What shall become of what was bought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// It is had beside what there is.
    New,
    /// It makes this one longer, of which it is one more.
    Extend(Uuid),
    /// It takes the place of this one at once, and what is left of that makes it longer.
    Upgrade(Uuid),
    /// Its clock begins when it is used, after what there is.
    Queue,
    /// Another one gets it, as a voucher; written by [`crate::for_another::place`] only.
    Another,
}

impl Wish {
    fn columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Wish::New => ("new", None),
            Wish::Extend(target) => ("extend", Some(target)),
            Wish::Upgrade(target) => ("upgrade", Some(target)),
            Wish::Queue => ("queue", None),
            Wish::Another => ("another", None),
        }
    }

    /// Reads the database's columns.
    pub(crate) fn of(wish: &str, target: Option<Uuid>) -> Wish {
        match (wish, target) {
            ("extend", Some(target)) => Wish::Extend(target),
            ("upgrade", Some(target)) => Wish::Upgrade(target),
            ("queue", _) => Wish::Queue,
            ("another", _) => Wish::Another,
            _ => Wish::New,
        }
    }
}

/// A wish to buy.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// Who pays.
    pub phone: &'a Phone,
    /// What.
    pub package: &'a Package,
    /// Behind which router.
    pub nas_id: Option<Uuid>,
    /// Which device goes online.
    pub mac: Option<Mac>,
    /// What the page must remember.
    pub visit: &'a serde_json::Value,
    /// What shall become of it.
    pub wish: Wish,
    /// At which site.
    pub site: Option<Uuid>,
    /// The code for a discount, as it was typed; blank is none.
    pub code: Option<&'a str>,
    /// The language of the page, for a customer who is new.
    pub language: Language,
}

/// Why an order is not made, or cannot be paid at its price any more, as a sentence for the customer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotPlaced {
    /// The person, or the device, has had the package as often as one may.
    #[error("{package} can be had {} only, and you have had it.", times(.most))]
    TooOften {
        /// The package's name.
        package: String,
        /// How often one may.
        most: u32,
    },
    /// The same within a day.
    #[error("{package} can be had {} a day. Please come back tomorrow.", times(.most))]
    TooOftenToday {
        /// The package's name.
        package: String,
        /// How often a day one may.
        most: u32,
    },
    /// What lowered the price is not to be had any more.
    #[error("The discount “{discount}” {gone}. Please look at the price again.")]
    Discount {
        /// The discount's name.
        discount: String,
        /// What became of it.
        gone: Gone,
    },
}

/// Writes an order down under an identity of the caller's, once: the same identity again finds the first order and
/// changes nothing. Returns whether it is new. So one form, sent twice or to two servers, makes one order.
///
/// # Errors
/// [`StoreError::NotPlaced`]: the package may not be bought so often, or a discount was used up just now. [`StoreError::Code`]:
/// the code does not count.
pub async fn place_once(db: &Db, id: Uuid, new: &NewOrder<'_>, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let is_new = place_in(&mut tx, id, new, now).await?;
    if is_new {
        tx.commit().await?;
    }
    Ok(is_new)
}

/// The same within a transaction, which is not to be committed if the order is not new.
pub(crate) async fn place_in(tx: &mut PgConnection, id: Uuid, new: &NewOrder<'_>, now: OffsetDateTime) -> Result<bool> {
    // The page remembers a language only where one was chosen.
    let is_chosen = new.visit.get("language").is_some_and(serde_json::Value::is_string);
    let user_id = user::ensure_in(&mut *tx, rng::id(now), new.phone, "", new.language, is_chosen, now).await?;
    // A form that was sent before is not refused for what it has used itself.
    let is_there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM orders WHERE id = $1) AS "exists!""#, id)
        .fetch_one(&mut *tx)
        .await?;
    if is_there {
        return Ok(false);
    }
    check_purchases(&mut *tx, id, user_id, new, now).await?;
    let asked = Asked { user: Some(user_id), mac: new.mac, site: new.site, code: new.code };
    let priced = discount::candidates_in(&mut *tx, asked, now).await?.price(new.package, WHOLE_UNIT);
    let priced = priced.map_err(StoreError::Code)?;
    let full = (!priced.applied.is_empty()).then_some(priced.full.minor);
    let is_new = write(&mut *tx, id, user_id, new, priced.pays, full, now).await?;
    if is_new {
        discount::reserve(&mut *tx, id, &priced.applied, now).await?;
    }
    Ok(is_new)
}

/// Writes an order of this price down, unless there is one with that identity. `full`: the price before discounts, where there
/// are some. Returns whether it is new.
pub(crate) async fn write(
    tx: &mut PgConnection,
    id: Uuid,
    user_id: Uuid,
    new: &NewOrder<'_>,
    price: Money,
    full: Option<i64>,
    now: OffsetDateTime,
) -> Result<bool> {
    let (wish, target) = new.wish.columns();
    let placed = sqlx::query!(
        "INSERT INTO orders (id, code, user_id, phone, package_id, amount_minor, currency, nas_id, mac, visit, created_at, updated_at,
                             package, wish, target_id, full_minor, package_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::macaddr, $10, $11, $11, $12, $13, $14, $15, NULLIF($16::integer, 0)) ON CONFLICT (id) DO NOTHING",
        id,
        rng::code(CODE_LENGTH),
        user_id,
        new.phone.as_str(),
        new.package.id,
        price.minor,
        price.currency.as_str(),
        new.nas_id,
        new.mac.map(|mac| mac.to_string()),
        new.visit,
        now,
        serde_json::to_value(new.package).map_err(|error| StoreError::corrupt("packages", &new.package.slug, error))?,
        wish,
        target,
        full,
        i32::try_from(new.package.version).unwrap_or(i32::MAX)
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(placed == 1)
}

/// Refuses one purchase too many of a package that a person, or a device, may buy so often. Orders that may still be paid
/// count. Others of the same person wait until this one stands, since the person's row is held.
async fn check_purchases(
    tx: &mut PgConnection,
    id: Uuid,
    user_id: Uuid,
    new: &NewOrder<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    let Purchases { ever, a_day } = new.package.purchases;
    if (ever, a_day) == (None, None) {
        return Ok(());
    }
    sqlx::query!("SELECT id FROM users WHERE id = $1 FOR UPDATE", user_id).fetch_optional(&mut *tx).await?;
    let mac = new.mac.map(|mac| mac.to_string());
    let made = sqlx::query!(
        r#"SELECT count(*) AS "ever!",
                  count(*) FILTER (WHERE created_at >= date_trunc('day', $5 AT TIME ZONE router_zone($6)) AT TIME ZONE router_zone($6)) AS "today!"
           FROM orders
           WHERE package_id = $3 AND id <> $4 AND state NOT IN ('failed', 'refund_due')
             AND (user_id = $1 OR mac = $2::text::macaddr)"#,
        user_id,
        mac,
        new.package.id,
        id,
        now,
        new.nas_id
    )
    .fetch_one(tx)
    .await?;
    let reached = |limit: Option<u32>, made: i64| limit.filter(|limit| made >= i64::from(*limit));
    let package = || new.package.name.clone();
    if let Some(most) = reached(ever, made.ever) {
        return Err(StoreError::NotPlaced(NotPlaced::TooOften { package: package(), most }));
    }
    if let Some(most) = reached(a_day, made.today) {
        return Err(StoreError::NotPlaced(NotPlaced::TooOftenToday { package: package(), most }));
    }
    Ok(())
}

fn times(most: &u32) -> String {
    match most {
        1 => "once".into(),
        2 => "twice".into(),
        more => format!("{more} times"),
    }
}

struct Row {
    id: Uuid,
    code: String,
    state: String,
    reason: String,
    user_id: Uuid,
    phone: String,
    package_id: Uuid,
    package: String,
    package_version: Option<i32>,
    texts: Option<serde_json::Value>,
    amount_minor: i64,
    currency: String,
    mac: Option<String>,
    nas_id: Option<Uuid>,
    visit: serde_json::Value,
    entitlement: Option<Uuid>,
    created_at: OffsetDateTime,
    paid_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Order {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Order> {
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("orders", &row.code, problem);
        Ok(Order {
            state: OrderState::parse(&row.state).ok_or_else(|| corrupt(&"unknown state"))?,
            phone: row.phone.parse().map_err(|error| corrupt(&error))?,
            amount: money("orders", &row.code, row.amount_minor, &row.currency)?,
            mac: row.mac.as_deref().map(str::parse).transpose().map_err(|error| corrupt(&error))?,
            texts: match row.texts {
                Some(texts) => serde_json::from_value(texts).map_err(|error| corrupt(&error))?,
                None => Texts::default(),
            },
            package_version: row.package_version.and_then(|version| u32::try_from(version).ok()),
            id: row.id,
            code: row.code,
            reason: row.reason,
            user_id: row.user_id,
            package_id: row.package_id,
            package: row.package,
            nas_id: row.nas_id,
            visit: row.visit,
            entitlement: row.entitlement,
            created_at: row.created_at,
            paid_at: row.paid_at,
        })
    }
}

/// One order.
pub async fn get(db: &Db, id: Uuid) -> Result<Order> {
    sqlx::query_as!(
        Row,
        r#"SELECT o.id, o.code, o.state, o.reason, o.user_id, o.phone, o.package_id, o.package->>'name' AS "package!",
                  o.package_version, o.package #> '{sale,texts}' AS texts, o.amount_minor, o.currency,
                  o.mac::text AS mac, o.nas_id, o.visit, coalesce(e.id, c.entitlement_id) AS entitlement, o.created_at, o.paid_at
           FROM orders o LEFT JOIN entitlements e ON e.order_id = o.id LEFT JOIN entitlement_changes c ON c.order_id = o.id
           WHERE o.id = $1"#,
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("order", id))?
    .try_into()
}

/// The newest order of a device since `since`: what a reopened page goes on with.
pub async fn latest_of_device(db: &Db, mac: Mac, since: OffsetDateTime) -> Result<Option<Order>> {
    sqlx::query_as!(
        Row,
        r#"SELECT o.id, o.code, o.state, o.reason, o.user_id, o.phone, o.package_id, o.package->>'name' AS "package!",
                  o.package_version, o.package #> '{sale,texts}' AS texts, o.amount_minor, o.currency,
                  o.mac::text AS mac, o.nas_id, o.visit, coalesce(e.id, c.entitlement_id) AS entitlement, o.created_at, o.paid_at
           FROM orders o LEFT JOIN entitlements e ON e.order_id = o.id LEFT JOIN entitlement_changes c ON c.order_id = o.id
           WHERE o.mac = $1::text::macaddr AND o.created_at > $2 ORDER BY o.created_at DESC LIMIT 1"#,
        mac.to_string(),
        since
    )
    .fetch_optional(&db.pool)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Remembers the present visit of an order's device: a page reopened through the router brings a new
/// login address and challenge.
pub async fn revisit(
    db: &Db,
    id: Uuid,
    nas_id: Option<Uuid>,
    visit: &serde_json::Value,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE orders SET visit = $2, nas_id = coalesce($3, nas_id), updated_at = $4 WHERE id = $1",
        id,
        visit,
        nas_id,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}
