//! The alerts, by promtool: the files can be read, and each alert fires when it should and stays quiet when it should not.

use std::process::Command;

use crate::{Folder, files, program, read, root, run, succeeds};

#[test]
fn rules_and_configurations_can_be_read() {
    let Some(promtool) = program("MLANGO_PROMTOOL") else { return };
    let folder = root().join("deploy/prometheus");
    succeeds(Command::new(&promtool).args(["check", "rules"]).arg(folder.join("alerts.yml")));
    let configurations = ["prometheus.yml", "prometheus-one-machine.yml"].map(|name| folder.join(name));
    succeeds(Command::new(&promtool).args(["check", "config"]).args(&configurations));
}

#[test]
fn each_alert_fires_when_it_should_and_stays_quiet_otherwise() {
    let Some(promtool) = program("MLANGO_PROMTOOL") else { return };
    let tests = files("deploy/prometheus/tests", ".yml");
    assert!(!tests.is_empty(), "there are tests of the alerts");
    succeeds(Command::new(&promtool).args(["test", "rules"]).args(&tests));
}

#[test]
fn a_rule_that_has_changed_is_found_by_its_test() {
    let Some(promtool) = program("MLANGO_PROMTOOL") else { return };
    let folder = Folder::new("rules");
    std::fs::create_dir_all(folder.path("tests")).expect("a folder");
    let test = folder.write("tests/accounting.yml", &read("deploy/prometheus/tests/accounting.yml"));
    let rules = read("deploy/prometheus/alerts.yml");
    for (from, to) in [
        ("max(mlango_acct_cannot_store) > 0", "max(mlango_acct_cannot_store) > 1"),
        ("max(mlango_acct_spool_oldest_age_seconds) > 60", "max(mlango_acct_spool_oldest_age_seconds) > -1"),
    ] {
        assert!(rules.contains(from), "{from}");
        folder.write("alerts.yml", &rules.replace(from, to));
        let (succeeded, said) = run(Command::new(&promtool).args(["test", "rules"]).arg(&test));
        assert!(!succeeded && said.contains("FAILED"), "{to}: {said}");
    }
}
