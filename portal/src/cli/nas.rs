//! `portal nas`: routers that may ask us. radiusd hears of a change within a moment.
//!
//! [`told`] holds what can be said of a router, [`secret`] changes its secret, [`rest`] gives access to its REST API, [`adopt`] registers
//! one that radiusd has heard from. A secret comes on standard input or is made here; one that was made is shown once, in the line for the
//! router.

mod adopt;
mod rest;
mod secret;
mod told;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use shared::rng;
use store::nas::{NewNas, Saved, SecretChange, Settings};

use self::rest::RestAccess;
use self::secret::{Overlap, old_until, what_counts};
use self::told::{Place, Told};
use super::{Answer, Context, secret_from_stdin, values};
use crate::api::json;

/// Routers.
#[derive(Debug, Subcommand)]
pub(super) enum Nas {
    /// Register a router, or change the one of that name.
    Add(Add),
    /// Change what is said about a router, and nothing else.
    Set(Set),
    /// Give a router a new secret; the old one counts for a while beside it.
    RotateSecret(secret::RotateSecret),
    /// List or register routers that radiusd has heard from and that nobody has registered.
    Adopt(adopt::Adopt),
    /// List the routers.
    List(Answer),
    /// Forget a router.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its short name.
    #[arg(long, value_parser = values::name)]
    name: String,
    /// Read the shared secret from standard input; a router that comes by RadSec only needs none.
    #[arg(long, required_unless_present = "radsec_name")]
    secret_stdin: bool,
    #[command(flatten)]
    overlap: Overlap,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Its short name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    place: Place,
    /// It has no address any more: it comes by RadSec, from anywhere.
    #[arg(long, conflicts_with = "address")]
    any_address: bool,
    /// It comes by RadSec no more.
    #[arg(long, conflicts_with = "radsec_name")]
    no_radsec_name: bool,
    #[command(flatten)]
    rest: RestAccess,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its short name.
    #[arg(value_name = "NAME", required_unless_present = "named")]
    name: Option<String>,
    /// The same.
    #[arg(long = "name", id = "named", value_name = "NAME", conflicts_with = "name")]
    named: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

impl Nas {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Nas::Add(add) => add.run(context).await,
            Nas::Set(set) => set.run(context).await,
            Nas::RotateSecret(rotate) => rotate.run(context).await,
            Nas::Adopt(adopt) => adopt.run(context).await,
            Nas::List(answer) => list(context, answer).await,
            Nas::Remove(remove) => remove.run(context).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let secret = self.secret_stdin.then(|| secret_from_stdin("secret")).transpose()?;
        let settings = Settings {
            address: self.place.address,
            radsec_name: self.place.radsec_name.as_deref(),
            ..self.told.settings(context).await?
        };
        register(context, &self.name, secret.as_deref(), self.overlap, settings, self.answer).await
    }
}

/// Registers a router, or changes the one of that name, and answers. Without a secret a known router keeps its own, and
/// a new one gets a random one that nobody knows: over TLS the secret is a fixed word (RFC 6614 §2.3), and UDP stays closed.
async fn register(
    context: &Context,
    name: &str,
    secret: Option<&str>,
    overlap: Overlap,
    settings: Settings<'_>,
    answer: Answer,
) -> anyhow::Result<()> {
    let now = context.now();
    let is_known = store::nas::all(&context.db).await?.iter().any(|nas| nas.name == name);
    let saved = if let (None, true) = (secret, is_known) {
        store::nas::change(&context.db, name, &settings).await?;
        Saved::Updated(SecretChange::Same)
    } else {
        let secret = secret.map_or_else(rng::secret, str::to_owned);
        let new = NewNas { id: rng::id(now), name, secret: secret.as_bytes(), settings };
        store::nas::save_with_overlap(&context.db, &new, overlap.overlap, now).await?
    };
    let (result, action, change) = match saved {
        Saved::Added => ("added", "nas.add", SecretChange::Same),
        Saved::Updated(change) => ("updated", "nas.update", change),
    };
    context.audit(action, name).await?;
    let nas = known(context, name).await?;
    let mut text = format!("Router {} ({}) {result}.", nas.name, recognised_by(&nas));
    if let SecretChange::Replaced { .. } = change {
        text = format!("{text} {}", what_counts(change));
    }
    let value = json!({ "name": nas.name, "address": nas.address, "radsec_name": nas.radsec_name, "result": result,
        "old_secret_until": old_until(change) });
    answer.give(&value, text)
}

impl Set {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let password = self.rest.password()?;
        let settings = Settings {
            address: self.place.address,
            radsec_name: self.place.radsec_name.as_deref(),
            forget_address: self.any_address,
            forget_radsec_name: self.no_radsec_name,
            rest: self.rest.change(password.as_ref().map(|password| password.as_str())),
            ..self.told.settings(context).await?
        };
        store::nas::change(&context.db, &self.name, &settings).await?;
        context.audit("nas.update", &self.name).await?;
        let nas = known(context, &self.name).await?;
        self.answer.give(&nas, table(std::slice::from_ref(&nas)))
    }
}

/// The router of that name as it is now.
async fn known(context: &Context, name: &str) -> anyhow::Result<json::Nas> {
    let routers = store::nas::all(&context.db).await?;
    let nas = routers.iter().find(|nas| nas.name == name);
    nas.map(json::Nas::from).with_context(|| format!("router {name} cannot be read back"))
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let routers = store::nas::all(&context.db).await?;
    let values: Vec<json::Nas> = routers.iter().map(json::Nas::from).collect();
    answer.give(&values, table(&values))
}

fn table(routers: &[json::Nas]) -> values::Table<7> {
    let heads = ["name", "recognised by", "site", "must sign", "limit proxy-state", "secret", "last seen"];
    let mut table = values::Table::new(heads);
    for nas in routers {
        let now = if nas.signing_required { "now" } else { "not yet" };
        let signing = match nas.require_message_authenticator {
            "auto" => format!("auto ({now})"),
            other => other.into(),
        };
        table.row([
            nas.name.clone(),
            recognised_by(nas),
            nas.site.clone().unwrap_or_default(),
            signing,
            nas.limit_proxy_state.to_string(),
            secret_in_words(nas),
            nas.last_seen_at.clone().unwrap_or_else(|| "never".into()),
        ]);
    }
    table
}

/// What a router is recognised by.
fn recognised_by(nas: &json::Nas) -> String {
    match (&nas.address, &nas.radsec_name) {
        (Some(address), None) => address.clone(),
        (Some(address), Some(name)) => format!("{address}, and RadSec {name} from there"),
        (None, name) => format!("RadSec {}", name.as_deref().unwrap_or_default()),
    }
}

/// How far a rotation of the secret has come.
fn secret_in_words(nas: &json::Nas) -> String {
    match (nas.secret_in_use, &nas.old_secret_until) {
        (Some("old"), Some(until)) => format!("router uses the old one, until {until}"),
        (Some("old"), None) => "router uses an old one: cut off".into(),
        (Some(_), Some(until)) => format!("router uses the new one (old one until {until})"),
        (None, Some(until)) => format!("new, old one until {until}"),
        (_, None) => String::new(),
    }
}

impl Remove {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = self.name.or(self.named).unwrap_or_default();
        store::nas::remove(&context.db, &name).await?;
        context.audit("nas.remove", &name).await?;
        self.answer.give(&json!({ "name": name, "result": "removed" }), format!("Router {name} is forgotten."))
    }
}
