//! Torn ends, garbage, files and marks that are not what they were.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::*;

/// A closed spool of batches of 5 records, and the length of its only file before the last of them.
fn batches(dir: &Path, count: u64) -> u64 {
    let (mut spool, _) = open(dir);
    for _ in 1..count {
        append(&mut spool, 5);
    }
    let before = spool.octets();
    append(&mut spool, 5);
    before
}

/// Overwrites what is there with something else.
fn spoil(file: &Path, offset: u64, length: u64) {
    let file = File::options().read(true).write(true).open(file).expect("it is there");
    let mut octets = vec![0; usize::try_from(length).expect("small")];
    file.read_exact_at(&mut octets, offset).expect("it is that long");
    octets.iter_mut().for_each(|octet| *octet ^= 0x5A);
    file.write_all_at(&octets, offset).expect("written");
}

#[test]
fn an_end_torn_at_any_octet_costs_the_last_batch_alone() {
    let (scratch, torn) = (Scratch::new(), Scratch::new());
    let before = batches(scratch.path(), 4);
    let name = files(scratch.path())[0].clone();
    let whole = name.metadata().expect("there").len();
    for length in before..whole {
        copy(scratch.path(), torn.path());
        let file = File::options().write(true).open(&files(torn.path())[0]).expect("there");
        file.set_len(length).expect("cut");
        // Zeros at its end could be those that are written ahead.
        let mut cut = fs::read(&files(torn.path())[0]).expect("read");
        while cut.len() as u64 > before && cut.ends_with(&[0]) {
            cut.pop();
        }
        let (mut spool, found) = open(torn.path());
        let torn_octets = cut.len() as u64 - before;
        assert_eq!(found, Found { records: 15, octets: before, torn_octets, lost: vec![] });
        assert_eq!(positions(&mut spool), (0..15).collect::<Vec<_>>());
        if length % 16 != 0 {
            continue;
        }
        append(&mut spool, 5);
        drop(spool);
        let (mut spool, found) = open(torn.path());
        assert_eq!(found.torn_octets, 0);
        assert_eq!(positions(&mut spool), (0..20).collect::<Vec<_>>(), "it goes on after a cut at {length}");
    }
}

#[test]
fn an_end_of_zeros_or_garbage_is_cut_off() {
    for filling in [0_u8, 0xFF, 0x01] {
        let scratch = Scratch::new();
        batches(scratch.path(), 3);
        let file = File::options().append(true).open(&files(scratch.path())[0]).expect("there");
        let length = file.metadata().expect("there").len();
        file.write_all_at(&[filling; 5000], length).expect("written");
        let (mut spool, found) = open(scratch.path());
        assert_eq!(found.torn_octets, if filling == 0 { 0 } else { 5000 });
        assert_eq!(positions(&mut spool), (0..15).collect::<Vec<_>>());
    }
}

/// The last batch is written over zeros, of which any part may be left when the power fails.
#[test]
fn an_end_that_was_not_written_whole_over_zeros_costs_the_last_batch_alone() {
    let (scratch, torn) = (Scratch::new(), Scratch::new());
    let (mut spool, _) = open(scratch.path());
    (0..3).for_each(|_| append(&mut spool, 5));
    let before = spool.octets();
    append(&mut spool, 5);
    let whole = spool.octets();
    assert!(on_disk(scratch.path()) > whole, "zeros are ahead");
    copy(scratch.path(), torn.path());
    let (mut again, found) = open(torn.path());
    assert_eq!(found, Found { records: 20, octets: whole, torn_octets: 0, lost: vec![] });
    assert_eq!(positions(&mut again), (0..20).collect::<Vec<_>>());
    drop(again);
    let batch = fs::read(&files(scratch.path())[0]).expect("read")[before as usize..whole as usize].to_vec();
    for written in (0..batch.len()).step_by(23).filter(|written| batch[*written..].iter().any(|octet| *octet != 0)) {
        for is_head in [true, false] {
            let (head, tail) = batch.split_at(written);
            if !is_head && head.iter().all(|octet| *octet == 0) {
                continue;
            }
            copy(scratch.path(), torn.path());
            let file = File::options().write(true).open(&files(torn.path())[0]).expect("there");
            let (zeros, offset) = if is_head { (tail.len(), written) } else { (head.len(), 0) };
            file.write_all_at(&vec![0; zeros], before + offset as u64).expect("written");
            let (mut spool, found) = open(torn.path());
            assert_eq!((found.records, found.octets, found.lost), (15, before, vec![]), "{written} {is_head}");
            append(&mut spool, 5);
            assert_eq!(positions(&mut spool), (0..20).collect::<Vec<_>>());
        }
    }
}

#[test]
fn garbage_in_the_middle_costs_the_batches_that_it_hit_wherever_it_is() {
    let (scratch, spoilt) = (Scratch::new(), Scratch::new());
    let last = batches(scratch.path(), 8);
    for offset in (0..last - 6).step_by(29) {
        copy(scratch.path(), spoilt.path());
        spoil(&files(spoilt.path())[0], offset, 6);
        let (mut spool, found) = open(spoilt.path());
        let left = positions(&mut spool);
        assert!(left.len() == 35 || left.len() == 30, "6 octets hit one batch or two, not {}", 40 - left.len());
        assert_eq!(found.torn_octets, 0);
        let lost: Vec<Position> = found.lost.iter().cloned().flatten().collect();
        let mut all = [left, lost].concat();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>(), "what is lost is named, at {offset}");
        append(&mut spool, 5);
        assert_eq!(positions(&mut spool).last(), Some(&44));
    }
}

#[test]
fn a_damaged_file_is_set_aside_when_its_records_are_done_with() {
    let scratch = Scratch::new();
    batches(scratch.path(), 8);
    let file = files(scratch.path())[0].clone();
    spoil(&file, 100, 1);
    let damaged = fs::read(&file).expect("there");
    let (mut spool, _) = open(scratch.path());
    append(&mut spool, 5);
    spool.forget(42).expect("forgotten");
    assert_eq!(positions(&mut spool), [42, 43, 44]);
    assert!(!file.exists());
    let aside = scratch.path().join("damaged").join(file.file_name().expect("a file"));
    assert_eq!(fs::read(aside).expect("it is kept"), damaged);
    drop(spool);
    assert_eq!(positions(&mut open(scratch.path()).0), [42, 43, 44]);
}

#[test]
fn a_file_of_nothing_but_garbage_stands_in_nobodys_way() {
    let scratch = Scratch::new();
    batches(scratch.path(), 4);
    let file = files(scratch.path())[0].clone();
    // The next file would have this name.
    let garbage = scratch.path().join("00000000000000000020.log");
    copy_over(&file, &garbage);
    spoil(&garbage, 0, garbage.metadata().expect("there").len() - 8);
    let (mut spool, found) = open(scratch.path());
    assert_eq!(found.records, 20);
    append(&mut spool, 5);
    assert_eq!(positions(&mut spool), (0..25).collect::<Vec<_>>());
}

fn copy_over(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copied");
}

#[test]
fn damage_that_comes_while_the_spool_is_open_is_stepped_over_too() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    for _ in 0..8 {
        append(&mut spool, 5);
    }
    spoil(&files(scratch.path())[0], 100, 1);
    assert_eq!(positions(&mut spool), (5..40).collect::<Vec<_>>());
    append(&mut spool, 5);
    assert_eq!(positions(&mut spool), (5..45).collect::<Vec<_>>());
}

#[test]
fn a_file_that_was_cut_while_the_spool_is_open_does_not_hold_up_the_rest() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    spool.segment_octets = 1024;
    for _ in 0..8 {
        append(&mut spool, 5);
    }
    let file = &files(scratch.path())[1];
    File::options().write(true).open(file).expect("there").set_len(1000).expect("cut");
    let left = positions(&mut spool);
    assert_eq!((left.first(), left.last()), (Some(&0), Some(&39)));
    assert!(left.len() < 40);
}

#[test]
fn a_batch_of_a_version_to_come_is_stepped_over_and_kept() {
    let scratch = Scratch::new();
    batches(scratch.path(), 2);
    let file = files(scratch.path())[0].clone();
    let log = wal_db::Wal::open(&file).expect("a log");
    log.append_and_sync(b"\x02what a later program writes").map(drop).expect("appended");
    drop(log);
    let (mut spool, found) = open(scratch.path());
    assert_eq!((found.records, found.torn_octets), (10, 0));
    append(&mut spool, 5);
    assert_eq!(positions(&mut spool), (0..15).collect::<Vec<_>>());
    spool.forget(15).expect("forgotten");
    assert!(scratch.path().join("damaged").join(file.file_name().expect("a file")).exists());
}

#[test]
fn a_mark_that_cannot_be_believed_brings_records_back_and_loses_none() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    spool.segment_octets = 1024;
    for _ in 0..8 {
        append(&mut spool, 5);
    }
    spool.forget(23).expect("forgotten");
    drop(spool);
    spoil(&scratch.path().join("forgotten"), 0, 3);
    let (mut spool, found) = open(scratch.path());
    let left = positions(&mut spool);
    assert_eq!(left.last(), Some(&39));
    assert!(left.contains(&23) && !left.contains(&0), "{left:?}");
    assert_eq!(found.lost, []);
    drop(spool);
    assert_eq!(open(scratch.path()).1.lost, [], "also when it is opened once more");
}

#[test]
fn a_file_that_is_missing_is_named_as_lost() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    spool.segment_octets = 1024;
    for _ in 0..8 {
        append(&mut spool, 5);
    }
    drop(spool);
    let gone = files(scratch.path()).remove(1);
    fs::remove_file(gone).expect("removed");
    let (mut spool, found) = open(scratch.path());
    let left = positions(&mut spool);
    let lost: u64 = found.lost.iter().map(|range| range.end - range.start).sum();
    assert!(lost > 0 && found.lost.len() == 1);
    assert_eq!(left.len() as u64 + lost, 40);
}
