//! The calendar: what the operator knows and no series can: public holidays, events, closures, of one site or of all. Those hours are not learnt
//! from, and what is known of the ones to come goes into the forecasts of the next night. An entry is taken out and written anew, not changed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;
use shared::rng;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, Zone, rfc3339};
use store::StoreError;
use store::prediction::calendar::{self, Entry, Kind, Span};

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{Input, count, got, id_of, line, moment, whole, word};
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;
use crate::predictions::calendar::{LONGEST_DAYS, LONGEST_NAME, MOST_PERCENT, is_too_long, write_holidays, years};

const KINDS: [(&str, Kind); 3] = [("holiday", Kind::Holiday), ("event", Kind::Event), ("closed", Kind::Closed)];

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    kind: &'static str,
    name: String,
    site: Option<String>,
    from: String,
    until: String,
    percent: Option<f64>,
    created_by: String,
}

fn spelt(entry: &Entry) -> Spelt {
    Spelt {
        id: spell(Thing::CalendarDay, entry.id),
        kind: entry.span.kind.as_str(),
        name: entry.span.name.clone(),
        site: entry.span.site.map(|site| spell(Thing::Site, site)),
        from: rfc3339(entry.span.from),
        until: rfc3339(entry.span.until),
        percent: entry.span.factor.map(|factor| (factor * 100.0).round()),
        created_by: entry.created_by.clone(),
    }
}

/// `GET /calendar-days`.
pub(super) async fn list(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let since = asked.filter("since", |text| moment(&Value::from(text)))?.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let entries = calendar::page(&app.db, since, asked.after(&app)?.id, asked.rows()).await?;
    Ok(asked.page(&app, entries, |entry| (OffsetDateTime::UNIX_EPOCH, entry.id), spelt))
}

/// `GET /calendar-days/{id}`.
pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entry = calendar::get(&app.db, in_path(Thing::CalendarDay, &id)?).await?;
    Ok(Single::new(spelt(&entry)).read(&headers))
}

/// `POST /calendar-days`.
pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let kind = input.required("kind", word(&KINDS));
    let name = input.required("name", line(LONGEST_NAME));
    let site = input.optional("site", id_of(Thing::Site));
    let (from, until) = (input.required("from", moment), input.required("until", moment));
    let percent = input.optional("percent", count(0..=MOST_PERCENT));
    input.done()?;
    let span = Span {
        site,
        kind: got(kind)?,
        name: got(name)?,
        from: got(from)?,
        until: got(until)?,
        factor: percent.map(|percent| f64::from(percent) / 100.0),
    };
    let zone = match site {
        Some(site) => Zone::named(&store::rest::site::get(&app.db, site).await?.time_zone).unwrap_or_default(),
        None => Zone::default(),
    };
    if span.until <= span.from || is_too_long(span.from, span.until, &zone) {
        return Err(refused(format!("it must end after it begins, and within {LONGEST_DAYS} days")));
    }
    let now = app.clock.now();
    let id = rng::id(now);
    if !calendar::add(&app.db, id, &span, &token.line("calendar.add", ""), now).await? {
        return Err(refused("this stands in the calendar".into()));
    }
    let entry = calendar::get(&app.db, id).await?;
    Ok(Single::new(spelt(&entry)).created(&format!("/calendar-days/{}", spell(Thing::CalendarDay, id))))
}

/// `DELETE /calendar-days/{id}`.
pub(super) async fn remove(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entry = calendar::get(&app.db, in_path(Thing::CalendarDay, &id)?).await?;
    Single::new(spelt(&entry)).unchanged(&headers)?;
    let line = token.line("calendar.remove", "");
    calendar::remove(&app.db, &SiteScope::All, entry.id, &line, app.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Serialize)]
struct Holidays {
    year: i32,
    added: u32,
}

/// `POST /calendar-days/holidays`: Kenya's public holidays of a year. What is there already stays, so twice is once.
pub(super) async fn holidays(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let year = input.required("year", whole(2000..=2100));
    input.done()?;
    let (year, now) = (got(year)?, app.clock.now());
    let known = years(now);
    let year = known.into_iter().find(|known| i64::from(*known) == year);
    let year = year.ok_or_else(|| refused(format!("the year must be {} or {}", known[0], known[1])))?;
    let object = format!("public holidays of Kenya {year}");
    let added = write_holidays(&app.db, year, &token.line("calendar.add", &object), now).await?;
    Ok(Json(Holidays { year, added }).into_response())
}

/// What the calendar cannot keep, in a sentence.
fn refused(sentence: String) -> Problem {
    StoreError::Conflict(sentence).into()
}
