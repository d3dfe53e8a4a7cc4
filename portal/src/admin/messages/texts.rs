//! `/admin/messages/texts`: how each kind of news is worded, in English and Swahili, what it is sent as, and whether it is sent at all. A text
//! is tried before it is kept, so that a mistake is told to who makes it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::notice::Notice;
use shared::sms;
use store::notification;

use super::name;
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, Form, FormPage, Problems};
use crate::admin::page::{Page, Tab, answer, style};
use crate::notify::texts::{self, VARIABLES};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// Where the page is.
const TEXTS: &str = "/admin/messages/texts";
/// The languages: as the database spells them, and as people do.
const LOCALES: [(&str, &str); 2] = [("en", "English"), ("sw", "Swahili")];

#[derive(Debug, Template)]
#[template(path = "admin/message_texts.html")]
pub(in crate::admin) struct Texts {
    page: Page,
    style: String,
    kinds: Vec<Kind>,
}

/// A kind of news.
#[derive(Debug)]
struct Kind {
    key: &'static str,
    name: &'static str,
    is_off: bool,
    texts: Vec<Worded>,
}

/// A text, as it would be read and sent.
#[derive(Debug)]
struct Worded {
    locale: &'static str,
    language: &'static str,
    is_own: bool,
    sample: String,
    sent_as: String,
}

/// `GET /admin/messages/texts`.
pub(in crate::admin) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let off = notification::off(&app.db).await?;
    let mut kinds = Vec::new();
    for notice in Notice::ALL {
        let mut worded = Vec::new();
        for (locale, language) in LOCALES {
            let own = notification::template(&app.db, notice, locale).await?;
            worded.push(word(notice, locale, language, own.as_deref()));
        }
        let is_off = off.iter().any(|name| name == notice.as_str());
        kinds.push(Kind { key: notice.as_str(), name: name(notice), is_off, texts: worded });
    }
    let page = Page::new(&app, &staff, Tab::Messages);
    answer(StatusCode::OK, &Texts { page, style: style(), kinds })
}

fn word(notice: Notice, locale: &'static str, language: &'static str, own: Option<&str>) -> Worded {
    let text = own.unwrap_or_else(|| texts::built_in(notice, locale));
    let (sample, sent_as) = match texts::check(text) {
        Ok((sample, length)) => (sample, in_words(length)),
        Err(problem) => (problem.to_string(), "It cannot be sent.".to_owned()),
    };
    Worded { locale, language, is_own: own.is_some(), sample, sent_as }
}

/// How long a text is, and what that costs.
pub(in crate::admin) fn in_words(length: sms::Length) -> String {
    let (letters, messages) = (length.units, length.segments);
    let encoding = match length.encoding {
        sms::Encoding::Gsm7 => "GSM-7",
        sms::Encoding::Ucs2 => "UCS-2: one letter that GSM-7 has not makes all of it longer",
    };
    format!("{letters} letters ({encoding}), sent as {messages} message{}", if messages == 1 { "" } else { "s" })
}

/// `GET /admin/messages/texts/{name}/{locale}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path((key, locale)): Path<(String, String)>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let (notice, locale) = which(&key, &locale)?;
    let own = notification::template(&app.db, notice, locale).await?;
    let text = own.as_deref().unwrap_or_else(|| texts::built_in(notice, locale));
    let (page, problems) = (Page::new(&app, &staff, Tab::Messages), Problems::default());
    let sent = Fields::default().with("text", text);
    answer(StatusCode::OK, &form_page(page, notice, locale, &sent, &problems, own.is_some()))
}

/// The kind and the language in an address.
fn which(key: &str, locale: &str) -> Result<(Notice, &'static str), Refusal> {
    let locale = LOCALES.iter().map(|(known, _)| *known).find(|known| *known == locale);
    Notice::parse(key).zip(locale).ok_or(Refusal::NotFound)
}

/// `POST /admin/messages/texts/{name}/{locale}`: the text is tried, and kept unless it was only to be tried.
pub(in crate::admin) async fn save(
    State(app): State<App>,
    Path((key, locale)): Path<(String, String)>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let (notice, locale) = which(&key, &locale)?;
    let mut problems = Problems::default();
    let checked = problems.keep("text", texts::check(sent.text("text")));
    if checked.is_none() || sent.is_on("try") {
        let status = if checked.is_none() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let is_own = notification::template(&app.db, notice, locale).await?.is_some();
        let page = Page::new(&app, staff, Tab::Messages);
        return answer(status, &form_page(page, notice, locale, sent, &problems, is_own));
    }
    let (by, now) = (&staff.admin.email, app.clock.now());
    notification::set_template(&app.db, notice, locale, Some(sent.text("text")), by, now).await?;
    audit(&app, staff, "message.set", &format!("{} {locale}", notice.as_str())).await?;
    Ok(Redirect::to(TEXTS).into_response())
}

/// `POST /admin/messages/texts/{name}/{locale}/reset`: our own words again.
pub(in crate::admin) async fn reset(
    State(app): State<App>,
    Path((key, locale)): Path<(String, String)>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let (notice, locale) = which(&key, &locale)?;
    let (by, now) = (&posted.staff.admin.email, app.clock.now());
    notification::set_template(&app.db, notice, locale, None, by, now).await?;
    audit(&app, &posted.staff, "message.reset", &format!("{} {locale}", notice.as_str())).await?;
    Ok(Redirect::to(TEXTS).into_response())
}

/// `POST /admin/messages/texts/{name}/off`: it is sent no more.
pub(in crate::admin) async fn off(
    State(app): State<App>,
    Path(key): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    switch(&app, &posted.staff, &key, true).await
}

/// `POST /admin/messages/texts/{name}/on`: it is sent again.
pub(in crate::admin) async fn on(
    State(app): State<App>,
    Path(key): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    switch(&app, &posted.staff, &key, false).await
}

async fn switch(app: &App, staff: &Staff, key: &str, is_off: bool) -> Result<Response, Refusal> {
    let notice = Notice::parse(key).ok_or(Refusal::NotFound)?;
    notification::set_off(&app.db, notice, is_off, &staff.admin.email, app.clock.now()).await?;
    audit(app, staff, if is_off { "message.off" } else { "message.on" }, notice.as_str()).await?;
    Ok(Redirect::to(TEXTS).into_response())
}

fn form_page(page: Page, notice: Notice, locale: &str, sent: &Fields, problems: &Problems, is_own: bool) -> FormPage {
    let language = LOCALES.iter().find(|(known, _)| *known == locale).map_or(locale, |(_, language)| *language);
    let address = format!("{TEXTS}/{}/{locale}", notice.as_str());
    let names = VARIABLES.map(|(name, _)| name).join(", ");
    let filled = Filled { sent, problems };
    let hint = format!("It may name {names}, each between two braces as in the text above.");
    let form = Form::new("text", address.as_str(), "Save")
        .field(filled.long("text", "Text").hint(hint).required())
        .field(filled.tick("try", "First", "only try it: show what a customer would read, and keep nothing"));
    let title = format!("Text: {}, {language}", name(notice));
    let mut page = FormPage::new(page, title, (TEXTS, "Texts"), form);
    if is_own {
        let reset = Form::new("reset", format!("{address}/reset"), "Take our words again");
        page.forms.push(reset.titled("Our own words", "Your text is forgotten.").danger());
    }
    page.lines = match texts::check(sent.text("text")) {
        Ok((sample, length)) => vec![format!("A customer would read: {sample}"), format!("{}.", in_words(length))],
        Err(_) => Vec::new(),
    };
    page
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Texts {
        let kind = |notice, is_off, own| {
            let texts = LOCALES.map(|(locale, language)| word(notice, locale, language, own)).into();
            Kind { key: Notice::Ended.as_str(), name: name(notice), is_off, texts }
        };
        let kinds = vec![kind(Notice::Ended, true, None), kind(Notice::Trouble, false, Some(HOSTILE))];
        Texts { page, style: style(), kinds }
    }

    pub(in crate::admin) fn form(page: Page) -> FormPage {
        let sent = Fields::default().with("text", HOSTILE);
        form_page(page, Notice::Ended, "sw", &sent, &Problems::default(), true)
    }

    #[test]
    fn a_text_says_what_it_is_sent_as() {
        let cheap = word(Notice::Ended, "en", "English", Some("Habari"));
        assert_eq!((cheap.sent_as.as_str(), cheap.is_own), ("6 letters (GSM-7), sent as 1 message", true));
        let dear = word(Notice::Ended, "en", "English", Some("ç"));
        assert!(dear.sent_as.contains("UCS-2"), "{}", dear.sent_as);
        assert_eq!(word(Notice::Ended, "en", "English", Some("{{ brnd }}")).sent_as, "It cannot be sent.");
    }

    #[test]
    fn only_kinds_and_languages_that_there_are_have_a_page() {
        assert_eq!(which("ended", "sw"), Ok((Notice::Ended, "sw")));
        for (key, locale) in [("ended", "fr"), ("weather", "en"), ("", "")] {
            assert_eq!(which(key, locale), Err(Refusal::NotFound));
        }
    }
}
