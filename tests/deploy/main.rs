//! What operators install, read and tried by the programs that will read it: nginx ([`nginx`]), Prometheus ([`prometheus`]),
//! Grafana's dashboards ([`grafana`]), Alertmanager ([`alertmanager`]), systemd ([`systemd`]), Docker ([`compose`]), the shell
//! ([`shell`]), the tunnel's list of routers ([`wireguard`]), and cargo-deny, which judges what is built in ([`dependencies`]).
//!
//! `./mlango test` installs these programs (`deploy/launcher/tools.bash`). A test whose program is missing says so and passes, but
//! fails where `MLANGO_CI` is set. That names agree between rules, dashboards and documents needs no program: the drift test has it.

mod alertmanager;
mod compose;
mod dependencies;
mod grafana;
mod nginx;
mod prometheus;
mod shell;
mod systemd;
mod wireguard;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that this variable names, or `None` after having said that the test is skipped.
fn program(variable: &str) -> Option<OsString> {
    let found = std::env::var_os(variable);
    assert!(
        found.is_some() || std::env::var_os("MLANGO_CI").is_none(),
        "{variable} is not set, and nothing is skipped where a change is judged; ./mlango test says at its start what could not be installed"
    );
    if found.is_none() {
        println!("skipped: {variable} is not set, so its program is not installed");
    }
    found
}

/// Runs a program to its end. Returns whether it succeeded, and what it said, errors last.
fn run(command: &mut Command) -> (bool, String) {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    (ended.status.success(), said)
}

/// The same for a program that must succeed. Returns what it said.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let (succeeded, said) = run(command);
    assert!(succeeded, "{command:?} fails:\n{said}");
    said
}

/// The top of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests package is a folder of the checkout").to_owned()
}

/// A file of the checkout.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files of a folder of the checkout whose names end so, in order.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.retain(|file| file.is_file() && file.to_string_lossy().ends_with(end));
    files.sort();
    files
}

/// A folder of a test's own, which is gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("mlango-deploy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder in the temporary place");
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file of this name. Returns where it is.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
