//! Who guesses passwords and codes has to wait, and nobody else does.

use std::time::Duration;

use store::accounting::{self, Event, Report, SessionKey};
use store::security;
use tests::nas::{Mac, Nas, NasConfig};
use tests::world::{World, eventually, first_report};

const LOCKED: &str = "There were too many wrong tries. Please wait some minutes, or ask the staff.";

fn mac(number: u8) -> Mac {
    Mac([0, 0, 0, 0, 0x0f, number])
}

async fn guess(router: &Nas, mac: Mac, name: &str, times: u32) {
    for _ in 0..times {
        let refused = router.login_pap(mac, name, "wrong").await;
        assert!(!refused.is_accepted());
    }
}

async fn refused(router: &Nas, mac: Mac, name: &str, password: &str) -> Option<String> {
    router.login_pap(mac, name, password).await.error()
}

async fn logged(world: &World) -> Vec<String> {
    sqlx::query_scalar("SELECT kind FROM security_events ORDER BY kind").fetch_all(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_device_that_guesses_is_locked_at_every_server_and_others_get_in() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let mut config = None;
    let router = world.router("cafe", |settings| config = Some(settings.clone())).await;
    let package = world.package("one-day", |p| p.rules.device_limit = 5).await;
    world.grant(&package, "amina", "siri").await;
    guess(&router, mac(1), "amina", 10).await;
    assert_eq!(refused(&router, mac(1), "amina", "siri").await.as_deref(), Some(LOCKED), "though it is right");
    assert!(router.login_pap(mac(2), "amina", "siri").await.is_accepted(), "the name is not locked");
    eventually("it stands in the security log", || async {
        (logged(&world).await == ["device_locked", "login_locked"]).then_some(())
    })
    .await;
    let shown: Option<String> = sqlx::query_scalar("SELECT user_name FROM security_events WHERE kind = 'login_locked'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(shown.as_deref(), Some("am…"));

    // The same router asks another server.
    let other = world.another_radiusd().await;
    let address = |key: &str| other.address(key).parse().expect("an address");
    let config = NasConfig { auth: address("auth"), acct: address("acct"), ..config.expect("its settings") };
    let elsewhere = Nas::start(config).await.expect("the router starts");
    eventually("the other server honours the lock", || async {
        (refused(&elsewhere, mac(1), "amina", "siri").await.as_deref() == Some(LOCKED)).then_some(())
    })
    .await;
    assert!(elsewhere.login_pap(mac(3), "amina", "siri").await.is_accepted());
}

#[tokio::test]
async fn without_redis_a_server_counts_for_itself() {
    let mut world = World::new().await;
    world.redis.cut();
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    guess(&router, mac(1), "amina", 10).await;
    assert_eq!(refused(&router, mac(1), "amina", "siri").await.as_deref(), Some(LOCKED));
    assert!(router.login_pap(mac(2), "amina", "siri").await.is_accepted());
}

#[tokio::test]
async fn codes_are_guessed_only_so_often_and_known_devices_do_not_wait() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |p| p.rules.device_limit = 2).await;
    world.grant(&package, "amina", "siri").await;
    world.voucher(&package, "ABCDE23456").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    assert!(router.logout(mac(1)));
    // Each guess from another address.
    for number in 0..36 {
        let guesser = Mac([0x02, 0, 0, 0, 0x0f, number]);
        assert!(!router.login_pap(guesser, &format!("ABCDE23{:03}", 500 + u32::from(number)), "").await.is_accepted());
    }
    eventually("the router's guesses are used up", || async {
        (refused(&router, mac(9), "ABCDE23457", "").await.as_deref() == Some(LOCKED)).then_some(())
    })
    .await;
    assert_eq!(refused(&router, mac(2), "amina", "siri").await.as_deref(), Some(LOCKED), "a first use waits");
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted(), "who has a place does not");
    eventually("it stands in the security log", || async {
        logged(&world).await.contains(&"router_guessing".to_owned()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_device_in_two_places_is_noticed_once_an_hour() {
    let world = World::new().await;
    let begin = (world.clock.now() - Duration::from_secs(7200)).replace_nanosecond(0).unwrap();
    let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
    let overlap = Duration::from_secs(150);
    let mut routers = Vec::new();
    for (name, address) in [("one", "10.40.0.1/32"), ("two", "10.40.0.2/32")] {
        let settings = store::nas::Settings { address: Some(address.parse().unwrap()), ..Default::default() };
        routers.push(world.register(name, b"secret", settings).await);
    }
    let phone = Some("00:00:00:00:0F:01".parse().unwrap());
    let sessions: Vec<SessionKey> =
        (0..2).map(|_| SessionKey { id: shared::rng::id(begin), opened_on: begin.date() }).collect();
    let report = async |which: usize, event, minutes: u64, seconds| {
        let now = at(minutes);
        let first = first_report(routers[which], now);
        let report = Report { session: sessions[which], mac: phone, event, seconds, ..first };
        accounting::record(&world.db, &[report], now).await.unwrap();
    };
    report(0, Event::Start, 0, 0).await;
    report(1, Event::Start, 10, 0).await;
    let find = async |minutes| security::find_clones(&world.db, overlap, at(minutes)).await.unwrap();
    assert_eq!(find(11).await, 0, "it has only moved, as far as anybody knows");
    report(1, Event::Interim, 15, 300).await;
    assert_eq!(find(15).await, 0, "the first one is silent");
    report(0, Event::Interim, 16, 960).await;
    assert_eq!(find(16).await, 1);
    assert_eq!(find(17).await, 0, "that is known");
    let [logged] = &security::latest(&world.db, 10).await.unwrap()[..] else { panic!("one event") };
    assert_eq!((logged.event.mac, logged.event.detail.as_str()), (phone, "one, two"));
    assert_eq!(logged.nas.as_deref(), Some("two"), "where it came later");
    report(0, Event::Interim, 80, 4800).await;
    report(1, Event::Interim, 80, 4200).await;
    assert_eq!(find(80).await, 1, "it goes on");
}
