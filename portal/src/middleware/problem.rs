//! Turns a handler's [`AppError`](crate::error::AppError) into a page with the operator's name and number, and logs
//! it: the one place where a failed page is logged.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::App;
use crate::error::Problem;
use crate::views::customer::ProblemPage;
use crate::views::{Site, page};

/// Renders what a handler could not.
pub(crate) async fn render(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    let status = response.status();
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), cause = %problem.cause, "a page could not be made");
    } else {
        tracing::debug!(status = status.as_u16(), cause = %problem.cause, "a request was refused");
    }
    let view = ProblemPage {
        site: Site::of(&app),
        title: problem.title,
        text: problem.text,
        try_again: status == StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut page = page(status, &view).unwrap_or_else(|_| status.into_response());
    if let Some(wait) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    page
}
