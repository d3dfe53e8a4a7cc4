//! `/admin/staff/{id}`: one member of staff, what they may do, and where they are signed in. What takes something from them is asked
//! twice; all of it is asked of whoever has proved lately to be who they are.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::json;
use shared::time::OffsetDateTime;
use store::admin::people::{self, Member};
use uuid::Uuid;

use super::{Link, access, invited, site_names, state, with_access};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::{audit, audit_with};
use crate::admin::form::{Fields, Filled, Form, Problems, Question, told};
use crate::admin::me::{SessionRow, sessions};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::proof::Proved;
use crate::admin::words::{self, Said};
use crate::session::csrf::Nothing;
use crate::session::{self, Staff};

#[derive(Debug, Template)]
#[template(path = "admin/staff_member.html")]
pub(in crate::admin) struct MemberPage {
    page: Page,
    style: String,
    id: Uuid,
    email: String,
    state: Said,
    facts: Vec<(&'static str, String)>,
    sessions_at: String,
    sessions: Vec<SessionRow>,
    forms: Vec<Form>,
    done: &'static str,
    problem: String,
}

/// `GET /admin/staff/{id}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let member = people::get(&app.db, id).await?;
    let mut page = page(&app, &staff, &member, &access_of(&member), &Problems::default()).await?;
    page.done = match after.done.as_str() {
        "access" => "It holds from now on. They are signed out, and sign in again.",
        "restored" => "They can come to the desk again.",
        "unlocked" => "They can try again at once.",
        "reset" => "Codes are not asked for any more. Where they are compulsory, they are set up at the next sign-in.",
        "ended" => "They are signed out there.",
        _ => "",
    };
    answer(StatusCode::OK, &page)
}

/// What they are, as the form has it.
fn access_of(member: &Member) -> Fields {
    let fields = Fields::default().with("role", member.role.as_str());
    member.sites.iter().fold(fields, |fields, (id, _)| fields.with_tick("site", &id.to_string()))
}

async fn page(
    app: &App,
    staff: &Staff,
    member: &Member,
    sent: &Fields,
    problems: &Problems,
) -> Result<MemberPage, Refusal> {
    let (now, sites) = (app.clock.now(), store::site::all(&app.db).await?);
    let admin = store::admin::by_id(&app.db, member.id).await?.ok_or(Refusal::NotFound)?;
    let shown = session::list(app, &admin, staff).await?;
    Ok(MemberPage {
        page: Page::new(app, staff, Tab::Staff),
        style: style(),
        id: member.id,
        email: member.email.clone(),
        state: state(member, now),
        facts: facts(member, now),
        sessions_at: format!("/admin/staff/{}/sessions", member.id),
        sessions: sessions(&shown, now),
        forms: forms(member, &sites, Filled { sent, problems }, now),
        done: "",
        problem: String::new(),
    })
}

/// The page once more, with why nothing was done.
async fn refused(app: &App, staff: &Staff, member: &Member, problem: String) -> Result<Response, Refusal> {
    let page = page(app, staff, member, &access_of(member), &Problems::default()).await?;
    answer(StatusCode::CONFLICT, &MemberPage { problem, ..page })
}

fn facts(member: &Member, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let moment = |at: Option<OffsetDateTime>| at.map(|at| words::moment(at, now)).unwrap_or_default();
    let mut facts = vec![
        ("Role", member.role.to_string()),
        ("Sites", site_names(member)),
        ("Second factor since", moment(member.second_factor_since)),
        ("Last signed in", moment(member.signed_in_at)),
        ("Suspended since", moment(member.suspended_at)),
        ("Rests until", moment(member.locked_until.filter(|until| *until > now))),
        ("Link good until", moment(member.invite_until)),
        ("Account made", moment(Some(member.created_at))),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// What can be decided about them now.
fn forms(member: &Member, sites: &[(Uuid, String)], filled: Filled<'_>, now: OffsetDateTime) -> Vec<Form> {
    let action = |what: &str| format!("{}/{what}", address(member.id));
    let change = Form::new("access", action("access"), "Save").titled("Role and sites", "");
    let mut forms = vec![with_access(change, sites, filled)];
    if member.suspended_at.is_some() {
        forms.push(Form::new("restore", action("restore"), "Let them come back").titled("Come back", ""));
        return forms;
    }
    if member.locked_until.is_some_and(|until| until > now) {
        let hint = "Their sign-in rests after too many wrong passwords or codes. Ask first whether that was them.";
        forms.push(Form::new("unlock", action("unlock"), "Let them try at once").titled("Unlock", hint));
    }
    let hint = "With which they choose a password: for who has lost the link, or forgotten the password. An earlier one is worth nothing then.";
    forms.push(Form::new("link", action("link"), "Make a new link").titled("New link", hint));
    if member.second_factor_since.is_some() {
        let hint = "For who has lost the phone and the recovery codes. Be sure that it is they who ask.";
        let form = Form::new("reset", action("reset-second-factor"), "Reset the second factor");
        forms.push(form.titled("Second factor", hint).danger());
    }
    let hint = "They are signed out, and cannot sign in. What they did stays in the audit log.";
    forms.push(Form::new("suspend", action("suspend"), "Suspend").titled("Suspend", hint).danger());
    forms
}

/// `POST /admin/staff/{id}/access`.
pub(in crate::admin) async fn set_access(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let (member, sites) = (people::get(&app.db, id).await?, store::site::all(&app.db).await?);
    let mut problems = Problems::default();
    let Some((role, chosen)) = access(sent, &sites, &mut problems) else {
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page(&app, staff, &member, sent, &problems).await?);
    };
    match told(people::set_access(&app.db, id, role, &chosen).await)? {
        Ok(()) => {
            let before: Vec<Uuid> = member.sites.iter().map(|(id, _)| *id).collect();
            let detail = json!({
                "before": { "role": member.role.as_str(), "sites": before },
                "after": { "role": role.as_str(), "sites": chosen },
            });
            audit_with(&app, staff, "admin.access", &member.email, &detail).await?;
            Ok(done(id, "access"))
        }
        Err(problem) => refused(&app, staff, &member, problem).await,
    }
}

/// `POST /admin/staff/{id}/link`.
pub(in crate::admin) async fn renew_link(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let (staff, now) = (&proved.staff, app.clock.now());
    let member = people::get(&app.db, id).await?;
    let link = Link::new(&app, now);
    match told(people::renew_link(&app.db, id, &link.hash, link.until).await)? {
        Ok(()) => {
            audit(&app, staff, "admin.link", &member.email).await?;
            link.send(&app, &member.email, now);
            answer(StatusCode::OK, &invited(&app, staff, &member.email, &link))
        }
        Err(problem) => refused(&app, staff, &member, problem).await,
    }
}

/// `POST /admin/staff/{id}/suspend`.
pub(in crate::admin) async fn suspend(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let staff = &proved.staff;
    let member = people::get(&app.db, id).await?;
    if !proved.form.is_confirmed() {
        let line = format!("{} is signed out at once, and cannot sign in.", member.email);
        let question = Question::new("suspend", "Suspend them?", vec![line], "Yes, suspend").danger();
        return question.ask((&app, staff, Tab::Staff), &address(id), &proved.form);
    }
    match told(people::suspend(&app.db, id, app.clock.now()).await)? {
        Ok(()) => {
            audit(&app, staff, "admin.suspend", &member.email).await?;
            Ok(Redirect::to("/admin/staff?done=suspended").into_response())
        }
        Err(problem) => refused(&app, staff, &member, problem).await,
    }
}

/// `POST /admin/staff/{id}/restore`.
pub(in crate::admin) async fn restore(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let member = people::get(&app.db, id).await?;
    people::restore(&app.db, id).await?;
    audit(&app, &proved.staff, "admin.restore", &member.email).await?;
    Ok(done(id, "restored"))
}

/// `POST /admin/staff/{id}/unlock`.
pub(in crate::admin) async fn unlock(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let member = people::get(&app.db, id).await?;
    people::unlock(&app.db, id).await?;
    audit(&app, &proved.staff, "admin.unlock", &member.email).await?;
    Ok(done(id, "unlocked"))
}

/// `POST /admin/staff/{id}/reset-second-factor`.
pub(in crate::admin) async fn reset_second_factor(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let staff = &proved.staff;
    let member = people::get(&app.db, id).await?;
    if !proved.form.is_confirmed() {
        let line =
            format!("Whoever knows the password of {} can then sign in and set up a phone of their own.", member.email);
        let question =
            Question::new("reset-second-factor", "Reset the second factor?", vec![line], "Yes, reset it").danger();
        return question.ask((&app, staff, Tab::Staff), &address(id), &proved.form);
    }
    store::admin::second_factor::reset(&app.db, id).await?;
    audit(&app, staff, "admin.second_factor_reset", &member.email).await?;
    Ok(done(id, "reset"))
}

/// `POST /admin/staff/{id}/sessions/{handle}/end`.
pub(in crate::admin) async fn end_session(
    State(app): State<App>,
    Path((id, handle)): Path<(Uuid, String)>,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let member = people::get(&app.db, id).await?;
    session::end(&app, id, &handle).await?;
    audit(&app, &proved.staff, "admin.session_end", &member.email).await?;
    Ok(done(id, "ended"))
}

/// `POST /admin/staff/{id}/sign-out`: everywhere.
pub(in crate::admin) async fn sign_out(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    proved: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let member = people::get(&app.db, id).await?;
    people::end_sessions(&app.db, id).await?;
    audit(&app, &proved.staff, "admin.sign_out", &member.email).await?;
    Ok(done(id, "ended"))
}

fn address(id: Uuid) -> String {
    format!("/admin/staff/{id}")
}

fn done(id: Uuid, what: &str) -> Response {
    Redirect::to(&format!("{}?done={what}", address(id))).into_response()
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::page::tests::HOSTILE;
    use crate::admin::staff::tests::a_member;

    fn forms_of(member: &Member) -> Vec<&'static str> {
        let (sent, problems) = (access_of(member), Problems::default());
        let forms = forms(member, &[], Filled { sent: &sent, problems: &problems }, OffsetDateTime::UNIX_EPOCH);
        forms.iter().map(|form| form.id).collect()
    }

    pub(in crate::admin) fn sample(page: Page) -> MemberPage {
        let (now, member) = (OffsetDateTime::UNIX_EPOCH, a_member());
        let (sent, problems) = (access_of(&member), Problems::default());
        let sites = [(Uuid::from_u128(8), HOSTILE.to_owned())];
        MemberPage {
            page,
            style: style(),
            id: member.id,
            email: HOSTILE.into(),
            state: state(&member, now),
            facts: facts(&member, now),
            sessions_at: "/admin/staff/7/sessions".into(),
            sessions: crate::admin::me::tests::rows(),
            forms: forms(&member, &sites, Filled { sent: &sent, problems: &problems }, now),
            done: "They are signed out there.",
            problem: HOSTILE.into(),
        }
    }

    #[test]
    fn only_what_can_be_decided_is_offered() {
        let at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60);
        assert_eq!(forms_of(&a_member()), ["access", "link", "suspend"]);
        let locked = Member { locked_until: Some(at), second_factor_since: Some(at), ..a_member() };
        assert_eq!(forms_of(&locked), ["access", "unlock", "link", "reset", "suspend"]);
        assert_eq!(forms_of(&Member { suspended_at: Some(at), ..locked }), ["access", "restore"]);
    }

    #[test]
    fn the_form_begins_with_what_they_are() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert!(html.contains("value=\"manager\" selected") && html.contains(" checked"), "{html}");
    }
}
