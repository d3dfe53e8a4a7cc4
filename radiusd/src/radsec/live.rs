//! The connections that are open, by router: what the metrics show, what commands to routers go out on, and what is
//! closed when a router is no longer who it was.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use radius_proto::Secret;
use shared::time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::connection::{Connection, Owner, Reason};
use crate::client::{Client, Registry};
use crate::metrics::Metrics;

/// Connections of one router. One that opens more has lost some without knowing; the one that was silent for longest
/// makes room.
const MAX_OF_ONE: usize = 16;

/// Answers to commands that may wait for the one who asked.
const MAX_REPLIES: usize = 1024;

/// The answer to a command, as it came on a connection.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The connection's number.
    pub(crate) connection: u64,
    /// Where the connection comes from.
    pub(crate) peer: SocketAddr,
    /// The packet; its attributes add up, and nothing else has been looked at.
    pub(crate) octets: Box<[u8]>,
}

/// All open connections.
pub(crate) struct Live {
    routers: Mutex<HashMap<Uuid, Vec<Arc<Connection>>>>,
    numbers: AtomicU64,
    secret: Arc<Secret>,
    replies: mpsc::Sender<Reply>,
    metrics: Metrics,
}

impl Live {
    /// Nothing yet, and where answers to commands will come out.
    pub(crate) fn new(metrics: Metrics) -> (Arc<Live>, mpsc::Receiver<Reply>) {
        let secret = Arc::new(Secret::new(super::SECRET).expect("it is not empty"));
        let (replies, read) = mpsc::channel(MAX_REPLIES);
        (Arc::new(Live { routers: Mutex::default(), numbers: AtomicU64::new(0), secret, replies, metrics }), read)
    }

    /// Takes a connection in.
    pub(super) fn add(&self, peer: SocketAddr, owner: Owner) -> Arc<Connection> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(number, peer, owner, Arc::clone(&self.secret)));
        let mut routers = self.lock();
        let known = routers.entry(connection.owner.nas).or_default();
        if known.len() >= MAX_OF_ONE
            && let Some(quietest) = known.iter().min_by_key(|connection| connection.heard())
        {
            quietest.close(Reason::Replaced);
        }
        known.push(Arc::clone(&connection));
        self.show(&connection, known.len());
        connection
    }

    /// Lets a connection go that has ended.
    pub(super) fn remove(&self, connection: &Connection) {
        let mut routers = self.lock();
        let Some(known) = routers.get_mut(&connection.owner.nas) else { return };
        known.retain(|other| other.number != connection.number);
        self.show(connection, known.len());
        if known.is_empty() {
            routers.remove(&connection.owner.nas);
        }
    }

    /// Closes the connections of routers that are not registered any more as they were when they came, and those whose
    /// certificate has expired.
    pub(super) fn sweep(&self, registry: &Registry, now: OffsetDateTime) {
        for connection in self.lock().values().flatten() {
            if connection.owner.not_after <= now {
                connection.close(Reason::Expired);
            } else if !is_still_itself(connection, registry) {
                connection.close(Reason::Unregistered);
            }
        }
    }

    /// The connection on which this router was heard last; where several come under one name, rather one from there.
    pub(crate) fn of(&self, nas: Uuid, from: Option<IpAddr>) -> Option<Arc<Connection>> {
        let routers = self.lock();
        let open = routers.get(&nas)?.iter().filter(|connection| connection.reason().is_none());
        open.max_by_key(|connection| (Some(connection.peer.ip()) == from, connection.heard())).cloned()
    }

    /// Hands an answer to who sent the command. `false`: too many wait already.
    pub(super) fn hand_back(&self, connection: &Connection, octets: &[u8]) -> bool {
        let reply = Reply { connection: connection.number, peer: connection.peer, octets: octets.into() };
        self.replies.try_send(reply).is_ok()
    }

    fn show(&self, connection: &Connection, count: usize) {
        let name = &connection.owner.nas_name;
        self.metrics.radsec_connections.with_label_values(&[name]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Arc<Connection>>>> {
        self.routers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_still_itself(connection: &Connection, registry: &Registry) -> bool {
    let owner = &connection.owner;
    let named = registry.by_radsec_name(&owner.certificate_name);
    named.is_some_and(|client| client.id == owner.nas && may_come_from(client, connection.peer))
}

/// Whether a router may connect from there: a registered address counts for TLS too.
pub(super) fn may_come_from(client: &Client, peer: SocketAddr) -> bool {
    client.may_come_from(peer.ip())
}
