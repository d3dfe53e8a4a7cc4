//! `sms-sim`: the providers of text messages as a program, for the demo; `/` shows what phones were sent. See [`tests::sms`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tests::sms::{SmsSim, SmsSimConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Simulated providers of SMS: Africa's Talking, and a Twilio that nobody asks.
#[derive(Parser)]
struct Arguments {
    /// Where to listen (port 0 takes a free one)
    #[arg(long)]
    listen: SocketAddr,
    /// The application's user name
    #[arg(long, default_value = "mlango")]
    username: String,
    /// File with the application's key
    #[arg(long)]
    api_key_file: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_target(false).with_ansi(false).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sms-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let path = &arguments.api_key_file;
    let key = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut config = SmsSimConfig::new(&arguments.username, key.trim(), "AC00000000000000000000000000000000", "unused");
    config.listen = arguments.listen;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let sms = SmsSim::start(config).await?;
    info!("listening; what phones were sent is shown at {}/", sms.base_url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sms.shutdown().await;
    Ok(())
}
