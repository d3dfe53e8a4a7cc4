//! `/admin/sites`: the places where routers stand, with their position, their clock and how many sessions they can carry. Happy hours, prices of
//! the hour and ends by the calendar go by the clock of the place; open sessions follow when it is changed. The limit keeps nobody out: reports and
//! predictions measure against it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::staff::{Permission, SiteScope};
use shared::time::Zone;
use store::site::desk::{self, Site, Wish};
use uuid::Uuid;

use super::Refusal;
use super::audit::audit;
use super::form::{Field, Fields, Filled, Form, FormPage, Problems, number, told};
use super::page::{Page, Tab, answer, style};
use crate::App;
use crate::session::Staff;
use crate::session::csrf::Posted;

const LIST: &str = "/admin/sites";
/// Characters of a name at most.
const LONGEST_NAME: usize = 100;
/// Sessions that a site can carry at most.
const MOST_SESSIONS: u32 = 1_000_000;
const NO_DEGREES: &str = "write degrees such as -1.2921, latitude and longitude both";

#[derive(Debug, Template)]
#[template(path = "admin/sites.html")]
pub(super) struct Sites {
    page: Page,
    style: String,
    sites: Vec<Row>,
    can_edit: bool,
    done: bool,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    position: String,
    time_zone: String,
    routers: u64,
}

/// What the redirect after a change carries.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    done: Option<String>,
}

/// `GET /admin/sites`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let sites = desk::list(&app.db, staff.sites()).await?;
    let page = Sites {
        page: Page::new(&app, &staff, Tab::Routers),
        style: style(),
        sites: sites.into_iter().map(row).collect(),
        can_edit: can_edit(&staff),
        done: after.done.is_some(),
    };
    answer(StatusCode::OK, &page)
}

fn row(site: Site) -> Row {
    let position = site.position.map(|(latitude, longitude)| format!("{latitude:.4}, {longitude:.4}"));
    Row {
        id: site.id,
        name: site.name,
        position: position.unwrap_or_default(),
        time_zone: site.time_zone,
        routers: site.routers,
    }
}

/// Whoever is limited to some sites makes none, and moves none to another clock.
fn can_edit(staff: &Staff) -> bool {
    staff.may(Permission::EditRouters) && *staff.sites() == SiteScope::All
}

/// `GET /admin/sites/new`.
pub(super) async fn ask(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let sent = Fields::default().with("time_zone", "Africa/Nairobi");
    form(&app, &staff, None, &sent, &Problems::default()).await
}

/// `GET /admin/sites/{id}`.
pub(super) async fn show(State(app): State<App>, Path(id): Path<Uuid>, staff: Staff) -> Result<Response, Refusal> {
    let site = desk::get(&app.db, staff.sites(), id).await?;
    let mut sent = Fields::default().with("name", site.name).with("time_zone", site.time_zone);
    if let Some((latitude, longitude)) = site.position {
        sent = sent.with("latitude", latitude.to_string()).with("longitude", longitude.to_string());
    }
    if let Some(limit) = site.session_limit {
        sent = sent.with("session_limit", limit.to_string());
    }
    form(&app, &staff, Some(id), &sent, &Problems::default()).await
}

/// `POST /admin/sites`: a new one.
pub(super) async fn make(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    save(&app, &posted, None).await
}

/// `POST /admin/sites/{id}`.
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    save(&app, &posted, Some(id)).await
}

async fn save(app: &App, posted: &Posted<Fields>, id: Option<Uuid>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    if !can_edit(staff) {
        return Err(Refusal::NotYours(Permission::EditRouters));
    }
    let mut problems = Problems::default();
    let Some(wish) = read(sent, &mut problems) else { return form(app, staff, id, sent, &problems).await };
    let now = app.clock.now();
    let (saved, action) = match id {
        Some(id) => (desk::change(&app.db, id, &wish).await, "site.change"),
        None => (desk::add(&app.db, shared::rng::id(now), &wish, now).await, "site.add"),
    };
    match told(saved)? {
        Ok(()) => {
            audit(app, staff, action, &wish.name).await?;
            Ok(Redirect::to("/admin/sites?done=1").into_response())
        }
        Err(problem) => {
            problems.note("name", problem);
            form(app, staff, id, sent, &problems).await
        }
    }
}

fn read(sent: &Fields, problems: &mut Problems) -> Option<Wish> {
    let name = sent.text("name");
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        problems.note("name", format!("write a name of at most {LONGEST_NAME} characters"));
    }
    let time_zone = sent.text("time_zone");
    if Zone::named(time_zone).is_none() {
        problems.note("time_zone", "choose one of these");
    }
    let latitude = problems.optional(sent, "latitude", |text| degrees(text, 90.0));
    let longitude = problems.optional(sent, "longitude", |text| degrees(text, 180.0));
    if sent.is_on("latitude") != sent.is_on("longitude") {
        problems.note("longitude", NO_DEGREES);
    }
    let session_limit = problems.optional(sent, "session_limit", |text| number(text, 1, MOST_SESSIONS));
    let wish = Wish {
        name: name.to_owned(),
        position: latitude.zip(longitude),
        time_zone: time_zone.to_owned(),
        session_limit,
    };
    problems.is_empty().then_some(wish)
}

fn degrees(text: &str, most: f64) -> Result<f64, &'static str> {
    let read = text.replace(',', ".").parse::<f64>().ok().filter(|degrees| degrees.abs() <= most);
    read.ok_or(NO_DEGREES)
}

async fn form(
    app: &App,
    staff: &Staff,
    id: Option<Uuid>,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    let clocks: Vec<(String, String)> =
        desk::clocks(&app.db).await?.into_iter().map(|name| (name.clone(), name)).collect();
    let (title, action) = match id {
        Some(id) => ("Change a site", format!("{LIST}/{id}")),
        None => ("New site", LIST.to_owned()),
    };
    let form = Form { fields: fields(&clocks, sent, problems), ..Form::new("site", action, "Save") };
    let page = FormPage::new(Page::new(app, staff, Tab::Routers), title, (LIST, "Sites"), form);
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, &page)
}

fn fields(clocks: &[(String, String)], sent: &Fields, problems: &Problems) -> Vec<Field> {
    let filled = Filled { sent, problems };
    vec![
        filled.text("name", "Name").required(),
        filled
            .choice("time_zone", "Clock", clocks)
            .hint("What is offered and what ends by the hour or the day goes by it.")
            .required(),
        filled.text("latitude", "Latitude").hint("In degrees, such as -1.2921. Not needed."),
        filled.text("longitude", "Longitude").hint("In degrees, such as 36.8219."),
        filled.number("session_limit", "Sessions that it can carry").hint(
            "At once, over its line and its access points. Nobody is kept out by it: the report on capacity measures against it. May stay empty.",
        ),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Sites {
        let site = Site {
            id: Uuid::from_u128(7),
            name: HOSTILE.into(),
            position: Some((-1.2921, 36.8219)),
            time_zone: "Africa/Nairobi".into(),
            session_limit: Some(120),
            routers: 3,
        };
        Sites { page, style: style(), sites: vec![row(site)], can_edit: true, done: true }
    }

    #[test]
    fn a_site_has_a_name_a_clock_and_both_degrees_or_none() {
        let sent = |pairs: &[(&str, &str)]| {
            pairs.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value))
        };
        let good = [("name", "Market"), ("time_zone", "Africa/Nairobi")];
        for (more, wrong) in [
            (&[][..], None),
            (&[("latitude", "-1,2921"), ("longitude", "36.8219")], None),
            (&[("latitude", "-1.2921")], Some("longitude")),
            (&[("latitude", "91"), ("longitude", "0")], Some("latitude")),
            (&[("longitude", "here"), ("latitude", "0")], Some("longitude")),
            (&[("time_zone", "Africa/Atlantis")], Some("time_zone")),
            (&[("name", "")], Some("name")),
            (&[("session_limit", "120")], None),
            (&[("session_limit", "0")], Some("session_limit")),
            (&[("session_limit", "many")], Some("session_limit")),
        ] {
            let mut problems = Problems::default();
            let read = read(&sent(&[&good[..], more].concat()), &mut problems);
            assert_eq!(read.is_none(), wrong.is_some(), "{more:?}");
            assert!(wrong.is_none_or(|field| problems.has(field)), "{more:?}");
        }
    }
}
