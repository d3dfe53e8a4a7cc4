//! The Daraja client and M-Pesa's addresses of ours. mpesakit says whether our JSON fits, and its examples are what is
//! answered and reported to us; WireMock is the M-Pesa that answers them, calls back, or breaks the connection.

use std::ffi::{OsStr, OsString};

use portal::payments::mpesa::operations::{AnswerTo, Asked, Unanswered};
use portal::payments::mpesa::result::{Verdict, Word as Told};
use portal::payments::mpesa::{Mpesa, Prompt};
use portal::payments::{Push, Query};
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::money::Money;
use shared::phone::Phone;
use shared::time::Clock;
use tests::nas::Nas;
use tests::world::{World, eventually};

use crate::configure;
use crate::fake::{self, Fake};
use crate::guest::Guest;
use crate::oracle::{self, Claim, Word};

/// The shortcode of mpesakit's example of a payment from the menu.
const SHORTCODE: &str = "600638";
const PASSKEY: &str = "passkey";
const PUSH: &str = "/mpesa/stkpush/v1/processrequest";
const QUERY: &str = "/mpesa/stkpushquery/v1/query";
const REGISTER: &str = "/mpesa/c2b/v2/registerurl";
const STATUS: &str = "/mpesa/transactionstatus/v1/query";
const REVERSAL: &str = "/mpesa/reversal/v1/request";
/// Each question, and the models of what is asked and of what is answered.
const MODELS: [(&str, &str, &str); 5] = [
    (PUSH, "StkPushSimulateRequest", "StkPushSimulateResponse"),
    (QUERY, "StkPushQueryRequest", "StkPushQueryResponse"),
    (REGISTER, "C2BRegisterUrlRequest", "C2BRegisterUrlResponse"),
    (STATUS, "TransactionStatusRequest", "TransactionStatusResponse"),
    (REVERSAL, "ReversalRequest", "ReversalResponse"),
];
/// How long after a prompt its report comes, milliseconds: before the portal asks for the first time.
const REPORT_AFTER_MS: u32 = 200;

/// WireMock as an M-Pesa.
struct Daraja {
    wiremock: Fake,
    http: reqwest::Client,
}

impl Daraja {
    /// One that gives out tokens and knows nothing else.
    async fn start(program: &OsStr) -> Daraja {
        let wiremock = Fake::wiremock(program).await;
        let daraja = Daraja { wiremock, http: reqwest::Client::new() };
        let token = json!({ "access_token": "token", "expires_in": "3599" });
        let request = json!({ "method": "GET", "urlPath": "/oauth/v1/generate" });
        daraja.stub(json!({ "request": request, "response": with_json(&token) })).await;
        daraja
    }

    async fn stub(&self, stub: Value) {
        let answer = self.http.post(self.wiremock.at("/__admin/mappings")).json(&stub).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED, "{stub}");
    }

    /// From now on a POST to `path` whose `field` holds this text has that response; the last stub counts.
    async fn answers(&self, path: &str, field: &str, text: &str, response: Value) {
        self.stub(json!({ "request": posted(path, field, text), "response": response })).await;
    }

    /// The bodies that were posted to `path`, oldest first.
    async fn heard(&self, path: &str) -> Vec<Value> {
        let wanted = json!({ "method": "POST", "urlPath": path });
        let request = self.http.post(self.wiremock.at("/__admin/requests/find")).json(&wanted);
        let found: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        let requests = found["requests"].as_array().expect("a list of requests");
        requests.iter().map(body_of).collect()
    }

    /// Those of them whose `field` holds this text.
    async fn heard_of(&self, path: &str, field: &str, text: &str) -> Vec<Value> {
        let all = self.heard(path).await;
        all.into_iter().filter(|body| body[field].as_str().is_some_and(|value| value.contains(text))).collect()
    }

    /// Everything that it was asked, as claims to be held against the models.
    async fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (path, model, _) in MODELS {
            let passkey = matches!(path, PUSH | QUERY).then_some(PASSKEY);
            claims.extend(self.heard(path).await.into_iter().map(|body| Claim { model, body, passkey }));
        }
        claims
    }

    /// A prompt to this phone is taken, as in mpesakit's example, under a name that holds the phone's number. `report` is
    /// what comes of it.
    async fn prompts(&self, word: &Word, phone: &str, report: Option<&Value>) {
        let mut taken = word.example("StkPushSimulateResponse");
        taken["CheckoutRequestID"] = json!("ws_CO_{{jsonPath request.body '$.PhoneNumber'}}");
        let mut stub = json!({ "request": posted(PUSH, "PhoneNumber", phone), "response": with_json(&taken) });
        if let Some(report) = report {
            // An amount is a number there, which a place to be filled in is not. The blank keeps the brace of the object
            // that ends after it from being taken for one of the place's.
            let place = "{{jsonPath originalRequest.body '$.Amount'}} ";
            let body = report.to_string().replace("\"{{amount}}\"", place);
            let parameters = json!({
                "method": "POST",
                "url": "{{jsonPath originalRequest.body '$.CallBackURL'}}",
                "headers": { "Content-Type": "application/json" },
                "body": body,
                "delay": { "type": "fixed", "milliseconds": REPORT_AFTER_MS },
            });
            stub["serveEventListeners"] = json!([{ "name": "webhook", "parameters": parameters }]);
        }
        self.stub(stub).await;
    }

    /// A query about the prompt to this phone is answered as in mpesakit's example, which says that it is paid.
    async fn says_paid(&self, word: &Word, phone: &str) {
        let mut paid = word.example("StkPushQueryResponse");
        paid["CheckoutRequestID"] = json!(checkout(phone));
        self.answers(QUERY, "CheckoutRequestID", &checkout(phone), with_json(&paid)).await;
    }
}

/// The name of the prompt to a phone.
fn checkout(phone: &str) -> String {
    format!("ws_CO_{phone}")
}

/// What a request in WireMock's journal carried.
fn body_of(request: &Value) -> Value {
    let text = request["body"].as_str().expect("a body");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn posted(path: &str, field: &str, text: &str) -> Value {
    let holds = json!({ "expression": format!("$.{field}"), "contains": text });
    json!({ "method": "POST", "urlPath": path, "bodyPatterns": [{ "matchesJsonPath": holds }] })
}

fn with_json(body: &Value) -> Value {
    json!({ "status": 200, "headers": { "Content-Type": "application/json" }, "jsonBody": body })
}

fn broken() -> Value {
    json!({ "fault": "CONNECTION_RESET_BY_PEER" })
}

/// mpesakit's example of the report of a prompt that is paid, about the prompt to this phone.
fn paid_report(word: &Word, phone: &str) -> Value {
    let mut report = word.example("StkPushSimulateCallback");
    let callback = &mut report["Body"]["stkCallback"];
    callback["CheckoutRequestID"] = json!(checkout(phone));
    let items = callback["CallbackMetadata"]["Item"].as_array_mut().expect("a list of items");
    let amount = items.iter_mut().find(|item| item["Name"] == "Amount").expect("an amount");
    amount["Value"] = json!("{{amount}}");
    report
}

/// The same of one that the customer has turned down.
fn cancelled_report(word: &Word, phone: &str) -> Value {
    let mut report = paid_report(word, phone);
    let callback = report["Body"]["stkCallback"].as_object_mut().expect("an object");
    callback.insert("ResultCode".into(), json!(1032));
    callback.insert("ResultDesc".into(), json!("Request cancelled by user"));
    callback.remove("CallbackMetadata");
    report
}

/// Where the fakes of this file are: Python with mpesakit, and WireMock.
fn programs() -> Option<(OsString, OsString)> {
    Some((fake::program("MLANGO_MPESAKIT")?, fake::program("MLANGO_WIREMOCK")?))
}

async fn assert_fit(python: &OsStr, claims: &[Claim]) {
    let word = oracle::ask(python, claims).await;
    assert_eq!(word.verdicts.len(), claims.len());
    for (claim, verdict) in claims.iter().zip(&word.verdicts) {
        assert!(verdict.is_none(), "{verdict:?} {claim:?}");
    }
}

/// A client for a paybill, or with the settings of a till, and the right to look payments up and to give them back.
fn client(base: &str, more: Value) -> Mpesa {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem();
    let name = format!("mlango-certificate-{}.pem", hex::encode(shared::rng::bytes::<16>()));
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, certificate).expect("the certificate is written");
    let mut settings = json!({
        "base_url": base, "consumer_key": "key", "consumer_secret": "secret", "shortcode": SHORTCODE,
        "passkey": PASSKEY, "initiator": { "name": "api", "password": "secret", "certificate": file },
    });
    let (fields, more) = (settings.as_object_mut().expect("an object"), more.as_object().expect("an object"));
    fields.extend(more.clone());
    let settings: shared::config::Mpesa = serde_json::from_value(settings).expect("a valid section");
    let client = Mpesa::new(&settings, Clock::system()).expect("a client");
    std::fs::remove_file(file).expect("it was read");
    client
}

#[tokio::test]
async fn every_request_fits_mpesakits_models_and_its_examples_are_read() {
    let Some((python, program)) = programs() else { return };
    let (word, daraja) = tokio::join!(oracle::ask(&python, &[]), Daraja::start(&program));
    for (path, _, model) in MODELS {
        let request = json!({ "method": "POST", "urlPath": path });
        daraja.stub(json!({ "request": request, "response": with_json(&word.example(model)) })).await;
    }
    let till = json!({ "transaction_type": "CustomerBuyGoodsOnline", "party_b": "174379" });
    for settings in [json!({}), till] {
        ask_everything(&client(daraja.wiremock.base(), settings), &word).await;
    }
    let claims = daraja.claims().await;
    assert_eq!(claims.len(), 2 * MODELS.len());
    assert_fit(&python, &claims).await;
    mpesakit_finds_what_is_wrong(&python, &claims).await;
    examples_of_results_are_read(&word);
}

/// Every question that the client has, with texts that M-Pesa would not take as they are.
async fn ask_everything(mpesa: &Mpesa, word: &Word) {
    let phone: Phone = "0712345678".parse().expect("a phone");
    let prompt = Prompt {
        phone: &phone,
        amount: Money::kes(2_000),
        reference: "AB12CD34",
        description: "Café: 1 hour, night & day",
        callback: "https://wifi.example/webhooks/prompt",
    };
    let taken = word.example("StkPushSimulateResponse");
    let name = taken["CheckoutRequestID"].as_str().expect("a name");
    let pushed = mpesa.push(&prompt).await;
    let is_taken = matches!(&pushed, Push::Prompted { checkout_request_id, .. } if checkout_request_id == name);
    assert!(is_taken, "{pushed:?}");
    assert_eq!(mpesa.query(name).await, Query::Paid { receipt: None, amount: None, charge: None });
    let (validation, confirmation) = ("https://wifi.example/c2b/validation", "https://wifi.example/c2b/confirmation");
    let registered = mpesa.register_urls(validation, confirmation, Unanswered::Completed).await;
    assert!(matches!(&registered, Asked::Accepted { .. }), "{registered:?}");
    let operator = mpesa.operator().expect("there is an initiator");
    let to = AnswerTo { result: "https://wifi.example/results", timeout: "https://wifi.example/results/timeout" };
    let asked = operator.transaction_status("RKTQDM7W6S", to).await;
    let reversed = operator.reverse("RKTQDM7W6S", Money::kes(2_000), &"Refund: ".repeat(40), to).await;
    for (asked, model) in [(asked, "TransactionStatusResponse"), (reversed, "ReversalResponse")] {
        let name = word.example(model)["ConversationID"].as_str().expect("a name").to_owned();
        let is_taken = matches!(&asked, Asked::Accepted { conversation_id, .. } if *conversation_id == name);
        assert!(is_taken, "{asked:?}");
    }
}

/// The control: our own requests, each with one mistake, are found out.
async fn mpesakit_finds_what_is_wrong(python: &OsStr, claims: &[Claim]) {
    let wrong: Vec<Claim> = [
        ("StkPushSimulateRequest", "Amount", json!(20.5)),
        ("StkPushSimulateRequest", "AccountReference", json!("A".repeat(13))),
        ("StkPushSimulateRequest", "TransactionDesc", json!("A".repeat(14))),
        ("StkPushSimulateRequest", "TransactionType", json!("CustomerPaysOnline")),
        ("StkPushSimulateRequest", "PhoneNumber", json!("12")),
        ("StkPushSimulateRequest", "Timestamp", json!("20261124153001")),
        ("StkPushSimulateRequest", "CallbackURL", json!("https://wifi.example/webhooks/prompt")),
        ("StkPushQueryRequest", "Password", json!("cGFzc3dvcmQ=")),
        ("StkPushQueryRequest", "CheckoutRequestID", Value::Null),
        ("C2BRegisterUrlRequest", "ResponseType", json!("Done")),
        ("C2BRegisterUrlRequest", "ConfirmationURL", json!("https://wifi.example/mpesa")),
        ("TransactionStatusRequest", "IdentifierType", json!("11")),
        ("TransactionStatusRequest", "ResultURL", Value::Null),
        ("ReversalRequest", "Remarks", json!("A".repeat(101))),
        ("ReversalRequest", "ReceiverIdentifierType", json!("11")),
    ]
    .into_iter()
    .map(|(model, field, value)| {
        let mut claim = claims.iter().find(|claim| claim.model == model).expect("it was asked").clone();
        claim.body[field] = value;
        claim
    })
    .collect();
    let word = oracle::ask(python, &wrong).await;
    for (claim, verdict) in wrong.iter().zip(&word.verdicts) {
        assert!(verdict.is_some(), "{claim:?}");
    }
}

/// What M-Pesa answers later, in mpesakit's examples.
fn examples_of_results_are_read(word: &Word) {
    let read = |model: &str| Verdict::parse(word.example(model).to_string().as_bytes()).expect("readable");
    let status = read("TransactionStatusResultCallback");
    assert!(status.is_done() && status.transaction_id.as_deref() == Some("LKXXXX1234"), "{status:?}");
    // Its parameters have other names than M-Pesa's: what is not said is neither confirmed nor denied.
    assert_eq!(status.of_payment("LKXXXX1234", Money::kes(100_000)), Told::None);
    let reversal = read("ReversalResultCallback");
    assert_eq!((reversal.is_done(), reversal.code.as_str()), (false, "21"));
    assert_eq!(reversal.value("OriginalTransactionID"), Some("MJ551H6X5D"));
    for model in ["TransactionStatusTimeoutCallback", "ReversalTimeoutCallback"] {
        let late = read(model);
        assert!(!late.is_done() && late.conversation_id.is_some(), "{late:?}");
    }
}

/// A portal whose M-Pesa is WireMock.
async fn open_portal(daraja: &Daraja, world: &mut World) {
    let section = format!(
        "\n[mpesa]\nbase_url = \"{}\"\nconsumer_key = \"key\"\nconsumer_secret = \"secret\"\nshortcode = \"{SHORTCODE}\"\n\
         passkey = \"{PASSKEY}\"\nquery_after_seconds = [1, 2, 3]\ntimeout_ms = 10000\nsource_check = \"off\"\n",
        daraja.wiremock.base()
    );
    configure(world, &section);
    world.start_portal().await;
}

/// A guest who has asked to pay KSh 20 from this phone.
struct Purchase {
    world: World,
    guest: Guest,
    order: String,
    /// The hotspot that the guest is at.
    _router: Nas,
}

impl Purchase {
    async fn begin(daraja: &Daraja, phone: &str) -> Purchase {
        let mut world = World::new().await;
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        open_portal(daraja, &mut world).await;
        let guest = Guest::new(&world.portal_url(), &router);
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", phone).await;
        Purchase { world, guest, order, _router: router }
    }

    /// Waits until the payment has this state.
    async fn payment_is(&self, state: &str) {
        eventually(&format!("the payment is {state}"), || async {
            let now: String =
                sqlx::query_scalar("SELECT state FROM payments").fetch_optional(&self.world.pool).await.ok()??;
            (now == state).then_some(())
        })
        .await;
    }

    /// How many entitlements were given, and how many sales booked.
    async fn given(&self) -> (i64, i64) {
        sqlx::query_as("SELECT (SELECT count(*) FROM entitlements), (SELECT count(*) FROM ledger_transactions)")
            .fetch_one(&self.world.pool)
            .await
            .expect("the tables are there")
    }

    async fn receipt(&self) -> String {
        eventually("the receipt is known", || async {
            let receipt: Option<String> =
                sqlx::query_scalar("SELECT receipt FROM payments").fetch_one(&self.world.pool).await.ok()?;
            receipt
        })
        .await
    }
}

#[tokio::test]
async fn prompts_end_as_wiremock_reports_and_a_broken_connection_is_never_paid() {
    let Some((python, program)) = programs() else { return };
    let (word, daraja) = tokio::join!(oracle::ask(&python, &[]), Daraja::start(&program));
    // The failure is made of the example of success: the model must still take it.
    let body = cancelled_report(&word, "254712345671");
    assert_fit(&python, &[Claim { model: "StkPushSimulateCallback", body, passkey: None }]).await;
    is_paid(&word, &daraja).await;
    is_turned_down(&word, &daraja).await;
    is_not_believed_while_queries_break(&word, &daraja).await;
    is_unknown_when_the_prompt_breaks(&word, &daraja).await;
    assert_fit(&python, &daraja.claims().await).await;
}

async fn is_paid(word: &Word, daraja: &Daraja) {
    let phone = "254712345670";
    daraja.prompts(word, phone, Some(&paid_report(word, phone))).await;
    daraja.says_paid(word, phone).await;
    let purchase = Purchase::begin(daraja, phone).await;
    purchase.guest.wait_for_stage(&purchase.order, "go_online").await;
    assert_eq!((purchase.given().await, purchase.receipt().await), ((1, 1), "LHG31AA5TX".to_owned()));
}

async fn is_turned_down(word: &Word, daraja: &Daraja) {
    let phone = "254712345671";
    daraja.prompts(word, phone, Some(&cancelled_report(word, phone))).await;
    let purchase = Purchase::begin(daraja, phone).await;
    purchase.guest.wait_for_stage(&purchase.order, "failed").await;
    let reason: String =
        sqlx::query_scalar("SELECT reason FROM orders").fetch_one(&purchase.world.pool).await.expect("an order");
    assert_eq!((reason.as_str(), purchase.given().await), ("1032", (0, 0)));
}

/// The report says paid; as long as no query can say so too, it is not.
async fn is_not_believed_while_queries_break(word: &Word, daraja: &Daraja) {
    let phone = "254712345672";
    daraja.prompts(word, phone, Some(&paid_report(word, phone))).await;
    daraja.answers(QUERY, "CheckoutRequestID", &checkout(phone), broken()).await;
    let purchase = Purchase::begin(daraja, phone).await;
    purchase.payment_is("confirming").await;
    eventually("it is asked again", || async {
        let asked = daraja.heard_of(QUERY, "CheckoutRequestID", phone).await.len();
        (asked >= 2).then_some(())
    })
    .await;
    assert_eq!(purchase.given().await, (0, 0));
    daraja.says_paid(word, phone).await;
    purchase.guest.wait_for_stage(&purchase.order, "go_online").await;
    assert_eq!(purchase.given().await, (1, 1));
}

/// Nobody knows whether the phone rings: it is not asked a second time, and a report settles it.
async fn is_unknown_when_the_prompt_breaks(word: &Word, daraja: &Daraja) {
    let phone = "254712345673";
    daraja.answers(PUSH, "PhoneNumber", phone, broken()).await;
    let purchase = Purchase::begin(daraja, phone).await;
    purchase.payment_is("unknown").await;
    let prompts = daraja.heard_of(PUSH, "PhoneNumber", phone).await;
    assert_eq!((prompts.len(), purchase.given().await), (1, (0, 0)));
    daraja.says_paid(word, phone).await;
    let address = prompts[0]["CallBackURL"].as_str().expect("an address");
    let report = paid_report(word, phone).to_string().replace("\"{{amount}}\"", "20");
    let request = daraja.http.post(address).header("content-type", "application/json").body(report);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    purchase.guest.wait_for_stage(&purchase.order, "go_online").await;
    assert_eq!((purchase.given().await, purchase.receipt().await), ((1, 1), "LHG31AA5TX".to_owned()));
    assert_eq!(daraja.heard_of(PUSH, "PhoneNumber", phone).await.len(), 1);
}

#[tokio::test]
async fn mpesakits_payment_from_the_menu_is_answered_and_waits_for_whoever_knows_it() {
    let Some((python, program)) = programs() else { return };
    let (word, daraja) = tokio::join!(oracle::ask(&python, &[]), Daraja::start(&program));
    let request = json!({ "method": "POST", "urlPath": REGISTER });
    daraja.stub(json!({ "request": request, "response": with_json(&word.example("C2BRegisterUrlResponse")) })).await;
    let mut world = World::new().await;
    open_portal(&daraja, &mut world).await;
    world.portal_command(&["money", "register"], "").await;
    let registered = daraja.heard(REGISTER).await;
    assert_eq!(registered.len(), 1);

    let payment = word.example("C2BValidationRequest");
    let mut claims = daraja.claims().await;
    for (field, model) in [("ValidationURL", "C2BValidationResponse"), ("ConfirmationURL", "C2BConfirmationResponse")] {
        let address = registered[0][field].as_str().expect("an address");
        let answer = daraja.http.post(address).json(&payment).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{field}");
        let body: Value = answer.json().await.expect("JSON");
        assert!(body["ResultCode"] == "0" || body["ResultCode"] == 0, "{field}: {body}");
        claims.push(Claim { model, body, passkey: None });
    }
    assert_fit(&python, &claims).await;
    let outcome: String = eventually("the report is worked on", || async {
        sqlx::query_scalar("SELECT outcome FROM payment_events WHERE provider = 'mpesa_c2b' AND outcome IS NOT NULL")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    assert_eq!(outcome, "queued");
    let listed = world.portal_command(&["money", "list", "--json"], "").await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(
        (&listed[0]["receipt"], &listed[0]["account"], &listed[0]["state"]),
        (&json!("RKTQDM7W6S"), &json!("invoice008"), &json!("unmatched"))
    );
    assert!(listed[0]["payer_name"].as_str().is_some_and(|name| name.contains("John")), "{listed}");
    let booked: i64 = sqlx::query_scalar("SELECT amount_minor FROM ledger_entries WHERE amount_minor > 0")
        .fetch_one(&world.pool)
        .await
        .expect("one sum is booked");
    assert_eq!(booked, 1_000);
}
