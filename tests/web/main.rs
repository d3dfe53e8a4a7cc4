//! What the web side refuses, by the requirements of ASVS 5.0 that concern it: a file a topic, each against the real portal. The table of topics
//! stands in `docs/operations/security.md`.
//!
//! * [`sessions`]: a session is new at the sign-in and over at the sign-out; cookies have their flags;
//! * [`forms`]: each form of the desk and of the customers, without its secret, with another's, and from another site;
//! * [`enumeration`]: who is known cannot be told from who is not;
//! * [`others`]: nobody reaches what is another customer's, or stands at a site that is not theirs;
//! * [`addresses`]: where a forged address would lead, and what hosts the portal calls itself;
//! * [`typed`]: whatever somebody sends or has stored is text, and nothing but text, to browsers and to the database;
//! * [`outgoing`]: the addresses that the programs ask;
//! * [`headers`]: policies, framing, caches, on every page and every error;
//! * [`races`]: of many at once, one;
//! * [`exports`]: cells of spreadsheets;
//! * [`closed`]: what is away lets nobody in, and loses no money;
//! * [`oddities`]: requests that no browser sends;
//! * [`scan`]: scanners that others wrote.
//!
//! [`people`] are who sends all this, [`html`] reads what is answered.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod addresses;
mod closed;
mod enumeration;
mod exports;
mod forms;
mod headers;
mod html;
mod oddities;
#[path = "../flows/operator.rs"]
#[expect(dead_code, reason = "the operator of the flows, who can do more than is needed here")]
mod operator;
mod others;
mod outgoing;
mod people;
mod races;
mod scan;
mod sessions;
mod typed;

/// The table that people read names every file here, and no file that is not there.
#[test]
fn the_table_of_topics_names_what_is_here() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/operations/security.md")).unwrap();
    let helpers = ["main.rs", "html.rs", "people.rs", "scan.py", "requirements.txt"];
    for entry in std::fs::read_dir(root.join("tests/web")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_named = page.contains(&format!("`tests/web/{name}`"));
        assert!(
            is_named || helpers.contains(&name.as_str()),
            "docs/operations/security.md says nothing of tests/web/{name}"
        );
    }
    let named = page.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2));
    for path in named.filter(|quoted| quoted.starts_with("tests/") || quoted.starts_with("portal/")) {
        assert!(root.join(path).exists(), "docs/operations/security.md names {path}, which is not there");
    }
}
