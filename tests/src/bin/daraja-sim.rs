//! `daraja-sim`: a simulated M-Pesa (Daraja) as a program. See [`tests::daraja`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use tests::daraja::{Daraja, DarajaConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// A simulated M-Pesa: OAuth, STK push with callback, STK query.
#[derive(Parser)]
struct Arguments {
    /// Where to listen (port 0 takes a free one)
    #[arg(long)]
    listen: SocketAddr,
    /// File with the consumer key; white space at the ends of each file is left out
    #[arg(long)]
    consumer_key_file: PathBuf,
    /// File with the consumer secret
    #[arg(long)]
    consumer_secret_file: PathBuf,
    /// File with the passkey
    #[arg(long)]
    passkey_file: PathBuf,
    /// Paybill or till
    #[arg(long, default_value = "174379")]
    shortcode: String,
    /// From a push to its callback, in milliseconds
    #[arg(long, default_value_t = 3000)]
    delay_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_target(false).with_ansi(false).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("daraja-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut config = DarajaConfig::new(
        &read_secret(&arguments.consumer_key_file)?,
        &read_secret(&arguments.consumer_secret_file)?,
        &read_secret(&arguments.passkey_file)?,
    );
    config.listen = arguments.listen;
    config.shortcode = arguments.shortcode;
    config.delay = Duration::from_millis(arguments.delay_ms);
    // Signals are caught before anything is bound, so that an early one also ends in order.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let daraja = Daraja::start(config).await?;
    info!(address = %daraja.addr(), "listening; the phones of the demo are shown at {}/", daraja.base_url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    daraja.shutdown().await;
    Ok(())
}

fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(!text.trim().is_empty(), "{} is empty", file.display());
    Ok(text.trim().to_owned())
}
