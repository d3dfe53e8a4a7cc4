//! `portal migrate`: brings the schema up to date, or says with `--check` whether it is.

use clap::Args;
use serde_json::json;
use store::MigrationState;

use super::{Answer, Context};

/// Bring the database's schema up to date.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Change nothing; fail if migrations are waiting.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    answer: Answer,
}

impl Migrate {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.check {
            return self.report(context).await;
        }
        let applied = context.db.migrate().await?;
        if applied > 0 {
            context.audit("database.migrate", &applied.to_string()).await?;
        }
        let text = match applied {
            0 => "The database was up to date already.".to_owned(),
            _ => format!("{applied} migration(s) applied; the database is up to date."),
        };
        self.answer.give(&json!({ "applied": applied }), text)
    }

    async fn report(self, context: &Context) -> anyhow::Result<()> {
        match context.db.migration_state().await? {
            MigrationState::Current => self.answer.give(&json!({ "state": "current" }), "The database is up to date."),
            MigrationState::Newer => {
                let text = "The database is newer than this version, which can work with it.";
                self.answer.give(&json!({ "state": "newer" }), text)
            }
            MigrationState::Behind { .. } | MigrationState::Ahead => Ok(context.db.expect_current_schema().await?),
        }
    }
}
