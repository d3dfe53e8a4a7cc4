//! The simulated providers of text messages over loopback, as their client sees them.

use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(10);

async fn start() -> SmsSim {
    SmsSim::start(SmsSimConfig::new("mlango", "key", ACCOUNT, "token")).await.expect("a free port")
}

async fn by_africastalking(sim: &SmsSim, key: &str, to: &str) -> reqwest::Result<reqwest::Response> {
    reqwest::Client::new()
        .post(format!("{}/version1/messaging", sim.base_url()))
        .header("apiKey", key)
        .header("Accept", "application/json")
        .form(&[("username", "mlango"), ("to", to), ("message", "Karibu"), ("from", "MLANGO")])
        .send()
        .await
}

async fn by_twilio(sim: &SmsSim, token: &str, reports: &str) -> reqwest::Result<reqwest::Response> {
    reqwest::Client::new()
        .post(format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", sim.base_url()))
        .basic_auth(ACCOUNT, Some(token))
        .form(&[("To", "+254712345678"), ("Body", "Karibu"), ("From", "MLANGO"), ("StatusCallback", reports)])
        .send()
        .await
}

async fn json(response: reqwest::Result<reqwest::Response>) -> (u16, Value) {
    let response = response.expect("answered");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

/// Signatures and fields.
type Heard = Arc<Mutex<Vec<(String, Vec<(String, String)>)>>>;

/// A stand-in for the portal: keeps the reports that come, with their signatures.
async fn ears() -> (String, Heard) {
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    let hook = move |headers: HeaderMap, body: Bytes| {
        let signature = header(&headers, "x-twilio-signature").to_owned();
        kept.lock().expect("no panic before").push((signature, fields(&body)));
        async { StatusCode::NO_CONTENT }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}/reports?who=sms", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/reports", post(hook))).await });
    (address, heard)
}

#[tokio::test]
async fn each_provider_takes_a_message_in_its_own_words() {
    let sim = start().await;
    let (status, body) = json(by_africastalking(&sim, "key", "+254712345678").await).await;
    let recipient = &body["SMSMessageData"]["Recipients"][0];
    assert_eq!((status, &recipient["statusCode"], &recipient["cost"]), (201, &json!(101), &json!("KES 0.8000")));
    let (status, body) = json(by_twilio(&sim, "token", "http://127.0.0.1/x").await).await;
    assert_eq!((status, &body["status"], &body["num_segments"]), (201, &json!("queued"), &json!("1")));
    let messages = sim.messages();
    assert_eq!((messages[0].provider, messages[1].provider), (Provider::AfricasTalking, Provider::Twilio));
    assert_eq!(recipient_and_text(&messages[0]), recipient_and_text(&messages[1]));
    assert_eq!(body["sid"], json!(messages[1].reference));
    sim.shutdown().await;
}

fn recipient_and_text(message: &Message) -> (&str, &str, Option<&str>) {
    (message.to.as_str(), message.text.as_str(), message.from.as_deref())
}

#[tokio::test]
async fn wrong_keys_and_numbers_are_refused_as_the_real_ones_do() {
    let sim = start().await;
    let refused = by_africastalking(&sim, "guess", "+254712345678").await.expect("answered");
    assert_eq!(refused.status(), 401);
    assert!(refused.text().await.expect("text").starts_with("The supplied"), "plain text, no JSON");
    let (status, body) = json(by_africastalking(&sim, "key", " 254712345678").await).await;
    assert_eq!((status, &body["SMSMessageData"]["Recipients"][0]["statusCode"]), (201, &json!(403)));
    let (status, body) = json(by_twilio(&sim, "guess", "http://127.0.0.1/x").await).await;
    assert_eq!((status, &body["code"]), (401, &json!(20003)));
    let (status, body) = json(by_twilio(&sim, "token", "nowhere").await).await;
    assert_eq!((status, &body["code"]), (400, &json!(21609)));
    assert!(sim.messages().is_empty());
}

#[tokio::test]
async fn moods_decide_what_becomes_of_a_message() {
    let sim = start().await;
    for (mood, status, kept) in [
        (Mood::Refuses(405), Some(201), 0),
        (Mood::Throttles, Some(429), 0),
        (Mood::Fails, Some(500), 0),
        (Mood::Drops, None, 0),
        (Mood::LosesTheAnswer, None, 1),
        (Mood::Well, Some(201), 2),
    ] {
        sim.set_mood(Provider::AfricasTalking, mood);
        let answer = by_africastalking(&sim, "key", "+254712345678").await;
        assert_eq!(answer.ok().map(|answer| answer.status().as_u16()), status, "{mood:?}");
        assert_eq!(sim.messages().len(), kept, "{mood:?}");
    }
    assert_eq!((sim.requests(Provider::AfricasTalking), sim.requests(Provider::Twilio)), (6, 0));
    sim.set_mood(Provider::Twilio, Mood::Refuses(21610));
    let (status, body) = json(by_twilio(&sim, "token", "http://127.0.0.1/x").await).await;
    assert_eq!((status, &body["code"]), (400, &json!(21610)));
}

#[tokio::test]
async fn a_provider_may_think_longer_than_its_client_waits() {
    let sim = start().await;
    sim.set_delay(Provider::Twilio, Duration::from_secs(3600));
    let taken = sim.wait_for("the message is taken", PATIENCE, |book| book.messages().len() == 1);
    tokio::select! {
        _ = by_twilio(&sim, "token", "http://127.0.0.1/x") => panic!("the answer came first"),
        taken = taken => taken.expect("in time"),
    }
}

#[tokio::test]
async fn reports_are_posted_and_twilios_are_signed() {
    let (address, heard) = ears().await;
    let mut config = SmsSimConfig::new("mlango", "key", ACCOUNT, "token");
    config.africastalking_reports = Some(address.clone());
    let sim = SmsSim::start(config).await.expect("a free port");
    json(by_africastalking(&sim, "key", "+254712345678").await).await;
    json(by_twilio(&sim, "token", &address).await).await;
    let messages = sim.messages();
    let answered = sim.report(&messages[0].reference, "Failed", Some("UserDoesNotExist")).await;
    assert_eq!(answered.expect("answered"), 204);
    assert_eq!(sim.report(&messages[1].reference, "delivered", None).await.expect("answered"), 204);
    let heard = heard.lock().expect("no panic before").clone();
    let (signature, report) = &heard[0];
    assert_eq!((signature.as_str(), field(report, "failureReason")), ("", Some("UserDoesNotExist")));
    let (signature, report) = &heard[1];
    assert_eq!((*signature == twilio::signature("token", &address, report), field(report, "ErrorCode")), (true, None));
    assert!(matches!(sim.report("SM9", "sent", None).await, Err(ReportError::NoSuchMessage(_))));
}

/// The values are those of Twilio's documentation.
#[test]
fn the_signature_is_twilios() {
    let call = owned(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
    ]);
    let signature = twilio::signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", &call);
    assert_eq!(signature, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}
