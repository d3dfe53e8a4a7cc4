//! Lists: how many are asked for, from where on, which of them, and the shape they come in.
//!
//! A cursor is sealed: it says after which thing the next page begins, and is good for the list and the filters that it was made for.
//! What stands in a list may change between two pages; nothing that stays is left out or told twice.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::time::OffsetDateTime;
use shared::token::{carry, uncarry};
use store::rest::After;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use crate::App;

/// Things in a list that does not ask. Minimum 1.
pub const DEFAULT_LIMIT: u32 = 20;
/// Most things in one list.
pub const MAX_LIMIT: u32 = 100;

/// What a request asks of a list: `?limit=`, 1 to 100, 20 if not said; `?cursor=`; and the list's own filters.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The address, and what it is asked for.
    path: String,
    limit: u32,
    cursor: Option<String>,
    filters: Vec<(String, String)>,
    /// Filters that the list has.
    taken: usize,
}

impl FromRequestParts<App> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Asked, Problem> {
        let Query(sent) = Query::<Vec<(String, String)>>::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::new(Kind::BadRequest).because("The query of the address cannot be read."))?;
        read(parts.uri.path(), sent)
    }
}

fn read(path: &str, sent: Vec<(String, String)>) -> Result<Asked, Problem> {
    let mut asked = Asked { path: path.to_owned(), limit: DEFAULT_LIMIT, cursor: None, filters: Vec::new(), taken: 0 };
    for (at, (name, value)) in sent.iter().enumerate() {
        if sent.iter().take(at).any(|(before, _)| before == name) {
            return Err(Problem::invalid(name.as_str(), "repeated", format!("say {name} once")));
        }
        match name.as_str() {
            "limit" => {
                let limit = value.parse::<u32>().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                asked.limit = limit.ok_or_else(|| {
                    Problem::invalid("limit", "out_of_range", format!("limit must be a number from 1 to {MAX_LIMIT}"))
                })?;
            }
            "cursor" => asked.cursor = Some(value.clone()),
            _ => asked.filters.push((name.clone(), value.clone())),
        }
    }
    asked.filters.sort();
    Ok(asked)
}

impl Asked {
    /// One more than a page has: whether there is another page.
    pub(super) fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// A filter, read; `None`: it is not said.
    pub(super) fn filter<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let Some((_, value)) = self.filters.iter().find(|(known, _)| known == name) else { return Ok(None) };
        self.taken += 1;
        read(value).map(Some).map_err(|detail| Problem::invalid(name, "not_accepted", detail))
    }

    /// A filter that is one of some words.
    pub(super) fn word<'a>(&mut self, name: &str, words: &[&'a str]) -> Result<Option<&'a str>, Problem> {
        self.filter(name, |text| {
            let known = words.iter().copied().find(|word| *word == text);
            known.ok_or_else(|| format!("{name} is one of {}", words.join(", ")))
        })
    }

    /// From where on it begins. Whoever asks has taken all filters: one that the list has not is refused.
    pub(super) fn after(&self, app: &App) -> Result<After, Problem> {
        if self.taken < self.filters.len() {
            let names: Vec<&str> = self.filters.iter().map(|(name, _)| name.as_str()).collect();
            let detail = format!("this list cannot be asked for all of: {}", names.join(", "));
            return Err(Problem::invalid(names.first().copied().unwrap_or_default(), "unknown", detail));
        }
        let Some(cursor) = &self.cursor else { return Ok(After::start()) };
        let read = uncarry::<(i64, Uuid)>(app.db.seal(), &self.context(), cursor);
        let after = read.and_then(|(micros, id)| {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
            Some(After { at, id })
        });
        after.ok_or_else(|| Problem::new(Kind::BadCursor))
    }

    /// What a cursor is good for.
    fn context(&self) -> String {
        format!("cursor:{}:{:?}", self.path, self.filters)
    }

    /// A page of things of which one more was asked for, each with its place.
    pub(super) fn page<T, J: Serialize>(
        &self,
        app: &App,
        mut rows: Vec<T>,
        place: impl Fn(&T) -> (OffsetDateTime, Uuid),
        spell: impl Fn(&T) -> J,
    ) -> Response {
        let has_more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let last = rows.last().filter(|_| has_more).map(place);
        let next_cursor = last.map(|(at, id)| {
            let micros = i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
            carry(app.db.seal(), &self.context(), &(micros, id))
        });
        let link = next_cursor.as_deref().and_then(|cursor| self.link(cursor));
        let mut response = Json(Page { data: rows.iter().map(spell).collect(), next_cursor }).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    /// A page of things that are all here, in the order of their identities, the newest first.
    pub(super) fn page_of_all<T, J: Serialize>(
        &self,
        app: &App,
        mut all: Vec<T>,
        id: impl Fn(&T) -> Uuid,
        spell: impl Fn(&T) -> J,
    ) -> Result<Response, Problem> {
        let after = self.after(app)?;
        all.retain(|one| id(one) < after.id);
        all.sort_by_key(|one| std::cmp::Reverse(id(one)));
        all.truncate(self.rows() as usize);
        Ok(self.page(app, all, |one| (OffsetDateTime::UNIX_EPOCH, id(one)), spell))
    }

    /// Where the next page is (RFC 8288).
    fn link(&self, cursor: &str) -> Option<HeaderValue> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.filters {
            query.append_pair(name, value);
        }
        query.append_pair("limit", &self.limit.to_string()).append_pair("cursor", cursor);
        // Nested routers see the path without their prefix.
        let path = if self.path.starts_with("/api/v1") { self.path.clone() } else { format!("/api/v1{}", self.path) };
        HeaderValue::try_from(format!("<{path}?{}>; rel=\"next\"", query.finish())).ok()
    }
}

#[derive(Debug, Serialize)]
struct Page<T> {
    data: Vec<T>,
    /// Null at the end.
    next_cursor: Option<String>,
}

/// A list that is whole.
pub(super) fn whole<J: Serialize>(data: Vec<J>) -> Response {
    Json(Page { data, next_cursor: None }).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Asked, Kind> {
        let sent = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read("/orders", sent).map_err(|problem| problem.kind())
    }

    #[test]
    fn limits_have_bounds() {
        let limit = |text: &str| asked(&[("limit", text)]).map(|asked| asked.limit);
        assert_eq!(asked(&[]).map(|asked| asked.limit), Ok(20));
        assert_eq!((limit("1"), limit("100")), (Ok(1), Ok(100)));
        for text in ["0", "101", "-1", "x", "", "1.0"] {
            assert_eq!(limit(text), Err(Kind::Invalid), "{text}");
        }
        assert_eq!(asked(&[("limit", "1"), ("limit", "2")]).err(), Some(Kind::Invalid), "said twice");
    }

    #[test]
    fn a_filter_is_read_once_and_is_part_of_what_a_cursor_is_good_for() {
        let mut one = asked(&[("state", "paid")]).expect("a query");
        assert_eq!(one.filter("phone", |text| Ok(text.to_owned())).expect("not said"), None);
        assert_eq!(one.filter("state", |text| Ok(text.to_owned())).expect("said"), Some("paid".to_owned()));
        let refused = one.filter("state", |_| Err::<(), _>("write paid".to_owned()));
        assert_eq!(refused.expect_err("not accepted").kind(), Kind::Invalid);
        let other = asked(&[("state", "failed")]).expect("a query");
        assert_ne!(one.context(), other.context());
        let link = one.link("abc").expect("text");
        assert_eq!(link, "</api/v1/orders?state=paid&limit=20&cursor=abc>; rel=\"next\"");
    }
}
