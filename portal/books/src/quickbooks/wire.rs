//! The HTTP of QuickBooks: one request, one answer, within bounds of time and size.
//!
//! ```text
//!  POST /v3/company/{realm}/salesreceipt?minorversion=75&requestid=…      what is told
//!  GET  /v3/company/{realm}/salesreceipt/{id}?minorversion=75             one by its id
//!  GET  /v3/company/{realm}/query?query=select …&minorversion=75          a list, a thousand rows at a time
//! ```
//!
//! Intuit's name of each request (`intuit_tid`), by which its support finds it, is logged. The token goes into a header that is marked as a
//! secret and nowhere else.

use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, Failure, silence};
use crate::connector::{Access, Trouble};
use crate::http::{self, Asked, Server};

/// The version of QuickBooks' interface. 75 is the oldest that is still answered, since August 2025.
pub(super) const MINOR_VERSION: &str = "75";
/// Rows of one page; QuickBooks gives no more.
const PAGE: usize = 1000;
/// Most pages of one question. A hundred thousand customers or documents are more than anybody chooses from or compares.
const PAGES_MAX: usize = 100;
/// Largest answer that is read, in octets: a page of documents with many lines.
const ANSWER_MAX: usize = 32 * 1024 * 1024;
/// Longest name of a request, in octets.
const REQUEST_ID_MAX: usize = 50;

/// A client of QuickBooks.
#[derive(Clone, Debug)]
pub(super) struct Http(Server);

impl Http {
    pub(super) fn new(base: Url, timeout: Duration) -> reqwest::Result<Http> {
        Ok(Http(Server::new(base, timeout)?))
    }

    /// The object at this path of the company.
    pub(super) async fn get(&self, access: &Access<'_>, path: &[&str]) -> Result<Value, Failure> {
        let url = url(self.0.base(access), access.organisation, path, &[]);
        send(access, self.0.request(Method::GET, url), Asked::Read).await
    }

    /// Changes something. `more` are further parts of the query.
    pub(super) async fn post(
        &self,
        access: &Access<'_>,
        path: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, Failure> {
        let url = url(self.0.base(access), access.organisation, &[path], more);
        send(access, self.0.request(Method::POST, url).json(body), Asked::Write).await
    }

    /// All rows of `list` for which `condition` holds.
    pub(super) async fn query(&self, access: &Access<'_>, list: &str, condition: &str) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        for page in 0..PAGES_MAX {
            let question = question(list, condition, page);
            let url = url(self.0.base(access), access.organisation, &["query"], &[("query", &question)]);
            let mut answer = send(access, self.0.request(Method::GET, url), Asked::Read).await?;
            let Some(response) = answer.get_mut("QueryResponse") else {
                return Err(Failure::Trouble(Trouble::Away(
                    "QuickBooks answered a question with something else".into(),
                )));
            };
            // A page without rows has no list at all.
            let found = match response.get_mut(list).map(Value::take) {
                Some(Value::Array(found)) => found,
                _ => Vec::new(),
            };
            let is_last = found.len() < PAGE;
            rows.extend(found);
            if is_last {
                return Ok(rows);
            }
        }
        Err(Failure::Trouble(Trouble::Refused(format!(
            "QuickBooks has more than {} of these: ask for fewer days",
            PAGE * PAGES_MAX
        ))))
    }
}

async fn send(access: &Access<'_>, request: RequestBuilder, asked: Asked) -> Result<Value, Failure> {
    let request = request.bearer_auth(access.token).header(ACCEPT, "application/json");
    let heard = http::send(access, request, ANSWER_MAX).await.map_err(|heard| silence(heard, asked))?;
    let tid = http::quotable(http::header(&heard.headers, "intuit_tid"));
    tracing::debug!(status = heard.status, intuit_tid = %tid, octets = heard.body.len(), "QuickBooks has answered");
    Answer { status: heard.status, json: heard.json(), wait: http::wait(&heard.headers) }.judge(asked)
}

fn url(base: &Url, realm: &str, path: &[&str], more: &[(&str, &str)]) -> Url {
    let mut url = http::below(base, &["v3", "company", realm], path);
    let pairs = more.iter().copied().chain([("minorversion", MINOR_VERSION)]);
    // A space is %20: a plus sign is one for forms only.
    let written: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", escape(value))).collect();
    url.set_query(Some(&written.join("&")));
    url
}

fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn question(list: &str, condition: &str, page: usize) -> String {
    let filter = if condition.is_empty() { String::new() } else { format!(" where {condition}") };
    format!("select * from {list}{filter} startposition {} maxresults {PAGE}", page * PAGE + 1)
}

/// A text in a question, which cannot end there by what it holds.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The name of a request: the same for the same key, body and `again`, so that what is told twice is done once; another one when something
/// was changed, since QuickBooks answers a name that it knows as it did before.
pub(super) fn request_id(key: &str, body: &Value, again: &str) -> String {
    // A zero between them: no part runs into the next.
    let parts = [key.as_bytes(), body.to_string().as_bytes(), again.as_bytes()].join(&0);
    let digest = http::fingerprint(parts.into_iter().chain([0]));
    let plain: String = key.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let kept = plain.get(..plain.len().min(REQUEST_ID_MAX - 17)).unwrap_or_default();
    format!("{kept}-{digest:016x}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_stands_below_the_base_and_ids_stay_one_segment() {
        let base: Url = "http://127.0.0.1:9/fake/".parse().expect("an address");
        let url = url(&base, "46208/../1", &["query"], &[("query", &question("Item", "Name = 'A+B & c'", 1))]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:9/fake/v3/company/46208%2F..%2F1/query?query=select%20*%20from%20Item%20where%20Name%20%3D%20%27A%2BB%20%26\
             %20c%27%20startposition%201001%20maxresults%201000&minorversion=75"
        );
        let read: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(read[0].1, "select * from Item where Name = 'A+B & c' startposition 1001 maxresults 1000");
    }

    #[test]
    fn a_quoted_text_does_not_end_early() {
        assert_eq!(quoted("20261122-NBO1-M"), "'20261122-NBO1-M'");
        assert_eq!(quoted(r"a' or '\"), r"'a\' or \'\\'");
    }

    #[test]
    fn a_request_has_one_name_as_long_as_it_is_the_same() {
        let key = "01930000-0000-7000-8000-00000000002a";
        // Whatever the order in which its fields were written.
        let body = json!({ "Line": [{ "Amount": 15.5 }], "DocNumber": "20261122-NBO1-M" });
        let name = request_id(key, &body, "");
        assert_eq!(name, request_id(key, &body.clone(), ""));
        assert_eq!(name.len(), 32 + 17);
        // It is written down at QuickBooks: a version of this program that names it otherwise would tell it twice.
        assert_eq!(name, "0193000000007000800000000000002a-c528ca0e7ea4b547");
        let mut other = body.clone();
        other["Line"][0]["Amount"] = json!(15.6);
        for changed in [request_id(key, &other, ""), request_id(key, &body, "145"), request_id("other", &body, "")] {
            assert_ne!(changed, name);
        }
        assert!(request_id(&"k".repeat(300), &body, "").len() <= REQUEST_ID_MAX);
        assert_ne!(request_id("ab", &Value::Null, "c"), request_id("ab", &Value::Null, "d"));
    }
}
