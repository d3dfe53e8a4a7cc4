//! From what the ledger has of sales to what is to be signed, in bounded steps. What one portal has in hand another leaves alone.
//!
//! Each order is an invoice, or each document of a closed day is one ([`Per`]). What no order was made for – vouchers on paper, which are
//! income when they are used – is always told by the day. What is taken back of a sale is a credit note of its own, at the branch of the
//! invoice that it gives back. The letter and the rate of the tax are those of the package on the day of the sale, where it was sold.
//!
//! Left waiting: what no day has taken up yet, and what is taken back of no order. Forgotten: what is taken back of a sale from before
//! there was a branch, which was never told.

use std::collections::BTreeMap;

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::SALES;
use crate::{Db, Result};

/// Most orders and credit notes that are made with one step.
const STEP: i64 = 100;
/// Most documents.
const DOCUMENTS: i64 = 10;

/// What an invoice is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Per {
    /// Each order.
    Order,
    /// Each document of a closed day: a place, a way of payment.
    Day,
}

/// An invoice to be.
struct New {
    branch: Uuid,
    kind: &'static str,
    /// What it tells.
    transactions: Vec<Uuid>,
    document: Option<Uuid>,
    order: Option<Uuid>,
    credits: Option<Uuid>,
    reference: String,
    method: String,
    at: OffsetDateTime,
    lines: Vec<NewLine>,
}

struct NewLine {
    package: Option<Uuid>,
    description: String,
    quantity: i64,
    gross: i64,
    letter: String,
    rate: i32,
}

/// Makes what can be made now, so much of it. Returns whether there is probably more.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn make(db: &Db, per: Per, now: OffsetDateTime) -> Result<bool> {
    let mut more = false;
    if per == Per::Order {
        more |= orders(db, now).await?;
    }
    more |= documents(db, per, now).await?;
    more |= credits(db, now).await?;
    Ok(more)
}

async fn orders(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT w.transaction_id, -w.amount_minor AS "gross!", t.posted_at, o.id AS order_id, o.code, o.package_id,
                  o.package->>'name' AS "name!", b.id AS branch_id, x.letter AS "letter!", x.rate AS "rate!",
                  coalesce((SELECT p.provider FROM payments p WHERE p.order_id = o.id AND p.state = 'succeeded'
                            ORDER BY p.created_at LIMIT 1), 'mpesa') AS "method!"
           FROM etims_transactions w
           JOIN ledger_transactions t ON t.id = w.transaction_id
           JOIN orders o ON o.id = t.order_id
           LEFT JOIN nas n ON n.id = o.nas_id
           LEFT JOIN sites s ON s.id = n.site_id
           JOIN LATERAL (SELECT b.id FROM etims_branches b WHERE b.is_used AND (b.site_id = s.id OR b.site_id IS NULL)
                         ORDER BY b.site_id NULLS LAST LIMIT 1) b ON true
           CROSS JOIN LATERAL etims_tax(o.package_id, (t.posted_at AT TIME ZONE coalesce(s.time_zone, 'Africa/Nairobi'))::date) x
           WHERE w.invoice_id IS NULL AND w.amount_minor < 0
           ORDER BY w.transaction_id LIMIT $1 FOR UPDATE OF w SKIP LOCKED"#,
        STEP
    )
    .fetch_all(&mut *tx)
    .await?;
    let more = rows.len() == usize::try_from(STEP).unwrap_or(usize::MAX);
    for row in rows {
        let line = NewLine {
            package: Some(row.package_id),
            description: row.name,
            quantity: 1,
            gross: row.gross,
            letter: row.letter,
            rate: row.rate,
        };
        let new = New {
            branch: row.branch_id,
            kind: "sale",
            transactions: vec![row.transaction_id],
            document: None,
            order: Some(row.order_id),
            credits: None,
            reference: row.code,
            method: row.method,
            at: row.posted_at,
            lines: vec![line],
        };
        write(&mut tx, &new, now).await?;
    }
    tx.commit().await?;
    Ok(more)
}

async fn documents(db: &Db, per: Per, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT w.transaction_id, -w.amount_minor AS "gross!", d.id AS document_id, d.number, d.method,
                  day.ends_at - interval '1 second' AS "at!", b.id AS branch_id, x.letter AS "letter!", x.rate AS "rate!",
                  q.package_id, coalesce(p.name, 'Internet access') AS "name!", q.quantity AS "quantity!"
           FROM (SELECT d.id FROM book_documents d
                 WHERE d.id IN (SELECT i.document_id FROM etims_transactions w JOIN book_items i ON i.transaction_id = w.transaction_id
                                JOIN ledger_transactions t ON t.id = w.transaction_id
                                WHERE w.invoice_id IS NULL AND w.amount_minor < 0 AND ($1 OR t.order_id IS NULL))
                   AND NOT EXISTS (SELECT FROM etims_invoices e WHERE e.document_id = d.id)
                 ORDER BY d.number LIMIT $2 FOR UPDATE SKIP LOCKED) due
           JOIN book_documents d ON d.id = due.id
           JOIN book_days day ON day.id = d.day_id
           JOIN book_items i ON i.document_id = d.id
           JOIN etims_transactions w ON w.transaction_id = i.transaction_id AND w.invoice_id IS NULL AND w.amount_minor < 0
           JOIN ledger_transactions t ON t.id = w.transaction_id AND ($1 OR t.order_id IS NULL)
           LEFT JOIN orders o ON o.id = t.order_id
           LEFT JOIN cash_events c ON c.transaction_id = t.id
           CROSS JOIN LATERAL (SELECT coalesce(o.package_id, c.package_id) AS package_id, coalesce(c.quantity, 1) AS quantity) q
           LEFT JOIN packages p ON p.id = q.package_id
           JOIN LATERAL (SELECT b.id FROM etims_branches b WHERE b.is_used AND (b.site_id = day.site_id OR b.site_id IS NULL)
                         ORDER BY b.site_id NULLS LAST LIMIT 1) b ON true
           CROSS JOIN LATERAL etims_tax(q.package_id, day.day) x
           ORDER BY d.number, q.package_id, w.transaction_id"#,
        per == Per::Day,
        DOCUMENTS
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut news = BTreeMap::<String, New>::new();
    for row in rows {
        let new = news.entry(row.number.clone()).or_insert_with(|| New {
            branch: row.branch_id,
            kind: "sale",
            transactions: Vec::new(),
            document: Some(row.document_id),
            order: None,
            credits: None,
            reference: row.number,
            method: row.method,
            at: row.at,
            lines: Vec::new(),
        });
        let line = NewLine {
            package: row.package_id,
            description: row.name,
            quantity: row.quantity,
            gross: row.gross,
            letter: row.letter,
            rate: row.rate,
        };
        new.transactions.push(row.transaction_id);
        add(&mut new.lines, line);
    }
    let more = news.len() == usize::try_from(DOCUMENTS).unwrap_or(usize::MAX);
    for new in news.values() {
        write(&mut tx, new, now).await?;
    }
    tx.commit().await?;
    Ok(more)
}

/// What is of the same package and tax stands in one line.
fn add(lines: &mut Vec<NewLine>, new: NewLine) {
    let is_same = |line: &&mut NewLine| (line.package, &line.letter, line.rate) == (new.package, &new.letter, new.rate);
    match lines.iter_mut().find(is_same) {
        Some(line) => {
            line.quantity += new.quantity;
            line.gross += new.gross;
        }
        None => lines.push(new),
    }
}

async fn credits(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT w.transaction_id, w.amount_minor AS gross, t.posted_at, o.id AS order_id, o.code, o.package_id,
                  o.package->>'name' AS "name!", e.id AS "invoice_id?", e.branch_id AS "branch_id?", e.method AS "method?",
                  x.letter AS "letter!", x.rate AS "rate!"
           FROM etims_transactions w
           JOIN ledger_transactions t ON t.id = w.transaction_id
           JOIN orders o ON o.id = t.order_id
           LEFT JOIN nas n ON n.id = o.nas_id
           LEFT JOIN sites s ON s.id = n.site_id
           JOIN LATERAL (SELECT sold.id, sold.posted_at FROM payments p
                         JOIN ledger_transactions sold ON sold.key = 'payment:' || p.id
                         JOIN ledger_entries l ON l.transaction_id = sold.id AND l.account_id = $1 AND l.amount_minor < 0
                         WHERE p.order_id = o.id ORDER BY sold.posted_at LIMIT 1) sold ON true
           LEFT JOIN etims_transactions told ON told.transaction_id = sold.id
           LEFT JOIN etims_invoices e ON e.id = told.invoice_id
           CROSS JOIN LATERAL etims_tax(o.package_id, (sold.posted_at AT TIME ZONE coalesce(s.time_zone, 'Africa/Nairobi'))::date) x
           WHERE w.invoice_id IS NULL AND w.amount_minor > 0 AND (told.transaction_id IS NULL OR told.invoice_id IS NOT NULL)
           ORDER BY w.transaction_id LIMIT $2 FOR UPDATE OF w SKIP LOCKED"#,
        SALES,
        STEP
    )
    .fetch_all(&mut *tx)
    .await?;
    let more = rows.len() == usize::try_from(STEP).unwrap_or(usize::MAX);
    let mut forgotten = Vec::new();
    for row in rows {
        // Without an invoice it was sold before there was a branch.
        let (Some(invoice), Some(branch), Some(method)) = (row.invoice_id, row.branch_id, row.method) else {
            forgotten.push(row.transaction_id);
            continue;
        };
        let line = NewLine {
            package: Some(row.package_id),
            description: row.name,
            quantity: 1,
            gross: row.gross,
            letter: row.letter,
            rate: row.rate,
        };
        let new = New {
            branch,
            kind: "credit",
            transactions: vec![row.transaction_id],
            document: None,
            order: Some(row.order_id),
            credits: Some(invoice),
            reference: row.code,
            method,
            at: row.posted_at,
            lines: vec![line],
        };
        write(&mut tx, &new, now).await?;
    }
    sqlx::query!("DELETE FROM etims_transactions WHERE transaction_id = ANY ($1) AND invoice_id IS NULL", &forgotten)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(more)
}

async fn write(tx: &mut PgConnection, new: &New, now: OffsetDateTime) -> Result<()> {
    let (id, amount) = (rng::id(now), new.lines.iter().map(|line| line.gross).sum::<i64>());
    sqlx::query!(
        "INSERT INTO etims_invoices (id, branch_id, kind, document_id, order_id, credits, reference, method, happened_at, amount_minor, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id,
        new.branch,
        new.kind,
        new.document,
        new.order,
        new.credits,
        new.reference,
        new.method,
        new.at,
        amount,
        now
    )
    .execute(&mut *tx)
    .await?;
    for (position, line) in (1_i32..).zip(&new.lines) {
        sqlx::query!(
            "INSERT INTO etims_lines (invoice_id, position, package_id, description, quantity, gross_minor, tax_letter, tax_rate)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            id,
            position,
            line.package,
            line.description,
            line.quantity,
            line.gross,
            line.letter,
            line.rate
        )
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query!(
        "UPDATE etims_transactions SET invoice_id = $2 WHERE transaction_id = ANY ($1)",
        &new.transactions,
        id
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_package_and_tax_is_one_line() {
        let line = |package: u128, letter: &str, gross| NewLine {
            package: Some(Uuid::from_u128(package)),
            description: "Hour".into(),
            quantity: 1,
            gross,
            letter: letter.into(),
            rate: 1600,
        };
        let mut lines = Vec::new();
        for new in [line(1, "B", 2000), line(2, "B", 500), line(1, "B", 1500), line(1, "E", 100)] {
            add(&mut lines, new);
        }
        let found: Vec<(i64, i64)> = lines.iter().map(|line| (line.quantity, line.gross)).collect();
        assert_eq!(found, [(2, 3500), (1, 500), (1, 100)]);
    }
}
