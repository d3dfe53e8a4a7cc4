//! `portal doctor` names what was broken for real: settings of PostgreSQL, files, routers, the schema, the configuration; and is
//! silent about it once it is put right.

use std::os::unix::fs::PermissionsExt as _;

use tests::world::{Cluster, Settings, Verdicts, World, eventually};

/// The verdict on one thing.
fn verdict<'v>(verdicts: &'v Verdicts, name: &str) -> &'v str {
    verdicts.get(name).unwrap_or_else(|| panic!("nothing is said of {name}: {verdicts:?}"))
}

/// Each of these has this verdict.
fn all_are(verdicts: &Verdicts, expected: &str, names: &[&str]) {
    for name in names {
        assert_eq!(verdict(verdicts, name), expected, "{name}");
    }
}

fn close(world: &World, mode: u32) {
    let key = world.config().with_file_name("seal.key");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Sets PostgreSQL otherwise, as a whole; only a server of the test's own may be.
async fn set(world: &World, setting: &str, value: &str) {
    let statement = format!("ALTER SYSTEM SET {setting} = {value}");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&world.pool).await.unwrap();
    sqlx::query("SELECT pg_reload_conf()").execute(&world.pool).await.unwrap();
    eventually("PostgreSQL has read its settings again", || async {
        let now: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&world.pool).await.ok()?;
        (now == value).then_some(())
    })
    .await;
}

/// The database's own setting, which every new connection has.
async fn confirm_early(world: &World, value: &str) {
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&world.pool).await.unwrap();
    let statement = format!("ALTER DATABASE {name} SET synchronous_commit = {value}");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn what_is_broken_is_named_and_what_is_mended_is_not() {
    let cluster = Cluster::start().await;
    let mut world = World::with(Settings { server: Some(cluster.url()), ..Settings::default() }).await;
    set(&world, "fsync", "off").await;
    confirm_early(&world, "off").await;
    close(&world, 0o644);
    let settings = store::nas::Settings {
        require_message_authenticator: Some(store::nas::Requirement::No),
        ..tests::world::at([10, 50, 0, 1])
    };
    world.register("kiosk", b"secret", settings).await;

    let (is_well, found) = world.doctor().await;
    assert!(!is_well);
    let broken = [
        "database-fsync",
        "database-commits",
        "seal-key-file",
        "routers-secrets",
        "routers-seen",
        "public-url",
        "public-url-address",
        "shop",
        "radiusd",
    ];
    all_are(&found, "problem", &broken);
    all_are(&found, "note", &["routers-signing", "routers-login-pages", "messages", "payments"]);
    all_are(&found, "ok", &["config", "seal-key", "redis", "database", "database-schema", "database-pages"]);
    let text = world.portal_refuses(&["doctor"], "").await;
    assert!(text.contains("problem(s) were found"), "{text}");

    set(&world, "fsync", "on").await;
    confirm_early(&world, "on").await;
    close(&world, 0o600);
    store::nas::remove(&world.db, "kiosk").await.unwrap();
    world.package("one-hour", |_| {}).await;
    world.portal_command(&["admin", "create", "--email", "a@example.org", "--password-stdin"], "a long password").await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;
    assert!(!router.login_mac(tests::nas::Mac([2, 0, 0, 0, 0, 1])).await.is_accepted(), "it is heard");
    let found = eventually("the router was heard", || async {
        let (_, found) = world.doctor().await;
        (verdict(&found, "routers-seen") == "ok").then_some(found)
    })
    .await;
    let mended = [
        "database-fsync",
        "database-commits",
        "seal-key-file",
        "routers-secrets",
        "shop",
        "radiusd",
        "radiusd-version",
    ];
    all_are(&found, "ok", &mended);
    all_are(&found, "ok", &["radiusd-database", "radiusd-reports", "routers-signing", "routers-login-pages"]);
    assert_ne!(verdict(&found, "public-url"), "problem", "all guests are on this machine");
}

#[tokio::test]
async fn another_schema_and_another_key_are_told() {
    let world = World::new().await;
    world.register("cafe", b"a secret that is long enough", tests::world::at([10, 50, 0, 1])).await;
    let key = world.config().with_file_name("seal.key");
    let right = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, hex::encode(shared::rng::bytes::<32>())).unwrap();
    assert_eq!(verdict(&world.doctor().await.1, "database"), "problem", "the router's secret does not open");
    std::fs::write(&key, right).unwrap();
    assert_eq!(verdict(&world.doctor().await.1, "database"), "ok");

    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .execute(&world.pool)
        .await
        .unwrap();
    let (_, found) = world.doctor().await;
    assert_eq!(verdict(&found, "database-schema"), "problem");
    assert!(!found.contains_key("shop"), "tables of another schema are not looked into: {found:?}");
}

#[tokio::test]
async fn a_server_that_is_away_and_a_configuration_that_is_wrong_are_told() {
    let world = World::new().await;
    world.postgres.cut();
    let (is_well, found) = world.doctor().await;
    assert!(!is_well);
    assert_eq!(verdict(&found, "database"), "problem");
    assert_eq!(verdict(&found, "redis"), "ok", "the rest is looked at all the same");
    world.postgres.mend();

    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace("interim_seconds", "intrim_seconds")).unwrap();
    let (is_well, found) = world.doctor().await;
    assert!(!is_well);
    assert_eq!((found.len(), verdict(&found, "config")), (1, "problem"));
}
