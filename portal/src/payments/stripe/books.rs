//! What stands in Stripe's own books: what it keeps of a payment, what of it went back, and whether its owner disputes it.
//!
//! A *balance transaction* is a line there. It has an amount, below zero where money left the account, and a fee, below zero
//! where one is given back; both in the currency of the account, which need not be that of the payment. Each question here is one
//! of its own: a key that may not read the books still collects money.

use serde_json::Value;
use shared::money::Money;
use uuid::Uuid;

use super::wire::{self, Answer, ask, code, id};
use super::{Stripe, amount};
use crate::payments::Unheard;

/// Most refunds of one payment that Stripe tells of at once. Nobody makes so many.
const REFUNDS_MAX: &str = "100";

/// A line of the books.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Stripe's name of it, `txn_…`.
    pub id: String,
    /// Whether money left the account with it.
    pub is_out: bool,
    /// What was kept; below zero: what was given back of that.
    pub fee: Money,
}

/// What a card was charged for a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charged {
    /// Stripe's name of the charge, `ch_…`.
    pub charge: Option<String>,
    /// Its line; `None`: Stripe has not written it yet.
    pub line: Option<Line>,
}

/// Money that went back, or was meant to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Stripe's name of it, `re_…`.
    pub id: String,
    /// The payment, `pi_…`.
    pub payment_intent: Option<String>,
    /// Our name of it, where we have asked for it.
    pub ours: Option<Uuid>,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: Status,
    /// Its line, where it has one by now and the lines were asked for.
    pub line: Option<Line>,
}

/// Where money stands that goes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// The card has it.
    Done,
    /// It is on its way.
    Pending,
    /// The card did not take it, for this reason.
    Failed(String),
}

/// A dispute, as it stands now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// Stripe's name of it.
    pub id: String,
    /// The payment, `pi_…`.
    pub payment_intent: Option<String>,
    /// How much of it.
    pub amount: Money,
    /// What the owner of the card says, such as `fraudulent`.
    pub reason: String,
    /// Where it stands.
    pub stage: Stage,
    /// Its lines: money that the bank took, and gave back.
    pub lines: Vec<Line>,
}

/// Where a dispute stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The bank asks, and has taken nothing; also what is not known here, from which nothing follows.
    Inquiry,
    /// It is to be decided.
    Open,
    /// For us.
    Won,
    /// For the customer.
    Lost,
}

impl Stripe {
    /// What a card was charged for a payment.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn charged(&self, payment_intent: &str) -> Result<Charged, Unheard> {
        let request = self.http.get(&["v1", "payment_intents", payment_intent]);
        let answer = heard(ask(request.query(&[("expand[]", "latest_charge.balance_transaction")])).await)?;
        let line = match answer.at("/latest_charge/balance_transaction") {
            None | Some(Value::Null) => None,
            Some(value) => Some(line(value).ok_or_else(|| answer.unheard())?),
        };
        Ok(Charged { charge: answer.at("/latest_charge").and_then(id), line })
    }

    /// All that went back of a payment, or was meant to. `with_lines`: also what was kept for it.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn given(&self, payment_intent: &str, with_lines: bool) -> Result<Vec<Given>, Unheard> {
        let mut query = vec![("payment_intent", payment_intent), ("limit", REFUNDS_MAX)];
        if with_lines {
            query.push(("expand[]", "data.balance_transaction"));
        }
        let answer = heard(ask(self.http.get(&["v1", "refunds"]).query(&query)).await)?;
        let is_whole = answer.at("/has_more").and_then(Value::as_bool) != Some(true);
        let all = answer.at("/data").and_then(Value::as_array).filter(|_| is_whole);
        all.and_then(|all| all.iter().map(given).collect()).ok_or_else(|| answer.unheard())
    }

    /// One of them, by Stripe's name.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn given_by_name(&self, refund: &str) -> Result<Given, Unheard> {
        let answer = heard(ask(self.http.get(&["v1", "refunds", refund])).await)?;
        answer.at("").and_then(given).ok_or_else(|| answer.unheard())
    }

    /// How a dispute stands.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn dispute(&self, dispute: &str) -> Result<Dispute, Unheard> {
        let answer = heard(ask(self.http.get(&["v1", "disputes", dispute])).await)?;
        answer.at("").and_then(read_dispute).ok_or_else(|| answer.unheard())
    }
}

/// An answer to a question, if it is one.
fn heard(answer: Result<Answer, outgoing::Silence>) -> Result<Answer, Unheard> {
    match answer {
        Ok(answer) if answer.is_success() => Ok(answer),
        Ok(answer) => Err(answer.unheard()),
        Err(silence) => Err(wire::unheard(silence)),
    }
}

fn line(value: &Value) -> Option<Line> {
    let fee = value.get("fee")?.as_i64()?;
    let kept = amount::heard(fee.checked_abs()?, value.get("currency")?.as_str()?)?;
    Some(Line {
        id: id(value)?,
        is_out: value.get("amount")?.as_i64()? < 0,
        fee: Money { minor: kept.minor * fee.signum(), ..kept },
    })
}

fn money(value: &Value) -> Option<Money> {
    amount::heard(value.get("amount")?.as_i64()?, value.get("currency")?.as_str()?)
}

fn given(value: &Value) -> Option<Given> {
    let word = |field: &str| value.get(field).and_then(Value::as_str);
    let status = match word("status")? {
        "succeeded" => Status::Done,
        "pending" | "requires_action" => Status::Pending,
        status @ ("failed" | "canceled") => Status::Failed(code(word("failure_reason").unwrap_or(status))),
        _ => return None,
    };
    Some(Given {
        id: id(value)?,
        payment_intent: value.get("payment_intent").and_then(id),
        ours: value.pointer("/metadata/refund").and_then(Value::as_str).and_then(|name| name.parse().ok()),
        amount: money(value)?,
        status,
        line: value.get("balance_transaction").and_then(line),
    })
}

fn read_dispute(value: &Value) -> Option<Dispute> {
    let stage = match value.get("status")?.as_str()? {
        "needs_response" | "under_review" => Stage::Open,
        "won" => Stage::Won,
        "lost" => Stage::Lost,
        _ => Stage::Inquiry,
    };
    let lines = value.get("balance_transactions").and_then(Value::as_array);
    Some(Dispute {
        id: id(value)?,
        payment_intent: value.get("payment_intent").and_then(id),
        amount: money(value)?,
        reason: value.get("reason").and_then(Value::as_str).map(code).unwrap_or_default(),
        stage,
        // A line that is not understood is none that could be left out: the whole answer is none then.
        lines: lines.map_or(Some(Vec::new()), |lines| lines.iter().map(line).collect())?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(minor: i64, currency: &str) -> Money {
        Money { minor, currency: currency.parse().expect("a currency") }
    }

    #[test]
    fn a_line_has_its_sign_and_the_currency_of_the_account() {
        let read = |amount: i64, fee: i64, currency: &str| {
            line(&json!({ "id": "txn_1", "amount": amount, "fee": fee, "currency": currency }))
        };
        let expected = |is_out, fee| Some(Line { id: "txn_1".into(), is_out, fee });
        assert_eq!(read(7000, 233, "kes"), expected(false, kept(233, "KES")));
        assert_eq!(read(-54, 1500, "usd"), expected(true, kept(1500, "USD")));
        assert_eq!(read(54, -1500, "usd"), expected(false, kept(-1500, "USD")));
        assert_eq!(read(0, 0, "kes"), expected(false, kept(0, "KES")));
        assert_eq!(line(&json!("txn_1")), None, "a name alone says nothing");
        assert_eq!(line(&json!({ "id": "txn_1", "amount": 1, "currency": "kes" })), None);
    }

    #[test]
    fn a_refund_says_whose_it_is_and_why_it_failed() {
        let ours = Uuid::from_u128(7);
        let refund = |status: &str| {
            given(&json!({ "id": "re_1", "payment_intent": "pi_1", "amount": 500, "currency": "kes", "status": status,
                           "failure_reason": "lost_or_stolen_card", "metadata": { "refund": ours.to_string() },
                           "balance_transaction": "txn_2" }))
        };
        let read = refund("failed").expect("a refund");
        assert_eq!((read.ours, read.amount, read.line), (Some(ours), Money::kes(500), None));
        assert_eq!(read.status, Status::Failed("lost_or_stolen_card".into()));
        for (status, expected) in
            [("succeeded", Status::Done), ("pending", Status::Pending), ("requires_action", Status::Pending)]
        {
            assert_eq!(refund(status).expect("a refund").status, expected);
        }
        assert_eq!(refund("dreaming"), None);
    }

    #[test]
    fn a_dispute_has_its_lines_or_is_none() {
        let dispute = |status: &str, lines: Value| {
            read_dispute(
                &json!({ "id": "dp_1", "payment_intent": "pi_1", "amount": 7000, "currency": "kes", "reason": "fraudulent",
                                  "status": status, "balance_transactions": lines }),
            )
        };
        let taken = json!([{ "id": "txn_3", "amount": -7000, "fee": 1500, "currency": "kes" }]);
        let read = dispute("needs_response", taken).expect("a dispute");
        assert_eq!((read.stage, read.lines.len(), read.lines[0].is_out), (Stage::Open, 1, true));
        for (status, stage) in [
            ("under_review", Stage::Open),
            ("won", Stage::Won),
            ("lost", Stage::Lost),
            ("warning_needs_response", Stage::Inquiry),
            ("prevented", Stage::Inquiry),
        ] {
            assert_eq!(dispute(status, json!([])).expect("a dispute").stage, stage, "{status}");
        }
        assert_eq!(dispute("won", json!(["txn_3"])), None);
        assert!(dispute("won", Value::Null).expect("a dispute").lines.is_empty());
    }
}
