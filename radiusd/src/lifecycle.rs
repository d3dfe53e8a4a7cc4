//! Telling the world how we are: readiness for service managers, scripts and load balancers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

/// How long background work may take to stop.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// What the health pages report.
#[derive(Debug, Default)]
pub(crate) struct Health {
    loaded: AtomicBool,
    listening: AtomicBool,
    following: AtomicBool,
}

impl Health {
    /// The directory was read once.
    pub(crate) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Relaxed);
    }

    /// Datagrams are being answered.
    pub(crate) fn set_listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Whether changes in PostgreSQL reach us at the moment.
    pub(crate) fn set_following(&self, following: bool) {
        self.following.store(following, Ordering::Relaxed);
    }

    /// Whether logins are answered. PostgreSQL may be away: memory answers.
    pub(crate) fn is_ready(&self) -> bool {
        self.loaded.load(Ordering::Relaxed) && self.listening.load(Ordering::Relaxed)
    }

    /// Whether memory is up to date with PostgreSQL.
    pub(crate) fn is_following(&self) -> bool {
        self.following.load(Ordering::Relaxed)
    }
}

/// Where we listen.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Ready {
    /// Authentication.
    pub(crate) auth: SocketAddr,
    /// Accounting.
    pub(crate) acct: SocketAddr,
    /// Health and metrics.
    pub(crate) admin: SocketAddr,
    /// RADIUS over TLS, if it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) radsec: Option<SocketAddr>,
}

/// Says that we are ready: a log line, the service manager's socket, and the file named by `MLANGO_READY_FILE`.
pub(crate) fn announce(ready: &Ready) -> anyhow::Result<()> {
    tracing::info!(auth = %ready.auth, acct = %ready.acct, admin = %ready.admin,
        radsec = ready.radsec.map(tracing::field::display), "listening");
    if let Some(path) = std::env::var_os("MLANGO_READY_FILE") {
        let mut value = serde_json::to_value(ready)?;
        value["pid"] = std::process::id().into();
        write_atomically(Path::new(&path), &value.to_string())
            .with_context(|| format!("cannot write the ready file {}", path.display()))?;
    }
    // Not under a service manager: nothing to tell.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::debug!(%error, "no service manager to tell");
    }
    Ok(())
}

/// Tells the service manager that we are stopping.
pub(crate) fn stopping() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
        tracing::debug!(%error, "no service manager to tell");
    }
}

fn write_atomically(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, text)?;
    std::fs::rename(&temporary, path)
}
