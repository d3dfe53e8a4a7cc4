//! What went wrong, as a problem document (RFC 9457).
//!
//! Each [`Kind`] is a row of one table: status, code, title, and the explanation that its `type` address answers with. A
//! [`Problem`] that leaves a handler is a whole document already; [`finish`], around everything, adds the request's identifier as
//! `instance`, which is what the log has and what `X-Request-Id` says, and turns what a library refused by itself into a document too.
//! Nothing of the database reaches the caller; a conflict has the sentence that the desk would show.

use std::borrow::Cow;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::request::RequestId;
use shared::scope::Scope;
use store::StoreError;

/// What bodies may be sent as.
const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json, application/merge-patch+json");

/// The kinds of problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request cannot be read.
    BadRequest,
    /// The cursor is not one that we gave out.
    BadCursor,
    /// The request moves money or access and has no key.
    KeyMissing,
    /// No token, or not a good one.
    Unauthorized,
    /// The token may not do that.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The thing is there, and cannot be used that way.
    MethodNotAllowed,
    /// The change contradicts what is there.
    Conflict,
    /// What was asked under this key is still being done.
    KeyBusy,
    /// What was read is not what is there any more.
    PreconditionFailed,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// A value is out of its range.
    Invalid,
    /// The key was used for something else.
    KeyReused,
    /// A change does not say what it was decided by.
    PreconditionRequired,
    /// The token asks too often.
    TooManyRequests,
    /// It is our fault.
    Internal,
    /// The database is away.
    Unavailable,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 18] = [
        Kind::BadRequest,
        Kind::BadCursor,
        Kind::KeyMissing,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::Conflict,
        Kind::KeyBusy,
        Kind::PreconditionFailed,
        Kind::TooLarge,
        Kind::UnsupportedMediaType,
        Kind::Invalid,
        Kind::KeyReused,
        Kind::PreconditionRequired,
        Kind::TooManyRequests,
        Kind::Internal,
        Kind::Unavailable,
    ];

    /// Status, code, title, explanation.
    fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Kind::KeyMissing | Kind::KeyBusy | Kind::KeyReused => self.row_of_keys(),
            Kind::PreconditionFailed | Kind::PreconditionRequired => self.row_of_preconditions(),
            Kind::Unauthorized | Kind::Forbidden | Kind::TooManyRequests => self.row_of_tokens(),
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
            _ => self.row_of_requests(),
        }
    }

    /// What is wrong with a request itself.
    fn row_of_requests(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Kind::BadCursor => (
                StatusCode::BAD_REQUEST,
                "bad-cursor",
                "The cursor is not one of ours",
                "Cursors come from next_cursor of an earlier answer, and are good for the same list with the same filters. \
                 Begin again without one.",
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
                "Somebody else was first, a name is taken, or two values do not fit each other. Read the present state and decide again.",
            ),
            Kind::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", "A body has 64 KiB at most.")
            }
            Kind::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is not JSON",
                "Send a body with Content-Type application/json, for PATCH also application/merge-patch+json.",
            ),
            Kind::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "A value is not acceptable",
                "Each entry of errors names the value in its pointer and says what would be accepted. A field that is not known is refused.",
            ),
            _ => (
                StatusCode::BAD_REQUEST,
                "bad-request",
                "The request cannot be read",
                "The address or the body is not well formed. The detail says which part.",
            ),
        }
    }

    /// Keys under which something is done once.
    fn row_of_keys(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Kind::KeyBusy => (
                StatusCode::CONFLICT,
                "idempotency-key-busy",
                "What was asked under this key is still being done",
                "Ask again with the same key and the same body after some seconds: then the answer is there.",
            ),
            Kind::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The key was used for something else",
                "A key belongs to one request. Use a new one, such as a random UUID, for each thing that is to be done.",
            ),
            _ => (
                StatusCode::BAD_REQUEST,
                "idempotency-key-missing",
                "An Idempotency-Key is needed",
                "The request moves money or access. Send an Idempotency-Key header of 1 to 255 visible letters, such as a random UUID, \
                 and the same one whenever you send the same request again.",
            ),
        }
    }

    /// Changes of what was read before.
    fn row_of_preconditions(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Kind::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "It was changed meanwhile",
                "If-Match names another state than the present one. Read it again, and decide again.",
            ),
            _ => (
                StatusCode::PRECONDITION_REQUIRED,
                "precondition-required",
                "If-Match is needed",
                "Read the thing first, and send its ETag in If-Match, so that nobody's change is lost.",
            ),
        }
    }

    /// Who asks.
    fn row_of_tokens(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Kind::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "The token may not do that",
                "The detail names the scope that the token lacks, or says that it may not be used from here. Make a token with it: \
                 `portal token create --scope`.",
            ),
            Kind::TooManyRequests => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "The token asks too often",
                "The RateLimit header says how many requests are left. Ask again after the seconds that Retry-After says.",
            ),
            _ => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "A good token is needed",
                "Send `Authorization: Bearer mlt_…` with a token that `portal token create` made. A token that has expired, was revoked, \
                 or was replaced by one of the same name is no longer good.",
            ),
        }
    }
}

/// Seconds after which a request is worth trying again when the database was away.
const RETRY_AFTER: u64 = 5;
/// Seconds after which the answer to a request that is still worked on is probably there.
const BUSY_FOR: u64 = 2;

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
    detail: Option<Cow<'static, str>>,
    errors: Vec<Invalid>,
    /// The scope that is missing.
    scope: Option<Scope>,
    /// Seconds to wait.
    wait: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Invalid],
}

impl Problem {
    /// A problem of that kind, with the kind's explanation as its detail.
    pub fn new(kind: Kind) -> Problem {
        let wait = match kind {
            Kind::Unavailable => Some(RETRY_AFTER),
            Kind::KeyBusy => Some(BUSY_FOR),
            _ => None,
        };
        Problem { kind, detail: None, errors: Vec::new(), scope: None, wait }
    }

    /// The token lacks a scope.
    pub fn lacks(scope: Scope) -> Problem {
        let problem = Problem::new(Kind::Forbidden).because(format!("The token lacks the scope {scope}."));
        Problem { scope: Some(scope), ..problem }
    }

    /// One value is not acceptable.
    pub fn invalid(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(Kind::Invalid).with(Invalid { pointer: pointer.into(), code, detail: detail.into() })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its word for programs.
    pub fn code(&self) -> &'static str {
        self.kind.row().1
    }

    /// The same with a detail of its own.
    pub fn because(mut self, detail: impl Into<Cow<'static, str>>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    /// The same with one more value that is not acceptable.
    pub fn with(mut self, invalid: Invalid) -> Problem {
        self.errors.push(invalid);
        self
    }

    /// The same, to be tried again after so many seconds.
    pub fn after(mut self, seconds: u64) -> Problem {
        self.wait = Some(seconds.max(1));
        self
    }

    /// The document, with what the log calls the request.
    fn document<'a>(&'a self, instance: Option<&'a str>) -> Document<'a> {
        let (status, code, title, explanation) = self.kind.row();
        Document {
            r#type: address(code),
            title,
            status: status.as_u16(),
            detail: self.detail.as_deref().unwrap_or(explanation),
            instance,
            code,
            errors: &self.errors,
        }
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
        match error {
            // A sentence for people, unless it is PostgreSQL's name of a key.
            StoreError::Conflict(sentence) if !sentence.starts_with("already there") => {
                Problem::new(kind).because(sentence)
            }
            _ => Problem::new(kind),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.row().0, Json(self.document(None))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let challenge = match (self.kind, self.scope) {
            (Kind::Unauthorized, _) => Some("Bearer realm=\"mlango\"".to_owned()),
            (_, Some(scope)) => {
                Some(format!("Bearer realm=\"mlango\", error=\"insufficient_scope\", scope=\"{scope}\""))
            }
            _ => None,
        };
        if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        if self.kind == Kind::UnsupportedMediaType {
            headers.insert(header::ACCEPT, ACCEPTED);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The media type of problem documents.
const MEDIA_TYPE: &str = "application/problem+json";

/// Around everything: every answer that is not a success is a problem document that names the request.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    finished(next.run(request).await, id)
}

/// The same of one answer.
pub(super) fn finished(mut response: Response, id: Option<RequestId>) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let is_document = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    let problem = match problem {
        Some(problem) => problem,
        // Rendered before, and perhaps kept under a key.
        None if is_document => return response,
        None => of_status(status),
    };
    let Ok(document) = serde_json::to_vec(&problem.document(id.map(|id| id.to_string()).as_deref())) else {
        return response;
    };
    if !is_document {
        let headers = response.headers().clone();
        response = problem.into_response();
        response.extensions_mut().remove::<Problem>();
        if let Some(allow) = headers.get(header::ALLOW) {
            response.headers_mut().insert(header::ALLOW, allow.clone());
        }
    }
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(document);
    response
}

/// What a library refused by itself.
fn of_status(status: StatusCode) -> Problem {
    Problem::new(match status {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        status if status.is_client_error() => Kind::BadRequest,
        _ => Kind::Internal,
    })
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
    async fn a_missing_scope_is_named_and_a_request_too_many_waits() {
        let (status, headers, body) = document(Problem::lacks(Scope::MoneyRefund)).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("money:refund")), "{body}");
        let challenge = headers[header::WWW_AUTHENTICATE].to_str().expect("text");
        assert!(challenge.contains("insufficient_scope") && challenge.contains("money:refund"), "{challenge}");
        let (status, headers, _) = document(Problem::new(Kind::TooManyRequests).after(7)).await;
        assert_eq!((status.as_u16(), headers[header::RETRY_AFTER].as_bytes()), (429, &b"7"[..]));
    }

    #[tokio::test]
    async fn every_refusal_becomes_a_document_that_names_the_request() {
        let id: RequestId = "5a".repeat(16).parse().expect("a name");
        let read = async |response: Response| {
            let body = to_bytes(finished(response, Some(id)).into_body(), 10_000).await.expect("a body in memory");
            serde_json::from_slice::<serde_json::Value>(&body).expect("JSON")
        };
        let ours = read(Problem::new(Kind::Conflict).because("It is taken.").into_response()).await;
        assert_eq!((&ours["instance"], &ours["detail"]), (&id.to_string().into(), &"It is taken.".into()));
        let axums = read((StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded").into_response()).await;
        assert_eq!((&axums["code"], &axums["instance"]), (&"too-large".into(), &id.to_string().into()));
        let success = finished("fine".into_response(), Some(id));
        assert_eq!(to_bytes(success.into_body(), 100).await.expect("a body in memory"), "fine");
    }

    #[tokio::test]
    async fn what_is_wrong_is_pointed_at() {
        let (status, _, body) = document(Problem::invalid("limit", "out_of_range", "1 to 100")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["pointer"], "limit");
    }

    #[tokio::test]
    async fn the_stores_words_stay_inside() {
        let error = StoreError::Schema("a column named secret is missing".into());
        let (status, _, body) = document(error.into()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.to_string().contains("secret"));
        let (_, _, body) = document(StoreError::Conflict("already there (nas_name_key)".into()).into()).await;
        assert!(!body.to_string().contains("nas_name_key"));
        let (_, _, body) = document(StoreError::Conflict("it does not wait".into()).into()).await;
        assert_eq!(body["detail"], "it does not wait");
    }
}
