//! What templates show: typed data for each page ([`customer`]), files ([`assets`]), and plain words for codes,
//! times and sizes ([`words`], [`time`], [`amount`]). Nothing here reads the store or decides.

pub mod amount;
pub mod assets;
pub mod customer;
pub mod time;
pub mod words;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use shared::config;

use crate::error::AppError;

/// What every page shows of the operator.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name that customers see.
    pub brand: String,
    /// The number that customers may call; empty: none.
    pub support_phone: String,
}

impl Site {
    /// From the configuration.
    pub fn of(portal: &config::Portal) -> Site {
        Site { brand: portal.brand.clone(), support_phone: portal.support_phone.clone() }
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
