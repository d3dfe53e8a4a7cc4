//! Turns a handler's [`AppError`](crate::error::AppError) into a page with the operator's name and number, in the language of the
//! request, and logs it: the one place where a failed page is logged.
//!
//! Nothing of the request stands on the page. Its link to the other language names the language alone, so that the browser puts
//! it behind the address that it has; a form cannot be had again like that, nor the address with which a router sends a guest.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::language::Wanted;
use crate::error::Problem;
use crate::views::customer::ProblemPage;
use crate::views::{Site, page};
use crate::{App, urls};

/// Renders what a handler could not.
pub(crate) async fn render(State(app): State<App>, request: Request, next: Next) -> Response {
    let speech = Wanted::of(request.uri(), request.headers()).speech(None, None);
    let can_be_read_again = request.method() == Method::GET && request.uri().path() != urls::HOTSPOT;
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    let status = response.status();
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), cause = %problem.cause, "a page could not be made");
    } else {
        tracing::debug!(status = status.as_u16(), cause = %problem.cause, "a request was refused");
    }
    let site = Site::of(&app, speech);
    let site = if can_be_read_again { site.at("") } else { site };
    let view = ProblemPage {
        title: site.say(problem.title).to_string(),
        text: site.say(problem.text).to_string(),
        site,
        try_again: status == StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut page = page(status, &view).unwrap_or_else(|_| status.into_response());
    if let Some(wait) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    page
}
