//! PostgreSQL or Redis is away: who still gets in, and what is not acknowledged meanwhile.

use std::time::Duration;

use tests::nas::{Delivery, Mac};
use tests::world::{World, eventually};

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

#[tokio::test]
async fn without_postgresql_a_known_customer_logs_in_and_nothing_is_acknowledged_that_is_not_safe() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |p| p.rules.device_limit = 5).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    router.wait_for("the first reports are safe", Duration::from_secs(20), |r| r.journal().is_settled()).await.unwrap();

    world.postgres.cut();
    let radiusd = world.radiusd.as_ref().unwrap();
    eventually("radiusd notices", || async {
        (radiusd.metric(r#"mlango_radius_degraded_mode{component="directory"}"#).await >= 1.0).then_some(())
    })
    .await;
    for number in 2..5 {
        assert!(router.login_pap(mac(number), "amina", "siri").await.is_accepted(), "device {number}");
    }
    assert!(router.login_mac(mac(1)).await.is_accepted(), "the device comes back by its MAC");
    let unknown = router.login_pap(mac(9), "juma", "x").await;
    assert_eq!(unknown.error().as_deref(), Some("We cannot check this login right now. Please try again in a minute."));
    let ready = reqwest::get(format!("http://{}/readyz", radiusd.address("admin"))).await.unwrap();
    assert!(ready.status().is_success(), "it answers logins, so it is ready");
    router
        .wait_for("the router gives its reports up", Duration::from_secs(20), |r| r.journal().is_settled())
        .await
        .unwrap();
    let acknowledged =
        |nas: &tests::nas::Nas| nas.journal().iter().filter(|e| e.delivery == Delivery::Acknowledged).count();
    let before = acknowledged(&router);

    world.postgres.mend();
    eventually("what was received meanwhile is recorded when PostgreSQL is back", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&world.pool).await.ok()?;
        (open >= 4).then_some(())
    })
    .await;
    eventually("the devices are written down", || async {
        let bound: i64 =
            sqlx::query_scalar("SELECT count(*) FROM entitlement_devices").fetch_one(&world.pool).await.ok()?;
        (bound == 4).then_some(())
    })
    .await;
    router.interim_now(mac(1));
    router
        .wait_for("reports are acknowledged again", Duration::from_secs(20), |r| r.journal().is_settled())
        .await
        .unwrap();
    assert!(acknowledged(&router) > before);
}

#[tokio::test]
async fn without_redis_a_known_customer_logs_in() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    world.redis.cut();
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    router
        .wait_for("accounting goes on", Duration::from_secs(20), |r| {
            r.journal().acknowledged().any(|entry| entry.mac == Some(mac(1)))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lost_connection_misses_no_change() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    for round in 0..5 {
        world.postgres.cut();
        let login = format!("guest{round}");
        world.grant(&package, &login, "pw").await;
        world.postgres.mend();
        let radiusd = world.radiusd.as_ref().unwrap();
        eventually("the change made in the gap is in memory", || async {
            (radiusd.metric("mlango_directory_entitlements").await >= f64::from(round + 1)).then_some(())
        })
        .await;
        assert!(router.login_pap(mac(round), &login, "pw").await.is_accepted());
    }
}
