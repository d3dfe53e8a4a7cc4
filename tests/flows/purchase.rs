//! Paying with M-Pesa, in all the ways it goes, with the portal, radiusd, a simulated router and a simulated
//! M-Pesa whose outcome follows from the last digit of the number. The guest has no JavaScript and no cookies.

use std::sync::Arc;

use store::package::Package;
use tests::daraja::Daraja;
use tests::nas::Nas;
use tests::world::{Settings, World, eventually};

use crate::guest::Guest;

struct Stage {
    world: World,
    router: Nas,
    daraja: Arc<Daraja>,
    guest: Guest,
    package: Package,
}

async fn stage() -> Stage {
    let mut world = World::with(Settings::default()).await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    let package = world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    Stage { world, router, daraja, guest, package }
}

async fn counts(world: &World) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM entitlements), (SELECT count(*) FROM ledger_transactions),
                (SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entries)",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

/// One grant, booked once, and a ledger that balances.
async fn assert_granted_once(world: &World) {
    assert_eq!(counts(world).await, (1, 1, 0));
}

#[tokio::test]
async fn a_guest_pays_and_is_online() {
    let Stage { world, router, guest, .. } = stage().await;
    let page = guest.arrive().await;
    assert!(page.text.contains("KSh 20") && page.text.contains("one hour"), "{}", page.text);
    let (order, waiting) = guest.buy(&page, "one-hour", "0712 345 670").await;
    assert_eq!(waiting.status, 200);
    assert!(order.contains("/o/"), "{order}");
    let paid = guest.wait_for_stage(&order, "go_online").await;
    let (landed, _) = guest.go_online(&paid).await;
    assert!(landed.starts_with(&order), "back on the order's page: {landed}");
    assert!(guest.is_online().await);
    guest.wait_for_stage(&order, "online").await;
    assert_granted_once(&world).await;
    assert_eq!(router.read(|r| r.sessions().next().and_then(|s| s.terms.session_timeout)), Some(3600));
    let receipt: Option<String> =
        sqlx::query_scalar("SELECT receipt FROM payments").fetch_one(&world.pool).await.unwrap();
    assert_eq!(receipt.map(|r| r.len()), Some(10));
}

#[tokio::test]
async fn late_lost_and_double_callbacks_end_in_one_grant() {
    for (digit, what) in [(4, "lost"), (5, "twice"), (7, "late"), (9, "the answer to the push was lost")] {
        let Stage { world, guest, daraja, router: _router, .. } = stage().await;
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", &format!("071234567{digit}")).await;
        let paid = guest.wait_for_stage(&order, "go_online").await;
        assert_granted_once(&world).await;
        guest.go_online(&paid).await;
        assert!(guest.is_online().await, "{what}");
        // Whatever still arrives changes nothing.
        daraja
            .wait_for("every callback was sent", std::time::Duration::from_secs(20), |till| {
                till.next_callback().is_none()
            })
            .await
            .unwrap();
        let checkout = daraja.transactions()[0].checkout_request_id.clone();
        daraja.call_back(&checkout);
        eventually("every event is worked on", || async {
            let open: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_events WHERE processed_at IS NULL")
                .fetch_one(&world.pool)
                .await
                .ok()?;
            let all: i64 =
                sqlx::query_scalar("SELECT count(*) FROM payment_events").fetch_one(&world.pool).await.ok()?;
            (open == 0 && all >= 1).then_some(())
        })
        .await;
        assert_granted_once(&world).await;
    }
}

#[tokio::test]
async fn a_payment_that_fails_says_why_and_can_be_tried_again() {
    for (digit, code) in [(1, "1032"), (2, "2001"), (6, "1"), (8, "1037")] {
        let Stage { world, guest, daraja, router: _router, .. } = stage().await;
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", &format!("071234567{digit}")).await;
        let failed = guest.wait_for_stage(&order, "failed").await;
        assert!(failed.text.contains("Try again"), "{code}: {}", failed.text);
        let reason: String = sqlx::query_scalar("SELECT reason FROM orders").fetch_one(&world.pool).await.unwrap();
        assert_eq!(reason, code);
        assert_eq!(counts(&world).await, (0, 0, 0));
        // The same order, another attempt, and this time the customer types the right PIN.
        daraja.tell(&format!("25471234567{digit}"), tests::daraja::Outcome::Paid);
        let again = failed.attribute(&format!("action=\"{}", "/o/"), "action").unwrap();
        guest.get_posted(&again).await;
        guest.wait_for_stage(&order, "go_online").await;
        assert_granted_once(&world).await;
        let attempts: i64 = sqlx::query_scalar("SELECT count(*) FROM payments").fetch_one(&world.pool).await.unwrap();
        assert_eq!(attempts, 2);
    }
}

#[tokio::test]
async fn a_form_sent_twice_is_one_order_and_one_prompt() {
    let Stage { world, guest, daraja, router: _router, .. } = stage().await;
    let page = guest.arrive().await;
    let (first, second) =
        tokio::join!(guest.buy(&page, "one-hour", "0712345670"), guest.buy(&page, "one-hour", "0712345670"));
    assert_eq!(first.0, second.0);
    guest.wait_for_stage(&first.0, "go_online").await;
    assert_eq!(daraja.transactions().len(), 1);
    assert_granted_once(&world).await;
}

#[tokio::test]
async fn a_report_alone_grants_nothing_and_a_forged_address_is_not_there() {
    let Stage { world, guest, daraja, package, router: _router } = stage().await;
    daraja.set_outage(false);
    let page = guest.arrive().await;
    let (order, _) = guest.buy(&page, "one-hour", "0712345673").await;
    let checkout = eventually("the phone was asked", || async {
        daraja
            .transactions()
            .first()
            .map(|t| (t.checkout_request_id.clone(), t.callback_url.clone(), t.merchant_request_id.clone()))
    })
    .await;
    // A forged report at the right address: the amount is not the price, and M-Pesa knows nothing of it.
    let body = serde_json::json!({"Body": {"stkCallback": {"MerchantRequestID": checkout.2, "CheckoutRequestID": checkout.0, "ResultCode": 0,
        "ResultDesc": "ok", "CallbackMetadata": {"Item": [{"Name": "Amount", "Value": 1}, {"Name": "MpesaReceiptNumber", "Value": "AAAAAAAAAA"}]}}}});
    let answer = reqwest::Client::new().post(&checkout.1).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "stored first, judged later");
    eventually("the report was looked at", || async {
        let events: i64 =
            sqlx::query_scalar("SELECT count(*) FROM payment_events").fetch_one(&world.pool).await.ok()?;
        (events >= 1).then_some(())
    })
    .await;
    assert_eq!(counts(&world).await.0, 0, "a report alone grants nothing: M-Pesa has not confirmed {}", package.name);
    assert_ne!(guest.stage(&order).await.as_deref(), Some("go_online"));
    // At a wrong address it is not even taken.
    let wrong = checkout.1.replace("/webhooks/mpesa/", "/webhooks/mpesa/A");
    let answer = reqwest::Client::new().post(&wrong).json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
}

#[tokio::test]
async fn a_login_address_that_no_router_registered_is_refused() {
    let Stage { world, guest, router: _router, .. } = stage().await;
    for login in
        ["http://evil.example/login", "javascript:alert(1)", "//evil.example/login", "http://127.0.0.1:1/login", ""]
    {
        let url = reqwest::Url::parse_with_params(
            &format!("{}/h", world.portal_url()),
            [
                ("mac", "02:00:00:00:00:01"),
                ("ip", "10.5.50.2"),
                ("identity", "cafe"),
                ("link-login-only", login),
                ("link-orig", ""),
            ],
        )
        .unwrap();
        let page = guest.get(url.as_str()).await;
        assert!(page.status >= 400, "{login}: {}", page.status);
        assert!(!page.text.contains("evil.example"), "{login} is echoed");
    }
}

#[tokio::test]
async fn a_returning_device_still_has_its_time_and_an_ended_one_is_offered_more() {
    let Stage { world, guest, router, .. } = stage().await;
    let page = guest.arrive().await;
    let (order, _) = guest.buy(&page, "one-hour", "0712345670").await;
    let paid = guest.wait_for_stage(&order, "go_online").await;
    guest.go_online(&paid).await;
    assert!(guest.is_online().await);
    router.read(|r| r.sessions().map(|s| s.mac).collect::<Vec<_>>()).into_iter().for_each(|mac| {
        router.logout(mac);
    });
    sqlx::query("UPDATE orders SET created_at = created_at - interval '2 hours'").execute(&world.pool).await.unwrap();
    let back = guest.arrive().await;
    assert!(back.text.contains("You still have"), "{}", back.text);
    sqlx::query(
        "UPDATE entitlements SET starts_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let ended = guest.arrive().await;
    assert!(ended.text.contains("again") && ended.text.contains("07xx xxx 670"), "{}", ended.text);
    assert!(!ended.text.contains("0712345670"), "the number is masked");
}

/// The page that stays open is told by the server (server-sent events) what its script would otherwise ask for.
#[tokio::test]
async fn an_open_page_is_told_how_its_payment_goes_on() {
    let Stage { world: _world, router: _on, daraja: _pays, guest, .. } = stage().await;
    let page = guest.arrive().await;
    let (order, _) = guest.buy(&page, "one-hour", "0712 345 670").await;
    let mut events = reqwest::get(format!("{order}/events")).await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    while !heard.contains("\"go_online\"") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(30), events.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("nothing more is told after {heard}")).unwrap();
        heard.push_str(&String::from_utf8_lossy(&chunk.expect("the stream goes on")));
    }
    assert!(heard.contains("data:") && heard.contains("Paid: you can go online"), "{heard}");
}

/// A page that is opened several times at the moment at which it is paid gives each of them the same password, and no error.
#[tokio::test]
async fn a_page_that_is_open_several_times_has_one_password() {
    let world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    let phone: shared::mac::Mac = "02:00:00:00:00:01".parse().unwrap();
    for name in ["first", "second", "third"] {
        let entitlement = world.grant(&package, name, "siri").await;
        let login = format!("{name}-once");
        let ask = || store::entitlement::one_time_password(&world.db, entitlement, &login, phone, world.clock.now());
        let (a, b, c, d) = tokio::try_join!(ask(), ask(), ask(), ask()).unwrap();
        assert!(a == b && b == c && c == d, "{name}");
    }
}
