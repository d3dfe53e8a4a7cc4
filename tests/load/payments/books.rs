//! What PostgreSQL says of a run's money, held against what M-Pesa has really collected.
//!
//! The rule for a payment is [`standing`]'s; beside it, each sale is of one grant, and whatever was not collected grants nothing.
//! Unknown is only what nobody can ask M-Pesa about: its answer to the prompt was lost and no report came that names it; even that
//! is looked at again by itself. What is neither, two minutes and more after the last order, is stuck, and the run fails.
//! `tests/fault/orders` does the same while programs are killed.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ::tests::daraja::standing::{self, Booked, Standing};
use ::tests::daraja::{Says, Transaction};
use anyhow::{Context as _, ensure};
use shared::time::OffsetDateTime;
use shared::token::{self, Purpose};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::guest::{Seen, Street};

/// After the last order everything is at its end within this: M-Pesa, asked about what it did not report, has then been asked
/// five times.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks, each of which reads everything.
const LOOK: Duration = Duration::from_secs(3);
/// Problems that are told at most.
const TOLD: usize = 5;

/// An order and its payment. A guest of this bench pays once.
#[derive(Debug, FromRow)]
struct Row {
    order_id: Uuid,
    order_state: String,
    payment_id: Option<Uuid>,
    payment_state: Option<String>,
    amount_minor: i64,
    /// Whether its reference at M-Pesa is known.
    is_known: bool,
    is_looked_at_again: bool,
    open_reports: i64,
    /// What it has on each account, minor units.
    mpesa: Option<i64>,
    sales: Option<i64>,
    owed: Option<i64>,
    grants: i64,
}

/// How an order stands, when it stands well.
#[derive(Clone, PartialEq, Eq, Debug)]
enum End {
    Granted,
    Owed,
    Unpaid,
    Unknown,
    /// Collected, but M-Pesa has told of it in no way: its reference there.
    Untold(String),
}

/// How a run's orders stand.
#[derive(Clone, Default, Debug)]
pub(super) struct Books {
    pub(super) granted: u64,
    pub(super) owed: u64,
    pub(super) unpaid: u64,
    /// Of all that nobody knows about, and of these what M-Pesa has collected and not told of.
    pub(super) unknown: u64,
    pub(super) untold: Vec<String>,
    /// What is not as it must be, or not yet.
    pub(super) problems: Vec<String>,
    /// Shillings that M-Pesa has collected, and payments.
    pub(super) collected: (u64, u64),
    /// All that stands in the ledger, entries and transactions that do not balance.
    pub(super) ledger: Ledger,
}

/// The ledger as a whole, not only this run's.
#[derive(Clone, Copy, Default, Debug, FromRow)]
pub(super) struct Ledger {
    pub(super) entries: i64,
    pub(super) sum: i64,
    pub(super) crooked: i64,
}

/// Waits until everything is at its end, or for [`PATIENCE`]. Returns the books then; and once more after M-Pesa has told,
/// late, of what it had never told, where there is such a thing.
///
/// # Errors
/// If PostgreSQL does not answer, or its orders are not those that guests were shown.
pub(super) async fn settle(
    database: &mut PgConnection,
    street: &Street,
    seen: &[Seen],
    begin: OffsetDateTime,
) -> anyhow::Result<(Books, Option<Books>)> {
    let first = wait(database, street, seen, begin, false).await?;
    if first.untold.is_empty() || !first.problems.is_empty() {
        return Ok((first, None));
    }
    let then = wait(database, street, seen, begin, true).await?;
    Ok((first, Some(then)))
}

async fn wait(
    database: &mut PgConnection,
    street: &Street,
    seen: &[Seen],
    begin: OffsetDateTime,
    tell: bool,
) -> anyhow::Result<Books> {
    let began = Instant::now();
    loop {
        let books = read(database, street, seen, begin).await?;
        let is_done = books.problems.is_empty() && (!tell || books.untold.is_empty());
        if is_done || began.elapsed() > PATIENCE {
            return Ok(books);
        }
        if tell {
            for reference in &books.untold {
                street.daraja.call_back(reference);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn read(
    database: &mut PgConnection,
    street: &Street,
    seen: &[Seen],
    begin: OffsetDateTime,
) -> anyhow::Result<Books> {
    // M-Pesa first: what is decided meanwhile is looked at the next time.
    let now = street.clock.now();
    let pushed = pushed(street)?;
    let rows = sqlx::query_as::<_, Row>(
        "WITH booked AS (
             SELECT t.key, (sum(e.amount_minor) FILTER (WHERE a.code = 'mpesa'))::bigint AS mpesa,
                    (sum(e.amount_minor) FILTER (WHERE a.code = 'sales'))::bigint AS sales,
                    (sum(e.amount_minor) FILTER (WHERE a.code = 'refunds_due'))::bigint AS owed
             FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                  JOIN ledger_accounts a ON a.id = e.account_id WHERE t.key LIKE 'payment:%' GROUP BY t.id, t.key),
         granted AS (
             SELECT order_id, count(*) AS grants FROM (
                 SELECT order_id FROM entitlements UNION ALL SELECT order_id FROM entitlement_changes) g
             WHERE order_id IS NOT NULL GROUP BY order_id),
         waiting AS (SELECT payment_id, count(*) AS reports FROM payment_events WHERE processed_at IS NULL GROUP BY payment_id)
         SELECT o.id AS order_id, o.state AS order_state, p.id AS payment_id, p.state AS payment_state, o.amount_minor,
                p.checkout_request_id IS NOT NULL AS is_known, p.next_check_at IS NOT NULL AS is_looked_at_again,
                coalesce(w.reports, 0) AS open_reports, b.mpesa, b.sales, b.owed, coalesce(g.grants, 0) AS grants
         FROM orders o LEFT JOIN payments p ON p.order_id = o.id LEFT JOIN booked b ON b.key = 'payment:' || p.id::text
              LEFT JOIN granted g ON g.order_id = o.id LEFT JOIN waiting w ON w.payment_id = p.id
         WHERE o.created_at >= $1",
    )
    .bind(begin)
    .fetch_all(&mut *database)
    .await
    .context("the orders cannot be read")?;
    check_orders(seen, &rows)?;
    let mut books = Books { ledger: ledger(database).await?, ..Books::default() };
    for shillings in pushed.values().flatten().filter_map(|pushed| pushed.collected_by(now)) {
        books.collected = (books.collected.0 + shillings, books.collected.1 + 1);
    }
    for row in &rows {
        let pushed = row.payment_id.and_then(|payment| pushed.get(&payment)).map(Vec::as_slice).unwrap_or_default();
        match end_of(row, pushed, now) {
            Ok(End::Granted) => books.granted += 1,
            Ok(End::Owed) => books.owed += 1,
            Ok(End::Unpaid) => books.unpaid += 1,
            Ok(End::Unknown) => books.unknown += 1,
            Ok(End::Untold(reference)) => {
                books.unknown += 1;
                books.untold.push(reference);
            }
            Err(problem) => books.problems.push(format!("order {} ({}): {problem}", row.order_id, row.order_state)),
        }
    }
    Ok(books)
}

/// What M-Pesa was asked to collect, by our payment: the address that it reports to tells which.
fn pushed(street: &Street) -> anyhow::Result<HashMap<Uuid, Vec<Transaction>>> {
    let mut pushed: HashMap<Uuid, Vec<Transaction>> = HashMap::new();
    for transaction in street.daraja.transactions() {
        let token = transaction.callback_url.rsplit('/').next().unwrap_or_default();
        let payment = token::verify(street.db.seal(), Purpose::PaymentCallback, token);
        pushed.entry(payment.context("M-Pesa was given an address that is not ours")?).or_default().push(transaction);
    }
    Ok(pushed)
}

/// Every order that a guest was shown is there with one payment, and no other.
fn check_orders(seen: &[Seen], rows: &[Row]) -> anyhow::Result<()> {
    let shown: HashSet<Uuid> = seen.iter().map(|seen| seen.order).collect();
    let written: HashSet<Uuid> = rows.iter().map(|row| row.order_id).collect();
    ensure!(shown.len() == seen.len(), "guests share an order");
    ensure!(written.len() == rows.len(), "orders have two payments");
    ensure!(shown == written, "{} orders were shown, {} are written down", shown.len(), written.len());
    Ok(())
}

async fn ledger(database: &mut PgConnection) -> anyhow::Result<Ledger> {
    let ledger = sqlx::query_as::<_, Ledger>(
        "SELECT count(*) AS entries, coalesce(sum(amount_minor), 0)::bigint AS sum,
                (SELECT count(*) FROM (SELECT FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0) c)
                    AS crooked
         FROM ledger_entries",
    );
    ledger.fetch_one(database).await.context("the ledger cannot be read")
}

fn end_of(row: &Row, pushed: &[Transaction], now: OffsetDateTime) -> Result<End, String> {
    let Some(state) = row.payment_state.as_deref() else { return Err("its payment was never begun".to_owned()) };
    let stands = Standing {
        state,
        amount_minor: row.amount_minor,
        is_known: row.is_known,
        is_looked_at_again: row.is_looked_at_again,
        open_reports: row.open_reports,
        booked: row.mpesa.map(|received| Booked { received, sales: row.sales, owed: row.owed }),
    };
    match (stands.end(pushed, now)?, row.grants, row.order_state.as_str()) {
        (standing::End::Sold, 1, "paid") => Ok(End::Granted),
        (standing::End::Owed, 0, "refund_due") => Ok(End::Owed),
        (standing::End::Nothing, 0, _) => Ok(End::Unpaid),
        (standing::End::Waits, 0, _) => Ok(End::Unknown),
        (standing::End::Unbooked(shillings), ..) => {
            let untold = pushed.first().filter(|pushed| is_untold(row, state, pushed));
            let untold = untold.map(|pushed| End::Untold(pushed.checkout_request_id.clone()));
            untold.ok_or_else(|| standing::unbooked(shillings))
        }
        (end, grants, _) => Err(format!("{grants} grants for a payment that is {end:?}")),
    }
}

/// Whether nobody can know of it: neither the prompt's reference nor a report that names it came.
fn is_untold(row: &Row, state: &str, pushed: &Transaction) -> bool {
    let names_it = |says| matches!(says, Says::Truth | Says::NoAnswer);
    !row.is_known
        && matches!(state, "unknown" | "failed")
        && !pushed.told.iter().any(|told| names_it(told.says) && told.status == Some(200))
}

impl Books {
    /// What was found wrong, in words; nothing if all is well.
    ///
    /// # Errors
    /// If something is.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for problem in self.problems.iter().take(TOLD) {
            println!("{problem}");
        }
        ensure!(self.problems.is_empty(), "{} orders are stuck or wrong", self.problems.len());
        let Ledger { sum, crooked, .. } = self.ledger;
        ensure!((sum, crooked) == (0, 0), "the ledger sums to {sum}, and {crooked} transactions do not balance");
        let (booked, untold) = (self.granted + self.owed, u64::try_from(self.untold.len())?);
        let collected = self.collected.1;
        ensure!(booked + untold == collected, "{collected} payments are collected, {booked} are granted or owed");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            order_id: Uuid::nil(),
            order_state: "unknown".into(),
            payment_id: Some(Uuid::nil()),
            payment_state: Some("unknown".into()),
            amount_minor: 2_000,
            is_known: false,
            is_looked_at_again: true,
            open_reports: 0,
            mpesa: None,
            sales: None,
            owed: None,
            grants: 0,
        }
    }

    #[test]
    fn what_waits_must_be_looked_at_again() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(end_of(&row(), &[], now), Ok(End::Unknown));
        assert!(end_of(&Row { is_looked_at_again: false, ..row() }, &[], now).is_err());
        assert!(end_of(&Row { is_known: true, ..row() }, &[], now).is_err());
        assert_eq!(end_of(&Row { payment_state: Some("failed".into()), ..row() }, &[], now), Ok(End::Unpaid));
    }

    #[test]
    fn nothing_is_granted_or_booked_without_money() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let failed = || Row { payment_state: Some("failed".into()), ..row() };
        assert!(end_of(&Row { grants: 1, ..failed() }, &[], now).is_err());
        assert!(end_of(&Row { mpesa: Some(2_000), sales: Some(-2_000), ..failed() }, &[], now).is_err());
        assert!(end_of(&Row { payment_id: None, payment_state: None, ..row() }, &[], now).is_err());
    }

    #[test]
    fn books_with_a_crooked_ledger_or_a_lost_payment_are_not_well() {
        let good = Books { granted: 2, owed: 1, collected: (60, 3), ..Books::default() };
        assert!(good.check().is_ok());
        assert!(Books { ledger: Ledger { sum: 1, ..Ledger::default() }, ..good.clone() }.check().is_err());
        assert!(Books { granted: 1, ..good }.check().is_err());
    }
}
