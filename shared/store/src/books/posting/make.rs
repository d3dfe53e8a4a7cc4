//! Rows are made of closed documents, for each program that is told of that day; and what a row tells is read again from the document.
//!
//! A document is looked at once for each connection ([`make`]), in one transaction with its rows: so two portals make nothing twice, and a
//! document of which there is nothing to tell is not looked at again. What is still to be looked at stands in `book_untaken`, which triggers fill
//! in the transaction that closes a day or connects a program: a document is there when it can be read, however late that is. Which orders of business customers are told for themselves is
//! decided then and stays: who is named later is told for themselves from the next document on.

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use super::parts::{self, Apart, Part, Told};
use crate::books::document::{self, Document};
use crate::{Db, Result, StoreError};

/// Documents that are looked at in one go.
const STEP: i64 = 200;

/// Makes rows of what was closed since. Returns how many documents were looked at.
pub async fn make(db: &Db, now: OffsetDateTime) -> Result<u64> {
    let waiting = sqlx::query!(
        r#"SELECT u.connection_id AS connection, u.document_id AS document
           FROM book_connections c JOIN book_untaken u ON u.connection_id = c.id
                JOIN book_documents d ON d.id = u.document_id JOIN book_days y ON y.id = d.day_id
           WHERE c.state <> 'off'
           ORDER BY y.day, d.number LIMIT $1"#,
        STEP
    )
    .fetch_all(&db.pool)
    .await?;
    let mut looked_at = 0;
    for row in waiting {
        looked_at += u64::from(take(db, row.connection, row.document, now).await?);
    }
    Ok(looked_at)
}

/// Makes rows of the documents of these days, the last one included, also of days before the connection's first. Returns how many
/// documents were looked at only now.
pub async fn make_days(db: &Db, connection: Uuid, (since, until): (Date, Date), now: OffsetDateTime) -> Result<u64> {
    let waiting = sqlx::query_scalar!(
        "SELECT d.id FROM book_days y JOIN book_documents d ON d.day_id = y.id
         WHERE y.day >= $2 AND y.day <= $3
           AND NOT EXISTS (SELECT FROM book_taken t WHERE t.connection_id = $1 AND t.document_id = d.id)
         ORDER BY y.day, d.number",
        connection,
        since,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    let mut looked_at = 0;
    for document in waiting {
        looked_at += u64::from(take(db, connection, document, now).await?);
    }
    Ok(looked_at)
}

/// Makes the rows of one document. Returns whether nobody had.
async fn take(db: &Db, connection: Uuid, document: Uuid, now: OffsetDateTime) -> Result<bool> {
    let whole = whole(db, document).await?;
    let mut tx = db.pool.begin().await?;
    let is_new = sqlx::query!(
        "INSERT INTO book_taken (connection_id, document_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        connection,
        document
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query!("DELETE FROM book_untaken WHERE connection_id = $1 AND document_id = $2", connection, document)
        .execute(&mut *tx)
        .await?;
    if is_new == 0 {
        // Another portal took it, while the program was connected anew: then it was written down once more.
        tx.commit().await?;
        return Ok(false);
    }
    let named = named(&mut tx, connection, &whole).await?;
    let (left, out) = parts::apart(&whole.lines, &named);
    for (order, line) in &out {
        let row = Row { number: &order.number, part: Part::Sale, order: Some(order.order), amount: line.gross };
        write(&mut tx, connection, &whole, &row, now).await?;
    }
    for (part, lines) in parts::parts(&left) {
        let number = format!("{}{}", whole.number, part.suffix());
        let row = Row { number: &number, part, order: None, amount: parts::sum(&lines) };
        write(&mut tx, connection, &whole, &row, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}

struct Row<'a> {
    number: &'a str,
    part: Part,
    order: Option<Uuid>,
    amount: i64,
}

async fn write(
    tx: &mut PgConnection,
    connection: Uuid,
    document: &Document,
    row: &Row<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO book_postings (id, connection_id, document_id, order_id, part, number, day, amount_minor, currency, created_at,
             waits_since)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        rng::id(now),
        connection,
        document.id,
        row.order,
        row.part.as_str(),
        row.number,
        document.day,
        row.amount,
        document.currency,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The orders of this document whose customers are named at the connection, by number.
async fn named(tx: &mut PgConnection, connection: Uuid, document: &Document) -> Result<Vec<Apart>> {
    let rows = sqlx::query!(
        r#"SELECT o.id, o.code, o.package_id, sum(-e.amount_minor)::bigint AS "gross!"
           FROM book_items i JOIN ledger_transactions t ON t.id = i.transaction_id
             JOIN orders o ON o.id = t.order_id JOIN book_customers c ON c.user_id = o.user_id
             JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
           WHERE i.document_id = $2 AND c.connection_id = $1 AND a.code = 'sales' AND e.amount_minor < 0
           GROUP BY o.id ORDER BY o.code"#,
        connection,
        document.id
    )
    .fetch_all(tx)
    .await?;
    let of = |row_code: &str| {
        let (year, month, day) = (document.day.year(), u8::from(document.day.month()), document.day.day());
        // As the day's own documents begin, so that a program's list of a day shows whose it is. 21 characters at most.
        format!("{year:04}{month:02}{day:02}-{row_code}")
    };
    let orders = rows.into_iter().map(|row| Apart {
        order: row.id,
        number: of(&row.code),
        package: row.package_id,
        gross: row.gross,
    });
    Ok(orders.collect())
}

/// What a row tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telling {
    /// Its number.
    pub number: String,
    /// What it tells.
    pub part: Part,
    /// The document's number.
    pub document: String,
    /// Its day.
    pub day: Date,
    /// The site's name; `None`: of no site.
    pub site_name: Option<String>,
    /// The site.
    pub site: Option<Uuid>,
    /// `mpesa`, `stripe` or `cash`.
    pub method: String,
    /// Its currency.
    pub currency: String,
    /// Its lines.
    pub lines: Vec<Told>,
    /// The program's name of the business customer whose order it is.
    pub customer: Option<String>,
}

/// What a row of a connection tells.
///
/// # Errors
/// [`StoreError::Missing`]: there is no such row; [`StoreError::Corrupt`]: its document does not come to what the row says.
pub async fn telling(db: &Db, id: Uuid) -> Result<Telling> {
    let row = sqlx::query!(
        r#"SELECT p.connection_id, p.document_id, p.order_id, p.part, p.number, p.amount_minor, c.external_id AS "customer?"
           FROM book_postings p LEFT JOIN orders o ON o.id = p.order_id
             LEFT JOIN book_customers c ON c.connection_id = p.connection_id AND c.user_id = o.user_id
           WHERE p.id = $1"#,
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("posting", id))?;
    let part = Part::parse(&row.part).ok_or_else(|| StoreError::corrupt("book_postings", id, "an unknown part"))?;
    let whole = whole(db, row.document_id).await?;
    let orders = sqlx::query!(
        r#"SELECT o.id, p.number, o.package_id, p.amount_minor FROM book_postings p JOIN orders o ON o.id = p.order_id
           WHERE p.connection_id = $1 AND p.document_id = $2 ORDER BY o.code"#,
        row.connection_id,
        row.document_id
    )
    .fetch_all(&db.pool)
    .await?;
    let orders: Vec<Apart> = orders
        .into_iter()
        .map(|order| Apart {
            order: order.id,
            number: order.number,
            package: order.package_id,
            gross: order.amount_minor,
        })
        .collect();
    let (left, out) = parts::apart(&whole.lines, &orders);
    let lines = match row.order_id {
        Some(order) => out.into_iter().find(|(one, _)| one.order == order).map(|(_, line)| vec![line]),
        None => parts::parts(&left).into_iter().find(|(one, _)| *one == part).map(|(_, lines)| lines),
    };
    let lines = lines
        .filter(|lines| parts::sum(lines) == row.amount_minor)
        .ok_or_else(|| StoreError::corrupt("book_postings", id, "its document does not come to what it says"))?;
    Ok(Telling {
        number: row.number,
        part,
        document: whole.number,
        day: whole.day,
        site_name: whole.site_name,
        site: whole.site,
        method: whole.method,
        currency: whole.currency,
        lines,
        customer: row.customer,
    })
}

/// A document, with the lines of which anything is told.
async fn whole(db: &Db, document: Uuid) -> Result<Document> {
    let whole = document::by_id(db, document).await?.ok_or_else(|| StoreError::missing("document", document))?;
    Ok(Document { lines: parts::told_of(&whole.method, whole.lines), ..whole })
}
