//! A metric that nobody described cannot be trusted, and a description of one that is gone misleads. The names
//! in the programs, the table in docs/operations/metrics.md, and what dashboards and scrape rules ask for are
//! the same. What the backup and other people's exporters tell stands in a table of its own there (`| from | `name` | …`), and
//! nothing else of theirs is asked for.

use std::collections::BTreeSet;

use crate::nothing_found;
use crate::tree;

const DOCUMENT: &str = "docs/operations/metrics.md";
const PREFIX: &str = "mlango_";
/// How the names of other programs' metrics begin.
const OF_OTHERS: [&str; 5] = ["node_", "pg_", "probe_", "prometheus_", "alertmanager_"];
/// Where they are asked for.
const EXPRESSIONS: [&str; 2] = ["deploy/grafana/dashboards/", "deploy/prometheus/alerts.yml"];
/// What Prometheus adds to the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Every word that begins like a metric of ours.
fn names(text: &str) -> BTreeSet<String> {
    words(text, &[PREFIX])
}

fn words(text: &str, prefixes: &[&str]) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked = |word: &&str| prefixes.iter().any(|prefix| word.len() > prefix.len() && word.starts_with(prefix));
    words.filter(asked).map(str::to_owned).collect()
}

/// What the backup and other programs tell, as the document has it: the name stands second in its row.
fn of_others(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| `"));
    rows.filter_map(|line| line.split('|').nth(2)?.trim().strip_prefix('`')?.strip_suffix('`'))
        .map(str::to_owned)
        .collect()
}

/// Strings that are a metric's name and nothing else, in the packages that have metrics. (`store` has none: its
/// strings of that shape are names of notification channels.)
fn in_code() -> BTreeSet<String> {
    tree::rust_files()
        .iter()
        .filter(|file| ["radiusd", "portal", "shared"].contains(&file.package))
        .flat_map(|file| file.source.strings.iter())
        .filter(|text| names(&text.what).iter().any(|name| *name == text.what))
        .map(|text| text.what.clone())
        .collect()
}

/// Names asked for that do not exist, a histogram's parts being understood.
fn unknown<'a>(asked: &'a BTreeSet<String>, known: &BTreeSet<String>) -> Vec<&'a String> {
    let is_part =
        |name: &str| SUFFIXES.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|base| known.contains(base)));
    asked.iter().filter(|name| !known.contains(*name) && !is_part(name)).collect()
}

#[test]
fn metrics_and_their_descriptions_agree() {
    let code = in_code();
    let document = std::fs::read_to_string(tree::root().join(DOCUMENT)).expect("the metrics are described");
    // A description is a row of the table: the name stands first.
    let described: BTreeSet<String> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect();
    let mut findings: Vec<String> =
        code.difference(&described).map(|name| format!("{name} is in the code and not in {DOCUMENT}")).collect();
    findings.extend(described.difference(&code).map(|name| format!("{name} is in {DOCUMENT} and not in the code")));
    nothing_found(&findings, "Describe the metric in a row of the table (`| `name` | …`), or take the row out.");
}

#[test]
fn dashboards_and_rules_ask_for_metrics_that_exist() {
    let document = std::fs::read_to_string(tree::root().join(DOCUMENT)).expect("the metrics are described");
    let mut known = in_code();
    known.extend(of_others(&document));
    let mut findings = Vec::new();
    for file in tree::text_files() {
        let asks = file.path.starts_with("deploy/")
            && [".json", ".yml", ".yaml", ".rules"].iter().any(|end| file.path.ends_with(end));
        if asks {
            let mut asked = names(&file.text);
            // Elsewhere such words are settings, and what stands behind `#` is said to people.
            if EXPRESSIONS.iter().any(|place| file.path.starts_with(place)) {
                let lines: Vec<&str> = file.text.lines().filter(|line| !line.trim().starts_with('#')).collect();
                asked.append(&mut words(&lines.join("\n"), &OF_OTHERS));
            }
            findings.extend(unknown(&asked, &known).into_iter().map(|name| format!("{}: {name}", file.path)));
        }
    }
    nothing_found(&findings, "The dashboard or rule asks for a metric that no program has: correct its name.");
}

#[test]
fn names_are_found_and_compared() {
    let asked = names("rate(mlango_a_seconds_bucket[5m]) + mlango_b_total{nas=\"x\"} + mlango_ + other_c");
    assert_eq!(asked.iter().map(String::as_str).collect::<Vec<_>>(), ["mlango_a_seconds_bucket", "mlango_b_total"]);
    let known: BTreeSet<String> = ["mlango_a_seconds".to_owned()].into();
    assert_eq!(unknown(&asked, &known), ["mlango_b_total"]);
    let table = "| `mlango_a` | gauge | – | x |\n| the backup | `mlango_c_seconds` | x |\n| who | name | x |\n";
    assert_eq!(of_others(table), BTreeSet::from(["mlango_c_seconds".to_owned()]));
    assert_eq!(words("node_x / pg_up + up", &OF_OTHERS), BTreeSet::from(["node_x".to_owned(), "pg_up".to_owned()]));
}
