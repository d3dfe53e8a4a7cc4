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
        }
    }
}

/// Books `amount` from `credit` to `debit` under `key`. Booking the same key twice is a conflict.
pub(crate) async fn book(
    tx: &mut PgConnection,
    key: &str,
    order: Option<Uuid>,
    description: &str,
    (debit, credit): (Account, Account),
    amount: Money,
    now: OffsetDateTime,
) -> Result<()> {
    let id = rng::id(now);
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
    for (account, minor) in [(debit, amount.minor), (credit, -amount.minor)] {
        sqlx::query!(
            "INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
             SELECT $1, $2, id, $4, $5 FROM ledger_accounts WHERE code = $3",
            rng::id(now),
            id,
            account.code(),
            minor,
            amount.currency.as_str()
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
