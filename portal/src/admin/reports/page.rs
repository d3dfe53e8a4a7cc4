//! A report on the screen and as what can be taken away, and the list of all reports.
//!
//! ```text
//!  /admin/reports/use/capacity        page    figures, notes, and each section with its chart and the table below it
//!  /admin/reports/use/capacity.csv    file    one section (`?section=…`, else the first)
//!  /admin/reports/use/capacity.pdf    paper   all of it
//!  /admin/reports/use/capacity.json   data    of one section's chart; without a section, of all
//! ```
//!
//! All four come from the same answer to the same question, which stands in the address. Refused here: an answer to a question that could not
//! be read, and a file with people in it for whoever may not see people.

use std::collections::BTreeMap;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use shared::staff::Permission;
use store::StoreError;

use super::chart::Chart;
use super::report::{Answer, Common, Figure, Question, Section};
use super::{Which, common, file, mail, paper};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Form};
use crate::admin::listing::{Asked, Cell, MEDIA};
use crate::admin::page::{Page, Tab, answer, style};
use crate::session::Staff;
use crate::views::assets;

/// Where all reports are.
pub(super) const LIST: &str = "/admin/reports";
/// Rows of a table that a page shows at most: the file has all.
const SHOWN: usize = 500;
/// The parameter that says which section a file or a chart is of.
const SECTION: &str = "section";

/// What a report is asked for as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Page,
    Csv,
    Pdf,
    Json,
}

impl Kind {
    /// The name of a report and what it is asked for as.
    fn split(name: &str) -> (&str, Kind) {
        let endings = [(".csv", Kind::Csv), (".pdf", Kind::Pdf), (".json", Kind::Json)];
        let found = endings.into_iter().find_map(|(ending, kind)| Some((name.strip_suffix(ending)?, kind)));
        found.unwrap_or((name, Kind::Page))
    }
}

/// A report as it was asked for.
pub(super) struct Made {
    pub(super) which: Which,
    pub(super) asked: Asked,
    pub(super) common: Common,
    pub(super) answer: Answer,
}

/// Asks a report. What is wrong with the question stands in `asked`; the answer is then none that anybody should see.
pub(super) async fn made(app: &App, staff: &Staff, which: Which, sent: Fields) -> Result<Made, StoreError> {
    let mut asked = Asked::new(sent);
    let common = common::read(app, staff, which.about().heeds, &mut asked).await?;
    let mut question = Question { app, staff, common: common.clone(), asked: &mut asked };
    let answer = which.answer(&mut question).await?;
    Ok(Made { which, asked, common, answer })
}

impl Made {
    /// For what it is an answer, and as of when: what stands above it wherever it is read.
    pub(super) fn said(&self) -> Vec<String> {
        let heeds = self.which.about().heeds;
        let clock = format!("By the clock of {}", self.common.time_zone);
        let mut said = vec![if heeds.period { common::words(&self.common) } else { clock }];
        said.extend(common::words_beside(&self.common));
        said.extend(self.asked.chosen(&common::SAID));
        said.push(format!("As of {}", common::moment(&self.common, self.common.now)));
        said
    }

    pub(super) fn paper(&self, brand: &str) -> Vec<u8> {
        let about = self.which.about();
        let said = self.said();
        paper::render(&paper::Paper {
            brand,
            title: about.title,
            question: about.question,
            said: &said,
            answer: &self.answer,
        })
    }

    fn drawn(&self) -> Vec<(&'static str, &Chart)> {
        self.answer.sections.iter().filter_map(|section| Some((section.id, section.chart.as_ref()?))).collect()
    }
}

/// `GET /admin/reports/use/{report}`: a report that tells nothing of money.
pub(in crate::admin) async fn of_use(
    State(app): State<App>,
    staff: Staff,
    Path(name): Path<String>,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    show(&app, &staff, &name, sent, Permission::See).await
}

/// `GET /admin/reports/money/{report}`: one for those who may see money.
pub(in crate::admin) async fn of_money(
    State(app): State<App>,
    staff: Staff,
    Path(name): Path<String>,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    show(&app, &staff, &name, sent, Permission::SeeMoney).await
}

/// The report of that name which asks for this permission.
pub(super) fn find(name: &str, needs: Permission) -> Result<Which, Refusal> {
    Which::named(name).filter(|which| which.about().needs == needs).ok_or(Refusal::NotFound)
}

async fn show(app: &App, staff: &Staff, name: &str, sent: Fields, needs: Permission) -> Result<Response, Refusal> {
    let (name, kind) = Kind::split(name);
    let which = find(name, needs)?;
    if matches!(kind, Kind::Csv | Kind::Pdf) && !which.leaves_with(staff) {
        return Err(Refusal::NotYours(Permission::SeePeople));
    }
    let section = sent.text(SECTION).to_owned();
    let done = mail::done(&sent);
    let made = made(app, staff, which, sent).await?;
    if kind == Kind::Page || !made.asked.is_fine() {
        return page(app, staff, &made, done);
    }
    if kind == Kind::Json {
        return data(&made, &section);
    }
    let one = file::section(&made.answer, &section);
    if one.is_none() && !section.is_empty() {
        return Err(Refusal::NotFound);
    }
    if which.has_people() {
        audit(app, staff, "report.export", &made.asked.told(&which.path())).await?;
    }
    let (octets, media, ending) = match kind {
        Kind::Csv => (file::csv(one), MEDIA, "csv"),
        _ => (made.paper(&app.config.portal.brand), "application/pdf", "pdf"),
    };
    let name = match section.is_empty() {
        true => format!("attachment; filename=\"{}.{ending}\"", which.about().slug),
        false => format!("attachment; filename=\"{}-{section}.{ending}\"", which.about().slug),
    };
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)], octets).into_response())
}

/// The data of one chart, or of all.
fn data(made: &Made, section: &str) -> Result<Response, Refusal> {
    let drawn = made.drawn();
    if section.is_empty() {
        let all: BTreeMap<&str, &Chart> = drawn.into_iter().collect();
        return Ok(Json(all).into_response());
    }
    let found = drawn.into_iter().find(|(id, _)| *id == section);
    found.map(|(_, chart)| Json(chart).into_response()).ok_or(Refusal::NotFound)
}

fn page(app: &App, staff: &Staff, made: &Made, done: &'static str) -> Result<Response, Refusal> {
    let page = Page::new(app, staff, Tab::Reports);
    if !made.asked.is_fine() {
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &ReportPage::framed(page, made));
    }
    let leaves = made.which.leaves_with(staff);
    let mut shown = ReportPage { done, ..ReportPage::framed(page, made) }.filled(made, leaves);
    if leaves && app.email.is_some() {
        shown.forms.push(mail::form(made));
    } else if leaves {
        shown.no_mail = "Where e-mail is set up, this report can come by itself every day, week or month.";
    }
    answer(StatusCode::OK, &shown)
}

#[derive(Debug, Template)]
#[template(path = "admin/report.html")]
pub(in crate::admin) struct ReportPage {
    page: Page,
    style: String,
    /// The addresses of Plotly.js, of what draws with it, and of the sheet for both.
    plotly: String,
    script: String,
    sheet: String,
    title: &'static str,
    question: &'static str,
    done: &'static str,
    problem: String,
    /// One, or none if nothing can be asked for.
    filters: Vec<Form>,
    /// Where nothing is asked for; empty: nothing is.
    unfiltered: String,
    said: Vec<String>,
    figures: Vec<Figure>,
    notes: Vec<String>,
    parts: Vec<Part>,
    /// Whether it could be answered and there is nothing to say.
    is_empty: bool,
    /// Where it is on paper; empty: nowhere.
    pdf: String,
    /// The form with which it comes by e-mail.
    forms: Vec<Form>,
    no_mail: &'static str,
}

/// A section on the page.
#[derive(Debug)]
struct Part {
    id: &'static str,
    title: String,
    notes: Vec<String>,
    /// Where its chart's data is; empty: it has no chart.
    data: String,
    caption: String,
    heads: Vec<(String, bool)>,
    rows: Vec<Vec<Shown>>,
    nothing: &'static str,
    /// Where its file is; empty: nowhere.
    file: String,
    /// How many rows there are, if a page has no room for all.
    beyond: Option<usize>,
}

/// A cell below its heading.
#[derive(Debug)]
struct Shown {
    label: String,
    is_number: bool,
    cell: Cell,
}

impl ReportPage {
    /// A page with the question and without an answer.
    fn framed(page: Page, made: &Made) -> ReportPage {
        let (about, path) = (made.which.about(), made.which.path());
        let mut form = made.asked.form(&path, None);
        form.fields.extend(made.answer.extra.iter().cloned());
        ReportPage {
            page,
            style: style(),
            plotly: assets::url("plotly.js"),
            script: assets::url("charts.js"),
            sheet: assets::url("charts.css"),
            title: about.title,
            question: about.question,
            done: "",
            problem: made.asked.problem().to_owned(),
            filters: if form.fields.is_empty() { Vec::new() } else { vec![form] },
            unfiltered: if made.asked.query().is_empty() { String::new() } else { path },
            said: Vec::new(),
            figures: Vec::new(),
            notes: Vec::new(),
            parts: Vec::new(),
            is_empty: false,
            pdf: String::new(),
            forms: Vec::new(),
            no_mail: "",
        }
    }

    /// The same with the answer, and with the addresses of its files for whoever may take them away.
    fn filled(self, made: &Made, leaves: bool) -> ReportPage {
        let path = made.which.path();
        let caption = made.said().first().cloned().unwrap_or_default();
        let address = |ending: &str, section: &'static str| {
            made.asked.address(&format!("{path}.{ending}"), &[(SECTION, section.to_owned())])
        };
        let part = |section: &Section| Part {
            data: section.chart.as_ref().map(|_| address("json", section.id)).unwrap_or_default(),
            file: if leaves { address("csv", section.id) } else { String::new() },
            ..part(section, &caption)
        };
        let answer = &made.answer;
        ReportPage {
            said: made.said(),
            figures: answer.figures.clone(),
            notes: answer.notes.clone(),
            parts: answer.sections.iter().map(part).collect(),
            is_empty: answer.sections.is_empty() && answer.figures.is_empty(),
            pdf: if leaves { made.asked.address(&format!("{path}.pdf"), &[]) } else { String::new() },
            ..self
        }
    }

    fn has_charts(&self) -> bool {
        self.parts.iter().any(|part| !part.data.is_empty())
    }
}

fn part(section: &Section, caption: &str) -> Part {
    let shown = |row: &Vec<Cell>| {
        let cells = section.heads.iter().zip(row);
        cells
            .map(|((label, _, is_number), cell)| Shown {
                label: label.clone(),
                is_number: *is_number,
                cell: cell.clone(),
            })
            .collect()
    };
    let count = section.rows.len();
    Part {
        id: section.id,
        title: section.title.clone(),
        notes: section.notes.clone(),
        data: String::new(),
        caption: format!("{}: {caption}", section.title),
        heads: section.heads.iter().map(|(label, _, is_number)| (label.clone(), *is_number)).collect(),
        rows: section.rows.iter().take(SHOWN).map(shown).collect(),
        nothing: section.nothing,
        file: String::new(),
        beyond: (count > SHOWN).then_some(count),
    }
}

/// All reports that somebody may see.
#[derive(Debug, Template)]
#[template(path = "admin/reports.html")]
pub(in crate::admin) struct Reports {
    page: Page,
    style: String,
    done: &'static str,
    /// Address, title and question.
    reports: Vec<(String, &'static str, &'static str)>,
    /// What comes by e-mail to whoever looks at it.
    mails: Vec<mail::Line>,
}

/// `GET /admin/reports`.
pub(in crate::admin) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let page = Page::new(&app, &staff, Tab::Reports);
    let mails = mail::lines(&app, &staff).await?;
    let reports = Which::ALL.into_iter().filter(|which| which.is_for(&staff));
    answer(StatusCode::OK, &Reports { done: mail::done(&sent), ..Reports::of(page, reports, mails) })
}

impl Reports {
    fn of(page: Page, reports: impl Iterator<Item = Which>, mails: Vec<mail::Line>) -> Reports {
        let line = |which: Which| (which.path(), which.about().title, which.about().question);
        Reports { page, style: style(), done: "", reports: reports.map(line).collect(), mails }
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::time::OffsetDateTime;

    use super::super::chart::{Series, Shape};
    use super::super::report::tests::common;
    use super::*;
    use crate::admin::page::tests::{HOSTILE, page};

    fn made(sent: Fields) -> Made {
        let mut asked = Asked::new(sent);
        asked.text("name", "Name", 30);
        let series = Series { name: HOSTILE.into(), values: vec![Some(1.0), None], counts: vec![1, 9] };
        let chart = Chart {
            shape: Shape::Line,
            unit: HOSTILE.into(),
            x: vec![HOSTILE.into(), "b".into()],
            series: vec![series],
            cap: None,
        };
        let section = |id: &'static str, chart: Option<Chart>, rows: usize| Section {
            id,
            title: HOSTILE.into(),
            notes: vec![HOSTILE.into()],
            chart,
            heads: vec![("What".into(), "what".into(), false), (HOSTILE.into(), "much".into(), true)],
            rows: vec![
                vec![Cell::text(HOSTILE).small(HOSTILE).link("/admin/sites"), Cell::text("1").alarm(HOSTILE)];
                rows
            ],
            nothing: "Nothing was sold.",
        };
        let figure = Figure { label: HOSTILE.into(), value: HOSTILE.into(), beside: HOSTILE.into(), tone: "bad" };
        let answer = Answer {
            figures: vec![figure],
            notes: vec![HOSTILE.into()],
            sections: vec![
                section("drawn", Some(chart), 2),
                section("long", None, SHOWN + 1),
                section("none", None, 0),
            ],
            extra: Vec::new(),
        };
        let at = OffsetDateTime::UNIX_EPOCH;
        Made { which: Which::Revenue, asked, common: common(at, at + time::Duration::days(2)), answer }
    }

    pub(in crate::admin) fn sample(page: Page) -> ReportPage {
        let made = made(Fields::default().with("name", HOSTILE));
        let mut shown = ReportPage::framed(page, &made).filled(&made, true);
        shown.forms.push(mail::form(&made));
        shown.no_mail = "Set up e-mail.";
        shown
    }

    pub(in crate::admin) fn overview(page: Page) -> Reports {
        Reports::of(page, Which::ALL.into_iter(), vec![mail::tests::line()])
    }

    #[test]
    fn a_name_says_what_the_report_is_asked_for_as() {
        for (name, expected) in [
            ("today", ("today", Kind::Page)),
            ("today.csv", ("today", Kind::Csv)),
            ("today.pdf", ("today", Kind::Pdf)),
            ("today.json", ("today", Kind::Json)),
            ("today.xls", ("today.xls", Kind::Page)),
        ] {
            assert_eq!(Kind::split(name), expected);
        }
    }

    #[test]
    fn a_table_that_is_alone_is_open_and_one_below_a_chart_is_folded() {
        let html = sample(page()).render().expect("renders");
        assert_eq!(html.matches("<details").count(), 1, "{html}");
        assert_eq!(html.matches("<caption>").count(), 2, "{html}");
        assert!(html.contains("data-chart=\"/admin/reports/money/"), "{html}");
        assert!(html.contains("501 rows") && html.contains("Nothing was sold."), "{html}");
        assert_eq!(html.matches(".csv?").count(), 2, "a section without rows has no file: {html}");
    }

    #[test]
    fn who_takes_no_file_away_is_shown_none() {
        let made = made(Fields::default());
        let html = ReportPage::framed(page(), &made).filled(&made, false).render().expect("renders");
        assert!(!html.contains(".csv") && !html.contains(".pdf") && html.contains("data-chart"), "{html}");
    }

    #[test]
    fn what_could_not_be_read_gets_no_answer() {
        let made = made(Fields::default().with("name", "x".repeat(31)));
        let html = ReportPage::framed(page(), &made).render().expect("renders");
        assert!(html.contains("aria-invalid") && !html.contains("data-chart") && !html.contains("<table"), "{html}");
    }
}
