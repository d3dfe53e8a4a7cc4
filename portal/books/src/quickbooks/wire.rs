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

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, Asked, Failure, quotable, silence};
use crate::connector::{Access, Trouble};

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
pub(super) struct Http {
    client: Client,
    base: Url,
}

impl Http {
    pub(super) fn new(base: Url, timeout: Duration) -> reqwest::Result<Http> {
        // Half of it, so that a QuickBooks that cannot be reached is known to have heard nothing.
        Ok(Http { client: outgoing::client(timeout / 2, timeout)?, base })
    }

    /// The object at this path of the company.
    pub(super) async fn get(&self, access: &Access<'_>, path: &[&str]) -> Result<Value, Failure> {
        let url = url(access.base.unwrap_or(&self.base), access.organisation, path, &[]);
        send(access, self.client.get(url), Asked::Read).await
    }

    /// Changes something. `more` are further parts of the query.
    pub(super) async fn post(
        &self,
        access: &Access<'_>,
        path: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, Failure> {
        let url = url(access.base.unwrap_or(&self.base), access.organisation, &[path], more);
        send(access, self.client.post(url).json(body), Asked::Write).await
    }

    /// All rows of `list` for which `condition` holds.
    pub(super) async fn query(&self, access: &Access<'_>, list: &str, condition: &str) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        for page in 0..PAGES_MAX {
            let question = question(list, condition, page);
            let base = access.base.unwrap_or(&self.base);
            let url = url(base, access.organisation, &["query"], &[("query", &question)]);
            let mut answer = send(access, self.client.get(url), Asked::Read).await?;
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
    access.count();
    let request = request.bearer_auth(access.token).header(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = ask(request).await.map_err(|heard| silence(heard, asked))?;
    answer.judge(asked)
}

async fn ask(request: RequestBuilder) -> Result<Answer, outgoing::Silence> {
    let response = request.send().await?;
    let (status, is_json) = (response.status().as_u16(), outgoing::is_json(&response));
    let wait = header(response.headers(), RETRY_AFTER.as_str()).parse().ok().map(Duration::from_secs);
    let tid = quotable(header(response.headers(), "intuit_tid"));
    let body = outgoing::body(response, ANSWER_MAX).await?;
    let json = is_json.then(|| serde_json::from_slice(&body).ok()).flatten();
    tracing::debug!(status, intuit_tid = %tid, octets = body.len(), "QuickBooks has answered");
    Ok(Answer { status, json, wait })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Each part of the path is one segment, whatever it holds: an id cannot lead to another path.
fn url(base: &Url, realm: &str, path: &[&str], more: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["v3", "company", realm]).extend(path);
    }
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
    let digest = fnv([key.as_bytes(), body.to_string().as_bytes(), again.as_bytes()]);
    let plain: String = key.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let kept = plain.get(..plain.len().min(REQUEST_ID_MAX - 17)).unwrap_or_default();
    format!("{kept}-{digest:016x}")
}

/// FNV-1a: it need not withstand anybody, and must be the same in every version of this program.
fn fnv<const N: usize>(parts: [&[u8]; N]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    // A zero between them: no part runs into the next.
    let octets = parts.into_iter().flat_map(|part| part.iter().copied().chain([0]));
    octets.fold(OFFSET, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(PRIME))
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
