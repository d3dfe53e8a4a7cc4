//! What can go wrong while a page is made, in kinds that the reader of the page can do something about.
//!
//! A handler returns an [`AppError`]; `middleware::problem` turns it into a page with the operator's name and
//! phone number, in the language of the request, and logs it once, there. The page says nothing of our insides.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use store::StoreError;

/// A request that ends without its page.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such page, order or thing; also for a token that we did not make.
    #[error("not found")]
    NotFound,
    /// What was sent makes no sense; the sentence of this key ([`crate::views::text`]) says what to do.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// The request is not let through; the sentence of this key says why.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// Sent too often; after so long it may be sent again.
    #[error("too often")]
    TooOften(Duration),
    /// The store failed or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A template did not render.
    #[error("a page did not render: {0}")]
    Render(#[from] askama::Error),
}

impl AppError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            AppError::NotFound | AppError::Store(StoreError::Missing { .. }) => StatusCode::NOT_FOUND,
            AppError::BadRequest(_) => StatusCode::BAD_REQUEST,
            AppError::Forbidden(_) => StatusCode::FORBIDDEN,
            AppError::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            AppError::Store(StoreError::Conflict(_) | StoreError::NotPlaced(_)) => StatusCode::CONFLICT,
            AppError::Store(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            AppError::Store(_) | AppError::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The problem as its page words it.
    fn problem(&self) -> Problem {
        let (title, text) = match self.status() {
            StatusCode::NOT_FOUND => ("problem-not-here", "problem-not-here-advice"),
            StatusCode::CONFLICT => ("problem-changed", "problem-changed-advice"),
            StatusCode::SERVICE_UNAVAILABLE => ("problem-away", "problem-away-advice"),
            StatusCode::TOO_MANY_REQUESTS => ("problem-too-often", "problem-too-often-advice"),
            _ => ("problem-broken", "problem-broken-advice"),
        };
        let (title, text) = match self {
            AppError::BadRequest(text) | AppError::Forbidden(text) => ("problem-refused", *text),
            _ => (title, text),
        };
        Problem { title, text, cause: self.to_string() }
    }
}

/// Carried from a handler to `middleware::problem` in the extensions of a response without a body.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Key of the page's heading.
    pub(crate) title: &'static str,
    /// Key of what the reader can do.
    pub(crate) text: &'static str,
    /// For the log.
    pub(crate) cause: String,
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let AppError::TooOften(wait) = &self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response.extensions_mut().insert(self.problem());
        response
    }
}
