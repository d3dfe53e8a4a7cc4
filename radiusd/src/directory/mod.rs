//! The directory: what may be used, in memory, so that a login never waits for the network.
//!
//! Three maps: a typed name to its credential, an entitlement's identity to the entitlement, a device to the
//! entitlements it is bound to. [`feed`] fills them from PostgreSQL and keeps them true. What a login changes
//! (the clock starts, a device is bound, a one-time password is spent) changes here at once and in PostgreSQL a
//! moment later; usage is set here when its accounting batch has been committed.
//!
//! The directory judges nothing: that is [`crate::policy`].

pub(crate) mod feed;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use shared::entitlement::{Credential, Entitlement};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

/// A device bound here but not yet seen in PostgreSQL is kept over a reload for this long.
const PENDING_KEEPS: Duration = Duration::from_secs(120);

/// An entitlement in memory.
#[derive(Debug)]
pub struct Held {
    entitlement: Entitlement,
    used: AtomicU64,
    live: Mutex<Live>,
    logins: Vec<Box<[u8]>>,
}

/// What logins change.
#[derive(Clone, Debug)]
struct Live {
    starts_at: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
    devices: Vec<Mac>,
    pending: Vec<(Mac, OffsetDateTime)>,
}

/// An entitlement as it stands at one moment.
pub type Snapshot = Entitlement;

impl Held {
    fn new(entitlement: Entitlement, logins: Vec<Box<[u8]>>) -> Held {
        let live = Live {
            starts_at: entitlement.starts_at,
            expires_at: entitlement.expires_at,
            devices: entitlement.devices.clone(),
            pending: Vec::new(),
        };
        Held { used: AtomicU64::new(entitlement.used_octets), live: Mutex::new(live), entitlement, logins }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entitlement as it stands now.
    pub fn snapshot(&self) -> Snapshot {
        let live = self.live();
        Entitlement {
            starts_at: live.starts_at,
            expires_at: live.expires_at,
            used_octets: self.used.load(Ordering::Relaxed),
            devices: live.devices.clone(),
            ..self.entitlement.clone()
        }
    }

    /// A login was accepted: starts the clock and binds the device, if they were not. Tells whether anything
    /// changed, so that PostgreSQL must be told. The limit is kept here too: two logins at the same moment
    /// cannot both take the last place. `None`: there is no place for this device.
    pub fn login(&self, mac: Option<Mac>, now: OffsetDateTime) -> Option<bool> {
        let mut live = self.live();
        let mut changed = false;
        if let Some(mac) = mac
            && !live.devices.contains(&mac)
        {
            if live.devices.len() >= self.entitlement.device_limit as usize {
                return None;
            }
            live.devices.push(mac);
            live.pending.push((mac, now));
            changed = true;
        }
        if live.starts_at.is_none() {
            live.starts_at = Some(now);
            live.expires_at = self.entitlement.duration.and_then(|duration| now.checked_add(duration.try_into().ok()?));
            changed = true;
        }
        Some(changed)
    }
}

/// The maps.
#[derive(Debug, Default)]
pub struct Directory {
    logins: DashMap<Box<[u8]>, Arc<Credential>>,
    entitlements: DashMap<Uuid, Arc<Held>>,
    devices: DashMap<Mac, Vec<Uuid>>,
}

impl Directory {
    /// An empty directory.
    pub fn new() -> Directory {
        Directory::default()
    }

    /// The credential of a typed name.
    pub fn login(&self, name: &[u8]) -> Option<Arc<Credential>> {
        self.logins.get(name).map(|entry| Arc::clone(&entry))
    }

    /// An entitlement.
    pub fn entitlement(&self, id: Uuid) -> Option<Arc<Held>> {
        self.entitlements.get(&id).map(|entry| Arc::clone(&entry))
    }

    /// The entitlements that a device is bound to.
    pub fn device(&self, mac: Mac) -> Vec<Arc<Held>> {
        let ids = self.devices.get(&mac).map(|entry| entry.clone()).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.entitlement(id)).collect()
    }

    /// How many entitlements are held.
    pub fn len(&self) -> usize {
        self.entitlements.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.entitlements.is_empty()
    }

    /// Puts an entitlement with its credentials in place of what was known of it.
    pub fn put(&self, mut entitlement: Entitlement, credentials: Vec<Credential>, now: OffsetDateTime) {
        let id = entitlement.id;
        let before = self.entitlements.get(&id).map(|entry| Arc::clone(&entry));
        let mut pending = Vec::new();
        if let Some(before) = &before {
            // A reading that began before an accounting batch was committed must not take its usage back.
            entitlement.used_octets = entitlement.used_octets.max(before.used.load(Ordering::Relaxed));
            let live = before.live();
            pending.extend(
                live.pending
                    .iter()
                    .copied()
                    .filter(|(mac, at)| now - *at < PENDING_KEEPS && !entitlement.devices.contains(mac)),
            );
            entitlement.devices.extend(pending.iter().map(|(mac, _)| *mac));
            if entitlement.starts_at.is_none() && live.starts_at.is_some() {
                (entitlement.starts_at, entitlement.expires_at) = (live.starts_at, live.expires_at);
            }
        }
        let logins: Vec<Box<[u8]>> = credentials.iter().map(|c| c.login.as_slice().into()).collect();
        if let Some(before) = &before {
            for gone in before.logins.iter().filter(|login| !logins.contains(login)) {
                self.logins.remove_if(gone, |_, credential| credential.entitlement == id);
            }
            for gone in before.live().devices.iter().filter(|mac| !entitlement.devices.contains(mac)) {
                self.unbind(*gone, id);
            }
        }
        for mac in &entitlement.devices {
            self.bind(*mac, id);
        }
        let held = Held::new(entitlement, logins);
        held.live().pending = pending;
        self.entitlements.insert(id, Arc::new(held));
        for credential in credentials {
            self.logins.insert(credential.login.as_slice().into(), Arc::new(credential));
        }
    }

    /// Forgets an entitlement and what opened it.
    pub fn remove(&self, id: Uuid) {
        let Some((_, held)) = self.entitlements.remove(&id) else { return };
        for login in &held.logins {
            self.logins.remove_if(login, |_, credential| credential.entitlement == id);
        }
        for mac in &held.live().devices {
            self.unbind(*mac, id);
        }
    }

    /// Notes that a device uses an entitlement, so that it is found by its MAC next time.
    pub fn bind(&self, mac: Mac, id: Uuid) {
        let mut ids = self.devices.entry(mac).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }

    fn unbind(&self, mac: Mac, id: Uuid) {
        if let Some(mut ids) = self.devices.get_mut(&mac) {
            ids.retain(|known| *known != id);
        }
        self.devices.remove_if(&mac, |_, ids| ids.is_empty());
    }

    /// Lets a one-time credential end at `until`.
    pub fn spend(&self, credential: &Credential, until: OffsetDateTime) {
        let spent = Credential { valid_until: Some(until), ..credential.clone() };
        self.logins.insert(credential.login.as_slice().into(), Arc::new(spent));
    }

    /// Sets what entitlements have used in all, after their batch was committed.
    pub fn set_used(&self, used: &[(Uuid, u64)]) {
        for (id, octets) in used {
            if let Some(held) = self.entitlements.get(id) {
                held.used.store(*octets, Ordering::Relaxed);
            }
        }
    }

    /// Forgets everything that `keep` does not name: the end of a full reading.
    pub(crate) fn retain(&self, keep: &std::collections::HashSet<Uuid>) {
        let gone: Vec<Uuid> = self.entitlements.iter().map(|e| *e.key()).filter(|id| !keep.contains(id)).collect();
        for id in gone {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::entitlement::{CredentialKind, State};

    pub(crate) fn entitlement(id: u128) -> Entitlement {
        Entitlement {
            id: Uuid::from_u128(id),
            package: "1 hour".into(),
            state: State::Active,
            starts_at: None,
            expires_at: None,
            duration: Some(Duration::from_secs(3600)),
            quota_octets: None,
            used_octets: 0,
            rate: None,
            device_limit: 1,
            idle_timeout: None,
            devices: vec![],
        }
    }

    fn credential(id: u128, login: &str) -> Credential {
        Credential {
            id: Uuid::from_u128(id + 1000),
            entitlement: Uuid::from_u128(id),
            kind: CredentialKind::Password,
            login: login.as_bytes().to_vec(),
            password: b"pw".to_vec(),
            mac: None,
            valid_until: None,
        }
    }

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_new_reading_replaces_names_and_devices() {
        let directory = Directory::new();
        directory.put(Entitlement { devices: vec![A], ..entitlement(1) }, vec![credential(1, "old")], NOW);
        assert!(directory.login(b"old").is_some());
        assert_eq!(directory.device(A).len(), 1);
        directory.put(Entitlement { devices: vec![B], ..entitlement(1) }, vec![credential(1, "new")], NOW);
        assert!(directory.login(b"old").is_none() && directory.login(b"new").is_some());
        assert!(directory.device(A).is_empty());
        assert_eq!(directory.device(B).len(), 1);
        directory.remove(Uuid::from_u128(1));
        assert!(directory.is_empty() && directory.login(b"new").is_none() && directory.device(B).is_empty());
    }

    #[test]
    fn a_name_that_moved_to_another_entitlement_stays_with_it() {
        let directory = Directory::new();
        directory.put(entitlement(1), vec![credential(1, "name")], NOW);
        directory.put(entitlement(2), vec![credential(2, "name")], NOW);
        directory.put(entitlement(1), vec![], NOW);
        assert_eq!(directory.login(b"name").expect("kept").entitlement, Uuid::from_u128(2));
    }

    #[test]
    fn the_last_place_is_taken_once() {
        let directory = Directory::new();
        directory.put(entitlement(1), vec![], NOW);
        let held = directory.entitlement(Uuid::from_u128(1)).expect("there");
        assert_eq!(held.login(Some(A), NOW), Some(true));
        assert_eq!(held.login(Some(A), NOW), Some(false), "the same device again changes nothing");
        assert_eq!(held.login(Some(B), NOW), None);
        assert_eq!(held.snapshot().expires_at, Some(NOW + Duration::from_secs(3600)));
    }

    #[test]
    fn a_late_reading_takes_no_usage_back() {
        let directory = Directory::new();
        directory.put(entitlement(1), vec![], NOW);
        directory.set_used(&[(Uuid::from_u128(1), 500)]);
        directory.put(Entitlement { used_octets: 300, ..entitlement(1) }, vec![], NOW);
        assert_eq!(directory.entitlement(Uuid::from_u128(1)).expect("there").snapshot().used_octets, 500);
    }

    #[test]
    fn what_postgresql_does_not_know_yet_survives_a_reading() {
        let directory = Directory::new();
        directory.put(entitlement(1), vec![], NOW);
        directory.entitlement(Uuid::from_u128(1)).expect("there").login(Some(A), NOW);
        directory.put(entitlement(1), vec![], NOW + Duration::from_secs(1));
        let held = directory.entitlement(Uuid::from_u128(1)).expect("there");
        assert_eq!(held.snapshot().devices, [A]);
        assert_eq!(held.snapshot().starts_at, Some(NOW));
        directory.put(entitlement(1), vec![], NOW + Duration::from_secs(600));
        assert!(directory.entitlement(Uuid::from_u128(1)).expect("there").snapshot().devices.is_empty());
    }
}
