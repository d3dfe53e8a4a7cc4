//! Hash tables in shards, so that a writer stops only a few readers, with entries that hold their own keys.
//!
//! A key is never stored a second time: an entry finds it in the entitlement that it points to. Names come from
//! guests, so every hash is keyed with octets from the operating system; nobody outside can tell which names meet
//! in one place.
//!
//! A shard's lock may be taken while another table's is held, in the order identities, names, devices. An
//! entitlement's own lock comes last and is let go before any other is taken.

use std::hash::BuildHasher as _;
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

/// Shards of a table: many more than there are threads.
pub(super) const SHARDS: usize = 64;
/// The bits of a hash that choose its shard. Inside, the table uses the lowest ones and the seven highest.
const SHARD_SHIFT: u32 = 40;

/// One shard, on cache lines of its own: readers on different cores count themselves in its lock.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<T>(RwLock<HashTable<T>>);

/// A table of entries that know their keys.
#[derive(Debug)]
pub(super) struct Table<T> {
    shards: Box<[Shard<T>]>,
    state: SeedableRandomState,
}

static SEED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(u64::from_ne_bytes(shared::rng::bytes())));

impl<T> Table<T> {
    pub(super) fn new() -> Table<T> {
        let shard = |_| Shard(RwLock::new(HashTable::new()));
        let seed = u64::from_ne_bytes(shared::rng::bytes());
        Table { shards: (0..SHARDS).map(shard).collect(), state: SeedableRandomState::with_seed(seed, &SEED) }
    }

    /// The hash of a key.
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.state.hash_one(key)
    }

    /// The shard of a hash, to look into.
    pub(super) fn read(&self, hash: u64) -> RwLockReadGuard<'_, HashTable<T>> {
        self.shard(shard_of(hash))
    }

    /// The shard of a hash, to change.
    pub(super) fn write(&self, hash: u64) -> RwLockWriteGuard<'_, HashTable<T>> {
        self.shards[shard_of(hash)].0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard by its number, to go through.
    pub(super) fn shard(&self, number: usize) -> RwLockReadGuard<'_, HashTable<T>> {
        self.shards[number % SHARDS].0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries in all.
    pub(super) fn len(&self) -> usize {
        (0..SHARDS).map(|number| self.shard(number).len()).sum()
    }
}

fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> SHARD_SHIFT).unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_over_the_shards() {
        let table: Table<u32> = Table::new();
        for number in 0..6_400_u32 {
            let hash = table.hash(format!("user{number:07}").as_bytes());
            table.write(hash).insert_unique(hash, number, |n| table.hash(format!("user{n:07}").as_bytes()));
        }
        assert_eq!(table.len(), 6_400);
        for number in 0..SHARDS {
            let len = table.shard(number).len();
            assert!((40..180).contains(&len), "shard {number} has {len} of 6,400");
        }
    }

    #[test]
    fn two_tables_hash_the_same_key_differently() {
        let [a, b] = [(); 2].map(|()| Table::<u32>::new());
        let differ = (0..16_u8).filter(|&key| a.hash(&[key]) != b.hash(&[key])).count();
        assert!(differ >= 15, "{differ} of 16");
    }
}
