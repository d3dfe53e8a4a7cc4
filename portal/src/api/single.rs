//! One thing: its answer with a strong ETag, and what a change must say that it was decided by.
//!
//! The ETag is a digest of the answer, so it changes with anything that is shown. Of a thing that changes by itself, such as a
//! router that is heard all the time, what its operator says is digested alone ([`Single::decided_by`]).

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::problem::{Kind, Problem};

/// A thing as it is answered, and its ETag.
#[derive(Clone, Debug)]
pub(super) struct Single<T> {
    thing: T,
    etag: String,
}

impl<T: Serialize> Single<T> {
    /// A thing whose every field counts.
    pub(super) fn new(thing: T) -> Single<T> {
        let etag = etag(&thing);
        Single { thing, etag }
    }

    /// A thing of which this counts.
    pub(super) fn decided_by(thing: T, what: &impl Serialize) -> Single<T> {
        Single { thing, etag: etag(what) }
    }

    /// The answer to whoever reads it; one who has it already is told so.
    pub(super) fn read(self, headers: &HeaderMap) -> Response {
        if named(headers, header::IF_NONE_MATCH).is_some_and(|named| names(&named, &self.etag, true)) {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            self.tag(&mut response);
            return response;
        }
        self.answer(StatusCode::OK)
    }

    /// The answer after a change.
    pub(super) fn answer(self, status: StatusCode) -> Response {
        let mut response = (status, Json(&self.thing)).into_response();
        self.tag(&mut response);
        response
    }

    /// The answer to whoever has made it.
    pub(super) fn created(self, path: &str) -> Response {
        let mut response = self.answer(StatusCode::CREATED);
        if let Ok(location) = HeaderValue::try_from(format!("/api/v1{path}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    /// Refuses a change that was decided by another state than this one.
    pub(super) fn unchanged(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let named = named(headers, header::IF_MATCH).ok_or_else(|| Problem::new(Kind::PreconditionRequired))?;
        if names(&named, &self.etag, false) { Ok(()) } else { Err(Problem::new(Kind::PreconditionFailed)) }
    }

    fn tag(&self, response: &mut Response) {
        if let Ok(etag) = HeaderValue::try_from(&self.etag) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        // Kept by whoever asked, and looked at again each time.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
}

fn etag(thing: &impl Serialize) -> String {
    let spelt = serde_json::to_vec(thing).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(spelt));
    format!("\"{}\"", &digest[..32])
}

/// What a header of conditions says.
fn named(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Whether one of these tags is that one, or any will do (RFC 9110 §8.8.3.2: weak tags match where only reading is at stake).
fn names(named: &str, etag: &str, weakly: bool) -> bool {
    named.split(',').map(str::trim).any(|tag| {
        let tag = if weakly { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || tag == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn a_change_says_what_it_was_decided_by() {
        let single = Single::new(serde_json::json!({ "name": "x" }));
        let etag = single.etag.clone();
        let unchanged =
            |value: &str| single.unchanged(&headers(header::IF_MATCH, value)).map_err(|problem| problem.kind());
        assert_eq!(unchanged(&etag), Ok(()));
        assert_eq!(unchanged(&format!("\"other\", {etag}")), Ok(()));
        assert_eq!(unchanged("*"), Ok(()));
        assert_eq!(unchanged("\"other\""), Err(Kind::PreconditionFailed));
        assert_eq!(unchanged(&format!("W/{etag}")), Err(Kind::PreconditionFailed), "a weak tag is too weak");
        let without = single.unchanged(&HeaderMap::new());
        assert_eq!(without.map_err(|problem| problem.kind()), Err(Kind::PreconditionRequired));
    }

    #[test]
    fn whoever_has_it_already_is_told_so() {
        let single = || Single::new(serde_json::json!({ "name": "x" }));
        let etag = single().etag;
        let status = |value: &str| single().read(&headers(header::IF_NONE_MATCH, value)).status().as_u16();
        assert_eq!((status(&etag), status(&format!("W/{etag}")), status("\"other\"")), (304, 304, 200));
        let response = single().read(&HeaderMap::new());
        assert_eq!(response.headers()[header::ETAG].to_str().expect("text"), etag);
    }

    #[test]
    fn what_changes_by_itself_does_not_count() {
        let at = |seen: u8| Single::decided_by(serde_json::json!({ "name": "x", "seen": seen }), &"x").etag;
        assert_eq!(at(1), at(2));
        assert_ne!(at(1), Single::decided_by(serde_json::json!({ "name": "y", "seen": 1 }), &"y").etag);
    }
}
