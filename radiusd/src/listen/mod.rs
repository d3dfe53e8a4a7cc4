//! The sockets.
//!
//! Each address has one socket and several reader tasks on it. A reader waits until the socket is readable, then
//! takes what is there without waiting, up to a bound, and hands each datagram to the pipeline, which does not
//! wait either. No task is made for a datagram.

mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use shared::config;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pipeline::{Pipeline, Port};

/// Sockets that are bound and not yet read.
pub(crate) struct Listeners {
    sockets: Vec<(Port, Arc<UdpSocket>)>,
    auth: SocketAddr,
    acct: SocketAddr,
}

/// Takes all addresses; one that is in use is named.
pub(crate) fn bind(settings: &config::Radius) -> anyhow::Result<Listeners> {
    let mut sockets = Vec::new();
    for (port, addresses) in [(Port::Auth, &settings.auth_listen), (Port::Acct, &settings.acct_listen)] {
        for address in addresses {
            let socket =
                udp::bind(*address).with_context(|| format!("cannot listen on {address}/udp ({})", port.label()))?;
            sockets.push((port, Arc::new(socket)));
        }
    }
    let first = |wanted: Port| -> anyhow::Result<SocketAddr> {
        let (_, socket) = sockets
            .iter()
            .find(|(port, _)| *port == wanted)
            .with_context(|| format!("radius.{}_listen names no address", wanted.label()))?;
        Ok(socket.local_addr()?)
    };
    Ok(Listeners { auth: first(Port::Auth)?, acct: first(Port::Acct)?, sockets })
}

impl Listeners {
    /// Where authentication listens, the first address.
    pub(crate) fn auth_address(&self) -> SocketAddr {
        self.auth
    }

    /// Where accounting listens, the first address.
    pub(crate) fn acct_address(&self) -> SocketAddr {
        self.acct
    }

    /// Begins to read. The tracker ends when all readers have stopped; one that fails stops the others.
    pub(crate) fn start(self, pipeline: &Arc<Pipeline>, workers: usize, stop: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        for (number, (port, socket)) in self.sockets.into_iter().enumerate() {
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            for _ in 0..workers {
                let reader = udp::read(Arc::clone(&socket), port, number, Arc::clone(pipeline), stop.clone());
                let (reader, stop) = (tokio::spawn(reader), stop.clone());
                tasks.spawn(async move {
                    if let Err(error) = reader.await {
                        tracing::error!(%error, port = port.label(), "a reader has failed");
                    }
                    stop.cancel();
                });
            }
        }
        tasks.close();
        tasks
    }
}
