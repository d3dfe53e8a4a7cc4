//! `stripe-sim`: a simulated Stripe as a program, for the demo: its page has buttons in place of a card. See [`tests::stripe`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use tests::stripe::{Stripe, StripeConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// A simulated Stripe: pages for cards, signed reports, refunds, fees.
#[derive(Parser)]
struct Arguments {
    /// Where to listen (port 0 takes a free one)
    #[arg(long)]
    listen: SocketAddr,
    /// File with the secret key; white space at the ends of each file is left out
    #[arg(long)]
    secret_key_file: PathBuf,
    /// File with the signing secret of the endpoint
    #[arg(long)]
    webhook_secret_file: PathBuf,
    /// Where reports are sent
    #[arg(long)]
    webhook_url: String,
    /// From what happened to its report, in milliseconds
    #[arg(long, default_value_t = 300)]
    delay_ms: u64,
    /// What is kept of a payment, in thousandths
    #[arg(long, default_value_t = 29)]
    fee_thousandths: i64,
    /// What is kept of each payment besides, in hundredths of its currency
    #[arg(long, default_value_t = 0)]
    fee_fixed: i64,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_target(false).with_ansi(false).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stripe-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let key = read_secret(&arguments.secret_key_file)?;
    let webhook_secret = read_secret(&arguments.webhook_secret_file)?;
    let config = StripeConfig {
        listen: arguments.listen,
        webhook_url: Some(arguments.webhook_url),
        delay: Duration::from_millis(arguments.delay_ms),
        fee: (arguments.fee_thousandths, arguments.fee_fixed),
        ..StripeConfig::new(&key, &webhook_secret)
    };
    // Signals are caught before anything is bound, so that an early one also ends in order.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stripe = Stripe::start(config).await?;
    info!(address = %stripe.addr(), "listening; the payments of the demo are shown at {}/", stripe.base_url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stripe.shutdown().await;
    Ok(())
}

fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(!text.trim().is_empty(), "{} is empty", file.display());
    Ok(text.trim().to_owned())
}
