//! One entitlement in memory: what was read of it, and what logins have changed since.
//!
//! What was read never changes here: a newer reading makes a new [`Held`] and takes over what logins changed, and the
//! old one is marked *superseded* under its lock. From then on it admits nobody, so that no login is lost between the
//! two; whoever still holds it looks the name up again.
//!
//! What logins change (the clock, the devices) stands behind one small lock. [`Held::admit`] asks the policy and takes
//! the device's place under it, so two logins cannot both take the last place. Size matters: there may be a million.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::entitlement::{Entitlement, State, Used};
use shared::mac::Mac;
use shared::rng;
use shared::rules::Swaps;
use store::directory::Version;
use uuid::Uuid;

use super::credential::{Credential, Credentials};
use crate::policy::{self, Denial, Grant, Here, Moment, Standing, Terms};

/// A device bound here but not yet seen in PostgreSQL is kept over a newer reading for this long.
const PENDING_KEEPS: Duration = Duration::from_secs(120);

/// An entitlement in memory, with what opens it.
#[derive(Debug)]
pub struct Held {
    id: Uuid,
    terms: Arc<Terms>,
    version: AtomicU64,
    used_up: AtomicU64,
    used_down: AtomicU64,
    used_seconds: AtomicU32,
    live: Mutex<Live>,
    credentials: Credentials,
    /// Of what routers are told ([`Entitlement::revision`]).
    revision: u16,
    state: State,
    /// Written and read under `live`.
    superseded: AtomicBool,
}

/// What logins change.
#[derive(Debug)]
struct Live {
    starts_at: Option<Moment>,
    expires_at: Option<Moment>,
    swaps_free_at: Option<Moment>,
    devices: Devices,
    pending: Option<Box<Pending>>,
}

/// What was bound here and is not known to be in PostgreSQL.
#[derive(Debug, Default)]
struct Pending(Vec<Bound>);

/// A device that was bound, when, and the one whose place it took.
#[derive(Clone, Copy, Debug)]
struct Bound {
    mac: Mac,
    at: Moment,
    replaces: Option<Mac>,
}

/// Devices of an entitlement: one or two for almost everyone, without an allocation.
#[derive(Debug)]
enum Devices {
    Few(u8, [Mac; 2]),
    Many(Vec<Mac>),
}

impl Devices {
    fn from(macs: &[Mac]) -> Devices {
        let mut devices = Devices::Few(0, [Mac([0; 6]); 2]);
        macs.iter().for_each(|&mac| devices.push(mac));
        devices
    }

    fn all(&self) -> &[Mac] {
        match self {
            Devices::Few(count, macs) => &macs[..usize::from(*count)],
            Devices::Many(macs) => macs,
        }
    }

    fn remove(&mut self, mac: Mac) {
        let kept: Vec<Mac> = self.all().iter().copied().filter(|device| *device != mac).collect();
        *self = Devices::from(&kept);
    }

    fn push(&mut self, mac: Mac) {
        match self {
            Devices::Few(count, macs) => match macs.get_mut(usize::from(*count)) {
                Some(free) => {
                    *free = mac;
                    *count += 1;
                }
                None => *self = Devices::Many(macs.iter().copied().chain([mac]).collect()),
            },
            Devices::Many(macs) => macs.push(mac),
        }
    }
}

/// What an accepted login was granted, and what it changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admission {
    /// What the router shall allow.
    pub grant: Grant,
    /// The device has been given a place.
    pub bound: bool,
    /// The clock has been started.
    pub started: bool,
}

/// Why a login was not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The policy says no.
    Denied(Denial),
    /// A newer reading has taken this one's place: look again.
    Superseded,
}

impl Held {
    /// From a reading, taking over what logins changed in `before`, which is superseded.
    pub(super) fn new(
        entitlement: &Entitlement,
        terms: Arc<Terms>,
        credentials: Credentials,
        version: Version,
        before: Option<&Held>,
        now: Moment,
    ) -> Held {
        let mut used = entitlement.used;
        let mut live = Live {
            starts_at: entitlement.starts_at.map(Moment::from),
            expires_at: entitlement.expires_at.map(Moment::from),
            swaps_free_at: entitlement.swaps_free_at.map(Moment::from),
            devices: Devices::from(&entitlement.devices),
            pending: None,
        };
        if let Some(before) = before {
            // A reading that began before an accounting batch was committed must not take its usage back.
            let known = before.used();
            used.up = used.up.max(known.up);
            used.down = used.down.max(known.down);
            used.seconds = used.seconds.max(known.seconds);
            live.take_over(&before.superseded(), now);
            for credential in credentials.all() {
                credential.keep_spent(before.credentials.all());
            }
        }
        Held {
            id: entitlement.id,
            terms,
            version: AtomicU64::new(version.number()),
            used_up: AtomicU64::new(used.up),
            used_down: AtomicU64::new(used.down),
            used_seconds: AtomicU32::new(whole(used.seconds)),
            live: Mutex::new(live),
            credentials,
            revision: entitlement.revision,
            state: entitlement.state,
            superseded: AtomicBool::new(false),
        }
    }

    /// The entitlement's identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Which revision of what routers are told it has: what it grants knows of no later one ([`Entitlement::revision`]).
    pub fn revision(&self) -> u16 {
        self.revision
    }

    /// What opens it.
    pub fn credentials(&self) -> &[Credential] {
        self.credentials.all()
    }

    /// Asks the policy and, if it agrees, gives the device its place and starts the clock, all at once.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was changed.
    pub fn admit(&self, mac: Option<Mac>, here: impl Into<Here>) -> Result<Admission, Refusal> {
        let here = here.into();
        let now = here.now;
        let mut live = self.live();
        if self.superseded.load(Ordering::Relaxed) {
            return Err(Refusal::Superseded);
        }
        let standing = self.standing(&live);
        let grant = policy::decide(&standing, mac, here).map_err(Refusal::Denied)?;
        let (bound, started) = (mac.is_some() && !standing.is_bound(mac), standing.starts_at.is_none());
        if let (true, Some(mac)) = (bound, mac) {
            live.take_place(Bound { mac, at: now, replaces: grant.replaces });
        }
        if started {
            live.starts_at = Some(now);
            live.expires_at = self.terms.end(here);
        }
        Ok(Admission { grant, bound, started })
    }

    /// Whether this device would be admitted, and if so, whether the clock runs already. Changes nothing.
    pub(super) fn would_admit(&self, mac: Mac, here: Here) -> Option<bool> {
        let live = self.live();
        policy::decide(&self.standing(&live), Some(mac), here).ok().map(|_| live.starts_at.is_some())
    }

    /// Looks at how it stands.
    pub fn with_standing<T>(&self, look: impl FnOnce(&Standing<'_>) -> T) -> T {
        look(&self.standing(&self.live()))
    }

    /// Usage only grows: totals of two batches may arrive in either order.
    pub(super) fn set_used(&self, used: Used) {
        self.used_up.fetch_max(used.up, Ordering::Relaxed);
        self.used_down.fetch_max(used.down, Ordering::Relaxed);
        self.used_seconds.fetch_max(whole(used.seconds), Ordering::Relaxed);
    }

    fn used(&self) -> Used {
        Used {
            up: self.used_up.load(Ordering::Relaxed),
            down: self.used_down.load(Ordering::Relaxed),
            seconds: self.used_seconds.load(Ordering::Relaxed).into(),
        }
    }

    /// How new the reading is that this was made from.
    pub(super) fn version(&self) -> Version {
        Version::from_number(self.version.load(Ordering::Relaxed))
    }

    /// Takes any other reading for newer.
    pub(super) fn forget_version(&self) {
        self.version.store(Version::default().number(), Ordering::Relaxed);
    }

    /// Whether it had ended by then, so that nobody will use it again. The same rule is in the statement that reads
    /// everything.
    pub(super) fn ended_by(&self, then: Moment) -> bool {
        let end = || self.live().expires_at.or_else(|| created(self.id));
        self.state != State::Active && end().is_some_and(|end| end <= then)
    }

    /// From now on it admits nobody.
    pub(super) fn supersede(&self) {
        drop(self.superseded());
    }

    /// Supersedes it, and keeps its lock for a look at what logins have changed.
    fn superseded(&self) -> MutexGuard<'_, Live> {
        let live = self.live();
        self.superseded.store(true, Ordering::Relaxed);
        live
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing<'a>(&'a self, live: &'a Live) -> Standing<'a> {
        Standing {
            state: self.state,
            terms: &self.terms,
            starts_at: live.starts_at,
            expires_at: live.expires_at,
            used: self.used(),
            devices: live.devices.all(),
            swaps_free_at: live.swaps_free_at,
        }
    }
}

impl Live {
    /// Gives a device its place; the one that had it goes.
    fn take_place(&mut self, bound: Bound) {
        if let Some(old) = bound.replaces {
            self.devices.remove(old);
            let from = self.swaps_free_at.map_or(bound.at, |free_at| free_at.max(bound.at));
            self.swaps_free_at = Some(from.after(Swaps::EVERY));
        }
        self.devices.push(bound.mac);
        self.pending.get_or_insert_default().0.push(bound);
    }

    /// Keeps what logins changed and a newer reading does not know yet.
    fn take_over(&mut self, known: &Live, now: Moment) {
        let pending = known.pending.iter().flat_map(|pending| &pending.0);
        let pending: Vec<Bound> = pending.filter(|bound| now.since(bound.at) < PENDING_KEEPS).copied().collect();
        for bound in unread(&pending, known.devices.all(), self.devices.all()) {
            if !self.devices.all().contains(&bound.mac) {
                self.take_place(bound);
            }
        }
        if self.starts_at.is_none() && known.starts_at.is_some() {
            (self.starts_at, self.expires_at) = (known.starts_at, known.expires_at);
        }
    }
}

/// Of what was bound here, in that order, what a reading does not know yet. Mostly the reading is how it stood after one of these, and what came
/// later is unknown to it. Otherwise somebody else has changed the devices too: then a device whose place was taken by one that the reading has was
/// bound before that one; it is known, and has no place any more.
fn unread(pending: &[Bound], known: &[Mac], read: &[Mac]) -> Vec<Bound> {
    let mut then = known.to_vec();
    for bindings in (0..=pending.len()).rev() {
        if then.len() == read.len() && then.iter().all(|device| read.contains(device)) {
            return pending[bindings..].to_vec();
        }
        if let Some(undone) = bindings.checked_sub(1).map(|last| pending[last]) {
            then.retain(|device| *device != undone.mac);
            then.extend(undone.replaces);
        }
    }
    let mut read = read.to_vec();
    let mut unread = Vec::new();
    for bound in pending.iter().rev() {
        match read.contains(&bound.mac) {
            true => read.extend(bound.replaces),
            false => unread.push(*bound),
        }
    }
    unread.reverse();
    unread
}

/// Seconds online, which 136 years of them do not overflow.
fn whole(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// When an entitlement was made, as its UUIDv7 tells.
fn created(id: Uuid) -> Option<Moment> {
    rng::made_at(id).map(Moment::from)
}

#[cfg(test)]
mod tests {
    use shared::rules::{DevicePolicy, Rules};
    use shared::time::OffsetDateTime;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn mac(number: u8) -> Mac {
        Mac([0, 0, 0, 0, 0, number])
    }

    fn entitlement(device_limit: u32) -> Entitlement {
        let duration = Some(Duration::from_secs(3600));
        Entitlement {
            id: Uuid::from_u128(1),
            package: "1 hour".into(),
            state: State::Active,
            starts_at: None,
            expires_at: None,
            rules: Rules { duration, device_limit, ..Rules::default() },
            used: Used::default(),
            swaps_free_at: None,
            revision: 0,
            devices: vec![],
        }
    }

    fn held(entitlement: &Entitlement, before: Option<&Held>, now: Moment) -> Held {
        let terms = Arc::new(Terms::from(entitlement));
        Held::new(entitlement, terms, Credentials::from(vec![]), Version::default(), before, now)
    }

    fn admitted(held: &Held, mac: Mac, now: Moment) -> (bool, bool) {
        held.admit(Some(mac), now).map(|admission| (admission.bound, admission.started)).expect("admitted")
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Held>() <= 192, "{}", size_of::<Held>());
        assert_eq!(size_of::<Devices>(), 24);
    }

    #[test]
    fn the_last_place_is_taken_once_and_the_clock_starts_once() {
        let now = Moment::from(NOW);
        let held = held(&entitlement(1), None, now);
        assert_eq!(admitted(&held, mac(1), now), (true, true));
        assert_eq!(admitted(&held, mac(1), now.after(Duration::from_secs(9))), (false, false));
        assert_eq!(held.admit(Some(mac(2)), now), Err(Refusal::Denied(Denial::TooManyDevices)));
        assert_eq!(held.with_standing(|s| s.expires_at), Some(now.after(Duration::from_secs(3600))));
    }

    #[test]
    fn a_device_takes_the_place_of_another_so_often_and_a_reading_that_is_older_does_not_bring_that_back() {
        let now = Moment::from(NOW);
        let one = entitlement(1);
        let rules = Rules { devices: DevicePolicy::Replace, ..Rules::default() };
        let entitlement = Entitlement { rules, ..one };
        let first = held(&entitlement, None, now);
        admitted(&first, mac(1), now);
        let swapped = first.admit(Some(mac(2)), now).expect("admitted");
        assert_eq!((swapped.bound, swapped.grant.replaces), (true, Some(mac(1))));
        let read_before = Entitlement { devices: vec![mac(1)], ..entitlement.clone() };
        let second = held(&read_before, Some(&first), now);
        second.with_standing(|s| assert_eq!(s.devices, [mac(2)]));
        assert!(admitted(&second, mac(3), now).0 && admitted(&second, mac(4), now).0);
        assert_eq!(second.admit(Some(mac(5)), now), Err(Refusal::Denied(Denial::TooManySwaps)));
        assert!(admitted(&second, mac(5), now.after(Swaps::EVERY)).0);
    }

    #[test]
    fn a_place_that_was_given_and_taken_between_two_readings_is_not_given_again() {
        let now = Moment::from(NOW);
        let one = entitlement(1);
        let entitlement = Entitlement { rules: Rules { devices: DevicePolicy::Replace, ..Rules::default() }, ..one };
        let logged_in = |numbers: &[u8]| {
            let held = held(&entitlement, None, now);
            assert!(numbers.iter().all(|number| admitted(&held, mac(*number), now).0));
            held
        };
        for (numbers, readings) in
            [(&[1, 2, 3][..], &[&[][..], &[1], &[2], &[3]][..]), (&[1, 2, 1], &[&[], &[1], &[2]])]
        {
            for reading in readings {
                let devices = reading.iter().map(|number| mac(*number)).collect();
                let read = Entitlement { devices, ..entitlement.clone() };
                let next = held(&read, Some(&logged_in(numbers)), now);
                let last = mac(*numbers.last().expect("some"));
                next.with_standing(|s| assert_eq!(s.devices, [last], "{numbers:?} {reading:?}"));
            }
        }
    }

    #[test]
    fn a_reading_of_before_takes_no_place_from_who_came_back() {
        let now = Moment::from(NOW);
        let rules = Rules { devices: DevicePolicy::Replace, device_limit: 2, ..Rules::default() };
        let read = Entitlement { rules, devices: vec![mac(1), mac(2)], ..entitlement(2) };
        let known = held(&read, None, now);
        // The third one replaces the first, which then replaces the second.
        assert!(admitted(&known, mac(3), now).0 && admitted(&known, mac(1), now).0);
        let next = held(&read, Some(&known), now);
        next.with_standing(|s| assert_eq!(s.devices, [mac(3), mac(1)]));
    }

    #[test]
    fn devices_keep_their_order_beyond_what_stands_inside() {
        let now = Moment::from(NOW);
        let held = held(&entitlement(9), None, now);
        for number in 1..=9 {
            assert!(admitted(&held, mac(number), now).0);
            let expected: Vec<Mac> = (1..=number).map(mac).collect();
            assert_eq!(held.with_standing(|s| s.devices.to_vec()), expected);
        }
    }

    #[test]
    fn many_threads_find_exactly_as_many_places_as_there_are() {
        let held = held(&entitlement(5), None, Moment::from(NOW));
        let admitted: usize = std::thread::scope(|scope| {
            let login = |number| {
                let held = &held;
                scope.spawn(move || held.admit(Some(mac(number)), Moment::from(NOW)).is_ok())
            };
            let threads: Vec<_> = (0..20).map(login).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().expect("no panic"))).sum()
        });
        assert_eq!(admitted, 5);
    }

    #[test]
    fn what_postgresql_does_not_know_yet_survives_a_reading_for_a_while() {
        let now = Moment::from(NOW);
        let first = held(&entitlement(1), None, now);
        admitted(&first, mac(1), now);
        first.set_used(Used { up: 100, down: 400, seconds: 60 });
        let second = held(&entitlement(1), Some(&first), now.after(Duration::from_secs(1)));
        assert_eq!(first.admit(Some(mac(1)), now), Err(Refusal::Superseded));
        second.with_standing(|s| {
            assert_eq!((s.devices, s.starts_at, s.used.octets()), (&[mac(1)][..], Some(now), 500));
        });
        let third = held(&entitlement(1), Some(&second), now.after(PENDING_KEEPS));
        third.with_standing(|s| assert_eq!((s.devices.len(), s.starts_at), (0, Some(now))));
        third.set_used(Used { up: 100, down: 300, seconds: 50 });
        let used = third.with_standing(|s| (s.used.octets(), s.used.seconds));
        assert_eq!(used, (500, 60), "totals of two batches in the wrong order");
    }

    #[test]
    fn it_ends_by_its_time_or_else_by_its_making() {
        let made = NOW + Duration::from_secs(1_000);
        let unused = Entitlement { id: shared::rng::id(made), state: State::Revoked, ..entitlement(1) };
        let at = |seconds| Moment::from(NOW + Duration::from_secs(seconds));
        let ended = |entitlement: &Entitlement, then| held(entitlement, None, at(0)).ended_by(then);
        assert!(ended(&unused, at(1_000)) && !ended(&unused, at(999)));
        let used = Entitlement { expires_at: Some(made + Duration::from_secs(60)), ..unused.clone() };
        assert!(ended(&used, at(1_060)) && !ended(&used, at(1_059)));
        assert!(!ended(&Entitlement { state: State::Active, ..used }, at(9_999)));
    }
}
