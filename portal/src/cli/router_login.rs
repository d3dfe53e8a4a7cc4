//! `portal router-login`: who may sign in to the routers themselves. radiusd hears of a change within a moment.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use shared::rng;
use zeroize::Zeroizing;

use super::{Answer, Context, secret_from_stdin, values};

/// Administrators of routers.
#[derive(Debug, Subcommand)]
pub(super) enum RouterLogin {
    /// Name an administrator, or change the one of that name.
    Add(Add),
    /// List the administrators.
    List(Answer),
    /// Forget an administrator.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The name to sign in with.
    #[arg(long, value_parser = values::name)]
    name: String,
    /// The router's group whose rights they get: full, write, read, or one of the router's own.
    #[arg(long, default_value = "read", value_parser = values::name)]
    group: String,
    /// The only router they may sign in to; without it, all of them.
    #[arg(long, value_name = "ROUTER")]
    nas: Option<String>,
    /// Read the password from standard input; without it, one is made and shown once.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    answer: Answer,
}

impl RouterLogin {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            RouterLogin::Add(add) => add.run(context).await,
            RouterLogin::List(answer) => list(context, answer).await,
            RouterLogin::Remove(remove) => remove.run(context).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.now();
        let nas = match &self.nas {
            None => None,
            Some(name) => {
                let routers = store::nas::all(&context.db).await?;
                let found = routers.iter().find(|nas| nas.name == *name).map(|nas| nas.id);
                Some(found.with_context(|| format!("there is no router {name}"))?)
            }
        };
        let made = if self.password_stdin { None } else { Some(rng::secret()) };
        let password = match &made {
            Some(made) => made.clone(),
            None => secret_from_stdin("password")?,
        };
        let login = store::router_login::RouterLogin {
            id: rng::id(now),
            name: self.name,
            password: Zeroizing::new(password.into_bytes()),
            group: self.group,
            nas,
        };
        let added = store::router_login::save(&context.db, &login, now).await?;
        let (result, action) = if added { ("added", "router_login.add") } else { ("updated", "router_login.update") };
        context.audit(action, &login.name).await?;
        let shown = made.as_deref().map(|made| format!(" The password, shown this once: {made}")).unwrap_or_default();
        let value =
            json!({ "name": login.name, "group": login.group, "nas": self.nas, "password": made, "result": result });
        self.answer.give(&value, format!("{} {result}, with the rights of group {}.{shown}", login.name, login.group))
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let routers = store::nas::all(&context.db).await?;
    let name_of = |id| routers.iter().find(|nas| nas.id == id).map(|nas| nas.name.clone());
    let mut table = values::Table::new(["name", "group", "router"]);
    let mut list = Vec::new();
    for login in store::router_login::all(&context.db).await? {
        let router = login.nas.and_then(name_of);
        list.push(json!({ "name": login.name, "group": login.group, "nas": router }));
        table.row([login.name, login.group, router.unwrap_or_else(|| "all".into())]);
    }
    answer.give(&list, table)
}

impl Remove {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        store::router_login::remove(&context.db, &self.name).await?;
        context.audit("router_login.remove", &self.name).await?;
        let value = json!({ "name": self.name, "result": "removed" });
        self.answer.give(&value, format!("{} can no longer sign in to any router.", self.name))
    }
}
