//! `/admin/discounts/new` and `/admin/discounts/{id}`: a discount is made, or changed. What was ordered before keeps its price.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::discount::Discount;
use shared::rng;
use uuid::Uuid;

use super::rule::{self, Limits};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, FormPage, Problems, told};
use crate::admin::page::{Page, Tab, answer};
use crate::session::Staff;
use crate::session::csrf::Posted;

const NEW: &str = "/admin/discounts";

/// `GET /admin/discounts/new`.
pub(in crate::admin) async fn ask(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let limits = limits(&app, None).await?;
    let (page, problems) = (Page::new(&app, &staff, Tab::Packages), Problems::default());
    answer(StatusCode::OK, &form_page(page, NEW, &limits, &Fields::default(), &problems))
}

/// `GET /admin/discounts/{id}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let discount = store::discount::get(&app.db, id).await?;
    let owner = match discount.owner {
        Some(owner) => Some(store::user::get(&app.db, owner).await?.phone),
        None => None,
    };
    let limits = limits(&app, Some(&discount)).await?;
    let (page, problems) = (Page::new(&app, &staff, Tab::Packages), Problems::default());
    let fields = rule::fields(&discount, owner.as_ref());
    answer(StatusCode::OK, &form_page(page, &address(id), &limits, &fields, &problems))
}

/// `POST /admin/discounts`.
pub(in crate::admin) async fn make(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let limits = limits(&app, None).await?;
    save(&app, &posted, rng::id(app.clock.now()), NEW, &limits).await
}

/// `POST /admin/discounts/{id}`.
pub(in crate::admin) async fn change(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let discount = store::discount::get(&app.db, id).await?;
    let limits = limits(&app, Some(&discount)).await?;
    save(&app, &posted, id, &address(id), &limits).await
}

async fn save(
    app: &App,
    posted: &Posted<Fields>,
    id: Uuid,
    action: &str,
    limits: &Limits,
) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let mut problems = Problems::default();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    if let Some(rule) = rule::read(id, sent, limits, &mut problems) {
        let owner = match &rule.owner {
            Some(phone) => Some(store::user::ensure(&app.db, rng::id(now), phone, "", now).await?),
            None => None,
        };
        let discount = Discount { owner, ..rule.discount };
        match told(store::discount::save(&app.db, &discount, now).await)? {
            Ok(()) => {
                audit(app, staff, "discount.save", super::called(&discount)).await?;
                return Ok(Redirect::to("/admin/discounts?done=saved").into_response());
            }
            Err(problem) => {
                problems.note(if sent.is_on("code") { "code" } else { "name" }, problem);
                status = StatusCode::CONFLICT;
            }
        }
    }
    let page = Page::new(app, staff, Tab::Packages);
    answer(status, &form_page(page, action, limits, sent, &problems))
}

async fn limits(app: &App, discount: Option<&Discount>) -> Result<Limits, Refusal> {
    let packages = store::package::all(&app.db).await?;
    let packages = packages.into_iter().map(|package| (package.id, package.name)).collect();
    let limits = Limits { packages, sites: store::site::all(&app.db).await? };
    Ok(match discount {
        Some(discount) => limits.with(discount),
        None => limits,
    })
}

fn address(id: Uuid) -> String {
    format!("/admin/discounts/{id}")
}

fn form_page(page: Page, action: &str, limits: &Limits, sent: &Fields, problems: &Problems) -> FormPage {
    let title = if action == NEW { "New discount" } else { "Change a discount" };
    let form = rule::form(action, limits, Filled { sent, problems });
    let problem = if problems.is_empty() { "" } else { "Nothing was saved: look at what is marked below." };
    FormPage {
        lines: vec!["What was ordered before keeps its price.".into()],
        problem: problem.into(),
        ..FormPage::new(page, title, ("/admin/discounts", "Discounts"), form)
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::discounts::tests::full;

    pub(in crate::admin) fn sample(page: Page) -> FormPage {
        let discount = full();
        let limits = Limits::default().with(&discount);
        let mut problems = Problems::default();
        problems.note("hours", "these are no hours");
        form_page(page, NEW, &limits, &rule::fields(&discount, None), &problems)
    }
}
