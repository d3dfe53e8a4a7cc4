//! The simulator over loopback, as its client sees it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A stand-in for the portal: keeps the callbacks that come.
async fn shop() -> (SocketAddr, Arc<Mutex<Vec<Value>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let hook = move |body: String| {
        let callback = serde_json::from_str(&body).expect("JSON");
        ears.lock().expect("no panic before").push(callback);
        async { "" }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(hook))).await });
    (address, heard)
}

async fn start() -> Daraja {
    let mut config = DarajaConfig::new("key", "secret", "passkey");
    config.delay = Duration::from_millis(20);
    Daraja::start(config).await.expect("a free port")
}

async fn bearer(daraja: &Daraja, client: &reqwest::Client) -> String {
    let url = format!("{}{}?grant_type=client_credentials", daraja.base_url(), server::TOKEN_PATH);
    let answer: Value =
        client.get(url).basic_auth("key", Some("secret")).send().await.expect("answered").json().await.expect("JSON");
    answer["access_token"].as_str().expect("a token").to_owned()
}

fn order(shop: SocketAddr, phone: &str) -> Value {
    json!({
        "BusinessShortCode": "174379", "Password": STANDARD.encode("174379passkey20261124180000"),
        "Timestamp": "20261124180000", "TransactionType": "CustomerPayBillOnline", "Amount": "20",
        "PartyA": phone, "PartyB": "174379", "PhoneNumber": phone, "CallBackURL": format!("http://{shop}/hook"),
        "AccountReference": "ORDER1", "TransactionDesc": "Wi-Fi",
    })
}

async fn push(daraja: &Daraja, token: &str, order: &Value) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}{}", daraja.base_url(), server::PUSH_PATH);
    reqwest::Client::new().post(url).bearer_auth(token).json(order).send().await
}

#[tokio::test]
async fn a_push_is_accepted_called_back_and_can_be_asked_about() {
    let (daraja, (shop, heard)) = (start().await, shop().await);
    let client = reqwest::Client::new();
    let token = bearer(&daraja, &client).await;
    let answer = push(&daraja, &token, &order(shop, "254712345670")).await.expect("answered");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["ResponseCode"], json!("0"));
    daraja
        .wait_for("the callback is answered", PATIENCE, |till| till.transactions()[0].callbacks == [Some(200)])
        .await
        .expect("in time");
    let callback = heard.lock().expect("no panic before")[0].clone();
    assert_eq!(callback["Body"]["stkCallback"]["CheckoutRequestID"], answer["CheckoutRequestID"]);
    let mut question = order(shop, "254712345670");
    question["CheckoutRequestID"] = answer["CheckoutRequestID"].clone();
    let url = format!("{}{}", daraja.base_url(), server::QUERY_PATH);
    let verdict: Value = client
        .post(url)
        .bearer_auth(&token)
        .json(&question)
        .send()
        .await
        .expect("answered")
        .json()
        .await
        .expect("JSON");
    assert_eq!(verdict["ResultCode"], json!("0"));
    assert!(verdict.get("MpesaReceiptNumber").is_none());
    let page = client.get(daraja.base_url()).send().await.expect("answered").text().await.expect("text");
    assert!(page.contains("254712345670"));
    daraja.shutdown().await;
}

#[tokio::test]
async fn a_lost_answer_closes_the_connection_and_the_callback_still_comes() {
    let (daraja, (shop, heard)) = (start().await, shop().await);
    let token = bearer(&daraja, &reqwest::Client::new()).await;
    let lost = push(&daraja, &token, &order(shop, "254712345679")).await;
    assert!(lost.is_err(), "{lost:?}");
    daraja
        .wait_for("the callback is answered", PATIENCE, |till| till.transactions()[0].callbacks == [Some(200)])
        .await
        .expect("in time");
    assert_eq!(heard.lock().expect("no panic before").len(), 1);
    assert_eq!(daraja.journal().last().expect("the push").status, 0);
}

#[tokio::test]
async fn errors_come_in_the_envelope() {
    let (daraja, (shop, _)) = (start().await, shop().await);
    let refused = push(&daraja, "guess", &order(shop, "254712345670")).await.expect("answered");
    assert_eq!(refused.status(), 404);
    let envelope: Value = refused.json().await.expect("JSON");
    assert_eq!(envelope["errorCode"], json!("404.001.03"));
    assert!(envelope["requestId"].is_string() && envelope["errorMessage"].is_string());
    daraja.set_outage(true);
    assert_eq!(push(&daraja, "guess", &order(shop, "254712345670")).await.expect("answered").status(), 503);
    assert!(daraja.transactions().is_empty());
}

#[tokio::test]
async fn a_callback_can_come_before_the_answer() {
    let (daraja, (shop, heard)) = (start().await, shop().await);
    let token = bearer(&daraja, &reqwest::Client::new()).await;
    daraja.set_answer_delay(Duration::from_secs(3600));
    let order = order(shop, "254712345670");
    let answer = push(&daraja, &token, &order);
    let callback = daraja.wait_for("the callback", PATIENCE, |till| {
        till.transactions().first().is_some_and(|transaction| transaction.callbacks == [Some(200)])
    });
    tokio::select! {
        _ = answer => panic!("the answer came first"),
        came = callback => came.expect("in time"),
    }
    assert_eq!(heard.lock().expect("no panic before").len(), 1);
}

/// A fate in which only the answer is not as usual.
fn with_answer(answer: Answer) -> Fate {
    Fate { answer, ..Fate::of(Outcome::Paid, Duration::from_millis(20), Duration::ZERO) }
}

#[tokio::test]
async fn an_error_may_hide_a_push_that_was_taken() {
    for (answer, pushes) in [(Answer::Error, 1), (Answer::Refused, 0)] {
        let (daraja, (shop, _)) = (start().await, shop().await);
        let token = bearer(&daraja, &reqwest::Client::new()).await;
        daraja.decree("254712345670", with_answer(answer));
        let failed = push(&daraja, &token, &order(shop, "254712345670")).await.expect("answered");
        assert_eq!(failed.status(), 500, "{answer:?}");
        let envelope: Value = failed.json().await.expect("JSON");
        assert_eq!(envelope["errorCode"], json!("500.003.1001"), "{answer:?}");
        assert_eq!(daraja.transactions().len(), pushes, "{answer:?}");
    }
}

#[tokio::test]
async fn what_was_told_is_written_down() {
    let (daraja, (shop, heard)) = (start().await, shop().await);
    let token = bearer(&daraja, &reqwest::Client::new()).await;
    let reports = [Says::NoAnswer, Says::Truth, Says::Truth]
        .map(|says| Report { after: Duration::from_millis(if says == Says::Truth { 40 } else { 10 }), says });
    daraja.decree("254712345670", Fate { reports: reports.to_vec(), ..with_answer(Answer::Given) });
    push(&daraja, &token, &order(shop, "254712345670")).await.expect("answered");
    daraja
        .wait_for("all are answered", PATIENCE, |till| till.transactions()[0].told.len() == 3)
        .await
        .expect("in time");
    let told = daraja.transactions()[0].told.clone();
    assert_eq!(told.iter().filter(|told| told.says == Says::Truth).count(), 2);
    assert!(told.iter().all(|told| told.status == Some(200)));
    assert_eq!(heard.lock().expect("no panic before").len(), 3);
}

#[tokio::test]
async fn queries_fail_by_the_odds_and_pushes_do_not() {
    let (daraja, (shop, _)) = (start().await, shop().await);
    let client = reqwest::Client::new();
    let token = bearer(&daraja, &client).await;
    daraja.set_odds(Odds { query_error: 100, ..Odds::NONE }, 1);
    let wish = order(shop, "254712345670");
    assert_eq!(push(&daraja, &token, &wish).await.expect("answered").status(), 200);
    let mut question = wish;
    question["CheckoutRequestID"] = json!(daraja.transactions()[0].checkout_request_id);
    let url = format!("{}{}", daraja.base_url(), server::QUERY_PATH);
    let ask = || client.post(&url).bearer_auth(&token).json(&question).send();
    let failed: Value = ask().await.expect("answered").json().await.expect("JSON");
    assert_eq!(failed["errorCode"], json!("500.003.1001"));
    daraja.set_odds(Odds::NONE, 1);
    let pending: Value = ask().await.expect("answered").json().await.expect("JSON");
    assert!(pending["errorCode"] == json!("500.001.1001") || pending["ResultCode"] == json!("0"), "{pending}");
}
