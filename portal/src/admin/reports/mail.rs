//! Reports that come by e-mail, to whoever has asked for one on its page and may still see it when it is made.
//!
//! ```text
//!  the page's form ──► report_mails ──► Mails are due at seven, by East Africa's clock: every day, on Monday, on the first
//!                                          └─► the reader as they are now ─► the report anew ─► figures as text, all of it as PDF
//! ```
//!
//! A time that stood in the address is left out: what comes every day is of the day before, every week of the week before, every month of the
//! month before. Who was suspended, lost the permission or the site, or has still to make a second factor gets none, and reads why once they may
//! look again. Everybody ends what is theirs on the page of all reports.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::email::EmailAddress;
use shared::rng;
use shared::staff::Permission;
use shared::time::{OffsetDateTime, Zone};
use store::StoreError;
use store::admin::Audit;
use store::report::mails::{self, Every, Mail, Wish};
use time::{Date, Duration};
use url::form_urlencoded;
use uuid::Uuid;

use super::page::{LIST, Made, find, made};
use super::{Which, common};
use crate::App;
use crate::admin::audit::audit;
use crate::admin::form::{Field, Fields, Filled, Form, FormPage, Problems, told};
use crate::admin::page::{Page, Tab, answer};
use crate::admin::{Refusal, words};
use crate::notify::email::{Attached, Message};
use crate::notify::sms::Sent;
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};
use crate::urls;

/// The hour of the morning in which reports come, by East Africa's clock.
const HOUR: i64 = 7;
/// After so long it is tried again where the mail server was away.
const AGAIN: Duration = Duration::minutes(15);
/// What these messages are called in metrics.
const METRIC: &str = "report";

/// How often, in words: what the form offers, and what a list says.
fn offer(every: Every) -> (&'static str, &'static str) {
    match every {
        Every::Day => ("Every morning, of the day before", "every day"),
        Every::Week => ("On Mondays, of the week before", "every week"),
        Every::Month => ("On the first, of the month before", "every month"),
    }
}

/// The time that it is of, as it stands in addresses.
fn period(every: Every) -> &'static str {
    match every {
        Every::Day => "yesterday",
        Every::Week => "last_week",
        Every::Month => "last_month",
    }
}

/// When one is due that comes so often: the first seven o'clock after `now` on a day for it.
fn next(every: Every, now: OffsetDateTime) -> OffsetDateTime {
    let zone = Zone::default();
    let is_day = |day: Date| match every {
        Every::Day => true,
        Every::Week => day.weekday() == time::Weekday::Monday,
        Every::Month => day.day() == 1,
    };
    let today = zone.at(now).date();
    let days = (0..=31).map(|days| today.saturating_add(Duration::days(days)));
    let mut moments = days.filter(|day| is_day(*day)).map(|day| zone.midnight(day) + Duration::hours(HOUR));
    // Of 32 days one is the first of a month, and not both of them have passed.
    moments.find(|at| *at > now).unwrap_or(now + Duration::days(31))
}

/// The form of a report's page: its filters as they stand, but for the time.
pub(super) fn form(made: &Made) -> Form {
    let (sent, problems) = (Fields::default(), Problems::default());
    let filled = Filled { sent: &sent, problems: &problems };
    let options: Vec<(String, String)> =
        Every::ALL.map(|every| (every.as_str().to_owned(), offer(every).0.to_owned())).into();
    let query = made.asked.query_without(&common::TIME);
    Form::new("mail", format!("{}/mail", made.which.path()), "Send me this")
        .titled("By e-mail", "It comes to your own address, at seven in the morning, for as long as you may see it.")
        .field(Field::hidden("query", &query))
        .field(filled.choice("every", "How often", &options))
}

/// What an address says after something was done.
pub(super) fn done(sent: &Fields) -> &'static str {
    match sent.text("done") {
        "mail" => "It comes to you by e-mail from now on.",
        "stopped" => "That report comes no more.",
        _ => "",
    }
}

/// What somebody is sent, as the page of all reports lists it.
#[derive(Debug)]
pub(in crate::admin) struct Line {
    pub(super) id: Uuid,
    pub(super) address: String,
    pub(super) title: String,
    pub(super) every: &'static str,
    pub(super) next: String,
    pub(super) last: String,
    pub(super) problem: String,
}

/// What comes to them.
pub(super) async fn lines(app: &App, staff: &Staff) -> Result<Vec<Line>, StoreError> {
    let now = app.clock.now();
    Ok(mails::of(&app.db, staff.admin.id).await?.into_iter().map(|mail| line(mail, now)).collect())
}

fn line(mail: Mail, now: OffsetDateTime) -> Line {
    let which = Which::named(&mail.report);
    Line {
        id: mail.id,
        address: which.map_or_else(|| LIST.to_owned(), |which| address(which, &mail.query)),
        title: which.map_or(mail.report, |which| which.about().title.to_owned()),
        every: offer(mail.every).1,
        next: words::moment(mail.next_at, now),
        last: mail.last_at.map_or_else(|| "not yet".to_owned(), |at| words::moment(at, now)),
        problem: mail.problem,
    }
}

fn address(which: Which, query: &str) -> String {
    if query.is_empty() { which.path() } else { format!("{}?{query}", which.path()) }
}

/// `POST /admin/reports/use/{report}/mail`.
pub(in crate::admin) async fn ask_use(
    State(app): State<App>,
    Path(name): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    ask(&app, &posted, &name, Permission::See).await
}

/// `POST /admin/reports/money/{report}/mail`.
pub(in crate::admin) async fn ask_money(
    State(app): State<App>,
    Path(name): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    ask(&app, &posted, &name, Permission::SeeMoney).await
}

async fn ask(app: &App, posted: &Posted<Fields>, name: &str, needs: Permission) -> Result<Response, Refusal> {
    let which = find(name, needs)?;
    let staff = &posted.staff;
    if !which.leaves_with(staff) {
        return Err(Refusal::NotYours(Permission::SeePeople));
    }
    let every = Every::parse(posted.form.text("every")).ok_or(Refusal::NotFound)?;
    // What it would say, once: a filter that says nothing now would say nothing in a month.
    let trial = made(app, staff, which, fields(posted.form.text("query"))).await?;
    let query = trial.asked.query_without(&common::TIME);
    let noted = match (app.email.is_some(), trial.asked.is_fine()) {
        (false, _) => Err("E-mail is not set up here.".to_owned()),
        (_, false) => Err("Its filter cannot be read: ask for it again on its page.".to_owned()),
        _ => {
            let now = app.clock.now();
            let wish = Wish {
                admin: staff.admin.id,
                report: which.about().slug,
                query: &query,
                every,
                next_at: next(every, now),
            };
            told(mails::add(&app.db, &wish, now).await)?
        }
    };
    if let Err(problem) = noted {
        let back = which.path();
        let page = FormPage::new(
            Page::new(app, staff, Tab::Reports),
            which.about().title,
            (back.as_str(), which.about().title),
            form(&trial),
        );
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &FormPage { problem, ..page });
    }
    audit(app, staff, "report.mail", &format!("{} {}", every.as_str(), trial.asked.told(&which.path()))).await?;
    let back = trial.asked.address(&which.path(), &[("done", "mail".to_owned())]);
    Ok(Redirect::to(&back).into_response())
}

/// `POST /admin/reports/mails/{id}/stop`.
pub(in crate::admin) async fn stop(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let report = mails::stop(&app.db, posted.staff.admin.id, id).await?;
    audit(&app, &posted.staff, "report.mail_stop", &report).await?;
    Ok(Redirect::to(&format!("{LIST}?done=stopped")).into_response())
}

fn fields(query: &str) -> Fields {
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.fold(Fields::default(), |fields, (name, value)| fields.with(&name, value.into_owned()))
}

/// Sends one report that is due. Returns whether there may be more.
pub(crate) async fn send_due(app: &App) -> Result<bool, StoreError> {
    if app.email.is_none() {
        return Ok(false);
    }
    let now = app.clock.now();
    let Some(mail) = mails::claim(&app.db, now, |every| next(every, now)).await? else { return Ok(false) };
    match letter(app, &mail).await {
        Ok(Ok(letter)) => send(app, &mail, &letter, now).await?,
        Ok(Err(problem)) => mails::failed(&app.db, mail.id, problem, None).await?,
        Err(error) => {
            mails::failed(&app.db, mail.id, "it could not be made, and is tried again", Some(now + AGAIN)).await?;
            return Err(error);
        }
    }
    Ok(true)
}

/// A report, made and worded.
struct Letter {
    to: EmailAddress,
    subject: String,
    text: String,
    file: String,
    pdf: Vec<u8>,
}

/// The report as its reader may see it now; else why they get none.
async fn letter(app: &App, mail: &Mail) -> Result<Result<Letter, &'static str>, StoreError> {
    let Some(which) = Which::named(&mail.report) else { return Ok(Err("there is no such report any more")) };
    let Some(admin) = store::admin::by_id(&app.db, mail.admin).await? else { return Ok(Err("nobody is there")) };
    if admin.is_suspended {
        return Ok(Err("the account is suspended"));
    }
    let Ok(to) = admin.email.parse::<EmailAddress>() else { return Ok(Err("there is no e-mail address")) };
    let staff = Staff::absent(admin);
    if staff.lacks_second_factor() {
        return Ok(Err("a second factor is missing"));
    }
    if !which.leaves_with(&staff) {
        return Ok(Err("it may not be seen any more"));
    }
    let mut asked = fields(&mail.query);
    if which.about().heeds.period {
        asked = asked.with("period", period(mail.every));
    }
    let made = made(app, &staff, which, asked).await?;
    if !made.asked.is_fine() {
        return Ok(Err("its filter cannot be read any more"));
    }
    if which.has_people() {
        let object = made.asked.told(&which.path());
        let line = Audit { actor: &staff.admin.email, action: "report.mailed", object: &object, address: None };
        store::admin::audit(&app.db, &line, app.clock.now()).await?;
    }
    let brand = &app.config.portal.brand;
    let link = urls::whole(&app.config.portal.public_url, &made.asked.address(&which.path(), &[]));
    let end = urls::whole(&app.config.portal.public_url, LIST);
    Ok(Ok(Letter {
        to,
        subject: format!("{brand}: {}", which.about().title),
        text: text(&made, &link, &end),
        file: format!("{}.pdf", which.about().slug),
        pdf: made.paper(brand),
    }))
}

fn text(made: &Made, link: &str, end: &str) -> String {
    let mut text = format!("{}\n{}\n", made.which.about().question, made.said().join(". "));
    for figure in &made.answer.figures {
        let beside = if figure.beside.is_empty() { String::new() } else { format!(" ({})", figure.beside) };
        text.push_str(&format!("\n{}: {}{beside}", figure.label, figure.value));
    }
    for note in &made.answer.notes {
        text.push_str(&format!("\n\n{note}"));
    }
    format!("{text}\n\nAll of it is in the file, and here:\n{link}\n\nYou have asked for this. It ends here:\n{end}\n")
}

async fn send(app: &App, mail: &Mail, letter: &Letter, now: OffsetDateTime) -> Result<(), StoreError> {
    let Some(email) = &app.email else { return Ok(()) };
    let message =
        Message { id: rng::id(now), to: &letter.to, subject: &letter.subject, text: &letter.text, refuse: None };
    let file = Attached { name: &letter.file, media: "application/pdf", octets: &letter.pdf };
    let sent = email.send_with(&message, Some(&file), now).await;
    app.metrics.email.with_label_values(&[METRIC, sent.label()]).inc();
    match sent {
        Sent::Accepted { .. } => mails::sent(&app.db, mail.id, now).await,
        // Once more may be twice, and the next one comes.
        Sent::Unknown(why) => {
            tracing::warn!(report = %mail.report, %why, "it is not known whether a report was sent");
            mails::sent(&app.db, mail.id, now).await
        }
        Sent::Refused { permanent, code, text } => {
            tracing::warn!(report = %mail.report, permanent, %code, %text, "a report was not taken by the mail server");
            let again = (!permanent).then(|| now + AGAIN);
            mails::failed(&app.db, mail.id, &format!("the mail server said {code}: {text}"), again).await
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::time::rfc3339;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin::reports) fn line() -> Line {
        let mail = Mail {
            id: Uuid::nil(),
            admin: Uuid::nil(),
            report: HOSTILE.into(),
            query: "site=x&name=y".into(),
            every: Every::Week,
            next_at: OffsetDateTime::UNIX_EPOCH,
            last_at: None,
            problem: HOSTILE.into(),
        };
        super::line(mail, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn reports_come_at_seven_in_the_morning_and_never_at_once() {
        let at =
            |text: &str| OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a moment");
        // Seven in Nairobi is four in UTC. The 2nd of December 2026 is a Wednesday.
        for (now, every, expected) in [
            ("2026-12-02T03:00:00Z", Every::Day, "2026-12-02T04:00:00Z"),
            ("2026-12-02T04:00:00Z", Every::Day, "2026-12-03T04:00:00Z"),
            ("2026-12-02T22:00:00Z", Every::Day, "2026-12-03T04:00:00Z"),
            ("2026-12-02T03:00:00Z", Every::Week, "2026-12-07T04:00:00Z"),
            ("2026-12-07T04:00:00Z", Every::Week, "2026-12-14T04:00:00Z"),
            ("2026-12-01T04:00:00Z", Every::Month, "2027-01-01T04:00:00Z"),
            ("2026-12-01T03:59:59Z", Every::Month, "2026-12-01T04:00:00Z"),
        ] {
            assert_eq!(rfc3339(next(every, at(now))), expected, "{now} {every:?}");
        }
    }

    #[test]
    fn what_is_kept_of_a_filter_is_read_again_as_it_was() {
        let read = fields("site=a%26b&compare=none");
        assert_eq!((read.text("site"), read.text("compare"), read.text("period")), ("a&b", "none", ""));
        for every in Every::ALL {
            assert_eq!(Every::parse(every.as_str()), Some(every));
        }
        assert_eq!(line().address, LIST, "a report that is gone leads to those that are there");
    }
}
