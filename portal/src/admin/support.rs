//! `/admin/support`: why is this customer not online? Whatever a customer can read out or send is pasted into one field; the answer is
//! what is the matter, what can be done about it, and what happened, in one order.
//!
//! [`subject`] says whose story it is, [`cause`] what is the matter, [`mod@tell`] what happened, and [`fixes`] does what helps. What was pasted is
//! sent by a form and stands in no address. Lines about money are for who may see money, whole numbers for who may see people; whoever is
//! limited to some sites is told, and helps, there alone.
//!
//! Refused here: codes of vouchers, passwords, and what providers sent word for word.

mod cause;
pub(super) mod fixes;
mod subject;
mod tell;

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::staff::{Permission, Role};
use shared::time::{OffsetDateTime, rfc3339};
use store::StoreError;
use store::timeline::{self, Story, Subject, guesses};

use self::cause::facts::Facts;
use self::cause::{Finding, Fix, goes_back_on_its_page};
use self::fixes::{Offers, form_of};
use self::subject::{About, label, looked_for};
use self::tell::{Topic, clock, tell};
use super::Refusal;
use super::discounts::rule::moment;
use super::form::{Fields, Filled, Form, Problems};
use super::page::{Page, Tab, answer, style};
use super::payment;
use super::words;
use crate::App;
use crate::session::Staff;
use crate::session::csrf::Posted;

/// Devices at the portal are offered for a move if they were there so lately.
const STRANGERS_WITHIN: Duration = Duration::from_secs(3600);
/// Most of them.
const STRANGERS: u32 = 6;

#[derive(Debug, Template)]
#[template(path = "admin/support.html")]
pub(super) struct Search {
    page: Page,
    style: String,
    forms: Vec<Form>,
    /// Addresses and names of what was found, where it is more than one thing.
    choices: Vec<(String, String)>,
    /// What was looked for and not found.
    looked: Vec<&'static str>,
}

#[derive(Debug, Template)]
#[template(path = "admin/support_story.html")]
pub(super) struct Told {
    page: Page,
    style: String,
    title: String,
    /// Addresses and names of other stories that hang together with this one.
    others: Vec<(String, String)>,
    done: &'static str,
    problem: String,
    findings: Vec<Shown>,
    forms: Vec<Form>,
    /// Address and label of each kind of line, and whether only that is shown.
    topics: Vec<(String, &'static str, bool)>,
    rows: Vec<Row>,
    /// Where what is older stands; empty: there is nothing older.
    older: String,
    /// Where the newest stands, if this is not it; empty: this is it.
    newest: String,
}

/// What is the matter, as it is shown.
#[derive(Debug)]
struct Shown {
    tone: &'static str,
    words: String,
    advice: &'static str,
    /// Address and words of what helps; empty: nothing can be pressed.
    helps: (String, &'static str),
}

#[derive(Debug)]
struct Row {
    moment: String,
    clock: String,
    ago: String,
    tone: &'static str,
    topic: &'static str,
    text: String,
    details: Vec<(&'static str, String)>,
}

/// A form of a story that was sent and did nothing.
#[derive(Debug)]
pub(super) struct Again {
    /// Which.
    form: &'static str,
    sent: Fields,
    problems: Problems,
    /// Why, in a sentence.
    problem: String,
    status: StatusCode,
}

/// What of a story is asked for.
#[derive(Default, Debug, Deserialize)]
pub(super) struct Part {
    /// What was done just now.
    #[serde(default)]
    done: String,
    /// Only lines of this kind.
    #[serde(default)]
    show: String,
    /// What was before this moment, in microseconds of the Unix epoch.
    before: Option<i64>,
}

/// `GET /admin/support`.
pub(super) async fn ask(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let page = search(Page::new(&app, &staff, Tab::Support), &Fields::default(), &Problems::default());
    answer(StatusCode::OK, &page)
}

fn search(page: Page, sent: &Fields, problems: &Problems) -> Search {
    let filled = Filled { sent, problems };
    let hint = "A phone number, an e-mail address, a receipt of M-Pesa or Stripe, an order’s code, a device’s MAC or IP address, a \
                voucher’s code or number, or a session.";
    let form = Form::new("search", "/admin/support", "Find out")
        .field(filled.text("q", "What the customer can tell you").hint(hint).required())
        .field(filled.moment("at", "When, for an IP address").hint("Empty: now, or within a day. East African time."));
    Search { page, style: style(), forms: vec![form], choices: Vec::new(), looked: Vec::new() }
}

/// `POST /admin/support`: looks up what was pasted.
pub(super) async fn look_up(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let mut problems = Problems::default();
    let at = problems.optional(sent, "at", moment);
    let guesses = guesses(sent.text("q"));
    if guesses.is_empty() {
        problems.note("q", "that has the shape of none of these: copy it once more");
    }
    let page = || Page::new(&app, staff, Tab::Support);
    if !problems.is_empty() {
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &search(page(), sent, &problems));
    }
    let mut found = Vec::new();
    for guess in &guesses {
        for one in timeline::find(&app.db, guess, at, now).await? {
            if !found.contains(&one) && is_theirs(&app, staff, &one.subject, now).await? {
                found.push(one);
            }
        }
    }
    match found.as_slice() {
        [] => {
            let looked = guesses.iter().map(looked_for).collect();
            answer(StatusCode::NOT_FOUND, &Search { looked, ..search(page(), sent, &problems) })
        }
        [one] => Ok(Redirect::to(&About::of(one).path()).into_response()),
        several => {
            let role = staff.admin.role;
            let choices = several.iter().map(|one| (About::of(one).path(), label(&one.named, role, now))).collect();
            answer(StatusCode::OK, &Search { choices, ..search(page(), sent, &problems) })
        }
    }
}

/// Whether that story is of a site that they may see: of others it is not said that there is one.
async fn is_theirs(app: &App, staff: &Staff, subject: &Subject, now: OffsetDateTime) -> Result<bool, Refusal> {
    match timeline::reaches(&app.db, subject, staff.sites(), now).await {
        Ok(()) => Ok(true),
        Err(StoreError::Missing { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/support/{kind}/{name}`: a story.
pub(super) async fn show(
    State(app): State<App>,
    Path((kind, name)): Path<(String, String)>,
    staff: Staff,
    Query(part): Query<Part>,
) -> Result<Response, Refusal> {
    let about = About::read(&format!("{kind}/{name}")).ok_or(Refusal::NotFound)?;
    answer(StatusCode::OK, &page(&app, &staff, &about, &part, None).await?)
}

/// A story once more, after a form of it that did nothing.
async fn tell_again(app: &App, staff: &Staff, about: &About, again: Again) -> Result<Response, Refusal> {
    let page = page(app, staff, about, &Part::default(), Some(&again)).await?;
    answer(again.status, &page)
}

async fn page(app: &App, staff: &Staff, about: &About, part: &Part, again: Option<&Again>) -> Result<Told, Refusal> {
    let now = app.clock.now();
    let subject = about.subject(app).await?;
    let before =
        part.before.and_then(|micros| OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok());
    let story = timeline::story(&app.db, &subject, staff.sites(), before, now).await?;
    let strangers = match story.router.filter(|_| before.is_none()) {
        Some(nas) => store::visit::strangers(&app.db, nas, now - STRANGERS_WITHIN, STRANGERS, now).await?,
        None => Vec::new(),
    };
    let strangers: Vec<String> =
        strangers.iter().map(|one| format!("{} ({})", one.mac, words::ago(one.at, now))).collect();
    Ok(told(Page::new(app, staff, Tab::Support), about, &story, part, &strangers, again, now))
}

fn told(
    page: Page,
    about: &About,
    story: &Story,
    part: &Part,
    strangers: &[String],
    again: Option<&Again>,
    now: OffsetDateTime,
) -> Told {
    let (role, path) = (page.role, about.path());
    let (mut findings, mut forms, mut others) = (Vec::new(), Vec::new(), others(about, story, role));
    // Only the newest part says what is the matter now.
    if part.before.is_none() {
        let facts = Facts::of(&story.lines, now);
        let causes = cause::cause(&story.lines, now);
        let offers = Offers { facts: &facts, findings: &causes, about, role, strangers, again, now };
        forms = offers.forms();
        others.extend(to_give_back(&facts, role));
        findings = causes.iter().map(|finding| shown(finding, role, &forms)).collect();
    }
    let only = Topic::parse(&part.show);
    Told {
        style: style(),
        title: about.title(story, role),
        others,
        done: done(&part.done),
        problem: again.map(|again| again.problem.clone()).unwrap_or_default(),
        findings,
        forms,
        topics: topics(&path, only, role),
        rows: rows(story, only, role, now),
        older: story.older.map(|at| format!("{path}?before={}", at.unix_timestamp_nanos() / 1000)).unwrap_or_default(),
        newest: if part.before.is_some() { path } else { String::new() },
        page,
    }
}

/// Other stories: of the customers, and of the devices.
fn others(about: &About, story: &Story, role: Role) -> Vec<(String, String)> {
    let people = story.people.iter().map(|person| (About::customer(person.id), words::phone(role, &person.phone)));
    let devices = story.devices.iter().map(|mac| (About::device(*mac), mac.to_string()));
    people.chain(devices).filter(|(other, _)| other != about).map(|(other, label)| (other.path(), label)).collect()
}

/// Payments that can be given back on their own pages, for who decides about money: by M-Pesa, or by hand.
fn to_give_back(facts: &Facts<'_>, role: Role) -> Vec<(String, String)> {
    let payments =
        facts.payments.iter().filter(|payment| role.may(Permission::MoveMoney) && goes_back_on_its_page(payment));
    let link = |payment: &&timeline::Payment| {
        (payment::path(payment.id), format!("Give back {} of order {}", payment.amount, payment.order_code))
    };
    payments.map(link).collect()
}

fn topics(path: &str, only: Option<Topic>, role: Role) -> Vec<(String, &'static str, bool)> {
    let all = (path.to_owned(), "All", only.is_none());
    let each = Topic::ALL.into_iter().filter(|topic| topic.is_for(role));
    let each = each.map(|topic| (format!("{path}?show={}", topic.as_str()), topic.label(), only == Some(topic)));
    std::iter::once(all).chain(each).collect()
}

fn rows(story: &Story, only: Option<Topic>, role: Role, now: OffsetDateTime) -> Vec<Row> {
    let row = |line: &timeline::Line| {
        let said = tell(line, role);
        (said.topic.is_for(role) && only.is_none_or(|only| only == said.topic)).then(|| Row {
            moment: rfc3339(line.at),
            clock: clock(&story.zone, line.at, now),
            ago: words::ago(line.at, now),
            tone: said.tone.class(),
            topic: said.topic.label(),
            text: said.text,
            details: said.details,
        })
    };
    story.lines.iter().filter_map(row).collect()
}

/// What is the matter, with where to press what helps, if the reader may.
fn shown(finding: &Finding, role: Role, forms: &[Form]) -> Shown {
    let helps = match &finding.fix {
        Some(Fix::Money(receipt)) if role.may(Permission::SeeMoney) => {
            (format!("/admin/money/{receipt}"), "Look at that money")
        }
        Some(Fix::Payment(payment)) if role.may(Permission::MoveMoney) => (payment::path(*payment), "Give it back"),
        Some(fix) => match form_of(fix).filter(|id| forms.iter().any(|form| form.id == *id)) {
            Some(id) => (format!("#do-{id}"), pressed(id)),
            None => (String::new(), ""),
        },
        None => (String::new(), ""),
    };
    Shown { tone: finding.tone.class(), words: finding.words.clone(), advice: finding.advice, helps }
}

fn pressed(form: &str) -> &'static str {
    match form {
        "grant" => "Give it again",
        "move" => "Move it to another device",
        "disconnect" => "Disconnect",
        "resend" => "Send it again",
        _ => "Give it back",
    }
}

fn done(word: &str) -> &'static str {
    match word {
        "grant" => "It was given again. Let the customer join the Wi-Fi and open any page.",
        "move" => "It was moved. Let the customer turn Wi-Fi off and on.",
        "disconnect" => "The router is being asked. The story shows what it answers.",
        "resend" => "The message is on its way.",
        "refund" => "The payment goes back. The story shows when the provider has taken it.",
        "before" => "That was done before; it was not done again.",
        _ => "",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money;
    use shared::time::Zone;
    use store::order::{OrderState, Wish};
    use store::timeline::{Access, Event, Line, Order, Person, Standing};
    use uuid::Uuid;

    use super::*;
    use crate::admin::page::tests::{HOSTILE, page_of};

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn story() -> Story {
        let order = Order {
            id: Uuid::from_u128(1),
            code: "AB2CD3EF".into(),
            phone: "0712345678".parse().ok(),
            package: HOSTILE.into(),
            amount: Money::kes(2_000),
            state: OrderState::Paid,
            reason: String::new(),
            wish: Wish::New,
            mac: None,
            nas: Some(HOSTILE.into()),
            nas_heard_at: Some(at(5000)),
            created_at: at(100),
            paid_at: Some(at(130)),
        };
        let access = Access {
            id: Uuid::from_u128(2),
            package: HOSTILE.into(),
            standing: Standing::Usable,
            order: Some(order.id),
            order_code: Some("AB2CD3EF".into()),
            voucher: None,
            is_again: false,
            has_hours: true,
            device_limit: 1,
            devices: vec![shared::mac::Mac([2, 0, 0, 0, 0, 1])],
            online: 0,
            created_at: at(130),
            starts_at: None,
            expires_at: None,
        };
        let line = |seconds, event| Line { at: at(seconds), event };
        Story {
            people: vec![Person {
                id: Uuid::from_u128(3),
                phone: "0712345678".parse().expect("a phone"),
                name: HOSTILE.into(),
            }],
            devices: access.devices.clone(),
            router: None,
            zone: Zone::default(),
            lines: vec![line(100, Event::Ordered(order)), line(130, Event::Granted(access))],
            older: Some(at(100)),
        }
    }

    fn about() -> About {
        About { kind: "customer".into(), name: "cus_1".into() }
    }

    pub(in crate::admin) fn sample(page: Page) -> Told {
        let part = Part { done: "move".into(), ..Part::default() };
        let mut problems = Problems::default();
        problems.note("to", HOSTILE);
        let again = Again {
            form: "move",
            sent: Fields::default().with("to", HOSTILE),
            problems,
            problem: HOSTILE.into(),
            status: StatusCode::CONFLICT,
        };
        told(page, &about(), &story(), &part, &[HOSTILE.into()], Some(&again), at(5000))
    }

    pub(in crate::admin) fn asked(page: Page) -> Search {
        let sent = Fields::default().with("q", HOSTILE);
        let choices = vec![("/admin/support/device/02:00:00:00:00:01".to_owned(), HOSTILE.to_owned())];
        Search { choices, looked: vec!["an order with that code"], ..search(page, &sent, &Problems::default()) }
    }

    #[test]
    fn the_form_that_helps_comes_first_and_the_answer_leads_to_it() {
        let page = told(page_of(Role::Support), &about(), &story(), &Part::default(), &[], None, at(5000));
        assert_eq!(page.forms.first().map(|form| form.id), Some("move"));
        assert!(page.findings.iter().any(|one| one.helps.0 == "#do-move"), "{:?}", page.findings);
        let html = page.render().expect("renders");
        assert!(html.contains("id=\"do-move\"") && html.contains("value=\"02:00:00:00:00:01\" selected"), "{html}");
        assert!(html.contains("customer/cus_1?before=100000000"), "{html}");
    }

    #[test]
    fn money_is_for_who_may_see_it_and_so_are_numbers() {
        let html = |role| {
            let page = told(page_of(role), &about(), &story(), &Part::default(), &[], None, at(5000));
            page.render().expect("renders")
        };
        let (support, cashier) = (html(Role::Support), html(Role::Cashier));
        assert!(support.contains("KSh 20") && support.contains("+254712345678"));
        assert!(!cashier.contains("KSh 20") && !cashier.contains("show=money") && !cashier.contains("712345678"));
    }

    #[test]
    fn what_is_older_says_nothing_about_now() {
        let part = Part { before: Some(100), ..Part::default() };
        let page = told(page_of(Role::Owner), &about(), &story(), &part, &[], None, at(5000));
        assert!(page.findings.is_empty() && page.forms.is_empty() && !page.newest.is_empty());
    }

    #[test]
    fn only_one_kind_of_line_is_shown_where_that_is_asked_for() {
        let shown = |show: &str| {
            let part = Part { show: show.into(), ..Part::default() };
            told(page_of(Role::Owner), &about(), &story(), &part, &[], None, at(5000)).rows.len()
        };
        assert_eq!((shown("money"), shown("access"), shown("refusals"), shown(""), shown("x")), (1, 1, 0, 2, 2));
    }
}
