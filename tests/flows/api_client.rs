//! A program of the operator's: it asks the REST interface with a token, and looks at what is answered.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use shared::scope::Scopes;
use store::api_token::{New, replace};
use tests::world::World;

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The same as JSON; null if it is none.
    pub(crate) json: Value,
}

impl Answer {
    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Wants this status.
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Wants a problem document of this status and code, which names the request.
    pub(crate) fn refused_as(self, status: u16, code: &str) -> Answer {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text);
        assert_eq!(answer.json["code"], code, "{}", answer.text);
        assert_eq!(answer.json["instance"], answer.header("x-request-id"), "{}", answer.text);
        answer
    }

    /// A field that is text.
    pub(crate) fn text_of(&self, field: &str) -> String {
        self.json[field].as_str().unwrap_or_else(|| panic!("{field}: {}", self.text)).to_owned()
    }
}

/// A program with a token.
#[derive(Clone)]
pub(crate) struct Program {
    http: Client,
    base: String,
    token: String,
}

impl Program {
    /// One with these scopes, or with all; the portal runs.
    pub(crate) async fn with(world: &World, name: &str, scopes: &[&str]) -> Program {
        let scopes = if scopes.is_empty() { &["*"] } else { scopes };
        let words: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let scopes = Scopes::parse(&words).unwrap();
        let token = format!("mlt_{}", shared::rng::secret());
        let new = New { name, token: &token, scopes: &scopes, expires_at: None, allowed_from: &[] };
        replace(&world.db, &new, world.clock.now()).await.unwrap();
        Program::showing(world, token)
    }

    /// One with the token that this command makes.
    pub(crate) async fn of(world: &World, command: &[&str]) -> Program {
        let made: Value = serde_json::from_str(&world.portal_command(command, "").await).unwrap();
        Program::showing(world, made["token"].as_str().unwrap().to_owned())
    }

    fn showing(world: &World, token: String) -> Program {
        Program { http: Client::new(), base: format!("{}/api/v1", world.portal_url()), token }
    }

    /// Any request.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request("get", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request("post", path).json(&body)).await
    }

    /// Asks for something that is done once.
    pub(crate) async fn once(&self, key: &str, path: &str, body: Value) -> Answer {
        send(self.request("post", path).header("idempotency-key", key).json(&body)).await
    }

    /// Changes what had this ETag.
    pub(crate) async fn patch(&self, etag: &str, path: &str, body: Value) -> Answer {
        send(self.request("patch", path).header("if-match", etag).json(&body)).await
    }
}

/// Sends a request and reads its answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    Answer { status, headers, json: serde_json::from_str(&text).unwrap_or_default(), text }
}
