//! Disputes: the owner of a card says to the bank that a payment was not theirs.
//!
//! The bank takes the money, and the provider keeps a fee, until it is decided who is right; what the payment bought ends as a
//! refund ends it. What the provider says of a dispute *now* is handed to [`note`], as often as it likes and in any order: the
//! dispute is found by the provider's name of it, and every step is booked once. A bank that only asks has taken nothing, and
//! nothing ends.
//!
//! Money that we owed to the customer already, since it bought nothing, is owed no more; other money is a loss. If the dispute
//! is won, it is booked back to where it was. Access is not given back by a program: its time has passed, or the customer is gone.

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::fee::{self, Charge};
use crate::ledger::{self, Account};
use crate::money::money;
use crate::package::unsigned;
use crate::security::{self, Event, Kind};
use crate::{Db, Result, StoreError, refund};

/// Who takes access back, where that is written down.
const BANK: &str = "the customer's bank";
/// Disputes that are decided are listed for so long.
const LISTED_FOR: std::time::Duration = std::time::Duration::from_secs(60 * 24 * 3600);

/// Where a dispute stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The bank asks, and has taken nothing.
    Inquiry,
    /// It is to be decided.
    Open,
    /// The money is ours.
    Won,
    /// The money is the customer's.
    Lost,
}

impl State {
    const ALL: [State; 4] = [State::Inquiry, State::Open, State::Won, State::Lost];

    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Inquiry => "inquiry",
            State::Open => "open",
            State::Won => "won",
            State::Lost => "lost",
        }
    }

    fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether it is decided.
    pub fn is_over(self) -> bool {
        matches!(self, State::Won | State::Lost)
    }
}

/// What the provider says of a dispute now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The provider's name of it.
    pub reference: String,
    /// How much of the payment.
    pub amount: Money,
    /// What the owner of the card says, in the provider's word.
    pub reason: String,
    /// Where it stands.
    pub state: State,
    /// Whether the bank has taken the money.
    pub is_withdrawn: bool,
    /// Whether the bank has given it back.
    pub is_reinstated: bool,
    /// What is kept for it.
    pub charges: Vec<Charge>,
}

/// What became of what was bought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It has ended.
    Ended,
    /// It goes on: it is one with what other orders bought, and a person must look.
    Kept,
}

impl Access {
    fn as_str(self) -> &'static str {
        match self {
            Access::Ended => "ended",
            Access::Kept => "kept",
        }
    }

    fn parse(text: &str) -> Option<Access> {
        [Access::Ended, Access::Kept].into_iter().find(|access| access.as_str() == text)
    }
}

/// What has changed by being told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Noted {
    /// Nobody had told of it before.
    pub is_new: bool,
    /// The money is booked as taken now.
    pub withdrawn: bool,
    /// It is booked as given back to us now.
    pub reinstated: bool,
    /// It was decided now.
    pub decided: bool,
    /// What was bought has ended now, or could not be ended.
    pub access: Option<Access>,
}

impl Noted {
    /// Whether anything has.
    pub fn is_news(&self) -> bool {
        *self != Noted::default()
    }
}

/// A dispute while it is held.
struct Held {
    id: Uuid,
    state: String,
    has_access: bool,
    is_withdrawn: bool,
    was_owed: bool,
    is_reinstated: bool,
}

/// Writes down what the provider says of a dispute of this payment, which has succeeded.
pub async fn note(db: &Db, payment: Uuid, told: &Told, now: OffsetDateTime) -> Result<Noted> {
    let mut tx = db.begin().await?;
    let order = sqlx::query!(
        "SELECT id, code FROM orders WHERE id = (SELECT order_id FROM payments WHERE id = $1) FOR UPDATE",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    let order = (order.id, order.code.as_str());
    let (is_new, held) = hold(&mut tx, payment, told, now).await?;
    let mut noted = Noted { is_new, ..Noted::default() };
    let (came, bought) = refund::booked(&mut tx, payment).await?;
    let mut was_owed = held.was_owed;
    if told.is_withdrawn && !held.is_withdrawn {
        let owed = if bought { 0 } else { came.minor - refund::given(&mut tx, payment).await? };
        was_owed = owed >= told.amount.minor;
        book(&mut tx, told, order, (Step::Withdrawn, was_owed), now).await?;
        noted.withdrawn = true;
    }
    if told.is_reinstated && !held.is_reinstated && (noted.withdrawn || held.is_withdrawn) {
        book(&mut tx, told, order, (Step::Reinstated, was_owed), now).await?;
        noted.reinstated = true;
    }
    if matches!(told.state, State::Open | State::Lost) && bought && !held.has_access {
        noted.access = Some(end_access(&mut tx, order, now).await?);
    }
    fee::book_in(&mut tx, payment, &told.charges, now).await?;
    // An answer that was on its way while it was decided says nothing any more.
    let is_over = State::parse(&held.state).is_some_and(State::is_over);
    let state = if is_over && !told.state.is_over() { held.state.as_str() } else { told.state.as_str() };
    noted.decided = told.state.is_over() && state != held.state;
    sqlx::query!(
        "UPDATE disputes SET state = $2, was_owed = $3, updated_at = $8, access = coalesce(access, $4),
             withdrawn_at = CASE WHEN $5 THEN $8 ELSE withdrawn_at END,
             reinstated_at = CASE WHEN $6 THEN $8 ELSE reinstated_at END,
             reason = $7
         WHERE id = $1",
        held.id,
        state,
        was_owed,
        noted.access.map(Access::as_str),
        noted.withdrawn,
        noted.reinstated,
        told.reason,
        now
    )
    .execute(&mut *tx)
    .await?;
    if is_new {
        let detail = format!("order {}: {} ({}), {}", order.1, told.amount, told.reason, told.reference);
        security::record_in(&mut tx, &Event::of(Kind::CardDisputed, detail), now).await?;
    }
    tx.commit().await?;
    Ok(noted)
}

/// The row of a dispute, made if there is none, and held. Returns whether it was made.
async fn hold(tx: &mut PgConnection, payment: Uuid, told: &Told, now: OffsetDateTime) -> Result<(bool, Held)> {
    let made = sqlx::query!(
        "INSERT INTO disputes (id, payment_id, reference, amount_minor, currency, reason, state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (reference) DO NOTHING",
        rng::id(now),
        payment,
        told.reference,
        told.amount.minor,
        told.amount.currency.as_str(),
        told.reason,
        // What it stands at is written with what follows from it.
        State::Inquiry.as_str(),
        now
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let row = sqlx::query!(
        r#"SELECT id, payment_id, state, access IS NOT NULL AS "has_access!", withdrawn_at IS NOT NULL AS "is_withdrawn!", was_owed,
                  reinstated_at IS NOT NULL AS "is_reinstated!"
           FROM disputes WHERE reference = $1 FOR UPDATE"#,
        told.reference
    )
    .fetch_one(tx)
    .await?;
    if row.payment_id != payment {
        return Err(StoreError::corrupt("disputes", row.id, format!("it is told of payment {payment} too")));
    }
    let held = Held {
        id: row.id,
        state: row.state,
        has_access: row.has_access,
        is_withdrawn: row.is_withdrawn,
        was_owed: row.was_owed,
        is_reinstated: row.is_reinstated,
    };
    Ok((made == 1, held))
}

/// A way that the money goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Withdrawn,
    Reinstated,
}

/// Books a step of the money. `was_owed`: it belonged to the customer before.
async fn book(
    tx: &mut PgConnection,
    told: &Told,
    (order, code): (Uuid, &str),
    (step, was_owed): (Step, bool),
    now: OffsetDateTime,
) -> Result<()> {
    let other = if was_owed { Account::RefundsDue } else { Account::Disputes };
    let (key, what, accounts) = match step {
        Step::Withdrawn => ("dispute", "a bank has taken back the money of order", (other, Account::Stripe)),
        Step::Reinstated => ("dispute_back", "a bank has returned the money of order", (Account::Stripe, other)),
    };
    let key = format!("{key}:{}", told.reference);
    ledger::book(tx, &key, Some(order), &format!("{what} {code}"), accounts, told.amount, now).await
}

/// Ends what the payment bought.
async fn end_access(tx: &mut PgConnection, order: (Uuid, &str), now: OffsetDateTime) -> Result<Access> {
    match refund::take_back(&mut *tx, order, BANK, now).await {
        Ok(()) => {}
        // Nothing was changed by asking.
        Err(StoreError::Conflict(_)) => return Ok(Access::Kept),
        Err(error) => return Err(error),
    }
    sqlx::query!(
        "UPDATE orders SET state = 'refund_due', updated_at = $2 WHERE id = $1 AND state = 'paid'",
        order.0,
        now
    )
    .execute(tx)
    .await?;
    Ok(Access::Ended)
}

/// Whether a bank holds, or has kept, money of this payment.
pub(crate) async fn holds(tx: &mut PgConnection, payment: Uuid) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM disputes WHERE payment_id = $1 AND withdrawn_at IS NOT NULL AND reinstated_at IS NULL) AS "exists!""#,
        payment
    )
    .fetch_one(tx)
    .await?)
}

/// A dispute as the desk lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The provider's name of it.
    pub reference: String,
    /// The order's code.
    pub order: String,
    /// How much.
    pub amount: Money,
    /// What the owner of the card says, in the provider's word.
    pub reason: String,
    /// Where it stands.
    pub state: State,
    /// What became of what was bought.
    pub access: Option<Access>,
    /// When it was told of.
    pub created_at: OffsetDateTime,
}

/// Disputes that are open, and those that were decided not long ago; the newest first.
pub async fn list(db: &Db, limit: u32, now: OffsetDateTime) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        "SELECT d.reference, o.code, d.amount_minor, d.currency, d.reason, d.state, d.access, d.created_at
         FROM disputes d JOIN payments p ON p.id = d.payment_id JOIN orders o ON o.id = p.order_id
         WHERE d.state IN ('inquiry', 'open') OR d.updated_at > $1 ORDER BY d.created_at DESC, d.id LIMIT $2",
        now - LISTED_FOR,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = &row.reference;
            let state =
                State::parse(&row.state).ok_or_else(|| StoreError::corrupt("disputes", key, "unknown state"))?;
            Ok(Listed {
                order: row.code,
                amount: money("disputes", key, row.amount_minor, &row.currency)?,
                reason: row.reason,
                state,
                access: row.access.as_deref().and_then(Access::parse),
                created_at: row.created_at,
                reference: row.reference,
            })
        })
        .collect()
}

/// How many are to be decided.
pub async fn count_open(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM disputes WHERE state IN ('inquiry', 'open')"#)
        .fetch_one(&db.pool)
        .await?;
    Ok(unsigned(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_what_they_write() {
        assert!(State::ALL.iter().all(|state| State::parse(state.as_str()) == Some(*state)));
        assert!([Access::Ended, Access::Kept].iter().all(|access| Access::parse(access.as_str()) == Some(*access)));
        assert_eq!((State::parse("closed"), Access::parse("")), (None, None));
    }

    #[test]
    fn nothing_is_no_news() {
        assert!(!Noted::default().is_news());
        assert!(Noted { reinstated: true, ..Noted::default() }.is_news());
    }
}
