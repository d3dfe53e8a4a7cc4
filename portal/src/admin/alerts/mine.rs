//! `/admin/alerts/mine`: from which severity on oneself is told of alerts, and by which phone. E-mails go to the address with which one
//! signs in.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::alert::Severity;
use shared::phone::Phone;
use shared::staff::Role;
use store::alert::rules::{self, Wish};

use super::{Asked, LIST};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, Form, FormPage, Problems};
use crate::admin::page::{Page, Tab, answer};
use crate::session::Staff;
use crate::session::csrf::Posted;

/// Where the form is.
const HERE: &str = "/admin/alerts/mine";

/// `GET /admin/alerts/mine`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let (wish, phone) = rules::wish(&app.db, staff.admin.id).await?;
    let sent = Fields::default()
        .with("severity", word(wish))
        .with("phone", phone.map(|phone| phone.to_string()).unwrap_or_default());
    let page = Page::new(&app, &staff, Tab::Alerts);
    let mut page = form_page(page, staff.admin.role, app.sms.is_some(), &sent, &Problems::default());
    if asked.done == "saved" {
        page.lines.insert(0, "It is saved.".into());
    }
    answer(StatusCode::OK, &page)
}

/// `POST /admin/alerts/mine`.
pub(in crate::admin) async fn save(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let wish = problems.keep("severity", read(sent.text("severity")));
    let phone = problems.optional(sent, "phone", str::parse::<Phone>);
    if let (Some(wish), true) = (wish, problems.is_empty()) {
        rules::set_wish(&app.db, staff.admin.id, wish, phone.as_ref()).await?;
        audit(&app, staff, "alert.mine", word(wish)).await?;
        return Ok(Redirect::to(&format!("{HERE}?done=saved")).into_response());
    }
    let page = Page::new(&app, staff, Tab::Alerts);
    let page = form_page(page, staff.admin.role, app.sms.is_some(), sent, &problems);
    answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn word(wish: Wish) -> &'static str {
    match wish {
        Wish::Unsaid => "",
        Wish::Nothing => "none",
        Wish::From(severity) => severity.as_str(),
    }
}

fn read(word: &str) -> Result<Wish, &'static str> {
    match word {
        "" => Ok(Wish::Unsaid),
        "none" => Ok(Wish::Nothing),
        other => Severity::parse(other).map(Wish::From).ok_or("choose one of these"),
    }
}

fn form_page(page: Page, role: Role, has_sms: bool, sent: &Fields, problems: &Problems) -> FormPage {
    let filled = Filled { sent, problems };
    let unsaid = match role {
        Role::Owner => "As usual for an owner: what is critical",
        _ => "As usual: nothing",
    };
    let options = [
        ("", unsaid),
        ("critical", "What is critical"),
        ("warning", "Warnings too"),
        ("info", "Everything"),
        ("none", "Nothing"),
    ]
    .map(|(value, label)| (value.to_owned(), label.to_owned()));
    let hint = match has_sms {
        true => "For text messages. Without one you are told by e-mail.",
        false => "No provider of SMS is configured, so you are told by e-mail.",
    };
    let form = Form::new("mine", HERE, "Save")
        .field(filled.choice("severity", "Of what I am told", &options))
        .field(filled.phone("phone", "My phone").hint(hint));
    let lines = vec![
        format!("E-mails go to {}. You are told only of what your role may see.", page.email),
        "Owners are told of what nobody minds in time, whatever they choose here.".to_owned(),
    ];
    FormPage { lines, ..FormPage::new(page, "What I am told", (LIST, "Alerts"), form) }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;

    pub(in crate::admin) fn sample(page: Page) -> FormPage {
        let sent = Fields::default().with("severity", "warning").with("phone", "0712");
        let mut problems = Problems::default();
        problems.note("phone", "please check the phone number");
        form_page(page, Role::Owner, true, &sent, &problems)
    }

    #[test]
    fn wishes_are_read_as_they_are_shown() {
        for wish in [Wish::Unsaid, Wish::Nothing, Wish::From(Severity::Info), Wish::From(Severity::Critical)] {
            assert_eq!(read(word(wish)), Ok(wish));
        }
        assert!(read("loudly").is_err());
    }
}
