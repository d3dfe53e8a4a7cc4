//! The desk's two cookies: the session's identifier, and the secret of the sign-in form. And the customers': their session's
//! identifier, the code of a voucher that they scanned, and the language that they chose.
//!
//! Where the portal is reached by https all that are secret have the `__Host-` prefix, so that no other host of the domain
//! can plant one, and are never sent in clear. By plain http (a first try on one machine) browsers refuse
//! that prefix, so the names are plain. None can be read by scripts, and none comes along with a form from another site. The
//! desk's do not outlive the browser, and do not come along with a link from elsewhere either; the customers' do both, since a
//! router's redirect is how they come. The end of a session is kept on our side.

use axum_extra::extract::cookie::{Cookie, SameSite};
use shared::language::Language;
use url::Url;

/// The name of the session's cookie.
pub fn session_name(public_url: &Url) -> &'static str {
    if is_https(public_url) { "__Host-mlango-desk" } else { "mlango-desk" }
}

/// The name of the sign-in form's cookie.
pub fn form_name(public_url: &Url) -> &'static str {
    if is_https(public_url) { "__Host-mlango-sign-in" } else { "mlango-sign-in" }
}

/// The session's cookie.
pub fn session(public_url: &Url, value: String) -> Cookie<'static> {
    with_flags(public_url, session_name(public_url), value)
}

/// The sign-in form's cookie.
pub fn form(public_url: &Url, value: String) -> Cookie<'static> {
    with_flags(public_url, form_name(public_url), value)
}

/// The name of the customers' cookie.
pub fn customer_name(public_url: &Url) -> &'static str {
    if is_https(public_url) { "__Host-mlango-customer" } else { "mlango-customer" }
}

/// The customers' cookie.
pub fn customer(public_url: &Url, value: String, lifetime: time::Duration) -> Cookie<'static> {
    let mut cookie = with_flags(public_url, customer_name(public_url), value);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_max_age(lifetime);
    cookie
}

/// What takes the customers' cookie away.
pub fn gone_customer(public_url: &Url) -> Cookie<'static> {
    let mut cookie = customer(public_url, String::new(), time::Duration::ZERO);
    cookie.make_removal();
    cookie
}

/// The name of the cookie with a voucher's code that was scanned.
pub fn voucher_name(public_url: &Url) -> &'static str {
    if is_https(public_url) { "__Host-mlango-voucher" } else { "mlango-voucher" }
}

/// The cookie of a voucher's code. It comes along with a router's redirect.
pub fn voucher(public_url: &Url, code: String, lifetime: time::Duration) -> Cookie<'static> {
    let mut cookie = with_flags(public_url, voucher_name(public_url), code);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_max_age(lifetime);
    cookie
}

/// The name of the language's cookie.
pub const LANGUAGE: &str = "mlango-language";

/// How long a language is kept.
const LANGUAGE_KEPT: time::Duration = time::Duration::days(365);

/// The cookie of a language.
pub fn language(public_url: &Url, language: Language) -> Cookie<'static> {
    let mut cookie = with_flags(public_url, LANGUAGE, language.as_str().to_owned());
    cookie.set_same_site(SameSite::Lax);
    cookie.set_max_age(LANGUAGE_KEPT);
    cookie
}

/// What takes a cookie of that name away. The flags must be those it was set with.
pub fn gone(public_url: &Url, name: &'static str) -> Cookie<'static> {
    let mut cookie = with_flags(public_url, name, String::new());
    cookie.make_removal();
    cookie
}

fn with_flags(public_url: &Url, name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_https(public_url))
        .build()
}

fn is_https(public_url: &Url) -> bool {
    public_url.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a valid URL")
    }

    #[test]
    fn https_cookies_are_bound_to_the_host() {
        let secure = url("https://wifi.example.net");
        for cookie in [session(&secure, "v".into()), form(&secure, "v".into())] {
            let text = cookie.to_string();
            assert!(text.starts_with("__Host-"), "{text}");
            for flag in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
                assert!(text.split("; ").any(|part| part == flag), "{text} lacks {flag}");
            }
            assert!(!text.contains("Domain"), "{text}");
        }
    }

    #[test]
    fn a_customers_cookie_comes_along_with_a_routers_redirect() {
        let text = customer(&url("https://h"), "v".into(), time::Duration::days(30)).to_string();
        assert!(text.starts_with("__Host-mlango-customer=v"), "{text}");
        for flag in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=2592000"] {
            assert!(text.split("; ").any(|part| part == flag), "{text} lacks {flag}");
        }
        assert!(gone_customer(&url("https://h")).to_string().contains("Max-Age=0"));
    }

    #[test]
    fn a_language_is_kept_for_a_year() {
        let text = language(&url("https://h"), Language::Swahili).to_string();
        assert!(text.starts_with("mlango-language=sw"), "{text}");
        for flag in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=31536000"] {
            assert!(text.split("; ").any(|part| part == flag), "{text} lacks {flag}");
        }
    }

    #[test]
    fn plain_http_cookies_have_names_that_browsers_take() {
        let text = session(&url("http://127.0.0.1:8080"), "v".into()).to_string();
        assert!(text.starts_with("mlango-desk=v"), "{text}");
        assert!(text.contains("HttpOnly") && text.contains("SameSite=Strict") && !text.contains("Secure"), "{text}");
    }

    #[test]
    fn a_removed_cookie_is_empty_and_over() {
        let text = gone(&url("https://h"), session_name(&url("https://h"))).to_string();
        assert!(
            text.starts_with("__Host-mlango-desk=;") && text.contains("Max-Age=0") && text.contains("Secure"),
            "{text}"
        );
    }
}
