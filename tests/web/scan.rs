//! Scanners that others wrote: wapiti looks for holes in the customers' pages and, signed in as an owner, in the desk, in a network of its own that
//! has nothing but loopback. First the same scan has to find the holes of a server that is full of them, or it would prove nothing.
//!
//! `scan.py` does it; `./mlango test` installs wapiti once, below `.mlango/scanner`. Without it, or without root, it is said that this is skipped,
//! but never in CI.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use shared::staff::Role;
use tests::world::binary;
use tests::world::lab::free_port;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::operator::EMAIL;
use crate::people::{Stage, arrival};

const MAC: &str = "02:00:00:00:00:01";
/// What is tried: what is reflected and kept, statements, files, commands, where a redirect leads, lines in headers, and what browsers are told.
const MODULES: &str = "xss,permanentxss,sql,file,exec,redirect,crlf,csp,http_headers,cookieflags";

/// What is found and is no hole: what the scanner calls it, a word of what it says, and why.
const ALLOWED: [(&str, &str, &str); 3] = [
    ("Secure Flag cookie", "mlango-", "the world's portal is asked by http; by https cookies are secure (sessions.rs)"),
    (
        "Cross Site Request Forgery",
        "CSRF token 'csrf' is not properly checked",
        "it is told of any two answers that look alike; forms.rs sends every form with another secret, and nothing is changed",
    ),
    ("Resource consumption", "timed out", "a machine with two cores has other work as well"),
];

/// A Python that has wapiti.
fn scanner() -> Option<OsString> {
    let python = std::env::var_os("MLANGO_WAPITI");
    if python.is_none() {
        assert!(
            std::env::var_os("MLANGO_CI").is_none(),
            "in CI there are root and an index of Python's packages: nothing is skipped"
        );
        println!(
            "skipped: there is no wapiti, or nobody may make a network for it; ./mlango test says which at its start"
        );
    }
    python
}

/// Runs scans of one server.
async fn run(python: &OsStr, settings: &Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/scan.py");
    let mut child = Command::new("unshare")
        .arg("-n")
        .arg(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(settings.to_string().as_bytes()).await.unwrap();
    drop(input);
    let ended = child.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// What a scan found: its name, what it says, and where.
fn findings(folder: &Path, name: &str) -> (u64, Vec<(String, String)>) {
    let report = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let mut found = Vec::new();
    for kind in ["vulnerabilities", "anomalies"] {
        for (what, all) in report[kind].as_object().unwrap() {
            for one in all.as_array().unwrap() {
                let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                found.push((what.clone(), format!("{} {}: {}", word("method"), word("path"), word("info"))));
            }
        }
    }
    (report["infos"]["crawled_pages_nbr"].as_u64().unwrap_or(0), found)
}

fn is_allowed((what, says): &(String, String)) -> bool {
    ALLOWED.iter().any(|(name, word, _)| what == name && says.contains(word))
}

fn folder(stage: &Stage) -> PathBuf {
    let folder = stage.world.config().with_file_name("scans");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn a_scanner_finds_the_holes_of_a_server_that_has_some_and_none_here() {
    let Some(python) = scanner() else { return };
    let mut stage = Stage::open().await;
    let folder = folder(&stage);
    let control = format!("http://127.0.0.1:{}/", free_port(std::net::Ipv4Addr::LOCALHOST));
    let settings = json!({
        "serve": null,
        "ready": control,
        "folder": folder,
        "scans": [{ "name": "control", "url": control, "starts": [], "cookie": "", "exclude": [], "modules": "xss,sql", "seconds": 15 }],
    });
    run(&python, &settings).await;
    let (_, holes) = findings(&folder, "control");
    for hole in ["Reflected Cross Site Scripting", "SQL Injection"] {
        assert!(
            holes.iter().any(|(what, _)| what == hole),
            "the scanner does not find what is there: {hole} in {holes:?}"
        );
    }

    let customer = stage.customer(MAC, "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let visit = stage.packages("02:00:00:00:00:02").await.visit();
    // The scanned portal is another process, in the scanner's network; sessions, orders and visits are those of this one.
    assert!(stage.world.portal.take().unwrap().stop().await);
    let portal = stage.web.portal.clone();
    let at = |path: &str| format!("{portal}{path}");
    let settings = json!({
        "serve": [binary("portal"), "--config", stage.world.config()],
        "ready": at("/healthz"),
        "folder": folder,
        "scans": [
            {
                "name": "customers",
                "url": at("/"),
                "starts": [
                    at(&arrival("02:00:00:00:00:03")),
                    at(&format!("/packages?visit={visit}")),
                    at(&format!("/account?visit={visit}")),
                    at("/account"),
                    at("/account/add"),
                    at("/privacy?lang=sw"),
                    at(&customer.order),
                    at(&format!("{}/receipt", customer.order)),
                    at(&format!("/v/{}", stage.codes[0])),
                ],
                "cookie": customer.cookie,
                "exclude": [at("/admin*"), at("/account/sign-out*"), at("/static/*"), at("/brand/*")],
                "modules": MODULES,
                "seconds": 30,
            },
            {
                "name": "desk",
                "url": at("/admin"),
                "starts": [at("/admin"), at("/admin/packages/new"), at("/admin/vouchers/new"), at("/admin/messages/texts")],
                "cookie": owner.cookie,
                // What would end the session that it scans with.
                "exclude": [at("/admin/sign-out*"), at("/admin/me*"), at("/admin/sign-in*"), at("/static/*")],
                "modules": format!("{MODULES},csrf"),
                "seconds": 40,
            },
        ],
    });
    run(&python, &settings).await;
    for (name, pages) in [("customers", 8), ("desk", 20)] {
        let (seen, found) = findings(&folder, name);
        assert!(seen >= pages, "{name}: the scanner has seen {seen} pages");
        let holes: Vec<_> = found.iter().filter(|finding| !is_allowed(finding)).collect();
        assert!(holes.is_empty(), "{name}: {holes:#?}");
    }
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('users') IS NOT NULL").fetch_one(&stage.world.pool).await.unwrap();
    assert!(there);
}

#[test]
fn what_is_allowed_is_named_and_nothing_else() {
    let finding = |what: &str, says: &str| (what.to_owned(), says.to_owned());
    assert!(is_allowed(&finding(
        "Secure Flag cookie",
        "GET /: Secure flag is not set in the cookie : mlango-language"
    )));
    assert!(!is_allowed(&finding("Secure Flag cookie", "GET /: Secure flag is not set in the cookie : other")));
    assert!(!is_allowed(&finding("SQL Injection", "GET /: mlango-")));
    assert!(ALLOWED.iter().all(|(_, _, reason)| reason.len() > 20), "each with a reason");
}
