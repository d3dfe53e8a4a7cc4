//! What every run of the generator has: how long it is, how fast it asks, who is watched meanwhile, and the report.
//!
//! A run is cut into rounds. Between two of them the watched processes are looked at, and PostgreSQL is asked how far
//! its log has come, so that what was spent belongs to the requests of that round.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::flood::Flood;
use crate::pace::{Pace, Patience, Phase};
use crate::report::{Kind, Report, Round, Spent, number};
use crate::tally::Count;
use crate::wal::Wal;
use crate::watch::{self, Look, Watched};

/// Length, speed, and who is watched.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// What to call the run.
    #[arg(long, default_value = "server")]
    pub(crate) label: String,
    /// Closed loop: so many requests are outstanding.
    #[arg(long, default_value_t = 64, conflicts_with = "rate")]
    pub(crate) outstanding: usize,
    /// Open loop: so many requests begin each second, with RouterOS' three tries of 300 ms.
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
    /// Our address.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) from: Ipv4Addr,
    /// Source ports, 256 identifiers each. Default: four, or as many as --rate needs.
    #[arg(long)]
    pub(crate) ports: Option<usize>,
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
    /// Ask this PostgreSQL how much it writes to its log.
    #[arg(long, value_name = "URL")]
    pub(crate) wal: Option<String>,
    /// Write the report there as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// What was seen between two rounds.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    processes: Vec<Look>,
    /// Where PostgreSQL's log stood, octets.
    wal: Option<u64>,
}

impl Run {
    /// Takes the rate from an earlier report.
    ///
    /// # Errors
    /// If there is none, or it measured nothing.
    pub(crate) fn read_rate(&mut self) -> anyhow::Result<()> {
        let Some(path) = &self.rate_from else { return Ok(()) };
        let capacity = Report::read(path)?.median(|round| round.accepted_per_second);
        ensure!(capacity > 0.0, "{} measured nothing", path.display());
        self.rate = Some(capacity * self.share);
        self.then_rate = self.then_rate.map(|share| capacity * share);
        Ok(())
    }

    /// How requests begin on each of so many threads.
    pub(crate) fn pace(&self, threads: u32) -> (Pace, Patience) {
        let Some(rate) = self.rate else {
            return (Pace::Closed { outstanding: self.outstanding.div_ceil(threads as usize) }, Patience::ONCE);
        };
        let threads = f64::from(threads);
        let lasts = self.round() * self.rounds + self.warm();
        let mut phases = vec![Phase { per_second: rate / threads, lasts }];
        if let Some(then) = self.then_rate {
            phases.push(Phase { per_second: then / threads, lasts: Duration::from_secs(self.then_seconds) });
        }
        (Pace::Open { phases }, Patience::ROUTEROS)
    }

    pub(crate) fn warm(&self) -> Duration {
        Duration::from_secs_f64(self.warm)
    }

    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Enough identifiers that even with no answer at all each request has its own until it is given up, and a
    /// quarter more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is some millions at most")]
    pub(crate) fn ports(&self) -> usize {
        let under_way = self.rate.unwrap_or(0.0) * number(Patience::ROUTEROS.whole()) / 1e9;
        let needed = under_way * 1.25 / 256.0;
        self.ports.unwrap_or((needed.ceil() as usize).max(4))
    }

    /// Looks at the processes at the beginning and at each end of a round.
    ///
    /// # Errors
    /// If a watched process has ended, or PostgreSQL does not answer.
    pub(crate) fn look(&self, start: Instant) -> anyhow::Result<Vec<Seen>> {
        let mut wal = self.wal.as_deref().map(Wal::open).transpose()?;
        let mut seen = Vec::new();
        for round in 0..=self.rounds {
            let at = self.warm() + self.round() * round;
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            let mut processes = self.watch.iter().map(Watched::look).collect::<anyhow::Result<Vec<Look>>>()?;
            processes.push(watch::myself()?);
            seen.push(Seen { processes, wal: wal.as_mut().map(Wal::position).transpose()? });
        }
        Ok(seen)
    }

    /// Puts together what was counted and what was seen. Each round lasted `lasted`.
    pub(crate) fn report(
        &self,
        kind: Kind,
        count: &Count,
        seen: &[Seen],
        lasted: Duration,
        flood: Option<Flood>,
    ) -> Report {
        let names = self.watch.iter().map(|watched| watched.name.clone()).chain(["generator".to_owned()]);
        let names: Vec<String> = names.collect();
        let rounds = count.rounds.iter().enumerate().map(|(index, tally)| {
            let spent = match seen.get(index..index + 2) {
                Some([before, after]) => Spent {
                    processes: names
                        .iter()
                        .zip(before.processes.iter().zip(&after.processes))
                        .map(|(name, (before, after))| (name.clone(), *before, *after))
                        .collect(),
                    wal: before.wal.zip(after.wal).map(|(before, after)| after.saturating_sub(before)),
                },
                _ => Spent::default(),
            };
            Round::new(tally, lasted, &spent)
        });
        let pace = match self.rate {
            Some(_) if self.rate_from.is_some() => format!("open, {}×", self.share),
            Some(rate) => format!("open {rate:.0}/s"),
            None => format!("closed {}", self.outstanding),
        };
        let mut report = Report::new(kind, &self.label, &pace, count, rounds.collect(), flood);
        match self.then_rate {
            Some(_) => report.then_seconds = usize::try_from(self.then_seconds).unwrap_or(0),
            None => report.seconds.clear(),
        }
        report
    }

    /// Prints and writes a report, and says whether it may be believed.
    ///
    /// # Errors
    /// If it cannot be written, or no answer came.
    pub(crate) fn tell(&self, report: &Report) -> anyhow::Result<()> {
        report.print();
        if let Some(path) = &self.json {
            write(path, &serde_json::to_string_pretty(report)?)?;
        }
        ensure!(report.rounds.iter().any(|round| round.accepted > 0), "nothing was answered as it should be");
        Ok(())
    }
}

/// Writes a file.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
