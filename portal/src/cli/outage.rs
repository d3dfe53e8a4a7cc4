//! `portal outage`: routers that went dark, and giving the time back to those who were online.

use clap::{Args, Subcommand};
use serde_json::json;
use shared::time::rfc3339;
use uuid::Uuid;

use super::{Answer, Context, values};

/// Routers that went dark while customers were online.
#[derive(Debug, Subcommand)]
pub(super) enum Outage {
    /// List them, the newest first.
    List(Answer),
    /// Give everybody who was online the time back that passed meanwhile. Once for an outage.
    GiveBack(GiveBack),
}

#[derive(Debug, Args)]
pub(super) struct GiveBack {
    /// The outage, as `outage list` shows it.
    #[arg(value_name = "ID", required_unless_present = "site")]
    id: Option<Uuid>,
    /// All outages of this site that are over, instead of one.
    #[arg(long, conflicts_with = "id")]
    site: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

impl Outage {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Outage::List(answer) => list(context, answer).await,
            Outage::GiveBack(give) => give.run(context).await,
        }
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let outages = store::outage::list(&context.db, 1000).await?;
    let mut table = values::Table::new(["id", "router", "kind", "began", "ended", "customers", "given back by"]);
    let mut values = Vec::new();
    for outage in outages {
        let (began, ended) = (rfc3339(outage.started_at), outage.ended_at.map(rfc3339));
        let by = outage.given_back.as_ref().map(|given| given.by.clone());
        table.row([
            outage.id.to_string(),
            outage.nas.clone(),
            outage.cause.as_str().into(),
            began.clone(),
            ended.clone().unwrap_or_else(|| "goes on".into()),
            outage.customers.to_string(),
            by.clone().unwrap_or_default(),
        ]);
        values.push(
            json!({ "id": outage.id, "nas": outage.nas, "cause": outage.cause.as_str(), "site": outage.site.map(|(_, name)| name), "started_at": began, "ended_at": ended,
            "customers": outage.customers, "given_back_by": by }),
        );
    }
    answer.give(&values, table)
}

impl GiveBack {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let ids = match (self.id, &self.site) {
            (Some(id), _) => vec![id],
            (None, Some(name)) => {
                let site = store::site::by_name(&context.db, name).await?;
                store::outage::to_give_back(&context.db, site).await?
            }
            (None, None) => Vec::new(),
        };
        let (mut customers, mut seconds) = (0, 0);
        for id in &ids {
            let object = id.to_string();
            let line = context.line("outage.give_back", &object);
            let given = store::outage::give_back(&context.db, *id, &line, context.now()).await?;
            customers += given.customers;
            seconds += given.time.as_secs();
        }
        let text = format!("{customers} customers have {seconds} seconds back, all together.");
        self.answer.give(&json!({ "outages": ids, "customers": customers, "seconds": seconds }), text)
    }
}
