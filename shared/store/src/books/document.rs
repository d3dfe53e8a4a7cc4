//! The documents of closed days, as they are read: what happened by one way of payment, in one currency, on one day at one place.
//!
//! Its lines are every side of its transactions but the document's own money, so that together they are what that money changed by. Its
//! entries are the sums by account, which are zero together. [`trial_balance`] adds the entries up. Whoever is limited to some sites finds
//! the documents of these, and nothing of what belongs to no site.
//!
//! Refused here: changing one. What was wrong is reversed in the ledger, and stands in the document of the next open day.

use shared::money::Currency;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// Stands for the place where none is known.
pub const NO_SITE: &str = "OTHER";

/// The name of a day's document: `20261122-NBO1-M` is what came by M-Pesa at NBO1. `currency` only where it is not the operator's own.
/// The package `books` makes parts of these names, and a test sees to it that both are one rule.
pub fn number(day: Date, site_code: &str, method: &str, currency: Option<&str>) -> String {
    let letter: String = method.chars().take(1).map(|letter| letter.to_ascii_uppercase()).collect();
    let (year, month, day) = (day.year(), u8::from(day.month()), day.day());
    format!("{year:04}{month:02}{day:02}-{site_code}-{letter}{}", currency.unwrap_or_default())
}

/// What a line tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Access sold and paid.
    Sale,
    /// Paper sold; its access is owed.
    VoucherSold,
    /// Paper sold before that became access, in two lines: the sale (account `sales`, above zero), and what is owed no more (account
    /// `deferred`, below zero).
    VoucherUsed,
    /// A sale of paper that was taken back.
    VoucherUndone,
    /// What is owed back to customers, of what was sold.
    Refund,
    /// What the provider kept.
    Fee,
    /// What is none of these, by account.
    Other,
}

impl Kind {
    /// All of them, in the order of a document.
    pub const ALL: [Kind; 7] =
        [Kind::Sale, Kind::VoucherSold, Kind::VoucherUsed, Kind::VoucherUndone, Kind::Refund, Kind::Fee, Kind::Other];

    /// Its word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Sale => "sale",
            Kind::VoucherSold => "voucher_sold",
            Kind::VoucherUsed => "voucher_used",
            Kind::VoucherUndone => "voucher_undone",
            Kind::Refund => "refund",
            Kind::Fee => "fee",
            Kind::Other => "other",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A document in one line of a list. Amounts are in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub number: String,
    /// `mpesa`, `stripe` or `cash`.
    pub method: String,
    /// The currency.
    pub currency: String,
    /// What was sold, tax included: the sum of the kinds sale, voucher_sold and voucher_used. Of paper that is used the two lines are zero
    /// together, so that it counts once, when it is sold.
    pub sales: i64,
    /// What is owed back of what was sold, and sales of paper that were undone.
    pub refunds: i64,
    /// What the provider kept; below zero where it gave more back.
    pub fees: i64,
    /// The tax in what became access, less that in what is owed back.
    pub tax: i64,
}

/// A line. What came is above zero, what went is below, in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its place in the document, from 1.
    pub position: i32,
    /// What it tells.
    pub kind: Kind,
    /// The code of the ledger's account that stands against the money.
    pub account: String,
    /// The package that was sold.
    pub package: Option<Uuid>,
    /// What it is, in words.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// At the price of the list.
    pub list: i64,
    /// What discounts took of that; zero or more.
    pub discount: i64,
    /// What is left, tax included.
    pub gross: i64,
    /// The letter of its tax; `None`: it is no sale.
    pub tax_letter: Option<String>,
    /// The rate, in hundredths of a percent.
    pub tax_rate: Option<i32>,
    /// The tax in it.
    pub tax: i64,
    /// Who had the cash.
    pub agent: Option<String>,
}

/// What a document does to an account, in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The account's code.
    pub account: String,
    /// Its name.
    pub name: String,
    /// All debits.
    pub debit: i64,
    /// All credits.
    pub credit: i64,
}

/// A document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub number: String,
    /// The day.
    pub day: Date,
    /// The place; `None`: what belongs to none.
    pub site: Option<Uuid>,
    /// What that is called.
    pub site_name: Option<String>,
    /// By whose clock the day was one.
    pub time_zone: String,
    /// `mpesa`, `stripe` or `cash`.
    pub method: String,
    /// The currency.
    pub currency: String,
    /// When the day was closed.
    pub closed_at: OffsetDateTime,
    /// By whom.
    pub closed_by: String,
    /// Its lines, in their order.
    pub lines: Vec<Line>,
    /// Its entries, by account.
    pub entries: Vec<Entry>,
}

/// What all documents did to an account, in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// The account's code.
    pub account: String,
    /// Its name.
    pub name: String,
    /// `asset`, `liability`, `income` or `expense`.
    pub kind: String,
    /// The currency.
    pub currency: String,
    /// What is left on the left side; zero if there is none.
    pub debit: i64,
    /// What is left on the right side; zero if there is none.
    pub credit: i64,
}

struct Head {
    id: Uuid,
    number: String,
    day: Date,
    site: Option<Uuid>,
    site_name: Option<String>,
    time_zone: String,
    method: String,
    currency: String,
    closed_at: OffsetDateTime,
    closed_by: String,
}

/// The document of that name, if it is at one of these sites.
pub async fn find(db: &Db, number: &str, sites: &SiteScope) -> Result<Option<Document>> {
    let mut connection = db.pool.acquire().await?;
    let head = sqlx::query_as!(
        Head,
        r#"SELECT d.id, d.number, y.day, y.site_id AS site, s.name AS "site_name?", y.time_zone, d.method, d.currency, y.closed_at, y.closed_by
           FROM book_documents d JOIN book_days y ON y.id = d.day_id LEFT JOIN sites s ON s.id = y.site_id
           WHERE d.number = $1 AND ($2::uuid[] IS NULL OR y.site_id = ANY ($2))"#,
        number,
        sites.filter()
    )
    .fetch_optional(&mut *connection)
    .await?;
    match head {
        Some(head) => head.open(&mut connection).await.map(Some),
        None => Ok(None),
    }
}

/// The document with that identity.
pub async fn by_id(db: &Db, id: Uuid) -> Result<Option<Document>> {
    let mut connection = db.pool.acquire().await?;
    let head = sqlx::query_as!(
        Head,
        r#"SELECT d.id, d.number, y.day, y.site_id AS site, s.name AS "site_name?", y.time_zone, d.method, d.currency, y.closed_at, y.closed_by
           FROM book_documents d JOIN book_days y ON y.id = d.day_id LEFT JOIN sites s ON s.id = y.site_id
           WHERE d.id = $1"#,
        id
    )
    .fetch_optional(&mut *connection)
    .await?;
    match head {
        Some(head) => head.open(&mut connection).await.map(Some),
        None => Ok(None),
    }
}

impl Head {
    async fn open(self, connection: &mut PgConnection) -> Result<Document> {
        let rows = sqlx::query!(
            "SELECT position, kind, account, package_id, description, quantity, list_minor, discount_minor, gross_minor, tax_letter,
                    tax_rate, tax_minor, agent
             FROM book_lines WHERE document_id = $1 ORDER BY position",
            self.id
        )
        .fetch_all(&mut *connection)
        .await?;
        let lines = rows.into_iter().map(|row| {
            Ok(Line {
                position: row.position,
                kind: Kind::parse(&row.kind)
                    .ok_or_else(|| StoreError::corrupt("book_lines", &self.number, "unknown kind"))?,
                account: row.account,
                package: row.package_id,
                description: row.description,
                quantity: row.quantity,
                list: row.list_minor,
                discount: row.discount_minor,
                gross: row.gross_minor,
                tax_letter: row.tax_letter,
                tax_rate: row.tax_rate,
                tax: row.tax_minor,
                agent: row.agent,
            })
        });
        let lines = lines.collect::<Result<Vec<Line>>>()?;
        let entries = sqlx::query_as!(
            Entry,
            "SELECT a.code AS account, a.name, e.debit_minor AS debit, e.credit_minor AS credit
             FROM book_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE e.document_id = $1 ORDER BY a.code",
            self.id
        )
        .fetch_all(connection)
        .await?;
        Ok(Document {
            id: self.id,
            number: self.number,
            day: self.day,
            site: self.site,
            site_name: self.site_name,
            time_zone: self.time_zone,
            method: self.method,
            currency: self.currency,
            closed_at: self.closed_at,
            closed_by: self.closed_by,
            lines,
            entries,
        })
    }
}

/// The documents of these days in a line each, by their names, each with its day.
pub(super) async fn summaries(db: &Db, days: &[Uuid]) -> Result<Vec<(Uuid, Summary)>> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.day_id, d.number, d.method, d.currency,
                  coalesce(sum(l.gross_minor) FILTER (WHERE l.kind IN ('sale', 'voucher_sold', 'voucher_used')), 0)::bigint AS "sales!",
                  coalesce(-sum(l.gross_minor) FILTER (WHERE l.kind IN ('refund', 'voucher_undone')), 0)::bigint AS "refunds!",
                  coalesce(-sum(l.gross_minor) FILTER (WHERE l.kind = 'fee'), 0)::bigint AS "fees!",
                  coalesce(sum(l.tax_minor), 0)::bigint AS "tax!"
           FROM book_documents d LEFT JOIN book_lines l ON l.document_id = d.id
           WHERE d.day_id = ANY ($1) GROUP BY d.id ORDER BY d.number"#,
        days
    )
    .fetch_all(&db.pool)
    .await?;
    let summary = rows.into_iter().map(|row| {
        let summary = Summary {
            id: row.id,
            number: row.number,
            method: row.method,
            currency: row.currency,
            sales: row.sales,
            refunds: row.refunds,
            fees: row.fees,
            tax: row.tax,
        };
        (row.day_id, summary)
    });
    Ok(summary.collect())
}

/// Ways of payment and currencies of documents that are not in the country's own.
pub async fn foreign(db: &Db) -> Result<Vec<(String, String)>> {
    let own = Currency::KES;
    let rows = sqlx::query!(
        r#"SELECT DISTINCT method AS "method!", currency::text AS "currency!" FROM book_documents WHERE currency <> $1 ORDER BY 1, 2"#,
        own.as_str()
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.method, row.currency)).collect())
}

/// What all documents together did to each account, up to and with a day; by currency and account. Of each currency the sides are equal.
pub async fn trial_balance(db: &Db, until: Option<Date>) -> Result<Vec<Balance>> {
    Ok(sqlx::query_as!(
        Balance,
        r#"SELECT account AS "account!", name AS "name!", kind AS "kind!", currency AS "currency!", greatest(net, 0) AS "debit!",
                  greatest(-net, 0) AS "credit!"
           FROM (SELECT a.code AS account, a.name, a.kind, d.currency::text AS currency, sum(e.debit_minor - e.credit_minor)::bigint AS net
                 FROM book_entries e JOIN book_documents d ON d.id = e.document_id JOIN book_days y ON y.id = d.day_id
                      JOIN ledger_accounts a ON a.id = e.account_id
                 WHERE $1::date IS NULL OR y.day <= $1 GROUP BY a.id, d.currency) sums
           ORDER BY currency, account"#,
        until
    )
    .fetch_all(&db.pool)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_what_they_write() {
        assert!(Kind::ALL.iter().all(|kind| Kind::parse(kind.as_str()) == Some(*kind)));
        assert_eq!(Kind::parse("gift"), None);
    }

    #[test]
    fn a_document_has_one_name() {
        let day = time::macros::date!(2026 - 11 - 22);
        assert_eq!(number(day, "NBO1", "mpesa", None), "20261122-NBO1-M");
        assert_eq!(number(day, NO_SITE, "stripe", Some("USD")), "20261122-OTHER-SUSD");
    }
}
