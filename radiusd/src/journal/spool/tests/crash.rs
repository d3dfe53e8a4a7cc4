//! A process that is killed while it appends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

/// Where the child finds the spool.
const SPOOL: &str = "MLANGO_TEST_SPOOL";

#[test]
fn a_process_killed_while_it_appends_loses_nothing_that_was_acknowledged() {
    let scratch = Scratch::new();
    let mut acknowledged = 0;
    for round in 0..12 {
        acknowledged = killed_after(scratch.path(), 1 + round * 7);
        let (mut spool, found) = open(scratch.path());
        let there = positions(&mut spool);
        let start = spool.start();
        assert!(start + found.records >= acknowledged, "{acknowledged} were acknowledged, {there:?} are there");
        assert_eq!(there, (start..start + found.records).collect::<Vec<_>>());
        assert_eq!(found.lost, []);
        spool.forget(start + found.records / 2).expect("forgotten");
    }
    assert!(acknowledged > 1000, "{acknowledged}");
}

/// Starts the child, kills it after some acknowledgements, and returns up to where it had acknowledged.
fn killed_after(dir: &Path, lines: usize) -> Position {
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "journal::spool::tests::crash::appends_until_it_is_killed", "--ignored", "--nocapture"])
        .env(SPOOL, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let said = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut acknowledged = said.map_while(Result::ok).filter_map(|line| line.strip_prefix("to ")?.parse().ok());
    let mut last = acknowledged.by_ref().take(lines).last().expect("it appends");
    child.kill().expect("SIGKILL");
    // What it said before it died counts.
    last = acknowledged.last().unwrap_or(last);
    child.wait().expect("it is dead");
    last
}

#[test]
#[ignore = "it is the child of the test that kills"]
fn appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(SPOOL) else { return };
    let (mut spool, _) = open(Path::new(&dir));
    spool.segment_octets = 64 * 1024;
    for count in (1..).map(|turn| turn * 13 % 60 + 1) {
        append(&mut spool, count);
        // Not `println!`, which the test harness may keep to itself.
        std::io::stdout().write_all(format!("\nto {}\n", spool.next).as_bytes()).expect("somebody listens");
        std::io::stdout().flush().expect("somebody listens");
    }
}
