//! Money that a provider told of by itself: written down once for each receipt, and never given out twice.
//!
//! Customers pay from the M-Pesa menu with an account number that they typed, and a paybill also tells of every payment that
//! a prompt has brought. [`match_confirmation`] finds out what a receipt is for: it may be known, it may pay for an order
//! (which settles that, in the same transaction), or nobody can tell. Then it waits here, booked as money that we owe to
//! somebody, until a person [`assign`]s it, which gives access at once, or says that it goes back ([`refund_due`],
//! [`given_back`]). What waits is [`list`]ed with the orders that it may be for ([`suggestions`]); what is not for the Wi-Fi at
//! all is [`ignore`]d.
//!
//! A second receipt that is told for one prompt is kept here too, and booked later ([`second()`]). So is money of Stripe and of the bank
//! that only a statement tells of (`stated`).
//!
//! Everything that touches a receipt holds it first ([`hold`]), before any order: a report of a prompt, a confirmation and a
//! person at the desk come one after the other, and the second one finds what the first one did. Of Stripe's the names are held that a line may
//! have for a payment. What is matched by a
//! masked number is matched only where no other customer can be meant; what is not certain is left to a person.

mod matching;
mod origin;
mod queue;
mod second;
mod stated;
mod suggest;

use sha2::{Digest as _, Sha256};
use shared::language::Language;
use shared::money::Money;
use shared::phone::Phone;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::matching::{Found, Matched, expected, has_prompt, is_booked, is_known, match_confirmation};
pub(crate) use self::origin::{Origin, claim, hold, is_own, origin, spent};
pub use self::queue::{HOLDERS, Ignored, Listed, MAX_REASON, count_waiting, count_waiting_at, get, heed, ignore, list};
pub(crate) use self::second::book_waiting;
pub use self::second::second;
pub(crate) use self::stated::{
    CARDS, Stated, account as stated_account, claim as claim_stated, of_payment as stated_of, state,
};
pub use self::suggest::{Because, Suggestion, suggestions};
use crate::admin::Author;
use crate::ledger::{self, Account};
use crate::order::{self, NewOrder, Wish};
use crate::package::Package;
use crate::settlement::{Received, Settled, settle_in};
use crate::{Db, Result, StoreError, user};

/// The only provider that tells of money by itself.
pub(crate) const PROVIDER: &str = "mpesa";

/// A device from which somebody bought so lately is probably the one that they hold now: older ones would take its place.
const SAME_DEVICE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// What a payer typed as account number, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reference {
    /// It has the shape of an order's code.
    OrderCode(String),
    /// It is a phone number.
    Phone(Phone),
    /// Neither, or nothing.
    Other,
}

/// Who paid, as far as the provider shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payer {
    /// The whole number.
    Phone(Phone),
    /// SHA-256 of the number without its `+`, in 64 small hexadecimal digits. It is compared with numbers that customers
    /// gave us, and never reversed.
    Hashed(String),
    /// How the number begins and ends.
    Masked {
        /// Its first digits, beginning with the country's; may be empty.
        begins: String,
        /// Its last digits.
        ends: String,
    },
    /// Nothing that could be compared.
    Hidden,
}

impl Payer {
    /// Whether this can be the payer's number.
    pub fn may_be(&self, phone: &Phone) -> bool {
        match self {
            Payer::Masked { begins, ends } => {
                let digits = phone.msisdn();
                digits.starts_with(begins) && digits.ends_with(ends)
            }
            _ => self.is(phone),
        }
    }

    /// Whether this certainly is the payer's number.
    pub fn is(&self, phone: &Phone) -> bool {
        match self {
            Payer::Phone(own) => own == phone,
            Payer::Hashed(hash) => hex::encode(Sha256::digest(phone.msisdn())) == *hash,
            Payer::Masked { .. } | Payer::Hidden => false,
        }
    }
}

/// Money as a provider tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The provider's receipt: one payment, one receipt.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// The payer's name, as told.
    pub payer_name: String,
    /// The payer's number, as told.
    pub payer_number: String,
    /// The same, read.
    pub payer: Payer,
    /// What was typed as account number, as told.
    pub typed: String,
    /// The same, read.
    pub reference: Reference,
    /// When, by the provider's clock.
    pub paid_at: Option<OffsetDateTime>,
}

/// How far it is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// The provider, asked by us, says the same.
    Confirmed,
    /// The provider was not asked: its report is believed as it came.
    Reported,
    /// The provider was asked and could not tell: a person decides.
    Unconfirmed,
}

/// What waiting money shall pay for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// An order that is not paid.
    Order(&'a str),
    /// A package, for this customer.
    Package {
        /// The customer's number; a new customer is added.
        phone: &'a Phone,
        /// What.
        package: &'a Package,
    },
}

/// What an assignment did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assigned {
    /// Code of the order that is paid now.
    pub order: String,
    /// What was granted for it.
    pub entitlement: Uuid,
    /// What the money was more than the price: it belongs to the customer.
    pub rest: Option<Money>,
}

/// Pays with money that waits, and gives the access that it pays for, all at once. What it is more than the price is owed to
/// the customer. A line of the audit log has the receipt and the order.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: the money does not wait, is too little, or the order is paid.
/// [`StoreError::Missing`]: there is no such receipt or order.
pub async fn assign(
    db: &Db,
    receipt: &str,
    purpose: &Purpose<'_>,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<Assigned> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let Waiting { amount, provider } = waiting(&mut tx, receipt).await?;
    book_waiting(&mut tx, receipt, now).await?;
    let order = match purpose {
        Purpose::Order(code) => open_order(&mut tx, code).await?,
        Purpose::Package { phone, package } => new_order(&mut tx, phone, package, now).await?,
    };
    let price = order.price;
    if price.minor == 0 {
        return Err(StoreError::Conflict("that costs nothing, so money cannot pay for it".into()));
    }
    if amount.currency != price.currency || amount.minor < price.minor {
        return Err(StoreError::Conflict(format!(
            "{amount} does not pay for {price}: choose a package that costs no more, or give the money back"
        )));
    }
    let payment = match provider.as_str() {
        PROVIDER => attempt(&mut tx, order.id, now).await?,
        _ => attempt_elsewhere(&mut tx, order.id, &provider, now).await?,
    };
    let received =
        Received { receipt: Some(receipt), amount: Some(price), from: Account::Unmatched, by_the_phone: false };
    let Settled::Granted { entitlement } = settle_in(&mut tx, payment, &received, now).await? else {
        return Err(StoreError::Conflict(format!("order {} is settled already", order.code)));
    };
    let rest = Money { minor: amount.minor - price.minor, ..amount };
    if rest.minor > 0 {
        let key = format!("received:{provider}:{receipt}:rest");
        let what = format!("receipt {receipt} beyond the price of order {}", order.code);
        let accounts = (Account::Unmatched, Account::RefundsDue);
        ledger::book(&mut tx, &key, Some(order.id), &what, accounts, rest, now).await?;
    }
    decide(&mut tx, receipt, "assigned", Some(order.id), by.name, now).await?;
    by.note_of(&mut tx, &format!("{receipt} to order {}", order.code), now).await?;
    tx.commit().await?;
    Ok(Assigned { order: order.code, entitlement, rest: (rest.minor > 0).then_some(rest) })
}

/// Money that waits goes back to whoever paid it: from now on it is owed to the customer. Returns how much.
///
/// # Errors
/// [`StoreError::Conflict`]: it does not wait.
pub async fn refund_due(db: &Db, receipt: &str, by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<Money> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let Waiting { amount, provider } = waiting(&mut tx, receipt).await?;
    book_waiting(&mut tx, receipt, now).await?;
    let key = format!("received:{provider}:{receipt}:refund");
    let what = format!("receipt {receipt} goes back to its payer");
    ledger::book(&mut tx, &key, None, &what, (Account::Unmatched, Account::RefundsDue), amount, now).await?;
    decide(&mut tx, receipt, "refunded", None, by.name, now).await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(amount)
}

/// What M-Pesa can be asked to give back of a receipt: how much goes back to its payer and has not gone yet.
///
/// # Errors
/// [`StoreError::Conflict`]: nothing is owed of it, or it is no money of M-Pesa.
pub async fn owed(db: &Db, receipt: &str) -> Result<Money> {
    let row = sqlx::query!(
        "SELECT provider, amount_minor, currency, state, given_back_at FROM received_money WHERE receipt = $1",
        receipt
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("receipt", receipt))?;
    if row.provider != PROVIDER {
        return Err(StoreError::Conflict(format!("{receipt} is no money of M-Pesa: give it back by hand, and say so")));
    }
    match (row.state.as_str(), row.given_back_at) {
        ("refunded", None) => money(receipt, row.amount_minor, &row.currency),
        ("refunded", Some(_)) => Err(StoreError::Conflict(format!("the money of {receipt} has gone back already"))),
        (state, _) => Err(StoreError::Conflict(format!("the money of {receipt} does not go back: it is {state}"))),
    }
}

/// Money that is owed has gone back, which `proof` proves: the receipt of the transfer, or of the reversal. Returns how much.
///
/// # Errors
/// [`StoreError::Conflict`]: nothing is owed of it.
pub async fn given_back(
    db: &Db,
    receipt: &str,
    proof: &str,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<Money> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    hold(&mut tx, receipt).await?;
    let amount = book_return(&mut tx, receipt, proof, now).await?.ok_or_else(|| {
        StoreError::Conflict(format!(
            "nothing of {receipt} is owed: say first that it goes back, or it has gone already"
        ))
    })?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(amount)
}

/// The same within a transaction that holds the receipt. `None`: nothing of it is owed, and nothing was booked.
pub(crate) async fn book_return(
    tx: &mut PgConnection,
    receipt: &str,
    proof: &str,
    now: OffsetDateTime,
) -> Result<Option<Money>> {
    let row = sqlx::query!(
        "UPDATE received_money SET given_back_at = $2, given_back_proof = $3
         WHERE receipt = $1 AND state = 'refunded' AND given_back_at IS NULL
         RETURNING provider, amount_minor, currency, order_id",
        receipt,
        now,
        proof
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let amount = money(receipt, row.amount_minor, &row.currency)?;
    let from = stated::account_of(&row.provider)
        .ok_or_else(|| StoreError::corrupt("received_money", receipt, format!("{} collects no money", row.provider)))?;
    let key = format!("received:{}:{receipt}:given_back", row.provider);
    let what = format!("receipt {receipt} has gone back ({proof})");
    ledger::book(tx, &key, row.order_id, &what, (Account::RefundsDue, from), amount, now).await?;
    Ok(Some(amount))
}

/// Money that waits.
struct Waiting {
    amount: Money,
    /// Who has it: `mpesa`, `stripe`, `bank`.
    provider: String,
}

/// Holds a receipt whose money waits, and says how much it is and where.
async fn waiting(tx: &mut PgConnection, receipt: &str) -> Result<Waiting> {
    hold(tx, receipt).await?;
    let row =
        sqlx::query!("SELECT provider, amount_minor, currency, state FROM received_money WHERE receipt = $1", receipt)
            .fetch_optional(tx)
            .await?
            .ok_or_else(|| StoreError::missing("receipt", receipt))?;
    match row.state.as_str() {
        "unmatched" => Ok(Waiting { amount: money(receipt, row.amount_minor, &row.currency)?, provider: row.provider }),
        "refunded" => Err(StoreError::Conflict(format!("the money of {receipt} goes back to its payer"))),
        _ => Err(StoreError::Conflict(format!("the money of {receipt} pays for an order already"))),
    }
}

/// Notes what money is for.
async fn decide(
    tx: &mut PgConnection,
    receipt: &str,
    state: &str,
    order: Option<Uuid>,
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let decided = sqlx::query!(
        "UPDATE received_money SET state = $2, order_id = $3, decided_by = $4, decided_at = $5
         WHERE receipt = $1 AND state = 'unmatched'",
        receipt,
        state,
        order,
        by,
        now
    )
    .execute(tx)
    .await?
    .rows_affected();
    match decided {
        1 => Ok(()),
        // The receipt is held, and was seen to wait.
        _ => Err(StoreError::corrupt("received_money", receipt, "it waits and cannot be decided")),
    }
}

/// The attempt to pay that money settles: the order's newest one that has not succeeded, so that a report about it finds it
/// settled, or a new one.
async fn attempt(tx: &mut PgConnection, order: Uuid, now: OffsetDateTime) -> Result<Uuid> {
    let open = sqlx::query_scalar!(
        "SELECT id FROM payments WHERE order_id = $1 AND provider = $2 AND state <> 'succeeded'
         ORDER BY created_at DESC, id DESC LIMIT 1 FOR UPDATE",
        order,
        PROVIDER
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(payment) = open {
        return Ok(payment);
    }
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO payments (id, order_id, provider, amount_minor, currency, created_at, updated_at)
         SELECT $1, id, $3, amount_minor, currency, $4, $4 FROM orders WHERE id = $2",
        id,
        order,
        PROVIDER,
        now
    )
    .execute(tx)
    .await?;
    Ok(id)
}

/// The payment that money of a statement settles. It is always one of its own: a card's page that is open may be paid as well, which is then seen.
/// Stripe knows no name of it, so it is never asked what it keeps.
async fn attempt_elsewhere(tx: &mut PgConnection, order: Uuid, provider: &str, now: OffsetDateTime) -> Result<Uuid> {
    let id = rng::id(now);
    sqlx::query!(
        "INSERT INTO payments (id, order_id, provider, amount_minor, currency, fees_known_at, created_at, updated_at)
         SELECT $1, id, $3, amount_minor, currency, $4, $4, $4 FROM orders WHERE id = $2",
        id,
        order,
        // What is at the bank is beside what agents have, as in the books.
        if provider == "stripe" { "stripe" } else { "cash" },
        now
    )
    .execute(tx)
    .await?;
    Ok(id)
}

/// An order to be paid.
struct Payable {
    id: Uuid,
    code: String,
    price: Money,
}

/// Holds the order with that code.
async fn open_order(tx: &mut PgConnection, code: &str) -> Result<Payable> {
    let row =
        sqlx::query!("SELECT id, code, state, amount_minor, currency FROM orders WHERE code = $1 FOR UPDATE", code)
            .fetch_optional(tx)
            .await?
            .ok_or_else(|| StoreError::missing("order", code))?;
    if matches!(row.state.as_str(), "paid" | "refund_due") {
        return Err(StoreError::Conflict(format!(
            "order {code} is settled already: name the customer and a package instead"
        )));
    }
    let price = crate::money::money("orders", code, row.amount_minor, &row.currency)?;
    Ok(Payable { id: row.id, code: row.code, price })
}

/// An order of a package for a customer, made at the desk. What the customer has already of that package gets longer; the
/// device from which they bought last, not long ago, is the one that goes online.
async fn new_order(tx: &mut PgConnection, phone: &Phone, package: &Package, now: OffsetDateTime) -> Result<Payable> {
    let user = user::ensure_in(&mut *tx, rng::id(now), phone, "", Language::default(), false, now).await?;
    let last = sqlx::query!(
        r#"SELECT mac::text AS "mac!", nas_id FROM orders
           WHERE user_id = $1 AND mac IS NOT NULL AND created_at > $2 ORDER BY created_at DESC LIMIT 1"#,
        user,
        now - SAME_DEVICE
    )
    .fetch_optional(&mut *tx)
    .await?;
    let present = sqlx::query_scalar!(
        "SELECT id FROM entitlements
         WHERE user_id = $1 AND package_id = $2 AND state = 'active' AND (expires_at IS NULL OR expires_at > $3)
         ORDER BY created_at DESC LIMIT 1",
        user,
        package.id,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let visit = serde_json::json!({});
    let new = NewOrder {
        phone,
        package,
        nas_id: last.as_ref().and_then(|last| last.nas_id),
        mac: last.as_ref().and_then(|last| last.mac.parse().ok()),
        visit: &visit,
        wish: present.map_or(Wish::New, Wish::Extend),
        site: None,
        code: None,
        language: Language::default(),
    };
    let id = rng::id(now);
    order::write(&mut *tx, id, user, &new, package.price, None, now).await?;
    let code = sqlx::query_scalar!("SELECT code FROM orders WHERE id = $1", id).fetch_one(tx).await?;
    Ok(Payable { id, code, price: package.price })
}

/// An amount as the table keeps it.
fn money(receipt: &str, minor: i64, currency: &str) -> Result<Money> {
    crate::money::money("received_money", receipt, minor, currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_is_compared_as_far_as_the_number_is_shown() {
        let phone: Phone = "0712345678".parse().expect("a phone");
        let other: Phone = "0712345679".parse().expect("a phone");
        let masked = |begins: &str, ends: &str| Payer::Masked { begins: begins.into(), ends: ends.into() };
        let hashed = Payer::Hashed("8e91d1d1e9ac4b1a8ac5dea4e2e7f3bd2d0d7c0e7b1e2a8bd5f6a2dd5b2b4a55".into());
        // printf 254712345678 | sha256sum
        let own = Payer::Hashed("7132104d6aae9c3fac82095a42c2817952bca48e09d98d5bf4ac08218982fb90".into());
        for (payer, may_be, is) in [
            (Payer::Phone(phone.clone()), true, true),
            (Payer::Phone(other.clone()), false, false),
            (own, true, true),
            (hashed, false, false),
            (masked("2547", "678"), true, false),
            (masked("", "5678"), true, false),
            (masked("2541", "678"), false, false),
            (masked("2547", "679"), false, false),
            (Payer::Hidden, false, false),
        ] {
            assert_eq!((payer.may_be(&phone), payer.is(&phone)), (may_be, is), "{payer:?}");
        }
    }
}
