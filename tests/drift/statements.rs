//! The MUSTs that the project has taken from the RFCs have names such as P4, and the conformance suite has a test named
//! by each; the table in README.md says where each RFC is implemented and tested, and what it points at is there.
//!
//! A test counts only if it is built: from `tests/conformance/main.rs` on, the `mod` lines are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::nothing_found;
use crate::tree;

/// How many statements each kind has: parsing, who is asking, Blast-RADIUS, duplicates and time, accounting,
/// Status-Server, dynamic authorization.
const STATEMENTS: [(char, u8); 7] = [('p', 12), ('c', 8), ('b', 8), ('d', 8), ('a', 9), ('s', 4), ('o', 10)];

/// Statements whose subject is not in the program yet. Take one out when its test is built.
const AWAITED: [&str; 0] = [];

const SUITE: &str = "tests/conformance";

/// The names of all statements.
fn statements() -> BTreeSet<String> {
    STATEMENTS.iter().flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}"))).collect()
}

/// The files that `mod` lines lead to from this one, itself included.
fn built(root: &Path, file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(root.join(file)).expect("a declared module has a file");
    let folder = match file.file_name().and_then(|name| name.to_str()) {
        Some("main.rs" | "mod.rs") => file.parent().expect("it is in a folder").to_owned(),
        _ => file.with_extension(""),
    };
    let mut all = vec![file.to_owned()];
    for line in text.lines() {
        let Some(name) = line.trim_start_matches("pub(crate) ").strip_prefix("mod ").and_then(|l| l.strip_suffix(';'))
        else {
            continue;
        };
        let inside = folder.join(name).join("mod.rs");
        let module = if root.join(&inside).exists() { inside } else { folder.join(format!("{name}.rs")) };
        all.extend(built(root, &module));
    }
    all
}

/// The names of the test functions in a text.
fn tests(text: &str) -> Vec<&str> {
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line != "#[test]" && !line.starts_with("#[tokio::test") {
            continue;
        }
        let function = lines.find_map(|line| Some(line.split_once("fn ")?.1.split('(').next()?.trim()));
        found.extend(function);
    }
    found
}

/// The statements that a test's name begins with, such as `o2` and `o4` of `o2_o4_a_silent_router`.
fn named_by(test: &str) -> Vec<String> {
    let is_name = |part: &&str| {
        let mut characters = part.chars();
        let kind = characters.next().is_some_and(|kind| STATEMENTS.iter().any(|(known, _)| *known == kind));
        let number = characters.as_str();
        kind && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    };
    test.split('_').take_while(is_name).map(str::to_owned).collect()
}

/// Every statement with the tests that are named by it.
fn tested() -> BTreeMap<String, Vec<String>> {
    let root = tree::root();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in built(&root, &Path::new(SUITE).join("main.rs")) {
        let text = std::fs::read_to_string(root.join(&file)).expect("it was read before");
        for test in tests(&text) {
            for name in named_by(test) {
                found.entry(name).or_default().push(format!("{}: {test}", file.display()));
            }
        }
    }
    found
}

#[test]
fn every_statement_has_a_test_that_is_built() {
    let (known, tested) = (statements(), tested());
    let mut findings: Vec<String> = known
        .iter()
        .filter(|name| !tested.contains_key(*name) && !AWAITED.contains(&name.as_str()))
        .map(|name| format!("{name} has no test"))
        .collect();
    findings.extend(
        AWAITED
            .iter()
            .filter(|name| tested.contains_key(**name))
            .map(|name| format!("{name} is tested and said to be awaited")),
    );
    findings.extend(
        tested
            .iter()
            .filter(|(name, _)| !known.contains(*name))
            .map(|(name, tests)| format!("there is no statement {name}: {tests:?}")),
    );
    nothing_found(&findings, "Begin the name of a test under tests/conformance with the statement that it shows.");
}

/// A row of the README's table.
#[derive(Debug, PartialEq, Eq)]
struct Row<'t> {
    line: usize,
    subject: &'t str,
    files: Vec<&'t str>,
    tests: Vec<&'t str>,
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The rows under the heading "RFCs": subject, what, where, tests.
fn rows(readme: &str) -> Vec<Row<'_>> {
    let lines = readme.lines().enumerate().skip_while(|(_, line)| *line != "## RFCs").skip(1);
    lines
        .take_while(|(_, line)| !line.starts_with("## "))
        .filter_map(|(number, line)| {
            let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [subject, _, files, tests] = cells[..] else { return None };
            let is_ruler = subject.is_empty() || subject.starts_with('-') || subject.starts_with("RFC");
            (!is_ruler).then(|| Row { line: number + 1, subject, files: quoted(files), tests: quoted(tests) })
        })
        .collect()
}

/// A test named in the table: a module of the suite (`rfc2865::mac`), or a file.
fn exists(root: &Path, built: &BTreeSet<PathBuf>, test: &str) -> bool {
    if test.contains('/') {
        return root.join(test).is_file();
    }
    let path = Path::new(SUITE).join(test.replace("::", "/"));
    built.contains(&path.join("mod.rs")) || built.contains(&path.with_extension("rs"))
}

#[test]
fn the_table_of_rfcs_points_at_what_is_there() {
    let root = tree::root();
    let readme = std::fs::read_to_string(root.join("README.md")).expect("there is one");
    let built: BTreeSet<PathBuf> = built(&root, &Path::new(SUITE).join("main.rs")).into_iter().collect();
    let rows = rows(&readme);
    let mut findings = Vec::new();
    for row in &rows {
        let Row { line, subject, files, tests } = row;
        let missing = |what: &str| format!("README.md:{line}: {subject}: {what}");
        if files.is_empty() {
            findings.push(missing("names no file"));
        }
        if tests.is_empty() {
            findings.push(missing("names no test"));
        }
        findings.extend(
            files.iter().filter(|file| !root.join(file).exists()).map(|file| missing(&format!("there is no {file}"))),
        );
        findings.extend(
            tests
                .iter()
                .filter(|test| !exists(&root, &built, test))
                .map(|test| missing(&format!("there is no test {test}"))),
        );
    }
    // Every folder of an RFC has a row that names it or something in it.
    for folder in std::fs::read_dir(root.join(SUITE)).expect("it is there").filter_map(Result::ok) {
        let name = folder.file_name().to_string_lossy().into_owned();
        let is_named =
            rows.iter().flat_map(|row| &row.tests).any(|test| test.split("::").next() == Some(name.as_str()));
        if folder.path().is_dir() && !is_named {
            findings.push(format!("README.md: no row names the tests in {SUITE}/{name}"));
        }
    }
    nothing_found(
        &findings,
        "Correct the table of RFCs in README.md: it says where a section is implemented and tested.",
    );
}

#[test]
fn names_modules_and_rows_are_read() {
    let text = "#[test]\nfn a1_x() {}\n#[tokio::test]\n#[other]\nasync fn o2_o4_o10_y() {}\nfn p1_no_test() {}";
    assert_eq!(tests(text), ["a1_x", "o2_o4_o10_y"]);
    assert_eq!(named_by("o2_o4_o10_y"), ["o2", "o4", "o10"]);
    assert_eq!(named_by("section_5_26_several"), [""; 0]);
    assert_eq!(named_by("p_x"), [""; 0]);
    let table = "## RFCs\n\n| RFC | what | where | tests |\n|---|---|---|---|\n| 1 §2 | `x` y | `a/b.rs`, `c` | `m::n` |\n## Next\n| 1 | 2 | `3` | `4` |";
    assert_eq!(rows(table), [Row { line: 5, subject: "1 §2", files: vec!["a/b.rs", "c"], tests: vec!["m::n"] }]);
    assert_eq!(statements().len(), 59);
}
