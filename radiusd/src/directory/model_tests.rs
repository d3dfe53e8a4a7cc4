//! The directory against a model of three ordinary maps: changes in PostgreSQL, readings that arrive late and out of
//! order, removals, logins by name and by device, spent passwords and usage, in any sequence. After each step every name,
//! every device and every entitlement must be what the model says; at the end a fresh reading of everything must make
//! memory what PostgreSQL has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proptest::prelude::*;
use shared::entitlement::{Credential as Read, CredentialKind, Entitlement, State, Used};
use shared::mac::Mac;
use shared::rules::Rules;
use shared::time::OffsetDateTime;
use store::directory::{Entry, Version};
use uuid::Uuid;

use super::{Directory, Refusal};
use crate::policy::{Denial, Moment};

type Id = u8;
type Name = u8;

const IDS: Id = 4;
const NAMES: Name = 5;
const MACS: u8 = 3;
const DEVICE_LIMIT: usize = 2;
const QUOTA: u64 = 100;
const PENDING_KEEPS: u64 = 120;

/// A row of the model's PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    names: BTreeSet<Name>,
    devices: Vec<u8>,
    used: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Change(Id, BTreeSet<Name>, BTreeSet<u8>, u64),
    Delete(Id),
    Read(Id),
    Deliver(usize),
    Login(Name, Option<u8>),
    Knock(u8),
    Spend(Name),
    Used(Id, u64),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let names = || proptest::collection::btree_set(0..NAMES, 0..3);
    let devices = || proptest::collection::btree_set(0..MACS, 0..=DEVICE_LIMIT);
    let step = prop_oneof![
        4 => (0..IDS, names(), devices(), 0..QUOTA * 2).prop_map(|(i, n, d, u)| Step::Change(i, n, d, u)),
        1 => (0..IDS).prop_map(Step::Delete),
        6 => (0..IDS).prop_map(Step::Read),
        7 => any::<usize>().prop_map(Step::Deliver),
        4 => (0..NAMES, proptest::option::of(0..MACS)).prop_map(|(n, m)| Step::Login(n, m)),
        3 => (0..MACS).prop_map(Step::Knock),
        2 => (0..NAMES).prop_map(Step::Spend),
        2 => (0..IDS, 0..QUOTA * 2).prop_map(|(i, u)| Step::Used(i, u)),
        1 => (1..PENDING_KEEPS).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

#[derive(Clone, Debug)]
struct Known {
    version: u64,
    row: Row,
    pending: BTreeMap<u8, u64>,
    started: bool,
    spent: BTreeMap<Name, u64>,
}

/// PostgreSQL, what was read from it and is on its way, and what memory should hold.
#[derive(Default)]
struct Model {
    rows: BTreeMap<Id, Row>,
    version: u64,
    on_the_way: Vec<(Id, Option<Row>, u64)>,
    entitlements: HashMap<Id, Known>,
    names: HashMap<Name, Id>,
    devices: HashMap<u8, BTreeSet<Id>>,
    removed: u64,
    second: u64,
}

impl Model {
    fn put(&mut self, id: Id, mut row: Row, version: u64) -> bool {
        let before = self.entitlements.remove(&id);
        let newest = before.as_ref().map_or(self.removed, |before| before.version);
        if newest > version {
            self.entitlements.extend(before.map(|before| (id, before)));
            return false;
        }
        let (mut pending, mut started, mut spent) = (BTreeMap::new(), false, BTreeMap::new());
        if let Some(before) = before {
            self.forget_links(id, &before);
            row.used = row.used.max(before.row.used);
            for mac in before.row.devices {
                let Some(&at) = before.pending.get(&mac) else { continue };
                if self.second - at < PENDING_KEEPS && !row.devices.contains(&mac) {
                    pending.insert(mac, at);
                    row.devices.push(mac);
                }
            }
            started = before.started;
            spent = before.spent.into_iter().filter(|(name, _)| row.names.contains(name)).collect();
        }
        for &name in &row.names {
            let other = self.names.get(&name).and_then(|other| self.entitlements.get(other));
            if other.is_none_or(|other| other.version <= version) {
                self.names.insert(name, id);
            }
        }
        for &mac in &row.devices {
            self.devices.entry(mac).or_default().insert(id);
        }
        self.entitlements.insert(id, Known { version, row, pending, started, spent });
        true
    }

    fn remove(&mut self, id: Id, version: u64) {
        self.removed = self.removed.max(version);
        if self.entitlements.get(&id).is_some_and(|known| known.version <= version)
            && let Some(known) = self.entitlements.remove(&id)
        {
            self.forget_links(id, &known);
        }
    }

    fn forget_links(&mut self, id: Id, known: &Known) {
        self.names.retain(|_, leads_to| *leads_to != id);
        for mac in &known.row.devices {
            self.devices.entry(*mac).or_default().remove(&id);
        }
    }

    fn admit(&mut self, id: Id, mac: Option<u8>) -> Result<(bool, bool), Denial> {
        let known = self.entitlements.get_mut(&id).expect("names and devices lead to what is there");
        if known.row.used >= QUOTA {
            return Err(Denial::DataUsed);
        }
        let bound = mac.is_some_and(|mac| known.row.devices.contains(&mac));
        if !bound && known.row.devices.len() >= DEVICE_LIMIT {
            return Err(Denial::TooManyDevices);
        }
        let starts = !std::mem::replace(&mut known.started, true);
        if let (false, Some(mac)) = (bound, mac) {
            known.row.devices.push(mac);
            known.pending.insert(mac, self.second);
            self.devices.entry(mac).or_default().insert(id);
        }
        Ok((!bound && mac.is_some(), starts))
    }

    /// Where a device that knocks is led.
    fn knock(&self, mac: u8) -> Option<Id> {
        let ids = || self.devices.get(&mac).into_iter().flatten().copied();
        let usable = ids().filter(|id| self.entitlements[id].row.used < QUOTA);
        usable.min_by_key(|id| (!self.entitlements[id].started, *id)).or(ids().max())
    }
}

fn uuid(id: Id) -> Uuid {
    Uuid::from_u128(u128::from(id) + 1)
}

fn mac(number: u8) -> Mac {
    // Addresses of makers: random ones would take each other's place.
    Mac([0, 0, 0, 0, 0, number])
}

/// Names of both lengths: those that stand inside a credential and those that do not.
fn name(number: Name) -> Vec<u8> {
    format!("name-{}", "x".repeat(usize::from(number) * 9)).into_bytes()
}

fn at(second: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn entry(id: Id, row: &Row, version: u64) -> Entry {
    let credential = |&number: &Name| Read {
        id: Uuid::from_u128(u128::from(id) * 100 + u128::from(number)),
        entitlement: uuid(id),
        kind: if number < NAMES / 2 { CredentialKind::OneTime } else { CredentialKind::Password },
        login: name(number),
        password: b"secret".to_vec(),
        mac: None,
        valid_until: None,
    };
    let entitlement = Entitlement {
        id: uuid(id),
        package: format!("package {}", id % 2),
        state: State::Active,
        starts_at: None,
        expires_at: None,
        rules: Rules {
            quota_octets: Some(QUOTA),
            device_limit: u32::try_from(DEVICE_LIMIT).expect("small"),
            ..Rules::default()
        },
        used: Used { down: row.used, ..Used::default() },
        swaps_free_at: None,
        revision: 0,
        devices: row.devices.iter().map(|&number| mac(number)).collect(),
    };
    let credentials = row.names.iter().map(credential).collect();
    Entry { entitlement, credentials, version: Version::from_number(version) }
}

fn take(directory: &Directory, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    let now = at(model.second);
    match step {
        Step::Change(id, names, devices, used) => {
            // A name belongs to one credential, as the database sees to.
            model.rows.values_mut().for_each(|row| row.names.retain(|name| !names.contains(name)));
            model.rows.insert(id, Row { names, devices: devices.into_iter().collect(), used });
            model.version += 1;
        }
        Step::Delete(id) => {
            model.rows.remove(&id);
            model.version += 1;
        }
        Step::Read(id) => model.on_the_way.push((id, model.rows.get(&id).cloned(), model.version)),
        Step::Deliver(_) if model.on_the_way.is_empty() => {}
        Step::Deliver(which) => {
            let (id, row, version) = model.on_the_way.swap_remove(which % model.on_the_way.len());
            match row {
                Some(row) => {
                    let put = directory.put(entry(id, &row, version), now);
                    prop_assert_eq!(put, model.put(id, row, version));
                }
                None => {
                    directory.remove(uuid(id), Version::from_number(version));
                    model.remove(id, version);
                }
            }
        }
        Step::Login(number, device) => {
            let opening = directory.login(&name(number));
            let id = model.names.get(&number).copied();
            prop_assert_eq!(opening.as_ref().map(|opening| opening.held().id()), id.map(uuid));
            if let (Some(opening), Some(id)) = (opening, id) {
                let admitted = admit(directory, opening.held(), device.map(mac), now);
                prop_assert_eq!(admitted, model.admit(id, device));
            }
        }
        Step::Knock(number) => {
            let held = directory.device(mac(number), now.into());
            let id = model.knock(number);
            prop_assert_eq!(held.as_ref().map(|held| held.id()), id.map(uuid));
            if let (Some(held), Some(id)) = (held, id) {
                prop_assert_eq!(admit(directory, &held, Some(mac(number)), now), model.admit(id, Some(number)));
            }
        }
        Step::Spend(number) => {
            if let (true, Some(opening)) = (number < NAMES / 2, directory.login(&name(number))) {
                directory.spend(&opening, now.into());
                let known = model.entitlements.get_mut(&model.names[&number]).expect("there");
                known.spent.entry(number).or_insert(model.second);
            }
        }
        Step::Used(id, octets) => {
            directory.set_used(&[(uuid(id), Used { down: octets, ..Used::default() })]);
            if let Some(known) = model.entitlements.get_mut(&id) {
                known.row.used = known.row.used.max(octets);
            }
        }
        Step::Wait(seconds) => model.second += seconds,
    }
    Ok(())
}

fn admit(
    directory: &Directory,
    held: &super::Held,
    mac: Option<Mac>,
    now: OffsetDateTime,
) -> Result<(bool, bool), Denial> {
    match held.admit(mac, now) {
        Ok(admission) => {
            if let (true, Some(mac)) = (admission.bound, mac) {
                directory.bind(mac, held.id());
            }
            Ok((admission.bound, admission.started))
        }
        Err(Refusal::Denied(denial)) => Err(denial),
        Err(Refusal::Superseded) => panic!("what the tables lead to is never superseded between steps"),
    }
}

fn compare(directory: &Directory, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(directory.len(), model.entitlements.len());
    prop_assert_eq!(directory.names.len(), model.names.len());
    for number in 0..NAMES {
        let opening = directory.login(&name(number));
        let id = model.names.get(&number);
        prop_assert_eq!(opening.as_ref().map(|opening| opening.held().id()), id.copied().map(uuid));
        if let (Some(opening), Some(id)) = (opening, id) {
            prop_assert_eq!(opening.credential().login(), name(number));
            let spent = model.entitlements[id].spent.get(&number).copied().map(at);
            prop_assert_eq!(opening.credential().validity().until, spent.map(Moment::from));
        }
    }
    for number in 0..MACS {
        let hash = directory.devices.hash(&mac(number).0);
        let shard = directory.devices.read(hash);
        let led: BTreeSet<Uuid> =
            shard.iter_hash(hash).filter(|bound| bound.mac == mac(number)).map(|bound| bound.held.id()).collect();
        let expected = model.devices.get(&number).into_iter().flatten().copied().map(uuid).collect();
        prop_assert_eq!(led, expected);
    }
    prop_assert_eq!(directory.devices.len(), model.devices.values().map(BTreeSet::len).sum::<usize>());
    for (id, known) in &model.entitlements {
        let held = directory.entitlement(uuid(*id));
        prop_assert!(held.is_some());
        let held = held.expect("asserted");
        prop_assert_eq!(held.version().number(), known.version);
        held.with_standing(|standing| {
            prop_assert_eq!(standing.used.octets(), known.row.used);
            prop_assert_eq!(standing.starts_at.is_some(), known.started);
            let devices: Vec<Mac> = known.row.devices.iter().map(|&number| mac(number)).collect();
            prop_assert_eq!(standing.devices, devices);
            Ok(())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_what_the_model_says_after_each_step(steps in steps()) {
        let directory = Directory::new();
        let mut model = Model::default();
        for step in steps {
            take(&directory, &mut model, step)?;
            compare(&directory, &model)?;
        }
        // Everything is read afresh, in whatever order, and late readings come after it.
        model.version += 1;
        for id in (0..IDS).rev() {
            let row = model.rows.get(&id).cloned();
            match &row {
                Some(row) => prop_assert!(directory.put(entry(id, row, model.version), at(model.second))),
                None => drop(directory.remove(uuid(id), Version::from_number(model.version))),
            }
        }
        for (id, row, version) in std::mem::take(&mut model.on_the_way) {
            match row {
                Some(row) => drop(directory.put(entry(id, &row, version), at(model.second))),
                None => drop(directory.remove(uuid(id), Version::from_number(version))),
            }
        }
        prop_assert_eq!(directory.len(), model.rows.len());
        for number in 0..NAMES {
            let owner = model.rows.iter().find(|(_, row)| row.names.contains(&number)).map(|(id, _)| uuid(*id));
            prop_assert_eq!(directory.login(&name(number)).map(|opening| opening.held().id()), owner);
        }
    }
}
