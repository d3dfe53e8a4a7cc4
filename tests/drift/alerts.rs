//! An alert that nobody can act upon is noise. Each has its words, a severity, a section in docs/operations/alerts.md under its
//! own name, a dashboard that is there, and a test with which it fires and one with which it does not; and nothing speaks of an
//! alert that is gone.

use std::collections::BTreeSet;

use crate::nothing_found;
use crate::tree;

const RULES: &str = "deploy/prometheus/alerts.yml";
const TESTS: &str = "deploy/prometheus/tests/";
const DOCUMENT: &str = "docs/operations/alerts.md";
const ROUTES: &str = "deploy/alertmanager/alertmanager.yml";
const SEVERITIES: [&str; 3] = ["critical", "warning", "none"];
/// Always fires, so there is nothing with which it would not.
const ALWAYS: &str = "Heartbeat";

/// An alert as the rules have it.
struct Alert<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Alert<'a> {
    /// What stands behind a key of it.
    fn value(&self, key: &str) -> Option<&'a str> {
        self.lines.iter().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':').map(str::trim))
    }
}

fn alerts(rules: &str) -> Vec<Alert<'_>> {
    let mut found: Vec<Alert<'_>> = Vec::new();
    for line in rules.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            found.push(Alert { name, lines: Vec::new() });
        } else if let Some(alert) = found.last_mut() {
            alert.lines.push(line);
        }
    }
    found
}

/// What an alert lacks.
fn lacks(alert: &Alert<'_>, sections: &BTreeSet<&str>, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut lacks = Vec::new();
    for key in ["summary", "description"] {
        if alert.value(key).is_none_or(|words| words.len() < 10) {
            lacks.push(format!("no {key}"));
        }
    }
    let severity = alert.value("labels").and_then(|labels| labels.strip_prefix("{ severity: ")?.strip_suffix(" }"));
    if !severity.is_some_and(|severity| SEVERITIES.contains(&severity)) {
        lacks.push("no severity that somebody is told by".to_owned());
    }
    let runbook = format!("{DOCUMENT}#{}", alert.name.to_lowercase());
    if alert.value("runbook") != Some(runbook.as_str()) {
        lacks.push(format!("no runbook {runbook}"));
    }
    let dashboard = alert.value("dashboard").and_then(|path| path.strip_prefix("/d/"));
    let file = dashboard.map(|uid| tree::root().join(format!("deploy/grafana/dashboards/{uid}.json")));
    if !file.is_some_and(|file| file.is_file()) {
        lacks.push("no dashboard that is there".to_owned());
    }
    if !sections.contains(alert.name) {
        lacks.push(format!("no section in {DOCUMENT}"));
    }
    for what in ["fires", "stays quiet"] {
        let wanted = what == "fires" || alert.name != ALWAYS;
        if wanted && !tests.contains(format!("{} {what}", alert.name).as_str()) {
            lacks.push(format!("no test in {TESTS} by which it {what}"));
        }
    }
    lacks
}

fn text(path: &str) -> String {
    std::fs::read_to_string(tree::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn all_tests() -> String {
    let files = tree::text_files().iter().filter(|file| file.path.starts_with(TESTS));
    files.map(|file| file.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The names behind a prefix, a line each.
fn named<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(prefix)).map(str::trim).collect()
}

#[test]
fn every_alert_has_its_words_its_section_and_its_tests() {
    let (rules, document, tests) = (text(RULES), text(DOCUMENT), all_tests());
    let (sections, tests) = (named(&document, "### "), named(&tests, "- name: "));
    let alerts = alerts(&rules);
    assert!(alerts.len() > 30, "there are alerts, but only {} were found", alerts.len());
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert.name).collect();
    assert_eq!(names.len(), alerts.len(), "each alert has a name of its own");
    let mut findings = Vec::new();
    for alert in &alerts {
        let lacks = lacks(alert, &sections, &tests);
        findings.extend(lacks.into_iter().map(|what| format!("{}: {what}", alert.name)));
    }
    let gone = sections.difference(&names);
    findings.extend(gone.map(|name| format!("{DOCUMENT}: {name} is no alert")));
    for test in &tests {
        let name = test.split(' ').next().unwrap_or_default();
        if !names.contains(name) {
            findings.push(format!("{TESTS}: {test} is of no alert"));
        }
    }
    nothing_found(&findings, "Give the alert what it lacks, or take away what speaks of one that is gone.");
}

#[test]
fn nobody_is_told_of_an_alert_that_is_gone() {
    let (rules, routes) = (text(RULES), text(ROUTES));
    let names: BTreeSet<&str> = alerts(&rules).iter().map(|alert| alert.name).collect();
    let mut findings = Vec::new();
    for line in routes.lines().filter(|line| line.contains("alertname =")) {
        let quoted = line.split('"').nth(1).unwrap_or_default();
        findings.extend(quoted.split('|').filter(|name| !names.contains(name)).map(|name| format!("{ROUTES}: {name}")));
    }
    nothing_found(&findings, "Correct the name, or take it out.");
}

#[test]
fn what_an_alert_lacks_is_found() {
    let rules = "groups:\n  - name: x\n    rules:\n      - alert: A\n        expr: up == 0\n      - alert: Heartbeat\n        \
                 labels: { severity: none }\n        annotations:\n          summary: \"It always fires.\"\n          \
                 description: \"And that is right.\"\n          runbook: docs/operations/alerts.md#heartbeat\n          \
                 dashboard: /d/mlango-now\n";
    let found = alerts(rules);
    assert_eq!(found.iter().map(|alert| alert.name).collect::<Vec<_>>(), ["A", "Heartbeat"]);
    let (sections, tests) = (BTreeSet::from(["Heartbeat"]), BTreeSet::from(["Heartbeat fires"]));
    assert_eq!(lacks(&found[0], &sections, &tests).len(), 8);
    assert_eq!(lacks(&found[1], &sections, &tests), [""; 0]);
}
