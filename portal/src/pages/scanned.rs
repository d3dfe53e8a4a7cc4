//! `GET /v/{code}`: where the QR code of a printed voucher leads.
//!
//! A phone that scans it says neither which device it is nor at which router, so it cannot be logged in from here. The code is
//! kept for a while in a cookie of this browser, and stands ready in its field when the Wi-Fi's sign-in page leads to us.
//! Whether it is good is not looked up: this would be a place to guess.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use shared::voucher;
use url::Url;

use crate::error::AppError;
use crate::middleware::language::Wanted;
use crate::session::cookie;
use crate::views::customer::ScannedPage;
use crate::views::{Site, page, words};
use crate::{App, urls};

/// How long it is kept.
const KEPT: time::Duration = time::Duration::minutes(30);

/// `GET /v/{code}`
pub(crate) async fn show(
    State(app): State<App>,
    wanted: Wanted,
    Path(code): Path<String>,
) -> Result<Response, AppError> {
    let code = voucher::normalise(code.trim()).map_err(|problem| AppError::BadRequest(words::not_a_code(problem)))?;
    let code_page = format!("{}/{}", urls::SCANNED, &*code);
    let view =
        ScannedPage { site: Site::of(&app, wanted.speech(None, None)).at(&code_page), code: voucher::printed(&code) };
    let mut response = page(StatusCode::OK, &view)?;
    let cookie = cookie::voucher(&app.config.portal.public_url, code.to_string(), KEPT);
    if let Ok(value) = cookie.to_string().parse() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The code that was scanned with this browser, as it is printed.
pub(crate) fn code(public_url: &Url, headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    voucher::normalise(jar.get(cookie::voucher_name(public_url))?.value()).ok().map(|code| voucher::printed(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_code_is_taken_from_the_cookie() {
        let at = |url: &str, cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookie.parse().expect("a value"));
            code(&Url::parse(url).expect("a URL"), &headers)
        };
        let of = |cookie| at("http://h", cookie);
        assert_eq!(of("mlango-voucher=ABCDE23456").as_deref(), Some("ABCDE-23456"));
        assert_eq!(of("mlango-voucher=<script>"), None);
        assert_eq!(of("other=ABCDE23456"), None);
        assert_eq!(at("https://h", "__Host-mlango-voucher=ABCDE23456").as_deref(), Some("ABCDE-23456"));
        assert_eq!(at("https://h", "mlango-voucher=ABCDE23456"), None, "another host may have planted it");
    }
}
