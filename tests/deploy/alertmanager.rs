//! Who is told of which alert, by amtool: the file can be read, and alerts go where they should.

use std::process::Command;

use crate::{program, root, succeeds};

#[test]
fn alerts_reach_whom_they_are_for() {
    let Some(amtool) = program("MLANGO_AMTOOL") else { return };
    let file = root().join("deploy/alertmanager/alertmanager.yml");
    succeeds(Command::new(&amtool).arg("check-config").arg(&file));
    for (labels, receiver) in [
        (["alertname=Heartbeat", "severity=none"], "heartbeat"),
        (["alertname=NoPortal", "severity=critical"], "on-call"),
        (["alertname=VersionsDiffer", "severity=warning"], "office"),
    ] {
        let told =
            succeeds(Command::new(&amtool).args(["config", "routes", "test", "--config.file"]).arg(&file).args(labels));
        // What it warns of comes behind.
        assert_eq!(told.lines().next(), Some(receiver), "{labels:?}");
    }
}
