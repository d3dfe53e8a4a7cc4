//! Which transaction of the ledger a line is.
//!
//! What names the same is found by the view `statement_candidates`; of that a line takes what is as much as it is itself. A transfer is named
//! by nobody on both sides, and neither is cash that an agent handed over and that is in the bank: where one open line and one of these, booked
//! with just its amount, stand within [`DAYS_APART`] of each other, and no other on either side, they are the same.
//!
//! All of it is a statement over the lines that are open, so that it can be done whenever something may have been booked since.

use sqlx::PgConnection;

use crate::{Db, Result};

/// So many days a transfer may take.
const DAYS_APART: i32 = 5;

/// Looks for what open lines are. Returns how many found it.
pub async fn rematch(db: &Db) -> Result<u64> {
    let mut tx = db.begin().await?;
    let matched = rematch_in(&mut tx, None).await?;
    tx.commit().await?;
    Ok(matched)
}

/// The same within a transaction; of one account, or of all.
pub(super) async fn rematch_in(tx: &mut PgConnection, account: Option<&str>) -> Result<u64> {
    // One at a time: two of them would give one transaction to two lines.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('statement_lines'))").fetch_all(&mut *tx).await?;
    let named = sqlx::query!(
        "WITH found AS (
             SELECT DISTINCT ON (c.transaction_id, l.account) l.id, c.transaction_id
             FROM statement_candidates c JOIN statement_lines l ON l.id = c.line_id
             WHERE c.booked_minor = l.amount_minor AND ($1::text IS NULL OR l.account = $1)
             ORDER BY c.transaction_id, l.account, l.happened_at, l.id),
         chosen AS (SELECT DISTINCT ON (id) id, transaction_id FROM found ORDER BY id, transaction_id)
         UPDATE statement_lines l SET state = 'matched', resolution = NULL, transaction_id = c.transaction_id, party = '',
             related = CASE WHEN l.account = 'mpesa' AND l.kind = 'payment' THEN '' ELSE l.related END
         FROM chosen c WHERE l.id = c.id AND (l.state = 'open' OR l.resolution = 'ignore')",
        account
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let transfers = sqlx::query!(
        "WITH moved AS (
             SELECT b.transaction_id AS id, b.happened_at AS at, a.code AS account, e.amount_minor, e.currency
             FROM statement_lines b JOIN ledger_entries e ON e.transaction_id = b.transaction_id JOIN ledger_accounts a ON a.id = e.account_id
             WHERE b.resolution = 'transfer' AND a.code <> b.account AND a.code IN ('mpesa', 'stripe', 'bank')
               AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.transaction_id = b.transaction_id AND l.account = a.code)
             UNION ALL
             SELECT c.transaction_id, c.happened_at, 'bank', c.amount_minor, c.currency FROM cash_events c
             WHERE c.kind = 'handed_over'
               AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.transaction_id = c.transaction_id AND l.account = 'bank')
               AND NOT EXISTS (SELECT FROM statement_explanations x WHERE x.transaction_id = c.transaction_id AND x.account = 'bank')),
         pairs AS (
             SELECT l.id, m.id AS transaction_id, count(*) OVER (PARTITION BY l.id) AS of_line, count(*) OVER (PARTITION BY m.id, l.account) AS of_transfer
             FROM statement_lines l JOIN moved m ON m.account = l.account AND m.amount_minor = l.amount_minor AND m.currency = l.currency
             WHERE l.state = 'open' AND l.kind IN ('transfer', 'other')
               AND l.happened_at BETWEEN m.at - make_interval(days => $1) AND m.at + make_interval(days => $1))
         UPDATE statement_lines l SET state = 'matched', transaction_id = p.transaction_id, party = ''
         FROM pairs p WHERE l.id = p.id AND p.of_line = 1 AND p.of_transfer = 1 AND l.state = 'open'",
        DAYS_APART
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    Ok(named + transfers)
}
