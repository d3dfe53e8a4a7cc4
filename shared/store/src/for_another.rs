//! A package that one pays for another: one order, one voucher, one message.
//!
//! [`place`] writes the order down and beside it whom it is for and a code, drawn and sealed then; nothing can be opened with it
//! yet. [`give`] is called by [`crate::settlement`] in the transaction that settles the payment: it makes the voucher out of what
//! was sealed, sold and with its order as its key, for the customer of that number, who will be told, in the language of the
//! payer's page unless that customer has chosen another. [`of_order`] opens the code
//! for the payer's page and for that message.
//!
//! The payer's device gets nothing. Refused here: a voucher for an order that is not paid, and a second one for the same order.

use shared::language::Language;
use shared::notice::Notice;
use shared::phone::Phone;
use shared::rng;
use shared::time::OffsetDateTime;
use shared::voucher::{Code, new_code, normalise};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::entitlement::{self, Sale};
use crate::order::{self, NewOrder, Wish};
use crate::package::{Package, Starts};
use crate::voucher::State;
use crate::{Db, Result, StoreError, notification};

/// What its batch of one is called.
const LABEL: &str = "paid for another phone";

/// Writes an order for another down, once, as [`order::place_once`] does. Returns whether it is new.
///
/// # Errors
/// As [`order::place_once`].
pub async fn place(db: &Db, id: Uuid, new: &NewOrder<'_>, recipient: &Phone, now: OffsetDateTime) -> Result<bool> {
    let new = NewOrder { wish: Wish::Another, ..new.clone() };
    let (credential, code) = (rng::id(now), new_code());
    let login = db.seal.seal(&entitlement::login_context(credential), code.as_bytes());
    let password = db.seal.seal(&entitlement::password_context(credential), code.as_bytes());
    let mut tx = db.begin().await?;
    if !order::place_in(&mut tx, id, &new, now).await? {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO orders_for_another (order_id, recipient, credential_id, lookup, login_sealed, password_sealed, language)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        recipient.as_str(),
        credential,
        &db.seal.lookup(code.as_bytes())[..],
        login,
        password,
        new.language.as_str()
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// Makes the voucher of a paid order. The caller holds the order, which is settled once. Returns the entitlement.
pub(crate) async fn give(
    tx: &mut PgConnection,
    order: Uuid,
    package: &Package,
    (paid, nas): (i64, Option<Uuid>),
    now: OffsetDateTime,
) -> Result<Uuid> {
    let sealed = sqlx::query!(
        "SELECT a.recipient, a.credential_id, a.lookup, a.login_sealed, a.password_sealed, a.language, o.code
         FROM orders_for_another a JOIN orders o ON o.id = a.order_id WHERE a.order_id = $1",
        order
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("code of an order for another", order))?;
    let language = sealed.language.as_deref().and_then(Language::parse).unwrap_or_default();
    let user = recipient(tx, &sealed.recipient, language, now).await?;
    let id = rng::id(now);
    // Its clock begins when it is used, whatever the package says: nobody knows when the message is read.
    let package = &Package { starts: Starts::FirstLogin, ..package.clone() };
    entitlement::insert(tx, id, package, Sale { user: Some(user), order: None, paid: Some(paid), nas }, now).await?;
    sqlx::query!(
        "INSERT INTO credentials (id, entitlement_id, kind, lookup, login_sealed, password_sealed, created_at)
         VALUES ($1, $2, 'voucher', $3, $4, $5, $6)",
        sealed.credential_id,
        id,
        sealed.lookup,
        sealed.login_sealed,
        sealed.password_sealed,
        now
    )
    .execute(&mut *tx)
    .await?;
    insert_voucher(tx, order, &sealed.code, id, package, now).await?;
    sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         VALUES ($1, $2, 'given', jsonb_build_object('for_another', $3::uuid, 'package', $4::text, 'language', $7::text),
                 'given:' || $3::uuid, $5, $6, $5)
         ON CONFLICT (key) DO NOTHING",
        rng::id(now),
        user,
        order,
        package.name,
        now,
        now + notification::good_for(Notice::Given),
        language.as_str()
    )
    .execute(tx)
    .await?;
    Ok(id)
}

/// The customer of that number, made if new, with the language of who pays. One who is there is not locked: two who pay for each other
/// at the same moment would wait in a circle.
async fn recipient(tx: &mut PgConnection, phone: &str, language: Language, now: OffsetDateTime) -> Result<Uuid> {
    sqlx::query!(
        "INSERT INTO users (id, phone, locale, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (phone) DO NOTHING",
        rng::id(now),
        phone,
        language.as_str(),
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone).fetch_one(tx).await?)
}

/// A batch of one, and its voucher, sold.
async fn insert_voucher(
    tx: &mut PgConnection,
    order: Uuid,
    order_code: &str,
    entitlement: Uuid,
    package: &Package,
    now: OffsetDateTime,
) -> Result<()> {
    let (batch, by) = (rng::id(now), format!("order {order_code}"));
    sqlx::query!(
        "INSERT INTO voucher_batches (id, package_id, label, size, package_name, price_minor, currency, created_by, created_at, for_order)
         VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, true)",
        batch,
        package.id,
        LABEL,
        package.name,
        package.price.minor,
        package.price.currency.as_str(),
        by,
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO vouchers (id, batch_id, entitlement_id, serial, state, sold_at, sold_by, order_id)
         VALUES ($1, $2, $3, 1, 'sold', $4, $5, $6)",
        rng::id(now),
        batch,
        entitlement,
        now,
        by,
        order
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An order for another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForAnother {
    /// Whose number gets it.
    pub recipient: Phone,
    /// The voucher, once it is paid.
    pub voucher: Option<Given>,
}

/// The voucher of a paid order. Whoever sees its code can use it: the payer and the recipient may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Its code.
    pub code: Code,
    /// Where it stands.
    pub state: State,
}

/// Whom an order is for, if it is for another, and what was given.
pub async fn of_order(db: &Db, order: Uuid) -> Result<Option<ForAnother>> {
    let Some(row) = sqlx::query!(
        r#"SELECT a.recipient, v.state AS "state?", c.id AS "credential?", c.password_sealed AS "sealed?"
           FROM orders_for_another a LEFT JOIN vouchers v ON v.order_id = a.order_id
                LEFT JOIN credentials c ON c.entitlement_id = v.entitlement_id AND c.kind = 'voucher'
           WHERE a.order_id = $1"#,
        order
    )
    .fetch_optional(&db.pool)
    .await?
    else {
        return Ok(None);
    };
    let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("orders_for_another", order, problem);
    let voucher = match (row.state, row.credential, row.sealed) {
        (Some(state), Some(credential), Some(sealed)) => {
            let context = entitlement::password_context(credential);
            let opened = db.seal.open(&context, &sealed).map_err(|error| corrupt(&error))?;
            Some(Given {
                code: normalise(opened.as_slice()).map_err(|error| corrupt(&error))?,
                state: State::parse(&state).ok_or_else(|| corrupt(&"unknown state"))?,
            })
        }
        _ => None,
    };
    Ok(Some(ForAnother { recipient: row.recipient.parse().map_err(|error| corrupt(&error))?, voucher }))
}
