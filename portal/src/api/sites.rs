//! Sites: the places where routers stand. None is deleted: routers, prices and history name it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use shared::rng;
use shared::time::{Zone, rfc3339};
use store::rest::site;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{Input, Read, got, line, number, whole};
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

/// Where a place is that nobody said.
const HOME: &str = "Africa/Nairobi";
/// Sessions that a site can carry at most.
const MOST_SESSIONS: i64 = 1_000_000;

#[derive(Debug, Serialize)]
struct Site {
    id: String,
    name: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    time_zone: String,
    session_limit: Option<i32>,
    created_at: String,
}

fn spelt(site: &site::Site) -> Site {
    Site {
        id: spell(Thing::Site, site.id),
        name: site.name.clone(),
        latitude: site.latitude,
        longitude: site.longitude,
        time_zone: site.time_zone.clone(),
        session_limit: site.session_limit,
        created_at: rfc3339(site.created_at),
    }
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let sites = site::all(&app.db).await?;
    asked.page_of_all(&app, sites, |site| site.id, spelt)
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let site = site::get(&app.db, in_path(Thing::Site, &id)?).await?;
    Ok(Single::new(spelt(&site)).read(&headers))
}

pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let name = input.required("name", line(200));
    let latitude = input.optional("latitude", number(-90.0..=90.0));
    let longitude = input.optional("longitude", number(-180.0..=180.0));
    let time_zone = input.optional("time_zone", zone);
    let session_limit = input.optional("session_limit", sessions);
    input.done()?;
    let now = app.clock.now();
    let site = site::Site {
        id: rng::id(now),
        name: got(name)?,
        latitude,
        longitude,
        time_zone: time_zone.unwrap_or_else(|| HOME.to_owned()),
        session_limit,
        created_at: now,
    };
    site::add(&app.db, &site).await?;
    token.audit(&app, "site.add", &site.name).await?;
    // As the database has it, so that its ETag is that of the next reading.
    let site = site::get(&app.db, site.id).await?;
    Ok(Single::new(spelt(&site)).created(&format!("/sites/{}", spell(Thing::Site, site.id))))
}

pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let mut site = site::get(&app.db, in_path(Thing::Site, &id)?).await?;
    Single::new(spelt(&site)).unchanged(&headers)?;
    site.name = input.change("name", line(200)).unwrap_or(site.name);
    site.latitude = input.nullable("latitude", number(-90.0..=90.0)).unwrap_or(site.latitude);
    site.longitude = input.nullable("longitude", number(-180.0..=180.0)).unwrap_or(site.longitude);
    site.time_zone = input.change("time_zone", zone).unwrap_or(site.time_zone);
    site.session_limit = input.nullable("session_limit", sessions).unwrap_or(site.session_limit);
    input.done()?;
    site::change(&app.db, &site).await?;
    token.audit(&app, "site.update", &site.name).await?;
    Ok(Single::new(spelt(&site)).answer(StatusCode::OK))
}

/// A clock of the IANA database.
fn zone(value: &Value) -> Read<String> {
    let name = value.as_str().filter(|name| name.len() <= 64 && Zone::named(name).is_some());
    name.map(str::to_owned).ok_or_else(|| "write a name such as Africa/Nairobi".into())
}

/// How many sessions a site can carry at once.
fn sessions(value: &Value) -> Read<i32> {
    let read = whole(1..=MOST_SESSIONS)(value)?;
    i32::try_from(read).map_err(|error| error.to_string())
}
