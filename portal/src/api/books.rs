//! The books, to be read: days that are closed, and their documents; and closing a day that is over. What is closed cannot be changed from here
//! either.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, rfc3339};
use store::books::day::{self, Day};
use store::books::document::{self, Document, Entry, Line, Summary};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month};

use super::auth::Token;
use super::id::{Kind as Thing, spell};
use super::input::{Input, Read, got, id_of};
use super::json::Money;
use super::list::Asked;
use super::problem::{Kind, Problem};
use super::single::Single;
use crate::App;

/// The first and the last day that can be asked for.
const FIRST: Date = day_of(2000, Month::January, 1);
const LAST: Date = day_of(2099, Month::December, 31);

const fn day_of(year: i32, month: Month, day: u8) -> Date {
    match Date::from_calendar_date(year, month, day) {
        Ok(day) => day,
        Err(_) => Date::MIN,
    }
}

/// A day in its one spelling.
fn read_day(text: &str) -> Read<Date> {
    let begins = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).map(OffsetDateTime::date);
    let day = begins.ok().filter(|day| (FIRST..=LAST).contains(day) && day.to_string() == text);
    day.ok_or_else(|| "write a day such as 2026-11-29".to_owned())
}

fn day_field(value: &Value) -> Read<Date> {
    read_day(value.as_str().ok_or("write text")?)
}

#[derive(Debug, Serialize)]
struct SpeltDay {
    day: String,
    site: Option<String>,
    site_name: Option<String>,
    closed_at: String,
    closed_by: String,
    documents: Vec<SpeltSummary>,
}

#[derive(Debug, Serialize)]
struct SpeltSummary {
    number: String,
    method: String,
    sales: Money,
    refunds: Money,
    fees: Money,
    tax: Money,
}

#[derive(Debug, Serialize)]
struct SpeltDocument {
    number: String,
    day: String,
    site: Option<String>,
    site_name: Option<String>,
    time_zone: String,
    method: String,
    currency: String,
    closed_at: String,
    closed_by: String,
    lines: Vec<SpeltLine>,
    entries: Vec<SpeltEntry>,
}

#[derive(Debug, Serialize)]
struct SpeltLine {
    position: i32,
    kind: &'static str,
    account: String,
    package: Option<String>,
    description: String,
    quantity: i64,
    list: Money,
    discount: Money,
    gross: Money,
    tax_letter: Option<String>,
    tax_rate: Option<i32>,
    tax: Money,
    agent: Option<String>,
}

#[derive(Debug, Serialize)]
struct SpeltEntry {
    account: String,
    name: String,
    debit: Money,
    credit: Money,
}

#[derive(Debug, Serialize)]
struct SpeltClosed {
    day: String,
    site: Option<String>,
    documents: Vec<String>,
    is_new: bool,
}

fn money(amount: i64, currency: &str) -> Money {
    Money { amount, currency: currency.to_owned() }
}

fn spelt_summary(document: &Summary) -> SpeltSummary {
    let amount = |minor| money(minor, &document.currency);
    SpeltSummary {
        number: document.number.clone(),
        method: document.method.clone(),
        sales: amount(document.sales),
        refunds: amount(document.refunds),
        fees: amount(document.fees),
        tax: amount(document.tax),
    }
}

fn spelt_day(day: &Day) -> SpeltDay {
    SpeltDay {
        day: day.day.to_string(),
        site: day.site.map(|site| spell(Thing::Site, site)),
        site_name: day.site_name.clone(),
        closed_at: rfc3339(day.closed_at),
        closed_by: day.closed_by.clone(),
        documents: day.documents.iter().map(spelt_summary).collect(),
    }
}

fn spelt_line(line: &Line, currency: &str) -> SpeltLine {
    SpeltLine {
        position: line.position,
        kind: line.kind.as_str(),
        account: line.account.clone(),
        package: line.package.map(|package| spell(Thing::Package, package)),
        description: line.description.clone(),
        quantity: line.quantity,
        list: money(line.list, currency),
        discount: money(line.discount, currency),
        gross: money(line.gross, currency),
        tax_letter: line.tax_letter.clone(),
        tax_rate: line.tax_rate,
        tax: money(line.tax, currency),
        agent: line.agent.clone(),
    }
}

fn spelt(document: &Document) -> SpeltDocument {
    let currency = &document.currency;
    let entry = |entry: &Entry| SpeltEntry {
        account: entry.account.clone(),
        name: entry.name.clone(),
        debit: money(entry.debit, currency),
        credit: money(entry.credit, currency),
    };
    SpeltDocument {
        number: document.number.clone(),
        day: document.day.to_string(),
        site: document.site.map(|site| spell(Thing::Site, site)),
        site_name: document.site_name.clone(),
        time_zone: document.time_zone.clone(),
        method: document.method.clone(),
        currency: currency.clone(),
        closed_at: rfc3339(document.closed_at),
        closed_by: document.closed_by.clone(),
        lines: document.lines.iter().map(|line| spelt_line(line, currency)).collect(),
        entries: document.entries.iter().map(entry).collect(),
    }
}

/// `GET /books/days`.
pub(super) async fn days(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let since = asked.filter("since", read_day)?.unwrap_or(FIRST);
    let until = asked.filter("until", read_day)?.unwrap_or(LAST);
    let days = day::page(&app.db, (since, until), asked.after(&app)?.id, asked.rows()).await?;
    Ok(asked.page(&app, days, |day| (OffsetDateTime::UNIX_EPOCH, day.id), spelt_day))
}

/// `GET /books/documents/{number}`.
pub(super) async fn document(
    State(app): State<App>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = document::find(&app.db, &number, &SiteScope::All).await?;
    let document = found.ok_or_else(|| Problem::new(Kind::NotFound))?;
    Ok(Single::new(spelt(&document)).read(&headers))
}

/// `POST /books/days/close`.
pub(super) async fn close(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let day = input.required("day", day_field);
    let site = input.optional("site", id_of(Thing::Site));
    input.done()?;
    let day = got(day)?;
    let place = match site {
        Some(site) => store::site::desk::get(&app.db, &SiteScope::All, site).await?.name,
        None => "No place".to_owned(),
    };
    let closed = day::close(&app.db, site, day, &token.actor, app.clock.now()).await?;
    if closed.is_new {
        token.audit(&app, "books.close", &format!("{day} {place}")).await?;
    }
    let site = site.map(|site| spell(Thing::Site, site));
    let told = SpeltClosed { day: day.to_string(), site, documents: closed.documents, is_new: closed.is_new };
    Ok(Json(told).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!(read_day("2026-11-29").map(|day| day.to_string()), Ok("2026-11-29".to_owned()));
        assert_eq!((read_day("2000-01-01"), read_day("2099-12-31")), (Ok(FIRST), Ok(LAST)));
        assert!(read_day("2028-02-29").is_ok(), "a leap year");
        for text in ["2026-02-29", "1999-12-31", "2100-01-01", "2026-1-1", "", "20261129", "2026-11-29 "] {
            assert!(read_day(text).is_err(), "{text}");
        }
        assert!(day_field(&Value::from(20_261_129)).is_err());
    }
}
