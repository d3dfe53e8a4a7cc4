//! A real Chromium, driven through its own driver, with a window as large as a phone.
//!
//! Pictures of what it shows are kept under `target/screenshots`, to be looked at by a person, and [`Axe`] judges the same
//! pages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::axe::devtools;
use super::{Axe, eventually};

/// Switches that keep Chromium from looking for anything outside this machine.
const SWITCHES: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A browser window. Chromium and its driver end with it.
pub struct Browser {
    /// The window.
    pub client: Client,
    driver: Child,
    profile: PathBuf,
    axe: Option<Axe>,
}

impl Browser {
    /// Opens a window of the size of a phone, or says that there is no Chromium here. Without `scripts`, pages run
    /// none.
    ///
    /// # Panics
    /// If Chromium is there and cannot be started.
    pub async fn open(scripts: bool) -> Option<Browser> {
        let (Some(chromium), Some(driver)) =
            (std::env::var_os("MLANGO_CHROMIUM"), std::env::var_os("MLANGO_CHROMEDRIVER"))
        else {
            println!("skipped: Chromium and its driver are not installed (MLANGO_CHROMIUM, MLANGO_CHROMEDRIVER)");
            return None;
        };
        let (driver, port) = start(&driver).await;
        let profile =
            std::env::temp_dir().join(format!("mlango-chromium-{:016x}", u64::from_be_bytes(shared::rng::bytes())));
        let mut switches: Vec<String> = SWITCHES.iter().map(ToString::to_string).collect();
        switches.push(format!("--user-data-dir={}", profile.display()));
        let javascript = if scripts { 1 } else { 2 };
        let mut capabilities = Capabilities::new();
        capabilities.insert(
            "goog:chromeOptions".into(),
            json!({ "binary": chromium.to_string_lossy(), "args": switches,
                    "prefs": { "profile.managed_default_content_settings.javascript": javascript } }),
        );
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        client.set_window_size(390, 844).await.expect("a window");
        let axe = if scripts {
            Axe::find()
        } else {
            println!("skipped: axe-core is a script itself, so it judges no page of a browser that runs none");
            None
        };
        Some(Browser { client, driver, profile, axe })
    }

    /// The text of the page.
    pub async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            // Between two pages there is none.
            Err(_) => String::new(),
        }
    }

    /// Waits until the page says something.
    pub async fn wait_for(&self, words: &str) {
        eventually(&format!("the page says {words:?}"), || async { self.text().await.contains(words).then_some(()) })
            .await;
    }

    /// Types into the field of that name, in place of what stands there.
    ///
    /// # Panics
    /// If there is no such field.
    pub async fn fill(&self, field: &str, value: &str) {
        let field = self.client.find(Locator::Css(&format!("[name=\"{field}\"]"))).await.expect("the field");
        field.clear().await.expect("it can be emptied");
        field.send_keys(value).await.expect("it can be typed into");
    }

    /// Presses the first thing that the selector finds.
    ///
    /// # Panics
    /// If it finds nothing.
    pub async fn press(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await;
        let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
        found.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// From now on it loads nothing from these addresses, in which `*` stands for anything.
    ///
    /// # Panics
    /// If Chromium does not take that.
    pub async fn block(&self, addresses: &[&str]) {
        devtools(&self.client, "Network.enable", json!({})).await;
        devtools(&self.client, "Network.setBlockedURLs", json!({ "urls": addresses })).await;
    }

    /// Goes to a page of the desk and keeps pictures of it, in a wide window and on a small phone, when it says these words and its
    /// charts are drawn.
    ///
    /// # Panics
    /// If axe finds a fault, or the page is wider than its window.
    pub async fn pictures(&self, page: &str, words: &str, name: &str) {
        for (width, size) in [(1100, ""), (320, "-small")] {
            self.client.set_window_size(width, 800).await.expect("the window has a size");
            self.client.goto(page).await.expect("the page is there");
            self.wait_for(words).await;
            self.wait_for_charts().await;
            let name = format!("{name}{size}");
            self.fits(&name).await;
            self.picture(&name).await;
        }
    }

    /// The page that is open is no wider than its window. For one that [`Self::pictures`] cannot go to by itself.
    ///
    /// # Panics
    /// If it is wider.
    pub async fn fits(&self, name: &str) {
        let beyond = "return document.documentElement.scrollWidth - window.innerWidth";
        let beyond = self.client.execute(beyond, Vec::new()).await.expect("its width is told");
        assert!(beyond.as_i64().is_some_and(|pixels| pixels <= 0), "{name}: {beyond} pixels wider than its window");
    }

    /// Waits until every chart of the page is drawn.
    pub async fn wait_for_charts(&self) {
        let left = "return document.querySelectorAll('[data-chart]:not([data-drawn])').length";
        eventually("all charts are drawn", || async {
            let left = self.client.execute(left, Vec::new()).await.ok()?;
            (left.as_u64() == Some(0)).then_some(())
        })
        .await;
    }

    /// Keeps a picture of the page, and has it judged by axe.
    ///
    /// # Panics
    /// If axe finds a fault.
    pub async fn picture(&self, name: &str) {
        let picture = self.client.screenshot().await.expect("a picture");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("written");
        if let Some(axe) = &self.axe {
            axe.judge(&self.client, name).await;
        }
    }

    /// Closes the window.
    pub async fn close(mut self) {
        // The driver ends Chromium; a window that is gone already is no failure of the test.
        drop(self.client.clone().close().await);
        drop(self.driver.kill().await);
        drop(std::fs::remove_dir_all(&self.profile));
    }
}

/// Starts the driver, and says on which port. It chooses one for IPv4 and ends if somebody has the same one for IPv6.
async fn start(program: &OsStr) -> (Child, u16) {
    for _ in 0..5 {
        let mut driver = Command::new(program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        if let Some(port) = port_of(&mut driver).await {
            return (driver, port);
        }
    }
    panic!("chromedriver ends without naming its port");
}

/// The port that the driver chose, from its greeting. `None`: it has ended.
async fn port_of(driver: &mut Child) -> Option<u16> {
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
    while let Some(line) = lines.next_line().await.expect("it can be read") {
        let port = line.rsplit("on port ").next().and_then(|rest| rest.trim_end_matches('.').parse().ok());
        if line.contains("started successfully")
            && let Some(port) = port
        {
            return Some(port);
        }
    }
    None
}
