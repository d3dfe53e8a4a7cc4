//! A disk that fails, and one that is full: first by faults that a test puts into the write, then a real one of 1 MB.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use super::super::SpoolError;
use super::super::error::is_no_space;
use super::super::window::faults;
use super::*;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn after_an_fsync_that_failed_nothing_is_taken_until_it_is_opened_again() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    append(&mut spool, 5);
    faults::SYNC.set(Some(EIO));
    let failed = spool.append(&records(5, 5), at(0)).expect_err("the disk failed");
    assert!(matches!(failed, SpoolError::Io { doing: "fsync", .. }), "{failed}");
    assert!(!spool.has_room());
    let refused = spool.append(&records(5, 5), at(0)).expect_err("a second fsync proves nothing");
    assert!(matches!(refused, SpoolError::Broken { .. }), "{refused}");
    assert!(refused.to_string().contains("until it is opened again"), "{refused}");
    assert_eq!(positions(&mut spool), (0..5).collect::<Vec<_>>(), "what was safe is readable");
    drop(spool);
    let (mut spool, found) = open(scratch.path());
    assert_eq!((found.records, found.torn_octets), (5, 0), "what was not acknowledged is gone");
    append(&mut spool, 5);
    assert_eq!(positions(&mut spool), (0..10).collect::<Vec<_>>());
}

#[test]
fn an_fsync_that_says_no_space_is_not_trusted_either() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    faults::SYNC.set(Some(ENOSPC));
    let failed = spool.append(&records(0, 5), at(0)).expect_err("the disk failed");
    assert!(matches!(failed, SpoolError::Io { .. }), "{failed}");
    assert!(matches!(spool.append(&records(0, 5), at(0)), Err(SpoolError::Broken { .. })));
}

#[test]
fn half_a_batch_that_found_no_space_is_not_there_and_the_next_one_is() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    for _ in 0..3 {
        append(&mut spool, 5);
        faults::WRITE.set(Some(ENOSPC));
        let next = spool.next;
        let full = spool.append(&records(next, 5), at(0)).expect_err("no space");
        assert!(matches!(full, SpoolError::DiskFull { .. }), "{full}");
        assert!(!spool.has_room());
        assert_eq!(positions(&mut spool), (0..next).collect::<Vec<_>>());
        append(&mut spool, 5);
        assert!(spool.has_room());
    }
    drop(spool);
    let (mut spool, found) = open(scratch.path());
    assert_eq!((found.torn_octets, found.lost), (0, vec![]));
    assert_eq!(positions(&mut spool), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_write_that_fails_for_another_reason_ends_it() {
    let scratch = Scratch::new();
    let (mut spool, _) = open(scratch.path());
    append(&mut spool, 5);
    faults::WRITE.set(Some(EIO));
    assert!(matches!(spool.append(&records(5, 5), at(0)), Err(SpoolError::Io { doing: "writing", .. })));
    assert!(matches!(spool.append(&records(5, 5), at(0)), Err(SpoolError::Broken { .. })));
}

#[test]
fn what_an_operator_can_mend_is_told_from_a_broken_disk() {
    let kind = |code| is_no_space(&std::io::Error::from_raw_os_error(code));
    let (edquot, efbig, erofs) = (122, 27, 30);
    assert!(kind(ENOSPC) && kind(edquot) && kind(efbig));
    assert!(!kind(EIO) && !kind(erofs));
}

/// Where the child of the next test finds its disk.
const SMALL_DISK: &str = "MLANGO_TEST_SMALL_DISK";

#[test]
fn a_disk_of_1_mb_fills_up_loses_nothing_and_is_used_again() {
    let scratch = Scratch::new();
    let test = std::env::current_exe().expect("this test has a path");
    // A file system of its own, which goes with the process; without root, one that a user may make.
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if fs::metadata("/proc/self").expect("Linux").uid() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    let script = "mount -t tmpfs -o size=1m none \"$1\" && exec \"$0\" --exact \"$2\" --ignored --nocapture";
    let output = command
        .args(["sh", "-c", script])
        .args([test.as_os_str(), scratch.path().as_os_str()])
        .arg("journal::spool::tests::faults::on_a_disk_of_1_mb")
        .env(SMALL_DISK, scratch.path())
        .output()
        .expect("unshare is there: it comes with util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "it is the child of the test of a disk of 1 MB"]
fn on_a_disk_of_1_mb() {
    let Some(disk) = std::env::var_os(SMALL_DISK) else { return };
    let dir = Path::new(&disk).join("spool");
    let (mut spool, _) = open(&dir);
    for round in 0..5 {
        let start = spool.start();
        let full = fill(&mut spool);
        assert!(matches!(full, SpoolError::DiskFull { .. }), "{full}");
        assert!(!spool.has_room());
        let next = spool.next;
        assert!(next - start > 3000, "most of the disk is used: {}", next - start);
        assert_eq!(positions(&mut spool), (start..next).collect::<Vec<_>>());
        if round % 2 == 1 {
            drop(spool);
            let (again, found) = open(&dir);
            assert_eq!((found.records, found.torn_octets), (next - start, 0));
            spool = again;
        }
        // Something else than the spool can take the room and give it back.
        assert!(matches!(fill(&mut spool), SpoolError::DiskFull { .. }));
        spool.forget(next).expect("forgetting needs no space");
        append(&mut spool, 32);
        assert!(spool.has_room());
    }
}

fn fill(spool: &mut Spool) -> SpoolError {
    loop {
        let next = spool.next;
        if let Err(error) = spool.append(&records(next, 16), at(0)) {
            return error;
        }
    }
}
