//! `/admin/books`: the days of a month, at each place with its documents and what they come to; which days are over and not closed; and closing
//! one of them by hand.
//!
//! Days close by themselves a while after they are over. By hand it is done at once, as soon as the day is over by the clock of the place: what
//! comes later goes to the next open day all the same.

use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::json;
use shared::staff::{Permission, SiteScope};
use shared::time::{OffsetDateTime, Zone};
use store::books::day::{self, Day};
use store::books::document::Summary;
use store::site::desk::{self, Site};
use time::Date;
use uuid::Uuid;

use super::sheet::{Drawn, Head, Sheet, Sums, cells};
use super::{HOME, NO_PLACE, address, csv_file, in_words, moment, place, read_day};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit_with;
use crate::admin::form::{Fields, Form, sentence, told};
use crate::admin::listing::{Asked, Cell};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::reports::amounts::method;
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::views::assets;

/// Days that wait and are shown at most: whoever begins has all days since the first sale.
const WAITING_SHOWN: usize = 31;
/// The choice of what belongs to no site.
const PLACELESS: &str = "none";
const FILE: &str = "/admin/books/days.csv";
const LINES: &str = "/admin/books/lines.csv";

const HEADS: [Head; 10] = [
    ("Day", "day", false),
    ("Place", "place", false),
    ("Document", "document", false),
    ("Paid by", "method", false),
    ("Currency", "currency", false),
    ("Sold", "sold", true),
    ("Given back", "given_back", true),
    ("Fees", "fees", true),
    ("VAT", "vat", true),
    ("Closed", "closed_at", false),
];

#[derive(Debug, Template)]
#[template(path = "admin/books/index.html")]
pub(in crate::admin) struct Index {
    page: Page,
    style: String,
    /// The address of the sheet for wide tables.
    wide: String,
    done: &'static str,
    problem: String,
    filters: Vec<Form>,
    /// Where nothing is asked for; empty: nothing is.
    unfiltered: &'static str,
    earlier: String,
    later: String,
    waiting: Vec<Waiting>,
    /// How many wait beyond those that are shown.
    more_wait: usize,
    sheets: Vec<Drawn>,
    /// Where the lines of all documents that are shown are.
    lines: String,
}

/// A day that is over and not closed.
#[derive(Debug)]
struct Waiting {
    day: String,
    in_words: String,
    /// Empty: none.
    site: String,
    place: String,
}

/// What is asked for.
struct Wish {
    asked: Asked,
    sites: Vec<Site>,
    first: Date,
    last: Date,
    scope: SiteScope,
    is_placeless: bool,
}

impl Wish {
    async fn read(app: &App, staff: &Staff, sent: Fields) -> Result<Wish, Refusal> {
        let sites = desk::list(&app.db, staff.sites()).await?;
        let today = Zone::default().at(app.clock.now()).date();
        let sent = if sent.is_on("month") { sent } else { sent.with("month", month(today)) };
        let mut asked = Asked::new(sent);
        let first = asked.month("month", "Month").unwrap_or_else(|| first_of_month(today));
        let mut options: Vec<(String, String)> =
            sites.iter().map(|site| (site.id.to_string(), site.name.clone())).collect();
        if *staff.sites() == SiteScope::All {
            options.push((PLACELESS.to_owned(), NO_PLACE.to_owned()));
        }
        let site = asked.choice("site", "Site", "All", &options);
        let is_placeless = site.as_deref() == Some(PLACELESS);
        let one = site.and_then(|id| Uuid::try_parse(&id).ok());
        let scope = one.map_or_else(|| staff.sites().clone(), |site| SiteScope::Only(vec![site]));
        let last = next_month(first).saturating_sub(time::Duration::DAY);
        Ok(Wish { asked, sites, first, last, scope, is_placeless })
    }

    fn covers(&self, site: Option<Uuid>) -> bool {
        self.scope.covers(site) && (!self.is_placeless || site.is_none())
    }

    async fn days(&self, app: &App) -> Result<Vec<Day>, Refusal> {
        let mut days = day::list(&app.db, &self.scope, self.first, self.last).await?;
        days.retain(|day| self.covers(day.site));
        days.sort_by(|a, b| (b.day, &a.site_name, a.id).cmp(&(a.day, &b.site_name, b.id)));
        Ok(days)
    }

    async fn waiting(&self, app: &App) -> Result<(Vec<Waiting>, usize), Refusal> {
        let due = day::due(&app.db, app.clock.now(), Duration::ZERO).await?;
        let mut due: Vec<(Date, Option<Uuid>)> = due.into_iter().map(|due| (due.day, due.site)).collect();
        due.retain(|(_, site)| self.covers(*site));
        due.sort_unstable();
        let name = |site: Option<Uuid>| site.and_then(|id| self.sites.iter().find(|site| site.id == id));
        let waiting = due.iter().take(WAITING_SHOWN).map(|(day, site)| Waiting {
            day: day.to_string(),
            in_words: in_words(*day),
            site: site.map(|site| site.to_string()).unwrap_or_default(),
            place: place(name(*site).map(|site| site.name.as_str())),
        });
        Ok((waiting.collect(), due.len().saturating_sub(WAITING_SHOWN)))
    }

    /// The same of another month.
    fn of_month(&self, first: Date) -> String {
        let rest = self.asked.query_without(&["month"]);
        let month = month(first);
        if rest.is_empty() { format!("{HOME}?month={month}") } else { format!("{HOME}?month={month}&{rest}") }
    }

    fn lines(&self) -> String {
        let rest = self.asked.query_without(&["month"]);
        let days = format!("{LINES}?since={}&until={}", self.first, self.last);
        if rest.is_empty() { days } else { format!("{days}&{rest}") }
    }
}

/// `2026-11`.
fn month(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), u8::from(day.month()))
}

fn first_of_month(day: Date) -> Date {
    day.replace_day(1).unwrap_or(day)
}

fn next_month(first: Date) -> Date {
    first_of_month(first.saturating_add(time::Duration::days(31)))
}

/// `GET /admin/books`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let done = match sent.text("done") {
        "closed" => "The day is closed, and its documents are made.",
        "nothing" => "The day is closed. There was nothing to write down.",
        "again" => "That day was closed before. Its documents are as they were.",
        _ => "",
    };
    page(&app, &staff, sent, done, String::new()).await
}

/// `GET /admin/books/days.csv`.
pub(in crate::admin) async fn file(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let wish = Wish::read(&app, &staff, sent).await?;
    if !wish.asked.is_fine() {
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &framed(Page::new(&app, &staff, Tab::Books), &wish));
    }
    let sheet = sheet(&wish.days(&app).await?, wish.first);
    Ok(csv_file(&format!("days-{}", month(wish.first)), sheet.csv()))
}

async fn page(
    app: &App,
    staff: &Staff,
    sent: Fields,
    done: &'static str,
    problem: String,
) -> Result<Response, Refusal> {
    let wish = Wish::read(app, staff, sent).await?;
    let page = framed(Page::new(app, staff, Tab::Books), &wish);
    if !wish.asked.is_fine() {
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let sheet = sheet(&wish.days(app).await?, wish.first);
    let (waiting, more_wait) = wish.waiting(app).await?;
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let drawn = sheet.drawn(wish.asked.address(FILE, &[]));
    let lines = if drawn.rows.is_empty() { String::new() } else { wish.lines() };
    let page = Index { done, problem, waiting, more_wait, sheets: vec![drawn], lines, ..page };
    answer(status, &page)
}

/// The page with what is asked for, and no answer.
fn framed(page: Page, wish: &Wish) -> Index {
    Index {
        page,
        style: style(),
        wide: assets::url("charts.css"),
        done: "",
        problem: wish.asked.problem().to_owned(),
        filters: vec![wish.asked.form(HOME, None)],
        unfiltered: HOME,
        earlier: wish.of_month(first_of_month(wish.first.saturating_sub(time::Duration::DAY))),
        later: wish.of_month(next_month(wish.first)),
        waiting: Vec::new(),
        more_wait: 0,
        sheets: Vec::new(),
        lines: String::new(),
    }
}

/// A row a document; a day at which nothing happened has a row of its own.
fn sheet(days: &[Day], first: Date) -> Sheet {
    let title = format!("{} {}", first.month(), first.year());
    let nothing = "No day of this month is closed yet.";
    let mut sheet = Sheet::new("days", title, &HEADS, nothing);
    let mut sums: Sums<String, 4> = Sums::new();
    for day in days {
        if day.documents.is_empty() {
            sheet.row(row(day, None));
        }
        for document in &day.documents {
            sums.add(document.currency.clone(), figures(document));
            sheet.row(row(day, Some(document)));
        }
    }
    for (currency, sum) in sums.iter() {
        let [sold, back, fees, vat] = cells(sum, currency);
        let empty = || Cell::text("");
        let together = Cell::text("Together");
        let currency = Cell::text(currency.as_str());
        sheet.total(vec![together, empty(), empty(), empty(), currency, sold, back, fees, vat, empty()]);
    }
    sheet
}

fn figures(document: &Summary) -> [i64; 4] {
    [document.sales, document.refunds, document.fees, document.tax]
}

fn row(day: &Day, document: Option<&Summary>) -> Vec<Cell> {
    let site = place(day.site_name.as_deref());
    let time_zone = shared::time::HOME;
    let closed = Cell::text(moment(time_zone, day.closed_at)).small(day.closed_by.as_str());
    let closed = closed.value(shared::time::rfc3339(day.closed_at));
    let day = Cell::text(in_words(day.day)).value(day.day.to_string());
    let Some(document) = document else {
        let empty = || Cell::text("");
        let nothing = Cell::text("nothing happened").value("");
        return vec![day, Cell::text(site), nothing, empty(), empty(), empty(), empty(), empty(), empty(), closed];
    };
    let [sold, back, fees, vat] = cells(figures(document), &document.currency);
    vec![
        day,
        Cell::text(site),
        Cell::text(document.number.as_str()).link(address(&document.number)),
        Cell::text(method(&document.method)).value(document.method.as_str()),
        Cell::text(document.currency.as_str()),
        sold,
        back,
        fees,
        vat,
        closed,
    ]
}

/// `POST /admin/books/close`: one day at one place, at once.
pub(in crate::admin) async fn close(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let site = match sent.text("site") {
        "" => None,
        // What is outside is not there.
        id => Some(desk::get(&app.db, staff.sites(), Uuid::try_parse(id).map_err(|_| Refusal::NotFound)?).await?),
    };
    if site.is_none() && *staff.sites() != SiteScope::All {
        return Err(Refusal::NotYours(Permission::KeepBooks));
    }
    let day = match read_day(sent.text("day")).map_err(str::to_owned).and_then(|day| over(day, site.as_ref(), now)) {
        Ok(day) => day,
        Err(problem) => return page(&app, staff, Fields::default(), "", sentence(&problem)).await,
    };
    let shown = Fields::default().with("month", month(day));
    match told(day::close(&app.db, site.as_ref().map(|site| site.id), day, &staff.admin.email, now).await)? {
        Ok(closed) => {
            let done = match (closed.is_new, closed.documents.is_empty()) {
                (false, _) => "again",
                (true, true) => "nothing",
                (true, false) => "closed",
            };
            if closed.is_new {
                let object = format!("{day} {}", place(site.as_ref().map(|site| site.name.as_str())));
                audit_with(&app, staff, "books.close", &object, &json!({ "documents": closed.documents })).await?;
            }
            Ok(Redirect::to(&format!("{HOME}?month={}&done={done}", month(day))).into_response())
        }
        Err(problem) => page(&app, staff, shown, "", problem).await,
    }
}

/// The day, if it is over by the clock of the place.
fn over(day: Date, site: Option<&Site>, now: OffsetDateTime) -> Result<Date, String> {
    let zone = site.and_then(|site| Zone::named(&site.time_zone)).unwrap_or_default();
    if zone.midnight(day.saturating_add(time::Duration::DAY)) <= now {
        return Ok(day);
    }
    let there = site.map(|site| format!(" at {}", site.name)).unwrap_or_default();
    Err(format!(
        "{} is not over{there} yet: a day is closed when it has ended by the clock of the place",
        in_words(day)
    ))
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::{HOSTILE, page};

    fn date(text: &str) -> Date {
        read_day(text).expect("a day")
    }

    fn summary(number: &str, currency: &str, sales: i64) -> Summary {
        Summary {
            id: Uuid::from_u128(3),
            number: number.into(),
            method: "mpesa".into(),
            currency: currency.into(),
            sales,
            refunds: 2_000,
            fees: 120,
            tax: 276,
        }
    }

    fn day(documents: Vec<Summary>) -> Day {
        Day {
            id: Uuid::from_u128(1),
            day: date("2026-11-22"),
            site: Some(Uuid::from_u128(2)),
            site_name: Some(HOSTILE.into()),
            closed_at: OffsetDateTime::UNIX_EPOCH,
            closed_by: HOSTILE.into(),
            documents,
        }
    }

    fn wish(sent: Fields) -> Wish {
        let mut asked = Asked::new(sent.with("month", "2026-11"));
        let first = asked.month("month", "Month").expect("a month");
        asked.choice("site", "Site", "All", &[(HOSTILE.to_owned(), HOSTILE.to_owned())]);
        let last = date("2026-11-30");
        Wish { asked, sites: Vec::new(), first, last, scope: SiteScope::All, is_placeless: false }
    }

    pub(in crate::admin) fn sample(page: Page) -> Index {
        let waiting = || Waiting {
            day: "2026-11-22".into(),
            in_words: "22 November 2026".into(),
            site: Uuid::from_u128(2).to_string(),
            place: HOSTILE.into(),
        };
        let days = [day(vec![summary("20261122-NBO1-M", "KES", 4_000)]), day(Vec::new())];
        let sheets = vec![sheet(&days, date("2026-11-01")).drawn("/admin/books/days.csv?month=2026-11")];
        Index {
            done: "The day is closed, and its documents are made.",
            problem: HOSTILE.into(),
            waiting: vec![waiting(), waiting()],
            more_wait: 3,
            sheets,
            lines: "/admin/books/lines.csv".into(),
            ..framed(page, &wish(Fields::default().with("site", HOSTILE)))
        }
    }

    #[test]
    fn a_month_begins_and_ends_with_its_days() {
        for (first, next) in [("2026-11-01", "2026-12-01"), ("2026-12-01", "2027-01-01"), ("2028-02-01", "2028-03-01")]
        {
            assert_eq!(next_month(date(first)), date(next), "{first}");
        }
        assert_eq!(
            (month(date("2026-01-31")).as_str(), first_of_month(date("2026-01-31"))),
            ("2026-01", date("2026-01-01"))
        );
        let wish = wish(Fields::default().with("site", HOSTILE));
        assert!(wish.of_month(date("2026-12-01")).starts_with("/admin/books?month=2026-12&site=%3Cscript"));
        assert!(wish.lines().starts_with("/admin/books/lines.csv?since=2026-11-01&until=2026-11-30&site=%3C"));
    }

    #[test]
    fn sums_are_by_currency_and_a_day_without_documents_has_a_row() {
        let documents = vec![
            summary("20261122-A-M", "KES", 4_000),
            summary("20261122-A-S", "KES", 100),
            summary("20261122-A-SUSD", "USD", 7),
        ];
        let paper = sheet(&[day(documents), day(Vec::new())], date("2026-11-01")).on_paper();
        let texts = |at: usize| paper.rows[at].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
        assert_eq!(paper.rows.len(), 6, "three documents, a day without one, and two sums");
        assert_eq!(texts(3)[2], "nothing happened");
        assert_eq!(texts(4)[4..9], ["KES", "KSh 41", "KSh 40", "KSh 2.40", "KSh 5.52"]);
        assert_eq!(texts(5)[4..6], ["USD", "USD 0.07"]);
    }

    #[test]
    fn a_day_is_closed_when_it_is_over_where_it_was() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        let first = read_day("2026-11-22").expect("a day");
        // It ends at 21:00 UTC in Nairobi.
        let end = Zone::default().midnight(date("2026-11-23"));
        assert_eq!(over(first, None, end), Ok(first));
        let early = over(first, None, at(end.unix_timestamp() - 1)).expect_err("it is not over");
        assert!(early.starts_with("22 November 2026 is not over yet"), "{early}");
        let kinshasa = Site {
            id: Uuid::from_u128(1),
            name: "Beach".into(),
            position: None,
            time_zone: "Africa/Kinshasa".into(),
            session_limit: None,
            routers: 0,
        };
        assert!(over(first, Some(&kinshasa), end).expect_err("two hours are left").contains("at Beach"));
    }

    #[test]
    fn who_keeps_no_books_sees_no_button() {
        let html = sample(page()).render().expect("renders");
        assert!(html.contains("Close now") && html.contains("name=\"day\" value=\"2026-11-22\""), "{html}");
        let looks = Page { role: shared::staff::Role::ReadOnly, ..page() };
        let html = sample(looks).render().expect("renders");
        assert!(!html.contains("Close now"), "{html}");
    }
}
