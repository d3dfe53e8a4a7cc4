//! The spool against crashes, damage, full disks and failing ones.
//!
//! [`plain`] has what it does all day, with a model beside it; [`damage`] torn ends and garbage; [`faults`] the disk
//! that is full or fails; [`crash`] a process that is killed. [`speed`] measures and is run by hand.

mod crash;
mod damage;
mod faults;
mod plain;
mod speed;

use std::fs;
use std::path::{Path, PathBuf};

use shared::time::OffsetDateTime;

use super::{Entry, Found, Position, Spool};

/// A cap that no test reaches unless it wants to.
const LARGE: u64 = 1 << 30;

/// A directory that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let name = format!("mlango-spool-{:016x}", u64::from_be_bytes(shared::rng::bytes()));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the name is new");
        Scratch(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> (Spool, Found) {
    Spool::open(dir, LARGE).expect("it opens")
}

fn at(unix_ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).expect("in range")
}

/// The record that tests put at a position: it says which one it is, and how long it should be.
fn record(position: Position) -> Vec<u8> {
    let length = 40 + usize::try_from(position * 37 % 400).expect("small");
    (0..length as u64).map(|i| (position.wrapping_mul(0x9E37_79B9) >> (i % 24)) as u8 ^ i as u8).collect()
}

fn records(from: Position, count: u64) -> Vec<Vec<u8>> {
    (from..from + count).map(record).collect()
}

/// Appends the next `count` records, at a millisecond that is the first one's position.
fn append(spool: &mut Spool, count: u64) {
    let next = spool.next;
    let range = spool.append(&records(next, count), at(i64::try_from(next).expect("small"))).expect("it is taken");
    assert_eq!(range, next..next + count);
}

/// Everything that waits, each checked against what belongs there.
fn positions(spool: &mut Spool) -> Vec<Position> {
    let entries = read_all(spool);
    for entry in &entries {
        assert_eq!(entry.octets, record(entry.position), "what was appended at {}", entry.position);
    }
    let positions: Vec<Position> = entries.iter().map(|entry| entry.position).collect();
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
    assert_eq!(spool.len(), positions.len() as u64);
    positions
}

/// Read in bites, as a replay does.
fn read_all(spool: &mut Spool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut from = 0;
    loop {
        let some = spool.read(from, 7).expect("it is readable");
        let Some(last) = some.last() else { return entries };
        from = last.position + 1;
        entries.extend(some);
    }
}

/// The segments' files, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    super::Segment::list(dir).expect("it is listed").into_iter().map(|(path, _)| path).collect()
}

/// What the segments' files have in all.
fn on_disk(dir: &Path) -> u64 {
    files(dir).iter().map(|path| path.metadata().expect("there").len()).sum()
}

/// A copy of a spool; of one that is open it is what a crash would leave.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("it is gone");
    for file in fs::read_dir(from).expect("it is there") {
        let file = file.expect("it is listed").path();
        fs::copy(&file, to.join(file.file_name().expect("a file"))).expect("it is copied");
    }
}
