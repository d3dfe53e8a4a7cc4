//! Words that have no place in the checkout: paths of the machine it was written on, and addresses of package
//! registries, which belong to the tools' own settings. A machine that uses a mirror must not find the public
//! address written into our files.

use crate::nothing_found;
use crate::tree::{self, TextFile};

/// Each is put together here so that this file does not hold it.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("crates", ".io"), "a package registry"),
    (concat!("py", "pi.org"), "a package registry"),
    (concat!("registry.", "npmjs", ".org"), "a package registry"),
    (concat!("deb.", "debian", ".org"), "a package registry"),
    (concat!("proxy.", "golang", ".org"), "a package registry"),
];

/// A lock file names its source on every line: that is cargo's to write.
const EXEMPT: [&str; 3] = ["Cargo.lock", "radiusd/fuzz/Cargo.lock", "radiusd/proto/fuzz/Cargo.lock"];

fn forbidden(file: &TextFile) -> Vec<String> {
    if EXEMPT.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (word, kind) in FORBIDDEN {
        for (number, line) in file.text.lines().enumerate() {
            let found = line.match_indices(word).any(|(at, _)| {
                // Inside a longer word it is something else.
                !line[..at].chars().next_back().is_some_and(char::is_alphanumeric)
            });
            if found {
                findings.push(format!("{}:{}: {kind}: {word}", file.path, number + 1));
            }
        }
    }
    findings
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let findings: Vec<String> = tree::text_files().iter().flat_map(forbidden).collect();
    nothing_found(
        &findings,
        "Say it without the address: relative paths, and the registry that the tool is set to use.",
    );
}

#[test]
fn a_forbidden_word_is_found() {
    let findings = |path: &str, text: String| forbidden(&TextFile { path: path.into(), text }).len();
    for (word, _) in FORBIDDEN {
        assert_eq!(findings("docs/x.md", format!("first\nsee {word} there")), 1, "{word}");
    }
    assert_eq!(findings("Cargo.lock", FORBIDDEN[1].0.into()), 0);
    assert_eq!(findings("docs/x.md", "a net/work/flow".replace("net/", "net")), 0);
}
