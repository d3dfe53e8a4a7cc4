//! `nas-sim`: a simulated RouterOS hotspot router as a program. See [`tests::nas`].
//!
//! SIGTERM and SIGINT switch it off as a power cut does: nobody is logged out and nothing is sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use tests::nas::{Guests, LoginBy, Nas, NasConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// A simulated RouterOS hotspot router.
#[derive(Parser)]
struct Arguments {
    /// Address of the servlet, of the CoA port, and that RADIUS requests come from
    #[arg(long, default_value = "127.0.0.1")]
    bind: Ipv4Addr,
    /// Port of the servlet (0 takes a free one)
    #[arg(long, default_value_t = 8081)]
    http_port: u16,
    /// Port for Disconnect and CoA (0 takes a free one)
    #[arg(long, default_value_t = 3799)]
    coa_port: u16,
    /// NAS-Identifier
    #[arg(long, default_value = "demo-router")]
    identity: String,
    /// HOST:PORT for Access-Requests
    #[arg(long)]
    auth: String,
    /// HOST:PORT for Accounting-Requests
    #[arg(long)]
    acct: String,
    /// File with the RADIUS secret; white space at its ends is left out
    #[arg(long)]
    secret_file: PathBuf,
    /// Base URL of the portal that the login page leads to
    #[arg(long)]
    portal_url: String,
    /// HOST or HOST:PORT that browsers know the servlet by, if not the bound address
    #[arg(long)]
    hotspot_host: Option<String>,
    /// Any of http-chap, http-pap, mac
    #[arg(long, default_value = "http-chap,http-pap,mac")]
    login_by: LoginBy,
    /// Wait after each of three transmissions, in milliseconds
    #[arg(long, default_value_t = 300)]
    timeout_ms: u64,
    /// Be an older router: no Message-Authenticator sent or required
    #[arg(long)]
    no_message_auth: bool,
    /// Phones that come and go by themselves
    #[arg(long, default_value_t = 0)]
    guests: u32,
    /// The login that they use
    #[arg(long, requires = "guest_password_file")]
    guest_login: Option<String>,
    /// File with its password
    #[arg(long, requires = "guest_login")]
    guest_password_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_target(false).with_ansi(false).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nas-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let guests = guests(&arguments)?;
    // Signals are caught before anything is bound, so that an early one also ends in order.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let nas = Nas::start(config(arguments).await?).await?;
    info!(http = nas.url(), coa = %nas.coa_addr(), "listening; phones join at {}/join, the simulator's page is {}/sim", nas.url(), nas.url());
    if let Some(guests) = guests {
        info!("{guests:?} come and go");
        nas.run_guests(guests);
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("power off");
    nas.shutdown().await;
    Ok(())
}

async fn config(arguments: Arguments) -> anyhow::Result<NasConfig> {
    let auth = resolve(&arguments.auth).await?;
    let acct = resolve(&arguments.acct).await?;
    let secret = read_secret(&arguments.secret_file)?;
    let mut config = NasConfig::new(auth, acct, secret.as_bytes())
        .with_context(|| format!("{} holds no secret", arguments.secret_file.display()))?;
    config.bind = arguments.bind;
    config.http_port = arguments.http_port;
    config.coa_port = arguments.coa_port;
    config.identity = arguments.identity;
    config.hotspot_host = arguments.hotspot_host;
    config.portal_url = arguments.portal_url.trim_end_matches('/').to_owned();
    config.login_by = arguments.login_by;
    config.timeout = Duration::from_millis(arguments.timeout_ms);
    config.require_message_auth = !arguments.no_message_auth;
    Ok(config)
}

fn guests(arguments: &Arguments) -> anyhow::Result<Option<Guests>> {
    match (arguments.guests, &arguments.guest_login, &arguments.guest_password_file) {
        (0, _, _) => Ok(None),
        (count, Some(user), Some(file)) => Ok(Some(Guests { count, user: user.clone(), password: read_secret(file)? })),
        _ => bail!("--guests needs --guest-login and --guest-password-file"),
    }
}

/// The router's sockets are IPv4, as the hotspot of RouterOS is.
async fn resolve(name: &str) -> anyhow::Result<SocketAddr> {
    let mut found =
        tokio::net::lookup_host(name).await.with_context(|| format!("cannot resolve {name}; write HOST:PORT"))?;
    found.find(SocketAddr::is_ipv4).with_context(|| format!("{name} has no IPv4 address"))
}

fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}
