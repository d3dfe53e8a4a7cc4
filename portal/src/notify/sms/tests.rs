//! Who is asked and when the next one is, against a small server made here that plays both providers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const TEXT: &str = "Karibu! Ng\u{2019}ombe \u{2013} saa 1";
const PLAIN_TEXT: &str = "Karibu! Ng'ombe - saa 1";

type Fields = HashMap<String, String>;

/// How a provider of these tests answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// Refuses because of itself: the balance, too many requests.
    Unable,
    /// Refuses because of the number.
    Unwilling,
    /// Fails after it has heard.
    Broken,
    /// Never answers.
    Silent,
}

/// Two providers, and what each was asked.
struct Server {
    moods: [Mood; 2],
    heard: Mutex<[Vec<Fields>; 2]>,
}

impl Server {
    fn asked(&self) -> [usize; 2] {
        let heard = self.heard.lock().expect("no panic before");
        [heard[0].len(), heard[1].len()]
    }
}

async fn africastalking(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    assert_eq!(headers["apikey"], "key");
    assert_eq!(headers["accept"], "application/json");
    let mood = server.moods[0];
    server.heard.lock().expect("no panic before")[0].push(fields);
    let answer = |recipient: Value| {
        let body = json!({ "SMSMessageData": { "Message": "Sent", "Recipients": [recipient] } });
        (StatusCode::CREATED, axum::Json(body)).into_response()
    };
    match mood {
        Mood::Well => answer(json!({ "statusCode": 101, "cost": "KES 0.8000", "messageId": "ATXid_1" })),
        Mood::Unable => answer(json!({ "statusCode": 405, "status": "InsufficientBalance", "messageId": "None" })),
        Mood::Unwilling => answer(json!({ "statusCode": 406, "status": "UserInBlacklist", "messageId": "None" })),
        Mood::Broken => StatusCode::BAD_GATEWAY.into_response(),
        Mood::Silent => std::future::pending().await,
    }
}

async fn twilio(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    assert!(headers["authorization"].to_str().expect("plain").starts_with("Basic "));
    let mood = server.moods[1];
    server.heard.lock().expect("no panic before")[1].push(fields);
    let answer = |status: StatusCode, body: Value| (status, axum::Json(body)).into_response();
    match mood {
        Mood::Well => answer(StatusCode::CREATED, json!({ "sid": "SM1", "status": "queued", "num_segments": "1" })),
        Mood::Unable => answer(StatusCode::TOO_MANY_REQUESTS, json!({ "code": 20429, "message": "Slow down" })),
        Mood::Unwilling => answer(StatusCode::BAD_REQUEST, json!({ "code": 21610, "message": "Unsubscribed" })),
        Mood::Broken => answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "code": 20500 })),
        Mood::Silent => std::future::pending().await,
    }
}

/// Africa's Talking first, Twilio second, in these moods.
async fn start(first: Mood, second: Mood) -> (Sms, Arc<Server>) {
    start_with(first, second, 2000).await
}

async fn start_with(first: Mood, second: Mood, timeout_ms: u64) -> (Sms, Arc<Server>) {
    let server = Arc::new(Server { moods: [first, second], heard: Mutex::new([Vec::new(), Vec::new()]) });
    let routes = Router::new()
        .route("/version1/messaging", post(africastalking))
        .route(&format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"), post(twilio))
        .with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (sms(&base, &base, timeout_ms), server)
}

fn sms(africastalking: &str, twilio: &str, timeout_ms: u64) -> Sms {
    let settings = json!({
        "timeout_ms": timeout_ms,
        "africastalking": { "username": "mlango", "api_key": "key", "sender_id": "MLANGO", "base_url": africastalking },
        "twilio": { "account_sid": ACCOUNT, "auth_token": "token", "from": "+15005550006", "base_url": twilio },
    });
    let settings: config::Sms = serde_json::from_value(settings).expect("a valid section");
    let reports = Url::parse("https://wifi.example.net/webhooks/twilio").expect("a valid URL");
    Sms::new(&settings, Some(&reports)).expect("http")
}

fn phone() -> Phone {
    "0712345678".parse().expect("a phone")
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn send(sms: &Sms, after_unknown: AfterUnknown) -> Outcome {
    sms.send(&phone(), TEXT, after_unknown).await
}

fn by_africastalking() -> Sent {
    Sent::Accepted { reference: "ATXid_1".into(), cost: Some(Money::kes(80)), segments: 1 }
}

fn by_twilio() -> Sent {
    Sent::Accepted { reference: "SM1".into(), cost: None, segments: 1 }
}

#[tokio::test]
async fn the_first_provider_is_asked_in_its_own_words() {
    let (sms, server) = start(Mood::Well, Mood::Well).await;
    let outcome = send(&sms, AfterUnknown::Stop).await;
    let provider = Some(SmsProvider::AfricasTalking);
    assert_eq!(outcome, Outcome { sent: by_africastalking(), provider, others: Vec::new() });
    assert_eq!(server.asked(), [1, 0]);
    let heard = server.heard.lock().expect("no panic before");
    let expected = [
        ("username", "mlango"),
        ("to", "+254712345678"),
        ("message", PLAIN_TEXT),
        ("bulkSMSMode", "1"),
        ("from", "MLANGO"),
    ];
    assert_eq!(heard[0][0], fields(&expected));
}

#[tokio::test]
async fn what_is_the_providers_fault_goes_to_the_next() {
    let (sms, server) = start(Mood::Unable, Mood::Well).await;
    let outcome = send(&sms, AfterUnknown::Stop).await;
    assert_eq!((&outcome.sent, outcome.provider), (&by_twilio(), Some(SmsProvider::Twilio)));
    assert!(matches!(&outcome.others[..], [(SmsProvider::AfricasTalking, Sent::Refused { permanent: false, .. })]));
    assert_eq!(server.asked(), [1, 1]);
    let heard = server.heard.lock().expect("no panic before");
    let expected = [
        ("To", "+254712345678"),
        ("Body", PLAIN_TEXT),
        ("From", "+15005550006"),
        ("StatusCallback", "https://wifi.example.net/webhooks/twilio"),
    ];
    assert_eq!(heard[1][0], fields(&expected));
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_has_heard_nothing() {
    let (_, server) = start(Mood::Well, Mood::Well).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let nobody = format!("http://{closed}");
    let outcome = send(&sms(&nobody, &nobody, 1000), AfterUnknown::Stop).await;
    let expected = Sent::provider_refused("unreachable", "no connection was made");
    assert_eq!((&outcome.sent, outcome.provider), (&expected, Some(SmsProvider::Twilio)));
    assert_eq!(outcome.others, [(SmsProvider::AfricasTalking, expected)]);
    assert_eq!(server.asked(), [0, 0]);
}

#[tokio::test]
async fn a_refusal_about_the_number_is_final() {
    let (sms, server) = start(Mood::Unwilling, Mood::Well).await;
    let outcome = send(&sms, AfterUnknown::AskNext).await;
    assert!(matches!(outcome.sent, Sent::Refused { permanent: true, .. }), "{outcome:?}");
    assert_eq!(server.asked(), [1, 0]);
}

#[tokio::test]
async fn the_last_refusal_stands_where_all_refuse() {
    for (second, permanent) in [(Mood::Unable, false), (Mood::Unwilling, true)] {
        let (sms, server) = start(Mood::Unable, second).await;
        let outcome = send(&sms, AfterUnknown::Stop).await;
        assert_eq!(outcome.provider, Some(SmsProvider::Twilio));
        assert!(matches!(&outcome.sent, Sent::Refused { permanent: told, .. } if *told == permanent), "{outcome:?}");
        assert_eq!(server.asked(), [1, 1]);
    }
}

#[tokio::test]
async fn a_message_that_may_have_been_sent_is_not_sent_again_unless_told() {
    let (sms, server) = start(Mood::Broken, Mood::Well).await;
    let outcome = send(&sms, AfterUnknown::Stop).await;
    assert!(matches!(outcome.sent, Sent::Unknown(_)), "{outcome:?}");
    assert_eq!((outcome.provider, server.asked()), (Some(SmsProvider::AfricasTalking), [1, 0]));
    let outcome = send(&sms, AfterUnknown::AskNext).await;
    assert_eq!((&outcome.sent, outcome.provider), (&by_twilio(), Some(SmsProvider::Twilio)));
    assert!(matches!(&outcome.others[..], [(SmsProvider::AfricasTalking, Sent::Unknown(_))]), "{outcome:?}");
    assert_eq!(server.asked(), [2, 1]);
}

#[tokio::test]
async fn a_later_refusal_does_not_make_an_unknown_message_unsent() {
    for second in [Mood::Unable, Mood::Unwilling, Mood::Broken] {
        let (sms, server) = start(Mood::Broken, second).await;
        let outcome = send(&sms, AfterUnknown::AskNext).await;
        assert!(matches!(outcome.sent, Sent::Unknown(_)), "{outcome:?}");
        assert_eq!((outcome.provider, outcome.others.len()), (Some(SmsProvider::AfricasTalking), 1));
        assert_eq!(server.asked(), [1, 1]);
    }
}

#[tokio::test]
async fn silence_ends_in_time_and_is_not_repeated() {
    let (sms, server) = start_with(Mood::Silent, Mood::Well, 200).await;
    let outcome = send(&sms, AfterUnknown::Stop).await;
    assert_eq!(outcome.sent, Sent::Unknown("no answer in time".into()));
    assert_eq!(server.asked(), [1, 0]);
}

#[tokio::test]
async fn an_impossible_text_is_refused_without_asking() {
    let (sms, server) = start(Mood::Well, Mood::Well).await;
    let long = "a".repeat(1531);
    for (text, word) in [("", "empty"), ("\u{200b} \n", "empty"), (long.as_str(), "too-long")] {
        let outcome = sms.send(&phone(), text, AfterUnknown::Stop).await;
        assert!(
            matches!(&outcome.sent, Sent::Refused { permanent: true, code, .. } if code.as_str() == word),
            "{outcome:?}"
        );
        assert_eq!(outcome.provider, None);
    }
    assert_eq!(server.asked(), [0, 0]);
    assert!(matches!(sms.send(&phone(), &long[1..], AfterUnknown::Stop).await.sent, Sent::Accepted { .. }));
}

#[tokio::test]
async fn the_wait_is_bounded_by_the_number_of_providers() {
    let sms = sms("https://127.0.0.1", "https://127.0.0.1", 10_000);
    assert_eq!(sms.longest(), Duration::from_secs(20));
    assert!(sms.twilio().is_some());
}

#[test]
fn a_base_that_is_not_http_is_refused() {
    let settings = json!({ "africastalking": { "username": "u", "api_key": "k", "base_url": "ftp://h" } });
    let settings: config::Sms = serde_json::from_value(settings).expect("a valid section");
    let error = Sms::new(&settings, None).expect_err("not http");
    assert!(error.to_string().starts_with("sms.africastalking.base_url must begin with https://"), "{error}");
}
