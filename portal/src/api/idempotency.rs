//! Requests that are done once, however often they are sent: those that move money or access carry an `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header-06).
//!
//! The key is scoped by token and route, and belongs to one path and body. The first request claims it, works, and leaves its answer;
//! the same request again gets that answer octet for octet, with `Idempotency-Replayed: true`. While the first one works, others are
//! told to come back. What a request made itself impossible (a value out of its range, a wrong ETag) frees the key. A client that leaves
//! does not end the work.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use shared::request::RequestId;
use store::idempotency::{Answer, Asked, Claim};
use tracing::Instrument as _;
use uuid::Uuid;

use super::auth::Token;
use super::input::MAX_BODY;
use super::operations::{Key, Operation};
use super::problem::{Kind, Problem, finished};
use crate::App;

/// How long an answer that moved no money is kept.
const KEEP: Duration = Duration::from_secs(48 * 3600);
/// Longest work on one request before another one may take it up: longer than M-Pesa may be waited for.
const LEASE: Duration = Duration::from_secs(120);
/// Longest answer that is kept, octets.
const MAX_ANSWER: usize = 1024 * 1024;
/// Longest key, in letters.
const MAX_KEY: usize = 255;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The identity of what a request makes; it stays when the work is taken up again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work(pub(super) Uuid);

impl FromRequestParts<App> for Work {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Work, Problem> {
        // Only an operation that has no key in the table comes here without one.
        parts.extensions.get::<Work>().copied().ok_or_else(|| Problem::new(Kind::Internal))
    }
}

/// Does what a request asks for, once under its key.
pub(super) async fn once(
    app: &App,
    token: &Token,
    operation: &'static Operation,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let key = key(&parts.headers)?;
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| Problem::new(Kind::TooLarge))?;
    let asked = Asked {
        token: token.id,
        route: format!("{} {}", operation.method, operation.path),
        key,
        // Keyed, since a body may hold a password.
        fingerprint: app.db.seal().lookup(&[parts.uri.path().as_bytes(), &b"\n"[..], &body[..]].concat()),
    };
    let keep = (operation.key == Key::Access).then_some(KEEP);
    let work = match store::idempotency::claim(&app.db, &asked, LEASE, keep, app.clock.now()).await? {
        Claim::Ours { work } => work,
        Claim::Answered(answer) => return replay(answer),
        Claim::Busy => return Err(Problem::new(Kind::KeyBusy)),
        Claim::Other => return Err(Problem::new(Kind::KeyReused)),
    };
    parts.extensions.insert(Work(work));
    let id = parts.extensions.get::<RequestId>().copied();
    let request = Request::from_parts(parts, Body::from(body));
    let inner = app.clone();
    let working = async move {
        let response = finished(next.run(request).await, id);
        keep_answer(&inner, &asked, work, response).await
    };
    let working = app.background.spawn(working.instrument(tracing::Span::current()));
    working.await.map_err(|_| Problem::new(Kind::Internal))?
}

/// Keeps what was answered, or says that nothing was done, or that it is not known.
async fn keep_answer(app: &App, asked: &Asked, work: Uuid, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER).await.map_err(|_| Problem::new(Kind::Internal))?;
    if is_final(parts.status) {
        let answer = Answer { status: parts.status.as_u16(), headers: headers(&parts.headers), body: body.to_vec() };
        store::idempotency::finish(&app.db, asked, work, &answer).await?;
    } else if parts.status.is_server_error() {
        store::idempotency::give_up(&app.db, asked, work, app.clock.now()).await?;
    } else {
        store::idempotency::release(&app.db, asked, work).await?;
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Whether the work has come to an end that the same request finds again.
fn is_final(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::CONFLICT
}

/// The headers that belong to an answer.
fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
    let text = |name: HeaderName| Some((name.to_string(), headers.get(&name)?.to_str().ok()?.to_owned()));
    kept.into_iter().filter_map(text).collect()
}

fn replay(answer: Answer) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| Problem::new(Kind::Internal))?;
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The key that a request carries.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let text = headers.get(KEY).and_then(|value| value.to_str().ok()).map(str::trim).unwrap_or_default();
    // The draft writes a key in quotes, and most clients do not.
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let is_good = (1..=MAX_KEY).contains(&bare.len()) && bare.bytes().all(|octet| octet.is_ascii_graphic());
    if is_good { Ok(bare.to_owned()) } else { Err(Problem::new(Kind::KeyMissing)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<String, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(KEY, HeaderValue::from_str(value).expect("a value"));
        key(&headers).map_err(|problem| problem.kind())
    }

    #[test]
    fn a_key_is_some_visible_letters_in_quotes_or_not() {
        assert_eq!(of("8e03978e-40d5-43dd-bc93-6894a57f9324"), Ok("8e03978e-40d5-43dd-bc93-6894a57f9324".into()));
        assert_eq!(of("\"order-7\""), Ok("order-7".into()));
        for value in ["", " ", "\"\"", "two words", &"x".repeat(MAX_KEY + 1)] {
            assert_eq!(of(value), Err(Kind::KeyMissing), "{value}");
        }
        assert_eq!(key(&HeaderMap::new()).map_err(|problem| problem.kind()), Err(Kind::KeyMissing));
    }

    #[tokio::test]
    async fn an_answer_comes_back_octet_for_octet_and_says_so() {
        let kept = [("content-type", "application/json"), ("location", "/api/v1/refunds/ref_1")];
        let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = Answer { status: 201, headers: kept.into(), body: b"{\"a\":1}".to_vec() };
        let response = replay(answer).expect("a status");
        assert_eq!((response.status().as_u16(), response.headers()[REPLAYED].as_bytes()), (201, &b"true"[..]));
        assert_eq!(response.headers()[header::LOCATION], "/api/v1/refunds/ref_1");
        assert_eq!(to_bytes(response.into_body(), 100).await.expect("a body in memory"), &b"{\"a\":1}"[..]);
    }

    #[test]
    fn what_was_done_or_cannot_be_done_is_final_and_what_was_wrong_is_not() {
        let finals = [200, 201, 202, 204, 409];
        let others = [400, 404, 412, 415, 422, 428, 500, 503];
        let is_final = |status: &u16| is_final(StatusCode::from_u16(*status).expect("a status"));
        assert!(finals.iter().all(is_final) && !others.iter().any(is_final));
    }
}
