//! `load payments`: guests who buy from the portal over HTTP, an M-Pesa that answers pushes and calls back, and what becomes
//! of the money.
//!
//! Each guest ([`guest`]) is another device with another number, and comes from an address of its own. M-Pesa is the
//! simulator of the tests, in this process, where the configuration says that M-Pesa is; on a calm day it answers a push at
//! once and its customer pays within half a second. *Closed*: so many guests are under way, each until its order is paid, and
//! each that goes lets the next one come. *Open*: guests come at random moments at a rate.
//!
//! What is counted as the time from the report to the grant begins when this process sends the report and ends when the
//! order's page, by the stream of news that it has open, has told the guest to go online: by one clock, and an upper bound,
//! since the grant was committed before it was told. No table is polled for it. With `--faults` M-Pesa's answers and reports
//! are lost, late, doubled and wrong; then many a grant follows from a question of ours and not from a report, and is left
//! out of that time. At the end [`books`] holds PostgreSQL against what M-Pesa has collected; the run fails where they differ.

mod books;
mod guest;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::tests::daraja::{Daraja, DarajaConfig, Odds, Says};
use ::tests::dice::Dice;
use anyhow::{Context as _, ensure};
use clap::Args;
use shared::config::{Config, Mpesa};
use shared::time::{Clock, OffsetDateTime};
use sqlx::{Connection as _, PgConnection};
use store::Db;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use self::books::Books;
use self::guest::{End, Seen, Street};
use crate::histogram::Histogram;
use crate::hotspot;
use crate::pace::{Arrivals, Phase};
use crate::report::{Kind, Report, Round, Spent, milliseconds, number, short, write_facts};
use crate::tally::{Count, Tally};
use crate::watch::{self, Look, Watched};

/// Of 100 orders 99 shall be granted so soon after the report that they are paid.
const GOAL: Duration = Duration::from_secs(1);
/// Threads of guests and M-Pesa together.
const THREADS: usize = 2;
/// Guests under way at once in an open run: more than a portal that keeps up ever has.
const CROWD: usize = 4_096;
/// From a push to its decision and report on a rough day, and how long a phone that nobody answers is waited for.
const ROUGH: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(6));
/// Longer than any run, for a rate that goes on until the last guest has come.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// Guests who buy.
#[derive(Clone, Debug, Args)]
pub(crate) struct Payments {
    /// The portal's configuration: where PostgreSQL is, where M-Pesa must be played and with which secrets.
    #[arg(long)]
    config: PathBuf,
    /// Where the portal is.
    #[arg(long)]
    portal: Url,
    /// Orders, one a guest.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=400_000))]
    orders: u32,
    /// The number of the first guest; no two runs on one database may share a guest.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=500_000))]
    first: u32,
    /// Closed loop: so many guests are under way.
    #[arg(long, default_value_t = 256)]
    guests: usize,
    /// Open loop: so many guests come each second.
    #[arg(long, conflicts_with = "guests")]
    rate: Option<f64>,
    /// Instead of --rate: a share of what this earlier report measured.
    #[arg(long, conflicts_with_all = ["rate", "guests"])]
    rate_from: Option<PathBuf>,
    /// The share of --rate-from.
    #[arg(long, default_value_t = 0.5, requires = "rate_from")]
    share: f64,
    /// M-Pesa's answers and reports are lost, late, doubled and wrong, and half of its customers pay as they should.
    #[arg(long)]
    faults: bool,
    /// Repeats the same numbers, packages and fates.
    #[arg(long)]
    seed: Option<u64>,
    /// What to call the run.
    #[arg(long, default_value = "portal")]
    label: String,
    /// A process to watch: NAME=PID, or NAME=PID+ with its children. The portal's name is `server`.
    #[arg(long)]
    watch: Vec<Watched>,
    /// Write the report there as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write what was found there, NAME=VALUE a line.
    #[arg(long)]
    facts: Option<PathBuf>,
}

impl Payments {
    /// Lets all guests buy, prints what was found, and holds the books against M-Pesa's.
    ///
    /// # Errors
    /// If a guest was shown what it should not be, an order is stuck, or the books are wrong.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        runtime.block_on(self.measure())
    }

    async fn measure(mut self) -> anyhow::Result<()> {
        self.read_rate()?;
        let config = Config::load(&self.config)?;
        let mut database = PgConnection::connect(&config.database.write).await?;
        let db = hotspot::store(&config)?;
        hotspot::register(&db, self.first, self.orders).await?;
        let street = Arc::new(self.street(&config, db).await?);
        let begin = street.clock.now();
        let before = self.look()?;
        let start = Instant::now();
        let (seen, behind) = self.come(&street).await?;
        let after = self.look()?;
        let lasted = start.elapsed();
        let found = Found::of(&street, &seen, begin, lasted);
        street.daraja.set_odds(Odds::NONE, street.seed);
        let (first, then) = books::settle(&mut database, &street, &seen, begin).await?;
        self.tell(&found, &seen, (&first, then.as_ref()))?;
        let spent = before.into_iter().zip(after).map(|((name, before), (_, after))| (name, before, after));
        self.report(&found, &Spent { processes: spent.collect(), wal: None }, behind)?;
        then.as_ref().unwrap_or(&first).check()?;
        if let Some(then) = &then {
            ensure!(then.untold.is_empty(), "M-Pesa has told of {} payments in vain", then.untold.len());
        }
        ensure!(
            self.faults || found.granted == u64::from(self.orders),
            "{} of {} orders were granted within the patience of their guests",
            found.granted,
            self.orders
        );
        Ok(())
    }

    /// Takes the rate from an earlier report.
    fn read_rate(&mut self) -> anyhow::Result<()> {
        let Some(path) = &self.rate_from else { return Ok(()) };
        let capacity = Report::read(path)?.median(|round| round.accepted_per_second);
        ensure!(capacity > 0.0, "{} measured nothing", path.display());
        self.rate = Some(capacity * self.share);
        Ok(())
    }

    /// M-Pesa, and what guests share.
    async fn street(&self, config: &Config, db: Db) -> anyhow::Result<Street> {
        let mpesa = config.mpesa.as_ref().context("there is no [mpesa] in the configuration")?;
        let seed = self.seed.unwrap_or_else(|| Dice::shaken().draw());
        let daraja = Daraja::start(till(mpesa, self.faults, seed)?).await?;
        if self.faults {
            println!("seed {seed}");
            daraja.set_odds(Odds::ROUGH, seed);
        }
        let clock = Clock::system();
        let offered = store::package::offered(&db, None, clock.now()).await?;
        let goods = offered.iter().map(|package| format!("{}:{}", package.slug, package.price.minor)).collect();
        Ok(Street {
            clients: Street::browsers()?,
            portal: self.portal.clone(),
            db,
            daraja,
            clock,
            goods,
            is_rough: self.faults,
            seed,
        })
    }

    /// Lets all guests come. Returns what they have seen, and how late the latest of them came, nanoseconds.
    async fn come(&self, street: &Arc<Street>) -> anyhow::Result<(Vec<Seen>, u64)> {
        let mut dice = Dice::shaken();
        let phase = |per_second| vec![Phase { per_second, lasts: FOR_EVER }];
        let mut arrivals = self.rate.map(|rate| Arrivals::new(phase(rate), &mut dice));
        let room = Arc::new(Semaphore::new(if arrivals.is_some() { CROWD } else { self.guests.max(1) }));
        let (mut crowd, mut seen, mut behind) = (JoinSet::new(), Vec::new(), 0_u64);
        let start = Instant::now();
        for number in self.first..self.first + self.orders {
            let due = arrivals.as_ref().and_then(Arrivals::next_due).map(Duration::from_nanos);
            if let (Some(due), Some(arrivals)) = (due, &mut arrivals) {
                tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
                arrivals.advance(&mut dice);
            }
            let place = Arc::clone(&room).acquire_owned().await.context("the shop is never closed")?;
            let late = due.map_or(Duration::ZERO, |due| start.elapsed().saturating_sub(due));
            behind = behind.max(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
            while let Some(gone) = crowd.try_join_next() {
                seen.push(gone.context("a guest failed")??);
            }
            let street = Arc::clone(street);
            crowd.spawn(async move {
                let bought = street.buy(number).await;
                drop(place);
                bought.with_context(|| format!("guest {number}"))
            });
        }
        while let Some(gone) = crowd.join_next().await {
            seen.push(gone.context("a guest failed")??);
        }
        Ok((seen, behind))
    }

    fn look(&self) -> anyhow::Result<Vec<(String, Look)>> {
        let named =
            |watched: &Watched| -> anyhow::Result<(String, Look)> { Ok((watched.name.clone(), watched.look()?)) };
        let mut looks = self.watch.iter().map(named).collect::<anyhow::Result<Vec<_>>>()?;
        looks.push(("generator".to_owned(), watch::myself()?));
        Ok(looks)
    }

    fn pace(&self) -> String {
        match (&self.rate_from, self.rate) {
            (Some(_), _) => format!("open, {}×", self.share),
            (None, Some(rate)) => format!("open {rate:.0}/s"),
            (None, None) => format!("closed {}", self.guests),
        }
    }

    /// Prints and writes the facts.
    fn tell(&self, found: &Found, seen: &[Seen], books: (&Books, Option<&Books>)) -> anyhow::Result<()> {
        let mut facts = found.times(self.rate.is_some() && !self.faults);
        facts.extend(found.told(seen));
        facts.extend(of_books(books.0, books.1));
        let pace = self.pace();
        for (name, value) in &mut facts {
            *name = format!("{} {pace}: {name}", self.label);
            println!("{name}: {value}");
        }
        self.facts.as_deref().map_or(Ok(()), |path| write_facts(path, &facts))
    }

    /// Writes the row of the table: orders that were granted, and the time from the report to the grant.
    fn report(&self, found: &Found, spent: &Spent, behind: u64) -> anyhow::Result<()> {
        let tally = Tally {
            asked: self.orders.into(),
            accepted: found.granted,
            behind,
            latencies: found.reported.clone(),
            ..Tally::default()
        };
        let round = Round::new(&tally, found.lasted, spent);
        for cost in &round.costs {
            println!("CPU µs an order that was granted: {} {:.0}", cost.name, cost.cpu_us_per_answer);
        }
        if behind > 20_000_000 {
            println!("the generator was up to {:.0} ms behind", number(behind) / 1e6);
        }
        let report = Report::new(Kind::Orders, &self.label, &self.pace(), &Count::default(), vec![round], None);
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// M-Pesa as the configuration expects it.
fn till(mpesa: &Mpesa, is_rough: bool, seed: u64) -> anyhow::Result<DarajaConfig> {
    let address = mpesa.base_url.socket_addrs(|| None)?;
    let listen: SocketAddr = *address.first().context("mpesa.base_url names no address")?;
    let (key, secret) = (mpesa.consumer_key.expose(), mpesa.consumer_secret.expose());
    let usual = DarajaConfig::new(key, secret, mpesa.passkey.expose());
    let (delay, silence) = if is_rough { ROUGH } else { (usual.delay, usual.silence) };
    Ok(DarajaConfig { listen, shortcode: mpesa.shortcode.clone(), delay, silence, seed: Some(seed), ..usual })
}

/// What the guests of a run have seen.
#[derive(Debug)]
struct Found {
    granted: u64,
    /// From the first guest until the last grant was told.
    lasted: Duration,
    /// From the first guest until the last form was answered.
    placing: Duration,
    packages: Histogram,
    buy: Histogram,
    page: Histogram,
    /// From the report that was true to the grant.
    reported: Histogram,
    /// Grants that were told before any true report was sent, or without one: M-Pesa was asked.
    asked: u64,
}

impl Found {
    fn of(street: &Street, seen: &[Seen], begin: OffsetDateTime, whole: Duration) -> Found {
        let sent = first_reports(street);
        let since = |last: Option<OffsetDateTime>| {
            last.and_then(|last| Duration::try_from(last - begin).ok())
                .filter(|lasted| !lasted.is_zero())
                .unwrap_or(whole)
        };
        let granted = || seen.iter().filter(|seen| seen.end == End::Granted);
        let mut found = Found {
            granted: 0,
            lasted: since(granted().map(|seen| seen.told).max()),
            placing: since(seen.iter().map(|seen| seen.placed).max()),
            packages: Histogram::default(),
            buy: Histogram::default(),
            page: Histogram::default(),
            reported: Histogram::default(),
            asked: 0,
        };
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        for seen in seen {
            found.packages.add(nanoseconds(seen.packages));
            found.buy.add(nanoseconds(seen.buy));
            found.page.add(nanoseconds(seen.page));
        }
        for seen in granted() {
            found.granted += 1;
            match sent.get(&seen.phone).and_then(|sent| Duration::try_from(seen.told - *sent).ok()) {
                Some(late) => found.reported.add(nanoseconds(late)),
                None => found.asked += 1,
            }
        }
        found
    }

    /// The times, with the goal where it is meant: on an ordinary day, when less is asked for than the portal can do.
    fn times(&self, has_goal: bool) -> Vec<(String, String)> {
        let at = |histogram: &Histogram, share| short(milliseconds(histogram.quantile(share)));
        let verdict = if self.reported.quantile(0.99) < GOAL { "reached" } else { "missed" };
        let goal = if has_goal { format!(" (goal under {}: {verdict})", GOAL.as_millis()) } else { String::new() };
        let both = |histogram: &Histogram| format!("{} and {}", at(histogram, 0.5), at(histogram, 0.99));
        vec![
            ("orders granted/s".to_owned(), format!("{:.1}", number(self.granted) / self.lasted.as_secs_f64())),
            ("granted, p50 ms after M-Pesa's report was sent".to_owned(), at(&self.reported, 0.5)),
            (format!("granted, p99 ms after M-Pesa's report was sent{goal}"), at(&self.reported, 0.99)),
            (
                "granted, worst ms after M-Pesa's report was sent".to_owned(),
                short(milliseconds(self.reported.longest())),
            ),
            ("GET the packages page, p50 and p99 ms".to_owned(), both(&self.packages)),
            ("POST /buy, p50 and p99 ms".to_owned(), both(&self.buy)),
            ("GET the order's page, p50 and p99 ms".to_owned(), both(&self.page)),
        ]
    }

    /// What guests were told.
    fn told(&self, seen: &[Seen]) -> Vec<(String, String)> {
        let count = |end| seen.iter().filter(|seen| seen.end == end).count();
        let rate = number(u64::try_from(seen.len()).unwrap_or(0)) / self.placing.as_secs_f64();
        vec![
            ("orders placed/s".to_owned(), format!("{rate:.1}")),
            (
                "guests were told within their patience".to_owned(),
                format!(
                    "{} to go online, {} of a refund, {} that it failed, {} nothing",
                    count(End::Granted),
                    count(End::Owed),
                    count(End::Failed),
                    count(End::Nothing)
                ),
            ),
            ("grants that came of a question and not of a report".to_owned(), self.asked.to_string()),
        ]
    }
}

/// When the first true report of each number was sent.
fn first_reports(street: &Street) -> HashMap<String, OffsetDateTime> {
    street.daraja.read(|till| {
        let sent = till.transactions().iter().filter_map(|transaction| {
            let first = transaction.told.iter().filter(|told| told.says == Says::Truth).map(|told| told.sent).min()?;
            Some((transaction.phone.clone(), first))
        });
        sent.collect()
    })
}

/// What the books say: as they stood by themselves, and after M-Pesa has told of what it never had.
fn of_books(first: &Books, then: Option<&Books>) -> Vec<(String, String)> {
    let Books { granted, owed, unpaid, unknown, problems, collected: (shillings, payments), ledger, .. } = first;
    let stuck = problems.len();
    let verdict = if stuck == 0 { "reached" } else { "missed" };
    let mut facts = vec![
        ("collected".to_owned(), format!("KSh {shillings} in {payments} payments")),
        (
            "orders".to_owned(),
            format!(
                "{granted} granted, {owed} refunds due, {unpaid} not paid, {unknown} that nobody can know about yet"
            ),
        ),
        (format!("orders that are stuck or booked wrongly (goal 0: {verdict})"), stuck.to_string()),
        (
            "ledger".to_owned(),
            format!(
                "{} entries, sum {}, {} transactions that do not balance",
                ledger.entries, ledger.sum, ledger.crooked
            ),
        ),
    ];
    if let Some(then) = then {
        facts.push((
            format!("of {} payments M-Pesa had told nothing; after it has", first.untold.len()),
            format!("{} granted, {} refunds due, {} untold", then.granted, then.owed, then.untold.len()),
        ));
    }
    facts
}
