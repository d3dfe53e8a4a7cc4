//! What customers read stands in a file for each language (`portal/locales/`), under keys that templates and sources name. All
//! files have the same keys, and the same values in each sentence; every key that is named is there, with the values that it asks
//! for; every key that is there is named; and no template holds words of its own, which would be English in every language.
//!
//! Files, templates and sources are read as text: whether a file is good Fluent is a test of `portal`'s.

use std::collections::{BTreeMap, BTreeSet};

use crate::nothing_found;
use crate::styles::without_code;
use crate::tree::{self, TextFile};

const FILES: [&str; 2] = ["portal/locales/en/customer.ftl", "portal/locales/sw/customer.ftl"];
const LAYOUT: &str = "portal/templates/layout.html";
const PAGES: &str = "portal/templates/customer/";
/// Where customers' pages are made. The desk and the command line speak English.
const SOURCES: [&str; 8] = [
    "portal/src/books/receipt.rs",
    "portal/src/error.rs",
    "portal/src/middleware/",
    "portal/src/notify/",
    "portal/src/onboarding/page.rs",
    "portal/src/pages/",
    "portal/src/session/",
    "portal/src/views/",
];
/// What looks like a key and is none: what a token is sealed for, and elements of pages.
const NO_KEYS: [&str; 3] = ["sign-in", "discount-error", "email-first"];
/// Show how the code of a voucher, that of a screen and a device's address look: in no language.
const NO_WORDS: [&str; 3] = ["ABCD-EFGH-JKL", "ABC-DEF", "4C:5E:0C:12:34:56"];
/// Attributes that people read or hear.
const SPOKEN: [&str; 4] = ["aria-label=\"", "placeholder=\"", "title=\"", "alt=\""];

/// The keys of a file, each with the values that its sentence asks for.
type Sentences = BTreeMap<String, BTreeSet<String>>;

fn sentences(file: &str) -> Sentences {
    let mut found = Sentences::new();
    let mut key = String::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let begins = line.starts_with(|first: char| first.is_ascii_alphabetic());
        if let Some((name, _)) = line.split_once(" =").filter(|_| begins) {
            key = name.to_owned();
            found.entry(key.clone()).or_default();
        }
        if let Some(values) = found.get_mut(&key) {
            values.extend(line.split('$').skip(1).map(|rest| word(rest).to_owned()));
        }
    }
    found
}

/// The name at the beginning of a text.
fn word(text: &str) -> &str {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-';
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// A key that a text names: with the values that are given where it is said, or as a key alone that something else says.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    key: &'a str,
    given: Option<BTreeSet<String>>,
}

/// Every string of a text that is spelled like a key.
fn named(text: &str) -> Vec<Named<'_>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('"') {
        let key = word(&text[at + 1..]);
        let rest = &text[at + 1 + key.len()..];
        let spelled = key.contains('-')
            && key.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
        if let Some(behind) = rest.strip_prefix('"').filter(|_| spelled) {
            found.push(Named { key, given: is_said(&text[..at]).then(|| given(behind)) });
        }
    }
    found
}

/// Whether what stands before a string says it: `say("`, `say(language, "`.
fn is_said(before: &str) -> bool {
    let Some((start, language)) = before.rsplit_once('(') else { return false };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_., \n".contains(letter);
    let start = start.trim_end();
    start.ends_with("say") && !start.ends_with("_say") && language.chars().all(plain)
}

/// The names of the values that follow: `).with("a", …).count("b", …)`.
fn given(behind: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = behind.trim_start().strip_prefix(')').unwrap_or_default().trim_start();
    while let Some(value) = [".with(", ".count("].iter().find_map(|call| rest.strip_prefix(*call)) {
        names.extend(value.trim_start().strip_prefix('"').map(|name| word(name).to_owned()));
        rest = value[end_of_call(value)..].trim_start();
    }
    names
}

/// Where the call ends whose opening bracket has just been passed.
fn end_of_call(text: &str) -> usize {
    let (mut depth, mut in_string, mut is_escaped) = (1, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            '(' if !in_string => depth += 1,
            ')' if !in_string => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// A source without its comments and its tests.
fn production(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What is wrong with the keys that a text names.
fn wrong_names(path: &str, text: &str, known: &Sentences) -> Vec<String> {
    let groups: BTreeSet<&str> = known.keys().filter_map(|key| key.split('-').next()).collect();
    let is_ours = |named: &Named<'_>| {
        let group = named.key.split('-').next().unwrap_or_default();
        named.given.is_some() || (groups.contains(group) && !NO_KEYS.contains(&named.key))
    };
    let wrong = named(text).into_iter().filter(is_ours).filter_map(|named| {
        let Some(asked) = known.get(named.key) else {
            return Some(format!("{path}: there is no sentence {}", named.key));
        };
        let given = named.given.unwrap_or_default();
        (given != *asked).then(|| format!("{path}: {} asks for {asked:?} and is given {given:?}", named.key))
    });
    wrong.collect()
}

/// Words that a template holds itself.
fn own_words(template: &str) -> Vec<String> {
    let html = without_code(template);
    let attributes = SPOKEN.iter().flat_map(|name| html.split(name).skip(1).filter_map(|rest| rest.split('"').next()));
    let mut rest = html.as_str();
    let mut texts: Vec<&str> = attributes.collect();
    while let Some(open) = rest.find('<') {
        texts.push(&rest[..open]);
        rest = rest[open..].find('>').map_or("", |close| &rest[open + close + 1..]);
    }
    texts.push(rest);
    let has_letters = |text: &&str| text.chars().any(char::is_alphabetic) && !NO_WORDS.contains(text);
    texts.into_iter().map(str::trim).filter(has_letters).map(str::to_owned).collect()
}

fn file(path: &str) -> &'static TextFile {
    tree::text_files().iter().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no {path}"))
}

fn templates() -> impl Iterator<Item = &'static TextFile> {
    tree::text_files().iter().filter(|file| file.path == LAYOUT || file.path.starts_with(PAGES))
}

fn sources() -> impl Iterator<Item = (&'static str, String)> {
    let is_ours =
        |file: &&TextFile| SOURCES.iter().any(|path| file.path.starts_with(path)) && file.path.ends_with(".rs");
    tree::text_files().iter().filter(is_ours).map(|file| (file.path.as_str(), production(&file.text)))
}

#[test]
fn every_language_says_the_same() {
    let [first, others @ ..] = FILES.map(|path| sentences(&file(path).text));
    let mut findings = Vec::new();
    for (path, other) in FILES[1..].iter().zip(&others) {
        for key in first.keys().chain(other.keys()) {
            let (here, there) = (first.get(key), other.get(key));
            if here != there {
                findings.push(format!("{path}: {key} has {there:?}, in {} it has {here:?}", FILES[0]));
            }
        }
    }
    nothing_found(&findings, "Give every language the same keys, and every sentence the same values.");
}

#[test]
fn every_sentence_that_is_named_is_there_with_its_values() {
    let known = sentences(&file(FILES[0]).text);
    let mut findings: Vec<String> =
        templates().flat_map(|template| wrong_names(&template.path, &template.text, &known)).collect();
    findings.extend(sources().flat_map(|(path, text)| wrong_names(path, &text, &known)));
    nothing_found(&findings, "Add the sentence to the file of every language, or give it what it asks for.");
}

#[test]
fn every_sentence_is_said_somewhere() {
    let texts: Vec<String> =
        templates().map(|template| template.text.clone()).chain(sources().map(|(_, text)| text)).collect();
    let said: BTreeSet<&str> = texts.iter().flat_map(|text| named(text)).map(|named| named.key).collect();
    let known = sentences(&file(FILES[0]).text);
    let findings: Vec<String> =
        known.keys().filter(|key| !said.contains(key.as_str())).map(|key| format!("nothing says {key}")).collect();
    nothing_found(&findings, "Take the sentence out of the file of every language.");
}

#[test]
fn no_template_has_words_of_its_own() {
    let findings: Vec<String> = templates()
        .flat_map(|template| {
            own_words(&template.text).into_iter().map(move |words| format!("{}: {words}", template.path))
        })
        .collect();
    nothing_found(&findings, "Put the sentence into portal/locales, and say it by its key.");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_file_is_read_with_its_values() {
        let read = sentences(
            "# Pay $nothing =\npage-pay = Pay { $price }\npage-left = { $count ->\n    [one] { $count } of { $all }\n   *[other] x\n}\n",
        );
        assert_eq!(read.keys().collect::<Vec<_>>(), ["page-left", "page-pay"]);
        assert_eq!((&read["page-pay"], &read["page-left"]), (&set(&["price"]), &set(&["all", "count"])));
    }

    #[test]
    fn wrong_names_are_found() {
        let known = sentences("page-pay = Pay { $price }\npage-back = Back\n");
        let wrong = |text: &str| wrong_names("x", text, &known).len();
        for good in [
            "{{ site.say(\"page-pay\").with(\"price\", price) }}",
            "say(language, \"page-pay\")\n    .with(\"price\", f(\")(\", x))\n    .to_string()",
            "Err(BadRequest(\"page-back\"))",
            "say(\"page-back\").to_string()",
            "header(\"x-other\")",
        ] {
            assert_eq!(wrong(good), 0, "{good}");
        }
        for bad in [
            "say(language, \"other-key\")",
            "say(\"page-pay\")",
            "say(\"page-pay\").with(\"prize\", price)",
            "say(\"page-back\").with(\"price\", price)",
            "BadRequest(\"page-bakc\")",
            "match x { A => \"page-pay\" }",
        ] {
            assert_eq!(wrong(bad), 1, "{bad}");
        }
    }

    #[test]
    fn words_of_a_template_are_found() {
        let clean = "<p class=\"a\">{{ site.say(\"a-b\") }} · 07 <b>{% if x %}…{% endif %}</b></p>{# note #}<input placeholder=\"ABCD-EFGH-JKL\">";
        assert_eq!(own_words(clean), Vec::<String>::new());
        assert_eq!(own_words("<p>{{ x }} left</p>"), ["left"]);
        assert_eq!(own_words("<a aria-label=\"Remove {{ x }}\">{{ y }}</a>"), ["Remove"]);
    }

    #[test]
    fn comments_and_tests_of_a_source_do_not_count() {
        assert_eq!(production("//! \"a-b\"\nx\n    // y\n#[cfg(test)]\nmod tests { \"c-d\" }"), "x");
    }
}
