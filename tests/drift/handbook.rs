//! The handbook leads people by the words on the screen: what stands in italics there is the name of a page, a field or a button, and
//! must be what the desk, the customers' pages or the launcher say. A name that was changed and is still asked for in the book
//! leaves somebody searching at three in the morning.
//!
//! That its commands are understood is tested beside the command line (`portal/src/cli/handbook.rs`); that its links
//! lead somewhere, in [`crate::links`].

use std::collections::BTreeSet;

use crate::nothing_found;
use crate::tree::{self, TextFile};

const HANDBOOK: &str = "docs/handbook/";
/// Where what stands on screens is written.
const ON_SCREENS: [&str; 6] = [
    "portal/templates/",
    "portal/src/admin/",
    "portal/src/onboarding/",
    "portal/src/vouchers/",
    "portal/locales/en/",
    "deploy/launcher/",
];

fn pages() -> impl Iterator<Item = &'static TextFile> {
    tree::text_files().iter().filter(|file| file.path.starts_with(HANDBOOK) && file.path.ends_with(".md"))
}

/// What stands in italics on each line. Code, in which a star means something else, is left out.
fn italics(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim_start)) {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let line = line.strip_prefix("* ").unwrap_or(line);
            // Even pieces stood outside of backquotes.
            let prose: Vec<&str> = line.split('`').step_by(2).collect();
            let prose = prose.join("`").replace("**", "");
            found.extend(prose.split('*').skip(1).step_by(2).map(|name| (number, name.to_owned())));
        }
    }
    found
}

#[test]
fn names_in_the_handbook_stand_on_screens() {
    let screens: Vec<&str> = tree::text_files()
        .iter()
        .filter(|file| ON_SCREENS.iter().any(|folder| file.path.starts_with(folder)))
        .map(|file| file.text.as_str())
        .collect();
    let is_there = |name: &str| screens.iter().any(|text| text.contains(name));
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    for file in pages() {
        for (line, name) in italics(&file.text) {
            if !is_there(&name) {
                findings.push(format!("{}:{line}: {name}", file.path));
            }
            known.insert(name);
        }
    }
    assert!(known.len() > 50, "the handbook names pages and buttons, but only {} were found", known.len());
    nothing_found(&findings, "The handbook names something that stands on no screen: write what the screen says now.");
}

#[test]
fn the_contents_name_every_page() {
    let contents = pages().find(|file| file.path == format!("{HANDBOOK}README.md")).expect("the contents are there");
    let missing: Vec<String> = pages()
        .map(|file| file.path.trim_start_matches(HANDBOOK))
        .filter(|name| *name != "README.md" && !contents.text.contains(&format!("]({name})")))
        .map(str::to_owned)
        .collect();
    nothing_found(&missing, "A page of the handbook is not in its contents: put it into docs/handbook/README.md.");
}

#[test]
fn italics_are_read() {
    let text = "Press *Save*, then **not** *Back*.\n```\n* a *b*\n```\n| `*c*` | *d e* |\n  * In *f*.";
    let expected = [(1, "Save"), (1, "Back"), (5, "d e"), (6, "f")].map(|(line, name)| (line, name.to_owned()));
    assert_eq!(italics(text), expected);
}
