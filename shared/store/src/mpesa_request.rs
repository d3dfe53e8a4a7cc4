//! Questions that M-Pesa answers later, at a secret address of their own: whether a payment is true, to give one back, and whether it has
//! gone back.
//!
//! A request is written down before M-Pesa is called, so that an answer which is faster than the call's finds it. What is not
//! known to have been done or not is a state of its own: a payment of which that is said is not given back a second time.
//! A reversal that succeeds is booked in the transaction that notes it: with its refund, if it is one's ([`crate::refund::mpesa`]), else with
//! the receipt ([`crate::unmatched`]).

use shared::money::Money;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::money::money;
use crate::refund::mpesa as refund;
use crate::{Db, Result, StoreError, security, trace, unmatched};

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What became of a payment.
    Status,
    /// That a payment goes back.
    Reversal,
    /// Whether a payment has gone back, where it is not known what became of its reversal.
    Returned,
}

impl Kind {
    /// Its spelling in the database and in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Status => "status",
            Kind::Reversal => "reversal",
            Kind::Returned => "returned",
        }
    }

    fn parse(text: &str) -> Option<Kind> {
        [Kind::Status, Kind::Reversal, Kind::Returned].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a request stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Written down; M-Pesa has not answered the call.
    Created,
    /// M-Pesa took it; its answer will come.
    Accepted,
    /// M-Pesa did not say whether it took it.
    Unknown,
    /// M-Pesa took it and did not come to it in time.
    TimedOut,
    /// M-Pesa did not take it.
    Refused,
    /// M-Pesa says something else than we were told.
    Denied,
    /// It could not be done.
    Failed,
    /// It is done; a payment is as we were told.
    Succeeded,
}

impl State {
    const ALL: [State; 8] = [
        State::Created,
        State::Accepted,
        State::Unknown,
        State::TimedOut,
        State::Refused,
        State::Denied,
        State::Failed,
        State::Succeeded,
    ];

    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Accepted => "accepted",
            State::Unknown => "unknown",
            State::TimedOut => "timed_out",
            State::Refused => "refused",
            State::Denied => "denied",
            State::Failed => "failed",
            State::Succeeded => "succeeded",
        }
    }

    fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether an answer may still come.
    pub fn is_open(self) -> bool {
        matches!(self, State::Created | State::Accepted | State::Unknown | State::TimedOut)
    }
}

/// A request to be made.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// What is asked.
    pub kind: Kind,
    /// About which payment.
    pub receipt: &'a str,
    /// How much it is, as we were told, or how much goes back.
    pub amount: Money,
    /// The report that waits for the answer.
    pub event: Option<Uuid>,
    /// The refund that it does, or asks about.
    pub refund: Option<Uuid>,
    /// Who asks.
    pub by: &'a str,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its identity.
    pub id: Uuid,
    /// What is asked.
    pub kind: Kind,
    /// About which payment.
    pub receipt: String,
    /// How much it is, as we were told, or how much goes back.
    pub amount: Money,
    /// The report that waits for the answer.
    pub event: Option<Uuid>,
    /// The refund that it does, or asks about.
    pub refund: Option<Uuid>,
    /// Where it stands.
    pub state: State,
    /// M-Pesa's name of it, once it was taken.
    pub conversation_id: Option<String>,
    /// M-Pesa's second name of it, by which it can be asked about.
    pub originator: Option<String>,
    /// What M-Pesa said of it.
    pub result: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

struct Row {
    id: Uuid,
    kind: String,
    receipt: String,
    amount_minor: i64,
    currency: String,
    event_id: Option<Uuid>,
    refund_id: Option<Uuid>,
    state: String,
    conversation_id: Option<String>,
    originator: Option<String>,
    result_text: Option<String>,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Request {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Request> {
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("mpesa_requests", row.id, problem);
        Ok(Request {
            kind: Kind::parse(&row.kind).ok_or_else(|| corrupt(&"unknown kind"))?,
            state: State::parse(&row.state).ok_or_else(|| corrupt(&"unknown state"))?,
            amount: money("mpesa_requests", row.id, row.amount_minor, &row.currency)?,
            id: row.id,
            receipt: row.receipt,
            event: row.event_id,
            refund: row.refund_id,
            conversation_id: row.conversation_id,
            originator: row.originator.filter(|name| !name.is_empty()),
            result: row.result_text,
            created_at: row.created_at,
        })
    }
}

/// Writes a request down. Returns its identity.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: this payment goes back already, or may have.
pub async fn begin(db: &Db, new: &New<'_>, now: OffsetDateTime) -> Result<Uuid> {
    let id = rng::id(now);
    let mut connection = db.pool.acquire().await?;
    insert(&mut connection, id, new, now).await?;
    Ok(id)
}

/// Writes a reversal down under an identity of the caller's, once; `false`: it was written down before. `is_again`: one without an
/// answer is set aside for it, by whoever asks.
///
/// # Errors
/// As [`begin`] and, where it is asked again, as [`set_aside`].
pub async fn begin_as(db: &Db, id: Uuid, new: &New<'_>, is_again: bool, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.begin().await?;
    unmatched::hold(&mut tx, new.receipt).await?;
    let is_there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM mpesa_requests WHERE id = $1) AS "exists!""#, id)
        .fetch_one(&mut *tx)
        .await?;
    if is_there {
        return Ok(false);
    }
    if is_again {
        set_aside_in(&mut tx, new.receipt, None, new.by, now).await?;
    }
    insert(&mut tx, id, new, now).await?;
    tx.commit().await?;
    Ok(true)
}

async fn insert(connection: &mut PgConnection, id: Uuid, new: &New<'_>, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO mpesa_requests (id, kind, receipt, amount_minor, currency, event_id, refund_id, asked_by, created_at, updated_at, trace)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
        id,
        new.kind.as_str(),
        new.receipt,
        new.amount.minor,
        new.amount.currency.as_str(),
        new.event,
        new.refund,
        new.by,
        now,
        trace::column()
    )
    .execute(connection)
    .await
    .map_err(|error| match StoreError::from(error) {
        StoreError::Conflict(_) => StoreError::Conflict(format!(
            "M-Pesa was asked already to give {} back, and has not said that it could not",
            new.receipt
        )),
        other => other,
    })?;
    Ok(())
}

/// What M-Pesa answered to the call itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken<'a> {
    /// It took the request, under these names.
    Accepted {
        /// The name under which it answers.
        conversation_id: &'a str,
        /// A second name.
        originator_conversation_id: &'a str,
    },
    /// It did not take it.
    Refused {
        /// Why, in a word.
        code: &'a str,
        /// Why, in its words.
        text: &'a str,
    },
    /// It is not known whether it did.
    Unknown {
        /// What went wrong.
        text: &'a str,
    },
}

/// Notes what M-Pesa answered to the call. The answer to the request may have been faster: that stays.
pub async fn taken(db: &Db, id: Uuid, answer: &Taken<'_>, now: OffsetDateTime) -> Result<()> {
    let (state, code, text) = match *answer {
        Taken::Accepted { .. } => (State::Accepted, "", ""),
        Taken::Refused { code, text } => (State::Refused, code, text),
        Taken::Unknown { text } => (State::Unknown, "", text),
    };
    let (conversation, originator) = match *answer {
        Taken::Accepted { conversation_id, originator_conversation_id } => {
            (Some(conversation_id), Some(originator_conversation_id))
        }
        Taken::Refused { .. } | Taken::Unknown { .. } => (None, None),
    };
    sqlx::query!(
        "UPDATE mpesa_requests SET conversation_id = coalesce(conversation_id, $2),
             originator_conversation_id = coalesce(originator_conversation_id, $3), updated_at = $4,
             state = CASE WHEN state = 'created' THEN $5 ELSE state END,
             result_code = CASE WHEN state = 'created' THEN nullif($6, '') ELSE result_code END,
             result_text = CASE WHEN state = 'created' THEN nullif($7, '') ELSE result_text END
         WHERE id = $1",
        id,
        conversation,
        originator,
        now,
        state.as_str(),
        code,
        text
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What M-Pesa answered to the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer<'a> {
    /// Where the request stands now: [`State::Succeeded`], [`State::Denied`], [`State::Failed`] or [`State::TimedOut`].
    pub state: State,
    /// M-Pesa's code.
    pub code: &'a str,
    /// M-Pesa's text.
    pub text: &'a str,
    /// What proves it: the receipt of a reversal.
    pub proof: &'a str,
}

/// What an answer has done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Nothing: the request had its answer before.
    Before,
    /// It is noted.
    Now {
        /// A reversal succeeded of money that is not owed: the ledger does not know of it. Somebody must look.
        is_surprise: bool,
    },
}

/// Notes what M-Pesa answered to a request, and books a reversal. What waits for the answer is taken up now.
pub async fn ended(db: &Db, id: Uuid, answer: &Answer<'_>, now: OffsetDateTime) -> Result<Ended> {
    let request = get(db, id).await?;
    let mut tx = db.begin().await?;
    unmatched::hold(&mut tx, &request.receipt).await?;
    let moved = sqlx::query!(
        "UPDATE mpesa_requests SET state = $2, result_code = nullif($3, ''), result_text = nullif($4, ''), updated_at = $5
         WHERE id = $1 AND state IN ('created', 'accepted', 'unknown', 'timed_out') AND state <> $2",
        id,
        answer.state.as_str(),
        answer.code,
        answer.text,
        now
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if moved == 0 {
        drop(tx);
        return ended_before(db, id, answer, now).await;
    }
    let is_reversed = request.kind == Kind::Reversal && answer.state == State::Succeeded;
    let is_surprise = match request.refund {
        Some(id) => of_refund(&mut tx, request.kind, id, answer, now).await?,
        None if is_reversed => unmatched::book_return(&mut tx, &request.receipt, answer.proof, now).await?.is_none(),
        None => false,
    };
    sqlx::query!(
        "UPDATE payment_events SET next_attempt_at = $2 WHERE id = $1 AND processed_at IS NULL",
        request.event,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Ended::Now { is_surprise })
}

/// What an answer is to the refund that a request does or asks about. Returns whether money went back that is not owed.
async fn of_refund(
    tx: &mut PgConnection,
    kind: Kind,
    id: Uuid,
    answer: &Answer<'_>,
    now: OffsetDateTime,
) -> Result<bool> {
    match (kind, answer.state) {
        (Kind::Reversal | Kind::Returned, State::Succeeded) => {
            answer_reversal(&mut *tx, id, State::Succeeded, answer.text, now).await?;
            return Ok(!refund::gone(tx, id, answer.proof, now).await?);
        }
        (Kind::Reversal, State::Failed | State::Denied) | (Kind::Returned, State::Denied) => {
            answer_reversal(&mut *tx, id, State::Failed, answer.text, now).await?;
            refund::not_done(tx, id, answer.text, now).await?;
        }
        (Kind::Reversal, State::TimedOut) => refund::unsure_in(tx, id, answer.text, Some(now), now).await?,
        (Kind::Returned, _) => refund::heard(tx, id, answer.text, now).await?,
        _ => {}
    }
    Ok(false)
}

/// The reversal of a refund has its answer, by its own report or by that of a question about it.
async fn answer_reversal(
    tx: &mut PgConnection,
    refund: Uuid,
    state: State,
    text: &str,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE mpesa_requests SET state = $2, result_text = nullif($3, ''), updated_at = $4
         WHERE refund_id = $1 AND kind = 'reversal' AND state IN ('created', 'accepted', 'unknown', 'timed_out')",
        refund,
        state.as_str(),
        text,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An answer to a request that has one. Only one says something new: a reversal that counted as not done has been done.
async fn ended_before(db: &Db, id: Uuid, answer: &Answer<'_>, now: OffsetDateTime) -> Result<Ended> {
    let request = get(db, id).await?;
    let is_done_after_all =
        request.kind == Kind::Reversal && request.state == State::Failed && answer.state == State::Succeeded;
    if !is_done_after_all {
        return Ok(Ended::Before);
    }
    let (receipt, amount) = (&request.receipt, request.amount);
    let detail = format!("receipt {receipt}: M-Pesa gave {amount} back ({}), which counted as not done", answer.proof);
    security::record_seldom(db, security::Kind::MoneyDiffers, &detail, now).await?;
    Ok(Ended::Now { is_surprise: true })
}

/// A person has seen in M-Pesa's statement that this reversal without an answer was not done: it may be tried again.
///
/// # Errors
/// [`StoreError::Conflict`]: it is not without an answer, or not the last one.
pub async fn set_aside(db: &Db, receipt: &str, seen: Uuid, by: &str, now: OffsetDateTime) -> Result<()> {
    let mut connection = db.pool.acquire().await?;
    set_aside_in(&mut connection, receipt, Some(seen), by, now).await
}

/// `seen`: which one; else whichever there is.
async fn set_aside_in(
    connection: &mut PgConnection,
    receipt: &str,
    seen: Option<Uuid>,
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let set_aside = sqlx::query!(
        "UPDATE mpesa_requests SET state = 'failed', result_text = 'set aside by ' || $2::text, updated_at = $3
         WHERE receipt = $1 AND kind = 'reversal' AND refund_id IS NULL AND state IN ('created', 'accepted', 'unknown', 'timed_out')
           AND ($4::uuid IS NULL OR id = $4)",
        receipt,
        by,
        now,
        seen
    )
    .execute(connection)
    .await?
    .rows_affected();
    match set_aside {
        0 => Err(StoreError::Conflict(format!("no reversal of {receipt} is without an answer"))),
        _ => Ok(()),
    }
}

/// One request.
pub async fn get(db: &Db, id: Uuid) -> Result<Request> {
    sqlx::query_as!(
        Row,
        "SELECT id, kind, receipt, amount_minor, currency, event_id, refund_id, state, conversation_id,
                originator_conversation_id AS originator, result_text, created_at
         FROM mpesa_requests WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("request to M-Pesa", id))?
    .try_into()
}

/// The requests of a kind about a payment, the newest first.
pub async fn about(db: &Db, kind: Kind, receipt: &str) -> Result<Vec<Request>> {
    sqlx::query_as!(
        Row,
        "SELECT id, kind, receipt, amount_minor, currency, event_id, refund_id, state, conversation_id,
                originator_conversation_id AS originator, result_text, created_at
         FROM mpesa_requests WHERE receipt = $1 AND kind = $2 ORDER BY created_at DESC, id DESC LIMIT 100",
        receipt,
        kind.as_str()
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Request::try_from)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_kinds_read_what_they_write() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        for kind in [Kind::Status, Kind::Reversal, Kind::Returned] {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!((State::parse(""), Kind::parse("b2c")), (None, None));
    }
}
