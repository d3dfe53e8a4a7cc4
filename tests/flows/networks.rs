//! Routers that are registered together as a network: each is told to disconnect at its own address, because a
//! session remembers where its router reports from.

use std::net::Ipv4Addr;
use std::time::Duration;

use store::nas::Settings;
use tests::nas::{Mac, Nas, NasConfig};
use tests::world::{World, eventually};

const SECRET: &[u8] = b"one secret for the whole hill";

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

/// A router of the network with its address. All take commands at one port, as they do in the field.
async fn router(world: &World, last: u8, coa_port: u16) -> Nas {
    let radiusd = world.radiusd.as_ref().unwrap();
    let address = |key: &str| radiusd.address(key).parse().unwrap();
    let mut config = NasConfig::new(address("auth"), address("acct"), SECRET).unwrap();
    (config.bind, config.coa_port) = (Ipv4Addr::new(127, 1, 0, last), coa_port);
    config.identity = format!("hill-{last}");
    Nas::start(config).await.unwrap()
}

async fn online(router: &Nas, number: u8) {
    eventually("radiusd knows the network and the login", || async {
        router.login_pap(mac(number), "amina", "siri").await.is_accepted().then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_router_of_a_network_is_told_at_its_own_address() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let package = world.package("one-hour", |p| p.rules.device_limit = 9).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let first = router(&world, 1, 0).await;
    let second = router(&world, 2, first.coa_addr().port()).await;
    let settings = Settings {
        address: Some("127.1.0.0/24".parse().unwrap()),
        coa_port: Some(first.coa_addr().port()),
        ..Settings::default()
    };
    world.register("hill", SECRET, settings).await;
    online(&first, 1).await;
    online(&second, 2).await;
    let recorded: Vec<String> = eventually("both sessions are recorded with their addresses", || async {
        let recorded: Vec<String> = sqlx::query_scalar("SELECT host(nas_address) FROM sessions ORDER BY 1")
            .fetch_all(&world.pool)
            .await
            .ok()?;
        (recorded.len() == 2).then_some(recorded)
    })
    .await;
    assert_eq!(recorded, ["127.1.0.1", "127.1.0.2"]);

    // An operator ends one session: its router hears of it, and the other one does not.
    let second_phone = shared::mac::Mac([0x02, 0, 0, 0, 0, 2]);
    let open = store::session::open(&world.db, 10).await.unwrap();
    let session = open.iter().find(|session| session.mac == Some(second_phone)).unwrap();
    store::session::disconnect(&world.db, session.id, world.clock.now()).await.unwrap();
    second.wait_for("the second has cut it", Duration::from_secs(20), |r| r.sessions().count() == 0).await.unwrap();
    assert_eq!((second.stats().coa_acks, first.stats().coa_requests), (1, 0));

    // The time is over: the deadline reaches the other router too.
    sqlx::query("UPDATE entitlements SET starts_at = now() - interval '2 s', expires_at = now() WHERE id = $1")
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
    first.wait_for("the first has cut it", Duration::from_secs(20), |r| r.sessions().count() == 0).await.unwrap();
    assert_eq!((first.stats().coa_acks, second.stats().coa_requests), (1, 1));
    let proved: i64 = eventually("both cuts are proved", || async {
        let proved: i64 = sqlx::query_scalar("SELECT count(*) FROM nas_commands WHERE state = 'proved'")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (proved == 2).then_some(proved)
    })
    .await;
    assert_eq!(proved, 2);
    let kept: Vec<String> = sqlx::query_scalar("SELECT host(nas_address) FROM sessions_ended ORDER BY 1")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(kept, ["127.1.0.1", "127.1.0.2"], "the history keeps where a session was");
}
