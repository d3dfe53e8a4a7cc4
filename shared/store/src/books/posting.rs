//! What is told to an accountant's program: a row for each part of each closed document, and what became of it.
//!
//! ```text
//!  make     closed documents ─► rows                              one transaction a document
//!  due      which rows are told now, each for one portal          pending, unknown ─► a lease
//!           what it came to                                       ─► posted, rejected, unknown, or later again
//!  here     how all of them stand, and what people say to them    rejected, undone ─► pending
//!  parts    which lines of a document make which part             a function of lines
//! ```
//!
//! A row has a number that is the same whenever it is made, and there is one of a number at a connection: so a period can be made and told
//! as often as anybody likes. A row that was tried before is looked for in the program before it is told again.
//!
//! Refused here: changing what a row says. What was closed stays as it is.

pub mod due;
pub mod make;
pub mod parts;

use shared::money::Money;
use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

pub use self::parts::Part;
use crate::admin::{Audit, audit_in};
use crate::money::money;
use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// Its words in the order in which they are listed: what somebody must look at first.
pub const STATES: [&str; 5] = ["rejected", "unknown", "pending", "posted", "undone"];

/// A row as the desk shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Its identity.
    pub id: Uuid,
    /// Its number, in the program too.
    pub number: String,
    /// The document's number.
    pub document: String,
    /// `sale`, `refund` or `fees`.
    pub part: String,
    /// Whether it is one order of a business customer.
    pub is_order: bool,
    /// Its day.
    pub day: Date,
    /// What it comes to.
    pub amount: Money,
    /// One of [`STATES`].
    pub state: String,
    /// The program's name of it.
    pub external: Option<String>,
    /// Why it is not there.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried again.
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When it was taken.
    pub posted_at: Option<OffsetDateTime>,
}

/// Which rows are asked for. What is not said does not matter.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Filter {
    /// One of [`STATES`].
    pub state: Option<String>,
    /// Not before this day.
    pub since: Option<Date>,
    /// Not after this day.
    pub until: Option<Date>,
    /// Only what stands behind this row: its day and number.
    pub after: Option<(Date, String)>,
}

/// A page of a connection's rows, the newest day first.
pub async fn list(db: &Db, connection: Uuid, filter: &Filter, limit: u32) -> Result<Vec<Row>> {
    let (after_day, after_number) = filter.after.clone().unzip();
    let rows = sqlx::query!(
        r#"SELECT p.id, p.number, d.number AS document, p.part, (p.order_id IS NOT NULL) AS "is_order!", p.day, p.amount_minor,
                  p.currency AS "currency!", p.state, p.external_id, p.reason, p.attempts, p.next_attempt_at, p.posted_at
           FROM book_postings p JOIN book_documents d ON d.id = p.document_id
           WHERE p.connection_id = $1 AND ($2::text IS NULL OR p.state = $2) AND p.day >= coalesce($3::date, '-infinity')
             AND p.day <= coalesce($4::date, 'infinity')
             AND ($5::date IS NULL OR p.day < $5 OR (p.day = $5 AND p.number > $6::text))
           ORDER BY p.day DESC, p.number LIMIT $7"#,
        connection,
        filter.state,
        filter.since,
        filter.until,
        after_day,
        after_number,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Row {
                amount: money("book_postings", row.id, row.amount_minor, &row.currency)?,
                id: row.id,
                number: row.number,
                document: row.document,
                part: row.part,
                is_order: row.is_order,
                day: row.day,
                state: row.state,
                external: row.external_id,
                reason: row.reason,
                attempts: row.attempts,
                next_attempt_at: row.next_attempt_at,
                posted_at: row.posted_at,
            })
        })
        .collect()
}

/// How many rows of a connection are in each state.
pub async fn count(db: &Db, connection: Uuid) -> Result<Vec<(String, u64)>> {
    let rows = sqlx::query!(
        r#"SELECT state, count(*) AS "count!" FROM book_postings WHERE connection_id = $1 GROUP BY state"#,
        connection
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.state, unsigned(row.count))).collect())
}

/// How what is to be told stands, in all programs together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Standing {
    /// What waits to be told.
    pub pending: u64,
    /// What may be there or not.
    pub unknown: u64,
    /// What a person must look at.
    pub rejected: u64,
    /// Since when the oldest of what waits does: of an old period that is told again, since somebody let it be.
    pub oldest: Option<OffsetDateTime>,
}

/// How what is not there yet stands, but for programs that the operator ended.
pub async fn standing(db: &Db) -> Result<Standing> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE p.state = 'pending') AS "pending!", count(*) FILTER (WHERE p.state = 'unknown') AS "unknown!",
                  count(*) FILTER (WHERE p.state = 'rejected') AS "rejected!",
                  min(p.waits_since) FILTER (WHERE p.state <> 'rejected') AS oldest
           FROM book_postings p JOIN book_connections c ON c.id = p.connection_id
           WHERE p.state IN ('pending', 'unknown', 'rejected') AND c.state <> 'off'"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(Standing {
        pending: unsigned(row.pending),
        unknown: unsigned(row.unknown),
        rejected: unsigned(row.rejected),
        oldest: row.oldest,
    })
}

/// Lets a row be told again: one that was refused or taken back, one that is waited with, or one that the program has lost. Returns its
/// number. It is looked for there before it is told.
///
/// # Errors
/// [`StoreError::Missing`]: this connection has no such row.
pub async fn again(db: &Db, connection: Uuid, id: Uuid, audit: &Audit<'_>, now: OffsetDateTime) -> Result<String> {
    let mut tx = db.pool.begin().await?;
    let number = sqlx::query_scalar!(
        "UPDATE book_postings SET state = 'pending', next_attempt_at = NULL, attempts = greatest(attempts, 1),
             round = round + (state IN ('posted', 'rejected', 'undone'))::integer,
             waits_since = CASE WHEN state IN ('pending', 'unknown') THEN waits_since ELSE $3 END
         WHERE connection_id = $1 AND id = $2 RETURNING number",
        connection,
        id,
        now
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("posting", id))?;
    audit_in(&mut tx, &Audit { object: &number, ..*audit }, now).await?;
    tx.commit().await?;
    Ok(number)
}

/// The same by number, of a row that a comparison has not found in the program. Returns whether there is one.
pub async fn again_numbered(
    db: &Db,
    connection: Uuid,
    number: &str,
    audit: &Audit<'_>,
    now: OffsetDateTime,
) -> Result<bool> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM book_postings WHERE connection_id = $1 AND number = $2",
        connection,
        number
    )
    .fetch_optional(&db.pool)
    .await?;
    match id {
        Some(id) => again(db, connection, id, audit, now).await.map(|_| true),
        None => Ok(false),
    }
}

/// Lets all rows of these days, the last one included, be looked for and told where they are not there, but for what a person had reversed there.
/// Returns how many.
pub async fn again_all(
    db: &Db,
    connection: Uuid,
    (since, until): (Date, Date),
    audit: &Audit<'_>,
    now: OffsetDateTime,
) -> Result<u64> {
    let mut tx = db.pool.begin().await?;
    let changed = sqlx::query!(
        "UPDATE book_postings SET state = 'pending', next_attempt_at = NULL, attempts = greatest(attempts, 1),
             round = round + (state IN ('posted', 'rejected'))::integer,
             waits_since = CASE WHEN state IN ('pending', 'unknown') THEN waits_since ELSE $4 END
         WHERE connection_id = $1 AND day >= $2 AND day <= $3 AND state <> 'undone'",
        connection,
        since,
        until,
        now
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    audit_in(&mut tx, audit, now).await?;
    tx.commit().await?;
    Ok(changed)
}

/// A row's document was made not to count in the program: it is told again only when somebody says so. `false`: there is no such row.
pub async fn undone(db: &Db, connection: Uuid, number: &str, reason: &str) -> Result<bool> {
    let changed = sqlx::query!(
        "UPDATE book_postings SET state = 'undone', reason = $3, next_attempt_at = NULL, lease_until = NULL
         WHERE connection_id = $1 AND number = $2 AND state <> 'undone'",
        connection,
        number,
        reason
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(changed > 0)
}
