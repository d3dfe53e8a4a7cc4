//! Reports that M-Pesa did not send: somebody says "paid" at an address that only M-Pesa should know.
//!
//! A [`Letter`] is written here and posted by the test, which so learns what it was answered. Each carries a receipt of its
//! own, by which it is found again wherever it was stored.

use time::OffsetDateTime;

use super::outcome::Outcome;
use super::till::Transaction;
use super::wire::Callback;

/// What is forged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Forgery {
    /// The address: nobody was given it.
    Address,
    /// The reference of the prompt: that of another one, real or not.
    Prompt(String),
    /// The result alone. Only of what was not paid is this a lie.
    Result,
}

/// A forged report, ready to be posted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Where it goes.
    pub url: String,
    /// The report.
    pub body: String,
    /// The receipt in it, which M-Pesa never gave.
    pub receipt: String,
}

impl Forgery {
    /// The letter number `number` about a payment; numbers tell receipts apart.
    #[must_use]
    pub fn letter(&self, about: &Transaction, number: u32, now: OffsetDateTime) -> Letter {
        let receipt = format!("F0RGED{number:08X}");
        let callback = Callback {
            merchant_id: &about.merchant_request_id,
            checkout_id: match self {
                Forgery::Prompt(another) => another,
                Forgery::Address | Forgery::Result => &about.checkout_request_id,
            },
            verdict: Outcome::Paid.verdict(),
            amount: about.amount,
            receipt: &receipt,
            decided_at: now,
            phone: &about.phone,
        };
        let body = callback.body();
        let url = match self {
            Forgery::Address => another_address(&about.callback_url),
            Forgery::Prompt(_) | Forgery::Result => about.callback_url.clone(),
        };
        Letter { url, body, receipt }
    }
}

/// An address of the same shape: the first letter of its last part is another one.
fn another_address(url: &str) -> String {
    let (base, token) = url.rsplit_once('/').unwrap_or(("", url));
    let first = if token.starts_with('A') { 'B' } else { 'A' };
    format!("{base}/{first}{}", token.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::daraja::fate::Fate;

    fn about() -> Transaction {
        let now = OffsetDateTime::UNIX_EPOCH;
        Transaction {
            merchant_request_id: "1-2-1".into(),
            checkout_request_id: "ws_CO_1".into(),
            phone: "254712345671".into(),
            amount: 20,
            reference: "ORDER1".into(),
            description: "Wi-Fi".into(),
            callback_url: "http://x/webhooks/mpesa/AZabc".into(),
            outcome: Outcome::Cancelled,
            fate: Fate::of(Outcome::Cancelled, std::time::Duration::ZERO, std::time::Duration::ZERO),
            collected: 0,
            receipt: None,
            pushed_at: now,
            decided_at: now,
            callbacks: Vec::new(),
            told: Vec::new(),
            queries: 0,
        }
    }

    fn said(letter: &Letter) -> Value {
        let body: Value = serde_json::from_str(&letter.body).expect("JSON");
        body["Body"]["stkCallback"].clone()
    }

    #[test]
    fn each_kind_lies_about_one_thing() {
        let letter = |forgery: Forgery| forgery.letter(&about(), 7, OffsetDateTime::UNIX_EPOCH);
        let result = letter(Forgery::Result);
        assert_eq!((result.url.as_str(), result.receipt.as_str()), ("http://x/webhooks/mpesa/AZabc", "F0RGED00000007"));
        assert_eq!((&said(&result)["ResultCode"], &said(&result)["CheckoutRequestID"]), (&json!(0), &json!("ws_CO_1")));
        let address = letter(Forgery::Address);
        assert_eq!((address.url.as_str(), &address.body), ("http://x/webhooks/mpesa/BZabc", &result.body));
        let prompt = letter(Forgery::Prompt("ws_CO_2".into()));
        assert_eq!((&prompt.url, &said(&prompt)["CheckoutRequestID"]), (&result.url, &json!("ws_CO_2")));
    }
}
