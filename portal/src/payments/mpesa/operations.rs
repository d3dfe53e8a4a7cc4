//! What an operator of the shortcode does: says where payments from the menu are reported, asks what became of a payment, and
//! gives one back.
//!
//! The last two need an initiator, so they are methods of an [`Operator`], which is there only where one is configured.
//! M-Pesa answers the call at once and the question later, at the addresses that go with it: [`Asked::Accepted`] says that
//! it was taken, never that it was done. A reversal whose outcome is not known is not repeated from here.

use serde_json::{Value, json};
use shared::config::Initiator;
use shared::money::{Currency, Money};

use super::credential::Key;
use super::{Answer, Failure, Mpesa, NoToken, short};
use crate::payments::{Refusal, Unheard};
use outgoing::Silence;

/// Characters that M-Pesa takes as remarks.
const REMARKS_LIMIT: usize = 100;
/// What kind of party a shortcode is.
const SHORTCODE_KIND: &str = "4";
/// The same for the receiver of a reversal.
const REVERSAL_RECEIVER_KIND: &str = "11";
/// Words that M-Pesa does not take in an address for payments from the menu.
const FORBIDDEN_WORDS: [&str; 8] = ["mpesa", "m-pesa", "safaricom", "exec", "exe", "cmd", "sql", "query"];

/// What became of asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// M-Pesa took the request. For a question, the answer comes later.
    Accepted {
        /// The name under which the answer comes; empty where M-Pesa gave none.
        conversation_id: String,
        /// A second name of it.
        originator_conversation_id: String,
    },
    /// Certainly nothing was done.
    Refused(Refusal),
    /// It may have been taken or not.
    Unknown(Unheard),
}

impl Asked {
    /// Its name in the metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Asked::Accepted { .. } => "ok",
            Asked::Refused(_) => "refused",
            Asked::Unknown(_) => "unknown",
        }
    }
}

/// What M-Pesa does with a payment that it cannot ask us about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// It goes through.
    Completed,
    /// It is refused.
    Cancelled,
}

/// Where an answer comes that M-Pesa sends later.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTo<'a> {
    /// The answer.
    pub result: &'a str,
    /// The news that M-Pesa did not come to it in time.
    pub timeout: &'a str,
}

/// An operator of the shortcode.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    mpesa: &'a Mpesa,
    initiator: &'a Initiator,
    key: &'a Key,
}

/// A word in an address that M-Pesa does not take there.
pub fn forbidden_word(url: &str) -> Option<&'static str> {
    let url = url.to_ascii_lowercase();
    FORBIDDEN_WORDS.into_iter().find(|word| url.contains(word))
}

impl Mpesa {
    /// Says where M-Pesa asks about, and reports, payments from the menu. In production it takes this once: what is there
    /// must be deleted at Safaricom's portal first.
    pub async fn register_urls(&self, validation: &str, confirmation: &str, unanswered: Unanswered) -> Asked {
        let body = json!({
            "ShortCode": self.settings.shortcode,
            "ResponseType": match unanswered {
                Unanswered::Completed => "Completed",
                Unanswered::Cancelled => "Cancelled",
            },
            "ConfirmationURL": confirmation,
            "ValidationURL": validation,
        });
        self.ask("/mpesa/c2b/v2/registerurl", &body).await
    }

    /// Who looks payments up and gives them back, where that is configured.
    pub fn operator(&self) -> Option<Operator<'_>> {
        let (initiator, key) = (self.settings.initiator.as_ref()?, self.key.as_ref()?);
        Some(Operator { mpesa: self, initiator, key })
    }

    async fn ask(&self, path: &str, body: &Value) -> Asked {
        match self.post(path, body).await {
            Err(Failure::Token(NoToken::Unreachable)) | Err(Failure::Silence(Silence::NotSent)) => {
                Asked::Refused(Refusal::Unreachable)
            }
            Err(Failure::Token(NoToken::Refused)) => Asked::Refused(Refusal::Credentials),
            Err(Failure::Token(NoToken::Throttled)) => Asked::Refused(Refusal::Throttled),
            Err(Failure::Silence(Silence::TimedOut)) => Asked::Unknown(Unheard::TimedOut),
            Err(Failure::Silence(Silence::Broken)) => Asked::Unknown(Unheard::Broken),
            Ok(answer) => read_asked(&answer),
        }
    }
}

impl Operator<'_> {
    /// Asks what became of the payment with this receipt.
    pub async fn transaction_status(&self, receipt: &str, answer_to: AnswerTo<'_>) -> Asked {
        self.status_of(("TransactionID", receipt), receipt, answer_to).await
    }

    /// Asks what became of a request that M-Pesa took under this name, about the payment with that receipt.
    pub async fn request_status(&self, originator: &str, receipt: &str, answer_to: AnswerTo<'_>) -> Asked {
        self.status_of(("OriginatorConversationID", originator), receipt, answer_to).await
    }

    /// `of`: the field that names what is asked about, and its value.
    async fn status_of(&self, of: (&str, &str), occasion: &str, answer_to: AnswerTo<'_>) -> Asked {
        let Ok(credential) = self.key.encrypt(self.initiator.password.expose()) else {
            return Asked::Refused(Refusal::Credentials);
        };
        let (field, value) = of;
        let body = json!({
            "Initiator": self.initiator.name,
            "SecurityCredential": credential,
            "CommandID": "TransactionStatusQuery",
            field: value,
            "PartyA": self.mpesa.settings.shortcode,
            "IdentifierType": SHORTCODE_KIND,
            "ResultURL": answer_to.result,
            "QueueTimeOutURL": answer_to.timeout,
            "Remarks": "Check of a payment",
            "Occasion": occasion,
        });
        self.mpesa.ask("/mpesa/transactionstatus/v1/query", &body).await
    }

    /// Asks that the payment with this receipt goes back to its payer, all of it or a part.
    pub async fn reverse(&self, receipt: &str, amount: Money, remarks: &str, answer_to: AnswerTo<'_>) -> Asked {
        let whole = amount.whole_units().filter(|_| amount.currency == Currency::KES);
        let Some(whole) = whole.filter(|&whole| whole > 0) else { return Asked::Refused(Refusal::NotChargeable) };
        let Ok(credential) = self.key.encrypt(self.initiator.password.expose()) else {
            return Asked::Refused(Refusal::Credentials);
        };
        let body = json!({
            "Initiator": self.initiator.name,
            "SecurityCredential": credential,
            "CommandID": "TransactionReversal",
            "TransactionID": receipt,
            "Amount": whole,
            "ReceiverParty": self.mpesa.settings.shortcode,
            // The spelling is M-Pesa's.
            "RecieverIdentifierType": REVERSAL_RECEIVER_KIND,
            "ResultURL": answer_to.result,
            "QueueTimeOutURL": answer_to.timeout,
            "Remarks": short(remarks, REMARKS_LIMIT),
            "Occasion": receipt,
        });
        self.mpesa.ask("/mpesa/reversal/v1/request", &body).await
    }
}

fn read_asked(answer: &Answer) -> Asked {
    if let Some(code) = answer.field("ResponseCode").filter(|_| answer.status == 200) {
        // C2B answers with eight zeros at times.
        if code.bytes().all(|digit| digit == b'0') {
            // One of the two spellings is M-Pesa's.
            let originator = ["OriginatorConversationID", "OriginatorCoversationID"];
            return Asked::Accepted {
                conversation_id: answer.field("ConversationID").unwrap_or_default(),
                originator_conversation_id: originator
                    .into_iter()
                    .find_map(|name| answer.field(name))
                    .unwrap_or_default(),
            };
        }
        let text = answer.field("ResponseDescription").unwrap_or_default();
        return Asked::Refused(Refusal::Rejected { code, text });
    }
    if answer.is_throttled() {
        return Asked::Refused(Refusal::Throttled);
    }
    if answer.refuses_token() {
        return Asked::Refused(Refusal::Credentials);
    }
    match answer.error_code() {
        Some(code) if answer.status < 500 && code.starts_with('4') => {
            Asked::Refused(Refusal::Rejected { code, text: answer.error_text() })
        }
        // A 5xx may come from something behind which the request went on.
        _ => Asked::Unknown(answer.unheard()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
    use axum::extract::State;
    use axum::http::{StatusCode, Uri};
    use axum::response::{IntoResponse as _, Response};
    use axum::{Json, Router};
    use shared::time::Clock;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, json: serde_json::from_str(body).ok() }
    }

    #[test]
    fn every_answer_to_a_question_is_one_of_three_things() {
        let accepted = |conversation: &str, originator: &str| Asked::Accepted {
            conversation_id: conversation.into(),
            originator_conversation_id: originator.into(),
        };
        let rejected =
            |code: &str, text: &str| Asked::Refused(Refusal::Rejected { code: code.to_owned(), text: text.to_owned() });
        for (status, body, expected) in [
            (
                200,
                r#"{"OriginatorConversationID":"1-2-1","ConversationID":"AG_1","ResponseCode":"0","ResponseDescription":"ok"}"#,
                accepted("AG_1", "1-2-1"),
            ),
            (
                200,
                r#"{"OriginatorCoversationID":"7619-1","ResponseCode":"0","ResponseDescription":"success"}"#,
                accepted("", "7619-1"),
            ),
            (200, r#"{"ResponseCode":"00000000"}"#, accepted("", "")),
            (200, r#"{"ResponseCode":0}"#, accepted("", "")),
            (200, r#"{"ResponseCode":"21","ResponseDescription":"no"}"#, rejected("21", "no")),
            (400, r#"{"errorCode":"400.002.02","errorMessage":"Bad Request"}"#, rejected("400.002.02", "Bad Request")),
            (401, r#"{"errorCode":"401.002.01"}"#, Asked::Refused(Refusal::Credentials)),
            (429, "{}", Asked::Refused(Refusal::Throttled)),
            (
                500,
                r#"{"errorCode":"500.003.1001","errorMessage":"Urls are already registered"}"#,
                Asked::Unknown(Unheard::Unexpected { status: 500, code: "500.003.1001".into() }),
            ),
            (200, "<html>", Asked::Unknown(Unheard::NotJson(200))),
        ] {
            assert_eq!(read_asked(&answer(status, body)), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_address_with_a_forbidden_word_is_found() {
        assert_eq!(forbidden_word("https://wifi.example/webhooks/c2b/00ff/confirmation"), None);
        assert_eq!(forbidden_word("https://MPESA.example/x"), Some("mpesa"));
        assert_eq!(forbidden_word("https://wifi.example/execute"), Some("exec"));
        assert_eq!(forbidden_word("https://hexenwald.example/x"), Some("exe"));
    }

    /// A server that takes everything, and remembers it.
    type Heard = Arc<Mutex<Vec<(String, Value)>>>;

    async fn hear(State(heard): State<Heard>, uri: Uri, body: String) -> Response {
        if uri.path() == "/oauth/v1/generate" {
            return Json(json!({ "access_token": "t", "expires_in": "3599" })).into_response();
        }
        let Ok(body) = serde_json::from_str(&body) else { return StatusCode::BAD_REQUEST.into_response() };
        heard.lock().expect("no panic before").push((uri.path().to_owned(), body));
        Json(json!({ "ConversationID": "AG_1", "OriginatorConversationID": "o", "ResponseCode": "0" })).into_response()
    }

    async fn mpesa() -> (Mpesa, Heard) {
        let heard = Heard::default();
        let routes = Router::new().fallback(hear).with_state(Arc::clone(&heard));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let settings = json!({ "base_url": base, "consumer_key": "k", "consumer_secret": "s", "shortcode": "600638", "passkey": "key" });
        let settings: shared::config::Mpesa = serde_json::from_value(settings).expect("a valid section");
        let mut mpesa = Mpesa::new(&settings, Clock::system()).expect("http");
        assert!(mpesa.operator().is_none(), "there is no initiator");
        let initiator = json!({ "name": "api", "password": "hunter2", "certificate": "/nowhere" });
        mpesa.settings.initiator = Some(serde_json::from_value(initiator).expect("a valid section"));
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
        mpesa.key = Some(Key::of_public(&private.public_key()));
        (mpesa, heard)
    }

    fn last(heard: &Heard) -> (String, Value) {
        heard.lock().expect("no panic before").last().cloned().expect("something was heard")
    }

    #[tokio::test]
    async fn requests_have_daraja_s_fields_and_never_the_password() {
        let (mpesa, heard) = mpesa().await;
        let operator = mpesa.operator().expect("an initiator");
        let answer_to = AnswerTo { result: "https://x/r", timeout: "https://x/r/timeout" };
        let taken = Asked::Accepted { conversation_id: "AG_1".into(), originator_conversation_id: "o".into() };
        assert_eq!(operator.transaction_status("RKTQDM7W6S", answer_to).await, taken);
        let (path, status) = last(&heard);
        assert_eq!(path, "/mpesa/transactionstatus/v1/query");
        assert_eq!((&status["TransactionID"], &status["PartyA"]), (&json!("RKTQDM7W6S"), &json!("600638")));
        assert_eq!(
            (&status["ResultURL"], &status["QueueTimeOutURL"]),
            (&json!("https://x/r"), &json!("https://x/r/timeout"))
        );
        assert_eq!(status["SecurityCredential"].as_str().map(str::len), Some(344), "256 octets in base64");
        assert_eq!(operator.request_status("1-2-1", "RKTQDM7W6S", answer_to).await, taken);
        let (_, of_request) = last(&heard);
        assert_eq!(
            (&of_request["OriginatorConversationID"], &of_request["TransactionID"]),
            (&json!("1-2-1"), &json!(null))
        );
        assert_eq!(operator.reverse("RKTQDM7W6S", Money::kes(2000), "Paid twice", answer_to).await, taken);
        let (path, reversal) = last(&heard);
        assert_eq!(path, "/mpesa/reversal/v1/request");
        assert_eq!((&reversal["Amount"], &reversal["RecieverIdentifierType"]), (&json!(20), &json!("11")));
        assert_eq!(reversal["Remarks"], "Paid twice");
        assert!(![status, reversal].iter().any(|body| body.to_string().contains("hunter2")));
        let cents = operator.reverse("RKTQDM7W6S", Money::kes(2050), "", answer_to).await;
        assert_eq!(cents, Asked::Refused(Refusal::NotChargeable));
    }

    #[tokio::test]
    async fn addresses_are_registered_in_their_places() {
        let (mpesa, heard) = mpesa().await;
        mpesa.register_urls("https://x/v", "https://x/c", Unanswered::Completed).await;
        let (path, body) = last(&heard);
        assert_eq!(path, "/mpesa/c2b/v2/registerurl");
        let expected = json!({ "ShortCode": "600638", "ResponseType": "Completed", "ConfirmationURL": "https://x/c", "ValidationURL": "https://x/v" });
        assert_eq!(body, expected);
    }
}
