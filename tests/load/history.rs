//! `load history`: how long a person waits for the pages that a long history could make slow.
//!
//! The portal is asked by its REST interface, as an operator's program would, one question at a time and each with
//! other parameters. A list is followed from page to page as far as it goes. What is measured is the whole way: HTTP,
//! the token, the statement, the answer.
//!
//! A question is a row of [`QUESTIONS`]. What no interface of ours answers yet is asked of PostgreSQL by the statement that
//! the desk uses ([`Statement`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{Context as _, ensure};
use clap::Args;
use reqwest::Client;
use serde_json::Value;
use shared::config::Config;
use shared::time::{Clock, OffsetDateTime};
use sqlx::{Connection as _, PgConnection};
use store::Db;
use store::history::By;
use url::Url;
use uuid::Uuid;

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

/// What the desk asks PostgreSQL.
#[derive(Clone, Copy, Debug)]
enum Statement {
    CustomersHistory,
    DayBySite,
}

impl Statement {
    const ALL: [Statement; 2] = [Statement::CustomersHistory, Statement::DayBySite];

    fn name(self) -> &'static str {
        match self {
            Statement::CustomersHistory => "a customer's history",
            Statement::DayBySite => "a day's usage by site",
        }
    }

    /// Asks of a customer, or of a day, drawn by lot. Returns how many rows came.
    async fn ask(self, db: &Db, customers: &[Uuid], now: OffsetDateTime, dice: &mut Dice) -> anyhow::Result<usize> {
        match self {
            Statement::CustomersHistory => {
                let one = usize::try_from(dice.between(1, u64::try_from(customers.len())?))? - 1;
                Ok(store::history::of_customer(db, customers[one], now, 50).await?.len())
            }
            Statement::DayBySite => {
                let day = Duration::from_secs(86_400);
                let until = now - day * u32::try_from(dice.between(0, 300))?;
                Ok(store::history::usage(db, By::Site, until - day, until, 50).await?.len())
            }
        }
    }
}

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
    /// radiusd's configuration, where PostgreSQL is asked too.
    #[arg(long)]
    config: Option<PathBuf>,
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
            facts.push(self.tell(question.name, &found));
        }
        if let Some(config) = &self.config {
            let config = Config::load(config)?;
            let db = Db::open(&config.database, Arc::new(config.secrets.seal()?))?;
            let mut database = PgConnection::connect(&config.database.write).await?;
            let customers = sqlx::query_scalar("SELECT id FROM users").fetch_all(&mut database).await?;
            ensure!(!customers.is_empty(), "there are no customers: run portal seed");
            for statement in Statement::ALL {
                facts.push(self.tell(statement.name(), &self.query(&db, &customers, statement).await?));
            }
        }
        self.facts.as_deref().map_or(Ok(()), |path| write_facts(path, &facts))
    }

    /// Prints how long the answers to a question took, and returns it as a fact.
    fn tell(&self, question: &str, found: &Histogram) -> (String, String) {
        let at = |share| short(milliseconds(found.quantile(share)));
        let verdict = if found.quantile(0.95) < GOAL { "reached" } else { "missed" };
        let name = format!("{}: {question}, p95 ms (goal under {}: {verdict})", self.label, GOAL.as_millis());
        let value = format!("{} (p50 {}, worst {})", at(0.95), at(0.5), short(milliseconds(found.longest())));
        println!("{name}: {value}");
        (name, value)
    }

    async fn query(&self, db: &Db, customers: &[Uuid], statement: Statement) -> anyhow::Result<Histogram> {
        let (mut dice, mut found, mut rows) = (Dice::shaken(), Histogram::default(), 0);
        let now = Clock::system().now();
        for call in 0..WARM + self.calls {
            let asked = Instant::now();
            rows += statement.ask(db, customers, now, &mut dice).await?;
            if call >= WARM {
                found.add(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
        }
        println!("{}: {} rows an answer", statement.name(), rows / (WARM + self.calls) as usize);
        Ok(found)
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
