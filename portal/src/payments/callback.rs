//! Reads what M-Pesa posts about a prompt.
//!
//! The shape is stable, the types are not: a result code is a number here and a string there, an amount is `1`,
//! `1.00` or `"1.00"`, items come in any order and without values, a phone number may be masked. What matters is
//! looked up by name and read in every spelling; what does not matter is not looked at.

use serde_json::Value;
use shared::money::Money;

/// A report, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    /// The provider's reference of the request.
    pub merchant_request_id: String,
    /// The provider's reference of the prompt.
    pub checkout_request_id: String,
    /// How it ended; `"0"` is paid.
    pub result_code: String,
    /// The provider's text.
    pub result_text: String,
    /// The amount, where it was told.
    pub amount: Option<Money>,
    /// The receipt, where it was told.
    pub receipt: Option<String>,
}

/// Why a report cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("not JSON")]
    NotJson,
    /// JSON without `Body.stkCallback`.
    #[error("no Body.stkCallback")]
    NoCallback,
    /// No reference or no result.
    #[error("no CheckoutRequestID or no ResultCode")]
    Incomplete,
}

impl Callback {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not such a report.
    pub fn parse(body: &[u8]) -> Result<Callback, Unreadable> {
        let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
        let callback = value.pointer("/Body/stkCallback").ok_or(Unreadable::NoCallback)?;
        let field = |name| callback.get(name).and_then(plain);
        let items = callback.pointer("/CallbackMetadata/Item").and_then(Value::as_array);
        let item = |name: &str| {
            let named = |item: &&Value| item.get("Name").and_then(Value::as_str) == Some(name);
            items.into_iter().flatten().find(named).and_then(|item| item.get("Value")).and_then(plain)
        };
        Ok(Callback {
            checkout_request_id: field("CheckoutRequestID").ok_or(Unreadable::Incomplete)?,
            result_code: field("ResultCode").ok_or(Unreadable::Incomplete)?,
            merchant_request_id: field("MerchantRequestID").unwrap_or_default(),
            result_text: field("ResultDesc").unwrap_or_default(),
            amount: item("Amount").as_deref().and_then(cents).map(Money::kes),
            receipt: item("MpesaReceiptNumber").filter(|receipt| is_receipt(receipt)),
        })
    }
}

/// A string or number as text, trimmed; nothing else, and not empty.
pub(crate) fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Decimal shillings as cents, without a detour through floating point. More than two decimals must be zeros.
pub(super) fn cents(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (two, rest) = fraction.split_at_checked(2).unwrap_or((fraction, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(two) || rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let fraction: i64 = format!("{two:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(fraction)
}

pub(super) fn is_receipt(text: &str) -> bool {
    (6..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(result: &str, items: &str) -> Vec<u8> {
        format!(
            r#"{{"Body":{{"stkCallback":{{"MerchantRequestID":"m-1","CheckoutRequestID":"ws_CO_1","ResultCode":{result},
                "ResultDesc":"text","CallbackMetadata":{{"Item":[{items}]}}}}}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn every_spelling_of_an_amount_is_read_in_cents() {
        for (value, expected) in [
            ("1", Some(100)),
            ("1.00", Some(100)),
            ("\"1.00\"", Some(100)),
            ("20.5", Some(2050)),
            ("\"20.5000\"", Some(2050)),
            ("250000", Some(25_000_000)),
            ("20.505", None),
            ("-1", None),
            ("\"KES 20\"", None),
            ("null", None),
            ("{}", None),
            ("99999999999999999999", None),
        ] {
            let body = report("0", &format!(r#"{{"Name":"Amount","Value":{value}}}"#));
            let read = Callback::parse(&body).expect("readable");
            assert_eq!(read.amount, expected.map(Money::kes), "{value}");
        }
    }

    #[test]
    fn codes_are_strings_or_numbers_and_items_come_in_any_order() {
        let items = r#"{"Name":"PhoneNumber","Value":"2547****8374"},{"Name":"Balance"},{"Name":"Future","Value":[1]},
                       {"Name":"TransactionDate","Value":20191219102115},{"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"},
                       {"Value":3},{"Name":"Balance","Value":"{Amount={CurrencyCode=KES, BasicAmount=1}}"},{"Name":"Amount","Value":20}"#;
        for code in ["0", "\"0\""] {
            let read = Callback::parse(&report(code, items)).expect("readable");
            assert_eq!((read.result_code.as_str(), read.receipt.as_deref()), ("0", Some("NLJ7RT61SV")));
            assert_eq!(read.amount, Some(Money::kes(2000)));
        }
    }

    #[test]
    fn a_failure_has_no_items_at_all() {
        let body = br#"{"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1","ResultCode":1032}}}"#;
        let read = Callback::parse(body).expect("readable");
        assert_eq!((read.result_code.as_str(), read.amount, read.receipt), ("1032", None, None));
    }

    #[test]
    fn a_receipt_that_is_none_is_left_out() {
        let body = report("0", r#"{"Name":"MpesaReceiptNumber","Value":"<script>"}"#);
        assert_eq!(Callback::parse(&body).expect("readable").receipt, None);
    }

    #[test]
    fn other_bodies_are_refused_by_kind() {
        for (body, error) in [
            (&b""[..], Unreadable::NotJson),
            (b"<html>", Unreadable::NotJson),
            (b"{}", Unreadable::NoCallback),
            (b"[1]", Unreadable::NoCallback),
            (br#"{"Body":{"stkCallback":{}}}"#, Unreadable::Incomplete),
            (br#"{"Body":{"stkCallback":{"CheckoutRequestID":"x","ResultCode":null}}}"#, Unreadable::Incomplete),
            (br#"{"Body":{"stkCallback":{"CheckoutRequestID":"","ResultCode":0}}}"#, Unreadable::Incomplete),
        ] {
            assert_eq!(Callback::parse(body), Err(error), "{}", String::from_utf8_lossy(body));
        }
    }
}
