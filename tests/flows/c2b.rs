//! Payments from M-Pesa's menu: what a confirmation is for, by the store and by the portal, and the queue of what nobody knows.
//! A receipt is booked once, in whatever order and however often it is told of.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::Uri;
use axum::{Json, Router};
use serde_json::{Value, json};
use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use shared::token;
use store::StoreError;
use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, Settled, settle};
use store::unmatched::{self, Matched, Payer, Purpose, Reference, Told, Trust, match_confirmation};
use tests::world::{World, eventually};
use uuid::Uuid;

const SHORTCODE: &str = "174379";
pub(crate) const AMINA: &str = "0712345678";
const OTHER: &str = "0722345678";

fn phone(text: &str) -> Phone {
    text.parse().unwrap()
}

/// Twenty shillings, of which nothing is known but the receipt.
fn told(receipt: &str) -> Told {
    Told {
        receipt: receipt.into(),
        amount: Money::kes(2_000),
        payer_name: "Amina".into(),
        payer_number: String::new(),
        payer: Payer::Hidden,
        typed: String::new(),
        reference: Reference::Other,
        paid_at: None,
    }
}

pub(crate) fn for_order(receipt: &str, code: &str) -> Told {
    Told { typed: code.into(), reference: Reference::OrderCode(code.into()), ..told(receipt) }
}

fn from(receipt: &str, payer: Payer) -> Told {
    Told { payer, ..told(receipt) }
}

/// An order of an hour for KSh 20. Returns its identity and its code.
pub(crate) async fn order(world: &World, number: &str) -> (Uuid, String) {
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let (phone, visit) = (phone(number), json!({}));
    let mac = Some("02:00:00:00:00:01".parse().unwrap());
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac,
        visit: &visit,
        wish: Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let id = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, id, &new, now).await.unwrap());
    (id, store::order::get(&world.db, id).await.unwrap().code)
}

pub(crate) async fn prompt(world: &World, order: Uuid, checkout: &str) -> Uuid {
    let now = world.clock.now();
    let payment = store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap();
    store::payment::prompted(&world.db, payment, "m", checkout, now, now).await.unwrap();
    payment
}

pub(crate) async fn follow(world: &World, told: &Told) -> Matched {
    match_confirmation(&world.db, told, Trust::Reported, None, world.clock.now()).await.unwrap()
}

pub(crate) fn with_receipt(receipt: &str) -> Evidence {
    Evidence { receipt: Some(receipt.into()), amount: Some(Money::kes(2_000)), charge: None }
}

/// Every account that is not at zero.
pub(crate) async fn booked(world: &World) -> Vec<(String, i64)> {
    sqlx::query_as(
        "SELECT a.code, sum(e.amount_minor)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         GROUP BY a.code HAVING sum(e.amount_minor) <> 0 ORDER BY a.code",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap()
}

pub(crate) fn accounts(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|&(code, minor)| (code.to_owned(), minor)).collect()
}

async fn grants(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM entitlements").fetch_one(&world.pool).await.unwrap()
}

async fn states(world: &World) -> Vec<(String, String)> {
    sqlx::query_as("SELECT receipt, state FROM received_money ORDER BY receipt").fetch_all(&world.pool).await.unwrap()
}

/// One sale of twenty shillings, and nothing else.
async fn assert_sold_once(world: &World, why: &str) {
    assert_eq!(grants(world).await, 1, "{why}");
    assert_eq!(booked(world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]), "{why}");
}

#[tokio::test]
async fn a_hundred_confirmations_of_one_receipt_are_one_settlement() {
    let world = World::new().await;
    let (_, code) = order(&world, AMINA).await;
    let told = for_order("AAAAAAAAA1", &code);
    let now = world.clock.now();
    let all = (0..100).map(|_| match_confirmation(&world.db, &told, Trust::Reported, None, now));
    let all = futures::future::join_all(all).await;
    let paid = all.iter().filter(|m| matches!(m, Ok(Matched::Paid { settled: Settled::Granted { .. }, .. }))).count();
    let known = all.iter().filter(|m| matches!(m, Ok(Matched::Known))).count();
    assert_eq!((paid, known), (1, 99));
    assert_sold_once(&world, "a hundred at once").await;
}

#[tokio::test]
async fn a_hundred_unknown_ones_wait_once() {
    let world = World::new().await;
    let (told, now) = (told("AAAAAAAAA1"), world.clock.now());
    let all = (0..100).map(|_| match_confirmation(&world.db, &told, Trust::Reported, None, now));
    let all = futures::future::join_all(all).await;
    assert_eq!(all.iter().filter(|m| matches!(m, Ok(Matched::Unmatched))).count(), 1);
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 2_000), ("unmatched", -2_000)]));
    assert_eq!(unmatched::count_waiting(&world.db).await.unwrap(), 1);
}

#[tokio::test]
async fn a_prompt_and_its_confirmation_at_once_are_one_sale() {
    for round in 0..3 {
        let world = World::new().await;
        let (id, code) = order(&world, AMINA).await;
        let payment = prompt(&world, id, "ws_CO_1").await;
        let (told, evidence, now) = (for_order("AAAAAAAAA1", &code), with_receipt("AAAAAAAAA1"), world.clock.now());
        let confirmations = async {
            let all = (0..10).map(|_| match_confirmation(&world.db, &told, Trust::Reported, None, now));
            futures::future::join_all(all).await
        };
        let reports =
            async { futures::future::join_all((0..10).map(|_| settle(&world.db, payment, &evidence, now))).await };
        let (confirmations, reports) = tokio::join!(confirmations, reports);
        assert!(confirmations.iter().all(Result::is_ok), "{confirmations:?}");
        assert!(reports.iter().all(Result::is_ok), "{reports:?}");
        assert_sold_once(&world, &format!("round {round}")).await;
    }
}

#[tokio::test]
async fn whoever_tells_first_the_money_is_booked_once() {
    // The confirmation first.
    let world = World::new().await;
    let (id, code) = order(&world, AMINA).await;
    let payment = prompt(&world, id, "ws_CO_1").await;
    let paid = follow(&world, &for_order("AAAAAAAAA1", &code)).await;
    assert!(
        matches!(paid, Matched::Paid { payment: own, settled: Settled::Granted { .. } } if own == payment),
        "{paid:?}"
    );
    let report = settle(&world.db, payment, &with_receipt("AAAAAAAAA1"), world.clock.now()).await.unwrap();
    assert_eq!(report, Settled::Already);
    assert_sold_once(&world, "the confirmation first").await;

    // The report first.
    let world = World::new().await;
    let (id, code) = order(&world, AMINA).await;
    let payment = prompt(&world, id, "ws_CO_1").await;
    settle(&world.db, payment, &with_receipt("AAAAAAAAA1"), world.clock.now()).await.unwrap();
    assert_eq!(follow(&world, &for_order("AAAAAAAAA1", &code)).await, Matched::Known);
    assert_sold_once(&world, "the report first").await;

    // A query first, which tells no receipt; then the confirmation, then the report.
    let world = World::new().await;
    let (id, code) = order(&world, AMINA).await;
    let payment = prompt(&world, id, "ws_CO_1").await;
    settle(&world.db, payment, &Evidence::default(), world.clock.now()).await.unwrap();
    // The customer's other order of this price is not paid by it.
    order(&world, AMINA).await;
    assert_eq!(follow(&world, &for_order("AAAAAAAAA1", &code)).await, Matched::Known);
    settle(&world.db, payment, &with_receipt("AAAAAAAAA1"), world.clock.now()).await.unwrap();
    assert_sold_once(&world, "the query first").await;
    assert_eq!(store::payment::get(&world.db, payment).await.unwrap().state, "succeeded");

    // The confirmation says nothing (a till, a hidden number) and waits; then the report says whose it is.
    let world = World::new().await;
    let (id, _) = order(&world, AMINA).await;
    let payment = prompt(&world, id, "ws_CO_1").await;
    assert_eq!(follow(&world, &told("AAAAAAAAA1")).await, Matched::Unmatched);
    let report = settle(&world.db, payment, &with_receipt("AAAAAAAAA1"), world.clock.now()).await.unwrap();
    assert!(matches!(report, Settled::Granted { .. }), "{report:?}");
    assert_sold_once(&world, "the report claims what waits").await;
    assert_eq!(states(&world).await, [("AAAAAAAAA1".to_owned(), "matched".to_owned())]);

    // The same, but a query has settled it meanwhile.
    let world = World::new().await;
    let (id, _) = order(&world, AMINA).await;
    let payment = prompt(&world, id, "ws_CO_1").await;
    assert_eq!(follow(&world, &told("AAAAAAAAA1")).await, Matched::Unmatched);
    settle(&world.db, payment, &Evidence::default(), world.clock.now()).await.unwrap();
    settle(&world.db, payment, &with_receipt("AAAAAAAAA1"), world.clock.now()).await.unwrap();
    assert_sold_once(&world, "booked twice, taken back once").await;
}

#[tokio::test]
async fn a_late_report_of_another_attempt_of_the_same_money_books_nothing() {
    let world = World::new().await;
    let (id, code) = order(&world, AMINA).await;
    let first = prompt(&world, id, "ws_CO_1").await;
    store::payment::failed(&world.db, first, "1037", "", world.clock.now()).await.unwrap();
    let second = prompt(&world, id, "ws_CO_2").await;
    // It was the first prompt that was paid, late; the confirmation cannot tell and settles the second.
    let paid = follow(&world, &for_order("AAAAAAAAA1", &code)).await;
    assert!(matches!(paid, Matched::Paid { payment, .. } if payment == second), "{paid:?}");
    let report = settle(&world.db, first, &with_receipt("AAAAAAAAA1"), world.clock.now()).await.unwrap();
    assert_eq!(report, Settled::Already);
    assert_sold_once(&world, "two attempts, one payment").await;
    assert_eq!(store::payment::get(&world.db, first).await.unwrap().state, "failed");
    // The second prompt is told to be paid as well: that is other money, if it is true.
    let report = settle(&world.db, second, &with_receipt("BBBBBBBBB2"), world.clock.now()).await.unwrap();
    assert_eq!(report, Settled::Another);
    assert_sold_once(&world, "nothing is booked for a word").await;
    assert_eq!(follow(&world, &for_order("BBBBBBBBB2", &code)).await, Matched::Unmatched);
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 4_000), ("sales", -2_000), ("unmatched", -2_000)]));
    assert_eq!(unmatched::count_waiting(&world.db).await.unwrap(), 1);
}

#[tokio::test]
async fn money_finds_its_order_by_the_customer() {
    let masked = |begins: &str, ends: &str| Payer::Masked { begins: begins.into(), ends: ends.into() };
    let hash = "7132104d6aae9c3fac82095a42c2817952bca48e09d98d5bf4ac08218982fb90";
    let typed = Told { typed: AMINA.into(), reference: Reference::Phone(phone(AMINA)), ..told("AAAAAAAAA1") };
    let dear = Told { amount: Money::kes(2_100), ..from("AAAAAAAAA1", Payer::Phone(phone(AMINA))) };
    for (told, is_found) in [
        (typed, true),
        (from("AAAAAAAAA1", Payer::Phone(phone(AMINA))), true),
        (from("AAAAAAAAA1", Payer::Hashed(hash.into())), true),
        (from("AAAAAAAAA1", masked("2547", "678")), false), // two customers' numbers end so
        (from("AAAAAAAAA1", masked("25471", "678")), true),
        (from("AAAAAAAAA1", Payer::Phone(phone("0733000000"))), false),
        (from("AAAAAAAAA1", Payer::Hidden), false),
        (dear, false),
    ] {
        let world = World::new().await;
        let (id, _) = order(&world, AMINA).await;
        order(&world, OTHER).await;
        let matched = follow(&world, &told).await;
        assert_eq!(matches!(matched, Matched::Paid { .. }), is_found, "{told:?}: {matched:?}");
        let state = store::order::get(&world.db, id).await.unwrap().state;
        assert_eq!(state == store::order::OrderState::Paid, is_found, "{told:?}");
    }
}

#[tokio::test]
async fn only_the_payers_own_phone_is_proved_by_a_payment() {
    for (payer, is_proved) in [(AMINA, true), (OTHER, false)] {
        let world = World::new().await;
        let (_, code) = order(&world, AMINA).await;
        follow(&world, &Told { payer: Payer::Phone(phone(payer)), ..for_order("AAAAAAAAA1", &code) }).await;
        let proved: Option<OffsetDateTime> =
            sqlx::query_scalar("SELECT otp_verified_at FROM users WHERE phone = '+254712345678'")
                .fetch_one(&world.pool)
                .await
                .unwrap();
        assert_eq!(proved.is_some(), is_proved, "{payer}");
    }
}

#[tokio::test]
async fn what_waits_is_assigned_once_and_gives_access() {
    let world = World::new().await;
    let now = world.clock.now();
    let (_, code) = order(&world, AMINA).await;
    follow(&world, &told("AAAAAAAAA1")).await;
    let purpose = Purpose::Order(&code);
    let all = (0..20).map(|_| unmatched::assign(&world.db, "AAAAAAAAA1", &purpose, "desk", now));
    let all = futures::future::join_all(all).await;
    assert_eq!(all.iter().filter(|assigned| assigned.is_ok()).count(), 1);
    assert!(all.iter().all(|a| matches!(a, Ok(_) | Err(StoreError::Conflict(_)))), "{all:?}");
    assert_sold_once(&world, "assigned").await;
    assert_eq!(unmatched::count_waiting(&world.db).await.unwrap(), 0);
    let back = unmatched::refund_due(&world.db, "AAAAAAAAA1", "desk", now).await.unwrap_err();
    assert!(back.to_string().contains("pays for an order already"), "{back}");
}

#[tokio::test]
async fn a_package_is_given_for_what_waits_and_the_rest_belongs_to_the_customer() {
    let world = World::new().await;
    let now = world.clock.now();
    order(&world, AMINA).await; // from this device, a moment ago
    let package = world.package("one-hour", |_| {}).await;
    let dear = world.package("one-day", |package| package.price = Money::kes(8_000)).await;
    follow(&world, &Told { amount: Money::kes(5_000), ..told("AAAAAAAAA1") }).await;
    let amina = phone(AMINA);
    let too_dear = Purpose::Package { phone: &amina, package: &dear };
    let refused = unmatched::assign(&world.db, "AAAAAAAAA1", &too_dear, "desk", now).await.unwrap_err();
    assert!(refused.to_string().contains("does not pay for"), "{refused}");
    let purpose = Purpose::Package { phone: &amina, package: &package };
    let assigned = unmatched::assign(&world.db, "AAAAAAAAA1", &purpose, "desk", now).await.unwrap();
    assert_eq!(assigned.rest, Some(Money::kes(3_000)));
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 5_000), ("refunds_due", -3_000), ("sales", -2_000)]));
    let bound: String = sqlx::query_scalar("SELECT mac::text FROM entitlement_devices WHERE entitlement_id = $1")
        .bind(assigned.entitlement)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(bound, "02:00:00:00:00:01");
    // The same again makes it longer.
    follow(&world, &told("BBBBBBBBB2")).await;
    let again = unmatched::assign(&world.db, "BBBBBBBBB2", &purpose, "desk", now).await.unwrap();
    assert_eq!((again.entitlement, grants(&world).await), (assigned.entitlement, 1));
}

#[tokio::test]
async fn what_nobody_claims_goes_back_once() {
    let world = World::new().await;
    let now = world.clock.now();
    follow(&world, &told("AAAAAAAAA1")).await;
    assert!(unmatched::given_back(&world.db, "AAAAAAAAA1", "R1", "test", now).await.is_err(), "it is not owed yet");
    assert_eq!(unmatched::refund_due(&world.db, "AAAAAAAAA1", "desk", now).await.unwrap(), Money::kes(2_000));
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 2_000), ("refunds_due", -2_000)]));
    let listed = unmatched::list(&world.db, false, 10).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.state.as_str()).collect::<Vec<_>>(), ["refunded"], "it has not gone yet");
    let all =
        futures::future::join_all((0..10).map(|_| unmatched::given_back(&world.db, "AAAAAAAAA1", "R1", "test", now)))
            .await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
    assert!(booked(&world).await.is_empty());
    assert!(unmatched::list(&world.db, false, 10).await.unwrap().is_empty());
    assert_eq!(unmatched::list(&world.db, true, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_reversal_is_asked_for_once_and_booked_by_its_answer() {
    use store::mpesa_request::{self, Answer, Ended, Kind, New, State};
    let world = World::new().await;
    let now = world.clock.now();
    follow(&world, &told("AAAAAAAAA1")).await;
    unmatched::refund_due(&world.db, "AAAAAAAAA1", "desk", now).await.unwrap();
    let new = New {
        kind: Kind::Reversal,
        receipt: "AAAAAAAAA1",
        amount: Money::kes(2_000),
        event: None,
        refund: None,
        by: "desk",
    };
    let request = mpesa_request::begin(&world.db, &new, now).await.unwrap();
    assert!(mpesa_request::begin(&world.db, &new, now).await.is_err(), "it may be on its way");
    let answer = |state| Answer { state, code: "0", text: "", proof: "RRRRRRRRR1" };
    let late = mpesa_request::ended(&world.db, request, &answer(State::TimedOut), now).await.unwrap();
    assert_eq!(late, Ended::Now { is_surprise: false });
    assert!(mpesa_request::begin(&world.db, &new, now).await.is_err(), "it may still be done");
    let done = mpesa_request::ended(&world.db, request, &answer(State::Succeeded), now).await.unwrap();
    assert_eq!(done, Ended::Now { is_surprise: false });
    let twice = mpesa_request::ended(&world.db, request, &answer(State::Succeeded), now).await.unwrap();
    assert_eq!((twice, booked(&world).await), (Ended::Before, vec![]));
}

/// A portal with M-Pesa in its configuration.
pub(crate) struct Stage {
    pub(crate) world: World,
    validation: String,
    confirmation: String,
    pub(crate) http: reqwest::Client,
}

/// `more`: further lines of `[mpesa]`, or sections after it.
pub(crate) async fn stage(base_url: &str, more: &str) -> Stage {
    let mut world = World::new().await;
    let section = format!(
        "\n[mpesa]\nbase_url = \"{base_url}\"\nconsumer_key = \"key\"\nconsumer_secret = \"secret\"\nshortcode = \"{SHORTCODE}\"\n\
         passkey = \"passkey\"\ntimeout_ms = 2000\n{more}\n"
    );
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text + &section).unwrap();
    world.start_portal().await;
    // What `portal money register` would tell M-Pesa.
    let seal = world.db.seal();
    let shortcode = Uuid::from_bytes(seal.lookup(format!("c2b:{SHORTCODE}").as_bytes()));
    let secret = token::sign_hex(seal, token::Purpose::C2b, shortcode);
    let address = |what: &str| format!("{}/webhooks/c2b/{secret}/{what}", world.portal_url());
    let (validation, confirmation) = (address("validation"), address("confirmation"));
    Stage { world, validation, confirmation, http: reqwest::Client::new() }
}

fn body(receipt: &str, amount: &str, account: &str) -> Value {
    json!({
        "TransactionType": "Pay Bill", "TransID": receipt, "TransTime": "20191122063845", "TransAmount": amount,
        "BusinessShortCode": SHORTCODE, "BillRefNumber": account, "InvoiceNumber": "", "OrgAccountBalance": "49197.00",
        "ThirdPartyTransID": "", "MSISDN": "2547 ***** 126", "FirstName": "John", "MiddleName": "", "LastName": "Doe"
    })
}

impl Stage {
    async fn post(&self, url: &str, body: &Value) -> (u16, Value) {
        let answer = self.http.post(url).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn outcome(&self, provider: &str) -> String {
        eventually("the report is worked on", || async {
            sqlx::query_scalar("SELECT outcome FROM payment_events WHERE provider = $1 AND outcome IS NOT NULL ORDER BY id DESC LIMIT 1")
                .bind(provider)
                .fetch_optional(&self.world.pool)
                .await
                .ok()?
        })
        .await
    }
}

#[tokio::test]
async fn a_menu_payment_with_the_orders_code_gives_access() {
    let stage = stage("http://127.0.0.1:1", "source_check = \"off\"").await;
    let (id, code) = order(&stage.world, AMINA).await;
    let spelt = format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..]);
    let (status, answer) = stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20.00", &spelt)).await;
    assert_eq!((status, answer), (200, json!({ "ResultCode": 0, "ResultDesc": "Success" })));
    assert_eq!(stage.outcome("mpesa_c2b").await, "settled");
    assert_eq!(store::order::get(&stage.world.db, id).await.unwrap().state, store::order::OrderState::Paid);
    assert_sold_once(&stage.world, "from the menu").await;
    // Once more, as M-Pesa repeats what it thinks was not heard.
    stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20.00", &code)).await;
    eventually("the second one is worked on", || async {
        let done: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_events WHERE outcome = 'duplicate'")
            .fetch_one(&stage.world.pool)
            .await
            .ok()?;
        (done == 1).then_some(())
    })
    .await;
    assert_sold_once(&stage.world, "told twice").await;
    let portal = stage.world.portal.as_ref().unwrap();
    let revenue = portal.metric("mlango_revenue_minor_units_total{channel=\"mpesa\",currency=\"KES\"}").await;
    assert!((revenue - 2_000.0).abs() < f64::EPSILON, "{revenue}");
}

#[tokio::test]
async fn an_orders_page_says_how_to_pay_from_the_menu_where_that_is_heard_of() {
    for (more, words) in [
        ("menu = true", Some("Pay Bill, business number 174379, account ")),
        (
            "menu = true\ntransaction_type = \"CustomerBuyGoodsOnline\"\nparty_b = \"5550111\"",
            Some("till number 5550111, KSh 20"),
        ),
        ("", None),
    ] {
        let stage = stage("http://127.0.0.1:9", more).await;
        let (id, code) = order(&stage.world, AMINA).await;
        prompt(&stage.world, id, "ws_CO_1").await;
        let token = token::sign(stage.world.db.seal(), token::Purpose::OrderPage, id);
        let page = stage.http.get(format!("{}/o/{token}", stage.world.portal_url())).send().await.unwrap();
        let text = page.text().await.unwrap();
        assert!(text.contains("Enter your M-Pesa PIN"), "{text}");
        match words {
            Some(words) => assert!(text.contains(words) && text.contains(&code), "{words}: {text}"),
            None => assert!(!text.contains("Lipa na M-Pesa"), "{text}"),
        }
    }
}

#[tokio::test]
async fn the_queue_is_listed_and_assigned_at_the_command_line() {
    let stage = stage("http://127.0.0.1:1", "").await;
    let (_, code) = order(&stage.world, AMINA).await;
    stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20", "the blue house")).await;
    assert_eq!(stage.outcome("mpesa_c2b").await, "queued");
    eventually("it is counted", || async {
        let portal = stage.world.portal.as_ref()?;
        (portal.metric("mlango_payments_unmatched{provider=\"mpesa\"}").await > 0.5).then_some(())
    })
    .await;
    let listed = stage.world.portal_command(&["money", "list", "--json"], "").await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["receipt"], &listed[0]["account"]), (&json!("AAAAAAAAA1"), &json!("the blue house")));
    stage.world.portal_command(&["money", "assign", "aaaaaaaaa1", "--order", &code], "").await;
    assert_sold_once(&stage.world, "by command").await;
    let refused = stage.world.portal_refuses(&["money", "refund", "AAAAAAAAA1"], "").await;
    assert!(refused.contains("there is no [mpesa.initiator]"), "{refused}");
    let audited: Vec<String> =
        sqlx::query_scalar("SELECT action FROM admin_logs ORDER BY id").fetch_all(&stage.world.pool).await.unwrap();
    assert_eq!(audited, ["money.assign"]);
}

#[tokio::test]
async fn a_question_is_answered_by_what_the_account_number_stands_for() {
    let stage = stage("http://127.0.0.1:1", "c2b_validation = \"strict\"").await;
    let (_, code) = order(&stage.world, AMINA).await;
    for (amount, account, expected) in [
        ("20.00", code.as_str(), "0"),
        ("10.00", code.as_str(), "C2B00013"),
        ("20.00", "AAAAAAAA", "C2B00012"),
        ("20.00", AMINA, "0"),
        ("20.00", "", "0"),
        ("twenty", code.as_str(), "C2B00016"),
    ] {
        let (status, answer) = stage.post(&stage.validation, &body("AAAAAAAAA1", amount, account)).await;
        assert_eq!((status, &answer["ResultCode"]), (200, &json!(expected)), "{amount} {account}");
    }
    assert!(booked(&stage.world).await.is_empty(), "a question is no money");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_events WHERE provider = 'mpesa_c2b_validation'")
        .fetch_one(&stage.world.pool)
        .await
        .unwrap();
    assert_eq!(kept, 6);
}

#[tokio::test]
async fn a_stranger_is_not_followed() {
    let stage = stage("http://127.0.0.1:1", "source_check = \"enforce\"").await;
    let (_, code) = order(&stage.world, AMINA).await;
    let wrong = stage.confirmation.replace("/c2b/", "/c2b/00");
    assert_eq!(stage.post(&wrong, &body("AAAAAAAAA1", "20", &code)).await.0, 404);
    // The right address, but not from where M-Pesa calls.
    assert_eq!(stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20", &code)).await.0, 403);
    assert_eq!(stage.outcome("mpesa_c2b").await, "bad_source", "kept, not followed");
    assert_eq!(grants(&stage.world).await, 0);
    let portal = stage.world.portal.as_ref().unwrap();
    let counted = portal.metric("mlango_payment_callbacks_total{provider=\"mpesa_c2b\",result=\"bad_source\"}").await;
    assert!(counted > 0.5);
    // The same from where M-Pesa calls, as the proxy on this machine says.
    let request = stage.http.post(&stage.confirmation).header("x-forwarded-for", "10.0.0.1, 196.201.214.200");
    let answer = request.json(&body("AAAAAAAAA1", "20", &code)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    eventually("it is followed", || async { (grants(&stage.world).await == 1).then_some(()) }).await;
}

/// M-Pesa, as far as it answers a Transaction Status: it says `status` of every payment of KSh 20.
pub(crate) struct Status {
    says: &'static str,
    asked: Mutex<u32>,
}

async fn daraja(State(status): State<Arc<Status>>, uri: Uri, body: String) -> Json<Value> {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    if uri.path() == "/mpesa/transactionstatus/v1/query" {
        *status.asked.lock().unwrap() += 1;
        let (result, receipt, says) =
            (body["ResultURL"].as_str().unwrap().to_owned(), body["TransactionID"].clone(), status.says);
        let answer = json!({ "Result": { "ResultType": 0, "ResultCode": 0, "ResultDesc": "ok", "ConversationID": "AG_1",
            "TransactionID": "SLU0000000", "ResultParameters": { "ResultParameter": [
                { "Key": "ReceiptNo", "Value": receipt }, { "Key": "Amount", "Value": 20.0 }, { "Key": "ReasonType" },
                { "Key": "TransactionStatus", "Value": says }] } } });
        tokio::spawn(async move { reqwest::Client::new().post(result).json(&answer).send().await });
    }
    Json(
        json!({ "access_token": "t", "expires_in": "3599", "ResponseCode": "0", "ConversationID": "AG_1", "OriginatorConversationID": "1-2-1" }),
    )
}

pub(crate) async fn with_initiator(says: &'static str) -> (Stage, Arc<Status>) {
    let status = Arc::new(Status { says, asked: Mutex::new(0) });
    let routes = Router::new().fallback(daraja).with_state(Arc::clone(&status));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
    let file = std::env::temp_dir().join(format!("mlango-certificate-{}.pem", Uuid::from_bytes(shared::rng::bytes())));
    std::fs::write(&file, certificate).unwrap();
    let more =
        format!("[mpesa.initiator]\nname = \"api\"\npassword = \"secret\"\ncertificate = \"{}\"", file.display());
    let stage = stage(&base, &more).await;
    std::fs::remove_file(file).unwrap();
    (stage, status)
}

#[tokio::test]
async fn where_there_is_an_initiator_m_pesa_is_asked_first() {
    let (stage, status) = with_initiator("Completed").await;
    let (_, code) = order(&stage.world, AMINA).await;
    stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20.00", &code)).await;
    assert_eq!(stage.outcome("mpesa_c2b").await, "settled");
    assert_sold_once(&stage.world, "confirmed").await;
    assert_eq!(*status.asked.lock().unwrap(), 1);
    let listed = unmatched::list(&stage.world.db, true, 10).await.unwrap();
    assert!(listed[0].is_confirmed);
}

#[tokio::test]
async fn a_report_that_m_pesa_denies_gives_nothing() {
    let (stage, _status) = with_initiator("Declined").await;
    let (_, code) = order(&stage.world, AMINA).await;
    stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20.00", &code)).await;
    assert_eq!(stage.outcome("mpesa_c2b").await, "refuted");
    // Somebody makes a report up, with a receipt that M-Pesa knows, of another amount.
    assert_eq!((grants(&stage.world).await, booked(&stage.world).await), (0, vec![]));
    let (stage, _status) = with_initiator("Completed").await;
    stage.post(&stage.confirmation, &body("AAAAAAAAA1", "5000.00", "")).await;
    assert_eq!(stage.outcome("mpesa_c2b").await, "refuted");
    // The true report comes after it, and is followed.
    let (_, code) = order(&stage.world, AMINA).await;
    stage.post(&stage.confirmation, &body("AAAAAAAAA1", "20.00", &code)).await;
    eventually("the true one is followed", || async { (grants(&stage.world).await == 1).then_some(()) }).await;
    assert_sold_once(&stage.world, "after a false one").await;
}

#[tokio::test]
async fn the_desk_asks_m_pesa_to_give_money_back_and_not_twice_unseen() {
    use crate::operator::{Operator, audited, by_operator};
    let (stage, _status) = with_initiator("Completed").await;
    let operator = Operator::sign_in(&stage.world).await;
    follow(&stage.world, &told("AAAAAAAAA1")).await;
    let path = |what: &str| format!("/admin/money/AAAAAAAAA1/{what}");
    operator.post(&path("reverse"), &[]).await.says(409, "say first that it goes back");
    operator.post_and_confirm(&path("refund"), &[], "Does it go back?").await.says(200, "Let M-Pesa give it back");
    operator.forged(&path("reverse"), &[("confirmed", "yes")]).await;
    let asked = operator.post_and_confirm(&path("reverse"), &[], "Shall M-Pesa give it back?").await;
    asked.says(200, "M-Pesa took the request; its answer has not come");
    operator.post(&path("reverse"), &[("confirmed", "yes")]).await.says(409, "M-Pesa was asked already");
    let seen = uuid_of_the_reversal(&stage.world).await;
    let again = [("again", "on"), ("seen", seen.as_str())];
    let asked = operator.post_and_confirm(&path("reverse"), &again, "Shall M-Pesa give it back?").await;
    asked.says(200, "M-Pesa has been asked to give it back");
    asked.says(200, "it was not done");
    assert_eq!(audited(&stage.world, "money.reverse").await, by_operator(&["AAAAAAAAA1"; 3]));
    // The form's second sending does not set aside what its first has begun.
    let twice = [("again", "on"), ("seen", seen.as_str()), ("confirmed", "yes")];
    operator.post(&path("reverse"), &twice).await.says(409, "No reversal of AAAAAAAAA1 is without an answer");
    let asked: i64 = sqlx::query_scalar("SELECT count(*) FROM mpesa_requests WHERE kind = 'reversal'")
        .fetch_one(&stage.world.pool)
        .await
        .unwrap();
    assert_eq!(asked, 2);
}

async fn uuid_of_the_reversal(world: &World) -> String {
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM mpesa_requests WHERE kind = 'reversal'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    id.to_string()
}
