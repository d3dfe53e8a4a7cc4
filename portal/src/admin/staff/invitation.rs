//! `/admin/invitation/{secret}`: whoever has the link chooses a password. The link is the proof, and is used up by that; the second
//! factor, where there is one, stays, and is asked for at the sign-in.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use store::admin::Audit;
use store::admin::people;

use super::link_hash;
use crate::admin::Refusal;
use crate::admin::page::{answer, style};
use crate::admin::sign_in::{form_secret, from_our_form};
use crate::middleware::client::ClientAddress;
use crate::session::cookie;
use crate::session::csrf::Protected;
use crate::{App, password};

#[derive(Debug, Template)]
#[template(path = "admin/invitation.html")]
pub(in crate::admin) struct Invitation {
    brand: String,
    style: String,
    csrf: String,
    /// Whose link it is; empty: nobody's any more.
    email: String,
    /// The address of this page.
    address: String,
    least: usize,
    problem: String,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(in crate::admin) struct Chosen {
    password: String,
}

/// `GET /admin/invitation/{secret}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(secret): Path<String>,
    jar: CookieJar,
) -> Result<Response, Refusal> {
    match people::of_link(&app.db, &link_hash(&app, &secret), app.clock.now()).await? {
        Some(email) => page(&app, jar, StatusCode::OK, &secret, email, String::new()),
        None => page(&app, jar, StatusCode::NOT_FOUND, &secret, String::new(), String::new()),
    }
}

fn page(
    app: &App,
    jar: CookieJar,
    status: StatusCode,
    secret: &str,
    email: String,
    problem: String,
) -> Result<Response, Refusal> {
    let csrf = form_secret(app, &jar);
    let page = Invitation {
        brand: app.config.portal.brand.clone(),
        style: style(),
        csrf: csrf.clone(),
        email,
        address: format!("/admin/invitation/{secret}"),
        least: password::MIN_LENGTH,
        problem,
    };
    Ok((jar.add(cookie::form(&app.config.portal.public_url, csrf)), answer(status, &page)?).into_response())
}

/// `POST /admin/invitation/{secret}`.
pub(in crate::admin) async fn accept(
    State(app): State<App>,
    Path(secret): Path<String>,
    jar: CookieJar,
    headers: HeaderMap,
    ClientAddress(from): ClientAddress,
    sent: Result<Form<Protected<Chosen>>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(sent) = sent.map_err(|_| Refusal::Forged)?;
    from_our_form(&app, &jar, &headers, &sent.csrf)?;
    let (hash, now) = (link_hash(&app, &secret), app.clock.now());
    // A hash costs much: only for who has a link.
    let Some(email) = people::of_link(&app.db, &hash, now).await? else {
        return page(&app, jar, StatusCode::NOT_FOUND, &secret, String::new(), String::new());
    };
    let chosen = match password::choose(&sent.form.password, &email).await {
        Ok(chosen) => chosen,
        Err(problem) => {
            let problem = crate::admin::form::sentence(&problem.to_string());
            return page(&app, jar, StatusCode::UNPROCESSABLE_ENTITY, &secret, email, problem);
        }
    };
    let Some(email) = people::accept(&app.db, &hash, &chosen, now).await? else {
        return page(&app, jar, StatusCode::NOT_FOUND, &secret, String::new(), String::new());
    };
    let line = Audit { actor: &email, action: "admin.accept", object: &email, address: Some(from) };
    store::admin::audit(&app.db, &line, now).await?;
    Ok(Redirect::to("/admin/sign-in?welcome=1").into_response())
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample() -> Invitation {
        Invitation {
            brand: HOSTILE.into(),
            style: style(),
            csrf: "the-secret".into(),
            email: HOSTILE.into(),
            address: HOSTILE.into(),
            least: password::MIN_LENGTH,
            problem: HOSTILE.into(),
        }
    }

    #[test]
    fn a_link_that_is_used_up_has_no_form() {
        let html = Invitation { email: String::new(), ..sample() }.render().expect("renders");
        assert!(!html.contains("<form") && html.contains("not good any more"), "{html}");
    }
}
