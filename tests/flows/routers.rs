//! Routers and what passes between them and the server besides logins: who is who, names that memory does not hold,
//! commands that are lost, refused or answered late, and a server that stops.

use std::net::Ipv4Addr;
use std::time::Duration;

use tests::nas::{CoaBehaviour, LoginOutcome, Mac, Misbehaviour};
use tests::world::{World, eventually, first_report};

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

#[tokio::test]
async fn a_router_is_known_by_its_address_and_only_its_own_secret_counts() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let package = world.package("one-hour", |p| p.rules.device_limit = 9).await;
    world.grant(&package, "amina", "siri").await;
    let first = world.router("first", |config| config.bind = Ipv4Addr::new(127, 0, 9, 1)).await;
    let second = world.router("second", |config| config.bind = Ipv4Addr::new(127, 0, 9, 2)).await;
    assert!(first.login_chap(mac(1), "amina", "siri").await.is_accepted());
    assert!(second.login_chap(mac(2), "amina", "siri").await.is_accepted());
    // A third device at an address that nobody registered, with every name right.
    let ready = world.radiusd.as_ref().unwrap();
    let (auth, acct) = (ready.address("auth").parse().unwrap(), ready.address("acct").parse().unwrap());
    let mut config = tests::nas::NasConfig::new(auth, acct, b"whatever").unwrap();
    (config.bind, config.identity) = (Ipv4Addr::new(127, 0, 9, 3), "first".into());
    let stranger = tests::nas::Nas::start(config).await.unwrap();
    assert_eq!(stranger.login_pap(mac(3), "amina", "siri").await, LoginOutcome::Timeout);
    let dropped = r#"mlango_radius_packets_dropped_total{listener="auth",reason="unknown_client"}"#;
    assert!(ready.metric(dropped).await >= 3.0, "three transmissions, three counts");
    let routers: Vec<String> =
        sqlx::query_scalar("SELECT n.name FROM sessions s JOIN nas n ON n.id = s.nas_id ORDER BY 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert!(routers.iter().all(|name| name == "first" || name == "second"), "{routers:?}");
}

#[tokio::test]
async fn a_name_that_memory_does_not_hold_is_looked_up_once() {
    let mut world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    sqlx::query("UPDATE entitlements SET starts_at = now() - interval '31 days', expires_at = now() - interval '30 days', state = 'expired'")
        .execute(&world.pool)
        .await
        .unwrap();
    // The change feed forgets after an hour; a transaction elsewhere that is still open could make it look back.
    sqlx::query("DELETE FROM directory_changes").execute(&world.pool).await.unwrap();
    world.start_radiusd().await;
    let radiusd = world.radiusd.as_ref().unwrap();
    assert!(radiusd.metric("mlango_directory_entitlements").await < 1.0, "what ended long ago is not in memory");
    let router = world.router("cafe", |_| {}).await;
    for (misses, attempt) in [(1.0, "first"), (1.0, "second")] {
        let refused = router.login_pap(mac(1), "amina", "siri").await;
        assert_eq!(refused.error().as_deref(), Some("Your time is used up. Please buy a new package."), "{attempt}");
        let counted = radiusd.metric(r#"mlango_radius_policy_cache_requests_total{result="miss"}"#).await;
        assert!((counted - misses).abs() < f64::EPSILON, "{attempt}: {counted}");
    }
}

async fn online_and_asked_to_go(world: &World, router: &tests::nas::Nas) {
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    let session = eventually("the session is recorded", || async {
        store::session::open(&world.db, 10).await.ok()?.into_iter().next()
    })
    .await;
    store::session::disconnect(&world.db, session.id, world.clock.now()).await.unwrap();
}

#[tokio::test]
async fn a_lost_disconnect_is_sent_again_until_the_router_hears_it() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Silent, ..Misbehaviour::default() });
    online_and_asked_to_go(&world, &router).await;
    eventually("the first request is lost", || async { (router.stats().coa_requests >= 1).then_some(()) }).await;
    router.misbehave(Misbehaviour::default());
    router.wait_for("the next one is heard", Duration::from_secs(20), |r| r.sessions().count() == 0).await.unwrap();
    let attempts: i32 = eventually("it is proved", || async {
        sqlx::query_scalar("SELECT attempts FROM nas_commands WHERE state = 'proved'")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    assert_eq!(attempts, 1, "one command, sent again with the same identifier");
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_cause_and_the_session_stays_on_the_list() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Nak(501), ..Misbehaviour::default() });
    online_and_asked_to_go(&world, &router).await;
    let cause: i32 = eventually("the refusal is recorded", || async {
        sqlx::query_scalar("SELECT error_cause FROM nas_commands WHERE state = 'refused'")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    assert_eq!(cause, 501);
    // It will not change: nobody asks again by himself, and somebody is told.
    let waits: bool =
        sqlx::query_scalar("SELECT waits_for_router AND lease_until > now() + interval '50 min' FROM nas_commands")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert!(waits);
    eventually("the refusal is counted", || async {
        let radiusd = world.radiusd.as_ref()?;
        (radiusd.metric("mlango_coa_refused{nas=\"cafe\"}").await >= 1.0).then_some(())
    })
    .await;
    let listed = store::session::open(&world.db, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].cut.as_deref()), (1, Some("refused")));
    // The operator presses the button again: it is tried now, and not when its own back-off is over.
    router.misbehave(Misbehaviour::default());
    store::session::disconnect(&world.db, listed[0].id, world.clock.now()).await.unwrap();
    router
        .wait_for("the router has cut the session", Duration::from_secs(8), |r| r.sessions().count() == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_session_that_the_router_does_not_have_is_closed() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    // 503: the router knows of no such session.
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Nak(503), ..Misbehaviour::default() });
    online_and_asked_to_go(&world, &router).await;
    let cause: String = eventually("the session is closed as lost", || async {
        sqlx::query_scalar("SELECT terminate_cause FROM sessions_ended").fetch_optional(&world.pool).await.ok()?
    })
    .await;
    assert_eq!(cause, "Lost-Service");
    assert!(store::session::open(&world.db, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_answers_what_it_took() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |p| p.rules.device_limit = 50).await;
    world.grant(&package, "amina", "siri").await;
    for number in 0..20 {
        assert!(router.login_pap(mac(number), "amina", "siri").await.is_accepted());
    }
    assert!(world.radiusd.take().unwrap().stop().await, "it ends well");
    router.wait_for("every report is settled", Duration::from_secs(20), |r| r.journal().is_settled()).await.unwrap();
    let acknowledged = router.read(|r| r.journal().acknowledged().filter(|e| !e.session_id.is_empty()).count());
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&world.pool).await.unwrap();
    assert!(stored >= i64::try_from(acknowledged).unwrap(), "{acknowledged} acknowledged, {stored} stored");
    let bound: i64 =
        sqlx::query_scalar("SELECT count(*) FROM entitlement_devices").fetch_one(&world.pool).await.unwrap();
    assert_eq!(bound, 20, "what logins changed is written down before it ends");
}

#[tokio::test]
async fn a_refused_command_waits_until_its_router_is_heard_again_or_somebody_asks() {
    use store::accounting::Report;
    use store::command::{Again, Answer, Answered, answered, claim};
    let world = World::new().await;
    let now = world.clock.now();
    let at = |minutes: u64| now + Duration::from_secs(60 * minutes);
    let settings = store::nas::Settings { address: Some("10.20.0.0/24".parse().unwrap()), ..Default::default() };
    let nas = world.register("cafe", b"secret", settings).await;
    let report = Report { nas_address: Some("10.20.0.7".parse().unwrap()), ..first_report(nas, now) };
    let session = report.session;
    store::accounting::record(&world.db, &[report], now).await.unwrap();
    store::session::disconnect(&world.db, session.id, now).await.unwrap();
    let lease = Duration::from_secs(45);
    let taken = claim(&world.db, now, lease, 10, &[]).await.unwrap();
    assert_eq!((taken.len(), taken[0].attempts, taken[0].error_cause), (1, 1, None));
    assert_eq!(taken[0].nas_address, Some("10.20.0.7".parse().unwrap()), "where its router reports from");
    let refused = Answer::Refused { error_cause: Some(404) };
    let record = async |command, again, at| {
        answered(
            &world.db,
            &[Answered { command, kind: store::command::Kind::Disconnect, generation: 0, answer: refused, again }],
            at,
        )
        .await
        .unwrap();
    };
    record(taken[0].id, Again::IfHeard(at(60)), now).await;
    assert_eq!(store::command::count_refused(&world.db).await.unwrap(), [("cafe".to_owned(), 1)]);

    assert!(claim(&world.db, at(120), lease, 10, &[]).await.unwrap().is_empty(), "the router was not heard since");
    let heard = store::nas::Heard { nas, at: at(30), proved_generation: None, clock_offset_seconds: None };
    store::nas::seen(&world.db, &[heard]).await.unwrap();
    assert!(claim(&world.db, at(59), lease, 10, &[]).await.unwrap().is_empty(), "the pause is not over");
    let taken = claim(&world.db, at(61), lease, 10, &[]).await.unwrap();
    assert_eq!((taken.len(), taken[0].attempts, taken[0].error_cause), (1, 2, Some(404)));

    record(taken[0].id, Again::IfHeard(at(121)), at(61)).await;
    store::session::disconnect(&world.db, session.id, at(62)).await.unwrap();
    assert!(
        claim(&world.db, at(62), lease, 10, &[(nas, Some("10.20.0.7".parse().unwrap()))]).await.unwrap().is_empty(),
        "its router is busy"
    );
    let neighbour = [(nas, Some("10.20.0.8".parse().unwrap()))];
    let taken = claim(&world.db, at(62), lease, 10, &neighbour).await.unwrap();
    assert_eq!((taken.len(), taken[0].attempts), (1, 1), "somebody asked: at once, and from the beginning");
    store::command::give_back(&world.db, &[taken[0].id], at(63)).await.unwrap();
    assert!(claim(&world.db, at(62), lease, 10, &[]).await.unwrap().is_empty(), "it was given back for later");
    let taken = claim(&world.db, at(63), lease, 10, &[]).await.unwrap();
    assert_eq!((taken.len(), taken[0].attempts), (1, 1), "what was not sent does not count");
}

#[tokio::test]
async fn a_session_that_goes_on_leaks_its_price() {
    use store::accounting::Report;
    let world = World::new().await;
    let now = world.clock.now();
    let at = |seconds: u64| now + Duration::from_secs(seconds);
    let settings = store::nas::Settings { address: Some("10.20.0.7/32".parse().unwrap()), ..Default::default() };
    let nas = world.register("cafe", b"secret", settings).await;
    let hour = Duration::from_secs(3600);
    let package = world
        .package("one-hour", |package| {
            package.price = shared::money::Money::kes(2000);
            package.rules.duration = Some(hour);
            package.rules.quota_octets = None;
        })
        .await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let report = Report { entitlement: Some(entitlement), ..first_report(nas, now) };
    let session = report.session;
    store::accounting::record(&world.db, &[report], now).await.unwrap();
    let leaking = async |seconds| store::session::leaking(&world.db, at(seconds), 10).await.unwrap();
    assert_eq!(store::session::cut_due(&world.db, at(3599), 10).await.unwrap(), 0);
    assert_eq!(store::session::cut_due(&world.db, at(3600), 10).await.unwrap(), 1);
    assert!(leaking(3629).await.is_empty(), "the router has half a minute to prove that it ended");
    assert_eq!(store::session::count_leaking(&world.db, at(3629)).await.unwrap(), 0);

    let leaks = leaking(3600 + 900).await;
    let [leak] = leaks.as_slice() else { panic!("{leaks:?}") };
    assert_eq!((leak.session.id, leak.session.cut.as_deref()), (session.id, Some("pending")));
    assert_eq!(leak.value, Some(shared::money::Money::kes(500)), "a quarter of an hour of KSh 20");
    assert_eq!(store::session::count_leaking(&world.db, at(4500)).await.unwrap(), 1);

    let move_end = async |by: &str| {
        let sql = format!("UPDATE entitlements SET expires_at = expires_at + interval '{by}'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
    };
    move_end("1 day").await;
    assert!(leaking(4500).await.is_empty(), "more time was bought: the cut is not needed any more");
    assert_eq!(store::session::count_leaking(&world.db, at(4500)).await.unwrap(), 0);
    move_end("-1 day").await;
    assert_eq!(leaking(4500).await.len(), 1);

    store::accounting::end_lost(&world.db, &[(session.id, None)], at(4500)).await.unwrap();
    assert!(leaking(4500).await.is_empty(), "what is over leaks no more");
}
