//! The one door to the interface: nobody comes to a handler without a good token that may do what the operation is, or more often
//! than is allowed. [`super::operations`] says what each operation asks for.
//!
//! What the RateLimit headers say is counted for each token by itself, by all portals together while Redis is there.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::auth::Token;
use super::idempotency;
use super::operations::{self, Key, Operation};
use super::problem::{Kind, Problem};
use crate::App;
use crate::throttle::{Limit, Tally};

/// How long requests are counted together.
const WINDOW: Duration = Duration::from_secs(60);
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Lets a request in, or says why not.
pub(super) async fn door(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(operation) = operations::asked(&request) else { return Problem::new(Kind::NotFound).into_response() };
    let (mut parts, body) = request.into_parts();
    if operation.scope.is_none() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let token = match Token::shown(&app, &mut parts).await {
        Ok(token) => token,
        Err(problem) => return problem.into_response(),
    };
    let rate = Rate::count(&app, &token).await;
    let request = Request::from_parts(parts, body);
    let mut response =
        within(&app, operation, token, &rate, request, next).await.unwrap_or_else(Problem::into_response);
    rate.tell(response.headers_mut());
    response
}

/// What is known to come from a token.
async fn within(
    app: &App,
    operation: &'static Operation,
    token: Token,
    rate: &Rate,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if rate.is_exceeded() {
        return Err(Problem::new(Kind::TooManyRequests).after(rate.tally.ends_in));
    }
    if let Some(scope) = operation.scope.filter(|scope| !token.scopes.allow(*scope)) {
        return Err(Problem::lacks(scope));
    }
    request.extensions_mut().insert(token.clone());
    match operation.key {
        Key::None => Ok(next.run(request).await),
        Key::Access | Key::Money => idempotency::once(app, &token, operation, request, next).await,
    }
}

/// How often a token asks.
#[derive(Clone, Copy, Debug)]
struct Rate {
    most: u32,
    tally: Tally,
}

impl Rate {
    async fn count(app: &App, token: &Token) -> Rate {
        let most = app.config.api.requests_per_minute;
        Rate { most, tally: app.throttle.tally(app, &Limit::new("api", token.id, most, WINDOW)).await }
    }

    fn is_exceeded(&self) -> bool {
        self.tally.tries > self.most
    }

    /// In the words of draft-ietf-httpapi-ratelimit-headers-10.
    fn tell(&self, headers: &mut HeaderMap) {
        let left = self.most.saturating_sub(self.tally.tries);
        let policy = format!("\"token\";q={};w={}", self.most, WINDOW.as_secs());
        let now = format!("\"token\";r={left};t={}", self.tally.ends_in);
        for (name, value) in [(POLICY, policy), (LEFT, now)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told() {
        let told = |tries| {
            let mut headers = HeaderMap::new();
            let rate = Rate { most: 3, tally: Tally { tries, ends_in: 42 } };
            rate.tell(&mut headers);
            (headers[LEFT].to_str().expect("text").to_owned(), rate.is_exceeded())
        };
        assert_eq!(told(1), ("\"token\";r=2;t=42".to_owned(), false));
        assert_eq!(told(3), ("\"token\";r=0;t=42".to_owned(), false));
        assert_eq!(told(4), ("\"token\";r=0;t=42".to_owned(), true));
    }
}
