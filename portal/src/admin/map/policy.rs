//! What the browser may load for the map. Without a key of Google's it is what every page may: our own files. With one, this page alone may
//! load what Google's maps are made of, in the strict form that Google documents: scripts by a number that is good once (a nonce), and what
//! those load.
//!
//! `'unsafe-eval'` is Google's wish, for its vector maps. Nothing of ours on the page is made of what somebody wrote.

use axum::http::{HeaderMap, HeaderValue, header};
use url::Url;

/// Hosts from which Google's maps take pictures and data.
const HOSTS: &str =
    "https://*.googleapis.com https://*.gstatic.com https://*.google.com https://*.googleusercontent.com";

/// Sets the headers of a page with Google's map. The origin of the page is told to Google, which asks for it: keys are restricted by it.
pub(super) fn allow_google(headers: &mut HeaderMap, base: &Url, nonce: &str) {
    if let Ok(policy) = HeaderValue::try_from(policy(base, nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(super::ORIGIN_ALONE));
    }
}

fn policy(base: &Url, nonce: &str) -> String {
    let base = base.origin().ascii_serialization();
    format!(
        "default-src 'none'; style-src 'self' 'nonce-{nonce}' https://fonts.googleapis.com; \
         script-src 'nonce-{nonce}' 'strict-dynamic' 'unsafe-eval' blob:; \
         img-src 'self' data: {HOSTS} {base}; connect-src 'self' data: blob: {HOSTS} {base}; \
         font-src https://fonts.gstatic.com; frame-src https://*.google.com; worker-src blob:; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_is_allowed_by_a_nonce_and_no_script_by_its_host() {
        let base = Url::parse("https://maps.googleapis.com").expect("a URL");
        let policy = policy(&base, "once");
        let of = |name: &str| {
            let found = policy.split("; ").find_map(|directive| directive.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name} in {policy}")).trim().to_owned()
        };
        assert_eq!(of("script-src"), "'nonce-once' 'strict-dynamic' 'unsafe-eval' blob:");
        assert_eq!(of("style-src"), "'self' 'nonce-once' https://fonts.googleapis.com");
        assert!(of("img-src").ends_with(" https://maps.googleapis.com") && !policy.contains("'unsafe-inline'"));
        for kept in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.split("; ").any(|directive| directive == kept), "{kept}");
        }
    }

    #[test]
    fn another_origin_for_tests_is_named_without_its_path() {
        let base = Url::parse("http://127.0.0.1:4000/x").expect("a URL");
        let mut headers = HeaderMap::new();
        allow_google(&mut headers, &base, "once");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains(" http://127.0.0.1:4000;"), "{policy}");
        assert_eq!(headers[header::REFERRER_POLICY], "strict-origin-when-cross-origin");
    }
}
