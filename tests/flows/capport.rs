//! The captive-portal API (RFC 8908): a device asks by its own address what it has.

use std::time::Duration;

use store::accounting::{self, Report, SessionKey};
use tests::world::{World, first_report};

async fn ask(world: &World, router: &str, from: &str) -> (u16, String, serde_json::Value) {
    let answer = reqwest::Client::new()
        .get(format!("{}/capport/{router}", world.portal_url()))
        // The test stands where a proxy on this machine does.
        .header("x-forwarded-for", from)
        .send()
        .await
        .unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_device_is_told_what_it_has_left_and_where_more_is() {
    let mut world = World::new().await;
    world.start_portal().await;
    let now = world.clock.now();
    let settings = store::nas::Settings {
        address: Some("10.60.0.1/32".parse().unwrap()),
        hotspot_hosts: Some(&["10.5.50.1".to_owned()]),
        ..Default::default()
    };
    let nas = world.register("cafe", b"secret", settings).await;
    let package = world.package("one-hour", |p| p.rules.quota_octets = Some(1_000_000)).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    // What its login has noted.
    sqlx::query("INSERT INTO entitlement_devices (entitlement_id, mac, bound_at) VALUES ($1, '02:00:00:00:60:01', $2)")
        .bind(entitlement)
        .bind(now)
        .execute(&world.pool)
        .await
        .unwrap();
    let session = SessionKey { id: shared::rng::id(now), opened_on: now.date() };
    let report = Report {
        session,
        entitlement: Some(entitlement),
        framed_ip: Some("10.5.50.9".parse().unwrap()),
        mac: Some("02:00:00:00:60:01".parse().unwrap()),
        output_octets: 400_000,
        seconds: 60,
        ..first_report(nas, now - Duration::from_secs(60))
    };
    accounting::record(&world.db, &[report], now).await.unwrap();

    let (status, kind, online) = ask(&world, "cafe", "10.5.50.9").await;
    assert_eq!((status, kind.as_str()), (200, "application/captive+json"));
    assert_eq!((&online["captive"], &online["can-extend-session"]), (&false.into(), &true.into()));
    assert_eq!(online["bytes-remaining"], 600_000);
    let left = online["seconds-remaining"].as_u64().expect("it ends");
    assert!((3400..=3600).contains(&left), "{online}");
    let portal = online["user-portal-url"].as_str().unwrap();
    let page = reqwest::get(portal).await.unwrap().text().await.unwrap();
    assert!(page.contains("You still have"), "more is bought there: {page}");

    let (status, _, stranger) = ask(&world, "cafe", "10.5.50.10").await;
    assert_eq!((status, &stranger["captive"]), (200, &true.into()));
    assert_eq!(stranger["user-portal-url"], "http://10.5.50.1/login");
    assert!(stranger.get("seconds-remaining").is_none(), "{stranger}");
    assert_eq!(ask(&world, "cafe", "10.60.0.1").await.0, 404, "behind the router's own address nobody is told apart");
    assert_eq!(ask(&world, "elsewhere", "10.5.50.9").await.0, 404);
}
