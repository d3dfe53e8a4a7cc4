//! The sheet of the customers' pages with the operator's colours and logo behind it, in one file: the first page loads
//! no more than three. It is made when the program starts ([`crate::views::brand`]) and kept by browsers as the files of
//! `static/` are, under an address that changes with it.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::assets;
use crate::App;
use crate::error::AppError;
use crate::views::assets::Asset;

/// `GET /brand/{version}/portal.css`
pub(crate) async fn sheet(
    State(app): State<App>,
    Path(version): Path<String>,
    request: HeaderMap,
) -> Result<Response, AppError> {
    let sheet = Asset {
        version: app.brand.version().to_owned(),
        kind: "text/css; charset=utf-8".into(),
        content: app.brand.sheet().to_vec().into(),
    };
    assets::kept(&version, sheet, &request)
}
