//! A visit: what the router's login page told about a guest, checked, and carried through the portal's forms as one
//! sealed token. No cookie and no storage: captive browsers keep neither.
//!
//! The redirect that brings a guest is unsigned, so everything in it may be forged. What is taken from it: a device
//! address that parses, a login address whose host belongs to a registered router ([`login_target`]), a destination
//! that is plain http or https ([`destination`]), and the CHAP id and challenge as octets ([`Chap::read`]). What does
//! not fit is dropped or refused; nothing is shown unescaped.

use serde::{Deserialize, Serialize};
use shared::language::Language;
use shared::mac::Mac;
use shared::rng;
use shared::seal::SealKey;
use shared::time::OffsetDateTime;
use shared::token;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// What a visit is sealed for.
const CONTEXT: &str = "visit";
/// A page older than this has to be opened again through the router: its challenge is long dead.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Longest address that is taken from a query, in octets.
const URL_LIMIT: usize = 2000;
/// Longest error sentence that is kept, in characters.
const ERROR_LIMIT: usize = 200;

/// A guest at a registered router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Visit {
    /// The router.
    pub(crate) nas: Uuid,
    /// Its site, for the packages on offer.
    pub(crate) site: Option<Uuid>,
    /// The site's name, for the metrics.
    pub(crate) site_name: Option<String>,
    /// The device.
    pub(crate) mac: Mac,
    /// The router's login address, without query and fragment.
    pub(crate) login: Url,
    /// Where the guest wanted to go.
    pub(crate) destination: Option<Url>,
    /// CHAP id and challenge, if the router wants them.
    pub(crate) chap: Option<Chap>,
    /// What the router said when it last sent the guest here; empty if nothing.
    #[serde(default)]
    pub(crate) error: String,
    /// The language, if the guest has chosen one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<Language>,
}

/// The language that was chosen in a visit which an order remembers.
pub(crate) fn language_of(visit: &serde_json::Value) -> Option<Language> {
    Language::parse(visit.get("language")?.as_str()?)
}

/// A visit in a form: with a number of its own, so that the same form sent twice is one order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Form {
    /// The visit.
    pub(crate) visit: Visit,
    /// The form's number; its time is when the page was made.
    pub(crate) number: Uuid,
    /// The session of the customer who is signed in, in pages that answer a form: browsers without cookies.
    #[serde(default)]
    pub(crate) session: Option<String>,
}

impl Form {
    /// A new form for a visit.
    pub(crate) fn new(visit: Visit, now: OffsetDateTime) -> Form {
        Form { visit, number: rng::id(now), session: None }
    }

    /// Seals it.
    pub(crate) fn seal(&self, key: &SealKey) -> String {
        token::carry(key, CONTEXT, self)
    }

    /// Opens what [`Form::seal`] made, unless it is too old.
    pub(crate) fn open(key: &SealKey, token: &str, now: OffsetDateTime) -> Option<Form> {
        let form: Form = token::uncarry(key, CONTEXT, token)?;
        (now - rng::made_at(form.number)? < KEPT).then_some(form)
    }

    /// The identity of the order that this form makes: the same form, package, number and discount code give the same order, in
    /// every process. A different choice on the same page is another order.
    pub(crate) fn order_id(&self, key: &SealKey, package: &str, phone: &str, code: &str) -> Uuid {
        let digest = key.lookup(format!("order:{}:{package}:{phone}:{code}", self.number).as_bytes());
        let mut octets = *self.number.as_bytes();
        octets[6..].copy_from_slice(&digest[6..]);
        // Version 7 and its variant again: the time is the form's, the rest is derived.
        octets[6] = octets[6] & 0x0f | 0x70;
        octets[8] = octets[8] & 0x3f | 0x80;
        Uuid::from_bytes(octets)
    }
}

/// What a router's login page gives for CHAP over the web form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Chap {
    /// One octet.
    pub(crate) id: u8,
    /// Sixteen octets.
    pub(crate) challenge: [u8; 16],
}

impl Chap {
    /// Reads the two values as they come: raw octets, or the router's octal escapes (`\371`) for a script. Sixteen raw
    /// octets are never sixteen escaped ones, so the length tells which it is. `None`: not given, or not usable.
    pub(crate) fn read(id: &[u8], challenge: &[u8]) -> Option<Chap> {
        let [id] = octets::<1>(id)?;
        Some(Chap { id, challenge: octets(challenge)? })
    }
}

fn octets<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if let Ok(raw) = text.try_into() {
        return Some(raw);
    }
    let mut out = Vec::with_capacity(N);
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            out.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(3)?;
        let mut value: u32 = 0;
        for &digit in digits {
            value = value * 8 + u32::from(digit.checked_sub(b'0').filter(|d| *d < 8)?);
        }
        out.push(u8::try_from(value).ok()?);
        rest = after;
    }
    out.try_into().ok()
}

/// What a redirect to us carries, as it came.
#[derive(Default, Debug)]
pub(crate) struct Arrival {
    pub(crate) mac: Vec<u8>,
    pub(crate) identity: Vec<u8>,
    pub(crate) login: Vec<u8>,
    pub(crate) destination: Vec<u8>,
    pub(crate) error: Vec<u8>,
    pub(crate) chap_id: Vec<u8>,
    pub(crate) chap_challenge: Vec<u8>,
}

impl Arrival {
    /// Reads a raw query. Values are octets, not text: a challenge need not be UTF-8.
    pub(crate) fn parse(query: &str) -> Arrival {
        let mut arrival = Arrival::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "mac" => &mut arrival.mac,
                "identity" => &mut arrival.identity,
                "link-login-only" => &mut arrival.login,
                "link-orig" => &mut arrival.destination,
                "error" => &mut arrival.error,
                "chap-id" => &mut arrival.chap_id,
                "chap-challenge" => &mut arrival.chap_challenge,
                _ => continue,
            };
            *slot = percent_decode(value);
        }
        arrival
    }

    /// The router's name for itself.
    pub(crate) fn identity(&self) -> String {
        // No router has a name with control characters, and PostgreSQL takes no text with a NUL.
        String::from_utf8_lossy(&self.identity).chars().filter(|letter| !letter.is_control()).collect()
    }

    /// What the router said, within bounds.
    pub(crate) fn error(&self) -> String {
        let text = String::from_utf8_lossy(&self.error);
        text.chars().filter(|c| !c.is_control()).take(ERROR_LIMIT).collect::<String>().trim().to_owned()
    }
}

/// Decodes `%XX` and `+`; a `%` without two digits stays as it is.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = &after[2..];
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
    }
    out
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// A login address: http or https, with a host, without user and password. Query and fragment are cut off: the
/// router's form takes RADIUS attributes from them, and a forged address must bring none.
pub(crate) fn login_target(text: &[u8]) -> Option<Url> {
    let mut url = web_address(text)?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// Where the guest wanted to go: http or https, else nothing.
pub(crate) fn destination(text: &[u8]) -> Option<Url> {
    web_address(text)
}

fn web_address(text: &[u8]) -> Option<Url> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= URL_LIMIT)?;
    // Browsers repair what is not quite an address (`//host`, `http:\\host`); what needs repair is not taken.
    if text.contains('\\') || text.chars().any(char::is_control) {
        return None;
    }
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return None;
    }
    // A third slash is one that a browser leaves out.
    if text.split_once("://").is_some_and(|(_, host)| host.starts_with('/')) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    plain.then_some(url)
}

/// The spellings under which a login address's host may be registered: `host:port`, and for the scheme's own port also
/// `host` alone.
pub(crate) fn host_names(login: &Url) -> Vec<String> {
    let Some(host) = login.host_str() else { return Vec::new() };
    match (login.port(), login.port_or_known_default()) {
        (Some(port), _) => vec![format!("{host}:{port}")],
        (None, Some(port)) => vec![host.to_owned(), format!("{host}:{port}")],
        (None, None) => Vec::new(),
    }
}

/// `scheme://host[:port]` of a login address, for the page's policy.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Visits for tests and sample pages.
#[cfg(test)]
pub(crate) fn sample() -> Visit {
    Visit {
        nas: Uuid::from_u128(1),
        site: None,
        site_name: Some("Market".into()),
        mac: "02:00:00:00:00:01".parse().expect("a MAC"),
        login: Url::parse("http://10.5.50.1/login").expect("a URL"),
        destination: Some(Url::parse("http://example.com/").expect("a URL")),
        chap: None,
        error: String::new(),
        language: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::from_hex(&"5a".repeat(32)).expect("64 digits")
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    #[test]
    fn a_form_comes_back_for_a_day() {
        let form = Form::new(sample(), at(1_800_000_000));
        let token = form.seal(&key());
        assert_eq!(Form::open(&key(), &token, at(1_800_003_600)), Some(form));
        assert_eq!(Form::open(&key(), &token, at(1_800_090_000)), None, "a day later");
        assert_eq!(Form::open(&key(), "AAAA", at(1_800_000_000)), None);
    }

    #[test]
    fn an_order_remembers_the_language_of_its_visit() {
        let remembered = |language| serde_json::to_value(Visit { language, ..sample() }).expect("JSON");
        assert_eq!(language_of(&remembered(Some(Language::Swahili))), Some(Language::Swahili));
        assert_eq!(language_of(&remembered(None)), None);
        assert_eq!(language_of(&serde_json::Value::Null), None);
        let of_before: Visit = serde_json::from_value(remembered(None)).expect("a visit of an older version");
        assert_eq!(of_before, sample());
    }

    #[test]
    fn one_form_makes_one_order_for_each_choice() {
        let form = Form::new(sample(), at(1_800_000_000));
        let id = form.order_id(&key(), "hour", "+254712345678", "");
        assert_eq!(id, form.order_id(&key(), "hour", "+254712345678", ""));
        assert_ne!(id, form.order_id(&key(), "day", "+254712345678", ""));
        assert_ne!(id, form.order_id(&key(), "hour", "+254712345678", "KARIBU"));
        assert_ne!(id, form.order_id(&key(), "hour", "+254712345679", ""));
        assert_ne!(id, Form::new(sample(), at(1_800_000_000)).order_id(&key(), "hour", "+254712345678", ""));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(rng::made_at(id), Some(at(1_800_000_000)));
    }

    #[test]
    fn challenges_are_read_escaped_raw_and_mixed() {
        let escaped = br"\357\015\330\013\021\234\145\245\303\253\142\246\133\175\375\316";
        let raw = [0xef, 0x0d, 0xd8, 0x0b, 0x11, 0x9c, 0x65, 0xa5, 0xc3, 0xab, 0x62, 0xa6, 0x5b, 0x7d, 0xfd, 0xce];
        let expected = Some(Chap { id: 0xf9, challenge: raw });
        assert_eq!(Chap::read(br"\371", escaped), expected);
        assert_eq!(Chap::read(&[0xf9], &raw), expected);
        // Printable octets need no escape.
        assert_eq!(Chap::read(br"\371", br"\357\015\330\013\021\234e\245\303\253b\246[}\375\316"), expected);
        // A raw backslash among sixteen raw octets is itself.
        let with_backslash = [b'\\'; 16];
        assert_eq!(Chap::read(br"\\", &with_backslash), None);
        assert_eq!(Chap::read(br"\", &with_backslash), Some(Chap { id: b'\\', challenge: with_backslash }));
    }

    #[test]
    fn what_is_no_challenge_is_left_out() {
        for (id, challenge) in [
            (&b""[..], &b""[..]),
            (br"\371", b"short"),
            (br"\400", &[1; 16]),
            (br"\39", &[1; 16]),
            (br"\371\371", &[1; 16]),
            (br"\371", &[1; 17]),
        ] {
            assert_eq!(Chap::read(id, challenge), None, "{id:?}");
        }
    }

    #[test]
    fn the_query_may_carry_raw_octets() {
        let arrival = Arrival::parse(
            "mac=02%3A00%3A00%3A00%3A00%3A01&identity=Main+Gate&chap-id=%F9&chap-challenge=%5C357%5C015&error=a%00b%3Cx%3E&other=1&mac2=",
        );
        assert_eq!(arrival.mac, b"02:00:00:00:00:01");
        assert_eq!(arrival.identity(), "Main Gate");
        assert_eq!(arrival.chap_id, [0xf9]);
        assert_eq!(arrival.chap_challenge, br"\357\015");
        assert_eq!(arrival.error(), "ab<x>");
        assert_eq!(percent_decode("100%&%zz%4"), b"100%&%zz%4");
    }

    #[test]
    fn only_plain_web_addresses_are_taken() {
        for text in ["http://example.com/", "https://example.com/a?b=c#d", "HTTP://EXAMPLE.com"] {
            assert!(destination(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example\\",
            "http:\\\\evil.example\\",
            "http:/evil.example/",
            "http:evil.example",
            "http:///evil.example/",
            "https:///evil.example/",
            " http://evil.example/",
            "http://user@evil.example/",
            "http://10.5.50.1:80@evil.example/",
            "http://",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://exa\nmple.com/",
            "vbscript:x",
        ] {
            assert_eq!(destination(text.as_bytes()), None, "{text}");
            assert_eq!(login_target(text.as_bytes()), None, "{text}");
        }
        assert_eq!(destination(&[0xff, 0xfe]), None);
    }

    #[test]
    fn a_login_address_is_matched_by_its_host_and_brings_no_attributes() {
        let login = login_target(b"http://10.5.50.1/login?radius8=1.2.3.4#x").expect("plain");
        assert_eq!(login.as_str(), "http://10.5.50.1/login");
        assert_eq!(host_names(&login), ["10.5.50.1", "10.5.50.1:80"]);
        let port = login_target(b"http://127.0.0.1:8099/login").expect("plain");
        assert_eq!(host_names(&port), ["127.0.0.1:8099"]);
        assert_eq!(origin(&port), "http://127.0.0.1:8099");
    }
}
