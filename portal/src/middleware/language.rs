//! In which language a request is answered.
//!
//! A customer chooses on any page. Captive browsers keep no cookie and run no script, so the choice travels in what a page leads
//! to: its links and forms say `lang=sw` in their addresses ([`Speech::to`]). An address is known before a form is read, so a page
//! that says what went wrong has the same language. The sealed visit has the choice too ([`crate::pages::visit::Visit`]), and with
//! it the order, whose page is reached from elsewhere. A browser that keeps cookies is given one ([`remember`]), and its addresses
//! stay short.
//!
//! Who has chosen nothing is answered in the language that the customer once chose, where it is known who asks, else in what the browser
//! accepts, else in the one in which the customer is told things, else in English. Refused here: any guess by address or telephone number.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use shared::language::Language;

use crate::session::cookie;
use crate::{App, urls};

/// Languages of `Accept-Language` that are looked at. Browsers send fewer than ten.
const RANGES_MAX: usize = 20;

/// What a request says of its language.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Wanted {
    /// In its address.
    address: Option<Language>,
    /// In the browser's cookie.
    cookie: Option<Language>,
    /// What the browser likes best of what we speak.
    accepted: Option<Language>,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Wanted, Infallible> {
        Ok(Wanted::of(&parts.uri, &parts.headers))
    }
}

impl Wanted {
    /// Reads it.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Wanted {
        let jar = CookieJar::from_headers(headers);
        Wanted {
            address: uri.query().and_then(in_query),
            cookie: jar.get(cookie::LANGUAGE).and_then(|cookie| Language::parse(cookie.value())),
            accepted: accepted(headers),
        }
    }

    /// Whether the browser says what it likes, of what we speak.
    pub(crate) fn has_accepted(self) -> bool {
        self.accepted.is_some()
    }

    /// What was chosen, here or before: `before` is what the visit or the order remembers.
    pub(crate) fn chosen(self, before: Option<Language>) -> Option<Language> {
        self.address.or(self.cookie).or(before)
    }

    /// The language of the answer. `customers` is that of whoever is signed in.
    pub(crate) fn speech(self, before: Option<Language>, customers: Option<Language>) -> Speech {
        let chosen = self.chosen(before);
        let language = chosen.or(customers).or(self.accepted).unwrap_or_default();
        let unsaid = self.cookie.or(self.accepted).unwrap_or_default();
        // A choice is said, unless the cookie says it: what the order or the customer has may be another one.
        let in_addresses = if chosen.is_some() { self.cookie != Some(language) } else { language != unsaid };
        Speech { language, in_addresses }
    }
}

/// The language of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Speech {
    pub(crate) language: Language,
    /// Whether its addresses say so, because the browser would not.
    in_addresses: bool,
}

impl Speech {
    /// An address of ours, as this answer links to it.
    pub(crate) fn to(self, address: &str) -> String {
        if self.in_addresses { urls::in_language(address, self.language) } else { address.to_owned() }
    }
}

#[cfg(test)]
impl Speech {
    /// A language that was chosen, in a browser that keeps nothing.
    pub(crate) fn said(language: Language) -> Speech {
        Speech { language, in_addresses: true }
    }
}

/// Keeps a choice in browsers that keep cookies.
pub(crate) async fn remember(State(app): State<App>, request: Request, next: Next) -> Response {
    let wanted = Wanted::of(request.uri(), request.headers());
    let mut response = next.run(request).await;
    if let Some(language) = wanted.address.filter(|language| wanted.cookie != Some(*language)) {
        let cookie = cookie::language(&app.config.portal.public_url, language);
        if let Ok(value) = cookie.to_string().parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn in_query(query: &str) -> Option<Language> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == urls::LANGUAGE).find_map(|(_, value)| Language::parse(value))
}

/// The best of what the browser accepts and we speak (RFC 9110 §12.5.4); of two that it likes equally the first.
fn accepted(headers: &HeaderMap) -> Option<Language> {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).take(RANGES_MAX).filter_map(range);
    let best = ranges.reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.map(|(language, _)| language)
}

/// `sw-KE;q=0.8`. A language that is not wanted (`q=0`) is none.
fn range(text: &str) -> Option<(Language, f32)> {
    let (tag, weight) = text.split_once(';').unwrap_or((text, ""));
    let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
    let weight = match weight.trim().split_once('=') {
        Some((_, weight)) => weight.trim().parse().ok()?,
        None => 1.0,
    };
    Some((Language::parse(&primary)?, weight)).filter(|(_, weight)| *weight > 0.0 && *weight <= 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SW: Option<Language> = Some(Language::Swahili);
    const EN: Option<Language> = Some(Language::English);

    fn wanted(uri: &'static str, cookie: &'static str, accept: &'static str) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::COOKIE, cookie), (header::ACCEPT_LANGUAGE, accept)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().expect("a value"));
            }
        }
        Wanted::of(&uri.parse().expect("an address"), &headers)
    }

    #[test]
    fn the_language_that_a_browser_likes_best_is_taken() {
        for (accept, expected) in [
            ("", None),
            ("sw", SW),
            ("sw-KE,sw;q=0.9,en-US;q=0.8,en;q=0.7", SW),
            ("en-US,en;q=0.9,sw;q=0.8", EN),
            ("en;q=0.5, SW-TZ; q=0.8", SW),
            ("fr-FR, sw;q=0.1", SW),
            ("sw;q=0, en;q=0.1", EN),
            ("sw;q=NaN", None),
            ("fr, *;q=0.5", None),
            ("swc, english", None),
        ] {
            assert_eq!(wanted("/", "", accept).accepted, expected, "{accept}");
        }
    }

    #[test]
    fn a_choice_goes_before_the_customers_language_and_the_browsers() {
        let speech =
            |uri, cookie, accept, before, customers| wanted(uri, cookie, accept).speech(before, customers).language;
        let cookie = "a=b; mlango-language=sw";
        assert_eq!(speech("/", "", "", None, None), Language::English);
        assert_eq!(speech("/", "", "sw", None, None), Language::Swahili);
        assert_eq!(speech("/", "", "sw", None, EN), Language::English, "the customer's own");
        assert_eq!(speech("/", "", "en", SW, EN), Language::Swahili, "chosen before");
        assert_eq!(speech("/", cookie, "en", EN, EN), Language::Swahili, "in the cookie");
        assert_eq!(speech("/?visit=x&lang=en", cookie, "sw", SW, SW), Language::English, "in the address");
        assert_eq!(speech("/?lang=fr&slang=en", "mlango-language=fr", "sw", None, None), Language::Swahili);
    }

    #[test]
    fn addresses_say_what_the_browser_does_not() {
        let to = |uri, cookie, accept, before, customers| {
            wanted(uri, cookie, accept).speech(before, customers).to("/o/x?back=1")
        };
        assert_eq!(to("/", "", "", None, None), "/o/x?back=1");
        assert_eq!(to("/", "", "sw", None, None), "/o/x?back=1");
        assert_eq!(to("/?lang=sw", "", "", None, None), "/o/x?back=1&lang=sw");
        assert_eq!(to("/?lang=en", "", "", None, None), "/o/x?back=1&lang=en", "the order may have another one");
        assert_eq!(to("/?lang=sw", "mlango-language=sw", "", None, None), "/o/x?back=1");
        assert_eq!(to("/?lang=en", "mlango-language=sw", "", None, None), "/o/x?back=1&lang=en");
        assert_eq!(to("/", "", "en", SW, None), "/o/x?back=1&lang=sw");
        assert_eq!(to("/", "", "en", None, SW), "/o/x?back=1&lang=sw");
        assert_eq!(Speech::default().to("/buy"), "/buy");
    }
}
