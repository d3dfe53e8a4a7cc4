//! Messages at the desk: what became of each, and how they are worded, tried before they are kept.

use shared::notice::Notice;
use shared::staff::Role;
use store::notification;
use tests::world::World;

use crate::operator::{Operator, audited, by_operator};

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

#[tokio::test]
async fn what_was_sent_is_shown_with_its_cost_and_the_number_to_those_who_may_see_it() {
    let (world, operator) = desk().await;
    operator.get("/admin/messages").await.says(200, "No provider of SMS is configured");
    let now = world.clock.now();
    let phone = "0712345678".parse().unwrap();
    let user = store::user::ensure(&world.db, shared::rng::id(now), &phone, "", now).await.unwrap();
    let sent = "INSERT INTO notifications (id, user_id, template, state, provider, reference, segments, cost_minor, currency, detail,
                    expires_at, created_at, sent_at)
                VALUES (gen_random_uuid(), $1, 'ended', 'failed', 'africastalking', 'ATX', 2, 160, 'KES', 'phone is off', $2, $2, $2)";
    sqlx::query(sent).bind(user).bind(now).execute(&world.pool).await.unwrap();
    let page = operator.get("/admin/messages").await;
    for words in ["+254712345678", "package has ended", "not delivered", "phone is off", "africastalking", "KSh 1.60"] {
        page.says(200, words);
    }
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    let page = cashier.get("/admin/messages").await;
    page.says(200, "07xx xxx 678");
    assert!(!page.text.contains("712345678"), "{}", page.text);
}

#[tokio::test]
async fn a_text_is_tried_before_it_is_kept() {
    let (world, operator) = desk().await;
    let path = "/admin/messages/texts/ended/sw";
    operator.get("/admin/messages/texts").await.says(200, "letters (GSM-7), sent as 1 message");
    operator.get(path).await.says(200, "imeisha. Karibu tena.");
    operator.forged(path, &[("text", "Habari")]).await;
    for (text, sentence) in [
        ("Habari {{ brnd }}", "The text does not work"),
        (" ", "The text is empty."),
        (&*"x".repeat(500), "sent as 4 messages"),
    ] {
        operator.post(path, &[("text", text)]).await.says(422, sentence);
    }
    let tried = operator.post(path, &[("text", "Habari, {{ package }} ç"), ("try", "on")]).await;
    tried.says(200, "A customer would read: Habari, 1 day ç");
    tried.says(200, "UCS-2");
    assert_eq!(notification::template(&world.db, Notice::Ended, "sw").await.unwrap(), None);
    operator.post(path, &[("text", "Habari, {{ package }} imekwisha.")]).await.says(200, "your own words");
    let kept = notification::template(&world.db, Notice::Ended, "sw").await.unwrap();
    assert_eq!(kept.as_deref(), Some("Habari, {{ package }} imekwisha."));
    operator.forged(&format!("{path}/reset"), &[]).await;
    let reset = operator.post(&format!("{path}/reset"), &[]).await;
    assert!(reset.status == 200 && !reset.text.contains("your own words"), "{}", reset.text);
    assert_eq!(notification::template(&world.db, Notice::Ended, "sw").await.unwrap(), None);
    assert_eq!(audited(&world, "message.set").await, by_operator(&["ended sw"]));
    assert_eq!(audited(&world, "message.reset").await, by_operator(&["ended sw"]));
    operator.get("/admin/messages/texts/weather/en").await.says(404, "It is not here");
}

#[tokio::test]
async fn a_kind_is_sent_no_more_and_again() {
    let (world, operator) = desk().await;
    operator.forged("/admin/messages/texts/trouble/off", &[]).await;
    operator.post("/admin/messages/texts/trouble/off", &[]).await.says(200, "not sent");
    assert_eq!(notification::off(&world.db).await.unwrap(), ["trouble"]);
    operator.post("/admin/messages/texts/trouble/on", &[]).await.says(200, "Send no more");
    assert!(notification::off(&world.db).await.unwrap().is_empty());
    assert_eq!(audited(&world, "message.off").await, by_operator(&["trouble"]));
    assert_eq!(audited(&world, "message.on").await, by_operator(&["trouble"]));
    operator.post("/admin/messages/texts/weather/off", &[]).await.says(404, "It is not here");
}
