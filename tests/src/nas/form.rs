//! The login form of the hotspot: its fields, and the attributes that a browser may smuggle in with them.
//!
//! RouterOS copies fields named `radius<id>`, `radius<id>u`, `radius<id>-<vendor>` and
//! `radius<id>-<vendor>u` into the Access-Request; with `u` the value is a number, else text. Nothing stops a
//! user from writing such fields, so a server may not trust an attribute that a hotspot did not need.

use url::form_urlencoded;

use super::packet::Injected;

/// Most attributes taken from one form.
const INJECTED_MAX: usize = 20;

/// What the browser sent to `/login`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct LoginForm {
    /// `None` when the browser only asks for the page.
    pub(crate) username: Option<String>,
    pub(crate) password: String,
    /// Where the browser wants to go afterwards.
    pub(crate) dst: Option<String>,
    pub(crate) injected: Vec<Injected>,
}

impl LoginForm {
    /// Reads a query or a form body.
    pub(crate) fn parse(encoded: &[u8]) -> LoginForm {
        let mut form = LoginForm::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            match name.as_ref() {
                "username" => form.username = Some(value.into_owned()),
                "password" => form.password = value.into_owned(),
                "dst" => form.dst = Some(value.into_owned()),
                name => {
                    let room = form.injected.len() < INJECTED_MAX;
                    form.injected.extend(injected(name, &value).filter(|_| room));
                }
            }
        }
        form
    }

    /// The answer to a challenge, if the password field is one: 32 hexadecimal digits.
    pub(crate) fn chap_digest(&self) -> Option<[u8; 16]> {
        let mut digest = [0; 16];
        hex::decode_to_slice(&self.password, &mut digest).ok()?;
        Some(digest)
    }

    /// `dst` if a router of version 7.19.2 or later would go there: only http and https.
    pub(crate) fn destination(&self) -> Option<&str> {
        let dst = self.dst.as_deref()?;
        let scheme = url::Url::parse(dst).ok()?.scheme().to_owned();
        matches!(scheme.as_str(), "http" | "https").then_some(dst)
    }
}

fn injected(name: &str, value: &str) -> Option<Injected> {
    let rest = name.strip_prefix("radius")?;
    let (rest, number) = match rest.strip_suffix('u') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (kind, vendor) = rest.split_once('-').unwrap_or((rest, "0"));
    let octets = if number { value.parse::<u32>().ok()?.to_be_bytes().to_vec() } else { value.as_bytes().to_vec() };
    let (kind, vendor) = (kind.parse().ok()?, vendor.parse().ok()?);
    // The router signs its own Message-Authenticator; no packet can hold the others.
    let possible = kind != 0 && !(vendor == 0 && matches!(kind, 26 | 80)) && (1..=247).contains(&octets.len());
    possible.then_some(Injected { vendor, kind, value: octets })
}

/// A byte string as RouterOS prints it for JavaScript: every octet as `\ooo`.
pub(crate) fn octal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("\\{octet:03o}")).collect()
}

/// A value for a URL's query.
pub(crate) fn escape_url(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_and_extra_fields_become_attributes() {
        let form = LoginForm::parse(
            b"username=ann&password=a%26b+c&dst=http%3A%2F%2Fx%2F&popup=true\
              &radius77=hello&radius12u=1400&radius9-14988=realm&radius80=forged&radiusx=1&radius300=x",
        );
        assert_eq!(form.username.as_deref(), Some("ann"));
        assert_eq!(form.password, "a&b c");
        let attribute = |vendor, kind, value: &[u8]| Injected { vendor, kind, value: value.to_vec() };
        let expected = [attribute(0, 77, b"hello"), attribute(0, 12, &[0, 0, 5, 120]), attribute(14988, 9, b"realm")];
        assert_eq!(form.injected, expected);
    }

    #[test]
    fn only_web_addresses_are_destinations() {
        let to = |dst: &str| LoginForm { dst: Some(dst.to_owned()), ..LoginForm::default() }.destination().is_some();
        assert!(to("http://example.net/") && to("https://example.net/"));
        assert!(!to("javascript:alert(1)") && !to("/status") && !to(""));
    }

    #[test]
    fn a_digest_is_thirty_two_hexadecimal_digits() {
        let form = |password: &str| LoginForm { password: password.to_owned(), ..LoginForm::default() };
        assert!(form("00112233445566778899aabbccddeeff").chap_digest().is_some());
        assert!(form("00112233445566778899aabbccddeef").chap_digest().is_none());
        assert!(form("a clear password of 32 characters").chap_digest().is_none());
    }

    #[test]
    fn octal_escapes_and_url_escapes() {
        assert_eq!(octal(&[0xf9, 0x0d, b'e']), "\\371\\015\\145");
        assert_eq!(escape_url("\\371 &"), "%5C371%20%26");
    }
}
