//! The HTTP of Xero: one request, one answer, within bounds of time and size, and what an answer means.
//!
//! Every request names the organisation (`xero-tenant-id`; the identifier of the connection, which Xero gives beside it, is another) and
//! asks for JSON, without which XML comes. No redirect is followed. What an answer means is decided without a connection ([`Answer::judged`]):
//! a change that broke off, was not answered in time or met an error of Xero's own may have been made, a question may be asked again.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::heard;
use crate::connector::{Access, Trouble};
use outgoing::{self, Silence};

/// The header that names the organisation.
const TENANT: &str = "xero-tenant-id";
/// The header under which Xero keeps its answer for some minutes.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Longest value of it that Xero takes.
const IDEMPOTENCY_MAX: usize = 128;
/// The header that says which number is used up: `minute`, `day`, `appminute`, `concurrent`.
const PROBLEM: &str = "x-rate-limit-problem";
/// The header that says what is left of the day.
const LEFT: &str = "x-daylimit-remaining";
/// Largest answer that is read, in octets. A page of a hundred invoices with their lines has about one million.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// What was wanted of Xero, which decides what silence means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// To know something.
    Know,
    /// To have something made or changed.
    Change,
}

/// A client of Xero.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
}

/// An answer with its JSON, if it was JSON, and what its headers say of limits and of who may ask.
#[derive(Debug, Default)]
pub(super) struct Answer {
    status: u16,
    json: Option<Value>,
    wait: Option<Duration>,
    is_daily: bool,
    /// Whether the grant does not reach so far: a new token would not either.
    is_out_of_scope: bool,
}

impl Http {
    /// Prepares the client; nothing is sent.
    pub(super) fn new(base: Url, timeout: Duration) -> reqwest::Result<Http> {
        // Half of it, so that a Xero that cannot be reached is known to have heard nothing.
        Ok(Http { client: outgoing::client(timeout / 2, timeout)?, base })
    }

    /// Asks something.
    pub(super) async fn ask(
        &self,
        access: &Access<'_>,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Trouble> {
        let request = self.request(Method::GET, access, path).query(query);
        send(request, access, Wish::Know).await
    }

    /// Has something made or changed. The same key with the same body is made once, for some minutes.
    pub(super) async fn change(
        &self,
        access: &Access<'_>,
        (method, path): (Method, &[&str]),
        body: &Value,
        key: Option<&str>,
    ) -> Result<Value, Trouble> {
        let mut request = self.request(method.clone(), access, path).json(body);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, idempotency(key, body));
        }
        // Only where lists are made: of one thing alone the description knows no such word.
        if method == Method::PUT {
            request = request.query(&[("summarizeErrors", "false")]);
        }
        send(request, access, Wish::Change).await
    }

    fn request(&self, method: Method, access: &Access<'_>, path: &[&str]) -> RequestBuilder {
        let url = below(access.base.unwrap_or(&self.base), path);
        let request = self.client.request(method, url).bearer_auth(access.token);
        request.header(TENANT, access.organisation).header(ACCEPT, "application/json")
    }
}

/// Each part is one segment, whatever it holds: an identifier cannot lead to another path.
fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["api.xro", "2.0"]).extend(path);
    }
    url
}

/// The key under which Xero keeps its answer. It has the body in it: told again as it was it is the same; told otherwise, after a choice of the
/// operator's was mended, it is another, so that a refusal that Xero has kept does not come back.
fn idempotency(key: &str, body: &Value) -> String {
    // FNV-1a: not secret, only different for what is different.
    let digest = body
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let key: String = key.chars().filter(char::is_ascii_graphic).take(IDEMPOTENCY_MAX - 17).collect();
    format!("{key}-{digest:016x}")
}

async fn send(request: RequestBuilder, access: &Access<'_>, wish: Wish) -> Result<Value, Trouble> {
    access.count();
    match heard(request).await {
        Ok(answer) => answer.judged(wish),
        Err(silence) => Err(unheard(silence, wish)),
    }
}

async fn heard(request: RequestBuilder) -> Result<Answer, Silence> {
    let response = request.send().await?;
    let (status, is_json) = (response.status().as_u16(), outgoing::is_json(&response));
    let mut answer = Answer { status, ..Answer::limits(response.headers()) };
    let left = text(response.headers(), LEFT).to_owned();
    let name = text(response.headers(), "xero-correlation-id").to_owned();
    let body = outgoing::body(response, ANSWER_LIMIT).await?;
    tracing::debug!(status, correlation = %name, left_of_day = %left, octets = body.len(), "Xero has answered");
    answer.json = is_json.then(|| serde_json::from_slice(&body).ok()).flatten();
    Ok(answer)
}

/// What it means that no answer came.
fn unheard(silence: Silence, wish: Wish) -> Trouble {
    match (silence, wish) {
        (Silence::NotSent, _) => Trouble::Away("Xero cannot be reached".to_owned()),
        (Silence::TimedOut, Wish::Know) => Trouble::Away("Xero did not answer in time".to_owned()),
        (Silence::Broken, Wish::Know) => Trouble::Away("Xero's answer broke off".to_owned()),
        (Silence::TimedOut, Wish::Change) => Trouble::Unknown("Xero did not answer in time".to_owned()),
        (Silence::Broken, Wish::Change) => Trouble::Unknown("Xero's answer broke off".to_owned()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Answer {
    fn limits(headers: &HeaderMap) -> Answer {
        let wait = text(headers, RETRY_AFTER.as_str()).trim().parse().ok().map(Duration::from_secs);
        let problem = text(headers, PROBLEM).to_ascii_lowercase();
        let is_daily = problem.contains("day") || problem.contains("daily") || text(headers, LEFT).trim() == "0";
        let is_out_of_scope = text(headers, "www-authenticate").contains("insufficient_scope");
        Answer { wait, is_daily, is_out_of_scope, ..Answer::default() }
    }

    /// What it means.
    fn judged(self, wish: Wish) -> Result<Value, Trouble> {
        let remark = heard::remark(self.json.as_ref());
        let said = |otherwise: &str| remark.clone().unwrap_or_else(|| otherwise.to_owned());
        // Xero has one word for a token that is over and another for one that does not reach so far.
        let is_out_of_scope = self.is_out_of_scope || remark.as_deref() == Some("AuthorizationUnsuccessful");
        match self.status {
            200..=299 => self.done(wish),
            401 if is_out_of_scope => {
                Err(Trouble::Reconnect("the permission that Xero gave does not reach so far".to_owned()))
            }
            401 => Err(Trouble::Expired),
            403 => Err(Trouble::Reconnect(said("Xero lets us into this organisation no more"))),
            429 => Err(Trouble::TooMany { wait: self.wait, is_daily: self.is_daily }),
            // Of these a change may have been made: an error of Xero's own, a time that ran out there, the same key under way.
            408 | 409 | 500.. | ..=199 | 300..=399 => Err(unsure(format!("Xero answered {}", self.status), wish)),
            400..=499 => Err(self.refused()),
        }
    }

    fn done(self, wish: Wish) -> Result<Value, Trouble> {
        let Some(json) = self.json else { return Err(unsure("Xero's answer is no JSON".to_owned(), wish)) };
        let faults = if wish == Wish::Change { heard::faults(&json) } else { Vec::new() };
        if faults.is_empty() { Ok(json) } else { Err(refusal(&faults)) }
    }

    fn refused(self) -> Trouble {
        let faults = self.json.as_ref().map(heard::faults).unwrap_or_default();
        if !faults.is_empty() {
            return refusal(&faults);
        }
        let remark = heard::remark(self.json.as_ref());
        Trouble::Refused(remark.unwrap_or_else(|| format!("Xero answered {} and no reason", self.status)))
    }
}

/// All that Xero has against it, in its words, which are for people.
fn refusal(faults: &[String]) -> Trouble {
    if faults.iter().any(|fault| fault.to_ascii_lowercase().contains("must be unique")) {
        return Trouble::Duplicate;
    }
    Trouble::Refused(heard::quoted(&faults.join(" ")))
}

/// What is not known of an answer, for a question and for a change.
pub(super) fn unsure(why: String, wish: Wish) -> Trouble {
    match wish {
        Wish::Know => Trouble::Away(why),
        Wish::Change => Trouble::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, json: Value) -> Answer {
        Answer { status, json: Some(json), ..Answer::default() }
    }

    fn refused(words: &str) -> Trouble {
        Trouble::Refused(words.to_owned())
    }

    #[test]
    fn what_is_wrong_is_told_in_xeros_sentences() {
        let wrong = |errors: Value| {
            json!({ "ErrorNumber": 10, "Type": "ValidationException",
            "Message": "A validation exception occurred", "Elements": [{ "ValidationErrors": errors,
            "LineItems": [{ "ValidationErrors": [{ "Message": "Account code '999' is not a valid code." }] }] }] })
        };
        let two =
            json!([{ "Message": "Account code '999' is not a valid code." }, { "Message": "The date\nis locked." }]);
        let words = "Account code '999' is not a valid code. The date is locked.";
        assert_eq!(answer(400, wrong(two)).judged(Wish::Change), Err(refused(words)));
        let number = wrong(json!([{ "Message": "Invoice # must be unique." }]));
        assert_eq!(answer(400, number).judged(Wish::Change), Err(Trouble::Duplicate));
        let bare = json!({ "ErrorNumber": 17, "Type": "PostDataInvalidException", "Message": "Cannot be read" });
        assert_eq!(answer(400, bare).judged(Wish::Change), Err(refused("Cannot be read")));
        let silent = Answer { status: 404, ..Answer::default() };
        assert_eq!(silent.judged(Wish::Know), Err(refused("Xero answered 404 and no reason")));
    }

    #[test]
    fn an_error_is_one_though_the_answer_is_200() {
        let marked = |item: Value| answer(200, json!({ "Status": "OK", "Invoices": [item] })).judged(Wish::Change);
        let error = json!({ "StatusAttributeString": "ERROR", "HasErrors": true,
                            "ValidationErrors": [{ "Message": "A Contact must be specified" }] });
        assert_eq!(marked(error), Err(refused("A Contact must be specified")));
        assert_eq!(marked(json!({ "HasErrors": true })), Err(refused("Xero does not say why")));
        let taken = json!({ "StatusAttributeString": "OK", "HasErrors": false, "ValidationErrors": [],
                            "LineItems": [{ "ValidationErrors": [] }], "Warnings": [{ "Message": "No tax" }] });
        assert!(marked(taken).is_ok());
    }

    #[test]
    fn what_may_have_been_done_is_not_said_to_be_undone() {
        for status in [302, 408, 409, 500, 502, 503, 504] {
            let answered = |wish| answer(status, json!({ "Message": "?" })).judged(wish);
            assert!(matches!(answered(Wish::Change), Err(Trouble::Unknown(_))), "{status}");
            assert!(matches!(answered(Wish::Know), Err(Trouble::Away(_))), "{status}");
        }
        let page = || Answer { status: 200, ..Answer::default() };
        assert!(matches!(page().judged(Wish::Change), Err(Trouble::Unknown(_))));
        assert!(matches!(page().judged(Wish::Know), Err(Trouble::Away(_))));
        assert!(matches!(unheard(Silence::NotSent, Wish::Change), Trouble::Away(_)));
        for silence in [Silence::TimedOut, Silence::Broken] {
            assert!(matches!(unheard(silence, Wish::Change), Trouble::Unknown(_)));
            assert!(matches!(unheard(silence, Wish::Know), Trouble::Away(_)));
        }
    }

    #[test]
    fn who_may_not_ask_is_told_apart() {
        let title = |detail: &str| json!({ "Title": "Unauthorized", "Status": 401, "Detail": detail });
        let over = answer(401, title("TokenExpired: token expired at 11/22/2026 10:00:00"));
        assert_eq!(over.judged(Wish::Know), Err(Trouble::Expired));
        let narrow = answer(401, title("AuthorizationUnsuccessful")).judged(Wish::Know);
        assert!(matches!(narrow, Err(Trouble::Reconnect(_))));
        let narrow = Answer { status: 401, is_out_of_scope: true, ..Answer::default() }.judged(Wish::Know);
        assert!(matches!(narrow, Err(Trouble::Reconnect(_))));
        let gone =
            answer(403, json!({ "Title": "Forbidden", "Detail": "AuthenticationUnsuccessful" })).judged(Wish::Change);
        assert_eq!(gone, Err(Trouble::Reconnect("AuthenticationUnsuccessful".into())));
    }

    #[test]
    fn too_many_says_how_long_to_wait_and_whether_the_day_is_over() {
        let judged = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
            Answer { status: 429, ..Answer::limits(&headers.collect()) }.judged(Wish::Change)
        };
        let too_many =
            |wait: Option<u64>, is_daily| Err(Trouble::TooMany { wait: wait.map(Duration::from_secs), is_daily });
        assert_eq!(judged(&[("x-rate-limit-problem", "minute"), ("retry-after", "17")]), too_many(Some(17), false));
        assert_eq!(judged(&[("x-rate-limit-problem", "day"), ("retry-after", "40000")]), too_many(Some(40_000), true));
        assert_eq!(judged(&[("x-rate-limit-problem", "concurrent")]), too_many(None, false));
        assert_eq!(judged(&[("x-daylimit-remaining", "0")]), too_many(None, true));
        assert_eq!(judged(&[("retry-after", "soon")]), too_many(None, false));
    }

    #[test]
    fn a_key_is_that_of_what_is_told() {
        let (one, other) = (json!({ "AccountCode": "200" }), json!({ "AccountCode": "201" }));
        assert_eq!(idempotency("k", &one), idempotency("k", &one));
        assert_ne!(idempotency("k", &one), idempotency("k", &other));
        assert_ne!(idempotency("k", &one), idempotency("l", &one));
        let long = idempotency(&"é\n k".repeat(500), &one);
        assert!(long.len() <= IDEMPOTENCY_MAX && long.bytes().all(|byte| byte.is_ascii_graphic()), "{long}");
    }

    #[test]
    fn a_path_stands_below_the_base_and_an_identifier_stays_one_segment() {
        for (base, expected) in [
            ("https://api.xero.com", "https://api.xero.com/api.xro/2.0/Invoices/a%2Fb%3Fc"),
            ("http://127.0.0.1:9/xero/", "http://127.0.0.1:9/xero/api.xro/2.0/Invoices/a%2Fb%3Fc"),
        ] {
            assert_eq!(below(&base.parse().expect("an address"), &["Invoices", "a/b?c"]).as_str(), expected);
        }
    }
}
