//! The money's part of a story: orders, attempts to collect them, what providers reported, money that came by itself, refunds.

use sha2::{Digest as _, Sha256};
use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::scope::Scope;
use super::{Event, Found, Order, Payment, Received, Refund, Report, Window, rows};
use crate::order::{OrderState, Wish};
use crate::returned::To;
use crate::{Db, Result, StoreError};

/// Orders that were made and paid.
pub(super) async fn orders(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT o.id, o.code, o.phone, o.package->>'name' AS "package!", o.amount_minor, o.currency, o.state, o.reason, o.wish,
                  o.target_id, o.mac::text AS mac, o.nas_id, n.name AS "nas?", n.last_seen_at AS "nas_heard_at?", o.created_at, o.paid_at
           FROM orders o LEFT JOIN nas n ON n.id = o.nas_id
           WHERE o.id = ANY ($1) AND o.created_at < $2 ORDER BY o.created_at DESC LIMIT $3"#,
        &scope.orders,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("orders", &row.code, problem);
        let order = Order {
            state: OrderState::parse(&row.state).ok_or_else(|| corrupt(&"unknown state"))?,
            amount: amount(row.amount_minor, &row.currency).map_err(|error| corrupt(&error))?,
            mac: row.mac.as_deref().and_then(|mac| mac.parse().ok()),
            phone: row.phone.parse().ok(),
            wish: Wish::of(&row.wish, row.target_id),
            id: row.id,
            code: row.code,
            package: row.package,
            reason: row.reason,
            nas: row.nas,
            nas_heard_at: row.nas_heard_at,
            created_at: row.created_at,
            paid_at: row.paid_at,
        };
        found.was_at(row.nas_id, row.created_at);
        if let Some(at) = order.paid_at {
            found.tell(at, Event::Paid(order.clone()));
        }
        found.tell(order.created_at, Event::Ordered(order));
    }
    Ok(())
}

/// Attempts to collect the money, what was reported about them, and what went back.
pub(super) async fn payments(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let paid = sqlx::query!(
        r#"SELECT p.id, p.order_id, o.code AS "order_code!", p.provider, p.amount_minor, p.currency, p.state, p.receipt, p.result_code,
                  p.result_text, p.checks, p.created_at, p.updated_at, o.paid_at,
                  EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.state NOT IN ('failed', 'refused'))
                    OR EXISTS (SELECT FROM received_money m WHERE m.receipt = p.receipt AND m.given_back_at IS NOT NULL)
                    AS "is_refunded!",
                  EXISTS (SELECT FROM received_money m WHERE m.receipt = p.receipt AND m.provider <> 'mpesa' AND m.state = 'assigned')
                    AS "is_by_hand!"
           FROM payments p JOIN orders o ON o.id = p.order_id
           WHERE p.order_id = ANY ($1) AND p.created_at < $2 ORDER BY p.created_at DESC LIMIT $3"#,
        &scope.orders,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    let ids: Vec<Uuid> = paid.iter().map(|row| row.id).collect();
    for row in paid {
        let payment = Payment {
            amount: amount(row.amount_minor, &row.currency)?,
            checks: u32::try_from(row.checks).unwrap_or(0),
            code: row.result_code.unwrap_or_default(),
            text: row.result_text.unwrap_or_default(),
            id: row.id,
            order: row.order_id,
            order_code: row.order_code,
            provider: row.provider,
            state: row.state,
            receipt: row.receipt,
            created_at: row.created_at,
            is_refunded: row.is_refunded,
            is_by_hand: row.is_by_hand,
        };
        if !payment.is_open() {
            // A receipt may be told later than the payment came to its end.
            let is_first = payment.state == "succeeded" && row.paid_at.is_some_and(|at| at >= row.created_at);
            let at = row.paid_at.filter(|at| is_first && *at <= row.updated_at).unwrap_or(row.updated_at);
            found.tell(at, Event::PaymentEnded(payment.clone()));
        }
        found.tell(payment.created_at, Event::PaymentBegan(payment));
    }
    reports(db, &ids, window, found).await?;
    refunds(db, &ids, window, found).await
}

/// What providers reported; its words are not read.
async fn reports(db: &Db, payments: &[Uuid], window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT p.order_id, o.code AS "order_code!", e.provider, e.received_at, e.outcome, e.attempts
           FROM payment_events e JOIN payments p ON p.id = e.payment_id JOIN orders o ON o.id = p.order_id
           WHERE e.payment_id = ANY ($1) AND e.received_at < $2 ORDER BY e.received_at DESC LIMIT $3"#,
        payments,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let report = Report {
            order: row.order_id,
            order_code: row.order_code,
            provider: row.provider,
            outcome: row.outcome,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
        };
        found.tell(row.received_at, Event::Reported(report));
    }
    Ok(())
}

async fn refunds(db: &Db, payments: &[Uuid], window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT o.code AS "order_code!", r.amount_minor, r.currency, r.state, r.way, r.reason,
                  coalesce(r.proof, '') AS "proof!", r.asked_by, r.created_at, r.updated_at
           FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = p.order_id
           WHERE r.payment_id = ANY ($1) AND r.created_at < $2 ORDER BY r.created_at DESC LIMIT $3"#,
        payments,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let refund = Refund {
            amount: amount(row.amount_minor, &row.currency)?,
            order_code: row.order_code,
            state: row.state,
            to: To::of(&row.way),
            reason: row.reason,
            proof: row.proof,
            by: row.asked_by,
        };
        if matches!(refund.state.as_str(), "done" | "failed" | "refused") {
            found.tell(row.updated_at, Event::RefundEnded(refund.clone()));
        }
        found.tell(row.created_at, Event::RefundAsked(refund));
    }
    Ok(())
}

/// Money that came by itself: for these orders, with these receipts, or perhaps this customer's.
pub(super) async fn received(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT m.receipt, m.amount_minor, m.currency, m.payer_name, m.reference, m.state, o.code AS "order_code?", m.given_back_at,
                  coalesce(m.paid_at, m.received_at) AS "at!"
           FROM received_money m LEFT JOIN orders o ON o.id = m.order_id
           WHERE (m.order_id = ANY ($1) OR m.receipt = ANY ($2)) AND m.received_at < $3
           ORDER BY m.received_at DESC LIMIT $4"#,
        &scope.orders,
        &scope.receipts,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let money = Received {
            amount: amount(row.amount_minor, &row.currency)?,
            receipt: row.receipt,
            payer: row.payer_name,
            typed: row.reference,
            state: row.state,
            order_code: row.order_code,
            is_certain: true,
            given_back_at: row.given_back_at,
        };
        if let Some(at) = money.given_back_at {
            found.tell(at, Event::MoneyWentBack(money.clone()));
        }
        found.tell(row.at, Event::MoneyCame(money));
    }
    if let Some(phone) = &scope.phone {
        for (at, money) in waiting_of(db, phone).await? {
            if at >= window.since {
                found.tell(at, Event::MoneyCame(money));
            }
        }
    }
    Ok(())
}

/// Money that waits for a person and may have come from that number, with when it came. What the provider hides is compared as far as
/// it shows: such money may be somebody else's.
pub(super) async fn waiting_of(db: &Db, phone: &Phone) -> Result<Vec<(OffsetDateTime, Received)>> {
    let number = phone.msisdn();
    let hashed = hex::encode(Sha256::digest(number));
    let national = number.strip_prefix("254").unwrap_or(number);
    let rows = sqlx::query!(
        r#"SELECT receipt, amount_minor, currency, payer_name, reference, state, given_back_at,
                  coalesce(paid_at, received_at) AS "at!",
                  (payer_number IN ($1, $2) OR ltrim(regexp_replace(reference, '[^0-9]', '', 'g'), '0') IN ($1, $3)) AS "is_certain!"
           FROM received_money
           WHERE (state = 'unmatched' OR (state = 'refunded' AND given_back_at IS NULL))
             AND (payer_number IN ($1, $2) OR ltrim(regexp_replace(reference, '[^0-9]', '', 'g'), '0') IN ($1, $3)
                  OR (payer_number ~ '^[0-9]{3,}[ *]+[0-9]{3,}$' AND $1 LIKE regexp_replace(payer_number, '[ *]+', '%')))
           ORDER BY received_at DESC LIMIT 20"#,
        number,
        hashed,
        national
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let money = Received {
                amount: amount(row.amount_minor, &row.currency)?,
                receipt: row.receipt,
                payer: row.payer_name,
                typed: row.reference,
                state: row.state,
                order_code: None,
                is_certain: row.is_certain,
                given_back_at: row.given_back_at,
            };
            Ok((row.at, money))
        })
        .collect()
}

fn amount(minor: i64, currency: &str) -> Result<Money> {
    crate::money::money("payments", currency, minor, currency)
}
