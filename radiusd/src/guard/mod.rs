//! Who guesses passwords and codes has to wait.
//!
//! Wrong guesses are counted for a device at its router, for that device with one name, and for the router as a whole. The
//! first two get slower answers, then none but "wait" for longer and longer ([`rules`]). A name by itself is never
//! locked, nor is a device for what another one does, so nobody can lock somebody else out. What a device can change,
//! its address, is why the router's guesses are bounded too: when these are used up, logins there that are a first use of a
//! name by a device wait, whether they are right or not. Devices that have a place already, or a password that the
//! portal has just made for them, do not.
//!
//! All of it stands in memory, so that a login waits for nobody. [`share`] tells the other servers by way of Redis, and
//! writes locks into the security log; without Redis each server counts for itself.

mod rules;
pub(crate) mod share;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use shared::mac::Mac;
use store::redis::Digest;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::rules::{Noted, Record, Rule};
use crate::policy::Denial;

/// Those who guess that are remembered at most; beyond that the quiet ones are forgotten.
const MAX_KNOWN: usize = 65_536;
/// Guesses that may wait to be told to the other servers.
const QUEUE: usize = 4096;

/// Whose guesses are counted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Subject {
    /// A device at a router.
    Device(Uuid, Mac),
    /// The same with one name.
    Login(Uuid, Mac, Box<[u8]>),
    /// All at a router.
    Router(Uuid),
}

impl Subject {
    fn rule(&self, limit: u32) -> Rule {
        match self {
            Subject::Device(..) | Subject::Login(..) => Rule::device(limit),
            Subject::Router(_) => Rule::router(),
        }
    }

    /// What it is called in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Subject::Device(..) => "device",
            Subject::Login(..) => "login",
            Subject::Router(_) => "router",
        }
    }

    /// What its digest is made of.
    fn octets(&self) -> Vec<u8> {
        match self {
            Subject::Device(nas, mac) => [b"guess:device:", nas.as_bytes().as_slice(), &mac.0].concat(),
            Subject::Login(nas, mac, name) => [b"guess:login:", nas.as_bytes().as_slice(), &mac.0, name].concat(),
            Subject::Router(nas) => [b"guess:router:", nas.as_bytes().as_slice()].concat(),
        }
    }
}

/// What others must be told.
#[derive(Debug)]
pub(crate) enum News {
    /// Somebody guessed wrong.
    Guessed(Subject),
    /// Somebody is locked from now on, for so long.
    Locked(Subject, Duration),
}

/// Whether a login may be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// Yes.
    Open,
    /// Only if its device has a place already.
    KnownDevicesOnly,
    /// No.
    Locked,
}

/// Who guesses.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Guesses that a device has; 0: nobody is ever locked.
    limit: u32,
    known: Mutex<HashMap<Subject, Record>>,
    /// How many are known: mostly none is, and then nothing is looked up.
    count: AtomicUsize,
    /// What other servers have locked, and until when.
    elsewhere: RwLock<HashMap<Digest, Duration>>,
    elsewhere_count: AtomicUsize,
    seal: std::sync::Arc<shared::seal::SealKey>,
    news: mpsc::Sender<News>,
}

impl Guard {
    /// A guard, and what it has to tell.
    pub(crate) fn new(limit: u32, seal: std::sync::Arc<shared::seal::SealKey>) -> (Guard, mpsc::Receiver<News>) {
        let (news, told) = mpsc::channel(QUEUE);
        let guard = Guard {
            limit,
            known: Mutex::default(),
            count: AtomicUsize::new(0),
            elsewhere: RwLock::default(),
            elsewhere_count: AtomicUsize::new(0),
            seal,
            news,
        };
        (guard, told)
    }

    /// Whether a login of this name by this device at this router may be looked at.
    pub(crate) fn admits(&self, nas: Uuid, mac: Option<Mac>, name: &[u8], now: Duration) -> Admission {
        if self.count.load(Ordering::Relaxed) == 0 && self.elsewhere_count.load(Ordering::Relaxed) == 0 {
            return Admission::Open;
        }
        let router = Subject::Router(nas);
        let of_device = mac.map(|mac| [Subject::Device(nas, mac), Subject::Login(nas, mac, name.into())]);
        let of_device = of_device.as_ref().map_or(&[] as &[Subject], |both| both);
        let (locked, router_locked) = {
            let known = self.known();
            let is_locked = |subject: &Subject| known.get(subject).is_some_and(|record| record.is_locked(now));
            (of_device.iter().any(is_locked), is_locked(&router))
        };
        if locked || of_device.iter().any(|subject| self.is_locked_elsewhere(subject, now)) {
            Admission::Locked
        } else if router_locked || self.is_locked_elsewhere(&router, now) {
            Admission::KnownDevicesOnly
        } else {
            Admission::Open
        }
    }

    fn is_locked_elsewhere(&self, subject: &Subject, now: Duration) -> bool {
        self.elsewhere_count.load(Ordering::Relaxed) > 0 && {
            let elsewhere = self.elsewhere.read().unwrap_or_else(PoisonError::into_inner);
            elsewhere.get(&self.digest(subject)).is_some_and(|until| now < *until)
        }
    }

    /// Counts a refusal if it was a guess. Returns how many times as long as usual its answer takes.
    pub(crate) fn note(&self, nas: Uuid, mac: Option<Mac>, name: &[u8], denial: Denial, now: Duration) -> u32 {
        if self.limit == 0 || !matches!(denial, Denial::BadPassword | Denial::UnknownUser) {
            return 1;
        }
        let of_device = mac.map(|mac| [Subject::Device(nas, mac), Subject::Login(nas, mac, name.into())]);
        let mut times = 1;
        for subject in of_device.into_iter().flatten().chain([Subject::Router(nas)]) {
            if let Noted::Counted(slower) = self.count(subject.clone(), None, now)
                && !matches!(subject, Subject::Router(_))
            {
                times = times.max(slower);
            }
            self.tell(News::Guessed(subject));
        }
        times
    }

    /// How many guesses all servers have counted.
    pub(crate) fn counted_by_all(&self, subject: Subject, in_all: u32, now: Duration) {
        self.count(subject, Some(in_all), now);
    }

    fn count(&self, subject: Subject, in_all: Option<u32>, now: Duration) -> Noted {
        let rule = subject.rule(self.limit);
        let mut known = self.known();
        if known.len() >= MAX_KNOWN && !known.contains_key(&subject) {
            known.retain(|_, record| !record.is_over(now));
            if known.len() >= MAX_KNOWN {
                known.retain(|_, record| record.is_locked(now));
            }
        }
        let noted = known.entry(subject.clone()).or_default().note(rule, in_all, now);
        self.count.store(known.len(), Ordering::Relaxed);
        drop(known);
        if let Noted::Locked(lock) = noted {
            self.tell(News::Locked(subject, lock));
        }
        noted
    }

    /// Forgets those of whom nothing needs to be remembered.
    pub(crate) fn forget(&self, now: Duration) {
        let mut known = self.known();
        known.retain(|_, record| !record.is_over(now));
        self.count.store(known.len(), Ordering::Relaxed);
    }

    /// What is locked at any server, each for how much longer.
    pub(crate) fn set_elsewhere(&self, locks: impl Iterator<Item = (Digest, Duration)>, now: Duration) {
        let mut elsewhere = self.elsewhere.write().unwrap_or_else(PoisonError::into_inner);
        elsewhere.clear();
        elsewhere.extend(locks.take(MAX_KNOWN).map(|(digest, left)| (digest, now + left)));
        self.elsewhere_count.store(elsewhere.len(), Ordering::Relaxed);
    }

    /// The name of a subject among servers: the same for all that have one key, and nobody else's business.
    pub(crate) fn digest(&self, subject: &Subject) -> Digest {
        self.seal.lookup(&subject.octets())
    }

    /// The window in which guesses are added up.
    pub(crate) fn window(&self, subject: &Subject) -> Duration {
        subject.rule(self.limit).window
    }

    /// What finds no room is not shared; here it counts.
    fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("a wrong guess is not told to the other servers");
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Subject, Record>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::seal::SealKey;

    use super::*;

    const CAFE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);
    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(5000 + seconds)
    }

    fn guard() -> (Guard, mpsc::Receiver<News>) {
        Guard::new(10, Arc::new(SealKey::from_hex(&"0".repeat(64)).expect("a key")))
    }

    fn guess(guard: &Guard, mac: Option<Mac>, name: &str, second: u64) -> u32 {
        guard.note(CAFE, mac, name.as_bytes(), Denial::BadPassword, at(second))
    }

    #[test]
    fn who_guesses_is_locked_and_nobody_else_is() {
        let (guard, mut news) = guard();
        assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(0)), Admission::Open);
        for second in 0..9 {
            assert_eq!(guess(&guard, Some(A), "amina", second), if second < 3 { 1 } else { 2 });
            assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(second)), Admission::Open);
        }
        guess(&guard, Some(A), "amina", 9);
        assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(10)), Admission::Locked);
        assert_eq!(guard.admits(CAFE, Some(A), b"juma", at(10)), Admission::Locked, "the device, whatever it types");
        assert_eq!(guard.admits(CAFE, Some(B), b"amina", at(10)), Admission::Open, "the name is nobody's to lock");
        assert_eq!(guard.admits(OTHER, Some(A), b"amina", at(10)), Admission::Open, "an address may be there twice");
        assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(9 + 60)), Admission::Open);
        let mut locked = Vec::new();
        while let Ok(news) = news.try_recv() {
            if let News::Locked(subject, _) = news {
                locked.push(subject.label());
            }
        }
        assert_eq!(locked, ["device", "login"]);
    }

    #[test]
    fn only_guesses_count() {
        let (guard, _news) = guard();
        for denial in Denial::ALL {
            if !matches!(denial, Denial::BadPassword | Denial::UnknownUser) {
                (0..50).for_each(|_| assert_eq!(guard.note(CAFE, Some(A), b"amina", denial, at(0)), 1));
            }
        }
        assert_eq!(guard.count.load(Ordering::Relaxed), 0);
        let off = Guard { limit: 0, ..guard };
        (0..50).for_each(|_| assert_eq!(guess(&off, Some(A), "amina", 0), 1));
        assert_eq!(off.admits(CAFE, Some(A), b"amina", at(0)), Admission::Open);
    }

    #[test]
    fn changing_addresses_helps_only_until_the_routers_guesses_are_used_up() {
        let (guard, _news) = guard();
        for number in 0..36 {
            assert_eq!(guard.admits(CAFE, Some(B), b"ABCDE23456", at(0)), Admission::Open);
            guess(&guard, Some(Mac([2, 0, 0, 0, 9, number])), "ABCDE23456", 0);
        }
        assert_eq!(guard.admits(CAFE, Some(B), b"ABCDE23456", at(1)), Admission::KnownDevicesOnly);
        assert_eq!(guard.admits(OTHER, Some(B), b"ABCDE23456", at(1)), Admission::Open);
        assert_eq!(guard.admits(CAFE, Some(B), b"ABCDE23456", at(360)), Admission::Open);
        let (other, _news) = self::guard();
        for _ in 0..36 {
            guess(&other, None, "x", 0);
        }
        assert_eq!(other.admits(CAFE, Some(B), b"x", at(1)), Admission::KnownDevicesOnly, "nor does having none");
    }

    #[test]
    fn what_another_server_has_locked_is_locked_here() {
        let (guard, _news) = guard();
        let digest = guard.digest(&Subject::Device(CAFE, A));
        guard.set_elsewhere([(digest, Duration::from_secs(60))].into_iter(), at(0));
        assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(59)), Admission::Locked);
        assert_eq!(guard.admits(CAFE, Some(B), b"amina", at(59)), Admission::Open);
        assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(60)), Admission::Open);
        guard.set_elsewhere(std::iter::empty(), at(1));
        assert_eq!(guard.admits(CAFE, Some(A), b"amina", at(2)), Admission::Open);
        guard.counted_by_all(Subject::Device(CAFE, B), 10, at(3));
        assert_eq!(guard.admits(CAFE, Some(B), b"amina", at(4)), Admission::Locked);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (guard, _news) = guard();
        for number in 0..40_000_u32 {
            let [_, a, b, c] = number.to_be_bytes();
            guess(&guard, Some(Mac([2, 0, 0, a, b, c])), "x", 0);
        }
        assert!(guard.count.load(Ordering::Relaxed) <= MAX_KNOWN);
        guard.forget(at(3 * 24 * 3600));
        assert_eq!(guard.count.load(Ordering::Relaxed), 0);
    }
}
