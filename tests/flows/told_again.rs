//! What M-Pesa tells of a prompt that is settled already: another receipt, another amount, or a failure. None of it is believed by
//! itself, and none of it is lost.

use serde_json::{Value, json};
use shared::money::Money;
use shared::token;
use store::order::OrderState;
use store::payment;
use store::settlement::{Evidence, Settled, settle};
use store::unmatched::{self, Matched};
use tests::world::{World, eventually};
use uuid::Uuid;

use crate::c2b::{
    AMINA, Stage, accounts, booked, follow, for_order, order, prompt, stage, with_initiator, with_receipt,
};
use crate::operator::Operator;

const OWN: &str = "AAAAAAAAA1";
const OTHER: &str = "BBBBBBBBB2";

/// A prompt that is settled under this receipt, or under none that is known. Returns the payment and the order's code.
async fn settled(stage: &Stage, receipt: Option<&str>) -> (Uuid, String) {
    let (id, code) = order(&stage.world, AMINA).await;
    let payment = prompt(&stage.world, id, "ws_CO_1").await;
    let evidence = receipt.map_or_else(Evidence::default, with_receipt);
    let settled = settle(&stage.world.db, payment, &evidence, stage.world.clock.now()).await.unwrap();
    assert!(matches!(settled, Settled::Granted { .. }), "{settled:?}");
    (payment, code)
}

/// Reports, at the payment's own address, that the prompt was paid. Returns what became of it.
async fn report(stage: &Stage, payment: Uuid, receipt: &str, shillings: &str, is_done: i64) -> String {
    let secret = token::sign(stage.world.db.seal(), token::Purpose::PaymentCallback, payment);
    let items = json!([{ "Name": "Amount", "Value": shillings }, { "Name": "MpesaReceiptNumber", "Value": receipt }]);
    let callback: Value = json!({ "Body": { "stkCallback": { "MerchantRequestID": "m", "CheckoutRequestID": "ws_CO_1",
        "ResultCode": 0, "ResultDesc": "ok", "CallbackMetadata": { "Item": items } } } });
    let url = format!("{}/webhooks/mpesa/{secret}", stage.world.portal_url());
    let answer = stage.http.post(url).json(&callback).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    eventually("so many reports are worked on", || async {
        let done: i64 =
            sqlx::query_scalar("SELECT count(*) FROM payment_events WHERE provider = 'mpesa' AND outcome IS NOT NULL")
                .fetch_one(&stage.world.pool)
                .await
                .ok()?;
        (done == is_done).then_some(())
    })
    .await;
    stage.outcome("mpesa").await
}

async fn warned(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar("SELECT detail FROM security_events WHERE kind = 'money_differs' ORDER BY at")
        .fetch_all(&stage.world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_second_receipt_that_nobody_can_be_asked_about_waits_and_is_not_booked() {
    let stage = stage("http://127.0.0.1:1", "").await;
    let operator = Operator::sign_in(&stage.world).await;
    let (payment, code) = settled(&stage, Some(OWN)).await;
    assert_eq!(report(&stage, payment, OTHER, "20.00", 1).await, "queued");
    let sold = accounts(&[("mpesa", 2_000), ("sales", -2_000)]);
    assert_eq!(booked(&stage.world).await, sold);
    let waits = unmatched::get(&stage.world.db, OTHER).await.unwrap();
    assert_eq!((waits.is_booked, waits.is_confirmed, waits.state.as_str()), (false, false, "unmatched"));
    assert_eq!((waits.typed.as_str(), waits.amount), (code.as_str(), Money::kes(2_000)));
    operator.get("/admin/money").await.says(200, "told once more, not confirmed by M-Pesa, not booked");
    operator.get(&format!("/admin/money/{OTHER}")).await.says(200, "It is not booked before you decide.");
    operator.get("/admin/security").await.says(200, "A payment was told of once more, and otherwise");
    // Again, and its own once more.
    assert_eq!(report(&stage, payment, OTHER, "20.00", 2).await, "duplicate");
    assert_eq!(report(&stage, payment, OWN, "20.00", 3).await, "duplicate");
    assert_eq!((booked(&stage.world).await, warned(&stage).await.len()), (sold, 1));
    // The paybill tells of it by itself: it is as true as other payments from the menu.
    assert_eq!(follow(&stage.world, &for_order(OTHER, &code)).await, Matched::Known);
    let expected = accounts(&[("mpesa", 4_000), ("sales", -2_000), ("unmatched", -2_000)]);
    assert_eq!(booked(&stage.world).await, expected);
    assert_eq!(follow(&stage.world, &for_order(OTHER, &code)).await, Matched::Known);
    assert_eq!(booked(&stage.world).await, expected, "once");
}

#[tokio::test]
async fn how_much_it_is_says_who_is_believed() {
    let stage = stage("http://127.0.0.1:1", "").await;
    let (payment, code) = settled(&stage, Some(OWN)).await;
    assert_eq!(report(&stage, payment, OTHER, "900.00", 1).await, "queued");
    assert_eq!(follow(&stage.world, &for_order(OTHER, &code)).await, Matched::Known);
    let expected = accounts(&[("mpesa", 4_000), ("sales", -2_000), ("unmatched", -2_000)]);
    assert_eq!(booked(&stage.world).await, expected);
    assert_eq!(unmatched::get(&stage.world.db, OTHER).await.unwrap().amount, Money::kes(2_000));
}

/// A request that is taken up again, since its answer was lost, is not set aside for itself.
#[tokio::test]
async fn a_reversal_is_asked_for_again_once_under_one_identity() {
    use store::mpesa_request::{self, Kind, New, State};
    let world = World::new().await;
    let now = world.clock.now();
    let new =
        New { kind: Kind::Reversal, receipt: OWN, amount: Money::kes(2_000), event: None, refund: None, by: "desk" };
    let first = mpesa_request::begin(&world.db, &new, now).await.unwrap();
    let id = shared::rng::id(now);
    assert!(mpesa_request::begin_as(&world.db, id, &new, false, now).await.is_err(), "the first may be on its way");
    assert!(mpesa_request::begin_as(&world.db, id, &new, true, now).await.unwrap());
    assert!(!mpesa_request::begin_as(&world.db, id, &new, true, now).await.unwrap(), "that is the same one");
    let state = async |id| mpesa_request::get(&world.db, id).await.unwrap().state;
    assert_eq!((state(first).await, state(id).await), (State::Failed, State::Created));
}

#[tokio::test]
async fn a_person_who_decides_about_it_has_it_booked() {
    let stage = stage("http://127.0.0.1:1", "").await;
    let (payment, _) = settled(&stage, Some(OWN)).await;
    report(&stage, payment, OTHER, "20.00", 1).await;
    unmatched::ignore(&stage.world.db, OTHER, "nobody has paid it", "desk", stage.world.clock.now()).await.unwrap();
    assert_eq!(booked(&stage.world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]), "ignored is not decided");
    unmatched::refund_due(&stage.world.db, OTHER, "desk", stage.world.clock.now()).await.unwrap();
    let expected = accounts(&[("mpesa", 4_000), ("refunds_due", -2_000), ("sales", -2_000)]);
    assert_eq!(booked(&stage.world).await, expected);
}

#[tokio::test]
async fn where_m_pesa_can_be_asked_its_word_decides() {
    for (says, outcome) in [("Completed", "queued"), ("Declined", "refuted")] {
        let (stage, _status) = with_initiator(says).await;
        let (payment, _) = settled(&stage, Some(OWN)).await;
        assert_eq!(report(&stage, payment, OTHER, "20.00", 1).await, outcome);
        let (is_true, booked) = (outcome == "queued", booked(&stage.world).await);
        let unmatched = if is_true { Some(("unmatched", -2_000)) } else { None };
        let mpesa = ("mpesa", if is_true { 4_000 } else { 2_000 });
        let expected: Vec<(&str, i64)> = [mpesa, ("sales", -2_000)].into_iter().chain(unmatched).collect();
        assert_eq!(booked, accounts(&expected), "{says}");
        let kept = unmatched::list(&stage.world.db, true, 10).await.unwrap();
        assert_eq!(
            kept.iter().map(|one| one.is_confirmed && one.is_booked).collect::<Vec<_>>(),
            vec![true; usize::from(is_true)]
        );
        assert_eq!(warned(&stage).await.len(), 1, "{says}");
    }
}

#[tokio::test]
async fn another_amount_than_is_booked_is_for_people_to_look_at() {
    let stage = stage("http://127.0.0.1:1", "").await;
    let operator = Operator::sign_in(&stage.world).await;
    // A query has settled it, which tells neither receipt nor amount.
    let (payment, code) = settled(&stage, None).await;
    assert_eq!(report(&stage, payment, OWN, "20.00", 1).await, "duplicate");
    assert!(warned(&stage).await.is_empty(), "that is what is booked");
    for done in [2, 3] {
        assert_eq!(report(&stage, payment, OWN, "15.00", done).await, "duplicate");
    }
    let expected = format!("order {code} ({OWN}): KSh 15 was told, and another amount is booked");
    assert_eq!(warned(&stage).await, [expected]);
    operator.get("/admin/payments").await.says(200, "M-Pesa told KSh 15 later");
    assert_eq!(booked(&stage.world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]));
}

#[tokio::test]
async fn an_order_stands_where_its_customer_has_to_look() {
    let world = World::new().await;
    let now = world.clock.now();
    let state = async |id| store::order::get(&world.db, id).await.unwrap().state;
    let (id, _) = order(&world, AMINA).await;
    let first = prompt(&world, id, "ws_CO_1").await;
    assert!(payment::failed(&world.db, first, "1037", "", now).await.unwrap());
    assert!(!payment::failed(&world.db, first, "1037", "", now).await.unwrap(), "that is no news");
    let second = prompt(&world, id, "ws_CO_2").await;
    // Somebody says that the first one was paid, which M-Pesa denies while the second one's phone rings.
    payment::confirming(&world.db, first, now, now).await.unwrap();
    assert_eq!(state(id).await, OrderState::Confirming);
    assert!(payment::failed(&world.db, first, "1032", "", now).await.unwrap());
    assert_eq!(state(id).await, OrderState::Prompted);
    // What succeeds counts, whatever was begun later.
    settle(&world.db, first, &with_receipt(OWN), now).await.unwrap();
    assert!(payment::failed(&world.db, second, "1032", "", now).await.unwrap());
    assert_eq!(state(id).await, OrderState::Paid);
    let shown = payment::latest(&world.db, id).await.unwrap().unwrap();
    assert_eq!((shown.id, shown.state.as_str()), (first, "succeeded"));

    let (id, _) = order(&world, AMINA).await;
    let only = prompt(&world, id, "ws_CO_3").await;
    assert!(payment::failed(&world.db, only, "1032", "", now).await.unwrap());
    assert_eq!(state(id).await, OrderState::Failed);
}
