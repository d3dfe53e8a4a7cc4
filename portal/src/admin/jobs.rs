//! `/admin/jobs`: what is done to many, one after the other, with how far it has come. A job is made in two steps, of which the first says how
//! many it would be; it goes on after its page is closed, and can be ended before its end.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::bulk::{self, Job, Work};
use uuid::Uuid;

use super::Refusal;
use super::audit::audit;
use super::form::{Fields, Filled, Form, FormPage, Problems, confirmation};
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use crate::App;
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

const LIST: &str = "/admin/jobs";
/// Seconds after which the page is read again while a job is under way, and otherwise.
const REFRESH: (u32, u32) = (2, 30);
/// Characters of a reason at most.
const MAX_REASON: usize = 200;

#[derive(Debug, Template)]
#[template(path = "admin/jobs.html")]
pub(super) struct Jobs {
    page: Page,
    style: String,
    jobs: Vec<Row>,
    done: bool,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    words: String,
    state: Said,
    total: u64,
    /// The same, at least 1, as a bar needs it.
    most: u64,
    /// What is done and what could not be.
    done: u64,
    failed: u64,
    by: String,
    when: String,
    is_open: bool,
    /// Whether it goes on, and who looks at it may end it.
    can_be_ended: bool,
}

/// What the redirect after a change carries.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    done: Option<String>,
}

/// `GET /admin/jobs`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let (jobs, role) = (bulk::list(&app.db, staff.sites()).await?, staff.admin.role);
    let jobs: Vec<Row> = jobs.into_iter().map(|job| row(job, role, now)).collect();
    let refresh = if jobs.iter().any(|job| job.is_open) { REFRESH.0 } else { REFRESH.1 };
    let page = Page::new(&app, &staff, Tab::Sessions).refreshed(refresh);
    answer(StatusCode::OK, &Jobs { page, style: style(), jobs, done: after.done.is_some() })
}

fn row(job: Job, role: Role, now: OffsetDateTime) -> Row {
    let state = match job.state.as_str() {
        "waiting" => said(Tone::Busy, "waits"),
        "running" => said(Tone::Busy, "under way"),
        "done" if job.failed > 0 => said(Tone::Bad, "done, but not all could be"),
        "done" => said(Tone::Good, "done"),
        "cancelled" => said(Tone::Plain, "ended before its end"),
        _ => said(Tone::Plain, "unknown state"),
    };
    let total = job.total.max(job.done + job.failed);
    Row {
        id: job.id,
        words: job.words,
        state,
        total,
        most: total.max(1),
        done: job.done,
        failed: job.failed,
        by: job.created_by,
        when: words::moment(job.created_at, now),
        is_open: job.ended_at.is_none(),
        can_be_ended: job.ended_at.is_none() && role.may(needs(job.is_void)),
    }
}

/// What one must be allowed to do to end a job: what it takes to begin it.
fn needs(is_void: bool) -> Permission {
    if is_void { Permission::EditOffers } else { Permission::Support }
}

/// `GET /admin/jobs/disconnect`: whose sessions are to be ended?
pub(super) async fn ask_disconnect(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    disconnect_form(&app, &staff, &Fields::default(), &Problems::default()).await
}

/// `POST /admin/jobs/disconnect`: ends all sessions at a router, or at the routers of a site.
pub(super) async fn disconnect(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let places = places(&app, staff).await?;
    let Some(place) = places.iter().find(|place| place.value == sent.text("place")) else {
        let mut problems = Problems::default();
        problems.note("place", "choose one of these");
        return disconnect_form(&app, staff, sent, &problems).await;
    };
    let work = Work::Disconnect { routers: place.routers.clone(), before: now };
    let words = format!("Disconnect everybody at {}", place.label);
    begin(&app, &posted, &work, &words, "Disconnect them", "/admin/jobs/disconnect").await
}

/// A router, or a site with its routers.
struct Place {
    value: String,
    label: String,
    routers: Vec<Uuid>,
}

/// The places that somebody is not kept from: sites first.
async fn places(app: &App, staff: &Staff) -> Result<Vec<Place>, Refusal> {
    let sites = store::site::desk::list(&app.db, staff.sites()).await?;
    let routers = store::site::desk::routers(&app.db, staff.sites()).await?;
    let mut places = Vec::new();
    for site in sites.into_iter().filter(|site| site.routers > 0) {
        places.push(Place {
            value: format!("site:{}", site.id),
            label: format!("{} (site, {} routers)", site.name, site.routers),
            routers: store::site::desk::routers_of(&app.db, site.id).await?,
        });
    }
    places.extend(routers.into_iter().map(|(id, name)| Place {
        value: format!("router:{id}"),
        label: format!("{name} (router)"),
        routers: vec![id],
    }));
    Ok(places)
}

async fn disconnect_form(app: &App, staff: &Staff, sent: &Fields, problems: &Problems) -> Result<Response, Refusal> {
    let options = places(app, staff).await?.into_iter().map(|place| (place.value, place.label));
    let options: Vec<(String, String)> = std::iter::once((String::new(), "Choose".to_owned())).chain(options).collect();
    let field = Filled { sent, problems }.choice("place", "Where", &options).required();
    let form = Form::new("disconnect", "/admin/jobs/disconnect", "Go on").danger().field(field);
    let lines = vec![
        "All sessions that are open there now are ended, one after the other. Who has time left can log in again."
            .into(),
    ];
    ask(app, staff, "Disconnect many", lines, form, problems)
}

/// `GET /admin/jobs/void`: which vouchers are to be worth nothing?
pub(super) async fn ask_void(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    void_form(&app, &staff, &Fields::default(), &Problems::default())
}

/// `POST /admin/jobs/void`: makes the vouchers of a batch that nobody uses worth nothing.
pub(super) async fn void(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let number = problems.keep("batch", sent.text("batch").parse::<u32>().map_err(|_| "write the batch's number"));
    let reason = sent.text("reason");
    if reason.is_empty() || reason.chars().count() > MAX_REASON {
        problems.note("reason", format!("say why, in at most {MAX_REASON} characters"));
    }
    let batch = match number {
        Some(number) => bulk::batch(&app.db, number).await?,
        None => None,
    };
    if number.is_some() && batch.is_none() {
        problems.note("batch", "there is no such batch");
    }
    let (Some(number), Some(batch), true) = (number, batch, problems.is_empty()) else {
        return void_form(&app, staff, sent, &problems);
    };
    let work = Work::Void { batch, reason: reason.to_owned() };
    let words = format!("Make the unused vouchers of batch {number} worth nothing ({reason})");
    begin(&app, &posted, &work, &words, "Make them worth nothing", "/admin/jobs/void").await
}

fn void_form(app: &App, staff: &Staff, sent: &Fields, problems: &Problems) -> Result<Response, Refusal> {
    let filled = Filled { sent, problems };
    let form = Form::new("void", "/admin/jobs/void", "Go on")
        .danger()
        .field(filled.number("batch", "Number of the batch").required())
        .field(filled.text("reason", "Why").required());
    let lines = vec!["Vouchers that somebody uses stay as they are. This cannot be taken back.".into()];
    ask(app, staff, "Void vouchers", lines, form, problems)
}

fn ask(
    app: &App,
    staff: &Staff,
    title: &str,
    lines: Vec<String>,
    form: Form,
    problems: &Problems,
) -> Result<Response, Refusal> {
    let page = FormPage { lines, ..FormPage::new(Page::new(app, staff, Tab::Sessions), title, (LIST, "Jobs"), form) };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, &page)
}

/// Asks once more, with how many it would be; then makes the job.
async fn begin(
    app: &App,
    posted: &Posted<Fields>,
    work: &Work,
    words: &str,
    button: &str,
    action: &str,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    if !sent.is_confirmed() {
        let count = bulk::count(&app.db, work).await?;
        let form = Form::new("sure", action, format!("Yes. {button}")).danger();
        let lines = vec![format!("{words}: {count} now.")];
        let page = Page::new(app, staff, Tab::Sessions);
        let back = (LIST, "Back, and change nothing");
        return answer(StatusCode::OK, &confirmation(page, "Are you sure?", back, lines, form, sent));
    }
    let now = app.clock.now();
    bulk::begin(&app.db, shared::rng::id(now), work, words, &staff.admin.email, now).await?;
    audit(app, staff, "bulk.begin", words).await?;
    Ok(Redirect::to("/admin/jobs?done=1").into_response())
}

/// `POST /admin/jobs/{id}/cancel`.
pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    bulk::reaches(&app.db, staff.sites(), id).await?;
    let needs = needs(bulk::is_void(&app.db, id).await?);
    if !staff.may(needs) {
        return Err(Refusal::NotYours(needs));
    }
    if bulk::cancel(&app.db, id, &staff.admin.email, app.clock.now()).await? {
        audit(&app, staff, "bulk.cancel", &id.to_string()).await?;
    }
    Ok(Redirect::to(LIST).into_response())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn job(state: &str, failed: u64) -> Job {
        Job {
            id: Uuid::from_u128(7),
            is_void: false,
            words: HOSTILE.into(),
            total: 500,
            done: 200,
            failed,
            state: state.into(),
            created_by: HOSTILE.into(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            ended_at: matches!(state, "done" | "cancelled").then_some(OffsetDateTime::UNIX_EPOCH),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Jobs {
        let states = [("waiting", 0), ("running", 0), ("done", 0), ("done", 3), ("cancelled", 0)];
        let jobs = states.map(|(state, failed)| row(job(state, failed), page.role, OffsetDateTime::UNIX_EPOCH));
        Jobs { page, style: style(), jobs: jobs.into(), done: true }
    }

    #[test]
    fn what_could_not_be_done_stands_out_and_only_an_open_job_can_be_ended() {
        assert_eq!(row(job("done", 3), Role::Owner, OffsetDateTime::UNIX_EPOCH).state.tone, Tone::Bad);
        let void =
            |role| row(Job { is_void: true, ..job("running", 0) }, role, OffsetDateTime::UNIX_EPOCH).can_be_ended;
        assert!(void(Role::Manager) && !void(Role::Support));
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("/cancel\"").count(), 2, "{html}");
        assert_eq!(html.matches("<progress").count(), 5, "{html}");
    }
}
