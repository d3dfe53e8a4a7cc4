//! Headers that keep browsers strict.
//!
//! A page may load only what the portal itself serves, runs no inline script, is never framed, asks for no camera or place, and sends forms only
//! to us; a page that sends a guest to the router's login names that host in a policy of its own, see
//! [`policy_with_form`]. No page is kept by a cache unless it says so, because most carry personal data, and no page
//! tells another site its address, because addresses carry tokens.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Url;

use crate::App;
use crate::error::AppError;
use crate::session::csrf::from_our_pages;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// What no page of ours asks a device for.
const PERMISSIONS: HeaderValue =
    HeaderValue::from_static("accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()");

/// A year, as browsers ask for.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The policy of a page whose form also goes to `origins` (`scheme://host[:port]`). A host may hold `;` and `,`, which
/// would end the directive and begin another: such an origin is left out.
pub(crate) fn policy_with_form(origins: &[&str]) -> Option<HeaderValue> {
    let plain = |origin: &&&str| {
        origin
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'[' | b']'))
    };
    let mut policy = POLICY.to_owned();
    for origin in origins.iter().filter(plain) {
        policy.push(' ');
        policy.push_str(origin);
    }
    HeaderValue::try_from(policy).ok()
}

/// Adds the headers that are not there yet.
pub(crate) async fn secure(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // For captive browsers that are too old for `frame-ancestors`.
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    default(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    default(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if app.config.portal.public_url.scheme() == "https" {
        default(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    response
}

/// Refuses forms that another site sent. Pages send no referrer, so browsers say `Origin: null` even for our own
/// forms; `Sec-Fetch-Site` is the header that tells. Of browsers too old to send it those are refused that name another site; the others
/// are stopped by the sealed token in each form.
pub(crate) async fn own_forms_only(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_form = request.method() != Method::GET && request.method() != Method::HEAD;
    if is_form && is_foreign(request.headers(), &app.config.portal.public_url) {
        return AppError::Forbidden("problem-foreign-form").into_response();
    }
    next.run(request).await
}

/// Whether the browser says that another site's page has sent this.
fn is_foreign(headers: &HeaderMap, public_url: &Url) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"same-site" | b"none");
    }
    let says_nothing = headers.get(header::ORIGIN).is_none_or(|origin| origin == "null");
    !says_nothing && !from_our_pages(headers, public_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sites_forms_are_told_from_ours() {
        let public = Url::parse("https://wifi.example.net").expect("valid");
        for (name, value, foreign) in [
            ("accept", "*/*", false),
            ("sec-fetch-site", "same-origin", false),
            ("sec-fetch-site", "cross-site", true),
            ("origin", "null", false),
            ("origin", "https://wifi.example.net", false),
            ("origin", "https://evil.example", true),
            ("origin", "https://wifi.example.net.evil.example", true),
            ("origin", "nonsense", true),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert_eq!(is_foreign(&headers, &public), foreign, "{name}: {value}");
        }
    }

    #[test]
    fn a_hosts_punctuation_cannot_write_policy() {
        let policy = policy_with_form(&["http://10.5.50.1", "http://a;sandbox", "http://a,b", "http://[::1]:8080"]);
        let policy = policy.expect("text").to_str().expect("text").to_owned();
        assert_eq!(policy, format!("{POLICY} http://10.5.50.1 http://[::1]:8080"));
    }
}
