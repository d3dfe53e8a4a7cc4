//! What can be done with a package from the list: it goes one place up or down, is not sold any more, or is sold again.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use store::package::Package;
use uuid::Uuid;

use super::LIST;
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Form, confirmation};
use crate::admin::page::{Page, Tab, answer};
use crate::session::csrf::{Nothing, Posted};

/// `POST /admin/packages/{id}/up`.
pub(in crate::admin) async fn up(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    shift(&app, id, true, &posted).await
}

/// `POST /admin/packages/{id}/down`.
pub(in crate::admin) async fn down(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    shift(&app, id, false, &posted).await
}

async fn shift(app: &App, id: Uuid, earlier: bool, posted: &Posted<Nothing>) -> Result<Response, Refusal> {
    let package = store::package::by_id(&app.db, id).await?;
    if !store::package::shift(&app.db, id, earlier).await? {
        return Ok(Redirect::to(LIST).into_response());
    }
    audit(app, &posted.staff, "package.move", &package.slug).await?;
    Ok(Redirect::to("/admin/packages?done=moved").into_response())
}

/// `POST /admin/packages/{id}/retire`.
pub(in crate::admin) async fn retire(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let package = store::package::by_id(&app.db, id).await?;
    if !posted.form.is_confirmed() {
        let line = format!("Nobody can buy {} from now on. Whoever has bought it keeps it.", package.name);
        let form = Form::new("sure", format!("{LIST}/{id}/retire"), "Yes, sell it no more").danger();
        return ask(&app, &posted, &package, "Sell this package no more?", line, form);
    }
    let done = Redirect::to("/admin/packages?done=retired");
    set_active(&app, &posted, package, false, "package.retire", done).await
}

/// `POST /admin/packages/{id}/sell`.
pub(in crate::admin) async fn sell(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let package = store::package::by_id(&app.db, id).await?;
    if !posted.form.is_confirmed() {
        let line = format!("{} can be bought again, for {}.", package.name, package.price);
        let form = Form::new("sure", format!("{LIST}/{id}/sell"), "Yes, sell it");
        return ask(&app, &posted, &package, "Sell this package again?", line, form);
    }
    let done = Redirect::to("/admin/packages?done=sold");
    set_active(&app, &posted, package, true, "package.sell", done).await
}

fn ask(
    app: &App,
    posted: &Posted<Fields>,
    package: &Package,
    question: &str,
    line: String,
    form: Form,
) -> Result<Response, Refusal> {
    let page = Page::new(app, &posted.staff, Tab::Packages);
    let back = format!("{LIST}/{}", package.id);
    let back = (back.as_str(), "Back, and change nothing");
    answer(StatusCode::OK, &confirmation(page, question, back, vec![line], form, &posted.form))
}

/// What is as it shall be already is left alone: a form was sent twice.
async fn set_active(
    app: &App,
    posted: &Posted<Fields>,
    package: Package,
    active: bool,
    action: &str,
    done: Redirect,
) -> Result<Response, Refusal> {
    if package.active != active {
        let package = Package { active, ..package };
        store::package::change(&app.db, &package, &posted.staff.admin.email, app.clock.now()).await?;
        audit(app, &posted.staff, action, &package.slug).await?;
    }
    Ok(done.into_response())
}
