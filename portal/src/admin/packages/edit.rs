//! `/admin/packages/new` and `/admin/packages/{id}`: a package is made, or changed, with what customers see of it and what it was before.
//! What was sold before keeps its rules and its price.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::language::Language;
use shared::rng;
use shared::time::OffsetDateTime;
use store::package::Package;
use store::package::version::{self, Version};
use uuid::Uuid;

use super::rule::{self, Known};
use super::{LIST, Sites, sale, state};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, Form, FormPage, Problems, told};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::words::{self, Said};
use crate::pages::hotspot::{card, undiscounted};
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::views::customer::Card;

/// What stands above a form that is not saved.
const NOT_SAVED: &str = "Nothing was saved: look at what is marked below.";

#[derive(Debug, Template)]
#[template(path = "admin/package.html")]
pub(in crate::admin) struct PackagePage {
    page: Page,
    style: String,
    name: String,
    slug: String,
    state: Said,
    sale: String,
    preview: Vec<Seen>,
    forms: Vec<Form>,
    versions: Vec<Row>,
    done: &'static str,
    problem: String,
}

/// What customers see who read this language.
#[derive(Debug)]
struct Seen {
    language: &'static str,
    locale: &'static str,
    card: Card,
}

/// A version.
#[derive(Debug)]
struct Row {
    number: u32,
    since: String,
    by: String,
    price: String,
    changed: String,
}

/// `GET /admin/packages/new`.
pub(in crate::admin) async fn ask(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let (page, problems) = (Page::new(&app, &staff, Tab::Packages), Problems::default());
    answer(StatusCode::OK, &new_page(page, &rule::blank(), &problems))
}

/// `POST /admin/packages`.
pub(in crate::admin) async fn make(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let (sites, packages) = (store::site::all(&app.db).await?, store::package::all(&app.db).await?);
    // Behind the others.
    let position = packages.iter().map(|package| package.position).max().unwrap_or(0).saturating_add(1);
    let known = Known { id: rng::id(now), slug: None, active: true, position };
    let mut problems = Problems::default();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    if let Some(package) = rule::read(known, sent, &sites, &mut problems) {
        match told(store::package::add(&app.db, &package, &staff.admin.email, now).await)? {
            Ok(made) => {
                audit(&app, staff, "package.save", &made.slug).await?;
                return Ok(Redirect::to(&format!("{LIST}/{}?done=saved", made.id)).into_response());
            }
            Err(problem) => {
                problems.note("slug", problem);
                status = StatusCode::CONFLICT;
            }
        }
    }
    answer(status, &new_page(Page::new(&app, staff, Tab::Packages), sent, &problems))
}

fn new_page(page: Page, sent: &Fields, problems: &Problems) -> FormPage {
    let form = rule::form(LIST, true, Filled { sent, problems });
    let problem = if problems.is_empty() { "" } else { NOT_SAVED };
    FormPage { problem: problem.into(), ..FormPage::new(page, "New package", (LIST, "Packages"), form) }
}

/// `GET /admin/packages/{id}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let (known, sites) = (Stored::read(&app, id).await?, store::site::all(&app.db).await?);
    let fields = rule::fields(&known.package, &sites);
    let mut page = known.page(Page::new(&app, &staff, Tab::Packages), &sites, &fields, &Problems::default());
    if after.done == "saved" {
        page.done = "The package is saved. What was sold before keeps its rules and its price.";
    }
    answer(StatusCode::OK, &page)
}

/// `POST /admin/packages/{id}`.
pub(in crate::admin) async fn change(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let (stored, sites) = (Stored::read(&app, id).await?, store::site::all(&app.db).await?);
    let mut problems = Problems::default();
    let (mut status, mut problem) = (StatusCode::UNPROCESSABLE_ENTITY, NOT_SAVED.to_owned());
    if let Some(package) = rule::read(stored.known(), sent, &sites, &mut problems) {
        match told(store::package::change(&app.db, &package, &staff.admin.email, stored.now).await)? {
            Ok(saved) => {
                audit(&app, staff, "package.save", &saved.slug).await?;
                return Ok(Redirect::to(&format!("{LIST}/{id}?done=saved")).into_response());
            }
            Err(sentence) => (status, problem) = (StatusCode::CONFLICT, sentence),
        }
    }
    let page = stored.page(Page::new(&app, staff, Tab::Packages), &sites, sent, &problems);
    answer(status, &PackagePage { problem, ..page })
}

/// A package as it is kept, and was.
struct Stored {
    package: Package,
    versions: Vec<Version>,
    now: OffsetDateTime,
}

impl Stored {
    async fn read(app: &App, id: Uuid) -> Result<Stored, Refusal> {
        let package = store::package::by_id(&app.db, id).await?;
        Ok(Stored { package, versions: version::all(&app.db, id).await?, now: app.clock.now() })
    }

    fn known(&self) -> Known {
        let Package { id, slug, active, position, .. } = &self.package;
        Known { id: *id, slug: Some(slug.clone()), active: *active, position: *position }
    }

    fn page(&self, page: Page, sites: &Sites, sent: &Fields, problems: &Problems) -> PackagePage {
        let (package, now) = (&self.package, self.now);
        let address = format!("{LIST}/{}", package.id);
        let turn = if package.active {
            let hint = "Nobody can buy it then. Whoever has bought it keeps it.";
            Form::new("retire", format!("{address}/retire"), "Sell it no more").titled("", hint).danger()
        } else {
            Form::new("sell", format!("{address}/sell"), "Sell it again")
        };
        let edit = rule::form(&address, false, Filled { sent, problems });
        PackagePage {
            page,
            style: style(),
            name: package.name.clone(),
            slug: package.slug.clone(),
            state: state(package, now),
            sale: sale(package, sites, now),
            preview: Language::ALL.map(|language| seen(package, language)).into(),
            forms: vec![edit, turn],
            versions: rows(&self.versions, now),
            done: "",
            problem: String::new(),
        }
    }
}

fn seen(package: &Package, language: Language) -> Seen {
    let card = card(language, package, &undiscounted(package), "");
    Seen { language: language.name(), locale: language.as_str(), card }
}

fn rows(versions: &[Version], now: OffsetDateTime) -> Vec<Row> {
    let row = |(place, version): (usize, &Version)| {
        let before = versions.get(place + 1);
        let changed = before.map(|before| version.package.differences(&before.package).join(", "));
        Row {
            number: version.number,
            since: words::moment(version.at, now),
            by: if version.by.is_empty() { "not known".to_owned() } else { version.by.clone() },
            price: version.package.price.to_string(),
            changed: changed.unwrap_or_default(),
        }
    };
    versions.iter().enumerate().map(row).collect()
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::money::Money;

    use super::*;
    use crate::admin::packages::tests::{full, sites};

    pub(in crate::admin) fn new(page: Page) -> FormPage {
        let mut problems = Problems::default();
        problems.note("hours", "these are no hours");
        new_page(page, &rule::blank(), &problems)
    }

    fn stored() -> Stored {
        let version = |number, by: &str, minor| Version {
            number,
            package: Package { price: Money::kes(minor), version: number, ..full() },
            by: by.into(),
            at: OffsetDateTime::UNIX_EPOCH,
        };
        let versions = vec![version(2, "owner@example.org", 2_050), version(1, "", 2_000)];
        Stored { package: full(), versions, now: OffsetDateTime::UNIX_EPOCH }
    }

    pub(in crate::admin) fn sample(page: Page) -> PackagePage {
        let (stored, mut problems) = (stored(), Problems::default());
        problems.note("sites", "there is no site Beach");
        let fields = rule::fields(&stored.package, &sites());
        PackagePage { problem: NOT_SAVED.into(), ..stored.page(page, &sites(), &fields, &problems) }
    }

    #[test]
    fn a_package_is_shown_as_customers_see_it_and_as_it_was() {
        let page = sample(crate::admin::page::tests::page());
        let names: Vec<&str> = page.preview.iter().map(|seen| seen.card.name.as_str()).collect();
        assert_eq!(names, ["One hour", "Saa moja"]);
        assert_eq!(
            page.preview.iter().map(|seen| seen.card.action.as_str()).collect::<Vec<_>>(),
            ["Pay KSh 20.50", "Lipa KSh 20.50"]
        );
        let rows: Vec<(u32, &str, &str)> =
            page.versions.iter().map(|row| (row.number, row.by.as_str(), row.changed.as_str())).collect();
        assert_eq!(rows, [(2, "owner@example.org", "price"), (1, "not known", "")]);
    }
}
