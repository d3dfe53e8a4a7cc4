//! The files of `static/`, out of the binary. Their URLs carry a digest of the content, so browsers keep them for a
//! year and never show an old one.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::error::AppError;
use crate::views::assets::{self, Asset};

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK: HeaderValue = HeaderValue::from_static("no-cache");

/// One file.
pub(crate) async fn file(
    Path((version, name)): Path<(String, String)>,
    request: HeaderMap,
) -> Result<Response, AppError> {
    kept(&version, assets::get(&name).ok_or(AppError::NotFound)?, &request)
}

/// A file whose address carries its version. A page of an older version may ask for its own while servers are replaced:
/// it gets ours, not to be kept.
pub(super) fn kept(asked: &str, file: Asset, request: &HeaderMap) -> Result<Response, AppError> {
    let tag = HeaderValue::try_from(format!("\"{}\"", file.version)).map_err(|_| AppError::NotFound)?;
    let keep = if asked == file.version { FOREVER } else { ASK };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, keep);
    headers.insert(header::ETAG, tag.clone());
    if request.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let kind = HeaderValue::try_from(file.kind).map_err(|_| AppError::NotFound)?;
    headers.insert(header::CONTENT_TYPE, kind);
    Ok((headers, file.content).into_response())
}
