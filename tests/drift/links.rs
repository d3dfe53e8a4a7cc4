//! Documents that point somewhere must point at something: links between our files and at their headings, and the walkthroughs'
//! rows that name a function and the file it is in. A page that misleads is worse than none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::nothing_found;
use crate::tree::{self, TextFile};

/// Targets of the Markdown links in a text, outside addresses and anchors within the page left out.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("](") {
            let Some(target) = line[at + 2..].split(')').next() else {
                continue;
            };
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") {
                found.push((number + 1, path));
            }
        }
    }
    found
}

/// Files and headings that the links of a text point at; an empty path is the text's own page.
fn fragments(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split(')').next().unwrap_or_default();
            if let Some((path, fragment)) = target.split_once('#')
                && !path.contains("://")
            {
                found.push((number, path, fragment));
            }
        }
    }
    found
}

/// What headings are called in addresses: in small letters, blanks as dashes, without punctuation; the second of the same name
/// ends with `-1`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        let Some(heading) = heading.strip_prefix(' ').filter(|_| line.starts_with('#') && !is_code) else {
            continue;
        };
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let name: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase();
        let same = before.entry(name.clone()).or_default();
        found.insert(if *same == 0 { name } else { format!("{name}-{same}") });
        *same += 1;
    }
    found
}

/// Pairs of an item and the file that a text says it is in: `` `Type::name` in `path/file.rs` ``.
fn places(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let pieces: Vec<&str> = line.split('`').collect();
        // Odd pieces stood between backquotes.
        for at in (1..pieces.len()).step_by(2) {
            if pieces.get(at + 1) == Some(&" in ")
                && let Some(path) = pieces.get(at + 2).filter(|path| path.ends_with(".rs"))
            {
                found.push((number + 1, pieces[at], *path));
            }
        }
    }
    found
}

/// Whether Rust code defines the last part of `item`.
fn defines(code: &str, item: &str) -> bool {
    let name = item.rsplit("::").next().unwrap_or(item);
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["fn ", "struct ", "enum ", "trait ", "const ", "type "]
        .iter()
        .any(|kind| code.match_indices(&format!("{kind}{name}")).any(|(at, found)| ends(&code[at + found.len()..])))
}

fn documents() -> impl Iterator<Item = &'static TextFile> {
    tree::text_files().iter().filter(|file| file.path.ends_with(".md"))
}

#[test]
fn links_lead_somewhere() {
    let root = tree::root();
    let mut findings = Vec::new();
    for file in documents() {
        let folder = root.join(Path::new(&file.path).parent().expect("a file is in a folder"));
        for (line, target) in targets(&file.text) {
            if !folder.join(target).exists() {
                findings.push(format!("{}:{line}: {target}", file.path));
            }
        }
    }
    nothing_found(&findings, "The document links to a file that is not there: correct the link, or take it out.");
}

#[test]
fn links_lead_to_headings() {
    let root = tree::root();
    let mut findings = Vec::new();
    for file in documents() {
        let folder = root.join(Path::new(&file.path).parent().expect("a file is in a folder"));
        for (line, path, fragment) in fragments(&file.text) {
            let known = match path {
                "" => anchors(&file.text),
                // A file that is not there is found by the test above; what is no document has no headings.
                path if path.ends_with(".md") => match std::fs::read_to_string(folder.join(path)) {
                    Ok(text) => anchors(&text),
                    Err(_) => continue,
                },
                _ => continue,
            };
            if !known.contains(fragment) {
                findings.push(format!("{}:{line}: {path}#{fragment}", file.path));
            }
        }
    }
    nothing_found(&findings, "The document links to a heading that is not there: correct the link, or take it out.");
}

#[test]
fn what_documents_say_is_in_a_file_is_there() {
    let mut findings = Vec::new();
    for file in documents() {
        for (line, item, path) in places(&file.text) {
            match std::fs::read_to_string(tree::root().join(path)) {
                Ok(code) if defines(&code, item) => {}
                Ok(_) => findings.push(format!("{}:{line}: {item} is not defined in {path}", file.path)),
                Err(_) => findings.push(format!("{}:{line}: there is no file {path}", file.path)),
            }
        }
    }
    nothing_found(&findings, "The document names a function and its file, and one of them has moved: follow it.");
}

#[test]
fn links_and_places_are_read() {
    assert_eq!(targets("see [a](b.md#c) and [d](https://e)\n[f](#g) ![h](i.svg)"), [(1, "b.md"), (2, "i.svg")]);
    assert_eq!(fragments("[a](b.md#c) [d](https://e#f)\n[g](#h) [i](j.md)"), [(1, "b.md", "c"), (2, "", "h")]);
    let headings = anchors("# Who's `there`? – Me\n```\n# no\n```\n## A_b-c\n## A_b-c\n#none");
    assert_eq!(headings.into_iter().collect::<Vec<_>>(), ["a_b-c", "a_b-c-1", "whos-there--me"]);
    assert_eq!(places("| x | `A::b` in `c/d.rs`, `e` |\n`f` in `g.md`"), [(1, "A::b", "c/d.rs")]);
    assert!(defines("pub(crate) fn take(self) {}", "Pipeline::take"));
    assert!(!defines("pub(crate) fn take_all() {}", "take"));
    assert!(!defines("take();", "take"));
}
