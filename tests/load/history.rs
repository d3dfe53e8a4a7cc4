//! `load history`: how long a person waits for the pages that a long history could make slow.
//!
//! The portal is asked by its REST interface, as an operator's program would, one question at a time and each with
//! other parameters. A list is followed from page to page as far as it goes. What is measured is the whole way: HTTP,
//! the token, the statement, the answer.
//!
//! A question is a row of [`QUESTIONS`].

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{Context as _, ensure};
use clap::Args;
use reqwest::Client;
use serde_json::Value;
use url::Url;

use crate::histogram::Histogram;
use crate::report::{milliseconds, short, write_facts};

/// 95 of 100 answers shall be there by then.
const GOAL: Duration = Duration::from_millis(100);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pages of one list, after which it is begun anew.
const PAGES: u32 = 50;
/// Asked before anything is measured: connections are opened, statements are planned.
const WARM: u32 = 5;

/// What is asked, and where.
struct Question {
    name: &'static str,
    /// The address below `/api/v1`, its query begun.
    path: fn(&mut Dice) -> String,
}

const QUESTIONS: [Question; 2] = [
    Question { name: "the open sessions", path: |dice| format!("sessions?limit={}", dice.between(20, 100)) },
    Question { name: "the ended sessions", path: |dice| format!("sessions/ended?limit={}", dice.between(20, 100)) },
];

/// How long a person waits.
#[derive(Clone, Debug, Args)]
pub(crate) struct History {
    /// Where the portal is.
    #[arg(long)]
    portal: Url,
    /// File with a token of its REST interface.
    #[arg(long)]
    token_file: PathBuf,
    /// How often each question is asked.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(100..))]
    calls: u32,
    /// What to call the history in the facts.
    #[arg(long)]
    label: String,
    /// Write what was found there, NAME=VALUE a line.
    #[arg(long)]
    facts: Option<PathBuf>,
}

impl History {
    /// Asks, prints, writes.
    ///
    /// # Errors
    /// If an answer is not what was asked for, or none comes.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.measure())
    }

    async fn measure(&self) -> anyhow::Result<()> {
        let token = std::fs::read_to_string(&self.token_file)
            .with_context(|| format!("cannot read {}", self.token_file.display()))?;
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let mut facts = Vec::new();
        for question in &QUESTIONS {
            let found = self.ask(&client, token.trim(), question).await?;
            let at = |share| short(milliseconds(found.quantile(share)));
            let verdict = if found.quantile(0.95) < GOAL { "reached" } else { "missed" };
            let name =
                format!("{}: {}, p95 ms (goal under {}: {verdict})", self.label, question.name, GOAL.as_millis());
            let value = format!("{} (p50 {}, worst {})", at(0.95), at(0.5), short(milliseconds(found.longest())));
            println!("{name}: {value}");
            facts.push((name, value));
        }
        self.facts.as_deref().map_or(Ok(()), |path| write_facts(path, &facts))
    }

    async fn ask(&self, client: &Client, token: &str, question: &Question) -> anyhow::Result<Histogram> {
        let mut dice = Dice::shaken();
        let mut found = Histogram::default();
        let (mut cursor, mut page): (Option<String>, u32) = (None, 0);
        for call in 0..WARM + self.calls {
            let mut url = self.portal.join(&format!("/api/v1/{}", (question.path)(&mut dice)))?;
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let asked = Instant::now();
            let answer = client.get(url).bearer_auth(token).send().await?.error_for_status()?;
            let body = answer.bytes().await?;
            let took = asked.elapsed();
            if call >= WARM {
                found.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
            let body: Value = serde_json::from_slice(&body).context("the answer is no JSON")?;
            ensure!(body["data"].is_array(), "{} are answered without data", question.name);
            page = (page + 1) % PAGES;
            cursor = body["next_cursor"].as_str().filter(|_| page > 0).map(str::to_owned);
        }
        Ok(found)
    }
}
