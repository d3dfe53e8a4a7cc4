//! `/admin/staff`: who may come to the desk, as what, and where; and asking somebody to come. What is decided about one member of
//! staff is on a page of its own ([`member`]); the invited choose their password at [`invitation`].
//!
//! An invitation is a link that is good once, for a day. It is shown once, and sent by e-mail where that is set up.

pub(super) mod invitation;
pub(super) mod member;

use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::email::EmailAddress;
use shared::rng;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use store::admin::people::{self, Invitation, LinkHash, Member};
use uuid::Uuid;

use super::Refusal;
use super::audit::audit_with;
use super::form::{Fields, Filled, Form, Problems, told};
use super::page::{After, Page, Tab, answer, style};
use super::proof::Proved;
use super::words::{self, Said, Tone, said};
use crate::cli::values;
use crate::notify::email::Message;
use crate::session::Staff;
use crate::trace::carried;
use crate::{App, password, urls};

/// How long a link is good.
const LINK_GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Template)]
#[template(path = "admin/staff.html")]
pub(super) struct StaffPage {
    page: Page,
    style: String,
    members: Vec<Row>,
    form: Form,
    done: &'static str,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    email: String,
    role: &'static str,
    sites: String,
    state: Said,
    second_factor: Said,
    signed_in: String,
}

/// `GET /admin/staff`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let sent = Fields::default().with("role", Role::Support.as_str());
    let mut page = page(&app, &staff, &sent, &Problems::default()).await?;
    page.done = if after.done == "suspended" { "They cannot come to the desk any more." } else { "" };
    answer(StatusCode::OK, &page)
}

async fn page(app: &App, staff: &Staff, sent: &Fields, problems: &Problems) -> Result<StaffPage, Refusal> {
    let (members, now) = (people::list(&app.db).await?, app.clock.now());
    let sites = store::site::all(&app.db).await?;
    Ok(StaffPage {
        page: Page::new(app, staff, Tab::Staff),
        style: style(),
        members: members.iter().map(|member| row(member, now)).collect(),
        form: invite_form(&sites, Filled { sent, problems }),
        done: "",
    })
}

fn row(member: &Member, now: OffsetDateTime) -> Row {
    Row {
        id: member.id,
        email: member.email.clone(),
        role: member.role.label(),
        sites: site_names(member),
        state: state(member, now),
        second_factor: match (member.second_factor_since, member.role.must_have_second_factor()) {
            (Some(_), _) => said(Tone::Good, "on"),
            (None, true) => said(Tone::Bad, "not set up yet"),
            (None, false) => said(Tone::Plain, "off"),
        },
        signed_in: member.signed_in_at.map_or_else(|| "never".into(), |at| words::ago(at, now)),
    }
}

/// Where they are limited to, in words.
fn site_names(member: &Member) -> String {
    match &member.sites[..] {
        [] => "all".into(),
        some => some.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// Whether they can come, in words.
fn state(member: &Member, now: OffsetDateTime) -> Said {
    if member.suspended_at.is_some() {
        said(Tone::Bad, "suspended")
    } else if member.is_invited {
        match member.invite_until {
            Some(until) if until > now => said(Tone::Busy, "invited"),
            _ => said(Tone::Bad, "invited, and the link is too old"),
        }
    } else if member.locked_until.is_some_and(|until| until > now) {
        said(Tone::Bad, "rests after too many wrong passwords")
    } else {
        said(Tone::Good, "can sign in")
    }
}

/// Roles as they can be chosen.
fn roles() -> Vec<(String, String)> {
    Role::ALL.into_iter().map(|role| (role.as_str().to_owned(), role.label().to_owned())).collect()
}

/// The fields of what somebody is, and where.
fn with_access(form: Form, sites: &[(Uuid, String)], filled: Filled<'_>) -> Form {
    let form = form.field(filled.choice("role", "Role", &roles()).required());
    if sites.is_empty() && !filled.problems.has("site") {
        return form;
    }
    let options: Vec<(String, String)> = sites.iter().map(|(id, name)| (id.to_string(), name.clone())).collect();
    let hint = "Nothing ticked: all sites, those that are added later too. An owner is not limited.";
    form.field(filled.ticks("site", "At these sites only", &options).hint(hint))
}

/// Reads them. `None`: what is wrong stands in `problems`.
fn access(sent: &Fields, sites: &[(Uuid, String)], problems: &mut Problems) -> Option<(Role, Vec<Uuid>)> {
    let role = problems.keep("role", Role::parse(sent.text("role")).ok_or("choose a role"));
    let mut chosen = Vec::new();
    for ticked in sent.ticked("site") {
        match Uuid::try_parse(ticked).ok().filter(|id| sites.iter().any(|(known, _)| known == id)) {
            Some(id) => chosen.push(id),
            // A limit that is not understood must not become none.
            None => problems.note("site", "one of the sites is not there any more: choose again"),
        }
    }
    if role == Some(Role::Owner) && !chosen.is_empty() {
        problems.note("site", "an owner is not limited to sites: choose another role, or untick them");
    }
    role.filter(|_| problems.is_empty()).map(|role| (role, chosen))
}

fn invite_form(sites: &[(Uuid, String)], filled: Filled<'_>) -> Form {
    let hint = "They get a link with which they choose a password. It is good once, for a day.";
    let form = Form::new("invite", "/admin/staff", "Invite")
        .titled("Invite somebody", hint)
        .field(filled.text("email", "E-mail address").required());
    with_access(form, sites, filled)
}

/// `POST /admin/staff`: somebody is asked to come.
pub(super) async fn invite(State(app): State<App>, proved: Proved<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&proved.staff, &proved.form, app.clock.now());
    let sites = store::site::all(&app.db).await?;
    let mut problems = Problems::default();
    let email = problems.keep("email", values::email(sent.text("email")));
    let access = access(sent, &sites, &mut problems);
    let (Some(email), Some((role, sites))) = (email, access) else {
        return again(&app, staff, StatusCode::UNPROCESSABLE_ENTITY, sent, &problems).await;
    };
    let link = Link::new(&app, now);
    let unknown = password::hash(&rng::secret()).await.map_err(Refusal::broken)?;
    let invitation =
        Invitation { email: &email, role, sites: &sites, password_hash: &unknown, link: link.hash, until: link.until };
    match told(people::invite(&app.db, &invitation, now).await)? {
        Ok(_) => {
            let detail = serde_json::json!({ "role": role.as_str(), "sites": sites });
            audit_with(&app, staff, "admin.invite", &email, &detail).await?;
            link.send(&app, &email, now);
            answer(StatusCode::OK, &invited(&app, staff, &email, &link))
        }
        Err(problem) => {
            problems.note("email", problem);
            again(&app, staff, StatusCode::CONFLICT, sent, &problems).await
        }
    }
}

async fn again(
    app: &App,
    staff: &Staff,
    status: StatusCode,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    answer(status, &page(app, staff, sent, problems).await?)
}

/// A one-time link with which a password is chosen. The store knows a keyed hash of its secret.
struct Link {
    address: String,
    hash: LinkHash,
    until: OffsetDateTime,
}

impl Link {
    fn new(app: &App, now: OffsetDateTime) -> Link {
        let secret = rng::secret();
        let address = urls::whole(&app.config.portal.public_url, &format!("/admin/invitation/{secret}"));
        Link { address, hash: link_hash(app, &secret), until: now + LINK_GOOD_FOR }
    }

    /// Sends it by e-mail, where that is set up. Nobody waits for it: the page shows the link as well.
    fn send(&self, app: &App, email: &str, now: OffsetDateTime) {
        let Ok(to) = email.parse::<EmailAddress>() else { return };
        let (subject, text) = letter(&app.config.portal.brand, &self.address);
        let app = app.clone();
        app.clone().background.spawn(carried(async move {
            let Some(mail) = &app.email else { return };
            let message = Message { id: rng::id(now), to: &to, subject: &subject, text: &text, refuse: None };
            let sent = mail.send(&message, now).await;
            app.metrics.email.with_label_values(&["staff", sent.label()]).inc();
            if !matches!(sent, crate::notify::sms::Sent::Accepted { .. }) {
                tracing::warn!(result = sent.label(), "an invitation to the desk could not be sent");
            }
        }));
    }
}

/// Subject and text of the e-mail with a link.
fn letter(brand: &str, address: &str) -> (String, String) {
    let text = format!(
        "Somebody who manages {brand} asks you to its desk. Choose a password here, within a day:\n\n{address}\n\n\
         The link is good once. If you do not know what this is about, leave it."
    );
    (format!("Your way to the desk of {brand}"), text)
}

fn link_hash(app: &App, secret: &str) -> LinkHash {
    app.db.seal().lookup(format!("admin-invitation:{secret}").as_bytes())
}

#[derive(Debug, Template)]
#[template(path = "admin/staff_link.html")]
pub(super) struct Invited {
    page: Page,
    style: String,
    email: String,
    link: String,
    /// Whether it goes by e-mail as well.
    is_sent: bool,
}

fn invited(app: &App, staff: &Staff, email: &str, link: &Link) -> Invited {
    Invited {
        page: Page::new(app, staff, Tab::Staff),
        style: style(),
        email: email.to_owned(),
        link: link.address.clone(),
        is_sent: app.email.is_some() && email.parse::<EmailAddress>().is_ok(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(super) fn a_member() -> Member {
        Member {
            id: Uuid::from_u128(7),
            email: HOSTILE.into(),
            role: Role::Manager,
            sites: vec![(Uuid::from_u128(8), HOSTILE.into())],
            is_invited: false,
            invite_until: None,
            suspended_at: None,
            locked_until: None,
            second_factor_since: None,
            signed_in_at: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> StaffPage {
        let now = OffsetDateTime::UNIX_EPOCH;
        let (sent, mut problems) = (Fields::default().with("email", HOSTILE), Problems::default());
        problems.note("email", HOSTILE);
        StaffPage {
            page,
            style: style(),
            members: vec![row(&a_member(), now)],
            form: invite_form(&[(Uuid::from_u128(8), HOSTILE.into())], Filled { sent: &sent, problems: &problems }),
            done: "They cannot come to the desk any more.",
        }
    }

    pub(in crate::admin) fn link(page: Page) -> Invited {
        Invited { page, style: style(), email: HOSTILE.into(), link: HOSTILE.into(), is_sent: true }
    }

    #[test]
    fn who_cannot_come_stands_out() {
        let (now, at) = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60));
        let text = |member: Member| state(&member, now).text;
        assert_eq!(text(a_member()), "can sign in");
        assert_eq!(text(Member { locked_until: Some(at), ..a_member() }), "rests after too many wrong passwords");
        assert_eq!(text(Member { locked_until: Some(now), ..a_member() }), "can sign in");
        assert_eq!(text(Member { is_invited: true, invite_until: Some(at), ..a_member() }), "invited");
        assert_eq!(text(Member { is_invited: true, ..a_member() }), "invited, and the link is too old");
        assert_eq!(text(Member { is_invited: true, suspended_at: Some(now), ..a_member() }), "suspended");
    }

    #[test]
    fn a_limit_is_read_whole_or_not_at_all() {
        let sites = [(Uuid::from_u128(8), "Market".to_owned())];
        let read = |sent: Fields| {
            let mut problems = Problems::default();
            (access(&sent, &sites, &mut problems), problems.has("site"))
        };
        let sent = |role: &str| Fields::default().with("role", role);
        let here = Uuid::from_u128(8).to_string();
        assert_eq!(read(sent("support")), (Some((Role::Support, vec![])), false));
        assert_eq!(
            read(sent("support").with_tick("site", &here)),
            (Some((Role::Support, vec![Uuid::from_u128(8)])), false)
        );
        assert_eq!(read(sent("support").with_tick("site", "elsewhere")), (None, true));
        assert_eq!(read(sent("owner").with_tick("site", &here)), (None, true));
        assert_eq!(read(sent("root")), (None, false));
    }

    #[test]
    fn the_letter_has_the_link_on_a_line_of_its_own() {
        let (subject, text) = letter("Kahawa", "https://wifi.example/admin/invitation/x");
        assert!(subject.contains("Kahawa"));
        assert!(text.lines().any(|line| line == "https://wifi.example/admin/invitation/x"), "{text}");
    }
}
