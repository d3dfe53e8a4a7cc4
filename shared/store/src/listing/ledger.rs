//! The book: what was booked, the newest first, of all accounts or of one; and what an account has got and given in a time.
//!
//! Identities of transactions are in the order of their time, so they are what the book is sorted by. Sums are of whole hours, out of
//! [`crate::rollup`].

use shared::money::{Currency, Money};
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window};
use crate::{Db, Result, StoreError};

/// What the book can be sorted by.
pub const SORTS: [Sort; 1] =
    [Sort { name: "booked", descending: true, column: ("t.id", "uuid"), tie: ("t.id", "uuid") }];
/// The same for one account, by its own index.
const OF_ACCOUNT: Sort =
    Sort { name: "booked", descending: true, column: ("f.transaction_id", "uuid"), tie: ("f.id", "uuid") };
/// Parts an entry's columns as they come from PostgreSQL.
const PART: char = '\u{1f}';

/// Which transactions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Those that touch this account.
    pub account: Option<Uuid>,
    /// Those that were booked then or later, and before.
    pub from: Option<OffsetDateTime>,
    /// The end of that time.
    pub until: Option<OffsetDateTime>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    order_code: Option<String>,
    description: String,
    posted_at: OffsetDateTime,
    entries: Vec<String>,
}

/// A transaction with its entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Identity.
    pub id: Uuid,
    /// The code of the order that it is about.
    pub order_code: Option<String>,
    /// What it is, in words.
    pub description: String,
    /// When it was booked.
    pub posted_at: OffsetDateTime,
    /// The account's name and the amount: debits positive, credits negative.
    pub entries: Vec<(String, Money)>,
}

impl Row {
    fn listed(self) -> Result<Listed> {
        let entry = |text: &String| {
            let mut parts = text.split(PART);
            let (name, minor, currency) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some((name.to_owned(), Money { minor, currency }))
        };
        let entries: Option<Vec<(String, Money)>> = self.entries.iter().map(entry).collect();
        let entries =
            entries.ok_or_else(|| StoreError::corrupt("ledger_entries", self.id, "an entry cannot be read"))?;
        let Row { id, order_code, description, posted_at, .. } = self;
        Ok(Listed { id, order_code, description, posted_at, entries })
    }
}

/// The transactions of a window.
pub async fn page(db: &Db, filter: &Filter, window: &Window) -> Result<Slice<Listed>> {
    let columns = "t.id, (SELECT o.code FROM orders o WHERE o.id = t.order_id) AS order_code, t.description, t.posted_at,
        ARRAY(SELECT a.name || chr(31) || e.amount_minor || chr(31) || e.currency FROM ledger_entries e
              JOIN ledger_accounts a ON a.id = e.account_id WHERE e.transaction_id = t.id ORDER BY e.amount_minor DESC, e.id) AS entries";
    let (tables, sort) = match filter.account {
        None => ("ledger_transactions t", window.sort),
        Some(_) => ("ledger_entries f JOIN ledger_transactions t ON t.id = f.transaction_id", OF_ACCOUNT),
    };
    let mut statement = Statement::new(columns, tables, sort);
    statement.when("f.account_id = ?", filter.account);
    statement.when("t.id >= ?", filter.from.map(lowest_identity));
    statement.when("t.id < ?", filter.until.map(lowest_identity));
    let slice = statement.page::<Row>(db, &Window { sort, ..window.clone() }).await?;
    let mut rows = Vec::with_capacity(slice.rows.len());
    for (place, row) in slice.rows {
        rows.push((place, row.listed()?));
    }
    Ok(Slice { rows, goes_on: slice.goes_on })
}

/// The least identity that could be made at that moment: its first 48 bits are the milliseconds (RFC 9562 §5.7).
fn lowest_identity(at: OffsetDateTime) -> Uuid {
    let milliseconds = (at.unix_timestamp_nanos() / 1_000_000).clamp(0, (1 << 48) - 1);
    Uuid::from_u128(milliseconds.unsigned_abs() << 80)
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Identity.
    pub id: Uuid,
    /// Its short name.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// All accounts, by name.
pub async fn accounts(db: &Db) -> Result<Vec<Account>> {
    Ok(sqlx::query_as!(Account, "SELECT id, code, name FROM ledger_accounts ORDER BY name, id LIMIT 100")
        .fetch_all(&db.pool)
        .await?)
}

/// What an account has got and given in a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Total {
    /// The account's name.
    pub name: String,
    /// All debits.
    pub debit: Money,
    /// All credits, positive.
    pub credit: Money,
    /// How many entries they are.
    pub entries: u64,
}

/// The sums of all accounts over the whole hours from `from` until before `until`, by name.
pub async fn totals(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Total>> {
    let rows = sqlx::query!(
        r#"SELECT a.name, h.currency, sum(h.debit_minor)::bigint AS "debit!", sum(h.credit_minor)::bigint AS "credit!",
                  sum(h.entries)::bigint AS "entries!"
           FROM ledger_hourly h JOIN ledger_accounts a ON a.id = h.account_id
           WHERE h.hour >= $1 AND h.hour < $2 GROUP BY a.name, h.currency ORDER BY a.name, h.currency"#,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse::<Currency>();
            let currency = currency.map_err(|error| StoreError::corrupt("ledger_hourly", &row.name, error))?;
            let money = |minor| Money { minor, currency };
            let entries = u64::try_from(row.entries).unwrap_or(0);
            Ok(Total { debit: money(row.debit), credit: money(row.credit), entries, name: row.name })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_that_are_made_later_are_greater() {
        let at = OffsetDateTime::from_unix_timestamp(1_790_000_000).expect("in range");
        let made = shared::rng::id(at);
        assert!(lowest_identity(at) <= made && made < lowest_identity(at + std::time::Duration::from_millis(1)));
    }

    #[test]
    fn entries_are_read_as_they_are_written() {
        let row = |entries: &[&str]| Row {
            id: Uuid::nil(),
            order_code: None,
            description: "sale".into(),
            posted_at: OffsetDateTime::UNIX_EPOCH,
            entries: entries.iter().map(|text| (*text).to_owned()).collect(),
        };
        let listed = row(&["M-Pesa account\u{1f}2000\u{1f}KES", "Sales\u{1f}-2000\u{1f}KES"]).listed().expect("whole");
        assert_eq!(listed.entries, [("M-Pesa account".into(), Money::kes(2000)), ("Sales".into(), Money::kes(-2000))]);
        assert!(row(&["Sales"]).listed().is_err());
    }
}
