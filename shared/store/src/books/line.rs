//! The lines of all documents of a day, each with its document's number: what a program needs to hold our books against its own, line by line.
//!
//! A day at a time: whoever writes a file of a year reads it day by day, and no more than a day is in memory.

use shared::staff::SiteScope;
use time::Date;
use uuid::Uuid;

use crate::{Db, Result};

/// A line, and the document that it is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The day that was closed.
    pub day: Date,
    /// The site; `None`: it belongs to none.
    pub site: Option<Uuid>,
    /// Its name.
    pub site_name: Option<String>,
    /// The document's number.
    pub number: String,
    /// `mpesa`, `stripe` or `cash`.
    pub method: String,
    /// ISO 4217.
    pub currency: String,
    /// Its place in the document, from 1 on.
    pub position: i32,
    /// The word of its kind, such as `sale`.
    pub kind: String,
    /// The code of the ledger's account that stands against the money.
    pub account: String,
    /// The short name of the package.
    pub package: Option<String>,
    /// What it is, in words.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// Minor units at the price of the list.
    pub list: i64,
    /// Minor units that discounts took.
    pub discount: i64,
    /// Minor units with the tax in them; below zero: they went.
    pub gross: i64,
    /// The letter of its tax.
    pub tax_letter: Option<String>,
    /// Its rate, in hundredths of a percent.
    pub tax_rate: Option<i32>,
    /// Minor units of tax.
    pub tax: i64,
    /// Who sold it for cash.
    pub agent: Option<String>,
}

/// The lines of a day, in the order of the documents' numbers.
pub async fn of_day(db: &Db, sites: &SiteScope, day: Date) -> Result<Vec<Line>> {
    Ok(sqlx::query_as!(
        Line,
        r#"SELECT d.day, d.site_id AS "site?", s.name AS "site_name?", o.number, o.method, o.currency, l.position, l.kind, l.account,
                  p.slug AS "package?", l.description, l.quantity, l.list_minor AS list, l.discount_minor AS discount,
                  l.gross_minor AS gross, l.tax_letter, l.tax_rate, l.tax_minor AS tax, l.agent
           FROM book_days d JOIN book_documents o ON o.day_id = d.id JOIN book_lines l ON l.document_id = o.id
                LEFT JOIN sites s ON s.id = d.site_id LEFT JOIN packages p ON p.id = l.package_id
           WHERE d.day = $1 AND ($2::uuid[] IS NULL OR d.site_id = ANY ($2)) ORDER BY o.number, l.position"#,
        day,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?)
}

/// The last day that is closed anywhere; `None`: none is.
pub async fn last_closed(db: &Db) -> Result<Option<Date>> {
    Ok(sqlx::query_scalar!(r#"SELECT max(day) AS "day?" FROM book_days"#).fetch_one(&db.pool).await?)
}
