//! A router's secret is changed while guests are online: both secrets count for a while, commands reach the router
//! whichever it has, and the operator sees when the change is complete.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;
use tests::nas::{LoginOutcome, Mac, Nas};
use tests::world::{World, eventually};

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

async fn command(world: &World, arguments: &[&str]) -> Value {
    let arguments = [&["nas"], arguments, &["--json"]].concat();
    serde_json::from_str(&world.portal_command(&arguments, "").await).unwrap()
}

/// Waits until radiusd refuses or takes the router's signature, as `taken` says, and returns the last outcome.
async fn login_is(router: &Nas, taken: bool) {
    eventually("radiusd hears of the change", || async {
        let outcome = router.login_chap(mac(9), "amina", "siri").await;
        router.logout(mac(9));
        (outcome.is_accepted() == taken).then_some(())
    })
    .await;
}

#[tokio::test]
async fn both_secrets_count_until_the_overlap_is_over() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let package = world.package("one-hour", |p| p.rules.device_limit = 50).await;
    world.grant(&package, "amina", "siri").await;
    let signing = world.router("signing", |config| config.bind = Ipv4Addr::new(127, 0, 9, 1)).await;
    let unsigned = world
        .router("unsigned", |config| {
            config.bind = Ipv4Addr::new(127, 0, 9, 2);
            config.require_message_auth = false;
        })
        .await;
    for name in ["signing", "unsigned"] {
        let rotated = command(&world, &["rotate-secret", name, "--generate"]).await;
        assert_eq!(rotated["result"], "rotated");
        let secret = rotated["secret"].as_str().unwrap();
        assert!(secret.len() == 43 && rotated["routeros"].as_str().unwrap().contains(secret), "{rotated}");
    }
    eventually("radiusd has both secrets", || async {
        let metrics = world.radiusd.as_ref()?.metrics().await;
        signing.interim_now(mac(1));
        assert!(signing.login_chap(mac(1), "amina", "siri").await.is_accepted());
        metrics.contains("mlango_nas_old_secret_in_use{nas=\"signing\"} 1").then_some(())
    })
    .await;
    assert!(unsigned.login_pap(mac(2), "amina", "siri").await.is_accepted(), "the password tells the secret");
    eventually("the list says which secret the router has", || async {
        let listed = command(&world, &["list"]).await;
        (listed[0]["secret_in_use"] == "old" && listed[0]["old_secret_until"].is_string()).then_some(())
    })
    .await;

    // A second change keeps the secret that the router has, and not the one that it never got.
    command(&world, &["rotate-secret", "signing", "--generate"]).await;
    // A command goes with the secret that was proved: no Disconnect-Request with another one is sent.
    let session = eventually("the session is recorded", || async {
        store::session::open(&world.db, 10).await.ok()?.into_iter().find(|session| session.nas == "signing")
    })
    .await;
    store::session::disconnect(&world.db, session.id, world.clock.now()).await.unwrap();
    signing.wait_for("the router has cut it", Duration::from_secs(20), |r| r.session(mac(1)).is_none()).await.unwrap();
    assert_eq!((signing.stats().coa_acks, signing.stats().coa_bad_requests), (1, 0));
    login_is(&signing, true).await;

    // Without an overlap the old secret is worth nothing.
    command(&world, &["rotate-secret", "signing", "--generate", "--overlap", "0"]).await;
    login_is(&signing, false).await;
    assert_eq!(signing.login_pap(mac(3), "amina", "siri").await, LoginOutcome::Timeout);
}

#[tokio::test]
async fn a_command_without_an_answer_is_tried_with_the_other_secret() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    let session = eventually("the session is recorded", || async {
        store::session::open(&world.db, 10).await.ok()?.into_iter().next()
    })
    .await;
    // A server that has heard nothing of this router tries the newest secret, which the router does not have yet.
    assert!(world.radiusd.take().unwrap().stop().await);
    command(&world, &["rotate-secret", "cafe", "--generate"]).await;
    sqlx::query("UPDATE nas SET proved_generation = NULL").execute(&world.pool).await.unwrap();
    world.start_radiusd().await;
    store::session::disconnect(&world.db, session.id, world.clock.now()).await.unwrap();
    router.wait_for("the router has cut it", Duration::from_secs(20), |r| r.sessions().count() == 0).await.unwrap();
    assert_eq!((router.stats().coa_acks, router.stats().coa_bad_requests), (1, 2));
    let attempts: i32 = sqlx::query_scalar("SELECT attempts FROM nas_commands").fetch_one(&world.pool).await.unwrap();
    assert_eq!(attempts, 1, "one command");
    // The answer has told which secret the router has.
    eventually("the answer counts as a proof", || async {
        let radiusd = world.radiusd.as_ref()?;
        (radiusd.metric("mlango_nas_old_secret_in_use{nas=\"cafe\"}").await >= 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn adding_a_router_again_with_another_secret_cuts_nobody_off() {
    let world = World::new().await;
    let add = |secret: &'static str, more: &'static [&'static str]| {
        let arguments =
            [&["nas", "add", "--name", "cafe", "--address", "10.20.0.50", "--secret-stdin", "--json"], more];
        let world = &world;
        async move {
            let answer = world.portal_command(&arguments.concat(), secret).await;
            serde_json::from_str::<Value>(&answer).unwrap()
        }
    };
    let secrets = || async {
        let nas = store::nas::all(&world.db).await.unwrap().remove(0);
        (nas.secret, nas.old_secret.map(|old| old.secret))
    };
    add("one", &[]).await;
    assert_eq!(add("one", &[]).await["old_secret_until"], Value::Null, "the same secret changes nothing");
    assert!(add("two", &[]).await["old_secret_until"].is_string());
    assert_eq!(secrets().await, (b"two".to_vec(), Some(b"one".to_vec())));
    add("two", &[]).await;
    assert_eq!(secrets().await.1, Some(b"one".to_vec()), "the overlap goes on");
    add("two", &["--overlap", "0"]).await;
    assert_eq!(secrets().await, (b"two".to_vec(), None), "unless it is ended");
    add("three", &["--overlap", "0"]).await;
    assert_eq!(secrets().await, (b"three".to_vec(), None));
    // What is over is forgotten, also where it is sealed.
    add("four", &["--overlap", "1s"]).await;
    let later = world.clock.now() + Duration::from_secs(2);
    assert_eq!(store::nas::forget_old_secrets(&world.db, later).await.unwrap(), 1);
    assert_eq!(secrets().await, (b"four".to_vec(), None));
}
