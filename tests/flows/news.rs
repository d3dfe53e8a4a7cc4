//! Customers are told what matters to them: once, in the operator's words, by a provider that works, and not what they do not want.

use std::sync::Arc;
use std::time::Duration;

use store::accounting::{self, Event, Report, SessionKey};
use store::package::Starts;
use tests::sms::{Mood, Provider, SmsSim};
use tests::world::{World, eventually, first_report};
use uuid::Uuid;

pub(crate) const PHONE: &str = "+254712345670";

async fn world() -> (World, Arc<SmsSim>) {
    let mut world = World::new().await;
    let sms = world.sms().await;
    world.start_portal().await;
    (world, sms)
}

/// A customer with a package that has been running for an hour.
pub(crate) async fn customer(world: &World, change: impl FnOnce(&mut store::package::Package)) -> (Uuid, SessionKey) {
    let now = world.clock.now();
    let package = world.package("one-day", change).await;
    let phone = PHONE.parse().unwrap();
    let user = store::user::ensure(&world.db, shared::rng::id(now), &phone, "", now).await.unwrap();
    let entitlement = store::entitlement::grant(&world.db, Some(user), &package, b"amina", b"siri", now).await.unwrap();
    let begin = now - Duration::from_secs(3600);
    sqlx::query("UPDATE entitlements SET starts_at = $2, expires_at = $2 + interval '1 day' WHERE id = $1")
        .bind(entitlement)
        .bind(begin)
        .execute(&world.pool)
        .await
        .unwrap();
    let settings = store::nas::Settings { address: Some("10.50.0.1/32".parse().unwrap()), ..Default::default() };
    let nas = world.register("cafe", b"secret", settings).await;
    let session = SessionKey { id: shared::rng::id(begin), opened_on: begin.date() };
    let report = Report { session, entitlement: Some(entitlement), ..first_report(nas, begin) };
    accounting::record(&world.db, &[report], begin).await.unwrap();
    (entitlement, session)
}

async fn texts(sms: &SmsSim, count: usize) -> Vec<String> {
    eventually(&format!("{count} messages are sent"), || async {
        let texts: Vec<String> = sms.messages().into_iter().map(|message| message.text).collect();
        (texts.len() >= count).then_some(texts)
    })
    .await
}

async fn states(world: &World) -> Vec<(String, String)> {
    sqlx::query_as("SELECT template, state FROM notifications ORDER BY created_at, template")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn data_that_runs_out_is_told_at_each_mark_once() {
    let (world, sms) = world().await;
    let (entitlement, session) = customer(&world, |p| p.rules.quota_octets = Some(1_000_000)).await;
    let nas: Uuid = sqlx::query_scalar("SELECT id FROM nas").fetch_one(&world.pool).await.unwrap();
    let begin = world.clock.now() - Duration::from_secs(1800);
    let report = async |seconds: u64, octets| {
        let at = begin + Duration::from_secs(seconds);
        let first = first_report(nas, at);
        let told = Report {
            session,
            entitlement: Some(entitlement),
            event: Event::Interim,
            seconds,
            output_octets: octets,
            ..first
        };
        accounting::record(&world.db, &[told], at).await.unwrap();
    };
    report(60, 700_000).await;
    report(120, 850_000).await;
    report(180, 900_000).await;
    report(240, 960_000).await;
    report(300, 1_100_000).await;
    let texts = texts(&sms, 3).await;
    let parts = ["most of the data of one day is used", "data of one day is nearly used up", "one day has ended"];
    for part in parts {
        assert_eq!(texts.iter().filter(|text| text.contains(part)).count(), 1, "{texts:?}");
    }
    assert!(sms.messages().iter().all(|message| message.to == PHONE && message.provider == Provider::AfricasTalking));
    eventually("all of it is written down", || async {
        states(&world).await.iter().all(|(_, state)| state == "sent").then_some(())
    })
    .await;
    // The provider reports to its secret address, and not to another one.
    let address = world.portal_command(&["message", "address"], "").await.trim().to_owned();
    let report = async |address: &str, status: &str| {
        let form = [("id", sms.messages()[0].reference.clone()), ("status", status.to_owned())];
        reqwest::Client::new().post(address).form(&form).send().await.unwrap().status().as_u16()
    };
    assert_eq!(report(&format!("{}x", &address[..address.len() - 1]), "Success").await, 404);
    assert_eq!(report(&address, "Success").await, 200);
    assert_eq!(report(&address, "Failed").await, 200, "it is late, and moves nothing back");
    let delivered = states(&world).await.iter().filter(|(_, state)| state == "delivered").count();
    assert_eq!(delivered, 1);
}

#[tokio::test]
async fn time_that_ends_soon_is_told_in_the_customers_language_and_the_operators_words() {
    let (world, sms) = world().await;
    let (entitlement, _) = customer(&world, |p| p.starts = Starts::FirstLogin).await;
    sqlx::query("UPDATE users SET locale = 'sw'").execute(&world.pool).await.unwrap();
    let refused =
        world.portal_refuses(&["message", "set", "ends_soon", "--locale", "sw", "--text", "{{ brnd }}"], "").await;
    assert!(refused.contains("{{ brand }}"), "{refused}");
    let set = ["message", "set", "ends_soon", "--locale", "sw", "--text", "Habari! {{ package }} inaisha {{ until }}."];
    assert!(world.portal_command(&set, "").await.contains("sent as 1 message"));
    sqlx::query("UPDATE entitlements SET expires_at = now() + interval '5 minutes' WHERE id = $1")
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
    let told = texts(&sms, 1).await;
    assert!(told[0].starts_with("Habari! one day inaisha "), "{told:?}");
}

#[tokio::test]
async fn what_is_not_wanted_is_not_sent() {
    let (world, sms) = world().await;
    let (entitlement, _) = customer(&world, |_| {}).await;
    world.portal_command(&["message", "off", "ended"], "").await;
    sqlx::query("UPDATE entitlements SET expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
    eventually("it is skipped", || async {
        (states(&world).await == [("ended".to_owned(), "skipped".to_owned())]).then_some(())
    })
    .await;
    assert!(sms.messages().is_empty());
}

#[tokio::test]
async fn another_provider_takes_over_and_reports_are_believed_if_they_are_signed() {
    let (world, sms) = world().await;
    sms.set_mood(Provider::AfricasTalking, Mood::Throttles);
    let (entitlement, _) = customer(&world, |_| {}).await;
    sqlx::query("UPDATE entitlements SET expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
    texts(&sms, 1).await;
    let message = sms.messages().remove(0);
    assert_eq!(message.provider, Provider::Twilio);
    eventually("it is written down", || async {
        (states(&world).await == [("ended".to_owned(), "sent".to_owned())]).then_some(())
    })
    .await;
    let forged = reqwest::Client::new()
        .post(format!("{}/webhooks/sms/twilio", world.portal_url()))
        .header("x-twilio-signature", "AAAA")
        .form(&[("MessageSid", message.reference.as_str()), ("MessageStatus", "delivered")])
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), 403);
    assert_eq!(states(&world).await, [("ended".to_owned(), "sent".to_owned())]);
    assert_eq!(sms.requests(Provider::AfricasTalking), 1, "who does not take it is not asked again at once");
}

#[tokio::test]
async fn a_provider_that_loses_the_answer_is_not_asked_twice_and_one_that_is_down_is_asked_again() {
    let (world, sms) = world().await;
    sms.set_mood(Provider::AfricasTalking, Mood::LosesTheAnswer);
    let (entitlement, _) = customer(&world, |_| {}).await;
    let end = async || {
        sqlx::query("UPDATE entitlements SET state = 'active', expires_at = now() - interval '1 second' WHERE id = $1")
            .bind(entitlement)
            .execute(&world.pool)
            .await
            .unwrap();
    };
    end().await;
    eventually("it may have been sent", || async {
        let detail: String = sqlx::query_scalar("SELECT detail FROM notifications WHERE state = 'sent'")
            .fetch_optional(&world.pool)
            .await
            .ok()??;
        (detail == "no answer").then_some(())
    })
    .await;
    assert_eq!((sms.messages().len(), sms.requests(Provider::Twilio)), (1, 0));
}
