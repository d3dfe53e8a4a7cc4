//! Customers, and what each of them has: devices, access, orders, messages.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use shared::language::Language;
use shared::rng;
use shared::time::rfc3339;
use store::rest::customer::{self, Customer};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{Input, got, line_or_empty, phone, phone_text, word};
use super::list::{Asked, whole};
use super::problem::Problem;
use super::single::Single;
use super::{entitlements, notifications, orders};
use crate::App;

/// Longest name, in letters.
const MAX_NAME: usize = 200;
const LANGUAGES: [(&str, Language); 2] = [("en", Language::English), ("sw", Language::Swahili)];

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    phone: String,
    name: String,
    status: String,
    language: String,
    /// When the customer last proved to hold the phone.
    proved_at: Option<String>,
    created_at: String,
}

fn spelt(customer: &Customer) -> Spelt {
    Spelt {
        id: spell(Thing::Customer, customer.id),
        phone: customer.phone.clone(),
        name: customer.name.clone(),
        status: customer.status.clone(),
        language: customer.language.clone(),
        proved_at: customer.proved_at.map(rfc3339),
        created_at: rfc3339(customer.created_at),
    }
}

/// A customer with the ETag of what is said of them: they prove their phone by themselves.
fn single(customer: &Customer) -> Single<Spelt> {
    Single::decided_by(spelt(customer), &(&customer.name, &customer.language, &customer.status))
}

/// The customer in an address, who must be there.
async fn known(app: &App, id: &str) -> Result<Uuid, Problem> {
    Ok(customer::get(&app.db, in_path(Thing::Customer, id)?).await?.id)
}

pub(super) async fn list(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let phone = asked.filter("phone", phone_text)?;
    let after = asked.after(&app)?;
    let phone = phone.as_ref().map(|phone| phone.as_str());
    let customers = customer::list(&app.db, phone, after, asked.rows()).await?;
    Ok(asked.page(&app, customers, |customer| (customer.created_at, customer.id), spelt))
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let customer = customer::get(&app.db, in_path(Thing::Customer, &id)?).await?;
    Ok(single(&customer).read(&headers))
}

pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let phone = input.required("phone", phone);
    let name = input.optional("name", line_or_empty(MAX_NAME)).unwrap_or_default();
    let language = input.optional("language", word(&LANGUAGES)).unwrap_or_default();
    input.done()?;
    let (phone, now) = (got(phone)?, app.clock.now());
    let id = rng::id(now);
    customer::add(&app.db, id, phone.as_str(), &name, language, now).await?;
    // The audit log is kept for good: it names the customer's row and no number.
    token.audit(&app, "customer.add", &spell(Thing::Customer, id)).await?;
    let customer = customer::get(&app.db, id).await?;
    Ok(single(&customer).created(&format!("/customers/{}", spell(Thing::Customer, id))))
}

pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let customer = customer::get(&app.db, in_path(Thing::Customer, &id)?).await?;
    single(&customer).unchanged(&headers)?;
    let name = input.change("name", line_or_empty(MAX_NAME));
    let language = input.change("language", word(&LANGUAGES));
    input.done()?;
    if let Some(name) = name {
        customer::rename(&app.db, customer.id, &name).await?;
    }
    if let Some(language) = language {
        store::user::speak(&app.db, customer.id, language).await?;
    }
    token.audit(&app, "customer.update", &spell(Thing::Customer, customer.id)).await?;
    Ok(single(&customer::get(&app.db, customer.id).await?).answer(StatusCode::OK))
}

#[derive(Debug, Serialize)]
struct Device {
    mac: String,
    label: String,
    bound_at: String,
}

pub(super) async fn devices(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let devices = customer::devices(&app.db, known(&app, &id).await?).await?;
    let told = devices.into_iter().map(|device| Device {
        mac: device.mac,
        label: device.label,
        bound_at: rfc3339(device.bound_at),
    });
    Ok(whole(told.collect()))
}

pub(super) async fn entitlements(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let customer = known(&app, &id).await?;
    entitlements::page(&app, asked, Some(customer)).await
}

pub(super) async fn orders(State(app): State<App>, Path(id): Path<String>, asked: Asked) -> Result<Response, Problem> {
    let customer = known(&app, &id).await?;
    orders::page(&app, asked, Some(customer)).await
}

pub(super) async fn notifications(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let customer = known(&app, &id).await?;
    notifications::page(&app, asked, Some(customer)).await
}
