//! Paying by card, in all the ways it goes, with the portal, radiusd, a simulated router, a simulated Stripe and a simulated M-Pesa
//! beside it. The guest has no JavaScript and no cookies. What would take minutes is made due in the database.

use std::sync::Arc;
use std::time::Duration;

use tests::nas::Nas;
use tests::stripe::{Choice, State, Stripe, sign};
use tests::world::{World, eventually};

use crate::guest::{Guest, Page};

const PATIENCE: Duration = Duration::from_secs(20);
const NUMBER: &str = "0712345670";

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) router: Nas,
    pub(crate) stripe: Arc<Stripe>,
    pub(crate) guest: Guest,
}

pub(crate) async fn stage() -> Stage {
    let mut world = World::new().await;
    world.daraja().await;
    let stripe = world.stripe().await;
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    Stage { world, router, stripe, guest }
}

impl Stage {
    /// Chooses the hour, by card. Returns the order's address and its page, where the card can be typed.
    pub(crate) async fn buy(&self) -> (String, Page) {
        let page = self.guest.arrive().await;
        assert!(page.text.contains("value=\"card\""), "{}", page.text);
        let (order, _) = self.guest.buy_by_card(&page, "one-hour", NUMBER).await;
        let page = self.guest.wait_for_stage(&order, "card").await;
        (order, page)
    }

    /// The newest page at Stripe.
    pub(crate) fn session(&self) -> String {
        self.stripe.sessions().last().expect("a page was made").id.clone()
    }

    /// Lets the newest page end, as its time would.
    async fn end_page(&self) {
        let url = format!("{}/v1/checkout/sessions/{}/expire", self.stripe.base_url(), self.session());
        let ended = reqwest::Client::new().post(url).bearer_auth("sk_test_x").send().await.unwrap();
        assert!(ended.status().is_success());
    }

    /// The newest event, once there is one.
    pub(crate) async fn event(&self) -> String {
        self.stripe.wait_for("something is reported", PATIENCE, |r| !r.events().is_empty()).await.unwrap();
        self.stripe.events().last().expect("an event").id.clone()
    }

    /// Packages that were given.
    pub(crate) async fn grants(&self) -> i64 {
        self.number("SELECT count(*) FROM entitlements WHERE package_id IS NOT NULL").await
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.world.pool).await.unwrap()
    }

    pub(crate) async fn change(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.world.pool).await.unwrap();
    }

    /// Every account that is not at zero.
    pub(crate) async fn booked(&self) -> Vec<(String, i64)> {
        sqlx::query_as(
            "SELECT a.code, sum(e.amount_minor)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
             GROUP BY a.code HAVING sum(e.amount_minor) <> 0 ORDER BY a.code",
        )
        .fetch_all(&self.world.pool)
        .await
        .unwrap()
    }

    pub(crate) async fn assert_sold_once(&self, account: &str) {
        assert_eq!(self.grants().await, 1);
        let expected = [("sales", -2_000), (account, 2_000)].map(|(code, minor)| (code.to_owned(), minor));
        let mut booked = self.booked().await;
        booked.sort_by_key(|(_, minor)| *minor);
        assert_eq!(booked, expected);
    }

    /// Waits until every report is worked on, and there are so many.
    pub(crate) async fn reports(&self, count: i64) {
        eventually("every report is worked on", || async {
            let query = "SELECT count(*) FILTER (WHERE processed_at IS NULL), count(*) FROM payment_events WHERE provider = 'stripe'";
            let (open, all): (i64, i64) = sqlx::query_as(query).fetch_one(&self.world.pool).await.ok()?;
            ((open, all) == (0, count)).then_some(())
        })
        .await;
    }

    pub(crate) async fn online_sessions(&self, count: i64) {
        eventually("the sessions are recorded", || async {
            let open = self.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await;
            (open == count).then_some(())
        })
        .await;
    }

    fn rate(&self) -> Option<String> {
        self.router.read(|r| r.sessions().next().and_then(|session| session.terms.rate_limit.clone()))
    }
}

#[tokio::test]
async fn a_guest_pays_by_card_and_is_online() {
    let shop = stage().await;
    let (order, page) = shop.buy().await;
    let link = page.attribute("id=\"pay-page\"", "href").expect("a link to the card page");
    assert!(link.starts_with(&format!("{}/c/pay/", shop.stripe.base_url())), "{link}");
    assert!(!page.text.contains("PIN"), "{}", page.text);
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    let paid = shop.guest.wait_for_stage(&order, "go_online").await;
    shop.guest.go_online(&paid).await;
    assert!(shop.guest.is_online().await);
    shop.guest.wait_for_stage(&order, "online").await;
    shop.assert_sold_once("stripe").await;
    let receipt: Option<String> =
        sqlx::query_scalar("SELECT receipt FROM payments").fetch_one(&shop.world.pool).await.unwrap();
    assert!(receipt.as_ref().is_some_and(|receipt| receipt.starts_with("pi_")), "{receipt:?}");
    // A card proves no phone: its payer is not signed in as whose number was typed.
    let account =
        shop.guest.get_posted(&format!("{}/account", order.trim_start_matches(&shop.world.portal_url()))).await;
    assert!(!account.text.contains("Signed in with"), "{}", account.text);
}

#[tokio::test]
async fn a_lost_report_is_found_by_a_question() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    shop.stripe.lose_events(true);
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    shop.change("UPDATE payments SET next_check_at = now()").await;
    shop.guest.wait_for_stage(&order, "go_online").await;
    assert_eq!(shop.number("SELECT count(*) FROM payment_events").await, 0);
    shop.assert_sold_once("stripe").await;
    // What comes after all changes nothing.
    shop.stripe.lose_events(false);
    assert!(shop.stripe.send_again(&shop.event().await));
    shop.reports(1).await;
    shop.assert_sold_once("stripe").await;
}

#[tokio::test]
async fn a_report_that_comes_three_times_is_one_sale() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    assert!(shop.stripe.choose(&shop.session(), Choice::Authenticate));
    assert!(shop.stripe.choose(&shop.session(), Choice::Approve));
    let event = shop.event().await;
    assert!(shop.stripe.send_again(&event) && shop.stripe.send_again(&event));
    let answered = |r: &tests::stripe::Register| r.events()[0].answers.len() == 3;
    shop.stripe.wait_for("all three are answered", PATIENCE, answered).await.unwrap();
    assert_eq!(shop.stripe.events()[0].answers, [Some(200); 3]);
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.reports(1).await;
    shop.assert_sold_once("stripe").await;
}

#[tokio::test]
async fn a_page_is_closed_for_another_way_to_pay_and_its_late_report_changes_nothing() {
    let shop = stage().await;
    let (order, page) = shop.buy().await;
    shop.stripe.lose_events(true);
    shop.guest.send(&page, "value=\"phone\"", &[]).await;
    assert_eq!(shop.stripe.sessions()[0].state, State::Expired, "nobody can pay twice");
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.assert_sold_once("mpesa").await;
    shop.stripe.lose_events(false);
    assert!(shop.stripe.send_again(&shop.event().await));
    shop.reports(1).await;
    shop.assert_sold_once("mpesa").await;
}

#[tokio::test]
async fn a_card_that_is_declined_can_be_followed_by_another_one() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    assert!(shop.stripe.choose(&shop.session(), Choice::Decline));
    shop.end_page().await;
    let failed = shop.guest.wait_for_stage(&order, "failed").await;
    assert!(failed.text.contains("Your card was not accepted") && failed.text.contains("by card"), "{}", failed.text);
    assert_eq!(shop.grants().await, 0);
    shop.guest.send(&failed, "value=\"card\"", &[]).await;
    shop.guest.wait_for_stage(&order, "card").await;
    assert_eq!(shop.stripe.sessions().len(), 2);
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.assert_sold_once("stripe").await;
}

#[tokio::test]
async fn a_page_that_nobody_used_ends_the_payment_and_says_so() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    shop.end_page().await;
    let failed = shop.guest.wait_for_stage(&order, "failed").await;
    assert!(failed.text.contains("The card page was closed"), "{}", failed.text);
    shop.reports(1).await;
    assert_eq!((shop.grants().await, shop.booked().await.len()), (0, 0));
}

#[tokio::test]
async fn a_beginning_that_nobody_heard_fails_at_once() {
    let shop = stage().await;
    shop.stripe.set_outage(true);
    let page = shop.guest.arrive().await;
    let (order, _) = shop.guest.buy_by_card(&page, "one-hour", NUMBER).await;
    let failed = shop.guest.wait_for_stage(&order, "failed").await;
    assert!(failed.text.contains("We cannot take cards at the moment"), "{}", failed.text);
    shop.stripe.set_outage(false);
    shop.guest.send(&failed, "value=\"card\"", &[]).await;
    shop.guest.wait_for_stage(&order, "card").await;
}

#[tokio::test]
async fn a_grace_lets_the_guest_out_and_becomes_what_is_paid() {
    let shop = stage().await;
    let (order, page) = shop.buy().await;
    let (landed, _) = shop.guest.go_online(&page).await;
    assert!(landed.starts_with(&shop.stripe.base_url()), "one press leads to the card page: {landed}");
    assert!(shop.guest.is_online().await);
    assert_eq!(shop.rate().as_deref(), Some("1M/1M"));
    shop.online_sessions(1).await;
    let before = shop.router.read(|r| r.sessions().next().map(|session| session.session_id()));
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    let paid = shop.guest.wait_for_stage(&order, "online").await;
    assert!(paid.text.contains("You are online until"), "{}", paid.text);
    let faster = |r: &tests::nas::Router| r.sessions().any(|s| s.terms.rate_limit.as_deref() == Some("2M/5M"));
    shop.router.wait_for("the session gets what was bought", PATIENCE, faster).await.unwrap();
    let after = shop.router.read(|r| r.sessions().next().map(|session| session.session_id()));
    assert_eq!(before, after, "it is the same session");
    assert_eq!(shop.number("SELECT count(*) FROM entitlements").await, 1);
    shop.assert_sold_once("stripe").await;
}

#[tokio::test]
async fn a_grace_ends_with_its_payment_and_is_given_twice_a_day() {
    let shop = stage().await;
    let (order, page) = shop.buy().await;
    shop.guest.go_online(&page).await;
    shop.online_sessions(1).await;
    shop.end_page().await;
    let is_cut = |r: &tests::nas::Router| r.sessions().count() == 0;
    shop.router.wait_for("the guest is cut", PATIENCE, is_cut).await.unwrap();
    assert!(!shop.guest.is_online().await);

    let failed = shop.guest.wait_for_stage(&order, "failed").await;
    shop.guest.send(&failed, "value=\"card\"", &[]).await;
    let second = shop.guest.wait_for_stage(&order, "card").await;
    assert!(second.text.contains("You are let out"), "{}", second.text);
    shop.end_page().await;
    let failed = shop.guest.wait_for_stage(&order, "failed").await;
    shop.guest.send(&failed, "value=\"card\"", &[]).await;
    let third = shop.guest.wait_for_stage(&order, "card").await;
    assert!(third.text.contains("may not load here") && !third.text.contains("id=\"login\""), "{}", third.text);
    assert_eq!(shop.number("SELECT count(grace_id) FROM payments").await, 2);
    // It is paid all the same.
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.assert_sold_once("stripe").await;
}

#[tokio::test]
async fn money_goes_back_once_though_it_is_asked_for_twice() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.reports(1).await;
    // Stripe does it, and nobody hears so.
    shop.stripe.lose_events(true);
    shop.stripe.set_answer_delay(Duration::from_secs(5));
    let code: String = sqlx::query_scalar("SELECT code FROM orders").fetch_one(&shop.world.pool).await.unwrap();
    let first = shop.world.portal_command(&["money", "refund", &code], "").await;
    assert!(first.contains("goes back to its card"), "{first}");
    let again = shop.world.portal_command(&["money", "refund", &code], "").await;
    assert!(again.contains("as it was asked before"), "{again}");
    shop.world.portal_refuses(&["money", "refund", &code, "--reverse"], "").await;
    eventually("it is not known whether it was done", || async {
        (shop.number("SELECT count(*) FROM refunds WHERE state = 'unknown'").await == 1).then_some(())
    })
    .await;
    shop.stripe.set_answer_delay(Duration::ZERO);
    shop.change("UPDATE refunds SET next_attempt_at = now()").await;
    eventually("it is known", || async {
        (shop.number("SELECT count(*) FROM refunds WHERE state = 'done'").await == 1).then_some(())
    })
    .await;
    assert_eq!(shop.stripe.read(|r| r.refunds().len()), 1);
    assert!(shop.booked().await.is_empty(), "{:?}", shop.booked().await);
    assert_eq!(
        shop.number("SELECT count(*) FROM entitlements WHERE state = 'active' AND package_id IS NOT NULL").await,
        0
    );
    // Stripe's own report of it comes last, and is known.
    shop.stripe.lose_events(false);
    assert!(shop.stripe.send_again(&shop.event().await));
    shop.reports(2).await;
    assert!(shop.booked().await.is_empty());
}

#[tokio::test]
async fn a_voucher_for_another_is_void_when_its_money_goes_back() {
    let shop = stage().await;
    let page = shop.guest.arrive().await;
    let fields = [("package", "one-hour"), ("phone", NUMBER), ("recipient", "0722345678"), ("pay", "card")];
    let (order, _) = shop.guest.send_and_land(&page, "name=\"recipient\"", &fields).await;
    shop.guest.wait_for_stage(&order, "card").await;
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    shop.guest.wait_for_stage(&order, "given").await;
    let code: String = sqlx::query_scalar("SELECT code FROM orders").fetch_one(&shop.world.pool).await.unwrap();
    shop.world.portal_command(&["money", "refund", &code], "").await;
    assert_eq!(shop.number("SELECT count(*) FROM vouchers WHERE state = 'void' AND sold_at IS NOT NULL").await, 1);
    assert_eq!(
        shop.number("SELECT count(*) FROM entitlements WHERE state <> 'revoked' AND package_id IS NOT NULL").await,
        0
    );
    eventually("the money has gone back", || async { shop.booked().await.is_empty().then_some(()) }).await;
    let page = shop.guest.get(&order).await;
    assert!(!page.text.contains("data-copy"), "the code is not shown any more: {}", page.text);
}

#[tokio::test]
async fn what_is_given_back_at_stripe_is_booked_and_the_rest_can_follow() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    shop.guest.wait_for_stage(&order, "go_online").await;
    let receipt: String = sqlx::query_scalar("SELECT receipt FROM payments").fetch_one(&shop.world.pool).await.unwrap();
    let url = format!("{}/v1/refunds", shop.stripe.base_url());
    let form = [("payment_intent", receipt.as_str()), ("amount", "500")];
    let given = reqwest::Client::new().post(url).bearer_auth("sk_test_x").form(&form).send().await.unwrap();
    assert!(given.status().is_success());
    shop.reports(2).await;
    assert_eq!(shop.booked().await, [("sales".to_owned(), -1_500), ("stripe".to_owned(), 1_500)]);
    shop.guest.wait_for_stage(&order, "go_online").await;
    let rest = shop.world.portal_command(&["money", "refund", &receipt], "").await;
    assert!(rest.contains("KSh 15 "), "{rest}");
    shop.reports(3).await;
    eventually("the rest has gone back", || async { shop.booked().await.is_empty().then_some(()) }).await;
    let again = shop.world.portal_command(&["money", "refund", &receipt], "").await;
    assert!(again.contains("as it was asked before"), "{again}");
    assert_eq!(shop.stripe.read(|r| r.sessions()[0].refunded), 2_000);
}

#[tokio::test]
async fn forged_and_old_reports_give_nothing_and_are_written_down() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    let payment: uuid::Uuid = sqlx::query_scalar("SELECT id FROM payments").fetch_one(&shop.world.pool).await.unwrap();
    let object = serde_json::json!({ "id": shop.session(), "client_reference_id": payment, "payment_status": "paid",
        "payment_intent": "pi_forged", "amount_total": 2000, "currency": "kes" });
    let event = serde_json::json!({ "id": "evt_forged", "type": "checkout.session.completed", "livemode": false,
        "data": { "object": object } });
    let body = event.to_string();
    let now = shop.world.clock.now();
    let url = format!("{}/webhooks/stripe", shop.world.portal_url());
    for signature in [sign("whsec_other", now, &body), sign("whsec_x", now - Duration::from_secs(600), &body)] {
        let request = reqwest::Client::new().post(&url).header("stripe-signature", signature).body(body.clone());
        assert_eq!(request.send().await.unwrap().status().as_u16(), 400);
    }
    eventually("both are in the security log", || async {
        let query = "SELECT detail FROM security_events WHERE kind = 'forged_report' ORDER BY detail";
        let details: Vec<String> = sqlx::query_scalar(query).fetch_all(&shop.world.pool).await.ok()?;
        (details == ["bad_signature from 127.0.0.1", "stale from 127.0.0.1"]).then_some(())
    })
    .await;
    assert_eq!(shop.number("SELECT count(*) FROM payment_events").await, 0);
    // Signed with the right secret, but Stripe itself says that nobody has paid.
    let request = reqwest::Client::new().post(&url).header("stripe-signature", sign("whsec_x", now, &body)).body(body);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    shop.guest.wait_for_stage(&order, "confirming").await;
    assert_eq!((shop.grants().await, shop.booked().await.len()), (0, 0));
}
