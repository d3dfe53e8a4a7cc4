//! Money of Stripe and of the bank that came by itself: only a statement tells of it, and a person says so.
//!
//! It is written down under a name of its own, made of the line's identity: what a bank calls a line may be a sentence, and Stripe's names are
//! longer than receipts. From then on it is decided like M-Pesa's. What it pays for is paid by card, or in cash as far as the books go, which
//! keep the bank there; nobody can be asked to give it back, so that a person does and says so.
//!
//! Of Stripe's money Stripe itself may still tell: a page that failed here was paid there, and its report comes late. The line names the payment,
//! so that whoever comes second finds the money ([`of_payment`]): it settles the payment as long as nobody has said what it is for ([`claim`]), and
//! from then on goes back as other payments by card do.

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{PROVIDER, decide, hold};
use crate::Result;
use crate::ledger::{self, Account};
use crate::settlement::{Evidence, Received, Settled, settle_in};

/// Who has the money of cards.
pub(crate) const CARDS: &str = "stripe";

/// The hexadecimal digits of a name that are of its line: the end of its identity, which is random.
const NAMED_BY: u128 = 0xffff_ffff_ffff;

/// Money as a line of a statement tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stated<'a> {
    /// The line.
    pub(crate) line: Uuid,
    /// The account's word: `stripe`, `bank`.
    pub(crate) word: &'a str,
    /// The account.
    pub(crate) account: Account,
    /// How much came.
    pub(crate) amount: Money,
    /// Who paid, as the statement shows it.
    pub(crate) party: &'a str,
    /// What else the statement says.
    pub(crate) details: &'a str,
    /// When it came.
    pub(crate) at: OffsetDateTime,
}

/// Writes it down as money that waits, and books it. Returns the key under which it is booked.
pub(crate) async fn state(tx: &mut PgConnection, stated: &Stated<'_>, now: OffsetDateTime) -> Result<String> {
    let receipt = name(stated.line);
    hold(&mut *tx, &receipt).await?;
    sqlx::query!(
        "INSERT INTO received_money (id, provider, receipt, amount_minor, currency, payer_name, reference, paid_at, received_at, confirmed_at, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 'unmatched')",
        rng::id(now),
        stated.word,
        receipt,
        stated.amount.minor,
        stated.amount.currency.as_str(),
        stated.party,
        stated.details,
        stated.at,
        now
    )
    .execute(&mut *tx)
    .await?;
    let key = format!("received:{}:{receipt}", stated.word);
    let what = format!("{receipt}, on the statement of {}, for which no order is known", stated.word);
    let accounts = (stated.account, Account::Unmatched);
    ledger::book(tx, &key, None, &what, accounts, stated.amount, now).await?;
    Ok(key)
}

/// What the money of a payment by card is called here, if a person has written it down from a line of Stripe's statement. A line names a payment by
/// its intent, by its charge or by our own name of it: all of these are held from now on, as by whoever writes such a line down.
pub(crate) async fn of_payment(tx: &mut PgConnection, payment: Uuid, evidence: &Evidence) -> Result<Option<String>> {
    let told = [&evidence.receipt, &evidence.charge];
    let names: Vec<String> = told.into_iter().flatten().cloned().chain([payment.to_string()]).collect();
    for name in &names {
        hold(&mut *tx, name).await?;
    }
    Ok(sqlx::query_scalar!(
        "SELECT m.receipt FROM statement_lines l JOIN ledger_transactions t ON t.id = l.transaction_id
             JOIN received_money m ON m.provider = 'stripe' AND m.receipt = split_part(t.key, ':', 3)
         WHERE l.account = 'stripe' AND l.resolution = 'assign' AND l.kind = 'payment' AND l.related = ANY ($1)
           AND t.key LIKE 'received:stripe:%'
         ORDER BY l.resolved_at, l.id LIMIT 1",
        &names
    )
    .fetch_optional(tx)
    .await?)
}

/// Settles a payment with money of a line that waits: Stripe says that it is this payment's. Where it buys nothing it goes back with the payment,
/// and not by its own name as well. A line in another currency than the payment tells what the account got for it; what was paid is what Stripe
/// reports.
pub(crate) async fn claim(
    tx: &mut PgConnection,
    payment: Uuid,
    name: &str,
    evidence: &Evidence,
    amount: Money,
    now: OffsetDateTime,
) -> Result<Settled> {
    let reported = evidence.amount.filter(|reported| reported.currency != amount.currency);
    let (paid, from) = reported.map_or((amount, Account::Unmatched), |reported| (reported, Account::Stripe));
    let receipt = evidence.receipt.as_deref();
    let received = Received { receipt, amount: Some(paid), from, by_the_phone: false };
    let settled = settle_in(&mut *tx, payment, &received, now).await?;
    let own = sqlx::query!("SELECT order_id, receipt FROM payments WHERE id = $1", payment).fetch_one(&mut *tx).await?;
    match settled {
        Settled::Granted { .. } | Settled::RefundDue if from == Account::Unmatched => {}
        Settled::Granted { .. } | Settled::RefundDue => {
            take_back(&mut *tx, payment, own.order_id, name, amount, now).await?
        }
        // The payment is settled with another receipt: this is other money, and goes on waiting.
        Settled::Already | Settled::Another if own.receipt.as_deref() != receipt => return Ok(settled),
        Settled::Already | Settled::Another => take_back(&mut *tx, payment, own.order_id, name, amount, now).await?,
    }
    decide(tx, name, "matched", Some(own.order_id), "report", now).await?;
    Ok(settled)
}

/// The same money is booked with its payment: once of that is taken back, and the line is the payment's, unless another one is.
async fn take_back(
    tx: &mut PgConnection,
    payment: Uuid,
    order: Uuid,
    name: &str,
    amount: Money,
    now: OffsetDateTime,
) -> Result<()> {
    let (key, what) = (format!("received:{CARDS}:{name}"), format!("{name} is booked with its payment"));
    let accounts = (Account::Unmatched, Account::Stripe);
    ledger::book(&mut *tx, &format!("{key}:known"), Some(order), &what, accounts, amount, now).await?;
    sqlx::query!(
        "UPDATE statement_lines SET transaction_id = own.id
         FROM ledger_transactions waiting, ledger_transactions own
         WHERE waiting.key = $1 AND own.key = 'payment:' || $2::uuid AND statement_lines.account = 'stripe'
           AND statement_lines.transaction_id = waiting.id
           AND NOT EXISTS (SELECT FROM statement_lines other WHERE other.account = 'stripe' AND other.transaction_id = own.id)",
        key,
        payment
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What money of a line is called: as short as a receipt, and none of M-Pesa's, which have ten characters.
fn name(line: Uuid) -> String {
    format!("S{:012X}", line.as_u128() & NAMED_BY)
}

/// Where the money of a payment is that paid for an order after a statement told of it; `None`: the payment has another receipt.
pub(crate) async fn account(tx: &mut PgConnection, receipt: &str) -> Result<Option<Account>> {
    let provider = sqlx::query_scalar!(
        "SELECT provider FROM received_money WHERE receipt = $1 AND provider <> $2 AND state = 'assigned'",
        receipt,
        PROVIDER
    )
    .fetch_optional(tx)
    .await?;
    Ok(provider.as_deref().and_then(account_of))
}

/// Where money that came by itself is.
pub(super) fn account_of(provider: &str) -> Option<Account> {
    match provider {
        "bank" => Some(Account::Bank),
        _ => Account::of_provider(provider),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_short_as_a_receipt_and_none_of_mpesas() {
        let line = Uuid::from_u128(0x0193_0000_0000_7000_8000_00ab_cdef_0123);
        assert_eq!(name(line), "S00ABCDEF0123");
        assert_eq!(name(Uuid::nil()).len(), 13);
    }
}
