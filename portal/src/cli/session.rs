//! `portal session`: who is online, and ending a session.

use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::{Answer, Context, values};
use crate::api::id::{self, Kind};
use crate::api::json;

/// Sessions at the routers.
#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// List the open sessions, newest first.
    List(List),
    /// Ask the router to end a session. Asking twice asks once.
    Disconnect(Disconnect),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// List those that ended instead.
    #[arg(long)]
    ended: bool,
    /// How many at most.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Disconnect {
    /// The session, as `session list` shows it.
    #[arg(value_name = "ID", value_parser = session_id)]
    id: Uuid,
    #[command(flatten)]
    answer: Answer,
}

fn session_id(text: &str) -> Result<Uuid, &'static str> {
    id::read(Kind::Session, text).ok_or("not a session: give the id that `portal session list` shows")
}

impl Session {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Session::List(list) => list.run(context).await,
            Session::Disconnect(disconnect) => disconnect.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let sessions = match self.ended {
            false => store::session::open(&context.db, self.limit).await?,
            true => store::session::ended(&context.db, self.limit).await?,
        };
        let values: Vec<json::Session> = sessions.iter().map(json::Session::from).collect();
        let mut table = values::Table::new(["id", "router", "login", "device", "started", "cut"]);
        for session in &values {
            table.row([
                session.id.clone(),
                session.nas.clone(),
                session.user_name.clone(),
                session.mac.clone().unwrap_or_default(),
                session.started_at.clone(),
                session.cut.clone().unwrap_or_default(),
            ]);
        }
        self.answer.give(&values, table)
    }
}

impl Disconnect {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        store::session::disconnect(&context.db, self.id, context.now()).await?;
        let spelt = id::spell(Kind::Session, self.id);
        context.audit("session.disconnect", &spelt).await?;
        let text = "The router is being asked to end the session; `portal session list` shows whether it does.";
        self.answer.give(&json!({ "session": spelt, "state": "asked" }), text)
    }
}
