//! Cash that agents take for vouchers: what each sold, what of it was undone, what was handed over, and what is owed.
//!
//! ```text
//!  sold         cash ← deferred   access is owed; ← sales where it was used before its sale was noted
//!  used         deferred ← sales  what was owed has become access
//!  undone       deferred ← cash   sold and not used, and worth nothing any more
//!  handed over  bank ← cash
//! ```
//!
//! Who owes is who has the paper (the batch's agent), or else who noted the sale. The price is that of the paper; a batch that says none has
//! its package's price at the sale. Everything is booked in the transaction of what was done: [`crate::voucher`] and a login call in here. Only
//! a login that an older server wrote down, which knew nothing of books, is booked later ([`used_unbooked`]).
//!
//! Refused here: vouchers that an order paid for, that cost nothing, or whose sale was noted before there were books. With them nothing was
//! booked as owed, and nothing is released.

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Duration;
use uuid::Uuid;

use crate::admin::{self, Audit};
use crate::ledger::{self, Account};
use crate::money::money;
use crate::voucher::MAX_AGENT;
use crate::{Db, Result, StoreError};

/// Agents that are listed at most.
const LISTED: i64 = 1000;
/// How long ago a voucher was used at most that is booked later: many times what servers of two versions run beside each other.
const LATEST: Duration = Duration::days(31);
/// Vouchers that are booked later in one transaction.
const LATE_AT_ONCE: i64 = 1000;

/// What an agent took, gave and owes, in one currency, in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// Who.
    pub name: String,
    /// The currency.
    pub currency: String,
    /// For vouchers sold.
    pub sold: i64,
    /// For those whose sale was undone.
    pub undone: i64,
    /// What they handed over.
    pub handed_over: i64,
    /// What is left with them.
    pub owes: i64,
}

/// What happened to an agent's cash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Vouchers were sold.
    Sold,
    /// A sale was undone.
    Undone,
    /// Cash was handed over.
    HandedOver,
}

impl Kind {
    /// Its word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Sold => "sold",
            Kind::Undone => "undone",
            Kind::HandedOver => "handed_over",
        }
    }

    fn parse(text: &str) -> Option<Kind> {
        [Kind::Sold, Kind::Undone, Kind::HandedOver].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that changed an agent's cash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its transaction in the ledger.
    pub transaction: Uuid,
    /// What it was.
    pub kind: Kind,
    /// The package of the vouchers.
    pub package: Option<String>,
    /// How many vouchers.
    pub quantity: i64,
    /// How much cash.
    pub amount: Money,
    /// What was said of it.
    pub note: String,
    /// When.
    pub happened_at: OffsetDateTime,
}

/// All agents who have taken or handed over cash, by name.
pub async fn agents(db: &Db) -> Result<Vec<Agent>> {
    Ok(sqlx::query_as!(
        Agent,
        r#"WITH sums AS (
               SELECT agent AS name, currency, coalesce(sum(amount_minor) FILTER (WHERE kind = 'sold'), 0)::bigint AS sold,
                      coalesce(sum(amount_minor) FILTER (WHERE kind = 'undone'), 0)::bigint AS undone,
                      coalesce(sum(amount_minor) FILTER (WHERE kind = 'handed_over'), 0)::bigint AS handed_over
               FROM cash_events WHERE kind <> 'used' GROUP BY agent, currency)
           SELECT name AS "name!", currency::text AS "currency!", sold AS "sold!", undone AS "undone!", handed_over AS "handed_over!",
                  sold - undone - handed_over AS "owes!"
           FROM sums ORDER BY name, currency LIMIT $1"#,
        LISTED
    )
    .fetch_all(&db.pool)
    .await?)
}

/// What happened to an agent's cash, the newest first.
pub async fn events(db: &Db, agent: &str, limit: i64) -> Result<Vec<Event>> {
    let rows = sqlx::query!(
        r#"SELECT c.transaction_id, c.kind, p.name AS "package?", c.quantity, c.amount_minor, c.currency, c.note, c.happened_at
           FROM cash_events c LEFT JOIN packages p ON p.id = c.package_id
           WHERE c.agent = $1 AND c.kind <> 'used' ORDER BY c.happened_at DESC, c.id DESC LIMIT $2"#,
        agent,
        limit
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = row.transaction_id;
            Ok(Event {
                transaction: key,
                kind: Kind::parse(&row.kind).ok_or_else(|| StoreError::corrupt("cash_events", key, "unknown kind"))?,
                package: row.package,
                quantity: row.quantity,
                amount: money("cash_events", key, row.amount_minor, &row.currency)?,
                note: row.note,
                happened_at: row.happened_at,
            })
        })
        .collect()
}

/// An agent hands cash over, which goes to the bank. Returns what they owe after that.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: it is nothing, or more than they owe.
pub async fn hand_over(
    db: &Db,
    agent: &str,
    amount: Money,
    note: &str,
    by: &str,
    now: OffsetDateTime,
) -> Result<Money> {
    if amount.minor <= 0 {
        return Err(StoreError::Conflict("say how much cash was handed over".into()));
    }
    if !(1..=MAX_AGENT).contains(&agent.chars().count()) {
        return Err(StoreError::Conflict("say whose cash was handed over".into()));
    }
    let mut tx = db.begin().await?;
    // Of two who write the same down at once, the second one sees that nothing is owed any more.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('cash'), hashtext($1))", agent).fetch_all(&mut *tx).await?;
    let owed = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(CASE kind WHEN 'sold' THEN amount_minor ELSE -amount_minor END), 0)::bigint AS "owed!"
           FROM cash_events WHERE agent = $1 AND currency = $2 AND kind <> 'used'"#,
        agent,
        amount.currency.as_str()
    )
    .fetch_one(&mut *tx)
    .await?;
    if amount.minor > owed {
        let owed = Money { minor: owed.max(0), ..amount };
        return Err(StoreError::Conflict(format!("{agent} owes {owed}, which is less than {amount}")));
    }
    let accounts = (Account::Bank, Account::Cash);
    let key = format!("cash_handed_over:{}", rng::id(now));
    let transaction = ledger::book_new(&mut tx, &key, "cash is handed over", accounts, amount, now).await?;
    let group = Group { agent, package: None, site: None, quantity: 1, amount };
    write_event(&mut tx, transaction, Kind::HandedOver, &group, note.trim(), now).await?;
    let object = format!("{amount} by {agent}");
    let line = Audit { actor: by, action: "books.hand_over", object: &object, address: None };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(Money { minor: owed - amount.minor, ..amount })
}

/// What is one row of `cash_events`.
struct Group<'a> {
    agent: &'a str,
    package: Option<Uuid>,
    site: Option<Uuid>,
    quantity: i64,
    amount: Money,
}

async fn write_event(
    tx: &mut PgConnection,
    transaction: Uuid,
    kind: Kind,
    group: &Group<'_>,
    note: &str,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO cash_events (id, transaction_id, kind, agent, site_id, package_id, quantity, amount_minor, currency, note, happened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        rng::id(now),
        transaction,
        kind.as_str(),
        group.agent,
        group.site,
        group.package,
        group.quantity,
        group.amount.minor,
        group.amount.currency.as_str(),
        note,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Books that these vouchers were sold just now: a transaction for each package, agent and price. The caller holds them.
pub(crate) async fn sold(tx: &mut PgConnection, vouchers: &[Uuid], now: OffsetDateTime) -> Result<()> {
    let groups = sqlx::query!(
        r#"SELECT b.package_id, p.site_id, coalesce(b.package_name, p.name) AS "package!", coalesce(b.agent, v.sold_by) AS "agent!",
                  coalesce(b.price_minor, p.price_minor) AS "unit!", coalesce(b.currency, p.currency)::text AS "currency!",
                  v.state = 'redeemed' AS "is_used!", array_agg(v.id ORDER BY v.id) AS "ids!", count(*) AS "quantity!"
           FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id JOIN packages p ON p.id = b.package_id
           WHERE v.id = ANY ($1) AND v.order_id IS NULL AND NOT b.for_order AND coalesce(b.price_minor, p.price_minor) > 0
           GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 8"#,
        vouchers
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in groups {
        let Some(first) = row.ids.first() else { continue };
        let unit = money("voucher_batches", first, row.unit, &row.currency)?;
        let amount = times(unit, row.quantity)?;
        let credit = if row.is_used { Account::Sales } else { Account::Deferred };
        let what = format!("vouchers are sold: {} of {}", row.quantity, row.package);
        let key = format!("voucher_sold:{first}");
        let transaction = ledger::book_new(&mut *tx, &key, &what, (Account::Cash, credit), amount, now).await?;
        let package = Some(row.package_id);
        let group = Group { agent: &row.agent, package, site: row.site_id, quantity: row.quantity, amount };
        write_event(&mut *tx, transaction, Kind::Sold, &group, "", now).await?;
        sqlx::query!("UPDATE vouchers SET sold_transaction = $2 WHERE id = ANY ($1)", &row.ids, transaction)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Books that the sale of these vouchers, which nobody has used, is undone: of those of which it was booked. The caller holds them.
pub(crate) async fn undone(tx: &mut PgConnection, vouchers: &[Uuid], now: OffsetDateTime) -> Result<()> {
    let groups = sqlx::query!(
        r#"SELECT c.agent, c.package_id, c.site_id, c.currency::text AS "currency!", c.amount_minor / c.quantity AS "unit!",
                  v.ids[1] AS "first!", v.quantity AS "quantity!"
           FROM (SELECT sold_transaction, array_agg(id ORDER BY id) AS ids, count(*) AS quantity FROM vouchers
                 WHERE id = ANY ($1) AND sold_transaction IS NOT NULL GROUP BY sold_transaction) v
                JOIN cash_events c ON c.transaction_id = v.sold_transaction
           ORDER BY 6"#,
        vouchers
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in groups {
        let amount = times(money("cash_events", row.first, row.unit, &row.currency)?, row.quantity)?;
        let what = format!("the sale of vouchers is undone: {}", row.quantity);
        let key = format!("voucher_undone:{}", row.first);
        let accounts = (Account::Deferred, Account::Cash);
        let transaction = ledger::book_new(&mut *tx, &key, &what, accounts, amount, now).await?;
        let (package, site) = (row.package_id, row.site_id);
        let group = Group { agent: &row.agent, package, site, quantity: row.quantity, amount };
        write_event(&mut *tx, transaction, Kind::Undone, &group, "", now).await?;
    }
    Ok(())
}

/// Books that vouchers which were sold have become access, in one statement: a login waits for it. `sales`: of each voucher the
/// transaction of its sale.
pub(crate) async fn used(tx: &mut PgConnection, vouchers: &[Uuid], sales: &[Uuid], now: OffsetDateTime) -> Result<()> {
    let ids = || vouchers.iter().map(|_| rng::id(now)).collect::<Vec<Uuid>>();
    sqlx::query!(
        "WITH used AS (
             SELECT n.*, c.agent, c.site_id, c.package_id, c.currency, c.amount_minor / c.quantity AS unit
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[])
                      AS n (voucher, sale, transaction, event, debit, credit)
                  JOIN cash_events c ON c.transaction_id = n.sale),
         booked AS (
             INSERT INTO ledger_transactions (id, key, description, posted_at)
             SELECT transaction, 'voucher_used:' || voucher, 'a voucher that was sold is used', $7 FROM used),
         entered AS (
             INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
             SELECT s.id, u.transaction, a.id, s.sign * u.unit, u.currency
             FROM used u CROSS JOIN LATERAL (VALUES (u.debit, 'deferred', 1), (u.credit, 'sales', -1)) AS s (id, code, sign)
                  JOIN ledger_accounts a ON a.code = s.code)
         INSERT INTO cash_events (id, transaction_id, kind, agent, site_id, package_id, amount_minor, currency, happened_at)
         SELECT event, transaction, 'used', agent, site_id, package_id, unit, currency, $7 FROM used",
        vouchers,
        sales,
        &ids(),
        &ids(),
        &ids(),
        &ids(),
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Books, as of now, what [`used`] would have booked of vouchers that were redeemed without it: those whose sale is still owed, and of whose
/// use there is no transaction. A login does that itself, but for those that a server of the version before has written down while both ran
/// beside each other. Calling it again, or by two portals at once, books nothing twice. Returns how many there were.
pub async fn used_unbooked(db: &Db, now: OffsetDateTime) -> Result<u64> {
    let (mut booked, full) = (0, usize::try_from(LATE_AT_ONCE).unwrap_or(usize::MAX));
    loop {
        let step = used_unbooked_step(db, now).await?;
        booked += step as u64;
        if step < full {
            return Ok(booked);
        }
    }
}

async fn used_unbooked_step(db: &Db, now: OffsetDateTime) -> Result<usize> {
    let mut tx = db.begin_by_key().await?;
    // Of two at once, the second one finds the keys of the first one.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('vouchers_used_unbooked'), 0)").fetch_all(&mut *tx).await?;
    // What was used before its sale was noted was income at once: nothing is owed for it. Both are looked up one by one, since a join was
    // planned to read the whole ledger.
    let rows = sqlx::query!(
        r#"SELECT v.id, v.sold_transaction AS "sale!" FROM vouchers v
           WHERE v.redeemed_at >= $1 AND v.sold_transaction IS NOT NULL
             AND (SELECT t.id FROM ledger_transactions t WHERE t.key = 'voucher_used:' || v.id) IS NULL
             AND (SELECT count(*) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
                  WHERE e.transaction_id = v.sold_transaction AND a.code = 'deferred') > 0
           ORDER BY v.redeemed_at, v.id LIMIT $2"#,
        now - LATEST,
        LATE_AT_ONCE
    )
    .fetch_all(&mut *tx)
    .await?;
    let (vouchers, sales): (Vec<Uuid>, Vec<Uuid>) = rows.into_iter().map(|row| (row.id, row.sale)).unzip();
    if !vouchers.is_empty() {
        used(&mut tx, &vouchers, &sales, now).await?;
    }
    tx.commit().await?;
    Ok(vouchers.len())
}

fn times(unit: Money, quantity: i64) -> Result<Money> {
    let minor = unit.minor.checked_mul(quantity);
    let minor = minor.ok_or_else(|| StoreError::Conflict("that is more money than there is".into()))?;
    Ok(Money { minor, ..unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_what_they_write() {
        for kind in [Kind::Sold, Kind::Undone, Kind::HandedOver] {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("used"), None, "that changes nobody's cash");
    }

    #[test]
    fn what_vouchers_come_to_has_an_end() {
        assert_eq!(times(Money::kes(2000), 3).unwrap(), Money::kes(6000));
        assert!(times(Money::kes(i64::MAX), 2).is_err());
    }
}
