//! What templates show: typed data for each page ([`customer`]), files ([`assets`]), and plain words for codes,
//! times and sizes ([`words`], [`time`], [`amount`]). Nothing here reads the store or decides.

pub mod amount;
pub mod assets;
pub(crate) mod brand;
pub mod customer;
pub mod time;
pub mod words;

use crate::App;
use crate::error::AppError;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

/// What every page shows of the operator.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name that customers see.
    pub brand: String,
    /// The number that customers may call; empty: none.
    pub support_phone: String,
    /// Where its sheet is.
    pub stylesheet: String,
}

impl Site {
    /// From the configuration.
    pub fn of(app: &App) -> Site {
        let portal = &app.config.portal;
        Site { brand: portal.brand.clone(), support_phone: portal.support_phone.clone(), stylesheet: app.brand.url() }
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
