//! The sockets.
//!
//! Each UDP address has one socket ([`Endpoint`]) and several readers ([`udp`]) on it, each a thread of its own, which
//! take datagrams by the batch ([`batch`]) and hand each to the pipeline. Nothing here waits but for datagrams, and no
//! task is made for one.

mod batch;
mod endpoint;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use shared::config;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use batch::send_together;
pub(crate) use endpoint::Endpoint;

use crate::pipeline::{Pipeline, Port};

/// Sockets that are bound and not yet read.
pub(crate) struct Listeners {
    endpoints: Vec<Arc<Endpoint>>,
    auth: SocketAddr,
    acct: SocketAddr,
}

/// Takes all addresses; one that is in use is named.
pub(crate) fn bind(settings: &config::Radius) -> anyhow::Result<Listeners> {
    let mut endpoints: Vec<Arc<Endpoint>> = Vec::new();
    for (port, addresses) in [(Port::Auth, &settings.auth_listen), (Port::Acct, &settings.acct_listen)] {
        for address in addresses {
            let number = u8::try_from(endpoints.len()).context("too many addresses to listen on")?;
            let endpoint = Endpoint::bind(*address, port, number)
                .with_context(|| format!("cannot listen on {address}/udp ({})", port.label()))?;
            endpoints.push(Arc::new(endpoint));
        }
    }
    let first = |wanted: Port| -> anyhow::Result<SocketAddr> {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.port == wanted);
        Ok(endpoint.with_context(|| format!("radius.{}_listen names no address", wanted.label()))?.address)
    };
    Ok(Listeners { auth: first(Port::Auth)?, acct: first(Port::Acct)?, endpoints })
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
        for endpoint in self.endpoints {
            for _ in 0..workers {
                let (endpoint, pipeline, stop) = (Arc::clone(&endpoint), Arc::clone(pipeline), stop.clone());
                let port = endpoint.port.label();
                let ended = stop.clone();
                let reader = tokio::task::spawn_blocking(move || udp::read(&endpoint, &pipeline, &stop));
                tasks.spawn(async move {
                    if let Err(error) = reader.await {
                        tracing::error!(%error, port, "a reader has failed");
                    }
                    ended.cancel();
                });
            }
        }
        tasks.close();
        tasks
    }
}
