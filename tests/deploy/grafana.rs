//! The dashboards: each can be read by whoever looks at it at night (a title, a description and a unit on every panel), asks the
//! Prometheus that was chosen, and every expression is one that Prometheus understands.

use std::process::Command;

use serde_json::{Value, json};

use crate::{Folder, files, program, read, root, run};

/// What stands for the variable in which Grafana puts a suitable length.
const INTERVAL: &str = "5m";

/// Every dashboard, by the name of its file.
fn dashboards() -> Vec<(String, Value)> {
    let files = files("deploy/grafana/dashboards", ".json");
    assert!(!files.is_empty(), "there are dashboards");
    files
        .iter()
        .map(|path| {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).expect("a file of the checkout");
            (name, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The panels that show something.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "/panels").iter().filter(|panel| text(panel, "/type") != "row")
}

/// What a panel lacks, in words.
fn lacks(panel: &Value) -> Vec<String> {
    let mut lacks: Vec<String> = ["/title", "/description", "/fieldConfig/defaults/unit"]
        .into_iter()
        .filter(|pointer| text(panel, pointer).is_empty())
        .map(str::to_owned)
        .collect();
    if text(panel, "/datasource/uid") != "${datasource}" {
        lacks.push("the chosen Prometheus".to_owned());
    }
    if list(panel, "/targets").is_empty() || list(panel, "/targets").iter().any(|t| text(t, "/expr").is_empty()) {
        lacks.push("an expression".to_owned());
    }
    lacks
}

#[test]
fn each_panel_says_what_it_shows_and_in_which_unit() {
    let mut seen = std::collections::HashSet::new();
    for (name, dashboard) in dashboards() {
        assert_eq!(text(&dashboard, "/uid"), name, "links name the file's name");
        assert!(seen.insert(text(&dashboard, "/title").to_owned()), "{name}: a title of its own");
        assert!(!text(&dashboard, "/description").is_empty(), "{name} says what it is for");
        let chooses = list(&dashboard, "/templating/list")
            .iter()
            .any(|variable| text(variable, "/name") == "datasource" && text(variable, "/type") == "datasource");
        assert!(chooses, "{name}: the Prometheus can be chosen");
        assert!(panels(&dashboard).count() > 3, "{name} shows something");
        let mut ids = std::collections::HashSet::new();
        for panel in list(&dashboard, "/panels") {
            assert!(ids.insert(panel["id"].to_string()), "{name}: {} has a number of its own", panel["id"]);
        }
        for panel in panels(&dashboard) {
            let title = text(panel, "/title");
            assert_eq!(lacks(panel), [""; 0], "{name}, {title}");
        }
    }
}

#[test]
fn prometheus_understands_every_expression() {
    let Some(promtool) = program("MLANGO_PROMTOOL") else { return };
    let mut rules = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in list(panel, "/targets") {
                let number = rules.len();
                let from = format!("{name}, {}", text(panel, "/title"));
                let expr = text(target, "/expr").replace("$__rate_interval", INTERVAL);
                rules.push(json!({ "record": format!("panel:{number}"), "expr": expr, "labels": { "from": from } }));
            }
        }
    }
    let folder = Folder::new("panels");
    let check = |rules: Vec<Value>| {
        // JSON is YAML too.
        let file = folder.write("rules.yml", &json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string());
        run(Command::new(&promtool).args(["check", "rules"]).arg(file))
    };
    let (succeeded, said) = check(rules);
    assert!(succeeded, "{said}");
    let (succeeded, said) = check(vec![json!({ "record": "panel:0", "expr": "sum(rate(x))" })]);
    assert!(!succeeded, "an expression that is none is found: {said}");
}

#[test]
fn what_is_provisioned_is_there() {
    let provider = read("deploy/grafana/provisioning/dashboards/mlango.yml");
    let compose = read("docker-compose.yml");
    let path = provider.lines().find_map(|line| line.trim().strip_prefix("path: ")).expect("where dashboards are");
    let mounted = format!("./deploy/grafana/dashboards:{path}:ro");
    assert!(compose.contains(&mounted), "docker-compose.yml shows the dashboards at {path}");
    let home = compose.lines().find_map(|line| line.trim().strip_prefix("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: "));
    let home = home.expect("one is the first page").strip_prefix(path).expect("it is one of ours");
    assert!(root().join(format!("deploy/grafana/dashboards{home}")).is_file(), "{home}");
}

#[test]
fn what_a_panel_lacks_is_found() {
    let whole = json!({
        "title": "t", "description": "d", "datasource": { "uid": "${datasource}" },
        "fieldConfig": { "defaults": { "unit": "s" } }, "targets": [{ "expr": "up" }],
    });
    assert_eq!(lacks(&whole), [""; 0]);
    for (pointer, worse) in [
        ("/title", json!("")),
        ("/description", json!("")),
        ("/fieldConfig/defaults/unit", json!(null)),
        ("/datasource/uid", json!("prometheus")),
        ("/targets", json!([])),
    ] {
        let mut panel = whole.clone();
        *panel.pointer_mut(pointer).expect("it is there") = worse;
        assert_eq!(lacks(&panel).len(), 1, "{pointer}");
    }
}
