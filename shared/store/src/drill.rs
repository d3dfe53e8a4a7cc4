//! What must hold in a database that was restored, or in any other: the ledger balances, money that was paid is access or a
//! refund due, and the audit log is whole.
//!
//! [`examine`] reads everything in one transaction that changes nothing, so that it sees one moment, also of a database that is in
//! use. What is wrong is a sentence each; of many of one kind the first [`SHOWN`] are told. How new the newest thing is says what a
//! restored database has lost.
//!
//! It repairs nothing, and knows no policy: only what the triggers and transactions of the other files promise.

use shared::money::{Currency, Money};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;

use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// Most problems of one kind that are told.
const SHOWN: usize = 10;
/// A line of the audit log follows the one with the highest number that could be seen when it was written. With several writers
/// that need not be the one before it; it is looked for among so many on either side.
const NEIGHBOURS: i64 = 32;

/// What was found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Found {
    /// What is wrong, in sentences. Empty: nothing is.
    pub problems: Vec<String>,
    /// What came and what became of it, by currency.
    pub books: Vec<Books>,
    /// How much there is.
    pub tables: Vec<Table>,
    /// How new the newest thing is; `None`: there is nothing.
    pub newest: Option<OffsetDateTime>,
}

/// Payments that were booked, in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Books {
    /// What came.
    pub paid: Money,
    /// For which access was given.
    pub granted: Money,
    /// What was owed back at once, since it bought nothing.
    pub owed: Money,
}

/// Rows of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// How many.
    pub rows: u64,
}

impl Found {
    /// How many rows a table has.
    pub fn rows(&self, table: &str) -> u64 {
        self.tables.iter().find(|known| known.name == table).map_or(0, |known| known.rows)
    }

    /// Notes problems of one kind, at most [`SHOWN`]; one more was asked for, which shows that there are more.
    fn note(&mut self, problems: impl Iterator<Item = String>) {
        let mut problems: Vec<String> = problems.collect();
        if problems.len() > SHOWN {
            problems.truncate(SHOWN);
            problems.push("and more of this kind".to_owned());
        }
        self.problems.append(&mut problems);
    }
}

/// How many rows are asked for.
const ASKED: i64 = SHOWN as i64 + 1;

/// Examines a database whose schema is this program's.
///
/// # Errors
/// If it cannot be read, or its schema is another one. What is wrong in it is no error, but found.
pub async fn examine(db: &Db) -> Result<Found> {
    db.expect_current_schema().await?;
    let mut tx = db.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let mut found = Found::default();
    sums(&mut tx, &mut found).await?;
    transactions(&mut tx, &mut found).await?;
    orders(&mut tx, &mut found).await?;
    books(&mut tx, &mut found).await?;
    audit(&mut tx, &mut found).await?;
    head_of_audit(&mut tx, &mut found).await?;
    found.newest = newest(&mut tx).await?;
    found.tables = tables(&mut tx).await?;
    tx.rollback().await?;
    Ok(found)
}

/// All that is booked adds up to nothing, and belongs to a transaction.
async fn sums(tx: &mut PgConnection, found: &mut Found) -> Result<()> {
    let crooked = sqlx::query!(
        r#"SELECT currency AS "currency!", sum(amount_minor)::text AS "off!" FROM ledger_entries
           GROUP BY currency HAVING sum(amount_minor) <> 0 ORDER BY currency LIMIT $1"#,
        ASKED
    )
    .fetch_all(&mut *tx)
    .await?;
    found.note(
        crooked.into_iter().map(|row| {
            format!("the ledger's entries in {} add up to {} minor units instead of 0", row.currency, row.off)
        }),
    );
    let stray = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM ledger_entries e
           WHERE NOT EXISTS (SELECT FROM ledger_transactions t WHERE t.id = e.transaction_id)"#
    )
    .fetch_one(tx)
    .await?;
    if stray > 0 {
        found.problems.push(format!("{stray} entries of the ledger belong to no transaction"));
    }
    Ok(())
}

/// Each transaction has two sides that balance.
async fn transactions(tx: &mut PgConnection, found: &mut Found) -> Result<()> {
    let crooked = sqlx::query!(
        r#"WITH sums AS (
               SELECT transaction_id, currency, count(*) AS entries, sum(amount_minor) AS off
               FROM ledger_entries GROUP BY transaction_id, currency),
           sides AS (
               SELECT transaction_id, sum(entries)::bigint AS entries,
                      string_agg(off::text || ' ' || currency, ', ') FILTER (WHERE off <> 0) AS off
               FROM sums GROUP BY transaction_id)
           SELECT t.key AS "key!", coalesce(s.entries, 0) AS "entries!", s.off AS "off?"
           FROM ledger_transactions t LEFT JOIN sides s ON s.transaction_id = t.id
           WHERE coalesce(s.entries, 0) < 2 OR s.off IS NOT NULL ORDER BY t.posted_at, t.id LIMIT $1"#,
        ASKED
    )
    .fetch_all(tx)
    .await?;
    found.note(crooked.into_iter().map(|row| match row.off {
        Some(off) => format!("the ledger's transaction {} does not balance: {off} too much, in minor units", row.key),
        None => format!("the ledger's transaction {} has {} of its entries, and must have two", row.key, row.entries),
    }));
    Ok(())
}

/// Every payment that came is booked, and every order that was sold for is granted once: never neither, never twice.
async fn orders(tx: &mut PgConnection, found: &mut Found) -> Result<()> {
    let wrong = sqlx::query!(
        r#"WITH booked AS (
               SELECT t.key, coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'sales'), 0) AS sold,
                      coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'refunds_due'), 0) AS owed
               FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                    JOIN ledger_accounts a ON a.id = e.account_id
               WHERE t.key LIKE 'payment:%' GROUP BY t.id),
           paid AS (
               SELECT p.order_id, count(*) FILTER (WHERE p.state = 'succeeded' AND b.key IS NULL) AS not_booked,
                      count(*) FILTER (WHERE p.state <> 'succeeded' AND b.key IS NOT NULL) AS not_paid,
                      count(*) FILTER (WHERE b.sold > 0) AS sold, count(*) FILTER (WHERE b.owed > 0) AS owed,
                      count(*) FILTER (WHERE b.sold > 0 AND b.sold <> p.amount_minor) AS of_another_price
               FROM payments p LEFT JOIN booked b ON b.key = 'payment:' || p.id::text GROUP BY p.order_id),
           granted AS (
               SELECT order_id, count(*) AS grants FROM (
                   SELECT order_id FROM entitlements WHERE order_id IS NOT NULL
                   UNION ALL SELECT order_id FROM entitlement_changes
                   UNION ALL SELECT order_id FROM vouchers WHERE order_id IS NOT NULL) AS g GROUP BY order_id),
           stand AS (
               SELECT o.id, o.code, o.state, (o.amount_minor = 0 AND o.state = 'paid')::int::bigint AS given,
                      coalesce(p.not_booked, 0) AS not_booked, coalesce(p.not_paid, 0) AS not_paid, coalesce(p.sold, 0) AS sold,
                      coalesce(p.owed, 0) AS owed, coalesce(p.of_another_price, 0) AS of_another_price, coalesce(g.grants, 0) AS grants
               FROM orders o LEFT JOIN paid p ON p.order_id = o.id LEFT JOIN granted g ON g.order_id = o.id)
           SELECT code AS "code!", state AS "state!", not_booked AS "not_booked!", not_paid AS "not_paid!", of_another_price AS "of_another_price!",
                  sold + given AS "sold!", owed AS "owed!", grants AS "grants!"
           FROM stand
           WHERE not_booked > 0 OR not_paid > 0 OR of_another_price > 0 OR grants <> sold + given
              OR (state = 'paid' AND sold + given <> 1) OR (state = 'refund_due' AND sold + owed = 0)
              OR (state NOT IN ('paid', 'refund_due') AND sold + owed > 0)
           ORDER BY id LIMIT $1"#,
        ASKED
    )
    .fetch_all(&mut *tx)
    .await?;
    found.note(wrong.into_iter().map(|row| {
        let what = match (row.not_booked, row.not_paid, row.of_another_price) {
            (1.., _, _) => "has a payment that came and is not in the ledger".to_owned(),
            (_, 1.., _) => "has a payment in the ledger that did not come".to_owned(),
            (_, _, 1..) => "is booked with another amount than was paid for it".to_owned(),
            _ if row.grants != row.sold => format!("was sold {} times and granted {} times", row.sold, row.grants),
            _ => format!("has {} sales and {} refunds due in the ledger", row.sold, row.owed),
        };
        format!("order {} ({}) {what}", row.code, row.state)
    }));
    let stray = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM ledger_transactions t
           WHERE t.key LIKE 'payment:%' AND NOT EXISTS (SELECT FROM payments p WHERE 'payment:' || p.id::text = t.key)"#
    )
    .fetch_one(tx)
    .await?;
    if stray > 0 {
        found.problems.push(format!("{stray} payments are in the ledger and nowhere else"));
    }
    Ok(())
}

/// What came is what was granted and what is owed.
async fn books(tx: &mut PgConnection, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT e.currency AS "currency!", coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0)::bigint AS "paid!",
                  coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'sales'), 0)::bigint AS "granted!",
                  coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'refunds_due'), 0)::bigint AS "owed!"
           FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
           WHERE t.key LIKE 'payment:%' GROUP BY e.currency ORDER BY e.currency"#
    )
    .fetch_all(tx)
    .await?;
    for row in rows {
        let currency = row.currency.parse::<Currency>();
        let currency = currency.map_err(|error| StoreError::corrupt("ledger_entries", &row.currency, error))?;
        let money = |minor| Money { minor, currency };
        let books = Books { paid: money(row.paid), granted: money(row.granted), owed: money(row.owed) };
        if row.granted.checked_add(row.owed) != Some(row.paid) {
            let Books { paid, granted, owed } = books;
            found.problems.push(format!("{paid} was paid, but {granted} granted and {owed} owed"));
        }
        found.books.push(books);
    }
    Ok(())
}

/// Every line of the audit log is the one that was written, and follows one that is there: as the trigger `admin_logs_chain`
/// made it.
async fn audit(tx: &mut PgConnection, found: &mut Found) -> Result<()> {
    let broken = sqlx::query!(
        r#"WITH lines AS (
               SELECT id, at, actor, action, hash, lag(hash) OVER (ORDER BY id) AS before,
                      convert_to(concat_ws(E'\x1f', id, extract(epoch FROM at), actor, action, object, detail, address), 'UTF8') AS said
               FROM admin_logs)
           SELECT l.id AS "id!", l.at AS "at!", l.actor AS "actor!", l.action AS "action!" FROM lines l
           WHERE l.hash <> sha256(coalesce(l.before, ''::bytea) || l.said)
             AND NOT EXISTS (
               SELECT FROM (
                   (SELECT p.hash FROM admin_logs p WHERE p.id < l.id ORDER BY p.id DESC LIMIT $2)
                   UNION ALL (SELECT n.hash FROM admin_logs n WHERE n.id > l.id ORDER BY n.id LIMIT $2)
                   -- Nothing was before the first.
                   UNION ALL SELECT ''::bytea
                   WHERE (SELECT count(*) FROM (SELECT FROM admin_logs f WHERE f.id < l.id LIMIT $2) AS few) < $2) AS c (hash)
               WHERE l.hash = sha256(c.hash || l.said))
           ORDER BY l.id LIMIT $1"#,
        ASKED,
        NEIGHBOURS
    )
    .fetch_all(tx)
    .await?;
    found.note(broken.into_iter().map(|row| {
        format!(
            "the audit log is broken at line {} ({} by {}, {}): it was changed, or a line before it is missing",
            row.id,
            row.action,
            row.actor,
            shared::time::rfc3339(row.at)
        )
    }));
    Ok(())
}

/// The audit log ends where its head says: what was taken from its end breaks no chain.
async fn head_of_audit(tx: &mut PgConnection, found: &mut Found) -> Result<()> {
    let told = sqlx::query!(
        r#"SELECT h.id AS "head!", coalesce(l.id, 0) AS "last!" FROM admin_log_head h
           LEFT JOIN (SELECT id, hash FROM admin_logs ORDER BY id DESC LIMIT 1) l ON true
           WHERE h.id <> coalesce(l.id, 0) OR h.hash <> coalesce(l.hash, ''::bytea)"#
    )
    .fetch_optional(tx)
    .await?;
    found.problems.extend(told.map(|row| {
        format!(
            "the audit log ends with line {}, and its head says {}: the end was changed or is missing",
            row.last, row.head
        )
    }));
    Ok(())
}

/// How new the newest thing is. PostgreSQL itself knows after a recovery which transaction was the last; the pulse, and what is
/// written most, know it otherwise.
async fn newest(tx: &mut PgConnection) -> Result<Option<OffsetDateTime>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT greatest(pg_last_xact_replay_timestamp(), (SELECT max(at) FROM backup_pulse),
                           (SELECT at FROM admin_logs ORDER BY id DESC LIMIT 1),
                           (SELECT max(posted_at) FROM ledger_transactions)) AS "newest?""#
    )
    .fetch_one(tx)
    .await?)
}

async fn tables(tx: &mut PgConnection) -> Result<Vec<Table>> {
    let rows = sqlx::query!(
        r#"SELECT 'users' AS "name!", count(*) AS "rows!" FROM users
           UNION ALL SELECT 'nas', count(*) FROM nas
           UNION ALL SELECT 'orders', count(*) FROM orders
           UNION ALL SELECT 'payments', count(*) FROM payments
           UNION ALL SELECT 'payment_events', count(*) FROM payment_events
           UNION ALL SELECT 'ledger_transactions', count(*) FROM ledger_transactions
           UNION ALL SELECT 'ledger_entries', count(*) FROM ledger_entries
           UNION ALL SELECT 'entitlements', count(*) FROM entitlements
           UNION ALL SELECT 'vouchers', count(*) FROM vouchers
           UNION ALL SELECT 'sessions', count(*) FROM sessions
           UNION ALL SELECT 'sessions_ended', count(*) FROM sessions_ended
           UNION ALL SELECT 'admin_logs', count(*) FROM admin_logs"#
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| Table { name: row.name, rows: unsigned(row.rows) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_problems_the_first_are_told_and_that_there_are_more() {
        let mut found = Found::default();
        found.note((0..SHOWN).map(|n| n.to_string()));
        assert_eq!(found.problems.len(), SHOWN);
        found.note((0..=SHOWN).map(|n| n.to_string()));
        assert_eq!(found.problems.len(), 2 * SHOWN + 1);
        assert_eq!(found.problems.last().map(String::as_str), Some("and more of this kind"));
    }

    #[test]
    fn a_table_that_is_not_counted_has_no_rows() {
        let table = Table { name: "users".into(), rows: 7 };
        let found = Found { tables: vec![table], ..Found::default() };
        assert_eq!((found.rows("users"), found.rows("nosuch")), (7, 0));
    }
}
