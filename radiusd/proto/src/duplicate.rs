//! What a server remembers of the requests that it has seen, so that a retransmission is not processed twice
//! (RFC 5080 §2.2.2).
//!
//! A request is told by where it came from, which listener took it, its Identifier, and its Request
//! Authenticator. [`DuplicateCache::begin`] says what to do with one that has arrived:
//!
//! ```text
//!                 begin                        finish
//! (unknown) ───────────────▶ New ─▶ in flight ──────────▶ finished ── begin ─▶ Replay (same octets)
//!                                   │   ▲  │ begin ─▶ InFlight (stay silent)     │
//!                                   │   └──┘                                     │
//!                                   └── abandon, lifetime over, pushed out ◀─────┘
//! ```
//!
//! The same place and Identifier with another Authenticator is a new request: it takes the entry over, and
//! the late `finish` of the old one is ignored, because `finish` names the Authenticator too.
//!
//! Only a request that has proved itself may be shown to `begin`: a forged packet must change nothing here.
//! The cache never holds more than its capacity; the oldest entry makes room. It has no clock, and after it
//! has warmed up it does not allocate, because slots keep the buffers of their replies.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::SocketAddr;
use core::time::Duration;

use crate::limits::AUTHENTICATOR;

/// Shortest lifetime of an entry (RFC 5080 §2.2.2: "5-30 seconds").
pub const MIN_LIFETIME: Duration = Duration::from_secs(5);
/// Longest lifetime of an entry.
pub const MAX_LIFETIME: Duration = Duration::from_secs(30);
/// Default lifetime: RouterOS gives up after three tries, which take at most a few seconds.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(10);
/// Fewest entries that a cache holds: one NAS with one source port has 256 identifiers.
pub const MIN_CAPACITY: usize = 256;
/// Most entries that a cache holds; at some 300 octets each, about 300 MB.
pub const MAX_CAPACITY: usize = 1 << 20;
/// Default number of entries: ten seconds of 6,500 requests a second.
pub const DEFAULT_CAPACITY: usize = 1 << 16;

/// Where a request came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Address and port that sent it.
    pub source: SocketAddr,
    /// Its Identifier.
    pub identifier: u8,
    /// Which of the server's listeners took it; the numbers are the server's own.
    pub listener: u8,
}

/// What to do with a request that has arrived.
#[derive(PartialEq, Eq, Debug)]
pub enum Begin<'c> {
    /// Process it, then call [`DuplicateCache::finish`] or [`DuplicateCache::abandon`].
    New,
    /// It is being processed: stay silent.
    InFlight,
    /// It was answered with these octets: send them again.
    Replay(&'c [u8]),
}

/// What became of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// It will be replayed to retransmissions. Send it.
    Remembered,
    /// The request was pushed out or its lifetime is over. Sending the reply does no harm.
    Forgotten,
    /// The NAS has reused the Identifier for a newer request. Do not send the reply: no one waits for it.
    Replaced,
}

/// A bounded memory of recent requests and their replies.
#[derive(Debug)]
pub struct DuplicateCache {
    lifetime: Duration,
    seed: u64,
    /// Heads of the chains of slots with the same hash; the length is a power of two.
    buckets: Box<[u32]>,
    slots: Vec<Slot>,
    capacity: usize,
    /// First of the unused slots, chained through `chain`.
    free: u32,
    /// The list of used slots from the oldest to the newest.
    oldest: u32,
    newest: u32,
    used: usize,
    pushed_out: u64,
}

/// The index that stands for "none".
const NIL: u32 = u32::MAX;

#[derive(Debug)]
struct Slot {
    key: Key,
    authenticator: [u8; AUTHENTICATOR],
    begun: Duration,
    finished: bool,
    reply: Vec<u8>,
    bucket: usize,
    chain: u32,
    older: u32,
    newer: u32,
}

impl DuplicateCache {
    /// An empty cache. Capacity and lifetime are moved into their bounds. The seed makes the placement of
    /// entries hard to guess for who chooses source ports; any number drawn at start will do.
    #[must_use]
    pub fn new(capacity: usize, lifetime: Duration, seed: u64) -> DuplicateCache {
        let capacity = capacity.clamp(MIN_CAPACITY, MAX_CAPACITY);
        DuplicateCache {
            lifetime: lifetime.clamp(MIN_LIFETIME, MAX_LIFETIME),
            seed,
            buckets: vec![NIL; capacity.next_power_of_two()].into_boxed_slice(),
            slots: Vec::new(),
            capacity,
            free: NIL,
            oldest: NIL,
            newest: NIL,
            used: 0,
            pushed_out: 0,
        }
    }

    /// Says what to do with a request, and remembers it if it is new. The request must have been verified.
    pub fn begin(&mut self, key: Key, authenticator: &[u8; AUTHENTICATOR], now: Duration) -> Begin<'_> {
        self.expire(now);
        let bucket = self.bucket(&key);
        if let Some(index) = self.find(bucket, &key) {
            if self.slot(index).authenticator == *authenticator {
                let slot = self.slot(index);
                return if slot.finished { Begin::Replay(&slot.reply) } else { Begin::InFlight };
            }
            self.remove(index);
        }
        if self.used == self.capacity {
            self.pushed_out += 1;
            self.remove(self.oldest);
        }
        self.insert(bucket, key, authenticator, now);
        Begin::New
    }

    /// Remembers the reply to a request, if the request itself is still remembered.
    pub fn finish(&mut self, key: &Key, authenticator: &[u8; AUTHENTICATOR], reply: &[u8]) -> Finish {
        let Some(index) = self.find(self.bucket(key), key) else {
            return Finish::Forgotten;
        };
        let slot = self.slot_mut(index);
        if slot.authenticator != *authenticator {
            return Finish::Replaced;
        }
        slot.finished = true;
        slot.reply.clear();
        slot.reply.extend_from_slice(reply);
        Finish::Remembered
    }

    /// Forgets a request that gets no answer, so that its retransmission is processed afresh.
    pub fn abandon(&mut self, key: &Key, authenticator: &[u8; AUTHENTICATOR]) {
        let found = self.find(self.bucket(key), key);
        if let Some(index) = found.filter(|&index| self.slot(index).authenticator == *authenticator) {
            self.remove(index);
        }
    }

    /// Forgets what is older than the lifetime. [`DuplicateCache::begin`] does this too; a server that has
    /// fallen silent may call it to give the memory up.
    pub fn expire(&mut self, now: Duration) {
        while self.oldest != NIL && now.saturating_sub(self.slot(self.oldest).begun) >= self.lifetime {
            self.remove(self.oldest);
        }
    }

    /// Requests remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Requests forgotten before their lifetime was over because the cache was full, since the start. If this
    /// grows, the capacity is too small for the load.
    #[must_use]
    pub fn pushed_out(&self) -> u64 {
        self.pushed_out
    }

    fn bucket(&self, key: &Key) -> usize {
        let mut hash = Mix(self.seed);
        key.hash(&mut hash);
        // The length is a power of two, so the mask keeps the index in bounds; the high bits are mixed best.
        usize::try_from(hash.finish() >> 32).expect("32 bits") & (self.buckets.len() - 1)
    }

    fn find(&self, bucket: usize, key: &Key) -> Option<u32> {
        let mut index = self.buckets[bucket];
        while index != NIL {
            let slot = self.slot(index);
            if slot.key == *key {
                return Some(index);
            }
            index = slot.chain;
        }
        None
    }

    fn insert(&mut self, bucket: usize, key: Key, authenticator: &[u8; AUTHENTICATOR], now: Duration) {
        let index = self.take_free_slot(key);
        let (chain, older) = (self.buckets[bucket], self.newest);
        let slot = self.slot_mut(index);
        slot.key = key;
        slot.authenticator = *authenticator;
        slot.begun = now;
        slot.finished = false;
        slot.bucket = bucket;
        slot.chain = chain;
        slot.older = older;
        slot.newer = NIL;
        self.buckets[bucket] = index;
        match older {
            NIL => self.oldest = index,
            older => self.slot_mut(older).newer = index,
        }
        self.newest = index;
        self.used += 1;
    }

    fn take_free_slot(&mut self, key: Key) -> u32 {
        if self.free != NIL {
            let index = self.free;
            self.free = self.slot(index).chain;
            return index;
        }
        let index = u32::try_from(self.slots.len()).expect("capacity is at most 2^20");
        self.slots.push(Slot {
            key,
            authenticator: [0; AUTHENTICATOR],
            begun: Duration::ZERO,
            finished: false,
            reply: Vec::new(),
            bucket: 0,
            chain: NIL,
            older: NIL,
            newer: NIL,
        });
        index
    }

    fn remove(&mut self, index: u32) {
        let &Slot { bucket, chain, older, newer, .. } = self.slot(index);
        let mut at = self.buckets[bucket];
        if at == index {
            self.buckets[bucket] = chain;
        } else {
            while self.slot(at).chain != index {
                at = self.slot(at).chain;
            }
            self.slot_mut(at).chain = chain;
        }
        match older {
            NIL => self.oldest = newer,
            older => self.slot_mut(older).newer = newer,
        }
        match newer {
            NIL => self.newest = older,
            newer => self.slot_mut(newer).older = older,
        }
        let free = self.free;
        self.slot_mut(index).chain = free;
        self.free = index;
        self.used -= 1;
    }

    fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    fn slot_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }
}

impl Default for DuplicateCache {
    /// A cache of the default size, with no seed.
    fn default() -> DuplicateCache {
        DuplicateCache::new(DEFAULT_CAPACITY, DEFAULT_LIFETIME, 0)
    }
}

/// A small mixing hash: each word is combined by XOR, multiplied by an odd constant, and folded.
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        let [low, high] = [product as u64, (product >> 64) as u64];
        self.0 = low ^ high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use core::net::Ipv4Addr;
    use proptest::prelude::*;

    fn key(identifier: u8, port: u16) -> Key {
        Key { source: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), identifier, listener: 0 }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn d1_unfinished_is_silent_and_finished_is_replayed_octet_for_octet() {
        let mut cache = DuplicateCache::default();
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(0)), Begin::New);
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(1)), Begin::InFlight);
        assert_eq!(cache.finish(&key(1, 5), &[7; 16], b"the reply"), Finish::Remembered);
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(2)), Begin::Replay(b"the reply"));
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(3)), Begin::Replay(b"the reply"));
    }

    #[test]
    fn d1_every_part_of_the_key_tells_requests_apart() {
        let mut cache = DuplicateCache::default();
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(0)), Begin::New);
        assert_eq!(cache.begin(key(2, 5), &[7; 16], at(0)), Begin::New);
        assert_eq!(cache.begin(key(1, 6), &[7; 16], at(0)), Begin::New);
        let other_listener = Key { listener: 1, ..key(1, 5) };
        assert_eq!(cache.begin(other_listener, &[7; 16], at(0)), Begin::New);
        let other_host = Key { source: SocketAddr::from((Ipv4Addr::BROADCAST, 5)), ..key(1, 5) };
        assert_eq!(cache.begin(other_host, &[7; 16], at(0)), Begin::New);
        assert_eq!(cache.len(), 5);
    }

    #[test]
    fn d2_lifetime_is_kept_between_5_and_30_seconds() {
        for (asked, kept) in [(0, 5), (7, 7), (600, 30)] {
            let mut cache = DuplicateCache::new(256, at(asked), 1);
            assert_eq!(cache.begin(key(1, 5), &[7; 16], at(100)), Begin::New);
            let almost = at(100 + kept) - Duration::from_millis(1);
            assert_eq!(cache.begin(key(1, 5), &[7; 16], almost), Begin::InFlight, "asked {asked}");
            assert_eq!(cache.begin(key(1, 5), &[7; 16], at(100 + kept)), Begin::New, "asked {asked}");
        }
    }

    #[test]
    fn d3_another_authenticator_takes_over_and_the_old_reply_is_dropped() {
        let mut cache = DuplicateCache::default();
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(0)), Begin::New);
        assert_eq!(cache.begin(key(1, 5), &[8; 16], at(1)), Begin::New);
        assert_eq!(cache.len(), 1);
        assert_eq!(cache.finish(&key(1, 5), &[7; 16], b"late reply to the old request"), Finish::Replaced);
        assert_eq!(cache.begin(key(1, 5), &[8; 16], at(2)), Begin::InFlight);
        assert_eq!(cache.finish(&key(1, 5), &[8; 16], b"reply"), Finish::Remembered);
        assert_eq!(cache.finish(&key(2, 5), &[8; 16], b"reply"), Finish::Forgotten);
        assert_eq!(cache.begin(key(1, 5), &[8; 16], at(2)), Begin::Replay(b"reply"));
    }

    #[test]
    fn abandon_lets_a_retransmission_through() {
        let mut cache = DuplicateCache::default();
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(0)), Begin::New);
        cache.abandon(&key(1, 5), &[8; 16]);
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(0)), Begin::InFlight);
        cache.abandon(&key(1, 5), &[7; 16]);
        assert!(cache.is_empty());
        assert_eq!(cache.begin(key(1, 5), &[7; 16], at(0)), Begin::New);
    }

    #[test]
    fn a_full_cache_pushes_the_oldest_out_and_counts_it() {
        let mut cache = DuplicateCache::new(0, DEFAULT_LIFETIME, 3);
        for port in 0..257 {
            assert_eq!(cache.begin(key(1, port), &[7; 16], at(0)), Begin::New);
        }
        assert_eq!((cache.len(), cache.pushed_out()), (MIN_CAPACITY, 1));
        assert_eq!(cache.begin(key(1, 1), &[7; 16], at(0)), Begin::InFlight);
        assert_eq!(cache.begin(key(1, 0), &[7; 16], at(0)), Begin::New);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin(u8, u8),
        Finish(u8, u8),
        Abandon(u8, u8),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..6_u8, 0..3_u8).prop_map(|(id, auth)| Step::Begin(id, auth)),
            3 => (0..6_u8, 0..3_u8).prop_map(|(id, auth)| Step::Finish(id, auth)),
            1 => (0..6_u8, 0..3_u8).prop_map(|(id, auth)| Step::Abandon(id, auth)),
            1 => (0..4_000_u64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// The cache agrees with a plain map that is searched from end to end.
        #[test]
        fn agrees_with_a_plain_map(steps in steps()) {
            let mut cache = DuplicateCache::new(256, MIN_LIFETIME, 11);
            let mut model: BTreeMap<u8, (u8, Duration, Option<[u8; 2]>)> = BTreeMap::new();
            let mut now = Duration::ZERO;
            for step in steps {
                match step {
                    Step::Begin(id, auth) => {
                        model.retain(|_, (_, begun, _)| now - *begun < MIN_LIFETIME);
                        let expected = match model.get(&id) {
                            Some((known, _, reply)) if *known == auth => reply.map(|reply| reply.to_vec()),
                            _ => {
                                prop_assert_eq!(cache.begin(key(id, 9), &[auth; 16], now), Begin::New);
                                model.insert(id, (auth, now, None));
                                continue;
                            }
                        };
                        let got = cache.begin(key(id, 9), &[auth; 16], now);
                        match &expected {
                            Some(reply) => prop_assert_eq!(got, Begin::Replay(reply)),
                            None => prop_assert_eq!(got, Begin::InFlight),
                        }
                    }
                    Step::Finish(id, auth) => {
                        model.retain(|_, (_, begun, _)| now - *begun < MIN_LIFETIME);
                        cache.expire(now);
                        let expected = match model.get_mut(&id) {
                            None => Finish::Forgotten,
                            Some((known, ..)) if *known != auth => Finish::Replaced,
                            Some((_, _, reply)) => {
                                *reply = Some([id, auth]);
                                Finish::Remembered
                            }
                        };
                        prop_assert_eq!(cache.finish(&key(id, 9), &[auth; 16], &[id, auth]), expected);
                    }
                    Step::Abandon(id, auth) => {
                        cache.abandon(&key(id, 9), &[auth; 16]);
                        model.retain(|known, (known_auth, ..)| (*known, *known_auth) != (id, auth));
                    }
                    Step::Wait(milliseconds) => now += Duration::from_millis(milliseconds),
                }
                cache.expire(now);
                model.retain(|_, (_, begun, _)| now - *begun < MIN_LIFETIME);
                prop_assert_eq!(cache.len(), model.len());
            }
        }

        /// No load makes it hold more than its capacity.
        #[test]
        fn never_exceeds_its_capacity(requests in proptest::collection::vec((any::<u8>(), 0..8_u16), 0..2_000)) {
            let mut cache = DuplicateCache::new(256, MAX_LIFETIME, 5);
            for (number, (identifier, port)) in requests.into_iter().enumerate() {
                let stamp = u64::try_from(number).expect("64 bits").to_be_bytes();
                let mut authenticator = [0; 16];
                authenticator[..8].copy_from_slice(&stamp);
                prop_assert_eq!(cache.begin(key(identifier, port), &authenticator, Duration::ZERO), Begin::New);
                prop_assert!(cache.len() <= 256);
                prop_assert!(cache.slots.len() <= 256);
            }
        }
    }
}
