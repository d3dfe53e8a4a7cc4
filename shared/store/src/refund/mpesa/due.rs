//! Refunds by M-Pesa that wait for it: what a job takes up, and what becomes of it, by the answer to its call or by what M-Pesa says later.

use std::time::Duration;

use shared::money::Money;
use shared::request::RequestId;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::money;
use super::finish;
use crate::security::{self, Event};
use crate::{Db, Result, StoreError, unmatched};

/// Where a refund that is to be worked on stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// M-Pesa was not asked yet.
    Created,
    /// M-Pesa has taken it, and has not said that it is done.
    Pending,
    /// It is not known whether it was done.
    Unknown,
}

/// A refund to ask M-Pesa about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Its identity.
    pub id: Uuid,
    /// What is given back from.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub stage: Stage,
    /// How often it was taken up since it came to this.
    pub attempts: u32,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// For which request.
    pub trace: Option<RequestId>,
}

/// Takes up refunds that wait. One that nothing is said of comes back after `lease`.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"UPDATE refunds r SET mpesa_next_at = $2, attempts = r.attempts + 1, updated_at = $1 FROM payments p
           WHERE p.id = r.payment_id AND r.id IN (
               SELECT id FROM refunds WHERE mpesa_next_at <= $1 ORDER BY mpesa_next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
           RETURNING r.id, p.receipt AS "receipt!", r.amount_minor, r.currency, r.state, r.attempts, r.asked_by, r.created_at, r.trace"#,
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Due {
                amount: money(row.id, row.amount_minor, &row.currency)?,
                stage: match row.state.as_str() {
                    "created" => Stage::Created,
                    "pending" => Stage::Pending,
                    "unknown" => Stage::Unknown,
                    other => return Err(StoreError::corrupt("refunds", row.id, format!("it waits and is {other}"))),
                },
                id: row.id,
                receipt: row.receipt,
                attempts: u32::try_from(row.attempts).unwrap_or(0),
                by: row.asked_by,
                created_at: row.created_at,
                trace: row.trace.map(RequestId::from),
            })
        })
        .collect()
}

/// M-Pesa has taken it, and answers later. Its answer may have been faster: that stays.
pub async fn sent(db: &Db, id: Uuid, look_at: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = 'pending', reason = '', attempts = 0, mpesa_next_at = $2, updated_at = $3
         WHERE id = $1 AND state = 'created'",
        id,
        look_at,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// M-Pesa certainly was not asked: it is tried again then.
pub async fn later(db: &Db, id: Uuid, reason: &str, at: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET reason = $2, mpesa_next_at = $3, updated_at = $4 WHERE id = $1 AND state = 'created'",
        id,
        reason,
        at,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// M-Pesa does not take it: the money is still owed, and a person asks anew or gives it back by hand.
pub async fn refused(db: &Db, id: Uuid, reason: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = 'refused', reason = $2, mpesa_next_at = NULL, updated_at = $3
         WHERE id = $1 AND state = 'created'",
        id,
        reason,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It is not known whether it was done. `ask_at`: when M-Pesa is asked; `None`: it was asked often enough, and a person must look.
/// An empty reason leaves what was said before.
pub async fn unsure(
    db: &Db,
    id: Uuid,
    reason: &str,
    ask_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    unsure_in(&mut connection, id, reason, ask_at, now).await
}

/// The same together with what it follows from.
pub(crate) async fn unsure_in(
    tx: &mut PgConnection,
    id: Uuid,
    reason: &str,
    ask_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = 'unknown', reason = coalesce(nullif($2, ''), reason), mpesa_next_at = $3, updated_at = $4,
             attempts = CASE WHEN state = 'created' THEN 0 ELSE attempts END
         WHERE id = $1 AND way = 'reversal' AND state IN ('created', 'unknown', 'pending')",
        id,
        reason,
        ask_at,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// M-Pesa says that it has gone back, under this receipt. Returns whether that is as we have it; if not, it is in the security log.
pub(crate) async fn gone(tx: &mut PgConnection, id: Uuid, receipt: &str, now: OffsetDateTime) -> Result<bool> {
    if finish(&mut *tx, id, Some(receipt), now).await?.is_some() {
        return Ok(true);
    }
    let row = sqlx::query!(
        r#"SELECT r.state, r.reference, r.proof, r.amount_minor, r.currency, o.code AS "code!"
           FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = p.order_id WHERE r.id = $1"#,
        id
    )
    .fetch_one(&mut *tx)
    .await?;
    let is_that = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(receipt));
    if row.state == "done" && (is_that(&row.reference) || is_that(&row.proof)) {
        return Ok(true);
    }
    let amount = money(id, row.amount_minor, &row.currency)?;
    let detail = format!("order {}: M-Pesa gave {amount} back ({receipt}), which was {} before", row.code, row.state);
    security::record_in(tx, &Event::of(security::Kind::MoneyDiffers, detail), now).await?;
    Ok(false)
}

/// M-Pesa says that it was not done: the money is with us as before and is still owed.
pub(crate) async fn not_done(tx: &mut PgConnection, id: Uuid, reason: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET state = 'failed', reason = $2, mpesa_next_at = NULL, updated_at = $3
         WHERE id = $1 AND way = 'reversal' AND state IN ('created', 'unknown', 'pending')",
        id,
        reason,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// M-Pesa, asked whether it was done, could not say.
pub(crate) async fn heard(tx: &mut PgConnection, id: Uuid, reason: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE refunds SET reason = $2, updated_at = $3 WHERE id = $1 AND way = 'reversal' AND state = 'unknown'",
        id,
        reason,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Books what M-Pesa has answered to a reversal and a program from before has only noted. Returns whether there was that.
pub async fn catch_up(db: &Db, due: &Due, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    unmatched::hold(&mut tx, &due.receipt).await?;
    let row = sqlx::query!(
        r#"SELECT state, coalesce(result_text, '') AS "text!" FROM mpesa_requests
           WHERE refund_id = $1 AND kind = 'reversal' ORDER BY created_at DESC, id DESC LIMIT 1"#,
        due.id
    )
    .fetch_optional(&mut *tx)
    .await?;
    let is_known = match row.as_ref().map(|row| (row.state.as_str(), row.text.as_str())) {
        Some(("succeeded", _)) => finish(&mut tx, due.id, None, now).await?.is_some(),
        Some(("failed" | "denied", text)) if due.stage != Stage::Created => {
            not_done(&mut tx, due.id, text, now).await?;
            true
        }
        _ => false,
    };
    tx.commit().await?;
    Ok(is_known)
}
