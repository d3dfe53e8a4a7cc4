//! What templates show: typed data for each page ([`customer`]), files ([`assets`]), sentences in the language of the page
//! ([`text`]), QR codes (`qr`), and plain words for codes, refused logins, times and sizes ([`words`],
//! [`refused`], [`time`], [`amount`]). Nothing here reads the store or decides.

pub mod amount;
pub mod assets;
pub(crate) mod brand;
pub mod customer;
pub(crate) mod qr;
pub mod refused;
pub mod text;
pub mod time;
pub mod words;

use crate::App;
use crate::error::AppError;
use crate::middleware::language::Speech;
use crate::urls;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use shared::language::Language;

/// What every page shows of the operator, and its language.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name that customers see.
    pub brand: String,
    /// The number that customers may call; empty: none.
    pub support_phone: String,
    /// Where its sheet is.
    pub stylesheet: String,
    /// The language.
    pub(crate) speech: Speech,
    /// The same page in the other language.
    pub(crate) switch: Option<Switch>,
}

/// How a page is had in another language: by a link, or, where the page answers a form, by that form once more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Switch {
    pub(crate) language: Language,
    pub(crate) address: String,
    /// What the form holds; empty: it is a link.
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl Site {
    /// From the configuration.
    pub(crate) fn of(app: &App, speech: Speech) -> Site {
        let portal = &app.config.portal;
        Site {
            brand: portal.brand.clone(),
            support_phone: portal.support_phone.clone(),
            stylesheet: app.brand.url(),
            speech,
            switch: None,
        }
    }

    /// The same for a page that is read again at `address`, in the other language too.
    pub(crate) fn at(self, address: &str) -> Site {
        self.by(address, Vec::new())
    }

    /// The same for a page that answers the form of these fields.
    pub(crate) fn by(self, address: &str, fields: Vec<(&'static str, String)>) -> Site {
        let language = self.speech.language.other();
        Site { switch: Some(Switch { language, address: urls::in_language(address, language), fields }), ..self }
    }

    /// Its code, for `<html lang>`.
    pub fn lang(&self) -> &'static str {
        self.speech.language.as_str()
    }

    /// A sentence in its language.
    pub fn say(&self, key: &'static str) -> text::Said {
        text::say(self.speech.language, key)
    }

    /// An address of ours, in its language.
    pub fn to(&self, address: &str) -> String {
        self.speech.to(address)
    }

    /// The number as a `tel:` address takes it: digits and a leading plus.
    pub fn support_tel(&self) -> String {
        self.support_phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
    }

    /// URL of a file of `static/`, for templates.
    pub fn asset(&self, name: &str) -> String {
        assets::url(name)
    }
}

/// Renders a page.
///
/// # Errors
/// When the template does not render, which would be a mistake of ours.
pub fn page(status: StatusCode, template: &impl Template) -> Result<Response, AppError> {
    Ok((status, Html(template.render()?)).into_response())
}
