//! Migrations have a name that says what they do, an order that cannot be doubted, and a reason. None names the
//! schema `public`: which schema is an operator's is decided by the connection. And none takes something away from the programs
//! that still run, unless it says since which release nothing reads that.

use crate::nothing_found;
use crate::tree;

/// The first migration for which the rule about taking away counts; those before were released together.
const CONTRACTS_FROM: &str = "20261201160000";
/// Says, in front of a statement, since when nothing reads what it takes away.
const MARK: &str = "-- contract:";
/// Whatever a program of before may stumble over, as it stands in a statement of capitals.
const TAKES_AWAY: [&str; 10] = [
    "DROP COLUMN ",
    "DROP TABLE ",
    "DROP VIEW ",
    "DROP FUNCTION ",
    "DROP TYPE ",
    "DROP SCHEMA ",
    "DROP DEFAULT",
    "SET NOT NULL",
    " RENAME ",
    "TRUNCATE ",
];

/// A statement with the comments that stand in front of it and in it.
#[derive(Default)]
struct Statement {
    line: usize,
    code: String,
    comments: String,
}

/// The statements of a migration. Bodies of functions and texts are left out: they change no table when it is applied.
fn statements(text: &str) -> Vec<Statement> {
    let (mut found, mut current, mut in_body) = (Vec::new(), Statement::default(), false);
    for (number, line) in text.lines().enumerate() {
        let (code, comment) = line.split_once("--").unwrap_or((line, ""));
        if line.contains(MARK) {
            current.comments.push_str(&format!("--{comment}"));
        }
        for (at, part) in code.split("$$").enumerate() {
            in_body ^= at > 0;
            if in_body {
                continue;
            }
            for (at, piece) in without_texts(part).split(';').enumerate() {
                if at > 0 {
                    found.push(std::mem::take(&mut current));
                }
                if current.code.trim().is_empty() {
                    current.line = number + 1;
                }
                current.code.push(' ');
                current.code.push_str(piece);
            }
        }
    }
    found.push(current);
    for statement in &mut found {
        let words: Vec<&str> = statement.code.split_whitespace().collect();
        statement.code = format!(" {} ", words.join(" ").to_uppercase());
    }
    found
}

fn without_texts(line: &str) -> String {
    line.split('\'').step_by(2).collect::<Vec<_>>().join(" ")
}

/// What a statement takes away from those who know the schema of before.
fn taken(code: &str) -> Option<&'static str> {
    if let Some(found) = TAKES_AWAY.iter().find(|words| code.contains(**words)) {
        return Some(found.trim());
    }
    if code.contains(" ALTER COLUMN ") && code.contains(" TYPE ") {
        return Some("another TYPE");
    }
    // A program of before does not write a column that it does not know.
    let is_table = code.starts_with(" ALTER TABLE ");
    let must_be_given = |added: &str| {
        let added = added.split(" ADD ").next().unwrap_or_default().replace("IS NOT NULL", "");
        added.contains("NOT NULL") && !added.contains("DEFAULT") && !added.contains("GENERATED")
    };
    (is_table && code.split(" ADD COLUMN ").skip(1).any(must_be_given)).then_some("NOT NULL without DEFAULT")
}

/// Where a migration takes something away without saying since when nothing reads it.
fn contracts(name: &str, text: &str) -> Vec<(usize, String)> {
    if name < CONTRACTS_FROM {
        return Vec::new();
    }
    let statements = statements(text);
    let raises_floor = statements.iter().any(|statement| statement.code.contains(" UPDATE SCHEMA_FLOOR "));
    let mut found = Vec::new();
    for Statement { line, code, comments } in &statements {
        let Some(what) = taken(code) else { continue };
        let reason = comments.split(MARK).nth(1).unwrap_or_default();
        let names_release = reason.contains(|letter: char| letter.is_ascii_digit()) && reason.trim().len() >= 20;
        match (names_release, raises_floor) {
            (true, true) => {}
            (true, false) => found.push((*line, format!("{what}: raise schema_floor in the same migration"))),
            (false, _) => {
                found.push((*line, format!("{what}: say in front of it `{MARK} since RELEASE nothing reads …`")))
            }
        }
    }
    found
}

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
        let contracts = contracts(&name, &text).into_iter();
        findings.extend(contracts.map(|(line, what)| format!("migrations/{name}:{line}: {what}")));
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
    use super::{contracts, faults, out_of_order};

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

    const NEW: &str = "20270301120000_x.sql";

    #[test]
    fn what_takes_something_away_is_found() {
        for statement in [
            "ALTER TABLE users DROP COLUMN name;",
            "alter table users\n    drop column name;",
            "DROP TABLE users;",
            "ALTER TABLE users RENAME TO people;",
            "ALTER TABLE users RENAME COLUMN name TO label;",
            "ALTER TABLE users ALTER COLUMN name TYPE varchar(20);",
            "ALTER TABLE users ALTER COLUMN email SET NOT NULL;",
            "ALTER TABLE users ALTER COLUMN name DROP DEFAULT;",
            "ALTER TABLE users ADD COLUMN a integer DEFAULT 1, ADD COLUMN b integer NOT NULL;",
            "DROP FUNCTION tell_owners(text);",
            "TRUNCATE users;",
        ] {
            assert_eq!(contracts(NEW, &format!("{WHY}{statement}")).len(), 1, "{statement}");
            assert!(contracts("20261130210000_x.sql", statement).is_empty(), "it was released before the rule");
        }
    }

    #[test]
    fn what_only_adds_is_not() {
        for statement in [
            "CREATE TABLE users (id uuid PRIMARY KEY, name text NOT NULL);",
            "ALTER TABLE users ADD COLUMN a boolean NOT NULL DEFAULT false, ADD COLUMN b timestamptz;",
            "ALTER TABLE users ADD COLUMN a text, ADD CONSTRAINT c CHECK (a IS NOT NULL OR b IS NULL);",
            "ALTER TABLE users DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a IN ('DROP TABLE x', 'y'));",
            "ALTER TABLE users ALTER COLUMN name DROP NOT NULL;",
            "-- never DROP TABLE users\nCREATE INDEX i ON users (name);",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n    EXECUTE 'x'; DROP TABLE IF EXISTS y;\nEND $$;",
            "DROP TRIGGER t ON users; DROP INDEX i;",
        ] {
            assert!(contracts(NEW, &format!("{WHY}{statement}")).is_empty(), "{statement}");
        }
    }

    #[test]
    fn what_nothing_reads_any_more_may_go_and_raises_the_floor() {
        let drop = "ALTER TABLE users DROP COLUMN name;\n";
        let raise = "UPDATE schema_floor SET version = 20270101000000;\n";
        let good = "-- contract: since 0.3.0 nothing reads this\n";
        assert!(contracts(NEW, &format!("{WHY}{good}{drop}{raise}")).is_empty());
        assert_eq!(contracts(NEW, &format!("{WHY}{good}{drop}")).len(), 1, "the floor stays");
        assert_eq!(
            contracts(NEW, &format!("{WHY}-- contract: nobody reads it, I think\n{drop}{raise}")).len(),
            1,
            "no release"
        );
        let second = "ALTER TABLE users DROP COLUMN email;\n";
        let found = contracts(NEW, &format!("{WHY}{good}{drop}{second}{raise}"));
        assert_eq!(found.first().map(|(line, _)| *line), Some(4), "one line counts for one statement: {found:?}");
    }

    #[test]
    fn versions_increase() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert!(out_of_order(&names(&["20261124100100_b.sql", "20261124100000_a.sql"])).is_empty());
        assert_eq!(out_of_order(&names(&["20261124100000_a.sql", "20261124100000_b.sql"])).len(), 1);
    }
}
