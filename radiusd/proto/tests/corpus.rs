//! What the fuzzers found is replayed on every run: the files under `fuzz/corpus`, through the same bodies. A file
//! that once failed stays there under a name that says what it was.

use std::path::PathBuf;

#[path = "../fuzz/bodies/dictionary.rs"]
mod dictionary;
#[path = "../fuzz/bodies/packet.rs"]
mod packet;

/// Most files and octets of all corpora together: they are read by people too, and cloned with the project.
const MAX_FILES: usize = 200;
const MAX_OCTETS: usize = 200 * 1024;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert!(files.len() > 10, "{} has only {} files", folder.display(), files.len());
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

fn replay(target: &str, body: fn(&[u8])) {
    for (path, data) in corpus(target) {
        // Shown only if the body fails.
        println!("{}", path.display());
        body(&data);
    }
}

#[test]
fn packet() {
    replay("packet", packet::run);
}

#[test]
fn dictionary() {
    replay("dictionary", dictionary::run);
}

#[test]
fn the_corpora_are_small() {
    let files: Vec<_> = ["packet", "dictionary"].into_iter().flat_map(corpus).collect();
    let octets: usize = files.iter().map(|(_, data)| data.len()).sum();
    assert!(files.len() <= MAX_FILES && octets <= MAX_OCTETS, "{} files of {octets} octets", files.len());
}
