//! What a person says of a line that found no transaction, and what is booked for it: once, in the transaction that settles the line.
//!
//! ```text
//!  fee        fees          ← account     what the provider kept (and back, where it is above zero)
//!  refund     refunds due   ← account     money that went back to a customer; of a payment that we know, it is that payment's refund
//!  transfer   bank          ← account     what went to the bank, or from another account to it
//!  assign     account       ← unmatched   money that came and we never heard of: it waits for a person
//!  ignore     nothing, with the reason
//! ```
//!
//! Money that came and we never heard of goes the way of all such money ([`crate::unmatched`]). M-Pesa's the caller writes down there, so that
//! a report that comes late finds it, and then settles the line with what was booked for it. Other money is written down here. Of the bank's no
//! report comes; of Stripe's one may, and finds it by what the line names. If the report came first, the line is settled with what that booked.

use std::net::IpAddr;

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::account;
use crate::admin::{Audit, audit_in};
use crate::ledger::{self, Account};
use crate::money::money;
use crate::unmatched::{self, Stated};
use crate::{Db, Result, StoreError, fee, refund};

/// Fees that are booked in one transaction of the database.
const FEES_AT_ONCE: i64 = 2_000;

/// Who says so.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a str,
    /// From where.
    pub from: Option<IpAddr>,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution<'a> {
    /// Money that came. M-Pesa's must be written down already as money that came by itself.
    Assign,
    /// What was kept for the provider's work.
    Fee,
    /// Money that went back.
    Refund,
    /// Money that went from one account to another: to or from the bank; of a bank's line, from or to this account.
    Transfer(Option<&'a str>),
    /// Nothing of ours, for this reason.
    Ignore(&'a str),
}

impl Resolution<'_> {
    /// Its word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Resolution::Assign => "assign",
            Resolution::Fee => "fee",
            Resolution::Refund => "refund",
            Resolution::Transfer(_) => "transfer",
            Resolution::Ignore(_) => "ignore",
        }
    }
}

/// A line that is held, and open.
struct Held {
    id: Uuid,
    account: Account,
    word: String,
    reference: String,
    kind: String,
    related: String,
    party: String,
    details: String,
    at: OffsetDateTime,
    amount: Money,
}

impl Held {
    /// Between the line's account and another: what came is on the first, what went is on the other.
    fn between(&self, other: Account) -> (Account, Account) {
        if self.amount.minor > 0 { (self.account, other) } else { (other, self.account) }
    }

    fn key(&self) -> String {
        format!("statement:{}", self.id)
    }

    fn size(&self) -> Money {
        Money { minor: self.amount.minor.saturating_abs(), ..self.amount }
    }
}

/// Settles an open line, and books what it is.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: it is settled already, or cannot be that.
/// [`StoreError::Missing`]: there is no such line.
pub async fn resolve(db: &Db, id: Uuid, resolution: Resolution<'_>, by: By<'_>, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    let held = hold(&mut tx, id).await?;
    let booked = match resolution {
        Resolution::Assign => Some(assign(&mut tx, &held, now).await?),
        Resolution::Fee => Some(keep(&mut tx, &held, now).await?),
        Resolution::Refund => Some(give_back(&mut tx, &held, by.actor, now).await?),
        Resolution::Transfer(other) => Some(transfer(&mut tx, &held, other, now).await?),
        Resolution::Ignore(_) => None,
    };
    let reason = match resolution {
        Resolution::Ignore("") => return Err(StoreError::Conflict("say why it is put aside".into())),
        Resolution::Ignore(reason) => reason,
        _ => "",
    };
    let transaction = match &booked {
        Some(key) => Some(booked_as(&mut tx, key, &held).await?),
        None => None,
    };
    sqlx::query!(
        "UPDATE statement_lines SET state = 'resolved', resolution = $2, reason = $3, transaction_id = $4, resolved_at = $5, resolved_by = $6,
             party = CASE WHEN $2 = 'ignore' THEN party ELSE '' END
         WHERE id = $1",
        id,
        resolution.as_str(),
        reason,
        transaction,
        now,
        by.actor
    )
    .execute(&mut *tx)
    .await?;
    let (action, object) =
        (format!("statement.{}", resolution.as_str()), format!("{} {}: {}", held.word, held.reference, held.amount));
    let line = Audit { actor: by.actor, action: &action, object: &object, address: by.from };
    audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn hold(tx: &mut PgConnection, id: Uuid) -> Result<Held> {
    let row = sqlx::query!(
        "SELECT account, reference, kind, related, party, details, happened_at, amount_minor, currency, state
         FROM statement_lines WHERE id = $1 FOR UPDATE",
        id
    )
    .fetch_optional(tx)
    .await?
    .ok_or_else(|| StoreError::missing("line of a statement", id))?;
    if row.state != "open" {
        return Err(StoreError::Conflict(format!("the line {} is settled already", row.reference)));
    }
    Ok(Held {
        id,
        account: account(&row.account)?,
        word: row.account,
        reference: row.reference,
        kind: row.kind,
        related: row.related,
        party: row.party,
        details: row.details,
        at: row.happened_at,
        amount: money("statement_lines", id, row.amount_minor, &row.currency)?,
    })
}

/// The transaction of that key, if it put just the line's amount on its account and is no other line's.
async fn booked_as(tx: &mut PgConnection, key: &str, held: &Held) -> Result<Uuid> {
    let row = sqlx::query!(
        r#"SELECT t.id, coalesce(sum(e.amount_minor) FILTER (WHERE a.code = $2 AND e.currency = $3), 0)::bigint AS "minor!",
                  EXISTS (SELECT FROM statement_lines l WHERE l.transaction_id = t.id AND l.account = $2) AS "is_taken!"
           FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
           WHERE t.key = $1 GROUP BY t.id"#,
        key,
        held.word,
        held.amount.currency.as_str()
    )
    .fetch_optional(tx)
    .await?
    .ok_or_else(|| StoreError::Conflict(format!("nothing is booked for {} yet", held.reference)))?;
    if row.minor != held.amount.minor {
        let booked = Money { minor: row.minor, ..held.amount };
        return Err(StoreError::Conflict(format!(
            "{booked} is booked for {}, and the line says {}",
            held.reference, held.amount
        )));
    }
    if row.is_taken {
        return Err(StoreError::Conflict(format!("what is booked for {} belongs to another line", held.reference)));
    }
    Ok(row.id)
}

async fn book(
    tx: &mut PgConnection,
    held: &Held,
    what: &str,
    accounts: (Account, Account),
    now: OffsetDateTime,
) -> Result<String> {
    let (key, what) = (held.key(), format!("{what}: {} on the statement of {}", held.reference, held.word));
    ledger::book(tx, &key, None, &what, accounts, held.size(), now).await?;
    Ok(key)
}

/// What was booked for money that came by itself; of other providers it is written down and booked here.
async fn assign(tx: &mut PgConnection, held: &Held, now: OffsetDateTime) -> Result<String> {
    if held.amount.minor < 0 {
        return Err(StoreError::Conflict("money that went cannot be assigned".into()));
    }
    if held.word != unmatched::PROVIDER {
        if !held.related.is_empty() {
            // Whoever settles a payment holds its names too: the second one finds what the first one has booked.
            unmatched::hold(&mut *tx, &held.related).await?;
        }
        if let Some(key) = booked_with(&mut *tx, held).await? {
            return Ok(key);
        }
        let (line, word, account, at) = (held.id, held.word.as_str(), held.account, held.at);
        let details = if held.details.is_empty() { &held.reference } else { &held.details };
        let stated = Stated { line, word, account, amount: held.amount, party: &held.party, details, at };
        return unmatched::state(tx, &stated, now).await;
    }
    let key = sqlx::query_scalar!(
        r#"SELECT t.key AS "key!" FROM ledger_transactions t WHERE t.key = 'received:mpesa:' || $1::text
           UNION ALL
           SELECT t.key FROM payments p JOIN ledger_transactions t ON t.key = 'payment:' || p.id
           WHERE p.provider = 'mpesa' AND p.receipt = $1 LIMIT 1"#,
        held.reference
    )
    .fetch_optional(tx)
    .await?;
    key.ok_or_else(|| StoreError::Conflict(format!("receipt {} is not written down yet", held.reference)))
}

/// Stripe carries our name of a payment along, or one that we know it by: what names a payment of ours is that payment's. If Stripe has told of it,
/// this is under which key it is booked; if not, it is refused, since it is booked with its order when Stripe does. One that failed here may never
/// be told of, and then the line is all that there is.
async fn booked_with(tx: &mut PgConnection, held: &Held) -> Result<Option<String>> {
    let row = sqlx::query!(
        "SELECT p.id, p.state, o.code FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE p.provider = $1 AND (p.receipt = $2 OR p.charge = $2 OR p.id = $3::uuid) AND p.state <> 'failed'
         ORDER BY p.state = 'succeeded' DESC, p.id LIMIT 1",
        held.word,
        held.related,
        held.related.parse::<Uuid>().ok()
    )
    .fetch_optional(tx)
    .await?;
    match row {
        None => Ok(None),
        Some(row) if row.state == "succeeded" && held.kind == "payment" => Ok(Some(format!("payment:{}", row.id))),
        Some(row) if row.state == "succeeded" => Err(StoreError::Conflict(format!(
            "this is about a payment of order {}, whose money has a line of its own: say what it is in another way",
            row.code
        ))),
        Some(row) => Err(StoreError::Conflict(format!(
            "this is a payment of order {}, with which it is booked when Stripe tells of it: the line finds it then",
            row.code
        ))),
    }
}

async fn keep(tx: &mut PgConnection, held: &Held, now: OffsetDateTime) -> Result<String> {
    let accounts = held.between(Account::Fees);
    if held.word == "stripe" && held.kind == "fee" {
        // Under the name by which it is booked when Stripe is asked, so that it is not booked twice.
        let (key, what) = (format!("fee:{}", held.reference), format!("a fee, by Stripe's {}", held.reference));
        ledger::book_once(tx, &key, None, &what, accounts, held.size(), now).await?;
        return Ok(key);
    }
    let what = if held.amount.minor > 0 { "a fee came back" } else { "a fee" };
    book(tx, held, what, accounts, now).await
}

async fn transfer(tx: &mut PgConnection, held: &Held, other: Option<&str>, now: OffsetDateTime) -> Result<String> {
    let other = match (held.word.as_str(), other) {
        ("bank", Some(other @ ("mpesa" | "stripe"))) => account(other)?,
        ("bank", _) => {
            return Err(StoreError::Conflict("say from or to which account: M-Pesa or Stripe".into()));
        }
        _ => Account::Bank,
    };
    book(tx, held, "from one account to another", held.between(other), now).await
}

/// Of a payment that we know it is that payment's refund, made elsewhere; of money that is owed by its receipt, what goes back of that.
async fn give_back(tx: &mut PgConnection, held: &Held, by: &str, now: OffsetDateTime) -> Result<String> {
    if held.amount.minor > 0 {
        return book(tx, held, "money that had gone back came again", held.between(Account::RefundsDue), now).await;
    }
    if held.related.is_empty() {
        return book(tx, held, "money went back", held.between(Account::RefundsDue), now).await;
    }
    if held.word == unmatched::PROVIDER {
        // Whoever touches a receipt holds it first, before any order.
        unmatched::hold(&mut *tx, &held.related).await?;
        if unmatched::book_return(&mut *tx, &held.related, &held.reference, now).await?.is_some() {
            return Ok(format!("received:mpesa:{}:given_back", held.related));
        }
    }
    let payment = sqlx::query_scalar!(
        "SELECT id FROM payments WHERE provider = $1 AND receipt = $2 AND state = 'succeeded'",
        held.word,
        held.related
    )
    .fetch_optional(&mut *tx)
    .await?;
    match payment {
        Some(payment) => give_back_payment(tx, held, payment, by, now).await,
        // Stripe is asked about each payment and then books what went back of it, whoever gave it back: it would be booked twice.
        None if held.word == "stripe" => Err(StoreError::Conflict(format!(
            "no payment is known here that {} gives back: if it is one of ours, Stripe tells of it; else put the line aside, and say why",
            held.related
        ))),
        None => book(tx, held, "money went back", held.between(Account::RefundsDue), now).await,
    }
}

async fn give_back_payment(
    tx: &mut PgConnection,
    held: &Held,
    payment: Uuid,
    by: &str,
    now: OffsetDateTime,
) -> Result<String> {
    let order = sqlx::query!(
        "SELECT id, code FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_one(&mut *tx)
    .await?;
    let is_on_its_way = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM refunds WHERE payment_id = $1 AND state IN ('created', 'unknown', 'pending')) AS "is!""#,
        payment
    )
    .fetch_one(&mut *tx)
    .await?;
    if is_on_its_way {
        return Err(StoreError::Conflict(format!(
            "money of order {} is on its way back: it is settled by itself, or on the payment's page",
            order.code
        )));
    }
    let (came, bought) = refund::booked(&mut *tx, payment).await?;
    let left = came.minor - refund::given(&mut *tx, payment).await?;
    let amount = held.size();
    if amount.currency != came.currency || amount.minor > left {
        let left = Money { minor: left, ..came };
        return Err(StoreError::Conflict(format!("of order {} only {left} could go back", order.code)));
    }
    let id = rng::id(now);
    if bought {
        let (key, what) = (format!("refund_due:{id}"), format!("order {} is given back", order.code));
        let accounts = (Account::Sales, Account::RefundsDue);
        ledger::book(&mut *tx, &key, Some(order.id), &what, accounts, amount, now).await?;
    }
    write_refund(&mut *tx, held, (id, payment), by, now).await?;
    let (key, what) = (format!("refund:{id}"), format!("the money of order {} has gone back", order.code));
    ledger::book(&mut *tx, &key, Some(order.id), &what, (Account::RefundsDue, held.account), amount, now).await?;
    if held.word == "stripe" {
        fee::ask_again(tx, payment).await?;
    }
    Ok(key)
}

/// A refund that was made elsewhere, with the statement as its proof. It ends as others do, so that whoever is told of such is.
async fn write_refund(
    tx: &mut PgConnection,
    held: &Held,
    (id, payment): (Uuid, Uuid),
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let is_card = held.word == "stripe";
    sqlx::query!(
        "INSERT INTO refunds (id, payment_id, amount_minor, currency, state, reference, asked_by, is_ours, way, proof, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'pending', $5, $6, false, $7, $8, $9, $9)",
        id,
        payment,
        held.size().minor,
        held.amount.currency.as_str(),
        held.reference,
        by,
        if is_card { "card" } else { "hand" },
        (!is_card).then_some(held.reference.as_str()),
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("UPDATE refunds SET state = 'done' WHERE id = $1", id).execute(tx).await?;
    Ok(())
}

/// Books all open fees of an account within a time. Returns how many.
///
/// # Errors
/// The account has no statements.
pub async fn book_fees(
    db: &Db,
    word: &str,
    (since, until): (OffsetDateTime, OffsetDateTime),
    by: By<'_>,
    now: OffsetDateTime,
) -> Result<u64> {
    account(word)?;
    let mut booked = 0;
    loop {
        let mut tx = db.begin().await?;
        let ids = sqlx::query_scalar!(
            "SELECT id FROM statement_lines
             WHERE state = 'open' AND kind = 'fee' AND account = $1 AND happened_at >= $2 AND happened_at < $3
             ORDER BY happened_at, id LIMIT $4 FOR UPDATE SKIP LOCKED",
            word,
            since,
            until,
            FEES_AT_ONCE
        )
        .fetch_all(&mut *tx)
        .await?;
        if ids.is_empty() {
            break;
        }
        let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        for id in ids {
            let held = hold(&mut tx, id).await?;
            let key = keep(&mut tx, &held, now).await?;
            let transaction = booked_as(&mut tx, &key, &held).await?;
            sqlx::query!(
                "UPDATE statement_lines SET state = 'resolved', resolution = 'fee', transaction_id = $2, resolved_at = $3, resolved_by = $4, party = ''
                 WHERE id = $1",
                id,
                transaction,
                now,
                by.actor
            )
            .execute(&mut *tx)
            .await?;
        }
        let object = format!("{word}: {count} fees");
        let line = Audit { actor: by.actor, action: "statement.fees", object: &object, address: by.from };
        audit_in(&mut tx, &line, now).await?;
        tx.commit().await?;
        booked += count;
    }
    Ok(booked)
}

/// Explains a transaction of the ledger that no statement has.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: it is explained already, a statement has it, or there is no reason.
pub async fn explain(
    db: &Db,
    transaction: Uuid,
    word: &str,
    reason: &str,
    by: By<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    if reason.is_empty() {
        return Err(StoreError::Conflict("say why no statement has it".into()));
    }
    account(word)?;
    let mut tx = db.begin().await?;
    let made = sqlx::query!(
        "INSERT INTO statement_explanations (transaction_id, account, reason, explained_at, explained_by)
         SELECT t.id, $2, $3, $4, $5 FROM ledger_transactions t
         WHERE t.id = $1 AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.transaction_id = t.id AND l.account = $2)
           AND EXISTS (SELECT FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE e.transaction_id = t.id AND a.code = $2)
         ON CONFLICT DO NOTHING",
        transaction,
        word,
        reason,
        now,
        by.actor
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if made == 0 {
        return Err(StoreError::Conflict("that transaction is explained already, or a statement has it".into()));
    }
    let object = format!("{word}: transaction {transaction}");
    let line = Audit { actor: by.actor, action: "statement.explain", object: &object, address: by.from };
    audit_in(&mut tx, &line, now).await?;
    tx.commit().await.map_err(StoreError::from)
}
