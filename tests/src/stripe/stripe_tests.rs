//! The simulator over loopback, as its client, a guest's browser and a webhook see it.

use std::sync::Mutex;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const SECRET: &str = "whsec_test_abc";

/// What a webhook heard: the signature and the body.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// A stand-in for the portal: keeps the events that come.
async fn shop() -> (String, Heard) {
    let heard: Heard = Arc::default();
    let ears = Arc::clone(&heard);
    let hook = move |headers: HeaderMap, body: String| {
        let signature = headers["stripe-signature"].to_str().expect("plain").to_owned();
        ears.lock().expect("no panic before").push((signature, body));
        async { "" }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(hook))).await });
    (format!("http://{address}/hook"), heard)
}

async fn start(webhook: Option<String>) -> Stripe {
    let config = StripeConfig::new("sk_test_1", SECRET);
    let config = StripeConfig { webhook_url: webhook, delay: Duration::from_millis(20), ..config };
    Stripe::start(config).await.expect("a free port")
}

/// A client that follows no redirect, as a test must see where it leads.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

fn form() -> Vec<(&'static str, &'static str)> {
    vec![
        ("mode", "payment"),
        ("client_reference_id", "payment-1"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "kes"),
        ("line_items[0][price_data][unit_amount]", "7000"),
        ("line_items[0][price_data][product_data][name]", "1 hour <b>"),
        ("success_url", "http://shop.example/o/x"),
        ("cancel_url", "http://shop.example/o/x?back=1"),
    ]
}

async fn create(stripe: &Stripe, key: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("{}{}", stripe.base_url(), server::SESSIONS_PATH);
    let request = client().post(url).bearer_auth("sk_test_1").header("idempotency-key", key).form(form);
    let response = request.send().await.expect("answered");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

/// Presses a button and returns where it leads.
async fn press(url: &str, choice: &str) -> String {
    let response = client().post(url).form(&[("choice", choice)]).send().await.expect("answered");
    assert_eq!(response.status(), 303);
    response.headers()["location"].to_str().expect("plain").to_owned()
}

#[tokio::test]
async fn a_guest_is_declined_asked_by_the_bank_and_pays() {
    let (hook, heard) = shop().await;
    let stripe = start(Some(hook)).await;
    let (status, session) = create(&stripe, "a", &form()).await;
    assert_eq!(status, 200, "{session}");
    let (id, url) = (session["id"].as_str().expect("an id"), session["url"].as_str().expect("an address"));
    let page = client().get(url).send().await.expect("answered").text().await.expect("text");
    assert!(page.contains("1 hour &lt;b&gt;") && page.contains("id=\"pay\"") && page.contains("back=1"), "{page}");
    assert_eq!(press(url, "no-funds").await, format!("/c/pay/{id}"));
    let page = client().get(url).send().await.expect("answered").text().await.expect("text");
    assert!(page.contains("insufficient funds"), "{page}");
    let bank = press(url, "authenticate").await;
    let bank = format!("{}{bank}", stripe.base_url());
    assert!(client().get(&bank).send().await.expect("answered").text().await.expect("text").contains("id=\"approve\""));
    assert_eq!(press(&bank, "approve").await, "http://shop.example/o/x");
    stripe
        .wait_for("the event is answered", PATIENCE, |register| register.events()[0].answers == [Some(200)])
        .await
        .expect("in time");
    let (signature, body) = heard.lock().expect("no panic before")[0].clone();
    let event: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(event["data"]["object"]["payment_status"], "paid");
    let time = signature.split(',').next().and_then(|part| part.strip_prefix("t=")).expect("a time");
    let time = time::OffsetDateTime::from_unix_timestamp(time.parse().expect("a number")).expect("in range");
    assert_eq!(signature, wire::signature(SECRET, time, &body));
    assert!(stripe.send_again(event["id"].as_str().expect("an id")));
    stripe
        .wait_for("it comes twice", PATIENCE, |register| register.events()[0].answers.len() == 2)
        .await
        .expect("in time");
    assert_eq!(heard.lock().expect("no panic before")[1].1, body, "the same event");
    stripe.shutdown().await;
}

#[tokio::test]
async fn keys_errors_and_outages_are_answered_as_stripe_does() {
    let stripe = start(None).await;
    let (_, first) = create(&stripe, "a", &form()).await;
    let (_, again) = create(&stripe, "a", &form()).await;
    assert_eq!((first["id"].clone(), stripe.sessions().len()), (again["id"].clone(), 1));
    let (status, other) = create(&stripe, "a", &form()[..7]).await;
    assert_eq!((status, &other["error"]["type"]), (400, &Value::from("idempotency_error")));
    let (status, bad) = create(&stripe, "b", &form()[1..]).await;
    assert_eq!((status, &bad["error"]["code"]), (400, &Value::from("parameter_missing")));
    let url = format!("{}{}/cs_0", stripe.base_url(), server::SESSIONS_PATH);
    let unknown = client().get(&url).basic_auth("sk_test_1", None::<&str>).send().await.expect("answered");
    assert_eq!(unknown.status(), 404);
    assert!(unknown.headers().contains_key("request-id"));
    assert_eq!(client().get(&url).bearer_auth("guess").send().await.expect("answered").status(), 401);
    stripe.set_outage(true);
    assert_eq!(create(&stripe, "c", &form()).await.0, 500);
    let journal = stripe.journal();
    assert_eq!(journal.iter().map(|request| request.status).collect::<Vec<_>>(), [200, 200, 400, 400, 404, 401, 500]);
    assert_eq!((journal[0].key.as_deref(), journal[4].key.as_deref()), (Some("a"), None));
}

#[tokio::test]
async fn money_is_given_back_and_sessions_are_closed() {
    let stripe = start(None).await;
    let (_, session) = create(&stripe, "a", &form()).await;
    let id = session["id"].as_str().expect("an id");
    assert!(!stripe.dispute(id), "not paid");
    assert!(stripe.choose(id, Choice::Pay) && stripe.dispute(id));
    let payment = stripe.sessions()[0].payment_intent.clone().expect("paid");
    let url = format!("{}{}", stripe.base_url(), server::REFUNDS_PATH);
    let refund = client().post(url).bearer_auth("sk_test_1").form(&[("payment_intent", payment.as_str())]);
    let refund: Value = refund.send().await.expect("answered").json().await.expect("JSON");
    assert_eq!((&refund["amount"], &refund["status"]), (&Value::from(7000), &Value::from("succeeded")));
    let (_, session) = create(&stripe, "b", &form()).await;
    let id = session["id"].as_str().expect("an id");
    let url = format!("{}{}/{id}/expire", stripe.base_url(), server::SESSIONS_PATH);
    let closed = client().post(url).bearer_auth("sk_test_1").send().await.expect("answered");
    assert_eq!(closed.json::<Value>().await.expect("JSON")["status"], "expired");
    let page = client().get(session["url"].as_str().expect("an address")).send().await.expect("answered");
    assert!(page.text().await.expect("text").contains("id=\"over\""));
    let kinds: Vec<&str> = stripe.events().iter().map(|event| event.kind).collect();
    let expected = [
        "checkout.session.completed",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.refunded",
        "checkout.session.expired",
    ];
    assert_eq!(kinds, expected);
    let overview = client().get(stripe.base_url()).send().await.expect("answered").text().await.expect("text");
    assert!(overview.contains("Expired") && overview.contains("Paid"), "{overview}");
}
