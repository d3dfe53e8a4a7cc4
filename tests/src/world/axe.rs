//! axe-core in the page of a browser test: the machine's half of WCAG 2.2 AA.
//!
//! Every page of which [`super::Browser`] keeps a picture is held against it, light and dark, in its own window and as wide
//! as the smallest phone. `./mlango test` installs axe (`MLANGO_AXE`, its axe.min.js); without it the pages are not
//! judged, and it is said. A driver's script is not the page's own, so the page's policy stays in force and hinders
//! nothing. Nothing here judges what only people can: order, wording, whether a screen reader makes sense of it.

use std::fmt;

use axum::http::Method;
use fantoccini::Client;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// Colours and widths in which a page is judged; without a width, the window as it is. Then whether it must fit.
const VIEWS: [(&str, Option<u32>); 4] = [("light", None), ("dark", None), ("light", Some(320)), ("dark", Some(320))];

/// A page may be on its way to the next one (it was paid just now): so often is the one that came judged instead.
const ATTEMPTS: usize = 10;

const RUN: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        resultTypes: ['violations'],
    }).then((found) => done({
        beyond: document.documentElement.scrollWidth - window.innerWidth,
        passes: found.passes.length,
        violations: found.violations.map((rule) => ({
            id: rule.id,
            help: rule.help,
            nodes: rule.nodes.map((node) => ({ target: node.target.join(' '), summary: node.failureSummary })),
        })),
    }), (error) => done({ error: String(error) }));";

/// axe, as it was found.
pub struct Axe(String);

/// Something that axe found wrong with a page.
pub struct Violation {
    /// The rule's name, as in axe's documentation.
    pub rule: String,
    text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What axe says of one view of a page.
struct Verdict {
    violations: Vec<Violation>,
    /// Pixels by which the page is wider than its window.
    beyond: i64,
}

impl Axe {
    /// Reads it, or says that it is not here.
    ///
    /// # Panics
    /// If it was promised and cannot be read.
    pub fn find() -> Option<Axe> {
        let Some(file) = std::env::var_os("MLANGO_AXE") else {
            println!("skipped: axe-core is not installed (MLANGO_AXE), so no page is judged for accessibility");
            return None;
        };
        Some(Axe(std::fs::read_to_string(file).expect("MLANGO_AXE can be read")))
    }

    /// Holds the page against every rule, in every view.
    ///
    /// # Panics
    /// If a rule is violated, or the page has to be scrolled sideways on a small phone.
    pub async fn judge(&self, client: &Client, name: &str) {
        let mut wrong = Vec::new();
        for (scheme, width) in VIEWS {
            look(client, scheme, width).await;
            let verdict = self.ask(client, name).await;
            let view = width.map_or_else(|| scheme.to_owned(), |width| format!("{scheme}, {width} px"));
            wrong.extend(verdict.violations.iter().map(|violation| format!("{name} ({view}): {violation}")));
            if width.is_some() && verdict.beyond > 0 {
                wrong.push(format!("{name} ({view}): {} pixels wider than the window", verdict.beyond));
            }
        }
        look_as_before(client).await;
        assert!(wrong.is_empty(), "axe finds {} faults:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// What is wrong with the page as it is shown now.
    pub async fn violations(&self, client: &Client) -> Vec<Violation> {
        self.ask(client, "the page").await.violations
    }

    async fn ask(&self, client: &Client, name: &str) -> Verdict {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.run(client).await {
                Ok(found) if found["passes"].as_u64().is_some_and(|passes| passes > 0) => return verdict(&found),
                Ok(other) => last = other.to_string(),
                Err(error) => last = error.to_string(),
            }
        }
        panic!("{name}: axe could not be run: {last}");
    }

    async fn run(&self, client: &Client) -> Result<Value, CmdError> {
        // Large, and it stays as long as the page does.
        if client.execute("return typeof axe === 'object'", Vec::new()).await? != Value::Bool(true) {
            client.execute(&self.0, Vec::new()).await?;
        }
        client.execute_async(RUN, Vec::new()).await
    }
}

fn verdict(found: &Value) -> Verdict {
    let mut violations = Vec::new();
    for rule in found["violations"].as_array().into_iter().flatten() {
        let id = rule["id"].as_str().unwrap_or_default();
        let mut text = format!("{id}: {}", rule["help"].as_str().unwrap_or_default());
        for node in rule["nodes"].as_array().into_iter().flatten() {
            let summary = node["summary"].as_str().unwrap_or_default().replace('\n', "\n        ");
            text.push_str(&format!("\n    {}\n        {summary}", node["target"].as_str().unwrap_or_default()));
        }
        violations.push(Violation { rule: id.to_owned(), text });
    }
    Verdict { violations, beyond: found["beyond"].as_i64().unwrap_or(i64::MAX) }
}

async fn look(client: &Client, scheme: &str, width: Option<u32>) {
    let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
    devtools(client, "Emulation.setEmulatedMedia", json!({ "features": features })).await;
    match width {
        Some(width) => {
            let metrics = json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": false });
            devtools(client, "Emulation.setDeviceMetricsOverride", metrics).await;
        }
        None => devtools(client, "Emulation.clearDeviceMetricsOverride", json!({})).await,
    }
}

async fn look_as_before(client: &Client) {
    devtools(client, "Emulation.setEmulatedMedia", json!({ "features": [] })).await;
    devtools(client, "Emulation.clearDeviceMetricsOverride", json!({})).await;
}

/// Gives Chromium a command of its own protocol.
pub(super) async fn devtools(client: &Client, command: &'static str, params: Value) {
    let answer = client.issue_cmd(DevTools { command, params }).await;
    answer.unwrap_or_else(|error| panic!("{command}: {error}"));
}

/// A command of Chromium's own protocol, by way of its driver.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    params: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/goog/cdp/execute", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.command, "params": self.params }).to_string()))
    }
}
