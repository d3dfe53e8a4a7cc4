//! Who asks: a bearer token in the `Authorization` header, and nowhere else. [`super::door`] looks at it and hands it on; a
//! handler takes it as an argument to write its name into the audit log.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use shared::scope::Scopes;
use store::admin::Audit;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use crate::App;
use crate::middleware::client::ClientAddress;

/// Longest token that is looked at; ours have 47 characters.
const MAX_TOKEN: usize = 200;

/// A program that showed a token which is good now, here.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token's identity.
    pub id: Uuid,
    /// Who did it, in the audit log: `token NAME`.
    pub actor: String,
    /// What it may do.
    pub scopes: Scopes,
    /// From where it asks.
    pub from: IpAddr,
}

impl Token {
    /// The token that a request shows, if it is good now and may be used from there.
    pub(super) async fn shown(app: &App, parts: &mut Parts) -> Result<Token, Problem> {
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let shown = shown.ok_or_else(|| Problem::new(Kind::Unauthorized))?;
        let digest = store::api_token::digest(shown);
        let good = store::api_token::check(&app.db, &digest, app.clock.now()).await?;
        let good = good.ok_or_else(|| Problem::new(Kind::Unauthorized))?;
        let Ok(ClientAddress(from)) = ClientAddress::from_request_parts(parts, app).await;
        if !good.allowed_from.is_empty() && !good.allowed_from.iter().any(|network| network.contains(&from)) {
            return Err(Problem::new(Kind::Forbidden).because("The token may not be used from this address."));
        }
        Ok(Token { id: good.id, actor: format!("token {}", good.name), scopes: good.scopes, from })
    }

    /// A line of the audit log, for what writes it together with what it tells of. Actions and objects are spelt as the command line
    /// spells them.
    pub(super) fn line<'a>(&'a self, action: &'a str, object: &'a str) -> Audit<'a> {
        Audit { actor: &self.actor, action, object, address: Some(self.from) }
    }

    /// Leaves a line in the audit log.
    pub(super) async fn audit(&self, app: &App, action: &str, object: &str) -> Result<(), Problem> {
        Ok(store::admin::audit(&app.db, &self.line(action, object), app.clock.now()).await?)
    }
}

impl FromRequestParts<App> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Token, Problem> {
        // Without the door in front there is none, and nobody is let in.
        parts.extensions.get::<Token>().cloned().ok_or_else(|| Problem::new(Kind::Unauthorized))
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
