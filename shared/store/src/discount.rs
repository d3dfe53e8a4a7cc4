//! Discounts: what lowers prices, how often each was used, and which orders save by them.
//!
//! What counts for whom, and what is paid then, is decided by [`shared::discount::price`]. [`candidates`] reads what it needs to
//! know, for the page that shows prices and, in the order's own transaction, for the order; [`reserve`] writes what it said.
//! Between the two somebody else may take the last use: the rows of the discounts are held, and the caps looked at once more.
//!
//! Uses are counted from the orders and kept nowhere else, so an order that fails gives its use back by failing.

use std::fmt;

use shared::discount::{
    Applied, Buyer, Code, CodeProblem, Conditions, Discount, Kind, Offer, Priced, Purchase, Trigger, price,
};
use shared::hours::Hours;
use shared::mac::Mac;
use shared::money::Money;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::money::money;
use crate::order::NotPlaced;
use crate::package::{Package, unsigned};
use crate::{Db, Result, StoreError, site};

/// Who asks for a price, and where.
#[derive(Clone, Copy, Default, Debug)]
pub struct Asked<'a> {
    /// Who pays; `None`: it is not known yet.
    pub user: Option<Uuid>,
    /// The device that goes online. A number is typed in a moment, so a device counts as a person.
    pub mac: Option<Mac>,
    /// The site at which it is bought.
    pub site: Option<Uuid>,
    /// The code as it was typed.
    pub code: Option<&'a str>,
}

/// What became of a discount between the page that showed it and the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// Its time has passed.
    Over,
    /// Others took its last use.
    UsedUp,
    /// The customer has used it on another order.
    OnAnotherOrder,
    /// Another order of the customer waits for its payment with it.
    WaitsOnAnotherOrder,
    /// It was for the purchase of another number.
    OtherPurchase,
}

impl Gone {
    /// All of them.
    pub const ALL: [Gone; 5] =
        [Gone::Over, Gone::UsedUp, Gone::OnAnotherOrder, Gone::WaitsOnAnotherOrder, Gone::OtherPurchase];
}

/// The end of a sentence about the discount.
impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gone::Over => "is over",
            Gone::UsedUp => "has just been used up",
            Gone::OnAnotherOrder => "is on another order of yours already",
            Gone::WaitsOnAnotherOrder => "waits on another order of yours",
            Gone::OtherPurchase => "was for another purchase of yours",
        })
    }
}

/// What the price of every package follows from, for who asks, at this moment.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The discounts that may count.
    pub offers: Vec<Offer>,
    /// Who buys, if that is known.
    pub buyer: Option<Buyer>,
    /// The minute of the week at the place.
    minute: u16,
    asked: Asked<'a>,
    now: OffsetDateTime,
}

impl Facts<'_> {
    /// The same for who typed no code.
    pub fn without_code(&self) -> Facts<'static> {
        Facts {
            offers: self.offers.clone(),
            asked: Asked { user: self.asked.user, mac: self.asked.mac, site: self.asked.site, code: None },
            ..*self
        }
    }

    /// What is paid for a package, in steps of so many minor units.
    ///
    /// # Errors
    /// The typed code does not count for it.
    pub fn price(&self, package: &Package, step: i64) -> std::result::Result<Priced, CodeProblem> {
        let purchase = Purchase {
            price: package.price,
            package: package.id,
            site: self.asked.site,
            buyer: self.buyer,
            code: self.asked.code,
            now: self.now,
            minute: self.minute,
        };
        price(&self.offers, &purchase, step)
    }
}

struct Row {
    id: Uuid,
    name: String,
    code: Option<String>,
    percent: Option<i32>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    valid_from: Option<OffsetDateTime>,
    valid_until: Option<OffsetDateTime>,
    hours: Option<String>,
    first_purchase: bool,
    every_nth: Option<i32>,
    package_ids: Vec<Uuid>,
    site_ids: Vec<Uuid>,
    uses_max: Option<i32>,
    uses_per_person: Option<i32>,
    stackable: bool,
    owner_id: Option<Uuid>,
    used: i64,
    used_by_buyer: i64,
}

impl Row {
    fn offer(self) -> Result<Offer> {
        let id = self.id;
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("discounts", id, problem);
        let count = |limit: Option<i32>| limit.and_then(|limit| u32::try_from(limit).ok());
        let kind = match (self.percent, self.amount_minor, &self.currency) {
            (Some(percent), None, _) => Kind::Percent(u8::try_from(percent).map_err(|error| corrupt(&error))?),
            (None, Some(minor), Some(currency)) => Kind::Amount(money("discounts", id, minor, currency)?),
            _ => return Err(corrupt(&"neither a percentage nor an amount")),
        };
        let trigger = match self.code {
            Some(code) => Trigger::Code(code.parse::<Code>().map_err(|error| corrupt(&error))?),
            None => Trigger::Automatic,
        };
        let hours = |text: String| Hours::from_multirange(&text).ok_or_else(|| corrupt(&"unknown hours"));
        let conditions = Conditions {
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            hours: self.hours.map(hours).transpose()?,
            first_purchase: self.first_purchase,
            every_nth: count(self.every_nth),
            packages: self.package_ids,
            sites: self.site_ids,
            uses_max: count(self.uses_max),
            uses_per_person: count(self.uses_per_person),
        };
        let (name, owner, stackable) = (self.name, self.owner_id, self.stackable);
        Ok(Offer {
            discount: Discount { id, name, kind, trigger, owner, conditions, stackable },
            used: unsigned(self.used),
            used_by_buyer: unsigned(self.used_by_buyer),
        })
    }
}

/// Discounts with how often they were used, by the columns that say so and what follows the table's name.
macro_rules! discounts {
    ($uses:literal, $rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            "SELECT d.id, d.name, d.code, d.percent, d.amount_minor, d.currency, d.valid_from, d.valid_until, d.hours::text AS hours,
                    d.first_purchase, d.every_nth, d.package_ids, d.site_ids, d.uses_max, d.uses_per_person, d.stackable, d.owner_id, "
                + $uses + " FROM discounts d " + $rest,
            $($argument),*
        )
    };
}

/// The facts from which prices follow, read once for all packages.
pub async fn candidates<'a>(db: &Db, asked: Asked<'a>, now: OffsetDateTime) -> Result<Facts<'a>> {
    let mut connection = db.pool.acquire().await?;
    candidates_in(&mut connection, asked, now).await
}

/// The same in a transaction: that of the order.
///
/// The discount whose code was typed is read whether it counts or not, so that the customer can be told why it does not. Of the
/// automatic ones at most a hundred are looked at, the oldest. Uses are counted only where there is a cap: a happy hour has
/// as many as there were customers.
pub(crate) async fn candidates_in<'a>(
    connection: &mut PgConnection,
    asked: Asked<'a>,
    now: OffsetDateTime,
) -> Result<Facts<'a>> {
    let code = asked.code.and_then(|typed| typed.parse::<Code>().ok());
    let mac = asked.mac.map(|mac| mac.to_string());
    let rows = discounts!(
        r#"CASE WHEN d.uses_max IS NULL THEN 0 ELSE discount_uses(d.id, NULL) END AS "used!",
           CASE WHEN d.uses_per_person IS NULL THEN 0 ELSE discount_uses_by(d.id, $1, $2::text::macaddr, NULL) END AS "used_by_buyer!""#,
        "WHERE d.code = $3
            OR (d.code IS NULL AND (d.valid_from IS NULL OR d.valid_from <= $4) AND (d.valid_until IS NULL OR d.valid_until > $4)
                AND (d.site_ids = '{}' OR $5 = ANY (d.site_ids)))
         ORDER BY d.code NULLS LAST, d.id LIMIT 100",
        asked.user,
        mac.as_deref(),
        code.as_ref().map(Code::as_str),
        now,
        asked.site
    )
    .fetch_all(&mut *connection)
    .await?;
    let buyer = match asked.user {
        Some(user) => Some(buyer(connection, user, mac.as_deref(), now).await?),
        None => None,
    };
    let offers = rows.into_iter().map(Row::offer).collect::<Result<Vec<Offer>>>()?;
    let minute = site::zone(connection, asked.site).await?.minute_of_week(now);
    Ok(Facts { offers, buyer, minute, asked, now })
}

/// What a person, and the device, have bought. Packages that cost nothing are no purchases; one that a discount made free is.
async fn buyer(connection: &mut PgConnection, user: Uuid, mac: Option<&str>, now: OffsetDateTime) -> Result<Buyer> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE user_id = $1) AS "purchases!",
                  coalesce(bool_or(mac = $2::text::macaddr), false) AS "device_has_bought!",
                  discount_turn_is_taken($1, $2::text::macaddr, NULL, $3) AS "turn_is_taken!"
           FROM orders
           WHERE (user_id = $1 OR mac = $2::text::macaddr) AND state = 'paid' AND coalesce(full_minor, amount_minor) > 0"#,
        user,
        mac,
        now
    )
    .fetch_one(connection)
    .await?;
    Ok(Buyer {
        id: Some(user),
        purchases: unsigned(row.purchases),
        device_has_bought: row.device_has_bought,
        turn_is_taken: row.turn_is_taken,
    })
}

/// Writes down by which discounts an order saves, in the transaction that has just written the order with the lowered price and
/// the full one. What goes by a number of uses, or of purchases, is held and looked at once more; what does not is not held,
/// so that a happy hour does not make all orders wait for each other.
///
/// # Errors
/// [`StoreError::NotPlaced`]: somebody took the last use meanwhile. The transaction must not be committed then.
pub(crate) async fn reserve(
    tx: &mut PgConnection,
    order: Uuid,
    applied: &[Applied],
    now: OffsetDateTime,
) -> Result<()> {
    if applied.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = applied.iter().map(|applied| applied.id).collect();
    let savings: Vec<i64> = applied.iter().map(|applied| applied.saving.minor).collect();
    hold(tx, &ids).await?;
    check_again(tx, order, &ids, now).await?;
    let written = sqlx::query!(
        "INSERT INTO order_discounts (order_id, discount_id, amount_minor)
         SELECT $1, t.discount_id, t.minor FROM unnest($2::uuid[], $3::bigint[]) AS t (discount_id, minor)",
        order,
        &ids,
        &savings
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if written == applied.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::corrupt("order_discounts", order, "not every discount was written"))
    }
}

/// Looks once more at the discounts of an order that failed, and so gave its uses back, before its payment is tried again.
///
/// # Errors
/// [`StoreError::NotPlaced`]: the order cannot be paid at its price any more.
pub(crate) async fn reserve_again(tx: &mut PgConnection, order: Uuid, now: OffsetDateTime) -> Result<()> {
    let ids = sqlx::query_scalar!("SELECT discount_id FROM order_discounts WHERE order_id = $1", order)
        .fetch_all(&mut *tx)
        .await?;
    hold(tx, &ids).await?;
    check_again(tx, order, &ids, now).await
}

/// Holds the discounts that go by a number of uses, or of purchases: in the order of their ids, so that two orders that take the
/// same ones never wait for each other in a circle.
async fn hold(tx: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "SELECT id FROM discounts
         WHERE id = ANY ($1) AND (num_nonnulls(uses_max, uses_per_person, every_nth, owner_id) > 0 OR first_purchase)
         ORDER BY id FOR UPDATE",
        ids
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Refuses what is over, used up or taken by another order, the order itself left aside. It is a statement of its own after
/// [`hold`], so that it sees what was committed while the rows were waited for.
async fn check_again(tx: &mut PgConnection, order: Uuid, ids: &[Uuid], now: OffsetDateTime) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT d.name, coalesce(d.valid_until <= $3, false) AS "is_over!",
                  CASE WHEN d.uses_max IS NULL THEN false ELSE discount_uses(d.id, o.id) >= d.uses_max END AS "is_used_up!",
                  CASE WHEN d.uses_per_person IS NULL THEN false
                       ELSE discount_uses_by(d.id, o.user_id, o.mac, o.id) >= d.uses_per_person END AS "is_used_by_buyer!",
                  CASE WHEN d.first_purchase OR d.every_nth IS NOT NULL OR d.owner_id IS NOT NULL
                       THEN discount_turn_is_taken(o.user_id, o.mac, o.id, $3) ELSE false END AS "turn_is_taken!",
                  CASE WHEN d.first_purchase OR d.owner_id IS NOT NULL
                       THEN EXISTS (SELECT FROM orders p WHERE (p.user_id = o.user_id OR p.mac = o.mac) AND p.id <> o.id
                                    AND p.state = 'paid' AND coalesce(p.full_minor, p.amount_minor) > 0)
                       WHEN d.every_nth IS NOT NULL
                       THEN (SELECT count(*) + 1 FROM orders p WHERE p.user_id = o.user_id AND p.id <> o.id
                             AND p.state = 'paid' AND coalesce(p.full_minor, p.amount_minor) > 0) % d.every_nth <> 0
                       ELSE false END AS "turn_has_passed!"
           FROM discounts d JOIN orders o ON o.id = $2 WHERE d.id = ANY ($1) ORDER BY d.id"#,
        ids,
        order,
        now
    )
    .fetch_all(tx)
    .await?;
    if rows.len() != ids.len() {
        return Err(StoreError::missing("order with its discounts", order));
    }
    for row in rows {
        let problems = [
            (row.is_over, Gone::Over),
            (row.is_used_up, Gone::UsedUp),
            (row.is_used_by_buyer, Gone::OnAnotherOrder),
            (row.turn_is_taken, Gone::WaitsOnAnotherOrder),
            (row.turn_has_passed, Gone::OtherPurchase),
        ];
        if let Some((_, gone)) = problems.into_iter().find(|(is_so, _)| *is_so) {
            return Err(StoreError::NotPlaced(NotPlaced::Discount { discount: row.name, gone }));
        }
    }
    Ok(())
}

/// By which discounts an order saves, the largest saving first.
pub async fn of_order(db: &Db, order: Uuid) -> Result<Vec<Applied>> {
    sqlx::query!(
        "SELECT d.id, d.name, t.amount_minor, o.currency
         FROM order_discounts t JOIN discounts d ON d.id = t.discount_id JOIN orders o ON o.id = t.order_id
         WHERE t.order_id = $1 ORDER BY t.amount_minor DESC, d.id",
        order
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(|row| {
        let saving = money("orders", order, row.amount_minor, &row.currency)?;
        Ok(Applied { id: row.id, name: row.name, saving })
    })
    .collect()
}

/// Discounts with how often they were used: those that are not over first, then the newest.
pub async fn list(db: &Db, now: OffsetDateTime) -> Result<Vec<Offer>> {
    discounts!(
        r#"discount_uses(d.id, NULL) AS "used!", 0::bigint AS "used_by_buyer!""#,
        "ORDER BY (d.valid_until IS NULL OR d.valid_until > $1) DESC, d.id DESC LIMIT 1000",
        now
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Row::offer)
    .collect()
}

/// The discount with that identity.
pub async fn get(db: &Db, id: Uuid) -> Result<Discount> {
    let row = discounts!(r#"0::bigint AS "used!", 0::bigint AS "used_by_buyer!""#, "WHERE d.id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("discount", id))?;
    Ok(row.offer()?.discount)
}

/// What discounts have saved on orders that are paid, each currency by itself. One by which nobody saved is not among them.
pub async fn given(db: &Db) -> Result<Vec<(Uuid, Money)>> {
    sqlx::query!(
        r#"SELECT t.discount_id, o.currency, sum(t.amount_minor)::bigint AS "minor!"
           FROM order_discounts t JOIN orders o ON o.id = t.order_id
           WHERE o.state = 'paid' GROUP BY t.discount_id, o.currency ORDER BY t.discount_id, o.currency"#
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(|row| {
        let id = row.discount_id;
        Ok((id, money("orders", id, row.minor, &row.currency)?))
    })
    .collect()
}

/// The discount with that code.
pub async fn by_code(db: &Db, code: &Code) -> Result<Option<Discount>> {
    let row = discounts!(r#"0::bigint AS "used!", 0::bigint AS "used_by_buyer!""#, "WHERE d.code = $1", code.as_str())
        .fetch_optional(&db.pool)
        .await?;
    Ok(row.map(Row::offer).transpose()?.map(|offer| offer.discount))
}

/// The automatic discount of that name.
pub async fn by_name(db: &Db, name: &str) -> Result<Option<Discount>> {
    let row = discounts!(
        r#"0::bigint AS "used!", 0::bigint AS "used_by_buyer!""#,
        "WHERE d.name = $1 AND d.code IS NULL",
        name
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.map(Row::offer).transpose()?.map(|offer| offer.discount))
}

/// Adds a discount, or changes the one with that identity. Orders that save by it keep their price.
///
/// # Errors
/// [`StoreError::Conflict`]: it makes no sense ([`Discount::check`]), or another one has its code or, without a code, its name.
pub async fn save(db: &Db, discount: &Discount, now: OffsetDateTime) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    save_in(&mut connection, discount, now).await
}

/// The same in a transaction.
pub(crate) async fn save_in(connection: &mut PgConnection, discount: &Discount, now: OffsetDateTime) -> Result<()> {
    discount.check().map_err(|problem| StoreError::Conflict(problem.to_string()))?;
    let conditions = &discount.conditions;
    let (percent, minor, currency) = match &discount.kind {
        Kind::Percent(percent) => (Some(i32::from(*percent)), None, None),
        Kind::Amount(amount) => (None, Some(amount.minor), Some(amount.currency.as_str())),
    };
    let count = |limit: Option<u32>| limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
    sqlx::query!(
        "INSERT INTO discounts (id, name, code, percent, amount_minor, currency, valid_from, valid_until, hours, first_purchase,
                                every_nth, package_ids, site_ids, uses_max, uses_per_person, stackable, owner_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::int4multirange, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, code = EXCLUDED.code, percent = EXCLUDED.percent,
             amount_minor = EXCLUDED.amount_minor, currency = EXCLUDED.currency, valid_from = EXCLUDED.valid_from,
             valid_until = EXCLUDED.valid_until, hours = EXCLUDED.hours, first_purchase = EXCLUDED.first_purchase,
             every_nth = EXCLUDED.every_nth, package_ids = EXCLUDED.package_ids, site_ids = EXCLUDED.site_ids,
             uses_max = EXCLUDED.uses_max, uses_per_person = EXCLUDED.uses_per_person, stackable = EXCLUDED.stackable,
             owner_id = EXCLUDED.owner_id",
        discount.id,
        discount.name,
        discount.trigger.code().map(Code::as_str),
        percent,
        minor,
        currency,
        conditions.valid_from,
        conditions.valid_until,
        conditions.hours.as_ref().map(Hours::to_multirange),
        conditions.first_purchase,
        count(conditions.every_nth),
        &conditions.packages,
        &conditions.sites,
        count(conditions.uses_max),
        count(conditions.uses_per_person),
        discount.stackable,
        discount.owner,
        now
    )
    .execute(connection)
    .await
    .map_err(|error| match StoreError::from(error) {
        StoreError::Conflict(_) => {
            StoreError::Conflict("another discount has that code or, without a code, that name".into())
        }
        other => other,
    })?;
    Ok(())
}

/// Ends a discount now, also one that has not begun. Orders that save by it keep their price.
pub async fn end(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<()> {
    let ended = sqlx::query!(
        "UPDATE discounts SET valid_from = CASE WHEN valid_from > $2 THEN $2 ELSE valid_from END,
             valid_until = least(valid_until, $2)
         WHERE id = $1",
        id,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if ended == 1 { Ok(()) } else { Err(StoreError::missing("discount", id)) }
}
