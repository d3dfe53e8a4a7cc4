//! What went wrong, as a problem document (RFC 9457).
//!
//! Each [`Kind`] is a row of one table: status, code, title, and the explanation that its `type` address
//! answers with. The identifier that our log has of the request stands in the answer's `X-Request-Id`, as in every
//! answer of the portal, and not a second time as `instance`. Nothing of the database or of an error's
//! text reaches the caller.

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::StoreError;

/// The kinds of problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request cannot be read.
    BadRequest,
    /// The cursor is not one that we gave out.
    BadCursor,
    /// No token, or not a good one.
    Unauthorized,
    /// There is no such thing.
    NotFound,
    /// The thing is there, and cannot be used that way.
    MethodNotAllowed,
    /// The change contradicts what is there.
    Conflict,
    /// A value is out of its range.
    Invalid,
    /// It is our fault.
    Internal,
    /// The database is away.
    Unavailable,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] = [
        Kind::BadRequest,
        Kind::BadCursor,
        Kind::Unauthorized,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::Conflict,
        Kind::Invalid,
        Kind::Internal,
        Kind::Unavailable,
    ];

    /// Status, code, title, explanation.
    fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Kind::BadRequest => (
                StatusCode::BAD_REQUEST,
                "bad-request",
                "The request cannot be read",
                "The address or the body is not well formed. The detail says which part.",
            ),
            Kind::BadCursor => (
                StatusCode::BAD_REQUEST,
                "bad-cursor",
                "The cursor is not one of ours",
                "Cursors come from next_cursor of an earlier answer. This version always answers null there, so no \
                 cursor is good.",
            ),
            Kind::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "A good token is needed",
                "Send `Authorization: Bearer mlt_…` with a token that `portal token create` made. A token that was \
                 replaced by one of the same name is no longer good.",
            ),
            Kind::NotFound => (
                StatusCode::NOT_FOUND,
                "not-found",
                "There is no such thing",
                "The address is wrong, or the thing is not there any more. An ended session cannot be disconnected.",
            ),
            Kind::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "That cannot be done with this address",
                "The Allow header lists the methods that the address understands.",
            ),
            Kind::Conflict => (
                StatusCode::CONFLICT,
                "conflict",
                "The change contradicts what is there",
                "Somebody else was first, or a name is taken. Read the present state and decide again.",
            ),
            Kind::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "A value is not acceptable",
                "Each entry of errors names the value in its pointer and says what would be accepted.",
            ),
            Kind::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong here",
                "It is our fault. The log has the request under its X-Request-Id.",
            ),
            Kind::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The database cannot be reached now",
                "Nothing was changed. Try again after the seconds that Retry-After says.",
            ),
        }
    }
}

/// Seconds after which a request is worth trying again when the database was away.
const RETRY_AFTER: &str = "5";

/// One value that is not acceptable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Invalid {
    /// Where it stands: a query parameter's name, or a JSON pointer into the body.
    pub pointer: String,
    /// A stable word for programs.
    pub code: &'static str,
    /// What would be accepted.
    pub detail: String,
}

/// An answer that is not a success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<&'static str>,
    errors: Vec<Invalid>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Invalid],
}

impl Problem {
    /// A problem of that kind, with the kind's explanation as its detail.
    pub fn new(kind: Kind) -> Problem {
        Problem { kind, detail: None, errors: Vec::new() }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same with a detail of its own.
    pub fn because(mut self, detail: &'static str) -> Problem {
        self.detail = Some(detail);
        self
    }

    /// The same with one more value that is not acceptable.
    pub fn with(mut self, invalid: Invalid) -> Problem {
        self.errors.push(invalid);
        self
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let kind = match &error {
            StoreError::Missing { .. } => Kind::NotFound,
            StoreError::Conflict(_) | StoreError::NotPlaced(_) => Kind::Conflict,
            other if other.is_unavailable() => Kind::Unavailable,
            _ => Kind::Internal,
        };
        if matches!(kind, Kind::Internal | Kind::Unavailable) {
            tracing::error!(%error, "a request of the REST interface failed");
        }
        Problem::new(kind)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title, explanation) = self.kind.row();
        let document = Document {
            r#type: address(code),
            title,
            status: status.as_u16(),
            detail: self.detail.unwrap_or(explanation),
            code,
            errors: &self.errors,
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mlango\""));
            }
            Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            _ => {}
        }
        response
    }
}

fn address(code: &str) -> String {
    format!("/api/v1/problems/{code}")
}

/// `GET /problems/{code}`: what the `type` of a problem means, for people.
pub(super) async fn explain(Path(code): Path<String>) -> Result<String, Problem> {
    let rows = Kind::ALL.map(Kind::row);
    let (status, _, title, text) = rows.iter().find(|row| row.1 == code).ok_or_else(|| Problem::new(Kind::NotFound))?;
    Ok(format!("{title} ({})\n\n{text}\n", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn document(problem: Problem) -> (StatusCode, axum::http::HeaderMap, serde_json::Value) {
        let response = problem.into_response();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10_000).await.expect("a body in memory");
        (status, headers, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn every_kind_is_a_whole_document_and_is_explained() {
        for kind in Kind::ALL {
            let (status, headers, body) = document(Problem::new(kind)).await;
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(body["status"], status.as_u16());
            for field in ["type", "title", "detail", "code"] {
                assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{kind:?} {field}");
            }
            let code = body["code"].as_str().expect("checked").to_owned();
            assert!(body["type"].as_str().is_some_and(|text| text.ends_with(&code)));
            assert!(explain(Path(code)).await.is_ok());
        }
        assert!(explain(Path("nosuch".into())).await.is_err());
    }

    #[tokio::test]
    async fn a_missing_token_is_asked_for_and_a_pause_is_named() {
        let (status, headers, _) = document(Problem::new(Kind::Unauthorized)).await;
        assert_eq!(
            (status.as_u16(), headers[header::WWW_AUTHENTICATE].as_bytes()),
            (401, &b"Bearer realm=\"mlango\""[..])
        );
        let (status, headers, _) = document(Problem::new(Kind::Unavailable)).await;
        assert_eq!((status.as_u16(), headers[header::RETRY_AFTER].as_bytes()), (503, &b"5"[..]));
    }

    #[tokio::test]
    async fn what_is_wrong_is_pointed_at() {
        let invalid = Invalid { pointer: "limit".into(), code: "out_of_range", detail: "1 to 100".into() };
        let (status, _, body) = document(Problem::new(Kind::Invalid).with(invalid)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["pointer"], "limit");
    }

    #[tokio::test]
    async fn the_stores_words_stay_inside() {
        let error = StoreError::Schema("a column named secret is missing".into());
        let (status, _, body) = document(error.into()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.to_string().contains("secret"));
    }
}
