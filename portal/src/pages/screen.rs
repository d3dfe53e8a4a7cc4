//! `/screen`: a code for a screen without a keyboard. Its owner types it on another device ([`super::account::adding`]), and the
//! screen goes online.
//!
//! [`begin`] draws a code of six characters, good for ten minutes; Redis keeps a keyed hash of it and, sealed, which device it is of,
//! behind which router. [`show`] follows from the store and reads itself again: while the code waits it is shown, once the device has
//! a place the page logs it in, and a code that is over is said to be. The page's address carries its visit and code sealed, since
//! what reads it again is a GET (a script that can be paused, without one a meta refresh) and the browser of a TV may keep no cookie.
//!
//! Refused here: whether anybody may add the device. A forged visit gets a code for a device that is not there.

use std::time::Duration;

use axum::Form as Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::{Deserialize, Serialize};
use shared::mac::Mac;
use shared::voucher::ALPHABET;
use shared::{rng, token};
use store::entitlement;
use store::redis::Digest;
use uuid::Uuid;

use super::hotspot::{self, open};
use super::login;
use super::visit::{Form, Visit};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::middleware::language::Wanted;
use crate::throttle::Limit;
use crate::urls;
use crate::views::customer::{GoingOnlinePage, ScreenPage};
use crate::views::{Site, page};

/// Characters of a code: 32⁶ are a milliard, of which a customer may try twenty an hour.
const LENGTH: usize = 6;
/// How long a code is good.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// How long the page of a code can be read again.
const KEPT: Duration = Duration::from_secs(3600);
/// Codes that are drawn until one is free; each is taken with a chance of one in millions.
const DRAWS: usize = 3;
/// Seconds after which the page reads itself again while its code waits.
const REFRESH: u32 = 4;
/// The same once the code is gone: it may have been typed just now, and the device has its place a moment later.
const REFRESH_AFTER: u32 = 10;
const HOUR: Duration = Duration::from_secs(3600);

/// What the token of the page's address is sealed for.
const PAGE: &str = "screen";
/// What the record in Redis is sealed for.
const RECORD: &str = "screen.waiting";

/// What the page's address carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Screen {
    /// Made with the code.
    form: Form,
    code: String,
}

/// A screen that waits, as Redis keeps it, sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// The device.
    pub(crate) mac: Mac,
    /// The router that it stands behind.
    pub(crate) nas: Uuid,
}

impl Waiting {
    /// Opens the record of a screen.
    pub(crate) fn open(app: &App, record: &str) -> Option<Waiting> {
        token::uncarry(app.db.seal(), RECORD, record)
    }
}

/// A code as it was typed, in its one spelling; `None`: it cannot be one.
pub(crate) fn normalise(typed: &str) -> Option<String> {
    let code: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
    let is_code = code.len() == LENGTH && code.bytes().all(|octet| ALPHABET.contains(&octet));
    is_code.then_some(code)
}

/// What a code is known under in Redis.
pub(crate) fn digest(app: &App, code: &str) -> Digest {
    app.db.seal().lookup(format!("screen:{code}").as_bytes())
}

/// The code in two groups: `ABC-DEF`.
fn grouped(code: &str) -> String {
    let (left, right) = code.split_at(LENGTH / 2);
    format!("{left}-{right}")
}

/// The form of the button.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    visit: String,
}

/// `POST /screen`
pub(crate) async fn begin(
    State(app): State<App>,
    wanted: Wanted,
    ClientAddress(address): ClientAddress,
    Body(asked): Body<Asked>,
) -> Result<Response, AppError> {
    let visit = open(&app, wanted, &asked.visit)?.visit;
    let limits = [
        Limit::new("screen_from_device", visit.mac, 20, HOUR),
        Limit::new("screen_from_address", address, 300, HOUR),
        Limit::new("screen_at_router", visit.nas, 1000, HOUR),
    ];
    app.throttle.admit(&app, &limits).await?;
    let record = token::carry(app.db.seal(), RECORD, &Waiting { mac: visit.mac, nas: visit.nas });
    for _ in 0..DRAWS {
        let code = rng::code(LENGTH);
        if app.redis.put_screen(&digest(&app, &code), &record, GOOD_FOR.as_secs()).await? {
            let speech = wanted.speech(visit.language, None);
            let form = Form::new(Visit { error: String::new(), ..visit }, app.clock.now());
            let page = token::carry(app.db.seal(), PAGE, &Screen { form, code });
            return Ok(Redirect::to(&speech.to(&urls::screen(&page))).into_response());
        }
    }
    Err(AppError::TooOften(GOOD_FOR))
}

/// The query of `/screen`.
#[derive(Debug, Deserialize)]
pub(crate) struct Carried {
    screen: String,
}

/// `GET /screen`
pub(crate) async fn show(
    State(app): State<App>,
    wanted: Wanted,
    Query(carried): Query<Carried>,
) -> Result<Response, AppError> {
    let now = app.clock.now();
    let Screen { form, code } = token::uncarry::<Screen>(app.db.seal(), PAGE, &carried.screen)
        .filter(|screen| rng::made_at(screen.form.number).is_some_and(|made| now - made < KEPT))
        .ok_or(AppError::BadRequest("problem-open-too-long"))?;
    let visit = Visit { language: wanted.chosen(form.visit.language), ..form.visit };
    let site = Site::of(&app, wanted.speech(visit.language, None)).at(&urls::screen(&carried.screen));
    let usage = entitlement::latest_of_device(&app.db, visit.mac).await?.filter(|usage| usage.is_usable(now));
    let Some(usage) = usage else {
        let waits = app.redis.has_screen(&digest(&app, &code)).await?;
        return screen(&app, site, visit, waits.then(|| grouped(&code)), None);
    };
    let devices = entitlement::devices(&app.db, usage.id).await?;
    if devices.iter().any(|device| device.mac == visit.mac && device.online) {
        return screen(&app, site, visit, None, Some(usage.package));
    }
    let username = hotspot::device_login(&app, &usage, visit.mac);
    let password = entitlement::one_time_password(&app.db, usage.id, &username, visit.mac, now).await?;
    let then = visit.destination.as_ref().map(ToString::to_string);
    let view =
        GoingOnlinePage { site, title: usage.package, login: login::form(&visit, &username, &password, then, true) };
    Ok(login::allow(page(StatusCode::OK, &view)?, &visit, &app.config.portal.public_url))
}

/// The page: the code while it waits, or the package with which the screen is online; with neither the code is over.
fn screen(
    app: &App,
    site: Site,
    visit: Visit,
    code: Option<String>,
    online: Option<String>,
) -> Result<Response, AppError> {
    let view = ScreenPage {
        site,
        refresh: online.is_none().then_some(if code.is_some() { REFRESH } else { REFRESH_AFTER }),
        code,
        online,
        account: urls::whole(&app.config.portal.public_url, urls::ACCOUNT),
        minutes: GOOD_FOR.as_secs() / 60,
        visit: Form::new(visit, app.clock.now()).seal(app.db.seal()),
    };
    page(StatusCode::OK, &view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_code_finds_its_spelling() {
        assert_eq!(normalise(" abc-d2f ").as_deref(), Some("ABCD2F"));
        assert_eq!(normalise("ABC D2F").as_deref(), Some("ABCD2F"));
        for typed in ["", "ABCD2", "ABCD2FG", "ABCD20", "ABCDI2", "ABCD2\u{e9}", "ABCD-\u{2013}F"] {
            assert_eq!(normalise(typed), None, "{typed}");
        }
        assert_eq!(grouped("ABCD2F"), "ABC-D2F");
        let made = rng::code(LENGTH);
        assert_eq!(normalise(&grouped(&made)), Some(made));
    }
}
