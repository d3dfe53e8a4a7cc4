//! Every Rust file opens by saying what it is. A reader who lands in the middle of the tree needs one sentence
//! to know where they are; whether it is a good one is for the reviewer.

use crate::nothing_found;
use crate::tree;

/// Shorter than this, it repeats the file's name.
const SHORTEST_HEAD: usize = 40;

fn lacks(opens_with_head: bool, head: &str) -> Option<&'static str> {
    let text = head.split_whitespace().collect::<Vec<_>>().join(" ");
    if !opens_with_head || text.is_empty() {
        Some("does not open with a `//!` head")
    } else if text.chars().count() < SHORTEST_HEAD {
        Some("has a head that is too short to say what the file is")
    } else if !text.contains(['.', ':', '?']) {
        Some("has a head without a full sentence")
    } else {
        None
    }
}

#[test]
fn every_file_opens_with_its_head() {
    let findings: Vec<String> = tree::rust_files()
        .iter()
        .filter_map(|file| {
            lacks(file.source.opens_with_head, &file.source.head).map(|what| format!("{}:1: {what}", file.path))
        })
        .collect();
    nothing_found(
        &findings,
        "Write `//!` lines at the very top: what the file is, how its parts meet, what it refuses to do.",
    );
}

#[cfg(test)]
mod tests {
    use super::lacks;
    use crate::source::Source;

    fn verdict(text: &str) -> Option<&'static str> {
        let source = Source::read(text).expect("Rust");
        lacks(source.opens_with_head, &source.head)
    }

    #[test]
    fn a_missing_or_empty_head_is_found() {
        assert!(verdict("fn f() {}").is_some());
        assert!(verdict("// A plain comment that is long enough to be a head.\nfn f() {}").is_some());
        assert!(verdict("use a::b;\n").is_some());
        assert!(verdict("//! Things.\n").is_some());
        assert!(verdict("//! words and words and words and words but nothing said\n").is_some());
    }

    #[test]
    fn a_head_passes() {
        assert_eq!(verdict("//! Routers that ask us, chosen by their source address alone.\n\nuse a::b;"), None);
    }
}
