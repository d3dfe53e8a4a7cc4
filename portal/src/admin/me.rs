//! `/admin/me`: one's own account: the password, where one is signed in, and the second factor ([`second_factor`]).
//!
//! What is changed here ends all sessions but the one it is changed in, which gets a new identifier.

pub(super) mod second_factor;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use shared::time::OffsetDateTime;

use super::audit::audit;
use super::form::{Fields, Filled, Form, Problems};
use super::page::{After, Page, Tab, answer, style};
use super::proof::Proved;
use super::{Refusal, words};
use crate::session::csrf::{Nothing, Posted};
use crate::session::{self, Shown, Staff, cookie};
use crate::{App, password};

#[derive(Debug, Template)]
#[template(path = "admin/me.html")]
pub(super) struct Me {
    page: Page,
    style: String,
    facts: Vec<(&'static str, String)>,
    has_second_factor: bool,
    /// Where the forms of the sessions go.
    sessions_at: String,
    sessions: Vec<SessionRow>,
    forms: Vec<Form>,
    done: &'static str,
}

/// Where somebody is signed in.
#[derive(Debug)]
pub(super) struct SessionRow {
    pub(super) handle: String,
    pub(super) browser: String,
    pub(super) address: String,
    pub(super) began: String,
    pub(super) seen: String,
    pub(super) is_this: bool,
}

/// `GET /admin/me`.
pub(super) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let mut page = page(&app, &staff, &Problems::default()).await?;
    page.done = match after.done.as_str() {
        "password" => "You have a new password. Everywhere else you are signed out.",
        "ended" => "That session is over.",
        "others" => "You are signed out everywhere else.",
        "off" => "Codes are not asked for any more.",
        _ => "",
    };
    answer(StatusCode::OK, &page)
}

async fn page(app: &App, staff: &Staff, problems: &Problems) -> Result<Me, Refusal> {
    let admin = &staff.admin;
    let sites: Vec<String> =
        store::admin::people::get(&app.db, admin.id).await?.sites.into_iter().map(|s| s.1).collect();
    let left = store::admin::second_factor::recovery_codes_left(&app.db, admin.id).await?;
    let facts = vec![
        ("Address", admin.email.clone()),
        ("Role", admin.role.to_string()),
        ("Sites", if sites.is_empty() { "all".into() } else { sites.join(", ") }),
        (
            "Second factor",
            match admin.has_second_factor {
                true => format!("on, with {left} recovery codes left"),
                false => "off".into(),
            },
        ),
    ];
    let sent = Fields::default();
    let filled = Filled { sent: &sent, problems };
    Ok(Me {
        page: Page::new(app, staff, Tab::Me),
        style: style(),
        facts,
        has_second_factor: admin.has_second_factor,
        sessions_at: "/admin/me/sessions".into(),
        sessions: sessions(&session::list(app, admin, staff).await?, app.clock.now()),
        forms: vec![password_form(filled)],
        done: "",
    })
}

fn password_form(filled: Filled<'_>) -> Form {
    let hint =
        format!("At least {} characters. A few words that do not belong together are good.", password::MIN_LENGTH);
    Form::new("password", "/admin/me/password", "Set this password")
        .titled("Another password", "You are signed out everywhere else.")
        .field(filled.password("password", "New password").hint(hint).required())
}

/// Sessions as they are listed.
pub(super) fn sessions(shown: &[Shown], now: OffsetDateTime) -> Vec<SessionRow> {
    let row = |session: &Shown| SessionRow {
        handle: session.handle.clone(),
        browser: browser(&session.agent),
        address: session.address.to_string(),
        began: words::moment(session.began_at, now),
        seen: words::ago(session.seen_at, now),
        is_this: session.is_this,
    };
    shown.iter().map(row).collect()
}

/// What a browser calls itself, in words: its name and its system, as far as they are known.
fn browser(agent: &str) -> String {
    // Browsers name those that they stem from as well, so the order matters.
    const NAMES: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("CrOS", "a Chromebook"),
        ("Mac OS X", "a Mac"),
        ("Linux", "Linux"),
    ];
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&NAMES), find(&SYSTEMS)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A program".to_owned(),
    }
}

/// `POST /admin/me/password`.
pub(super) async fn set_password(
    State(app): State<App>,
    jar: CookieJar,
    headers: HeaderMap,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let Proved { staff, form } = proved;
    let typed = form.exact("password");
    let hash = match password::choose(typed, &staff.admin.email).await {
        Ok(hash) => hash,
        Err(problem) => {
            let mut problems = Problems::default();
            problems.note("password", problem);
            return answer(StatusCode::UNPROCESSABLE_ENTITY, &page(&app, &staff, &problems).await?);
        }
    };
    store::admin::people::set_password(&app.db, staff.admin.id, &hash).await?;
    audit(&app, &staff, "admin.password", &staff.admin.email).await?;
    let (jar, _) = begin_anew(&app, jar, &headers, &staff).await?;
    Ok((jar, Redirect::to("/admin/me?done=password")).into_response())
}

/// `POST /admin/me/sessions/{handle}/end`.
pub(super) async fn end_session(
    State(app): State<App>,
    Path(handle): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    session::end(&app, posted.staff.admin.id, &handle).await?;
    audit(&app, &posted.staff, "admin.session_end", &posted.staff.admin.email).await?;
    Ok(Redirect::to("/admin/me?done=ended").into_response())
}

/// `POST /admin/me/sessions/end-others`.
pub(super) async fn end_others(
    State(app): State<App>,
    jar: CookieJar,
    headers: HeaderMap,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    store::admin::people::end_sessions(&app.db, posted.staff.admin.id).await?;
    audit(&app, &posted.staff, "admin.sign_out", &posted.staff.admin.email).await?;
    let (jar, _) = begin_anew(&app, jar, &headers, &posted.staff).await?;
    Ok((jar, Redirect::to("/admin/me?done=others")).into_response())
}

/// A new session in place of one that a change has just ended.
async fn begin_anew(
    app: &App,
    jar: CookieJar,
    headers: &HeaderMap,
    staff: &Staff,
) -> Result<(CookieJar, Staff), Refusal> {
    let (value, begun) = session::replace(app, headers, staff, app.clock.now()).await?;
    Ok((jar.add(cookie::session(&app.config.portal.public_url, value)), begun))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn rows() -> Vec<SessionRow> {
        let at = OffsetDateTime::UNIX_EPOCH;
        let shown = |agent: &str, is_this| Shown {
            handle: "00112233445566778899aabbccddeeff".into(),
            agent: agent.into(),
            address: "192.0.2.7".parse().expect("an address"),
            began_at: at,
            seen_at: at,
            is_this,
        };
        sessions(&[shown(HOSTILE, true), shown("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", false)], at)
    }

    pub(in crate::admin) fn sample(page: Page) -> Me {
        let (sent, mut problems) = (Fields::default(), Problems::default());
        problems.note("password", HOSTILE);
        Me {
            page,
            style: style(),
            facts: vec![("Address", HOSTILE.into())],
            has_second_factor: true,
            sessions_at: "/admin/me/sessions".into(),
            sessions: rows(),
            forms: vec![password_form(Filled { sent: &sent, problems: &problems })],
            done: "That session is over.",
        }
    }

    #[test]
    fn browsers_are_told_apart() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
                "Safari on an iPhone",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0", "Firefox on Linux"),
            ("curl/8.5.0", "A program"),
            ("", "A program"),
        ] {
            assert_eq!(browser(agent), expected);
        }
    }

    #[test]
    fn the_session_of_the_page_has_no_button_of_its_own() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("/end\"").count(), 1, "{html}");
        assert!(html.contains("this one"));
    }
}
