//! The machine is lost, and comes back from its backup: the real scripts with the real pgBackRest, on a small database.
//!
//! ```text
//!  full backup ─ writes ─ archived ─ writes ─ kill -9, data directory gone ─ restore ─ drill ─ damage ─ drill fails and says what
//! ```
//!
//! `MLANGO_PGBACKREST` names the program. Where it is not set the test says so and passes; in CI, which sets `MLANGO_CI`, it fails, so
//! that restoring is never left out where a change is judged.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use shared::money::Money;
use shared::time::OffsetDateTime;
use store::admin::Audit;
use store::backup::Kind;
use store::drill;
use store::order::NewOrder;
use store::package::Package;
use store::settlement::{Evidence, Settled, settle};
use tests::world::{Cluster, Settings, World, binary, eventually};
use tokio::process::Command;

const SCRIPTS: [&str; 3] = ["common.bash", "backup.bash", "drill.bash"];

/// Whether pgBackRest is here.
fn is_possible() -> bool {
    let is_here = std::env::var_os("MLANGO_PGBACKREST").is_some();
    if !is_here {
        assert!(std::env::var_os("MLANGO_CI").is_none(), "CI must restore a backup: MLANGO_PGBACKREST is not set");
        println!("skipped: pgBackRest is not installed (MLANGO_PGBACKREST is not set), so no backup was restored");
    }
    is_here
}

/// The folder of pgBackRest's configuration, its repository, and copies of the scripts and of the portal: all of it belongs to the
/// user of the server, who may have no way to the checkout.
struct Safe {
    folder: PathBuf,
    database: String,
}

impl Drop for Safe {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Safe {
    async fn new(cluster: &Cluster, world: &World) -> Safe {
        let name = format!("mlango_safe_{:016x}", u64::from_be_bytes(shared::rng::bytes()));
        let folder = std::env::temp_dir().join(name);
        for part in ["etc", "repo", "log"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/backup");
        for script in SCRIPTS {
            std::fs::copy(scripts.join(script), folder.join(script)).unwrap();
        }
        std::fs::copy(binary("portal"), folder.join("portal")).unwrap();
        std::fs::copy(world.config().with_file_name("seal.key"), folder.join("seal.key")).unwrap();
        let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&world.pool).await.unwrap();
        let safe = Safe { folder, database };
        safe.write_settings(cluster, &scripts);
        let given = Command::new("chown").arg("-R").arg(owner(cluster)).arg(&safe.folder).status().await.unwrap();
        assert!(given.success());
        safe
    }

    /// The template of deploy/backup with this test's places, and a configuration of the portal that goes straight to the server.
    fn write_settings(&self, cluster: &Cluster, scripts: &Path) {
        let (folder, data) = (self.folder.display(), cluster.data());
        let socket = data.parent().unwrap().display();
        let lines = [
            ("repo1-path=", format!("{folder}/repo")),
            ("lock-path=", format!("{folder}/lock")),
            ("log-path=", format!("{folder}/log")),
            ("pg1-path=", data.display().to_string()),
            ("pg1-socket-path=", socket.to_string()),
        ];
        let template = std::fs::read_to_string(scripts.join("pgbackrest.conf")).unwrap();
        let line = |line: &str| match lines.iter().find(|(key, _)| line.starts_with(key)) {
            Some((key, value)) => format!("{key}{value}\n"),
            None => format!("{line}\n"),
        };
        // Its last section is the cluster's; whoever runs the test need not be a role of that name.
        let text = template.lines().map(line).collect::<String>() + "pg1-user=postgres\n";
        std::fs::write(self.folder.join("etc/pgbackrest.conf"), text).unwrap();
        let url = cluster.url().replace("///postgres?", &format!("///{}?", self.database));
        let text = format!(
            "[database]\nwrite = \"{url}\"\n\n[redis]\nurl = \"redis+unix:///nonexistent/redis.sock\"\n\n\
             [secrets]\nseal_key_file = \"{folder}/seal.key\"\n"
        );
        std::fs::write(self.folder.join("mlango.toml"), text).unwrap();
    }

    fn command(&self, cluster: &Cluster, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = cluster.command(program);
        command
            .env("MLANGO_BACKUP_CONFIG", self.folder.join("etc/pgbackrest.conf"))
            .env("MLANGO_BACKUP_DATABASE", &self.database)
            .env("MLANGO_BACKUP_ROLE", "postgres")
            .env("MLANGO_BACKUP_PORTAL", self.folder.join("portal"))
            .env("MLANGO_CONFIG", self.folder.join("mlango.toml"))
            .env("MLANGO_DRILL_HOME", self.folder.join("drill"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a script, and returns whether it ended well and all that it said.
    async fn outcome(&self, cluster: &Cluster, script: &str, arguments: &[&str]) -> (bool, String) {
        let mut command = self.command(cluster, "bash");
        let output = command.arg(self.folder.join(script)).args(arguments).output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    async fn run(&self, cluster: &Cluster, script: &str, arguments: &[&str]) -> String {
        let (is_good, said) = self.outcome(cluster, script, arguments).await;
        assert!(is_good, "{script} {arguments:?}: {said}");
        said
    }

    /// A line of shell as the server's user.
    async fn shell(&self, cluster: &Cluster, line: &str) -> String {
        let output = self.command(cluster, "sh").arg("-c").arg(line).output().await.unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The user and group of the server, as chown takes them.
fn owner(cluster: &Cluster) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::metadata(cluster.data()).unwrap();
    format!("{}:{}", data.uid(), data.gid())
}

/// A server that archives as `backup.bash settings` says, an empty repository that it reaches, and a world in it.
async fn start() -> (Cluster, World, Safe) {
    let mut cluster = Cluster::start().await;
    let world = World::with(Settings { server: Some(cluster.url()), ..Settings::default() }).await;
    let safe = Safe::new(&cluster, &world).await;
    let settings = safe.run(&cluster, "backup.bash", &["settings"]).await;
    std::fs::write(safe.folder.join("settings"), settings).unwrap();
    let (from, to) = (safe.folder.join("settings"), cluster.data().join("postgresql.conf"));
    safe.shell(&cluster, &format!("cat {} >> {}", from.display(), to.display())).await;
    cluster.kill().await;
    cluster.run().await;
    world.reconnect().await;
    safe.run(&cluster, "backup.bash", &["init"]).await;
    (cluster, world, safe)
}

/// Somebody buys a package, and somebody at the desk does something. Returns when the last of it was acknowledged.
async fn work(world: &World, package: &Package, numbers: std::ops::Range<u32>) -> OffsetDateTime {
    for number in numbers {
        let now = world.clock.now();
        let phone = format!("07123{number:05}").parse().unwrap();
        let new = NewOrder {
            phone: &phone,
            package,
            nas_id: None,
            mac: None,
            visit: &serde_json::json!({}),
            wish: store::order::Wish::New,
            site: None,
            code: None,
            language: Default::default(),
        };
        let order = shared::rng::id(now);
        assert!(store::order::place_once(&world.db, order, &new, now).await.unwrap());
        let payment = store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap();
        // Every fifth pays too little.
        let amount = if number % 5 == 0 { Money::kes(500) } else { Money::kes(2_000) };
        let evidence = Evidence { receipt: Some(format!("RK{number:08}")), amount: Some(amount), charge: None };
        let settled = settle(&world.db, payment, &evidence, now).await.unwrap();
        assert_eq!(matches!(settled, Settled::Granted { .. }), number % 5 != 0);
        let line = Audit { actor: "test", action: "backup.test", object: &number.to_string(), address: None };
        store::admin::audit(&world.db, &line, now).await.unwrap();
    }
    world.clock.now()
}

/// Ends the segment of WAL, and waits until it is in the repository.
async fn archive(world: &World) {
    let segment: String =
        sqlx::query_scalar("SELECT pg_walfile_name(pg_switch_wal())").fetch_one(&world.pool).await.unwrap();
    eventually("the segment is archived", || async {
        // Names of one timeline are ordered, and a new timeline's are greater.
        sqlx::query("SELECT FROM pg_stat_archiver WHERE last_archived_wal >= $1 AND last_archived_wal NOT LIKE '%.%'")
            .bind(&segment)
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
}

async fn paid(world: &World) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM payments WHERE state = 'succeeded'), (SELECT count(*) FROM ledger_transactions),
                (SELECT count(*) FROM admin_logs WHERE action = 'backup.test')",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

/// The disk is gone; what comes back is in the same place. Returns how long that took.
async fn lose_and_restore(cluster: &mut Cluster, world: &World, safe: &Safe) -> std::time::Duration {
    cluster.kill().await;
    let data = cluster.data().display().to_string();
    safe.shell(cluster, &format!("rm -rf {data} && mkdir -m 700 {data}")).await;
    let began = Instant::now();
    // What is said here goes into restore_command, which the server runs without our environment.
    let etc = safe.folder.join("etc");
    let (config, include) = (etc.join("pgbackrest.conf"), etc.join("conf.d"));
    let places = format!("--config={} --config-include-path={}", config.display(), include.display());
    safe.shell(cluster, &format!("pgbackrest {places} --stanza=mlango restore")).await;
    cluster.run().await;
    world.reconnect().await;
    eventually("the server has recovered", || async {
        sqlx::query("SELECT WHERE NOT pg_is_in_recovery()").fetch_optional(&world.pool).await.ok()?
    })
    .await;
    began.elapsed()
}

/// What nobody can do without switching the database's own guards off.
async fn tamper(world: &World, statements: &[&'static str]) {
    let mut tx = world.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
    for statement in statements {
        let changed = sqlx::query(*statement).execute(&mut *tx).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{statement}");
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_lost_machine_comes_back_from_its_backup() {
    if !is_possible() {
        return;
    }
    let (mut cluster, mut world, safe) = start().await;
    let package = world.package("one-hour", |_| {}).await;
    work(&world, &package, 0..20).await;
    safe.run(&cluster, "backup.bash", &["full"]).await;
    work(&world, &package, 20..30).await;
    safe.run(&cluster, "backup.bash", &["daily"]).await;
    work(&world, &package, 30..40).await;
    archive(&world).await;
    let last = work(&world, &package, 40..45).await;

    let took = lose_and_restore(&mut cluster, &world, &safe).await;
    let (payments, booked, lines) = paid(&world).await;
    // Each payment's line comes after it, and WAL ends somewhere.
    let is_whole = payments >= 40 && payments == booked && (payments - 1..=payments).contains(&lines);
    assert!(is_whole, "{payments} payments, {booked} booked, {lines} lines");
    let found = drill::examine(&world.db).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(found.books.len(), 1);
    let lost = last - found.newest.expect("something came back");
    println!(
        "RTO {} ms; of 45 acknowledged payments {} came back; RPO {} ms",
        took.as_millis(),
        payments,
        lost.whole_milliseconds()
    );

    archive(&world).await;
    let said = safe.run(&cluster, "drill.bash", &[]).await;
    assert!(said.contains("The drill passed") && said.contains("all in order"), "{said}");
    let newest = store::backup::newest(&world.db).await.unwrap();
    // The first two were made before the machine was lost, and are known because they came back.
    assert!(newest.good(Kind::Full).is_some_and(|run| run.size > Some(100_000)), "{newest:?}");
    assert!(newest.good(Kind::Diff).is_some(), "{newest:?}");
    let drill = newest.good(Kind::Drill).expect("it is written down");
    assert!(drill.would_have_lost().is_some_and(|lost| lost.as_secs() < 300), "{drill:?}");
    let portal = world.start_portal().await;
    eventually("the metrics tell of it", || async {
        (portal.metric("mlango_restore_drill_last_result").await > 0.5
            && portal.metric("mlango_backup_size_bytes{kind=\"full\"}").await > 100_000.0
            && portal.metric("mlango_backup_last_success_timestamp_seconds{kind=\"wal\"}").await > 0.0)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_drill_says_what_is_wrong() {
    if !is_possible() {
        return;
    }
    let (cluster, world, safe) = start().await;
    let package = world.package("one-hour", |_| {}).await;
    let (is_good, said) = safe.outcome(&cluster, "drill.bash", &[]).await;
    assert!(!is_good && said.contains("There is no backup"), "{said}");
    work(&world, &package, 1..10).await;
    safe.run(&cluster, "backup.bash", &["full"]).await;
    safe.run(&cluster, "backup.bash", &["verify"]).await;

    tamper(
        &world,
        &[
            "UPDATE ledger_entries SET amount_minor = amount_minor + 5 WHERE id = (SELECT max(id::text)::uuid FROM ledger_entries)",
            "DELETE FROM admin_logs WHERE action = 'backup.test' AND object = '5'",
            "DELETE FROM entitlements WHERE order_id = (SELECT order_id FROM payments WHERE receipt = 'RK00000007')",
        ],
    )
    .await;
    archive(&world).await;
    let (is_good, said) = safe.outcome(&cluster, "drill.bash", &[]).await;
    assert!(!is_good, "{said}");
    for words in
        ["does not balance: 5 KES too much", "the audit log is broken at line", "was sold 1 times and granted 0 times"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let newest = store::backup::newest(&world.db).await.unwrap();
    let drill = newest.last(Kind::Drill).expect("a failure is written down too");
    assert!(!drill.ok && drill.detail.contains("the audit log is broken"), "{drill:?}");
    let left = std::fs::read_dir(safe.folder.join("drill"))
        .unwrap()
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name() == "scratch"));
    assert_eq!(left.count(), 0, "nothing is left of the scratch cluster");

    let cipher = safe.folder.join("etc/conf.d/cipher.conf").display().to_string();
    safe.shell(&cluster, &format!("sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=another/' {cipher}")).await;
    for (script, arguments) in [("drill.bash", &[] as &[&str]), ("backup.bash", &["full"] as &[&str])] {
        let (is_good, said) = safe.outcome(&cluster, script, arguments).await;
        assert!(!is_good && said.contains("cannot be read with the pass phrase"), "{script}: {said}");
    }
    safe.shell(&cluster, &format!("chmod 644 {cipher}")).await;
    let (is_good, said) = safe.outcome(&cluster, "drill.bash", &[]).await;
    assert!(!is_good && said.contains("can be read by others"), "{said}");
}

#[tokio::test]
async fn lines_that_were_written_at_once_are_an_unbroken_audit_log() {
    let world = World::new().await;
    let now = world.clock.now();
    let write = |number: usize| {
        let world = &world;
        async move {
            let line = Audit { actor: "test", action: "backup.test", object: &number.to_string(), address: None };
            store::admin::audit(&world.db, &line, now).await.unwrap();
        }
    };
    futures::future::join_all((0..60).map(write)).await;
    let found = drill::examine(&world.db).await.unwrap();
    assert_eq!((found.rows("admin_logs"), found.problems), (60, Vec::new()));
    // What is cut off breaks no chain, and shows all the same.
    for statement in [
        "ALTER TABLE admin_logs DISABLE TRIGGER USER",
        "DELETE FROM admin_logs WHERE id > 55",
        "ALTER TABLE admin_logs ENABLE TRIGGER USER",
    ] {
        sqlx::query(statement).execute(&world.pool).await.unwrap();
    }
    let problems = drill::examine(&world.db).await.unwrap().problems;
    assert!(problems.len() == 1 && problems[0].contains("ends with line 55, and its head says 60"), "{problems:?}");
}
