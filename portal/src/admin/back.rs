//! The page that somebody has asked for before signing in, and to which signing in leads: who follows the link of an alert shall not have
//! to look for it.
//!
//! The [`door`](super::access) puts its path into the address of the sign-in page ([`sign_in_first`]); the form carries it, and the ticket of
//! the second step. Each time it comes back it is looked at anew ([`checked`]), as anybody can write such an address.
//!
//! Refused here: what is no path of the desk, so that nobody is led elsewhere by a link that begins with our name; and what belongs to signing
//! in and out. Then signing in leads to the overview.

use axum::response::{IntoResponse as _, Redirect, Response};
use url::form_urlencoded;

use super::{OVERVIEW, SIGN_IN};

/// Longest path that is carried, in octets: a list with all that it can be asked for.
const LIMIT: usize = 1000;
/// What only signing in and out, and what comes before, has.
const NOT_BACK: [&str; 3] = ["/admin/sign-in", "/admin/sign-out", "/admin/invitation"];
/// What a path or a query may hold beside letters and digits (RFC 3986 section 3.3 and 3.4).
const MARKS: &[u8] = b"-._~!$&'()*+,;=:@/?%";

/// The path, if signing in may lead there.
pub(super) fn checked(text: &str) -> Option<&str> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || MARKS.contains(&octet));
    let path = text.split('?').next().unwrap_or_default();
    let mut segments = path.strip_prefix("/admin/")?.split('/');
    // No segment that a browser or a proxy could take for another one.
    let is_one = |segment: &str| !segment.is_empty() && !decoded(segment).contains(['/', '\\']) && !is_dots(segment);
    let is_back = !NOT_BACK.iter().any(|not| path == *not || path.starts_with(&format!("{not}/")));
    (text.len() <= LIMIT && is_plain && is_back && segments.all(is_one)).then_some(text)
}

/// The same for what a form or a ticket has carried: empty, if there is none.
pub(super) fn or_none(text: &str) -> String {
    checked(text).unwrap_or_default().to_owned()
}

/// Where signing in leads.
pub(super) fn or_overview(text: &str) -> &str {
    checked(text).unwrap_or(OVERVIEW)
}

/// The sign-in page, from which it goes on to what was asked for.
pub(super) fn sign_in_first(asked: &str) -> Response {
    Redirect::to(&address(asked)).into_response()
}

fn address(asked: &str) -> String {
    let Some(back) = checked(asked) else { return SIGN_IN.to_owned() };
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", back).finish();
    format!("{SIGN_IN}?{query}")
}

fn decoded(segment: &str) -> String {
    // Pluses stay as they are in a path, and are nothing that is looked for.
    form_urlencoded::parse(segment.replace(['&', '='], "").as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

fn is_dots(segment: &str) -> bool {
    matches!(decoded(segment).as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_the_desk_and_nowhere_else() {
        for path in [
            "/admin/alerts/0192e4a0-0000-7000-8000-000000000001",
            "/admin/customers?q=%2B2547&sort=-seen&to=//evil.example",
            "/admin/support/phone/07%2012",
            "/admin/sign-ins",
        ] {
            assert_eq!(checked(path), Some(path));
            assert_eq!(or_overview(path), path);
        }
        let long = format!("/admin/{}", "x".repeat(LIMIT));
        for path in [
            "",
            "/",
            "/admin",
            "/admin/",
            "/adminx/a",
            "admin/alerts",
            "//evil.example/admin/",
            "https://evil.example/admin/alerts",
            "/admin//evil.example",
            "/admin/\\evil.example",
            "/admin/%5cevil.example",
            "/admin/%2F%2fevil.example",
            "/admin/../o/1",
            "/admin/%2e%2E/o/1",
            "/admin/./o",
            "/admin/alerts\r\nSet-Cookie: a=b",
            "/admin/alerts#x",
            "/admin/café",
            "/admin/sign-in",
            "/admin/sign-in?to=/admin/alerts",
            "/admin/sign-in/code",
            "/admin/sign-out",
            "/admin/invitation/secret",
            &long,
        ] {
            assert_eq!(checked(path), None, "{path:?}");
            assert_eq!((or_overview(path), address(path).as_str()), (OVERVIEW, SIGN_IN), "{path:?}");
        }
    }

    #[test]
    fn the_address_of_the_sign_in_page_has_it_whole() {
        let asked = "/admin/orders?state=paid&q=a+b";
        assert_eq!(address(asked), "/admin/sign-in?to=%2Fadmin%2Forders%3Fstate%3Dpaid%26q%3Da%2Bb");
    }
}
