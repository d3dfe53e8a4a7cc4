//! PostgreSQL dies, freezes, is locked, or cannot be reached while a router reports: reports are acknowledged from the spool, and
//! all of them are in the database, once, when it is back. Logins go on throughout.
//!
//! `./mlango test` keeps it away until some hundred reports were taken; `./mlango test --full` for a minute each time.

use std::time::Duration;

use sqlx::Connection as _;
use tests::world::{Cluster, Settings, World, eventually};

use crate::kill::start_on_fixed_ports;
use crate::reports::{Busy, mac};

/// Reports that are taken while PostgreSQL is away.
const MEANWHILE: usize = 200;

/// Waits until the spool is used, then until enough was taken by it.
async fn goes_on_without_it(world: &World, busy: &Busy) {
    let radiusd = world.radiusd.as_ref().unwrap();
    eventually("the spool is used", || async {
        (radiusd.metric("mlango_acct_spool_records").await >= 1.0).then_some(())
    })
    .await;
    let away = std::time::Instant::now();
    busy.acknowledges(MEANWHILE).await;
    assert!(busy.router.login_mac(mac(1)).await.is_accepted(), "a guest comes back");
    let minute = if std::env::var_os("MLANGO_FULL").is_some() { Duration::from_secs(60) } else { Duration::ZERO };
    while away.elapsed() < minute {
        busy.acknowledges(MEANWHILE).await;
    }
    assert!((radiusd.metric("mlango_radius_degraded_mode{component=\"accounting\"}").await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn reports_go_on_while_postgresql_cannot_be_reached() {
    let mut world = World::new().await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    busy.acknowledges(50).await;
    world.postgres.cut();
    goes_on_without_it(&world, &busy).await;
    world.postgres.mend();
    println!("{} acknowledged reports", busy.end(&world).await);
}

#[tokio::test]
async fn reports_go_on_while_the_network_to_postgresql_drops_everything_in_silence() {
    let mut world = World::new().await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    busy.acknowledges(50).await;
    world.postgres.hold();
    goes_on_without_it(&world, &busy).await;
    world.postgres.release();
    println!("{} acknowledged reports", busy.end(&world).await);
}

#[tokio::test]
async fn reports_go_on_while_somebody_locks_the_table() {
    let mut world = World::new().await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    busy.acknowledges(50).await;
    let mut lock = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    goes_on_without_it(&world, &busy).await;
    lock.rollback().await.unwrap();
    println!("{} acknowledged reports", busy.end(&world).await);
}

#[tokio::test]
async fn reports_survive_the_death_of_postgresql() {
    let mut cluster = Cluster::start().await;
    let mut world = World::with(Settings { server: Some(cluster.url()), ..Settings::default() }).await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    busy.acknowledges(50).await;
    cluster.kill().await;
    goes_on_without_it(&world, &busy).await;
    cluster.run().await;
    world.reconnect().await;
    println!("{} acknowledged reports", busy.end(&world).await);
}

#[tokio::test]
async fn reports_go_on_while_postgresql_is_frozen() {
    let cluster = Cluster::start().await;
    let mut world = World::with(Settings { server: Some(cluster.url()), ..Settings::default() }).await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    busy.acknowledges(50).await;
    cluster.freeze();
    goes_on_without_it(&world, &busy).await;
    cluster.thaw();
    println!("{} acknowledged reports", busy.end(&world).await);
}

#[tokio::test]
async fn what_is_in_the_spool_survives_the_death_of_radiusd_and_of_postgresql_at_once() {
    let mut cluster = Cluster::start().await;
    let mut world = World::with(Settings { server: Some(cluster.url()), ..Settings::default() }).await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    cluster.kill().await;
    goes_on_without_it(&world, &busy).await;
    world.radiusd.take().unwrap().kill().await;
    cluster.run().await;
    world.reconnect().await;
    world.start_radiusd().await;
    eventually("it takes up what was left in the spool", || async {
        world.radiusd.as_ref().unwrap().log().contains("records of before wait in the spool").then_some(())
    })
    .await;
    println!("{} acknowledged reports", busy.end(&world).await);
}

#[tokio::test]
async fn a_private_cluster_is_as_durable_as_in_production() {
    let cluster = Cluster::start().await;
    let mut connection = sqlx::PgConnection::connect(&cluster.url()).await.unwrap();
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SHOW {setting}")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(value, "on", "{setting}");
    }
}
