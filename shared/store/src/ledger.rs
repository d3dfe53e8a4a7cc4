//! The ledger: double entry, append-only, an idempotency key for each outside event. The database refuses a
//! transaction that does not balance, and any change to what is booked.

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// The accounts that the programs book to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Account {
    /// Money on the M-Pesa account.
    Mpesa,
    /// Money on the Stripe account.
    Stripe,
    /// Income from access sold.
    Sales,
    /// Money that belongs to customers.
    RefundsDue,
    /// Money that came and of which nobody knows yet what it is for.
    Unmatched,
    /// What providers keep for their work.
    Fees,
    /// Payments that banks took back.
    Disputes,
    /// Money that agents took for vouchers and have not handed over.
    Cash,
    /// Access that is owed for vouchers that were sold.
    Deferred,
    /// Tax that is owed of what was sold.
    Vat,
    /// Money at the operator's bank.
    Bank,
}

impl Account {
    /// Where the money of a provider's payments is; `None`: it collects none.
    pub(crate) fn of_provider(provider: &str) -> Option<Account> {
        match provider {
            "mpesa" => Some(Account::Mpesa),
            "stripe" => Some(Account::Stripe),
            _ => None,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Account::Mpesa => "mpesa",
            Account::Stripe => "stripe",
            Account::Sales => "sales",
            Account::RefundsDue => "refunds_due",
            Account::Unmatched => "unmatched",
            Account::Fees => "fees",
            Account::Disputes => "disputes",
            Account::Cash => "cash",
            Account::Deferred => "deferred",
            Account::Vat => "vat",
            Account::Bank => "bank",
        }
    }
}

/// Books `amount` from `credit` to `debit` under `key`. Booking the same key twice is a conflict.
pub(crate) async fn book(
    tx: &mut PgConnection,
    key: &str,
    order: Option<Uuid>,
    description: &str,
    accounts: (Account, Account),
    amount: Money,
    now: OffsetDateTime,
) -> Result<()> {
    book_as(tx, rng::id(now), (key, order, description), accounts, amount, now).await
}

/// Books what is of no order, and returns the transaction's identity.
pub(crate) async fn book_new(
    tx: &mut PgConnection,
    key: &str,
    description: &str,
    accounts: (Account, Account),
    amount: Money,
    now: OffsetDateTime,
) -> Result<Uuid> {
    let id = rng::id(now);
    book_as(tx, id, (key, None, description), accounts, amount, now).await?;
    Ok(id)
}

async fn book_as(
    tx: &mut PgConnection,
    id: Uuid,
    (key, order, description): (&str, Option<Uuid>, &str),
    accounts: (Account, Account),
    amount: Money,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO ledger_transactions (id, key, order_id, description, posted_at) VALUES ($1, $2, $3, $4, $5)",
        id,
        key,
        order,
        description,
        now
    )
    .execute(&mut *tx)
    .await?;
    write_entries(tx, id, accounts, amount, now).await
}

/// The same, where somebody else may have booked the key. Returns whether it is booked only now.
pub(crate) async fn book_once(
    tx: &mut PgConnection,
    key: &str,
    order: Option<Uuid>,
    description: &str,
    accounts: (Account, Account),
    amount: Money,
    now: OffsetDateTime,
) -> Result<bool> {
    let id = rng::id(now);
    let made = sqlx::query!(
        "INSERT INTO ledger_transactions (id, key, order_id, description, posted_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key) DO NOTHING",
        id,
        key,
        order,
        description,
        now
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if made == 0 {
        return Ok(false);
    }
    write_entries(tx, id, accounts, amount, now).await?;
    Ok(true)
}

async fn write_entries(
    tx: &mut PgConnection,
    transaction: Uuid,
    (debit, credit): (Account, Account),
    amount: Money,
    now: OffsetDateTime,
) -> Result<()> {
    for (account, minor) in [(debit, amount.minor), (credit, -amount.minor)] {
        sqlx::query!(
            "INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
             SELECT $1, $2, id, $4, $5 FROM ledger_accounts WHERE code = $3",
            rng::id(now),
            transaction,
            account.code(),
            minor,
            amount.currency.as_str()
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
