//! `load change`: how soon a change in PostgreSQL is honoured by radiusd, while very many arrive.
//!
//! Each change is a transaction of its own that gives one customer another quota. Some customers are sampled:
//! from the moment PostgreSQL has confirmed the change, their login is asked for again and again until the answer
//! carries the new quota. What is counted is thus an upper bound; it includes the login itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _};
use radius_proto::attribute::mikrotik;
use radius_proto::{MAX_PACKET, Packet};
use shared::config::Config;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use store::Db;
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::histogram::Histogram;
use crate::report::{milliseconds, number, short, write_facts};
use crate::request::{Answer, Recipe};
use crate::secret_from;

/// Transactions under way at once. Each waits for the disk, so several share one flush.
const WRITERS: u32 = 12;
/// Between two looks at a sampled customer.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// An answer that has not come by then was lost.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// A change that is not honoured by then is not honoured.
const HONOURED_WITHIN: Duration = Duration::from_secs(10);
/// Quotas of changes begin here; each has its own.
const QUOTA_FROM: u64 = 200 << 30;

/// How soon changes are honoured.
#[derive(Clone, Debug, Args)]
pub(crate) struct Change {
    /// radiusd's configuration: where PostgreSQL is, and the key of its secrets.
    #[arg(long)]
    config: PathBuf,
    /// Where radiusd listens.
    #[arg(long)]
    server: SocketAddr,
    /// File with the shared secret.
    #[arg(long)]
    secret_file: PathBuf,
    /// Customers, as `portal seed` makes them.
    #[arg(long)]
    users: u32,
    /// Changes a second.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// For how long, seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// How many changes are looked at.
    #[arg(long, default_value_t = 200)]
    samples: u32,
    /// Write what was found there, NAME=VALUE a line.
    #[arg(long)]
    facts: Option<PathBuf>,
}

/// What the writers and lookers share.
struct Work {
    arguments: Change,
    pool: PgPool,
    recipe: Recipe,
    done: AtomicU64,
    latest: AtomicU64,
    found: Mutex<Histogram>,
}

impl Change {
    /// Makes the changes, looks, prints.
    ///
    /// # Errors
    /// If PostgreSQL or radiusd cannot be asked, or a change was not honoured.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.measure())
    }

    async fn measure(self) -> anyhow::Result<()> {
        let count = self.rate * self.seconds;
        ensure!(count > 0 && count <= self.users, "there must be a customer for each change: raise --users");
        let config = Config::load(&self.config)?;
        let seal = Arc::new(config.secrets.seal()?);
        let db = Db::open(&config.database, seal)?;
        let pool = PgPoolOptions::new().max_connections(WRITERS).connect(&config.database.write).await?;
        let entitlements = entitlements(&db, self.users, count).await?;
        let recipe = Recipe {
            secret: secret_from(&self.secret_file)?,
            chap: false,
            signed: true,
            must_be_signed: true,
            nas: Ipv4Addr::LOCALHOST,
        };
        let work = Arc::new(Work {
            arguments: self,
            pool,
            recipe,
            done: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            found: Mutex::new(Histogram::default()),
        });
        let lasted = make(&work, entitlements).await?;
        work.tell(lasted).await
    }
}

/// The entitlements of customers, spread evenly over all.
async fn entitlements(db: &Db, users: u32, count: u32) -> anyhow::Result<Vec<(u32, Uuid)>> {
    let chosen = (0..count).map(|index| {
        let customer = u64::from(index) * u64::from(users) / u64::from(count) + 1;
        u32::try_from(customer).unwrap_or(users)
    });
    futures::stream::iter(chosen)
        .map(|customer| async move {
            let login = format!("user{customer:07}");
            let found = store::directory::find_login(db, login.as_bytes()).await?;
            anyhow::Ok((customer, found.with_context(|| format!("there is no {login}: run portal seed"))?))
        })
        .buffered(8)
        .try_collect()
        .await
}

/// Begins each change when it is due. Returns how long it took in all.
async fn make(work: &Arc<Work>, entitlements: Vec<(u32, Uuid)>) -> anyhow::Result<Duration> {
    let every = Duration::from_secs(1) / work.arguments.rate;
    let sample_every = entitlements.len().div_ceil(work.arguments.samples.max(1) as usize).max(1);
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (index, (customer, entitlement)) in (0_u32..).zip(entitlements) {
        let due = every * index;
        tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
        while let Some(ended) = running.try_join_next() {
            ended.context("a change failed")??;
        }
        let (work, sampled) = (Arc::clone(work), (index as usize).is_multiple_of(sample_every));
        running.spawn(async move {
            work.one(customer, entitlement, QUOTA_FROM + u64::from(index), due, start, sampled).await
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.context("a change failed")??;
    }
    Ok(start.elapsed())
}

impl Work {
    async fn one(
        &self,
        customer: u32,
        entitlement: Uuid,
        quota: u64,
        due: Duration,
        start: Instant,
        sampled: bool,
    ) -> anyhow::Result<()> {
        let changed = sqlx::query("UPDATE entitlements SET quota_octets = $2 WHERE id = $1")
            .bind(entitlement)
            .bind(i64::try_from(quota)?)
            .execute(&self.pool)
            .await
            .context("a change was refused")?;
        let confirmed = Instant::now();
        ensure!(changed.rows_affected() == 1, "the entitlement of customer {customer} is gone");
        self.done.fetch_add(1, Ordering::Relaxed);
        let late = start.elapsed().saturating_sub(due);
        self.latest.fetch_max(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if sampled {
            self.look(customer, quota, confirmed).await?;
        }
        Ok(())
    }

    /// Asks for a customer's login until it carries the quota.
    async fn look(&self, customer: u32, quota: u64, confirmed: Instant) -> anyhow::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(self.arguments.server).await?;
        let mut dice = Dice::shaken();
        for identifier in (0..=u8::MAX).cycle() {
            if confirmed.elapsed() > HONOURED_WITHIN {
                bail!("the change of customer {customer} was not honoured within {} s", HONOURED_WITHIN.as_secs());
            }
            let asked = self.ask(&socket, customer, identifier, &mut dice);
            if tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or(Ok(None))? == Some(quota) {
                let nanoseconds = u64::try_from(confirmed.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.found.lock().await.add(nanoseconds);
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The quota that a login carries; nothing has been used of it.
    async fn ask(
        &self,
        socket: &UdpSocket,
        customer: u32,
        identifier: u8,
        dice: &mut Dice,
    ) -> anyhow::Result<Option<u64>> {
        let mut buffer = Box::new([0; MAX_PACKET]);
        let (request, authenticator) = self.recipe.write(customer, identifier, dice, &mut buffer)?;
        socket.send(request).await?;
        let mut reply = [0; MAX_PACKET];
        loop {
            let length = socket.recv(&mut reply).await?;
            let reply = &reply[..length];
            if reply.get(1) != Some(&identifier) {
                continue; // of a login that was given up
            }
            let answer = self.recipe.check(reply, &authenticator);
            ensure!(answer == Ok(Answer::Accept), "customer {customer} is answered {answer:?}");
            let packet = Packet::parse(reply)?;
            let low = packet.get(mikrotik::TOTAL_LIMIT).unwrap_or(0);
            let high = packet.get(mikrotik::TOTAL_LIMIT_GIGAWORDS).unwrap_or(0);
            return Ok(Some((u64::from(high) << 32) | u64::from(low)));
        }
    }

    async fn tell(&self, lasted: Duration) -> anyhow::Result<()> {
        let found = self.found.lock().await;
        let rate = number(self.done.load(Ordering::Relaxed)) / lasted.as_secs_f64();
        let at = |share| short(milliseconds(found.quantile(share)));
        let behind = Duration::from_nanos(self.latest.load(Ordering::Relaxed));
        let facts = [
            ("changes/s", format!("{rate:.0}")),
            ("a change was confirmed at most this late, ms", short(milliseconds(behind))),
            ("a change is honoured after, p50 ms", at(0.5)),
            ("a change is honoured after, p99 ms (goal under 100)", at(0.99)),
            ("a change is honoured after, worst ms", at(1.0)),
        ];
        for (name, value) in &facts {
            println!("{name}: {value}");
        }
        if let Some(path) = &self.arguments.facts {
            write_facts(path, &facts.map(|(name, value)| (name.to_owned(), value)))?;
        }
        Ok(())
    }
}
