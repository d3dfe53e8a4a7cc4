//! Every column with sealed values stands in the list by which the key is changed: what is forgotten there could not be read any more
//! once the earlier key is gone. By its name a column says that it is sealed: `…_sealed bytea`.

use std::collections::BTreeSet;

use crate::nothing_found;
use crate::tree;

/// The sealed columns that a migration makes, as `table.column`.
fn sealed_columns(text: &str) -> Vec<String> {
    let (mut found, mut table) = (Vec::new(), String::new());
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    for line in lines {
        let words: Vec<&str> =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
        for (at, pair) in words.windows(2).enumerate() {
            if pair[1].eq_ignore_ascii_case("table")
                && ["create", "alter"].iter().any(|w| pair[0].eq_ignore_ascii_case(w))
            {
                let rest = words[at + 2..].iter();
                let is_name =
                    |word: &str| !["if", "not", "exists", "only"].iter().any(|w| word.eq_ignore_ascii_case(w));
                table = rest.copied().find(|word| is_name(word)).unwrap_or_default().to_lowercase();
            }
            if pair[0].ends_with("_sealed") && pair[1].eq_ignore_ascii_case("bytea") {
                found.push(format!("{table}.{}", pair[0]));
            }
        }
    }
    found
}

#[test]
fn every_sealed_column_is_sealed_anew_when_the_key_changes() {
    let migrations = tree::text_files().iter().filter(|file| file.path.starts_with("migrations/"));
    let made: BTreeSet<String> = migrations.flat_map(|file| sealed_columns(&file.text)).collect();
    assert!(made.len() >= 9, "the migrations make sealed columns: {made:?}");
    let listed: BTreeSet<String> =
        store::sealed::COLUMNS.iter().map(|column| format!("{}.{}", column.table, column.name)).collect();
    let missing = made.difference(&listed).map(|name| format!("{name} is sealed, and not in the list"));
    let gone = listed.difference(&made).map(|name| format!("{name} is in the list, and in no migration"));
    let findings: Vec<String> = missing.chain(gone).collect();
    nothing_found(
        &findings,
        "Correct COLUMNS in shared/store/src/sealed.rs: each with the context that it is sealed for.",
    );
}

#[test]
fn sealed_columns_are_found_where_tables_are_made_and_changed() {
    let text = "CREATE TABLE nas (\n    id uuid PRIMARY KEY,\n    secret_sealed   bytea NOT NULL, -- old_sealed bytea\n);\n\
                ALTER TABLE admin_users\n    ADD COLUMN totp_sealed bytea,\n    ADD COLUMN invite_hash bytea;\n\
                ALTER TABLE IF EXISTS x ADD COLUMN y_sealed bytea;\nCREATE TRIGGER t AFTER UPDATE OF secret_sealed ON nas;";
    assert_eq!(sealed_columns(text), ["nas.secret_sealed", "admin_users.totp_sealed", "x.y_sealed"]);
}
