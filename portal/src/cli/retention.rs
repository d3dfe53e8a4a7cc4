//! `portal retention`: what is let go of, and doing that now instead of at night.

use clap::Subcommand;
use serde_json::json;
use shared::time::{OffsetDateTime, rfc3339};

use super::{Answer, Context, values};
use crate::retention;

/// How long what tells something about people is kept.
#[derive(Debug, Subcommand)]
pub(super) enum Retention {
    /// Show from which moment on each kind of thing is kept.
    Show(Answer),
    /// Let go of everything that was kept long enough, now.
    Run(Answer),
}

impl Retention {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let (settings, now) = (&context.config.retention, context.now());
        match self {
            Retention::Show(answer) => {
                let cutoffs = retention::cutoffs(settings, now);
                let mut table = values::Table::new(["what", "kept from"]);
                for (rule, before) in &cutoffs {
                    table.row([(*rule).to_owned(), before.map_or_else(|| "the beginning".to_owned(), rfc3339)]);
                }
                let value = |(rule, before): &(&str, Option<OffsetDateTime>)| json!({ "what": rule, "kept_from": before.map(rfc3339) });
                answer.give(&cutoffs.iter().map(value).collect::<Vec<_>>(), table)
            }
            Retention::Run(answer) => {
                let done = retention::all(&context.db, settings, now).await?;
                let sum: u64 = done.iter().map(|(_, rows)| rows).sum();
                if sum > 0 {
                    context.audit("retention.run", &sum.to_string()).await?;
                }
                let mut table = values::Table::new(["what", "let go of"]);
                for (rule, rows) in &done {
                    table.row([(*rule).to_owned(), rows.to_string()]);
                }
                let value = |(rule, rows): &(&str, u64)| json!({ "what": rule, "rows": rows });
                answer.give(&done.iter().map(value).collect::<Vec<_>>(), table)
            }
        }
    }
}
