//! The HTTP of Xero: one request, one answer, within bounds of time and size, and what an answer means.
//!
//! Every request names the organisation (`xero-tenant-id`; the identifier of the connection, which Xero gives beside it, is another) and
//! asks for JSON, without which XML comes. No redirect is followed. What an answer means is decided without a connection ([`Answer::judged`]):
//! a change that broke off, was not answered in time or met an error of Xero's own may have been made, a question may be asked again.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::heard;
use crate::connector::{Access, Trouble};
use crate::http::{self, Asked, Server, header};
use outgoing::Silence;

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

/// A client of Xero.
#[derive(Debug)]
pub(super) struct Http(Server);

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
        Ok(Http(Server::new(base, timeout)?))
    }

    /// Asks something.
    pub(super) async fn ask(
        &self,
        access: &Access<'_>,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Trouble> {
        let request = self.request(Method::GET, access, path).query(query);
        send(request, access, Asked::Read).await
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
        send(request, access, Asked::Write).await
    }

    fn request(&self, method: Method, access: &Access<'_>, path: &[&str]) -> RequestBuilder {
        let url = http::below(self.0.base(access), &["api.xro", "2.0"], path);
        let request = self.0.request(method, url).bearer_auth(access.token);
        request.header(TENANT, access.organisation).header(ACCEPT, "application/json")
    }
}

/// The key under which Xero keeps its answer. It has the body in it: told again as it was it is the same; told otherwise, after a choice of the
/// operator's was mended, it is another, so that a refusal that Xero has kept does not come back.
fn idempotency(key: &str, body: &Value) -> String {
    let digest = http::fingerprint(body.to_string().into_bytes());
    let key: String = key.chars().filter(char::is_ascii_graphic).take(IDEMPOTENCY_MAX - 17).collect();
    format!("{key}-{digest:016x}")
}

async fn send(request: RequestBuilder, access: &Access<'_>, asked: Asked) -> Result<Value, Trouble> {
    let heard = http::send(access, request, ANSWER_LIMIT).await.map_err(|silence| unheard(silence, asked))?;
    let (status, headers) = (heard.status, &heard.headers);
    let (name, left) = (header(headers, "xero-correlation-id"), header(headers, LEFT));
    tracing::debug!(status, correlation = %name, left_of_day = %left, octets = heard.body.len(), "Xero has answered");
    Answer { status, json: heard.json(), ..Answer::limits(headers) }.judged(asked)
}

/// What it means that no answer came.
fn unheard(silence: Silence, asked: Asked) -> Trouble {
    let words = match silence {
        Silence::NotSent => "Xero cannot be reached",
        Silence::TimedOut => "Xero did not answer in time",
        Silence::Broken => "Xero's answer broke off",
    };
    asked.unheard(silence, words)
}

impl Answer {
    fn limits(headers: &HeaderMap) -> Answer {
        let problem = header(headers, PROBLEM).to_ascii_lowercase();
        let is_daily = problem.contains("day") || problem.contains("daily") || header(headers, LEFT).trim() == "0";
        let is_out_of_scope = header(headers, "www-authenticate").contains("insufficient_scope");
        Answer { wait: http::wait(headers), is_daily, is_out_of_scope, ..Answer::default() }
    }

    /// What it means.
    fn judged(self, asked: Asked) -> Result<Value, Trouble> {
        let remark = heard::remark(self.json.as_ref());
        let said = |otherwise: &str| remark.clone().unwrap_or_else(|| otherwise.to_owned());
        // Xero has one word for a token that is over and another for one that does not reach so far.
        let is_out_of_scope = self.is_out_of_scope || remark.as_deref() == Some("AuthorizationUnsuccessful");
        match self.status {
            200..=299 => self.done(asked),
            401 if is_out_of_scope => {
                Err(Trouble::Reconnect("the permission that Xero gave does not reach so far".to_owned()))
            }
            401 => Err(Trouble::Expired),
            403 => Err(Trouble::Reconnect(said("Xero lets us into this organisation no more"))),
            429 => Err(Trouble::TooMany { wait: self.wait, is_daily: self.is_daily }),
            // Of these a change may have been made: an error of Xero's own, a time that ran out there, the same key under way.
            408 | 409 | 500.. | ..=199 | 300..=399 => Err(asked.unsure(format!("Xero answered {}", self.status))),
            400..=499 => Err(self.refused()),
        }
    }

    fn done(self, asked: Asked) -> Result<Value, Trouble> {
        let Some(json) = self.json else { return Err(asked.unsure("Xero's answer is no JSON")) };
        let faults = if asked == Asked::Write { heard::faults(&json) } else { Vec::new() };
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
        assert_eq!(answer(400, wrong(two)).judged(Asked::Write), Err(refused(words)));
        let number = wrong(json!([{ "Message": "Invoice # must be unique." }]));
        assert_eq!(answer(400, number).judged(Asked::Write), Err(Trouble::Duplicate));
        let bare = json!({ "ErrorNumber": 17, "Type": "PostDataInvalidException", "Message": "Cannot be read" });
        assert_eq!(answer(400, bare).judged(Asked::Write), Err(refused("Cannot be read")));
        let silent = Answer { status: 404, ..Answer::default() };
        assert_eq!(silent.judged(Asked::Read), Err(refused("Xero answered 404 and no reason")));
    }

    #[test]
    fn an_error_is_one_though_the_answer_is_200() {
        let marked = |item: Value| answer(200, json!({ "Status": "OK", "Invoices": [item] })).judged(Asked::Write);
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
            let answered = |asked| answer(status, json!({ "Message": "?" })).judged(asked);
            assert!(matches!(answered(Asked::Write), Err(Trouble::Unknown(_))), "{status}");
            assert!(matches!(answered(Asked::Read), Err(Trouble::Away(_))), "{status}");
        }
        let page = || Answer { status: 200, ..Answer::default() };
        assert!(matches!(page().judged(Asked::Write), Err(Trouble::Unknown(_))));
        assert!(matches!(page().judged(Asked::Read), Err(Trouble::Away(_))));
        assert!(matches!(unheard(Silence::NotSent, Asked::Write), Trouble::Away(_)));
        for silence in [Silence::TimedOut, Silence::Broken] {
            assert!(matches!(unheard(silence, Asked::Write), Trouble::Unknown(_)));
            assert!(matches!(unheard(silence, Asked::Read), Trouble::Away(_)));
        }
    }

    #[test]
    fn who_may_not_ask_is_told_apart() {
        let title = |detail: &str| json!({ "Title": "Unauthorized", "Status": 401, "Detail": detail });
        let over = answer(401, title("TokenExpired: token expired at 11/22/2026 10:00:00"));
        assert_eq!(over.judged(Asked::Read), Err(Trouble::Expired));
        let narrow = answer(401, title("AuthorizationUnsuccessful")).judged(Asked::Read);
        assert!(matches!(narrow, Err(Trouble::Reconnect(_))));
        let narrow = Answer { status: 401, is_out_of_scope: true, ..Answer::default() }.judged(Asked::Read);
        assert!(matches!(narrow, Err(Trouble::Reconnect(_))));
        let gone =
            answer(403, json!({ "Title": "Forbidden", "Detail": "AuthenticationUnsuccessful" })).judged(Asked::Write);
        assert_eq!(gone, Err(Trouble::Reconnect("AuthenticationUnsuccessful".into())));
    }

    #[test]
    fn too_many_says_how_long_to_wait_and_whether_the_day_is_over() {
        let judged = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
            Answer { status: 429, ..Answer::limits(&headers.collect()) }.judged(Asked::Write)
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
}
