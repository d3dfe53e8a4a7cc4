//! The operator's desk in a real browser: sign in, see who is online, disconnect, see that the router confirmed.

use std::time::Duration;

use tests::nas::{CoaBehaviour, Mac, Misbehaviour};
use tests::world::{Browser, World, eventually};

const PHONE: Mac = Mac([0x02, 0, 0, 0, 0, 0x42]);
/// Pages of which a picture is kept, and which fit a small phone.
const PAGES: &[&str] = &[
    "",
    "/customers",
    "/devices",
    "/orders",
    "/ledger",
    "/sites",
    "/sites/new",
    "/settings",
    "/charts",
    "/jobs",
    "/jobs/disconnect",
    "/jobs/void",
    "/packages",
    "/packages/new",
    "/routers",
    "/routers/new",
    "/payments",
    "/money",
    "/money/all",
    "/vouchers",
    "/vouchers/new",
    "/discounts",
    "/discounts/new",
    "/messages",
    "/messages/texts",
    "/messages/texts/ended/sw",
    "/backups",
];

#[tokio::test]
async fn the_operator_sees_a_session_and_disconnects_it() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    world.start_portal().await;
    world
        .portal_command(
            &["admin", "create", "--email", "owner@example.org", "--password-stdin"],
            "correct horse battery",
        )
        .await;
    assert!(router.login_pap(PHONE, "amina", "siri").await.is_accepted());
    browser.client.set_window_size(1100, 800).await.unwrap();

    browser.client.goto(&format!("{}/admin/sessions", world.portal_url())).await.unwrap();
    browser.wait_for("Sign in").await;
    world.give_second_factor("owner@example.org").await;
    for (password, expected) in
        [("wrong horse battery", "do not belong together"), ("correct horse battery", "Your code")]
    {
        browser.fill("email", "owner@example.org").await;
        browser.fill("password", password).await;
        browser.press("main form button").await;
        browser.wait_for(expected).await;
    }
    browser.fill("code", &world.code("owner@example.org").await).await;
    browser.press("main form button").await;
    browser.wait_for("Sign out").await;
    for page in PAGES {
        // What every page has for whoever is signed in.
        let name = format!("desk{}", page.replace('/', "-"));
        browser.pictures(&format!("{}/admin{page}", world.portal_url()), "Sign out", &name).await;
    }
    browser.client.set_window_size(1100, 800).await.unwrap();
    browser.client.goto(&format!("{}/admin/routers", world.portal_url())).await.unwrap();
    browser.press("td a[href^=\"/admin/routers/\"]").await;
    browser.wait_for("Refused logins, by reason").await;
    browser.picture("desk-router").await;
    give_the_time_back(&world, &browser).await;
    browser.client.goto(&format!("{}/admin/sessions", world.portal_url())).await.unwrap();
    browser.wait_for(&PHONE.to_string()).await;
    browser.picture("desk-sessions").await;

    router.traffic(PHONE, 3_000_000, 40_000_000).expect("she is online");
    assert!(router.interim_now(PHONE));
    eventually("the report is stored", || async {
        sqlx::query("SELECT FROM sessions WHERE output_octets = 40000000").fetch_optional(&world.pool).await.ok()?
    })
    .await;
    browser.press("a[href^=\"/admin/sessions/ses_\"]").await;
    browser.wait_for("Session of amina").await;
    browser.wait_for("40 MB").await;
    browser.picture("desk-session").await;
    browser.client.goto(&format!("{}/admin/accounting", world.portal_url())).await.unwrap();
    browser.wait_for("Yes: every report is in PostgreSQL.").await;
    browser.wait_for("40 MB").await;
    browser.picture("desk-accounting").await;

    browser.client.goto(&format!("{}/admin/sessions", world.portal_url())).await.unwrap();
    // The router does not hear it: half a minute later the session is on the board, with what that costs.
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Silent, ..Misbehaviour::default() });
    browser.press("form[action*=\"disconnect\"] button").await;
    browser.wait_for("The router is being asked").await;
    let earlier = "UPDATE nas_commands SET created_at = created_at - interval '10 minutes'";
    sqlx::query(earlier).execute(&world.pool).await.unwrap();
    browser.client.goto(&format!("{}/admin/sessions/leaking", world.portal_url())).await.unwrap();
    browser.wait_for(&PHONE.to_string()).await;
    browser.wait_for("KSh 3.3").await;
    browser.picture("desk-leaking").await;
    router.misbehave(Misbehaviour::default());
    router
        .wait_for("the router has cut the session", Duration::from_secs(20), |r| r.session(PHONE).is_none())
        .await
        .unwrap();
    let (state, reason): (String, String) = eventually("the cut is proved", || async {
        sqlx::query_as("SELECT state, reason FROM nas_commands WHERE state = 'proved' AND kind = 'disconnect'")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    assert_eq!((state.as_str(), reason.as_str()), ("proved", "operator"));
    browser.client.goto(&format!("{}/admin/sessions/ended", world.portal_url())).await.unwrap();
    browser.wait_for(&PHONE.to_string()).await;
    browser.picture("desk-sessions-ended").await;
    let audited: i64 = sqlx::query_scalar("SELECT count(*) FROM admin_logs WHERE action LIKE '%disconnect%'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(audited, 1);
    browser.close().await;
}

/// The router was dark for a while: one click, and what the security log says of it beside.
async fn give_the_time_back(world: &World, browser: &Browser) {
    let outage = "WITH dark AS (
             INSERT INTO outages (id, nas_id, started_at, ended_at, noticed_at)
             SELECT gen_random_uuid(), id, now() - interval '50 minutes', now() - interval '30 minutes', now() FROM nas RETURNING id),
         begun AS (UPDATE entitlements SET starts_at = now() - interval '55 minutes', expires_at = now() + interval '5 minutes' RETURNING id)
         INSERT INTO outage_entitlements (outage_id, entitlement_id, sessions) SELECT dark.id, begun.id, 1 FROM dark, begun";
    sqlx::query(outage).execute(&world.pool).await.unwrap();
    let event = "INSERT INTO security_events (id, at, kind, nas_id, mac, detail)
         SELECT gen_random_uuid(), now(), 'device_locked', id, '00:00:00:00:00:09', 'for 60 seconds' FROM nas";
    sqlx::query(event).execute(&world.pool).await.unwrap();
    browser.client.goto(&format!("{}/admin/outages", world.portal_url())).await.unwrap();
    browser.wait_for("20 minutes").await;
    // By itself: whatever else was noticed meanwhile is not given back with it.
    let id: String =
        sqlx::query_scalar("SELECT id::text FROM outages WHERE started_at < now() - interval '45 minutes'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    browser.press(&format!("form[action=\"/admin/outages/{id}/give-back\"] button")).await;
    browser.wait_for("20 minutes to a customer, by owner@example.org").await;
    browser.picture("desk-outages").await;
    let (left, audited): (f64, i64) = sqlx::query_as(
        "SELECT (SELECT extract(epoch FROM expires_at - now())::float8 FROM entitlements),
                (SELECT count(*) FROM admin_logs WHERE action = 'outage.give_back')",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!((1_400.0..=1_500.0).contains(&left) && audited == 1, "{left} {audited}");
    browser.client.goto(&format!("{}/admin/security", world.portal_url())).await.unwrap();
    browser.wait_for("A device guessed too often and is locked").await;
    browser.picture("desk-security").await;
}
