//! Reads what M-Pesa answers later, at a request's `ResultURL`: to a Transaction Status, or to a reversal. A Transaction Status is
//! held against what we were told of a payment ([`Verdict::of_payment`]), or says whether it went back ([`Verdict::of_return`]).
//!
//! ```text
//!  {"Result":{"ResultType":0,"ResultCode":0,"ResultDesc":"…","OriginatorConversationID":"…","ConversationID":"AG_…",
//!   "TransactionID":"…","ResultParameters":{"ResultParameter":[{"Key":"ReceiptNo","Value":"…"}, …]},"ReferenceData":{…}}}
//! ```
//!
//! The list of parameters is an array, or one object where there is one; it stands in `ResultParameter`, or right in
//! `ResultParameters`, or nowhere; a parameter may have no value. They are looked up by name, and what is not looked for is
//! not read.

use serde_json::Value;
use shared::money::Money;

use crate::payments::callback::{cents, plain};

/// The status of a payment whose money has moved.
const COMPLETED: &str = "completed";
/// What the status of a payment that went back begins with.
const REVERSED: &str = "revers";
/// Statuses of what M-Pesa has not done and does not do any more.
const NOT_DONE: [&str; 4] = ["failed", "declined", "cancelled", "expired"];

/// An answer, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// How it ended; `"0"` is done.
    pub code: String,
    /// M-Pesa's text.
    pub text: String,
    /// The name under which the request was taken.
    pub conversation_id: Option<String>,
    /// The receipt of what was done: of a reversal, its own.
    pub transaction_id: Option<String>,
    parameters: Vec<(String, String)>,
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAResult {
    /// Not JSON.
    #[error("not JSON")]
    NotJson,
    /// JSON without `Result`.
    #[error("no Result")]
    NoResult,
    /// A result without its code.
    #[error("no ResultCode")]
    NoCode,
}

/// What an answer says of a payment, held against what we were told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// It is as we were told.
    Same,
    /// It is not: the receipt, the amount or the status is another.
    Other,
    /// M-Pesa could not tell.
    None,
}

/// What an answer says of a payment of which nobody knows whether it went back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// It has gone back, under this receipt if M-Pesa named one.
    Gone(Option<String>),
    /// Its reversal was not done.
    NotDone,
    /// M-Pesa has it as it came. A reversal may be under way, or have a receipt of its own: this proves nothing.
    Stands,
    /// M-Pesa could not tell.
    Unclear,
}

impl Verdict {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not such an answer.
    pub fn parse(body: &[u8]) -> Result<Verdict, NotAResult> {
        let value: Value = serde_json::from_slice(body).map_err(|_| NotAResult::NotJson)?;
        let result = value.get("Result").filter(|result| result.is_object()).ok_or(NotAResult::NoResult)?;
        let field = |name: &str| result.get(name).and_then(plain);
        Ok(Verdict {
            code: field("ResultCode").ok_or(NotAResult::NoCode)?,
            text: field("ResultDesc").unwrap_or_default(),
            conversation_id: field("ConversationID"),
            transaction_id: field("TransactionID"),
            parameters: parameters(result),
        })
    }

    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        self.code == "0"
    }

    /// The value of a parameter, where it has one.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// What a Transaction Status says of a payment of which we were told this.
    pub fn of_payment(&self, receipt: &str, amount: Money) -> Word {
        if !self.is_done() {
            return Word::None;
        }
        let told = self.value("Amount").and_then(cents).map(Money::kes);
        let is_other =
            self.value("ReceiptNo").is_some_and(|told| told != receipt) || told.is_some_and(|told| told != amount);
        let is_completed = self.value("TransactionStatus").map(|status| status.eq_ignore_ascii_case(COMPLETED));
        match (is_completed, told) {
            _ if is_other => Word::Other,
            (Some(true), Some(_)) => Word::Same,
            (Some(false), _) => Word::Other,
            // What it does not say is no denial.
            (Some(true) | None, _) => Word::None,
        }
    }
}

impl Verdict {
    /// What a Transaction Status says of whether so much of the payment with this receipt went back. It speaks of the payment itself, or
    /// of its reversal, which has a receipt of its own.
    pub fn of_return(&self, receipt: &str, amount: Money) -> Way {
        let (Some(status), true) = (self.value("TransactionStatus"), self.is_done()) else { return Way::Unclear };
        let status = status.trim().to_ascii_lowercase();
        let (named, told) = (self.value("ReceiptNo"), self.value("Amount").and_then(cents).map(Money::kes));
        match named.filter(|named| !named.is_empty()) {
            Some(own) if own != receipt => {
                let is_another = told.is_some_and(|told| told != amount);
                match status.as_str() {
                    _ if is_another => Way::Unclear,
                    COMPLETED => Way::Gone(Some(own.to_owned())),
                    status if NOT_DONE.contains(&status) => Way::NotDone,
                    _ => Way::Unclear,
                }
            }
            _ if status.starts_with(REVERSED) => Way::Gone(None),
            Some(_) if status == COMPLETED => Way::Stands,
            _ => Way::Unclear,
        }
    }
}

fn parameters(result: &Value) -> Vec<(String, String)> {
    let outer = result.get("ResultParameters");
    let list = outer.and_then(|outer| outer.get("ResultParameter")).or(outer);
    let items = match list {
        Some(Value::Array(items)) => items.as_slice(),
        Some(item @ Value::Object(_)) => std::slice::from_ref(item),
        _ => &[],
    };
    let text = |item: &Value, name: &str| item.get(name).and_then(plain);
    items.iter().filter_map(|item| Some((text(item, "Key")?, text(item, "Value")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(code: &str, parameters: &str) -> Vec<u8> {
        format!(
            r#"{{"Result":{{"ResultType":0,"ResultCode":{code},"ResultDesc":"text","OriginatorConversationID":"1-2-1",
                "ConversationID":"AG_1","TransactionID":"SLU000000","ResultParameters":{parameters},
                "ReferenceData":{{"ReferenceItem":{{"Key":"Occasion"}}}}}}}}"#
        )
        .into_bytes()
    }

    const STATUS: &str = r#"{"ResultParameter":[{"Key":"DebitPartyName","Value":"254712345678 - Jane Doe"},{"Key":"ReasonType"},
        {"Key":"TransactionStatus","Value":"Completed"},{"Key":"Amount","Value":10.00},{"Key":"ReceiptNo","Value":"RKTQDM7W6S"}]}"#;

    #[test]
    fn an_answer_is_read_with_its_code_as_text_or_number() {
        for code in ["0", "\"0\""] {
            let read = Verdict::parse(&result(code, STATUS)).expect("readable");
            assert!(read.is_done());
            assert_eq!((read.text.as_str(), read.conversation_id.as_deref()), ("text", Some("AG_1")));
            assert_eq!(
                (read.transaction_id.as_deref(), read.value("ReceiptNo")),
                (Some("SLU000000"), Some("RKTQDM7W6S"))
            );
            assert_eq!((read.value("ReasonType"), read.value("Nothing")), (None, None));
        }
    }

    #[test]
    fn parameters_come_in_an_array_in_an_object_or_not_at_all() {
        let item = r#"{"Key":"Amount","Value":"10"}"#;
        for (parameters, expected) in [
            (format!(r#"{{"ResultParameter":[{item}]}}"#), Some("10")),
            (format!(r#"{{"ResultParameter":{item}}}"#), Some("10")),
            (format!("[{item}]"), Some("10")),
            (item.to_owned(), Some("10")),
            (r#"{"ResultParameter":{"Key":"Amount"}}"#.to_owned(), None),
            (r#"{"ResultParameter":[{"Value":"10"},3,null]}"#.to_owned(), None),
            ("{}".to_owned(), None),
            ("\"\"".to_owned(), None),
            ("null".to_owned(), None),
        ] {
            let read = Verdict::parse(&result("0", &parameters)).expect("readable");
            assert_eq!(read.value("Amount"), expected, "{parameters}");
        }
        let none = Verdict::parse(br#"{"Result":{"ResultCode":2001}}"#).expect("readable");
        assert_eq!((none.code.as_str(), none.value("Amount"), none.conversation_id.as_deref()), ("2001", None, None));
    }

    #[test]
    fn a_payment_is_confirmed_only_if_receipt_amount_and_status_are_as_we_were_told() {
        let status = |receipt: &str, amount: &str, status: &str| {
            format!(
                r#"[{{"Key":"ReceiptNo","Value":"{receipt}"}},{{"Key":"Amount","Value":{amount}}},{{"Key":"TransactionStatus","Value":"{status}"}}]"#
            )
        };
        let completed = r#"[{"Key":"TransactionStatus","Value":"Completed"}]"#.to_owned();
        let nameless = r#"[{"Key":"Amount","Value":10},{"Key":"TransactionStatus","Value":"completed"}]"#.to_owned();
        for (code, parameters, word) in [
            ("0", status("RKTQDM7W6S", "10", "Completed"), Word::Same),
            ("0", status("RKTQDM7W6S", "\"10.00\"", "COMPLETED"), Word::Same),
            ("0", nameless, Word::Same),
            ("0", status("RKTQDM7W6S", "11", "Completed"), Word::Other),
            ("0", status("OTHER00000", "10", "Completed"), Word::Other),
            ("0", status("RKTQDM7W6S", "10", "Declined"), Word::Other),
            ("0", status("RKTQDM7W6S", "10", ""), Word::None),
            ("0", completed, Word::None),
            ("0", "{}".to_owned(), Word::None),
            ("2001", status("RKTQDM7W6S", "10", "Completed"), Word::None),
        ] {
            let read = Verdict::parse(&result(code, &parameters)).expect("readable");
            assert_eq!(read.of_payment("RKTQDM7W6S", Money::kes(1000)), word, "{code} {parameters}");
        }
    }

    #[test]
    fn a_payment_has_gone_back_only_if_m_pesa_says_so_of_it_or_of_its_reversal() {
        let status = |receipt: &str, amount: &str, status: &str| {
            format!(
                r#"[{{"Key":"ReceiptNo","Value":"{receipt}"}},{{"Key":"Amount","Value":{amount}}},{{"Key":"TransactionStatus","Value":"{status}"}}]"#
            )
        };
        let nameless = r#"[{"Key":"Amount","Value":10},{"Key":"TransactionStatus","Value":"Completed"}]"#.to_owned();
        let gone = || Way::Gone(Some("RRRRRRRRR1".to_owned()));
        for (code, parameters, way) in [
            ("0", status("RRRRRRRRR1", "10", "Completed"), gone()),
            ("0", status("RRRRRRRRR1", "\"10.00\"", "COMPLETED"), gone()),
            ("0", status("RRRRRRRRR1", "11", "Completed"), Way::Unclear),
            ("0", status("RRRRRRRRR1", "10", "Failed"), Way::NotDone),
            ("0", status("RRRRRRRRR1", "10", "Pending"), Way::Unclear),
            ("0", status("RKTQDM7W6S", "10", "Reversed"), Way::Gone(None)),
            ("0", status("RKTQDM7W6S", "10", "Completed"), Way::Stands),
            ("0", status("RKTQDM7W6S", "10", "Declined"), Way::Unclear),
            ("0", nameless, Way::Unclear),
            ("0", "{}".to_owned(), Way::Unclear),
            ("2001", status("RRRRRRRRR1", "10", "Completed"), Way::Unclear),
        ] {
            let read = Verdict::parse(&result(code, &parameters)).expect("readable");
            assert_eq!(read.of_return("RKTQDM7W6S", Money::kes(1000)), way, "{code} {parameters}");
        }
    }

    #[test]
    fn other_bodies_are_refused_by_kind() {
        for (body, error) in [
            (&b""[..], NotAResult::NotJson),
            (b"<html>", NotAResult::NotJson),
            (b"{}", NotAResult::NoResult),
            (br#"{"Result":"ok"}"#, NotAResult::NoResult),
            (br#"{"Result":{"ResultDesc":"text"}}"#, NotAResult::NoCode),
        ] {
            assert_eq!(Verdict::parse(body), Err(error), "{}", String::from_utf8_lossy(body));
        }
    }
}
