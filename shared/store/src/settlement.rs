//! Paid money becomes access exactly once, or a refund due; never neither, never twice.
//!
//! One transaction, with the order's row locked first and the payment's second, does all of it: the payment
//! succeeds, the ledger books it under the payment's key, the order is paid, the entitlement is made or changed under
//! the order's key, the device is bound, the customer will be told. Whoever comes second finds it done.
//!
//! The same money may be told of twice: by the report of a prompt and by the paybill's confirmation, or by a line of Stripe's statement that a
//! person has written down and by Stripe's late report. Whoever knows its receipt holds that first, before the order, and asks
//! [`crate::unmatched`] whether it is booked already.

mod topping;

use std::time::Duration;

use shared::mac::Mac;
use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use self::topping::Topping;
use crate::entitlement::Sale;
use crate::ledger::{self, Account};
use crate::money::money;
use crate::order::Wish;
use crate::package::{Package, Starts};
use crate::unmatched::{self, Origin};
use crate::{Db, Result, StoreError, entitlement, for_another, grace, payment};

/// What a provider confirmed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// The provider's receipt, where it told one.
    pub receipt: Option<String>,
    /// The amount, where it told one.
    pub amount: Option<Money>,
    /// Stripe's name of the charge by which it came, where it told one: a statement may name that alone.
    pub charge: Option<String>,
}

/// What became of a confirmed payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Access was granted now.
    Granted {
        /// What was granted.
        entitlement: Uuid,
    },
    /// It was settled before; perhaps the receipt is new.
    Already,
    /// It was settled before, with another receipt. Nothing is booked: whether this one is money, the provider has to be asked.
    Another,
    /// The money came, but it buys nothing: the order was paid already, or the amount is not the price.
    RefundDue,
}

/// How long the news of a payment is worth sending.
const NEWS_KEEPS: Duration = Duration::from_secs(24 * 3600);

/// Settles a payment that the provider has confirmed.
pub async fn settle(db: &Db, payment: Uuid, evidence: &Evidence, now: OffsetDateTime) -> Result<Settled> {
    let mut tx = db.begin().await?;
    let provider = sqlx::query_scalar!("SELECT provider FROM payments WHERE id = $1", payment)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("payment", payment))?;
    let is_mpesa = provider == unmatched::PROVIDER;
    let from = Account::of_provider(&provider)
        .ok_or_else(|| StoreError::corrupt("payments", payment, format!("{provider} collects no money")))?;
    // M-Pesa tells of one payment in two ways. Of Stripe's a person may have written down what a statement told of.
    let told_twice = match provider.as_str() {
        unmatched::PROVIDER => evidence.receipt.clone(),
        unmatched::CARDS => unmatched::stated_of(&mut tx, payment, evidence).await?,
        _ => None,
    };
    let origin = match &told_twice {
        Some(receipt) => {
            unmatched::hold(&mut tx, receipt).await?;
            unmatched::origin(&mut tx, &provider, receipt, payment).await?
        }
        None => Origin::New,
    };
    let settled = match (origin, told_twice.as_deref()) {
        // The paybill's confirmation was faster and could not say whose it is; now that is known.
        (Origin::Waiting(amount), Some(receipt)) if is_mpesa => {
            unmatched::claim(&mut tx, payment, receipt, amount, now).await?
        }
        // The same of a person, and a line of Stripe's.
        (Origin::Waiting(amount), Some(name)) => {
            unmatched::claim_stated(&mut tx, payment, name, evidence, amount, now).await?
        }
        (Origin::Spent, Some(receipt)) => unmatched::spent(&mut tx, payment, receipt, now).await?,
        _ => {
            let (receipt, amount) = (evidence.receipt.as_deref(), evidence.amount);
            // A card proves no phone.
            let received = Received { receipt, amount, from, by_the_phone: is_mpesa };
            let settled = settle_in(&mut tx, payment, &received, now).await?;
            let is_other = match told_twice.as_deref().filter(|_| is_mpesa && settled == Settled::Already) {
                Some(receipt) => !unmatched::is_own(&mut tx, payment, receipt).await?,
                None => false,
            };
            if is_other { Settled::Another } else { settled }
        }
    };
    if let Some(charge) = &evidence.charge {
        sqlx::query!("UPDATE payments SET charge = $2 WHERE id = $1 AND charge IS NULL", payment, charge)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(settled)
}

/// Money that is there and shall settle a payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// The provider's receipt, where it told one.
    pub(crate) receipt: Option<&'a str>,
    /// How much it is; `None`: as much as was asked for.
    pub(crate) amount: Option<Money>,
    /// Where it is booked from.
    pub(crate) from: Account,
    /// Whether it certainly came from the phone of the order: its owner holds that phone.
    pub(crate) by_the_phone: bool,
}

/// The same within a transaction that [`unmatched::hold`]s the receipt, if there is one.
pub(crate) async fn settle_in(
    tx: &mut PgConnection,
    payment: Uuid,
    received: &Received<'_>,
    now: OffsetDateTime,
) -> Result<Settled> {
    let order_id = sqlx::query_scalar!("SELECT order_id FROM payments WHERE id = $1", payment)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("payment", payment))?;
    let order = sqlx::query!("SELECT id, code, state FROM orders WHERE id = $1 FOR UPDATE", order_id)
        .fetch_one(&mut *tx)
        .await?;
    let row =
        sqlx::query!("SELECT state, amount_minor, currency, receipt FROM payments WHERE id = $1 FOR UPDATE", payment)
            .fetch_one(&mut *tx)
            .await?;
    let price = money("payments", payment, row.amount_minor, &row.currency)?;
    record_success(&mut *tx, payment, received.receipt, now).await?;
    if row.state == "succeeded" {
        return Ok(Settled::Already);
    }
    // Nobody shall pay once more, on a page that is open.
    payment::close_others(&mut *tx, order.id, payment, now).await?;
    let amount = received.amount.unwrap_or(price);
    let key = format!("payment:{payment}");
    if amount != price || matches!(order.state.as_str(), "paid" | "refund_due") {
        let what = format!("money for order {} that buys nothing", order.code);
        let accounts = (received.from, Account::RefundsDue);
        ledger::book(&mut *tx, &key, Some(order.id), &what, accounts, amount, now).await?;
        set_order(&mut *tx, order.id, "refund_due", now).await?;
        if let Some(grace) = grace::of_order(&mut *tx, order.id, now).await? {
            grace::end(&mut *tx, grace.id, now).await?;
        }
        return Ok(Settled::RefundDue);
    }
    let what = format!("order {}", order.code);
    ledger::book(&mut *tx, &key, Some(order.id), &what, (received.from, Account::Sales), amount, now).await?;
    set_order(&mut *tx, order.id, "paid", now).await?;
    let entitlement = give(&mut *tx, order.id, now).await?;
    if received.by_the_phone {
        // Whoever approved it on the phone holds the phone.
        sqlx::query!("UPDATE payments SET from_phone = true WHERE id = $1", payment).execute(&mut *tx).await?;
        sqlx::query!(
            "UPDATE users SET otp_verified_at = $2 WHERE id = (SELECT user_id FROM orders WHERE id = $1)",
            order.id,
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(Settled::Granted { entitlement })
}

/// Gives what an order of nothing is for: a free trial. Whoever comes second finds it given.
pub async fn give_free(db: &Db, order: Uuid, now: OffsetDateTime) -> Result<Settled> {
    let mut tx = db.begin().await?;
    let found = sqlx::query!("SELECT state, amount_minor FROM orders WHERE id = $1 FOR UPDATE", order)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("order", order))?;
    if found.amount_minor != 0 {
        return Err(StoreError::Conflict("this order must be paid".into()));
    }
    if found.state == "paid" {
        return Ok(Settled::Already);
    }
    set_order(&mut tx, order, "paid", now).await?;
    let entitlement = give(&mut tx, order, now).await?;
    tx.commit().await?;
    Ok(Settled::Granted { entitlement })
}

/// Gives what an order is for, as its buyer wished. What cannot be done as it was wished any more, since what should be made
/// longer or replaced is used up by now, is given beside it.
async fn give(tx: &mut PgConnection, order: Uuid, now: OffsetDateTime) -> Result<Uuid> {
    let row = sqlx::query!(
        "SELECT code, user_id, package, amount_minor, nas_id, mac::text AS mac, wish, target_id FROM orders WHERE id = $1",
        order
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut package: Package =
        serde_json::from_value(row.package).map_err(|error| StoreError::corrupt("orders", &row.code, error))?;
    let order = Bought {
        order,
        user: row.user_id,
        paid: row.amount_minor,
        nas: row.nas_id,
        mac: row.mac.as_deref().and_then(|text| text.parse().ok()),
    };
    let wish = Wish::of(&row.wish, row.target_id);
    let wish = match (wish, grace::of_order(tx, order.order, now).await?) {
        // Its guest is online already: the session that is open gets what was bought.
        (Wish::New, Some(grace)) if grace.is_online => {
            grace::own(tx, grace.id, order.user).await?;
            Wish::Upgrade(grace.id)
        }
        (wish, Some(grace)) => {
            grace::end(tx, grace.id, now).await?;
            wish
        }
        (wish, None) => wish,
    };
    let changed = match wish {
        Wish::Extend(target) => topping::apply(tx, target, &package, &order, Topping::Extend, now).await?,
        Wish::Upgrade(target) => topping::apply(tx, target, &package, &order, Topping::Upgrade, now).await?,
        Wish::Queue => {
            package.starts = Starts::FirstLogin;
            None
        }
        Wish::Another => {
            let given = for_another::give(tx, order.order, &package, (order.paid, order.nas), now).await?;
            tell(tx, &order, &package, now).await?;
            return Ok(given);
        }
        Wish::New => None,
    };
    match changed {
        Some(entitlement) => {
            tell(tx, &order, &package, now).await?;
            Ok(entitlement)
        }
        None => grant(tx, &order, &package, now).await,
    }
}

/// An order that is settled.
#[derive(Debug)]
struct Bought {
    order: Uuid,
    user: Uuid,
    paid: i64,
    nas: Option<Uuid>,
    mac: Option<Mac>,
}

async fn record_success(
    tx: &mut PgConnection,
    payment: Uuid,
    receipt: Option<&str>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE payments SET state = 'succeeded', receipt = coalesce(receipt, $2), result_code = '0', result_text = NULL,
             next_check_at = NULL, updated_at = $3 WHERE id = $1",
        payment,
        receipt,
        now
    )
    .execute(tx)
    .await
    .map_err(|error| match StoreError::from(error) {
        StoreError::Conflict(_) => {
            StoreError::Conflict(format!("receipt {} already belongs to another payment", receipt.unwrap_or("")))
        }
        other => other,
    })?;
    Ok(())
}

/// An order that was paid stays paid when money comes a second time; what is owed stands in the ledger.
async fn set_order(tx: &mut PgConnection, order: Uuid, state: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE orders SET state = $2, reason = '', paid_at = $3, updated_at = $3 WHERE id = $1 AND state <> 'paid'",
        order,
        state,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn grant(tx: &mut PgConnection, bought: &Bought, package: &Package, now: OffsetDateTime) -> Result<Uuid> {
    let id = rng::id(now);
    let sale = Sale { user: Some(bought.user), order: Some(bought.order), paid: Some(bought.paid), nas: bought.nas };
    entitlement::insert(tx, id, package, sale, now).await?;
    if let Some(mac) = bought.mac {
        // The device that paid is bound at once, so that it gets in by its MAC even if its page is gone.
        bind(tx, id, bought.user, mac, now).await?;
    }
    tell(tx, bought, package, now).await?;
    Ok(id)
}

/// Gives a device a place, if there is one, and notes whose it is.
async fn bind(tx: &mut PgConnection, entitlement: Uuid, user: Uuid, mac: Mac, now: OffsetDateTime) -> Result<()> {
    entitlement::place(tx, entitlement, mac, now).await?;
    sqlx::query!(
        "INSERT INTO devices (id, user_id, mac, bound_at) VALUES ($1, $2, $3::text::macaddr, $4)
         ON CONFLICT (user_id, mac) DO NOTHING",
        rng::id(now),
        user,
        mac.to_string(),
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The customer will be told.
async fn tell(tx: &mut PgConnection, bought: &Bought, package: &Package, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         VALUES ($1, $2, 'payment_received', jsonb_build_object('order', $3::uuid, 'package', $4::text),
                 'payment_received:' || $3::uuid, $5, $6, $5) ON CONFLICT (key) DO NOTHING",
        rng::id(now),
        bought.user,
        bought.order,
        package.name,
        now,
        now + NEWS_KEEPS
    )
    .execute(tx)
    .await?;
    Ok(())
}
