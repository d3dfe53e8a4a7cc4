//! Payments: attempts to collect an order's money, and the raw words of the provider.
//!
//! A payment's state only moves forward, except that success may come after failure: money that arrived
//! late is still money. Success itself is [`crate::settlement`]. What is told of a payment that is settled, and does not fit
//! what is booked, is noted ([`told_otherwise`]) and books nothing.

mod list;
mod otherwise;
mod page;
mod recent;

use std::net::IpAddr;
use std::time::Duration;

use shared::money::Money;
use shared::request::RequestId;
use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

pub use self::list::Listed;
pub use self::otherwise::told_otherwise;
pub(crate) use self::page::close_others;
pub use self::page::{Attempt, NewPage, by_reference, is_over, latest, page_made};
pub use self::recent::{Recent, recent, times_paid};
use crate::money::money;
use crate::{Db, Result, StoreError, discount, grace, trace};

/// A payment to ask the provider about.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Its identity.
    pub id: Uuid,
    /// The order it pays for.
    pub order_id: Uuid,
    /// Who is asked about it.
    pub provider: String,
    /// `created`, `prompted`, `unknown`, `confirming`, `succeeded` or `failed`.
    pub state: String,
    /// What it should bring.
    pub amount: Money,
    /// The provider's reference of the prompt.
    pub checkout_request_id: Option<String>,
    /// The provider's second reference of the prompt.
    pub merchant_request_id: Option<String>,
    /// Until when it can be made, where it is made on a page.
    pub pay_until: Option<OffsetDateTime>,
    /// How often the provider was asked.
    pub checks: u32,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Begins a payment of an order that waits for one. The provider is asked about it from `first_check` on,
/// even if this process dies before it hears an answer.
///
/// A conflict if the order is paid, or another attempt is still under way.
pub async fn begin(
    db: &Db,
    order: Uuid,
    provider: &str,
    now: OffsetDateTime,
    first_check: OffsetDateTime,
) -> Result<Uuid> {
    let mut tx = db.begin().await?;
    let row = sqlx::query!("SELECT state, amount_minor, currency FROM orders WHERE id = $1 FOR UPDATE", order)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("order", order))?;
    let under_way = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payments WHERE order_id = $1
             AND state IN ('created', 'prompted', 'unknown', 'confirming', 'succeeded')) AS "exists!""#,
        order
    )
    .fetch_one(&mut *tx)
    .await?;
    if under_way || matches!(row.state.as_str(), "paid" | "refund_due") {
        return Err(StoreError::Conflict("a payment for this order is already under way".into()));
    }
    if row.state == "failed" {
        // It gave its uses of discounts back when it failed.
        discount::reserve_again(&mut tx, order, now).await?;
    }
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO payments (id, order_id, provider, amount_minor, currency, next_check_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        id,
        order,
        provider,
        row.amount_minor,
        row.currency,
        first_check,
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("UPDATE orders SET state = 'created', reason = '', updated_at = $2 WHERE id = $1", order, now)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(id)
}

/// The provider took the request and asks the customer.
pub async fn prompted(
    db: &Db,
    id: Uuid,
    merchant_request_id: &str,
    checkout_request_id: &str,
    now: OffsetDateTime,
    next_check: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.begin().await?;
    lock_order(&mut tx, id).await?;
    // A callback may have been faster than the answer: the references are noted in any state, the state only moves on.
    let order = sqlx::query_scalar!(
        "UPDATE payments SET merchant_request_id = $2, checkout_request_id = $3, updated_at = $4,
             state = CASE WHEN state IN ('created', 'unknown') THEN 'prompted' ELSE state END,
             next_check_at = CASE WHEN state IN ('created', 'unknown', 'prompted') THEN $5 ELSE next_check_at END
         WHERE id = $1 RETURNING order_id",
        id,
        merchant_request_id,
        checkout_request_id,
        now,
        next_check
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", id))?;
    sqlx::query!(
        "UPDATE orders SET state = 'prompted', updated_at = $2 WHERE id = $1 AND state IN ('created', 'unknown')",
        order,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// We do not know whether the provider heard us. Nothing may be charged again until we do.
pub async fn unknown(db: &Db, id: Uuid, text: &str, now: OffsetDateTime, next_check: OffsetDateTime) -> Result<()> {
    move_on(db, id, "unknown", &["created"], ("", text), now, Some(next_check)).await.map(drop)
}

/// The provider says paid; the answer is being checked.
pub async fn confirming(db: &Db, id: Uuid, now: OffsetDateTime, next_check: OffsetDateTime) -> Result<()> {
    let from = ["created", "prompted", "unknown", "failed"];
    move_on(db, id, "confirming", &from, ("", ""), now, Some(next_check)).await.map(drop)
}

/// The provider says that no money came, with its code and text. Returns whether that is new.
pub async fn failed(db: &Db, id: Uuid, code: &str, text: &str, now: OffsetDateTime) -> Result<bool> {
    move_on(db, id, "failed", &["created", "prompted", "unknown", "confirming"], (code, text), now, None).await
}

/// A report of the provider says so, and the report that puts it right may be lost: the provider is asked at `next_check`.
/// Returns whether it is new.
pub async fn reported_failed(
    db: &Db,
    id: Uuid,
    code: &str,
    text: &str,
    now: OffsetDateTime,
    next_check: OffsetDateTime,
) -> Result<bool> {
    let from = ["created", "prompted", "unknown", "confirming"];
    move_on(db, id, "failed", &from, (code, text), now, Some(next_check)).await
}

/// Locks a payment's order, which everyone locks before the payment itself.
async fn lock_order(tx: &mut sqlx::PgConnection, payment: Uuid) -> Result<()> {
    sqlx::query!("SELECT id FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE", payment)
        .fetch_optional(tx)
        .await?;
    Ok(())
}

/// Moves a payment from one of `from` to `to`, and its order with it; elsewhere it changes nothing. Returns whether it did.
async fn move_on(
    db: &Db,
    id: Uuid,
    to: &str,
    from: &[&str],
    (code, text): (&str, &str),
    now: OffsetDateTime,
    next_check: Option<OffsetDateTime>,
) -> Result<bool> {
    let mut tx = db.begin().await?;
    lock_order(&mut tx, id).await?;
    let from: Vec<String> = from.iter().map(|&state| state.to_owned()).collect();
    let order = sqlx::query_scalar!(
        "UPDATE payments SET state = $2, result_code = nullif($4, ''), result_text = nullif($5, ''), updated_at = $6,
             next_check_at = $7
         WHERE id = $1 AND state = ANY ($3) RETURNING order_id",
        id,
        to,
        &from,
        code,
        text,
        now,
        next_check
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(order) = order {
        move_order_on(&mut tx, order, to, code, now).await?;
        if to == "failed" {
            grace::end_of_payment(&mut tx, id, now).await?;
        }
    }
    tx.commit().await?;
    Ok(order.is_some())
}

/// An order stands where the customer has to look: what was paid stays paid, and while an attempt is open, another one that
/// has ended says nothing. The caller holds the order.
pub(crate) async fn move_order_on(
    tx: &mut sqlx::PgConnection,
    order: Uuid,
    to: &str,
    reason: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let open = sqlx::query_scalar!(
        "SELECT state FROM payments WHERE order_id = $1 AND state IN ('created', 'prompted', 'unknown', 'confirming')
         ORDER BY state = 'confirming' DESC, created_at DESC, id DESC LIMIT 1",
        order
    )
    .fetch_optional(&mut *tx)
    .await?;
    let (state, reason) = match &open {
        Some(open) => (open.as_str(), ""),
        None => (to, reason),
    };
    sqlx::query!(
        "UPDATE orders SET state = $2, reason = $3, updated_at = $4 WHERE id = $1 AND state NOT IN ('paid', 'refund_due')",
        order,
        state,
        reason,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// One payment.
pub async fn get(db: &Db, id: Uuid) -> Result<Payment> {
    sqlx::query!(
        "SELECT id, order_id, provider, state, amount_minor, currency, checkout_request_id, merchant_request_id, pay_until, checks,
             created_at
         FROM payments WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .map(|row| {
        Ok(Payment {
            amount: money("payments", id, row.amount_minor, &row.currency)?,
            id: row.id,
            order_id: row.order_id,
            provider: row.provider,
            state: row.state,
            checkout_request_id: row.checkout_request_id,
            merchant_request_id: row.merchant_request_id,
            pay_until: row.pay_until,
            checks: u32::try_from(row.checks).unwrap_or(0),
            created_at: row.created_at,
        })
    })
    .unwrap_or_else(|| Err(StoreError::missing("payment", id)))
}

/// Takes payments that are due to be asked about at a provider, each with the request that began it; each is handed to one process and
/// comes back after `lease` unless [`check_again`] or a final state says otherwise.
pub async fn claim_checks(
    db: &Db,
    provider: &str,
    now: OffsetDateTime,
    lease: Duration,
    limit: u32,
) -> Result<Vec<(Uuid, Option<RequestId>)>> {
    let rows = sqlx::query!(
        "UPDATE payments SET next_check_at = $2, checks = checks + 1 WHERE id IN (
             SELECT id FROM payments WHERE next_check_at <= $1 AND provider = $4
             ORDER BY next_check_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, trace",
        now,
        now + lease,
        i64::from(limit),
        provider
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.trace.map(RequestId::from))).collect())
}

/// Says when a payment is asked about next; `None`: never by itself, which is said only of one that has failed. A report
/// may have found meanwhile that it has not.
pub async fn check_again(db: &Db, id: Uuid, at: Option<OffsetDateTime>) -> Result<()> {
    sqlx::query!(
        "UPDATE payments SET next_check_at = $2
         WHERE id = $1 AND (state = 'failed' OR state <> 'succeeded' AND $2::timestamptz IS NOT NULL)",
        id,
        at
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What a provider sent, as it came.
#[derive(Clone, Debug)]
pub struct RawEvent<'a> {
    /// Who.
    pub provider: &'a str,
    /// The payment that it speaks of, where that is known: by the secret address that it came to, or by a name in it.
    pub payment: Option<Uuid>,
    /// The provider's own name of the event, where it gives one: the same name is stored once.
    pub external_id: Option<&'a str>,
    /// The request of ours whose secret address it came to, if it is one of a request.
    pub request: Option<Uuid>,
    /// Whether somebody is to work on it; what was answered at once is only kept.
    pub is_work: bool,
    /// From where.
    pub source: Option<IpAddr>,
    /// Its headers, without credentials.
    pub headers: &'a serde_json::Value,
    /// Its body, octet for octet.
    pub body: &'a [u8],
}

/// Stores what a provider sent, before anyone looks at it. `None`: it was stored before, under the provider's own name
/// of it. A payment that is not this provider's, or is none, is left out, and so is a request that is none.
pub async fn store_event(db: &Db, event: &RawEvent<'_>, now: OffsetDateTime) -> Result<Option<Uuid>> {
    let id = rng::id(now);
    let stored = sqlx::query!(
        "INSERT INTO payment_events (id, provider, payment_id, external_id, source, headers, body, received_at, request_id,
             next_attempt_at, trace)
         VALUES ($1, $2, (SELECT p.id FROM payments p WHERE p.id = $3 AND p.provider = $2), $4, $5::text::inet, $6, $7, $8,
             (SELECT r.id FROM mpesa_requests r WHERE r.id = $9),
             CASE WHEN $10::boolean THEN $8::timestamptz END, $11)
         ON CONFLICT (provider, external_id) WHERE external_id IS NOT NULL DO NOTHING",
        id,
        event.provider,
        event.payment,
        event.external_id,
        event.source.map(|ip| ip.to_string()),
        event.headers,
        event.body,
        now,
        event.request,
        event.is_work,
        trace::column()
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok((stored == 1).then_some(id))
}

/// A stored event to be worked on.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its identity.
    pub id: Uuid,
    /// Who sent it, and of what kind it is.
    pub provider: String,
    /// The payment it speaks of.
    pub payment: Option<Uuid>,
    /// The request of ours that it answers.
    pub request: Option<Uuid>,
    /// Its body.
    pub body: Vec<u8>,
    /// How often it was taken up.
    pub attempts: u32,
    /// The HTTP request that brought it.
    pub trace: Option<RequestId>,
}

/// Takes up events of these providers that wait. One that is not [`finish_event`]ed comes back after `lease`.
pub async fn claim_events(
    db: &Db,
    providers: &[&str],
    now: OffsetDateTime,
    lease: Duration,
    limit: u32,
) -> Result<Vec<Event>> {
    let providers: Vec<String> = providers.iter().map(|&provider| provider.to_owned()).collect();
    let rows = sqlx::query!(
        "UPDATE payment_events SET next_attempt_at = $2, attempts = attempts + 1 WHERE id IN (
             SELECT id FROM payment_events WHERE processed_at IS NULL AND next_attempt_at <= $1 AND provider = ANY ($4)
             ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, provider, payment_id, request_id, body, attempts, trace",
        now,
        now + lease,
        i64::from(limit),
        &providers
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Event {
            id: row.id,
            provider: row.provider,
            payment: row.payment_id,
            request: row.request_id,
            body: row.body,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            trace: row.trace.map(RequestId::from),
        })
        .collect())
}

/// Says when an event that waits for something is taken up again.
pub async fn event_again(db: &Db, id: Uuid, at: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE payment_events SET next_attempt_at = $2 WHERE id = $1 AND processed_at IS NULL", id, at)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Notes what became of an event.
pub async fn finish_event(db: &Db, id: Uuid, outcome: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE payment_events SET processed_at = $2, outcome = $3 WHERE id = $1 AND processed_at IS NULL",
        id,
        now,
        outcome
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Payments from which news may still come, for the desk.
pub async fn count_waiting(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM payments WHERE next_check_at IS NOT NULL"#)
        .fetch_one(&db.pool)
        .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Whether an order was certainly paid from its own phone: who has paid so holds it.
pub async fn came_from_its_phone(db: &Db, order: Uuid) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payments WHERE order_id = $1 AND state = 'succeeded' AND from_phone) AS "exists!""#,
        order
    )
    .fetch_one(&db.pool)
    .await?)
}

/// A provider's receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Whose it is.
    pub provider: String,
    /// As the provider writes it.
    pub number: String,
}

/// The provider's receipt of an order that was paid, if the provider has told it.
pub async fn receipt_of(db: &Db, order: Uuid) -> Result<Option<Receipt>> {
    let row = sqlx::query!(
        "SELECT provider, receipt FROM payments WHERE order_id = $1 AND state = 'succeeded' ORDER BY created_at LIMIT 1",
        order
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.and_then(|row| Some(Receipt { provider: row.provider, number: row.receipt? })))
}
