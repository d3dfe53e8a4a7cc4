//! Who asks: a bearer token in the `Authorization` header, and nowhere else.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::problem::{Kind, Problem};
use crate::App;

/// Longest token that is looked at; ours have 47 characters.
const MAX_TOKEN: usize = 200;

/// A program that showed a token which is good now.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token's name, for the audit log.
    pub name: String,
}

impl FromRequestParts<App> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Token, Problem> {
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let token = shown.ok_or_else(|| Problem::new(Kind::Unauthorized))?;
        let digest = store::api_token::digest(token);
        let name = store::api_token::check(&app.db, &digest, app.clock.now()).await?;
        name.map(|name| Token { name }).ok_or_else(|| Problem::new(Kind::Unauthorized))
    }
}

/// The token of a `Bearer` credential (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let well_formed = !token.is_empty() && token.len() <= MAX_TOKEN;
    (scheme.eq_ignore_ascii_case("bearer") && well_formed).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_credentials_are_read() {
        assert_eq!(bearer("Bearer mlt_x"), Some("mlt_x"));
        assert_eq!(bearer("bearer  mlt_x "), Some("mlt_x"));
        for value in ["", "Bearer", "Bearer ", "Basic bWx0", "mlt_x"] {
            assert_eq!(bearer(value), None, "{value}");
        }
        assert_eq!(bearer(&format!("Bearer {}", "x".repeat(MAX_TOKEN + 1))), None);
    }
}
