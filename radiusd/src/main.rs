//! The `radiusd` binary: arguments, configuration, signals; everything else is in the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use shared::config::Config;
use tokio_util::sync::CancellationToken;

/// RADIUS server for MikroTik hotspots: authentication, accounting, disconnect on expiry.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, env = "MLANGO_CONFIG", default_value = "mlango.toml")]
    config: PathBuf,
    /// Check the configuration and the connection to PostgreSQL, then stop.
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The outermost shell: one sentence for the person at the terminal or in the journal.
            eprintln!("radiusd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.check_config {
        return runtime.block_on(check(&config));
    }
    shared::log::init(&config.log);
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(cancel_on_signal(shutdown.clone())?);
        radiusd::run(config, shutdown).await
    })
}

/// A check that says OK with no database behind it is worth nothing: it connects.
async fn check(config: &Config) -> anyhow::Result<()> {
    if let Some(radsec) = &config.radsec {
        let until = radiusd::radsec::check(radsec)?;
        println!("the certificate of RadSec is good until {}", shared::time::rfc3339(until));
    }
    if let Some(ca_file) = &config.radius.routeros_ca_file {
        radiusd::routeros::check(ca_file)?;
    }
    let seal = std::sync::Arc::new(config.secrets.seal()?);
    let db = store::Db::open(&config.database, seal)?;
    db.expect_current_schema().await?;
    let routers = store::nas::all(&db).await?.len();
    println!("configuration is good; PostgreSQL answers; {routers} router(s) registered");
    Ok(())
}

fn cancel_on_signal(shutdown: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    })
}
