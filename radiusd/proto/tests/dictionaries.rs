//! The constants of the crate and the files under `dictionaries/` say the same, in both directions: every
//! constant stands in its file with the same number, vendor and type, and every line of the file has a
//! constant. The crate's side is the tables that the constants' own declaration fills, so nothing is listed by
//! hand here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use radius_proto::attribute::{TABLES, Table};
use radius_proto::dictionary::{AttributeDef, Dictionary};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dictionaries")
}

fn load(file: &str) -> Dictionary {
    let mut read = |name: &str| std::fs::read_to_string(folder().join(name)).ok();
    Dictionary::load(file, &mut read).expect("the project's own dictionaries are well formed")
}

type Row = (u32, u32, String, Option<&'static str>);

fn rows_of_table(table: &Table) -> BTreeSet<Row> {
    let row = |entry: &radius_proto::attribute::Entry| {
        (table.vendor, u32::from(entry.kind), entry.name.to_owned(), Some(entry.value_type.name()))
    };
    table.attributes.iter().map(row).collect()
}

fn rows_of_file(dictionary: &Dictionary) -> BTreeSet<Row> {
    let row = |def: &AttributeDef| {
        (def.vendor, def.number, def.name.clone(), def.value_type.map(|value_type| value_type.name()))
    };
    dictionary.attributes().map(row).collect()
}

#[test]
fn every_constant_is_in_its_file_and_every_line_has_a_constant() {
    for table in TABLES {
        // A file may name values of an attribute of another file, so each is read together with all others,
        // and its own attributes are those that it declares.
        let text = std::fs::read_to_string(folder().join(table.file)).expect("the file is there");
        let declared: BTreeSet<&str> = words_after(&text, "ATTRIBUTE").map(|words| words[0]).collect();
        let file: BTreeSet<Row> = rows_of_file(&load("dictionary"))
            .into_iter()
            .filter(|(_, _, name, _)| declared.contains(name.as_str()))
            .collect();
        assert_eq!(rows_of_table(table), file, "{}", table.file);
    }
}

#[test]
fn every_named_value_is_in_its_file_and_every_value_line_has_a_constant() {
    for table in TABLES {
        let text = std::fs::read_to_string(folder().join(table.file)).expect("the file is there");
        let file: BTreeSet<(String, String, u32)> = words_after(&text, "VALUE")
            .map(|words| (words[0].to_owned(), words[1].to_owned(), words[2].parse().expect("decimal")))
            .collect();
        let ours: BTreeSet<(String, String, u32)> = table
            .values
            .iter()
            .flat_map(|named| named.values.iter().map(|&(number, name)| (named.attribute.into(), name.into(), number)))
            .collect();
        assert_eq!(ours, file, "{}", table.file);
    }
}

#[test]
fn the_main_file_includes_every_table_and_nothing_else() {
    let included: BTreeSet<String> = rows_of_file(&load("dictionary")).into_iter().map(|row| row.2).collect();
    let ours: BTreeSet<String> =
        TABLES.iter().flat_map(|table| table.attributes).map(|entry| entry.name.to_owned()).collect();
    assert_eq!(included, ours);
}

#[test]
fn no_number_stands_for_two_attributes() {
    let mut seen = BTreeSet::new();
    for table in TABLES {
        for entry in table.attributes {
            assert!(seen.insert((table.vendor, entry.kind)), "{} {}", table.vendor, entry.name);
        }
    }
}

#[test]
fn hidden_attributes_are_flagged_in_the_files() {
    let dictionary = load("dictionary");
    for (name, flag) in [
        ("User-Password", "encrypt=1"),
        ("MS-CHAP-MPPE-Keys", "encrypt=1"),
        ("MS-MPPE-Send-Key", "encrypt=2"),
        ("MS-MPPE-Recv-Key", "encrypt=2"),
    ] {
        assert_eq!(dictionary.attribute(name).map(|def| def.flags.as_str()), Some(flag), "{name}");
    }
}

#[test]
fn what_is_printed_loads_to_the_same() {
    assert_prints_and_loads(&load("dictionary"));
}

/// FreeRADIUS' own files come with its Debian packages, radclient's among them; without those this passes.
#[test]
fn the_dictionaries_of_freeradius_load_and_print() {
    let folder = PathBuf::from("/usr/share/freeradius");
    if !folder.join("dictionary").is_file() {
        println!("skipped: FreeRADIUS' dictionaries are not installed");
        return;
    }
    let mut read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let dictionary = Dictionary::load("dictionary", &mut read).unwrap_or_else(|error| panic!("{error}"));
    assert!(dictionary.attributes().count() > 3000, "{}", dictionary.attributes().count());
    assert_prints_and_loads(&dictionary);
}

fn assert_prints_and_loads(dictionary: &Dictionary) {
    let text = dictionary.to_string();
    let again = Dictionary::load("printed", &mut |_| Some(text.clone())).unwrap_or_else(|error| panic!("{error}"));
    assert!(*dictionary == again, "what is printed loads to another dictionary");
}

#[test]
fn every_file_opens_with_its_source() {
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let is_table = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("dictionary."));
        if is_table {
            let text = std::fs::read_to_string(&path).expect("readable");
            let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
            assert!(head.iter().any(|line| line.contains("Written from")), "{}", path.display());
        }
    }
}

/// The words after a keyword, of each line that starts with it.
fn words_after<'t>(text: &'t str, keyword: &'t str) -> impl Iterator<Item = Vec<&'t str>> {
    text.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some(keyword)).then(|| words.collect())
    })
}
