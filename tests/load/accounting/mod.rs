//! `load accounting`: the accounting of many open sessions against one server, each answer checked, and at the end
//! whether the database holds what was acknowledged.
//!
//! [`sessions`] says what is reported next, [`record`] writes it, the engine of the logins sends it. A run has three
//! parts: sessions are opened (not counted), the rounds, and, where `--stored` names the database, the end of every
//! session and a comparison of the journal with what is [`stored`].

pub(crate) mod record;
mod sessions;
mod stored;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{anyhow, ensure};
use clap::Args;

#[cfg(test)]
pub(crate) use self::sessions::Entry;
pub(crate) use self::sessions::{Sessions, Wish};
use self::stored::Ledger;
pub(crate) use self::stored::{Books, Keeper};
use crate::engine::{Engine, Plan};
use crate::pace::{Pace, Patience};
use crate::report::{Kind, Report};
use crate::request::Recipe;
use crate::run::{Run, Seen};
use crate::secret_from;
use crate::tally::{Count, Tally};

/// Requests outstanding while sessions are opened and closed.
const OUTSTANDING: usize = 128;
/// Meanwhile nothing is measured, and a slow server is waited for.
const UNHURRIED: Patience = Patience { gap: 2_000_000_000, tries: 3 };

/// Accounting against one server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Accounting {
    /// Where the server listens for accounting.
    #[arg(long)]
    pub(crate) server: SocketAddr,
    /// Where it listens for logins.
    #[arg(long)]
    pub(crate) auth_server: SocketAddr,
    /// File with the shared secret; white space at its ends is left out.
    #[arg(long)]
    pub(crate) secret_file: PathBuf,
    #[command(flatten)]
    pub(crate) run: Run,
    /// Sessions that are open at the same time.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) sessions: u32,
    /// Customers, as `portal seed` makes them.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=9_999_999))]
    pub(crate) users: u32,
    /// The customer of the first session.
    #[arg(long, default_value_t = 1)]
    pub(crate) first: u32,
    /// Each session begins with a login: 1:1:8:1 instead of 1:8:1.
    #[arg(long)]
    pub(crate) with_logins: bool,
    /// Without them, so many logins are made beforehand, and each session has the Class of one.
    #[arg(long, default_value_t = 0, conflicts_with = "with_logins")]
    pub(crate) tickets: u32,
    /// Let answers to logins pass that have no Message-Authenticator.
    #[arg(long)]
    pub(crate) accept_unsigned: bool,
    /// The server's database: at the end all sessions are ended and compared with what it holds.
    #[arg(long, value_name = "URL")]
    pub(crate) stored: Option<String>,
    /// Whose tables these are. What radiusd lacks is an error.
    #[arg(long, value_enum, default_value_t = Keeper::Radiusd)]
    pub(crate) keeper: Keeper,
    /// Longest wait until the database agrees, seconds.
    #[arg(long, default_value_t = 120)]
    pub(crate) settle: u64,
}

impl Accounting {
    /// Runs, prints, writes.
    ///
    /// # Errors
    /// If the run could not be made, an answer was wrong, none came, or radiusd has not stored what it acknowledged.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.run.read_rate()?;
        let report = self.measure()?;
        self.run.tell(&report)?;
        if let Some(complaint) = report.complaint() {
            return Err(anyhow!(complaint));
        }
        match report.books {
            Some(books) if self.keeper == Keeper::Radiusd && !books.agree() => Err(anyhow!("{books}")),
            _ => Ok(()),
        }
    }

    /// Makes the run.
    ///
    /// # Errors
    /// If a port cannot be opened, no session can be opened, or a watched process has ended.
    pub(crate) fn measure(&self) -> anyhow::Result<Report> {
        let ledger = self.stored.as_deref().map(|url| Ledger::open(url, self.keeper)).transpose()?;
        let mut dice = Dice::shaken();
        let mut sessions = Sessions::new(self.wish()?, &mut dice);
        sessions.open();
        let (opened, mut sessions) = Engine::new(self.unhurried(), sessions, Dice::shaken(), Instant::now())?.run()?;
        no_complaint(&opened.rounds[0])?;
        ensure!(sessions.is_open(), "the sessions could not be opened in time");
        sessions.run();
        let (count, seen, mut sessions) = self.rounds(sessions)?;
        if sessions.without_ticket > 0 {
            println!("    {} sessions logged in for want of tickets", sessions.without_ticket);
        }
        let mut report = self.run.report(Kind::Records, &count, &seen, self.run.round(), None);
        if self.with_logins {
            report.pace.push_str(", with logins");
        }
        if let Some(mut ledger) = ledger {
            sessions.close();
            let closed = Engine::new(self.unhurried(), sessions, Dice::shaken(), Instant::now())?.run()?;
            report.books =
                Some(ledger.compare(closed.1.journal(), closed.1.acknowledged, Duration::from_secs(self.settle))?);
        }
        Ok(report)
    }

    /// The rounds, and what was seen between them.
    fn rounds(&self, sessions: Sessions) -> anyhow::Result<(Count, Vec<Seen>, Sessions)> {
        let (pace, patience) = self.run.pace(1);
        let plan = Plan {
            pace,
            patience,
            ports: self.run.ports(),
            warm: self.run.warm(),
            round: self.run.round(),
            rounds: self.run.rounds as usize,
            ..self.unhurried()
        };
        let start = Instant::now();
        let engine = Engine::new(plan, sessions, Dice::shaken(), start)?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| engine.run());
            let seen = self.run.look(start);
            let (count, sessions) = thread.join().map_err(|_| anyhow!("a thread of the generator failed"))??;
            Ok((count, seen?, sessions))
        })
    }

    fn wish(&self) -> anyhow::Result<Wish> {
        let recipe = Recipe {
            secret: secret_from(&self.secret_file)?,
            chap: false,
            signed: true,
            must_be_signed: !self.accept_unsigned,
            nas: self.run.from,
        };
        Ok(Wish {
            recipe,
            places: self.sessions,
            users: self.users,
            first: self.first.clamp(1, self.users),
            with_logins: self.with_logins,
            tickets: self.tickets,
        })
    }

    /// Of a part of the run that is not measured.
    fn unhurried(&self) -> Plan {
        Plan {
            servers: vec![self.auth_server, self.server],
            from: self.run.from,
            ports: 4,
            pace: Pace::Closed { outstanding: OUTSTANDING },
            patience: UNHURRIED,
            warm: Duration::ZERO,
            round: Duration::from_secs(1_000_000),
            rounds: 1,
        }
    }
}

/// What must not have happened while sessions were opened.
fn no_complaint(tally: &Tally) -> anyhow::Result<()> {
    ensure!(tally.faults().is_empty(), "wrong answers while the sessions were opened: {}", tally.faults());
    ensure!(tally.rejected == 0, "{} logins were refused while the sessions were opened", tally.rejected);
    Ok(())
}
