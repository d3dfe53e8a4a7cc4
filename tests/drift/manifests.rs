//! What is built in from outside: each version stands once, in the workspace's table, and everything that the
//! two programs are made of has a licence that lets an operator do what the project's own licence promises.
//! The tests package is not shipped; what it alone uses may be under other terms.
//!
//! And what is tested: `autotests` is off in the tests package, so a folder that nobody declared would never
//! run, in silence.

use std::collections::HashSet;
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::nothing_found;
use crate::tree;

/// Licences under which code may be built into the programs. The data licence is that of the list of
/// certificate authorities.
const PERMISSIVE: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
];

/// Whether an SPDX expression can be met with permissive licences alone. `A/B` is the old spelling of `A OR B`.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) == Some(true) && at == words.len()
}

/// `A OR B OR …`; `None` if it is no expression.
fn any_of(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut verdict = all_of(words, at)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= all_of(words, at)?;
    }
    Some(verdict)
}

fn all_of(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut verdict = one(words, at)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at)?;
    }
    Some(verdict)
}

fn one(words: &[&str], at: &mut usize) -> Option<bool> {
    let word = *words.get(*at)?;
    *at += 1;
    if word == "(" {
        let verdict = any_of(words, at)?;
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return closed.then_some(verdict);
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1)?;
        *at += 2;
        return Some(PERMISSIVE.contains(&format!("{word} WITH {exception}").as_str()));
    }
    Some(PERMISSIVE.contains(&word))
}

/// Lines of a package's manifest that name a dependency without taking it from the workspace's table.
fn own_versions(manifest: &str) -> Vec<(usize, &str)> {
    let mut in_dependencies = false;
    let mut depth = 0_i32;
    let mut found = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        let code = line.split('#').next().unwrap_or_default().trim();
        if depth == 0 && code.starts_with('[') {
            // [dependencies.x] spreads one dependency over lines; the table is where that belongs.
            let section = code.trim_matches(['[', ']']);
            in_dependencies = section.ends_with("dependencies");
            if section.contains("dependencies.") {
                found.push((number + 1, line));
            }
            continue;
        }
        let taken = code.contains("workspace = true") || code.contains("workspace=true");
        if in_dependencies && depth == 0 && code.contains('=') && !taken {
            found.push((number + 1, line));
        }
        depth +=
            code.chars().map(|c| i32::from(matches!(c, '[' | '{')) - i32::from(matches!(c, ']' | '}'))).sum::<i32>();
    }
    found
}

#[test]
fn versions_stand_in_one_table() {
    let mut findings = Vec::new();
    for (folder, package) in tree::PACKAGES {
        let path = format!("{folder}/Cargo.toml");
        let text = std::fs::read_to_string(tree::root().join(&path)).expect("a package has a manifest");
        findings.extend(
            own_versions(&text)
                .into_iter()
                .map(|(number, line)| format!("{path}:{number}: {package}: {}", line.trim())),
        );
    }
    nothing_found(
        &findings,
        "Write the version into [workspace.dependencies] of the top Cargo.toml, and `name.workspace = true` here.",
    );
}

#[test]
fn what_is_shipped_is_permissive() {
    // Only this machine's platform: what others need is not downloaded here.
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().expect("there is a compiler").stdout;
    let version = String::from_utf8(version).expect("the compiler speaks UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("the compiler knows its host");
    let metadata = MetadataCommand::new()
        .current_dir(tree::root())
        .other_options(["--offline", "--locked", "--filter-platform", host].map(str::to_owned))
        .exec()
        .expect("cargo describes the dependencies; is Cargo.lock up to date?");
    let nodes = &metadata.resolve.as_ref().expect("there is a graph").nodes;
    let mut open: Vec<_> =
        metadata.packages.iter().filter(|p| ["radiusd", "portal"].contains(&p.name.as_str())).map(|p| &p.id).collect();
    let mut seen = HashSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let node = nodes.iter().find(|node| &node.id == id).expect("every package is in the graph");
            let normal =
                |d: &&cargo_metadata::NodeDep| d.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            open.extend(node.deps.iter().filter(normal).map(|dependency| &dependency.pkg));
        }
    }
    assert!(seen.len() > 100, "the programs have dependencies, but only {} were found", seen.len());
    let findings: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| seen.contains(&package.id) && !package.license.as_deref().is_some_and(is_permissive))
        .map(|package| {
            format!("{} {}: {}", package.name, package.version, package.license.as_deref().unwrap_or("says no licence"))
        })
        .collect();
    nothing_found(
        &findings,
        "Take another crate, or add the licence to PERMISSIVE with a decision record that says why it may be there.",
    );
}

#[test]
fn every_folder_of_tests_is_declared() {
    let metadata = MetadataCommand::new()
        .current_dir(tree::root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace");
    let tests = metadata.packages.iter().find(|package| package.name.as_str() == "tests").expect("there are tests");
    let declared: HashSet<String> = tests.targets.iter().map(|target| target.src_path.to_string()).collect();
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(tree::root().join("tests")).expect("there are tests") {
        let main = entry.expect("the folder can be read").path().join("main.rs");
        let is_source = main.parent().is_some_and(|folder| folder.ends_with("src"));
        if main.is_file() && !is_source && !declared.contains(&main.display().to_string()) {
            findings.push(main.display().to_string());
        }
    }
    nothing_found(&findings, "Add a [[test]] with this path to tests/Cargo.toml, or it never runs.");
}

#[test]
fn licences_are_weighed() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "Apache-2.0 / MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "MIT OR GPL-3.0-only",
        "ISC AND (Apache-2.0 OR ISC)",
    ] {
        assert!(is_permissive(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MPL-2.0",
        "(MIT OR ISC) AND AGPL-3.0",
        "MIT OR",
        "Apache-2.0 WITH x",
    ] {
        assert!(!is_permissive(bad), "{bad}");
    }
}

#[test]
fn a_version_of_ones_own_is_found() {
    let manifest = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [\n  \"x=y\",\n] }\nc = \"1\"\n[dev-dependencies]\nd = { version = \"2\" }\n[dependencies.e]\n";
    assert_eq!(own_versions(manifest).iter().map(|&(number, _)| number).collect::<Vec<_>>(), [8, 10, 11]);
}
