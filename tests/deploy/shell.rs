//! Every script of the shell, read by shellcheck.

use std::process::Command;

use crate::{files, program, root, succeeds};

/// What it finds and is no fault here: variables that another file of the launcher reads (SC2034), and folders whose parents are
/// there already (SC2174).
const PASSED_OVER: &str = "SC2034,SC2174";

#[test]
fn scripts_have_no_known_mistakes() {
    let Some(shellcheck) = program("MLANGO_SHELLCHECK") else { return };
    let mut scripts = vec![root().join("mlango"), root().join(".ci/run"), root().join("deploy/docker/healthy")];
    for folder in ["deploy/launcher", "deploy/docker", "deploy/backup"] {
        if root().join(folder).is_dir() {
            scripts.extend(files(folder, ".bash"));
            scripts.extend(files(folder, ".sh"));
        }
    }
    assert!(scripts.len() > 15, "there are scripts, but only {} were found", scripts.len());
    let mut command = Command::new(shellcheck);
    command.current_dir(root()).args(["--external-sources", "--severity=warning", "--exclude", PASSED_OVER]);
    succeeds(command.args(&scripts));
}
