//! The Twilio client and `/webhooks/sms/twilio`: requests against Twilio's own document, and emulate, which wants the
//! account's token, takes messages, and signs what it reports of them to an address of ours with TLS.

use std::ffi::OsStr;
use std::time::Duration;

use portal::notify::sms::{Sent, Twilio};
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::phone::Phone;
use tests::radsec::Authority;
use tests::world::{World, eventually};
use url::Url;

use crate::configure;
use crate::fake::{self, Fake};
use crate::relay::{Passed, Relay};

const DOCUMENT: &str = "twilio/twilio_api_v2010.yaml";
const ACCOUNT: &str = "AC5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const SERVICE: &str = "MG5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const TOKEN: &str = "contract_token";
const SENDER: &str = "+254700000000";
const CUSTOMER: &str = "+254712345678";
const SIGNATURE: &str = "x-twilio-signature";

/// A client with these settings besides the account and its address.
fn client(base: &str, settings: Value, reports: Option<&Url>) -> Twilio {
    let mut whole = json!({ "account_sid": ACCOUNT, "auth_token": TOKEN, "base_url": base });
    let (fields, more) = (whole.as_object_mut().expect("an object"), settings.as_object().expect("an object"));
    fields.extend(more.clone());
    let whole: shared::config::Twilio = serde_json::from_value(whole).expect("a valid section");
    Twilio::new(&whole, Duration::from_secs(10), reports).expect("http")
}

fn customer() -> Phone {
    CUSTOMER.parse().expect("a phone")
}

#[tokio::test]
async fn every_request_is_as_twilios_document_says() {
    let Some(program) = fake::program("MLANGO_STEADY") else { return };
    let Some(document) = fake::document(DOCUMENT) else { return };
    let steady = Fake::steady(&program, &document).await;
    let relay = Relay::to(steady.base()).await;
    let reports: Url = "https://wifi.example/webhooks/sms/twilio".parse().expect("an address");
    for settings in [json!({ "from": SENDER }), json!({ "messaging_service_sid": SERVICE })] {
        let sent = client(&relay.base(), settings, Some(&reports)).send(&customer(), "Habari! 1 hour & more").await;
        // It answers with the example of Twilio's document.
        let is_read = matches!(&sent, Sent::Accepted { reference, segments: 1, .. } if reference.starts_with("SM"));
        assert!(is_read, "{sent:?}");
    }
    let passed = relay.passed();
    assert_eq!(passed.len(), 2);
    for one in &passed {
        assert_eq!(one.line, format!("POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
        let judged = (one.said("x-steady-request-valid"), one.said("x-steady-error-count"));
        assert_eq!(judged, ("true", "0"), "{}: {}", one.text(), String::from_utf8_lossy(&one.answer));
    }
    // The control: our own request, each time with one mistake.
    let http = reqwest::Client::new();
    let form = passed[1].text();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    for (path, form) in [
        (path.clone(), form.replacen("To=", "Two=", 1)),
        (path.clone(), form.replace(SERVICE, "MGnothing")),
        (path.replace("Messages", "Message"), form.clone()),
    ] {
        let request = http.post(steady.at(&path)).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form.clone()).send().await.expect("an answer");
        let errors = answer.headers()["x-steady-error-count"].to_str().expect("text");
        assert_ne!(errors, "0", "{path} {form}");
    }
}

/// A portal behind TLS that tells a customer something by emulate.
struct Stage {
    world: World,
    emulate: Fake,
    /// Between the TLS and the portal.
    reports: Relay,
    http: reqwest::Client,
}

async fn stage(program: &OsStr) -> Stage {
    let mut world = World::new().await;
    let authority = Authority::new("an authority of the test");
    let trusted = world.config().with_file_name("authority.pem");
    std::fs::write(&trusted, authority.pem()).expect("the authority is written");
    let reports = Relay::to(&world.portal_url()).await;
    let public = format!("https://{}", reports.behind_tls(&authority).await);
    let seed = json!({
        "account": { "sid": ACCOUNT, "auth_token": TOKEN },
        "phone_numbers": [{ "phone_number": SENDER, "friendly_name": "Mlango" }],
    });
    let emulate = Fake::emulate(program, "twilio", &seed, Some(&trusted)).await;
    let text = std::fs::read_to_string(world.config()).expect("the configuration is there");
    let plain = format!("public_url = \"{}\"", world.portal_url());
    assert!(text.contains(&plain), "{text}");
    let text = text.replace(&plain, &format!("public_url = \"{public}\""));
    std::fs::write(world.config(), text).expect("the configuration is written");
    let section = format!(
        "\n[sms.twilio]\naccount_sid = \"{ACCOUNT}\"\nauth_token = \"{TOKEN}\"\nfrom = \"{SENDER}\"\nbase_url = \"{}\"\n",
        emulate.base()
    );
    configure(&world, &section);
    world.start_portal().await;
    Stage { world, emulate, reports, http: reqwest::Client::new() }
}

impl Stage {
    /// Lets a customer's package end, which is news. Returns the provider's name of the message.
    async fn message(&self) -> String {
        let (world, now) = (&self.world, self.world.clock.now());
        let package = world.package("one-day", |_| {}).await;
        let user =
            store::user::ensure(&world.db, shared::rng::id(now), &customer(), "", now).await.expect("a customer");
        let granted = store::entitlement::grant(&world.db, Some(user), &package, b"amina", b"siri", now).await;
        sqlx::query(
            "UPDATE entitlements SET state = 'active', starts_at = now() - interval '1 hour',
                 expires_at = now() - interval '1 second' WHERE id = $1",
        )
        .bind(granted.expect("a free login"))
        .execute(&world.pool)
        .await
        .expect("the package ends");
        eventually("the message is taken", || async {
            sqlx::query_scalar("SELECT reference FROM notifications WHERE state = 'sent' AND provider = 'twilio'")
                .fetch_optional(&world.pool)
                .await
                .ok()?
        })
        .await
    }

    async fn state(&self) -> String {
        let state = sqlx::query_scalar("SELECT state FROM notifications").fetch_one(&self.world.pool).await;
        state.expect("there is one message")
    }

    /// The report of this state, once the portal has answered it.
    async fn report(&self, status: &str) -> Passed {
        let field = format!("MessageStatus={status}");
        eventually(&format!("{status} is reported"), || async {
            self.reports.passed().into_iter().find(|one| one.text().split('&').any(|part| part == field))
        })
        .await
    }

    /// Posts a report to the portal itself.
    async fn tell(&self, signature: &str, form: String) -> StatusCode {
        let request = self.http.post(format!("{}/webhooks/sms/twilio", self.world.portal_url()));
        let request = request.header(SIGNATURE, signature).header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send().await.expect("an answer").status()
    }
}

#[tokio::test]
async fn emulate_takes_our_message_and_its_signed_report_is_believed() {
    let Some(program) = fake::program("MLANGO_EMULATE") else { return };
    let stage = stage(&program).await;
    let reference = stage.message().await;
    // emulate reports at once that it has the message.
    assert_eq!(stage.report("queued").await.status, StatusCode::OK);
    assert_eq!(stage.state().await, "sent");
    let form = [("MessageSid", reference.as_str()), ("Status", "delivered")];
    let request = stage.http.post(stage.emulate.at("/_twilio/simulate/message-status"));
    let simulated = request.basic_auth(ACCOUNT, Some(TOKEN)).form(&form).send().await.expect("an answer");
    assert!(simulated.status().is_success(), "{}", simulated.status());
    let report = stage.report("delivered").await;
    assert_eq!(report.status, StatusCode::OK, "{} {}", report.header(SIGNATURE), report.text());
    assert_eq!(stage.state().await, "delivered");
    // The same signature under another form, and under none.
    let (signature, form) = (report.header(SIGNATURE), report.text());
    let changed = form.replace("MessageStatus=delivered", "MessageStatus=deliverex");
    assert_ne!(changed, form);
    assert_eq!(stage.tell(signature, changed).await, StatusCode::FORBIDDEN);
    assert_eq!(stage.tell("", form.clone()).await, StatusCode::FORBIDDEN);
    assert_eq!(stage.tell(signature, form).await, StatusCode::OK, "the control: it is the octet that was refused");
    what_emulate_refuses(&stage.emulate).await;
}

/// Its refusals are the provider's affair and not the customer's, so that another provider would be asked.
async fn what_emulate_refuses(emulate: &Fake) {
    for (settings, expected) in
        [(json!({ "from": SENDER, "auth_token": "wrong" }), "20003"), (json!({ "from": "+254799999999" }), "21606")]
    {
        let sent = client(emulate.base(), settings, None).send(&customer(), "Habari").await;
        assert!(matches!(&sent, Sent::Refused { permanent: false, code, .. } if code == expected), "{sent:?}");
    }
}
