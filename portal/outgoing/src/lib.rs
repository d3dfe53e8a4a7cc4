//! What all requests to providers have in common: no redirect is followed, which would carry a key to an address that nobody set;
//! an answer is read within a bound; and where none comes, it is known whether anything was sent.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, redirect};

/// Why no answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// Nothing was sent.
    NotSent,
    /// It was not answered in time.
    TimedOut,
    /// It broke off, or what came is no answer.
    Broken,
}

impl From<reqwest::Error> for Silence {
    fn from(error: reqwest::Error) -> Silence {
        // A connection that was never made carried nothing, even if the time ran out meanwhile.
        if error.is_connect() || error.is_builder() {
            Silence::NotSent
        } else if error.is_timeout() {
            Silence::TimedOut
        } else {
            Silence::Broken
        }
    }
}

/// A client that gives up after so long: on a connection, and on an answer with the connection.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client(connection: Duration, answer: Duration) -> reqwest::Result<Client> {
    Client::builder().timeout(answer).connect_timeout(connection).redirect(redirect::Policy::none()).build()
}

/// Whether an answer says that it is JSON.
pub fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
}

/// The body of an answer; one of more than `limit` octets is no answer.
///
/// # Errors
/// When it breaks off, does not come in time, or is longer.
pub async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, Silence> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(Silence::Broken);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
