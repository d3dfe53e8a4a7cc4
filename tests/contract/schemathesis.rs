//! The REST interface against its own description, by schemathesis: whatever the description allows is taken, whatever it forbids is
//! refused, and every answer is one that it tells of, with all checks that schemathesis has.
//!
//! It runs for a bounded time over an installation with something of each kind in it. What it may not find fault with stands in
//! `schemathesis.toml` beside this file, with why; `schemathesis_hooks.py` gives each request a key of its own. A description that is wrong on purpose shows that faults are found.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use shared::money::Money;
use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, settle};
use store::unmatched::{Payer, Reference, Told, Trust, match_confirmation};
use tests::world::World;
use tokio::process::Command;

use crate::configure;
use crate::fake::{self, script};

/// How long it may look for faults, seconds. With its start and its report it stays below a minute and a half.
const LOOKS_FOR: u32 = 70;
/// How long the one that must find something may look.
const CONTROL_LOOKS_FOR: u32 = 15;
/// Longest run in all.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running interface with something of each kind in it, and a token that may do everything.
struct Stage {
    world: World,
    token: String,
    /// Where it writes.
    folder: PathBuf,
}

impl Stage {
    async fn new(name: &str) -> Stage {
        let mut world = World::new().await;
        // It asks as fast as it can.
        configure(&world, "\n[api]\nrequests_per_minute = 100000\nwebhook_timeout_seconds = 1\n");
        fill(&world).await;
        world.start_portal().await;
        let made = world.portal_command(&["token", "create", "--name", "schemathesis", "--json"], "").await;
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let token = made["token"].as_str().expect("a token").to_owned();
        let folder = std::env::temp_dir().join(format!("mlango-schemathesis-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for it");
        Stage { world, token, folder }
    }

    fn base(&self) -> String {
        format!("{}/api/v1", self.world.portal_url())
    }

    /// The description that is served.
    async fn description(&self) -> Value {
        let answer = reqwest::get(format!("{}/openapi.json", self.base())).await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// Runs it against this description. Returns its report, and what it printed.
    async fn run(&self, python: &OsStr, description: &Value, seconds: u32, more: &[&str]) -> (Value, String) {
        let file = self.folder.join("openapi.json");
        std::fs::write(&file, description.to_string()).expect("the description is written");
        let mut command = Command::new(python);
        command
            .args(["-m", "schemathesis.cli", "--config-file"])
            .arg(script("schemathesis.toml"))
            .arg("run")
            .arg(&file);
        // As a header for every request it would also go with those that are to have none.
        command.args(["--url", &self.base()]).env("MLANGO_TOKEN", &self.token);
        command.args(["--checks", "all", "--max-examples", "8", "--max-time", &seconds.to_string()]);
        // The same cases each time: a fault that is found once is found again. One worker: two threads that parse at once are a fault of
        // CPython 3.11's own (its issue 106905).
        command.args(["--generation-deterministic", "--workers", "1", "--no-color", "--report", "json"]);
        command.arg("--report-dir").arg(&self.folder).args(more);
        // A module beside where it runs is found, however its interpreter was installed.
        let hooks = self.folder.join("schemathesis_hooks.py");
        std::fs::copy(script("schemathesis_hooks.py"), hooks).expect("its hooks are copied");
        command.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks");
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends");
        let output = output.expect("the interpreter that MLANGO_SCHEMATHESIS names starts");
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        (report(&self.folder).unwrap_or_else(|| panic!("there is no report: {said}")), said)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The report that it wrote.
fn report(folder: &Path) -> Option<Value> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_report = |path: &PathBuf| {
        path.file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.starts_with("json-") && name.ends_with(".json"))
    };
    let newest = files.filter(is_report).max()?;
    serde_json::from_str(&std::fs::read_to_string(newest).ok()?).ok()
}

/// Something of each kind: customers, sessions, a package that was sold, vouchers, money that waits, an outage, an alert.
async fn fill(world: &World) {
    world.register("edge", b"testing123", tests::world::at([10, 9, 9, 9])).await;
    world.portal_command(&["seed", "--customers", "5", "--sessions", "3", "--nas", "edge"], "").await;
    let now = world.clock.now();
    let package = world.package("1-hour", |_| {}).await;
    world.voucher(&package, &shared::voucher::new_code()).await;
    world.portal_command(&["discount", "add", "--name", "Happy hour", "--percent", "20"], "").await;
    let (phone, visit) = ("0712345678".parse().expect("a phone"), json!({}));
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac: Some("02:00:00:00:00:01".parse().expect("a MAC address")),
        visit: &visit,
        wish: Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let order = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, order, &new, now).await.expect("an order"));
    let payment = store::payment::begin(&world.db, order, "mpesa", now, now).await.expect("a payment");
    let evidence = Evidence { receipt: Some("ABCDE12345".into()), amount: None, charge: None };
    settle(&world.db, payment, &evidence, now).await.expect("it is paid");
    let told = Told {
        receipt: "RKTQDM7W6S".into(),
        amount: Money::kes(5_000),
        payer_name: "AMINA".into(),
        payer_number: String::new(),
        payer: Payer::Hidden,
        typed: "wifi".into(),
        reference: Reference::Other,
        paid_at: None,
    };
    match_confirmation(&world.db, &told, Trust::Reported, None, now).await.expect("money that waits");
    sqlx::query(
        "INSERT INTO outages (id, nas_id, started_at, ended_at, noticed_at)
         SELECT gen_random_uuid(), id, now() - interval '2 hours', now() - interval '1 hour', now() FROM nas WHERE name = 'edge'",
    )
    .execute(&world.pool)
    .await
    .expect("an outage");
    sqlx::query(
        "INSERT INTO alerts (id, kind, subject, title, severity, first_seen_at, last_seen_at, opened_at)
         VALUES (gen_random_uuid(), 'money_unmatched', 'all', 'money waits', 'warning', now(), now(), now())",
    )
    .execute(&world.pool)
    .await
    .expect("an alert");
}

#[tokio::test]
async fn the_interface_is_what_its_description_says() {
    let Some(python) = fake::program("MLANGO_SCHEMATHESIS") else { return };
    let stage = Stage::new("whole").await;
    let description = stage.description().await;
    let (report, said) = stage.run(&python, &description, LOOKS_FOR, &[]).await;
    let (cases, operations) = (&report["test_cases"], &report["operations"]);
    println!("schemathesis: {} cases over {} operations", cases["generated"], operations["tested"]);
    let nothing = json!([]);
    assert!(report["failures"] == nothing && report["errors"] == nothing, "{said}");
    assert_eq!(operations["tested"], operations["total"], "{said}");
    assert!(cases["generated"].as_u64().is_some_and(|cases| cases > 500), "{said}");
}

/// The control: a description that promises too much is found out.
#[tokio::test]
async fn a_description_that_is_wrong_is_found_out() {
    let Some(python) = fake::program("MLANGO_SCHEMATHESIS") else { return };
    let stage = Stage::new("control").await;
    let mut description = stage.description().await;
    description["components"]["parameters"]["Limit"]["schema"]["maximum"] = json!(100_000);
    let site = &mut description["components"]["schemas"]["Site"];
    site["required"].as_array_mut().expect("a list").push(json!("altitude"));
    let only = ["--include-operation-id", "listNas", "--include-operation-id", "addSite"];
    let (report, said) = stage.run(&python, &description, CONTROL_LOOKS_FOR, &only).await;
    let kinds: Vec<&str> =
        report["failures"].as_array().into_iter().flatten().filter_map(|one| one["type"].as_str()).collect();
    for kind in ["RejectedPositiveData", "JsonSchemaError"] {
        assert!(kinds.contains(&kind), "{kind} is not among {kinds:?}: {said}");
    }
}

/// Whoever changes a file beside the description's builder builds it anew.
#[tokio::test]
async fn the_description_is_what_its_sources_say() {
    let Some(python) = fake::program("MLANGO_SCHEMATHESIS") else { return };
    let builder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal/openapi/build.py");
    let mut command = Command::new(&python);
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").arg(builder).arg("--check").output().await;
    let output = output.expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
