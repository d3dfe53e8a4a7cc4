//! `/admin/me/second-factor`: an authenticator app is set up, or another one in its place, and recovery codes are made.
//!
//! The secret that the page shows is nowhere yet: it travels sealed in the form, for this member of staff and half an hour, and is
//! kept once a code of it was typed. Recovery codes are shown once, in the answer to the form that made them; the store knows
//! keyed hashes.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use shared::{rng, token, totp};
use store::admin::second_factor::{self, CodeHash, RECOVERY_CODES};

use super::begin_anew;
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Field, Fields, Filled, Form, Problems};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::proof::Proved;
use crate::session::Staff;
use crate::session::csrf::Nothing;
use crate::views::qr;

/// How long somebody may look for the phone.
const GOOD_FOR: Duration = Duration::from_secs(1800);
/// Characters of a recovery code: of 32 letters, 50 bits.
const CODE_LENGTH: usize = 10;

/// A secret that is not kept yet.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    secret: [u8; totp::SECRET_OCTETS],
    /// Seconds of the Unix epoch.
    until: i64,
}

fn context(staff: &Staff) -> String {
    format!("desk: second factor of {}", staff.admin.id)
}

#[derive(Debug, Template)]
#[template(path = "admin/second_factor.html")]
pub(in crate::admin) struct SecondFactor {
    page: Page,
    style: String,
    /// Whether there is one already, which this one would replace.
    has_one: bool,
    is_compulsory: bool,
    /// The address that the app reads.
    uri: String,
    /// The secret as people type it, in groups.
    secret: String,
    /// The QR code: its side in squares, and the dark ones as a path.
    side: usize,
    squares: String,
    form: Form,
    /// What else can be done with the one that there is.
    others: Vec<Form>,
}

/// `GET /admin/me/second-factor`.
pub(in crate::admin) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let offer = Offer { secret: totp::new_secret(), until: (app.clock.now() + GOOD_FOR).unix_timestamp() };
    answer(StatusCode::OK, &page(&app, &staff, &offer, &Problems::default()))
}

fn page(app: &App, staff: &Staff, offer: &Offer, problems: &Problems) -> SecondFactor {
    let admin = &staff.admin;
    let uri = totp::uri(&offer.secret, &app.config.portal.brand, &admin.email);
    let ticket = token::carry(app.db.seal(), &context(staff), offer);
    let (has_one, is_compulsory) = (admin.has_second_factor, admin.role.must_have_second_factor());
    shown(Page::new(app, staff, Tab::Me), has_one, is_compulsory, uri, &totp::base32(&offer.secret), &ticket, problems)
}

fn shown(
    page: Page,
    has_one: bool,
    is_compulsory: bool,
    uri: String,
    secret: &str,
    ticket: &str,
    problems: &Problems,
) -> SecondFactor {
    let sent = Fields::default();
    let filled = Filled { sent: &sent, problems };
    let (side, squares) = qr::path(&uri);
    let code = filled.text("code", "The six digits that the app shows now").required();
    let form =
        Form::new("enrol", "/admin/me/second-factor", "Turn it on").field(Field::hidden("ticket", ticket)).field(code);
    let mut others = Vec::new();
    if has_one {
        let hint = "Those that you have are worth nothing from then on.";
        others.push(
            Form::new("codes", "/admin/me/recovery-codes", "Make new recovery codes")
                .titled("New recovery codes", hint),
        );
    }
    if has_one && !is_compulsory {
        let form = Form::new("off", "/admin/me/second-factor/off", "Turn it off");
        others.push(form.titled("Turn it off", "From then on your password is enough to sign in.").danger());
    }
    let secret = secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    SecondFactor { page, style: style(), has_one, is_compulsory, uri, secret, side, squares, form, others }
}

/// `POST /admin/me/second-factor`.
pub(in crate::admin) async fn enrol(
    State(app): State<App>,
    jar: CookieJar,
    headers: HeaderMap,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&proved.staff, &proved.form, app.clock.now());
    let offer: Option<Offer> = token::uncarry(app.db.seal(), &context(staff), sent.text("ticket"));
    let Some(offer) = offer.filter(|offer| offer.until > now.unix_timestamp()) else {
        // It took too long: another secret, and from the beginning.
        return Ok(Redirect::to(crate::admin::SECOND_FACTOR).into_response());
    };
    let typed = totp::typed(sent.text("code"));
    let Some(step) = typed.and_then(|code| totp::step_of(&offer.secret, &code, now, None)) else {
        let mut problems = Problems::default();
        problems
            .note("code", "that is not the code of this moment: look at the app again, and at the clock of the phone");
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page(&app, staff, &offer, &problems));
    };
    let (codes, hashes) = new_codes(&app, staff);
    second_factor::enrol(&app.db, staff.admin.id, &offer.secret, step, &hashes, now).await?;
    audit(&app, staff, "admin.second_factor", &staff.admin.email).await?;
    let (jar, staff) = begin_anew(&app, jar, &headers, staff).await?;
    Ok((jar, codes_page(&app, &staff, codes)?).into_response())
}

/// `POST /admin/me/recovery-codes`.
pub(in crate::admin) async fn new_recovery_codes(
    State(app): State<App>,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let staff = &proved.staff;
    if !staff.admin.has_second_factor {
        return Err(Refusal::Conflict);
    }
    let (codes, hashes) = new_codes(&app, staff);
    second_factor::replace_recovery_codes(&app.db, staff.admin.id, &hashes).await?;
    audit(&app, staff, "admin.recovery_codes", &staff.admin.email).await?;
    codes_page(&app, staff, codes)
}

/// `POST /admin/me/second-factor/off`: for those who need none.
pub(in crate::admin) async fn off(
    State(app): State<App>,
    jar: CookieJar,
    headers: HeaderMap,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let staff = &proved.staff;
    if staff.admin.role.must_have_second_factor() {
        return Err(Refusal::Conflict);
    }
    second_factor::reset(&app.db, staff.admin.id).await?;
    audit(&app, staff, "admin.second_factor_off", &staff.admin.email).await?;
    let (jar, _) = begin_anew(&app, jar, &headers, staff).await?;
    Ok((jar, Redirect::to("/admin/me?done=off")).into_response())
}

/// Recovery codes as people type them, and what is kept of them.
fn new_codes(app: &App, staff: &Staff) -> (Vec<String>, Vec<CodeHash>) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| grouped(&rng::code(CODE_LENGTH))).collect();
    let hashes = codes.iter().map(|code| second_factor::hash(&app.db, staff.admin.id, code)).collect();
    (codes, hashes)
}

fn grouped(code: &str) -> String {
    let (first, second) = code.split_at(CODE_LENGTH / 2);
    format!("{first}-{second}")
}

#[derive(Debug, Template)]
#[template(path = "admin/recovery_codes.html")]
pub(in crate::admin) struct RecoveryCodes {
    page: Page,
    style: String,
    codes: Vec<String>,
}

fn codes_page(app: &App, staff: &Staff, codes: Vec<String>) -> Result<Response, Refusal> {
    answer(StatusCode::OK, &RecoveryCodes { page: Page::new(app, staff, Tab::Me), style: style(), codes })
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::{HOSTILE, page};

    pub(in crate::admin) fn sample(page: Page) -> SecondFactor {
        let mut problems = Problems::default();
        problems.note("code", HOSTILE);
        shown(page, true, false, totp::uri(b"12345678901234567890", HOSTILE, HOSTILE), HOSTILE, HOSTILE, &problems)
    }

    pub(in crate::admin) fn codes(page: Page) -> RecoveryCodes {
        RecoveryCodes { page, style: style(), codes: vec![HOSTILE.into(), grouped("ABCDEFGHJK")] }
    }

    #[test]
    fn who_must_have_one_cannot_turn_it_off() {
        let forms = |has_one, is_compulsory| -> Vec<&'static str> {
            let shown = shown(page(), has_one, is_compulsory, String::new(), "", "", &Problems::default());
            shown.others.iter().map(|form| form.id).collect()
        };
        assert_eq!(forms(false, true), [""; 0]);
        assert_eq!(forms(true, true), ["codes"]);
        assert_eq!(forms(true, false), ["codes", "off"]);
    }

    #[test]
    fn recovery_codes_are_written_in_two_groups() {
        assert_eq!(grouped("ABCDEFGHJK"), "ABCDE-FGHJK");
        assert_eq!(rng::code(CODE_LENGTH).len(), CODE_LENGTH);
    }

    #[test]
    fn an_offer_is_sealed() {
        let key = shared::seal::SealKey::from_hex(&"5a".repeat(32)).expect("a key");
        let offer = Offer { secret: *b"12345678901234567890", until: 0 };
        let ticket = token::carry(&key, "desk: second factor of A", &offer);
        assert!(token::uncarry::<Offer>(&key, "desk: second factor of A", &ticket).is_some());
        assert!(token::uncarry::<Offer>(&key, "desk: second factor of B", &ticket).is_none());
    }
}
