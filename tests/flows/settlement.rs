//! Paid money becomes access exactly once: the store's promise, under a hundred at once and against odd amounts.

use shared::money::Money;
use store::order::NewOrder;
use store::settlement::{Evidence, Settled, settle};
use tests::world::World;
use uuid::Uuid;

async fn paying(world: &World) -> Uuid {
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let phone = "0712345678".parse().unwrap();
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        visit: &serde_json::json!({}),
        wish: store::order::Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let order = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, order, &new, now).await.unwrap());
    store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap()
}

async fn booked(world: &World) -> Vec<(String, i64)> {
    sqlx::query_as(
        "SELECT a.code, sum(e.amount_minor)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         GROUP BY a.code ORDER BY a.code",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap()
}

async fn grants(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM entitlements").fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_hundred_reports_of_one_payment_are_one_grant() {
    let world = World::new().await;
    let payment = paying(&world).await;
    let evidence = Evidence { receipt: Some("ABCDE12345".into()), amount: Some(Money::kes(2_000)), charge: None };
    let attempts = (0..100).map(|_| settle(&world.db, payment, &evidence, world.clock.now()));
    let settled = futures::future::join_all(attempts).await;
    let granted = settled.iter().filter(|s| matches!(s, Ok(Settled::Granted { .. }))).count();
    let already = settled.iter().filter(|s| matches!(s, Ok(Settled::Already))).count();
    assert_eq!((granted, already), (1, 99));
    assert_eq!(grants(&world).await, 1);
    assert_eq!(booked(&world).await, [("mpesa".to_owned(), 2_000), ("sales".to_owned(), -2_000)]);
}

#[tokio::test]
async fn another_amount_is_owed_to_the_customer() {
    let world = World::new().await;
    let payment = paying(&world).await;
    let evidence = Evidence { receipt: Some("ABCDE12345".into()), amount: Some(Money::kes(1_000)), charge: None };
    assert_eq!(settle(&world.db, payment, &evidence, world.clock.now()).await.unwrap(), Settled::RefundDue);
    assert_eq!(grants(&world).await, 0);
    assert_eq!(booked(&world).await, [("mpesa".to_owned(), 1_000), ("refunds_due".to_owned(), -1_000)]);
}

#[tokio::test]
async fn one_receipt_pays_for_one_order_only() {
    let world = World::new().await;
    let evidence = Evidence { receipt: Some("ABCDE12345".into()), amount: Some(Money::kes(2_000)), charge: None };
    let first = paying(&world).await;
    assert!(matches!(settle(&world.db, first, &evidence, world.clock.now()).await.unwrap(), Settled::Granted { .. }));
    let second = paying(&world).await;
    let refused = settle(&world.db, second, &evidence, world.clock.now()).await.unwrap_err();
    assert!(refused.to_string().contains("already belongs to another payment"), "{refused}");
    assert_eq!(grants(&world).await, 1);
}

#[tokio::test]
async fn the_database_itself_refuses_what_must_not_be() {
    let world = World::new().await;
    let payment = paying(&world).await;
    settle(&world.db, payment, &Evidence::default(), world.clock.now()).await.unwrap();
    for (statement, what) in [
        ("UPDATE ledger_entries SET amount_minor = 1", "append-only"),
        ("DELETE FROM ledger_transactions", "append-only"),
        (
            "INSERT INTO ledger_entries SELECT gen_random_uuid(), transaction_id, account_id, 5, 'KES' FROM ledger_entries LIMIT 1",
            "does not balance",
        ),
        ("UPDATE entitlement_usage SET input_octets = -1", "violates check"),
        (
            "INSERT INTO entitlements SELECT gen_random_uuid(), user_id, package_id, order_id, package_name, starts, duration_seconds, quota_octets, up_bps, down_bps, device_limit, idle_timeout_seconds, starts_at, expires_at, 0, 0, 0, state, created_at, quota_seconds, hours FROM entitlements",
            "duplicate key",
        ),
        ("UPDATE orders SET paid_at = NULL", "violates check"),
    ] {
        let refused = sqlx::query(statement).execute(&world.pool).await.unwrap_err().to_string();
        assert!(refused.contains(what), "{statement}: {refused}");
    }
    store::admin::audit(
        &world.db,
        &store::admin::Audit { actor: "a", action: "b", object: "c", address: None },
        world.clock.now(),
    )
    .await
    .unwrap();
    let refused = sqlx::query("DELETE FROM admin_logs").execute(&world.pool).await.unwrap_err().to_string();
    assert!(refused.contains("append-only"), "{refused}");
}
