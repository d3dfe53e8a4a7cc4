//! The Stripe client and `/webhooks/stripe`: requests against Stripe's own document, signatures of others, and what
//! others answer to refunds, to sessions that are over, and to cards that are declined.

use std::ffi::OsStr;

use portal::payments::stripe::{Checkout, Created, Expired, Refunded, SESSION_EXPIRED, Stripe};
use portal::payments::{Query, Refusal, Unheard};
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::money::Money;
use shared::time::OffsetDateTime;
use tests::world::{World, eventually};
use uuid::Uuid;

use crate::configure;
use crate::fake::{self, Fake};
use crate::relay::{Passed, Relay};

const DOCUMENT: &str = "stripe/stripe-openapi-apisguru.json";
const KEY: &str = "sk_test_contract";
const WEBHOOK_SECRET: &str = "whsec_contract";
const SIGNATURE: &str = "stripe-signature";

fn client(base: &str) -> Stripe {
    let settings = json!({ "secret_key": KEY, "webhook_secret": WEBHOOK_SECRET, "base_url": base });
    let settings: shared::config::Stripe = serde_json::from_value(settings).expect("a valid section");
    Stripe::new(&settings).expect("http")
}

fn wish() -> Checkout<'static> {
    Checkout {
        order: "AB12CD34",
        payment: Uuid::from_u128(7),
        begun_at: OffsetDateTime::from_unix_timestamp(1_795_523_400).expect("in range"),
        amount: Money::kes(7_000),
        description: "1 hour",
        success_url: "https://wifi.example/o/token",
        cancel_url: "https://wifi.example/o/token",
        email: None,
    }
}

/// Whether steady has nothing at all to say of a request, its hints included.
fn is_valid(valid: &str, errors: &str) -> bool {
    valid == "true" && errors == "0"
}

#[tokio::test]
async fn every_request_is_as_stripes_document_says() {
    let Some(program) = fake::program("MLANGO_STEADY") else { return };
    let Some(document) = fake::document(DOCUMENT) else { return };
    let steady = Fake::steady(&program, &document).await;
    let relay = Relay::to(steady.base()).await;
    let stripe = client(&relay.base());
    // What steady answers is made up: what counts is what it thinks of the request.
    stripe.checkout(&wish()).await;
    stripe.checkout(&Checkout { email: Some("amina@wifi.example"), ..wish() }).await;
    stripe.session("cs_test_1").await;
    stripe.expire("cs_test_1").await;
    stripe.refund("pi_1", Money::kes(2_000), "refund-1").await;
    let passed = relay.passed();
    let lines: Vec<&str> = passed.iter().map(|one| one.line.as_str()).collect();
    let expected = [
        "POST /v1/checkout/sessions",
        "POST /v1/checkout/sessions",
        "GET /v1/checkout/sessions/cs_test_1?expand%5B%5D=payment_intent",
        "POST /v1/checkout/sessions/cs_test_1/expire",
        "POST /v1/refunds",
    ];
    assert_eq!(lines, expected);
    for one in &passed {
        let fits = is_valid(one.said("x-steady-request-valid"), one.said("x-steady-error-count"));
        let said: String = String::from_utf8_lossy(&one.answer).chars().take(2_000).collect();
        assert!(fits && one.status == StatusCode::OK, "{} {}: {said}", one.line, one.text());
    }
    steady_finds_what_is_wrong(&steady, &passed).await;
}

/// The control: our own requests, each with one mistake, are found out.
async fn steady_finds_what_is_wrong(steady: &Fake, passed: &[Passed]) {
    let http = reqwest::Client::new();
    let (checkout, refund) = (passed[0].text(), passed[4].text());
    let unit_amount = "unit_amount%5D=7000";
    for (path, form) in [
        ("/v1/checkout/sessions", checkout.replace("mode=payment", "mode=oneoff")),
        ("/v1/checkout/sessions", checkout.replace(unit_amount, "unit_amount%5D=70.5")),
        ("/v1/checkout/sessions", checkout.replace("%5Bcurrency%5D", "%5Bcurency%5D")),
        ("/v1/checkout/sessions", checkout.replace("success_url=", "succes_url=")),
        ("/v1/checkout/sessions", checkout.clone() + "&colour=red"),
        ("/v1/checkout/session", checkout.clone()),
        ("/v1/refunds", refund.replace("requested_by_customer", "changed_my_mind")),
        ("/v1/refunds", refund.replace("amount=2000", "amount=some")),
    ] {
        assert!(path.ends_with("session") || (form != checkout && form != refund), "there is a mistake in {form}");
        let request = http.post(steady.at(path)).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form.clone()).send().await.expect("an answer");
        assert!(matches!(answer.status().as_u16(), 400 | 404), "{path} {form}: {}", answer.status());
    }
    let misspelt = http.get(steady.at("/v1/checkout/sessions/cs_test_1?expanded%5B%5D=payment_intent"));
    let answer = misspelt.send().await.expect("an answer");
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    assert!(!is_valid(&header("x-steady-request-valid"), &header("x-steady-error-count")), "a field of another name");
}

/// A portal that takes cards, and what stands before it and writes down what it is told.
struct Stage {
    world: World,
    reports: Relay,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Stage {
        let world = World::new().await;
        let reports = Relay::to(&world.portal_url()).await;
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Stage { world, reports, http: http.expect("a client") }
    }

    /// Starts the portal, for which this is Stripe.
    async fn open(&mut self, stripe: &str) {
        let section = format!(
            "\n[stripe]\nsecret_key = \"{KEY}\"\nwebhook_secret = \"{WEBHOOK_SECRET}\"\nbase_url = \"{stripe}\"\n"
        );
        configure(&self.world, &section);
        self.world.start_portal().await;
    }

    fn webhook(&self) -> String {
        format!("{}/webhooks/stripe", self.reports.base())
    }

    /// Posts a form to a fake, as another client of Stripe would. Returns the status and what was answered.
    async fn post(&self, url: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = self.http.post(url).bearer_auth(KEY).form(form).send().await.expect("an answer");
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// The same, where something is made that has a name.
    async fn make(&self, url: &str, form: &[(&str, &str)]) -> String {
        let (status, made) = self.post(url, form).await;
        made["id"].as_str().unwrap_or_else(|| panic!("{url}: {status} {made}")).to_owned()
    }

    /// The report of this kind, once the portal has answered it.
    async fn report(&self, kind: &str) -> Passed {
        eventually(&format!("{kind} is reported"), || async {
            let of_kind = |one: &Passed| {
                serde_json::from_slice::<Value>(&one.body).is_ok_and(|event| event["type"].as_str() == Some(kind))
            };
            self.reports.passed().into_iter().find(of_kind)
        })
        .await
    }

    /// Posts a report to the portal itself.
    async fn tell(&self, signature: &str, body: Vec<u8>) -> StatusCode {
        let request = self.http.post(format!("{}/webhooks/stripe", self.world.portal_url()));
        let request = request.header(SIGNATURE, signature).header("content-type", "application/json").body(body);
        request.send().await.expect("an answer").status()
    }

    async fn stored(&self) -> usize {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_events WHERE provider = 'stripe'")
            .fetch_one(&self.world.pool)
            .await
            .expect("the table is there");
        usize::try_from(count).expect("a count")
    }

    /// Everything that was reported is believed and stored, and nothing else is.
    async fn assert_believed(&self) {
        let reported = self.reports.passed();
        for one in &reported {
            assert_eq!(one.status, StatusCode::OK, "{} {}", one.header(SIGNATURE), one.text());
        }
        assert_eq!(self.stored().await, reported.len());
    }

    async fn granted(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM entitlements").fetch_one(&self.world.pool).await;
        count.expect("the table is there")
    }
}

#[tokio::test]
async fn reports_that_emulate_signs_are_believed_and_a_changed_octet_is_not() {
    let Some(program) = fake::program("MLANGO_EMULATE") else { return };
    let mut stage = Stage::new().await;
    let hook = json!({ "url": stage.webhook(), "secret": WEBHOOK_SECRET, "events": ["*"] });
    let emulate = Fake::emulate(&program, "stripe", &json!({ "webhooks": [hook] }), None).await;
    stage.open(emulate.base()).await;
    let product = stage.make(&emulate.at("/v1/products"), &[("name", "1 hour")]).await;
    let price = [("product", product.as_str()), ("unit_amount", "7000"), ("currency", "kes")];
    let price = stage.make(&emulate.at("/v1/prices"), &price).await;
    let session = [
        ("mode", "payment"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "https://wifi.example/o/token?session={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "https://wifi.example/o/token"),
    ];
    let paid = stage.make(&emulate.at("/v1/checkout/sessions"), &session).await;
    let (page, _) = stage.post(&emulate.at(&format!("/checkout/{paid}/complete")), &[]).await;
    assert!(page.is_redirection(), "the guest is sent back: {page}");
    let report = stage.report("checkout.session.completed").await;
    stage.report("product.created").await;
    stage.report("price.created").await;
    stage.assert_believed().await;
    let before = stage.stored().await;

    let mut changed = report.body.to_vec();
    let at = report.text().find("\"paid\"").expect("it says that it is paid") + 1;
    changed[at] ^= 1;
    assert_eq!(stage.tell(report.header(SIGNATURE), changed).await, StatusCode::BAD_REQUEST);
    let later = report.header(SIGNATURE).replacen("t=", "t=1", 1);
    assert_eq!(stage.tell(&later, report.body.to_vec()).await, StatusCode::BAD_REQUEST);
    assert_eq!(stage.stored().await, before, "what is not believed is not stored");
    // The control: it is the octet that was refused.
    assert_eq!(stage.tell(report.header(SIGNATURE), report.body.to_vec()).await, StatusCode::OK);
    assert_eq!(stage.granted().await, 0, "it is no payment of ours");

    what_emulate_says_of_sessions(&stage, &emulate, &paid).await;
}

/// Its answers to our client: a session that is paid without an amount is not believed to be, and the others are read.
async fn what_emulate_says_of_sessions(stage: &Stage, emulate: &Fake, paid: &str) {
    let stripe = client(emulate.base());
    let unexpected = |status, code: &str| Query::Unknown(Unheard::Unexpected { status, code: code.into() });
    assert_eq!(stripe.session(paid).await, unexpected(200, ""), "it tells no amount");
    assert_eq!(stripe.session("cs_nothing").await, unexpected(404, "resource_missing"));
    let refused = stripe.expire(paid).await;
    let is_over =
        matches!(&refused, Expired::Refused(Refusal::Rejected { code, .. }) if code == "checkout_session_not_open");
    assert!(is_over, "{refused:?}");

    let form = [("mode", "payment"), ("success_url", "https://wifi.example/o/token")];
    let open = stage.make(&emulate.at("/v1/checkout/sessions"), &form).await;
    assert_eq!(stripe.session(&open).await, Query::Pending);
    assert_eq!(stripe.expire(&open).await, Expired::Done);
    let ended = stripe.session(&open).await;
    assert!(matches!(&ended, Query::Ended { code, .. } if code == SESSION_EXPIRED), "{ended:?}");
    // It knows prices that were made before, and no others; Stripe knows both.
    let created = stripe.checkout(&wish()).await;
    assert!(matches!(&created, Created::Refused(Refusal::Rejected { .. })), "{created:?}");
}

/// A payment with this card. Returns its name, and the status of its confirmation.
async fn pay(stage: &Stage, localstripe: &Fake, card: &str) -> (String, StatusCode) {
    let method = [
        ("type", "card"),
        ("card[number]", card),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2040"),
        ("card[cvc]", "123"),
    ];
    let method = stage.make(&localstripe.at("/v1/payment_methods"), &method).await;
    let intent = [("amount", "7000"), ("currency", "kes"), ("payment_method", method.as_str())];
    let intent = stage.make(&localstripe.at("/v1/payment_intents"), &intent).await;
    let (status, _) = stage.post(&localstripe.at(&format!("/v1/payment_intents/{intent}/confirm")), &[]).await;
    (intent, status)
}

async fn at_localstripe(python: &OsStr) -> (Stage, Fake) {
    let mut stage = Stage::new().await;
    let localstripe = Fake::localstripe(python).await;
    stage.open(localstripe.base()).await;
    let hook = json!({ "url": stage.webhook(), "secret": WEBHOOK_SECRET });
    let answer = stage.http.post(localstripe.at("/_config/webhooks/portal")).json(&hook).send().await;
    assert!(answer.expect("an answer").status().is_success());
    (stage, localstripe)
}

#[tokio::test]
async fn a_payment_at_localstripe_is_given_back_and_a_declined_one_is_not() {
    let Some(python) = fake::program("MLANGO_LOCALSTRIPE") else { return };
    let (stage, localstripe) = at_localstripe(&python).await;
    // It does not know `reason`, which Stripe's document has.
    let relay = Relay::without(localstripe.base(), "reason").await;
    let stripe = client(&relay.base());

    let (paid, status) = pay(&stage, &localstripe, "4242424242424242").await;
    assert_eq!(status, StatusCode::OK);
    for (amount, key) in [(2_000, "refund-1"), (5_000, "refund-2")] {
        let refunded = stripe.refund(&paid, Money::kes(amount), key).await;
        let is_done = |id: &str, given: Money| id.starts_with("re_") && given == Money::kes(amount);
        assert!(matches!(&refunded, Refunded::Done { id, amount } if is_done(id, *amount)), "{refunded:?}");
    }
    let (declined, status) = pay(&stage, &localstripe, "4000000000000341").await;
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
    for intent in [declined.as_str(), "pi_nothing"] {
        let refused = stripe.refund(intent, Money::kes(2_000), "refund-3").await;
        assert!(matches!(&refused, Refunded::Refused(Refusal::Rejected { .. })), "{intent}: {refused:?}");
    }

    // Both are reported, each under a name of its own, and what is told twice is stored once.
    let succeeded = stage.report("payment_intent.succeeded").await;
    stage.report("payment_intent.payment_failed").await;
    stage.assert_believed().await;
    let before = stage.stored().await;
    assert_eq!(stage.tell(succeeded.header(SIGNATURE), succeeded.body.to_vec()).await, StatusCode::OK);
    assert_eq!(stage.stored().await, before);
    let changed = succeeded.text().replacen("7000", "9000", 1).into_bytes();
    assert_ne!(changed, succeeded.body.to_vec());
    assert_eq!(stage.tell(succeeded.header(SIGNATURE), changed).await, StatusCode::BAD_REQUEST);
    assert_eq!(stage.granted().await, 0);
}
