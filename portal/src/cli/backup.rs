//! `portal backup`: what the scripts of `deploy/backup` ask and tell. They make backups and restore them; what a restored database
//! must hold is known here, and how it went is written down here.
//!
//! `check` needs no live database, so that it can be asked on a bad day too.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use shared::config::Database;
use shared::time::{OffsetDateTime, rfc3339};
use store::Db;
use store::backup::{self, Kind, Run};
use store::drill::{self, Found};
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::{Answer, Context, values};
use crate::backups;

/// Connections to a database that is examined.
const CONNECTIONS: u32 = 2;
/// How many runs are listed.
const LISTED: u32 = 100;

/// Backups and restore drills.
#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Say whether backups are made, whether WAL is archived, and whether a backup was restored; fail if one of them is late.
    Status(Answer),
    /// List the last runs, the newest first.
    List(Answer),
    /// Examine a restored database, or the live one: ledger, paid orders, audit log. Fail if something is not in order.
    Check(Check),
    /// Write a run down (the scripts do).
    Report(Box<Report>),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The database, such as "postgres:///mlango?host=/path/of/its/socket&user=mlango". Without it, that of the configuration.
    #[arg(long, value_name = "URL", value_parser = database)]
    database: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Full,
    Diff,
    Incr,
    Drill,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// What was made; drill: a backup was restored and examined.
    what: What,
    /// When it began, such as 2026-12-01T02:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    started: OffsetDateTime,
    /// When it was over; without it, now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    ended: Option<OffsetDateTime>,
    /// It did not go well.
    #[arg(long)]
    failed: bool,
    /// What it takes in the repository, octets.
    #[arg(long, value_name = "OCTETS")]
    size: Option<u64>,
    /// How new the newest thing was that a drill brought back.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    recovery_point: Option<OffsetDateTime>,
    /// What was made or found, or why it failed.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    detail: String,
    #[command(flatten)]
    answer: Answer,
}

fn moment(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write a time such as 2026-12-01T02:30:00Z")
}

/// The URL of a database, without a secret in it: other users of the machine can read arguments.
fn database(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).ok().filter(|url| ["postgres", "postgresql"].contains(&url.scheme()));
    let url = url.ok_or("write a URL such as postgres:///mlango?host=/path/of/its/socket&user=mlango")?;
    let is_secret = url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password");
    if is_secret {
        return Err(
            "leave the password out, and put it into the file that PGPASSFILE names: arguments can be read by others",
        );
    }
    Ok(text.to_owned())
}

impl Backup {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if !matches!(self, Backup::Check(_)) {
            context.db.expect_current_schema().await?;
        }
        match self {
            Backup::Status(answer) => status(context, answer).await,
            Backup::List(answer) => list(context, answer).await,
            Backup::Report(report) => report.run(context).await,
            Backup::Check(check) => check.run(context).await,
        }
    }
}

async fn status(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let answers = backups::ask(&context.db, context.now()).await?;
    let value: Vec<Value> =
        answers.iter().map(|said| json!({ "good": said.good, "text": said.text, "advice": said.advice })).collect();
    let sentence = |said: &backups::Answer| format!("{} {}", said.text, said.advice).trim_end().to_owned();
    let bad: Vec<String> = answers.iter().filter(|said| !said.good).map(sentence).collect();
    if answer.json || bad.is_empty() {
        answer.give(&value, answers.iter().map(sentence).collect::<Vec<_>>().join("\n"))?;
    }
    anyhow::ensure!(bad.is_empty(), "{}", bad.join(" "));
    Ok(())
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let runs = backup::list(&context.db, LISTED).await?;
    let mut table = values::Table::new(["kind", "began", "seconds", "outcome", "octets", "detail"]);
    for run in &runs {
        table.row([
            run.kind.as_str().to_owned(),
            rfc3339(run.started_at),
            run.took().as_secs().to_string(),
            if run.ok { "well" } else { "failed" }.to_owned(),
            run.size.map(|size| size.to_string()).unwrap_or_default(),
            run.detail.clone(),
        ]);
    }
    answer.give(&runs.iter().map(as_json).collect::<Vec<_>>(), table)
}

fn as_json(run: &Run) -> Value {
    json!({ "kind": run.kind.as_str(), "started_at": rfc3339(run.started_at), "ended_at": rfc3339(run.ended_at), "ok": run.ok,
        "size_bytes": run.size, "recovery_point": run.recovery_point.map(rfc3339), "detail": run.detail })
}

impl Report {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.now();
        let run = Run {
            kind: match self.what {
                What::Full => Kind::Full,
                What::Diff => Kind::Diff,
                What::Incr => Kind::Incr,
                What::Drill => Kind::Drill,
            },
            started_at: self.started,
            ended_at: self.ended.unwrap_or(now),
            ok: !self.failed,
            size: self.size,
            recovery_point: self.recovery_point,
            detail: self.detail,
        };
        backup::report(&context.db, &run, now).await?;
        self.answer.give(&as_json(&run), "The run is written down.")
    }
}

impl Check {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let found = match self.database {
            None => drill::examine(&context.db).await?,
            Some(write) => {
                let seal = Arc::new(context.config.secrets.seal()?);
                let other = Db::open(&Database { write, listen: None, max_connections: CONNECTIONS }, seal)?;
                let found = drill::examine(&other).await;
                other.close().await;
                found?
            }
        };
        let summary = summary(&found);
        if self.answer.json || found.problems.is_empty() {
            self.answer.give(&told(&found, &summary), &summary)?;
        }
        anyhow::ensure!(
            found.problems.is_empty(),
            "what is in the database is not in order: {}",
            found.problems.join("; ")
        );
        Ok(())
    }
}

fn told(found: &Found, summary: &str) -> Value {
    let books = found.books.iter().map(|books| {
        json!({ "currency": books.paid.currency.as_str(), "paid_minor": books.paid.minor,
            "granted_minor": books.granted.minor, "owed_minor": books.owed.minor })
    });
    let tables: serde_json::Map<String, Value> =
        found.tables.iter().map(|table| (table.name.clone(), table.rows.into())).collect();
    json!({ "ok": found.problems.is_empty(), "problems": found.problems, "books": books.collect::<Vec<_>>(), "tables": tables,
        "recovery_point": found.newest.map(rfc3339), "summary": summary })
}

/// What there is, in a sentence. The drill's script reads it out of the JSON, so it has no quotation marks.
fn summary(found: &Found) -> String {
    let books: Vec<String> = found
        .books
        .iter()
        .map(|books| format!("{} paid, of which {} granted and {} owed", books.paid, books.granted, books.owed))
        .collect();
    let counted = format!(
        "{} orders, {} ledger transactions and {} lines of the audit log",
        found.rows("orders"),
        found.rows("ledger_transactions"),
        found.rows("admin_logs")
    );
    let ends = if found.problems.is_empty() { "all in order" } else { "not all in order" };
    [vec![counted], books, vec![ends.to_owned()]].concat().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        for fine in ["postgres:///mlango?host=/run/x&user=mlango", "postgresql://mlango@db/mlango"] {
            assert_eq!(database(fine).as_deref(), Ok(fine));
        }
        for secret in ["postgres://mlango:word@db/mlango", "postgres:///mlango?password=word"] {
            assert!(database(secret).is_err_and(|said| said.contains("PGPASSFILE")), "{secret}");
        }
        assert!(database("/run/postgresql").is_err() && database("http://db/mlango").is_err());
    }

    #[test]
    fn the_summary_can_be_read_by_a_script() {
        let money = |minor| shared::money::Money::kes(minor);
        let books = drill::Books { paid: money(600_000), granted: money(540_000), owed: money(60_000) };
        let found = Found { books: vec![books], ..Found::default() };
        let summary = summary(&found);
        assert!(summary.ends_with("all in order") && !summary.contains(['"', '\\']), "{summary}");
        let told = told(&found, &summary).to_string();
        assert!(told.contains("\"recovery_point\":null") && told.contains("\"paid_minor\":600000"), "{told}");
    }
}
