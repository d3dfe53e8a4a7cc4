//! A router's secrets: the present one, and during a rotation the one before, with what is known of their use.
//!
//! Each secret has a number, given by the store. When a packet proves a secret its time is noted, so that three things
//! are known: which secret to use towards the router, whether a rotation is complete, and which secret a further
//! rotation must keep. Nothing here waits or locks: readers note with one relaxed store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::time::Duration;

use radius_proto::Secret;
use shared::time::OffsetDateTime;
use store::nas::Nas;

/// A network of routers changes from one secret to the other router by router: the old one counts as in use until
/// none has used it for so long. Longer than any interval at which routers report.
const QUIET: Duration = Duration::from_secs(3600);

/// Nothing has been proved yet; secrets are numbered from 0 on.
const NONE: i32 = -1;

/// The secrets of one router.
#[derive(Debug)]
pub(super) struct Keys {
    present: Key,
    old: Option<(Key, OffsetDateTime)>,
    /// Number of the secret that was proved last.
    last: AtomicI32,
    /// When `last` was proved, as far as it has been written down.
    written_at: AtomicI64,
}

#[derive(Debug)]
struct Key {
    secret: Arc<Secret>,
    generation: i32,
    /// Unix seconds; 0 before the first proof.
    proved_at: AtomicI64,
}

impl Key {
    fn new(octets: &[u8], generation: i32) -> Option<Key> {
        Some(Key { secret: Arc::new(Secret::new(octets).ok()?), generation, proved_at: AtomicI64::new(0) })
    }

    fn proved_at(&self) -> i64 {
        self.proved_at.load(Ordering::Relaxed)
    }
}

impl Keys {
    /// `None` if the present secret is empty.
    pub(super) fn new(nas: &Nas) -> Option<Keys> {
        let old = nas.old_secret.as_ref();
        Some(Keys {
            present: Key::new(&nas.secret, nas.secret_generation)?,
            old: old.and_then(|old| Some((Key::new(&old.secret, old.generation)?, old.until))),
            last: AtomicI32::new(nas.proved_generation.unwrap_or(NONE)),
            written_at: AtomicI64::new(0),
        })
    }

    /// Those that count at `now`, the newest first.
    pub(super) fn at(&self, now: OffsetDateTime) -> impl Iterator<Item = &Arc<Secret>> {
        std::iter::once(&self.present.secret).chain(self.old_at(now).map(|key| &key.secret))
    }

    fn old_at(&self, now: OffsetDateTime) -> Option<&Key> {
        self.old.as_ref().filter(|(_, until)| *until > now).map(|(key, _)| key)
    }

    /// Notes that a packet proved `secret`, one of those that [`Keys::at`] gave. Another secret, as that of TLS, tells
    /// nothing.
    pub(super) fn prove(&self, secret: &Arc<Secret>, now: OffsetDateTime) {
        let Some(key) = self.each().find(|key| Arc::ptr_eq(&key.secret, secret)) else { return };
        // Readers share this line of memory: it is written only when it changes, once a second at most.
        set(&key.proved_at, now.unix_timestamp());
        if self.last.load(Ordering::Relaxed) != key.generation {
            self.last.store(key.generation, Ordering::Relaxed);
        }
    }

    /// The secret to use towards the router, and the other one to try if there is no answer.
    pub(super) fn likeliest(&self, now: OffsetDateTime) -> (Arc<Secret>, Option<Arc<Secret>>) {
        let (present, old) = (Arc::clone(&self.present.secret), self.old_at(now));
        match old {
            Some(old) if self.last.load(Ordering::Relaxed) == old.generation => {
                (Arc::clone(&old.secret), Some(present))
            }
            other => (present, other.map(|old| Arc::clone(&old.secret))),
        }
    }

    /// Whether the router is known to use a secret from before a rotation. `several`: routers share the secret.
    pub(super) fn is_old_in_use(&self, several: bool, now: OffsetDateTime) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let quiet_since = (now - QUIET).unix_timestamp();
        let lately = self.old.as_ref().is_some_and(|(key, _)| key.proved_at() > quiet_since);
        (last != NONE && last != self.present.generation) || (several && lately)
    }

    /// Whether an old secret is held whose time is over.
    pub(super) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.old.as_ref().is_some_and(|(_, until)| *until <= now)
    }

    /// The number of the secret that was proved last, if it was proved since this was last asked.
    pub(super) fn take_proof(&self) -> Option<i32> {
        let last = self.last.load(Ordering::Relaxed);
        let key = self.each().find(|key| key.generation == last)?;
        let at = key.proved_at();
        (at > self.written_at.swap(at, Ordering::Relaxed)).then_some(last)
    }

    /// Takes over what is known from the keys before a reload.
    pub(super) fn carry_over(&self, from: &Keys) {
        for key in self.each() {
            if let Some(same) = from.each().find(|known| known.generation == key.generation) {
                key.proved_at.store(same.proved_at(), Ordering::Relaxed);
            }
        }
        self.written_at.store(from.written_at.load(Ordering::Relaxed), Ordering::Relaxed);
        // The higher number: what another server has heard of the router is in the database, what we have heard is here.
        self.last.fetch_max(from.last.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn each(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.present).chain(self.old.as_ref().map(|(key, _)| key))
    }
}

/// Stores a value that seldom changes.
pub(super) fn set(cell: &AtomicI64, value: i64) {
    if cell.load(Ordering::Relaxed) != value {
        cell.store(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::nas::OldSecret;

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn rotating() -> Keys {
        let old = OldSecret { secret: b"older".to_vec(), generation: 1, until: at(100) };
        let nas = Nas { secret_generation: 2, old_secret: Some(old), ..super::super::tests::nas("r", "10.0.0.1/32") };
        Keys::new(&nas).expect("not empty")
    }

    fn old(keys: &Keys) -> Arc<Secret> {
        Arc::clone(keys.at(at(1)).nth(1).expect("within the overlap"))
    }

    #[test]
    fn an_old_secret_counts_until_its_time() {
        let keys = rotating();
        assert_eq!((keys.at(at(99)).count(), keys.is_over(at(99))), (2, false));
        assert_eq!((keys.at(at(100)).count(), keys.is_over(at(100))), (1, true));
    }

    #[test]
    fn commands_go_with_the_secret_that_was_proved_last_and_then_with_the_other() {
        let keys = rotating();
        let (present, old) = (Arc::clone(keys.at(at(1)).next().expect("present")), old(&keys));
        let asked = |keys: &Keys, now| {
            let (first, second) = keys.likeliest(now);
            (Arc::ptr_eq(&first, &present), second.map(|second| Arc::ptr_eq(&second, &present)))
        };
        assert_eq!(asked(&keys, at(2)), (true, Some(false)), "the newest, before anything is known");
        keys.prove(&old, at(2));
        assert_eq!(asked(&keys, at(3)), (false, Some(true)));
        assert_eq!(asked(&keys, at(100)), (true, None), "the old one is over");
        keys.prove(&present, at(4));
        assert_eq!(asked(&keys, at(5)), (true, Some(false)));
    }

    #[test]
    fn a_rotation_is_complete_when_the_new_secret_is_proved() {
        let keys = rotating();
        let present = Arc::clone(keys.at(at(1)).next().expect("present"));
        assert!(!keys.is_old_in_use(false, at(1)), "nothing is known");
        keys.prove(&old(&keys), at(2));
        assert!(keys.is_old_in_use(false, at(3)));
        assert!(keys.is_old_in_use(false, at(200)), "and it is cut off now, which somebody should see");
        keys.prove(&present, at(4));
        assert!(!keys.is_old_in_use(false, at(5)));
        assert!(keys.is_old_in_use(true, at(5)), "one router of a network is done, another may not be");
        assert!(!keys.is_old_in_use(true, at(3 + 3600)));
    }

    #[test]
    fn a_proof_is_written_down_once() {
        let keys = rotating();
        assert_eq!(keys.take_proof(), None);
        keys.prove(&old(&keys), at(2));
        assert_eq!((keys.take_proof(), keys.take_proof()), (Some(1), None));
        keys.prove(&old(&keys), at(3));
        assert_eq!(keys.take_proof(), Some(1));
    }

    #[test]
    fn what_is_known_survives_a_reload_and_a_further_rotation() {
        let before = rotating();
        before.prove(&old(&before), at(2));
        let again = rotating();
        again.carry_over(&before);
        assert!(again.is_old_in_use(false, at(3)));
        let nas = Nas { secret_generation: 3, ..super::super::tests::nas("r", "10.0.0.1/32") };
        let cut = Keys::new(&nas).expect("not empty");
        cut.carry_over(&before);
        assert!(cut.is_old_in_use(false, at(3)));
    }
}
