//! The three sums of each day, and what differs: lines that found no transaction, and transactions that no statement has.
//!
//! A transaction counts on the day of its line: so the sums of a day differ only by what is on one side and not on the other. What a person
//! put aside, or explained, is counted by itself.

use shared::money::Money;
use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::money::money;
use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// What is looked at: an account, from a moment until before another, its days those of a time zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span<'a> {
    /// The ledger's account: `mpesa`, `stripe`, `bank`.
    pub account: &'a str,
    /// From when.
    pub since: OffsetDateTime,
    /// Until before when.
    pub until: OffsetDateTime,
    /// The name of the time zone.
    pub zone: &'a str,
}

/// A day of an account, in one currency; in minor units, what came above zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Day {
    /// The day.
    pub day: Date,
    /// The currency.
    pub currency: String,
    /// What the provider says.
    pub provider: i64,
    /// Of that, what a person put aside.
    pub ignored: i64,
    /// What the ledger has.
    pub ledger: i64,
    /// Of that, what no statement has and a person explained.
    pub explained: i64,
    /// Of the ledger's, what was booked at times of which no statement tells.
    pub untold: i64,
    /// Of the ledger's, what is in documents of closed days.
    pub closed: i64,
    /// Of that, what is told to every accountant's program that it is to be told to.
    pub posted: i64,
    /// How many lines are open.
    pub open: u64,
    /// How many transactions no statement has, and nobody has explained.
    pub missing: u64,
}

impl Day {
    /// What the provider has more than the ledger, without what is explained, and of times of which both tell.
    pub fn difference(&self) -> i64 {
        (self.provider - self.ignored) - (self.ledger - self.explained - self.untold)
    }
}

/// The days of an account of which there is something to tell, the newest first.
pub async fn days(db: &Db, span: &Span<'_>) -> Result<Vec<Day>> {
    let rows = sqlx::query!(
        r#"WITH lines AS (
               SELECT l.* FROM statement_lines l WHERE l.account = $1 AND l.happened_at >= $2 AND l.happened_at < $3),
           alone AS (
               SELECT t.id, t.posted_at, EXISTS (SELECT FROM statement_explanations x WHERE x.transaction_id = t.id AND x.account = $1) AS is_explained,
                      EXISTS (SELECT FROM statements s WHERE s.account = $1 AND s.since <= t.posted_at AND s.until >= t.posted_at) AS is_told
               FROM ledger_transactions t
               WHERE t.posted_at >= $2 AND t.posted_at < $3
                 AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.transaction_id = t.id AND l.account = $1)
                 -- Booked twice and taken back again.
                 AND t.key NOT LIKE 'received:%:known'
                 AND (t.key NOT LIKE 'received:%' OR NOT EXISTS (SELECT FROM ledger_transactions k WHERE k.key = t.key || ':known'))),
           programs AS (
               SELECT p.document_id FROM book_postings p JOIN book_connections c ON c.id = p.connection_id AND c.state <> 'off'
               WHERE p.state <> 'undone' GROUP BY p.document_id HAVING bool_and(p.state = 'posted')),
           booked AS (
               SELECT b.at, e.currency, e.amount_minor, b.is_alone, b.is_explained, b.is_told, i.document_id IS NOT NULL AS is_closed, d.document_id IS NOT NULL AS is_posted
               FROM (SELECT transaction_id, happened_at AS at, false AS is_alone, false AS is_explained, true AS is_told
                     FROM lines WHERE transaction_id IS NOT NULL
                     UNION ALL SELECT id, posted_at, true, is_explained, is_told FROM alone) b
               JOIN ledger_entries e ON e.transaction_id = b.transaction_id AND e.account_id = (SELECT id FROM ledger_accounts WHERE code = $1)
               LEFT JOIN book_items i ON i.transaction_id = b.transaction_id
               LEFT JOIN programs d ON d.document_id = i.document_id),
           sums AS (
               SELECT happened_at AS at, currency, amount_minor AS provider,
                      CASE WHEN resolution = 'ignore' THEN amount_minor ELSE 0 END AS ignored,
                      0 AS ledger, 0 AS explained, 0 AS untold, 0 AS closed, 0 AS posted, (state = 'open')::int AS open, 0 AS missing FROM lines
               UNION ALL
               SELECT at, currency, 0, 0, amount_minor, CASE WHEN is_explained THEN amount_minor ELSE 0 END,
                      CASE WHEN is_told OR is_explained THEN 0 ELSE amount_minor END,
                      CASE WHEN is_closed THEN amount_minor ELSE 0 END, CASE WHEN is_posted THEN amount_minor ELSE 0 END, 0,
                      (is_alone AND is_told AND NOT is_explained)::int FROM booked),
           days AS (
               SELECT (at AT TIME ZONE $4)::date AS day, currency, sum(provider)::bigint AS provider, sum(ignored)::bigint AS ignored,
                      sum(ledger)::bigint AS ledger, sum(explained)::bigint AS explained, sum(untold)::bigint AS untold, sum(closed)::bigint AS closed,
                      sum(posted)::bigint AS posted, sum(open)::bigint AS open, sum(missing)::bigint AS missing
               FROM sums GROUP BY 1, 2)
           SELECT d.day AS "day!", d.currency AS "currency!", d.provider AS "provider!", d.ignored AS "ignored!", d.ledger AS "ledger!",
                  d.explained AS "explained!", d.untold AS "untold!", d.closed AS "closed!", d.posted AS "posted!", d.open AS "open!", d.missing AS "missing!"
           FROM days d ORDER BY d.day DESC, d.currency"#,
        span.account,
        span.since,
        span.until,
        span.zone
    )
    .fetch_all(&db.pool)
    .await?;
    let days = rows.into_iter().map(|row| Day {
        day: row.day,
        currency: row.currency,
        provider: row.provider,
        ignored: row.ignored,
        ledger: row.ledger,
        explained: row.explained,
        untold: row.untold,
        closed: row.closed,
        posted: row.posted,
        open: unsigned(row.open),
        missing: unsigned(row.missing),
    });
    Ok(days.collect())
}

/// A line that found no transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// Its identity.
    pub id: Uuid,
    /// The ledger's account.
    pub account: String,
    /// The provider's name of what happened.
    pub reference: String,
    /// `payment`, `refund`, `fee`, `transfer` or `other`.
    pub kind: String,
    /// `open`, `matched` or `resolved`.
    pub state: String,
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
    /// What names the same in the ledger, with another amount.
    pub booked: Option<Money>,
}

/// What a query reads of a line.
struct Row {
    id: Uuid,
    account: String,
    reference: String,
    kind: String,
    state: String,
    happened_at: OffsetDateTime,
    amount_minor: i64,
    currency: String,
    details: String,
    party: String,
    related: String,
    booked_minor: Option<i64>,
}

impl Row {
    fn open(self) -> Result<Open> {
        let amount = money("statement_lines", self.id, self.amount_minor, &self.currency)?;
        Ok(Open {
            id: self.id,
            account: self.account,
            reference: self.reference,
            kind: self.kind,
            state: self.state,
            at: self.happened_at,
            amount,
            details: self.details,
            party: self.party,
            related: self.related,
            booked: self.booked_minor.map(|minor| Money { minor, ..amount }),
        })
    }
}

/// The open lines of an account, the newest first.
pub async fn open(db: &Db, span: &Span<'_>, limit: u32) -> Result<Vec<Open>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT l.id, l.account, l.reference, l.kind, l.state, l.happened_at, l.amount_minor, l.currency, l.details, l.party, l.related,
                  (SELECT min(c.booked_minor) FROM statement_candidates c WHERE c.line_id = l.id) AS booked_minor
           FROM statement_lines l WHERE l.state = 'open' AND l.account = $1 AND l.happened_at >= $2 AND l.happened_at < $3
           ORDER BY l.happened_at DESC, l.id LIMIT $4"#,
        span.account,
        span.since,
        span.until,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Row::open).collect()
}

/// One line, whatever its state.
///
/// # Errors
/// [`StoreError::Missing`]: there is none.
pub async fn line(db: &Db, id: Uuid) -> Result<Open> {
    sqlx::query_as!(
        Row,
        r#"SELECT l.id, l.account, l.reference, l.kind, l.state, l.happened_at, l.amount_minor, l.currency, l.details, l.party, l.related,
                  (SELECT min(c.booked_minor) FROM statement_candidates c WHERE c.line_id = l.id) AS booked_minor
           FROM statement_lines l WHERE l.id = $1"#,
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("line of a statement", id))?
    .open()
}

/// How many lines are open, by account.
pub async fn count_open(db: &Db) -> Result<Vec<(String, u64)>> {
    let rows = sqlx::query!(
        r#"SELECT account, count(*) AS "count!" FROM statement_lines WHERE state = 'open' GROUP BY account ORDER BY account"#
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.account, unsigned(row.count))).collect())
}

/// A transaction of the ledger that no statement of its time has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The transaction.
    pub transaction: Uuid,
    /// What it says.
    pub description: String,
    /// When it was booked.
    pub at: OffsetDateTime,
    /// Code of its order.
    pub order: Option<String>,
    /// The provider's receipt of it, where it is one of a payment.
    pub receipt: Option<String>,
    /// What it put on the account.
    pub amount: Money,
}

/// The transactions of an account that no statement has though one tells of that time, the newest first.
pub async fn missing(db: &Db, span: &Span<'_>, limit: u32) -> Result<Vec<Missing>> {
    let rows = sqlx::query!(
        r#"SELECT t.id, t.description, t.posted_at, o.code AS "code?", p.receipt AS "receipt?", e.amount_minor, e.currency
           FROM ledger_transactions t
           JOIN ledger_entries e ON e.transaction_id = t.id AND e.account_id = (SELECT id FROM ledger_accounts WHERE code = $1)
           LEFT JOIN orders o ON o.id = t.order_id
           LEFT JOIN payments p ON t.key = 'payment:' || p.id AND p.order_id = t.order_id
           WHERE t.posted_at >= $2 AND t.posted_at < $3
             AND EXISTS (SELECT FROM statements s WHERE s.account = $1 AND s.since <= t.posted_at AND s.until >= t.posted_at)
             AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.transaction_id = t.id AND l.account = $1)
             AND NOT EXISTS (SELECT FROM statement_explanations x WHERE x.transaction_id = t.id AND x.account = $1)
             AND t.key NOT LIKE 'received:%:known'
             AND (t.key NOT LIKE 'received:%' OR NOT EXISTS (SELECT FROM ledger_transactions k WHERE k.key = t.key || ':known'))
           ORDER BY t.posted_at DESC, t.id LIMIT $4"#,
        span.account,
        span.since,
        span.until,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Missing {
                amount: money("ledger_entries", row.id, row.amount_minor, &row.currency)?,
                transaction: row.id,
                description: row.description,
                at: row.posted_at,
                order: row.code,
                receipt: row.receipt,
            })
        })
        .collect()
}
