//! What an append costs, beside a loop that writes the same octets to a file and calls fdatasync.
//!
//! `cargo nextest run -p radiusd --run-ignored only --no-capture -E 'test(what_an_append_costs)'`; `MLANGO_SPOOL_DIR`
//! names a directory on the disk to be measured.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use shared::time::Clock;

use super::*;

const LASTS: Duration = Duration::from_secs(3);

#[test]
#[ignore = "a measurement"]
fn what_an_append_costs() {
    let dir = std::env::var_os("MLANGO_SPOOL_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = dir.join(format!("mlango-spool-speed-{:08x}", u32::from_be_bytes(shared::rng::bytes())));
    for count in [1, 16, 256] {
        let batch: Vec<Vec<u8>> = (0..count).map(|n| vec![n as u8; 250]).collect();
        // By turns, since the disk is not the same from one second to the next.
        let (mut plain, mut spooled) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (mut spool, _) = open(&dir.join("spool"));
            spooled.extend(timed(|| {
                spool.append(&batch, at(0)).expect("taken");
            }));
            spool.forget(u64::MAX).expect("forgotten");
            drop(spool);
            fs::remove_dir_all(dir.join("spool")).expect("removed");
            let mut file = File::create(dir.join("plain")).expect("made");
            plain.extend(timed(|| {
                file.write_all(&batch.concat()).expect("written");
                file.sync_data().expect("synced");
            }));
        }
        say("write and fdatasync", count, plain);
        say("spool", count, spooled);
    }
    replay(&dir.join("spool"));
    fs::remove_dir_all(dir).expect("removed");
}

/// How fast a spool of 200,000 records is opened and read.
fn replay(dir: &Path) {
    let clock = Clock::system();
    let batch = vec![vec![7; 250]; 256];
    let (mut spool, _) = open(dir);
    for _ in 0..800 {
        spool.append(&batch, at(0)).expect("taken");
    }
    drop(spool);
    let started = clock.monotonic();
    let (mut spool, found) = open(dir);
    let opened = clock.monotonic();
    let mut from = 0;
    while let Some(last) = spool.read(from, 256).expect("readable").last() {
        from = last.position + 1;
        spool.forget(from).expect("forgotten");
    }
    let (open, read) = (opened - started, clock.monotonic() - opened);
    println!("{} records, {} octets: opened in {open:?}, read and forgotten in {read:?}", found.records, found.octets);
}

/// How long each turn takes, for a while.
fn timed(mut turn: impl FnMut()) -> Vec<Duration> {
    let clock = Clock::system();
    let mut taken = Vec::new();
    let mut now = clock.monotonic();
    while now < LASTS {
        turn();
        let then = clock.monotonic();
        taken.push(then - now);
        now = then;
    }
    taken
}

fn say(what: &str, count: u64, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let all: Duration = taken.iter().sum();
    let rate = (taken.len() as u64 * count) as f64 / all.as_secs_f64();
    let (half, most) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("{what:20} {count:3} a batch: {rate:9.0} records/s, p50 {half:?}, p99 {most:?}");
}
