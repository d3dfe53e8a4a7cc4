//! `load`: the load generator of `./mlango bench`, and what is measured beside our own server.
//!
//! [`login`] asks one server for logins, [`accounting`] reports to it what sessions use, both in a closed or an open
//! loop, and every answer is checked; [`responder`] is the ceiling, a server with no logic at all. [`change`],
//! [`history`] and [`desk`] measure what a person waits for, [`expiry`] how soon access ends, [`payments`] what an order takes from the
//! first page to the access that it buys, and [`pages`] how soon a browser shows that page. How to run and read it all: `docs/operations/benchmarks.md`.
//!
//! What it refuses to do: to call a figure a figure when an answer was wrong. A run in which one was ends with an
//! error.

mod accounting;
mod change;
mod desk;
mod engine;
mod expiry;
mod flood;
mod histogram;
mod history;
mod hotspot;
mod login;
mod pace;
mod pages;
mod payments;
mod report;
mod request;
mod responder;
mod run;
mod table;
mod tally;
mod wal;
mod watch;
mod wire;
mod work;

#[cfg(test)]
mod against_radiusd;
#[cfg(test)]
mod smoke;

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Parser, Subcommand};
use radius_proto::Secret;

use crate::responder::Responder;
use crate::watch::Watched;

/// The load generator of `./mlango bench`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Logins against one server, each answer checked.
    Login(Box<login::Login>),
    /// What sessions use, reported to one server, each answer checked.
    Accounting(Box<accounting::Accounting>),
    /// A server with no logic: the ceiling.
    Responder(Respond),
    /// The runs of a bench, side by side.
    Table(table::Table),
    /// How soon radiusd honours changes.
    Change(Box<change::Change>),
    /// How late routers are asked to end sessions whose time is over.
    Expiry(Box<expiry::Expiry>),
    /// How long a person waits for what a long history could make slow.
    History(history::History),
    /// How long an operator waits for the desk's pages.
    Desk(desk::Desk),
    /// Guests who buy from the portal, and what becomes of their money.
    Payments(Box<payments::Payments>),
    /// How soon a browser shows a guest's first page, and what it loads for that.
    Pages(pages::Pages),
    /// Fails unless a process is at rest.
    Idle(Idle),
}

/// A server with no logic.
#[derive(Debug, Args)]
struct Respond {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddrV4,
    /// File with the shared secret.
    #[arg(long)]
    secret_file: PathBuf,
    /// Threads on the one socket.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

impl Respond {
    fn run(&self) -> anyhow::Result<()> {
        let responder = Responder::open(self.listen, secret_from(&self.secret_file)?)?;
        println!("listening on {}", responder.address()?);
        let never = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(|| responder.answer_until(&never))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread failed"))?)
        })
    }
}

/// Whether a process is at rest.
#[derive(Debug, Args)]
struct Idle {
    /// The process.
    #[arg(long)]
    pid: u32,
}

/// How long a process is looked at, and the share of a core below which it is at rest.
const REST: (Duration, f64) = (Duration::from_millis(500), 0.05);

impl Idle {
    fn run(&self) -> anyhow::Result<()> {
        let process = Watched { name: "the process".into(), pid: self.pid, with_children: false };
        let before = process.look()?;
        std::thread::sleep(REST.0);
        let spent = report::number(process.look()?.cpu - before.cpu) / 1e9 / REST.0.as_secs_f64();
        anyhow::ensure!(spent < REST.1, "the process uses {:.0} % of a core", spent * 100.0);
        Ok(())
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Login(login) => login.run(),
        Command::Accounting(accounting) => accounting.run(),
        Command::Responder(respond) => respond.run(),
        Command::Table(table) => table.run(),
        Command::Change(change) => change.run(),
        Command::Expiry(expiry) => expiry.run(),
        Command::History(history) => history.run(),
        Command::Desk(desk) => desk.run(),
        Command::Payments(payments) => payments.run(),
        Command::Pages(pages) => pages.run(),
        Command::Idle(idle) => idle.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A shared secret out of its file.
fn secret_from(file: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Secret::new(text.trim().as_bytes()).with_context(|| format!("{} is empty", file.display()))
}
