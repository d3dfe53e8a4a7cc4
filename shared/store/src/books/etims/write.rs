//! One writer a branch: who has the turn ([`claim`]) takes the branch's invoices one after the other, and everything that it writes is
//! written only as long as the turn is its own.
//!
//! ```text
//!  next ─► number ─► sending ─► (the authority) ─► outcome: signed · declared · unknown · away · rejected
//! ```
//!
//! [`sending`] writes down what is about to be sent, as *unknown*, before it is sent. Whoever dies in between leaves behind an invoice that
//! is sent again as it was. What comes of it in the end is one of two: the authority signs it now, or says that it has that number, and
//! then it was signed the first time and only the signature is not known.

use std::time::Duration;

use serde_json::Value;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::context;
use crate::{Db, Result, StoreError};

/// The right to write for a branch.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// The branch.
    pub id: Uuid,
    /// Who has it.
    writer: Uuid,
    /// The taxpayer.
    pub tin: String,
    /// The branch's two digits.
    pub branch: String,
    /// The serial number of its device.
    pub serial: String,
    /// The device's key; `None`: it has not begun.
    pub key: Option<String>,
}

/// An invoice whose turn it is.
#[derive(Clone, PartialEq, Debug)]
pub struct Due {
    /// Its identity.
    pub id: Uuid,
    /// Its number, if it has one.
    pub number: Option<i64>,
    /// What was sent, if it may have been: it is sent again as it is.
    pub request: Option<Value>,
    /// The number of the invoice that it gives back, if it is a credit note.
    pub credits: Option<i64>,
    /// Our own name of it.
    pub reference: String,
    /// By what it was paid: `mpesa`, `stripe`, `cash`.
    pub method: String,
    /// When it was sold, or taken back.
    pub at: OffsetDateTime,
    /// How often it was sent.
    pub attempts: u32,
    /// What it says.
    pub lines: Vec<Line>,
}

/// A line of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The package; `None`: of none.
    pub package: Option<Uuid>,
    /// Its name.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// What they came to together, in cents.
    pub gross: i64,
    /// The letter of the tax.
    pub letter: String,
    /// Its rate, in hundredths of a percent.
    pub rate: i32,
}

/// A package as a branch has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its identity.
    pub id: Uuid,
    /// The number in its code.
    pub number: u32,
    /// Whether the authority has it.
    pub is_registered: bool,
}

/// What the authority says of an invoice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The signature.
    pub signature: String,
    /// What is printed beside it.
    pub internal_data: String,
    /// The authority's own number.
    pub receipt_number: Option<i64>,
    /// When it signed.
    pub at: OffsetDateTime,
}

/// What became of sending one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome<'a> {
    /// It is signed.
    Signed(&'a Signature),
    /// It was signed by a try before, whose answer was lost.
    Declared(&'a str),
    /// It may be signed.
    Unknown(&'a str),
    /// It certainly is not, by this try.
    Away(&'a str),
    /// It never will be as it is: its branch waits for a person.
    Rejected(&'a str),
}

/// Takes the turn at branches at which there is something to do. Who does not come back loses it after `lease`.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<Turn>> {
    let writer = rng::id(now);
    let rows = sqlx::query!(
        r#"UPDATE etims_branches SET writer = $1, writer_until = $3
           WHERE id IN (
               SELECT b.id FROM etims_branches b
               WHERE b.is_used AND (b.writer_until IS NULL OR b.writer_until <= $2)
                 AND (b.next_attempt_at IS NULL OR b.next_attempt_at <= $2)
                 AND (b.key_sealed IS NULL
                      OR (SELECT e.state FROM etims_invoices e WHERE e.branch_id = b.id AND e.state <> 'signed'
                          ORDER BY e.number NULLS LAST, e.turn LIMIT 1) IN ('pending', 'unknown'))
               ORDER BY b.next_attempt_at NULLS FIRST LIMIT $4 FOR UPDATE SKIP LOCKED)
           RETURNING id, tin, branch, serial, key_sealed"#,
        writer,
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    let turn = |row: (Uuid, String, String, String, Option<Vec<u8>>)| -> Result<Turn> {
        let (id, tin, branch, serial, sealed) = row;
        let key = sealed.map(|sealed| opened(db, id, &sealed)).transpose()?;
        Ok(Turn { id, writer, tin, branch, serial, key })
    };
    rows.into_iter().map(|row| turn((row.id, row.tin, row.branch, row.serial, row.key_sealed))).collect()
}

fn opened(db: &Db, branch: Uuid, sealed: &[u8]) -> Result<String> {
    let corrupt = |problem: String| StoreError::corrupt("etims_branches", branch, problem);
    let key = db.seal.open(&context(branch), sealed).map_err(|error| corrupt(error.to_string()))?;
    String::from_utf8(key.to_vec()).map_err(|error| corrupt(error.to_string()))
}

/// Keeps the turn for so much longer. Returns whether it was still one's own.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn hold(db: &Db, turn: &Turn, now: OffsetDateTime, lease: Duration) -> Result<bool> {
    let held = sqlx::query!(
        "UPDATE etims_branches SET writer_until = $3 WHERE id = $1 AND writer = $2",
        turn.id,
        turn.writer,
        now + lease
    )
    .execute(&db.pool)
    .await?;
    Ok(held.rows_affected() == 1)
}

/// Gives the turn back.
///
/// # Errors
/// If PostgreSQL is away; it ends by itself later.
pub async fn release(db: &Db, turn: &Turn) -> Result<()> {
    sqlx::query!(
        "UPDATE etims_branches SET writer = NULL, writer_until = NULL WHERE id = $1 AND writer = $2",
        turn.id,
        turn.writer
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Keeps the key of a device. The authority gives it once: it is kept whoever has the turn by now.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn begun(db: &Db, turn: &Turn, key: &str, device: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE etims_branches SET key_sealed = $3, device = $4, is_barred = false, reason = '', next_attempt_at = NULL
         WHERE id = $1 AND serial = $2",
        turn.id,
        turn.serial,
        db.seal.seal(&context(turn.id), key.as_bytes()),
        device
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Says why nothing goes on at a branch, and when it is tried again. `is_barred`: a person must act first.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn held_up(db: &Db, turn: &Turn, reason: &str, is_barred: bool, next: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE etims_branches SET reason = $3, is_barred = $4, next_attempt_at = $5 WHERE id = $1 AND writer = $2",
        turn.id,
        turn.writer,
        reason,
        is_barred,
        next
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The invoice whose turn it is; `None`: there is none, or one is in the way that a person must look at.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn next(db: &Db, turn: &Turn) -> Result<Option<Due>> {
    let row = sqlx::query!(
        r#"SELECT e.id, e.number, e.request, e.state, e.reference, e.method, e.happened_at, e.attempts,
                  back.number AS "credits?"
           FROM etims_invoices e LEFT JOIN etims_invoices back ON back.id = e.credits
           WHERE e.branch_id = $1 AND e.state <> 'signed' ORDER BY e.number NULLS LAST, e.turn LIMIT 1"#,
        turn.id
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(row) = row.filter(|row| row.state != "rejected") else { return Ok(None) };
    let lines = sqlx::query_as!(
        Line,
        r#"SELECT package_id AS package, description, quantity, gross_minor AS gross, tax_letter AS letter, tax_rate AS rate
           FROM etims_lines WHERE invoice_id = $1 ORDER BY position"#,
        row.id
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(Some(Due {
        id: row.id,
        number: row.number,
        // What was certainly not taken is written anew.
        request: row.request.filter(|_| row.state == "unknown"),
        credits: row.credits,
        reference: row.reference,
        method: row.method,
        at: row.happened_at,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        lines,
    }))
}

/// The item of a package at a branch; it has its code from the first time on.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn item(db: &Db, turn: &Turn, line: &Line, now: OffsetDateTime) -> Result<Item> {
    sqlx::query!(
        "INSERT INTO etims_items (id, branch_id, package_id, letter) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        rng::id(now),
        turn.id,
        line.package,
        line.letter
    )
    .execute(&db.pool)
    .await?;
    let row = sqlx::query!(
        "SELECT id, number, registered_at FROM etims_items
         WHERE branch_id = $1 AND package_id IS NOT DISTINCT FROM $2 AND letter = $3",
        turn.id,
        line.package,
        line.letter
    )
    .fetch_one(&db.pool)
    .await?;
    let number = u32::try_from(row.number).unwrap_or_default();
    Ok(Item { id: row.id, number, is_registered: row.registered_at.is_some() })
}

/// The authority has an item.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn registered(db: &Db, item: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE etims_items SET registered_at = $2 WHERE id = $1", item, now).execute(&db.pool).await?;
    Ok(())
}

/// Holds the branch within a transaction. Returns whether the turn is still one's own.
async fn is_own(tx: &mut PgConnection, turn: &Turn) -> Result<bool> {
    let own = sqlx::query_scalar!(
        "SELECT id FROM etims_branches WHERE id = $1 AND writer = $2 FOR UPDATE",
        turn.id,
        turn.writer
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(own.is_some())
}

/// Gives an invoice the next number of its branch, or finds the one that it has. `None`: another has the turn.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn number(db: &Db, turn: &Turn, invoice: Uuid) -> Result<Option<i64>> {
    let mut tx = db.begin().await?;
    if !is_own(&mut tx, turn).await? {
        return Ok(None);
    }
    let known = sqlx::query_scalar!("SELECT number FROM etims_invoices WHERE id = $1 FOR UPDATE", invoice)
        .fetch_one(&mut *tx)
        .await?;
    let number = match known {
        Some(number) => number,
        None => {
            let number = sqlx::query_scalar!(
                r#"UPDATE etims_branches SET next_number = next_number + 1 WHERE id = $1 RETURNING next_number - 1 AS "number!""#,
                turn.id
            )
            .fetch_one(&mut *tx)
            .await?;
            sqlx::query!("UPDATE etims_invoices SET number = $2 WHERE id = $1", invoice, number)
                .execute(&mut *tx)
                .await?;
            number
        }
    };
    tx.commit().await?;
    Ok(Some(number))
}

/// Writes down what is about to be sent: from now on it may be signed. Returns whether it may be sent: `false`, another has the turn.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn sending(db: &Db, turn: &Turn, invoice: Uuid, request: &Value) -> Result<bool> {
    let mut tx = db.begin().await?;
    if !is_own(&mut tx, turn).await? {
        return Ok(false);
    }
    let written = sqlx::query!(
        "UPDATE etims_invoices SET state = 'unknown', request = $2, attempts = attempts + 1
         WHERE id = $1 AND state IN ('pending', 'unknown') AND number IS NOT NULL",
        invoice,
        request
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(written.rows_affected() == 1)
}

/// Writes down what came of it. `may_be_before`: a try before this one may have been heard.
///
/// # Errors
/// If PostgreSQL is away: the invoice stays unknown, and is sent again as it was.
pub async fn outcome(
    db: &Db,
    turn: &Turn,
    invoice: Uuid,
    outcome: &Outcome<'_>,
    may_be_before: bool,
    now: OffsetDateTime,
) -> Result<()> {
    let (state, reason) = match outcome {
        Outcome::Signed(signature) => return signed(db, turn, invoice, signature).await,
        Outcome::Declared(reason) => ("signed", *reason),
        Outcome::Away(reason) if !may_be_before => ("pending", *reason),
        Outcome::Unknown(reason) | Outcome::Away(reason) => ("unknown", *reason),
        Outcome::Rejected(reason) => ("rejected", *reason),
    };
    let mut tx = db.begin().await?;
    if !is_own(&mut tx, turn).await? {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE etims_invoices SET state = $2, reason = $3, signed_at = CASE WHEN $2 = 'signed' THEN $4::timestamptz END
         WHERE id = $1 AND state = 'unknown'",
        invoice,
        state,
        reason,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// A signature is kept whoever has the turn by now: it is told once.
async fn signed(db: &Db, turn: &Turn, invoice: Uuid, signature: &Signature) -> Result<()> {
    sqlx::query!(
        "UPDATE etims_invoices SET state = 'signed', signature = $2, internal_data = $3, receipt_number = $4, signed_at = $5,
             reason = ''
         WHERE id = $1 AND signature IS NULL",
        invoice,
        signature.signature,
        signature.internal_data,
        signature.receipt_number,
        signature.at
    )
    .execute(&db.pool)
    .await?;
    sqlx::query!(
        "UPDATE etims_branches SET reason = '', is_barred = false WHERE id = $1 AND (is_barred OR reason <> '')",
        turn.id
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}
