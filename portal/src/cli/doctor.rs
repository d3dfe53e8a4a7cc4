//! `portal doctor`: what is wrong with this deployment, and what to do about it.
//!
//! It also runs where no other command does: on a configuration that is not read, a database that is away, or one of another
//! version.

use std::path::Path;

use clap::Args;
use serde_json::json;
use shared::config::Config;
use shared::time::Clock;
use url::Url;

use super::Answer;
use crate::doctor::{self, Finding, Verdict};

/// Say what is wrong with this deployment, and what to do.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Where radiusd's admin port is reached [default: radius.admin_listen of the configuration].
    #[arg(long, value_name = "URL")]
    radiusd: Option<Url>,
    #[command(flatten)]
    answer: Answer,
}

impl Doctor {
    /// Looks, answers, and fails if there is a problem.
    pub(super) async fn run(&self, path: &Path) -> anyhow::Result<()> {
        let clock = Clock::system();
        let findings = match Config::load(path) {
            Ok(config) => doctor::examine(&config, path, self.radiusd.clone(), &clock).await,
            Err(error) => vec![doctor::unreadable(&error)],
        };
        let problems = findings.iter().filter(|finding| finding.verdict == Verdict::Problem).count();
        self.answer.give(&json!({ "problems": problems, "findings": findings }), lines(&findings))?;
        anyhow::ensure!(problems == 0, "{problems} problem(s) were found; each says what to do");
        Ok(())
    }
}

/// A line for each finding, and one below it for what to do.
fn lines(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let head = format!("{:<8} {}: {}", finding.verdict.word(), finding.name, finding.what);
        if finding.advice.is_empty() { head } else { format!("{head}\n         -> {}", finding.advice) }
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
