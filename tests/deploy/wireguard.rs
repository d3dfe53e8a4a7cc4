//! The list of the routers in the tunnel, as operators are told to give it to WireGuard: by the unit of the handbook, by the line on the
//! desk's page and by the reference. Each is run by the shell, with stand-ins for `portal`, `ip` and `wg`.
//!
//! While the database is away there is no list, and an empty one would cut off every router.

use std::process::Command;

use crate::{Folder, read, run};

/// What is between these, once.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before:?}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0
}

/// Where it stands, and what the shell gets.
fn told() -> [(&'static str, String); 3] {
    let (unit, page, reference) =
        ("docs/handbook/first-router.md", "portal/templates/admin/router_line.html", "docs/operations/routers.md");
    let line = read(page);
    let line = line.split("<pre>").find(|pre| pre.contains("wg syncconf")).expect("the page has the line");
    let line = line.split("</pre>").next().unwrap_or_default();
    let whole = read(reference);
    let of_reference = whole.lines().find(|line| line.contains("wg syncconf mlango <(")).expect("the reference has it");
    [
        (unit, between(&read(unit), "ExecStart=/bin/bash -c '", "'\n").replace("\\\n", "\n")),
        (page, line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")),
        (reference, of_reference.to_owned()),
    ]
}

/// What WireGuard is given where the portal does that; `None`: nothing, and the shell says that it went wrong.
fn given(words: &str, portal: &str) -> Option<String> {
    let folder = Folder::new("wireguard");
    let own = folder.write("wireguard.conf", "[Interface]\n");
    let given = folder.path("given");
    let words = words
        .replace("/etc/mlango/wireguard.conf", &own.display().to_string())
        .replace("/run/mlango-peers", &folder.path("peers").display().to_string());
    let stand_ins = format!("portal() {{ {portal}; }}\nip() {{ :; }}\nwg() {{ cat \"$3\" >'{}'; }}\n", given.display());
    let (succeeded, said) = run(Command::new("bash").args(["-c", &format!("{stand_ins}{words}")]));
    let given = std::fs::read_to_string(given).ok();
    assert_eq!(succeeded, given.is_some(), "{words}: {said}");
    given
}

#[test]
fn while_the_database_is_away_no_router_is_cut_off() {
    for (place, words) in told() {
        let list = given(&words, "printf '[Peer]\\n'");
        assert_eq!(list.as_deref(), Some("[Interface]\n[Peer]\n"), "{place}: {words}");
        assert_eq!(given(&words, "echo 'the database is away' >&2; return 1"), None, "{place}: {words}");
    }
}
