//! What is built in from outside, by cargo-deny: licences, crates that must not be there, and where they come from.
//!
//! Known weaknesses (`advisories`) are not looked up here: their database comes from the network, and tests do without one.

use std::process::Command;

use crate::{program, root, succeeds};

#[test]
fn what_is_built_in_is_allowed() {
    let Some(deny) = program("MLANGO_CARGO_DENY") else { return };
    let mut command = Command::new(deny);
    command.current_dir(root()).args(["--locked", "check", "licenses", "bans", "sources"]);
    let said = succeeds(&mut command);
    for check in ["licenses", "bans", "sources"] {
        assert!(said.contains(&format!("{check} ok")), "{check} was looked at: {said}");
    }
}
