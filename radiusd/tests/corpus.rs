//! What the fuzzer found is replayed on every run: the files under `fuzz/corpus`, through the same body. A file that once
//! failed stays there under a name that says what it was.

use std::path::PathBuf;

use radius_proto::Code;

#[path = "../fuzz/bodies/pipeline.rs"]
mod pipeline;

/// Most files and octets of the corpus: they are read by people too, and cloned with the project.
const MAX_FILES: usize = 60;
const MAX_OCTETS: usize = 100_000;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/pipeline")
}

fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder()).expect("the corpus is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

#[test]
fn whatever_is_sent_is_answered_rightly_or_not_at_all() {
    for (path, data) in corpus() {
        // Shown only if the body fails.
        println!("{}", path.display());
        pipeline::run(&data);
    }
}

#[test]
fn what_was_made_by_hand_gets_past_authentication() {
    use Code::{AccessAccept, AccessReject, AccountingResponse};
    let expected: [(&str, &[Code]); 14] = [
        ("accounting", &[AccountingResponse; 4]),
        ("accounting-on-and-off", &[AccountingResponse; 2]),
        ("chap", &[AccessAccept; 2]),
        ("dhcp", &[AccessAccept]),
        ("eap", &[AccessReject]),
        ("mac", &[AccessAccept; 2]),
        ("malformed", &[]),
        ("ms-chap", &[AccessAccept; 2]),
        ("pap", &[AccessAccept, AccessReject, AccessReject]),
        ("proxied", &[AccessAccept; 2]),
        ("rotation", &[AccessAccept, AccessAccept, AccountingResponse]),
        ("router-login", &[AccessReject]),
        ("status", &[AccessAccept, AccountingResponse]),
        ("stranger", &[]),
    ];
    for (name, codes) in expected {
        let data = std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(pipeline::run(&data), codes, "{name}");
    }
}

#[test]
fn the_corpus_is_small() {
    let files = corpus();
    let octets: usize = files.iter().map(|(_, data)| data.len()).sum();
    assert!(files.len() <= MAX_FILES && octets <= MAX_OCTETS, "{} files of {octets} octets", files.len());
}
