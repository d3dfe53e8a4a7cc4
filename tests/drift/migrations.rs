//! Migrations have a name that says what they do, an order that cannot be doubted, and a reason. None names the
//! schema `public`: which schema is an operator's is decided by the connection.

use crate::nothing_found;
use crate::tree;

/// What is wrong with a migration, by its file name and text.
fn faults(name: &str, text: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let shape = name.strip_suffix(".sql").and_then(|stem| stem.split_once('_'));
    if !shape.is_some_and(|(version, what)| {
        version.len() == 14
            && version.bytes().all(|digit| digit.is_ascii_digit())
            && !what.is_empty()
            && what.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    }) {
        faults.push("is not named YYYYMMDDHHMMSS_what.sql");
    }
    let reason = text.lines().next().and_then(|line| line.strip_prefix("-- Why: ")).unwrap_or_default();
    if reason.trim().len() < 20 {
        faults.push("does not begin with a line `-- Why: …` that gives the reason");
    }
    let names_public = |line: &str| line.split("--").next().is_some_and(|code| code.to_lowercase().contains("public."));
    if text.lines().any(names_public) {
        faults.push("names the schema `public.`");
    }
    faults
}

/// Pairs of versions that do not increase.
fn out_of_order(names: &[String]) -> Vec<String> {
    let version = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted
        .windows(2)
        .filter(|pair| version(pair[0]) == version(pair[1]))
        .map(|pair| format!("{} and {} have one version", pair[0], pair[1]))
        .collect()
}

#[test]
fn migrations_have_a_name_a_reason_and_an_order() {
    let folder = tree::root().join("migrations");
    let mut names = Vec::new();
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(folder).expect("there are migrations") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("a migration is text");
        findings.extend(faults(&name, &text).into_iter().map(|fault| format!("migrations/{name}:1: {fault}")));
        names.push(name);
    }
    assert!(!names.is_empty(), "there are migrations");
    findings.extend(out_of_order(&names));
    nothing_found(
        &findings,
        "See migrations/README.md. A migration that was released is never edited: write a new one.",
    );
}

#[cfg(test)]
mod tests {
    use super::{faults, out_of_order};

    const WHY: &str = "-- Why: routers must be found by their address.\n";

    #[test]
    fn names_and_reasons_are_asked_for() {
        assert!(faults("20261124100000_routers.sql", WHY).is_empty());
        for name in [
            "routers.sql",
            "2026_routers.sql",
            "20261124100000.sql",
            "20261124100000_Routers.sql",
            "20261124100000_x.txt",
        ] {
            assert_eq!(faults(name, WHY).len(), 1, "{name}");
        }
        assert_eq!(
            faults("20261124100000_routers.sql", "CREATE TABLE nas ();\n-- Why: too late in the file to be read\n")
                .len(),
            1
        );
        assert_eq!(faults("20261124100000_routers.sql", "-- Why: x\n").len(), 1);
    }

    #[test]
    fn the_schema_is_not_named() {
        assert_eq!(faults("20261124100000_x.sql", &format!("{WHY}CREATE TABLE public.nas ();")).len(), 1);
        assert!(
            faults("20261124100000_x.sql", &format!("{WHY}-- not public. at all\nCREATE TABLE nas ();")).is_empty()
        );
    }

    #[test]
    fn versions_increase() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert!(out_of_order(&names(&["20261124100100_b.sql", "20261124100000_a.sql"])).is_empty());
        assert_eq!(out_of_order(&names(&["20261124100000_a.sql", "20261124100000_b.sql"])).len(), 1);
    }
}
