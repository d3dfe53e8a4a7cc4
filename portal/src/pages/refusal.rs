//! `/u/{token}`: news by e-mail is refused, by whoever reads the mail, without a sign-in (RFC 8058).
//!
//! The address stands in each e-mail that can be refused, in its text and in `List-Unsubscribe`. Who opens it is asked, since mail
//! programs open links by themselves; the button, or the one request that a mail program sends in somebody's name, does it. The
//! token is the customer's own, cannot be guessed and is good for nothing else, so the request needs no cookie and no form of ours, and may come from another
//! site. Once more it changes nothing.
//!
//! Receipts, codes that were paid for and what is about the safety of a package are not refused here ([`shared::notice::Notice::can_be_refused`]):
//! the page says so. Who wants news by e-mail again says it on the page of the packages ([`super::account::email`]).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::token::{self, Purpose};
use store::user;
use uuid::Uuid;

use crate::App;
use crate::error::AppError;
use crate::middleware::language::Wanted;
use crate::urls;
use crate::views::customer::EmailRefusalPage;
use crate::views::{Site, page};

/// `GET /u/{token}`: the question.
pub(crate) async fn ask(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
) -> Result<Response, AppError> {
    refusal_page(&app, wanted, customer(&app, &token)?).await
}

/// `POST /u/{token}`: yes. The body is not read: a mail program writes `List-Unsubscribe=One-Click` there, our button nothing.
pub(crate) async fn refuse(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
) -> Result<Response, AppError> {
    let customer = customer(&app, &token)?;
    if !user::email::refuse(&app.db, customer, app.clock.now()).await? {
        return Err(AppError::NotFound);
    }
    refusal_page(&app, wanted, customer).await
}

fn customer(app: &App, token: &str) -> Result<Uuid, AppError> {
    token::verify(app.db.seal(), Purpose::EmailRefusal, token).ok_or(AppError::NotFound)
}

/// In the language of the e-mail that leads here, unless the reader chooses another.
async fn refusal_page(app: &App, wanted: Wanted, customer: Uuid) -> Result<Response, AppError> {
    let refusing = user::email::refusing(&app.db, customer).await?.ok_or(AppError::NotFound)?;
    let speech = wanted.speech(None, Some(refusing.language));
    let address = urls::email_refusal(app.db.seal(), customer);
    let view = EmailRefusalPage {
        site: Site::of(app, speech).at(&address),
        phone: refusing.phone.masked(),
        stop: (!refusing.is_refused).then(|| speech.to(&address)),
        has_sms: app.sms.is_some(),
        account: speech.to(urls::ACCOUNT),
    };
    page(StatusCode::OK, &view)
}
