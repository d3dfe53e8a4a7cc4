//! Routers that do not do by CoA what they are asked: their REST API tells whether a session is still there, and takes it off.
//! Whatever REST does not settle goes on as without it.

use std::net::Ipv4Addr;
use std::time::Duration;

use tests::nas::{CoaBehaviour, Mac, Misbehaviour, Nas, NasConfig, RestBehaviour};
use tests::world::{Settings, World, eventually, eventually_within};

/// Far less than anything that ends a session, or asks for its end, by itself here.
const SOON: Duration = Duration::from_secs(20);

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0x0e, number])
}

fn coa(coa: CoaBehaviour) -> Misbehaviour {
    Misbehaviour { coa, ..Misbehaviour::default() }
}

/// A router with REST, and somebody online there.
struct Cafe {
    world: World,
    router: Nas,
}

impl Cafe {
    async fn open(change: impl FnOnce(&mut NasConfig)) -> Cafe {
        // Reports seldom enough that nobody is taken for a ghost meanwhile.
        let mut world = World::with(Settings { interim_seconds: 600, ..Settings::default() }).await;
        world.start_radiusd().await;
        let package = world.package("one-day", |p| p.rules.device_limit = 100).await;
        world.grant(&package, "amina", "siri").await;
        let router = world
            .router("cafe", |config| {
                config.rest = Some(("mlango".to_owned(), "open sesame".to_owned()));
                change(config);
            })
            .await;
        let cafe = Cafe { world, router };
        assert!(cafe.router.login_pap(mac(1), "amina", "siri").await.is_accepted());
        cafe.router.traffic(mac(1), 1_000, 5_000).unwrap();
        assert!(cafe.router.interim_now(mac(1)));
        cafe.are_open(1).await;
        eventually("its usage is recorded", || async {
            let down: i64 =
                sqlx::query_scalar("SELECT output_octets FROM sessions").fetch_one(&cafe.world.pool).await.ok()?;
            (down == 5_000).then_some(())
        })
        .await;
        cafe
    }

    async fn are_open(&self, count: usize) {
        eventually("the sessions are recorded", || async {
            (store::session::open(&self.world.db, 100).await.ok()?.len() == count).then_some(())
        })
        .await;
    }

    /// Somebody presses the button for the session of that name.
    async fn cut(&self, acct_session_id: &str) {
        let open = store::session::open(&self.world.db, 100).await.unwrap();
        let session = open.iter().find(|session| session.acct_session_id == acct_session_id).expect("it is open");
        store::session::disconnect(&self.world.db, session.id, self.world.clock.now()).await.unwrap();
    }

    /// Somebody presses the button now and then: a router that could not be asked is left alone for some seconds.
    async fn press_until<F: Future<Output = Option<()>>>(&self, what: &str, done: impl Fn() -> F) {
        eventually(what, || async {
            if let Some(open) = store::session::open(&self.world.db, 1).await.ok()?.first() {
                // It may be taken off at this moment.
                store::session::disconnect(&self.world.db, open.id, self.world.clock.now()).await.ok();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            done().await
        })
        .await;
    }

    async fn cut_is(&self, state: &str) {
        eventually(&format!("the cut is {state}"), || async {
            let all: Vec<String> = sqlx::query_scalar("SELECT state FROM nas_commands WHERE kind = 'disconnect'")
                .fetch_all(&self.world.pool)
                .await
                .ok()?;
            (all == [state]).then_some(())
        })
        .await;
    }

    /// The half minute in which an acknowledged cut may be proved is over.
    async fn have_waited_for_the_stop(&self) {
        let sql = "UPDATE nas_commands SET lease_until = NULL WHERE state = 'acknowledged'";
        sqlx::query(sql).execute(&self.world.pool).await.unwrap();
    }

    /// The ended session: why, whether it is lost, and what it used.
    async fn ended(&self) -> (String, bool, i64, i64) {
        eventually("the end of the session is recorded", || async {
            sqlx::query_as("SELECT terminate_cause, lost, input_octets, output_octets FROM sessions_ended")
                .fetch_optional(&self.world.pool)
                .await
                .ok()?
        })
        .await
    }

    async fn is_off(&self, mac: Mac) {
        self.router.wait_for("it is taken off", SOON, |r| r.session(mac).is_none()).await.unwrap();
    }

    async fn asked(&self, operation: &str, result: &str) -> f64 {
        let name = format!("mlango_routeros_requests_total{{operation=\"{operation}\",result=\"{result}\"}}");
        self.world.radiusd.as_ref().unwrap().metric(&name).await
    }

    async fn leaks(&self) -> usize {
        let soon = self.world.clock.now() + store::session::PROOF_WITHIN;
        store::session::leaking(&self.world.db, soon, 10).await.unwrap().len()
    }
}

#[tokio::test]
async fn what_a_router_acknowledges_and_does_not_do_is_done_by_rest() {
    let cafe = Cafe::open(|_| {}).await;
    cafe.router.misbehave(coa(CoaBehaviour::AckWithoutCut));
    cafe.cut("80100001").await;
    cafe.cut_is("acknowledged").await;
    cafe.router.traffic(mac(1), 0, 2_000).expect("it goes on");
    cafe.have_waited_for_the_stop().await;
    cafe.is_off(mac(1)).await;
    cafe.cut_is("proved").await;
    // The router's Stop has the last word on what was used.
    eventually("the Stop is joined", || async {
        (cafe.ended().await == ("Admin-Reset".to_owned(), false, 1_000, 7_000)).then_some(())
    })
    .await;
    let stats = cafe.router.stats();
    assert_eq!((stats.coa_requests, stats.rest_removed), (1, 1), "it was not asked the same thing again");
    assert_eq!(cafe.leaks().await, 0);
}

#[tokio::test]
async fn an_acknowledged_cut_whose_stop_was_lost_is_proved_by_reading_back() {
    let cafe = Cafe::open(|_| {}).await;
    cafe.router.misbehave(coa(CoaBehaviour::AckWithoutCut));
    cafe.cut("80100001").await;
    cafe.cut_is("acknowledged").await;
    assert!(cafe.router.forget(mac(1)));
    cafe.have_waited_for_the_stop().await;
    cafe.cut_is("proved").await;
    assert_eq!(cafe.ended().await, ("Lost-Service".to_owned(), true, 1_000, 5_000), "its last report counts");
    assert_eq!(cafe.asked("remove", "ok").await, 0.0, "there was nothing to take off");
}

#[tokio::test]
async fn a_router_that_refuses_every_disconnect_is_told_by_rest() {
    let cafe = Cafe::open(|_| {}).await;
    cafe.router.misbehave(coa(CoaBehaviour::Nak(404)));
    cafe.cut("80100001").await;
    cafe.is_off(mac(1)).await;
    cafe.cut_is("proved").await;
    assert_eq!(cafe.ended().await.0, "Admin-Reset");
    assert_eq!(cafe.router.stats().coa_requests, 1);
    let radiusd = cafe.world.radiusd.as_ref().unwrap();
    let removed = radiusd.metric(r#"mlango_coa_requests_total{kind="disconnect",result="removed"}"#).await;
    assert_eq!(removed, 1.0);
    assert!(!radiusd.log().contains("open sesame"), "the password is in no line of the log");
}

#[tokio::test]
async fn a_change_that_is_refused_as_the_disconnect_after_it_is_made_by_logging_in_again() {
    let cafe = Cafe::open(|_| {}).await;
    cafe.router.misbehave(coa(CoaBehaviour::Nak(401)));
    sqlx::query("UPDATE entitlements SET up_bps = 64000, down_bps = 64000").execute(&cafe.world.pool).await.unwrap();
    cafe.is_off(mac(1)).await;
    cafe.cut_is("proved").await;
    let told: Vec<(String, String, String)> =
        sqlx::query_as("SELECT kind, state, reason FROM nas_commands ORDER BY kind")
            .fetch_all(&cafe.world.pool)
            .await
            .unwrap();
    let row = |kind: &str, state: &str| (kind.to_owned(), state.to_owned(), "change".to_owned());
    assert_eq!(told, [row("coa", "abandoned"), row("disconnect", "proved")]);
    let again = cafe.router.login_mac(mac(1)).await;
    assert_eq!(again.terms().and_then(|terms| terms.rate_limit.as_deref()), Some("64k/64k"));
}

#[tokio::test]
async fn a_session_that_rest_does_not_list_ends_at_its_last_counters() {
    let cafe = Cafe::open(|_| {}).await;
    assert!(cafe.router.forget(mac(1)));
    // RouterOS says 406, which from a router that has never acknowledged anything may mean whatever it likes.
    cafe.cut("80100001").await;
    cafe.cut_is("proved").await;
    assert_eq!(cafe.ended().await, ("Lost-Service".to_owned(), true, 1_000, 5_000));
    let radiusd = cafe.world.radiusd.as_ref().unwrap();
    let gone = radiusd.metric(r#"mlango_coa_requests_total{kind="disconnect",result="gone"}"#).await;
    assert_eq!((gone, cafe.asked("active", "ok").await, cafe.asked("identity", "ok").await), (1.0, 2.0, 1.0));
}

#[tokio::test]
async fn while_rest_does_not_work_the_cut_stays_where_people_see_it() {
    let cafe = Cafe::open(|_| {}).await;
    let slow = RestBehaviour::Slow(Duration::from_secs(8));
    let faults = [
        (RestBehaviour::Off, "active", "failed", 1.0),
        (RestBehaviour::Failing, "active", "failed", 2.0),
        (RestBehaviour::WrongPassword, "active", "refused", 1.0),
        (slow, "active", "timeout", 1.0),
        (RestBehaviour::RemovesNothing, "remove", "ok", 1.0),
    ];
    for (number, (rest, operation, result, count)) in (1..).zip(faults) {
        cafe.router.misbehave(Misbehaviour { rest, ..coa(CoaBehaviour::Nak(404)) });
        cafe.press_until(&format!("{rest:?} is counted"), || async {
            let says_so = cafe.world.radiusd.as_ref()?.log().matches("REST did not help with a cut").count() >= number;
            (says_so && cafe.asked(operation, result).await >= count).then_some(())
        })
        .await;
        cafe.cut_is("refused").await;
        assert!(cafe.router.session(mac(1)).is_some(), "{rest:?}");
        assert_eq!(cafe.leaks().await, 1, "{rest:?}");
    }
    cafe.router.misbehave(coa(CoaBehaviour::Nak(404)));
    cafe.press_until("it is taken off", || async { cafe.router.session(mac(1)).is_none().then_some(()) }).await;
    cafe.cut_is("proved").await;
    assert_eq!(cafe.leaks().await, 0);
}

#[tokio::test]
async fn another_router_at_the_address_proves_nothing() {
    // It is registered as "cafe".
    let cafe = Cafe::open(|config| config.identity = "somebody-elses".to_owned()).await;
    assert!(cafe.router.forget(mac(1)));
    cafe.cut("80100001").await;
    eventually("it is found out", || async {
        let log = cafe.world.radiusd.as_ref()?.log();
        (log.contains("calls itself") && log.contains("somebody-elses")).then_some(())
    })
    .await;
    cafe.cut_is("refused").await;
    cafe.are_open(1).await;
}

#[tokio::test]
async fn who_has_logged_in_again_is_not_taken_off_for_the_session_before() {
    let cafe = Cafe::open(|_| {}).await;
    // The first session began a while ago, and its Stop was lost.
    let ago = "UPDATE sessions SET started_at = started_at - interval '10 minutes'";
    sqlx::query(ago).execute(&cafe.world.pool).await.unwrap();
    assert!(cafe.router.forget(mac(1)));
    assert!(cafe.router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    cafe.are_open(2).await;
    cafe.cut("80100001").await;
    cafe.cut_is("proved").await;
    cafe.are_open(1).await;
    assert_eq!(cafe.router.session(mac(1)).map(|session| session.session_id()).as_deref(), Some("80100002"));
    assert_eq!(cafe.router.stats().rest_removed, 0);
}

/// More than may be under way to a router that is not known to be silent.
const MANY: u8 = 34;

#[tokio::test]
async fn a_router_that_answers_no_disconnect_is_told_by_rest() {
    let cafe = Cafe::open(|config| config.bind = Ipv4Addr::new(127, 4, 0, 1)).await;
    for number in 2..=MANY {
        assert!(cafe.router.login_pap(mac(number), "amina", "siri").await.is_accepted());
    }
    cafe.are_open(usize::from(MANY)).await;
    cafe.router.misbehave(coa(CoaBehaviour::Silent));
    let end = "UPDATE entitlements SET starts_at = now() - interval '2 seconds', expires_at = now()";
    sqlx::query(end).execute(&cafe.world.pool).await.unwrap();
    // The first ones are sent in vain for half a minute. Then the router is known to be silent, and nothing waits for it.
    eventually_within(Duration::from_secs(120), "everybody is off", || async {
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM nas_commands WHERE state <> 'proved')",
        )
        .fetch_one(&cafe.world.pool)
        .await
        .ok()?;
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(cafe.router.read(|r| r.sessions().count()), 0);
    assert_eq!(cafe.router.stats().rest_removed, u64::from(MANY));

    let package = cafe.world.package("another-day", |_| {}).await;
    cafe.world.grant(&package, "juma", "siri").await;
    eventually("somebody else is let in", || async {
        cafe.router.login_pap(mac(200), "juma", "siri").await.is_accepted().then_some(())
    })
    .await;
    cafe.are_open(1).await;
    let id = cafe.router.session(mac(200)).expect("online").session_id();
    cafe.cut(&id).await;
    cafe.is_off(mac(200)).await;
}
