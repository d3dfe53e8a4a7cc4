//! `load pages`: how soon a browser shows a guest's first page, and what it loads for that.
//!
//! Chromium opens the packages page as the router's redirect would have it opened, with a window as large as a phone. Each
//! time it is a new Chromium with a new profile and another device's address: nothing is cached, no connection is open, and
//! the guest is unknown. First over loopback as fast as it goes, then over the network of a phone at the edge of a cell
//! ([`Network`]), which Chromium imitates: it keeps back the head of each answer for a round trip, and passes on so many
//! octets a second. It does not slow down the making of a connection, and loses nothing.
//!
//! When something was first shown is told by the Paint Timing API, what was loaded by the Resource Timing API, of the same
//! page. A page that is not that of packages, or a file out of a cache, ends the run.

use std::path::PathBuf;
use std::time::Duration;

use ::tests::world::Browser;
use anyhow::{Context as _, ensure};
use axum::http::Method;
use clap::Args;
use fantoccini::Client;
use fantoccini::wd::WebDriverCompatibleCommand;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::config::Config;
use url::{ParseError, Url};

use crate::hotspot;
use crate::report::{short, write_facts};

/// Requests that the page may make, itself included.
const GOAL_REQUESTS: usize = 3;
/// Octets of all their bodies, as they are and as they come.
const GOAL_RAW: u64 = 40_000;
const GOAL_COMPRESSED: u64 = 12_000;
/// A new Chromium is busy with itself for so long.
const SETTLES: Duration = Duration::from_secs(1);
/// Between two looks whether something is shown, and how many there are at most.
const LOOK: (Duration, u32) = (Duration::from_millis(50), 600);

/// What the page says of itself.
const TIMES: &str = r#"
    const [page] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const loads = [page, ...performance.getEntriesByType("resource")].filter((load) => load.name.startsWith("http"));
    return {
        paint: paint ? paint.startTime : null,
        packages: document.querySelectorAll("button[name=package]").length,
        loads: loads.map((load) => ({
            name: load.name, raw: load.decodedBodySize, compressed: load.encodedBodySize, wire: load.transferSize,
        })),
    };
"#;

/// A browser that opens a guest's first page.
#[derive(Clone, Debug, Args)]
pub(crate) struct Pages {
    /// The portal's configuration: where PostgreSQL is.
    #[arg(long)]
    config: PathBuf,
    /// Where the portal is.
    #[arg(long)]
    portal: Url,
    /// How often the page is opened over each network.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    times: u32,
    /// Write what was found there, NAME=VALUE a line.
    #[arg(long)]
    facts: Option<PathBuf>,
}

/// What lies between the browser and the portal.
#[derive(Clone, Copy, Debug)]
struct Network {
    name: &'static str,
    /// What Chromium imitates: from a request to the first octet of its answer at least so long, and octets a second each way.
    slow: Option<(Duration, u32, u32)>,
}

const NETWORKS: [Network; 2] = [
    Network { name: "loopback", slow: None },
    Network { name: "1.6 Mbit/s, 300 ms", slow: Some((Duration::from_millis(300), 200_000, 96_000)) },
];

/// What the page has said.
#[derive(Debug, Deserialize)]
struct Times {
    /// Milliseconds from the navigation; nothing while nothing is shown.
    paint: Option<f64>,
    packages: usize,
    loads: Vec<Load>,
}

/// One file.
#[derive(Debug, Deserialize)]
struct Load {
    name: String,
    raw: u64,
    compressed: u64,
    wire: u64,
}

/// A command that only Chromium's driver knows.
#[derive(Debug)]
struct ChromiumCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for ChromiumCommand {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Pages {
    /// Opens the page, prints, writes.
    ///
    /// # Errors
    /// If there is no Chromium, or it is shown another page.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(self.measure())
    }

    async fn measure(&self) -> anyhow::Result<()> {
        let config = Config::load(&self.config)?;
        let db = hotspot::store(&config)?;
        let (mut number, mut found) = (0, Vec::new());
        hotspot::register(&db, 0, self.times * 2).await?;
        for network in NETWORKS {
            let mut times = Vec::new();
            for _ in 0..self.times {
                times.push(open(network, &hotspot::arrival(&self.portal, number)?).await?);
                number += 1;
            }
            found.push(Found::of(network, &times)?);
        }
        table(&found);
        let facts: Vec<(String, String)> = found.iter().flat_map(Found::facts).collect();
        self.facts.as_deref().map_or(Ok(()), |path| write_facts(path, &facts))
    }
}

/// Opens the page once, in a new browser.
async fn open(network: Network, page: &Url) -> anyhow::Result<Times> {
    let browser = Browser::open(true).await.context("Chromium and its driver are not installed")?;
    let times = look(&browser.client, network, page).await;
    browser.close().await;
    times
}

async fn look(client: &Client, network: Network, page: &Url) -> anyhow::Result<Times> {
    let screen = json!({ "width": 390, "height": 844, "deviceScaleFactor": 3, "mobile": true });
    let screen = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": screen });
    let screen = ChromiumCommand { path: "goog/cdp/execute", body: screen };
    client.issue_cmd(screen).await.context("Chromium does not take the screen of a phone")?;
    if let Some((latency, down, up)) = network.slow {
        let slow = json!({ "network_conditions": {
            "offline": false, "latency": latency.as_secs_f64() * 1e3, "download_throughput": down, "upload_throughput": up,
        } });
        let slow = ChromiumCommand { path: "chromium/network_conditions", body: slow };
        client.issue_cmd(slow).await.context("Chromium does not imitate a slow network")?;
    }
    tokio::time::sleep(SETTLES).await;
    client.goto(page.as_str()).await.context("the page does not open")?;
    for _ in 0..LOOK.1 {
        let said = client.execute(TIMES, Vec::new()).await.context("the page tells no times")?;
        let times: Times = serde_json::from_value(said).context("the page tells its times otherwise")?;
        if times.paint.is_some() {
            return Ok(times);
        }
        tokio::time::sleep(LOOK.0).await;
    }
    anyhow::bail!("Chromium has shown nothing within {:?}", LOOK.0 * LOOK.1)
}

/// What was found over one network.
#[derive(Debug)]
struct Found {
    network: Network,
    /// When something was first shown, milliseconds, the soonest first.
    paints: Vec<f64>,
    /// The most of any time.
    requests: usize,
    raw: u64,
    compressed: u64,
}

impl Found {
    fn of(network: Network, times: &[Times]) -> anyhow::Result<Found> {
        let mut found = Found { network, paints: Vec::new(), requests: 0, raw: 0, compressed: 0 };
        for times in times {
            ensure!(times.packages > 0, "the page that was shown offers no packages");
            for load in &times.loads {
                ensure!(load.wire > 0, "{} came out of a cache", load.name);
            }
            let sum = |of: fn(&Load) -> u64| times.loads.iter().map(of).sum::<u64>();
            found.paints.push(times.paint.context("nothing was shown")?);
            found.requests = found.requests.max(times.loads.len());
            found.raw = found.raw.max(sum(|load| load.raw));
            found.compressed = found.compressed.max(sum(|load| load.compressed));
        }
        found.paints.sort_by(f64::total_cmp);
        if let Some(times) = times.last() {
            for load in &times.loads {
                let path = Url::parse(&load.name).map_or_else(|_| load.name.clone(), |url| url.path().to_owned());
                println!("{}: {path}: {} octets, {} compressed", network.name, load.raw, load.compressed);
            }
        }
        Ok(found)
    }

    /// What this share of all, in hundredths, did not exceed.
    fn percentile(&self, share: usize) -> f64 {
        let index = (self.paints.len() * share).div_ceil(100).saturating_sub(1);
        self.paints.get(index).copied().unwrap_or(0.0)
    }

    fn facts(&self) -> Vec<(String, String)> {
        let goal = |found: u64, most: u64| {
            format!("goal {most} at most: {}", if found <= most { "reached" } else { "missed" })
        };
        let named = |name: String, value: String| (format!("{}: {name}", self.network.name), value);
        vec![
            named(
                format!("first contentful paint, p50 and p95 ms of {}", self.paints.len()),
                format!("{} and {}", short(self.percentile(50)), short(self.percentile(95))),
            ),
            named(
                format!("requests ({})", goal(self.requests as u64, GOAL_REQUESTS as u64)),
                self.requests.to_string(),
            ),
            named(format!("octets, raw ({})", goal(self.raw, GOAL_RAW)), self.raw.to_string()),
            named(
                format!("octets, compressed ({})", goal(self.compressed, GOAL_COMPRESSED)),
                self.compressed.to_string(),
            ),
        ]
    }
}

/// Prints a row for each network.
fn table(found: &[Found]) {
    println!(
        "{:<20}  {:>8}  {:>8}  {:>8}  {:>10}  {:>10}",
        "network", "p50 ms", "p95", "requests", "octets", "compressed"
    );
    for found in found {
        println!(
            "{:<20}  {:>8}  {:>8}  {:>8}  {:>10}  {:>10}",
            found.network.name,
            short(found.percentile(50)),
            short(found.percentile(95)),
            found.requests,
            found.raw,
            found.compressed
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(paint: f64, wire: u64) -> Times {
        let load = |name: &str, raw, compressed| Load { name: name.into(), raw, compressed, wire };
        let loads =
            vec![load("http://portal/h?mac=x", 6_000, 2_000), load("http://portal/static/1/a.css", 9_000, 3_000)];
        Times { paint: Some(paint), packages: 2, loads }
    }

    #[test]
    fn percentiles_are_those_of_the_loads_and_the_worst_weight_counts() {
        let loads: Vec<Times> = (1..=20).rev().map(|paint| times(f64::from(paint), 400)).collect();
        let found = Found::of(NETWORKS[0], &loads).expect("good loads");
        assert_eq!((found.percentile(50), found.percentile(95)), (10.0, 19.0));
        assert_eq!((found.requests, found.raw, found.compressed), (2, 15_000, 5_000));
        assert!(found.facts()[1].0.ends_with("(goal 3 at most: reached)"), "{:?}", found.facts());
    }

    #[test]
    fn a_warm_cache_or_another_page_does_not_count() {
        assert!(Found::of(NETWORKS[0], &[times(1.0, 0)]).is_err());
        assert!(Found::of(NETWORKS[0], &[Times { packages: 0, ..times(1.0, 400) }]).is_err());
    }
}
