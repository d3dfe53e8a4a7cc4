//! The spool on a disk that works: what is appended is read in order, what is forgotten gives its space back, and what is
//! left is there after opening again.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::super::{MAX_BATCH_OCTETS, SpoolError};
use super::*;

#[test]
fn records_come_back_in_order_with_their_times_also_after_a_restart() {
    let scratch = Scratch::new();
    let (mut spool, found) = open(scratch.path());
    assert_eq!(found, Found::default());
    append(&mut spool, 3);
    append(&mut spool, 1);
    append(&mut spool, 20);
    let before = read_all(&mut spool);
    assert_eq!(positions(&mut spool), (0..24).collect::<Vec<_>>());
    assert_eq!(before.iter().map(|entry| entry.appended_at_ms).take(5).collect::<Vec<_>>(), [0, 0, 0, 3, 4]);
    let octets = spool.octets();
    drop(spool);

    let (mut spool, found) = open(scratch.path());
    assert_eq!(found, Found { records: 24, octets, torn_octets: 0, lost: vec![] });
    assert_eq!(read_all(&mut spool), before);
    append(&mut spool, 2);
    assert_eq!(positions(&mut spool), (0..26).collect::<Vec<_>>());
}

#[test]
fn reading_begins_and_ends_where_it_is_told() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    for _ in 0..50 {
        append(&mut spool, 10);
    }
    let some = spool.read(123, 4).expect("readable");
    assert_eq!(some.iter().map(|entry| entry.position).collect::<Vec<_>>(), [123, 124, 125, 126]);
    assert_eq!(spool.read(500, 4).expect("readable"), []);
    assert_eq!(spool.read(0, 0).expect("readable"), []);
}

#[test]
fn what_is_forgotten_is_not_read_again_and_no_position_is_used_twice() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    append(&mut spool, 10);
    spool.forget(4).expect("forgotten");
    assert_eq!(positions(&mut spool), (4..10).collect::<Vec<_>>());
    assert_eq!((spool.start(), spool.oldest_ms()), (4, Some(0)));
    drop(spool);
    let (mut spool, found) = open(scratch.path());
    assert_eq!((found.records, spool.start()), (6, 4));
    spool.forget(u64::MAX).expect("forgotten");
    assert_eq!((spool.len(), spool.oldest_ms(), spool.start()), (0, None, 10));
    drop(spool);
    let (mut spool, found) = open(scratch.path());
    assert_eq!(found.records, 0);
    append(&mut spool, 1);
    assert_eq!(positions(&mut spool), [10]);
    spool.forget(3).expect("that was forgotten long ago");
    assert_eq!(positions(&mut spool), [10]);
}

#[test]
fn the_age_is_that_of_the_oldest_record_that_waits() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    let large = vec![vec![1; 40_000]];
    for second in 0..5 {
        spool.append(&large, at(second * 1000)).expect("taken");
    }
    assert_eq!(spool.oldest_ms(), Some(0));
    spool.forget(3).expect("forgotten");
    assert_eq!(spool.oldest_ms(), Some(3000));
}

#[test]
fn space_is_given_back_while_records_flow_through() {
    let scratch = Scratch::new();
    let (mut spool, _) = Spool::open(scratch.path(), 1 << 20).expect("it opens");
    for _ in 0..1000 {
        append(&mut spool, 16);
        spool.forget(spool.next.saturating_sub(64)).expect("forgotten");
        assert!(spool.octets() < 256 * 1024, "{}", spool.octets());
    }
    assert!((spool.octets()..=spool.cap()).contains(&on_disk(scratch.path())));
    assert_eq!(positions(&mut spool).len(), 64);
    let octets = spool.octets();
    drop(spool);
    assert_eq!(on_disk(scratch.path()), octets, "nothing that was filled ahead stays");
}

#[test]
fn at_the_cap_it_is_full_and_has_room_again_after_forgetting() {
    let scratch = Scratch::new();
    let cap = 1 << 20;
    let (mut spool, _) = Spool::open(scratch.path(), cap).expect("it opens");
    assert!(spool.has_room());
    let full = loop {
        let next = spool.next;
        match spool.append(&records(next, 32), at(0)) {
            Ok(_) => assert!(spool.octets() <= on_disk(scratch.path()) && on_disk(scratch.path()) <= cap),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, SpoolError::Full { octets, cap: 1_048_576 } if octets <= cap), "{full}");
    assert!(!spool.has_room());
    let held = spool.next;
    assert_eq!(positions(&mut spool), (0..held).collect::<Vec<_>>(), "a refusal costs nothing");
    spool.forget(held / 2).expect("forgotten");
    assert!(spool.has_room());
    append(&mut spool, 32);
    drop(spool);
    let (mut spool, _) = Spool::open(scratch.path(), cap).expect("it opens");
    assert_eq!(positions(&mut spool), (held / 2..held + 32).collect::<Vec<_>>());
}

#[test]
fn a_spool_that_is_done_with_its_records_is_never_full_of_them() {
    let scratch = Scratch::new();
    let cap = 512 * 1024;
    let (mut spool, _) = Spool::open(scratch.path(), cap).expect("it opens");
    for _ in 0..20 {
        let next = spool.next;
        spool.append(&[vec![7; 200_000]], at(0)).expect("there is room");
        spool.forget(next + 1).expect("forgotten");
        assert!(spool.has_room());
    }
}

#[test]
fn a_batch_that_is_too_long_is_refused_and_an_empty_one_is_nothing() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    let refused = spool.append(&[vec![0; MAX_BATCH_OCTETS]], at(0));
    assert!(matches!(refused, Err(SpoolError::TooLong { .. })), "{refused:?}");
    assert_eq!(spool.append(&[] as &[&[u8]], at(0)).expect("nothing to do"), 0..0);
    append(&mut spool, 1);
    assert_eq!(positions(&mut spool), [0]);
}

#[test]
fn a_directory_has_one_owner() {
    let scratch = Scratch::new();
    let (first, _) = open(scratch.path());
    let second = Spool::open(scratch.path(), LARGE);
    let error = second.expect_err("it is owned");
    assert!(matches!(&error, SpoolError::Owned { dir } if dir == scratch.path()), "{error}");
    assert!(error.to_string().contains(&scratch.path().display().to_string()), "{error}");
    drop(first);
    open(scratch.path());
}

#[test]
fn the_directory_is_made_for_its_owner_alone() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("deep/spool");
    open(&dir);
    assert_eq!(dir.metadata().expect("it is there").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_record_that_nobody_understands_is_kept_aside() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    append(&mut spool, 2);
    let entry = spool.read(1, 1).expect("readable").remove(0);
    spool.set_aside(&entry, "it is of version 9").expect("kept");
    spool.forget(2).expect("forgotten");
    let kept = fs::read_to_string(scratch.path().join("damaged/records.jsonl")).expect("it is there");
    let kept: serde_json::Value = serde_json::from_str(kept.trim()).expect("a line of JSON");
    assert_eq!((kept["position"].as_u64(), kept["why"].as_str()), (Some(1), Some("it is of version 9")));
    let octets: String = entry.octets.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(kept["octets"].as_str(), Some(octets.as_str()));
}

/// What is done to a spool and to its model.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Read(u64, usize),
    Forget(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..300_u64).prop_map(Step::Append),
        3 => (0..3000_u64, 0..400_usize).prop_map(|(from, max)| Step::Read(from, max)),
        2 => (0..3000_u64).prop_map(Step::Forget),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_is_a_queue_whatever_the_order_of_steps(steps in prop::collection::vec(step(), 1..40)) {
        let scratch = Scratch::new();
        // The smallest segments, so that there are many.
        let cap = 8 << 20;
        let (mut spool, _) = Spool::open(scratch.path(), cap).expect("it opens");
        spool.segment_octets = 16 * 1024;
        let (mut start, mut next) = (0_u64, 0_u64);
        for step in steps {
            match step {
                Step::Append(count) => {
                    append(&mut spool, count);
                    next += count;
                }
                Step::Read(from, max) => {
                    let read = spool.read(from, max).expect("readable");
                    let expected = (start.max(from)..next).take(max).map(record).collect::<Vec<_>>();
                    prop_assert_eq!(read.into_iter().map(|entry| entry.octets).collect::<Vec<_>>(), expected);
                }
                Step::Forget(before) => {
                    spool.forget(before).expect("forgotten");
                    start = start.max(before.min(next));
                }
                Step::Reopen => {
                    drop(spool);
                    spool = Spool::open(scratch.path(), cap).expect("it opens").0;
                    spool.segment_octets = 16 * 1024;
                }
            }
            prop_assert_eq!((spool.start(), spool.next, spool.len()), (start, next, next - start));
        }
    }
}
