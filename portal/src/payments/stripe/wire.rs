//! The HTTP of Stripe: one request, one answer, within bounds of time and size, and what an error means for whatever
//! was to be made.
//!
//! The key goes into a header that is marked as a secret and nowhere else. No redirect is followed: it would carry the
//! key to an address that nobody set. Of Stripe's texts only what is bounded and names no person is kept.

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use shared::config::{self, Secret};
use url::Url;

use super::SetupError;
use crate::payments::{Refusal, Unheard};
use outgoing::{self, Silence};

/// The version of Stripe's interface that is spoken and understood here. It is the first in which the currency of a
/// Checkout Session is always that of the order, whatever the guest's card is charged in; later versions of the same
/// name only add to it. What a webhook sends has the version of the endpoint, so that is made with this one too.
pub(super) const VERSION: &str = "2025-09-30.clover";
/// Largest answer that is read, in octets. A session has about four thousand.
const ANSWER_LIMIT: usize = 128 * 1024;
/// Longest identifier of Stripe's that is taken, in octets.
const ID_LIMIT: usize = 255;
/// Longest code, in octets. The longest of Stripe's have about sixty.
const CODE_LIMIT: usize = 80;
/// Most letters that are kept of a text.
const QUOTE_LIMIT: usize = 200;

/// A client of Stripe with its key.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
    key: Secret,
}

/// An answer with its JSON, if it was JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Option<Value>,
    /// Stripe's name of the request, by which its support finds it.
    pub(super) request: String,
}

/// Why there is nothing of what was to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// Certainly nothing was made.
    Refused(Refusal),
    /// It may have been made or not.
    Unknown(Unheard),
}

impl Http {
    /// Prepares the client; nothing is sent.
    pub(super) fn new(settings: &config::Stripe) -> Result<Http, SetupError> {
        match settings.base_url.scheme() {
            "https" => {}
            "http" => {
                tracing::warn!(base = %settings.base_url, "Stripe is reached without TLS: right for a simulator only")
            }
            _ => return Err(SetupError::NotHttp),
        }
        // Half of it, so that a Stripe that cannot be reached is known to have heard nothing.
        let client = outgoing::client(settings.timeout() / 2, settings.timeout())?;
        Ok(Http { client, base: settings.base_url.clone(), key: settings.secret_key.clone() })
    }

    /// A GET that is still to be filled.
    pub(super) fn get(&self, path: &[&str]) -> RequestBuilder {
        self.signed(self.client.get(self.url(path)))
    }

    /// A POST that is still to be filled.
    pub(super) fn post(&self, path: &[&str]) -> RequestBuilder {
        self.signed(self.client.post(self.url(path)))
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.key.expose()).header("Stripe-Version", VERSION)
    }

    /// Each part is one segment, whatever it holds: an identifier cannot lead to another path.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("http and https addresses have a path, and no others are taken")
            .pop_if_empty()
            .extend(path);
        url
    }
}

/// Sends a request and reads the answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answer, Silence> {
    let response = request.send().await?;
    let (status, is_json) = (response.status().as_u16(), outgoing::is_json(&response));
    let request =
        response.headers().get("request-id").and_then(|value| value.to_str().ok()).map(code).unwrap_or_default();
    let body = outgoing::body(response, ANSWER_LIMIT).await?;
    tracing::debug!(status, %request, octets = body.len(), "Stripe has answered");
    let json = is_json.then(|| serde_json::from_slice(&body).ok()).flatten();
    Ok(Answer { status, json, request })
}

/// What it means for a question that no answer came.
pub(super) fn unheard(silence: Silence) -> Unheard {
    match silence {
        Silence::TimedOut => Unheard::TimedOut,
        Silence::NotSent | Silence::Broken => Unheard::Broken,
    }
}

/// The same for whatever was to be made.
pub(super) fn failure(silence: Silence) -> Failure {
    match silence {
        Silence::NotSent => Failure::Refused(Refusal::Unreachable),
        Silence::TimedOut | Silence::Broken => Failure::Unknown(unheard(silence)),
    }
}

impl Answer {
    /// The value at a JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> Option<&Value> {
        self.json.as_ref()?.pointer(pointer)
    }

    /// The text at a JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    /// The whole number at a JSON pointer.
    pub(super) fn number(&self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.as_i64()
    }

    /// The identifier at a JSON pointer, whether the object stands there or only its identifier.
    pub(super) fn id(&self, pointer: &str) -> Option<String> {
        self.at(pointer).and_then(id)
    }

    /// Whether what was asked for was done.
    pub(super) fn is_success(&self) -> bool {
        self.json.is_some() && (200..300).contains(&self.status)
    }

    /// What an answer without the thing asked for says of a question.
    pub(super) fn unheard(&self) -> Unheard {
        match &self.json {
            None => Unheard::NotJson(self.status),
            Some(_) => Unheard::Unexpected { status: self.status, code: self.error_code() },
        }
    }

    /// What an answer without the thing asked for means for whatever was to be made. Only Stripe's own words refuse: a
    /// page of something between us and Stripe does not say what became of the request behind it.
    pub(super) fn failure(&self) -> Failure {
        let Some(kind) = self.text("/error/type") else { return Failure::Unknown(self.unheard()) };
        match self.status {
            401 | 403 => Failure::Refused(Refusal::Credentials),
            429 => Failure::Refused(Refusal::Throttled),
            // The key is in use by a request that is under way, or was used for another one: either may have made it.
            409 => Failure::Unknown(self.unheard()),
            400..=499 if kind == "idempotency_error" => Failure::Unknown(self.unheard()),
            400..=499 => Failure::Refused(Refusal::Rejected { code: self.error_code(), text: self.error_text() }),
            // A 5xx may come after the work.
            _ => Failure::Unknown(self.unheard()),
        }
    }

    /// The code of an error, or its kind where it has none.
    fn error_code(&self) -> String {
        self.text("/error/code").or_else(|| self.text("/error/type")).map(code).unwrap_or_default()
    }

    fn error_text(&self) -> String {
        let said = quotable(self.text("/error/message").unwrap_or_default());
        if self.request.is_empty() { said } else { format!("{said} ({})", self.request) }
    }
}

/// An identifier, from itself or from the object that has it. What is stored and put into addresses is bounded and
/// plain.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value.get("id")?.as_str())?;
    let is_plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    ((1..=ID_LIMIT).contains(&text.len()) && is_plain).then(|| text.to_owned())
}

/// A word of Stripe's as a code: letters, digits, dots, dashes and underscores of it, bounded.
pub(super) fn code(word: &str) -> String {
    let is_kept = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    word.chars().filter(is_kept).take(CODE_LIMIT).collect()
}

/// A text of Stripe's as it may be stored and logged: bounded, in one line, and without addresses of people, which its
/// complaints repeat.
pub(super) fn quotable(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_control() || letter == ' ').filter(|word| !word.is_empty());
    let shown: Vec<&str> = words.map(|word| if word.contains('@') { "***" } else { word }).collect();
    shown.join(" ").chars().take(QUOTE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, json: Value) -> Answer {
        Answer { status, json: Some(json), request: "req_1".into() }
    }

    fn error(status: u16, kind: &str, code: &str) -> Answer {
        answer(status, json!({ "error": { "type": kind, "code": code, "message": "No." } }))
    }

    #[test]
    fn only_stripes_own_words_refuse() {
        let unknown = |status, code: &str| Failure::Unknown(Unheard::Unexpected { status, code: code.into() });
        let rejected =
            |code: &str| Failure::Refused(Refusal::Rejected { code: code.into(), text: "No. (req_1)".into() });
        for (answer, expected) in [
            (error(400, "invalid_request_error", "amount_too_small"), rejected("amount_too_small")),
            (error(402, "card_error", "card_declined"), rejected("card_declined")),
            (error(404, "invalid_request_error", "resource_missing"), rejected("resource_missing")),
            (error(401, "invalid_request_error", "api_key_expired"), Failure::Refused(Refusal::Credentials)),
            (error(403, "invalid_request_error", ""), Failure::Refused(Refusal::Credentials)),
            (error(429, "invalid_request_error", "rate_limit"), Failure::Refused(Refusal::Throttled)),
            (error(409, "idempotency_error", "idempotency_key_in_use"), unknown(409, "idempotency_key_in_use")),
            (answer(400, json!({ "error": { "type": "idempotency_error" } })), unknown(400, "idempotency_error")),
            (error(500, "api_error", "x"), unknown(500, "x")),
            (answer(403, json!({ "blocked": true })), unknown(403, "")),
            (answer(200, json!([])), unknown(200, "")),
        ] {
            assert_eq!(answer.failure(), expected, "{answer:?}");
        }
        let page = Answer { status: 403, json: None, request: String::new() };
        assert_eq!(page.failure(), Failure::Unknown(Unheard::NotJson(403)));
    }

    #[test]
    fn only_what_was_not_sent_is_certainly_not_made() {
        assert_eq!(failure(Silence::NotSent), Failure::Refused(Refusal::Unreachable));
        assert_eq!(failure(Silence::TimedOut), Failure::Unknown(Unheard::TimedOut));
        assert_eq!(failure(Silence::Broken), Failure::Unknown(Unheard::Broken));
    }

    #[test]
    fn an_identifier_is_found_alone_or_in_its_object_and_is_plain() {
        assert_eq!(id(&json!("pi_1")).as_deref(), Some("pi_1"));
        assert_eq!(id(&json!({ "id": "pi_1", "object": "payment_intent" })).as_deref(), Some("pi_1"));
        let long = "a".repeat(ID_LIMIT + 1);
        for value in [json!(null), json!(""), json!("../refunds"), json!("a b"), json!(7), json!({}), json!(long)] {
            assert_eq!(id(&value), None, "{value}");
        }
    }

    #[test]
    fn texts_are_bounded_and_name_nobody() {
        assert_eq!(quotable("Invalid email\naddress: a@b.example."), "Invalid email address: ***");
        assert_eq!(quotable(&"a".repeat(10_000)).len(), QUOTE_LIMIT);
        assert_eq!(code("card_declined <b>"), "card_declinedb");
        assert_eq!(code(&"9".repeat(1000)).len(), CODE_LIMIT);
    }

    #[test]
    fn a_path_stands_below_the_base_and_an_identifier_stays_one_segment() {
        for (base, expected) in [
            ("https://api.stripe.com", "https://api.stripe.com/v1/checkout/sessions/a%2Fb%3Fc"),
            ("http://127.0.0.1:9/stripe/", "http://127.0.0.1:9/stripe/v1/checkout/sessions/a%2Fb%3Fc"),
        ] {
            let settings = json!({ "secret_key": "sk_test_1", "webhook_secret": "whsec_1", "base_url": base });
            let settings: config::Stripe = serde_json::from_value(settings).expect("a valid section");
            let http = Http::new(&settings).expect("http");
            assert_eq!(http.url(&["v1", "checkout", "sessions", "a/b?c"]).as_str(), expected);
            assert!(!format!("{http:?}").contains("sk_test_1"));
        }
    }
}
