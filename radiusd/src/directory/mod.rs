//! The directory: what may be used, in memory, so that a login never waits for the network.
//!
//! Three tables: an entitlement's identity, a typed name, and a device each lead to one [`Held`], the entitlement with its
//! credentials. They hold no keys of their own, so that a million customers take less than 400 octets each. [`load`] fills
//! them from PostgreSQL and [`feed`] keeps them true; of two readings the one with the newer [`Version`] stays. What a
//! login changes (the clock starts, a device is bound, a one-time password is spent) changes here at once and in PostgreSQL
//! a moment later; usage is set here when its accounting batch has been committed.
//!
//! The directory judges nothing: that is [`crate::policy`], which is asked under the entitlement's own lock. Looking up
//! and admitting allocate nothing unless something changes.

mod credential;
pub(crate) mod feed;
mod held;
mod load;
#[cfg(test)]
mod model_tests;
mod table;
mod terms;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::entitlement::Used;
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use store::directory::{Entry, Version};
use uuid::Uuid;

pub use credential::Credential;
pub use held::{Admission, Held, Refusal};

use self::credential::Credentials;
use self::table::Table;
use self::terms::SharedTerms;
use crate::policy::{Here, Moment, Terms};

/// A typed name's way to its credential.
#[derive(Clone, Debug)]
pub struct Opening {
    held: Arc<Held>,
    /// Which of the entitlement's credentials it is.
    number: u32,
}

impl Opening {
    /// The entitlement that the name opens.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The credential that has this name.
    pub fn credential(&self) -> &Credential {
        &self.held.credentials()[self.number as usize]
    }
}

/// A device's way to an entitlement that it is bound to. A device with several has several of these.
#[derive(Debug)]
struct Bound {
    mac: Mac,
    held: Arc<Held>,
}

/// The tables.
#[derive(Debug)]
pub struct Directory {
    entitlements: Table<Arc<Held>>,
    names: Table<Opening>,
    devices: Table<Bound>,
    terms: SharedTerms,
    /// No removal was newer than this, so an older reading may have seen what is gone by now.
    removed: AtomicU64,
}

impl Default for Directory {
    fn default() -> Directory {
        Directory::new()
    }
}

impl Directory {
    /// An empty directory.
    pub fn new() -> Directory {
        Directory {
            entitlements: Table::new(),
            names: Table::new(),
            devices: Table::new(),
            terms: SharedTerms::default(),
            removed: AtomicU64::new(Version::default().number()),
        }
    }

    /// The credential of a typed name.
    pub fn login(&self, name: &[u8]) -> Option<Opening> {
        let hash = self.names.hash(name);
        self.names.read(hash).find(hash, |opening| opening.credential().login() == name).cloned()
    }

    /// An entitlement. Waits, for microseconds, while it is being replaced.
    pub fn entitlement(&self, id: Uuid) -> Option<Arc<Held>> {
        let hash = self.entitlements.hash(id.as_bytes());
        self.entitlements.read(hash).find(hash, |held| held.id() == id).cloned()
    }

    /// The entitlement that a device uses by its MAC alone: of those that would admit it, one whose clock runs before one
    /// that would be begun, and then the oldest sale. If none would, the newest, whose reason the guest is told.
    pub fn device(&self, mac: Mac, here: Here) -> Option<Arc<Held>> {
        let hash = self.devices.hash(&mac.0);
        let devices = self.devices.read(hash);
        let bound = || devices.iter_hash(hash).filter(|bound| bound.mac == mac).map(|bound| &bound.held);
        let usable = bound().filter_map(|held| Some((!held.would_admit(mac, here)?, held.id(), held)));
        let best = usable.min_by_key(|(waits, id, _)| (*waits, *id)).map(|(_, _, held)| held);
        best.or_else(|| bound().max_by_key(|held| held.id())).cloned()
    }

    /// How many entitlements are held.
    pub fn len(&self) -> usize {
        self.entitlements.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts what was read in place of what was known, unless that is newer. `false`: it was newer, or it may be gone by
    /// now; the reading was not used.
    pub fn put(&self, entry: Entry, now: OffsetDateTime) -> bool {
        let Entry { entitlement, credentials, version } = entry;
        let terms = self.terms.share(Terms::from(&entitlement));
        let credentials = Credentials::from(credentials);
        let id = entitlement.id;
        let hash = self.entitlements.hash(id.as_bytes());
        // Held to the end, so that the three tables change as one for whoever looks the identity up.
        let mut entitlements = self.entitlements.write(hash);
        let before = entitlements.find(hash, |held| held.id() == id).cloned();
        let newest = before.as_ref().map_or_else(|| self.removed(), |before| before.version());
        if newest > version {
            return false;
        }
        let held = Held::new(&entitlement, terms, credentials, version, before.as_deref(), now.into());
        let held = Arc::new(held);
        match entitlements.find_mut(hash, |known| known.id() == id) {
            Some(known) => *known = Arc::clone(&held),
            None => {
                let rehash = |held: &Arc<Held>| self.entitlements.hash(held.id().as_bytes());
                entitlements.insert_unique(hash, Arc::clone(&held), rehash);
            }
        }
        self.name(&held);
        held.with_standing(|standing| standing.devices.to_vec()).into_iter().for_each(|mac| self.lead(mac, &held));
        if let Some(before) = before {
            self.unlink(&before);
        }
        true
    }

    /// Forgets an entitlement that a reading no longer found, and what opened it. `false`: it was read later than that.
    pub fn remove(&self, id: Uuid, version: Version) -> bool {
        self.removed.fetch_max(version.number(), Ordering::Relaxed);
        self.remove_if(id, |held| held.version() <= version)
    }

    /// Notes that a device has been given a place, so that it is found by its MAC next time.
    pub fn bind(&self, mac: Mac, id: Uuid) {
        let hash = self.entitlements.hash(id.as_bytes());
        // The entitlement may have been replaced since: the one that stands there now counts, and stays while we hold this.
        let entitlements = self.entitlements.read(hash);
        let current = entitlements.find(hash, |held| held.id() == id);
        if let Some(held) = current.filter(|held| held.with_standing(|standing| standing.is_bound(Some(mac)))) {
            self.lead(mac, held);
        }
    }

    /// Notes that a device has lost its place to another one.
    pub fn unbind(&self, mac: Mac, id: Uuid) {
        let hash = self.entitlements.hash(id.as_bytes());
        let entitlements = self.entitlements.read(hash);
        let current = entitlements.find(hash, |held| held.id() == id);
        if current.is_some_and(|held| held.with_standing(|standing| standing.is_bound(Some(mac)))) {
            return;
        }
        let hash = self.devices.hash(&mac.0);
        let mut devices = self.devices.write(hash);
        if let Ok(entry) = devices.find_entry(hash, |known| known.mac == mac && known.held.id() == id) {
            entry.remove();
        }
    }

    /// Lets a one-time credential end at `until`, also where its entitlement has been replaced meanwhile.
    pub fn spend(&self, opening: &Opening, until: Moment) {
        let credential = opening.credential();
        credential.spend(until);
        if let Some(current) = self.entitlement(opening.held.id()) {
            let same = current.credentials().iter().find(|same| same.id() == credential.id());
            if let Some(same) = same.filter(|same| same.password() == credential.password()) {
                same.spend(until);
            }
        }
    }

    /// Sets what entitlements have used in all, after their batch was committed.
    pub fn set_used(&self, used: &[(Uuid, Used)]) {
        for &(id, used) in used {
            let hash = self.entitlements.hash(id.as_bytes());
            // Under the table's lock, so that the entitlement is not being replaced at the same time.
            if let Some(held) = self.entitlements.read(hash).find(hash, |held| held.id() == id) {
                held.set_used(used);
            }
        }
    }

    /// Forgets, in one of the shards, what had ended by then. Returns how many.
    pub(crate) fn forget_ended(&self, shard: usize, then: Moment) -> usize {
        self.remove_where(shard, |held| held.ended_by(then))
    }

    /// Forgets everything that was read last before `version`: the end of a full reading, which met all that there is.
    pub(crate) fn forget_before(&self, version: Version) -> usize {
        (0..table::SHARDS).map(|shard| self.remove_where(shard, |held| held.version() < version)).sum()
    }

    /// The database has gone back in time: any reading from now on is taken for newer than what is here.
    pub(crate) fn forget_versions(&self) {
        self.removed.store(Version::default().number(), Ordering::Relaxed);
        for shard in 0..table::SHARDS {
            self.entitlements.shard(shard).iter().for_each(|held| held.forget_version());
        }
    }

    fn removed(&self) -> Version {
        Version::from_number(self.removed.load(Ordering::Relaxed))
    }

    fn remove_where(&self, shard: usize, condition: impl Fn(&Held) -> bool) -> usize {
        // Collected first: the shard is locked again, to write, for each that goes.
        let ids: Vec<Uuid> =
            self.entitlements.shard(shard).iter().filter(|held| condition(held)).map(|held| held.id()).collect();
        ids.into_iter().filter(|&id| self.remove_if(id, &condition)).count()
    }

    fn remove_if(&self, id: Uuid, condition: impl Fn(&Held) -> bool) -> bool {
        let hash = self.entitlements.hash(id.as_bytes());
        let mut entitlements = self.entitlements.write(hash);
        let Ok(entry) = entitlements.find_entry(hash, |held| held.id() == id) else { return false };
        if !condition(entry.get()) {
            return false;
        }
        let (held, _) = entry.remove();
        held.supersede();
        self.unlink(&held);
        true
    }

    /// Leads the names of its credentials to this entitlement. A name that another one has is left to whoever was read
    /// last: names move, and readings arrive late.
    fn name(&self, held: &Arc<Held>) {
        for (number, credential) in (0..).zip(held.credentials()) {
            let opening = Opening { held: Arc::clone(held), number };
            let hash = self.names.hash(credential.login());
            let mut names = self.names.write(hash);
            match names.find_mut(hash, |known| known.credential().login() == credential.login()) {
                Some(known) if known.held.id() != held.id() && known.held.version() > held.version() => {}
                Some(known) => *known = opening,
                None => {
                    let rehash = |opening: &Opening| self.names.hash(opening.credential().login());
                    names.insert_unique(hash, opening, rehash);
                }
            }
        }
    }

    /// Leads a device to this entitlement, beside others that it is bound to.
    fn lead(&self, mac: Mac, held: &Arc<Held>) {
        let hash = self.devices.hash(&mac.0);
        let mut devices = self.devices.write(hash);
        match devices.find_mut(hash, |known| known.mac == mac && known.held.id() == held.id()) {
            Some(known) => known.held = Arc::clone(held),
            None => {
                let rehash = |bound: &Bound| self.devices.hash(&bound.mac.0);
                devices.insert_unique(hash, Bound { mac, held: Arc::clone(held) }, rehash);
            }
        }
    }

    /// Removes the names and devices that still lead to an entitlement which is superseded.
    fn unlink(&self, gone: &Arc<Held>) {
        for credential in gone.credentials() {
            let hash = self.names.hash(credential.login());
            let mut names = self.names.write(hash);
            let leads_there =
                |known: &Opening| Arc::ptr_eq(&known.held, gone) && known.credential().login() == credential.login();
            if let Ok(entry) = names.find_entry(hash, leads_there) {
                entry.remove();
            }
        }
        for mac in gone.with_standing(|standing| standing.devices.to_vec()) {
            let hash = self.devices.hash(&mac.0);
            let mut devices = self.devices.write(hash);
            if let Ok(entry) = devices.find_entry(hash, |known| known.mac == mac && Arc::ptr_eq(&known.held, gone)) {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::entitlement::{Credential as Read, CredentialKind, Entitlement, State};
    use shared::rules::Rules;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn entitlement(number: u128) -> Entitlement {
        Entitlement {
            id: id(number),
            package: "1 hour".into(),
            state: State::Active,
            starts_at: None,
            expires_at: None,
            rules: Rules { duration: Some(Duration::from_secs(3600)), device_limit: 2, ..Rules::default() },
            used: Used::default(),
            swaps_free_at: None,
            revision: 0,
            devices: vec![],
        }
    }

    fn put(directory: &Directory, version: u64, entitlement: Entitlement, logins: &[&str]) -> bool {
        let credential = |login: &&str| Read {
            id: Uuid::from_u128(entitlement.id.as_u128() + 1000),
            entitlement: entitlement.id,
            kind: CredentialKind::OneTime,
            login: login.as_bytes().to_vec(),
            password: b"pw".to_vec(),
            mac: None,
            valid_until: Some(NOW + Duration::from_secs(600)),
        };
        let credentials = logins.iter().map(credential).collect();
        directory.put(Entry { entitlement, credentials, version: Version::from_number(version) }, NOW)
    }

    #[test]
    fn what_is_held_has_the_revision_of_the_newest_reading() {
        let directory = Directory::new();
        for (version, revision, held) in [(1, 4, 4), (3, 5, 5), (2, 4, 5)] {
            put(&directory, version, Entitlement { revision, ..entitlement(1) }, &[]);
            assert_eq!(directory.entitlement(id(1)).expect("there").revision(), held);
        }
    }

    #[test]
    fn a_new_reading_replaces_names_and_devices() {
        let directory = Directory::new();
        assert!(put(&directory, 1, Entitlement { devices: vec![A], ..entitlement(1) }, &["old"]));
        assert!(directory.login(b"old").is_some() && directory.device(A, NOW.into()).is_some());
        assert!(put(&directory, 2, Entitlement { devices: vec![B], ..entitlement(1) }, &["new"]));
        assert!(directory.login(b"old").is_none() && directory.login(b"new").is_some());
        assert!(directory.device(A, NOW.into()).is_none() && directory.device(B, NOW.into()).is_some());
        assert!(directory.remove(id(1), Version::from_number(2)));
        assert!(directory.is_empty() && directory.login(b"new").is_none() && directory.device(B, NOW.into()).is_none());
    }

    #[test]
    fn a_look_up_that_took_long_does_not_overwrite_what_the_feed_has_read_since() {
        let directory = Directory::new();
        assert!(put(&directory, 5, Entitlement { state: State::Revoked, ..entitlement(1) }, &["name"]));
        assert!(!put(&directory, 4, entitlement(1), &["name"]), "read before it was revoked");
        let held = directory.entitlement(id(1)).expect("there");
        assert_eq!(held.with_standing(|standing| standing.state), State::Revoked);
    }

    #[test]
    fn a_look_up_that_took_long_does_not_bring_back_what_is_gone() {
        let directory = Directory::new();
        put(&directory, 4, entitlement(1), &["name"]);
        directory.remove(id(1), Version::from_number(6));
        assert!(!put(&directory, 5, entitlement(1), &["name"]));
        assert!(directory.login(b"name").is_none());
        assert!(put(&directory, 6, entitlement(1), &["name"]), "made anew");
    }

    #[test]
    fn a_name_that_moved_stays_with_whoever_was_read_last() {
        let directory = Directory::new();
        put(&directory, 1, entitlement(1), &["name"]);
        put(&directory, 3, entitlement(2), &["name"]);
        put(&directory, 2, entitlement(1), &["name"]);
        assert_eq!(directory.login(b"name").expect("kept").held().id(), id(2), "a late reading of the first one");
        put(&directory, 3, entitlement(1), &[]);
        assert_eq!(directory.login(b"name").expect("kept").held().id(), id(2));
    }

    #[test]
    fn a_database_that_went_back_in_time_is_believed_again() {
        let directory = Directory::new();
        put(&directory, 900, entitlement(1), &["name"]);
        directory.remove(id(2), Version::from_number(950));
        directory.forget_versions();
        assert!(put(&directory, 5, entitlement(1), &["other"]) && put(&directory, 5, entitlement(2), &[]));
        assert!(directory.login(b"name").is_none() && directory.login(b"other").is_some());
    }

    #[test]
    fn what_a_full_reading_did_not_meet_is_forgotten() {
        let directory = Directory::new();
        put(&directory, 1, entitlement(1), &["gone"]);
        put(&directory, 1, entitlement(2), &["met"]);
        put(&directory, 9, entitlement(3), &["newer"]);
        put(&directory, 5, entitlement(2), &["met"]);
        assert_eq!(directory.forget_before(Version::from_number(5)), 1);
        assert!(directory.login(b"gone").is_none() && directory.login(b"met").is_some());
        assert!(directory.login(b"newer").is_some());
    }

    #[test]
    fn what_ended_long_ago_is_forgotten_shard_by_shard() {
        let directory = Directory::new();
        for number in 1..=500 {
            let expires_at = Some(NOW + Duration::from_secs(u64::try_from(number).expect("small")));
            let state = if number % 5 == 0 { State::Active } else { State::Expired };
            let ended =
                Entitlement { starts_at: Some(NOW), expires_at, state, devices: vec![A], ..entitlement(number) };
            put(&directory, 1, ended, &[&number.to_string()]);
        }
        let then = Moment::from(NOW + Duration::from_secs(250));
        let forgotten: usize = (0..table::SHARDS).map(|shard| directory.forget_ended(shard, then)).sum();
        assert_eq!((forgotten, directory.len(), directory.names.len(), directory.devices.len()), (200, 300, 300, 300));
        assert!(
            directory.login(b"249").is_none() && directory.login(b"250").is_some() && directory.login(b"251").is_some()
        );
    }

    #[test]
    fn a_spent_password_stays_spent_when_an_older_state_is_read() {
        let directory = Directory::new();
        put(&directory, 1, entitlement(1), &["name"]);
        let opening = directory.login(b"name").expect("there");
        // A newer reading comes between the finding of the name and the spending.
        put(&directory, 2, entitlement(1), &["name"]);
        directory.spend(&opening, NOW.into());
        put(&directory, 3, entitlement(1), &["name"]);
        assert_eq!(directory.login(b"name").expect("there").credential().validity().until, Some(NOW.into()));
    }

    #[test]
    fn a_device_uses_what_runs_before_what_waits_and_the_oldest_first() {
        let directory = Directory::new();
        let bound = |number| Entitlement { devices: vec![A], ..entitlement(number) };
        put(&directory, 1, bound(2), &[]);
        put(&directory, 1, bound(1), &[]);
        let used = || directory.device(A, NOW.into()).expect("bound").id();
        assert_eq!(used(), id(1));
        put(
            &directory,
            1,
            Entitlement { starts_at: Some(NOW), expires_at: Some(NOW + Duration::from_secs(9)), ..bound(3) },
            &[],
        );
        assert_eq!(used(), id(3), "its clock runs");
        for number in 1..=3 {
            put(&directory, 2, Entitlement { state: State::Expired, ..bound(number) }, &[]);
        }
        assert_eq!(used(), id(3), "none can be used: the newest tells why");
    }

    #[test]
    fn readings_and_logins_at_the_same_time_lose_no_device() {
        let directory = Directory::new();
        let limit =
            |devices| Entitlement { rules: Rules { device_limit: 200, ..Rules::default() }, devices, ..entitlement(1) };
        put(&directory, 1, limit(vec![]), &["name"]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for version in 2..2_000 {
                    put(&directory, version, limit(vec![]), &["name"]);
                }
            });
            for thread in 0..2_u8 {
                let directory = &directory;
                scope.spawn(move || {
                    for number in 0..100 {
                        let mac = Mac([2, 0, 0, 0, thread, number]);
                        while let Some(opening) = directory.login(b"name") {
                            match opening.held().admit(Some(mac), NOW) {
                                Ok(_) => {
                                    directory.bind(mac, id(1));
                                    break;
                                }
                                Err(refusal) => assert_eq!(refusal, Refusal::Superseded),
                            }
                        }
                    }
                });
            }
        });
        let held = directory.entitlement(id(1)).expect("there");
        assert_eq!(held.with_standing(|standing| standing.devices.len()), 200);
        for (thread, number) in (0..2).flat_map(|thread| (0..100).map(move |number| (thread, number))) {
            let found = directory.device(Mac([2, 0, 0, 0, thread, number]), NOW.into()).expect("bound");
            assert!(Arc::ptr_eq(&found, &held), "the device leads to what stands there now");
        }
        assert_eq!(directory.devices.len(), 200);
    }
}
