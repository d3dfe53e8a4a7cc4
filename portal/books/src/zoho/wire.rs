//! The HTTP of Zoho Books: one request, one answer, within bounds of time and size, and lists by pages.
//!
//! The token goes into its own header and nowhere else, each request names the organisation, and each is counted before it is sent.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use time::Date;
use url::Url;

use super::answer::{Answer, Kind, Read, Write, any};
use super::body::day;
use crate::connector::{Access, Trouble};
use crate::http::{self, Asked, Server};
use outgoing::Silence;

/// Largest answer that is read, in octets: two hundred rows of a list with all that Zoho adds to them.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Rows of a page: the most that Zoho gives.
const ROWS: &str = "200";
/// Most pages of a list. What is longer is not read in part.
const PAGES_MAX: u32 = 50;

/// A client of Zoho Books.
#[derive(Clone, Debug)]
pub(super) struct Http(Server);

impl Http {
    pub(super) fn new(base: Url, timeout: Duration) -> reqwest::Result<Http> {
        Ok(Http(Server::new(base, timeout)?))
    }

    /// Asks for something.
    pub(super) async fn get(&self, access: &Access<'_>, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Read> {
        match send(access, self.request(access, Method::GET, path, query)).await {
            Ok(answer) => answer.read(),
            Err(silence) => Err(Read::Trouble(Asked::Read.unheard(silence, words(silence)))),
        }
    }

    /// Makes or changes something. `Null`: nothing is to be said of it.
    pub(super) async fn post(
        &self,
        access: &Access<'_>,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, Trouble> {
        let request = self.request(access, Method::POST, path, query);
        let request = if body.is_null() { request } else { request.json(body) };
        Ok(self.write(access, request).await?)
    }

    /// Takes something away.
    pub(super) async fn delete(&self, access: &Access<'_>, path: &[&str]) -> Result<Value, Write> {
        self.write(access, self.request(access, Method::DELETE, path, &[])).await
    }

    async fn write(&self, access: &Access<'_>, request: RequestBuilder) -> Result<Value, Write> {
        match send(access, request).await {
            Ok(answer) => answer.written(),
            Err(silence) => Err(Write::Trouble(Asked::Write.unheard(silence, words(silence)))),
        }
    }

    /// The documents of a kind on these days, or of this number.
    pub(super) async fn rows(
        &self,
        access: &Access<'_>,
        kind: Kind,
        days: Option<(Date, Date)>,
        number: Option<&str>,
    ) -> Result<Vec<Value>, Trouble> {
        let days = days.map(|(first, last)| (day(first), day(last)));
        let mut query = Vec::new();
        if let Some((first, last)) = &days {
            query.extend([("date_start", first.as_str()), ("date_end", last.as_str())]);
        }
        query.extend(number.map(|number| (kind.number_field(), number)));
        self.pages(access, &[kind.path()], &query, kind.several()).await
    }

    /// All rows of a list.
    pub(super) async fn all(
        &self,
        access: &Access<'_>,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, Trouble> {
        let name = path.last().copied().unwrap_or_default();
        // One list is spelt otherwise within than without.
        let names = [name, if name == "reportingtags" { "reporting_tags" } else { name }];
        self.pages(access, path, query, &names).await
    }

    async fn pages(
        &self,
        access: &Access<'_>,
        path: &[&str],
        query: &[(&str, &str)],
        names: &[&str],
    ) -> Result<Vec<Value>, Trouble> {
        let mut rows = Vec::new();
        for page in 1..=PAGES_MAX {
            let page = page.to_string();
            let mut query = query.to_vec();
            query.extend([("page", page.as_str()), ("per_page", ROWS)]);
            let answer = self.get(access, path, &query).await?;
            let found = any(&answer, names).and_then(Value::as_array);
            let found = found.ok_or_else(|| Trouble::Away("Zoho Books' list cannot be read.".to_owned()))?;
            rows.extend(found.iter().cloned());
            if answer.pointer("/page_context/has_more_page") != Some(&Value::Bool(true)) {
                return Ok(rows);
            }
        }
        Err(Trouble::Away("Zoho Books' list is too long.".to_owned()))
    }

    fn request(&self, access: &Access<'_>, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let url = http::below(self.0.base(access), &["books", "v3"], path);
        let request = self.0.request(method, url).query(&[("organization_id", access.organisation)]).query(query);
        // A token that cannot stand in a header is answered as one that is not good.
        let mut token = HeaderValue::try_from(format!("Zoho-oauthtoken {}", access.token))
            .unwrap_or_else(|_| HeaderValue::from_static("Zoho-oauthtoken"));
        token.set_sensitive(true);
        request.header("authorization", token).header("accept", "application/json")
    }
}

async fn send(access: &Access<'_>, request: RequestBuilder) -> Result<Answer, Silence> {
    let heard = http::send(access, request, ANSWER_LIMIT).await?;
    tracing::debug!(status = heard.status, octets = heard.body.len(), "Zoho Books has answered");
    // Whatever it says that it is.
    let json = serde_json::from_slice(&heard.body).ok();
    Ok(Answer { status: heard.status, json, wait: http::wait(&heard.headers) })
}

fn words(silence: Silence) -> &'static str {
    match silence {
        Silence::NotSent => "Zoho Books cannot be reached.",
        Silence::TimedOut => "Zoho Books did not answer in time.",
        Silence::Broken => "The connection to Zoho Books broke off.",
    }
}
