//! The addresses that routers ask: `/r/TOKEN` gives the script, `/r/TOKEN/report` takes what became of it, and the login page is where
//! every router fetches it.
//!
//! A line is good for a day, until its router has reported that everything was done, and from the first fetch on for the address that it
//! came from alone. So pasting it again after something failed works, and whoever reads it over somebody's shoulder has nothing. A wrong,
//! old or used token, and the right one from elsewhere, have the same answer. Tokens and what routers send are in no line of the log.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use shared::time::OffsetDateTime;
use store::nas::Fetched;
use store::{api_token, nas};
use uuid::Uuid;

use super::{Settings, Unready, page, render, report};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::throttle::Limit;

/// Where routers fetch their login page.
pub(crate) const LOGIN_PAGE: &str = "/hotspot/login.html";
/// Largest report, octets.
const REPORT_LIMIT: usize = 4096;
/// Scripts and reports an hour from one address: a whole site may be set up from one.
const AN_HOUR: u32 = 120;
const HOUR: Duration = Duration::from_secs(3600);

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/r/{token}", get(script))
        .route("/r/{token}/report", post(take_report))
        .route(LOGIN_PAGE, get(login_page))
        .layer(DefaultBodyLimit::max(REPORT_LIMIT))
}

/// `GET /r/{token}`
async fn script(
    State(app): State<App>,
    Path(token): Path<String>,
    ClientAddress(from): ClientAddress,
) -> Result<Response, AppError> {
    app.throttle.admit(&app, &[Limit::new("router_script", from, AN_HOUR, HOUR)]).await?;
    let now = app.clock.now();
    let router = match nas::fetch(&app.db, &api_token::digest(&token), from, now).await? {
        Fetched::By(router) => router,
        Fetched::BySomebodyElse(router) => {
            tracing::warn!(nas = %router, %from, "the script of a router was asked for from another address than before: refused");
            return Err(AppError::NotFound);
        }
        Fetched::Nothing => return Err(AppError::NotFound),
    };
    match text(&app, router, &token).await? {
        Ok(text) => {
            tracing::info!(nas = %router, %from, "a router fetched its script");
            Ok(plain(text))
        }
        Err(error) => {
            tracing::error!(nas = %router, %error, "there is no script for this router");
            Ok((StatusCode::CONFLICT, "There is no script for this router. The desk says why.\n").into_response())
        }
    }
}

async fn text(app: &App, router: Uuid, token: &str) -> Result<Result<String, Unready>, AppError> {
    let enrolment = nas::enrolment(&app.db, router).await?.ok_or(AppError::NotFound)?;
    let routers = nas::all(&app.db).await?;
    let row = routers.iter().find(|nas| nas.id == router).ok_or(AppError::NotFound)?;
    let settings = Settings::of(&app.config, row, &enrolment, token);
    Ok(settings.and_then(|settings| Ok(render(&settings)?.text)))
}

/// `POST /r/{token}/report`
async fn take_report(
    State(app): State<App>,
    Path(token): Path<String>,
    ClientAddress(from): ClientAddress,
    body: Bytes,
) -> Result<Response, AppError> {
    app.throttle.admit(&app, &[Limit::new("router_script", from, AN_HOUR, HOUR)]).await?;
    let now: OffsetDateTime = app.clock.now();
    let report = report::read(&String::from_utf8_lossy(&body), now);
    let router = nas::report(&app.db, &api_token::digest(&token), from, &report, now).await?;
    let router = router.ok_or(AppError::NotFound)?;
    tracing::info!(nas = %router, is_done = report.not_done.is_empty(), "a router reported how its script went");
    Ok(plain("ok\n".to_owned()))
}

/// `GET /hotspot/login.html`. As text: it is for a router, and shows nothing of use in a browser.
async fn login_page(State(app): State<App>) -> Response {
    plain(page::login_page(app.config.portal.public_url.as_str().trim_end_matches('/')))
}

fn plain(text: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}
