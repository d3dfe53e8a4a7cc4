//! The server seen by clients that somebody else wrote: `radclient` of FreeRADIUS ([`radclient`]), the PAM module of
//! FreeRADIUS behind `pamtester` ([`pam`]), `eapol_test` of wpa_supplicant ([`eap`]), `radsecproxy`, which carries what
//! comes by UDP over TLS ([`radsecproxy`]), and `hostapd`, a NAS that takes our commands ([`hostapd`]).
//!
//! Each test says aloud that it is skipped when its program is missing; `./mlango test` installs them as root. What
//! the clients believe is what counts here: whether a packet is right is the business of the conformance suite.

mod eap;
mod hostapd;
mod pam;
mod radclient;
mod radsecproxy;

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Far longer than any of these programs takes for one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a program did.
struct Ran {
    succeeded: bool,
    /// What it printed, errors last.
    output: String,
}

/// The program that this variable names, or `None` after having said that the test is skipped.
fn program(variable: &str) -> Option<OsString> {
    let found = std::env::var_os(variable);
    if found.is_none() {
        println!("skipped: {variable} is not set, so its program is not installed");
    }
    found
}

/// Runs a program to its end.
async fn run(program: &OsStr, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().expect("piped");
    // One that ends without reading closes its end first.
    drop(stdin.write_all(input.as_bytes()).await);
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{} does not end", program.display())).expect("its own child");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ran { succeeded: output.status.success(), output: text }
}
