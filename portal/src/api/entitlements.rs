//! Entitlements: what customers may use, given and ended by hand. Both move access, so each is done once under its key.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use shared::time::rfc3339;
use store::entitlement::grant_as;
use store::rest::entitlement::{self, Entitlement};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::idempotency::Work;
use super::input::{Input, got, id_of, visible};
use super::list::{Asked, whole};
use super::problem::Problem;
use super::single::Single;
use crate::App;

/// Longest login name, in letters.
const MAX_LOGIN: usize = 100;
/// Longest password: what RADIUS carries.
const MAX_PASSWORD: usize = 128;
const STATES: [&str; 4] = ["active", "exhausted", "expired", "revoked"];

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    customer: Option<String>,
    order: Option<String>,
    package: Option<String>,
    package_name: String,
    state: String,
    starts_at: Option<String>,
    expires_at: Option<String>,
    quota_bytes: Option<i64>,
    quota_seconds: Option<i64>,
    used_up_bytes: i64,
    used_down_bytes: i64,
    used_seconds: i64,
    device_limit: i32,
    created_at: String,
}

fn spelt(entitlement: &Entitlement) -> Spelt {
    let of = |kind, id: Option<Uuid>| id.map(|id| spell(kind, id));
    Spelt {
        id: spell(Thing::Entitlement, entitlement.id),
        customer: of(Thing::Customer, entitlement.user),
        order: of(Thing::Order, entitlement.order),
        package: of(Thing::Package, entitlement.package),
        package_name: entitlement.package_name.clone(),
        state: entitlement.state.clone(),
        starts_at: entitlement.starts_at.map(rfc3339),
        expires_at: entitlement.expires_at.map(rfc3339),
        quota_bytes: entitlement.quota_octets,
        quota_seconds: entitlement.quota_seconds,
        used_up_bytes: entitlement.used_up,
        used_down_bytes: entitlement.used_down,
        used_seconds: entitlement.used_seconds,
        device_limit: entitlement.device_limit,
        created_at: rfc3339(entitlement.created_at),
    }
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    page(&app, asked, None).await
}

/// A page of entitlements, or of a customer's.
pub(super) async fn page(app: &App, mut asked: Asked, customer: Option<Uuid>) -> Result<Response, Problem> {
    let state = asked.word("state", &STATES)?;
    let after = asked.after(app)?;
    let found = entitlement::list(&app.db, customer, state, after, asked.rows()).await?;
    Ok(asked.page(app, found, |one| (one.created_at, one.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entitlement = entitlement::get(&app.db, in_path(Thing::Entitlement, &id)?).await?;
    Ok(Single::new(spelt(&entitlement)).read(&headers))
}

#[derive(Debug, Serialize)]
struct Device {
    mac: String,
    bound_at: String,
    online: bool,
}

pub(super) async fn devices(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let entitlement = entitlement::get(&app.db, in_path(Thing::Entitlement, &id)?).await?;
    let devices = store::entitlement::devices(&app.db, entitlement.id).await?;
    let told = devices.iter().map(|device| Device {
        mac: device.mac.to_string(),
        bound_at: rfc3339(device.bound_at),
        online: device.online,
    });
    Ok(whole(told.collect()))
}

/// `POST /entitlements`: a package for a customer, outside of a sale, with a name and password to log in.
pub(super) async fn grant(
    State(app): State<App>,
    token: Token,
    Work(work): Work,
    mut input: Input,
) -> Result<Response, Problem> {
    let customer = input.required("customer", id_of(Thing::Customer));
    let package = input.required("package", id_of(Thing::Package));
    let login = input.required("login", visible(MAX_LOGIN));
    let password = input.required("password", visible(MAX_PASSWORD));
    input.done()?;
    let customer = store::rest::customer::get(&app.db, got(customer)?).await?;
    let package = store::package::by_id(&app.db, got(package)?).await?;
    let (login, password, now) = (got(login)?, got(password)?, app.clock.now());
    let credential = (login.as_bytes(), password.as_bytes());
    let id = grant_as(&app.db, work, Some(customer.id), &package, credential, now).await?;
    let whose = spell(Thing::Customer, customer.id);
    token.audit(&app, "entitlement.grant", &format!("{} to {whose}", package.slug)).await?;
    let entitlement = entitlement::get(&app.db, id).await?;
    let path = format!("/entitlements/{}", spell(Thing::Entitlement, id));
    Ok(Single::new(spelt(&entitlement)).created(&path))
}

/// `POST /entitlements/{id}/endings`: access ends now, and its sessions with it.
pub(super) async fn end(State(app): State<App>, token: Token, Path(id): Path<String>) -> Result<Response, Problem> {
    let known = in_path(Thing::Entitlement, &id)?;
    entitlement::end(&app.db, known).await?;
    token.audit(&app, "entitlement.end", &id).await?;
    let entitlement = entitlement::get(&app.db, known).await?;
    Ok(Single::new(spelt(&entitlement)).answer(StatusCode::OK))
}
