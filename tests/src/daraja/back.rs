//! Money that goes back, and questions about it: reversal and Transaction Status, as a function of requests and `now`.
//!
//! What becomes of a reversal is said by a [`WayBack`]. M-Pesa reverses a payment once, whatever it is asked; a question tells the truth,
//! about a payment by its receipt, or about a reversal by the name under which it was taken. The initiator's password is not checked: it
//! is encrypted with a certificate of the test's own.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::config::DarajaConfig;
use super::till::Till;
use super::wire::{self, Fault};

/// What becomes of a reversal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WayBack {
    /// It is done, and reported.
    #[default]
    Done,
    /// It is not done, and reported so.
    Fails,
    /// It is done, and nobody reports it.
    Silent,
    /// It is done, the connection breaks before the answer, and nobody reports it.
    AnswerLost,
    /// The connection breaks, and M-Pesa has never heard of it.
    NeverHeard,
    /// M-Pesa does not come to it, and says so.
    TimesOut,
}

impl WayBack {
    fn is_done(self) -> bool {
        matches!(self, WayBack::Done | WayBack::Silent | WayBack::AnswerLost)
    }
}

/// A reversal that M-Pesa has taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reversal {
    /// Receipt of the payment.
    pub receipt: String,
    /// Its own receipt.
    pub own: String,
    /// Whole shillings.
    pub amount: u64,
    /// OriginatorConversationID.
    pub originator: String,
    /// Whether the money has moved.
    pub is_done: bool,
    /// When it was asked for.
    pub at: OffsetDateTime,
}

/// What a request came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) answer: Value,
    /// Whether the connection breaks instead of the answer.
    pub(crate) is_cut: bool,
    /// Where to, and what, is reported.
    pub(crate) report: Option<(String, Value)>,
}

/// What both requests have.
struct Asked {
    body: Value,
    result: String,
    timeout: String,
}

fn read(config: &DarajaConfig, command: &str, party: &str, body: &[u8]) -> Result<Asked, Fault> {
    let body = wire::object(body)?;
    for field in ["Initiator", "SecurityCredential", "Remarks"] {
        wire::text(&body, field).filter(|text| !text.is_empty()).ok_or_else(|| Fault::field(field))?;
    }
    wire::text(&body, "CommandID").filter(|text| text == command).ok_or_else(|| Fault::field("CommandID"))?;
    wire::text(&body, party).filter(|text| *text == config.shortcode).ok_or_else(|| Fault::field(party))?;
    let url = |field: &'static str| {
        wire::text(&body, field).filter(|url| wire::is_web(url)).ok_or_else(|| Fault::field(field))
    };
    let (result, timeout) = (url("ResultURL")?, url("QueueTimeOutURL")?);
    Ok(Asked { body, result, timeout })
}

impl Till {
    /// Every reversal that M-Pesa has heard of, oldest first.
    #[must_use]
    pub fn reversals(&self) -> &[Reversal] {
        &self.reversals
    }

    /// `POST /mpesa/reversal/v1/request`, once the token is checked.
    pub(crate) fn reverse(&mut self, now: OffsetDateTime, body: &[u8]) -> Result<Taken, Fault> {
        let asked = read(&self.config, "TransactionReversal", "ReceiverParty", body)?;
        // The spelling is Daraja's.
        let kind = wire::text(&asked.body, "RecieverIdentifierType");
        kind.filter(|kind| kind == "11").ok_or_else(|| Fault::field("RecieverIdentifierType"))?;
        let receipt = wire::text(&asked.body, "TransactionID").ok_or_else(|| Fault::field("TransactionID"))?;
        let amount = wire::text(&asked.body, "Amount").and_then(|amount| amount.parse::<u64>().ok());
        let amount = amount.filter(|amount| *amount > 0).ok_or_else(|| Fault::field("Amount"))?;
        let (way, number) = (self.way_back, self.reversals.len() + 1);
        let (conversation, originator) = (format!("AG_back_{number}"), format!("back-{number}"));
        let answer = taken_answer(&conversation, &originator);
        if way == WayBack::NeverHeard {
            return Ok(Taken { answer, is_cut: true, report: None });
        }
        let is_known = self.collected(&receipt, now).is_some_and(|collected| amount <= collected);
        let is_reversed = self.is_reversed(&receipt);
        let own = format!("BACK{number:06}");
        let is_done = way.is_done() && is_known && !is_reversed;
        self.reversals.push(Reversal {
            receipt,
            own: own.clone(),
            amount,
            originator: originator.clone(),
            is_done,
            at: now,
        });
        let (code, text) = match (is_known, is_reversed) {
            (false, _) => ("R000002", "The OriginalTransactionID is invalid."),
            (_, true) => ("R000001", "The transaction has already been reversed."),
            _ if is_done => ("0", "The service request is processed successfully."),
            _ => ("2001", "The initiator is not allowed to do this."),
        };
        let verdict = Verdict { code, text, conversation: &conversation, originator: &originator };
        let report = match way {
            WayBack::Done | WayBack::Fails => Some((asked.result, verdict.result(&own, &[]))),
            WayBack::TimesOut => Some((asked.timeout, json!({ "Result": { "ResultDesc": "queue timeout" } }))),
            WayBack::Silent | WayBack::AnswerLost | WayBack::NeverHeard => None,
        };
        Ok(Taken { answer, is_cut: way == WayBack::AnswerLost, report })
    }

    /// `POST /mpesa/transactionstatus/v1/query`, once the token is checked.
    pub(crate) fn status(&mut self, now: OffsetDateTime, body: &[u8]) -> Result<Taken, Fault> {
        let asked = read(&self.config, "TransactionStatusQuery", "PartyA", body)?;
        let receipt = wire::text(&asked.body, "TransactionID");
        let named = wire::text(&asked.body, "OriginatorConversationID");
        let told = match (&receipt, &named) {
            (Some(receipt), None) => self.collected(receipt, now).map(|amount| {
                let status = if self.is_reversed(receipt) { "Reversed" } else { "Completed" };
                (receipt.clone(), amount, status)
            }),
            (None, Some(named)) => {
                self.reversals.iter().find(|reversal| reversal.originator == *named).map(|reversal| {
                    let status = if reversal.is_done { "Completed" } else { "Failed" };
                    (reversal.own.clone(), reversal.amount, status)
                })
            }
            _ => return Err(Fault::field("TransactionID")),
        };
        self.questions += 1;
        let (conversation, originator) =
            (format!("AG_status_{}", self.questions), format!("status-{}", self.questions));
        let (code, text) = match told {
            Some(_) => ("0", "The service request is processed successfully."),
            None => ("2032", "The transaction is not known."),
        };
        let verdict = Verdict { code, text, conversation: &conversation, originator: &originator };
        let parameters = told.map(|(receipt, amount, status)| {
            [("ReceiptNo", json!(receipt)), ("Amount", json!(amount)), ("TransactionStatus", json!(status))]
        });
        let parameters: &[(&str, Value)] = match &parameters {
            Some(parameters) => parameters,
            None => &[],
        };
        let report = Some((asked.result, verdict.result("SLU0000000", parameters)));
        Ok(Taken { answer: taken_answer(&conversation, &originator), is_cut: false, report })
    }

    /// What was paid under a receipt by then, whole shillings.
    fn collected(&self, receipt: &str, now: OffsetDateTime) -> Option<u64> {
        let about = self.transactions().iter().find(|about| about.receipt.as_deref() == Some(receipt))?;
        about.collected_by(now)
    }

    fn is_reversed(&self, receipt: &str) -> bool {
        self.reversals.iter().any(|reversal| reversal.receipt == receipt && reversal.is_done)
    }
}

/// The answer to a request that is taken.
fn taken_answer(conversation: &str, originator: &str) -> Value {
    json!({
        "OriginatorConversationID": originator, "ConversationID": conversation, "ResponseCode": "0",
        "ResponseDescription": "Accept the service request successfully.",
    })
}

/// How a request ended.
struct Verdict<'a> {
    code: &'a str,
    text: &'a str,
    conversation: &'a str,
    originator: &'a str,
}

impl Verdict<'_> {
    /// The report at the ResultURL.
    fn result(&self, transaction: &str, parameters: &[(&str, Value)]) -> Value {
        let parameters: Vec<Value> =
            parameters.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        json!({ "Result": {
            "ResultType": 0, "ResultCode": self.code, "ResultDesc": self.text, "OriginatorConversationID": self.originator,
            "ConversationID": self.conversation, "TransactionID": transaction,
            "ResultParameters": { "ResultParameter": parameters },
            "ReferenceData": { "ReferenceItem": { "Key": "Occasion" } },
        } })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn paid() -> (Till, OffsetDateTime, String) {
        let mut config = DarajaConfig::new("key", "secret", "passkey");
        (config.seed, config.delay) = (Some(1), Duration::ZERO);
        let (mut till, now) =
            (Till::new(config), OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range"));
        let push = json!({
            "BusinessShortCode": "174379", "Password": STANDARD.encode("174379passkey20261124180000"),
            "Timestamp": "20261124180000", "TransactionType": "CustomerPayBillOnline", "Amount": "20",
            "PartyA": "254712345670", "PartyB": "174379", "PhoneNumber": "254712345670",
            "CallBackURL": "http://127.0.0.1:9/hook", "AccountReference": "ABCD2345", "TransactionDesc": "Wi-Fi",
        });
        till.push(now, push.to_string().as_bytes()).expect("a good push");
        let receipt = till.transactions()[0].receipt.clone().expect("it is paid");
        (till, now, receipt)
    }

    fn reversal(receipt: &str) -> Vec<u8> {
        json!({
            "Initiator": "api", "SecurityCredential": "x", "CommandID": "TransactionReversal", "TransactionID": receipt,
            "Amount": 20, "ReceiverParty": "174379", "RecieverIdentifierType": "11", "ResultURL": "http://127.0.0.1:9/r",
            "QueueTimeOutURL": "http://127.0.0.1:9/t", "Remarks": "Refund", "Occasion": receipt,
        })
        .to_string()
        .into_bytes()
    }

    fn question(field: &str, value: &str) -> Vec<u8> {
        json!({
            "Initiator": "api", "SecurityCredential": "x", "CommandID": "TransactionStatusQuery", field: value,
            "PartyA": "174379", "IdentifierType": "4", "ResultURL": "http://127.0.0.1:9/r",
            "QueueTimeOutURL": "http://127.0.0.1:9/t", "Remarks": "Check", "Occasion": "",
        })
        .to_string()
        .into_bytes()
    }

    /// What is reported of a question: its code and the status.
    fn told(till: &mut Till, now: OffsetDateTime, field: &str, value: &str) -> (Value, Value) {
        let (_, report) = till.status(now, &question(field, value)).expect("a good question").report.expect("a report");
        let result = &report["Result"];
        (result["ResultCode"].clone(), result["ResultParameters"]["ResultParameter"][2]["Value"].clone())
    }

    #[test]
    fn a_payment_is_reversed_once_and_questions_tell_so() {
        let (mut till, now, receipt) = paid();
        assert_eq!(told(&mut till, now, "TransactionID", &receipt), (json!("0"), json!("Completed")));
        let taken = till.reverse(now, &reversal(&receipt)).expect("a good request");
        let (url, report) = taken.report.expect("it is reported");
        assert_eq!((url.as_str(), &report["Result"]["ResultCode"]), ("http://127.0.0.1:9/r", &json!("0")));
        let again = till.reverse(now, &reversal(&receipt)).expect("a good request");
        assert_eq!(again.report.expect("a report").1["Result"]["ResultCode"], "R000001");
        assert_eq!(till.reversals().iter().filter(|one| one.is_done).count(), 1);
        assert_eq!(told(&mut till, now, "TransactionID", &receipt), (json!("0"), json!("Reversed")));
        assert_eq!(told(&mut till, now, "OriginatorConversationID", "back-1"), (json!("0"), json!("Completed")));
        assert_eq!(told(&mut till, now, "OriginatorConversationID", "back-2"), (json!("0"), json!("Failed")));
        assert_eq!(told(&mut till, now, "TransactionID", "NOTHING"), (json!("2032"), Value::Null));
    }

    #[test]
    fn each_way_back_moves_money_and_tells_of_it_or_not() {
        for (way, is_heard, is_done, is_cut, is_reported) in [
            (WayBack::Done, true, true, false, true),
            (WayBack::Fails, true, false, false, true),
            (WayBack::Silent, true, true, false, false),
            (WayBack::AnswerLost, true, true, true, false),
            (WayBack::NeverHeard, false, false, true, false),
            (WayBack::TimesOut, true, false, false, true),
        ] {
            let (mut till, now, receipt) = paid();
            till.way_back = way;
            let taken = till.reverse(now, &reversal(&receipt)).expect("a good request");
            let heard = till.reversals().first();
            assert_eq!((heard.is_some(), heard.is_some_and(|one| one.is_done)), (is_heard, is_done), "{way:?}");
            assert_eq!((taken.is_cut, taken.report.is_some()), (is_cut, is_reported), "{way:?}");
        }
    }
}
