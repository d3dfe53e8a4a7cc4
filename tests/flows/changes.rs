//! What somebody has changes while the device is online: more is bought, so much is used that it goes slower, a device
//! takes another one's place. The session goes on where the router lets it.

use std::time::Duration;

use shared::rules::{DevicePolicy, Until};
use shared::time::OffsetDateTime;
use store::package::Purchases;
use tests::nas::{CoaBehaviour, Mac, Misbehaviour, Nas};
use tests::world::{World, eventually, first_report};

use crate::guest::Guest;

/// Addresses of makers. Random ones take each other's place.
fn mac(number: u8) -> Mac {
    Mac([0, 0, 0, 0, 0x0d, number])
}

async fn rate(router: &Nas, mac: Mac, wanted: &str) {
    let has = |r: &tests::nas::Router| r.session(mac).is_some_and(|s| s.terms.rate_limit.as_deref() == Some(wanted));
    router.wait_for(&format!("the session has {wanted}"), Duration::from_secs(20), has).await.unwrap();
}

async fn open_sessions(world: &World, count: i64) {
    eventually("the sessions are recorded", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&world.pool).await.ok()?;
        (open == count).then_some(())
    })
    .await;
}

/// Commands of a kind by state, with their reasons.
async fn commands(world: &World, kind: &str) -> Vec<(String, String, Option<i32>)> {
    sqlx::query_as("SELECT state, reason, error_cause FROM nas_commands WHERE kind = $1 ORDER BY created_at, id")
        .bind(kind)
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

struct Shop {
    world: World,
    router: Nas,
    guest: Guest,
    /// The page of the order with which the guest is online.
    order: String,
}

/// A guest who has bought an hour and is online.
async fn online() -> Shop {
    let mut world = World::new().await;
    world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |p| p.rules.quota_octets = Some(100_000_000)).await;
    world
        .package("one-day", |p| {
            p.price = shared::money::Money::kes(8_000);
            p.rules.duration = Some(Duration::from_secs(86_400));
            p.rules.rate = Some(shared::rate::Rate { up_bps: 5_000_000, down_bps: 10_000_000 });
        })
        .await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    let page = guest.arrive().await;
    let (order, _) = guest.buy(&page, "one-hour", "0712345670").await;
    let paid = guest.wait_for_stage(&order, "go_online").await;
    guest.go_online(&paid).await;
    guest.wait_for_stage(&order, "online").await;
    open_sessions(&world, 1).await;
    Shop { world, router, guest, order }
}

impl Shop {
    fn session(&self) -> tests::nas::Session {
        self.router.read(|r| r.sessions().next().cloned()).expect("online")
    }

    /// Follows "Get more" from the page of the order, and buys there.
    async fn buy_more(&self, package: &str, phone: &str, when: &str) -> String {
        let page = self.guest.get(&self.order).await;
        let path =
            page.attribute("href=\"/packages", "href").unwrap_or_else(|| panic!("no way to more: {}", page.text));
        let packages = self.guest.get(&format!("{}{path}", self.world.portal_url())).await;
        assert!(packages.text.contains("what is left of one hour is counted in"), "{}", packages.text);
        assert!(!packages.text.contains("id=\"login\""), "who is online needs no login");
        self.guest.buy_when(&packages, package, phone, when).await.0
    }
}

#[tokio::test]
async fn another_package_now_is_had_in_the_same_session() {
    let shop = online().await;
    let before = shop.session();
    assert_eq!(before.terms.rate_limit.as_deref(), Some("2M/5M"));
    let order = shop.buy_more("one-day", "0712345670", "now").await;
    rate(&shop.router, before.mac, "5M/10M").await;
    let after = shop.session();
    assert_eq!(after.session_id(), before.session_id(), "it is the same session");
    // All of the hour was left: KSh 20, a quarter of KSh 80, and so six hours more than a day.
    let timeout = after.terms.session_timeout.expect("it ends");
    assert!((108_000 - 60..=108_000 + 60).contains(&timeout), "{timeout}");
    let page = shop.guest.wait_for_stage(&order, "online").await;
    assert!(page.text.contains("You are online until"), "{}", page.text);
    let (entitlements, package): (i64, String) = sqlx::query_as("SELECT count(*), max(package_name) FROM entitlements")
        .fetch_one(&shop.world.pool)
        .await
        .unwrap();
    assert_eq!((entitlements, package.as_str()), (1, "one day"));
    let (kind, credit): (String, i64) =
        sqlx::query_as("SELECT kind, credit_minor FROM entitlement_changes").fetch_one(&shop.world.pool).await.unwrap();
    assert!(kind == "upgrade" && (1_990..=2_000).contains(&credit), "{kind} {credit}");
    eventually("the change is proved", || async {
        let told = commands(&shop.world, "coa").await;
        (!told.is_empty() && told.iter().all(|(state, _, _)| state == "proved")).then_some(())
    })
    .await;
    assert!(commands(&shop.world, "disconnect").await.is_empty());
}

#[tokio::test]
async fn the_same_package_again_makes_it_longer() {
    let shop = online().await;
    let before = shop.session();
    let order = shop.buy_more("one-hour", "0712345679", "now").await;
    let longer = |r: &tests::nas::Router| {
        r.session(before.mac).is_some_and(|s| s.terms.session_timeout.is_some_and(|timeout| timeout > 7_100))
    };
    shop.router.wait_for("the session is longer", Duration::from_secs(20), longer).await.unwrap();
    assert_eq!(shop.session().session_id(), before.session_id());
    let quota: i64 =
        sqlx::query_scalar("SELECT quota_octets FROM entitlements").fetch_one(&shop.world.pool).await.unwrap();
    assert_eq!(quota, 200_000_000, "somebody else's phone may pay for it");
    shop.guest.wait_for_stage(&order, "online").await;
}

#[tokio::test]
async fn what_shall_come_afterwards_waits() {
    let shop = online().await;
    let before = shop.session();
    let order = shop.buy_more("one-day", "0712345670", "after").await;
    shop.guest.wait_for_stage(&order, "go_online").await;
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM entitlements WHERE starts_at IS NULL")
        .fetch_one(&shop.world.pool)
        .await
        .unwrap();
    assert_eq!(waiting, 1);
    assert_eq!(shop.session().terms.rate_limit, before.terms.rate_limit);
    assert!(commands(&shop.world, "coa").await.is_empty());
}

#[tokio::test]
async fn a_router_that_refuses_a_change_lets_the_device_log_in_again() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let package = world.package("one-day", |_| {}).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    // Refusals that will not change (RFC 5176 §3.5), each at a router of its own.
    for (number, cause) in (1..).zip([401, 402, 403, 404, 405, 406, 407, 501, 504]) {
        let name = format!("refuses-{cause}");
        let bind = std::net::Ipv4Addr::new(127, 3, 0, number);
        let router = world.router(&name, |config| config.bind = bind).await;
        let more = "UPDATE entitlements SET device_limit = 100 WHERE id = $1";
        sqlx::query(more).bind(entitlement).execute(&world.pool).await.unwrap();
        eventually("the device gets in", || async {
            router.login_pap(mac(number), "amina", "siri").await.is_accepted().then_some(())
        })
        .await;
        open_sessions(&world, 1).await;
        router.misbehave(Misbehaviour { coa: CoaBehaviour::Nak(cause), ..Misbehaviour::default() });
        let slower = "UPDATE entitlements SET up_bps = $2, down_bps = $2 WHERE id = $1";
        sqlx::query(slower).bind(entitlement).bind(i64::from(cause) * 1000).execute(&world.pool).await.unwrap();
        eventually("the device is to be sent off", || async {
            let cuts: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM nas_commands c JOIN nas n ON n.id = c.nas_id
                 WHERE n.name = $1 AND c.kind = 'disconnect' AND c.reason = 'change'",
            )
            .bind(&name)
            .fetch_one(&world.pool)
            .await
            .ok()?;
            (cuts == 1).then_some(())
        })
        .await;
        let told: (String, Option<i32>) = sqlx::query_as(
            "SELECT c.state, c.error_cause FROM nas_commands c JOIN nas n ON n.id = c.nas_id WHERE n.name = $1 AND c.kind = 'coa' AND c.error_cause IS NOT NULL",
        )
        .bind(&name)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(told, ("abandoned".to_owned(), Some(i32::try_from(cause).unwrap())));
        // It obeys the cut when it is asked again, and the device has the new speed when it is back.
        router.misbehave(Misbehaviour::default());
        let again = "UPDATE nas_commands SET lease_until = NULL, waits_for_router = false, due_at = now() WHERE state = 'refused'";
        eventually("the router cuts", || async {
            sqlx::query(again).execute(&world.pool).await.ok()?;
            router.session(mac(number)).is_none().then_some(())
        })
        .await;
        let back = router.login_mac(mac(number)).await;
        assert_eq!(back.terms().and_then(|t| t.rate_limit.clone()), Some(format!("{cause}k/{cause}k")));
        assert!(router.logout(mac(number)));
        // Both of its sessions are recorded as ended: that none is open is also so before the second one's Start has been recorded, and then the
        // next router's change would find that one.
        eventually("both sessions are over", || async {
            let ended = "SELECT count(*) FROM sessions_ended s JOIN nas n ON n.id = s.nas_id WHERE n.name = $1";
            let ended: i64 = sqlx::query_scalar(ended).bind(&name).fetch_one(&world.pool).await.ok()?;
            (ended == 2).then_some(())
        })
        .await;
        open_sessions(&world, 0).await;
    }
}

#[tokio::test]
async fn a_router_may_keep_its_devices_and_one_that_is_busy_is_asked_again() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    world.portal_command(&["nas", "set", "cafe", "--keep-on-refused-change", "true"], "").await;
    let package = world.package("one-day", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    open_sessions(&world, 1).await;
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Nak(401), ..Misbehaviour::default() });
    sqlx::query("UPDATE entitlements SET up_bps = 1000, down_bps = 1000").execute(&world.pool).await.unwrap();
    eventually("the refusal is written down", || async {
        let told = commands(&world, "coa").await;
        (told.len() == 1 && told[0].0 == "refused" && told[0].2 == Some(401)).then_some(())
    })
    .await;
    assert!(commands(&world, "disconnect").await.is_empty() && router.session(mac(1)).is_some());
    // A newer wish is sent at once, and a router that is busy (RFC 5176 §3.5: 506) is asked again later.
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Nak(506), ..Misbehaviour::default() });
    sqlx::query("UPDATE entitlements SET up_bps = 2000, down_bps = 2000").execute(&world.pool).await.unwrap();
    eventually("it is busy", || async {
        let told = commands(&world, "coa").await;
        (told.len() == 1 && told[0].0 == "refused" && told[0].2 == Some(506)).then_some(())
    })
    .await;
    router.misbehave(Misbehaviour::default());
    rate(&router, mac(1), "2k/2k").await;
}

#[tokio::test]
async fn much_use_slows_the_open_session_down() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world
        .package("fair", |p| {
            p.rules.fair_use = "10MB 512k/1M, 20MB 128k/256k".parse().unwrap();
            p.rules.burst = Some("4M/8M 1M/3M 10/10".parse().unwrap());
        })
        .await;
    world.grant(&package, "amina", "siri").await;
    let login = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(login.terms().unwrap().rate_limit.as_deref(), Some("2M/5M 4M/8M 1M/3M 10/10"));
    open_sessions(&world, 1).await;
    for speed in ["512k/1M", "128k/256k"] {
        router.traffic(mac(1), 4_000_000, 8_000_000).unwrap();
        router.interim_now(mac(1));
        rate(&router, mac(1), speed).await;
    }
    assert!(commands(&world, "disconnect").await.is_empty());
    assert!(router.logout(mac(1)));
    open_sessions(&world, 0).await;
    let again = eventually("memory has heard of it", || async {
        let again = router.login_pap(mac(1), "amina", "siri").await;
        let speed = again.terms()?.rate_limit.clone();
        router.logout(mac(1));
        (speed.as_deref() == Some("128k/256k")).then_some(again)
    })
    .await;
    assert!(again.is_accepted());
}

/// Happy hours that begin in a moment, and then end: the open session goes faster, and slower again, and goes on.
#[tokio::test]
async fn happy_hours_come_and_go_in_the_open_session() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package =
        world.package("night", |p| p.rules.happy_hours = Some("mon 00:00-00:01 at 4M/8M".parse().unwrap())).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let login = router.login_pap(mac(1), "amina", "siri").await;
    let minute = |at: OffsetDateTime| {
        let here = shared::time::Zone::default().at(at);
        u16::from(here.weekday().number_days_from_monday()) * 1440
            + u16::from(here.hour()) * 60
            + u16::from(here.minute())
    };
    open_sessions(&world, 1).await;
    let planned = async || -> Option<OffsetDateTime> {
        sqlx::query_scalar("SELECT speed_changes_at FROM sessions").fetch_one(&world.pool).await.unwrap()
    };
    let monday = planned().await.expect("it is known when the speed changes");
    let began_in_them = minute(world.clock.now()) == 0;
    assert_eq!(minute(monday), u16::from(began_in_them), "in the time of the place");
    assert_eq!(login.terms().unwrap().rate_limit.as_deref(), Some(if began_in_them { "4M/8M" } else { "2M/5M" }));
    // The hours of what was sold are made to be now, and not now; a change by hand asks for a CoA by itself, so the moment
    // is what is moved.
    let make = async |hours: String| {
        sqlx::query("UPDATE entitlements SET happy_hours = $2::text::int4multirange WHERE id = $1")
            .bind(entitlement)
            .bind(hours)
            .execute(&world.pool)
            .await
            .unwrap();
    };
    // The whole week but a minute that is half a week away: at whatever minute of the week this runs, it lies in them.
    let away = if minute(world.clock.now()) < 5040 { 7560 } else { 2520 };
    make(format!("{{[0,{away}),[{},10080)}}", away + 1)).await;
    rate(&router, mac(1), "4M/8M").await;
    sqlx::query("UPDATE entitlements SET happy_up_bps = 3000000 WHERE id = $1")
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
    rate(&router, mac(1), "3M/8M").await;
    let asked = commands(&world, "coa").await.len();
    let moved = "UPDATE sessions SET speed_changes_at = now() - interval '1 second'";
    sqlx::query(moved).execute(&world.pool).await.unwrap();
    eventually("the moment has come, and the next one is known", || async {
        let proved = commands(&world, "coa").await.iter().filter(|(state, ..)| state == "proved").count();
        (proved == asked + 1 && planned().await? > world.clock.now()).then_some(())
    })
    .await;
    assert!(commands(&world, "disconnect").await.is_empty());
}

/// Waits until what was reported is recorded and the router has been told what follows from it: milliseconds, which are over
/// long before somebody has used much more.
async fn told(world: &World, router: &Nas) {
    eventually("the router is told", || async {
        let settled = router.read(|r| r.journal().is_settled());
        let waiting = commands(world, "coa").await.iter().any(|(state, _, _)| state == "pending");
        (settled && !waiting).then_some(())
    })
    .await;
}

/// Three devices use one quota up, each as fast as it can, and report seldom: what they use beyond it is less than a hundredth.
#[tokio::test]
async fn devices_that_share_a_quota_use_it_up_and_hardly_more() {
    const QUOTA: u64 = 300_000_000;
    /// What 10 Mbit/s is in five seconds.
    const STRIDE: u64 = 6_250_000;
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |config| config.coa_total_limit = true).await;
    let package = world.package("shared", |p| (p.rules.quota_octets, p.rules.device_limit) = (Some(QUOTA), 3)).await;
    world.grant(&package, "amina", "siri").await;
    let devices = [mac(1), mac(2), mac(3)];
    let (mut used, mut logins, mut strides) = (0, 0, 0);
    for device in devices {
        assert!(router.login_pap(device, "amina", "siri").await.is_accepted());
    }
    open_sessions(&world, 3).await;
    told(&world, &router).await;
    // One stride is one report in a dozen: five seconds of a minute.
    let started = std::time::Instant::now();
    'all: loop {
        for device in devices {
            assert!(started.elapsed() < tests::world::PATIENCE, "the data is never used up: {used}");
            strides += 1;
            if let Some((_, down)) = router.traffic(device, 0, STRIDE) {
                used += down;
            } else {
                // Its part is used up, and the server has heard of that.
                let settled = |r: &tests::nas::Router| r.journal().is_settled();
                router.wait_for("the reports are recorded", Duration::from_secs(20), settled).await.unwrap();
                logins += 1;
                let login = router.login_mac(device).await;
                if login.error().is_some_and(|error| error.contains("data is used up")) {
                    break 'all;
                }
            }
            if strides % 12 == 0 {
                router.interim_now(device);
                told(&world, &router).await;
            }
        }
    }
    let beyond = used.saturating_sub(QUOTA);
    println!("{used} of {QUOTA} octets, {beyond} beyond it, {logins} logins on the way");
    assert!(used >= QUOTA, "all of it could be used: {used}");
    assert!(beyond < QUOTA / 100, "{beyond} octets beyond the quota");
}

#[tokio::test]
async fn a_device_takes_the_place_of_the_first_one_which_is_sent_off() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |p| p.rules.devices = DevicePolicy::Replace).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    open_sessions(&world, 1).await;
    assert!(router.login_pap(mac(2), "amina", "siri").await.is_accepted());
    let gone = |r: &tests::nas::Router| r.session(mac(1)).is_none();
    router.wait_for("the first one is sent off", Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(commands(&world, "disconnect").await[0].1, "moved");
    assert!(!router.login_mac(mac(1)).await.is_accepted(), "it has no place any more");
    for number in [3, 4] {
        assert!(router.login_pap(mac(number), "amina", "siri").await.is_accepted());
    }
    let refused = router.login_pap(mac(5), "amina", "siri").await;
    assert!(refused.error().is_some_and(|error| error.contains("too often today")), "{:?}", refused.error());
    eventually("the changes are written down", || async {
        let (devices, free_in): (i64, Option<f64>) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM entitlement_devices WHERE entitlement_id = e.id),
                    extract(epoch FROM swaps_free_at - now())::float8 FROM entitlements e WHERE e.id = $1",
        )
        .bind(entitlement)
        .fetch_one(&world.pool)
        .await
        .ok()?;
        (devices == 1 && free_in.is_some_and(|seconds| (86_000.0..86_400.0).contains(&seconds))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_phone_with_a_new_random_address_keeps_its_place() {
    let random = |number| Mac([0x02, 0, 0, 0, 0x0d, number]);
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(random(1), "amina", "siri").await.is_accepted());
    assert!(router.login_pap(random(2), "amina", "siri").await.is_accepted());
    let refused = router.login_pap(mac(3), "amina", "siri").await;
    assert_eq!(refused.error().as_deref(), Some("This package is already used on all its devices."));
}

#[tokio::test]
async fn a_trial_is_had_once_and_a_day_ends_at_midnight() {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    world
        .package("trial", |p| {
            p.price = shared::money::Money::kes(0);
            p.purchases = Purchases { ever: Some(1), a_day: None };
            (p.rules.duration, p.rules.until) = (None, Some(Until::EndOfDay));
        })
        .await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    let page = guest.arrive().await;
    assert!(page.text.contains("Get it free") && page.text.contains("until midnight"), "{}", page.text);
    let (order, _) = guest.buy(&page, "trial", "0712345670").await;
    let paid = guest.wait_for_stage(&order, "go_online").await;
    guest.go_online(&paid).await;
    assert!(guest.is_online().await);
    assert!(daraja.transactions().is_empty(), "nobody is asked for nothing");
    let (seconds, at_midnight): (f64, bool) = eventually("its clock runs", || async {
        sqlx::query_as(
            "SELECT extract(epoch FROM expires_at - now())::float8,
                    expires_at AT TIME ZONE 'Africa/Nairobi' = date_trunc('day', expires_at AT TIME ZONE 'Africa/Nairobi')
             FROM entitlements WHERE expires_at IS NOT NULL",
        )
        .fetch_optional(&world.pool)
        .await
        .ok()?
    })
    .await;
    assert!(at_midnight && seconds <= 86_400.0, "{seconds}");
    let timeout = router.read(|r| r.sessions().next().and_then(|s| s.terms.session_timeout)).expect("it ends");
    assert!((f64::from(timeout) - seconds).abs() < 60.0, "{timeout} {seconds}");

    // Neither the same person nor the same device has it again.
    router.read(|r| r.sessions().map(|s| s.mac).collect::<Vec<_>>()).into_iter().for_each(|mac| {
        router.logout(mac);
    });
    sqlx::query("UPDATE orders SET created_at = created_at - interval '2 hours'").execute(&world.pool).await.unwrap();
    sqlx::query("UPDATE entitlements SET state = 'revoked'").execute(&world.pool).await.unwrap();
    for phone in ["0712345670", "0712345671"] {
        let page = guest.arrive().await;
        let (_, answer) = guest.buy(&page, "trial", phone).await;
        assert!(answer.text.contains("can be had once only"), "{}", answer.text);
    }
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&world.pool).await.unwrap();
    assert_eq!(orders, 1);
}

#[tokio::test]
async fn a_device_is_removed_on_its_page() {
    let shop = online().await;
    let path = format!("{}/devices", shop.order);
    sqlx::query("UPDATE entitlements SET device_limit = 2").execute(&shop.world.pool).await.unwrap();
    let (entitlement, code): (uuid::Uuid, String) =
        sqlx::query_as("SELECT e.id, o.code FROM entitlements e JOIN orders o ON o.id = e.order_id")
            .fetch_one(&shop.world.pool)
            .await
            .unwrap();
    let laptop = mac(7);
    let password = eventually("a second device gets in", || async {
        let now = shop.world.clock.now();
        let password = store::entitlement::one_time_password(
            &shop.world.db,
            entitlement,
            &code,
            laptop.to_string().parse().ok()?,
            now,
        )
        .await
        .ok()?;
        shop.router.login_pap(laptop, &code, &password).await.is_accepted().then_some(password)
    })
    .await;
    assert!(!password.is_empty());
    open_sessions(&shop.world, 2).await;
    let page = shop.guest.get(&shop.order).await;
    assert!(page.text.contains(&laptop.to_string()) && page.text.contains("this device"), "{}", page.text);
    shop.guest.post_field(&path, "remove", &laptop.to_string()).await;
    let gone = |r: &tests::nas::Router| r.session(laptop).is_none();
    shop.router.wait_for("the laptop is sent off", Duration::from_secs(20), gone).await.unwrap();
    let page = shop.guest.get(&shop.order).await;
    assert!(!page.text.contains(&laptop.to_string()), "{}", page.text);
}

/// A login that is answered while a change is under way cannot know of it, and its Start may be recorded while who changes holds what
/// counts the usage: neither sees the other, and the router is told all the same. A login that knows of it has nothing to be told.
#[tokio::test]
async fn a_change_between_the_login_and_its_start_reaches_the_router() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    // The first session starts the clock, so that the next one's Start has nothing to change of what is bought.
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    open_sessions(&world, 1).await;
    assert!(router.logout(mac(1)));
    open_sessions(&world, 0).await;
    assert!(commands(&world, "coa").await.is_empty(), "nothing has changed");

    let mut change = world.pool.begin().await.unwrap();
    sqlx::query("UPDATE entitlements SET up_bps = 7000000, down_bps = 9000000").execute(&mut *change).await.unwrap();
    let login = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(login.terms().and_then(|terms| terms.rate_limit.as_deref()), Some("2M/5M"), "it is not committed");
    eventually("its Start waits for who changes", || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%JOIN entitlement_usage u ON%'",
        )
        .fetch_one(&world.pool)
        .await
        .ok()?;
        (waiting > 0).then_some(())
    })
    .await;
    change.commit().await.unwrap();
    rate(&router, mac(1), "7M/9M").await;
    assert_eq!(commands(&world, "coa").await.len(), 1);
    assert!(commands(&world, "disconnect").await.is_empty());
    assert!(router.logout(mac(1)));
    open_sessions(&world, 0).await;

    // What its Start asks for is written in the transaction that opens the session: a change for whose login did not know of it yet,
    // and nothing for who did.
    eventually("a login is answered with it", || async {
        let before = commands(&world, "coa").await.len();
        let login = router.login_pap(mac(1), "amina", "siri").await;
        assert!(login.is_accepted());
        open_sessions(&world, 1).await;
        let knows = login.terms().and_then(|terms| terms.rate_limit.as_deref()) == Some("7M/9M");
        assert_eq!(commands(&world, "coa").await.len() - before, usize::from(!knows));
        assert!(router.logout(mac(1)));
        open_sessions(&world, 0).await;
        knows.then_some(())
    })
    .await;
}

/// radiusd answers from memory while it does not reach PostgreSQL, where something changes meanwhile. When the Start is recorded, the
/// router is told, though the login came after the change.
#[tokio::test]
async fn a_login_that_could_not_know_of_a_change_is_told_when_postgresql_is_back() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    open_sessions(&world, 1).await;
    assert!(router.logout(mac(1)));
    open_sessions(&world, 0).await;

    world.postgres.cut();
    sqlx::query("UPDATE entitlements SET up_bps = 7000000, down_bps = 9000000").execute(&world.pool).await.unwrap();
    let login = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(login.terms().and_then(|terms| terms.rate_limit.as_deref()), Some("2M/5M"), "memory cannot know");
    world.postgres.mend();
    rate(&router, mac(1), "7M/9M").await;
    assert!(commands(&world, "disconnect").await.is_empty());
}

/// What is asked for when a session is opened, by what its ticket tells.
#[tokio::test]
async fn a_start_asks_for_a_change_if_its_login_was_answered_from_another_revision() {
    use store::accounting::{self, Event, Report, SessionKey};
    let world = World::new().await;
    let nas = shared::rng::id(world.clock.now());
    let package = world.package("one-day", |_| {}).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let ticket = |revision| {
        let now = world.clock.now();
        SessionKey { id: shared::rng::marked_id(now, revision), opened_on: now.date() }
    };
    let no_ticket = || SessionKey { id: uuid::Uuid::nil(), opened_on: world.clock.now().date() };
    // How many changes are asked for as a session begins, which had gone on for so long by then.
    let asked = async |session: SessionKey, seconds: u64| {
        let at = world.clock.now() + Duration::from_secs(1);
        let acct_session_id = shared::rng::id(at).to_string();
        let start =
            Report { session, seconds, entitlement: Some(entitlement), acct_session_id, ..first_report(nas, at) };
        let before = commands(&world, "coa").await.len();
        accounting::record(&world.db, &[&start], at).await.unwrap();
        let asked = commands(&world, "coa").await.len() - before;
        accounting::record(&world.db, &[Report { event: Event::Stop, ..start }], at).await.unwrap();
        open_sessions(&world, 0).await;
        asked
    };
    let change = async |speed: i64| {
        let sql = "UPDATE entitlements SET up_bps = $2 WHERE id = $1";
        sqlx::query(sql).bind(entitlement).bind(speed).execute(&world.pool).await.unwrap();
    };
    // Of what never changed there is nothing to tell, whatever number a ticket of before has by chance.
    for session in [ticket(0), ticket(77), no_ticket()] {
        assert_eq!(asked(session, 0).await, 0, "{session:?}");
    }
    change(7_000_000).await;
    for (session, seconds, changes) in
        [(ticket(0), 0, 1), (ticket(1), 0, 0), (ticket(1), 600, 0), (no_ticket(), 600, 1), (no_ticket(), 0, 0)]
    {
        assert_eq!(asked(session, seconds).await, changes, "{session:?} {seconds}");
    }
    // Two changes in one transaction, and what a router is not told of.
    let mut both = world.pool.begin().await.unwrap();
    for speed in [8_000_000_i64, 9_000_000] {
        sqlx::query("UPDATE entitlements SET up_bps = $1").bind(speed).execute(&mut *both).await.unwrap();
    }
    sqlx::query("UPDATE entitlements SET package_name = 'another day'").execute(&mut *both).await.unwrap();
    both.commit().await.unwrap();
    for (revision, changes) in [(1, 1), (2, 1), (3, 0)] {
        assert_eq!(asked(ticket(revision), 0).await, changes, "{revision}");
    }
}

/// What changes while a session is taken for lost, and when happy hours begin or end between a login and the first report.
#[tokio::test]
async fn a_session_that_is_opened_late_is_told_what_it_missed() {
    use store::accounting::{self, Event, Report, SessionKey};
    let world = World::new().await;
    let nas = shared::rng::id(world.clock.now());
    let package =
        world.package("night", |p| p.rules.happy_hours = Some("mon 00:00-12:00 at 4M/8M".parse().unwrap())).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    let record = async |report: &Report| {
        accounting::record(&world.db, &[report], world.clock.now()).await.unwrap();
    };
    let planned = async |session: uuid::Uuid| -> OffsetDateTime {
        let planned = "SELECT speed_changes_at FROM sessions WHERE id = $1";
        sqlx::query_scalar(planned).bind(session).fetch_one(&world.pool).await.unwrap()
    };
    let start = |login: OffsetDateTime, revision: u16| Report {
        session: SessionKey { id: shared::rng::marked_id(login, revision), opened_on: login.date() },
        entitlement: Some(entitlement),
        ..first_report(nas, world.clock.now())
    };

    let first = start(world.clock.now(), 0);
    record(&first).await;
    assert!(planned(first.session.id).await > first.at && commands(&world, "coa").await.is_empty());
    for (changes, asked) in [(false, 0), (true, 1)] {
        let gone = accounting::end_lost(&world.db, &[(first.session.id, None)], world.clock.now()).await.unwrap();
        assert_eq!(gone, [first.session.id]);
        if changes {
            sqlx::query("UPDATE entitlements SET up_bps = 7000000").execute(&world.pool).await.unwrap();
            assert!(commands(&world, "coa").await.is_empty(), "there is nobody to tell");
        }
        record(&Report { event: Event::Interim, at: world.clock.now(), ..first.clone() }).await;
        open_sessions(&world, 1).await;
        assert_eq!(commands(&world, "coa").await.len(), asked);
    }

    // Its login was a week and a day ago: whatever day it is, happy hours have begun and ended since.
    let now = world.clock.now();
    let late = start(now - Duration::from_secs(8 * 86_400), 1);
    record(&Report { acct_session_id: "80100002".into(), ..late.clone() }).await;
    assert!(planned(late.session.id).await < now, "the speed has changed");
    assert!(store::session::change_speeds(&world.db, now, 10).await.unwrap() >= 1);
    assert!(planned(late.session.id).await > now);
}
