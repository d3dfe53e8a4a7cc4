//! The scripts that set routers up, held against RouterOS: routeros-lsp knows its grammar, how variables live in a file that is imported,
//! and the menus, commands and parameters of a RouterOS 7.21.4, which it asked a router for. It runs nothing and needs none.
//!
//! What 6.49 spells otherwise, and what a virtual router does not have, stands in our scripts as strings that are read on the router
//! ([`portal::onboarding::Script`]); of those the grammar counts, and not the list.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use portal::onboarding::{Plan, Script, Section, Settings, Tunnel, Version, render};
use serde_json::Value;
use tokio::process::Command;

/// What it says of files, and whether they pass.
#[derive(Debug)]
struct Verdict {
    passes: bool,
    findings: Vec<Value>,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("mlango-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the scripts");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(format!("{name}.rsc")), text).expect("the script is written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Holds the scripts of a folder, or one, against RouterOS. `strict`: what is not in its list is wrong too.
async fn judge(python: &OsStr, path: &Path, strict: bool) -> Verdict {
    let mut command = Command::new(python);
    command.args(["-m", "routeros_lsp", "check", "--format", "json"]);
    if strict {
        command.arg("--strict");
    }
    let output = command.arg(path).output().await.expect("the interpreter that MLANGO_ROUTEROS_LSP names starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    let findings = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("routeros-lsp: {complaint}"));
    Verdict { passes: output.status.success(), findings }
}

fn plan(version: Version, behind_tunnel: bool, guests: bool, sections: impl IntoIterator<Item = Section>) -> Plan {
    Plan {
        version,
        interface: "bridge hs".into(),
        dns_name: if guests { String::new() } else { "login.example.net".into() },
        guests: guests.then(|| "10.5.50.0/24".parse().expect("a network")),
        sections: sections.into_iter().collect(),
        behind_tunnel,
        check_certificate: guests,
    }
}

fn settings(plan: Plan, radius: &[&str], garden: &[&str]) -> Settings {
    let list = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
    let tunnel = Tunnel {
        address: "10.99.0.7".parse().expect("an address"),
        network: "10.99.0.0/16".parse().expect("a network"),
        ours: "10.99.0.1".parse().expect("an address"),
        public_key: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=".into(),
        endpoint: "vpn.example.net".into(),
        port: 51_820,
    };
    Settings {
        identity: "Café \"1\"; $x {[( \\ ?".into(),
        secret: "a-secret_of-43-letters".into(),
        rest_password: plan.has(Section::Rest).then(|| "another_secret".into()),
        radius: list(radius),
        auth_port: 1812,
        acct_port: 1813,
        coa_port: 3799,
        tunnel: plan.behind_tunnel.then_some(tunnel),
        ntp: list(&["time.cloudflare.com", "pool.ntp.org"]),
        time_zone: "Africa/Nairobi".into(),
        garden: list(garden),
        portal: "https://wifi.example.net".into(),
        capport: Some("https://wifi.example.net/capport/Caf%C3%A9".into()),
        report: "https://wifi.example.net/r/token/report".into(),
        plan,
    }
}

/// A script for each of many settings.
fn scripts() -> Vec<Script> {
    let mut scripts = Vec::new();
    let places = [(Version::V7, true), (Version::V7, false), (Version::V6, false)];
    let radius: [&[&str]; 2] = [&["10.99.0.1"], &["radius.example.net", "192.0.2.7"]];
    let gardens: [&[&str]; 3] =
        [&["wifi.example.net"], &["192.0.2.1"], &["wifi.example.net", "*.stripe.com", "192.0.2.1"]];
    for (version, behind_tunnel) in places {
        for guests in [true, false] {
            for radius in radius {
                for garden in gardens {
                    let plan = plan(version, behind_tunnel, guests, Section::ALL);
                    scripts.push(settings(plan, radius, garden));
                }
            }
        }
        // Each section alone, and none.
        for section in Section::ALL.into_iter().map(Some).chain([None]) {
            let plan = plan(version, behind_tunnel, true, section);
            scripts.push(settings(plan, radius[0], gardens[0]));
        }
    }
    let render = |settings: &Settings| render(settings).unwrap_or_else(|fault| panic!("{:?}: {fault}", settings.plan));
    scripts.iter().map(render).collect()
}

#[tokio::test]
async fn scripts_for_many_settings_are_what_routeros_reads() {
    let Some(python) = crate::fake::program("MLANGO_ROUTEROS_LSP") else { return };
    let (whole, deferred) = (Folder::new("scripts"), Folder::new("deferred"));
    let scripts = scripts();
    for (number, script) in scripts.iter().enumerate() {
        whole.write(&format!("{number:03}"), &script.text);
        for (place, command) in script.deferred.iter().enumerate() {
            deferred.write(&format!("{number:03}-{place}"), command);
        }
    }
    let verdict = judge(&python, &whole.0, true).await;
    assert!(verdict.passes && verdict.findings.is_empty(), "{:#?}", verdict.findings);
    let verdict = judge(&python, &deferred.0, false).await;
    let errors: Vec<&Value> = verdict.findings.iter().filter(|finding| finding["severity"] == "error").collect();
    assert!(verdict.passes && errors.is_empty(), "{errors:#?}");
    assert!(scripts.len() > 50, "{}", scripts.len());
}

/// Where a wrong script passes, one that passes proves nothing.
#[tokio::test]
async fn a_script_with_one_mistake_does_not_pass() {
    let Some(python) = crate::fake::program("MLANGO_ROUTEROS_LSP") else { return };
    let folder = Folder::new("mistakes");
    let script = scripts().swap_remove(0).text;
    for (name, right, wrong) in [
        ("parameter", "accounting-port=", "acounting-port="),
        ("menu", "/ip hotspot walled-garden ip add", "/ip hotspot walledgarden ip add"),
        ("bracket", "do={ /radius add", "do={ /radius add ["),
        ("string", "set name=\"", "set name=\"\""),
    ] {
        assert!(script.contains(right), "{right}");
        folder.write(name, &script.replacen(right, wrong, 1));
        let verdict = judge(&python, &folder.0.join(format!("{name}.rsc")), true).await;
        assert!(!verdict.passes && !verdict.findings.is_empty(), "{name}");
    }
}

/// An example of a whole provisioning script, by somebody else: what it sets, ours sets. Its own fault, variables that do not live on from
/// one line of an imported file to the next, is seen, and ours do not have it.
#[tokio::test]
async fn what_the_example_sets_is_set() {
    let Some(example) = crate::fake::document("../routeros/provision-v7.rsc") else { return };
    let text = std::fs::read_to_string(&example).expect("the example");
    let ours = scripts().swap_remove(0).text;
    let verbs = ["add", "set", "fetch", "get", "find"];
    for line in
        text.lines().map(str::trim).filter(|line| line.starts_with('/') && !line.starts_with("/interface bridge"))
    {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !verbs.contains(word)).collect();
        let menu = words.join(" ");
        assert!(ours.contains(&menu), "{menu}");
    }
    let Some(python) = crate::fake::program("MLANGO_ROUTEROS_LSP") else { return };
    let verdict = judge(&python, &example, false).await;
    let rules: Vec<&Value> = verdict.findings.iter().map(|finding| &finding["rule"]).collect();
    assert!(rules.iter().any(|rule| **rule == "vars/local-out-of-scope"), "{rules:?}");
}
