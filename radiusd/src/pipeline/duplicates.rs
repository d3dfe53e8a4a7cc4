//! The duplicate cache, in shards so that readers seldom meet: a retransmission is answered from here
//! (RFC 5080 §2.2.2), byte for byte, and changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use radius_proto::duplicate::{Begin, DEFAULT_LIFETIME, DuplicateCache, Key};

use super::{Exchange, Pipeline};
use crate::road::Sink;

/// Number of shards; a request and its retransmissions share one.
const SHARDS: usize = 16;
/// Requests remembered in each.
const SHARD_CAPACITY: usize = 8192;

/// The shards.
#[derive(Debug)]
pub(crate) struct Duplicates {
    shards: Vec<Mutex<DuplicateCache>>,
}

impl Duplicates {
    pub(crate) fn new() -> Arc<Duplicates> {
        Duplicates::with_capacity(SHARD_CAPACITY)
    }

    /// With room for so many requests in each shard.
    pub(crate) fn with_capacity(requests: usize) -> Arc<Duplicates> {
        let seed = u64::from_be_bytes(shared::rng::bytes());
        let shard = |_| Mutex::new(DuplicateCache::new(requests, DEFAULT_LIFETIME, seed));
        Arc::new(Duplicates { shards: (0..SHARDS).map(shard).collect() })
    }

    pub(crate) fn with<T>(&self, key: &Key, work: impl FnOnce(&mut DuplicateCache) -> T) -> T {
        let shard = (usize::from(key.source.port()) ^ usize::from(key.identifier)) % SHARDS;
        work(&mut self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets a request that gets no answer, so that its retransmission is processed afresh.
    pub(crate) fn forget(&self, exchange: &Exchange) {
        self.with(&exchange.key, |cache| cache.abandon(&exchange.key, &exchange.authenticator));
    }
}

impl Pipeline {
    /// Answers a retransmission from the cache, or notes a new request.
    pub(super) fn is_duplicate(&self, out: &mut dyn Sink, exchange: &Exchange) -> bool {
        let kind = self.duplicates.with(&exchange.key, |cache| {
            match cache.begin(exchange.key, &exchange.authenticator, exchange.received) {
                Begin::New => None,
                Begin::InFlight => Some("in_flight"),
                Begin::Replay(reply) => {
                    out.push(&exchange.road, reply);
                    Some("replayed_from_cache")
                }
            }
        });
        let Some(kind) = kind else { return false };
        self.metrics.note_duplicate(exchange.port, kind);
        true
    }
}
