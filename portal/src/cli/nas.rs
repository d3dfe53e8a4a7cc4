//! `portal nas`: routers that may ask us. radiusd hears of a change within a moment.
//!
//! A secret comes on standard input or is made here; one that was made is shown once, in the line for the router.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::json;
use shared::rng;
use shared::time::rfc3339;
use store::nas::{NewNas, Requirement, Saved, SecretChange, Settings};

use super::{Answer, Context, routeros, secret_from_stdin, values};
use crate::api::json;

/// Routers.
#[derive(Debug, Subcommand)]
pub(super) enum Nas {
    /// Register a router, or change the one of that name.
    Add(Add),
    /// Change what is said about a router, and nothing else.
    Set(Set),
    /// Give a router a new secret; the old one counts for a while beside it.
    RotateSecret(RotateSecret),
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
    /// Read the shared secret from standard input.
    #[arg(long, required = true)]
    secret_stdin: bool,
    #[command(flatten)]
    overlap: Overlap,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct RotateSecret {
    /// Its short name.
    #[arg(value_name = "NAME")]
    name: String,
    /// Read the new secret from standard input.
    #[arg(long, required_unless_present = "generate", conflicts_with = "generate")]
    secret_stdin: bool,
    /// Make a new secret of 256 bits, and show it.
    #[arg(long)]
    generate: bool,
    #[command(flatten)]
    overlap: Overlap,
    #[command(flatten)]
    answer: Answer,
}

/// How long a secret that is replaced goes on counting.
#[derive(Clone, Copy, Debug, Args)]
struct Overlap {
    /// If the secret is a new one, how long the one before counts beside it; 0: not at all.
    #[arg(long, default_value = "24h", value_parser = values::overlap)]
    overlap: Duration,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Its short name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    answer: Answer,
}

/// What can be said of a router. What is not said stays as it is; a new router gets the default.
#[derive(Debug, Args)]
struct Told {
    /// The address or network that its packets come from.
    #[arg(long, value_parser = values::network)]
    address: Option<IpNet>,
    /// Its NAS-Identifier (on RouterOS: /system identity).
    #[arg(long)]
    identifier: Option<String>,
    /// The site where it stands; made if new.
    #[arg(long, value_parser = values::name)]
    site: Option<String>,
    /// The port where it takes Disconnect-Requests [default: 3799].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    coa_port: Option<u16>,
    /// Whether its Access-Requests must be signed; auto: from the first signed one on [default: auto].
    #[arg(long, value_name = "auto|yes|no", value_parser = values::requirement)]
    require_message_authenticator: Option<Requirement>,
    /// Whether an unsigned Access-Request with Proxy-State is left unanswered; false only for a proxy [default: true].
    #[arg(long, value_name = "true|false")]
    limit_proxy_state: Option<bool>,
    /// A host that its login page sends guests back to, with the port if it is not 80; may be repeated, and replaces
    /// those that were told before.
    #[arg(long = "hotspot-host", value_name = "HOST[:PORT]", value_parser = values::host)]
    hotspot_hosts: Vec<String>,
}

impl Told {
    /// The same for the store; a site that is new is made.
    async fn settings(&self, context: &Context) -> anyhow::Result<Settings<'_>> {
        let now = context.now();
        let site_id = match &self.site {
            Some(name) => Some(store::site::ensure(&context.db, rng::id(now), name, now).await?),
            None => None,
        };
        Ok(Settings {
            site_id,
            address: self.address,
            identifier: self.identifier.as_deref(),
            coa_port: self.coa_port,
            require_message_authenticator: self.require_message_authenticator,
            limit_proxy_state: self.limit_proxy_state,
            hotspot_hosts: (!self.hotspot_hosts.is_empty()).then_some(&self.hotspot_hosts),
        })
    }
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
            Nas::List(answer) => list(context, answer).await,
            Nas::Remove(remove) => remove.run(context).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.now();
        let secret = secret_from_stdin("secret")?;
        let settings = self.told.settings(context).await?;
        let overlap = self.overlap.overlap;
        let new = NewNas { id: rng::id(now), name: &self.name, secret: secret.as_bytes(), settings };
        let saved = store::nas::save_with_overlap(&context.db, &new, overlap, now).await?;
        let (result, action, change) = match saved {
            Saved::Added => ("added", "nas.add", SecretChange::Same),
            Saved::Updated(change) => ("updated", "nas.update", change),
        };
        context.audit(action, &self.name).await?;
        let nas = known(context, &self.name).await?;
        let mut text = format!("Router {} at {} {result}.", nas.name, nas.address);
        if let SecretChange::Replaced { .. } = change {
            text = format!("{text} {}", what_counts(change));
        }
        let value = json!({ "name": nas.name, "address": nas.address, "result": result,
            "old_secret_until": old_until(change) });
        self.answer.give(&value, text)
    }
}

impl RotateSecret {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let made = self.generate.then(rng::secret);
        let secret = match &made {
            Some(secret) => secret.clone(),
            None => secret_from_stdin("secret")?,
        };
        let (overlap, now) = (self.overlap.overlap, context.now());
        let change = store::nas::rotate_secret(&context.db, &self.name, secret.as_bytes(), overlap, now).await?;
        context.audit("nas.rotate_secret", &self.name).await?;
        let line = routeros::set_secret(context.config.portal.public_url.host_str(), made.as_deref());
        let value = json!({ "name": self.name, "routeros": line, "secret": made,
            "result": if change == SecretChange::Same { "unchanged" } else { "rotated" },
            "old_secret_until": old_until(change) });
        let text = format!("{}\nIn the router's terminal:\n\n{line}\n", what_counts(change));
        self.answer.give(&value, text)
    }
}

/// Until when the secret before counts, as JSON spells it.
fn old_until(change: SecretChange) -> Option<String> {
    match change {
        SecretChange::Same => None,
        SecretChange::Replaced { old_until } => old_until.map(rfc3339),
    }
}

/// Which secrets count now, in words.
fn what_counts(change: SecretChange) -> String {
    match (change, old_until(change)) {
        (SecretChange::Same, _) => "The router has this secret already.".into(),
        (_, Some(until)) => format!("The new secret counts from now on, the old one until {until}."),
        (_, None) => "The new secret counts from now on, and the old one no more.".into(),
    }
}

impl Set {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let settings = self.told.settings(context).await?;
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
    let heads = ["name", "address", "site", "must sign", "limit proxy-state", "secret", "last seen"];
    let mut table = values::Table::new(heads);
    for nas in routers {
        let now = if nas.signing_required { "now" } else { "not yet" };
        let signing = match nas.require_message_authenticator {
            "auto" => format!("auto ({now})"),
            other => other.into(),
        };
        table.row([
            nas.name.clone(),
            nas.address.clone(),
            nas.site.clone().unwrap_or_default(),
            signing,
            nas.limit_proxy_state.to_string(),
            secret_in_words(nas),
            nas.last_seen_at.clone().unwrap_or_else(|| "never".into()),
        ]);
    }
    table
}

/// How far a rotation has come.
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
