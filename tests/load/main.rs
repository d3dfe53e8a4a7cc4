//! `load`: the load generator of `./mlango bench`, and what is measured beside our own server.
//!
//! [`login`] asks one server for logins, in a closed or an open loop, and checks every answer; [`responder`] is the
//! ceiling, a server with no logic at all. How to run and read it all: `docs/operations/benchmarks.md`.
//!
//! What it refuses to do: to call a figure a figure when an answer was wrong. A run in which one was ends with an
//! error.

mod engine;
mod flood;
mod histogram;
mod login;
mod pace;
mod report;
mod request;
mod responder;
mod tally;
mod watch;
mod wire;

#[cfg(test)]
mod smoke;

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, anyhow};
use clap::{Args, Parser, Subcommand};
use radius_proto::Secret;

use crate::responder::Responder;

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
    /// A server with no logic: the ceiling.
    Responder(Respond),
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

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Login(login) => login.run(),
        Command::Responder(respond) => respond.run(),
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
