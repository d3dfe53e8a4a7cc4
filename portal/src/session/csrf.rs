//! Forms that change something come from our own pages.
//!
//! Two checks, either of which would do alone in a browser that behaves. The browser's own word on where a
//! request comes from: `Sec-Fetch-Site` where it sends that, else `Origin`, which must name the host that was
//! asked. And a secret in the form that only a page of the same session could know, compared in constant
//! time. A request without either header is left to the secret: scripts and very old browsers send none.
//!
//! Pages of the desk ask for the referrer policy `same-origin`: under `no-referrer` browsers send
//! `Origin: null` with forms, which is refused here.

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;
use url::Url;

use super::Staff;
use crate::admin::Refusal;
use crate::state::App;

/// A form that a member of staff sent from a page of this session.
#[derive(Debug)]
pub struct Posted<T> {
    /// Who.
    pub staff: Staff,
    /// The form's own fields.
    pub form: T,
}

/// A form's own fields beside the secret.
#[derive(Debug, Deserialize)]
pub struct Protected<T> {
    /// The secret.
    #[serde(default)]
    pub csrf: String,
    /// The rest.
    #[serde(flatten)]
    pub form: T,
}

/// A form without fields of its own: a button.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

impl<T: DeserializeOwned> FromRequest<App> for Posted<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Posted<T>, Refusal> {
        let (mut parts, body) = request.into_parts();
        // The desk's door has looked too; this holds where a form is read.
        if !from_our_pages(&parts.headers, &app.config.portal.public_url) {
            return Err(Refusal::Forged);
        }
        let staff = Staff::from_request_parts(&mut parts, app).await?;
        let sent = Form::<Protected<T>>::from_request(Request::from_parts(parts, body), app).await;
        let Form(sent) = sent.map_err(|_| Refusal::Forged)?;
        if !same(&sent.csrf, &staff.csrf) {
            return Err(Refusal::Forged);
        }
        Ok(Posted { staff, form: sent.form })
    }
}

/// Whether the browser says that a request comes from a page of ours, or says nothing.
pub fn from_our_pages(headers: &HeaderMap, public_url: &Url) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|text| Url::parse(text).ok()) else { return false };
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin.origin() == public_url.origin() || asked.is_some_and(|host| names(&origin, host))
}

/// Whether an origin is the host that was asked for, whatever address of ours that is.
fn names(origin: &Url, host: &str) -> bool {
    Url::parse(&format!("{}://{host}", origin.scheme())).is_ok_and(|asked| asked.origin() == origin.origin())
}

/// Compares two secrets in constant time. Nothing equals the empty one.
pub fn same(sent: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(sent.as_bytes().ct_eq(expected.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_our_own_pages_may_send_forms() {
        let public = Url::parse("https://wifi.example.net").expect("valid");
        for (given, expected) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://wifi.example.net")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[("origin", "https://wifi.example.net")], true),
            (&[("origin", "http://wifi.example.net")], false),
            (&[("origin", "https://evil.example.net")], false),
            (&[("origin", "https://wifi.example.net.evil.org")], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", "http://10.0.0.5:8080"), ("host", "10.0.0.5:8080")], true),
            (&[("origin", "http://10.0.0.5"), ("host", "10.0.0.5:80")], true),
            (&[("origin", "http://10.0.0.5:9090"), ("host", "10.0.0.5:8080")], false),
            (&[("origin", "http://evil"), ("host", "10.0.0.5:8080")], false),
        ] {
            assert_eq!(from_our_pages(&headers(given), &public), expected, "{given:?}");
        }
    }

    #[test]
    fn a_form_needs_the_sessions_own_secret() {
        for (sent, expected, good) in
            [("abc", "abc", true), ("abd", "abc", false), ("ab", "abc", false), ("", "abc", false), ("", "", false)]
        {
            assert_eq!(same(sent, expected), good, "{sent} against {expected}");
        }
    }

    #[test]
    fn a_form_without_the_secret_is_read_and_has_none() {
        let sent: Protected<Nothing> = serde_json::from_str("{}").expect("every field has a default");
        assert!(sent.csrf.is_empty());
    }
}
