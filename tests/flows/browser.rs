//! The whole line in a real browser: join → package → pay → online → usage shows → expiry → disconnected → the portal
//! offers to renew. Once as most phones see it, and once with JavaScript off. Where a picture is kept, axe judges the page.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tests::daraja::Outcome;
use tests::nas::Mac;
use tests::world::{Axe, Browser, World, eventually};

use crate::guest::Guest;

const PHONE: Mac = Mac([0x02, 0, 0, 0, 0, 0x42]);

#[tokio::test]
async fn join_pay_online_usage_expiry_renew() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |p| p.rules.quota_octets = Some(100_000_000)).await;
    world
        .package("one-day", |p| {
            p.price = shared::money::Money::kes(8_000);
            p.rules.duration = Some(Duration::from_secs(86_400));
            p.rules.rate = Some(shared::rate::Rate { up_bps: 5_000_000, down_bps: 10_000_000 });
        })
        .await;
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;

    // Joining the Wi-Fi: the router knows the device not, so its probe ends on the portal.
    browser.client.goto(&format!("{}/join?mac={PHONE}", router.url())).await.unwrap();
    browser.wait_for("Get online").await;
    browser.picture("1-packages").await;
    browser.fill("phone", "0712 345 67").await;
    browser.press("button[value^=\"one-hour:\"]").await;
    browser.wait_for("check the phone number").await;
    browser.picture("2-wrong-number").await;
    // A customer who takes long, so that the page waits while it is judged.
    daraja.set_delay(Duration::from_secs(8));
    browser.fill("phone", "0712 345 670").await;
    browser.press("button[value^=\"one-hour:\"]").await;
    eventually("M-Pesa was asked", || async { (!daraja.transactions().is_empty()).then_some(()) }).await;
    browser.picture("3-waiting").await;
    daraja.set_delay(Duration::from_millis(300));

    // Paid: the page logs in at the router by itself and comes back.
    online(&router, &browser).await;
    browser.picture("4-online").await;
    let order_page = browser.client.current_url().await.unwrap();
    browser.client.goto(&format!("{}/internet", router.url())).await.unwrap();
    browser.wait_for("You are on the internet").await;

    // Usage shows on the same page, which was closed meanwhile.
    router.traffic(PHONE, 2_000_000, 18_000_000);
    router.interim_now(PHONE);
    browser.client.goto(order_page.as_str()).await.unwrap();
    eventually("the page shows what was used", || async {
        browser.client.refresh().await.ok()?;
        browser.text().await.contains("20 MB of 100 MB").then_some(())
    })
    .await;
    browser.picture("5-usage").await;

    // Another package, now: the same session has its time and its speed a moment later.
    let session = router.session(PHONE).expect("online").session_id();
    browser.press("a.btn-secondary").await;
    browser.wait_for("Anything else begins").await;
    browser.picture("5-get-more").await;
    browser.fill("phone", "0712 345 670").await;
    browser.press("button[value^=\"one-day:\"]").await;
    browser.wait_for("Up to 10 Mbit/s").await;
    let fast =
        |r: &tests::nas::Router| r.session(PHONE).is_some_and(|s| s.terms.rate_limit.as_deref() == Some("5M/10M"));
    router.wait_for("the router has the new speed", Duration::from_secs(20), fast).await.unwrap();
    assert_eq!(router.session(PHONE).expect("still online").session_id(), session, "in the same session");
    browser.picture("5-upgraded").await;

    // Expiry: the deadline moves near; the router's own limits are far, so only the Disconnect can end the session.
    sqlx::query("UPDATE entitlements SET expires_at = now() + interval '1 second'").execute(&world.pool).await.unwrap();
    router
        .wait_for("the router has cut the session", Duration::from_secs(20), |r| r.session(PHONE).is_none())
        .await
        .unwrap();
    browser.client.goto(&format!("{}/internet", router.url())).await.unwrap();
    browser.wait_for("again").await;
    let offer = browser.text().await;
    assert!(offer.contains("07xx xxx 670") && offer.contains("KSh 80"), "{offer}");
    browser.picture("6-renew").await;

    // One tap and a PIN.
    daraja.tell("254712345670", Outcome::Paid);
    browser.press("form button[value^=\"one-day:\"]").await;
    online(&router, &browser).await;
    browser.close().await;
}

/// Waits until the router has let the phone in and its page says so: the page on which it is bought promises the same words.
async fn online(router: &tests::nas::Nas, browser: &Browser) {
    router
        .wait_for("the router lets the phone in", Duration::from_secs(30), |router| router.session(PHONE).is_some())
        .await
        .unwrap();
    browser.wait_for("You are online").await;
}

#[tokio::test]
async fn the_same_without_javascript() {
    let Some(browser) = Browser::open(false).await else { return };
    let mut world = World::new().await;
    world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;
    browser.client.goto(&format!("{}/join?mac={PHONE}", router.url())).await.unwrap();
    browser.wait_for("Get online").await;
    browser.fill("phone", "0712345670").await;
    browser.press("button[value^=\"one-hour:\"]").await;
    // The page reads itself again until it is paid; then the button is pressed by hand.
    browser.wait_for("Go online").await;
    browser.picture("7-without-javascript").await;
    browser.press("#login button").await;
    browser.wait_for("You are online").await;
    assert!(router.session(PHONE).is_some());
    browser.close().await;
}

/// What a customer has, found again with a code by SMS; and the pages beside it.
#[tokio::test]
async fn sign_in_look_around_and_sign_out() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    let sms = world.sms().await;
    world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |p| p.rules.device_limit = 2).await;
    let happy = shared::discount::Discount {
        id: shared::rng::id(world.clock.now()),
        name: "Happy hour".into(),
        kind: shared::discount::Kind::Percent(20),
        trigger: shared::discount::Trigger::Automatic,
        owner: None,
        conditions: shared::discount::Conditions::default(),
        stackable: false,
    };
    store::discount::save(&world.db, &happy, world.clock.now()).await.unwrap();
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;
    browser.client.goto(&format!("{}/join?mac={PHONE}", router.url())).await.unwrap();
    browser.wait_for("you save KSh 4").await;
    browser.picture("8-discount").await;
    browser.fill("phone", "0712 345 670").await;
    browser.press("button[value^=\"one-hour:\"]").await;
    online(&router, &browser).await;

    // A new address, and a browser that has been here: its sign-in is asked for anew, since the device is another one.
    let renamed = Mac([0x02, 0, 0, 0, 0, 0x43]);
    browser.client.goto(&format!("{}/join?mac={renamed}", router.url())).await.unwrap();
    browser.wait_for("Get online").await;
    browser.press("a[href^=\"/account\"]").await;
    browser.wait_for("Type the number").await;
    browser.picture("9-sign-in").await;
    browser.fill("phone", "0712345670").await;
    browser.press("form[action=\"/account/code\"] button").await;
    browser.wait_for("Type the code").await;
    browser.picture("10-code").await;
    let code = eventually("the code is sent", || async {
        Some(
            sms.messages()
                .iter()
                .find(|message| message.text.contains("your code"))?
                .text
                .chars()
                .take(6)
                .collect::<String>(),
        )
    })
    .await;
    browser.fill("code", &code).await;
    browser.press("form[action=\"/account/verify\"] button").await;
    browser.wait_for("Where you are signed in").await;
    browser.picture("11-account").await;
    browser.press("a[href$=\"/receipt\"]").await;
    browser.wait_for("Receipt").await;
    browser.picture("12-receipt").await;
    browser.client.goto(&format!("{}/account", world.portal_url())).await.unwrap();
    browser.wait_for("Where you are signed in").await;
    browser.press("form[action=\"/account/sign-out\"] button").await;
    browser.wait_for("You are signed out").await;
    browser.client.goto(&format!("{}/v/ABCDE23456", world.portal_url())).await.unwrap();
    browser.wait_for("ABCDE-23456").await;
    browser.picture("13-scanned").await;
    browser.close().await;
}

/// A TV: its code stands on it until its owner has typed it elsewhere, and then it goes online by itself.
#[tokio::test]
async fn a_tv_waits_for_its_code_and_goes_online() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |p| p.rules.device_limit = 2).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let owner = Guest::new(&world.portal_url(), &router).with_mac(PHONE).with_cookie("");
    let (order, _) = owner.buy(&owner.arrive().await, "one-hour", "0712345670").await;
    let paid = owner.wait_for_stage(&order, "go_online").await;
    let account = owner.send(&paid, "My packages and devices", &[]).await;
    let adds = owner.send(&account, "Add a TV or laptop", &[]).await;

    let tv = Mac([0x4c, 0x5e, 0x0c, 0, 0, 0x44]);
    browser.client.goto(&format!("{}/join?mac={tv}", router.url())).await.unwrap();
    browser.wait_for("Get online").await;
    browser.press("form[action=\"/screen\"] button").await;
    browser.wait_for("Your code for this screen").await;
    browser.picture("14-screen").await;
    let source = browser.client.source().await.unwrap();
    let code = source.split("aria-label=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a code");
    let package = adds.attribute("name=\"package\"", "value").expect("a package");
    let added = owner.send(&adds, "name=\"code\"", &[("package", &package), ("code", code)]).await;
    assert!(added.text.contains("The device is added"), "{}", added.text);
    // The page reads itself again, and logs in.
    eventually("the TV is online", || async { router.session(tv) }).await;
    browser.close().await;
}

/// A card in place of M-Pesa: chosen among the packages, declined on Stripe's page, given up, and paid after all.
#[tokio::test]
async fn a_card_is_chosen_declined_and_pays() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.daraja().await;
    let stripe = world.stripe().await;
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;
    browser.client.goto(&format!("{}/join?mac={PHONE}", router.url())).await.unwrap();
    browser.wait_for("Pay with").await;
    browser.press("label[for=\"pay-card\"]").await;
    browser.picture("15-card-choice").await;
    browser.fill("phone", "0712 345 670").await;
    browser.press("button[value^=\"one-hour:\"]").await;
    browser.wait_for("Pay KSh 20 by card").await;
    browser.picture("16-card").await;
    // One press lets the guest out and leads to the page where the card is typed.
    browser.press("#login button").await;
    browser.wait_for("Pay with a card that is declined").await;
    assert!(browser.client.current_url().await.unwrap().as_str().starts_with(&stripe.base_url()));
    browser.press("#decline").await;
    browser.wait_for("Your card was declined").await;
    browser.press("#cancel").await;
    browser.wait_for("Pay KSh 20 by card").await;
    browser.press("#pay-page").await;
    browser.wait_for("Pay with a card that is declined").await;
    browser.press("#pay").await;
    browser.wait_for("You are online").await;
    assert!(router.session(PHONE).is_some());
    browser.picture("17-paid-by-card").await;

    // When the money has gone back, the page says so.
    let code: String = sqlx::query_scalar("SELECT code FROM orders").fetch_one(&world.pool).await.unwrap();
    world.portal_command(&["money", "refund", &code], "").await;
    eventually("the page says so when it is read again", || async {
        browser.client.refresh().await.unwrap();
        browser.client.source().await.unwrap().contains("Your money has gone back").then_some(())
    })
    .await;
    browser.picture("18-refunded").await;
    browser.close().await;
}

/// What axe passes proves something only if it sees what is wrong.
#[tokio::test]
async fn a_page_that_is_known_to_be_wrong_is_found_out() {
    let Some(axe) = Axe::find() else { return };
    let Some(browser) = Browser::open(true).await else { return };
    let page = |inside: &str| {
        let page = format!(
            "<!doctype html><html lang=\"en\"><title>A page</title><main><h1>A page</h1>{inside}</main></html>"
        );
        format!("data:text/html;base64,{}", STANDARD.encode(page))
    };
    let rules = async |inside: &str| -> Vec<String> {
        browser.client.goto(&page(inside)).await.unwrap();
        axe.violations(&browser.client).await.into_iter().map(|violation| violation.rule).collect()
    };
    let pale = "<p style=\"color: #ccc; background: #fff\">pale</p>";
    assert_eq!(rules(&format!("<img src=\"data:,\">{pale}")).await, ["color-contrast", "image-alt"]);
    assert_eq!(rules("<img src=\"data:,\" alt=\"\"><p>plain</p>").await, [""; 0]);
    browser.close().await;
}
