//! How a router can be asked, one way after the other.
//!
//! A router that has come by RadSec is asked over its own connection first (RFC 6614 §2.5): that works from behind NAT,
//! and TLS delivers, so once is enough. Whether RouterOS listens there is not documented; where it has an address as
//! well, it is asked by UDP next, with each secret that it may have. A router that did not answer on its connection is
//! asked there last for a while, so that access does not end late each time.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use radius_proto::Secret;
use radius_proto::dynauth::Timers;
use shared::time::OffsetDateTime;
use store::command;

use crate::client::Client;
use crate::radsec::Connection;

/// While there is another secret to try, a router has so many transmissions and so much time to answer the first.
/// All ways together stay within the lease of a command.
const FIRST_OF_TWO: Timers = Timers {
    initial: Duration::from_secs(2),
    max_interval: Duration::from_secs(4),
    max_transmissions: 2,
    max_duration: Duration::from_secs(6),
};
/// Over a connection: one transmission, and so much time for the answer.
const OVER_TLS: Timers = Timers {
    initial: Duration::from_secs(3),
    max_interval: Duration::from_secs(3),
    max_transmissions: 1,
    max_duration: Duration::from_secs(3),
};

/// Whose Identifiers a request has, and where its answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Place {
    /// A router's CoA port.
    Udp(SocketAddr),
    /// The RadSec connection of that number.
    Tls(u64),
}

/// One way to ask.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) place: Place,
    pub(super) peer: SocketAddr,
    /// Over which connection, unless by UDP.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) secret: Arc<Secret>,
    pub(super) timers: Timers,
}

/// The ways by UDP: to the router's CoA port, with each of its secrets.
pub(super) fn by_udp(client: &Client, reported_from: Option<IpAddr>, now: OffsetDateTime) -> VecDeque<Way> {
    let destination =
        client.address.and_then(|registered| command::destination(registered, reported_from, client.coa_port));
    let Some(peer) = destination else { return VecDeque::new() };
    let (secret, other) = client.command_secrets(now);
    let timers = if other.is_some() { FIRST_OF_TWO } else { Timers::default() };
    let way = |secret, timers| Way { place: Place::Udp(peer), peer, connection: None, secret, timers };
    let mut ways = VecDeque::from([way(secret, timers)]);
    ways.extend(other.map(|other| way(other, Timers::default())));
    ways
}

/// Adds the way over the router's connection, if it has one: as the first, unless the router did not listen there.
pub(super) fn add_tls(ways: &mut VecDeque<Way>, connection: Option<Arc<Connection>>, deaf: bool) {
    let Some(connection) = connection else { return };
    let (place, peer, secret) = (Place::Tls(connection.number), connection.peer, Arc::clone(&connection.secret));
    let way = Way { place, peer, connection: Some(connection), secret, timers: OVER_TLS };
    if deaf { ways.push_back(way) } else { ways.push_front(way) }
}

impl Way {
    /// Whether an answer can still come this way.
    pub(super) fn is_open(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.reason().is_none())
    }
}
