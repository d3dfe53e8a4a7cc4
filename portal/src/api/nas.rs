//! Routers, without their secrets: registered, changed, forgotten, and given a new secret.
//!
//! A router is heard all the time, so its ETag is that of what its operator says of it. A new secret is shown once, to a token that
//! may do just that; the one before counts for a while beside it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;
use serde_json::{Value, json};
use shared::rng;
use shared::routeros::RestUrl;
use shared::time::rfc3339;
use store::StoreError;
use store::nas::{self, Nas, NewNas, Requirement, RestChange, SecretChange, Settings};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{
    Input, Read, count, exactly, flag, got, id_of, line, list as list_of, object, spelt as read_by, visible, word,
};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;
use crate::cli::values;

/// Most hosts that a login page may name.
const MOST_HOSTS: usize = 20;
/// Longest secret that is taken, in letters.
const MAX_SECRET: usize = 128;
/// The longest overlap of two secrets, seconds.
const MAX_OVERLAP: u32 = 30 * 86_400;

fn spelt(nas: &Nas) -> json::Nas {
    nas.into()
}

/// A router with the ETag of what is said about it.
fn single(nas: &Nas) -> Single<json::Nas> {
    let rest = nas.rest.as_ref().map(|rest| (rest.url.to_string(), rest.user.clone()));
    let said = json!([
        nas.name,
        nas.site,
        nas.address,
        nas.radsec_name,
        nas.identifier,
        nas.coa_port,
        nas.require_message_authenticator.requirement().as_str(),
        nas.limit_proxy_state,
        nas.require_signed_answers,
        nas.keep_on_refused_change,
        rest,
        nas.hotspot_hosts,
        nas.secret_generation,
    ]);
    Single::decided_by(spelt(nas), &said)
}

async fn known(app: &App, id: Uuid) -> Result<Nas, Problem> {
    let routers = nas::all(&app.db).await?;
    let found = routers.into_iter().find(|nas| nas.id == id);
    found.ok_or_else(|| StoreError::Missing { what: "router", key: id.to_string() }.into())
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let routers = nas::all(&app.db).await?;
    asked.page_of_all(&app, routers, |nas| nas.id, spelt)
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let nas = known(&app, in_path(Thing::Nas, &id)?).await?;
    Ok(single(&nas).read(&headers))
}

/// What a body says about a router; what it does not say stays, and has its default in a new one.
#[derive(Default)]
struct Said {
    site: Option<Uuid>,
    address: Option<Option<IpNet>>,
    radsec_name: Option<Option<String>>,
    identifier: Option<String>,
    coa_port: Option<u32>,
    require_message_authenticator: Option<Requirement>,
    limit_proxy_state: Option<bool>,
    require_signed_answers: Option<bool>,
    keep_on_refused_change: Option<bool>,
    rest: Option<Option<Rest>>,
    hotspot_hosts: Option<Vec<String>>,
}

struct Rest {
    url: RestUrl,
    user: String,
    password: String,
}

impl Said {
    fn read(input: &mut Input) -> Said {
        let words = [("auto", Requirement::Auto), ("yes", Requirement::Yes), ("no", Requirement::No)];
        Said {
            site: input.change("site", id_of(Thing::Site)),
            address: input.nullable("address", read_by(values::network)),
            radsec_name: input.nullable("radsec_name", exactly(values::certificate_name)),
            identifier: input.change("identifier", line(200)),
            coa_port: input.change("coa_port", count(1..=65_535)),
            require_message_authenticator: input.change("require_message_authenticator", word(&words)),
            limit_proxy_state: input.change("limit_proxy_state", flag),
            require_signed_answers: input.change("require_signed_answers", flag),
            keep_on_refused_change: input.change("keep_on_refused_change", flag),
            rest: input.nullable("rest", rest),
            hotspot_hosts: input.change("hotspot_hosts", list_of(MOST_HOSTS, exactly(values::host))),
        }
    }

    fn settings(&self) -> Settings<'_> {
        Settings {
            site_id: self.site,
            address: self.address.flatten(),
            forget_address: self.address == Some(None),
            radsec_name: self.radsec_name.as_ref().and_then(|name| name.as_deref()),
            forget_radsec_name: self.radsec_name == Some(None),
            identifier: self.identifier.as_deref(),
            coa_port: self.coa_port.and_then(|port| u16::try_from(port).ok()),
            require_message_authenticator: self.require_message_authenticator,
            limit_proxy_state: self.limit_proxy_state,
            require_signed_answers: self.require_signed_answers,
            keep_on_refused_change: self.keep_on_refused_change,
            rest: self.rest.as_ref().map(|rest| match rest {
                Some(rest) => RestChange::Set { url: &rest.url, user: &rest.user, password: &rest.password },
                None => RestChange::Forget,
            }),
            hotspot_hosts: self.hotspot_hosts.as_deref(),
        }
    }

    /// Refuses a site that is not there.
    async fn check(&self, app: &App) -> Result<(), Problem> {
        if let Some(site) = self.site {
            store::rest::site::get(&app.db, site).await?;
        }
        Ok(())
    }
}

/// Access to its REST API, all of it.
fn rest(value: &Value) -> Read<Rest> {
    object(value, |input| {
        let url = input.required("url", read_by(str::parse::<RestUrl>));
        let user = input.required("user", exactly(values::router_user));
        let password = input.required("password", visible(MAX_SECRET));
        Some(Rest { url: url?, user: user?, password: password? })
    })
}

pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let name = input.required("name", line(200));
    let secret = input.optional("secret", visible(MAX_SECRET));
    let said = Said::read(&mut input);
    input.done()?;
    said.check(&app).await?;
    let (name, now) = (got(name)?, app.clock.now());
    if nas::all(&app.db).await?.iter().any(|nas| nas.name == name) {
        return Err(StoreError::Conflict(format!("another router is called {name}")).into());
    }
    // One that nobody knows: over TLS the secret is a fixed word, and UDP stays closed until a secret is made.
    let secret = secret.unwrap_or_else(rng::secret);
    let new = NewNas { id: rng::id(now), name: &name, secret: secret.as_bytes(), settings: said.settings() };
    nas::save(&app.db, &new, now).await?;
    token.audit(&app, "nas.add", &name).await?;
    let nas = known(&app, new.id).await?;
    Ok(single(&nas).created(&format!("/nas/{}", spell(Thing::Nas, nas.id))))
}

pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let nas = known(&app, in_path(Thing::Nas, &id)?).await?;
    single(&nas).unchanged(&headers)?;
    let said = Said::read(&mut input);
    input.done()?;
    said.check(&app).await?;
    nas::change(&app.db, &nas.name, &said.settings()).await?;
    token.audit(&app, "nas.update", &nas.name).await?;
    Ok(single(&known(&app, nas.id).await?).answer(StatusCode::OK))
}

pub(super) async fn remove(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let nas = known(&app, in_path(Thing::Nas, &id)?).await?;
    single(&nas).unchanged(&headers)?;
    nas::remove(&app.db, &nas.name).await?;
    token.audit(&app, "nas.remove", &nas.name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /nas/{id}/secrets`: a new secret, shown this once.
pub(super) async fn rotate(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let overlap = input.optional("overlap_seconds", count(0..=MAX_OVERLAP));
    input.done()?;
    let nas = known(&app, in_path(Thing::Nas, &id)?).await?;
    let overlap = overlap.map_or(nas::DEFAULT_OVERLAP, |seconds| Duration::from_secs(u64::from(seconds)));
    let secret = rng::secret();
    let change = nas::rotate_secret(&app.db, &nas.name, secret.as_bytes(), overlap, app.clock.now()).await?;
    token.audit(&app, "nas.rotate_secret", &nas.name).await?;
    let until = match change {
        SecretChange::Same => None,
        SecretChange::Replaced { old_until } => old_until.map(rfc3339),
    };
    let answer = json!({ "nas": spell(Thing::Nas, nas.id), "secret": secret, "old_secret_until": until });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}
