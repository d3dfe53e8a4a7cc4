//! One of the real programs, as a process that can be asked, killed and started again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::eventually;

/// A running program. It is killed when this is dropped.
pub struct Program {
    name: &'static str,
    child: Child,
    /// Where it listens, as it says itself.
    pub ready: serde_json::Value,
    log: PathBuf,
}

impl Program {
    pub(super) async fn start(name: &'static str, config: &Path, directory: &Path) -> Program {
        let number = u32::from_be_bytes(shared::rng::bytes());
        let (ready_file, log) =
            (directory.join(format!("{name}-{number:08x}.ready")), directory.join(format!("{name}-{number:08x}.log")));
        let output = std::fs::File::create(&log).expect("a log file");
        let errors = output.try_clone().expect("a second handle");
        let child = Command::new(binary(name))
            .arg("--config")
            .arg(config)
            .env("MLANGO_READY_FILE", &ready_file)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): ./mlango test builds it first"));
        let mut program = Program { name, child, ready: serde_json::Value::Null, log };
        program.ready = eventually(&format!("{name} is ready"), || {
            let ready = std::fs::read(&ready_file).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let ended = program.child.try_wait().expect("its own child");
            assert!(ended.is_none(), "{name} ended at its start: {}", program.log());
            async { ready }
        })
        .await;
        program
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The address it listens on under that name.
    pub fn address(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap_or_else(|| panic!("{} says nothing of {key}", self.name)).to_owned()
    }

    /// The text of its metrics.
    pub async fn metrics(&self) -> String {
        let key = if self.name == "radiusd" { "admin" } else { "metrics" };
        let answer = reqwest::get(format!("http://{}/metrics", self.address(key))).await.expect("the port answers");
        answer.text().await.expect("text")
    }

    /// The value of one metric with its labels as they are printed; 0 if it is not there yet.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Ends it at once, as a power cut would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("its own child");
    }

    /// Asks it to stop, and returns whether it ended well.
    pub async fn stop(mut self) -> bool {
        let pid = self.pid().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill is there");
        assert!(told.success(), "no such process");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.expect("it stops in time");
        ended.expect("its own child").success()
    }
}

/// Runs a program to its end, and returns whether it ended well and all that it said.
pub(super) async fn outcome(name: &str, config: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(binary(name));
    let ended = command.arg("--config").arg(config).args(arguments).stdin(Stdio::null()).output().await;
    let output =
        ended.unwrap_or_else(|error| panic!("{name} cannot be started ({error}): ./mlango test builds it first"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A program of the workspace, built beside the test itself.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/test");
    target.join(name)
}

/// Runs a program to its end and returns its output, or its complaint if it failed.
pub(super) async fn command(name: &str, config: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(binary(name))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): ./mlango test builds it first"));
    let mut stdin = child.stdin.take().expect("piped");
    // One that refuses its arguments ends before it reads; its complaint says more than that.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("its own child");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).expect("text"))
}
