//! `/admin/books/statements/new`: a statement is brought. The file's text stands in the form: a script puts it there when a file is chosen
//! (`static/statement.js`), and without scripts it is pasted. Whose it is, and what a bank's columns are, is told from the file; what cannot be
//! told is asked on the same page, with the text in it.
//!
//! Refused here: a file that cannot be read to its last row. Nothing of it is written down then.

use std::fmt::Display;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use books::statement::bank::{self, Amounts, Guess, Mapping, Order};
use books::statement::{Format, OCTETS_MAX, Problem, Statement, read};
use sha2::{Digest as _, Sha256};
use store::books::statement::{self, Imported, Line, New};

use super::{LIST, everywhere};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, sentence, told};
use crate::admin::page::{Page, Tab, answer, style};
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::views::assets;

/// The largest form, in octets: what stands in it is written with up to three octets for one.
pub(in crate::admin) const FORM_LIMIT: usize = 3 * OCTETS_MAX + 16 * 1024;
/// The longest name of a file, in characters.
const NAME_MAX: usize = 100;
/// Fields that choose a bank's columns, with what they are for.
const COLUMNS: [(&str, &str); 6] = [
    ("date", "Date"),
    ("description", "Description"),
    ("reference", "Reference, if there is one"),
    ("amount", "Amount, with its sign"),
    ("went", "Or: what went (debit)"),
    ("came", "and what came (credit)"),
];

#[derive(Debug, Template)]
#[template(path = "admin/books/statement_upload.html")]
pub(in crate::admin) struct Upload {
    page: Page,
    style: String,
    script: String,
    problem: String,
    text: String,
    file_name: String,
    formats: Vec<Choice>,
    /// A bank's columns, where they are to be chosen.
    columns: Vec<Column>,
    orders: Vec<Choice>,
    currency: String,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
}

#[derive(Debug)]
struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

/// `GET /admin/books/statements/new`.
pub(in crate::admin) async fn ask(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    everywhere(&staff)?;
    let page = Page::new(&app, &staff, Tab::Books);
    answer(StatusCode::OK, &upload(page, &Fields::default(), String::new()))
}

/// `POST /admin/books/statements`.
pub(in crate::admin) async fn take(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    everywhere(staff)?;
    let statement = match read_sent(sent) {
        Ok(statement) => statement,
        Err(problem) => return again(&app, staff, sent, &problem),
    };
    let name: String = sent.text("file_name").chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect();
    let name = if name.is_empty() { "pasted".to_owned() } else { name };
    let new = New {
        account: statement.format.as_str(),
        file_name: &name,
        digest: digest(sent.exact("text"), statement.format),
        since: statement.since,
        until: statement.until,
        lines: statement.lines.into_iter().map(line).collect(),
        by: &staff.admin.email,
    };
    let imported = match told(statement::import(&app.db, &new, app.clock.now()).await)? {
        Ok(imported) => imported,
        Err(problem) => return again(&app, staff, sent, &problem),
    };
    let query = match imported {
        Imported::Known { .. } => "done=known".to_owned(),
        Imported::New { new: lines, known, matched, .. } => {
            audit(&app, staff, "statement.import", &format!("{} {name}: {lines} lines", new.account)).await?;
            format!("done=imported&new={lines}&known={known}&matched={matched}&passed={}", statement.passed_over)
        }
    };
    Ok(Redirect::to(&format!("{LIST}?{query}")).into_response())
}

/// What the file says, as the form says that it is to be read.
fn read_sent(sent: &Fields) -> Result<Statement, Problem> {
    let octets = sent.exact("text").as_bytes();
    let format = Format::named(sent.text("format")).unwrap_or_else(|| Format::of(octets));
    match format {
        Format::Mpesa | Format::Stripe => read(format, octets),
        Format::Bank => bank::read(octets, &mapping(sent, bank::guess(octets)?)?),
    }
}

/// The columns that were chosen; where none was, those that were guessed.
fn mapping(sent: &Fields, guess: Guess) -> Result<Mapping, Problem> {
    let chosen = |name: &str| Some(sent.text(name).to_owned()).filter(|column| !column.is_empty());
    let amounts = match (chosen("amount"), chosen("went"), chosen("came")) {
        (Some(amount), None, None) => Some(Amounts::One(amount)),
        (None, Some(went), Some(came)) => Some(Amounts::Two(went, came)),
        (None, None, None) => guess.amounts,
        _ => return Err(Problem::ChooseColumn("amount: either the one column, or both of what went and what came")),
    };
    let guess = Guess {
        date: chosen("date").or(guess.date),
        order: Order::named(sent.text("order")).or(guess.order),
        description: chosen("description").or(guess.description),
        reference: chosen("reference").or(guess.reference),
        amounts,
        columns: guess.columns,
    };
    let mapping = guess.mapping()?;
    let currency = sent.text("currency").to_uppercase().parse().unwrap_or(mapping.currency);
    Ok(Mapping { currency, ..mapping })
}

/// The same for the same file, whatever the browser made of the ends of its lines.
fn digest(text: &str, format: Format) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format.as_str());
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        hash.update(b"\n");
        hash.update(line);
    }
    hash.finalize().into()
}

fn line(line: books::statement::Line) -> Line {
    Line {
        reference: line.reference,
        discriminator: line.discriminator,
        kind: line.kind.as_str(),
        at: line.at,
        amount: line.amount,
        details: line.details,
        party: line.party,
        related: line.related,
    }
}

fn again(app: &App, staff: &Staff, sent: &Fields, problem: &impl Display) -> Result<Response, Refusal> {
    let page = Page::new(app, staff, Tab::Books);
    answer(StatusCode::UNPROCESSABLE_ENTITY, &upload(page, sent, sentence(&problem.to_string())))
}

fn upload(page: Page, sent: &Fields, problem: String) -> Upload {
    let text = sent.exact("text").to_owned();
    let is_bank = match Format::named(sent.text("format")) {
        Some(format) => format == Format::Bank,
        None => !text.is_empty() && Format::of(text.as_bytes()) == Format::Bank,
    };
    let guess = if is_bank { bank::guess(text.as_bytes()).ok() } else { None };
    let formats = std::iter::once(("", "Tell by the file".to_owned()))
        .chain(Format::ALL.map(|format| (format.as_str(), format.name().to_owned())));
    let orders = [
        ("", "Tell by the file"),
        (Order::Day.as_str(), "Day first, as 22/11/2026"),
        (Order::Month.as_str(), "Month first, as 11/22/2026"),
        (Order::Year.as_str(), "Year first, as 2026-11-22"),
    ];
    Upload {
        page,
        style: style(),
        script: assets::url("statement.js"),
        problem,
        text,
        file_name: sent.text("file_name").to_owned(),
        formats: formats.map(|(value, label)| choice(value, label, sent.text("format"))).collect(),
        columns: guess.map(|guess| columns(&guess, sent)).unwrap_or_default(),
        orders: orders.map(|(value, label)| choice(value, label.to_owned(), sent.text("order"))).into(),
        currency: Some(sent.text("currency")).filter(|code| !code.is_empty()).unwrap_or("KES").to_owned(),
    }
}

fn columns(guess: &Guess, sent: &Fields) -> Vec<Column> {
    let guessed = |name: &str| match (name, &guess.amounts) {
        ("date", _) => guess.date.as_deref(),
        ("description", _) => guess.description.as_deref(),
        ("reference", _) => guess.reference.as_deref(),
        ("amount", Some(Amounts::One(amount))) => Some(amount.as_str()),
        ("went", Some(Amounts::Two(went, _))) => Some(went.as_str()),
        ("came", Some(Amounts::Two(_, came))) => Some(came.as_str()),
        _ => None,
    };
    let column = |(name, label): (&'static str, &'static str)| {
        let chosen = Some(sent.text(name)).filter(|text| !text.is_empty()).or(guessed(name)).unwrap_or_default();
        let none = choice("", "no column".to_owned(), chosen);
        let choices = guess.columns.iter().map(|column| choice(column, column.clone(), chosen));
        Column { name, label, choices: std::iter::once(none).chain(choices).collect() }
    };
    COLUMNS.into_iter().map(column).collect()
}

fn choice(value: &str, label: String, chosen: &str) -> Choice {
    Choice { value: value.to_owned(), label, is_chosen: value == chosen }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    const BANK: &str = "Date,Narrative,Debit,Credit\n03/02/2026,x,,10\n";

    pub(in crate::admin) fn sample(page: Page) -> Upload {
        let text = format!("{BANK}04/02/2026,{HOSTILE},1,\n");
        let sent = Fields::default().with("text", text).with("file_name", HOSTILE);
        upload(page, &sent, HOSTILE.into())
    }

    #[test]
    fn what_a_bank_leaves_open_is_asked() {
        let sent = Fields::default().with("text", BANK);
        assert_eq!(read_sent(&sent), Err(Problem::ChooseOrder));
        let page = sample(crate::admin::page::tests::page());
        assert_eq!(page.columns.len(), COLUMNS.len());
        assert!(page.columns[0].choices.iter().any(|choice| choice.is_chosen && choice.value == "Date"));
        let read = read_sent(&sent.clone().with("order", "day").with("currency", "ugx")).expect("readable");
        assert_eq!((read.lines.len(), read.lines[0].amount.currency.as_str()), (1, "UGX"));
        assert!(read_sent(&sent.with("order", "day").with("went", "Debit")).is_err(), "one of two is not enough");
    }

    #[test]
    fn the_same_file_is_the_same_whatever_ends_its_lines() {
        let one = digest("\u{feff}a,b\r\n1,2\r\n", Format::Bank);
        assert_eq!(one, digest("a,b\n1,2", Format::Bank));
        assert_ne!(one, digest("a,b\n1,3", Format::Bank));
        assert_ne!(one, digest("a,b\n1,2", Format::Mpesa));
    }
}
