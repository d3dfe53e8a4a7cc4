//! The form that goes to the router: a full-page POST of name and password to its login address, because that is what
//! a hotspot understands in every browser. With CHAP the password field is the response that the router's own script
//! would have computed, so the password does not cross the open Wi-Fi.

use axum::http::header;
use axum::response::Response;
use md5::{Digest as _, Md5};
use url::Url;

use super::visit::{self, Visit};
use crate::middleware::headers;
use crate::views::customer::LoginForm;

/// The login form of a visit. `then`: where the router sends the guest afterwards.
pub(crate) fn form(visit: &Visit, username: &str, password: &str, then: Option<String>, automatic: bool) -> LoginForm {
    let password = match &visit.chap {
        Some(chap) => chap_response(chap.id, password.as_bytes(), &chap.challenge),
        None => password.to_owned(),
    };
    LoginForm { action: visit.login.to_string(), username: username.to_owned(), password, then, automatic }
}

/// Lets the page's form go to the router and, because browsers hold redirects after a form to the same rule, on to
/// where the router sends the guest.
pub(crate) fn allow(response: Response, visit: &Visit, public: &Url) -> Response {
    allow_onward(response, visit, public, visit.destination.as_ref())
}

/// The same where the router sends the guest somewhere else.
pub(crate) fn allow_onward(mut response: Response, visit: &Visit, public: &Url, onward: Option<&Url>) -> Response {
    let (router, own) = (visit::origin(&visit.login), visit::origin(public));
    let onward = onward.map(visit::origin);
    let origins: Vec<&str> =
        [Some(router.as_str()), Some(own.as_str()), onward.as_deref()].into_iter().flatten().collect();
    if let Some(policy) = headers::policy_with_form(&origins) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What RouterOS expects in the password field: lower-case hexadecimal MD5 of id, password and challenge.
fn chap_response(id: u8, password: &[u8], challenge: &[u8]) -> String {
    hex::encode(Md5::new().chain_update([id]).chain_update(password).chain_update(challenge).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::visit::Chap;

    #[test]
    fn chap_response_matches_a_vector_of_our_own() {
        // printf '\x07secret\x00\x01…\x0f' | md5sum
        let challenge: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).expect("below 16"));
        assert_eq!(chap_response(7, b"secret", &challenge), "821643665b430359e52ac524d29c8f95");
    }

    /// The manual's example values, kept outside the repository; where they are not at hand there is nothing to compare.
    #[test]
    fn chap_response_matches_the_manuals_values() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/routeros/vectors.json");
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let web = &json["http_chap_web_form"];
        let field = |name: &str| web[name].as_str().expect("a string").as_bytes();
        let chap = Chap::read(field("chap_id"), field("chap_challenge")).expect("readable");
        let vectors = web["vectors"].as_array().expect("an array");
        assert!(!vectors.is_empty());
        for vector in vectors {
            let password = vector["password"].as_str().expect("a string");
            let expected = vector["password_field"].as_str().expect("a string");
            assert_eq!(chap_response(chap.id, password.as_bytes(), &chap.challenge), expected, "{password}");
        }
    }

    #[test]
    fn without_chap_the_password_goes_as_it_is() {
        let form = form(&visit::sample(), "AB12", "pw", None, true);
        assert_eq!((form.action.as_str(), form.password.as_str()), ("http://10.5.50.1/login", "pw"));
    }
}
