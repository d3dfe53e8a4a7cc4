//! `/admin/books/taxes`: which rates there are, each from a day on; which package has which of them; and setting both.
//!
//! A day is closed with what held on it and keeps that. So nothing is set from a day on that is closed anywhere: the page would say something
//! else than the documents do.
//!
//! They are the same at all sites, so those who are limited to some read them and set none.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::config::Etims;
use shared::staff::{Permission, SiteScope};
use shared::time::Zone;
use store::books::line::last_closed;
use store::books::tax::{self, Letter, Rate};
use store::package::Package;
use time::{Date, Duration};
use uuid::Uuid;

use super::sheet::{Drawn, Head, Sheet};
use super::{in_words, moment, percent, read_day};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, Filled, Form, Problems, told};
use crate::admin::listing::Cell;
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::reports::amounts::decimal;
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::views::assets;

const LIST: &str = "/admin/books/taxes";
const SET_LETTER: &str = "/admin/books/taxes/letters";
const SET_RATE: &str = "/admin/books/taxes/rates";
/// Characters of a rate's name at most.
const LONGEST_NAME: usize = 50;
/// Hundredths of a percent at most.
const WHOLE: i32 = 10_000;

const RATES: [Head; 4] =
    [("Letter", "letter", false), ("Name", "name", false), ("Rate", "rate", true), ("From the day", "since", false)];
const LETTERS: [Head; 4] = [
    ("Package", "package", false),
    ("Letter", "letter", false),
    ("From the day", "since", false),
    ("Set by", "set_by", false),
];

#[derive(Debug, Template)]
#[template(path = "admin/books/taxes.html")]
pub(in crate::admin) struct Taxes {
    page: Page,
    style: String,
    wide: String,
    done: &'static str,
    problem: &'static str,
    sheets: Vec<Drawn>,
    forms: Vec<Form>,
}

/// What stands on the page.
struct Known {
    rates: Vec<Rate>,
    letters: Vec<Letter>,
    packages: Vec<Package>,
    last_closed: Option<Date>,
    today: Date,
    /// Whether what is sold is signed by the tax authority as it is sold, and not when its day is closed.
    signs: bool,
}

impl Known {
    async fn read(app: &App) -> Result<Known, Refusal> {
        Ok(Known {
            rates: tax::rates(&app.db).await?,
            letters: tax::letters(&app.db).await?,
            packages: store::package::all(&app.db).await?,
            last_closed: last_closed(&app.db).await?,
            today: Zone::default().at(app.clock.now()).date(),
            signs: app.config.etims.as_ref().is_some_and(Etims::signs_orders),
        })
    }

    /// The day from which something is to hold, if none is closed that it would be of.
    fn since(&self, text: &str) -> Result<Date, String> {
        let day = read_day(text)?;
        if self.signs && day <= self.today {
            return Err(
                "what is sold today is signed with the taxes that hold now: choose tomorrow or a later day".into()
            );
        }
        match self.last_closed.filter(|last| day <= *last) {
            None => Ok(day),
            Some(last) => {
                let (last, next) = (in_words(last), in_words(last.saturating_add(Duration::DAY)));
                Err(format!("{last} is closed and keeps its taxes: choose {next} or a later day"))
            }
        }
    }

    /// The first day from which something can be set today.
    fn first(&self) -> Date {
        let today = if self.signs { self.today.saturating_add(Duration::DAY) } else { self.today };
        self.last_closed.map_or(today, |last| today.max(last.saturating_add(Duration::DAY)))
    }

    /// Which days can be chosen, for whoever is about to.
    fn hint(&self) -> String {
        match self.last_closed {
            // Whatever is closed lies before today.
            _ if self.signs => "What is sold today is signed already: tomorrow or a later day.".to_owned(),
            Some(last) => format!("{} is closed: a later day.", in_words(last)),
            None => "No day is closed yet: any day.".to_owned(),
        }
    }
}

/// `GET /admin/books/taxes`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let done = match sent.text("done") {
        "letter" => "The letter is set.",
        "rate" => "The rate is set.",
        _ => "",
    };
    let known = Known::read(&app).await?;
    page(&app, &staff, &known, &Sent::none(&known), &Problems::default(), done)
}

/// `POST /admin/books/taxes/letters`.
pub(in crate::admin) async fn set_letter(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    unlimited(staff)?;
    let known = Known::read(&app).await?;
    let mut problems = Problems::default();
    let again = Sent { letter: sent.clone(), ..Sent::none(&known) };
    let Some((package, letter, since)) = read_letter(sent, &known, &mut problems) else {
        return page(&app, staff, &known, &again, &problems, "");
    };
    let now = app.clock.now();
    match told(tax::set_letter(&app.db, package, letter, since, &staff.admin.email, now).await)? {
        // The audit log has it from the same transaction.
        Ok(()) => Ok(Redirect::to(&format!("{LIST}?done=letter")).into_response()),
        Err(problem) => {
            problems.note("letter", problem);
            page(&app, staff, &known, &again, &problems, "")
        }
    }
}

/// `POST /admin/books/taxes/rates`.
pub(in crate::admin) async fn set_rate(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    unlimited(staff)?;
    let known = Known::read(&app).await?;
    let mut problems = Problems::default();
    let again = Sent { rate: sent.clone(), ..Sent::none(&known) };
    let Some((letter, name, rate, since)) = read_rate(sent, &known, &mut problems) else {
        return page(&app, staff, &known, &again, &problems, "");
    };
    let now = app.clock.now();
    match told(tax::set_rate(&app.db, letter, name, rate, since, &staff.admin.email, now).await)? {
        Ok(()) => Ok(Redirect::to(&format!("{LIST}?done=rate")).into_response()),
        Err(problem) => {
            problems.note("rate", problem);
            page(&app, staff, &known, &again, &problems, "")
        }
    }
}

fn unlimited(staff: &Staff) -> Result<(), Refusal> {
    if *staff.sites() == SiteScope::All { Ok(()) } else { Err(Refusal::NotYours(Permission::KeepBooks)) }
}

fn read_letter<'a>(sent: &'a Fields, known: &Known, problems: &mut Problems) -> Option<(Option<Uuid>, &'a str, Date)> {
    let package = match sent.text("package") {
        "" => Some(None),
        id => {
            let found = known.packages.iter().find(|package| package.id.to_string() == id);
            problems.keep("package", found.map(|package| Some(package.id)).ok_or("choose one of these"))
        }
    };
    let letter = sent.text("letter");
    if !known.rates.iter().any(|rate| rate.letter == letter) {
        problems.note("letter", "choose one of these");
    }
    let since = problems.keep("letter_since", known.since(sent.text("letter_since")));
    let (package, since) = package.zip(since)?;
    problems.is_empty().then_some((package, letter, since))
}

fn read_rate<'a>(sent: &'a Fields, known: &Known, problems: &mut Problems) -> Option<(&'a str, &'a str, i32, Date)> {
    let (letter, name) = (sent.text("new_letter"), sent.text("name"));
    if !matches!(letter.as_bytes(), [b'A'..=b'Z']) {
        problems.note("new_letter", "write one capital letter, such as B");
    }
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        problems.note("name", format!("write a name of at most {LONGEST_NAME} characters"));
    }
    let rate = problems.keep("rate", hundredths(sent.text("rate")));
    let since = problems.keep("rate_since", known.since(sent.text("rate_since")));
    let (rate, since) = rate.zip(since)?;
    problems.is_empty().then_some((letter, name, rate, since))
}

/// `16`, `8.5` or `8.25` percent, in hundredths of one.
fn hundredths(text: &str) -> Result<i32, &'static str> {
    let wrong = "write a rate such as 16 or 8.5, of 0 to 100 percent";
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits =
        |part: &str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|octet| octet.is_ascii_digit());
    if !is_digits(whole) || !is_digits(rest) || rest.len() > 2 {
        return Err(wrong);
    }
    let rate = format!("{whole}{rest:0<2}").parse::<i32>().map_err(|_| wrong)?;
    if rate <= WHOLE { Ok(rate) } else { Err(wrong) }
}

/// What was typed into each of the two forms.
struct Sent {
    letter: Fields,
    rate: Fields,
}

impl Sent {
    /// Nothing yet: forms that begin with the first day that can be chosen.
    fn none(known: &Known) -> Sent {
        let first = known.first().to_string();
        Sent {
            letter: Fields::default().with("letter_since", first.clone()),
            rate: Fields::default().with("rate_since", first),
        }
    }
}

fn page(
    app: &App,
    staff: &Staff,
    known: &Known,
    sent: &Sent,
    problems: &Problems,
    done: &'static str,
) -> Result<Response, Refusal> {
    let page = Page::new(app, staff, Tab::Books);
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let can_set = staff.may(Permission::KeepBooks) && *staff.sites() == SiteScope::All;
    let forms = if can_set { forms(known, sent, problems) } else { Vec::new() };
    answer(status, &Taxes { done, forms, ..drawn(page, known, problems) })
}

fn drawn(page: Page, known: &Known, problems: &Problems) -> Taxes {
    Taxes {
        page,
        style: style(),
        wide: assets::url("charts.css"),
        done: "",
        problem: if problems.is_empty() { "" } else { "Nothing was set: look at what is marked below." },
        sheets: vec![rates(known).drawn(""), letters(known).drawn("")],
        forms: Vec::new(),
    }
}

fn rates(known: &Known) -> Sheet {
    let mut sheet = Sheet::new("rates", "Rates", &RATES, "There is no rate.")
        .note("Each counts from its day on, until another one of its letter does. Prices have the tax in them.");
    for rate in &known.rates {
        sheet.row(vec![
            Cell::text(rate.letter.as_str()),
            Cell::text(rate.name.as_str()),
            Cell::text(percent(rate.rate)).value(decimal(rate.rate.into())),
            since(rate.since),
        ]);
    }
    sheet
}

fn letters(known: &Known) -> Sheet {
    let mut sheet = Sheet::new("letters", "Packages", &LETTERS, "No package has a letter.")
        .note("A package that does not stand here has the letter of all others.");
    for letter in &known.letters {
        let package = match letter.package {
            Some(_) => letter.package_name.clone().unwrap_or_default(),
            None => "All others".to_owned(),
        };
        sheet.row(vec![
            Cell::text(package),
            Cell::text(letter.letter.as_str()),
            since(letter.since),
            Cell::text(letter.set_by.as_str()).small(moment(shared::time::HOME, letter.set_at)),
        ]);
    }
    sheet
}

fn since(day: Date) -> Cell {
    Cell::text(in_words(day)).value(day.to_string())
}

fn forms(known: &Known, sent: &Sent, problems: &Problems) -> Vec<Form> {
    let packages: Vec<(String, String)> = std::iter::once((String::new(), "All others".to_owned()))
        .chain(known.packages.iter().map(|package| (package.id.to_string(), package.name.clone())))
        .collect();
    let mut names: Vec<(String, String)> = Vec::new();
    for rate in &known.rates {
        if !names.iter().any(|(letter, _)| *letter == rate.letter) {
            names.push((rate.letter.clone(), format!("{}: {}", rate.letter, rate.name)));
        }
    }
    let when = known.hint();
    let filled = Filled { sent: &sent.letter, problems };
    let letter = Form::new("letter", SET_LETTER, "Set the letter")
        .titled(
            "The tax of a package",
            "From that day on it is sold with this tax. What was sold before keeps its own.",
        )
        .field(filled.choice("package", "Package", &packages))
        .field(filled.choice("letter", "Letter", &names))
        .field(filled.day("letter_since", "From the day").hint(when.clone()).required());
    let filled = Filled { sent: &sent.rate, problems };
    let rate = Form::new("rate", SET_RATE, "Set the rate")
        .titled(
            "A rate",
            "When the law changes one, or has a new one. Kenya's letters: A exempt, B 16 %, C zero, D no VAT, E 8 %.",
        )
        .field(filled.text("new_letter", "Letter").required())
        .field(filled.text("name", "Name").hint("As receipts show it, such as VAT 16 %.").required())
        .field(filled.number("rate", "Rate in percent").hint("Such as 16 or 8.5.").required())
        .field(filled.day("rate_since", "From the day").hint(when).required());
    vec![letter, rate]
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::time::OffsetDateTime;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn date(text: &str) -> Date {
        read_day(text).expect("a day")
    }

    fn known(last_closed: Option<&str>) -> Known {
        let letter = |package: Option<Uuid>| Letter {
            package,
            package_name: package.map(|_| HOSTILE.into()),
            letter: "B".into(),
            since: date("2026-11-01"),
            set_at: OffsetDateTime::UNIX_EPOCH,
            set_by: HOSTILE.into(),
        };
        Known {
            rates: vec![Rate { letter: "B".into(), name: HOSTILE.into(), rate: 1600, since: date("2026-11-01") }],
            letters: vec![letter(None), letter(Some(Uuid::from_u128(1)))],
            packages: Vec::new(),
            last_closed: last_closed.map(date),
            today: date("2026-11-29"),
            signs: false,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Taxes {
        let known = known(Some("2026-11-22"));
        let mut problems = Problems::default();
        for name in ["letter", "rate_since"] {
            problems.note(name, HOSTILE);
        }
        let sent = Sent { rate: Fields::default().with("name", HOSTILE), ..Sent::none(&known) };
        let forms = forms(&known, &sent, &problems);
        Taxes { done: "The letter is set.", forms, ..drawn(page, &known, &problems) }
    }

    #[test]
    fn nothing_is_set_from_a_day_on_that_is_closed() {
        let known = known(Some("2026-11-22"));
        assert_eq!(known.since("2026-11-23"), Ok(date("2026-11-23")));
        for text in ["2026-11-22", "2026-01-01"] {
            let problem = known.since(text).expect_err("it is closed");
            assert_eq!(
                problem,
                "22 November 2026 is closed and keeps its taxes: choose 23 November 2026 or a later day"
            );
        }
        assert!(known.since("soon").is_err());
        assert_eq!(known.first(), date("2026-11-29"));
        assert_eq!(super::tests::known(Some("2026-11-29")).first(), date("2026-11-30"));
        assert!(super::tests::known(None).since("2026-01-01").is_ok());
        let signed = Known { signs: true, ..super::tests::known(None) };
        assert!(signed.since("2026-11-29").expect_err("it is signed").contains("choose tomorrow"));
        assert_eq!((signed.since("2026-11-30"), signed.first()), (Ok(date("2026-11-30")), date("2026-11-30")));
        assert!(signed.hint().contains("tomorrow") && known.hint().contains("is closed"));
    }

    #[test]
    fn a_form_is_read_whole_or_not_at_all() {
        let known = known(None);
        let letter = |letter: &str, package: &str| {
            let sent =
                Fields::default().with("letter", letter).with("package", package).with("letter_since", "2026-12-01");
            read_letter(&sent, &known, &mut Problems::default())
                .map(|(package, letter, _)| (package, letter.to_owned()))
        };
        assert_eq!(letter("B", ""), Some((None, "B".to_owned())));
        assert_eq!(letter("Z", ""), None, "it has no rate");
        assert_eq!(letter("B", "x"), None);
        let rate = |letter: &str, rate: &str| {
            let fields = Fields::default().with("new_letter", letter).with("name", "VAT").with("rate", rate);
            read_rate(&fields.with("rate_since", "2026-12-01"), &known, &mut Problems::default())
                .map(|(.., rate, _)| rate)
        };
        for (text, expected) in
            [("16", Some(1600)), ("8.5", Some(850)), ("8.25", Some(825)), ("0", Some(0)), ("100", Some(10_000))]
        {
            assert_eq!(rate("B", text), expected, "{text}");
        }
        for text in ["", "-1", "100.01", "101", "8.255", "x", "16 %", "1e2"] {
            assert_eq!(rate("B", text), None, "{text}");
        }
        for letter in ["b", "", "BB", "É"] {
            assert_eq!(rate(letter, "16"), None, "{letter}");
        }
    }
}
