//! What a day takes of the ledger, and what it makes of it; [`super::day`] calls it under the lock of the place.
//!
//! A transaction belongs to the site of its order's router, or of the cash that it moved, or else to no site. It is of the way of payment
//! whose money it moves; of cash, where agents or the bank have it; and where it moves none, of the way in which its order was paid. Lines
//! are made of its other sides. The tax in the lines of sales is booked as one more transaction of the same document, `vat:<number>`, out of
//! the sales.

use std::collections::BTreeMap;

use shared::money::{Currency, Money};
use shared::rng;
use shared::time::{OffsetDateTime, Zone};
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use super::document::{self, Kind};
use super::tax::{self, Taxes};
use crate::ledger::{self, Account};
use crate::{Result, StoreError};

/// Characters of a site's code at most, as the table has it.
const CODE_MAX: usize = 5;
/// What a site is called whose name has no letter and no digit.
const NAMELESS: &str = "SITE";

/// Transactions that are looked at at once for where a place begins that has no day yet.
pub(super) const LOOKED_AT: i64 = 20_000;

/// Places, and when the first transaction of each was posted that no day has taken.
pub(super) type Begins = Vec<(Option<Uuid>, OffsetDateTime)>;

/// A place whose days are closed.
pub(super) struct Place {
    pub(super) site: Option<Uuid>,
    /// What people call it.
    pub(super) name: String,
    /// Its zone, as it is written down.
    pub(super) zone_name: String,
    /// The same, to reckon with.
    pub(super) zone: Zone,
}

/// The place with that identity; without one it is what belongs to no site, by the clock of East Africa.
pub(super) async fn place(tx: &mut PgConnection, site: Option<Uuid>) -> Result<Place> {
    let home = || shared::time::HOME.to_owned();
    let Some(id) = site else {
        return Ok(Place { site, name: "no site".into(), zone_name: home(), zone: Zone::default() });
    };
    let row = sqlx::query!("SELECT name, time_zone FROM sites WHERE id = $1", id)
        .fetch_optional(tx)
        .await?
        .ok_or_else(|| StoreError::missing("site", id))?;
    let (zone_name, zone) = match Zone::named(&row.time_zone) {
        Some(zone) => (row.time_zone, zone),
        None => (home(), Zone::default()),
    };
    Ok(Place { site, name: row.name, zone_name, zone })
}

/// When the first transaction of a place was posted that no day has taken. They are gone through by their time until one is of the place.
pub(super) async fn first(tx: &mut PgConnection, site: Option<Uuid>) -> Result<Option<OffsetDateTime>> {
    Ok(sqlx::query_scalar!(
        "SELECT u.posted_at FROM unclosed_transactions u
         WHERE coalesce(
                   (SELECT n.site_id FROM ledger_transactions t JOIN orders o ON o.id = t.order_id JOIN nas n ON n.id = o.nas_id
                    WHERE t.id = u.transaction_id),
                   (SELECT c.site_id FROM cash_events c WHERE c.transaction_id = u.transaction_id)) IS NOT DISTINCT FROM $1
         ORDER BY u.posted_at LIMIT 1",
        site
    )
    .fetch_optional(tx)
    .await?)
}

/// The same of the places that have some in one part of those that were posted before a moment: [`LOOKED_AT`] of them in their order, the
/// oldest in part 0. Returns also whether the part is full, so that there may be another one.
pub(super) async fn beginnings(tx: &mut PgConnection, before: OffsetDateTime, part: i64) -> Result<(Begins, bool)> {
    let rows = sqlx::query!(
        r#"SELECT site AS "site?", min(posted_at) AS "at!", count(*) AS "count!"
           FROM (SELECT u.posted_at, coalesce(
                     (SELECT n.site_id FROM ledger_transactions t JOIN orders o ON o.id = t.order_id JOIN nas n ON n.id = o.nas_id
                      WHERE t.id = u.transaction_id),
                     (SELECT c.site_id FROM cash_events c WHERE c.transaction_id = u.transaction_id)) AS site
                 FROM (SELECT transaction_id, posted_at FROM unclosed_transactions WHERE posted_at < $1 ORDER BY posted_at
                       LIMIT $2 OFFSET $3) u) waiting
           GROUP BY 1"#,
        before,
        LOOKED_AT,
        part * LOOKED_AT
    )
    .fetch_all(tx)
    .await?;
    let looked_at: i64 = rows.iter().map(|row| row.count).sum();
    Ok((rows.into_iter().map(|row| (row.site, row.at)).collect(), looked_at == LOOKED_AT))
}

/// How many transactions that no day has taken were posted before a moment.
pub(super) async fn count_unclosed(tx: &mut PgConnection, before: OffsetDateTime) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM unclosed_transactions WHERE posted_at < $1"#, before)
        .fetch_one(tx)
        .await?)
}

/// Takes what belongs to a day and makes its documents. Returns their names, in their order.
pub(super) async fn write(
    tx: &mut PgConnection,
    place: &Place,
    (id, day, ends_at): (Uuid, Date, OffsetDateTime),
    now: OffsetDateTime,
) -> Result<Vec<String>> {
    let taken = take(tx, place.site, ends_at).await?;
    let code = code(tx, place.site).await?;
    let taxes = Taxes::on(tx, day).await?;
    let mut numbers = Vec::new();
    for ((method, currency), transactions) in sorted(tx, &taken).await? {
        let document = rng::id(now);
        let read = currency.parse::<Currency>();
        let currency = read.map_err(|error| StoreError::corrupt("ledger_entries", &currency, error))?;
        // Where prices are in the country's own money its letters are left out.
        let other = Some(currency.as_str()).filter(|_| currency != Currency::KES);
        let number = document::number(day, &code, &method, other);
        sqlx::query!(
            "INSERT INTO book_documents (id, number, day_id, method, currency, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            document,
            number,
            id,
            method,
            currency.as_str(),
            now
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO book_items (transaction_id, document_id) SELECT id, $2 FROM unnest($1::uuid[]) AS t (id)",
            &transactions,
            document
        )
        .execute(&mut *tx)
        .await?;
        let minor = write_lines(tx, document, &method, &taxes).await?;
        book_tax(tx, document, &number, Money { minor, currency }, now).await?;
        write_entries(tx, document).await?;
        numbers.push(number);
    }
    numbers.sort();
    Ok(numbers)
}

/// Takes the transactions of a place that were posted before a moment, so that no other day takes them. Where each belongs is looked up one
/// by one: what waits is some days at most, and a join was planned to read the whole ledger for it.
async fn take(tx: &mut PgConnection, site: Option<Uuid>, before: OffsetDateTime) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "DELETE FROM unclosed_transactions u
         WHERE u.posted_at < $1 AND coalesce(
                   (SELECT n.site_id FROM ledger_transactions t JOIN orders o ON o.id = t.order_id JOIN nas n ON n.id = o.nas_id
                    WHERE t.id = u.transaction_id),
                   (SELECT c.site_id FROM cash_events c WHERE c.transaction_id = u.transaction_id)) IS NOT DISTINCT FROM $2
         RETURNING u.transaction_id",
        before,
        site
    )
    .fetch_all(tx)
    .await?)
}

/// Transactions by their way of payment and currency.
async fn sorted(tx: &mut PgConnection, taken: &[Uuid]) -> Result<BTreeMap<(String, String), Vec<Uuid>>> {
    let rows = sqlx::query!(
        r#"WITH sides AS (
               SELECT e.transaction_id AS id, min(e.currency)::text AS currency,
                      min(a.code) FILTER (WHERE a.code IN ('mpesa', 'stripe')) AS money,
                      bool_or(a.code IN ('cash', 'bank', 'deferred')) AS is_cash
               FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE e.transaction_id = ANY ($1) GROUP BY 1),
           named AS (
               SELECT s.id, s.currency, s.money, s.is_cash OR c.id IS NOT NULL AS is_cash, t.order_id,
                      -- What moves no money names its payment or its refund, in its key.
                      CASE WHEN t.key ~ '^(payment|refund_due):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                           THEN split_part(t.key, ':', 2)::uuid END AS about,
                      -- Or it is of money of which only a statement told.
                      CASE WHEN t.key LIKE 'received:stripe:%' THEN 'stripe' WHEN t.key LIKE 'received:bank:%' THEN 'cash' END AS stated
               FROM sides s JOIN ledger_transactions t ON t.id = s.id LEFT JOIN cash_events c ON c.transaction_id = s.id)
           SELECT n.id AS "id!", n.currency AS "currency!",
                  coalesce(n.money, CASE WHEN n.is_cash THEN 'cash' END, n.stated, CASE coalesce(
                      (SELECT p.provider FROM payments p WHERE p.id = n.about),
                      (SELECT p.provider FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.id = n.about),
                      (SELECT p.provider FROM payments p WHERE p.order_id = n.order_id AND p.state = 'succeeded'
                       ORDER BY p.created_at DESC, p.id LIMIT 1)) WHEN 'stripe' THEN 'stripe' WHEN 'cash' THEN 'cash' ELSE 'mpesa' END) AS "method!"
           FROM named n ORDER BY n.id"#,
        taken
    )
    .fetch_all(tx)
    .await?;
    let mut sorted: BTreeMap<(String, String), Vec<Uuid>> = BTreeMap::new();
    for row in rows {
        sorted.entry((row.method, row.currency)).or_default().push(row.id);
    }
    Ok(sorted)
}

/// Sides of transactions that are one line together.
struct Sum {
    kind: Kind,
    account: String,
    account_name: String,
    package: Option<Uuid>,
    package_name: Option<String>,
    agent: Option<String>,
    comes: bool,
    quantity: i64,
    discount: i64,
    gross: i64,
}

/// Writes the lines of a document. Returns the tax in them.
async fn write_lines(tx: &mut PgConnection, document: Uuid, method: &str, taxes: &Taxes) -> Result<i64> {
    let mut tax_minor = 0;
    for (position, sum) in (1..).zip(sums(tx, document, method).await?) {
        let rated = if sum.account == "sales" { Some(taxes.of(sum.package)?) } else { None };
        let tax = rated.as_ref().map_or(0, |(_, rate)| tax::of_gross(sum.gross, *rate));
        let (letter, rate) = rated.unzip();
        tax_minor += tax;
        sqlx::query!(
            "INSERT INTO book_lines (document_id, position, kind, account, package_id, description, quantity, list_minor, discount_minor,
                 gross_minor, tax_letter, tax_rate, tax_minor, agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            document,
            position,
            sum.kind.as_str(),
            sum.account,
            sum.package,
            describe(&sum, method),
            sum.quantity,
            sum.gross + sum.discount,
            sum.discount,
            sum.gross,
            letter,
            rate,
            tax,
            sum.agent
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(tax_minor)
}

/// The lines of a document, in their order: a line has one price of the list, so that what it comes to is that many times that price.
async fn sums(tx: &mut PgConnection, document: Uuid, method: &str) -> Result<Vec<Sum>> {
    let rows = sqlx::query!(
        r#"WITH sides AS (
               SELECT CASE WHEN c.kind = 'handed_over' THEN 'other'
                           WHEN c.kind = 'sold' AND a.code = 'sales' THEN 'sale'
                           WHEN c.kind IS NOT NULL THEN 'voucher_' || c.kind
                           WHEN a.code = 'sales' AND e.amount_minor < 0 THEN 'sale'
                           WHEN a.code = 'sales' THEN 'refund'
                           WHEN a.code = 'fees' THEN 'fee' ELSE 'other' END AS kind,
                      a.code, a.name, c.agent, coalesce(c.quantity, 1) AS quantity, -e.amount_minor AS gross,
                      CASE WHEN a.code IN ('sales', 'deferred') THEN coalesce(c.package_id, o.package_id) END AS package_id,
                      CASE WHEN a.code = 'sales' AND c.id IS NULL AND e.amount_minor < 0
                           THEN coalesce(o.full_minor - o.amount_minor, 0) ELSE 0 END AS discount
               FROM book_items i JOIN ledger_transactions t ON t.id = i.transaction_id JOIN ledger_entries e ON e.transaction_id = t.id
                    JOIN ledger_accounts a ON a.id = e.account_id LEFT JOIN cash_events c ON c.transaction_id = t.id
                    LEFT JOIN orders o ON o.id = t.order_id
               WHERE i.document_id = $1 AND a.code <> $2),
           priced AS (
               SELECT *, CASE WHEN kind IN ('refund', 'fee', 'other') THEN 0 ELSE (gross + discount) / quantity END AS unit FROM sides)
           SELECT s.kind AS "kind!", s.code AS "account!", s.name AS "account_name!", s.package_id, p.name AS "package_name?", s.agent AS "agent?",
                  s.gross > 0 AS "comes!", sum(s.quantity)::bigint AS "quantity!", sum(s.discount)::bigint AS "discount!",
                  sum(s.gross)::bigint AS "gross!"
           FROM priced s LEFT JOIN packages p ON p.id = s.package_id
           GROUP BY s.kind, s.code, s.name, s.package_id, p.name, s.agent, s.gross > 0, s.unit
           ORDER BY p.name, s.package_id, s.agent, s.code DESC, s.gross > 0 DESC, s.unit"#,
        document,
        method
    )
    .fetch_all(tx)
    .await?;
    let sums = rows.into_iter().map(|row| {
        Ok(Sum {
            kind: Kind::parse(&row.kind).ok_or_else(|| StoreError::corrupt("cash_events", document, "unknown kind"))?,
            account: row.account,
            account_name: row.account_name,
            package: row.package_id,
            package_name: row.package_name,
            agent: row.agent,
            comes: row.comes,
            quantity: row.quantity,
            discount: row.discount,
            gross: row.gross,
        })
    });
    let mut sums = sums.collect::<Result<Vec<Sum>>>()?;
    sums.sort_by_key(|sum| sum.kind);
    Ok(sums)
}

/// What a line is, for whoever reads the document.
fn describe(sum: &Sum, method: &str) -> String {
    let package = sum.package_name.as_deref().unwrap_or(&sum.account_name);
    let provider = match method {
        "mpesa" => "M-Pesa",
        "stripe" => "Stripe",
        _ => "the bank",
    };
    match (sum.kind, sum.account.as_str(), sum.comes) {
        (Kind::Sale, ..) => package.to_owned(),
        (Kind::VoucherSold, ..) => format!("Vouchers sold: {package}"),
        (Kind::VoucherUsed, "deferred", _) => format!("Vouchers used, access not owed any more: {package}"),
        (Kind::VoucherUsed, ..) => format!("Vouchers used: {package}"),
        (Kind::VoucherUndone, ..) => format!("Sale of vouchers undone: {package}"),
        (Kind::Refund, ..) => format!("Owed back: {package}"),
        (Kind::Fee, _, false) => format!("Fees of {provider}"),
        (Kind::Fee, _, true) => format!("Fees that {provider} gave back"),
        (Kind::Other, "refunds_due", true) => "Money that is owed to customers".into(),
        (Kind::Other, "refunds_due", false) => "Money that is owed to customers no more".into(),
        (Kind::Other, "unmatched", true) => "Money without an order".into(),
        (Kind::Other, "unmatched", false) => "Money without an order, of which it is known now what it is for".into(),
        (Kind::Other, "disputes", false) => "Payments that banks took back".into(),
        (Kind::Other, "disputes", true) => "Payments that banks returned".into(),
        (Kind::Other, "bank", false) => "Handed over to the bank".into(),
        (Kind::Other, "bank", true) => "Taken from the bank".into(),
        (Kind::Other, ..) => sum.account_name.clone(),
    }
}

/// Books the tax of a document, as a part of it.
async fn book_tax(tx: &mut PgConnection, document: Uuid, number: &str, tax: Money, now: OffsetDateTime) -> Result<()> {
    let (accounts, what) = match tax.minor {
        0 => return Ok(()),
        1.. => ((Account::Sales, Account::Vat), "value added tax of"),
        // More went back than was sold.
        _ => ((Account::Vat, Account::Sales), "value added tax is given back of"),
    };
    let amount = Money { minor: tax.minor.saturating_abs(), ..tax };
    let (key, what) = (format!("vat:{number}"), format!("{what} {number}"));
    let transaction = ledger::book_new(&mut *tx, &key, &what, accounts, amount, now).await?;
    sqlx::query!("DELETE FROM unclosed_transactions WHERE transaction_id = $1", transaction).execute(&mut *tx).await?;
    sqlx::query!("INSERT INTO book_items (transaction_id, document_id) VALUES ($1, $2)", transaction, document)
        .execute(tx)
        .await?;
    Ok(())
}

/// Sums a document up by account, its tax included.
async fn write_entries(tx: &mut PgConnection, document: Uuid) -> Result<()> {
    sqlx::query!(
        "INSERT INTO book_entries (document_id, account_id, debit_minor, credit_minor)
         SELECT i.document_id, e.account_id, coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
                coalesce(-sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0)
         FROM book_items i JOIN ledger_entries e ON e.transaction_id = i.transaction_id WHERE i.document_id = $1 GROUP BY 1, 2",
        document
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The code of a place in the names of documents, given when it is needed first and never changed after.
async fn code(tx: &mut PgConnection, site: Option<Uuid>) -> Result<String> {
    let Some(site) = site else { return Ok(document::NO_SITE.to_owned()) };
    let read = sqlx::query!("SELECT name, book_code FROM sites WHERE id = $1", site).fetch_one(&mut *tx).await?;
    if let Some(code) = read.book_code {
        return Ok(code);
    }
    // Of two places that are given one at once, the second one sees the first one's.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('book_codes'), 0)").fetch_all(&mut *tx).await?;
    let taken = sqlx::query_scalar!(r#"SELECT book_code AS "code!" FROM sites WHERE book_code IS NOT NULL"#)
        .fetch_all(&mut *tx)
        .await?;
    let code = free_code(&read.name, &taken)
        .ok_or_else(|| StoreError::Conflict(format!("there is no short name left for {}", read.name)))?;
    sqlx::query!("UPDATE sites SET book_code = $2 WHERE id = $1 AND book_code IS NULL", site, code).execute(tx).await?;
    Ok(code)
}

/// The first letters and digits of a name, with a number at the end if another place has them.
fn free_code(name: &str, taken: &[String]) -> Option<String> {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).take(CODE_MAX).collect();
    let base = if letters.is_empty() { NAMELESS.to_owned() } else { letters.to_ascii_uppercase() };
    let is_free = |code: &String| code != document::NO_SITE && !taken.contains(code);
    let numbered = (2..10_000).map(|number: u32| {
        let number = number.to_string();
        let kept: String = base.chars().take(CODE_MAX - number.len()).collect();
        kept + &number
    });
    std::iter::once(base.clone()).chain(numbered).find(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(names: &[&str]) -> Vec<String> {
        let mut taken = Vec::new();
        for name in names {
            let code = free_code(name, &taken).unwrap();
            taken.push(code);
        }
        taken
    }

    #[test]
    fn a_code_is_the_beginning_of_the_name_and_nobody_elses() {
        assert_eq!(codes(&["Market", "Market Hall", "market"]), ["MARKE", "MARK2", "MARK3"]);
        assert_eq!(codes(&["Café 1", "CAF1"]), ["CAF1", "CAF12"], "a number takes a letter's place only where it must");
        assert_eq!(codes(&["海", "!"]), ["SITE", "SITE2"]);
        assert_eq!(codes(&["Other"]), ["OTHE2"], "that stands for no place");
        let many: Vec<String> = (0..200).map(|_| "Beach".to_owned()).collect();
        let codes = codes(&many.iter().map(String::as_str).collect::<Vec<&str>>());
        assert!(codes.iter().all(|code| code.len() <= CODE_MAX && code.starts_with('B')));
        assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), codes.len());
    }

    #[test]
    fn what_neither_comes_nor_goes_by_a_sale_is_told_by_its_account() {
        let sum = |kind, account: &str, comes| Sum {
            kind,
            account: account.into(),
            account_name: "Some account".into(),
            package: None,
            package_name: None,
            agent: None,
            comes,
            quantity: 1,
            discount: 0,
            gross: if comes { 5 } else { -5 },
        };
        assert_eq!(describe(&sum(Kind::Other, "unmatched", true), "mpesa"), "Money without an order");
        assert_eq!(describe(&sum(Kind::Other, "new", true), "mpesa"), "Some account");
        assert_eq!(describe(&sum(Kind::Fee, "fees", false), "stripe"), "Fees of Stripe");
        assert_eq!(describe(&sum(Kind::Fee, "fees", true), "mpesa"), "Fees that M-Pesa gave back");
    }
}
