//! kill -9 of radiusd: what was acknowledged is there, once, and usage is what the router last counted.
//!
//! `./mlango test` kills five times, `./mlango test --full` fifty.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::nas::{Delivery, Mac, Nas, ReportKind, Router};
use tests::world::{World, eventually};

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

const GUESTS: u8 = 20;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn no_acknowledged_record_is_lost_when_radiusd_is_killed() {
    let kills = if std::env::var_os("MLANGO_FULL").is_some() { 50 } else { 5 };
    let mut world = World::new().await;
    world.start_radiusd().await;
    // The same ports after each start, as in production.
    let (auth, acct) =
        (world.radiusd.as_ref().unwrap().address("auth"), world.radiusd.as_ref().unwrap().address("acct"));
    world.fix_radius_ports(&auth, &acct);
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("a-week", |p| p.device_limit = 100).await;
    world.grant(&package, "amina", "siri").await;
    for number in 0..GUESTS {
        assert!(router.login_pap(mac(number), "amina", "siri").await.is_accepted());
    }
    let (router, stop) = (Arc::new(router), Arc::new(AtomicBool::new(false)));
    let load = tokio::spawn(report_without_pause(Arc::clone(&router), Arc::clone(&stop)));
    for round in 0..kills {
        // At another moment of the work each time, with reports in every state.
        let wanted = acknowledged(&router) + 20 + round % 37;
        router
            .wait_for("reports are acknowledged", PATIENCE, move |r| r.journal().acknowledged().count() >= wanted)
            .await
            .unwrap();
        world.radiusd.take().unwrap().kill().await;
        world.start_radiusd().await;
    }
    stop.store(true, Ordering::SeqCst);
    load.await.unwrap();
    for number in 0..GUESTS {
        router.interim_now(mac(number));
    }
    router.wait_for("the last reports are acknowledged", PATIENCE, |r| r.journal().is_settled()).await.unwrap();
    check(&world, &router).await;
}

/// Every guest uses some data and the router reports it, over and over, with up to a hundred reports under way.
async fn report_without_pause(router: Arc<Nas>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        for number in 0..GUESTS {
            router.traffic(mac(number), 1000 + u64::from(number), 7000);
            router.interim_now(mac(number));
        }
        let few = |r: &Router| r.journal().entries().iter().rev().take(100).any(|e| e.delivery != Delivery::Pending);
        router.wait_for("there is room for more reports", PATIENCE, few).await.unwrap();
        tokio::task::yield_now().await;
    }
}

fn acknowledged(router: &Nas) -> usize {
    router.journal().iter().filter(|entry| entry.delivery == Delivery::Acknowledged).count()
}

/// Every acknowledged report is in the database, once, and usage is the maximum of what was counted.
async fn check(world: &World, router: &Nas) {
    let journal = router.journal();
    let mut expected: HashMap<String, (i64, i64)> = HashMap::new();
    for entry in journal.iter().filter(|e| e.delivery == Delivery::Acknowledged && e.kind != ReportKind::AccountingOn) {
        let usage = expected.entry(entry.session_id.clone()).or_default();
        usage.0 = usage.0.max(i64::try_from(entry.usage.up).unwrap());
        usage.1 = usage.1.max(i64::try_from(entry.usage.down).unwrap());
    }
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT acct_session_id, input_octets, output_octets FROM sessions
         UNION ALL SELECT acct_session_id, input_octets, output_octets FROM sessions_ended",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let stored: HashMap<String, (i64, i64)> = rows.iter().map(|(id, up, down)| (id.clone(), (*up, *down))).collect();
    assert_eq!(stored.len(), rows.len(), "a session stands twice");
    for (session, usage) in &expected {
        let row =
            stored.get(session).unwrap_or_else(|| panic!("acknowledged session {session} is not in the database"));
        assert!(row.0 >= usage.0 && row.1 >= usage.1, "{session}: stored {row:?}, acknowledged {usage:?}");
    }
    // The last reports were acknowledged, so what is stored is exactly what the router counted.
    let total: i64 = stored.values().map(|(up, down)| up + down).sum();
    let counted: i64 = expected.values().map(|(up, down)| up + down).sum();
    assert_eq!(total, counted);
    let used: i64 = sqlx::query_scalar("SELECT used_input_octets + used_output_octets FROM entitlements")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(used, total, "usage is counted once");
    eventually("the hours add up too", || async {
        let hourly: i64 = sqlx::query_scalar("SELECT sum(input_octets + output_octets)::bigint FROM usage_hourly")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (hourly == total).then_some(())
    })
    .await;
    println!("{} acknowledged reports, {} sessions, {total} octets", acknowledged(router), stored.len());
}
