//! `load login`: logins against one server, counted in rounds.
//!
//! Each thread has an engine of its own; this thread only looks at the processes between two rounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{anyhow, ensure};
use clap::Args;
use radius_proto::{BuildError, MAX_PACKET};

use crate::engine::{Engine, Plan};
use crate::flood;
use crate::pace::{Customers, Pace, Phase};
use crate::report::{Kind, Report};
use crate::request::{Answer, Fault, Recipe};
use crate::run::Run;
use crate::secret_from;
use crate::tally::Count;
use crate::work::Work;

/// Logins against one server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Login {
    /// Where the server listens.
    #[arg(long)]
    pub(crate) server: SocketAddr,
    /// File with the shared secret; white space at its ends is left out.
    #[arg(long)]
    pub(crate) secret_file: PathBuf,
    #[command(flatten)]
    pub(crate) run: Run,
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
    /// Threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) threads: u32,
    /// Beside the logins, so many datagrams a second that nobody should answer.
    #[arg(long, default_value_t = 0)]
    pub(crate) flood: u64,
    /// Where the flood comes from.
    #[arg(long, default_value = "127.0.0.9")]
    pub(crate) flood_from: Ipv4Addr,
    /// Do not fail on refused logins.
    #[arg(long)]
    pub(crate) allow_refused: bool,
}

/// The logins of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Logins {
    pub(crate) recipe: Recipe,
    pub(crate) customers: Customers,
}

impl Work for Logins {
    /// Whose login it is.
    type Ask = u32;

    fn choose(&mut self, dice: &mut Dice) -> Option<u32> {
        self.customers.draw(dice)
    }

    fn server(&self, _: u32) -> usize {
        0
    }

    fn write<'b>(
        &mut self,
        customer: u32,
        identifier: u8,
        dice: &mut Dice,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError> {
        self.recipe.write(customer, identifier, dice, buffer)
    }

    fn check(&self, _: u32, reply: &[u8], authenticator: &[u8; 16]) -> Result<Answer, Fault> {
        self.recipe.check(reply, authenticator)
    }

    fn answered(&mut self, _: u32, _: Answer, _: &[u8]) {}

    fn given_up(&mut self, customer: u32) {
        self.customers.give_back(customer);
    }

    fn is_over(&self) -> bool {
        self.customers.is_over()
    }
}

impl Login {
    /// Runs, prints, writes.
    ///
    /// # Errors
    /// If the run could not be made, or an answer was wrong, or none came.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.run.read_rate()?;
        let report = self.measure()?;
        self.run.tell(&report)?;
        match report.complaint() {
            Some(complaint) if !(self.allow_refused && complaint.ends_with("refused")) => Err(anyhow!(complaint)),
            _ => Ok(()),
        }
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
                let work = Logins { recipe: recipe.clone(), customers: self.customers().share(index, self.threads) };
                let engine = Engine::new(self.plan(), work, Dice::shaken(), start)?;
                threads.push(scope.spawn(move || engine.run()));
            }
            let flood = (self.flood > 0)
                .then(|| scope.spawn(|| flood::flood(self.flood_from, self.server, self.flood, &recipe, &stop)));
            let seen = if self.once { Ok(Vec::new()) } else { self.run.look(start) };
            let mut count = Count::default();
            for thread in threads {
                count.merge(&thread.join().map_err(|_| anyhow!("a thread of the generator failed"))??.0);
            }
            let lasted = if self.once { start.elapsed() } else { self.run.round() };
            stop.store(true, Ordering::Relaxed);
            let flood = match flood {
                Some(thread) => Some(thread.join().map_err(|_| anyhow!("the flood failed"))??),
                None => None,
            };
            Ok(self.run.report(Kind::Logins, &count, &seen?, lasted, flood))
        })
    }

    fn recipe(&self) -> anyhow::Result<Recipe> {
        Ok(Recipe {
            secret: secret_from(&self.secret_file)?,
            chap: self.chap,
            signed: !self.unsigned,
            must_be_signed: !self.accept_unsigned,
            nas: self.run.from,
        })
    }

    fn customers(&self) -> Customers {
        match self.once {
            true => Customers::Each { next: self.first, last: self.users, again: Vec::new() },
            false => Customers::Uniform { count: self.users },
        }
    }

    fn plan(&self) -> Plan {
        let (mut pace, patience) = self.run.pace(self.threads);
        if let (true, Pace::Open { phases }) = (self.once, &mut pace) {
            *phases = phases.iter().map(|phase| Phase { lasts: Duration::MAX, ..*phase }).collect();
        }
        // --once has one round, which lasts as long as it takes.
        let forever = Duration::from_secs(1_000_000);
        let (warm, round, rounds) = match self.once {
            true => (Duration::ZERO, forever, 1),
            false => (self.run.warm(), self.run.round(), self.run.rounds as usize),
        };
        let ports = self.run.ports().div_ceil(self.threads as usize);
        Plan { servers: vec![self.server], from: self.run.from, ports, pace, patience, warm, round, rounds }
    }
}
