//! `portal nas`: routers that may ask us. radiusd hears of a change within a moment.

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::json;
use shared::rng;
use store::nas::{NewNas, Saved};

use super::{Answer, Context, secret_from_stdin, values};
use crate::api::json;

/// Routers.
#[derive(Debug, Subcommand)]
pub(super) enum Nas {
    /// Register a router, or change the one of that name.
    Add(Add),
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
    /// The address or network that its packets come from.
    #[arg(long, value_parser = values::network)]
    address: IpNet,
    /// Read the shared secret from standard input.
    #[arg(long, required = true)]
    secret_stdin: bool,
    /// Its NAS-Identifier (on RouterOS: /system identity).
    #[arg(long)]
    identifier: Option<String>,
    /// The site where it stands; made if new.
    #[arg(long, value_parser = values::name)]
    site: Option<String>,
    /// The port where it takes Disconnect-Requests.
    #[arg(long, default_value_t = 3799, value_parser = clap::value_parser!(u16).range(1..))]
    coa_port: u16,
    /// A host that its login page sends guests back to, with the port if it is not 80; may be repeated.
    #[arg(long = "hotspot-host", value_name = "HOST[:PORT]", value_parser = values::host)]
    hotspot_hosts: Vec<String>,
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
            Nas::List(answer) => list(context, answer).await,
            Nas::Remove(remove) => remove.run(context).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.now();
        let secret = secret_from_stdin("secret")?;
        let site_id = match &self.site {
            Some(name) => Some(store::site::ensure(&context.db, rng::id(now), name, now).await?),
            None => None,
        };
        let new = NewNas {
            id: rng::id(now),
            name: &self.name,
            site_id,
            address: self.address,
            identifier: self.identifier.as_deref(),
            secret: secret.as_bytes(),
            coa_port: self.coa_port,
            hotspot_hosts: &self.hotspot_hosts,
        };
        let (result, action) = match store::nas::save(&context.db, &new, now).await? {
            Saved::Added => ("added", "nas.add"),
            Saved::Updated => ("updated", "nas.update"),
        };
        context.audit(action, &self.name).await?;
        let value = json!({ "name": self.name, "address": self.address.trunc().to_string(), "result": result });
        self.answer.give(&value, format!("Router {} at {} {result}.", self.name, self.address.trunc()))
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let routers = store::nas::all(&context.db).await?;
    let values: Vec<json::Nas> = routers.iter().map(json::Nas::from).collect();
    let mut table = values::Table::new(["name", "address", "site", "last seen"]);
    for nas in &values {
        table.row([
            nas.name.clone(),
            nas.address.clone(),
            nas.site.clone().unwrap_or_default(),
            nas.last_seen_at.clone().unwrap_or_else(|| "never".into()),
        ]);
    }
    answer.give(&values, table)
}

impl Remove {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = self.name.or(self.named).unwrap_or_default();
        store::nas::remove(&context.db, &name).await?;
        context.audit("nas.remove", &name).await?;
        self.answer.give(&json!({ "name": name, "result": "removed" }), format!("Router {name} is forgotten."))
    }
}
