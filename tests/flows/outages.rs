//! Routers that go dark while customers are online, and the time that these are given back.

use std::time::Duration;

use shared::time::OffsetDateTime;
use store::StoreError;
use store::accounting::{self, Report, SessionKey};
use store::nas::Heard;
use store::outage::{self, Cause, Noted, Quiet};
use store::package::Starts;
use tests::nas::Mac;
use tests::world::{World, eventually, eventually_within, first_report};
use uuid::Uuid;

/// A router is dark after so long.
const SILENCE: Duration = Duration::from_secs(90);

struct Story {
    world: World,
    begin: OffsetDateTime,
}

impl Story {
    async fn new() -> Story {
        let world = World::new().await;
        let begin = (world.clock.now() - Duration::from_secs(7200)).replace_nanosecond(0).unwrap();
        Story { world, begin }
    }

    fn at(&self, minutes: u64) -> OffsetDateTime {
        self.begin + Duration::from_secs(60 * minutes)
    }

    async fn router(&self, name: &str, last: u8) -> Uuid {
        let address = format!("10.30.0.{last}/32").parse().unwrap();
        let settings = store::nas::Settings { address: Some(address), ..Default::default() };
        self.world.register(name, b"secret", settings).await
    }

    /// A customer whose hour began with the story, with a session at that router.
    async fn customer(&self, name: &str, nas: Uuid) -> Uuid {
        let package = self.world.package("one-hour", |p| p.starts = Starts::FirstLogin).await;
        let id = self.world.grant(&package, name, "siri").await;
        sqlx::query("UPDATE entitlements SET starts_at = $2, expires_at = $2 + interval '1 hour' WHERE id = $1")
            .bind(id)
            .bind(self.begin)
            .execute(&self.world.pool)
            .await
            .unwrap();
        let session = SessionKey { id: shared::rng::id(self.begin), opened_on: self.begin.date() };
        let report = Report { session, nas, entitlement: Some(id), ..first_report(nas, self.begin) };
        accounting::record(&self.world.db, &[report], self.begin).await.unwrap();
        id
    }

    async fn heard(&self, nas: Uuid, minutes: u64) {
        let heard = Heard { nas, at: self.at(minutes), proved_generation: None, clock_offset_seconds: None };
        store::nas::seen(&self.world.db, &[heard]).await.unwrap();
    }

    async fn note(&self, minutes: u64) -> Noted {
        outage::note(&self.world.db, SILENCE, self.at(minutes)).await.unwrap()
    }

    /// Whether it may be used, and when it ends, in minutes of the story.
    async fn stands(&self, id: Uuid) -> (String, i64) {
        let (state, end): (String, OffsetDateTime) =
            sqlx::query_as("SELECT state, expires_at FROM entitlements WHERE id = $1")
                .bind(id)
                .fetch_one(&self.world.pool)
                .await
                .unwrap();
        (state, (end - self.begin).whole_minutes())
    }
}

#[tokio::test]
async fn who_was_online_gets_the_time_back_once() {
    let story = Story::new().await;
    let db = &story.world.db;
    let (dark, other, empty) =
        (story.router("dark", 1).await, story.router("other", 2).await, story.router("empty", 3).await);
    let amina = story.customer("amina", dark).await;
    let late = story.customer("late", dark).await;
    let revoked = story.customer("revoked", dark).await;
    let elsewhere = story.customer("elsewhere", other).await;
    for nas in [dark, other, empty] {
        story.heard(nas, 10).await;
    }
    assert_eq!(story.note(11).await, Noted::default(), "it is not silent for long enough");
    story.heard(other, 12).await;
    assert_eq!(story.note(12).await.began, ["dark"], "nobody was online at the empty one");
    assert_eq!(story.note(13).await, Noted::default(), "it is written down once");
    let [open] = &outage::list(db, 10).await.unwrap()[..] else { panic!("one outage") };
    assert_eq!((open.nas.as_str(), open.started_at, open.ended_at, open.customers), ("dark", story.at(10), None, 3));
    assert_eq!(outage::count_open(db).await.unwrap(), 1);
    assert!(
        matches!(outage::give_back(db, open.id, "me", story.at(20)).await, Err(StoreError::Conflict(_))),
        "it goes on"
    );

    // One is taken back meanwhile, one bought longer before; the others' hour is over when the router is back.
    sqlx::query("UPDATE entitlements SET state = 'revoked' WHERE id = $1")
        .bind(revoked)
        .execute(&story.world.pool)
        .await
        .unwrap();
    let later = "UPDATE entitlements SET starts_at = $2 WHERE id = $1";
    sqlx::query(later).bind(late).bind(story.at(40)).execute(&story.world.pool).await.unwrap();
    sqlx::query("UPDATE entitlements SET state = 'expired' WHERE id = $1")
        .bind(amina)
        .execute(&story.world.pool)
        .await
        .unwrap();
    for nas in [dark, other] {
        story.heard(nas, 50).await;
    }
    assert_eq!(story.note(51).await.ended, ["dark"]);
    let id = open.id;
    let attempts = (0..8).map(|_| outage::give_back(db, id, "me", story.at(65)));
    let done = futures::future::join_all(attempts).await;
    assert_eq!(done.iter().filter(|given| given.is_ok()).count(), 1, "{done:?}");
    assert_eq!(
        story.stands(amina).await,
        ("active".to_owned(), 105),
        "forty minutes of its hour were lost, and it has them from now on"
    );
    assert_eq!(story.stands(late).await, ("active".to_owned(), 75), "its time ran for the last ten of them");
    assert_eq!(story.stands(revoked).await, ("revoked".to_owned(), 60));
    assert_eq!(story.stands(elsewhere).await, ("active".to_owned(), 60));
    let [over] = &outage::list(db, 10).await.unwrap()[..] else { panic!("one outage") };
    let given = over.given_back.clone().expect("given back");
    assert_eq!((given.by.as_str(), given.customers, given.time), ("me", 2, Duration::from_secs(50 * 60)));
    assert_eq!(over.ended_at, Some(story.at(50)));

    // Dark once more: another outage.
    story.heard(other, 60).await;
    assert_eq!(story.note(60).await.began, ["dark"]);
    store::nas::remove(db, "dark").await.unwrap();
    assert_eq!(story.note(70).await.ended, ["(removed router)"]);
}

#[tokio::test]
async fn a_cut_line_gives_hours_online_back_too_and_what_two_outages_took_once() {
    let story = Story::new().await;
    let (db, pool) = (&story.world.db, &story.world.pool);
    let (one, two) = (story.router("one", 1).await, story.router("two", 2).await);
    let site = store::site::ensure(db, shared::rng::id(story.begin), "Kilimani", story.begin).await.unwrap();
    sqlx::query("UPDATE nas SET site_id = $1").bind(site).execute(pool).await.unwrap();
    let amina = story.customer("amina", one).await;
    let hours = story.customer("juma", one).await;
    let by_hours =
        "UPDATE entitlements SET expires_at = NULL, quota_seconds = 7200, duration_seconds = NULL WHERE id = $1";
    sqlx::query(by_hours).bind(hours).execute(pool).await.unwrap();
    let quiet =
        |nas, since, over: Option<u64>| Quiet { nas, since: story.at(since), over: over.map(|at| story.at(at)) };
    let note = async |line| outage::note_quiet(db, &[line], story.at(12)).await.unwrap();
    assert_eq!(note(quiet(one, 10, None)).await.began, ["one"]);
    assert_eq!(note(quiet(one, 11, None)).await, Noted::default(), "it is written down once");
    story.heard(one, 13).await;
    assert_eq!(story.note(13).await, Noted::default(), "that the router speaks does not end it");
    assert_eq!(note(quiet(one, 10, Some(30))).await.ended, ["one"]);
    assert_eq!(note(quiet(one, 10, Some(31))).await, Noted::default());

    // The same device moved to another router, which was silent for a while of the same time.
    let session = SessionKey { id: shared::rng::id(story.at(14)), opened_on: story.begin.date() };
    let report = Report { session, entitlement: Some(amina), ..first_report(two, story.at(14)) };
    accounting::record(db, &[report], story.at(14)).await.unwrap();
    story.heard(two, 20).await;
    story.heard(one, 24).await;
    assert_eq!(story.note(25).await.began, ["two"]);
    for nas in [one, two] {
        story.heard(nas, 40).await;
    }
    assert_eq!(story.note(40).await.ended, ["two"]);

    let outages = outage::list(db, 10).await.unwrap();
    assert_eq!(outages.iter().map(|outage| outage.cause).collect::<Vec<_>>(), [Cause::Silent, Cause::NoTraffic]);
    let answer = story.world.portal_command(&["outage", "give-back", "--site", "Kilimani", "--json"], "").await;
    assert!(answer.contains("\"customers\":3"), "{answer}");
    // Her hour was over long ago: what was lost is had from now on, two hours after the beginning.
    assert_eq!(story.stands(amina).await.1, 120 + 30, "from the tenth to the fortieth minute, once");
    let quota: i64 = sqlx::query_scalar("SELECT quota_seconds FROM entitlements WHERE id = $1")
        .bind(hours)
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(quota, 7200 + 20 * 60);
    assert!(outage::to_give_back(db, site).await.unwrap().is_empty());
}

/// Customers of a real server use much, then nothing comes to them though their router speaks, and then it comes again.
#[tokio::test]
async fn a_cliff_of_traffic_is_written_down_and_over_when_traffic_comes_again() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |p| p.rules.device_limit = 8).await;
    world.grant(&package, "amina", "siri").await;
    let phones: Vec<Mac> = (1..=6).map(|number| Mac([0, 0, 0, 0, 0x0e, number])).collect();
    for phone in &phones {
        assert!(router.login_pap(*phone, "amina", "siri").await.is_accepted());
    }
    // Each look at a condition is also a moment of much use.
    let use_much = || {
        phones.iter().for_each(|phone| {
            router.traffic(*phone, 1_000, 200_000).unwrap();
        })
    };
    eventually_within(Duration::from_secs(90), "what is usual is known", || async {
        use_much();
        let shortest: Option<i64> =
            sqlx::query_scalar("SELECT min(session_seconds) FROM sessions").fetch_one(&world.pool).await.ok()?;
        (shortest? >= 45).then_some(())
    })
    .await;
    let dark = async || {
        let outages = outage::list(&world.db, 10).await.unwrap();
        assert!(outages.len() <= 1 && outages.iter().all(|outage| outage.cause == Cause::NoTraffic), "{outages:?}");
        outages.into_iter().next()
    };
    assert_eq!(dark().await, None);
    let cut = eventually_within(Duration::from_secs(60), "the line is taken for cut", dark).await;
    assert_eq!((cut.customers, cut.ended_at), (1, None), "all use one package");
    eventually_within(Duration::from_secs(60), "traffic comes again", || async {
        use_much();
        dark().await?.ended_at
    })
    .await;
}

#[tokio::test]
async fn a_power_cut_at_a_real_server_is_seen_and_over_when_the_router_is_back() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let mut config = None;
    let router = world.router("cafe", |settings| config = Some(settings.clone())).await;
    let package = world.package("one-hour", |_| {}).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let phone = Mac([0, 0, 0, 0, 0x0e, 1]);
    assert!(router.login_pap(phone, "amina", "siri").await.is_accepted());
    eventually("the session is recorded", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&world.pool).await.ok()?;
        (open == 1).then_some(())
    })
    .await;
    let end: OffsetDateTime = sqlx::query_scalar("SELECT expires_at FROM entitlements WHERE id = $1")
        .bind(entitlement)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    drop(router);
    let patience = Duration::from_secs(90);
    eventually_within(patience, "the router is taken for dark", || async {
        (outage::count_open(&world.db).await.ok()? == 1).then_some(())
    })
    .await;
    let back = tests::nas::Nas::start(config.expect("its settings")).await.unwrap();
    let [over] = &eventually_within(patience, "it is heard again", || async {
        let outages = outage::list(&world.db, 10).await.ok()?;
        outages.iter().all(|outage| outage.ended_at.is_some()).then_some(outages)
    })
    .await[..] else {
        panic!("one outage")
    };
    let answer = world.portal_command(&["outage", "give-back", &over.id.to_string(), "--json"], "").await;
    assert!(answer.contains("\"customers\":1"), "{answer}");
    let new_end: OffsetDateTime = sqlx::query_scalar("SELECT expires_at FROM entitlements WHERE id = $1")
        .bind(entitlement)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let (lost, given) = (over.ended_at.unwrap() - over.started_at, new_end - end);
    // Its clock may have begun just after the router was last heard.
    assert!(given <= lost + Duration::from_secs(1) && given + Duration::from_secs(6) > lost, "{given} of {lost}");
    drop(back);
}
