//! The way back to whoever asked: a [`Road`] is where an answer goes, a [`Sink`] is who carries it there.
//!
//! An answer that is ready while its request is still in hand goes into the reader's own sink, which sends a whole
//! batch with one system call; so do those of an accounting batch. One that is ready later by itself (a reject that is held back,
//! a login that was looked up) goes [`Direct`]ly. Neither waits: what cannot be sent at once is lost, as the network may lose it, and the
//! router asks again. A TLS connection loses nothing; one whose router does not read is ended instead.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::listen::Endpoint;
use crate::radsec::Connection;

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(crate) enum Road {
    /// Back over the socket that the request came to.
    Udp {
        /// The socket.
        endpoint: Arc<Endpoint>,
        /// Who asked.
        peer: SocketAddr,
        /// Which of our addresses was asked, where the socket has several: the answer leaves from there (RFC 2865 §3).
        local: Option<IpAddr>,
    },
    /// Back over the TLS connection that the request came on, which has proved who asks.
    Tls(Arc<Connection>),
}

impl Road {
    /// Who asked.
    pub(crate) fn peer(&self) -> SocketAddr {
        match self {
            Road::Udp { peer, .. } => *peer,
            Road::Tls(connection) => connection.peer,
        }
    }

    /// Sends one packet now.
    pub(crate) fn send(&self, packet: &[u8]) {
        match self {
            Road::Udp { endpoint, peer, local } => endpoint.send(packet, *peer, *local),
            Road::Tls(connection) => connection.send(packet),
        }
    }
}

/// Who carries answers.
pub(crate) trait Sink {
    /// Takes an answer; it has left, or is lost, when the sink's batch is over.
    fn push(&mut self, road: &Road, packet: &[u8]);
}

/// Sends each answer at once.
#[derive(Debug)]
pub(crate) struct Direct;

impl Sink for Direct {
    fn push(&mut self, road: &Road, packet: &[u8]) {
        road.send(packet);
    }
}
