//! The HTTP that all programs have in common: where a request goes, an answer within bounds of time and size, and what it means that none came.
//!
//! ```text
//!  Server ──► an address, each part one segment ──► the program's own headers and body ──► send: counted, bounded ──► Heard
//!                                                                                            │ Silence
//!                                                                                            ▼
//!                                                                   Asked: a question, or a change ──► Trouble
//! ```
//!
//! Each program has its own file `wire` beside this: how it wants to be asked, and how much it may answer. What an answer means is no
//! business of this file, and no redirect is followed.

use std::time::Duration;

use outgoing::Silence;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use crate::connector::{Access, Trouble};

/// Most letters that are kept of their words.
const QUOTE_MAX: usize = 300;

/// What was asked for, which decides what silence means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// To know something: no answer changes nothing, and it may be asked again.
    Read,
    /// To change something: without an answer it may have been done.
    Write,
}

impl Asked {
    /// What it means that nothing is known of it.
    pub(crate) fn unsure(self, why: impl Into<String>) -> Trouble {
        match self {
            Asked::Read => Trouble::Away(why.into()),
            Asked::Write => Trouble::Unknown(why.into()),
        }
    }

    /// What it means that no answer came.
    pub(crate) fn unheard(self, silence: Silence, why: impl Into<String>) -> Trouble {
        match silence {
            Silence::NotSent => Trouble::Away(why.into()),
            Silence::TimedOut | Silence::Broken => self.unsure(why),
        }
    }
}

/// Where a program is, and the client that asks it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    client: Client,
    base: Url,
}

impl Server {
    /// Prepares the client; nothing is sent.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(base: Url, timeout: Duration) -> reqwest::Result<Server> {
        Ok(Server { client: client(timeout)?, base })
    }

    /// Where it is: as the grant says, or as it is configured.
    pub(crate) fn base<'a>(&'a self, access: &Access<'a>) -> &'a Url {
        access.base.unwrap_or(&self.base)
    }

    /// Begins a request.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// A client that gives up after this time.
///
/// # Errors
/// When TLS cannot be set up.
pub(crate) fn client(timeout: Duration) -> reqwest::Result<Client> {
    // Half of it, so that a program that cannot be reached is known to have heard nothing.
    outgoing::client(timeout / 2, timeout)
}

/// An address below another one: what all of a program's begin with, and the rest. Each part is one segment, whatever it holds: an
/// identifier cannot lead to another path.
pub(crate) fn below(base: &Url, root: &[&str], path: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("http and https addresses have a path, and no others are taken")
        .pop_if_empty()
        .extend(root)
        .extend(path);
    url
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether it says that it is JSON.
    is_json: bool,
}

impl Heard {
    /// Its JSON, if it says that it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        self.is_json.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }
}

/// Sends a request and counts it, also where it is not answered. An answer of more than `limit` octets is none.
///
/// # Errors
/// No answer came.
pub(crate) async fn send(access: &Access<'_>, request: RequestBuilder, limit: usize) -> Result<Heard, Silence> {
    access.count();
    hear(request, limit).await
}

/// Sends a request that no program counts: to who gives out its tokens.
///
/// # Errors
/// No answer came.
pub(crate) async fn hear(request: RequestBuilder, limit: usize) -> Result<Heard, Silence> {
    let response = request.send().await?;
    let (status, is_json) = (response.status().as_u16(), outgoing::is_json(&response));
    let headers = response.headers().clone();
    let body = outgoing::body(response, limit).await?;
    Ok(Heard { status, headers, body, is_json })
}

/// A header as text; empty where there is none.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// How long to wait, where it is said in seconds; a date is not read.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    header(headers, RETRY_AFTER.as_str()).trim().parse().ok().map(Duration::from_secs)
}

/// A text of theirs as it may be kept and shown: bounded, in one line, and without addresses of people.
pub(crate) fn quotable(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_control() || letter == ' ').filter(|word| !word.is_empty());
    let shown: Vec<&str> = words.map(|word| if word.contains('@') { "***" } else { word }).collect();
    shown.join(" ").chars().take(QUOTE_MAX).collect()
}

/// A number for these octets, to tell a request that was changed from one that is repeated. FNV-1a: it need not withstand anybody, and
/// must be the same in every version of this program.
pub(crate) fn fingerprint(octets: impl IntoIterator<Item = u8>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    octets.into_iter().fold(OFFSET, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_change_that_was_sent_may_have_been_made() {
        for silence in [Silence::NotSent, Silence::TimedOut, Silence::Broken] {
            assert!(matches!(Asked::Read.unheard(silence, "?"), Trouble::Away(_)), "{silence:?}");
            let is_known = matches!(Asked::Write.unheard(silence, "?"), Trouble::Away(_));
            assert_eq!(is_known, silence == Silence::NotSent, "{silence:?}");
        }
    }

    #[test]
    fn a_wait_is_a_number_of_seconds() {
        let of = |value| wait(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]));
        assert_eq!(of("17"), Some(Duration::from_secs(17)));
        assert_eq!((of("soon"), wait(&HeaderMap::new())), (None, None));
    }

    #[test]
    fn a_path_stands_below_the_base_and_an_identifier_stays_one_segment() {
        for (base, expected) in [
            ("https://api.xero.com", "https://api.xero.com/api.xro/2.0/Invoices/a%2Fb%3Fc"),
            ("http://127.0.0.1:9/xero/", "http://127.0.0.1:9/xero/api.xro/2.0/Invoices/a%2Fb%3Fc"),
        ] {
            let base = base.parse().expect("an address");
            assert_eq!(below(&base, &["api.xro", "2.0"], &["Invoices", "a/b?c"]).as_str(), expected);
        }
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_version() {
        // The vectors of its authors.
        assert_eq!(fingerprint([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(*b"foobar"), 0x8594_4171_f739_67e8);
    }
}
