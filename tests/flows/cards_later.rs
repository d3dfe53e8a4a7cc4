//! What happens to a payment by card after it came: what Stripe keeps, money that could not go back, a bank that takes it back, money of
//! which a statement tells before Stripe does, and a page that is open while the order is paid otherwise.

use std::time::Duration;

use shared::money::Money;
use store::books::statement::{self, By, Resolution};
use store::unmatched::{Matched, Payer, Reference, Told, Trust, match_confirmation};
use tests::stripe::{Choice, State, sign};
use tests::world::eventually;

use crate::books_statements::{import, line, line_of};
use crate::cards::{Stage, stage};
use crate::operator::Operator;

const PATIENCE: Duration = Duration::from_secs(20);

impl Stage {
    /// Buys the hour by card. Returns the order's address.
    async fn bought(&self) -> String {
        let (order, _) = self.buy().await;
        assert!(self.stripe.choose(&self.session(), Choice::Pay));
        self.guest.wait_for_stage(&order, "go_online").await;
        order
    }

    async fn code(&self) -> String {
        sqlx::query_scalar("SELECT code FROM orders").fetch_one(&self.world.pool).await.unwrap()
    }

    /// Waits until this stands in the ledger.
    async fn books(&self, expected: &[(&str, i64)]) {
        let expected: Vec<(String, i64)> = expected.iter().map(|&(code, minor)| (code.to_owned(), minor)).collect();
        eventually(&format!("the ledger has {expected:?}"), || async {
            (self.booked().await == expected).then_some(())
        })
        .await;
    }

    /// Waits until so many rows are found.
    async fn rows(&self, query: &'static str, count: i64) {
        eventually(query, || async { (self.number(query).await == count).then_some(()) }).await;
    }
}

const FEES_KNOWN: &str = "SELECT count(*) FROM payments WHERE fees_known_at IS NOT NULL";

#[tokio::test]
async fn what_stripe_keeps_is_booked_once_when_stripe_tells_it() {
    let shop = stage().await;
    shop.stripe.set_fees((29, 30), 0);
    shop.stripe.delay_books(true);
    shop.bought().await;
    shop.rows("SELECT count(*) FROM payments WHERE fees_attempts > 0 AND fees_known_at IS NULL", 1).await;
    shop.assert_sold_once("stripe").await;
    shop.stripe.delay_books(false);
    eventually("it is known", || async {
        shop.change("UPDATE payments SET fees_next_at = now() WHERE fees_next_at > now() + interval '1 second'").await;
        (shop.number(FEES_KNOWN).await == 1).then_some(())
    })
    .await;
    let kept = [("fees", 88), ("sales", -2_000), ("stripe", 1_912)];
    shop.books(&kept).await;
    // Asked again, it is not booked again.
    shop.change("UPDATE payments SET fees_known_at = NULL, fees_next_at = NULL, fees_attempts = 0").await;
    shop.rows(FEES_KNOWN, 1).await;
    shop.books(&kept).await;
    // Stripe keeps its fee of what goes back.
    let code = shop.code().await;
    shop.world.portal_command(&["money", "refund", &code], "").await;
    shop.rows("SELECT count(*) FROM refunds WHERE state = 'done'", 1).await;
    shop.rows(FEES_KNOWN, 1).await;
    shop.books(&[("fees", 88), ("stripe", -88)]).await;
}

#[tokio::test]
async fn a_refunded_order_says_when_and_how_much_went_back() {
    let shop = stage().await;
    let order = shop.bought().await;
    let receipt = shop.guest.get(&format!("{order}/receipt")).await;
    assert!(receipt.text.contains("Card payment") && !receipt.text.contains("M-Pesa"), "{}", receipt.text);
    let operator = Operator::sign_in(&shop.world).await;
    let payments = operator.get("/admin/payments").await;
    payments.says(200, "<td data-label=\"By\">Card</td>");
    payments.says(200, "<span class=\"code\">pi_");
    let code = shop.code().await;
    shop.world.portal_command(&["money", "refund", &code], "").await;
    let page = shop.guest.wait_for_stage(&order, "refunded").await;
    assert!(page.text.contains("KSh 20 went back to your card on "), "{}", page.text);
    assert!(!page.text.contains("We have your money"), "{}", page.text);
    let receipt = shop.guest.get(&format!("{order}/receipt")).await;
    assert!(receipt.text.contains("Given back"), "{}", receipt.text);
}

#[tokio::test]
async fn a_refund_that_the_card_does_not_take_is_owed_again_and_can_be_tried_again() {
    let shop = stage().await;
    let order = shop.bought().await;
    let operator = Operator::sign_in(&shop.world).await;
    let code = shop.code().await;
    shop.world.portal_command(&["money", "refund", &code], "").await;
    shop.guest.wait_for_stage(&order, "refunded").await;
    shop.reports(2).await;
    shop.books(&[]).await;
    let refund = shop.stripe.read(|register| register.refunds()[0].id.clone());
    assert!(shop.stripe.fail_refund(&refund));
    shop.guest.wait_for_stage(&order, "refund_due").await;
    let owed = [("refunds_due", -2_000), ("stripe", 2_000)];
    shop.books(&owed).await;
    // Both reports of it are worked on: it is booked once.
    shop.reports(4).await;
    shop.books(&owed).await;
    let page = operator.get("/admin/money").await;
    page.says(200, "The card did not take it (lost or stolen card), so the customer is still owed the money.");
    page.says(200, &format!("portal money refund {code}"));
    operator.get("/admin").await.says(200, "card payments to look at");
    shop.world.portal_command(&["money", "refund", &code], "").await;
    shop.guest.wait_for_stage(&order, "refunded").await;
    shop.books(&[]).await;
    let page = operator.get("/admin/money").await;
    assert!(!page.text.contains("did not take it"), "{}", page.text);
}

#[tokio::test]
async fn a_disputed_payment_ends_what_it_bought_and_is_booked_back_when_it_is_won() {
    let shop = stage().await;
    shop.stripe.set_fees((0, 0), 1_500);
    let order = shop.bought().await;
    let paid = shop.guest.get(&order).await;
    shop.guest.go_online(&paid).await;
    shop.online_sessions(1).await;
    let operator = Operator::sign_in(&shop.world).await;
    assert!(shop.stripe.dispute(&shop.session()));
    let is_cut = |r: &tests::nas::Router| r.sessions().count() == 0;
    shop.router.wait_for("the guest is cut", PATIENCE, is_cut).await.unwrap();
    let page = shop.guest.wait_for_stage(&order, "disputed").await;
    assert!(page.text.contains("Your bank has taken this payment back"), "{}", page.text);
    let taken = [("disputes", 2_000), ("fees", 1_500), ("sales", -2_000), ("stripe", -1_500)];
    shop.books(&taken).await;
    shop.reports(3).await;
    shop.books(&taken).await;
    let desk = operator.get("/admin/money").await;
    desk.says(200, "The bank says: fraudulent. The bank has taken the money.");
    desk.says(200, "What it bought has ended.");
    operator.get("/admin/security").await.says(200, "bank takes back a payment by card");
    let code = shop.code().await;
    let refused = shop.world.portal_refuses(&["money", "refund", &code], "").await;
    assert!(refused.contains("bank has taken the money"), "{refused}");

    assert!(shop.stripe.decide(&shop.session(), true));
    shop.reports(5).await;
    shop.books(&[("sales", -2_000), ("stripe", 2_000)]).await;
    operator.get("/admin/money").await.says(200, "dispute won");
    assert_eq!(shop.number("SELECT count(*) FROM disputes").await, 1);
    assert_eq!(shop.number("SELECT count(*) FROM security_events WHERE kind = 'card_disputed'").await, 1);
    // It is ours again, and can be given back.
    shop.world.portal_command(&["money", "refund", &code], "").await;
    shop.guest.wait_for_stage(&order, "refunded").await;
}

#[tokio::test]
async fn a_bank_that_only_asks_takes_nothing_and_a_dispute_of_nothing_of_ours_changes_nothing() {
    let shop = stage().await;
    let order = shop.bought().await;
    assert!(shop.stripe.inquire(&shop.session()));
    shop.rows("SELECT count(*) FROM disputes WHERE state = 'inquiry' AND access IS NULL", 1).await;
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.assert_sold_once("stripe").await;
    shop.reports(2).await;
    let object = serde_json::json!({ "id": "dp_0", "payment_intent": "pi_0", "amount": 2000, "currency": "kes",
        "reason": "fraudulent", "status": "needs_response" });
    let event = serde_json::json!({ "id": "evt_0", "type": "charge.dispute.created", "livemode": false,
        "data": { "object": object } });
    let body = event.to_string();
    let signature = sign("whsec_x", shop.world.clock.now(), &body);
    let url = format!("{}/webhooks/stripe", shop.world.portal_url());
    let request = reqwest::Client::new().post(url).header("stripe-signature", signature).body(body);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    shop.rows("SELECT count(*) FROM payment_events WHERE outcome = 'unmatched'", 1).await;
    assert_eq!(shop.number("SELECT count(*) FROM disputes").await, 1);
    shop.assert_sold_once("stripe").await;
}

#[tokio::test]
async fn a_page_is_closed_when_its_order_is_paid_from_the_menu() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    let told = Told {
        receipt: "RKTQDM7W6S".into(),
        amount: Money::kes(2_000),
        payer_name: String::new(),
        payer_number: String::new(),
        payer: Payer::Hidden,
        typed: shop.code().await,
        reference: Reference::OrderCode(shop.code().await),
        paid_at: None,
    };
    let now = shop.world.clock.now();
    let matched = match_confirmation(&shop.world.db, &told, Trust::Reported, None, now).await.unwrap();
    assert!(matches!(matched, Matched::Paid { .. }), "{matched:?}");
    eventually("nobody can pay twice", || async { (shop.stripe.sessions()[0].state == State::Expired).then_some(()) })
        .await;
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.rows("SELECT count(*) FROM payments WHERE provider = 'stripe' AND state = 'failed'", 1).await;
    shop.reports(1).await;
    shop.assert_sold_once("mpesa").await;
}

#[tokio::test]
async fn money_that_a_statement_told_of_first_is_the_payments_when_the_report_comes() {
    let shop = stage().await;
    let (order, _) = shop.buy().await;
    shop.change("UPDATE payments SET state = 'failed', result_code = 'no_news', next_check_at = NULL").await;
    shop.stripe.lose_events(true);
    assert!(shop.stripe.choose(&shop.session(), Choice::Pay));
    let intent = shop.stripe.sessions()[0].payment_intent.clone().expect("it is paid");
    // A file without the column of intents names the charge alone.
    let (now, charge) = (shop.world.clock.now(), intent.replacen("pi_", "ch_", 1));
    assert_eq!(import(&shop.world, "stripe", 1, vec![line("txn_late", "payment", 2_000, &charge, now)]).await, 0);
    let id = line_of(&shop.world, "txn_late", "payment").await;
    let by = By { actor: "test", from: None };
    statement::resolve(&shop.world.db, id, Resolution::Assign, by, now).await.unwrap();
    shop.books(&[("stripe", 2_000), ("unmatched", -2_000)]).await;
    shop.stripe.lose_events(false);
    assert!(shop.stripe.send_again(&shop.event().await));
    shop.guest.wait_for_stage(&order, "go_online").await;
    shop.reports(1).await;
    shop.assert_sold_once("stripe").await;
}
