//! `POST /voucher`: a guest has a printed code. Its spelling and its check are looked at here, so that a typing error is told at
//! once and is no guess; whether it is good is the router's question to radiusd, with the code as name and password.

use std::time::Duration;

use axum::Form as Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shared::voucher;
use url::Url;

use super::hotspot::{Typed, open, show};
use super::login;
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::middleware::language::Wanted;
use crate::throttle::Limit;
use crate::urls;
use crate::views::customer::GoingOnlinePage;
use crate::views::text::say;
use crate::views::{Site, page, words};

const HOUR: Duration = Duration::from_secs(3600);

/// What the form says.
#[derive(Debug, Deserialize)]
pub(crate) struct Typing {
    visit: String,
    #[serde(default)]
    code: String,
}

/// `POST /voucher`
pub(crate) async fn redeem(
    State(app): State<App>,
    wanted: Wanted,
    ClientAddress(address): ClientAddress,
    Body(typing): Body<Typing>,
) -> Result<Response, AppError> {
    let form = open(&app, wanted, &typing.visit)?;
    let speech = wanted.speech(form.visit.language, None);
    let code = match voucher::normalise(typing.code.trim()) {
        Ok(code) => code,
        Err(problem) => {
            let code_error = Some(say(speech.language, words::not_a_code(problem)).to_string());
            return show(&app, wanted, form.visit, Typed { code: typing.code, code_error, ..Typed::default() }).await;
        }
    };
    // radiusd guards the codes themselves, at every way in; this spares it what comes from here.
    let limits = [
        Limit::new("voucher_from_device", form.visit.mac, 30, HOUR),
        Limit::new("voucher_from_address", address, 600, HOUR),
    ];
    app.throttle.admit(&app, &limits).await?;
    let visit = &form.visit;
    let then = visit.destination.as_ref().map(Url::to_string);
    let site = Site::of(&app, speech).by(urls::VOUCHER, vec![("visit", typing.visit), ("code", code.to_string())]);
    let view = GoingOnlinePage {
        title: site.say("voucher-title").with("code", voucher::printed(&code)).to_string(),
        site,
        login: login::form(visit, &code, &code, then, true),
    };
    Ok(login::allow(page(StatusCode::OK, &view)?, visit, &app.config.portal.public_url))
}
