//! RadSec: RADIUS over TLS (RFC 6614), framed and ended as RFC 6613 says.
//!
//! ```text
//! router ──TCP──▶ door ──TLS──▶ who is it? ──▶ session: frames ──▶ pipeline ──▶ queue ──▶ writer ──▶ router
//!                            (names, registry)    └──▶ answers to commands ──▶ dynauth       ▲
//!                                                        journal, held rejects, commands ────┘
//! ```
//!
//! [`door`] takes connections and lets in whom a certificate names as a registered router; [`session`] reads one;
//! [`connection`] is what the others hold of it; [`live`] knows all of them; [`certificates`] are the files, read again
//! when they change. One port carries logins, accounting, Status-Server, and commands the other way (RFC 6614 §2.5).
//!
//! What it refuses: a router without a certificate of ours, a name that nobody registered, a registered router from
//! another address than its own; and on an open connection everything that on UDP would be met with silence for being
//! malformed or forged: that ends the connection (RFC 6613 §2.6.4).

mod certificates;
mod connection;
mod door;
mod frames;
mod live;
mod names;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use shared::config;
use shared::time::Clock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use certificates::CertificateError;
pub(crate) use connection::Connection;
pub(crate) use live::Live;

use self::certificates::Certificates;
use self::door::Door;
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;

/// The secret of every RadSec connection (RFC 6614 §2.3). It protects nothing: TLS does.
const SECRET: &[u8] = b"radsec";
/// How often files and the list of routers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Ports that are taken and certificates that fit.
pub(crate) struct Server {
    settings: config::RadSec,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    certificates: Arc<Certificates>,
}

/// What the server tells the parts of RadSec when it stops.
#[derive(Clone)]
pub(crate) struct Stop {
    /// Take nothing more.
    pub(crate) listening: CancellationToken,
    /// Everything that was taken is answered.
    pub(crate) answered: CancellationToken,
}

/// Reads the files of `[radsec]` as the server would. Returns until when the certificate is good.
///
/// # Errors
/// What is wrong with them.
pub fn check(settings: &config::RadSec) -> Result<shared::time::OffsetDateTime, CertificateError> {
    certificates::load(settings, &Clock::system()).map(|loaded| loaded.certificate_until)
}

impl Server {
    /// Reads the files and takes the ports.
    pub(crate) async fn bind(settings: &config::RadSec, clock: &Clock, metrics: &Metrics) -> anyhow::Result<Server> {
        let certificates = Arc::new(Certificates::open(settings, clock, metrics)?);
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let listener = TcpListener::bind(address).await;
            listeners.push(listener.with_context(|| format!("cannot listen on {address}/tcp (radsec)"))?);
        }
        let first = listeners.first().context("radsec.listen names no address")?;
        let address = first.local_addr().context("radsec.listen")?;
        Ok(Server { settings: settings.clone(), listeners, address, certificates })
    }

    /// Where it listens, the first address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to take connections. The first tracker ends when nothing more is taken from any; `background` holds what
    /// goes on until all is answered.
    pub(crate) fn start(
        self,
        pipeline: &Arc<Pipeline>,
        live: &Arc<Live>,
        stop: &Stop,
        background: &TaskTracker,
    ) -> anyhow::Result<TaskTracker> {
        let readers = TaskTracker::new();
        let door = Arc::new(Door::new(&self.settings, &self.certificates, pipeline, live, stop, background));
        for listener in self.listeners {
            readers.spawn(Arc::clone(&door).open(listener, readers.clone()));
        }
        let hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
        readers.spawn(watch(self.certificates, Arc::clone(pipeline), Arc::clone(live), hangup, stop.listening.clone()));
        readers.close();
        Ok(readers)
    }
}

/// Reads the files again when they have changed and are left alone, or at once on SIGHUP; closes connections whose
/// routers have changed.
async fn watch(
    certificates: Arc<Certificates>,
    pipeline: Arc<Pipeline>,
    live: Arc<Live>,
    mut hangup: tokio::signal::unix::Signal,
    stop: CancellationToken,
) {
    let mut read = certificates.stamp();
    let mut last = certificates.stamp();
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            heard = hangup.recv() => heard.is_some(),
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        // A certificate and its key are seldom replaced in the same moment: a change counts when it is over.
        let now = certificates.stamp();
        if asked || (now != read && now == last) {
            certificates.reload();
            read = certificates.stamp();
        }
        last = now;
        live.sweep(&pipeline.clients.load(), pipeline.clock.now());
    }
}
