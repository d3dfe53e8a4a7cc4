//! The HTTP that both providers share: one form is posted, one answer is read, within bounds of time and size.
//!
//! What a provider's own words mean is said in its file; here is what an answer means that has no such words, and what
//! may be kept of a provider's text. No redirect is followed: it would carry the key to an address that nobody set.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use shared::money::Money;
use url::Url;

use super::{Sent, SetupError};
use crate::payments::callback::plain;
use outgoing::{self, Silence};

/// Largest answer that is read, in octets. Real ones have less than two thousand.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Longest reference of a message, in octets. Twilio's have 34, those of Africa's Talking 38.
const REFERENCE_LIMIT: usize = 64;
/// Most letters that are kept of a provider's text.
const QUOTE_LIMIT: usize = 200;
/// Digits in a row that are taken for a phone number. Codes and prices have fewer.
const NUMBER_FROM: usize = 7;

/// A client of one provider.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: String,
}

/// An answer with its JSON, if it was JSON.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Option<Value>,
}

impl Http {
    /// Prepares the client; nothing is sent. `key` is where the configuration says `base`.
    pub(super) fn new(key: &'static str, base: &Url, timeout: Duration) -> Result<Http, SetupError> {
        match base.scheme() {
            "https" => {}
            "http" => {
                tracing::warn!(key, %base, "an SMS provider is reached without TLS: right for a simulator only");
            }
            _ => return Err(SetupError::NotHttp(key)),
        }
        // Half of it, so that a provider that cannot be reached is known to have heard nothing and the next is asked.
        let client = outgoing::client(timeout / 2, timeout)?;
        Ok(Http { client, base: base.as_str().trim_end_matches('/').to_owned() })
    }

    /// A POST that is still to be filled.
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }
}

/// Sends a request and reads the answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answer, Silence> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let body = outgoing::body(response, ANSWER_LIMIT).await?;
    Ok(Answer { status, json: serde_json::from_slice(&body).ok() })
}

/// What it means for the message that no answer came.
pub(super) fn unanswered(silence: Silence) -> Sent {
    match silence {
        Silence::NotSent => Sent::provider_refused("unreachable", "no connection was made"),
        Silence::TimedOut => Sent::Unknown("no answer in time".into()),
        Silence::Broken => Sent::Unknown("the connection broke".into()),
    }
}

impl Answer {
    /// What it means when it has none of the provider's own words, by its status alone: what is refused at the door
    /// went nowhere, what failed inside may have gone on, and success without a reference is no success to count on.
    pub(super) fn meaning(&self) -> Sent {
        let status = self.status;
        let why = match status {
            401 | 403 => "the key is not accepted",
            429 => "too many requests",
            400..=499 if status != 408 => "the request is not accepted",
            _ => return Sent::Unknown(format!("HTTP {status} without a usable answer")),
        };
        Sent::provider_refused(&format!("http-{status}"), why)
    }

    /// A field of the JSON as text.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        field(self.json.as_ref()?, name)
    }
}

/// A field of an object as text, whether it is a string or a number.
pub(super) fn field(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(plain)
}

/// A message's reference, if it can be one: what is stored and looked up later is bounded and plain.
pub(super) fn reference(text: &str) -> Option<String> {
    let fits = (1..=REFERENCE_LIMIT).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// A provider's text as it may be stored and logged: bounded, in one line, and without phone numbers, which providers
/// like to repeat in what they complain about.
pub(super) fn quotable(text: &str) -> String {
    let mut quoted = String::new();
    let mut digits = String::new();
    // The blank at the end closes the last run of digits.
    for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).chain([' ']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        quoted.push_str(if digits.len() < NUMBER_FROM { &digits } else { "***" });
        digits.clear();
        quoted.push(letter);
    }
    quoted.trim().chars().take(QUOTE_LIMIT).collect()
}

/// A price such as `KES 0.8000` in minor units, rounded up, so that many small ones are not counted as nothing. `None`
/// where it cannot be read, and for a bare `0`, which names no currency.
pub(super) fn price(text: &str) -> Option<Money> {
    let (currency, amount) = text.trim().split_once(' ')?;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let is_digits = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (cents, rest) = fraction.split_at_checked(2).unwrap_or((fraction, ""));
    let cents: i64 = format!("{cents:0<2}").parse().ok()?;
    let more = i64::from(rest.bytes().any(|digit| digit != b'0'));
    let minor = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents + more)?;
    Some(Money { minor, currency: currency.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_words_is_read_by_its_status() {
        for status in [400, 401, 403, 404, 422, 429] {
            let meaning = Answer { status, json: None }.meaning();
            assert!(matches!(meaning, Sent::Refused { permanent: false, .. }), "{status} {meaning:?}");
        }
        for status in [200, 201, 302, 408, 500, 502, 503, 504] {
            let meaning = Answer { status, json: None }.meaning();
            assert!(matches!(meaning, Sent::Unknown(_)), "{status} {meaning:?}");
        }
    }

    #[test]
    fn only_what_was_not_sent_is_free_to_be_sent_elsewhere() {
        assert!(matches!(unanswered(Silence::NotSent), Sent::Refused { permanent: false, .. }));
        assert!(matches!(unanswered(Silence::TimedOut), Sent::Unknown(_)));
        assert!(matches!(unanswered(Silence::Broken), Sent::Unknown(_)));
    }

    #[test]
    fn a_quoted_text_has_no_phone_number() {
        for (text, expected) in [
            ("The 'To' number +254712345678 is not valid.", "The 'To' number +*** is not valid."),
            ("254712345678", "***"),
            ("Sent to 0/1 Total Cost: KES 0.8000", "Sent to 0/1 Total Cost: KES 0.8000"),
            ("two\r\nlines", "two  lines"),
            ("code 21211", "code 21211"),
            ("", ""),
        ] {
            assert_eq!(quotable(text), expected);
        }
        assert_eq!(quotable(&"a".repeat(10_000)).len(), QUOTE_LIMIT);
    }

    #[test]
    fn prices_are_read_leniently_and_rounded_up() {
        let usd = |minor| Money { minor, currency: "USD".parse().expect("a currency") };
        for (text, expected) in [
            ("KES 0.8000", Some(Money::kes(80))),
            ("KES 1.6", Some(Money::kes(160))),
            ("KES 2", Some(Money::kes(200))),
            ("KES 0", Some(Money::kes(0))),
            ("KES 0.0000", Some(Money::kes(0))),
            ("KES 0.3301", Some(Money::kes(34))),
            ("USD 0.00750", Some(usd(1))),
            ("0", None),
            ("", None),
            ("KES", None),
            ("KES -1", None),
            ("KES 1,50", None),
            ("kes 1", None),
            ("KES 99999999999999999999", None),
        ] {
            assert_eq!(price(text), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_is_short_and_plain() {
        assert_eq!(reference("ATXid_abc").as_deref(), Some("ATXid_abc"));
        let long = "a".repeat(REFERENCE_LIMIT + 1);
        for text in ["", "two words", "<ü>", long.as_str()] {
            assert_eq!(reference(text), None, "{text}");
        }
    }
}
