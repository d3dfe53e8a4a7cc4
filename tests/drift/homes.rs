//! Things that have one home: statements and Redis in `store`, the clock in `shared::time`, randomness in
//! `shared::rng`. The tests package is exempt: it looks into the database to prove what a program did, and
//! it waits for real time to pass.

use crate::nothing_found;
use crate::source::Found;
use crate::tree::{self, RustFile};

const CLOCK: &str = "shared/src/time.rs";
const RANDOMNESS: &str = "shared/src/rng.rs";

/// The last two parts of a path that reads a clock. Types are re-exported, so the crate in front says little.
const CLOCKS: [(&str, &str); 7] = [
    ("SystemTime", "now"),
    ("Instant", "now"),
    ("OffsetDateTime", "now_utc"),
    ("OffsetDateTime", "now_local"),
    ("UtcDateTime", "now"),
    ("Utc", "now"),
    ("Uuid", "now_v7"),
];

/// Beginnings of paths that lead to random numbers.
const DICE: [&str; 5] = ["rand::", "getrandom::", "fastrand::", "aws_lc_rs::rand::", "uuid::Uuid::new_v4"];

fn is_exempt(file: &RustFile) -> bool {
    file.package == "tests"
}

/// QuickBooks is asked in a language of its own that looks like SQL, over HTTP.
const LOOKS_LIKE_SQL: &str = "portal/books/src/quickbooks/";

fn at(file: &RustFile, found: &Found, what: &str) -> String {
    let shown: String = found.what.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect();
    format!("{}:{}: {what}: {shown}", file.path, found.line)
}

fn statements(file: &RustFile) -> Vec<String> {
    if is_exempt(file) || file.package == "store" || file.path.starts_with(LOOKS_LIKE_SQL) {
        return Vec::new();
    }
    file.source
        .strings
        .iter()
        .filter(|text| is_statement(&text.what))
        .map(|text| at(file, text, "SQL outside store"))
        .collect()
}

/// Whether a string reads as SQL: it begins with a verb and goes on with the word that belongs to it, both in
/// capitals or both in small letters. (A sentence such as "Select a package from the list" is neither.)
fn is_statement(text: &str) -> bool {
    const SHAPES: [(&str, &str); 13] = [
        ("SELECT", ""),
        ("INSERT", "INTO"),
        ("UPDATE", "SET"),
        ("DELETE", "FROM"),
        ("WITH", "AS"),
        ("CREATE", "TABLE"),
        ("CREATE", "INDEX"),
        ("ALTER", "TABLE"),
        ("DROP", "TABLE"),
        ("TRUNCATE", ""),
        ("LISTEN", ""),
        ("NOTIFY", ""),
        ("COPY", "FROM"),
    ];
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return false;
    };
    let rest: Vec<&str> = words.collect();
    SHAPES.iter().any(|&(verb, partner)| {
        let capitals = first == verb && !rest.is_empty() && (partner.is_empty() || rest.contains(&partner));
        let (verb, partner) =
            (verb.to_lowercase(), if partner.is_empty() { "from".into() } else { partner.to_lowercase() });
        // In small letters a verb alone is a common word: then its partner is asked for.
        capitals || (first == verb && verb != "with" && verb != "copy" && rest.contains(&partner.as_str()))
    })
}

fn drivers(file: &RustFile) -> Vec<String> {
    if is_exempt(file) || file.package == "store" {
        return Vec::new();
    }
    let is_driver = |path: &&Found| ["sqlx", "redis"].contains(&path.what.split("::").next().unwrap_or_default());
    file.source.paths.iter().filter(is_driver).map(|path| at(file, path, "a database driver outside store")).collect()
}

fn clocks(file: &RustFile) -> Vec<String> {
    if is_exempt(file) || file.path == CLOCK {
        return Vec::new();
    }
    let reads_clock = |path: &&Found| {
        let mut parts = path.what.rsplit("::");
        let last = parts.next().unwrap_or_default();
        let before = parts.next().unwrap_or_default();
        CLOCKS.contains(&(before, last))
    };
    file.source.paths.iter().filter(reads_clock).map(|path| at(file, path, "a clock outside shared::time")).collect()
}

fn dice(file: &RustFile) -> Vec<String> {
    if is_exempt(file) || file.path == RANDOMNESS {
        return Vec::new();
    }
    let rolls =
        |path: &&Found| DICE.iter().any(|start| path.what.starts_with(start)) || path.what.ends_with("Uuid::new_v4");
    file.source.paths.iter().filter(rolls).map(|path| at(file, path, "randomness outside shared::rng")).collect()
}

#[test]
fn statements_and_drivers_live_in_store() {
    let findings: Vec<String> =
        tree::rust_files().iter().flat_map(|file| [statements(file), drivers(file)].concat()).collect();
    nothing_found(
        &findings,
        "Move the statement into the file of its aggregate in shared/store/src, as a function that takes a Db.",
    );
}

#[test]
fn time_comes_from_the_clock() {
    let findings: Vec<String> = tree::rust_files().iter().flat_map(clocks).collect();
    nothing_found(&findings, "Take `now` as a parameter, or a shared::time::Clock where a program's shell begins.");
}

#[test]
fn random_numbers_come_from_rng() {
    let findings: Vec<String> = tree::rust_files().iter().flat_map(dice).collect();
    nothing_found(
        &findings,
        "Use a function of shared::rng, or add one there that says how hard its result is to guess.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn file(package: &'static str, text: &str) -> RustFile {
        RustFile { package, path: "x.rs".into(), source: Source::read(text).expect("Rust") }
    }

    #[test]
    fn sql_is_told_from_prose() {
        for sql in [
            "SELECT 1",
            "  \n select id from users where x = $1",
            "INSERT INTO users (id) VALUES ($1)",
            "UPDATE users\n SET name = $1",
            "WITH gone AS (DELETE FROM x RETURNING *) SELECT 1",
            "delete from users",
            "LISTEN mlango_directory",
        ] {
            assert!(is_statement(sql), "{sql}");
        }
        for prose in [
            "Select a package from the list.",
            "update the router's settings",
            "with a dash, as printed",
            "Delete",
            "SELECT",
            "listen on {address}",
            "",
        ] {
            assert!(!is_statement(prose), "{prose}");
        }
    }

    #[test]
    fn a_statement_or_driver_outside_store_is_found() {
        let text = "fn f() { run(\"SELECT 1\"); sqlx::query(x); redis::cmd(\"PING\"); }";
        assert_eq!((statements(&file("portal", text)).len(), drivers(&file("portal", text)).len()), (1, 2));
        assert_eq!((statements(&file("store", text)).len(), drivers(&file("tests", text)).len()), (0, 0));
        assert!(drivers(&file("portal", "use store::redis::Redis;")).is_empty());
    }

    #[test]
    fn clocks_are_found_behind_their_aliases() {
        let text = "use std::time::Instant as I; use shared::time::OffsetDateTime; fn f() { I::now(); OffsetDateTime::now_utc() }";
        assert_eq!(clocks(&file("radiusd", text)).len(), 2);
        assert!(clocks(&file("tests", text)).is_empty());
        assert!(clocks(&file("radiusd", "fn f(clock: &Clock) { clock.now(); }")).is_empty());
    }

    #[test]
    fn dice_are_found() {
        assert_eq!(dice(&file("portal", "use rand::Rng; fn f() { uuid::Uuid::new_v4() }")).len(), 2);
        assert!(dice(&file("portal", "fn f() { shared::rng::secret() }")).is_empty());
    }
}
