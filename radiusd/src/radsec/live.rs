//! The connections that are open, by router: what the metrics show, what commands to routers go out on, and what is
//! closed when a router is no longer who it was.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use radius_proto::Secret;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::connection::{Connection, Owner, Reason};
use crate::client::{Client, Registry};
use crate::metrics::Metrics;

/// Connections of one router. One that opens more has lost some without knowing; the one that was silent for longest
/// makes room.
const MAX_OF_ONE: usize = 16;

/// All open connections.
pub(crate) struct Live {
    routers: Mutex<HashMap<Uuid, Vec<Arc<Connection>>>>,
    numbers: AtomicU64,
    secret: Arc<Secret>,
    metrics: Metrics,
}

impl Live {
    pub(crate) fn new(metrics: Metrics) -> Arc<Live> {
        let secret = Arc::new(Secret::new(super::SECRET).expect("it is not empty"));
        Arc::new(Live { routers: Mutex::default(), numbers: AtomicU64::new(0), secret, metrics })
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
