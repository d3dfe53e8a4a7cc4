//! The commands that the operator's handbook prints (`docs/handbook`) are understood: each is read here as a person's would be, with
//! its arguments and their values. That its pages and buttons are called as on the screen is a drift test's (`tests/drift/handbook.rs`).
//!
//! A page's commands stand in its blocks of code, continued by a backslash, and in its sentences between backquotes. Only as much of
//! a shell is played as the handbook uses; what is quoted as a whole is passed over.

use std::path::Path;

use clap::Parser as _;

use super::Arguments;

/// Blocks of code in these languages hold no commands.
const NO_COMMANDS: [&str; 2] = ["toml", "sql"];

/// The commands of a line, each as its words. Where input comes from and output goes is left out.
fn shell(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut command = Vec::new();
    let mut word: Option<String> = None;
    let (mut quote, mut is_redirected) = (None, false);
    for letter in line.chars().chain([';']) {
        match (quote, letter) {
            (Some(opened), _) if opened == letter => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '<' | '>' | '|' | ';' | '&') => {
                command.extend(word.take().filter(|_| !is_redirected));
                is_redirected |= matches!(letter, '<' | '>');
                if matches!(letter, '|' | ';' | '&') {
                    commands.push(std::mem::take(&mut command));
                    is_redirected = false;
                }
            }
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    commands
}

/// Those of them that are ours, from our name on.
fn ours(line: &str) -> Vec<Vec<String>> {
    let from_our_name = |mut words: Vec<String>| {
        let is_ours = |(at, word): (usize, &String)| word == "portal" || (at == 0 && word.ends_with("/portal"));
        let at = words.iter().enumerate().position(is_ours)?;
        Some(words.split_off(at))
    };
    shell(line).into_iter().filter_map(from_our_name).collect()
}

/// Our commands in a page, each with the number of the line where it ends.
fn commands(page: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    // Within a block: whether it holds commands.
    let mut block: Option<bool> = None;
    let mut whole = String::new();
    for (number, line) in (1..).zip(page.lines().map(str::trim)) {
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(!NO_COMMANDS.contains(&language)) };
            continue;
        }
        match block {
            Some(false) => {}
            Some(true) => {
                whole.push_str(line.trim_end_matches('\\'));
                whole.push(' ');
                if !line.ends_with('\\') {
                    found.extend(ours(&whole).into_iter().map(|words| (number, words)));
                    whole.clear();
                }
            }
            None => {
                // Odd pieces stand between backquotes; `…` leaves something to the reader.
                let spans = line.split('`').skip(1).step_by(2);
                let spans = spans.filter(|span| span.starts_with("portal ") && !span.contains('…'));
                found.extend(spans.flat_map(ours).map(|words| (number, words)));
            }
        }
    }
    found
}

#[test]
fn every_command_of_the_handbook_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/handbook");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).expect("the handbook is a folder of the checkout") {
        let path = entry.expect("the handbook's folder can be read").path();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let page = std::fs::read_to_string(&path).expect("a page of the handbook can be read");
        for (line, words) in commands(&page) {
            read += 1;
            // To be asked for help is no mistake.
            if let Err(error) = Arguments::try_parse_from(&words)
                && error.exit_code() != 0
            {
                panic!("{}:{line}: {}\n{error}", path.display(), words.join(" "));
            }
        }
    }
    assert!(read > 60, "the handbook has commands, but only {read} were found");
}

#[test]
fn a_page_is_read_as_its_reader_would() {
    let page = "Say `portal nas list`, `portal …` or `portal@1`.\n```\nread -rs W && printf %s \"$W\" | portal grant --login \"a b\" \\\n    \
                --json < f.txt; unset W\nX=1 portal doctor >f\ntarget/debug/portal migrate\ninstall target/debug/portal /usr/bin\n\
                bash -c 'portal nosuch'\n```\n```toml\nportal = \"x\"\n```";
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut grant = words("portal grant --login");
    grant.extend(["a b".to_owned(), "--json".to_owned()]);
    let expected = [
        (1, words("portal nas list")),
        (4, grant),
        (5, words("portal doctor")),
        (6, words("target/debug/portal migrate")),
    ];
    assert_eq!(commands(page), expected);
}
