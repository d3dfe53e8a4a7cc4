//! The alerts, by promtool: the files can be read, and each alert fires when it should and stays quiet when it should not.

use std::collections::BTreeSet;
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

/// The tests of the alerts, a file each: read one after the other they take minutes where other tests run beside them.
macro_rules! each_alert_fires_when_it_should_and_stays_quiet_otherwise {
    ($($file:ident),+ $(,)?) => {
        mod each_alert_fires_when_it_should_and_stays_quiet_otherwise {
            use super::*;
            $(
                #[test]
                fn $file() {
                    let Some(promtool) = program("MLANGO_PROMTOOL") else { return };
                    let test = root().join(concat!("deploy/prometheus/tests/", stringify!($file), ".yml"));
                    succeeds(Command::new(&promtool).args(["test", "rules"]).arg(test));
                }
            )+
        }

        #[test]
        fn each_file_of_tests_is_read() {
            let there = files("deploy/prometheus/tests", ".yml");
            let names = there.iter().map(|path| path.file_stem().and_then(|name| name.to_str()).unwrap_or_default());
            assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from([$(stringify!($file)),+]));
        }
    };
}
each_alert_fires_when_it_should_and_stays_quiet_otherwise!(
    accounting,
    backups,
    enforcement,
    logins,
    machine,
    messages,
    money,
    programs,
    watching,
    web,
);

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
