//! `load login`: logins against one server, counted in rounds.
//!
//! Each thread has an engine of its own; this thread only looks at the processes between two rounds, so that
//! what they spent belongs to the logins of that round.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{Context as _, anyhow, ensure};
use clap::Args;

use crate::engine::{Engine, Plan};
use crate::flood::{self, Flood};
use crate::pace::{Customers, Pace, Patience, Phase};
use crate::report::{Report, Round, number};
use crate::request::Recipe;
use crate::secret_from;
use crate::tally::Count;
use crate::watch::{self, Look, Watched};

/// Logins against one server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Login {
    /// Where the server listens.
    #[arg(long)]
    pub(crate) server: SocketAddr,
    /// File with the shared secret; white space at its ends is left out.
    #[arg(long)]
    pub(crate) secret_file: PathBuf,
    /// What to call the run.
    #[arg(long, default_value = "server")]
    pub(crate) label: String,
    /// Closed loop: so many logins are outstanding.
    #[arg(long, default_value_t = 64, conflicts_with = "rate")]
    pub(crate) outstanding: usize,
    /// Open loop: so many logins begin each second, with RouterOS' three tries of 300 ms.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Instead of --rate: a share of what this earlier report measured.
    #[arg(long, conflicts_with_all = ["rate", "outstanding"])]
    pub(crate) rate_from: Option<PathBuf>,
    /// The share of --rate-from.
    #[arg(long, default_value_t = 0.5, requires = "rate_from")]
    pub(crate) share: f64,
    /// After the rounds, this rate for --then-seconds; with --rate-from a share.
    #[arg(long)]
    pub(crate) then_rate: Option<f64>,
    /// How long --then-rate goes on.
    #[arg(long, default_value_t = 4, requires = "then_rate")]
    pub(crate) then_seconds: u64,
    /// Customers, as `portal seed` makes them.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=9_999_999))]
    pub(crate) users: u32,
    /// Each customer once, in order, and no rounds: binds every device.
    #[arg(long)]
    pub(crate) once: bool,
    /// The first customer of --once.
    #[arg(long, default_value_t = 1, requires = "once")]
    pub(crate) first: u32,
    /// CHAP instead of PAP.
    #[arg(long)]
    pub(crate) chap: bool,
    /// Send no Message-Authenticator.
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Let answers pass that have no Message-Authenticator.
    #[arg(long)]
    pub(crate) accept_unsigned: bool,
    /// Our address.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) from: Ipv4Addr,
    /// Source ports, 256 identifiers each. Default: four, or as many as --rate needs.
    #[arg(long)]
    pub(crate) ports: Option<usize>,
    /// Threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) threads: u32,
    /// Length of a round, seconds.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds before the first round.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warm: f64,
    /// A process to watch: NAME=PID, or NAME=PID+ with its children.
    #[arg(long)]
    pub(crate) watch: Vec<Watched>,
    /// Beside the logins, so many datagrams a second that nobody should answer.
    #[arg(long, default_value_t = 0)]
    pub(crate) flood: u64,
    /// Where the flood comes from.
    #[arg(long, default_value = "127.0.0.9")]
    pub(crate) flood_from: Ipv4Addr,
    /// Write the report there as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Do not fail on refused logins.
    #[arg(long)]
    pub(crate) allow_refused: bool,
}

impl Login {
    /// Runs, prints, writes.
    ///
    /// # Errors
    /// If the run could not be made, or an answer was wrong, or none came.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.read_rate()?;
        let report = self.measure()?;
        report.print();
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        ensure!(report.rounds.iter().any(|round| round.accepted > 0), "nobody was let in");
        match report.complaint() {
            Some(complaint) if !(self.allow_refused && complaint.ends_with("refused")) => Err(anyhow!(complaint)),
            _ => Ok(()),
        }
    }

    /// Takes the rate from an earlier report.
    fn read_rate(&mut self) -> anyhow::Result<()> {
        let Some(path) = &self.rate_from else { return Ok(()) };
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let earlier: Report =
            serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))?;
        let capacity = earlier.median(|round| round.accepted_per_second);
        ensure!(capacity > 0.0, "{} measured nothing", path.display());
        self.rate = Some(capacity * self.share);
        self.then_rate = self.then_rate.map(|share| capacity * share);
        Ok(())
    }

    /// Makes the run.
    ///
    /// # Errors
    /// If a port cannot be opened, or a watched process has ended.
    pub(crate) fn measure(&self) -> anyhow::Result<Report> {
        ensure!((1..=self.users).contains(&self.first), "--first lies beyond --users");
        let start = Instant::now();
        let stop = AtomicBool::new(false);
        let recipe = self.recipe()?;
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for index in 0..self.threads {
                let engine = Engine::new(self.plan(&recipe, index), Dice::shaken(), start)?;
                threads.push(scope.spawn(move || engine.run()));
            }
            let flood = (self.flood > 0)
                .then(|| scope.spawn(|| flood::flood(self.flood_from, self.server, self.flood, &recipe, &stop)));
            let looks = if self.once { Ok(Vec::new()) } else { self.look(start) };
            let mut count = Count::default();
            for thread in threads {
                count.merge(&thread.join().map_err(|_| anyhow!("a thread of the generator failed"))??);
            }
            let lasted = start.elapsed();
            stop.store(true, Ordering::Relaxed);
            let flood = match flood {
                Some(thread) => Some(thread.join().map_err(|_| anyhow!("the flood failed"))??),
                None => None,
            };
            Ok(self.report(&count, &looks?, lasted, flood))
        })
    }

    fn recipe(&self) -> anyhow::Result<Recipe> {
        Ok(Recipe {
            secret: secret_from(&self.secret_file)?,
            chap: self.chap,
            signed: !self.unsigned,
            must_be_signed: !self.accept_unsigned,
            nas: self.from,
        })
    }

    fn plan(&self, recipe: &Recipe, index: u32) -> Plan {
        let threads = f64::from(self.threads);
        let rounds = Duration::from_secs_f64(self.seconds) * self.rounds + Duration::from_secs_f64(self.warm);
        let (pace, patience) = match self.rate {
            Some(rate) => {
                let lasts = if self.once { Duration::MAX } else { rounds };
                let mut phases = vec![Phase { per_second: rate / threads, lasts }];
                if let Some(then) = self.then_rate {
                    let lasts = Duration::from_secs(self.then_seconds);
                    phases.push(Phase { per_second: then / threads, lasts });
                }
                (Pace::Open { phases }, Patience::ROUTEROS)
            }
            None => {
                let outstanding = self.outstanding.div_ceil(self.threads as usize);
                (Pace::Closed { outstanding }, Patience::ONCE)
            }
        };
        let customers = if self.once {
            Customers::Each { next: self.first, last: self.users, again: Vec::new() }
        } else {
            Customers::Uniform { count: self.users }
        };
        let (warm, round) = if self.once { (0.0, 1e6) } else { (self.warm, self.seconds) };
        Plan {
            server: self.server,
            from: self.from,
            ports: self.ports().div_ceil(self.threads as usize),
            recipe: recipe.clone(),
            pace,
            patience,
            customers: customers.share(index, self.threads),
            warm: Duration::from_secs_f64(warm),
            round: Duration::from_secs_f64(round),
            rounds: if self.once { 1 } else { self.rounds as usize },
        }
    }

    /// Enough identifiers that even with no answer at all each login has its own until it is given up, and a
    /// quarter more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is some millions at most")]
    fn ports(&self) -> usize {
        let under_way = self.rate.unwrap_or(0.0) * number(Patience::ROUTEROS.whole()) / 1e9;
        let needed = under_way * 1.25 / 256.0;
        self.ports.unwrap_or((needed.ceil() as usize).max(4))
    }

    /// Looks at the processes at the beginning and at each end of a round.
    fn look(&self, start: Instant) -> anyhow::Result<Vec<Vec<Look>>> {
        let mut looks = Vec::new();
        for round in 0..=self.rounds {
            let at = Duration::from_secs_f64(self.warm + self.seconds * f64::from(round));
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            let mut now = self.watch.iter().map(Watched::look).collect::<anyhow::Result<Vec<Look>>>()?;
            now.push(watch::myself()?);
            looks.push(now);
        }
        Ok(looks)
    }

    fn report(&self, count: &Count, looks: &[Vec<Look>], lasted: Duration, flood: Option<Flood>) -> Report {
        let names = self.watch.iter().map(|watched| watched.name.clone()).chain(["generator".to_owned()]);
        let names: Vec<String> = names.collect();
        let lasted = if self.once { lasted } else { Duration::from_secs_f64(self.seconds) };
        let rounds = count.rounds.iter().enumerate().map(|(index, tally)| {
            let spent: Vec<(String, Look, Look)> = match looks.get(index..index + 2) {
                Some([before, after]) => {
                    let pairs = before.iter().zip(after);
                    names.iter().cloned().zip(pairs).map(|(name, (before, after))| (name, *before, *after)).collect()
                }
                _ => Vec::new(),
            };
            Round::new(tally, lasted, &spent)
        });
        let pace = match self.rate {
            Some(_) if self.rate_from.is_some() => format!("open, {}×", self.share),
            Some(rate) => format!("open {rate:.0}/s"),
            None => format!("closed {}", self.outstanding),
        };
        let mut report = Report::new(&self.label, &pace, count, rounds.collect(), flood);
        match self.then_rate {
            Some(_) => report.then_seconds = usize::try_from(self.then_seconds).unwrap_or(0),
            None => report.seconds.clear(),
        }
        report
    }
}
