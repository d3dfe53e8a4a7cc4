//! Upgrades and their way back, as far as the schema goes: programs refuse one that they cannot work with, and say what to do;
//! what stood in the old one is there in the new one; and a program may be started on a newer one that has only grown.

use serde_json::Value;
use tests::world::{Settings, World, released};

/// What a shop of the release before has, in its own words: nothing of today's code writes them.
const SHOP: [&str; 11] = [
    "INSERT INTO sites (id, name, created_at) VALUES ('00000000-0000-7000-8000-000000000001', 'Market', now())",
    "INSERT INTO users (id, phone, name, created_at)
     VALUES ('00000000-0000-7000-8000-000000000002', '+254712345678', 'Amina', now())",
    "INSERT INTO packages (id, slug, name, price_minor, currency, duration_seconds, created_at)
     VALUES ('00000000-0000-7000-8000-000000000003', 'hour', '1 hour', 2000, 'KES', 3600, now())",
    "INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, mac, state, paid_at, created_at, updated_at)
     VALUES ('00000000-0000-7000-8000-000000000004', 'AB2CD3EF', '00000000-0000-7000-8000-000000000002', '+254712345678',
             '00000000-0000-7000-8000-000000000003', '{\"name\": \"1 hour\"}', 2000, 'KES', '02:00:00:00:00:01', 'paid', now(), now(), now())",
    "INSERT INTO entitlements (id, user_id, package_id, order_id, package_name, starts, duration_seconds, device_limit, created_at)
     VALUES ('00000000-0000-7000-8000-000000000005', '00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000003',
             '00000000-0000-7000-8000-000000000004', '1 hour', 'first_login', 3600, 1, now())",
    "INSERT INTO payments (id, order_id, provider, amount_minor, currency, receipt, state, created_at, updated_at)
     VALUES ('00000000-0000-7000-8000-000000000006', '00000000-0000-7000-8000-000000000004', 'mpesa', 2000, 'KES', 'RKTQDM7W6S', 'succeeded',
             now(), now())",
    "INSERT INTO payment_events (id, provider, payment_id, body, received_at, processed_at, outcome)
     VALUES ('00000000-0000-7000-8000-000000000007', 'mpesa', '00000000-0000-7000-8000-000000000006', '{}', now(), now(), 'accepted')",
    "WITH booked AS (INSERT INTO ledger_transactions (id, key, order_id, description, posted_at)
         VALUES ('00000000-0000-7000-8000-000000000008', 'payment:6', '00000000-0000-7000-8000-000000000004', 'sale', now()) RETURNING id)
     INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
     SELECT gen_random_uuid(), b.id, a.id, CASE a.code WHEN 'mpesa' THEN 2000 ELSE -2000 END, 'KES'
     FROM booked b, ledger_accounts a WHERE a.code IN ('mpesa', 'sales')",
    "INSERT INTO notifications (id, user_id, template, state, expires_at, created_at, sent_at)
     VALUES (gen_random_uuid(), '00000000-0000-7000-8000-000000000002', 'ended', 'sent', now(), now(), now())",
    "INSERT INTO sessions_ended (id, opened_on, nas_id, entitlement_id, user_name, mac, acct_session_id, started_at, last_heard_at, ended_at)
     VALUES (gen_random_uuid(), current_date, gen_random_uuid(), '00000000-0000-7000-8000-000000000005', 'AB2CD3EF',
             '02:00:00:00:00:01', '80100001', now(), now(), now())",
    "INSERT INTO admin_logs (at, actor, action, object, hash) VALUES (now(), 'command line', 'package.add', 'hour', '')",
];
const TABLES: [&str; 13] = [
    "sites",
    "users",
    "packages",
    "orders",
    "entitlements",
    "entitlement_usage",
    "payments",
    "payment_events",
    "ledger_transactions",
    "ledger_entries",
    "notifications",
    "sessions_ended",
    "admin_logs",
];

/// All rows of a table.
async fn rows(world: &World, table: &str) -> Vec<Value> {
    let query = format!("SELECT to_jsonb(t) FROM {table} t");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&world.pool).await.unwrap()
}

/// How many rows of a table have all that this one had.
async fn kept(world: &World, table: &str, row: &Value) -> i64 {
    let query = format!("SELECT count(*) FROM {table} t WHERE to_jsonb(t) @> $1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(row).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn the_schema_of_the_release_before_is_refused_until_it_is_migrated_and_loses_nothing() {
    let mut world = World::with(Settings { schema: Some(released()), ..Settings::default() }).await;
    for statement in SHOP {
        sqlx::query(statement).execute(&world.pool).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let mut before = Vec::new();
    for table in TABLES {
        let rows = rows(&world, table).await;
        assert!(!rows.is_empty(), "{table} has something to lose");
        before.extend(rows.into_iter().map(|row| (table, row)));
    }

    let said = [
        world.radiusd_refuses().await,
        world.check_radiusd().await.1,
        world.portal_refuses(&["serve"], "").await,
        world.portal_refuses(&["package", "list"], "").await,
        world.portal_refuses(&["migrate", "--check"], "").await,
    ];
    for said in said {
        assert!(said.contains("the database lacks") && said.contains("run `portal migrate`"), "{said}");
    }
    let migrated = world.portal_command(&["migrate"], "").await;
    assert!(migrated.contains("migration(s) applied"), "{migrated}");
    for (table, row) in &before {
        assert_eq!(kept(&world, table, row).await, 1, "{table}: {row}");
    }
    world.start_radiusd().await;
    world.start_portal().await;
    assert!(world.portal_command(&["package", "list"], "").await.contains("1 hour"));
}

/// Writes down that a newer version has migrated the database.
async fn as_if_newer(world: &World) {
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (29990101000000, 'of a newer version', true, '\\x00', 0)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_program_runs_on_a_newer_schema_as_long_as_that_has_only_grown() {
    let mut world = World::new().await;
    world.package("one-hour", |_| {}).await;
    as_if_newer(&world).await;
    // The way back: the older programs are started again.
    world.start_radiusd().await;
    world.start_portal().await;
    let answer =
        reqwest::get(format!("http://{}/readyz", world.portal.as_ref().unwrap().address("metrics"))).await.unwrap();
    assert!(answer.status().is_success(), "guests are sent to it");
    assert!(
        world.portal_command(&["migrate"], "").await.contains("up to date already"),
        "nothing is missing of its own"
    );
    assert!(world.portal_command(&["migrate", "--check"], "").await.contains("newer than this version"));
    world.portal.take().unwrap().kill().await;
    world.radiusd.take().unwrap().kill().await;

    // A later release takes something away that these programs read.
    sqlx::query("UPDATE schema_floor SET version = 29990101000000").execute(&world.pool).await.unwrap();
    let said = [
        world.radiusd_refuses().await,
        world.portal_refuses(&["serve"], "").await,
        world.portal_refuses(&["migrate"], "").await,
    ];
    for said in said {
        assert!(said.contains("migrated by a newer version of Mlango"), "{said}");
    }
}

#[tokio::test]
async fn a_newer_schema_that_lacks_one_of_ours_is_refused() {
    let world = World::new().await;
    as_if_newer(&world).await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = $1").bind(released()).execute(&world.pool).await.unwrap();
    assert!(world.portal_refuses(&["package", "list"], "").await.contains("newer version"));
}
