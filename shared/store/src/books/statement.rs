//! What providers and banks say that they did, held against the ledger and the closed days.
//!
//! ```text
//!  import       a file's lines are written down, each once, whichever files have it
//!  matching     lines find the transaction of the ledger that is the same: when they come, and whenever something is booked later
//!  view         the three sums of each day (provider, ledger, closed documents), and what differs
//!  resolution   what a person says of a line that found none; what is booked for it is booked once
//! ```
//!
//! A line and a transaction are the same if they name the same (the view `statement_candidates` says how) and are of the same amount and
//! currency. A line that names one of another amount stays open, with the difference.
//!
//! Refused here: reading files, and changing what a provider said. A line never goes away.

mod matching;
mod resolution;
mod view;

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

pub use self::matching::rematch;
pub use self::resolution::{By, Resolution, book_fees, explain, resolve};
pub use self::view::{Day, Missing, Open, Span, count_open, days, line, missing, open};
use crate::ledger::Account;
use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// Lines that are written at once.
const AT_ONCE: usize = 10_000;
/// A file of more lines is matched by the job, so that whoever brings it does not wait for that.
const MATCHED_AT_ONCE: usize = 20_000;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// The ledger's account that it tells of, which is the format's word too: `mpesa`, `stripe`, `bank`.
    pub account: &'a str,
    /// What the file was called.
    pub file_name: &'a str,
    /// SHA-256 of what stands in it.
    pub digest: [u8; 32],
    /// From when it tells.
    pub since: OffsetDateTime,
    /// Until when.
    pub until: OffsetDateTime,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Who brought it.
    pub by: &'a str,
}

/// A line of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The provider's name of what happened.
    pub reference: String,
    /// What it is told apart by from other lines of that name and kind.
    pub discriminator: String,
    /// `payment`, `refund`, `fee`, `transfer` or `other`.
    pub kind: &'static str,
    /// When.
    pub at: OffsetDateTime,
    /// What came is above zero, what went below.
    pub amount: Money,
    /// What the provider says of it.
    pub details: String,
    /// Who was on the other side.
    pub party: String,
    /// What else it names.
    pub related: String,
}

/// What became of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Imported {
    /// It is known: nothing was changed.
    Known {
        /// The statement that it is.
        statement: Uuid,
        /// When it came.
        at: OffsetDateTime,
        /// Who brought it.
        by: String,
    },
    /// It is written down.
    New {
        /// The statement that it is now.
        statement: Uuid,
        /// Lines that no other file had.
        new: u64,
        /// Lines that another file had brought.
        known: u64,
        /// Lines that found their transaction; of a large file none have yet.
        matched: u64,
    },
}

/// Writes a statement down, and looks for what its lines are.
///
/// # Errors
/// [`StoreError::Conflict`]: somebody brings the same file just now.
pub async fn import(db: &Db, new: &New<'_>, now: OffsetDateTime) -> Result<Imported> {
    account(new.account)?;
    if let Some(known) = known(db, &new.digest).await? {
        return Ok(known);
    }
    let mut tx = db.begin().await?;
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO statements (id, account, format, file_name, digest, since, until, imported_at, imported_by)
         VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8)",
        id,
        new.account,
        new.file_name,
        &new.digest[..],
        new.since,
        new.until,
        now,
        new.by
    )
    .execute(&mut *tx)
    .await?;
    let mut written = 0;
    for lines in new.lines.chunks(AT_ONCE) {
        let columns = Columns::of(lines, now);
        written += sqlx::query!(
            "INSERT INTO statement_lines (id, statement_id, account, reference, discriminator, kind, happened_at, amount_minor, currency,
                 details, party, related)
             SELECT n.id, $1, $2, n.reference, n.discriminator, n.kind, n.at, n.amount, n.currency, n.details, n.party, n.related
             FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bigint[], $9::text[], $10::text[],
                         $11::text[], $12::text[]) AS n (id, reference, discriminator, kind, at, amount, currency, details, party, related)
             ON CONFLICT (account, reference, kind, discriminator) DO NOTHING",
            id,
            new.account,
            &columns.ids,
            &columns.references,
            &columns.discriminators,
            &columns.kinds,
            &columns.moments,
            &columns.amounts,
            &columns.currencies,
            &columns.details,
            &columns.parties,
            &columns.related
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
    }
    let matched = match new.lines.len() {
        ..=MATCHED_AT_ONCE => matching::rematch_in(&mut tx, Some(new.account)).await?,
        _ => 0,
    };
    tx.commit().await?;
    let all = u64::try_from(new.lines.len()).unwrap_or(u64::MAX);
    Ok(Imported::New { statement: id, new: written, known: all.saturating_sub(written), matched })
}

async fn known(db: &Db, digest: &[u8; 32]) -> Result<Option<Imported>> {
    let row = sqlx::query!("SELECT id, imported_at, imported_by FROM statements WHERE digest = $1", &digest[..])
        .fetch_optional(&db.pool)
        .await?;
    Ok(row.map(|row| Imported::Known { statement: row.id, at: row.imported_at, by: row.imported_by }))
}

/// Lines turned from rows to columns, for `unnest`.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    references: Vec<String>,
    discriminators: Vec<String>,
    kinds: Vec<String>,
    moments: Vec<OffsetDateTime>,
    amounts: Vec<i64>,
    currencies: Vec<String>,
    details: Vec<String>,
    parties: Vec<String>,
    related: Vec<String>,
}

impl Columns {
    fn of(lines: &[Line], now: OffsetDateTime) -> Columns {
        let mut columns = Columns::default();
        for line in lines {
            columns.ids.push(rng::id(now));
            columns.references.push(line.reference.clone());
            columns.discriminators.push(line.discriminator.clone());
            columns.kinds.push(line.kind.to_owned());
            columns.moments.push(line.at);
            columns.amounts.push(line.amount.minor);
            columns.currencies.push(line.amount.currency.as_str().to_owned());
            columns.details.push(line.details.clone());
            columns.parties.push(line.party.clone());
            columns.related.push(line.related.clone());
        }
        columns
    }
}

/// A statement that is written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its identity.
    pub id: Uuid,
    /// The ledger's account that it tells of.
    pub account: String,
    /// What the file was called.
    pub file_name: String,
    /// From when it tells.
    pub since: OffsetDateTime,
    /// Until when.
    pub until: OffsetDateTime,
    /// When it came.
    pub imported_at: OffsetDateTime,
    /// Who brought it.
    pub imported_by: String,
    /// How many lines it was the first to bring.
    pub lines: u64,
    /// How many of these are open.
    pub open: u64,
}

/// The statements, the newest first.
pub async fn list(db: &Db, limit: u32) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.account, s.file_name, s.since, s.until, s.imported_at, s.imported_by,
                  (SELECT count(*) FROM statement_lines l WHERE l.statement_id = s.id) AS "lines!",
                  (SELECT count(*) FROM statement_lines l WHERE l.statement_id = s.id AND l.state = 'open') AS "open!"
           FROM statements s ORDER BY s.imported_at DESC, s.id DESC LIMIT $1"#,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    let listed = rows.into_iter().map(|row| Listed {
        id: row.id,
        account: row.account,
        file_name: row.file_name,
        since: row.since,
        until: row.until,
        imported_at: row.imported_at,
        imported_by: row.imported_by,
        lines: unsigned(row.lines),
        open: unsigned(row.open),
    });
    Ok(listed.collect())
}

/// The ledger's account of a statement.
fn account(word: &str) -> Result<Account> {
    match word {
        "mpesa" => Ok(Account::Mpesa),
        "stripe" => Ok(Account::Stripe),
        "bank" => Ok(Account::Bank),
        _ => Err(StoreError::missing("account with statements", word)),
    }
}
