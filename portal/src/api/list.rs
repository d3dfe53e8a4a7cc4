//! Lists: how many are asked for, and the shape they come in.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::problem::{Invalid, Kind, Problem};
use crate::App;

/// Things in a list that does not ask. Minimum 1.
pub const DEFAULT_LIMIT: u32 = 20;
/// Most things in one list.
pub const MAX_LIMIT: u32 = 100;

/// How many things a request asks for: `?limit=`, 1 to 100, 20 if not said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit(pub u32);

#[derive(Debug, Deserialize)]
struct Parameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl FromRequestParts<App> for Limit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Limit, Problem> {
        let Query(sent) = Query::<Parameters>::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::new(Kind::BadRequest).because("The query of the address cannot be read."))?;
        read(&sent)
    }
}

fn read(sent: &Parameters) -> Result<Limit, Problem> {
    if sent.cursor.is_some() {
        return Err(Problem::new(Kind::BadCursor));
    }
    match sent.limit.as_deref().map(str::parse::<u32>) {
        None => Ok(Limit(DEFAULT_LIMIT)),
        Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => Ok(Limit(limit)),
        Some(_) => Err(Problem::new(Kind::Invalid).with(Invalid {
            pointer: "limit".into(),
            code: "out_of_range",
            detail: format!("limit must be a number from 1 to {MAX_LIMIT}"),
        })),
    }
}

#[derive(Debug, Serialize)]
struct Page<T> {
    data: Vec<T>,
    /// Always null: this version has no further pages.
    next_cursor: Option<String>,
}

/// The newest things, as many as were asked for.
pub fn page<T: Serialize>(data: Vec<T>) -> Response {
    Json(Page { data, next_cursor: None }).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: Option<&str>) -> Result<u32, Kind> {
        let sent = Parameters { limit: text.map(str::to_owned), cursor: None };
        read(&sent).map(|limit| limit.0).map_err(|problem| problem.kind())
    }

    #[test]
    fn limits_have_bounds() {
        assert_eq!(limit(None), Ok(20));
        assert_eq!(limit(Some("1")), Ok(1));
        assert_eq!(limit(Some("100")), Ok(100));
        for text in ["0", "101", "-1", "x", "", "1.0"] {
            assert_eq!(limit(Some(text)), Err(Kind::Invalid), "{text}");
        }
    }

    #[test]
    fn no_cursor_was_ever_given_out() {
        let sent = Parameters { limit: None, cursor: Some("x".into()) };
        assert_eq!(read(&sent).expect_err("never ours").kind(), Kind::BadCursor);
    }
}
