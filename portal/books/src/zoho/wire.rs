//! The HTTP of Zoho Books: one request, one answer, within bounds of time and size, and lists by pages.
//!
//! The token goes into its own header and nowhere else, each request names the organisation, and each is counted before it is sent. Every
//! part of a path is one segment, whatever it holds.

use std::time::Duration;

use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use time::Date;
use url::Url;

use super::answer::{Answer, Kind, Read, Write, any};
use super::body::day;
use crate::connector::{Access, Trouble};
use outgoing::Silence;

/// Largest answer that is read, in octets: two hundred rows of a list with all that Zoho adds to them.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Rows of a page: the most that Zoho gives.
const ROWS: &str = "200";
/// Most pages of a list. What is longer is not read in part.
const PAGES_MAX: u32 = 50;

/// A client of Zoho Books.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
}

impl Http {
    pub(super) fn new(base: Url, timeout: Duration) -> reqwest::Result<Http> {
        // Half of it, so that a Zoho that cannot be reached is known to have heard nothing.
        Ok(Http { client: outgoing::client(timeout / 2, timeout)?, base })
    }

    /// Asks for something.
    pub(super) async fn get(&self, access: &Access<'_>, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Read> {
        match self.send(access, self.request(access, Method::GET, path, query)).await {
            Ok(answer) => answer.read(),
            Err(silence) => Err(Read::Trouble(Trouble::Away(words(silence).to_owned()))),
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
        match self.send(access, request).await {
            Ok(answer) => answer.written(),
            Err(Silence::NotSent) => Err(Write::Trouble(Trouble::Away(words(Silence::NotSent).to_owned()))),
            Err(silence) => Err(Write::Trouble(Trouble::Unknown(words(silence).to_owned()))),
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
        let mut url = access.base.unwrap_or(&self.base).clone();
        url.path_segments_mut()
            .expect("http and https addresses have a path, and no others are taken")
            .pop_if_empty()
            .extend(["books", "v3"])
            .extend(path);
        let request = self.client.request(method, url).query(&[("organization_id", access.organisation)]).query(query);
        // A token that cannot stand in a header is answered as one that is not good.
        let mut token = HeaderValue::try_from(format!("Zoho-oauthtoken {}", access.token))
            .unwrap_or_else(|_| HeaderValue::from_static("Zoho-oauthtoken"));
        token.set_sensitive(true);
        request.header("authorization", token).header("accept", "application/json")
    }

    async fn send(&self, access: &Access<'_>, request: RequestBuilder) -> Result<Answer, Silence> {
        access.count();
        let response = request.send().await?;
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = outgoing::body(response, ANSWER_LIMIT).await?;
        tracing::debug!(status, octets = body.len(), "Zoho Books has answered");
        // Whatever it says that it is.
        Ok(Answer { status, json: serde_json::from_slice(&body).ok(), wait: wait.map(Duration::from_secs) })
    }
}

fn words(silence: Silence) -> &'static str {
    match silence {
        Silence::NotSent => "Zoho Books cannot be reached.",
        Silence::TimedOut => "Zoho Books did not answer in time.",
        Silence::Broken => "The connection to Zoho Books broke off.",
    }
}
