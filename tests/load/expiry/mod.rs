//! `load expiry`: very many sessions whose end comes within a minute, at very many routers, and how late each router is
//! asked.
//!
//! First `--prepare`, before radiusd starts: routers at addresses of loopback, and an open session of one customer each, with
//! deadlines that lie evenly in the time to come (or, with `--quota`, with data that is nearly used up). Then without it: the
//! routers are played ([`router`]); each answers a Disconnect-Request and ends its session. What is counted is how long after
//! its deadline (or after the report that used up the quota) the first Disconnect-Request of a session came, whether one
//! came too early, and how many sessions were asked for by more than one command. At the end every cut must be proved.
//!
//! With `--change` nothing ends: payments are settled that make packages longer ([`settle`]), and what is counted is how long
//! after that the router was asked to change the open session.

mod prepare;
mod router;
mod settle;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use shared::config::Config;
use shared::time::{Clock, OffsetDateTime};
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

use self::router::{Outcome, Router, Session, Task};
use crate::histogram::Histogram;
use crate::report::{milliseconds, number, short, write_facts};
use crate::request::Recipe;
use crate::secret_from;

/// How the routers of this bench are called.
const ROUTER: &str = "expiry";
/// Where they take commands.
const COA_PORT: u16 = 3799;
/// The quota of every session with `--quota`.
const QUOTA: u64 = 1_000_000_000;
/// A session that was not asked for by then after the last deadline was not asked for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait until PostgreSQL knows of every end.
const PROOF: Duration = Duration::from_secs(30);
/// 99 of 100 routers shall have been asked by then.
const GOAL: Duration = Duration::from_secs(2);
/// The same for changes.
const GOAL_OF_CHANGES: Duration = Duration::from_secs(1);

/// Very many sessions that end within a minute.
#[derive(Clone, Debug, Args)]
pub(crate) struct Expiry {
    /// radiusd's configuration: where PostgreSQL is, and the key of its secrets.
    #[arg(long)]
    config: PathBuf,
    /// Where the routers report to.
    #[arg(long)]
    server: SocketAddr,
    /// File with the shared secret.
    #[arg(long)]
    secret_file: PathBuf,
    /// Routers.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    routers: u16,
    /// Sessions.
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// The first customer, as `portal seed` makes them.
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// In how many seconds all deadlines lie.
    #[arg(long, default_value_t = 60)]
    spread: u32,
    /// Reports use up quotas, instead of time running out.
    #[arg(long)]
    quota: bool,
    /// Payments make packages longer, and nothing ends.
    #[arg(long, conflicts_with = "quota")]
    change: bool,
    /// Make the routers and the sessions, and nothing else.
    #[arg(long)]
    prepare: bool,
    /// With --prepare: the first deadline comes after so many seconds.
    #[arg(long, default_value_t = 30)]
    begin_in: u32,
    /// Where the metrics of a radiusd are; once for each.
    #[arg(long)]
    metrics: Vec<Url>,
    /// What to call the run in the facts.
    #[arg(long, default_value = "expiry")]
    label: String,
    /// Write what was found there, NAME=VALUE a line.
    #[arg(long)]
    facts: Option<PathBuf>,
}

impl Expiry {
    /// Prepares, or plays the routers and prints what was found.
    ///
    /// # Errors
    /// If PostgreSQL or an address cannot be used, a router was asked for the wrong thing, or a cut was not proved.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { if self.prepare { prepare::prepare(&self).await } else { self.measure().await } })
    }

    async fn measure(self) -> anyhow::Result<()> {
        let config = Config::load(&self.config)?;
        let mut database = PgConnection::connect(&config.database.write).await?;
        let clock = Clock::system();
        let mut routers = self.routers(&mut database, clock.now()).await?;
        ensure!(!routers.is_empty(), "there are no sessions: run with --prepare first");
        let last = routers.values().flatten().map(|session| session.due).max().context("there is a session")?;
        println!("{} routers, {} sessions", routers.len(), routers.values().map(Vec::len).sum::<usize>());
        let mut playing = JoinSet::new();
        for (address, sessions) in routers.drain() {
            let recipe = Recipe {
                secret: secret_from(&self.secret_file)?,
                chap: false,
                signed: true,
                must_be_signed: false,
                nas: address,
            };
            let router = Router::open(address, self.server, recipe, clock.clone(), sessions, self.task()).await?;
            playing.spawn(router.play(last + PATIENCE));
        }
        let settled = if self.change { settle::all(&config, self.spread).await? } else { HashMap::new() };
        let mut found = Found::default();
        while let Some(outcomes) = playing.join_next().await {
            for outcome in outcomes.context("a router failed")?? {
                found.add(outcome, settled.get(&outcome.session).copied());
            }
        }
        let proved = proved(&mut database, found.asked).await?;
        self.tell(&found, proved).await
    }

    /// The open sessions by their router's address. With `--quota` their reports are spread over the time from now on.
    async fn routers(
        &self,
        database: &mut PgConnection,
        now: OffsetDateTime,
    ) -> anyhow::Result<HashMap<Ipv4Addr, Vec<Session>>> {
        let rows = sqlx::query(
            "SELECT s.id, s.entitlement_id, s.acct_session_id, s.cutoff_at, host(n.address)
             FROM sessions s JOIN nas n ON n.id = s.nas_id WHERE n.name LIKE $1 || '%' ORDER BY s.acct_session_id",
        )
        .bind(ROUTER)
        .fetch_all(database)
        .await?;
        let count = number(u64::try_from(rows.len())?.max(1));
        let mut routers: HashMap<Ipv4Addr, Vec<Session>> = HashMap::new();
        for (index, row) in (0_u32..).zip(rows) {
            let (id, entitlement): (Uuid, Uuid) = (row.try_get(0)?, row.try_get(1)?);
            let name: String = row.try_get(2)?;
            let spoken = now + Duration::from_secs_f64(f64::from(self.spread) * f64::from(index) / count);
            let due = if self.quota || self.change { spoken } else { row.try_get(3)? };
            let session = Session::new(u32::from_str_radix(&name, 16)?, id, entitlement, due);
            routers.entry(row.try_get::<String, _>(4)?.parse()?).or_default().push(session);
        }
        Ok(routers)
    }

    fn task(&self) -> Task {
        match (self.quota, self.change) {
            (true, _) => Task::Report,
            (false, true) => Task::Change,
            (false, false) => Task::Obey,
        }
    }

    async fn tell(&self, found: &Found, proved: u64) -> anyhow::Result<()> {
        let at = |share| short(milliseconds(found.late.quantile(share)));
        let goal = if self.change { GOAL_OF_CHANGES } else { GOAL };
        let verdict = if found.late.quantile(0.99) < goal { "reached" } else { "missed" };
        let since = match self.task() {
            Task::Obey => "its deadline",
            Task::Report => "the report",
            Task::Change => "the payment was settled",
        };
        let mut facts = vec![
            (format!("asked, p50 ms after {since}"), at(0.5)),
            (format!("asked, p99 ms after {since} (goal under {}: {verdict})", goal.as_millis()), at(0.99)),
            (format!("asked, worst ms after {since}"), short(milliseconds(found.late.longest()))),
            ("sessions asked for, of all".to_owned(), format!("{} of {}", found.asked, found.sessions)),
            ("sessions asked for by more than one command".to_owned(), found.repeated.to_string()),
            ("proved".to_owned(), proved.to_string()),
        ];
        for (url, number) in self.metrics.iter().zip(1..) {
            facts.push((
                format!("acknowledged to radiusd {number}"),
                acknowledged(url, if self.change { "coa" } else { "disconnect" }).await?,
            ));
        }
        for (name, value) in &mut facts {
            *name = format!("{}: {name}", self.label);
            println!("{name}: {value}");
        }
        if let Some(path) = &self.facts {
            write_facts(path, &facts)?;
        }
        ensure!(self.change || found.early == 0, "{} sessions were asked for before their time", found.early);
        ensure!(found.asked == found.sessions, "{} sessions were not asked for", found.sessions - found.asked);
        ensure!(proved == found.sessions, "{} commands are not proved", found.sessions - proved);
        Ok(())
    }
}

/// What came of all sessions.
#[derive(Debug, Default)]
struct Found {
    late: Histogram,
    sessions: u64,
    asked: u64,
    early: u64,
    repeated: u64,
}

impl Found {
    /// `due`: when it was due, if the router cannot know.
    fn add(&mut self, outcome: Outcome, due: Option<OffsetDateTime>) {
        self.sessions += 1;
        if let Some(asked) = outcome.asked {
            let late = asked - due.unwrap_or(outcome.due);
            self.asked += 1;
            self.early += u64::from(late.is_negative());
            self.late.add(u64::try_from(late.whole_nanoseconds()).unwrap_or(0));
        }
        self.repeated += u64::from(outcome.commands > 1);
    }
}

/// How many cuts are proved, as soon as these are or the time for it is over.
async fn proved(database: &mut PgConnection, expected: u64) -> anyhow::Result<u64> {
    let clock = Clock::system();
    loop {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM nas_commands WHERE state = 'proved'")
            .fetch_one(&mut *database)
            .await?;
        let count = u64::try_from(count)?;
        if count >= expected || clock.monotonic() > PROOF {
            return Ok(count);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// How many commands of a kind of a server were acknowledged.
async fn acknowledged(metrics: &Url, kind: &str) -> anyhow::Result<String> {
    let text = reqwest::get(metrics.clone()).await?.error_for_status()?.text().await?;
    let counter = format!("mlango_coa_requests_total{{kind=\"{kind}\",result=\"ack\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&counter));
    Ok(line.unwrap_or("0").to_owned())
}

/// The `number`th router's address, on loopback.
fn address(number: u16) -> anyhow::Result<Ipv4Addr> {
    let [high, low] = (number % 20_000).to_be_bytes();
    match Ipv4Addr::new(127, 10, high, low) {
        address if low != 0 && low != u8::MAX => Ok(address),
        address => bail!("{address} is no address of a router"),
    }
}

/// Numbers of routers, leaving out those whose address would end in 0 or 255.
fn numbers() -> impl Iterator<Item = u16> {
    (1..20_000).filter(|number| !matches!(number % 256, 0 | 255))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_have_addresses_of_their_own() {
        let addresses: Vec<Ipv4Addr> = numbers().take(500).map(|number| address(number).expect("one")).collect();
        let different: std::collections::HashSet<_> = addresses.iter().collect();
        assert_eq!((different.len(), addresses[0]), (500, Ipv4Addr::new(127, 10, 0, 1)));
        assert!(addresses.iter().all(|address| address.is_loopback()));
    }

    #[test]
    fn what_is_asked_early_or_twice_is_told_apart() {
        let mut found = Found::default();
        let due = OffsetDateTime::UNIX_EPOCH;
        for (late, commands) in [(Some(5), 1), (Some(-1), 1), (Some(900), 2), (None, 0)] {
            let asked = late.map(|late| due + time::Duration::milliseconds(late));
            found.add(Outcome { session: Uuid::nil(), due, asked, commands }, None);
        }
        found.add(Outcome { session: Uuid::nil(), due, asked: Some(due), commands: 1 }, Some(due));
        assert_eq!((found.sessions, found.asked, found.early, found.repeated), (5, 4, 1, 1));
        assert_eq!(found.late.longest(), Duration::from_millis(900));
    }
}
