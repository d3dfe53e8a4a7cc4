//! Sessions of which nobody speaks any more: when they are closed, at what, and how they come back.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use shared::time::OffsetDateTime;
use store::accounting::{
    self, Closed, Event, Report, Restart, SessionKey, close_silent, router_restarted, router_stopped,
};
use tests::world::{World, eventually, eventually_within};
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(150);
const PATIENCE: Duration = Duration::from_secs(90);

/// One entitlement and some sessions on it.
struct Story {
    world: World,
    entitlement: Uuid,
    begin: OffsetDateTime,
}

impl Story {
    async fn new() -> Story {
        let world = World::new().await;
        let package = world.package("a-day", |p| p.rules.device_limit = 9).await;
        let entitlement = world.grant(&package, "amina", "siri").await;
        let begin = world.clock.now() - Duration::from_secs(3600);
        let begin = begin.replace_nanosecond(0).unwrap();
        Story { world, entitlement, begin }
    }

    fn at(&self, seconds: u64) -> OffsetDateTime {
        self.begin + Duration::from_secs(seconds)
    }

    fn report(&self, key: SessionKey, name: &str, event: Event, after: u64, octets: u64) -> Report {
        Report {
            session: key,
            nas: Uuid::from_u128(1),
            nas_address: Some(IpAddr::from(Ipv4Addr::new(10, 20, 0, 1))),
            entitlement: Some(self.entitlement),
            user_name: "amina".into(),
            mac: None,
            framed_ip: None,
            acct_session_id: name.into(),
            event,
            seconds: after,
            input_octets: octets,
            output_octets: 0,
            terminate_cause: (event == Event::Stop).then(|| "User-Request".into()),
            at: self.at(after),
        }
    }

    fn key(&self) -> SessionKey {
        SessionKey { id: shared::rng::id(self.begin), opened_on: self.begin.date() }
    }

    async fn record(&self, report: Report) {
        let now = report.at;
        accounting::record(&self.world.db, &[report], now).await.unwrap();
    }

    async fn close(&self, after: u64) -> Closed {
        close_silent(&self.world.db, SILENCE, PATIENCE, self.at(after)).await.unwrap()
    }

    /// Names of the open sessions, and names and causes of the ended ones.
    async fn sessions(&self) -> (Vec<String>, Vec<(String, String)>) {
        let open = sqlx::query_scalar("SELECT acct_session_id FROM sessions ORDER BY 1");
        let ended = sqlx::query_as("SELECT acct_session_id, terminate_cause FROM sessions_ended ORDER BY 1");
        (open.fetch_all(&self.world.pool).await.unwrap(), ended.fetch_all(&self.world.pool).await.unwrap())
    }

    async fn used(&self) -> i64 {
        sqlx::query_scalar("SELECT input_octets FROM entitlement_usage").fetch_one(&self.world.pool).await.unwrap()
    }
}

fn names(sessions: &[&str]) -> Vec<String> {
    sessions.iter().map(|name| (*name).to_owned()).collect()
}

fn causes(sessions: &[(&str, &str)]) -> Vec<(String, String)> {
    sessions.iter().map(|(name, cause)| ((*name).to_owned(), (*cause).to_owned())).collect()
}

#[tokio::test]
async fn a_silent_session_is_closed_at_its_last_counters_and_goes_on_when_its_router_speaks_again() {
    let story = Story::new().await;
    let key = story.key();
    story.record(story.report(key, "80100001", Event::Start, 0, 0)).await;
    story.record(story.report(key, "80100001", Event::Interim, 60, 500)).await;
    assert_eq!(story.close(60 + 149).await, Closed::default());
    assert_eq!(story.close(60 + 151).await, Closed { silent: 1, restarted: 0 });
    assert_eq!(story.sessions().await, (names(&[]), causes(&[("80100001", "Lost-Service")])));
    let ended: OffsetDateTime =
        sqlx::query_scalar("SELECT ended_at FROM sessions_ended").fetch_one(&story.world.pool).await.unwrap();
    assert_eq!((ended - story.begin).whole_seconds(), 60, "when it was last heard of");

    // What was known already does not bring it back; news do, with its deadline.
    story.record(story.report(key, "80100001", Event::Interim, 60, 500)).await;
    assert_eq!(story.sessions().await.0, names(&[]));
    story.record(story.report(key, "80100001", Event::Interim, 240, 900)).await;
    assert_eq!(story.sessions().await, (names(&["80100001"]), causes(&[])));
    let deadline: Option<OffsetDateTime> =
        sqlx::query_scalar("SELECT cutoff_at FROM sessions").fetch_one(&story.world.pool).await.unwrap();
    assert!(deadline.is_some(), "it can be cut again");
    assert_eq!(story.used().await, 900);

    // Lost again, and then its Stop comes late: that is final, and says why.
    assert_eq!(story.close(1000).await.silent, 1);
    story.record(story.report(key, "80100001", Event::Stop, 300, 950)).await;
    assert_eq!(story.sessions().await, (names(&[]), causes(&[("80100001", "User-Request")])));
    story.record(story.report(key, "80100001", Event::Interim, 360, 950)).await;
    assert_eq!(story.sessions().await.0, names(&[]));
    assert_eq!(story.used().await, 950);
}

#[tokio::test]
async fn a_router_that_stops_ends_its_own_sessions_and_no_others() {
    let story = Story::new().await;
    let (one, other, neighbour) = (story.key(), story.key(), story.key());
    let elsewhere = Some(IpAddr::from(Ipv4Addr::new(10, 20, 0, 2)));
    story.record(story.report(one, "80100001", Event::Start, 0, 0)).await;
    story.record(Report { nas_address: elsewhere, ..story.report(other, "80100002", Event::Start, 0, 0) }).await;
    let another = Uuid::from_u128(2);
    story.record(Report { nas: another, ..story.report(neighbour, "80100001", Event::Start, 0, 0) }).await;
    // Of a network of routers, the one at that address.
    let address = Some(IpAddr::from(Ipv4Addr::new(10, 20, 0, 1)));
    let restart = Restart { nas: Uuid::from_u128(1), address, at: story.at(10) };
    assert_eq!(router_stopped(&story.world.db, &restart, story.at(10)).await.unwrap(), 1);
    assert_eq!(
        story.sessions().await,
        (names(&["80100001", "80100002"]), causes(&[("80100001", "NAS-Reboot")])),
        "the neighbour's has the same name"
    );
    let restart = Restart { address: None, ..restart };
    assert_eq!(router_stopped(&story.world.db, &restart, story.at(10)).await.unwrap(), 1);
    assert_eq!(story.sessions().await.0, names(&["80100001"]));
    // One that was reported after it had stopped has begun since.
    story.record(story.report(story.key(), "80200001", Event::Interim, 30, 0)).await;
    assert_eq!(router_stopped(&story.world.db, &restart, story.at(40)).await.unwrap(), 0);
}

#[tokio::test]
async fn accounting_on_alone_closes_no_session_that_goes_on() {
    let story = Story::new().await;
    let (goes_on, is_gone) = (story.key(), story.key());
    story.record(story.report(goes_on, "80100001", Event::Start, 0, 0)).await;
    story.record(story.report(is_gone, "80100002", Event::Start, 0, 0)).await;
    let restart = Restart { nas: Uuid::from_u128(1), address: None, at: story.at(30) };
    router_restarted(&story.world.db, &restart).await.unwrap();
    router_restarted(&story.world.db, &restart).await.unwrap();
    assert_eq!(story.close(31).await, Closed::default());
    story.record(story.report(goes_on, "80100001", Event::Interim, 60, 100)).await;
    assert_eq!(story.close(119).await, Closed::default());
    // The other's reports have stayed away since.
    assert_eq!(story.close(121).await, Closed { silent: 0, restarted: 1 });
    assert_eq!(story.sessions().await, (names(&["80100001"]), causes(&[("80100002", "NAS-Reboot")])));
}

#[tokio::test]
async fn accounting_on_closes_sessions_of_another_boot_and_those_of_other_makes_at_once() {
    let story = Story::new().await;
    let (before, of_another_make) = (story.key(), story.key());
    story.record(story.report(before, "80100001", Event::Start, 0, 0)).await;
    story.record(story.report(of_another_make, "5F3A-0001", Event::Start, 0, 0)).await;
    let restart = Restart { nas: Uuid::from_u128(1), address: None, at: story.at(30) };
    router_restarted(&story.world.db, &restart).await.unwrap();
    assert_eq!(story.close(31).await, Closed { silent: 0, restarted: 1 });
    assert_eq!(story.sessions().await, (names(&["80100001"]), causes(&[("5F3A-0001", "NAS-Reboot")])));
    // The third digit counts boots.
    let mut after = story.report(story.key(), "80200001", Event::Start, 0, 0);
    after.at = story.at(35);
    story.record(after).await;
    assert_eq!(story.close(36).await, Closed { silent: 0, restarted: 1 });
    assert_eq!(story.sessions().await.0, names(&["80200001"]));
}

#[tokio::test]
async fn radiusd_closes_ghosts_by_itself() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("a-day", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    let device = tests::nas::Mac([2, 0, 0, 0, 0, 1]);
    assert!(router.login_pap(device, "amina", "siri").await.is_accepted());
    router.wait_for("the start is safe", INTERVAL, |r| r.journal().is_settled()).await.unwrap();
    // The router loses its power: no Stop, no more reports.
    drop(router);
    // Two and a half intervals of ten seconds, and a look.
    eventually_within(2 * INTERVAL, "the session is closed as lost", || async {
        let ended: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sessions_ended WHERE lost").fetch_one(&world.pool).await.ok()?;
        (ended == 1).then_some(())
    })
    .await;
    let radiusd = world.radiusd.as_ref().unwrap();
    // The simulated router says Accounting-On in the middle of a session, as RouterOS was seen to: either may be the reason.
    eventually("it is counted", || async {
        let mut closed = 0.0;
        for reason in ["silent", "router_restarted"] {
            closed += radiusd.metric(&format!("mlango_sessions_stale_closed_total{{reason=\"{reason}\"}}")).await;
        }
        ((closed - 1.0).abs() < 0.5).then_some(())
    })
    .await;
}
