//! Exceptions to the lints are expectations with a reason: an `allow` outlives what it was for, an `expect`
//! complains when it is no longer needed. Every package takes the one table of lints.

use crate::nothing_found;
use crate::tree::{self, RustFile};

fn silent_exceptions(file: &RustFile) -> Vec<String> {
    file.source
        .lint_exceptions
        .iter()
        .filter_map(|exception| match (exception.is_expect, exception.has_reason) {
            (true, true) => None,
            (true, false) => Some(format!("{}:{}: `expect` without a reason", file.path, exception.line)),
            (false, _) => Some(format!("{}:{}: `allow`", file.path, exception.line)),
        })
        .collect()
}

fn takes_the_lint_table(manifest: &str) -> bool {
    manifest.split("\n[").any(|section| {
        section.strip_prefix("lints]").is_some_and(|body| body.lines().any(|line| line.trim() == "workspace = true"))
    })
}

#[test]
fn exceptions_are_expected_with_a_reason() {
    let findings: Vec<String> = tree::rust_files().iter().flat_map(silent_exceptions).collect();
    nothing_found(&findings, "Write `#[expect(lint, reason = \"why it is right here\")]`, or do what the lint asks.");
}

#[test]
fn every_package_takes_the_lint_table() {
    let root = tree::root();
    let findings: Vec<String> = tree::PACKAGES
        .iter()
        .map(|(folder, _)| format!("{folder}/Cargo.toml"))
        .filter(|path| {
            !takes_the_lint_table(&std::fs::read_to_string(root.join(path)).expect("a package has a manifest"))
        })
        .collect();
    nothing_found(&findings, "Add `[lints]` with `workspace = true` to the manifest.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn findings(text: &str) -> usize {
        silent_exceptions(&RustFile {
            package: "portal",
            path: "x.rs".into(),
            source: Source::read(text).expect("Rust"),
        })
        .len()
    }

    #[test]
    fn silent_exceptions_are_found() {
        assert_eq!(findings("#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(findings("#![allow(missing_docs, reason = \"even so\")]"), 1);
        assert_eq!(findings("#[expect(dead_code)] fn f() {}"), 1);
        assert_eq!(findings("#[expect(dead_code, reason = \"read by the test below\")] fn f() { x.expect(\"y\") }"), 0);
    }

    #[test]
    fn a_manifest_without_the_table_is_found() {
        assert!(takes_the_lint_table("[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n"));
        assert!(!takes_the_lint_table("[package]\nname = \"x\"\n[lints]\n[dependencies]\nworkspace = true\n"));
        assert!(!takes_the_lint_table("[package]\nname = \"x\"\n"));
    }
}
