//! The Daraja client: Safaricom's interface to M-Pesa.
//!
//! Two questions, [`Mpesa::push`] (ask this phone for the PIN) and [`Mpesa::query`] (what came of that prompt), behind
//! one access token that is fetched by one request at a time, kept for fifty minutes, and fetched anew once when M-Pesa
//! refuses it. Every answer becomes a [`Push`] or a [`Query`]; what is not understood is [`Unheard`], never a failure.
//!
//! The client knows no order and no database, never repeats a push whose outcome it does not know (there is no
//! idempotency key: the phone would ring twice), and follows no redirect. [`operations`] has what an operator of the
//! shortcode does, with [`credential`] for its password; [`result`] reads what M-Pesa answers to that later.

mod credential;
pub mod operations;
pub mod result;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use shared::config;
use shared::money::{Currency, Money};
use shared::phone::Phone;
use shared::time::{Clock, OffsetDateTime};
use time::UtcOffset;
use tokio::sync::Mutex;

use self::credential::Key;
pub use self::credential::Unfit;
use super::callback::plain;
use super::{Push, Query, Refusal, Unheard};
use outgoing::{self, Silence};

/// M-Pesa's tokens live an hour; a token that may end on the way is not used.
const TOKEN_KEPT: Duration = Duration::from_secs(50 * 60);
/// Largest answer that is read, in octets. Real ones have a few hundred.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Characters that M-Pesa takes as TransactionDesc; a longer one makes the prompt fail.
const DESCRIPTION_LIMIT: usize = 13;
/// Characters that M-Pesa takes as AccountReference.
const REFERENCE_LIMIT: usize = 12;
/// Daraja's time stamps are East Africa Time, wherever the server stands.
pub(super) const EAST_AFRICA: UtcOffset = match UtcOffset::from_hms(3, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};
/// The codes by which M-Pesa says that the access token is not good: three, with three HTTP statuses.
const TOKEN_CODES: [&str; 3] = ["400.003.01", "401.002.01", "404.001.03"];
/// On a push: busy line or unknown shop. On a query: still being processed.
const OVERLOADED_CODE: &str = "500.001.1001";
/// Query result while the customer has not decided.
const PENDING_RESULT: &str = "4999";
/// Too many requests: by rate, and by quota.
const THROTTLED_CODES: [&str; 2] = ["500.003.02", "500.003.03"];

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Neither http nor https.
    #[error("mpesa.base_url must begin with https:// (or http:// for a simulator)")]
    NotHttp,
    /// TLS or the resolver cannot be prepared.
    #[error("the M-Pesa client cannot be prepared: {0}")]
    Client(#[from] reqwest::Error),
    /// The file of the certificate cannot be read.
    #[error("mpesa.initiator.certificate: {path} cannot be read: {source}")]
    CertificateFile {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate is of no use.
    #[error("mpesa.initiator.certificate: {0}")]
    Certificate(#[from] Unfit),
}

/// A prompt to be sent.
#[derive(Clone, Debug)]
pub struct Prompt<'a> {
    /// Whose phone is asked.
    pub phone: &'a Phone,
    /// For how much.
    pub amount: Money,
    /// What the phone shows as account: the order's code.
    pub reference: &'a str,
    /// A word on what is bought.
    pub description: &'a str,
    /// Where the outcome is reported.
    pub callback: &'a str,
}

/// The client. One per process.
#[derive(Debug)]
pub struct Mpesa {
    http: Client,
    settings: config::Mpesa,
    clock: Clock,
    token: Mutex<Option<Token>>,
    /// For the initiator's password, where there is an initiator.
    key: Option<Key>,
}

struct Token {
    text: String,
    fetched: Duration,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Why there is no token; in no case was a phone asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NoToken {
    Unreachable,
    Refused,
    Throttled,
}

/// An answer with its JSON, if it was JSON.
struct Answer {
    status: u16,
    json: Option<Value>,
}

impl Mpesa {
    /// Prepares the client; nothing is sent.
    ///
    /// # Errors
    /// When the base URL is not http or https, or the initiator's certificate cannot be used.
    pub fn new(settings: &config::Mpesa, clock: Clock) -> Result<Mpesa, SetupError> {
        match settings.base_url.scheme() {
            "https" => {}
            "http" => {
                tracing::warn!(base = %settings.base_url, "M-Pesa is reached without TLS: right for a simulator only")
            }
            _ => return Err(SetupError::NotHttp),
        }
        let http = outgoing::client(settings.timeout(), settings.timeout())?;
        let key = settings.initiator.as_ref().map(Key::of).transpose()?;
        Ok(Mpesa { http, settings: settings.clone(), clock, token: Mutex::new(None), key })
    }

    /// The longest that a push or a query takes: a token, a request, and both once more.
    pub fn longest(&self) -> Duration {
        self.settings.timeout() * 4
    }

    /// The moment of the `asked`-th question about a payment that was made at `from`; the last delay repeats.
    pub fn next_query(&self, from: OffsetDateTime, asked: u32, now: OffsetDateTime) -> OffsetDateTime {
        let delays = &self.settings.query_after_seconds;
        let at = match delays.get(asked as usize) {
            Some(&delay) => from + Duration::from_secs(u64::from(delay)),
            None => now + Duration::from_secs(u64::from(delays.last().copied().unwrap_or(60))),
        };
        at.max(now + Duration::from_secs(1))
    }

    /// Asks a phone for the PIN.
    pub async fn push(&self, prompt: &Prompt<'_>) -> Push {
        let whole = prompt.amount.whole_units().filter(|_| prompt.amount.currency == Currency::KES);
        let Some(amount) = whole.filter(|&amount| amount > 0) else { return Push::Refused(Refusal::NotChargeable) };
        let (timestamp, password) = self.stamp();
        let settings = &self.settings;
        let body = json!({
            "BusinessShortCode": settings.shortcode,
            "Password": password,
            "Timestamp": timestamp,
            "TransactionType": settings.transaction_type,
            "Amount": amount,
            "PartyA": prompt.phone.msisdn(),
            "PartyB": settings.party_b.as_deref().unwrap_or(&settings.shortcode),
            "PhoneNumber": prompt.phone.msisdn(),
            "CallBackURL": prompt.callback,
            "AccountReference": short(prompt.reference, REFERENCE_LIMIT),
            "TransactionDesc": short(prompt.description, DESCRIPTION_LIMIT),
        });
        match self.post("/mpesa/stkpush/v1/processrequest", &body).await {
            Err(Failure::Token(NoToken::Unreachable)) | Err(Failure::Silence(Silence::NotSent)) => {
                Push::Refused(Refusal::Unreachable)
            }
            Err(Failure::Token(NoToken::Refused)) => Push::Refused(Refusal::Credentials),
            Err(Failure::Token(NoToken::Throttled)) => Push::Refused(Refusal::Throttled),
            Err(Failure::Silence(Silence::TimedOut)) => Push::Unknown(Unheard::TimedOut),
            Err(Failure::Silence(Silence::Broken)) => Push::Unknown(Unheard::Broken),
            Ok(answer) => read_push(&answer),
        }
    }

    /// Asks what came of a prompt.
    pub async fn query(&self, checkout_request_id: &str) -> Query {
        let (timestamp, password) = self.stamp();
        let body = json!({
            "BusinessShortCode": self.settings.shortcode,
            "Password": password,
            "Timestamp": timestamp,
            "CheckoutRequestID": checkout_request_id,
        });
        match self.post("/mpesa/stkpushquery/v1/query", &body).await {
            Err(Failure::Token(_)) => Query::Unknown(Unheard::NoToken),
            Err(Failure::Silence(Silence::TimedOut)) => Query::Unknown(Unheard::TimedOut),
            Err(Failure::Silence(_)) => Query::Unknown(Unheard::Broken),
            Ok(answer) => read_query(&answer),
        }
    }

    /// The time stamp and the password made with it.
    fn stamp(&self) -> (String, String) {
        let timestamp = timestamp(self.clock.now());
        let plain = format!("{}{}{timestamp}", self.settings.shortcode, self.settings.passkey.expose());
        (timestamp, STANDARD.encode(plain))
    }

    /// Posts with a token, and once more with a new one if M-Pesa does not accept it.
    async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let token = self.token(None).await.map_err(Failure::Token)?;
        let answer = self.send(self.http.post(self.url(path)).bearer_auth(&token).json(body)).await?;
        if !answer.refuses_token() {
            return Ok(answer);
        }
        let token = self.token(Some(&token)).await.map_err(Failure::Token)?;
        Ok(self.send(self.http.post(self.url(path)).bearer_auth(&token).json(body)).await?)
    }

    /// The token, fetched if there is none, it is old, or it is the one that was `refused`. The lock is held while it
    /// is fetched, so that many requests at once fetch one.
    async fn token(&self, refused: Option<&str>) -> Result<String, NoToken> {
        let mut kept = self.token.lock().await;
        let now = self.clock.monotonic();
        if let Some(token) = kept.as_ref() {
            let fresh = now.saturating_sub(token.fetched) < TOKEN_KEPT;
            if fresh && refused != Some(token.text.as_str()) {
                return Ok(token.text.clone());
            }
        }
        *kept = None;
        let settings = &self.settings;
        let request = self
            .http
            .get(self.url("/oauth/v1/generate"))
            .query(&[("grant_type", "client_credentials")])
            .basic_auth(settings.consumer_key.expose(), Some(settings.consumer_secret.expose()));
        // Whatever goes wrong here, no phone was asked; only M-Pesa's own refusal is about our key.
        let answer = self.send(request).await.map_err(|_| NoToken::Unreachable)?;
        match answer.field("access_token") {
            Some(text) if answer.status == 200 => {
                *kept = Some(Token { text: text.clone(), fetched: now });
                Ok(text)
            }
            _ if answer.status == 429 => Err(NoToken::Throttled),
            _ if (400..500).contains(&answer.status) => Err(NoToken::Refused),
            _ => Err(NoToken::Unreachable),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url.as_str().trim_end_matches('/'))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Silence> {
        let response = request.send().await?;
        let (status, is_json) = (response.status().as_u16(), outgoing::is_json(&response));
        let body = outgoing::body(response, ANSWER_LIMIT).await?;
        let json = is_json.then(|| serde_json::from_slice(&body).ok()).flatten();
        Ok(Answer { status, json })
    }
}

/// Why there is no answer.
enum Failure {
    Token(NoToken),
    Silence(Silence),
}

impl From<Silence> for Failure {
    fn from(silence: Silence) -> Failure {
        Failure::Silence(silence)
    }
}

impl Answer {
    fn field(&self, name: &str) -> Option<String> {
        self.json.as_ref()?.get(name).and_then(plain)
    }

    /// The code of either error envelope: Daraja's own, or the gateway's in front of it.
    fn error_code(&self) -> Option<String> {
        self.field("errorCode").or_else(|| self.json.as_ref()?.pointer("/fault/detail/errorcode").and_then(plain))
    }

    fn error_text(&self) -> String {
        self.field("errorMessage")
            .or_else(|| self.json.as_ref()?.pointer("/fault/faultstring").and_then(plain))
            .unwrap_or_default()
    }

    fn refuses_token(&self) -> bool {
        self.status == 401 || self.error_code().is_some_and(|code| TOKEN_CODES.contains(&code.as_str()))
    }

    fn is_throttled(&self) -> bool {
        let by_code = |code: String| THROTTLED_CODES.contains(&code.as_str()) || code.starts_with("policies.ratelimit");
        self.status == 429 || self.error_code().is_some_and(by_code)
    }

    fn unheard(&self) -> Unheard {
        match &self.json {
            None => Unheard::NotJson(self.status),
            Some(_) => {
                let code = self.error_code().or_else(|| self.field("ResponseCode")).unwrap_or_default();
                Unheard::Unexpected { status: self.status, code }
            }
        }
    }
}

fn read_push(answer: &Answer) -> Push {
    if let Some(code) = answer.field("ResponseCode").filter(|_| answer.status == 200) {
        let references = (answer.field("MerchantRequestID"), answer.field("CheckoutRequestID"));
        return match references {
            (merchant, Some(checkout_request_id)) if code == "0" => {
                Push::Prompted { merchant_request_id: merchant.unwrap_or_default(), checkout_request_id }
            }
            // Accepted, but without a reference it cannot be asked about.
            _ if code == "0" => Push::Unknown(answer.unheard()),
            _ => {
                let text = answer.field("ResponseDescription").unwrap_or_default();
                Push::Refused(Refusal::Rejected { code, text })
            }
        };
    }
    if answer.is_throttled() {
        return Push::Refused(Refusal::Throttled);
    }
    if answer.refuses_token() {
        return Push::Refused(Refusal::Credentials);
    }
    match answer.error_code() {
        Some(code) if code == OVERLOADED_CODE => Push::Refused(Refusal::Busy),
        Some(code) if answer.status < 500 && code.starts_with('4') => {
            Push::Refused(Refusal::Rejected { code, text: answer.error_text() })
        }
        // A 5xx may come from something behind which the request went on.
        _ => Push::Unknown(answer.unheard()),
    }
}

fn read_query(answer: &Answer) -> Query {
    if let Some(code) = answer.field("ResultCode").filter(|_| answer.status == 200) {
        return match code.as_str() {
            "0" => Query::Paid { receipt: None, amount: None, charge: None },
            PENDING_RESULT => Query::Pending,
            _ => Query::Ended { code, text: answer.field("ResultDesc").unwrap_or_default() },
        };
    }
    match answer.error_code() {
        Some(code) if code == OVERLOADED_CODE => Query::Pending,
        _ => Query::Unknown(answer.unheard()),
    }
}

/// `YYYYMMDDHHmmss` in East Africa Time.
fn timestamp(now: OffsetDateTime) -> String {
    let at = now.to_offset(EAST_AFRICA);
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// At most `limit` characters, all plain: letters, digits, spaces, dashes.
fn short(text: &str, limit: usize) -> String {
    let plain = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-'));
    plain.take(limit).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests;
