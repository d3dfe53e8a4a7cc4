//! `/admin/books/documents/{number}`: what happened on one day at one place by one way of payment. Its lines say what, by kind and package; its
//! entries say the same in accounts, debit and credit, which are the same sum.
//!
//! With `.csv` behind the number the lines as a file, of the entries with `?section=entries`; with `.pdf` all of it on paper.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use store::books::document::{self, Document, Kind, Line};

use super::sheet::{Drawn, Head, Sheet, Sums};
use super::{address, csv_file, in_words, kind, moment, percent, place};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::Fields;
use crate::admin::listing::Cell;
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::reports::amounts::{decimal, method};
use crate::admin::reports::paper;
use crate::admin::reports::report::Answer;
use crate::session::Staff;
use crate::views::assets;

/// The section that a file has where it is asked for; else it has the lines.
const ENTRIES: &str = "entries";

const LINES: [Head; 11] = [
    ("Kind", "kind", false),
    ("What", "what", false),
    ("Agent", "agent", false),
    ("Account", "account", false),
    ("Quantity", "quantity", true),
    ("List price", "list", true),
    ("Discount", "discount", true),
    ("Gross", "gross", true),
    ("Tax", "tax", false),
    ("VAT", "vat", true),
    ("Net", "net", true),
];
const ACCOUNTS: [Head; 4] =
    [("Account", "account", false), ("Name", "name", false), ("Debit", "debit", true), ("Credit", "credit", true)];

#[derive(Debug, Template)]
#[template(path = "admin/books/document.html")]
pub(in crate::admin) struct DocumentPage {
    page: Page,
    style: String,
    wide: String,
    number: String,
    /// What is known of all of it: a name and its value.
    head: Vec<(&'static str, String)>,
    sheets: Vec<Drawn>,
    pdf: String,
}

/// What a document is asked for as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Page,
    Csv,
    Pdf,
}

/// The number, and what it is asked for as.
fn split(name: &str) -> (&str, Form) {
    let endings = [(".csv", Form::Csv), (".pdf", Form::Pdf)];
    let found = endings.into_iter().find_map(|(ending, form)| Some((name.strip_suffix(ending)?, form)));
    found.unwrap_or((name, Form::Page))
}

/// `GET /admin/books/documents/{number}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Path(name): Path<String>,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let (number, form) = split(&name);
    let document = document::find(&app.db, number, staff.sites()).await?.ok_or(Refusal::NotFound)?;
    match form {
        Form::Page => answer(StatusCode::OK, &drawn(Page::new(&app, &staff, Tab::Books), &document)),
        Form::Csv => match sent.text("section") {
            "" => Ok(csv_file(&document.number, lines(&document).csv())),
            ENTRIES => Ok(csv_file(&format!("{}-{ENTRIES}", document.number), entries(&document).csv())),
            _ => Err(Refusal::NotFound),
        },
        Form::Pdf => {
            let name = format!("attachment; filename=\"{}.pdf\"", document.number);
            let headers = [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, name)];
            Ok((headers, on_paper(&app.config.portal.brand, &document)).into_response())
        }
    }
}

fn drawn(page: Page, document: &Document) -> DocumentPage {
    let here = address(&document.number);
    DocumentPage {
        page,
        style: style(),
        wide: assets::url("charts.css"),
        number: document.number.clone(),
        head: head(document),
        sheets: vec![
            lines(document).drawn(format!("{here}.csv")),
            entries(document).drawn(format!("{here}.csv?section={ENTRIES}")),
        ],
        pdf: format!("{here}.pdf"),
    }
}

fn head(document: &Document) -> Vec<(&'static str, String)> {
    vec![
        ("Day", format!("{}, by the clock of {}", in_words(document.day), document.time_zone)),
        ("Place", place(document.site_name.as_deref())),
        ("Paid by", method(&document.method).to_owned()),
        ("Currency", document.currency.clone()),
        ("Closed", format!("{} by {}", moment(&document.time_zone, document.closed_at), document.closed_by)),
    ]
}

fn on_paper(brand: &str, document: &Document) -> Vec<u8> {
    let said: Vec<String> = head(document).iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let sections = vec![lines(document).on_paper(), entries(document).on_paper()];
    let answer = Answer { sections, ..Answer::default() };
    let title = format!("Document {}", document.number);
    let subject =
        format!("{} at {}, {}", method(&document.method), place(document.site_name.as_deref()), in_words(document.day));
    paper::render(&paper::Paper { brand, title: &title, question: &subject, said: &said, answer: &answer })
}

/// What came or went, kind by kind, with the sums of each kind: kinds are not added up, since paper that was sold and used would count twice.
fn lines(document: &Document) -> Sheet {
    let mut sheet = Sheet::new("lines", "Lines", &LINES, "Nothing is in it.").note(
        "What came is above zero, what went is below. Prices have the tax in them: gross is VAT and net together.",
    );
    let mut sums: Sums<Kind, 5> = Sums::new();
    for line in &document.lines {
        sums.add(line.kind, figures(line));
        sheet.row(row(line));
    }
    for (kind, sum) in sums.iter() {
        let [list, discount, gross, vat, net] = plain(sum);
        let empty = || Cell::text("");
        let name = Cell::text(format!("{} together", self::kind(*kind).1));
        sheet.total(vec![name, empty(), empty(), empty(), empty(), list, discount, gross, empty(), vat, net]);
    }
    sheet
}

/// Amounts in cells without their currency, which is the document's: eleven columns have no room for it.
fn plain<const N: usize>(minor: [i64; N]) -> [Cell; N] {
    minor.map(|minor| Cell::text(decimal(minor)))
}

/// List price, discount, gross, VAT and net.
fn figures(line: &Line) -> [i64; 5] {
    [line.list, line.discount, line.gross, line.tax, line.gross.saturating_sub(line.tax)]
}

fn row(line: &Line) -> Vec<Cell> {
    let (word, label) = kind(line.kind);
    let [list, discount, gross, vat, net] = plain(figures(line));
    let rate = line.tax_letter.as_deref().zip(line.tax_rate);
    let letter = line.tax_letter.clone().unwrap_or_default();
    vec![
        Cell::text(label).value(word),
        Cell::text(line.description.as_str()),
        Cell::text(line.agent.clone().unwrap_or_default()),
        Cell::text(line.account.as_str()),
        Cell::text(line.quantity.to_string()),
        list,
        discount,
        gross,
        Cell::text(rate.map(|(letter, rate)| format!("{letter} {}", percent(rate))).unwrap_or_default()).value(letter),
        vat,
        net,
    ]
}

/// The same by accounts.
fn entries(document: &Document) -> Sheet {
    let mut sheet = Sheet::new("entries", "Entries", &ACCOUNTS, "Nothing was booked.")
        .note("Debit and credit come to the same sum.");
    let (mut debit, mut credit) = (0i64, 0i64);
    for entry in &document.entries {
        debit = debit.saturating_add(entry.debit);
        credit = credit.saturating_add(entry.credit);
        let [left, right] = plain([entry.debit, entry.credit]);
        sheet.row(vec![Cell::text(entry.account.as_str()), Cell::text(entry.name.as_str()), left, right]);
    }
    let [left, right] = plain([debit, credit]);
    sheet.total(vec![Cell::text("Together"), Cell::text(""), left, right]);
    sheet
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::time::OffsetDateTime;
    use store::books::document::Entry;
    use uuid::Uuid;

    use super::*;
    use crate::admin::books::read_day;
    use crate::admin::page::tests::{HOSTILE, page};

    fn line(position: i32, kind: Kind, gross: i64) -> Line {
        Line {
            position,
            kind,
            account: "sales".into(),
            package: None,
            description: HOSTILE.into(),
            quantity: 2,
            list: gross + 500,
            discount: 500,
            gross,
            tax_letter: Some("B".into()),
            tax_rate: Some(1600),
            tax: 276,
            agent: Some(HOSTILE.into()),
        }
    }

    fn document() -> Document {
        let entry =
            |account: &str, debit, credit| Entry { account: account.into(), name: HOSTILE.into(), debit, credit };
        Document {
            id: Uuid::from_u128(1),
            number: "20261122-NBO1-M".into(),
            day: read_day("2026-11-22").expect("a day"),
            site: None,
            site_name: None,
            time_zone: "Africa/Nairobi".into(),
            method: "mpesa".into(),
            currency: "KES".into(),
            closed_at: OffsetDateTime::UNIX_EPOCH,
            closed_by: HOSTILE.into(),
            lines: vec![line(1, Kind::Sale, 2_000), line(2, Kind::Sale, 4_000), line(3, Kind::Refund, -1_000)],
            entries: vec![entry("mpesa", 6_000, 1_000), entry("sales", 0, 5_000)],
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> DocumentPage {
        drawn(page, &document())
    }

    #[test]
    fn a_number_says_what_the_document_is_asked_for_as() {
        assert_eq!(split("20261122-NBO1-M"), ("20261122-NBO1-M", Form::Page));
        assert_eq!(split("20261122-NBO1-M.csv"), ("20261122-NBO1-M", Form::Csv));
        assert_eq!(split("20261122-NBO1-M.pdf"), ("20261122-NBO1-M", Form::Pdf));
    }

    #[test]
    fn each_kind_has_its_sum_and_both_columns_are_the_same() {
        let paper = lines(&document()).on_paper();
        let texts = |at: usize| paper.rows[at].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
        assert_eq!(paper.rows.len(), 5, "three lines and the sums of two kinds");
        assert_eq!(texts(3)[0], "Sold together");
        assert_eq!(texts(3)[5..8], ["70.00", "10.00", "60.00"]);
        assert_eq!(texts(3)[9..], ["5.52", "54.48"]);
        assert_eq!((texts(4)[0], texts(4)[7]), ("Given back together", "-10.00"));
        let paper = entries(&document()).on_paper();
        let sums = paper.rows.last().expect("sums");
        assert_eq!((sums[2].value.as_str(), sums[3].value.as_str()), ("60.00", "60.00"));
    }

    #[test]
    fn a_file_has_words_that_programs_read() {
        let file = String::from_utf8(lines(&document()).csv()).expect("UTF-8");
        let rows: Vec<&str> = file.lines().collect();
        assert_eq!(rows[0], "\u{feff}kind,what,agent,account,quantity,list,discount,gross,tax,vat,net");
        assert!(rows[1].starts_with("sale,") && rows[1].ends_with(",2,25.00,5.00,20.00,B,2.76,17.24"), "{}", rows[1]);
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn paper_has_the_number_the_lines_and_the_entries() {
        let paper = String::from_utf8_lossy(&on_paper("Mlango", &document())).into_owned();
        for words in [
            "(Document 20261122-NBO1-M) Tj",
            "(M-Pesa at No place, 22 November 2026) Tj",
            "(Sold together) Tj",
            "(Together) Tj",
        ] {
            assert!(paper.contains(words), "{words}");
        }
    }

    #[test]
    fn a_page_leads_to_its_files() {
        let html = sample(page()).render().expect("renders");
        for address in ["20261122-NBO1-M.csv\"", "20261122-NBO1-M.csv?section=entries\"", "20261122-NBO1-M.pdf\""] {
            assert!(html.contains(address), "{address}: {html}");
        }
    }
}
