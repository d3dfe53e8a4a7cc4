//! Who may know whom. The two programs meet in PostgreSQL and Redis and never in code; the protocol and the
//! shared words know nobody; one package speaks to the stores. Both the manifests and the sources are read: an
//! unused dependency is a door left open, and a path may reach through a re-export.

use crate::nothing_found;
use crate::tree::{self, RustFile};

/// What each package may import of the names that are [`WATCHED`].
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("radius-proto", &[]),
    ("shared", &[]),
    ("forecast", &[]),
    ("store", &["shared", "sqlx", "redis"]),
    ("radiusd", &["shared", "store", "radius-proto"]),
    ("outgoing", &[]),
    ("books", &["shared", "outgoing"]),
    ("portal", &["shared", "store", "forecast", "books", "outgoing"]),
    // Tests look into the stores to prove what a program did, and hold our codec against a peer.
    (
        "tests",
        &["shared", "store", "forecast", "books", "radius-proto", "radiusd", "portal", "radius", "sqlx", "redis"],
    ),
];

/// Our packages, the drivers that only `store` (and a test that looks) may use, and the peer of the tests.
const WATCHED: [&str; 12] = [
    "radius-proto",
    "shared",
    "store",
    "forecast",
    "outgoing",
    "books",
    "radiusd",
    "portal",
    "tests",
    "sqlx",
    "redis",
    "radius",
];

const WHAT_TO_DO: &str = "An import goes against the direction that docs/architecture.md fixes. Move what is needed to where both may \
    reach it (values to `shared`, statements to `store`), or change the design and this table together, with a \
    decision record.";

fn is_allowed(package: &str, import: &str) -> bool {
    let import = import.replace('_', "-");
    package == import
        || !WATCHED.contains(&import.as_str())
        || MAY_IMPORT.iter().any(|(name, may)| *name == package && may.contains(&import.as_str()))
}

fn in_source(file: &RustFile) -> Vec<String> {
    file.source
        .paths
        .iter()
        .filter_map(|path| {
            let import = path.what.split("::").next().unwrap_or_default();
            (!is_allowed(file.package, import)).then(|| {
                format!("{}:{}: {} must not import {import} ({})", file.path, path.line, file.package, path.what)
            })
        })
        .collect()
}

#[test]
fn manifests_follow_the_arrows() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(tree::root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace");
    let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for (_, package) in tree::PACKAGES {
        assert!(names.contains(&package), "the workspace has no package {package}; it has {names:?}");
    }
    let mut findings = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if !is_allowed(&package.name, &dependency.name) {
                findings.push(format!(
                    "{}: {} must not depend on {}",
                    package.manifest_path, package.name, dependency.name
                ));
            }
        }
    }
    nothing_found(&findings, WHAT_TO_DO);
}

#[test]
fn sources_follow_the_arrows() {
    let findings: Vec<String> = tree::rust_files().iter().flat_map(in_source).collect();
    nothing_found(&findings, WHAT_TO_DO);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn findings(package: &'static str, text: &str) -> usize {
        in_source(&RustFile { package, path: "x.rs".into(), source: Source::read(text).expect("Rust") }).len()
    }

    #[test]
    fn forbidden_imports_are_found() {
        assert_eq!(findings("portal", "use radiusd::run;"), 1);
        assert_eq!(findings("radiusd", "fn f() { portal::run() }"), 1);
        assert_eq!(findings("radius-proto", "use {core::fmt, shared::mac::Mac};"), 1);
        assert_eq!(findings("shared", "use store::Db;"), 1);
        assert_eq!(findings("forecast", "use shared::time::Clock;"), 1);
        assert_eq!(findings("store", "use forecast::series::Series;"), 1);
        assert_eq!(findings("radiusd", "use radius::core::packet::Packet;"), 1);
        assert_eq!(findings("portal", "async fn f() { sqlx::query!(\"SELECT 1\"); }"), 1);
        assert_eq!(findings("store", "use radius::core::packet::Packet;"), 1);
    }

    #[test]
    fn allowed_imports_are_not() {
        assert_eq!(findings("store", "use sqlx::PgPool; use ::redis::Client; use shared::mac::Mac;"), 0);
        assert_eq!(findings("radiusd", "use radius_proto::Packet; use store::redis::Redis; use radiusd::run;"), 0);
        assert_eq!(findings("tests", "use sqlx::PgPool;"), 0);
        assert_eq!(findings("portal", "mod radius; use radius::Thing;"), 0);
    }
}
