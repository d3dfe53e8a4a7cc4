//! A guest's login through a simulated router: who gets in and with what, what is recorded, and how it ends.

use std::time::Duration;

use store::package::Starts;
use tests::nas::{LoginOutcome, Mac};
use tests::world::{World, eventually, first_report};

/// Addresses of makers: random ones take each other's place.
fn mac(number: u8) -> Mac {
    Mac([0, 0, 0, 0, 0, number])
}

#[tokio::test]
async fn a_login_gets_the_packages_limits_whatever_the_method() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world
        .package("one-hour", |p| {
            p.rules.quota_octets = Some(6 << 30);
            p.rules.device_limit = 3;
            p.rules.idle_timeout = Some(Duration::from_secs(600));
        })
        .await;
    world.grant(&package, "amina", "siri").await;
    let pap = router.login_pap(mac(1), "amina", "siri").await;
    let terms = pap.terms().unwrap_or_else(|| panic!("{pap:?}"));
    assert_eq!(terms.session_timeout, Some(3600));
    assert_eq!(terms.total_limit, Some(6 << 30));
    assert_eq!(terms.rate_limit.as_deref(), Some("2M/5M"));
    assert_eq!(terms.interim_interval, Some(10));
    assert_eq!(terms.idle_timeout, Some(600));
    assert_eq!(terms.class.len(), 1);
    assert!(router.login_chap(mac(2), "amina", "siri").await.is_accepted());
    let wrong = router.login_chap(mac(3), "amina", "sirI").await;
    assert_eq!(wrong.error().as_deref(), Some("The password is not right. Please try again."));
    let unknown = router.login_pap(mac(3), "juma", "siri").await;
    assert!(
        matches!(unknown, LoginOutcome::Rejected { ref message } if message.starts_with("We do not know this name"))
    );
}

#[tokio::test]
async fn a_device_is_bound_at_its_first_login_and_comes_back_by_its_mac() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(!router.login_mac(mac(1)).await.is_accepted(), "nobody knows this device yet");
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    let second = router.login_pap(mac(2), "amina", "siri").await;
    assert_eq!(second.error().as_deref(), Some("This package is already used on all its devices."));
    router.logout(mac(1));
    assert!(router.login_mac(mac(1)).await.is_accepted());

    // The binding and the clock are in the database, so they survive a restart.
    eventually("the device is written down", || async {
        let bound: i64 =
            sqlx::query_scalar("SELECT count(*) FROM entitlement_devices").fetch_one(&world.pool).await.ok()?;
        (bound == 1).then_some(())
    })
    .await;
    let started: bool = sqlx::query_scalar("SELECT starts_at IS NOT NULL AND expires_at IS NOT NULL FROM entitlements")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(started);
}

#[tokio::test]
async fn a_voucher_is_typed_straight_into_the_routers_login_page() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    world.voucher(&package, "ABCDE23456").await;
    assert!(router.login_chap(mac(1), "abcde-23456", "abcde-23456").await.is_accepted());
    eventually("the voucher is redeemed", || async {
        let state: String = sqlx::query_scalar("SELECT state FROM vouchers").fetch_one(&world.pool).await.ok()?;
        (state == "redeemed").then_some(())
    })
    .await;
    assert!(!router.login_chap(mac(2), "ABCDE23456", "ABCDE23456").await.is_accepted(), "a voucher is for one device");
}

#[tokio::test]
async fn what_is_committed_is_honoured_within_a_tenth_of_a_second() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    // Ten changes, each answered from memory: without a miss, so by the feed and not by a look-up.
    let mut lags = Vec::new();
    for number in 0..10 {
        let misses = r#"mlango_radius_policy_cache_requests_total{result="miss"}"#;
        let login = format!("guest{number}");
        let before = world.radiusd.as_ref().unwrap().metric(misses).await;
        let held = world.radiusd.as_ref().unwrap().metric("mlango_directory_entitlements").await;
        let committed = std::time::Instant::now();
        world.grant(&package, &login, "pw").await;
        let granted = committed.elapsed();
        eventually("memory holds the new entitlement", || async {
            (world.radiusd.as_ref()?.metric("mlango_directory_entitlements").await > held).then_some(())
        })
        .await;
        lags.push(committed.elapsed() - granted);
        assert!(router.login_pap(mac(number), &login, "pw").await.is_accepted());
        let after = world.radiusd.as_ref().unwrap().metric(misses).await;
        assert!((after - before).abs() < f64::EPSILON, "{login} was looked up instead of being known");
    }
    lags.sort();
    println!("from commit to memory: median {:?}, worst {:?}", lags[lags.len() / 2], lags[lags.len() - 1]);
    assert!(lags[lags.len() / 2] < Duration::from_millis(100), "{lags:?}");
}

#[tokio::test]
async fn accounting_is_recorded_and_usage_reaches_the_next_login() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("ten-megabytes", |p| p.rules.quota_octets = Some(10_000_000)).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    router.traffic(mac(1), 1_000_000, 3_000_000);
    router.interim_now(mac(1));
    router.traffic(mac(1), 500_000, 500_000);
    router.logout(mac(1));
    router
        .wait_for("every report is acknowledged", Duration::from_secs(20), |r| r.journal().is_settled())
        .await
        .unwrap();
    assert_eq!(router.journal().iter().filter(|e| e.session_id.is_empty()).count(), 1, "one Accounting-On");

    let (input, output, ended): (i64, i64, i64) = sqlx::query_as(
        "SELECT sum(input_octets)::bigint, sum(output_octets)::bigint, count(*) FROM sessions_ended WHERE entitlement_id = $1",
    )
    .bind(entitlement)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((input, output, ended), (1_500_000, 3_500_000, 1));
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&world.pool).await.unwrap();
    assert_eq!(open, 0);
    let hourly: i64 = sqlx::query_scalar("SELECT sum(input_octets + output_octets)::bigint FROM usage_hourly")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(hourly, 5_000_000);

    let again = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(again.terms().unwrap().total_limit, Some(5_000_000), "what was used is taken off at once");
}

#[tokio::test]
async fn a_crossed_quota_ends_every_session_that_shares_it() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world
        .package("ten-megabytes", |p| {
            p.rules.quota_octets = Some(10_000_000);
            p.rules.device_limit = 2;
        })
        .await;
    world.grant(&package, "amina", "siri").await;
    for number in [1, 2] {
        assert!(router.login_pap(mac(number), "amina", "siri").await.is_accepted());
        router.traffic(mac(number), 0, 6_000_000);
        router.interim_now(mac(number));
    }
    router.wait_for("both sessions are cut", Duration::from_secs(20), |r| r.sessions().count() == 0).await.unwrap();
    let refused = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(refused.error().as_deref(), Some("Your data is used up. Please buy a new package."));
}

#[tokio::test]
async fn time_online_runs_only_while_somebody_is_online() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world
        .package("two-seconds-online", |p| {
            p.rules.quota_time = Some(Duration::from_secs(2));
            p.rules.duration = Some(Duration::from_secs(86_400));
            p.rules.device_limit = 2;
        })
        .await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let login = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(login.terms().unwrap().session_timeout, Some(2), "not the day");
    router
        .wait_for("the router's own limit ends it", Duration::from_secs(20), |r| r.session(mac(1)).is_none())
        .await
        .unwrap();
    let state: String = eventually("the time online is used up", || async {
        sqlx::query_scalar("SELECT state FROM entitlements WHERE id = $1 AND state <> 'active'")
            .bind(entitlement)
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    assert_eq!(state, "exhausted");
    let refused = router.login_pap(mac(2), "amina", "siri").await;
    assert_eq!(refused.error().as_deref(), Some("Your hours online are used up. Please buy a new package."));
}

/// Hours that open so many minutes from now, by the clocks of the place, and stay open for so long.
fn hours(world: &World, opens_in: u16, minutes: u16) -> shared::hours::Hours {
    const WEEK: u16 = 7 * 1440;
    let here = shared::time::Zone::default().at(world.clock.now());
    let minute = u16::from(here.weekday().number_days_from_monday()) * 1440
        + u16::from(here.hour()) * 60
        + u16::from(here.minute());
    let from = (minute + opens_in) % WEEK;
    let written = match from + minutes {
        to if to <= WEEK => format!("{{[{from},{to})}}"),
        to => format!("{{[0,{}),[{from},{WEEK})}}", to - WEEK),
    };
    shared::hours::Hours::from_multirange(&written).unwrap()
}

#[tokio::test]
async fn a_package_opens_and_closes_by_the_clock_of_the_place() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let (later, now) = (hours(&world, 120, 60), hours(&world, 0, 30));
    let closed = world.package("later", |p| p.rules.hours = Some(later.clone())).await;
    world.grant(&closed, "amina", "siri").await;
    let open = world
        .package("now", |p| {
            p.rules.hours = Some(now);
            p.rules.duration = Some(Duration::from_secs(86_400));
        })
        .await;
    let entitlement = world.grant(&open, "baraka", "siri").await;
    let refused = router.login_pap(mac(1), "amina", "siri").await;
    let sentence = "Your package is for other hours of the day or week. Please come back then, or buy another one.";
    assert_eq!(refused.error().as_deref(), Some(sentence));

    let login = router.login_pap(mac(2), "baraka", "siri").await;
    let left = u64::from(login.terms().unwrap().session_timeout.unwrap());
    assert!((28 * 60..=30 * 60).contains(&left), "{left} s");
    // PostgreSQL has the same deadline.
    let closes: time::OffsetDateTime = eventually("the session is recorded with its deadline", || async {
        sqlx::query_scalar("SELECT cutoff_at FROM sessions WHERE entitlement_id = $1")
            .bind(entitlement)
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    let apart = closes - (world.clock.now() + Duration::from_secs(left));
    assert!(apart.abs() < time::Duration::seconds(30), "{apart} apart");
    assert_eq!((closes.second(), closes.microsecond()), (0, 0));
    // The hours are changed while she is online: access ends at once.
    sqlx::query("UPDATE entitlements SET hours = $2::text::int4multirange WHERE id = $1")
        .bind(entitlement)
        .bind(later.to_multirange())
        .execute(&world.pool)
        .await
        .unwrap();
    router.wait_for("the session is cut", Duration::from_secs(20), |r| r.session(mac(2)).is_none()).await.unwrap();
}

#[tokio::test]
async fn whom_a_router_lets_in_by_itself_is_not_cut() {
    let world = World::new().await;
    let now = world.clock.now();
    let settings = store::nas::Settings { address: Some("10.20.0.8/32".parse().unwrap()), ..Default::default() };
    let nas = world.register("cafe", b"secret", settings).await;
    let report = store::accounting::Report { user_name: "a user of the router's own".into(), ..first_report(nas, now) };
    store::accounting::record(&world.db, &[report], now).await.unwrap();
    assert_eq!(store::session::cut_due(&world.db, now + Duration::from_secs(86_400), 10).await.unwrap(), 0);
    assert_eq!(store::session::open(&world.db, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn expiry_tells_the_router_within_two_seconds_and_the_stop_proves_it() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("an-hour", |p| p.starts = Starts::Purchase).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    let start = || async { (router.stats().coa_acks, router.session(mac(1)).is_none()) };
    eventually("the session is recorded", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE cutoff_at IS NOT NULL")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (open == 1).then_some(())
    })
    .await;
    // The router's own Session-Timeout is an hour away: only our deadline can end this session now.
    let due = world.clock.now() + Duration::from_millis(500);
    sqlx::query("UPDATE entitlements SET starts_at = $2 - interval '1 second', expires_at = $2 WHERE id = $1")
        .bind(entitlement)
        .bind(due)
        .execute(&world.pool)
        .await
        .unwrap();
    eventually("the router has cut the session", || async { start().await.1.then_some(()) }).await;
    let (sent_at, due_at, state, reason): (time::OffsetDateTime, time::OffsetDateTime, String, String) = eventually("the cut is proved", || async {
        sqlx::query_as("SELECT c.sent_at, s.cutoff_at, c.state, c.reason FROM nas_commands c JOIN sessions_ended s ON s.id = c.session_id WHERE c.state = 'proved'")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    let late = sent_at - due_at;
    println!("from deadline to Disconnect-Request: {} ms", late.whole_milliseconds());
    assert!(late < Duration::from_secs(2), "{late}");
    assert_eq!((state.as_str(), reason.as_str()), ("proved", "expired"));
    assert_eq!(start().await.0, 1);
    let refused = router.login_mac(mac(1)).await;
    assert_eq!(refused.error().as_deref(), Some("Your time is used up. Please buy a new package."));
}

#[tokio::test]
async fn more_time_before_the_deadline_keeps_the_session() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("an-hour", |p| p.starts = Starts::Purchase).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    for (seconds, what) in [(1800, "shortened"), (7200, "extended")] {
        sqlx::query("UPDATE entitlements SET expires_at = now() + make_interval(secs => $2) WHERE id = $1")
            .bind(entitlement)
            .bind(f64::from(seconds))
            .execute(&world.pool)
            .await
            .unwrap();
        eventually(what, || async {
            let follows: bool = sqlx::query_scalar(
                "SELECT s.cutoff_at = e.expires_at FROM sessions s JOIN entitlements e ON e.id = s.entitlement_id",
            )
            .fetch_optional(&world.pool)
            .await
            .ok()??;
            follows.then_some(())
        })
        .await;
    }
    assert!(router.session(mac(1)).is_some());
}

#[tokio::test]
async fn a_router_that_only_acknowledges_is_not_believed() {
    use tests::nas::{CoaBehaviour, Misbehaviour};
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("an-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    router.misbehave(Misbehaviour { coa: CoaBehaviour::AckWithoutCut, ..Misbehaviour::default() });
    let session = eventually("the session is recorded", || async {
        store::session::open(&world.db, 10).await.ok()?.into_iter().next()
    })
    .await;
    store::session::disconnect(&world.db, session.id, world.clock.now()).await.unwrap();
    let listed = eventually("the acknowledgement is recorded", || async {
        let session = store::session::open(&world.db, 10).await.ok()?.into_iter().next()?;
        (session.cut.as_deref() == Some("acknowledged")).then_some(session)
    })
    .await;
    assert!(listed.ended_at.is_none(), "an ACK without a Stop closes nothing");
}
