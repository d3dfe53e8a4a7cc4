//! `/admin/books/cash`: what agents sold on paper, had taken back, handed over and owe; the page of one of them with what happened; and noting what
//! they hand over.
//!
//! An agent's cash is of all sites together, so whoever is limited to some does not see it.
//!
//! Nobody hands over more than they owe. More is refused, and not asked about: it is a sale that nobody noted, or a number typed wrongly, and
//! in the books it would be a debt of ours to the agent that nobody meant.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::money::Money;
use shared::staff::{Permission, SiteScope};
use store::books::cash::{self, Agent, Event, Kind};
use url::form_urlencoded;

use super::sheet::{Drawn, Head, Sheet, Sums, cells};
use super::{csv_file, moment};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Field, Fields, Filled, Form, Problems, told};
use crate::admin::listing::Cell;
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::reports::amounts::amount;
use crate::cli::values::price;
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::views::assets;

const LIST: &str = "/admin/books/cash";
const FILE: &str = "/admin/books/cash.csv";
const ONE: &str = "/admin/books/cash/agent";
const HAND_OVER: &str = "/admin/books/cash/handed-over";
/// Events of an agent that are shown, the newest first.
const EVENTS_SHOWN: i64 = 500;
/// Characters of a note at most.
const LONGEST_NOTE: usize = 200;

const AGENTS: [Head; 6] = [
    ("Agent", "agent", false),
    ("Currency", "currency", false),
    ("Sold", "sold", true),
    ("Taken back", "taken_back", true),
    ("Handed over", "handed_over", true),
    ("Owes", "owes", true),
];
const EVENTS: [Head; 6] = [
    ("When", "at", false),
    ("What", "what", false),
    ("Package", "package", false),
    ("Quantity", "quantity", true),
    ("Amount", "amount", true),
    ("Note", "note", false),
];

#[derive(Debug, Template)]
#[template(path = "admin/books/cash.html")]
pub(in crate::admin) struct CashPage {
    page: Page,
    style: String,
    wide: String,
    title: String,
    hint: &'static str,
    /// Where one came from: address and name.
    back: (&'static str, &'static str),
    done: &'static str,
    problem: String,
    sheets: Vec<Drawn>,
    forms: Vec<Form>,
}

/// `GET /admin/books/cash`.
pub(in crate::admin) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    everywhere(&staff, Permission::SeeBooks)?;
    let agents = cash::agents(&app.db).await?;
    answer(StatusCode::OK, &all(Page::new(&app, &staff, Tab::Books), &agents))
}

/// `GET /admin/books/cash.csv`.
pub(in crate::admin) async fn file(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    everywhere(&staff, Permission::SeeBooks)?;
    Ok(csv_file("cash", agents_sheet(&cash::agents(&app.db).await?).csv()))
}

/// `GET /admin/books/cash/agent?name=…`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    everywhere(&staff, Permission::SeeBooks)?;
    let done = if sent.is_on("done") { "It is written down, and they owe so much less." } else { "" };
    let asked = Fields::default().with("agent", sent.text("name"));
    one(&app, &staff, &asked, &Problems::default(), done).await
}

/// `POST /admin/books/cash/handed-over`.
pub(in crate::admin) async fn hand_over(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    everywhere(staff, Permission::KeepBooks)?;
    let name = sent.text("agent");
    if name.is_empty() {
        return Err(Refusal::NotFound);
    }
    let theirs = of_agent(&app, name).await?;
    let mut problems = Problems::default();
    let Some((given, note)) = read(sent, &theirs, &mut problems) else {
        return one(&app, staff, sent, &problems, "").await;
    };
    match told(cash::hand_over(&app.db, name, given, note, &staff.admin.email, app.clock.now()).await)? {
        // The audit log has it from the same transaction.
        Ok(_) => Ok(Redirect::to(&format!("{}&done=1", address(name))).into_response()),
        Err(problem) => {
            problems.note("amount", problem);
            one(&app, staff, sent, &problems, "").await
        }
    }
}

/// Whether somebody is limited to no site.
fn everywhere(staff: &Staff, wanted: Permission) -> Result<(), Refusal> {
    if *staff.sites() == SiteScope::All { Ok(()) } else { Err(Refusal::NotYours(wanted)) }
}

/// What is said of an agent: a row a currency.
///
/// # Errors
/// [`Refusal::NotFound`]: nobody of that name ever sold anything.
async fn of_agent(app: &App, name: &str) -> Result<Vec<Agent>, Refusal> {
    let theirs: Vec<Agent> = cash::agents(&app.db).await?.into_iter().filter(|agent| agent.name == name).collect();
    if theirs.is_empty() { Err(Refusal::NotFound) } else { Ok(theirs) }
}

fn address(name: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("name", name).finish();
    format!("{ONE}?{query}")
}

fn read<'a>(sent: &'a Fields, theirs: &[Agent], problems: &mut Problems) -> Option<(Money, &'a str)> {
    let currency = sent.text("currency");
    let agent =
        problems.keep("currency", theirs.iter().find(|one| one.currency == currency).ok_or("choose one of these"));
    let minor =
        problems.keep("amount", price(sent.text("amount")).map_err(|_| "write an amount such as 1500 or 1500.50"));
    let note = sent.text("note");
    if note.chars().count() > LONGEST_NOTE {
        problems.note("note", format!("write at most {LONGEST_NOTE} characters"));
    }
    let (agent, minor) = agent.zip(minor)?;
    if minor == 0 {
        problems.note("amount", "write how much it was");
    } else if minor > agent.owes {
        let owed = amount(agent.owes.max(0), currency);
        let problem =
            format!("{} owes {owed}: write that or less. If it was more, note first what else they sold", agent.name);
        problems.note("amount", problem);
    }
    let currency = problems.keep("currency", agent.currency.parse())?;
    problems.is_empty().then_some((Money { minor, currency }, note))
}

fn all(page: Page, agents: &[Agent]) -> CashPage {
    CashPage {
        page,
        style: style(),
        wide: assets::url("charts.css"),
        title: "Cash with agents".into(),
        hint: "What agents sold for cash is theirs to hand over. Open one to note what they handed over.",
        back: (super::HOME, "Books"),
        done: "",
        problem: String::new(),
        sheets: vec![agents_sheet(agents).drawn(FILE)],
        forms: Vec::new(),
    }
}

fn agents_sheet(agents: &[Agent]) -> Sheet {
    let mut sheet = Sheet::new("agents", "Agents", &AGENTS, "No agent has sold a voucher yet.");
    let mut sums: Sums<String, 4> = Sums::new();
    for agent in agents {
        sums.add(agent.currency.clone(), figures(agent));
        let [sold, undone, handed_over, owes] = cells(figures(agent), &agent.currency);
        let name = Cell::text(agent.name.as_str()).link(address(&agent.name));
        sheet.row(vec![name, Cell::text(agent.currency.as_str()), sold, undone, handed_over, owes]);
    }
    for (currency, sum) in sums.iter() {
        let [sold, undone, handed_over, owes] = cells(sum, currency);
        let name = Cell::text("Together");
        sheet.total(vec![name, Cell::text(currency.as_str()), sold, undone, handed_over, owes]);
    }
    sheet
}

fn figures(agent: &Agent) -> [i64; 4] {
    [agent.sold, agent.undone, agent.handed_over, agent.owes]
}

async fn one(
    app: &App,
    staff: &Staff,
    sent: &Fields,
    problems: &Problems,
    done: &'static str,
) -> Result<Response, Refusal> {
    let name = sent.text("agent");
    let theirs = of_agent(app, name).await?;
    let events = cash::events(&app.db, name, EVENTS_SHOWN).await?;
    let page = Page::new(app, staff, Tab::Books);
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, &CashPage { done, ..agent_page(page, &theirs, &events, sent, problems) })
}

fn agent_page(page: Page, theirs: &[Agent], events: &[Event], sent: &Fields, problems: &Problems) -> CashPage {
    let may_keep = page.may(Permission::KeepBooks);
    let mut happened = Sheet::new("events", "What happened", &EVENTS, "Nothing happened yet.");
    for event in events {
        happened.row(event_row(event));
    }
    if i64::try_from(events.len()).is_ok_and(|count| count >= EVENTS_SHOWN) {
        happened = happened.note(format!("The last {EVENTS_SHOWN} are shown."));
    }
    let problem = if problems.is_empty() { "" } else { "Nothing was written down: look at what is marked below." };
    CashPage {
        title: sent.text("agent").to_owned(),
        hint: "",
        back: (LIST, "Cash with agents"),
        problem: problem.to_owned(),
        sheets: vec![agents_sheet(theirs).drawn(""), happened.drawn("")],
        forms: if may_keep { vec![form(theirs, sent, problems)] } else { Vec::new() },
        ..all(page, &[])
    }
}

fn event_row(event: &Event) -> Vec<Cell> {
    let what = match event.kind {
        Kind::Sold => "Sold",
        Kind::Undone => "Sale taken back",
        Kind::HandedOver => "Handed over",
    };
    let quantity = if event.kind == Kind::HandedOver { String::new() } else { event.quantity.to_string() };
    vec![
        Cell::text(moment(shared::time::HOME, event.happened_at)),
        Cell::text(what),
        Cell::text(event.package.clone().unwrap_or_default()),
        Cell::text(quantity),
        Cell::money(Some(event.amount)),
        Cell::text(event.note.as_str()),
    ]
}

fn form(theirs: &[Agent], sent: &Fields, problems: &Problems) -> Form {
    let filled = Filled { sent, problems };
    let form = Form::new("handed-over", HAND_OVER, "Handed over")
        .titled("Handed over", "Count the money first: what is written down here cannot be changed.")
        .field(Field::hidden("agent", sent.text("agent")));
    let form = match theirs {
        [only] => form.field(Field::hidden("currency", &only.currency)),
        several => {
            let options: Vec<(String, String)> =
                several.iter().map(|one| (one.currency.clone(), one.currency.clone())).collect();
            form.field(filled.choice("currency", "Currency", &options))
        }
    };
    form.field(filled.number("amount", "Amount").hint("At most what they owe.").required())
        .field(filled.text("note", "Note").hint("Such as the number of a receipt."))
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::staff::Role;
    use shared::time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::admin::page::tests::{HOSTILE, page, page_of};

    fn agent(name: &str, currency: &str, owes: i64) -> Agent {
        Agent { name: name.into(), currency: currency.into(), sold: owes + 700, undone: 200, handed_over: 500, owes }
    }

    fn event(kind: Kind) -> Event {
        Event {
            transaction: Uuid::from_u128(1),
            kind,
            package: Some(HOSTILE.into()),
            quantity: 3,
            amount: Money::kes(6_000),
            note: HOSTILE.into(),
            happened_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> CashPage {
        all(page, &[agent(HOSTILE, "KES", 4_000), agent("b", "USD", 0)])
    }

    pub(in crate::admin) fn single(page: Page) -> CashPage {
        let sent = Fields::default().with("agent", HOSTILE).with("amount", HOSTILE);
        let mut problems = Problems::default();
        problems.note("amount", HOSTILE);
        let theirs = [agent(HOSTILE, "KES", 4_000), agent(HOSTILE, "USD", 1)];
        let events = [Kind::Sold, Kind::Undone, Kind::HandedOver].map(event);
        CashPage { done: "It is written down.", ..agent_page(page, &theirs, &events, &sent, &problems) }
    }

    fn typed(amount: &str, currency: &str) -> Result<Money, Problems> {
        let sent = Fields::default().with("agent", "Njeri").with("currency", currency).with("amount", amount);
        let mut problems = Problems::default();
        let read = read(&sent, &[agent("Njeri", "KES", 4_000)], &mut problems).map(|(given, _)| given);
        assert_eq!(read.is_some(), problems.is_empty(), "{amount} {currency}");
        read.ok_or(problems)
    }

    #[test]
    fn nobody_hands_over_more_than_they_owe() {
        assert_eq!(typed("40", "KES").expect("all of it"), Money::kes(4_000));
        assert_eq!(typed("0.50", "KES").expect("a part"), Money::kes(50));
        for (amount, currency) in [("40.01", "KES"), ("0", "KES"), ("-5", "KES"), ("ten", "KES"), ("", "KES")] {
            assert!(typed(amount, currency).expect_err("refused").has("amount"), "{amount}");
        }
        assert!(typed("40", "USD").expect_err("not theirs").has("currency"));
    }

    #[test]
    fn an_agent_is_found_by_any_name() {
        assert_eq!(address("Mama Njeri & Co/.."), "/admin/books/cash/agent?name=Mama+Njeri+%26+Co%2F..");
        let paper = agents_sheet(&[agent("a", "KES", 100), agent("b", "KES", 50)]).on_paper();
        assert_eq!(paper.rows[2][5].value, "1.50");
    }

    #[test]
    fn only_who_keeps_the_books_sees_the_form() {
        assert!(single(page()).render().expect("renders").contains("action=\"/admin/books/cash/handed-over\""));
        assert!(!single(page_of(Role::Support)).render().expect("renders").contains("handed-over\""));
    }
}
